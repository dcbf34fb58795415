// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// Signal frames of the application's making, through the rt_sigreturn(2) that the stub may call on
// the host.

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>

#include "test/security/stub.h"

namespace cvisor::test {
namespace {

constexpr uint64_t kUserCs = 0x33, kUserCs32 = 0x23, kUserSs = 0x2b;

alignas(16) char g_stack[65536];

// As the kernel lays it out; glibc's structure is larger at the end only.
struct Frame {
  ucontext_t uc;

  greg_t& reg(int i) { return uc.uc_mcontext.gregs[i]; }
  uint64_t* mask() { return reinterpret_cast<uint64_t*>(&uc.uc_sigmask); }
};

Frame MakeFrame(void (*function)()) {
  Frame f;
  memset(&f, 0, sizeof(f));
  f.uc.uc_flags = 6;  // UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS
  // That of the first thread. Without it the stub would get its signals on the application's stack.
  f.uc.uc_stack.ss_sp = reinterpret_cast<char*>(Page(0)) + THREAD_ALTSTACK_OFFSET;
  f.uc.uc_stack.ss_size = THREAD_ALTSTACK_SIZE;
  f.reg(REG_RIP) = reinterpret_cast<greg_t>(function);
  f.reg(REG_RSP) = reinterpret_cast<greg_t>(g_stack + sizeof(g_stack) - 1032);
  f.reg(REG_EFL) = 0x202;
  f.reg(REG_CSGSFS) = static_cast<greg_t>(kUserCs | kUserSs << 48);
  return f;
}

[[noreturn]] void Return(uint64_t site, Frame frame) {
  Registers r;
  r.rax = SYS_rt_sigreturn;
  r.rsp = reinterpret_cast<uint64_t>(&frame.uc);
  Jump(r, Text() + site);
}

// Where the host lets the stub return from a signal, or -1.
int64_t ReturnSite() {
  int64_t found = -1;
  Attackers attackers;
  for (const uint64_t site : SyscallOffsets()) {
    attackers.Start([site] { Return(site, MakeFrame([] { _exit(42); })); },
                    [site, &found](int status) {
                      if (WIFEXITED(status) && WEXITSTATUS(status) == 42) {
                        found = static_cast<int64_t>(site);
                      }
                    });
  }
  attackers.Finish();
  return found;
}

class FrameTest : public testing::Test {
 protected:
  void SetUp() override {
    const int64_t site = ReturnSite();
    if (site < 0) GTEST_SKIP() << "no place in the stub returns from signals";
    site_ = static_cast<uint64_t>(site);
  }
  void Attack(Attackers& attackers, const Frame& frame) {
    attackers.Start([&] { Return(site_, frame); });
  }

