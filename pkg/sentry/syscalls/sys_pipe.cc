// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// pipe(2), eventfd(2).

#include <fcntl.h>
#include <sys/eventfd.h>

#include "pkg/sentry/fs/eventfd/eventfd.h"
#include "pkg/sentry/fs/pipe/pipe.h"
#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"

namespace cvisor::syscalls {
namespace {

Result<uint64_t> MakePipe(Task& t, UserAddr fds, int flags) {
  if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT | O_EXCL)) return Errno::kEINVAL;
  if (flags & O_EXCL) return Errno::kENOPKG;  // O_NOTIFICATION_PIPE: no watch queues
  fs::pipe::PipePair pipe = fs::pipe::NewPipe(flags);
  return InstallFilePair(t, std::move(pipe.reader), std::move(pipe.writer),
                         (flags & O_CLOEXEC) != 0, fds);
}

Result<uint64_t> MakeEventfd(Task& t, uint32_t initial, int flags) {
  ASSIGN_OR_RETURN(auto file, fs::eventfd::NewEventFd(initial, flags));
  return InstallFile(t, std::move(file), (flags & EFD_CLOEXEC) != 0);
}

}  // namespace

Result<uint64_t> Pipe(Task& t, const SyscallArgs& a) { return MakePipe(t, a[0].As<UserAddr>(), 0); }

Result<uint64_t> Pipe2(Task& t, const SyscallArgs& a) {
  return MakePipe(t, a[0].As<UserAddr>(), a[1].As<int>());
}

Result<uint64_t> Eventfd(Task& t, const SyscallArgs& a) {
  return MakeEventfd(t, a[0].As<uint32_t>(), 0);
}

Result<uint64_t> Eventfd2(Task& t, const SyscallArgs& a) {
  return MakeEventfd(t, a[0].As<uint32_t>(), a[1].As<int>());
}

}  // namespace cvisor::syscalls
