// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Channel: protobuf messages as packets of a SOCK_SEQPACKET Unix socket, with descriptors.

#ifndef CVISOR_PKG_SENTRY_CONTROL_CHANNEL_H_
#define CVISOR_PKG_SENTRY_CONTROL_CHANNEL_H_

#include <string>
#include <utility>
#include <vector>

#include "google/protobuf/message_lite.h"
#include "pkg/base/mutex.h"
#include "pkg/base/result.h"
#include "pkg/base/unique_fd.h"

namespace cvisor::control {

class Channel {
 public:
  Channel() = default;
  explicit Channel(UniqueFd fd) : fd_(std::move(fd)) {}

  // Any thread. EPIPE if the peer is gone.
  Status Send(const google::protobuf::MessageLite& message, const std::vector<int>& fds = {});
  // One thread at a time. Blocks unless `dont_wait` (then EAGAIN). False when the peer is gone. EBADMSG for
  // a packet that is no such message.
  Result<bool> Receive(google::protobuf::MessageLite* message, std::vector<UniqueFd>* fds = nullptr,
                       bool dont_wait = false);

  int fd() const { return fd_.get(); }

  static constexpr size_t kMaxPacket = 65536;

 private:
  UniqueFd fd_;
};

}  // namespace cvisor::control

#endif  // CVISOR_PKG_SENTRY_CONTROL_CHANNEL_H_
