// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "pkg/sentry/fs/epoll/epoll.h"
#include "pkg/sentry/fs/eventfd/eventfd.h"
#include "pkg/sentry/fs/pipe/node_fs_for_test.h"
#include "pkg/sentry/socket/unix/garbage.h"
#include "pkg/sentry/socket/unix/unix_socket.h"

namespace cvisor::socket::unix_socket {
namespace {

using S = Ref<Socket>;

struct CountingWaiter : Waiter {
  void OnEvent(EventMask mask) override { ++events, seen |= mask; }
  std::atomic<int> events{0};
  std::atomic<EventMask> seen{0};
};

class UnixTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { RegisterUnixSockets(); }
  UnixTest() {
    caller_.pid = 7;
    caller_.creds = ctx_.creds;
    caller_.walk = [this] { return ctx_; };
  }
  ~UnixTest() override { EXPECT_EQ(InFlightCount(), 0u); }

  S New(int type) { return *Create(caller_, AF_UNIX, type, 0); }
  std::pair<S, S> Pair(int type) { return *CreatePair(caller_, AF_UNIX, type, 0); }
  static std::string Path(std::string_view p) {
    return EncodeUnnamed() + std::string(p) + std::string(1, '\0');
  }
  static std::string Abs(std::string_view p) {
    return EncodeUnnamed() + std::string(1, '\0') + std::string(p);
  }
  Result<size_t> Send(Socket& s, std::string_view data, SendArgs args = {}) {
    SpanSource src(data.data(), data.size());
    return s.SendMsg(caller_, src, args);
  }
  Result<size_t> SendTo(Socket& s, std::string_view data, std::string_view address) {
    SendArgs args;
    args.address = address;
    return Send(s, data, std::move(args));
  }
  Result<size_t> SendFile(Socket& s, std::string_view data, Ref<vfs::FileDescription> file) {
    SendArgs args;
    args.control.rights.push_back(std::move(file));
    return Send(s, data, std::move(args));
  }
  static Result<std::string> Recv(Socket& s, size_t n, int flags = 0, RecvResult* more = nullptr) {
    std::string buf(n, '\0');
    SpanSink dst(buf.data(), n);
    ASSIGN_OR_RETURN(RecvResult r, s.RecvMsg(dst, flags));
    buf.resize(std::min(r.size, n));
    if (more != nullptr) *more = std::move(r);
    return buf;
  }
  int IntOption(Socket& s, int name) {
    const std::string v = *s.GetSockOpt(caller_, SOL_SOCKET, name);
    int i;
    std::memcpy(&i, v.data(), sizeof(i));
    return i;
  }
  Status SetInt(Socket& s, int name, int v) {
    return s.SetSockOpt(caller_, SOL_SOCKET, name, std::as_bytes(std::span(&v, 1)));
  }
  ucred PeerCred(Socket& s) {
    const std::string v = *s.GetSockOpt(caller_, SOL_SOCKET, SO_PEERCRED);
    ucred c;
    std::memcpy(&c, v.data(), sizeof(c));
    return c;
  }
  static EventMask Poll(Socket& s) { return s.Readiness(kEventAll) & ~EPOLLWRBAND; }
  // A listener at `address` with a connected client.
  struct Connection {
    S listener, client, server;
  };
  Connection Connect(int type, const std::string& address) {
    Connection c{New(type), New(type), nullptr};
    EXPECT_TRUE(c.listener->Bind(caller_, address).ok());
    EXPECT_TRUE(c.listener->Listen(caller_, 5).ok());
    EXPECT_TRUE(c.client->Connect(caller_, address).ok());
    c.server = *c.listener->Accept(caller_, 0, nullptr);
    return c;
  }

