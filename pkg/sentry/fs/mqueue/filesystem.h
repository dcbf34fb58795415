// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The mqueue file system: the POSIX message queues of one IPC namespace, which mq_open(2) finds by
// name, whether the file system is mounted or not.

#ifndef CVISOR_PKG_SENTRY_FS_MQUEUE_FILESYSTEM_H_
#define CVISOR_PKG_SENTRY_FS_MQUEUE_FILESYSTEM_H_

#include <mqueue.h>

#include <string>

#include "pkg/sentry/fs/mqueue/queue.h"
#include "pkg/sentry/kernel/ipc_namespace.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::fs::mqueue {

// mq_open(2), but for the descriptor. `attr` may be null.
Result<Ref<vfs::FileDescription>> OpenQueue(kernel::Task& t, const std::string& name, int flags,
                                            mode_t mode, const mq_attr* attr);
// mq_unlink(2).
Status UnlinkQueue(kernel::Task& t, const std::string& name);

// The file system of a namespace, to be mounted.
Ref<vfs::FileSystem> FileSystemOf(kernel::IpcNamespace& ns);
// mount(2) of type mqueue: that of the calling task's namespace.
void RegisterMqueue();

}  // namespace cvisor::fs::mqueue

#endif  // CVISOR_PKG_SENTRY_FS_MQUEUE_FILESYSTEM_H_
