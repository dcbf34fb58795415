// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/socket/netlink/netlink_socket.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "pkg/sentry/socket/netlink/route.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::socket::netlink {
namespace {

// What may wait to be received: in one socket, and in all of them.
constexpr size_t kMaxWaiting = 8 << 20;
constexpr size_t kMaxWaitingInAll = 64 << 20;
std::atomic<size_t> g_waiting{0};
constexpr size_t kMaxRequest = 64 << 10;

// Numbers in use. One network namespace, one protocol.
class Ports {
 public:
  bool Take(uint32_t port) {
    MutexLock lock(mu_);
    return taken_.insert(port).second;
  }
  // `wish` if it is free, else one that no process id looks like.
  uint32_t TakeAny(uint32_t wish) {
    MutexLock lock(mu_);
    if (wish != 0 && taken_.insert(wish).second) return wish;
    while (!taken_.insert(next_).second) --next_;
    return next_--;
  }
  void Drop(uint32_t port) {
    MutexLock lock(mu_);
    taken_.erase(port);
  }

 private:
  Mutex mu_;
  absl::flat_hash_set<uint32_t> taken_ ABSL_GUARDED_BY(mu_);
  uint32_t next_ ABSL_GUARDED_BY(mu_) = static_cast<uint32_t>(-4097);
};
Ports& AllPorts() {
  static auto* const ports = new Ports;
  return *ports;
}

Result<sockaddr_nl> ParseAddress(std::string_view bytes) {
  sockaddr_nl a;
  if (bytes.size() < sizeof(a)) return Errno::kEINVAL;
  std::memcpy(&a, bytes.data(), sizeof(a));
  if (a.nl_family != AF_NETLINK) return Errno::kEINVAL;
  return a;
}

std::string AddressBytes(uint32_t port) {
  sockaddr_nl a{};
  a.nl_family = AF_NETLINK;
  a.nl_pid = port;
  return std::string(reinterpret_cast<const char*>(&a), sizeof(a));
}

Result<Ref<Socket>> NewSocket(const SocketCaller&, int type, int protocol, int flags) {
  if (type != SOCK_RAW && type != SOCK_DGRAM) return Errno::kESOCKTNOSUPPORT;
  if (protocol != NETLINK_ROUTE) return Errno::kEPROTONOSUPPORT;
  return Ref<Socket>(MakeRef<NetlinkSocket>(flags, type, protocol));
}

}  // namespace

NetlinkSocket::NetlinkSocket(int flags, int type, int protocol)
    : Socket(vfs::NewAnonymousPath("socket", S_IFSOCK, 0777), flags & O_NONBLOCK, AF_NETLINK, type,
             protocol, MakeRef<SocketOptions>()) {}

NetlinkSocket::~NetlinkSocket() {
  MutexLock lock(mu_);
  if (port_ != 0) AllPorts().Drop(port_);
  g_waiting.fetch_sub(waiting_bytes_);
}

uint32_t NetlinkSocket::Port(const SocketCaller& caller) {
  MutexLock lock(mu_);
  if (port_ == 0) port_ = AllPorts().TakeAny(static_cast<uint32_t>(caller.pid));
  return port_;
}

Status NetlinkSocket::Bind(const SocketCaller& caller, std::string_view address) {
  ASSIGN_OR_RETURN(const sockaddr_nl a, ParseAddress(address));
  if (a.nl_groups != 0) return Errno::kEPERM;
  if (a.nl_pid == 0) {
    Port(caller);
    return OkStatus();
  }
  MutexLock lock(mu_);
  if (port_ != 0) return port_ == a.nl_pid ? OkStatus() : Status(Errno::kEINVAL);
  if (!AllPorts().Take(a.nl_pid)) return Errno::kEADDRINUSE;
  port_ = a.nl_pid;
  return OkStatus();
}

Status NetlinkSocket::Connect(const SocketCaller& caller, std::string_view address) {
  sa_family_t family;
  if (address.size() < sizeof(family)) return Errno::kEINVAL;
  std::memcpy(&family, address.data(), sizeof(family));
  if (family == AF_UNSPEC) return OkStatus();
  ASSIGN_OR_RETURN(const sockaddr_nl a, ParseAddress(address));
  // There is only the kernel to talk to.
  if (a.nl_pid != 0 || a.nl_groups != 0) return Errno::kEPERM;
  Port(caller);
  return OkStatus();
}

Result<std::string> NetlinkSocket::GetSockName() {
  MutexLock lock(mu_);
  return AddressBytes(port_);
}

Result<std::string> NetlinkSocket::GetPeerName() { return AddressBytes(0); }

