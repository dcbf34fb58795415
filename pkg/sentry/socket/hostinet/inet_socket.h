// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// InetSocket: an AF_INET or AF_INET6 socket that stands on a host socket in the sandbox's network
// namespace: TCP, UDP and ICMP echo ("ping") sockets. The Sentry keeps what is Linux's meaning to
// an application (permissions, time-outs, signals, blocking), the host moves the bytes.
//
// The host socket never blocks: it is O_NONBLOCK, and SO_LINGER with a time, for which close(2)
// waits whatever the flags say, is not handed on. Waiting is HostPoller's. No locks but
// `connect_mu_`, a leaf; the rest is atomic, or the host's.

#ifndef CVISOR_PKG_SENTRY_SOCKET_HOSTINET_INET_SOCKET_H_
#define CVISOR_PKG_SENTRY_SOCKET_HOSTINET_INET_SOCKET_H_

#include <atomic>
#include <string>

#include "pkg/base/mutex.h"
#include "pkg/base/unique_fd.h"
#include "pkg/sentry/fs/host/poller.h"
#include "pkg/sentry/socket/hostinet/address.h"
#include "pkg/sentry/socket/socket.h"

namespace cvisor::socket::hostinet {

class InetSocket final : public Socket {
 public:
  // Takes the host socket over.
  static Result<Ref<InetSocket>> New(UniqueFd fd, int flags, int family, int type, int protocol);
  InetSocket(UniqueFd fd, int flags, int family, int type, int protocol);
  ~InetSocket() override;

  Status Bind(const SocketCaller& caller, std::string_view address) override;
  Status Connect(const SocketCaller& caller, std::string_view address) override;
  Status FinishConnect() override;
  Status Listen(const SocketCaller& caller, int backlog) override;
  Result<Ref<Socket>> Accept(const SocketCaller& caller, int flags, std::string* peer) override;
  Result<std::string> GetSockName() override;
  Result<std::string> GetPeerName() override;
  Result<size_t> SendMsg(const SocketCaller& caller, IoSource& src, SendArgs& args) override;
  Result<RecvResult> RecvMsg(IoSink& dst, int flags) override;
  Status Shutdown(int how) override;
  Result<std::string> GetSockOpt(const SocketCaller& caller, int level, int name) override;
  Status SetSockOpt(const SocketCaller& caller, int level, int name,
                    std::span<const std::byte> value) override;
  // SIOCINQ, SIOCOUTQ, SIOCATMARK.
  Result<uint64_t> Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) override;
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override { return &polled_->queue(); }

 protected:
  Errno TakeError() override;
  bool listening() override { return listening_.load(std::memory_order_relaxed); }

 private:
  bool stream() const { return type() == SOCK_STREAM; }
  // Asks for a notification if anybody waits for one.
  void ArmIfWaiting(EventMask mask);
  Status CheckBind(const SocketCaller& caller, const HostAddress& address);
  Status HostConnect(const HostAddress& address);
  Result<size_t> SendStream(IoSource& src, msghdr& header, int flags);
  Result<size_t> SendDatagram(IoSource& src, msghdr& header, int flags);
  Result<RecvResult> RecvStream(IoSink& dst, int flags);
  Result<RecvResult> RecvFull(IoSink& dst, int flags);
  Result<std::string> GetHostOption(int level, int name, size_t size);
  Result<std::string> GetOwnOption(const SocketCaller& caller, int name);
  Status SetOwnOption(const SocketCaller& caller, int name, std::span<const std::byte> value);
  Status SetHostInt(int level, int name, int value);

  const UniqueFd fd_;
  const Ref<fs::host::PolledFd> polled_;
  std::atomic<bool> listening_{false};
  // Something was asked for that comes as ancillary data, on a stream too.
  std::atomic<bool> wants_control_{false};
  Mutex connect_mu_;
  HostAddress connecting_ ABSL_GUARDED_BY(connect_mu_);
};

// Registers AF_INET, AF_INET6 and AF_PACKET (which is refused); once, at start-up.
void RegisterInetSockets();

}  // namespace cvisor::socket::hostinet

#endif  // CVISOR_PKG_SENTRY_SOCKET_HOSTINET_INET_SOCKET_H_
