// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// Links something out of every system library, so that a wrong wrapper fails
// here and not in the first package that needs it.

#include <google/protobuf/wrappers.pb.h>
#include <re2/re2.h>
#include <seccomp.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/debugging/failure_signal_handler.h"
#include "absl/debugging/stacktrace.h"
#include "absl/debugging/symbolize.h"
#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/hash/hash.h"
#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

ABSL_FLAG(int, answer, 42, "Only for this test.");

namespace cvisor {
namespace {

using ::testing::ElementsAre;

class Counter {
 public:
  void Add(int n) {
    absl::MutexLock lock(&mu_);
    value_ += n;
  }
  int Get() {
    absl::MutexLock lock(&mu_);
    return value_;
  }

 private:
  absl::Mutex mu_;
  int value_ ABSL_GUARDED_BY(mu_) = 0;
};

TEST(SystemLibs, AbseilContainers) {
  absl::flat_hash_map<std::string, int> map = {{"a", 1}};
  absl::flat_hash_set<int> set = {1, 2};
  absl::btree_map<int, int> tree = {{2, 2}, {1, 1}};
  absl::InlinedVector<int, 4> vec = {1, 2, 3};
  EXPECT_EQ(map["a"], 1);
  EXPECT_TRUE(set.contains(2));
  EXPECT_EQ(tree.begin()->first, 1);
  EXPECT_THAT(absl::MakeSpan(vec).subspan(1), ElementsAre(2, 3));
  EXPECT_EQ(absl::HashOf(std::string("x")), absl::HashOf(std::string("x")));
}

TEST(SystemLibs, AbseilRest) {
  Counter counter;
  {
    const auto add = absl::MakeCleanup([&counter] { counter.Add(2); });
    EXPECT_EQ(counter.Get(), 0);
  }
  EXPECT_EQ(counter.Get(), 2);
  EXPECT_EQ(absl::StrFormat("%s-%d", absl::StrCat("a", 1), 2), "a1-2");
  EXPECT_GT(absl::Now(), absl::UnixEpoch());
  EXPECT_EQ(absl::NotFoundError("x").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(*absl::make_unique<int>(3), 3);

  char program[] = "program";
  char flag[] = "--answer=7";
  char* argv[] = {program, flag, nullptr};
  absl::ParseCommandLine(2, argv);
  EXPECT_EQ(absl::GetFlag(FLAGS_answer), 7);
}

TEST(SystemLibs, AbseilStackTraces) {
  absl::InitializeSymbolizer("/proc/self/exe");
  absl::InstallFailureSignalHandler(absl::FailureSignalHandlerOptions());
  void* frames[8];
  const int depth = absl::GetStackTrace(frames, 8, 0);
  ASSERT_GT(depth, 0);
  char name[256];
  EXPECT_TRUE(absl::Symbolize(frames[0], name, sizeof(name)));
}

TEST(SystemLibs, Protobuf) {
  google::protobuf::StringValue in;
  in.set_value("hello");
  google::protobuf::StringValue out;
  ASSERT_TRUE(out.ParseFromString(in.SerializeAsString()));
  EXPECT_EQ(out.value(), "hello");
}

TEST(SystemLibs, Seccomp) { EXPECT_EQ(seccomp_syscall_resolve_name("read"), SCMP_SYS(read)); }

TEST(SystemLibs, Re2) { EXPECT_TRUE(RE2::FullMatch("abc", "a.c")); }

TEST(SystemLibs, Json) { EXPECT_EQ(nlohmann::json::parse(R"({"a":[1]})")["a"][0], 1); }

}  // namespace
}  // namespace cvisor
