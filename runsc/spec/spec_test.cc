// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/spec/spec.h"

#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cvisor::runsc::spec {
namespace {

using testing::HasSubstr;

constexpr char kMinimal[] = R"({"ociVersion": "1.0.2", "root": {"path": "rootfs"},
    "process": {"args": ["true"], "cwd": "/"}})";

// The minimal configuration with one member of "process" added or replaced.
std::string WithProcess(const std::string& member) {
  return R"({"ociVersion": "1.0.2", "root": {"path": "r"}, "process": {"args": ["true"],
      "cwd": "/", )" + member + "}}";
}

std::string ErrorOf(const std::string& text) {
  auto spec = Parse(text);
  return spec.ok() ? "" : spec.failure().message;
}

TEST(SpecTest, Minimal) {
  auto spec = Parse(kMinimal);
  ASSERT_TRUE(spec.ok()) << spec.failure().message;
  EXPECT_EQ(spec->root_path, "rootfs");
  EXPECT_EQ(spec->container.process().args(0), "true");
  EXPECT_EQ(spec->container.process().umask(), 022u);
  EXPECT_FALSE(spec->container.root().readonly());
}

TEST(SpecTest, TheDefaultConfigIsValid) {
  auto spec = Parse(DefaultConfig({}));
  ASSERT_TRUE(spec.ok()) << spec.failure().message;
  EXPECT_TRUE(spec->container.process().terminal());
  EXPECT_EQ(spec->container.process().args(0), "sh");
  EXPECT_TRUE(spec->container.root().readonly());
  EXPECT_EQ(spec->container.mounts_size(), 7);
  spec = Parse(DefaultConfig({"echo", "\"quoted\"\n"}));
  ASSERT_TRUE(spec.ok());
  EXPECT_FALSE(spec->container.process().terminal());
  EXPECT_EQ(spec->container.process().args(1), "\"quoted\"\n");
}

TEST(SpecTest, Process) {
  auto spec = Parse(WithProcess(R"("user": {"uid": 1000, "gid": 100, "umask": 63,
      "additionalGids": [4, 24]}, "env": ["A=b=c", "E="], "noNewPrivileges": true,
      "oomScoreAdj": -5, "capabilities": {"bounding": ["CAP_KILL", "CAP_FROM_THE_FUTURE"]},
      "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 7, "hard": 18446744073709551615}])"));
  ASSERT_TRUE(spec.ok()) << spec.failure().message;
  const auto& p = spec->container.process();
  EXPECT_EQ(p.uid(), 1000u);
  EXPECT_EQ(p.gid(), 100u);
  EXPECT_EQ(p.umask(), 077u);
  EXPECT_EQ(p.additional_gids(1), 24u);
  EXPECT_EQ(p.env(0), "A=b=c");
  EXPECT_TRUE(p.no_new_privileges());
  EXPECT_EQ(p.oom_score_adj(), -5);
  EXPECT_EQ(p.capabilities().bounding(), uint64_t{1} << CAP_KILL);
  EXPECT_EQ(p.rlimits(0).resource(), RLIMIT_NOFILE);
  EXPECT_EQ(p.rlimits(0).hard(), UINT64_MAX);
}

TEST(SpecTest, ErrorsNameTheField) {
  EXPECT_EQ(ErrorOf(WithProcess(R"("user": {"uid": "root"})")),
            "config.json: process.user.uid: expected a number, got \"root\"");
  EXPECT_THAT(ErrorOf(WithProcess(R"("user": {"uid": -1})")), HasSubstr("process.user.uid"));
  EXPECT_THAT(ErrorOf(WithProcess(R"("user": {"gid": 1.5})")), HasSubstr("process.user.gid"));
  EXPECT_THAT(ErrorOf(WithProcess(R"("user": {"umask": 512})")), HasSubstr("0 to 511"));
  EXPECT_THAT(ErrorOf(WithProcess(R"("user": [])")), HasSubstr("process.user: expected an object"));
  EXPECT_THAT(ErrorOf(WithProcess(R"("env": ["PATH"])")), HasSubstr("process.env[0]"));
  EXPECT_THAT(ErrorOf(WithProcess(R"("terminal": "yes")")),
              HasSubstr("process.terminal: expected true or false"));
  EXPECT_THAT(ErrorOf(WithProcess(R"("oomScoreAdj": 1001)")), HasSubstr("process.oomScoreAdj"));
  EXPECT_THAT(ErrorOf(WithProcess(R"("capabilities": {"bounding": ["KILL"]})")),
              HasSubstr("process.capabilities.bounding[0]: unknown capability \"KILL\""));
  EXPECT_THAT(ErrorOf(WithProcess(R"("rlimits": [{"type": "RLIMIT_FOO", "soft": 1, "hard": 1}])")),
              HasSubstr("process.rlimits[0].type: unknown limit"));
  EXPECT_THAT(ErrorOf(WithProcess(R"("rlimits": [{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}])")),
              HasSubstr("process.rlimits[0].soft"));
  EXPECT_THAT(ErrorOf(WithProcess(R"("args": ["a\u0000b"])")), HasSubstr("process.args[0]"));
}

