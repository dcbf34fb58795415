// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The signal frame of x86-64: what the kernel pushes for a handler and what rt_sigreturn(2) makes of
// it again (Linux: arch/x86/kernel/signal_64.c). Pure functions over bytes: no task, no memory.

#ifndef CVISOR_PKG_SENTRY_ARCH_SIGNAL_FRAME_H_
#define CVISOR_PKG_SENTRY_ARCH_SIGNAL_FRAME_H_

#include <signal.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "pkg/base/result.h"
#include "pkg/sentry/arch/registers.h"

namespace cvisor::arch {

// Bytes below the stack pointer that a leaf function may use without moving it.
inline constexpr uint64_t kRedZone = 128;

// True if `sp` lies in the alternate stack. An autodisarmed stack never counts as in use.
bool OnSignalStack(const stack_t& stack, uint64_t sp);
// The same whatever the flags are.
bool InSignalStack(const stack_t& stack, uint64_t sp);

// Where a frame grows down from. With on_alt_stack the frame must not leave the alternate stack: the
// caller checks FrameLayout::frame_addr with InSignalStack and fails with SIGSEGV.
struct FrameStack {
  uint64_t sp = 0;
  bool on_alt_stack = false;
};
FrameStack ChooseFrameStack(uint64_t sp, const stack_t& stack, bool sa_onstack);

// What belongs to a frame besides the registers.
struct FrameInput {
  uint64_t sp = 0;        // from ChooseFrameStack
  uint64_t restorer = 0;  // sa_restorer: where the handler returns to
  siginfo_t info{};
  uint64_t mask = 0;      // what rt_sigreturn brings back
  stack_t alt_stack{};
  std::span<const std::byte> xsave;  // standard format; empty: no FP state in the frame
  uint64_t xfeatures = 0;            // components the area may hold (XCR0)
  // Of the thread's last fault.
  uint64_t trapno = 0, error_code = 0, cr2 = 0;
};

struct FrameLayout {
  uint64_t frame_addr = 0;  // the handler's stack pointer; 16n + 8
  uint64_t siginfo_addr = 0;
  uint64_t ucontext_addr = 0;
  uint64_t fpstate_addr = 0;  // 64-byte aligned; 0 if there is none
  std::vector<std::byte> bytes;  // to be stored at frame_addr
};

// EFAULT if the stack pointer is so low that the frame would wrap around.
Result<FrameLayout> BuildSignalFrame(const Registers& regs, const FrameInput& in);

// The registers of a handler that starts on `frame`.
void SetHandlerRegisters(Registers* regs, const FrameLayout& frame, uint64_t handler, int sig);

struct RestoredFrame {
  Registers regs;
  uint64_t mask = 0;
  stack_t alt_stack{};
  // Standard format, of the size asked for. Empty: the state of a fresh program.
  std::vector<std::byte> xsave;
};

// Fills the span from application memory or fails.
using FrameReader = std::function<Status(uint64_t addr, std::span<std::byte> out)>;

// Reads back the frame of a handler that returned: `regs` are those at rt_sigreturn(2). Every field is
// the application's: EFAULT for unreadable memory, EINVAL for values that the processor would refuse
// (the caller sends SIGSEGV for both). Flags and selectors come out safe.
Result<RestoredFrame> ParseSignalFrame(const Registers& regs, const FrameReader& read,
                                       size_t xsave_size, uint64_t xfeatures);

}  // namespace cvisor::arch

#endif  // CVISOR_PKG_SENTRY_ARCH_SIGNAL_FRAME_H_
