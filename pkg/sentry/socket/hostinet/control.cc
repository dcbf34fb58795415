// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/socket/hostinet/control.h"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace cvisor::socket::hostinet {
namespace {

struct Known {
  int level, type;
  size_t size, other_size;  // the second: 0 if there is only one
};

constexpr Known kSendable[] = {
    {IPPROTO_IP, IP_PKTINFO, sizeof(in_pktinfo), 0},
    {IPPROTO_IP, IP_TTL, sizeof(int), 0},
    {IPPROTO_IP, IP_TOS, sizeof(int), 1},
    {IPPROTO_IPV6, IPV6_PKTINFO, sizeof(in6_pktinfo), 0},
    {IPPROTO_IPV6, IPV6_HOPLIMIT, sizeof(int), 0},
    {IPPROTO_IPV6, IPV6_TCLASS, sizeof(int), 0},
    {IPPROTO_IPV6, IPV6_DONTFRAG, sizeof(int), 0},
    {IPPROTO_UDP, UDP_SEGMENT, sizeof(uint16_t), 0},
};

constexpr Known kReceivable[] = {
    {SOL_SOCKET, SO_RXQ_OVFL, sizeof(uint32_t), 0},
    {IPPROTO_IP, IP_PKTINFO, sizeof(in_pktinfo), 0},
    {IPPROTO_IP, IP_TTL, sizeof(int), 0},
    {IPPROTO_IP, IP_TOS, 1, 0},
    {IPPROTO_IP, IP_RECVERR, sizeof(sock_extended_err) + sizeof(sockaddr_in), 0},
    {IPPROTO_IP, IP_ORIGDSTADDR, sizeof(sockaddr_in), 0},
    {IPPROTO_IPV6, IPV6_PKTINFO, sizeof(in6_pktinfo), 0},
    {IPPROTO_IPV6, IPV6_HOPLIMIT, sizeof(int), 0},
    {IPPROTO_IPV6, IPV6_TCLASS, sizeof(int), 0},
    {IPPROTO_IPV6, IPV6_RECVERR, sizeof(sock_extended_err) + sizeof(sockaddr_in6), 0},
    {IPPROTO_IPV6, IPV6_ORIGDSTADDR, sizeof(sockaddr_in6), 0},
    {IPPROTO_UDP, UDP_GRO, sizeof(int), 0},
    {IPPROTO_TCP, TCP_CM_INQ, sizeof(int), 0},
};

const Known* Find(std::span<const Known> table, int level, int type) {
  for (const Known& k : table) {
    if (k.level == level && k.type == type) return &k;
  }
  return nullptr;
}

bool RightSize(const Known& k, size_t size) {
  return size == k.size || (k.other_size != 0 && size == k.other_size);
}

// Does a socket of this kind look at messages of that level?
bool LooksAt(int family, int type, int level) {
  if (level == SOL_SOCKET) return true;
  if (type != SOCK_DGRAM) return false;
  return level == IPPROTO_UDP || level == IPPROTO_IP ||
         (level == IPPROTO_IPV6 && family == AF_INET6);
}

}  // namespace

Result<std::vector<std::byte>> BuildControl(int family, int type, const ControlMessages& control) {
  std::vector<std::byte> out;
  for (const auto& m : control.others) {
    if (!LooksAt(family, type, m.level)) continue;
    if (m.level == SOL_SOCKET && m.type == SO_MARK) return Errno::kEPERM;
    const Known* k = Find(kSendable, m.level, m.type);
    if (k == nullptr || !RightSize(*k, m.data.size())) return Errno::kEINVAL;
    if (out.size() + CMSG_SPACE(m.data.size()) > kControlRoom) return Errno::kENOBUFS;
    cmsghdr header{};
    header.cmsg_len = CMSG_LEN(m.data.size());
    header.cmsg_level = m.level;
    header.cmsg_type = m.type;
    const size_t at = out.size();
    out.resize(at + CMSG_SPACE(m.data.size()));
    std::memcpy(out.data() + at, &header, sizeof(header));
    std::memcpy(out.data() + at + CMSG_LEN(0), m.data.data(), m.data.size());
  }
  return out;
}

ControlMessages ParseControl(std::span<const std::byte> buffer) {
  ControlMessages out;
  while (buffer.size() >= sizeof(cmsghdr)) {
    cmsghdr header;
    std::memcpy(&header, buffer.data(), sizeof(header));
    if (header.cmsg_len < CMSG_LEN(0) || header.cmsg_len > buffer.size()) break;
    const auto data = buffer.subspan(CMSG_LEN(0), header.cmsg_len - CMSG_LEN(0));
    if (header.cmsg_level == SOL_SOCKET && header.cmsg_type == SCM_TIMESTAMPNS &&
        data.size() == sizeof(timespec)) {
      timespec ts;
      std::memcpy(&ts, data.data(), sizeof(ts));
      out.timestamp = ts;
    } else if (const Known* k = Find(kReceivable, header.cmsg_level, header.cmsg_type);
               k != nullptr && RightSize(*k, data.size())) {
      out.others.push_back({header.cmsg_level, header.cmsg_type,
                            std::string(reinterpret_cast<const char*>(data.data()), data.size())});
    }
    buffer = buffer.subspan(std::min<size_t>(CMSG_ALIGN(header.cmsg_len), buffer.size()));
  }
  return out;
}

}  // namespace cvisor::socket::hostinet
