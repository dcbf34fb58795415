// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// seccomp(2) of the application: its filters, and what they do to its calls. They run in the
// Sentry, before the call's handler; the filters that keep the stubs in are the host's and the
// platform's.

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>

#include "pkg/base/log.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/seccomp_listener.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/thread_group.h"

namespace cvisor::kernel {
namespace {

constexpr uint32_t kMaxErrno = 4095;
constexpr int kSysSeccomp = 1;  // SYS_SECCOMP, si_code

siginfo_t SeccompInfo(const arch::Registers& regs, uint64_t number, int data) {
  siginfo_t info;
  std::memset(&info, 0, sizeof(info));
  info.si_signo = SIGSYS;
  info.si_code = kSysSeccomp;
  info.si_errno = data;
  info.si_call_addr = reinterpret_cast<void*>(regs.ip());
  info.si_syscall = static_cast<int>(number);
  info.si_arch = AUDIT_ARCH_X86_64;
  return info;
}

bool AllowedInStrictMode(uint64_t number) {
  switch (number) {
    case SYS_read:
    case SYS_write:
    case SYS_exit:
    case SYS_rt_sigreturn:
      return true;
    default:
      return false;
  }
}

}  // namespace

Ref<const seccomp::Filter> Task::SeccompFilter() const {
  MutexLock lock(mu_);
  return seccomp_filter_;
}

void Task::SetSeccomp(int mode, Ref<const seccomp::Filter> filter) {
  {
    MutexLock lock(mu_);
    seccomp_filter_.swap(filter);
    own_filter_.store(seccomp_filter_.get(), std::memory_order_release);
  }
  // After the filter: whoever sees the mode finds it.
  seccomp_mode_.store(mode, std::memory_order_release);
  if (mode != SECCOMP_MODE_DISABLED) ReportCallsToSeccomp();
}

void Task::ReportCallsToSeccomp() {
  const Ref<const seccomp::Filter> filter = SeccompFilter();
  if (filter != nullptr && std::all_of(std::begin(platform::kLocalCalls),
                                       std::end(platform::kLocalCalls), [&](uint64_t number) {
                                         return filter->AlwaysAllows(number);
                                       })) {
    return;  // it would not look at them
  }
  if (const Ref<mm::MemoryManager> mm = MmRef(); mm != nullptr) mm->as().ReportAllCalls();
}

Status Task::EnterStrictSeccomp() {
  // Another thread's SECCOMP_FILTER_FLAG_TSYNC must come before or after.
  MutexLock lock(kernel_.task_mutex());
  if (seccomp_mode() != SECCOMP_MODE_DISABLED && seccomp_mode() != SECCOMP_MODE_STRICT) {
    return Errno::kEINVAL;
  }
  SetSeccomp(SECCOMP_MODE_STRICT, nullptr);
  return OkStatus();
}

void Task::DropSeccompFilter() {
  if (seccomp_mode() != SECCOMP_MODE_FILTER) return;
  Ref<const seccomp::Filter> filter;  // dropped after the locks
  // fatal_ is set: who synchronises threads after this passes it by.
  MutexLock tasks_lock(kernel_.task_mutex());
  MutexLock lock(mu_);
  own_filter_.store(nullptr);
  seccomp_filter_.swap(filter);
}

Result<pid_t> Task::InstallSeccompFilter(std::vector<sock_filter> program, bool all_threads,
                                         Ref<seccomp::Listener> listener) {
  if (!all_threads) {
    // Another thread may synchronise this one meanwhile: under the task mutex, as it does.
    MutexLock lock(kernel_.task_mutex());
    if (seccomp_mode() == SECCOMP_MODE_STRICT) return Errno::kEINVAL;
    ASSIGN_OR_RETURN(auto filter, seccomp::Filter::New(std::move(program), SeccompFilter(),
                                                       std::move(listener)));
    SetSeccomp(SECCOMP_MODE_FILTER, std::move(filter));
    return 0;
  }
  // References that go are dropped after the lock.
  std::vector<Ref<const seccomp::Filter>> old;
  MutexLock lock(kernel_.task_mutex());
  if (seccomp_mode() == SECCOMP_MODE_STRICT) return Errno::kEINVAL;
  const Ref<const seccomp::Filter> mine = SeccompFilter();
  ASSIGN_OR_RETURN(auto filter,
                   seccomp::Filter::New(std::move(program), mine, std::move(listener)));
  // All or none: each must be where this thread was, or less far.
  for (Task* t : tg_->tasks()) {
    if (t == this || t->fatal_.load()) continue;
    const int mode = t->seccomp_mode();
    const auto theirs = t->SeccompFilter();
    const bool ancestor =
        theirs == nullptr || (mine != nullptr && mine->DescendsFrom(theirs.get()));
    if (mode == SECCOMP_MODE_STRICT || !ancestor) return t->TidIn(pid_ns());
    old.push_back(theirs);
  }
  for (Task* t : tg_->tasks()) {
    if (t->fatal_.load()) continue;
    // A privileged caller may have skipped no_new_privs; what it has done, its threads get.
    if (no_new_privs) t->no_new_privs = true;
    t->SetSeccomp(SECCOMP_MODE_FILTER, filter);
  }
  return 0;
}

std::optional<Result<uint64_t>> Task::ApplySeccomp(uint64_t* call_number, bool traced_already) {
  const uint64_t number = *call_number;
  if (seccomp_mode() == SECCOMP_MODE_STRICT) {
    if (AllowedInStrictMode(number)) return std::nullopt;
    LogInfo("seccomp: task %d made call %d in strict mode", tid(), number);
    Exit(SIGKILL);
    SetRegistersFinal();
    return Result<uint64_t>(0);
  }
  const seccomp::Filter& filter = *own_filter_.load(std::memory_order_acquire);
  if (filter.AlwaysAllows(number)) return std::nullopt;
  const arch::Registers& regs = regs_;
  seccomp_data data = {};
  data.nr = static_cast<int>(number);
  data.arch = AUDIT_ARCH_X86_64;
  data.instruction_pointer = regs.ip();
  const uint64_t args[6] = {regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9};
  std::memcpy(data.args, args, sizeof(args));
  const auto [verdict, match] = filter.Evaluate(data);
  const uint32_t value = verdict & SECCOMP_RET_DATA;
  switch (verdict & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_ALLOW:
      return std::nullopt;
    case SECCOMP_RET_LOG:
      LogInfo("seccomp: task %d \"%s\" made call %d", tid(), name(), number);
      return std::nullopt;
    case SECCOMP_RET_TRACE:
      // After the tracer had its say the filter is asked again about what it made of the call.
      if (traced_already) return std::nullopt;
      if (!StopForSeccomp(value)) return Result<uint64_t>(Errno::kENOSYS);
      *call_number = regs_.orig_rax;
      if (static_cast<int64_t>(*call_number) < 0) return Result<uint64_t>(regs_.rax);
      return ApplySeccomp(call_number, /*traced_already=*/true);
    case SECCOMP_RET_USER_NOTIF:
      if (match->listener() == nullptr) return Result<uint64_t>(Errno::kENOSYS);
      return static_cast<SeccompListener&>(*match->listener()).Ask(*this, data);
    case SECCOMP_RET_ERRNO:
      // As a value: it may be none that exists.
      return Result<uint64_t>(-static_cast<uint64_t>(std::min(value, kMaxErrno)));
    case SECCOMP_RET_TRAP:
      // The registers are those before the call.
      this->regs().rax = number;
      this->regs().orig_rax = ~uint64_t{0};
      ForceSignal(SeccompInfo(regs, number, static_cast<int>(value)));
      SetRegistersFinal();
      return Result<uint64_t>(0);
    case SECCOMP_RET_KILL_THREAD:
    case SECCOMP_RET_KILL_PROCESS:
    default: {
      LogInfo("seccomp: task %d \"%s\" is killed for call %d", tid(), name(), number);
      bool last;
      {
        MutexLock lock(kernel_.task_mutex());
        last = tg_->live_tasks() == 1;
      }
      if ((verdict & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_KILL_THREAD && !last) {
        Exit(SIGSYS);
      } else {
        tg_->KillAll(SIGSYS);
      }
      SetRegistersFinal();
      return Result<uint64_t>(0);
    }
  }
}

}  // namespace cvisor::kernel
