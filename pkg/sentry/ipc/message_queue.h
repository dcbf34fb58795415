// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// System V message queues (msgget(2), msgop(2), msgctl(2)).
//
// Locking: MessageQueues::mu_ (the table), then MessageQueue::mu_; under that only wait queues.

#ifndef CVISOR_PKG_SENTRY_IPC_MESSAGE_QUEUE_H_
#define CVISOR_PKG_SENTRY_IPC_MESSAGE_QUEUE_H_

#include <atomic>
#include <cstddef>
#include <list>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/sentry/ipc/id_table.h"
#include "pkg/sentry/ipc/object.h"
#include "pkg/sentry/waiter/waiter.h"

namespace cvisor::ipc {

struct Message {
  int64_t type = 0;
  std::vector<std::byte> text;
};

struct MsgStatus {
  int id = 0;
  Permissions perm;
  int64_t stime = 0, rtime = 0, ctime = 0;
  uint64_t bytes = 0, messages = 0, max_bytes = 0;
  ProcessRef lspid, lrpid;
};

class MessageQueue : public Object {
 public:
  MessageQueue(const Permissions& perm, uint64_t max_bytes);

  // EAGAIN if there is no room: wait for kEventOut. EACCES, EIDRM. Takes the message on success
  // only.
  Status Send(Message& message, const Credentials& creds);
  // Which message: the meanings of msgrcv(2)'s msgtyp and its flags.
  struct Selection {
    enum class Rule { kAny, kType, kNotType, kLowestUpTo, kCopyAt } rule = Rule::kAny;
    int64_t value = 0;  // a type, or for kCopyAt a position
    uint64_t max_size = 0;
    bool truncate = false;  // MSG_NOERROR
  };
  // EAGAIN if there is none: wait for kEventIn. E2BIG, EACCES, EIDRM.
  Result<Message> Receive(const Selection& selection, const Credentials& creds);
  WaitQueue& queue() { return queue_; }

  Status CheckAccess(const Credentials& creds, int wanted) const;
  MsgStatus status() const;
  key_t key() const;
  // IPC_SET. `limit` is msgmnb, above which only CAP_SYS_RESOURCE goes.
  Status Change(const Credentials& creds, uid_t uid, gid_t gid, uint32_t mode, uint64_t max_bytes,
                uint64_t limit);
  // Everybody who waits gets EIDRM.
  Status MarkRemoved(const Credentials& creds);

 private:
  using List = std::list<Message>;
  List::iterator FindLocked(const Selection& selection) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Status CheckLocked(const Credentials& creds, int wanted) const ABSL_SHARED_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_;
  MsgStatus status_ ABSL_GUARDED_BY(mu_);
  bool removed_ ABSL_GUARDED_BY(mu_) = false;
  List messages_ ABSL_GUARDED_BY(mu_);
  WaitQueue queue_;
};

// The message queues of an IPC namespace.
class MessageQueues : public RefCounted {
 public:
  // `user_ns` owns the namespace.
  explicit MessageQueues(Ref<UserNamespace> user_ns = UserNamespace::Root())
      : user_ns_(std::move(user_ns)) {}

  // /proc/sys/kernel/msgmax, msgmnb, msgmni.
  struct Limits {
    std::atomic<uint64_t> message{8192};
    std::atomic<uint64_t> queue{16384};
    std::atomic<uint64_t> ids{32000};
  };
  Limits& limits() { return limits_; }

  // msgget(2).
  Result<int> Get(key_t key, int flags, const Credentials& creds);
  Result<Ref<MessageQueue>> Find(int id);          // EINVAL
  Result<Ref<MessageQueue>> FindIndex(int index);  // EINVAL
  Status Remove(int id, const Credentials& creds);

  int max_index();
  std::vector<MsgStatus> All();

 private:
  const Ref<UserNamespace> user_ns_;
  Limits limits_;
  Mutex mu_;
  IdTable<MessageQueue> table_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cvisor::ipc

#endif  // CVISOR_PKG_SENTRY_IPC_MESSAGE_QUEUE_H_
