// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// MemoryManager: one process's address space as Linux defines it: the VMA tree, the break, the
// stack, limits and accounting. The pages are the platform's (platform::AddressSpace); this class
// decides what may be mapped where. Shared by tasks cloned with CLONE_VM.
//
// Locking: mu_ guards the VMA tree and is held across the platform's mapping operations, so that
// the tree and the host agree. CopyIn/CopyOut take no lock, except when a copy runs into the
// unmapped space below a stack. No reference to a file is dropped under mu_.

#ifndef CVISOR_PKG_SENTRY_MM_MEMORY_MANAGER_H_
#define CVISOR_PKG_SENTRY_MM_MEMORY_MANAGER_H_

#include <sys/mman.h>
#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "pkg/base/io.h"
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/mm/mappable.h"
#include "pkg/sentry/mm/vma.h"
#include "pkg/sentry/mm/vma_tree.h"
#include "pkg/sentry/platform/platform.h"

namespace cvisor::mm {

// Who asks for a mapping operation: the calling task's platform context and its limits.
struct Caller {
  platform::Context& ctx;
  uint64_t rlimit_as = UINT64_MAX;
  uint64_t rlimit_data = UINT64_MAX;
  uint64_t rlimit_stack = 8u << 20;
  uint64_t rlimit_memlock = UINT64_MAX;
  bool cap_ipc_lock = true;
};

struct MmapOptions {
  UserAddr addr = 0;    // hint, or the place with MAP_FIXED
  uint64_t length = 0;  // bytes, as the application gave it
  int prot = 0;
  int flags = 0;           // MAP_*
  Ref<Mappable> mappable;  // null: anonymous
  uint64_t offset = 0;
  int max_prot = PROT_READ_WRITE_EXEC;  // what mprotect(2) may ask for later
  std::string name;                     // path shown in /proc/pid/maps, or "[heap]", "[stack]"
  // Keeps the open file alive as long as the mapping (Linux: vma->vm_file); may be null.
  Ref<RefCounted> file;
  Ref<Attachment> attachment;  // of System V shared memory; may be null

  static constexpr int PROT_READ_WRITE_EXEC = 7;
};

class MemoryManager : public RefCounted {
 public:
  static Result<Ref<MemoryManager>> New(platform::Platform& platform);

  platform::AddressSpace& as() { return *as_; }
  platform::Platform& platform() { return platform_; }

  // --- System calls: mmap(2), munmap(2), mprotect(2), mremap(2), madvise(2), brk(2), msync(2),
  // mincore(2), mlock(2) with Linux's argument checks and errors.
  Result<UserAddr> Mmap(const Caller& c, MmapOptions opts);
  Status Munmap(const Caller& c, UserAddr addr, uint64_t length);
  Status Mprotect(const Caller& c, UserAddr addr, uint64_t length, int prot);
  Result<UserAddr> Mremap(const Caller& c, UserAddr old_addr, uint64_t old_size, uint64_t new_size,
                          int flags, UserAddr new_addr);
  Status Madvise(const Caller& c, UserAddr addr, uint64_t length, int advice);
  // Returns the break after the call, which is the old one if it could not be moved.
  UserAddr Brk(const Caller& c, UserAddr addr);
  Status Msync(const Caller& c, UserAddr addr, uint64_t length, int flags);
  Status Mincore(const Caller& c, UserAddr addr, uint64_t length, UserAddr vec);
  Status Mlock(const Caller& c, UserAddr addr, uint64_t length, int flags);
  Status Munlock(const Caller& c, UserAddr addr, uint64_t length);
  Status Mlockall(const Caller& c, int flags);
  Status Munlockall(const Caller& c);

  // shmdt(2): unmaps what is left of the attachment that was made at `addr`. EINVAL if there is none.
  Status Detach(const Caller& c, UserAddr addr);

