// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/loader/stack.h"

#include <elf.h>

#include <cstring>
#include <string>

#include "gtest/gtest.h"

namespace cvisor::loader {
namespace {

constexpr uint64_t kTop = 0x7fff0000;

uint64_t Word(const StackImage& s, uint64_t addr) {
  uint64_t v = 0;
  EXPECT_LE(addr + 8, kTop);
  std::memcpy(&v, s.bytes.data() + (addr - s.sp), 8);
  return v;
}

std::string Text(const StackImage& s, uint64_t addr) {
  return reinterpret_cast<const char*>(s.bytes.data() + (addr - s.sp));
}

TEST(StackTest, ByteByByte) {
  StackContents c;
  c.argv = {"prog", "-x", ""};
  c.envp = {"A=1", "HOME=/"};
  c.filename = "/bin/prog";
  for (int i = 0; i < 16; ++i) c.random[i] = static_cast<std::byte>(i + 1);
  c.auxv = {{AT_PAGESZ, 4096}, {AT_RANDOM, 0}, {AT_EXECFN, 0}, {AT_PLATFORM, 0}};
  c.padding = 100;
  const StackImage s = BuildStack(c, kTop);

  EXPECT_EQ(s.sp % 16, 0u);
  EXPECT_EQ(s.sp + s.bytes.size(), kTop);
  // The strings, ending in a null word at the top.
  EXPECT_EQ(Word(s, kTop - 8), 0u);
  EXPECT_EQ(s.env_end, kTop - 8 - 10);
  EXPECT_EQ(Text(s, s.env_end), "/bin/prog");
  EXPECT_EQ(s.env_start, s.env_end - 4 - 7);
  EXPECT_EQ(s.arg_end, s.env_start);
  EXPECT_EQ(s.arg_start, s.arg_end - 5 - 3 - 1);
  const std::string strings(reinterpret_cast<const char*>(s.bytes.data() + (s.arg_start - s.sp)),
                            s.env_end - s.arg_start);
  EXPECT_EQ(strings, std::string("prog\0-x\0\0A=1\0HOME=/\0", 20));

  uint64_t at = s.sp;
  const auto next = [&] { return Word(s, std::exchange(at, at + 8)); };
  EXPECT_EQ(next(), 3u);
  EXPECT_EQ(next(), s.arg_start);
  EXPECT_EQ(next(), s.arg_start + 5);
  EXPECT_EQ(next(), s.arg_start + 8);
  EXPECT_EQ(next(), 0u);
  EXPECT_EQ(next(), s.env_start);
  EXPECT_EQ(next(), s.env_start + 4);
  EXPECT_EQ(next(), 0u);
  const std::vector<uint64_t> auxv(s.auxv);
  for (uint64_t v : auxv) EXPECT_EQ(next(), v);
  ASSERT_EQ(auxv.size(), 10u);
  EXPECT_EQ(auxv[0], static_cast<uint64_t>(AT_PAGESZ));
  EXPECT_EQ(auxv[1], 4096u);
  EXPECT_EQ(Word(s, auxv[3]), 0x0807060504030201u);
  EXPECT_EQ(auxv[5], s.env_end);
  EXPECT_EQ(Text(s, auxv[7]), "x86_64");
  EXPECT_EQ(auxv[8], static_cast<uint64_t>(AT_NULL));
  EXPECT_EQ(auxv[9], 0u);
  // Nothing overlaps: vectors, random bytes, platform, padding, strings.
  EXPECT_LE(at, auxv[3]);
  EXPECT_EQ(auxv[3] + 16, auxv[7]);
  EXPECT_LE(auxv[7] + 7, s.arg_start - 100);
}

TEST(StackTest, AlwaysAligned) {
  for (int n = 0; n < 40; ++n) {
    StackContents c;
    c.argv = std::vector<std::string>(n, std::string(n, 'a'));
    c.padding = n * 7;
    EXPECT_EQ(BuildStack(c, kTop).sp % 16, 0u);
  }
}

}  // namespace
}  // namespace cvisor::loader
