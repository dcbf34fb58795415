// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The life of a container, seen from the host: what `runsc create`, `start`, `run`, `kill` and
// `delete` share.

#ifndef CVISOR_RUNSC_CONTAINER_CONTAINER_H_
#define CVISOR_RUNSC_CONTAINER_CONTAINER_H_

#include <memory>
#include <string>
#include <vector>

#include "pkg/sentry/control/channel.h"
#include "runsc/config/config.h"
#include "runsc/container/state.h"
#include "runsc/sandbox/sandbox.h"
#include "runsc/spec/spec.h"

namespace cvisor::runsc::container {

struct CreateOptions {
  std::string command;  // "create" or "run", for the log's name
  std::string bundle = ".", pid_file, console_socket;
  uint64_t preserve_fds = 0;     // descriptors 3 and following of ours for the container
  bool detached = true;          // the sandbox outlives us
  uint64_t ignored_signals = 0;  // by BlockForwardedSignals()
};

struct Created {
  std::unique_ptr<State> state;  // locked
  std::unique_ptr<sandbox::Sandbox> sandbox;
  spec::Spec spec;
  int tty = -1;  // the host's terminal to attach
};

// Where --root is.
std::string StateRoot(const Config& config);

// Makes the sandbox and loads the container's program; nothing of it runs yet. On failure nothing
// is left.
Outcome<Created> Create(const Config& config, const std::string& id, const CreateOptions& options);
// Runs it, with the hooks around. Over the sandbox's control socket.
Outcome<void> Start(const Config& config, State& state);
struct SignalTarget {
  bool all = false;  // every process
  pid_t pid = 0;     // the process with this number in the container. Without both: init
};
Outcome<void> Signal(const Record& record, const std::string& dir, int sig, SignalTarget target);
// Removes what there is: with `force` the sandbox too if it runs.
Outcome<void> Delete(const Config& config, State& state, bool force);

// Asks a running sandbox, and waits for the response.
Outcome<control::Response> Ask(const std::string& dir, control::Request request,
                               const std::vector<int>& fds = {});

// Without --net-raw no process gets CAP_NET_RAW: ping(8) and its like then use sockets that need none.
void DropRawNetwork(control::Process* process);

// Writes a file that an engine reads, in one step.
Outcome<void> WritePidFile(const std::string& path, pid_t pid);

}  // namespace cvisor::runsc::container

#endif  // CVISOR_RUNSC_CONTAINER_CONTAINER_H_
