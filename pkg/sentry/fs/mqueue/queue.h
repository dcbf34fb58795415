// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// A POSIX message queue (mq_overview(7)): an inode of the mqueue file system, and the descriptions
// that open it.
//
// Locking: Queue::mu_ guards the messages and the notification; under it only wait queues. Signals
// are sent without it.

#ifndef CVISOR_PKG_SENTRY_FS_MQUEUE_QUEUE_H_
#define CVISOR_PKG_SENTRY_FS_MQUEUE_QUEUE_H_

#include <mqueue.h>
#include <signal.h>

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/vfs/synthetic.h"
#include "pkg/sentry/waiter/waiter.h"

namespace cvisor::fs::mqueue {

inline constexpr uint32_t kPriorityMax = 32768;  // MQ_PRIO_MAX

// What all queues of a namespace have in common: how many there are, and how many bytes those of
// each user may hold (RLIMIT_MSGQUEUE).
class Accounting : public RefCounted {
 public:
  // ENOSPC: too many queues. EMFILE: too many bytes of this user.
  Status Charge(uid_t user, uint64_t bytes, uint64_t byte_limit, uint64_t queue_limit);
  void Uncharge(uid_t user, uint64_t bytes);

 private:
  Mutex mu_;
  uint64_t queues_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<uid_t, uint64_t> bytes_ ABSL_GUARDED_BY(mu_);
};

class Queue : public vfs::SyntheticInode {
 public:
  // Charged already.
  Queue(vfs::SyntheticFileSystem& fs, const vfs::NewInode& how, uint64_t max_messages,
        uint64_t max_size, Ref<Accounting> accounting, uint64_t charged);
  ~Queue() override;

  uint64_t size() const override { return 80; }  // of what read(2) returns; as Linux has it
  uint64_t nlink() const override { return unlinked_.load() ? 0 : 1; }
  void SetUnlinked() { unlinked_.store(true); }
  Result<Ref<vfs::FileDescription>> Open(const vfs::Path& path, int flags,
                                         const Credentials& creds) override;

  uint64_t max_messages() const { return max_messages_; }
  uint64_t max_size() const { return max_size_; }
  uint64_t current_messages() const;

  // EAGAIN if full: wait for kEventOut. Takes the text on success only. `task`: the sender.
  Status Send(kernel::Task& task, std::vector<std::byte>& text, uint32_t priority);
  struct Message {
    std::vector<std::byte> text;
    uint32_t priority = 0;
  };
  // The oldest of the highest priority. EAGAIN if empty: wait for kEventIn.
  Result<Message> Receive();
  // From construction to destruction somebody waits for a message: it is not announced by a signal.
  class Waiting {
   public:
    explicit Waiting(Queue& queue) : queue_(queue) { queue_.AddReceiver(1); }
    ~Waiting() { queue_.AddReceiver(-1); }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

   private:
    Queue& queue_;
  };

  // Where SIGEV_THREAD is told: the C library's socket. With the cookie that it gave, whose last
  // byte says what has happened.
  class CookieSink : public RefCounted {
   public:
    static constexpr size_t kCookieSize = 32;  // NOTIFY_COOKIE_LEN
    virtual void Send(std::string cookie) = 0;
  };

  // mq_notify(2). EBUSY if somebody is registered. `sink` and `cookie` for SIGEV_THREAD only.
  Status SetNotification(kernel::ThreadGroup& owner, const sigevent& event,
                         Ref<CookieSink> sink = nullptr, std::string cookie = "");
  // Takes the owner's registration away, if it is its.
  void ClearNotification(const kernel::ThreadGroup& owner);

  std::string Describe() const;  // read(2)
  EventMask Readiness() const;
  WaitQueue& wait_queue() { return wait_queue_; }

 private:
  struct Notification {
    Ref<kernel::ThreadGroup> owner;
    int notify = SIGEV_NONE;
    int signo = 0;
    sigval value{};
    Ref<CookieSink> sink;
    std::string cookie;

    void TellThread(char what);
  };
  void AddReceiver(int n) {
    MutexLock lock(mu_);
    receivers_ += n;
  }

  const uint64_t max_messages_, max_size_;
  const Ref<Accounting> accounting_;
  const uid_t charged_user_;
  const uint64_t charged_bytes_;
  std::atomic<bool> unlinked_{false};

  mutable Mutex mu_;
  // By priority, the highest first.
  std::map<uint32_t, std::deque<std::vector<std::byte>>, std::greater<>> messages_
      ABSL_GUARDED_BY(mu_);
  uint64_t count_ ABSL_GUARDED_BY(mu_) = 0, bytes_ ABSL_GUARDED_BY(mu_) = 0;
  int receivers_ ABSL_GUARDED_BY(mu_) = 0;
  std::optional<Notification> notification_ ABSL_GUARDED_BY(mu_);
  WaitQueue wait_queue_;
};

class QueueFile : public vfs::FileDescription {
 public:
  QueueFile(Ref<Queue> queue, const vfs::Path& path, int flags);
  Queue& queue() { return *queue_; }

  bool seekable() const override { return true; }
  Result<size_t> Pread(IoSink& dst, uint64_t offset, vfs::IoFlags flags) override;
  Result<int64_t> Seek(int64_t offset, int whence) override;
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override { return &queue_->wait_queue(); }
  Status OnClose() override;

 private:
  const Ref<Queue> queue_;
};

}  // namespace cvisor::fs::mqueue

#endif  // CVISOR_PKG_SENTRY_FS_MQUEUE_QUEUE_H_
