// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// signalfd(2).

#include "pkg/sentry/fs/signalfd/signalfd.h"
#include "pkg/sentry/syscalls/handlers.h"

namespace cvisor::syscalls {
namespace {

Result<uint64_t> MakeSignalFd(Task& t, int fd, UserAddr mask_addr, uint64_t size, int flags) {
  if (size != sizeof(kernel::SignalSet)) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const auto mask, t.CopyIn<kernel::SignalSet>(mask_addr));
  if ((flags & ~(SFD_NONBLOCK | SFD_CLOEXEC)) != 0) return Errno::kEINVAL;
  if (fd == -1) {
    ASSIGN_OR_RETURN(const int made, t.InstallFd(MakeRef<fs::signalfd::SignalFd>(mask, flags),
                                                 (flags & SFD_CLOEXEC) != 0));
    return static_cast<uint64_t>(made);
  }
  ASSIGN_OR_RETURN(const auto file, t.GetFile(fd));
  const auto signal_fd = RefCast<fs::signalfd::SignalFd>(file);
  if (signal_fd == nullptr) return Errno::kEINVAL;
  signal_fd->SetMask(mask & ~kernel::kUnblockable);
  return static_cast<uint64_t>(fd);
}

}  // namespace

Result<uint64_t> Signalfd(Task& t, const SyscallArgs& a) {
  return MakeSignalFd(t, a[0].As<int>(), a[1].raw, a[2].raw, 0);
}

Result<uint64_t> Signalfd4(Task& t, const SyscallArgs& a) {
  return MakeSignalFd(t, a[0].As<int>(), a[1].raw, a[2].raw, a[3].As<int>());
}

}  // namespace cvisor::syscalls
