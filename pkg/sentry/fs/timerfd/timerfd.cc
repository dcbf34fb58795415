// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/timerfd/timerfd.h"

#include <sys/ioctl.h>

#include <algorithm>

#include "absl/strings/str_format.h"
#include "pkg/sentry/kernel/blocker.h"
#include "pkg/sentry/kernel/clocks.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::fs::timerfd {
namespace {

using kernel::Deadline;
using kernel::MonotonicNs;
using kernel::NsToTimespec;
using kernel::TimespecToNs;

// An interval timer does not wake the service more often than this: ticks are computed, not counted.
constexpr int64_t kMinPeriodNs = 100000;
// CLOCK_REALTIME was set if it moved against CLOCK_MONOTONIC by more than reading both may take.
constexpr int64_t kClockStepNs = 2000000;
// <linux/timerfd.h> cannot be included beside <fcntl.h>.
constexpr uint32_t kTfdIocSetTicks = _IOW('T', 0, uint64_t);

int64_t RealtimeOffset() { return kernel::RealtimeNs() - MonotonicNs(); }

}  // namespace

// What the timer service refers to; the description may be closed while it fires.
class TimerFd::Core : public kernel::Timer {
 public:
  explicit Core(clockid_t clock) : clock(clock) {}

  void Fire() override {
    // Only those who sleep are told. The ticks are computed by whoever asks.
    queue.Notify(kEventIn);
  }

  // Brings ticks and due up to date.
  void Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    const int64_t now = MonotonicNs();
    if (due == INT64_MAX || now < due) return;
    if (interval == 0) {
      ticks = 1;
      due = INT64_MAX;
      return;
    }
    const int64_t n = 1 + (now - due) / interval;
    ticks += static_cast<uint64_t>(n);
    int64_t step;
    if (__builtin_mul_overflow(n, interval, &step) || __builtin_add_overflow(due, step, &due)) {
      due = INT64_MAX;
    }
  }

  // The clock was set under a timer that wants to know (TFD_TIMER_CANCEL_ON_SET).
  bool Canceled() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    if (!cancel_on_set) return false;
    const int64_t offset = RealtimeOffset();
    if (std::abs(offset - realtime_offset) < kClockStepNs) return false;
    realtime_offset = offset;
    return true;
  }

  const clockid_t clock;
  WaitQueue queue;
  Mutex mu;
  int64_t due ABSL_GUARDED_BY(mu) = INT64_MAX;  // CLOCK_MONOTONIC
  int64_t interval ABSL_GUARDED_BY(mu) = 0;
  uint64_t ticks ABSL_GUARDED_BY(mu) = 0;
  int settime_flags ABSL_GUARDED_BY(mu) = 0;
  bool cancel_on_set ABSL_GUARDED_BY(mu) = false;
  int64_t realtime_offset ABSL_GUARDED_BY(mu) = 0;
};

TimerFd::TimerFd(kernel::TimerService& service, clockid_t clock, int flags)
    : FileDescription(vfs::AnonInodePath("[timerfd]"), O_RDWR | (flags & O_NONBLOCK)),
      service_(service),
      core_(MakeRef<Core>(clock)) {
  wait_queue_hint_ = true;
}

TimerFd::~TimerFd() { service_.Disarm(*core_); }

WaitQueue* TimerFd::wait_queue() { return &core_->queue; }

Result<size_t> TimerFd::Read(IoSink& dst, vfs::IoFlags) {
  if (dst.remaining() < sizeof(uint64_t)) return Errno::kEINVAL;
  uint64_t ticks;
  {
    MutexLock lock(core_->mu);
    core_->Advance();
    if (core_->Canceled()) {
      core_->ticks = 0;
      return Errno::kECANCELED;
    }
    if (core_->ticks == 0) return Errno::kEAGAIN;
    ticks = std::exchange(core_->ticks, 0);
    // While unread ticks wait, nothing has to be announced.
    if (core_->due != INT64_MAX) {
      service_.Arm(core_, Deadline::At(std::max(core_->due, MonotonicNs() + kMinPeriodNs)));
    }
  }
  ASSIGN_OR_RETURN(const size_t n, dst.Write(std::as_bytes(std::span(&ticks, 1))));
  return n == sizeof(ticks) ? Result<size_t>(n) : Errno::kEFAULT;
}

