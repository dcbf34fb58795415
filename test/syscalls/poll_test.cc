// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// poll(2), ppoll(2), select(2), pselect(2), epoll(7).
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

TEST(PollTest, ReportsEachDescriptor) {
  PipeFds p = MakePipe();
  pollfd fds[4] = {{p.reader.get(), POLLIN, 99},
                   {p.writer.get(), POLLOUT, 99},
                   {-1, POLLIN, 99},
                   {12345, POLLIN, 99}};
  EXPECT_THAT(poll(fds, 4, -1), SucceedsWith(2));
  EXPECT_EQ(fds[0].revents, 0);
  EXPECT_EQ(fds[1].revents, POLLOUT);
  EXPECT_EQ(fds[2].revents, 0);
  EXPECT_EQ(fds[3].revents, POLLNVAL);
}

TEST(PollTest, RegularFilesAreAlwaysReady) {
  TempDir dir;
  Fd f = Open(dir / "f", O_RDWR | O_CREAT);
  EXPECT_EQ(Poll(f.get(), POLLIN | POLLOUT | POLLPRI), POLLIN | POLLOUT);
}

TEST(PollTest, Timeouts) {
  PipeFds p = MakePipe();
  pollfd fd = {p.reader.get(), POLLIN, 0};
  EXPECT_THAT(poll(&fd, 1, 0), SucceedsWith(0));
  const int64_t start = NowNs();
  EXPECT_THAT(poll(&fd, 1, 30), SucceedsWith(0));
  EXPECT_GE(NowNs() - start, 30000000);
  EXPECT_THAT(poll(nullptr, 0, 1), SucceedsWith(0));
  const timespec bad = {0, 1000000000};
  EXPECT_THAT(ppoll(&fd, 1, &bad, nullptr), FailsWith(EINVAL));
  const timespec negative = {-1, 0};
  EXPECT_THAT(ppoll(&fd, 1, &negative, nullptr), FailsWith(EINVAL));
}

TEST(PollTest, Errors) {
  EXPECT_THAT(syscall(SYS_poll, 8, 1, 0), FailsWith(EFAULT));
  EXPECT_THAT(syscall(SYS_poll, nullptr, 10000000, 0), FailsWith(EINVAL));
}

TEST(PollTest, WakesUp) {
  PipeFds p = MakePipe();
  ScopedThread thread([&] { EXPECT_EQ(Poll(p.reader.get(), POLLIN, -1), POLLIN); });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  EXPECT_THAT(write(p.writer.get(), "x", 1), SucceedsWith(1));
  thread.Join();
}

TEST(PollTest, InterruptedEvenWithRestart) {
  ScopedSigaction action(SIGUSR1, [](int) {}, SA_RESTART);
  PipeFds p = MakePipe();
  ScopedThread thread([&] {
    pollfd fd = {p.reader.get(), POLLIN, 0};
    EXPECT_THAT(poll(&fd, 1, kLongMs), FailsWith(EINTR));
  });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  pthread_kill(thread.handle(), SIGUSR1);
  thread.Join();
}

TEST(PollTest, PpollUsesTheMaskAtomically) {
  static std::atomic<int> caught;
  caught = 0;
  ScopedSigaction action(SIGUSR1, [](int) { ++caught; });
  ScopedSigmask blocked(SIG_BLOCK, {SIGUSR1});
  raise(SIGUSR1);
  EXPECT_EQ(caught, 0);
  sigset_t empty = SigSet({});
  const timespec limit = Milliseconds(kLongMs);
  EXPECT_THAT(ppoll(nullptr, 0, &limit, &empty), FailsWith(EINTR));
  EXPECT_EQ(caught, 1);
  sigset_t now;
  pthread_sigmask(SIG_BLOCK, nullptr, &now);
  EXPECT_TRUE(sigismember(&now, SIGUSR1));
  EXPECT_THAT(syscall(SYS_ppoll, nullptr, 0, &limit, &empty, 3), FailsWith(EINVAL));
}

TEST(PollTest, PpollWritesTheRemainingTime) {
  // The call itself; the C library hides this.
  PipeFds p = MakePipe();
  EXPECT_THAT(write(p.writer.get(), "x", 1), SucceedsWith(1));
  pollfd fd = {p.reader.get(), POLLIN, 0};
  timespec limit = {100, 0};
  EXPECT_THAT(syscall(SYS_ppoll, &fd, 1, &limit, nullptr, 8), SucceedsWith(1));
  EXPECT_LT(limit.tv_sec, 100);
  EXPECT_GE(limit.tv_sec, 50);
}

