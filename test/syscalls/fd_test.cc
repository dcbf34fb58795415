// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// Descriptor tables: dup(2), fcntl(2), close_range(2), RLIMIT_NOFILE, ioctl(2)'s general part.
#include <linux/close_range.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) != -1; }

class FdTest : public testing::Test {
 protected:
  FdTest() : fd_(Open(dir_ / "file", O_RDWR | O_CREAT)) {}
  TempDir dir_;
  Fd fd_;
};

TEST_F(FdTest, DupSharesTheDescription) {
  Fd copy(dup(fd_.get()));
  ASSERT_GE(copy.get(), 0);
  EXPECT_NE(copy.get(), fd_.get());
  EXPECT_THAT(write(fd_.get(), "abc", 3), SucceedsWith(3));
  EXPECT_THAT(lseek(copy.get(), 0, SEEK_CUR), SucceedsWith(3));
  EXPECT_THAT(fcntl(copy.get(), F_SETFL, O_APPEND), SucceedsWith(0));
  EXPECT_EQ(fcntl(fd_.get(), F_GETFL) & O_APPEND, O_APPEND);
  EXPECT_THAT(dup(-1), FailsWith(EBADF));
}

TEST_F(FdTest, CloseOnExecIsOfTheDescriptor) {
  EXPECT_THAT(fcntl(fd_.get(), F_SETFD, FD_CLOEXEC), SucceedsWith(0));
  Fd copy(dup(fd_.get()));
  EXPECT_EQ(fcntl(copy.get(), F_GETFD), 0);
  EXPECT_EQ(fcntl(fd_.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_THAT(fcntl(fd_.get(), F_SETFD, 2), SucceedsWith(0));
  EXPECT_EQ(fcntl(fd_.get(), F_GETFD), 0);
  Fd c2(fcntl(fd_.get(), F_DUPFD_CLOEXEC, 100));
  EXPECT_GE(c2.get(), 100);
  EXPECT_EQ(fcntl(c2.get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(FdTest, Dup2) {
  Fd other = Open(dir_ / "other", O_RDWR | O_CREAT);
  const int n = other.get();
  EXPECT_THAT(dup2(fd_.get(), n), SucceedsWith(n));
  EXPECT_THAT(write(n, "x", 1), SucceedsWith(1));
  EXPECT_EQ(ReadFile(dir_ / "file"), "x");
  EXPECT_THAT(dup2(n, n), SucceedsWith(n));
  EXPECT_THAT(dup2(-1, n), FailsWith(EBADF));
  EXPECT_TRUE(IsOpen(n));
  EXPECT_THAT(dup2(777, 777), FailsWith(EBADF));
  EXPECT_THAT(dup2(n, -1), FailsWith(EBADF));
  EXPECT_THAT(dup2(n, 1 << 30), FailsWith(EBADF));
}

TEST_F(FdTest, Dup3) {
  EXPECT_THAT(dup3(fd_.get(), fd_.get(), 0), FailsWith(EINVAL));
  EXPECT_THAT(dup3(fd_.get(), 300, O_NONBLOCK), FailsWith(EINVAL));
  EXPECT_THAT(dup3(fd_.get(), 300, O_CLOEXEC), SucceedsWith(300));
  EXPECT_EQ(fcntl(300, F_GETFD), FD_CLOEXEC);
  EXPECT_THAT(dup3(fd_.get(), 300, 0), SucceedsWith(300));
  EXPECT_EQ(fcntl(300, F_GETFD), 0);
  close(300);
}

TEST_F(FdTest, FcntlDupfd) {
  const int a = fcntl(fd_.get(), F_DUPFD, 200);
  EXPECT_EQ(a, 200);
  const int b = fcntl(fd_.get(), F_DUPFD, 200);
  EXPECT_EQ(b, 201);
  close(a);
  close(b);
  EXPECT_THAT(fcntl(fd_.get(), F_DUPFD, -1), FailsWith(EINVAL));
  EXPECT_THAT(fcntl(fd_.get(), F_DUPFD, 1 << 30), FailsWith(EINVAL));
  EXPECT_THAT(fcntl(fd_.get(), 0x7fff), FailsWith(EINVAL));
  EXPECT_THAT(fcntl(-1, F_GETFD), FailsWith(EBADF));
}

TEST_F(FdTest, CloseTwice) {
  const int n = dup(fd_.get());
  EXPECT_THAT(close(n), SucceedsWith(0));
  EXPECT_THAT(close(n), FailsWith(EBADF));
  EXPECT_THAT(close(-1), FailsWith(EBADF));
}

TEST_F(FdTest, CloseRange) {
  EXPECT_THAT(InChild([&] {
                for (int i = 500; i < 510; ++i) EXPECT_EQ(dup2(fd_.get(), i), i);
                EXPECT_THAT(close_range(502, 504, 0), SucceedsWith(0));
                for (int i = 500; i < 510; ++i) EXPECT_EQ(IsOpen(i), i < 502 || i > 504) << i;
                EXPECT_THAT(close_range(506, ~0u, CLOSE_RANGE_CLOEXEC), SucceedsWith(0));
                EXPECT_EQ(fcntl(505, F_GETFD), 0);
                EXPECT_EQ(fcntl(506, F_GETFD), FD_CLOEXEC);
                EXPECT_EQ(fcntl(509, F_GETFD), FD_CLOEXEC);
                EXPECT_THAT(close_range(5, 4, 0), FailsWith(EINVAL));
                EXPECT_THAT(close_range(500, 501, 0x100), FailsWith(EINVAL));
                EXPECT_THAT(close_range(600, 700, 0), SucceedsWith(0));
              }),
              ExitedWith(0));
}

TEST_F(FdTest, CloseRangeUnshare) {
  // The thread gets a table of its own; the other thread's keeps the descriptor.
  const int n = fcntl(fd_.get(), F_DUPFD, 400);
  ScopedThread([&] {
    EXPECT_THAT(close_range(400, 450, CLOSE_RANGE_UNSHARE), SucceedsWith(0));
    EXPECT_FALSE(IsOpen(n));
    EXPECT_TRUE(IsOpen(fd_.get()));
  }).Join();
  EXPECT_TRUE(IsOpen(n));
  close(n);
}

TEST_F(FdTest, ThreadsShareTheTableAndUnshareCopiesIt) {
  int in_thread = -1;
  ScopedThread([&] { in_thread = dup(fd_.get()); }).Join();
  EXPECT_TRUE(IsOpen(in_thread));
  ScopedThread([&] {
    EXPECT_THAT(unshare(CLONE_FILES), SucceedsWith(0));
    close(in_thread);
  }).Join();
  EXPECT_TRUE(IsOpen(in_thread));
  close(in_thread);
}

TEST_F(FdTest, ForkCopiesTheTable) {
  const int n = dup(fd_.get());
  EXPECT_THAT(InChild([&] { EXPECT_THAT(close(n), SucceedsWith(0)); }), ExitedWith(0));
  EXPECT_THAT(close(n), SucceedsWith(0));
}

TEST_F(FdTest, NumberLimit) {
  EXPECT_THAT(InChild([&] {
                rlimit limit;
                ASSERT_THAT(getrlimit(RLIMIT_NOFILE, &limit), SucceedsWith(0));
                limit.rlim_cur = 50;
                ASSERT_THAT(setrlimit(RLIMIT_NOFILE, &limit), SucceedsWith(0));
                int highest = -1;
                for (int n; (n = dup(fd_.get())) >= 0;) highest = n;
                EXPECT_EQ(errno, EMFILE);
                EXPECT_EQ(highest, 49);
                EXPECT_THAT(open("/dev/null", O_RDONLY), FailsWith(EMFILE));
                int p[2] = {-7, -7};
                EXPECT_THAT(pipe(p), FailsWith(EMFILE));
                close(30);
                // One is free, a pipe needs two: neither may be lost.
                EXPECT_THAT(pipe(p), FailsWith(EMFILE));
                EXPECT_EQ(p[0], -7);
                EXPECT_EQ(dup(fd_.get()), 30);
                EXPECT_THAT(dup2(fd_.get(), 50), FailsWith(EBADF));
                EXPECT_THAT(fcntl(fd_.get(), F_DUPFD, 50), FailsWith(EINVAL));
                EXPECT_THAT(fcntl(fd_.get(), F_DUPFD, 49), FailsWith(EMFILE));
                // Open numbers above a lowered limit stay usable.
                limit.rlim_cur = 10;
                ASSERT_THAT(setrlimit(RLIMIT_NOFILE, &limit), SucceedsWith(0));
                EXPECT_TRUE(IsOpen(40));
              }),
              ExitedWith(0));
}

TEST_F(FdTest, IoctlFioclexAndFionbio) {
  EXPECT_THAT(ioctl(fd_.get(), FIOCLEX), SucceedsWith(0));
  EXPECT_EQ(fcntl(fd_.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_THAT(ioctl(fd_.get(), FIONCLEX), SucceedsWith(0));
  EXPECT_EQ(fcntl(fd_.get(), F_GETFD), 0);
  PipeFds p = MakePipe();
  int on = 1;
  EXPECT_THAT(ioctl(p.reader.get(), FIONBIO, &on), SucceedsWith(0));
  EXPECT_EQ(fcntl(p.reader.get(), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  on = 0;
  EXPECT_THAT(ioctl(p.reader.get(), FIONBIO, &on), SucceedsWith(0));
  EXPECT_EQ(fcntl(p.reader.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_THAT(ioctl(p.reader.get(), 0x12345), FailsWith(ENOTTY));
  EXPECT_THAT(ioctl(fd_.get(), TCGETS, &on), FailsWith(ENOTTY));
  EXPECT_THAT(ioctl(-1, FIOCLEX), FailsWith(EBADF));
}

TEST_F(FdTest, FionreadCountsTheRest) {
  EXPECT_TRUE(WriteAll(fd_.get(), "0123456789"));
  lseek(fd_.get(), 4, SEEK_SET);
  int n = -1;
  EXPECT_THAT(ioctl(fd_.get(), FIONREAD, &n), SucceedsWith(0));
  EXPECT_EQ(n, 6);
}

TEST_F(FdTest, OwnersThatAreNone) {
  const auto set = [&](int type, pid_t pid) {
    const int owner[2] = {type, pid};
    return fcntl(fd_.get(), F_SETOWN_EX, owner);
  };
  for (const int type : {F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP}) {
    EXPECT_THAT(set(type, 0), SucceedsWith(0));
    EXPECT_THAT(set(type, -5), FailsWith(ESRCH));
  }
  for (const int type : {-1, 3, 1221626184}) EXPECT_THAT(set(type, 0), FailsWith(EINVAL));
}

TEST_F(FdTest, OwnerAndSignalOfAsynchronousIo) {
  PipeFds p = MakePipe();
  EXPECT_THAT(fcntl(p.reader.get(), F_GETOWN), SucceedsWith(0));
  EXPECT_THAT(fcntl(p.reader.get(), F_SETOWN, getpid()), SucceedsWith(0));
  EXPECT_THAT(fcntl(p.reader.get(), F_GETOWN), SucceedsWith(getpid()));
  EXPECT_THAT(fcntl(p.reader.get(), F_SETSIG, SIGUSR1), SucceedsWith(0));
  EXPECT_THAT(fcntl(p.reader.get(), F_GETSIG), SucceedsWith(SIGUSR1));
  EXPECT_THAT(fcntl(p.reader.get(), F_SETSIG, 65), FailsWith(EINVAL));
  f_owner_ex owner = {};
  EXPECT_THAT(fcntl(p.reader.get(), F_GETOWN_EX, &owner), SucceedsWith(0));
  EXPECT_EQ(owner.type, F_OWNER_PID);
  EXPECT_EQ(owner.pid, getpid());
}

TEST_F(FdTest, AsyncIoSendsTheSignal) {
  // The closed pipe signals once more.
  ScopedSigaction ignored(SIGUSR1, [](int) {});
  ScopedSigmask blocked(SIG_BLOCK, {SIGUSR1, SIGIO});
  PipeFds p = MakePipe();
  EXPECT_THAT(fcntl(p.reader.get(), F_SETOWN, getpid()), SucceedsWith(0));
  EXPECT_THAT(fcntl(p.reader.get(), F_SETSIG, SIGUSR1), SucceedsWith(0));
  EXPECT_THAT(fcntl(p.reader.get(), F_SETFL, O_ASYNC | O_NONBLOCK), SucceedsWith(0));
  EXPECT_THAT(write(p.writer.get(), "x", 1), SucceedsWith(1));
  const sigset_t set = SigSet({SIGUSR1});
  const timespec limit = {20, 0};
  siginfo_t info = {};
  EXPECT_THAT(sigtimedwait(&set, &info, &limit), SucceedsWith(SIGUSR1));
  EXPECT_EQ(info.si_code, POLL_IN);
  EXPECT_EQ(info.si_fd, p.reader.get());
}

TEST_F(FdTest, KcmpOfDuplicates) {
  Fd copy(dup(fd_.get()));
  Fd other = Open(dir_ / "file", O_RDWR);
  const pid_t me = getpid();
  EXPECT_THAT(syscall(SYS_kcmp, me, me, KCMP_FILE, fd_.get(), copy.get()), SucceedsWith(0));
  EXPECT_NE(syscall(SYS_kcmp, me, me, KCMP_FILE, fd_.get(), other.get()), 0);
}

}  // namespace
}  // namespace cvisor::test
