// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#ifndef CVISOR_PKG_SENTRY_SYSCALLS_RUSAGE_H_
#define CVISOR_PKG_SENTRY_SYSCALLS_RUSAGE_H_

#include <sys/resource.h>

#include "pkg/sentry/kernel/thread_group.h"

namespace cvisor::syscalls {

// getrusage(2)'s structure; max_rss in KiB.
rusage ToRusage(const kernel::CpuUsage& usage);

}  // namespace cvisor::syscalls

#endif  // CVISOR_PKG_SENTRY_SYSCALLS_RUSAGE_H_