TEST(SelectTest, Sets) {
  PipeFds p = MakePipe();
  const int nfds = std::max(p.reader.get(), p.writer.get()) + 1;
  fd_set r, w, e;
  FD_ZERO(&r);
  FD_ZERO(&w);
  FD_ZERO(&e);
  FD_SET(p.reader.get(), &r);
  FD_SET(p.writer.get(), &w);
  FD_SET(p.reader.get(), &e);
  EXPECT_THAT(select(nfds, &r, &w, &e, nullptr), SucceedsWith(1));
  EXPECT_FALSE(FD_ISSET(p.reader.get(), &r));
  EXPECT_TRUE(FD_ISSET(p.writer.get(), &w));
  EXPECT_FALSE(FD_ISSET(p.reader.get(), &e));
  EXPECT_THAT(write(p.writer.get(), "x", 1), SucceedsWith(1));
  FD_SET(p.reader.get(), &r);
  EXPECT_THAT(select(nfds, &r, &w, nullptr, nullptr), SucceedsWith(2));
}

TEST(SelectTest, EndOfFileIsReadable) {
  PipeFds p = MakePipe();
  p.writer.reset();
  fd_set r;
  FD_ZERO(&r);
  FD_SET(p.reader.get(), &r);
  timeval zero = {0, 0};
  EXPECT_THAT(select(p.reader.get() + 1, &r, nullptr, nullptr, &zero), SucceedsWith(1));
}

TEST(SelectTest, PathDescriptorsAreReadyInEverySet) {
  Fd fd = Open("/", O_PATH);
  fd_set in, out, except;
  for (fd_set* set : {&in, &out, &except}) {
    FD_ZERO(set);
    FD_SET(fd.get(), set);
  }
  EXPECT_THAT(select(fd.get() + 1, &in, &out, &except, nullptr), SucceedsWith(3));
}

TEST(SelectTest, Errors) {
  fd_set r;
  FD_ZERO(&r);
  FD_SET(63, &r);  // Linux ignores numbers that its table has no room for: 64 is the smallest table
  timeval zero = {0, 0};
  EXPECT_THAT(select(64, &r, nullptr, nullptr, &zero), FailsWith(EBADF));
  EXPECT_THAT(select(-1, nullptr, nullptr, nullptr, &zero), FailsWith(EINVAL));
  timeval bad = {-1, 0};
  EXPECT_THAT(syscall(SYS_select, 0, nullptr, nullptr, nullptr, &bad), FailsWith(EINVAL));
  bad = {INT64_MIN, INT64_MIN + 1};
  EXPECT_THAT(syscall(SYS_select, 0, nullptr, nullptr, nullptr, &bad), FailsWith(EINVAL));
  bad = {INT64_MAX, 1000000};
  EXPECT_THAT(syscall(SYS_select, 0, nullptr, nullptr, nullptr, &bad), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_select, 10, 8, nullptr, nullptr, &zero), FailsWith(EFAULT));
}

TEST(SelectTest, TimeoutIsUpdated) {
  timeval limit = {0, 20000};
  EXPECT_THAT(select(0, nullptr, nullptr, nullptr, &limit), SucceedsWith(0));
  EXPECT_EQ(limit.tv_sec, 0);
  EXPECT_EQ(limit.tv_usec, 0);
}

TEST(SelectTest, PselectMask) {
  static std::atomic<int> caught;
  caught = 0;
  ScopedSigaction action(SIGUSR1, [](int) { ++caught; });
  ScopedSigmask blocked(SIG_BLOCK, {SIGUSR1});
  raise(SIGUSR1);
  sigset_t empty = SigSet({});
  const timespec limit = Milliseconds(kLongMs);
  EXPECT_THAT(pselect(0, nullptr, nullptr, nullptr, &limit, &empty), FailsWith(EINTR));
  EXPECT_EQ(caught, 1);
}

