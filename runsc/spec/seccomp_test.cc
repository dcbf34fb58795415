// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/spec/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pkg/sentry/seccomp/bpf.h"
#include "runsc/spec/spec.h"

namespace cvisor::runsc::spec {
namespace {

using testing::HasSubstr;

Outcome<Spec> ParseProfile(const std::string& profile) {
  return Parse(R"({"ociVersion": "1.0.2", "root": {"path": "r"}, "process": {"args": ["true"],
      "cwd": "/"}, "linux": {"seccomp": )" + profile + "}}");
}

std::string ErrorOf(const std::string& profile) {
  auto spec = ParseProfile(profile);
  return spec.ok() ? "" : spec.failure().message;
}

class Compiled {
 public:
  explicit Compiled(const std::string& profile) {
    auto spec = ParseProfile(profile);
    EXPECT_TRUE(spec.ok()) << spec.failure().message;
    if (!spec.ok()) return;
    auto out = CompileSeccomp(*spec->seccomp);
    EXPECT_TRUE(out.ok()) << out.failure().message;
    if (!out.ok()) return;
    program_.resize(out->program().size() / sizeof(sock_filter));
    std::memcpy(program_.data(), out->program().data(), out->program().size());
    EXPECT_TRUE(seccomp::CheckProgram(program_).ok());
  }
  uint32_t Run(int number, std::vector<uint64_t> args = {}) const {
    seccomp_data data = {};
    data.nr = number;
    data.arch = AUDIT_ARCH_X86_64;
    for (size_t i = 0; i < args.size(); ++i) data.args[i] = args[i];
    return seccomp::RunProgram(program_, data);
  }

 private:
  std::vector<sock_filter> program_;
};

constexpr uint32_t Error(int error) { return SECCOMP_RET_ERRNO | static_cast<uint32_t>(error); }

TEST(SeccompTest, NoProfile) {
  auto spec = ParseProfile("null");
  ASSERT_TRUE(spec.ok());
  EXPECT_FALSE(spec->seccomp.has_value());
}

TEST(SeccompTest, AllowList) {
  const Compiled p(R"({"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"],
      "syscalls": [{"names": ["read", "write", "no_such_call", "futex_waitv"],
                    "action": "SCMP_ACT_ALLOW"}]})");
  EXPECT_EQ(p.Run(SYS_read), SECCOMP_RET_ALLOW);
  EXPECT_EQ(p.Run(SYS_write), SECCOMP_RET_ALLOW);
  EXPECT_EQ(p.Run(SYS_open), Error(EPERM));
  EXPECT_EQ(p.Run(448), Error(EPERM));
  EXPECT_EQ(p.Run(449), SECCOMP_RET_ALLOW);
  // Newer than what the profile knows: programs shall fall back.
  EXPECT_EQ(p.Run(450), Error(ENOSYS));
  EXPECT_EQ(p.Run(100000), Error(ENOSYS));
}

TEST(SeccompTest, DenyList) {
  const Compiled p(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
      {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"},
      {"names": ["rmdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
      {"names": ["chmod"], "action": "SCMP_ACT_TRACE", "errnoRet": 77},
      {"names": ["chown"], "action": "SCMP_ACT_TRAP"},
      {"names": ["link"], "action": "SCMP_ACT_LOG"},
      {"names": ["kill"], "action": "SCMP_ACT_KILL"},
      {"names": ["tkill"], "action": "SCMP_ACT_KILL_PROCESS"},
      {"names": ["tgkill"], "action": "SCMP_ACT_KILL_THREAD"},
      {"names": ["read"], "action": "SCMP_ACT_ALLOW"}]})");
  EXPECT_EQ(p.Run(SYS_mkdir), Error(EPERM));
  EXPECT_EQ(p.Run(SYS_rmdir), Error(ENOSYS));
  EXPECT_EQ(p.Run(SYS_chmod), SECCOMP_RET_TRACE | 77u);
  EXPECT_EQ(p.Run(SYS_chown), SECCOMP_RET_TRAP);
  EXPECT_EQ(p.Run(SYS_link), SECCOMP_RET_LOG);
  EXPECT_EQ(p.Run(SYS_kill), SECCOMP_RET_KILL_THREAD);
  EXPECT_EQ(p.Run(SYS_tkill), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(p.Run(SYS_tgkill), SECCOMP_RET_KILL_THREAD);
  EXPECT_EQ(p.Run(SYS_read), SECCOMP_RET_ALLOW);
  EXPECT_EQ(p.Run(100000), SECCOMP_RET_ALLOW);
}

TEST(SeccompTest, DefaultErrno) {
  const Compiled p(R"({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls": [
      {"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
      {"names": ["write"], "action": "SCMP_ACT_ERRNO"}]})");
  EXPECT_EQ(p.Run(SYS_read), Error(ENOSYS));
  EXPECT_EQ(p.Run(SYS_write), Error(EPERM));
  EXPECT_EQ(p.Run(100000), Error(ENOSYS));
}

TEST(SeccompTest, Operators) {
  const auto allows = [](const std::string& op, uint64_t value, uint64_t two, uint64_t argument) {
    const Compiled p(R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["personality"],
        "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "op": "SCMP_CMP_)" + op +
                     R"(", "value": )" + std::to_string(value) + R"(, "valueTwo": )" +
                     std::to_string(two) + "}]}]}");
    return p.Run(SYS_personality, {argument}) == SECCOMP_RET_ALLOW;
  };
  constexpr uint64_t kBig = 0x100000005;
  EXPECT_TRUE(allows("EQ", kBig, 0, kBig));
  EXPECT_FALSE(allows("EQ", kBig, 0, 5));
  EXPECT_FALSE(allows("NE", kBig, 0, kBig));
  EXPECT_TRUE(allows("NE", kBig, 0, 5));
  EXPECT_TRUE(allows("LT", kBig, 0, kBig - 1));
  EXPECT_FALSE(allows("LT", kBig, 0, kBig));
  EXPECT_TRUE(allows("LE", kBig, 0, kBig));
  EXPECT_FALSE(allows("LE", kBig, 0, kBig + 1));
  EXPECT_TRUE(allows("GE", kBig, 0, kBig));
  EXPECT_FALSE(allows("GE", kBig, 0, 6));
  EXPECT_TRUE(allows("GT", kBig, 0, UINT64_MAX));
  EXPECT_FALSE(allows("GT", kBig, 0, kBig));
  EXPECT_TRUE(allows("MASKED_EQ", 0xf0, 0x50, 0x15a));
  EXPECT_FALSE(allows("MASKED_EQ", 0xf0, 0x50, 0x16a));
}

