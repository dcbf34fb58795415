// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// tcp(7) over the loopback interface, IPv4 and IPv6.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <thread>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

struct Address {
  sockaddr_storage storage = {};
  socklen_t len = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  uint16_t port() const { return reinterpret_cast<const sockaddr_in*>(&storage)->sin_port; }
};

Address Loopback(int family) {
  Address a;
  if (family == AF_INET) {
    auto* in = reinterpret_cast<sockaddr_in*>(&a.storage);
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.len = sizeof(*in);
  } else {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&a.storage);
    in6->sin6_family = AF_INET6;
    in6->sin6_addr = in6addr_loopback;
    a.len = sizeof(*in6);
  }
  return a;
}
Address NameOf(int fd) {
  Address a;
  a.len = sizeof(a.storage);
  EXPECT_THAT(getsockname(fd, a.get(), &a.len), SucceedsWith(0));
  return a;
}
int Option(int fd, int level, int name) {
  int v = -1;
  socklen_t n = sizeof(v);
  EXPECT_THAT(getsockopt(fd, level, name, &v, &n), SucceedsWith(0));
  return v;
}
int SetOption(int fd, int level, int name, int v) {
  return setsockopt(fd, level, name, &v, sizeof(v));
}
short Poll(int fd, short events, int timeout_ms) {
  pollfd p{fd, events, 0};
  EXPECT_THAT(poll(&p, 1, timeout_ms), testing::Ge(0));
  return p.revents;
}
void SetTimeout(int fd, int name, int ms) {
  const timeval tv{ms / 1000, ms % 1000 * 1000};
  EXPECT_THAT(setsockopt(fd, SOL_SOCKET, name, &tv, sizeof(tv)), SucceedsWith(0));
}

class TcpTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    listener_ = Fd(socket(GetParam(), SOCK_STREAM, 0));
    ASSERT_GE(listener_.get(), 0) << strerror(errno);
    Address a = Loopback(GetParam());
    ASSERT_THAT(bind(listener_.get(), a.get(), a.len), SucceedsWith(0));
    ASSERT_THAT(listen(listener_.get(), 16), SucceedsWith(0));
    address_ = NameOf(listener_.get());
    ASSERT_NE(address_.port(), 0);
  }
  void Connect() {
    client_ = Fd(socket(GetParam(), SOCK_STREAM, 0));
    ASSERT_THAT(connect(client_.get(), address_.get(), address_.len), SucceedsWith(0));
    server_ = Fd(accept(listener_.get(), nullptr, nullptr));
    ASSERT_GE(server_.get(), 0) << strerror(errno);
  }
  Fd listener_, client_, server_;
  Address address_;
};
INSTANTIATE_TEST_SUITE_P(Families, TcpTest, testing::Values(AF_INET, AF_INET6));

