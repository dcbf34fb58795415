// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// EventPoll: epoll(7). Entries are keyed by descriptor number and description, as in Linux, and do
// not keep the description open: an entry goes when the last reference to its description does
// (vfs::FileObserver). Each entry is a Waiter in its file's queue; when the file reports something
// the entry joins the ready list, so that waiting costs nothing per watched file.
//
// epoll_wait(2): Collect(); when it returns nothing, wait on wait_queue() for kEventIn (exclusive
// registration is right: a call that leaves ready entries behind wakes the next) and try again.
//
// Locks, in order: Instance::mu_ (an outer epoll's before a nested one's; epolls cannot form a
// loop), the locks of watched files, their wait queues', Instance::ready_mu_. The queue of an epoll
// is notified from within the queue of a watched file: outer queues come after inner ones. Changes
// of the nesting are serialised by one process-wide mutex, which comes first of all.

#ifndef CVISOR_PKG_SENTRY_FS_EPOLL_EPOLL_H_
#define CVISOR_PKG_SENTRY_FS_EPOLL_EPOLL_H_

#include <sys/epoll.h>

#include <string>
#include <vector>

#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/vfs/file_description.h"
#include "pkg/sentry/waiter/waiter.h"

namespace cvisor::fs::epoll {

class Instance;

class EventPoll : public vfs::FileDescription {
 public:
  EventPoll();
  ~EventPoll() override;

  // epoll_ctl(2) on `file`, which is open at `fd`. `event` is ignored by EPOLL_CTL_DEL. The caller
  // has looked both up (EBADF). EPERM, EINVAL, EEXIST, ENOENT, ELOOP.
  Status Ctl(int op, int fd, const Ref<vfs::FileDescription>& file, const epoll_event& event);

  // At most `max` (> 0) events that are true now; empty if none. Level-triggered entries that were
  // reported go to the end of the line, so that a small `max` starves nobody.
  Result<std::vector<epoll_event>> Collect(int max);

  Result<int64_t> Seek(int64_t, int) override { return 0; }  // as Linux: accepted, no effect
  // Linux's epoll has ioctls of its own (EPIOCSPARAMS), so that unknown ones are EINVAL, not ENOTTY.
  Result<uint64_t> Ioctl(mm::MemoryManager&, uint32_t, uint64_t) override { return Errno::kEINVAL; }
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override;
  std::string FdInfo() override;

 private:
  const Ref<Instance> instance_;
};

// epoll_create1(2). EINVAL for unknown flags; EPOLL_CLOEXEC belongs to the descriptor.
Result<Ref<vfs::FileDescription>> NewEventPoll(int flags);

}  // namespace cvisor::fs::epoll

#endif  // CVISOR_PKG_SENTRY_FS_EPOLL_EPOLL_H_
