// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// For tests of CallSites: an address space with two pages of text and room for trampolines, which
// checks that nothing else is written.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_CODE_HOST_H_
#define CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_CODE_HOST_H_

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "pkg/base/check.h"
#include "pkg/sentry/platform/systrap/call_sites.h"

namespace cvisor::platform::systrap {

class CodeHost : public CallSites::Host {
 public:
  static constexpr uint64_t kText = 0x400000, kTextSize = 0x2000;
  static constexpr uint64_t kEntry = 0x7fff12345678;

  CodeHost() : text_(kTextSize, 0x90) {}

  std::vector<uint8_t>& text() { return text_; }
  std::span<const uint8_t> trampolines() const { return trampolines_; }
  std::span<const uint8_t> slot(size_t index) const {
    return trampolines().subspan((index + 1) * TRAMPOLINE_STRIDE, TRAMPOLINE_STRIDE);
  }
  // Puts code into the text; returns its address.
  uint64_t Put(uint64_t offset, std::span<const uint8_t> code) {
    std::copy(code.begin(), code.end(), text_.begin() + static_cast<ptrdiff_t>(offset));
    return kText + offset;
  }

  struct Write {
    uint64_t addr;
    std::vector<uint8_t> bytes;
    int syncs;  // that came before
  };
  std::vector<Write> writes;
  int syncs = 0;
  bool single_threaded = true;
  bool can_map = true;
  // Writes until one fails; -1: never.
  int writes_left = -1;

  bool ReadCode(UserAddr addr, std::span<uint8_t> to) override {
    if (addr < kText || addr - kText + to.size() > kTextSize) return false;
    memcpy(to.data(), &text_[addr - kText], to.size());
    return true;
  }
  bool WriteCode(UserAddr addr, std::span<const uint8_t> bytes) override {
    if (writes_left == 0) return false;
    if (writes_left > 0) --writes_left;
    writes.push_back({addr, {bytes.begin(), bytes.end()}, syncs});
    if (CallSites::InTrampoline(addr)) {
      CVISOR_CHECK(!trampolines_.empty());
      const uint64_t offset = addr - TRAMPOLINE_BASE;
      // Each has its slot, and nothing may be written over the edge.
      CVISOR_CHECK(offset % TRAMPOLINE_STRIDE == 0 && bytes.size() <= TRAMPOLINE_STRIDE);
      CVISOR_CHECK(offset + bytes.size() <= TRAMPOLINE_SIZE);
      memcpy(&trampolines_[offset], bytes.data(), bytes.size());
    } else {
      CVISOR_CHECK(addr >= kText && addr - kText + bytes.size() <= kTextSize);
      memcpy(&text_[addr - kText], bytes.data(), bytes.size());
    }
    return true;
  }
  bool MapTrampolines() override {
    if (can_map) trampolines_.assign(TRAMPOLINE_SIZE, 0);
    return can_map;
  }
  bool SyncCores() override {
    ++syncs;
    return true;
  }
  bool SingleThreaded() override { return single_threaded; }
  uint64_t StubEntry() override { return kEntry; }

 private:
  std::vector<uint8_t> text_, trampolines_;
};

}  // namespace cvisor::platform::systrap

#endif  // CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_CODE_HOST_H_
