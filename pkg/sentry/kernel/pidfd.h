// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// PidFd: pidfd_open(2), CLONE_PIDFD.

#ifndef CVISOR_PKG_SENTRY_KERNEL_PIDFD_H_
#define CVISOR_PKG_SENTRY_KERNEL_PIDFD_H_

#include <string>

#include "pkg/base/ref.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/vfs/file_description.h"

namespace cvisor::kernel {

class PidFd : public vfs::FileDescription {
 public:
  PidFd(Ref<ThreadGroup> tg, int flags);

  const Ref<ThreadGroup>& tg() const { return tg_; }
  // Readable once the process is a zombie.
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override { return &tg_->exit_queue(); }
  std::string FdInfo() override;

 private:
  const Ref<ThreadGroup> tg_;
};

// What inodes of procfs implement that stand for a process, so that a descriptor of /proc/PID does
// where Linux takes one for a pidfd (pidfd_send_signal(2)).
class ProcessInode {
 public:
  virtual ~ProcessInode() = default;
  // The process, also after its end; null when the inode stands for something else (a thread).
  virtual Ref<ThreadGroup> Process() const = 0;
};

Ref<PidFd> NewPidFd(Ref<ThreadGroup> tg, bool nonblock);

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_PIDFD_H_