class EpollTest : public testing::Test {
 protected:
  EpollTest() : ep_(epoll_create1(EPOLL_CLOEXEC)) { EXPECT_GE(ep_.get(), 0); }
  int Add(int fd, uint32_t events, uint64_t data = 0) { return Ctl(EPOLL_CTL_ADD, fd, events, data); }
  int Ctl(int op, int fd, uint32_t events, uint64_t data = 0) {
    epoll_event e = {events, {.u64 = data}};
    return epoll_ctl(ep_.get(), op, fd, &e);
  }
  // The events of all that is ready now; each with its data.
  std::vector<std::pair<uint64_t, uint32_t>> Ready(int timeout = 0, int ep = -1) {
    epoll_event e[16];
    const int n = epoll_wait(ep < 0 ? ep_.get() : ep, e, 16, timeout);
    EXPECT_GE(n, 0) << ErrnoName(errno);
    std::vector<std::pair<uint64_t, uint32_t>> result;
    for (int i = 0; i < n; ++i) {
      result.emplace_back(uint64_t{e[i].data.u64}, uint32_t{e[i].events});
    }
    return result;
  }
  using Events = std::vector<std::pair<uint64_t, uint32_t>>;
  Fd ep_;
};

TEST_F(EpollTest, LevelTriggered) {
  PipeFds p = MakePipe();
  EXPECT_THAT(Add(p.reader.get(), EPOLLIN, 7), SucceedsWith(0));
  EXPECT_EQ(Ready(), Events());
  EXPECT_THAT(write(p.writer.get(), "xy", 2), SucceedsWith(2));
  EXPECT_EQ(Ready(), (Events{{7, EPOLLIN}}));
  EXPECT_EQ(Ready(), (Events{{7, EPOLLIN}}));
  ReadExactly(p.reader.get(), 2);
  EXPECT_EQ(Ready(), Events());
}

TEST_F(EpollTest, EdgeTriggered) {
  PipeFds p = MakePipe();
  EXPECT_THAT(Add(p.reader.get(), EPOLLIN | EPOLLET, 7), SucceedsWith(0));
  EXPECT_THAT(write(p.writer.get(), "x", 1), SucceedsWith(1));
  EXPECT_EQ(Ready(), (Events{{7, EPOLLIN}}));
  EXPECT_EQ(Ready(), Events());
  // Every arrival is an edge, whatever is still unread.
  EXPECT_THAT(write(p.writer.get(), "x", 1), SucceedsWith(1));
  EXPECT_EQ(Ready(), (Events{{7, EPOLLIN}}));
  EXPECT_EQ(Ready(), Events());
  // Modifying looks again.
  EXPECT_THAT(Ctl(EPOLL_CTL_MOD, p.reader.get(), EPOLLIN | EPOLLET, 8), SucceedsWith(0));
  EXPECT_EQ(Ready(), (Events{{8, EPOLLIN}}));
}

TEST_F(EpollTest, OneShot) {
  PipeFds p = MakePipe();
  EXPECT_THAT(Add(p.reader.get(), EPOLLIN | EPOLLONESHOT, 1), SucceedsWith(0));
  EXPECT_THAT(write(p.writer.get(), "x", 1), SucceedsWith(1));
  EXPECT_EQ(Ready(), (Events{{1, EPOLLIN}}));
  EXPECT_EQ(Ready(), Events());
  EXPECT_THAT(write(p.writer.get(), "x", 1), SucceedsWith(1));
  EXPECT_EQ(Ready(), Events());
  EXPECT_THAT(Ctl(EPOLL_CTL_MOD, p.reader.get(), EPOLLIN | EPOLLONESHOT, 2), SucceedsWith(0));
  EXPECT_EQ(Ready(), (Events{{2, EPOLLIN}}));
}

TEST_F(EpollTest, HangupAndErrorAreAlwaysReported) {
  PipeFds p = MakePipe(), q = MakePipe();
  EXPECT_THAT(Add(p.reader.get(), 0, 1), SucceedsWith(0));
  EXPECT_THAT(Add(q.writer.get(), 0, 2), SucceedsWith(0));
  p.writer.reset();
  EXPECT_EQ(Ready(), (Events{{1, EPOLLHUP}}));
  EXPECT_THAT(Ctl(EPOLL_CTL_DEL, p.reader.get(), 0), SucceedsWith(0));
  q.reader.reset();
  EXPECT_EQ(Ready(), (Events{{2, EPOLLERR}}));
}

