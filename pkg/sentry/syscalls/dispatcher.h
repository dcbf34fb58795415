// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Dispatcher: serves the kernel's system calls from the table.

#ifndef CVISOR_PKG_SENTRY_SYSCALLS_DISPATCHER_H_
#define CVISOR_PKG_SENTRY_SYSCALLS_DISPATCHER_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/syscalls/table.h"

namespace cvisor::syscalls {

// One per kernel; outlives it. Thread safe, no locks.
class Dispatcher : public kernel::SyscallDispatcher {
 public:
  Dispatcher();
  // ENOSYS for what the table does not have; the first time that is logged with its arguments.
  Result<uint64_t> Dispatch(Task& t, uint64_t number) override;
  // Lines of strace.
  void OnSignal(Task& t, const siginfo_t& info) override;
  void OnExit(Task& t, int status) override;

  // How often the call was made, whether implemented or not. 0 for numbers that are no call.
  uint64_t count(uint64_t number) const {
    return number < kSyscallLimit ? counts_[number].load(std::memory_order_relaxed) : 0;
  }
  // Calls with numbers at or above kSyscallLimit.
  uint64_t out_of_range() const { return out_of_range_.load(std::memory_order_relaxed); }

 private:
  Result<uint64_t> Missing(Task& t, uint64_t number, const SyscallArgs& args, bool first);

  std::array<std::atomic<uint64_t>, kSyscallLimit> counts_{};
  std::atomic<uint64_t> out_of_range_{0};
};

}  // namespace cvisor::syscalls

#endif  // CVISOR_PKG_SENTRY_SYSCALLS_DISPATCHER_H_
