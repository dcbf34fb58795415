// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// For tests and benchmarks of platforms: all of them, by name.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_CONTRACT_TEST_PLATFORM_H_
#define CVISOR_PKG_SENTRY_PLATFORM_CONTRACT_TEST_PLATFORM_H_

#include <sys/types.h>

#include <memory>
#include <string>

#include "pkg/sentry/platform/platform.h"

namespace cvisor::platform {

// "ptrace", "systrap", or systrap without some of its mechanisms: "systrap_no_patch",
// "systrap_no_notify", "systrap_no_spin", "systrap_plain". Null with a reason in *error if it
// cannot be made.
std::unique_ptr<Platform> NewTestPlatform(const std::string& name, std::string* error);

// The host process that `as` is.
pid_t StubPid(AddressSpace& as);

}  // namespace cvisor::platform

#endif  // CVISOR_PKG_SENTRY_PLATFORM_CONTRACT_TEST_PLATFORM_H_
