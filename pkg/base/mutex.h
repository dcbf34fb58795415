// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The project's mutex: absl::Mutex with clang thread-safety annotations, and annotations that
// ThreadSanitizer understands (Debian's Abseil is built without them). The lock order is in
// docs/locking.md.

#ifndef CVISOR_PKG_BASE_MUTEX_H_
#define CVISOR_PKG_BASE_MUTEX_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

#if defined(__SANITIZE_THREAD__)
#define CVISOR_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CVISOR_TSAN 1
#endif
#endif

#ifdef CVISOR_TSAN
extern "C" {
void __tsan_acquire(void* addr);
void __tsan_release(void* addr);
}
#define CVISOR_TSAN_ACQUIRE(p) __tsan_acquire(p)
#define CVISOR_TSAN_RELEASE(p) __tsan_release(p)
#else
#define CVISOR_TSAN_ACQUIRE(p) static_cast<void>(p)
#define CVISOR_TSAN_RELEASE(p) static_cast<void>(p)
#endif

namespace cvisor {

namespace mutex_internal {
// Debian's Abseil is built with its own lock-order checker on: every Lock() taken under another lock
// then goes through a process-wide graph and a global spin lock. ThreadSanitizer builds check the
// order instead.
inline const bool kCheckerOff =
    (absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore), true);
}  // namespace mutex_internal

class ABSL_LOCKABLE Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() {
    mu_.Lock();
    CVISOR_TSAN_ACQUIRE(this);
  }
  void Unlock() ABSL_UNLOCK_FUNCTION() {
    CVISOR_TSAN_RELEASE(this);
    mu_.Unlock();
  }
  bool TryLock() ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true) {
    if (!mu_.TryLock()) return false;
    CVISOR_TSAN_ACQUIRE(this);
    return true;
  }
  void ReaderLock() ABSL_SHARED_LOCK_FUNCTION() {
    mu_.ReaderLock();
    CVISOR_TSAN_ACQUIRE(this);
  }
  void ReaderUnlock() ABSL_UNLOCK_FUNCTION() {
    CVISOR_TSAN_RELEASE(this);
    mu_.ReaderUnlock();
  }
  void AssertHeld() const ABSL_ASSERT_EXCLUSIVE_LOCK() { mu_.AssertHeld(); }

 private:
  friend class CondVar;
  absl::Mutex mu_;
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex* mu) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu) : mu_(mu) { mu_->Lock(); }
  explicit MutexLock(Mutex& mu) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu) : MutexLock(&mu) {}
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mu_->Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mu_;
};

class ABSL_SCOPED_LOCKABLE ReaderLock {
 public:
  explicit ReaderLock(Mutex* mu) ABSL_SHARED_LOCK_FUNCTION(mu) : mu_(mu) { mu_->ReaderLock(); }
  explicit ReaderLock(Mutex& mu) ABSL_SHARED_LOCK_FUNCTION(mu) : ReaderLock(&mu) {}
  ~ReaderLock() ABSL_UNLOCK_FUNCTION() { mu_->ReaderUnlock(); }
  ReaderLock(const ReaderLock&) = delete;
  ReaderLock& operator=(const ReaderLock&) = delete;

 private:
  Mutex* const mu_;
};

class CondVar {
 public:
  void Wait(Mutex* mu) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    CVISOR_TSAN_RELEASE(mu);
    cv_.Wait(&mu->mu_);
    CVISOR_TSAN_ACQUIRE(mu);
  }
  // True when the deadline passed.
  bool WaitWithDeadline(Mutex* mu, absl::Time deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    CVISOR_TSAN_RELEASE(mu);
    const bool timed_out = cv_.WaitWithDeadline(&mu->mu_, deadline);
    CVISOR_TSAN_ACQUIRE(mu);
    return timed_out;
  }
  void Signal() { cv_.Signal(); }
  void SignalAll() { cv_.SignalAll(); }

 private:
  absl::CondVar cv_;
};

}  // namespace cvisor

#endif  // CVISOR_PKG_BASE_MUTEX_H_
