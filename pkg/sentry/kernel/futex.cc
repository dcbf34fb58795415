// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// futex(2). A waiter lives on its task's stack and hangs in the list of its key's bucket. The word is
// compared under the bucket's lock, and wakers take that lock too: a wake-up that follows the store
// which made the comparison fail for later callers cannot slip in before the waiter is queued.
//
// Lock order: bucket (two of them in address order), then nothing. Tasks are woken after the lock is
// dropped; the last thing a waker does to a waiter is to set `done`, after which the waiter's stack
// frame may be gone.

#include "pkg/sentry/kernel/futex.h"

#include <linux/futex.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/container/inlined_vector.h"
#include "pkg/base/mutex.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/task.h"

namespace cvisor::kernel {
namespace {

using mm::UserAddr;
using Key = mm::MemoryManager::FutexKey;

bool SameKey(const Key& a, const Key& b) { return a.object == b.object && a.offset == b.offset; }

struct Bucket;

// Tells the platform that somebody waits by a key. Made before the word is compared.
class WaitNote {
 public:
  explicit WaitNote(const Key& key)
      : hold_(key.space != nullptr ? key.hold : nullptr), space_(key.space), addr_(key.offset) {
    if (space_ != nullptr) space_->NoteFutexWaiters(addr_, 1);
  }
  WaitNote(WaitNote&& from) noexcept
      : hold_(std::move(from.hold_)), space_(std::exchange(from.space_, nullptr)),
        addr_(from.addr_) {}
  WaitNote& operator=(WaitNote&& from) noexcept {
    std::swap(hold_, from.hold_);
    std::swap(space_, from.space_);
    std::swap(addr_, from.addr_);
    return *this;
  }
  ~WaitNote() {
    if (space_ != nullptr) space_->NoteFutexWaiters(addr_, -1);
  }

 private:
  Ref<RefCounted> hold_;
  platform::AddressSpace* space_;
  UserAddr addr_;
};

struct FutexWaiter {
  FutexWaiter(Task& t, Key k, uint32_t b) : task(t), key(std::move(k)), bitset(b), note(key) {}

  Task& task;
  Key key;          // changed by requeue, under both buckets' locks
  uint32_t bitset;
  WaitNote note;    // of `key`
  bool pi = false;
  uint32_t tid = 0;     // PI: what to store in the word on a hand-over
  const Task* owner = nullptr;  // PI: who holds the lock; only compared
  uint32_t owner_tid = 0;       // PI: what the word says of it
  uint32_t died_owner = 0;      // PI: woken because the owner with this number died
  // Null when not queued. Written under the lock of the bucket it names (and of the new one).
  std::atomic<Bucket*> bucket{nullptr};
  std::atomic<bool> done{false};
  FutexWaiter* prev = nullptr;
  FutexWaiter* next = nullptr;
};

struct Bucket {
  Mutex mu;
  FutexWaiter* head ABSL_GUARDED_BY(mu) = nullptr;
  FutexWaiter* tail ABSL_GUARDED_BY(mu) = nullptr;

  void Append(FutexWaiter* w) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    w->prev = tail;
    w->next = nullptr;
    (tail != nullptr ? tail->next : head) = w;
    tail = w;
    w->bucket.store(this, std::memory_order_release);
  }
  void Remove(FutexWaiter* w) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    (w->prev != nullptr ? w->prev->next : head) = w->next;
    (w->next != nullptr ? w->next->prev : tail) = w->prev;
    w->bucket.store(nullptr, std::memory_order_release);
  }
  FutexWaiter* FirstPi(const Key& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    for (FutexWaiter* w = head; w != nullptr; w = w->next) {
      if (w->pi && SameKey(w->key, key)) return w;
    }
    return nullptr;
  }
};

