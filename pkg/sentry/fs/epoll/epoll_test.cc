// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/epoll/epoll.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "pkg/sentry/fs/eventfd/eventfd.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::fs::epoll {
namespace {

using File = Ref<vfs::FileDescription>;

epoll_event Event(uint32_t events, uint64_t data) {
  epoll_event e{};
  e.events = events;
  e.data.u64 = data;
  return e;
}
File NewFd(uint32_t n = 0) { return *eventfd::NewEventFd(n, 0); }
void Signal(const File& f) { static_cast<eventfd::EventFd&>(*f).Signal(1); }
void Drain(const File& f) {
  uint64_t n;
  SpanSink dst(&n, sizeof(n));
  (void)f->Read(dst);
}
std::vector<uint64_t> Datas(EventPoll& ep, int max = 64) {
  std::vector<uint64_t> out;
  const auto events = *ep.Collect(max);
  for (const auto& e : events) out.push_back(e.data.u64);
  return out;
}
using List = std::vector<uint64_t>;

TEST(EpollTest, Levels) {
  auto ep = MakeRef<EventPoll>();
  auto f = NewFd();
  EXPECT_TRUE(ep->Ctl(EPOLL_CTL_ADD, 5, f, Event(EPOLLIN, 1)).ok());
  EXPECT_EQ(Datas(*ep), List{});
  Signal(f);
  EXPECT_EQ(Datas(*ep), List{1});
  EXPECT_EQ(Datas(*ep), List{1});
  Drain(f);
  EXPECT_EQ(Datas(*ep), List{});
  // Ready when added; modified.
  EXPECT_TRUE(ep->Ctl(EPOLL_CTL_MOD, 5, f, Event(EPOLLOUT, 2)).ok());
  EXPECT_EQ(Datas(*ep), List{2});
  EXPECT_TRUE(ep->Ctl(EPOLL_CTL_DEL, 5, f, {}).ok());
  EXPECT_EQ(Datas(*ep), List{});
}

TEST(EpollTest, EdgesAndOneShot) {
  auto ep = MakeRef<EventPoll>();
  auto edge = NewFd(), once = NewFd();
  ASSERT_TRUE(ep->Ctl(EPOLL_CTL_ADD, 1, edge, Event(EPOLLIN | EPOLLET, 1)).ok());
  ASSERT_TRUE(ep->Ctl(EPOLL_CTL_ADD, 2, once, Event(EPOLLIN | EPOLLONESHOT, 2)).ok());
  Signal(edge), Signal(once);
  EXPECT_EQ(Datas(*ep), (List{1, 2}));
  EXPECT_EQ(Datas(*ep), List{});
  Signal(edge), Signal(once);
  EXPECT_EQ(Datas(*ep), List{1});
  ASSERT_TRUE(ep->Ctl(EPOLL_CTL_MOD, 2, once, Event(EPOLLIN | EPOLLONESHOT, 3)).ok());
  EXPECT_EQ(Datas(*ep), List{3});
}

TEST(EpollTest, RotatesLevels) {
  auto ep = MakeRef<EventPoll>();
  std::vector<File> files;
  for (uint64_t i = 0; i < 5; ++i) {
    files.push_back(NewFd(1));
    ASSERT_TRUE(ep->Ctl(EPOLL_CTL_ADD, static_cast<int>(i), files.back(), Event(EPOLLIN, i)).ok());
  }
  EXPECT_EQ(Datas(*ep, 2), (List{0, 1}));
  EXPECT_EQ(Datas(*ep, 2), (List{2, 3}));
  EXPECT_EQ(Datas(*ep, 2), (List{4, 0}));
}

TEST(EpollTest, Errors) {
  auto ep = MakeRef<EventPoll>();
  auto f = NewFd();
  const File self(ep.get());
  EXPECT_EQ(ep->Ctl(EPOLL_CTL_ADD, 1, self, Event(EPOLLIN, 0)).error(), Errno::kEINVAL);
  EXPECT_EQ(ep->Ctl(EPOLL_CTL_DEL, 1, f, {}).error(), Errno::kENOENT);
  EXPECT_EQ(ep->Ctl(EPOLL_CTL_MOD, 1, f, {}).error(), Errno::kENOENT);
  EXPECT_TRUE(ep->Ctl(EPOLL_CTL_ADD, 1, f, Event(EPOLLIN, 0)).ok());
  EXPECT_EQ(ep->Ctl(EPOLL_CTL_ADD, 1, f, Event(EPOLLIN, 0)).error(), Errno::kEEXIST);
  EXPECT_TRUE(ep->Ctl(EPOLL_CTL_ADD, 2, f, Event(EPOLLIN, 0)).ok());  // dup(2)
  EXPECT_EQ(ep->Ctl(77, 1, f, Event(EPOLLIN, 0)).error(), Errno::kEINVAL);
  EXPECT_EQ(ep->Collect(0).error(), Errno::kEINVAL);
  EXPECT_EQ(ep->Ctl(EPOLL_CTL_MOD, 1, f, Event(EPOLLIN | EPOLLEXCLUSIVE, 0)).error(),
            Errno::kEINVAL);
  EXPECT_EQ(ep->Ctl(EPOLL_CTL_ADD, 3, f, Event(EPOLLEXCLUSIVE | EPOLLONESHOT, 0)).error(),
            Errno::kEINVAL);
  auto plain = MakeRef<vfs::FileDescription>(vfs::AnonInodePath("[test]"), O_RDONLY);
  EXPECT_EQ(ep->Ctl(EPOLL_CTL_ADD, 4, plain, Event(EPOLLIN, 0)).error(), Errno::kEPERM);
  EXPECT_NE(ep->FdInfo().find("tfd:        1 events:       19 data:"), std::string::npos);
}

TEST(EpollTest, EntryGoesWithTheFile) {
  auto ep = MakeRef<EventPoll>();
  auto f = NewFd(1);
  ASSERT_TRUE(ep->Ctl(EPOLL_CTL_ADD, 1, f, Event(EPOLLIN, 1)).ok());
  File dup = f;
  f.reset();
  EXPECT_EQ(Datas(*ep), List{1});
  dup.reset();
  EXPECT_EQ(Datas(*ep), List{});
  EXPECT_EQ(ep->FdInfo(), "");
  // And the other way round.
  f = NewFd(1);
  ASSERT_TRUE(ep->Ctl(EPOLL_CTL_ADD, 1, f, Event(EPOLLIN, 1)).ok());
  ep.reset();
  EXPECT_TRUE(f->wait_queue()->empty());
}

TEST(EpollTest, Nesting) {
  auto inner = MakeRef<EventPoll>(), outer = MakeRef<EventPoll>();
  auto f = NewFd();
  ASSERT_TRUE(inner->Ctl(EPOLL_CTL_ADD, 1, f, Event(EPOLLIN, 1)).ok());
  ASSERT_TRUE(outer->Ctl(EPOLL_CTL_ADD, 2, inner, Event(EPOLLIN, 2)).ok());
  EXPECT_EQ(Datas(*outer), List{});
  Signal(f);
  EXPECT_EQ(Datas(*outer), List{2});
  EXPECT_EQ(outer->Readiness(kEventIn), kEventIn);
  Drain(f);
  EXPECT_EQ(Datas(*outer), List{});
  EXPECT_EQ(inner->Ctl(EPOLL_CTL_ADD, 3, outer, Event(EPOLLIN, 3)).error(), Errno::kELOOP);
  inner.reset();
  EXPECT_EQ(outer->FdInfo(), "");
}

TEST(EpollTest, NestingDepth) {
  std::vector<Ref<EventPoll>> chain;
  for (int i = 0; i < 6; ++i) chain.push_back(MakeRef<EventPoll>());
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(chain[i]->Ctl(EPOLL_CTL_ADD, 1, chain[i + 1], Event(EPOLLIN, 0)).ok());
  }
  EXPECT_EQ(chain[4]->Ctl(EPOLL_CTL_ADD, 1, chain[5], Event(EPOLLIN, 0)).error(), Errno::kELOOP);
  EXPECT_EQ(chain[5]->Ctl(EPOLL_CTL_ADD, 1, chain[0], Event(EPOLLIN, 0)).error(), Errno::kELOOP);
}

