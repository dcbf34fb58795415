// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// madvise(2), msync(2), mincore(2), prctl(PR_SET_VMA_ANON_NAME).

#include <linux/mman.h>
#include <sys/mman.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "pkg/sentry/mm/internal.h"
#include "pkg/sentry/mm/memory_manager.h"

namespace cvisor::mm {
namespace {

// Newer than the system's headers.
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
constexpr int kMadvGuardInstall = 102;
constexpr int kMadvGuardRemove = 103;

// MADV_MERGEABLE is refused as by a kernel without KSM: merging pages across containers would tell
// one what the other has in memory.
bool IsKnown(int advice) {
  switch (advice) {
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_DONTNEED:
    case MADV_DONTNEED_LOCKED:
    case MADV_FREE:
    case MADV_REMOVE:
    case MADV_DONTFORK:
    case MADV_DOFORK:
    case MADV_WIPEONFORK:
    case MADV_KEEPONFORK:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_COLLAPSE:
    case MADV_COLD:
    case MADV_PAGEOUT:
    case MADV_POPULATE_READ:
    case MADV_POPULATE_WRITE:
    case kMadvGuardInstall:
    case kMadvGuardRemove:
      return true;
    default:
      return false;
  }
}

}  // namespace

// What one mapping makes of the advice. The host does the work and has the last word on what it
// supports; here are the rules that depend on what only this tree knows.
Status MemoryManager::AdviseVmaLocked(const Caller& c, const Vma& vma, UserAddr start, UserAddr end,
                                      int advice) {
  const bool private_anonymous = vma.mappable == nullptr;
  const auto set = [&](auto change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) -> Status {
    const size_t cuts = (vma.start < start ? 1 : 0) + (vma.end > end ? 1 : 0);
    if (vmas_.size() + cuts > kMaxMapCount) return Errno::kENOMEM;
    vmas_.Update(start, end, change);
    return OkStatus();
  };
  switch (advice) {
    case MADV_DONTNEED:
    case MADV_COLD:
    case MADV_PAGEOUT:
    case kMadvGuardInstall:
      if (vma.locked) return Errno::kEINVAL;
      break;
    case MADV_FREE:
      if (!private_anonymous) return Errno::kEINVAL;
      break;
    case MADV_REMOVE:
      if (vma.locked || vma.mappable == nullptr) return Errno::kEINVAL;
      if (!vma.shared || (vma.max_prot & PROT_WRITE) == 0) return Errno::kEACCES;
      break;
    case MADV_WIPEONFORK:
      if (!private_anonymous) return Errno::kEINVAL;
      break;
    case MADV_DONTDUMP:
      return set([](Vma& v) { v.dontdump = true; });
    case MADV_DODUMP:
      return set([](Vma& v) { v.dontdump = false; });
    default:
      break;
  }
  RETURN_IF_ERROR(as_->Advise(c.ctx, start, end - start, advice));
  switch (advice) {
    case MADV_DONTFORK:
      return set([](Vma& v) { v.dontfork = true; });
    case MADV_DOFORK:
      return set([](Vma& v) { v.dontfork = false; });
    case MADV_WIPEONFORK:
      return set([](Vma& v) { v.wipeonfork = true; });
    case MADV_KEEPONFORK:
      return set([](Vma& v) { v.wipeonfork = false; });
    default:
      return OkStatus();
  }
}

Status MemoryManager::Madvise(const Caller& c, UserAddr addr, uint64_t length, int advice) {
  NoteCaller(c);
  if (advice == MADV_HWPOISON || advice == MADV_SOFT_OFFLINE) return Errno::kEPERM;
  if (!IsKnown(advice)) return Errno::kEINVAL;
  if ((addr & kPageMask) != 0) return Errno::kEINVAL;
  const uint64_t pages = PageCeil(length);
  if (length != 0 && pages == 0) return Errno::kEINVAL;
  const UserAddr end = addr + pages;
  if (end < addr) return Errno::kEINVAL;
  if (end == addr) return OkStatus();

  const bool populate = advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE;
  MutexLock lock(mu_);
  if (gone_.load()) return Errno::kENOMEM;
  // Holes are skipped, and reported at the end; but populating stops at the first.
  bool hole = false;
  for (UserAddr at = addr; at < end;) {
    auto it = vmas_.FindFrom(at);
    if (it == vmas_.end() || it->first > at) {
      if (populate) return Errno::kENOMEM;
      hole = true;
      if (it == vmas_.end() || it->first >= end) break;
      at = it->first;
    }
    const Vma vma = it->second;  // the tree changes
    const UserAddr stop = std::min(end, vma.end);
    RETURN_IF_ERROR(AdviseVmaLocked(c, vma, at, stop, advice));
    at = stop;
  }
  return hole ? Status(Errno::kENOMEM) : OkStatus();
}

Status MemoryManager::Msync(const Caller& c, UserAddr addr, uint64_t length, int flags) {
  if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) != 0) return Errno::kEINVAL;
  if ((addr & kPageMask) != 0) return Errno::kEINVAL;
  if ((flags & MS_ASYNC) != 0 && (flags & MS_SYNC) != 0) return Errno::kEINVAL;
  const UserAddr end = addr + PageCeil(length);
  if (end < addr) return Errno::kENOMEM;  // a length that wraps to nothing is none
  MutexLock lock(mu_);
  bool hole = false;
  for (UserAddr at = addr; at < end;) {
    auto it = vmas_.FindFrom(at);
    if (it == vmas_.end() || it->first > at) {
      hole = true;
      if (it == vmas_.end() || it->first >= end) break;
      at = it->first;
    }
    const Vma& vma = it->second;
    const UserAddr stop = std::min(end, vma.end);
    if ((flags & MS_INVALIDATE) != 0 && vma.locked) return Errno::kEBUSY;
    if (vma.shared && vma.mappable != nullptr) {
      RETURN_IF_ERROR(as_->Sync(c.ctx, at, stop - at, flags));
    }
    at = stop;
  }
  return hole ? Status(Errno::kENOMEM) : OkStatus();
}

