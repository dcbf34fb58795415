// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// DentryCache: keeps recently used dentries, and through them inodes and host descriptors, alive. One
// per process, bounded, second-chance eviction. The hit path of a walk never comes here: it only sets
// a bit in the dentry.
//
// Locks: a shard's mutex is a leaf. References are dropped outside of it.

#ifndef CVISOR_PKG_SENTRY_VFS_DENTRY_CACHE_H_
#define CVISOR_PKG_SENTRY_VFS_DENTRY_CACHE_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/sentry/vfs/dentry.h"

namespace cvisor::vfs {

class DentryCache {
 public:
  static DentryCache& Get();

  // Holds a reference to `dentry` until it is evicted or removed. No-op if it is cached already.
  void Insert(Dentry& dentry);
  void Remove(Dentry& dentry);
  // Everything of one file system: when its last mount goes.
  void Purge(const FileSystem& fs);
  void set_limit(size_t limit) { limit_.store(limit); }
  size_t size() const;

 private:
  static constexpr size_t kShards = 16;
  struct Shard {
    mutable Mutex mu;
    std::vector<Ref<Dentry>> slots ABSL_GUARDED_BY(mu);
    std::vector<int> free ABSL_GUARDED_BY(mu);
    size_t hand ABSL_GUARDED_BY(mu) = 0;
  };
  Shard& ShardOf(const Dentry& dentry);
  static int ChooseVictim(Shard& shard) ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mu);

  std::atomic<size_t> limit_{8192};
  std::array<Shard, kShards> shards_;
};

}  // namespace cvisor::vfs

#endif  // CVISOR_PKG_SENTRY_VFS_DENTRY_CACHE_H_