// Both buckets, each once, in address order.
class ABSL_SCOPED_LOCKABLE TwoBucketLock {
 public:
  TwoBucketLock(Bucket& a, Bucket& b) ABSL_NO_THREAD_SAFETY_ANALYSIS
      : first_(std::less<Bucket*>()(&a, &b) ? a : b),
        second_(&first_ == &a ? b : a) {
    first_.mu.Lock();
    if (&first_ != &second_) second_.mu.Lock();
  }
  ~TwoBucketLock() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (&first_ != &second_) second_.mu.Unlock();
    first_.mu.Unlock();
  }

 private:
  Bucket& first_;
  Bucket& second_;
};

// Tasks to wake once the locks are gone.
class WakeList {
 public:
  WakeList() = default;
  WakeList(const WakeList&) = delete;
  WakeList& operator=(const WakeList&) = delete;
  ~WakeList() {
    for (const Ref<Task>& t : tasks_) t->Wake();
  }
  // Takes it out of its bucket, whose lock is held.
  void Add(Bucket& bucket, FutexWaiter* w) ABSL_EXCLUSIVE_LOCKS_REQUIRED(bucket.mu) {
    bucket.Remove(w);
    tasks_.emplace_back(&w->task);
    w->done.store(true, std::memory_order_release);
  }

 private:
  absl::InlinedVector<Ref<Task>, 4> tasks_;
};

Result<uint32_t> LoadWord(Task& t, UserAddr addr) {
  auto v = t.mm().as().Load32(addr);
  if (!v.ok()) return Errno::kEFAULT;
  return *v;
}

// Replaces `expected`; the value that was there tells whether it happened.
Result<uint32_t> CompareAndSwap(Task& t, UserAddr addr, uint32_t expected, uint32_t desired) {
  auto v = t.ctx().CompareAndSwap32(t.mm().as(), addr, expected, desired);
  if (!v.ok()) return Errno::kEFAULT;
  return *v;
}

Result<Key> KeyOf(Task& t, UserAddr addr, bool private_futex) {
  if (addr % sizeof(uint32_t) != 0) return Errno::kEINVAL;
  return t.mm().GetFutexKey(addr, private_futex);
}

uint32_t Tid(Task& t) { return static_cast<uint32_t>(t.tid()) & FUTEX_TID_MASK; }

// The encoded operation of FUTEX_WAKE_OP.
struct WakeOperation {
  int op, compare;
  uint32_t operand;
  int32_t compare_with;

  static Result<WakeOperation> Decode(uint32_t encoded) {
    const auto extend = [](uint32_t v) { return static_cast<int32_t>(v << 20) >> 20; };
    WakeOperation w;
    w.op = static_cast<int>((encoded >> 28) & 7);
    w.compare = static_cast<int>((encoded >> 24) & 15);
    w.operand = static_cast<uint32_t>(extend((encoded >> 12) & 0xfff));
    w.compare_with = extend(encoded & 0xfff);
    if ((encoded & (uint32_t{FUTEX_OP_OPARG_SHIFT} << 28)) != 0) w.operand = 1u << (w.operand & 31);
    if (w.op > FUTEX_OP_XOR || w.compare > FUTEX_OP_CMP_GE) return Errno::kENOSYS;
    return w;
  }
  uint32_t Apply(uint32_t v) const {
    switch (op) {
      case FUTEX_OP_SET: return operand;
      case FUTEX_OP_ADD: return v + operand;
      case FUTEX_OP_OR: return v | operand;
      case FUTEX_OP_ANDN: return v & ~operand;
      default: return v ^ operand;
    }
  }
  bool Matches(uint32_t old) const {
    const auto v = static_cast<int32_t>(old);
    switch (compare) {
      case FUTEX_OP_CMP_EQ: return v == compare_with;
      case FUTEX_OP_CMP_NE: return v != compare_with;
      case FUTEX_OP_CMP_LT: return v < compare_with;
      case FUTEX_OP_CMP_LE: return v <= compare_with;
      case FUTEX_OP_CMP_GT: return v > compare_with;
      default: return v >= compare_with;
    }
  }
};

}  // namespace

struct FutexTable::Impl {
  static constexpr size_t kBuckets = 512;  // power of two
  std::array<Bucket, kBuckets> buckets;
  // How many tasks wait for PI locks: TaskExiting() looks no further when there are none.
  std::atomic<int> pi_waiters{0};