  // prctl(PR_SET_VMA_ANON_NAME): names private anonymous memory "[anon:name]"; empty takes the name
  // away. ENOMEM if there are holes, EBADF if some of it is a file's.
  Status SetAnonName(UserAddr addr, uint64_t length, std::string_view name);
  // Where mmap would put `length` bytes at a multiple of `alignment` (a power of two). Reserves
  // nothing: only for a caller that is alone, the loader.
  Result<UserAddr> FindFreeRange(uint64_t length, uint64_t alignment);

  // --- Faults. What the task does after the platform reported SIGSEGV or SIGBUS at `addr`.
  struct FaultResult {
    bool handled = false;  // e.g. the stack grew: run on
    int si_code = 0;       // else: SEGV_MAPERR, SEGV_ACCERR, BUS_ADRERR... to deliver
  };
  FaultResult HandleFault(const Caller& c, int signo, int si_code, UserAddr addr, UserAddr sp);

  // Tells that the calling host thread runs in `mm` with `ctx`, so that a copy which runs into the
  // unmapped space below a stack can grow it, as an access by the application would. Without it
  // such copies end with EFAULT. Each task thread calls this when it starts, after exec, and with
  // nulls before either goes away.
  static void BindThread(platform::Context* ctx, MemoryManager* mm);

  // --- Life. fork(2): copies the tree and the pages (MADV_DONTFORK, WIPEONFORK obeyed).
  Result<Ref<MemoryManager>> Fork(const Caller& c);
  // execve(2): an empty MemoryManager for the new image. Takes over the platform address space of
  // `old` after clearing it if the caller is its only user (cheap: no new stub), else makes a new
  // one. `old` must not be used to run afterwards in the first case; its tree is then empty.
  static Result<Ref<MemoryManager>> NewForExec(const Caller& c, MemoryManager& old);

  // Tasks that use this address space (CLONE_VM); exec and core decisions depend on it.
  void IncUsers() { users_.fetch_add(1); }
  // True if that was the last one.
  bool DecUsers() { return users_.fetch_sub(1) == 1; }
  int users() const { return users_.load(); }

  // --- Layout, set by the loader and prctl(PR_SET_MM), shown in /proc/pid/stat.
  struct Layout {
    UserAddr start_code = 0, end_code = 0, start_data = 0, end_data = 0;
    UserAddr start_brk = 0, start_stack = 0;
    UserAddr arg_start = 0, arg_end = 0, env_start = 0, env_end = 0;
    UserAddr mmap_base = 0;  // top-down placement starts here
  };
  void SetLayout(const Layout& layout);
  Layout layout() const;
  void SetBrkStart(UserAddr start);
  void SetAuxv(std::vector<uint64_t> auxv);
  std::vector<uint64_t> auxv() const;
  // The executable, for /proc/pid/exe: a vfs::FileDescription held opaquely. `write_denial` lives
  // as long as the file is some address space's executable (ETXTBSY).
  void SetExecutable(Ref<RefCounted> file, Ref<RefCounted> write_denial = nullptr);
  Ref<RefCounted> executable() const;
  // prctl(PR_SET_DUMPABLE): 0, 1, 2.
  std::atomic<int> dumpable{1};
  // prctl(PR_SET_THP_DISABLE): kept and told, for huge pages are the host's business. Also of the next
  // program.
  std::atomic<bool> thp_disabled{false};
  // prctl(PR_SET_MDWE): PR_MDWE_*. Also of the next program.
  std::atomic<uint32_t> mdwe{0};
  // membarrier(2): the MEMBARRIER_CMD_REGISTER_* commands that were given. A new program has none.
  std::atomic<int> membarrier_registrations{0};

  // --- Reading the tree. Copies of the VMAs that intersect [start, end), in order.
  std::vector<Vma> Vmas(UserAddr start = 0, UserAddr end = UINT64_MAX) const;
  // EFAULT if nothing is mapped there.
  Result<Vma> FindVma(UserAddr addr) const;

