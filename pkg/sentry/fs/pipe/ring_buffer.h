// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// RingBuffer: bytes in order, in memory that grows with the content up to what the owner allows.
// Not thread safe.

#ifndef CVISOR_PKG_SENTRY_FS_PIPE_RING_BUFFER_H_
#define CVISOR_PKG_SENTRY_FS_PIPE_RING_BUFFER_H_

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>

#include "pkg/base/check.h"

namespace cvisor::fs::pipe {

class RingBuffer {
 public:
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Makes room for `n` more bytes. False if there is no memory.
  bool Reserve(size_t n) {
    const size_t want = size_ + n;
    if (want <= allocated_) return true;
    size_t bigger = std::max<size_t>(allocated_, kSmallest);
    while (bigger < want) bigger *= 2;
    std::unique_ptr<std::byte[]> memory(new (std::nothrow) std::byte[bigger]);
    if (memory == nullptr) return false;
    Peek(0, {memory.get(), size_});
    memory_ = std::move(memory);
    allocated_ = bigger;
    head_ = 0;
    return true;
  }

  // The first contiguous part of the room behind the content, at most `n` bytes; fill it and
  // Commit(). Reserve() was called for at least n.
  std::span<std::byte> Tail(size_t n) {
    const size_t at = Wrap(head_ + size_);
    return {memory_.get() + at, std::min({n, allocated_ - at, allocated_ - size_})};
  }
  void Commit(size_t n) {
    CVISOR_DCHECK(size_ + n <= allocated_);
    size_ += n;
  }

  // The first contiguous part of the content, at most `n` bytes.
  std::span<const std::byte> Head(size_t n) const {
    return {memory_.get() + head_, std::min({n, size_, allocated_ - head_})};
  }
  void Consume(size_t n) {
    CVISOR_DCHECK(n <= size_);
    size_ -= n;
    // Small messages stay in the same few cache lines.
    head_ = size_ == 0 ? 0 : Wrap(head_ + n);
  }

  // Copies `to.size()` bytes of the content from `offset` on; they must exist.
  void Peek(size_t offset, std::span<std::byte> to) const {
    CVISOR_DCHECK(offset + to.size() <= size_);
    if (to.empty()) return;
    const size_t at = Wrap(head_ + offset);
    const size_t first = std::min(to.size(), allocated_ - at);
    std::memcpy(to.data(), memory_.get() + at, first);
    if (first < to.size()) std::memcpy(to.data() + first, memory_.get(), to.size() - first);
  }

  // Drops content and memory.
  void Clear() {
    memory_.reset();
    allocated_ = head_ = size_ = 0;
  }

 private:
  static constexpr size_t kSmallest = 4096;
  size_t Wrap(size_t i) const { return i >= allocated_ ? i - allocated_ : i; }

  std::unique_ptr<std::byte[]> memory_;
  size_t allocated_ = 0;
  size_t head_ = 0;
  size_t size_ = 0;
};

}  // namespace cvisor::fs::pipe

#endif  // CVISOR_PKG_SENTRY_FS_PIPE_RING_BUFFER_H_
