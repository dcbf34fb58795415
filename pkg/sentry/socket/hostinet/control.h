// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Ancillary data of Internet sockets (ip(7), ipv6(7), udp(7)): only messages in the tables of
// control.cc, of the right size, pass in either direction. Pure functions.

#ifndef CVISOR_PKG_SENTRY_SOCKET_HOSTINET_CONTROL_H_
#define CVISOR_PKG_SENTRY_SOCKET_HOSTINET_CONTROL_H_

#include <cstddef>
#include <span>
#include <vector>

#include "pkg/base/result.h"
#include "pkg/sentry/socket/socket.h"

namespace cvisor::socket::hostinet {

// Room for everything that a host socket can add to one message.
inline constexpr size_t kControlRoom = 512;

// A control buffer for the host. Descriptors and credentials are ignored, as Linux does here.
// EINVAL: unknown at a level that is looked at, or of the wrong size. EPERM: SO_MARK.
Result<std::vector<std::byte>> BuildControl(int family, int type, const ControlMessages& control);

// What the host stored. Unknown messages are dropped.
ControlMessages ParseControl(std::span<const std::byte> buffer);

}  // namespace cvisor::socket::hostinet

#endif  // CVISOR_PKG_SENTRY_SOCKET_HOSTINET_CONTROL_H_
