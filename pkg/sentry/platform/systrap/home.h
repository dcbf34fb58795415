// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Home: the core that a young application thread shares with the Sentry's thread for it. The host puts new
// threads, and those that are woken up, on cores that idle; but of these two only one ever runs, and each
// hand-over to another core costs its wake-up, ten times what the hand-over itself does. A process that ends soon
// is done before it has earned a listener (StubThread), whose hand-overs stay on one core by themselves.
//
// The home is left, for good, as soon as the application's code runs for kPatienceNs at a stretch: from then on the
// host may balance the threads among its cores as it likes.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_HOME_H_
#define CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_HOME_H_

#include <sched.h>
#include <sys/types.h>

#include <cstdint>

namespace cvisor::platform::systrap {

// Makes a host thread stay on one core; 0 is the calling thread.
inline void PinTo(pid_t tid, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(tid, sizeof(set), &set);
}

// Of one context; used by its thread.
class Home {
 public:
  // About the length of the host's time slices, so that its timer is seldom set anew for this.
  static constexpr int64_t kPatienceNs = 4'000'000;

  // `cpus`: those that the sandbox may use.
  explicit Home(const cpu_set_t& cpus) : cpus_(cpus) {}

  bool held() const { return cpu_ >= 0; }
  int cpu() const { return cpu_; }
  const cpu_set_t& cpus() const { return cpus_; }

  // For a context whose thread is made on `cpu` and inherits that it must stay there.
  void Inherit(int cpu) { cpu_ = cpu; }
  // The calling thread may go elsewhere again.
  void Leave() {
    if (!held()) return;
    cpu_ = -1;
    sched_setaffinity(0, sizeof(cpus_), &cpus_);
  }

 private:
  const cpu_set_t& cpus_;
  int cpu_ = -1;
};

}  // namespace cvisor::platform::systrap

#endif  // CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_HOME_H_
