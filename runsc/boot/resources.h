// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Limits and kernel parameters of a container, from its configuration and from `runsc update`.

#ifndef CVISOR_RUNSC_BOOT_RESOURCES_H_
#define CVISOR_RUNSC_BOOT_RESOURCES_H_

#include "pkg/sentry/control/control.pb.h"
#include "pkg/sentry/kernel/kernel.h"
#include "runsc/config/outcome.h"

namespace cvisor::runsc::boot {

// Takes over the descriptors. Before there are tasks.
void SetCgroupFiles(const control::CgroupFiles& files);
// Changes what is given in `change`. Any thread.
void ApplyResources(const control::Resources& change);
// How many CPUs the container sees: as many as the host lets us use, within the limits that were applied.
int ContainerCpus();
// linux.sysctl, as far as the Sentry keeps it.
Outcome<void> ApplySysctls(const control::Container& config, kernel::Container& container);

}  // namespace cvisor::runsc::boot

#endif  // CVISOR_RUNSC_BOOT_RESOURCES_H_
