// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/seccomp/bpf.h"

#include <array>
#include <cstddef>
#include <cstring>
#include <vector>

#include "pkg/base/check.h"

namespace cvisor::seccomp {
namespace {

// The instructions that seccomp knows.
bool Known(uint16_t code) {
  switch (code) {
    case BPF_ALU | BPF_ADD | BPF_K:
    case BPF_ALU | BPF_ADD | BPF_X:
    case BPF_ALU | BPF_SUB | BPF_K:
    case BPF_ALU | BPF_SUB | BPF_X:
    case BPF_ALU | BPF_MUL | BPF_K:
    case BPF_ALU | BPF_MUL | BPF_X:
    case BPF_ALU | BPF_DIV | BPF_K:
    case BPF_ALU | BPF_DIV | BPF_X:
    case BPF_ALU | BPF_AND | BPF_K:
    case BPF_ALU | BPF_AND | BPF_X:
    case BPF_ALU | BPF_OR | BPF_K:
    case BPF_ALU | BPF_OR | BPF_X:
    case BPF_ALU | BPF_XOR | BPF_K:
    case BPF_ALU | BPF_XOR | BPF_X:
    case BPF_ALU | BPF_LSH | BPF_K:
    case BPF_ALU | BPF_LSH | BPF_X:
    case BPF_ALU | BPF_RSH | BPF_K:
    case BPF_ALU | BPF_RSH | BPF_X:
    case BPF_ALU | BPF_NEG:
    case BPF_LD | BPF_W | BPF_ABS:
    case BPF_LD | BPF_W | BPF_LEN:
    case BPF_LDX | BPF_W | BPF_LEN:
    case BPF_LD | BPF_IMM:
    case BPF_LDX | BPF_IMM:
    case BPF_LD | BPF_MEM:
    case BPF_LDX | BPF_MEM:
    case BPF_ST:
    case BPF_STX:
    case BPF_MISC | BPF_TAX:
    case BPF_MISC | BPF_TXA:
    case BPF_RET | BPF_K:
    case BPF_RET | BPF_A:
    case BPF_JMP | BPF_JA:
    case BPF_JMP | BPF_JEQ | BPF_K:
    case BPF_JMP | BPF_JEQ | BPF_X:
    case BPF_JMP | BPF_JGE | BPF_K:
    case BPF_JMP | BPF_JGE | BPF_X:
    case BPF_JMP | BPF_JGT | BPF_K:
    case BPF_JMP | BPF_JGT | BPF_X:
    case BPF_JMP | BPF_JSET | BPF_K:
    case BPF_JMP | BPF_JSET | BPF_X:
      return true;
    default:
      return false;
  }
}

bool ReadsScratch(uint16_t code) {
  return code == (BPF_LD | BPF_MEM) || code == (BPF_LDX | BPF_MEM);
}
bool WritesScratch(uint16_t code) { return code == BPF_ST || code == BPF_STX; }

// One instruction by itself; `left` is how many follow it.
bool IsValid(const sock_filter& f, size_t left) {
  if (!Known(f.code)) return false;
  switch (f.code) {
    case BPF_ALU | BPF_DIV | BPF_K:
      return f.k != 0;
    case BPF_ALU | BPF_LSH | BPF_K:
    case BPF_ALU | BPF_RSH | BPF_K:
      return f.k < 32;
    case BPF_LD | BPF_W | BPF_ABS:
      return f.k < sizeof(seccomp_data) && f.k % sizeof(uint32_t) == 0;
    case BPF_JMP | BPF_JA:
      return f.k < left;
    default:
      break;
  }
  if (ReadsScratch(f.code) || WritesScratch(f.code)) return f.k < BPF_MEMWORDS;
  if (BPF_CLASS(f.code) == BPF_JMP) return f.jt < left && f.jf < left;
  return true;
}

// Scratch words must be written on every path before they are read: they would show the Sentry's
// stack otherwise. Jumps go forwards only, so one pass sees all paths.
bool ScratchIsWrittenFirst(std::span<const sock_filter> program) {
  std::vector<uint16_t> valid_at(program.size(), 0xffff);  // of jumps that lead here
  uint16_t valid = 0;
  for (size_t i = 0; i < program.size(); ++i) {
    const sock_filter& f = program[i];
    valid &= valid_at[i];
    if (WritesScratch(f.code)) {
      valid = static_cast<uint16_t>(valid | (1u << f.k));
    } else if (ReadsScratch(f.code)) {
      if ((valid & (1u << f.k)) == 0) return false;
    } else if (f.code == (BPF_JMP | BPF_JA)) {
      valid_at[i + 1 + f.k] &= valid;
      valid = 0xffff;  // nothing falls through to the next
    } else if (BPF_CLASS(f.code) == BPF_JMP) {
      valid_at[i + 1 + f.jt] &= valid;
      valid_at[i + 1 + f.jf] &= valid;
      valid = 0xffff;
    }
  }
  return true;
}

// With `number_only`, `unknown` is set by a program that reads more than number and architecture.
template <bool number_only>
uint32_t Run(std::span<const sock_filter> program, const seccomp_data& data, bool* unknown) {
  std::array<uint32_t, sizeof(seccomp_data) / sizeof(uint32_t)> words;
  std::memcpy(words.data(), &data, sizeof(data));
  std::array<uint32_t, BPF_MEMWORDS> scratch{};
  uint32_t a = 0, x = 0;
  for (size_t pc = 0; pc < program.size(); ++pc) {
    const sock_filter& f = program[pc];
    const uint32_t k = f.k;
    const uint32_t operand = BPF_SRC(f.code) == BPF_X ? x : k;
    const auto jump = [&](bool taken) { pc += taken ? f.jt : f.jf; };
    switch (f.code) {
      case BPF_ALU | BPF_ADD | BPF_K:
      case BPF_ALU | BPF_ADD | BPF_X:
        a += operand;
        break;
      case BPF_ALU | BPF_SUB | BPF_K:
      case BPF_ALU | BPF_SUB | BPF_X:
        a -= operand;
        break;
      case BPF_ALU | BPF_MUL | BPF_K:
      case BPF_ALU | BPF_MUL | BPF_X:
        a *= operand;
        break;
      case BPF_ALU | BPF_DIV | BPF_K:
      case BPF_ALU | BPF_DIV | BPF_X:
        if (operand == 0) return 0;  // ends the program, as in Linux: SECCOMP_RET_KILL_THREAD
        a /= operand;
        break;
      case BPF_ALU | BPF_AND | BPF_K:
      case BPF_ALU | BPF_AND | BPF_X:
        a &= operand;
        break;
      case BPF_ALU | BPF_OR | BPF_K:
      case BPF_ALU | BPF_OR | BPF_X:
        a |= operand;
        break;
      case BPF_ALU | BPF_XOR | BPF_K:
      case BPF_ALU | BPF_XOR | BPF_X:
        a ^= operand;
        break;
      // Shifts by X use its low bits, as Linux's interpreter and x86 do.
      case BPF_ALU | BPF_LSH | BPF_K:
      case BPF_ALU | BPF_LSH | BPF_X:
        a <<= operand & 31;
        break;
      case BPF_ALU | BPF_RSH | BPF_K:
      case BPF_ALU | BPF_RSH | BPF_X:
        a >>= operand & 31;
        break;
      case BPF_ALU | BPF_NEG:
        a = -a;
        break;
      case BPF_LD | BPF_W | BPF_ABS:
        if constexpr (number_only) {
          if (k > offsetof(seccomp_data, arch)) return *unknown = true, 0;
        }
        a = words[k / sizeof(uint32_t)];
        break;
      case BPF_LD | BPF_W | BPF_LEN:
        a = sizeof(seccomp_data);
        break;
      case BPF_LDX | BPF_W | BPF_LEN:
        x = sizeof(seccomp_data);
        break;
      case BPF_LD | BPF_IMM:
        a = k;
        break;
      case BPF_LDX | BPF_IMM:
        x = k;
        break;
      case BPF_LD | BPF_MEM:
        a = scratch[k];
        break;
      case BPF_LDX | BPF_MEM:
        x = scratch[k];
        break;
      case BPF_ST:
        scratch[k] = a;
        break;
      case BPF_STX:
        scratch[k] = x;
        break;
      case BPF_MISC | BPF_TAX:
        x = a;
        break;
      case BPF_MISC | BPF_TXA:
        a = x;
        break;
      case BPF_RET | BPF_K:
        return k;
      case BPF_RET | BPF_A:
        return a;
      case BPF_JMP | BPF_JA:
        pc += k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
      case BPF_JMP | BPF_JEQ | BPF_X:
        jump(a == operand);
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
      case BPF_JMP | BPF_JGE | BPF_X:
        jump(a >= operand);
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
      case BPF_JMP | BPF_JGT | BPF_X:
        jump(a > operand);
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
      case BPF_JMP | BPF_JSET | BPF_X:
        jump((a & operand) != 0);
        break;
      default:
        CVISOR_CHECK(false);  // CheckProgram lets nothing else through
    }
  }
  CVISOR_CHECK(false);  // every path ends with a return
  return SECCOMP_RET_KILL_PROCESS;
}

}  // namespace

Status CheckProgram(std::span<const sock_filter> program) {
  if (program.empty() || program.size() > BPF_MAXINSNS) return Errno::kEINVAL;
  for (size_t i = 0; i < program.size(); ++i) {
    if (!IsValid(program[i], program.size() - i - 1)) return Errno::kEINVAL;
  }
  if (BPF_CLASS(program.back().code) != BPF_RET) return Errno::kEINVAL;
  return ScratchIsWrittenFirst(program) ? OkStatus() : Status(Errno::kEINVAL);
}

uint32_t RunProgram(std::span<const sock_filter> program, const seccomp_data& data) {
  return Run<false>(program, data, nullptr);
}

std::optional<uint32_t> RunOnNumber(std::span<const sock_filter> program, int number,
                                    uint32_t arch) {
  seccomp_data data = {};
  data.nr = number;
  data.arch = arch;
  bool unknown = false;
  const uint32_t value = Run<true>(program, data, &unknown);
  if (unknown) return std::nullopt;
  return value;
}

}  // namespace cvisor::seccomp
