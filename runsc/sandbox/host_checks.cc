// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/sandbox/host_checks.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "pkg/base/unique_fd.h"

namespace cvisor::runsc::sandbox {
namespace {

// openat2(2) (5.6) and close_range(2) (5.9) are used without a fallback.
constexpr unsigned kMajor = 5, kMinor = 9;

std::string ReadLine(const char* path) {
  const UniqueFd fd(open(path, O_RDONLY | O_CLOEXEC));
  char buffer[64];
  const ssize_t n = fd.valid() ? read(fd.get(), buffer, sizeof(buffer)) : -1;
  std::string s(buffer, n > 0 ? static_cast<size_t>(n) : 0);
  while (!s.empty() && s.back() == '\n') s.pop_back();
  return s;
}

}  // namespace

Outcome<void> CheckKernelRelease(std::string_view release) {
  unsigned major = 0, minor = 0;
  const std::string copy(release);
  if (std::sscanf(copy.c_str(), "%u.%u", &major, &minor) != 2) return {};  // not for us to judge
  if (major > kMajor || (major == kMajor && minor >= kMinor)) return {};
  return Failure{"the host's kernel " + copy + " is too old: cvisor needs Linux " +
                 std::to_string(kMajor) + "." + std::to_string(kMinor) + " or newer"};
}

Outcome<void> CheckPtraceScope(std::string_view scope) {
  if (scope != "3") return {};
  return Failure{"ptrace is forbidden on this host: /proc/sys/kernel/yama/ptrace_scope is 3"};
}

Outcome<void> CheckHost() {
  utsname name;
  if (uname(&name) == 0) RUNSC_RETURN_IF_FAILED(CheckKernelRelease(name.release));
  if (access("/proc/self/exe", F_OK) != 0) {
    return Failure{"/proc is not mounted on this host, and cvisor needs it"};
  }
  return CheckPtraceScope(ReadLine("/proc/sys/kernel/yama/ptrace_scope"));
}

Failure ExplainNamespaceFailure(int error, bool user_namespace) {
  if (user_namespace) {
    if (ReadLine("/proc/sys/kernel/unprivileged_userns_clone") == "0") {
      return Failure{
          "this host lets only root make user namespaces: "
          "/proc/sys/kernel/unprivileged_userns_clone is 0"};
    }
    if (ReadLine("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" &&
        (error == EPERM || error == EACCES)) {
      return Failure{
          "AppArmor forbids user namespaces to unprivileged programs: "
          "/proc/sys/kernel/apparmor_restrict_unprivileged_userns is 1"};
    }
    if (error == ENOSPC || ReadLine("/proc/sys/user/max_user_namespaces") == "0") {
      return Failure{
          "no user namespaces are left on this host: see /proc/sys/user/max_user_namespaces"};
    }
    if (error == EINVAL) return Failure{"the host's kernel is built without user namespaces"};
  }
  if (error == ENOSPC) {
    return Failure{"no namespaces are left on this host: see /proc/sys/user/max_*_namespaces"};
  }
  if (error == EPERM) {
    return Failure{std::string("the host forbids new ") + (user_namespace ? "user " : "") +
                   "namespaces (a seccomp filter, or CAP_SYS_ADMIN is missing)" +
                   (user_namespace ? "" : "; try --rootless")};
  }
  return FailureFromErrno("creating the sandbox's namespaces", error);
}

}  // namespace cvisor::runsc::sandbox
