// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/arch/signal_frame.h"

#include <algorithm>
#include <cstring>

#include "pkg/abi/linux/ucontext.h"

namespace cvisor::arch {
namespace {

using linux_abi::FpxSwBytes;
using linux_abi::kFpxSwOffset;
using linux_abi::kFxsaveSize;
using linux_abi::kXsaveMinSize;
using linux_abi::RtSigFrame;
using linux_abi::SigContext;
using linux_abi::XsaveHeader;

constexpr uint64_t kFlagTf = 0x100, kFlagDf = 0x400, kFlagRf = 0x10000;
// What rt_sigreturn(2) takes from the frame: AC, OF, DF, TF, SF, ZF, AF, PF, CF, RF. The others stay.
constexpr uint64_t kRestoredFlags = 0x50dd5;
// Lower half of the address space with four-level page tables; with the page below the hole excluded.
constexpr uint64_t kUserEnd = 0x7ffffffff000;

template <typename T>
std::span<std::byte> BytesOf(T* v) {
  return std::as_writable_bytes(std::span<T>(v, 1));
}

void FillContext(const Registers& r, const FrameInput& in, uint64_t fpstate, SigContext* sc) {
  sc->r8 = r.r8, sc->r9 = r.r9, sc->r10 = r.r10, sc->r11 = r.r11;
  sc->r12 = r.r12, sc->r13 = r.r13, sc->r14 = r.r14, sc->r15 = r.r15;
  sc->rdi = r.rdi, sc->rsi = r.rsi, sc->rbp = r.rbp, sc->rbx = r.rbx;
  sc->rdx = r.rdx, sc->rax = r.rax, sc->rcx = r.rcx, sc->rsp = r.rsp;
  sc->rip = r.rip, sc->rflags = r.eflags;
  sc->cs = static_cast<uint16_t>(r.cs), sc->ss = static_cast<uint16_t>(r.ss);
  sc->err = in.error_code, sc->trapno = in.trapno, sc->cr2 = in.cr2;
  sc->oldmask = in.mask;
  sc->fpstate = fpstate;
}

// The XSAVE area with the software's words around it.
void FillFpState(const FrameInput& in, std::byte* out) {
  std::memcpy(out, in.xsave.data(), in.xsave.size());
  FpxSwBytes sw{};
  sw.magic1 = linux_abi::kFpXstateMagic1;
  sw.xstate_size = static_cast<uint32_t>(in.xsave.size());
  sw.extended_size = sw.xstate_size + sizeof(linux_abi::kFpXstateMagic2);
  sw.xfeatures = in.xfeatures;
  std::memcpy(out + kFpxSwOffset, &sw, sizeof(sw));
  std::memcpy(out + in.xsave.size(), &linux_abi::kFpXstateMagic2,
              sizeof(linux_abi::kFpXstateMagic2));
  // A handler may change the legacy part of the state where the processor left it in its initial
  // configuration: the bits say that it counts.
  uint64_t xstate_bv;
  std::memcpy(&xstate_bv, out + kFxsaveSize, sizeof(xstate_bv));
  xstate_bv |= linux_abi::kXfeatureFpSse;
  std::memcpy(out + kFxsaveSize, &xstate_bv, sizeof(xstate_bv));
}

Status CheckMxcsr(std::span<const std::byte> xsave) {
  uint32_t mxcsr;
  std::memcpy(&mxcsr, xsave.data() + linux_abi::kMxcsrOffset, sizeof(mxcsr));
  if ((mxcsr & 0xffff0000u) != 0) return Errno::kEINVAL;
  return OkStatus();
}

// The frame holds only the FXSAVE part (or what looks broken behind it, which Linux ignores).
Status RestoreLegacy(const FrameReader& read, uint64_t addr, std::vector<std::byte>* xsave) {
  RETURN_IF_ERROR(read(addr, std::span(*xsave).first(kFxsaveSize)));
  XsaveHeader header{};
  header.xstate_bv = linux_abi::kXfeatureFpSse;
  std::memcpy(xsave->data() + kFxsaveSize, &header, sizeof(header));
  return OkStatus();
}

Status RestoreExtended(const FrameReader& read, uint64_t addr, const FpxSwBytes& sw,
                       uint64_t xfeatures, std::vector<std::byte>* xsave) {
  RETURN_IF_ERROR(read(addr, std::span(*xsave).first(sw.xstate_size)));
  XsaveHeader header;
  std::memcpy(&header, xsave->data() + kFxsaveSize, sizeof(header));
  // What XRSTOR refuses.
  if ((header.xstate_bv & ~xfeatures) != 0 || header.xcomp_bv != 0) return Errno::kEINVAL;
  for (const uint64_t word : header.reserved) {
    if (word != 0) return Errno::kEINVAL;
  }
  // Components that the frame does not claim to hold come back in their initial state.
  header.xstate_bv &= sw.xfeatures;
  std::memcpy(xsave->data() + kFxsaveSize, &header, sizeof(header));
  return OkStatus();
}

Result<std::vector<std::byte>> RestoreFpState(const FrameReader& read, uint64_t addr,
                                              size_t xsave_size, uint64_t xfeatures) {
  std::vector<std::byte> xsave(std::max(xsave_size, kXsaveMinSize));
  // XRSTOR and FXRSTOR want alignment.
  if (addr % 64 != 0) return Errno::kEINVAL;
  FpxSwBytes sw;
  RETURN_IF_ERROR(read(addr + kFpxSwOffset, BytesOf(&sw)));
  bool extended = sw.magic1 == linux_abi::kFpXstateMagic1 && sw.xstate_size >= kXsaveMinSize &&
                  sw.xstate_size <= xsave_size && sw.xstate_size <= sw.extended_size;
  if (extended) {
    uint32_t magic2;
    RETURN_IF_ERROR(read(addr + sw.xstate_size, BytesOf(&magic2)));
    extended = magic2 == linux_abi::kFpXstateMagic2;
  }
  RETURN_IF_ERROR(extended ? RestoreExtended(read, addr, sw, xfeatures, &xsave)
                           : RestoreLegacy(read, addr, &xsave));
  RETURN_IF_ERROR(CheckMxcsr(xsave));
  std::memset(xsave.data() + kFpxSwOffset, 0, sizeof(FpxSwBytes));
  return xsave;
}

}  // namespace

bool InSignalStack(const stack_t& stack, uint64_t sp) {
  const auto base = reinterpret_cast<uint64_t>(stack.ss_sp);
  return sp > base && sp - base <= stack.ss_size;
}

bool OnSignalStack(const stack_t& stack, uint64_t sp) {
  if ((stack.ss_flags & linux_abi::kSsAutodisarm) != 0) return false;
  return InSignalStack(stack, sp);
}

FrameStack ChooseFrameStack(uint64_t sp, const stack_t& stack, bool sa_onstack) {
  FrameStack r;
  r.on_alt_stack = OnSignalStack(stack, sp);  // nested: already there
  r.sp = sp - kRedZone;
  if (sa_onstack && stack.ss_size != 0 && !OnSignalStack(stack, r.sp)) {
    r.sp = reinterpret_cast<uint64_t>(stack.ss_sp) + stack.ss_size;
    r.on_alt_stack = true;
  }
  return r;
}

Result<FrameLayout> BuildSignalFrame(const Registers& regs, const FrameInput& in) {
  const bool has_fp = in.xsave.size() >= kXsaveMinSize;
  const uint64_t fp_size = has_fp ? in.xsave.size() + sizeof(linux_abi::kFpXstateMagic2) : 0;
  if (in.sp < fp_size + sizeof(RtSigFrame) + 256 || in.sp >= kUserEnd) return Errno::kEFAULT;

  FrameLayout out;
  uint64_t sp = in.sp;
  if (has_fp) {
    sp = (sp - fp_size) & ~uint64_t{63};
    out.fpstate_addr = sp;
  }
  // As after a CALL: the return address makes it 16n + 8.
  sp = ((sp - sizeof(RtSigFrame)) & ~uint64_t{15}) - 8;
  out.frame_addr = sp;
  out.ucontext_addr = sp + offsetof(RtSigFrame, uc);
  out.siginfo_addr = sp + offsetof(RtSigFrame, info);

  RtSigFrame frame{};
  frame.pretcode = in.restorer;
  frame.uc.flags = (has_fp ? linux_abi::kUcFpXstate : 0) | linux_abi::kUcSigcontextSs |
                   linux_abi::kUcStrictRestoreSs;
  frame.uc.stack.sp = reinterpret_cast<uint64_t>(in.alt_stack.ss_sp);
  frame.uc.stack.flags = in.alt_stack.ss_flags;
  frame.uc.stack.size = in.alt_stack.ss_size;
  FillContext(regs, in, out.fpstate_addr, &frame.uc.mcontext);
  frame.uc.sigmask = in.mask;
  frame.info = in.info;

  out.bytes.resize(has_fp ? out.fpstate_addr + fp_size - out.frame_addr : sizeof(frame));
  std::memcpy(out.bytes.data(), &frame, sizeof(frame));
  if (has_fp) FillFpState(in, out.bytes.data() + (out.fpstate_addr - out.frame_addr));
  return out;
}

void SetHandlerRegisters(Registers* regs, const FrameLayout& frame, uint64_t handler, int sig) {
  regs->rdi = static_cast<uint64_t>(sig);
  regs->rsi = frame.siginfo_addr;
  regs->rdx = frame.ucontext_addr;
  regs->rax = 0;
  regs->orig_rax = ~uint64_t{0};
  regs->rip = handler;
  regs->rsp = frame.frame_addr;
  regs->cs = kUserCs;
  regs->ss = kUserSs;
  regs->eflags &= ~(kFlagDf | kFlagTf | kFlagRf);
}

Result<RestoredFrame> ParseSignalFrame(const Registers& regs, const FrameReader& read,
                                       size_t xsave_size, uint64_t xfeatures) {
  // The handler's RET took the return address away.
  const uint64_t frame_addr = regs.rsp - 8;
  if (frame_addr >= kUserEnd) return Errno::kEFAULT;
  linux_abi::UContext uc;
  RETURN_IF_ERROR(read(frame_addr + offsetof(RtSigFrame, uc), BytesOf(&uc)));

  RestoredFrame out;
  const SigContext& sc = uc.mcontext;
  Registers& r = out.regs;
  r = regs;  // fs_base, gs_base and the selectors that are not restored
  r.r8 = sc.r8, r.r9 = sc.r9, r.r10 = sc.r10, r.r11 = sc.r11;
  r.r12 = sc.r12, r.r13 = sc.r13, r.r14 = sc.r14, r.r15 = sc.r15;
  r.rdi = sc.rdi, r.rsi = sc.rsi, r.rbp = sc.rbp, r.rbx = sc.rbx;
  r.rdx = sc.rdx, r.rax = sc.rax, r.rcx = sc.rcx, r.rsp = sc.rsp, r.rip = sc.rip;
  r.orig_rax = ~uint64_t{0};
  r.eflags = (regs.eflags & ~kRestoredFlags) | (sc.rflags & kRestoredFlags) | kRflagsFixed;
  // Only 64-bit user code and data; Linux would fault at the return to user mode.
  if ((sc.cs | 3u) != kUserCs) return Errno::kEINVAL;
  const bool strict_ss = (uc.flags & linux_abi::kUcStrictRestoreSs) != 0;
  if ((sc.ss | 3u) != kUserSs && strict_ss) return Errno::kEINVAL;
  r.cs = kUserCs;
  r.ss = kUserSs;
  // A non-canonical address would fault in the kernel half of IRET.
  if (sc.rip >= uint64_t{1} << 47) return Errno::kEINVAL;

  out.mask = uc.sigmask;
  out.alt_stack.ss_sp = reinterpret_cast<void*>(uc.stack.sp);
  out.alt_stack.ss_flags = uc.stack.flags;
  out.alt_stack.ss_size = uc.stack.size;
  if (sc.fpstate != 0) {
    if (sc.fpstate >= kUserEnd) return Errno::kEFAULT;
    ASSIGN_OR_RETURN(out.xsave, RestoreFpState(read, sc.fpstate, xsave_size, xfeatures));
  }
  return out;
}

}  // namespace cvisor::arch
