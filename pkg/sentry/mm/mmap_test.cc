// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// mmap, munmap, mprotect, brk, madvise, mlock, msync, mincore.

#include <fcntl.h>
#include <linux/mman.h>
#include <sys/mman.h>

#include "pkg/sentry/mm/mm_test_util.h"

namespace cvisor::mm {
namespace {

constexpr UserAddr kAt = 0x10000000;

TEST_F(MmTest, PlacesTopDown) {
  EXPECT_EQ(MapOk(0, kPage), kBase - kPage);
  EXPECT_EQ(MapOk(0, 1), kBase - 2 * kPage);
  EXPECT_EQ(mm_->Vmas().size(), 1u);
  EXPECT_TRUE(mm_->Munmap(caller_, kBase - kPage, kPage).ok());
  EXPECT_EQ(MapOk(0, kPage), kBase - kPage);
}

TEST_F(MmTest, Hints) {
  EXPECT_EQ(MapOk(kAt + 5, kPage), kAt + kPage);
  EXPECT_EQ(MapOk(kAt + kPage, kPage), kBase - kPage);         // taken
  EXPECT_EQ(MapOk(1, kPage), 65536u);                          // below mmap_min_addr: rounded up
  EXPECT_EQ(MapOk(UINT64_MAX - 5, kPage), kBase - 2 * kPage);  // no such address
}

TEST_F(MmTest, HugeRangesAreAligned) {
  MapOk(0, kPage);
  EXPECT_EQ(MapOk(0, 4u << 20), kBase - (6u << 20));
  EXPECT_EQ(MapOk(0, kPage), kBase - 2 * kPage);
}

TEST_F(MmTest, ArgumentErrors) {
  EXPECT_ERRNO(Map(0, 0), kEINVAL);
  EXPECT_ERRNO(Map(0, UINT64_MAX), kENOMEM);
  EXPECT_ERRNO(Map(0, UINT64_MAX - 2 * kPage), kENOMEM);
  EXPECT_ERRNO(Map(kAt + 1, kPage, kRw, kAnon | MAP_FIXED), kEINVAL);
  EXPECT_ERRNO(Map(0, kPage, kRw, kAnon | MAP_FIXED), kEPERM);
  EXPECT_ERRNO(Map(UINT64_MAX & ~kPageMask, 2 * kPage, kRw, kAnon | MAP_FIXED), kENOMEM);
  EXPECT_ERRNO(Map(0, kPage, kRw, MAP_ANONYMOUS), kEINVAL);
  EXPECT_ERRNO(Map(0, kPage, kRw, MAP_ANONYMOUS | MAP_SHARED_VALIDATE), kEINVAL);
  EXPECT_ERRNO(Map(0, kPage, kRw, MAP_ANONYMOUS | MAP_SHARED | MAP_GROWSDOWN), kEINVAL);
  EXPECT_ERRNO(Map(0, kPage, kRw, kAnon | MAP_HUGETLB), kENOMEM);
  EXPECT_ERRNO(Map(0, kPage, kRw, kAnon | MAP_HUGETLB | (17 << MAP_HUGE_SHIFT)), kEINVAL);
  auto file = NewSharedAnonymous(kPage, "f").value();
  EXPECT_ERRNO(MapFile(0, kPage, file, 1, kRw, MAP_SHARED), kEINVAL);
  EXPECT_ERRNO(MapFile(0, 2 * kPage, file, INT64_MAX & ~kPageMask, kRw, MAP_SHARED), kEOVERFLOW);
  EXPECT_ERRNO(MapFile(0, kPage, file, 0, kRw, MAP_SHARED_VALIDATE | MAP_SYNC), kEOPNOTSUPP);
  EXPECT_ERRNO(MapFile(0, kPage, file, 0, kRw, MAP_PRIVATE | MAP_GROWSDOWN), kEINVAL);
}

TEST_F(MmTest, MaxProt) {
  auto file = NewSharedAnonymous(kPage, "f").value();
  MmapOptions o;
  o.length = kPage;
  o.prot = PROT_READ;
  o.flags = MAP_SHARED;
  o.mappable = file;
  o.max_prot = PROT_READ | PROT_EXEC;
  const UserAddr at = mm_->Mmap(caller_, o).value();
  EXPECT_ERRNO(mm_->Mprotect(caller_, at, kPage, kRw), kEACCES);
  o.prot = kRw;
  EXPECT_ERRNO(mm_->Mmap(caller_, o), kEACCES);
}

TEST_F(MmTest, FixedReplacesAndNoreplaceDoesNot) {
  MapFixed(kAt, 4 * kPage);
  Poke(kAt + kPage, 7);
  EXPECT_ERRNO(Map(kAt + 3 * kPage, 2 * kPage, kRw, kAnon | MAP_FIXED_NOREPLACE), kEEXIST);
  MapFixed(kAt + kPage, kPage, PROT_READ);
  EXPECT_EQ(Shape(kAt), "0-1 1-2 2-4");
  EXPECT_EQ(Peek(kAt + kPage), 0u);
  EXPECT_EQ(MapOk(kAt + 4 * kPage, kPage, kRw, kAnon | MAP_FIXED_NOREPLACE), kAt + 4 * kPage);
  EXPECT_EQ(Shape(kAt), "0-1 1-2 2-5");
}

TEST_F(MmTest, Map32Bit) {
  EXPECT_EQ(MapOk(0, kPage, kRw, kAnon | MAP_32BIT), 0x40000000u);
  EXPECT_EQ(MapOk(0, kPage, kRw, kAnon | MAP_32BIT), 0x40001000u);
}

TEST_F(MmTest, Limits) {
  caller_.rlimit_as = 4 * kPage;
  MapFixed(kAt, 3 * kPage);
  EXPECT_ERRNO(Map(0, 2 * kPage), kENOMEM);
  MapFixed(kAt, 4 * kPage);  // only one page more
  caller_.rlimit_as = UINT64_MAX;
  caller_.rlimit_data = 5 * kPage;
  EXPECT_ERRNO(Map(0, 2 * kPage), kENOMEM);
  const UserAddr ro = MapOk(0, 2 * kPage, PROT_READ);
  EXPECT_ERRNO(mm_->Mprotect(caller_, ro, 2 * kPage, kRw), kENOMEM);
  EXPECT_TRUE(mm_->Mprotect(caller_, ro, kPage, kRw).ok());
}

TEST_F(MmTest, MapCount) {
  // Protection changes cut one mapping into many.
  const UserAddr big = MapOk(0, 140000 * kPage, PROT_NONE);
  int made = 0;
  for (; made < 70000; ++made) {
    if (!mm_->Mprotect(caller_, big + (2 * made + 1) * kPage, kPage, PROT_READ).ok()) break;
  }
  EXPECT_LT(made, 65530 / 2 + 1);
  EXPECT_GT(made, 65530 / 2 - 600);  // the host's own limit counts for the whole test process
  EXPECT_TRUE(mm_->Munmap(caller_, big, 140000 * kPage).ok());
}

TEST_F(MmTest, UnmapCuts) {
  MapFixed(kAt, 5 * kPage);
  EXPECT_TRUE(mm_->Munmap(caller_, kAt + kPage, kPage + 1).ok());
  EXPECT_EQ(Shape(kAt), "0-1 3-5");
  EXPECT_ERRNO(mm_->CopyIn<int>(kAt + kPage), kEFAULT);
  EXPECT_TRUE(mm_->Munmap(caller_, kAt + kPage, kPage).ok());  // nothing there
  EXPECT_ERRNO(mm_->Munmap(caller_, kAt + 1, kPage), kEINVAL);
  EXPECT_ERRNO(mm_->Munmap(caller_, kAt, 0), kEINVAL);
  EXPECT_ERRNO(mm_->Munmap(caller_, kAt, UINT64_MAX), kEINVAL);
  EXPECT_ERRNO(mm_->Munmap(caller_, UINT64_MAX & ~kPageMask, kPage), kEINVAL);
  EXPECT_EQ(mm_->stats().total_vm, 3 * kPage);
  EXPECT_EQ(mm_->stats().peak_vm, 5 * kPage);
}

TEST_F(MmTest, Mprotect) {
  MapFixed(kAt, 4 * kPage);
  EXPECT_TRUE(mm_->Mprotect(caller_, kAt + kPage, kPage, PROT_READ).ok());
  EXPECT_EQ(Shape(kAt), "0-1 1-2 2-4");
  EXPECT_ERRNO(mm_->CopyOut(kAt + kPage, 1), kEFAULT);
  // What comes before a hole changes.
  EXPECT_ERRNO(mm_->Mprotect(caller_, kAt, 8 * kPage, PROT_NONE), kENOMEM);
  EXPECT_EQ(Shape(kAt), "0-4");
  EXPECT_ERRNO(mm_->CopyIn<int>(kAt), kEFAULT);
  EXPECT_ERRNO(mm_->Mprotect(caller_, kAt - kPage, 2 * kPage, kRw), kENOMEM);
  EXPECT_ERRNO(mm_->Mprotect(caller_, kAt + 1, kPage, kRw), kEINVAL);
  EXPECT_ERRNO(mm_->Mprotect(caller_, kAt, kPage, 0x40), kEINVAL);
  EXPECT_ERRNO(mm_->Mprotect(caller_, kAt, kPage, kRw | PROT_GROWSDOWN), kEINVAL);
  EXPECT_ERRNO(mm_->Mprotect(caller_, kAt, kPage, kRw | PROT_GROWSUP), kEINVAL);
  EXPECT_ERRNO(mm_->Mprotect(caller_, kAt, kPage, PROT_GROWSUP | PROT_GROWSDOWN), kEINVAL);
  EXPECT_ERRNO(mm_->Mprotect(caller_, kAt, UINT64_MAX - kPage, kRw), kENOMEM);
  EXPECT_TRUE(mm_->Mprotect(caller_, kAt, 0, kRw).ok());
}

TEST_F(MmTest, MprotectGrowsdown) {
  MapFixed(kAt, 4 * kPage, kRw, kAnon | MAP_GROWSDOWN);
  EXPECT_TRUE(mm_->Mprotect(caller_, kAt + 3 * kPage, kPage, PROT_READ | PROT_GROWSDOWN).ok());
  EXPECT_EQ(Shape(kAt), "0-4");
  EXPECT_EQ(mm_->FindVma(kAt)->prot, PROT_READ);
  EXPECT_ERRNO(mm_->Mprotect(caller_, kAt - kPage, kPage, kRw | PROT_GROWSDOWN), kENOMEM);
}

TEST_F(MmTest, WriteOnlyMemoryCanBeRead) {
  MapFixed(kAt, kPage, PROT_WRITE);
  Poke(kAt, 5);
  EXPECT_EQ(Peek(kAt), 5u);
  EXPECT_EQ(mm_->FindVma(kAt)->prot, PROT_WRITE);
}

TEST_F(MmTest, SharedAnonymous) {
  const UserAddr at = MapOk(0, 2 * kPage, kRw, MAP_SHARED | MAP_ANONYMOUS);
  const Vma v = mm_->FindVma(at).value();
  EXPECT_TRUE(v.shared);
  EXPECT_EQ(v.name, "/dev/zero (deleted)");
  ASSERT_NE(v.mappable, nullptr);
  EXPECT_EQ(mm_->stats().shared_vm, 2 * kPage);
  // Another mapping of the same pages.
  const UserAddr two = MapFile(0, kPage, v.mappable, kPage, kRw, MAP_SHARED).value();
  Poke(two, 77);
  EXPECT_EQ(Peek(at + kPage), 77u);
  auto a = mm_->GetFutexKey(two, false).value();
  auto b = mm_->GetFutexKey(at + kPage, false).value();
  EXPECT_EQ(a.object, b.object);
  EXPECT_EQ(a.offset, b.offset);
  EXPECT_EQ(mm_->GetFutexKey(two, true)->object, mm_.get());
}

TEST_F(MmTest, FutexKeys) {
  MapFixed(kAt, kPage);
  EXPECT_ERRNO(mm_->GetFutexKey(kAt + 2, true), kEINVAL);
  EXPECT_ERRNO(mm_->GetFutexKey(kAt + kPage, false), kEFAULT);
  EXPECT_ERRNO(mm_->GetFutexKey(UINT64_MAX - 3, true), kEFAULT);
  auto key = mm_->GetFutexKey(kAt, false).value();
  EXPECT_EQ(key.object, mm_.get());
  EXPECT_EQ(key.offset, kAt);
}

TEST_F(MmTest, Brk) {
  EXPECT_EQ(mm_->Brk(caller_, 0), 0u);
  mm_->SetBrkStart(kAt);
  EXPECT_EQ(mm_->Brk(caller_, 0), kAt);
  EXPECT_EQ(mm_->Brk(caller_, kAt + 100), kAt + 100);
  EXPECT_EQ(mm_->FindVma(kAt)->name, "[heap]");
  EXPECT_EQ(mm_->Brk(caller_, kAt + 10 * kPage), kAt + 10 * kPage);
  EXPECT_EQ(Shape(kAt), "0-10");
  EXPECT_EQ(mm_->Brk(caller_, kAt + kPage + 1), kAt + kPage + 1);
  EXPECT_EQ(Shape(kAt), "0-2");
  EXPECT_EQ(mm_->Brk(caller_, kAt - 1), kAt + kPage + 1);  // below the start
  // A page stays free before the next mapping.
  MapFixed(kAt + 8 * kPage, kPage, PROT_READ);
  EXPECT_EQ(mm_->Brk(caller_, kAt + 8 * kPage), kAt + kPage + 1);
  EXPECT_EQ(mm_->Brk(caller_, kAt + 7 * kPage), kAt + 7 * kPage);
  caller_.rlimit_data = 2 * kPage;
  EXPECT_EQ(mm_->Brk(caller_, kAt + 3 * kPage), kAt + 7 * kPage);
  EXPECT_EQ(mm_->Brk(caller_, kAt + 2 * kPage), kAt + 2 * kPage);
}

TEST_F(MmTest, MadviseErrors) {
  MapFixed(kAt, 2 * kPage);
  EXPECT_ERRNO(mm_->Madvise(caller_, kAt, kPage, 1234), kEINVAL);
  EXPECT_ERRNO(mm_->Madvise(caller_, kAt + 1, kPage, MADV_DONTNEED), kEINVAL);
  EXPECT_ERRNO(mm_->Madvise(caller_, kAt, UINT64_MAX, MADV_DONTNEED), kEINVAL);
  EXPECT_ERRNO(mm_->Madvise(caller_, kAt, kPage, MADV_MERGEABLE), kEINVAL);
  EXPECT_ERRNO(mm_->Madvise(caller_, kAt, kPage, MADV_HWPOISON), kEPERM);
  EXPECT_ERRNO(mm_->Madvise(caller_, kAt, kPage, MADV_REMOVE), kEINVAL);
  EXPECT_TRUE(mm_->Madvise(caller_, kAt, 0, MADV_DONTNEED).ok());
  const UserAddr shared = MapOk(0, kPage, kRw, MAP_SHARED | MAP_ANONYMOUS);
  EXPECT_ERRNO(mm_->Madvise(caller_, shared, kPage, MADV_FREE), kEINVAL);
  EXPECT_ERRNO(mm_->Madvise(caller_, shared, kPage, MADV_WIPEONFORK), kEINVAL);
  EXPECT_ERRNO(mm_->Madvise(caller_, kAt, 4 * kPage, MADV_POPULATE_WRITE), kENOMEM);
}

TEST_F(MmTest, MadviseDontneed) {
  MapFixed(kAt, 2 * kPage);
  MapFixed(kAt + 3 * kPage, kPage);
  Poke(kAt, 1);
  Poke(kAt + 3 * kPage, 1);
  // The hole is reported, what is behind it is done.
  EXPECT_ERRNO(mm_->Madvise(caller_, kAt, 4 * kPage, MADV_DONTNEED), kENOMEM);
  EXPECT_EQ(Peek(kAt), 0u);
  EXPECT_EQ(Peek(kAt + 3 * kPage), 0u);
  EXPECT_TRUE(mm_->Mlock(caller_, kAt, kPage, 0).ok());
  EXPECT_ERRNO(mm_->Madvise(caller_, kAt, kPage, MADV_DONTNEED), kEINVAL);
  EXPECT_TRUE(mm_->Madvise(caller_, kAt + kPage, kPage, MADV_FREE).ok());
}

TEST_F(MmTest, MadviseRemove) {
  const UserAddr at = MapOk(0, 2 * kPage, kRw, MAP_SHARED | MAP_ANONYMOUS);
  Poke(at, 9);
  EXPECT_TRUE(mm_->Madvise(caller_, at, kPage, MADV_REMOVE).ok());
  EXPECT_EQ(Peek(at), 0u);
}

TEST_F(MmTest, MadviseMarksCutAndMerge) {
  MapFixed(kAt, 4 * kPage);
  EXPECT_TRUE(mm_->Madvise(caller_, kAt + kPage, kPage, MADV_DONTDUMP).ok());
  EXPECT_EQ(Shape(kAt), "0-1 1-2 2-4");
  EXPECT_TRUE(mm_->FindVma(kAt + kPage)->dontdump);
  EXPECT_TRUE(mm_->Madvise(caller_, kAt, 4 * kPage, MADV_DODUMP).ok());
  EXPECT_EQ(Shape(kAt), "0-4");
}

TEST_F(MmTest, AnonNames) {
  MapFixed(kAt, 3 * kPage);
  EXPECT_TRUE(mm_->SetAnonName(kAt + kPage, kPage, "pool").ok());
  EXPECT_EQ(mm_->FindVma(kAt + kPage)->name, "[anon:pool]");
  EXPECT_ERRNO(mm_->SetAnonName(kAt, 4 * kPage, ""), kENOMEM);
  EXPECT_EQ(Shape(kAt), "0-3");
}

TEST_F(MmTest, Mlock) {
  MapFixed(kAt, 4 * kPage);
  caller_.cap_ipc_lock = false;
  caller_.rlimit_memlock = 0;
  EXPECT_ERRNO(mm_->Mlock(caller_, kAt, kPage, 0), kEPERM);
  EXPECT_ERRNO(mm_->Mlockall(caller_, MCL_CURRENT), kEPERM);
  EXPECT_ERRNO(Map(0, kPage, kRw, kAnon | MAP_LOCKED), kEPERM);
  caller_.rlimit_memlock = 3 * kPage;
  EXPECT_ERRNO(mm_->Mlock(caller_, kAt, 4 * kPage, 0), kENOMEM);
  EXPECT_TRUE(mm_->Mlock(caller_, kAt + 1, 2 * kPage - 1, 0).ok());
  EXPECT_EQ(mm_->stats().locked_vm, 2 * kPage);
  // Locked twice counts once.
  EXPECT_TRUE(mm_->Mlock(caller_, kAt, 3 * kPage, 0).ok());
  EXPECT_ERRNO(Map(0, kPage, kRw, kAnon | MAP_LOCKED), kEAGAIN);
  EXPECT_TRUE(mm_->Munlock(caller_, kAt, 2 * kPage).ok());
  EXPECT_EQ(mm_->stats().locked_vm, kPage);
  EXPECT_EQ(Shape(kAt), "0-2 2-3 3-4");
  EXPECT_ERRNO(mm_->Mlock(caller_, kAt, kPage, 8), kEINVAL);
  EXPECT_ERRNO(mm_->Mlockall(caller_, 0), kEINVAL);
  EXPECT_ERRNO(mm_->Mlockall(caller_, MCL_ONFAULT), kEINVAL);
  EXPECT_ERRNO(mm_->Mlockall(caller_, MCL_CURRENT), kENOMEM);
  EXPECT_ERRNO(mm_->Munlock(caller_, kAt + 3 * kPage, 2 * kPage), kENOMEM);
  caller_.cap_ipc_lock = true;
  EXPECT_TRUE(mm_->Mlockall(caller_, MCL_CURRENT | MCL_FUTURE).ok());
  EXPECT_EQ(mm_->stats().locked_vm, 4 * kPage);
  const UserAddr next = MapOk(0, kPage);
  EXPECT_TRUE(mm_->FindVma(next)->locked);
  EXPECT_TRUE(mm_->Munlockall(caller_).ok());
  EXPECT_EQ(mm_->stats().locked_vm, 0u);
  MapFixed(kAt, kPage, PROT_NONE);
  EXPECT_ERRNO(mm_->Mlock(caller_, kAt, kPage, 0), kENOMEM);
}

TEST_F(MmTest, Msync) {
  const UserAddr at = MapOk(0, 2 * kPage, kRw, MAP_SHARED | MAP_ANONYMOUS);
  EXPECT_TRUE(mm_->Msync(caller_, at, 2 * kPage, MS_SYNC).ok());
  EXPECT_TRUE(mm_->Msync(caller_, at, 0, MS_SYNC).ok());
  EXPECT_TRUE(mm_->Msync(caller_, at, UINT64_MAX, MS_SYNC).ok());
  EXPECT_ERRNO(mm_->Msync(caller_, at, UINT64_MAX - kPage, MS_SYNC), kENOMEM);
  EXPECT_ERRNO(mm_->Msync(caller_, at + 1, kPage, MS_SYNC), kEINVAL);
  EXPECT_ERRNO(mm_->Msync(caller_, at, kPage, MS_SYNC | MS_ASYNC), kEINVAL);
  EXPECT_ERRNO(mm_->Msync(caller_, at, kPage, 64), kEINVAL);
  EXPECT_ERRNO(mm_->Msync(caller_, at - kPage, 2 * kPage, MS_SYNC), kENOMEM);
  EXPECT_TRUE(mm_->Mlock(caller_, at, kPage, 0).ok());
  EXPECT_ERRNO(mm_->Msync(caller_, at, kPage, MS_INVALIDATE), kEBUSY);
}

TEST_F(MmTest, Mincore) {
  MapFixed(kAt, 4 * kPage);
  const UserAddr vec = MapOk(0, kPage);
  Poke(kAt + 2 * kPage, 1);
  EXPECT_TRUE(mm_->Mincore(caller_, kAt, 3 * kPage + 1, vec).ok());
  EXPECT_EQ(Peek(vec) & 0x01010101, 0x00010000u);
  EXPECT_ERRNO(mm_->Mincore(caller_, kAt + 1, kPage, vec), kEINVAL);
  EXPECT_ERRNO(mm_->Mincore(caller_, kAt, 5 * kPage, vec), kENOMEM);
  EXPECT_ERRNO(mm_->Mincore(caller_, kAt, kPage, UINT64_MAX), kEFAULT);
  EXPECT_ERRNO(mm_->Mincore(caller_, kAt, kPage, kAt - kPage), kEFAULT);
  EXPECT_TRUE(mm_->Mincore(caller_, kAt, 0, vec).ok());
}

}  // namespace
}  // namespace cvisor::mm