  vfs::WalkContext ctx_ = fs::pipe::NewNodeTree();
  SocketCaller caller_;
};

TEST_F(UnixTest, Creation) {
  EXPECT_EQ(Create(caller_, AF_UNIX, SOCK_STREAM, 5).error(), Errno::kEPROTONOSUPPORT);
  EXPECT_EQ(Create(caller_, AF_UNIX, SOCK_PACKET, 0).error(), Errno::kESOCKTNOSUPPORT);
  EXPECT_EQ(Create(caller_, AF_UNIX, 15, 0).error(), Errno::kEINVAL);
  EXPECT_EQ(Create(caller_, AF_APPLETALK, SOCK_STREAM, 0).error(), Errno::kEAFNOSUPPORT);
  EXPECT_EQ(Create(caller_, -1, SOCK_STREAM, 0).error(), Errno::kEAFNOSUPPORT);
  auto s = *Create(caller_, AF_UNIX, SOCK_RAW | SOCK_NONBLOCK, 0);
  EXPECT_EQ(s->type(), SOCK_DGRAM);
  EXPECT_TRUE(s->nonblocking());
}

TEST_F(UnixTest, StreamPair) {
  auto [a, b] = Pair(SOCK_STREAM);
  EXPECT_EQ(Poll(*a), kEventOut);
  EXPECT_EQ(Recv(*a, 1).error(), Errno::kEAGAIN);
  EXPECT_EQ(*Send(*a, "hello "), 6u);
  EXPECT_EQ(*Send(*a, "world"), 5u);
  EXPECT_EQ(Poll(*b), kEventIn | kEventOut);
  EXPECT_EQ(*Recv(*b, 4, MSG_PEEK), "hell");
  EXPECT_EQ(*Recv(*b, 4), "hell");
  EXPECT_EQ(*Recv(*b, 100), "o world");
  EXPECT_EQ(SendTo(*a, "x", Abs("q")).error(), Errno::kEISCONN);
  EXPECT_EQ(*a->GetSockName(), EncodeUnnamed());
  EXPECT_EQ(*a->GetPeerName(), EncodeUnnamed());
  EXPECT_EQ(PeerCred(*a).pid, 7);
  b.reset();
  EXPECT_EQ(Poll(*a), kEventIn | kEventOut | EPOLLRDHUP | kEventHup);
  EXPECT_EQ(*Recv(*a, 1), "");
  EXPECT_EQ(Send(*a, "x").error(), Errno::kEPIPE);
}

TEST_F(UnixTest, ResetWhenClosedWithUnreadData) {
  auto [a, b] = Pair(SOCK_STREAM);
  ASSERT_TRUE(Send(*a, "unread").ok());
  ASSERT_TRUE(Send(*b, "for a").ok());
  b.reset();
  EXPECT_NE(Poll(*a) & kEventErr, 0u);
  EXPECT_EQ(*Recv(*a, 100), "for a");
  EXPECT_EQ(Recv(*a, 100).error(), Errno::kECONNRESET);
  EXPECT_EQ(*Recv(*a, 100), "");
}

TEST_F(UnixTest, StreamBackPressure) {
  auto [a, b] = Pair(SOCK_STREAM);
  const std::string chunk(10000, 'c');
  size_t sent = 0;
  for (;;) {
    auto n = Send(*a, chunk);
    if (!n.ok()) {
      EXPECT_EQ(n.error(), Errno::kEAGAIN);
      break;
    }
    sent += *n;
  }
  EXPECT_GT(sent, 100000u);
  EXPECT_LT(sent, 500000u);
  EXPECT_EQ(Poll(*a), 0u);
  CountingWaiter waiter;
  a->wait_queue()->Register(&waiter, kEventOut);
  size_t got = 0;
  while (got < sent) got += Recv(*b, 5000)->size();
  EXPECT_GE(waiter.events, 1);
  EXPECT_EQ(Poll(*a), kEventOut);
  a->wait_queue()->Unregister(&waiter);
}

TEST_F(UnixTest, SmallWritesShareMessages) {
  auto [a, b] = Pair(SOCK_STREAM);
  for (int i = 0; i < 20000; ++i) ASSERT_TRUE(Send(*a, "x").ok()) << i;
  EXPECT_EQ(Recv(*b, 30000)->size(), 20000u);
}

TEST_F(UnixTest, Listening) {
  const std::string name = Path("/sock");
  auto c = Connect(SOCK_STREAM, name);
  EXPECT_EQ(*c.listener->GetSockName(), name);
  EXPECT_EQ(*c.server->GetSockName(), name);
  EXPECT_EQ(*c.client->GetPeerName(), name);
  EXPECT_EQ(*c.server->GetPeerName(), EncodeUnnamed());
  EXPECT_EQ(IntOption(*c.listener, SO_ACCEPTCONN), 1);
  EXPECT_EQ(PeerCred(*c.client).pid, 7);
  EXPECT_EQ(c.client->Connect(caller_, name).error(), Errno::kEISCONN);
  EXPECT_EQ(c.listener->Connect(caller_, name).error(), Errno::kEINVAL);
  EXPECT_EQ(c.client->Listen(caller_, 1).error(), Errno::kEINVAL);
  EXPECT_EQ(c.client->Accept(caller_, 0, nullptr).error(), Errno::kEINVAL);
  EXPECT_EQ(c.listener->Accept(caller_, 0, nullptr).error(), Errno::kEAGAIN);
  EXPECT_EQ(Recv(*c.listener, 1).error(), Errno::kEINVAL);
  EXPECT_EQ(Send(*c.listener, "x").error(), Errno::kENOTCONN);
  EXPECT_EQ(New(SOCK_SEQPACKET)->Connect(caller_, name).error(), Errno::kEPROTOTYPE);
  EXPECT_EQ(New(SOCK_STREAM)->Bind(caller_, name).error(), Errno::kEADDRINUSE);
  EXPECT_EQ(New(SOCK_STREAM)->Connect(caller_, Path("/none")).error(), Errno::kENOENT);
  ASSERT_TRUE(Send(*c.client, "data").ok());
  EXPECT_EQ(*Recv(*c.server, 10), "data");
  c.listener.reset();
  EXPECT_EQ(New(SOCK_STREAM)->Connect(caller_, name).error(), Errno::kECONNREFUSED);
  ASSERT_TRUE(Send(*c.server, "still").ok());
  EXPECT_EQ(*Recv(*c.client, 10), "still");
}

TEST_F(UnixTest, ConnectNeedsWritePermission) {
  ctx_.umask = 0077;
  auto c = Connect(SOCK_STREAM, Path("/mine"));
  auto nobody = ctx_.creds->Copy();
  nobody->fsuid = nobody->euid = nobody->ruid = 1000;
  nobody->effective = 0;
  ctx_.creds = nobody;
  EXPECT_EQ(New(SOCK_STREAM)->Connect(caller_, Path("/mine")).error(), Errno::kEACCES);
}

TEST_F(UnixTest, Backlog) {
  auto l = New(SOCK_STREAM);
  EXPECT_EQ(l->Listen(caller_, 1).error(), Errno::kEINVAL);
  EXPECT_EQ(Poll(*l), kEventHup | kEventOut);
  ASSERT_TRUE(l->Bind(caller_, Abs("bl")).ok());
  ASSERT_TRUE(l->Listen(caller_, 1).ok());
  EXPECT_EQ(Poll(*l), 0u);
  auto a = New(SOCK_STREAM), b = New(SOCK_STREAM), c = New(SOCK_STREAM);
  EXPECT_TRUE(a->Connect(caller_, Abs("bl")).ok());
  EXPECT_TRUE(b->Connect(caller_, Abs("bl")).ok());
  EXPECT_EQ(c->Connect(caller_, Abs("bl")).error(), Errno::kEAGAIN);
  EXPECT_EQ(Poll(*l), kEventIn);
  CountingWaiter waiter;
  c->wait_queue()->Register(&waiter, kEventOut);
  std::string peer;
  EXPECT_TRUE(l->Accept(caller_, 0, &peer).ok());
  EXPECT_EQ(peer, EncodeUnnamed());
  EXPECT_EQ(waiter.events, 1);
  EXPECT_TRUE(c->Connect(caller_, Abs("bl")).ok());
  c->wait_queue()->Unregister(&waiter);
  l.reset();  // b and c were never accepted
  EXPECT_EQ(Recv(*b, 1).error(), Errno::kECONNRESET);
  EXPECT_EQ(*Recv(*a, 1), "");  // its server was closed after accept
}

TEST_F(UnixTest, Names) {
  auto s = New(SOCK_DGRAM);
  EXPECT_EQ(s->Bind(caller_, "").error(), Errno::kEINVAL);
  EXPECT_EQ(s->Bind(caller_, std::string(200, 'x')).error(), Errno::kEINVAL);
  EXPECT_EQ(s->Bind(caller_, std::string("\x02\0/x", 4)).error(), Errno::kEINVAL);
  ASSERT_TRUE(s->Bind(caller_, EncodeUnnamed()).ok());  // autobind
  EXPECT_EQ(s->GetSockName()->size(), 2u + 1 + 5);
  EXPECT_EQ(s->Bind(caller_, Abs("other")).error(), Errno::kEINVAL);
  // A path may fill sun_path; then the kernel tells one byte more.
  auto full = New(SOCK_DGRAM);
  const std::string longest = "/" + std::string(107, 'p');
  ASSERT_TRUE(full->Bind(caller_, EncodeUnnamed() + longest).ok());
  EXPECT_EQ(full->GetSockName()->size(), 2u + 108 + 1);
  // Abstract names are by type and end with the socket; NULs count.
  auto n1 = New(SOCK_DGRAM), n2 = New(SOCK_DGRAM), n3 = New(SOCK_STREAM);
  ASSERT_TRUE(n1->Bind(caller_, Abs("n")).ok());
  EXPECT_EQ(n2->Bind(caller_, Abs("n")).error(), Errno::kEADDRINUSE);
  EXPECT_TRUE(n3->Bind(caller_, Abs("n")).ok());
  EXPECT_TRUE(n2->Bind(caller_, Abs(std::string("n\0", 2))).ok());
  EXPECT_NE(ProcNetUnix(0).find(" @n\n"), std::string::npos);
  n1.reset();
  EXPECT_TRUE(New(SOCK_DGRAM)->Bind(caller_, Abs("n")).ok());
  // Other network namespace, other names.
  SocketCaller other = caller_;
  other.net_ns = 1;
  auto o = *Create(other, AF_UNIX, SOCK_DGRAM, 0);
  EXPECT_EQ(o->Connect(other, Abs(std::string("n\0", 2))).error(), Errno::kECONNREFUSED);
}

TEST_F(UnixTest, Datagrams) {
  auto s = New(SOCK_DGRAM), c = New(SOCK_DGRAM);
  ASSERT_TRUE(s->Bind(caller_, Abs("dg")).ok());
  EXPECT_EQ(Send(*c, "x").error(), Errno::kENOTCONN);
  EXPECT_EQ(SendTo(*c, "x", Abs("nobody")).error(), Errno::kECONNREFUSED);
  ASSERT_TRUE(c->Bind(caller_, Abs("cl")).ok());
  EXPECT_EQ(*SendTo(*c, "one", Abs("dg")), 3u);
  EXPECT_EQ(*SendTo(*c, "", Abs("dg")), 0u);
  EXPECT_EQ(*SendTo(*c, "three", Abs("dg")), 5u);
  RecvResult r;
  EXPECT_EQ(*Recv(*s, 2, MSG_PEEK, &r), "on");
  EXPECT_EQ(*Recv(*s, 2, MSG_TRUNC, &r), "on");
  EXPECT_EQ(r.size, 3u);
  EXPECT_EQ(r.flags, MSG_TRUNC);
  EXPECT_EQ(r.address, Abs("cl"));
  EXPECT_EQ(*Recv(*s, 10), "");
  EXPECT_EQ(*Recv(*s, 10), "three");
  EXPECT_EQ(Recv(*s, 10).error(), Errno::kEAGAIN);
  // Connected: only the peer may send.
  ASSERT_TRUE(s->Connect(caller_, Abs("cl")).ok());
  auto third = New(SOCK_DGRAM);
  EXPECT_EQ(SendTo(*third, "x", Abs("dg")).error(), Errno::kEPERM);
  EXPECT_EQ(third->Connect(caller_, Abs("dg")).error(), Errno::kEPERM);
  const std::string unspec(2, '\0');
  ASSERT_TRUE(s->Connect(caller_, unspec).ok());
  EXPECT_EQ(s->GetPeerName().error(), Errno::kENOTCONN);
  EXPECT_TRUE(SendTo(*third, "x", Abs("dg")).ok());
  // The receiver goes.
  ASSERT_TRUE(c->Connect(caller_, Abs("dg")).ok());
  s.reset();
  EXPECT_EQ(Send(*c, "x").error(), Errno::kECONNREFUSED);
  EXPECT_EQ(Send(*c, "x").error(), Errno::kENOTCONN);
  EXPECT_EQ(SendTo(*c, std::string(300000, 'x'), Abs("cl")).error(), Errno::kEMSGSIZE);
}

TEST_F(UnixTest, DatagramQueueLimit) {
  auto s = New(SOCK_DGRAM), c = New(SOCK_DGRAM);
  ASSERT_TRUE(s->Bind(caller_, Abs("ql")).ok());
  ASSERT_TRUE(c->Connect(caller_, Abs("ql")).ok());
  int sent = 0;
  while (Send(*c, "m").ok()) ++sent;
  EXPECT_EQ(sent, 11);
  EXPECT_EQ(Poll(*c), 0u);
  CountingWaiter waiter;
  c->wait_queue()->Register(&waiter, kEventOut);
  EXPECT_TRUE(Recv(*s, 1).ok());
  EXPECT_EQ(waiter.events, 1);
  EXPECT_EQ(Poll(*c), kEventOut);
  EXPECT_TRUE(Send(*c, "m").ok());
  EXPECT_EQ(Send(*c, "m").error(), Errno::kEAGAIN);
  s.reset();
  EXPECT_EQ(waiter.events, 2);
  c->wait_queue()->Unregister(&waiter);
  // A pair is limited by the send buffer only.
  auto [a, b] = Pair(SOCK_DGRAM);
  sent = 0;
  while (Send(*a, "m").ok()) ++sent;
  EXPECT_GT(sent, 100);
}

TEST_F(UnixTest, SeqPacket) {
  auto c = Connect(SOCK_SEQPACKET, Abs("sp"));
  ASSERT_TRUE(Send(*c.client, "first").ok());
  ASSERT_TRUE(Send(*c.client, "second").ok());
  EXPECT_EQ(*Recv(*c.server, 3), "fir");
  EXPECT_EQ(*Recv(*c.server, 100), "second");
  EXPECT_EQ(Send(*New(SOCK_SEQPACKET), "x").error(), Errno::kENOTCONN);
  EXPECT_EQ(Recv(*New(SOCK_SEQPACKET), 1).error(), Errno::kENOTCONN);
  c.client.reset();
  EXPECT_EQ(*Recv(*c.server, 1), "");
  EXPECT_EQ(Send(*c.server, "x").error(), Errno::kEPIPE);
}

TEST_F(UnixTest, Shutdown) {
  auto [a, b] = Pair(SOCK_STREAM);
  EXPECT_EQ(a->Shutdown(9).error(), Errno::kEINVAL);
  ASSERT_TRUE(Send(*a, "last").ok());
  ASSERT_TRUE(a->Shutdown(SHUT_WR).ok());
  EXPECT_EQ(Send(*a, "x").error(), Errno::kEPIPE);
  EXPECT_EQ(Poll(*b), kEventIn | kEventOut | EPOLLRDHUP);
  EXPECT_EQ(*Recv(*b, 10), "last");
  EXPECT_EQ(*Recv(*b, 10), "");
  EXPECT_TRUE(Send(*b, "back").ok());
  ASSERT_TRUE(b->Shutdown(SHUT_WR).ok());
  EXPECT_NE(Poll(*a) & kEventHup, 0u);
  EXPECT_EQ(*Recv(*a, 10), "back");
}

TEST_F(UnixTest, Rights) {
  auto [a, b] = Pair(SOCK_STREAM);
  auto file = *fs::eventfd::NewEventFd(0, 0);
  const auto refs = file->ref_count();
  ASSERT_TRUE(Send(*a, "before").ok());
  ASSERT_TRUE(SendFile(*a, "with", file).ok());
  ASSERT_TRUE(Send(*a, "after").ok());
  EXPECT_EQ(InFlightCount(), 1u);
  RecvResult r;
  EXPECT_EQ(*Recv(*b, 100, MSG_PEEK, &r), "beforewith");
  ASSERT_EQ(r.control.rights.size(), 1u);
  // What came before is read with it; what comes after is not.
  EXPECT_EQ(*Recv(*b, 8, 0, &r), "beforewi");
  ASSERT_EQ(r.control.rights.size(), 1u);
  EXPECT_EQ(r.control.rights[0], file);
  EXPECT_TRUE(r.boundary);
  EXPECT_EQ(*Recv(*b, 100, 0, &r), "thafter");
  EXPECT_TRUE(r.control.rights.empty());
  // Not received: closed with the socket.
  ASSERT_TRUE(SendFile(*a, "x", file).ok());
  EXPECT_EQ(file->ref_count(), refs + 1);
  b.reset();
  EXPECT_EQ(file->ref_count(), refs);
  caller_.creds = [&] {
    auto c = caller_.creds->Copy();
    c->effective = 0;
    return c;
  }();
  caller_.rlimit_nofile = 0;
  auto p = Pair(SOCK_DGRAM);
  ASSERT_TRUE(SendFile(*p.first, "x", file).ok());
  EXPECT_EQ(SendFile(*p.first, "x", file).error(), Errno::kETOOMANYREFS);
}

TEST_F(UnixTest, GarbageIsCollected) {
  auto watch = *fs::eventfd::NewEventFd(0, 0);
  const auto refs = watch->ref_count();
  for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
    auto [a, b] = Pair(type);
    ASSERT_TRUE(SendFile(*a, "x", watch).ok());
    ASSERT_TRUE(SendFile(*a, "x", b).ok());  // b is in its own queue
    ASSERT_TRUE(SendFile(*b, "x", a).ok());
  }
  (void)New(SOCK_STREAM);  // closed at once: the collector runs
  EXPECT_EQ(InFlightCount(), 0u);
  EXPECT_EQ(watch->ref_count(), refs);
  // In the queue of a connection that nobody accepted.
  {
    auto l = New(SOCK_STREAM), c = New(SOCK_STREAM);
    ASSERT_TRUE(l->Bind(caller_, Abs("gc")).ok());
    ASSERT_TRUE(l->Listen(caller_, 1).ok());
    ASSERT_TRUE(c->Connect(caller_, Abs("gc")).ok());
    ASSERT_TRUE(SendFile(*c, "x", l).ok());
  }
  (void)New(SOCK_STREAM);
  EXPECT_EQ(InFlightCount(), 0u);
  // Reachable through a live socket: kept.
  auto live = Pair(SOCK_STREAM), cycle = Pair(SOCK_STREAM);
  ASSERT_TRUE(SendFile(*cycle.first, "x", cycle.second).ok());
  ASSERT_TRUE(SendFile(*live.first, "y", cycle.second).ok());
  cycle.first.reset(), cycle.second.reset();
  (void)New(SOCK_STREAM);
  EXPECT_EQ(InFlightCount(), 2u);
  RecvResult r;
  EXPECT_EQ(*Recv(*live.second, 1, 0, &r), "y");
  auto back = RefCast<Socket>(r.control.rights[0]);
  r = {};
  EXPECT_EQ(*Recv(*back, 1, 0, &r), "x");
  EXPECT_EQ(r.control.rights[0], back);
}

