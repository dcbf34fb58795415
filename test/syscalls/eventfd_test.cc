// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// eventfd(2), timerfd_create(2), signalfd(2).
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

uint64_t ReadCount(int fd) {
  uint64_t value = 0;
  EXPECT_THAT(read(fd, &value, 8), SucceedsWith(8));
  return value;
}
int WriteCount(int fd, uint64_t value) { return static_cast<int>(write(fd, &value, 8)); }

TEST(EventfdTest, Counts) {
  Fd fd(eventfd(3, EFD_NONBLOCK));
  EXPECT_THAT(WriteCount(fd.get(), 4), SucceedsWith(8));
  EXPECT_EQ(ReadCount(fd.get()), 7u);
  uint64_t v;
  EXPECT_THAT(read(fd.get(), &v, 8), FailsWith(EAGAIN));
  EXPECT_THAT(WriteCount(fd.get(), 0), SucceedsWith(8));
  EXPECT_THAT(read(fd.get(), &v, 8), FailsWith(EAGAIN));
}

TEST(EventfdTest, Semaphore) {
  Fd fd(eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE));
  EXPECT_EQ(ReadCount(fd.get()), 1u);
  EXPECT_EQ(ReadCount(fd.get()), 1u);
  uint64_t v;
  EXPECT_THAT(read(fd.get(), &v, 8), FailsWith(EAGAIN));
}

