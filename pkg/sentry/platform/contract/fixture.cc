// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/contract/fixture.h"

#include <dirent.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace cvisor::platform {

std::string TestPlatformName() {
  const char* env = getenv("TEST_PLATFORM");
  return env != nullptr ? env : "systrap";
}
std::string ReadFile(const std::string& path) {
  std::ifstream f(path);
  std::stringstream s;
  s << f.rdbuf();
  return s.str();
}

int CountChildren() {
  int n = 0;
  DIR* d = opendir("/proc");
  while (dirent* e = readdir(d)) {
    if (atoi(e->d_name) == 0) continue;
    const std::string stat = ReadFile(std::string("/proc/") + e->d_name + "/stat");
    const size_t p = stat.rfind(')');
    int ppid = 0;
    if (p != std::string::npos && sscanf(stat.c_str() + p + 1, " %*c %d", &ppid) == 1) {
      n += ppid == getpid();
    }
  }
  closedir(d);
  return n;
}

int CountThreads(pid_t pid) {
  int n = 0;
  DIR* d = opendir(("/proc/" + std::to_string(pid) + "/task").c_str());
  if (d == nullptr) return 0;
  while (dirent* e = readdir(d)) n += atoi(e->d_name) != 0;
  closedir(d);
  return n;
}

void PlatformTest::SetUp() {
  std::string error;
  platform_ = NewTestPlatform(TestPlatformName(), &error);
  ASSERT_NE(platform_, nullptr) << error;
  ctx_ = *platform_->NewContext();
  as_ = *platform_->NewAddressSpace();
}

void PlatformTest::TearDown() {
  if (ctx_) ctx_->Release();
  ctx_.reset();
  as_.reset();
  platform_.reset();
  EXPECT_EQ(CountChildren(), 0);
}

}  // namespace cvisor::platform