TEST_F(UnixTest, LongChainsInFlightEndWithoutRecursion) {
  S last = New(SOCK_DGRAM);
  for (int i = 0; i < 20000; ++i) {
    auto [a, b] = Pair(SOCK_DGRAM);
    ASSERT_TRUE(SendFile(*a, "x", last).ok());
    last = b;
  }
}

TEST_F(UnixTest, Credentials) {
  auto [a, b] = Pair(SOCK_STREAM);
  ASSERT_TRUE(Send(*a, "anon").ok());
  ASSERT_TRUE(SetInt(*b, SO_PASSCRED, 1).ok());
  ASSERT_TRUE(Send(*a, "me").ok());
  SendArgs args;
  args.control.credentials = ucred{9, 1, 2};
  ASSERT_TRUE(Send(*a, "claim", std::move(args)).ok());
  RecvResult r;
  EXPECT_EQ(*Recv(*b, 100, 0, &r), "anon");
  EXPECT_EQ(r.control.credentials->uid, 65534u);
  EXPECT_EQ(*Recv(*b, 100, 0, &r), "me");
  EXPECT_EQ(r.control.credentials->pid, 7);
  EXPECT_EQ(*Recv(*b, 100, 0, &r), "claim");
  EXPECT_EQ(r.control.credentials->pid, 9);
}

