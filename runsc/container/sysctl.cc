// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/container/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "pkg/base/unique_fd.h"

namespace cvisor::runsc::container {
namespace {

// "net.ipv4.conf.eth0/1.forwarding": the character that comes first separates, and the other one stands for
// the separator inside of a name (sysctl.d(5)).
std::string ToPath(std::string name) {
  const size_t first = name.find_first_of("./");
  if (first == std::string::npos || name[first] == '/') return name;
  for (char& c : name) {
    if (c == '.' || c == '/') c = c == '.' ? '/' : '.';
  }
  return name;
}

bool IsNetwork(const std::string& path) { return path.rfind("net/", 0) == 0; }

bool IsIpc(const std::string& path) {
  constexpr const char* kNames[] = {"kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem",
                                    "kernel/shmall", "kernel/shmmax", "kernel/shmmni"};
  return path.rfind("fs/mqueue/", 0) == 0 ||
         std::find(std::begin(kNames), std::end(kNames), path) != std::end(kNames);
}

int WriteValue(const std::string& path, const std::string& value) {
  const UniqueFd fd(open(("/proc/sys/" + path).c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return errno;
  return write(fd.get(), value.data(), value.size()) < 0 ? errno : 0;
}

int Join(pid_t pid, const char* ns) {
  const std::string path = "/proc/" + std::to_string(pid) + "/ns/" + ns;
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd.valid() && setns(fd.get(), 0) == 0 ? 0 : errno;
}

// In a process of its own, which does not come back from the namespaces. The errno.
int WriteValueThere(const std::string& path, const std::string& value, pid_t there,
                    bool user_namespace) {
  const pid_t child = fork();
  if (child < 0) return errno;
  if (child == 0) {
    int error = user_namespace ? Join(there, "user") : 0;
    if (error == 0) error = Join(there, "net");
    if (error == 0) error = WriteValue(path, value);
    _exit(error);
  }
  int status;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return errno;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

}  // namespace

Outcome<void> FillSysctls(const spec::Spec& spec, control::Container* out) {
  const bool own_network =
      std::any_of(spec.namespaces.begin(), spec.namespaces.end(),
                  [](const auto& ns) { return ns.type == "network"; });
  for (const auto& [name, value] : spec.sysctls) {
    const std::string path = ToPath(name);
    if (path.find("..") != std::string::npos) {
      return Failure{"config.json: linux.sysctl: invalid name \"" + name + "\""};
    }
    if (IsNetwork(path)) {
      if (!own_network) return Failure{"sysctl \"" + name + "\" not allowed in host network namespace"};
      continue;
    }
    if (!IsIpc(path) && path != "kernel/domainname") {
      return Failure{"sysctl \"" + name + "\" is not in a separate kernel namespace"};
    }
    (*out->mutable_sysctls())[path] = value;
  }
  return {};
}

Outcome<void> SetNetworkSysctls(const spec::Spec& spec, pid_t pid, bool user_namespace) {
  for (const auto& [name, value] : spec.sysctls) {
    const std::string path = ToPath(name);
    if (!IsNetwork(path)) continue;
    if (const int error = WriteValueThere(path, value, pid, user_namespace); error != 0) {
      return FailureFromErrno("config.json: linux.sysctl: writing " + value + " to " + name, error);
    }
  }
  return {};
}

}  // namespace cvisor::runsc::container
