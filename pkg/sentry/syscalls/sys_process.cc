// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Processes and threads: clone(2), execve(2), exit(2), wait(2), process groups and sessions.

#include <linux/kcmp.h>
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>

#include "pkg/base/check.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/pidfd.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/kernel/trace.h"
#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/rusage.h"

namespace cvisor::syscalls {
namespace {

// Limits of execve(2): one string, and the number of strings (MAX_ARG_STRINGS is never the limit).
constexpr size_t kMaxArgString = 32 * mm::kPageSize;

Result<uint64_t> DoClone(Task& t, const kernel::CloneArgs& args) {
  ASSIGN_OR_RETURN(const pid_t pid, t.Clone(args));
  return static_cast<uint64_t>(pid);
}

// Copies argv or envp. `budget` is what is left of the total allowed.
Result<std::vector<std::string>> CopyInStrings(Task& t, UserAddr addr, uint64_t* budget) {
  std::vector<std::string> out;
  if (addr == 0) return out;
  for (;; addr += sizeof(uint64_t)) {
    ASSIGN_OR_RETURN(const UserAddr pointer, t.CopyIn<uint64_t>(addr));
    if (pointer == 0) return out;
    auto s = t.mm().CopyInString(pointer, kMaxArgString - 1);
    if (!s.ok()) return s.error() == Errno::kENAMETOOLONG ? Errno::kE2BIG : s.error();
    const uint64_t cost = s->size() + 1 + sizeof(uint64_t);
    if (cost > *budget) return Errno::kE2BIG;
    *budget -= cost;
    out.push_back(*std::move(s));
  }
}

Result<uint64_t> DoExec(Task& t, const vfs::WalkContext& walk, int dirfd, const std::string& path,
                        UserAddr argv_addr, UserAddr envp_addr, int flags) {
  // The exact check is the loader's, which knows the stack limit; this one bounds our memory.
  uint64_t budget = 6u << 20;
  ASSIGN_OR_RETURN(auto argv, CopyInStrings(t, argv_addr, &budget));
  ASSIGN_OR_RETURN(auto envp, CopyInStrings(t, envp_addr, &budget));
  // Linux gives a program that was started without any argument an empty argv[0].
  if (argv.empty()) argv.emplace_back();
  RETURN_IF_ERROR(t.Execve(walk, dirfd, path, flags, std::move(argv), std::move(envp)));
  return 0;
}

Result<kernel::WaitResult> DoWait(Task& t, const kernel::WaitOptions& options) {
  return t.tg().Wait(t, options);
}

}  // namespace

Result<uint64_t> Clone(Task& t, const SyscallArgs& a) {
  const uint64_t flags = a[0].As<uint64_t>() & 0xffffffff;
  kernel::CloneArgs args;
  args.flags = flags & ~uint64_t{CSIGNAL};
  args.exit_signal = static_cast<int>(flags & CSIGNAL);
  args.stack = a[1].raw;
  args.parent_tid = a[2].raw;
  args.pidfd = a[2].raw;
  args.child_tid = a[3].raw;
  args.tls = a[4].raw;
  if ((flags & CLONE_PIDFD) != 0 && (flags & CLONE_PARENT_SETTID) != 0) return Errno::kEINVAL;
  return DoClone(t, args);
}

Result<uint64_t> Clone3(Task& t, const SyscallArgs& a) {
  const UserAddr addr = a[0].raw;
  const uint64_t size = a[1].raw;
  if (size > mm::kPageSize) return Errno::kE2BIG;
  if (size < CLONE_ARGS_SIZE_VER0) return Errno::kEINVAL;
  clone_args in = {};
  RETURN_IF_ERROR(t.mm().CopyInBytes(addr, &in, std::min<size_t>(size, sizeof(in))));
  for (uint64_t i = sizeof(in); i < size; ++i) {
    ASSIGN_OR_RETURN(const uint8_t byte, t.CopyIn<uint8_t>(addr + i));
    if (byte != 0) return Errno::kE2BIG;
  }
  constexpr uint64_t kKnown = 0xffffffffu | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP;
  if ((in.flags & ~kKnown) != 0 || (in.flags & (CLONE_DETACHED | (CSIGNAL & ~CLONE_NEWTIME))) != 0) {
    return Errno::kEINVAL;
  }
  if ((in.flags & CLONE_INTO_CGROUP) != 0) return Errno::kEOPNOTSUPP;
  if (in.exit_signal > kernel::kNumSignals) return Errno::kEINVAL;
  if ((in.flags & (CLONE_THREAD | CLONE_PARENT)) != 0 && in.exit_signal != 0) return Errno::kEINVAL;
  if ((in.stack == 0) != (in.stack_size == 0)) return Errno::kEINVAL;
  if ((in.set_tid == 0) != (in.set_tid_size == 0) || in.set_tid_size > 32) return Errno::kEINVAL;
  kernel::CloneArgs args;
  args.flags = in.flags;
  args.exit_signal = static_cast<int>(in.exit_signal);
  args.stack = in.stack == 0 ? 0 : in.stack + in.stack_size;
  args.parent_tid = in.parent_tid;
  args.child_tid = in.child_tid;
  args.pidfd = in.pidfd;
  args.tls = in.tls;
  for (uint64_t i = 0; i < in.set_tid_size; ++i) {
    ASSIGN_OR_RETURN(const pid_t tid, t.CopyIn<pid_t>(in.set_tid + i * sizeof(pid_t)));
    args.set_tid.push_back(tid);
  }
  if (!args.set_tid.empty() && !t.HasCap(CAP_SYS_ADMIN) && !t.HasCap(CAP_CHECKPOINT_RESTORE)) {
    return Errno::kEPERM;
  }
  return DoClone(t, args);
}

Result<uint64_t> Fork(Task& t, const SyscallArgs&) {
  kernel::CloneArgs args;
  args.exit_signal = SIGCHLD;
  return DoClone(t, args);
}

Result<uint64_t> Vfork(Task& t, const SyscallArgs&) {
  kernel::CloneArgs args;
  args.flags = CLONE_VM | CLONE_VFORK;
  args.exit_signal = SIGCHLD;
  return DoClone(t, args);
}

Result<uint64_t> Execve(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const std::string path, t.mm().CopyInPath(a[0].raw));
  return DoExec(t, t.WalkFromCwd(), AT_FDCWD, path, a[1].raw, a[2].raw, 0);
}

