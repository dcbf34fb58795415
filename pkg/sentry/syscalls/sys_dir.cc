// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Directories and names: getdents(2), getcwd(2), chdir(2), chroot(2), mkdir(2), unlink(2), rename(2),
// link(2), symlink(2), mknod(2).

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"

namespace cvisor::syscalls {
namespace {

// struct linux_dirent64, and the older struct linux_dirent, whose type is the record's last byte.
constexpr size_t kDirentHeader = 19;
constexpr size_t kOldDirentHeader = 18;

// Collects records of getdents(2) or getdents64(2).
class DirentBuffer : public vfs::DirSink {
 public:
  DirentBuffer(size_t size, bool old) : size_(size), old_(old) {}

  bool Add(const vfs::DirEntry& entry) override {
    const size_t wanted = old_ ? kOldDirentHeader + entry.name.size() + 2
                               : kDirentHeader + entry.name.size() + 1;
    const size_t length = (wanted + 7) & ~size_t{7};
    if (length > size_ - bytes_.size()) {
      full_ = true;
      return false;
    }
    const size_t at = bytes_.size();
    bytes_.resize(at + length);
    char* record = bytes_.data() + at;
    const uint64_t ino = entry.ino;
    const auto reclen = static_cast<uint16_t>(length);
    std::memcpy(record, &ino, 8);
    std::memcpy(record + 8, &entry.next, 8);
    std::memcpy(record + 16, &reclen, 2);
    if (old_) {
      std::memcpy(record + kOldDirentHeader, entry.name.data(), entry.name.size());
      record[length - 1] = static_cast<char>(entry.type);
    } else {
      record[18] = static_cast<char>(entry.type);
      std::memcpy(record + kDirentHeader, entry.name.data(), entry.name.size());
    }
    return true;
  }

  const std::vector<char>& bytes() const { return bytes_; }
  bool full() const { return full_; }

 private:
  const size_t size_;
  const bool old_;
  bool full_ = false;
  std::vector<char> bytes_;
};

// The Sentry's own memory for one call; programs that ask for more call again.
constexpr uint32_t kMaxDirents = 1 << 20;

Result<uint64_t> GetDirents(Task& t, const SyscallArgs& a, bool old) {
  ASSIGN_OR_RETURN(auto file, t.GetFile(a[0].As<int>()));
  DirentBuffer buffer(std::min(a[2].As<uint32_t>(), kMaxDirents), old);
  RETURN_IF_ERROR(file->IterateDir(buffer));
  if (buffer.bytes().empty()) {
    if (buffer.full()) return Errno::kEINVAL;
    return 0;
  }
  RETURN_IF_ERROR(
      t.mm().CopyOutBytes(a[1].As<UserAddr>(), buffer.bytes().data(), buffer.bytes().size()));
  return buffer.bytes().size();
}

Status EnterDirectory(Task& t, const vfs::WalkContext& walk, const vfs::Path& path, bool as_root) {
  RETURN_IF_ERROR(vfs::CheckAccess(walk, path, vfs::kMayExec));
  if (as_root && !t.HasOwnCap(CAP_SYS_CHROOT)) return Errno::kEPERM;
  if (as_root) {
    t.fs().set_root(path);
  } else {
    t.fs().set_cwd(path);
  }
  return OkStatus();
}

Result<uint64_t> ChangeDirectory(Task& t, UserAddr path, bool as_root) {
  ASSIGN_OR_RETURN(const PathArg arg, CopyInPathAt(t, AT_FDCWD, path));
  vfs::WalkOptions opts;
  opts.want_directory = true;
  ASSIGN_OR_RETURN(const vfs::Path place, vfs::Walk(arg.walk, arg.path, opts));
  RETURN_IF_ERROR(EnterDirectory(t, arg.walk, place, as_root));
  return 0;
}

Result<uint64_t> MkdirAt(Task& t, int dirfd, UserAddr path, mode_t mode) {
  ASSIGN_OR_RETURN(const PathArg arg, CopyInPathAt(t, dirfd, path));
  RETURN_IF_ERROR(vfs::MakeDirectory(arg.walk, arg.path, mode & 07777));
  return 0;
}

Result<uint64_t> UnlinkAt(Task& t, int dirfd, UserAddr path, int flags) {
  if (flags & ~AT_REMOVEDIR) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const PathArg arg, CopyInPathAt(t, dirfd, path));
  RETURN_IF_ERROR(flags & AT_REMOVEDIR ? vfs::RemoveDirectory(arg.walk, arg.path)
                                       : vfs::Unlink(arg.walk, arg.path));
  return 0;
}

Result<uint64_t> RenameAt(Task& t, int old_dirfd, UserAddr old_path, int new_dirfd,
                          UserAddr new_path, unsigned flags) {
  if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) return Errno::kEINVAL;
  if ((flags & RENAME_EXCHANGE) && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT))) {
    return Errno::kEINVAL;
  }
  ASSIGN_OR_RETURN(const PathArg from, CopyInPathAt(t, old_dirfd, old_path));
  ASSIGN_OR_RETURN(const PathArg to, CopyInPathAt(t, new_dirfd, new_path));
  RETURN_IF_ERROR(vfs::Rename(from.walk, from.path, to.walk, to.path, flags));
  return 0;
}

