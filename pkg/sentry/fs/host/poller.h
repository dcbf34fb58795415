// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// HostPoller: tells the waiters on imported host descriptors (terminals, pipes, sockets) that they have
// become ready. One thread for the whole Sentry, started on first use, asleep in epoll_wait(2) unless
// something happened that somebody waits for.
//
// A descriptor is armed for one event at a time (EPOLLONESHOT) and only while somebody waits. The
// protocol: a waiter registers in the WaitQueue, then asks for readiness (FileDescription::Readiness()
// or a read that says EAGAIN), which arms. A read or write that succeeds while others wait arms again,
// because the event may have woken one of them only.

#ifndef CVISOR_PKG_SENTRY_FS_HOST_POLLER_H_
#define CVISOR_PKG_SENTRY_FS_HOST_POLLER_H_

#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/base/unique_fd.h"
#include "pkg/sentry/waiter/waiter.h"

namespace cvisor::fs::host {

// A watched descriptor with its queue. Owned by its user and, while an event is delivered, the poller.
class PolledFd final : public RefCounted {
 public:
  // `fd` stays the owner's, who calls HostPoller::Remove() before closing it.
  explicit PolledFd(int fd) : fd_(fd) {}
  WaitQueue& queue() { return queue_; }
  int fd() const { return fd_; }

 private:
  friend class HostPoller;
  const int fd_;
  uint64_t id_ = 0;
  EventMask armed_ = 0;  // guarded by HostPoller::mu_
  WaitQueue queue_;
};

class HostPoller {
 public:
  static HostPoller& Get();

  // EPERM if the host cannot poll the descriptor (regular files, directories).
  Status Add(const Ref<PolledFd>& polled);
  // No notification starts after this.
  void Remove(PolledFd& polled);
  // Asks for one notification when any of `mask` (or an error, or a hang-up) is true: at once if it is
  // true already.
  void Arm(PolledFd& polled, EventMask mask);

 private:
  HostPoller();
  void Run();

  UniqueFd epoll_;
  Mutex mu_;  // leaf
  bool running_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t next_id_ ABSL_GUARDED_BY(mu_) = 1;
  absl::flat_hash_map<uint64_t, Ref<PolledFd>> fds_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cvisor::fs::host

#endif  // CVISOR_PKG_SENTRY_FS_HOST_POLLER_H_
