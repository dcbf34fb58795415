// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Clocks and sleeping: time(2), gettimeofday(2), clock_gettime(2), clock_nanosleep(2), adjtimex(2),
// times(2). Timers are in sys_timer.cc.

#include <errno.h>
#include <string.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <time.h>

#include <algorithm>

#include "pkg/sentry/kernel/clocks.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/kernel/timers.h"
#include "pkg/sentry/syscalls/handlers.h"

namespace cvisor::syscalls {
namespace {

using kernel::Deadline;
using kernel::NsToTimespec;
using kernel::TimespecToNs;

constexpr int64_t kClockTickNs = 10000000;  // USER_HZ is 100

Result<timespec> CopyInTimespec(Task& t, UserAddr addr) {
  ASSIGN_OR_RETURN(const timespec ts, t.CopyIn<timespec>(addr));
  if (!kernel::ValidTimespec(ts)) return Errno::kEINVAL;
  return ts;
}

// Sleeps until `clock` shows `until`. ERESTARTSYS.
Status SleepUntil(Task& t, clockid_t clock, int64_t until) {
  const bool wall = kernel::IsWallClock(clock);
  for (;;) {
    ASSIGN_OR_RETURN(const Deadline deadline, kernel::DeadlineOnClock(t, clock, until));
    if (deadline.passed()) {
      // For a CPU clock this was only the earliest moment possible.
      if (wall) return OkStatus();
      ASSIGN_OR_RETURN(const int64_t now, kernel::ReadClock(t, clock));
      if (now >= until) return OkStatus();
      continue;
    }
    const Status s = t.Block(deadline);
    if (!s.ok() && s.error() != Errno::kETIMEDOUT) return s;
  }
}

// A relative sleep; what remains of it after a signal goes to `remaining` (0: nowhere).
Result<uint64_t> SleepRelative(Task& t, clockid_t clock, int64_t until, UserAddr remaining);

class SleepRestart : public kernel::RestartBlock {
 public:
  SleepRestart(clockid_t clock, int64_t until, UserAddr remaining)
      : clock_(clock), until_(until), remaining_(remaining) {}
  Result<uint64_t> Restart(Task& t) override {
    return SleepRelative(t, clock_, until_, remaining_);
  }

 private:
  const clockid_t clock_;
  const int64_t until_;
  const UserAddr remaining_;
};

Result<uint64_t> SleepRelative(Task& t, clockid_t clock, int64_t until, UserAddr remaining) {
  const Status s = SleepUntil(t, clock, until);
  if (s.ok()) return 0;
  if (s.error() != Errno::kERESTARTSYS) return s.error();
  ASSIGN_OR_RETURN(const int64_t now, kernel::ReadClock(t, clock));
  if (now >= until) return 0;
  if (remaining != 0) RETURN_IF_ERROR(t.CopyOut(remaining, NsToTimespec(until - now)));
  t.SetRestartBlock(MakeRef<SleepRestart>(clock, until, remaining));
  return Errno::kERESTART_RESTARTBLOCK;
}

int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t r;
  return __builtin_add_overflow(a, b, &r) ? INT64_MAX : r;
}

// EINVAL for clocks that do not exist.
Status CheckClock(Task& t, clockid_t clock) {
  if (kernel::IsWallClock(clock)) return OkStatus();
  RETURN_IF_ERROR(kernel::ReadClock(t, clock));
  return OkStatus();
}

// A clock that nobody disciplines.
timex CurrentTimex() {
  timex tx{};
  const int64_t now = kernel::RealtimeNs();
  tx.maxerror = tx.esterror = 16000000;
  tx.status = STA_UNSYNC;
  tx.constant = 2;
  tx.precision = 1;
  tx.tolerance = 32768000;
  tx.tick = 10000;
  tx.time.tv_sec = now / 1000000000;
  tx.time.tv_usec = now % 1000000000 / 1000;
  return tx;
}

Result<uint64_t> ReadTimex(Task& t, UserAddr addr) {
  ASSIGN_OR_RETURN(const timex in, t.CopyIn<timex>(addr));
  // No capability of a container reaches the host's clock.
  if (in.modes != 0 && in.modes != ADJ_OFFSET_SS_READ) return Errno::kEPERM;
  timex out = CurrentTimex();
  out.modes = in.modes;
  RETURN_IF_ERROR(t.CopyOut(addr, out));
  return TIME_ERROR;
}

}  // namespace

Result<uint64_t> Time(Task& t, const SyscallArgs& a) {
  const int64_t now = kernel::ReadWallClock(CLOCK_REALTIME_COARSE) / 1000000000;
  if (a[0].raw != 0) RETURN_IF_ERROR(t.CopyOut<int64_t>(a[0].raw, now));
  return static_cast<uint64_t>(now);
}

Result<uint64_t> Gettimeofday(Task& t, const SyscallArgs& a) {
  if (a[0].raw != 0) {
    const int64_t now = kernel::RealtimeNs();
    const timeval tv{now / 1000000000, now % 1000000000 / 1000};
    RETURN_IF_ERROR(t.CopyOut(a[0].raw, tv));
  }
  // The kernel's time zone: UTC.
  if (a[1].raw != 0) RETURN_IF_ERROR((t.CopyOut<struct timezone>(a[1].raw, {})));
  return 0;
}

