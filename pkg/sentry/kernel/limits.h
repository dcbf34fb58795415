// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Resource limits of a process (getrlimit(2)).

#ifndef CVISOR_PKG_SENTRY_KERNEL_LIMITS_H_
#define CVISOR_PKG_SENTRY_KERNEL_LIMITS_H_

#include <sys/resource.h>

#include <array>
#include <cstdint>

#include "pkg/base/mutex.h"

namespace cvisor::kernel {

struct Limit {
  uint64_t soft = RLIM_INFINITY;
  uint64_t hard = RLIM_INFINITY;
};

class LimitSet {
 public:
  static constexpr int kCount = 16;

  LimitSet();  // Linux's defaults for init
  LimitSet(const LimitSet& o) : limits_(o.Snapshot()) {}
  LimitSet& operator=(const LimitSet&) = delete;

  Limit Get(int resource) const {
    MutexLock lock(mu_);
    return limits_[resource];
  }
  uint64_t Soft(int resource) const { return Get(resource).soft; }
  void Set(int resource, Limit limit) {
    MutexLock lock(mu_);
    limits_[resource] = limit;
  }
  std::array<Limit, kCount> Snapshot() const {
    MutexLock lock(mu_);
    return limits_;
  }

 private:
  mutable Mutex mu_;  // leaf
  std::array<Limit, kCount> limits_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_LIMITS_H_
