// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Contents: the bytes of a tmpfs file or memfd.
//
// Small files live on the heap. A file that grows beyond kHeapLimit, or that is mapped, moves to a host
// memfd of its own for good: the host then provides sharing between mappings and read/write, holes, and
// SIGBUS behind the end. If no memfd can be made (EMFILE), a file that is not mapped stays on the heap.
//
// Bytes of a memfd are moved through a buffer in the CPU's cache and pread/pwrite at first, and through
// a mapping in the Sentry once a file was moved over about twice. Measured on the reference machine
// (GB/s, process_vm_readv from the application included): fresh pages 2.3 by pwrite in pieces of
// 256 KiB, 1.4 by writing to a mapping (page faults, and pages zeroed for nothing); pages whose mapping
// is warm 8-10, against 3.5 by pwrite.
//
// The mapping cannot fault (SIGBUS): only the Sentry truncates the memfd, under the same lock; stubs
// cannot.
//
// Locks: mu_ is held, shared for reads and exclusively for writes, while bytes are copied from and to
// the application. Nothing else is taken under it but the application's memory and the PageBudget.

#ifndef CVISOR_PKG_SENTRY_FS_TMPFS_CONTENTS_H_
#define CVISOR_PKG_SENTRY_FS_TMPFS_CONTENTS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "pkg/base/io.h"
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/base/unique_fd.h"
#include "pkg/sentry/mm/mappable.h"

namespace cvisor::fs::tmpfs {

inline constexpr uint64_t kPage = 4096;
inline constexpr uint64_t kHeapLimit = 64 << 10;
inline constexpr uint64_t kMaxFileSize = INT64_MAX;

// The pages that a file system may use: the size= option. Shared by its files. Thread safe.
class PageBudget : public RefCounted {
 public:
  explicit PageBudget(uint64_t limit) : limit_(limit) {}  // 0: no limit
  // False if they do not fit.
  bool Charge(uint64_t pages);
  // Never fails: pages that applications touched through mappings exist already.
  void ChargeAnyway(uint64_t pages) { used_.fetch_add(pages); }
  void Release(uint64_t pages) { used_.fetch_sub(pages); }
  uint64_t limit() const { return limit_.load(); }
  uint64_t used() const { return used_.load(); }
  uint64_t available() const;
  void set_limit(uint64_t pages) { limit_.store(pages); }

 private:
  std::atomic<uint64_t> limit_;
  std::atomic<uint64_t> used_{0};
};

class Contents : public mm::Mappable {
 public:
  Contents(Ref<PageBudget> budget, Identity identity);
  ~Contents() override;

  uint64_t size() const { return size_.load(); }
  uint64_t pages() const;  // allocated

  Result<size_t> Read(IoSink& dst, uint64_t offset);
  // With `append` at the end, whatever the offset. *end is the offset behind what was written. ENOSPC,
  // EFBIG, EPERM (seals).
  Result<size_t> Write(IoSource& src, uint64_t offset, bool append, uint64_t* end);
  Status Truncate(uint64_t size);
  // fallocate(2): 0, KEEP_SIZE, PUNCH_HOLE|KEEP_SIZE, ZERO_RANGE with or without KEEP_SIZE.
  Status Allocate(int mode, uint64_t offset, uint64_t length);
  // SEEK_DATA and SEEK_HOLE. ENXIO behind the end.
  Result<uint64_t> SeekDataOrHole(uint64_t offset, bool data) const;

  // fcntl(F_ADD_SEALS): EPERM once F_SEAL_SEAL is set; EBUSY for F_SEAL_WRITE while the file is mapped
  // shared and writable.
  Status AddSeals(int seals);
  int seals() const { return seals_.load(); }
  // For files that are no memfds: nothing can be sealed.
  void ForbidSeals() { seals_.store(1 /* F_SEAL_SEAL */); }
  void AllowSeals() { seals_.store(0); }

  // mm::Mappable
  Result<int> HostFdForMmap(bool shared_write) override;
  Identity identity() const override { return identity_; }

 private:
  enum class Wish { kAny, kMust };
  // Moves to a memfd if there is none yet. With kAny, failing is fine.
  Status MoveToMemfd(Wish wish) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Status Resize(uint64_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // How many bytes from `offset` on may be written under the budget; charges heap pages.
  uint64_t Reserve(uint64_t offset, uint64_t length) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Makes the charge agree with what the host has allocated.
  void SettleMemfd() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<size_t> WriteHeap(IoSource& src, uint64_t offset, size_t n)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<size_t> WriteMemfd(IoSource& src, uint64_t offset, size_t n)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void PunchHeap(uint64_t offset, uint64_t end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool WantsWindow() const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  Result<size_t> ReadLocked(IoSink& dst, uint64_t offset) ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void WarmWindow() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void DropWindow() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Ref<PageBudget> budget_;
  const Identity identity_;
  std::atomic<uint64_t> size_{0};
  std::atomic<int> seals_{0};
  mutable Mutex mu_;
  // Heap state: heap_.size() == size_, and which pages are not holes.
  std::vector<std::byte> heap_ ABSL_GUARDED_BY(mu_);
  std::vector<bool> heap_pages_ ABSL_GUARDED_BY(mu_);
  // Memfd state. The descriptor stays until the object dies: mappings are made from it.
  UniqueFd memfd_ ABSL_GUARDED_BY(mu_);
  // memfd_ once HostFdForMmap() was called: the memory manager asks again under its own lock, which
  // comes after mu_ (a copy under mu_ may have to grow a stack).
  std::atomic<int> mapped_fd_{-1};
  std::byte* window_ ABSL_GUARDED_BY(mu_) = nullptr;  // maps [0, window_size_)
  uint64_t window_size_ ABSL_GUARDED_BY(mu_) = 0;
  bool window_failed_ ABSL_GUARDED_BY(mu_) = false;
  std::atomic<uint64_t> moved_{0};  // bytes read and written, to tell when a window pays
  uint64_t charged_ ABSL_GUARDED_BY(mu_) = 0;  // pages
};

}  // namespace cvisor::fs::tmpfs

#endif  // CVISOR_PKG_SENTRY_FS_TMPFS_CONTENTS_H_
