// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// futex(2), futex_waitv(2), futex_wake(2) and its relatives, set_robust_list(2).

#include <linux/futex.h>
#include <time.h>

#include <vector>

#include "pkg/sentry/kernel/clocks.h"
#include "pkg/sentry/kernel/futex.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/syscalls/handlers.h"

// Newer than Debian 12's <linux/futex.h>.
#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

namespace cvisor::syscalls {
namespace {

using kernel::Deadline;

struct WaitArgs {
  UserAddr addr;
  bool private_futex;
  uint32_t value, bitset;
  Deadline deadline;
};

Result<uint64_t> WaitOrRestart(Task& t, const WaitArgs& w);

// With a timeout the wait goes on until the same moment, which the arguments of the call, being
// relative, do not say.
class FutexRestart : public kernel::RestartBlock {
 public:
  explicit FutexRestart(const WaitArgs& w) : wait_(w) {}
  Result<uint64_t> Restart(Task& t) override { return WaitOrRestart(t, wait_); }

 private:
  const WaitArgs wait_;
};

Result<uint64_t> WaitOrRestart(Task& t, const WaitArgs& w) {
  const Status s =
      t.kernel().futexes().Wait(t, w.addr, w.private_futex, w.value, w.bitset, w.deadline);
  if (s.ok()) return 0;
  if (s.error() != Errno::kERESTARTSYS || w.deadline.never()) return s.error();
  t.SetRestartBlock(MakeRef<FutexRestart>(w));
  return Errno::kERESTART_RESTARTBLOCK;
}

// The timeout of waiting operations: relative for FUTEX_WAIT, else a point on a clock.
Result<Deadline> CopyInDeadline(Task& t, UserAddr addr, bool relative, clockid_t clock) {
  if (addr == 0) return Deadline::Never();
  ASSIGN_OR_RETURN(const timespec ts, t.CopyIn<timespec>(addr));
  if (!kernel::ValidTimespec(ts)) return Errno::kEINVAL;
  const int64_t ns = kernel::TimespecToNs(ts);
  return relative ? Deadline::After(ns) : kernel::WallDeadline(clock, ns);
}

Result<uint64_t> ToReturnValue(Result<int> r) {
  if (!r.ok()) return r.error();
  return static_cast<uint64_t>(*r);
}

// Flags of the calls that came after futex(2). Only words of 32 bits exist.
bool ValidFlags2(uint32_t flags) {
  return (flags & ~uint32_t{FUTEX_32 | FUTEX_PRIVATE_FLAG}) == 0 && (flags & FUTEX_32) != 0;
}

Result<std::vector<kernel::FutexTable::VectorItem>> CopyInVector(Task& t, UserAddr addr,
                                                                 size_t count) {
  std::vector<futex_waitv> in(count);
  RETURN_IF_ERROR(t.mm().CopyInBytes(addr, in.data(), count * sizeof(futex_waitv)));
  std::vector<kernel::FutexTable::VectorItem> items;
  for (const futex_waitv& w : in) {
    if (!ValidFlags2(w.flags) || w.__reserved != 0 || w.val > UINT32_MAX) return Errno::kEINVAL;
    items.push_back({w.uaddr, static_cast<uint32_t>(w.val), (w.flags & FUTEX_PRIVATE_FLAG) != 0});
  }
  return items;
}

}  // namespace

Result<uint64_t> Futex(Task& t, const SyscallArgs& a) {
  kernel::FutexTable& table = t.kernel().futexes();
  const UserAddr addr = a[0].raw;
  const auto op = a[1].As<int>();
  const auto value = a[2].As<uint32_t>();
  const UserAddr addr2 = a[4].raw;
  const auto value3 = a[5].As<uint32_t>();
  const int command = op & FUTEX_CMD_MASK;
  const bool is_private = (op & FUTEX_PRIVATE_FLAG) != 0;
  const bool realtime = (op & FUTEX_CLOCK_REALTIME) != 0;
  if (realtime && command != FUTEX_WAIT && command != FUTEX_WAIT_BITSET &&
      command != FUTEX_WAIT_REQUEUE_PI && command != FUTEX_LOCK_PI2) {
    return Errno::kENOSYS;
  }
  const clockid_t clock = realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC;

  switch (command) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET: {
      const bool plain = command == FUTEX_WAIT;
      ASSIGN_OR_RETURN(const Deadline deadline, CopyInDeadline(t, a[3].raw, plain, clock));
      return WaitOrRestart(t, {addr, is_private, value,
                               plain ? uint32_t{FUTEX_BITSET_MATCH_ANY} : value3, deadline});
    }
    case FUTEX_WAKE:
    case FUTEX_WAKE_BITSET:
      return ToReturnValue(table.Wake(t, addr, is_private,
                                      command == FUTEX_WAKE ? FUTEX_BITSET_MATCH_ANY : value3,
                                      static_cast<int>(value)));
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
      // The fourth argument is a number here.
      return ToReturnValue(table.Requeue(t, addr, addr2, is_private, static_cast<int>(value),
                                         a[3].As<int>(),
                                         command == FUTEX_CMP_REQUEUE ? &value3 : nullptr));
    case FUTEX_WAKE_OP:
      return ToReturnValue(table.WakeOp(t, addr, addr2, is_private, static_cast<int>(value),
                                        a[3].As<int>(), value3));
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2: {
      // The older one has always meant CLOCK_REALTIME.
      ASSIGN_OR_RETURN(
          const Deadline deadline,
          CopyInDeadline(t, a[3].raw, false, command == FUTEX_LOCK_PI ? CLOCK_REALTIME : clock));
      RETURN_IF_ERROR(table.LockPi(t, addr, is_private, deadline, /*try_only=*/false));
      return 0;
    }
    case FUTEX_TRYLOCK_PI:
      RETURN_IF_ERROR(table.LockPi(t, addr, is_private, Deadline::Never(), /*try_only=*/true));
      return 0;
    case FUTEX_UNLOCK_PI:
      RETURN_IF_ERROR(table.UnlockPi(t, addr, is_private));
      return 0;
    default:
      // FUTEX_FD is gone from Linux too; WAIT_REQUEUE_PI and CMP_REQUEUE_PI need priority inheritance.
      return Errno::kENOSYS;
  }
}