TEST_P(TcpTest, Identity) {
  EXPECT_EQ(Option(listener_.get(), SOL_SOCKET, SO_DOMAIN), GetParam());
  EXPECT_EQ(Option(listener_.get(), SOL_SOCKET, SO_TYPE), SOCK_STREAM);
  EXPECT_EQ(Option(listener_.get(), SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
  EXPECT_EQ(Option(listener_.get(), SOL_SOCKET, SO_ACCEPTCONN), 1);
  EXPECT_EQ(Option(listener_.get(), SOL_SOCKET, SO_ERROR), 0);
}

TEST_P(TcpTest, BothDirections) {
  Connect();
  char b[16];
  EXPECT_THAT(write(client_.get(), "ping", 4), SucceedsWith(4));
  EXPECT_THAT(read(server_.get(), b, sizeof b), SucceedsWith(4));
  EXPECT_EQ(std::string(b, 4), "ping");
  iovec iov[2] = {{const_cast<char*>("po"), 2}, {const_cast<char*>("ng"), 2}};
  EXPECT_THAT(writev(server_.get(), iov, 2), SucceedsWith(4));
  EXPECT_THAT(recv(client_.get(), b, 4, MSG_WAITALL), SucceedsWith(4));
  EXPECT_EQ(std::string(b, 4), "pong");
}

TEST_P(TcpTest, Names) {
  client_ = Fd(socket(GetParam(), SOCK_STREAM, 0));
  Address none;
  none.len = sizeof(none.storage);
  EXPECT_THAT(getpeername(client_.get(), none.get(), &none.len), FailsWith(ENOTCONN));
  ASSERT_THAT(connect(client_.get(), address_.get(), address_.len), SucceedsWith(0));
  Address peer;
  peer.len = sizeof(peer.storage);
  server_ = Fd(accept4(listener_.get(), peer.get(), &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC));
  ASSERT_GE(server_.get(), 0);
  EXPECT_EQ(peer.len, address_.len);
  EXPECT_EQ(peer.port(), NameOf(client_.get()).port());
  EXPECT_THAT(fcntl(server_.get(), F_GETFD), SucceedsWith(FD_CLOEXEC));
  EXPECT_TRUE(fcntl(server_.get(), F_GETFL) & O_NONBLOCK);
  Address far;
  far.len = sizeof(far.storage);
  EXPECT_THAT(getpeername(client_.get(), far.get(), &far.len), SucceedsWith(0));
  EXPECT_EQ(far.port(), address_.port());
}

TEST_P(TcpTest, NonBlocking) {
  Connect();
  EXPECT_THAT(fcntl(client_.get(), F_SETFL, O_NONBLOCK), SucceedsWith(0));
  char b[4];
  EXPECT_THAT(read(client_.get(), b, 4), FailsWith(EAGAIN));
  EXPECT_THAT(fcntl(listener_.get(), F_SETFL, O_NONBLOCK), SucceedsWith(0));
  EXPECT_THAT(accept(listener_.get(), nullptr, nullptr), FailsWith(EAGAIN));
  EXPECT_THAT(recv(server_.get(), b, 4, MSG_DONTWAIT), FailsWith(EAGAIN));
}

TEST_P(TcpTest, NonBlockingConnect) {
  Fd c(socket(GetParam(), SOCK_STREAM | SOCK_NONBLOCK, 0));
  const int r = connect(c.get(), address_.get(), address_.len);
  if (r < 0) {
    ASSERT_EQ(errno, EINPROGRESS);
  }
  EXPECT_EQ(Poll(c.get(), POLLOUT, 5000), POLLOUT);
  EXPECT_EQ(Option(c.get(), SOL_SOCKET, SO_ERROR), 0);
  EXPECT_THAT(send(c.get(), "x", 1, 0), SucceedsWith(1));
}

TEST_P(TcpTest, ConnectTwice) {
  Connect();
  EXPECT_THAT(connect(client_.get(), address_.get(), address_.len), FailsWith(EISCONN));
}

TEST_P(TcpTest, Refused) {
  listener_.reset();
  Fd c(socket(GetParam(), SOCK_STREAM, 0));
  EXPECT_THAT(connect(c.get(), address_.get(), address_.len), FailsWith(ECONNREFUSED));
  Fd n(socket(GetParam(), SOCK_STREAM | SOCK_NONBLOCK, 0));
  EXPECT_EQ(connect(n.get(), address_.get(), address_.len), -1);
  if (errno == EINPROGRESS) {
    EXPECT_NE(Poll(n.get(), POLLOUT, 5000) & (POLLERR | POLLHUP), 0);
    EXPECT_EQ(Option(n.get(), SOL_SOCKET, SO_ERROR), ECONNREFUSED);
  }
  EXPECT_EQ(Option(n.get(), SOL_SOCKET, SO_ERROR), 0);
}

TEST_P(TcpTest, WrongAddresses) {
  Fd c(socket(GetParam(), SOCK_STREAM, 0));
  EXPECT_THAT(bind(c.get(), address_.get(), 2), FailsWith(EINVAL));
  EXPECT_THAT(connect(c.get(), address_.get(), 3), FailsWith(EINVAL));
  EXPECT_THAT(bind(c.get(), address_.get(), address_.len), FailsWith(EADDRINUSE));
  Address odd = address_;
  odd.storage.ss_family = AF_UNIX;
  EXPECT_THAT(bind(c.get(), odd.get(), odd.len), FailsWith(EAFNOSUPPORT));
  EXPECT_THAT(connect(c.get(), odd.get(), odd.len), FailsWith(EAFNOSUPPORT));
}

TEST_P(TcpTest, ShutdownAndEnd) {
  Connect();
  char b[4];
  EXPECT_THAT(write(client_.get(), "ab", 2), SucceedsWith(2));
  EXPECT_THAT(shutdown(client_.get(), SHUT_WR), SucceedsWith(0));
  EXPECT_EQ(Poll(server_.get(), POLLIN | POLLRDHUP, 5000), POLLIN | POLLRDHUP);
  EXPECT_THAT(read(server_.get(), b, 4), SucceedsWith(2));
  EXPECT_THAT(read(server_.get(), b, 4), SucceedsWith(0));
  EXPECT_THAT(write(server_.get(), "c", 1), SucceedsWith(1));
  EXPECT_THAT(read(client_.get(), b, 4), SucceedsWith(1));
  EXPECT_THAT(send(client_.get(), "x", 1, MSG_NOSIGNAL), FailsWith(EPIPE));
}

volatile sig_atomic_t g_pipes;
TEST_P(TcpTest, Sigpipe) {
  Connect();
  g_pipes = 0;
  signal(SIGPIPE, [](int) { g_pipes = g_pipes + 1; });
  EXPECT_THAT(shutdown(client_.get(), SHUT_WR), SucceedsWith(0));
  EXPECT_THAT(send(client_.get(), "x", 1, MSG_NOSIGNAL), FailsWith(EPIPE));
  EXPECT_EQ(g_pipes, 0);
  EXPECT_THAT(write(client_.get(), "x", 1), FailsWith(EPIPE));
  EXPECT_EQ(g_pipes, 1);
  signal(SIGPIPE, SIG_DFL);
}

TEST_P(TcpTest, Reset) {
  Connect();
  const linger now{1, 0};
  EXPECT_THAT(setsockopt(server_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now)), SucceedsWith(0));
  server_.reset();
  EXPECT_NE(Poll(client_.get(), POLLIN, 5000) & POLLERR, 0);
  char b[4];
  EXPECT_THAT(read(client_.get(), b, 4), FailsWith(ECONNRESET));
}

TEST_P(TcpTest, LingerIsKept) {
  Connect();
  const linger l{1, 3};
  EXPECT_THAT(setsockopt(server_.get(), SOL_SOCKET, SO_LINGER, &l, sizeof(l)), SucceedsWith(0));
  linger got{};
  socklen_t n = sizeof(got);
  EXPECT_THAT(getsockopt(server_.get(), SOL_SOCKET, SO_LINGER, &got, &n), SucceedsWith(0));
  EXPECT_EQ(got.l_onoff, 1);
  EXPECT_EQ(got.l_linger, 3);
}

TEST_P(TcpTest, PeekAndTruncate) {
  Connect();
  char b[8] = {};
  EXPECT_THAT(write(client_.get(), "abcdef", 6), SucceedsWith(6));
  EXPECT_THAT(recv(server_.get(), b, 3, MSG_PEEK), SucceedsWith(3));
  EXPECT_EQ(std::string(b, 3), "abc");
  int left = 0;
  EXPECT_THAT(ioctl(server_.get(), FIONREAD, &left), SucceedsWith(0));
  EXPECT_EQ(left, 6);
  b[0] = 'z';
  EXPECT_THAT(recv(server_.get(), b, 2, MSG_TRUNC), SucceedsWith(2));
  EXPECT_EQ(b[0], 'z');  // thrown away, not stored
  EXPECT_THAT(recv(server_.get(), b, 8, 0), SucceedsWith(4));
  EXPECT_EQ(std::string(b, 4), "cdef");
}

TEST_P(TcpTest, WaitAll) {
  Connect();
  std::thread sender([&] {
    for (const char* s : {"ab", "cd", "ef"}) {
      EXPECT_THAT(send(client_.get(), s, 2, 0), SucceedsWith(2));
      usleep(20000);
    }
  });
  char b[6];
  EXPECT_THAT(recv(server_.get(), b, 6, MSG_WAITALL), SucceedsWith(6));
  EXPECT_EQ(std::string(b, 6), "abcdef");
  sender.join();
}

TEST_P(TcpTest, UrgentByte) {
  Connect();
  EXPECT_THAT(send(client_.get(), "!", 1, MSG_OOB), SucceedsWith(1));
  EXPECT_NE(Poll(server_.get(), POLLPRI, 5000) & POLLPRI, 0);
  int mark = 0;
  EXPECT_THAT(ioctl(server_.get(), SIOCATMARK, &mark), SucceedsWith(0));
  EXPECT_EQ(mark, 1);
  char b = 0;
  EXPECT_THAT(recv(server_.get(), &b, 1, MSG_OOB), SucceedsWith(1));
  EXPECT_EQ(b, '!');
}

// Everything arrives once, although the writer fills the buffers again and again.
TEST_P(TcpTest, MuchData) {
  Connect();
  constexpr size_t kTotal = 8 << 20;
  std::string all(kTotal, '\0');
  for (size_t i = 0; i < kTotal; ++i) all[i] = static_cast<char>(i * 2654435761u >> 13);
  std::thread sender([&] {
    EXPECT_THAT(write(client_.get(), all.data(), all.size()),
                SucceedsWith(static_cast<int>(kTotal)));
    EXPECT_THAT(shutdown(client_.get(), SHUT_WR), SucceedsWith(0));
  });
  std::string got;
  std::vector<char> b(100000);
  ssize_t n;
  while ((n = read(server_.get(), b.data(), b.size())) > 0) {
    got.append(b.data(), static_cast<size_t>(n));
  }
  EXPECT_EQ(n, 0);
  sender.join();
  EXPECT_TRUE(got == all);
}

TEST_P(TcpTest, NonBlockingSenderLosesNothing) {
  Connect();
  EXPECT_THAT(fcntl(client_.get(), F_SETFL, O_NONBLOCK), SucceedsWith(0));
  std::string chunk(70000, 'x');
  size_t sent = 0;
  ssize_t n;
  while ((n = write(client_.get(), chunk.data(), chunk.size())) > 0) {
    sent += static_cast<size_t>(n);
  }
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(Poll(client_.get(), POLLOUT, 0), 0);
  size_t received = 0;
  std::vector<char> b(65536);
  while (received < sent && (n = read(server_.get(), b.data(), b.size())) > 0) {
    received += static_cast<size_t>(n);
  }
  EXPECT_EQ(received, sent);
  EXPECT_EQ(Poll(client_.get(), POLLOUT, 5000), POLLOUT);
  EXPECT_THAT(recv(server_.get(), b.data(), 1, MSG_DONTWAIT), FailsWith(EAGAIN));
}

TEST_P(TcpTest, ReceiveTimeout) {
  Connect();
  SetTimeout(server_.get(), SO_RCVTIMEO, 50);
  char b;
  EXPECT_THAT(read(server_.get(), &b, 1), FailsWith(EAGAIN));
  SetTimeout(listener_.get(), SO_RCVTIMEO, 50);
  EXPECT_THAT(accept(listener_.get(), nullptr, nullptr), FailsWith(EAGAIN));
}

TEST_P(TcpTest, SignalInterruptsRead) {
  Connect();
  struct sigaction act = {};
  act.sa_handler = [](int) {};  // without SA_RESTART
  sigaction(SIGALRM, &act, nullptr);
  const itimerval soon{{0, 20000}, {0, 20000}};
  setitimer(ITIMER_REAL, &soon, nullptr);
  char b;
  EXPECT_THAT(read(server_.get(), &b, 1), FailsWith(EINTR));
  EXPECT_THAT(accept(listener_.get(), nullptr, nullptr), FailsWith(EINTR));
  const itimerval off{};
  setitimer(ITIMER_REAL, &off, nullptr);
  signal(SIGALRM, SIG_DFL);
}

TEST_P(TcpTest, LevelTriggeredEpoll) {
  Connect();
  Fd ep(epoll_create1(0));
  epoll_event ev{EPOLLIN, {.u32 = 7}}, out;
  EXPECT_THAT(epoll_ctl(ep.get(), EPOLL_CTL_ADD, server_.get(), &ev), SucceedsWith(0));
  EXPECT_THAT(epoll_wait(ep.get(), &out, 1, 0), SucceedsWith(0));
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(write(client_.get(), "ab", 2), SucceedsWith(2));
    ASSERT_THAT(epoll_wait(ep.get(), &out, 1, 5000), SucceedsWith(1));
    char b[2];
    EXPECT_THAT(read(server_.get(), b, 1), SucceedsWith(1));
    ASSERT_THAT(epoll_wait(ep.get(), &out, 1, 5000), SucceedsWith(1));
    EXPECT_THAT(read(server_.get(), b, 1), SucceedsWith(1));
    ASSERT_THAT(epoll_wait(ep.get(), &out, 1, 0), SucceedsWith(0));
  }
}