Result<uint64_t> LinkAt(Task& t, int old_dirfd, UserAddr old_path, int new_dirfd, UserAddr new_path,
                        int flags) {
  if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) return Errno::kEINVAL;
  if ((flags & AT_EMPTY_PATH) && !t.HasCap(CAP_DAC_READ_SEARCH)) return Errno::kENOENT;
  int walk_flags = flags & AT_EMPTY_PATH;
  if (!(flags & AT_SYMLINK_FOLLOW)) walk_flags |= AT_SYMLINK_NOFOLLOW;
  ASSIGN_OR_RETURN(const Target from, ResolveAt(t, old_dirfd, old_path, walk_flags));
  ASSIGN_OR_RETURN(const PathArg to, CopyInPathAt(t, new_dirfd, new_path));
  RETURN_IF_ERROR(vfs::HardLink(to.walk, from.path, to.path));
  return 0;
}

Result<uint64_t> SymlinkAt(Task& t, UserAddr target_addr, int dirfd, UserAddr path) {
  ASSIGN_OR_RETURN(const std::string target, t.mm().CopyInPath(target_addr));
  if (target.empty()) return Errno::kENOENT;
  ASSIGN_OR_RETURN(const PathArg arg, CopyInPathAt(t, dirfd, path));
  RETURN_IF_ERROR(vfs::MakeSymlink(arg.walk, target, arg.path));
  return 0;
}

// The kernel's new_decode_dev().
dev_t DecodeDev(uint32_t dev) {
  return makedev((dev & 0xfff00) >> 8, (dev & 0xff) | ((dev >> 12) & 0xfff00));
}

Result<uint64_t> MknodAt(Task& t, int dirfd, UserAddr path, mode_t mode, uint32_t dev) {
  switch (mode & S_IFMT) {
    case 0: mode |= S_IFREG; break;
    case S_IFREG:
    case S_IFIFO:
    case S_IFSOCK:
      break;
    case S_IFCHR:
    case S_IFBLK:
      break;
    case S_IFDIR: return Errno::kEPERM;
    default: return Errno::kEINVAL;
  }
  ASSIGN_OR_RETURN(const PathArg arg, CopyInPathAt(t, dirfd, path));
  const bool device = S_ISCHR(mode) || S_ISBLK(mode);
  if (device && !t.HasCap(CAP_MKNOD)) return Errno::kEPERM;
  RETURN_IF_ERROR(
      vfs::MakeNode(arg.walk, arg.path, mode & (S_IFMT | 07777), device ? DecodeDev(dev) : 0));
  return 0;
}

}  // namespace

Result<uint64_t> Getdents(Task& t, const SyscallArgs& a) { return GetDirents(t, a, /*old=*/true); }
Result<uint64_t> Getdents64(Task& t, const SyscallArgs& a) {
  return GetDirents(t, a, /*old=*/false);
}

Result<uint64_t> Getcwd(Task& t, const SyscallArgs& a) {
  const vfs::Path cwd = t.fs().cwd();
  if (cwd.dentry->deleted()) return Errno::kENOENT;
  const std::string name = vfs::PathName(*t.fs().mount_namespace(), cwd, t.fs().root(),
                                         /*mark_unreachable=*/true);
  const size_t size = name.size() + 1;
  if (size > vfs::kPathMax) return Errno::kENAMETOOLONG;
  if (a[1].As<uint64_t>() < size) return Errno::kERANGE;
  RETURN_IF_ERROR(t.mm().CopyOutBytes(a[0].As<UserAddr>(), name.c_str(), size));
  return size;
}

