// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The platform contract, driven with machine code in address spaces. Nothing here is
// about system calls of a kernel: a stop at SYSCALL is all that the platform knows of them.

#include "pkg/sentry/platform/ptrace/ptrace_platform.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "pkg/sentry/platform/ptrace/address_space.h"
#include "pkg/sentry/platform/ptrace/test_program.h"

namespace cvisor::platform {
namespace {

using ptrace::PtraceAddressSpace;

pid_t StubPid(AddressSpace& as) { return static_cast<PtraceAddressSpace&>(as).pid(); }

std::string ReadFile(const std::string& path) {
  std::ifstream f(path);
  std::stringstream s;
  s << f.rdbuf();
  return s.str();
}

// Processes and zombies that have this process as their parent.
int CountChildren() {
  int n = 0;
  DIR* d = opendir("/proc");
  while (dirent* e = readdir(d)) {
    if (atoi(e->d_name) == 0) continue;
    const std::string stat = ReadFile(std::string("/proc/") + e->d_name + "/stat");
    const size_t p = stat.rfind(')');
    int ppid = 0;
    if (p != std::string::npos && sscanf(stat.c_str() + p + 1, " %*c %d", &ppid) == 1) {
      n += ppid == getpid();
    }
  }
  closedir(d);
  return n;
}

int CountThreads(pid_t pid) {
  int n = 0;
  DIR* d = opendir(("/proc/" + std::to_string(pid) + "/task").c_str());
  if (d == nullptr) return 0;
  while (dirent* e = readdir(d)) n += atoi(e->d_name) != 0;
  closedir(d);
  return n;
}

template <typename F>
bool Eventually(F&& f) {
  for (int i = 0; i < 2000; ++i) {
    if (f()) return true;
    usleep(1000);
  }
  return false;
}

class PtraceTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string error;
    platform_ = ptrace::NewPlatform(&error);
    ASSERT_NE(platform_, nullptr) << error;
    ctx_ = *platform_->NewContext();
    as_ = *platform_->NewAddressSpace();
  }
  void TearDown() override {
    if (ctx_) ctx_->Release();
    ctx_.reset();
    as_.reset();
    platform_.reset();
    EXPECT_EQ(CountChildren(), 0);
  }

  void Load(const std::string& code) {
    LoadProgram(*as_, *ctx_, code);
    regs_ = StartRegisters();
  }
  Event Run(bool dirty = true) { return ctx_->Switch(*as_, &regs_, dirty); }
  template <typename T>
  T Peek(AddressSpace& as, UserAddr addr) {
    T v{};
    EXPECT_EQ(as.CopyIn(addr, std::as_writable_bytes(std::span(&v, 1))).value_or(0), sizeof(v));
    return v;
  }
  template <typename T>
  void Poke(AddressSpace& as, UserAddr addr, T v) {
    EXPECT_EQ(as.CopyOut(addr, std::as_bytes(std::span(&v, 1))).value_or(0), sizeof(v));
  }

  std::unique_ptr<Platform> platform_;
  std::unique_ptr<Context> ctx_;
  Ref<AddressSpace> as_;
  arch::Registers regs_;
};

TEST_F(PtraceTest, NothingOfTheSentryIsInAStub) {
  const std::string maps = ReadFile("/proc/" + std::to_string(StubPid(*as_)) + "/maps");
  std::istringstream lines(maps);
  int n = 0;
  for (std::string line; std::getline(lines, line); ++n) {
    if (line.find("[vsyscall]") != std::string::npos) continue;
    EXPECT_GE(strtoull(line.c_str(), nullptr, 16), platform_->max_user_address()) << line;
  }
  EXPECT_GE(n, 3) << maps;
  EXPECT_EQ(as_->GetUsage().anon_bytes, 0u);
}

TEST_F(PtraceTest, StubHasNoPrivileges) {
  const std::string status = ReadFile("/proc/" + std::to_string(StubPid(*as_)) + "/status");
  EXPECT_NE(status.find("CapEff:\t0000000000000000"), std::string::npos);
  EXPECT_NE(status.find("NoNewPrivs:\t1"), std::string::npos);
  EXPECT_NE(status.find("Seccomp:\t2"), std::string::npos);
}

