// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include <string.h>
#include <sys/mman.h>

#include "gtest/gtest.h"
#include "tools/bazel/test_stub.h"

namespace {

using Function = long (*)(long);

// The image works when it is copied to an address nobody planned for.
TEST(StubBlob, RunsAnywhere) {
  const size_t size = test_stub_end - test_stub_start;
  ASSERT_GT(size, 0u);
  ASSERT_LT(size, 4096u);
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  memcpy(page, test_stub_start, size);
  ASSERT_EQ(mprotect(page, 4096, PROT_READ | PROT_EXEC), 0);

  const auto function = [page](unsigned long offset) {
    return reinterpret_cast<Function>(static_cast<char*>(page) + offset);
  };
  EXPECT_EQ(test_stub_offset::StubHead, 0u);
  EXPECT_EQ(function(test_stub_offset::StubHead)(41), 42);
  EXPECT_EQ(function(test_stub_offset::StubLetter)(2), 'u');
  munmap(page, 4096);
}

}  // namespace
