// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// timerfd_create(2).

#include "pkg/sentry/fs/timerfd/timerfd.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/syscalls/handlers.h"

namespace cvisor::syscalls {
namespace {

// EBADF; EINVAL for other kinds of files.
Result<Ref<fs::timerfd::TimerFd>> GetTimerFd(Task& t, int fd) {
  ASSIGN_OR_RETURN(const auto file, t.GetFile(fd));
  auto timer = RefCast<fs::timerfd::TimerFd>(file);
  if (timer == nullptr) return Errno::kEINVAL;
  return timer;
}

}  // namespace

Result<uint64_t> TimerfdCreate(Task& t, const SyscallArgs& a) {
  const auto flags = a[1].As<int>();
  ASSIGN_OR_RETURN(auto file, fs::timerfd::NewTimerFd(t.kernel().timers(), a[0].As<clockid_t>(),
                                                      flags, t.HasCap(CAP_WAKE_ALARM)));
  ASSIGN_OR_RETURN(const int fd, t.InstallFd(std::move(file), (flags & TFD_CLOEXEC) != 0));
  return static_cast<uint64_t>(fd);
}

Result<uint64_t> TimerfdSettime(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const itimerspec value, t.CopyIn<itimerspec>(a[2].raw));
  const auto flags = a[1].As<int>();
  if ((flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) != 0 ||
      !kernel::ValidTimespec(value.it_value) || !kernel::ValidTimespec(value.it_interval)) {
    return Errno::kEINVAL;
  }
  ASSIGN_OR_RETURN(const auto timer, GetTimerFd(t, a[0].As<int>()));
  ASSIGN_OR_RETURN(const itimerspec old, timer->SetTime(flags, value));
  if (a[3].raw != 0) RETURN_IF_ERROR(t.CopyOut(a[3].raw, old));
  return 0;
}

Result<uint64_t> TimerfdGettime(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const auto timer, GetTimerFd(t, a[0].As<int>()));
  RETURN_IF_ERROR(t.CopyOut(a[1].raw, timer->GetTime()));
  return 0;
}

}  // namespace cvisor::syscalls
