// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/mm/vma_tree.h"

#include <sys/mman.h>

#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "pkg/sentry/mm/memory_manager.h"

namespace cvisor::mm {
namespace {

constexpr uint64_t kPage = kPageSize;

Vma Anon(UserAddr start, UserAddr end, int prot = PROT_READ | PROT_WRITE) {
  Vma v;
  v.start = start * kPage;
  v.end = end * kPage;
  v.prot = prot;
  return v;
}

std::string Shape(const VmaTree& tree) {
  std::string s;
  for (const auto& [start, v] : tree) {
    EXPECT_EQ(start, v.start);
    if (!s.empty()) s += " ";
    s += std::to_string(v.start / kPage) + "-" + std::to_string(v.end / kPage);
  }
  return s;
}

TEST(VmaTreeTest, MergesEqualNeighbours) {
  VmaTree tree;
  tree.Insert(Anon(10, 12));
  tree.Insert(Anon(14, 16));
  tree.Insert(Anon(12, 14));
  EXPECT_EQ(Shape(tree), "10-16");
  tree.Insert(Anon(16, 18, PROT_READ));
  EXPECT_EQ(Shape(tree), "10-16 16-18");
}

TEST(VmaTreeTest, MergesFilesAtContiguousOffsets) {
  auto file = NewSharedAnonymous(kPage * 8, "x").value();
  VmaTree tree;
  Vma v = Anon(10, 12);
  v.mappable = file;
  v.offset = 0;
  tree.Insert(v);
  v = Anon(12, 14);
  v.mappable = file;
  v.offset = 2 * kPage;
  tree.Insert(v);
  EXPECT_EQ(Shape(tree), "10-14");
  v = Anon(14, 15);
  v.mappable = file;
  v.offset = 0;
  tree.Insert(v);
  EXPECT_EQ(Shape(tree), "10-14 14-15");
  // A cut keeps the offsets.
  std::vector<Vma> dropped;
  tree.Remove(11 * kPage, 12 * kPage, &dropped);
  EXPECT_EQ(Shape(tree), "10-11 12-14 14-15");
  EXPECT_EQ(tree.Find(12 * kPage)->offset, 2 * kPage);
  ASSERT_EQ(dropped.size(), 1u);
  EXPECT_EQ(dropped[0].offset, kPage);
}

TEST(VmaTreeTest, UpdateCutsAndMergesAgain) {
  VmaTree tree;
  tree.Insert(Anon(10, 20));
  tree.Update(12 * kPage, 15 * kPage, [](Vma& v) { v.prot = PROT_READ; });
  EXPECT_EQ(Shape(tree), "10-12 12-15 15-20");
  EXPECT_EQ(tree.totals().data, 7 * kPage);
  tree.Update(12 * kPage, 15 * kPage, [](Vma& v) { v.prot = PROT_READ | PROT_WRITE; });
  EXPECT_EQ(Shape(tree), "10-20");
  EXPECT_EQ(tree.totals().data, 10 * kPage);
}

TEST(VmaTreeTest, Queries) {
  VmaTree tree;
  tree.Insert(Anon(10, 12));
  tree.Insert(Anon(12, 13, PROT_READ));
  tree.Insert(Anon(20, 21));
  EXPECT_TRUE(tree.Covers(10 * kPage, 13 * kPage));
  EXPECT_FALSE(tree.Covers(10 * kPage, 14 * kPage));
  EXPECT_FALSE(tree.Covers(9 * kPage, 11 * kPage));
  EXPECT_EQ(tree.BytesMapped(11 * kPage, 30 * kPage), 3 * kPage);
  EXPECT_FALSE(tree.Intersects(13 * kPage, 20 * kPage));
  EXPECT_TRUE(tree.Intersects(13 * kPage, 20 * kPage + 1));
  EXPECT_EQ(tree.SplitsNeeded(11 * kPage, 13 * kPage), 1u);
  EXPECT_EQ(tree.Find(13 * kPage), nullptr);
}

TEST(VmaTreeTest, StacksKeepAGapBelow) {
  VmaTree tree;
  Vma stack = Anon(1000, 1010);
  stack.growsdown = true;
  tree.Insert(stack);
  EXPECT_EQ(tree.FindFreeTopDown(kPage, 16 * kPage, 1010 * kPage, kPage), (1000 - 256 - 1) * kPage);
  EXPECT_TRUE(tree.IsFree(100 * kPage, 744 * kPage));
  EXPECT_FALSE(tree.IsFree(100 * kPage, 745 * kPage));
  EXPECT_EQ(tree.FindFreeBottomUp(kPage, 743 * kPage, 2000 * kPage), 743 * kPage);
  EXPECT_EQ(tree.FindFreeBottomUp(2 * kPage, 743 * kPage, 2000 * kPage), 1010 * kPage);
}

// The search that starts from what it knows must find what a search of everything finds, but for
// holes whose size it has given up on: those it may only overlook if others are left.
TEST(VmaTreeTest, TopDownSearchNeverOverlapsAndFindsWhatThereIs) {
  std::mt19937 random(7);
  VmaTree tree;
  const UserAddr low = 16, high = 600;
  std::vector<bool> used(high);
  for (int step = 0; step < 20000; ++step) {
    const uint64_t n = 1 + random() % 12;
    if (random() % 2 == 0) {
      auto at = tree.FindFreeTopDown(n * kPage, low * kPage, high * kPage, kPage);
      // The highest place by hand.
      int64_t expected = -1;
      for (int64_t a = high - n; a >= static_cast<int64_t>(low) && expected < 0; --a) {
        bool free = true;
        for (uint64_t i = 0; i < n; ++i) free = free && !used[a + i];
        if (free) expected = a;
      }
      ASSERT_EQ(at.has_value(), expected >= 0) << step;
      if (!at) continue;
      ASSERT_EQ(*at / kPage, static_cast<uint64_t>(expected)) << step;
      // Sometimes the place is not used after all.
      if (random() % 8 == 0) continue;
      // Alternating kinds, so that they do not merge.
      tree.Insert(Anon(*at / kPage, *at / kPage + n, step % 7));
      for (uint64_t i = 0; i < n; ++i) used[*at / kPage + i] = true;
    } else {
      const UserAddr start = low + random() % (high - low - n);
      std::vector<Vma> dropped;
      tree.Remove(start * kPage, (start + n) * kPage, &dropped);
      for (uint64_t i = 0; i < n; ++i) used[start + i] = false;
    }
  }
}

}  // namespace
}  // namespace cvisor::mm
