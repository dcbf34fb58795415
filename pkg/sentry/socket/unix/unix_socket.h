// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// UnixSocket: an AF_UNIX socket as an open description: socket(2), socketpair(2), accept(2).
// Stream, datagram and seqpacket.

#ifndef CVISOR_PKG_SENTRY_SOCKET_UNIX_UNIX_SOCKET_H_
#define CVISOR_PKG_SENTRY_SOCKET_UNIX_UNIX_SOCKET_H_

#include <string>
#include <utility>

#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/socket/socket.h"
#include "pkg/sentry/socket/unix/endpoint.h"

namespace cvisor::socket::unix_socket {

class UnixSocket : public Socket {
 public:
  UnixSocket(Ref<Endpoint> endpoint, int protocol, int flags);
  ~UnixSocket() override;

  Endpoint& endpoint() const { return *endpoint_; }

  Status Bind(const SocketCaller& caller, std::string_view address) override;
  Status Connect(const SocketCaller& caller, std::string_view address) override;
  Status Listen(const SocketCaller& caller, int backlog) override;
  Result<Ref<Socket>> Accept(const SocketCaller& caller, int flags, std::string* peer) override;
  Result<std::string> GetSockName() override { return endpoint_->SockName(); }
  Result<std::string> GetPeerName() override { return endpoint_->PeerName(); }
  Result<size_t> SendMsg(const SocketCaller& caller, IoSource& src, SendArgs& args) override;
  Result<RecvResult> RecvMsg(IoSink& dst, int flags) override;
  Status Shutdown(int how) override { return endpoint_->Shutdown(how); }
  Result<uint64_t> Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) override;
  EventMask Readiness(EventMask mask) override { return endpoint_->Readiness(mask); }
  WaitQueue* wait_queue() override { return &endpoint_->queue(); }

 protected:
  Errno TakeError() override { return endpoint_->TakeError(); }
  bool listening() override { return endpoint_->listening(); }
  std::optional<ucred> PeerCredentials() override { return endpoint_->PeerCredentials(); }
  std::optional<std::vector<gid_t>> PeerGroups() override { return endpoint_->PeerGroups(); }
  void OptionsChanged() override { endpoint_->Uncharge(0); }

 private:
  const Ref<Endpoint> endpoint_;
};

// EPROTONOSUPPORT, ESOCKTNOSUPPORT. `flags`: O_NONBLOCK.
Result<Ref<Socket>> NewSocket(const SocketCaller& caller, int type, int protocol, int flags);
Result<std::pair<Ref<Socket>, Ref<Socket>>> NewSocketPair(const SocketCaller& caller, int type,
                                                          int protocol, int flags);
// Registers AF_UNIX; once, at start-up.
void RegisterUnixSockets();

}  // namespace cvisor::socket::unix_socket

#endif  // CVISOR_PKG_SENTRY_SOCKET_UNIX_UNIX_SOCKET_H_
