// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// PtraceContext: an application thread. It is bound to at most one stub thread, in the address
// space it ran in or mapped something in last; using it with another address space moves it there.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_PTRACE_CONTEXT_H_
#define CVISOR_PKG_SENTRY_PLATFORM_PTRACE_CONTEXT_H_

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/sentry/platform/ptrace/address_space.h"
#include "pkg/sentry/platform/ptrace/placement.h"
#include "pkg/sentry/platform/ptrace/platform_impl.h"
#include "pkg/sentry/platform/ptrace/stub_thread.h"

namespace cvisor::platform::ptrace {

class PtraceContext : public Context {
 public:
  explicit PtraceContext(PtracePlatform& platform);
  ~PtraceContext() override;

  Event SwitchLazily(AddressSpace& as, arch::Registers* regs, Changed changed) override;
  void Interrupt() override;
  Result<std::vector<std::byte>> GetXsave() override;
  Status SetXsave(std::span<const std::byte> state) override;
  void ResetXsave() override;
  Status CloneInto(Context& child, AddressSpace& as) override;
  Result<uint32_t> CompareAndSwap32(AddressSpace& as, UserAddr addr, uint32_t expected,
                                    uint32_t desired) override;
  bool Alive() override;
  uint64_t UserCpuTimeNs() override;
  void Release() override;

  // A system call in the stub thread, bound to `as` first.
  Result<uint64_t> Call(PtraceAddressSpace& as, uint64_t number, uint64_t a0, uint64_t a1,
                        uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);
  // clone(2) there: the tid of the new thread, which is about to park.
  Result<pid_t> CloneStub(PtraceAddressSpace& as, uint64_t flags);

 private:
  enum : uint32_t { kPending = 1, kInUser = 2 };

  // ESRCH if the stub process is dead, EAGAIN if it has no thread for us.
  Status Bind(PtraceAddressSpace& as);
  // Leaves the stub thread parked for others, or lets it exit (`final`; first threads always stay).
  void Unbind(bool final);
  void NoteDeath();
  // Gives *regs to the stub thread.
  Status LoadRegisters(const user_regs_struct& regs);
  // Reports a signal stop; nullopt if it is none of the application's.
  std::optional<Event> SignalEvent(int signal, arch::Registers* regs);

  PtracePlatform& platform_;
  StubThread thread_;
  Pair pair_;
  Ref<PtraceAddressSpace> as_;  // of thread_
  pid_t tracer_tid_ = 0;
  bool regs_loaded_ = false;  // the stub thread has the registers in regs_
  user_regs_struct regs_{};

  // A thread made for this context by its parent, to be attached by our own host thread.
  Ref<PtraceAddressSpace> claimed_as_;
  PtraceAddressSpace::ParkedThread claimed_;
  // FPU state to put into the next stub thread that is attached; empty if that has the right one.
  std::vector<std::byte> pending_xsave_;

  std::atomic<uint32_t> state_{0};
  // The stub thread to kick; written by our thread, meaningful to others while kInUser is set.
  std::atomic<pid_t> kick_tgid_{0};
  std::atomic<pid_t> kick_tid_{0};

  Mutex cpu_mu_;               // guards the three below
  uint64_t past_cpu_ns_ = 0;   // of stub threads given back
  uint64_t start_cpu_ns_ = 0;  // what the current one had used before us
  bool bound_ = false;
};

}  // namespace cvisor::platform::ptrace

#endif  // CVISOR_PKG_SENTRY_PLATFORM_PTRACE_CONTEXT_H_