Result<uint64_t> Execveat(Task& t, const SyscallArgs& a) {
  const int flags = a[4].As<int>();
  if ((flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) != 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const std::string path, t.mm().CopyInPath(a[1].raw));
  vfs::WalkContext walk = t.WalkFromCwd();
  if (path.empty() || path[0] != '/') {
    ASSIGN_OR_RETURN(walk, t.WalkFrom(a[0].As<int>()));
  }
  return DoExec(t, walk, a[0].As<int>(), path, a[2].raw, a[3].raw, flags);
}

Result<uint64_t> Exit(Task& t, const SyscallArgs& a) {
  t.Exit((a[0].As<int>() & 0xff) << 8);
  t.SetRegistersFinal();
  return 0;
}

Result<uint64_t> ExitGroup(Task& t, const SyscallArgs& a) {
  t.ExitGroup((a[0].As<int>() & 0xff) << 8);
  t.SetRegistersFinal();
  return 0;
}

Result<uint64_t> Wait4(Task& t, const SyscallArgs& a) {
  const int pid = a[0].As<int>();
  const UserAddr status_addr = a[1].raw;
  const int flags = a[2].As<int>();
  const UserAddr rusage_addr = a[3].raw;
  if ((flags & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL)) != 0) {
    return Errno::kEINVAL;
  }
  if (pid == INT32_MIN) return Errno::kESRCH;
  kernel::WaitOptions options;
  options.flags = flags | WEXITED;
  if (pid > 0) {
    options.target = kernel::WaitOptions::Target::kProcess;
    options.id = pid;
  } else if (pid != -1) {
    options.target = kernel::WaitOptions::Target::kGroup;
    options.id = -pid;
  }
  ASSIGN_OR_RETURN(const kernel::WaitResult r, DoWait(t, options));
  if (r.pid == 0) return 0;
  if (status_addr != 0) RETURN_IF_ERROR(t.CopyOut<int>(status_addr, r.status));
  if (rusage_addr != 0) RETURN_IF_ERROR(t.CopyOut(rusage_addr, ToRusage(r.usage)));
  return static_cast<uint64_t>(r.pid);
}

