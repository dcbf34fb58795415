// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/systrap/call_sites.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "pkg/sentry/platform/systrap/code_host.h"

namespace cvisor::platform::systrap {
namespace {

using Bytes = std::vector<uint8_t>;
constexpr uint64_t kText = CodeHost::kText;
constexpr uint64_t kTrapDivide = 0, kTrapBreakpoint = 3, kTrapInvalidOpcode = 6,
                   kTrapProtection = 13, kTrapPage = 14;

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Whether code that begins like this is nothing that an application may execute.
bool Faults(const Bytes& b) {
  // Invalid in 64-bit mode; IN and INS, which need an I/O privilege.
  return b[0] == 0x06 || b[0] == 0xe5 || b[0] == 0x6c || b[0] == 0xec;
}

uint64_t Word(std::span<const uint8_t> bytes, size_t at) {
  uint64_t v;
  memcpy(&v, &bytes[at], sizeof(v));
  return v;
}

// Pieces of code, as disassemblers write them.
const Bytes kSyscall = {0x0f, 0x05};
const Bytes kNops = {0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90};
const Bytes kRet = {0xc3, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0};  // ret; nopl 0(%rax,%rax)
const Bytes kMov39 = {0xb8, 39, 0, 0, 0};                    // mov $39,%eax
const Bytes kLoadR9 = {0x4c, 0x8b, 0x4c, 0x24, 0x08};        // mov 8(%rsp),%r9
const Bytes kCmpRax = {0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff};  // cmp $-4095,%rax
const Bytes kCmpEax = {0x3d, 0x00, 0xf0, 0xff, 0xff};        // cmp $-4096,%eax
const Bytes kJa = {0x77, 0x01, 0xc3};                        // ja; ret
// cmp $-38,%rax; jne; ret: the comparison alone is too short.
const Bytes kCmpShort = {0x48, 0x83, 0xf8, 0xda, 0x75, 0x01, 0xc3, 0x90};

struct Shape {
  const char* name;
  Bytes before;  // without the SYSCALL
  Bytes after;
  uint64_t rax;
  int displaced;  // 0: to be left alone
  bool is_before;
  // Of two displaced instructions, where the second begins.
  uint64_t boundary = 0;
};

// What calls are made with: each register has a value of its own.
arch::Registers CallWith(uint64_t rax) {
  arch::Registers r;
  r.rax = rax;
  r.rbx = 3, r.rdx = 3;               // mov %ebx,%edx
  r.rbp = 1ull << 40, r.rdi = r.rbp;  // mov %rbp,%rdi
  r.rsi = 0x81;
  r.r8 = 202;
  r.r10 = 0;
  return r;
}

// The application's memory: one word.
constexpr uint64_t kWordAt = 0x400800;
bool ReadTheWord(uint64_t addr, std::span<uint8_t> to) {
  constexpr uint32_t kWord = 0x81;
  if (addr != kWordAt || to.size() != sizeof(kWord)) return false;
  memcpy(to.data(), &kWord, sizeof(kWord));
  return true;
}

// mov kWordAt(%rip),%reg, followed by a SYSCALL that is at `syscall`.
Bytes LoadWord(uint64_t syscall, uint8_t reg = 6) {
  const auto disp = static_cast<uint32_t>(kWordAt - syscall);
  Bytes b = {0x8b, static_cast<uint8_t>(5 | reg << 3)};
  for (int i = 0; i < 4; ++i) b.push_back(static_cast<uint8_t>(disp >> (8 * i)));
  return b;
}

std::vector<Shape> Shapes() {
  return {
      // glibc
      {"getpid", kMov39, kRet, 39, 5, true},
      {"getpid with another number", kMov39, kRet, 40, 0, false},
      {"write", {0xb8, 1, 0, 0, 0}, kCmpRax + kJa, 1, 6, false},
      {"read", {0x31, 0xc0}, kCmpRax + kJa, 0, 6, false},  // xor %eax,%eax
      {"futex", {0xb8, 0xca, 0, 0, 0}, kCmpEax + kJa, 202, 5, false},
      {"syscall()", kLoadR9, kCmpRax + kJa, 77, 6, false},
      // test %rax,%rax; jl
      {"clone", {0xb8, 56, 0, 0, 0}, {0x48, 0x85, 0xc0, 0x7c, 0x13, 0x74, 0x01, 0xc3}, 56, 5, true},
      {"rt_sigreturn", {0x48, 0xc7, 0xc0, 15, 0, 0, 0}, kNops, 15, 0, false},
      // musl
      {"musl getpid", {0xb8, 39, 0, 0, 0}, {0xc3, 0xb8, 1, 0, 0, 0, 0x0f, 0x05}, 39, 5, true},
      // mov %rax,%rdi; jmp __syscall_ret
      {"musl", {0xb8, 3, 0, 0, 0}, {0x48, 0x89, 0xc7, 0xe9, 1, 2, 3, 4}, 3, 5, true},
      {"musl syscall()", kLoadR9, kRet, 77, 5, true},
      // movslq %edi,%rdi between the number and the call
      {"musl exit", {0xb8, 60, 0, 0, 0, 0x48, 0x63, 0xff}, kRet, 60, 0, false},
      // Go
      {"Go Syscall6", {0x48, 0x89, 0xc8, 0x4c, 0x89, 0xc0}, kCmpRax + kJa, 1, 6, false},
      // mov %rax,0x28(%rsp)
      {"Go write1",
       {0xb8, 1, 0, 0, 0},
       {0x48, 0x89, 0x44, 0x24, 0x28, 0xc3, 0x90, 0x90},
       1,
       5,
       false},
      // mov %rax,0x128(%rsp)
      {"Go, large frame", {0x31, 0xc0}, {0x48, 0x89, 0x84, 0x24, 0x28, 1, 0, 0}, 0, 8, false},
      // mov %eax,0x20(%rsp): four bytes only
      {"Go open",
       {0xb8, 1, 1, 0, 0},
       {0x89, 0x44, 0x24, 0x20, 0xc3, 0x90, 0x90, 0x90},
       257,
       5,
       true},
      // Nothing to be sure of.
      {"bare", kNops, kNops, 0, 0, false},
      {"relative call behind", {0x31, 0xc0}, {0xe8, 1, 2, 3, 4, 0x90, 0x90, 0x90}, 0, 0, false},
      // mov 8(%rip),%rax
      {"relative data behind", {0x31, 0xc0}, {0x48, 0x8b, 0x05, 8, 0, 0, 0, 0x90}, 0, 0, false},
      // mov $39,%r8d ends with the bytes of mov $39,%eax.
      {"an extended register", {0x41, 0xb8, 39, 0, 0, 0}, kRet, 39, 0, false},
      // libgomp, with cmp $-38,%rax behind: xor %r10d,%r10d; mov %r8d,%eax
      {"two of three bytes", {0x45, 0x31, 0xd2, 0x44, 0x89, 0xc0}, kCmpShort, 202, 6, true, 3},
      {"the first is not what it was",
       {0x45, 0x31, 0xc9, 0x45, 0x89, 0xc1},
       kCmpShort,
       202,
       0,
       false},
      // mov %rbp,%rdi; mov %ebx,%edx
      {"three and two", {0x90, 0x48, 0x89, 0xef, 0x89, 0xda}, kCmpShort, 202, 5, true, 3},
      {"two and three", {0x90, 0x89, 0xda, 0x48, 0x89, 0xef}, kCmpShort, 202, 5, true, 2},
      {"only half of it the same", {0x90, 0x89, 0xef, 0x48, 0x89, 0xef}, kCmpShort, 202, 0, false},
      {"a prefix before", {0x66, 0x89, 0xda, 0x48, 0x89, 0xef}, kCmpShort, 202, 0, false},
      // mov %ecx,%edx: SYSCALL has changed rcx.
      {"a lost register", {0x90, 0x89, 0xca, 0x48, 0x89, 0xef}, kCmpShort, 3, 0, false},
      // mov $202,%r8d
      {"a number of six bytes", {0x41, 0xb8, 202, 0, 0, 0}, kCmpShort, 1, 6, true},
      // mov (%rsp),%r9: four bytes
      {"argument without offset", {0x90, 0x4c, 0x8b, 0x0c, 0x24}, kRet, 9, 0, false},
  };
}

TEST(PlanPatchTest, Shapes) {
  for (const Shape& s : Shapes()) {
    SCOPED_TRACE(s.name);
    const Bytes before = kNops + s.before + kSyscall;
    const auto plan = PlanPatch(before, s.after, CallWith(s.rax), ReadTheWord);
    ASSERT_EQ(plan.has_value(), s.displaced != 0);
    if (!plan) continue;
    EXPECT_EQ(plan->displaced, s.displaced);
    EXPECT_EQ(plan->before, s.is_before);
    EXPECT_EQ(plan->boundary, s.boundary);
    EXPECT_EQ(plan->code_boundary, s.boundary);
    const Bytes& from = s.is_before ? s.before : s.after;
    const auto at = s.is_before ? from.end() - s.displaced : from.begin();
    EXPECT_EQ(Bytes(plan->code.begin(), plan->code.end()), Bytes(at, at + s.displaced));
  }
}

TEST(PlanPatchTest, RelativeLoad) {
  arch::Registers regs = CallWith(202);
  regs.rip = 0x400102;
  const auto plan_for = [&](const Bytes& load) {
    return PlanPatch(kNops + load + kSyscall, kCmpShort, regs, ReadTheWord);
  };
  const auto plan = plan_for(LoadWord(0x400100));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->displaced, 6);
  EXPECT_EQ(plan->boundary, 0);
  // movabs $kWordAt,%rsi; mov (%rsi),%esi
  EXPECT_EQ(Bytes(plan->code.begin(), plan->code.end()),
            (Bytes{0x48, 0xbe, 0x00, 0x08, 0x40, 0, 0, 0, 0, 0, 0x8b, 0x36}));
  EXPECT_FALSE(plan_for(LoadWord(0x400101)));                // nothing there
  EXPECT_FALSE(plan_for(LoadWord(0x400100, 7)));             // rdi has something else
  EXPECT_FALSE(plan_for(LoadWord(0x400100, 1)));             // rcx
  EXPECT_FALSE(plan_for(Bytes{0x48} + LoadWord(0x400100)));  // 64 bits
  regs.rsi |= 1ull << 32;
  EXPECT_FALSE(plan_for(LoadWord(0x400100)));
}

TEST(PlanPatchTest, TooLittleCode) {
  const auto plan = [](const Bytes& before, const Bytes& after, uint64_t rax) {
    return PlanPatch(before, after, CallWith(rax), ReadTheWord);
  };
  EXPECT_FALSE(plan({}, {}, 0));
  EXPECT_FALSE(plan(kSyscall, kCmpRax + kJa, 0));
  EXPECT_FALSE(plan(kNops + kMov39, kCmpRax + kJa, 39));  // No SYSCALL at the end.
  EXPECT_FALSE(plan(Bytes{0x90} + kMov39 + kSyscall, kCmpRax + kJa, 39));
  const Bytes call = Bytes{0x90, 0x90} + kMov39 + kSyscall;
  EXPECT_TRUE(plan(call, {}, 39));
  EXPECT_TRUE(plan(call, kCmpRax, 39)->before);  // What is behind cannot be seen whole.
}

// A site in the text, and what CallSites makes of it.
class CallSitesTest : public testing::Test {
 protected:
  static constexpr int kTraps = 4;
  // The lowest byte of the first trampoline's pointer.
  static constexpr uint8_t kPointer0 = TRAMPOLINE_STRIDE + kTrampolinePointer;