Result<uint64_t> FutexWaitv(Task& t, const SyscallArgs& a) {
  const auto count = a[1].As<uint32_t>();
  const auto flags = a[2].As<uint32_t>();
  const auto clock = a[4].As<clockid_t>();
  if (flags != 0 || count == 0 || count > FUTEX_WAITV_MAX || a[0].raw == 0) return Errno::kEINVAL;
  Deadline deadline;
  if (a[3].raw != 0) {
    if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME) return Errno::kEINVAL;
    ASSIGN_OR_RETURN(deadline, CopyInDeadline(t, a[3].raw, /*relative=*/false, clock));
  }
  ASSIGN_OR_RETURN(const auto items, CopyInVector(t, a[0].raw, count));
  return ToReturnValue(t.kernel().futexes().WaitMultiple(t, items, deadline));
}

Result<uint64_t> FutexWake(Task& t, const SyscallArgs& a) {
  const auto mask = a[1].raw;
  const auto count = a[2].As<int>();
  const auto flags = a[3].As<uint32_t>();
  if (!ValidFlags2(flags) || mask == 0 || mask > UINT32_MAX) return Errno::kEINVAL;
  const bool is_private = (flags & FUTEX_PRIVATE_FLAG) != 0;
  if (count == 0) {  // unlike FUTEX_WAKE: none
    RETURN_IF_ERROR(t.mm().GetFutexKey(a[0].raw, is_private));
    return 0;
  }
  return ToReturnValue(t.kernel().futexes().Wake(t, a[0].raw, is_private,
                                                 static_cast<uint32_t>(mask), count));
}

Result<uint64_t> FutexWait(Task& t, const SyscallArgs& a) {
  const auto value = a[1].raw, mask = a[2].raw;
  const auto flags = a[3].As<uint32_t>();
  const auto clock = a[5].As<clockid_t>();
  if (!ValidFlags2(flags) || value > UINT32_MAX || mask > UINT32_MAX) return Errno::kEINVAL;
  Deadline deadline;
  if (a[4].raw != 0) {
    if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME) return Errno::kEINVAL;
    ASSIGN_OR_RETURN(deadline, CopyInDeadline(t, a[4].raw, /*relative=*/false, clock));
  }
  if (mask == 0) return Errno::kEINVAL;
  RETURN_IF_ERROR(t.kernel().futexes().Wait(t, a[0].raw, (flags & FUTEX_PRIVATE_FLAG) != 0,
                                            static_cast<uint32_t>(value),
                                            static_cast<uint32_t>(mask), deadline));
  return 0;
}

Result<uint64_t> FutexRequeue(Task& t, const SyscallArgs& a) {
  const auto wake = a[2].As<int>(), requeue = a[3].As<int>();
  if (a[1].As<uint32_t>() != 0 || a[0].raw == 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const auto items, CopyInVector(t, a[0].raw, 2));
  if (items[0].private_futex != items[1].private_futex) return Errno::kEINVAL;
  return ToReturnValue(t.kernel().futexes().Requeue(t, items[0].addr, items[1].addr,
                                                    items[0].private_futex, wake, requeue,
                                                    &items[0].expected));
}

Result<uint64_t> SetRobustList(Task& t, const SyscallArgs& a) {
  if (a[1].raw != sizeof(robust_list_head)) return Errno::kEINVAL;
  t.robust_list = a[0].raw;
  return 0;
}

Result<uint64_t> GetRobustList(Task& t, const SyscallArgs& a) {
  const auto tid = a[0].As<pid_t>();
  UserAddr list = t.robust_list;
  if (tid != 0) {
    MutexLock lock(t.kernel().task_mutex());
    const Task* target = t.pid_ns().FindTask(tid);
    if (target == nullptr) return Errno::kESRCH;
    // ptrace(2)'s rule for reading, between processes.
    if (&target->tg() != &t.tg()) {
      const CredsRef mine = t.creds(), theirs = target->creds();
      const bool same = mine->ruid == theirs->euid && mine->ruid == theirs->suid &&
                        mine->ruid == theirs->ruid && mine->rgid == theirs->egid &&
                        mine->rgid == theirs->sgid && mine->rgid == theirs->rgid;
      if ((!same || !mine->CapsCover(*theirs)) && !mine->HasCapIn(*theirs->user_ns, CAP_SYS_PTRACE))
        return Errno::kEPERM;
    }
    list = target->robust_list;
  }
  RETURN_IF_ERROR(t.CopyOut<uint64_t>(a[2].raw, sizeof(robust_list_head)));
  RETURN_IF_ERROR(t.CopyOut<uint64_t>(a[1].raw, list));
  return 0;
}

}  // namespace cvisor::syscalls