Result<uint64_t> Waitid(Task& t, const SyscallArgs& a) {
  const int type = a[0].As<int>();
  const int id = a[1].As<int>();
  const UserAddr info_addr = a[2].raw;
  const int flags = a[3].As<int>();
  const UserAddr rusage_addr = a[4].raw;
  if ((flags & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | __WCLONE |
                 __WALL)) != 0 ||
      (flags & (WEXITED | WSTOPPED | WCONTINUED)) == 0) {
    return Errno::kEINVAL;
  }
  kernel::WaitOptions options;
  options.flags = flags;
  Ref<kernel::ThreadGroup> hold;
  switch (type) {
    case P_ALL:
      break;
    case P_PID:
      if (id <= 0) return Errno::kEINVAL;
      options.target = kernel::WaitOptions::Target::kProcess;
      options.id = id;
      break;
    case P_PGID:
      if (id < 0) return Errno::kEINVAL;
      options.target = kernel::WaitOptions::Target::kGroup;
      options.id = id;
      break;
    case P_PIDFD: {
      if (id < 0) return Errno::kEINVAL;
      ASSIGN_OR_RETURN(auto file, t.GetFile(id));
      const auto pidfd = RefCast<kernel::PidFd>(file);
      if (pidfd == nullptr) return Errno::kEBADF;
      hold = pidfd->tg();
      options.target = kernel::WaitOptions::Target::kProcess;
      options.process = hold.get();
      if (pidfd->nonblocking()) options.flags |= WNOHANG;
      break;
    }
    default:
      return Errno::kEINVAL;
  }
  ASSIGN_OR_RETURN(const kernel::WaitResult r, DoWait(t, options));
  if (r.pid == 0 && type == P_PIDFD && (flags & WNOHANG) == 0) return Errno::kEAGAIN;
  if (rusage_addr != 0 && r.pid != 0) RETURN_IF_ERROR(t.CopyOut(rusage_addr, ToRusage(r.usage)));
  if (info_addr != 0) {
    siginfo_t info;
    memset(&info, 0, sizeof(info));
    if (r.pid != 0) {
      info.si_signo = SIGCHLD;
      info.si_code = r.child_code;
      info.si_pid = r.pid;
      info.si_uid = t.creds()->user_ns->Munged(UserNamespace::Kind::kUser, r.uid);
      info.si_status = r.child_status;
    }
    // The kernel writes these fields only, one by one.
    RETURN_IF_ERROR(t.mm().CopyOutBytes(info_addr, &info, 3 * sizeof(int)));
    RETURN_IF_ERROR(t.CopyOut<int>(info_addr + offsetof(siginfo_t, si_pid), info.si_pid));
    RETURN_IF_ERROR(t.CopyOut<uid_t>(info_addr + offsetof(siginfo_t, si_uid), info.si_uid));
    RETURN_IF_ERROR(t.CopyOut<int>(info_addr + offsetof(siginfo_t, si_status), info.si_status));
  }
  return 0;
}

Result<uint64_t> Getpid(Task& t, const SyscallArgs&) { return static_cast<uint64_t>(t.tg().id()); }

Result<uint64_t> Gettid(Task& t, const SyscallArgs&) { return static_cast<uint64_t>(t.tid()); }

Result<uint64_t> Getppid(Task& t, const SyscallArgs&) {
  return static_cast<uint64_t>(t.tg().own_parent_id());
}

