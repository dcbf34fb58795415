// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Host descriptors are scarce: the Sentry has one RLIMIT_NOFILE for all its applications. Descriptors
// that are merely useful to keep (directories of the cached tree, recently read files) live in FdSlots,
// which one process-wide cache empties when there are too many or when the host says EMFILE. Whoever
// works with a descriptor holds a Ref<SharedFd>; the host closes it after the last one.

#ifndef CVISOR_PKG_SENTRY_FS_HOST_FD_CACHE_H_
#define CVISOR_PKG_SENTRY_FS_HOST_FD_CACHE_H_

#include <atomic>
#include <cstddef>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/base/unique_fd.h"

namespace cvisor::fs::host {

// A host descriptor with several users. Nobody uses its file offset: all reads and writes are
// positioned.
class SharedFd final : public RefCounted {
 public:
  explicit SharedFd(UniqueFd fd) : fd_(std::move(fd)) {}
  int get() const { return fd_.get(); }

 private:
  const UniqueFd fd_;
};

// Holds at most one descriptor, which may vanish at any time. Thread safe.
class FdSlot {
 public:
  FdSlot() = default;
  ~FdSlot();
  FdSlot(const FdSlot&) = delete;
  FdSlot& operator=(const FdSlot&) = delete;

  // Null if there is none now.
  Ref<SharedFd> Get();
  // Fills the slot. If it is full already, the descriptor that is in it is returned and `fd` dropped.
  Ref<SharedFd> Put(Ref<SharedFd> fd);
  void Clear();

 private:
  friend class FdCache;
  Mutex mu_;  // leaf, after FdCache::mu_
  Ref<SharedFd> fd_ ABSL_GUARDED_BY(mu_);
  std::atomic<bool> used_{false};  // since the cache last looked
  // Guarded by FdCache::mu_.
  FdSlot* prev_ = nullptr;
  FdSlot* next_ = nullptr;
  bool listed_ = false;
};

// All filled slots, oldest first, with a second chance for those in use.
class FdCache {
 public:
  static FdCache& Get();

  // How many slots may be full before old ones are emptied. By default a quarter of RLIMIT_NOFILE.
  void set_capacity(size_t n);
  size_t size() const;
  // Empties up to `n` slots whose descriptor nobody uses. Returns how many.
  size_t Shrink(size_t n);

 private:
  friend class FdSlot;
  FdCache();
  void Added(FdSlot* slot);
  void Remove(FdSlot* slot);
  void UnlinkLocked(FdSlot* slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AppendLocked(FdSlot* slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The descriptor of the oldest slot that can do without, or null after `*budget` slots were seen.
  Ref<SharedFd> EvictLocked(size_t* budget, bool force) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_;
  FdSlot* head_ ABSL_GUARDED_BY(mu_) = nullptr;
  FdSlot* tail_ ABSL_GUARDED_BY(mu_) = nullptr;
  size_t size_ ABSL_GUARDED_BY(mu_) = 0;
  size_t capacity_ ABSL_GUARDED_BY(mu_);
};

// There was no room for a descriptor: makes some. False if that does not help any more.
inline bool ShrinkForHostFd(int* tries) {
  return ++*tries <= 4 && FdCache::Get().Shrink(size_t{64} << *tries) != 0;
}

// Runs a host call that makes a descriptor (returns it, or -1 with errno set). EINTR is retried; when
// descriptors have run out the cache shrinks and the call is repeated; at last the answer is ENFILE,
// because it is not the application's own limit that was reached.
template <typename Call>
Result<UniqueFd> MakeHostFd(Call call) {
  for (int tries = 0;;) {
    const int fd = call();
    if (fd >= 0) return UniqueFd(fd);
    if (errno == EINTR) continue;
    if (errno != EMFILE && errno != ENFILE) return HostErrno();
    if (!ShrinkForHostFd(&tries)) return Errno::kENFILE;
  }
}

}  // namespace cvisor::fs::host

#endif  // CVISOR_PKG_SENTRY_FS_HOST_FD_CACHE_H_
