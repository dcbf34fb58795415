// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/cgroup/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "pkg/base/unique_fd.h"

namespace cvisor::runsc::cgroup {
namespace {

struct Hierarchy {
  std::string mount;        // where it is mounted
  std::string controllers;  // "cpu,cpuacct", "name=systemd"; empty: v2
};

std::vector<std::string> Split(const std::string& s, char by) {
  std::vector<std::string> out;
  std::istringstream in(s);
  for (std::string part; std::getline(in, part, by);) out.push_back(part);
  return out;
}

// v1 hierarchies in which a container's limits live; v2 only if there are none.
std::vector<Hierarchy> Hierarchies() {
  std::vector<Hierarchy> v1, v2;
  std::ifstream file("/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    const auto before = Split(line.substr(0, dash), ' '), after = Split(line.substr(dash + 3), ' ');
    if (before.size() < 5 || after.empty()) continue;
    if (after[0] == "cgroup2") v2.push_back({before[4], ""});
    if (after[0] != "cgroup" || after.size() < 3) continue;
    std::string controllers;
    for (const std::string& option : Split(after[2], ',')) {
      if (option == "rw" || option == "ro" || option == "xattr") continue;
      controllers += (controllers.empty() ? "" : ",") + option;
    }
    v1.push_back({before[4], controllers});
  }
  return v1.empty() ? v2 : v1;
}

// Our own cgroup in each hierarchy.
std::map<std::string, std::string> OwnCgroups() {
  std::map<std::string, std::string> own;
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    own[line.substr(first + 1, second - first - 1)] = line.substr(second + 1);
  }
  return own;
}

// "a-b.slice" is below "a.slice".
std::string ExpandSlice(const std::string& slice) {
  std::string out, prefix;
  const std::string name = slice.substr(0, slice.rfind(".slice"));
  if (name.empty() || name == "-") return "";
  for (const std::string& part : Split(name, '-')) {
    prefix += (prefix.empty() ? "" : "-") + part;
    out += "/" + prefix + ".slice";
  }
  return out;
}

Outcome<std::string> SystemdPath(const std::string& path) {
  const auto parts = Split(path, ':');
  if (parts.size() != 3) {
    return Failure{
        "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, "
        "got \"" +
        path + "\" instead"};
  }
  const std::string slice = parts[0].empty() ? "system.slice" : parts[0];
  return ExpandSlice(slice) + "/" + parts[1] + "-" + parts[2] + ".scope";
}

Outcome<void> WriteFile(const std::string& path, const std::string& text) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid() || write(fd.get(), text.data(), text.size()) < 0) {
    return FailureFromErrno("writing " + text + " to " + path, errno);
  }
  return {};
}

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

// Directories below `mount`, and what a new one needs before processes may enter.
Outcome<void> MakeDirs(const Hierarchy& h, const std::string& path) {
  std::string parent = h.mount;
  for (const std::string& part : Split(path, '/')) {
    if (part.empty()) continue;
    if (part == "..") return Failure{"cgroupsPath \"" + path + "\" must not contain .."};
    const std::string dir = parent + "/" + part;
    if (h.controllers.empty()) {
      for (const char* controller : {"+cpu", "+cpuset", "+memory", "+pids", "+io"}) {
        (void)WriteFile(parent + "/cgroup.subtree_control", controller);
      }
    }
    if (mkdir(dir.c_str(), 0755) != 0 && errno != EEXIST) {
      return FailureFromErrno("creating the cgroup " + dir, errno);
    }
    if (h.controllers.find("cpuset") != std::string::npos) {
      for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
        if (ReadText(dir + file).size() <= 1) (void)WriteFile(dir + file, ReadText(parent + file));
      }
    }
    parent = dir;
  }
  return {};
}

// v1's shares, 2 to 262144, as v2's weight, 1 to 10000.
uint64_t Weight(uint64_t shares) {
  shares = std::clamp<uint64_t>(shares, 2, 262144);
  return 1 + (shares - 2) * 9999 / 262142;
}

std::string V2Limit(int64_t n) { return n < 0 ? "max" : std::to_string(n); }

// Of a container with `n` tasks the host sees a thread of the Sentry and one of a stub for each
// task, an agent for each process, and the Sentry's own threads.
int64_t HostPids(int64_t n) { return n * 3 + 128; }

}  // namespace

bool HostHasV1() {
  const auto hierarchies = Hierarchies();
  return !hierarchies.empty() && !hierarchies[0].controllers.empty();
}

