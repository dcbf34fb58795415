// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Resources: what the engine lets the sandbox use. The host's cgroup enforces it; here is what of it is shown
// inside (/proc/meminfo, the number of CPUs, the cgroup file systems). Changed by `runsc update`.

#ifndef CVISOR_PKG_SENTRY_RESOURCES_RESOURCES_H_
#define CVISOR_PKG_SENTRY_RESOURCES_RESOURCES_H_

#include <cstdint>
#include <string>
#include <utility>

#include "pkg/base/mutex.h"
#include "pkg/base/unique_fd.h"

namespace cvisor {

class Resources {
 public:
  // As config.json has them. 0, or empty: no limit.
  struct Limits {
    int64_t memory = 0, memory_and_swap = 0, memory_reservation = 0;  // bytes
    int64_t cpu_quota_us = 0;
    uint64_t cpu_period_us = 100000, cpu_shares = 1024;
    int64_t pids = 0;
    std::string cpus, mems;  // "0-2,5"
  };

  Limits Get() const {
    MutexLock lock(mu_);
    return limits_;
  }
  void Set(Limits limits) {
    MutexLock lock(mu_);
    limits_ = std::move(limits);
  }

  // Files of the host cgroup to read usage from: memory.usage_in_bytes or memory.current; memory.stat;
  // cpuacct.usage or cpu.stat. Each may be invalid. Before there are tasks.
  void SetUsageFiles(UniqueFd memory, UniqueFd memory_stat, UniqueFd cpu);

  // Bytes; what is not known is 0.
  struct Memory {
    uint64_t total = 0, free = 0, available = 0, buffers = 0, cached = 0;
  };
  // The host's, cut to the limit.
  Memory ReadMemory() const;
  // Of the sandbox alone.
  uint64_t MemoryUsage() const;
  uint64_t CpuUsageNs() const;

  // Does the host, and so /sys/fs/cgroup of the container, have cgroup v1? Before there are tasks.
  bool cgroup_v1 = false;

 private:
  UniqueFd memory_file_, memory_stat_file_, cpu_file_;
  mutable Mutex mu_;  // leaf
  Limits limits_ ABSL_GUARDED_BY(mu_);
};

// One Sentry is one kernel, so there is one object.
Resources& SandboxResources();

// How many CPUs applications see, of the `host_cpus` that there are: those of the cpuset, and no more than the quota
// keeps busy. At least 1.
int VisibleCpus(const Resources::Limits& limits, int host_cpus);

}  // namespace cvisor

#endif  // CVISOR_PKG_SENTRY_RESOURCES_RESOURCES_H_
