// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Clocks: clock_gettime(2) and deadlines on any of them. Wall clocks are the host's, because the
// application reads them in the host's vDSO; CPU clocks are sums over the process's tasks.

#include "pkg/sentry/kernel/clocks.h"

#include <algorithm>

#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/kernel/timers.h"

namespace cvisor::kernel {

CpuUsage ThreadGroup::CpuTimes() const {
  MutexLock lock(kernel_.task_mutex());
  CpuUsage total = dead_threads_usage_;
  for (const Task* t : tasks_) {
    if (t->dead_) continue;  // counted when it died
    total.user_ns += t->UserTimeNs();
    total.system_ns += t->SystemTimeNs();
  }
  return total;
}

bool IsWallClock(clockid_t clock) {
  switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_BOOTTIME_ALARM:
    case CLOCK_TAI:
      return true;
    default:
      return false;
  }
}

int64_t ReadWallClock(clockid_t clock) {
  // The same time without the power to wake the machine.
  if (clock == CLOCK_REALTIME_ALARM) clock = CLOCK_REALTIME;
  if (clock == CLOCK_BOOTTIME_ALARM) clock = CLOCK_BOOTTIME;
  timespec ts{};
  clock_gettime(clock, &ts);
  return TimespecToNs(ts);
}

Result<CpuClock> DecodeCpuClock(clockid_t clock) {
  if (clock == CLOCK_PROCESS_CPUTIME_ID) return CpuClock{};
  if (clock == CLOCK_THREAD_CPUTIME_ID) return CpuClock{.thread = true};
  if (clock >= 0) return Errno::kEINVAL;
  // ~id << 3 | per-thread << 2 | which; 3 would be a clock device's descriptor.
  const int which = clock & 3;
  if (which == 3) return Errno::kEINVAL;
  return CpuClock{.thread = (clock & 4) != 0, .user_only = which == 1, .id = ~(clock >> 3),
                  .sampled = which != 2};
}

namespace {

uint64_t Select(const CpuClock& clock, uint64_t user, uint64_t system) {
  return clock.user_only ? user : user + system;
}

}  // namespace

Result<int64_t> ReadCpuClock(ThreadGroup& tg, const PidNamespace& ns, const CpuClock& clock) {
  if (clock.thread) {
    Ref<Task> task;
    {
      MutexLock lock(tg.kernel().task_mutex());
      task = Ref<Task>(ns.FindTask(clock.id));
    }
    if (task == nullptr || &task->tg() != &tg) return Errno::kEINVAL;
    return static_cast<int64_t>(Select(clock, task->UserTimeNs(), task->SystemTimeNs()));
  }
  Ref<ThreadGroup> other;
  if (clock.id != 0) {
    MutexLock lock(tg.kernel().task_mutex());
    other = Ref<ThreadGroup>(ns.FindThreadGroup(clock.id));
    if (other == nullptr) return Errno::kEINVAL;
  }
  const CpuUsage u = (other != nullptr ? *other : tg).CpuTimes();
  return static_cast<int64_t>(Select(clock, u.user_ns, u.system_ns));
}

Result<int64_t> ReadClock(Task& t, clockid_t clock) {
  if (IsWallClock(clock)) return ReadWallClock(clock);
  ASSIGN_OR_RETURN(CpuClock cpu, DecodeCpuClock(clock));
  // The common one without a look-up.
  if (cpu.thread && cpu.id == 0) {
    return static_cast<int64_t>(Select(cpu, t.UserTimeNs(), t.SystemTimeNs()));
  }
  return ReadCpuClock(t.tg(), t.pid_ns(), cpu);
}

Deadline CpuDeadline(Kernel& kernel, int64_t remaining_ns) {
  const int64_t per_cpu = remaining_ns / std::max(1, kernel.cpu_count());
  return Deadline::After(std::max(per_cpu, kCpuClockTickNs));
}

Deadline WallDeadline(clockid_t clock, int64_t absolute_ns) {
  if (absolute_ns == INT64_MAX) return Deadline::Never();
  if (clock == CLOCK_MONOTONIC) return Deadline::At(absolute_ns);
  int64_t remaining;
  if (__builtin_sub_overflow(absolute_ns, ReadWallClock(clock), &remaining)) {
    return absolute_ns > 0 ? Deadline::Never() : Deadline::At(0);
  }
  return remaining <= 0 ? Deadline::At(0) : Deadline::After(remaining);
}

Result<Deadline> DeadlineOnClock(Task& t, clockid_t clock, int64_t absolute_ns) {
  if (IsWallClock(clock)) return WallDeadline(clock, absolute_ns);
  ASSIGN_OR_RETURN(const int64_t now, ReadClock(t, clock));
  if (now >= absolute_ns) return Deadline::At(0);
  return CpuDeadline(t.kernel(), absolute_ns - now);
}

}  // namespace cvisor::kernel
