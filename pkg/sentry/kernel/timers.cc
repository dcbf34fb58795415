// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// TimerService: one host thread, made by the first Arm(), that sleeps until the next deadline.

#include "pkg/sentry/kernel/timers.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

#include <map>
#include <utility>

#include "pkg/base/log.h"
#include "pkg/base/mutex.h"

namespace cvisor::kernel {

struct TimerService::Impl {
  Mutex mu;  // leaf
  // Ordered by time; the pointer only tells equal times apart.
  std::map<std::pair<int64_t, Timer*>, Ref<Timer>> queue ABSL_GUARDED_BY(mu);
  bool started ABSL_GUARDED_BY(mu) = false;
  bool stop ABSL_GUARDED_BY(mu) = false;
  pthread_t thread{};
  Parker parker;

  // Returns the queue's reference so that it is dropped without the lock.
  Ref<Timer> RemoveLocked(Timer& timer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    auto node = queue.extract({timer.due_ns_, &timer});
    timer.due_ns_ = INT64_MAX;
    return node.empty() ? nullptr : std::move(node.mapped());
  }

  void StartLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    // Signals are for the threads that expect them.
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 512 << 10);
    const int error = pthread_create(
        &thread, &attr,
        [](void* impl) -> void* {
          static_cast<Impl*>(impl)->Run();
          return nullptr;
        },
        this);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
    if (error != 0) {
      // The next Arm() tries again.
      LogError("cannot make the timer thread: %s", ErrnoName(static_cast<Errno>(error)));
      return;
    }
    started = true;
  }

  void Run() {
    prctl(PR_SET_NAME, "timers");
    for (;;) {
      Ref<Timer> due;
      Deadline next;
      {
        MutexLock lock(mu);
        if (stop) return;
        if (!queue.empty()) {
          const auto [ns, timer] = queue.begin()->first;
          if (MonotonicNs() >= ns) {
            due = RemoveLocked(*timer);
          } else {
            next = Deadline::At(ns);
          }
        }
      }
      if (due != nullptr) {
        due->Fire();
      } else {
        parker.Park(next);
      }
    }
  }
};

TimerService::TimerService() : impl_(std::make_unique<Impl>()) {}

TimerService::~TimerService() {
  {
    MutexLock lock(impl_->mu);
    impl_->stop = true;
    if (!impl_->started) return;
  }
  impl_->parker.Unpark();
  pthread_join(impl_->thread, nullptr);
}

void TimerService::Arm(Ref<Timer> timer, Deadline deadline) {
  if (deadline.never()) {
    Disarm(*timer);
    return;
  }
  Ref<Timer> old;
  bool first;
  {
    MutexLock lock(impl_->mu);
    old = impl_->RemoveLocked(*timer);
    timer->due_ns_ = deadline.ns;
    Timer* const key = timer.get();
    const auto it = impl_->queue.emplace(std::pair(deadline.ns, key), std::move(timer)).first;
    first = it == impl_->queue.begin();
    if (!impl_->started) impl_->StartLocked();
  }
  if (first) impl_->parker.Unpark();
}

void TimerService::Disarm(Timer& timer) {
  Ref<Timer> old;
  MutexLock lock(impl_->mu);
  old = impl_->RemoveLocked(timer);
}

}  // namespace cvisor::kernel
