// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The files of /proc's root: the machine as the sandbox may see it. Sizes and CPU features are the
// host's (programs size themselves by them); everything else is the sandbox's own.

#include <sys/sysinfo.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "absl/strings/str_format.h"
#include "pkg/sentry/fs/proc/internal.h"
#include "pkg/sentry/kernel/blocker.h"
#include "pkg/sentry/resources/resources.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::fs::proc {
namespace {

using kernel::Kernel;

std::string ReadHost(const char* path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string Version() {
  return absl::StrFormat("%s version %s (cvisor@cvisor) (cvisor application kernel) %s\n",
                         Kernel::kSysname, Kernel::kRelease, Kernel::kVersion);
}

// The host's description of its CPUs, cut to as many as the sandbox has.
std::string CpuInfo(int cpus) {
  static const std::string& host = *new std::string(ReadHost("/proc/cpuinfo"));
  std::string out;
  std::string_view rest = host;
  for (int i = 0; i < cpus && !rest.empty(); ++i) {
    const size_t end = rest.find("\n\n");
    out += rest.substr(0, end == std::string_view::npos ? end : end + 2);
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 2);
  }
  return out;
}

std::string MemInfo(const Resources& resources) {
  const Resources::Memory m = resources.ReadMemory();
  const uint64_t total = m.total >> 10, free_kb = m.free >> 10, available = m.available >> 10,
                 buffers = m.buffers >> 10, cached = m.cached >> 10;
  const uint64_t used = total - free_kb;
  const uint64_t anonymous = used > cached + buffers ? used - cached - buffers : 0;
  return absl::StrFormat(
      "MemTotal:       %8d kB\nMemFree:        %8d kB\nMemAvailable:   %8d kB\n"
      "Buffers:        %8d kB\nCached:         %8d kB\nSwapCached:     %8d kB\n"
      "Active:         %8d kB\nInactive:       %8d kB\nSwapTotal:      %8d kB\n"
      "SwapFree:       %8d kB\nDirty:          %8d kB\nWriteback:      %8d kB\n"
      "AnonPages:      %8d kB\nMapped:         %8d kB\nShmem:          %8d kB\n"
      "Slab:           %8d kB\nCommitLimit:    %8d kB\nCommitted_AS:   %8d kB\n"
      "VmallocTotal:   34359738367 kB\nHugePages_Total:       0\nHugePages_Free:        0\n"
      "HugePages_Rsvd:        0\nHugePages_Surp:        0\nHugepagesize:       2048 kB\n",
      total, free_kb, available, buffers, cached, 0, used / 2, used / 2, 0, 0, 0, 0,
      anonymous, 0, 0, 0, total, used);
}

struct Totals {
  uint64_t user_ns = 0, system_ns = 0;
  size_t processes = 0, running = 0, threads = 0;
};

Totals Sum(FileSystem& fs) {
  Totals totals;
  std::vector<Ref<ThreadGroup>> groups;
  {
    MutexLock lock(fs.kernel().task_mutex());
    for (ThreadGroup* tg : fs.pid_ns().ThreadGroups()) groups.emplace_back(tg);
    for (const auto& tg : groups) {
      for (Task* t : tg->tasks()) {
        ++totals.threads;
        if (t->StateLetter() == 'R') ++totals.running;
      }
    }
  }
  totals.processes = groups.size();
  for (const auto& tg : groups) {
    kernel::CpuUsage usage = tg->Usage();
    usage.Add(tg->ChildrenUsage());
    totals.user_ns += usage.user_ns;
    totals.system_ns += usage.system_ns;
  }
  return totals;
}

int64_t UptimeNs(FileSystem& fs) {
  return kernel::MonotonicNs() - fs.kernel().boot_monotonic_ns();
}

std::string SystemStat(FileSystem& fs) {
  const Totals totals = Sum(fs);
  const uint64_t cpus = static_cast<uint64_t>(fs.kernel().cpu_count());
  const uint64_t user = totals.user_ns / kNsPerTick, system = totals.system_ns / kNsPerTick;
  const uint64_t all = static_cast<uint64_t>(UptimeNs(fs)) / kNsPerTick * cpus;
  const uint64_t idle = all > user + system ? all - user - system : 0;
  std::string out = absl::StrFormat("cpu  %d 0 %d %d 0 0 0 0 0 0\n", user, system, idle);
  for (uint64_t i = 0; i < cpus; ++i) {
    out += absl::StrFormat("cpu%d %d 0 %d %d 0 0 0 0 0 0\n", i, user / cpus, system / cpus,
                           idle / cpus);
  }
  out += absl::StrFormat("intr 0\nctxt 0\nbtime %d\nprocesses %d\nprocs_running %d\n"
                         "procs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n",
                         fs.kernel().boot_realtime_ns() / 1000000000, fs.kernel().forks.load(),
                         std::max<size_t>(1, totals.running));
  return out;
}

std::string Uptime(FileSystem& fs) {
  const double up = static_cast<double>(UptimeNs(fs)) / 1e9;
  const Totals totals = Sum(fs);
  const double used = static_cast<double>(totals.user_ns + totals.system_ns) / 1e9;
  return absl::StrFormat("%.2f %.2f\n", up, std::max(0.0, up * fs.kernel().cpu_count() - used));
}

std::string LoadAvg(FileSystem& fs) {
  const Totals totals = Sum(fs);
  struct sysinfo s = {};
  ::sysinfo(&s);
  const auto load = [&](int i) { return static_cast<double>(s.loads[i]) / (1 << SI_LOAD_SHIFT); };
  return absl::StrFormat("%.2f %.2f %.2f %d/%d %d\n", load(0), load(1), load(2),
                         std::max<size_t>(1, totals.running), totals.threads,
                         fs.kernel().forks.load() + 1);
}

std::string FileSystems() {
  std::string out;
  for (const auto& type : vfs::ListFileSystems()) {
    out += absl::StrFormat("%s\t%s\n", type.nodev ? "nodev" : "", type.name);
  }
  return out;
}

}  // namespace

