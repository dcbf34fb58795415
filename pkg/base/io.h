// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Where the bytes of a read go and where those of a write come from: application memory (mm), or a
// buffer of the Sentry (execve, sendfile, splice). Files never see which.

#ifndef CVISOR_PKG_BASE_IO_H_
#define CVISOR_PKG_BASE_IO_H_

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

#include "pkg/base/result.h"

namespace cvisor {

// Takes bytes in order.
class IoSink {
 public:
  virtual ~IoSink() = default;
  // How many bytes the sink still takes.
  virtual size_t remaining() const = 0;
  // Takes min(data.size(), remaining()) bytes; fewer when application memory faults on the way. EFAULT
  // if not even one byte could be stored. Returns how many were taken.
  virtual Result<size_t> Write(std::span<const std::byte> data) = 0;
  // Application iovec entries may cut a datagram or an event in pieces; nothing else is known of them.
};

// Gives bytes in order.
class IoSource {
 public:
  virtual ~IoSource() = default;
  virtual size_t remaining() const = 0;
  // Fills min(data.size(), remaining()) bytes; fewer on a fault. EFAULT if not even one byte was read.
  virtual Result<size_t> Read(std::span<std::byte> data) = 0;
};

// A sink and a source over Sentry memory, which must outlive them.
class SpanSink : public IoSink {
 public:
  explicit SpanSink(std::span<std::byte> buffer) : left_(buffer) {}
  SpanSink(void* p, size_t n) : left_(static_cast<std::byte*>(p), n) {}
  size_t remaining() const override { return left_.size(); }
  Result<size_t> Write(std::span<const std::byte> data) override {
    const size_t n = std::min(data.size(), left_.size());
    if (n != 0) std::memcpy(left_.data(), data.data(), n);
    left_ = left_.subspan(n);
    return n;
  }

 private:
  std::span<std::byte> left_;
};

class SpanSource : public IoSource {
 public:
  explicit SpanSource(std::span<const std::byte> buffer) : left_(buffer) {}
  SpanSource(const void* p, size_t n) : left_(static_cast<const std::byte*>(p), n) {}
  size_t remaining() const override { return left_.size(); }
  Result<size_t> Read(std::span<std::byte> data) override {
    const size_t n = std::min(data.size(), left_.size());
    if (n != 0) std::memcpy(data.data(), left_.data(), n);
    left_ = left_.subspan(n);
    return n;
  }

 private:
  std::span<const std::byte> left_;
};

// Limits another sink/source to its first `limit` bytes (RLIMIT_FSIZE, O_APPEND splits, seqpacket).
class LimitedSource : public IoSource {
 public:
  LimitedSource(IoSource& source, size_t limit) : source_(source), left_(limit) {}
  size_t remaining() const override { return std::min(left_, source_.remaining()); }
  Result<size_t> Read(std::span<std::byte> data) override {
    auto n = source_.Read(data.first(std::min(data.size(), left_)));
    if (n.ok()) left_ -= *n;
    return n;
  }

 private:
  IoSource& source_;
  size_t left_;
};

}  // namespace cvisor

#endif  // CVISOR_PKG_BASE_IO_H_
