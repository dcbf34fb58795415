// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/socket/hostinet/inet_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "pkg/base/check.h"
#include "pkg/base/log.h"
#include "pkg/sentry/fs/host/fd_cache.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::socket::hostinet {
namespace {

constexpr int kProtocolLimit = 256;  // IPPROTO_MAX, but for MPTCP
constexpr int kProtocolMptcp = 262;  // IPPROTO_MPTCP
// The first port that everybody may bind: of the sandbox's network namespace, set before there is a socket.
int g_unprivileged_ports = 1024;

void ReadUnprivilegedPorts() {
  FILE* f = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
  if (f == nullptr) return;
  if (int n = 0; fscanf(f, "%d", &n) == 1) g_unprivileged_ports = n;
  fclose(f);
}


// The protocol that socket(2) means. The errors are those of Linux's inet_create().
Result<int> CheckProtocol(const SocketCaller& caller, int family, int type, int protocol) {
  if (protocol < 0 || (protocol >= kProtocolLimit && protocol != kProtocolMptcp)) {
    return Errno::kEINVAL;
  }
  const int ping = family == AF_INET ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
  switch (type) {
    case SOCK_STREAM:
      if (protocol == 0 || protocol == IPPROTO_TCP) return int{IPPROTO_TCP};
      return Errno::kEPROTONOSUPPORT;
    case SOCK_DGRAM:
      if (protocol == 0 || protocol == IPPROTO_UDP) return int{IPPROTO_UDP};
      if (protocol == ping) return ping;
      return Errno::kEPROTONOSUPPORT;
    case SOCK_RAW:
      if (!caller.creds->HasCap(CAP_NET_RAW)) return Errno::kEPERM;
      return Errno::kEPROTONOSUPPORT;
    default:
      return Errno::kESOCKTNOSUPPORT;
  }
}

Result<Ref<Socket>> NewSocket(const SocketCaller& caller, int family, int type, int protocol,
                              int flags) {
  ASSIGN_OR_RETURN(protocol, CheckProtocol(caller, family, type, protocol));
  ASSIGN_OR_RETURN(UniqueFd fd, fs::host::MakeHostFd([&] {
                     return ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
                   }));
  ASSIGN_OR_RETURN(auto s, InetSocket::New(std::move(fd), flags, family, type, protocol));
  return Ref<Socket>(std::move(s));
}

Result<Ref<Socket>> RefusePacket(const SocketCaller& caller, int, int, int) {
  return caller.creds->HasCap(CAP_NET_RAW) ? Errno::kEAFNOSUPPORT : Errno::kEPERM;
}

Result<std::string> Name(int fd, int (*get)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (get(fd, reinterpret_cast<sockaddr*>(&address), &length) < 0) return HostErrno();
  return AddressBytes(address, length);
}

int GetHostSockName(int fd, sockaddr* a, socklen_t* n) { return getsockname(fd, a, n); }
int GetHostPeerName(int fd, sockaddr* a, socklen_t* n) { return getpeername(fd, a, n); }

}  // namespace

InetSocket::InetSocket(UniqueFd fd, int flags, int family, int type, int protocol)
    : Socket(vfs::NewAnonymousPath("socket", S_IFSOCK, 0777), flags & O_NONBLOCK, family, type,
             protocol, MakeRef<SocketOptions>()),
      fd_(std::move(fd)),
      polled_(MakeRef<fs::host::PolledFd>(fd_.get())) {}

Result<Ref<InetSocket>> InetSocket::New(UniqueFd fd, int flags, int family, int type,
                                        int protocol) {
  auto s = MakeRef<InetSocket>(std::move(fd), flags, family, type, protocol);
  RETURN_IF_ERROR(fs::host::HostPoller::Get().Add(s->polled_));
  return s;
}

InetSocket::~InetSocket() { fs::host::HostPoller::Get().Remove(*polled_); }

void InetSocket::ArmIfWaiting(EventMask mask) {
  if (!polled_->queue().empty()) fs::host::HostPoller::Get().Arm(*polled_, mask);
}

EventMask InetSocket::Readiness(EventMask mask) {
  pollfd p{fd_.get(), static_cast<short>(mask), 0};
  const EventMask ready =
      poll(&p, 1, 0) > 0 ? static_cast<EventMask>(static_cast<unsigned short>(p.revents)) : 0;
  // A hang-up and an error last until a call changes the socket, which arms again. To arm now would
  // only bring the same notification, for ever if an edge-triggered epoll asks again each time.
  const EventMask missing = mask & ~ready;
  if (missing != 0 && (ready & (kEventErr | kEventHup)) == 0) ArmIfWaiting(missing);
  return ready & (mask | kEventErr | kEventHup);
}

// The Sentry may be privileged where the application is not.
Status InetSocket::CheckBind(const SocketCaller& caller, const HostAddress& address) {
  const uint16_t port = address.port();
  if (port == 0 || port >= g_unprivileged_ports) return OkStatus();
  return caller.creds->HasCap(CAP_NET_BIND_SERVICE) ? OkStatus() : Status(Errno::kEACCES);
}

