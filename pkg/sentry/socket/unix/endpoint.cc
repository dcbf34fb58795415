// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Life, state and readiness of endpoints.

#include "pkg/sentry/socket/unix/endpoint.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_format.h"
#include "pkg/sentry/socket/unix/internal.h"

namespace cvisor::socket::unix_socket {
namespace {

// All endpoints, for /proc/net/unix. Its lock is a leaf: endpoints may end under another one's mu_.
struct Registry {
  Mutex mu;
  absl::flat_hash_set<Endpoint*> all ABSL_GUARDED_BY(mu);
};
Registry& registry() {
  static auto* r = new Registry();
  return *r;
}

}  // namespace

Endpoint::Endpoint(int type, uint64_t net_ns, Ref<SocketOptions> options)
    : type_(type), net_ns_(net_ns), options_(std::move(options)) {
  MutexLock lock(registry().mu);
  registry().all.insert(this);
}

Endpoint::~Endpoint() {
  MutexLock lock(registry().mu);
  registry().all.erase(this);
}

void Endpoint::Uncharge(size_t n) {
  const size_t was = charged_.fetch_sub(n, std::memory_order_acq_rel);
  const auto limit = static_cast<size_t>(options_->sndbuf.load(std::memory_order_relaxed));
  if (n == 0 || (was * 4 > limit && (was - n) * 4 <= limit)) queue_.Notify(kEventOut);
}

void Endpoint::AddWaitingSender(Endpoint& sender) {
  auto& list = waiting_senders_;
  if (std::any_of(list.begin(), list.end(), [&](const auto& s) { return s == &sender; })) return;
  // Senders that went away are dropped now and then. (Dropping one is harmless under mu_: a dead
  // endpoint has nothing left to release.)
  if (list.size() >= 64 && (list.size() & (list.size() - 1)) == 0) {
    std::erase_if(list, [](const auto& s) { return s->dead(); });
  }
  list.push_back(Ref<Endpoint>(&sender));
}

void Endpoint::Wake(std::vector<Ref<Endpoint>> senders) {
  for (const auto& s : senders) s->queue_.Notify(kEventOut);
}

Ref<Endpoint> Endpoint::peer() {
  MutexLock lock(mu_);
  return peer_;
}

Ref<const Address> Endpoint::address() {
  MutexLock lock(mu_);
  return address_;
}

void Endpoint::Pair(const SocketCaller& caller, Endpoint& a, Endpoint& b) {
  for (auto [one, other] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    MutexLock lock(one->mu_);
    one->peer_ = Ref<Endpoint>(other);
    one->state_ = State::kConnected;
    one->peer_identity_ = {caller.pid, caller.creds};
  }
}

void Endpoint::Release(bool embryo) {
  Ref<Endpoint> other;
  Ref<const Address> name;
  vfs::Path path;
  MessageQueue unread;
  std::deque<Ref<Endpoint>> embryos;
  std::vector<Ref<Endpoint>> senders;
  {
    MutexLock lock(mu_);
    dead_.store(true, std::memory_order_release);
    shutdown_ = kShutBoth;
    state_ = State::kUnconnected;
    other.swap(peer_);
    if (owns_address_) name = address_;
    path = std::exchange(bound_path_, {});
    unread = std::move(rx_);
    embryos.swap(accept_queue_);
    senders.swap(waiting_senders_);
  }
  if (name != nullptr && name->abstract()) AbstractNames::Global().Remove(net_ns_, type_, *name);
  if (path && path.inode().attachment() == this) path.inode().set_attachment(nullptr);

  if (other != nullptr && connection_oriented()) {
    {
      MutexLock lock(other->mu_);
      other->shutdown_ = kShutBoth;
      if (!unread.empty() || embryo) other->error_ = Errno::kECONNRESET;
    }
    other->queue_.Notify(kEventIn | kEventOut | EPOLLRDHUP | kEventHup | kEventErr);
  }
  Wake(std::move(senders));
  for (const auto& e : embryos) e->Release(/*embryo=*/true);
}

Status Endpoint::Shutdown(int how) {
  int bits;
  switch (how) {
    case SHUT_RD:
      bits = kShutReceive;
      break;
    case SHUT_WR:
      bits = kShutSend;
      break;
    case SHUT_RDWR:
      bits = kShutBoth;
      break;
    default:
      return Errno::kEINVAL;
  }
  Ref<Endpoint> other;
  {
    MutexLock lock(mu_);
    shutdown_ |= bits;
    other = peer_;
  }
  queue_.Notify(kEventIn | kEventOut | EPOLLRDHUP | (bits == kShutBoth ? kEventHup : 0));
  if (other == nullptr || !connection_oriented()) return OkStatus();
  const int mirrored =
      ((bits & kShutReceive) != 0 ? kShutSend : 0) | ((bits & kShutSend) != 0 ? kShutReceive : 0);
  {
    MutexLock lock(other->mu_);
    other->shutdown_ |= mirrored;
  }
  other->queue_.Notify(kEventIn | kEventOut | EPOLLRDHUP | (mirrored == kShutBoth ? kEventHup : 0));
  return OkStatus();
}

EventMask Endpoint::Readiness(EventMask mask) {
  EventMask ready = 0;
  bool writable = BufferWritable();
  Ref<Endpoint> other;
  {
    MutexLock lock(mu_);
    if (error_ != Errno::kOk) ready |= kEventErr;
    if (shutdown_ == kShutBoth) ready |= kEventHup;
    if ((shutdown_ & kShutReceive) != 0) ready |= EPOLLRDHUP | kEventIn;
    if (!rx_.empty() || !accept_queue_.empty()) ready |= kEventIn;
    if (connection_oriented() && state_ == State::kUnconnected) ready |= kEventHup;
    if (state_ == State::kListening) writable = false;
    if (type_ == SOCK_DGRAM) other = peer_;
  }
  if (writable && (mask & kEventOut) != 0 && other != nullptr && other != this) {
    // A full receiver that is not ours alone: it will tell us when there is room.
    MutexLock lock(other->mu_);
    if (other->peer_ != this && other->QueueFull()) {
      other->AddWaitingSender(*this);
      writable = false;
    }
  }
  if (writable) ready |= kEventOut | EPOLLWRBAND;
  return ready & (mask | kEventErr | kEventHup);
}

std::string Endpoint::SockName() {
  const auto a = address();
  return a != nullptr ? a->Encode() : EncodeUnnamed();
}

Result<std::string> Endpoint::PeerName() {
  const auto other = peer();
  if (other == nullptr) return Errno::kENOTCONN;
  return other->SockName();
}

Errno Endpoint::TakeError() {
  MutexLock lock(mu_);
  return std::exchange(error_, Errno::kOk);
}

bool Endpoint::listening() {
  MutexLock lock(mu_);
  return state_ == State::kListening;
}

std::optional<ucred> Endpoint::PeerCredentials() {
  MutexLock lock(mu_);
  if (peer_identity_.creds == nullptr) return std::nullopt;
  return ucred{peer_identity_.pid, peer_identity_.creds->euid, peer_identity_.creds->egid};
}

std::optional<std::vector<gid_t>> Endpoint::PeerGroups() {
  MutexLock lock(mu_);
  if (peer_identity_.creds == nullptr) return std::nullopt;
  return peer_identity_.creds->groups;
}

void Endpoint::VisitRights(const std::function<void(vfs::FileDescription&)>& visit) {
  std::deque<Ref<Endpoint>> embryos;
  {
    MutexLock lock(mu_);
    for (Message* m = rx_.head(); m != nullptr; m = m->next) {
      for (const auto& file : m->rights) visit(*file);
    }
    embryos = accept_queue_;
  }
  for (const auto& e : embryos) e->VisitRights(visit);
}

void Endpoint::TakeMessagesWithRights(std::vector<MessagePtr>* out) {
  std::deque<Ref<Endpoint>> embryos;
  {
    MutexLock lock(mu_);
    MessageQueue all = std::move(rx_);
    while (!all.empty()) {
      MessagePtr m = all.Pop();
      if (m->rights.empty()) {
        rx_.Push(std::move(m));
      } else {
        out->push_back(std::move(m));
      }
    }
    embryos = accept_queue_;
  }
  for (const auto& e : embryos) e->TakeMessagesWithRights(out);
}

std::string Endpoint::Describe() {
  MutexLock lock(mu_);
  const bool connected = state_ == State::kConnected;
  const ino_t ino = ino_.load();
  // SS_UNCONNECTED, SS_CONNECTED; without a description SS_CONNECTING.
  const int st = ino == 0 ? 2 : (connected ? 3 : 1);
  std::string line = absl::StrFormat("%016x: %08X %08X %08X %04X %02X %5d", 0, ref_count() - 1, 0,
                                     state_ == State::kListening ? 0x10000 : 0, type_, st, ino);
  if (address_ != nullptr) {
    line += ' ';
    line += address_->Display();
  }
  return line + "\n";
}

std::string ProcNetUnix(uint64_t net_ns) {
  std::string out = "Num       RefCount Protocol Flags    Type St Inode Path\n";
  std::vector<Ref<Endpoint>> all;
  {
    MutexLock lock(registry().mu);
    for (Endpoint* e : registry().all) {
      if (e->net_ns() == net_ns && e->TryIncRef()) all.push_back(Ref<Endpoint>::Adopt(e));
    }
  }
  for (const auto& e : all) {
    if (!e->dead()) out += e->Describe();
  }
  return out;
}

}  // namespace cvisor::socket::unix_socket
