// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Sending and receiving on a host socket: one host call per system call where one is enough.

#include <errno.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>

#include "pkg/sentry/fs/host/file.h"
#include "pkg/sentry/socket/hostinet/control.h"
#include "pkg/sentry/socket/hostinet/inet_socket.h"
#include "pkg/sentry/socket/resumable_source.h"

namespace cvisor::socket::hostinet {
namespace {

constexpr int kSendFlags =
    MSG_OOB | MSG_DONTROUTE | MSG_EOR | MSG_MORE | MSG_CONFIRM | MSG_FASTOPEN;
constexpr int kRecvFlags = MSG_OOB | MSG_PEEK | MSG_TRUNC | MSG_ERRQUEUE;
constexpr size_t kMaxDatagram = 65535;

template <typename Call>
Result<size_t> RetryInterrupted(Call call) {
  for (;;) {
    const ssize_t n = call();
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EINTR) return HostErrno();
  }
}

void GiveBack(IoSource& src, std::span<const std::byte> bytes) {
  if (auto* s = dynamic_cast<ResumableSource*>(&src)) s->Unread(bytes);
}

}  // namespace

Result<size_t> InetSocket::SendMsg(const SocketCaller&, IoSource& src, SendArgs& args) {
  // SIGPIPE is raised by the caller, for the application.
  const int flags = (args.flags & kSendFlags) | MSG_DONTWAIT | MSG_NOSIGNAL;
  msghdr header{};
  HostAddress to;
  if (args.address.has_value()) {
    ASSIGN_OR_RETURN(to, ParseAddress(family(), *args.address));
    header.msg_name = &to.any;
    header.msg_namelen = to.length;
  }
  std::vector<std::byte> control;
  if (!args.control.others.empty()) {
    ASSIGN_OR_RETURN(control, BuildControl(family(), type(), args.control));
    header.msg_control = control.data();
    header.msg_controllen = control.size();
  }
  auto sent = stream() ? SendStream(src, header, flags) : SendDatagram(src, header, flags);
  if (!sent.ok() && sent.error() == Errno::kEAGAIN) ArmIfWaiting(kEventOut);
  return sent;
}

Result<size_t> InetSocket::SendStream(IoSource& src, msghdr& header, int flags) {
  const auto buffer = fs::host::ThreadIoBuffer();
  const bool plain = header.msg_name == nullptr && header.msg_controllen == 0;
  size_t total = 0;
  do {
    auto have = src.Read(buffer.first(std::min(src.remaining(), buffer.size())));
    if (!have.ok()) return total != 0 ? Result<size_t>(total) : have;
    iovec iov{buffer.data(), *have};
    header.msg_iov = &iov;
    header.msg_iovlen = 1;
    const auto put = RetryInterrupted([&] {
      return plain ? send(fd_.get(), buffer.data(), *have, flags)
                   : sendmsg(fd_.get(), &header, flags);
    });
    const size_t done = put.value_or(0);
    if (done < *have) {
      GiveBack(src, buffer.subspan(done, *have - done));
      ArmIfWaiting(kEventOut);
    }
    total += done;
    if (!put.ok()) return total != 0 ? Result<size_t>(total) : put;
    if (done < *have) break;
  } while (src.remaining() != 0);
  return total;
}

Result<size_t> InetSocket::SendDatagram(IoSource& src, msghdr& header, int flags) {
  const size_t size = src.remaining();
  if (size > kMaxDatagram) return Errno::kEMSGSIZE;
  const auto buffer = fs::host::ThreadIoBuffer();
  if (size != 0) {
    ASSIGN_OR_RETURN(const size_t have, src.Read(buffer.first(size)));
    // Half a datagram is none.
    if (have != size) return Errno::kEFAULT;
  }
  iovec iov{buffer.data(), size};
  header.msg_iov = &iov;
  header.msg_iovlen = 1;
  const auto put = RetryInterrupted([&] { return sendmsg(fd_.get(), &header, flags); });
  if (!put.ok()) GiveBack(src, buffer.first(size));
  return put;
}

Result<RecvResult> InetSocket::RecvMsg(IoSink& dst, int flags) {
  const int host_flags = (flags & kRecvFlags) | MSG_DONTWAIT;
  // TCP tells no sender, and nothing else unless it was asked to.
  const bool plain = stream() && !wants_control_.load(std::memory_order_relaxed) &&
                     (flags & (MSG_ERRQUEUE | MSG_OOB)) == 0;
  auto result = plain ? RecvStream(dst, host_flags) : RecvFull(dst, host_flags);
  // The notification that came may have woken one reader only, and an edge-triggered epoll wants to
  // hear of what comes next.
  const bool end = stream() && result.ok() && result->size == 0;
  if (!end) ArmIfWaiting(kEventIn);
  return result;
}

Result<RecvResult> InetSocket::RecvStream(IoSink& dst, int flags) {
  const auto buffer = fs::host::ThreadIoBuffer();
  const size_t want = std::min(dst.remaining(), buffer.size());
  ASSIGN_OR_RETURN(const size_t got,
                   RetryInterrupted([&] { return recv(fd_.get(), buffer.data(), want, flags); }));
  RecvResult result;
  result.size = got;
  // On a stream MSG_TRUNC throws the bytes away.
  if (got != 0 && (flags & MSG_TRUNC) == 0) {
    ASSIGN_OR_RETURN(result.size, dst.Write(buffer.first(got)));
  }
  return result;
}

Result<RecvResult> InetSocket::RecvFull(IoSink& dst, int flags) {
  const auto buffer = fs::host::ThreadIoBuffer();
  const size_t want = std::min(dst.remaining(), buffer.size());
  sockaddr_storage from{};
  alignas(cmsghdr) std::array<std::byte, kControlRoom> control;
  iovec iov{buffer.data(), want};
  msghdr header{};
  header.msg_name = &from;
  header.msg_iov = &iov;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  const auto got = RetryInterrupted([&] {
    header.msg_namelen = sizeof(from);
    header.msg_controllen = control.size();
    return recvmsg(fd_.get(), &header, flags);
  });
  if (!got.ok()) return got.error();
  RecvResult result;
  result.size = *got;
  result.flags = header.msg_flags & (MSG_TRUNC | MSG_EOR | MSG_OOB | MSG_ERRQUEUE);
  if (header.msg_namelen != 0) result.address = AddressBytes(from, header.msg_namelen);
  result.control = ParseControl({control.data(), std::min(header.msg_controllen, control.size())});
  const size_t stored = std::min(*got, want);
  if (stored != 0 && !(stream() && (flags & MSG_TRUNC) != 0)) {
    ASSIGN_OR_RETURN(const size_t put, dst.Write(buffer.first(stored)));
    if (put < stored && !stream()) return Errno::kEFAULT;
  }
  return result;
}

}  // namespace cvisor::socket::hostinet