TEST_F(EpollTest, Errors) {
  PipeFds p = MakePipe();
  TempDir dir;
  Fd file = Open(dir / "f", O_RDWR | O_CREAT);
  EXPECT_THAT(Add(p.reader.get(), EPOLLIN), SucceedsWith(0));
  EXPECT_THAT(Add(p.reader.get(), EPOLLIN), FailsWith(EEXIST));
  EXPECT_THAT(Ctl(EPOLL_CTL_MOD, p.writer.get(), EPOLLOUT), FailsWith(ENOENT));
  EXPECT_THAT(Ctl(EPOLL_CTL_DEL, p.writer.get(), 0), FailsWith(ENOENT));
  EXPECT_THAT(Add(file.get(), EPOLLIN), FailsWith(EPERM));
  // Event loops whose standard input is /dev/null rely on this.
  for (const char* device : {"/dev/null", "/dev/zero", "/dev/full"}) {
    Fd fd = Open(device, O_RDWR);
    EXPECT_THAT(Add(fd.get(), EPOLLIN), FailsWith(EPERM)) << device;
  }
  Fd random = Open("/dev/random", O_RDONLY);
  EXPECT_THAT(Add(random.get(), EPOLLIN), SucceedsWith(0));
  EXPECT_THAT(Add(ep_.get(), EPOLLIN), FailsWith(EINVAL));
  EXPECT_THAT(Add(12345, EPOLLIN), FailsWith(EBADF));
  EXPECT_THAT(Ctl(99, p.writer.get(), EPOLLIN), FailsWith(EINVAL));
  epoll_event e;
  EXPECT_THAT(epoll_ctl(p.reader.get(), EPOLL_CTL_ADD, p.writer.get(), &e), FailsWith(EINVAL));
  EXPECT_THAT(epoll_wait(ep_.get(), &e, 0, 0), FailsWith(EINVAL));
  EXPECT_THAT(epoll_wait(p.reader.get(), &e, 1, 0), FailsWith(EINVAL));
  EXPECT_THAT(epoll_wait(-1, &e, 1, 0), FailsWith(EBADF));
  EXPECT_THAT(epoll_create(0), FailsWith(EINVAL));
  EXPECT_THAT(epoll_create1(0x100), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_epoll_ctl, ep_.get(), EPOLL_CTL_ADD, p.writer.get(), 8),
              FailsWith(EFAULT));
}

TEST_F(EpollTest, ClosedFilesGoAway) {
  PipeFds p = MakePipe();
  EXPECT_THAT(write(p.writer.get(), "x", 1), SucceedsWith(1));
  Fd copy(dup(p.reader.get()));
  EXPECT_THAT(Add(p.reader.get(), EPOLLIN, 1), SucceedsWith(0));
  p.reader.reset();
  // The description lives on in its copy.
  EXPECT_EQ(Ready(), (Events{{1, EPOLLIN}}));
  copy.reset();
  EXPECT_EQ(Ready(), Events());
}

TEST_F(EpollTest, SameFileUnderTwoNumbers) {
  PipeFds p = MakePipe();
  Fd copy(dup(p.reader.get()));
  EXPECT_THAT(Add(p.reader.get(), EPOLLIN, 1), SucceedsWith(0));
  EXPECT_THAT(Add(copy.get(), EPOLLIN, 2), SucceedsWith(0));
  EXPECT_THAT(write(p.writer.get(), "x", 1), SucceedsWith(1));
  EXPECT_THAT(Ready(), testing::UnorderedElementsAre(testing::Pair(1, EPOLLIN),
                                                     testing::Pair(2, EPOLLIN)));
}

TEST_F(EpollTest, Nesting) {
  PipeFds p = MakePipe();
  Fd outer(epoll_create1(0));
  EXPECT_THAT(Add(p.reader.get(), EPOLLIN, 1), SucceedsWith(0));
  epoll_event e = {EPOLLIN, {.u64 = 5}};
  EXPECT_THAT(epoll_ctl(outer.get(), EPOLL_CTL_ADD, ep_.get(), &e), SucceedsWith(0));
  EXPECT_EQ(Ready(0, outer.get()), Events());
  EXPECT_EQ(Poll(outer.get(), POLLIN), 0);
  EXPECT_THAT(write(p.writer.get(), "x", 1), SucceedsWith(1));
  EXPECT_EQ(Ready(0, outer.get()), (Events{{5, EPOLLIN}}));
  EXPECT_EQ(Poll(outer.get(), POLLIN), POLLIN);
  ReadExactly(p.reader.get(), 1);
  EXPECT_EQ(Ready(0, outer.get()), Events());
  // No circles.
  EXPECT_THAT(Add(outer.get(), EPOLLIN), FailsWith(ELOOP));
}

