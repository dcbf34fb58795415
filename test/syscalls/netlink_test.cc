// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// netlink(7), NETLINK_ROUTE: questions about the network namespace.
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <set>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

struct Request {
  nlmsghdr header = {};
  union {
    ifinfomsg link;
    ifaddrmsg address;
    rtmsg route;
  };
  Request(uint16_t type, uint16_t flags, size_t size) : link{} {
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
    header.nlmsg_seq = 77;
    header.nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(size));
  }
};

class NetlinkTest : public testing::Test {
 protected:
  void SetUp() override {
    fd_ = Fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    ASSERT_GE(fd_.get(), 0) << strerror(errno);
  }
  void Ask(const Request& r) {
    ASSERT_THAT(send(fd_.get(), &r, r.header.nlmsg_len, 0), SucceedsWith(r.header.nlmsg_len));
  }
  // Calls `each` for every message up to the end of the dump.
  template <typename F>
  void ReadDump(F each) {
    alignas(nlmsghdr) static char b[65536];
    for (;;) {
      const ssize_t n = recv(fd_.get(), b, sizeof b, 0);
      ASSERT_GT(n, 0);
      size_t left = static_cast<size_t>(n);
      for (auto* h = reinterpret_cast<nlmsghdr*>(b); NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
        EXPECT_EQ(h->nlmsg_seq, 77u);
        if (h->nlmsg_type == NLMSG_DONE) return;
        ASSERT_NE(h->nlmsg_type, NLMSG_ERROR);
        each(h);
      }
    }
  }
  int ReadError() {
    struct {
      nlmsghdr header;
      nlmsgerr error;
      char rest[256];
    } m = {};
    EXPECT_GT(recv(fd_.get(), &m, sizeof m, 0), 0);
    EXPECT_EQ(m.header.nlmsg_type, NLMSG_ERROR);
    return -m.error.error;
  }
  Fd fd_;
};

TEST_F(NetlinkTest, NamesAndKinds) {
  sockaddr_nl a = {};
  a.nl_family = AF_NETLINK;
  ASSERT_THAT(bind(fd_.get(), reinterpret_cast<sockaddr*>(&a), sizeof a), SucceedsWith(0));
  socklen_t n = sizeof a;
  ASSERT_THAT(getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&a), &n), SucceedsWith(0));
  EXPECT_EQ(n, sizeof a);
  EXPECT_EQ(a.nl_pid, static_cast<uint32_t>(getpid()));
  Fd second(socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE));
  EXPECT_THAT(bind(second.get(), reinterpret_cast<sockaddr*>(&a), sizeof a), FailsWith(EADDRINUSE));
  EXPECT_THAT(socket(AF_NETLINK, SOCK_STREAM, NETLINK_ROUTE), FailsWith(ESOCKTNOSUPPORT));
  EXPECT_THAT(socket(AF_NETLINK, SOCK_RAW, 400), FailsWith(EPROTONOSUPPORT));
  char b;
  EXPECT_THAT(recv(fd_.get(), &b, 1, MSG_DONTWAIT), FailsWith(EAGAIN));
}

TEST_F(NetlinkTest, Links) {
  Ask(Request(RTM_GETLINK, NLM_F_DUMP, sizeof(ifinfomsg)));
  bool loopback = false;
  ReadDump([&](nlmsghdr* h) {
    EXPECT_EQ(h->nlmsg_type, RTM_NEWLINK);
    auto* link = static_cast<ifinfomsg*>(NLMSG_DATA(h));
    int left = static_cast<int>(IFLA_PAYLOAD(h));
    for (rtattr* a = IFLA_RTA(link); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
      if (a->rta_type == IFLA_IFNAME && std::string(static_cast<char*>(RTA_DATA(a))) == "lo") {
        EXPECT_NE(link->ifi_flags & IFF_LOOPBACK, 0u);
        loopback = true;
      }
    }
  });
  EXPECT_TRUE(loopback);
}

TEST_F(NetlinkTest, OneLink) {
  Request r(RTM_GETLINK, 0, sizeof(ifinfomsg));
  r.link.ifi_index = 1;
  Ask(r);
  alignas(nlmsghdr) char b[16384];
  ASSERT_GT(recv(fd_.get(), b, sizeof b, 0), 0);
  auto* h = reinterpret_cast<nlmsghdr*>(b);
  ASSERT_EQ(h->nlmsg_type, RTM_NEWLINK);
  EXPECT_EQ(static_cast<ifinfomsg*>(NLMSG_DATA(h))->ifi_index, 1);
  r.link.ifi_index = 1 << 30;
  Ask(r);
  EXPECT_EQ(ReadError(), ENODEV);
}

TEST_F(NetlinkTest, RoutesHaveAnEnd) {
  Request r(RTM_GETROUTE, NLM_F_DUMP, sizeof(rtmsg));
  r.route.rtm_family = AF_INET;
  Ask(r);
  ReadDump([](nlmsghdr* h) { EXPECT_EQ(h->nlmsg_type, RTM_NEWROUTE); });
}

TEST_F(NetlinkTest, PeekTellsTheLength) {
  Ask(Request(RTM_GETLINK, NLM_F_DUMP, sizeof(ifinfomsg)));
  char b[65536];
  const ssize_t whole = recv(fd_.get(), b, 1, MSG_PEEK | MSG_TRUNC);
  EXPECT_GT(whole, 1);
  EXPECT_THAT(recv(fd_.get(), b, sizeof b, 0), SucceedsWith(whole));
}

TEST_F(NetlinkTest, UnprivilegedChangesAreRefused) {
  const int status = InChild([&] {
    if (geteuid() == 0) {
      ASSERT_THAT(setresuid(65534, 65534, 65534), SucceedsWith(0));
    }
    Request r(RTM_NEWLINK, NLM_F_ACK, sizeof(ifinfomsg));
    r.link.ifi_index = 1;
    Ask(r);
    EXPECT_EQ(ReadError(), EPERM);
  });
  EXPECT_THAT(status, ExitedWith(0));
}

TEST_F(NetlinkTest, GarbageIsIgnored) {
  char zeros[64] = {};
  EXPECT_THAT(send(fd_.get(), zeros, sizeof zeros, 0), SucceedsWith(64));
  EXPECT_THAT(send(fd_.get(), zeros, 3, 0), SucceedsWith(3));
  Ask(Request(RTM_GETADDR, NLM_F_DUMP, sizeof(ifaddrmsg)));
  ReadDump([](nlmsghdr* h) { EXPECT_EQ(h->nlmsg_type, RTM_NEWADDR); });
}

TEST(GetifaddrsTest, HasLoopback) {
  ifaddrs* list = nullptr;
  ASSERT_THAT(getifaddrs(&list), SucceedsWith(0));
  std::set<std::string> addresses;
  for (ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || i->ifa_addr->sa_family != AF_INET) continue;
    addresses.insert(inet_ntoa(reinterpret_cast<sockaddr_in*>(i->ifa_addr)->sin_addr));
  }
  freeifaddrs(list);
  EXPECT_TRUE(addresses.contains("127.0.0.1"));
}

}  // namespace
}  // namespace cvisor::test