  CallSitesTest() { sites_.OnMap(kText, CodeHost::kTextSize, true); }

  // Puts a call at `offset`; returns the address of its SYSCALL.
  uint64_t PutCall(uint64_t offset, const Bytes& before, const Bytes& after) {
    return host_.Put(offset, before + kSyscall + after) + before.size();
  }
  void Trap(uint64_t syscall, uint64_t rax, int times = kTraps) {
    arch::Registers r = CallWith(rax);
    r.rip = syscall + 2;
    for (int i = 0; i < times; ++i) sites_.OnTrap(host_, r);
  }
  bool Fault(uint64_t trapno, uint64_t rip, uint64_t* to = nullptr) {
    arch::Registers r;
    r.rip = rip;
    const bool ours = sites_.OnFault(host_, trapno, &r);
    if (to != nullptr) *to = r.rip;
    return ours;
  }
  Bytes Code(uint64_t addr, size_t size = 7) {
    Bytes b(size);
    EXPECT_TRUE(host_.ReadCode(addr, b));
    return b;
  }

  CodeHost host_;
  CallSites sites_;
};

TEST_F(CallSitesTest, PatchBefore) {
  const uint64_t syscall = PutCall(0x100, kMov39, kRet);
  const Bytes text = host_.text();
  Trap(syscall, 39, kTraps - 1);
  EXPECT_EQ(host_.text(), text);
  Trap(syscall, 39, 1);
  const uint64_t slot = TRAMPOLINE_BASE + TRAMPOLINE_STRIDE;
  EXPECT_EQ(Code(syscall - 5), (Bytes{0xff, 0x24, 0x25, kPointer0, 0, 6, 0}));
  // Who comes to the SYSCALL itself finds an invalid instruction.
  EXPECT_EQ(Code(syscall, 1)[0], 0x06);
  EXPECT_EQ(Word(host_.trampolines(), 0), CodeHost::kEntry);
  EXPECT_EQ(Word(host_.slot(0), kTrampolinePointer), slot + kTrampolineCode);
  EXPECT_EQ(Word(host_.slot(0), kTrampolineBack), syscall + 2);
  EXPECT_TRUE(std::equal(kMov39.begin(), kMov39.end(), host_.slot(0).begin() + kTrampolineCode));
  // Nothing else.
  Bytes rest = host_.text();
  std::copy(text.begin() + 0x100, text.begin() + 0x107, rest.begin() + 0x100);
  EXPECT_EQ(rest, text);
  EXPECT_EQ(host_.syncs, 0);
}

TEST_F(CallSitesTest, PatchAfter) {
  const uint64_t syscall = PutCall(0x100, {0x31, 0xc0}, kCmpRax + kJa);
  const Bytes text = host_.text();
  Trap(syscall, 0);
  const uint64_t slot = TRAMPOLINE_BASE + TRAMPOLINE_STRIDE;
  EXPECT_EQ(Code(syscall), (Bytes{0xff, 0x24, 0xe5, kPointer0, 0, 6, 0}));
  EXPECT_EQ(Word(host_.slot(0), kTrampolinePointer), slot + kTrampolineCode);
  EXPECT_EQ(Word(host_.slot(0), kTrampolineBack), syscall + 2 + kCmpRax.size());
  // The displaced instruction, then the way back.
  EXPECT_TRUE(
      std::equal(kCmpRax.begin(), kCmpRax.end(), host_.slot(0).begin() + kTrampolineCode + 30));
  Bytes rest = host_.text();
  std::copy(text.begin() + 0x102, text.begin() + 0x109, rest.begin() + 0x102);
  EXPECT_EQ(rest, text);
}

TEST_F(CallSitesTest, EveryAddressOfASite) {
  uint64_t offset = 0;
  size_t index = 0;
  for (const Shape& s : Shapes()) {
    if (s.displaced == 0) continue;
    SCOPED_TRACE(s.name);
    offset += 0x40;
    const uint64_t syscall = PutCall(offset, s.before, s.after);
    Trap(syscall, s.rax);
    const uint64_t displaced = static_cast<uint64_t>(s.displaced);
    const uint64_t start = s.is_before ? syscall - displaced : syscall;
    // Where a thread may go on in the middle, and how far that is in the trampoline.
    std::map<uint64_t, uint64_t> inners;
    if (s.is_before) {
      inners[syscall] = displaced;
      if (s.boundary != 0) inners[start + s.boundary] = s.boundary;
    } else {
      inners[syscall + 2] = 30;
    }
    const uint64_t slot = TRAMPOLINE_BASE + (index + 1) * TRAMPOLINE_STRIDE;
    const uint64_t code = slot + kTrampolineCode;
    ASSERT_EQ(Word(host_.slot(index++), kTrampolinePointer), code);
    for (const auto& [inner, entry] : inners) EXPECT_TRUE(Faults(Code(inner, 2))) << inner - start;

    for (uint64_t ip = start - 8; ip < start + 16; ++ip) {
      const uint64_t entry = sites_.EntryFor(ip);
      EXPECT_EQ(CallSites::InTrampoline(entry), inners.contains(ip)) << ip - start;
      if (inners.contains(ip)) {
        // The right place in the right trampoline.
        EXPECT_EQ(entry, code + inners[ip]);
        EXPECT_EQ(sites_.ApplicationIp(entry), ip);
      } else {
        EXPECT_EQ(entry, ip);
      }
      for (const uint64_t trap : {kTrapInvalidOpcode, kTrapProtection}) {
        uint64_t to = 0;
        EXPECT_EQ(Fault(trap, ip, &to), inners.contains(ip)) << trap << " " << ip - start;
        EXPECT_EQ(to, ip);
      }
      uint64_t to = 0;
      EXPECT_EQ(Fault(kTrapBreakpoint, ip + 1, &to), ip == start) << ip - start;
      EXPECT_EQ(to, ip == start ? ip : ip + 1);
      EXPECT_FALSE(Fault(kTrapDivide, ip));
      EXPECT_FALSE(Fault(kTrapPage, ip));
    }

    // In the trampoline: before the call, at the call, behind it.
    const uint64_t back = syscall + 2;
    const uint64_t enter = code + (s.is_before ? displaced : 0), post = enter + 30;
    for (uint64_t ip = code; ip < slot + TRAMPOLINE_STRIDE; ++ip) {
      uint64_t expected = ip < post ? syscall : back;
      if (s.is_before && ip < enter) {
        expected = ip >= code + s.boundary ? start + s.boundary : start;
      }
      if (!s.is_before && ip >= post + displaced) expected = back + displaced;
      EXPECT_EQ(sites_.ApplicationIp(ip), expected) << ip - code;
    }
  }
  // No trampoline, and none that is used.
  EXPECT_EQ(sites_.ApplicationIp(TRAMPOLINE_BASE), uint64_t{TRAMPOLINE_BASE});
  const uint64_t unused = TRAMPOLINE_BASE + (index + 1) * TRAMPOLINE_STRIDE;
  EXPECT_EQ(sites_.ApplicationIp(unused + 20), unused + 20);
}

TEST_F(CallSitesTest, OnlyTextIsPatched) {
  const uint64_t syscall = PutCall(0x100, kMov39, kCmpRax + kJa);
  const Bytes text = host_.text();
  sites_.OnMap(kText, 0x1000, false);
  Trap(syscall, 39, 100);
  EXPECT_EQ(host_.text(), text);
  // All of what is looked at must be text.
  sites_.OnMap(kText, 0x100, true);
  sites_.OnMap(kText + 0x105, 0xefb, true);
  Trap(syscall, 39, 100);
  EXPECT_EQ(host_.text(), text);
  EXPECT_TRUE(host_.writes.empty());
}

TEST_F(CallSitesTest, SitesStayInOnePage) {
  for (uint64_t offset = 0xfe0; offset < 0x1008; ++offset) {
    CodeHost host;
    CallSites sites;
    sites.OnMap(kText, CodeHost::kTextSize, true);
    host.Put(offset, kMov39 + kSyscall + kCmpRax + kJa);
    arch::Registers r;
    r.rip = kText + offset + 7;
    r.rax = 39;
    for (int i = 0; i < kTraps; ++i) sites.OnTrap(host, r);
    // From the SYSCALL to the end of the comparison.
    const bool one_page = (offset + 5) / 0x1000 == (offset + 7 + 5) / 0x1000;
    EXPECT_EQ(!host.writes.empty(), one_page) << std::hex << offset;
  }
}

TEST_F(CallSitesTest, MapOverAPart) {
  const uint64_t first = PutCall(0x100, kMov39, kRet), second = PutCall(0x1100, kMov39, kRet);
  Trap(first, 39);
  Trap(second, 39);
  ASSERT_NE(sites_.EntryFor(first), first);
  ASSERT_NE(sites_.EntryFor(second), second);
  // Another text takes the place of the first page.
  const uint64_t entry = sites_.EntryFor(first);
  PutCall(0x100, kNops, kNops);
  const Bytes text = host_.text();
  sites_.OnMap(kText, 0x1000, true);
  EXPECT_EQ(sites_.EntryFor(first), first);
  EXPECT_FALSE(Fault(kTrapInvalidOpcode, first));
  EXPECT_FALSE(Fault(kTrapBreakpoint, first - 4));
  EXPECT_NE(sites_.EntryFor(second), second);
  EXPECT_TRUE(Fault(kTrapInvalidOpcode, second));
  // A thread may still be in the trampoline.
  EXPECT_EQ(sites_.ApplicationIp(entry), first);
  EXPECT_EQ(host_.text(), text);
  // And it is patched like any other, with another trampoline.
  PutCall(0x100, kMov39, kRet);
  Trap(first, 39);
  EXPECT_NE(sites_.EntryFor(first), first);
  EXPECT_NE(sites_.EntryFor(first), entry);
  // The second page is still text.
  const uint64_t third = PutCall(0x1200, kMov39, kRet);
  Trap(third, 39);
  EXPECT_NE(sites_.EntryFor(third), third);
}

TEST_F(CallSitesTest, Clear) {
  const uint64_t syscall = PutCall(0x100, kMov39, kRet);
  Trap(syscall, 39);
  const uint64_t entry = sites_.EntryFor(syscall);
  sites_.Clear();
  EXPECT_EQ(sites_.EntryFor(syscall), syscall);
  EXPECT_FALSE(Fault(kTrapInvalidOpcode, syscall));
  EXPECT_EQ(sites_.ApplicationIp(entry), entry);
  PutCall(0x100, kMov39, kRet);
  Trap(syscall, 39, 100);
  EXPECT_EQ(sites_.EntryFor(syscall), syscall);  // It is not text any more.
  sites_.OnMap(kText, 0x1000, true);
  host_.writes.clear();
  Trap(syscall, 39);
  EXPECT_EQ(sites_.EntryFor(syscall), entry);  // The trampolines are gone, too.
  ASSERT_FALSE(host_.writes.empty());
  EXPECT_EQ(host_.writes[0].addr, uint64_t{TRAMPOLINE_BASE});
}

TEST_F(CallSitesTest, Disable) {
  const uint64_t first = PutCall(0x100, kMov39, kRet);
  const uint64_t second = PutCall(0x200, kNops, kCmpRax + kJa);
  const Bytes text = host_.text();
  Trap(first, 39);
  Trap(second, 39);
  const uint64_t entry = sites_.EntryFor(first);
  ASSERT_NE(host_.text(), text);
  sites_.Disable(host_);
  EXPECT_EQ(host_.text(), text);
  EXPECT_EQ(sites_.EntryFor(first), first);
  EXPECT_EQ(sites_.ApplicationIp(entry), first);
  // Threads that met the patches and say so only now.
  uint64_t to;
  EXPECT_TRUE(Fault(kTrapInvalidOpcode, first));
  EXPECT_TRUE(Fault(kTrapProtection, second + 2));
  EXPECT_TRUE(Fault(kTrapBreakpoint, first - 4, &to));
  EXPECT_EQ(to, first - 5);
  sites_.OnMap(kText, CodeHost::kTextSize, true);
  Trap(first, 39, 100);
  EXPECT_EQ(host_.text(), text);
  // For good, but for a new program.
  sites_.Clear();
  sites_.OnMap(kText, CodeHost::kTextSize, true);
  Trap(first, 39);
  EXPECT_NE(host_.text(), text);
}

TEST_F(CallSitesTest, Restore) {
  const uint64_t first = PutCall(0x100, kMov39, kRet), second = PutCall(0x200, kMov39, kRet);
  const Bytes text = host_.text();
  Trap(first, 39);
  const Bytes with_first = host_.text();
  Trap(second, 39);
  // Beside them.
  const Bytes with_both = host_.text();
  sites_.Restore(host_, kText, 0x100);
  sites_.Restore(host_, kText + 0x107, 0xf9);
  sites_.Restore(host_, kText + 0x300, ~uint64_t{0});
  EXPECT_EQ(host_.text(), with_both);
  // The last byte of one.
  sites_.Restore(host_, kText + 0x206, 1);
  EXPECT_EQ(host_.text(), with_first);
  EXPECT_NE(sites_.EntryFor(first), first);
  EXPECT_EQ(sites_.EntryFor(second), second);
  EXPECT_TRUE(Fault(kTrapInvalidOpcode, second));
  EXPECT_TRUE(Fault(kTrapBreakpoint, second - 4));
  Trap(second, 39, 100);
  EXPECT_EQ(host_.text(), with_first);
  // A breakpoint of the application's own is its own.
  host_.Put(0x200, Bytes{0xcc});
  EXPECT_FALSE(Fault(kTrapBreakpoint, second - 4));
  host_.Put(0x200, kMov39);
  sites_.Restore(host_, 0, ~uint64_t{0});
  EXPECT_EQ(host_.text(), text);
}

TEST_F(CallSitesTest, ForkCopies) {
  const uint64_t first = PutCall(0x100, kMov39, kRet), second = PutCall(0x200, kMov39, kRet);
  Trap(first, 39);
  CodeHost child_host = host_;
  auto frozen = std::make_unique<CallSites::Frozen>(sites_);
  CallSites child(frozen.get());
  frozen.reset();
  const uint64_t entry = sites_.EntryFor(first);
  EXPECT_EQ(child.EntryFor(first), entry);
  EXPECT_EQ(child.ApplicationIp(entry), first);
  arch::Registers r;
  r.rip = first;
  EXPECT_TRUE(child.OnFault(child_host, kTrapInvalidOpcode, &r));
  // Each goes its own way from here.
  Trap(second, 39);
  EXPECT_EQ(child.EntryFor(second), second);
  r.rip = second + 2;
  r.rax = 39;
  child_host.writes.clear();
  for (int i = 0; i < kTraps; ++i) child.OnTrap(child_host, r);
  EXPECT_EQ(child.EntryFor(second), sites_.EntryFor(second));  // The next slot in both.
  for (const auto& w : child_host.writes) EXPECT_NE(w.addr, uint64_t{TRAMPOLINE_BASE});
  child.Disable(child_host);
  EXPECT_NE(sites_.EntryFor(first), first);
  frozen = std::make_unique<CallSites::Frozen>(child);
  CallSites grandchild(frozen.get());
  frozen.reset();
  grandchild.OnMap(kText, CodeHost::kTextSize, true);
  for (int i = 0; i < kTraps; ++i) grandchild.OnTrap(child_host, r);
  EXPECT_EQ(grandchild.EntryFor(second), second);
}

// Other cores must see a breakpoint while the bytes are a mixture.
TEST_F(CallSitesTest, OtherThreads) {
  host_.single_threaded = false;
  const uint64_t syscall = PutCall(0x100, kMov39, kRet);
  const Bytes text = host_.text();
  const auto check = [&](const Bytes& now) {
    ASSERT_GE(host_.writes.size(), 3u);
    const auto w = std::span(host_.writes).last(3);
    EXPECT_EQ(w[0].addr, syscall - 5);
    EXPECT_EQ(w[0].bytes, Bytes{0xcc});
    EXPECT_EQ(w[1].addr, syscall - 4);
    EXPECT_EQ(w[1].bytes, Bytes(now.begin() + 1, now.end()));
    EXPECT_EQ(w[2].addr, syscall - 5);
    EXPECT_EQ(w[2].bytes, Bytes{now[0]});
    EXPECT_EQ(w[1].syncs, w[0].syncs + 1);
    EXPECT_EQ(w[2].syncs, w[1].syncs + 1);
    EXPECT_EQ(host_.syncs, w[2].syncs + 1);
  };
  Trap(syscall, 39);
  check({0xff, 0x24, 0x25, kPointer0, 0, 6, 0});
  sites_.Disable(host_);
  check(kMov39 + kSyscall);
  EXPECT_EQ(host_.text(), text);
}

TEST_F(CallSitesTest, NoRoomForTrampolines) {
  host_.can_map = false;
  const uint64_t syscall = PutCall(0x100, kMov39, kRet);
  const Bytes text = host_.text();
  Trap(syscall, 39, 100);
  EXPECT_EQ(host_.text(), text);
  EXPECT_EQ(sites_.EntryFor(syscall), syscall);
}

TEST_F(CallSitesTest, WritesThatFail) {
  for (int n = 0; n < 3; ++n) {
    CodeHost host;
    CallSites sites;
    sites.OnMap(kText, CodeHost::kTextSize, true);
    host.Put(0x100, kMov39 + kSyscall + kRet);
    const Bytes text = host.text();
    host.writes_left = n;
    arch::Registers r;
    r.rip = kText + 0x107;
    r.rax = 39;
    for (int i = 0; i < 20; ++i) sites.OnTrap(host, r);
    EXPECT_EQ(host.text(), text) << n;
    EXPECT_EQ(sites.EntryFor(kText + 0x105), kText + 0x105) << n;
  }
}

TEST_F(CallSitesTest, AllTrampolines) {
  constexpr uint64_t kStep = 16;
  size_t patched = 0;
  // The text is smaller than all sites together: it is mapped again and again.
  for (int round = 0; round < 4; ++round) {
    sites_.OnMap(kText, CodeHost::kTextSize, true);
    for (uint64_t offset = kStep; offset + 2 * kStep < CodeHost::kTextSize; offset += kStep) {
      host_.Put(offset, kMov39 + kSyscall + kNops);
      const uint64_t syscall = kText + offset + 5;
      Trap(syscall, 39);
      const uint64_t entry = sites_.EntryFor(syscall);
      if (entry == syscall) continue;
      ++patched;
      ASSERT_TRUE(CallSites::InTrampoline(entry));
      ASSERT_EQ(sites_.ApplicationIp(entry), syscall);
      ASSERT_EQ(Code(syscall, 1)[0], 0x06);
    }
  }
  EXPECT_EQ(patched, size_t{TRAMPOLINE_SIZE / TRAMPOLINE_STRIDE - 1});
}

}  // namespace
}  // namespace cvisor::platform::systrap
