// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/ptrace/placement.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

namespace cvisor::platform::ptrace {
namespace {

// How often the monitor looks while there is something to see. A pair is taken for computing or
// sleeping, and unpinned, after one to two of these.
constexpr long kTickNs = 4'000'000;
// Ticks after which a pair is let loose: with and without other active pairs.
constexpr uint32_t kRebalanceBusy = 3;
constexpr uint32_t kRebalanceAlone = 50;

void FutexWait(std::atomic<uint32_t>* word, uint32_t value, const timespec* timeout) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout, nullptr, 0);
}

pid_t CurrentTid() { return static_cast<pid_t>(syscall(SYS_gettid)); }

}  // namespace

Pair::Pair(Placement& placement) : placement_(placement) {
  MutexLock lock(&placement_.mu_);
  placement_.pairs_.push_back(this);
}

Pair::~Pair() {
  MutexLock lock(&placement_.mu_);
  auto& pairs = placement_.pairs_;
  auto it = std::find(pairs.begin(), pairs.end(), this);
  if (it != pairs.end()) {
    *it = pairs.back();
    pairs.pop_back();
  }
}

void Pair::SetStub(pid_t stub_tid) {
  const pid_t tracer = CurrentTid();
  if (stub_tid == 0) ReleaseTracer();
  MutexLock lock(&mu_);
  stub_tid_ = stub_tid;
  tracer_tid_ = stub_tid == 0 ? 0 : tracer;
  cpu_ = -1;
  pinned_.store(false, std::memory_order_relaxed);
  if (stub_tid != 0 && placement_.enabled_) Pin(sched_getcpu());
}

void Pair::Attract(pid_t tid) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(sched_getcpu(), &set);
  sched_setaffinity(tid, sizeof(set), &set);
}

void Pair::Pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  // Failures (a CPU that went away) only cost speed.
  if (!tracer_pinned_) {
    sched_setaffinity(0, sizeof(set), &set);
    tracer_pinned_ = true;
  }
  if (cpu_ != cpu) {
    sched_setaffinity(stub_tid_, sizeof(set), &set);
    cpu_ = cpu;
  }
  pinned_.store(true, std::memory_order_release);
}

void Pair::ReleaseTracer() {
  if (!tracer_pinned_) return;
  tracer_pinned_ = false;
  sched_setaffinity(0, sizeof(placement_.all_), &placement_.all_);
}

void Pair::Enter() {
  if (!placement_.enabled_) return;
  const uint32_t advice = advice_.load(std::memory_order_relaxed);
  if (__builtin_expect(advice != kNone, false)) {
    advice_.exchange(kNone, std::memory_order_acquire);
    if (advice == kUnpinned) {
      cpu_ = -1;
      tracer_pinned_ = false;
    } else if (cpu_ >= 0) {
      // One round trip without pins, in which the host may spread us.
      placement_.Unpin(*this);
      cpu_ = -1;
      tracer_pinned_ = false;
      seq_.fetch_add(1, std::memory_order_seq_cst);
      return;
    }
  }
  if (cpu_ < 0 || !tracer_pinned_) Pin(sched_getcpu());
  seq_.fetch_add(1, std::memory_order_seq_cst);
  if (placement_.state_.load(std::memory_order_seq_cst) == Placement::kSleeping) {
    placement_.WakeMonitor();
  }
}

Placement::Placement(const cpu_set_t& all) : all_(all), enabled_(CPU_COUNT(&all) > 1) {}

void Placement::Unpin(Pair& pair) {
  MutexLock lock(&pair.mu_);
  if (pair.stub_tid_ == 0) return;
  sched_setaffinity(pair.stub_tid_, sizeof(all_), &all_);
  sched_setaffinity(pair.tracer_tid_, sizeof(all_), &all_);
  pair.pinned_.store(false, std::memory_order_release);
}

bool Placement::Tick() {
  MutexLock lock(&mu_);
  uint32_t active = 0;
  for (Pair* p : pairs_) {
    const uint32_t seq = p->seq_.load(std::memory_order_acquire);
    if (seq != p->last_seen_) {
      ++active;
    } else if (p->pinned_.load(std::memory_order_acquire)) {
      Unpin(*p);
      p->advice_.store(Pair::kUnpinned, std::memory_order_release);
      ++active;
    }
  }
  for (Pair* p : pairs_) {
    const uint32_t seq = p->seq_.load(std::memory_order_acquire);
    if (seq == p->last_seen_) continue;
    p->last_seen_ = seq;
    if (++p->ticks_ < (active > 1 ? kRebalanceBusy : kRebalanceAlone)) continue;
    p->ticks_ = 0;
    uint32_t none = Pair::kNone;
    p->advice_.compare_exchange_strong(none, Pair::kRebalance, std::memory_order_release);
  }
  return active != 0;
}

bool Placement::AnyNews() {
  MutexLock lock(&mu_);
  return std::any_of(pairs_.begin(), pairs_.end(), [](const Pair* p) {
    return p->seq_.load(std::memory_order_seq_cst) != p->last_seen_;
  });
}

void Placement::WakeMonitor() {
  uint32_t sleeping = kSleeping;
  if (state_.compare_exchange_strong(sleeping, kAwake, std::memory_order_seq_cst)) {
    syscall(SYS_futex, &state_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
}

void Placement::Run() {
  const timespec tick{0, kTickNs};
  for (;;) {
    if (state_.load(std::memory_order_acquire) == kStopped) return;
    if (enabled_ && Tick()) {
      FutexWait(&state_, kAwake, &tick);
      continue;
    }
    uint32_t awake = kAwake;
    if (!state_.compare_exchange_strong(awake, kSleeping, std::memory_order_seq_cst)) continue;
    // A pair that entered before it could see kSleeping is seen here.
    if (enabled_ && AnyNews()) {
      uint32_t sleeping = kSleeping;
      state_.compare_exchange_strong(sleeping, kAwake, std::memory_order_seq_cst);
      continue;
    }
    FutexWait(&state_, kSleeping, nullptr);
    uint32_t sleeping = kSleeping;
    state_.compare_exchange_strong(sleeping, kAwake, std::memory_order_seq_cst);
  }
}

void Placement::Stop() {
  state_.store(kStopped, std::memory_order_seq_cst);
  syscall(SYS_futex, &state_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

}  // namespace cvisor::platform::ptrace
