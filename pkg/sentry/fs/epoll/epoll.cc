// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/epoll/epoll.h"

#include "pkg/sentry/fs/epoll/instance.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::fs::epoll {
namespace {

// What EPOLLEXCLUSIVE may be combined with.
constexpr uint32_t kExclusiveOk =
    EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;

}  // namespace

EventPoll::EventPoll()
    : FileDescription(vfs::AnonInodePath("[eventpoll]"), O_RDWR), instance_(MakeRef<Instance>()) {
  wait_queue_hint_ = true;
}

EventPoll::~EventPoll() { instance_->Clear(); }

Status EventPoll::Ctl(int op, int fd, const Ref<vfs::FileDescription>& file,
                      const epoll_event& event) {
  if (!file->pollable()) return Errno::kEPERM;
  if (file.get() == this) return Errno::kEINVAL;
  auto* nested = dynamic_cast<EventPoll*>(file.get());
  epoll_event wanted = event;
  if (op != EPOLL_CTL_DEL && (wanted.events & EPOLLEXCLUSIVE) != 0) {
    if (op == EPOLL_CTL_MOD || nested != nullptr || (wanted.events & ~kExclusiveOk) != 0) {
      return Errno::kEINVAL;
    }
  }
  // There is no system suspend to prevent.
  wanted.events &= ~EPOLLWAKEUP;
  wanted.events |= EPOLLERR | EPOLLHUP;
  switch (op) {
    case EPOLL_CTL_ADD:
      return instance_->Add(fd, file, nested != nullptr ? nested->instance_ : nullptr, wanted);
    case EPOLL_CTL_MOD:
      return instance_->Modify(fd, file.get(), wanted);
    case EPOLL_CTL_DEL:
      return instance_->Delete(fd, file.get());
    default:
      return Errno::kEINVAL;
  }
}

Result<std::vector<epoll_event>> EventPoll::Collect(int max) {
  if (max <= 0) return Errno::kEINVAL;
  return instance_->Collect(max);
}

EventMask EventPoll::Readiness(EventMask mask) {
  return instance_->HasReady() ? kEventIn & mask : 0;
}

WaitQueue* EventPoll::wait_queue() { return &instance_->wait_queue(); }

std::string EventPoll::FdInfo() { return instance_->Describe(); }

Result<Ref<vfs::FileDescription>> NewEventPoll(int flags) {
  if ((flags & ~EPOLL_CLOEXEC) != 0) return Errno::kEINVAL;
  return Ref<vfs::FileDescription>(MakeRef<EventPoll>());
}

}  // namespace cvisor::fs::epoll
