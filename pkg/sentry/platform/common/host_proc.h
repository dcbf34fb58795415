// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// HostProc: the host's /proc, as the platforms need it to look at their stub processes. Kept open, so
// that it is there after the Sentry left its file system.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_COMMON_HOST_PROC_H_
#define CVISOR_PKG_SENTRY_PLATFORM_COMMON_HOST_PROC_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "pkg/base/unique_fd.h"
#include "pkg/sentry/platform/platform.h"

namespace cvisor::platform {

class HostProc {
 public:
  // Opens /proc, or makes one if the one there is of another PID namespace. Returns what went wrong, or
  // an empty string.
  std::string Open();

  // Opens /proc/`path`. Invalid (errno is set) if it cannot be opened.
  UniqueFd OpenFile(const std::string& path, int flags) const;
  // What is in /proc/`path`; empty on errors.
  std::string ReadFile(const std::string& path) const;
  // Memory and page faults of a process.
  AddressSpace::Usage ReadUsage(pid_t pid) const;
  // The same without the kinds of memory, which costs a third.
  AddressSpace::Usage ReadTotals(pid_t pid) const;
  // CPU time that a thread used, in nanoseconds.
  uint64_t ReadThreadCpuNs(pid_t pid, pid_t tid) const;

 private:
  UniqueFd fd_;
};

struct HostMapping {
  uint64_t start, end;
  std::string name;
};
// The contents of /proc/pid/maps.
std::vector<HostMapping> ParseMaps(const std::string& text);

// The lowest address that applications may map on this host.
UserAddr MinUserAddress(const HostProc& proc);

}  // namespace cvisor::platform

#endif  // CVISOR_PKG_SENTRY_PLATFORM_COMMON_HOST_PROC_H_
