// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// System V semaphores: semget(2), semop(2), semtimedop(2), semctl(2).

#include <sys/sem.h>

#include "pkg/sentry/kernel/ipc_namespace.h"
#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"
#include "pkg/sentry/syscalls/ipc_perm.h"

namespace cvisor::syscalls {
namespace {

constexpr int kSemStatAny = 20;
// What IPC_INFO reports besides the limits (linux/sem.h).
constexpr int kSemusz = 20;

semid_ds ToSemidDs(Task& t, const ipc::SemStatus& s) {
  semid_ds out = {};
  out.sem_perm = ToIpcPerm(t, s.perm, s.id);
  out.sem_otime = s.otime;
  out.sem_ctime = s.ctime;
  out.sem_nsems = s.count;
  return out;
}

Result<uint64_t> Info(Task& t, bool usage, UserAddr buffer) {
  ipc::Semaphores& sem = t.ipc().sem();
  const auto totals = sem.totals();
  const auto& limits = sem.limits();
  struct seminfo info = {};
  info.semmni = static_cast<int>(limits.ids.load());
  info.semmns = static_cast<int>(limits.total.load());
  info.semmsl = static_cast<int>(limits.per_set.load());
  info.semopm = static_cast<int>(limits.operations.load());
  info.semvmx = ipc::kMaxSemValue;
  info.semmnu = info.semmap = 1024000000;  // SEMMNS, whatever the limit is now
  info.semume = 500;                       // SEMOPM
  info.semusz = usage ? static_cast<int>(totals.sets) : kSemusz;
  info.semaem = usage ? static_cast<int>(totals.semaphores) : ipc::kMaxSemValue;
  RETURN_IF_ERROR(t.CopyOut(buffer, info));
  return static_cast<uint64_t>(totals.max_index);
}

// GETALL and SETALL.
Result<uint64_t> GetAll(Task& t, ipc::SemaphoreSet& set, UserAddr array) {
  ASSIGN_OR_RETURN(const std::vector<uint16_t> values, set.GetAll(*t.creds()));
  RETURN_IF_ERROR(t.mm().CopyOutBytes(array, values.data(), values.size() * sizeof(uint16_t)));
  return 0;
}

Result<uint64_t> SetAll(Task& t, ipc::SemaphoreSet& set, UserAddr array) {
  const CredsRef creds = t.creds();
  RETURN_IF_ERROR(set.CheckAccess(*creds, ipc::kMayWrite));
  std::vector<uint16_t> values(set.count());
  RETURN_IF_ERROR(t.mm().CopyInBytes(array, values.data(), values.size() * sizeof(uint16_t)));
  RETURN_IF_ERROR(set.SetAll(values, *creds));
  return 0;
}

Result<uint64_t> DoSemop(Task& t, int id, UserAddr ops_addr, uint64_t count, Deadline deadline) {
  if (count > t.ipc().sem().limits().operations.load()) return Errno::kE2BIG;
  if (count == 0 || id < 0) return Errno::kEINVAL;
  std::vector<sembuf> ops(count);
  RETURN_IF_ERROR(t.mm().CopyInBytes(ops_addr, ops.data(), count * sizeof(sembuf)));
  ASSIGN_OR_RETURN(const auto set, t.ipc().sem().Find(id));
  bool undo = false;
  for (const sembuf& op : ops) undo = undo || (op.sem_flg & SEM_UNDO) != 0;
  if (undo) t.SemUndo()->Note(set);

  ipc::SemaphoreCall call(std::move(ops), undo ? t.SemUndo().get() : nullptr);
  auto outcome = set->Start(call, *t.creds());
  if (!outcome) {
    kernel::TaskWaiter waiter(t, call.queue(), kEventIn);
    while (!(outcome = set->Outcome(call))) {
      const Status slept = t.Block(deadline);
      if (slept.ok()) continue;
      outcome = set->Cancel(call);
      // Never restarted: the wait would begin anew, and the timeout with it.
      if (!outcome) return slept.error() == Errno::kETIMEDOUT ? Errno::kEAGAIN : Errno::kEINTR;
      break;
    }
  }
  RETURN_IF_ERROR(*outcome);
  return 0;
}

}  // namespace

Result<uint64_t> Semget(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const int id,
                   t.ipc().sem().Get(a[0].As<key_t>(), a[1].As<int>(), a[2].As<int>(), *t.creds()));
  return static_cast<uint64_t>(id);
}

