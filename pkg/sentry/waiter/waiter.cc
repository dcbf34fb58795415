// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/waiter/waiter.h"

#include "pkg/base/check.h"

namespace cvisor {
namespace {

thread_local WakeBatch* current_batch = nullptr;

}  // namespace

WakeBatch::WakeBatch() {
  if (current_batch == nullptr) current_batch = this;
}

WakeBatch::~WakeBatch() {
  if (current_batch != this) return;
  current_batch = nullptr;
  for (size_t i = 0; i < count_; ++i) entries_[i].wake(entries_[i].object);
}

bool WakeBatch::Add(void (*wake)(void* object), void* object) {
  WakeBatch* const batch = current_batch;
  if (batch == nullptr || batch->count_ == kMax) return false;
  batch->entries_[batch->count_++] = {wake, object};
  return true;
}

WaitQueue::~WaitQueue() { CVISOR_CHECK(empty()); }

void WaitQueue::Register(Waiter* waiter, EventMask mask, bool exclusive) {
  MutexLock lock(mu_);
  CVISOR_CHECK(waiter->queue_ == nullptr);
  waiter->queue_ = this;
  waiter->mask_ = mask | kEventErr | kEventHup;
  waiter->exclusive_ = exclusive;
  waiter->prev_ = tail_;
  waiter->next_ = nullptr;
  (tail_ != nullptr ? tail_->next_ : head_) = waiter;
  tail_ = waiter;
  count_.fetch_add(1, std::memory_order_seq_cst);
}

void WaitQueue::Unregister(Waiter* waiter) {
  MutexLock lock(mu_);
  if (waiter->queue_ != this) return;
  (waiter->prev_ != nullptr ? waiter->prev_->next_ : head_) = waiter->next_;
  (waiter->next_ != nullptr ? waiter->next_->prev_ : tail_) = waiter->prev_;
  waiter->queue_ = nullptr;
  waiter->prev_ = waiter->next_ = nullptr;
  count_.fetch_sub(1, std::memory_order_seq_cst);
}

void WaitQueue::Notify(EventMask mask) {
  if (empty()) return;
  WakeBatch batch;  // a sleeper unregisters first of all
  MutexLock lock(mu_);
  bool woke_exclusive = false;
  for (Waiter* w = head_; w != nullptr; w = w->next_) {
    const EventMask hit = w->mask_ & mask;
    if (hit == 0 || (w->exclusive_ && woke_exclusive)) continue;
    if (w->exclusive_) {
      woke_exclusive = w->OnExclusiveEvent(hit);
    } else {
      w->OnEvent(hit);
    }
  }
}

}  // namespace cvisor
