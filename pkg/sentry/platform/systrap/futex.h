// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// futex(2) on words that are shared with stub processes.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_FUTEX_H_
#define CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_FUTEX_H_

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <climits>
#include <cstdint>

namespace cvisor::platform::systrap {

inline void FutexWait(uint32_t* word, uint32_t value) {
  syscall(SYS_futex, word, FUTEX_WAIT, value, nullptr, nullptr, 0);
}
// False if the time is over.
inline bool FutexWaitFor(uint32_t* word, uint32_t value, int64_t ns) {
  const timespec timeout{ns / 1'000'000'000, ns % 1'000'000'000};
  return syscall(SYS_futex, word, FUTEX_WAIT, value, &timeout, nullptr, 0) == 0 || errno != ETIMEDOUT;
}
// All: one sleeper that is meant, and those of the application that would take its wake-up away.
inline void FutexWake(uint32_t* word) {
  syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace cvisor::platform::systrap

#endif  // CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_FUTEX_H_