// New data is a new edge, whether or not the reader has seen EAGAIN.
TEST_P(TcpTest, EdgeTriggeredEpoll) {
  Connect();
  Fd ep(epoll_create1(0));
  epoll_event ev{EPOLLIN | EPOLLET, {.u32 = 7}}, out;
  EXPECT_THAT(epoll_ctl(ep.get(), EPOLL_CTL_ADD, server_.get(), &ev), SucceedsWith(0));
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(write(client_.get(), "a", 1), SucceedsWith(1));
    ASSERT_THAT(epoll_wait(ep.get(), &out, 1, 5000), SucceedsWith(1));
    char b[8];
    EXPECT_THAT(read(server_.get(), b, sizeof b), SucceedsWith(1));
  }
}

TEST_P(TcpTest, EpollHearsOfConnectAndListen) {
  Fd ep(epoll_create1(0));
  Fd c(socket(GetParam(), SOCK_STREAM | SOCK_NONBLOCK, 0));
  epoll_event ev{EPOLLIN | EPOLLOUT | EPOLLET, {.u32 = 1}}, out;
  EXPECT_THAT(epoll_ctl(ep.get(), EPOLL_CTL_ADD, c.get(), &ev), SucceedsWith(0));
  EXPECT_THAT(epoll_wait(ep.get(), &out, 1, 1000), SucceedsWith(1));
  EXPECT_EQ(out.events, EPOLLOUT | EPOLLHUP);
  connect(c.get(), address_.get(), address_.len);
  ASSERT_THAT(epoll_wait(ep.get(), &out, 1, 5000), SucceedsWith(1));
  EXPECT_EQ(out.events, static_cast<uint32_t>(EPOLLOUT));
}