Result<uint64_t> Settimeofday(Task& t, const SyscallArgs& a) {
  if (a[0].raw != 0) {
    ASSIGN_OR_RETURN(const timeval tv, t.CopyIn<timeval>(a[0].raw));
    if (tv.tv_usec < 0 || tv.tv_usec > 1000000) return Errno::kEINVAL;
  }
  if (a[1].raw != 0) RETURN_IF_ERROR(t.CopyIn<struct timezone>(a[1].raw));
  return Errno::kEPERM;
}

Result<uint64_t> ClockGettime(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const int64_t now, kernel::ReadClock(t, a[0].As<clockid_t>()));
  RETURN_IF_ERROR(t.CopyOut(a[1].raw, NsToTimespec(now)));
  return 0;
}

Result<uint64_t> ClockSettime(Task& t, const SyscallArgs& a) {
  const auto clock = a[0].As<clockid_t>();
  // Only one clock can be set; CPU clocks refuse with EPERM in any case.
  if (kernel::IsWallClock(clock) ? clock != CLOCK_REALTIME : !kernel::DecodeCpuClock(clock).ok()) {
    return Errno::kEINVAL;
  }
  ASSIGN_OR_RETURN(const timespec ts, t.CopyIn<timespec>(a[1].raw));
  if (clock == CLOCK_REALTIME && !kernel::ValidTimespec(ts)) return Errno::kEINVAL;
  return Errno::kEPERM;
}

Result<uint64_t> ClockGetres(Task& t, const SyscallArgs& a) {
  const auto clock = a[0].As<clockid_t>();
  RETURN_IF_ERROR(CheckClock(t, clock));
  timespec res{0, 1};
  if (clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE) {
    // The vDSO tells applications the host's tick.
    (void)clock_getres(clock, &res);
  } else if (auto cpu = kernel::DecodeCpuClock(clock); cpu.ok() && cpu->sampled) {
    (void)clock_getres(CLOCK_MONOTONIC_COARSE, &res);
  }
  if (a[1].raw != 0) RETURN_IF_ERROR(t.CopyOut(a[1].raw, res));
  return 0;
}

Result<uint64_t> Nanosleep(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const timespec ts, CopyInTimespec(t, a[0].raw));
  const int64_t until = SaturatingAdd(kernel::MonotonicNs(), TimespecToNs(ts));
  return SleepRelative(t, CLOCK_MONOTONIC, until, a[1].raw);
}

Result<uint64_t> ClockNanosleep(Task& t, const SyscallArgs& a) {
  auto clock = a[0].As<clockid_t>();
  const auto flags = a[1].As<int>();
  const bool absolute = (flags & TIMER_ABSTIME) != 0;
  // A thread cannot wait for itself to run.
  if (clock == CLOCK_THREAD_CPUTIME_ID) return Errno::kEINVAL;
  RETURN_IF_ERROR(CheckClock(t, clock));
  if (auto cpu = kernel::DecodeCpuClock(clock);
      cpu.ok() && cpu->thread && (cpu->id == 0 || cpu->id == t.tid())) {
    return Errno::kEINVAL;
  }
  if (clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_REALTIME_COARSE ||
      clock == CLOCK_MONOTONIC_COARSE) {
    return Errno::kEOPNOTSUPP;
  }
  ASSIGN_OR_RETURN(const timespec ts, CopyInTimespec(t, a[2].raw));
  if ((clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM) &&
      !t.HasCap(CAP_WAKE_ALARM)) {
    return Errno::kEPERM;
  }
  if (absolute) {
    const Status s = SleepUntil(t, clock, TimespecToNs(ts));
    if (s.ok()) return 0;
    return s.error() == Errno::kERESTARTSYS ? Errno::kERESTARTNOHAND : s.error();
  }
  // Relative sleeps do not notice that the time was set.
  if (clock == CLOCK_REALTIME || clock == CLOCK_TAI) clock = CLOCK_MONOTONIC;
  ASSIGN_OR_RETURN(const int64_t now, kernel::ReadClock(t, clock));
  return SleepRelative(t, clock, SaturatingAdd(now, TimespecToNs(ts)), a[3].raw);
}

Result<uint64_t> Adjtimex(Task& t, const SyscallArgs& a) { return ReadTimex(t, a[0].raw); }

Result<uint64_t> ClockAdjtime(Task& t, const SyscallArgs& a) {
  const auto clock = a[0].As<clockid_t>();
  RETURN_IF_ERROR(CheckClock(t, clock));
  if (clock != CLOCK_REALTIME) return Errno::kEOPNOTSUPP;
  return ReadTimex(t, a[1].raw);
}

Result<uint64_t> Times(Task& t, const SyscallArgs& a) {
  if (a[0].raw != 0) {
    const kernel::CpuUsage self = t.tg().CpuTimes(), children = t.tg().ChildrenUsage();
    const auto ticks = [](uint64_t ns) { return static_cast<clock_t>(ns / kClockTickNs); };
    tms out{};
    out.tms_utime = ticks(self.user_ns);
    out.tms_stime = ticks(self.system_ns);
    out.tms_cutime = ticks(children.user_ns);
    out.tms_cstime = ticks(children.system_ns);
    RETURN_IF_ERROR(t.CopyOut(a[0].raw, out));
  }
  return static_cast<uint64_t>(kernel::MonotonicNs() / kClockTickNs);
}

}  // namespace cvisor::syscalls
