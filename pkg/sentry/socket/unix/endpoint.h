// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Endpoint: one end of AF_UNIX communication (Linux's struct unix_sock); UnixSocket is the open
// description on top of it. An endpoint may live longer than its description (messages it sent are
// still queued, a peer still names it: it is then `dead`) or start earlier (a connection that was
// not accepted yet). Release() cuts every reference it holds, so that cycles of peers end with the
// descriptions. Behaviour: unix(7) and Linux's net/unix/af_unix.c.
//
// Locks, in order: bind_mu_ (held across VFS calls), read_mu_ (serialises receivers, held while
// bytes are copied to the application), the in-flight table's (garbage.h), mu_ (two: lower address
// first), wait queues'. Nothing is copied from or to applications under mu_; messages, descriptions
// and other endpoints are released without it.

#ifndef CVISOR_PKG_SENTRY_SOCKET_UNIX_ENDPOINT_H_
#define CVISOR_PKG_SENTRY_SOCKET_UNIX_ENDPOINT_H_

#include <sys/socket.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pkg/base/io.h"
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/socket/options.h"
#include "pkg/sentry/socket/socket.h"
#include "pkg/sentry/socket/unix/address.h"
#include "pkg/sentry/socket/unix/message.h"
#include "pkg/sentry/vfs/dentry.h"
#include "pkg/sentry/waiter/waiter.h"

namespace cvisor::socket::unix_socket {

class UnixSocket;

class Endpoint : public RefCounted {
 public:
  Endpoint(int type, uint64_t net_ns, Ref<SocketOptions> options);
  ~Endpoint() override;

  int type() const { return type_; }
  uint64_t net_ns() const { return net_ns_; }
  SocketOptions& options() const { return *options_; }
  const Ref<SocketOptions>& options_ref() const { return options_; }
  WaitQueue& queue() { return queue_; }
  void set_ino(ino_t ino) { ino_.store(ino); }

  // --- Names and connections (endpoint.cc).
  Status Bind(const SocketCaller& caller, const Ref<Endpoint>& self, std::string_view sockaddr);
  Status Connect(const SocketCaller& caller, std::string_view sockaddr);
  Status Listen(const SocketCaller& caller, int backlog);
  // *peer gets the address of the other side.
  Result<Ref<Endpoint>> Accept(std::string* peer);
  static void Pair(const SocketCaller& caller, Endpoint& a, Endpoint& b);
  Status Shutdown(int how);
  // The description was closed. `embryo`: it never had one.
  void Release(bool embryo);
  std::string SockName();
  Result<std::string> PeerName();
  EventMask Readiness(EventMask mask);
  Errno TakeError();
  bool listening();
  std::optional<ucred> PeerCredentials();
  std::optional<std::vector<gid_t>> PeerGroups();
  bool dead() const { return dead_.load(std::memory_order_acquire); }

  // --- Data (transfer.cc).
  Result<size_t> Send(const SocketCaller& caller, IoSource& src, SendArgs& args);
  Result<RecvResult> Receive(IoSink& dst, int flags);
  Result<size_t> ReadableBytes();                             // SIOCINQ
  size_t unread_by_peers() const { return charged_.load(); }  // SIOCOUTQ

  // --- For messages. Room in the send buffer.
  void Charge(size_t n) { charged_.fetch_add(n, std::memory_order_relaxed); }
  void Uncharge(size_t n);

  // --- For the garbage collector: descriptions in the receive queue, or in the queues of
  // connections not accepted yet.
  void VisitRights(const std::function<void(vfs::FileDescription&)>& visit);
  void TakeMessagesWithRights(std::vector<MessagePtr>* out);

  // One line of /proc/net/unix.
  std::string Describe();

 private:
  enum class State { kUnconnected, kConnected, kListening };
  struct Identity {  // of a peer
    pid_t pid = 0;
    CredsRef creds;
  };

