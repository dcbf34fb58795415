// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// open(2), openat(2), creat(2), openat2(2).

#include <fcntl.h>
#include <linux/openat2.h>

#include <algorithm>
#include <vector>

#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif

namespace cvisor::syscalls {
namespace {

constexpr uint64_t kKernelTmpfile = O_TMPFILE & ~O_DIRECTORY;
constexpr uint64_t kKnownFlags =
    O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC |
    O_ASYNC | O_DIRECT | vfs::kOLargeFile | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC |
    O_PATH | kKernelTmpfile;
constexpr uint64_t kWithOPath = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
constexpr uint64_t kKnownResolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS |
                                   RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_CACHED;

Result<uint64_t> OpenFile(Task& t, int dirfd, UserAddr path, const vfs::OpenOptions& opts) {
  if ((opts.flags & O_CREAT) && (opts.flags & O_DIRECTORY)) return Errno::kEINVAL;  // path unseen
  ASSIGN_OR_RETURN(PathArg arg, CopyInPathAt(t, dirfd, path));
  // The directory also counts for absolute paths if it is the root.
  if (opts.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) {
    ASSIGN_OR_RETURN(arg.walk, t.WalkFrom(dirfd));
  }
  RETURN_IF_ERROR(CheckFreeFd(t));
  ASSIGN_OR_RETURN(auto file, vfs::Open(arg.walk, arg.path, opts));
  RETURN_IF_ERROR(AttemptOrWait(t, *file, kEventIn | kEventOut, /*blocking=*/true,
                                Deadline::Never(), [&] { return file->FinishOpen(); }));
  return InstallFile(t, std::move(file), (opts.flags & O_CLOEXEC) != 0);
}

// open(2) ignores what it does not know and what O_PATH makes meaningless; openat2(2) does not.
vfs::OpenOptions LenientOptions(uint64_t flags, uint64_t mode) {
  flags &= kKnownFlags;
  if (flags & O_PATH) flags &= kWithOPath;
  const bool creates = (flags & (O_CREAT | kKernelTmpfile)) != 0;
  return {.flags = static_cast<int>(flags | vfs::kOLargeFile),
          .mode = creates ? static_cast<mode_t>(mode & 07777) : 0};
}

// struct open_how of any size: what this kernel does not know must be zero.
Result<open_how> CopyInOpenHow(Task& t, UserAddr addr, uint64_t size) {
  if (size < sizeof(open_how)) return Errno::kEINVAL;
  if (size > mm::kPageSize) return Errno::kE2BIG;
  std::vector<char> bytes(size);
  RETURN_IF_ERROR(t.mm().CopyInBytes(addr, bytes.data(), size));
  const auto known = static_cast<ptrdiff_t>(sizeof(open_how));
  if (std::any_of(bytes.begin() + known, bytes.end(), [](char c) { return c != 0; })) {
    return Errno::kE2BIG;
  }
  open_how how;
  std::memcpy(&how, bytes.data(), sizeof(how));
  return how;
}

}  // namespace

Result<uint64_t> Open(Task& t, const SyscallArgs& a) {
  return OpenFile(t, AT_FDCWD, a[0].As<UserAddr>(), LenientOptions(a[1].As<uint32_t>(), a[2].raw));
}

Result<uint64_t> Openat(Task& t, const SyscallArgs& a) {
  return OpenFile(t, a[0].As<int>(), a[1].As<UserAddr>(),
                  LenientOptions(a[2].As<uint32_t>(), a[3].raw));
}

Result<uint64_t> Creat(Task& t, const SyscallArgs& a) {
  return OpenFile(t, AT_FDCWD, a[0].As<UserAddr>(),
                  LenientOptions(O_CREAT | O_WRONLY | O_TRUNC, a[1].raw));
}

Result<uint64_t> Openat2(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const open_how how, CopyInOpenHow(t, a[2].As<UserAddr>(), a[3].As<uint64_t>()));
  if (how.flags & ~kKnownFlags) return Errno::kEINVAL;
  if (how.resolve & ~kKnownResolve) return Errno::kEINVAL;
  if ((how.resolve & RESOLVE_BENEATH) && (how.resolve & RESOLVE_IN_ROOT)) return Errno::kEINVAL;
  const bool creates = (how.flags & (O_CREAT | kKernelTmpfile)) != 0;
  if (how.mode & ~uint64_t{07777}) return Errno::kEINVAL;
  if (how.mode != 0 && !creates) return Errno::kEINVAL;
  if ((how.flags & O_PATH) && (how.flags & ~kWithOPath)) return Errno::kEINVAL;
  if ((how.resolve & RESOLVE_CACHED) && (creates || (how.flags & O_TRUNC))) return Errno::kEAGAIN;
  return OpenFile(t, a[0].As<int>(), a[1].As<UserAddr>(),
                  {.flags = static_cast<int>(how.flags | vfs::kOLargeFile),
                   .mode = static_cast<mode_t>(how.mode),
                   .resolve = how.resolve});
}

}  // namespace cvisor::syscalls
