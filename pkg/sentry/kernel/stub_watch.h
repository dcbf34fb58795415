// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// StubWatch: notices processes whose application side was killed from outside the sandbox (by hand, or
// because the host is out of memory) while all their threads wait in the Sentry. Running threads find
// out by themselves. Such a process ends as if by SIGKILL.
//
// The other way round it kills the application side of processes that are to end and whose threads do not
// come back from there: on systrap a program can write to the memory of its stub and block the signal of
// the kick, and nothing else could end it then.
//
// It looks once a second: no cheaper sign comes from a stopped tracee, and what it costs (one
// waitid(2) a process) does not show as CPU time.

#ifndef CVISOR_PKG_SENTRY_KERNEL_STUB_WATCH_H_
#define CVISOR_PKG_SENTRY_KERNEL_STUB_WATCH_H_

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/sentry/kernel/timers.h"

namespace cvisor::kernel {

class Kernel;

class StubWatch : public Timer {
 public:
  explicit StubWatch(Kernel& kernel) : kernel_(&kernel) {}
  // The first call begins.
  void Start();
  // Afterwards the kernel is not used any more. Not with the task mutex.
  void Stop();
  void Fire() override;

 private:
  void ArmLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Mutex mu_;  // before the task mutex
  Kernel* kernel_ ABSL_GUARDED_BY(mu_);
  bool started_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_STUB_WATCH_H_
