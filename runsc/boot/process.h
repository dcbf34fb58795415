// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// A container's first process, from its configuration.

#ifndef CVISOR_RUNSC_BOOT_PROCESS_H_
#define CVISOR_RUNSC_BOOT_PROCESS_H_

#include "pkg/sentry/control/control.pb.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/seccomp/filter.h"
#include "runsc/config/outcome.h"

namespace cvisor::runsc::boot {

// Everything but files and terminal.
kernel::ProcessSpec ToProcessSpec(const control::Process& config,
                                  const Ref<UserNamespace>& user_ns);

// The filter that a container's processes start with.
Outcome<Ref<const seccomp::Filter>> ToSeccompFilter(const control::Seccomp& config);

// Whoever sets the container up: uid 0 with all capabilities.
CredsRef RootCredentials(const Ref<UserNamespace>& user_ns);

// How a shell, or runc, says why a command did not start.
Failure DescribeStartFailure(const control::Process& process, bool like_a_child, Errno error);

}  // namespace cvisor::runsc::boot

#endif  // CVISOR_RUNSC_BOOT_PROCESS_H_
