// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Namespace: what all kinds of namespaces (namespaces(7)) have in common: a number, which stat(2)
// of /proc/pid/ns/* tells and by which programs compare them, and the user namespace that owns
// them: capabilities in that one count for what belongs to the namespace.

#ifndef CVISOR_PKG_SENTRY_AUTH_NAMESPACE_H_
#define CVISOR_PKG_SENTRY_AUTH_NAMESPACE_H_

#include <atomic>
#include <cstdint>

#include "pkg/base/ref.h"

namespace cvisor {

class UserNamespace;

// The first ones of kinds that hold no state, and the only one of its kind; Linux's have the same.
inline constexpr uint64_t kFirstTimeNamespace = 4026531834;
inline constexpr uint64_t kFirstCgroupNamespace = 4026531835;
inline constexpr uint64_t kTheNetNamespace = 4026531840;

class Namespace : public RefCounted {
 public:
  Namespace();
  ~Namespace() override;
  // Numbers are never used again.
  uint64_t number() const { return number_; }
  // The owner. Never null, but for user namespaces: their owner is their parent.
  const UserNamespace& user_ns() const { return *user_ns_; }
  const Ref<UserNamespace>& user_ns_ref() const { return user_ns_; }
  // Before others see the namespace. Without it the first user namespace owns it.
  void set_user_ns(Ref<UserNamespace> owner);

 protected:
  // Of a user namespace: nobody owns it yet.
  struct Unowned {};
  explicit Namespace(Unowned);

 private:
  static inline std::atomic<uint64_t> next_{4026531842};
  const uint64_t number_ = next_.fetch_add(1, std::memory_order_relaxed);
  Ref<UserNamespace> user_ns_;
};

}  // namespace cvisor

#endif  // CVISOR_PKG_SENTRY_AUTH_NAMESPACE_H_
