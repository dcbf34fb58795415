// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Signals: sets, actions and queues (signal(7), sigaction(2)).

#ifndef CVISOR_PKG_SENTRY_KERNEL_SIGNALS_H_
#define CVISOR_PKG_SENTRY_KERNEL_SIGNALS_H_

#include <signal.h>

#include <array>
#include <cstdint>
#include <deque>
#include <optional>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"

namespace cvisor::kernel {

inline constexpr int kNumSignals = 64;
inline constexpr int kFirstRealTime = 32;

// Bit n-1 is signal n: the kernel's sigset_t.
using SignalSet = uint64_t;
constexpr SignalSet SignalBit(int sig) { return uint64_t{1} << (sig - 1); }
inline constexpr SignalSet kUnblockable = SignalBit(SIGKILL) | SignalBit(SIGSTOP);
inline constexpr SignalSet kStopSignals =
    SignalBit(SIGSTOP) | SignalBit(SIGTSTP) | SignalBit(SIGTTIN) | SignalBit(SIGTTOU);
// Delivered before others: they belong to the instruction that just ran.
inline constexpr SignalSet kSynchronous = SignalBit(SIGSEGV) | SignalBit(SIGBUS) |
                                          SignalBit(SIGILL) | SignalBit(SIGTRAP) |
                                          SignalBit(SIGFPE) | SignalBit(SIGSYS);
constexpr bool ValidSignal(int sig) { return sig >= 1 && sig <= kNumSignals; }

// sigaltstack(2)'s flag, which glibc lacks.
inline constexpr uint32_t kSsAutodisarm = 1u << 31;

// What the default action does.
enum class DefaultAction { kTerminate, kCore, kStop, kContinue, kIgnore };
DefaultAction DefaultActionOf(int sig);

// The kernel's struct sigaction (rt_sigaction(2)).
struct SignalAction {
  uint64_t handler = 0;  // 0 SIG_DFL, 1 SIG_IGN
  uint64_t flags = 0;
  uint64_t restorer = 0;
  SignalSet mask = 0;

  bool is_default() const { return handler == 0; }
  bool is_ignore() const { return handler == 1; }
};
static_assert(sizeof(SignalAction) == 32);

// Shared between threads and by CLONE_SIGHAND.
class SignalHandlers : public RefCounted {
 public:
  SignalAction Get(int sig) const {
    MutexLock lock(mu_);
    return actions_[sig];
  }
  SignalAction Exchange(int sig, const SignalAction& action) {
    MutexLock lock(mu_);
    SignalAction old = actions_[sig];
    actions_[sig] = action;
    return old;
  }
  Ref<SignalHandlers> Copy() const;
  // exec: handlers become default, ignored stay ignored.
  Ref<SignalHandlers> CopyForExec() const;
  // CLONE_CLEAR_SIGHAND.
  Ref<SignalHandlers> CopyCleared() const;
  // True if the signal would do nothing now: SIG_IGN, or SIG_DFL with default "ignore".
  bool Ignores(int sig) const;

 private:
  mutable Mutex mu_;  // leaf
  std::array<SignalAction, kNumSignals + 1> actions_ ABSL_GUARDED_BY(mu_);
};

// Pending signals of a thread or a process. The owner's signal lock guards it.
class SignalQueue {
 public:
  // Queues; a standard signal already pending is dropped (returns false).
  bool Push(const siginfo_t& info);
  // The next signal of `mask` in delivery order (synchronous ones, then lowest number, FIFO within).
  std::optional<siginfo_t> Pop(SignalSet mask);
  std::optional<siginfo_t> Peek(SignalSet mask) const;
  void Discard(SignalSet mask);
  // POSIX timers queue one signal each: if that of `timer_id` still waits, adds `more` to its overrun
  // count and returns true.
  bool AddTimerOverrun(int sig, int timer_id, int64_t more) {
    if ((set_ & SignalBit(sig)) == 0) return false;
    for (siginfo_t& i : queue_) {
      if (i.si_signo != sig || i.si_code != SI_TIMER || i.si_timerid != timer_id) continue;
      i.si_overrun = static_cast<int>(more > INT32_MAX - i.si_overrun ? INT32_MAX
                                                                      : i.si_overrun + more);
      return true;
    }
    return false;
  }
  SignalSet pending() const { return set_; }
  size_t size() const { return queue_.size(); }
  // The signals in the order they came.
  const std::deque<siginfo_t>& all() const { return queue_; }

 private:
  SignalSet set_ = 0;
  std::deque<siginfo_t> queue_;
};

// Does it tell of a process: are si_pid and si_uid what is in the union?
bool HasSender(const siginfo_t& info);
// siginfo for kill(2), tgkill(2), and signals of the kernel itself. `pid` is a number of the
// receiver's PID namespace, 0 if that cannot see the sender; `uid` one of the first user namespace:
// queueing the signal translates it for the receiver.
siginfo_t MakeKillInfo(int sig, int code, pid_t pid, uid_t uid);
siginfo_t MakeKernelInfo(int sig);  // SI_KERNEL
siginfo_t MakeFaultInfo(int sig, int code, uint64_t addr, int trapno);

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_SIGNALS_H_
