// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2), process_madvise(2).

#include <linux/capability.h>
#include <signal.h>
#include <sys/mman.h>

#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/pidfd.h"
#include "pkg/sentry/kernel/trace.h"
#include "pkg/sentry/syscalls/handlers.h"

namespace cvisor::syscalls {
namespace {

Result<Ref<kernel::PidFd>> GetPidFd(Task& t, int fd) {
  ASSIGN_OR_RETURN(auto file, t.GetFile(fd));
  auto pidfd = RefCast<kernel::PidFd>(file);
  if (pidfd == nullptr) return Errno::kEBADF;
  return pidfd;
}

// A pidfd's process, or that of a descriptor of /proc/PID.
Result<Ref<kernel::ThreadGroup>> GetProcess(Task& t, int fd) {
  ASSIGN_OR_RETURN(auto file, t.GetFile(fd));
  if (auto pidfd = RefCast<kernel::PidFd>(file); pidfd != nullptr) return pidfd->tg();
  if (auto* inode = dynamic_cast<kernel::ProcessInode*>(&file->inode()); inode != nullptr) {
    if (auto tg = inode->Process(); tg != nullptr) return tg;
  }
  return Errno::kEBADF;
}

// The leader of a live process; ESRCH when it is gone.
Result<Ref<Task>> LeaderOf(kernel::ThreadGroup& tg) {
  MutexLock lock(tg.kernel().task_mutex());
  if (tg.is_reaped() || tg.leader() == nullptr) return Errno::kESRCH;
  return Ref<Task>(tg.leader());
}

}  // namespace

Result<uint64_t> PidfdOpen(Task& t, const SyscallArgs& a) {
  const auto pid = a[0].As<pid_t>();
  const auto flags = a[1].As<uint32_t>();
  if ((flags & ~uint32_t{O_NONBLOCK}) != 0 || pid <= 0) return Errno::kEINVAL;
  Ref<kernel::ThreadGroup> tg;
  {
    MutexLock lock(t.kernel().task_mutex());
    Task* target = t.pid_ns().FindTask(pid);
    if (target == nullptr) return Errno::kESRCH;
    if (!target->is_leader()) return Errno::kENOENT;
    tg = Ref<kernel::ThreadGroup>(&target->tg());
  }
  ASSIGN_OR_RETURN(const int fd,
                   t.InstallFd(kernel::NewPidFd(tg, (flags & O_NONBLOCK) != 0), /*cloexec=*/true));
  return static_cast<uint64_t>(fd);
}

Result<uint64_t> PidfdSendSignal(Task& t, const SyscallArgs& a) {
  const int sig = a[1].As<int>();
  if (a[3].raw != 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(auto tg, GetProcess(t, a[0].As<int>()));
  ASSIGN_OR_RETURN(auto leader, LeaderOf(*tg));
  if (sig != 0 && !kernel::ValidSignal(sig)) return Errno::kEINVAL;
  siginfo_t info = kernel::MakeKillInfo(sig, SI_USER, t.tg().id(), t.creds()->ruid);
  if (a[2].raw != 0) {
    ASSIGN_OR_RETURN(info, t.CopyIn<siginfo_t>(a[2].raw));
    if (info.si_signo != sig) return Errno::kEINVAL;
    // Only to itself may a process pretend that the kernel or kill(2) speaks.
    if (&leader->tg() != &t.tg() && (info.si_code >= 0 || info.si_code == SI_TKILL)) {
      return Errno::kEPERM;
    }
  }
  {
    MutexLock lock(t.kernel().task_mutex());
    if (!kernel::Kernel::MaySignal(t, *leader, sig)) return Errno::kEPERM;
  }
  if (sig != 0) RETURN_IF_ERROR(leader->tg().SendSignal(info));
  return 0;
}

Result<uint64_t> PidfdGetfd(Task& t, const SyscallArgs& a) {
  if (a[2].raw != 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(auto pidfd, GetPidFd(t, a[0].As<int>()));
  ASSIGN_OR_RETURN(auto leader, LeaderOf(*pidfd->tg()));
  // ptrace(2)'s rule: the same ids, or the capability.
  const CredsRef mine = t.creds(), theirs = leader->creds();
  const bool same = mine->fsuid == theirs->euid && mine->fsuid == theirs->ruid &&
                    mine->fsuid == theirs->suid && mine->fsgid == theirs->egid &&
                    mine->fsgid == theirs->rgid && mine->fsgid == theirs->sgid;
  if ((!same || !mine->CapsCover(*theirs)) && !mine->HasCapIn(*theirs->user_ns, CAP_SYS_PTRACE))
    return Errno::kEPERM;
  const auto table = leader->FdTableRef();
  if (table == nullptr) return Errno::kESRCH;
  ASSIGN_OR_RETURN(auto file, table->GetAny(a[1].As<int>()));
  ASSIGN_OR_RETURN(const int fd, t.InstallFd(std::move(file), /*cloexec=*/true));
  return static_cast<uint64_t>(fd);
}

namespace {

// Advice about another process's memory changes nothing that it sees, and the host may ignore it. So
// it is checked, and left at that: pages are in a stub process that this thread does not run in.
Status CheckRemoteAdvice(const mm::MemoryManager& mm, UserAddr addr, uint64_t length, int advice) {
  if (addr % mm::kPageSize != 0) return Errno::kEINVAL;
  const UserAddr end = addr + mm::PageCeil(length);
  if (end < addr || (length != 0 && end == addr)) return Errno::kEINVAL;
  UserAddr at = addr;
  for (const mm::Vma& vma : mm.Vmas(addr, end)) {
    if (vma.start > at) return Errno::kENOMEM;
    if (vma.locked && advice != MADV_WILLNEED) return Errno::kEINVAL;
    at = vma.end;
  }
  return at < end ? Status(Errno::kENOMEM) : OkStatus();
}

}  // namespace

Result<uint64_t> ProcessMadvise(Task& t, const SyscallArgs& a) {
  const int advice = a[3].As<int>();
  if (a[4].As<uint32_t>() != 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const auto ranges, t.mm().CopyInIovecs(a[1].raw, a[2].raw));
  ASSIGN_OR_RETURN(auto pidfd, GetPidFd(t, a[0].As<int>()));
  ASSIGN_OR_RETURN(auto leader, LeaderOf(*pidfd->tg()));
  const Ref<mm::MemoryManager> mm = leader->MmRef();
  if (mm == nullptr) return Errno::kESRCH;
  const bool own = mm.get() == &t.mm();
  if (!own) {
    if (!kernel::Tracing::MayAccess(t, *leader, /*fs_ids=*/true)) return Errno::kEACCES;
    if (advice != MADV_COLD && advice != MADV_PAGEOUT && advice != MADV_WILLNEED) {
      return Errno::kEINVAL;
    }
    if (!t.HasCap(CAP_SYS_NICE)) return Errno::kEPERM;
  }
  uint64_t done = 0;
  for (const iovec& range : ranges) {
    const auto addr = reinterpret_cast<UserAddr>(range.iov_base);
    const Status status = own ? t.mm().Madvise(t.mm_caller(), addr, range.iov_len, advice)
                              : CheckRemoteAdvice(*mm, addr, range.iov_len, advice);
    if (!status.ok()) return done != 0 ? Result<uint64_t>(done) : status.error();
    done += range.iov_len;
  }
  return done;
}

}  // namespace cvisor::syscalls