TEST_F(UnixTest, Options) {
  auto s = New(SOCK_STREAM);
  EXPECT_EQ(IntOption(*s, SO_TYPE), SOCK_STREAM);
  EXPECT_EQ(IntOption(*s, SO_DOMAIN), AF_UNIX);
  EXPECT_EQ(IntOption(*s, SO_SNDBUF), 212992);
  ASSERT_TRUE(SetInt(*s, SO_SNDBUF, 10000).ok());
  EXPECT_EQ(IntOption(*s, SO_SNDBUF), 20000);
  ASSERT_TRUE(SetInt(*s, SO_SNDBUF, 1).ok());
  EXPECT_EQ(IntOption(*s, SO_SNDBUF), 4608);
  ASSERT_TRUE(SetInt(*s, SO_RCVBUF, -1).ok());
  EXPECT_EQ(IntOption(*s, SO_RCVBUF), 425984);
  ASSERT_TRUE(SetInt(*s, SO_REUSEADDR, 5).ok());
  EXPECT_EQ(IntOption(*s, SO_REUSEADDR), 1);
  EXPECT_EQ(SetInt(*s, SO_TYPE, 5).error(), Errno::kENOPROTOOPT);
  EXPECT_EQ(s->GetSockOpt(caller_, IPPROTO_TCP, 1).error(), Errno::kEOPNOTSUPP);
  EXPECT_EQ(PeerCred(*s).uid, static_cast<uid_t>(-1));
  timeval tv{1, 500000};
  ASSERT_TRUE(
      s->SetSockOpt(caller_, SOL_SOCKET, SO_RCVTIMEO, std::as_bytes(std::span(&tv, 1))).ok());
  EXPECT_EQ(s->options().receive_timeout(), 1500000000);
  tv.tv_usec = 1000000;
  EXPECT_EQ(
      s->SetSockOpt(caller_, SOL_SOCKET, SO_RCVTIMEO, std::as_bytes(std::span(&tv, 1))).error(),
      Errno::kEDOM);
}

