// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// mlock(2), mlock2(2), munlock(2), mlockall(2), munlockall(2). Locked memory is brought in and
// accounted; the host is not asked to pin it, so that a container cannot take memory from others.

#include <sys/mman.h>

#include <algorithm>
#include <vector>

#include "pkg/sentry/mm/internal.h"
#include "pkg/sentry/mm/memory_manager.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

namespace cvisor::mm {
namespace {

bool CanLock(const Caller& c) { return c.cap_ipc_lock || c.rlimit_memlock != 0; }

}  // namespace

// Mapping by mapping up to the first hole, as Linux.
Status MemoryManager::SetLockedLocked(UserAddr start, UserAddr end, bool locked) {
  for (UserAddr at = start; at < end;) {
    const Vma* vma = vmas_.Find(at);
    if (vma == nullptr) return Errno::kENOMEM;
    const UserAddr stop = std::min(end, vma->end);
    if (vma->locked != locked) {
      if (vmas_.size() + vmas_.SplitsNeeded(at, stop) > kMaxMapCount) return Errno::kENOMEM;
      vmas_.Update(at, stop, [locked](Vma& v) { v.locked = locked; });
    }
    at = stop;
  }
  return OkStatus();
}

Status MemoryManager::PopulateLocked(const Caller& c, UserAddr start, UserAddr end) {
  for (auto it = vmas_.FindFrom(start); it != vmas_.end() && it->first < end; ++it) {
    const Vma& vma = it->second;
    const UserAddr from = std::max(start, vma.start), to = std::min(end, vma.end);
    if (vma.prot == PROT_NONE) return Errno::kENOMEM;
    const bool write = (vma.prot & PROT_WRITE) != 0 && !vma.shared;
    const Status st =
        as_->Advise(c.ctx, from, to - from, write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
    // EINVAL: a host before Linux 5.14; the pages then come when they are touched.
    if (st.error() == Errno::kEFAULT || st.error() == Errno::kENOMEM) return Errno::kENOMEM;
  }
  return OkStatus();
}

Status MemoryManager::Mlock(const Caller& c, UserAddr addr, uint64_t length, int flags) {
  if ((flags & ~MLOCK_ONFAULT) != 0) return Errno::kEINVAL;
  if (!CanLock(c)) return Errno::kEPERM;
  const UserAddr start = PageFloor(addr);
  const uint64_t in_page = addr - start;
  if (length > UINT64_MAX - in_page) return Errno::kEINVAL;
  const uint64_t size = PageCeil(length + in_page);
  const UserAddr end = start + size;

  MutexLock lock(mu_);
  if (!c.cap_ipc_lock) {
    // What is locked already counts once.
    uint64_t twice = 0;
    for (auto it = vmas_.FindFrom(start); it != vmas_.end() && it->first < end; ++it) {
      if (!it->second.locked) continue;
      twice += std::min(end, it->second.end) - std::max(start, it->first);
    }
    const uint64_t limit = PageFloor(c.rlimit_memlock);
    const uint64_t others = vmas_.totals().locked - twice;
    if (others > limit || size > limit - others) return Errno::kENOMEM;
  }
  if (end < start) return Errno::kEINVAL;
  RETURN_IF_ERROR(SetLockedLocked(start, end, true));
  return (flags & MLOCK_ONFAULT) != 0 ? OkStatus() : PopulateLocked(c, start, end);
}

Status MemoryManager::Munlock(const Caller&, UserAddr addr, uint64_t length) {
  const UserAddr start = PageFloor(addr);
  const uint64_t in_page = addr - start;
  if (length > UINT64_MAX - in_page) return Errno::kEINVAL;
  const UserAddr end = start + PageCeil(length + in_page);
  if (end < start) return Errno::kEINVAL;
  MutexLock lock(mu_);
  return SetLockedLocked(start, end, false);
}

Status MemoryManager::Mlockall(const Caller& c, int flags) {
  if (flags == 0 || flags == MCL_ONFAULT) return Errno::kEINVAL;
  if ((flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) != 0) return Errno::kEINVAL;
  if (!CanLock(c)) return Errno::kEPERM;
  MutexLock lock(mu_);
  const uint64_t limit = PageFloor(c.rlimit_memlock);
  if ((flags & MCL_CURRENT) != 0 && !c.cap_ipc_lock && vmas_.totals().total > limit) {
    return Errno::kENOMEM;
  }
  def_lock_flags_ = flags & (MCL_FUTURE | MCL_ONFAULT);
  if ((flags & MCL_CURRENT) == 0) return OkStatus();
  vmas_.Update(0, UINT64_MAX, [](Vma& v) { v.locked = true; });
  if ((flags & MCL_ONFAULT) != 0) return OkStatus();
  // Mapping by mapping: what cannot be brought in is no error here.
  for (const auto& [start, vma] : vmas_) (void)PopulateLocked(c, start, vma.end);
  return OkStatus();
}

Status MemoryManager::Munlockall(const Caller&) {
  MutexLock lock(mu_);
  def_lock_flags_ = 0;
  vmas_.Update(0, UINT64_MAX, [](Vma& v) { v.locked = false; });
  return OkStatus();
}

}  // namespace cvisor::mm
