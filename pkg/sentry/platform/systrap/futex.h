// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// futex(2) on words that are shared with stub processes.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_FUTEX_H_
#define CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_FUTEX_H_

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace cvisor::platform::systrap {

inline void FutexWait(uint32_t* word, uint32_t value) {
  syscall(SYS_futex, word, FUTEX_WAIT, value, nullptr, nullptr, 0);
}
inline void FutexWake(uint32_t* word) {
  syscall(SYS_futex, word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

}  // namespace cvisor::platform::systrap

#endif  // CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_FUTEX_H_
