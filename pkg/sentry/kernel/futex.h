// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// FutexTable: futex(2). Keys come from mm::MemoryManager::GetFutexKey. Buckets have a lock each; a
// requeue locks two in address order.

#ifndef CVISOR_PKG_SENTRY_KERNEL_FUTEX_H_
#define CVISOR_PKG_SENTRY_KERNEL_FUTEX_H_

#include <cstdint>
#include <memory>
#include <span>

#include "pkg/base/result.h"
#include "pkg/sentry/kernel/blocker.h"
#include "pkg/sentry/mm/memory_manager.h"

namespace cvisor::kernel {

class Task;

class FutexTable {
 public:
  FutexTable();
  ~FutexTable();

  // FUTEX_WAIT(_BITSET). EAGAIN if the word is not `expected`; ETIMEDOUT; ERESTARTSYS on a signal.
  Status Wait(Task& t, mm::UserAddr addr, bool private_futex, uint32_t expected, uint32_t bitset,
              Deadline deadline);
  // futex_waitv(2): waits on all of them, of which there is at least one. Returns the index of one that
  // was woken.
  struct VectorItem {
    mm::UserAddr addr = 0;
    uint32_t expected = 0;
    bool private_futex = false;
  };
  Result<int> WaitMultiple(Task& t, std::span<const VectorItem> items, Deadline deadline);
  // Returns how many were woken.
  Result<int> Wake(Task& t, mm::UserAddr addr, bool private_futex, uint32_t bitset, int count);
  // FUTEX_(CMP_)REQUEUE: wakes `wake`, moves up to `requeue` waiters. compare: null for REQUEUE.
  Result<int> Requeue(Task& t, mm::UserAddr from, mm::UserAddr to, bool private_futex, int wake,
                      int requeue, const uint32_t* compare);
  Result<int> WakeOp(Task& t, mm::UserAddr a, mm::UserAddr b, bool private_futex, int wake_a,
                     int wake_b, uint32_t op);
  // FUTEX_LOCK_PI, TRYLOCK_PI, UNLOCK_PI.
  Status LockPi(Task& t, mm::UserAddr addr, bool private_futex, Deadline deadline, bool try_only);
  Status UnlockPi(Task& t, mm::UserAddr addr, bool private_futex);
  // A dying task's robust list entry at `addr` (robust_futex): sets FUTEX_OWNER_DIED and wakes one.
  void OwnerDied(Task& t, mm::UserAddr addr, bool pi);
  // A task ends, its robust list is done: who still waits for PI locks that it held gets them, with
  // FUTEX_OWNER_DIED. Costs nothing while nobody waits for a PI lock.
  void TaskExiting(Task& t);

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_FUTEX_H_
