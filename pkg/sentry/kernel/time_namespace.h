// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// time_namespaces(7). The clocks of all of them are the same: the vDSO that applications read them
// by is the host's and knows no offsets, so none but 0 can be set.

#ifndef CVISOR_PKG_SENTRY_KERNEL_TIME_NAMESPACE_H_
#define CVISOR_PKG_SENTRY_KERNEL_TIME_NAMESPACE_H_

#include <atomic>

#include "pkg/sentry/auth/user_namespace.h"

namespace cvisor::kernel {

class TimeNamespace : public Namespace {
 public:
  explicit TimeNamespace(Ref<UserNamespace> owner) { set_user_ns(std::move(owner)); }
  // A process is in it: offsets are fixed from then on.
  void Enter() { entered_.store(true, std::memory_order_relaxed); }
  bool entered() const { return entered_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> entered_{false};
};

// Of a kind that has no state of its own: what counts is who is in it.
class CgroupNamespace : public Namespace {
 public:
  explicit CgroupNamespace(Ref<UserNamespace> owner) { set_user_ns(std::move(owner)); }
};

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_TIME_NAMESPACE_H_
