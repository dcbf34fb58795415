// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Interrupts, signals and deaths, and what a platform leaves behind.

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "pkg/sentry/platform/contract/fixture.h"

namespace cvisor::platform {
namespace {

TEST_F(PlatformTest, StubHasNoPrivileges) {
  const std::string status = ReadFile("/proc/" + std::to_string(StubPid(*as_)) + "/status");
  EXPECT_NE(status.find("CapEff:\t0000000000000000"), std::string::npos);
  EXPECT_NE(status.find("NoNewPrivs:\t1"), std::string::npos);
  EXPECT_NE(status.find("Seccomp:\t2"), std::string::npos);
}

TEST_F(PlatformTest, InterruptEndsALoop) {
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

// Calls and kicks race; each kick must be seen by a Switch that ends after it. With an application
// that uses GS, and so leaves the stub of some platforms by another way, as well.
class LostInterruptTest : public PlatformTest, public testing::WithParamInterface<uint64_t> {};

TEST_P(LostInterruptTest, NoInterruptIsLost) {
  Load(EndlessLoop());
  regs_.gs_base = GetParam();
  std::atomic<int> asked{0}, seen{0};
  constexpr int kRounds = 2000;
  std::thread t([&] {
    for (int i = 1; i <= kRounds; ++i) {
      asked = i;
      ctx_->Interrupt();
      for (int v; (v = seen.load()) < i;) seen.wait(v);
    }
  });
  while (seen < kRounds) {
    ASSERT_EQ(Run(seen == 0).kind, Event::kInterrupt);
    ASSERT_EQ(regs_.gs_base, GetParam());
    seen = asked.load();
    seen.notify_one();
  }
  t.join();
}
INSTANTIATE_TEST_SUITE_P(GsBase, LostInterruptTest, testing::Values(0, kData));

TEST_F(PlatformTest, InterruptsDuringMappingOperationsAndCalls) {
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
    ASSERT_EQ(e.kind, Event::kSyscall) << e.signo;
    ASSERT_EQ(regs_.syscall_number(), expected);
    expected = (expected + 1) % 300;
    regs_.rax = expected;
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

TEST_F(PlatformTest, KillOfTheStubIsNoticed) {
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

TEST_F(PlatformTest, KillOfAStoppedStubIsNoticed) {
  Load(SyscallLoop());
  ASSERT_EQ(Run().kind, Event::kSyscall);
  kill(StubPid(*as_), SIGKILL);
  usleep(20000);
  EXPECT_EQ(Run().kind, Event::kDead);
}

// The tracer of the first thread must not wait for threads whose tracers are busy elsewhere.
TEST_F(PlatformTest, KillWhileAnotherThreadIsInTheSentry) {
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

// Those that reach whole process groups, or that somebody would try.
TEST_F(PlatformTest, SignalsFromTheHostDoNotReachTheApplication) {
  Load(SyscallLoop());
  ASSERT_EQ(Run().kind, Event::kSyscall);
  for (const int sig : {SIGTERM, SIGINT, SIGQUIT, SIGTSTP, SIGUSR1, SIGALRM, SIGHUP, SIGCONT}) {
    kill(StubPid(*as_), sig);
    regs_.rax = 5;
    const Event e = Run();
    ASSERT_EQ(e.kind, Event::kSyscall) << strsignal(sig);
    ASSERT_EQ(regs_.syscall_number(), 5u);
  }
}

TEST_F(PlatformTest, IdlePlatformUsesNoCpu) {
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
  // What a busy machine did not let it finish yet is not idling.
  EXPECT_TRUE(Eventually(
      [&] {
        rusage before, after;
        getrusage(RUSAGE_SELF, &before);
        const auto start = cpu();
        usleep(300000);
        getrusage(RUSAGE_SELF, &after);
        return cpu() - start < 1'000'000 && after.ru_nvcsw - before.ru_nvcsw <= 3;
      },
      20));
}

// A Sentry that is killed takes its stubs along, traced or parked.
TEST(PlatformDeathTest, StubsDieWithTheSentry) {
  int pipes[2];
  ASSERT_EQ(pipe(pipes), 0);
  const pid_t sentry = fork();
  if (sentry == 0) {
    std::string error;
    auto platform = NewTestPlatform(TestPlatformName(), &error);
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

TEST(PlatformErrorTest, NotDumpable) {
  prctl(PR_SET_DUMPABLE, 0);
  std::string error;
  EXPECT_EQ(NewTestPlatform(TestPlatformName(), &error), nullptr);
  EXPECT_NE(error.find("dumpable"), std::string::npos) << error;
  prctl(PR_SET_DUMPABLE, 1);
}

}  // namespace
}  // namespace cvisor::platform
