// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/sandbox/host_checks.h"

#include <errno.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cvisor::runsc::sandbox {
namespace {

using testing::HasSubstr;

TEST(HostChecksTest, KernelRelease) {
  for (const char* good : {"5.9.0", "5.10", "6.1.0-18-amd64", "10.0.1", "strange"}) {
    EXPECT_TRUE(CheckKernelRelease(good).ok()) << good;
  }
  for (const char* bad : {"5.8.18-generic", "4.14.0", "3.10.0-1160.el7"}) {
    const auto r = CheckKernelRelease(bad);
    ASSERT_FALSE(r.ok()) << bad;
    EXPECT_THAT(r.failure().message, HasSubstr(bad));
    EXPECT_THAT(r.failure().message, HasSubstr("too old"));
  }
}

TEST(HostChecksTest, PtraceScope) {
  EXPECT_TRUE(CheckPtraceScope("").ok());
  EXPECT_TRUE(CheckPtraceScope("1").ok());
  EXPECT_THAT(CheckPtraceScope("3").failure().message, HasSubstr("yama/ptrace_scope"));
}

TEST(HostChecksTest, ThisHostWillDo) { EXPECT_TRUE(CheckHost().ok()); }

TEST(HostChecksTest, NamespaceFailures) {
  EXPECT_THAT(ExplainNamespaceFailure(ENOSPC, true).message, HasSubstr("max_user_namespaces"));
  EXPECT_THAT(ExplainNamespaceFailure(EPERM, false).message, HasSubstr("CAP_SYS_ADMIN"));
  EXPECT_THAT(ExplainNamespaceFailure(EINVAL, true).message, HasSubstr("without user namespaces"));
}

}  // namespace
}  // namespace cvisor::runsc::sandbox
