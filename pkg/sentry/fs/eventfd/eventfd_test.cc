// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/eventfd/eventfd.h"

#include <gtest/gtest.h>

namespace cvisor::fs::eventfd {
namespace {

Result<size_t> Add(vfs::FileDescription& f, uint64_t n) {
  SpanSource src(&n, sizeof(n));
  return f.Write(src);
}
Result<uint64_t> Take(vfs::FileDescription& f) {
  uint64_t n = 0;
  SpanSink dst(&n, sizeof(n));
  RETURN_IF_ERROR(f.Read(dst));
  return n;
}

TEST(EventFdTest, Counter) {
  auto f = *NewEventFd(3, 0);
  EXPECT_EQ(f->Readiness(kEventAll), static_cast<EventMask>(EPOLLIN | EPOLLOUT));
  EXPECT_EQ(*Add(*f, 4), 8u);
  EXPECT_EQ(*Take(*f), 7u);
  EXPECT_EQ(Take(*f).error(), Errno::kEAGAIN);
  EXPECT_EQ(f->Readiness(kEventAll), static_cast<EventMask>(EPOLLOUT));
}

TEST(EventFdTest, Semaphore) {
  auto f = *NewEventFd(2, EFD_SEMAPHORE);
  EXPECT_EQ(*Take(*f), 1u);
  EXPECT_EQ(*Take(*f), 1u);
  EXPECT_EQ(Take(*f).error(), Errno::kEAGAIN);
}

TEST(EventFdTest, Limits) {
  auto f = *NewEventFd(0, EFD_NONBLOCK);
  EXPECT_TRUE(f->nonblocking());
  EXPECT_EQ(Add(*f, UINT64_MAX).error(), Errno::kEINVAL);
  EXPECT_EQ(*Add(*f, UINT64_MAX - 1), 8u);
  EXPECT_EQ(f->Readiness(kEventAll), static_cast<EventMask>(EPOLLIN));
  EXPECT_EQ(Add(*f, 1).error(), Errno::kEAGAIN);
  EXPECT_EQ(*Add(*f, 0), 8u);
  static_cast<EventFd&>(*f).Signal(5);
  EXPECT_EQ(f->Readiness(kEventAll), static_cast<EventMask>(EPOLLIN | EPOLLERR));
  uint32_t small;
  SpanSink dst(&small, sizeof(small));
  EXPECT_EQ(f->Read(dst).error(), Errno::kEINVAL);
  EXPECT_EQ(NewEventFd(0, 2).error(), Errno::kEINVAL);
  EXPECT_NE(f->FdInfo().find("eventfd-count: ffffffffffffffff"), std::string::npos);
}

}  // namespace
}  // namespace cvisor::fs::eventfd
