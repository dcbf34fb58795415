// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/control/channel.h"

#include <sys/socket.h>

#include "pkg/base/packet.h"

namespace cvisor::control {

Status Channel::Send(const google::protobuf::MessageLite& message, const std::vector<int>& fds) {
  std::string packet;
  if (!message.SerializeToString(&packet)) return Errno::kEINVAL;
  // The wire form of an empty message is nothing, and an empty packet means the end to the peer. Field
  // number 15, unknown to every message here, keeps it from being empty.
  if (packet.empty()) packet.assign("\x78\x00", 2);
  if (packet.size() > kMaxPacket) return Errno::kEMSGSIZE;
  return SendPacket(fd_.get(), packet, fds);
}

Result<bool> Channel::Receive(google::protobuf::MessageLite* message, std::vector<UniqueFd>* fds,
                              bool dont_wait) {
  std::string packet(kMaxPacket, '\0');
  ASSIGN_OR_RETURN(const size_t n,
                   ReceivePacket(fd_.get(), packet, fds, dont_wait ? MSG_DONTWAIT : 0));
  if (n == 0) return false;
  if (!message->ParseFromArray(packet.data(), static_cast<int>(n))) return Errno::kEBADMSG;
  return true;
}

}  // namespace cvisor::control
