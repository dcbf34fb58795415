// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// Locks of files: POSIX and OFD record locks of fcntl(2), flock(2), leases of the errors.
#include <sys/file.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

struct flock Record(short type, off_t start = 0, off_t len = 0) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = start;
  lock.l_len = len;
  return lock;
}
int SetLock(int fd, short type, off_t start = 0, off_t len = 0, int cmd = F_SETLK) {
  struct flock lock = Record(type, start, len);
  return fcntl(fd, cmd, &lock);
}

class LockTest : public testing::Test {
 protected:
  LockTest() : fd_(Open(dir_ / "file", O_RDWR | O_CREAT)) {}
  struct flock Get(int fd, short type, off_t start = 0, off_t len = 0, int cmd = F_GETLK) {
    struct flock lock = Record(type, start, len);
    EXPECT_THAT(fcntl(fd, cmd, &lock), SucceedsWith(0));
    return lock;
  }
  TempDir dir_;
  Fd fd_;
};

TEST_F(LockTest, PosixLocksConflictBetweenProcesses) {
  EXPECT_THAT(SetLock(fd_.get(), F_WRLCK, 10, 10), SucceedsWith(0));
  const pid_t parent = getpid();
  EXPECT_THAT(InChild([&] {
                Fd fd = Open(dir_ / "file", O_RDWR);
                EXPECT_THAT(SetLock(fd.get(), F_RDLCK, 15, 1), FailsWith(EAGAIN));
                EXPECT_THAT(SetLock(fd.get(), F_WRLCK, 0, 11), FailsWith(EAGAIN));
                EXPECT_THAT(SetLock(fd.get(), F_WRLCK, 0, 10), SucceedsWith(0));
                EXPECT_THAT(SetLock(fd.get(), F_WRLCK, 20, 0), SucceedsWith(0));
                const struct flock lock = Get(fd.get(), F_WRLCK, 0, 0);
                EXPECT_EQ(lock.l_type, F_WRLCK);
                EXPECT_EQ(lock.l_start, 10);
                EXPECT_EQ(lock.l_len, 10);
                EXPECT_EQ(lock.l_pid, parent);
                EXPECT_EQ(Get(fd.get(), F_WRLCK, 30, 0).l_type, F_UNLCK);
              }),
              ExitedWith(0));
}

TEST_F(LockTest, ReadLocksShare) {
  EXPECT_THAT(SetLock(fd_.get(), F_RDLCK), SucceedsWith(0));
  EXPECT_THAT(InChild([&] {
                EXPECT_THAT(SetLock(fd_.get(), F_RDLCK), SucceedsWith(0));
                EXPECT_THAT(SetLock(fd_.get(), F_WRLCK), FailsWith(EAGAIN));
              }),
              ExitedWith(0));
}

TEST_F(LockTest, OwnLocksAreReplacedSplitAndMerged) {
  EXPECT_THAT(SetLock(fd_.get(), F_WRLCK, 0, 100), SucceedsWith(0));
  EXPECT_THAT(SetLock(fd_.get(), F_RDLCK, 40, 20), SucceedsWith(0));
  EXPECT_THAT(SetLock(fd_.get(), F_UNLCK, 50, 5), SucceedsWith(0));
  EXPECT_THAT(InChild([&] {
                EXPECT_EQ(Get(fd_.get(), F_WRLCK, 0, 0).l_len, 40);
                struct flock lock = Get(fd_.get(), F_WRLCK, 40, 0);
                EXPECT_EQ(lock.l_type, F_RDLCK);
                EXPECT_EQ(lock.l_start, 40);
                EXPECT_EQ(lock.l_len, 10);
                EXPECT_THAT(SetLock(fd_.get(), F_WRLCK, 50, 5), SucceedsWith(0));
                EXPECT_EQ(Get(fd_.get(), F_WRLCK, 55, 0).l_type, F_RDLCK);
                EXPECT_EQ(Get(fd_.get(), F_WRLCK, 60, 0).l_type, F_WRLCK);
              }),
              ExitedWith(0));
  EXPECT_THAT(SetLock(fd_.get(), F_WRLCK, 0, 100), SucceedsWith(0));
  EXPECT_THAT(InChild([&] { EXPECT_EQ(Get(fd_.get(), F_WRLCK).l_len, 100); }), ExitedWith(0));
}

TEST_F(LockTest, ClosingAnyDescriptorReleases) {
  EXPECT_THAT(SetLock(fd_.get(), F_WRLCK), SucceedsWith(0));
  Open(dir_ / "file", O_RDONLY).reset();
  EXPECT_THAT(InChild([&] { EXPECT_THAT(SetLock(fd_.get(), F_WRLCK), SucceedsWith(0)); }),
              ExitedWith(0));
}

TEST_F(LockTest, ExitReleases) {
  EXPECT_THAT(InChild([&] { EXPECT_THAT(SetLock(fd_.get(), F_WRLCK), SucceedsWith(0)); }),
              ExitedWith(0));
  EXPECT_EQ(Get(fd_.get(), F_WRLCK).l_type, F_UNLCK);
}