TEST_P(TcpTest, Options) {
  Connect();
  const int fd = client_.get();
  EXPECT_THAT(SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1), SucceedsWith(0));
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_THAT(SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1), SucceedsWith(0));
  EXPECT_EQ(Option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_THAT(SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, 77), SucceedsWith(0));
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 77);
  EXPECT_THAT(SetOption(fd, SOL_SOCKET, SO_RCVBUF, 8192), SucceedsWith(0));
  EXPECT_EQ(Option(fd, SOL_SOCKET, SO_RCVBUF), 16384);
  EXPECT_THAT(SetOption(fd, SOL_SOCKET, SO_REUSEADDR, 1), SucceedsWith(0));
  EXPECT_EQ(Option(fd, SOL_SOCKET, SO_REUSEADDR), 1);
  tcp_info info{};
  socklen_t n = sizeof(info);
  EXPECT_THAT(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n), SucceedsWith(0));
  EXPECT_EQ(info.tcpi_state, 1);  // TCP_ESTABLISHED
  char name[16] = {};
  n = sizeof(name);
  EXPECT_THAT(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &n), SucceedsWith(0));
  EXPECT_NE(name[0], '\0');
  EXPECT_THAT(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, name, 2), FailsWith(EINVAL));
  EXPECT_THAT(SetOption(fd, IPPROTO_TCP, 999, 1), FailsWith(ENOPROTOOPT));
  int v;
  n = sizeof(v);
  EXPECT_THAT(getsockopt(fd, IPPROTO_TCP, 999, &v, &n), FailsWith(ENOPROTOOPT));
}

