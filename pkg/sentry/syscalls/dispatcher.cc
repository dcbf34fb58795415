// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/syscalls/dispatcher.h"

#include "absl/cleanup/cleanup.h"
#include "pkg/base/log.h"
#include "pkg/sentry/strace/events.h"
#include "pkg/sentry/strace/strace.h"
#include "pkg/sentry/syscalls/socket_args.h"

namespace cvisor::syscalls {

Dispatcher::Dispatcher() { RegisterSocketCallers(); }

Result<uint64_t> Dispatcher::Dispatch(Task& t, uint64_t number) {
  const arch::Registers& regs = t.call_regs();
  const SyscallArgs args{{regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9}};
  t.current_syscall.store(static_cast<int64_t>(number), std::memory_order_relaxed);
  absl::Cleanup done = [&t] { t.current_syscall.store(-1, std::memory_order_relaxed); };

  const bool first =
      number < kSyscallLimit
          ? counts_[number].fetch_add(1, std::memory_order_relaxed) == 0
          : out_of_range_.fetch_add(1, std::memory_order_relaxed) == 0;
  const SyscallInfo* info = FindSyscall(number);
  const bool implemented = info != nullptr && info->handler != nullptr;
  if (strace::Enabled() && strace::Traces(number)) [[unlikely]] {
    strace::Call call(t, info, number, args);
    Result<uint64_t> result =
        implemented ? info->handler(t, args) : Missing(t, number, args, first);
    call.Finish(result);
    return result;
  }
  if (!implemented) [[unlikely]] return Missing(t, number, args, first);
  return info->handler(t, args);
}

void Dispatcher::OnSignal(Task& t, const siginfo_t& info) {
  if (strace::Enabled()) strace::TraceSignal(t.tid(), info);
}

void Dispatcher::OnExit(Task& t, int status) {
  if (strace::Enabled()) strace::TraceExit(t.tid(), status);
}

Result<uint64_t> Dispatcher::Missing(Task& t, uint64_t number, const SyscallArgs& args, bool first) {
  if (first) {
    const SyscallInfo* info = FindSyscall(number);
    LogWarning("unimplemented system call %s (%d) by \"%s\": args %#x %#x %#x %#x %#x %#x",
               info != nullptr ? info->name : std::string_view("unknown"), number, t.name(),
               args.value[0], args.value[1], args.value[2], args.value[3], args.value[4],
               args.value[5]);
  }
  return Errno::kENOSYS;
}

}  // namespace cvisor::syscalls
