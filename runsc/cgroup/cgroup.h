// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Cgroup: the host cgroup of a sandbox, in each mounted v1 hierarchy, or in the v2 one where v1 is
// not mounted. The Sentry and all its stubs are in it, so the host's limits hold for everything
// that the container uses.

#ifndef CVISOR_RUNSC_CGROUP_CGROUP_H_
#define CVISOR_RUNSC_CGROUP_CGROUP_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "runsc/config/outcome.h"
#include "runsc/spec/spec.h"

namespace cvisor::runsc::cgroup {

struct Stats {
  uint64_t cpu_usage_ns = 0, memory_usage = 0, memory_max_usage = 0, memory_limit = 0, pids = 0,
           pids_limit = 0;
};

class Cgroup {
 public:
  // `dirs`: as dirs() of an earlier one said. May be empty: then nothing has an effect.
  explicit Cgroup(std::vector<std::string> dirs) : dirs_(std::move(dirs)) {}

  // Makes the directories. `path` is cgroupsPath: absolute: from the root of each hierarchy;
  // relative: below our own cgroup; with `systemd`, "slice:prefix:name".
  static Outcome<Cgroup> Create(const std::string& path, bool systemd);

  Outcome<void> Set(const spec::Resources& resources) const;
  Outcome<void> Add(pid_t pid) const;
  // EBUSY while there are processes: they are given a moment to end.
  void Remove() const;

  // All processes stop, the Sentry too. A failure where there is no freezer.
  Outcome<void> Freeze(bool freeze) const;
  bool Frozen() const;
  // Sends SIGKILL to everything in it.
  void Kill() const;
  // Processes, as the host numbers them.
  std::vector<pid_t> Processes() const;
  Stats ReadStats() const;

  const std::vector<std::string>& dirs() const { return dirs_; }

 private:
  // The directory with this file, or "".
  std::string Find(const char* file) const;
  Outcome<void> Write(const char* file, const std::string& value) const;
  uint64_t Read(const char* file) const;

  std::vector<std::string> dirs_;
};

}  // namespace cvisor::runsc::cgroup

#endif  // CVISOR_RUNSC_CGROUP_CGROUP_H_
