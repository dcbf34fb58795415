// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/socket/hostinet/options.h"

#include <linux/in6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "pkg/sentry/socket/hostinet/inet_socket.h"

namespace cvisor::socket::hostinet {
namespace {

using Kind = HostOption::Kind;

// Newer than the C library's headers, or only in headers that do not mix with them.
constexpr int kIpBindAddressNoPort = 24;
constexpr int kIpRecvFragsize = 25;
constexpr int kIpLocalPortRange = 51;
constexpr int kIpv6RecvFragsize = 77;
constexpr int kIpv6AddrPreferences = 72;
constexpr int kSoPreferBusyPoll = 69;
constexpr size_t kMaxInfo = 512;
constexpr size_t kMaxName = 16;  // TCP_CA_NAME_MAX

constexpr HostOption Int(int level, int name) { return {level, name, Kind::kInt, true, true}; }
constexpr HostOption GetInt(int level, int name) { return {level, name, Kind::kInt, true, false}; }
constexpr HostOption IpInt(int name) { return {IPPROTO_IP, name, Kind::kIntOrByte, true, true}; }
constexpr HostOption Blob(int level, int name, size_t size, size_t other = 0) {
  return {level, name, Kind::kExact, false, true, size, other};
}
constexpr HostOption Control(HostOption o) {
  o.control = true;
  return o;
}

constexpr HostOption kOptions[] = {
    Int(SOL_SOCKET, SO_REUSEADDR),
    Int(SOL_SOCKET, SO_REUSEPORT),
    Int(SOL_SOCKET, SO_KEEPALIVE),
    Int(SOL_SOCKET, SO_BROADCAST),
    Int(SOL_SOCKET, SO_DONTROUTE),
    Int(SOL_SOCKET, SO_OOBINLINE),
    Int(SOL_SOCKET, SO_NO_CHECK),
    Control(Int(SOL_SOCKET, SO_RXQ_OVFL)),
    Int(SOL_SOCKET, SO_SNDBUF),
    Int(SOL_SOCKET, SO_RCVBUF),
    Int(SOL_SOCKET, SO_RCVLOWAT),
    Int(SOL_SOCKET, SO_PRIORITY),
    Int(SOL_SOCKET, SO_INCOMING_CPU),
    GetInt(SOL_SOCKET, SO_ACCEPTCONN),
    GetInt(SOL_SOCKET, SO_INCOMING_NAPI_ID),
    GetInt(SOL_SOCKET, SO_BUSY_POLL),
    GetInt(SOL_SOCKET, kSoPreferBusyPoll),
    {SOL_SOCKET, SO_COOKIE, Kind::kExact, true, false, sizeof(uint64_t)},
    {SOL_SOCKET, SO_MEMINFO, Kind::kUpTo, true, false, 64},

    IpInt(IP_TOS),
    IpInt(IP_TTL),
    IpInt(IP_MTU_DISCOVER),
    IpInt(IP_FREEBIND),
    IpInt(kIpBindAddressNoPort),
    IpInt(kIpLocalPortRange),
    IpInt(IP_MULTICAST_TTL),
    IpInt(IP_MULTICAST_LOOP),
    IpInt(IP_MULTICAST_ALL),
    GetInt(IPPROTO_IP, IP_MTU),
    Control(IpInt(IP_PKTINFO)),
    Control(IpInt(IP_RECVTTL)),
    Control(IpInt(IP_RECVTOS)),
    Control(IpInt(IP_RECVERR)),
    Control(IpInt(IP_RECVORIGDSTADDR)),
    Control(IpInt(kIpRecvFragsize)),
    {IPPROTO_IP, IP_MULTICAST_IF, Kind::kUpTo, true, true, sizeof(ip_mreqn)},
    Blob(IPPROTO_IP, IP_ADD_MEMBERSHIP, sizeof(ip_mreq), sizeof(ip_mreqn)),
    Blob(IPPROTO_IP, IP_DROP_MEMBERSHIP, sizeof(ip_mreq), sizeof(ip_mreqn)),
    Blob(IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, sizeof(ip_mreq_source)),
    Blob(IPPROTO_IP, IP_DROP_SOURCE_MEMBERSHIP, sizeof(ip_mreq_source)),
    Blob(IPPROTO_IP, MCAST_JOIN_GROUP, sizeof(group_req)),
    Blob(IPPROTO_IP, MCAST_LEAVE_GROUP, sizeof(group_req)),
    Blob(IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, sizeof(group_source_req)),
    Blob(IPPROTO_IP, MCAST_LEAVE_SOURCE_GROUP, sizeof(group_source_req)),

    Int(IPPROTO_IPV6, IPV6_V6ONLY),
    Int(IPPROTO_IPV6, IPV6_UNICAST_HOPS),
    Int(IPPROTO_IPV6, IPV6_MULTICAST_HOPS),
    Int(IPPROTO_IPV6, IPV6_MULTICAST_LOOP),
    Int(IPPROTO_IPV6, IPV6_MULTICAST_IF),
    Int(IPPROTO_IPV6, IPV6_MTU_DISCOVER),
    Int(IPPROTO_IPV6, IPV6_DONTFRAG),
    Int(IPPROTO_IPV6, IPV6_TCLASS),
    Int(IPPROTO_IPV6, IPV6_FREEBIND),
    Int(IPPROTO_IPV6, kIpv6AddrPreferences),
    Int(IPPROTO_IPV6, IPV6_AUTOFLOWLABEL),
    GetInt(IPPROTO_IPV6, IPV6_MTU),
    Control(Int(IPPROTO_IPV6, IPV6_RECVPKTINFO)),
    Control(Int(IPPROTO_IPV6, IPV6_RECVHOPLIMIT)),
    Control(Int(IPPROTO_IPV6, IPV6_RECVTCLASS)),
    Control(Int(IPPROTO_IPV6, IPV6_RECVERR)),
    Control(Int(IPPROTO_IPV6, IPV6_RECVORIGDSTADDR)),
    Control(Int(IPPROTO_IPV6, kIpv6RecvFragsize)),
    Blob(IPPROTO_IPV6, IPV6_JOIN_GROUP, sizeof(ipv6_mreq)),
    Blob(IPPROTO_IPV6, IPV6_LEAVE_GROUP, sizeof(ipv6_mreq)),
    Blob(IPPROTO_IPV6, MCAST_JOIN_GROUP, sizeof(group_req)),
    Blob(IPPROTO_IPV6, MCAST_LEAVE_GROUP, sizeof(group_req)),
    Blob(IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, sizeof(group_source_req)),
    Blob(IPPROTO_IPV6, MCAST_LEAVE_SOURCE_GROUP, sizeof(group_source_req)),

    Int(IPPROTO_TCP, TCP_NODELAY),
    Int(IPPROTO_TCP, TCP_MAXSEG),
    Int(IPPROTO_TCP, TCP_CORK),
    Int(IPPROTO_TCP, TCP_KEEPIDLE),
    Int(IPPROTO_TCP, TCP_KEEPINTVL),
    Int(IPPROTO_TCP, TCP_KEEPCNT),
    Int(IPPROTO_TCP, TCP_SYNCNT),
    Int(IPPROTO_TCP, TCP_LINGER2),
    Int(IPPROTO_TCP, TCP_DEFER_ACCEPT),
    Int(IPPROTO_TCP, TCP_WINDOW_CLAMP),
    Int(IPPROTO_TCP, TCP_QUICKACK),
    Int(IPPROTO_TCP, TCP_USER_TIMEOUT),
    Int(IPPROTO_TCP, TCP_FASTOPEN),
    Int(IPPROTO_TCP, TCP_FASTOPEN_CONNECT),
    Int(IPPROTO_TCP, TCP_NOTSENT_LOWAT),
    Int(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS),
    Control(Int(IPPROTO_TCP, TCP_INQ)),
    {IPPROTO_TCP, TCP_INFO, Kind::kUpTo, true, false, kMaxInfo},
    {IPPROTO_TCP, TCP_CONGESTION, Kind::kUpTo, true, true, kMaxName},

    Int(IPPROTO_UDP, UDP_CORK),
    Int(IPPROTO_UDP, UDP_SEGMENT),
    Control(Int(IPPROTO_UDP, UDP_GRO)),
};

// The algorithms that need no privilege. A name outside could load a module of the host's.
bool AllowedCongestion(std::span<const std::byte> value) {
  const std::string_view name(reinterpret_cast<const char*>(value.data()),
                              strnlen(reinterpret_cast<const char*>(value.data()), value.size()));
  return name == "cubic" || name == "reno";
}

Result<int> ParseInt(std::span<const std::byte> value) {
  int v;
  if (value.size() < sizeof(v)) return Errno::kEINVAL;
  std::memcpy(&v, value.data(), sizeof(v));
  return v;
}

}  // namespace

const HostOption* FindHostOption(int level, int name) {
  for (const HostOption& o : kOptions) {
    if (o.level == level && o.name == name) return &o;
  }
  return nullptr;
}

bool IsPrivilegedOption(int level, int name) {
  switch (level) {
    case SOL_SOCKET:
      return name == SO_MARK || name == SO_BINDTODEVICE || name == SO_BUSY_POLL;
    case IPPROTO_IP:
      return name == IP_TRANSPARENT || name == IP_IPSEC_POLICY || name == IP_XFRM_POLICY ||
             name == IP_OPTIONS;
    case IPPROTO_IPV6:
      return name == IPV6_TRANSPARENT || name == IPV6_IPSEC_POLICY || name == IPV6_XFRM_POLICY ||
             name == IPV6_RTHDR || name == IPV6_HOPOPTS;
    case IPPROTO_TCP:
      return name == TCP_REPAIR;
    default:
      return false;
  }
}

Result<std::string> InetSocket::GetHostOption(int level, int name, size_t size) {
  std::array<char, kMaxInfo> value{};
  socklen_t length = static_cast<socklen_t>(std::min(size, value.size()));
  if (getsockopt(fd_.get(), level, name, value.data(), &length) < 0) return HostErrno();
  return std::string(value.data(), std::min<size_t>(length, size));
}

Status InetSocket::SetHostInt(int level, int name, int value) {
  if (setsockopt(fd_.get(), level, name, &value, sizeof(value)) < 0) return HostErrno();
  return OkStatus();
}

Result<std::string> InetSocket::GetOwnOption(const SocketCaller& caller, int name) {
  return Socket::GetSockOpt(caller, SOL_SOCKET, name);
}

Result<std::string> InetSocket::GetSockOpt(const SocketCaller& caller, int level, int name) {
  const HostOption* o = FindHostOption(level, name);
  if (o != nullptr && o->get) return GetHostOption(level, name, o->size);
  if (level == SOL_SOCKET) {
    if (name == SO_BINDTODEVICE) return std::string();  // never bound to one
    return GetOwnOption(caller, name);
  }
  const bool known =
      level == IPPROTO_IP || (level == IPPROTO_IPV6 && family() == AF_INET6) || level == protocol();
  return known ? Errno::kENOPROTOOPT : Errno::kEOPNOTSUPP;
}

// The options that the Sentry keeps, or keeps too.
Status InetSocket::SetOwnOption(const SocketCaller& caller, int name,
                                std::span<const std::byte> value) {
  RETURN_IF_ERROR(Socket::SetSockOpt(caller, SOL_SOCKET, name, value));
  switch (name) {
    case SO_LINGER: {
      // Only "reset at close" is the host's: waiting in close(2) would stop a thread of the Sentry.
      const bool reset = options().linger_on != 0 && options().linger_seconds == 0;
      const linger l{reset, 0};
      if (setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &l, sizeof(l)) < 0) return HostErrno();
      return OkStatus();
    }
    default:
      break;
  }
  // All kinds of time stamps are made from the host's finest one.
  const bool stamps = options().timestamp.load() != 0;
  if (name == SO_TIMESTAMP || name == SO_TIMESTAMPNS || stamps) {
    if (stamps) wants_control_ = true;
    return SetHostInt(SOL_SOCKET, SO_TIMESTAMPNS, stamps);
  }
  return OkStatus();
}

