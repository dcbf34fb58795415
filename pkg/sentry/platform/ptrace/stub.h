// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The stub: one page of position-independent code at the same place, above max_user_address, in
// every stub process. A stub thread either runs application code under ptrace, or one of the
// snippets below with registers that the Sentry wrote; a thread that nobody traces sleeps in the
// park loop. None of the snippets reads or writes memory (except cas), so nothing that an
// application writes can steer them.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_PTRACE_STUB_H_
#define CVISOR_PKG_SENTRY_PLATFORM_PTRACE_STUB_H_

#include <linux/filter.h>
#include <sched.h>
#include <signal.h>
#include <sys/user.h>

#include <cstdint>
#include <vector>

#include "pkg/sentry/platform/platform.h"

namespace cvisor::platform::ptrace {

inline constexpr uint64_t kPageSize = 4096;

// The region [base, base + kRegionSize) above every application: the vDSO with its data pages, the
// stub text, and a scratch page (written by mincore(2) only).
inline constexpr uint64_t kRegionSize = 1 << 20;
inline constexpr uint64_t kVdsoOffset = 0x10000;
inline constexpr uint64_t kTextOffset = 0x80000;
inline constexpr uint64_t kScratchOffset = 0x82000;

// What the two kinds of injected clone(2) may look like; the stub's seccomp filter allows no other.
inline constexpr uint64_t kThreadCloneFlags =
    CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
inline constexpr uint64_t kForkCloneFlags = CLONE_PARENT | CLONE_FILES;

// Sent by Interrupt(). Its default action is to be ignored, so a late one does no harm to a thread
// that is not traced any more.
inline constexpr int kKickSignal = SIGURG;

// Addresses of the snippets in stub processes.
struct StubLayout {
  uint64_t base = 0;
  uint64_t text = 0;
  uint64_t scratch = 0;
  // First code of a new process: asks to die with the Sentry, leaves if it died already (its parent
  // is not r12), then parks.
  uint64_t process_entry = 0;
  uint64_t park = 0;
  // `syscall; int3`.
  uint64_t call = 0;
  // clone(2): the child jumps to r13, the parent hits int3.
  uint64_t clone = 0;
  // `lock cmpxchg %edx,(%rdi); int3`.
  uint64_t cas = 0;
  // exit(2) of the thread.
  uint64_t exit = 0;
  Platform::Vdso vdso;
};

// The layout for a region at `base` (without vdso).
StubLayout MakeStubLayout(uint64_t base);

// Copies the stub's code to `page`.
void CopyStubText(void* page);

// Registers to run the snippet at `ip`; everything else zero.
user_regs_struct SnippetRegisters(uint64_t ip);

// The filter of stub processes: the calls the snippets make; SIGSYS for calls through the legacy
// vsyscall page, which ptrace cannot see; death for anything else. Application calls stop under
// PTRACE_SYSEMU before filters run, so it is the second line of defence and costs nothing.
std::vector<sock_filter> MakeStubFilter();

}  // namespace cvisor::platform::ptrace

#endif  // CVISOR_PKG_SENTRY_PLATFORM_PTRACE_STUB_H_
