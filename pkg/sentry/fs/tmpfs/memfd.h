// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// memfd_create(2) and the seals of fcntl(2).

#ifndef CVISOR_PKG_SENTRY_FS_TMPFS_MEMFD_H_
#define CVISOR_PKG_SENTRY_FS_TMPFS_MEMFD_H_

#include <string_view>

#include "pkg/base/result.h"
#include "pkg/sentry/vfs/file_description.h"

namespace cvisor::fs::tmpfs {

// `flags`: MFD_ALLOW_SEALING, MFD_NOEXEC_SEAL, MFD_EXEC; MFD_CLOEXEC is the caller's. EINVAL for
// others (there are no huge pages) and for names longer than 249 bytes.
Result<Ref<vfs::FileDescription>> NewMemfd(std::string_view name, unsigned flags);

// F_GET_SEALS, F_ADD_SEALS: EINVAL if it is no memfd or tmpfs file; EPERM, EBUSY.
Result<int> GetSeals(const vfs::FileDescription& file);
Status AddSeals(const vfs::FileDescription& file, int seals);

}  // namespace cvisor::fs::tmpfs

#endif  // CVISOR_PKG_SENTRY_FS_TMPFS_MEMFD_H_
