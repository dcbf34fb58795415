// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// unix(7): stream, datagram and sequential packet sockets.
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

struct Address {
  sockaddr_un un = {AF_UNIX, {}};
  socklen_t len = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&un); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&un); }
};
Address Path(const std::string& path) {
  Address a;
  memcpy(a.un.sun_path, path.data(), path.size());
  a.len = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return a;
}
Address Abstract(const std::string& name) {
  Address a;
  memcpy(a.un.sun_path + 1, name.data(), name.size());
  a.len = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return a;
}
struct Pair {
  Fd a, b;
};
Pair MakePair(int type) {
  int s[2] = {-1, -1};
  EXPECT_THAT(socketpair(AF_UNIX, type, 0, s), SucceedsWith(0));
  return {Fd(s[0]), Fd(s[1])};
}
int Bind(int fd, const Address& a) { return bind(fd, a.get(), a.len); }
int Connect(int fd, const Address& a) { return connect(fd, a.get(), a.len); }
std::string Name(const Address& a) {
  return std::string(a.un.sun_path, a.len - offsetof(sockaddr_un, sun_path));
}

class UnixTest : public testing::Test {
 protected:
  TempDir dir_;
};

class UnixPairTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Types, UnixPairTest,
                         testing::Values(SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET));

TEST_P(UnixPairTest, BothDirections) {
  Pair p = MakePair(GetParam());
  char b[16];
  EXPECT_THAT(write(p.a.get(), "ping", 4), SucceedsWith(4));
  EXPECT_THAT(read(p.b.get(), b, sizeof b), SucceedsWith(4));
  EXPECT_THAT(send(p.b.get(), "pong!", 5, 0), SucceedsWith(5));
  EXPECT_THAT(recv(p.a.get(), b, sizeof b, 0), SucceedsWith(5));
  EXPECT_EQ(std::string(b, 5), "pong!");
}

TEST_P(UnixPairTest, Boundaries) {
  Pair p = MakePair(GetParam());
  EXPECT_THAT(write(p.a.get(), "one", 3), SucceedsWith(3));
  EXPECT_THAT(write(p.a.get(), "two", 3), SucceedsWith(3));
  char b[16];
  if (GetParam() == SOCK_STREAM) {
    EXPECT_THAT(read(p.b.get(), b, 2), SucceedsWith(2));
    EXPECT_THAT(read(p.b.get(), b, sizeof b), SucceedsWith(4));
    EXPECT_EQ(std::string(b, 4), "etwo");
  } else {
    EXPECT_THAT(read(p.b.get(), b, 2), SucceedsWith(2));
    EXPECT_THAT(read(p.b.get(), b, sizeof b), SucceedsWith(3));
    EXPECT_EQ(std::string(b, 3), "two");
  }
}

TEST_P(UnixPairTest, PeekAndTruncation) {
  Pair p = MakePair(GetParam());
  EXPECT_THAT(write(p.a.get(), "abcdef", 6), SucceedsWith(6));
  char b[16];
  EXPECT_THAT(recv(p.b.get(), b, 3, MSG_PEEK), SucceedsWith(3));
  EXPECT_EQ(std::string(b, 3), "abc");
  iovec v = {b, 3};
  msghdr m = {};
  m.msg_iov = &v;
  m.msg_iovlen = 1;
  EXPECT_THAT(recvmsg(p.b.get(), &m, MSG_PEEK), SucceedsWith(3));
  const bool packets = GetParam() != SOCK_STREAM;
  EXPECT_EQ(m.msg_flags & MSG_TRUNC, packets ? MSG_TRUNC : 0);
  if (packets) {
    EXPECT_THAT(recv(p.b.get(), b, 3, MSG_TRUNC), SucceedsWith(6));
  }
}

