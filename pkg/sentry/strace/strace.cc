// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/strace/strace.h"

#include <fcntl.h>

#include <algorithm>
#include <bitset>

#include "absl/strings/str_format.h"
#include "pkg/sentry/kernel/blocker.h"
#include "pkg/sentry/strace/arguments.h"
#include "pkg/sentry/strace/format.h"

namespace cvisor::strace {

using syscalls::ArgFormat;

namespace {
bool g_filtered = false;
std::bitset<syscalls::kSyscallLimit> g_traced;
}  // namespace

void TraceOnly(const std::vector<std::string>& names) {
  g_traced.reset();
  for (const syscalls::SyscallInfo& info : syscalls::Table()) {
    if (std::find(names.begin(), names.end(), info.name) != names.end()) g_traced.set(info.number);
  }
  g_filtered = !names.empty();
}

bool Traces(uint64_t number) {
  return !g_filtered || (number < g_traced.size() && g_traced.test(number));
}

Call::Call(kernel::Task& t, const syscalls::SyscallInfo* info, uint64_t number,
           const syscalls::SyscallArgs& args)
    : t_(t),
      info_(info),
      number_(number),
      args_(args),
      tid_(t.tid()),
      start_ns_(kernel::MonotonicNs()) {
  if (info_ == nullptr) return;
  for (int i = 0; i < 6 && info_->args[i] != ArgFormat::kNone; ++i) {
    if (!IsOutput(info_->args[i])) text_[i] = FormatArgument(t_, *info_, args_, i, nullptr);
  }
}

void Call::Finish(const Result<uint64_t>& result) {
  const double seconds = static_cast<double>(kernel::MonotonicNs() - start_ns_) / 1e9;
  std::string line;
  if (info_ == nullptr) {
    line = absl::StrFormat("syscall_%#x(%#x, %#x, %#x, %#x, %#x, %#x", number_, args_.value[0],
                           args_.value[1], args_.value[2], args_.value[3], args_.value[4],
                           args_.value[5]);
  } else {
    line = absl::StrFormat("%s(", info_->name);
    // Calls that nobody implements have no formats: all registers, as for unknown ones.
    if (info_->handler == nullptr) {
      line += absl::StrFormat("%#x, %#x, %#x, %#x, %#x, %#x", args_.value[0], args_.value[1],
                              args_.value[2], args_.value[3], args_.value[4], args_.value[5]);
    }
    bool first = true;
    bool has_mode = true;
    for (int i = 0; i < 6 && info_->args[i] != ArgFormat::kNone; ++i) {
      const ArgFormat format = info_->args[i];
      if (format == ArgFormat::kSkip) continue;
      // The mode of open(2) means something only where a file may be created.
      if (format == ArgFormat::kOpenFlags) {
        has_mode = (args_.value[i] & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) != 0;
      }
      if (format == ArgFormat::kOctalMode && !has_mode) continue;
      if (!first) line += ", ";
      first = false;
      line += IsOutput(info_->args[i]) ? FormatArgument(t_, *info_, args_, i, &result) : text_[i];
    }
  }
  line += ") = ";
  line += FormatResult(info_, result);
  line += absl::StrFormat(" <%.6f>", seconds);
  Emit(tid_, line);
}

}  // namespace cvisor::strace
