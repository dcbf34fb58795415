// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// linux.sysctl of config.json. Parameters of the network belong to the network namespace that the sandbox is
// in, and runsc sets them there. Those of IPC and the domain name are the Sentry's own. There are no others.

#ifndef CVISOR_RUNSC_CONTAINER_SYSCTL_H_
#define CVISOR_RUNSC_CONTAINER_SYSCTL_H_

#include <sys/types.h>

#include "pkg/sentry/control/control.pb.h"
#include "runsc/config/outcome.h"
#include "runsc/spec/spec.h"

namespace cvisor::runsc::container {

// Checks all of them, and tells the sandbox those that are its own.
Outcome<void> FillSysctls(const spec::Spec& spec, control::Container* out);

// Sets the others in the network namespace of `pid`, whose user namespace is ours unless `user_namespace`.
Outcome<void> SetNetworkSysctls(const spec::Spec& spec, pid_t pid, bool user_namespace);

}  // namespace cvisor::runsc::container

#endif  // CVISOR_RUNSC_CONTAINER_SYSCTL_H_
