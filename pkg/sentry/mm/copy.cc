// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Copies between the Sentry and the application.

#include <limits.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "pkg/sentry/mm/memory_manager.h"

namespace cvisor::mm {
namespace {

// Linux's MAX_RW_COUNT: what one read(2) or write(2) moves at most.
constexpr uint64_t kMaxRwCount = INT_MAX & ~kPageMask;
constexpr uint64_t kMaxIovecs = 1024;  // UIO_MAXIOV

// A copy costs a host call whatever its size; most strings are short.
constexpr size_t kFirstStringChunk = 256;

}  // namespace

Result<size_t> MemoryManager::CopyInPartial(UserAddr src, std::span<std::byte> dst) {
  if (dst.empty()) return size_t{0};
  if (!InUserRange(src, 1) || src == platform_.max_user_address()) return Errno::kEFAULT;
  dst = dst.first(std::min<uint64_t>(dst.size(), platform_.max_user_address() - src));
  size_t done = 0;
  while (done < dst.size() && !gone_.load(std::memory_order_relaxed)) {
    auto n = as_->CopyIn(src + done, dst.subspan(done));
    if (n.ok()) done += *n;
    if (done < dst.size() && !GrowStackForCopy(src + done)) break;
  }
  if (done == 0) return Errno::kEFAULT;
  return done;
}

Result<size_t> MemoryManager::CopyOutPartial(UserAddr dst, std::span<const std::byte> src) {
  if (src.empty()) return size_t{0};
  if (!InUserRange(dst, 1) || dst == platform_.max_user_address()) return Errno::kEFAULT;
  src = src.first(std::min<uint64_t>(src.size(), platform_.max_user_address() - dst));
  size_t done = 0;
  while (done < src.size() && !gone_.load(std::memory_order_relaxed)) {
    auto n = as_->CopyOut(dst + done, src.subspan(done));
    if (n.ok()) done += *n;
    if (done < src.size() && !GrowStackForCopy(dst + done)) break;
  }
  if (done == 0) return Errno::kEFAULT;
  return done;
}

Status MemoryManager::CopyInBytes(UserAddr src, void* dst, size_t n) {
  if (!InUserRange(src, n)) return Errno::kEFAULT;
  if (n == 0) return OkStatus();
  ASSIGN_OR_RETURN(const size_t done, CopyInPartial(src, {static_cast<std::byte*>(dst), n}));
  return done == n ? OkStatus() : Status(Errno::kEFAULT);
}

Status MemoryManager::CopyOutBytes(UserAddr dst, const void* src, size_t n) {
  if (!InUserRange(dst, n)) return Errno::kEFAULT;
  if (n == 0) return OkStatus();
  ASSIGN_OR_RETURN(const size_t done, CopyOutPartial(dst, {static_cast<const std::byte*>(src), n}));
  return done == n ? OkStatus() : Status(Errno::kEFAULT);
}

Result<std::string> MemoryManager::CopyInString(UserAddr src, size_t max_len) {
  char buffer[kPageSize];
  std::string result;
  size_t limit = kFirstStringChunk;
  while (true) {
    // One more than may be: the NUL.
    const size_t left = max_len - result.size() + 1;
    const size_t to_page_end = kPageSize - (src & kPageMask);
    const size_t n = std::min({left, to_page_end, limit});
    ASSIGN_OR_RETURN(const size_t got,
                     CopyInPartial(src, std::as_writable_bytes(std::span(buffer, n))));
    if (const void* nul = std::memchr(buffer, 0, got)) {
      result.append(buffer, static_cast<const char*>(nul) - buffer);
      return result;
    }
    if (got < n) return Errno::kEFAULT;
    if (got == left) return Errno::kENAMETOOLONG;
    result.append(buffer, got);
    src += got;
    limit = kPageSize;
  }
}

Result<std::vector<iovec>> MemoryManager::CopyInIovecs(UserAddr addr, uint64_t count) {
  if (count > kMaxIovecs) return Errno::kEINVAL;
  std::vector<iovec> iovecs(count);
  RETURN_IF_ERROR(CopyInBytes(addr, iovecs.data(), count * sizeof(iovec)));
  uint64_t total = 0;
  for (iovec& v : iovecs) {
    if (v.iov_len > SSIZE_MAX) return Errno::kEINVAL;
    if (!InUserRange(reinterpret_cast<UserAddr>(v.iov_base), v.iov_len)) return Errno::kEFAULT;
    v.iov_len = std::min<uint64_t>(v.iov_len, kMaxRwCount - total);
    total += v.iov_len;
  }
  return iovecs;
}

}  // namespace cvisor::mm
