// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// ioctl(2): the requests that every file has; the rest is the file's own business.

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <climits>

#include "pkg/sentry/kernel/async_io.h"
#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"

#ifndef FIOQSIZE
#define FIOQSIZE 0x5460
#endif

namespace cvisor::syscalls {
namespace {

Result<uint64_t> SetFlag(Task& t, FileDescription& file, UserAddr addr, int flag) {
  ASSIGN_OR_RETURN(const int on, t.CopyIn<int>(addr));
  const int old = file.flags();
  RETURN_IF_ERROR(file.SetFlags(on != 0 ? old | flag : old & ~flag));
  return 0;
}

Result<uint64_t> BytesLeft(Task& t, FileDescription& file, UserAddr addr) {
  ASSIGN_OR_RETURN(const vfs::Attr attr, file.GetAttr());
  const int64_t left = static_cast<int64_t>(attr.size) - file.position();
  RETURN_IF_ERROR(t.CopyOut(addr, static_cast<int>(std::clamp<int64_t>(left, INT_MIN, INT_MAX))));
  return 0;
}

Result<uint64_t> FileSize(Task& t, FileDescription& file, UserAddr addr) {
  const mode_t type = file.inode().type();
  if (!S_ISREG(type) && !S_ISDIR(type) && !S_ISLNK(type)) return Errno::kENOTTY;
  ASSIGN_OR_RETURN(const vfs::Attr attr, file.GetAttr());
  RETURN_IF_ERROR(t.CopyOut(addr, attr.size));
  return 0;
}

}  // namespace

Result<uint64_t> Ioctl(Task& t, const SyscallArgs& a) {
  const auto fd = a[0].As<int>();
  const auto cmd = a[1].As<uint32_t>();
  const auto arg = a[2].raw;
  ASSIGN_OR_RETURN(auto file, t.GetFile(fd));
  const bool regular = S_ISREG(file->inode().type());
  switch (cmd) {
    case FIOCLEX:
      RETURN_IF_ERROR(t.fds().SetCloseOnExec(fd, true));
      return 0;
    case FIONCLEX:
      RETURN_IF_ERROR(t.fds().SetCloseOnExec(fd, false));
      return 0;
    case FIONBIO: return SetFlag(t, *file, arg, O_NONBLOCK);
    case FIOASYNC:
      if (!file->pollable()) return Errno::kENOTTY;
      RETURN_IF_ERROR(SetFlag(t, *file, arg, O_ASYNC));
      kernel::UpdateAsyncIo(t, fd, file);
      return 0;
    case FIOQSIZE: return FileSize(t, *file, arg);
    case FIONREAD:
      if (regular) return BytesLeft(t, *file, arg);
      break;
    case FIGETBSZ: {
      ASSIGN_OR_RETURN(const vfs::Attr attr, file->GetAttr());
      RETURN_IF_ERROR(t.CopyOut(arg, static_cast<int>(attr.blksize)));
      return 0;
    }
    case FICLONE:
    case FICLONERANGE:
      return Errno::kEOPNOTSUPP;
    default: break;
  }
  return file->Ioctl(t.mm(), cmd, arg);
}

}  // namespace cvisor::syscalls
