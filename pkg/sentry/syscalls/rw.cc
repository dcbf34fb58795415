// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/syscalls/rw.h"

#include <linux/capability.h>
#include <linux/fs.h>
#include <sys/resource.h>

#include "pkg/sentry/socket/resumable_source.h"
#include "pkg/sentry/syscalls/socket_wait.h"
#include "pkg/sentry/vfs/inotify.h"
#include "pkg/sentry/vfs/permission.h"

#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20
#endif

namespace cvisor::syscalls {
namespace {

constexpr int kRwfAtomic = 0x40;
constexpr int kRwfDontCache = 0x80;
constexpr int kKnownRwf = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | RWF_NOAPPEND |
                          kRwfAtomic | kRwfDontCache;

// Blocking writes to these go on until everything is written; to others (eventfd, say) one write is one
// operation.
bool WritesAll(const FileDescription& file) {
  const mode_t type = file.inode().type() & S_IFMT;
  return type == S_IFIFO || type == S_IFSOCK || type == S_IFCHR;
}

// How many of `count` bytes a regular file takes at this place: RLIMIT_FSIZE. SIGXFSZ, EFBIG.
Result<uint64_t> LimitWrite(Task& t, FileDescription& file, uint64_t count, Offset offset, int rwf) {
  const uint64_t limit = t.Rlimit(RLIMIT_FSIZE);
  if (limit == RLIM_INFINITY || !S_ISREG(file.inode().type()) || count == 0) return count;
  uint64_t at = offset.value_or(static_cast<uint64_t>(file.position()));
  if ((rwf & RWF_APPEND) || ((file.flags() & O_APPEND) && !(rwf & RWF_NOAPPEND))) {
    ASSIGN_OR_RETURN(const vfs::Attr attr, file.GetAttr());
    at = attr.size;
  }
  if (at >= limit) return CheckFileSize(t, UINT64_MAX).error();
  return std::min(count, limit - at);
}

// A write by somebody without CAP_FSETID takes the set-id bits away.
Status DropSetId(Task& t, FileDescription& file) {
  if (!S_ISREG(file.inode().type()) || t.HasCap(CAP_FSETID)) return OkStatus();
  ASSIGN_OR_RETURN(const vfs::Attr attr, file.GetAttr());
  if ((attr.mode & (S_ISUID | S_ISGID)) == 0) return OkStatus();
  vfs::SetAttr set;
  set.valid = vfs::SetAttr::kMode;
  set.mode = vfs::DropPrivilegeBits(attr, *t.creds(), false);
  if (set.mode == (attr.mode & 07777)) return OkStatus();
  return file.inode().SetAttributes(set);
}

}  // namespace

Status CheckRwFlags(const FileDescription& file, int rwf, bool write) {
  if (rwf & ~kKnownRwf) return Errno::kEOPNOTSUPP;
  if ((rwf & RWF_APPEND) && (rwf & RWF_NOAPPEND)) return Errno::kEINVAL;
  if (rwf & (kRwfAtomic | kRwfDontCache)) return Errno::kEOPNOTSUPP;
  const mode_t type = file.inode().type() & S_IFMT;
  const bool nowait = type == S_IFREG || type == S_IFIFO || type == S_IFSOCK;
  if ((rwf & RWF_NOWAIT) && !nowait) return Errno::kEOPNOTSUPP;
  (void)write;
  return OkStatus();
}

Status CheckOffset(int64_t offset, uint64_t count) {
  if (offset < 0 || count > static_cast<uint64_t>(INT64_MAX - offset)) return Errno::kEINVAL;
  return OkStatus();
}

Result<uint64_t> ReadFile(Task& t, FileDescription& file, IoSink& dst, Offset offset, int rwf) {
  const vfs::IoFlags flags{rwf};
  const auto attempt = [&] {
    return offset ? file.Pread(dst, *offset, flags) : file.Read(dst, flags);
  };
  auto n = attempt();
  if (!n.ok() && n.error() == Errno::kEAGAIN && !file.nonblocking() && !(rwf & RWF_NOWAIT)) {
    const SocketWait wait = ReceiveWait(file);
    n = AttemptOrWait(t, file, kEventIn, true, wait.deadline, attempt);
    if (!n.ok()) return wait.Translate(n.error());
  }
  if (!n.ok()) return n.error();
  if (*n != 0) vfs::NotifyRead(file);
  return *n;
}

Result<uint64_t> WriteFile(Task& t, FileDescription& file, IoSource& src, Offset offset, int rwf) {
  const vfs::IoFlags flags{rwf};
  ASSIGN_OR_RETURN(const uint64_t limit, LimitWrite(t, file, src.remaining(), offset, rwf));
  LimitedSource within_limit(src, limit);
  socket::ResumableSource limited(within_limit);
  // Not what is left in the source decides: /dev/null takes bytes without looking at them.
  const uint64_t wanted = limited.remaining();
  if (wanted != 0) RETURN_IF_ERROR(DropSetId(t, file));
  const bool blocking = !file.nonblocking() && !(rwf & RWF_NOWAIT);
  // What an eventfd is given must be there again when it is tried a second time.
  uint64_t number;
  const bool is_number = wanted == sizeof(number) && (file.inode().type() & S_IFMT) == 0;
  if (is_number) {
    ASSIGN_OR_RETURN(const size_t n, limited.Read(std::as_writable_bytes(std::span(&number, 1))));
    if (n != sizeof(number)) return Errno::kEFAULT;
  }
  const auto attempt = [&]() -> Result<size_t> {
    if (is_number) {
      SpanSource again(&number, sizeof(number));
      return offset ? file.Pwrite(again, *offset, flags) : file.Write(again, flags);
    }
    return offset ? file.Pwrite(limited, *offset, flags) : file.Write(limited, flags);
  };
  uint64_t total = 0;
  for (;;) {
    auto n = attempt();
    Errno error = n.error();
    if (error == Errno::kEAGAIN && blocking) {
      const SocketWait wait = SendWait(file);
      n = AttemptOrWait(t, file, kEventOut, true, wait.deadline, attempt);
      error = wait.Translate(n.error());
    }
    if (!n.ok()) {
      error = WriteError(t, error, /*no_sigpipe=*/!RaisesSigpipe(file));
      if (total == 0) return error;
      break;
    }
    total += *n;
    if (*n == 0 || total >= wanted || !blocking || !WritesAll(file)) break;
  }
  if (total != 0) vfs::NotifyWrite(file);
  if (total != 0 && (rwf & (RWF_SYNC | RWF_DSYNC))) {
    RETURN_IF_ERROR(file.Fsync(!(rwf & RWF_SYNC)));
  }
  return total;
}

}  // namespace cvisor::syscalls
