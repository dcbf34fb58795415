// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Kernel parameters of IPC namespaces, for whoever sets them from outside.

#ifndef CVISOR_PKG_SENTRY_FS_PROC_IPC_SYSCTL_H_
#define CVISOR_PKG_SENTRY_FS_PROC_IPC_SYSCTL_H_

#include <string_view>

#include "pkg/base/result.h"
#include "pkg/sentry/kernel/ipc_namespace.h"

namespace cvisor::fs::proc {

// Sets the limit that /proc/sys/<path> shows of the namespace ("kernel/msgmax"). ENOENT if there is none of that
// name.
Status SetIpcSysctl(kernel::IpcNamespace& ns, std::string_view path, std::string_view value);

}  // namespace cvisor::fs::proc

#endif  // CVISOR_PKG_SENTRY_FS_PROC_IPC_SYSCTL_H_
