// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Openers of devices and FIFOs, as open.cc uses them. They are registered through vfs.h.

#ifndef CVISOR_PKG_SENTRY_VFS_REGISTRY_H_
#define CVISOR_PKG_SENTRY_VFS_REGISTRY_H_

#include "pkg/base/result.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::vfs {

// ENXIO if nothing is registered.
Result<Ref<FileDescription>> OpenCharDevice(const Path& path, dev_t rdev, int flags);
Result<Ref<FileDescription>> OpenFifo(const Path& path, int flags);

}  // namespace cvisor::vfs

#endif  // CVISOR_PKG_SENTRY_VFS_REGISTRY_H_