  struct Stats {
    uint64_t total_vm = 0;  // bytes mapped
    uint64_t data_vm = 0, stack_vm = 0, exec_vm = 0, shared_vm = 0, locked_vm = 0;
    uint64_t peak_vm = 0, peak_rss = 0;
  };
  Stats stats() const;
  // The highest resident size that somebody has seen so far, in bytes, without asking the platform.
  uint64_t peak_rss_seen() const { return peak_rss_.load(); }

  // Key of a futex(2) word. Private futexes are keyed by (this, addr); shared ones by what is
  // mapped.
  struct FutexKey {
    const void* object = nullptr;  // MemoryManager or Mappable
    uint64_t offset = 0;
    Ref<RefCounted> hold;  // keeps `object` alive while somebody waits
    // Whose address `offset` is, if `object` is a MemoryManager. It lives as long.
    platform::AddressSpace* space = nullptr;
  };
  Result<FutexKey> GetFutexKey(UserAddr addr, bool private_futex);

  // --- Application memory. All copies check the range against the user address range.
  // Copies everything or fails with EFAULT.
  Status CopyInBytes(UserAddr src, void* dst, size_t n);
  Status CopyOutBytes(UserAddr dst, const void* src, size_t n);
  template <typename T>
  Result<T> CopyIn(UserAddr src) {
    static_assert(std::is_trivially_copyable_v<T>);
    T v;
    RETURN_IF_ERROR(CopyInBytes(src, &v, sizeof(T)));
    return v;
  }
  template <typename T>
  Status CopyOut(UserAddr dst, const T& v) {
    static_assert(std::is_trivially_copyable_v<T>);
    return CopyOutBytes(dst, &v, sizeof(T));
  }
  // As much as possible; EFAULT only if nothing could be copied.
  Result<size_t> CopyInPartial(UserAddr src, std::span<std::byte> dst);
  Result<size_t> CopyOutPartial(UserAddr dst, std::span<const std::byte> src);
  // A NUL-terminated string of at most max_len bytes without the NUL; ENAMETOOLONG if longer. Never
  // reads past the page that holds the NUL.
  Result<std::string> CopyInString(UserAddr src, size_t max_len);
  // A path: PATH_MAX with ENAMETOOLONG.
  Result<std::string> CopyInPath(UserAddr src) { return CopyInString(src, 4095); }
  // An iovec array: at most IOV_MAX (EINVAL), lengths checked against SSIZE_MAX (EINVAL) and
  // clamped to MAX_RW_COUNT in total, as Linux does.
  Result<std::vector<iovec>> CopyInIovecs(UserAddr addr, uint64_t count);

 private:
  // Mappings to drop after mu_ was released.
  using Dropped = std::vector<Vma>;

  MemoryManager(platform::Platform& platform, Ref<platform::AddressSpace> as);
  void InheritFlags(const MemoryManager& parent);
  // PR_SET_MDWE: memory does not become executable that is or was something else.
  bool DeniesExec(int old_prot, int prot) const {
    return mdwe.load() != 0 && (prot & PROT_EXEC) != 0 &&
           ((prot & PROT_WRITE) != 0 || (old_prot & PROT_EXEC) == 0);
  }
  friend class MemoryManagerPeer;  // tests

  // mmap.cc. Checks opts->addr for MAP_FIXED, or chooses a place. `length` is in pages.
  Result<UserAddr> PlaceLocked(const MmapOptions& opts, uint64_t length)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::optional<UserAddr> FindFreeLocked(uint64_t length, uint64_t alignment)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Status CheckFixedRange(UserAddr addr, uint64_t length) const;
  // RLIMIT_AS and RLIMIT_DATA: may the address space become `bytes` larger?
  bool MayExpandLocked(const Caller& c, uint64_t bytes, bool data) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // RLIMIT_MEMLOCK.
  bool MayLockLocked(const Caller& c, uint64_t more) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // Maps vma's range on the host and puts it in the tree, replacing what is there.
  Status MapLocked(const Caller& c, Vma vma, bool populate, Dropped* dropped)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Status HostMap(const Caller& c, const Vma& vma, UserAddr start, UserAddr end, bool populate);
  // Page-aligned range.
  Status UnmapLocked(const Caller& c, UserAddr start, UserAddr end, Dropped* dropped)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void NotePeakLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // protect.cc
  Status ProtectVmaLocked(const Caller& c, const Vma& vma, UserAddr start, UserAddr end, int prot)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // remap.cc
  struct RemapRequest;
  Result<UserAddr> MoveLocked(const Caller& c, const RemapRequest& r, const Vma& vma,
                              Dropped* dropped) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Status MoveHostPages(const Caller& c, UserAddr from, UserAddr to, uint64_t length, bool keep_old);