Status MemoryManager::Mincore(const Caller& c, UserAddr addr, uint64_t length, UserAddr vec) {
  if ((addr & kPageMask) != 0) return Errno::kEINVAL;
  if (!InUserRange(addr, length)) return Errno::kENOMEM;
  const uint64_t pages = PageCeil(length) / kPageSize;
  if (!InUserRange(vec, pages)) return Errno::kEFAULT;
  // In pieces, so that the length an application asks for costs no memory here.
  std::vector<uint8_t> present(std::min<uint64_t>(pages, kPageSize));
  for (uint64_t done = 0; done < pages;) {
    const uint64_t n = std::min<uint64_t>(pages - done, present.size());
    const UserAddr at = addr + done * kPageSize;
    const std::span<uint8_t> out(present.data(), n);
    {
      MutexLock lock(mu_);
      if (!vmas_.Covers(at, at + n * kPageSize)) return Errno::kENOMEM;
      RETURN_IF_ERROR(as_->Mincore(c.ctx, at, n * kPageSize, out));
    }
    RETURN_IF_ERROR(CopyOutBytes(vec + done, out.data(), n));
    done += n;
  }
  return OkStatus();
}

Status MemoryManager::SetAnonName(UserAddr addr, uint64_t length, std::string_view name) {
  if ((addr & kPageMask) != 0) return Errno::kEINVAL;
  const UserAddr end = addr + PageCeil(length);
  if (end < addr || (length != 0 && end == addr)) return Errno::kEINVAL;
  const std::string full = name.empty() ? "" : absl::StrFormat("[anon:%s]", name);
  MutexLock lock(mu_);
  bool hole = false;
  for (UserAddr at = addr; at < end;) {
    auto it = vmas_.FindFrom(at);
    if (it == vmas_.end() || it->first > at) {
      hole = true;
      if (it == vmas_.end() || it->first >= end) break;
      at = it->first;
    }
    const UserAddr stop = std::min(end, it->second.end);
    if (it->second.mappable != nullptr) return Errno::kEBADF;
    if (vmas_.size() + 2 > kMaxMapCount) return Errno::kENOMEM;
    vmas_.Update(at, stop, [&full](Vma& v) { v.name = full; });
    at = stop;
  }
  return hole ? Status(Errno::kENOMEM) : OkStatus();
}

}  // namespace cvisor::mm
