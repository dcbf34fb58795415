// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Questions of the Sentry's own to the network namespace's NETLINK_ROUTE.

#ifndef CVISOR_PKG_SENTRY_SOCKET_NETLINK_HOST_QUERY_H_
#define CVISOR_PKG_SENTRY_SOCKET_NETLINK_HOST_QUERY_H_

#include <string>
#include <string_view>
#include <vector>

#include "pkg/base/result.h"

namespace cvisor::socket::netlink {

// Sends one request and collects the datagrams of the answer: up to NLMSG_DONE if `dump`, else one.
// Does not wait: the kernel answers while it is asked. ENOBUFS: more than 8 MiB.
Result<std::vector<std::string>> QueryHost(std::string_view request, bool dump);

}  // namespace cvisor::socket::netlink

#endif  // CVISOR_PKG_SENTRY_SOCKET_NETLINK_HOST_QUERY_H_
