// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// When the two sides of a hand-over may spin for each other. Spinning makes a hand-over some forty times
// cheaper than a sleep and a wake-up, but takes a core from somebody; so it is allowed only
//  - while all contexts that are runnable, and those that would spin for them, have a core each, and
//  - for contexts that have lately been handing over often and quickly.
// Nothing spins in a sandbox in which nothing runs.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_SPIN_H_
#define CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_SPIN_H_

#include <x86intrin.h>

#include <atomic>
#include <cstdint>

namespace cvisor::platform::systrap {

// Of the platform.
struct SpinShared {
  bool enabled = true;
  uint32_t cores = 1;             // that the sandbox may use
  uint64_t ticks_per_us = 1000;   // of the TSC
  std::atomic<uint32_t> runnable{0};  // contexts that are not asleep in the Sentry

  bool CoresToSpare() const {
    return enabled && runnable.load(std::memory_order_relaxed) * 2 <= cores;
  }
};

// Of one context.
class SpinPolicy {
 public:
  explicit SpinPolicy(SpinShared& shared) : shared_(shared) {}

  // TSC ticks that the Sentry may spin for the next event.
  uint64_t SentryBudget() const {
    return spinning_ && shared_.CoresToSpare() ? kSentrySpinUs * shared_.ticks_per_us : 0;
  }
  // The same for the stub and its answer.
  uint32_t StubBudget() const {
    return spinning_ && shared_.CoresToSpare()
               ? static_cast<uint32_t>(kStubSpinUs * shared_.ticks_per_us)
               : 0;
  }

  // The stub was given its turn at `start`, and handed over `now`; `spun`: the Sentry saw it while spinning.
  void OnEvent(uint64_t start, uint64_t now, bool spun) {
    const bool quick = now - start < kQuickUs * shared_.ticks_per_us;
    if (spinning_) {
      if (quick && spun) {
        if (failures_ > 0 && ++streak_ >= kForgive) {
          streak_ = 0;
          --failures_;
        }
      } else {
        Stop();
      }
    } else if (quick) {
      if (++streak_ >= (kStart << failures_)) {
        streak_ = 0;
        spinning_ = true;
        just_started_ = true;
      }
    } else {
      streak_ = 0;
    }
  }
  // The context is about to sleep in the Sentry.
  void OnSleep() {
    spinning_ = false;
    just_started_ = false;
    streak_ = 0;
  }
  // True once after spinning became allowed: the two sides must come onto different cores.
  bool TakeStart() {
    const bool b = just_started_;
    just_started_ = false;
    return b;
  }
  bool spinning() const { return spinning_; }

 private:
  static constexpr uint64_t kSentrySpinUs = 20, kStubSpinUs = 20, kQuickUs = 12;
  static constexpr uint32_t kStart = 8, kForgive = 64, kMaxFailures = 8;

  void Stop() {
    spinning_ = false;
    just_started_ = false;
    streak_ = 0;
    if (failures_ < kMaxFailures) ++failures_;
  }

  SpinShared& shared_;
  bool spinning_ = false;
  bool just_started_ = false;
  uint32_t streak_ = 0;    // quick hand-overs in a row
  uint32_t failures_ = 0;  // times that spinning was in vain, lately
};

}  // namespace cvisor::platform::systrap

#endif  // CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_SPIN_H_
