// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/kernel/timers.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <time.h>

#include <atomic>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/sentry/kernel/clocks.h"
#include "pkg/sentry/kernel/signals.h"

namespace cvisor::kernel {
namespace {

constexpr int64_t kMs = 1000000;

// Notes when it fired, and unparks who waits for it.
class Recorder : public Timer {
 public:
  Recorder(int id, std::vector<int>* order, Mutex* mu, Parker* parker)
      : id_(id), order_(order), mu_(mu), parker_(parker) {}
  void Fire() override {
    {
      MutexLock lock(mu_);
      order_->push_back(id_);
    }
    parker_->Unpark();
  }

 private:
  const int id_;
  std::vector<int>* const order_;
  Mutex* const mu_;
  Parker* const parker_;
};

class TimerServiceTest : public testing::Test {
 protected:
  Ref<Recorder> New(int id) { return MakeRef<Recorder>(id, &order_, &mu_, &parker_); }
  std::vector<int> WaitFor(size_t n) {
    const Deadline limit = Deadline::After(5000 * kMs);
    for (;;) {
      {
        MutexLock lock(mu_);
        if (order_.size() >= n) return order_;
      }
      if (!parker_.Park(limit)) return {};
    }
  }
  Mutex mu_;
  Parker parker_;
  std::vector<int> order_;
  TimerService service_;
};

TEST_F(TimerServiceTest, FiresInOrderOfTime) {
  const int64_t now = MonotonicNs();
  service_.Arm(New(3), Deadline::At(now + 30 * kMs));
  service_.Arm(New(1), Deadline::At(now + 10 * kMs));
  service_.Arm(New(2), Deadline::At(now + 20 * kMs));
  EXPECT_EQ((std::vector<int>{1, 2, 3}), WaitFor(3));
  EXPECT_GE(MonotonicNs(), now + 30 * kMs);
}

TEST_F(TimerServiceTest, PastAndDisarmedAndRearmed) {
  auto a = New(1), b = New(2), c = New(3);
  service_.Arm(a, Deadline::After(20 * kMs));
  service_.Disarm(*a);
  service_.Disarm(*a);  // harmless
  service_.Arm(b, Deadline::After(3600 * 1000 * kMs));
  service_.Arm(b, Deadline::After(30 * kMs));  // replaces
  service_.Arm(c, Deadline::At(0));
  EXPECT_EQ((std::vector<int>{3, 2}), WaitFor(2));
  service_.Arm(a, Deadline::Never());
  service_.Arm(a, Deadline::After(kMs));
  EXPECT_EQ((std::vector<int>{3, 2, 1}), WaitFor(3));
}

TEST_F(TimerServiceTest, OwnsArmedTimersOnlyWhileArmed) {
  auto a = New(1);
  service_.Arm(a, Deadline::After(3600 * 1000 * kMs));
  EXPECT_EQ(2, a->ref_count());
  service_.Disarm(*a);
  EXPECT_EQ(1, a->ref_count());
}

TEST_F(TimerServiceTest, SleepsWhenIdle) {
  auto a = New(1);
  service_.Arm(a, Deadline::After(3600 * 1000 * kMs));
  rusage before, after;
  getrusage(RUSAGE_SELF, &before);
  const timespec ts{0, 100 * kMs};
  nanosleep(&ts, nullptr);
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LE(after.ru_nvcsw - before.ru_nvcsw, 5);
}

TEST_F(TimerServiceTest, EndsWithoutEverBeingUsed) { TimerService unused; }

TEST(Clocks, CpuClockEncodings) {
  auto c = DecodeCpuClock(CLOCK_PROCESS_CPUTIME_ID);
  ASSERT_TRUE(c.ok());
  EXPECT_FALSE(c->thread);
  EXPECT_EQ(0, c->id);
  // As clock_getcpuclockid(3) and pthread_getcpuclockid(3) make them.
  c = DecodeCpuClock((~1234 << 3) | 2);
  ASSERT_TRUE(c.ok());
  EXPECT_FALSE(c->thread);
  EXPECT_FALSE(c->user_only);
  EXPECT_FALSE(c->sampled);
  EXPECT_EQ(1234, c->id);
  c = DecodeCpuClock((~77 << 3) | 4 | 1);
  ASSERT_TRUE(c.ok());
  EXPECT_TRUE(c->thread);
  EXPECT_TRUE(c->user_only);
  EXPECT_EQ(77, c->id);
  EXPECT_EQ(Errno::kEINVAL, DecodeCpuClock((~5 << 3) | 3).error());  // a descriptor
  EXPECT_EQ(Errno::kEINVAL, DecodeCpuClock(10).error());
  EXPECT_EQ(Errno::kEINVAL, DecodeCpuClock(CLOCK_MONOTONIC).error());
}

TEST(Clocks, WallDeadlines) {
  EXPECT_EQ(5, WallDeadline(CLOCK_MONOTONIC, 5).ns);
  EXPECT_TRUE(WallDeadline(CLOCK_REALTIME, INT64_MAX).never());
  EXPECT_TRUE(WallDeadline(CLOCK_REALTIME, 1).passed());
  const int64_t in_a_second = RealtimeNs() + 1000 * kMs;
  const Deadline d = WallDeadline(CLOCK_REALTIME, in_a_second);
  EXPECT_NEAR(static_cast<double>(d.ns), static_cast<double>(MonotonicNs() + 1000 * kMs), 50 * kMs);
}

TEST(SignalQueue, TimerOverruns) {
  SignalQueue q;
  siginfo_t info{};
  info.si_signo = SIGRTMIN;
  info.si_code = SI_TIMER;
  info.si_timerid = 7;
  EXPECT_FALSE(q.AddTimerOverrun(SIGRTMIN, 7, 1));
  q.Push(info);
  EXPECT_FALSE(q.AddTimerOverrun(SIGRTMIN, 8, 1));
  EXPECT_TRUE(q.AddTimerOverrun(SIGRTMIN, 7, 3));
  EXPECT_EQ(3, q.Peek(~SignalSet{0})->si_overrun);
  EXPECT_TRUE(q.AddTimerOverrun(SIGRTMIN, 7, INT64_MAX));
  EXPECT_EQ(INT32_MAX, q.Pop(~SignalSet{0})->si_overrun);
  EXPECT_FALSE(q.AddTimerOverrun(SIGRTMIN, 7, 1));
}

}  // namespace
}  // namespace cvisor::kernel