TEST(EventfdTest, LimitsAndErrors) {
  Fd fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  EXPECT_EQ(fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_THAT(WriteCount(fd.get(), UINT64_MAX), FailsWith(EINVAL));
  EXPECT_THAT(WriteCount(fd.get(), UINT64_MAX - 1), SucceedsWith(8));
  EXPECT_THAT(WriteCount(fd.get(), 1), FailsWith(EAGAIN));
  EXPECT_EQ(Poll(fd.get(), POLLIN | POLLOUT), POLLIN);
  EXPECT_EQ(ReadCount(fd.get()), UINT64_MAX - 1);
  EXPECT_EQ(Poll(fd.get(), POLLIN | POLLOUT), POLLOUT);
  uint32_t small = 1;
  EXPECT_THAT(write(fd.get(), &small, 4), FailsWith(EINVAL));
  EXPECT_THAT(read(fd.get(), &small, 4), FailsWith(EINVAL));
  EXPECT_THAT(eventfd(0, 0x100), FailsWith(EINVAL));
  EXPECT_THAT(lseek(fd.get(), 5, SEEK_SET), SucceedsWith(0));
  char big[64] = {1};
  EXPECT_THAT(WriteCount(fd.get(), 1), SucceedsWith(8));
  EXPECT_THAT(read(fd.get(), big, sizeof big), SucceedsWith(8));
}

TEST(EventfdTest, BlocksReadersAndWriters) {
  Fd fd(eventfd(0, 0));
  ScopedThread reader([&] { EXPECT_EQ(ReadCount(fd.get()), 5u); });
  EXPECT_TRUE(WaitUntilBlocked(reader.tid()));
  EXPECT_THAT(WriteCount(fd.get(), 5), SucceedsWith(8));
  reader.Join();
  EXPECT_THAT(WriteCount(fd.get(), UINT64_MAX - 1), SucceedsWith(8));
  ScopedThread writer([&] { EXPECT_THAT(WriteCount(fd.get(), 9), SucceedsWith(8)); });
  EXPECT_TRUE(WaitUntilBlocked(writer.tid()));
  EXPECT_EQ(ReadCount(fd.get()), UINT64_MAX - 1);
  writer.Join();
  EXPECT_EQ(ReadCount(fd.get()), 9u);
}

TEST(TimerfdTest, OneShot) {
  Fd fd(timerfd_create(CLOCK_MONOTONIC, 0));
  const int64_t start = NowNs();
  const itimerspec spec = {{0, 0}, {0, 20000000}};
  EXPECT_THAT(timerfd_settime(fd.get(), 0, &spec, nullptr), SucceedsWith(0));
  EXPECT_EQ(ReadCount(fd.get()), 1u);
  EXPECT_GE(NowNs() - start, 20000000);
  itimerspec now;
  EXPECT_THAT(timerfd_gettime(fd.get(), &now), SucceedsWith(0));
  EXPECT_EQ(now.it_value.tv_sec, 0);
  EXPECT_EQ(now.it_value.tv_nsec, 0);
  EXPECT_EQ(Poll(fd.get(), POLLIN), 0);
}

TEST(TimerfdTest, IntervalCountsExpirations) {
  Fd fd(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
  uint64_t v;
  EXPECT_THAT(read(fd.get(), &v, 8), FailsWith(EAGAIN));
  const int64_t start = NowNs();
  const itimerspec spec = {{0, 1000000}, {0, 1000000}};
  EXPECT_THAT(timerfd_settime(fd.get(), 0, &spec, nullptr), SucceedsWith(0));
  uint64_t total = 0;
  EXPECT_TRUE(WaitUntil([&] {
    uint64_t n;
    if (read(fd.get(), &n, 8) == 8) total += n;
    return total >= 10;
  }));
  EXPECT_LE(static_cast<int64_t>(total), (NowNs() - start) / 1000000);
  itimerspec now;
  EXPECT_THAT(timerfd_gettime(fd.get(), &now), SucceedsWith(0));
  EXPECT_EQ(now.it_interval.tv_nsec, 1000000);
  EXPECT_LE(now.it_value.tv_nsec, 1000000);
}

TEST(TimerfdTest, AbsoluteTimesAndDisarming) {
  Fd fd(timerfd_create(CLOCK_REALTIME, 0));
  itimerspec spec = {};
  clock_gettime(CLOCK_REALTIME, &spec.it_value);
  spec.it_value.tv_sec -= 1;
  EXPECT_THAT(timerfd_settime(fd.get(), TFD_TIMER_ABSTIME, &spec, nullptr), SucceedsWith(0));
  EXPECT_EQ(ReadCount(fd.get()), 1u);
  spec = {{0, 0}, {1000, 0}};
  EXPECT_THAT(timerfd_settime(fd.get(), 0, &spec, nullptr), SucceedsWith(0));
  itimerspec old = {}, zero = {};
  EXPECT_THAT(timerfd_settime(fd.get(), 0, &zero, &old), SucceedsWith(0));
  EXPECT_GE(old.it_value.tv_sec, 900);
  EXPECT_THAT(timerfd_gettime(fd.get(), &old), SucceedsWith(0));
  EXPECT_EQ(old.it_value.tv_sec, 0);
}

TEST(TimerfdTest, Errors) {
  EXPECT_THAT(timerfd_create(99, 0), FailsWith(EINVAL));
  EXPECT_THAT(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), FailsWith(EINVAL));
  EXPECT_THAT(timerfd_create(CLOCK_MONOTONIC, 0x10), FailsWith(EINVAL));
  Fd fd(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC));
  itimerspec bad = {{0, 0}, {0, 1000000000}};
  EXPECT_THAT(timerfd_settime(fd.get(), 0, &bad, nullptr), FailsWith(EINVAL));
  bad = {{0, 0}, {-1, 0}};
  EXPECT_THAT(timerfd_settime(fd.get(), 0, &bad, nullptr), FailsWith(EINVAL));
  EXPECT_THAT(timerfd_settime(fd.get(), 0x100, &bad, nullptr), FailsWith(EINVAL));
  EXPECT_THAT(timerfd_settime(0, 0, &bad, nullptr), FailsWith(EINVAL));
  EXPECT_THAT(timerfd_gettime(-1, &bad), FailsWith(EBADF));
  uint64_t v = 1;
  EXPECT_THAT(write(fd.get(), &v, 8), FailsWith(EINVAL));
  EXPECT_THAT(read(fd.get(), &v, 4), FailsWith(EINVAL));
}

TEST(TimerfdTest, ReadersAreInterruptible) {
  ScopedSigaction action(SIGUSR1, [](int) {});
  Fd fd(timerfd_create(CLOCK_MONOTONIC, 0));
  ScopedThread thread([&] {
    uint64_t v;
    EXPECT_THAT(read(fd.get(), &v, 8), FailsWith(EINTR));
  });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  EXPECT_EQ(pthread_kill(thread.handle(), SIGUSR1), 0);
  thread.Join();
}

