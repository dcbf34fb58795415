// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// udp(7) over the loopback interface, and the queries of netdevice(7).
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

sockaddr_in Local(uint16_t port = 0) {
  sockaddr_in a = {};
  a.sin_family = AF_INET;
  a.sin_port = port;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return a;
}
const sockaddr* Any(const sockaddr_in& a) { return reinterpret_cast<const sockaddr*>(&a); }
sockaddr* Any(sockaddr_in& a) { return reinterpret_cast<sockaddr*>(&a); }

class UdpTest : public testing::Test {
 protected:
  void SetUp() override {
    a_ = Fd(socket(AF_INET, SOCK_DGRAM, 0));
    b_ = Fd(socket(AF_INET, SOCK_DGRAM, 0));
    ASSERT_GE(a_.get(), 0);
    for (auto [fd, address] : {std::pair{a_.get(), &at_a_}, std::pair{b_.get(), &at_b_}}) {
      *address = Local();
      ASSERT_THAT(bind(fd, Any(*address), sizeof(*address)), SucceedsWith(0));
      socklen_t n = sizeof(*address);
      ASSERT_THAT(getsockname(fd, Any(*address), &n), SucceedsWith(0));
    }
  }
  ssize_t Send(const void* data, size_t n) {
    return sendto(a_.get(), data, n, 0, Any(at_b_), sizeof(at_b_));
  }
  Fd a_, b_;
  sockaddr_in at_a_, at_b_;
};

