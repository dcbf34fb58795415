// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// timerfd_create(2): a timer that is read.

#ifndef CVISOR_PKG_SENTRY_FS_TIMERFD_TIMERFD_H_
#define CVISOR_PKG_SENTRY_FS_TIMERFD_TIMERFD_H_

#include <sys/timerfd.h>
#include <time.h>

#include <cstdint>
#include <string>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/kernel/timers.h"
#include "pkg/sentry/vfs/file_description.h"
#include "pkg/sentry/waiter/waiter.h"

namespace cvisor::fs::timerfd {

// Locks: mu_ before the timer service's; the wait queue is told without mu_.
class TimerFd : public vfs::FileDescription {
 public:
  // `clock`: one that NewTimerFd accepts. `flags`: TFD_NONBLOCK counts. The service outlives it.
  TimerFd(kernel::TimerService& service, clockid_t clock, int flags);
  ~TimerFd() override;

  Result<size_t> Read(IoSink& dst, vfs::IoFlags flags) override;
  Result<int64_t> Seek(int64_t, int) override { return 0; }  // as Linux: accepted, no effect
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override;
  // TFD_IOC_SET_TICKS.
  Result<uint64_t> Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) override;
  std::string FdInfo() override;

  // timerfd_settime(2), timerfd_gettime(2). EINVAL.
  Result<itimerspec> SetTime(int flags, const itimerspec& value);
  itimerspec GetTime();

 private:
  class Core;
  kernel::TimerService& service_;
  const Ref<Core> core_;
};

// timerfd_create(2). EINVAL for unknown clocks and flags; EPERM for the alarm clocks without
// `may_wake` (CAP_WAKE_ALARM).
Result<Ref<vfs::FileDescription>> NewTimerFd(kernel::TimerService& service, clockid_t clock,
                                             int flags, bool may_wake);

}  // namespace cvisor::fs::timerfd

#endif  // CVISOR_PKG_SENTRY_FS_TIMERFD_TIMERFD_H_
