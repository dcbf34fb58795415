// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/common/cpu_quota.h"

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"

namespace cvisor::platform {
namespace {

class CpuQuotaTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "cgroup_" +
            testing::UnitTest::GetInstance()->current_test_info()->name();
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  std::string root_;
};

TEST_F(CpuQuotaTest, NoCgroups) {
  EXPECT_EQ(CpuQuota("", root_), std::nullopt);
  EXPECT_EQ(CpuQuota("0::/\n", root_), std::nullopt);
  EXPECT_EQ(CpuQuota("rubbish\n0:\n::\n0::relative\n", root_), std::nullopt);
}

TEST_F(CpuQuotaTest, Version2TakesTheLeastOfAllAbove) {
  Write("/a/cpu.max", "150000 100000\n");
  Write("/a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(CpuQuota("0::/a/b\n", root_), 1.5);
  EXPECT_EQ(CpuQuota("0::/\n", root_), std::nullopt);
  Write("/a/b/cpu.max", "50000 100000\n");
  EXPECT_EQ(CpuQuota("0::/a/b\n", root_), 0.5);
  EXPECT_EQ(CpuQuota("0::/a\n", root_), 1.5);
}

TEST_F(CpuQuotaTest, Version1) {
  Write("/cpu,cpuacct/c/cpu.cfs_quota_us", "200000\n");
  Write("/cpu,cpuacct/c/cpu.cfs_period_us", "100000\n");
  Write("/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  Write("/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(CpuQuota("3:memory:/c\n2:cpu,cpuacct:/c\n0::/\n", root_), 2);
  EXPECT_EQ(CpuQuota("3:memory:/c\n2:cpu,cpuacct:/d\n", root_), std::nullopt);
}

TEST_F(CpuQuotaTest, Hybrid) {
  Write("/unified/s/cpu.max", "300000 100000\n");
  EXPECT_EQ(CpuQuota("1:name=systemd:/s\n0::/s\n", root_), 3);
}

TEST_F(CpuQuotaTest, NonsenseIsNoLimit) {
  Write("/a/cpu.max", "0 0\n");
  EXPECT_EQ(CpuQuota("0::/a\n", root_), std::nullopt);
  Write("/a/cpu.max", "many few\n");
  EXPECT_EQ(CpuQuota("0::/a\n", root_), std::nullopt);
  Write("/a/cpu.max", "-5 100000\n");
  EXPECT_EQ(CpuQuota("0::/a\n", root_), std::nullopt);
}

}  // namespace
}  // namespace cvisor::platform
