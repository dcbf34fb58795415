// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// System V shared memory (shmget(2), shmop(2), shmctl(2)). A segment is a host memfd that address
// spaces map; the memory manager holds an Attachment in each mapping, so that a segment knows how
// often it is attached through fork, exec, munmap and exit.
//
// Locking: the registry's mu_ guards everything that changes. Memory managers call Attachment::Fork
// under their lock, so nothing but a wait queue may be locked under mu_.

#ifndef CVISOR_PKG_SENTRY_IPC_SHARED_MEMORY_H_
#define CVISOR_PKG_SENTRY_IPC_SHARED_MEMORY_H_

#include <atomic>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/sentry/ipc/id_table.h"
#include "pkg/sentry/ipc/object.h"
#include "pkg/sentry/mm/mappable.h"

namespace cvisor::ipc {

class SharedMemory;

// What IPC_STAT and /proc/sysvipc/shm tell.
struct ShmStatus {
  int id = 0;
  Permissions perm;
  uint64_t size = 0, attached = 0;
  int64_t atime = 0, dtime = 0, ctime = 0;
  ProcessRef cpid, lpid;
  uint64_t resident_bytes = 0;
};

class ShmSegment : public Object {
 public:
  uint64_t size() const { return size_; }
  key_t creation_key() const { return creation_key_; }
  const Ref<mm::Mappable>& pages() const { return pages_; }

 private:
  friend class SharedMemory;
  friend class ShmAttachment;
  ShmSegment(uint64_t size, key_t key, Ref<mm::Mappable> pages)
      : size_(size), creation_key_(key), pages_(std::move(pages)) {}

  const uint64_t size_;
  const key_t creation_key_;
  const Ref<mm::Mappable> pages_;
  // The registry's mu_:
  ShmStatus status_;
  bool removed_ = false;  // IPC_RMID: goes with its last attachment
};

// One shmat(2), or its copy in a child of fork(2). Detaches when the last mapping of it goes.
class ShmAttachment : public mm::Attachment {
 public:
  ShmAttachment(Ref<SharedMemory> registry, Ref<ShmSegment> segment)
      : registry_(std::move(registry)), segment_(std::move(segment)) {}
  ~ShmAttachment() override;
  Ref<mm::Attachment> Fork() override;
  void AddPieces(int n) override;
  // The mapping exists: from now on the segment's times tell of it.
  void Established();

  const ShmSegment& segment() const { return *segment_; }

 private:
  friend class SharedMemory;
  const Ref<SharedMemory> registry_;
  const Ref<ShmSegment> segment_;
  bool established_ = false;
  int pieces_ = 0;  // the registry's mu_. Until there is one it counts as one
};

// The segments of an IPC namespace.
class SharedMemory : public RefCounted {
 public:
  // `user_ns` owns the namespace.
  explicit SharedMemory(Ref<UserNamespace> user_ns = UserNamespace::Root())
      : user_ns_(std::move(user_ns)) {}

  // /proc/sys/kernel/shmmax, shmall (pages), shmmni.
  struct Limits {
    std::atomic<uint64_t> max{UINT64_MAX - (uint64_t{1} << 24)};
    std::atomic<uint64_t> all{UINT64_MAX - (uint64_t{1} << 24)};
    std::atomic<uint64_t> ids{4096};
  };
  Limits& limits() { return limits_; }

  // shmget(2).
  Result<int> Get(key_t key, uint64_t size, int flags, const Credentials& creds);
  // For shmat(2), counted from here on. `wanted`: kMayRead and so on. EINVAL, EACCES.
  Result<Ref<ShmAttachment>> Attach(int id, int wanted, const Credentials& creds);
  // IPC_STAT. EINVAL, EACCES.
  Result<ShmStatus> Stat(int id, const Credentials& creds);
  // SHM_STAT, SHM_STAT_ANY: by index; without credentials nobody checks permission.
  Result<ShmStatus> StatIndex(int index, const Credentials* creds);
  Status Set(int id, const Credentials& creds, uid_t uid, gid_t gid, uint32_t mode);  // IPC_SET
  Status Remove(int id, const Credentials& creds);                                    // IPC_RMID
  // SHM_LOCK, SHM_UNLOCK: the mark only; pages are the host's. `memlock` is RLIMIT_MEMLOCK.
  Status Lock(int id, const Credentials& creds, bool lock, uint64_t memlock);

  struct Totals {
    int max_index = 0;
    size_t segments = 0;
    uint64_t pages = 0, resident_pages = 0;
  };
  Totals totals();
  std::vector<ShmStatus> All();

 private:
  friend class ShmAttachment;

  const Ref<UserNamespace> user_ns_;
  Result<Ref<ShmSegment>> Make(key_t key, uint64_t size, int flags, const Credentials& creds)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Called when an attachment goes. Destroys a removed segment after its last one.
  void Detach(ShmSegment& segment, const ShmAttachment& attachment);
  static ShmStatus StatusOf(const ShmSegment& segment);

  Limits limits_;
  Mutex mu_;
  IdTable<ShmSegment> table_ ABSL_GUARDED_BY(mu_);
  uint64_t total_pages_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace cvisor::ipc

#endif  // CVISOR_PKG_SENTRY_IPC_SHARED_MEMORY_H_