TEST(SpecTest, MissingFields) {
  EXPECT_THAT(ErrorOf("{}"), HasSubstr("ociVersion: is missing"));
  EXPECT_THAT(ErrorOf(R"({"ociVersion": "1.0.0"})"), HasSubstr("process: is missing"));
  EXPECT_THAT(ErrorOf(R"({"ociVersion": "1.0.0", "process": {"cwd": "/"}})"),
              HasSubstr("process.args"));
  EXPECT_THAT(ErrorOf(R"({"ociVersion": "1.0.0", "process": {"args": ["a"]}})"),
              HasSubstr("process.cwd: is missing"));
  EXPECT_THAT(ErrorOf(R"({"ociVersion": "1.0.0", "process": {"args": ["a"], "cwd": "x"}})"),
              HasSubstr("process.cwd: must be an absolute path"));
  EXPECT_THAT(ErrorOf(R"({"ociVersion": "1.0.0", "process": {"args": ["a"], "cwd": "/"}})"),
              HasSubstr("root: is missing"));
  EXPECT_THAT(ErrorOf(R"({"ociVersion": "2.0.0"})"), HasSubstr("not supported"));
}

TEST(SpecTest, BadJson) {
  EXPECT_EQ(ErrorOf("{\n  \"a\": ,\n}"), "config.json: line 2, column 8: not valid JSON");
  EXPECT_THAT(ErrorOf(""), HasSubstr("line 1"));
  EXPECT_THAT(ErrorOf("[]"), HasSubstr("expected an object"));
  EXPECT_THAT(ErrorOf("null"), HasSubstr("expected an object"));
}

TEST(SpecTest, Mounts) {
  auto parse = [](const std::string& mount) {
    return Parse(R"({"ociVersion": "1.0.2", "root": {"path": "r"}, "process": {"args": ["true"],
        "cwd": "/"}, "mounts": [)" + mount + "]}");
  };
  auto spec = parse(R"({"destination": "/x", "source": "/y", "options": ["rbind", "ro"]})");
  ASSERT_TRUE(spec.ok()) << spec.failure().message;
  EXPECT_EQ(spec->container.mounts(0).type(), "bind");
  EXPECT_EQ(spec->container.mounts(0).flags(), uint64_t{MS_REC | MS_RDONLY});
  spec = parse(R"({"destination": "/x", "type": "tmpfs", "options": ["size=1m", "nosuid", "mode=700"]})");
  ASSERT_TRUE(spec.ok());
  EXPECT_EQ(spec->container.mounts(0).data(), "size=1m,mode=700");
  EXPECT_THAT(parse(R"({"destination": "/x", "type": "zfs"})").failure().message,
              HasSubstr("mounts[0].type: unknown file system \"zfs\""));
  EXPECT_THAT(parse(R"({"destination": "/x", "type": "bind"})").failure().message,
              HasSubstr("mounts[0].source: is missing"));
  EXPECT_THAT(parse(R"({"type": "tmpfs"})").failure().message,
              HasSubstr("mounts[0].destination: is missing"));
}

TEST(SpecTest, UnknownFieldsAreIgnored) {
  EXPECT_EQ(ErrorOf(WithProcess(R"("apparmorProfile": "x", "new": {"a": [1]})")), "");
}

}  // namespace
}  // namespace cvisor::runsc::spec
