// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Namespace: what all kinds of namespaces (namespaces(7)) have in common: a number, which stat(2)
// of /proc/pid/ns/* tells and by which programs compare them. Numbers are never used again.

#ifndef CVISOR_PKG_SENTRY_AUTH_NAMESPACE_H_
#define CVISOR_PKG_SENTRY_AUTH_NAMESPACE_H_

#include <atomic>
#include <cstdint>

#include "pkg/base/ref.h"

namespace cvisor {

// Of kinds of which there is one only; Linux's first ones have the same.
inline constexpr uint64_t kTheCgroupNamespace = 4026531835;
inline constexpr uint64_t kTheNetNamespace = 4026531840;

class Namespace : public RefCounted {
 public:
  uint64_t number() const { return number_; }

 private:
  static inline std::atomic<uint64_t> next_{4026531842};
  const uint64_t number_ = next_.fetch_add(1, std::memory_order_relaxed);
};

}  // namespace cvisor

#endif  // CVISOR_PKG_SENTRY_AUTH_NAMESPACE_H_
