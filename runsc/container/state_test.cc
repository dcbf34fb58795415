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

TEST_F(StateTest, OneOwnerAtATime) {
  auto first = State::Create(root_, "c1");
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE((*first)->Save("running", 1, "/b").ok());
  auto second = State::Create(root_, "c1");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.failure().message, "container with id \"c1\" exists");
  EXPECT_TRUE(State::Create(root_, "c2").ok());
  first->reset();
  EXPECT_TRUE(State::Create(root_, "c1").ok());
}

TEST_F(StateTest, AStaleDirectoryIsTakenOver) {
  const pid_t pid = fork();
  if (pid == 0) {
    auto s = State::Create(root_, "c");
    if (s.ok()) (void)(*s)->Save("running", 1, "/b");
    _exit(0);  // without destructors
  }
  waitpid(pid, nullptr, 0);
  struct stat st;
  ASSERT_EQ(stat((root_ + "/c/state.json").c_str(), &st), 0);
  EXPECT_TRUE(State::Create(root_, "c").ok());
}

TEST(CheckIdTest, Names) {
  EXPECT_TRUE(CheckId("a-b_c.d+9").ok());
  for (const char* bad : {"", ".", "..", "a/b", "a b", "../x", "\n"}) {
    EXPECT_FALSE(CheckId(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace cvisor::runsc::container
