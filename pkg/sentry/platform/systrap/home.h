// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// On which core the Sentry's threads run. The host puts new threads, and those that are woken up, on cores that
// idle; where only one of several threads ever runs at a time that is the most expensive place: waking such a core
// takes ten times as long as a hand-over on one core.
//
// Home: a core that a task thread stays on. There are two reasons for it.
//  - A young process: from its making, the task thread and its stub thread share the core where it was made. It
//    often ends before it has earned a listener (StubThread), whose hand-overs stay on one core by themselves.
//  - A guest: a thread that was woken by one that is about to sleep, or to end, comes to that one's core. This
//    lasts as long as each wake-up is such a one.
// A home is left as soon as the application's code runs for kPatienceNs at a stretch: from then on the host may
// balance the threads among its cores as it likes.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_HOME_H_
#define CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_HOME_H_

#include <sched.h>
#include <sys/types.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace cvisor::platform::systrap {

// Makes a host thread stay on one core; 0 is the calling thread.
inline void PinTo(pid_t tid, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(tid, sizeof(set), &set);
}

// Of one context; used by its thread, but for Invite().
class Home {
 public:
  // About the length of the host's time slices, so that its timer is seldom set anew for this.
  static constexpr int64_t kPatienceNs = 4'000'000;

  // `cpus`: those that the sandbox may use.
  explicit Home(const cpu_set_t& cpus) : cpus_(cpus) {}

  bool held() const { return cpu() >= 0; }
  int cpu() const { return cpu_.load(std::memory_order_relaxed); }
  const cpu_set_t& cpus() const { return cpus_; }

  // For a context whose thread is made on `cpu` and inherits that it must stay there.
  void Inherit(int cpu) { cpu_.store(cpu, std::memory_order_relaxed); }
  // The calling thread may go elsewhere again.
  void Leave() {
    if (!held()) return;
    cpu_.store(-1, std::memory_order_relaxed);
    guest_ = false;
    sched_setaffinity(0, sizeof(cpus_), &cpus_);
  }

  // Any thread: the context's thread, which is number `tid` and asleep, is about to be woken, for `cpu`.
  void Invite(pid_t tid, int cpu) {
    invited_.store(cpu, std::memory_order_relaxed);
    if (this->cpu() != cpu) PinTo(tid, cpu);
  }
  // After a sleep.
  void OnWake() {
    const int cpu = invited_.load(std::memory_order_relaxed);
    if (cpu >= 0) {
      invited_.store(-1, std::memory_order_relaxed);
      if (cpu == this->cpu()) return;
      cpu_.store(cpu, std::memory_order_relaxed);
      guest_ = true;
    } else if (guest_) {
      Leave();
    }
  }

 private:
  const cpu_set_t& cpus_;
  std::atomic<int> cpu_{-1};
  std::atomic<int> invited_{-1};
  bool guest_ = false;
};

// Tells which wake-ups leave the waker's core free: those between two contexts that wake nobody but each other,
// by one that has lately been going to sleep right after them. One's own thread uses it, but for id() and partner().
class WakeHistory {
 public:
  // `id`: of the context, not 0.
  explicit WakeHistory(uint64_t id) : id_(id) {}

  uint64_t id() const { return id_; }
  // Whom the context has woken last.
  uint64_t partner() const { return partner_.load(std::memory_order_relaxed); }

  // The context wakes that of `sleeper`. True if it is going to sleep soon, as far as one can tell.
  bool OnWakeOf(const WakeHistory& sleeper, uint64_t now) {
    if (partner() != sleeper.id()) score_ = 0;
    partner_.store(sleeper.id(), std::memory_order_relaxed);
    when_ = now;
    ++wakes_;
    return sleeper.partner() == id_ && score_ >= kEnough;
  }
  // The context goes to sleep; `soon`: that many ticks after its wake-up, at most.
  void OnSleep(uint64_t now, uint64_t soon) {
    // More of them, and none of them slept through: the two take turns on one core already.
    if (wakes_ == 1) score_ = now - when_ > soon ? std::max(score_ - kLate, 0) : std::min(score_ + 1, kMax);
    wakes_ = 0;
  }

 private:
  static constexpr int kEnough = 4, kMax = 16, kLate = 4;

  const uint64_t id_;
  std::atomic<uint64_t> partner_{0};
  uint64_t when_ = 0;  // of the last wake-up
  uint32_t wakes_ = 0;  // since the last sleep
  int score_ = 0;       // grows with sleeps that come soon
};

}  // namespace cvisor::platform::systrap

#endif  // CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_HOME_H_
