// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The life of a task's host thread, and how it sleeps.

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pkg/base/log.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/task_internal.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/kernel/timers.h"

namespace cvisor::kernel {
namespace {

// Sanitizers' stack frames are several times larger.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kStackSize = 2 << 20;
#else
constexpr size_t kStackSize = 256 << 10;
#endif

}  // namespace

Status Task::StartThread() {
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, kStackSize);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  IncRef();  // the thread's own
  int error;
  {
    // Held so that nobody asks for the thread's clock before thread_ is set.
    MutexLock lock(mu_);
    pthread_t thread;
    error = pthread_create(&thread, &attr, &Task::ThreadMain, this);
    if (error == 0) {
      thread_ = thread;
      thread_started_ = true;
    }
  }
  pthread_attr_destroy(&attr);
  if (error == 0) return OkStatus();
  DecRef();
  LogWarning("cannot make a host thread: %s", ErrnoName(static_cast<Errno>(error)));
  return Errno::kEAGAIN;
}

void* Task::ThreadMain(void* arg) {
  Task* task = static_cast<Task*>(arg);
  current_task = task;
  Kernel& kernel = task->kernel_;
  task->Run();
  current_task = nullptr;
  task->DecRef();
  kernel.ThreadEnded();
  return nullptr;
}

void Task::Run() {
  prctl(PR_SET_NAME, "task");
  ipc::BindThread(tg_->numbers_.get());
  if (initial_exec_ != nullptr && !RunInitialExec()) {
    ExitNow();
    return;
  }
  mm::MemoryManager::BindThread(ctx_.get(), mm_.get());
  tg_->timers().OnCpuTime();  // an inherited RLIMIT_CPU is watched from the start
  for (;;) {
    if (interrupted_.load(std::memory_order_acquire) && !HandleInterrupts()) break;
    if (stepping_) [[unlikely]] BeginStep();
    const platform::Event event = ctx_->SwitchLazily(
        mm_->as(), &regs_, std::exchange(regs_changed_, platform::Changed::kNothing));
    if (stepping_ && !EndStep(event)) [[unlikely]] continue;
    switch (event.kind) {
      case platform::Event::kSyscall:
        HandleSyscall();
        break;
      case platform::Event::kFault:
        HandleFault(event);
        break;
      case platform::Event::kInterrupt:
        involuntary_switches.fetch_add(1, std::memory_order_relaxed);
        tg_->timers().OnCpuTime();
        break;
      case platform::Event::kDead:
        LogWarning("task %d: its stub process is gone", tid());
        tg_->KillAll(SIGKILL);
        break;
    }
  }
  ExitNow();
}

void Task::HandleSyscall() {
  uint64_t number = regs_.orig_rax;
  registers_final_ = false;
  std::optional<Result<uint64_t>> refused;
  if (trace_calls_) [[unlikely]] refused = StopAtEntry(&number);
  if (seccomp_mode() != 0 && !refused) [[unlikely]] refused = ApplySeccomp(&number);
  const Result<uint64_t> result =
      refused ? *refused : kernel_.dispatcher().Dispatch(*this, number);
  if (!registers_final_) StoreResult(number, result);
  if (trace_calls_ || stepping_) [[unlikely]] StopAtExit(number);
}

void Task::StoreResult(uint64_t number, const Result<uint64_t>& result) {
  if (regs_changed_ == platform::Changed::kNothing) regs_changed_ = platform::Changed::kResult;
  regs_.orig_rax = ~uint64_t{0};
  if (result.ok()) {
    regs_.rax = *result;
    return;
  }
  const Errno error = result.error();
  if (static_cast<int>(error) < static_cast<int>(Errno::kERESTARTSYS)) {
    regs_.rax = static_cast<uint64_t>(-static_cast<int64_t>(error));
    return;
  }
  // Decided when the signal is delivered, or there turns out to be none.
  in_syscall_ = true;
  syscall_error_ = error;
  syscall_nr_ = number;
  regs_.rax = static_cast<uint64_t>(-static_cast<int64_t>(Errno::kEINTR));
  interrupted_.store(true, std::memory_order_release);
}

void Task::HandleFault(const platform::Event& event) {
  fault_trapno_ = event.trapno;
  fault_error_code_ = event.error_code;
  fault_addr_ = event.addr;
  if (event.signo == SIGSEGV || event.signo == SIGBUS) {
    const auto r = mm_->HandleFault(mm_caller(), event.signo, event.code, event.addr, all_regs().sp());
    if (r.handled) return;
    ForceSignal(MakeFaultInfo(event.signo, r.si_code, event.addr, static_cast<int>(event.trapno)));
    return;
  }
  ForceSignal(MakeFaultInfo(event.signo, event.code, event.addr, static_cast<int>(event.trapno)));
}

Status Task::Block(Deadline deadline) {
  state_.store('S', std::memory_order_relaxed);
  voluntary_switches.fetch_add(1, std::memory_order_relaxed);
  Status status;
  ctx_->Sleeping(true);
  if (interrupted_.load(std::memory_order_acquire) && ShouldUnwind()) {
    status = Errno::kERESTARTSYS;
  } else if (!parker_.Park(deadline)) {
    status = Errno::kETIMEDOUT;
  } else if (interrupted_.load(std::memory_order_acquire) && ShouldUnwind()) {
    status = Errno::kERESTARTSYS;
  }
  ctx_->Sleeping(false);
  state_.store('R', std::memory_order_relaxed);
  return status;
}

void Task::Wake() {
  if (!parker_.asleep()) {
    parker_.Unpark();
    return;
  }
  IncRef();
  if (!WakeBatch::Add(&Task::WakeSleeper, this)) WakeSleeper(this);
}

void Task::WakeSleeper(void* task) {
  const auto t = Ref<Task>::Adopt(static_cast<Task*>(task));
  Task* const waker = Current();
  if (waker != nullptr && waker->ctx_ != nullptr) waker->ctx_->AboutToWake(*t->ctx_);
  t->parker_.Unpark();
}

bool Task::ShouldUnwind() {
  MutexLock lock(tg_->signal_mutex());
  UpdateInterruptFlag();
  return interrupted_.load(std::memory_order_relaxed);
}

Status Task::BlockKillable(Deadline deadline) {
  state_.store('D', std::memory_order_relaxed);
  Status status;
  ctx_->Sleeping(true);
  if (IsDying()) {
    status = Errno::kERESTARTNOINTR;
  } else if (!parker_.Park(deadline)) {
    status = Errno::kETIMEDOUT;
  } else if (IsDying()) {
    status = Errno::kERESTARTNOINTR;
  }
  ctx_->Sleeping(false);
  state_.store('R', std::memory_order_relaxed);
  return status;
}

}  // namespace cvisor::kernel
