// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// SystrapAddressSpace: one stub process. Mapping operations go to its agent. Threads that no
// context uses any more wait here for the next.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_ADDRESS_SPACE_H_
#define CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_ADDRESS_SPACE_H_

#include <memory>
#include <span>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/sentry/platform/common/remote_memory.h"
#include "pkg/sentry/platform/systrap/call_sites.h"
#include "pkg/sentry/platform/systrap/platform_impl.h"
#include "pkg/sentry/platform/systrap/stub_process.h"
#include "pkg/sentry/platform/systrap/stub_thread.h"

namespace cvisor::platform::systrap {

class SystrapAddressSpace : public AddressSpace, private CallSites::Host {
 public:
  // Takes over a process whose first batch makes thread 0. `sites`: what is patched in it.
  // `sites`: of the address space that this one is a copy of, or null.
  SystrapAddressSpace(SystrapPlatform& platform, Ref<StubProcess> process,
                      const CallSites::Frozen* sites);

  Status Map(Context& ctx, const MapOptions& opts) override;
  Status Unmap(Context& ctx, UserAddr addr, uint64_t length) override;
  Status Protect(Context& ctx, UserAddr addr, uint64_t length, int prot) override;
  Status Remap(Context& ctx, UserAddr old_addr, uint64_t old_length, UserAddr new_addr,
               uint64_t new_length, bool keep_old) override;
  Status Advise(Context& ctx, UserAddr addr, uint64_t length, int advice) override;
  Status Sync(Context& ctx, UserAddr addr, uint64_t length, int flags) override;
  Status Mincore(Context& ctx, UserAddr addr, uint64_t length, std::span<uint8_t> out) override;
  void ReportAllCalls() override;
  void ShowOriginalCode() override;
  void NoteFutexWaiters(UserAddr addr, int change) override;
  Result<Ref<AddressSpace>> Fork(Context& ctx) override;
  Status Clear(Context& ctx) override;
  Result<size_t> CopyIn(UserAddr src, std::span<std::byte> dst) override;
  Result<size_t> CopyOut(UserAddr dst, std::span<const std::byte> src) override;
  Result<size_t> ForceCopyIn(UserAddr src, std::span<std::byte> dst) override;
  Result<size_t> ForceCopyOut(UserAddr dst, std::span<const std::byte> src) override;
  Result<uint32_t> Load32(UserAddr addr) override;
  Usage GetUsage() override;
  Usage GetTotals() override;
  Usage FinalTotals() override;

  // A thread for a context: one that waits, or a new one. `listener`: one that sleeps in notifications.
  // EAGAIN if there cannot be more.
  Result<std::unique_ptr<StubThread>> Claim(bool listener);
  // Gives it back; it must have the turn of the Sentry.
  void Park(std::unique_ptr<StubThread> thread);

  // CPU time that `thread` used so far, in nanoseconds.
  uint64_t CpuNs(const StubThread& thread);

  StubProcess& process() { return *process_; }
  CallSites& sites() { return sites_; }
  CallSites::Host& code() { return *this; }

 protected:
  ~SystrapAddressSpace() override;

 private:
  bool ReadCode(UserAddr addr, std::span<uint8_t> to) override;
  bool WriteCode(UserAddr addr, std::span<const uint8_t> bytes) override;
  bool MapTrampolines() override;
  bool SyncCores() override;
  bool SingleThreaded() override;
  uint64_t StubEntry() override;

  bool InUserRange(UserAddr addr, uint64_t length) const;
  // Where the stub has AgentReply::results.
  uint64_t ReplyResults() const;
  Status Call(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2 = 0, uint64_t a3 = 0,
              uint64_t a4 = 0, uint64_t a5 = 0);

  SystrapPlatform& platform_;
  const Ref<StubProcess> process_;
  RemoteMemory memory_;
  CallSites sites_;

  Mutex mu_;
  std::vector<std::unique_ptr<StubThread>> parked_ ABSL_GUARDED_BY(mu_);
  uint32_t next_index_ ABSL_GUARDED_BY(mu_) = 1;
};

}  // namespace cvisor::platform::systrap

#endif  // CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_ADDRESS_SPACE_H_
