// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Writes the classic BPF of the stubs' seccomp filters (seccomp(2)). They compare addresses and
// argument words, which libseccomp cannot express for the instruction pointer.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_COMMON_BPF_FILTER_H_
#define CVISOR_PKG_SENTRY_PLATFORM_COMMON_BPF_FILTER_H_

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace cvisor::platform {

// Every Return* leaves the program. A Return{If,Unless}* is two instructions, the others are one.
class FilterBuilder {
 public:
  // Loads the word at `offset` of seccomp_data, for all that follows.
  void Load(size_t offset) { Add(BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<uint32_t>(offset)); }
  void ReturnIf(uint32_t value, uint32_t action) {
    Add(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value);
    Return(action);
  }
  void ReturnUnless(uint32_t value, uint32_t action) {
    Add(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, value);
    Return(action);
  }
  void ReturnIfBelow(uint32_t value, uint32_t action) {
    Add(BPF_JMP | BPF_JGE | BPF_K, 1, 0, value);
    Return(action);
  }
  void ReturnUnlessBelow(uint32_t value, uint32_t action) {
    Add(BPF_JMP | BPF_JGE | BPF_K, 0, 1, value);
    Return(action);
  }
  // Runs the next `count` instructions only if the loaded word equals `value`.
  void SkipUnless(uint32_t value, uint8_t count) {
    Add(BPF_JMP | BPF_JEQ | BPF_K, 0, count, value);
  }
  // Arithmetic on the loaded word, the index register, and scratch words 0 to 15.
  void CopyToIndex() { Add(BPF_MISC | BPF_TAX, 0, 0, 0); }
  void AddIndex() { Add(BPF_ALU | BPF_ADD | BPF_X, 0, 0, 0); }
  void ClearBits(uint32_t bits) { Add(BPF_ALU | BPF_AND | BPF_K, 0, 0, ~bits); }
  void Store(uint32_t word) { Add(BPF_ST, 0, 0, word); }
  void LoadFromStore(uint32_t word) { Add(BPF_LD | BPF_MEM, 0, 0, word); }
  void LoadIndexFromStore(uint32_t word) { Add(BPF_LDX | BPF_W | BPF_MEM, 0, 0, word); }
  // 1 if the sum that is loaded is less than the index register, which was a summand; else 0.
  void CarryOfSum() {
    Add(BPF_JMP | BPF_JGE | BPF_X, 2, 0, 0);
    Add(BPF_LD | BPF_IMM, 0, 0, 1);
    Add(BPF_JMP | BPF_JA, 0, 0, 1);
    Add(BPF_LD | BPF_IMM, 0, 0, 0);
  }
  // Runs `then`, which always returns, if the loaded word equals `value`.
  void RunIf(uint32_t value, const FilterBuilder& then) {
    SkipUnless(value, static_cast<uint8_t>(then.code_.size()));
    code_.insert(code_.end(), then.code_.begin(), then.code_.end());
  }
  void Return(uint32_t action) { Add(BPF_RET | BPF_K, 0, 0, action); }
  std::vector<sock_filter> Take() { return std::move(code_); }

 private:
  void Add(uint16_t code, uint8_t jt, uint8_t jf, uint32_t k) {
    code_.push_back({code, jt, jf, k});
  }
  std::vector<sock_filter> code_;
};

// Offsets in seccomp_data of the halves of argument `i`.
constexpr size_t ArgLow(int i) {
  return offsetof(seccomp_data, args) + static_cast<size_t>(i) * sizeof(uint64_t);
}
constexpr size_t ArgHigh(int i) { return ArgLow(i) + sizeof(uint32_t); }

}  // namespace cvisor::platform

#endif  // CVISOR_PKG_SENTRY_PLATFORM_COMMON_BPF_FILTER_H_
