// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/socket/unix/unix_socket.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <climits>

#include "pkg/sentry/socket/unix/garbage.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::socket::unix_socket {
namespace {

Result<int> CheckType(int type, int protocol) {
  if (protocol != 0 && protocol != AF_UNIX) return Errno::kEPROTONOSUPPORT;
  switch (type) {
    case SOCK_STREAM:
    case SOCK_DGRAM:
    case SOCK_SEQPACKET:
      return type;
    case SOCK_RAW:  // believe it or not, as BSD
      return static_cast<int>(SOCK_DGRAM);
    default:
      return Errno::kESOCKTNOSUPPORT;
  }
}

Ref<Endpoint> NewEndpoint(const SocketCaller& caller, int type) {
  return MakeRef<Endpoint>(type, caller.net_ns, MakeRef<SocketOptions>());
}

}  // namespace

UnixSocket::UnixSocket(Ref<Endpoint> endpoint, int protocol, int flags)
    : Socket(vfs::NewAnonymousPath("socket", S_IFSOCK, 0777), flags, AF_UNIX, endpoint->type(),
             protocol, endpoint->options_ref()),
      endpoint_(std::move(endpoint)) {
  if (auto attr = inode().GetAttr(); attr.ok()) endpoint_->set_ino(attr->ino);
}

UnixSocket::~UnixSocket() {
  endpoint_->Release(/*embryo=*/false);
  CollectGarbage();
}

Status UnixSocket::Bind(const SocketCaller& caller, std::string_view address) {
  return endpoint_->Bind(caller, endpoint_, address);
}

Status UnixSocket::Connect(const SocketCaller& caller, std::string_view address) {
  return endpoint_->Connect(caller, address);
}

Status UnixSocket::Listen(const SocketCaller& caller, int backlog) {
  return endpoint_->Listen(caller, backlog);
}

Result<Ref<Socket>> UnixSocket::Accept(const SocketCaller&, int flags, std::string* peer) {
  ASSIGN_OR_RETURN(auto accepted, endpoint_->Accept(peer));
  return Ref<Socket>(MakeRef<UnixSocket>(std::move(accepted), protocol(), flags & O_NONBLOCK));
}

Result<size_t> UnixSocket::SendMsg(const SocketCaller& caller, IoSource& src, SendArgs& args) {
  return endpoint_->Send(caller, src, args);
}

Result<RecvResult> UnixSocket::RecvMsg(IoSink& dst, int flags) {
  return endpoint_->Receive(dst, nonblocking() ? flags | MSG_DONTWAIT : flags);
}

Result<uint64_t> UnixSocket::Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) {
  size_t n;
  switch (cmd) {
    case SIOCINQ: {
      ASSIGN_OR_RETURN(n, endpoint_->ReadableBytes());
      break;
    }
    case SIOCOUTQ:
      n = endpoint_->unread_by_peers();
      break;
    default:
      return Socket::Ioctl(mm, cmd, arg);
  }
  RETURN_IF_ERROR(mm.CopyOut(arg, static_cast<int>(std::min<size_t>(n, INT_MAX))));
  return uint64_t{0};
}

Result<Ref<Socket>> NewSocket(const SocketCaller& caller, int type, int protocol, int flags) {
  ASSIGN_OR_RETURN(type, CheckType(type, protocol));
  return Ref<Socket>(MakeRef<UnixSocket>(NewEndpoint(caller, type), protocol, flags));
}

Result<std::pair<Ref<Socket>, Ref<Socket>>> NewSocketPair(const SocketCaller& caller, int type,
                                                          int protocol, int flags) {
  ASSIGN_OR_RETURN(type, CheckType(type, protocol));
  auto a = NewEndpoint(caller, type);
  auto b = NewEndpoint(caller, type);
  Endpoint::Pair(caller, *a, *b);
  return std::pair<Ref<Socket>, Ref<Socket>>(MakeRef<UnixSocket>(std::move(a), protocol, flags),
                                             MakeRef<UnixSocket>(std::move(b), protocol, flags));
}

void RegisterUnixSockets() { RegisterFamily(AF_UNIX, {NewSocket, NewSocketPair}); }

}  // namespace cvisor::socket::unix_socket
