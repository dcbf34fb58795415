// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The memory devices of /dev: null(4), random(4), full(4). Terminals are devpts's.

#ifndef CVISOR_PKG_SENTRY_FS_DEV_DEVICES_H_
#define CVISOR_PKG_SENTRY_FS_DEV_DEVICES_H_

#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/vfs/inode.h"

namespace cvisor::fs {

// Registers the openers of the character devices with major 1. Once, at start-up.
void RegisterMemoryDevices();

// Fills an empty directory (a tmpfs root) with what Docker and devtmpfs put into /dev: nodes, the
// links to /proc/self/fd, and the mount points pts, shm and mqueue.
Status PopulateDev(vfs::Inode& dir);

}  // namespace cvisor::fs

#endif  // CVISOR_PKG_SENTRY_FS_DEV_DEVICES_H_