Result<uint64_t> Getpgid(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const pid_t pgid, t.tg().Getpgid(t, a[0].As<pid_t>()));
  return static_cast<uint64_t>(pgid);
}

Result<uint64_t> Getpgrp(Task& t, const SyscallArgs&) {
  ASSIGN_OR_RETURN(const pid_t pgid, t.tg().Getpgid(t, 0));
  return static_cast<uint64_t>(pgid);
}

Result<uint64_t> Setpgid(Task& t, const SyscallArgs& a) {
  RETURN_IF_ERROR(t.tg().Setpgid(t, a[0].As<pid_t>(), a[1].As<pid_t>()));
  return 0;
}

Result<uint64_t> Setsid(Task& t, const SyscallArgs&) {
  ASSIGN_OR_RETURN(const pid_t sid, t.tg().Setsid());
  return static_cast<uint64_t>(sid);
}

Result<uint64_t> Getsid(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const pid_t sid, t.tg().Getsid(t, a[0].As<pid_t>()));
  return static_cast<uint64_t>(sid);
}

Result<uint64_t> SetTidAddress(Task& t, const SyscallArgs& a) {
  t.clear_child_tid = a[0].raw;
  return static_cast<uint64_t>(t.tid());
}

namespace {

// An order of pointers that does not tell where the Sentry's objects are: one to one, and not the same
// in another sandbox.
uint64_t Disguise(const void* p) {
  struct Cookies {
    uint64_t toggle, factor;
    Cookies() {
      CVISOR_CHECK(getrandom(this, sizeof(*this), 0) == sizeof(*this));
      factor |= 1;
    }
  };
  static const Cookies cookies;
  return (reinterpret_cast<uint64_t>(p) ^ cookies.toggle) * cookies.factor;
}

}  // namespace

Result<uint64_t> Kcmp(Task& t, const SyscallArgs& a) {
  Ref<Task> one, two;
  {
    MutexLock lock(t.kernel().task_mutex());
    one = Ref<Task>(t.pid_ns().FindTask(a[0].As<pid_t>()));
    two = Ref<Task>(t.pid_ns().FindTask(a[1].As<pid_t>()));
  }
  if (one == nullptr || two == nullptr) return Errno::kESRCH;
  if (!kernel::Tracing::MayAccess(t, *one, /*fs_ids=*/false) ||
      !kernel::Tracing::MayAccess(t, *two, /*fs_ids=*/false)) {
    return Errno::kEPERM;
  }
  const auto order = [](const void* x, const void* y) -> uint64_t {
    const uint64_t a = Disguise(x), b = Disguise(y);
    return a == b ? 0 : (a < b ? 1 : 2);
  };
  switch (a[2].As<int>()) {
    case KCMP_FILE: {
      const auto table1 = one->FdTableRef(), table2 = two->FdTableRef();
      if (table1 == nullptr || table2 == nullptr) return Errno::kEBADF;
      ASSIGN_OR_RETURN(auto file1, table1->GetAny(a[3].As<int>()));
      ASSIGN_OR_RETURN(auto file2, table2->GetAny(a[4].As<int>()));
      return order(file1.get(), file2.get());
    }
    case KCMP_VM:
      return order(one->MmRef().get(), two->MmRef().get());
    case KCMP_FILES:
      return order(one->FdTableRef().get(), two->FdTableRef().get());
    case KCMP_FS:
      return order(one->FsRef().get(), two->FsRef().get());
    case KCMP_SIGHAND:
      return order(one->tg().handlers().get(), two->tg().handlers().get());
    case KCMP_SYSVSEM:
      return order(one->SemUndoRef().get(), two->SemUndoRef().get());
    case KCMP_IO: {
      // There is a context only where ioprio_set(2) has made one.
      const auto context = [](const Task& task) {
        return task.scheduling().ioprio != 0 ? &task : nullptr;
      };
      return order(context(*one), context(*two));
    }
    default:
      return Errno::kEINVAL;
  }
}

}  // namespace cvisor::syscalls