Status NetlinkSocket::Push(std::string datagram) {
  {
    MutexLock lock(mu_);
    if (waiting_bytes_ + datagram.size() > kMaxWaiting) return Errno::kENOBUFS;
    if (g_waiting.fetch_add(datagram.size()) + datagram.size() > kMaxWaitingInAll) {
      g_waiting.fetch_sub(datagram.size());
      return Errno::kENOBUFS;
    }
    waiting_bytes_ += datagram.size();
    waiting_.push_back(std::move(datagram));
  }
  queue_.Notify(kEventIn);
  return OkStatus();
}

Status NetlinkSocket::Answer(const Message& request, uint32_t port) {
  // Linux skips what is no request, and control messages.
  if ((request.header.nlmsg_flags & NLM_F_REQUEST) == 0) return OkStatus();
  if (request.header.nlmsg_type < NLMSG_MIN_TYPE) return OkStatus();
  auto answer = AnswerRoute(request, port);
  if (answer.ok()) {
    for (std::string& datagram : *answer) RETURN_IF_ERROR(Push(std::move(datagram)));
    const bool dump = (request.header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    if (dump || (request.header.nlmsg_flags & NLM_F_ACK) == 0) return OkStatus();
  }
  Builder out;
  out.Begin(NLMSG_ERROR, 0, request.header.nlmsg_seq, port);
  const nlmsgerr error{-static_cast<int>(answer.error()), request.header};
  out.Append(&error, sizeof(error));
  // As Linux: what failed comes back whole.
  if (!answer.ok()) out.Append(request.payload.data(), request.payload.size());
  return Push(out.Take());
}

Result<size_t> NetlinkSocket::SendMsg(const SocketCaller& caller, IoSource& src, SendArgs& args) {
  if ((args.flags & MSG_OOB) != 0) return Errno::kEOPNOTSUPP;
  if (args.address.has_value()) {
    ASSIGN_OR_RETURN(const sockaddr_nl to, ParseAddress(*args.address));
    if (to.nl_groups != 0) return Errno::kEPERM;
    if (to.nl_pid != 0) return Errno::kECONNREFUSED;
  }
  if (src.remaining() > kMaxRequest) return Errno::kEMSGSIZE;
  std::string bytes(src.remaining(), '\0');
  if (!bytes.empty()) {
    ASSIGN_OR_RETURN(const size_t n, src.Read(std::as_writable_bytes(std::span(bytes))));
    if (n != bytes.size()) return Errno::kEFAULT;
  }
  const uint32_t port = Port(caller);
  std::string_view left = bytes;
  while (const auto request = NextMessage(&left)) RETURN_IF_ERROR(Answer(*request, port));
  return bytes.size();
}

Result<RecvResult> NetlinkSocket::RecvMsg(IoSink& dst, int flags) {
  std::string datagram;
  {
    MutexLock lock(mu_);
    if (waiting_.empty()) return Errno::kEAGAIN;
    if ((flags & MSG_PEEK) != 0) {
      datagram = waiting_.front();
    } else {
      datagram = std::move(waiting_.front());
      waiting_.pop_front();
      waiting_bytes_ -= datagram.size();
      g_waiting.fetch_sub(datagram.size());
    }
  }
  RecvResult result;
  const size_t n = std::min(dst.remaining(), datagram.size());
  if (n != 0) {
    ASSIGN_OR_RETURN(const size_t put, dst.Write(std::as_bytes(std::span(datagram)).first(n)));
    if (put != n) return Errno::kEFAULT;
  }
  if (n < datagram.size()) result.flags |= MSG_TRUNC;
  result.size = (flags & MSG_TRUNC) != 0 ? datagram.size() : n;
  result.address = AddressBytes(0);
  return result;
}

Result<std::string> NetlinkSocket::GetSockOpt(const SocketCaller& caller, int level, int name) {
  if (level == SOL_NETLINK) return Errno::kENOPROTOOPT;
  return Socket::GetSockOpt(caller, level, name);
}

Status NetlinkSocket::SetSockOpt(const SocketCaller& caller, int level, int name,
                                 std::span<const std::byte> value) {
  if (level != SOL_NETLINK) return Socket::SetSockOpt(caller, level, name, value);
  return name == NETLINK_ADD_MEMBERSHIP ? Errno::kEPERM : Errno::kENOPROTOOPT;
}

EventMask NetlinkSocket::Readiness(EventMask mask) {
  MutexLock lock(mu_);
  return mask & (kEventOut | (waiting_.empty() ? 0 : kEventIn));
}

void RegisterNetlinkSockets() { RegisterFamily(AF_NETLINK, {NewSocket, nullptr}); }

}  // namespace cvisor::socket::netlink
