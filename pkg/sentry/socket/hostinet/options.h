// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The socket options that reach a host socket: an allowlist with the type of each value. What is
// not in it stays in the Sentry or is refused. Left out on purpose: programs for the host's kernel
// (SO_ATTACH_FILTER, SO_ATTACH_BPF, TCP_ULP), other processes' traffic (SO_MARK, IP_TRANSPARENT,
// TCP_REPAIR), memory that the application does not own (SO_ZEROCOPY), source routes (IP_OPTIONS,
// IPV6_RTHDR), keys (TCP_MD5SIG) and policies (IP_XFRM_POLICY).

#ifndef CVISOR_PKG_SENTRY_SOCKET_HOSTINET_OPTIONS_H_
#define CVISOR_PKG_SENTRY_SOCKET_HOSTINET_OPTIONS_H_

#include <cstddef>
#include <cstdint>

namespace cvisor::socket::hostinet {

struct HostOption {
  enum class Kind : uint8_t {
    kInt,        // an int, at least
    kIntOrByte,  // an int, or one byte of it (level IPPROTO_IP)
    kExact,      // exactly `size` bytes, or `other_size`
    kUpTo,       // at most `size` bytes
  };
  int level, name;
  Kind kind;
  bool get, set;
  size_t size = sizeof(int), other_size = 0;
  // Asks for ancillary data.
  bool control = false;
};

// Null: not for the host.
const HostOption* FindHostOption(int level, int name);
// Options that exist on Linux but need privileges over the host's network: EPERM, not ENOPROTOOPT.
bool IsPrivilegedOption(int level, int name);

}  // namespace cvisor::socket::hostinet

#endif  // CVISOR_PKG_SENTRY_SOCKET_HOSTINET_OPTIONS_H_
