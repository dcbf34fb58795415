// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Application memory as the ends of reads and writes.

#include <algorithm>
#include <utility>

#include "pkg/sentry/mm/memory_manager.h"

namespace cvisor::mm {
namespace {

std::vector<iovec> OneIovec(UserAddr addr, size_t length) {
  return {iovec{reinterpret_cast<void*>(addr), length}};
}

size_t TotalLength(const std::vector<iovec>& iovecs) {
  size_t sum = 0;
  for (const iovec& v : iovecs) sum += v.iov_len;
  return sum;
}

// Moves up to `size` bytes at the front of the iovecs with copy(address, offset, count) and takes
// them off. Stops at the first fault.
template <typename Copy>
Result<size_t> Advance(std::vector<iovec>& iovecs, size_t& index, size_t& remaining, size_t size,
                       Copy copy) {
  size_t done = 0;
  size = std::min(size, remaining);
  while (done < size) {
    iovec& v = iovecs[index];
    const size_t want = std::min(v.iov_len, size - done);
    if (want == 0) {
      ++index;
      continue;
    }
    const auto addr = reinterpret_cast<UserAddr>(v.iov_base);
    const Result<size_t> n = copy(addr, done, want);
    if (!n.ok()) {
      if (done == 0) return n.error();
      return done;
    }
    v.iov_base = reinterpret_cast<void*>(addr + *n);
    v.iov_len -= *n;
    remaining -= *n;
    done += *n;
    if (*n < want) break;
  }
  return done;
}

}  // namespace

UserSink::UserSink(MemoryManager& mm, UserAddr addr, size_t length)
    : UserSink(mm, OneIovec(addr, length)) {}
UserSink::UserSink(MemoryManager& mm, std::vector<iovec> iovecs)
    : mm_(mm), iovecs_(std::move(iovecs)), remaining_(TotalLength(iovecs_)) {}

Result<size_t> UserSink::Write(std::span<const std::byte> data) {
  return Advance(iovecs_, index_, remaining_, data.size(),
                 [&](UserAddr addr, size_t offset, size_t n) {
                   return mm_.CopyOutPartial(addr, data.subspan(offset, n));
                 });
}

UserSource::UserSource(MemoryManager& mm, UserAddr addr, size_t length)
    : UserSource(mm, OneIovec(addr, length)) {}
UserSource::UserSource(MemoryManager& mm, std::vector<iovec> iovecs)
    : mm_(mm), iovecs_(std::move(iovecs)), remaining_(TotalLength(iovecs_)) {}

Result<size_t> UserSource::Read(std::span<std::byte> data) {
  return Advance(iovecs_, index_, remaining_, data.size(),
                 [&](UserAddr addr, size_t offset, size_t n) {
                   return mm_.CopyInPartial(addr, data.subspan(offset, n));
                 });
}

}  // namespace cvisor::mm
