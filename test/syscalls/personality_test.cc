// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// personality(2).
#include <string.h>
#include <sys/personality.h>
#include <sys/utsname.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {

int HelperMain(int, char**) {
  // What the program starts with.
  return personality(0xffffffff) == ADDR_NO_RANDOMIZE ? 7 : 8;
}

namespace {

std::string Machine() {
  utsname u;
  EXPECT_THAT(uname(&u), SucceedsWith(0));
  return u.machine;
}
std::string Release() {
  utsname u;
  EXPECT_THAT(uname(&u), SucceedsWith(0));
  return u.release;
}

TEST(PersonalityTest, SetReturnsTheOldOne) {
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(personality(ADDR_NO_RANDOMIZE), SucceedsWith(0));
                EXPECT_THAT(personality(0xffffffff), SucceedsWith(ADDR_NO_RANDOMIZE));
                EXPECT_THAT(personality(PER_LINUX), SucceedsWith(ADDR_NO_RANDOMIZE));
                EXPECT_THAT(personality(0xffffffff), SucceedsWith(0));
              }),
              ExitedWith(0));
}

TEST(PersonalityTest, AnyValueIsKept) {
  EXPECT_THAT(InChild([] {
                for (const unsigned long p : {0x12345678ul, 0x0800000ful, 0x00aa00bbul}) {
                  EXPECT_THAT(personality(p), Succeeds());
                  EXPECT_EQ(static_cast<unsigned>(personality(0xffffffff)), p);
                }
              }),
              ExitedWith(0));
}

TEST(PersonalityTest, Inherited) {
  EXPECT_THAT(InChild([] {
                personality(ADDR_NO_RANDOMIZE);
                EXPECT_THAT(InChild([] {
                              EXPECT_THAT(personality(0xffffffff), SucceedsWith(ADDR_NO_RANDOMIZE));
                            }),
                            ExitedWith(0));
                ScopedThread thread([] {
                  EXPECT_THAT(personality(0xffffffff), SucceedsWith(ADDR_NO_RANDOMIZE));
                  personality(0);
                });
                thread.Join();
                EXPECT_THAT(personality(0xffffffff), SucceedsWith(ADDR_NO_RANDOMIZE));  // its own
              }),
              ExitedWith(0));
}

TEST(PersonalityTest, KeptByExec) {
  EXPECT_THAT(InChild([] {
                personality(ADDR_NO_RANDOMIZE);
                execl("/proc/self/exe", "x", "--helper", nullptr);
              }),
              ExitedWith(7));
}

TEST(PersonalityTest, Proc) {
  EXPECT_THAT(InChild([] {
                personality(PER_LINUX32 | static_cast<unsigned long>(ADDR_NO_RANDOMIZE));
                EXPECT_EQ(ReadFile("/proc/self/personality"), "00040008\n");
              }),
              ExitedWith(0));
}

TEST(PersonalityTest, Linux32) {
  EXPECT_EQ(Machine(), "x86_64");
  EXPECT_THAT(InChild([] {
                personality(PER_LINUX32);
                EXPECT_EQ(Machine(), "i686");
                personality(PER_LINUX32 | static_cast<unsigned long>(ADDR_NO_RANDOMIZE));
                EXPECT_EQ(Machine(), "i686");
                personality(PER_LINUX32_3GB);
                EXPECT_EQ(Machine(), "i686");
                personality(PER_BSD);
                EXPECT_EQ(Machine(), "x86_64");
              }),
              ExitedWith(0));
}

TEST(PersonalityTest, Uname26) {
  const std::string release = Release();
  int major = 0, minor = 0;
  ASSERT_EQ(sscanf(release.c_str(), "%d.%d", &major, &minor), 2);
  EXPECT_THAT(InChild([&] {
                personality(UNAME26);
                const std::string old = Release();
                EXPECT_EQ(old.rfind("2.6." + std::to_string(minor + 60), 0), 0u) << old;
                // What follows the three numbers stays.
                EXPECT_EQ(old.find_first_not_of("0123456789.") == std::string::npos,
                          release.find_first_not_of("0123456789.") == std::string::npos);
              }),
              ExitedWith(0));
}

}  // namespace
}  // namespace cvisor::test
