// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// Pipes and FIFOs: pipe(7), fifo(7), F_SETPIPE_SZ, O_DIRECT, SIGPIPE.
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

std::string Fill(int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  const std::string chunk(4096, 'f');
  std::string all;
  for (ssize_t n; (n = write(fd, chunk.data(), chunk.size())) > 0;) {
    all.append(chunk, 0, static_cast<size_t>(n));
  }
  EXPECT_EQ(errno, EAGAIN);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
  return all;
}

TEST(PipeTest, DataArrivesInOrder) {
  PipeFds p = MakePipe();
  EXPECT_THAT(write(p.writer.get(), "hello", 5), SucceedsWith(5));
  EXPECT_THAT(write(p.writer.get(), " world", 6), SucceedsWith(6));
  char b[32];
  EXPECT_THAT(read(p.reader.get(), b, 3), SucceedsWith(3));
  EXPECT_THAT(read(p.reader.get(), b + 3, sizeof b - 3), SucceedsWith(8));
  EXPECT_EQ(std::string(b, 11), "hello world");
}

TEST(PipeTest, Flags) {
  int fds[2];
  EXPECT_THAT(pipe2(fds, O_RDWR), FailsWith(EINVAL));
  EXPECT_THAT(pipe2(reinterpret_cast<int*>(8), 0), FailsWith(EFAULT));
  PipeFds p = MakePipe(O_CLOEXEC | O_NONBLOCK);
  EXPECT_EQ(fcntl(p.reader.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(fcntl(p.writer.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(fcntl(p.reader.get(), F_GETFL), O_RDONLY | O_NONBLOCK);
  EXPECT_EQ(fcntl(p.writer.get(), F_GETFL), O_WRONLY | O_NONBLOCK);
}

TEST(PipeTest, EachEndHasItsDirection) {
  PipeFds p = MakePipe();
  char c = 0;
  EXPECT_THAT(write(p.reader.get(), &c, 1), FailsWith(EBADF));
  EXPECT_THAT(read(p.writer.get(), &c, 1), FailsWith(EBADF));
}

TEST(PipeTest, EmptyAndNonblocking) {
  PipeFds p = MakePipe(O_NONBLOCK);
  char c;
  EXPECT_THAT(read(p.reader.get(), &c, 1), FailsWith(EAGAIN));
  EXPECT_THAT(read(p.reader.get(), &c, 0), SucceedsWith(0));
  p.writer.reset();
  EXPECT_THAT(read(p.reader.get(), &c, 1), SucceedsWith(0));
}

TEST(PipeTest, FullAndNonblocking) {
  PipeFds p = MakePipe();
  EXPECT_EQ(Fill(p.writer.get()).size(), 65536u);
  fcntl(p.writer.get(), F_SETFL, O_NONBLOCK);
  EXPECT_THAT(write(p.writer.get(), "x", 1), FailsWith(EAGAIN));
  EXPECT_THAT(write(p.writer.get(), "x", 0), SucceedsWith(0));
  EXPECT_EQ(Poll(p.writer.get(), POLLOUT), 0);
  EXPECT_EQ(ReadExactly(p.reader.get(), 4096).size(), 4096u);
  EXPECT_EQ(Poll(p.writer.get(), POLLOUT), POLLOUT);
  // Up to PIPE_BUF bytes go as a whole or not at all; more may go in part.
  EXPECT_THAT(write(p.writer.get(), "xyz", 3), SucceedsWith(3));
  EXPECT_THAT(write(p.writer.get(), std::string(PIPE_BUF, 'x').data(), PIPE_BUF),
              FailsWith(EAGAIN));
}

TEST(PipeTest, LargeNonblockingWritesGoInPart) {
  PipeFds p = MakePipe(O_NONBLOCK);
  const std::string big(100000, 'b');
  EXPECT_THAT(write(p.writer.get(), big.data(), big.size()), SucceedsWith(65536));
}

TEST(PipeTest, BrokenPipe) {
  EXPECT_THAT(InChild([&] {
                PipeFds p = MakePipe();
                p.reader.reset();
                ScopedSigaction ignore(SIGPIPE, SIG_IGN);
                EXPECT_THAT(write(p.writer.get(), "x", 1), FailsWith(EPIPE));
              }),
              ExitedWith(0));
  EXPECT_THAT(InChild([&] {
                PipeFds p = MakePipe();
                p.reader.reset();
                (void)write(p.writer.get(), "x", 1);
              }),
              KilledBy(SIGPIPE));
}

TEST(PipeTest, SigpipeIsForTheWritingThread) {
  static std::atomic<pid_t> caught;
  caught = 0;
  ScopedSigaction action(SIGPIPE, [](int) { caught = gettid(); });
  PipeFds p = MakePipe();
  p.reader.reset();
  ScopedThread thread([&] { EXPECT_THAT(write(p.writer.get(), "x", 1), FailsWith(EPIPE)); });
  thread.Join();
  EXPECT_EQ(caught, thread.tid());
}

TEST(PipeTest, BlockedReaderWakesForDataAndForTheEnd) {
  for (const bool data : {true, false}) {
    PipeFds p = MakePipe();
    ScopedThread thread([&] {
      char c;
      EXPECT_THAT(read(p.reader.get(), &c, 1), SucceedsWith(data ? 1 : 0));
    });
    EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
    if (data) {
      EXPECT_THAT(write(p.writer.get(), "x", 1), SucceedsWith(1));
    } else {
      p.writer.reset();
    }
    thread.Join();
  }
}

TEST(PipeTest, BlockedWriterWakesForRoomAndForTheEnd) {
  {
    PipeFds p = MakePipe();
    Fill(p.writer.get());
    ScopedThread thread([&] { EXPECT_THAT(write(p.writer.get(), "x", 1), SucceedsWith(1)); });
    EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
    EXPECT_EQ(ReadExactly(p.reader.get(), 4096).size(), 4096u);
    thread.Join();
  }
  {
    ScopedSigaction ignore(SIGPIPE, SIG_IGN);
    PipeFds p = MakePipe();
    Fill(p.writer.get());
    ScopedThread thread([&] { EXPECT_THAT(write(p.writer.get(), "x", 1), FailsWith(EPIPE)); });
    EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
    p.reader.reset();
    thread.Join();
  }
}

TEST(PipeTest, InterruptedWriteReturnsWhatItDid) {
  ScopedSigaction action(SIGUSR1, [](int) {});
  PipeFds p = MakePipe();
  const std::string big(200000, 'b');
  ScopedThread thread(
      [&] { EXPECT_THAT(write(p.writer.get(), big.data(), big.size()), SucceedsWith(65536)); });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  EXPECT_EQ(pthread_kill(thread.handle(), SIGUSR1), 0);
  thread.Join();
}

TEST(PipeTest, SmallWritesAreAtomic) {
  PipeFds p = MakePipe();
  constexpr int kWriters = 4, kRecords = 100;
  constexpr size_t kSize = 1000;
  std::vector<pid_t> pids;
  for (int w = 0; w < kWriters; ++w) {
    pids.push_back(Fork([&] {
      p.reader.reset();
      const std::string record(kSize, static_cast<char>('a' + w));
      for (int i = 0; i < kRecords; ++i) {
        EXPECT_THAT(write(p.writer.get(), record.data(), kSize), SucceedsWith(kSize));
      }
    }));
  }
  p.writer.reset();
  const std::string all = ReadAll(p.reader.get());
  ASSERT_EQ(all.size(), kWriters * kRecords * kSize);
  for (size_t i = 0; i < all.size(); i += kSize) {
    ASSERT_EQ(all.substr(i, kSize), std::string(kSize, all[i]));
  }
  for (pid_t pid : pids) EXPECT_THAT(Wait(pid), ExitedWith(0));
}

TEST(PipeTest, PollBits) {
  PipeFds p = MakePipe();
  EXPECT_EQ(Poll(p.reader.get(), POLLIN | POLLOUT), 0);
  EXPECT_EQ(Poll(p.writer.get(), POLLIN | POLLOUT), POLLOUT);
  EXPECT_THAT(write(p.writer.get(), "x", 1), SucceedsWith(1));
  EXPECT_EQ(Poll(p.reader.get(), POLLIN | POLLRDNORM), POLLIN | POLLRDNORM);
  Fd copy(dup(p.writer.get()));
  p.writer.reset();
  EXPECT_EQ(Poll(p.reader.get(), POLLIN), POLLIN);
  copy.reset();
  EXPECT_EQ(Poll(p.reader.get(), POLLIN), POLLIN | POLLHUP);
  char c;
  EXPECT_THAT(read(p.reader.get(), &c, 1), SucceedsWith(1));
  EXPECT_EQ(Poll(p.reader.get(), POLLIN), POLLHUP);
  PipeFds q = MakePipe();
  q.reader.reset();
  EXPECT_EQ(Poll(q.writer.get(), POLLOUT), POLLOUT | POLLERR);
}

TEST(PipeTest, Capacity) {
  PipeFds p = MakePipe();
  EXPECT_THAT(fcntl(p.reader.get(), F_GETPIPE_SZ), SucceedsWith(65536));
  EXPECT_THAT(fcntl(p.writer.get(), F_SETPIPE_SZ, 10000), SucceedsWith(16384));
  EXPECT_THAT(fcntl(p.reader.get(), F_GETPIPE_SZ), SucceedsWith(16384));
  EXPECT_EQ(Fill(p.writer.get()).size(), 16384u);
  EXPECT_THAT(fcntl(p.writer.get(), F_SETPIPE_SZ, 4096), FailsWith(EBUSY));
  EXPECT_THAT(fcntl(p.writer.get(), F_SETPIPE_SZ, 1 << 20), SucceedsWith(1 << 20));
  EXPECT_EQ(ReadExactly(p.reader.get(), 16384), std::string(16384, 'f'));
  EXPECT_THAT(fcntl(p.writer.get(), F_SETPIPE_SZ, 0), SucceedsWith(4096));
  TempDir dir;
  Fd file = Open(dir / "f", O_RDWR | O_CREAT);
  EXPECT_THAT(fcntl(file.get(), F_GETPIPE_SZ), FailsWith(EBADF));
}

TEST(PipeTest, Fionread) {
  PipeFds p = MakePipe();
  int n = -1;
  EXPECT_THAT(ioctl(p.reader.get(), FIONREAD, &n), SucceedsWith(0));
  EXPECT_EQ(n, 0);
  EXPECT_THAT(write(p.writer.get(), "abc", 3), SucceedsWith(3));
  EXPECT_THAT(write(p.writer.get(), "de", 2), SucceedsWith(2));
  EXPECT_THAT(ioctl(p.writer.get(), FIONREAD, &n), SucceedsWith(0));
  EXPECT_EQ(n, 5);
}

TEST(PipeTest, PacketMode) {
  PipeFds p = MakePipe(O_DIRECT | O_NONBLOCK);
  EXPECT_EQ(fcntl(p.writer.get(), F_GETFL) & O_DIRECT, O_DIRECT);
  EXPECT_THAT(write(p.writer.get(), "first", 5), SucceedsWith(5));
  EXPECT_THAT(write(p.writer.get(), "second", 6), SucceedsWith(6));
  char b[16];
  // One packet at a time; what does not fit is lost.
  EXPECT_THAT(read(p.reader.get(), b, 3), SucceedsWith(3));
  EXPECT_EQ(std::string(b, 3), "fir");
  EXPECT_THAT(read(p.reader.get(), b, sizeof b), SucceedsWith(6));
  EXPECT_EQ(std::string(b, 6), "second");
  EXPECT_THAT(read(p.reader.get(), b, sizeof b), FailsWith(EAGAIN));
}

TEST(PipeTest, VectorsAndFaults) {
  PipeFds p = MakePipe(O_NONBLOCK);
  char a[] = "ab", b[] = "cde";
  iovec v[2] = {{a, 2}, {b, 3}};
  EXPECT_THAT(writev(p.writer.get(), v, 2), SucceedsWith(5));
  v[0] = {reinterpret_cast<void*>(8), 2};
  EXPECT_THAT(readv(p.reader.get(), v, 2), FailsWith(EFAULT));
  // A failed read takes nothing away.
  v[0] = {a, 2};
  EXPECT_THAT(readv(p.reader.get(), v, 2), SucceedsWith(5));
  EXPECT_THAT(writev(p.writer.get(), v, 0), SucceedsWith(0));
}

TEST(PipeTest, ReopenThroughProc) {
  PipeFds p = MakePipe();
  Fd again = Open("/proc/self/fd/" + std::to_string(p.reader.get()), O_WRONLY);
  p.writer.reset();
  EXPECT_THAT(write(again.get(), "x", 1), SucceedsWith(1));
  char b[64] = {};
  EXPECT_THAT(read(p.reader.get(), b, 1), SucceedsWith(1));
  const std::string link = "/proc/self/fd/" + std::to_string(p.reader.get());
  EXPECT_THAT(readlink(link.c_str(), b, sizeof b - 1), Succeeds());
  EXPECT_EQ(std::string(b).rfind("pipe:[", 0), 0u) << b;
}

class FifoTest : public testing::Test {
 protected:
  FifoTest() { EXPECT_EQ(mkfifo(dir_.c("fifo"), 0600), 0); }
  TempDir dir_;
};

TEST_F(FifoTest, NonblockingOpens) {
  EXPECT_THAT(open(dir_.c("fifo"), O_WRONLY | O_NONBLOCK), FailsWith(ENXIO));
  Fd r = Open(dir_ / "fifo", O_RDONLY | O_NONBLOCK);
  char c;
  EXPECT_THAT(read(r.get(), &c, 1), SucceedsWith(0));
  EXPECT_EQ(Poll(r.get(), POLLIN), 0);
  Fd w = Open(dir_ / "fifo", O_WRONLY | O_NONBLOCK);
  EXPECT_THAT(read(r.get(), &c, 1), FailsWith(EAGAIN));
  EXPECT_THAT(write(w.get(), "x", 1), SucceedsWith(1));
  w.reset();
  EXPECT_EQ(Poll(r.get(), POLLIN), POLLIN | POLLHUP);
  EXPECT_THAT(read(r.get(), &c, 1), SucceedsWith(1));
  EXPECT_THAT(read(r.get(), &c, 1), SucceedsWith(0));
}

TEST_F(FifoTest, OpensMeet) {
  ScopedChild child([&] {
    Fd w = Open(dir_ / "fifo", O_WRONLY);
    EXPECT_THAT(write(w.get(), "met", 3), SucceedsWith(3));
  });
  EXPECT_TRUE(WaitUntilBlocked(child.pid()));
  Fd r = Open(dir_ / "fifo", O_RDONLY);
  EXPECT_EQ(ReadAll(r.get()), "met");
  EXPECT_THAT(child.Wait(), ExitedWith(0));
}

TEST_F(FifoTest, BlockingOpenIsInterrupted) {
  ScopedChild child([&] {
    ScopedSigaction action(SIGUSR1, [](int) {});
    EXPECT_THAT(open(dir_.c("fifo"), O_RDONLY), FailsWith(EINTR));
  });
  EXPECT_TRUE(WaitUntilBlocked(child.pid()));
  EXPECT_THAT(kill(child.pid(), SIGUSR1), SucceedsWith(0));
  EXPECT_THAT(child.Wait(), ExitedWith(0));
}

TEST_F(FifoTest, ReadWriteOpenNeverBlocks) {
  Fd rw = Open(dir_ / "fifo", O_RDWR);
  EXPECT_THAT(write(rw.get(), "x", 1), SucceedsWith(1));
  char c;
  EXPECT_THAT(read(rw.get(), &c, 1), SucceedsWith(1));
  EXPECT_EQ(Poll(rw.get(), POLLIN | POLLOUT), POLLOUT);
  EXPECT_THAT(lseek(rw.get(), 0, SEEK_SET), FailsWith(ESPIPE));
}

TEST_F(FifoTest, DataGoesWhenAllHaveClosed) {
  Fd rw = Open(dir_ / "fifo", O_RDWR | O_NONBLOCK);
  EXPECT_THAT(write(rw.get(), "x", 1), SucceedsWith(1));
  rw.reset();
  rw = Open(dir_ / "fifo", O_RDWR | O_NONBLOCK);
  char c;
  EXPECT_THAT(read(rw.get(), &c, 1), FailsWith(EAGAIN));
}

}  // namespace
}  // namespace cvisor::test
