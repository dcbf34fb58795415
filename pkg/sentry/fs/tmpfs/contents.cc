// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/tmpfs/contents.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace cvisor::fs::tmpfs {

namespace {

constexpr size_t kPiece = 256 << 10;
constexpr uint64_t kMaxWindow = uint64_t{64} << 30;

uint64_t PagesOf(uint64_t bytes) { return bytes / kPage + (bytes % kPage != 0); }
Errno HostError() { return static_cast<Errno>(errno); }

// One buffer per host thread, as large as it was ever needed.
std::span<std::byte> Bounce(size_t want) {
  thread_local std::unique_ptr<std::byte[]> buffer;
  thread_local size_t size = 0;
  want = std::min(want, kPiece);
  if (size < want) {
    size = want <= (size_t{64} << 10) ? size_t{64} << 10 : kPiece;
    buffer = std::make_unique_for_overwrite<std::byte[]>(size);
  }
  return {buffer.get(), want};
}

}  // namespace

bool PageBudget::Charge(uint64_t pages) {
  const uint64_t limit = limit_.load();
  uint64_t used = used_.load();
  do {
    if (limit != 0 && (used >= limit || pages > limit - used)) return pages == 0;
  } while (!used_.compare_exchange_weak(used, used + pages));
  return true;
}

uint64_t PageBudget::available() const {
  const uint64_t limit = limit_.load(), used = used_.load();
  if (limit == 0) return UINT64_MAX;
  return used >= limit ? 0 : limit - used;
}

Contents::Contents(Ref<PageBudget> budget, Identity identity)
    : budget_(std::move(budget)), identity_(identity) {}

Contents::~Contents() {
  MutexLock lock(mu_);
  DropWindow();
  budget_->Release(charged_);
}

uint64_t Contents::pages() const {
  ReaderLock lock(mu_);
  if (!memfd_.valid()) return charged_;
  struct stat st;
  return fstat(memfd_.get(), &st) == 0 ? static_cast<uint64_t>(st.st_blocks) / 8 : charged_;
}

// --- Storage.

