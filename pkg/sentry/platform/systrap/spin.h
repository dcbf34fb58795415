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

#include <algorithm>
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
    if (!Spins()) return 0;
    return first_ ? kMoveUs * shared_.ticks_per_us : Worthwhile();
  }
  // The same for the stub and its answer.
  uint32_t StubBudget() const {
    return Spins() ? static_cast<uint32_t>(Worthwhile()) : 0;
  }

  // The application ran for `ran` ticks. `spun`: the Sentry saw the event while spinning, else it woke up
  // `latency` ticks after it.
  void OnEvent(uint64_t ran, uint64_t latency, bool spun) {
    if (!spun) {
      const uint64_t now = std::min<uint64_t>(latency, kMaxLatencyUs * shared_.ticks_per_us);
      latency_ += (static_cast<int64_t>(now) - latency_) / 8;
    }
    // The first time the stub has to come to another core.
    const bool quick = ran < Worthwhile() || (first_ && spun);
    first_ = false;
    if (spinning_) {
      if (quick && spun) {
        credit_ = std::min(credit_ + 1, kMaxCredit);
        if (failures_ > 0 && ++streak_ >= kForgive) {
          streak_ = 0;
          --failures_;
        }
      } else if ((credit_ -= kFailureCosts) < 0) {
        Stop();
      } else {
        // An interrupt, or somebody else's turn. The one that woke the other is on its core now.
        just_started_ = true;
      }
    } else if (quick) {
      if (++streak_ >= (kStart << failures_)) {
        streak_ = 0;
        spinning_ = true;
        just_started_ = true;
        credit_ = kStartCredit;
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
    first_ = b;
    return b;
  }
  bool spinning() const { return spinning_; }
  uint64_t ticks_per_us() const { return shared_.ticks_per_us; }
  // Whether the two sides spin for each other now.
  bool Spins() const { return spinning_ && shared_.CoresToSpare(); }

 private:
  static constexpr uint64_t kMinSpinUs = 30, kMaxLatencyUs = 50, kMoveUs = 300;
  // To come onto two cores costs as much as some thirty hand-overs on one.
  static constexpr uint32_t kStart = 32, kForgive = 64, kMaxFailures = 6;

  // Spinning ends when it was in vain more often than this once in kFailureCosts times.
  static constexpr int kStartCredit = 16, kMaxCredit = 256, kFailureCosts = 32;

  // How long it pays to spin: as long as a sleep and a wake-up take, on both sides.
  uint64_t Worthwhile() const {
    return std::max(kMinSpinUs * shared_.ticks_per_us, 2 * static_cast<uint64_t>(latency_));
  }
  void Stop() {
    spinning_ = false;
    just_started_ = false;
    streak_ = 0;
    if (failures_ < kMaxFailures) ++failures_;
  }

  SpinShared& shared_;
  bool spinning_ = false;
  bool just_started_ = false;
  bool first_ = false;     // the hand-over is the first one that is spun for
  int credit_ = 0;
  int64_t latency_ = 0;    // of hand-overs to a Sentry that sleeps, in ticks
  uint32_t streak_ = 0;    // quick hand-overs in a row
  uint32_t failures_ = 0;  // times that spinning was in vain, lately
};

}  // namespace cvisor::platform::systrap

#endif  // CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_SPIN_H_
