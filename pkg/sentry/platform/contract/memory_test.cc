// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Mapping operations, copies, and what an address space must not let anyone reach.

#include <sys/mman.h>
#include <unistd.h>

#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "pkg/sentry/platform/contract/fixture.h"

namespace cvisor::platform {
namespace {

TEST_F(PlatformTest, NothingOfTheSentryIsInAStub) {
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

TEST_F(PlatformTest, CopiesStopAtFaults) {
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

TEST_F(PlatformTest, CompareAndSwap) {
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

TEST_F(PlatformTest, MappingOperations) {
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

TEST_F(PlatformTest, UsageCountsTouchedPages) {
  Load(SyscallLoop());
  const uint64_t before = as_->GetUsage().anon_bytes;
  std::vector<std::byte> pages(8 * 4096, std::byte{1});
  ASSERT_EQ(*as_->CopyOut(kData, pages), pages.size());
  // The host may account lazily, by a few dozen pages at most.
  EXPECT_LE(before, 64u << 12);
  EXPECT_GE(as_->GetUsage().rss_bytes + (64u << 12), before + pages.size());
}

TEST_F(PlatformTest, NothingAboveTheApplicationIsReachable) {
  Load(SyscallLoop());
  const UserAddr end = platform_->max_user_address();
  // The stub's code is somewhere in there, and what it shares with the Sentry.
  for (const UserAddr addr : {end, end + 0x20000, end + 0x30000, end + 0x40000, end + 0x80000}) {
    EXPECT_EQ(as_->CopyOut(addr, std::as_bytes(std::span("x"))).error(), Errno::kEFAULT);
    EXPECT_EQ(as_->ForceCopyOut(addr, std::as_bytes(std::span("x"))).error(), Errno::kEFAULT);
    EXPECT_FALSE(as_->Unmap(*ctx_, addr, 0x1000).ok());
    EXPECT_FALSE(as_->Protect(*ctx_, addr, 0x1000, PROT_READ | PROT_WRITE).ok());
    EXPECT_FALSE(as_->Advise(*ctx_, addr, 0x1000, MADV_DONTNEED).ok());
    EXPECT_FALSE(as_->Remap(*ctx_, addr, 0x1000, kData, 0x1000, false).ok());
    EXPECT_FALSE(as_->Remap(*ctx_, kData, 0x1000, addr, 0x1000, false).ok());
    EXPECT_FALSE(as_->Map(*ctx_, {.addr = addr, .length = 0x1000, .prot = 7}).ok());
    EXPECT_FALSE(ctx_->CompareAndSwap32(*as_, addr, 0, 1).ok());
  }
  EXPECT_FALSE(as_->Unmap(*ctx_, end - 0x1000, 0x2000).ok());
  EXPECT_FALSE(as_->Map(*ctx_, {.addr = kData, .length = ~0xfffull, .prot = 7}).ok());
  EXPECT_FALSE(as_->Unmap(*ctx_, kData, ~0xfffull).ok());
  const UserAddr below = platform_->min_user_address() - 0x1000;
  EXPECT_FALSE(as_->Map(*ctx_, {.addr = below, .length = 0x1000, .prot = 7}).ok());
  EXPECT_EQ(Run().kind, Event::kSyscall);
}

}  // namespace
}  // namespace cvisor::platform
