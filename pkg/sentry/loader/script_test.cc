// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/loader/script.h"

#include <string>

#include "gtest/gtest.h"

namespace cvisor::loader {
namespace {

// "interpreter" or "interpreter|argument" or "ENOEXEC".
std::string Parse(std::string_view head) {
  auto r = ParseScriptLine(head);
  if (!r.ok()) return r.error() == Errno::kENOEXEC ? "ENOEXEC" : "?";
  return r->argument ? r->interpreter + "|" + *r->argument : r->interpreter;
}

TEST(ScriptTest, Lines) {
  EXPECT_EQ(Parse("#!/bin/sh\necho"), "/bin/sh");
  EXPECT_EQ(Parse("#! /bin/sh \t\n"), "/bin/sh");
  EXPECT_EQ(Parse("#!/bin/sh -x -y  \n"), "/bin/sh|-x -y");
  EXPECT_EQ(Parse("#!/bin/sh\t \t-x\n"), "/bin/sh|-x");
  EXPECT_EQ(Parse("#!/bin/sh"), "/bin/sh");  // the file ends
  EXPECT_EQ(Parse("#!/bin/sh -e"), "/bin/sh|-e");
  EXPECT_EQ(Parse("#!/bin/sh\r\n"), "/bin/sh\r");
  EXPECT_EQ(Parse(std::string_view("#!/bin/a\0b c\n", 13)), "/bin/a");
  EXPECT_EQ(Parse(std::string_view("#!/bin/a b\0c\n", 13)), "/bin/a|b");
  EXPECT_EQ(Parse("#!\n/bin/sh\n"), "ENOEXEC");
  EXPECT_EQ(Parse("#!   \t\n"), "ENOEXEC");
  EXPECT_EQ(Parse("#!"), "ENOEXEC");
}

TEST(ScriptTest, LongLines) {
  const std::string name(300, 'n');
  EXPECT_EQ(Parse("#!/" + name), "ENOEXEC");
  EXPECT_EQ(Parse("#!" + std::string(300, ' ')), "ENOEXEC");
  // The argument is cut: 255 bytes count.
  EXPECT_EQ(Parse("#!/a " + name + "\n"), "/a|" + std::string(250, 'n'));
  // Exactly one head with its newline.
  const std::string exact = "#!/" + std::string(252, 'n') + "\n";
  EXPECT_EQ(Parse(exact + "more"), "/" + std::string(252, 'n'));
}

}  // namespace
}  // namespace cvisor::loader
