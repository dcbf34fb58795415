// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/systrap/patch_plan.h"

#include <cstddef>
#include <cstring>

namespace cvisor::platform::systrap {
namespace {

constexpr uint64_t kSyscallSize = 2;
// Numbers of registers, as instructions have them.
constexpr int kRcx = 1, kRsp = 4, kRbp = 5, kR11 = 11;

using Bytes = std::span<const uint8_t>;

bool IsRex(uint8_t b) { return (b & 0xf0) == 0x40; }

// Length of an instruction of at least 5 bytes that means the same anywhere, or 0.
size_t MovableLength(Bytes b) {
  if (b.size() < kPlanAfter) return 0;
  if (b[0] == 0x3d) return 5;                  // cmp $imm32,%eax
  if (b[0] == 0x48 && b[1] == 0x3d) return 6;  // cmp $imm32,%rax
  // mov between a register and a place on the stack, with REX.
  if (IsRex(b[0]) && (b[1] == 0x89 || b[1] == 0x8b) && (b[2] & 7) == 4 && b[3] == 0x24) {
    if (b[2] >> 6 == 1) return 5;
    if (b[2] >> 6 == 2) return 8;
  }
  return 0;
}

// Nullopt for those that SYSCALL itself changes: nobody can say any more what was in them.
std::optional<uint64_t> ValueOf(const arch::Registers& r, int number) {
  const uint64_t values[] = {r.rax, 0,    r.rdx, r.rbx, r.rsp, r.rbp, r.rsi, r.rdi,
                             r.r8,  r.r9, r.r10, 0,     r.r12, r.r13, r.r14, r.r15};
  if (number == kRcx || number == kR11) return std::nullopt;
  return values[number];
}

uint32_t Imm32(Bytes b, size_t at) {
  uint32_t v;
  memcpy(&v, &b[at], sizeof(v));
  return v;
}

// mov and xor between registers, of 2 bytes or, with REX, 3.
bool IsRegisterMove(Bytes b, const arch::Registers& regs) {
  const uint8_t rex = b.size() == 3 ? b[0] : 0;
  if (b.size() == 3 && !IsRex(rex)) return false;
  const uint8_t op = b[b.size() - 2], modrm = b[b.size() - 1];
  if (modrm >> 6 != 3 || (rex & 2) != 0) return false;
  const int reg = ((modrm >> 3) & 7) | ((rex & 4) != 0 ? 8 : 0);
  const int rm = (modrm & 7) | ((rex & 1) != 0 ? 8 : 0);
  const auto a = ValueOf(regs, reg), c = ValueOf(regs, rm);
  if (!a || !c || reg == kRsp || rm == kRsp) return false;
  const uint64_t mask = (rex & 8) != 0 ? ~uint64_t{0} : 0xffffffff;
  if (op == 0x89) return *c == (*a & mask);
  if (op == 0x8b) return *a == (*c & mask);
  return op == 0x31 && reg == rm && *a == 0;
}

// Whether `b` is one instruction, which ends at `next`, that has been executed with the result that
// `regs` show; adds code that does the same anywhere.
bool Append(Bytes b, uint64_t next, const arch::Registers& regs, const ReadMemory& read,
            PatchPlan* plan) {
  auto& out = plan->code;
  switch (b.size()) {
    case 2:
    case 3:
      if (!IsRegisterMove(b, regs)) return false;
      break;
    case 5: {
      // mov $imm32,%r32
      const bool number = (b[0] & 0xf8) == 0xb8 && ValueOf(regs, b[0] & 7) == Imm32(b, 1);
      // mov disp8(%rsp),%r64, as syscall() loads its last argument.
      const bool argument = IsRex(b[0]) && b[1] == 0x8b && (b[2] & 0xc7) == 0x44 && b[3] == 0x24;
      if (!number && !argument) return false;
      break;
    }
    case 6: {
      // mov $imm32,%r8d and on
      if (b[0] == 0x41 && (b[1] & 0xf8) == 0xb8) {
        if (ValueOf(regs, (b[1] & 7) | 8) != Imm32(b, 2)) return false;
        break;
      }
      // mov disp32(%rip),%r32
      const auto reg = static_cast<uint8_t>((b[1] >> 3) & 7);
      if (b[0] != 0x8b || (b[1] & 0xc7) != 5 || reg == kRsp || reg == kRbp) return false;
      const uint64_t addr = next + static_cast<uint64_t>(static_cast<int32_t>(Imm32(b, 2)));
      uint8_t word[4];
      if (!read(addr, word) || ValueOf(regs, reg) != Imm32(word, 0)) return false;
      // movabs $addr,%r64; mov (%r64),%r32
      out.insert(out.end(), {0x48, static_cast<uint8_t>(0xb8 | reg)});
      for (int i = 0; i < 8; ++i) out.push_back(static_cast<uint8_t>(addr >> (8 * i)));
      out.insert(out.end(), {0x8b, static_cast<uint8_t>(reg << 3 | reg)});
      return true;
    }
    default:
      return false;
  }
  out.insert(out.end(), b.begin(), b.end());
  return true;
}

}  // namespace

std::optional<PatchPlan> PlanPatch(Bytes before, Bytes after, const arch::Registers& regs,
                                   const ReadMemory& read) {
  if (before.size() < kPlanBefore) return std::nullopt;
  const Bytes call = before.last(kSyscallSize);
  if (call[0] != 0x0f || call[1] != 0x05) return std::nullopt;
  // What is behind can be decoded for certain; what is before, only guessed.
  if (const size_t n = MovableLength(after); n != 0) {
    PatchPlan plan{.before = false, .displaced = static_cast<uint8_t>(n)};
    plan.code.assign(after.begin(), after.begin() + static_cast<ptrdiff_t>(n));
    return plan;
  }
  const Bytes code = before.first(before.size() - kSyscallSize);
  const uint64_t end = regs.rip - kSyscallSize;
  // Lengths of one or two instructions. call_sites.cc has a jump for each.
  constexpr struct { uint8_t first, second; } kPieces[] = {{5, 0}, {6, 0}, {3, 2}, {2, 3}, {3, 3}};
  for (const auto& p : kPieces) {
    const auto size = static_cast<uint8_t>(p.first + p.second);
    const Bytes piece = code.last(size);
    // With a prefix it would be another instruction.
    const uint8_t prefix = code[code.size() - size - 1];
    if (!IsRex(piece[0]) && (IsRex(prefix) || prefix == 0x66 || prefix == 0x0f)) continue;
    PatchPlan plan{.before = true, .displaced = size};
    if (!Append(piece.first(p.first), end - p.second, regs, read, &plan)) continue;
    if (p.second != 0) {
      plan.boundary = p.first;
      plan.code_boundary = static_cast<uint8_t>(plan.code.size());
      if (!Append(piece.last(p.second), end, regs, read, &plan)) continue;
    }
    return plan;
  }
  return std::nullopt;
}

}  // namespace cvisor::platform::systrap
