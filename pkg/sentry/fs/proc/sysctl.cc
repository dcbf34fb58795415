// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// /proc/sys: what programs read, and the few things that may be written.

#include <charconv>

#include "absl/strings/str_format.h"
#include "pkg/sentry/fs/proc/internal.h"

namespace cvisor::fs::proc {
namespace {

using kernel::Kernel;

std::string RandomUuid() {
  // The host's generator; its format is what programs expect.
  FILE* f = fopen("/proc/sys/kernel/random/uuid", "re");
  char text[64] = "";
  if (f != nullptr) {
    if (fgets(text, sizeof(text), f) == nullptr) text[0] = '\0';
    fclose(f);
  }
  return text;
}

std::string_view TrimNewline(std::string_view s) {
  while (!s.empty() && s.back() == '\n') s.remove_suffix(1);
  return s;
}

struct Constant {
  const char *dir, *name, *value;
};

// Read-only values, as Linux has them by default.
constexpr Constant kConstants[] = {
    {"kernel", "ostype", "Linux"},
    {"kernel", "osrelease", Kernel::kRelease},
    {"kernel", "version", Kernel::kVersion},
    {"kernel", "pid_max", "4194304"},
    {"kernel", "threads-max", "32768"},
    {"kernel", "ngroups_max", "65536"},
    {"kernel", "cap_last_cap", "40"},
    {"kernel", "overflowuid", "65534"},
    {"kernel", "overflowgid", "65534"},
    {"kernel", "randomize_va_space", "2"},
    {"kernel", "kptr_restrict", "1"},
    {"kernel", "dmesg_restrict", "0"},
    {"kernel", "core_pattern", "core"},
    {"kernel", "core_uses_pid", "0"},
    {"kernel", "tainted", "0"},
    {"kernel", "perf_event_paranoid", "4"},
    {"kernel", "unprivileged_bpf_disabled", "2"},
    {"kernel", "sched_autogroup_enabled", "0"},
    {"kernel", "hung_task_timeout_secs", "0"},
    {"kernel", "shm_rmid_forced", "0"},
    {"kernel", "sysrq", "0"},
    {"kernel", "seccomp/actions_avail", "kill_process kill_thread trap errno user_notif trace log allow"},
    {"fs", "file-max", "9223372036854775807"},
    {"fs", "nr_open", "1048576"},
    {"fs", "pipe-max-size", "1048576"},
    {"fs", "pipe-user-pages-hard", "0"},
    {"fs", "pipe-user-pages-soft", "16384"},
    {"fs", "lease-break-time", "45"},
    {"fs", "protected_hardlinks", "0"},
    {"fs", "protected_symlinks", "0"},
    {"fs", "suid_dumpable", "0"},
    {"fs", "aio-max-nr", "65536"},
    {"fs", "aio-nr", "0"},
    {"fs/inotify", "max_queued_events", "16384"},
    {"fs/inotify", "max_user_instances", "128"},
    {"fs/inotify", "max_user_watches", "65536"},
    {"fs/epoll", "max_user_watches", "1048576"},
    {"vm", "overcommit_memory", "0"},
    {"vm", "overcommit_ratio", "50"},
    {"vm", "max_map_count", "65530"},
    {"vm", "mmap_min_addr", "65536"},
    {"vm", "swappiness", "60"},
    {"vm", "nr_hugepages", "0"},
    {"vm", "min_free_kbytes", "67584"},
    {"vm", "legacy_va_layout", "0"},
    {"net/core", "rmem_max", "212992"},
    {"net/core", "wmem_max", "212992"},
    {"net/core", "rmem_default", "212992"},
    {"net/core", "wmem_default", "212992"},
    {"net/unix", "max_dgram_qlen", "10"},
};

// Read-only values of the sandbox's network namespace, as they are when proc is mounted.
constexpr const char* kNamespaceValues[] = {
    "net/core/somaxconn",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/ip_unprivileged_port_start",
    "net/ipv4/ip_forward",
    "net/ipv4/ping_group_range",
    "net/ipv4/tcp_available_congestion_control",
    "net/ipv4/tcp_fin_timeout",
    "net/ipv4/tcp_keepalive_time",
    "net/ipv4/tcp_rmem",
    "net/ipv4/tcp_wmem",
    "net/ipv4/tcp_syncookies",
    "net/ipv6/conf/all/disable_ipv6",
    "net/ipv6/bindv6only",
};

std::string ReadHostValue(const std::string& path) {
  FILE* f = fopen(path.c_str(), "re");
  char text[256] = "";
  if (f == nullptr) return text;
  const size_t n = fread(text, 1, sizeof(text) - 1, f);
  fclose(f);
  return std::string(text, n);
}

}  // namespace

Ref<vfs::Inode> NewSysDir(FileSystem& fs) {
  auto root = MakeRef<vfs::SyntheticDir>(fs, 0555);
  const auto dir = [&](std::string_view path) {
    Ref<vfs::SyntheticDir> d = root;
    while (!path.empty()) {
      const size_t slash = path.find('/');
      d = d->AddDir(path.substr(0, slash));
      path = slash == std::string_view::npos ? "" : path.substr(slash + 1);
    }
    return d;
  };
  for (const Constant& c : kConstants) {
    std::string path = std::string(c.dir) + "/" + c.name;
    const size_t slash = path.rfind('/');
    dir(std::string_view(path).substr(0, slash))
        ->Add(path.substr(slash + 1), vfs::NewStaticFile(fs, 0444, std::string(c.value) + "\n"));
  }
  for (const char* name : kNamespaceValues) {
    const std::string_view path = name;
    const size_t slash = path.rfind('/');
    std::string value = ReadHostValue("/proc/sys/" + std::string(path));
    if (value.empty()) continue;
    dir(path.substr(0, slash))
        ->Add(std::string(path.substr(slash + 1)), vfs::NewStaticFile(fs, 0444, std::move(value)));
  }
  auto kernel_dir = dir("kernel");
  AddIpcLimits(fs, *kernel_dir, *dir("fs/mqueue"));
  kernel_dir->Add(
      "hostname",
      vfs::NewFunctionFile(
          fs, 0644,
          []() -> Result<std::string> { return Task::Current()->uts().hostname() + "\n"; },
          [](std::string_view data) -> cvisor::Status {
            Task* t = Task::Current();
            if (!t->HasCap(CAP_SYS_ADMIN)) return Errno::kEPERM;
            t->uts().set_hostname(std::string(TrimNewline(data).substr(0, 64)));
            return OkStatus();
          }));
  kernel_dir->Add("domainname", vfs::NewFunctionFile(fs, 0444, []() -> Result<std::string> {
                    return Task::Current()->uts().domainname() + "\n";
                  }));
  auto random = dir("kernel/random");
  random->Add("boot_id", vfs::NewStaticFile(fs, 0444, RandomUuid()));
  random->Add("uuid",
              vfs::NewFunctionFile(fs, 0444, []() -> Result<std::string> { return RandomUuid(); }));
  random->Add("entropy_avail", vfs::NewStaticFile(fs, 0444, "256\n"));
  random->Add("poolsize", vfs::NewStaticFile(fs, 0444, "256\n"));
  FileSystem* const p = &fs;
  dir("kernel")->Add("ns_last_pid", vfs::NewFunctionFile(fs, 0444, [p]() -> Result<std::string> {
                       return absl::StrFormat("%d\n", p->kernel().forks.load() + 1);
                     }));
  dir("fs")->Add("file-nr", vfs::NewStaticFile(fs, 0444, "0\t0\t9223372036854775807\n"));
  return root;
}

}  // namespace cvisor::fs::proc
