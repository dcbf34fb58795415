// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/config/flags.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runsc/config/config.h"

namespace cvisor::runsc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class FlagsTest : public testing::Test {
 protected:
  FlagsTest() {
    flags_.Bool("debug", &debug_, "h");
    flags_.String("root", &root_, "DIR", "h");
    flags_.List("env", &env_, "N=V", "h");
    flags_.Unsigned("size", &size_, 100, "h");
    flags_.Choice("format", &format_, {"text", "json"}, "h");
    flags_.Alias("r", "root");
  }
  std::string Parse(const std::vector<std::string>& args) {
    auto r = flags_.Parse(args, &rest_, &help_);
    return r.ok() ? "" : r.failure().message;
  }
  FlagSet flags_;
  bool debug_ = false, help_ = false;
  std::string root_, format_ = "text";
  std::vector<std::string> env_, rest_;
  uint64_t size_ = 1;
};

TEST_F(FlagsTest, AllForms) {
  EXPECT_EQ(Parse({"--root=/a", "-debug", "--size", "7", "-format=json", "do", "--root=b"}), "");
  EXPECT_EQ(root_, "/a");
  EXPECT_TRUE(debug_);
  EXPECT_EQ(size_, 7u);
  EXPECT_EQ(format_, "json");
  EXPECT_THAT(rest_, ElementsAre("do", "--root=b"));
  EXPECT_EQ(Parse({"-r", "/b", "--debug=false", "--", "--root"}), "");
  EXPECT_EQ(root_, "/b");
  EXPECT_FALSE(debug_);
  EXPECT_THAT(rest_, ElementsAre("--root"));
  EXPECT_EQ(Parse({"--env=A=1", "--env", "B=2", "-"}), "");
  EXPECT_THAT(env_, ElementsAre("A=1", "B=2"));
  EXPECT_THAT(rest_, ElementsAre("-"));
}

TEST_F(FlagsTest, Errors) {
  EXPECT_EQ(Parse({"--rot=/x"}), "unknown flag --rot");
  EXPECT_EQ(Parse({"-x"}), "unknown flag -x");
  EXPECT_EQ(Parse({"--root"}), "flag --root needs a value");
  EXPECT_EQ(Parse({"--size=many"}), "invalid value \"many\" for flag --size: must be a number");
  EXPECT_EQ(Parse({"--size=101"}), "invalid value \"101\" for flag --size: must be at most 100");
  EXPECT_EQ(Parse({"--size=99999999999999999999999"}),
            "invalid value \"99999999999999999999999\" for flag --size: must be at most 100");
  EXPECT_EQ(Parse({"--size=-1"}), "invalid value \"-1\" for flag --size: must be a number");
  EXPECT_EQ(Parse({"--debug=maybe"}),
            "invalid value \"maybe\" for flag --debug: must be true or false");
  EXPECT_EQ(Parse({"--format=xml"}),
            "invalid value \"xml\" for flag --format: must be one of text|json");
}

TEST_F(FlagsTest, Help) {
  EXPECT_EQ(Parse({"--debug", "--help", "--nonsense"}), "");
  EXPECT_TRUE(help_);
  EXPECT_THAT(flags_.Help(), HasSubstr("--root=DIR"));
  EXPECT_EQ(Parse({"do", "--help"}), "");
  EXPECT_FALSE(help_);
}

TEST(GlobalFlagsTest, PlatformsAndOverlays) {
  Config config;
  FlagSet flags;
  AddGlobalFlags(&flags, &config);
  std::vector<std::string> rest;
  bool help;
  EXPECT_TRUE(flags.Parse({"--platform=ptrace", "--overlay2=none"}, &rest, &help).ok());
  EXPECT_FALSE(config.overlay_root(false));
  EXPECT_THAT(flags.Parse({"--platform=kvm"}, &rest, &help).failure().message,
              HasSubstr("not built yet"));
  EXPECT_THAT(flags.Parse({"--platform=vax"}, &rest, &help).failure().message,
              HasSubstr("must be one of"));
  EXPECT_THAT(flags.Parse({"--overlay2=root:dir=/x"}, &rest, &help).failure().message,
              HasSubstr("not supported"));
}

}  // namespace
}  // namespace cvisor::runsc
