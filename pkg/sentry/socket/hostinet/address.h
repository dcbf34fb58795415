// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// sockaddr_in and sockaddr_in6 from applications: taken apart and built anew, so that the host sees
// nothing but what is understood here. Pure functions.

#ifndef CVISOR_PKG_SENTRY_SOCKET_HOSTINET_ADDRESS_H_
#define CVISOR_PKG_SENTRY_SOCKET_HOSTINET_ADDRESS_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "pkg/base/result.h"

namespace cvisor::socket::hostinet {

struct HostAddress {
  union {
    sockaddr any;
    sockaddr_in in;
    sockaddr_in6 in6;
  };
  socklen_t length = 0;
  HostAddress() : in6{} {}
  // In host order. At the same place in all of them; bind(2) looks at it with AF_UNSPEC, too.
  uint16_t port() const { return ntohs(in.sin_port); }
};

// An address for a socket of `family`. EINVAL: too short; EAFNOSUPPORT: of another family.
// AF_UNSPEC is let through (connect(2) dissolves an association, bind(2) takes 0.0.0.0 so), and an
// IPv4 address for an IPv6 socket, which the host refuses where it is wrong.
Result<HostAddress> ParseAddress(int family, std::string_view bytes);

// What the host stored, as bytes for the application. Empty if it stored none.
std::string AddressBytes(const sockaddr_storage& address, socklen_t length);

}  // namespace cvisor::socket::hostinet

#endif  // CVISOR_PKG_SENTRY_SOCKET_HOSTINET_ADDRESS_H_
