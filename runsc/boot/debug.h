// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// What `runsc debug` asks a running sandbox for.

#ifndef CVISOR_RUNSC_BOOT_DEBUG_H_
#define CVISOR_RUNSC_BOOT_DEBUG_H_

#include <string>

#include "pkg/base/result.h"
#include "pkg/sentry/control/control.pb.h"
#include "pkg/sentry/kernel/kernel.h"

namespace cvisor::runsc::boot {

// Once, before threads are made. `log_fd` is the debug log's, or -1.
void PrepareDebugging(int log_fd);

// Does what the request says; the answer's text. ENODATA where there is no debug log to write to.
Result<std::string> Debug(kernel::Kernel& kernel, const control::DebugRequest& request);

}  // namespace cvisor::runsc::boot

#endif  // CVISOR_RUNSC_BOOT_DEBUG_H_
