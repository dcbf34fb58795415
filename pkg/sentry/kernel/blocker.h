// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// How a task thread sleeps and is woken. A binary semaphore on a host futex: a wake-up that comes
// before the sleep is not lost.

#ifndef CVISOR_PKG_SENTRY_KERNEL_BLOCKER_H_
#define CVISOR_PKG_SENTRY_KERNEL_BLOCKER_H_

#include <time.h>

#include <atomic>
#include <cstdint>

namespace cvisor::kernel {

// A point on CLOCK_MONOTONIC in nanoseconds, or never.
struct Deadline {
  int64_t ns = INT64_MAX;
  static Deadline Never() { return {}; }
  static Deadline At(int64_t monotonic_ns) { return {monotonic_ns}; }
  static Deadline After(int64_t ns);
  bool never() const { return ns == INT64_MAX; }
  bool passed() const;
};

int64_t MonotonicNs();
int64_t RealtimeNs();
int64_t BoottimeNs();

// Saturating conversions; ValidTimespec as clock_nanosleep(2) checks.
constexpr bool ValidTimespec(const timespec& ts) {
  return ts.tv_sec >= 0 && ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000;
}
constexpr int64_t TimespecToNs(const timespec& ts) {
  if (ts.tv_sec >= INT64_MAX / 1000000000 - 1) return INT64_MAX;
  return ts.tv_sec * 1000000000 + ts.tv_nsec;
}
constexpr timespec NsToTimespec(int64_t ns) {
  return timespec{ns / 1000000000, static_cast<long>(ns % 1000000000)};
}

class Parker {
 public:
  // Consumes a wake-up, waiting for one until the deadline. False when the deadline passed.
  bool Park(Deadline deadline);
  // Any thread.
  void Unpark();
  // Any thread: whether somebody sleeps now.
  bool asleep() const { return state_.load(std::memory_order_relaxed) == 2; }

 private:
  std::atomic<uint32_t> state_{0};  // 0: nothing, 1: wake-up pending, 2: somebody sleeps
};

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_BLOCKER_H_
