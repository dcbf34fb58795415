// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The ptrace platform: application code runs in stub processes, one per address space, one stub
// thread per application thread, each traced with PTRACE_SYSEMU by its task's host thread. Mapping
// operations are system calls injected into the caller's stub thread.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_PTRACE_PTRACE_PLATFORM_H_
#define CVISOR_PKG_SENTRY_PLATFORM_PTRACE_PTRACE_PLATFORM_H_

#include <memory>
#include <string>

#include "pkg/sentry/platform/platform.h"

namespace cvisor::platform::ptrace {

// Makes the platform; null with a one-line reason in *error when the host does not allow it. To be
// called while the process is small (stubs start as copies of it), after it entered its namespaces,
// root directory, user ids and limits, which the stubs keep, and before it installs a seccomp
// filter. The process must be dumpable, and /proc should be the one of its PID namespace (a
// descriptor is kept). The platform must outlive its address spaces and contexts.
//
// Sets SA_NOCLDSTOP on SIGCHLD (each hand-over would raise one otherwise). Stub processes are
// children of this process without an exit signal: nobody else may wait for any child (waitpid(-1,
// __WALL)).
std::unique_ptr<Platform> NewPlatform(std::string* error);

}  // namespace cvisor::platform::ptrace

#endif  // CVISOR_PKG_SENTRY_PLATFORM_PTRACE_PTRACE_PLATFORM_H_