TEST_P(UnixPairTest, NonblockingAndFull) {
  Pair p = MakePair(GetParam() | SOCK_NONBLOCK | SOCK_CLOEXEC);
  EXPECT_EQ(fcntl(p.a.get(), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  EXPECT_EQ(fcntl(p.a.get(), F_GETFD), FD_CLOEXEC);
  char b[1024] = {};
  EXPECT_THAT(read(p.a.get(), b, 1), FailsWith(EAGAIN));
  EXPECT_EQ(Poll(p.a.get(), POLLIN | POLLOUT), POLLOUT);
  int writes = 0;
  while (write(p.a.get(), b, sizeof b) > 0) ++writes;
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_GT(writes, 3);
  EXPECT_EQ(Poll(p.a.get(), POLLOUT), 0);
  while (read(p.b.get(), b, sizeof b) > 0) {
  }
  EXPECT_EQ(Poll(p.a.get(), POLLOUT), POLLOUT);
}

TEST_P(UnixPairTest, BlockedWriterWakes) {
  Pair p = MakePair(GetParam());
  std::atomic<int> sent = 0;
  ScopedThread thread([&] {
    const std::string chunk(1000, 'x');
    for (int i = 0; i < 1000; ++i) {
      EXPECT_THAT(write(p.a.get(), chunk.data(), chunk.size()), SucceedsWith(1000));
      ++sent;
    }
    p.a.reset();
  });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  size_t total = 0;
  char b[4096];
  while (total < 1000 * 1000) {
    const ssize_t n = read(p.b.get(), b, sizeof b);
    ASSERT_GT(n, 0);
    total += static_cast<size_t>(n);
  }
  thread.Join();
  EXPECT_EQ(sent, 1000);
}

TEST_P(UnixPairTest, ClosedPeer) {
  Pair p = MakePair(GetParam());
  EXPECT_THAT(write(p.b.get(), "last", 4), SucceedsWith(4));
  p.b.reset();
  char b[16];
  const bool dgram = GetParam() == SOCK_DGRAM;
  EXPECT_THAT(recv(p.a.get(), b, sizeof b, MSG_DONTWAIT), SucceedsWith(4));
  if (dgram) {
    EXPECT_THAT(recv(p.a.get(), b, sizeof b, MSG_DONTWAIT), FailsWith(EAGAIN));
    EXPECT_THAT(send(p.a.get(), "x", 1, MSG_NOSIGNAL), FailsWith(ECONNREFUSED));
  } else {
    EXPECT_THAT(recv(p.a.get(), b, sizeof b, 0), SucceedsWith(0));
    EXPECT_THAT(send(p.a.get(), "x", 1, MSG_NOSIGNAL), FailsWith(EPIPE));
    EXPECT_EQ(Poll(p.a.get(), POLLIN | POLLOUT | POLLRDHUP) & (POLLHUP | POLLRDHUP | POLLIN),
              POLLHUP | POLLRDHUP | POLLIN);
  }
}

TEST_P(UnixPairTest, OnlyStreamsSendSigpipe) {
  EXPECT_THAT(InChild([] {
                Pair p = MakePair(GetParam());
                p.b.reset();
                (void)write(p.a.get(), "x", 1);
              }),
              GetParam() == SOCK_STREAM ? testing::Matcher<int>(KilledBy(SIGPIPE))
                                        : testing::Matcher<int>(ExitedWith(0)));
}

TEST_P(UnixPairTest, PassingDescriptors) {
  Pair p = MakePair(GetParam());
  PipeFds pipe = MakePipe();
  char data[] = "fd";
  iovec v = {data, 2};
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
  msghdr m = {};
  m.msg_iov = &v;
  m.msg_iovlen = 1;
  m.msg_control = control;
  m.msg_controllen = sizeof control;
  cmsghdr* c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(2 * sizeof(int));
  const int send_fds[2] = {pipe.reader.get(), pipe.writer.get()};
  memcpy(CMSG_DATA(c), send_fds, sizeof send_fds);
  EXPECT_THAT(sendmsg(p.a.get(), &m, 0), SucceedsWith(2));
  pipe = {};
  memset(control, 0, sizeof control);
  m.msg_controllen = sizeof control;
  EXPECT_THAT(recvmsg(p.b.get(), &m, MSG_CMSG_CLOEXEC), SucceedsWith(2));
  c = CMSG_FIRSTHDR(&m);
  ASSERT_NE(c, nullptr);
  EXPECT_EQ(c->cmsg_type, SCM_RIGHTS);
  EXPECT_EQ(c->cmsg_len, CMSG_LEN(2 * sizeof(int)));
  int got[2];
  memcpy(got, CMSG_DATA(c), sizeof got);
  Fd r(got[0]), w(got[1]);
  EXPECT_EQ(fcntl(r.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_THAT(write(w.get(), "through", 7), SucceedsWith(7));
  EXPECT_EQ(ReadExactly(r.get(), 7), "through");
}

ssize_t SendFd(int s, int fd, const char* text, size_t len) {
  iovec v = {const_cast<char*>(text), len};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr m = {};
  m.msg_iov = &v;
  m.msg_iovlen = 1;
  m.msg_control = control;
  m.msg_controllen = sizeof control;
  cmsghdr* c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(c), &fd, sizeof fd);
  return sendmsg(s, &m, 0);
}

TEST_F(UnixTest, DescriptorsThatDoNotFitAreClosed) {
  Pair p = MakePair(SOCK_STREAM);
  PipeFds pipe = MakePipe();
  EXPECT_THAT(SendFd(p.a.get(), pipe.writer.get(), "x", 1), SucceedsWith(1));
  pipe.writer.reset();
  EXPECT_EQ(Poll(pipe.reader.get(), POLLIN), 0);
  char b;
  iovec v = {&b, 1};
  msghdr m = {};
  m.msg_iov = &v;
  m.msg_iovlen = 1;
  EXPECT_THAT(recvmsg(p.b.get(), &m, 0), SucceedsWith(1));
  EXPECT_EQ(m.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
  EXPECT_EQ(Poll(pipe.reader.get(), POLLIN, kLongMs), POLLHUP);
}

TEST_F(UnixTest, DescriptorsInFlightDieWithTheSocket) {
  PipeFds pipe = MakePipe();
  {
    Pair p = MakePair(SOCK_STREAM);
    EXPECT_THAT(SendFd(p.a.get(), pipe.writer.get(), "x", 1), SucceedsWith(1));
    // A circle that only a collector can break.
    EXPECT_THAT(SendFd(p.a.get(), p.a.get(), "x", 1), SucceedsWith(1));
    EXPECT_THAT(SendFd(p.a.get(), p.b.get(), "x", 1), SucceedsWith(1));
  }
  pipe.writer.reset();
  // Linux collects at the next close of a Unix socket, in the background.
  EXPECT_TRUE(WaitUntil([&] {
    Pair another = MakePair(SOCK_STREAM);
    EXPECT_THAT(SendFd(another.a.get(), another.b.get(), "x", 1), SucceedsWith(1));
    return Poll(pipe.reader.get(), POLLIN) == POLLHUP;
  }));
}

TEST_F(UnixTest, StreamsStopAtMessagesWithDescriptors) {
  Pair p = MakePair(SOCK_STREAM);
  EXPECT_THAT(write(p.a.get(), "before", 6), SucceedsWith(6));
  EXPECT_THAT(SendFd(p.a.get(), p.b.get(), "with", 4), SucceedsWith(4));
  EXPECT_THAT(write(p.a.get(), "after", 5), SucceedsWith(5));
  char b[64];
  alignas(cmsghdr) char control[64];
  iovec v = {b, sizeof b};
  msghdr m = {};
  m.msg_iov = &v;
  m.msg_iovlen = 1;
  m.msg_control = control;
  m.msg_controllen = sizeof control;
  // Messages with descriptors are not merged with what comes after.
  EXPECT_THAT(recvmsg(p.b.get(), &m, 0), SucceedsWith(10));
  ASSERT_NE(CMSG_FIRSTHDR(&m), nullptr);
  int fd;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
  close(fd);
  m.msg_controllen = sizeof control;
  EXPECT_THAT(recvmsg(p.b.get(), &m, 0), SucceedsWith(5));
}

TEST_F(UnixTest, BadDescriptorsInMessages) {
  Pair p = MakePair(SOCK_STREAM);
  EXPECT_THAT(SendFd(p.a.get(), 12345, "x", 1), FailsWith(EBADF));
  EXPECT_THAT(SendFd(p.a.get(), -1, "x", 1), FailsWith(EBADF));
}

TEST_F(UnixTest, Credentials) {
  Pair p = MakePair(SOCK_DGRAM);
  const int on = 1;
  EXPECT_THAT(setsockopt(p.b.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on), SucceedsWith(0));
  EXPECT_THAT(write(p.a.get(), "x", 1), SucceedsWith(1));
  char b;
  iovec v = {&b, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
  msghdr m = {};
  m.msg_iov = &v;
  m.msg_iovlen = 1;
  m.msg_control = control;
  m.msg_controllen = sizeof control;
  EXPECT_THAT(recvmsg(p.b.get(), &m, 0), SucceedsWith(1));
  cmsghdr* c = CMSG_FIRSTHDR(&m);
  ASSERT_NE(c, nullptr);
  EXPECT_EQ(c->cmsg_type, SCM_CREDENTIALS);
  ucred cred;
  memcpy(&cred, CMSG_DATA(c), sizeof cred);
  EXPECT_EQ(cred.pid, getpid());
  EXPECT_EQ(cred.uid, 0u);
  EXPECT_EQ(cred.gid, 0u);
  // Only the privileged may lie.
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_CREDENTIALS;
                c->cmsg_len = CMSG_LEN(sizeof(ucred));
                m.msg_controllen = sizeof control;
                EXPECT_THAT(sendmsg(p.a.get(), &m, 0), FailsWith(EPERM));
                cred = {getpid(), kNobody, kNobody};
                memcpy(CMSG_DATA(c), &cred, sizeof cred);
                EXPECT_THAT(sendmsg(p.a.get(), &m, 0), SucceedsWith(1));
              }),
              ExitedWith(0));
}

TEST_F(UnixTest, PeerCredentials) {
  const Address a = Path(dir_ / "s");
  Fd listener(socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_THAT(Bind(listener.get(), a), SucceedsWith(0));
  ASSERT_THAT(chmod(dir_.c("s"), 0777), SucceedsWith(0));
  ASSERT_THAT(listen(listener.get(), 5), SucceedsWith(0));
  Event done;
  ScopedChild child([&] {
    BecomeNobody();
    Fd s(socket(AF_UNIX, SOCK_STREAM, 0));
    EXPECT_THAT(Connect(s.get(), a), SucceedsWith(0));
    ucred cred;
    socklen_t len = sizeof cred;
    EXPECT_THAT(getsockopt(s.get(), SOL_SOCKET, SO_PEERCRED, &cred, &len), SucceedsWith(0));
    EXPECT_EQ(cred.pid, getppid());
    EXPECT_EQ(cred.uid, 0u);
    done.Wait();
  });
  Fd s(accept(listener.get(), nullptr, nullptr));
  ucred cred;
  socklen_t len = sizeof cred;
  EXPECT_THAT(getsockopt(s.get(), SOL_SOCKET, SO_PEERCRED, &cred, &len), SucceedsWith(0));
  EXPECT_EQ(cred.pid, child.pid());
  EXPECT_EQ(cred.uid, kNobody);
  done.Signal();
  EXPECT_THAT(child.Wait(), ExitedWith(0));
}

class UnixConnectTest : public testing::TestWithParam<int> {
 protected:
  TempDir dir_;
};
INSTANTIATE_TEST_SUITE_P(Types, UnixConnectTest, testing::Values(SOCK_STREAM, SOCK_SEQPACKET));

TEST_P(UnixConnectTest, ListenConnectAccept) {
  const Address a = Path(dir_ / "s");
  Fd listener(socket(AF_UNIX, GetParam(), 0));
  EXPECT_THAT(listen(listener.get(), 5), FailsWith(EINVAL));
  EXPECT_THAT(Bind(listener.get(), a), SucceedsWith(0));
  Fd client(socket(AF_UNIX, GetParam(), 0));
  EXPECT_THAT(Connect(client.get(), a), FailsWith(ECONNREFUSED));
  EXPECT_THAT(listen(listener.get(), 5), SucceedsWith(0));
  EXPECT_EQ(Poll(listener.get(), POLLIN), 0);
  EXPECT_THAT(Connect(client.get(), a), SucceedsWith(0));
  EXPECT_EQ(Poll(listener.get(), POLLIN), POLLIN);
  EXPECT_THAT(Connect(client.get(), a), FailsWith(EISCONN));
  // Before it is accepted, data may already flow.
  EXPECT_THAT(write(client.get(), "early", 5), SucceedsWith(5));
  Address peer;
  peer.len = sizeof peer.un;
  Fd server(accept4(listener.get(), peer.get(), &peer.len, SOCK_CLOEXEC | SOCK_NONBLOCK));
  ASSERT_GE(server.get(), 0);
  EXPECT_EQ(peer.len, sizeof(sa_family_t));
  EXPECT_EQ(fcntl(server.get(), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  EXPECT_EQ(ReadExactly(server.get(), 5), "early");
  Address name;
  name.len = sizeof name.un;
  EXPECT_THAT(getpeername(client.get(), name.get(), &name.len), SucceedsWith(0));
  EXPECT_EQ(Name(name), Name(a));
  name.len = sizeof name.un;
  EXPECT_THAT(getsockname(server.get(), name.get(), &name.len), SucceedsWith(0));
  EXPECT_EQ(Name(name), Name(a));
  int v = -1;
  socklen_t len = sizeof v;
  EXPECT_THAT(getsockopt(listener.get(), SOL_SOCKET, SO_ACCEPTCONN, &v, &len), SucceedsWith(0));
  EXPECT_EQ(v, 1);
  EXPECT_THAT(getsockopt(client.get(), SOL_SOCKET, SO_TYPE, &v, &len), SucceedsWith(0));
  EXPECT_EQ(v, GetParam());
}

TEST_P(UnixConnectTest, AcceptBlocksAndIsInterrupted) {
  Fd listener(socket(AF_UNIX, GetParam(), 0));
  ASSERT_THAT(Bind(listener.get(), Path(dir_ / "s")), SucceedsWith(0));
  ASSERT_THAT(listen(listener.get(), 5), SucceedsWith(0));
  ScopedSigaction action(SIGUSR1, [](int) {});
  ScopedThread thread(
      [&] { EXPECT_THAT(accept(listener.get(), nullptr, nullptr), FailsWith(EINTR)); });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  pthread_kill(thread.handle(), SIGUSR1);
  thread.Join();
  fcntl(listener.get(), F_SETFL, O_NONBLOCK);
  EXPECT_THAT(accept(listener.get(), nullptr, nullptr), FailsWith(EAGAIN));
  Fd other(socket(AF_UNIX, GetParam(), 0));
  EXPECT_THAT(accept(other.get(), nullptr, nullptr), FailsWith(EINVAL));
}

TEST_P(UnixConnectTest, BacklogIsLimited) {
  const Address a = Path(dir_ / "s");
  Fd listener(socket(AF_UNIX, GetParam(), 0));
  ASSERT_THAT(Bind(listener.get(), a), SucceedsWith(0));
  ASSERT_THAT(listen(listener.get(), 1), SucceedsWith(0));
  std::vector<Fd> clients;
  int result = 0;
  while (result == 0 && clients.size() < 10) {
    clients.emplace_back(socket(AF_UNIX, GetParam() | SOCK_NONBLOCK, 0));
    result = Connect(clients.back().get(), a);
  }
  EXPECT_THAT(result, FailsWith(EAGAIN));
  EXPECT_EQ(clients.size(), 3u);
  // A blocking connect waits for an accept.
  Fd waiter(socket(AF_UNIX, GetParam(), 0));
  ScopedThread thread([&] { EXPECT_THAT(Connect(waiter.get(), a), SucceedsWith(0)); });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  Fd s(accept(listener.get(), nullptr, nullptr));
  thread.Join();
}

TEST_P(UnixConnectTest, ClosedListenerResetsTheQueue) {
  const Address a = Path(dir_ / "s");
  Fd listener(socket(AF_UNIX, GetParam(), 0));
  ASSERT_THAT(Bind(listener.get(), a), SucceedsWith(0));
  ASSERT_THAT(listen(listener.get(), 1), SucceedsWith(0));
  Fd client(socket(AF_UNIX, GetParam(), 0));
  EXPECT_THAT(Connect(client.get(), a), SucceedsWith(0));
  listener.reset();
  char b;
  EXPECT_THAT(read(client.get(), &b, 1), FailsWith(ECONNRESET));
  Fd late(socket(AF_UNIX, GetParam(), 0));
  EXPECT_THAT(Connect(late.get(), a), FailsWith(ECONNREFUSED));
}

TEST_F(UnixTest, BindErrors) {
  Fd s(socket(AF_UNIX, SOCK_STREAM, 0));
  WriteFile(dir_ / "file", "");
  EXPECT_THAT(Bind(s.get(), Path(dir_ / "file")), FailsWith(EADDRINUSE));
  EXPECT_THAT(Bind(s.get(), Path(dir_ / "missing/s")), FailsWith(ENOENT));
  EXPECT_THAT(Bind(s.get(), Path(dir_ / "file/s")), FailsWith(ENOTDIR));
  Address bad = Path(dir_ / "s");
  bad.un.sun_family = AF_INET;
  EXPECT_THAT(Bind(s.get(), bad), FailsWith(EINVAL));
  bad = Path(dir_ / "s");
  bad.len = 200;
  EXPECT_THAT(Bind(s.get(), bad), FailsWith(EINVAL));
  EXPECT_THAT(Bind(s.get(), Path(dir_ / "s")), SucceedsWith(0));
  EXPECT_THAT(Bind(s.get(), Path(dir_ / "s2")), FailsWith(EINVAL));
  struct stat st;
  EXPECT_THAT(stat(dir_.c("s"), &st), SucceedsWith(0));
  EXPECT_EQ(st.st_mode, S_IFSOCK | 0755u);
}

TEST_F(UnixTest, AbstractNames) {
  const Address a = Abstract("cvisor-test-" + std::to_string(getpid()));
  Fd s(socket(AF_UNIX, SOCK_STREAM, 0)), t(socket(AF_UNIX, SOCK_STREAM, 0));
  EXPECT_THAT(Bind(s.get(), a), SucceedsWith(0));
  EXPECT_THAT(Bind(t.get(), a), FailsWith(EADDRINUSE));
  EXPECT_THAT(listen(s.get(), 1), SucceedsWith(0));
  EXPECT_THAT(Connect(t.get(), a), SucceedsWith(0));
  Address name;
  name.len = sizeof name.un;
  EXPECT_THAT(getpeername(t.get(), name.get(), &name.len), SucceedsWith(0));
  EXPECT_EQ(Name(name), Name(a));
  s.reset();
  t.reset();
  t.reset(socket(AF_UNIX, SOCK_STREAM, 0));
  EXPECT_THAT(Connect(t.get(), a), FailsWith(ECONNREFUSED));
  EXPECT_THAT(Bind(t.get(), a), SucceedsWith(0));
}

TEST_F(UnixTest, Autobind) {
  Fd s(socket(AF_UNIX, SOCK_DGRAM, 0));
  sockaddr_un family = {AF_UNIX, {}};
  EXPECT_THAT(bind(s.get(), reinterpret_cast<sockaddr*>(&family), sizeof(sa_family_t)),
              SucceedsWith(0));
  Address name;
  name.len = sizeof name.un;
  EXPECT_THAT(getsockname(s.get(), name.get(), &name.len), SucceedsWith(0));
  EXPECT_EQ(name.len, sizeof(sa_family_t) + 6);
  EXPECT_EQ(name.un.sun_path[0], 0);
}

TEST_F(UnixTest, ConnectErrors) {
  Fd s(socket(AF_UNIX, SOCK_STREAM, 0));
  EXPECT_THAT(Connect(s.get(), Path(dir_ / "missing")), FailsWith(ENOENT));
  WriteFile(dir_ / "file", "");
  EXPECT_THAT(Connect(s.get(), Path(dir_ / "file")), FailsWith(ECONNREFUSED));
  Fd d(socket(AF_UNIX, SOCK_DGRAM, 0));
  EXPECT_THAT(Bind(d.get(), Path(dir_ / "d")), SucceedsWith(0));
  EXPECT_THAT(Connect(s.get(), Path(dir_ / "d")), FailsWith(EPROTOTYPE));
  char b = 0;
  EXPECT_THAT(read(s.get(), &b, 1), FailsWith(EINVAL));
  EXPECT_THAT(send(s.get(), &b, 1, MSG_NOSIGNAL), FailsWith(ENOTCONN));
  Address name;
  EXPECT_THAT(getpeername(s.get(), name.get(), &name.len), FailsWith(ENOTCONN));
  PipeFds p = MakePipe();
  EXPECT_THAT(Connect(p.reader.get(), Path(dir_ / "d")), FailsWith(ENOTSOCK));
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                Fd n(socket(AF_UNIX, SOCK_DGRAM, 0));
                EXPECT_THAT(Connect(n.get(), Path(dir_ / "d")), FailsWith(EACCES));
              }),
              ExitedWith(0));
}

TEST_F(UnixTest, SocketErrors) {
  EXPECT_THAT(socket(AF_UNIX, 77, 0), FailsWith(EINVAL));
  EXPECT_THAT(socket(AF_UNIX, SOCK_RDM, 0), FailsWith(ESOCKTNOSUPPORT));
  EXPECT_THAT(socket(AF_UNIX, SOCK_STREAM, 7), FailsWith(EPROTONOSUPPORT));
  EXPECT_THAT(socket(200, SOCK_STREAM, 0), FailsWith(EAFNOSUPPORT));
  int s[2];
  EXPECT_THAT(socketpair(AF_UNIX, SOCK_STREAM | 0x1000, 0, s), FailsWith(EINVAL));
  EXPECT_THAT(socketpair(AF_UNIX, SOCK_STREAM, 0, reinterpret_cast<int*>(8)), FailsWith(EFAULT));
}

TEST_F(UnixTest, DatagramsHaveSenders) {
  Fd a(socket(AF_UNIX, SOCK_DGRAM, 0)), b(socket(AF_UNIX, SOCK_DGRAM, 0)),
      anonymous(socket(AF_UNIX, SOCK_DGRAM, 0));
  EXPECT_THAT(Bind(a.get(), Path(dir_ / "a")), SucceedsWith(0));
  EXPECT_THAT(Bind(b.get(), Path(dir_ / "b")), SucceedsWith(0));
  const Address to = Path(dir_ / "b");
  EXPECT_THAT(sendto(a.get(), "from a", 6, 0, to.get(), to.len), SucceedsWith(6));
  EXPECT_THAT(sendto(anonymous.get(), "", 0, 0, to.get(), to.len), SucceedsWith(0));
  char buffer[16];
  Address from;
  from.len = sizeof from.un;
  EXPECT_THAT(recvfrom(b.get(), buffer, sizeof buffer, 0, from.get(), &from.len),
              SucceedsWith(6));
  EXPECT_EQ(Name(from), Name(Path(dir_ / "a")));
  from.len = sizeof from.un;
  EXPECT_THAT(recvfrom(b.get(), buffer, sizeof buffer, 0, from.get(), &from.len),
              SucceedsWith(0));
  EXPECT_THAT(send(anonymous.get(), "x", 1, 0), FailsWith(ENOTCONN));
}

TEST_F(UnixTest, ConnectedDatagramsRefuseOthers) {
  Fd a(socket(AF_UNIX, SOCK_DGRAM, 0)), b(socket(AF_UNIX, SOCK_DGRAM, 0)),
      c(socket(AF_UNIX, SOCK_DGRAM, 0));
  EXPECT_THAT(Bind(a.get(), Path(dir_ / "a")), SucceedsWith(0));
  EXPECT_THAT(Bind(b.get(), Path(dir_ / "b")), SucceedsWith(0));
  EXPECT_THAT(Connect(a.get(), Path(dir_ / "b")), SucceedsWith(0));
  const Address to = Path(dir_ / "a");
  EXPECT_THAT(sendto(c.get(), "x", 1, 0, to.get(), to.len), FailsWith(EPERM));
  EXPECT_THAT(sendto(b.get(), "x", 1, 0, to.get(), to.len), SucceedsWith(1));
  // Dissolving the association.
  sockaddr none = {AF_UNSPEC, {}};
  EXPECT_THAT(connect(a.get(), &none, sizeof none), SucceedsWith(0));
  EXPECT_THAT(sendto(c.get(), "x", 1, 0, to.get(), to.len), SucceedsWith(1));
}

TEST_F(UnixTest, OversizedDatagrams) {
  Pair p = MakePair(SOCK_DGRAM);
  const int size = 4096;
  EXPECT_THAT(setsockopt(p.a.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size), SucceedsWith(0));
  const std::string big(1 << 20, 'x');
  EXPECT_THAT(send(p.a.get(), big.data(), big.size(), 0), FailsWith(EMSGSIZE));
}

TEST_F(UnixTest, Shutdown) {
  Pair p = MakePair(SOCK_STREAM);
  char b;
  EXPECT_THAT(write(p.a.get(), "x", 1), SucceedsWith(1));
  EXPECT_THAT(shutdown(p.a.get(), SHUT_WR), SucceedsWith(0));
  EXPECT_THAT(send(p.a.get(), "x", 1, MSG_NOSIGNAL), FailsWith(EPIPE));
  EXPECT_THAT(read(p.b.get(), &b, 1), SucceedsWith(1));
  EXPECT_THAT(read(p.b.get(), &b, 1), SucceedsWith(0));
  EXPECT_EQ(Poll(p.b.get(), POLLIN | POLLRDHUP), POLLIN | POLLRDHUP);
  EXPECT_THAT(write(p.b.get(), "y", 1), SucceedsWith(1));
  EXPECT_THAT(read(p.a.get(), &b, 1), SucceedsWith(1));
  EXPECT_THAT(shutdown(p.a.get(), SHUT_RD), SucceedsWith(0));
  EXPECT_THAT(send(p.b.get(), "y", 1, MSG_NOSIGNAL), FailsWith(EPIPE));
  EXPECT_EQ(Poll(p.b.get(), POLLIN) & POLLHUP, POLLHUP);
  EXPECT_THAT(shutdown(p.a.get(), 5), FailsWith(EINVAL));
  Fd s(socket(AF_UNIX, SOCK_STREAM, 0));
  EXPECT_THAT(shutdown(s.get(), SHUT_RD), SucceedsWith(0));
}

TEST_F(UnixTest, ShutdownWakesReaders) {
  Pair p = MakePair(SOCK_STREAM);
  ScopedThread thread([&] {
    char b;
    EXPECT_THAT(read(p.a.get(), &b, 1), SucceedsWith(0));
  });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  EXPECT_THAT(shutdown(p.b.get(), SHUT_WR), SucceedsWith(0));
  thread.Join();
}

TEST_F(UnixTest, WaitAll) {
  Pair p = MakePair(SOCK_STREAM);
  EXPECT_THAT(write(p.a.get(), "ab", 2), SucceedsWith(2));
  ScopedThread thread([&] {
    char b[4];
    EXPECT_THAT(recv(p.b.get(), b, 4, MSG_WAITALL), SucceedsWith(4));
    EXPECT_EQ(std::string(b, 4), "abcd");
  });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  EXPECT_THAT(write(p.a.get(), "cd", 2), SucceedsWith(2));
  thread.Join();
}

TEST_F(UnixTest, Timeouts) {
  Pair p = MakePair(SOCK_STREAM);
  const timeval tv = {0, 20000};
  EXPECT_THAT(setsockopt(p.a.get(), SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv), SucceedsWith(0));
  const int64_t start = NowNs();
  char b;
  EXPECT_THAT(read(p.a.get(), &b, 1), FailsWith(EAGAIN));
  EXPECT_GE(NowNs() - start, 20000000);
  timeval got;
  socklen_t len = sizeof got;
  EXPECT_THAT(getsockopt(p.a.get(), SOL_SOCKET, SO_RCVTIMEO, &got, &len), SucceedsWith(0));
  EXPECT_EQ(got.tv_usec, 20000);
}

TEST_F(UnixTest, FionreadAndOptions) {
  Pair p = MakePair(SOCK_STREAM);
  EXPECT_THAT(write(p.a.get(), "abc", 3), SucceedsWith(3));
  int n;
  EXPECT_THAT(ioctl(p.b.get(), FIONREAD, &n), SucceedsWith(0));
  EXPECT_EQ(n, 3);
  socklen_t len = sizeof n;
  EXPECT_THAT(getsockopt(p.a.get(), SOL_SOCKET, SO_ERROR, &n, &len), SucceedsWith(0));
  EXPECT_EQ(n, 0);
  EXPECT_THAT(getsockopt(p.a.get(), SOL_SOCKET, SO_DOMAIN, &n, &len), SucceedsWith(0));
  EXPECT_EQ(n, AF_UNIX);
  n = 50000;
  EXPECT_THAT(setsockopt(p.a.get(), SOL_SOCKET, SO_SNDBUF, &n, sizeof n), SucceedsWith(0));
  EXPECT_THAT(getsockopt(p.a.get(), SOL_SOCKET, SO_SNDBUF, &n, &len), SucceedsWith(0));
  EXPECT_EQ(n, 100000);
  EXPECT_THAT(getsockopt(p.a.get(), SOL_SOCKET, 9999, &n, &len), FailsWith(ENOPROTOOPT));
  EXPECT_THAT(recv(p.a.get(), &n, 1, MSG_OOB), testing::Not(Succeeds()));
}

TEST_F(UnixTest, ManyMessagesInOneCall) {
  Pair p = MakePair(SOCK_DGRAM);
  char x[] = "one", y[] = "second";
  iovec v[2] = {{x, 3}, {y, 6}};
  mmsghdr m[2] = {};
  for (int i = 0; i < 2; ++i) {
    m[i].msg_hdr.msg_iov = &v[i];
    m[i].msg_hdr.msg_iovlen = 1;
  }
  EXPECT_THAT(sendmmsg(p.a.get(), m, 2, 0), SucceedsWith(2));
  EXPECT_EQ(m[1].msg_len, 6u);
  char b[2][16];
  for (int i = 0; i < 2; ++i) v[i] = {b[i], 16};
  EXPECT_THAT(recvmmsg(p.b.get(), m, 2, MSG_DONTWAIT, nullptr), SucceedsWith(2));
  EXPECT_EQ(m[0].msg_len, 3u);
  EXPECT_EQ(std::string(b[1], 6), "second");
}

}  // namespace
}  // namespace cvisor::test
