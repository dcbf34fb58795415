// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// stat(2), statx(2), statfs(2), access(2), readlink(2).

#include <fcntl.h>
#include <linux/securebits.h>
#include <linux/stat.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>

#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"
#include "pkg/sentry/vfs/permission.h"

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000
#endif

namespace cvisor::syscalls {
namespace {

constexpr int kStatFlags =
    AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;

struct Found {
  vfs::Attr attr;
  int mount_id = 0;
};

Result<Found> StatFd(Task& t, int fd) {
  ASSIGN_OR_RETURN(auto file, t.fds().GetAny(fd));
  ASSIGN_OR_RETURN(vfs::Attr attr, file->GetAttr());
  const auto& mount = file->path().mount;
  return Found{attr, mount != nullptr ? mount->id : 0};
}

// With AT_EMPTY_PATH, an empty path (or none) is the descriptor itself, which may be no file in a tree.
Result<Found> StatAt(Task& t, int dirfd, UserAddr path, int flags) {
  std::string name;
  if (path != 0 || !(flags & AT_EMPTY_PATH)) {
    ASSIGN_OR_RETURN(name, t.mm().CopyInPath(path));
  }
  if (name.empty() && !(flags & AT_EMPTY_PATH)) return Errno::kENOENT;
  if (name.empty() && dirfd != AT_FDCWD) return StatFd(t, dirfd);
  ASSIGN_OR_RETURN(auto walk, WalkAt(t, dirfd, name));
  vfs::WalkOptions opts;
  opts.follow_final = !(flags & AT_SYMLINK_NOFOLLOW);
  opts.empty_path = true;
  ASSIGN_OR_RETURN(const vfs::Path place, vfs::Walk(walk, name, opts));
  ASSIGN_OR_RETURN(vfs::Attr attr, place.inode().GetAttr());
  return Found{attr, place.mount != nullptr ? place.mount->id : 0};
}

Result<uint64_t> CopyOutStat(Task& t, UserAddr addr, const vfs::Attr& attr) {
  struct stat st = {};
  st.st_dev = attr.dev;
  st.st_ino = attr.ino;
  st.st_mode = attr.mode;
  st.st_nlink = attr.nlink;
  const UserNamespace& ids = *t.creds()->user_ns;
  st.st_uid = ids.Munged(UserNamespace::Kind::kUser, attr.uid);
  st.st_gid = ids.Munged(UserNamespace::Kind::kGroup, attr.gid);
  st.st_rdev = attr.rdev;
  st.st_size = static_cast<off_t>(attr.size);
  st.st_blksize = attr.blksize;
  st.st_blocks = static_cast<blkcnt_t>(attr.blocks);
  st.st_atim = attr.atime;
  st.st_mtim = attr.mtime;
  st.st_ctim = attr.ctime;
  RETURN_IF_ERROR(t.CopyOut(addr, st));
  return 0;
}

struct statx_timestamp StatxTime(const timespec& ts) {
  struct statx_timestamp out = {};
  out.tv_sec = ts.tv_sec;
  out.tv_nsec = static_cast<uint32_t>(ts.tv_nsec);
  return out;
}

struct statx MakeStatx(const Found& found, const UserNamespace& ids) {
  const vfs::Attr& attr = found.attr;
  struct statx stx = {};
  stx.stx_mask = STATX_BASIC_STATS;
  stx.stx_blksize = attr.blksize;
  stx.stx_nlink = static_cast<uint32_t>(attr.nlink);
  stx.stx_uid = ids.Munged(UserNamespace::Kind::kUser, attr.uid);
  stx.stx_gid = ids.Munged(UserNamespace::Kind::kGroup, attr.gid);
  stx.stx_mode = static_cast<uint16_t>(attr.mode);
  stx.stx_ino = attr.ino;
  stx.stx_size = attr.size;
  stx.stx_blocks = attr.blocks;
  stx.stx_atime = StatxTime(attr.atime);
  stx.stx_mtime = StatxTime(attr.mtime);
  stx.stx_ctime = StatxTime(attr.ctime);
  if (attr.btime.tv_sec != 0 || attr.btime.tv_nsec != 0) {
    stx.stx_btime = StatxTime(attr.btime);
    stx.stx_mask |= STATX_BTIME;
  }
  stx.stx_rdev_major = major(attr.rdev);
  stx.stx_rdev_minor = minor(attr.rdev);
  stx.stx_dev_major = major(attr.dev);
  stx.stx_dev_minor = minor(attr.dev);
  if (found.mount_id != 0) {
    stx.stx_mnt_id = static_cast<uint64_t>(found.mount_id);
    stx.stx_mask |= STATX_MNT_ID;
  }
  return stx;
}

Result<uint64_t> CopyOutStatfs(Task& t, UserAddr addr, const vfs::Path& path) {
  ASSIGN_OR_RETURN(const vfs::StatFs fs, vfs::GetStatFs(path));
  struct statfs out = {};
  out.f_type = static_cast<long>(fs.type);
  out.f_bsize = static_cast<long>(fs.bsize);
  out.f_blocks = fs.blocks;
  out.f_bfree = fs.bfree;
  out.f_bavail = fs.bavail;
  out.f_files = fs.files;
  out.f_ffree = fs.ffree;
  out.f_namelen = static_cast<long>(fs.namelen);
  out.f_frsize = static_cast<long>(fs.frsize);
  constexpr long kStValid = 0x20;
  out.f_flags = static_cast<long>(fs.flags) | kStValid;
  RETURN_IF_ERROR(t.CopyOut(addr, out));
  return 0;
}

// access(2) asks for the real user: the credentials that a set-user-ID program's caller has.
CredsRef RealCreds(const CredsRef& creds) {
  auto real = creds->Copy();
  real->fsuid = creds->ruid;
  real->fsgid = creds->rgid;
  if (!(creds->securebits & SECBIT_NO_SETUID_FIXUP)) {
    const auto root = creds->user_ns->ToKernel(UserNamespace::Kind::kUser, 0);
    real->effective = creds->ruid == root ? creds->permitted : CapSet{0};
  }
  return real;
}

Result<uint64_t> AccessAt(Task& t, int dirfd, UserAddr path, int mode, int flags) {
  if (mode & ~(R_OK | W_OK | X_OK)) return Errno::kEINVAL;
  if (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(PathArg arg, CopyInPathAt(t, dirfd, path, (flags & AT_EMPTY_PATH) != 0));
  if (!(flags & AT_EACCESS)) arg.walk.creds = RealCreds(arg.walk.creds);
  vfs::WalkOptions opts;
  opts.follow_final = !(flags & AT_SYMLINK_NOFOLLOW);
  opts.empty_path = (flags & AT_EMPTY_PATH) != 0;
  ASSIGN_OR_RETURN(const vfs::Path place, vfs::Walk(arg.walk, arg.path, opts));
  if (mode == F_OK) return 0;
  if ((mode & X_OK) && S_ISREG(place.inode().type()) && place.mount != nullptr &&
      (place.mount->flags.load() & MS_NOEXEC)) {
    return Errno::kEACCES;
  }
  RETURN_IF_ERROR(vfs::CheckAccess(arg.walk, place, mode));
  return 0;
}

Result<uint64_t> ReadlinkAt(Task& t, int dirfd, UserAddr path, UserAddr buffer, int size) {
  if (size <= 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const PathArg arg, CopyInPathAt(t, dirfd, path, /*allow_empty=*/true));
  if (arg.path.empty() && dirfd == AT_FDCWD) return Errno::kENOENT;
  vfs::WalkOptions opts;
  opts.follow_final = false;
  opts.empty_path = true;
  ASSIGN_OR_RETURN(const vfs::Path place, vfs::Walk(arg.walk, arg.path, opts));
  if (!S_ISLNK(place.inode().type())) return arg.path.empty() ? Errno::kENOENT : Errno::kEINVAL;
  ASSIGN_OR_RETURN(const std::string target, place.inode().ReadLink());
  const size_t n = std::min(target.size(), static_cast<size_t>(size));
  RETURN_IF_ERROR(t.mm().CopyOutBytes(buffer, target.data(), n));
  return n;
}

}  // namespace

static_assert(R_OK == vfs::kMayRead && W_OK == vfs::kMayWrite && X_OK == vfs::kMayExec);

Result<uint64_t> Stat(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const Found found, StatAt(t, AT_FDCWD, a[0].As<UserAddr>(), 0));
  return CopyOutStat(t, a[1].As<UserAddr>(), found.attr);
}

Result<uint64_t> Lstat(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const Found found,
                   StatAt(t, AT_FDCWD, a[0].As<UserAddr>(), AT_SYMLINK_NOFOLLOW));
  return CopyOutStat(t, a[1].As<UserAddr>(), found.attr);
}

