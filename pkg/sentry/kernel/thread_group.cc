// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/kernel/thread_group.h"

#include <algorithm>

#include "pkg/base/log.h"
#include "pkg/sentry/kernel/child_exit.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/timers.h"
#include "pkg/sentry/kernel/trace.h"

namespace cvisor::kernel {
namespace {

// Checks of a process that is to end until its stub is killed. More than its threads need on a host that is
// overloaded, as then robust futexes are not released.
constexpr int kPatience = 5;

std::atomic<uint64_t> next_serial{0};

}  // namespace

void CpuUsage::Add(const CpuUsage& o) {
  user_ns += o.user_ns;
  system_ns += o.system_ns;
  minor_faults += o.minor_faults;
  major_faults += o.major_faults;
  voluntary_switches += o.voluntary_switches;
  involuntary_switches += o.involuntary_switches;
  max_rss_bytes = std::max(max_rss_bytes, o.max_rss_bytes);
}

ThreadGroup::ThreadGroup(Kernel& kernel, Ref<Container> container, Ref<PidNamespace> pid_ns,
                         Ref<SignalHandlers> handlers, int exit_signal)
    : kernel_(kernel),
      container_(std::move(container)),
      pid_ns_(std::move(pid_ns)),
      serial_(next_serial.fetch_add(1)),
      exit_signal_(exit_signal),
      handlers_(std::move(handlers)),
      timers_(std::make_unique<ProcessTimers>(*this)) {}

ThreadGroup::~ThreadGroup() = default;

pid_t ThreadGroup::id() const { return id_.load(); }

pid_t ThreadGroup::IdIn(const PidNamespace& ns) const { return NumberIn(ids_, ns); }

void ThreadGroup::SetParent(ThreadGroup* parent) {
  parent_ = parent;
  own_parent_id_.store(parent == nullptr ? 0 : parent->IdIn(*pid_ns_), std::memory_order_relaxed);
}

pid_t ThreadGroup::ParentId(const PidNamespace& ns) const {
  return parent_ == nullptr ? 0 : parent_->IdIn(ns);
}

CpuUsage ThreadGroup::Usage() const {
  CpuUsage total;
  Ref<mm::MemoryManager> mm;  // asked, and perhaps destroyed, without the task mutex
  {
    MutexLock lock(kernel_.task_mutex());
    total = dead_threads_usage_;
    for (const Task* t : tasks_) {
      if (t->dead_) continue;  // counted when it died
      CpuUsage u;
      u.user_ns = t->UserTimeNs();
      u.system_ns = t->SystemTimeNs();
      u.voluntary_switches = t->voluntary_switches.load();
      u.involuntary_switches = t->involuntary_switches.load();
      total.Add(u);
      if (mm == nullptr) mm = t->MmRef();
    }
  }
  if (mm != nullptr) {
    const auto usage = mm->as().GetTotals();
    total.minor_faults += usage.minor_faults;
    total.major_faults += usage.major_faults;
    total.max_rss_bytes =
        std::max({total.max_rss_bytes, usage.rss_bytes, mm->stats().peak_rss});
  }
  return total;
}

CpuUsage ThreadGroup::ChildrenUsage() const {
  MutexLock lock(kernel_.task_mutex());
  return children_usage_;
}

// --- Signals.

Ref<SignalHandlers> ThreadGroup::handlers() const {
  MutexLock lock(signal_mutex_);
  return handlers_;
}

SignalSet ThreadGroup::SharedPending() const {
  MutexLock lock(signal_mutex_);
  return pending_.pending();
}

Status ThreadGroup::SetAction(int sig, const SignalAction& action, SignalAction* old) {
  MutexLock lock(signal_mutex_);
  const SignalAction previous = handlers_->Exchange(sig, action);
  if (old != nullptr) *old = previous;
  if (handlers_->Ignores(sig)) {
    pending_.Discard(SignalBit(sig));
    // Their interrupt flags stay: a thread may have set its own for a restart decision. One that
    // finds nothing to do just goes on.
    for (Task* t : signal_tasks_) t->pending_.Discard(SignalBit(sig));
  }
  return OkStatus();
}

Status ThreadGroup::SendSignal(const siginfo_t& info) {
  MutexLock lock(signal_mutex_);
  return SendSignalLocked(info, nullptr);
}

Task* ThreadGroup::ChooseTask(int sig) const {
  for (Task* t : signal_tasks_) {
    if (t->WantsSignal(sig)) return t;
  }
  return nullptr;
}

Status ThreadGroup::SendSignalLocked(const siginfo_t& info, Task* only) {
  const int sig = info.si_signo;
  if (signal_tasks_.empty()) return OkStatus();
  if (group_exiting_) {
    // Ends a PTRACE_EVENT_EXIT stop.
    if (sig == SIGKILL) KillAllLocked(SIGKILL);
    return OkStatus();
  }

  if ((SignalBit(sig) & kStopSignals) != 0) {
    pending_.Discard(SignalBit(SIGCONT));
    for (Task* t : signal_tasks_) t->pending_.Discard(SignalBit(SIGCONT));
  } else if (sig == SIGCONT) {
    ContinueLocked();
  }

  // A blocked signal is kept even if it is ignored: the handler may change before it is unblocked.
  const Task* judge = only != nullptr ? only : signal_tasks_.front();
  const bool blocked = (judge->blocked_ & SignalBit(sig)) != 0;
  // A tracer wants to see it, whatever becomes of it.
  const bool wanted = judge->traced() && sig != SIGKILL;
  if (!blocked && !wanted && handlers_->Ignores(sig)) {
    return OkStatus();
  }
  // The init of a PID namespace is protected from signals it has no handler for; a forced one
  // (SI_KERNEL fault) goes through Task::ForceSignal, which lifts the protection.
  if (unkillable_ && handlers_->Get(sig).is_default() && !blocked && !wanted) {
    const bool from_outside = info.si_code == SI_USER && info.si_pid == 0;
    if (!(from_outside && (sig == SIGKILL || sig == SIGSTOP))) return OkStatus();
  }

  if (sig == SIGKILL) {
    KillAllLocked(SIGKILL);
    return OkStatus();
  }

  SignalQueue& queue = only != nullptr ? only->pending_ : pending_;
  if (sig >= kFirstRealTime && queue.size() >= limits_.Soft(RLIMIT_SIGPENDING)) {
    // kill(2) cannot fail so: its signal is pending, but no further one is counted.
    if (info.si_code != SI_USER) return Errno::kEAGAIN;
    if ((queue.pending() & SignalBit(sig)) != 0) return OkStatus();
  }
  siginfo_t seen = info;
  if (HasSender(info)) {
    seen.si_uid = judge->creds()->user_ns->Munged(UserNamespace::Kind::kUser, info.si_uid);
  }
  if (!queue.Push(seen)) return OkStatus();
  signal_queue_.Notify(kEventIn);
  Task* target = only != nullptr ? (only->WantsSignal(sig) ? only : nullptr) : ChooseTask(sig);
  if (target != nullptr) target->InterruptLocked();
  return OkStatus();
}

void ThreadGroup::KillAll(int status) {
  MutexLock lock(signal_mutex_);
  KillAllLocked(status);
}

void ThreadGroup::CheckStub() {
  MutexLock lock(signal_mutex_);
  if (group_exiting_) {
    // A tracer may look for as long as it likes at one that is about to end.
    for (const Task* t : signal_tasks_) {
      if (t->in_trace_stop_.load(std::memory_order_relaxed)) return;
    }
    if (signal_tasks_.empty() || ++exit_checks_ < kPatience) return;
    if (exit_checks_ == kPatience) LogWarning("process %d does not end: its stub is killed", id());
    for (Task* t : signal_tasks_) {
      if (t->ctx_ready_.load(std::memory_order_acquire)) t->ctx_->Kill();
    }
    return;
  }
  for (Task* t : signal_tasks_) {
    if (!t->ctx_ready_.load(std::memory_order_acquire) || t->ctx_->Alive()) continue;
    LogWarning("task %d: its stub process was killed from outside", t->tid());
    KillAllLocked(SIGKILL);
    return;
  }
}

void ThreadGroup::KillAllLocked(int status) {
  if (!group_exiting_) {
    group_exiting_ = true;
    group_exit_status_ = status;
  }
  if (status == SIGKILL) kills_.fetch_add(1);
  stop_requested_ = false;
  stopped_.store(false);
  for (Task* t : signal_tasks_) {
    t->fatal_.store(true);
    t->InterruptLocked();
  }
}

void ThreadGroup::RetargetLocked(SignalSet set, const Task* from) {
  set &= pending_.pending();
  if (set == 0) return;
  for (Task* t : signal_tasks_) {
    if (t != from && (set & ~t->blocked_) != 0) t->InterruptLocked();
  }
}

void ThreadGroup::ContinueLocked() {
  ++continues_;
  pending_.Discard(kStopSignals);
  for (Task* t : signal_tasks_) t->pending_.Discard(kStopSignals);
  for (Task* t : signal_tasks_) {
    if (!t->seized_.load(std::memory_order_relaxed)) continue;
    t->trap_stop_ = true;
    t->InterruptLocked();
  }
  if (!stop_requested_) return;
  const bool was_stopped = stopped_.exchange(false);
  stop_requested_ = false;
  stopped_tasks_ = 0;
  if (was_stopped) continue_notice_ = true;
  for (Task* t : signal_tasks_) t->InterruptLocked();
}

// --- Waiting for children.

bool ThreadGroup::Matches(const WaitOptions& opts, ThreadGroup& caller,
                          const PidNamespace& ns) const {
  switch (opts.target) {
    case WaitOptions::Target::kAny:
      break;
    case WaitOptions::Target::kProcess:
      if (opts.process != nullptr ? opts.process != this : IdIn(ns) != opts.id) return false;
      break;
    case WaitOptions::Target::kGroup:
      if (opts.id == 0 ? group_.get() != caller.group()
                       : group_ == nullptr || group_->IdIn(ns) != opts.id) {
        return false;
      }
      break;
  }
  if ((opts.flags & __WALL) != 0) return true;
  const bool is_clone = exit_signal_ != SIGCHLD;
  return is_clone == ((opts.flags & __WCLONE) != 0);
}

Result<WaitResult> ThreadGroup::Wait(Task& caller, const WaitOptions& opts) {
  TaskWaiter waiter(caller, child_queue_, kEventIn);
  for (;;) {
    bool any = false;
    {
      MutexLock lock(kernel_.task_mutex());
      const PidNamespace& ns = caller.pid_ns();
      for (ThreadGroup* child : children_) {
        if (!child->Matches(opts, *this, ns)) continue;
        if ((opts.flags & __WNOTHREAD) != 0 && child->parent_task_ != &caller) continue;
        any = true;
        WaitResult r;
        r.pid = child->IdIn(ns);
        r.uid = child->exit_uid_;
        if (child->zombie_ && !child->TracedByOther(this) && (opts.flags & WEXITED) != 0) {
          r.status = child->exit_status_;
          const ChildExit exit(r.status);
          r.child_code = exit.code;
          r.child_status = exit.status;
          r.usage = child->dead_threads_usage_;
          r.usage.Add(child->children_usage_);
          if ((opts.flags & WNOWAIT) == 0) {
            children_usage_.Add(r.usage);
            child->Reap();
          }
          return r;
        }
        if (child->report_stop_ && child->stopped() && !child->TracedBy(*this) && (opts.flags & WSTOPPED) != 0) {
          r.status = (child->stop_report_signal_ << 8) | 0x7f;
          r.child_code = CLD_STOPPED;
          r.child_status = child->stop_report_signal_;
          if ((opts.flags & WNOWAIT) == 0) child->report_stop_ = false;
          return r;
        }
        if (child->report_continue_ && (opts.flags & WCONTINUED) != 0) {
          r.status = 0xffff;
          r.child_code = CLD_CONTINUED;
          r.child_status = SIGCONT;
          if ((opts.flags & WNOWAIT) == 0) child->report_continue_ = false;
          return r;
        }
      }
      if (auto r = WaitForTracee(caller, opts, &any); r.has_value()) return *r;
    }
    if (!any) return Errno::kECHILD;
    if ((opts.flags & WNOHANG) != 0) return WaitResult{};
    RETURN_IF_ERROR(caller.Block());
  }
}

void ThreadGroup::NotifyParent(int sig, int code, int status) {
  if (parent_ == nullptr) {
    if (outside_parent_ != nullptr) outside_parent_(code, status);
    return;
  }
  parent_->child_queue_.Notify(kEventIn);
  if (sig == 0) return;
  if (sig == SIGCHLD && code != CLD_EXITED && code != CLD_KILLED && code != CLD_DUMPED &&
      (parent_->GetAction(SIGCHLD).flags & SA_NOCLDSTOP) != 0) {
    return;
  }
  siginfo_t info = MakeKillInfo(sig, code, IdIn(*parent_->pid_ns_), exit_uid_);
  info.si_status = status;
  info.si_utime = static_cast<clock_t>(dead_threads_usage_.user_ns / 10000000);
  info.si_stime = static_cast<clock_t>(dead_threads_usage_.system_ns / 10000000);
  (void)parent_->SendSignal(info);
}

ThreadGroup* ThreadGroup::FindReaper() const {
  for (ThreadGroup* p = parent_; p != nullptr; p = p->parent_) {
    if (p->pid_ns_ != pid_ns_) break;
    if (!p->zombie_ && p->live_tasks_ > 0 &&
        (p->child_subreaper.load() || p->pid_ns_->init() == p)) {
      return p;
    }
  }
  ThreadGroup* init = pid_ns_->init();
  return init == this || (init != nullptr && init->zombie_) ? nullptr : init;
}

Task* ThreadGroup::AnyLiveTask() const {
  for (Task* t : tasks_) {
    if (!t->dead_) return t;
  }
  return nullptr;
}

void ThreadGroup::HandOverChildren(Task* from) {
  Task* heir = AnyLiveTask();
  if (heir == nullptr) return;
  for (ThreadGroup* child : children_) {
    if (child->parent_task_ != from) continue;
    child->parent_task_ = heir;
    // The "parent" of prctl(PR_SET_PDEATHSIG) is a thread.
    for (Task* t : child->tasks_) {
      if (t->parent_death_signal != 0 && !t->dead_) {
        (void)child->SendSignal(
            MakeKillInfo(t->parent_death_signal, SI_USER, id(), heir->creds()->ruid));
      }
    }
  }
}

void ThreadGroup::ReparentChildren() {
  ThreadGroup* reaper = FindReaper();
  const auto children = std::exchange(children_, {});
  for (ThreadGroup* child : children) {
    child->SetParent(reaper);
    child->parent_task_ = reaper == nullptr ? nullptr : reaper->AnyLiveTask();
    if (reaper != nullptr) reaper->children_.insert(child);
    for (Task* t : child->tasks_) {
      if (t->parent_death_signal != 0 && !t->dead_) {
        (void)child->SendSignal(
            MakeKillInfo(t->parent_death_signal, SI_USER, id(), exit_uid_));
      }
    }
    if (child->zombie_) {
      if (reaper == nullptr) {
        child->Reap();
        continue;
      }
      child->exit_signal_ = SIGCHLD;
      reaper->child_queue_.Notify(kEventIn);
      child->FinishZombie();
      continue;
    }
    child->exit_signal_ = SIGCHLD;
    // A stopped job that nobody can continue any more is told so (setpgid(2), POSIX orphans).
    ProcessGroup* group = child->group();
    if (group != nullptr && group != group_.get() && &group->session() == &group_->session() &&
        group->IsOrphaned() && group->HasStoppedMember()) {
      for (ThreadGroup* member : group->members()) {
        (void)member->SendSignal(MakeKernelInfo(SIGHUP));
        (void)member->SendSignal(MakeKernelInfo(SIGCONT));
      }
    }
  }
}

void ThreadGroup::BecomeZombie() {
  Ref<PidNamespace> ns = pid_ns_;
  if (ns->init() == this) {
    // The namespace dies with its init.
    ns->dead_ = true;
    for (ThreadGroup* tg : ns->ThreadGroups()) {
      if (tg != this) tg->KillAll(SIGKILL);
    }
  }
  {
    MutexLock lock(signal_mutex_);
    if (group_exiting_) exit_status_ = group_exit_status_;
  }
  Session& session = group_->session();
  if (session.leader_ == this) {
    if (session.terminal_ != nullptr) {
      (void)SendSignal(MakeKernelInfo(SIGHUP));
      session.terminal_->DisassociateLocked(/*leader_exits=*/true);
    }
    session.leader_ = nullptr;
  }
  // This process's own group may be orphaned by its going.
  if (parent_ != nullptr && parent_->group() != group_.get() && parent_->group() != nullptr &&
      &parent_->group()->session() == &session && group_->IsOrphaned(this) &&
      group_->HasStoppedMember()) {
    for (ThreadGroup* member : group_->members()) {
      if (member == this) continue;
      (void)member->SendSignal(MakeKernelInfo(SIGHUP));
      (void)member->SendSignal(MakeKernelInfo(SIGCONT));
    }
  }
  ReparentChildren();
  zombie_ = true;
  exit_queue_.Notify(kEventIn);
  if (awaited_outside_) kernel_.tasks_changed_.SignalAll();
  FinishZombie();
}

void ThreadGroup::FinishZombie() {
  if (TracedByOther(parent_)) {
    // The tracer first; it lets go when it has waited.
    Tracing::NotifyOfExit(*leader_);
    return;
  }
  if (parent_ == nullptr) {
    if (!awaited_outside_) Reap();  // nobody is left who could wait for it
    return;
  }
  // A parent that ignores SIGCHLD, or said SA_NOCLDWAIT, never waits.
  bool autoreap = false;
  if (exit_signal_ == SIGCHLD && !leader_->traced()) {
    const SignalAction action = parent_->GetAction(SIGCHLD);
    autoreap = action.is_ignore() || (action.flags & SA_NOCLDWAIT) != 0;
    if (action.is_ignore()) {
      parent_->child_queue_.Notify(kEventIn);
      Reap();
      return;
    }
  }
  const ChildExit exit(exit_status_);
  NotifyParent(exit_signal_, exit.code, exit.status);
  if (autoreap) Reap();
}

void ThreadGroup::Reap() {
  if (reaped_) return;
  reaped_ = true;
  const Ref<ThreadGroup> keep(this);
  if (leader_->traced()) Tracing::Unlink(*leader_);
  if (parent_ != nullptr) parent_->children_.erase(this);
  SetParent(nullptr);
  LeaveGroup();
  for (const auto& [ns, id] : ids_) {
    ns->thread_groups_.erase(id);
    if (ns->init_ == this) ns->init_ = nullptr;
  }
  std::erase(kernel_.all_, this);
  exit_queue_.Notify(kEventHup);
  Task* leader = std::exchange(leader_, nullptr);
  std::erase(tasks_, leader);
  leader->LeaveTables();
  leader->DecRef();  // the tables' reference
}

}  // namespace cvisor::kernel
