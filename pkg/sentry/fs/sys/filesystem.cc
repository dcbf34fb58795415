// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/sys/filesystem.h"

#include <linux/magic.h>
#include <sys/sysinfo.h>

#include <algorithm>

#include "absl/strings/str_format.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::fs::sys {
namespace {

// A CPU mask as the kernel prints it: hexadecimal groups of 32 bits, the highest first.
std::string CpuMask(int cpus) {
  std::string out;
  for (int group = (cpus - 1) / 32; group >= 0; --group) {
    const int bits = std::min(cpus - group * 32, 32);
    const uint64_t mask = (uint64_t{1} << bits) - 1;
    out += out.empty() ? absl::StrFormat("%x", mask) : absl::StrFormat(",%08x", mask);
  }
  return out + "\n";
}

Result<std::string> NodeMemInfo() {
  struct sysinfo s = {};
  ::sysinfo(&s);
  const uint64_t total = s.totalram * s.mem_unit >> 10, available = s.freeram * s.mem_unit >> 10;
  return absl::StrFormat("Node 0 MemTotal:       %8d kB\nNode 0 MemFree:        %8d kB\n"
                         "Node 0 MemUsed:        %8d kB\n",
                         total, available, total - available);
}

}  // namespace

FileSystem::FileSystem(int cpus)
    : SyntheticFileSystem("sysfs", SYSFS_MAGIC, /*cache_dentries=*/true), cpus_(cpus) {}

Ref<vfs::Inode> FileSystem::MakeRoot() {
  auto root = MakeRef<vfs::SyntheticDir>(*this, 0555);
  const auto text = [&](std::string s) { return vfs::NewStaticFile(*this, 0444, std::move(s)); };
  for (const char* name : {"block", "bus", "class", "dev", "firmware", "fs", "module", "power"}) {
    root->AddDir(name, 0755);
  }
  root->AddDir("fs")->AddDir("cgroup", 0755);
  root->AddDir("class")->AddDir("net", 0755);
  root->AddDir("class")->AddDir("block", 0755);
  for (const char* name : {"block", "char"}) root->AddDir("dev")->AddDir(name, 0755);
  auto kernel = root->AddDir("kernel", 0755);
  kernel->AddDir("mm")->AddDir("transparent_hugepage")->Add("enabled",
                                                            text("always [madvise] never\n"));
  kernel->AddDir("mm")->AddDir("hugepages");
  auto system = root->AddDir("devices", 0755)->AddDir("system", 0755);
  const std::string range = cpus_ > 1 ? absl::StrFormat("0-%d\n", cpus_ - 1) : "0\n";
  auto cpu = system->AddDir("cpu", 0755);
  for (const char* name : {"online", "possible", "present"}) cpu->Add(name, text(range));
  cpu->Add("offline", text("\n"));
  cpu->Add("kernel_max", text("8191\n"));
  for (int i = 0; i < cpus_; ++i) {
    auto topology = cpu->AddDir(absl::StrFormat("cpu%d", i), 0755)->AddDir("topology", 0755);
    topology->Add("core_id", text(absl::StrFormat("%d\n", i)));
    topology->Add("physical_package_id", text("0\n"));
    topology->Add("thread_siblings_list", text(absl::StrFormat("%d\n", i)));
    topology->Add("core_siblings_list", text(range));
  }
  auto node = system->AddDir("node", 0755);
  node->Add("online", text("0\n"));
  node->Add("possible", text("0\n"));
  auto node0 = node->AddDir("node0", 0755);
  node0->Add("cpulist", text(range));
  node0->Add("cpumap", text(CpuMask(cpus_)));
  node0->Add("distance", text("10\n"));
  node0->Add("meminfo", vfs::NewFunctionFile(*this, 0444, NodeMemInfo));
  for (const char* name : {"has_cpu", "has_memory", "has_normal_memory"}) {
    node->Add(name, text("0\n"));
  }
  return root;
}

void RegisterSys(int cpus) {
  vfs::RegisterFileSystem({.name = "sysfs",
                           .make = [cpus](const vfs::WalkContext&, std::string_view, unsigned long,
                                          std::string_view) -> Result<Ref<vfs::FileSystem>> {
                             return Ref<vfs::FileSystem>(MakeRef<FileSystem>(cpus));
                           },
                           .nodev = true});
}

}  // namespace cvisor::fs::sys
