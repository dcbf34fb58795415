// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Signals of one task: sending, masks, delivery, stops. signal(7).

#include <sys/syscall.h>
#include <sys/wait.h>

#include "pkg/base/log.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/kernel/timers.h"

namespace cvisor::kernel {

bool Task::WantsSignal(int sig) const {
  return !exit_requested_ && (blocked_ & SignalBit(sig)) == 0;
}

void Task::InterruptLocked() {
  interrupted_.store(true, std::memory_order_release);
  Wake();
  if (Current() != this && ctx_ready_.load(std::memory_order_acquire)) ctx_->Interrupt();
}

void Task::UpdateInterruptFlag() {
  const SignalSet deliverable = (pending_.pending() | tg_->pending_.pending()) & ~blocked_;
  interrupted_.store(exit_requested_ || tg_->group_exiting_ || StopPending() || trap_stop_ ||
                         tg_->continue_notice_ || deliverable != 0,
                     std::memory_order_release);
}

Status Task::SendSignal(const siginfo_t& info) {
  MutexLock lock(tg_->signal_mutex());
  return tg_->SendSignalLocked(info, this);
}

void Task::ForceSignal(const siginfo_t& info) {
  MutexLock lock(tg_->signal_mutex());
  const int sig = info.si_signo;
  SignalAction action = tg_->handlers_->Get(sig);
  const bool blocked = (blocked_ & SignalBit(sig)) != 0;
  if (blocked || action.is_ignore()) {
    action.handler = 0;
    tg_->handlers_->Exchange(sig, action);
    blocked_ &= ~SignalBit(sig);
  }
  if (action.is_default()) tg_->unkillable_ = false;
  pending_.Push(info);
  interrupted_.store(true, std::memory_order_release);
}

void Task::SetBlocked(SignalSet mask) {
  MutexLock lock(tg_->signal_mutex());
  ChangeMaskLocked(mask & ~kUnblockable);
}

void Task::ChangeMaskLocked(SignalSet mask) {
  const SignalSet now_blocked = mask & ~blocked_;
  blocked_ = mask;
  UpdateInterruptFlag();
  // Signals that this thread was chosen for may have to find another one.
  tg_->RetargetLocked(now_blocked, this);
}

bool Task::HasDefaultActionPending() const {
  SignalSet set = (pending_.pending() | tg_->pending_.pending()) & ~blocked_;
  for (; set != 0; set &= set - 1) {
    if (tg_->handlers_->Get(__builtin_ctzll(set) + 1).is_default()) return true;
  }
  return false;
}

bool Task::IsDying() const {
  if (fatal_.load()) return true;
  if (!interrupted_.load(std::memory_order_acquire)) return false;
  MutexLock lock(tg_->signal_mutex());
  // A tracer may take the signal away, and an init has no default actions.
  if (traced() || tg_->unkillable_) return false;
  SignalSet set = (pending_.pending() | tg_->pending_.pending()) & ~blocked_;
  for (; set != 0; set &= set - 1) {
    const int sig = __builtin_ctzll(set) + 1;
    if (tg_->handlers_->Get(sig).is_default() && DefaultActionOf(sig) == DefaultAction::kTerminate) {
      return true;
    }
  }
  return false;
}

SignalSet Task::BlockedByOthers() const {
  MutexLock lock(tg_->signal_mutex());
  return blocked_;
}

void Task::SetTemporaryMask(SignalSet mask) {
  MutexLock lock(tg_->signal_mutex());
  if (!has_saved_mask_) saved_mask_ = blocked_;
  has_saved_mask_ = true;
  ChangeMaskLocked(mask & ~kUnblockable);
}

void Task::RestoreTemporaryMask() {
  MutexLock lock(tg_->signal_mutex());
  if (!has_saved_mask_) return;
  has_saved_mask_ = false;
  ChangeMaskLocked(saved_mask_);
}

bool Task::HasDeliverableSignal() const {
  MutexLock lock(tg_->signal_mutex());
  return ((pending_.pending() | tg_->pending_.pending()) & ~blocked_) != 0;
}

SignalSet Task::Pending() const {
  MutexLock lock(tg_->signal_mutex());
  return pending_.pending() | tg_->pending_.pending();
}

std::optional<siginfo_t> Task::DequeueSignal(SignalSet mask) {
  MutexLock lock(tg_->signal_mutex());
  auto info = TakePending(mask);
  UpdateInterruptFlag();
  return info;
}

std::optional<siginfo_t> Task::TakePending(SignalSet mask) {
  auto info = pending_.Pop(mask);
  if (!info.has_value()) info = tg_->pending_.Pop(mask);
  if (info.has_value() && info->si_code == SI_TIMER) {
    tg_->timers().OnSignalTaken(info->si_timerid, info->si_overrun);
  }
  return info;
}

std::optional<siginfo_t> Task::PeekSignal(SignalSet mask) const {
  MutexLock lock(tg_->signal_mutex());
  auto info = pending_.Peek(mask);
  return info.has_value() ? info : tg_->pending_.Peek(mask);
}

WaitQueue& Task::signal_queue() { return tg_->signal_queue(); }

bool Task::OnAltStack(uint64_t sp) const {
  const auto base = reinterpret_cast<uint64_t>(alt_stack_.ss_sp);
  if ((alt_stack_.ss_flags & (SS_DISABLE | static_cast<int>(kSsAutodisarm))) != 0) return false;
  return sp > base && sp - base <= alt_stack_.ss_size;
}

void Task::Exit(int status) {
  MutexLock lock(tg_->signal_mutex());
  exit_requested_ = true;
  exit_status_ = status;
  interrupted_.store(true, std::memory_order_release);
}

void Task::ExitGroup(int status) { tg_->KillAll(status); }

bool Task::HandleInterrupts() {
  for (;;) {
    std::optional<siginfo_t> info;
    bool stop = false, report_continue = false, trap = false;
    {
      MutexLock lock(tg_->signal_mutex());
      if (exit_requested_ || tg_->group_exiting_) {
        if (tg_->group_exiting_) exit_status_ = tg_->group_exit_status_;
        return false;
      }
      report_continue = std::exchange(tg_->continue_notice_, false);
      stop = StopPending();
      if (!report_continue) trap = std::exchange(trap_stop_, false) && !stop;
      if (!stop && !report_continue && !trap) {
        continues_seen_ = tg_->continues_;
        info = TakePending(~blocked_);
      }
    }
    if (report_continue) {
      ReportContinued();
      continue;
    }
    if (stop) {
      if (traced()) {
        StopForGroupStop();
      } else {
        WaitWhileStopped();
      }
      continue;
    }
    if (trap) {
      StopForTrap();
      continue;
    }
    if (!info.has_value()) break;
    DeliverSignal(*info);
  }
  PrepareSyscallRestart(nullptr);
  {
    MutexLock lock(tg_->signal_mutex());
    const SignalSet mask = has_saved_mask_ ? saved_mask_ : blocked_;
    has_saved_mask_ = false;
    ChangeMaskLocked(mask);
  }
  // The mask that came back may let something through.
  return interrupted_.load(std::memory_order_relaxed) ? HandleInterrupts() : true;
}

void Task::PrepareSyscallRestart(const SignalAction* action) {
  if (!in_syscall_) return;
  in_syscall_ = false;
  bool restart = false;
  switch (syscall_error_) {
    case Errno::kERESTARTNOINTR:
      restart = true;
      break;
    case Errno::kERESTARTSYS:
      restart = action == nullptr || (action->flags & SA_RESTART) != 0;
      break;
    case Errno::kERESTARTNOHAND:
    case Errno::kERESTART_RESTARTBLOCK:
      restart = action == nullptr;
      break;
    default:
      break;
  }
  if (!restart) return;  // rax is -EINTR already
  arch::Registers& r = regs();
  r.rax = syscall_error_ == Errno::kERESTART_RESTARTBLOCK ? __NR_restart_syscall : syscall_nr_;
  r.set_ip(r.ip() - arch::kSyscallInstructionSize);
}

void Task::DeliverSignal(siginfo_t info) {
  if (traced() && !StopForSignal(&info)) [[unlikely]] return;
  const int sig = info.si_signo;
  SignalAction action;
  bool unkillable;
  {
    MutexLock lock(tg_->signal_mutex());
    action = tg_->handlers_->Get(sig);
    unkillable = tg_->unkillable_;
  }
  kernel_.dispatcher().OnSignal(*this, info);
  if (action.is_ignore()) return;
  if (!action.is_default()) {
    PrepareSyscallRestart(&action);
    if (!PushSignalFrame(info, action).ok()) {
      // No room for the frame. A handler for SIGSEGV would fail the same way: back to the default.
      if (sig == SIGSEGV) {
        SignalAction dfl = action;
        dfl.handler = 0;
        tg_->handlers()->Exchange(SIGSEGV, dfl);
      }
      ForceSignal(MakeKernelInfo(SIGSEGV));
      return;
    }
    EnterHandler(sig, action);
    if (stepping_) [[unlikely]] StopForHandler();
    return;
  }
  switch (DefaultActionOf(sig)) {
    case DefaultAction::kIgnore:
    case DefaultAction::kContinue:
      return;
    case DefaultAction::kStop:
      if (unkillable && sig != SIGSTOP) return;
      if (sig != SIGSTOP) {
        MutexLock lock(kernel_.task_mutex());
        if (tg_->group() == nullptr || tg_->group()->IsOrphaned()) return;
      }
      EnterGroupStop(sig);
      return;
    case DefaultAction::kTerminate:
      if (unkillable) return;
      tg_->KillAll(sig);
      return;
    case DefaultAction::kCore:
      if (unkillable) return;
      LogInfo("task %d (%s) dies of signal %d, ip %#x, address %p", tid(), name(), sig, all_regs().ip(),
              info.si_addr);
      // No core is written; the bit says so.
      tg_->KillAll(sig);
      return;
  }
}

void Task::EnterHandler(int sig, const SignalAction& action) {
  MutexLock lock(tg_->signal_mutex());
  if ((action.flags & SA_RESETHAND) != 0) {
    SignalAction dfl = action;
    dfl.handler = 0;
    tg_->handlers_->Exchange(sig, dfl);
  }
  has_saved_mask_ = false;  // it is in the frame now
  SignalSet mask = blocked_ | action.mask;
  if ((action.flags & SA_NODEFER) == 0) mask |= SignalBit(sig);
  ChangeMaskLocked(mask & ~kUnblockable);
}

void Task::EnterGroupStop(int sig) {
  MutexLock lock(tg_->signal_mutex());
  if (tg_->group_exiting_ || tg_->stop_requested_) return;
  // A SIGCONT that came after the signal was taken from the queue cancels it.
  if (tg_->continues_ != continues_seen_) return;
  tg_->stop_requested_ = true;
  ++tg_->stops_;
  tg_->stop_signal_ = sig;
  tg_->stopped_tasks_ = 0;
  for (Task* t : tg_->signal_tasks_) t->InterruptLocked();
}

void Task::WaitWhileStopped() {
  // Counted in stopped_tasks_ for this stop; a continue starts the count anew.
  bool counted = false;
  uint64_t counted_for = 0;
  state_.store('T', std::memory_order_relaxed);
  for (;;) {
    bool complete = false;
    int sig = 0;
    {
      MutexLock lock(tg_->signal_mutex());
      if (counted && counted_for != tg_->continues_) counted = false;
      // A tracer that came meanwhile wants a stop of its own kind.
      if (!tg_->stop_requested_ || tg_->group_exiting_ || exit_requested_ || traced()) {
        if (counted) --tg_->stopped_tasks_;
        break;
      }
      if (!counted) {
        counted = true;
        counted_for = tg_->continues_;
        ++tg_->stopped_tasks_;
      }
      // Also after another thread has left, which wakes this one.
      complete = !tg_->stopped_.load() &&
                 tg_->stopped_tasks_ >= static_cast<int>(tg_->signal_tasks_.size());
      if (complete) tg_->stopped_.store(true);
      sig = tg_->stop_signal_;
    }
    if (complete) {
      ReportStopped(sig);
      if (!tg_->stopped_.load()) continue;
    }
    parker_.Park(Deadline::Never());
  }
  state_.store('R', std::memory_order_relaxed);
}

void Task::ReportStopped(int sig) {
  MutexLock lock(kernel_.task_mutex());
  // Continued already: its report must not be overwritten.
  if (!tg_->stopped_.load()) return;
  tg_->report_stop_ = true;
  tg_->report_continue_ = false;
  tg_->stop_report_signal_ = sig;
  if (tg_->parent_ == nullptr || !tg_->TracedBy(*tg_->parent_)) {
    tg_->NotifyParent(SIGCHLD, CLD_STOPPED, sig);
  }
}

void Task::ReportContinued() {
  MutexLock lock(kernel_.task_mutex());
  tg_->report_stop_ = false;
  tg_->report_continue_ = true;
  tg_->NotifyParent(SIGCHLD, CLD_CONTINUED, SIGCONT);
}

}  // namespace cvisor::kernel
