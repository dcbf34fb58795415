// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// FileLocks: the advisory locks of one inode: fcntl(2) record locks of processes (POSIX) and of open
// file descriptions (OFD), and flock(2).
//
// Nothing here waits. A caller that may wait (F_SETLKW, flock without LOCK_NB) registers on
// wait_queue(), tries, and sleeps while it gets EAGAIN; for POSIX locks it calls BeginWait() after each
// EAGAIN, which finds deadlocks, and EndWait() when it stops waiting for whatever reason.
//
// Owners are opaque addresses: a POSIX lock's is the process's FdTable, an OFD or flock lock's the
// FileDescription. FdTable::Close and ~FileDescription release them. Lock order: leaf.

#ifndef CVISOR_PKG_SENTRY_VFS_LOCKS_H_
#define CVISOR_PKG_SENTRY_VFS_LOCKS_H_

#include <fcntl.h>
#include <sys/file.h>
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/base/result.h"
#include "pkg/sentry/waiter/waiter.h"

namespace cvisor::vfs {

inline constexpr uint64_t kLockEnd = INT64_MAX;  // "to the end of the file, however it grows"

// One record lock or a request for it: [start, last], both inclusive.
struct RecordLock {
  short type = F_UNLCK;  // F_RDLCK, F_WRLCK, F_UNLCK
  uint64_t start = 0;
  uint64_t last = kLockEnd;
  const void* owner = nullptr;
  bool ofd = false;
  pid_t pid = 0;  // for F_GETLK; -1 for OFD locks

  // struct flock's fields, relative to `base` (0, the position or the size, for l_whence). l_len 0: to
  // the end; negative: before the start. EINVAL, EOVERFLOW.
  static Result<RecordLock> FromFlock(short type, int64_t base, int64_t start, int64_t len);
  // struct flock's l_len.
  int64_t length() const {
    return last == kLockEnd ? 0 : static_cast<int64_t>(last - start + 1);
  }
};

class FileLocks {
 public:
  // F_SETLK, F_OFD_SETLK: sets, changes or (F_UNLCK) removes. EAGAIN if another owner conflicts.
  Status SetRecord(const RecordLock& lock);
  // F_GETLK: what stands in the way; none if the lock could be set.
  std::optional<RecordLock> FindConflict(const RecordLock& lock) const;

  // After SetRecord(lock) said EAGAIN for a POSIX lock: `lock.owner` is about to wait. EDEADLK if what
  // it waits for waits, over any number of files, for it. `token` names the waiter (the task).
  Status BeginWait(const RecordLock& lock, const void* token);
  static void EndWait(const void* token);

  // flock(2): LOCK_SH, LOCK_EX or LOCK_UN (LOCK_NB is the caller's). EAGAIN (= EWOULDBLOCK). A
  // conversion that fails has lost the old lock, as on Linux.
  Status Flock(const void* owner, int operation);

  // Everything that `owner` holds: record locks when a process closes any descriptor of the file; OFD
  // and flock locks when the description goes.
  void ReleaseOwner(const void* owner);

  // Notified (kEventIn) whenever a lock goes or is weakened.
  WaitQueue& wait_queue() { return queue_; }

  struct Listed {  // a line of /proc/locks
    bool flock;
    RecordLock lock;
  };
  std::vector<Listed> List() const;

 private:
  const RecordLock* ConflictLocked(const RecordLock& lock) const ABSL_SHARED_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_;
  // Ascending by start; those of one owner do not overlap.
  std::vector<RecordLock> records_ ABSL_GUARDED_BY(mu_);
  std::map<const void*, int> flocks_ ABSL_GUARDED_BY(mu_);  // owner -> LOCK_SH or LOCK_EX
  WaitQueue queue_;
};

}  // namespace cvisor::vfs

#endif  // CVISOR_PKG_SENTRY_VFS_LOCKS_H_