  Witness witness_;
  uint64_t site_ = 0;
};

void Spin() {
  for (;;) asm volatile("");
}
void CallForEver() {
  for (;;) RawSyscall(SYS_getppid);
}
void Sleep() {
  for (;;) RawSyscall(SYS_pause);
}

// The kick that makes a thread come back to the Sentry is a signal.
TEST_F(FrameTest, BlockedSignals) {
  Attackers attackers(8, 300);
  int ended = 0;
  const auto attack = [&](void (*function)(), uint64_t mask, bool two_threads) {
    attackers.Start(
        [=, this] {
          std::unique_ptr<ScopedThread> other;
          if (two_threads) other = std::make_unique<ScopedThread>(Spin);
          Frame f = MakeFrame(function);
          *f.mask() = mask;
          Return(site_, f);
        },
        [&ended](int status) {
          EXPECT_THAT(status, KilledBy(SIGKILL));
          ++ended;
        });
  };
  for (const uint64_t mask : {~uint64_t{0}, uint64_t{1} << (SIGURG - 1),
                              uint64_t{1} << (SIGSYS - 1), uint64_t{1} << (SIGSEGV - 1)}) {
    attack(Spin, mask, false);
    attack(Spin, mask, true);
    attack(CallForEver, mask, false);
    attack(Sleep, mask, false);
  }
  attackers.Finish();
  EXPECT_EQ(ended, 16);
}

// Nor does a program that blocks the kick keep itself from ending.
TEST_F(FrameTest, ExitOfTheOthers) {
  Attackers attackers(8, 20000);
  attackers.Start(
      [this] {
        ScopedThread other([this] {
          Frame f = MakeFrame(Spin);
          *f.mask() = ~uint64_t{0};
          Return(site_, f);
        });
        usleep(100000);
        RawSyscall(SYS_exit_group, 5);
      },
      [](int status) { EXPECT_THAT(status, ExitedWith(5)); });
  attackers.Finish();
  EXPECT_EQ(attackers.killed(), 0);
}

TEST_F(FrameTest, Selectors) {
  Attackers attackers(8, 300);
  for (const uint64_t cs :
       {0x0u, 0x10u, 0x18u, 0x20u, 0x23u, 0x2bu, 0x33u, 0x7bu, 0x08u, 0xffffu}) {
    for (const uint64_t ss : {0x0u, 0x18u, 0x23u, 0x2bu, 0x33u, 0xfffbu}) {
      Frame f = MakeFrame(CallForEver);
      f.reg(REG_CSGSFS) =
          static_cast<greg_t>(cs | uint64_t{0x2b} << 16 | uint64_t{0x2b} << 32 | ss << 48);
      Attack(attackers, f);
    }
  }
}

// 32-bit code has calls of its own: int $0x80 and SYSENTER.
TEST_F(FrameTest, CompatibilityMode) {
  // Below 4 GiB: mov $20,%eax (getpid); int $0x80 or sysenter; jmp to the beginning.
  for (const uint16_t call : {0x80cd, 0x340f, 0x050f}) {
    Attackers attackers(8, 300);
    attackers.Start([&] {
      auto* code = static_cast<uint8_t*>(mmap(reinterpret_cast<void*>(0x10000000), 8192,
                                              PROT_READ | PROT_WRITE | PROT_EXEC,
                                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
      const uint8_t program[] = {
          0xb8, 20,  0, 0, 0, static_cast<uint8_t>(call), static_cast<uint8_t>(call >> 8),
          0xeb, 0xf7};
      memcpy(code, program, sizeof(program));
      Frame f = MakeFrame(nullptr);
      f.reg(REG_RIP) = 0x10000000;
      f.reg(REG_RSP) = 0x10002000;
      f.reg(REG_CSGSFS) = static_cast<greg_t>(kUserCs32 | kUserSs << 48);
      Return(site_, f);
    });
  }
}

TEST_F(FrameTest, Flags) {
  Attackers attackers(8, 300);
  for (int bit = 0; bit < 22; ++bit) {
    Frame f = MakeFrame(CallForEver);
    f.reg(REG_EFL) = 0x202 | greg_t{1} << bit;
    Attack(attackers, f);
  }
  for (const greg_t flags : {greg_t{0}, ~greg_t{0}, greg_t{0x3000}}) {
    Frame f = MakeFrame(CallForEver);
    f.reg(REG_EFL) = flags;
    Attack(attackers, f);
  }
}

TEST_F(FrameTest, Addresses) {
  Attackers attackers(8, 300);
  const uint64_t page = reinterpret_cast<uint64_t>(Page(0));
  for (const uint64_t a :
       {uint64_t{0}, uint64_t{0x7ffffffff000}, uint64_t{0x800000000000},
        uint64_t{0xffff800000000000}, uint64_t{0xffffffff81000000}, uint64_t{0xffffffffff600000},
        ~uint64_t{0}, Text(), SlabBase(), page, page + THREAD_STACK_TOP}) {
    Frame f = MakeFrame(CallForEver);
    f.reg(REG_RIP) = static_cast<greg_t>(a);
    Attack(attackers, f);
    f = MakeFrame(CallForEver);
    f.reg(REG_RSP) = static_cast<greg_t>(a);
    Attack(attackers, f);
    f = MakeFrame(CallForEver);
    f.uc.uc_mcontext.fpregs = reinterpret_cast<fpregset_t>(a);
    Attack(attackers, f);
    f = MakeFrame(CallForEver);
    f.uc.uc_mcontext.fpregs = reinterpret_cast<fpregset_t>(a + 8);
    Attack(attackers, f);
    // The alternate stack, on which the stub gets its signals.
    for (const uint64_t size : {uint64_t{0}, uint64_t{2048}, uint64_t{32768}, ~uint64_t{0}}) {
      f = MakeFrame(CallForEver);
      f.uc.uc_stack.ss_sp = reinterpret_cast<void*>(a);
      f.uc.uc_stack.ss_size = size;
      f.uc.uc_stack.ss_flags = 0;
      Attack(attackers, f);
    }
  }
}

TEST_F(FrameTest, RandomFrames) {
  auto random = Random();
  Attackers attackers(8, 300);
  for (int i = 0; i < 300; ++i) {
    Frame f = MakeFrame(CallForEver);
    auto* words = reinterpret_cast<uint64_t*>(&f.uc);
    // Some words of what the kernel reads.
    constexpr size_t kWords = (offsetof(ucontext_t, uc_sigmask) + 8) / 8;
    for (int n = 1 + static_cast<int>(random() % 4); n > 0; --n) {
      const uint64_t choices[] = {0,
                                  1,
                                  ~uint64_t{0},
                                  random(),
                                  random() & 0xffff,
                                  random() & 0x7fffffffffff,
                                  reinterpret_cast<uint64_t>(Page(0)),
                                  Text()};
      words[random() % kWords] = choices[random() % 8];
    }
    Attack(attackers, f);
    if (i % 50 == 0) witness_.Check();
  }
}

}  // namespace
}  // namespace cvisor::test
