// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// How much CPU time the host gives this process at most, besides its affinity: the limits of its cgroup and of
// those above it (cpu.max of cgroup v2; cpu.cfs_quota_us and cpu.cfs_period_us of v1).

#ifndef CVISOR_PKG_SENTRY_PLATFORM_COMMON_CPU_QUOTA_H_
#define CVISOR_PKG_SENTRY_PLATFORM_COMMON_CPU_QUOTA_H_

#include <optional>
#include <string>

namespace cvisor::platform {

// In cores; nullopt if there is no limit that can be seen. `cgroups`: the contents of /proc/self/cgroup.
// `root`: where the host's cgroup file systems are. A cgroup namespace or a mount may hide the upper ones.
std::optional<double> CpuQuota(const std::string& cgroups, const std::string& root = "/sys/fs/cgroup");

}  // namespace cvisor::platform

#endif  // CVISOR_PKG_SENTRY_PLATFORM_COMMON_CPU_QUOTA_H_
