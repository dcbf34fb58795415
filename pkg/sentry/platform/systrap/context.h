// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// SystrapContext: an application thread. It is bound to at most one stub thread, in the address
// space it ran in last; using it with another address space moves it there.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_CONTEXT_H_
#define CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_CONTEXT_H_

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/sentry/platform/systrap/address_space.h"
#include "pkg/sentry/platform/systrap/home.h"
#include "pkg/sentry/platform/systrap/platform_impl.h"
#include "pkg/sentry/platform/systrap/spin.h"
#include "pkg/sentry/platform/systrap/stub_thread.h"

namespace cvisor::platform::systrap {

class SystrapContext : public Context {
 public:
  explicit SystrapContext(SystrapPlatform& platform);
  ~SystrapContext() override;

  Event SwitchLazily(AddressSpace& as, arch::Registers* regs, Changed changed) override;
  void CompleteRegisters(arch::Registers* regs) override;
  void Interrupt() override;
  void Sleeping(bool asleep) override;
  void AboutToWake(Context& sleeper) override;
  Result<std::vector<std::byte>> GetXsave() override;
  Status SetXsave(std::span<const std::byte> state) override;
  void ResetXsave() override;
  Status CloneInto(Context& child, AddressSpace& as) override;
  void BeginThread(Context& child) override;
  void EndThread() override;
  Result<uint32_t> CompareAndSwap32(AddressSpace& as, UserAddr addr, uint32_t expected,
                                    uint32_t desired) override;
  bool Alive() override;
  void Kill() override;
  uint64_t UserCpuTimeNs() override;
  void Release() override;

  // The context of the calling thread, which is between two calls of Switch(); or null.
  static SystrapContext* Current();
  // Copies, and memory that is mapped and unmapped, by a stub that is awake because it spins for its call's
  // answer: one hand-over instead of a system call or a wake-up of the agent. False and nullopt if it
  // does not spin, or could not do all of it: then the usual way is to be tried.
  bool QuickCopyIn(const SystrapAddressSpace& as, UserAddr src, std::span<std::byte> dst);
  bool QuickCopyOut(const SystrapAddressSpace& as, UserAddr dst, std::span<const std::byte> src);
  std::optional<Status> QuickMap(const SystrapAddressSpace& as, UserAddr addr, uint64_t length,
                                 int prot, int flags);
  std::optional<Status> QuickUnmap(const SystrapAddressSpace& as, UserAddr addr, uint64_t length);

 private:
  // ESRCH if the stub process is dead, EAGAIN if it has no thread for us.
  Status Bind(SystrapAddressSpace& as);
  // Takes over a stub thread of `as`. ESRCH.
  Status Adopt(SystrapAddressSpace& as, std::unique_ptr<StubThread> thread);
  // Goes on in a stub thread that has a listener, if one can be had.
  void MoveToListener();
  // Leaves the stub thread to the address space. Without the FPU state: LeaveThread().
  void Unbind();
  void LeaveThread();
  void SetRunnable(bool runnable);
  // Any thread.
  void Kick();
  bool CanAskStub(const SystrapAddressSpace& as) const;
  // False if it was not done.
  bool Do(uint32_t command);
  std::optional<Status> MapByStub(uint32_t command, UserAddr addr, uint64_t length);
  // Has the stub carry out COMMAND_XSAVE. ESRCH.
  Status Command(uint32_t command);
  // Puts `state` where the stub loads it from when it next runs the application.
  void PutXsave(std::span<const std::byte> state);
  void StoreRegisters(const arch::Registers& regs);
  // The registers of a call; the others are left to CompleteRegisters().
  void FetchCall(arch::Registers* regs);
  // What the stub reported, in terms of the application.
  Event SignalEvent(arch::Registers* regs);
  // A kick, or something else that asks for no more than another look.
  Event InterruptEvent(arch::Registers* regs);
  // Where the stub finds, or puts, the bytes of a copy.
  void* CopyBuffer(size_t size);

  SystrapPlatform& platform_;
  SpinPolicy spin_;
  Home home_;
  WakeHistory wakes_;
  std::atomic<pid_t> sleeper_tid_{0};  // of the Sentry's thread, once it has slept
  bool ending_young_ = false;          // released at home
  Ref<SystrapAddressSpace> as_;  // of thread_
  std::unique_ptr<StubThread> thread_;
  // What the application's registers are as far as the stub knows.
  uint64_t known_rip_ = 0, known_fs_base_ = 0;
  bool loaded_ = false;        // the page has the application's registers
  bool rest_pending_ = false;  // of the last event, the caller has only those of a call
  bool runnable_ = false;

  // A thread that was set aside for this context by its parent.
  Ref<SystrapAddressSpace> claimed_as_;
  std::unique_ptr<StubThread> claimed_;
  // FPU state to put into the next stub thread; empty if nothing is known.
  std::vector<std::byte> pending_xsave_;

  // Somebody called Interrupt().
  std::atomic<bool> interrupt_pending_{false};
  // The stub has, or is about to get, the turn: it must be kicked.
  std::atomic<bool> in_user_{false};
  // The stub thread to kick; written by our thread, meaningful to others while in_user_ is set.
  std::atomic<pid_t> kick_tgid_{0};
  std::atomic<pid_t> kick_tid_{0};

  Mutex cpu_mu_;               // guards the four below
  uint64_t past_cpu_ns_ = 0;   // of stub threads given back
  uint64_t start_cpu_ns_ = 0;  // what the current one had used before us
  uint64_t reported_cpu_ns_ = 0;
  bool bound_ = false;
};

}  // namespace cvisor::platform::systrap

#endif  // CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_CONTEXT_H_