void AddSystemFiles(FileSystem& fs, vfs::SyntheticDir& root) {
  FileSystem* const p = &fs;
  const auto add = [&](const char* name, std::function<Result<std::string>()> generate,
                       mode_t mode = 0444) {
    root.Add(name, vfs::NewFunctionFile(fs, mode, std::move(generate)));
  };
  add("version", [] { return Version(); });
  add("cpuinfo", [p] { return CpuInfo(p->kernel().cpu_count()); });
  add("meminfo", [] { return MemInfo(SandboxResources()); });
  add("stat", [p] { return SystemStat(*p); });
  add("uptime", [p] { return Uptime(*p); });
  add("loadavg", [p] { return LoadAvg(*p); });
  add("filesystems", [] { return FileSystems(); });
  add("cmdline", [] { return std::string("quiet\n"); });
  add("devices", [] {
    return std::string("Character devices:\n  1 mem\n  5 /dev/tty\n136 pts\n\nBlock devices:\n");
  });
  add("diskstats", [] { return std::string(); });
  add("interrupts", [p] {
    std::string out = "          ";
    for (int i = 0; i < p->kernel().cpu_count(); ++i) {
      out += absl::StrFormat(" %-10s", absl::StrFormat("CPU%d", i));
    }
    return out + "\n";
  });
  add("locks", [p] { return Locks(*p); });
  add("partitions", [] { return std::string("major minor  #blocks  name\n\n"); });
  add("swaps", [] {
    return std::string("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
  });
  add("vmstat", [] { return std::string("nr_free_pages 0\npgfault 0\npgmajfault 0\n"); });
  add("cgroups", [] {
    std::string out = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n";
    int hierarchy = 0;
    for (const char* name : {"cpuset", "cpu", "cpuacct", "memory", "pids"}) {
      // cpu and cpuacct are one hierarchy; all are one in v2, number 0.
      if (SandboxResources().cgroup_v1 && name != std::string_view("cpuacct")) ++hierarchy;
      out += absl::StrFormat("%s\t%d\t1\t1\n", name, hierarchy);
    }
    return out;
  });
  add("modules", [] { return std::string(); });
  // A table without rows: there are no caches.
  add(
      "slabinfo",
      [] {
        return std::string(
            "slabinfo - version: 2.1\n"
            "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : "
            "tunables "
            "<limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> "
            "<sharedavail>\n");
      },
      0400);
  add("kmsg", [p] { return p->kernel().Dmesg(); }, 0400);
}

}  // namespace cvisor::fs::proc
