// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// strace: how the dispatcher tells of a system call.

#ifndef CVISOR_PKG_SENTRY_STRACE_STRACE_H_
#define CVISOR_PKG_SENTRY_STRACE_STRACE_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/strace/events.h"
#include "pkg/sentry/syscalls/table.h"

namespace cvisor::strace {

// Limits tracing to these calls (--strace-syscalls); empty: all of them. Names that are no calls are
// ignored. Before the first task runs.
void TraceOnly(const std::vector<std::string>& names);
// Is this call traced, given that tracing is enabled?
bool Traces(uint64_t number);

// One call being traced, on its task's own thread: constructed before the handler runs (what the call
// reads is formatted then), finished with the result (what it wrote is formatted then).
class Call {
 public:
  // `info` is null for numbers that are no call.
  Call(kernel::Task& t, const syscalls::SyscallInfo* info, uint64_t number,
       const syscalls::SyscallArgs& args);
  // Emits `openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3 <0.000012>`.
  void Finish(const Result<uint64_t>& result);

 private:
  kernel::Task& t_;
  const syscalls::SyscallInfo* const info_;
  const uint64_t number_;
  const syscalls::SyscallArgs args_;
  const pid_t tid_;
  const int64_t start_ns_;
  std::array<std::string, 6> text_;
};

}  // namespace cvisor::strace

#endif  // CVISOR_PKG_SENTRY_STRACE_STRACE_H_
