// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Hooks of config.json: programs of the host that are run at points of a container's life, with its
// state as JSON on stdin.

#ifndef CVISOR_RUNSC_CONTAINER_HOOKS_H_
#define CVISOR_RUNSC_CONTAINER_HOOKS_H_

#include <string>

#include "pkg/base/unique_fd.h"
#include "runsc/config/outcome.h"
#include "runsc/spec/spec.h"

namespace cvisor::runsc::container {

// The state in a file, at its beginning. Not in a pipe: a hook need not read it.
Outcome<UniqueFd> StateFile(const std::string& state);
// What the end of a hook means; `what` begins the message.
Outcome<void> HookResult(const std::string& what, const spec::Hook& hook, int wait_status);
Failure LateHook(const std::string& what, const spec::Hook& hook);

// All hooks of `stage` in order; stops at the first that fails (its exit code is not 0, or it ran
// out of time and was killed). `directory`: their working directory.
Outcome<void> RunHooks(const spec::Spec& spec, const std::string& stage, const std::string& state,
                       const std::string& directory);

}  // namespace cvisor::runsc::container

#endif  // CVISOR_RUNSC_CONTAINER_HOOKS_H_
