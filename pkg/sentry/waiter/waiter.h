// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Wait queues: how anything that can become ready (files, children, futexes, timers) tells those who
// wait for it. A waiter registers first, then looks whether the thing is ready, then sleeps: a
// notification between the last two is not lost because Waiter::OnEvent has marked the sleeper.

#ifndef CVISOR_PKG_SENTRY_WAITER_WAITER_H_
#define CVISOR_PKG_SENTRY_WAITER_WAITER_H_

#include <poll.h>
#include <sys/epoll.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "pkg/base/mutex.h"

namespace cvisor {

// poll(2)'s and epoll(7)'s bits: EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLERR, EPOLLHUP, EPOLLRDHUP, ...
using EventMask = uint32_t;
inline constexpr EventMask kEventIn = EPOLLIN | EPOLLRDNORM;
inline constexpr EventMask kEventOut = EPOLLOUT | EPOLLWRNORM;
inline constexpr EventMask kEventErr = EPOLLERR;
inline constexpr EventMask kEventHup = EPOLLHUP;
inline constexpr EventMask kEventAll = 0xffff;

class WaitQueue;

// One registration in one queue. Owned by the waiter, which must unregister before destroying it.
class Waiter {
 public:
  virtual ~Waiter() = default;
  // Called with the queue's lock held, on any thread: must be short and take no lock other than leaf
  // locks. `mask` has the events that happened.
  virtual void OnEvent(EventMask mask) = 0;
  // The same for exclusive registrations. False: the event did not wake anybody, so the next
  // exclusive waiter gets it too (EPOLLEXCLUSIVE where nobody sleeps in epoll_wait(2)).
  virtual bool OnExclusiveEvent(EventMask mask) {
    OnEvent(mask);
    return true;
  }

 private:
  friend class WaitQueue;
  WaitQueue* queue_ = nullptr;
  EventMask mask_ = 0;
  bool exclusive_ = false;
  Waiter* prev_ = nullptr;
  Waiter* next_ = nullptr;
};

// While one exists, what would wake a sleeper on this thread may be put off until it is destroyed. For whoever holds
// a lock that a sleeper takes as soon as it is awake: on one core it would run at once, only to sleep again. Declared
// before the lock. They nest; the outermost counts. Nothing may block in between but for locks.
class WakeBatch {
 public:
  WakeBatch();
  ~WakeBatch();
  WakeBatch(const WakeBatch&) = delete;
  WakeBatch& operator=(const WakeBatch&) = delete;

  // Calls wake(object) later. False if there is no batch on this thread, or it is full.
  static bool Add(void (*wake)(void* object), void* object);

 private:
  struct Entry {
    void (*wake)(void* object);
    void* object;
  };
  static constexpr size_t kMax = 8;

  Entry entries_[kMax];
  size_t count_ = 0;
};

class WaitQueue {
 public:
  WaitQueue() = default;
  ~WaitQueue();
  WaitQueue(const WaitQueue&) = delete;
  WaitQueue& operator=(const WaitQueue&) = delete;

  // The waiter hears of events in `mask`; POLLERR and POLLHUP are always added, as poll(2) does.
  // Exclusive waiters: Notify() wakes one of them at most (accept, pipe readers, EPOLLEXCLUSIVE).
  // One that was woken and leaves the thing ready (it gave up, or took only a part) calls Notify()
  // itself, so that the next one does not sleep for ever.
  void Register(Waiter* waiter, EventMask mask, bool exclusive = false);
  // After this returns no OnEvent call for it runs or will run. Harmless if not registered.
  void Unregister(Waiter* waiter);
  void Notify(EventMask mask);
  // No lock taken: for fast paths that skip building a notification.
  bool empty() const { return count_.load(std::memory_order_seq_cst) == 0; }

 private:
  Mutex mu_;
  Waiter* head_ ABSL_GUARDED_BY(mu_) = nullptr;
  Waiter* tail_ ABSL_GUARDED_BY(mu_) = nullptr;
  std::atomic<int> count_{0};
};

}  // namespace cvisor

#endif  // CVISOR_PKG_SENTRY_WAITER_WAITER_H_
