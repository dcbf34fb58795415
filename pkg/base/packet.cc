// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/base/packet.h"

#include <errno.h>
#include <sys/socket.h>

#include <cstring>

namespace cvisor {

Result<std::pair<UniqueFd, UniqueFd>> NewPacketPair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) return HostErrno();
  return std::make_pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

Status SendPacket(int socket, std::span<const char> packet, std::span<const int> fds, int flags) {
  if (packet.empty()) return Errno::kEINVAL;
  if (fds.size() > kMaxPacketFds) return Errno::kEMSGSIZE;
  iovec iov{const_cast<char*>(packet.data()), packet.size()};
  msghdr msg{};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxPacketFds)] = {};
  if (!fds.empty()) {
    msg.msg_control = control;
    msg.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(c), fds.data(), sizeof(int) * fds.size());
  }
  for (;;) {
    if (sendmsg(socket, &msg, MSG_NOSIGNAL | flags) >= 0) return OkStatus();
    if (errno != EINTR) return HostErrno();
  }
}

Result<size_t> ReceivePacket(int socket, std::span<char> buffer, std::vector<UniqueFd>* fds,
                             int flags) {
  iovec iov{buffer.data(), buffer.size()};
  msghdr msg{};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxPacketFds)];
  msg.msg_control = control;
  msg.msg_controllen = sizeof(control);
  ssize_t n;
  do {
    n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC | flags);
  } while (n < 0 && errno == EINTR);
  if (n < 0) {
    if (errno == ECONNRESET) return size_t{0};
    return HostErrno();
  }
  for (cmsghdr* c = CMSG_FIRSTHDR(&msg); c != nullptr; c = CMSG_NXTHDR(&msg, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
      UniqueFd owned(fd);  // closed if nobody wants it
      if (fds != nullptr) fds->push_back(std::move(owned));
    }
  }
  if (n != 0 && (msg.msg_flags & MSG_TRUNC) != 0) return Errno::kEBADMSG;
  if (n != 0 && (msg.msg_flags & MSG_CTRUNC) != 0) return Errno::kEMFILE;
  return static_cast<size_t>(n);
}

}  // namespace cvisor
