// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Cgroup: the host cgroup of a sandbox, in each mounted v1 hierarchy, or in the v2 one where v1 is
// not mounted. The Sentry and all its stubs are in it, so the host's limits hold for everything
// that the container uses.

#ifndef CVISOR_RUNSC_CGROUP_CGROUP_H_
#define CVISOR_RUNSC_CGROUP_CGROUP_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "pkg/base/unique_fd.h"
#include "runsc/config/outcome.h"
#include "runsc/spec/spec.h"

namespace cvisor::runsc::cgroup {

// Are there v1 hierarchies?
bool HostHasV1();

struct MemoryCounter {
  uint64_t limit = 0, usage = 0, max = 0, failures = 0;
};
struct Stats {
  uint64_t cpu_ns = 0, cpu_user_ns = 0, cpu_system_ns = 0;
  uint64_t periods = 0, throttled_periods = 0, throttled_ns = 0;
  MemoryCounter memory, swap;
  uint64_t cache = 0;
  std::map<std::string, uint64_t> memory_stat;  // as the host has it
};

class Cgroup {
 public:
  // `dirs`: as dirs() of an earlier one said. May be empty: then nothing has an effect.
  explicit Cgroup(std::vector<std::string> dirs) : dirs_(std::move(dirs)) {}

  // Makes the directories. `path` is cgroupsPath: absolute: from the root of each hierarchy;
  // relative: below our own cgroup; with `systemd`, "slice:prefix:name".
  // `announce` is told their names before: whoever is killed in between leaves a note of them.
  using Announce = std::function<Outcome<void>(const std::vector<std::string>& dirs)>;
  static Outcome<Cgroup> Create(const std::string& path, bool systemd, const Announce& announce);

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

  // The first of these files that there is, for reading; invalid if there is none.
  UniqueFd Open(std::initializer_list<const char*> files) const;

  const std::vector<std::string>& dirs() const { return dirs_; }

 private:
  // The directory with this file, or "".
  std::string Find(const char* file) const;
  Outcome<void> Write(const char* file, const std::string& value) const;
  uint64_t Read(const char* file) const;
  // Of lines "key value".
  std::map<std::string, uint64_t> ReadTable(const char* file) const;

  std::vector<std::string> dirs_;
};

}  // namespace cvisor::runsc::cgroup

#endif  // CVISOR_RUNSC_CGROUP_CGROUP_H_
