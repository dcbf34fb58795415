// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// fcntl(2) and flock(2).

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>

#include <climits>
#include <optional>

#include "absl/cleanup/cleanup.h"
#include "pkg/sentry/fs/pipe/splice.h"
#include "pkg/sentry/fs/tmpfs/memfd.h"
#include "pkg/sentry/kernel/async_io.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/pid_namespace.h"
#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"
#include "pkg/sentry/vfs/locks.h"
#include "pkg/sentry/vfs/permission.h"

namespace cvisor::syscalls {
namespace {

#ifndef F_DUPFD_QUERY
constexpr int F_DUPFD_QUERY = 1027;
#endif
constexpr uint64_t kSealExec = 0x20;  // F_SEAL_EXEC

Result<uint64_t> DupFd(Task& t, Ref<FileDescription> file, uint64_t min_fd, bool cloexec) {
  const uint64_t limit = t.Rlimit(RLIMIT_NOFILE);
  if (min_fd >= limit || min_fd > INT_MAX) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const int fd, t.fds().Install(std::move(file), cloexec, limit,
                                                 static_cast<int>(min_fd)));
  return static_cast<uint64_t>(fd);
}

Result<uint64_t> SetFlags(Task& t, int fd, const Ref<FileDescription>& file, int flags) {
  const int old = file->flags();
  if ((flags & O_NOATIME) && !(old & O_NOATIME)) {
    ASSIGN_OR_RETURN(const vfs::Attr attr, file->GetAttr());
    if (!vfs::OwnsInode(attr, *t.creds())) return Errno::kEPERM;
  }
  RETURN_IF_ERROR(file->SetFlags(flags));
  if (((old ^ flags) & O_ASYNC) != 0) kernel::UpdateAsyncIo(t, fd, file);
  return 0;
}

// --- Who gets SIGIO.

Status CheckOwnerExists(Task& t, int type, pid_t id) {
  if (id == 0) return OkStatus();
  MutexLock lock(t.kernel().task_mutex());
  const kernel::PidNamespace& ns = t.pid_ns();
  const bool found = type == F_OWNER_PGRP  ? ns.FindProcessGroup(id) != nullptr
                     : type == F_OWNER_TID ? ns.FindTask(id) != nullptr
                                           : ns.FindThreadGroup(id) != nullptr;
  return found ? OkStatus() : Status(Errno::kESRCH);
}

Result<uint64_t> SetOwner(Task& t, FileDescription& file, int who) {
  if (who == INT_MIN) return Errno::kEINVAL;
  const int type = who < 0 ? F_OWNER_PGRP : F_OWNER_PID;
  RETURN_IF_ERROR(CheckOwnerExists(t, type, who < 0 ? -who : who));
  file.async_owner.store(who);
  return 0;
}

Result<uint64_t> SetOwnerEx(Task& t, FileDescription& file, UserAddr addr) {
  // f_owner_ex, but for the type: an enum with a value of the application's is undefined behaviour.
  struct Owner {
    int type;
    pid_t pid;
  };
  ASSIGN_OR_RETURN(const auto owner, t.CopyIn<Owner>(addr));
  if (owner.type != F_OWNER_TID && owner.type != F_OWNER_PID && owner.type != F_OWNER_PGRP) {
    return Errno::kEINVAL;
  }
  if (owner.pid < 0) return Errno::kESRCH;
  RETURN_IF_ERROR(CheckOwnerExists(t, owner.type, owner.pid));
  file.async_owner.store(owner.type == F_OWNER_PGRP ? -owner.pid : owner.pid);
  return 0;
}

// A thread is told from a process by its number, which no process has.
Result<uint64_t> GetOwnerEx(Task& t, FileDescription& file, UserAddr addr) {
  const int who = file.async_owner.load();
  f_owner_ex owner;
  owner.type = who < 0 ? F_OWNER_PGRP : F_OWNER_PID;
  owner.pid = who < 0 ? -who : who;
  if (who > 0 && !CheckOwnerExists(t, F_OWNER_PID, who).ok()) owner.type = F_OWNER_TID;
  RETURN_IF_ERROR(t.CopyOut(addr, owner));
  return 0;
}

// --- Record locks.

Result<int64_t> LockBase(FileDescription& file, short whence) {
  if (whence == SEEK_SET) return 0;
  if (whence == SEEK_CUR) return file.position();
  if (whence != SEEK_END) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const vfs::Attr attr, file.GetAttr());
  return static_cast<int64_t>(attr.size);
}

