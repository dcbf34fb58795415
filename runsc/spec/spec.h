// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The OCI runtime specification's config.json. Parsing checks types and values and says which field is
// wrong: "config.json: process.user.uid: expected a number". Unknown fields are ignored, as the
// specification asks.

#ifndef CVISOR_RUNSC_SPEC_SPEC_H_
#define CVISOR_RUNSC_SPEC_SPEC_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pkg/sentry/control/control.pb.h"
#include "runsc/config/outcome.h"
#include "runsc/spec/seccomp.h"

namespace cvisor::runsc::spec {

// linux.resources: what is absent is not changed.
struct Resources {
  std::optional<int64_t> memory_limit, memory_swap, memory_reservation;  // bytes; -1: no limit
  std::optional<uint64_t> cpu_shares, cpu_period;
  std::optional<int64_t> cpu_quota;
  std::string cpus, mems;
  std::optional<int64_t> pids_limit;
};

struct Hook {
  std::string path;
  std::vector<std::string> args, env;
  int timeout_seconds = 0;  // 0: none
};

struct Spec {
  std::string oci_version;
  // What the sandbox is told. Descriptors (root.fd, mounts[].fd) are filled in by sandbox/.
  control::Container container;
  std::string root_path;  // as written: relative to the bundle, or absolute
  struct Namespace {
    std::string type, path;
  };
  std::vector<Namespace> namespaces;
  std::map<std::string, std::string> annotations;
  std::string cgroups_path;
  Resources resources;
  std::map<std::string, std::string> sysctls;  // "net.core.somaxconn"
  // CompileSeccomp() makes what container.seccomp holds of it.
  std::optional<SeccompProfile> seccomp;
  // By the specification's names: "prestart", "createRuntime", ...
  std::map<std::string, std::vector<Hook>> hooks;
  std::string text;  // the whole file
};

// `text` is the file's content.
Outcome<Spec> Parse(std::string_view text);
// For the sandbox.
control::Resources ToMessage(const Resources& resources);
// A process as in config.json's "process": what --process of `runsc exec` holds.
Outcome<control::Process> ParseProcess(std::string_view text);
// A LinuxResources object: what --resources of `runsc update` holds.
Outcome<Resources> ParseResources(std::string_view text);
// Reads bundle/config.json. Mount sources and root_path become absolute.
Outcome<Spec> Load(const std::string& bundle);

// What `runsc spec` writes, with `args` as the command ("sh" if empty).
std::string DefaultConfig(const std::vector<std::string>& args);

// "CAP_SYS_ADMIN" -> 21; -1 if there is no such capability.
int CapabilityByName(std::string_view name);
// All that there are.
std::vector<std::string> CapabilityNames();
std::vector<std::string> MountOptionNames();
// "RLIMIT_NOFILE" -> 7; -1.
int RlimitByName(std::string_view name);

// Options of one mount (mount(8)): flags, and what is left over, comma separated.
struct MountOptions {
  uint64_t flags = 0;
  bool bind = false;
  std::string data;
};
MountOptions ParseMountOptions(const std::vector<std::string>& options);

}  // namespace cvisor::runsc::spec

#endif  // CVISOR_RUNSC_SPEC_SPEC_H_
