// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// clone(2), clone3(2), fork(2), vfork(2).

#include <sched.h>
#include <sys/ptrace.h>

#include <algorithm>

#include "pkg/base/log.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/pidfd.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/kernel/time_namespace.h"
#include "pkg/sentry/kernel/trace.h"

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace cvisor::kernel {
namespace {

constexpr uint64_t kSupportedNamespaces =
    CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWCGROUP | CLONE_NEWTIME;

Status CheckFlags(const Task& t, const CloneArgs& args) {
  const uint64_t f = args.flags;
  if ((f & CLONE_THREAD) != 0 && (f & CLONE_SIGHAND) == 0) return Errno::kEINVAL;
  if ((f & CLONE_SIGHAND) != 0 && (f & CLONE_VM) == 0) return Errno::kEINVAL;
  if ((f & CLONE_SIGHAND) != 0 && (f & CLONE_CLEAR_SIGHAND) != 0) return Errno::kEINVAL;
  if ((f & CLONE_FS) != 0 && (f & (CLONE_NEWNS | CLONE_NEWUSER)) != 0) return Errno::kEINVAL;
  if ((f & CLONE_THREAD) != 0 && (f & (CLONE_NEWPID | CLONE_NEWUSER)) != 0) return Errno::kEINVAL;
  if ((f & CLONE_PIDFD) != 0 && (f & CLONE_DETACHED) != 0) return Errno::kEINVAL;
  if (args.exit_signal < 0 || args.exit_signal > kNumSignals) return Errno::kEINVAL;
  if ((f & CLONE_NEWIPC) != 0 && (f & CLONE_SYSVSEM) != 0) return Errno::kEINVAL;
  // The children of a task that has left for another PID namespace are in that one; threads cannot be,
  // and a namespace below it would not be below the task's own.
  if ((f & (CLONE_THREAD | CLONE_NEWPID)) != 0 && t.PidNsForChildren() != t.tg().pid_ns()) {
    return Errno::kEINVAL;
  }
  if ((f & CLONE_PARENT) != 0 && t.tg().pid_ns()->init() == &t.tg()) return Errno::kEINVAL;
  if ((f & CLONE_NEWNET) != 0) {
    // As a kernel built without them says.
    LogInfo("clone: network namespaces are not supported");
    return Errno::kEINVAL;
  }
  // Whoever makes a user namespace may make the others in it.
  if ((f & kSupportedNamespaces) != 0 && (f & CLONE_NEWUSER) == 0 && !t.HasOwnCap(CAP_SYS_ADMIN)) {
    return Errno::kEPERM;
  }
  return OkStatus();
}

}  // namespace

Status Kernel::AdoptTask(Task& t, const Ref<PidNamespace>& ns, const std::vector<pid_t>& set_tid) {
  PidNumbers ids;
  size_t level = 0;
  for (Ref<PidNamespace> n = ns; n != nullptr; n = n->parent(), ++level) {
    pid_t id;
    if (level < set_tid.size()) {
      id = set_tid[level];
      if (id < 1 || id >= PidNamespace::kPidMax) return Errno::kEINVAL;
      if (n->InUse(id)) return Errno::kEEXIST;
    } else {
      ASSIGN_OR_RETURN(id, n->Allocate());
    }
    ids.emplace_back(n, id);
  }
  if (level < set_tid.size()) return Errno::kEINVAL;
  t.ids_ = std::move(ids);
  for (const auto& [n, id] : t.ids_) n->tasks_[id] = &t;
  t.tid_.store(t.ids_.front().second);
  ThreadGroup& tg = t.tg();
  if (tg.leader_ == nullptr) {
    tg.leader_ = &t;
    tg.ids_ = t.ids_;
    tg.numbers_ = MakeRef<ProcessNumbers>(t.ids_);
    tg.id_.store(t.tid_.load());
    for (const auto& [n, id] : tg.ids_) n->thread_groups_[id] = &tg;
    if (ns->init_ == nullptr && t.tid_.load() == 1) ns->init_ = &tg;
    all_.push_back(&tg);
  }
  tg.tasks_.push_back(&t);
  ++tg.live_tasks_;
  t.IncRef();  // the tables'
  MutexLock lock(tg.signal_mutex_);
  tg.signal_tasks_.push_back(&t);
  // A stop or an exit of the process that began before is this thread's too.
  t.UpdateInterruptFlag();
  if (tg.group_exiting_) t.fatal_.store(true);
  return OkStatus();
}

void Task::Disown() {
  MutexLock lock(kernel_.task_mutex());
  {
    MutexLock signal_lock(tg_->signal_mutex());
    std::erase(tg_->signal_tasks_, this);
  }
  dead_ = true;
  --tg_->live_tasks_;
  if (traced()) Tracing::Unlink(*this);
  if (tg_->leader_ == this) {
    tg_->exit_signal_ = 0;
    tg_->Reap();
    return;
  }
  std::erase(tg_->tasks_, this);
  LeaveTables();
  DecRef();
}

Result<CredsRef> Task::NewUserNamespace() const {
  // A root directory of one's own hides files from set-user-ID programs; with the right to make
  // mounts it would be left.
  const auto& mounts = fs_->mount_namespace();
  if (fs_->root() != mounts->FollowMounts(mounts->Root())) return Errno::kEPERM;
  const CredsRef old = creds();
  ASSIGN_OR_RETURN(auto ns, UserNamespace::New(*old));
  return CredsRef(old->InUserNamespace(std::move(ns)));
}

Result<pid_t> Task::Clone(const CloneArgs& args) {
  RETURN_IF_ERROR(CheckFlags(*this, args));
  const uint64_t f = args.flags;
  // A signal that is there already is handled first; the fork would hide it from the child.
  if (interrupted_.load(std::memory_order_acquire) && ShouldUnwind()) return Errno::kERESTARTNOINTR;
  if (kernel_.task_count() >= kernel_.max_tasks()) return Errno::kEAGAIN;
  // The time that was promised to it cannot be divided.
  if (const Scheduling s = scheduling(); s.runtime != 0 && !s.reset_on_fork) return Errno::kEAGAIN;
  if (!HasCap(CAP_SYS_RESOURCE) && !HasCap(CAP_SYS_ADMIN) &&
      kernel_.task_count() >= Rlimit(RLIMIT_NPROC)) {
    return Errno::kEAGAIN;
  }

  // What can fail comes first; nothing is visible to others yet.
  CredsRef child_creds = creds();
  if ((f & CLONE_NEWUSER) != 0) {
    ASSIGN_OR_RETURN(child_creds, NewUserNamespace());
  }
  const Ref<UserNamespace> user_ns = child_creds->user_ns;
  Ref<ThreadGroup> tg = tg_;
  Ref<PidNamespace> ns = PidNsForChildren();
  if ((f & CLONE_THREAD) == 0) {
    if ((f & CLONE_NEWPID) != 0) ns = MakeRef<PidNamespace>(ns, user_ns);
    Ref<SignalHandlers> handlers = tg_->handlers();
    if ((f & CLONE_CLEAR_SIGHAND) != 0) {
      handlers = handlers->CopyCleared();
    } else if ((f & CLONE_SIGHAND) == 0) {
      handlers = handlers->Copy();
    }
    tg = Ref<ThreadGroup>(
        new ThreadGroup(kernel_, container_, ns, std::move(handlers), args.exit_signal));
    for (int i = 0; i < LimitSet::kCount; ++i) tg->limits_.Set(i, tg_->limits_.Get(i));
    tg->oom_score_adj.store(tg_->oom_score_adj.load());
  }
  Ref<Task> child(new Task(kernel_, tg, container_));
  if ((f & CLONE_VM) != 0) {
    child->mm_ = mm_;
  } else {
    ASSIGN_OR_RETURN(child->mm_, mm_->Fork(mm_caller()));
  }
  ASSIGN_OR_RETURN(child->ctx_, kernel_.platform().NewContext());
  RETURN_IF_ERROR(ctx_->CloneInto(*child->ctx_, child->mm_->as()));

  child->fs_ = (f & CLONE_FS) != 0 ? fs_ : fs_->Fork();
  if ((f & CLONE_NEWNS) != 0) child->UnshareMounts(user_ns);
  child->uts_ = (f & CLONE_NEWUTS) != 0 ? uts_->Copy(user_ns) : uts_;
  child->cgroup_ns_ = (f & CLONE_NEWCGROUP) != 0 ? MakeRef<CgroupNamespace>(user_ns) : CgroupNs();
  child->time_ns_ = TimeNs();
  child->time_ns_for_children_ =
      (f & CLONE_NEWTIME) != 0 ? MakeRef<TimeNamespace>(user_ns) : TimeNsForChildren();
  // Whoever shares memory shares the clocks.
  if ((f & CLONE_VM) == 0) child->EnterTimeNsForChildren();
  child->ipc_ = (f & CLONE_NEWIPC) != 0 ? MakeRef<IpcNamespace>(user_ns) : ipc_;
  if ((f & CLONE_SYSVSEM) != 0) {
    child->sem_undo_ = SemUndo();
  }
  child->creds_ = std::move(child_creds);
  child->name_ = name();
  child->no_new_privs = no_new_privs.load();
  child->personality = personality;
  child->timer_slack_ns = child->default_timer_slack_ns = timer_slack_ns;
  child->memory_failure_policy = memory_failure_policy;
  child->io_flusher = io_flusher;
  child->scheduling_ = scheduling();
  if (child->scheduling_.reset_on_fork) {
    Scheduling& s = child->scheduling_;
    const bool real_time = s.policy == SCHED_FIFO || s.policy == SCHED_RR;
    if (real_time) s.policy = SCHED_OTHER;
    s.priority = 0;
    s.runtime = s.deadline = s.period = 0;
    s.nice = real_time ? 0 : std::max(s.nice, 0);
    s.reset_on_fork = false;
  }
  child->blocked_ = blocked_;
  // A new stack of a thread that shares memory is not the parent's alternate stack.
  if ((f & CLONE_VM) == 0 || (f & CLONE_VFORK) != 0) child->alt_stack_ = alt_stack_;
  child->regs_ = all_regs();
  child->regs_.orig_rax = ~uint64_t{0};
  child->regs_.set_return_value(0);
  if (args.stack != 0) child->regs_.set_sp(args.stack);
  if ((f & CLONE_SETTLS) != 0) child->regs_.fs_base = args.tls;
  if ((f & CLONE_CHILD_CLEARTID) != 0) child->clear_child_tid = args.child_tid;

  // From here on the counts of shared things are the child's to drop (ExitNow or the error path).
  if ((f & CLONE_VM) != 0) child->mm_->IncUsers();
  if ((f & CLONE_FILES) != 0) {
    child->fds_ = fds_;
    child->fds_->IncUsers();
  } else {
    child->fds_ = fds_->Fork();
  }
  const auto abandon = [&] {
    child->ctx_ready_.store(false);
    child->ctx_->Release();
    child->mm_->DecUsers();
    child->fds_->DecUsers();
  };

  int pidfd = -1;
  Status status;
  {
    MutexLock lock(kernel_.task_mutex());
    bool dying;
    {
      MutexLock signal_lock(tg_->signal_mutex());
      // A signal to the process group that came meanwhile (^C) must not miss the child: the call
      // restarts after it. Not so for handlers, or a fast interval timer would starve the fork.
      dying = tg_->group_exiting_ || exit_requested_ ||
              ((f & CLONE_THREAD) == 0 && HasDefaultActionPending());
    }
    status = dying ? Status(Errno::kERESTARTNOINTR) : kernel_.AdoptTask(*child, ns, args.set_tid);
    if (status.ok()) {
      // Not before it is in the tables, or SECCOMP_FILTER_FLAG_TSYNC of another thread could miss it.
      child->SetSeccomp(seccomp_mode(), SeccompFilter());
      if (no_new_privs) child->no_new_privs = true;
    }
    if (status.ok() && (f & CLONE_THREAD) == 0) {
      tg->unkillable_ = ns->init() == tg.get();
      ThreadGroup* parent = tg_.get();
      if ((f & CLONE_PARENT) != 0) {
        parent = tg_->parent_ != nullptr ? tg_->parent_ : tg_->pid_ns_->init();
        tg->exit_signal_ = tg_->exit_signal_;
      }
      tg->SetParent(parent);
      tg->parent_task_ = parent == tg_.get() ? this : tg_->parent_task_;
      if (parent != nullptr) parent->children_.insert(tg.get());
      tg->JoinGroup(Ref<ProcessGroup>(tg_->group()));
      tg->exit_uid_ = child->creds_->ruid;
    }
    if (status.ok()) {
      ++kernel_.running_threads_;
      if (traced()) Tracing::OnClone(*this, *child, f, args.exit_signal);
    }
    child->ctx_ready_.store(true);
    if ((f & CLONE_VFORK) != 0) {
      child->vfork_parent_ = Ref<Task>(this);
      vfork_done_ = false;
    }
  }
  if (!status.ok()) {
    abandon();
    return status.error();
  }
  const pid_t number = child->TidIn(pid_ns());

  // Errors of these stores are ignored by Linux too, but for the pidfd.
  if ((f & CLONE_PARENT_SETTID) != 0) (void)CopyOut<int32_t>(args.parent_tid, number);
  if ((f & CLONE_CHILD_SETTID) != 0) {
    (void)child->mm_->CopyOut<int32_t>(args.child_tid, child->tid());
  }
  if ((f & CLONE_PIDFD) != 0) {
    auto fd = InstallFd(NewPidFd(tg, /*nonblock=*/false), /*cloexec=*/true);
    status = fd.ok() ? OkStatus() : Status(fd.error());
    if (fd.ok()) {
      pidfd = *fd;
      status = CopyOut<int32_t>(args.pidfd, pidfd);
    }
  }
  if (status.ok() && (f & CLONE_THREAD) == 0) {
    ctx_->BeginThread(*child->ctx_);
    status = child->StartThread();
    ctx_->EndThread();
  } else if (status.ok()) {
    status = child->StartThread();
  }
  if (!status.ok()) {
    if (pidfd >= 0) (void)fds_->Close(pidfd);
    abandon();
    child->Disown();
    kernel_.ThreadEnded();
    return status.error();
  }
  kernel_.forks.fetch_add(1, std::memory_order_relaxed);
  if (traced()) [[unlikely]] StopForClone(f, args.exit_signal, *child);

  if ((f & CLONE_VFORK) != 0) {
    for (;;) {
      {
        MutexLock lock(kernel_.task_mutex());
        if (vfork_done_) break;
      }
      // A fatal signal ends the wait; the child then runs on in the memory it shares.
      if (!BlockKillable().ok()) break;
    }
    if (traced()) [[unlikely]] StopForEvent(PTRACE_EVENT_VFORK_DONE, static_cast<uint64_t>(number));
  }
  return number;
}

}  // namespace cvisor::kernel
