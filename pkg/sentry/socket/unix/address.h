// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Addresses of AF_UNIX (unix(7), "Address format") and the table of abstract names.

#ifndef CVISOR_PKG_SENTRY_SOCKET_UNIX_ADDRESS_H_
#define CVISOR_PKG_SENTRY_SOCKET_UNIX_ADDRESS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>

#include "absl/container/btree_map.h"
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"

namespace cvisor::socket::unix_socket {

class Endpoint;

// Immutable.
class Address : public RefCounted {
 public:
  // From the bytes of a sockaddr_un. EINVAL for another family or a bad length. A path ends at its
  // first NUL, or fills sun_path. Only AF_UNIX itself (autobind, unnamed) is EINVAL too.
  static Result<Ref<const Address>> Parse(std::string_view sockaddr);
  static Ref<const Address> Abstract(std::string_view name);  // without the leading NUL

  bool abstract() const { return abstract_; }
  // Path name; or abstract name without its leading NUL, NULs inside included.
  const std::string& name() const { return name_; }
  // As getsockname(2) tells it: paths with a NUL behind, abstract names without.
  std::string Encode() const;
  // As in /proc/net/unix.
  std::string Display() const;

  Address(bool abstract, std::string name) : abstract_(abstract), name_(std::move(name)) {}

 private:
  const bool abstract_;
  const std::string name_;
};

// What the kernel tells of an unnamed socket: the family alone.
std::string EncodeUnnamed();
// True for a sockaddr of just the family AF_UNIX: bind(2) then picks a name (autobind).
bool IsFamilyOnly(std::string_view sockaddr);

// Abstract names of all network namespaces. As in Linux, sockets of different types do not share
// names. The table holds references; a socket leaves it when it is closed.
class AbstractNames {
 public:
  static AbstractNames& Global();
  // EADDRINUSE.
  Status Bind(uint64_t net_ns, int type, const Address& address, Ref<Endpoint> endpoint);
  // Finds an unused five-digit name and binds it. ENOSPC.
  Result<Ref<const Address>> BindAny(uint64_t net_ns, int type, Ref<Endpoint> endpoint);
  Ref<Endpoint> Find(uint64_t net_ns, int type, const Address& address);
  void Remove(uint64_t net_ns, int type, const Address& address);

 private:
  using Key = std::tuple<uint64_t, int, std::string>;
  Mutex mu_;  // leaf
  absl::btree_map<Key, Ref<Endpoint>> names_ ABSL_GUARDED_BY(mu_);
  uint32_t next_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace cvisor::socket::unix_socket

#endif  // CVISOR_PKG_SENTRY_SOCKET_UNIX_ADDRESS_H_
