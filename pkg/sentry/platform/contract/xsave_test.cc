// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The FPU state.

#include <cstring>

#include "gtest/gtest.h"
#include "pkg/sentry/platform/contract/fixture.h"

namespace cvisor::platform {
namespace {

TEST_F(PlatformTest, XsaveRoundTrip) {
  Load(Code({0xf3, 0x0f, 0x6f, 0x07,  // movdqu (%rdi),%xmm0
             0x0f, 0x05,              // syscall
             0xf3, 0x0f, 0x7f, 0x07,  // movdqu %xmm0,(%rdi)
             0x0f, 0x05}));
  Poke<uint64_t>(*as_, kData, 0x1122334455667788);
  regs_.rdi = kData;
  ASSERT_EQ(Run().kind, Event::kSyscall);
  auto state = *ctx_->GetXsave();
  ASSERT_EQ(state.size(), platform_->xsave_size());
  uint64_t xmm0;
  memcpy(&xmm0, &state[160], sizeof(xmm0));
  EXPECT_EQ(xmm0, 0x1122334455667788u);
  xmm0 = 0x99;
  memcpy(&state[160], &xmm0, sizeof(xmm0));
  ASSERT_TRUE(ctx_->SetXsave(state).ok());
  ASSERT_EQ(Run().kind, Event::kSyscall);
  EXPECT_EQ(Peek<uint64_t>(*as_, kData), 0x99u);

  auto bad = state;
  bad[512 + 7] = std::byte{0xff};  // Components that do not exist.
  EXPECT_EQ(ctx_->SetXsave(bad).error(), Errno::kEINVAL);
  bad = state;
  bad[27] = std::byte{0xff};  // Reserved bits of MXCSR.
  EXPECT_EQ(ctx_->SetXsave(bad).error(), Errno::kEINVAL);
  EXPECT_EQ(ctx_->SetXsave(std::span(state).first(100)).error(), Errno::kEINVAL);
  memcpy(&xmm0, &(*ctx_->GetXsave())[160], sizeof(xmm0));
  EXPECT_EQ(xmm0, 0x99u);

  ctx_->ResetXsave();
  state = *ctx_->GetXsave();
  memcpy(&xmm0, &state[160], sizeof(xmm0));
  EXPECT_EQ(xmm0, 0u);
  uint32_t mxcsr;
  memcpy(&mxcsr, &state[24], sizeof(mxcsr));
  EXPECT_EQ(mxcsr, 0x1f80u);
  uint16_t fcw;
  memcpy(&fcw, &state[0], sizeof(fcw));
  EXPECT_EQ(fcw, 0x37fu);
  EXPECT_EQ(platform_->xsave_features() & 3, 3u);
}

}  // namespace
}  // namespace cvisor::platform
