// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Sending and receiving.

#include <algorithm>
#include <new>
#include <utility>

#include "pkg/sentry/socket/unix/endpoint.h"
#include "pkg/sentry/socket/unix/garbage.h"
#include "pkg/sentry/socket/unix/internal.h"
#include "pkg/sentry/vfs/types.h"

namespace cvisor::socket::unix_socket {
namespace {

// The largest piece of a stream in one message.
constexpr size_t kMaxPiece = 64 << 10;
// The smallest message of a stream: small writes that follow are added to it.
constexpr size_t kMinPiece = 768;
// What a datagram must leave of the send buffer.
constexpr int kDatagramOverhead = 32;
constexpr uid_t kOverflowId = 65534;

bool SameCredentials(const std::optional<ucred>& a, const std::optional<ucred>& b) {
  if (a.has_value() != b.has_value()) return false;
  return !a.has_value() || (a->pid == b->pid && a->uid == b->uid && a->gid == b->gid);
}

}  // namespace

MessagePtr Message::New(size_t capacity) {
  void* memory = ::operator new(sizeof(Message) + capacity, std::nothrow);
  return MessagePtr(memory == nullptr ? nullptr : new (memory) Message(capacity));
}

void DeleteMessage::operator()(Message* m) const {
  RemoveInFlight(m->rights, m->rights_owner);
  if (m->sender != nullptr) m->sender->Uncharge(m->charge);
  m->~Message();
  ::operator delete(m);
}

Result<size_t> Endpoint::Send(const SocketCaller& caller, IoSource& src, SendArgs& args) {
  if ((args.flags & MSG_OOB) != 0) return Errno::kEOPNOTSUPP;
  if (args.control.rights.size() > kMaxRights) return Errno::kEINVAL;
  return type_ == SOCK_STREAM ? SendStream(caller, src, args) : SendDatagram(caller, src, args);
}

Status Endpoint::Dress(Message& m, const SocketCaller& caller, SendArgs& args, Endpoint& to) {
  m.sender = Ref<Endpoint>(this);
  m.charge = sizeof(Message) + m.capacity;
  Charge(m.charge);
  m.from = address();
  if (args.control.credentials.has_value()) {
    m.credentials = args.control.credentials;
  } else if (options_->passcred || to.options_->passcred) {
    m.credentials = ucred{caller.pid, caller.creds->ruid, caller.creds->rgid};
  }
  if (to.options_->timestamp.load(std::memory_order_relaxed) != 0) m.time = vfs::Now();
  if (!args.control.rights.empty()) {
    const bool privileged =
        caller.creds->HasCap(CAP_SYS_RESOURCE) || caller.creds->HasCap(CAP_SYS_ADMIN);
    RETURN_IF_ERROR(AddInFlight(args.control.rights, caller.creds->ruid,
                                privileged ? UINT64_MAX : caller.rlimit_nofile));
    m.rights_owner = caller.creds->ruid;
    m.rights = std::exchange(args.control.rights, {});
  }
  return OkStatus();
}

Status Endpoint::DeliverStream(Endpoint& other, MessagePtr& m) {
  {
    MutexLock lock(other.mu_);
    if (other.dead() || (other.shutdown_ & kShutReceive) != 0) return Errno::kEPIPE;
    Message* last = other.rx_.tail();
    const size_t n = m->end;
    if (last != nullptr && last->sender == this && last->capacity - last->end >= n &&
        m->rights.empty() && last->rights.empty() && !last->rights_taken && last->from == m->from &&
        SameCredentials(last->credentials, m->credentials)) {
      std::copy_n(m->data(), n, last->data() + last->end);
      last->end += n;
    } else {
      other.rx_.Push(std::move(m));
    }
  }
  other.queue_.Notify(kEventIn);
  return OkStatus();
}

Result<size_t> Endpoint::SendStream(const SocketCaller& caller, IoSource& src, SendArgs& args) {
  Ref<Endpoint> other;
  {
    MutexLock lock(mu_);
    if (args.address.has_value() && !args.address->empty()) {
      return state_ == State::kConnected ? Errno::kEISCONN : Errno::kEOPNOTSUPP;
    }
    if (peer_ == nullptr) return Errno::kENOTCONN;
    if ((shutdown_ & kShutSend) != 0) return Errno::kEPIPE;
    other = peer_;
  }
  size_t sent = 0;
  const auto stop = [&](Errno error) { return sent != 0 ? Result<size_t>(sent) : error; };
  while (src.remaining() != 0) {
    if (const Errno error = TakeError(); error != Errno::kOk) return stop(error);
    if (BufferFull()) return stop(Errno::kEAGAIN);
    const auto half = static_cast<size_t>(options_->sndbuf.load() / 2 - 64);
    const size_t n = std::min({src.remaining(), half, kMaxPiece});
    MessagePtr m = Message::New(std::max(n, kMinPiece));
    if (m == nullptr) return stop(Errno::kENOBUFS);
    auto got = src.Read({m->data(), n});
    if (!got.ok()) return stop(got.error());
    if (*got < n) return stop(Errno::kEFAULT);
    m->end = n;
    if (auto st = Dress(*m, caller, args, *other); !st.ok()) return stop(st.error());
    if (auto st = DeliverStream(*other, m); !st.ok()) return stop(st.error());
    sent += n;
  }
  return sent;
}

Status Endpoint::DeliverDatagram(Endpoint& other, MessagePtr& m) {
  {
    MutexLock lock(other.mu_);
    if (other.dead()) return type_ == SOCK_DGRAM ? Errno::kECONNREFUSED : Errno::kEPIPE;
    if ((other.shutdown_ & kShutReceive) != 0) return Errno::kEPIPE;
    other.rx_.Push(std::move(m));
  }
  other.queue_.Notify(kEventIn);
  return OkStatus();
}

Result<size_t> Endpoint::SendDatagram(const SocketCaller& caller, IoSource& src, SendArgs& args) {
  Ref<Endpoint> other;
  Ref<const Address> to;
  if (type_ == SOCK_DGRAM && args.address.has_value() && !args.address->empty()) {
    ASSIGN_OR_RETURN(to, Address::Parse(*args.address));
  }
  {
    MutexLock lock(mu_);
    if (type_ == SOCK_SEQPACKET && state_ != State::kConnected) return Errno::kENOTCONN;
    if (to == nullptr && peer_ == nullptr) return Errno::kENOTCONN;
    if (to == nullptr) other = peer_;
  }
  if (options_->passcred) RETURN_IF_ERROR(Autobind(Ref<Endpoint>(this)));
  const size_t n = src.remaining();
  if (n > static_cast<size_t>(options_->sndbuf.load() - kDatagramOverhead)) return Errno::kEMSGSIZE;
  {
    MutexLock lock(mu_);
    if (error_ != Errno::kOk) return std::exchange(error_, Errno::kOk);
    if ((shutdown_ & kShutSend) != 0) return Errno::kEPIPE;
  }
  if (BufferFull()) return Errno::kEAGAIN;
  if (to != nullptr) {
    ASSIGN_OR_RETURN(other, Find(caller, *to));
  }
  // Everything that may fail for now comes before the source is read, so that the call can be made
  // again. A receiver that fills up between here and the delivery takes one more.
  bool refused = false;
  if (other == this) {
    MutexLock lock(mu_);
    if (peer_ != nullptr && peer_ != this) return Errno::kEPERM;
  } else {
    MutexLock lock(other->mu_);
    refused = other->dead();
    if (!refused) {
      if (other->peer_ != nullptr && other->peer_ != this) return Errno::kEPERM;
      if ((other->shutdown_ & kShutReceive) != 0) return Errno::kEPIPE;
      if (other->peer_ != this && other->QueueFull()) {
        other->AddWaitingSender(*this);
        return Errno::kEAGAIN;
      }
    }
  }
  if (refused) {
    if (type_ != SOCK_DGRAM) return Errno::kEPIPE;
    Ref<Endpoint> gone;  // dropped after the lock
    MutexLock lock(mu_);
    if (peer_ == other) {
      gone.swap(peer_);
      state_ = State::kUnconnected;
    }
    return Errno::kECONNREFUSED;
  }
  MessagePtr m = Message::New(n);
  if (m == nullptr) return Errno::kENOBUFS;
  if (n != 0) {
    ASSIGN_OR_RETURN(m->end, src.Read({m->data(), n}));
    if (m->end < n) return Errno::kEFAULT;
  }
  RETURN_IF_ERROR(Dress(*m, caller, args, *other));
  RETURN_IF_ERROR(DeliverDatagram(*other, m));
  return n;
}

Result<RecvResult> Endpoint::Receive(IoSink& dst, int flags) {
  if ((flags & MSG_OOB) != 0) return type_ == SOCK_STREAM ? Errno::kEINVAL : Errno::kEOPNOTSUPP;
  return type_ == SOCK_STREAM ? ReceiveStream(dst, flags) : ReceiveDatagram(dst, flags);
}

void Endpoint::FillCredentials(const Message& m, RecvResult* r) {
  if (options_->passcred) {
    r->control.credentials = m.credentials.value_or(ucred{0, kOverflowId, kOverflowId});
  }
}

void Endpoint::TakeRights(Message& m, bool peek, RecvResult* r,
                          std::vector<Ref<vfs::FileDescription>>* left) {
  if (m.rights.empty()) return;
  r->boundary = true;
  if (peek) {
    r->control.rights.insert(r->control.rights.end(), m.rights.begin(), m.rights.end());
    return;
  }
  *left = std::exchange(m.rights, {});
  m.rights_taken = true;
}

Result<RecvResult> Endpoint::ReceiveStream(IoSink& dst, int flags) {
  const bool peek = (flags & MSG_PEEK) != 0;
  MutexLock reader(read_mu_);
  RecvResult r;
  Message* m = nullptr;  // cannot go while read_mu_ is held
  bool first = true;
  std::optional<ucred> fence;
  for (;;) {
    std::span<const std::byte> data;
    {
      MutexLock lock(mu_);
      if (state_ != State::kConnected) return Errno::kEINVAL;
      m = peek && m != nullptr ? m->next : rx_.head();
      if (m == nullptr) {
        if (!first || dst.remaining() == 0) return r;
        if (error_ != Errno::kOk) return std::exchange(error_, Errno::kOk);
        if ((shutdown_ & kShutReceive) != 0) return r;
        return Errno::kEAGAIN;
      }
      data = m->unread();
    }
    // Bytes of different senders are not mixed where the reader asked who sent them.
    if (options_->passcred) {
      if (!first && !SameCredentials(fence, m->credentials)) {
        r.boundary = true;
        return r;
      }
      fence = m->credentials;
      FillCredentials(*m, &r);
    }
    if (first && m->from != nullptr) r.address = m->from->Encode();
    const size_t want = std::min(data.size(), dst.remaining());
    size_t n = 0;
    if (want != 0) {
      auto put = dst.Write(data.first(want));
      if (!put.ok()) {
        if (first) return put.error();
        return r;
      }
      n = *put;
    }
    first = false;
    r.size += n;
    Rights rights;
    MessagePtr done;  // released without mu_
    bool whole;
    {
      MutexLock lock(mu_);
      TakeRights(*m, peek, &r, &rights);
      whole = n == data.size();
      if (!peek) {
        m->begin += n;
        if (m->begin == m->end) done = rx_.Pop();
      }
    }
    if (!rights.empty()) {
      RemoveInFlight(rights, m->rights_owner);
      r.control.rights = std::move(rights);
    }
    if (r.boundary || !whole || n < want || dst.remaining() == 0) return r;
  }
}

Result<RecvResult> Endpoint::ReceiveDatagram(IoSink& dst, int flags) {
  const bool peek = (flags & MSG_PEEK) != 0;
  MutexLock reader(read_mu_);
  RecvResult r;
  Message* m;
  MessagePtr taken;
  std::vector<Ref<Endpoint>> senders;
  Rights rights;
  {
    MutexLock lock(mu_);
    if (type_ == SOCK_SEQPACKET && state_ != State::kConnected) return Errno::kENOTCONN;
    if (error_ != Errno::kOk) return std::exchange(error_, Errno::kOk);
    m = rx_.head();
    if (m == nullptr) {
      const bool end = (shutdown_ & kShutReceive) != 0 &&
                       (type_ == SOCK_SEQPACKET || (flags & MSG_DONTWAIT) == 0);
      if (end) return r;
      return Errno::kEAGAIN;
    }
    TakeRights(*m, peek, &r, &rights);
    if (!peek) {
      taken = rx_.Pop();
      if (!waiting_senders_.empty() && !QueueFull()) senders.swap(waiting_senders_);
    }
  }
  Wake(std::move(senders));
  RemoveInFlight(rights, m->rights_owner);
  if (!peek) r.control.rights = std::move(rights);

  const auto data = m->unread();
  const size_t want = std::min(data.size(), dst.remaining());
  if (want != 0) {
    ASSIGN_OR_RETURN(const size_t put, dst.Write(data.first(want)));
    if (put < want) return Errno::kEFAULT;
  }
  if (want < data.size()) r.flags |= MSG_TRUNC;
  r.size = (flags & MSG_TRUNC) != 0 ? data.size() : want;
  if (m->from != nullptr) r.address = m->from->Encode();
  FillCredentials(*m, &r);
  r.control.timestamp = m->time;
  r.boundary = true;
  return r;
}

Result<size_t> Endpoint::ReadableBytes() {
  MutexLock lock(mu_);
  if (state_ == State::kListening) return Errno::kEINVAL;
  size_t n = 0;
  for (Message* m = rx_.head(); m != nullptr; m = m->next) {
    n += m->end - m->begin;
    if (type_ == SOCK_DGRAM) break;
  }
  return n;
}

}  // namespace cvisor::socket::unix_socket
