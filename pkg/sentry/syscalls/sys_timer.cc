// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Timers of a process: setitimer(2), alarm(2), timer_create(2). The timers themselves are
// kernel::ProcessTimers.

#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/kernel/timers.h"
#include "pkg/sentry/syscalls/handlers.h"

namespace cvisor::syscalls {

Result<uint64_t> Getitimer(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const itimerval v, t.tg().timers().GetItimer(a[0].As<int>()));
  RETURN_IF_ERROR(t.CopyOut(a[1].raw, v));
  return 0;
}

Result<uint64_t> Setitimer(Task& t, const SyscallArgs& a) {
  // Linux takes a null pointer for zero.
  itimerval value{};
  if (a[1].raw != 0) {
    ASSIGN_OR_RETURN(value, t.CopyIn<itimerval>(a[1].raw));
  }
  ASSIGN_OR_RETURN(const itimerval old, t.tg().timers().SetItimer(a[0].As<int>(), value));
  if (a[2].raw != 0) RETURN_IF_ERROR(t.CopyOut(a[2].raw, old));
  return 0;
}

Result<uint64_t> Alarm(Task& t, const SyscallArgs& a) {
  itimerval value{};
  value.it_value.tv_sec = a[0].As<uint32_t>();
  ASSIGN_OR_RETURN(const itimerval old, t.tg().timers().SetItimer(ITIMER_REAL, value));
  uint64_t left = static_cast<uint64_t>(old.it_value.tv_sec);
  // Rounded, but never down to zero: that would mean that there was none.
  if ((left == 0 && old.it_value.tv_usec != 0) || old.it_value.tv_usec >= 500000) ++left;
  return left;
}

Result<uint64_t> TimerCreate(Task& t, const SyscallArgs& a) {
  sigevent event{};
  static_assert(sizeof(event) == 64);
  if (a[1].raw != 0) {
    ASSIGN_OR_RETURN(event, t.CopyIn<sigevent>(a[1].raw));
  }
  ASSIGN_OR_RETURN(const int id, t.tg().timers().Create(t, a[0].As<clockid_t>(),
                                                        a[1].raw != 0 ? &event : nullptr));
  if (auto s = t.CopyOut<int32_t>(a[2].raw, id); !s.ok()) {
    (void)t.tg().timers().Delete(id);
    return s.error();
  }
  return 0;
}

Result<uint64_t> TimerSettime(Task& t, const SyscallArgs& a) {
  if (a[2].raw == 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const itimerspec value, t.CopyIn<itimerspec>(a[2].raw));
  itimerspec old{};
  RETURN_IF_ERROR(t.tg().timers().Settime(a[0].As<int>(), a[1].As<int>(), value, &old));
  if (a[3].raw != 0) RETURN_IF_ERROR(t.CopyOut(a[3].raw, old));
  return 0;
}

Result<uint64_t> TimerGettime(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const itimerspec v, t.tg().timers().Gettime(a[0].As<int>()));
  RETURN_IF_ERROR(t.CopyOut(a[1].raw, v));
  return 0;
}

Result<uint64_t> TimerGetoverrun(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const int n, t.tg().timers().GetOverrun(a[0].As<int>()));
  return static_cast<uint64_t>(n);
}

Result<uint64_t> TimerDelete(Task& t, const SyscallArgs& a) {
  RETURN_IF_ERROR(t.tg().timers().Delete(a[0].As<int>()));
  return 0;
}

}  // namespace cvisor::syscalls
