// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// What is the ptrace platform's own. The contract of all platforms has its tests in
// pkg/sentry/platform/contract.

#include <sched.h>
#include <signal.h>

#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "pkg/sentry/platform/contract/fixture.h"
#include "pkg/sentry/platform/ptrace/address_space.h"

namespace cvisor::platform::ptrace {
namespace {

class PtraceTest : public PlatformTest {};

// The application can jump into the stub's code; that does not make the calls the stub's.
TEST_F(PtraceTest, StubCodeIsOfNoUseToTheApplication) {
  Load(SyscallLoop());
  const auto& layout = static_cast<PtraceAddressSpace&>(*as_).platform().layout();
  for (const uint64_t ip : {layout.process_entry, layout.park, layout.call, layout.exit}) {
    regs_ = StartRegisters(ip);
    regs_.rax = 1;
    ASSERT_EQ(Run().kind, Event::kSyscall);
  }
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

// A stub process that is being traced hears of no signal at all, not even of those that its threads
// do not block.
TEST_F(PtraceTest, NoSignalReachesAStub) {
  Load(SyscallLoop());
  ASSERT_EQ(Run().kind, Event::kSyscall);
  for (const int sig : {SIGSEGV, SIGTRAP, SIGBUS, SIGSTOP, SIGCONT, SIGURG}) {
    kill(StubPid(*as_), sig);
    regs_.rax = 5;
    Event e = Run();
    if (sig == SIGURG && e.kind == Event::kInterrupt) e = Run();
    ASSERT_EQ(e.kind, Event::kSyscall) << strsignal(sig);
    ASSERT_EQ(regs_.syscall_number(), 5u);
  }
}

// New processes are made without an agent: there is one process more than address spaces, the
// template.
TEST_F(PtraceTest, ProcessesAndThreads) {
  Load(SyscallLoop());
  ASSERT_EQ(Run().kind, Event::kSyscall);
  EXPECT_EQ(CountChildren(), 2);
  auto child = *platform_->NewContext();
  ASSERT_TRUE(ctx_->CloneInto(*child, *as_).ok());
  EXPECT_EQ(CountThreads(StubPid(*as_)), 2);
  std::thread t([&] {
    arch::Registers r = StartRegisters();
    EXPECT_EQ(child->Switch(*as_, &r, true).kind, Event::kSyscall);
    child->Release();
  });
  t.join();
  // A thread ends with its context.
  EXPECT_TRUE(Eventually([&] { return CountThreads(StubPid(*as_)) == 1; }));
}

}  // namespace
}  // namespace cvisor::platform::ptrace
