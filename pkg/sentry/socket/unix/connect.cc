// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// bind(2), connect(2), listen(2) and accept(2) of endpoints.

#include <algorithm>
#include <functional>
#include <utility>

#include "pkg/sentry/socket/unix/endpoint.h"
#include "pkg/sentry/socket/unix/internal.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::socket::unix_socket {
namespace {

// Two mutexes in address order.
class ABSL_SCOPED_LOCKABLE TwoLocks {
 public:
  TwoLocks(Mutex& a, Mutex& b) ABSL_EXCLUSIVE_LOCK_FUNCTION(a, b) : a_(a), b_(b) { Lock(); }
  ~TwoLocks() ABSL_UNLOCK_FUNCTION() { Unlock(); }

 private:
  void Lock() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    const bool a_first = std::less<Mutex*>()(&a_, &b_);
    (a_first ? a_ : b_).Lock();
    (a_first ? b_ : a_).Lock();
  }
  void Unlock() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    a_.Unlock();
    b_.Unlock();
  }
  Mutex& a_;
  Mutex& b_;
};

sa_family_t FamilyOf(std::string_view sockaddr) {
  sa_family_t family;
  if (sockaddr.size() < sizeof(family)) return AF_UNIX;  // too short: the parser says so
  std::copy_n(sockaddr.data(), sizeof(family), reinterpret_cast<char*>(&family));
  return family;
}

}  // namespace

Status Endpoint::Bind(const SocketCaller& caller, const Ref<Endpoint>& self,
                      std::string_view sockaddr) {
  if (IsFamilyOnly(sockaddr)) return Autobind(self);
  ASSIGN_OR_RETURN(const auto wanted, Address::Parse(sockaddr));
  MutexLock binding(bind_mu_);
  if (address() != nullptr) return Errno::kEINVAL;
  if (!wanted->abstract()) return BindPath(caller, self, wanted);
  RETURN_IF_ERROR(AbstractNames::Global().Bind(net_ns_, type_, *wanted, self));
  MutexLock lock(mu_);
  address_ = wanted;
  owns_address_ = true;
  return OkStatus();
}

Status Endpoint::BindPath(const SocketCaller& caller, const Ref<Endpoint>& self,
                          Ref<const Address> wanted) {
  if (!caller.walk) return Errno::kEOPNOTSUPP;
  vfs::Path made;
  auto st = vfs::MakeNode(caller.walk(), wanted->name(), S_IFSOCK | 0777, 0, &made);
  if (!st.ok()) return st.error() == Errno::kEEXIST ? Errno::kEADDRINUSE : st.error();
  made.inode().set_attachment(self);
  MutexLock lock(mu_);
  address_ = std::move(wanted);
  owns_address_ = true;
  bound_path_ = std::move(made);
  return OkStatus();
}

Status Endpoint::Autobind(const Ref<Endpoint>& self) {
  MutexLock binding(bind_mu_);
  if (address() != nullptr) return OkStatus();
  ASSIGN_OR_RETURN(auto name, AbstractNames::Global().BindAny(net_ns_, type_, self));
  MutexLock lock(mu_);
  address_ = std::move(name);
  owns_address_ = true;
  return OkStatus();
}

Result<Ref<Endpoint>> Endpoint::Find(const SocketCaller& caller, const Address& to) {
  Ref<Endpoint> found;
  if (to.abstract()) {
    found = AbstractNames::Global().Find(net_ns_, type_, to);
  } else {
    if (!caller.walk) return Errno::kECONNREFUSED;
    const vfs::WalkContext ctx = caller.walk();
    ASSIGN_OR_RETURN(const vfs::Path path, vfs::Walk(ctx, to.name()));
    RETURN_IF_ERROR(vfs::CheckAccess(ctx, path, vfs::kMayWrite));
    if (!S_ISSOCK(path.inode().type())) return Errno::kECONNREFUSED;
    found = RefCast<Endpoint>(path.inode().attachment());
  }
  if (found == nullptr || found->dead()) return Errno::kECONNREFUSED;
  if (found->type_ != type_) return Errno::kEPROTOTYPE;
  return found;
}

Status Endpoint::Connect(const SocketCaller& caller, std::string_view sockaddr) {
  if (type_ == SOCK_DGRAM) return ConnectDatagram(caller, sockaddr);
  ASSIGN_OR_RETURN(const auto to, Address::Parse(sockaddr));
  return ConnectStream(caller, *to);
}

