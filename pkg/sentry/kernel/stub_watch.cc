// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/kernel/stub_watch.h"

#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/thread_group.h"

namespace cvisor::kernel {

namespace {
constexpr int64_t kPeriodNs = 1'000'000'000;
}  // namespace

void StubWatch::Start() {
  MutexLock lock(mu_);
  if (started_ || kernel_ == nullptr) return;
  started_ = true;
  ArmLocked();
}

void StubWatch::Stop() {
  MutexLock lock(mu_);
  if (kernel_ == nullptr) return;
  kernel_->timers().Disarm(*this);
  kernel_ = nullptr;
}

void StubWatch::Fire() {
  MutexLock lock(mu_);
  if (kernel_ == nullptr) return;
  {
    MutexLock tasks(kernel_->task_mutex());
    for (ThreadGroup* tg : kernel_->all_thread_groups()) tg->CheckStub();
  }
  ArmLocked();
}

void StubWatch::ArmLocked() {
  kernel_->timers().Arm(Ref<Timer>(this), Deadline::At(MonotonicNs() + kPeriodNs));
}

}  // namespace cvisor::kernel
