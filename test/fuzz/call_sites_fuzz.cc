// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Fuzzes systrap's patching of call sites with random code and a random life of an address space:
// whatever it decides, it writes to nothing but the sites and their trampolines, knows where the
// application is in them, and can put everything back.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "pkg/base/check.h"
#include "pkg/sentry/platform/systrap/call_sites.h"
#include "pkg/sentry/platform/systrap/code_host.h"

namespace cvisor::platform::systrap {
namespace {

constexpr uint64_t kText = CodeHost::kText, kTextSize = CodeHost::kTextSize, kPage = 0x1000;

class Fuzzer {
 public:
  explicit Fuzzer(std::span<const uint8_t> code) : original_(kTextSize, 0x90) {
    // Over the boundary of the pages, where the interesting code is.
    const size_t n = std::min<size_t>(code.size(), kTextSize);
    std::copy_n(code.begin(), n, original_.begin() + static_cast<ptrdiff_t>((kTextSize - n) / 2));
    host_.text() = original_;
    sites_->OnMap(kText, kTextSize, true);
  }

  void Do(std::span<const uint8_t, 4> op) {
    const uint64_t offset = (op[1] | op[2] << 8) % kTextSize;
    const uint64_t value = op[3];
    switch (op[0] % 8) {
      case 0:
      case 1:
      case 2:
        Trap(offset, value);
        break;
      case 3: {  // A page is mapped anew, with what was in the file, or is unmapped.
        const uint64_t page = offset & ~(kPage - 1);
        std::copy_n(original_.begin() + static_cast<ptrdiff_t>(page), kPage,
                    host_.text().begin() + static_cast<ptrdiff_t>(page));
        sites_->OnMap(kText + page, kPage, value % 4 != 0);
        break;
      }
      case 4: {
        sites_->Restore(host_, kText + offset, value);
        const auto begin = static_cast<ptrdiff_t>(offset);
        const auto end = static_cast<ptrdiff_t>(std::min(kTextSize, offset + value));
        CVISOR_CHECK(std::equal(original_.begin() + begin, original_.begin() + end,
                                host_.text().begin() + begin));
        break;
      }
      case 5:
        // The copy takes the original's place.
        sites_ = Copy(*sites_);
        break;
      case 6:
        host_.single_threaded = value % 2 == 0;
        host_.can_map = value % 16 != 1;
        host_.writes_left = value % 16 == 2 ? static_cast<int>(value / 16) : -1;
        break;
      default:
        if (value % 8 == 0) {
          PutBack();
          sites_->Clear();
          sites_->OnMap(kText, kTextSize, true);
        } else {
          Look(kText + offset);
        }
    }
    if (host_.writes_left >= 0) {
      // Nothing is promised about what could not be written: a new beginning.
      host_.writes_left = -1;
      host_.text() = original_;
      sites_->Clear();
      sites_->OnMap(kText, kTextSize, true);
    }
  }

  void Finish() {
    for (uint64_t i = 8; i + 10 <= kTextSize; ++i) {
      if (!IsSyscall(i)) continue;
      for (uint64_t ip = kText + i - 8; ip < kText + i + 10; ++ip) Look(ip);
    }
    uint64_t end = TRAMPOLINE_BASE;
    for (const auto& w : host_.writes) {
      if (CallSites::InTrampoline(w.addr)) end = std::max(end, w.addr + TRAMPOLINE_STRIDE);
    }
    for (uint64_t ip = TRAMPOLINE_BASE; ip < end; ++ip) {
      const uint64_t app = sites_->ApplicationIp(ip);
      CVISOR_CHECK(app == ip || (app >= kText && app <= kText + kTextSize));
    }
    PutBack();
  }

 private:
  static std::unique_ptr<CallSites> Copy(CallSites& sites) {
    const CallSites::Frozen frozen(sites);
    return std::make_unique<CallSites>(&frozen);
  }

  bool IsSyscall(uint64_t offset) const {
    return original_[offset] == 0x0f && original_[offset + 1] == 0x05;
  }

  void Trap(uint64_t offset, uint64_t value) {
    while (offset + 2 <= kTextSize && !IsSyscall(offset)) ++offset;
    if (offset + 2 > kTextSize) return;
    arch::Registers r;
    r.rip = kText + offset + 2;
    r.rax = value;
    // Moves between these look as if they had been executed.
    if (value % 8 < 4) r.rbx = r.rdx = r.rsi = r.rdi = r.r8 = r.r9 = r.r12 = value;
    if (value % 4 == 0 && offset >= 4) {
      uint32_t number;
      memcpy(&number, &original_[offset - 4], sizeof(number));
      r.rax = number;
    }
    for (int i = 0; i < 4; ++i) sites_->OnTrap(host_, r);
  }

  void Look(uint64_t ip) {
    const uint64_t entry = sites_->EntryFor(ip);
    if (entry != ip) {
      CVISOR_CHECK(CallSites::InTrampoline(entry));
      CVISOR_CHECK(sites_->ApplicationIp(entry) == ip);
      const uint64_t slot = entry - (entry - TRAMPOLINE_BASE) % TRAMPOLINE_STRIDE;
      uint64_t code, back;
      const auto trampoline = host_.trampolines().subspan(slot - TRAMPOLINE_BASE);
      memcpy(&code, &trampoline[kTrampolinePointer], sizeof(code));
      memcpy(&back, &trampoline[kTrampolineBack], sizeof(back));
      CVISOR_CHECK(code > slot && code <= entry && entry < slot + TRAMPOLINE_STRIDE);
      CVISOR_CHECK(back >= ip && back <= ip + 8);
    }
    for (const uint64_t trap : {3, 6, 13, 14}) {
      arch::Registers r;
      r.rip = ip;
      if (!sites_->OnFault(host_, trap, &r)) continue;
      CVISOR_CHECK(trap != 14 && r.rip == ip - (trap == 3 ? 1 : 0));
    }
  }

  void PutBack() {
    sites_->Disable(host_);
    CVISOR_CHECK(host_.text() == original_);
  }

  std::vector<uint8_t> original_;
  CodeHost host_;
  std::unique_ptr<CallSites> sites_ = std::make_unique<CallSites>();
};

}  // namespace
}  // namespace cvisor::platform::systrap

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using cvisor::platform::systrap::Fuzzer;
  if (size == 0) return 0;
  std::span<const uint8_t> in(data + 1, size - 1);
  const size_t ops = std::min<size_t>(data[0] % 64, in.size() / 4);
  Fuzzer fuzzer(in.subspan(4 * ops));
  for (size_t i = 0; i < ops; ++i) fuzzer.Do(in.subspan(4 * i).first<4>());
  fuzzer.Finish();
  return 0;
}
