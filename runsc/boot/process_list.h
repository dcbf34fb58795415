// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The processes of a container, for `runsc ps`.

#ifndef CVISOR_RUNSC_BOOT_PROCESS_LIST_H_
#define CVISOR_RUNSC_BOOT_PROCESS_LIST_H_

#include "pkg/sentry/control/control.pb.h"
#include "pkg/sentry/kernel/kernel.h"

namespace cvisor::runsc::boot {

// In the order of their numbers. Any thread.
void ListProcesses(kernel::Kernel& kernel, const kernel::Container& container,
                   control::Response* out);

}  // namespace cvisor::runsc::boot

#endif  // CVISOR_RUNSC_BOOT_PROCESS_LIST_H_
