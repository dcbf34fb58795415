// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// A stopped tracee's registers as ptrace(2) hands them out: struct user, register sets, and what
// PTRACE_GET_SYSCALL_INFO says. Pure functions over a TraceStop; whatever a tracer writes is
// checked here.

#ifndef CVISOR_PKG_SENTRY_SYSCALLS_TRACE_REGISTERS_H_
#define CVISOR_PKG_SENTRY_SYSCALLS_TRACE_REGISTERS_H_

#include <sys/ptrace.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "pkg/base/result.h"
#include "pkg/sentry/kernel/trace.h"

namespace cvisor::syscalls {

// arch_prctl(2)'s, of PTRACE_ARCH_PRCTL.
inline constexpr uint64_t kArchSetGs = 0x1001, kArchSetFs = 0x1002, kArchGetFs = 0x1003,
                          kArchGetGs = 0x1004;

// The word at `offset` of struct user (PTRACE_PEEKUSER). EIO.
Result<uint64_t> PeekUserArea(const arch::Registers& regs, uint64_t offset);
Status PokeUserArea(arch::Registers* regs, uint64_t offset, uint64_t value);

// NT_PRSTATUS, NT_PRFPREG, NT_X86_XSTATE; EINVAL for others. `features`: of the XSAVE state.
Result<std::vector<std::byte>> ReadRegset(const kernel::TraceStop& stop, uint64_t type,
                                          uint64_t features);
// A whole set. EIO, EINVAL.
Status WriteRegset(kernel::TraceStop* stop, uint64_t type, std::span<const std::byte> bytes,
                   uint64_t features);

// Returns how many bytes of `info` mean something.
size_t FillSyscallInfo(const kernel::TraceStop& stop, __ptrace_syscall_info* info);

}  // namespace cvisor::syscalls

#endif  // CVISOR_PKG_SENTRY_SYSCALLS_TRACE_REGISTERS_H_
