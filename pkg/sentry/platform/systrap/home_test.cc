// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/systrap/home.h"

#include <unistd.h>

#include "gtest/gtest.h"

namespace cvisor::platform::systrap {
namespace {

constexpr uint64_t kSoon = 30;

class WakeHistoryTest : public testing::Test {
 protected:
  // Each wakes the other and goes to sleep `after` ticks later. Whether the last one was said to be going to.
  bool TakeTurns(int n, uint64_t after) {
    bool soon = false;
    for (int i = 0; i < n; ++i) {
      WakeHistory& waker = i % 2 == 0 ? a_ : b_;
      soon = waker.OnWakeOf(i % 2 == 0 ? b_ : a_, now_);
      now_ += after;
      waker.OnSleep(now_, kSoon);
    }
    return soon;
  }

  WakeHistory a_{1}, b_{2}, c_{3};
  uint64_t now_ = 1000;
};

TEST_F(WakeHistoryTest, TwoThatTakeTurns) {
  EXPECT_FALSE(TakeTurns(2, 10));
  EXPECT_TRUE(TakeTurns(20, 10));
  EXPECT_FALSE(TakeTurns(20, 100));
  EXPECT_TRUE(TakeTurns(40, 10));
}

TEST_F(WakeHistoryTest, OneThatIsNotAnswered) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(a_.OnWakeOf(b_, now_));
    a_.OnSleep(now_ + 1, kSoon);
  }
}

TEST_F(WakeHistoryTest, OneThatHasOtherWorkers) {
  EXPECT_TRUE(TakeTurns(20, 10));
  EXPECT_FALSE(a_.OnWakeOf(c_, now_));
  a_.OnSleep(now_, kSoon);
  EXPECT_FALSE(a_.OnWakeOf(b_, now_));
}

TEST_F(WakeHistoryTest, AFewLateSleepsDoNotCount) {
  EXPECT_TRUE(TakeTurns(40, 10));
  EXPECT_TRUE(TakeTurns(2, 100));
  EXPECT_TRUE(TakeTurns(2, 10));
}

TEST(HomeTest, GuestsStayAsLongAsTheyAreInvited) {
  cpu_set_t cpus, now;
  ASSERT_EQ(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &cpus)) ++cpu;
  Home home(cpus);
  EXPECT_FALSE(home.held());
  home.OnWake();
  EXPECT_FALSE(home.held());

  home.Invite(gettid(), cpu);
  home.OnWake();
  EXPECT_EQ(home.cpu(), cpu);
  ASSERT_EQ(sched_getaffinity(0, sizeof(now), &now), 0);
  EXPECT_EQ(CPU_COUNT(&now), 1);
  EXPECT_TRUE(CPU_ISSET(cpu, &now));
  home.Invite(gettid(), cpu);
  home.OnWake();
  EXPECT_TRUE(home.held());

  home.OnWake();
  EXPECT_FALSE(home.held());
  ASSERT_EQ(sched_getaffinity(0, sizeof(now), &now), 0);
  EXPECT_TRUE(CPU_EQUAL(&now, &cpus));
}

TEST(HomeTest, TheYoungNeedNoInvitation) {
  cpu_set_t cpus;
  ASSERT_EQ(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &cpus)) ++cpu;
  Home home(cpus);
  home.Inherit(cpu);
  home.OnWake();
  EXPECT_EQ(home.cpu(), cpu);
  home.Leave();
  EXPECT_FALSE(home.held());
}

}  // namespace
}  // namespace cvisor::platform::systrap
