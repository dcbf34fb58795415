// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/ptrace/stub.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstring>

#include "pkg/base/check.h"
#include "pkg/sentry/arch/registers.h"
#include "pkg/sentry/platform/common/bpf_filter.h"

// The numbers are those of pause (34), exit (60), getppid (110), prctl (157) and exit_group (231).
asm(R"(
  .pushsection .rodata
  .balign 16
  .hidden cvisor_ptrace_stub_begin, cvisor_ptrace_stub_park, cvisor_ptrace_stub_call
  .hidden cvisor_ptrace_stub_clone, cvisor_ptrace_stub_cas, cvisor_ptrace_stub_exit
  .hidden cvisor_ptrace_stub_end
  .globl cvisor_ptrace_stub_begin, cvisor_ptrace_stub_park, cvisor_ptrace_stub_call
  .globl cvisor_ptrace_stub_clone, cvisor_ptrace_stub_cas, cvisor_ptrace_stub_exit
  .globl cvisor_ptrace_stub_end
cvisor_ptrace_stub_begin:
  mov $157, %eax
  mov $1, %edi
  mov $9, %esi
  syscall
  mov $110, %eax
  syscall
  cmp %rax, %r12
  je cvisor_ptrace_stub_park
  mov $231, %eax
  mov $1, %edi
  syscall
  ud2
  .balign 16
cvisor_ptrace_stub_park:
  mov $34, %eax
  syscall
  jmp cvisor_ptrace_stub_park
  .balign 16
cvisor_ptrace_stub_call:
  syscall
  int3
  ud2
  .balign 16
cvisor_ptrace_stub_clone:
  syscall
  test %rax, %rax
  jz 1f
  int3
  ud2
1:
  jmp *%r13
  .balign 16
cvisor_ptrace_stub_cas:
  lock cmpxchg %edx, (%rdi)
  int3
  ud2
  .balign 16
cvisor_ptrace_stub_exit:
  mov $60, %eax
  xor %edi, %edi
  syscall
  ud2
cvisor_ptrace_stub_end:
  .popsection
)");

extern "C" {
extern const char cvisor_ptrace_stub_begin[];
extern const char cvisor_ptrace_stub_park[];
extern const char cvisor_ptrace_stub_call[];
extern const char cvisor_ptrace_stub_clone[];
extern const char cvisor_ptrace_stub_cas[];
extern const char cvisor_ptrace_stub_exit[];
extern const char cvisor_ptrace_stub_end[];
}

namespace cvisor::platform::ptrace {

StubLayout MakeStubLayout(uint64_t base) {
  StubLayout l;
  l.base = base;
  l.text = base + kTextOffset;
  l.scratch = base + kScratchOffset;
  const auto at = [&l](const char* symbol) {
    return l.text + static_cast<uint64_t>(symbol - cvisor_ptrace_stub_begin);
  };
  l.process_entry = l.text;
  l.park = at(cvisor_ptrace_stub_park);
  l.call = at(cvisor_ptrace_stub_call);
  l.clone = at(cvisor_ptrace_stub_clone);
  l.cas = at(cvisor_ptrace_stub_cas);
  l.exit = at(cvisor_ptrace_stub_exit);
  return l;
}

void CopyStubText(void* page) {
  const size_t size = static_cast<size_t>(cvisor_ptrace_stub_end - cvisor_ptrace_stub_begin);
  CVISOR_CHECK(size <= kPageSize);
  memset(page, 0xcc, kPageSize);
  memcpy(page, cvisor_ptrace_stub_begin, size);
}

user_regs_struct SnippetRegisters(uint64_t ip) {
  user_regs_struct regs{};
  regs.rip = ip;
  regs.cs = arch::kUserCs;
  regs.ss = arch::kUserSs;
  regs.eflags = arch::kRflagsFixed;
  regs.orig_rax = ~0ull;
  return regs;
}

std::vector<sock_filter> MakeStubFilter() {
  constexpr uint32_t kKill = SECCOMP_RET_KILL_PROCESS;
  constexpr uint32_t kAllow = SECCOMP_RET_ALLOW;
  FilterBuilder f;
  f.Load(offsetof(seccomp_data, arch));
  f.ReturnUnless(AUDIT_ARCH_X86_64, kKill);
  f.Load(offsetof(seccomp_data, nr));
  for (const int nr : {SYS_mmap, SYS_munmap, SYS_mprotect, SYS_madvise, SYS_mremap, SYS_pause,
                       SYS_msync, SYS_mincore, SYS_getppid, SYS_exit, SYS_exit_group}) {
    f.ReturnIf(static_cast<uint32_t>(nr), kAllow);
  }
  for (const int nr : {SYS_gettimeofday, SYS_time, SYS_getcpu}) {
    f.ReturnIf(static_cast<uint32_t>(nr), SECCOMP_RET_TRAP);
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

}  // namespace cvisor::platform::ptrace
