// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/ipc/shared_memory.h"

#include <sys/shm.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "pkg/sentry/mm/memory_manager.h"

namespace cvisor::ipc {
namespace {

uint64_t PagesOf(uint64_t bytes) { return mm::PageCeil(bytes) / mm::kPageSize; }

uint64_t ResidentBytes(const Ref<mm::Mappable>& pages) {
  const auto fd = pages->HostFdForMmap(/*shared_write=*/false);
  struct stat st;
  if (!fd.ok() || fstat(*fd, &st) != 0) return 0;
  return static_cast<uint64_t>(st.st_blocks) * 512;
}

}  // namespace

ShmAttachment::~ShmAttachment() { registry_->Detach(*segment_, *this); }

void ShmAttachment::Established() {
  established_ = true;
  MutexLock lock(registry_->mu_);
  segment_->status_.atime = NowSeconds();
  segment_->status_.lpid = CurrentProcess();
}

void ShmAttachment::AddPieces(int n) {
  MutexLock lock(registry_->mu_);
  const int before = std::max(pieces_, 1);
  pieces_ += n;
  const int after = std::max(pieces_, 1);
  if (after == before) return;
  segment_->status_.attached += static_cast<uint64_t>(after - before);
  (after > before ? segment_->status_.atime : segment_->status_.dtime) = NowSeconds();
  segment_->status_.lpid = CurrentProcess();
}

Ref<mm::Attachment> ShmAttachment::Fork() {
  auto child = MakeRef<ShmAttachment>(registry_, segment_);
  {
    MutexLock lock(registry_->mu_);
    ++segment_->status_.attached;
  }
  child->Established();
  return child;
}

Result<Ref<ShmSegment>> SharedMemory::Make(key_t key, uint64_t size, int flags,
                                           const Credentials& creds) {
  if (size == 0 || size > limits_.max.load()) return Errno::kEINVAL;
  const uint64_t pages = PagesOf(size);
  const uint64_t all = limits_.all.load();
  if (pages == 0) return Errno::kENOSPC;  // the size rounds up to 2^64
  if (total_pages_ > all || pages > all - total_pages_) return Errno::kENOSPC;
  if (table_.Full(limits_.ids.load())) return Errno::kENOSPC;
  // There is no pool of huge pages.
  if ((flags & SHM_HUGETLB) != 0) return Errno::kENOMEM;
  char name[32];
  std::snprintf(name, sizeof(name), "SYSV%08x", static_cast<unsigned>(key));
  ASSIGN_OR_RETURN(auto memory, mm::NewSharedAnonymous(pages * mm::kPageSize, name));
  Ref<ShmSegment> segment(new ShmSegment(size, key, std::move(memory)));
  segment->status_.perm = Permissions::ForNew(key, flags, creds, user_ns_);
  segment->status_.size = size;
  segment->status_.ctime = NowSeconds();
  segment->status_.cpid = CurrentProcess();
  total_pages_ += pages;
  return segment;
}

Result<int> SharedMemory::Get(key_t key, uint64_t size, int flags, const Credentials& creds) {
  MutexLock lock(mu_);
  return table_.Get(
      key, flags, limits_.ids.load(),
      [&](const ShmSegment& found) -> Status {
        if (found.size() < size) return Errno::kEINVAL;
        return found.status_.perm.Check(creds, flags);
      },
      [&]() -> Result<Ref<ShmSegment>> {
        mu_.AssertHeld();
        return Make(key, size, flags, creds);
      });
}

Result<Ref<ShmAttachment>> SharedMemory::Attach(int id, int wanted, const Credentials& creds) {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(Ref<ShmSegment> segment, table_.Find(id));
  RETURN_IF_ERROR(segment->status_.perm.Check(creds, wanted));
  ++segment->status_.attached;
  return MakeRef<ShmAttachment>(Ref<SharedMemory>(this), std::move(segment));
}

void SharedMemory::Detach(ShmSegment& segment, const ShmAttachment& attachment) {
  Ref<ShmSegment> last(&segment);  // dropped after the lock: closes the memfd
  MutexLock lock(mu_);
  // An address space that goes as a whole does not take its pieces off one by one.
  segment.status_.attached -= static_cast<uint64_t>(std::max(attachment.pieces_, 1));
  if (attachment.established_) {
    segment.status_.dtime = NowSeconds();
    segment.status_.lpid = CurrentProcess();
  }
  if (segment.removed_ && segment.status_.attached == 0) {
    table_.Remove(segment.id());
    total_pages_ -= PagesOf(segment.size());
  }
}

ShmStatus SharedMemory::StatusOf(const ShmSegment& segment) {
  ShmStatus status = segment.status_;
  status.id = segment.id();
  return status;
}

Result<ShmStatus> SharedMemory::Stat(int id, const Credentials& creds) {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(Ref<ShmSegment> segment, table_.Find(id));
  RETURN_IF_ERROR(segment->status_.perm.Check(creds, kMayRead));
  return StatusOf(*segment);
}

Result<ShmStatus> SharedMemory::StatIndex(int index, const Credentials* creds) {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(Ref<ShmSegment> segment, table_.FindIndex(index));
  if (creds != nullptr) RETURN_IF_ERROR(segment->status_.perm.Check(*creds, kMayRead));
  return StatusOf(*segment);
}

Status SharedMemory::Set(int id, const Credentials& creds, uid_t uid, gid_t gid, uint32_t mode) {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(Ref<ShmSegment> segment, table_.Find(id));
  RETURN_IF_ERROR(segment->status_.perm.CheckControl(creds));
  segment->status_.perm.Change(uid, gid, mode);
  segment->status_.ctime = NowSeconds();
  return OkStatus();
}

Status SharedMemory::Remove(int id, const Credentials& creds) {
  Ref<ShmSegment> segment;  // dropped after the lock
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(segment, table_.Find(id));
  RETURN_IF_ERROR(segment->status_.perm.CheckControl(creds));
  if (segment->removed_) return OkStatus();
  segment->removed_ = true;
  table_.ForgetKey(segment->status_.perm.key);
  // It can still be found by its identifier, and attached.
  segment->status_.perm.key = IPC_PRIVATE;
  segment->status_.perm.mode |= SHM_DEST;
  if (segment->status_.attached == 0) {
    table_.Remove(id);
    total_pages_ -= PagesOf(segment->size());
  }
  return OkStatus();
}

Status SharedMemory::Lock(int id, const Credentials& creds, bool lock_pages, uint64_t memlock) {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(Ref<ShmSegment> segment, table_.Find(id));
  Permissions& perm = segment->status_.perm;
  if (!creds.HasCapIn(*perm.user_ns, CAP_IPC_LOCK)) {
    if (creds.euid != perm.uid && creds.euid != perm.cuid) return Errno::kEPERM;
    if (lock_pages && memlock == 0) return Errno::kEPERM;
    if (lock_pages && segment->size() > memlock) return Errno::kENOMEM;
  }
  perm.mode = lock_pages ? perm.mode | SHM_LOCKED : perm.mode & ~uint32_t{SHM_LOCKED};
  return OkStatus();
}

SharedMemory::Totals SharedMemory::totals() {
  Totals totals;
  for (const ShmStatus& s : All()) totals.resident_pages += PagesOf(s.resident_bytes);
  MutexLock lock(mu_);
  totals.max_index = table_.max_index();
  totals.segments = table_.size();
  totals.pages = total_pages_;
  return totals;
}

std::vector<ShmStatus> SharedMemory::All() {
  std::vector<Ref<ShmSegment>> segments;
  std::vector<ShmStatus> out;
  {
    MutexLock lock(mu_);
    segments = table_.All();
    for (const auto& segment : segments) out.push_back(StatusOf(*segment));
  }
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].resident_bytes = ResidentBytes(segments[i]->pages());
  }
  return out;
}

}  // namespace cvisor::ipc