TEST_F(EpollTest, FairnessBetweenReadyFiles) {
  Fd a(eventfd(1, 0)), b(eventfd(1, 0));
  EXPECT_THAT(Add(a.get(), EPOLLIN, 1), SucceedsWith(0));
  EXPECT_THAT(Add(b.get(), EPOLLIN, 2), SucceedsWith(0));
  epoll_event e;
  EXPECT_THAT(epoll_wait(ep_.get(), &e, 1, 0), SucceedsWith(1));
  const uint64_t first = e.data.u64;
  EXPECT_THAT(epoll_wait(ep_.get(), &e, 1, 0), SucceedsWith(1));
  EXPECT_NE(e.data.u64, first);
}

TEST_F(EpollTest, WakesForLateAdditionsAndEvents) {
  PipeFds p = MakePipe();
  ScopedThread thread([&] { EXPECT_EQ(Ready(-1), (Events{{3, EPOLLIN}})); });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  EXPECT_THAT(Add(p.reader.get(), EPOLLIN, 3), SucceedsWith(0));
  EXPECT_THAT(write(p.writer.get(), "x", 1), SucceedsWith(1));
  thread.Join();
}

TEST_F(EpollTest, TimeoutAndInterruption) {
  const int64_t start = NowNs();
  EXPECT_EQ(Ready(20), Events());
  EXPECT_GE(NowNs() - start, 20000000);
  ScopedSigaction action(SIGUSR1, [](int) {}, SA_RESTART);
  ScopedThread thread([&] {
    epoll_event e;
    EXPECT_THAT(epoll_wait(ep_.get(), &e, 1, -1), FailsWith(EINTR));
  });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  pthread_kill(thread.handle(), SIGUSR1);
  thread.Join();
  const timespec limit = {0, 1000000};
  epoll_event e;
  EXPECT_THAT(epoll_pwait2(ep_.get(), &e, 1, &limit, nullptr), SucceedsWith(0));
}

TEST_F(EpollTest, EdgeForOneOfManyWaiters) {
  // EPOLLET wakes one waiter per event; the other keeps waiting for the next.
  Fd event(eventfd(0, 0));
  EXPECT_THAT(Add(event.get(), EPOLLIN | EPOLLET, 1), SucceedsWith(0));
  std::atomic<int> woken = 0;
  const auto body = [&] {
    EXPECT_EQ(Ready(-1), (Events{{1, EPOLLIN}}));
    ++woken;
  };
  ScopedThread a(body), b(body);
  EXPECT_TRUE(WaitUntilBlocked(a.tid()));
  EXPECT_TRUE(WaitUntilBlocked(b.tid()));
  const uint64_t one = 1;
  EXPECT_THAT(write(event.get(), &one, 8), SucceedsWith(8));
  EXPECT_TRUE(WaitUntil([&] { return woken == 1; }));
  EXPECT_THAT(write(event.get(), &one, 8), SucceedsWith(8));
  EXPECT_TRUE(WaitUntil([&] { return woken == 2; }));
}

TEST_F(EpollTest, RdHup) {
  int s[2];
  ASSERT_THAT(socketpair(AF_UNIX, SOCK_STREAM, 0, s), SucceedsWith(0));
  Fd a(s[0]), b(s[1]);
  EXPECT_THAT(Add(a.get(), EPOLLIN | EPOLLRDHUP, 1), SucceedsWith(0));
  EXPECT_THAT(shutdown(b.get(), SHUT_WR), SucceedsWith(0));
  EXPECT_EQ(Ready(), (Events{{1, EPOLLIN | EPOLLRDHUP}}));
  b.reset();
  EXPECT_EQ(Ready(), (Events{{1, EPOLLIN | EPOLLRDHUP | EPOLLHUP}}));
}

}  // namespace
}  // namespace cvisor::test
