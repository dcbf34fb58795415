// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/vfs/locks.h"

#include <gtest/gtest.h>

namespace cvisor::vfs {
namespace {

int a, b, c, t1, t2, t3;

RecordLock Lock(short type, uint64_t start, uint64_t last, const void* owner) {
  return {type, start, last, owner, false, 1};
}

TEST(FileLocks, Conflicts) {
  FileLocks locks;
  EXPECT_TRUE(locks.SetRecord(Lock(F_RDLCK, 0, 99, &a)).ok());
  EXPECT_TRUE(locks.SetRecord(Lock(F_RDLCK, 50, 149, &b)).ok());
  EXPECT_EQ(locks.SetRecord(Lock(F_WRLCK, 0, 10, &c)).error(), Errno::kEAGAIN);
  EXPECT_EQ(locks.SetRecord(Lock(F_WRLCK, 0, 99, &a)).error(), Errno::kEAGAIN);
  EXPECT_TRUE(locks.SetRecord(Lock(F_WRLCK, 0, 49, &a)).ok());
  auto conflict = locks.FindConflict(Lock(F_RDLCK, 0, kLockEnd, &b));
  ASSERT_TRUE(conflict.has_value());
  EXPECT_EQ(conflict->type, F_WRLCK);
  EXPECT_EQ(conflict->last, 49u);
}

TEST(FileLocks, SplitAndMerge) {
  FileLocks locks;
  ASSERT_TRUE(locks.SetRecord(Lock(F_WRLCK, 0, kLockEnd, &a)).ok());
  ASSERT_TRUE(locks.SetRecord(Lock(F_UNLCK, 10, 19, &a)).ok());
  ASSERT_EQ(locks.List().size(), 2u);
  EXPECT_TRUE(locks.SetRecord(Lock(F_WRLCK, 10, 19, &b)).ok());
  EXPECT_EQ(locks.SetRecord(Lock(F_WRLCK, 10, 20, &b)).error(), Errno::kEAGAIN);
  ASSERT_TRUE(locks.SetRecord(Lock(F_UNLCK, 0, kLockEnd, &b)).ok());
  ASSERT_TRUE(locks.SetRecord(Lock(F_WRLCK, 10, 19, &a)).ok());
  ASSERT_EQ(locks.List().size(), 1u);
  EXPECT_EQ(locks.List()[0].lock.last, kLockEnd);
  ASSERT_TRUE(locks.SetRecord(Lock(F_RDLCK, 5, 5, &a)).ok());
  EXPECT_EQ(locks.List().size(), 3u);
  locks.ReleaseOwner(&a);
  EXPECT_TRUE(locks.List().empty());
}

TEST(FileLocks, Deadlock) {
  FileLocks x, y, z;
  ASSERT_TRUE(x.SetRecord(Lock(F_WRLCK, 0, 0, &a)).ok());
  ASSERT_TRUE(y.SetRecord(Lock(F_WRLCK, 0, 0, &b)).ok());
  ASSERT_TRUE(z.SetRecord(Lock(F_WRLCK, 0, 0, &c)).ok());
  EXPECT_TRUE(y.BeginWait(Lock(F_WRLCK, 0, 0, &a), &t1).ok());
  EXPECT_TRUE(z.BeginWait(Lock(F_WRLCK, 0, 0, &b), &t2).ok());
  EXPECT_EQ(x.BeginWait(Lock(F_WRLCK, 0, 0, &c), &t3).error(), Errno::kEDEADLK);
  FileLocks::EndWait(&t1);
  EXPECT_TRUE(x.BeginWait(Lock(F_WRLCK, 0, 0, &c), &t3).ok());
  FileLocks::EndWait(&t2);
  FileLocks::EndWait(&t3);
}

TEST(FileLocks, Flock) {
  FileLocks locks;
  EXPECT_TRUE(locks.Flock(&a, LOCK_SH).ok());
  EXPECT_TRUE(locks.Flock(&b, LOCK_SH | LOCK_NB).ok());
  EXPECT_EQ(locks.Flock(&c, LOCK_EX | LOCK_NB).error(), Errno::kEAGAIN);
  EXPECT_TRUE(locks.Flock(&a, LOCK_UN).ok());
  EXPECT_TRUE(locks.Flock(&b, LOCK_EX).ok());
  EXPECT_EQ(locks.Flock(&a, LOCK_SH).error(), Errno::kEAGAIN);
  // Record locks do not see flock locks.
  EXPECT_TRUE(locks.SetRecord(Lock(F_WRLCK, 0, kLockEnd, &c)).ok());
}

TEST(FileLocks, FromFlock) {
  EXPECT_EQ(RecordLock::FromFlock(F_RDLCK, 0, 10, 5)->last, 14u);
  EXPECT_EQ(RecordLock::FromFlock(F_RDLCK, 0, 10, 0)->last, kLockEnd);
  EXPECT_EQ(RecordLock::FromFlock(F_RDLCK, 0, 10, -5)->start, 5u);
  EXPECT_EQ(RecordLock::FromFlock(F_RDLCK, 0, 10, -5)->last, 9u);
  EXPECT_EQ(RecordLock::FromFlock(F_RDLCK, 0, 10, -11).error(), Errno::kEINVAL);
  EXPECT_EQ(RecordLock::FromFlock(F_RDLCK, 0, -1, 0).error(), Errno::kEINVAL);
  EXPECT_EQ(RecordLock::FromFlock(F_RDLCK, INT64_MAX, 1, 0).error(), Errno::kEOVERFLOW);
  EXPECT_EQ(RecordLock::FromFlock(9, 0, 0, 0).error(), Errno::kEINVAL);
}

}  // namespace
}  // namespace cvisor::vfs