TEST(EpollTest, ExclusiveGoesToOneThatWaits) {
  struct Sleeper : Waiter {
    void OnEvent(EventMask) override { ++woken; }
    int woken = 0;
  };
  auto f = NewFd();
  auto idle = MakeRef<EventPoll>(), a = MakeRef<EventPoll>(), b = MakeRef<EventPoll>();
  for (auto& ep : {idle, a, b}) {
    ASSERT_TRUE(ep->Ctl(EPOLL_CTL_ADD, 1, f, Event(EPOLLIN | EPOLLEXCLUSIVE, 1)).ok());
  }
  Sleeper sa, sb;
  a->wait_queue()->Register(&sa, kEventIn);
  b->wait_queue()->Register(&sb, kEventIn);
  Signal(f);
  EXPECT_EQ(sa.woken + sb.woken, 1);
  a->wait_queue()->Unregister(&sa);
  b->wait_queue()->Unregister(&sb);
}

TEST(EpollTest, RacesOfCloseAndCollect) {
  auto ep = MakeRef<EventPoll>(), outer = MakeRef<EventPoll>();
  ASSERT_TRUE(outer->Ctl(EPOLL_CTL_ADD, 1, ep, Event(EPOLLIN, 1)).ok());
  std::atomic<bool> stop{false};
  std::thread collector([&] {
    while (!stop) {
      (void)ep->Collect(4);
      (void)outer->Collect(4);
    }
  });
  std::vector<std::thread> churn;
  for (int t = 0; t < 2; ++t) {
    churn.emplace_back([&, t] {
      for (int i = 0; i < 3000; ++i) {
        auto f = NewFd();
        // Watched by both: dropped in one while the other looks.
        ASSERT_TRUE(ep->Ctl(EPOLL_CTL_ADD, t, f, Event(EPOLLIN, 1)).ok());
        ASSERT_TRUE(outer->Ctl(EPOLL_CTL_ADD, 10 + t, f, Event(EPOLLIN, 1)).ok());
        Signal(f);
        if (i % 3 == 0) {
          ASSERT_TRUE(ep->Ctl(EPOLL_CTL_DEL, t, f, {}).ok());
        }
      }
    });
  }
  for (auto& t : churn) t.join();
  stop = true;
  collector.join();
  EXPECT_EQ(Datas(*ep), List{});
}

}  // namespace
}  // namespace cvisor::fs::epoll
