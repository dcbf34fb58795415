// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The tracer's side of ptrace(2).

#include "pkg/sentry/kernel/trace.h"

#include <sched.h>
#include <sys/wait.h>

#include <algorithm>

#include "pkg/sentry/kernel/child_exit.h"
#include "pkg/sentry/kernel/thread_group.h"

namespace cvisor::kernel {

bool Tracing::MayAccess(const Task& t, const Task& target, bool fs_ids) {
  if (&t.tg() == &target.tg()) return true;
  const auto mine = t.creds(), theirs = target.creds();
  if (theirs == nullptr) return false;
  if (mine->HasCapIn(*theirs->user_ns, CAP_SYS_PTRACE)) return true;
  const uid_t uid = fs_ids ? mine->fsuid : mine->ruid;
  const gid_t gid = fs_ids ? mine->fsgid : mine->rgid;
  if (uid != theirs->euid || uid != theirs->suid || uid != theirs->ruid || gid != theirs->egid ||
      gid != theirs->sgid || gid != theirs->rgid) {
    return false;
  }
  const auto mm = target.MmRef();
  if (mm != nullptr && mm->dumpable.load() != 1) return false;
  return mine->CapsCover(*theirs);
}

Task* Tracing::FindTracee(Task& t, pid_t pid) {
  Task* tracee = t.pid_ns().FindTask(pid);
  return tracee != nullptr && tracee->tracer_ == &t ? tracee : nullptr;
}

Task* Tracing::FindStopped(Task& t, pid_t pid) {
  Task* tracee = FindTracee(t, pid);
  if (tracee == nullptr || tracee->trace_stop_ == nullptr) return nullptr;
  const TraceStop& stop = *tracee->trace_stop_;
  return stop.over || stop.listening ? nullptr : tracee;
}

void Tracing::Link(Task& tracer, Task& tracee, bool seize, uint32_t options) {
  tracee.tracer_ = &tracer;
  tracee.trace_options_ = options;
  tracee.seized_.store(seize);
  tracee.traced_.store(true);
  tracer.tracees_.push_back(&tracee);
  tracer.is_tracer_.store(true);
}

void Tracing::Unlink(Task& tracee) {
  if (tracee.tracer_ == nullptr) return;
  std::erase(tracee.tracer_->tracees_, &tracee);
  tracee.tracer_ = nullptr;
  tracee.trace_options_ = 0;
  tracee.traced_.store(false);
  tracee.seized_.store(false);
  if (TraceStop* stop = tracee.trace_stop_; stop != nullptr && !stop->over) {
    // A signal that nobody has seen is not lost with its tracer.
    stop->signal = stop->kind == TraceStop::kSignal && stop->unreported ? stop->code : 0;
    stop->calls = stop->step = false;
    stop->over = true;
  }
  MutexLock lock(tracee.tg().signal_mutex());
  tracee.trap_stop_ = false;
  // The process may be stopped as a whole, which this task has had no part in.
  if (!tracee.dead_) tracee.InterruptLocked();
}

void Tracing::ReleaseTracees(Task& tracer) {
  if (!tracer.is_tracer_.load()) return;
  for (Task* tracee : std::vector<Task*>(tracer.tracees_)) {
    const Ref<Task> keep(tracee);
    const Ref<ThreadGroup> tg(&tracee->tg());
    const bool kill = (tracee->trace_options_ & PTRACE_O_EXITKILL) != 0;
    Unlink(*tracee);
    if (kill) tg->KillAll(SIGKILL);
    if (tracee->trace_zombie_) {
      tg->ReapThread(tracee);
    } else if (tg->is_zombie() && tg->leader() == tracee && tg->parent() != &tracer.tg()) {
      tg->FinishZombie();
    }
  }
}

Status Tracing::TraceMe(Task& t) {
  MutexLock lock(t.kernel().task_mutex());
  Task* parent = t.tg().parent_task_;
  if (t.traced() || parent == nullptr || parent->exiting_) return Errno::kEPERM;
  Link(*parent, t, /*seize=*/false, 0);
  return OkStatus();
}

Status Tracing::Attach(Task& t, pid_t pid, bool seize, uint32_t options) {
  Ref<Task> target;
  {
    MutexLock lock(t.kernel().task_mutex());
    Task* found = t.pid_ns().FindTask(pid);
    if (found == nullptr) return Errno::kESRCH;
    target = Ref<Task>(found);
  }
  if (&target->tg() == &t.tg() || !MayAccess(t, *target, /*fs_ids=*/false)) return Errno::kEPERM;
  MutexLock lock(t.kernel().task_mutex());
  if (target->dead_ || target->exiting_ || target->traced()) return Errno::kEPERM;
  Link(t, *target, seize, options);
  MutexLock signal_lock(target->tg().signal_mutex());
  // A task that is stopped already has its part in that to do again, for the tracer.
  target->stops_taken_ = 0;
  if (!seize) target->pending_.Push(MakeKernelInfo(SIGSTOP));
  target->InterruptLocked();
  return OkStatus();
}

Status Tracing::Resume(Task& t, pid_t pid, bool calls, bool step, int signal) {
  MutexLock lock(t.kernel().task_mutex());
  Task* tracee = FindStopped(t, pid);
  if (tracee == nullptr) return Errno::kESRCH;
  TraceStop& stop = *tracee->trace_stop_;
  stop.calls = calls;
  stop.step = step;
  stop.signal = signal;
  stop.over = true;
  tracee->Wake();
  return OkStatus();
}

Status Tracing::Detach(Task& t, pid_t pid, int signal) {
  MutexLock lock(t.kernel().task_mutex());
  Task* tracee = FindStopped(t, pid);
  if (tracee == nullptr) return Errno::kESRCH;
  Unlink(*tracee);
  tracee->trace_stop_->signal = signal;
  return OkStatus();
}

Status Tracing::Interrupt(Task& t, pid_t pid) {
  MutexLock lock(t.kernel().task_mutex());
  Task* tracee = FindTracee(t, pid);
  if (tracee == nullptr || tracee->dead_) return Errno::kESRCH;
  if (!tracee->seized_.load()) return Errno::kEIO;
  MutexLock signal_lock(tracee->tg().signal_mutex());
  tracee->trap_stop_ = true;
  tracee->InterruptLocked();
  return OkStatus();
}

Status Tracing::Listen(Task& t, pid_t pid) {
  MutexLock lock(t.kernel().task_mutex());
  Task* tracee = FindStopped(t, pid);
  if (tracee == nullptr) return Errno::kESRCH;
  TraceStop& stop = *tracee->trace_stop_;
  if (!tracee->seized_.load() || stop.event() != PTRACE_EVENT_STOP) return Errno::kEIO;
  stop.listening = true;
  stop.unreported = false;
  tracee->Wake();  // there may be news already
  return OkStatus();
}

Status Tracing::Kill(Task& t, pid_t pid) {
  MutexLock lock(t.kernel().task_mutex());
  Task* tracee = FindTracee(t, pid);
  if (tracee == nullptr) return Errno::kESRCH;
  if (!tracee->dead_) tracee->tg().KillAll(SIGKILL);
  return OkStatus();
}

Status Tracing::SetOptions(Task& t, pid_t pid, uint32_t options) {
  MutexLock lock(t.kernel().task_mutex());
  Task* tracee = FindStopped(t, pid);
  if (tracee == nullptr) return Errno::kESRCH;
  tracee->trace_options_ = options;
  return OkStatus();
}

Result<uint64_t> Tracing::EventMessage(Task& t, pid_t pid) {
  MutexLock lock(t.kernel().task_mutex());
  Task* tracee = FindStopped(t, pid);
  if (tracee == nullptr) return Errno::kESRCH;
  return tracee->trace_message_;
}

Result<Ref<mm::MemoryManager>> Tracing::Memory(Task& t, pid_t pid) {
  MutexLock lock(t.kernel().task_mutex());
  Task* tracee = FindStopped(t, pid);
  if (tracee == nullptr) return Errno::kESRCH;
  auto mm = tracee->MmRef();
  if (mm == nullptr) return Errno::kEIO;
  return mm;
}

Result<std::vector<siginfo_t>> Tracing::Pending(Task& t, pid_t pid, bool shared, uint64_t offset,
                                                size_t count) {
  MutexLock lock(t.kernel().task_mutex());
  Task* tracee = FindStopped(t, pid);
  if (tracee == nullptr) return Errno::kESRCH;
  MutexLock signal_lock(tracee->tg().signal_mutex());
  const auto& all = (shared ? tracee->tg().pending_ : tracee->pending_).all();
  std::vector<siginfo_t> out;
  for (uint64_t i = offset; i < all.size() && out.size() < count; ++i) out.push_back(all[i]);
  return out;
}

void Tracing::NotifyOfStop(Task& tracee, const TraceStop& stop) {
  ThreadGroup& tg = tracee.tracer_->tg();
  tg.child_queue_.Notify(kEventIn);
  const SignalAction action = tg.GetAction(SIGCHLD);
  if (action.is_ignore() || (action.flags & SA_NOCLDSTOP) != 0) return;
  siginfo_t info =
      MakeKillInfo(SIGCHLD, CLD_TRAPPED, tracee.TidIn(*tg.pid_ns()), tracee.creds()->ruid);
  info.si_status = stop.code & 0x7f;
  (void)tg.SendSignal(info);
}

void Tracing::NotifyOfExit(Task& tracee) {
  ThreadGroup& tg = tracee.tracer_->tg();
  tg.child_queue_.Notify(kEventIn);
  const int status = tracee.trace_zombie_ ? tracee.exit_status_ : tracee.tg().exit_status_;
  const ChildExit exit(status);
  siginfo_t info =
      MakeKillInfo(SIGCHLD, exit.code, tracee.TidIn(*tg.pid_ns()), tracee.tg().exit_uid_);
  info.si_status = exit.status;
  (void)tg.SendSignal(info);
}

int Tracing::EventOfClone(uint64_t flags, int exit_signal) {
  if ((flags & CLONE_VFORK) != 0) return PTRACE_EVENT_VFORK;
  return exit_signal != SIGCHLD ? PTRACE_EVENT_CLONE : PTRACE_EVENT_FORK;
}

void Tracing::OnClone(Task& parent, Task& child, uint64_t flags, int exit_signal) {
  Task* tracer = parent.tracer_;
  if (tracer == nullptr) return;
  const uint32_t option = 1u << EventOfClone(flags, exit_signal);
  const bool asked = (parent.trace_options_ & option) != 0 && (flags & CLONE_UNTRACED) == 0;
  if (!asked && (flags & CLONE_PTRACE) == 0) return;
  Link(*tracer, child, parent.seized_.load(), parent.trace_options_);
  MutexLock lock(child.tg().signal_mutex());
  if (parent.seized_.load()) {
    child.trap_stop_ = true;
  } else {
    child.pending_.Push(MakeKernelInfo(SIGSTOP));
  }
  child.UpdateInterruptFlag();
}

bool Tracing::MayGainPrivileges(Task& t) {
  MutexLock lock(t.kernel().task_mutex());
  return t.tracer_ == nullptr || t.tracer_->creds()->HasCapIn(*t.creds()->user_ns, CAP_SYS_PTRACE);
}

pid_t Tracing::TidForTracer(Task& t) {
  if (!t.traced()) return 0;
  MutexLock lock(t.kernel().task_mutex());
  return t.tracer_ == nullptr ? 0 : t.TidIn(t.tracer_->pid_ns());
}

}  // namespace cvisor::kernel