TEST_F(UdpTest, SendAndReceive) {
  EXPECT_THAT(Send("hello", 5), SucceedsWith(5));
  char b[16];
  sockaddr_in from = {};
  socklen_t n = sizeof(from);
  EXPECT_THAT(recvfrom(b_.get(), b, sizeof b, 0, Any(from), &n), SucceedsWith(5));
  EXPECT_EQ(n, sizeof(from));
  EXPECT_EQ(from.sin_port, at_a_.sin_port);
  EXPECT_EQ(from.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
}

TEST_F(UdpTest, BoundariesAndTruncation) {
  EXPECT_THAT(Send("12345", 5), SucceedsWith(5));
  EXPECT_THAT(Send("", 0), SucceedsWith(0));
  EXPECT_THAT(Send("abc", 3), SucceedsWith(3));
  char b[16];
  EXPECT_THAT(recv(b_.get(), b, 2, MSG_PEEK | MSG_TRUNC), SucceedsWith(5));
  iovec iov{b, 2};
  msghdr m = {};
  m.msg_iov = &iov;
  m.msg_iovlen = 1;
  EXPECT_THAT(recvmsg(b_.get(), &m, 0), SucceedsWith(2));
  EXPECT_EQ(m.msg_flags, MSG_TRUNC);
  EXPECT_THAT(recv(b_.get(), b, sizeof b, 0), SucceedsWith(0));
  EXPECT_THAT(read(b_.get(), b, sizeof b), SucceedsWith(3));
  EXPECT_THAT(recv(b_.get(), b, sizeof b, MSG_DONTWAIT), FailsWith(EAGAIN));
}

TEST_F(UdpTest, Sizes) {
  std::string big(65507, 'x');
  EXPECT_THAT(Send(big.data(), big.size()), SucceedsWith(65507));
  EXPECT_THAT(Send(big.data(), big.size() + 1), FailsWith(EMSGSIZE)) << "string has its NUL";
  std::vector<char> b(70000);
  EXPECT_THAT(recv(b_.get(), b.data(), b.size(), 0), SucceedsWith(65507));
}

TEST_F(UdpTest, ConnectAndDisconnect) {
  EXPECT_THAT(send(a_.get(), "x", 1, 0), FailsWith(EDESTADDRREQ));
  EXPECT_THAT(connect(a_.get(), Any(at_b_), sizeof(at_b_)), SucceedsWith(0));
  EXPECT_THAT(send(a_.get(), "x", 1, 0), SucceedsWith(1));
  sockaddr_in peer;
  socklen_t n = sizeof(peer);
  EXPECT_THAT(getpeername(a_.get(), Any(peer), &n), SucceedsWith(0));
  EXPECT_EQ(peer.sin_port, at_b_.sin_port);
  sockaddr_in none = {};
  none.sin_family = AF_UNSPEC;
  EXPECT_THAT(connect(a_.get(), Any(none), sizeof(none)), SucceedsWith(0));
  EXPECT_THAT(getpeername(a_.get(), Any(peer), &n), FailsWith(ENOTCONN));
}

TEST_F(UdpTest, RefusedComesBack) {
  EXPECT_THAT(connect(a_.get(), Any(at_b_), sizeof(at_b_)), SucceedsWith(0));
  b_.reset();
  EXPECT_THAT(send(a_.get(), "x", 1, 0), SucceedsWith(1));
  char b;
  EXPECT_THAT(recv(a_.get(), &b, 1, 0), FailsWith(ECONNREFUSED));
}

TEST_F(UdpTest, ErrorQueue) {
  const int on = 1;
  ASSERT_THAT(setsockopt(a_.get(), IPPROTO_IP, IP_RECVERR, &on, sizeof(on)), SucceedsWith(0));
  b_.reset();
  EXPECT_THAT(Send("x", 1), SucceedsWith(1));
  pollfd p{a_.get(), POLLIN, 0};
  ASSERT_THAT(poll(&p, 1, 5000), SucceedsWith(1));
  EXPECT_NE(p.revents & POLLERR, 0);
  char data[16];
  alignas(cmsghdr) char control[256];
  iovec iov{data, sizeof(data)};
  msghdr m = {};
  m.msg_iov = &iov;
  m.msg_iovlen = 1;
  m.msg_control = control;
  m.msg_controllen = sizeof(control);
  ASSERT_THAT(recvmsg(a_.get(), &m, MSG_ERRQUEUE), SucceedsWith(1));
  EXPECT_NE(m.msg_flags & MSG_ERRQUEUE, 0);
  cmsghdr* c = CMSG_FIRSTHDR(&m);
  ASSERT_NE(c, nullptr);
  EXPECT_EQ(c->cmsg_level, IPPROTO_IP);
  EXPECT_EQ(c->cmsg_type, IP_RECVERR);
  sock_extended_err e;
  memcpy(&e, CMSG_DATA(c), sizeof(e));
  EXPECT_EQ(e.ee_errno, static_cast<uint32_t>(ECONNREFUSED));
  EXPECT_THAT(recvmsg(a_.get(), &m, MSG_ERRQUEUE), FailsWith(EAGAIN));
}

TEST_F(UdpTest, PacketInformation) {
  const int on = 1;
  ASSERT_THAT(setsockopt(b_.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)), SucceedsWith(0));
  ASSERT_THAT(setsockopt(b_.get(), SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on)), SucceedsWith(0));
  EXPECT_THAT(Send("x", 1), SucceedsWith(1));
  char data[16];
  alignas(cmsghdr) char control[256];
  iovec iov{data, sizeof(data)};
  msghdr m = {};
  m.msg_iov = &iov;
  m.msg_iovlen = 1;
  m.msg_control = control;
  m.msg_controllen = sizeof(control);
  ASSERT_THAT(recvmsg(b_.get(), &m, 0), SucceedsWith(1));
  bool info = false, stamp = false;
  for (cmsghdr* c = CMSG_FIRSTHDR(&m); c != nullptr; c = CMSG_NXTHDR(&m, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo p;
      memcpy(&p, CMSG_DATA(c), sizeof(p));
      EXPECT_EQ(p.ipi_addr.s_addr, htonl(INADDR_LOOPBACK));
      info = true;
    }
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMP) {
      timeval tv;
      memcpy(&tv, CMSG_DATA(c), sizeof(tv));
      EXPECT_GT(tv.tv_sec, 1500000000);
      stamp = true;
    }
  }
  EXPECT_TRUE(info);
  EXPECT_TRUE(stamp);
}

