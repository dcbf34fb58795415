// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Attributes of files: chmod(2), chown(2), utime(2), utimensat(2), umask(2).

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <utime.h>

#include <array>

#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"

namespace cvisor::syscalls {
namespace {

using TimePair = std::array<timespec, 2>;

Result<uint64_t> ChmodAt(Task& t, int dirfd, UserAddr path, mode_t mode, int flags) {
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const Target target, ResolveAt(t, dirfd, path, flags));
  if (S_ISLNK(target.path.inode().type())) return Errno::kEOPNOTSUPP;
  RETURN_IF_ERROR(vfs::ChangeMode(target.walk, target.path, mode & 07777));
  return 0;
}

// The owner that the application means; -1 stays -1.
Result<uint32_t> NewOwner(Task& t, UserNamespace::Kind kind, uint32_t id) {
  if (id == kNoId) return id;
  const auto kernel_id = t.creds()->user_ns->ToKernel(kind, id);
  return kernel_id ? Result<uint32_t>(*kernel_id) : Errno::kEINVAL;
}

Status ChangeOwner(Task& t, const vfs::WalkContext& walk, const vfs::Path& path, uid_t uid,
                   gid_t gid) {
  ASSIGN_OR_RETURN(const uid_t new_uid, NewOwner(t, UserNamespace::Kind::kUser, uid));
  ASSIGN_OR_RETURN(const gid_t new_gid, NewOwner(t, UserNamespace::Kind::kGroup, gid));
  return vfs::ChangeOwner(walk, path, new_uid, new_gid);
}

Result<uint64_t> ChownAt(Task& t, int dirfd, UserAddr path, uid_t uid, gid_t gid, int flags) {
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const Target target, ResolveAt(t, dirfd, path, flags));
  RETURN_IF_ERROR(ChangeOwner(t, target.walk, target.path, uid, gid));
  return 0;
}

bool ValidTime(const timespec& ts) {
  return ts.tv_nsec == UTIME_NOW || ts.tv_nsec == UTIME_OMIT ||
         (ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000);
}

// `times` null: now. Without a path: the descriptor's file.
Result<uint64_t> UtimesAt(Task& t, int dirfd, UserAddr path, const TimePair* times, int flags) {
  if (times != nullptr) {
    if (!ValidTime((*times)[0]) || !ValidTime((*times)[1])) return Errno::kEINVAL;
  }
  const timespec* values = times == nullptr ? nullptr : times->data();
  if (path == 0 && dirfd != AT_FDCWD) {
    if (flags != 0) return Errno::kEINVAL;
    ASSIGN_OR_RETURN(auto file, t.GetFile(dirfd));
    RETURN_IF_ERROR(vfs::ChangeTimes(t.WalkFromCwd(), file->path(), values));
    return 0;
  }
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const Target target, ResolveAt(t, dirfd, path, flags));
  RETURN_IF_ERROR(vfs::ChangeTimes(target.walk, target.path, values));
  return 0;
}

// utimes(2): microseconds.
Result<uint64_t> UtimesWithTimevals(Task& t, int dirfd, UserAddr path, UserAddr addr) {
  if (addr == 0) return UtimesAt(t, dirfd, path, nullptr, 0);
  ASSIGN_OR_RETURN(const auto tv, (t.CopyIn<std::array<timeval, 2>>(addr)));
  TimePair times;
  for (int i = 0; i < 2; ++i) {
    if (tv[i].tv_usec < 0 || tv[i].tv_usec >= 1000000) return Errno::kEINVAL;
    times[i] = {tv[i].tv_sec, tv[i].tv_usec * 1000};
  }
  return UtimesAt(t, dirfd, path, &times, 0);
}

}  // namespace

Result<uint64_t> Chmod(Task& t, const SyscallArgs& a) {
  return ChmodAt(t, AT_FDCWD, a[0].As<UserAddr>(), a[1].As<mode_t>(), 0);
}

Result<uint64_t> Fchmodat(Task& t, const SyscallArgs& a) {
  return ChmodAt(t, a[0].As<int>(), a[1].As<UserAddr>(), a[2].As<mode_t>(), 0);
}

Result<uint64_t> Fchmodat2(Task& t, const SyscallArgs& a) {
  return ChmodAt(t, a[0].As<int>(), a[1].As<UserAddr>(), a[2].As<mode_t>(), a[3].As<int>());
}

Result<uint64_t> Fchmod(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto file, t.GetFile(a[0].As<int>()));
  RETURN_IF_ERROR(vfs::ChangeMode(t.WalkFromCwd(), file->path(), a[1].As<mode_t>() & 07777));
  return 0;
}

Result<uint64_t> Chown(Task& t, const SyscallArgs& a) {
  return ChownAt(t, AT_FDCWD, a[0].As<UserAddr>(), a[1].As<uid_t>(), a[2].As<gid_t>(), 0);
}

Result<uint64_t> Lchown(Task& t, const SyscallArgs& a) {
  return ChownAt(t, AT_FDCWD, a[0].As<UserAddr>(), a[1].As<uid_t>(), a[2].As<gid_t>(),
                 AT_SYMLINK_NOFOLLOW);
}

Result<uint64_t> Fchownat(Task& t, const SyscallArgs& a) {
  return ChownAt(t, a[0].As<int>(), a[1].As<UserAddr>(), a[2].As<uid_t>(), a[3].As<gid_t>(),
                 a[4].As<int>());
}

Result<uint64_t> Fchown(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto file, t.GetFile(a[0].As<int>()));
  RETURN_IF_ERROR(
      ChangeOwner(t, t.WalkFromCwd(), file->path(), a[1].As<uid_t>(), a[2].As<gid_t>()));
  return 0;
}

Result<uint64_t> Utime(Task& t, const SyscallArgs& a) {
  const auto addr = a[1].As<UserAddr>();
  if (addr == 0) return UtimesAt(t, AT_FDCWD, a[0].As<UserAddr>(), nullptr, 0);
  ASSIGN_OR_RETURN(const auto buffer, t.CopyIn<utimbuf>(addr));
  const TimePair times = {timespec{buffer.actime, 0}, timespec{buffer.modtime, 0}};
  return UtimesAt(t, AT_FDCWD, a[0].As<UserAddr>(), &times, 0);
}

Result<uint64_t> Utimes(Task& t, const SyscallArgs& a) {
  return UtimesWithTimevals(t, AT_FDCWD, a[0].As<UserAddr>(), a[1].As<UserAddr>());
}

Result<uint64_t> Futimesat(Task& t, const SyscallArgs& a) {
  return UtimesWithTimevals(t, a[0].As<int>(), a[1].As<UserAddr>(), a[2].As<UserAddr>());
}

Result<uint64_t> Utimensat(Task& t, const SyscallArgs& a) {
  const auto addr = a[2].As<UserAddr>();
  const auto flags = a[3].As<int>();
  if (addr == 0) return UtimesAt(t, a[0].As<int>(), a[1].As<UserAddr>(), nullptr, flags);
  ASSIGN_OR_RETURN(const auto times, t.CopyIn<TimePair>(addr));
  // Nothing to do, nothing to check: not even that the file exists.
  if (times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT) return 0;
  return UtimesAt(t, a[0].As<int>(), a[1].As<UserAddr>(), &times, flags);
}

Result<uint64_t> Umask(Task& t, const SyscallArgs& a) {
  return t.fs().exchange_umask(a[0].As<mode_t>() & 0777);
}

}  // namespace cvisor::syscalls
