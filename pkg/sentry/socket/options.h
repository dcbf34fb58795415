// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The SOL_SOCKET options that are just kept (socket(7)). Each is an atomic of its own: no lock.

#ifndef CVISOR_PKG_SENTRY_SOCKET_OPTIONS_H_
#define CVISOR_PKG_SENTRY_SOCKET_OPTIONS_H_

#include <atomic>
#include <cstdint>

#include "pkg/base/ref.h"

namespace cvisor::socket {

inline constexpr int kDefaultBuffer = 212992;  // net.core.{r,w}mem_default and _max
inline constexpr int kMinSendBuffer = 4608;
inline constexpr int kMinReceiveBuffer = 2304;
inline constexpr int kMaxAcceptBacklog = 4096;  // net.core.somaxconn

struct SocketOptions : RefCounted {
  std::atomic<int> sndbuf{kDefaultBuffer};  // as getsockopt tells it: doubled
  std::atomic<int> rcvbuf{kDefaultBuffer};
  std::atomic<int> rcvlowat{1};
  std::atomic<int> priority{0};
  std::atomic<uint32_t> mark{0};
  // Nanoseconds; -1: wait without limit, 0: do not wait.
  std::atomic<int64_t> rcvtimeo{-1}, sndtimeo{-1};
  int64_t receive_timeout() const { return rcvtimeo.load(std::memory_order_relaxed); }
  int64_t send_timeout() const { return sndtimeo.load(std::memory_order_relaxed); }
  std::atomic<int> linger_on{0}, linger_seconds{0};
  std::atomic<bool> reuseaddr{false}, reuseport{false}, keepalive{false}, broadcast{false};
  std::atomic<bool> debug{false}, dontroute{false}, oobinline{false}, no_check{false};
  std::atomic<bool> rxq_ovfl{false}, passcred{false}, passsec{false};
  // SO_TIMESTAMP*: the option's number, which says the format of SCM_TIMESTAMP*; 0: off.
  std::atomic<int> timestamp{0};
};

}  // namespace cvisor::socket

#endif  // CVISOR_PKG_SENTRY_SOCKET_OPTIONS_H_
