// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The parts of clocks (clock_getres(2), timer_create(2)) beneath ReadClock() and DeadlineOnClock() of
// timers.h. All times are nanoseconds.

#ifndef CVISOR_PKG_SENTRY_KERNEL_CLOCKS_H_
#define CVISOR_PKG_SENTRY_KERNEL_CLOCKS_H_

#include <sys/types.h>
#include <time.h>

#include <cstdint>

#include "pkg/base/result.h"
#include "pkg/sentry/kernel/blocker.h"

namespace cvisor::kernel {

class Kernel;
class PidNamespace;
class ThreadGroup;

// REALTIME, MONOTONIC, BOOTTIME, TAI and their variants: what does not measure CPU time.
bool IsWallClock(clockid_t clock);
int64_t ReadWallClock(clockid_t clock);
// On CLOCK_MONOTONIC; a time that has passed gives one that has passed. A later step of the host's
// CLOCK_REALTIME is not followed.
Deadline WallDeadline(clockid_t clock, int64_t absolute_ns);

// What a clock id for CPU time says.
struct CpuClock {
  bool thread = false;     // of one thread, else of a process
  bool user_only = false;  // CPUCLOCK_VIRT
  pid_t id = 0;            // 0: the caller
  bool sampled = false;    // PROF and VIRT, which Linux counts in ticks
};
// EINVAL for other clocks.
Result<CpuClock> DecodeCpuClock(clockid_t clock);
// `clock.id` is a number in `ns`, and not 0 for threads; a thread must be one of tg's. EINVAL. Takes
// the task mutex.
Result<int64_t> ReadCpuClock(ThreadGroup& tg, const PidNamespace& ns, const CpuClock& clock);

// CPU-time timers are as exact as this.
inline constexpr int64_t kCpuClockTickNs = 1000000;
// The earliest moment at which a process can have used `remaining_ns` more: when it ran on all CPUs.
Deadline CpuDeadline(Kernel& kernel, int64_t remaining_ns);

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_CLOCKS_H_
