// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The table for people and programs: `runsc help syscalls`, the website's compatibility page.

#ifndef CVISOR_PKG_SENTRY_SYSCALLS_TABLE_PRINT_H_
#define CVISOR_PKG_SENTRY_SYSCALLS_TABLE_PRINT_H_

#include <string>

#include "pkg/sentry/syscalls/table.h"

namespace cvisor::syscalls {

std::string_view SupportName(Support support);  // "full", "partial", "stub", "none"

// One aligned line per call, a summary at the end.
std::string SyscallTableText();
// {"amd64": [{"number": 0, "name": "read", "support": "full", "note": ""}, ...]}
std::string SyscallTableJson();

}  // namespace cvisor::syscalls

#endif  // CVISOR_PKG_SENTRY_SYSCALLS_TABLE_PRINT_H_
