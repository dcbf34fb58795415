// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// execve(2), and the first program of a process.

#include <linux/securebits.h>
#include <sys/auxv.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "absl/strings/str_format.h"
#include "pkg/base/log.h"
#include "pkg/sentry/auth/file_caps.h"
#include "pkg/sentry/kernel/initial_exec.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/kernel/timers.h"
#include "pkg/sentry/kernel/trace.h"
#include "pkg/sentry/loader/loader.h"

namespace cvisor::kernel {
namespace {

// Opens a program file: it needs execute permission, not read permission.
Result<Ref<vfs::FileDescription>> OpenProgram(const vfs::WalkContext& walk, const vfs::Path& path) {
  if (!S_ISREG(path.inode().type())) return Errno::kEACCES;
  if ((path.mount->flags.load() & MS_NOEXEC) != 0) return Errno::kEACCES;
  RETURN_IF_ERROR(vfs::CheckAccess(walk, path, vfs::kMayExec));
  vfs::WalkContext kernel_walk = walk;
  kernel_walk.creds = MakeRef<Credentials>();
  return vfs::OpenPath(kernel_walk, path, O_RDONLY);
}

// Credentials of the new program: setuid bits and capabilities(7), "Transformation of capabilities
// during execve()".
struct ExecCreds {
  Ref<Credentials> creds;
  bool secure = false;
};

// Nothing if it has none that count here. EINVAL: what it has is not valid.
Result<std::optional<FileCaps>> CapsOf(vfs::FileDescription& file, const UserNamespace& ns) {
  if ((file.path().mount->flags.load() & MS_NOSUID) != 0) return std::optional<FileCaps>();
  const auto value = file.inode().GetXattr(kFileCapsXattr);
  if (!value.ok()) return std::optional<FileCaps>();
  return ParseFileCaps(*value, ns);
}

Result<ExecCreds> ComputeCreds(const Credentials& old, vfs::FileDescription& file, bool may_gain) {
  ExecCreds out;
  out.creds = old.Copy();
  Credentials& c = *out.creds;
  ASSIGN_OR_RETURN(const vfs::Attr attr, file.inode().GetAttr());
  if (may_gain && (file.path().mount->flags.load() & MS_NOSUID) == 0) {
    // Owners that are not mapped in the user namespace mean nobody.
    const UserNamespace& ns = *c.user_ns;
    if (ns.FromKernel(UserNamespace::Kind::kUser, attr.uid) &&
        ns.FromKernel(UserNamespace::Kind::kGroup, attr.gid)) {
      if ((attr.mode & S_ISUID) != 0) c.euid = attr.uid;
      if ((attr.mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP)) c.egid = attr.gid;
    }
  }
  const bool changed_ids = c.euid != old.euid || c.egid != old.egid;
  c.suid = c.fsuid = c.euid;
  c.sgid = c.fsgid = c.egid;
  const bool root_rules = (c.securebits & SECBIT_NOROOT) == 0;
  FileCaps caps;
  bool has_caps = false;
  const uint32_t root = c.user_ns->ToKernel(UserNamespace::Kind::kUser, 0).value_or(kNoId);
  // Root's own programs are all alike; that spares a look at the attribute.
  if (!root_rules || c.ruid != root) {
    ASSIGN_OR_RETURN(const auto found, CapsOf(file, *c.user_ns));
    has_caps = found.has_value();
    caps = found.value_or(FileCaps{});
    // A program that does not know of capabilities shall not run with a part of what it needs.
    const CapSet given = (caps.permitted & old.bounding) | (caps.inheritable & old.inheritable);
    if (caps.effective && (caps.permitted & ~given) != 0) return Errno::kEPERM;
  }
  // The file's own capabilities are all that a set-user-id root program with some gets.
  if (root_rules && !(has_caps && c.ruid != c.euid && c.euid == root)) {
    if (c.ruid == root || c.euid == root) caps.permitted = caps.inheritable = kAllCaps;
    if (c.euid == root) caps.effective = true;
  }
  if (changed_ids || has_caps) c.ambient = 0;
  const CapSet ambient = c.ambient;
  c.permitted = (old.inheritable & caps.inheritable) | (caps.permitted & old.bounding);
  // no_new_privs: nothing comes back that was dropped.
  if (!may_gain) c.permitted &= old.permitted;
  c.permitted |= ambient;
  c.effective = caps.effective ? c.permitted : ambient;
  c.securebits &= ~uint32_t{SECBIT_KEEP_CAPS};
  out.secure = c.ruid != c.euid || c.rgid != c.egid ||
               (c.ruid != root && (caps.effective || (c.permitted & ~ambient) != 0));
  return out;
}

std::string_view BaseName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace

Status Task::Execve(const vfs::WalkContext& walk, int at_fd, std::string_view path, int at_flags,
                    std::vector<std::string> argv, std::vector<std::string> envp) {
  vfs::WalkOptions options;
  options.follow_final = (at_flags & AT_SYMLINK_NOFOLLOW) == 0;
  options.empty_path = (at_flags & AT_EMPTY_PATH) != 0;
  ASSIGN_OR_RETURN(const vfs::Path where, vfs::Walk(walk, path, options));
  if (!options.follow_final && S_ISLNK(where.inode().type())) return Errno::kELOOP;
  ASSIGN_OR_RETURN(auto program, OpenProgram(walk, where));

  loader::LoadRequest request;
  request.file = program;
  request.filename = std::string(path);
  if (path.empty()) {
    // execveat(2) of a descriptor: scripts get a name that leads to it, if it stays open.
    request.filename = absl::StrFormat("/dev/fd/%d", at_fd);
    request.path_inaccessible = fds_->close_on_exec(at_fd);
  }
  request.argv = std::move(argv);
  request.envp = std::move(envp);
  request.open_executable = [&](std::string_view name) -> Result<Ref<vfs::FileDescription>> {
    const vfs::WalkContext from_cwd = WalkFromCwd();
    ASSIGN_OR_RETURN(const vfs::Path p, vfs::Walk(from_cwd, name));
    return OpenProgram(from_cwd, p);
  };
  request.path_name = [&](const vfs::FileDescription& file) {
    return vfs::PathName(*fs_->mount_namespace(), file.path(), fs_->root());
  };
  request.rlimit_stack = Rlimit(RLIMIT_STACK);
  request.randomize = (personality & ADDR_NO_RANDOMIZE) == 0;
  ASSIGN_OR_RETURN(loader::Prepared prepared, loader::Prepare(std::move(request)));

  // Nobody gets a privileged program to play with.
  const bool may_gain = !no_new_privs && Tracing::MayGainPrivileges(*this);
  const CredsRef old_creds = creds();
  ASSIGN_OR_RETURN(ExecCreds exec_creds,
                   ComputeCreds(*old_creds, *prepared.executable(), may_gain));

  const pid_t old_tid = Tracing::TidForTracer(*this);
  // Sharing memory with other processes (vfork) is fine; other threads of this one end here.
  RETURN_IF_ERROR(KillOtherThreads());

  Ref<mm::MemoryManager> old_mm = mm_;
  if (old_mm != nullptr) ReleaseMm(/*for_exec=*/true);
  auto new_mm = old_mm != nullptr ? mm::MemoryManager::NewForExec(mm_caller(), *old_mm)
                                  : mm::MemoryManager::New(kernel_.platform());
  if (!new_mm.ok()) {
    tg_->KillAll(SIGKILL);
    return new_mm.error();
  }
  // The old program is gone: from here on failure is death.
  {
    MutexLock lock(mu_);
    mm_ = *new_mm;
    creds_ = exec_creds.creds;
  }
  mm::MemoryManager::BindThread(ctx_.get(), mm_.get());
  if (seccomp_mode() != 0) ReportCallsToSeccomp();
  EnterTimeNsForChildren();
  if (old_mm != nullptr) {
    old_mm->DecUsers();
    old_mm.reset();
    FinishVfork();
  }
  const UserNamespace& ids = *exec_creds.creds->user_ns;
  using Kind = UserNamespace::Kind;
  prepared.identity = {.uid = ids.Munged(Kind::kUser, exec_creds.creds->ruid),
                       .euid = ids.Munged(Kind::kUser, exec_creds.creds->euid),
                       .gid = ids.Munged(Kind::kGroup, exec_creds.creds->rgid),
                       .egid = ids.Munged(Kind::kGroup, exec_creds.creds->egid),
                       .secure = exec_creds.secure};
  const auto entry = loader::Load(mm_caller(), *mm_, prepared);
  if (!entry.ok()) {
    LogInfo("execve %s: cannot be loaded: %s", path, ErrnoName(entry.error()));
    tg_->KillAll(SIGSEGV);
    return entry.error();
  }

  UnshareFds();
  fds_->CloseOnExec();
  tg_->timers().OnExec();
  {
    MutexLock lock(tg_->signal_mutex());
    tg_->handlers_ = tg_->handlers_->CopyForExec();
    alt_stack_ = {};
    alt_stack_.ss_flags = SS_DISABLE;
  }
  {
    MutexLock lock(kernel_.task_mutex());
    tg_->has_execed_.store(true);
    tg_->exit_signal_ = tg_->parent_ != nullptr ? SIGCHLD : tg_->exit_signal_;
  }
  const bool privileged =
      exec_creds.creds->euid != old_creds->euid || exec_creds.creds->egid != old_creds->egid;
  mm_->dumpable.store(privileged ? 0 : 1);
  if (privileged) parent_death_signal = 0;
  clear_child_tid = 0;
  robust_list = 0;
  set_name(BaseName(prepared.filename));
  restart_block_ = nullptr;

  const uint64_t cs = arch::kUserCs, ss = arch::kUserSs;
  arch::Registers& r = regs();
  r = arch::Registers();
  r.cs = cs;
  r.ss = ss;
  r.eflags = arch::kRflagsFixed;
  r.orig_rax = ~uint64_t{0};
  r.set_ip(entry->ip);
  r.set_sp(entry->sp);
  ctx_->ResetXsave();
  SetRegistersFinal();
  if (traced()) [[unlikely]] StopForExec(old_tid);
  return OkStatus();
}

bool Task::RunInitialExec() {
  const std::unique_ptr<InitialExec> exec = std::move(initial_exec_);
  const Status status = Execve(WalkFromCwd(), AT_FDCWD, exec->path, 0, exec->argv, exec->envv);
  if (!status.ok()) exit_status_ = 127 << 8;
  exec->Finish(status);
  if (!status.ok()) return false;
  return exec->WaitForStart();
}

}  // namespace cvisor::kernel
