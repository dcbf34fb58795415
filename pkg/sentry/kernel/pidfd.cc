// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/kernel/pidfd.h"

#include "absl/strings/str_format.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::kernel {

PidFd::PidFd(Ref<ThreadGroup> tg, int flags)
    : vfs::FileDescription(vfs::AnonInodePath("[pidfd]"), O_RDWR | flags), tg_(std::move(tg)) {
  wait_queue_hint_ = true;
}

EventMask PidFd::Readiness(EventMask mask) {
  return tg_->is_zombie() ? mask & kEventIn : 0;
}

std::string PidFd::FdInfo() {
  Task* current = Task::Current();
  if (current == nullptr) return "";
  MutexLock lock(tg_->kernel().task_mutex());
  const pid_t pid = tg_->is_reaped() ? -1 : tg_->IdIn(current->pid_ns());
  return absl::StrFormat("Pid:\t%d\nNSpid:\t%d\n", pid, pid);
}

Ref<PidFd> NewPidFd(Ref<ThreadGroup> tg, bool nonblock) {
  return MakeRef<PidFd>(std::move(tg), nonblock ? O_NONBLOCK : 0);
}

}  // namespace cvisor::kernel
