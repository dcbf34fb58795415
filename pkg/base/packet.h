// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Packets with descriptors on SOCK_SEQPACKET Unix sockets (unix(7)), as they are before anything is
// known of their content.

#ifndef CVISOR_PKG_BASE_PACKET_H_
#define CVISOR_PKG_BASE_PACKET_H_

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "pkg/base/result.h"
#include "pkg/base/unique_fd.h"

namespace cvisor {

inline constexpr size_t kMaxPacketFds = 64;

// Two connected sockets, both close-on-exec.
Result<std::pair<UniqueFd, UniqueFd>> NewPacketPair();

// Any thread. EPIPE if the peer is gone, EMSGSIZE for too many descriptors or too long a packet. An
// empty packet would be taken for the end: EINVAL. `flags`: MSG_DONTWAIT.
Status SendPacket(int socket, std::span<const char> packet, std::span<const int> fds = {},
                  int flags = 0);

// Stores a packet in `buffer` and returns its length; 0 when the peer is gone. EBADMSG for one that
// did not fit, EMFILE for one whose descriptors did not: it is lost. Descriptors, close-on-exec,
// are added to `fds`, or closed if that is null. `flags`: MSG_DONTWAIT.
Result<size_t> ReceivePacket(int socket, std::span<char> buffer, std::vector<UniqueFd>* fds,
                             int flags = 0);

}  // namespace cvisor

#endif  // CVISOR_PKG_BASE_PACKET_H_
