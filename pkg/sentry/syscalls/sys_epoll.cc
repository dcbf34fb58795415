// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// epoll(7).

#include <sys/epoll.h>

#include <climits>

#include "pkg/sentry/fs/epoll/epoll.h"
#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"

namespace cvisor::syscalls {
namespace {

using fs::epoll::EventPoll;

Result<uint64_t> Create(Task& t, int flags) {
  if (flags & ~EPOLL_CLOEXEC) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(auto file, fs::epoll::NewEventPoll(flags));
  return InstallFile(t, std::move(file), (flags & EPOLL_CLOEXEC) != 0);
}

// Waits with an exclusive registration: one event wakes one of several threads that wait.
Result<std::vector<epoll_event>> CollectUntil(Task& t, EventPoll& poll, int max, Deadline deadline) {
  auto events = poll.Collect(max);
  if (!events.ok() || !events->empty() || deadline.passed()) return events;
  kernel::TaskWaiter waiter(t, *poll.wait_queue(), kEventIn, /*exclusive=*/true);
  for (;;) {
    events = poll.Collect(max);
    if (!events.ok() || !events->empty()) return events;
    const Status status = t.Block(deadline);
    if (status.ok()) continue;
    // The wake-up that came together with the signal or the deadline must not be lost.
    events = poll.Collect(max);
    if (!events.ok() || !events->empty()) return events;
    if (status.error() == Errno::kETIMEDOUT) return events;
    return Errno::kEINTR;  // epoll_wait(2) never restarts
  }
}

Result<uint64_t> Wait(Task& t, const SyscallArgs& a, Deadline deadline) {
  const auto addr = a[1].As<UserAddr>();
  const auto max = a[2].As<int>();
  if (max <= 0 || max > INT_MAX / static_cast<int>(sizeof(epoll_event))) return Errno::kEINVAL;
  RETURN_IF_ERROR(CheckUserRange(addr, static_cast<uint64_t>(max) * sizeof(epoll_event)));
  ASSIGN_OR_RETURN(auto file, t.GetFile(a[0].As<int>()));
  auto* poll = dynamic_cast<EventPoll*>(file.get());
  if (poll == nullptr) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const auto events, CollectUntil(t, *poll, max, deadline));
  RETURN_IF_ERROR(
      t.mm().CopyOutBytes(addr, events.data(), events.size() * sizeof(epoll_event)));
  return events.size();
}

Deadline DeadlineOfMs(int ms) {
  return ms < 0 ? Deadline::Never() : Deadline::After(int64_t{ms} * 1000000);
}

// With a signal mask for the duration. After EINTR the mask stays until the handler has its frame.
Result<uint64_t> WaitMasked(Task& t, const SyscallArgs& a, Deadline deadline) {
  RETURN_IF_ERROR(SetMaskForCall(t, a[4].As<UserAddr>(), a[5].As<uint64_t>()));
  auto result = Wait(t, a, deadline);
  if (result.ok() || result.error() != Errno::kEINTR) t.RestoreTemporaryMask();
  return result;
}

}  // namespace

Result<uint64_t> EpollCreate(Task& t, const SyscallArgs& a) {
  if (a[0].As<int>() <= 0) return Errno::kEINVAL;
  return Create(t, 0);
}

Result<uint64_t> EpollCreate1(Task& t, const SyscallArgs& a) { return Create(t, a[0].As<int>()); }

Result<uint64_t> EpollCtl(Task& t, const SyscallArgs& a) {
  const auto op = a[1].As<int>();
  const auto fd = a[2].As<int>();
  epoll_event event = {};
  if (op != EPOLL_CTL_DEL) {
    ASSIGN_OR_RETURN(event, t.CopyIn<epoll_event>(a[3].As<UserAddr>()));
  }
  ASSIGN_OR_RETURN(auto file, t.GetFile(a[0].As<int>()));
  ASSIGN_OR_RETURN(auto target, t.GetFile(fd));
  if (!target->pollable()) return Errno::kEPERM;
  auto* poll = dynamic_cast<EventPoll*>(file.get());
  if (poll == nullptr || file == target) return Errno::kEINVAL;
  RETURN_IF_ERROR(poll->Ctl(op, fd, target, event));
  return 0;
}

Result<uint64_t> EpollWait(Task& t, const SyscallArgs& a) {
  return Wait(t, a, DeadlineOfMs(a[3].As<int>()));
}

Result<uint64_t> EpollPwait(Task& t, const SyscallArgs& a) {
  return WaitMasked(t, a, DeadlineOfMs(a[3].As<int>()));
}

Result<uint64_t> EpollPwait2(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const Deadline deadline, CopyInTimeout(t, a[3].As<UserAddr>()));
  return WaitMasked(t, a, deadline);
}

}  // namespace cvisor::syscalls
