// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// ResumableSource: a source that takes bytes back. A socket of the host tells only by trying how much
// it takes; what it did not take has to be there when the system call tries again. The system-call
// layer wraps what it sends in one of these; where it is not wrapped (sendfile, splice), the caller
// starts again from the count that was returned.

#ifndef CVISOR_PKG_SENTRY_SOCKET_RESUMABLE_SOURCE_H_
#define CVISOR_PKG_SENTRY_SOCKET_RESUMABLE_SOURCE_H_

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

#include "pkg/base/io.h"

namespace cvisor::socket {

class ResumableSource final : public IoSource {
 public:
  // `source` must outlive this.
  explicit ResumableSource(IoSource& source) : source_(source) {}

  size_t remaining() const override { return back_.size() - at_ + source_.remaining(); }

  // First what came back, by itself: so the last read was from there if and only if at_ is not 0.
  Result<size_t> Read(std::span<std::byte> data) override {
    if (at_ == back_.size()) {
      back_.clear();
      at_ = 0;
      return source_.Read(data);
    }
    const size_t n = std::min(data.size(), back_.size() - at_);
    std::memcpy(data.data(), back_.data() + at_, n);
    at_ += n;
    return n;
  }

  // `bytes` are the last ones of what the last Read() gave.
  void Unread(std::span<const std::byte> bytes) {
    if (at_ != 0) {
      at_ -= bytes.size();  // they are still there
    } else {
      back_.assign(bytes.begin(), bytes.end());
    }
  }

 private:
  IoSource& source_;
  std::vector<std::byte> back_;
  size_t at_ = 0;
};

}  // namespace cvisor::socket

#endif  // CVISOR_PKG_SENTRY_SOCKET_RESUMABLE_SOURCE_H_
