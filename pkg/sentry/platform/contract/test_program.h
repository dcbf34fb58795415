// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// For tests and benchmarks of platforms: a little machine code in an address space.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_CONTRACT_TEST_PROGRAM_H_
#define CVISOR_PKG_SENTRY_PLATFORM_CONTRACT_TEST_PROGRAM_H_

#include <sys/mman.h>
#include <unistd.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pkg/base/check.h"
#include "pkg/base/unique_fd.h"
#include "pkg/sentry/platform/platform.h"

namespace cvisor::platform {

inline constexpr UserAddr kCode = 0x400000;
inline constexpr UserAddr kData = 0x500000;
inline constexpr uint64_t kDataSize = 0x10000;

// Maps `code` at kCode and kDataSize writable bytes at kData.
inline void LoadProgram(AddressSpace& as, Context& ctx, std::string_view code) {
  MapOptions text{.addr = kCode, .length = 0x1000, .prot = PROT_READ | PROT_WRITE | PROT_EXEC};
  CVISOR_CHECK(as.Map(ctx, text).ok());
  MapOptions data{.addr = kData, .length = kDataSize, .prot = PROT_READ | PROT_WRITE};
  CVISOR_CHECK(as.Map(ctx, data).ok());
  CVISOR_CHECK(as.CopyOut(kCode, std::as_bytes(std::span(code.data(), code.size()))).ok());
}

// Maps `code` at kCode as text of a file, which is where a platform may replace calls.
inline void MapText(AddressSpace& as, Context& ctx, std::string_view code) {
  const UniqueFd fd(memfd_create("text", MFD_CLOEXEC));
  CVISOR_CHECK(pwrite(fd.get(), code.data(), code.size(), 0) == static_cast<ssize_t>(code.size()));
  CVISOR_CHECK(ftruncate(fd.get(), 0x1000) == 0);
  const MapOptions text{
      .addr = kCode, .length = 0x1000, .prot = PROT_READ | PROT_EXEC, .fd = fd.get()};
  CVISOR_CHECK(as.Map(ctx, text).ok());
}

inline arch::Registers StartRegisters(UserAddr ip = kCode) {
  arch::Registers r;
  r.rip = ip;
  r.rsp = kData + kDataSize;
  r.cs = arch::kUserCs;
  r.ss = arch::kUserSs;
  r.eflags = arch::kRflagsFixed;
  return r;
}

// Bytes of code; std::string because of the zeros.
inline std::string Code(std::initializer_list<int> bytes) {
  std::string s;
  for (int b : bytes) s.push_back(static_cast<char>(b));
  return s;
}

// `1: syscall; jmp 1b`, `1: jmp 1b`, `1: mov $39,%eax; syscall; cmp $-4095,%rax; jmp 1b`.
inline std::string SyscallLoop() { return Code({0x0f, 0x05, 0xeb, 0xfc}); }
inline std::string WrapperLoop() {
  return Code({0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, 0xeb, 0xf1});
}
inline std::string EndlessLoop() { return Code({0xeb, 0xfe}); }

}  // namespace cvisor::platform

#endif  // CVISOR_PKG_SENTRY_PLATFORM_CONTRACT_TEST_PROGRAM_H_
