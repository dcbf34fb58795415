// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/boot/process.h"

#include <cstring>

#include "runsc/boot/mounts.h"

namespace cvisor::runsc::boot {

CredsRef RootCredentials(const Ref<UserNamespace>& user_ns) {
  auto creds = MakeRef<Credentials>();
  creds->user_ns = user_ns;
  return creds;
}

kernel::ProcessSpec ToProcessSpec(const control::Process& config,
                                  const Ref<UserNamespace>& user_ns) {
  kernel::ProcessSpec spec;
  spec.path = config.args(0);
  spec.argv.assign(config.args().begin(), config.args().end());
  spec.envv.assign(config.env().begin(), config.env().end());
  spec.cwd = config.cwd();
  auto creds = MakeRef<Credentials>();
  creds->ruid = creds->euid = creds->suid = creds->fsuid = config.uid();
  creds->rgid = creds->egid = creds->sgid = creds->fsgid = config.gid();
  creds->groups.assign(config.additional_gids().begin(), config.additional_gids().end());
  const auto& caps = config.capabilities();
  creds->bounding = caps.bounding() & kAllCaps;
  creds->permitted = caps.permitted() & kAllCaps;
  creds->effective = caps.effective() & creds->permitted;
  creds->inheritable = caps.inheritable() & kAllCaps;
  creds->ambient = caps.ambient() & creds->permitted & creds->inheritable;
  creds->user_ns = user_ns;
  spec.creds = creds;
  spec.no_new_privs = config.no_new_privileges();
  spec.umask = config.umask();
  for (const auto& r : config.rlimits()) {
    spec.limits[r.resource()] = kernel::Limit{r.soft(), r.hard()};
  }
  return spec;
}

Outcome<Ref<const seccomp::Filter>> ToSeccompFilter(const control::Seccomp& config) {
  const std::string& bytes = config.program();
  std::vector<sock_filter> program(bytes.size() / sizeof(sock_filter));
  std::memcpy(program.data(), bytes.data(), program.size() * sizeof(sock_filter));
  auto filter = seccomp::Filter::New(std::move(program), nullptr);
  if (!filter.ok()) return Failure{"the seccomp filter: " + ErrnoText(filter.error())};
  return *filter;
}

Failure DescribeStartFailure(const control::Process& process, bool like_a_child, Errno error) {
  const std::string& command = process.args(0);
  const bool has_slash = command.find('/') != std::string::npos;
  const bool missing = error == Errno::kENOENT || error == Errno::kENOTDIR;
  Failure failure;
  if (missing && !has_slash) {
    failure.message = like_a_child ? command + ": command not found"
                                   : "exec: \"" + command + "\": executable file not found in $PATH";
  } else {
    failure.message = (like_a_child ? command : "exec " + command) + ": " + ErrnoText(error);
  }
  // runc exits with 1 whatever it was; its callers read the message.
  if (like_a_child) failure.exit_code = missing ? kExitNotFound : kExitNotExecutable;
  return failure;
}

}  // namespace cvisor::runsc::boot
