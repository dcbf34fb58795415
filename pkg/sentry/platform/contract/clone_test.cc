// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Forks, threads, and contexts that move between address spaces.

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "pkg/sentry/platform/contract/fixture.h"

namespace cvisor::platform {
namespace {

TEST_F(PlatformTest, ForkCopiesMemoryAndFpuState) {
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

TEST_F(PlatformTest, ThreadsShareMemory) {
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
}

// The first thread of a process may end before the others.
TEST_F(PlatformTest, FirstThreadLeaves) {
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

TEST_F(PlatformTest, ContextMovesToAnotherAddressSpaceAndBack) {
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

TEST_F(PlatformTest, ManyForks) {
  Load(SyscallLoop());
  ASSERT_EQ(Run().kind, Event::kSyscall);
  // A platform may keep a few processes of its own, which come and go.
  constexpr int kSpare = 2;
  const int before = CountChildren();
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
  EXPECT_TRUE(Eventually([&] { return CountChildren() <= before + kSpare; })) << CountChildren();
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(as_->Fork(*ctx_).ok());
  EXPECT_TRUE(Eventually([&] { return CountChildren() <= before + kSpare; })) << CountChildren();
}

TEST_F(PlatformTest, ManyThreads) {
  Load(Code({0xf0, 0x48, 0xff, 0x07, 0x0f, 0x05}));
  regs_.rdi = kData;
  ASSERT_EQ(Run().kind, Event::kSyscall);
  constexpr int kThreads = 200;
  const int before = CountThreads(StubPid(*as_));
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
  EXPECT_EQ(CountThreads(StubPid(*as_)), before + kThreads);
  go = true;
  go.notify_all();
  for (auto& t : threads) t.join();
  EXPECT_EQ(Peek<uint64_t>(*as_, kData), 1u + 10 * kThreads);
}

TEST_F(PlatformTest, ThreadsComeAndGo) {
  Load(SyscallLoop());
  ASSERT_EQ(Run().kind, Event::kSyscall);
  const int stub_threads = CountThreads(StubPid(*as_)), own_threads = CountThreads(getpid());
  for (int i = 0; i < 500; ++i) {
    auto child = *platform_->NewContext();
    ASSERT_TRUE(ctx_->CloneInto(*child, *as_).ok());
    std::thread t([&] {
      arch::Registers r = StartRegisters();
      EXPECT_EQ(child->Switch(*as_, &r, true).kind, Event::kSyscall);
      child->Release();
    });
    t.join();
  }
  // One may wait for the next context to come, and one may have been left for a thread of another kind.
  EXPECT_TRUE(Eventually([&] { return CountThreads(StubPid(*as_)) <= stub_threads + 2; }));
  EXPECT_TRUE(Eventually([&] { return CountThreads(getpid()) <= own_threads; }));
}

// A claimed thread whose context never ran can be used by the next one.
TEST_F(PlatformTest, UnusedChildContext) {
  Load(SyscallLoop());
  ASSERT_EQ(Run().kind, Event::kSyscall);
  const int before = CountThreads(StubPid(*as_));
  for (int i = 0; i < 50; ++i) {
    auto child = *platform_->NewContext();
    ASSERT_TRUE(ctx_->CloneInto(*child, *as_).ok());
  }
  EXPECT_EQ(CountThreads(StubPid(*as_)), before + 1);
}

}  // namespace
}  // namespace cvisor::platform
