// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/cgroup/filesystem.h"

#include <linux/magic.h>

#include <algorithm>

#include "absl/strings/str_format.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/resources/resources.h"

namespace cvisor::fs::cgroup {
namespace {

using kernel::Kernel;

// What v1 shows where there is no limit: the largest multiple of a page.
constexpr int64_t kV1NoLimit = 0x7ffffffffffff000;

std::string Line(int64_t n) { return absl::StrFormat("%d\n", n); }
std::string Line(uint64_t n) { return absl::StrFormat("%d\n", n); }
std::string V1Limit(int64_t n) { return Line(n > 0 ? n : kV1NoLimit); }
std::string V2Limit(int64_t n) { return n > 0 ? Line(n) : "max\n"; }

// v1's shares, 2 to 262144, as v2's weight, 1 to 10000.
uint64_t Weight(uint64_t shares) {
  shares = std::clamp<uint64_t>(shares, 2, 262144);
  return 1 + (shares - 2) * 9999 / 262142;
}

std::string CpuList(const Kernel& k) {
  const std::string cpus = SandboxResources().Get().cpus;
  if (!cpus.empty()) return cpus + "\n";
  const int n = k.cpu_count();
  return n > 1 ? absl::StrFormat("0-%d\n", n - 1) : "0\n";
}

std::string MemList() {
  const std::string mems = SandboxResources().Get().mems;
  return mems.empty() ? "0\n" : mems + "\n";
}

// Processes or threads, as the reader numbers them.
std::string Members(Kernel& k, bool threads) {
  std::string out;
  const kernel::PidNamespace& ns = kernel::Task::Current()->pid_ns();
  MutexLock lock(k.task_mutex());
  for (kernel::ThreadGroup* tg : ns.ThreadGroups()) {
    if (!threads) {
      out += Line(int64_t{tg->IdIn(ns)});
      continue;
    }
    for (kernel::Task* t : tg->tasks()) out += Line(int64_t{t->tid()});
  }
  return out;
}

std::string V1MemoryStat() {
  const auto limits = SandboxResources().Get();
  const auto memory = SandboxResources().ReadMemory();
  const uint64_t usage = SandboxResources().MemoryUsage();
  const uint64_t cache = limits.memory > 0 ? memory.cached : 0, rss = usage - std::min(cache, usage);
  const auto limit = [](int64_t n) { return n > 0 ? n : kV1NoLimit; };
  return absl::StrFormat(
      "cache %d\nrss %d\nmapped_file 0\nswap 0\nhierarchical_memory_limit %d\n"
      "hierarchical_memsw_limit %d\ntotal_cache %d\ntotal_rss %d\ntotal_mapped_file 0\n"
      "total_swap 0\n",
      cache, rss, limit(limits.memory), limit(limits.memory_and_swap), cache, rss);
}

std::string V2MemoryStat() {
  const uint64_t usage = SandboxResources().MemoryUsage();
  const uint64_t file = SandboxResources().Get().memory > 0 ? SandboxResources().ReadMemory().cached : 0;
  return absl::StrFormat("anon %d\nfile %d\nkernel 0\nshmem 0\nfile_mapped 0\nfile_dirty 0\n",
                         usage - std::min(file, usage), file);
}

struct FileSpec {
  const char* controller;  // of v1; of v2, where it is only documentation
  const char* name;
  std::string (*generate)(Kernel& k);
};

constexpr FileSpec kV1Files[] = {
    {"cpu", "cpu.shares", [](Kernel&) { return Line(SandboxResources().Get().cpu_shares); }},
    {"cpu", "cpu.cfs_period_us", [](Kernel&) { return Line(SandboxResources().Get().cpu_period_us); }},
    {"cpu", "cpu.cfs_quota_us",
     [](Kernel&) {
       const int64_t quota = SandboxResources().Get().cpu_quota_us;
       return Line(quota > 0 ? quota : int64_t{-1});
     }},
    {"cpu", "cpuacct.usage", [](Kernel&) { return Line(SandboxResources().CpuUsageNs()); }},
    {"cpuset", "cpuset.cpus", [](Kernel& k) { return CpuList(k); }},
    {"cpuset", "cpuset.effective_cpus", [](Kernel& k) { return CpuList(k); }},
    {"cpuset", "cpuset.mems", [](Kernel&) { return MemList(); }},
    {"cpuset", "cpuset.effective_mems", [](Kernel&) { return MemList(); }},
    {"memory", "memory.limit_in_bytes",
     [](Kernel&) { return V1Limit(SandboxResources().Get().memory); }},
    {"memory", "memory.memsw.limit_in_bytes",
     [](Kernel&) { return V1Limit(SandboxResources().Get().memory_and_swap); }},
    {"memory", "memory.soft_limit_in_bytes",
     [](Kernel&) { return V1Limit(SandboxResources().Get().memory_reservation); }},
    {"memory", "memory.usage_in_bytes", [](Kernel&) { return Line(SandboxResources().MemoryUsage()); }},
    {"memory", "memory.memsw.usage_in_bytes",
     [](Kernel&) { return Line(SandboxResources().MemoryUsage()); }},
    {"memory", "memory.stat", [](Kernel&) { return V1MemoryStat(); }},
    {"memory", "memory.use_hierarchy", [](Kernel&) { return Line(int64_t{1}); }},
    {"pids", "pids.max", [](Kernel&) { return V2Limit(SandboxResources().Get().pids); }},
    {"pids", "pids.current", [](Kernel& k) { return Line(uint64_t{k.task_count()}); }},
};

constexpr FileSpec kV2Files[] = {
    {"", "cgroup.controllers", [](Kernel&) { return std::string("cpuset cpu memory pids\n"); }},
    {"", "cgroup.subtree_control", [](Kernel&) { return std::string("\n"); }},
    {"", "cgroup.type", [](Kernel&) { return std::string("domain\n"); }},
    {"", "cgroup.threads", [](Kernel& k) { return Members(k, /*threads=*/true); }},
    {"cpu", "cpu.max",
     [](Kernel&) {
       const auto limits = SandboxResources().Get();
       std::string quota = V2Limit(limits.cpu_quota_us);
       quota.back() = ' ';
       return quota + Line(limits.cpu_period_us);
     }},
    {"cpu", "cpu.weight", [](Kernel&) { return Line(Weight(SandboxResources().Get().cpu_shares)); }},
    {"cpu", "cpu.stat",
     [](Kernel&) { return absl::StrFormat("usage_usec %d\n", SandboxResources().CpuUsageNs() / 1000); }},
    {"cpuset", "cpuset.cpus", [](Kernel&) { return SandboxResources().Get().cpus + "\n"; }},
    {"cpuset", "cpuset.cpus.effective", [](Kernel& k) { return CpuList(k); }},
    {"cpuset", "cpuset.mems", [](Kernel&) { return SandboxResources().Get().mems + "\n"; }},
    {"cpuset", "cpuset.mems.effective", [](Kernel&) { return MemList(); }},
    {"memory", "memory.max", [](Kernel&) { return V2Limit(SandboxResources().Get().memory); }},
    {"memory", "memory.low", [](Kernel&) { return Line(SandboxResources().Get().memory_reservation); }},
    {"memory", "memory.high", [](Kernel&) { return std::string("max\n"); }},
    {"memory", "memory.swap.max",
     [](Kernel&) {
       const auto limits = SandboxResources().Get();
       if (limits.memory_and_swap <= 0) return std::string("max\n");
       return Line(std::max<int64_t>(0, limits.memory_and_swap - limits.memory));
     }},
    {"memory", "memory.swap.current", [](Kernel&) { return std::string("0\n"); }},
    {"memory", "memory.current", [](Kernel&) { return Line(SandboxResources().MemoryUsage()); }},
    {"memory", "memory.stat", [](Kernel&) { return V2MemoryStat(); }},
    {"pids", "pids.max", [](Kernel&) { return V2Limit(SandboxResources().Get().pids); }},
    {"pids", "pids.current", [](Kernel& k) { return Line(uint64_t{k.task_count()}); }},
};

constexpr const char* kV1Hierarchies[] = {"cpuset", "cpu,cpuacct", "memory", "pids"};

}  // namespace

FileSystem::FileSystem(Kernel& kernel, std::string controllers)
    : SyntheticFileSystem(controllers.empty() ? "cgroup2" : "cgroup",
                          controllers.empty() ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC,
                          /*cache_dentries=*/true),
      kernel_(kernel),
      controllers_(std::move(controllers)) {}

Ref<vfs::Inode> FileSystem::MakeRoot() {
  auto root = MakeRef<vfs::SyntheticDir>(*this, 0555);
  Kernel* const k = &kernel_;
  const auto add = [&](const char* name, std::string (*generate)(Kernel&)) {
    root->Add(name, vfs::NewFunctionFile(*this, 0444, [k, generate]() -> Result<std::string> {
                return generate(*k);
              }));
  };
  add("cgroup.procs", [](Kernel& kernel) { return Members(kernel, /*threads=*/false); });
  if (controllers_.empty()) {
    for (const FileSpec& f : kV2Files) add(f.name, f.generate);
    return root;
  }
  add("tasks", [](Kernel& kernel) { return Members(kernel, /*threads=*/true); });
  const std::string first = controllers_.substr(0, controllers_.find(','));
  for (const FileSpec& f : kV1Files) {
    if (first == f.controller) add(f.name, f.generate);
  }
  return root;
}

std::span<const char* const> V1Hierarchies() { return kV1Hierarchies; }

}  // namespace cvisor::fs::cgroup
