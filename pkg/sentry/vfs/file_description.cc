// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/vfs/file_description.h"

#include <sys/uio.h>

#include <utility>

#include "pkg/sentry/vfs/inotify.h"
#include "pkg/sentry/vfs/locks.h"

#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20
#endif

namespace cvisor::vfs {

namespace {
constexpr int kSettable = O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME | O_NONBLOCK;
}  // namespace

FileDescription::FileDescription(Path path, int flags)
    : flags_(flags & ~O_NOCTTY), path_(std::move(path)) {}

FileDescription::~FileDescription() {
  if (!path_) return;
  Inode& node = inode();
  if (node.has_locks()) node.locks().ReleaseOwner(this);
  if (holds_write_access_) node.PutWriteAccess();
  if (InotifyActive() && !is_path_only()) {
    NotifyDentry(*path_.dentry, writable() ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
  }
}

Status FileDescription::SetFlags(int flags) {
  int old = flags_.load();
  while (!flags_.compare_exchange_weak(old, (old & ~kSettable) | (flags & kSettable))) {
  }
  return OkStatus();
}

bool FileDescription::AppendsNow(IoFlags io) const {
  if (io.rwf & RWF_APPEND) return true;
  return (flags() & O_APPEND) && !(io.rwf & RWF_NOAPPEND);
}

Result<size_t> FileDescription::Read(IoSink& dst, IoFlags flags) {
  if (!seekable()) return Errno::kEINVAL;
  MutexLock lock(position_mutex_);
  const int64_t at = position();
  ASSIGN_OR_RETURN(const size_t n, Pread(dst, static_cast<uint64_t>(at), flags));
  set_position(at + static_cast<int64_t>(n));
  return n;
}

Result<size_t> FileDescription::Write(IoSource& src, IoFlags flags) {
  if (!seekable()) return Errno::kEINVAL;
  MutexLock lock(position_mutex_);
  if (AppendsNow(flags)) {
    uint64_t end = static_cast<uint64_t>(position());
    ASSIGN_OR_RETURN(const size_t n, Append(src, &end, flags));
    if (n != 0) set_position(static_cast<int64_t>(end));
    return n;
  }
  const int64_t at = position();
  ASSIGN_OR_RETURN(const size_t n, Pwrite(src, static_cast<uint64_t>(at), flags));
  set_position(at + static_cast<int64_t>(n));
  return n;
}

Result<size_t> FileDescription::Pread(IoSink&, uint64_t, IoFlags) { return Errno::kESPIPE; }
Result<size_t> FileDescription::Pwrite(IoSource&, uint64_t, IoFlags) { return Errno::kESPIPE; }

Result<size_t> FileDescription::Append(IoSource& src, uint64_t* end, IoFlags flags) {
  flags.rwf |= RWF_APPEND;
  ASSIGN_OR_RETURN(const size_t n, Pwrite(src, 0, flags));
  ASSIGN_OR_RETURN(const Attr attr, GetAttr());
  *end = attr.size;
  return n;
}

Result<int64_t> FileDescription::Seek(int64_t, int) { return Errno::kESPIPE; }

Result<int64_t> FileDescription::SeekRegular(int64_t offset, int whence, uint64_t size,
                                             int64_t max) {
  MutexLock lock(position_mutex_);
  const auto end = static_cast<int64_t>(size);
  int64_t to = offset;
  switch (whence) {
    case SEEK_SET:
      break;
    case SEEK_CUR:
      if (__builtin_add_overflow(position(), offset, &to)) return Errno::kEINVAL;
      break;
    case SEEK_END:
      if (__builtin_add_overflow(end, offset, &to)) return Errno::kEINVAL;
      break;
    case SEEK_DATA:
    case SEEK_HOLE:
      if (offset < 0 || offset >= end) return Errno::kENXIO;
      to = whence == SEEK_DATA ? offset : end;
      break;
    default:
      return Errno::kEINVAL;
  }
  if (to < 0 || to > max) return Errno::kEINVAL;
  set_position(to);
  return to;
}

Status FileDescription::IterateDir(DirSink&) { return Errno::kENOTDIR; }
Result<uint64_t> FileDescription::Ioctl(mm::MemoryManager&, uint32_t, uint64_t) {
  return Errno::kENOTTY;
}
EventMask FileDescription::Readiness(EventMask mask) { return mask & (kEventIn | kEventOut); }
Status FileDescription::Mmap(mm::MmapOptions*) { return Errno::kENODEV; }
Status FileDescription::Fsync(bool) { return Errno::kEINVAL; }
Status FileDescription::Allocate(int, uint64_t, uint64_t) { return Errno::kENODEV; }
Status FileDescription::Truncate(uint64_t) { return Errno::kEINVAL; }
Result<Attr> FileDescription::GetAttr() { return inode().GetAttr(); }

Result<size_t> CopyStringOut(IoSink& dst, std::string_view all, uint64_t offset) {
  if (offset >= all.size()) return size_t{0};
  const std::string_view rest = all.substr(offset, dst.remaining());
  if (rest.empty()) return size_t{0};
  return dst.Write(std::as_bytes(std::span(rest.data(), rest.size())));
}

}  // namespace cvisor::vfs
