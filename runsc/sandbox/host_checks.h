// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// What cvisor needs of the host, checked at each start because it costs microseconds: a kernel that is
// new enough, /proc, ptrace. What cannot be known without trying (namespaces) is explained afterwards.

#ifndef CVISOR_RUNSC_SANDBOX_HOST_CHECKS_H_
#define CVISOR_RUNSC_SANDBOX_HOST_CHECKS_H_

#include <string>
#include <string_view>

#include "runsc/config/outcome.h"

namespace cvisor::runsc::sandbox {

Outcome<void> CheckHost();

// Why clone(2) with new namespaces failed with `error`, in words that name the setting to change.
Failure ExplainNamespaceFailure(int error, bool user_namespace);

// The parts that need no host, for tests.
Outcome<void> CheckKernelRelease(std::string_view release);
Outcome<void> CheckPtraceScope(std::string_view scope);

}  // namespace cvisor::runsc::sandbox

#endif  // CVISOR_RUNSC_SANDBOX_HOST_CHECKS_H_
