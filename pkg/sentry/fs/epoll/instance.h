// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The insides of an EventPoll. An Instance outlives its EventPoll while a watched file that is just
// being closed still holds one of its entries. Lock order: epoll.h.

#ifndef CVISOR_PKG_SENTRY_FS_EPOLL_INSTANCE_H_
#define CVISOR_PKG_SENTRY_FS_EPOLL_INSTANCE_H_

#include <sys/epoll.h>

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/vfs/file_description.h"
#include "pkg/sentry/waiter/waiter.h"

namespace cvisor::fs::epoll {

class Instance;

// One watched description. Referenced by its Instance's table and by the watched file.
class Entry : public vfs::FileObserver, public Waiter {
 public:
  Entry(Ref<Instance> owner, int fd, vfs::FileDescription* file, Ref<Instance> nested,
        const epoll_event& event);

  void OnEvent(EventMask mask) override { (void)Ready(mask); }
  bool OnExclusiveEvent(EventMask mask) override { return Ready(mask); }
  void OnFileGone() override;

 private:
  friend class Instance;
  // True if somebody waits for the epoll.
  bool Ready(EventMask mask);

  const Ref<Instance> owner_;
  const int fd_;
  // Not a reference. Not destroyed as long as the entry is in the table: see OnFileGone().
  vfs::FileDescription* const file_;
  WaitQueue* const queue_;        // the file's; may be null
  const Ref<Instance> nested_;    // when the file is an epoll
  std::atomic<uint32_t> events_;  // 0: disabled by EPOLLONESHOT. Changed under owner_->mu_
  uint64_t data_;                 // guarded by owner_->mu_
  bool in_table_ = false;         // guarded by owner_->mu_
  // The ready list; guarded by owner_->ready_mu_.
  bool on_ready_ = false;
  Entry* ready_prev_ = nullptr;
  Entry* ready_next_ = nullptr;
};

class Instance : public RefCounted {
 public:
  Status Add(int fd, const Ref<vfs::FileDescription>& file, Ref<Instance> nested,
             const epoll_event& event);
  Status Modify(int fd, vfs::FileDescription* file, const epoll_event& event);
  Status Delete(int fd, vfs::FileDescription* file);
  std::vector<epoll_event> Collect(int max);
  bool HasReady();
  std::string Describe();
  // The EventPoll was closed.
  void Clear();
  WaitQueue& wait_queue() { return wait_queue_; }

 private:
  friend class Entry;
  using Key = std::pair<vfs::FileDescription*, int>;

  // What of the entry's events is true now.
  static EventMask Poll(Entry& e);
  void Remove(Entry& e, bool file_gone) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void PushReady(Entry& e, bool front = false) ABSL_LOCKS_EXCLUDED(ready_mu_);
  Entry* PopReady() ABSL_LOCKS_EXCLUDED(ready_mu_);
  void DropReady(Entry& e) ABSL_LOCKS_EXCLUDED(ready_mu_);
  size_t ReadyCount() ABSL_LOCKS_EXCLUDED(ready_mu_);

  // Nesting (nesting.cc). Links this above `nested`, or ELOOP/EINVAL.
  Status LinkNested(Instance& nested);
  void UnlinkNested(Instance& nested);
  friend struct Nesting;

  Mutex mu_;
  absl::flat_hash_map<Key, Ref<Entry>> entries_ ABSL_GUARDED_BY(mu_);
  Mutex ready_mu_;  // leaf
  Entry* ready_head_ ABSL_GUARDED_BY(ready_mu_) = nullptr;
  Entry* ready_tail_ ABSL_GUARDED_BY(ready_mu_) = nullptr;
  size_t ready_count_ ABSL_GUARDED_BY(ready_mu_) = 0;
  WaitQueue wait_queue_;
  // Epolls that watch this one, and those that this one watches; one element per entry. Guarded by
  // the mutex in nesting.cc. The entries keep what is pointed to alive.
  std::vector<Instance*> above_, below_;
};

// Serialises additions of epolls to epolls; taken before any Instance::mu_.
Mutex& NestingMutex();

}  // namespace cvisor::fs::epoll

#endif  // CVISOR_PKG_SENTRY_FS_EPOLL_INSTANCE_H_
