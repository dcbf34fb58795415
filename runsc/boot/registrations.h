// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The parts of the Sentry that know each other only through registries are put together here.

#ifndef CVISOR_RUNSC_BOOT_REGISTRATIONS_H_
#define CVISOR_RUNSC_BOOT_REGISTRATIONS_H_

#include <memory>

#include "pkg/sentry/control/control.pb.h"
#include "pkg/sentry/kernel/kernel.h"

namespace cvisor::runsc::boot {

// System calls, with strace if the configuration asks for it.
std::unique_ptr<kernel::SyscallDispatcher> NewDispatcher(const control::BootConfig& config);

// File systems, devices, socket families. Once.
void RegisterEverything(kernel::Kernel& kernel);

}  // namespace cvisor::runsc::boot

#endif  // CVISOR_RUNSC_BOOT_REGISTRATIONS_H_
