// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// What several handlers need: looking up files and paths, waiting on files, copying in times.

#ifndef CVISOR_PKG_SENTRY_SYSCALLS_HELPERS_H_
#define CVISOR_PKG_SENTRY_SYSCALLS_HELPERS_H_

#include <cstdint>
#include <string>
#include <utility>

#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/syscalls/table.h"
#include "pkg/sentry/vfs/file_description.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::syscalls {

using kernel::Deadline;
using vfs::FileDescription;

// Most bytes that one call moves: INT_MAX rounded down to a page.
inline constexpr uint64_t kMaxRwCount = 0x7ffff000;
// End of the addresses that an application can have (access_ok()).
inline constexpr uint64_t kUserEnd = 0x7ffffffff000;

// EFAULT unless [addr, addr + size) may be user memory at all.
Status CheckUserRange(UserAddr addr, uint64_t size);

// --- Files.
Result<Ref<FileDescription>> GetReadable(Task& t, int fd);  // EBADF
Result<Ref<FileDescription>> GetWritable(Task& t, int fd);  // EBADF
// The lowest free descriptor number for `file`, as a system call returns it. EMFILE.
Result<uint64_t> InstallFile(Task& t, Ref<FileDescription> file, bool cloexec);
// Two of them, stored as int[2] at `fds`: pipe(2), socketpair(2).
Result<uint64_t> InstallFilePair(Task& t, Ref<FileDescription> a, Ref<FileDescription> b,
                                 bool cloexec, UserAddr fds);
// EMFILE if there is no free number now: before something that cannot be undone (O_CREAT, accept).
Status CheckFreeFd(Task& t);

// Ends a call that wrote: EPIPE also raises SIGPIPE unless the caller says otherwise.
Errno WriteError(Task& t, Errno error, bool no_sigpipe = false);
// SIGPIPE, SIGXFSZ to the calling thread.
void SendKernelSignal(Task& t, int sig);
// A file of `size` bytes may exist: RLIMIT_FSIZE (SIGXFSZ, EFBIG). For regular files.
Status CheckFileSize(Task& t, uint64_t size);

// Calls `attempt` once, or until it no longer says EAGAIN if `blocking` and the file can wait.
template <typename Attempt>
auto AttemptOrWait(Task& t, FileDescription& file, EventMask mask, bool blocking, Deadline deadline,
                   Attempt attempt) -> decltype(attempt()) {
  if (!blocking) return attempt();
  WaitQueue* queue = file.wait_queue();
  if (queue == nullptr) return attempt();
  return t.BlockOn(*queue, mask, deadline, attempt);
}

// --- Paths.
// Where a relative path starts; a dirfd is not looked at for absolute ones.
Result<vfs::WalkContext> WalkAt(Task& t, int dirfd, std::string_view path);

struct PathArg {
  std::string path;
  vfs::WalkContext walk;
};
// Copies the path in. ENOENT if empty, unless allowed.
Result<PathArg> CopyInPathAt(Task& t, int dirfd, UserAddr path, bool allow_empty = false);

// A path that was walked, with the context that walked it.
struct Target {
  vfs::WalkContext walk;
  vfs::Path path;
};
// at_flags: AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH; others are ignored (the caller checked them).
Result<Target> ResolveAt(Task& t, int dirfd, UserAddr path, int at_flags);

// --- Times.
// A relative timeout; never if addr is 0. EINVAL if not valid.
Result<Deadline> CopyInTimeout(Task& t, UserAddr addr);
// What is left until the deadline, not below zero.
timespec TimeLeft(Deadline deadline);

// The signal mask argument of ppoll(2) and its like: none if addr is 0. EINVAL unless size is 8.
Status SetMaskForCall(Task& t, UserAddr addr, uint64_t size);

}  // namespace cvisor::syscalls

#endif  // CVISOR_PKG_SENTRY_SYSCALLS_HELPERS_H_
