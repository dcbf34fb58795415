// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/systrap/spin.h"

#include "gtest/gtest.h"

namespace cvisor::platform::systrap {
namespace {

class SpinTest : public testing::Test {
 protected:
  SpinTest() {
    shared_.cores = 2;
    shared_.ticks_per_us = 1000;
    shared_.runnable = 1;
  }
  // The application runs so long between hand-overs, which take `latency_us` if the Sentry sleeps.
  void Events(int n, uint64_t us, bool spun, uint64_t latency_us = 1) {
    for (int i = 0; i < n; ++i) {
      policy_.OnEvent(us * shared_.ticks_per_us, latency_us * shared_.ticks_per_us, spun);
    }
  }
  // How many quick hand-overs it takes to spin; 0 if it never does.
  int EventsToStart() {
    for (int i = 1; i <= 100000; ++i) {
      Events(1, 1, false);
      if (policy_.spinning()) return i;
    }
    return 0;
  }

  SpinShared shared_;
  SpinPolicy policy_{shared_};
};

TEST_F(SpinTest, StartsAfterQuickHandOversInARow) {
  EXPECT_EQ(policy_.SentryBudget(), 0u);
  EXPECT_EQ(policy_.StubBudget(), 0u);
  const int needed = EventsToStart();
  EXPECT_GT(needed, 1);
  EXPECT_GT(policy_.SentryBudget(), 0u);
  EXPECT_LT(policy_.SentryBudget(), 1000 * shared_.ticks_per_us);
  EXPECT_GT(policy_.StubBudget(), 0u);

  // A slow one begins the row again.
  policy_.OnSleep();
  EXPECT_FALSE(policy_.spinning());
  Events(needed - 1, 1, false);
  Events(1, 100, false);
  Events(needed - 1, 1, false);
  EXPECT_FALSE(policy_.spinning());
  Events(1, 1, false);
  EXPECT_TRUE(policy_.spinning());
}

TEST_F(SpinTest, NeverForSlowHandOvers) {
  Events(1000, 100, false);
  EXPECT_FALSE(policy_.spinning());
}

// Where waking up takes long, more pays.
TEST_F(SpinTest, LongerWhereWakeUpsAreSlow) {
  Events(100, 60, false, 5);
  EXPECT_FALSE(policy_.spinning());
  for (int i = 0; i < 100 && !policy_.spinning(); ++i) Events(1, 60, false, 45);
  EXPECT_TRUE(policy_.spinning());
  EXPECT_GT(policy_.SentryBudget(), 60 * shared_.ticks_per_us);
  policy_.OnSleep();
  Events(1000, 200, false, 1'000'000);
  EXPECT_FALSE(policy_.spinning());
}

TEST_F(SpinTest, StartIsToldOnce) {
  EXPECT_FALSE(policy_.TakeStart());
  EventsToStart();
  EXPECT_TRUE(policy_.TakeStart());
  EXPECT_FALSE(policy_.TakeStart());
  Events(10, 1, true);
  EXPECT_FALSE(policy_.TakeStart());
  // Not if it is over before anybody asked.
  Events(1, 100, false);
  EventsToStart();
  Events(1, 100, false);
  EXPECT_FALSE(policy_.TakeStart());
}

// The start may be told only while it goes on.
TEST_F(SpinTest, SleepTakesTheStartBack) {
  EventsToStart();
  policy_.OnSleep();
  EXPECT_FALSE(policy_.TakeStart());
}

TEST_F(SpinTest, FailuresMakeItHarderAndAreForgiven) {
  int needed = EventsToStart();
  for (int i = 0; i < 5; ++i) {
    Events(1, 100, true);  // Seen, but late.
    EXPECT_FALSE(policy_.spinning());
    const int now = EventsToStart();
    EXPECT_GT(now, needed);
    needed = now;
  }
  // Not without end.
  for (int i = 0; i < 100; ++i) {
    Events(1, 1, false);  // In vain.
    ASSERT_GT(EventsToStart(), 0);
  }
  // Enough success, and it is as at first.
  Events(10000, 1, true);
  EXPECT_TRUE(policy_.spinning());
  policy_.OnSleep();
  EXPECT_LT(EventsToStart(), 50);
}

TEST_F(SpinTest, OnlyWithCoresToSpare) {
  EventsToStart();
  ASSERT_NE(policy_.SentryBudget(), 0u);
  shared_.runnable = 2;
  EXPECT_EQ(policy_.SentryBudget(), 0u);
  EXPECT_EQ(policy_.StubBudget(), 0u);
  shared_.cores = 4;
  EXPECT_NE(policy_.SentryBudget(), 0u);
  shared_.runnable = 3;
  EXPECT_EQ(policy_.SentryBudget(), 0u);
  shared_.runnable = 1;
  shared_.enabled = false;
  EXPECT_EQ(policy_.SentryBudget(), 0u);
  EXPECT_EQ(policy_.StubBudget(), 0u);
  shared_.enabled = true;
  shared_.cores = 1;
  EXPECT_EQ(policy_.SentryBudget(), 0u);
}

}  // namespace
}  // namespace cvisor::platform::systrap
