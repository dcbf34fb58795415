// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/systrap/context.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "pkg/base/log.h"
#include "pkg/sentry/platform/common/xsave.h"

namespace cvisor::platform::systrap {
namespace {

constexpr uint64_t kUretprobe = 335;  // Linux 6.11
thread_local SystrapContext* current_context = nullptr;

// Sleeps on a futex that cost as much more as making a listener does.
constexpr uint32_t kListenerPays = 200;
constexpr uint64_t kTrapProtection = 13, kTrapBreakpoint = 3, kTrapPage = 14;

}  // namespace

SystrapContext::SystrapContext(SystrapPlatform& platform)
    : platform_(platform), spin_(platform.spin()), home_(platform.cpus()), wakes_(platform.NewId()) {}

SystrapContext::~SystrapContext() { Release(); }

void SystrapContext::SetRunnable(bool runnable) {
  if (runnable == runnable_) return;
  runnable_ = runnable;
  platform_.spin().runnable.fetch_add(runnable ? 1 : -1, std::memory_order_relaxed);
}

void SystrapContext::Sleeping(bool asleep) {
  // A wake-up of another core takes about as long.
  constexpr uint64_t kSoonUs = 30;
  if (asleep) {
    spin_.OnSleep();
    if (thread_) __atomic_store_n(&thread_->page().stub_spin, 0, __ATOMIC_RELAXED);
    wakes_.OnSleep(__rdtsc(), kSoonUs * platform_.spin().ticks_per_us);
    if (sleeper_tid_.load(std::memory_order_relaxed) == 0) {
      sleeper_tid_.store(gettid(), std::memory_order_relaxed);
    }
  } else {
    home_.OnWake();
    if (thread_) thread_->StayAt(home_);
  }
  SetRunnable(!asleep);
}

void SystrapContext::AboutToWake(Context& context) {
  if (platform_.spin().cores < 2) return;
  auto& sleeper = static_cast<SystrapContext&>(context);
  const bool soon = wakes_.OnWakeOf(sleeper.wakes_, __rdtsc());
  if (!soon && !ending_young_) return;
  const pid_t tid = sleeper.sleeper_tid_.load(std::memory_order_relaxed);
  const int cpu = sched_getcpu();
  if (tid != 0 && cpu >= 0) sleeper.home_.Invite(tid, cpu);
}

Status SystrapContext::Bind(SystrapAddressSpace& as) {
  if (as_.get() == &as) return as.process().dead() ? Status(Errno::kESRCH) : OkStatus();
  if (as_) Unbind();
  if (claimed_as_.get() == &as) {
    claimed_as_.reset();
    return Adopt(as, std::move(claimed_));
  }
  ASSIGN_OR_RETURN(auto thread, as.Claim(/*listener=*/false));
  if (pending_xsave_.empty()) {
    pending_xsave_.assign(platform_.initial_xsave().begin(), platform_.initial_xsave().end());
  }
  return Adopt(as, std::move(thread));
}

void SystrapContext::MoveToListener() {
  const Ref<SystrapAddressSpace> as = as_;
  auto thread = as->Claim(/*listener=*/true);
  if (!thread.ok()) {
    thread_->ResetFutexSleeps();  // not again at once
    return;
  }
  Unbind();
  home_.Leave();
  // An error is seen by the next who looks: the process is dead.
  (void)Adopt(*as, std::move(*thread));
}

Status SystrapContext::Adopt(SystrapAddressSpace& as, std::unique_ptr<StubThread> thread) {
  thread_ = std::move(thread);
  as_ = Ref<SystrapAddressSpace>(&as);
  loaded_ = false;
  kick_tid_.store(0, std::memory_order_relaxed);
  kick_tgid_.store(as.process().pid(), std::memory_order_relaxed);
  {
    // Before anything that the application could hold up: Kill() must find the process.
    MutexLock lock(cpu_mu_);
    start_cpu_ns_ = thread_->past_cpu_ns();
    bound_ = true;
  }
  const Status started = thread_->Start();
  kick_tid_.store(thread_->tid(), std::memory_order_relaxed);
  RETURN_IF_ERROR(started);
  thread_->StayAt(home_);
  PutXsave(pending_xsave_);
  pending_xsave_.clear();
  return OkStatus();
}

void SystrapContext::Unbind() {
  if (!as_) return;
  if (!as_->process().dead()) {
    auto state = GetXsave();
    if (state.ok()) pending_xsave_ = std::move(*state);
  }
  LeaveThread();
}

void SystrapContext::LeaveThread() {
  const uint64_t cpu = as_->CpuNs(*thread_);
  {
    MutexLock lock(cpu_mu_);
    past_cpu_ns_ += cpu > start_cpu_ns_ ? cpu - start_cpu_ns_ : 0;
    bound_ = false;
  }
  thread_->set_past_cpu_ns(cpu);
  __atomic_store_n(&thread_->page().stub_spin, 0, __ATOMIC_RELAXED);
  as_->Park(std::move(thread_));
  as_.reset();
}

SystrapContext* SystrapContext::Current() { return current_context; }

void SystrapContext::Release() {
  if (current_context == this) current_context = nullptr;
  rest_pending_ = false;
  ending_young_ = home_.held();
  SetRunnable(false);
  if (as_) LeaveThread();  // nobody wants the FPU state
  if (claimed_as_) {
    claimed_as_->Park(std::move(claimed_));
    claimed_as_.reset();
  }
}

void SystrapContext::PutXsave(std::span<const std::byte> state) {
  ThreadPage& page = thread_->page();
  memcpy(reinterpret_cast<char*>(&page) + THREAD_XSAVE_OFFSET, state.data(), state.size());
  page.fpu = THREAD_XSAVE_OFFSET;
}

void SystrapContext::StoreRegisters(const arch::Registers& regs) {
  ThreadPage& p = thread_->page();
  p.rax = regs.rax;
  p.rdi = regs.rdi;
  p.rsi = regs.rsi;
  p.rdx = regs.rdx;
  p.r10 = regs.r10;
  p.r8 = regs.r8;
  p.r9 = regs.r9;
  p.rip = regs.rip;
  p.rsp = regs.rsp;
  p.rflags = (regs.eflags & arch::kUserRflagsMask) | arch::kRflagsFixed;
  p.rcx = regs.rcx;
  p.r11 = regs.r11;
  p.rbx = regs.rbx;
  p.rbp = regs.rbp;
  p.r12 = regs.r12;
  p.r13 = regs.r13;
  p.r14 = regs.r14;
  p.r15 = regs.r15;
  // An unchanged rip leaves the way out through the trampoline, if it came from one.
  if (!loaded_ || regs.rip != known_rip_ || as_->sites().undone()) {
    p.jump = as_->sites().EntryFor(regs.rip);
  }
  uint8_t flags = 0;
  if (!loaded_ || regs.fs_base != known_fs_base_) {
    p.fs_base = regs.fs_base;
    flags |= EXIT_SET_FS;
  }
  p.gs_base = regs.gs_base;
  if (regs.gs_base != 0) as_->sites().Disable(as_->code());
  p.exit_flags = flags;
  loaded_ = true;
}

void SystrapContext::FetchCall(arch::Registers* regs) {
  const ThreadPage& p = thread_->page();
  regs->rax = ReadOnce(p.rax);
  regs->rdi = ReadOnce(p.rdi);
  regs->rsi = ReadOnce(p.rsi);
  regs->rdx = ReadOnce(p.rdx);
  regs->r10 = ReadOnce(p.r10);
  regs->r8 = ReadOnce(p.r8);
  regs->r9 = ReadOnce(p.r9);
  __builtin_prefetch(&p, 1);  // for the answer
  regs->orig_rax = ~0ull;
  rest_pending_ = true;
}

void SystrapContext::CompleteRegisters(arch::Registers* regs) {
  if (!rest_pending_) return;
  rest_pending_ = false;
  const ThreadPage& p = thread_->page();
  regs->rip = known_rip_ = ReadOnce(p.rip);
  regs->rsp = ReadOnce(p.rsp);
  regs->eflags = (ReadOnce(p.rflags) & arch::kUserRflagsMask) | arch::kRflagsFixed;
  regs->rcx = ReadOnce(p.rcx);
  regs->r11 = ReadOnce(p.r11);
  regs->rbx = ReadOnce(p.rbx);
  regs->rbp = ReadOnce(p.rbp);
  regs->r12 = ReadOnce(p.r12);
  regs->r13 = ReadOnce(p.r13);
  regs->r14 = ReadOnce(p.r14);
  regs->r15 = ReadOnce(p.r15);
  regs->fs_base = known_fs_base_ = ReadOnce(p.fs_base);
  regs->gs_base = ReadOnce(p.gs_base);
  regs->cs = arch::kUserCs;
  regs->ss = arch::kUserSs;
  regs->ds = regs->es = regs->fs = regs->gs = 0;
}

Event SystrapContext::SwitchLazily(AddressSpace& address_space, arch::Registers* regs,
                                   Changed changed) {
  auto& as = static_cast<SystrapAddressSpace&>(address_space);
  // A listener makes hand-overs cheaper and the thread dearer: short-lived ones go without.
  const bool move = as_.get() == &as && platform_.options().notify && !thread_->has_listener() &&
                    thread_->futex_sleeps() >= kListenerPays;
  if (move || (as_ && as_.get() != &as)) CompleteRegisters(regs);
  if (Status s = Bind(as); !s.ok()) {
    if (s.error() != Errno::kESRCH) {
      LogWarning("systrap: no stub thread to run in: %s", ErrnoName(s.error()));
    }
    return {Event::kDead};
  }
  if (move) MoveToListener();
  SetRunnable(true);
  current_context = this;
  in_user_.store(true, std::memory_order_relaxed);
  if (interrupt_pending_.load(std::memory_order_relaxed)) [[unlikely]] {
    in_user_.store(false, std::memory_order_relaxed);
    interrupt_pending_.exchange(false, std::memory_order_seq_cst);
    // The caller will not say again that it changed them.
    if (changed != Changed::kNothing) {
      CompleteRegisters(regs);
      loaded_ = false;
    }
    return {Event::kInterrupt};
  }
  ThreadPage& page = thread_->page();
  rest_pending_ = false;
  if (const uint32_t spin = spin_.StubBudget(); spin != page.stub_spin) page.stub_spin = spin;
  if (const auto cpu = static_cast<uint32_t>(sched_getcpu()); cpu != page.sentry_cpu) {
    page.sentry_cpu = cpu;
  }
  // Last, as the stub may be reading the same cache line all the time.
  if (changed == Changed::kAll || !loaded_) {
    StoreRegisters(*regs);
  } else if (changed == Changed::kResult) {
    page.rax = regs->rax;
  }
  const bool elsewhere = spin_.TakeStart();
  if (elsewhere) thread_->LeaveHome(home_);
  thread_->Give(COMMAND_RUN, elsewhere);
  // Giving the turn was a full barrier: who did not see in_user_ has set the flag before.
  if (interrupt_pending_.load(std::memory_order_relaxed)) [[unlikely]] Kick();
  const bool alive = thread_->Await(spin_, home_);
  // From here on Interrupt() only leaves a note for the next time. A kick that is under way makes
  // one spurious kInterrupt.
  in_user_.store(false, std::memory_order_relaxed);
  if (interrupt_pending_.load(std::memory_order_relaxed)) [[unlikely]] {
    // A full barrier before the caller looks for what Interrupt() was called for. A note that comes after the
    // look above stays for the next time.
    interrupt_pending_.exchange(false, std::memory_order_seq_cst);
  }
  if (!alive) return {Event::kDead};
  FetchCall(regs);
  if (ReadOnce(page.event) == EVENT_SYSCALL) {
    regs->orig_rax = regs->rax;
    return {Event::kSyscall};
  }
  CompleteRegisters(regs);
  return ReadOnce(page.event) == EVENT_SIGNAL ? SignalEvent(regs) : InterruptEvent(regs);
}

Event SystrapContext::InterruptEvent(arch::Registers* regs) {
  if (as_->sites().InTrampoline(regs->rip)) {
    regs->rip = as_->sites().ApplicationIp(regs->rip);
    loaded_ = false;
  }
  return {Event::kInterrupt};
}

Event SystrapContext::SignalEvent(arch::Registers* regs) {
  const ThreadPage& p = thread_->page();
  const int signo = static_cast<int>(ReadOnce(p.signo));
  const int code = ReadOnce(p.code);
  const uint32_t trapno = ReadOnce(p.trapno);
  CallSites& sites = as_->sites();
  if (signo == SIGSYS && code == 1 /* SYS_SECCOMP */) {
    if (ReadOnce(p.syscall_arch) != AUDIT_ARCH_X86_64) {
      // As a kernel without 32-bit emulation: #GP at the instruction.
      regs->rip -= arch::kSyscallInstructionSize;
      loaded_ = false;
      constexpr uint64_t kIdtVector80 = 0x80 * 8 + 2;
      return {Event::kFault, SIGSEGV, SI_KERNEL, 0, kTrapProtection, kIdtVector80};
    }
    regs->orig_rax = regs->rax;
    if (regs->gs_base != 0) {
      sites.Disable(as_->code());
    } else if (platform_.options().patch) {
      sites.OnTrap(as_->code(), *regs);
    }
    return {Event::kSyscall};
  }
  if (signo == SIGILL && code == SI_KERNEL) {
    // No instruction does that. It is the host's answer to its system call uretprobe, which seccomp
    // filters do not see.
    regs->rax = regs->orig_rax = kUretprobe;
    loaded_ = false;
    return {Event::kSyscall};
  }
  if (code <= 0) return {Event::kInterrupt};  // Sent by a process of the host.
  if (sites.InTrampoline(regs->rip)) {
    regs->rip = sites.ApplicationIp(regs->rip);
    loaded_ = false;
  }
  if (sites.OnFault(as_->code(), trapno, regs)) {
    loaded_ = false;
    return {Event::kInterrupt};
  }
  Event e{Event::kFault, signo, code, ReadOnce(p.fault_addr), trapno, ReadOnce(p.error_code)};
  switch (signo) {
    case SIGSEGV:
    case SIGBUS:
      if (code == SI_KERNEL || e.trapno != kTrapPage) e.addr = code == SI_KERNEL ? 0 : e.addr;
      return e;
    case SIGTRAP:
      if (e.trapno == kTrapBreakpoint) e.addr = 0;
      return e;
    case SIGFPE:
    case SIGILL:
      return e;
    default:
      return {Event::kInterrupt};
  }
}

bool SystrapContext::CanAskStub(const SystrapAddressSpace& as) const {
  return as_.get() == &as && spin_.Spins() && thread_->CanDoQuickly();
}

bool SystrapContext::Do(uint32_t command) {
  return thread_->DoQuickly(command, spin_.SentryBudget());
}

bool SystrapContext::QuickCopyIn(const SystrapAddressSpace& as, UserAddr src,
                                 std::span<std::byte> dst) {
  if (dst.size() > platform_.quick_copy() || !CanAskStub(as)) return false;
  ThreadPage& page = thread_->page();
  page.addr = src;
  page.length = dst.size();
  page.result = 0;
  if (!Do(COMMAND_COPY_IN) || ReadOnce(page.result) != 0) return false;
  memcpy(dst.data(), CopyBuffer(dst.size()), dst.size());
  return true;
}

bool SystrapContext::QuickCopyOut(const SystrapAddressSpace& as, UserAddr dst,
                                  std::span<const std::byte> src) {
  if (src.size() > platform_.quick_copy() || !CanAskStub(as)) return false;
  ThreadPage& page = thread_->page();
  page.addr = dst;
  page.length = src.size();
  page.result = 0;
  memcpy(CopyBuffer(src.size()), src.data(), src.size());
  return Do(COMMAND_COPY_OUT) && ReadOnce(page.result) == 0;
}

void* SystrapContext::CopyBuffer(size_t size) {
  ThreadPage& page = thread_->page();
  if (size <= sizeof(page.small_data)) return page.small_data;
  return reinterpret_cast<char*>(&page) + THREAD_DATA_OFFSET;
}

std::optional<Status> SystrapContext::MapByStub(uint32_t command, UserAddr addr, uint64_t length) {
  ThreadPage& page = thread_->page();
  page.addr = addr;
  page.length = length;
  if (!Do(command)) return std::nullopt;  // the usual way finds out if it is dead
  // A stub that lies has less memory than it asked for, or keeps what it had.
  const int64_t result = ReadOnce(page.result);
  if (result < 0 && result > -4096) return Status(static_cast<Errno>(-result));
  return OkStatus();
}

std::optional<Status> SystrapContext::QuickMap(const SystrapAddressSpace& as, UserAddr addr,
                                               uint64_t length, int prot, int flags) {
  if (!CanAskStub(as)) return std::nullopt;
  thread_->page().prot = static_cast<uint32_t>(prot);
  thread_->page().flags = static_cast<uint32_t>(flags);
  return MapByStub(COMMAND_MAP, addr, length);
}

std::optional<Status> SystrapContext::QuickUnmap(const SystrapAddressSpace& as, UserAddr addr,
                                                 uint64_t length) {
  if (!CanAskStub(as)) return std::nullopt;
  return MapByStub(COMMAND_UNMAP, addr, length);
}

void SystrapContext::Interrupt() {
  if (interrupt_pending_.exchange(true, std::memory_order_seq_cst)) return;
  if (in_user_.load(std::memory_order_seq_cst)) Kick();
}

void SystrapContext::Kick() {
  // If the stub thread is gone by now this reaches nobody, or another stub thread, which shrugs.
  syscall(SYS_tgkill, kick_tgid_.load(std::memory_order_relaxed),
          kick_tid_.load(std::memory_order_relaxed), STUB_KICK_SIGNAL);
}

Status SystrapContext::Command(uint32_t command) {
  SpinPolicy patient(platform_.spin());
  thread_->Give(command, false);
  if (!thread_->Await(patient, home_)) return Errno::kESRCH;
  return OkStatus();
}

Result<std::vector<std::byte>> SystrapContext::GetXsave() {
  if (!as_) {
    if (!pending_xsave_.empty()) return pending_xsave_;
    const auto initial = platform_.initial_xsave();
    return std::vector<std::byte>(initial.begin(), initial.end());
  }
  ThreadPage& page = thread_->page();
  uint64_t offset = ReadOnce(page.fpu);
  if (offset == 0) {
    RETURN_IF_ERROR(Command(COMMAND_XSAVE));
    page.fpu = offset = THREAD_XSAVE_OFFSET;
  }
  const size_t size = platform_.xsave_size();
  // Only an application that wrote to the page makes it anything else.
  if (offset < THREAD_XSAVE_OFFSET || offset > THREAD_SIZE - size) return Errno::kESRCH;
  const auto* from = reinterpret_cast<const std::byte*>(&page) + offset;
  std::vector<std::byte> state(from, from + size);
  if (!ValidXsave(state, platform_.xsave_features(), platform_.mxcsr_mask())) {
    const auto initial = platform_.initial_xsave();
    state.assign(initial.begin(), initial.end());
  }
  return state;
}

Status SystrapContext::SetXsave(std::span<const std::byte> state) {
  if (state.size() < platform_.xsave_size()) return Errno::kEINVAL;
  state = state.first(platform_.xsave_size());
  if (!ValidXsave(state, platform_.xsave_features(), platform_.mxcsr_mask())) return Errno::kEINVAL;
  if (as_) {
    PutXsave(state);
  } else {
    pending_xsave_.assign(state.begin(), state.end());
  }
  return OkStatus();
}

void SystrapContext::ResetXsave() {
  const auto initial = platform_.initial_xsave();
  if (as_) {
    PutXsave(initial);
  } else {
    pending_xsave_.assign(initial.begin(), initial.end());
  }
}

Status SystrapContext::CloneInto(Context& child_context, AddressSpace& address_space) {
  auto& child = static_cast<SystrapContext&>(child_context);
  auto& as = static_cast<SystrapAddressSpace&>(address_space);
  if (child.as_ || child.claimed_as_) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(child.pending_xsave_, GetXsave());
  ASSIGN_OR_RETURN(child.claimed_, as.Claim(/*listener=*/false));
  child.claimed_as_ = Ref<SystrapAddressSpace>(&as);
  return OkStatus();
}

void SystrapContext::BeginThread(Context& child) {
  const int cpu = sched_getcpu();
  if (cpu < 0 || platform_.spin().cores < 2) return;
  if (home_.cpu() != cpu) PinTo(0, cpu);
  static_cast<SystrapContext&>(child).home_.Inherit(cpu);
}

void SystrapContext::EndThread() {
  if (home_.held() || platform_.spin().cores < 2) return;
  sched_setaffinity(0, sizeof(platform_.cpus()), &platform_.cpus());
}

Result<uint32_t> SystrapContext::CompareAndSwap32(AddressSpace& address_space, UserAddr addr,
                                                  uint32_t expected, uint32_t desired) {
  if (addr % sizeof(uint32_t) != 0) return Errno::kEINVAL;
  if (addr < platform_.min_user_address() || addr >= platform_.max_user_address()) {
    return Errno::kEFAULT;
  }
  return static_cast<SystrapAddressSpace&>(address_space)
      .process()
      .agent()
      .CompareAndSwap32(addr, expected, desired);
}

bool SystrapContext::Alive() {
  MutexLock lock(cpu_mu_);
  return !bound_ || !as_->process().dead();
}

void SystrapContext::Kill() {
  MutexLock lock(cpu_mu_);
  if (bound_) as_->process().Kill();
}

uint64_t SystrapContext::UserCpuTimeNs() {
  MutexLock lock(cpu_mu_);
  uint64_t ns = past_cpu_ns_;
  if (bound_) {
    const uint64_t now = as_->CpuNs(*thread_);
    if (now > start_cpu_ns_) ns += now - start_cpu_ns_;
  }
  // What is measured changes a little when there is a second thread.
  return reported_cpu_ns_ = std::max(reported_cpu_ns_, ns);
}

}  // namespace cvisor::platform::systrap
