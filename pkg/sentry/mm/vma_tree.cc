// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/mm/vma_tree.h"

#include <sys/mman.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "pkg/base/check.h"

namespace cvisor::mm {
namespace {

// Whether `b`, which begins where `a` ends, continues it. Pieces of an attachment are counted, and stay
// what they are.
bool CanMerge(const Vma& a, const Vma& b) {
  return a.end == b.start && a.prot == b.prot && a.max_prot == b.max_prot && a.shared == b.shared &&
         a.growsdown == b.growsdown && a.noreserve == b.noreserve && a.locked == b.locked &&
         a.dontfork == b.dontfork && a.wipeonfork == b.wipeonfork && a.dontdump == b.dontdump &&
         a.mappable == b.mappable && a.file == b.file && a.attachment == nullptr && b.attachment == nullptr &&
         (a.mappable == nullptr || a.offset + a.length() == b.offset) && a.name == b.name;
}

// Where free space below this mapping ends.
UserAddr StartWithGap(const Vma& vma) {
  if (!vma.growsdown) return vma.start;
  return vma.start > kStackGuardGap ? vma.start - kStackGuardGap : 0;
}

}  // namespace

bool IsDataMapping(int prot, bool shared, bool growsdown) {
  return (prot & PROT_WRITE) != 0 && !shared && !growsdown;
}

VmaTree::const_iterator VmaTree::FindFrom(UserAddr addr) const {
  auto it = map_.upper_bound(addr);
  if (it != map_.begin()) {
    auto before = std::prev(it);
    if (before->second.end > addr) return before;
  }
  return it;
}

const Vma* VmaTree::Find(UserAddr addr) const {
  auto it = FindFrom(addr);
  return it != map_.end() && it->first <= addr ? &it->second : nullptr;
}

bool VmaTree::Intersects(UserAddr start, UserAddr end) const {
  auto it = FindFrom(start);
  return it != map_.end() && it->first < end;
}

bool VmaTree::Covers(UserAddr start, UserAddr end) const {
  UserAddr at = start;
  for (auto it = FindFrom(start); at < end; ++it) {
    if (it == map_.end() || it->first > at) return false;
    at = it->second.end;
  }
  return true;
}

uint64_t VmaTree::BytesMapped(UserAddr start, UserAddr end) const {
  uint64_t sum = 0;
  for (auto it = FindFrom(start); it != map_.end() && it->first < end; ++it) {
    sum += std::min(end, it->second.end) - std::max(start, it->first);
  }
  return sum;
}

size_t VmaTree::SplitsNeeded(UserAddr start, UserAddr end) const {
  const Vma* first = Find(start);
  const Vma* last = Find(end);
  return (first != nullptr && first->start < start ? 1 : 0) +
         (last != nullptr && last->start < end ? 1 : 0);
}

void VmaTree::Count(const Vma& vma, int sign) {
  const uint64_t n = sign > 0 ? vma.length() : -vma.length();
  totals_.total += n;
  if ((vma.prot & PROT_EXEC) != 0 && (vma.prot & PROT_WRITE) == 0 && !vma.growsdown) {
    totals_.exec += n;
  }
  if (vma.growsdown) totals_.stack += n;
  if (IsDataMapping(vma.prot, vma.shared, vma.growsdown)) totals_.data += n;
  if (vma.shared) totals_.shared += n;
  if (vma.locked) totals_.locked += n;
}

void VmaTree::CutAt(UserAddr addr) {
  auto it = map_.upper_bound(addr);
  if (it == map_.begin()) return;
  Vma& low = std::prev(it)->second;
  if (low.start == addr || low.end <= addr) return;
  Vma high = low;
  high.start = addr;
  if (high.mappable != nullptr) high.offset += addr - low.start;
  low.end = addr;
  if (high.attachment != nullptr) high.attachment->AddPieces(+1);
  map_.emplace_hint(it, addr, std::move(high));
}

void VmaTree::MergeAround(UserAddr start, UserAddr end) {
  auto it = map_.lower_bound(start);
  if (it != map_.begin()) --it;
  while (it != map_.end() && it->first <= end) {
    auto next = std::next(it);
    if (next == map_.end()) return;
    if (next->first <= end && CanMerge(it->second, next->second)) {
      it->second.end = next->second.end;
      map_.erase(next);
    } else {
      it = next;
    }
  }
}

void VmaTree::Insert(Vma vma) {
  CVISOR_CHECK(vma.start < vma.end && !Intersects(vma.start, vma.end));
  Count(vma, +1);
  if (vma.attachment != nullptr) vma.attachment->AddPieces(+1);
  const UserAddr start = vma.start, end = vma.end;
  map_.emplace(start, std::move(vma));
  MergeAround(start, end);
}

void VmaTree::Remove(UserAddr start, UserAddr end, std::vector<Vma>* dropped) {
  CutAt(start);
  CutAt(end);
  auto first = map_.lower_bound(start);
  auto last = first;
  for (; last != map_.end() && last->first < end; ++last) {
    Count(last->second, -1);
    if (last->second.attachment != nullptr) last->second.attachment->AddPieces(-1);
    dropped->push_back(std::move(last->second));
  }
  auto next = map_.erase(first, last);
  // The hole reaches to the next mapping.
  hole_top_ = std::max(hole_top_, next == map_.end() ? UINT64_MAX : next->first);
}

void VmaTree::Clear(std::vector<Vma>* dropped) { Remove(0, UINT64_MAX, dropped); }

std::optional<UserAddr> VmaTree::FindFreeTopDown(uint64_t length, UserAddr low, UserAddr high,
                                                 uint64_t align) {
  UserAddr top = high;
  const bool use_hint = high == hole_high_ && length >= hole_size_;
  if (use_hint) top = std::min(top, hole_top_);
  auto it = map_.lower_bound(top);  // the mapping above the hole
  // The guard gap of the stack above reaches down to here.
  if (it != map_.end()) top = std::min(top, StartWithGap(it->second));
  while (true) {
    const UserAddr floor = it == map_.begin() ? low : std::max(low, std::prev(it)->second.end);
    if (top > floor && top - floor >= length) {
      const UserAddr at = (top - length) & ~(align - 1);
      if (at >= floor) {
        // Large requests keep what small ones have learnt; they gain from it as well.
        const bool learn = high != hole_high_ || length <= hole_size_;
        if (align == kPageSize && learn) {
          hole_high_ = high;
          hole_size_ = length;
          hole_top_ = at + length;
        }
        return at;
      }
    }
    if (it == map_.begin() || std::prev(it)->first <= low) return std::nullopt;
    --it;
    top = std::min(top, StartWithGap(it->second));
  }
}

std::optional<UserAddr> VmaTree::FindFreeBottomUp(uint64_t length, UserAddr low,
                                                  UserAddr high) const {
  UserAddr at = low;
  for (auto it = FindFrom(low);; ++it) {
    const UserAddr top = it == map_.end() ? high : std::min(high, StartWithGap(it->second));
    if (top > at && top - at >= length) return at;
    if (it == map_.end() || it->second.end >= high) return std::nullopt;
    at = std::max(at, it->second.end);
  }
}

bool VmaTree::IsFree(UserAddr start, UserAddr end) const {
  auto it = FindFrom(start);
  return it == map_.end() || StartWithGap(it->second) >= end;
}

}  // namespace cvisor::mm
