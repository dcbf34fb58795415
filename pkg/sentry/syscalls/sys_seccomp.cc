// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// seccomp(2): filters of the application's own. How they act: kernel/task_seccomp.cc.

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "pkg/sentry/kernel/seccomp_listener.h"
#include "pkg/sentry/seccomp/bpf.h"
#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/seccomp_mode.h"

namespace cvisor::syscalls {
namespace {

constexpr uint32_t kKnownFlags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG |
                                 SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_NEW_LISTENER |
                                 SECCOMP_FILTER_FLAG_TSYNC_ESRCH |
                                 SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;

// The descriptor first: a filter cannot be taken back.
Result<uint64_t> InstallWithListener(Task& t, std::vector<sock_filter> program, bool all_threads,
                                     bool killable) {
  RETURN_IF_ERROR(seccomp::CheckProgram(program));
  auto listener = MakeRef<kernel::SeccompListener>(killable);
  const auto file = kernel::NewSeccompListenerFile(listener);
  ASSIGN_OR_RETURN(const int fd, t.InstallFd(file, /*cloexec=*/true));
  const auto unable =
      t.InstallSeccompFilter(std::move(program), all_threads, std::move(listener));
  if (unable.ok() && *unable == 0) return static_cast<uint64_t>(fd);
  if (const auto installed = t.GetFile(fd); installed.ok() && *installed == file) {
    (void)t.fds().Close(fd);
  }
  return unable.ok() ? Errno::kESRCH : unable.error();
}

Result<uint64_t> SetFilter(Task& t, uint32_t flags, UserAddr addr) {
  if ((flags & ~kKnownFlags) != 0) return Errno::kEINVAL;
  const bool tsync = (flags & SECCOMP_FILTER_FLAG_TSYNC) != 0;
  const bool esrch = (flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH) != 0;
  const bool listen = (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0;
  const bool killable = (flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) != 0;
  if (tsync && listen && !esrch) return Errno::kEINVAL;
  if (killable && !listen) return Errno::kEINVAL;
  // The kernel's own struct sock_fprog has the same layout.
  ASSIGN_OR_RETURN(const auto prog, t.CopyIn<sock_fprog>(addr));
  if (prog.len == 0 || prog.len > BPF_MAXINSNS) return Errno::kEINVAL;
  if (!t.no_new_privs.load() && !t.HasOwnCap(CAP_SYS_ADMIN)) return Errno::kEACCES;
  if (prog.filter == nullptr) return Errno::kEINVAL;
  std::vector<sock_filter> program(prog.len);
  RETURN_IF_ERROR(t.mm().CopyInBytes(reinterpret_cast<UserAddr>(prog.filter), program.data(),
                                     program.size() * sizeof(sock_filter)));
  if (listen) return InstallWithListener(t, std::move(program), tsync, killable);
  ASSIGN_OR_RETURN(const pid_t unable, t.InstallSeccompFilter(std::move(program), tsync));
  if (unable != 0 && esrch) return Errno::kESRCH;
  return static_cast<uint64_t>(unable);
}

Result<uint64_t> SetStrict(Task& t) {
  RETURN_IF_ERROR(t.EnterStrictSeccomp());
  return 0;
}

Result<uint64_t> IsActionAvailable(Task& t, UserAddr addr) {
  ASSIGN_OR_RETURN(const auto action, t.CopyIn<uint32_t>(addr));
  switch (action) {
    case SECCOMP_RET_KILL_PROCESS:
    case SECCOMP_RET_KILL_THREAD:
    case SECCOMP_RET_TRAP:
    case SECCOMP_RET_ERRNO:
    case SECCOMP_RET_USER_NOTIF:
    case SECCOMP_RET_TRACE:
    case SECCOMP_RET_LOG:
    case SECCOMP_RET_ALLOW:
      return 0;
    default:
      return Errno::kEOPNOTSUPP;
  }
}

}  // namespace

Result<uint64_t> SetSeccompMode(Task& t, uint64_t mode, UserAddr program) {
  switch (mode) {
    case SECCOMP_MODE_STRICT:
      return SetStrict(t);
    case SECCOMP_MODE_FILTER:
      return SetFilter(t, 0, program);
    default:
      return Errno::kEINVAL;
  }
}

Result<uint64_t> Seccomp(Task& t, const SyscallArgs& a) {
  const auto flags = a[1].As<uint32_t>();
  const UserAddr addr = a[2].raw;
  switch (a[0].As<uint32_t>()) {
    case SECCOMP_SET_MODE_STRICT:
      if (flags != 0 || addr != 0) return Errno::kEINVAL;
      return SetStrict(t);
    case SECCOMP_SET_MODE_FILTER:
      return SetFilter(t, flags, addr);
    case SECCOMP_GET_ACTION_AVAIL:
      if (flags != 0) return Errno::kEINVAL;
      return IsActionAvailable(t, addr);
    case SECCOMP_GET_NOTIF_SIZES: {
      if (flags != 0) return Errno::kEINVAL;
      constexpr seccomp_notif_sizes kSizes = {.seccomp_notif = sizeof(seccomp_notif),
                                              .seccomp_notif_resp = sizeof(seccomp_notif_resp),
                                              .seccomp_data = sizeof(seccomp_data)};
      RETURN_IF_ERROR(t.CopyOut(addr, kSizes));
      return 0;
    }
    default:
      return Errno::kEINVAL;
  }
}

}  // namespace cvisor::syscalls
