// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/container/state.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace cvisor::runsc::container {
namespace {

class StateTest : public testing::Test {
 protected:
  void SetUp() override {
    char dir[] = "/tmp/runsc-state-XXXXXX";
    root_ = mkdtemp(dir);
  }
  void TearDown() override { EXPECT_EQ(rmdir(root_.c_str()), 0) << "something was left"; }
  std::string root_;
};

constexpr char kExists[] = "container with given ID already exists";

TEST_F(StateTest, OneOwnerAtATime) {
  auto first = State::Create(root_, "c1");
  ASSERT_TRUE(first.ok());
  auto second = State::Create(root_, "c1");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.failure().message, kExists);
  auto other = State::Create(root_, "c2");
  ASSERT_TRUE(other.ok());
  (*other)->Remove();
  (*first)->Remove();
  first = State::Create(root_, "c1");
  ASSERT_TRUE(first.ok());
  (*first)->Remove();
}

TEST_F(StateTest, WhatIsSavedIsRead) {
  auto state = State::Create(root_, "c");
  ASSERT_TRUE(state.ok());
  EXPECT_FALSE(State::Read(root_, "c").ok());  // nothing saved yet
  (*state)->record().pid = getpid();
  (*state)->record().start_time = ProcessStartTime(getpid());
  (*state)->record().bundle = "/b";
  (*state)->record().annotations["k"] = "v";
  ASSERT_TRUE((*state)->Save().ok());
  auto record = State::Read(root_, "c");
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(record->Status(), "created");
  EXPECT_EQ(record->bundle, "/b");
  EXPECT_EQ(record->annotations["k"], "v");
  EXPECT_EQ(State::List(root_), std::vector<std::string>{"c"});
  // Another process with that number.
  record->start_time += 1;
  EXPECT_EQ(record->Status(), "stopped");
  (*state)->Unlock();
  EXPECT_EQ(State::Create(root_, "c").failure().message, kExists);
  ASSERT_TRUE((*state)->Lock().ok());
  (*state)->Remove();
  EXPECT_EQ(State::Open(root_, "c").failure().message, "container does not exist");
}

// As a runsc that was killed leaves it.
void Abandon(const std::string& root, bool foreground) {
  const pid_t pid = fork();
  if (pid == 0) {
    auto s = State::Create(root, "c");
    if (!s.ok()) _exit(1);
    (*s)->record().foreground = foreground;
    _exit((*s)->Save().ok() ? 0 : 1);
  }
  int status = 1;
  waitpid(pid, &status, 0);
  ASSERT_EQ(status, 0);
}

TEST_F(StateTest, AStaleDirectoryIsTakenOver) {
  Abandon(root_, /*foreground=*/true);
  auto state = State::Create(root_, "c");
  ASSERT_TRUE(state.ok());
  (*state)->Remove();
}

TEST_F(StateTest, ADetachedContainerStays) {
  Abandon(root_, /*foreground=*/false);
  EXPECT_EQ(State::Create(root_, "c").failure().message, kExists);
  auto state = State::Open(root_, "c");
  ASSERT_TRUE(state.ok());
  (*state)->Remove();
}

TEST(CheckIdTest, Names) {
  EXPECT_TRUE(CheckId("a-b_c.d+9").ok());
  for (const char* bad : {"", ".", "..", "a/b", "a b", "../x", "\n"}) {
    EXPECT_FALSE(CheckId(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace cvisor::runsc::container
