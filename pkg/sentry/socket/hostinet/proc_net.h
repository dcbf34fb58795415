// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// /proc/net and /proc/sys/net of the sandbox's network namespace.

#ifndef CVISOR_PKG_SENTRY_SOCKET_HOSTINET_PROC_NET_H_
#define CVISOR_PKG_SENTRY_SOCKET_HOSTINET_PROC_NET_H_

namespace cvisor::socket::hostinet {

// Opens the host's files, which needs the host's /proc, and registers the application's. Once, at
// start-up.
void RegisterProcNet();

}  // namespace cvisor::socket::hostinet

#endif  // CVISOR_PKG_SENTRY_SOCKET_HOSTINET_PROC_NET_H_
