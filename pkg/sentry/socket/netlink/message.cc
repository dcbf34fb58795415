// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/socket/netlink/message.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace cvisor::socket::netlink {

std::optional<Message> NextMessage(std::string_view* bytes) {
  Message m;
  if (bytes->size() < sizeof(m.header)) return std::nullopt;
  std::memcpy(&m.header, bytes->data(), sizeof(m.header));
  const size_t length = m.header.nlmsg_len;
  if (length < sizeof(m.header) || length > bytes->size()) return std::nullopt;
  m.payload = bytes->substr(sizeof(m.header), length - sizeof(m.header));
  bytes->remove_prefix(std::min<size_t>(NLMSG_ALIGN(length), bytes->size()));
  return m;
}

std::optional<Attribute> NextAttribute(std::string_view* bytes) {
  nlattr header;
  if (bytes->size() < sizeof(header)) return std::nullopt;
  std::memcpy(&header, bytes->data(), sizeof(header));
  const size_t length = header.nla_len;
  if (length < sizeof(header) || length > bytes->size()) return std::nullopt;
  const Attribute a{static_cast<uint16_t>(header.nla_type & NLA_TYPE_MASK),
                    bytes->substr(sizeof(header), length - sizeof(header))};
  bytes->remove_prefix(std::min<size_t>(NLA_ALIGN(length), bytes->size()));
  return a;
}

void Builder::Begin(uint16_t type, uint16_t flags, uint32_t sequence, uint32_t port) {
  End();
  begin_ = bytes_.size();
  const nlmsghdr header{0, type, flags, sequence, port};
  Append(&header, sizeof(header));
}

void Builder::Append(const void* data, size_t size) {
  bytes_.append(static_cast<const char*>(data), size);
  bytes_.resize(NLMSG_ALIGN(bytes_.size()));
}

void Builder::AppendAttribute(uint16_t type, std::string_view data) {
  const nlattr header{static_cast<uint16_t>(sizeof(header) + data.size()), type};
  Append(&header, sizeof(header));
  Append(data.data(), data.size());
}

void Builder::End() {
  if (bytes_.empty()) return;
  const uint32_t length = static_cast<uint32_t>(bytes_.size() - begin_);
  std::memcpy(bytes_.data() + begin_, &length, sizeof(length));
}

std::string Builder::Take() {
  End();
  begin_ = 0;
  return std::exchange(bytes_, {});
}

}  // namespace cvisor::socket::netlink
