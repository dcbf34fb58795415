// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Signal-driven I/O: O_ASYNC, F_SETOWN and F_SETSIG of fcntl(2).

#ifndef CVISOR_PKG_SENTRY_KERNEL_ASYNC_IO_H_
#define CVISOR_PKG_SENTRY_KERNEL_ASYNC_IO_H_

#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/vfs/file_description.h"

namespace cvisor::kernel {

// Called after O_ASYNC was set or cleared in the flags of `file`, which `t` knows as descriptor `fd`:
// from now on its owner gets, or no longer gets, a signal when it becomes ready. Nothing happens for
// files that never change their readiness.
void UpdateAsyncIo(Task& t, int fd, const Ref<vfs::FileDescription>& file);

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_ASYNC_IO_H_
