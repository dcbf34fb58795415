// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// netlink(7) messages: a cursor over bytes that somebody else made, and a builder. Pure functions.

#ifndef CVISOR_PKG_SENTRY_SOCKET_NETLINK_MESSAGE_H_
#define CVISOR_PKG_SENTRY_SOCKET_NETLINK_MESSAGE_H_

#include <linux/netlink.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace cvisor::socket::netlink {

struct Message {
  nlmsghdr header;
  std::string_view payload;
};
// Takes the first message off *bytes. Nothing if there is none, or its length is wrong.
std::optional<Message> NextMessage(std::string_view* bytes);

struct Attribute {
  uint16_t type;  // with NLA_F_NESTED and NLA_F_NET_BYTEORDER cut off
  std::string_view data;
};
std::optional<Attribute> NextAttribute(std::string_view* bytes);

// Makes one datagram of messages.
class Builder {
 public:
  // Begins a message; the length comes with the next Begin() or Take().
  void Begin(uint16_t type, uint16_t flags, uint32_t sequence, uint32_t port);
  void Append(const void* data, size_t size);  // pads to four bytes
  void AppendAttribute(uint16_t type, std::string_view data);
  bool empty() const { return bytes_.empty(); }
  std::string Take();

 private:
  void End();
  std::string bytes_;
  size_t begin_ = 0;
};

}  // namespace cvisor::socket::netlink

#endif  // CVISOR_PKG_SENTRY_SOCKET_NETLINK_MESSAGE_H_