Result<uint64_t> Chdir(Task& t, const SyscallArgs& a) {
  return ChangeDirectory(t, a[0].As<UserAddr>(), /*as_root=*/false);
}

Result<uint64_t> Fchdir(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto file, t.fds().GetAny(a[0].As<int>()));
  if (!S_ISDIR(file->inode().type())) return Errno::kENOTDIR;
  RETURN_IF_ERROR(EnterDirectory(t, t.WalkFromCwd(), file->path(), /*as_root=*/false));
  return 0;
}

Result<uint64_t> Chroot(Task& t, const SyscallArgs& a) {
  return ChangeDirectory(t, a[0].As<UserAddr>(), /*as_root=*/true);
}

Result<uint64_t> Mkdir(Task& t, const SyscallArgs& a) {
  return MkdirAt(t, AT_FDCWD, a[0].As<UserAddr>(), a[1].As<mode_t>());
}

Result<uint64_t> Mkdirat(Task& t, const SyscallArgs& a) {
  return MkdirAt(t, a[0].As<int>(), a[1].As<UserAddr>(), a[2].As<mode_t>());
}

Result<uint64_t> Rmdir(Task& t, const SyscallArgs& a) {
  return UnlinkAt(t, AT_FDCWD, a[0].As<UserAddr>(), AT_REMOVEDIR);
}

Result<uint64_t> Unlink(Task& t, const SyscallArgs& a) {
  return UnlinkAt(t, AT_FDCWD, a[0].As<UserAddr>(), 0);
}

Result<uint64_t> Unlinkat(Task& t, const SyscallArgs& a) {
  return UnlinkAt(t, a[0].As<int>(), a[1].As<UserAddr>(), a[2].As<int>());
}

Result<uint64_t> Rename(Task& t, const SyscallArgs& a) {
  return RenameAt(t, AT_FDCWD, a[0].As<UserAddr>(), AT_FDCWD, a[1].As<UserAddr>(), 0);
}

Result<uint64_t> Renameat(Task& t, const SyscallArgs& a) {
  return RenameAt(t, a[0].As<int>(), a[1].As<UserAddr>(), a[2].As<int>(), a[3].As<UserAddr>(), 0);
}

Result<uint64_t> Renameat2(Task& t, const SyscallArgs& a) {
  return RenameAt(t, a[0].As<int>(), a[1].As<UserAddr>(), a[2].As<int>(), a[3].As<UserAddr>(),
                  a[4].As<uint32_t>());
}

Result<uint64_t> Link(Task& t, const SyscallArgs& a) {
  return LinkAt(t, AT_FDCWD, a[0].As<UserAddr>(), AT_FDCWD, a[1].As<UserAddr>(), 0);
}

Result<uint64_t> Linkat(Task& t, const SyscallArgs& a) {
  return LinkAt(t, a[0].As<int>(), a[1].As<UserAddr>(), a[2].As<int>(), a[3].As<UserAddr>(),
                a[4].As<int>());
}

Result<uint64_t> Symlink(Task& t, const SyscallArgs& a) {
  return SymlinkAt(t, a[0].As<UserAddr>(), AT_FDCWD, a[1].As<UserAddr>());
}

Result<uint64_t> Symlinkat(Task& t, const SyscallArgs& a) {
  return SymlinkAt(t, a[0].As<UserAddr>(), a[1].As<int>(), a[2].As<UserAddr>());
}

Result<uint64_t> Mknod(Task& t, const SyscallArgs& a) {
  return MknodAt(t, AT_FDCWD, a[0].As<UserAddr>(), a[1].As<mode_t>(), a[2].As<uint32_t>());
}

Result<uint64_t> Mknodat(Task& t, const SyscallArgs& a) {
  return MknodAt(t, a[0].As<int>(), a[1].As<UserAddr>(), a[2].As<mode_t>(), a[3].As<uint32_t>());
}

}  // namespace cvisor::syscalls