TEST_F(PtraceTest, Syscall) {
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

TEST_F(PtraceTest, RegistersSurviveMappingOperations) {
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

TEST_F(PtraceTest, Faults) {
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
  EXPECT_EQ(e.error_code, 5u);

  regs_.rip = 0x900000;
  e = Run();
  EXPECT_EQ(e.addr, 0x900000u);
  EXPECT_EQ(e.error_code, 4u | 16u);
}

TEST_F(PtraceTest, ArithmeticAndIllegalInstructions) {
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

TEST_F(PtraceTest, SingleStep) {
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

TEST_F(PtraceTest, BusErrorBehindEndOfFile) {
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

TEST_F(PtraceTest, Int80IsNoSystemCall) {
  Load(Code({0xcd, 0x80}));
  regs_.rax = 20;
  const Event e = Run();
  EXPECT_EQ(e.kind, Event::kFault);
  EXPECT_EQ(e.signo, SIGSEGV);
  EXPECT_EQ(e.code, SI_KERNEL);
  EXPECT_EQ(e.trapno, 13u);
  EXPECT_EQ(regs_.rip, kCode);
}

TEST_F(PtraceTest, VsyscallPageIsASystemCall) {
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

// The application can jump into the stub's code; that does not make the calls the stub's.
TEST_F(PtraceTest, StubCodeIsOfNoUseToTheApplication) {
  Load(SyscallLoop());
  const auto& layout = static_cast<PtraceAddressSpace&>(*as_).platform().layout();
  for (const uint64_t ip : {layout.process_entry, layout.park, layout.call, layout.exit}) {
    regs_ = StartRegisters(ip);
    regs_.rax = 1;
    ASSERT_EQ(Run().kind, Event::kSyscall);
  }
  regs_ = StartRegisters();
  Poke<uint32_t>(*as_, kData, 1);
  EXPECT_EQ(as_->CopyOut(layout.text, std::as_bytes(std::span("x"))).error(), Errno::kEFAULT);
  EXPECT_EQ(as_->ForceCopyOut(layout.text, std::as_bytes(std::span("x"))).error(), Errno::kEFAULT);
  EXPECT_FALSE(as_->Unmap(*ctx_, layout.text, 0x1000).ok());
  EXPECT_FALSE(as_->Protect(*ctx_, layout.text, 0x1000, PROT_READ | PROT_WRITE).ok());
  EXPECT_FALSE(as_->Advise(*ctx_, layout.text, 0x1000, MADV_DONTNEED).ok());
  EXPECT_FALSE(as_->Remap(*ctx_, layout.text, 0x1000, kData, 0x1000, false).ok());
  EXPECT_FALSE(as_->Map(*ctx_, {.addr = layout.text, .length = 0x1000, .prot = 7}).ok());
  EXPECT_FALSE(as_->Map(*ctx_, {.addr = kData, .length = ~0xfffull, .prot = 7}).ok());
}

TEST_F(PtraceTest, InterruptEndsALoop) {
  Load(EndlessLoop());
  for (int i = 0; i < 100; ++i) {
    std::atomic<bool> sent{false};
    std::thread t([&] {
      if (i % 2 == 0) usleep(500);
      ctx_->Interrupt();
      sent = true;
    });
    Event e = Run(i == 0);
    EXPECT_EQ(e.kind, Event::kInterrupt);
    EXPECT_EQ(regs_.rip, kCode);
    t.join();
    // One spurious event is allowed; it must not be taken for the next round's.
    ctx_->Interrupt();
    EXPECT_EQ(Run(false).kind, Event::kInterrupt);
  }
}

TEST_F(PtraceTest, NoInterruptIsLost) {
  // Calls and kicks race; each kick must be seen by a Switch that ends after it.
  Load(EndlessLoop());
  std::atomic<int> asked{0}, seen{0};
  constexpr int kRounds = 5000;
  std::thread t([&] {
    for (int i = 1; i <= kRounds; ++i) {
      asked = i;
      ctx_->Interrupt();
      while (seen < i) sched_yield();
    }
  });
  while (seen < kRounds) {
    ASSERT_EQ(Run(false || seen == 0).kind, Event::kInterrupt);
    seen = asked.load();
  }
  t.join();
}

TEST_F(PtraceTest, InterruptsDuringMappingOperationsAndCalls) {
  Load(SyscallLoop());
  std::atomic<bool> stop{false};
  std::thread t([&] {
    while (!stop) ctx_->Interrupt();
  });
  uint64_t expected = 7;
  regs_.rax = 7;
  for (int calls = 0; calls < 3000;) {
    const Event e = Run();
    if (e.kind == Event::kInterrupt) continue;
    ASSERT_EQ(e.kind, Event::kSyscall);
    ASSERT_EQ(regs_.syscall_number(), expected);
    regs_.rax = ++expected % 512;
    expected %= 512;
    ++calls;
    if (calls % 4 == 0) {
      MapOptions o{.addr = 0x700000, .length = 0x1000, .prot = PROT_READ | PROT_WRITE};
      ASSERT_TRUE(as_->Map(*ctx_, o).ok());
      ASSERT_EQ(*ctx_->CompareAndSwap32(*as_, 0x700000, 0, 1), 0u);
      ASSERT_EQ(Peek<uint32_t>(*as_, 0x700000), 1u);
    }
  }
  stop = true;
  t.join();
}

TEST_F(PtraceTest, CopiesStopAtFaults) {
  Load(SyscallLoop());
  MapOptions o{.addr = 0x700000, .length = 0x2000, .prot = PROT_READ | PROT_WRITE};
  ASSERT_TRUE(as_->Map(*ctx_, o).ok());
  std::vector<std::byte> buffer(0x5000, std::byte{1});
  EXPECT_EQ(*as_->CopyOut(0x700ff0, buffer), 0x1010u);
  EXPECT_EQ(*as_->CopyIn(0x700ff0, buffer), 0x1010u);
  EXPECT_EQ(as_->CopyIn(0x702000, buffer).error(), Errno::kEFAULT);
  EXPECT_EQ(as_->CopyIn(0, buffer).error(), Errno::kEFAULT);
  EXPECT_EQ(as_->CopyIn(~0ull, buffer).error(), Errno::kEFAULT);
  EXPECT_EQ(as_->CopyOut(platform_->max_user_address(), buffer).error(), Errno::kEFAULT);
  EXPECT_EQ(*as_->CopyIn(0, {}), 0u);
  ASSERT_TRUE(as_->Protect(*ctx_, 0x701000, 0x1000, PROT_READ).ok());
  EXPECT_EQ(*as_->CopyOut(0x700000, buffer), 0x1000u);
  EXPECT_EQ(as_->CopyOut(0x701000, buffer).error(), Errno::kEFAULT);
  EXPECT_EQ(*as_->ForceCopyOut(0x701000, std::span(buffer).first(16)), 16u);
  ASSERT_TRUE(as_->Protect(*ctx_, 0x700000, 0x1000, PROT_NONE).ok());
  EXPECT_EQ(as_->CopyIn(0x700000, buffer).error(), Errno::kEFAULT);
  EXPECT_EQ(*as_->ForceCopyIn(0x700000, std::span(buffer).first(16)), 16u);
  EXPECT_EQ(as_->ForceCopyIn(0x702000, buffer).error(), Errno::kEFAULT);
  EXPECT_EQ(*as_->Load32(0x701000), 0x01010101u);
  EXPECT_EQ(as_->Load32(0x701001).error(), Errno::kEINVAL);
}

TEST_F(PtraceTest, CompareAndSwap) {
  Load(SyscallLoop());
  ASSERT_EQ(Run().kind, Event::kSyscall);
  Poke<uint32_t>(*as_, kData, 5);
  EXPECT_EQ(*ctx_->CompareAndSwap32(*as_, kData, 5, 6), 5u);
  EXPECT_EQ(*ctx_->CompareAndSwap32(*as_, kData, 5, 7), 6u);
  EXPECT_EQ(Peek<uint32_t>(*as_, kData), 6u);
  EXPECT_EQ(ctx_->CompareAndSwap32(*as_, 0x123000, 0, 1).error(), Errno::kEFAULT);
  ASSERT_TRUE(as_->Protect(*ctx_, kData, 0x1000, PROT_READ).ok());
  EXPECT_EQ(ctx_->CompareAndSwap32(*as_, kData, 6, 1).error(), Errno::kEFAULT);
  EXPECT_EQ(ctx_->CompareAndSwap32(*as_, platform_->max_user_address() + 0x82000, 0, 1).error(),
            Errno::kEFAULT);
  regs_.rax = 3;
  ASSERT_EQ(Run().kind, Event::kSyscall);
  EXPECT_EQ(regs_.syscall_number(), 3u);
}

TEST_F(PtraceTest, MappingOperations) {
  Load(SyscallLoop());
  const int fd = memfd_create("shared", MFD_CLOEXEC);
  ASSERT_EQ(ftruncate(fd, 0x4000), 0);
  MapOptions o{
      .addr = 0x700000, .length = 0x4000, .prot = PROT_READ | PROT_WRITE, .shared = true, .fd = fd};
  ASSERT_TRUE(as_->Map(*ctx_, o).ok());
  Poke<uint32_t>(*as_, 0x703000, 42);
  uint32_t v = 0;
  EXPECT_EQ(pread(fd, &v, sizeof(v), 0x3000), 4);
  EXPECT_EQ(v, 42u);
  uint8_t core[8] = {};
  EXPECT_TRUE(as_->Mincore(*ctx_, 0x700000, 0x4000, core).ok());
  EXPECT_EQ(core[0], 0);
  EXPECT_EQ(core[3], 1);
  EXPECT_EQ(as_->Mincore(*ctx_, 0x700000, 0x8000, core).error(), Errno::kENOMEM);
  EXPECT_TRUE(as_->Sync(*ctx_, 0x700000, 0x4000, MS_SYNC).ok());
  EXPECT_TRUE(as_->Remap(*ctx_, 0x703000, 0x1000, 0x900000, 0x1000, false).ok());
  EXPECT_EQ(Peek<uint32_t>(*as_, 0x900000), 42u);
  EXPECT_FALSE(as_->Load32(0x703000).ok());
  Poke<uint32_t>(*as_, kData, 9);
  EXPECT_TRUE(as_->Remap(*ctx_, kData, 0x1000, 0xa00000, 0x1000, true).ok());
  EXPECT_EQ(Peek<uint32_t>(*as_, kData), 0u);
  EXPECT_EQ(Peek<uint32_t>(*as_, 0xa00000), 9u);
  EXPECT_TRUE(as_->Remap(*ctx_, 0xa00000, 0x1000, 0xa00000, 0x3000, false).ok());
  EXPECT_EQ(Peek<uint32_t>(*as_, 0xa02000), 0u);
  EXPECT_TRUE(as_->Advise(*ctx_, 0xa00000, 0x1000, MADV_DONTNEED).ok());
  EXPECT_EQ(Peek<uint32_t>(*as_, 0xa00000), 0u);
  EXPECT_TRUE(as_->Unmap(*ctx_, 0xa00000, 0x3000).ok());
  EXPECT_EQ(as_->Map(*ctx_, {.addr = 0x700000, .length = 0x1000, .prot = 1, .fd = 9999}).error(),
            Errno::kEBADF);
  ASSERT_TRUE(as_->Clear(*ctx_).ok());
  EXPECT_FALSE(as_->Load32(kData).ok());
  Load(SyscallLoop());
  EXPECT_EQ(Run().kind, Event::kSyscall);
  close(fd);
}

TEST_F(PtraceTest, UsageCountsTouchedPages) {
  Load(SyscallLoop());
  const uint64_t before = as_->GetUsage().anon_bytes;
  std::vector<std::byte> pages(8 * 4096, std::byte{1});
  ASSERT_EQ(*as_->CopyOut(kData, pages), pages.size());
  // The host may account lazily, by a few dozen pages at most.
  EXPECT_LE(before, 64u << 12);
  EXPECT_GE(as_->GetUsage().rss_bytes + (64u << 12), before + pages.size());
}

TEST_F(PtraceTest, VdsoWorksInStubs) {
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

TEST_F(PtraceTest, XsaveRoundTrip) {
  Load(Code({0xf3, 0x0f, 0x6f, 0x07,  // movdqu (%rdi),%xmm0
             0x0f, 0x05,              // syscall
             0xf3, 0x0f, 0x7f, 0x07,  // movdqu %xmm0,(%rdi)
             0x0f, 0x05}));
  Poke<uint64_t>(*as_, kData, 0x1122334455667788);
  regs_.rdi = kData;
  ASSERT_EQ(Run().kind, Event::kSyscall);
  auto state = *ctx_->GetXsave();
  ASSERT_EQ(state.size(), platform_->xsave_size());
  uint64_t xmm0;
  memcpy(&xmm0, &state[160], sizeof(xmm0));
  EXPECT_EQ(xmm0, 0x1122334455667788u);
  xmm0 = 0x99;
  memcpy(&state[160], &xmm0, sizeof(xmm0));
  ASSERT_TRUE(ctx_->SetXsave(state).ok());
  ASSERT_EQ(Run().kind, Event::kSyscall);
  EXPECT_EQ(Peek<uint64_t>(*as_, kData), 0x99u);

  auto bad = state;
  bad[512 + 7] = std::byte{0xff};  // Components that do not exist.
  EXPECT_EQ(ctx_->SetXsave(bad).error(), Errno::kEINVAL);
  bad = state;
  bad[27] = std::byte{0xff};  // Reserved bits of MXCSR.
  EXPECT_EQ(ctx_->SetXsave(bad).error(), Errno::kEINVAL);
  EXPECT_EQ(ctx_->SetXsave(std::span(state).first(100)).error(), Errno::kEINVAL);
  memcpy(&xmm0, &(*ctx_->GetXsave())[160], sizeof(xmm0));
  EXPECT_EQ(xmm0, 0x99u);

  ctx_->ResetXsave();
  state = *ctx_->GetXsave();
  memcpy(&xmm0, &state[160], sizeof(xmm0));
  EXPECT_EQ(xmm0, 0u);
  uint32_t mxcsr;
  memcpy(&mxcsr, &state[24], sizeof(mxcsr));
  EXPECT_EQ(mxcsr, 0x1f80u);
  uint16_t fcw;
  memcpy(&fcw, &state[0], sizeof(fcw));
  EXPECT_EQ(fcw, 0x37fu);
  EXPECT_EQ(platform_->xsave_features() & 3, 3u);
}

TEST_F(PtraceTest, ForkCopiesMemoryAndFpuState) {
  Load(Code({0xf3, 0x0f, 0x6f, 0x07, 0x0f, 0x05, 0xf3, 0x0f, 0x7f, 0x07, 0x0f, 0x05}));
  Poke<uint64_t>(*as_, kData, 0xabcdef);
  regs_.rdi = kData;
  ASSERT_EQ(Run().kind, Event::kSyscall);
  auto child_as = *as_->Fork(*ctx_);
  auto child = *platform_->NewContext();
  ASSERT_TRUE(ctx_->CloneInto(*child, *child_as).ok());
  Poke<uint64_t>(*as_, kData, 1);
  EXPECT_EQ(Peek<uint64_t>(*child_as, kData), 0xabcdefu);
  std::thread t([&] {
    arch::Registers r = regs_;
    r.rdi = kData + 64;
    EXPECT_EQ(child->Switch(*child_as, &r, true).kind, Event::kSyscall);
    EXPECT_EQ(Peek<uint64_t>(*child_as, kData + 64), 0xabcdefu);
    Poke<uint64_t>(*child_as, kData, 2);
    child->Release();
  });
  t.join();
  EXPECT_EQ(Peek<uint64_t>(*as_, kData), 1u);
  EXPECT_EQ(Peek<uint64_t>(*as_, kData + 64), 0u);
}

TEST_F(PtraceTest, ThreadsShareMemory) {
  Load(Code({0xf0, 0x48, 0xff, 0x07, 0x0f, 0x05}));  // lock incq (%rdi); syscall
  regs_.rdi = kData;
  ASSERT_EQ(Run().kind, Event::kSyscall);
  auto child = *platform_->NewContext();
  ASSERT_TRUE(ctx_->CloneInto(*child, *as_).ok());
  std::thread t([&] {
    arch::Registers r = StartRegisters();
    r.rdi = kData;
    EXPECT_EQ(child->Switch(*as_, &r, true).kind, Event::kSyscall);
    child->Release();
  });
  t.join();
  EXPECT_EQ(Peek<uint64_t>(*as_, kData), 2u);
  EXPECT_TRUE(Eventually([&] { return CountThreads(StubPid(*as_)) == 1; }));
}

// The first thread of a process may end before the others.
TEST_F(PtraceTest, FirstThreadLeaves) {
  Load(SyscallLoop());
  ASSERT_EQ(Run().kind, Event::kSyscall);
  auto child = *platform_->NewContext();
  ASSERT_TRUE(ctx_->CloneInto(*child, *as_).ok());
  ctx_->Release();
  std::thread t([&] {
    for (int i = 0; i < 10; ++i) {
      arch::Registers r = StartRegisters();
      EXPECT_EQ(child->Switch(*as_, &r, true).kind, Event::kSyscall);
    }
    child->Release();
  });
  t.join();
}

TEST_F(PtraceTest, ContextMovesToAnotherAddressSpaceAndBack) {
  Load(Code({0xf3, 0x0f, 0x6f, 0x07, 0x0f, 0x05, 0xf3, 0x0f, 0x7f, 0x07, 0x0f, 0x05}));
  Poke<uint64_t>(*as_, kData, 0x77);
  regs_.rdi = kData;
  ASSERT_EQ(Run().kind, Event::kSyscall);
  auto other = *platform_->NewAddressSpace();
  LoadProgram(*other, *ctx_, SyscallLoop());
  arch::Registers r = StartRegisters();
  EXPECT_EQ(ctx_->Switch(*other, &r, true).kind, Event::kSyscall);
  // A failed exec comes back, with its FPU state.
  regs_.rdi = kData + 8;
  ASSERT_EQ(Run().kind, Event::kSyscall);
  EXPECT_EQ(Peek<uint64_t>(*as_, kData + 8), 0x77u);
}

TEST_F(PtraceTest, KillOfTheStubIsNoticed) {
  Load(EndlessLoop());
  std::thread t([&] {
    usleep(20000);
    kill(StubPid(*as_), SIGKILL);
  });
  EXPECT_EQ(Run().kind, Event::kDead);
  t.join();
  EXPECT_EQ(Run().kind, Event::kDead);
  EXPECT_EQ(as_->Load32(kData).error(), Errno::kESRCH);
  EXPECT_EQ(as_->Unmap(*ctx_, kData, 0x1000).error(), Errno::kESRCH);
  EXPECT_FALSE(as_->Fork(*ctx_).ok());
  EXPECT_FALSE(ctx_->GetXsave().ok());
  ctx_->Interrupt();
}

TEST_F(PtraceTest, KillOfAStoppedStubIsNoticed) {
  Load(SyscallLoop());
  ASSERT_EQ(Run().kind, Event::kSyscall);
  kill(StubPid(*as_), SIGKILL);
  usleep(20000);
  EXPECT_EQ(Run().kind, Event::kDead);
}

// The tracer of the first thread must not wait for threads whose tracers are busy elsewhere.
TEST_F(PtraceTest, KillWhileAnotherThreadIsInTheSentry) {
  Load(EndlessLoop());
  ctx_->Interrupt();
  Run();
  auto child = *platform_->NewContext();
  ASSERT_TRUE(ctx_->CloneInto(*child, *as_).ok());
  std::atomic<int> stage{0};
  std::thread t([&] {
    arch::Registers r = StartRegisters();
    child->Interrupt();
    child->Switch(*as_, &r, true);
    child->Switch(*as_, &r, true);  // Attached and stopped, or running until the kick below.
    stage = 1;
    while (stage != 2) usleep(1000);
    EXPECT_EQ(child->Switch(*as_, &r, true).kind, Event::kDead);
    child->Release();
  });
  while (stage != 1) {
    child->Interrupt();
    usleep(1000);
  }
  std::thread killer([&] {
    usleep(20000);
    kill(StubPid(*as_), SIGKILL);
  });
  EXPECT_EQ(Run().kind, Event::kDead);
  killer.join();
  stage = 2;
  t.join();
}

TEST_F(PtraceTest, SignalsFromTheHostDoNotReachTheApplication) {
  Load(SyscallLoop());
  ASSERT_EQ(Run().kind, Event::kSyscall);
  for (const int sig :
       {SIGTERM, SIGINT, SIGSEGV, SIGTRAP, SIGUSR1, SIGALRM, SIGHUP, SIGSTOP, SIGCONT}) {
    kill(StubPid(*as_), sig);
    regs_.rax = 5;
    Event e = Run();
    ASSERT_EQ(e.kind, Event::kSyscall) << strsignal(sig);
    ASSERT_EQ(regs_.syscall_number(), 5u);
  }
}

TEST_F(PtraceTest, CpuTimeIsCounted) {
  Load(EndlessLoop());
  std::thread t([&] {
    usleep(100000);
    ctx_->Interrupt();
  });
  Run();
  t.join();
  EXPECT_GE(ctx_->UserCpuTimeNs(), 20'000'000u);
  const uint64_t before = ctx_->UserCpuTimeNs();
  ctx_->Release();
  EXPECT_GE(ctx_->UserCpuTimeNs() + 1'000'000, before);
  EXPECT_GE(ctx_->UserCpuTimeNs(), 20'000'000u);
}

TEST_F(PtraceTest, ManyForks) {
  Load(SyscallLoop());
  ASSERT_EQ(Run().kind, Event::kSyscall);
  std::vector<Ref<AddressSpace>> all;
  for (int i = 0; i < 200; ++i) all.push_back(*as_->Fork(*ctx_));
  for (auto& as : all) {
    auto child = *platform_->NewContext();
    ASSERT_TRUE(ctx_->CloneInto(*child, *as).ok());
    std::thread t([&] {
      arch::Registers r = StartRegisters();
      EXPECT_EQ(child->Switch(*as, &r, true).kind, Event::kSyscall);
      child->Release();
    });
    t.join();
  }
  all.clear();
  EXPECT_EQ(CountChildren(), 2);  // The template and ours.
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(as_->Fork(*ctx_).ok());
  EXPECT_EQ(CountChildren(), 2);
}

TEST_F(PtraceTest, ManyThreads) {
  Load(Code({0xf0, 0x48, 0xff, 0x07, 0x0f, 0x05}));
  regs_.rdi = kData;
  ASSERT_EQ(Run().kind, Event::kSyscall);
  constexpr int kThreads = 500;
  std::vector<std::thread> threads;
  std::atomic<bool> go{false};
  for (int i = 0; i < kThreads; ++i) {
    std::shared_ptr<Context> child = *platform_->NewContext();
    ASSERT_TRUE(ctx_->CloneInto(*child, *as_).ok());
    threads.emplace_back([&, child] {
      go.wait(false);
      for (int j = 0; j < 10; ++j) {
        arch::Registers r = StartRegisters();
        r.rdi = kData;
        EXPECT_EQ(child->Switch(*as_, &r, true).kind, Event::kSyscall);
      }
      child->Release();
    });
  }
  EXPECT_EQ(CountThreads(StubPid(*as_)), kThreads + 1);
  go = true;
  go.notify_all();
  for (auto& t : threads) t.join();
  EXPECT_EQ(Peek<uint64_t>(*as_, kData), 1u + 10 * kThreads);
  EXPECT_TRUE(Eventually([&] { return CountThreads(StubPid(*as_)) == 1; }));
}

TEST_F(PtraceTest, ThreadsComeAndGo) {
  Load(SyscallLoop());
  ASSERT_EQ(Run().kind, Event::kSyscall);
  for (int i = 0; i < 2000; ++i) {
    auto child = *platform_->NewContext();
    ASSERT_TRUE(ctx_->CloneInto(*child, *as_).ok());
    std::thread t([&] {
      arch::Registers r = StartRegisters();
      EXPECT_EQ(child->Switch(*as_, &r, true).kind, Event::kSyscall);
      child->Release();
    });
    t.join();
  }
  EXPECT_TRUE(Eventually([&] { return CountThreads(StubPid(*as_)) == 1; }));
  EXPECT_LE(CountThreads(getpid()), 3);
}

// A claimed thread whose context never ran can be used by the next one.
TEST_F(PtraceTest, UnusedChildContext) {
  Load(SyscallLoop());
  ASSERT_EQ(Run().kind, Event::kSyscall);
  for (int i = 0; i < 50; ++i) {
    auto child = *platform_->NewContext();
    ASSERT_TRUE(ctx_->CloneInto(*child, *as_).ok());
  }
  EXPECT_EQ(CountThreads(StubPid(*as_)), 2);
}

TEST_F(PtraceTest, IdlePlatformUsesNoCpu) {
#ifdef CVISOR_TSAN
  GTEST_SKIP() << "ThreadSanitizer has a thread of its own";
#endif
  Load(EndlessLoop());
  std::thread t([&] {
    arch::Registers r = regs_;
    auto child = *platform_->NewContext();
    auto as = *platform_->NewAddressSpace();
    LoadProgram(*as, *child, SyscallLoop());
    for (int i = 0; i < 100; ++i) {
      r.rax = 0;
      child->Switch(*as, &r, true);
    }
    child->Release();
  });
  t.join();
  usleep(50000);
  const auto cpu = [] {
    timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return ts.tv_sec * 1000000000 + ts.tv_nsec;
  };
  rusage before, after;
  getrusage(RUSAGE_SELF, &before);
  const auto start = cpu();
  usleep(300000);
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(cpu() - start, 1'000'000);
  EXPECT_LE(after.ru_nvcsw - before.ru_nvcsw, 3);
}

// A thread that only computes may use every CPU; one that calls all the time stays with its tracer.
TEST_F(PtraceTest, ComputingThreadsAreNotPinned) {
  const auto cpus_of_stub = [&] {
    cpu_set_t set;
    CPU_ZERO(&set);
    EXPECT_EQ(sched_getaffinity(StubPid(*as_), sizeof(set), &set), 0);
    return CPU_COUNT(&set);
  };
  cpu_set_t all;
  ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
  if (CPU_COUNT(&all) < 2) GTEST_SKIP();
  Load(SyscallLoop());
  EXPECT_EQ(cpus_of_stub(), 1);
  Load(EndlessLoop());
  std::thread t([&] {
    EXPECT_TRUE(Eventually([&] { return cpus_of_stub() == CPU_COUNT(&all); }));
    ctx_->Interrupt();
  });
  EXPECT_EQ(Run().kind, Event::kInterrupt);
  t.join();
  cpu_set_t own;
  ASSERT_EQ(sched_getaffinity(0, sizeof(own), &own), 0);
  EXPECT_TRUE(CPU_EQUAL(&own, &all));
}

// A Sentry that is killed takes its stubs along, traced or parked.
TEST(PtraceDeathTest, StubsDieWithTheSentry) {
  int pipes[2];
  ASSERT_EQ(pipe(pipes), 0);
  const pid_t sentry = fork();
  if (sentry == 0) {
    std::string error;
    auto platform = ptrace::NewPlatform(&error);
    if (platform == nullptr) _exit(1);
    auto ctx = *platform->NewContext();
    auto as = *platform->NewAddressSpace();
    LoadProgram(*as, *ctx, SyscallLoop());
    auto parked = *as->Fork(*ctx);
    auto fresh = *platform->NewAddressSpace();
    const pid_t pids[3] = {StubPid(*as), StubPid(*parked), StubPid(*fresh)};
    if (write(pipes[1], pids, sizeof(pids)) != sizeof(pids)) _exit(1);
    for (;;) pause();
  }
  close(pipes[1]);
  pid_t pids[3] = {};
  ASSERT_EQ(read(pipes[0], pids, sizeof(pids)), static_cast<ssize_t>(sizeof(pids)));
  kill(sentry, SIGKILL);
  waitpid(sentry, nullptr, 0);
  for (const pid_t pid : pids) {
    EXPECT_TRUE(Eventually([&] {
      const std::string stat = ReadFile("/proc/" + std::to_string(pid) + "/stat");
      return stat.empty() || stat.find(") Z ") != std::string::npos;
    })) << pid;
  }
  // They are ours now if we are the init of a PID namespace.
  while (waitpid(-1, nullptr, __WALL) > 0) {
  }
  close(pipes[0]);
}

TEST(PtraceErrorTest, NotDumpable) {
  prctl(PR_SET_DUMPABLE, 0);
  std::string error;
  EXPECT_EQ(ptrace::NewPlatform(&error), nullptr);
  EXPECT_NE(error.find("dumpable"), std::string::npos) << error;
  prctl(PR_SET_DUMPABLE, 1);
}

}  // namespace
}  // namespace cvisor::platform
