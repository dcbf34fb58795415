// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// rtnetlink(7), read only: links, addresses, routes, rules and neighbours of the sandbox's network
// namespace.

#ifndef CVISOR_PKG_SENTRY_SOCKET_NETLINK_ROUTE_H_
#define CVISOR_PKG_SENTRY_SOCKET_NETLINK_ROUTE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "pkg/base/result.h"
#include "pkg/sentry/socket/netlink/message.h"

namespace cvisor::socket::netlink {

// The datagrams that answer one request of the socket `port`. Asks the host with a request built
// from the fields that are known, and builds every message of the answer anew from the attributes
// that are known. EPERM: a change. EOPNOTSUPP: an unknown question. EINVAL: too short.
Result<std::vector<std::string>> AnswerRoute(const Message& request, uint32_t port);

}  // namespace cvisor::socket::netlink

#endif  // CVISOR_PKG_SENTRY_SOCKET_NETLINK_ROUTE_H_
