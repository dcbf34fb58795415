// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/vfs/locks.h"

#include <algorithm>
#include <set>

namespace cvisor::vfs {

namespace {

bool Overlap(const RecordLock& a, const RecordLock& b) {
  return a.start <= b.last && b.start <= a.last;
}

bool Conflict(const RecordLock& a, const RecordLock& b) {
  return a.owner != b.owner && Overlap(a, b) && (a.type == F_WRLCK || b.type == F_WRLCK);
}

// Who waits for whom, over all files. A process with several threads may wait for several locks.
struct WaitGraph {
  struct Edge {
    const void* owner;
    const void* blocker;
  };
  Mutex mu;
  std::map<const void*, Edge> edges ABSL_GUARDED_BY(mu);  // by waiter's token

  // Adds the edge unless it closes a circle.
  bool Add(const void* token, const void* owner, const void* blocker) {
    MutexLock lock(mu);
    edges.erase(token);
    std::set<const void*> seen;
    std::vector<const void*> todo{blocker};
    while (!todo.empty()) {
      const void* at = todo.back();
      todo.pop_back();
      if (at == owner) return false;
      if (!seen.insert(at).second) continue;
      for (const auto& [t, e] : edges) {
        if (e.owner == at) todo.push_back(e.blocker);
      }
    }
    edges[token] = Edge{owner, blocker};
    return true;
  }
  void Remove(const void* token) {
    MutexLock lock(mu);
    edges.erase(token);
  }
};

WaitGraph& Graph() {
  static auto* graph = new WaitGraph;
  return *graph;
}

}  // namespace

Result<RecordLock> RecordLock::FromFlock(short type, int64_t base, int64_t start, int64_t len) {
  if (type != F_RDLCK && type != F_WRLCK && type != F_UNLCK) return Errno::kEINVAL;
  int64_t first, last;
  if (__builtin_add_overflow(base, start, &first)) return Errno::kEOVERFLOW;
  if (first < 0) return Errno::kEINVAL;
  if (len > 0) {
    if (__builtin_add_overflow(first, len - 1, &last)) return Errno::kEOVERFLOW;
  } else if (len < 0) {
    if (__builtin_add_overflow(first, len, &last) || last < 0) return Errno::kEINVAL;
    std::swap(first, last);
    last -= 1;
  } else {
    last = static_cast<int64_t>(kLockEnd);
  }
  RecordLock lock;
  lock.type = type;
  lock.start = static_cast<uint64_t>(first);
  lock.last = static_cast<uint64_t>(last);
  return lock;
}

const RecordLock* FileLocks::ConflictLocked(const RecordLock& lock) const {
  for (const RecordLock& have : records_) {
    if (have.start > lock.last) break;
    if (Conflict(have, lock)) return &have;
  }
  return nullptr;
}

std::optional<RecordLock> FileLocks::FindConflict(const RecordLock& lock) const {
  ReaderLock guard(mu_);
  const RecordLock* have = ConflictLocked(lock);
  if (have == nullptr) return std::nullopt;
  return *have;
}

Status FileLocks::SetRecord(const RecordLock& lock) {
  bool weakened = false;
  {
    MutexLock guard(mu_);
    if (lock.type != F_UNLCK && ConflictLocked(lock) != nullptr) return Errno::kEAGAIN;
    std::vector<RecordLock> next;
    next.reserve(records_.size() + 2);
    RecordLock merged = lock;
    for (const RecordLock& have : records_) {
      if (have.owner != lock.owner) {
        next.push_back(have);
        continue;
      }
      const bool same = have.type == lock.type;
      // Neighbours of the same type grow together.
      const bool touches = Overlap(have, lock) ||
                           (same && (have.last + 1 == lock.start || lock.last + 1 == have.start));
      if (!touches) {
        next.push_back(have);
      } else if (same) {
        merged.start = std::min(merged.start, have.start);
        merged.last = std::max(merged.last, have.last);
      } else {
        weakened |= lock.type == F_UNLCK || have.type == F_WRLCK;
        if (have.start < lock.start) {
          next.push_back(have);
          next.back().last = lock.start - 1;
        }
        if (have.last > lock.last) {
          next.push_back(have);
          next.back().start = lock.last + 1;
        }
      }
    }
    if (lock.type != F_UNLCK) next.push_back(merged);
    std::sort(next.begin(), next.end(),
              [](const RecordLock& a, const RecordLock& b) { return a.start < b.start; });
    records_ = std::move(next);
  }
  if (weakened) queue_.Notify(kEventIn);
  return OkStatus();
}

Status FileLocks::BeginWait(const RecordLock& lock, const void* token) {
  const void* blocker;
  bool ofd;
  {
    ReaderLock guard(mu_);
    const RecordLock* have = ConflictLocked(lock);
    if (have == nullptr) return OkStatus();  // gone already: the next try succeeds
    blocker = have->owner;
    ofd = have->ofd;
  }
  // Open file descriptions do not wait, so nothing can be told about them.
  if (ofd || lock.ofd) return OkStatus();
  return Graph().Add(token, lock.owner, blocker) ? OkStatus() : Errno::kEDEADLK;
}

void FileLocks::EndWait(const void* token) { Graph().Remove(token); }

Status FileLocks::Flock(const void* owner, int operation) {
  operation &= ~LOCK_NB;
  bool released = false;
  Status status = OkStatus();
  {
    MutexLock guard(mu_);
    auto it = flocks_.find(owner);
    const int held = it == flocks_.end() ? LOCK_UN : it->second;
    if (held == operation) return OkStatus();
    if (it != flocks_.end()) {
      flocks_.erase(it);
      released = true;
    }
    if (operation != LOCK_UN) {
      bool conflict = false;
      for (const auto& [other, type] : flocks_) {
        conflict |= operation == LOCK_EX || type == LOCK_EX;
      }
      if (conflict) {
        status = Errno::kEAGAIN;
      } else {
        flocks_[owner] = operation;
      }
    }
  }
  if (released) queue_.Notify(kEventIn);
  return status;
}

void FileLocks::ReleaseOwner(const void* owner) {
  bool released;
  {
    MutexLock guard(mu_);
    released = std::erase_if(records_, [&](const RecordLock& l) { return l.owner == owner; }) > 0;
    released |= flocks_.erase(owner) > 0;
  }
  if (released) queue_.Notify(kEventIn);
}

std::vector<FileLocks::Listed> FileLocks::List() const {
  ReaderLock guard(mu_);
  std::vector<Listed> list;
  for (const RecordLock& l : records_) list.push_back({false, l});
  for (const auto& [owner, type] : flocks_) {
    RecordLock l;
    l.type = type == LOCK_EX ? F_WRLCK : F_RDLCK;
    l.owner = owner;
    list.push_back({true, l});
  }
  return list;
}

}  // namespace cvisor::vfs