TEST(SeccompTest, SeveralArguments) {
  const Compiled both(R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["socket"],
      "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "op": "SCMP_CMP_EQ", "value": 1},
                                           {"index": 1, "op": "SCMP_CMP_EQ", "value": 2}]}]})");
  EXPECT_EQ(both.Run(SYS_socket, {1, 2}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(both.Run(SYS_socket, {1, 3}), Error(EPERM));
  EXPECT_EQ(both.Run(SYS_socket, {2, 2}), Error(EPERM));
  // The same argument twice: one or the other.
  const Compiled either(R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["socket"],
      "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "op": "SCMP_CMP_EQ", "value": 1},
                                           {"index": 0, "op": "SCMP_CMP_EQ", "value": 2}]}]})");
  EXPECT_EQ(either.Run(SYS_socket, {1}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(either.Run(SYS_socket, {2}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(either.Run(SYS_socket, {3}), Error(EPERM));
}

TEST(SeccompTest, X32) {
  const std::string rest = R"("defaultAction": "SCMP_ACT_ERRNO",
      "syscalls": [{"names": ["getpid"], "action": "SCMP_ACT_ALLOW"}]})";
  const Compiled with(R"({"architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],)" +
                      rest);
  EXPECT_EQ(with.Run(SYS_getpid), SECCOMP_RET_ALLOW);
  EXPECT_EQ(with.Run(0x40000000 | SYS_getpid), SECCOMP_RET_ALLOW);
  const Compiled without("{" + rest);
  EXPECT_EQ(without.Run(0x40000000 | SYS_getpid), SECCOMP_RET_KILL_THREAD);
}

TEST(SeccompTest, WrongFields) {
  const auto rule = [](const std::string& fields) {
    return ErrorOf(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{)" + fields + "}]}");
  };
  EXPECT_THAT(ErrorOf("{}"), HasSubstr("linux.seccomp.defaultAction: is missing"));
  EXPECT_THAT(ErrorOf("[]"), HasSubstr("linux.seccomp: expected an object"));
  EXPECT_THAT(ErrorOf(R"({"defaultAction": "ALLOW"})"),
              HasSubstr("linux.seccomp.defaultAction: unknown action \"ALLOW\""));
  EXPECT_THAT(ErrorOf(R"({"defaultAction": "SCMP_ACT_NOTIFY"})"), HasSubstr("not supported"));
  EXPECT_THAT(ErrorOf(R"({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": -1})"),
              HasSubstr("linux.seccomp.defaultErrnoRet: expected"));
  EXPECT_THAT(ErrorOf(R"({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_VAX"]})"),
              HasSubstr("linux.seccomp.architectures[0]: unknown architecture \"SCMP_ARCH_VAX\""));
  EXPECT_THAT(ErrorOf(R"({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_X"]})"),
              HasSubstr("linux.seccomp.flags[0]: unknown flag"));
  EXPECT_THAT(rule(R"("names": "read", "action": "SCMP_ACT_ALLOW")"),
              HasSubstr("linux.seccomp.syscalls[0].names: expected an array"));
  EXPECT_THAT(rule(R"("names": [7], "action": "SCMP_ACT_ALLOW")"),
              HasSubstr("linux.seccomp.syscalls[0].names[0]: expected a string"));
  EXPECT_THAT(rule(R"("names": ["read"])"),
              HasSubstr("linux.seccomp.syscalls[0].action: is missing"));
  EXPECT_THAT(rule(R"("names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 70000)"),
              HasSubstr("linux.seccomp.syscalls[0].errnoRet: expected"));
  const auto arg = [&rule](const std::string& fields) {
    return rule(R"("names": ["read"], "action": "SCMP_ACT_LOG", "args": [{)" + fields + "}]");
  };
  EXPECT_THAT(arg(R"("op": "SCMP_CMP_EQ")"), HasSubstr("syscalls[0].args[0].index: is missing"));
  EXPECT_THAT(arg(R"("index": 6, "op": "SCMP_CMP_EQ")"),
              HasSubstr("syscalls[0].args[0].index: expected a whole number from 0 to 5"));
  EXPECT_THAT(arg(R"("index": 1)"), HasSubstr("syscalls[0].args[0].op: is missing"));
  EXPECT_THAT(arg(R"("index": 1, "op": "=")"),
              HasSubstr("syscalls[0].args[0].op: unknown operator \"=\""));
  EXPECT_THAT(arg(R"("index": 1, "op": "SCMP_CMP_EQ", "value": "7")"),
              HasSubstr("syscalls[0].args[0].value: expected a number"));
}

}  // namespace
}  // namespace cvisor::runsc::spec
