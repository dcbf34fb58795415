// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// mprotect(2).

#include <sys/mman.h>

#include <algorithm>

#include "pkg/sentry/mm/internal.h"
#include "pkg/sentry/mm/memory_manager.h"

namespace cvisor::mm {
namespace {

// <asm-generic/mman-common.h>: accepted, without a meaning on x86.
constexpr int kProtSem = 0x8;

}  // namespace

Status MemoryManager::ProtectVmaLocked(const Caller& c, const Vma& vma, UserAddr start,
                                       UserAddr end, int prot) {
  if ((prot & ~vma.max_prot) != 0 || DeniesExec(vma.prot, prot)) return Errno::kEACCES;
  if (vma.prot == prot) return OkStatus();
  const bool becomes_data = !IsDataMapping(vma.prot, vma.shared, vma.growsdown) &&
                            IsDataMapping(prot, vma.shared, vma.growsdown);
  // Only RLIMIT_DATA matters here: the size stays.
  const uint64_t data = vmas_.totals().data;
  if (becomes_data && (data > c.rlimit_data || end - start > c.rlimit_data - data)) {
    return Errno::kENOMEM;
  }
  const size_t cuts = (vma.start < start ? 1 : 0) + (vma.end > end ? 1 : 0);
  if (cuts != 0 && vmas_.size() + cuts > kMaxMapCount) return Errno::kENOMEM;
  RETURN_IF_ERROR(as_->Protect(c.ctx, start, end - start, HostProt(prot)));
  vmas_.Update(start, end, [prot](Vma& v) { v.prot = prot; });
  return OkStatus();
}

Status MemoryManager::Mprotect(const Caller& c, UserAddr addr, uint64_t length, int prot) {
  NoteCaller(c);
  const int grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
  prot &= ~(PROT_GROWSDOWN | PROT_GROWSUP);
  if (grows == (PROT_GROWSDOWN | PROT_GROWSUP)) return Errno::kEINVAL;
  if ((addr & kPageMask) != 0) return Errno::kEINVAL;
  if (length == 0) return OkStatus();
  length = PageCeil(length);
  const UserAddr end = addr + length;
  if (end <= addr) return Errno::kENOMEM;
  if ((prot & ~(kProtMask | kProtSem)) != 0) return Errno::kEINVAL;
  prot &= kProtMask;

  MutexLock lock(mu_);
  auto it = vmas_.FindFrom(addr);
  if (it == vmas_.end()) return Errno::kENOMEM;
  UserAddr at = addr;
  if (grows == PROT_GROWSDOWN) {
    if (it->first >= end) return Errno::kENOMEM;
    if (!it->second.growsdown) return Errno::kEINVAL;
    at = it->first;
  } else {
    if (it->first > addr) return Errno::kENOMEM;
    if (grows == PROT_GROWSUP) return Errno::kEINVAL;  // x86 has no such mappings
  }
  // Mapping by mapping, as Linux: what comes before an error stays changed.
  while (at < end) {
    const Vma* vma = vmas_.Find(at);
    if (vma == nullptr) return Errno::kENOMEM;
    const Vma copy = *vma;  // the tree changes
    const UserAddr stop = std::min(end, copy.end);
    RETURN_IF_ERROR(ProtectVmaLocked(c, copy, at, stop, prot));
    at = stop;
  }
  return OkStatus();
}

}  // namespace cvisor::mm