Result<vfs::RecordLock> MakeLock(Task& t, FileDescription& file, const flock64& request, bool ofd) {
  if (ofd && request.l_pid != 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const int64_t base, LockBase(file, request.l_whence));
  ASSIGN_OR_RETURN(vfs::RecordLock lock, vfs::RecordLock::FromFlock(
                                             request.l_type, base, request.l_start, request.l_len));
  lock.ofd = ofd;
  lock.owner = ofd ? static_cast<const void*>(&file) : &t.fds();
  lock.pid = ofd ? -1 : t.tg().id();
  return lock;
}

Result<uint64_t> GetLock(Task& t, FileDescription& file, UserAddr addr, bool ofd) {
  ASSIGN_OR_RETURN(auto request, t.CopyIn<flock64>(addr));
  if (request.l_type != F_RDLCK && request.l_type != F_WRLCK) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const vfs::RecordLock lock, MakeLock(t, file, request, ofd));
  const auto conflict = file.inode().locks().FindConflict(lock);
  if (!conflict) {
    request.l_type = F_UNLCK;
  } else {
    request.l_type = conflict->type;
    request.l_whence = SEEK_SET;
    request.l_start = static_cast<off64_t>(conflict->start);
    request.l_len = conflict->length();
    request.l_pid = conflict->pid;
  }
  RETURN_IF_ERROR(t.CopyOut(addr, request));
  return 0;
}

// F_SETLKW: with deadlock detection for locks that belong to processes.
Status WaitForLock(Task& t, vfs::FileLocks& locks, const vfs::RecordLock& lock) {
  absl::Cleanup end = [&] { vfs::FileLocks::EndWait(&t); };
  return t.BlockOn(locks.wait_queue(), kEventIn, Deadline::Never(), [&]() -> Status {
    const Status status = locks.SetRecord(lock);
    if (status.error() != Errno::kEAGAIN || lock.ofd) return status;
    if (auto wait = locks.BeginWait(lock, &t); !wait.ok()) return wait;
    return status;
  });
}

Result<uint64_t> SetLock(Task& t, int fd, FileDescription& file, UserAddr addr, bool wait, bool ofd) {
  ASSIGN_OR_RETURN(const auto request, t.CopyIn<flock64>(addr));
  ASSIGN_OR_RETURN(const vfs::RecordLock lock, MakeLock(t, file, request, ofd));
  if (lock.type == F_RDLCK && !file.readable()) return Errno::kEBADF;
  if (lock.type == F_WRLCK && !file.writable()) return Errno::kEBADF;
  vfs::FileLocks& locks = file.inode().locks();
  RETURN_IF_ERROR(wait ? WaitForLock(t, locks, lock) : locks.SetRecord(lock));
  // Another thread may have closed the descriptor meanwhile: its close did not see this lock.
  if (!ofd && lock.type != F_UNLCK) {
    auto now = t.GetFile(fd);
    if (!now.ok() || now->get() != &file) {
      vfs::RecordLock unlock = lock;
      unlock.type = F_UNLCK;
      (void)locks.SetRecord(unlock);
      return Errno::kEBADF;
    }
  }
  return 0;
}

// Leases are never given: there is always "somebody" who has the file open, the host.
Result<uint64_t> SetLease(Task& t, FileDescription& file, int type) {
  if (!S_ISREG(file.inode().type())) return Errno::kEINVAL;
  if (type != F_RDLCK && type != F_WRLCK && type != F_UNLCK) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const vfs::Attr attr, file.GetAttr());
  if (attr.uid != t.creds()->fsuid && !t.HasCap(CAP_LEASE)) return Errno::kEACCES;
  return Errno::kEAGAIN;
}

Result<uint64_t> PipeSize(Task& t, FileDescription& file, bool set, uint64_t size) {
  fs::pipe::Pipe* pipe = fs::pipe::PipeOf(file);
  if (pipe == nullptr) return Errno::kEBADF;
  if (!set) return pipe->capacity();
  ASSIGN_OR_RETURN(const size_t capacity,
                   pipe->SetCapacity(size & UINT32_MAX, t.HasCap(CAP_SYS_RESOURCE)));
  return capacity;
}

Result<uint64_t> AddSeals(const FileDescription& file, uint64_t seals) {
  constexpr uint64_t kKnown = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE |
                              F_SEAL_FUTURE_WRITE | kSealExec;
  RETURN_IF_ERROR(fs::tmpfs::GetSeals(file));  // can it be sealed at all?
  if (!file.writable()) return Errno::kEPERM;
  if (seals & ~kKnown) return Errno::kEINVAL;
  RETURN_IF_ERROR(fs::tmpfs::AddSeals(file, static_cast<int>(seals)));
  return 0;
}

