// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// SeccompListener: where calls wait for which a filter says SECCOMP_RET_USER_NOTIF, until a supervisor
// has decided (seccomp_unotify(2)). The filter has a reference to it, and so has the file that seccomp(2)
// made for SECCOMP_FILTER_FLAG_NEW_LISTENER.
//
// Locks: mu_ is a leaf but for the wait queue; tasks are woken under it.

#ifndef CVISOR_PKG_SENTRY_KERNEL_SECCOMP_LISTENER_H_
#define CVISOR_PKG_SENTRY_KERNEL_SECCOMP_LISTENER_H_

#include <linux/seccomp.h>

#include <atomic>
#include <list>
#include <optional>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/seccomp/filter.h"
#include "pkg/sentry/vfs/file_description.h"
#include "pkg/sentry/waiter/waiter.h"

namespace cvisor::kernel {

class Task;

class SeccompListener : public seccomp::Listener {
 public:
  // With `killable`, a call that the supervisor has received waits through signals that do not kill
  // (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV).
  explicit SeccompListener(bool killable) : killable_(killable) {}

  // The target's side, on its own thread: waits for the verdict. Nothing: the call may go on.
  // ENOSYS when the listener is closed, ERESTARTSYS for a signal.
  std::optional<Result<uint64_t>> Ask(Task& t, const seccomp_data& data);

  bool closed() const override { return closed_.load(std::memory_order_acquire); }
  void OnFilterGone() override;

  // --- The supervisor's side; `t` is its thread.
  // SECCOMP_IOCTL_NOTIF_RECV. Waits for a call; ENOENT if it went before it could be looked at, or none
  // will come any more. `pid` is 0 where the target is not visible.
  Result<seccomp_notif> Receive(Task& t);
  // The supervisor could not take it: it is as if it had not been received.
  void PutBack(uint64_t id);
  // SECCOMP_IOCTL_NOTIF_SEND: EINVAL, ENOENT, EINPROGRESS.
  Status Send(const seccomp_notif_resp& response);
  // SECCOMP_IOCTL_NOTIF_ADDFD: EINVAL, EBADF, ENOENT, EINPROGRESS, EBUSY, and what the target's
  // descriptor table says. The number in the target.
  Result<int> AddFd(Task& t, const seccomp_notif_addfd& request);
  // SECCOMP_IOCTL_NOTIF_ID_VALID: does the call wait, and was it received?
  bool IsReceived(uint64_t id);

  EventMask Readiness();
  WaitQueue& queue() { return queue_; }
  // The file is closed: who waits gets ENOSYS.
  void Close();

 private:
  // A descriptor that the target is to install. Shared, because either side may go first.
  struct FdRequest : RefCounted {
    Ref<vfs::FileDescription> file;
    std::optional<int> number;
    bool cloexec = false;
    bool reply = false;  // its number is the call's result
    enum { kQueued, kTaken, kDone } state = kQueued;
    std::optional<Result<int>> result;
    Task* requester = nullptr;  // null: it has gone
  };
  // Lives on the stack of Ask().
  struct Call {
    Task& task;
    seccomp_data data;
    uint64_t id;
    enum { kNew, kReceived, kAnswered } state = kNew;
    int64_t value = 0;
    int32_t error = 0;
    uint32_t flags = 0;
    std::list<Ref<FdRequest>> requests;
  };
  Call* Find(uint64_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Waits until something is there to do or the call is over.
  Status WaitForNews(Call& call);
  // Installs the first descriptor of the queue, if there is one.
  bool ServeRequest(Task& t, Call& call);
  void Complete(FdRequest& request, Result<int> result) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const bool killable_;
  WaitQueue queue_;
  Mutex mu_;
  std::atomic<bool> closed_{false};  // written under mu_
  bool filter_gone_ ABSL_GUARDED_BY(mu_) = false;
  std::list<Call*> calls_ ABSL_GUARDED_BY(mu_);
  // How many may be received. As on Linux, one that was interrupted before still counts, and the
  // supervisor sees ENOENT for it.
  uint64_t tickets_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t next_id_ ABSL_GUARDED_BY(mu_);
  bool has_ids_ ABSL_GUARDED_BY(mu_) = false;
};

// The descriptor's file.
Ref<vfs::FileDescription> NewSeccompListenerFile(Ref<SeccompListener> listener);

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_SECCOMP_LISTENER_H_
