// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/syscalls/helpers.h"

#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <vector>

namespace cvisor::syscalls {

Status CheckUserRange(UserAddr addr, uint64_t size) {
  if (size > kUserEnd || addr > kUserEnd - size) return Errno::kEFAULT;
  return OkStatus();
}

Result<Ref<FileDescription>> GetReadable(Task& t, int fd) {
  ASSIGN_OR_RETURN(auto file, t.GetFile(fd));
  if (!file->readable()) return Errno::kEBADF;
  return file;
}

Result<Ref<FileDescription>> GetWritable(Task& t, int fd) {
  ASSIGN_OR_RETURN(auto file, t.GetFile(fd));
  if (!file->writable()) return Errno::kEBADF;
  return file;
}

Result<uint64_t> InstallFile(Task& t, Ref<FileDescription> file, bool cloexec) {
  ASSIGN_OR_RETURN(const int fd, t.InstallFd(std::move(file), cloexec));
  return static_cast<uint64_t>(fd);
}

Result<uint64_t> InstallFilePair(Task& t, Ref<FileDescription> a, Ref<FileDescription> b,
                                 bool cloexec, UserAddr fds) {
  ASSIGN_OR_RETURN(const auto pair, t.fds().InstallPair(std::move(a), std::move(b), cloexec,
                                                        t.Rlimit(RLIMIT_NOFILE)));
  const int numbers[2] = {pair.first, pair.second};
  if (auto status = t.mm().CopyOutBytes(fds, numbers, sizeof(numbers)); !status.ok()) {
    (void)t.fds().Close(pair.first);
    (void)t.fds().Close(pair.second);
    return status.error();
  }
  return 0;
}

Status CheckFreeFd(Task& t) {
  const uint64_t limit = t.Rlimit(RLIMIT_NOFILE);
  if (static_cast<uint64_t>(t.fds().highest() + 1) < limit) return OkStatus();
  const std::vector<int> used = t.fds().List();
  const auto below = std::count_if(used.begin(), used.end(), [limit](int fd) {
    return static_cast<uint64_t>(fd) < limit;
  });
  return static_cast<uint64_t>(below) < limit ? OkStatus() : Status(Errno::kEMFILE);
}

void SendKernelSignal(Task& t, int sig) {
  // As Linux's send_sig(): from the process itself.
  (void)t.SendSignal(kernel::MakeKillInfo(sig, SI_USER, t.tg().id(), t.creds()->ruid));
}

Errno WriteError(Task& t, Errno error, bool no_sigpipe) {
  if (error == Errno::kEPIPE && !no_sigpipe) SendKernelSignal(t, SIGPIPE);
  return error;
}

Status CheckFileSize(Task& t, uint64_t size) {
  if (size <= t.Rlimit(RLIMIT_FSIZE)) return OkStatus();
  SendKernelSignal(t, SIGXFSZ);
  return Errno::kEFBIG;
}

Result<vfs::WalkContext> WalkAt(Task& t, int dirfd, std::string_view path) {
  if (path.starts_with('/')) return t.WalkFromCwd();
  return t.WalkFrom(dirfd);
}

Result<PathArg> CopyInPathAt(Task& t, int dirfd, UserAddr path, bool allow_empty) {
  ASSIGN_OR_RETURN(std::string copied, t.mm().CopyInPath(path));
  if (copied.empty() && !allow_empty) return Errno::kENOENT;
  ASSIGN_OR_RETURN(auto walk, WalkAt(t, dirfd, copied));
  return PathArg{std::move(copied), std::move(walk)};
}

Result<Target> ResolveAt(Task& t, int dirfd, UserAddr path, int at_flags) {
  const bool empty_ok = (at_flags & AT_EMPTY_PATH) != 0;
  ASSIGN_OR_RETURN(PathArg arg, CopyInPathAt(t, dirfd, path, empty_ok));
  vfs::WalkOptions opts;
  opts.follow_final = !(at_flags & AT_SYMLINK_NOFOLLOW);
  opts.empty_path = empty_ok;
  ASSIGN_OR_RETURN(vfs::Path place, vfs::Walk(arg.walk, arg.path, opts));
  return Target{std::move(arg.walk), std::move(place)};
}

Result<Deadline> CopyInTimeout(Task& t, UserAddr addr) {
  if (addr == 0) return Deadline::Never();
  ASSIGN_OR_RETURN(const auto ts, t.CopyIn<timespec>(addr));
  if (!kernel::ValidTimespec(ts)) return Errno::kEINVAL;
  return Deadline::After(kernel::TimespecToNs(ts));
}

timespec TimeLeft(Deadline deadline) {
  return kernel::NsToTimespec(std::max<int64_t>(0, deadline.ns - kernel::MonotonicNs()));
}

Status SetMaskForCall(Task& t, UserAddr addr, uint64_t size) {
  if (addr == 0) return OkStatus();
  if (size != sizeof(kernel::SignalSet)) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const auto mask, t.CopyIn<kernel::SignalSet>(addr));
  t.SetTemporaryMask(mask & ~kernel::kUnblockable);
  return OkStatus();
}

}  // namespace cvisor::syscalls