Result<uint64_t> Fstat(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const Found found, StatFd(t, a[0].As<int>()));
  return CopyOutStat(t, a[1].As<UserAddr>(), found.attr);
}

Result<uint64_t> Newfstatat(Task& t, const SyscallArgs& a) {
  const auto flags = a[3].As<int>();
  if (flags & ~kStatFlags) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const Found found, StatAt(t, a[0].As<int>(), a[1].As<UserAddr>(), flags));
  return CopyOutStat(t, a[2].As<UserAddr>(), found.attr);
}

Result<uint64_t> Statx(Task& t, const SyscallArgs& a) {
  const auto flags = a[2].As<int>();
  const auto mask = a[3].As<uint32_t>();
  if (mask & STATX__RESERVED) return Errno::kEINVAL;
  if ((flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE) return Errno::kEINVAL;
  if (flags & ~kStatFlags) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const Found found, StatAt(t, a[0].As<int>(), a[1].As<UserAddr>(), flags));
  RETURN_IF_ERROR(t.CopyOut(a[4].As<UserAddr>(), MakeStatx(found, *t.creds()->user_ns)));
  return 0;
}

Result<uint64_t> Statfs(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const Target target, ResolveAt(t, AT_FDCWD, a[0].As<UserAddr>(), 0));
  return CopyOutStatfs(t, a[1].As<UserAddr>(), target.path);
}