  // advise.cc
  Status AdviseVmaLocked(const Caller& c, const Vma& vma, UserAddr start, UserAddr end, int advice)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // lock.cc
  Status SetLockedLocked(UserAddr start, UserAddr end, bool locked)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Status PopulateLocked(const Caller& c, UserAddr start, UserAddr end)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // fault.cc. Grows the stack above `addr` so that it contains it. False if there is no such stack
  // or it must not grow.
  bool GrowStackLocked(const Caller& c, UserAddr addr) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // After a copy stopped at `addr`: true if it is worth going on.
  bool GrowStackForCopy(UserAddr addr);

  // Sets the names that Linux derives from the layout: [heap], [stack].
  void NameLocked(Vma* vma) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void NoteCaller(const Caller& c) { stack_limit_.store(c.rlimit_stack); }
  bool InUserRange(UserAddr addr, uint64_t length) const;

  platform::Platform& platform_;
  const Ref<platform::AddressSpace> as_;
  std::atomic<int> users_{1};
  // exec took the address space over: nothing here is this object's any more.
  std::atomic<bool> gone_{false};
  // RLIMIT_STACK as of the last call that knew it; for growth by copies.
  std::atomic<uint64_t> stack_limit_{8u << 20};

  mutable Mutex mu_;
  VmaTree vmas_ ABSL_GUARDED_BY(mu_);
  Layout layout_ ABSL_GUARDED_BY(mu_);
  UserAddr brk_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t peak_vm_ ABSL_GUARDED_BY(mu_) = 0;
  mutable std::atomic<uint64_t> peak_rss_{0};
  int def_lock_flags_ ABSL_GUARDED_BY(mu_) = 0;  // mlockall(MCL_FUTURE)
  std::vector<uint64_t> auxv_ ABSL_GUARDED_BY(mu_);
  Ref<RefCounted> executable_ ABSL_GUARDED_BY(mu_);
  Ref<RefCounted> write_denial_ ABSL_GUARDED_BY(mu_);
};

// Application memory as the target of reads and the source of writes.
class UserSink : public IoSink {
 public:
  UserSink(MemoryManager& mm, UserAddr addr, size_t length);
  UserSink(MemoryManager& mm, std::vector<iovec> iovecs);
  size_t remaining() const override { return remaining_; }
  Result<size_t> Write(std::span<const std::byte> data) override;

 private:
  MemoryManager& mm_;
  std::vector<iovec> iovecs_;
  size_t index_ = 0;
  size_t remaining_ = 0;
};

class UserSource : public IoSource {
 public:
  UserSource(MemoryManager& mm, UserAddr addr, size_t length);
  UserSource(MemoryManager& mm, std::vector<iovec> iovecs);
  size_t remaining() const override { return remaining_; }
  Result<size_t> Read(std::span<std::byte> data) override;

 private:
  MemoryManager& mm_;
  std::vector<iovec> iovecs_;
  size_t index_ = 0;
  size_t remaining_ = 0;
};

// Shared anonymous memory (MAP_SHARED|MAP_ANONYMOUS, SysV shm): a host memfd of `size` bytes.
Result<Ref<Mappable>> NewSharedAnonymous(uint64_t size, std::string_view name);

}  // namespace cvisor::mm

#endif  // CVISOR_PKG_SENTRY_MM_MEMORY_MANAGER_H_