Outcome<Cgroup> Cgroup::Create(const std::string& path, bool systemd, const Announce& announce) {
  std::string from_root = path;
  if (systemd) {
    auto expanded = SystemdPath(path);
    if (!expanded.ok()) return expanded.failure();
    from_root = *expanded;
  }
  const auto own = OwnCgroups();
  std::vector<std::string> dirs, paths;
  const std::vector<Hierarchy> hierarchies = Hierarchies();
  for (const Hierarchy& h : hierarchies) {
    std::string below = from_root;
    if (below.empty() || below[0] != '/') {
      const auto it = own.find(h.controllers);
      below = (it == own.end() ? "" : it->second) + "/" + below;
    }
    paths.push_back(below);
    dirs.push_back(h.mount + below);
  }
  RUNSC_RETURN_IF_FAILED(announce(dirs));
  for (size_t i = 0; i < hierarchies.size(); ++i) {
    if (auto made = MakeDirs(hierarchies[i], paths[i]); !made.ok()) {
      Cgroup(dirs).Remove();
      return made.failure();
    }
  }
  return Cgroup(std::move(dirs));
}

std::string Cgroup::Find(const char* file) const {
  for (const std::string& dir : dirs_) {
    if (access((dir + "/" + file).c_str(), F_OK) == 0) return dir + "/" + file;
  }
  return "";
}

UniqueFd Cgroup::Open(std::initializer_list<const char*> files) const {
  for (const char* file : files) {
    const std::string path = Find(file);
    if (!path.empty()) return UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  }
  return UniqueFd();
}

Outcome<void> Cgroup::Write(const char* file, const std::string& value) const {
  const std::string path = Find(file);
  if (path.empty()) return Failure{std::string("this host has no ") + file};
  return WriteFile(path, value);
}

uint64_t Cgroup::Read(const char* file) const {
  const std::string path = Find(file);
  if (path.empty()) return 0;
  const std::string text = ReadText(path);
  if (text.rfind("max", 0) == 0) return UINT64_MAX;
  return strtoull(text.c_str(), nullptr, 10);
}

Outcome<void> Cgroup::Set(const spec::Resources& r) const {
  const bool v1 = Find("cgroup.controllers").empty();
  if (r.memory_limit.has_value() && *r.memory_limit != 0) {
    const int64_t limit = *r.memory_limit, swap = r.memory_swap.value_or(0);
    if (v1) {
      // The limit with swap may not be below the other one at any time: whichever grows goes first.
      const bool swap_first =
          swap > 0 && static_cast<uint64_t>(swap) > Read("memory.memsw.limit_in_bytes");
      if (swap_first)
        RUNSC_RETURN_IF_FAILED(Write("memory.memsw.limit_in_bytes", std::to_string(swap)));
      RUNSC_RETURN_IF_FAILED(Write("memory.limit_in_bytes", std::to_string(limit)));
      if (swap != 0 && !swap_first && !Find("memory.memsw.limit_in_bytes").empty()) {
        RUNSC_RETURN_IF_FAILED(Write("memory.memsw.limit_in_bytes", std::to_string(swap)));
      }
    } else {
      RUNSC_RETURN_IF_FAILED(Write("memory.max", V2Limit(limit)));
      if (swap != 0)
        (void)Write("memory.swap.max", V2Limit(swap < 0 ? -1 : std::max<int64_t>(0, swap - limit)));
    }
  }
  if (r.memory_reservation.has_value() && *r.memory_reservation != 0) {
    RUNSC_RETURN_IF_FAILED(
        v1 ? Write("memory.soft_limit_in_bytes", std::to_string(*r.memory_reservation))
           : Write("memory.low", V2Limit(*r.memory_reservation)));
  }
  if (r.cpu_shares.has_value() && *r.cpu_shares != 0) {
    RUNSC_RETURN_IF_FAILED(v1 ? Write("cpu.shares", std::to_string(*r.cpu_shares))
                              : Write("cpu.weight", std::to_string(Weight(*r.cpu_shares))));
  }
  if (v1) {
    if (r.cpu_period.value_or(0) != 0) {
      RUNSC_RETURN_IF_FAILED(Write("cpu.cfs_period_us", std::to_string(*r.cpu_period)));
    }
    if (r.cpu_quota.value_or(0) != 0) {
      RUNSC_RETURN_IF_FAILED(Write("cpu.cfs_quota_us", std::to_string(*r.cpu_quota)));
    }
  } else if (r.cpu_quota.value_or(0) != 0 || r.cpu_period.value_or(0) != 0) {
    RUNSC_RETURN_IF_FAILED(
        Write("cpu.max", V2Limit(r.cpu_quota.value_or(0) > 0 ? *r.cpu_quota : -1) + " " +
                             std::to_string(r.cpu_period.value_or(100000))));
  }
  if (!r.cpus.empty()) RUNSC_RETURN_IF_FAILED(Write("cpuset.cpus", r.cpus));
  if (!r.mems.empty()) RUNSC_RETURN_IF_FAILED(Write("cpuset.mems", r.mems));
  if (r.pids_limit.value_or(0) != 0) {
    RUNSC_RETURN_IF_FAILED(
        Write("pids.max", *r.pids_limit < 0 ? "max" : std::to_string(HostPids(*r.pids_limit))));
  }
  return {};
}

