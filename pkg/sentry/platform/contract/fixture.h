// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The contract of platform.h, driven with machine code in address spaces. Nothing here is about
// system calls of a kernel: a stop at SYSCALL is all that a platform knows of them. The same tests
// run on every platform; the environment variable TEST_PLATFORM says which.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_CONTRACT_FIXTURE_H_
#define CVISOR_PKG_SENTRY_PLATFORM_CONTRACT_FIXTURE_H_

#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "gtest/gtest.h"
#include "pkg/sentry/arch/registers.h"
#include "pkg/sentry/platform/contract/test_platform.h"
#include "pkg/sentry/platform/contract/test_program.h"
#include "pkg/sentry/platform/platform.h"

namespace cvisor::platform {

// What TEST_PLATFORM says.
std::string TestPlatformName();

// All of a file; empty if it cannot be read.
std::string ReadFile(const std::string& path);
// Processes and zombies that have this process as their parent.
int CountChildren();
int CountThreads(pid_t pid);

// Waits until something that the host does in its own time is done.
template <typename F>
bool Eventually(F&& f, int tries = 2000) {
  for (int i = 0; i < tries; ++i) {
    if (f()) return true;
    usleep(1000);
  }
  return false;
}

class PlatformTest : public testing::Test {
 protected:
  void SetUp() override;
  // Nothing of a platform is left behind.
  void TearDown() override;

  // Makes `code` the program of as_, in anonymous memory, about to start.
  void Load(const std::string& code) {
    LoadProgram(*as_, *ctx_, code);
    regs_ = StartRegisters();
  }
  Event Run(bool dirty = true) { return ctx_->Switch(*as_, &regs_, dirty); }

  template <typename T>
  T Peek(AddressSpace& as, UserAddr addr) {
    T v{};
    EXPECT_EQ(as.CopyIn(addr, std::as_writable_bytes(std::span(&v, 1))).value_or(0), sizeof(v));
    return v;
  }
  template <typename T>
  void Poke(AddressSpace& as, UserAddr addr, T v) {
    EXPECT_EQ(as.CopyOut(addr, std::as_bytes(std::span(&v, 1))).value_or(0), sizeof(v));
  }

  std::unique_ptr<Platform> platform_;
  std::unique_ptr<Context> ctx_;
  Ref<AddressSpace> as_;
  arch::Registers regs_;
};

}  // namespace cvisor::platform

#endif  // CVISOR_PKG_SENTRY_PLATFORM_CONTRACT_FIXTURE_H_
