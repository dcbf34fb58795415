// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Socket: what socket(2) returns, for all address families. The system-call layer copies arguments
// in (addresses are the bytes of a sockaddr, control messages are parsed) and results out, waits,
// and raises SIGPIPE; the families do the rest.
//
// Blocking: no method waits. EAGAIN: wait on wait_queue() and call again with the same arguments
// (kEventIn for RecvMsg and Accept, kEventOut for SendMsg and Connect), for at most
// options().receive_timeout() or send_timeout(); decide by calling again, not by Readiness(). Bytes
// that a partial SendMsg took are gone from the source, and so are the descriptors it sent from
// SendArgs.control; a blocking send on a stream goes on until the source is empty. Wait queues take
// exclusive waiters (accept); see waiter.h.
//
// pid_t here is always the thread group's number in the root PID namespace. The caller translates
// (SO_PEERCRED, SCM_CREDENTIALS).

#ifndef CVISOR_PKG_SENTRY_SOCKET_SOCKET_H_
#define CVISOR_PKG_SENTRY_SOCKET_SOCKET_H_

#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pkg/base/io.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/auth/credentials.h"
#include "pkg/sentry/socket/options.h"
#include "pkg/sentry/vfs/file_description.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::socket {

// On whose behalf. Made once per system call.
struct SocketCaller {
  pid_t pid = 0;
  CredsRef creds;
  // Identity of the network namespace: abstract names, /proc/net.
  uint64_t net_ns = 0;
  // RLIMIT_NOFILE: bounds the descriptors that a user may have in flight.
  uint64_t rlimit_nofile = 1 << 20;
  // For Unix addresses with path names; called when there is one. May be empty (ECONNREFUSED).
  std::function<vfs::WalkContext()> walk;
};

// The caller behind a plain read(2) or write(2), which carry none. Set once at start-up by the
// kernel; without it the caller is pid 0, root.
void SetCallerProvider(SocketCaller (*provider)());
SocketCaller CurrentCaller();

// Ancillary data (cmsg(3)), parsed.
struct ControlMessages {
  std::vector<Ref<vfs::FileDescription>> rights;  // SCM_RIGHTS
  std::optional<ucred> credentials;               // SCM_CREDENTIALS; the claim has been checked
  std::optional<timespec> timestamp;              // SO_TIMESTAMP*: format as options() says
  // Others, of the family's own: level, type, data.
  struct Other {
    int level, type;
    std::string data;
  };
  std::vector<Other> others;
};

struct SendArgs {
  int flags = 0;  // MSG_*
  std::optional<std::string_view> address;
  // Rights that were sent are moved out, so that a continued send does not send them twice.
  ControlMessages control;
};

struct RecvResult {
  // What recvmsg(2) returns: bytes stored, or with MSG_TRUNC a datagram's true length.
  size_t size = 0;
  int flags = 0;  // MSG_TRUNC, MSG_EOR, MSG_OOB. MSG_CTRUNC and MSG_CMSG_CLOEXEC are the caller's.
  std::string address;  // of the sender; empty if it has none
  ControlMessages control;
  // MSG_WAITALL must not go on: descriptors or credentials belong to what was read.
  bool boundary = false;
};

class Socket : public vfs::FileDescription {
 public:
  Socket(vfs::Path path, int flags, int family, int type, int protocol, Ref<SocketOptions> options);

  int family() const { return family_; }
  int type() const { return type_; }
  int protocol() const { return protocol_; }
  SocketOptions& options() const { return *options_; }

  virtual Status Bind(const SocketCaller& caller, std::string_view address) = 0;
  // EAGAIN: cannot start yet, call again after kEventOut (AF_UNIX with a full backlog).
  // EINPROGRESS: under way; in blocking mode wait for kEventOut, then FinishConnect().
  virtual Status Connect(const SocketCaller& caller, std::string_view address) = 0;
  // EAGAIN while a connection is under way, else how it ended.
  virtual Status FinishConnect() { return OkStatus(); }
  virtual Status Listen(const SocketCaller& caller, int backlog);
  // `flags`: O_NONBLOCK for the new description. *peer gets its address if not null.
  virtual Result<Ref<Socket>> Accept(const SocketCaller& caller, int flags, std::string* peer);
  virtual Result<std::string> GetSockName() = 0;
  virtual Result<std::string> GetPeerName() = 0;
  virtual Result<size_t> SendMsg(const SocketCaller& caller, IoSource& src, SendArgs& args) = 0;
  // `flags` has MSG_DONTWAIT if the call will not wait.
  virtual Result<RecvResult> RecvMsg(IoSink& dst, int flags) = 0;
  virtual Status Shutdown(int how) = 0;
  // The option's value, whole: the caller cuts it to the application's length. (SO_PEERGROUPS: if
  // the length is too small it stores the right one and fails with ERANGE.) SOL_SOCKET is done
  // here; families override for their own levels and call this for the rest.
  virtual Result<std::string> GetSockOpt(const SocketCaller& caller, int level, int name);
  virtual Status SetSockOpt(const SocketCaller& caller, int level, int name,
                            std::span<const std::byte> value);

  // read(2) and write(2): RecvMsg and SendMsg without the extras.
  Result<size_t> Read(IoSink& dst, vfs::IoFlags flags) override;
  Result<size_t> Write(IoSource& src, vfs::IoFlags flags) override;
  // Interface ioctls (SIOCGIF*) go to the handler of RegisterDeviceIoctls().
  Result<uint64_t> Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) override;

 protected:
  // For SO_ERROR, SO_ACCEPTCONN, SO_PEERCRED and SO_PEERGROUPS.
  virtual Errno TakeError() { return Errno::kOk; }
  virtual bool listening() { return false; }
  virtual std::optional<ucred> PeerCredentials() { return std::nullopt; }
  virtual std::optional<std::vector<gid_t>> PeerGroups() { return std::nullopt; }
  // A buffer size or low-water mark changed.
  virtual void OptionsChanged() {}

 private:
  const int family_, type_, protocol_;
  const Ref<SocketOptions> options_;
};

// --- Families, registered at start-up.
struct Family {
  // `flags`: O_NONBLOCK. `type` without SOCK_NONBLOCK and SOCK_CLOEXEC.
  std::function<Result<Ref<Socket>>(const SocketCaller&, int type, int protocol, int flags)> create;
  // socketpair(2); empty: EOPNOTSUPP.
  std::function<Result<std::pair<Ref<Socket>, Ref<Socket>>>(const SocketCaller&, int type,
                                                            int protocol, int flags)>
      create_pair;
};
void RegisterFamily(int family, Family what);

// socket(2), socketpair(2): type may have SOCK_NONBLOCK and SOCK_CLOEXEC (ignored here).
// EAFNOSUPPORT, EINVAL and the family's errors.
Result<Ref<Socket>> Create(const SocketCaller& caller, int family, int type, int protocol);
Result<std::pair<Ref<Socket>, Ref<Socket>>> CreatePair(const SocketCaller& caller, int family,
                                                       int type, int protocol);

// Handles network interface ioctls, which any socket takes. ENOTTY: not one of them.
using DeviceIoctls = Result<uint64_t> (*)(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg);
void RegisterDeviceIoctls(DeviceIoctls handler);

}  // namespace cvisor::socket

#endif  // CVISOR_PKG_SENTRY_SOCKET_SOCKET_H_
