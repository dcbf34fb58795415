// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Fixture of the MemoryManager tests.

#ifndef CVISOR_PKG_SENTRY_MM_MM_TEST_UTIL_H_
#define CVISOR_PKG_SENTRY_MM_MM_TEST_UTIL_H_

#include <sys/mman.h>

#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "pkg/sentry/mm/memory_manager.h"
#include "pkg/sentry/mm/testing/fake_platform.h"

namespace cvisor::mm {

inline constexpr uint64_t kPage = kPageSize;
inline constexpr int kRw = PROT_READ | PROT_WRITE;
inline constexpr int kAnon = MAP_PRIVATE | MAP_ANONYMOUS;

class MmTest : public ::testing::Test {
 protected:
  MmTest() : mm_(MemoryManager::New(platform_).value()) {
    MemoryManager::Layout layout;
    layout.mmap_base = kBase;
    mm_->SetLayout(layout);
  }
  // Whatever a test did, the host must have what the tree says.
  void TearDown() override { ExpectHostAgrees(*mm_); }

  static void ExpectHostAgrees(MemoryManager& mm) {
    using Range = std::tuple<UserAddr, UserAddr, int, bool>;
    std::vector<Range> tree, host;
    const auto add = [](std::vector<Range>& to, Range r) {
      if (!to.empty() && std::get<1>(to.back()) == std::get<0>(r) &&
          std::get<2>(to.back()) == std::get<2>(r) && std::get<3>(to.back()) == std::get<3>(r)) {
        std::get<1>(to.back()) = std::get<1>(r);
      } else {
        to.push_back(r);
      }
    };
    for (const Vma& v : mm.Vmas()) {
      if (v.prot == PROT_NONE && !v.shared) continue;
      add(tree, {v.start, v.end, (v.prot & PROT_WRITE) ? v.prot | PROT_READ : v.prot, v.shared});
    }
    for (const auto& r : static_cast<FakeAddressSpace&>(mm.as()).HostRanges()) {
      add(host, {r.start, r.end, r.prot, r.shared});
    }
    EXPECT_EQ(tree, host);
  }

  Result<UserAddr> Map(UserAddr addr, uint64_t length, int prot = kRw, int flags = kAnon) {
    MmapOptions o;
    o.addr = addr;
    o.length = length;
    o.prot = prot;
    o.flags = flags;
    return mm_->Mmap(caller_, std::move(o));
  }
  UserAddr MapOk(UserAddr addr, uint64_t length, int prot = kRw, int flags = kAnon) {
    auto r = Map(addr, length, prot, flags);
    EXPECT_TRUE(r.ok()) << static_cast<int>(r.error());
    return r.value_or(0);
  }
  UserAddr MapFixed(UserAddr addr, uint64_t length, int prot = kRw, int flags = kAnon) {
    return MapOk(addr, length, prot, flags | MAP_FIXED);
  }
  Result<UserAddr> MapFile(UserAddr addr, uint64_t length, Ref<Mappable> file, uint64_t offset,
                           int prot, int flags) {
    MmapOptions o;
    o.addr = addr;
    o.length = length;
    o.prot = prot;
    o.flags = flags;
    o.mappable = std::move(file);
    o.offset = offset;
    o.name = "/file";
    return mm_->Mmap(caller_, std::move(o));
  }
  // "start-end" in pages from `from`.
  std::string Shape(UserAddr from) const {
    std::string s;
    for (const Vma& v : mm_->Vmas(from)) {
      if (!s.empty()) s += " ";
      s += std::to_string((v.start - from) / kPage) + "-" + std::to_string((v.end - from) / kPage);
    }
    return s;
  }
  void Poke(UserAddr addr, uint32_t v) { ASSERT_TRUE(mm_->CopyOut(addr, v).ok()); }
  uint32_t Peek(UserAddr addr) { return mm_->CopyIn<uint32_t>(addr).value_or(0xdeadbeef); }

  static constexpr UserAddr kBase = uint64_t{1} << 36;

  FakePlatform platform_;
  FakeContext ctx_;
  Caller caller_{ctx_};
  Ref<MemoryManager> mm_;
};

#define EXPECT_ERRNO(expr, expected) EXPECT_EQ((expr).error(), ::cvisor::Errno::expected)

}  // namespace cvisor::mm

#endif  // CVISOR_PKG_SENTRY_MM_MM_TEST_UTIL_H_
