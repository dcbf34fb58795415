// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Waiting for any of several files: the common part of poll(2) and select(2).

#ifndef CVISOR_PKG_SENTRY_SYSCALLS_POLL_H_
#define CVISOR_PKG_SENTRY_SYSCALLS_POLL_H_

#include <cstdint>
#include <span>
#include <vector>

#include "pkg/sentry/syscalls/helpers.h"

namespace cvisor::syscalls {

// select(2)'s view of poll(2)'s events.
inline constexpr EventMask kSelectIn = EPOLLRDNORM | EPOLLRDBAND | EPOLLIN | EPOLLHUP | EPOLLERR;
inline constexpr EventMask kSelectOut = EPOLLWRBAND | EPOLLWRNORM | EPOLLOUT | EPOLLERR;
inline constexpr EventMask kSelectExcept = EPOLLPRI;

// One file that is waited for. `file` null: nothing is ever ready (ignored, or its `ready` is fixed).
struct PollEntry {
  Ref<FileDescription> file;
  EventMask wanted = 0;
  EventMask ready = 0;
  // Told though not wanted. Nothing for select(2): a hang-up is no readiness to write.
  EventMask always = EPOLLERR | EPOLLHUP;
};

// Waits until one entry is ready and returns how many are; 0 after the deadline. ERESTARTSYS.
Result<size_t> WaitForAny(Task& t, std::span<PollEntry> entries, Deadline deadline);

// fd_set of select(2) as the kernel has it: bits in 64-bit words.
using FdBits = std::vector<uint64_t>;
inline size_t FdWords(size_t n) { return (n + 63) / 64; }
inline bool TestFd(const FdBits& bits, size_t fd) {
  return fd / 64 < bits.size() && (bits[fd / 64] >> (fd % 64) & 1);
}
inline void SetFd(FdBits& bits, size_t fd) {
  if (fd / 64 < bits.size()) bits[fd / 64] |= uint64_t{1} << (fd % 64);
}
// Clears what is at or above n.
inline void TrimFds(FdBits& bits, size_t n) {
  bits.resize(FdWords(n));
  if (n % 64 != 0) bits.back() &= (uint64_t{1} << (n % 64)) - 1;
}

}  // namespace cvisor::syscalls

#endif  // CVISOR_PKG_SENTRY_SYSCALLS_POLL_H_
