// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// truncate(2), ftruncate(2), fallocate(2).

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/resource.h>

#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"
#include "pkg/sentry/vfs/inotify.h"

namespace cvisor::syscalls {
namespace {

// RLIMIT_FSIZE is about growth: a file that is larger already may shrink to any size.
Status CheckNewSize(Task& t, vfs::Inode& inode, uint64_t size) {
  if (size <= t.Rlimit(RLIMIT_FSIZE)) return OkStatus();
  ASSIGN_OR_RETURN(const vfs::Attr attr, inode.GetAttr());
  return size <= attr.size ? OkStatus() : CheckFileSize(t, size);
}

}  // namespace

Result<uint64_t> Truncate(Task& t, const SyscallArgs& a) {
  const auto size = a[1].As<int64_t>();
  if (size < 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const Target target, ResolveAt(t, AT_FDCWD, a[0].As<UserAddr>(), 0));
  if (S_ISDIR(target.path.inode().type())) return Errno::kEISDIR;
  if (!S_ISREG(target.path.inode().type())) return Errno::kEINVAL;
  RETURN_IF_ERROR(CheckNewSize(t, target.path.inode(), static_cast<uint64_t>(size)));
  RETURN_IF_ERROR(vfs::TruncatePath(target.walk, target.path, static_cast<uint64_t>(size)));
  return 0;
}

Result<uint64_t> Ftruncate(Task& t, const SyscallArgs& a) {
  const auto size = a[1].As<int64_t>();
  if (size < 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(auto file, t.GetFile(a[0].As<int>()));
  if (!S_ISREG(file->inode().type()) || !file->writable()) return Errno::kEINVAL;
  RETURN_IF_ERROR(CheckNewSize(t, file->inode(), static_cast<uint64_t>(size)));
  RETURN_IF_ERROR(file->Truncate(static_cast<uint64_t>(size)));
  vfs::NotifyWrite(*file);
  return 0;
}

Result<uint64_t> Fallocate(Task& t, const SyscallArgs& a) {
  const auto mode = a[1].As<int>();
  const auto offset = a[2].As<int64_t>();
  const auto length = a[3].As<int64_t>();
  ASSIGN_OR_RETURN(auto file, t.GetFile(a[0].As<int>()));
  if (offset < 0 || length <= 0) return Errno::kEINVAL;
  constexpr int kKnown = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE |
                         FALLOC_FL_ZERO_RANGE | FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE;
  if (mode & ~kKnown) return Errno::kEOPNOTSUPP;
  if ((mode & FALLOC_FL_PUNCH_HOLE) && !(mode & FALLOC_FL_KEEP_SIZE)) return Errno::kEOPNOTSUPP;
  if (!file->writable()) return Errno::kEBADF;
  const mode_t type = file->inode().type();
  if (S_ISFIFO(type)) return Errno::kESPIPE;
  if (S_ISDIR(type)) return Errno::kEISDIR;
  if (!S_ISREG(type) && !S_ISBLK(type)) return Errno::kENODEV;
  if (length > INT64_MAX - offset) return Errno::kEFBIG;
  // As for files in memory, which ours are, also if the size stays: the space is taken.
  if (!(mode & FALLOC_FL_PUNCH_HOLE)) {
    RETURN_IF_ERROR(CheckNewSize(t, file->inode(), static_cast<uint64_t>(offset + length)));
  }
  RETURN_IF_ERROR(
      file->Allocate(mode, static_cast<uint64_t>(offset), static_cast<uint64_t>(length)));
  vfs::NotifyWrite(*file);
  return 0;
}

}  // namespace cvisor::syscalls