TEST_P(TcpTest, ReusePort) {
  Fd a(socket(GetParam(), SOCK_STREAM, 0)), b(socket(GetParam(), SOCK_STREAM, 0));
  EXPECT_THAT(SetOption(a.get(), SOL_SOCKET, SO_REUSEPORT, 1), SucceedsWith(0));
  EXPECT_THAT(SetOption(b.get(), SOL_SOCKET, SO_REUSEPORT, 1), SucceedsWith(0));
  Address any = Loopback(GetParam());
  ASSERT_THAT(bind(a.get(), any.get(), any.len), SucceedsWith(0));
  Address bound = NameOf(a.get());
  EXPECT_THAT(bind(b.get(), bound.get(), bound.len), SucceedsWith(0));
  EXPECT_THAT(listen(a.get(), 1), SucceedsWith(0));
  EXPECT_THAT(listen(b.get(), 1), SucceedsWith(0));
}

TEST_P(TcpTest, DescriptorTravels) {
  Connect();
  int pair[2];
  ASSERT_THAT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), SucceedsWith(0));
  Fd a(pair[0]), b(pair[1]);
  char byte = 'x';
  iovec iov{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr m = {};
  m.msg_iov = &iov;
  m.msg_iovlen = 1;
  m.msg_control = control;
  m.msg_controllen = sizeof(control);
  cmsghdr* c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof(int));
  const int fd = server_.get();
  memcpy(CMSG_DATA(c), &fd, sizeof(fd));
  ASSERT_THAT(sendmsg(a.get(), &m, 0), SucceedsWith(1));
  server_.reset();
  ASSERT_THAT(recvmsg(b.get(), &m, 0), SucceedsWith(1));
  int got;
  memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(got));
  Fd received(got);
  EXPECT_THAT(write(received.get(), "hi", 2), SucceedsWith(2));
  char r[2];
  EXPECT_THAT(read(client_.get(), r, 2), SucceedsWith(2));
}

