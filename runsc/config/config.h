// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Config: runsc's global flags, in the names that runsc users know.

#ifndef CVISOR_RUNSC_CONFIG_CONFIG_H_
#define CVISOR_RUNSC_CONFIG_CONFIG_H_

#include <string>
#include <vector>

#include "pkg/base/log.h"
#include "pkg/base/unique_fd.h"
#include "runsc/config/flags.h"
#include "runsc/config/outcome.h"

namespace cvisor::runsc {

inline constexpr char kVersion[] = "0.1.0-cvisor";
inline constexpr char kSpecVersion[] = "1.1.0";

struct Config {
  std::string root;      // state directory; DefaultRoot() if empty
  std::string platform = "systrap";
  bool systrap_patch = true;
  bool systrap_notify = true;
  bool systrap_spin = true;
  std::string network = "sandbox";

  bool debug = false;
  std::string debug_log;  // file, or directory when it ends in '/'; %ID%, %COMMAND%, %TIMESTAMP%
  bool also_log_to_stderr = false;
  std::string log;        // where errors are written too, for engines
  std::string log_format = "text";

  bool strace = false;
  std::string strace_syscalls;
  uint64_t strace_log_size = 1024;

  std::string file_access;  // empty: see shared_root()
  std::string file_access_mounts = "shared";
  std::string overlay2 = "root:self";
  bool directfs = true;
  std::string host_uds = "none";

  bool rootless = false;
  bool ignore_cgroups = false;
  bool systemd_cgroup = false;
  bool oci_seccomp = true;
  bool net_raw = false;

  bool version = false;

  // Writes to the root go to memory, not to the host's files. `writable_layer`: the root is a layer that an
  // engine made for this container alone (container/writable_layer.h). Then it is what "self" names.
  bool overlay_root(bool writable_layer) const {
    return overlay2 != "none" && !(writable_layer && overlay2_self());
  }
  bool overlay2_self() const { return overlay2 == "root:self" || overlay2 == "all:self"; }
  // Whoever made a layer copies files into it while the container runs (`docker cp`).
  bool shared_root(bool writable_layer) const {
    return file_access.empty() ? !overlay_root(writable_layer) && writable_layer
                               : file_access == "shared";
  }
  // Bind mounts too (--overlay2=all:...).
  bool overlay_mounts() const { return overlay2.rfind("all:", 0) == 0; }
};

void AddGlobalFlags(FlagSet* flags, Config* config);
// Where --root is when it was not given: /var/run/runsc, or the user's run-time directory.
std::string DefaultRoot();

// Opens the debug log that the flags ask for; invalid if none. `command` and `id` fill the pattern.
Outcome<UniqueFd> OpenDebugLog(const Config& config, const std::string& command,
                               const std::string& id);
// The level that the flags ask for.
LogLevel DebugLogLevel(const Config& config);

// One line for the user on stderr, and in the --log file in the format asked for.
void ReportError(const Config& config, const std::string& message);
void ReportWarning(const Config& config, const std::string& message);

}  // namespace cvisor::runsc

#endif  // CVISOR_RUNSC_CONFIG_CONFIG_H_
