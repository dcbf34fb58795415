// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The user-visible registers of one application thread on x86-64.

#ifndef CVISOR_PKG_SENTRY_ARCH_REGISTERS_H_
#define CVISOR_PKG_SENTRY_ARCH_REGISTERS_H_

#include <sys/user.h>

#include <cstdint>

namespace cvisor::arch {

// General-purpose registers, in the host's PTRACE_GETREGS layout. At a system-call stop orig_rax holds
// the number and rip points behind the instruction; otherwise orig_rax is -1.
struct Registers : user_regs_struct {
  Registers() : user_regs_struct{} {}

  uint64_t ip() const { return rip; }
  uint64_t sp() const { return rsp; }
  void set_ip(uint64_t v) { rip = v; }
  void set_sp(uint64_t v) { rsp = v; }
  uint64_t syscall_number() const { return orig_rax; }
  uint64_t syscall_arg(int i) const {
    switch (i) {
      case 0: return rdi;
      case 1: return rsi;
      case 2: return rdx;
      case 3: return r10;
      case 4: return r8;
      default: return r9;
    }
  }
  uint64_t return_value() const { return rax; }
  void set_return_value(uint64_t v) { rax = v; }
};

// Length of the SYSCALL instruction: going back by it restarts a call.
inline constexpr uint64_t kSyscallInstructionSize = 2;

// User segment selectors and flag bits that an application may not choose.
inline constexpr uint64_t kUserCs = 0x33;
inline constexpr uint64_t kUserSs = 0x2b;
// Status flags, DF, TF, AC, ID, NT, RF: what rt_sigreturn(2) and ptrace(2) may set.
inline constexpr uint64_t kUserRflagsMask = 0x250dd5 | 0x10000;
inline constexpr uint64_t kRflagsFixed = 0x202;  // IF and the always-one bit

}  // namespace cvisor::arch

#endif  // CVISOR_PKG_SENTRY_ARCH_REGISTERS_H_