TEST_F(UnixTest, EdgeTriggeredEpoll) {
  auto [a, b] = Pair(SOCK_STREAM);
  auto ep = MakeRef<fs::epoll::EventPoll>();
  epoll_event want{};
  want.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  ASSERT_TRUE(ep->Ctl(EPOLL_CTL_ADD, 1, b, want).ok());
  EXPECT_EQ(ep->Collect(8)->size(), 1u);
  EXPECT_EQ(ep->Collect(8)->size(), 0u);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Send(*a, "x").ok());  // each arrival is an edge
    auto got = *ep->Collect(8);
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].events, static_cast<uint32_t>(EPOLLIN | EPOLLOUT));
  }
  a.reset();
  auto got = *ep->Collect(8);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].events, static_cast<uint32_t>(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP));
}

TEST_F(UnixTest, RacesOfSendAndClose) {
  for (int round = 0; round < 300; ++round) {
    auto [a, b] = Pair(round % 2 == 0 ? SOCK_STREAM : SOCK_SEQPACKET);
    auto file = *fs::eventfd::NewEventFd(0, 0);
    std::thread sender([&, a = a] {
      for (int i = 0; i < 20; ++i) {
        auto n = SendFile(*a, "data", file);
        EXPECT_TRUE(n.ok() || n.error() == Errno::kEPIPE || n.error() == Errno::kECONNRESET);
        (void)Poll(*a);
      }
    });
    std::thread reader([b = std::move(b)]() mutable {
      (void)Recv(*b, 6);
      b.reset();
    });
    sender.join();
    reader.join();
    a.reset();
    EXPECT_EQ(InFlightCount(), 0u);
  }
}

