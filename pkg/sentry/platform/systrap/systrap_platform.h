// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The systrap platform: application code runs in stub processes, one per address space. Its system
// calls and faults are caught by code that is mapped beside it, which hands them over to the Sentry in shared
// memory. The host is asked as little as possible. See docs/platforms/systrap.md.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_SYSTRAP_PLATFORM_H_
#define CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_SYSTRAP_PLATFORM_H_

#include <memory>
#include <string>

#include "pkg/sentry/platform/platform.h"

namespace cvisor::platform::systrap {

// Which mechanisms may be used; for tests, and for hosts on which one of them misbehaves.
struct Options {
  // Replace the application's SYSCALL instructions by jumps, in private copies of its text.
  bool patch = true;
  // Sleep in seccomp notifications, which keep both sides on one core; else on futexes.
  bool notify = true;
  // Spin for each other while there are cores to spare.
  bool spin = true;
  // Let the stub answer calls that need nothing of the Sentry. Not where all calls are to be seen.
  bool local_calls = true;
};

// Makes the platform; null with a one-line reason in *error when the host does not allow it. To be
// called while the process is small (stubs start as copies of it), after it entered its namespaces,
// root directory, user ids and limits, which the stubs keep, and before it installs a seccomp
// filter. The process must be dumpable, and /proc should be the one of its PID namespace (a
// descriptor is kept). The platform must outlive its address spaces and contexts.
//
// Stub processes are children of this process without an exit signal and share its descriptor table: nobody
// else may wait for any child (waitpid(-1, __WALL)).
std::unique_ptr<Platform> NewPlatform(const Options& options, std::string* error);

}  // namespace cvisor::platform::systrap

#endif  // CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_SYSTRAP_PLATFORM_H_
