// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/vfs/dentry_cache.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace cvisor::vfs {

DentryCache& DentryCache::Get() {
  static auto* cache = new DentryCache;  // never destroyed: dentries may outlive main()
  return *cache;
}

DentryCache::Shard& DentryCache::ShardOf(const Dentry& dentry) {
  const auto p = reinterpret_cast<uintptr_t>(&dentry);
  return shards_[((p >> 6) ^ (p >> 13)) % kShards];
}

// Dentries that others hold gain nothing from eviction, so they are passed over for a while.
int DentryCache::ChooseVictim(Shard& shard) {
  constexpr int kPatience = 64;
  for (int i = 0; i < kPatience; ++i) {
    shard.hand = (shard.hand + 1) % shard.slots.size();
    const Ref<Dentry>& d = shard.slots[shard.hand];
    if (d == nullptr) continue;
    if (d->referenced_.exchange(false, std::memory_order_relaxed)) continue;
    if (d->ref_count() == 1) return static_cast<int>(shard.hand);
  }
  return static_cast<int>(shard.hand);
}

void DentryCache::Insert(Dentry& dentry) {
  Ref<Dentry> dropped;
  Shard& shard = ShardOf(dentry);
  const size_t limit = std::max<size_t>(1, limit_.load(std::memory_order_relaxed) / kShards);
  MutexLock lock(shard.mu);
  if (dentry.cache_slot_.load() >= 0 || dentry.deleted()) return;
  int slot;
  if (!shard.free.empty()) {
    slot = shard.free.back();
    shard.free.pop_back();
  } else if (shard.slots.size() < limit) {
    slot = static_cast<int>(shard.slots.size());
    shard.slots.emplace_back();
  } else {
    slot = ChooseVictim(shard);
    dropped = std::move(shard.slots[slot]);
    if (dropped != nullptr) dropped->cache_slot_.store(-1);
  }
  shard.slots[slot] = Ref<Dentry>(&dentry);
  dentry.cache_slot_.store(slot);
  // `dropped` goes after the lock: it was declared first.
}

void DentryCache::Remove(Dentry& dentry) {
  Ref<Dentry> dropped;
  Shard& shard = ShardOf(dentry);
  MutexLock lock(shard.mu);
  const int slot = dentry.cache_slot_.exchange(-1);
  if (slot < 0) return;
  dropped = std::move(shard.slots[slot]);
  shard.free.push_back(slot);
}

void DentryCache::Purge(const FileSystem& fs) {
  for (Shard& shard : shards_) {
    std::vector<Ref<Dentry>> dropped;
    MutexLock lock(shard.mu);
    for (size_t i = 0; i < shard.slots.size(); ++i) {
      if (shard.slots[i] == nullptr || &shard.slots[i]->inode()->fs() != &fs) continue;
      shard.slots[i]->cache_slot_.store(-1);
      dropped.push_back(std::move(shard.slots[i]));
      shard.free.push_back(static_cast<int>(i));
    }
  }
}

size_t DentryCache::size() const {
  size_t n = 0;
  for (const Shard& shard : shards_) {
    MutexLock lock(shard.mu);
    n += shard.slots.size() - shard.free.size();
  }
  return n;
}

void SetDentryCacheLimit(size_t limit) { DentryCache::Get().set_limit(limit); }

}  // namespace cvisor::vfs