TEST_F(UnixTest, RacesOfAcceptAndClose) {
  for (int round = 0; round < 200; ++round) {
    auto l = New(SOCK_STREAM);
    ASSERT_TRUE(l->Bind(caller_, Abs("race")).ok());
    ASSERT_TRUE(l->Listen(caller_, 2).ok());
    std::vector<std::thread> clients;
    for (int t = 0; t < 2; ++t) {
      clients.emplace_back([&] {
        for (int i = 0; i < 5; ++i) {
          auto c = New(SOCK_STREAM);
          if (c->Connect(caller_, Abs("race")).ok()) (void)Send(*c, "hi");
          (void)Recv(*c, 1);
        }
      });
    }
    for (int i = 0; i < 4; ++i) (void)l->Accept(caller_, 0, nullptr);
    l.reset();
    for (auto& t : clients) t.join();
  }
}

TEST_F(UnixTest, RacesOfGarbageAndReceive) {
  std::atomic<bool> stop{false};
  std::thread collector([&] {
    while (!stop) (void)New(SOCK_DGRAM);
  });
  for (int i = 0; i < 2000; ++i) {
    auto carrier = Pair(SOCK_DGRAM), passenger = Pair(SOCK_DGRAM);
    ASSERT_TRUE(SendFile(*passenger.first, "inside", passenger.second).ok());
    ASSERT_TRUE(SendFile(*carrier.first, "x", passenger.second).ok());
    passenger.second.reset();
    RecvResult r;
    ASSERT_TRUE(Recv(*carrier.second, 1, i % 2 == 0 ? 0 : MSG_PEEK, &r).ok());
    ASSERT_EQ(r.control.rights.size(), 1u);
    auto got = RefCast<Socket>(r.control.rights[0]);
    EXPECT_EQ(*Recv(*got, 10), "inside");
  }
  stop = true;
  collector.join();
}

}  // namespace
}  // namespace cvisor::socket::unix_socket