EventMask TimerFd::Readiness(EventMask mask) {
  MutexLock lock(core_->mu);
  core_->Advance();
  return (core_->ticks != 0 ? kEventIn : 0) & mask;
}

Result<uint64_t> TimerFd::Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) {
  if (cmd != kTfdIocSetTicks) return Errno::kENOTTY;
  ASSIGN_OR_RETURN(const uint64_t ticks, mm.CopyIn<uint64_t>(arg));
  if (ticks == 0) return Errno::kEINVAL;
  {
    MutexLock lock(core_->mu);
    core_->Advance();
    core_->ticks = ticks;
  }
  core_->queue.Notify(kEventIn);
  return uint64_t{0};
}

std::string TimerFd::FdInfo() {
  const itimerspec left = GetTime();
  MutexLock lock(core_->mu);
  return absl::StrFormat(
      "clockid: %d\nticks: %d\nsettime flags: 0%o\nit_value: (%d, %d)\nit_interval: (%d, %d)\n",
      core_->clock, core_->ticks, core_->settime_flags, left.it_value.tv_sec, left.it_value.tv_nsec,
      left.it_interval.tv_sec, left.it_interval.tv_nsec);
}

Result<itimerspec> TimerFd::SetTime(int flags, const itimerspec& value) {
  if ((flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) != 0) return Errno::kEINVAL;
  if (!kernel::ValidTimespec(value.it_value) || !kernel::ValidTimespec(value.it_interval)) {
    return Errno::kEINVAL;
  }
  const itimerspec old = GetTime();
  const int64_t when = TimespecToNs(value.it_value);
  MutexLock lock(core_->mu);
  core_->ticks = 0;
  core_->interval = TimespecToNs(value.it_interval);
  core_->settime_flags = flags & (TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
  const bool realtime = core_->clock == CLOCK_REALTIME || core_->clock == CLOCK_REALTIME_ALARM;
  core_->cancel_on_set = realtime && (flags & TFD_TIMER_ABSTIME) != 0 &&
                         (flags & TFD_TIMER_CANCEL_ON_SET) != 0;
  if (core_->cancel_on_set) core_->realtime_offset = RealtimeOffset();
  if (when == 0) {
    core_->due = INT64_MAX;
  } else if ((flags & TFD_TIMER_ABSTIME) != 0) {
    // A moment that has passed counts from where it was on the clock, so that ticks add up.
    const int64_t now = kernel::ReadWallClock(core_->clock);
    core_->due = when == INT64_MAX ? INT64_MAX : MonotonicNs() + (when - now);
  } else {
    core_->due = Deadline::After(when).ns;
  }
  service_.Arm(core_, Deadline::At(core_->due));
  return old;
}

itimerspec TimerFd::GetTime() {
  MutexLock lock(core_->mu);
  core_->Advance();
  itimerspec v{};
  v.it_interval = NsToTimespec(core_->interval);
  if (core_->due != INT64_MAX) {
    v.it_value = NsToTimespec(std::max<int64_t>(core_->due - MonotonicNs(), 1));
  }
  return v;
}

Result<Ref<vfs::FileDescription>> NewTimerFd(kernel::TimerService& service, clockid_t clock,
                                             int flags, bool may_wake) {
  if ((flags & ~(TFD_NONBLOCK | TFD_CLOEXEC)) != 0) return Errno::kEINVAL;
  switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
      break;
    case CLOCK_REALTIME_ALARM:
    case CLOCK_BOOTTIME_ALARM:
      if (!may_wake) return Errno::kEPERM;
      break;
    default:
      return Errno::kEINVAL;
  }
  return Ref<vfs::FileDescription>(MakeRef<TimerFd>(service, clock, flags));
}

}  // namespace cvisor::fs::timerfd
