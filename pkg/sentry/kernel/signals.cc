// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/kernel/signals.h"

#include <algorithm>
#include <cstring>

namespace cvisor::kernel {

DefaultAction DefaultActionOf(int sig) {
  switch (sig) {
    case SIGCONT:
      return DefaultAction::kContinue;
    case SIGCHLD:
    case SIGURG:
    case SIGWINCH:
      return DefaultAction::kIgnore;
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
      return DefaultAction::kStop;
    case SIGQUIT:
    case SIGILL:
    case SIGTRAP:
    case SIGABRT:
    case SIGFPE:
    case SIGSEGV:
    case SIGBUS:
    case SIGSYS:
    case SIGXCPU:
    case SIGXFSZ:
      return DefaultAction::kCore;
    default:
      return DefaultAction::kTerminate;
  }
}

Ref<SignalHandlers> SignalHandlers::Copy() const {
  auto copy = MakeRef<SignalHandlers>();
  MutexLock lock(mu_);
  MutexLock copy_lock(copy->mu_);
  copy->actions_ = actions_;
  return copy;
}

Ref<SignalHandlers> SignalHandlers::CopyForExec() const {
  auto copy = MakeRef<SignalHandlers>();
  MutexLock lock(mu_);
  MutexLock copy_lock(copy->mu_);
  for (int sig = 1; sig <= kNumSignals; ++sig) {
    if (actions_[sig].is_ignore()) copy->actions_[sig].handler = actions_[sig].handler;
  }
  return copy;
}

Ref<SignalHandlers> SignalHandlers::CopyCleared() const { return CopyForExec(); }

bool SignalHandlers::Ignores(int sig) const {
  const SignalAction action = Get(sig);
  if (action.is_ignore()) return true;
  return action.is_default() && DefaultActionOf(sig) == DefaultAction::kIgnore;
}

bool SignalQueue::Push(const siginfo_t& info) {
  const int sig = info.si_signo;
  if (sig < kFirstRealTime && (set_ & SignalBit(sig)) != 0) return false;
  set_ |= SignalBit(sig);
  queue_.push_back(info);
  return true;
}

namespace {

int NextSignal(SignalSet candidates) {
  if (candidates == 0) return 0;
  if ((candidates & kSynchronous) != 0) candidates &= kSynchronous;
  return __builtin_ctzll(candidates) + 1;
}

}  // namespace

std::optional<siginfo_t> SignalQueue::Peek(SignalSet mask) const {
  const int sig = NextSignal(set_ & mask);
  if (sig == 0) return std::nullopt;
  const auto it = std::find_if(queue_.begin(), queue_.end(),
                               [sig](const siginfo_t& i) { return i.si_signo == sig; });
  if (it == queue_.end()) return std::nullopt;
  return *it;
}

std::optional<siginfo_t> SignalQueue::Pop(SignalSet mask) {
  const int sig = NextSignal(set_ & mask);
  if (sig == 0) return std::nullopt;
  const auto same = [sig](const siginfo_t& i) { return i.si_signo == sig; };
  const auto it = std::find_if(queue_.begin(), queue_.end(), same);
  if (it == queue_.end()) return std::nullopt;
  const siginfo_t info = *it;
  const auto next = queue_.erase(it);
  if (std::find_if(next, queue_.end(), same) == queue_.end()) set_ &= ~SignalBit(sig);
  return info;
}

void SignalQueue::Discard(SignalSet mask) {
  if ((set_ & mask) == 0) return;
  std::erase_if(queue_,
                [mask](const siginfo_t& i) { return (SignalBit(i.si_signo) & mask) != 0; });
  set_ &= ~mask;
}

bool HasSender(const siginfo_t& info) {
  switch (info.si_code) {
    case SI_USER:
    case SI_TKILL:
      return true;
    case SI_KERNEL:  // nobody, which is 0 everywhere
    case SI_TIMER:
    case SI_SIGIO:
      return false;
    default:
      // Negative codes: rt_sigqueueinfo(2) and its like. The positive ones depend on the signal.
      return info.si_code < 0 || info.si_signo == SIGCHLD;
  }
}

siginfo_t MakeKillInfo(int sig, int code, pid_t pid, uid_t uid) {
  siginfo_t info;
  std::memset(&info, 0, sizeof(info));
  info.si_signo = sig;
  info.si_code = code;
  info.si_pid = pid;
  info.si_uid = uid;
  return info;
}

siginfo_t MakeKernelInfo(int sig) { return MakeKillInfo(sig, SI_KERNEL, 0, 0); }

siginfo_t MakeFaultInfo(int sig, int code, uint64_t addr, int trapno) {
  siginfo_t info;
  std::memset(&info, 0, sizeof(info));
  info.si_signo = sig;
  info.si_code = code;
  info.si_addr = reinterpret_cast<void*>(addr);
  (void)trapno;  // x86 leaves si_trapno unused; the frame carries it
  return info;
}

}  // namespace cvisor::kernel