  Bucket& BucketOf(const Key& key) {
    uint64_t h = reinterpret_cast<uintptr_t>(key.object) * 0x9e3779b97f4a7c15u;
    h = (h ^ (key.offset >> 2)) * 0xff51afd7ed558ccdu;
    return buckets[(h >> 40) & (kBuckets - 1)];
  }

  // Takes the waiter out of whatever bucket it is in now. False if it was woken before.
  static bool Dequeue(FutexWaiter* w) {
    for (;;) {
      Bucket* const b = w->bucket.load(std::memory_order_acquire);
      if (b == nullptr) break;
      MutexLock lock(b->mu);
      if (w->bucket.load(std::memory_order_relaxed) != b) continue;  // requeued meanwhile
      b->Remove(w);
      return true;
    }
    // Out of the list by a waker that is about to set `done`: it must not find our stack gone.
    while (!w->done.load(std::memory_order_acquire)) sched_yield();
    return false;
  }

  // EINVAL if a PI waiter is found, as Linux.
  static Result<int> WakeLocked(Bucket& b, const Key& key, uint32_t bitset, int count,
                                WakeList* wakes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(b.mu) {
    int woken = 0;
    for (FutexWaiter* w = b.head; w != nullptr;) {
      FutexWaiter* const next = w->next;
      if (SameKey(w->key, key)) {
        if (w->pi) return Errno::kEINVAL;
        if ((w->bitset & bitset) != 0) {
          wakes->Add(b, w);
          // Linux counts after waking: a count of zero wakes one.
          if (++woken >= count) break;
        }
      }
      w = next;
    }
    return woken;
  }

  // Sleeps until woken. OK also when the wake-up and the timeout or signal came together.
  static Status Sleep(Task& t, FutexWaiter* w, Deadline deadline) {
    while (!w->done.load(std::memory_order_acquire)) {
      if (auto s = t.Block(deadline); !s.ok()) return Dequeue(w) ? s : OkStatus();
    }
    return OkStatus();
  }

  Result<bool> TryLockPi(Task& t, FutexWaiter* w, UserAddr addr, bool try_only, bool* retry);

  // Gives the lock at `addr` to the first PI waiter. `flags` are the word's other bits. False if nobody
  // waits or the word is not `expected` any more (*changed then).
  static Result<bool> HandOver(Task& t, Bucket& b, const Key& key, UserAddr addr, uint32_t expected,
                               uint32_t flags, WakeList* wakes, bool* changed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(b.mu) {
    FutexWaiter* const w = b.FirstPi(key);
    *changed = false;
    if (w == nullptr) return false;
    ASSIGN_OR_RETURN(const uint32_t old,
                     CompareAndSwap(t, addr, expected, w->tid | FUTEX_WAITERS | flags));
    if (old != expected) {
      *changed = true;
      return false;
    }
    for (FutexWaiter* o = b.head; o != nullptr; o = o->next) {
      if (o->pi && SameKey(o->key, key)) o->owner = &w->task, o->owner_tid = w->tid;
    }
    wakes->Add(b, w);
    return true;
  }
};

FutexTable::FutexTable() : impl_(std::make_unique<Impl>()) {}
FutexTable::~FutexTable() = default;

Status FutexTable::Wait(Task& t, UserAddr addr, bool private_futex, uint32_t expected,
                        uint32_t bitset, Deadline deadline) {
  if (bitset == 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(Key key, KeyOf(t, addr, private_futex));
  Bucket& b = impl_->BucketOf(key);
  FutexWaiter w(t, std::move(key), bitset);
  {
    MutexLock lock(b.mu);
    ASSIGN_OR_RETURN(const uint32_t value, LoadWord(t, addr));
    if (value != expected) return Errno::kEAGAIN;
    b.Append(&w);
  }
  return Impl::Sleep(t, &w, deadline);
}

Result<int> FutexTable::WaitMultiple(Task& t, std::span<const VectorItem> items,
                                     Deadline deadline) {
  std::vector<std::unique_ptr<FutexWaiter>> waiters;
  // Index of one that was woken; every other waiter leaves its list.
  const auto leave = [&waiters]() {
    int woken = -1;
    for (size_t i = 0; i < waiters.size(); ++i) {
      if (!Impl::Dequeue(waiters[i].get())) woken = static_cast<int>(i);
    }
    return woken;
  };
  for (const VectorItem& item : items) {
    Status status;
    auto key = KeyOf(t, item.addr, item.private_futex);
    if (key.ok()) {
      Bucket& b = impl_->BucketOf(*key);
      auto w = std::make_unique<FutexWaiter>(t, *std::move(key), FUTEX_BITSET_MATCH_ANY);
      MutexLock lock(b.mu);
      auto value = LoadWord(t, item.addr);
      if (!value.ok()) {
        status = value.error();
      } else if (*value != item.expected) {
        status = Errno::kEAGAIN;
      } else {
        b.Append(w.get());
        waiters.push_back(std::move(w));
      }
    } else {
      status = key.error();
    }
    if (status.ok()) continue;
    const int woken = leave();
    if (woken >= 0) return woken;
    return status.error();
  }
  for (;;) {
    const bool any = std::any_of(waiters.begin(), waiters.end(), [](const auto& w) {
      return w->done.load(std::memory_order_acquire);
    });
    const Status s = any ? OkStatus() : t.Block(deadline);
    if (s.ok() && !any) continue;
    const int woken = leave();
    if (woken >= 0) return woken;
    return s.error();
  }
}

Result<int> FutexTable::Wake(Task& t, UserAddr addr, bool private_futex, uint32_t bitset,
                             int count) {
  if (bitset == 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const Key key, KeyOf(t, addr, private_futex));
  Bucket& b = impl_->BucketOf(key);
  WakeList wakes;
  MutexLock lock(b.mu);
  return Impl::WakeLocked(b, key, bitset, count, &wakes);
}

Result<int> FutexTable::Requeue(Task& t, UserAddr from, UserAddr to, bool private_futex, int wake,
                                int requeue, const uint32_t* compare)
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  if (wake < 0 || requeue < 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const Key from_key, KeyOf(t, from, private_futex));
  ASSIGN_OR_RETURN(const Key to_key, KeyOf(t, to, private_futex));
  Bucket& a = impl_->BucketOf(from_key);
  Bucket& b = impl_->BucketOf(to_key);
  WakeList wakes;
  // From before the comparison on, so that nobody is missed who wakes by the new key because of what he sees
  // of the word.
  const WaitNote note(to_key);
  TwoBucketLock lock(a, b);
  if (compare != nullptr) {
    ASSIGN_OR_RETURN(const uint32_t value, LoadWord(t, from));
    if (value != *compare) return Errno::kEAGAIN;
  }
  // Chosen first: appending to the same bucket must not make the walk endless.
  absl::InlinedVector<FutexWaiter*, 16> chosen;
  const int64_t limit = int64_t{wake} + requeue;
  for (FutexWaiter* w = a.head; w != nullptr && static_cast<int64_t>(chosen.size()) < limit;
       w = w->next) {
    if (!SameKey(w->key, from_key)) continue;
    if (w->pi) return Errno::kEINVAL;
    chosen.push_back(w);
  }
  for (size_t i = 0; i < chosen.size(); ++i) {
    FutexWaiter* const w = chosen[i];
    if (i < static_cast<size_t>(wake)) {
      wakes.Add(a, w);
    } else if (!SameKey(from_key, to_key)) {
      // Not through null: a waiter that leaves meanwhile would take that for a wake-up.
      (w->prev != nullptr ? w->prev->next : a.head) = w->next;
      (w->next != nullptr ? w->next->prev : a.tail) = w->prev;
      w->key = to_key;
      w->note = WaitNote(to_key);
      b.Append(w);
    }
  }
  return static_cast<int>(chosen.size());
}

Result<int> FutexTable::WakeOp(Task& t, UserAddr a, UserAddr b, bool private_futex, int wake_a,
                               int wake_b, uint32_t op) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  ASSIGN_OR_RETURN(const Key key_a, KeyOf(t, a, private_futex));
  ASSIGN_OR_RETURN(const Key key_b, KeyOf(t, b, private_futex));
  ASSIGN_OR_RETURN(const WakeOperation operation, WakeOperation::Decode(op));
  Bucket& bucket_a = impl_->BucketOf(key_a);
  Bucket& bucket_b = impl_->BucketOf(key_b);
  WakeList wakes;
  TwoBucketLock lock(bucket_a, bucket_b);
  ASSIGN_OR_RETURN(uint32_t old, LoadWord(t, b));
  for (;;) {
    ASSIGN_OR_RETURN(const uint32_t seen, CompareAndSwap(t, b, old, operation.Apply(old)));
    if (seen == old) break;
    old = seen;
  }
  ASSIGN_OR_RETURN(int woken,
                   Impl::WakeLocked(bucket_a, key_a, FUTEX_BITSET_MATCH_ANY, wake_a, &wakes));
  if (operation.Matches(old)) {
    ASSIGN_OR_RETURN(const int more,
                     Impl::WakeLocked(bucket_b, key_b, FUTEX_BITSET_MATCH_ANY, wake_b, &wakes));
    woken += more;
  }
  return woken;
}

namespace {

// Who the word says holds the lock; null if there is no such task (any more). Not under a bucket's lock:
// the task mutex comes first.
Ref<Task> FindOwner(Task& t, uint32_t tid) {
  MutexLock lock(t.kernel().task_mutex());
  Task* const owner = t.pid_ns().FindTask(static_cast<pid_t>(tid));
  if (owner == nullptr) return nullptr;
  const char state = owner->StateLetter();
  return state == 'Z' || state == 'X' ? nullptr : Ref<Task>(owner);
}

}  // namespace

// One look at the word: takes the lock (true) or queues the waiter (false). *retry: the word changed
// under us and nothing was done.
Result<bool> FutexTable::Impl::TryLockPi(Task& t, FutexWaiter* w, UserAddr addr, bool try_only,
                                         bool* retry) {
  *retry = false;
  ASSIGN_OR_RETURN(const uint32_t peeked, LoadWord(t, addr));
  const uint32_t owner_tid = peeked & FUTEX_TID_MASK;
  if (owner_tid == w->tid) return Errno::kEDEADLK;
  const Ref<Task> owner = owner_tid != 0 ? FindOwner(t, owner_tid) : nullptr;

  Bucket& b = BucketOf(w->key);
  MutexLock lock(b.mu);
  ASSIGN_OR_RETURN(const uint32_t value, LoadWord(t, addr));
  uint32_t desired;
  const uint32_t waiters = b.FirstPi(w->key) != nullptr ? FUTEX_WAITERS : 0;
  if ((value & FUTEX_TID_MASK) != owner_tid) {
    *retry = true;
    return false;
  }
  if (owner_tid == 0) {
    desired = w->tid | waiters | (value & FUTEX_OWNER_DIED);
  } else if (owner_tid == w->died_owner) {
    desired = w->tid | waiters | FUTEX_OWNER_DIED;
  } else if (owner == nullptr) {
    return Errno::kESRCH;  // nobody would ever unlock it
  } else {
    // From now on the owner's unlock comes to the kernel.
    desired = value | FUTEX_WAITERS;
  }
  if (desired != value) {
    ASSIGN_OR_RETURN(const uint32_t old, CompareAndSwap(t, addr, value, desired));
    if (old != value) {
      *retry = true;
      return false;
    }
  }
  if ((desired & FUTEX_TID_MASK) == w->tid) return true;
  if (try_only) return Errno::kEAGAIN;
  w->died_owner = 0;
  w->owner = owner.get();
  w->owner_tid = owner_tid;
  w->done.store(false, std::memory_order_relaxed);
  b.Append(w);
  return false;
}

Status FutexTable::LockPi(Task& t, UserAddr addr, bool private_futex, Deadline deadline,
                          bool try_only) {
  ASSIGN_OR_RETURN(Key key, KeyOf(t, addr, private_futex));
  FutexWaiter w(t, std::move(key), FUTEX_BITSET_MATCH_ANY);
  w.pi = true;
  w.tid = Tid(t);
  // Before the waiter is queued: see TaskExiting().
  impl_->pi_waiters.fetch_add(1);
  const absl::Cleanup uncount = [this] { impl_->pi_waiters.fetch_sub(1); };
  for (;;) {
    bool retry;
    w.done.store(false, std::memory_order_relaxed);
    ASSIGN_OR_RETURN(const bool taken, impl_->TryLockPi(t, &w, addr, try_only, &retry));
    if (taken) return OkStatus();
    if (retry) continue;
    const Status status = Impl::Sleep(t, &w, deadline);
    if (status.error() == Errno::kERESTARTSYS) return Errno::kERESTARTNOINTR;
    if (!status.ok()) return status;
    // Handed over: the word names this task already. Or the owner is dead.
    if (w.died_owner == 0) return OkStatus();
  }
}

Status FutexTable::UnlockPi(Task& t, UserAddr addr, bool private_futex) {
  ASSIGN_OR_RETURN(const Key key, KeyOf(t, addr, private_futex));
  Bucket& b = impl_->BucketOf(key);
  const uint32_t self = Tid(t);
  WakeList wakes;
  MutexLock lock(b.mu);
  for (;;) {
    ASSIGN_OR_RETURN(const uint32_t value, LoadWord(t, addr));
    if ((value & FUTEX_TID_MASK) != self) return Errno::kEPERM;
    bool changed;
    ASSIGN_OR_RETURN(const bool given,
                     Impl::HandOver(t, b, key, addr, value, /*flags=*/0, &wakes, &changed));
    if (given) return OkStatus();
    if (changed) continue;
    ASSIGN_OR_RETURN(const uint32_t old, CompareAndSwap(t, addr, value, 0));
    if (old == value) return OkStatus();
  }
}

void FutexTable::OwnerDied(Task& t, UserAddr addr, bool pi) {
  auto key = KeyOf(t, addr, /*private_futex=*/false);
  if (!key.ok()) return;
  Bucket& b = impl_->BucketOf(*key);
  const uint32_t self = Tid(t);
  WakeList wakes;
  MutexLock lock(b.mu);
  for (;;) {
    auto value = LoadWord(t, addr);
    if (!value.ok()) return;
    if (!pi && *value == 0) {
      // Died between unlocking and waking the next one (list_op_pending).
      (void)Impl::WakeLocked(b, *key, FUTEX_BITSET_MATCH_ANY, 1, &wakes);
      return;
    }
    if ((*value & FUTEX_TID_MASK) != self) return;
    if (pi) {
      bool changed;
      auto given =
          Impl::HandOver(t, b, *key, addr, *value, FUTEX_OWNER_DIED, &wakes, &changed);
      if (!given.ok() || *given) return;
      if (changed) continue;
    }
    auto old = CompareAndSwap(t, addr, *value, (*value & FUTEX_WAITERS) | FUTEX_OWNER_DIED);
    if (!old.ok()) return;
    if (*old != *value) continue;
    if (!pi && (*value & FUTEX_WAITERS) != 0) {
      (void)Impl::WakeLocked(b, *key, FUTEX_BITSET_MATCH_ANY, 1, &wakes);
    }
    return;
  }
}

void FutexTable::TaskExiting(Task& t) {
  if (impl_->pi_waiters.load() == 0) return;
  for (Bucket& b : impl_->buckets) {
    WakeList wakes;
    MutexLock lock(b.mu);
    for (FutexWaiter* w = b.head; w != nullptr;) {
      FutexWaiter* const next = w->next;
      if (w->pi && w->owner == &t) {
        // The waiters look at the word again and one takes it: this task may not even have it mapped.
        w->died_owner = w->owner_tid;
        wakes.Add(b, w);
      }
      w = next;
    }
  }
}

}  // namespace cvisor::kernel