Status Contents::MoveToMemfd(Wish wish) {
  if (memfd_.valid()) return OkStatus();
  UniqueFd fd(memfd_create("tmpfs", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const uint64_t size = size_.load();
  if (!fd.valid() || ftruncate(fd.get(), static_cast<off_t>(size)) != 0) {
    return wish == Wish::kMust ? HostError() : Errno::kOk;
  }
  for (size_t i = 0; i < heap_pages_.size(); ++i) {
    if (!heap_pages_[i]) continue;
    const uint64_t at = i * kPage;
    const size_t n = std::min<uint64_t>(kPage, size - at);
    if (pwrite(fd.get(), heap_.data() + at, n, static_cast<off_t>(at)) !=
        static_cast<ssize_t>(n)) {
      return wish == Wish::kMust ? Errno::kENOSPC : Errno::kOk;
    }
  }
  memfd_ = std::move(fd);
  std::vector<std::byte>().swap(heap_);
  std::vector<bool>().swap(heap_pages_);
  return OkStatus();
}

Result<int> Contents::HostFdForMmap(bool) {
  if (const int fd = mapped_fd_.load(std::memory_order_acquire); fd >= 0) return fd;
  MutexLock lock(mu_);
  RETURN_IF_ERROR(MoveToMemfd(Wish::kMust));
  mapped_fd_.store(memfd_.get(), std::memory_order_release);
  return memfd_.get();
}

void Contents::DropWindow() {
  if (window_ != nullptr) munmap(window_, window_size_);
  window_ = nullptr;
  window_size_ = 0;
}

bool Contents::WantsWindow() const {
  const uint64_t size = size_.load();
  return memfd_.valid() && size > window_size_ && size <= kMaxWindow && !window_failed_ &&
         moved_.load(std::memory_order_relaxed) / 2 >= size;
}

// Maps the file once it is worth it; a window that became too small is made anew.
void Contents::WarmWindow() {
  if (!WantsWindow()) return;
  DropWindow();
  const uint64_t size = size_.load();
  uint64_t want = uint64_t{1} << 20;
  while (want < size) want *= 2;
  const bool sealed = (seals_.load() & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0;
  void* p = mmap(nullptr, want, sealed ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED,
                 memfd_.get(), 0);
  if (p == MAP_FAILED) {
    window_failed_ = true;
    return;
  }
  window_ = static_cast<std::byte*>(p);
  window_size_ = want;
}

// --- Accounting.

void Contents::SettleMemfd() {
  struct stat st;
  if (!memfd_.valid() || fstat(memfd_.get(), &st) != 0) return;
  const uint64_t now = static_cast<uint64_t>(st.st_blocks) / 8;
  if (now > charged_) budget_->ChargeAnyway(now - charged_);
  if (now < charged_) budget_->Release(charged_ - now);
  charged_ = now;
}

uint64_t Contents::Reserve(uint64_t offset, uint64_t length) {
  if (length == 0) return 0;
  const uint64_t first = offset / kPage;
  const uint64_t last = (offset + length - 1) / kPage;
  if (!memfd_.valid()) {
    if (heap_pages_.size() <= last) heap_pages_.resize(last + 1);
    for (uint64_t p = first; p <= last; ++p) {
      if (heap_pages_[p]) continue;
      if (!budget_->Charge(1)) return p == first ? 0 : p * kPage - offset;
      heap_pages_[p] = true;
      ++charged_;
    }
    return length;
  }
  uint64_t room = budget_->available();
  if (room > last - first) return length;
  // It is tight: count the pages in holes. Ranges may be huge, so go from edge to edge.
  const int fd = memfd_.get();
  for (uint64_t p = first; p <= last;) {
    const off_t data = lseek(fd, static_cast<off_t>(p * kPage), SEEK_DATA);
    const uint64_t hole_end =
        data < 0 ? last + 1 : std::min(last + 1, static_cast<uint64_t>(data) / kPage);
    if (hole_end - p > room) {
      p += room;
      return p == first ? 0 : p * kPage - offset;
    }
    room -= hole_end - p;
    p = hole_end;
    if (p > last) break;
    const off_t hole = lseek(fd, static_cast<off_t>(p * kPage), SEEK_HOLE);
    p = hole < 0 ? last + 1 : std::max(p + 1, PagesOf(static_cast<uint64_t>(hole)));
  }
  return length;
}

// --- Reading and writing.

Result<size_t> Contents::Read(IoSink& dst, uint64_t offset) {
  bool warm;
  Result<size_t> n = size_t{0};
  {
    ReaderLock lock(mu_);
    n = ReadLocked(dst, offset);
    warm = WantsWindow();
  }
  if (warm) {
    MutexLock lock(mu_);
    WarmWindow();
  }
  return n;
}

Result<size_t> Contents::ReadLocked(IoSink& dst, uint64_t offset) {
  const uint64_t size = size_.load();
  if (offset >= size) return size_t{0};
  const size_t n = std::min<uint64_t>(dst.remaining(), size - offset);
  if (!memfd_.valid()) return dst.Write(std::span(heap_).subspan(offset, n));
  moved_.fetch_add(n, std::memory_order_relaxed);
  if (offset + n <= window_size_) return dst.Write({window_ + offset, n});
  size_t done = 0;
  while (done < n) {
    std::span<std::byte> piece = Bounce(n - done);
    const ssize_t got =
        pread(memfd_.get(), piece.data(), piece.size(), static_cast<off_t>(offset + done));
    if (got <= 0) {
      if (done != 0) break;
      return got == 0 ? Errno::kEIO : HostError();
    }
    auto put = dst.Write(piece.first(static_cast<size_t>(got)));
    if (!put.ok()) {
      if (done != 0) break;
      return put.error();
    }
    done += *put;
    if (*put < static_cast<size_t>(got)) break;
  }
  return done;
}

Result<size_t> Contents::WriteHeap(IoSource& src, uint64_t offset, size_t n) {
  const uint64_t old_size = size_.load();
  if (heap_.size() < offset + n) heap_.resize(offset + n);
  auto got = src.Read(std::span(heap_).subspan(offset, n));
  const uint64_t end = offset + (got.ok() ? *got : 0);
  const uint64_t new_size = std::max(old_size, got.ok() && *got > 0 ? end : 0);
  heap_.resize(new_size);
  size_.store(new_size);
  // Pages reserved behind the end after a fault.
  for (; heap_pages_.size() > PagesOf(new_size); heap_pages_.pop_back()) {
    if (!heap_pages_.back()) continue;
    budget_->Release(1);
    --charged_;
  }
  return got;
}

Result<size_t> Contents::WriteMemfd(IoSource& src, uint64_t offset, size_t n) {
  moved_.fetch_add(n, std::memory_order_relaxed);
  WarmWindow();
  const uint64_t size = size_.load();
  if (offset + n <= size && offset + n <= window_size_) return src.Read({window_ + offset, n});
  size_t done = 0;
  Result<size_t> result = size_t{0};
  while (done < n) {
    auto got = src.Read(Bounce(n - done));
    if (!got.ok() || *got == 0) {
      result = std::move(got);
      break;
    }
    const std::span<std::byte> piece = Bounce(*got);
    const ssize_t put =
        pwrite(memfd_.get(), piece.data(), *got, static_cast<off_t>(offset + done));
    if (put <= 0) {
      result = put == 0 ? Errno::kENOSPC : HostError();
      break;
    }
    done += static_cast<size_t>(put);
    if (static_cast<size_t>(put) < *got) break;
  }
  if (done == 0) return result;
  if (offset + done > size) size_.store(offset + done);
  return done;
}

Result<size_t> Contents::Write(IoSource& src, uint64_t offset, bool append, uint64_t* end) {
  MutexLock lock(mu_);
  if (append) offset = size_.load();
  *end = offset;
  size_t n = src.remaining();
  if (n == 0) return size_t{0};
  if (seals_.load() & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) return Errno::kEPERM;
  if (offset >= kMaxFileSize) return Errno::kEFBIG;
  n = std::min<uint64_t>(n, kMaxFileSize - offset);
  if (offset + n > size_.load() && (seals_.load() & F_SEAL_GROW)) {
    if (offset >= size_.load()) return Errno::kEPERM;
    n = size_.load() - offset;
  }
  if (offset + n > kHeapLimit && !memfd_.valid()) {
    RETURN_IF_ERROR(MoveToMemfd(Wish::kAny));
    // Without a memfd the heap must do, but not for everything.
    if (!memfd_.valid() && offset + n > 64 * kHeapLimit) return Errno::kENOSPC;
  }
  n = Reserve(offset, n);
  if (n == 0) return Errno::kENOSPC;
  if (!memfd_.valid()) {
    Result<size_t> done = WriteHeap(src, offset, n);
    if (done.ok()) *end = offset + *done;
    return done;
  }
  // Without holes it is known what the write allocates; otherwise the host is asked.
  const uint64_t old_size = size_.load();
  const bool whole = charged_ == PagesOf(old_size) && offset <= old_size;
  ASSIGN_OR_RETURN(const size_t done, WriteMemfd(src, offset, n));
  *end = offset + done;
  if (!whole) {
    SettleMemfd();
  } else if (const uint64_t pages = PagesOf(size_.load()); pages > charged_) {
    budget_->ChargeAnyway(pages - charged_);
    charged_ = pages;
  }
  return done;
}

// --- Size and holes.

Status Contents::Resize(uint64_t size) {
  if (!memfd_.valid() && size > kHeapLimit && size > size_.load()) {
    RETURN_IF_ERROR(MoveToMemfd(Wish::kMust));
  }
  if (memfd_.valid()) {
    if (ftruncate(memfd_.get(), static_cast<off_t>(size)) != 0) return HostError();
    size_.store(size);
    SettleMemfd();
    return OkStatus();
  }
  for (; heap_pages_.size() > PagesOf(size); heap_pages_.pop_back()) {
    if (!heap_pages_.back()) continue;
    budget_->Release(1);
    --charged_;
  }
  heap_.resize(size);
  if (heap_.capacity() > 2 * size + kPage) heap_.shrink_to_fit();
  size_.store(size);
  return OkStatus();
}

Status Contents::Truncate(uint64_t size) {
  if (size > kMaxFileSize) return Errno::kEFBIG;
  MutexLock lock(mu_);
  if (size < size_.load() && (seals_.load() & F_SEAL_SHRINK)) return Errno::kEPERM;
  if (size > size_.load() && (seals_.load() & F_SEAL_GROW)) return Errno::kEPERM;
  if (size == size_.load()) return OkStatus();
  return Resize(size);
}

void Contents::PunchHeap(uint64_t offset, uint64_t end) {
  end = std::min<uint64_t>(end, heap_.size());
  if (offset >= end) return;
  std::memset(heap_.data() + offset, 0, end - offset);
  // The last page of the file goes whole.
  const uint64_t last = end == heap_.size() ? PagesOf(end) : end / kPage;
  for (uint64_t p = PagesOf(offset); p < last && p < heap_pages_.size(); ++p) {
    if (!heap_pages_[p]) continue;
    heap_pages_[p] = false;
    budget_->Release(1);
    --charged_;
  }
}

Status Contents::Allocate(int mode, uint64_t offset, uint64_t length) {
  constexpr int kKnown = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
  if (mode & ~kKnown) return Errno::kEOPNOTSUPP;
  const bool punch = (mode & FALLOC_FL_PUNCH_HOLE) != 0;
  const bool zero = (mode & FALLOC_FL_ZERO_RANGE) != 0;
  if (punch && (zero || !(mode & FALLOC_FL_KEEP_SIZE))) return Errno::kEOPNOTSUPP;
  uint64_t end;
  if (length == 0) return Errno::kEINVAL;
  if (__builtin_add_overflow(offset, length, &end) || end > kMaxFileSize) return Errno::kEFBIG;
  MutexLock lock(mu_);
  const int sealed = seals_.load();
  if ((punch || zero) && (sealed & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))) return Errno::kEPERM;
  const uint64_t size = size_.load();
  const bool grows = !(mode & FALLOC_FL_KEEP_SIZE) && end > size;
  // Even if the size stays.
  if (!punch && end > size && (sealed & F_SEAL_GROW)) return Errno::kEPERM;
  // A memfd has no budget; what cannot be there must not take the machine's memory first.
  if (!punch && length / kPage > static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES))) {
    return Errno::kENOSPC;
  }
  if (!memfd_.valid() && (end > kHeapLimit || end > size) && !punch) {
    RETURN_IF_ERROR(MoveToMemfd(Wish::kMust));
  }
  if (punch || zero) {
    if (memfd_.valid()) {
      if (fallocate(memfd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    static_cast<off_t>(offset), static_cast<off_t>(length)) != 0) {
        return HostError();
      }
      SettleMemfd();
    } else {
      PunchHeap(offset, end);
    }
    if (punch) return OkStatus();
  }
  if (Reserve(offset, length) != length) return Errno::kENOSPC;
  if (memfd_.valid()) {
    // A huge length must not take the machine's memory: the budget has just agreed, or there is none.
    const int host_mode = mode & FALLOC_FL_KEEP_SIZE;
    if (fallocate(memfd_.get(), host_mode, static_cast<off_t>(offset),
                  static_cast<off_t>(length)) != 0) {
      return HostError();
    }
    SettleMemfd();
  }
  if (grows) size_.store(end);
  return OkStatus();
}

