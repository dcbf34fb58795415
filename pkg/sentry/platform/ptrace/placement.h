// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Which CPU a tracer and its stub thread run on. Every hand-over between them is a wake-up, and
// waking an idle core costs five times a whole round trip on one core, so a pair that talks a lot
// is pinned to one CPU together. Pinning takes load balancing away from the host, so a monitor
// thread gives it back: pairs that compute or sleep for more than a few milliseconds are unpinned
// (until the next hand-over), and pairs that share the machine with others are let loose for one
// round trip now and then, in which the host picks the CPU.
//
// Beware: a host thread made by a pinned tracer inherits its CPU. Fine for a task's thread, which
// is a tracer itself; others should set their affinity.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_PTRACE_PLACEMENT_H_
#define CVISOR_PKG_SENTRY_PLATFORM_PTRACE_PLACEMENT_H_

#include <sched.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "pkg/base/mutex.h"

namespace cvisor::platform::ptrace {

class Placement;

// One tracer/stub pair. Enter() and Leave() are called by the tracer around every time that it lets
// the stub run; they cost a few nanoseconds unless something is to be changed.
class Pair {
 public:
  explicit Pair(Placement& placement);
  ~Pair();
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  // The tracer (calling thread) is about to attach `stub_tid`, or to let go of its stub (0).
  void SetStub(pid_t stub_tid);

  void Enter();
  void Leave() { seq_.store(seq_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  // Pins a stub thread that nobody traces to the CPU of the caller, so that stopping or ending it
  // needs no other core.
  static void Attract(pid_t tid);

 private:
  friend class Placement;
  enum Advice : uint32_t { kNone = 0, kUnpinned = 1, kRebalance = 2 };

  void Pin(int cpu);
  void ReleaseTracer();

  Placement& placement_;
  std::atomic<uint32_t> seq_{0};  // odd while application code runs
  std::atomic<uint32_t> advice_{kNone};

  // Of the tracer.
  int cpu_ = -1;  // that the stub is pinned to, or -1
  bool tracer_pinned_ = false;

  // Of the monitor, under Placement::mu_.
  uint32_t last_seen_ = 0;
  uint32_t ticks_ = 0;

  Mutex mu_;  // guards the two below: their owners hold it while they change affinities
  pid_t stub_tid_ = 0;
  pid_t tracer_tid_ = 0;
  std::atomic<bool> pinned_{false};
};

class Placement {
 public:
  // `all`: the CPUs that the sandbox may use.
  explicit Placement(const cpu_set_t& all);

  // The monitor: sleeps while no pinned application code runs. Returns after Stop().
  void Run();
  void Stop();

 private:
  friend class Pair;
  enum State : uint32_t { kAwake, kSleeping, kStopped };

  // One look at all pairs; whether any has run since the last one.
  bool Tick();
  bool AnyNews();
  void WakeMonitor();
  void Unpin(Pair& pair);

  const cpu_set_t all_;
  const bool enabled_;
  std::atomic<uint32_t> state_{kAwake};

  Mutex mu_;
  std::vector<Pair*> pairs_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cvisor::platform::ptrace

#endif  // CVISOR_PKG_SENTRY_PLATFORM_PTRACE_PLACEMENT_H_