Outcome<void> Cgroup::Add(pid_t pid) const {
  for (const std::string& dir : dirs_) {
    RUNSC_RETURN_IF_FAILED(WriteFile(dir + "/cgroup.procs", std::to_string(pid)));
  }
  return {};
}

void Cgroup::Remove() const {
  for (const std::string& dir : dirs_) {
    // Stubs of a sandbox that was just killed take a moment to go.
    for (int tries = 0; rmdir(dir.c_str()) != 0 && errno == EBUSY && tries < 200; ++tries)
      usleep(5000);
  }
}

Outcome<void> Cgroup::Freeze(bool freeze) const {
  const bool v1 = !Find("freezer.state").empty();
  const char* file = v1 ? "freezer.state" : "cgroup.freeze";
  const std::string path = Find(file);
  if (path.empty())
    return Failure{"the container has no cgroup with a freezer: it cannot be paused"};
  RUNSC_RETURN_IF_FAILED(
      WriteFile(path, v1 ? (freeze ? "FROZEN" : "THAWED") : (freeze ? "1" : "0")));
  // It takes effect when the last process has got there.
  for (int tries = 0; tries < 2000; ++tries) {
    const std::string state =
        v1 ? ReadText(path) : ReadText(path.substr(0, path.rfind('/')) + "/cgroup.events");
    const bool frozen =
        state.rfind("FROZEN", 0) == 0 || state.find("frozen 1") != std::string::npos;
    if (frozen == freeze) return {};
    if (v1 && freeze && tries % 50 == 49) (void)WriteFile(path, "FROZEN");
    usleep(1000);
  }
  if (freeze) (void)WriteFile(path, v1 ? "THAWED" : "0");
  return Failure{"the cgroup's freezer did not act within 2 seconds"};
}

bool Cgroup::Frozen() const {
  if (const std::string path = Find("freezer.state"); !path.empty()) {
    return ReadText(path).rfind("FR", 0) == 0;  // FROZEN, FREEZING
  }
  return Read("cgroup.freeze") == 1;
}

std::vector<pid_t> Cgroup::Processes() const {
  std::vector<pid_t> pids;
  if (dirs_.empty()) return pids;
  std::ifstream file(dirs_[0] + "/cgroup.procs");
  for (pid_t pid; file >> pid;) pids.push_back(pid);
  return pids;
}

void Cgroup::Kill() const {
  for (const pid_t pid : Processes()) kill(pid, SIGKILL);
}

Stats Cgroup::ReadStats() const {
  Stats s;
  const auto cpu = ReadTable("cpu.stat");
  const auto value = [](const std::map<std::string, uint64_t>& table, const char* key) {
    const auto it = table.find(key);
    return it == table.end() ? 0 : it->second;
  };
  s.periods = value(cpu, "nr_periods");
  s.throttled_periods = value(cpu, "nr_throttled");
  if (Find("cpuacct.usage").empty()) {
    s.cpu_ns = value(cpu, "usage_usec") * 1000;
    s.cpu_user_ns = value(cpu, "user_usec") * 1000;
    s.cpu_system_ns = value(cpu, "system_usec") * 1000;
    s.throttled_ns = value(cpu, "throttled_usec") * 1000;
  } else {
    const auto ticks = ReadTable("cpuacct.stat");
    const uint64_t ns_per_tick = 1000000000 / static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
    s.cpu_ns = Read("cpuacct.usage");
    s.cpu_user_ns = value(ticks, "user") * ns_per_tick;
    s.cpu_system_ns = value(ticks, "system") * ns_per_tick;
    s.throttled_ns = value(cpu, "throttled_time");
  }
  s.memory_stat = ReadTable("memory.stat");
  if (!Find("memory.usage_in_bytes").empty()) {
    s.memory = {Read("memory.limit_in_bytes"), Read("memory.usage_in_bytes"),
                Read("memory.max_usage_in_bytes"), Read("memory.failcnt")};
    s.swap = {Read("memory.memsw.limit_in_bytes"), Read("memory.memsw.usage_in_bytes"),
              Read("memory.memsw.max_usage_in_bytes"), Read("memory.memsw.failcnt")};
    s.cache = value(s.memory_stat, "cache");
  } else {
    s.memory = {Read("memory.max"), Read("memory.current"), Read("memory.peak"),
                value(ReadTable("memory.events"), "max")};
    s.swap = {Read("memory.swap.max"), Read("memory.swap.current"), Read("memory.swap.peak"), 0};
    s.cache = value(s.memory_stat, "file");
  }
  return s;
}

std::map<std::string, uint64_t> Cgroup::ReadTable(const char* file) const {
  std::map<std::string, uint64_t> table;
  const std::string path = Find(file);
  if (path.empty()) return table;
  std::istringstream in(ReadText(path));
  std::string key;
  for (uint64_t value; in >> key >> value;) table[key] = value;
  return table;
}

}  // namespace cvisor::runsc::cgroup
