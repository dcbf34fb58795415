// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// When the Sentry itself crashes: a stack trace in the debug log, one line on stderr, exit code 128. The
// container's processes die with it.

#ifndef CVISOR_RUNSC_BOOT_CRASH_H_
#define CVISOR_RUNSC_BOOT_CRASH_H_

namespace cvisor::runsc::boot {

// `log_fd` -1: no debug log.
void InstallCrashHandlers(int log_fd);

}  // namespace cvisor::runsc::boot

#endif  // CVISOR_RUNSC_BOOT_CRASH_H_
