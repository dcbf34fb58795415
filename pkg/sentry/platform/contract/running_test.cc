// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Running code: calls, faults, registers, the vDSO.

#include <elf.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "pkg/sentry/platform/contract/fixture.h"

namespace cvisor::platform {
namespace {

TEST_F(PlatformTest, Syscall) {
  Load(SyscallLoop());
  regs_.rax = 39;
  regs_.rdi = 1;
  regs_.rsi = 2;
  regs_.rdx = 3;
  regs_.r10 = 4;
  regs_.r8 = 5;
  regs_.r9 = 6;
  ASSERT_EQ(Run().kind, Event::kSyscall);
  EXPECT_EQ(regs_.syscall_number(), 39u);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(regs_.syscall_arg(i), static_cast<uint64_t>(i + 1));
  EXPECT_EQ(regs_.rip, kCode + 2);
  EXPECT_EQ(regs_.rcx, regs_.rip);
  EXPECT_EQ(regs_.r11, regs_.eflags);
  regs_.set_return_value(231);  // The next number, as the loop goes.
  ASSERT_EQ(Run().kind, Event::kSyscall);
  EXPECT_EQ(regs_.syscall_number(), 231u);
}

// Whatever the host knows of a number.
TEST_F(PlatformTest, EveryNumberIsASystemCall) {
  Load(SyscallLoop());
  std::vector<uint64_t> numbers = {0x40000000, 0x40000001,        0x7fff5359,  0x80000000,
                                   0xffffffff, uint64_t{1} << 32, ~uint64_t{0}};
  for (uint64_t nr = 0; nr < 600; ++nr) {
    // uprobe(2) of Linux 6.18 cannot be caught by seccomp filters; it returns ENXIO.
    if (nr != 336) numbers.push_back(nr);
  }
  for (const uint64_t nr : numbers) {
    regs_.rax = nr;
    const Event e = Run();
    ASSERT_EQ(e.kind, Event::kSyscall) << nr << ": signal " << e.signo;
    ASSERT_EQ(regs_.syscall_number(), nr);
    ASSERT_EQ(regs_.rip, kCode + 2) << nr;
  }
}

TEST_F(PlatformTest, RegistersSurviveMappingOperations) {
  Load(SyscallLoop());
  regs_.rax = 1;
  regs_.r12 = 0x1234567812345678;
  regs_.fs_base = kData;
  ASSERT_EQ(Run().kind, Event::kSyscall);
  regs_.set_return_value(2);
  MapOptions o{.addr = 0x700000, .length = 0x1000, .prot = PROT_READ};
  EXPECT_TRUE(as_->Map(*ctx_, o).ok());
  ASSERT_EQ(Run(true).kind, Event::kSyscall);
  EXPECT_EQ(regs_.syscall_number(), 2u);
  EXPECT_EQ(regs_.r12, 0x1234567812345678u);
  EXPECT_EQ(regs_.fs_base, kData);
}

TEST_F(PlatformTest, Faults) {
  Load(Code({0x48, 0x8b, 0x07, 0xcc}));  // mov (%rdi),%rax; int3
  regs_.rdi = 0x123000;
  Event e = Run();
  EXPECT_EQ(e.kind, Event::kFault);
  EXPECT_EQ(e.signo, SIGSEGV);
  EXPECT_EQ(e.code, SEGV_MAPERR);
  EXPECT_EQ(e.addr, 0x123000u);
  EXPECT_EQ(e.trapno, 14u);
  EXPECT_EQ(e.error_code, 4u);
  EXPECT_EQ(regs_.rip, kCode);
  EXPECT_EQ(regs_.orig_rax, ~0ull);

  regs_.rdi = 0x8000000000000000;  // Not canonical: #GP.
  e = Run();
  EXPECT_EQ(e.signo, SIGSEGV);
  EXPECT_EQ(e.code, SI_KERNEL);
  EXPECT_EQ(e.trapno, 13u);

  regs_.rdi = kData;
  Poke<uint64_t>(*as_, kData, 77);
  e = Run();
  EXPECT_EQ(e.signo, SIGTRAP);
  EXPECT_EQ(e.trapno, 3u);
  EXPECT_EQ(regs_.rip, kCode + 4);
  EXPECT_EQ(regs_.rax, 77u);

  ASSERT_TRUE(as_->Protect(*ctx_, kData, 0x1000, PROT_NONE).ok());
  regs_.rip = kCode;
  e = Run();
  EXPECT_EQ(e.code, SEGV_ACCERR);
  // Present or not is the processor's matter: the host clears that bit for PROT_NONE.
  EXPECT_EQ(e.error_code & ~1ull, 4u);

  regs_.rip = 0x900000;
  e = Run();
  EXPECT_EQ(e.addr, 0x900000u);
  EXPECT_EQ(e.error_code, 4u | 16u);
}

TEST_F(PlatformTest, ArithmeticAndIllegalInstructions) {
  Load(Code({0x31, 0xc9, 0xf7, 0xf1}));  // xor %ecx,%ecx; div %ecx
  Event e = Run();
  EXPECT_EQ(e.signo, SIGFPE);
  EXPECT_EQ(e.code, FPE_INTDIV);
  EXPECT_EQ(e.trapno, 0u);
  EXPECT_EQ(e.addr, kCode + 2);
  Load(Code({0x0f, 0x0b}));
  e = Run();
  EXPECT_EQ(e.signo, SIGILL);
  EXPECT_EQ(e.trapno, 6u);
  EXPECT_EQ(regs_.rip, kCode);
}

TEST_F(PlatformTest, SingleStep) {
  Load(Code({0x90, 0x90, 0x0f, 0x05}));
  regs_.eflags |= 0x100;
  Event e = Run();
  EXPECT_EQ(e.signo, SIGTRAP);
  EXPECT_EQ(e.code, TRAP_TRACE);
  EXPECT_EQ(e.trapno, 1u);
  EXPECT_EQ(regs_.rip, kCode + 1);
  EXPECT_NE(regs_.eflags & 0x100, 0u);
  regs_.eflags &= ~0x100ull;
  EXPECT_EQ(Run().kind, Event::kSyscall);
}

TEST_F(PlatformTest, BusErrorBehindEndOfFile) {
  Load(Code({0x48, 0x8b, 0x07}));
  const int fd = memfd_create("empty", MFD_CLOEXEC);
  MapOptions o{.addr = 0x700000, .length = 0x1000, .prot = PROT_READ, .shared = true, .fd = fd};
  ASSERT_TRUE(as_->Map(*ctx_, o).ok());
  regs_.rdi = 0x700010;
  const Event e = Run();
  EXPECT_EQ(e.signo, SIGBUS);
  EXPECT_EQ(e.code, BUS_ADRERR);
  EXPECT_EQ(e.addr, 0x700010u);
  std::byte b;
  EXPECT_EQ(as_->CopyIn(0x700000, std::span(&b, 1)).error(), Errno::kEFAULT);
  close(fd);
}

TEST_F(PlatformTest, Int80IsNoSystemCall) {
  Load(Code({0xcd, 0x80}));
  regs_.rax = 20;
  const Event e = Run();
  EXPECT_EQ(e.kind, Event::kFault);
  EXPECT_EQ(e.signo, SIGSEGV);
  EXPECT_EQ(e.code, SI_KERNEL);
  EXPECT_EQ(e.trapno, 13u);
  EXPECT_EQ(regs_.rip, kCode);
}

TEST_F(PlatformTest, VsyscallPageIsASystemCall) {
  if (ReadFile("/proc/self/maps").find("[vsyscall]") == std::string::npos) GTEST_SKIP();
  // mov $0xffffffffff600000,%rax; call *%rax; int3
  Load(Code({0x48, 0xc7, 0xc0, 0x00, 0x00, 0x60, 0xff, 0xff, 0xd0, 0xcc}));
  regs_.rdi = kData;
  const Event e = Run();
  ASSERT_EQ(e.kind, Event::kSyscall) << e.signo;
  EXPECT_EQ(regs_.syscall_number(), static_cast<uint64_t>(SYS_gettimeofday));
  EXPECT_EQ(regs_.rip, kCode + 9);
  regs_.rax = 0;
  EXPECT_EQ(Run().signo, SIGTRAP);
}

TEST_F(PlatformTest, VdsoWorksInStubs) {
  const auto vdso = platform_->vdso();
  ASSERT_NE(vdso.ehdr, 0u);
  EXPECT_GE(vdso.vvar_start, platform_->max_user_address());
  std::vector<std::byte> image(vdso.vdso_end - vdso.vdso_start);
  ASSERT_EQ(*as_->CopyIn(vdso.ehdr, image), image.size());
  const char* base = reinterpret_cast<const char*>(image.data());
  const auto* ehdr = reinterpret_cast<const Elf64_Ehdr*>(base);
  ASSERT_EQ(memcmp(ehdr->e_ident, ELFMAG, SELFMAG), 0);
  const auto* sections = reinterpret_cast<const Elf64_Shdr*>(base + ehdr->e_shoff);
  uint64_t function = 0;
  for (int i = 0; i < ehdr->e_shnum; ++i) {
    if (sections[i].sh_type != SHT_DYNSYM) continue;
    const auto* symbols = reinterpret_cast<const Elf64_Sym*>(base + sections[i].sh_offset);
    const char* names = base + sections[sections[i].sh_link].sh_offset;
    for (size_t s = 0; s < sections[i].sh_size / sizeof(Elf64_Sym); ++s) {
      if (!strcmp(names + symbols[s].st_name, "__vdso_clock_gettime"))
        function = symbols[s].st_value;
    }
  }
  ASSERT_NE(function, 0u);
  Load(Code({0xff, 0xd0, 0xcc}));  // call *%rax; int3
  regs_.rax = vdso.ehdr + function;
  regs_.rdi = CLOCK_MONOTONIC;
  regs_.rsi = kData;
  timespec before, after;
  clock_gettime(CLOCK_MONOTONIC, &before);
  const Event e = Run();
  clock_gettime(CLOCK_MONOTONIC, &after);
  if (e.kind == Event::kSyscall) GTEST_SKIP() << "this host's clock needs system calls";
  ASSERT_EQ(e.signo, SIGTRAP);
  const auto ts = Peek<timespec>(*as_, kData);
  const auto ns = [](const timespec& t) { return t.tv_sec * 1000000000 + t.tv_nsec; };
  EXPECT_GE(ns(ts), ns(before));
  EXPECT_LE(ns(ts), ns(after));
}

TEST_F(PlatformTest, CpuTimeIsCounted) {
  Load(EndlessLoop());
  std::thread t([&] {
    EXPECT_TRUE(Eventually([&] { return ctx_->UserCpuTimeNs() >= 20'000'000; }));
    ctx_->Interrupt();
  });
  Run();
  t.join();
  const uint64_t before = ctx_->UserCpuTimeNs();
  ctx_->Release();
  EXPECT_GE(ctx_->UserCpuTimeNs() + 1'000'000, before);
  EXPECT_GE(ctx_->UserCpuTimeNs(), 20'000'000u);
}

}  // namespace
}  // namespace cvisor::platform