Status InetSocket::Bind(const SocketCaller& caller, std::string_view address) {
  ASSIGN_OR_RETURN(const HostAddress a, ParseAddress(family(), address));
  if (type() == SOCK_STREAM || protocol() == IPPROTO_UDP) RETURN_IF_ERROR(CheckBind(caller, a));
  if (bind(fd_.get(), &a.any, a.length) < 0) return HostErrno();
  return OkStatus();
}

Status InetSocket::HostConnect(const HostAddress& address) {
  int result;
  do {
    result = connect(fd_.get(), &address.any, address.length);
  } while (result < 0 && errno == EINTR);
  const Status status = result < 0 ? Status(HostErrno()) : OkStatus();
  // The socket has changed altogether: who waits may have heard of another state.
  ArmIfWaiting(kEventIn | kEventOut);
  return status;
}

Status InetSocket::Connect(const SocketCaller&, std::string_view address) {
  ASSIGN_OR_RETURN(const HostAddress a, ParseAddress(family(), address));
  {
    MutexLock lock(connect_mu_);
    connecting_ = a;
  }
  const Status status = HostConnect(a);
  // Here EAGAIN means that the host has no free port: nothing to wait for.
  if (status.error() == Errno::kEAGAIN) return Errno::kEADDRNOTAVAIL;
  return status;
}

Status InetSocket::FinishConnect() {
  HostAddress a;
  {
    MutexLock lock(connect_mu_);
    a = connecting_;
  }
  // Asked with the same call, which also moves the host's socket on to "connected".
  const Status status = HostConnect(a);
  switch (status.error()) {
    case Errno::kEALREADY:
    case Errno::kEINPROGRESS:
      return Errno::kEAGAIN;
    case Errno::kEISCONN:
      return OkStatus();
    default:
      return status;
  }
}

Status InetSocket::Listen(const SocketCaller&, int backlog) {
  if (!stream()) return Errno::kEOPNOTSUPP;
  if (listen(fd_.get(), std::clamp(backlog, 0, kMaxAcceptBacklog)) < 0) return HostErrno();
  listening_ = true;
  ArmIfWaiting(kEventIn);
  return OkStatus();
}

Result<Ref<Socket>> InetSocket::Accept(const SocketCaller&, int flags, std::string* peer) {
  if (!stream()) return Errno::kEOPNOTSUPP;
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  auto fd = fs::host::MakeHostFd([&] {
    length = sizeof(address);
    return accept4(fd_.get(), reinterpret_cast<sockaddr*>(&address), &length,
                   SOCK_NONBLOCK | SOCK_CLOEXEC);
  });
  ArmIfWaiting(kEventIn);
  if (!fd.ok()) return fd.error();
  if (peer != nullptr) *peer = AddressBytes(address, length);
  ASSIGN_OR_RETURN(auto s, New(*std::move(fd), flags, family(), type(), protocol()));
  // The host's own options were inherited there.
  s->options().rcvtimeo = options().rcvtimeo.load();
  s->options().sndtimeo = options().sndtimeo.load();
  s->options().linger_on = options().linger_on.load();
  s->options().linger_seconds = options().linger_seconds.load();
  s->options().timestamp = options().timestamp.load();
  s->wants_control_ = wants_control_.load();
  return Ref<Socket>(std::move(s));
}

Result<std::string> InetSocket::GetSockName() { return Name(fd_.get(), GetHostSockName); }
Result<std::string> InetSocket::GetPeerName() { return Name(fd_.get(), GetHostPeerName); }

Status InetSocket::Shutdown(int how) {
  if (shutdown(fd_.get(), how) < 0) return HostErrno();
  if (how != SHUT_WR) listening_ = false;
  return OkStatus();
}

Errno InetSocket::TakeError() {
  int error = 0;
  socklen_t length = sizeof(error);
  if (getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length) < 0) return Errno::kOk;
  if (error != 0) ArmIfWaiting(kEventIn | kEventOut);
  return static_cast<Errno>(error);
}

Result<uint64_t> InetSocket::Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) {
  switch (cmd) {
    case SIOCINQ:
    case SIOCOUTQ:
    case SIOCATMARK: {
      int value = 0;
      if (ioctl(fd_.get(), cmd, &value) < 0) return HostErrno();
      RETURN_IF_ERROR(mm.CopyOut(arg, value));
      return uint64_t{0};
    }
    default:
      return Socket::Ioctl(mm, cmd, arg);
  }
}

void RegisterInetSockets() {
  ReadUnprivilegedPorts();
  for (const int family : {AF_INET, AF_INET6}) {
    Family f;
    f.create = [family](const SocketCaller& caller, int type, int protocol, int flags) {
      return NewSocket(caller, family, type, protocol, flags);
    };
    RegisterFamily(family, std::move(f));
  }
  RegisterFamily(AF_PACKET, {RefusePacket, nullptr});
}

}  // namespace cvisor::socket::hostinet
