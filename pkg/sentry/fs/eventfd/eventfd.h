// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// eventfd(2): a 64-bit counter with wait and wake-up.

#ifndef CVISOR_PKG_SENTRY_FS_EVENTFD_EVENTFD_H_
#define CVISOR_PKG_SENTRY_FS_EVENTFD_EVENTFD_H_

#include <sys/eventfd.h>

#include <cstdint>
#include <string>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/vfs/file_description.h"
#include "pkg/sentry/waiter/waiter.h"

namespace cvisor::fs::eventfd {

// Locks: mu_ before the wait queue's.
class EventFd : public vfs::FileDescription {
 public:
  // `flags`: EFD_SEMAPHORE and EFD_NONBLOCK count; EFD_CLOEXEC belongs to the descriptor.
  EventFd(uint32_t initial, int flags);

  Result<size_t> Read(IoSink& dst, vfs::IoFlags flags) override;
  Result<size_t> Write(IoSource& src, vfs::IoFlags flags) override;
  Result<int64_t> Seek(int64_t, int) override { return 0; }  // as Linux: accepted, no effect
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override { return &queue_; }
  std::string FdInfo() override;

  // Adds `n` from inside the Sentry (aio completions). Stops at the highest value, where
  // poll(2) reports POLLERR.
  void Signal(uint64_t n);

 private:
  const bool semaphore_;
  const int id_;
  WaitQueue queue_;
  Mutex mu_;
  uint64_t count_ ABSL_GUARDED_BY(mu_);
};

// eventfd2(2). EINVAL for unknown flags.
Result<Ref<vfs::FileDescription>> NewEventFd(uint32_t initial, int flags);

}  // namespace cvisor::fs::eventfd

#endif  // CVISOR_PKG_SENTRY_FS_EVENTFD_EVENTFD_H_