TEST_P(TcpTest, ForkSharesTheSocket) {
  Connect();
  const pid_t pid = fork();
  if (pid == 0) _exit(write(server_.get(), "c", 1) == 1 ? 0 : 1);
  int status = -1;
  EXPECT_THAT(waitpid(pid, &status, 0), SucceedsWith(pid));
  EXPECT_EQ(status, 0);
  char b;
  EXPECT_THAT(read(client_.get(), &b, 1), SucceedsWith(1));
  server_.reset();
  EXPECT_THAT(read(client_.get(), &b, 1), SucceedsWith(0));
}

TEST_P(TcpTest, Sendfile) {
  Connect();
  TempDir dir;
  Fd f(open(dir.c("f"), O_RDWR | O_CREAT, 0600));
  ASSERT_THAT(write(f.get(), "0123456789", 10), SucceedsWith(10));
  off_t at = 2;
  EXPECT_THAT(sendfile(client_.get(), f.get(), &at, 5), SucceedsWith(5));
  EXPECT_EQ(at, 7);
  char b[8];
  EXPECT_THAT(recv(server_.get(), b, 5, MSG_WAITALL), SucceedsWith(5));
  EXPECT_EQ(std::string(b, 5), "23456");
}

TEST_P(TcpTest, Splice) {
  Connect();
  int p[2];
  ASSERT_THAT(pipe(p), SucceedsWith(0));
  Fd r(p[0]), w(p[1]);
  EXPECT_THAT(write(client_.get(), "abc", 3), SucceedsWith(3));
  EXPECT_THAT(splice(server_.get(), nullptr, w.get(), nullptr, 100, 0), SucceedsWith(3));
  EXPECT_THAT(splice(r.get(), nullptr, server_.get(), nullptr, 100, 0), SucceedsWith(3));
  char b[4];
  EXPECT_THAT(read(client_.get(), b, 4), SucceedsWith(3));
}

