// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// mremap(2).

#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "pkg/base/log.h"
#include "pkg/sentry/mm/internal.h"
#include "pkg/sentry/mm/memory_manager.h"

namespace cvisor::mm {
namespace {

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

// One operation may cut the old mapping twice and the place of the new one twice.
constexpr size_t kMoveMapCount = kMaxMapCount - 4;

bool Overlap(UserAddr a, uint64_t a_length, UserAddr b, uint64_t b_length) {
  return a < b + b_length && b < a + a_length;
}

}  // namespace

// Sizes are in whole pages.
struct MemoryManager::RemapRequest {
  UserAddr addr;
  uint64_t old_size, new_size;
  int flags;
  UserAddr new_addr;  // with MREMAP_FIXED
};

// The host refuses (before Linux 6.17) to move a range that consists of several mappings to it.
// What is one mapping here may be more on the host, after fork for instance: find the pieces by
// halving.
Status MemoryManager::MoveHostPages(const Caller& c, UserAddr from, UserAddr to, uint64_t length,
                                    bool keep_old) {
  const Status all = as_->Remap(c.ctx, from, length, to, length, keep_old);
  if (all.error() != Errno::kEFAULT || length == kPageSize) return all;
  const uint64_t half = PageCeil(length / 2);
  RETURN_IF_ERROR(MoveHostPages(c, from, to, half, keep_old));
  Status rest = MoveHostPages(c, from + half, to + half, length - half, keep_old);
  if (!rest.ok() && !keep_old && !MoveHostPages(c, to, from, half, false).ok()) {
    LogWarning("mremap: cannot move pages back to %#x", from);
  }
  return rest;
}

// `vma` contains [addr, addr + old_size). The place of the new mapping is chosen or emptied here.
Result<UserAddr> MemoryManager::MoveLocked(const Caller& c, const RemapRequest& r, const Vma& vma,
                                           Dropped* dropped) {
  if (vmas_.size() >= kMoveMapCount) return Errno::kENOMEM;
  const bool keep_old = (r.flags & MREMAP_DONTUNMAP) != 0;
  const bool duplicate = r.old_size == 0;
  const uint64_t moved = std::min(r.old_size, r.new_size);

  Vma to = vma;
  if (to.mappable != nullptr) to.offset += r.addr - vma.start;
  if ((r.flags & MREMAP_FIXED) != 0) {
    to.start = r.new_addr;
    RETURN_IF_ERROR(UnmapLocked(c, to.start, to.start + r.new_size, dropped));
  } else {
    MmapOptions place;
    place.addr = r.new_addr;  // a hint, which only DONTUNMAP has
    place.mappable = to.mappable;
    ASSIGN_OR_RETURN(to.start, PlaceLocked(place, r.new_size));
  }
  to.end = to.start + r.new_size;

  // The pages first, then what the mapping has grown by.
  if (!duplicate) {
    RETURN_IF_ERROR(MoveHostPages(c, r.addr, to.start, moved, keep_old));
  }
  if (r.new_size > moved) {
    Status grown = HostMap(c, to, to.start + moved, to.end, to.locked);
    if (!grown.ok()) {
      if (!duplicate && !keep_old && !MoveHostPages(c, to.start, r.addr, moved, false).ok()) {
        LogWarning("mremap: cannot move pages back to %#x", r.addr);
      }
      return grown.error();
    }
  }
  if (keep_old) {
    vmas_.Update(r.addr, r.addr + r.old_size, [](Vma& v) { v.locked = false; });
  } else if (!duplicate) {
    vmas_.Remove(r.addr, r.addr + r.old_size, dropped);
  }
  const UserAddr start = to.start;
  vmas_.Insert(std::move(to));
  NotePeakLocked();
  return start;
}

Result<UserAddr> MemoryManager::Mremap(const Caller& c, UserAddr addr, uint64_t old_size,
                                       uint64_t new_size, int flags, UserAddr new_addr) {
  NoteCaller(c);
  const bool fixed = (flags & MREMAP_FIXED) != 0;
  const bool may_move = (flags & MREMAP_MAYMOVE) != 0;
  const bool keep_old = (flags & MREMAP_DONTUNMAP) != 0;
  if ((flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP)) != 0) return Errno::kEINVAL;
  if ((fixed || keep_old) && !may_move) return Errno::kEINVAL;
  if ((addr & kPageMask) != 0) return Errno::kEINVAL;
  old_size = PageCeil(old_size);
  new_size = PageCeil(new_size);
  if (new_size == 0 || !InUserRange(0, new_size)) return Errno::kEINVAL;
  if (keep_old && old_size != new_size) return Errno::kEINVAL;
  if (!InUserRange(addr, old_size)) return Errno::kEFAULT;
  if (fixed || keep_old) {
    if ((new_addr & kPageMask) != 0 || !InUserRange(new_addr, new_size)) return Errno::kEINVAL;
    if (Overlap(addr, old_size, new_addr, new_size)) return Errno::kEINVAL;
  } else {
    new_addr = 0;
  }
  if (fixed && new_addr < std::max(kMmapMinAddr, platform_.min_user_address())) {
    return Errno::kEPERM;
  }

  Dropped dropped;
  MutexLock lock(mu_);
  if (gone_.load()) return Errno::kEFAULT;
  const Vma* found = vmas_.Find(addr);
  if (found == nullptr) return Errno::kEFAULT;
  if (old_size == 0 && !found->shared) return Errno::kEINVAL;

  if (old_size >= new_size && old_size != 0) {
    if (old_size > new_size) {
      RETURN_IF_ERROR(UnmapLocked(c, addr + new_size, addr + old_size, &dropped));
      old_size = new_size;
    }
    if (!fixed && !keep_old) return addr;
    found = vmas_.Find(addr);
    if (found == nullptr) return Errno::kEFAULT;
  }
  const Vma vma = *found;  // the tree changes
  if (old_size > vma.end - addr) return Errno::kEFAULT;
  if (vma.mappable != nullptr) {
    const uint64_t offset = vma.offset + (addr - vma.start);
    if (offset > INT64_MAX || new_size > INT64_MAX - offset) return Errno::kEINVAL;
  }
  const uint64_t more = keep_old ? new_size : new_size - old_size;
  if (vma.locked && !MayLockLocked(c, new_size - old_size)) return Errno::kEAGAIN;
  if (!MayExpandLocked(c, more, IsDataMapping(vma.prot, vma.shared, vma.growsdown))) {
    return Errno::kENOMEM;
  }

  const UserAddr old_end = addr + old_size;
  const bool in_place = !fixed && !keep_old && old_size != 0 && old_end == vma.end &&
                        InUserRange(addr, new_size) && vmas_.IsFree(old_end, addr + new_size);
  if (in_place) {
    Vma grown = vma;
    grown.start = old_end;
    grown.end = addr + new_size;
    if (grown.mappable != nullptr) grown.offset += old_end - vma.start;
    RETURN_IF_ERROR(HostMap(c, grown, grown.start, grown.end, vma.locked));
    vmas_.Insert(std::move(grown));
    NotePeakLocked();
    return addr;
  }
  if (!may_move) return Errno::kENOMEM;
  return MoveLocked(c, RemapRequest{addr, old_size, new_size, flags, new_addr}, vma, &dropped);
}

}  // namespace cvisor::mm
