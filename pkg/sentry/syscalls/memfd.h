// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// memfd_create(2)'s seals (fcntl(2), "File Sealing").

#ifndef CVISOR_PKG_SENTRY_SYSCALLS_MEMFD_H_
#define CVISOR_PKG_SENTRY_SYSCALLS_MEMFD_H_

#include "pkg/sentry/syscalls/helpers.h"

namespace cvisor::syscalls {

// EINVAL if the file cannot be sealed, EPERM if it is sealed against it.
Result<uint64_t> AddSeals(FileDescription& file, uint32_t seals);
Result<uint64_t> GetSeals(FileDescription& file);

}  // namespace cvisor::syscalls

#endif  // CVISOR_PKG_SENTRY_SYSCALLS_MEMFD_H_
