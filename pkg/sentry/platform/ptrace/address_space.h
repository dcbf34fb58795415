// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// PtraceAddressSpace: one stub process. It keeps the list of its threads that nobody traces: they
// sleep in the stub's park loop until a context claims them.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_PTRACE_ADDRESS_SPACE_H_
#define CVISOR_PKG_SENTRY_PLATFORM_PTRACE_ADDRESS_SPACE_H_

#include <sys/types.h>

#include <atomic>
#include <optional>
#include <span>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/sentry/platform/common/remote_memory.h"
#include "pkg/sentry/platform/ptrace/platform_impl.h"

namespace cvisor::platform::ptrace {

class PtraceContext;

class PtraceAddressSpace : public AddressSpace {
 public:
  // Takes over process `pid`, whose only thread is parked or about to be. `fpu_parent`: the context
  // whose FPU state that thread has, or null.
  PtraceAddressSpace(PtracePlatform& platform, pid_t pid, const PtraceContext* fpu_parent);

  Status Map(Context& ctx, const MapOptions& opts) override;
  Status Unmap(Context& ctx, UserAddr addr, uint64_t length) override;
  Status Protect(Context& ctx, UserAddr addr, uint64_t length, int prot) override;
  Status Remap(Context& ctx, UserAddr old_addr, uint64_t old_length, UserAddr new_addr,
               uint64_t new_length, bool keep_old) override;
  Status Advise(Context& ctx, UserAddr addr, uint64_t length, int advice) override;
  Status Sync(Context& ctx, UserAddr addr, uint64_t length, int flags) override;
  Status Mincore(Context& ctx, UserAddr addr, uint64_t length, std::span<uint8_t> out) override;
  Result<Ref<AddressSpace>> Fork(Context& ctx) override;
  Status Clear(Context& ctx) override;
  Result<size_t> CopyIn(UserAddr src, std::span<std::byte> dst) override;
  Result<size_t> CopyOut(UserAddr dst, std::span<const std::byte> src) override;
  Result<size_t> ForceCopyIn(UserAddr src, std::span<std::byte> dst) override;
  Result<size_t> ForceCopyOut(UserAddr dst, std::span<const std::byte> src) override;
  Result<uint32_t> Load32(UserAddr addr) override;
  Usage GetUsage() override;

  struct ParkedThread {
    pid_t tid = 0;
    // Whose FPU state the thread has; null if nobody's in particular.
    const PtraceContext* fpu_parent = nullptr;
    // CPU time it used for others.
    uint64_t cpu_ns = 0;
  };
  // Takes a parked thread off the list.
  std::optional<ParkedThread> Claim();
  void Park(ParkedThread thread);
  // A thread was found dead: somebody killed the process. `reaped`: its first thread was waited
  // for, so the pid does not belong to us any more.
  void SetDead(bool reaped) {
    if (reaped) reaped_.store(true, std::memory_order_release);
    dead_.store(true, std::memory_order_release);
  }

  pid_t pid() const { return pid_; }
  PtracePlatform& platform() { return platform_; }

 protected:
  ~PtraceAddressSpace() override;

 private:
  // Whether [addr, addr + length) is the application's; nothing else may be mapped or unmapped.
  bool InUserRange(UserAddr addr, uint64_t length) const;
  // An injected call whose result is an error or nothing.
  Status Call(Context& ctx, uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2 = 0,
              uint64_t a3 = 0, uint64_t a4 = 0, uint64_t a5 = 0);

  PtracePlatform& platform_;
  const pid_t pid_;
  RemoteMemory memory_;
  std::atomic<bool> reaped_{false};
  std::atomic<bool> dead_{false};

  Mutex mu_;
  std::vector<ParkedThread> parked_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cvisor::platform::ptrace

#endif  // CVISOR_PKG_SENTRY_PLATFORM_PTRACE_ADDRESS_SPACE_H_
