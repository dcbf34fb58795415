// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Arguments of socket calls: descriptors, addresses, struct msghdr and control messages (cmsg(3)). The
// parsers treat what applications give them as hostile: copied once, then checked.

#ifndef CVISOR_PKG_SENTRY_SYSCALLS_SOCKET_ARGS_H_
#define CVISOR_PKG_SENTRY_SYSCALLS_SOCKET_ARGS_H_

#include <sys/socket.h>

#include <span>
#include <string>
#include <vector>

#include "pkg/sentry/socket/socket.h"
#include "pkg/sentry/syscalls/helpers.h"

namespace cvisor::syscalls {

// The kernel's struct user_msghdr.
struct UserMsghdr {
  uint64_t name;
  int32_t name_length;
  uint32_t pad1;
  uint64_t iov, iov_count;
  uint64_t control, control_length;
  uint32_t flags;
  uint32_t pad2;
};
static_assert(sizeof(UserMsghdr) == 56);

// struct mmsghdr.
struct UserMmsghdr {
  UserMsghdr header;
  uint32_t length;
  uint32_t pad;
};
static_assert(sizeof(UserMmsghdr) == 64);

// EBADF, ENOTSOCK.
Result<Ref<socket::Socket>> GetSocket(Task& t, int fd);
socket::SocketCaller MakeSocketCaller(Task& t);
// Lets sockets know the caller behind read(2) and write(2). Once, at start-up.
void RegisterSocketCallers();

// A sockaddr. EINVAL for a length that is negative or above sizeof(sockaddr_storage).
Result<std::string> CopyInAddress(Task& t, UserAddr addr, int length);
// As much of it as *length_addr says there is room for; *length_addr becomes its whole length.
Status CopyOutAddress(Task& t, std::string_view address, UserAddr addr, UserAddr length_addr);

// One control message, still raw.
struct RawControl {
  int level, type;
  std::span<const std::byte> data;
};
// Splits a control buffer. EINVAL if a length in it is wrong. A pure function.
Result<std::vector<RawControl>> SplitControl(std::span<const std::byte> buffer);

// Copies the control buffer in and looks up what it names.
Result<socket::ControlMessages> CopyInControl(Task& t, const socket::Socket& socket, UserAddr addr,
                                              uint64_t length);

// Stores received control messages; descriptors are installed. Returns how many bytes were stored and
// adds MSG_CTRUNC to *flags if there was no room for all.
Result<uint64_t> CopyOutControl(Task& t, const socket::Socket& socket,
                                const socket::ControlMessages& control, UserAddr addr,
                                uint64_t length, bool cloexec, int* flags);

// The socket layer numbers processes in the root PID namespace, and users and groups in the first
// user namespace. This is how the caller knows them: pid 0, and overflow ids, for what it cannot
// see.
ucred CredentialsFromRoot(Task& t, ucred c);

}  // namespace cvisor::syscalls

#endif  // CVISOR_PKG_SENTRY_SYSCALLS_SOCKET_ARGS_H_