TEST_F(UdpTest, AncillaryToSend) {
  char byte = 'x';
  iovec iov{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr m = {};
  m.msg_name = &at_b_;
  m.msg_namelen = sizeof(at_b_);
  m.msg_iov = &iov;
  m.msg_iovlen = 1;
  m.msg_control = control;
  m.msg_controllen = sizeof(control);
  cmsghdr* c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = IPPROTO_IP;
  c->cmsg_type = IP_TTL;
  c->cmsg_len = CMSG_LEN(sizeof(int));
  const int ttl = 9, on = 1;
  memcpy(CMSG_DATA(c), &ttl, sizeof(ttl));
  ASSERT_THAT(setsockopt(b_.get(), IPPROTO_IP, IP_RECVTTL, &on, sizeof(on)), SucceedsWith(0));
  ASSERT_THAT(sendmsg(a_.get(), &m, 0), SucceedsWith(1));
  m.msg_name = nullptr;
  m.msg_controllen = sizeof(control);
  ASSERT_THAT(recvmsg(b_.get(), &m, 0), SucceedsWith(1));
  c = CMSG_FIRSTHDR(&m);
  ASSERT_NE(c, nullptr);
  EXPECT_EQ(c->cmsg_type, IP_TTL);
  int got;
  memcpy(&got, CMSG_DATA(c), sizeof(got));
  EXPECT_EQ(got, 9);
  // Not one that can be sent.
  c->cmsg_type = 200;
  m.msg_name = &at_b_;
  EXPECT_THAT(sendmsg(a_.get(), &m, 0), FailsWith(EINVAL));
}

TEST_F(UdpTest, ManyMessagesAtOnce) {
  mmsghdr out[3] = {}, in[4] = {};
  char data[4][4] = {"a", "bb", "ccc"};
  iovec iov[4];
  for (size_t i = 0; i < 3; ++i) {
    iov[i] = {data[i], i + 1};
    out[i].msg_hdr.msg_name = &at_b_;
    out[i].msg_hdr.msg_namelen = sizeof(at_b_);
    out[i].msg_hdr.msg_iov = &iov[i];
    out[i].msg_hdr.msg_iovlen = 1;
  }
  EXPECT_THAT(sendmmsg(a_.get(), out, 3, 0), SucceedsWith(3));
  EXPECT_EQ(out[2].msg_len, 3u);
  for (size_t i = 0; i < 4; ++i) {
    iov[i] = {data[i], 4};
    in[i].msg_hdr.msg_iov = &iov[i];
    in[i].msg_hdr.msg_iovlen = 1;
  }
  EXPECT_THAT(recvmmsg(b_.get(), in, 4, MSG_DONTWAIT, nullptr), SucceedsWith(3));
  EXPECT_EQ(in[1].msg_len, 2u);
}

volatile sig_atomic_t g_signals;
TEST_F(UdpTest, SignalDriven) {
  g_signals = 0;
  signal(SIGIO, [](int) { g_signals = g_signals + 1; });
  ASSERT_THAT(fcntl(b_.get(), F_SETOWN, getpid()), SucceedsWith(0));
  ASSERT_THAT(fcntl(b_.get(), F_SETFL, O_ASYNC), SucceedsWith(0));
  for (int i = 1; i <= 3; ++i) {
    EXPECT_THAT(Send("x", 1), SucceedsWith(1));
    for (int patience = 0; g_signals < i && patience < 500; ++patience) usleep(10000);
    EXPECT_GE(g_signals, i);
    char b;
    EXPECT_THAT(recv(b_.get(), &b, 1, 0), SucceedsWith(1));
  }
  signal(SIGIO, SIG_DFL);
}

TEST(PrivilegeTest, RawAndPacketNeedCapabilities) {
  if (geteuid() != 0) GTEST_SKIP() << "drops privileges, so it needs some";
  const int status = InChild([] {
    ASSERT_THAT(setresuid(65534, 65534, 65534), SucceedsWith(0));
    EXPECT_THAT(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), FailsWith(EPERM));
    EXPECT_THAT(socket(AF_PACKET, SOCK_RAW, 0), FailsWith(EPERM));
    Fd fd(socket(AF_INET, SOCK_STREAM, 0));
    const sockaddr_in low = Local(htons(1));
    EXPECT_THAT(bind(fd.get(), Any(low), sizeof(low)), FailsWith(EACCES));
    sockaddr_in unspecified = {};  // Linux takes it for 0.0.0.0
    unspecified.sin_port = htons(1);
    EXPECT_THAT(bind(fd.get(), Any(unspecified), sizeof(unspecified)), FailsWith(EACCES));
    const int v = 1;
    EXPECT_THAT(setsockopt(fd.get(), SOL_SOCKET, SO_MARK, &v, sizeof(v)), FailsWith(EPERM));
    EXPECT_THAT(setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &v, sizeof(v)), FailsWith(EPERM));
  });
  EXPECT_EQ(status, 0);
}