class SignalfdTest : public testing::Test {
 protected:
  SignalfdTest() : mask_(SIG_BLOCK, {SIGUSR1, SIGUSR2, SIGRTMIN}) {}
  ScopedSigmask mask_;
};

TEST_F(SignalfdTest, ReadsPendingSignals) {
  const sigset_t set = SigSet({SIGUSR1, SIGUSR2});
  Fd fd(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  signalfd_siginfo info[4];
  EXPECT_THAT(read(fd.get(), info, sizeof info), FailsWith(EAGAIN));
  EXPECT_EQ(Poll(fd.get(), POLLIN), 0);
  kill(getpid(), SIGUSR2);
  kill(getpid(), SIGUSR1);
  kill(getpid(), SIGUSR1);
  EXPECT_EQ(Poll(fd.get(), POLLIN), POLLIN);
  EXPECT_THAT(read(fd.get(), info, sizeof info), SucceedsWith(2 * sizeof info[0]));
  EXPECT_EQ(info[0].ssi_signo, unsigned{SIGUSR1});
  EXPECT_EQ(info[1].ssi_signo, unsigned{SIGUSR2});
  EXPECT_EQ(info[0].ssi_pid, static_cast<uint32_t>(getpid()));
  EXPECT_EQ(info[0].ssi_code, SI_USER);
  sigset_t pending;
  sigpending(&pending);
  EXPECT_FALSE(sigismember(&pending, SIGUSR1));
}

TEST_F(SignalfdTest, QueuedValues) {
  const sigset_t set = SigSet({SIGRTMIN});
  Fd fd(signalfd(-1, &set, 0));
  for (int i = 1; i <= 3; ++i) {
    sigval value;
    value.sival_int = i;
    EXPECT_THAT(sigqueue(getpid(), SIGRTMIN, value), SucceedsWith(0));
  }
  for (int i = 1; i <= 3; ++i) {
    signalfd_siginfo info;
    EXPECT_THAT(read(fd.get(), &info, sizeof info), SucceedsWith(sizeof info));
    EXPECT_EQ(info.ssi_int, i);
    EXPECT_EQ(info.ssi_code, SI_QUEUE);
  }
}

TEST_F(SignalfdTest, MaskCanBeReplaced) {
  sigset_t set = SigSet({SIGUSR1});
  Fd fd(signalfd(-1, &set, SFD_NONBLOCK));
  set = SigSet({SIGUSR2});
  EXPECT_THAT(signalfd(fd.get(), &set, 0), SucceedsWith(fd.get()));
  raise(SIGUSR1);
  signalfd_siginfo info;
  EXPECT_THAT(read(fd.get(), &info, sizeof info), FailsWith(EAGAIN));
  raise(SIGUSR2);
  EXPECT_THAT(read(fd.get(), &info, sizeof info), SucceedsWith(sizeof info));
  EXPECT_EQ(info.ssi_signo, unsigned{SIGUSR2});
  const sigset_t one = SigSet({SIGUSR1});
  int sig;
  EXPECT_EQ(sigwait(&one, &sig), 0);
}

TEST_F(SignalfdTest, Errors) {
  const sigset_t set = SigSet({SIGUSR1});
  Fd fd(signalfd(-1, &set, 0));
  char small[8];
  EXPECT_THAT(read(fd.get(), small, sizeof small), FailsWith(EINVAL));
  EXPECT_THAT(signalfd(-1, &set, 0x100), FailsWith(EINVAL));
  EXPECT_THAT(signalfd(0, &set, 0), FailsWith(EINVAL));
  EXPECT_THAT(signalfd(12345, &set, 0), FailsWith(EBADF));
  EXPECT_THAT(syscall(SYS_signalfd4, -1, &set, 4, 0), FailsWith(EINVAL));
}

TEST_F(SignalfdTest, BlockedReaderWakes) {
  const sigset_t set = SigSet({SIGUSR1});
  Fd fd(signalfd(-1, &set, 0));
  ScopedThread thread([&] {
    signalfd_siginfo info;
    EXPECT_THAT(read(fd.get(), &info, sizeof info), SucceedsWith(sizeof info));
  });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  kill(getpid(), SIGUSR1);
  thread.Join();
}

}  // namespace
}  // namespace cvisor::test
