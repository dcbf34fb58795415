// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/host/fd_file.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <utility>

#include "gtest/gtest.h"
#include "pkg/base/mutex.h"

namespace cvisor::fs::host {
namespace {

class Flag : public Waiter {
 public:
  void OnEvent(EventMask mask) override {
    MutexLock lock(mu_);
    seen_ |= mask;
    cv_.SignalAll();
  }
  bool Wait(EventMask mask, int ms = 5000) {
    const absl::Time deadline = absl::Now() + absl::Milliseconds(ms);
    MutexLock lock(mu_);
    while (!(seen_ & mask)) {
      if (cv_.WaitWithDeadline(&mu_, deadline)) return (seen_ & mask) != 0;
    }
    seen_ = 0;
    return true;
  }

 private:
  Mutex mu_;
  CondVar cv_;
  EventMask seen_ = 0;
};

Ref<FdFile> Import(int fd) {
  auto file = NewFdFile(UniqueFd(fd));
  EXPECT_TRUE(file.ok());
  return *file;
}

Result<std::string> Read(vfs::FileDescription& file, size_t n = 4096) {
  std::string s(n, '\0');
  SpanSink sink(s.data(), n);
  auto got = file.Read(sink);
  if (!got.ok()) return got.error();
  s.resize(*got);
  return s;
}

Result<size_t> Write(vfs::FileDescription& file, std::string_view text) {
  SpanSource src(text.data(), text.size());
  return file.Write(src);
}

TEST(FdFile, PipeNeverBlocksAndKeepsHostFlags) {
  int p[2];
  ASSERT_EQ(pipe(p), 0);
  const int outside_r = dup(p[0]), outside_w = dup(p[1]);
  auto r = Import(p[0]);
  auto w = Import(p[1]);
  EXPECT_EQ(Read(*r).error(), Errno::kEAGAIN);
  EXPECT_EQ(Write(*w, "hi").value(), 2u);
  EXPECT_EQ(Read(*r).value(), "hi");
  EXPECT_EQ(fcntl(outside_r, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(fcntl(outside_w, F_GETFL) & O_NONBLOCK, 0);
  // Filling the pipe ends in a short count, then EAGAIN, and nothing is lost.
  const std::string big(1 << 20, 'b');
  size_t sent = 0;
  for (;;) {
    auto n = Write(*w, std::string_view(big).substr(sent));
    if (!n.ok()) {
      EXPECT_EQ(n.error(), Errno::kEAGAIN);
      break;
    }
    sent += *n;
  }
  EXPECT_EQ(w->Readiness(kEventOut) & EPOLLOUT, 0u);
  size_t got = 0;
  while (got < sent) got += Read(*r, 1 << 20)->size();
  EXPECT_EQ(got, sent);
  EXPECT_EQ(r->Seek(0, SEEK_CUR).error(), Errno::kESPIPE);
  close(outside_w);
  w = nullptr;
  EXPECT_EQ(Read(*r).value(), "");
  EXPECT_NE(r->Readiness(kEventIn) & EPOLLHUP, 0u);
  close(outside_r);
}

TEST(FdFile, BrokenPipeIsAnError) {
  int p[2];
  ASSERT_EQ(pipe(p), 0);
  auto w = Import(p[1]);
  close(p[0]);
  EXPECT_EQ(Write(*w, "x").error(), Errno::kEPIPE);
}

TEST(FdFile, PollerWakesWaiters) {
  int p[2];
  ASSERT_EQ(pipe(p), 0);
  auto r = Import(p[0]);
  ASSERT_NE(r->wait_queue(), nullptr);
  EXPECT_TRUE(r->pollable());
  Flag flag;
  r->wait_queue()->Register(&flag, kEventIn);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(r->Readiness(kEventIn), 0u);
    std::thread writer([&] {
      usleep(20000);
      EXPECT_EQ(write(p[1], "x", 1), 1);
    });
    EXPECT_TRUE(flag.Wait(EPOLLIN));
    writer.join();
    EXPECT_EQ(Read(*r).value(), "x");
  }
  EXPECT_EQ(Read(*r).error(), Errno::kEAGAIN);
  close(p[1]);
  EXPECT_TRUE(flag.Wait(EPOLLHUP));
  r->wait_queue()->Unregister(&flag);
}

TEST(FdFile, SecondWaiterIsToldOfWhatTheFirstLeft) {
  int p[2];
  ASSERT_EQ(pipe(p), 0);
  auto r = Import(p[0]);
  Flag a, b;
  r->wait_queue()->Register(&a, kEventIn, /*exclusive=*/true);
  r->wait_queue()->Register(&b, kEventIn, /*exclusive=*/true);
  EXPECT_EQ(r->Readiness(kEventIn), 0u);
  ASSERT_EQ(write(p[1], "xy", 2), 2);
  EXPECT_TRUE(a.Wait(EPOLLIN));
  r->wait_queue()->Unregister(&a);
  EXPECT_EQ(Read(*r, 1).value(), "x");
  EXPECT_TRUE(b.Wait(EPOLLIN));
  r->wait_queue()->Unregister(&b);
  close(p[1]);
}

TEST(FdFile, RegularFilesShareTheHostPosition) {
  char name[] = "/tmp/cvisor-fd-XXXXXX";
  const int fd = mkstemp(name);
  unlink(name);
  const int outside = dup(fd);
  auto file = Import(fd);
  EXPECT_TRUE(file->seekable());
  EXPECT_FALSE(file->pollable());
  EXPECT_EQ(Write(*file, "abc").value(), 3u);
  EXPECT_EQ(lseek(outside, 0, SEEK_CUR), 3);
  ASSERT_EQ(write(outside, "def", 3), 3);
  EXPECT_EQ(file->Seek(0, SEEK_CUR).value(), 6);
  EXPECT_EQ(file->Seek(1, SEEK_SET).value(), 1);
  EXPECT_EQ(Read(*file, 3).value(), "bcd");
  EXPECT_EQ(file->Readiness(kEventIn | kEventOut), kEventIn | kEventOut);
  EXPECT_EQ(file->GetAttr()->size, 6u);
  close(outside);
}

TEST(FdFile, DevNull) {
  auto file = Import(open("/dev/null", O_RDWR));
  EXPECT_EQ(Read(*file).value(), "");
  EXPECT_EQ(Write(*file, "gone").value(), 4u);
  EXPECT_EQ(file->GetAttr()->rdev, makedev(1, 3));
}

TEST(FdFile, Socket) {
  int s[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
  auto file = Import(s[0]);
  EXPECT_EQ(Read(*file).error(), Errno::kEAGAIN);
  EXPECT_EQ(Write(*file, "ping").value(), 4u);
  char buffer[8];
  EXPECT_EQ(read(s[1], buffer, 8), 4);
  close(s[1]);
  EXPECT_EQ(Read(*file).value(), "");
  EXPECT_EQ(Write(*file, "x").error(), Errno::kEPIPE);
}

TEST(FdFile, OpeningAgainKeepsToTheAccessLent) {
  int p[2];
  ASSERT_EQ(pipe(p), 0);
  auto r = Import(p[0]);
  auto creds = MakeRef<Credentials>();
  EXPECT_EQ(r->inode().Open(r->path(), O_WRONLY, *creds).error(), Errno::kEACCES);
  auto again = r->inode().Open(r->path(), O_RDONLY, *creds);
  ASSERT_TRUE(again.ok());
  ASSERT_EQ(write(p[1], "q", 1), 1);
  EXPECT_EQ(Read(**again).value(), "q");
  close(p[1]);
}

TEST(FdFile, Terminal) {
  int master, slave;
  ASSERT_EQ(openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  struct stat st;
  ASSERT_EQ(fstat(slave, &st), 0);
  auto tty = Import(slave);
  EXPECT_NE(dynamic_cast<HostTty*>(tty.get()), nullptr);
  EXPECT_EQ(tty->GetAttr()->rdev, st.st_rdev);
  EXPECT_TRUE(S_ISCHR(tty->GetAttr()->mode));
  EXPECT_EQ(Read(*tty).error(), Errno::kEAGAIN);
  EXPECT_EQ(Write(*tty, "out").value(), 3u);
  char buffer[16];
  EXPECT_EQ(read(master, buffer, sizeof(buffer)), 3);
  Flag flag;
  tty->wait_queue()->Register(&flag, kEventIn);
  EXPECT_EQ(tty->Readiness(kEventIn), 0u);
  ASSERT_EQ(write(master, "line\n", 5), 5);
  EXPECT_TRUE(flag.Wait(EPOLLIN));
  EXPECT_EQ(Read(*tty).value(), "line\n");
  tty->wait_queue()->Unregister(&flag);
  EXPECT_EQ(tty->Seek(0, SEEK_CUR).error(), Errno::kESPIPE);
  // Output nobody reads does not block either.
  const std::string big(1 << 20, 'b');
  size_t rounds = 0;
  while (Write(*tty, big).ok()) ASSERT_LT(++rounds, 100u);
  close(master);
}

}  // namespace
}  // namespace cvisor::fs::host
