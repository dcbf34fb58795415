// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// System V semaphores (semget(2), semop(2), semctl(2)).
//
// A call that has to wait stands in its set's queue. Whoever changes the set carries out the
// waiting calls that can go on, in their order, and tells their threads the outcome: a woken thread
// does not compete for the semaphore again (Linux: ipc/sem.c does the same).
//
// Locking: Semaphores::mu_ (the table), UndoList::mu_, then SemaphoreSet::mu_; under that only wait
// queues.

#ifndef CVISOR_PKG_SENTRY_IPC_SEMAPHORE_H_
#define CVISOR_PKG_SENTRY_IPC_SEMAPHORE_H_

#include <sys/sem.h>

#include <atomic>
#include <list>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/sentry/ipc/id_table.h"
#include "pkg/sentry/ipc/object.h"
#include "pkg/sentry/waiter/waiter.h"

namespace cvisor::ipc {

inline constexpr int kMaxSemValue = 32767;  // SEMVMX, and SEMAEM for adjustments

class SemaphoreSet;

// What SEM_UNDO operations of a process have to be taken back when it ends. Shared by tasks that
// are cloned with CLONE_SYSVSEM; the end of the last one runs the destructor, which does it. The
// adjustments themselves are kept in the sets.
class UndoList : public RefCounted {
 public:
  ~UndoList() override;
  // The list has adjustments in `set`, or will have.
  void Note(Ref<SemaphoreSet> set);

 private:
  Mutex mu_;
  std::vector<Ref<SemaphoreSet>> sets_ ABSL_GUARDED_BY(mu_);
  size_t prune_at_ ABSL_GUARDED_BY(mu_) = 16;
};

// A semop(2) call. Lives as long as the call.
class SemaphoreCall {
 public:
  SemaphoreCall(std::vector<sembuf> ops, UndoList* undo)
      : ops_(std::move(ops)), undo_(undo), process_(CurrentProcess()) {}
  SemaphoreCall(const SemaphoreCall&) = delete;
  SemaphoreCall& operator=(const SemaphoreCall&) = delete;

  bool alters() const;
  // Told when the call has its outcome.
  WaitQueue& queue() { return queue_; }

 private:
  friend class SemaphoreSet;
  const std::vector<sembuf> ops_;
  UndoList* const undo_;  // null without SEM_UNDO
  const ProcessRef process_;
  WaitQueue queue_;
  // The set's mu_:
  size_t blocking_ = 0;  // the operation that cannot go on
  std::optional<Status> outcome_;
};

struct SemStatus {
  int id = 0;
  Permissions perm;
  int64_t otime = 0, ctime = 0;
  uint64_t count = 0;
};

class SemaphoreSet : public Object {
 public:
  SemaphoreSet(size_t count, const Permissions& perm);

  size_t count() const { return count_; }
  bool removed() const;

  // semop(2): the outcome, or none if the call has to wait: then it stands in the queue until
  // Outcome() has one or Cancel() takes it out. EFBIG, EACCES, EIDRM, EAGAIN (IPC_NOWAIT), ERANGE.
  std::optional<Status> Start(SemaphoreCall& call, const Credentials& creds);
  std::optional<Status> Outcome(const SemaphoreCall& call) const;
  // The outcome if there is one after all.
  std::optional<Status> Cancel(SemaphoreCall& call);

  // semctl(2). EIDRM, EACCES; EINVAL for wrong numbers of semaphores.
  Result<int> GetValue(int number, const Credentials& creds) const;
  Result<int> GetPid(int number, const Credentials& creds) const;
  // How many calls wait for the semaphore to grow, or to become zero.
  Result<int> CountWaiting(int number, bool for_zero, const Credentials& creds) const;
  Result<std::vector<uint16_t>> GetAll(const Credentials& creds) const;
  Status CheckAccess(const Credentials& creds, int wanted) const;
  Status SetValue(int number, int value, const Credentials& creds);
  Status SetAll(std::span<const uint16_t> values, const Credentials& creds);
  Status Change(const Credentials& creds, uid_t uid, gid_t gid, uint32_t mode);
  SemStatus status() const;
  key_t key() const;
  // Everybody who waits gets EIDRM.
  Status MarkRemoved(const Credentials& creds);

  // Takes back what `list` has to: its owners are gone.
  void ApplyUndo(const UndoList* list);

 private:
  struct Semaphore {
    int value = 0;
    ProcessRef process;  // the last that changed it
  };

  // Carries the call out. None if it would have to wait.
  std::optional<Status> Try(SemaphoreCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Something has changed: serves the queue.
  void Update() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool ServeQueue(bool altering) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Status CheckLocked(const Credentials& creds, int wanted) const ABSL_SHARED_LOCKS_REQUIRED(mu_);

  const size_t count_;
  mutable Mutex mu_;
  Permissions perm_ ABSL_GUARDED_BY(mu_);
  bool removed_ ABSL_GUARDED_BY(mu_) = false;
  int64_t otime_ ABSL_GUARDED_BY(mu_) = 0, ctime_ ABSL_GUARDED_BY(mu_);
  std::vector<Semaphore> semaphores_ ABSL_GUARDED_BY(mu_);
  std::list<SemaphoreCall*> pending_ ABSL_GUARDED_BY(mu_);  // in order of arrival
  // Adjustments by list and semaphore.
  std::unordered_map<const UndoList*, std::vector<int16_t>> undo_ ABSL_GUARDED_BY(mu_);
};

// The semaphore sets of an IPC namespace.
class Semaphores : public RefCounted {
 public:
  // `user_ns` owns the namespace.
  explicit Semaphores(Ref<UserNamespace> user_ns = UserNamespace::Root())
      : user_ns_(std::move(user_ns)) {}

  // /proc/sys/kernel/sem, in its order.
  struct Limits {
    std::atomic<uint64_t> per_set{32000};     // SEMMSL
    std::atomic<uint64_t> total{1024000000};  // SEMMNS
    std::atomic<uint64_t> operations{500};    // SEMOPM
    std::atomic<uint64_t> ids{32000};         // SEMMNI
  };
  Limits& limits() { return limits_; }

  // semget(2).
  Result<int> Get(key_t key, int count, int flags, const Credentials& creds);
  Result<Ref<SemaphoreSet>> Find(int id);          // EINVAL
  Result<Ref<SemaphoreSet>> FindIndex(int index);  // EINVAL
  Status Remove(int id, const Credentials& creds);

  struct Totals {
    int max_index = 0;
    size_t sets = 0;
    uint64_t semaphores = 0;
  };
  Totals totals();
  std::vector<SemStatus> All();

 private:
  const Ref<UserNamespace> user_ns_;
  Limits limits_;
  Mutex mu_;
  IdTable<SemaphoreSet> table_ ABSL_GUARDED_BY(mu_);
  uint64_t used_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace cvisor::ipc

#endif  // CVISOR_PKG_SENTRY_IPC_SEMAPHORE_H_
