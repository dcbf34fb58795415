// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Timers: TimerService fires callbacks at deadlines, from one host thread that sleeps until the next
// one (an idle sandbox uses no CPU). ProcessTimers: a process's interval timers (setitimer(2),
// alarm(2)) and POSIX timers (timer_create(2)).

#ifndef CVISOR_PKG_SENTRY_KERNEL_TIMERS_H_
#define CVISOR_PKG_SENTRY_KERNEL_TIMERS_H_

#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/kernel/blocker.h"

namespace cvisor::kernel {

class Kernel;
class Task;
class ThreadGroup;

// One armed timer. The owner keeps the object; Fire() runs on the service's thread, without its lock.
class Timer : public RefCounted {
 public:
  virtual void Fire() = 0;

 private:
  friend class TimerService;
  int64_t due_ns_ = INT64_MAX;  // service lock
};

class TimerService {
 public:
  TimerService();
  ~TimerService();
  // (Re)arms on CLOCK_MONOTONIC; replaces an earlier setting.
  void Arm(Ref<Timer> timer, Deadline deadline);
  // After this Fire() is not begun any more; it may still be running.
  void Disarm(Timer& timer);

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

// A process's timers. Thread safe (own lock).
class ProcessTimers {
 public:
  explicit ProcessTimers(ThreadGroup& tg);
  ~ProcessTimers();

  // getitimer/setitimer: ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF.
  Result<itimerval> GetItimer(int which);
  Result<itimerval> SetItimer(int which, const itimerval& value);  // returns the old one
  // POSIX timers. `event` as copied in. sigev_notify: SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD_ID.
  Result<int> Create(Task& t, clockid_t clock, const sigevent* event);
  Status Settime(int id, int flags, const itimerspec& value, itimerspec* old);
  Result<itimerspec> Gettime(int id);
  Result<int> GetOverrun(int id);
  // A signal of timer `id` was taken from its queue: that counts for GetOverrun(). Called with the
  // signal mutex held.
  void OnSignalTaken(int id, int overruns);
  Status Delete(int id);
  // exec and exit: POSIX timers go; at exit the interval timers too.
  void OnExec();
  void OnExit();
  // Starts watching RLIMIT_CPU if there is one. To be called when a process starts to run: it inherits
  // the limit. Cheap.
  void OnCpuTime();
  // prlimit(2) changed RLIMIT_CPU. Takes the task mutex.
  void OnCpuLimitChanged();

  struct Impl;

 private:
  Impl* const impl_;  // reference counted: timers that fire hold it too
};

// clock_gettime(2) for every clock id incl. CPU clocks of processes and threads. EINVAL.
Result<int64_t> ReadClock(Task& t, clockid_t clock);
// A deadline on `clock` as CLOCK_MONOTONIC: for absolute sleeps and timers.
Result<Deadline> DeadlineOnClock(Task& t, clockid_t clock, int64_t absolute_ns);

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_TIMERS_H_
