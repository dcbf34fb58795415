// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/control/channel.h"

#include <sys/socket.h>
#include <unistd.h>

#include "gtest/gtest.h"
#include "pkg/base/packet.h"
#include "pkg/sentry/control/control.pb.h"

namespace cvisor::control {
namespace {

class ChannelTest : public testing::Test {
 protected:
  void SetUp() override {
    auto pair = NewPacketPair();
    ASSERT_TRUE(pair.ok());
    a_ = std::make_unique<Channel>(std::move(pair->first));
    b_ = std::make_unique<Channel>(std::move(pair->second));
  }
  std::unique_ptr<Channel> a_, b_;
};

TEST_F(ChannelTest, MessagesArriveWhole) {
  Request request;
  request.mutable_signal()->set_signal(15);
  request.set_container("c");
  ASSERT_TRUE(a_->Send(request).ok());
  Request got;
  auto r = b_->Receive(&got);
  ASSERT_TRUE(r.ok() && *r);
  EXPECT_EQ(got.signal().signal(), 15);
  EXPECT_EQ(got.container(), "c");
}

TEST_F(ChannelTest, AnEmptyMessageIsNotTheEnd) {
  ASSERT_TRUE(a_->Send(Request()).ok());
  Request got;
  auto r = b_->Receive(&got);
  ASSERT_TRUE(r.ok());
  EXPECT_TRUE(*r);
}

TEST_F(ChannelTest, EndWhenThePeerIsGone) {
  a_.reset();
  Request got;
  auto r = b_->Receive(&got);
  ASSERT_TRUE(r.ok());
  EXPECT_FALSE(*r);
  EXPECT_EQ(b_->Send(got).error(), Errno::kEPIPE);
}

TEST_F(ChannelTest, DontWait) {
  Request got;
  EXPECT_EQ(b_->Receive(&got, nullptr, true).error(), Errno::kEAGAIN);
}

TEST_F(ChannelTest, DescriptorsTravel) {
  int p[2];
  ASSERT_EQ(pipe(p), 0);
  ASSERT_TRUE(a_->Send(Request(), {p[1]}).ok());
  Request got;
  std::vector<UniqueFd> fds;
  ASSERT_TRUE(b_->Receive(&got, &fds).ok());
  ASSERT_EQ(fds.size(), 1u);
  ASSERT_EQ(write(fds[0].get(), "x", 1), 1);
  char c = 0;
  EXPECT_EQ(read(p[0], &c, 1), 1);
  EXPECT_EQ(c, 'x');
  close(p[0]);
  close(p[1]);
}

TEST_F(ChannelTest, GarbageIsRefused) {
  ASSERT_EQ(send(a_->fd(), "\xff\xff\xff", 3, 0), 3);
  Request got;
  EXPECT_EQ(b_->Receive(&got).error(), Errno::kEBADMSG);
}

}  // namespace
}  // namespace cvisor::control
