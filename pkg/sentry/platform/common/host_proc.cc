// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/common/host_proc.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

namespace cvisor::platform {
namespace {

constexpr uint64_t kPageSize = 4096;

}  // namespace

std::string HostProc::Open() {
  const auto is_ours = [](int fd) {
    char target[32] = {};
    return readlinkat(fd, "self", target, sizeof(target) - 1) > 0 && atoi(target) == getpid();
  };
  fd_ = UniqueFd(open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (fd_.valid() && is_ours(fd_.get())) return "";
  const UniqueFd fs(static_cast<int>(syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC)));
  if (fs.valid() &&
      syscall(SYS_fsconfig, fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0) {
    fd_ = UniqueFd(static_cast<int>(syscall(SYS_fsmount, fs.get(), FSMOUNT_CLOEXEC, 0)));
    if (fd_.valid() && is_ours(fd_.get())) return "";
  }
  return "no /proc of this process's PID namespace is mounted on /proc, and none can be mounted";
}

UniqueFd HostProc::OpenFile(const std::string& path, int flags) const {
  return UniqueFd(openat(fd_.get(), path.c_str(), flags));
}

std::string HostProc::ReadFile(const std::string& path) const {
  std::string text;
  const UniqueFd fd = OpenFile(path, O_RDONLY | O_CLOEXEC);
  if (!fd.valid()) return text;
  char buffer[4096];
  ssize_t n;
  while ((n = read(fd.get(), buffer, sizeof(buffer))) > 0) {
    text.append(buffer, static_cast<size_t>(n));
  }
  return text;
}

AddressSpace::Usage HostProc::ReadUsage(pid_t pid) const {
  AddressSpace::Usage u;
  const std::string dir = std::to_string(pid);
  const std::string status = ReadFile(dir + "/status");
  const auto kib = [&status](const char* key) -> uint64_t {
    const size_t at = status.find(key);
    return at == std::string::npos
               ? 0
               : 1024 * strtoull(status.c_str() + at + strlen(key), nullptr, 10);
  };
  u.anon_bytes = kib("\nRssAnon:");
  u.file_bytes = kib("\nRssFile:");
  u.shmem_bytes = kib("\nRssShmem:");
  u.rss_bytes = u.anon_bytes + u.file_bytes + u.shmem_bytes;
  const AddressSpace::Usage totals = ReadTotals(pid);
  u.minor_faults = totals.minor_faults;
  u.major_faults = totals.major_faults;
  return u;
}

AddressSpace::Usage HostProc::ReadTotals(pid_t pid) const {
  AddressSpace::Usage u;
  char text[1024];
  const UniqueFd fd = OpenFile(std::to_string(pid) + "/stat", O_RDONLY | O_CLOEXEC);
  const ssize_t length = fd.valid() ? read(fd.get(), text, sizeof(text) - 1) : 0;
  if (length <= 0) return u;
  text[length] = 0;
  // Fields 10, 12 and 24; the second one is a name in parentheses, which may contain anything.
  const char* name_end = strrchr(text, ')');
  unsigned long long minor = 0, major = 0, pages = 0;
  if (name_end != nullptr &&
      sscanf(name_end + 1,
             " %*c %*d %*d %*d %*d %*d %*u %llu %*u %llu %*u %*u %*u %*d %*d %*d %*d %*d %*d %*u %*u "
             "%llu",
             &minor, &major, &pages) == 3) {
    u.minor_faults = minor;
    u.major_faults = major;
    u.rss_bytes = pages * kPageSize;
  }
  return u;
}

uint64_t HostProc::ReadThreadCpuNs(pid_t pid, pid_t tid) const {
  // Thread CPU clocks are for threads of one's own process only. The first field is what we want.
  const UniqueFd fd =
      OpenFile(std::to_string(pid) + "/task/" + std::to_string(tid) + "/schedstat",
               O_RDONLY | O_CLOEXEC);
  char text[64] = {};
  if (!fd.valid() || read(fd.get(), text, sizeof(text) - 1) <= 0) return 0;
  return strtoull(text, nullptr, 10);
}

std::vector<HostMapping> ParseMaps(const std::string& text) {
  std::vector<HostMapping> maps;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    unsigned long start = 0, end = 0;
    int name = 0;
    if (sscanf(line.c_str(), "%lx-%lx %*s %*s %*s %*s %n", &start, &end, &name) < 2) continue;
    maps.push_back({start, end, name > 0 ? line.substr(static_cast<size_t>(name)) : ""});
  }
  return maps;
}

UserAddr MinUserAddress(const HostProc& proc) {
  const uint64_t host = strtoull(proc.ReadFile("sys/vm/mmap_min_addr").c_str(), nullptr, 10);
  return std::max<uint64_t>(0x10000, (host + kPageSize - 1) & ~(kPageSize - 1));
}

}  // namespace cvisor::platform
