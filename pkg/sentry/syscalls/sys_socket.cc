// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// socket(2), socketpair(2), bind(2), listen(2), accept(2), connect(2), shutdown(2), getsockname(2),
// getsockopt(2).

#include <fcntl.h>
#include <sys/socket.h>

#include <cstring>

#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/socket_args.h"
#include "pkg/sentry/syscalls/socket_wait.h"

namespace cvisor::syscalls {
namespace {

constexpr int kMaxOption = 64 << 10;

Result<uint64_t> AcceptOn(Task& t, int fd, UserAddr addr, UserAddr length_addr, int flags) {
  if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(auto listener, GetSocket(t, fd));
  RETURN_IF_ERROR(CheckFreeFd(t));
  const socket::SocketCaller caller = MakeSocketCaller(t);
  const SocketWait wait = ReceiveWait(*listener);
  std::string peer;
  auto accepted = AttemptOrWait(
      t, *listener, kEventIn, !listener->nonblocking(), wait.deadline,
      [&] { return listener->Accept(caller, flags & SOCK_NONBLOCK ? O_NONBLOCK : 0, &peer); });
  if (!accepted.ok()) return wait.Translate(accepted.error());
  // As Linux: an address that cannot be stored costs the connection.
  if (addr != 0) RETURN_IF_ERROR(CopyOutAddress(t, peer, addr, length_addr));
  return InstallFile(t, std::move(*accepted), (flags & SOCK_CLOEXEC) != 0);
}

Result<std::string> GetOption(Task& t, socket::Socket& s, int level, int name) {
  ASSIGN_OR_RETURN(std::string value, s.GetSockOpt(MakeSocketCaller(t), level, name));
  if (level == SOL_SOCKET && name == SO_PEERCRED && value.size() == sizeof(ucred)) {
    ucred peer;
    std::memcpy(&peer, value.data(), sizeof(peer));
    peer = CredentialsFromRoot(t, peer);
    std::memcpy(value.data(), &peer, sizeof(peer));
  }
  if (level == SOL_SOCKET && name == SO_PEERGROUPS) {
    const CredsRef creds = t.creds();
    for (size_t at = 0; at + sizeof(gid_t) <= value.size(); at += sizeof(gid_t)) {
      gid_t group;
      std::memcpy(&group, value.data() + at, sizeof(group));
      group = creds->user_ns->Munged(UserNamespace::Kind::kGroup, group);
      std::memcpy(value.data() + at, &group, sizeof(group));
    }
  }
  return value;
}

}  // namespace

Result<uint64_t> Socket(Task& t, const SyscallArgs& a) {
  const auto type = a[1].As<int>();
  ASSIGN_OR_RETURN(auto s, socket::Create(MakeSocketCaller(t), a[0].As<int>(), type,
                                          a[2].As<int>()));
  return InstallFile(t, std::move(s), (type & SOCK_CLOEXEC) != 0);
}

Result<uint64_t> Socketpair(Task& t, const SyscallArgs& a) {
  const auto type = a[1].As<int>();
  ASSIGN_OR_RETURN(auto pair, socket::CreatePair(MakeSocketCaller(t), a[0].As<int>(), type,
                                                 a[2].As<int>()));
  return InstallFilePair(t, std::move(pair.first), std::move(pair.second),
                         (type & SOCK_CLOEXEC) != 0, a[3].As<UserAddr>());
}

Result<uint64_t> Bind(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto s, GetSocket(t, a[0].As<int>()));
  ASSIGN_OR_RETURN(const auto address, CopyInAddress(t, a[1].As<UserAddr>(), a[2].As<int>()));
  RETURN_IF_ERROR(s->Bind(MakeSocketCaller(t), address));
  return 0;
}

Result<uint64_t> Listen(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto s, GetSocket(t, a[0].As<int>()));
  RETURN_IF_ERROR(s->Listen(MakeSocketCaller(t), a[1].As<int>()));
  return 0;
}

Result<uint64_t> Accept(Task& t, const SyscallArgs& a) {
  return AcceptOn(t, a[0].As<int>(), a[1].As<UserAddr>(), a[2].As<UserAddr>(), 0);
}

