// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// What the x86-64 kernel puts on the stack for a signal handler (rt_sigframe). glibc's ucontext_t has
// a longer mask and its own tail behind it, so the kernel's layout is spelled out here.

#ifndef CVISOR_PKG_ABI_LINUX_UCONTEXT_H_
#define CVISOR_PKG_ABI_LINUX_UCONTEXT_H_

#include <signal.h>

#include <cstddef>
#include <cstdint>

namespace cvisor::linux_abi {

// uc_flags.
inline constexpr uint64_t kUcFpXstate = 1;          // the FP state has an XSAVE header
inline constexpr uint64_t kUcSigcontextSs = 2;      // sigcontext.ss is filled
inline constexpr uint64_t kUcStrictRestoreSs = 4;   // rt_sigreturn restores ss as it is

// Not in <signal.h> before glibc 2.34; asm/signal.h has it.
inline constexpr int kSsAutodisarm = static_cast<int>(1u << 31);

struct SigContext {
  uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
  uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
  uint16_t cs, gs, fs, ss;
  uint64_t err, trapno, oldmask, cr2;
  uint64_t fpstate;  // user address; 0: none
  uint64_t reserved1[8];
};
static_assert(sizeof(SigContext) == 256);
static_assert(offsetof(SigContext, cs) == 144);
static_assert(offsetof(SigContext, fpstate) == 184);

struct SigAltStack {
  uint64_t sp;
  int32_t flags;
  int32_t padding;
  uint64_t size;
};
static_assert(sizeof(SigAltStack) == 24 && sizeof(SigAltStack) == sizeof(stack_t));

struct UContext {
  uint64_t flags;
  uint64_t link;
  SigAltStack stack;
  SigContext mcontext;
  uint64_t sigmask;
};
static_assert(sizeof(UContext) == 304);
static_assert(offsetof(UContext, mcontext) == 40);
static_assert(offsetof(UContext, sigmask) == 296);

struct RtSigFrame {
  uint64_t pretcode;  // the restorer: where the handler returns to
  UContext uc;
  siginfo_t info;
};
static_assert(sizeof(siginfo_t) == 128);
static_assert(sizeof(RtSigFrame) == 440);
static_assert(offsetof(RtSigFrame, uc) == 8);
static_assert(offsetof(RtSigFrame, info) == 312);

// The last 48 bytes of the 512-byte FXSAVE area are software's.
struct FpxSwBytes {
  uint32_t magic1;
  uint32_t extended_size;  // with the trailing magic2
  uint64_t xfeatures;
  uint32_t xstate_size;    // without it
  uint32_t padding[7];
};
static_assert(sizeof(FpxSwBytes) == 48);

inline constexpr uint32_t kFpXstateMagic1 = 0x46505853;
inline constexpr uint32_t kFpXstateMagic2 = 0x46505845;
inline constexpr size_t kFxsaveSize = 512;
inline constexpr size_t kFpxSwOffset = 464;
inline constexpr size_t kMxcsrOffset = 24;

// Follows the FXSAVE area.
struct XsaveHeader {
  uint64_t xstate_bv;
  uint64_t xcomp_bv;
  uint64_t reserved[6];
};
static_assert(sizeof(XsaveHeader) == 64);
inline constexpr size_t kXsaveMinSize = kFxsaveSize + sizeof(XsaveHeader);
inline constexpr uint64_t kXfeatureFpSse = 3;

}  // namespace cvisor::linux_abi

#endif  // CVISOR_PKG_ABI_LINUX_UCONTEXT_H_
