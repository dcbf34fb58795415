// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/pipe/pipe.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "pkg/sentry/fs/pipe/node_fs_for_test.h"
#include "pkg/sentry/fs/pipe/splice.h"

namespace cvisor::fs::pipe {
namespace {

using vfs::FileDescription;

Result<size_t> Put(FileDescription& f, std::string_view s) {
  SpanSource src(s.data(), s.size());
  return f.Write(src);
}
Result<std::string> Get(FileDescription& f, size_t n) {
  std::string buf(n, '\0');
  SpanSink dst(buf.data(), n);
  ASSIGN_OR_RETURN(const size_t got, f.Read(dst));
  buf.resize(got);
  return buf;
}
EventMask Poll(FileDescription& f) { return f.Readiness(kEventAll); }

struct CountingWaiter : Waiter {
  void OnEvent(EventMask mask) override { ++events, last = mask; }
  std::atomic<int> events{0};
  std::atomic<EventMask> last{0};
};

TEST(PipeTest, BytesInOrder) {
  auto [r, w] = NewPipe(0);
  EXPECT_EQ(Poll(*r), 0u);
  EXPECT_EQ(Poll(*w), kEventOut);
  EXPECT_EQ(Get(*r, 4).error(), Errno::kEAGAIN);
  EXPECT_EQ(*Put(*w, "hello "), 6u);
  EXPECT_EQ(*Put(*w, "world"), 5u);
  EXPECT_EQ(Poll(*r), kEventIn);
  EXPECT_EQ(*Get(*r, 4), "hell");
  EXPECT_EQ(*Get(*r, 100), "o world");
  EXPECT_EQ(Get(*r, 100).error(), Errno::kEAGAIN);
}

TEST(PipeTest, FullAndAtomic) {
  auto [r, w] = NewPipe(O_NONBLOCK);
  EXPECT_EQ(*Put(*w, std::string(100000, 'x')), kDefaultCapacity);
  EXPECT_EQ(Poll(*w), 0u);
  EXPECT_EQ(Put(*w, "x").error(), Errno::kEAGAIN);
  EXPECT_EQ(Get(*r, 4095)->size(), 4095u);
  EXPECT_EQ(Poll(*w), 0u);  // PIPE_BUF bytes would not fit
  EXPECT_EQ(Put(*w, std::string(kPipeBuf, 'y')).error(), Errno::kEAGAIN);
  EXPECT_EQ(Get(*r, 1)->size(), 1u);
  EXPECT_EQ(Poll(*w), kEventOut);
  EXPECT_EQ(*Put(*w, std::string(kPipeBuf, 'y')), kPipeBuf);
}

TEST(PipeTest, Ends) {
  auto [r, w] = NewPipe(0);
  ASSERT_TRUE(Put(*w, "ab").ok());
  w.reset();
  EXPECT_EQ(Poll(*r), kEventIn | kEventHup);
  EXPECT_EQ(*Get(*r, 10), "ab");
  EXPECT_EQ(*Get(*r, 10), "");
  EXPECT_EQ(Poll(*r), kEventHup);

  auto p = NewPipe(0);
  p.reader.reset();
  EXPECT_EQ(Poll(*p.writer), kEventOut | kEventErr);
  EXPECT_EQ(Put(*p.writer, "x").error(), Errno::kEPIPE);
  EXPECT_EQ(*Put(*p.writer, ""), 0u);
}

TEST(PipeTest, Packets) {
  auto [r, w] = NewPipe(O_DIRECT);
  EXPECT_EQ(*Put(*w, "first"), 5u);
  EXPECT_EQ(*Put(*w, "second"), 6u);
  EXPECT_EQ(*Put(*w, std::string(5000, 'z')), 5000u);
  EXPECT_EQ(*Get(*r, 100), "first");
  EXPECT_EQ(*Get(*r, 3), "sec");  // the rest of the packet is lost
  EXPECT_EQ(Get(*r, 8000)->size(), 4096u);
  EXPECT_EQ(Get(*r, 8000)->size(), 904u);
  for (int i = 0; i < 16; ++i) EXPECT_TRUE(Put(*w, "p").ok());
  EXPECT_EQ(Put(*w, "p").error(), Errno::kEAGAIN);  // a slot each
}

TEST(PipeTest, StreamThenPacket) {
  auto [r, w] = NewPipe(0);
  ASSERT_TRUE(Put(*w, "stream").ok());
  ASSERT_TRUE(w->SetFlags(O_DIRECT).ok());
  ASSERT_TRUE(Put(*w, "packet").ok());
  ASSERT_TRUE(w->SetFlags(0).ok());
  ASSERT_TRUE(Put(*w, "tail").ok());
  EXPECT_EQ(*Get(*r, 100), "streampacket");
  EXPECT_EQ(*Get(*r, 100), "tail");
}

TEST(PipeTest, Capacity) {
  auto [r, w] = NewPipe(0);
  Pipe& p = *PipeOf(*r);
  EXPECT_EQ(*p.SetCapacity(1, false), 4096u);
  EXPECT_EQ(*p.SetCapacity(4097, false), 8192u);
  EXPECT_EQ(*p.SetCapacity(kMaxCapacity, false), kMaxCapacity);
  EXPECT_EQ(p.SetCapacity(kMaxCapacity + 1, false).error(), Errno::kEPERM);
  EXPECT_EQ(*p.SetCapacity(kMaxCapacity + 1, true), 2 * kMaxCapacity);
  EXPECT_EQ(p.SetCapacity((uint64_t{1} << 31) + 1, true).error(), Errno::kEINVAL);
  EXPECT_EQ(*Put(*w, std::string(300000, 'q')), 300000u);
  EXPECT_EQ(p.SetCapacity(65536, false).error(), Errno::kEBUSY);
  EXPECT_EQ(Get(*r, 300000)->size(), 300000u);
  EXPECT_EQ(*p.SetCapacity(65536, false), 65536u);
}

TEST(PipeTest, WakesOnlyWhenNeeded) {
  auto [r, w] = NewPipe(0);
  CountingWaiter reader, writer;
  r->wait_queue()->Register(&reader, kEventIn);
  w->wait_queue()->Register(&writer, kEventOut);
  ASSERT_TRUE(Put(*w, "a").ok());
  ASSERT_TRUE(Put(*w, "b").ok());
  EXPECT_EQ(reader.events, 1);
  ASSERT_TRUE(Get(*r, 1).ok());
  EXPECT_EQ(writer.events, 0);
  (void)Poll(*r);  // an epoll, perhaps edge-triggered: now every write counts
  ASSERT_TRUE(Put(*w, "c").ok());
  EXPECT_EQ(reader.events, 2);
  ASSERT_TRUE(Put(*w, std::string(70000, 'x')).ok());
  ASSERT_TRUE(Get(*r, 70000).ok());
  EXPECT_EQ(writer.events, 1);
  r->wait_queue()->Unregister(&reader);
  w->wait_queue()->Unregister(&writer);
}

TEST(PipeTest, ConcurrentTransferKeepsTheBytes) {
  auto [r, w] = NewPipe(0);
  constexpr size_t kTotal = 8 << 20;
  std::thread writer([&w = w] {
    std::string chunk;
    size_t sent = 0;
    while (sent < kTotal) {
      chunk.resize(std::min<size_t>(7777, kTotal - sent));
      for (size_t i = 0; i < chunk.size(); ++i) chunk[i] = static_cast<char>((sent + i) % 251);
      auto n = Put(*w, chunk);
      if (n.ok())
        sent += *n;
      else
        std::this_thread::yield();
    }
    w.reset();
  });
  size_t got = 0;
  for (;;) {
    auto s = Get(*r, 5555);
    if (!s.ok()) {
      std::this_thread::yield();
      continue;
    }
    if (s->empty()) break;
    for (char c : *s) ASSERT_EQ(c, static_cast<char>(got++ % 251));
  }
  writer.join();
  EXPECT_EQ(got, kTotal);
}

TEST(SpliceTest, BetweenPipesAndTee) {
  auto a = NewPipe(0), b = NewPipe(0);
  ASSERT_TRUE(Put(*a.writer, "0123456789").ok());
  EXPECT_EQ(*Tee(*PipeOf(*a.reader), *PipeOf(*b.writer), 4), 4u);
  EXPECT_EQ(*Get(*b.reader, 100), "0123");
  EXPECT_EQ(*Splice(*a.reader, nullptr, *b.writer, nullptr, 6), 6u);
  EXPECT_EQ(*Get(*b.reader, 100), "012345");
  EXPECT_EQ(*Get(*a.reader, 100), "6789");
  EXPECT_EQ(Splice(*a.reader, nullptr, *b.writer, nullptr, 6).error(), Errno::kEAGAIN);
  EXPECT_EQ(Splice(*a.reader, nullptr, *a.writer, nullptr, 6).error(), Errno::kEINVAL);
  a.writer.reset();
  EXPECT_EQ(*Splice(*a.reader, nullptr, *b.writer, nullptr, 6), 0u);
  b.reader.reset();
  EXPECT_EQ(Splice(*a.reader, nullptr, *b.writer, nullptr, 6).error(), Errno::kEPIPE);
}

class FifoTest : public ::testing::Test {
 protected:
  FifoTest() {
    EXPECT_TRUE(vfs::MakeNode(ctx_, "/fifo", S_IFIFO | 0666, 0).ok());
    path_ = *vfs::Walk(ctx_, "/fifo");
  }
  Result<Ref<FileDescription>> Open(int flags) { return OpenFifo(path_, flags); }
  vfs::WalkContext ctx_ = NewNodeTree();
  vfs::Path path_;
};

TEST_F(FifoTest, OpensWaitForEachOther) {
  auto r = *Open(O_RDONLY);
  EXPECT_EQ(r->FinishOpen().error(), Errno::kEAGAIN);
  CountingWaiter waiter;
  r->wait_queue()->Register(&waiter, kEventIn);
  auto w = *Open(O_WRONLY);
  EXPECT_EQ(waiter.events, 1);
  r->wait_queue()->Unregister(&waiter);
  EXPECT_TRUE(w->FinishOpen().ok());
  w.reset();  // came and went: still counts
  EXPECT_TRUE(r->FinishOpen().ok());
  EXPECT_EQ(*Get(*r, 1), "");
}

TEST_F(FifoTest, Nonblocking) {
  EXPECT_EQ(Open(O_WRONLY | O_NONBLOCK).error(), Errno::kENXIO);
  auto r = *Open(O_RDONLY | O_NONBLOCK);
  EXPECT_TRUE(r->FinishOpen().ok());
  EXPECT_EQ(Poll(*r), 0u);  // no POLLHUP before the first writer
  auto w = *Open(O_WRONLY | O_NONBLOCK);
  ASSERT_TRUE(Put(*w, "x").ok());
  w.reset();
  EXPECT_EQ(Poll(*r), kEventIn | kEventHup);
  EXPECT_EQ(*Get(*r, 5), "x");
  r.reset();
  // Everything is forgotten with the last end.
  auto both = *Open(O_RDWR);
  EXPECT_TRUE(both->FinishOpen().ok());
  EXPECT_EQ(Get(*both, 1).error(), Errno::kEAGAIN);
  ASSERT_TRUE(Put(*both, "y").ok());
  EXPECT_EQ(Poll(*both), kEventIn | kEventOut);
  EXPECT_EQ(*Get(*both, 1), "y");
}

}  // namespace
}  // namespace cvisor::fs::pipe
