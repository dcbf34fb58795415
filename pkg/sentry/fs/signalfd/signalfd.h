// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// signalfd(2): signals that are read. It has no signals of its own: each reader or poller sees those of
// the thread it is.

#ifndef CVISOR_PKG_SENTRY_FS_SIGNALFD_SIGNALFD_H_
#define CVISOR_PKG_SENTRY_FS_SIGNALFD_SIGNALFD_H_

#include <sys/signalfd.h>

#include <memory>
#include <string>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/kernel/signals.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/vfs/file_description.h"
#include "pkg/sentry/waiter/waiter.h"

namespace cvisor::fs::signalfd {

// Waiters wait on the description's own queue. It passes on what the signal queues of the processes
// say that have looked at it so far (after fork(2), more than one).
class SignalFd : public vfs::FileDescription {
 public:
  // `flags`: SFD_NONBLOCK counts. SIGKILL and SIGSTOP in the mask are ignored.
  SignalFd(kernel::SignalSet mask, int flags);
  ~SignalFd() override;

  void SetMask(kernel::SignalSet mask);

  Result<size_t> Read(IoSink& dst, vfs::IoFlags flags) override;
  Result<int64_t> Seek(int64_t, int) override { return 0; }  // as Linux: accepted, no effect
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override;
  std::string FdInfo() override;

 private:
  class Forwarder;
  // Sees to it that signals of the calling task's process are passed on.
  void Watch();

  WaitQueue queue_;
  std::atomic<kernel::SignalSet> mask_;
  Mutex mu_;  // before the signal queues'
  std::vector<std::unique_ptr<Forwarder>> forwarders_ ABSL_GUARDED_BY(mu_);
};

// What read(2) gives for one signal.
signalfd_siginfo ToSignalFdInfo(const siginfo_t& info);

}  // namespace cvisor::fs::signalfd

#endif  // CVISOR_PKG_SENTRY_FS_SIGNALFD_SIGNALFD_H_
