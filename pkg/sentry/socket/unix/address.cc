// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/socket/unix/address.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "absl/strings/str_format.h"
#include "pkg/sentry/socket/unix/endpoint.h"

namespace cvisor::socket::unix_socket {
namespace {

constexpr size_t kPathOffset = offsetof(sockaddr_un, sun_path);
constexpr uint32_t kAutobindNames = 1 << 20;

sa_family_t FamilyOf(std::string_view sockaddr) {
  sa_family_t family = AF_UNSPEC;
  if (sockaddr.size() >= sizeof(family)) std::memcpy(&family, sockaddr.data(), sizeof(family));
  return family;
}

}  // namespace

Result<Ref<const Address>> Address::Parse(std::string_view sockaddr) {
  if (sockaddr.size() <= kPathOffset || sockaddr.size() > sizeof(sockaddr_un) ||
      FamilyOf(sockaddr) != AF_UNIX) {
    return Errno::kEINVAL;
  }
  std::string_view path = sockaddr.substr(kPathOffset);
  if (path[0] == '\0') return Abstract(path.substr(1));
  path = path.substr(0, path.find('\0'));
  return Ref<const Address>(new Address(false, std::string(path)));
}

Ref<const Address> Address::Abstract(std::string_view name) {
  return Ref<const Address>(new Address(true, std::string(name)));
}

std::string Address::Encode() const {
  std::string out = EncodeUnnamed();
  if (abstract_) out.push_back('\0');
  out += name_;
  if (!abstract_) out.push_back('\0');
  return out;
}

std::string Address::Display() const {
  std::string out = abstract_ ? "@" + name_ : name_;
  std::replace(out.begin(), out.end(), '\0', '@');
  return out;
}

std::string EncodeUnnamed() {
  const sa_family_t family = AF_UNIX;
  return std::string(reinterpret_cast<const char*>(&family), sizeof(family));
}

bool IsFamilyOnly(std::string_view sockaddr) {
  return sockaddr.size() == kPathOffset && FamilyOf(sockaddr) == AF_UNIX;
}

AbstractNames& AbstractNames::Global() {
  static auto* names = new AbstractNames();
  return *names;
}

Status AbstractNames::Bind(uint64_t net_ns, int type, const Address& address,
                           Ref<Endpoint> endpoint) {
  MutexLock lock(mu_);
  const bool fresh =
      names_.try_emplace(Key(net_ns, type, address.name()), std::move(endpoint)).second;
  return fresh ? Errno::kOk : Errno::kEADDRINUSE;
}

Result<Ref<const Address>> AbstractNames::BindAny(uint64_t net_ns, int type,
                                                  Ref<Endpoint> endpoint) {
  MutexLock lock(mu_);
  for (uint32_t tries = 0; tries < kAutobindNames; ++tries) {
    std::string name = absl::StrFormat("%05x", next_++ % kAutobindNames);
    if (!names_.try_emplace(Key(net_ns, type, name), endpoint).second) continue;
    return Address::Abstract(name);
  }
  return Errno::kENOSPC;
}

Ref<Endpoint> AbstractNames::Find(uint64_t net_ns, int type, const Address& address) {
  MutexLock lock(mu_);
  const auto it = names_.find(Key(net_ns, type, address.name()));
  return it == names_.end() ? nullptr : it->second;
}

void AbstractNames::Remove(uint64_t net_ns, int type, const Address& address) {
  Ref<Endpoint> gone;  // dropped after the lock
  MutexLock lock(mu_);
  const auto it = names_.find(Key(net_ns, type, address.name()));
  if (it == names_.end()) return;
  gone = std::move(it->second);
  names_.erase(it);
}

}  // namespace cvisor::socket::unix_socket