Result<uint64_t> Accept4(Task& t, const SyscallArgs& a) {
  return AcceptOn(t, a[0].As<int>(), a[1].As<UserAddr>(), a[2].As<UserAddr>(), a[3].As<int>());
}

Result<uint64_t> Connect(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto s, GetSocket(t, a[0].As<int>()));
  ASSIGN_OR_RETURN(const auto address, CopyInAddress(t, a[1].As<UserAddr>(), a[2].As<int>()));
  const socket::SocketCaller caller = MakeSocketCaller(t);
  const bool blocking = !s->nonblocking();
  const SocketWait wait = SendWait(*s);
  Status status = AttemptOrWait(t, *s, kEventOut, blocking, wait.deadline,
                                [&] { return s->Connect(caller, address); });
  // EALREADY: a connect that a signal interrupted is called again, and goes on waiting.
  const bool under_way =
      status.error() == Errno::kEINPROGRESS || status.error() == Errno::kEALREADY;
  if (under_way && blocking) {
    status = AttemptOrWait(t, *s, kEventOut, true, wait.deadline,
                           [&] { return s->FinishConnect(); });
    if (status.error() == Errno::kETIMEDOUT && !wait.deadline.never() && wait.deadline.passed()) {
      return Errno::kEINPROGRESS;
    }
  }
  if (!status.ok()) return wait.Translate(status.error());
  return 0;
}

Result<uint64_t> Getsockname(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto s, GetSocket(t, a[0].As<int>()));
  ASSIGN_OR_RETURN(const std::string address, s->GetSockName());
  RETURN_IF_ERROR(CopyOutAddress(t, address, a[1].As<UserAddr>(), a[2].As<UserAddr>()));
  return 0;
}

Result<uint64_t> Getpeername(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto s, GetSocket(t, a[0].As<int>()));
  ASSIGN_OR_RETURN(const std::string address, s->GetPeerName());
  RETURN_IF_ERROR(CopyOutAddress(t, address, a[1].As<UserAddr>(), a[2].As<UserAddr>()));
  return 0;
}

Result<uint64_t> Shutdown(Task& t, const SyscallArgs& a) {
  const auto how = a[1].As<int>();
  ASSIGN_OR_RETURN(auto s, GetSocket(t, a[0].As<int>()));
  if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) return Errno::kEINVAL;
  RETURN_IF_ERROR(s->Shutdown(how));
  return 0;
}

Result<uint64_t> Setsockopt(Task& t, const SyscallArgs& a) {
  const auto length = a[4].As<int>();
  ASSIGN_OR_RETURN(auto s, GetSocket(t, a[0].As<int>()));
  if (length < 0 || length > kMaxOption) return Errno::kEINVAL;
  std::vector<std::byte> value(static_cast<size_t>(length));
  if (length != 0) {
    RETURN_IF_ERROR(t.mm().CopyInBytes(a[3].As<UserAddr>(), value.data(), value.size()));
  }
  RETURN_IF_ERROR(s->SetSockOpt(MakeSocketCaller(t), a[1].As<int>(), a[2].As<int>(), value));
  return 0;
}

Result<uint64_t> Getsockopt(Task& t, const SyscallArgs& a) {
  const auto level = a[1].As<int>();
  const auto name = a[2].As<int>();
  const auto length_addr = a[4].As<UserAddr>();
  ASSIGN_OR_RETURN(auto s, GetSocket(t, a[0].As<int>()));
  ASSIGN_OR_RETURN(const int room, t.CopyIn<int>(length_addr));
  if (room < 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const std::string value, GetOption(t, *s, level, name));
  const size_t n = std::min(value.size(), static_cast<size_t>(room));
  if (level == SOL_SOCKET && name == SO_PEERGROUPS && n < value.size()) {
    RETURN_IF_ERROR(t.CopyOut(length_addr, static_cast<int>(value.size())));
    return Errno::kERANGE;
  }
  RETURN_IF_ERROR(t.mm().CopyOutBytes(a[3].As<UserAddr>(), value.data(), n));
  RETURN_IF_ERROR(t.CopyOut(length_addr, static_cast<int>(n)));
  return 0;
}

}  // namespace cvisor::syscalls
