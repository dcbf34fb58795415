// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The host's programs, loaded on the ptrace platform: their first system call shows that the
// dynamic linker or the C library has found its arguments.

#include <sys/mman.h>
#include <sys/syscall.h>

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "pkg/sentry/loader/loader.h"
#include "pkg/sentry/loader/test_file.h"
#include "pkg/sentry/platform/ptrace/ptrace_platform.h"

namespace cvisor::loader {
namespace {

platform::Platform& Platform() {
  static std::string error;
  static auto* platform = platform::ptrace::NewPlatform(&error).release();
  CVISOR_CHECK(platform != nullptr);
  return *platform;
}

Prepared PrepareHostProgram(std::string path) {
  LoadRequest r;
  r.file = OpenHostFile(path).value();
  r.filename = path;
  r.argv = {path, "--version"};
  r.envp = {"LD_BIND_NOW=1"};
  r.open_executable = OpenHostFile;
  return Prepare(std::move(r)).value();
}

platform::Event RunToEvent(platform::Context& ctx, mm::MemoryManager& mm, arch::Registers* regs) {
  while (true) {
    const auto event = ctx.Switch(mm.as(), regs, true);
    if (event.kind != platform::Event::kInterrupt) return event;
  }
}

TEST(LoaderPtraceTest, DynamicProgramStarts) {
  auto ctx = Platform().NewContext().value();
  auto mm = mm::MemoryManager::New(Platform()).value();
  mm::Caller caller{*ctx};
  const Prepared p = PrepareHostProgram("/bin/true");
  const Entry entry = Load(caller, *mm, p).value();
  arch::Registers regs;
  regs.cs = arch::kUserCs;
  regs.ss = arch::kUserSs;
  regs.eflags = arch::kRflagsFixed;
  regs.set_ip(entry.ip);
  regs.set_sp(entry.sp);
  regs.orig_rax = ~0ull;
  ctx->ResetXsave();
  auto event = RunToEvent(*ctx, *mm, &regs);
  ASSERT_EQ(event.kind, platform::Event::kSyscall) << event.signo << " at " << event.addr;
  // ld.so asks for the break first.
  EXPECT_EQ(regs.syscall_number(), static_cast<uint64_t>(SYS_brk));
  regs.set_return_value(mm->Brk(caller, 0));
  event = RunToEvent(*ctx, *mm, &regs);
  EXPECT_EQ(event.kind, platform::Event::kSyscall);

  // exec again in the same address space.
  auto next = mm::MemoryManager::NewForExec(caller, *mm).value();
  EXPECT_EQ(&next->as(), &mm->as());
  const Entry again = Load(caller, *next, p).value();
  regs = arch::Registers();
  regs.cs = arch::kUserCs;
  regs.ss = arch::kUserSs;
  regs.eflags = arch::kRflagsFixed;
  regs.set_ip(again.ip);
  regs.set_sp(again.sp);
  regs.orig_rax = ~0ull;
  event = RunToEvent(*ctx, *next, &regs);
  ASSERT_EQ(event.kind, platform::Event::kSyscall);
  EXPECT_EQ(regs.syscall_number(), static_cast<uint64_t>(SYS_brk));
  ctx->Release();
}

TEST(LoaderPtraceTest, MappingCallsAgreeWithTheHost) {
  auto ctx = Platform().NewContext().value();
  auto mm = mm::MemoryManager::New(Platform()).value();
  mm::Caller caller{*ctx};
  mm::MmapOptions o;
  o.length = 4 << 20;
  o.prot = PROT_READ | PROT_WRITE;
  o.flags = MAP_PRIVATE | MAP_ANONYMOUS;
  const auto at = mm->Mmap(caller, o).value();
  EXPECT_TRUE(mm->CopyOut(at + 4096, 1).ok());
  EXPECT_TRUE(mm->Mprotect(caller, at, 4096, PROT_NONE).ok());
  EXPECT_EQ(mm->CopyOut(at, 1).error(), Errno::kEFAULT);
  // Moves although the range is two mappings to some hosts.
  const auto to = mm->Mremap(caller, at + 4096, 8192, 1 << 20, MREMAP_MAYMOVE, 0).value();
  EXPECT_EQ(mm->CopyIn<int>(to).value(), 1);
  EXPECT_TRUE(mm->Madvise(caller, to, 4096, MADV_DONTFORK).ok());
  auto child = mm->Fork(caller).value();
  EXPECT_EQ(child->CopyIn<int>(to).error(), Errno::kEFAULT);
  EXPECT_EQ(child->CopyIn<int>(to + 4096).value(), 0);
  EXPECT_TRUE(mm->Mlockall(caller, MCL_CURRENT).ok());
  EXPECT_TRUE(mm->Mincore(caller, to, 8192, to).ok());
  EXPECT_EQ(mm->CopyIn<uint16_t>(to).value() & 0x101, 0x101);
  EXPECT_GE(mm->stats().peak_rss, 1u << 20);
  o.addr = 0x40000000;
  o.length = 4096;
  o.flags |= MAP_GROWSDOWN;
  const auto stack = mm->Mmap(caller, o).value();
  mm::MemoryManager::BindThread(ctx.get(), mm.get());
  EXPECT_TRUE(mm->CopyOut(stack - 50000, 1).ok());
  mm::MemoryManager::BindThread(nullptr, nullptr);
  ctx->Release();
}

}  // namespace
}  // namespace cvisor::loader