Status InetSocket::SetSockOpt(const SocketCaller& caller, int level, int name,
                              std::span<const std::byte> value) {
  if (IsPrivilegedOption(level, name)) return Errno::kEPERM;
  if (level == SOL_SOCKET && (name == SO_SNDBUFFORCE || name == SO_RCVBUFFORCE)) {
    if (!caller.creds->HasCap(CAP_NET_ADMIN)) return Errno::kEPERM;
    // Without the force: the host's limit holds.
    name = name == SO_SNDBUFFORCE ? SO_SNDBUF : SO_RCVBUF;
  }
  const HostOption* o = FindHostOption(level, name);
  if (o == nullptr || !o->set) {
    if (level == SOL_SOCKET) return SetOwnOption(caller, name, value);
    const bool known = level == IPPROTO_IP || (level == IPPROTO_IPV6 && family() == AF_INET6) ||
                       level == protocol();
    // As Linux: a UDP socket hands unknown levels on to IP, which does not know them either.
    return known || !stream() ? Errno::kENOPROTOOPT : Errno::kEOPNOTSUPP;
  }
  int number = 0;
  const void* bytes = &number;
  size_t size = sizeof(number);
  switch (o->kind) {
    case Kind::kIntOrByte:
      if (!value.empty() && value.size() < sizeof(int)) {
        number = static_cast<int>(std::to_integer<uint8_t>(value[0]));
        break;
      }
      [[fallthrough]];
    case Kind::kInt: {
      ASSIGN_OR_RETURN(number, ParseInt(value));
      break;
    }
    case Kind::kExact:
      if (value.size() < o->size) return Errno::kEINVAL;
      bytes = value.data();
      size = o->other_size != 0 && value.size() >= o->other_size ? o->other_size : o->size;
      break;
    case Kind::kUpTo:
      bytes = value.data();
      size = std::min(value.size(), o->size);
      break;
  }
  if (level == SOL_SOCKET && name == SO_PRIORITY) {
    // What only the Sentry's own privileges would allow.
    if (number < 0 || number > 6) return Errno::kEPERM;
  }
  if (level == IPPROTO_TCP && name == TCP_CONGESTION && !AllowedCongestion(value)) {
    return Errno::kENOENT;
  }
  if (setsockopt(fd_.get(), level, name, bytes, static_cast<socklen_t>(size)) < 0) {
    return HostErrno();
  }
  if (o->control && number != 0) wants_control_ = true;
  if (level == SOL_SOCKET) ArmIfWaiting(kEventIn | kEventOut);  // a low-water mark, or room
  return OkStatus();
}

}  // namespace cvisor::socket::hostinet