  bool connection_oriented() const { return type_ != SOCK_DGRAM; }
  bool BufferWritable() const {
    return charged_.load(std::memory_order_relaxed) * 4 <=
           static_cast<size_t>(options_->sndbuf.load(std::memory_order_relaxed));
  }
  bool BufferFull() const {
    return charged_.load(std::memory_order_relaxed) >=
           static_cast<size_t>(options_->sndbuf.load(std::memory_order_relaxed));
  }
  // unix_recvq_full(): more than the backlog waits here.
  bool QueueFull() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return (state_ == State::kListening ? accept_queue_.size() : rx_.count()) > backlog_;
  }
  // `sender` will hear kEventOut when there is room.
  void AddWaitingSender(Endpoint& sender) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static void Wake(std::vector<Ref<Endpoint>> senders);

  Ref<Endpoint> peer();
  Ref<const Address> address();
  // Who is at an address. ECONNREFUSED, EPROTOTYPE, and the errors of path walks.
  Result<Ref<Endpoint>> Find(const SocketCaller& caller, const Address& address);
  Status Autobind(const Ref<Endpoint>& self);
  Status BindPath(const SocketCaller& caller, const Ref<Endpoint>& self,
                  Ref<const Address> address);
  Status ConnectStream(const SocketCaller& caller, const Address& to);
  Status ConnectDatagram(const SocketCaller& caller, std::string_view sockaddr);
  void PeerDisconnected(Endpoint& other);

  Result<size_t> SendStream(const SocketCaller& caller, IoSource& src, SendArgs& args);
  Result<size_t> SendDatagram(const SocketCaller& caller, IoSource& src, SendArgs& args);
  // The common part of a message from here.
  Status Dress(Message& m, const SocketCaller& caller, SendArgs& args, Endpoint& to);
  // Puts `m` into other's queue; takes it only on success.
  Status DeliverStream(Endpoint& other, MessagePtr& m);
  Status DeliverDatagram(Endpoint& other, MessagePtr& m);
  Result<RecvResult> ReceiveStream(IoSink& dst, int flags);
  Result<RecvResult> ReceiveDatagram(IoSink& dst, int flags);
  void FillCredentials(const Message& m, RecvResult* r);
  // Hands the message's descriptions out (copies, if peeking). mu_ is held.
  void TakeRights(Message& m, bool peek, RecvResult* r,
                  std::vector<Ref<vfs::FileDescription>>* left) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const int type_;
  const uint64_t net_ns_;
  const Ref<SocketOptions> options_;
  std::atomic<ino_t> ino_{0};
  WaitQueue queue_;
  std::atomic<size_t> charged_{0};  // bytes of the send buffer in use
  std::atomic<bool> dead_{false};   // set under mu_

  Mutex bind_mu_;
  Mutex read_mu_ ABSL_ACQUIRED_AFTER(bind_mu_);
  Mutex mu_ ABSL_ACQUIRED_AFTER(read_mu_);
  State state_ ABSL_GUARDED_BY(mu_) = State::kUnconnected;
  int shutdown_ ABSL_GUARDED_BY(mu_) = 0;  // kShut* bits
  Errno error_ ABSL_GUARDED_BY(mu_) = Errno::kOk;
  Ref<Endpoint> peer_ ABSL_GUARDED_BY(mu_);
  Ref<const Address> address_ ABSL_GUARDED_BY(mu_);
  bool owns_address_ ABSL_GUARDED_BY(mu_) = false;  // accepted sockets only bear the listener's
  vfs::Path bound_path_ ABSL_GUARDED_BY(mu_);
  Identity peer_identity_ ABSL_GUARDED_BY(mu_);  // of the listener itself while listening
  size_t backlog_ ABSL_GUARDED_BY(mu_) = 10;     // net.unix.max_dgram_qlen
  MessageQueue rx_ ABSL_GUARDED_BY(mu_);
  std::deque<Ref<Endpoint>> accept_queue_ ABSL_GUARDED_BY(mu_);
  std::vector<Ref<Endpoint>> waiting_senders_ ABSL_GUARDED_BY(mu_);
};

// The body of /proc/net/unix for a network namespace, with its heading.
std::string ProcNetUnix(uint64_t net_ns);

}  // namespace cvisor::socket::unix_socket

#endif  // CVISOR_PKG_SENTRY_SOCKET_UNIX_ENDPOINT_H_
