// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// UniqueFd: sole owner of a host file descriptor.

#ifndef CVISOR_PKG_BASE_UNIQUE_FD_H_
#define CVISOR_PKG_BASE_UNIQUE_FD_H_

#include <unistd.h>

#include <utility>

namespace cvisor {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& o) noexcept {
    if (this != &o) reset(std::exchange(o.fd_, -1));
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace cvisor

#endif  // CVISOR_PKG_BASE_UNIQUE_FD_H_
