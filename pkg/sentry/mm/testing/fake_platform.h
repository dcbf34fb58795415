// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// FakePlatform: address spaces for unit tests. Nothing runs in them, but their memory is real: each
// is a reserved range of the test process, in which the mappings are made at a fixed distance. So
// permissions, files, copies and mremap behave as the host does.

#ifndef CVISOR_PKG_SENTRY_MM_TESTING_FAKE_PLATFORM_H_
#define CVISOR_PKG_SENTRY_MM_TESTING_FAKE_PLATFORM_H_

#include <functional>
#include <memory>
#include <vector>

#include "pkg/sentry/platform/platform.h"

namespace cvisor::mm {

class FakeContext : public platform::Context {
 public:
  platform::Event SwitchLazily(platform::AddressSpace&, arch::Registers*,
                               platform::Changed) override {
    return {};
  }
  void Interrupt() override {}
  Result<std::vector<std::byte>> GetXsave() override { return std::vector<std::byte>(); }
  Status SetXsave(std::span<const std::byte>) override { return OkStatus(); }
  void ResetXsave() override {}
  Status CloneInto(platform::Context&, platform::AddressSpace&) override { return OkStatus(); }
  Result<uint32_t> CompareAndSwap32(platform::AddressSpace&, platform::UserAddr, uint32_t,
                                    uint32_t) override {
    return Errno::kEFAULT;
  }
  uint64_t UserCpuTimeNs() override { return 0; }
  void Release() override {}
};

class FakeAddressSpace : public platform::AddressSpace {
 public:
  // An application address range of 1 TiB.
  static constexpr uint64_t kSize = uint64_t{1} << 40;

  FakeAddressSpace();
  ~FakeAddressSpace() override;

  Status Map(platform::Context&, const platform::MapOptions& o) override;
  Status Unmap(platform::Context&, platform::UserAddr addr, uint64_t length) override;
  Status Protect(platform::Context&, platform::UserAddr addr, uint64_t length, int prot) override;
  Status Remap(platform::Context&, platform::UserAddr old_addr, uint64_t old_length,
               platform::UserAddr new_addr, uint64_t new_length, bool keep_old) override;
  Status Advise(platform::Context&, platform::UserAddr addr, uint64_t length, int advice) override;
  Status Sync(platform::Context&, platform::UserAddr addr, uint64_t length, int flags) override;
  Status Mincore(platform::Context&, platform::UserAddr addr, uint64_t length,
                 std::span<uint8_t> out) override;
  Result<Ref<platform::AddressSpace>> Fork(platform::Context&) override;
  Status Clear(platform::Context&) override;
  Result<size_t> CopyIn(platform::UserAddr src, std::span<std::byte> dst) override;
  Result<size_t> CopyOut(platform::UserAddr dst, std::span<const std::byte> src) override;
  Result<size_t> ForceCopyIn(platform::UserAddr src, std::span<std::byte> dst) override;
  Result<size_t> ForceCopyOut(platform::UserAddr dst, std::span<const std::byte> src) override;
  Result<uint32_t> Load32(platform::UserAddr addr) override;
  Usage GetUsage() override { return {}; }

  // What the host has in this range, for comparison with the tree.
  struct HostRange {
    platform::UserAddr start, end;
    int prot;
    bool shared;
  };
  std::vector<HostRange> HostRanges() const;

  int clears = 0;

 private:
  struct Mark {
    platform::UserAddr start, end;
    int advice;
  };
  char* At(platform::UserAddr addr) const { return base_ + addr; }

  char* base_;
  std::vector<Mark> marks_;  // MADV_DONTFORK and its like, in order
};

class FakePlatform : public platform::Platform {
 public:
  std::string_view name() const override { return "fake"; }
  Result<Ref<platform::AddressSpace>> NewAddressSpace() override {
    return Ref<platform::AddressSpace>(MakeRef<FakeAddressSpace>());
  }
  Result<std::unique_ptr<platform::Context>> NewContext() override {
    return std::unique_ptr<platform::Context>(std::make_unique<FakeContext>());
  }
  platform::UserAddr min_user_address() const override { return 4096; }
  platform::UserAddr max_user_address() const override { return FakeAddressSpace::kSize; }
  Vdso vdso() const override { return vdso_; }
  size_t xsave_size() const override { return 576; }
  uint64_t xsave_features() const override { return 3; }

  Vdso vdso_;
};

}  // namespace cvisor::mm

#endif  // CVISOR_PKG_SENTRY_MM_TESTING_FAKE_PLATFORM_H_
