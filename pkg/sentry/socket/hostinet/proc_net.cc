// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/socket/hostinet/proc_net.h"

#include <fcntl.h>

#include <memory>
#include <string>

#include "pkg/base/unique_fd.h"
#include "pkg/sentry/fs/proc/filesystem.h"

namespace cvisor::socket::hostinet {
namespace {

// Of the process's own namespace, and of nobody else's processes: counters, routes and sockets.
constexpr const char* kFiles[] = {
    "dev",      "tcp",        "tcp6", "udp",   "udp6",     "icmp",      "icmp6",    "raw",
    "raw6",     "route",      "arp",  "snmp",  "snmp6",    "netstat",   "sockstat", "sockstat6",
    "if_inet6", "ipv6_route", "igmp", "igmp6", "fib_trie", "dev_mcast", "wireless", "protocols",
};
constexpr size_t kMaxFile = 16 << 20;

// The file from its start. Read with positions, so that several may read at once: but a seq_file
// makes its content anew for each reader only if each has a description of its own.
std::string ReadAll(int dir, const char* name) {
  const UniqueFd fd(openat(dir, name, O_RDONLY | O_CLOEXEC));
  std::string out;
  if (!fd.valid()) return out;
  char buffer[16 << 10];
  ssize_t n;
  while (out.size() < kMaxFile && (n = read(fd.get(), buffer, sizeof(buffer))) > 0) {
    out.append(buffer, static_cast<size_t>(n));
  }
  return out;
}

}  // namespace

void RegisterProcNet() {
  // Kept for ever. "thread-self" would be a thread that may end; the namespace is the process's.
  auto* dir = new UniqueFd(open("/proc/self/net", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!dir->valid()) return;
  for (const char* name : kFiles) {
    if (faccessat(dir->get(), name, R_OK, 0) != 0) continue;
    fs::proc::RegisterNetFile(name, [dir, name] { return ReadAll(dir->get(), name); });
  }
}

}  // namespace cvisor::socket::hostinet
