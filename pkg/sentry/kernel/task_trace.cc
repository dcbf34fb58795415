// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The tracee's side of ptrace(2): stops, and what a task does with what its tracer said.

#include <sys/wait.h>

#include <cstring>

#include "pkg/base/log.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/kernel/trace.h"

namespace cvisor::kernel {
namespace {

constexpr uint64_t kTrapFlag = 0x100;
constexpr uint64_t kTrapDebug = 1;
// PTRACE_EVENTMSG_SYSCALL_ENTRY and _EXIT, which glibc lacks.
constexpr uint64_t kMessageEntry = 1, kMessageExit = 2;

int64_t ErrorValue(Errno error) { return -static_cast<int64_t>(error); }

}  // namespace

pid_t Task::TracerIn(const PidNamespace& ns) const {
  if (!traced()) return 0;
  MutexLock lock(kernel_.task_mutex());
  return tracer_ == nullptr ? 0 : tracer_->TidIn(ns);
}

bool Task::StopPending() const {
  return tg_->stop_requested_ && !(traced() && stops_taken_ == tg_->stops_);
}

std::optional<int> Task::StopForTracer(TraceStop& stop) {
  const bool exit_stop = stop.event() == PTRACE_EVENT_EXIT;
  if (!traced() || mm_ == nullptr) {
    trace_calls_ = stepping_ = false;
    return std::nullopt;
  }
  // A debugger sees the program as it is in its file, and all its calls.
  mm_->as().ReportAllCalls();
  mm_->as().ShowOriginalCode();

  // As changed: a thread that is in a trampoline of a patched call leaves it.
  stop.regs = regs();
  if (stop.kind == TraceStop::kExit || stop.kind == TraceStop::kEntry) {
    stop.regs.orig_rax = syscall_nr_;
  }
  if (in_syscall_) {
    stop.regs.orig_rax = syscall_nr_;
    stop.regs.rax = static_cast<uint64_t>(ErrorValue(syscall_error_));
  } else if (stop.kind != TraceStop::kExit && stop.regs.orig_rax != ~uint64_t{0}) {
    stop.regs.rax = static_cast<uint64_t>(ErrorValue(Errno::kENOSYS));
  }
  if (auto xsave = ctx_->GetXsave(); xsave.ok()) stop.xsave = std::move(*xsave);
  {
    MutexLock lock(tg_->signal_mutex());
    stop.mask = has_saved_mask_ ? saved_mask_ : blocked_;
  }
  if (!stop.info.has_value() && stop.kind != TraceStop::kSignal && stop.event() != 0) {
    stop.info = MakeKillInfo(SIGTRAP, stop.code, tid(), creds()->ruid);
  }
  const uint32_t kills = tg_->kills_.load();
  // A task that is to end has its last stop nevertheless, until it is killed once more.
  const auto killed = [&] { return exit_stop ? tg_->kills_.load() != kills : fatal_.load(); };
  {
    MutexLock lock(kernel_.task_mutex());
    if (tracer_ == nullptr) {
      trace_calls_ = stepping_ = false;
      return std::nullopt;
    }
    if (killed()) return 0;
    trace_stop_ = &stop;
    in_trace_stop_.store(true);
    Tracing::NotifyOfStop(*this, stop);
  }
  ctx_->Sleeping(true);
  for (;;) {
    {
      MutexLock lock(kernel_.task_mutex());
      if (stop.listening) {
        MutexLock signal_lock(tg_->signal_mutex());
        if (trap_stop_) stop.over = true;
      }
      if (stop.over || killed()) {
        trace_stop_ = nullptr;
        in_trace_stop_.store(false);
        break;
      }
    }
    parker_.Park(Deadline::Never());
  }
  ctx_->Sleeping(false);
  if (!stop.over) return 0;

  trace_calls_ = stop.calls;
  stepping_ = stop.step;
  if (stop.xsave_changed && !ctx_->SetXsave(stop.xsave).ok()) {
    LogInfo("task %d: its tracer's FPU state is not valid", tid());
  }
  if (stop.mask_changed) {
    has_saved_mask_ = false;
    SetBlocked(stop.mask);
  }
  if (stop.regs_changed) TakeTracersRegisters(stop.regs);
  return stop.signal;
}

void Task::TakeTracersRegisters(const arch::Registers& r) {
  in_syscall_ = false;
  const uint64_t number = regs().orig_rax;
  regs() = r;
  const auto error = static_cast<Errno>(-static_cast<int64_t>(r.rax));
  if (static_cast<int64_t>(r.orig_rax) >= 0 &&
      (error == Errno::kERESTARTSYS || error == Errno::kERESTARTNOINTR ||
       error == Errno::kERESTARTNOHAND || error == Errno::kERESTART_RESTARTBLOCK)) {
    in_syscall_ = true;
    syscall_error_ = error;
    syscall_nr_ = r.orig_rax;
    regs_.rax = static_cast<uint64_t>(ErrorValue(Errno::kEINTR));
    interrupted_.store(true, std::memory_order_release);
  }
  // What it is inside of a call; outside there is none.
  regs_.orig_rax = number;
}

void Task::StopForEvent(int event, uint64_t message) {
  {
    MutexLock lock(kernel_.task_mutex());
    if (tracer_ == nullptr || (trace_options_ & (1u << event)) == 0) return;
    trace_message_ = message;
  }
  TraceStop stop;
  stop.code = SIGTRAP | event << 8;
  StopForTracer(stop);
}

void Task::StopForClone(uint64_t flags, int exit_signal, const Task& child) {
  if ((flags & CLONE_UNTRACED) != 0) return;
  pid_t number;
  {
    MutexLock lock(kernel_.task_mutex());
    if (tracer_ == nullptr) return;
    number = child.TidIn(tracer_->pid_ns());
  }
  StopForEvent(Tracing::EventOfClone(flags, exit_signal), static_cast<uint64_t>(number));
}

void Task::StopForExec(pid_t old_tid) {
  bool event;
  {
    MutexLock lock(kernel_.task_mutex());
    event = (trace_options_ & PTRACE_O_TRACEEXEC) != 0;
  }
  if (event) {
    StopForEvent(PTRACE_EVENT_EXEC, static_cast<uint64_t>(old_tid));
  } else if (!seized_.load()) {
    (void)SendSignal(MakeKillInfo(SIGTRAP, SI_USER, tid(), creds()->ruid));
  }
}

bool Task::StopForSignal(siginfo_t* info) {
  TraceStop stop;
  stop.kind = TraceStop::kSignal;
  stop.code = info->si_signo;
  stop.info = *info;
  const auto answer = StopForTracer(stop);
  if (!answer.has_value()) return true;
  const int sig = *answer;
  if (sig == 0) return false;
  if (sig == info->si_signo) {
    *info = *stop.info;
    info->si_signo = sig;
  } else {
    MutexLock lock(kernel_.task_mutex());
    *info = tracer_ != nullptr
                ? MakeKillInfo(sig, SI_USER, tracer_->tg().IdIn(pid_ns()), tracer_->creds()->ruid)
                : MakeKernelInfo(sig);
  }
  if (sig == SIGKILL) {
    tg_->KillAll(SIGKILL);
    return false;
  }
  MutexLock lock(tg_->signal_mutex());
  if ((blocked_ & SignalBit(sig)) == 0) return true;
  pending_.Push(*info);
  return false;
}

void Task::StopForTrap() {
  TraceStop stop;
  {
    MutexLock lock(tg_->signal_mutex());
    const int sig = tg_->stop_requested_ ? tg_->stop_signal_ : SIGTRAP;
    stop.code = sig | PTRACE_EVENT_STOP << 8;
  }
  StopForTracer(stop);
}

void Task::StopForGroupStop() {
  bool complete;
  TraceStop stop;
  {
    MutexLock lock(tg_->signal_mutex());
    if (!StopPending()) return;
    stops_taken_ = tg_->stops_;
    trap_stop_ = false;
    stop.code = tg_->stop_signal_;
    ++tg_->stopped_tasks_;
    complete =
        !tg_->stopped_.load() && tg_->stopped_tasks_ >= static_cast<int>(tg_->signal_tasks_.size());
    if (complete) tg_->stopped_.store(true);
    UpdateInterruptFlag();
  }
  if (complete) ReportStopped(stop.code);
  if (seized_.load()) stop.code |= PTRACE_EVENT_STOP << 8;
  StopForTracer(stop);
}

void Task::StopForHandler() {
  TraceStop stop;
  stop.code = SIGTRAP;
  stop.info = MakeKillInfo(SIGTRAP, SIGTRAP, tid(), creds()->ruid);
  StopForTracer(stop);
}

std::optional<Result<uint64_t>> Task::StopAtEntry(uint64_t* number) {
  TraceStop stop;
  stop.kind = TraceStop::kEntry;
  {
    MutexLock lock(kernel_.task_mutex());
    stop.code = SIGTRAP | ((trace_options_ & PTRACE_O_TRACESYSGOOD) != 0 ? 0x80 : 0);
    trace_message_ = kMessageEntry;
  }
  syscall_nr_ = *number;
  stop.info = MakeKillInfo(SIGTRAP, stop.code, tid(), creds()->ruid);
  const auto signal = StopForTracer(stop);
  if (signal.value_or(0) != 0) (void)SendSignal(MakeKernelInfo(*signal));
  if (!stop.regs_changed) return std::nullopt;
  in_syscall_ = false;
  *number = regs_.orig_rax = stop.regs.orig_rax;
  regs_.rax = stop.regs.rax;
  if (static_cast<int64_t>(*number) >= 0) return std::nullopt;
  return Result<uint64_t>(stop.regs.rax);
}

bool Task::StopForSeccomp(uint32_t data) {
  {
    MutexLock lock(kernel_.task_mutex());
    if (tracer_ == nullptr || (trace_options_ & PTRACE_O_TRACESECCOMP) == 0) return false;
    trace_message_ = data;
  }
  TraceStop stop;
  stop.kind = TraceStop::kSeccomp;
  stop.code = SIGTRAP | PTRACE_EVENT_SECCOMP << 8;
  stop.seccomp_data = data;
  if (!StopForTracer(stop).has_value()) return false;
  if (stop.regs_changed) {
    in_syscall_ = false;
    regs_.orig_rax = stop.regs.orig_rax;
    regs_.rax = stop.regs.rax;
  }
  return true;
}

void Task::StopAtExit(uint64_t number) {
  {
    MutexLock lock(tg_->signal_mutex());
    if (exit_requested_) return;
  }
  if (stepping_) {
    // The step was the call: its trap comes before the next instruction.
    ForceSignal(MakeFaultInfo(SIGTRAP, TRAP_BRKPT, regs().ip(), 0));
    return;
  }
  TraceStop stop;
  stop.kind = TraceStop::kExit;
  {
    MutexLock lock(kernel_.task_mutex());
    stop.code = SIGTRAP | ((trace_options_ & PTRACE_O_TRACESYSGOOD) != 0 ? 0x80 : 0);
    trace_message_ = kMessageExit;
  }
  if (!in_syscall_) syscall_nr_ = number;
  stop.info = MakeKillInfo(SIGTRAP, stop.code, tid(), creds()->ruid);
  const auto signal = StopForTracer(stop);
  if (signal.value_or(0) != 0) (void)SendSignal(MakeKernelInfo(*signal));
}

void Task::StopBeforeExit() {
  if (!traced() && !is_tracer_.load()) return;
  {
    // First, or two that trace each other would wait for each other.
    MutexLock lock(kernel_.task_mutex());
    Tracing::ReleaseTracees(*this);
  }
  StopForEvent(PTRACE_EVENT_EXIT, static_cast<uint64_t>(exit_status_));
  trace_calls_ = stepping_ = false;
}

void Task::BeginStep() {
  forced_trap_flag_ = (regs().eflags & kTrapFlag) == 0;
  regs().eflags |= kTrapFlag;
}

bool Task::EndStep(const platform::Event& event) {
  arch::Registers& r = regs();
  const bool forced = std::exchange(forced_trap_flag_, false);
  if (forced) {
    r.eflags &= ~kTrapFlag;
    if (event.kind == platform::Event::kSyscall) r.r11 &= ~kTrapFlag;
  }
  if (traced()) return true;
  stepping_ = false;
  return !(forced && event.kind == platform::Event::kFault && event.signo == SIGTRAP &&
           event.trapno == kTrapDebug);
}

}  // namespace cvisor::kernel
