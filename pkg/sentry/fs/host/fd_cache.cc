// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/host/fd_cache.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace cvisor::fs::host {

FdSlot::~FdSlot() { Clear(); }

Ref<SharedFd> FdSlot::Get() {
  MutexLock lock(mu_);
  if (fd_ != nullptr && !used_.load(std::memory_order_relaxed)) {
    used_.store(true, std::memory_order_relaxed);
  }
  return fd_;
}

Ref<SharedFd> FdSlot::Put(Ref<SharedFd> fd) {
  {
    MutexLock lock(mu_);
    if (fd_ != nullptr) return fd_;
    fd_ = fd;
    used_.store(true, std::memory_order_relaxed);
  }
  FdCache::Get().Added(this);
  return fd;
}

void FdSlot::Clear() { FdCache::Get().Remove(this); }

FdCache& FdCache::Get() {
  static FdCache* const cache = new FdCache();
  return *cache;
}

FdCache::FdCache() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  capacity_ = std::clamp<rlim_t>(limit.rlim_cur / 4, 16, 16384);
}

void FdCache::set_capacity(size_t n) {
  size_t excess = 0;
  {
    MutexLock lock(mu_);
    capacity_ = std::max<size_t>(n, 1);
    excess = size_ > capacity_ ? size_ - capacity_ : 0;
  }
  if (excess != 0) Shrink(excess);
}

size_t FdCache::size() const {
  MutexLock lock(const_cast<Mutex&>(mu_));
  return size_;
}

void FdCache::UnlinkLocked(FdSlot* slot) {
  (slot->prev_ != nullptr ? slot->prev_->next_ : head_) = slot->next_;
  (slot->next_ != nullptr ? slot->next_->prev_ : tail_) = slot->prev_;
  slot->prev_ = slot->next_ = nullptr;
  slot->listed_ = false;
  --size_;
}

void FdCache::AppendLocked(FdSlot* slot) {
  slot->prev_ = tail_;
  slot->next_ = nullptr;
  (tail_ != nullptr ? tail_->next_ : head_) = slot;
  tail_ = slot;
  slot->listed_ = true;
  ++size_;
}

Ref<SharedFd> FdCache::EvictLocked(size_t* budget, bool force) {
  while (head_ != nullptr && *budget > 0) {
    --*budget;
    FdSlot* slot = head_;
    UnlinkLocked(slot);
    MutexLock lock(slot->mu_);
    // A descriptor in use stays: emptying the slot would free nothing, and the next user would open
    // another one.
    const bool recent = slot->used_.exchange(false, std::memory_order_relaxed) && !force;
    if (slot->fd_ != nullptr && (recent || slot->fd_->ref_count() > 1)) {
      AppendLocked(slot);
      continue;
    }
    if (slot->fd_ != nullptr) return std::exchange(slot->fd_, nullptr);
  }
  return nullptr;
}

void FdCache::Added(FdSlot* slot) {
  Ref<SharedFd> victims[2];  // closed without the lock
  MutexLock lock(mu_);
  if (!slot->listed_) AppendLocked(slot);
  size_t budget = 64;  // if so many are in use, the cache may grow beyond its capacity
  for (Ref<SharedFd>& victim : victims) {
    if (size_ > capacity_) victim = EvictLocked(&budget, /*force=*/false);
  }
}

void FdCache::Remove(FdSlot* slot) {
  Ref<SharedFd> fd;
  MutexLock lock(mu_);
  if (slot->listed_) UnlinkLocked(slot);
  MutexLock slot_lock(slot->mu_);
  fd = std::exchange(slot->fd_, nullptr);
}

size_t FdCache::Shrink(size_t n) {
  std::vector<Ref<SharedFd>> victims;
  MutexLock lock(mu_);
  size_t budget = 2 * size_;
  while (victims.size() < n) {
    auto fd = EvictLocked(&budget, /*force=*/true);
    if (fd == nullptr) break;
    victims.push_back(std::move(fd));
  }
  return victims.size();
}

}  // namespace cvisor::fs::host