Result<uint64_t> GetSeals(const FileDescription& file) {
  ASSIGN_OR_RETURN(const int seals, fs::tmpfs::GetSeals(file));
  return static_cast<uint64_t>(seals);
}

// The commands that O_PATH descriptors have too; none for others.
std::optional<Result<uint64_t>> DescriptorCommand(Task& t, int fd, const Ref<FileDescription>& file,
                                                  int cmd, uint64_t arg) {
  switch (cmd) {
    case F_DUPFD: return DupFd(t, file, static_cast<uint32_t>(arg), false);
    case F_DUPFD_CLOEXEC: return DupFd(t, file, static_cast<uint32_t>(arg), true);
    case F_GETFD: return uint64_t{t.fds().close_on_exec(fd) ? FD_CLOEXEC : 0u};
    case F_SETFD: {
      const Status status = t.fds().SetCloseOnExec(fd, (arg & FD_CLOEXEC) != 0);
      if (!status.ok()) return status.error();
      return uint64_t{0};
    }
    case F_GETFL: return static_cast<uint64_t>(file->flags());
    case F_DUPFD_QUERY: {
      auto other = t.fds().GetAny(static_cast<int>(arg));
      if (!other.ok()) return other.error();
      return uint64_t{*other == file};
    }
    default: return std::nullopt;
  }
}

}  // namespace

Result<uint64_t> Fcntl(Task& t, const SyscallArgs& a) {
  const auto fd = a[0].As<int>();
  const auto cmd = a[1].As<int>();
  const auto arg = a[2].raw;
  ASSIGN_OR_RETURN(auto file, t.fds().GetAny(fd));
  if (auto result = DescriptorCommand(t, fd, file, cmd, arg)) return *result;
  if (file->is_path_only()) return Errno::kEBADF;
  switch (cmd) {
    case F_SETFL: return SetFlags(t, fd, file, static_cast<int>(arg));
    case F_GETLK: return GetLock(t, *file, arg, false);
    case F_OFD_GETLK: return GetLock(t, *file, arg, true);
    case F_SETLK: return SetLock(t, fd, *file, arg, false, false);
    case F_SETLKW: return SetLock(t, fd, *file, arg, true, false);
    case F_OFD_SETLK: return SetLock(t, fd, *file, arg, false, true);
    case F_OFD_SETLKW: return SetLock(t, fd, *file, arg, true, true);
    case F_GETOWN: return static_cast<uint64_t>(int64_t{file->async_owner.load()});
    case F_SETOWN: return SetOwner(t, *file, static_cast<int>(arg));
    case F_GETOWN_EX: return GetOwnerEx(t, *file, arg);
    case F_SETOWN_EX: return SetOwnerEx(t, *file, arg);
    case F_GETSIG: return static_cast<uint64_t>(file->async_signal.load());
    case F_SETSIG:
      if (arg > kernel::kNumSignals) return Errno::kEINVAL;
      file->async_signal.store(static_cast<int>(arg));
      return 0;
    case F_GETLEASE: return uint64_t{F_UNLCK};
    case F_SETLEASE: return SetLease(t, *file, static_cast<int>(arg));
    case F_GETPIPE_SZ: return PipeSize(t, *file, false, 0);
    case F_SETPIPE_SZ: return PipeSize(t, *file, true, arg);
    case F_ADD_SEALS: return AddSeals(*file, arg);
    case F_GET_SEALS: return GetSeals(*file);
    case F_NOTIFY:
      // Without events it ends all notifications of the description, and there never are any: like a
      // kernel without dnotify, any other request is EINVAL.
      if ((arg & ~uint64_t{DN_MULTISHOT}) == 0) return 0;
      return Errno::kEINVAL;
    default: return Errno::kEINVAL;
  }
}

Result<uint64_t> Flock(Task& t, const SyscallArgs& a) {
  const auto cmd = a[1].As<int>();
  const int operation = cmd & ~LOCK_NB;
  if (operation != LOCK_SH && operation != LOCK_EX && operation != LOCK_UN) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(auto file, t.GetFile(a[0].As<int>()));
  vfs::FileLocks& locks = file->inode().locks();
  const auto attempt = [&] { return locks.Flock(file.get(), operation); };
  RETURN_IF_ERROR(cmd & LOCK_NB
                      ? attempt()
                      : t.BlockOn(locks.wait_queue(), kEventIn, Deadline::Never(), attempt));
  return 0;
}

}  // namespace cvisor::syscalls