TEST_P(TcpTest, ManyConnectionsInThreads) {
  constexpr int kClients = 20, kRounds = 20;
  std::thread server([&] {
    std::vector<std::thread> handlers;
    for (int i = 0; i < kClients; ++i) {
      Fd c(accept(listener_.get(), nullptr, nullptr));
      ASSERT_GE(c.get(), 0);
      handlers.emplace_back([fd = std::move(c)] {
        char b[64];
        ssize_t n;
        while ((n = read(fd.get(), b, sizeof b)) > 0) {
          EXPECT_EQ(write(fd.get(), b, static_cast<size_t>(n)), n);
        }
      });
    }
    for (auto& t : handlers) t.join();
  });
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&] {
      Fd c(socket(GetParam(), SOCK_STREAM, 0));
      ASSERT_THAT(connect(c.get(), address_.get(), address_.len), SucceedsWith(0));
      char b[8];
      for (int r = 0; r < kRounds; ++r) {
        ASSERT_EQ(write(c.get(), "12345678", 8), 8);
        ASSERT_EQ(recv(c.get(), b, 8, MSG_WAITALL), 8);
      }
    });
  }
  for (auto& t : clients) t.join();
  server.join();
}

TEST(TcpErrorsTest, SocketArguments) {
  EXPECT_THAT(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), FailsWith(EPROTONOSUPPORT));
  EXPECT_THAT(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP), FailsWith(EPROTONOSUPPORT));
  EXPECT_THAT(socket(AF_INET, SOCK_STREAM, -1), FailsWith(EINVAL));
  EXPECT_THAT(socket(AF_INET, SOCK_STREAM, 1000), FailsWith(EINVAL));
  EXPECT_THAT(socket(AF_INET, SOCK_SEQPACKET, 0), FailsWith(ESOCKTNOSUPPORT));
  EXPECT_THAT(socket(AF_INET, 0, 0), FailsWith(ESOCKTNOSUPPORT));
  int pair[2];
  EXPECT_THAT(socketpair(AF_INET, SOCK_STREAM, 0, pair), FailsWith(EOPNOTSUPP));
  Fd u(socket(AF_INET, SOCK_DGRAM, 0));
  EXPECT_THAT(listen(u.get(), 1), FailsWith(EOPNOTSUPP));
  EXPECT_THAT(accept(u.get(), nullptr, nullptr), FailsWith(EOPNOTSUPP));
  Fd t(socket(AF_INET, SOCK_STREAM, 0));
  EXPECT_THAT(accept(t.get(), nullptr, nullptr), FailsWith(EINVAL));
  char b;
  EXPECT_THAT(read(t.get(), &b, 1), FailsWith(ENOTCONN));
  EXPECT_THAT(send(t.get(), "x", 1, MSG_NOSIGNAL), FailsWith(EPIPE));
  EXPECT_THAT(shutdown(t.get(), SHUT_RD), FailsWith(ENOTCONN));
}

}  // namespace
}  // namespace cvisor::test
