// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// NetlinkSocket: AF_NETLINK, protocol NETLINK_ROUTE, for questions (netlink(7), rtnetlink(7)). Each
// request is answered while it is sent; the answers wait here to be received. Multicast groups are
// refused: nobody here would tell of changes.

#ifndef CVISOR_PKG_SENTRY_SOCKET_NETLINK_NETLINK_SOCKET_H_
#define CVISOR_PKG_SENTRY_SOCKET_NETLINK_NETLINK_SOCKET_H_

#include <deque>
#include <string>

#include "pkg/base/mutex.h"
#include "pkg/sentry/socket/netlink/message.h"
#include "pkg/sentry/socket/socket.h"

namespace cvisor::socket::netlink {

class NetlinkSocket final : public Socket {
 public:
  NetlinkSocket(int flags, int type, int protocol);
  ~NetlinkSocket() override;

  Status Bind(const SocketCaller& caller, std::string_view address) override;
  Status Connect(const SocketCaller& caller, std::string_view address) override;
  Result<std::string> GetSockName() override;
  Result<std::string> GetPeerName() override;
  Result<size_t> SendMsg(const SocketCaller& caller, IoSource& src, SendArgs& args) override;
  Result<RecvResult> RecvMsg(IoSink& dst, int flags) override;
  Status Shutdown(int) override { return Errno::kEOPNOTSUPP; }
  Result<std::string> GetSockOpt(const SocketCaller& caller, int level, int name) override;
  Status SetSockOpt(const SocketCaller& caller, int level, int name,
                    std::span<const std::byte> value) override;
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override { return &queue_; }

  // A datagram of the kernel's own. ENOBUFS if too many wait already.
  Status Push(std::string datagram);

 private:
  // The socket's number; chosen now if it has none.
  uint32_t Port(const SocketCaller& caller);
  Status Answer(const Message& request, uint32_t port);

  WaitQueue queue_;
  Mutex mu_;  // a leaf, but for the table of ports
  uint32_t port_ ABSL_GUARDED_BY(mu_) = 0;
  std::deque<std::string> waiting_ ABSL_GUARDED_BY(mu_);
  size_t waiting_bytes_ ABSL_GUARDED_BY(mu_) = 0;
};

// Registers AF_NETLINK; once, at start-up.
void RegisterNetlinkSockets();

}  // namespace cvisor::socket::netlink

#endif  // CVISOR_PKG_SENTRY_SOCKET_NETLINK_NETLINK_SOCKET_H_
