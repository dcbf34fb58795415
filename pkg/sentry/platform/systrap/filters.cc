// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include <asm/prctl.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstddef>
#include <csignal>

#include "pkg/base/check.h"
#include "pkg/sentry/platform/common/bpf_filter.h"
#include "pkg/sentry/platform/systrap/layout.h"
#include "pkg/sentry/platform/systrap/stub.h"

namespace cvisor::platform::systrap {
namespace {

constexpr uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr uint32_t kTrap = SECCOMP_RET_TRAP;
constexpr uint32_t kKill = SECCOMP_RET_KILL_PROCESS;
constexpr size_t kIpLow = offsetof(seccomp_data, instruction_pointer);
constexpr size_t kIpHigh = kIpLow + sizeof(uint32_t);

// Everything that does not come from the stub's text is the application's, and traps. That goes for
// every filter of the chain, as the strictest of their answers counts. `from_application` is the answer.
void TrapApplication(FilterBuilder& f, const Layout& layout, uint32_t from_application) {
  f.Load(offsetof(seccomp_data, arch));
  f.ReturnUnless(AUDIT_ARCH_X86_64, kTrap);
  f.Load(kIpHigh);
  f.ReturnUnless(static_cast<uint32_t>(layout.text() >> 32), from_application);
  f.Load(kIpLow);
  const uint32_t low = static_cast<uint32_t>(layout.text());
  CVISOR_CHECK(low + STUB_TEXT_SIZE > low);
  f.ReturnIfBelow(low, from_application);
  f.ReturnUnlessBelow(low + STUB_TEXT_SIZE, from_application);
}

// The calls of stub threads, in the places where the stub makes them.
struct Place {
  int nr;
  uint64_t offset;  // of the instruction behind the SYSCALL
  uint32_t action;
};

// Returns kKill unless [argument 0, + argument 1) is below `end`, the stub region.
void RequireRangeBelow(FilterBuilder& f, uint64_t end) {
  constexpr uint32_t kSum = 0, kCarry = 1;  // scratch words
  constexpr uint32_t kTooHigh = 0x8000;     // of the upper words: so that their sum has no carry
  for (const size_t word : {ArgHigh(0), ArgHigh(1)}) {
    f.Load(word);
    f.ReturnUnlessBelow(kTooHigh, kKill);
  }
  f.Load(ArgLow(0));
  f.CopyToIndex();
  f.Load(ArgLow(1));
  f.AddIndex();
  f.Store(kSum);
  f.CarryOfSum();
  f.Store(kCarry);
  f.Load(ArgHigh(0));
  f.CopyToIndex();
  f.Load(ArgHigh(1));
  f.AddIndex();
  f.LoadIndexFromStore(kCarry);
  f.AddIndex();
  const uint32_t high = static_cast<uint32_t>(end >> 32);
  f.ReturnUnlessBelow(high + 1, kKill);
  // Below in the upper word already, or by the lower one.
  f.SkipUnless(high, 3);
  f.LoadFromStore(kSum);
  f.ReturnUnlessBelow(static_cast<uint32_t>(end) + 1, kKill);
}

}  // namespace

std::vector<sock_filter> MakeAgentFilter(const Layout& layout) {
  FilterBuilder f;
  TrapApplication(f, layout, kTrap);
  f.Load(offsetof(seccomp_data, nr));
  for (const int nr :
       {SYS_futex, SYS_lseek, SYS_mmap, SYS_munmap, SYS_mprotect, SYS_madvise, SYS_mremap,
        SYS_msync, SYS_mincore, SYS_getrusage, SYS_membarrier, SYS_getppid, SYS_exit_group,
        // Of threads, until they have their own filter and after it.
        SYS_arch_prctl, SYS_seccomp, SYS_sigaltstack, SYS_sched_setaffinity, SYS_rt_sigreturn,
        SYS_gettid, SYS_sched_yield, SYS_exit, STUB_NOTIFY_NR}) {
    f.ReturnIf(static_cast<uint32_t>(nr), kAllow);
  }
  f.SkipUnless(SYS_clone, 9);
  f.Load(ArgHigh(0));
  f.ReturnUnless(0, kKill);
  f.Load(ArgLow(0));
  f.ReturnIf(static_cast<uint32_t>(kForkCloneFlags), kAllow);
  f.ReturnUnless(static_cast<uint32_t>(kThreadCloneFlags), kKill);
  f.Return(kAllow);
  f.ReturnUnless(SYS_prctl, kKill);
  f.Load(ArgLow(0));
  f.ReturnUnless(PR_SET_PDEATHSIG, kKill);
  f.Load(ArgLow(1));
  f.ReturnUnless(SIGKILL, kKill);
  f.Return(kAllow);
  return f.Take();
}

std::vector<sock_filter> MakeListenerFilter() {
  FilterBuilder f;
  f.Load(offsetof(seccomp_data, nr));
  f.ReturnIf(STUB_NOTIFY_NR, SECCOMP_RET_USER_NOTIF);
  f.Return(kAllow);
  return f.Take();
}

std::vector<sock_filter> MakeThreadFilter(const Layout& layout, bool notify) {
  const Place places[] = {
      {SYS_futex, stub_offset::StubFutexIp, kAllow},
      {SYS_rt_sigreturn, stub_offset::StubSigreturnIp, kAllow},
      {SYS_exit, stub_offset::StubExitIp, kAllow},
      {SYS_arch_prctl, stub_offset::StubArchPrctlIp, kAllow},
      {SYS_sched_yield, stub_offset::StubYieldIp, kAllow},
      {STUB_NOTIFY_NR, stub_offset::StubNotifyIp, notify ? kAllow : kKill},
  };
  FilterBuilder f;
  TrapApplication(f, layout, kTrap);
  for (const Place& p : places) {
    const uint32_t ip = static_cast<uint32_t>(layout.at(p.offset));
    f.Load(offsetof(seccomp_data, nr));
    if (p.nr == SYS_futex) {
      // FUTEX_WAIT and FUTEX_WAKE, on shared words.
      f.SkipUnless(static_cast<uint32_t>(p.nr), 9);
      f.Load(kIpLow);
      f.ReturnUnless(ip, kKill);
      f.Load(ArgLow(1));
      f.ReturnIf(FUTEX_WAIT, kAllow);
      f.ReturnIf(FUTEX_WAKE, kAllow);
      f.Return(kKill);
    } else if (p.nr == SYS_arch_prctl) {
      f.SkipUnless(static_cast<uint32_t>(p.nr), 9);
      f.Load(kIpLow);
      f.ReturnUnless(ip, kKill);
      f.Load(ArgLow(0));
      f.ReturnIf(ARCH_SET_FS, kAllow);
      f.ReturnIf(ARCH_SET_GS, kAllow);
      f.Return(kKill);
    } else {
      f.SkipUnless(static_cast<uint32_t>(p.nr), 4);
      f.Load(kIpLow);
      f.ReturnUnless(ip, kKill);
      f.Return(p.action);
    }
  }
  // The application's own memory. No descriptor can be named, and nothing made writable: that stays
  // with the agent.
  FilterBuilder map;
  map.Load(offsetof(seccomp_data, nr));
  map.ReturnUnless(SYS_mmap, kKill);
  map.Load(ArgHigh(3));
  map.ReturnUnless(0, kKill);
  map.Load(ArgLow(3));
  map.ClearBits(MAP_NORESERVE);
  map.ReturnUnless(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, kKill);
  RequireRangeBelow(map, layout.base);
  map.Return(kAllow);
  f.Load(kIpLow);
  f.RunIf(static_cast<uint32_t>(layout.at(stub_offset::StubMapIp)), map);
  f.ReturnUnless(static_cast<uint32_t>(layout.at(stub_offset::StubUnmapIp)), kKill);
  f.Load(offsetof(seccomp_data, nr));
  f.ReturnUnless(SYS_munmap, kKill);
  RequireRangeBelow(f, layout.base);
  f.Return(kAllow);
  return f.Take();
}

}  // namespace cvisor::platform::systrap
