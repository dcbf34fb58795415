// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// System V shared memory: shmget(2), shmat(2), shmdt(2), shmctl(2).

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>

#include "absl/strings/str_format.h"
#include "pkg/sentry/kernel/ipc_namespace.h"
#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/ipc_perm.h"

namespace cvisor::syscalls {
namespace {

// glibc hides them behind __USE_MISC or lacks them.
constexpr int kShmStatAny = 15;

shmid_ds ToShmidDs(Task& t, const ipc::ShmStatus& s) {
  shmid_ds out = {};
  out.shm_perm = ToIpcPerm(t, s.perm, s.id);
  out.shm_segsz = s.size;
  out.shm_atime = s.atime;
  out.shm_dtime = s.dtime;
  out.shm_ctime = s.ctime;
  out.shm_cpid = ipc::NumberHere(s.cpid);
  out.shm_lpid = ipc::NumberHere(s.lpid);
  out.shm_nattch = s.attached;
  return out;
}

Result<uint64_t> Info(Task& t, UserAddr buffer) {
  ipc::SharedMemory& shm = t.ipc().shm();
  struct shminfo info = {};
  info.shmmax = shm.limits().max.load();
  info.shmmin = 1;
  info.shmmni = shm.limits().ids.load();
  info.shmseg = info.shmmni;
  info.shmall = shm.limits().all.load();
  RETURN_IF_ERROR(t.CopyOut(buffer, info));
  return static_cast<uint64_t>(shm.totals().max_index);
}

Result<uint64_t> Usage(Task& t, UserAddr buffer) {
  const auto totals = t.ipc().shm().totals();
  struct shm_info info = {};
  info.used_ids = static_cast<int>(totals.segments);
  info.shm_tot = totals.pages;
  info.shm_rss = totals.resident_pages;
  RETURN_IF_ERROR(t.CopyOut(buffer, info));
  return static_cast<uint64_t>(totals.max_index);
}

}  // namespace

Result<uint64_t> Shmget(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const int id, t.ipc().shm().Get(a[0].As<key_t>(), a[1].As<uint64_t>(),
                                                   a[2].As<int>(), *t.creds()));
  return static_cast<uint64_t>(id);
}

Result<uint64_t> Shmat(Task& t, const SyscallArgs& a) {
  const int id = a[0].As<int>();
  UserAddr addr = a[1].As<UserAddr>();
  const int flags = a[2].As<int>();
  if (id < 0) return Errno::kEINVAL;
  if ((addr & mm::kPageMask) != 0) {
    if ((flags & SHM_RND) == 0) return Errno::kEINVAL;
    addr &= ~mm::kPageMask;
  }
  if (addr == 0 && (flags & SHM_REMAP) != 0) return Errno::kEINVAL;

  mm::MmapOptions opts;
  opts.addr = addr;
  opts.flags = MAP_SHARED;
  if (addr != 0) opts.flags |= (flags & SHM_REMAP) != 0 ? MAP_FIXED : MAP_FIXED_NOREPLACE;
  opts.prot = PROT_READ;
  int wanted = ipc::kMayRead;
  if ((flags & SHM_RDONLY) == 0) {
    opts.prot |= PROT_WRITE;
    wanted |= ipc::kMayWrite;
  } else {
    opts.max_prot &= ~PROT_WRITE;
  }
  if ((flags & SHM_EXEC) != 0) {
    opts.prot |= PROT_EXEC;
    wanted |= ipc::kMayExec;
  }
  ASSIGN_OR_RETURN(auto attachment, t.ipc().shm().Attach(id, wanted, *t.creds()));
  opts.length = attachment->segment().size();
  opts.mappable = attachment->segment().pages();
  opts.name = absl::StrFormat("/SYSV%08x (deleted)",
                              static_cast<uint32_t>(attachment->segment().creation_key()));
  opts.attachment = attachment;
  const auto at = t.mm().Mmap(t.mm_caller(), std::move(opts));
  if (!at.ok()) return at.error() == Errno::kEEXIST ? Errno::kEINVAL : at.error();
  attachment->Established();
  return *at;
}

Result<uint64_t> Shmdt(Task& t, const SyscallArgs& a) {
  RETURN_IF_ERROR(t.mm().Detach(t.mm_caller(), a[0].As<UserAddr>()));
  return 0;
}

Result<uint64_t> Shmctl(Task& t, const SyscallArgs& a) {
  const int id = a[0].As<int>();
  const int command = a[1].As<int>();
  const UserAddr buffer = a[2].As<UserAddr>();
  ipc::SharedMemory& shm = t.ipc().shm();
  const CredsRef creds = t.creds();
  if (id < 0 || command < 0) return Errno::kEINVAL;
  switch (command) {
    case IPC_INFO:
      return Info(t, buffer);
    case SHM_INFO:
      return Usage(t, buffer);
    case IPC_STAT: {
      ASSIGN_OR_RETURN(const ipc::ShmStatus s, shm.Stat(id, *creds));
      RETURN_IF_ERROR(t.CopyOut(buffer, ToShmidDs(t, s)));
      return 0;
    }
    case SHM_STAT:
    case kShmStatAny: {
      ASSIGN_OR_RETURN(const ipc::ShmStatus s,
                       shm.StatIndex(id, command == SHM_STAT ? creds.get() : nullptr));
      RETURN_IF_ERROR(t.CopyOut(buffer, ToShmidDs(t, s)));
      return static_cast<uint64_t>(s.id);
    }
    case IPC_SET: {
      ASSIGN_OR_RETURN(const auto in, t.CopyIn<shmid_ds>(buffer));
      const ipc_perm& p = in.shm_perm;
      ASSIGN_OR_RETURN(const NewOwner owner, ParseNewOwner(t, p));
      RETURN_IF_ERROR(shm.Set(id, *creds, owner.uid, owner.gid, p.mode));
      return 0;
    }
    case IPC_RMID:
      RETURN_IF_ERROR(shm.Remove(id, *creds));
      return 0;
    case SHM_LOCK:
    case SHM_UNLOCK:
      RETURN_IF_ERROR(shm.Lock(id, *creds, command == SHM_LOCK, t.Rlimit(RLIMIT_MEMLOCK)));
      return 0;
    default:
      return Errno::kEINVAL;
  }
}

}  // namespace cvisor::syscalls
