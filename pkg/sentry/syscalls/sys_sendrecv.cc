// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// sendto(2), sendmsg(2), sendmmsg(2), recvfrom(2), recvmsg(2), recvmmsg(2).

#include <limits.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>

#include "pkg/sentry/socket/resumable_source.h"
#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/socket_args.h"
#include "pkg/sentry/syscalls/socket_wait.h"

namespace cvisor::syscalls {
namespace {

// Sending flags for callers inside the kernel (MSG_SPLICE_PAGES, MSG_SENDPAGE_*).
constexpr int kInternalFlags = 0x08110000;
constexpr unsigned kMaxMessages = 1024;  // UIO_MAXIOV

// A stream in blocking mode goes on until everything is sent.
Result<uint64_t> Send(Task& t, socket::Socket& s, IoSource& bytes, socket::SendArgs& args) {
  socket::ResumableSource source(bytes);
  const socket::SocketCaller caller = MakeSocketCaller(t);
  if (s.nonblocking()) args.flags |= MSG_DONTWAIT;
  const bool blocking = !(args.flags & MSG_DONTWAIT);
  const bool stream = s.type() == SOCK_STREAM;
  const SocketWait wait = SendWait(s);
  uint64_t total = 0;
  for (;;) {
    auto n = AttemptOrWait(t, s, kEventOut, blocking, wait.deadline,
                           [&] { return s.SendMsg(caller, source, args); });
    if (!n.ok()) {
      const bool quiet = !stream || (args.flags & MSG_NOSIGNAL);
      const Errno error = WriteError(t, wait.Translate(n.error()), quiet);
      if (total == 0) return error;
      return total;
    }
    total += *n;
    if (*n == 0 || source.remaining() == 0 || !stream || !blocking) return total;
  }
}

// MSG_WAITALL goes on until the sink is full, the stream ends, or something special was read.
Result<socket::RecvResult> Receive(Task& t, socket::Socket& s, IoSink& sink, int flags) {
  if (s.nonblocking()) flags |= MSG_DONTWAIT;
  const bool blocking = !(flags & (MSG_DONTWAIT | MSG_ERRQUEUE));
  const bool all =
      (flags & MSG_WAITALL) && !(flags & MSG_PEEK) && s.type() == SOCK_STREAM && blocking;
  const SocketWait wait = ReceiveWait(s);
  const auto attempt = [&] { return s.RecvMsg(sink, flags); };
  auto result = AttemptOrWait(t, s, kEventIn, blocking, wait.deadline, attempt);
  if (!result.ok()) return wait.Translate(result.error());
  while (all && result->size != 0 && sink.remaining() != 0 && !result->boundary) {
    auto more = AttemptOrWait(t, s, kEventIn, true, wait.deadline, attempt);
    if (!more.ok() || more->size == 0) break;
    result->size += more->size;
    result->flags |= more->flags;
    result->boundary = more->boundary;
    if (more->boundary) result->control = std::move(more->control);
  }
  return result;
}

Result<std::vector<iovec>> CopyInMessageIovecs(Task& t, const UserMsghdr& header) {
  if (header.iov_count > IOV_MAX) return Errno::kEMSGSIZE;
  return t.mm().CopyInIovecs(header.iov, header.iov_count);
}

Result<uint64_t> SendMessage(Task& t, socket::Socket& s, const UserMsghdr& header, int flags) {
  socket::SendArgs args;
  args.flags = flags;
  std::string address;
  if (header.name_length < 0) return Errno::kEINVAL;
  if (header.name != 0 && header.name_length != 0) {
    const int length = std::min<int>(header.name_length, sizeof(sockaddr_storage));
    ASSIGN_OR_RETURN(address, CopyInAddress(t, header.name, length));
    args.address = address;
  }
  ASSIGN_OR_RETURN(auto iovecs, CopyInMessageIovecs(t, header));
  if (header.control_length > INT_MAX) return Errno::kENOBUFS;
  if (header.control != 0) {
    ASSIGN_OR_RETURN(args.control, CopyInControl(t, s, header.control, header.control_length));
  }
  mm::UserSource source(t.mm(), std::move(iovecs));
  return Send(t, s, source, args);
}

// Receives into what the msghdr at `addr` describes and updates it.
Result<uint64_t> ReceiveMessage(Task& t, socket::Socket& s, UserAddr addr, int flags) {
  ASSIGN_OR_RETURN(UserMsghdr header, t.CopyIn<UserMsghdr>(addr));
  if (header.name_length < 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(auto iovecs, CopyInMessageIovecs(t, header));
  mm::UserSink sink(t.mm(), std::move(iovecs));
  ASSIGN_OR_RETURN(const socket::RecvResult result,
                   Receive(t, s, sink, flags & ~MSG_CMSG_CLOEXEC));

  int out_flags = result.flags | (flags & MSG_CMSG_CLOEXEC);
  ASSIGN_OR_RETURN(const uint64_t control_length,
                   CopyOutControl(t, s, result.control, header.control, header.control_length,
                                  (flags & MSG_CMSG_CLOEXEC) != 0, &out_flags));
  if (header.name != 0) {
    RETURN_IF_ERROR(CopyOutAddress(t, result.address, header.name,
                                   addr + offsetof(UserMsghdr, name_length)));
  }
  RETURN_IF_ERROR(t.CopyOut(addr + offsetof(UserMsghdr, flags), static_cast<uint32_t>(out_flags)));
  RETURN_IF_ERROR(t.CopyOut(addr + offsetof(UserMsghdr, control_length), control_length));
  return result.size;
}

}  // namespace

Result<uint64_t> Sendto(Task& t, const SyscallArgs& a) {
  const auto buffer = a[1].As<UserAddr>();
  const auto size = a[2].As<uint64_t>();
  const auto address_addr = a[4].As<UserAddr>();
  RETURN_IF_ERROR(CheckUserRange(buffer, size));
  ASSIGN_OR_RETURN(auto s, GetSocket(t, a[0].As<int>()));
  socket::SendArgs args;
  args.flags = a[3].As<int>() & ~kInternalFlags;
  std::string address;
  if (address_addr != 0) {
    ASSIGN_OR_RETURN(address, CopyInAddress(t, address_addr, a[5].As<int>()));
    if (!address.empty()) args.address = address;
  }
  mm::UserSource source(t.mm(), buffer, std::min(size, kMaxRwCount));
  return Send(t, *s, source, args);
}

Result<uint64_t> Sendmsg(Task& t, const SyscallArgs& a) {
  const auto flags = a[2].As<int>() & ~kInternalFlags;
  ASSIGN_OR_RETURN(auto s, GetSocket(t, a[0].As<int>()));
  ASSIGN_OR_RETURN(const auto header, t.CopyIn<UserMsghdr>(a[1].As<UserAddr>()));
  return SendMessage(t, *s, header, flags);
}

Result<uint64_t> Sendmmsg(Task& t, const SyscallArgs& a) {
  const auto addr = a[1].As<UserAddr>();
  const auto count = std::min(a[2].As<unsigned>(), kMaxMessages);
  const auto flags = a[3].As<int>() & ~kInternalFlags;
  ASSIGN_OR_RETURN(auto s, GetSocket(t, a[0].As<int>()));
  for (unsigned i = 0; i < count; ++i) {
    const UserAddr at = addr + i * sizeof(UserMmsghdr);
    const auto send_one = [&]() -> Status {
      ASSIGN_OR_RETURN(const auto header, t.CopyIn<UserMsghdr>(at));
      ASSIGN_OR_RETURN(const uint64_t n, SendMessage(t, *s, header, flags));
      return t.CopyOut(at + offsetof(UserMmsghdr, length), static_cast<uint32_t>(n));
    };
    if (const Status status = send_one(); !status.ok()) {
      if (i == 0) return status.error();
      return i;
    }
    if (t.HasDeliverableSignal()) return i + 1;
  }
  return count;
}

Result<uint64_t> Recvfrom(Task& t, const SyscallArgs& a) {
  const auto buffer = a[1].As<UserAddr>();
  const auto size = a[2].As<uint64_t>();
  const auto address_addr = a[4].As<UserAddr>();
  RETURN_IF_ERROR(CheckUserRange(buffer, size));
  ASSIGN_OR_RETURN(auto s, GetSocket(t, a[0].As<int>()));
  mm::UserSink sink(t.mm(), buffer, std::min(size, kMaxRwCount));
  ASSIGN_OR_RETURN(const socket::RecvResult result,
                   Receive(t, *s, sink, a[3].As<int>()));
  if (address_addr != 0) {
    RETURN_IF_ERROR(CopyOutAddress(t, result.address, address_addr, a[5].As<UserAddr>()));
  }
  return result.size;
}

Result<uint64_t> Recvmsg(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto s, GetSocket(t, a[0].As<int>()));
  return ReceiveMessage(t, *s, a[1].As<UserAddr>(), a[2].As<int>());
}

// As on Linux the timeout is looked at between messages only: a call may wait longer for the first.
Result<uint64_t> Recvmmsg(Task& t, const SyscallArgs& a) {
  const auto addr = a[1].As<UserAddr>();
  const auto count = std::min(a[2].As<unsigned>(), kMaxMessages);
  auto flags = a[3].As<int>();
  const auto timeout = a[4].As<UserAddr>();
  ASSIGN_OR_RETURN(const Deadline deadline, CopyInTimeout(t, timeout));
  ASSIGN_OR_RETURN(auto s, GetSocket(t, a[0].As<int>()));
  unsigned received = 0;
  Status status = OkStatus();
  while (received < count) {
    const UserAddr at = addr + received * sizeof(UserMmsghdr);
    auto n = ReceiveMessage(t, *s, at, flags & ~MSG_WAITFORONE);
    if (!n.ok()) {
      status = n.error();
      break;
    }
    status = t.CopyOut(at + offsetof(UserMmsghdr, length), static_cast<uint32_t>(*n));
    if (!status.ok()) break;
    ++received;
    if (flags & MSG_WAITFORONE) flags |= MSG_DONTWAIT;
    if (!deadline.never() && deadline.passed()) break;
  }
  if (received == 0 && !status.ok()) return status.error();
  if (timeout != 0) RETURN_IF_ERROR(t.CopyOut(timeout, TimeLeft(deadline)));
  return received;
}

}  // namespace cvisor::syscalls