Result<uint64_t> Contents::SeekDataOrHole(uint64_t offset, bool data) const {
  ReaderLock lock(mu_);
  const uint64_t size = size_.load();
  if (offset >= size) return Errno::kENXIO;
  if (memfd_.valid()) {
    const off_t at =
        lseek(memfd_.get(), static_cast<off_t>(offset), data ? SEEK_DATA : SEEK_HOLE);
    if (at < 0) return HostError();
    return static_cast<uint64_t>(at);
  }
  for (uint64_t p = offset / kPage; p * kPage < size; ++p) {
    const bool present = p < heap_pages_.size() && heap_pages_[p];
    if (present == data) return std::max(offset, p * kPage);
  }
  if (data) return Errno::kENXIO;
  return size;
}

// --- Seals.

Status Contents::AddSeals(int seals) {
  MutexLock lock(mu_);
  const int have = seals_.load();
  if (have & F_SEAL_SEAL) return Errno::kEPERM;
  const int writes = (seals & ~have) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
  if (writes != 0) {
    // The host knows who has it mapped; our own mapping must not count.
    RETURN_IF_ERROR(MoveToMemfd(Wish::kMust));
    DropWindow();
    if (fcntl(memfd_.get(), F_ADD_SEALS, writes) != 0) return HostError();
  }
  seals_.store(have | seals);
  return OkStatus();
}

}  // namespace cvisor::fs::tmpfs
