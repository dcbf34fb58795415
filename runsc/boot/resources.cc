// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/boot/resources.h"

#include <sched.h>

#include "pkg/sentry/fs/proc/ipc_sysctl.h"
#include "pkg/sentry/resources/resources.h"
#include "runsc/boot/mounts.h"

namespace cvisor::runsc::boot {

void SetCgroupFiles(const control::CgroupFiles& files) {
  const auto owned = [](int fd) { return fd > 2 ? UniqueFd(fd) : UniqueFd(); };
  SandboxResources().cgroup_v1 = files.v1();
  SandboxResources().SetUsageFiles(owned(files.memory_fd()), owned(files.memory_stat_fd()),
                                   owned(files.cpu_fd()));
}

void ApplyResources(const control::Resources& change) {
  Resources::Limits limits = SandboxResources().Get();
  // In config.json 0 means "as it is"; in most places negative numbers mean "no limit".
  const auto set = [](bool given, auto value, auto* target) {
    if (given && value != 0) *target = value < 0 ? 0 : static_cast<std::decay_t<decltype(*target)>>(value);
  };
  set(change.has_memory(), change.memory(), &limits.memory);
  set(change.has_memory_and_swap(), change.memory_and_swap(), &limits.memory_and_swap);
  set(change.has_memory_reservation(), change.memory_reservation(), &limits.memory_reservation);
  set(change.has_cpu_quota_us(), change.cpu_quota_us(), &limits.cpu_quota_us);
  set(change.has_pids(), change.pids(), &limits.pids);
  if (change.cpu_period_us() != 0) limits.cpu_period_us = change.cpu_period_us();
  if (change.cpu_shares() != 0) limits.cpu_shares = change.cpu_shares();
  if (!change.cpus().empty()) limits.cpus = change.cpus();
  if (!change.mems().empty()) limits.mems = change.mems();
  SandboxResources().Set(std::move(limits));
}

int ContainerCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const bool known = sched_getaffinity(0, sizeof(set), &set) == 0;
  return VisibleCpus(SandboxResources().Get(), known ? CPU_COUNT(&set) : 1);
}

Outcome<void> ApplySysctls(const control::Container& config, kernel::Container& container) {
  for (const auto& [path, value] : config.sysctls()) {
    if (path == "kernel/domainname") {
      container.uts()->set_domainname(value);
    } else if (auto s = fs::proc::SetIpcSysctl(*container.ipc(), path, value); !s.ok()) {
      return Failure{"config.json: linux.sysctl: " + path + ": " + ErrnoText(s.error())};
    }
  }
  return {};
}

}  // namespace cvisor::runsc::boot