Result<uint64_t> Semop(Task& t, const SyscallArgs& a) {
  return DoSemop(t, a[0].As<int>(), a[1].raw, a[2].As<uint32_t>(), Deadline::Never());
}

Result<uint64_t> Semtimedop(Task& t, const SyscallArgs& a) {
  const uint64_t count = a[2].As<uint32_t>();
  timespec timeout = {};
  if (a[3].raw != 0) {
    ASSIGN_OR_RETURN(timeout, t.CopyIn<timespec>(a[3].raw));
    // Wrong numbers of operations come before wrong times.
    if (count > t.ipc().sem().limits().operations.load()) return Errno::kE2BIG;
    if (!kernel::ValidTimespec(timeout)) return Errno::kEINVAL;
  }
  const Deadline deadline =
      a[3].raw != 0 ? Deadline::After(kernel::TimespecToNs(timeout)) : Deadline::Never();
  return DoSemop(t, a[0].As<int>(), a[1].raw, count, deadline);
}

Result<uint64_t> Semctl(Task& t, const SyscallArgs& a) {
  const int id = a[0].As<int>();
  const int number = a[1].As<int>();
  const int command = a[2].As<int>();
  const UserAddr arg = a[3].raw;
  ipc::Semaphores& sem = t.ipc().sem();
  const CredsRef creds = t.creds();
  if (id < 0) return Errno::kEINVAL;
  switch (command) {
    case IPC_INFO:
    case SEM_INFO:
      return Info(t, command == SEM_INFO, arg);
    case IPC_STAT:
    case SEM_STAT:
    case kSemStatAny: {
      ASSIGN_OR_RETURN(const auto set, command == IPC_STAT ? sem.Find(id) : sem.FindIndex(id));
      if (command != kSemStatAny) RETURN_IF_ERROR(set->CheckAccess(*creds, ipc::kMayRead));
      const ipc::SemStatus s = set->status();
      RETURN_IF_ERROR(t.CopyOut(arg, ToSemidDs(t, s)));
      return command == IPC_STAT ? 0 : static_cast<uint64_t>(s.id);
    }
    case GETALL: {
      ASSIGN_OR_RETURN(const auto set, sem.Find(id));
      return GetAll(t, *set, arg);
    }
    case SETALL: {
      ASSIGN_OR_RETURN(const auto set, sem.Find(id));
      return SetAll(t, *set, arg);
    }
    case GETVAL:
    case GETPID:
    case GETNCNT:
    case GETZCNT: {
      ASSIGN_OR_RETURN(const auto set, sem.Find(id));
      const auto value = command == GETVAL ? set->GetValue(number, *creds)
                         : command == GETPID
                             ? set->GetPid(number, *creds)
                             : set->CountWaiting(number, command == GETZCNT, *creds);
      if (!value.ok()) return value.error();
      return static_cast<uint64_t>(*value);
    }
    case SETVAL: {
      const int value = a[3].As<int>();
      if (value < 0 || value > ipc::kMaxSemValue) return Errno::kERANGE;
      ASSIGN_OR_RETURN(const auto set, sem.Find(id));
      RETURN_IF_ERROR(set->SetValue(number, value, *creds));
      return 0;
    }
    case IPC_SET: {
      ASSIGN_OR_RETURN(const auto in, t.CopyIn<semid_ds>(arg));
      const ipc_perm& p = in.sem_perm;
      ASSIGN_OR_RETURN(const NewOwner owner, ParseNewOwner(t, p));
      ASSIGN_OR_RETURN(const auto set, sem.Find(id));
      RETURN_IF_ERROR(set->Change(*creds, owner.uid, owner.gid, p.mode));
      return 0;
    }
    case IPC_RMID:
      RETURN_IF_ERROR(sem.Remove(id, *creds));
      return 0;
    default:
      return Errno::kEINVAL;
  }
}

}  // namespace cvisor::syscalls
