// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The sandbox process: `runsc boot`, started by runsc/sandbox with a control socket and a configuration.
// Builds the Kernel, its file systems and the container, and serves the control socket until the
// container's first process has ended.

#ifndef CVISOR_RUNSC_BOOT_BOOT_H_
#define CVISOR_RUNSC_BOOT_BOOT_H_

#include <string>
#include <vector>

namespace cvisor::runsc::boot {

int Main(const std::vector<std::string>& args);

}  // namespace cvisor::runsc::boot

#endif  // CVISOR_RUNSC_BOOT_BOOT_H_