Status Endpoint::ConnectStream(const SocketCaller& caller, const Address& to) {
  if (options_->passcred) RETURN_IF_ERROR(Autobind(Ref<Endpoint>(this)));
  ASSIGN_OR_RETURN(const auto listener, Find(caller, to));
  if (listener == this) return listening() ? Errno::kEINVAL : Errno::kECONNREFUSED;

  auto options = MakeRef<SocketOptions>();
  options->passcred = listener->options_->passcred.load();
  auto server = MakeRef<Endpoint>(type_, listener->net_ns_, std::move(options));
  {
    TwoLocks lock(mu_, listener->mu_);
    if (listener->state_ != State::kListening || (listener->shutdown_ & kShutReceive) != 0) {
      return Errno::kECONNREFUSED;
    }
    if (listener->QueueFull()) {
      listener->AddWaitingSender(*this);
      return Errno::kEAGAIN;
    }
    if (state_ == State::kConnected) return Errno::kEISCONN;
    if (state_ != State::kUnconnected) return Errno::kEINVAL;
    {
      // Nobody else knows it yet, so this third lock cannot be part of a deadlock.
      MutexLock fresh(server->mu_);
      server->peer_ = Ref<Endpoint>(this);
      server->state_ = State::kConnected;
      server->address_ = listener->address_;
      server->peer_identity_ = {caller.pid, caller.creds};
    }
    peer_ = server;
    state_ = State::kConnected;
    peer_identity_ = listener->peer_identity_;
    listener->accept_queue_.push_back(std::move(server));
  }
  listener->queue_.Notify(kEventIn);
  return OkStatus();
}

Status Endpoint::ConnectDatagram(const SocketCaller& caller, std::string_view sockaddr) {
  if (sockaddr.size() < sizeof(sa_family_t)) return Errno::kEINVAL;
  Ref<Endpoint> target;
  if (FamilyOf(sockaddr) != AF_UNSPEC) {
    ASSIGN_OR_RETURN(const auto to, Address::Parse(sockaddr));
    if (options_->passcred) RETURN_IF_ERROR(Autobind(Ref<Endpoint>(this)));
    ASSIGN_OR_RETURN(target, Find(caller, *to));
    if (target != this) {
      const auto its_peer = target->peer();
      if (its_peer != nullptr && its_peer != this) return Errno::kEPERM;
    }
  }
  Ref<Endpoint> old;
  {
    MutexLock lock(mu_);
    old = std::exchange(peer_, target);
    state_ = target != nullptr ? State::kConnected : State::kUnconnected;
  }
  if (old != nullptr && old != target) PeerDisconnected(*old);
  queue_.Notify(kEventOut);
  return OkStatus();
}

// A datagram socket turned away from `other`: what came from there is lost, and other hears of it.
void Endpoint::PeerDisconnected(Endpoint& other) {
  MessageQueue lost;
  std::vector<Ref<Endpoint>> senders;
  {
    MutexLock reader(read_mu_);
    MutexLock lock(mu_);
    if (rx_.empty()) return;
    lost = std::move(rx_);
    senders.swap(waiting_senders_);
  }
  Wake(std::move(senders));
  if (&other == this) return;
  {
    MutexLock lock(other.mu_);
    if (other.dead() || other.peer_ != this) return;
    other.error_ = Errno::kECONNRESET;
  }
  other.queue_.Notify(kEventErr);
}

Status Endpoint::Listen(const SocketCaller& caller, int backlog) {
  if (!connection_oriented()) return Errno::kEOPNOTSUPP;
  std::vector<Ref<Endpoint>> senders;
  {
    MutexLock lock(mu_);
    if (address_ == nullptr || state_ == State::kConnected) return Errno::kEINVAL;
    const auto size = std::min<unsigned>(static_cast<unsigned>(backlog), kMaxAcceptBacklog);
    if (state_ == State::kListening && size > backlog_) senders.swap(waiting_senders_);
    backlog_ = size;
    state_ = State::kListening;
    peer_identity_ = {caller.pid, caller.creds};
  }
  Wake(std::move(senders));
  return OkStatus();
}

Result<Ref<Endpoint>> Endpoint::Accept(std::string* peer_name) {
  if (!connection_oriented()) return Errno::kEOPNOTSUPP;
  Ref<Endpoint> accepted;
  std::vector<Ref<Endpoint>> senders;
  {
    MutexLock lock(mu_);
    if (state_ != State::kListening) return Errno::kEINVAL;
    if (accept_queue_.empty()) {
      return (shutdown_ & kShutReceive) != 0 ? Errno::kEINVAL : Errno::kEAGAIN;
    }
    accepted = std::move(accept_queue_.front());
    accept_queue_.pop_front();
    if (!QueueFull()) senders.swap(waiting_senders_);
  }
  Wake(std::move(senders));
  if (peer_name != nullptr) *peer_name = accepted->PeerName().value_or(EncodeUnnamed());
  return accepted;
}

}  // namespace cvisor::socket::unix_socket
