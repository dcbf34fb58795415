// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// close(2), close_range(2), dup(2), dup2(2), dup3(2).

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/resource.h>

#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"

namespace cvisor::syscalls {
namespace {

Result<uint64_t> DupTo(Task& t, int old_fd, int new_fd, bool cloexec) {
  const uint64_t limit = t.Rlimit(RLIMIT_NOFILE);
  if (new_fd < 0 || static_cast<uint64_t>(new_fd) >= limit) return Errno::kEBADF;
  ASSIGN_OR_RETURN(auto file, t.fds().GetAny(old_fd));
  RETURN_IF_ERROR(t.fds().InstallAt(new_fd, std::move(file), cloexec, limit));
  return static_cast<uint64_t>(new_fd);
}

}  // namespace

Result<uint64_t> Close(Task& t, const SyscallArgs& a) {
  const Status status = t.fds().Close(a[0].As<int>());
  // The descriptor is gone: a restart would close another one.
  if (status.error() == Errno::kERESTARTSYS) return Errno::kEINTR;
  RETURN_IF_ERROR(status);
  return 0;
}

Result<uint64_t> CloseRange(Task& t, const SyscallArgs& a) {
  const auto first = a[0].As<uint32_t>();
  const auto last = a[1].As<uint32_t>();
  const auto flags = a[2].As<uint32_t>();
  if (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) return Errno::kEINVAL;
  if (first > last) return Errno::kEINVAL;
  if (flags & CLOSE_RANGE_UNSHARE) t.UnshareFds();
  t.fds().CloseRange(first, last, (flags & CLOSE_RANGE_CLOEXEC) != 0);
  return 0;
}

Result<uint64_t> Dup(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto file, t.fds().GetAny(a[0].As<int>()));
  return InstallFile(t, std::move(file), /*cloexec=*/false);
}

Result<uint64_t> Dup2(Task& t, const SyscallArgs& a) {
  const auto old_fd = a[0].As<int>();
  const auto new_fd = a[1].As<int>();
  if (old_fd != new_fd) return DupTo(t, old_fd, new_fd, /*cloexec=*/false);
  RETURN_IF_ERROR(t.fds().GetAny(old_fd));
  return static_cast<uint64_t>(new_fd);
}

Result<uint64_t> Dup3(Task& t, const SyscallArgs& a) {
  const auto old_fd = a[0].As<int>();
  const auto new_fd = a[1].As<int>();
  const auto flags = a[2].As<int>();
  if (flags & ~O_CLOEXEC) return Errno::kEINVAL;
  if (old_fd == new_fd) return Errno::kEINVAL;
  return DupTo(t, old_fd, new_fd, (flags & O_CLOEXEC) != 0);
}

}  // namespace cvisor::syscalls
