// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// prctl(PR_SET_SECCOMP), which is seccomp(2) by another name: sys_seccomp.cc.

#ifndef CVISOR_PKG_SENTRY_SYSCALLS_SECCOMP_MODE_H_
#define CVISOR_PKG_SENTRY_SYSCALLS_SECCOMP_MODE_H_

#include "pkg/sentry/syscalls/table.h"

namespace cvisor::syscalls {

// `mode`: SECCOMP_MODE_*. `program`: address of a sock_fprog.
Result<uint64_t> SetSeccompMode(Task& t, uint64_t mode, UserAddr program);

}  // namespace cvisor::syscalls

#endif  // CVISOR_PKG_SENTRY_SYSCALLS_SECCOMP_MODE_H_
