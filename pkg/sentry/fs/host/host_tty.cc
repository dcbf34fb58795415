// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Terminals of the host: tty_ioctl(4). Each structure is copied in once, given to the host terminal, and
// copied out; no address of the application reaches the host.

#include <asm/termbits.h>
#include <errno.h>
#include <sys/ioctl.h>

#include <cstdint>

#include "pkg/sentry/fs/host/fd_file.h"
#include "pkg/sentry/mm/memory_manager.h"

namespace cvisor::fs::host {
namespace {

template <typename T>
Result<uint64_t> GetFromHost(int fd, mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) {
  T value{};
  if (ioctl(fd, cmd, &value) < 0) return HostErrno();
  RETURN_IF_ERROR(mm.CopyOut(arg, value));
  return 0;
}

template <typename T>
Result<uint64_t> SetOnHost(int fd, mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) {
  ASSIGN_OR_RETURN(T value, mm.CopyIn<T>(arg));
  if (ioctl(fd, cmd, &value) < 0) return HostErrno();
  return 0;
}

// The waiting variants (TCSETSW, TCSETSF, TCSBRK) drain the output first, and nothing may block the
// host thread: while output is queued they are retried by way of EAGAIN.
bool OutputDrained(int fd) {
  int queued = 0;
  return ioctl(fd, TIOCOUTQ, &queued) < 0 || queued == 0;
}

}  // namespace

Result<size_t> HostTty::Read(IoSink& dst, vfs::IoFlags flags) {
  if (auto job = host().job_control(); job != nullptr) RETURN_IF_ERROR(job->CheckRead());
  return FdFile::Read(dst, flags);
}

Result<size_t> HostTty::Write(IoSource& src, vfs::IoFlags flags) {
  if (auto job = host().job_control(); job != nullptr) {
    struct termios t{};
    const bool tostop = ioctl(host().fd(), TCGETS, &t) == 0 && (t.c_lflag & TOSTOP);
    RETURN_IF_ERROR(job->CheckWrite(tostop));
  }
  return FdFile::Write(src, flags);
}

Result<uint64_t> HostTty::Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) {
  const int fd = host().fd();
  const auto job = host().job_control();
  switch (cmd) {
    case TIOCGPGRP:
    case TIOCSPGRP:
    case TIOCGSID:
    case TIOCSCTTY:
    case TIOCNOTTY:
      if (job == nullptr) return Errno::kENOTTY;
      return job->Ioctl(mm, cmd, arg);
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
    case TCSETS2:
    case TCSETSW2:
    case TCSETSF2:
    case TCSETA:
    case TCSETAW:
    case TCSETAF:
    case TCSBRK:
    case TCSBRKP:
    case TCFLSH:
    case TCXONC:
    case TIOCSWINSZ:
      if (job != nullptr && cmd != TIOCSWINSZ) RETURN_IF_ERROR(job->CheckChange());
      break;
    default:
      break;
  }
  switch (cmd) {
    case TCGETS:
      return GetFromHost<struct termios>(fd, mm, cmd, arg);
    case TCGETS2:
      return GetFromHost<struct termios2>(fd, mm, cmd, arg);
    case TCGETA:
      return GetFromHost<struct termio>(fd, mm, cmd, arg);
    case TIOCGWINSZ:
      return GetFromHost<struct winsize>(fd, mm, cmd, arg);
    case TIOCOUTQ:
    case FIONREAD:
    case TIOCGETD:
      return GetFromHost<int>(fd, mm, cmd, arg);
    case TIOCSWINSZ:
      return SetOnHost<struct winsize>(fd, mm, cmd, arg);
    case TCSETS:
      return SetOnHost<struct termios>(fd, mm, cmd, arg);
    case TCSETS2:
      return SetOnHost<struct termios2>(fd, mm, cmd, arg);
    case TCSETA:
      return SetOnHost<struct termio>(fd, mm, cmd, arg);
    case TCSETSW:
    case TCSETSF:
      if (!OutputDrained(fd)) return Errno::kEAGAIN;
      return SetOnHost<struct termios>(fd, mm, cmd, arg);
    case TCSETSW2:
    case TCSETSF2:
      if (!OutputDrained(fd)) return Errno::kEAGAIN;
      return SetOnHost<struct termios2>(fd, mm, cmd, arg);
    case TCSETAW:
    case TCSETAF:
      if (!OutputDrained(fd)) return Errno::kEAGAIN;
      return SetOnHost<struct termio>(fd, mm, cmd, arg);
    case TCSBRK:
    case TCSBRKP:
      // A break of a quarter of a second would hold up the host thread; draining is what is used.
      if (!OutputDrained(fd)) return Errno::kEAGAIN;
      if (arg == 0) return Errno::kEINVAL;
      return 0;
    case TCFLSH:
    case TCXONC:
      if (ioctl(fd, cmd, arg) < 0) return HostErrno();
      return 0;
    default:
      return Errno::kENOTTY;
  }
}

}  // namespace cvisor::fs::host
