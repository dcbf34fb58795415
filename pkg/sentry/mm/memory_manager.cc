// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Life (fork, exec), layout and queries.

#include "pkg/sentry/mm/memory_manager.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "pkg/sentry/mm/internal.h"

namespace cvisor::mm {

MemoryManager::MemoryManager(platform::Platform& platform, Ref<platform::AddressSpace> as)
    : platform_(platform), as_(std::move(as)) {}

Result<Ref<MemoryManager>> MemoryManager::New(platform::Platform& platform) {
  ASSIGN_OR_RETURN(auto as, platform.NewAddressSpace());
  return Ref<MemoryManager>(new MemoryManager(platform, std::move(as)));
}

Result<Ref<MemoryManager>> MemoryManager::Fork(const Caller& c) {
  NoteCaller(c);
  Ref<MemoryManager> child;
  MutexLock lock(mu_);
  // The platform has been told of MADV_DONTFORK and MADV_WIPEONFORK when they were set, and leaves
  // those pages out.
  ASSIGN_OR_RETURN(auto as, as_->Fork(c.ctx));
  child = Ref<MemoryManager>(new MemoryManager(platform_, std::move(as)));
  MutexLock child_lock(child->mu_);  // nobody else knows it yet
  std::map<Attachment*, Ref<Attachment>> attachments;
  for (const auto& [start, vma] : vmas_) {
    if (vma.dontfork) continue;
    Vma copy = vma;
    copy.locked = false;
    if (vma.attachment != nullptr) {
      auto& forked = attachments[vma.attachment.get()];
      if (forked == nullptr) forked = vma.attachment->Fork();
      copy.attachment = forked;
    }
    child->vmas_.Insert(std::move(copy));
  }
  child->layout_ = layout_;
  child->brk_ = brk_;
  child->auxv_ = auxv_;
  child->executable_ = executable_;
  child->write_denial_ = write_denial_;
  child->dumpable.store(dumpable.load());
  child->InheritFlags(*this);
  child->membarrier_registrations.store(membarrier_registrations.load());
  child->stack_limit_.store(stack_limit_.load());
  child->peak_vm_ = child->vmas_.totals().total;
  return child;
}

Result<Ref<MemoryManager>> MemoryManager::NewForExec(const Caller& c, MemoryManager& old) {
  if (old.users() > 1) {
    ASSIGN_OR_RETURN(auto fresh, New(old.platform_));
    fresh->InheritFlags(old);
    return fresh;
  }
  Dropped dropped;
  Ref<RefCounted> executable, write_denial;
  {
    MutexLock lock(old.mu_);
    // Copies by other tasks (/proc/pid/mem) must not see the new image through the old object.
    old.gone_.store(true);
    old.vmas_.Clear(&dropped);
    executable.swap(old.executable_);
    write_denial.swap(old.write_denial_);
    RETURN_IF_ERROR(old.as_->Clear(c.ctx));
  }
  Ref<MemoryManager> next(new MemoryManager(old.platform_, old.as_));
  next->InheritFlags(old);
  return next;
}

void MemoryManager::InheritFlags(const MemoryManager& parent) {
  constexpr uint32_t kNoInherit = 2;  // PR_MDWE_NO_INHERIT
  thp_disabled.store(parent.thp_disabled.load());
  const uint32_t flags = parent.mdwe.load();
  mdwe.store((flags & kNoInherit) != 0 ? 0 : flags);
}

void MemoryManager::SetLayout(const Layout& layout) {
  MutexLock lock(mu_);
  layout_ = layout;
}

MemoryManager::Layout MemoryManager::layout() const {
  ReaderLock lock(mu_);
  return layout_;
}

void MemoryManager::SetBrkStart(UserAddr start) {
  MutexLock lock(mu_);
  layout_.start_brk = start;
  brk_ = start;
}

void MemoryManager::SetAuxv(std::vector<uint64_t> auxv) {
  MutexLock lock(mu_);
  auxv_ = std::move(auxv);
}

std::vector<uint64_t> MemoryManager::auxv() const {
  ReaderLock lock(mu_);
  return auxv_;
}

void MemoryManager::SetExecutable(Ref<RefCounted> file, Ref<RefCounted> write_denial) {
  // Swapped, so that the old ones are dropped after the lock.
  MutexLock lock(mu_);
  executable_.swap(file);
  write_denial_.swap(write_denial);
}

Ref<RefCounted> MemoryManager::executable() const {
  ReaderLock lock(mu_);
  return executable_;
}

void MemoryManager::NameLocked(Vma* vma) const {
  if (vma->mappable != nullptr || !vma->name.empty()) return;
  if (vma->start < brk_ && vma->end > layout_.start_brk) {
    vma->name = "[heap]";
  } else if (layout_.start_stack != 0 && vma->start <= layout_.start_stack &&
             vma->end >= layout_.start_stack) {
    vma->name = "[stack]";
  }
}

std::vector<Vma> MemoryManager::Vmas(UserAddr start, UserAddr end) const {
  std::vector<Vma> result;
  ReaderLock lock(mu_);
  for (auto it = vmas_.FindFrom(start); it != vmas_.end() && it->first < end; ++it) {
    result.push_back(it->second);
    NameLocked(&result.back());
  }
  return result;
}

Result<Vma> MemoryManager::FindVma(UserAddr addr) const {
  ReaderLock lock(mu_);
  const Vma* vma = vmas_.Find(addr);
  if (vma == nullptr) return Errno::kEFAULT;
  Vma copy = *vma;
  NameLocked(&copy);
  return copy;
}

MemoryManager::Stats MemoryManager::stats() const {
  const uint64_t rss = gone_.load() ? 0 : as_->GetUsage().rss_bytes;
  uint64_t peak = peak_rss_.load();
  while (rss > peak && !peak_rss_.compare_exchange_weak(peak, rss)) {
  }
  ReaderLock lock(mu_);
  const VmaTree::Totals& t = vmas_.totals();
  Stats s;
  s.total_vm = t.total;
  s.data_vm = t.data;
  s.stack_vm = t.stack;
  s.exec_vm = t.exec;
  s.shared_vm = t.shared;
  s.locked_vm = t.locked;
  s.peak_vm = peak_vm_;
  s.peak_rss = std::max(peak, rss);
  return s;
}

Result<MemoryManager::FutexKey> MemoryManager::GetFutexKey(UserAddr addr, bool private_futex) {
  if (addr % sizeof(uint32_t) != 0) return Errno::kEINVAL;
  if (!InUserRange(addr, sizeof(uint32_t))) return Errno::kEFAULT;
  FutexKey key{this, addr, Ref<RefCounted>(this), as_.get()};
  if (private_futex) return key;
  ReaderLock lock(mu_);
  const Vma* vma = vmas_.Find(addr);
  if (vma == nullptr || vma->prot == PROT_NONE) return Errno::kEFAULT;
  // Private mappings of files count as anonymous: the word is written, so the page becomes a copy.
  if (!vma->shared) return key;
  return FutexKey{vma->mappable.get(), vma->offset + (addr - vma->start), vma->mappable, nullptr};
}

bool MemoryManager::InUserRange(UserAddr addr, uint64_t length) const {
  const UserAddr max = platform_.max_user_address();
  return addr <= max && length <= max - addr;
}

}  // namespace cvisor::mm
