// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/kernel/blocker.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace cvisor::kernel {
namespace {

int64_t ReadClock(clockid_t clock) {
  timespec ts;
  clock_gettime(clock, &ts);
  return ts.tv_sec * 1000000000 + ts.tv_nsec;
}

}  // namespace

int64_t MonotonicNs() { return ReadClock(CLOCK_MONOTONIC); }
int64_t RealtimeNs() { return ReadClock(CLOCK_REALTIME); }
int64_t BoottimeNs() { return ReadClock(CLOCK_BOOTTIME); }

Deadline Deadline::After(int64_t ns) {
  if (ns < 0) ns = 0;
  const int64_t now = MonotonicNs();
  return ns > INT64_MAX - now ? Never() : At(now + ns);
}

bool Deadline::passed() const { return !never() && MonotonicNs() >= ns; }

bool Parker::Park(Deadline deadline) {
  uint32_t expected = 1;
  if (state_.compare_exchange_strong(expected, 0, std::memory_order_acquire)) return true;
  expected = 0;
  if (!state_.compare_exchange_strong(expected, 2, std::memory_order_acquire)) {
    state_.store(0, std::memory_order_release);  // a wake-up came in between
    return true;
  }
  // Before the clock's start is long past; the host refuses negative times.
  const timespec ts = NsToTimespec(deadline.ns < 0 ? 0 : deadline.ns);
  for (;;) {
    const long r = syscall(SYS_futex, reinterpret_cast<uint32_t*>(&state_),
                           FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 2,
                           deadline.never() ? nullptr : &ts, nullptr, FUTEX_BITSET_MATCH_ANY);
    const int error = r == 0 ? 0 : errno;
    expected = 1;
    if (state_.compare_exchange_strong(expected, 0, std::memory_order_acquire)) return true;
    if (error == ETIMEDOUT) {
      expected = 2;
      if (state_.compare_exchange_strong(expected, 0)) return false;
      state_.store(0, std::memory_order_release);
      return true;
    }
  }
}

void Parker::Unpark() {
  if (state_.exchange(1, std::memory_order_acq_rel) == 2) {
    syscall(SYS_futex, reinterpret_cast<uint32_t*>(&state_), FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1,
            nullptr, nullptr, 0);
  }
}

}  // namespace cvisor::kernel
