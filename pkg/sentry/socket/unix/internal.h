// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// What the files of Endpoint share.

#ifndef CVISOR_PKG_SENTRY_SOCKET_UNIX_INTERNAL_H_
#define CVISOR_PKG_SENTRY_SOCKET_UNIX_INTERNAL_H_

#include <cstddef>

namespace cvisor::socket::unix_socket {

// Endpoint::shutdown_.
inline constexpr int kShutReceive = 1;
inline constexpr int kShutSend = 2;
inline constexpr int kShutBoth = kShutReceive | kShutSend;

inline constexpr size_t kMaxRights = 253;  // SCM_MAX_FD

}  // namespace cvisor::socket::unix_socket

#endif  // CVISOR_PKG_SENTRY_SOCKET_UNIX_INTERNAL_H_