TEST_F(LockTest, RangeArguments) {
  EXPECT_TRUE(WriteAll(fd_.get(), std::string(100, 'x')));
  struct flock lock = Record(F_WRLCK, -10, 5);
  lock.l_whence = SEEK_END;
  EXPECT_THAT(fcntl(fd_.get(), F_SETLK, &lock), SucceedsWith(0));
  // A negative length covers what lies before the start.
  EXPECT_THAT(SetLock(fd_.get(), F_WRLCK, 20, -10), SucceedsWith(0));
  EXPECT_THAT(InChild([&] {
                EXPECT_EQ(Get(fd_.get(), F_WRLCK, 50, 0).l_start, 90);
                EXPECT_EQ(Get(fd_.get(), F_WRLCK, 0, 0).l_start, 10);
                EXPECT_EQ(Get(fd_.get(), F_WRLCK, 0, 0).l_len, 10);
              }),
              ExitedWith(0));
  EXPECT_THAT(SetLock(fd_.get(), F_WRLCK, -1, 1), FailsWith(EINVAL));
  EXPECT_THAT(SetLock(fd_.get(), F_WRLCK, 5, -10), FailsWith(EINVAL));
  EXPECT_THAT(SetLock(fd_.get(), F_WRLCK, INT64_MAX, 10), FailsWith(EOVERFLOW));
  EXPECT_THAT(SetLock(fd_.get(), 77), FailsWith(EINVAL));
  lock.l_whence = 9;
  EXPECT_THAT(fcntl(fd_.get(), F_SETLK, &lock), FailsWith(EINVAL));
  EXPECT_THAT(fcntl(fd_.get(), F_SETLK, 8), FailsWith(EFAULT));
}

TEST_F(LockTest, AccessModeMustFit) {
  Fd r = Open(dir_ / "file", O_RDONLY);
  Fd w = Open(dir_ / "file", O_WRONLY);
  EXPECT_THAT(SetLock(r.get(), F_WRLCK), FailsWith(EBADF));
  EXPECT_THAT(SetLock(w.get(), F_RDLCK), FailsWith(EBADF));
  EXPECT_THAT(SetLock(r.get(), F_RDLCK), SucceedsWith(0));
  EXPECT_THAT(SetLock(-1, F_RDLCK), FailsWith(EBADF));
}

TEST_F(LockTest, BlockingWaitsForRelease) {
  EXPECT_THAT(SetLock(fd_.get(), F_WRLCK), SucceedsWith(0));
  ScopedChild child([&] {
    EXPECT_THAT(SetLock(fd_.get(), F_WRLCK, 0, 0, F_SETLKW), SucceedsWith(0));
  });
  EXPECT_TRUE(WaitUntilBlocked(child.pid()));
  EXPECT_THAT(SetLock(fd_.get(), F_UNLCK), SucceedsWith(0));
  EXPECT_THAT(child.Wait(), ExitedWith(0));
}

TEST_F(LockTest, BlockingIsInterrupted) {
  EXPECT_THAT(SetLock(fd_.get(), F_WRLCK), SucceedsWith(0));
  ScopedChild child([&] {
    ScopedSigaction action(SIGUSR1, [](int) {});
    EXPECT_THAT(SetLock(fd_.get(), F_WRLCK, 0, 0, F_SETLKW), FailsWith(EINTR));
  });
  EXPECT_TRUE(WaitUntilBlocked(child.pid()));
  EXPECT_THAT(kill(child.pid(), SIGUSR1), SucceedsWith(0));
  EXPECT_THAT(child.Wait(), ExitedWith(0));
}

TEST_F(LockTest, DeadlockIsDetected) {
  EXPECT_THAT(SetLock(fd_.get(), F_WRLCK, 0, 1), SucceedsWith(0));
  Event locked;
  ScopedChild child([&] {
    EXPECT_THAT(SetLock(fd_.get(), F_WRLCK, 1, 1), SucceedsWith(0));
    locked.Signal();
    EXPECT_THAT(SetLock(fd_.get(), F_WRLCK, 0, 1, F_SETLKW), SucceedsWith(0));
  });
  locked.Wait();
  EXPECT_TRUE(WaitUntilBlocked(child.pid()));
  EXPECT_THAT(SetLock(fd_.get(), F_WRLCK, 1, 1, F_SETLKW), FailsWith(EDEADLK));
  EXPECT_THAT(SetLock(fd_.get(), F_UNLCK), SucceedsWith(0));
  EXPECT_THAT(child.Wait(), ExitedWith(0));
}

