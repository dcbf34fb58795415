// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// PlanPatch: whether, and how, the code around a SYSCALL instruction can make room for a jump. Pure
// functions of bytes and registers; call_sites.h has the shapes and what is done with them.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_PATCH_PLAN_H_
#define CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_PATCH_PLAN_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "absl/container/inlined_vector.h"
#include "pkg/sentry/arch/registers.h"

namespace cvisor::platform::systrap {

// Bytes that PlanPatch() looks at: up to the end of the SYSCALL, and behind it.
inline constexpr uint64_t kPlanBefore = 9, kPlanAfter = 8;

struct PatchPlan {
  bool before = false;    // the instructions before the SYSCALL make room, else the one behind
  uint8_t displaced = 0;  // bytes of them; 5 or 6 before
  // Where the second of two displaced instructions begins: in the text, and in `code`. 0: there is
  // one.
  uint8_t boundary = 0, code_boundary = 0;
  // What does the same anywhere.
  absl::InlinedVector<uint8_t, 16> code;
};

// Reads the application's memory.
using ReadMemory = std::function<bool(uint64_t addr, std::span<uint8_t> to)>;

// `before` are the bytes that end with the SYSCALL, `after` those behind it, `regs` what the call
// was made with (rip is behind the SYSCALL). Code in front of an instruction can only be guessed:
// an instruction there is believed in if the registers are what it would have made them. Nullopt:
// leave it alone.
std::optional<PatchPlan> PlanPatch(std::span<const uint8_t> before, std::span<const uint8_t> after,
                                   const arch::Registers& regs, const ReadMemory& read);

}  // namespace cvisor::platform::systrap

#endif  // CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_PATCH_PLAN_H_
