// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/systrap/stub_thread.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "pkg/base/log.h"
#include "pkg/sentry/platform/systrap/futex.h"

namespace cvisor::platform::systrap {
namespace {

uint32_t Load(const uint32_t& word) { return __atomic_load_n(&word, __ATOMIC_SEQ_CST); }

#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

}  // namespace

StubThread::StubThread(Ref<StubProcess> process, const Layout& layout, uint32_t index,
                       NewThread made)
    : process_(std::move(process)),
      page_(process_->slab().thread(index)),
      tid_(made.tid),
      listener_(made.listener) {
  page_.self = layout.thread_page(index);
}

StubThread::~StubThread() {
  if (tid_ == 0) {
    // It may have made its listener all the same.
    if (auto made = process_->agent().AwaitFirstThread(); made.ok()) listener_ = made->listener;
  }
  if (listener_ >= 0) close(listener_);
}

Status StubThread::Start() {
  if (started_) return process_->dead() ? Status(Errno::kESRCH) : OkStatus();
  if (tid_ == 0) {
    ASSIGN_OR_RETURN(const NewThread made, process_->agent().AwaitFirstThread());
    tid_ = made.tid;
    listener_ = made.listener;
  }
  for (;;) {
    uint32_t now = STATE_STUB;
    __atomic_compare_exchange_n(&page_.state, &now, STATE_STUB_FUTEX, false, __ATOMIC_SEQ_CST,
                                __ATOMIC_SEQ_CST);
    if (process_->dead()) return Errno::kESRCH;
    if (now >= STATE_SENTRY) break;
    if (now > STATE_STUB_FUTEX) {
      Kill("the state of a new thread");
      return Errno::kESRCH;
    }
    FutexWait(&page_.state, STATE_STUB_FUTEX);
  }
  if (listener_ >= 0) {
    const uint64_t flags = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;
    ioctl(listener_, SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags);
    page_.use_notify = 1;
  }
  started_ = true;
  return OkStatus();
}

bool StubThread::Receive() {
  for (;;) {
    seccomp_notif notif{};
    if (ioctl(listener_, SECCOMP_IOCTL_NOTIF_RECV, &notif) == 0) {
      notification_ = notif.id;
      return true;
    }
    if (process_->dead()) return false;
    if (errno != ENOENT && errno != EINTR) {
      // ENOTCONN: the application made the thread end.
      Kill("its end");
      return false;
    }
    // ENOENT: a signal took it back and it will come again, or the process is dying.
    sched_yield();
  }
}

void StubThread::Kill(const char* why) {
  LogWarning("systrap: thread %d forged %s", tid_, why);
  process_->Kill();
}

void StubThread::WakeStub(uint32_t before) {
  if (before == STATE_SENTRY_FUTEX) {
    FutexWake(&page_.state);
    return;
  }
  if (before != STATE_SENTRY_NOTIFY || listener_ < 0) return;
  while ((notification_ != 0 || Receive()) && !Answer()) {
    if (errno != ENOENT || process_->dead()) break;
  }
}

bool StubThread::Answer() {
  seccomp_notif_resp answer{};
  answer.id = std::exchange(notification_, 0);
  return ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0;
}

void StubThread::MoveAway() {
  // The host would wake it here, where we are going to spin: other cores count as idle only if they share
  // a cache. When it has arrived it may go where the host likes again.
  cpu_set_t others;
  memcpy(&others, process_->slab().agent().cpus, sizeof(others));
  CPU_CLR(sched_getcpu(), &others);
  moving_ = sched_setaffinity(tid_, sizeof(others), &others) == 0;
}

void StubThread::Arrived() {
  moving_ = false;
  sched_setaffinity(tid_, sizeof(process_->slab().agent().cpus),
                    reinterpret_cast<const cpu_set_t*>(process_->slab().agent().cpus));
}

void StubThread::StayAt(const Home& home) {
  if (home.cpu() == pinned_to_) return;
  pinned_to_ = home.cpu();
  if (home.held()) {
    PinTo(tid_, home.cpu());
  } else {
    sched_setaffinity(tid_, sizeof(home.cpus()), &home.cpus());
  }
}

void StubThread::LeaveHome(Home& home) {
  if (!home.held()) return;
  home.Leave();
  StayAt(home);
}

void StubThread::Give(uint32_t command, bool elsewhere) {
  if (outstanding_ && !Finish()) return;
  if (elsewhere) MoveAway();
  __atomic_store_n(&page_.command, static_cast<uint8_t>(command), __ATOMIC_RELAXED);
  WakeStub(__atomic_exchange_n(&page_.state, STATE_STUB, __ATOMIC_SEQ_CST));
}

bool StubThread::SpinForTurn(uint64_t budget) {
  const uint64_t start = __rdtsc();
  while (Load(page_.state) < STATE_SENTRY) {
    if (__rdtsc() - start > budget) return false;
    // Twice: each look takes the line away from the stub, which may be about to write to it.
    _mm_pause();
    _mm_pause();
  }
  return true;
}

bool StubThread::CanDoQuickly() {
  if (outstanding_ && Load(page_.state) >= STATE_SENTRY) outstanding_ = false;
  return !outstanding_;
}

bool StubThread::DoQuickly(uint32_t command, uint64_t budget) {
  uint8_t asked = static_cast<uint8_t>(command);
  __atomic_store_n(&page_.command, asked, __ATOMIC_RELAXED);
  uint32_t awake = STATE_SENTRY;
  if (!__atomic_compare_exchange_n(&page_.state, &awake, STATE_STUB, false, __ATOMIC_SEQ_CST,
                                   __ATOMIC_SEQ_CST)) {
    return false;
  }
  if (SpinForTurn(budget)) return true;
  // Its core is somebody else's now. If it has not begun yet it never will.
  outstanding_ = true;
  if (__atomic_compare_exchange_n(&page_.command, &asked, COMMAND_NONE, false, __ATOMIC_SEQ_CST,
                                  __ATOMIC_SEQ_CST)) {
    return false;
  }
  // It must not come to its end when somebody has gone on: it would write what is old by then.
  if (!SpinForTurn(budget)) return Finish();
  outstanding_ = false;
  return true;
}

bool StubThread::Finish() {
  // Nothing that the stub does for us takes long. The wait is for the stub's core, which the host gives it.
  // The caller may hold locks: a stub that does not come back is not waited for longer than StubWatch would.
  constexpr useconds_t kLookEveryUs = 50;
  constexpr auto kPatience = std::chrono::seconds(5);
  const auto start = std::chrono::steady_clock::now();
  while (Load(page_.state) < STATE_SENTRY) {
    if (process_->dead()) return false;
    if (std::chrono::steady_clock::now() - start > kPatience) {
      LogWarning("systrap: thread %d does not end a command", tid_);
      process_->Kill();
      return false;
    }
    usleep(kLookEveryUs);
  }
  outstanding_ = false;
  return !process_->dead();
}

bool StubThread::Await(SpinPolicy& spin, Home& home) {
  const uint64_t start = __rdtsc();
  const uint64_t budget = spin.SentryBudget();
  const bool spun = budget != 0 && SpinForTurn(budget);
  if (!spun) {
    const uint32_t asleep = listener_ >= 0 ? STATE_STUB_NOTIFY : STATE_STUB_FUTEX;
    for (;;) {
      uint32_t state = STATE_STUB;
      __atomic_compare_exchange_n(&page_.state, &state, asleep, false, __ATOMIC_SEQ_CST,
                                  __ATOMIC_SEQ_CST);
      if (state >= STATE_SENTRY || process_->dead()) break;
      if (state != STATE_STUB && state != asleep) {
        Kill("its state");
        return false;
      }
      if (asleep == STATE_STUB_NOTIFY) {
        if (!Receive()) return false;
        // The state says so before the notification comes. If not, a kick took the stub out of its last call
        // while that was being answered, and it makes it again.
        if (Load(page_.state) < STATE_SENTRY) Answer();
      } else if (!home.held()) {
        FutexWait(&page_.state, asleep);
        ++futex_sleeps_;
      } else if (FutexWaitFor(&page_.state, asleep, Home::kPatienceNs)) {
        ++futex_sleeps_;
      } else {
        LeaveHome(home);
      }
    }
  }
  if (moving_) Arrived();
  if (spun) {
    // It was within the budget, whatever it was: one look at the clock less.
    spin.OnEvent(0, 0, true);
  } else {
    const uint64_t elapsed = __rdtsc() - start;
    const uint64_t patience = Home::kPatienceNs / 1000 * spin.ticks_per_us();
    if (elapsed > patience) LeaveHome(home);
    // What the stub says of times is only a hint, but must not be nonsense.
    const uint64_t handed_over = __atomic_load_n(&page_.handed_over, __ATOMIC_RELAXED);
    const uint64_t ran = handed_over - __atomic_load_n(&page_.resumed, __ATOMIC_RELAXED);
    const uint64_t latency = start + elapsed - handed_over;
    spin.OnEvent(std::min(ran, elapsed), std::min(latency, elapsed), false);
  }
  if (process_->dead()) return false;
  return true;
}

}  // namespace cvisor::platform::systrap
