// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/ptrace/context.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "pkg/base/log.h"

namespace cvisor::platform::ptrace {
namespace {

constexpr uint64_t kTrapDivide = 0, kTrapDebug = 1, kTrapBreakpoint = 3, kTrapBounds = 5,
                   kTrapInvalidOpcode = 6, kTrapStack = 12, kTrapProtection = 13, kTrapPage = 14,
                   kTrapX87 = 16, kTrapAlignment = 17, kTrapSimd = 19;
// Page-fault error code bits.
constexpr uint64_t kFaultPresent = 1, kFaultUser = 4, kFaultFetch = 16;

pid_t CurrentTid() { return static_cast<pid_t>(syscall(SYS_gettid)); }

}  // namespace

PtraceContext::PtraceContext(PtracePlatform& platform)
    : platform_(platform), thread_(platform.layout()), pair_(platform.placement()) {}

PtraceContext::~PtraceContext() {
  if (thread_.attached()) {
    if (tracer_tid_ == CurrentTid()) {
      Unbind(/*final=*/true);
    } else {
      // Only its tracer could let go of the stub thread; it is killed when the tracer ends.
      LogWarning("ptrace: context of thread %d destroyed without Release()", tracer_tid_);
    }
  }
  if (claimed_as_) claimed_as_->Park({claimed_.tid, nullptr, claimed_.cpu_ns});
}

Status PtraceContext::Bind(PtraceAddressSpace& as) {
  if (as_.get() == &as) return thread_.dead() ? Status(Errno::kESRCH) : OkStatus();
  if (as_) Unbind(/*final=*/false);

  PtraceAddressSpace::ParkedThread parked;
  if (claimed_as_.get() == &as) {
    parked = claimed_;
    claimed_as_.reset();
  } else {
    const auto claim = as.Claim();
    if (!claim) return Errno::kEAGAIN;
    parked = *claim;
    // Only a thread claimed through CloneInto() may have an FPU state to be kept.
    if (pending_xsave_.empty()) {
      pending_xsave_.assign(platform_.initial_xsave().begin(), platform_.initial_xsave().end());
    }
  }
  const pid_t tid = parked.tid;
  tracer_tid_ = CurrentTid();
  // It wakes up on our CPU then.
  pair_.SetStub(tid);
  if (Status s = thread_.Attach(tid, tid == as.pid()); !s.ok()) {
    pair_.SetStub(0);
    return s;
  }
  as_ = Ref<PtraceAddressSpace>(&as);
  regs_loaded_ = false;
  kick_tgid_.store(as.pid(), std::memory_order_relaxed);
  kick_tid_.store(tid, std::memory_order_relaxed);
  {
    MutexLock lock(&cpu_mu_);
    start_cpu_ns_ = parked.cpu_ns;
    bound_ = true;
  }
  if (!pending_xsave_.empty()) {
    RETURN_IF_ERROR(thread_.SetXsave(pending_xsave_));
    pending_xsave_.clear();
  }
  return OkStatus();
}

void PtraceContext::Unbind(bool final) {
  if (!as_) return;
  const pid_t tid = thread_.tid();
  const bool leader = thread_.leader();
  const uint64_t cpu = thread_.dead() ? 0 : platform_.proc().ReadThreadCpuNs(as_->pid(), tid);
  if (!final && !thread_.dead()) {
    pending_xsave_.resize(platform_.xsave_size());
    if (!thread_.GetXsave(pending_xsave_).ok()) pending_xsave_.clear();
  }
  {
    MutexLock lock(&cpu_mu_);
    past_cpu_ns_ += cpu > start_cpu_ns_ ? cpu - start_cpu_ns_ : 0;
    bound_ = false;
  }
  pair_.SetStub(0);
  const bool exits = final && !leader;
  if (thread_.Detach(exits ? platform_.layout().exit : platform_.layout().park) && !exits) {
    as_->Park({tid, nullptr, cpu});
  }
  NoteDeath();
  as_.reset();
}

void PtraceContext::NoteDeath() {
  if (thread_.dead() && as_) as_->SetDead(thread_.reaped_leader());
}

void PtraceContext::Release() {
  Unbind(/*final=*/true);
  if (claimed_as_) {
    claimed_as_->Park({claimed_.tid, nullptr, claimed_.cpu_ns});
    claimed_as_.reset();
  }
}

Status PtraceContext::LoadRegisters(const user_regs_struct& regs) {
  // Between a system call and going on only the result changes, as a rule. Not for results that the
  // host would take for its own orders to restart the call when a kick arrives.
  const int64_t result = static_cast<int64_t>(regs.rax);
  if (regs_loaded_ && (result >= 0 || result < -4095 || result > -512)) {
    regs_.rax = regs.rax;
    regs_.orig_rax = regs.orig_rax;
    if (memcmp(&regs_, &regs, sizeof(regs)) == 0) return thread_.SetRax(regs.rax);
  }
  user_regs_struct r = regs;
  r.orig_rax = ~0ull;  // Nothing to restart.
  if ((r.cs & 3) != 3) r.cs = arch::kUserCs;
  if ((r.ss & 3) != 3) r.ss = arch::kUserSs;
  return thread_.SetRegisters(r);
}

Event PtraceContext::SwitchLazily(AddressSpace& as, arch::Registers* regs, Changed changed) {
  const bool regs_dirty = changed != Changed::kNothing;
  if (Status s = Bind(static_cast<PtraceAddressSpace&>(as)); !s.ok()) {
    if (s.error() != Errno::kESRCH) {
      LogWarning("ptrace: no stub thread to run in: error %d", static_cast<int>(s.error()));
    }
    NoteDeath();
    return {Event::kDead};
  }
  if (state_.fetch_or(kInUser, std::memory_order_seq_cst) & kPending) {
    state_.exchange(0, std::memory_order_seq_cst);
    // The caller will not say again that it changed them.
    if (regs_dirty) regs_loaded_ = false;
    return {Event::kInterrupt};
  }
  if (regs_dirty || !regs_loaded_) {
    if (Status s = LoadRegisters(*regs); !s.ok()) {
      state_.exchange(0, std::memory_order_seq_cst);
      NoteDeath();
      if (s.error() == Errno::kESRCH) return {Event::kDead};
      return {Event::kFault, SIGSEGV, SI_KERNEL, 0, kTrapProtection, 0};
    }
  }
  std::optional<Event> event;
  pair_.Enter();
  do {
    const StubThread::Stop stop = thread_.Resume(PTRACE_SYSEMU);
    if (stop.kind == StubThread::Stop::kDead || !thread_.GetRegisters(regs).ok()) {
      event = Event{Event::kDead};
    } else if (stop.kind == StubThread::Stop::kSyscall) {
      event = Event{Event::kSyscall};
    } else {
      event = SignalEvent(stop.signal, regs);
    }
  } while (!event);
  pair_.Leave();
  // From here on Interrupt() only leaves a note for the next time. A kick that is under way makes
  // one spurious kInterrupt.
  state_.exchange(0, std::memory_order_seq_cst);
  regs_loaded_ = true;
  regs_ = *regs;
  if (event->kind == Event::kSyscall) {
    // The SYSCALL instruction leaves these two in rcx and r11. Anything else came through int $0x80
    // (or an application that takes pains to look so, and gets a 64-bit call).
    if ((regs->rcx != regs->rip || regs->r11 != regs->eflags) && !thread_.IsNativeSyscall()) {
      // As a kernel without 32-bit emulation: #GP at the instruction.
      regs->rip -= arch::kSyscallInstructionSize;
      regs->orig_rax = ~0ull;
      regs_loaded_ = false;
      constexpr uint64_t kIdtVector80 = 0x80 * 8 + 2;
      return {Event::kFault, SIGSEGV, SI_KERNEL, 0, kTrapProtection, kIdtVector80};
    }
  } else if (event->kind == Event::kDead) {
    NoteDeath();
  } else {
    regs->orig_rax = ~0ull;
  }
  return *event;
}

std::optional<Event> PtraceContext::SignalEvent(int signal, arch::Registers* regs) {
  if (signal == kKickSignal) return Event{Event::kInterrupt};
  siginfo_t info;
  if (!thread_.GetSignalInfo(&info).ok()) return Event{Event::kDead};
  if (info.si_code <= 0) return std::nullopt;  // Sent by a process of the host.
  Event e{Event::kFault, signal, info.si_code, 0, 0, 0};
  e.addr = reinterpret_cast<uint64_t>(info.si_addr);
  const auto page_fault = [&e, regs](bool present) {
    e.trapno = kTrapPage;
    e.error_code = kFaultUser | (present ? kFaultPresent : 0);
    if (e.addr == regs->rip) e.error_code |= kFaultFetch;
  };
  switch (signal) {
    case SIGSEGV:
      if (info.si_code == SI_KERNEL) {
        e.trapno = kTrapProtection;
        e.addr = 0;
      } else if (info.si_code == SEGV_BNDERR) {
        e.trapno = kTrapBounds;
      } else {
        page_fault(info.si_code != SEGV_MAPERR);
      }
      return e;
    case SIGBUS:
      if (info.si_code == SI_KERNEL) {
        e.trapno = kTrapStack;
        e.addr = 0;
      } else if (info.si_code == BUS_ADRALN) {
        e.trapno = kTrapAlignment;
      } else {
        page_fault(false);
      }
      return e;
    case SIGFPE:
      e.trapno = info.si_code == FPE_INTDIV ? kTrapDivide : kTrapSimd;
      if (info.si_code != FPE_INTDIV) {
        // The x87 status word's error summary tells the two apart.
        auto state = GetXsave();
        if (state.ok() && (static_cast<uint8_t>((*state)[2]) & 0x80) != 0) e.trapno = kTrapX87;
      }
      return e;
    case SIGILL:
      e.trapno = kTrapInvalidOpcode;
      return e;
    case SIGTRAP:
      e.trapno = info.si_code == SI_KERNEL ? kTrapBreakpoint : kTrapDebug;
      if (info.si_code == SI_KERNEL) e.addr = 0;
      return e;
    case SIGSYS:
      // A call through the vsyscall page, trapped by the filter: the host returned from it already,
      // with the number in rax.
      regs->orig_rax = regs->rax;
      return Event{Event::kSyscall};
    default:
      return std::nullopt;
  }
}

void PtraceContext::Interrupt() {
  const uint32_t old = state_.fetch_or(kPending, std::memory_order_seq_cst);
  if ((old & kInUser) == 0 || (old & kPending) != 0) return;
  // If the stub thread is gone by now this reaches nobody, or another stub thread, which shrugs.
  syscall(SYS_tgkill, kick_tgid_.load(std::memory_order_relaxed),
          kick_tid_.load(std::memory_order_relaxed), kKickSignal);
}

Result<std::vector<std::byte>> PtraceContext::GetXsave() {
  if (!thread_.attached()) {
    if (!pending_xsave_.empty()) return pending_xsave_;
    if (claimed_as_) {
      PtraceAddressSpace& as = *claimed_as_;
      RETURN_IF_ERROR(Bind(as));
      return GetXsave();
    }
    const auto initial = platform_.initial_xsave();
    return std::vector<std::byte>(initial.begin(), initial.end());
  }
  std::vector<std::byte> state(platform_.xsave_size());
  ASSIGN_OR_RETURN(const size_t n, thread_.GetXsave(state));
  state.resize(n);
  return state;
}

Status PtraceContext::SetXsave(std::span<const std::byte> state) {
  if (state.size() < platform_.xsave_size()) return Errno::kEINVAL;
  if (!thread_.attached()) {
    if (!claimed_as_) return Errno::kESRCH;
    PtraceAddressSpace& as = *claimed_as_;
    RETURN_IF_ERROR(Bind(as));
  }
  if (Status s = thread_.SetXsave(state.first(platform_.xsave_size())); !s.ok()) {
    return s.error() == Errno::kESRCH ? Errno::kESRCH : Errno::kEINVAL;
  }
  return OkStatus();
}

void PtraceContext::ResetXsave() {
  const auto initial = platform_.initial_xsave();
  if (thread_.attached()) {
    if (!thread_.SetXsave(initial).ok()) LogDebug("ptrace: ResetXsave on a dead stub thread");
    return;
  }
  pending_xsave_.assign(initial.begin(), initial.end());
}

Status PtraceContext::CloneInto(Context& child_context, AddressSpace& address_space) {
  auto& child = static_cast<PtraceContext&>(child_context);
  auto& as = static_cast<PtraceAddressSpace&>(address_space);
  if (child.as_ || child.claimed_as_) return Errno::kEINVAL;
  auto parked = as.Claim();
  if (!parked) {
    ASSIGN_OR_RETURN(const pid_t tid, CloneStub(as, kThreadCloneFlags));
    parked = {tid, this, 0};
  }
  if (parked->fpu_parent != this) {
    auto state = GetXsave();
    if (!state.ok()) {
      as.Park(*parked);
      return state.error();
    }
    child.pending_xsave_ = std::move(*state);
  }
  child.claimed_as_ = Ref<PtraceAddressSpace>(&as);
  child.claimed_ = *parked;
  return OkStatus();
}

Result<uint64_t> PtraceContext::Call(PtraceAddressSpace& as, uint64_t number, uint64_t a0,
                                     uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                                     uint64_t a5) {
  RETURN_IF_ERROR(Bind(as));
  regs_loaded_ = false;
  pair_.Enter();
  auto r = thread_.Call(number, a0, a1, a2, a3, a4, a5);
  pair_.Leave();
  NoteDeath();
  return r;
}

Result<pid_t> PtraceContext::CloneStub(PtraceAddressSpace& as, uint64_t flags) {
  RETURN_IF_ERROR(Bind(as));
  regs_loaded_ = false;
  pair_.Enter();
  auto r = thread_.Clone(flags, platform_.sentry_pid());
  pair_.Leave();
  NoteDeath();
  return r;
}

Result<uint32_t> PtraceContext::CompareAndSwap32(AddressSpace& address_space, UserAddr addr,
                                                 uint32_t expected, uint32_t desired) {
  if (addr % sizeof(uint32_t) != 0) return Errno::kEINVAL;
  if (addr < platform_.min_user_address() || addr >= platform_.max_user_address()) {
    return Errno::kEFAULT;
  }
  auto& as = static_cast<PtraceAddressSpace&>(address_space);
  RETURN_IF_ERROR(Bind(as));
  regs_loaded_ = false;
  pair_.Enter();
  auto r = thread_.CompareAndSwap32(addr, expected, desired);
  pair_.Leave();
  NoteDeath();
  return r;
}

bool PtraceContext::Alive() {
  MutexLock lock(&cpu_mu_);
  if (!bound_) return true;
  siginfo_t info{};
  // Only a look: what there is to collect is for the tracer.
  if (waitid(P_PID, static_cast<id_t>(kick_tid_.load(std::memory_order_relaxed)), &info,
             WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) != 0 ||
      info.si_pid == 0) {
    return true;
  }
  if (info.si_code == CLD_TRAPPED) return info.si_status >> 8 != PTRACE_EVENT_EXIT;
  return info.si_code != CLD_KILLED && info.si_code != CLD_EXITED && info.si_code != CLD_DUMPED;
}

uint64_t PtraceContext::UserCpuTimeNs() {
  MutexLock lock(&cpu_mu_);
  uint64_t ns = past_cpu_ns_;
  if (bound_) {
    const uint64_t now = platform_.proc().ReadThreadCpuNs(
        kick_tgid_.load(std::memory_order_relaxed), kick_tid_.load(std::memory_order_relaxed));
    if (now > start_cpu_ns_) ns += now - start_cpu_ns_;
  }
  return ns;
}

}  // namespace cvisor::platform::ptrace
