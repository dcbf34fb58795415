// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// VmaTree: the mappings of one address space in order, with Linux's rules for splitting and merging
// (mm/vma.c) and for choosing free addresses. It knows nothing of pages, limits or the platform.
//
// Not thread safe: MemoryManager::mu_ guards it. Mappings that leave the tree are handed to the
// caller, who drops them after unlocking: the last reference to a file runs file-system code.

#ifndef CVISOR_PKG_SENTRY_MM_VMA_TREE_H_
#define CVISOR_PKG_SENTRY_MM_VMA_TREE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "pkg/sentry/mm/vma.h"

namespace cvisor::mm {

// Free space kept below a stack (Linux's stack_guard_gap).
inline constexpr uint64_t kStackGuardGap = 256 * kPageSize;

class VmaTree {
 public:
  using Map = std::map<UserAddr, Vma>;
  using const_iterator = Map::const_iterator;

  size_t size() const { return map_.size(); }
  bool empty() const { return map_.empty(); }
  const_iterator begin() const { return map_.begin(); }
  const_iterator end() const { return map_.end(); }

  // The first mapping that ends behind `addr`: the one that contains it, or the next one.
  const_iterator FindFrom(UserAddr addr) const;
  // The mapping that contains `addr`, or null.
  const Vma* Find(UserAddr addr) const;
  bool Intersects(UserAddr start, UserAddr end) const;
  // True if no page of [start, end) is unmapped.
  bool Covers(UserAddr start, UserAddr end) const;
  // Bytes of [start, end) that are mapped.
  uint64_t BytesMapped(UserAddr start, UserAddr end) const;
  // How many mappings cutting at `start` and `end` would add.
  size_t SplitsNeeded(UserAddr start, UserAddr end) const;

  // Adds a mapping to free space, and merges it with its neighbours.
  void Insert(Vma vma);
  // Removes what intersects [start, end), cutting mappings that stick out, and moves it to
  // `dropped`.
  void Remove(UserAddr start, UserAddr end, std::vector<Vma>* dropped);
  void Clear(std::vector<Vma>* dropped);
  // Calls change(Vma&) for each mapping of [start, end), cut at the borders; merges afterwards. The
  // change may touch everything but start and end.
  template <typename F>
  void Update(UserAddr start, UserAddr end, F change) {
    CutAt(start);
    CutAt(end);
    for (auto it = map_.lower_bound(start); it != map_.end() && it->first < end; ++it) {
      Count(it->second, -1);
      change(it->second);
      Count(it->second, +1);
    }
    MergeAround(start, end);
  }

  // The highest free range of `length` bytes in [low, high) that starts at a multiple of `align`
  // (a power of two, at least a page). Keeps the guard gap below stacks free.
  std::optional<UserAddr> FindFreeTopDown(uint64_t length, UserAddr low, UserAddr high,
                                          uint64_t align);
  // The lowest one.
  std::optional<UserAddr> FindFreeBottomUp(uint64_t length, UserAddr low, UserAddr high) const;
  // Whether [start, end) is free, with the guard gap of a stack above.
  bool IsFree(UserAddr start, UserAddr end) const;

  // Sums over all mappings, in bytes, in the categories of Linux's vm_stat_account().
  struct Totals {
    uint64_t total = 0, data = 0, stack = 0, exec = 0, shared = 0, locked = 0;
  };
  const Totals& totals() const { return totals_; }

 private:
  void CutAt(UserAddr addr);
  void MergeAround(UserAddr start, UserAddr end);
  void Count(const Vma& vma, int sign);

  Map map_;
  Totals totals_;
  // Where the top-down search from hole_high_ may begin: no hole of at least hole_size_ bytes lies
  // above hole_top_. Without it, each mmap would walk the thousands of mappings that some have.
  UserAddr hole_high_ = 0;
  UserAddr hole_top_ = UINT64_MAX;
  uint64_t hole_size_ = 0;
};

// True for writable private memory other than stacks: what RLIMIT_DATA counts.
bool IsDataMapping(int prot, bool shared, bool growsdown);

}  // namespace cvisor::mm

#endif  // CVISOR_PKG_SENTRY_MM_VMA_TREE_H_
