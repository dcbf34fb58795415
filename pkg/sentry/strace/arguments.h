// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Arguments of system calls as strace(1) prints them. Application memory is only read through CopyIn:
// what cannot be read is shown as its address.

#ifndef CVISOR_PKG_SENTRY_STRACE_ARGUMENTS_H_
#define CVISOR_PKG_SENTRY_STRACE_ARGUMENTS_H_

#include <string>

#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/syscalls/table.h"

namespace cvisor::strace {

// True for what the call writes: formatted after it.
bool IsOutput(syscalls::ArgFormat format);

// Argument `i`. `result` is null before the call.
std::string FormatArgument(kernel::Task& t, const syscalls::SyscallInfo& info,
                           const syscalls::SyscallArgs& args, int i,
                           const Result<uint64_t>* result);

std::string FormatResult(const syscalls::SyscallInfo* info, const Result<uint64_t>& result);

}  // namespace cvisor::strace

#endif  // CVISOR_PKG_SENTRY_STRACE_ARGUMENTS_H_
