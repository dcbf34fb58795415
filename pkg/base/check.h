// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// CVISOR_CHECK: internal invariants. A failure is a bug in cvisor, never something an application may
// cause; it logs the condition with a stack trace and ends the process.

#ifndef CVISOR_PKG_BASE_CHECK_H_
#define CVISOR_PKG_BASE_CHECK_H_

namespace cvisor {

// Logs "file:line: check failed: what" with a stack trace, then aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* what);

}  // namespace cvisor

#define CVISOR_CHECK(condition)                                              \
  (__builtin_expect(static_cast<bool>(condition), true)                      \
       ? static_cast<void>(0)                                                \
       : ::cvisor::CheckFailed(__FILE__, __LINE__, #condition))

#ifdef NDEBUG
#define CVISOR_DCHECK(condition) static_cast<void>(0 && (condition))
#else
#define CVISOR_DCHECK(condition) CVISOR_CHECK(condition)
#endif

#endif  // CVISOR_PKG_BASE_CHECK_H_
