// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// `runsc spec`: a config.json to start from.

#include <nlohmann/json.hpp>

#include "runsc/config/config.h"
#include "runsc/spec/spec.h"

namespace cvisor::runsc::spec {
namespace {

using Json = nlohmann::ordered_json;

Json MountEntry(const char* destination, const char* type, const char* source,
                std::initializer_list<const char*> options) {
  Json m = {{"destination", destination}, {"type", type}, {"source", source}};
  if (options.size() != 0) m["options"] = std::vector<std::string>(options.begin(), options.end());
  return m;
}

}  // namespace

std::string DefaultConfig(const std::vector<std::string>& args) {
  const std::vector<std::string> caps = {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"};
  Json process;
  process["terminal"] = args.empty();
  process["user"] = {{"uid", 0}, {"gid", 0}};
  process["args"] = args.empty() ? std::vector<std::string>{"sh"} : args;
  process["env"] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "TERM=xterm"};
  process["cwd"] = "/";
  process["capabilities"] = {
      {"bounding", caps}, {"effective", caps}, {"permitted", caps}, {"ambient", caps}};
  process["rlimits"] =
      Json::array({{{"type", "RLIMIT_NOFILE"}, {"hard", 1024}, {"soft", 1024}}});
  process["noNewPrivileges"] = true;

  Json mounts = Json::array();
  mounts.push_back(MountEntry("/proc", "proc", "proc", {}));
  mounts.push_back(MountEntry("/dev", "tmpfs", "tmpfs",
                              {"nosuid", "strictatime", "mode=755", "size=65536k"}));
  mounts.push_back(
      MountEntry("/dev/pts", "devpts", "devpts",
                 {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
  mounts.push_back(MountEntry("/dev/shm", "tmpfs", "shm",
                              {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}));
  mounts.push_back(
      MountEntry("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  mounts.push_back(MountEntry("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}));
  mounts.push_back(MountEntry("/sys/fs/cgroup", "cgroup", "cgroup",
                              {"nosuid", "noexec", "nodev", "relatime", "ro"}));

  Json linux_part;
  linux_part["resources"] = {{"devices", Json::array({{{"allow", false}, {"access", "rwm"}}})}};
  Json namespaces = Json::array();
  for (const char* type : {"pid", "network", "ipc", "uts", "mount", "cgroup"}) {
    namespaces.push_back({{"type", type}});
  }
  linux_part["namespaces"] = namespaces;
  linux_part["maskedPaths"] = {"/proc/acpi",      "/proc/asound",     "/proc/kcore",
                               "/proc/keys",      "/proc/latency_stats", "/proc/timer_list",
                               "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware",
                               "/proc/scsi"};
  linux_part["readonlyPaths"] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                 "/proc/sysrq-trigger"};

  Json config;
  config["ociVersion"] = kSpecVersion;
  config["process"] = process;
  config["root"] = {{"path", "rootfs"}, {"readonly", true}};
  config["hostname"] = "runsc";
  config["mounts"] = mounts;
  config["linux"] = linux_part;
  return config.dump(4, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace cvisor::runsc::spec
