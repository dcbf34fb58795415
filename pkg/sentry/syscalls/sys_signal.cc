// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// What a thread does about its own signals: rt_sigaction(2), rt_sigprocmask(2), sigpending(2),
// sigsuspend(2), sigtimedwait(2), sigaltstack(2), rt_sigreturn(2). Sending is in sys_kill.cc.

#include <signal.h>

#include "pkg/abi/linux/ucontext.h"
#include "pkg/sentry/arch/signal_frame.h"
#include "pkg/sentry/kernel/signals.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/syscalls/handlers.h"

namespace cvisor::syscalls {
namespace {

using kernel::Deadline;
using kernel::kUnblockable;
using kernel::SignalAction;
using kernel::SignalSet;

// What sa_flags may hold; Linux drops other bits, so that programs can find out what is supported.
constexpr uint64_t kKnownActionFlags = 0x1 /*NOCLDSTOP*/ | 0x2 /*NOCLDWAIT*/ | 0x4 /*SIGINFO*/ |
                                       0x800 /*EXPOSE_TAGBITS*/ | 0x04000000 /*RESTORER*/ |
                                       0x08000000 /*ONSTACK*/ | 0x10000000 /*RESTART*/ |
                                       0x40000000 /*NODEFER*/ | 0x80000000 /*RESETHAND*/;
constexpr uint64_t kMinSignalStack = 2048;

Result<SignalSet> CopyInSet(Task& t, UserAddr addr, uint64_t size) {
  if (size != sizeof(SignalSet)) return Errno::kEINVAL;
  return t.CopyIn<SignalSet>(addr);
}

// Sleeps until a handler has to run, or the process ends.
Errno WaitForSignal(Task& t) {
  for (;;) {
    const Status s = t.Block();
    if (s.ok()) continue;
    return s.error() == Errno::kERESTARTSYS ? Errno::kERESTARTNOHAND : s.error();
  }
}

}  // namespace

Result<uint64_t> RtSigaction(Task& t, const SyscallArgs& a) {
  const auto sig = a[0].As<int>();
  if (a[3].raw != sizeof(SignalSet)) return Errno::kEINVAL;
  SignalAction action;
  const bool set = a[1].raw != 0;
  if (set) {
    ASSIGN_OR_RETURN(action, t.CopyIn<SignalAction>(a[1].raw));
  }
  if (!kernel::ValidSignal(sig) || (set && (kernel::SignalBit(sig) & kUnblockable) != 0)) {
    return Errno::kEINVAL;
  }
  SignalAction old;
  if (set) {
    action.flags &= kKnownActionFlags;
    action.mask &= ~kUnblockable;
    RETURN_IF_ERROR(t.tg().SetAction(sig, action, &old));
  } else {
    old = t.tg().GetAction(sig);
  }
  if (a[2].raw != 0) RETURN_IF_ERROR(t.CopyOut(a[2].raw, old));
  return 0;
}

Result<uint64_t> RtSigprocmask(Task& t, const SyscallArgs& a) {
  if (a[3].raw != sizeof(SignalSet)) return Errno::kEINVAL;
  const SignalSet old = t.blocked();
  if (a[1].raw != 0) {
    ASSIGN_OR_RETURN(SignalSet set, t.CopyIn<SignalSet>(a[1].raw));
    set &= ~kUnblockable;
    switch (a[0].As<int>()) {
      case SIG_BLOCK:
        t.SetBlocked(old | set);
        break;
      case SIG_UNBLOCK:
        t.SetBlocked(old & ~set);
        break;
      case SIG_SETMASK:
        t.SetBlocked(set);
        break;
      default:
        return Errno::kEINVAL;
    }
  }
  if (a[2].raw != 0) RETURN_IF_ERROR(t.CopyOut(a[2].raw, old));
  return 0;
}

Result<uint64_t> RtSigpending(Task& t, const SyscallArgs& a) {
  const uint64_t size = a[1].raw;
  if (size > sizeof(SignalSet)) return Errno::kEINVAL;
  const SignalSet pending = t.Pending() & t.blocked();
  RETURN_IF_ERROR(t.mm().CopyOutBytes(a[0].raw, &pending, size));
  return 0;
}

Result<uint64_t> RtSigsuspend(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const SignalSet mask, CopyInSet(t, a[0].raw, a[1].raw));
  t.SetTemporaryMask(mask & ~kUnblockable);
  return WaitForSignal(t);
}

Result<uint64_t> Pause(Task& t, const SyscallArgs&) { return WaitForSignal(t); }

Result<uint64_t> RtSigtimedwait(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(SignalSet set, CopyInSet(t, a[0].raw, a[3].raw));
  set &= ~kUnblockable;
  Deadline deadline;
  if (a[2].raw != 0) {
    ASSIGN_OR_RETURN(const timespec ts, t.CopyIn<timespec>(a[2].raw));
    if (!kernel::ValidTimespec(ts)) return Errno::kEINVAL;
    deadline = Deadline::After(kernel::TimespecToNs(ts));
  }
  auto info = t.DequeueSignal(set);
  if (!info.has_value()) {
    kernel::TaskWaiter waiter(t, t.signal_queue(), kEventIn);
    for (;;) {
      info = t.DequeueSignal(set);
      if (info.has_value()) break;
      const Status s = t.Block(deadline);
      if (s.ok()) continue;
      // What interrupted the sleep may be what was waited for, if it is not blocked.
      info = t.DequeueSignal(set);
      if (info.has_value()) break;
      return s.error() == Errno::kETIMEDOUT ? Errno::kEAGAIN : Errno::kEINTR;
    }
  }
  if (a[1].raw != 0) RETURN_IF_ERROR(t.CopyOut(a[1].raw, *info));
  return static_cast<uint64_t>(info->si_signo);
}

Result<uint64_t> Sigaltstack(Task& t, const SyscallArgs& a) {
  const stack_t current = t.alt_stack();
  const uint64_t sp = t.all_regs().sp();
  stack_t old = current;
  const int kept = current.ss_flags & linux_abi::kSsAutodisarm;
  const bool in_use = arch::OnSignalStack(current, sp);
  old.ss_flags = kept | (current.ss_size == 0 ? SS_DISABLE : in_use ? SS_ONSTACK : 0);
  if (a[0].raw != 0) {
    ASSIGN_OR_RETURN(stack_t next, t.CopyIn<stack_t>(a[0].raw));
    if (in_use) return Errno::kEPERM;
    const int mode = next.ss_flags & ~linux_abi::kSsAutodisarm;
    if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0) return Errno::kEINVAL;
    if (mode == SS_DISABLE) {
      next.ss_sp = nullptr;
      next.ss_size = 0;
    } else if (next.ss_size < kMinSignalStack) {
      return Errno::kENOMEM;
    }
    t.set_alt_stack(next);
  }
  if (a[1].raw != 0) RETURN_IF_ERROR(t.CopyOut(a[1].raw, old));
  return 0;
}

Result<uint64_t> RtSigreturn(Task& t, const SyscallArgs&) { return t.SignalReturn(); }

Result<uint64_t> RestartSyscall(Task& t, const SyscallArgs&) {
  const Ref<kernel::RestartBlock> block = t.TakeRestartBlock();
  if (block == nullptr) return Errno::kEINTR;
  return block->Restart(t);
}

}  // namespace cvisor::syscalls
