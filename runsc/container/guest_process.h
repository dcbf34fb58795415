// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// One more process in a running container, asked for over a channel of its own: `runsc exec`, and hooks that
// run inside.

#ifndef CVISOR_RUNSC_CONTAINER_GUEST_PROCESS_H_
#define CVISOR_RUNSC_CONTAINER_GUEST_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "pkg/sentry/control/channel.h"
#include "pkg/sentry/control/control.pb.h"
#include "runsc/config/outcome.h"
#include "runsc/spec/spec.h"

namespace cvisor::runsc::container {

// Starts it; its number in the container. From then on the channel is about it, and it is killed when the
// channel is closed. `fds` are those that `exec.stdio` has the indexes of, beginning with 1.
Outcome<pid_t> StartProcess(control::Channel& channel, const control::ExecConfig& exec,
                            const std::vector<int>& fds);

// Runs the startContainer hooks of `spec` in the container whose state directory is `dir`, each to its end, as root
// of the container, with `state` on stdin.
Outcome<void> RunStartContainerHooks(const spec::Spec& spec, const std::string& dir,
                                     const std::string& state);

}  // namespace cvisor::runsc::container

#endif  // CVISOR_RUNSC_CONTAINER_GUEST_PROCESS_H_
