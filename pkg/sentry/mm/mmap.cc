// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// mmap(2), munmap(2), brk(2), and where mappings go.

#include <linux/mman.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <utility>

#include "pkg/sentry/mm/internal.h"
#include "pkg/sentry/mm/memory_manager.h"

namespace cvisor::mm {
namespace {

// Longer memory is populated by the system call, in pieces and without the lock.
constexpr uint64_t kPopulateAtOnce = 64 << 20;

// More than the machine has: what the host refuses for private memory (vm.overcommit_memory 0)
// and does not look at for memfds, which shared memory is made of.
bool IsObviousOvercommit(uint64_t bytes) {
  struct sysinfo info;
  if (sysinfo(&info) != 0) return false;
  return bytes / info.mem_unit > uint64_t{info.totalram} + info.totalswap;
}

// glibc knows neither; MAP_UNINITIALIZED is ignored on machines with an MMU.
constexpr int kMapUninitialized = 0x4000000;
constexpr int kMapAbove4G = 0x80;
constexpr int kHugeSizeMask = 0x3f << MAP_HUGE_SHIFT;

// What MAP_SHARED_VALIDATE takes for a file without special support.
constexpr int kValidatedFlags =
    MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE |
    kMapUninitialized | MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK |
    MAP_STACK | MAP_HUGETLB | MAP_32BIT | kMapAbove4G | MAP_HUGE_2MB | MAP_HUGE_1GB;

// MAP_32BIT: the second gigabyte, as Linux has it.
constexpr UserAddr kLow32Start = 0x40000000, kLow32End = 0x80000000;

constexpr uint64_t kHugePageSize = 2u << 20;

// Checks the sharing type and the flags that depend on it.
Status CheckFlags(const MmapOptions& o) {
  const bool anonymous = (o.flags & MAP_ANONYMOUS) != 0;
  switch (o.flags & MAP_TYPE) {
    case MAP_SHARED_VALIDATE:
      if (anonymous) return Errno::kEINVAL;
      if ((o.flags & ~kValidatedFlags) != 0) return Errno::kEOPNOTSUPP;
      [[fallthrough]];
    case MAP_SHARED:
      if ((o.flags & MAP_GROWSDOWN) != 0) return Errno::kEINVAL;
      break;
    case MAP_PRIVATE:
      if (!anonymous && (o.flags & MAP_GROWSDOWN) != 0) return Errno::kEINVAL;
      break;
    default:
      return Errno::kEINVAL;
  }
  if ((o.prot & kProtMask & ~o.max_prot) != 0) return Errno::kEACCES;
  return OkStatus();
}

// There is no pool of huge pages: sizes that x86 has are used up, others do not exist.
Errno HugetlbError(int flags) {
  const int size = flags & kHugeSizeMask;
  const bool known = size == 0 || size == MAP_HUGE_2MB || size == MAP_HUGE_1GB;
  return (flags & MAP_ANONYMOUS) != 0 && known ? Errno::kENOMEM : Errno::kEINVAL;
}

}  // namespace

bool MemoryManager::MayExpandLocked(const Caller& c, uint64_t bytes, bool data) const {
  const VmaTree::Totals& t = vmas_.totals();
  if (t.total > c.rlimit_as || bytes > c.rlimit_as - t.total) return false;
  return !data || (t.data <= c.rlimit_data && bytes <= c.rlimit_data - t.data);
}

bool MemoryManager::MayLockLocked(const Caller& c, uint64_t more) const {
  if (c.cap_ipc_lock) return true;
  const uint64_t locked = vmas_.totals().locked;
  return locked <= c.rlimit_memlock && more <= c.rlimit_memlock - locked;
}

void MemoryManager::NotePeakLocked() { peak_vm_ = std::max(peak_vm_, vmas_.totals().total); }

Status MemoryManager::CheckFixedRange(UserAddr addr, uint64_t length) const {
  if (!InUserRange(addr, length)) return Errno::kENOMEM;
  if ((addr & kPageMask) != 0) return Errno::kEINVAL;
  if (addr < std::max(kMmapMinAddr, platform_.min_user_address())) return Errno::kEPERM;
  return OkStatus();
}

std::optional<UserAddr> MemoryManager::FindFreeLocked(uint64_t length, uint64_t alignment) {
  const UserAddr low = std::max(kMmapMinAddr, platform_.min_user_address());
  const UserAddr high = platform_.max_user_address();
  const UserAddr base = layout_.mmap_base != 0 ? std::min(layout_.mmap_base, high) : high;
  if (auto at = vmas_.FindFreeTopDown(length, low, base, alignment)) return at;
  if (base == high) return std::nullopt;
  // Nothing below the stack is left: what is between the stacks may do.
  return vmas_.FindFreeTopDown(length, low, high, alignment);
}

Result<UserAddr> MemoryManager::FindFreeRange(uint64_t length, uint64_t alignment) {
  if (length == 0 || PageCeil(length) == 0) return Errno::kENOMEM;
  MutexLock lock(mu_);
  auto at = FindFreeLocked(PageCeil(length), std::max(alignment, kPageSize));
  if (!at) return Errno::kENOMEM;
  return *at;
}

Result<UserAddr> MemoryManager::PlaceLocked(const MmapOptions& o, uint64_t length) {
  if (length > platform_.max_user_address()) return Errno::kENOMEM;
  if ((o.flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0) {
    RETURN_IF_ERROR(CheckFixedRange(o.addr, length));
    if ((o.flags & MAP_FIXED_NOREPLACE) != 0 && vmas_.Intersects(o.addr, o.addr + length)) {
      return Errno::kEEXIST;
    }
    return o.addr;
  }
  if (o.addr != 0) {
    UserAddr hint = PageCeil(o.addr);
    if (PageFloor(o.addr) < kMmapMinAddr) hint = kMmapMinAddr;
    const bool fits_32 = (o.flags & MAP_32BIT) == 0 || hint + length <= kLow32End;
    if (fits_32 && CheckFixedRange(hint, length).ok() && vmas_.IsFree(hint, hint + length)) {
      return hint;
    }
  }
  std::optional<UserAddr> at;
  if ((o.flags & MAP_32BIT) != 0) {
    const UserAddr high = std::min(kLow32End, platform_.max_user_address());
    at = vmas_.FindFreeBottomUp(length, kLow32Start, high);
  } else {
    // Ranges of whole huge pages are aligned to them, so that the host can use some.
    if (o.mappable == nullptr && length % kHugePageSize == 0) {
      at = FindFreeLocked(length, kHugePageSize);
    }
    if (!at) at = FindFreeLocked(length, kPageSize);
  }
  if (!at) return Errno::kENOMEM;
  return *at;
}

Status MemoryManager::HostMap(const Caller& c, const Vma& vma, UserAddr start, UserAddr end,
                              bool populate) {
  platform::MapOptions m;
  m.addr = start;
  m.length = end - start;
  m.prot = HostProt(vma.prot);
  m.shared = vma.shared;
  m.populate = populate;
  m.noreserve = vma.noreserve;
  if (vma.mappable != nullptr) {
    const bool shared_write = vma.shared && (vma.max_prot & PROT_WRITE) != 0;
    ASSIGN_OR_RETURN(m.fd, vma.mappable->HostFdForMmap(shared_write));
    m.offset = vma.offset + (start - vma.start);
  }
  return as_->Map(c.ctx, m);
}

Status MemoryManager::MapLocked(const Caller& c, Vma vma, bool populate, Dropped* dropped) {
  RETURN_IF_ERROR(HostMap(c, vma, vma.start, vma.end, populate));
  vmas_.Remove(vma.start, vma.end, dropped);
  vmas_.Insert(std::move(vma));
  NotePeakLocked();
  return OkStatus();
}

Status MemoryManager::UnmapLocked(const Caller& c, UserAddr start, UserAddr end, Dropped* dropped) {
  if (!vmas_.Intersects(start, end)) return OkStatus();
  // Only cutting one mapping in two makes more of them.
  const Vma* vma = vmas_.Find(start);
  if (vma != nullptr && vma->start < start && vma->end > end && vmas_.size() >= kMaxMapCount) {
    return Errno::kENOMEM;
  }
  RETURN_IF_ERROR(as_->Unmap(c.ctx, start, end - start));
  vmas_.Remove(start, end, dropped);
  return OkStatus();
}

Result<UserAddr> MemoryManager::Mmap(const Caller& c, MmapOptions o) {
  NoteCaller(c);
  if ((o.flags & MAP_HUGETLB) != 0) return HugetlbError(o.flags);
  if (o.length == 0) return Errno::kEINVAL;
  const uint64_t length = PageCeil(o.length);
  if (length == 0) return Errno::kENOMEM;
  if ((o.offset & kPageMask) != 0) return Errno::kEINVAL;
  if (o.mappable != nullptr && (o.offset > INT64_MAX || length > INT64_MAX - o.offset)) {
    return Errno::kEOVERFLOW;
  }

  const bool shared = (o.flags & MAP_TYPE) != MAP_PRIVATE;
  if (o.mappable != nullptr) {
    // The first time this may take the file's lock, under which reads and writes copy application
    // memory, and these may grow a stack: it must not happen under mu_.
    RETURN_IF_ERROR(o.mappable->HostFdForMmap(shared && (o.max_prot & PROT_WRITE) != 0));
  }
  Vma vma;
  Dropped dropped;
  MutexLock lock(mu_);
  if (gone_.load() || vmas_.size() > kMaxMapCount) return Errno::kENOMEM;
  ASSIGN_OR_RETURN(vma.start, PlaceLocked(o, length));
  vma.end = vma.start + length;
  vma.locked = (o.flags & MAP_LOCKED) != 0 || (def_lock_flags_ & MCL_FUTURE) != 0;
  if ((o.flags & MAP_LOCKED) != 0 && !c.cap_ipc_lock && c.rlimit_memlock == 0) return Errno::kEPERM;
  if (vma.locked && !MayLockLocked(c, length)) return Errno::kEAGAIN;
  RETURN_IF_ERROR(CheckFlags(o));
  if (DeniesExec(o.prot, o.prot)) return Errno::kEACCES;
  vma.prot = o.prot & kProtMask;
  vma.max_prot = o.max_prot;
  vma.shared = shared;
  vma.growsdown = (o.flags & MAP_GROWSDOWN) != 0;
  vma.noreserve = (o.flags & MAP_NORESERVE) != 0;
  const uint64_t replaced = vmas_.BytesMapped(vma.start, vma.end);
  const bool data = IsDataMapping(vma.prot, vma.shared, vma.growsdown);
  if (!MayExpandLocked(c, length - replaced, data)) return Errno::kENOMEM;
  if (replaced != 0 && vmas_.size() + vmas_.SplitsNeeded(vma.start, vma.end) > kMaxMapCount + 1) {
    return Errno::kENOMEM;
  }
  if (o.mappable == nullptr && shared) {  // MAP_ANONYMOUS, or /dev/zero
    if (!vma.noreserve && IsObviousOvercommit(length)) return Errno::kENOMEM;
    ASSIGN_OR_RETURN(o.mappable, NewSharedAnonymous(length, "/dev/zero (deleted)"));
    o.offset = 0;
    if (o.name.empty()) o.name = "/dev/zero (deleted)";
  }
  vma.mappable = std::move(o.mappable);
  vma.offset = vma.mappable != nullptr ? o.offset : 0;
  vma.name = std::move(o.name);
  vma.file = std::move(o.file);
  vma.attachment = std::move(o.attachment);

  const bool populate =
      (vma.locked && length <= kPopulateAtOnce) || ((o.flags & MAP_POPULATE) != 0 && (o.flags & MAP_NONBLOCK) == 0);
  const UserAddr start = vma.start;
  RETURN_IF_ERROR(MapLocked(c, std::move(vma), populate, &dropped));
  return start;
}

Status MemoryManager::Munmap(const Caller& c, UserAddr addr, uint64_t length) {
  NoteCaller(c);
  if ((addr & kPageMask) != 0 || length == 0 || !InUserRange(addr, length)) return Errno::kEINVAL;
  Dropped dropped;
  MutexLock lock(mu_);
  return UnmapLocked(c, addr, addr + PageCeil(length), &dropped);
}

Status MemoryManager::Detach(const Caller& c, UserAddr addr) {
  NoteCaller(c);
  if ((addr & kPageMask) != 0 || !InUserRange(addr, kPageSize)) return Errno::kEINVAL;
  Dropped dropped;
  MutexLock lock(mu_);
  if (gone_.load()) return Errno::kEINVAL;
  // The first piece may have been unmapped: an offset tells where the attachment began.
  Ref<Attachment> attachment;
  std::vector<std::pair<UserAddr, UserAddr>> pieces;
  for (auto it = vmas_.FindFrom(addr); it != vmas_.end(); ++it) {
    const Vma& vma = it->second;
    if (vma.attachment == nullptr || vma.start < addr || vma.start - addr != vma.offset) continue;
    if (attachment == nullptr) attachment = vma.attachment;
    if (vma.attachment == attachment) pieces.emplace_back(vma.start, vma.end);
  }
  if (pieces.empty()) return Errno::kEINVAL;
  for (const auto& [start, end] : pieces) RETURN_IF_ERROR(UnmapLocked(c, start, end, &dropped));
  // Dropped before the attachment is: it must not be the last reference under mu_.
  dropped.push_back(Vma{.attachment = std::move(attachment)});
  return OkStatus();
}

UserAddr MemoryManager::Brk(const Caller& c, UserAddr addr) {
  NoteCaller(c);
  Dropped dropped;
  MutexLock lock(mu_);
  const UserAddr old = brk_;
  if (gone_.load() || addr < layout_.start_brk || !InUserRange(addr, kPageSize)) return old;
  const uint64_t data = layout_.end_data - layout_.start_data;
  const uint64_t heap = addr - layout_.start_brk;
  if (data > c.rlimit_data || heap > c.rlimit_data - data) return old;

  const UserAddr old_end = PageCeil(old);
  const UserAddr new_end = PageCeil(addr);
  if (new_end < old_end) {
    if (!UnmapLocked(c, new_end, old_end, &dropped).ok()) return old;
  } else if (new_end > old_end) {
    const uint64_t more = new_end - old_end;
    // A page stays free between the heap and what comes next.
    if (!InUserRange(new_end, kPageSize) || !vmas_.IsFree(old_end, new_end + kPageSize)) return old;
    if (!MayExpandLocked(c, more, true) || vmas_.size() > kMaxMapCount) return old;
    Vma vma;
    vma.start = old_end;
    vma.end = new_end;
    vma.prot = PROT_READ | PROT_WRITE;
    vma.locked = (def_lock_flags_ & MCL_FUTURE) != 0;
    if (vma.locked && !MayLockLocked(c, more)) return old;
    const bool populate = vma.locked;
    if (!MapLocked(c, std::move(vma), populate, &dropped).ok()) return old;
  }
  brk_ = addr;
  return brk_;
}

}  // namespace cvisor::mm
