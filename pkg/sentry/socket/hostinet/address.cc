// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/socket/hostinet/address.h"

#include <algorithm>
#include <cstring>

namespace cvisor::socket::hostinet {
namespace {

// sockaddr_in6 of RFC 2133, without the scope: still taken by Linux.
constexpr size_t kShortestIn6 = 24;

}  // namespace

Result<HostAddress> ParseAddress(int family, std::string_view bytes) {
  HostAddress out;
  sa_family_t given;
  if (bytes.size() < sizeof(given)) return Errno::kEINVAL;
  std::memcpy(&given, bytes.data(), sizeof(given));
  if (given == AF_INET6 && family == AF_INET6) {
    if (bytes.size() < kShortestIn6) return Errno::kEINVAL;
    sockaddr_in6 in6{};
    std::memcpy(&in6, bytes.data(), std::min(bytes.size(), sizeof(in6)));
    out.in6.sin6_family = AF_INET6;
    out.in6.sin6_port = in6.sin6_port;
    out.in6.sin6_flowinfo = in6.sin6_flowinfo;
    out.in6.sin6_addr = in6.sin6_addr;
    out.in6.sin6_scope_id = in6.sin6_scope_id;
    out.length = sizeof(out.in6);
    return out;
  }
  if (given != AF_INET && given != AF_UNSPEC) {
    const size_t least = family == AF_INET ? sizeof(sockaddr_in) : kShortestIn6;
    if (bytes.size() < least) return Errno::kEINVAL;
    return Errno::kEAFNOSUPPORT;
  }
  sockaddr_in in{};
  std::memcpy(&in, bytes.data(), std::min(bytes.size(), sizeof(in)));
  if (given == AF_INET && bytes.size() < sizeof(in)) return Errno::kEINVAL;
  out.in.sin_family = given;
  out.in.sin_port = in.sin_port;
  out.in.sin_addr = in.sin_addr;
  out.length = sizeof(out.in);
  return out;
}

std::string AddressBytes(const sockaddr_storage& address, socklen_t length) {
  const size_t known = address.ss_family == AF_INET    ? sizeof(sockaddr_in)
                       : address.ss_family == AF_INET6 ? sizeof(sockaddr_in6)
                                                       : 0;
  if (known == 0 || length < known) return "";
  return std::string(reinterpret_cast<const char*>(&address), known);
}

}  // namespace cvisor::socket::hostinet
