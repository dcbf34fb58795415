// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/socket/unix/garbage.h"

#include <atomic>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "pkg/base/mutex.h"
#include "pkg/sentry/socket/unix/unix_socket.h"

namespace cvisor::socket::unix_socket {
namespace {

// As many sockets in flight are looked through at every close.
constexpr int64_t kAlwaysCollect = 64;

struct Table {
  Mutex mu;
  // How often each socket is in flight; it lives as long as it is in here.
  absl::flat_hash_map<UnixSocket*, int64_t> sockets ABSL_GUARDED_BY(mu);
  absl::flat_hash_map<uid_t, uint64_t> per_user ABSL_GUARDED_BY(mu);
  std::atomic<size_t> socket_count{0};
  std::atomic<bool> collecting{false};
  // Calls still to skip: with many sockets in flight that are alive, each collection pays for a
  // walk over them with as many sockets closed in between.
  std::atomic<int64_t> skip{0};
};

Table& table() {
  static auto* t = new Table();
  return *t;
}

void AddOne(Table& t, vfs::FileDescription& file, int64_t n) ABSL_EXCLUSIVE_LOCKS_REQUIRED(t.mu) {
  auto* socket = dynamic_cast<UnixSocket*>(&file);
  if (socket == nullptr) return;
  const auto it = t.sockets.try_emplace(socket, 0).first;
  it->second += n;
  if (it->second == 0) t.sockets.erase(it);
  t.socket_count.store(t.sockets.size(), std::memory_order_relaxed);
}

// Sockets in flight that no application can reach.
std::vector<UnixSocket*> FindGarbage(Table& t) ABSL_EXCLUSIVE_LOCKS_REQUIRED(t.mu) {
  // Those that only messages refer to, with the number of such references...
  absl::flat_hash_map<UnixSocket*, int64_t> candidates;
  for (const auto& [socket, n] : t.sockets) {
    if (socket->ref_count() == n) candidates.emplace(socket, n);
  }
  // ...less those from queues of other candidates.
  for (const auto& [socket, n] : candidates) {
    socket->endpoint().VisitRights([&](vfs::FileDescription& file) {
      const auto it = candidates.find(dynamic_cast<UnixSocket*>(&file));
      if (it != candidates.end()) --it->second;
    });
  }
  // What is left in other queues is alive, and so is all that these can reach.
  std::vector<UnixSocket*> live;
  for (const auto& [socket, n] : candidates) {
    if (n > 0) live.push_back(socket);
  }
  for (UnixSocket* socket : live) candidates.erase(socket);
  while (!live.empty()) {
    UnixSocket* socket = live.back();
    live.pop_back();
    socket->endpoint().VisitRights([&](vfs::FileDescription& file) {
      auto* reached = dynamic_cast<UnixSocket*>(&file);
      if (candidates.erase(reached) != 0) live.push_back(reached);
    });
  }
  std::vector<UnixSocket*> garbage;
  for (const auto& [socket, n] : candidates) garbage.push_back(socket);
  return garbage;
}

}  // namespace

Status AddInFlight(const Rights& rights, uid_t user, uint64_t limit) {
  if (rights.empty()) return OkStatus();
  Table& t = table();
  MutexLock lock(t.mu);
  uint64_t& used = t.per_user[user];
  if (used > limit) return Errno::kETOOMANYREFS;
  used += rights.size();
  for (const auto& file : rights) AddOne(t, *file, 1);
  return OkStatus();
}

void RemoveInFlight(const Rights& rights, uid_t user) {
  if (rights.empty()) return;
  Table& t = table();
  MutexLock lock(t.mu);
  for (const auto& file : rights) AddOne(t, *file, -1);
  const auto it = t.per_user.find(user);
  it->second -= rights.size();
  if (it->second == 0) t.per_user.erase(it);
}

void CollectGarbage() {
  Table& t = table();
  if (t.socket_count.load(std::memory_order_relaxed) == 0) return;
  if (t.skip.fetch_sub(1, std::memory_order_relaxed) > 0) return;
  // One at a time; freeing sockets comes back here.
  if (t.collecting.exchange(true)) return;
  {
    std::vector<MessagePtr> doomed;  // dropped after the lock
    MutexLock lock(t.mu);
    for (UnixSocket* socket : FindGarbage(t)) socket->endpoint().TakeMessagesWithRights(&doomed);
    t.skip.store(static_cast<int64_t>(t.sockets.size()) - kAlwaysCollect,
                 std::memory_order_relaxed);
  }
  t.collecting.store(false);
}

size_t InFlightCount() {
  Table& t = table();
  MutexLock lock(t.mu);
  size_t n = 0;
  for (const auto& [user, used] : t.per_user) n += used;
  return n;
}

}  // namespace cvisor::socket::unix_socket
