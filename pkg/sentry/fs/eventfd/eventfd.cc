// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/eventfd/eventfd.h"

#include <algorithm>
#include <atomic>

#include "absl/strings/str_format.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::fs::eventfd {
namespace {

std::atomic<int> g_next_id{0};

}  // namespace

EventFd::EventFd(uint32_t initial, int flags)
    : FileDescription(vfs::AnonInodePath("[eventfd]"), O_RDWR | (flags & O_NONBLOCK)),
      semaphore_((flags & EFD_SEMAPHORE) != 0),
      id_(g_next_id.fetch_add(1)),
      count_(initial) {
  wait_queue_hint_ = true;
}

Result<size_t> EventFd::Read(IoSink& dst, vfs::IoFlags) {
  if (dst.remaining() < sizeof(uint64_t)) return Errno::kEINVAL;
  uint64_t value;
  {
    MutexLock lock(mu_);
    if (count_ == 0) return Errno::kEAGAIN;
    value = semaphore_ ? 1 : count_;
    count_ -= value;
  }
  queue_.Notify(EPOLLOUT);
  // As in Linux, the value is gone if it cannot be stored.
  ASSIGN_OR_RETURN(const size_t n, dst.Write(std::as_bytes(std::span(&value, 1))));
  return n == sizeof(value) ? Result<size_t>(n) : Errno::kEFAULT;
}

Result<size_t> EventFd::Write(IoSource& src, vfs::IoFlags) {
  if (src.remaining() != sizeof(uint64_t)) return Errno::kEINVAL;
  uint64_t value;
  ASSIGN_OR_RETURN(const size_t n, src.Read(std::as_writable_bytes(std::span(&value, 1))));
  if (n != sizeof(value)) return Errno::kEFAULT;
  if (value == UINT64_MAX) return Errno::kEINVAL;
  {
    MutexLock lock(mu_);
    if (UINT64_MAX - count_ <= value) return Errno::kEAGAIN;
    count_ += value;
  }
  queue_.Notify(EPOLLIN);
  return n;
}

EventMask EventFd::Readiness(EventMask mask) {
  MutexLock lock(mu_);
  EventMask ready = 0;
  if (count_ > 0) ready |= EPOLLIN;
  if (count_ == UINT64_MAX) ready |= EPOLLERR;
  if (count_ < UINT64_MAX - 1) ready |= EPOLLOUT;
  return ready & (mask | kEventErr | kEventHup);
}

std::string EventFd::FdInfo() {
  MutexLock lock(mu_);
  return absl::StrFormat("eventfd-count: %16x\neventfd-id: %d\neventfd-semaphore: %d\n", count_,
                         id_, semaphore_);
}

void EventFd::Signal(uint64_t n) {
  {
    MutexLock lock(mu_);
    count_ += std::min(n, UINT64_MAX - count_);
  }
  queue_.Notify(EPOLLIN);
}

Result<Ref<vfs::FileDescription>> NewEventFd(uint32_t initial, int flags) {
  if ((flags & ~(EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC)) != 0) return Errno::kEINVAL;
  return Ref<vfs::FileDescription>(MakeRef<EventFd>(initial, flags));
}

}  // namespace cvisor::fs::eventfd
