// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/arch/signal_frame.h"

#include <gtest/gtest.h>
#include <string.h>
#include <unistd.h>

#include "pkg/abi/linux/ucontext.h"

namespace cvisor::arch {
namespace {

using linux_abi::FpxSwBytes;
using linux_abi::RtSigFrame;
using linux_abi::UContext;

// What the host's kernel built for a handler of this process.
struct HostFrame {
  uint64_t addr = 0;
  RtSigFrame frame;
  std::vector<std::byte> fpstate;  // with magic2
  bool valid = false;
};
HostFrame g_host;
std::byte g_fp_buffer[65536];
size_t g_fp_size;

void Handler(int, siginfo_t*, void* context) {
  g_host.addr = reinterpret_cast<uint64_t>(context) - offsetof(RtSigFrame, uc);
  memcpy(&g_host.frame, reinterpret_cast<void*>(g_host.addr), sizeof(RtSigFrame));
  // The kernel leaves these as they were in memory.
  g_host.frame.uc.stack.padding = 0;
  memset(g_host.frame.uc.mcontext.reserved1, 0, sizeof(g_host.frame.uc.mcontext.reserved1));
  const uint64_t fp = g_host.frame.uc.mcontext.fpstate;
  FpxSwBytes sw;
  memcpy(&sw, reinterpret_cast<void*>(fp + linux_abi::kFpxSwOffset), sizeof(sw));
  g_fp_size = sw.extended_size;
  if (g_fp_size <= sizeof(g_fp_buffer)) memcpy(g_fp_buffer, reinterpret_cast<void*>(fp), g_fp_size);
  g_host.valid = true;
}

void Capture(int extra_flags) {
  g_host = HostFrame{};
  struct sigaction sa {};
  sa.sa_sigaction = Handler;
  sa.sa_flags = SA_SIGINFO | extra_flags;
  sigaddset(&sa.sa_mask, SIGUSR2);
  ASSERT_EQ(0, sigaction(SIGUSR1, &sa, nullptr));
  raise(SIGUSR1);
  ASSERT_TRUE(g_host.valid);
  ASSERT_LE(g_fp_size, sizeof(g_fp_buffer));
  g_host.fpstate.assign(g_fp_buffer, g_fp_buffer + g_fp_size);
}

Registers RegistersOf(const RtSigFrame& f) {
  const auto& sc = f.uc.mcontext;
  Registers r;
  r.r8 = sc.r8, r.r9 = sc.r9, r.r10 = sc.r10, r.r11 = sc.r11;
  r.r12 = sc.r12, r.r13 = sc.r13, r.r14 = sc.r14, r.r15 = sc.r15;
  r.rdi = sc.rdi, r.rsi = sc.rsi, r.rbp = sc.rbp, r.rbx = sc.rbx;
  r.rdx = sc.rdx, r.rax = sc.rax, r.rcx = sc.rcx, r.rsp = sc.rsp, r.rip = sc.rip;
  r.eflags = sc.rflags, r.cs = sc.cs, r.ss = sc.ss;
  return r;
}

FrameInput InputOf(const HostFrame& h) {
  FrameInput in;
  in.restorer = h.frame.pretcode;
  in.info = h.frame.info;
  in.mask = h.frame.uc.sigmask;
  in.alt_stack.ss_sp = reinterpret_cast<void*>(h.frame.uc.stack.sp);
  in.alt_stack.ss_flags = h.frame.uc.stack.flags;
  in.alt_stack.ss_size = h.frame.uc.stack.size;
  in.trapno = h.frame.uc.mcontext.trapno;
  in.error_code = h.frame.uc.mcontext.err;
  in.cr2 = h.frame.uc.mcontext.cr2;
  FpxSwBytes sw;
  memcpy(&sw, h.fpstate.data() + linux_abi::kFpxSwOffset, sizeof(sw));
  in.xsave = std::span(h.fpstate).first(sw.xstate_size);
  in.xfeatures = sw.xfeatures;
  return in;
}

void ExpectSameFrame(bool onstack) {
  FrameInput in = InputOf(g_host);
  const Registers regs = RegistersOf(g_host.frame);
  in.sp = ChooseFrameStack(regs.rsp, in.alt_stack, onstack).sp;
  auto f = BuildSignalFrame(regs, in);
  ASSERT_TRUE(f.ok());
  EXPECT_EQ(g_host.addr, f->frame_addr);
  EXPECT_EQ(g_host.frame.uc.mcontext.fpstate, f->fpstate_addr);
  EXPECT_EQ(0, memcmp(&g_host.frame, f->bytes.data(), sizeof(RtSigFrame)));
  const size_t at = f->fpstate_addr - f->frame_addr;
  ASSERT_EQ(at + g_host.fpstate.size(), f->bytes.size());
  EXPECT_EQ(0, memcmp(g_host.fpstate.data(), f->bytes.data() + at, g_host.fpstate.size()));
}

TEST(SignalFrame, SameBytesAsTheHost) {
  Capture(0);
  ExpectSameFrame(false);
}

TEST(SignalFrame, SameBytesAsTheHostOnTheAlternateStack) {
  static char memory[65536];
  stack_t alt{};
  alt.ss_sp = memory;
  alt.ss_size = sizeof(memory);
  ASSERT_EQ(0, sigaltstack(&alt, nullptr));
  Capture(SA_ONSTACK);
  ExpectSameFrame(true);
  alt.ss_flags = SS_DISABLE;
  ASSERT_EQ(0, sigaltstack(&alt, nullptr));
}

// A frame that rt_sigreturn(2) reads back from a buffer.
class SignalReturn : public testing::Test {
 protected:
  void SetUp() override {
    Capture(0);
    in_ = InputOf(g_host);
    regs_ = RegistersOf(g_host.frame);
    in_.sp = 0x7fff12345678;
    auto f = BuildSignalFrame(regs_, in_);
    ASSERT_TRUE(f.ok());
    layout_ = *f;
    regs_.fs_base = 0x1234;
    at_return_ = regs_;
    SetHandlerRegisters(&at_return_, layout_, 0x400000, SIGUSR1);
    at_return_.rsp += 8;
  }
  UContext* uc() {
    return reinterpret_cast<UContext*>(layout_.bytes.data() + offsetof(RtSigFrame, uc));
  }
  std::byte* fp() { return layout_.bytes.data() + (layout_.fpstate_addr - layout_.frame_addr); }
  FpxSwBytes* sw() { return reinterpret_cast<FpxSwBytes*>(fp() + linux_abi::kFpxSwOffset); }
  Result<RestoredFrame> Parse() {
    return ParseSignalFrame(
        at_return_,
        [this](uint64_t addr, std::span<std::byte> out) -> Status {
          if (addr < layout_.frame_addr) return Errno::kEFAULT;
          const uint64_t at = addr - layout_.frame_addr;
          if (at > layout_.bytes.size() || out.size() > layout_.bytes.size() - at) {
            return Errno::kEFAULT;
          }
          memcpy(out.data(), layout_.bytes.data() + at, out.size());
          return OkStatus();
        },
        in_.xsave.size(), in_.xfeatures);
  }
  FrameInput in_;
  Registers regs_, at_return_;
  FrameLayout layout_;
};

TEST_F(SignalReturn, BringsBackEverything) {
  auto r = Parse();
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(regs_.rip, r->regs.rip);
  EXPECT_EQ(regs_.rsp, r->regs.rsp);
  EXPECT_EQ(regs_.r15, r->regs.r15);
  EXPECT_EQ(regs_.eflags, r->regs.eflags);
  EXPECT_EQ(regs_.fs_base, r->regs.fs_base);
  EXPECT_EQ(~uint64_t{0}, r->regs.orig_rax);
  EXPECT_EQ(in_.mask, r->mask);
  ASSERT_EQ(in_.xsave.size(), r->xsave.size());
  EXPECT_EQ(0, memcmp(in_.xsave.data() + 24, r->xsave.data() + 24, 8));
  const size_t after = linux_abi::kXsaveMinSize;
  EXPECT_EQ(0, memcmp(in_.xsave.data() + after, r->xsave.data() + after,
                      in_.xsave.size() - after));
}

TEST_F(SignalReturn, HandlerRegisters) {
  SetHandlerRegisters(&at_return_, layout_, 0x400000, SIGUSR1);
  EXPECT_EQ(8u, at_return_.rsp % 16);
  EXPECT_EQ(0x400000u, at_return_.rip);
  EXPECT_EQ(static_cast<uint64_t>(SIGUSR1), at_return_.rdi);
  EXPECT_EQ(0u, at_return_.rax);
}

TEST_F(SignalReturn, FlagsAreMasked) {
  uc()->mcontext.rflags = ~uint64_t{0};
  auto r = Parse();
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(0u, r->regs.eflags & 0x3000);  // IOPL
  EXPECT_NE(0u, r->regs.eflags & 0x200);   // interrupts stay on
  EXPECT_NE(0u, r->regs.eflags & 0x100);
  uc()->mcontext.rflags = 0;
  r = Parse();
  ASSERT_TRUE(r.ok());
  EXPECT_NE(0u, r->regs.eflags & 0x200);
}

TEST_F(SignalReturn, RefusesBadAddressesAndSelectors) {
  const UContext good = *uc();
  for (const uint64_t rip : {uint64_t{1} << 47, uint64_t{0xffff800000000000}, ~uint64_t{0}}) {
    uc()->mcontext.rip = rip;
    EXPECT_EQ(Errno::kEINVAL, Parse().error());
    *uc() = good;
  }
  for (const uint16_t cs : {0, 0x10, 0x23, 0x2b}) {
    uc()->mcontext.cs = cs;
    EXPECT_EQ(Errno::kEINVAL, Parse().error());
    *uc() = good;
  }
  uc()->mcontext.ss = 0x18;
  EXPECT_EQ(Errno::kEINVAL, Parse().error());
  uc()->flags &= ~linux_abi::kUcStrictRestoreSs;
  auto r = Parse();
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(kUserSs, r->regs.ss);
}

TEST_F(SignalReturn, UnreadableMemory) {
  at_return_.rsp += 1 << 20;
  EXPECT_EQ(Errno::kEFAULT, Parse().error());
  at_return_.rsp = 0;
  EXPECT_EQ(Errno::kEFAULT, Parse().error());
}

TEST_F(SignalReturn, FpState) {
  // None: as in a fresh program.
  const uint64_t addr = uc()->mcontext.fpstate;
  uc()->mcontext.fpstate = 0;
  auto r = Parse();
  ASSERT_TRUE(r.ok());
  EXPECT_TRUE(r->xsave.empty());
  uc()->mcontext.fpstate = addr + 8;
  EXPECT_EQ(Errno::kEINVAL, Parse().error());
  uc()->mcontext.fpstate = addr + (1 << 20);
  EXPECT_EQ(Errno::kEFAULT, Parse().error());
  uc()->mcontext.fpstate = 0xffff800000000000;
  EXPECT_EQ(Errno::kEFAULT, Parse().error());
  uc()->mcontext.fpstate = addr;

  // Without the magic number only the legacy part counts.
  sw()->magic1 = 0;
  r = Parse();
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(in_.xsave.size(), r->xsave.size());
  uint64_t bv;
  memcpy(&bv, r->xsave.data() + linux_abi::kFxsaveSize, sizeof(bv));
  EXPECT_EQ(3u, bv);
  sw()->magic1 = linux_abi::kFpXstateMagic1;
  const uint32_t size = sw()->xstate_size;
  for (const uint32_t bad : {0u, 575u, size + 1, 0xffffffffu}) {
    sw()->xstate_size = bad;
    EXPECT_TRUE(Parse().ok()) << bad;
  }
  sw()->xstate_size = size;

  // What XRSTOR would fault on.
  auto* header = reinterpret_cast<linux_abi::XsaveHeader*>(fp() + linux_abi::kFxsaveSize);
  const auto good = *header;
  header->xcomp_bv = uint64_t{1} << 63;
  EXPECT_EQ(Errno::kEINVAL, Parse().error());
  *header = good;
  header->xstate_bv |= uint64_t{1} << 62;
  EXPECT_EQ(Errno::kEINVAL, Parse().error());
  *header = good;
  header->reserved[5] = 1;
  EXPECT_EQ(Errno::kEINVAL, Parse().error());
  *header = good;
  const uint32_t mxcsr = 0xffffffff;
  memcpy(fp() + linux_abi::kMxcsrOffset, &mxcsr, sizeof(mxcsr));
  EXPECT_EQ(Errno::kEINVAL, Parse().error());
}

TEST(SignalFrame, StackChoice) {
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  EXPECT_EQ(0x10000u - kRedZone, ChooseFrameStack(0x10000, none, true).sp);
  stack_t alt{};
  alt.ss_sp = reinterpret_cast<void*>(0x20000);
  alt.ss_size = 0x2000;
  auto f = ChooseFrameStack(0x10000, alt, true);
  EXPECT_EQ(0x22000u, f.sp);
  EXPECT_TRUE(f.on_alt_stack);
  EXPECT_FALSE(ChooseFrameStack(0x10000, alt, false).on_alt_stack);
  // Already there: goes on below.
  f = ChooseFrameStack(0x21000, alt, true);
  EXPECT_EQ(0x21000u - kRedZone, f.sp);
  EXPECT_TRUE(f.on_alt_stack);
  // Autodisarm: never "in use".
  alt.ss_flags = linux_abi::kSsAutodisarm;
  EXPECT_EQ(0x22000u, ChooseFrameStack(0x21000, alt, true).sp);
}

TEST(SignalFrame, NoRoom) {
  FrameInput in;
  in.sp = 100;
  EXPECT_EQ(Errno::kEFAULT, BuildSignalFrame(Registers(), in).error());
  in.sp = ~uint64_t{0};
  EXPECT_EQ(Errno::kEFAULT, BuildSignalFrame(Registers(), in).error());
}

}  // namespace
}  // namespace cvisor::arch
