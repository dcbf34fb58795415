// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/control/channel.h"

#include <errno.h>
#include <sys/socket.h>

#include <cstring>

namespace cvisor::control {

Result<std::pair<UniqueFd, UniqueFd>> Channel::NewPair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
    return static_cast<Errno>(errno);
  }
  return std::make_pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

Status Channel::Send(const google::protobuf::MessageLite& message, const std::vector<int>& fds) {
  std::string packet;
  if (!message.SerializeToString(&packet)) return Errno::kEINVAL;
  // The wire form of an empty message is nothing, and an empty packet means the end to the peer. Field
  // number 15, unknown to every message here, keeps it from being empty.
  if (packet.empty()) packet.assign("\x78\x00", 2);
  if (packet.size() > kMaxPacket || fds.size() > kMaxFds) return Errno::kEMSGSIZE;
  iovec iov{packet.data(), packet.size()};
  msghdr msg{};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFds)] = {};
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
    if (sendmsg(fd_.get(), &msg, MSG_NOSIGNAL) >= 0) return OkStatus();
    if (errno != EINTR) return static_cast<Errno>(errno);
  }
}

Result<bool> Channel::Receive(google::protobuf::MessageLite* message, std::vector<UniqueFd>* fds,
                              bool dont_wait) {
  std::string packet(kMaxPacket, '\0');
  iovec iov{packet.data(), packet.size()};
  msghdr msg{};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFds)];
  msg.msg_control = control;
  msg.msg_controllen = sizeof(control);
  ssize_t n;
  do {
    n = recvmsg(fd_.get(), &msg, MSG_CMSG_CLOEXEC | (dont_wait ? MSG_DONTWAIT : 0));
  } while (n < 0 && errno == EINTR);
  if (n < 0) {
    if (errno == ECONNRESET) return false;
    return static_cast<Errno>(errno);
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
  if (n == 0) return false;
  if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return Errno::kEBADMSG;
  if (!message->ParseFromArray(packet.data(), static_cast<int>(n))) return Errno::kEBADMSG;
  return true;
}

}  // namespace cvisor::control