TEST(InterfaceTest, Loopback) {
  Fd s(socket(AF_INET, SOCK_DGRAM, 0));
  ifreq r = {};
  strcpy(r.ifr_name, "lo");
  ASSERT_THAT(ioctl(s.get(), SIOCGIFFLAGS, &r), SucceedsWith(0));
  EXPECT_NE(r.ifr_flags & IFF_LOOPBACK, 0);
  ASSERT_THAT(ioctl(s.get(), SIOCGIFADDR, &r), SucceedsWith(0));
  EXPECT_EQ(reinterpret_cast<sockaddr_in*>(&r.ifr_addr)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
  ASSERT_THAT(ioctl(s.get(), SIOCGIFINDEX, &r), SucceedsWith(0));
  EXPECT_EQ(r.ifr_ifindex, 1);
  strcpy(r.ifr_name, "nonesuch");
  EXPECT_THAT(ioctl(s.get(), SIOCGIFFLAGS, &r), FailsWith(ENODEV));
  char name[IF_NAMESIZE];
  EXPECT_STREQ(if_indextoname(1, name), "lo");
  EXPECT_EQ(if_nametoindex("lo"), 1u);
  ifconf all = {};
  ASSERT_THAT(ioctl(s.get(), SIOCGIFCONF, &all), SucceedsWith(0));
  ASSERT_GE(all.ifc_len, static_cast<int>(sizeof(ifreq)));
  std::vector<ifreq> list(static_cast<size_t>(all.ifc_len) / sizeof(ifreq));
  all.ifc_req = list.data();
  ASSERT_THAT(ioctl(s.get(), SIOCGIFCONF, &all), SucceedsWith(0));
  EXPECT_STREQ(list[0].ifr_name, "lo");
}

TEST(ProcNetTest, TellsOfSockets) {
  Fd s(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in a = Local();
  ASSERT_THAT(bind(s.get(), Any(a), sizeof(a)), SucceedsWith(0));
  ASSERT_THAT(listen(s.get(), 1), SucceedsWith(0));
  socklen_t n = sizeof(a);
  ASSERT_THAT(getsockname(s.get(), Any(a), &n), SucceedsWith(0));
  char line[32];
  snprintf(line, sizeof line, "0100007F:%04X 00000000:0000 0A", ntohs(a.sin_port));
  EXPECT_NE(ReadFile("/proc/net/tcp").find(line), std::string::npos);
  EXPECT_NE(ReadFile("/proc/net/dev").find("lo:"), std::string::npos);
}

}  // namespace
}  // namespace cvisor::test