Result<uint64_t> Fstatfs(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto file, t.fds().GetAny(a[0].As<int>()));
  return CopyOutStatfs(t, a[1].As<UserAddr>(), file->path());
}

// No mounted file system has a block device of its own.
Result<uint64_t> Ustat(Task&, const SyscallArgs&) { return Errno::kEINVAL; }

Result<uint64_t> Access(Task& t, const SyscallArgs& a) {
  return AccessAt(t, AT_FDCWD, a[0].As<UserAddr>(), a[1].As<int>(), 0);
}

Result<uint64_t> Faccessat(Task& t, const SyscallArgs& a) {
  return AccessAt(t, a[0].As<int>(), a[1].As<UserAddr>(), a[2].As<int>(), 0);
}

Result<uint64_t> Faccessat2(Task& t, const SyscallArgs& a) {
  return AccessAt(t, a[0].As<int>(), a[1].As<UserAddr>(), a[2].As<int>(), a[3].As<int>());
}

Result<uint64_t> Readlink(Task& t, const SyscallArgs& a) {
  return ReadlinkAt(t, AT_FDCWD, a[0].As<UserAddr>(), a[1].As<UserAddr>(), a[2].As<int>());
}

Result<uint64_t> Readlinkat(Task& t, const SyscallArgs& a) {
  return ReadlinkAt(t, a[0].As<int>(), a[1].As<UserAddr>(), a[2].As<UserAddr>(), a[3].As<int>());
}

}  // namespace cvisor::syscalls
