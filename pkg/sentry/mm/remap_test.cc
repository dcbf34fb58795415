// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include <sys/mman.h>

#include "pkg/sentry/mm/mm_test_util.h"

namespace cvisor::mm {
namespace {

constexpr UserAddr kAt = 0x10000000, kTo = 0x20000000;

class MremapTest : public MmTest {
 protected:
  Result<UserAddr> Remap(UserAddr addr, uint64_t old_size, uint64_t new_size, int flags,
                         UserAddr to = 0) {
    return mm_->Mremap(caller_, addr, old_size, new_size, flags, to);
  }
};

TEST_F(MremapTest, ArgumentErrors) {
  MapFixed(kAt, 4 * kPage);
  EXPECT_ERRNO(Remap(kAt, kPage, kPage, 8), kEINVAL);
  EXPECT_ERRNO(Remap(kAt, kPage, kPage, MREMAP_FIXED, kTo), kEINVAL);
  EXPECT_ERRNO(Remap(kAt, kPage, kPage, MREMAP_DONTUNMAP), kEINVAL);
  EXPECT_ERRNO(Remap(kAt, kPage, 2 * kPage, MREMAP_DONTUNMAP | MREMAP_MAYMOVE), kEINVAL);
  EXPECT_ERRNO(Remap(kAt + 1, kPage, kPage, 0), kEINVAL);
  EXPECT_ERRNO(Remap(kAt, kPage, 0, 0), kEINVAL);
  EXPECT_ERRNO(Remap(kAt, kPage, UINT64_MAX - kPage, MREMAP_MAYMOVE), kEINVAL);
  EXPECT_ERRNO(Remap(kAt, 2 * kPage, 2 * kPage, MREMAP_FIXED | MREMAP_MAYMOVE, kAt + kPage),
               kEINVAL);
  EXPECT_ERRNO(Remap(kAt, kPage, kPage, MREMAP_FIXED | MREMAP_MAYMOVE, kTo + 1), kEINVAL);
  EXPECT_ERRNO(Remap(kAt, kPage, kPage, MREMAP_FIXED | MREMAP_MAYMOVE, 0), kEPERM);
  EXPECT_ERRNO(Remap(kTo, kPage, kPage, 0), kEFAULT);
  EXPECT_ERRNO(Remap(kAt, 0, kPage, MREMAP_MAYMOVE), kEINVAL);
  EXPECT_ERRNO(Remap(kAt, 5 * kPage, 6 * kPage, MREMAP_MAYMOVE), kEFAULT);
  MapFixed(kAt + 4 * kPage, kPage, PROT_READ);
  EXPECT_ERRNO(Remap(kAt, 5 * kPage, 6 * kPage, MREMAP_MAYMOVE), kEFAULT);
}

TEST_F(MremapTest, ShrinksInPlace) {
  MapFixed(kAt, 4 * kPage);
  EXPECT_EQ(Remap(kAt, 4 * kPage, kPage + 1, 0).value(), kAt);
  EXPECT_EQ(Shape(kAt), "0-2");
  EXPECT_EQ(Remap(kAt, 2 * kPage, 2 * kPage, 0).value(), kAt);
}

TEST_F(MremapTest, GrowsInPlace) {
  MapFixed(kAt, 2 * kPage);
  Poke(kAt, 3);
  EXPECT_EQ(Remap(kAt, 2 * kPage, 4 * kPage, 0).value(), kAt);
  EXPECT_EQ(Shape(kAt), "0-4");
  EXPECT_EQ(Peek(kAt), 3u);
  EXPECT_EQ(Peek(kAt + 3 * kPage), 0u);
  MapFixed(kAt + 5 * kPage, kPage);
  EXPECT_ERRNO(Remap(kAt, 4 * kPage, 6 * kPage, 0), kENOMEM);
  // Not the end of the mapping.
  EXPECT_ERRNO(Remap(kAt, 2 * kPage, 3 * kPage, 0), kENOMEM);
}

TEST_F(MremapTest, Moves) {
  MapFixed(kAt, 2 * kPage);
  MapFixed(kAt + 2 * kPage, kPage, PROT_READ);
  Poke(kAt, 3);
  Poke(kAt + kPage, 4);
  const UserAddr to = Remap(kAt, 2 * kPage, 5 * kPage, MREMAP_MAYMOVE).value();
  EXPECT_EQ(to, kBase - 5 * kPage);
  EXPECT_EQ(Peek(to), 3u);
  EXPECT_EQ(Peek(to + kPage), 4u);
  EXPECT_EQ(Peek(to + 4 * kPage), 0u);
  EXPECT_ERRNO(mm_->CopyIn<int>(kAt), kEFAULT);
}

TEST_F(MremapTest, MovesToAFixedPlace) {
  MapFixed(kAt, 4 * kPage);
  MapFixed(kTo, 4 * kPage, PROT_READ);
  Poke(kAt + kPage, 4);
  const int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
  EXPECT_EQ(Remap(kAt + kPage, 2 * kPage, kPage, flags, kTo + kPage).value(), kTo + kPage);
  EXPECT_EQ(Shape(kTo), "0-1 1-2 2-4");
  EXPECT_EQ(Peek(kTo + kPage), 4u);
  EXPECT_EQ(mm_->FindVma(kAt + kPage).error(), Errno::kEFAULT);
  EXPECT_EQ(mm_->FindVma(kAt + 2 * kPage).error(), Errno::kEFAULT);
}

TEST_F(MremapTest, Dontunmap) {
  MapFixed(kAt, 2 * kPage);
  Poke(kAt, 3);
  const UserAddr to = Remap(kAt, 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_DONTUNMAP).value();
  EXPECT_NE(to, kAt);
  EXPECT_EQ(Peek(to), 3u);
  EXPECT_EQ(Peek(kAt), 0u);
}

TEST_F(MremapTest, DuplicatesSharedMemory) {
  const UserAddr at = MapOk(0, 2 * kPage, kRw, MAP_SHARED | MAP_ANONYMOUS);
  Poke(at + kPage, 3);
  const UserAddr to = Remap(at + kPage, 0, kPage, MREMAP_MAYMOVE).value();
  EXPECT_EQ(Peek(to), 3u);
  Poke(to, 4);
  EXPECT_EQ(Peek(at + kPage), 4u);
  EXPECT_ERRNO(Remap(at, 0, kPage, 0), kENOMEM);
}

TEST_F(MremapTest, FilesKeepTheirOffsets) {
  auto file = NewSharedAnonymous(8 * kPage, "f").value();
  ASSERT_TRUE(MapFile(kAt, 4 * kPage, file, 2 * kPage, kRw, MAP_SHARED | MAP_FIXED).ok());
  Poke(kAt + 3 * kPage, 5);
  const UserAddr to = Remap(kAt + 3 * kPage, kPage, 2 * kPage, MREMAP_MAYMOVE).value();
  EXPECT_EQ(to, kAt + 3 * kPage);  // it could grow
  EXPECT_EQ(Shape(kAt), "0-5");
  const UserAddr moved = Remap(to, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, kTo).value();
  EXPECT_EQ(mm_->FindVma(moved)->offset, 5 * kPage);
  EXPECT_EQ(Peek(moved), 5u);
}

// What the tree has merged may be several mappings on the host.
TEST_F(MremapTest, MovesWhatTheHostHasInPieces) {
  MapFixed(kAt, 9 * kPage);
  // Behind the tree's back: two mappings to the host.
  platform::MapOptions o{.addr = kAt + 3 * kPage, .length = kPage, .prot = kRw, .noreserve = true};
  ASSERT_TRUE(mm_->as().Map(ctx_, o).ok());
  for (int i = 0; i < 9; ++i) Poke(kAt + i * kPage, i);
  const UserAddr to = Remap(kAt, 9 * kPage, 20 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, kTo).value();
  for (int i = 0; i < 9; ++i) EXPECT_EQ(Peek(to + i * kPage), static_cast<uint32_t>(i));
}

TEST_F(MremapTest, Limits) {
  MapFixed(kAt, 2 * kPage);
  caller_.rlimit_as = 3 * kPage;
  EXPECT_ERRNO(Remap(kAt, 2 * kPage, 4 * kPage, MREMAP_MAYMOVE), kENOMEM);
  EXPECT_TRUE(Remap(kAt, 2 * kPage, 3 * kPage, MREMAP_MAYMOVE).ok());
  EXPECT_TRUE(mm_->Mlock(caller_, kAt, kPage, 0).ok());
  caller_.cap_ipc_lock = false;
  caller_.rlimit_memlock = kPage;
  EXPECT_ERRNO(Remap(kAt, kPage, 2 * kPage, MREMAP_MAYMOVE), kEAGAIN);
}

}  // namespace
}  // namespace cvisor::mm
