// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// XSAVE images in the standard format (Intel SDM volume 1, chapter 13).

#ifndef CVISOR_PKG_SENTRY_PLATFORM_COMMON_XSAVE_H_
#define CVISOR_PKG_SENTRY_PLATFORM_COMMON_XSAVE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cvisor::platform {

// The FPU state that the kernel gives to a new program. `sample`: a state of this host, in full size;
// `features`: XCR0.
std::vector<std::byte> InitialXsave(std::span<const std::byte> sample, uint64_t features);

// Whether the processor would load `state`, which has the full size: no components but `features`, the
// standard format, no reserved bits. `mxcsr_mask`: of this processor.
bool ValidXsave(std::span<const std::byte> state, uint64_t features, uint32_t mxcsr_mask);

// The MXCSR mask of a state that the processor or the kernel wrote.
uint32_t MxcsrMask(std::span<const std::byte> sample);

}  // namespace cvisor::platform

#endif  // CVISOR_PKG_SENTRY_PLATFORM_COMMON_XSAVE_H_