TEST_F(LockTest, OfdLocksBelongToTheDescription) {
  Fd other = Open(dir_ / "file", O_RDWR);
  EXPECT_THAT(SetLock(fd_.get(), F_WRLCK, 0, 10, F_OFD_SETLK), SucceedsWith(0));
  EXPECT_THAT(SetLock(other.get(), F_WRLCK, 5, 1, F_OFD_SETLK), FailsWith(EAGAIN));
  const struct flock lock = Get(other.get(), F_WRLCK, 0, 0, F_OFD_GETLK);
  EXPECT_EQ(lock.l_type, F_WRLCK);
  EXPECT_EQ(lock.l_pid, -1);
  // They conflict with this process's POSIX locks as well.
  EXPECT_THAT(SetLock(fd_.get(), F_WRLCK, 5, 1), FailsWith(EAGAIN));
  // Duplicates hold the lock until the last is closed.
  Fd copy(dup(fd_.get()));
  fd_.reset();
  EXPECT_THAT(SetLock(other.get(), F_WRLCK, 5, 1, F_OFD_SETLK), FailsWith(EAGAIN));
  copy.reset();
  EXPECT_THAT(SetLock(other.get(), F_WRLCK, 5, 1, F_OFD_SETLK), SucceedsWith(0));
}

TEST_F(LockTest, OfdLocksNeedAZeroPid) {
  struct flock lock = Record(F_WRLCK);
  lock.l_pid = 1;
  EXPECT_THAT(fcntl(fd_.get(), F_OFD_SETLK, &lock), FailsWith(EINVAL));
}

TEST_F(LockTest, OfdBlockingBetweenThreads) {
  Fd other = Open(dir_ / "file", O_RDWR);
  EXPECT_THAT(SetLock(fd_.get(), F_WRLCK, 0, 0, F_OFD_SETLK), SucceedsWith(0));
  ScopedThread thread([&] {
    EXPECT_THAT(SetLock(other.get(), F_WRLCK, 0, 0, F_OFD_SETLKW), SucceedsWith(0));
  });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  EXPECT_THAT(SetLock(fd_.get(), F_UNLCK, 0, 0, F_OFD_SETLK), SucceedsWith(0));
  thread.Join();
}

TEST_F(LockTest, Flock) {
  Fd other = Open(dir_ / "file", O_RDONLY);
  EXPECT_THAT(flock(fd_.get(), LOCK_EX), SucceedsWith(0));
  EXPECT_THAT(flock(other.get(), LOCK_EX | LOCK_NB), FailsWith(EWOULDBLOCK));
  EXPECT_THAT(flock(other.get(), LOCK_SH | LOCK_NB), FailsWith(EWOULDBLOCK));
  EXPECT_THAT(flock(fd_.get(), LOCK_SH), SucceedsWith(0));
  EXPECT_THAT(flock(other.get(), LOCK_SH | LOCK_NB), SucceedsWith(0));
  EXPECT_THAT(flock(other.get(), LOCK_EX | LOCK_NB), FailsWith(EWOULDBLOCK));
  EXPECT_THAT(flock(fd_.get(), LOCK_UN), SucceedsWith(0));
  EXPECT_THAT(flock(other.get(), LOCK_EX | LOCK_NB), SucceedsWith(0));
  EXPECT_THAT(flock(fd_.get(), 0), FailsWith(EINVAL));
  EXPECT_THAT(flock(fd_.get(), LOCK_EX | LOCK_SH), FailsWith(EINVAL));
  EXPECT_THAT(flock(-1, LOCK_EX), FailsWith(EBADF));
}

TEST_F(LockTest, FailedUpgradeLosesTheFlock) {
  // Conversion is not atomic: the old lock goes first (see flock(2)).
  Fd other = Open(dir_ / "file", O_RDONLY);
  EXPECT_THAT(flock(fd_.get(), LOCK_SH), SucceedsWith(0));
  EXPECT_THAT(flock(other.get(), LOCK_SH), SucceedsWith(0));
  EXPECT_THAT(flock(other.get(), LOCK_EX | LOCK_NB), FailsWith(EWOULDBLOCK));
  EXPECT_THAT(flock(fd_.get(), LOCK_EX | LOCK_NB), SucceedsWith(0));
}

TEST_F(LockTest, FlockIsInheritedAndOneUnlockReleasesForAll) {
  EXPECT_THAT(flock(fd_.get(), LOCK_EX), SucceedsWith(0));
  Fd other = Open(dir_ / "file", O_RDONLY);
  EXPECT_THAT(InChild([&] {
                EXPECT_THAT(flock(fd_.get(), LOCK_EX | LOCK_NB), SucceedsWith(0));
                EXPECT_THAT(flock(fd_.get(), LOCK_UN), SucceedsWith(0));
              }),
              ExitedWith(0));
  EXPECT_THAT(flock(other.get(), LOCK_EX | LOCK_NB), SucceedsWith(0));
}

TEST_F(LockTest, FlockAndRecordLocksAreIndependent) {
  EXPECT_THAT(flock(fd_.get(), LOCK_EX), SucceedsWith(0));
  EXPECT_THAT(InChild([&] { EXPECT_THAT(SetLock(fd_.get(), F_WRLCK), SucceedsWith(0)); }),
              ExitedWith(0));
}

TEST_F(LockTest, FlockBlocksUntilClose) {
  Fd holder = Open(dir_ / "file", O_RDONLY);
  EXPECT_THAT(flock(holder.get(), LOCK_EX), SucceedsWith(0));
  ScopedThread thread([&] { EXPECT_THAT(flock(fd_.get(), LOCK_EX), SucceedsWith(0)); });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  holder.reset();
  thread.Join();
}

}  // namespace
}  // namespace cvisor::test
