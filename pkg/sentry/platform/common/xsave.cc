// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/common/xsave.h"

#include <cpuid.h>

#include <algorithm>
#include <cstring>

namespace cvisor::platform {
namespace {

constexpr size_t kMxcsr = 24, kMxcsrMask = 28, kHeader = 512, kHeaderSize = 64;
constexpr int kPkruComponent = 9;

}  // namespace

std::vector<std::byte> InitialXsave(std::span<const std::byte> sample, uint64_t features) {
  std::vector<std::byte> state(sample.size());
  const uint16_t control_word = 0x37f;
  const uint32_t mxcsr = 0x1f80;
  uint64_t present = 3;  // x87 and SSE
  memcpy(state.data(), &control_word, sizeof(control_word));
  memcpy(&state[kMxcsr], &mxcsr, sizeof(mxcsr));
  memcpy(&state[kMxcsrMask], &sample[kMxcsrMask], sizeof(uint32_t));
  unsigned size = 0, offset = 0, c = 0, d = 0;
  if ((features >> kPkruComponent) & 1) {
    // Not all zero at exec: the keys but the first are closed.
    __cpuid_count(0xd, kPkruComponent, size, offset, c, d);
    if (size != 0 && offset + size <= state.size()) {
      memcpy(&state[offset], &sample[offset], size);
      present |= uint64_t{1} << kPkruComponent;
    }
  }
  memcpy(&state[kHeader], &present, sizeof(present));
  return state;
}

bool ValidXsave(std::span<const std::byte> state, uint64_t features, uint32_t mxcsr_mask) {
  if (state.size() < kHeader + kHeaderSize) return false;
  uint32_t mxcsr;
  memcpy(&mxcsr, &state[kMxcsr], sizeof(mxcsr));
  if ((mxcsr & ~mxcsr_mask) != 0) return false;
  uint64_t present;
  memcpy(&present, &state[kHeader], sizeof(present));
  if ((present & ~features) != 0) return false;
  // XCOMP_BV (the compacted format) and what is reserved.
  const auto rest = state.subspan(kHeader + sizeof(present), kHeaderSize - sizeof(present));
  return std::all_of(rest.begin(), rest.end(), [](std::byte b) { return b == std::byte{0}; });
}

uint32_t MxcsrMask(std::span<const std::byte> sample) {
  uint32_t mask;
  memcpy(&mask, &sample[kMxcsrMask], sizeof(mask));
  return mask != 0 ? mask : 0xffbf;
}

}  // namespace cvisor::platform
