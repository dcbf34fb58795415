// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Running text of files, with the call sites that compilers and libraries make. A platform may
// replace its system calls by something faster, of which the application must not notice anything.

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "pkg/sentry/platform/contract/fixture.h"

namespace cvisor::platform {
namespace {

constexpr uint32_t kNumber = 39;
// More than any platform waits for before it replaces a call.
constexpr int kCalls = 50;
// Flags that code can have set when it makes a call: CF, PF, AF, ZF, SF, DF, OF.
constexpr uint64_t kFlags = 0xcd5;

// A loop with one call in it.
struct Loop {
  const char* name;
  std::string code;
  uint64_t syscall;  // offset of the SYSCALL
  bool number;       // the loop sets rax itself
};

std::vector<Loop> Loops() {
  return {
      // glibc and Go: mov $39,%eax; syscall; cmp $-4095,%rax; jmp
      {"number, compare", WrapperLoop(), 5, true},
      // glibc's cancellation points: syscall; cmp $-4096,%rax; jmp
      {"compare", Code({0x0f, 0x05, 0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff, 0xeb, 0xf6}), 0, false},
      // syscall; cmp $-4095,%eax; jmp
      {"short compare", Code({0x0f, 0x05, 0x3d, 0x01, 0xf0, 0xff, 0xff, 0xeb, 0xf7}), 0, false},
      // mov $39,%eax; syscall; nop; nop; jmp
      {"number", Code({0xb8, kNumber, 0, 0, 0, 0x0f, 0x05, 0x90, 0x90, 0xeb, 0xf5}), 5, true},
      // mov 8(%rsp),%r9; syscall; nop; jmp
      {"argument", Code({0x4c, 0x8b, 0x4c, 0x24, 0x08, 0x0f, 0x05, 0x90, 0xeb, 0xf6}), 5, false},
      // syscall; mov %rax,8(%rsp); jmp
      {"result", Code({0x0f, 0x05, 0x48, 0x89, 0x44, 0x24, 0x08, 0xeb, 0xf7}), 0, false},
      // syscall; jmp: nothing to be replaced
      {"bare", SyscallLoop(), 0, false},
  };
}

class TextTest : public PlatformTest {
 protected:
  // Makes `code` the program of as_, in a private mapping of a file.
  void LoadText(const std::string& code) {
    LoadProgram(*as_, *ctx_, "");
    MapText(*as_, *ctx_, code);
    regs_ = StartRegisters();
    regs_.rsp -= 0x1000;
    regs_.rax = kNumber;
  }
  // Runs until something happens, but for interrupts: a platform may have reasons of its own for
  // them.
  Event Next() {
    for (;;) {
      const Event e = Run();
      if (e.kind != Event::kInterrupt) return e;
    }
  }
  // Runs to the next call, which returns the number of the next.
  void Call(const Loop& loop) {
    const Event e = Next();
    ASSERT_EQ(e.kind, Event::kSyscall)
        << loop.name << ": signal " << e.signo << " at " << std::hex << regs_.rip;
    ASSERT_EQ(regs_.rip, kCode + loop.syscall + 2) << loop.name;
    ASSERT_EQ(regs_.syscall_number(), kNumber) << loop.name;
    regs_.set_return_value(kNumber);
  }
  void Calls(const Loop& loop, int n = kCalls) {
    for (int i = 0; i < n && !HasFatalFailure(); ++i) Call(loop);
  }
};

TEST_F(TextTest, CallsKeepRegistersFlagsAndRedZone) {
  for (const Loop& loop : Loops()) {
    SCOPED_TRACE(loop.name);
    LoadText(loop.code);
    std::vector<std::byte> stack(256, std::byte{0x5a});
    ASSERT_EQ(*as_->CopyOut(regs_.rsp - 128, stack), stack.size());
    Poke<uint64_t>(*as_, regs_.rsp + 8, 9);
    unsigned long long* const kept[] = {&regs_.rdi, &regs_.rsi, &regs_.rdx, &regs_.r10,
                                        &regs_.r8,  &regs_.rbx, &regs_.rbp, &regs_.r12,
                                        &regs_.r13, &regs_.r14, &regs_.r15};
    uint64_t next = 1000;
    for (auto* r : kept) *r = next++;
    regs_.r9 = 9;
    regs_.fs_base = kData + 0x100;
    const uint64_t rsp = regs_.rsp;
    for (int i = 0; i < kCalls; ++i) {
      const uint64_t flags = (i % 2 == 0 ? kFlags : 0) | arch::kRflagsFixed;
      regs_.eflags = flags;
      std::vector<uint64_t> before;
      for (const auto* r : kept) before.push_back(*r);
      ASSERT_NO_FATAL_FAILURE(Call(loop));
      for (size_t r = 0; r < std::size(kept); ++r) ASSERT_EQ(*kept[r], before[r]) << r;
      ASSERT_EQ(regs_.r9, 9u);
      ASSERT_EQ(regs_.rsp, rsp);
      ASSERT_EQ(regs_.rcx, regs_.rip);
      ASSERT_EQ(regs_.r11, regs_.eflags);
      ASSERT_EQ(regs_.fs_base, kData + 0x100);
      // The comparison in the loop is the only thing that may change them.
      if (loop.code.find('\x3d') == std::string::npos) {
        ASSERT_EQ(regs_.eflags, flags);
      }
      // What the Sentry changes must arrive.
      *kept[static_cast<size_t>(i) % std::size(kept)] = next++;
    }
    std::vector<std::byte> now(128);
    ASSERT_EQ(*as_->CopyIn(rsp - 128, now), now.size());
    EXPECT_TRUE(std::equal(now.begin(), now.end(), stack.begin()));
  }
}

// The comparison behind a call sees the result of the call, and its flags arrive.
TEST_F(TextTest, ResultIsComparedWithErrors) {
  // 1: mov $39,%eax; syscall; cmp $-4095,%rax; setae %bl; jmp 1b
  const Loop loop{"errors",
                  Code({0xb8, kNumber, 0, 0, 0, 0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff,
                        0x0f, 0x93, 0xc3, 0xeb, 0xee}),
                  5, true};
  LoadText(loop.code);
  ASSERT_EQ(Next().kind, Event::kSyscall);
  for (int i = 0; i < kCalls; ++i) {
    regs_.set_return_value(i % 3 == 0 ? static_cast<uint64_t>(-i - 1) : static_cast<uint64_t>(i));
    ASSERT_EQ(Next().kind, Event::kSyscall);
    ASSERT_EQ(regs_.rbx & 0xff, i % 3 == 0 ? 1u : 0u) << i;
  }
}

// A call that is to be restarted goes back to its SYSCALL, or to the instruction before; a signal
// handler comes back to any of these places.
TEST_F(TextTest, AnyPlaceAroundACallCanBeResumed) {
  for (const Loop& loop : Loops()) {
    SCOPED_TRACE(loop.name);
    LoadText(loop.code);
    ASSERT_NO_FATAL_FAILURE(Calls(loop));
    for (int i = 0; i < 5; ++i) {
      for (const uint64_t place : {uint64_t{0}, loop.syscall, loop.syscall + 2}) {
        // Away from there first, as for a handler.
        regs_.rip = platform_->max_user_address() - 1;
        ASSERT_EQ(Next().kind, Event::kFault);
        regs_.rip = kCode + place;
        regs_.rax = kNumber;
        ASSERT_NO_FATAL_FAILURE(Call(loop)) << place;
        // And without anything between.
        regs_.rip = kCode + place;
        ASSERT_NO_FATAL_FAILURE(Call(loop)) << place;
      }
    }
  }
}

TEST_F(TextTest, AnotherTextInTheSamePlace) {
  const std::vector<Loop> loops = Loops();
  LoadText(loops[0].code);
  for (int i = 0; i < 3; ++i) {
    for (const Loop& loop : loops) {
      SCOPED_TRACE(loop.name);
      MapText(*as_, *ctx_, loop.code);
      regs_.rip = kCode;
      ASSERT_NO_FATAL_FAILURE(Calls(loop));
    }
  }
  ASSERT_TRUE(as_->Clear(*ctx_).ok());
  LoadText(loops[0].code);
  ASSERT_NO_FATAL_FAILURE(Calls(loops[0]));
}

TEST_F(TextTest, Remap) {
  const Loop loop = Loops()[3];
  LoadText(loop.code);
  ASSERT_NO_FATAL_FAILURE(Calls(loop));
  ASSERT_TRUE(as_->Remap(*ctx_, kCode, 0x1000, 0x800000, 0x1000, false).ok());
  for (int i = 0; i < kCalls; ++i) {
    for (const uint64_t place : {uint64_t{0}, loop.syscall, loop.syscall + 2}) {
      regs_.rip = 0x800000 + place;
      const Event e = Next();
      ASSERT_EQ(e.kind, Event::kSyscall) << place << " " << e.signo;
      ASSERT_EQ(regs_.rip, 0x800000 + loop.syscall + 2);
      ASSERT_EQ(regs_.syscall_number(), kNumber);
      regs_.set_return_value(kNumber);
    }
  }
}

// With programs that change their own code, or have debuggers do it.
TEST_F(TextTest, TextThatIsWritten) {
  const std::vector<Loop> loops = Loops();
  for (const Loop& first : loops) {
    for (const Loop& second : loops) {
      SCOPED_TRACE(std::string(first.name) + ", then " + second.name);
      LoadText(first.code);
      ASSERT_NO_FATAL_FAILURE(Calls(first));
      ASSERT_TRUE(as_->Protect(*ctx_, kCode, 0x1000, PROT_READ | PROT_WRITE | PROT_EXEC).ok());
      for (size_t i = 0; i < first.code.size(); ++i) {
        ASSERT_EQ(Peek<char>(*as_, kCode + i), first.code[i]) << i;
      }
      ASSERT_EQ(
          *as_->CopyOut(kCode, std::as_bytes(std::span(second.code.data(), second.code.size()))),
          second.code.size());
      ASSERT_TRUE(as_->Protect(*ctx_, kCode, 0x1000, PROT_READ | PROT_EXEC).ok());
      regs_.rip = kCode;
      ASSERT_NO_FATAL_FAILURE(Calls(second));
      for (const uint64_t place : {uint64_t{0}, second.syscall, second.syscall + 2}) {
        regs_.rip = kCode + place;
        ASSERT_NO_FATAL_FAILURE(Call(second)) << place;
      }
    }
  }
}

TEST_F(TextTest, Forks) {
  for (const Loop& loop : Loops()) {
    SCOPED_TRACE(loop.name);
    LoadText(loop.code);
    for (const int calls : {1, kCalls}) {
      ASSERT_NO_FATAL_FAILURE(Calls(loop, calls));
      auto child_as = *as_->Fork(*ctx_);
      auto child = *platform_->NewContext();
      ASSERT_TRUE(ctx_->CloneInto(*child, *child_as).ok());
      std::thread t([&] {
        arch::Registers r = regs_;
        for (int i = 0; i < kCalls; ++i) {
          Event e;
          do {
            e = child->Switch(*child_as, &r, true);
          } while (e.kind == Event::kInterrupt);
          ASSERT_EQ(e.kind, Event::kSyscall) << e.signo << " at " << std::hex << r.rip;
          ASSERT_EQ(r.rip, kCode + loop.syscall + 2);
          ASSERT_EQ(r.syscall_number(), kNumber);
          r.set_return_value(kNumber);
          if (i % 3 == 0) r.rip = kCode + loop.syscall;
        }
        child->Release();
      });
      t.join();
    }
  }
}

// Sites are replaced while other threads run through them.
TEST_F(TextTest, ManyThreadsInOneCallSite) {
  for (const Loop& loop : Loops()) {
    SCOPED_TRACE(loop.name);
    LoadText(loop.code);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      std::shared_ptr<Context> child = *platform_->NewContext();
      ASSERT_TRUE(ctx_->CloneInto(*child, *as_).ok());
      threads.emplace_back([&, child, r = regs_]() mutable {
        for (int n = 0; n < 200;) {
          const Event e = child->Switch(*as_, &r, true);
          if (e.kind == Event::kInterrupt) continue;
          ASSERT_EQ(e.kind, Event::kSyscall) << e.signo << " at " << std::hex << r.rip;
          ASSERT_EQ(r.rip, kCode + loop.syscall + 2);
          ASSERT_EQ(r.syscall_number(), kNumber);
          r.set_return_value(kNumber);
          ++n;
        }
        child->Release();
      });
    }
    for (auto& t : threads) t.join();
  }
}

TEST_F(TextTest, Interrupts) {
  for (const Loop& loop : Loops()) {
    SCOPED_TRACE(loop.name);
    LoadText(loop.code);
    std::atomic<bool> stop{false};
    std::thread t([&] {
      while (!stop) ctx_->Interrupt();
    });
    for (int calls = 0; calls < 2000;) {
      const uint64_t rbx = regs_.rbx = static_cast<uint64_t>(calls) << 32;
      const Event e = Run();
      EXPECT_EQ(regs_.rbx, rbx);
      EXPECT_GE(regs_.rip, kCode);
      EXPECT_LE(regs_.rip, kCode + loop.code.size());
      if (e.kind == Event::kSyscall) {
        EXPECT_EQ(regs_.syscall_number(), kNumber);
        regs_.set_return_value(kNumber);
        ++calls;
      } else if (e.kind != Event::kInterrupt) {
        ADD_FAILURE() << "signal " << e.signo << " at " << std::hex << regs_.rip;
      }
      if (HasFailure()) break;
    }
    stop = true;
    t.join();
    if (HasFailure()) break;
  }
}

// The application's GS is its own, whenever it begins to use it.
TEST_F(TextTest, SegmentBases) {
  // 1: mov %gs:0,%rbx; mov %fs:0,%rbp; mov $39,%eax; syscall; cmp $-4095,%rax; jmp 1b
  const Loop loop{"segments",
                  Code({0x65, 0x48, 0x8b, 0x1c, 0x25, 0,    0,    0,    0,    0x64, 0x48,
                        0x8b, 0x2c, 0x25, 0,    0,    0,    0,    0xb8, 0x27, 0,    0,
                        0,    0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, 0xeb, 0xdf}),
                  23, true};
  LoadText(loop.code);
  Poke<uint64_t>(*as_, kData, 11);
  Poke<uint64_t>(*as_, kData + 8, 22);
  regs_.fs_base = kData;
  regs_.gs_base = kData + 8;
  ASSERT_NO_FATAL_FAILURE(Calls(loop));
  EXPECT_EQ(regs_.rbp, 11u);
  EXPECT_EQ(regs_.rbx, 22u);
  regs_.fs_base = kData + 8;
  regs_.gs_base = kData;
  ASSERT_NO_FATAL_FAILURE(Calls(loop));
  EXPECT_EQ(regs_.rbp, 22u);
  EXPECT_EQ(regs_.rbx, 11u);
  EXPECT_EQ(regs_.fs_base, kData + 8);
  EXPECT_EQ(regs_.gs_base, kData);

  // Only after its calls were replaced.
  for (const Loop& other : Loops()) {
    SCOPED_TRACE(other.name);
    ASSERT_TRUE(as_->Clear(*ctx_).ok());
    LoadText(other.code);
    regs_.gs_base = 0;
    ASSERT_NO_FATAL_FAILURE(Calls(other));
    regs_.gs_base = kData;
    ASSERT_NO_FATAL_FAILURE(Calls(other));
    EXPECT_EQ(regs_.gs_base, kData);
  }
}

TEST_F(TextTest, FpuStateSurvivesCalls) {
  // 1: mov $39,%eax; syscall; cmp $-4095,%rax; paddq %xmm1,%xmm0; jmp 1b
  const Loop loop{"vector",
                  Code({0xb8, kNumber, 0, 0, 0, 0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff,
                        0x66, 0x0f, 0xd4, 0xc1, 0xeb, 0xed}),
                  5, true};
  LoadText(loop.code);
  constexpr size_t kXmm0 = 160, kXmm1 = 176, kHeader = 512;
  const auto word = [](std::vector<std::byte>& state, size_t at) -> uint64_t& {
    return *reinterpret_cast<uint64_t*>(&state[at]);
  };
  auto state = *ctx_->GetXsave();
  word(state, kXmm1) = 3;
  word(state, kHeader) |= 2;
  Call(loop);
  ASSERT_TRUE(ctx_->SetXsave(state).ok());
  ASSERT_NO_FATAL_FAILURE(Calls(loop));
  state = *ctx_->GetXsave();
  EXPECT_EQ(word(state, kXmm0), 3u * kCalls);
  for (int i = 1; i <= kCalls; ++i) {
    ASSERT_NO_FATAL_FAILURE(Call(loop));
    if (i % 5 == 0) {
      state = *ctx_->GetXsave();
      ASSERT_EQ(word(state, kXmm0), 3u * (kCalls + static_cast<uint64_t>(i)));
    }
    if (i % 7 == 0) {
      ASSERT_TRUE(ctx_->SetXsave(*ctx_->GetXsave()).ok());
    }
  }
}

// The Sentry takes its time, or says that it sleeps: whether a platform spins or sleeps meanwhile
// does not matter.
TEST_F(TextTest, PausesBetweenCalls) {
  const Loop loop = Loops()[0];
  LoadText(loop.code);
  for (const int pause_us : {0, 1, 10, 30, 100, 1000}) {
    for (int i = 0; i < 30; ++i) {
      ASSERT_NO_FATAL_FAILURE(Call(loop));
      if (pause_us != 0) usleep(static_cast<useconds_t>(pause_us));
      if (i % 4 == 0) {
        ctx_->Sleeping(true);
        ctx_->Sleeping(false);
      }
    }
  }
}

}  // namespace
}  // namespace cvisor::platform
