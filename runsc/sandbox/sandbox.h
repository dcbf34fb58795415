// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Sandbox: the host's side of one. Start() makes the sandbox process: a clone of runsc in new PID, IPC,
// UTS and mount namespaces (and a user namespace where asked) that executes `runsc boot` with an explicit
// list of descriptors. It is process 1 of its PID namespace. Unless it is detached it dies with its parent, so
// that nothing is left whichever process is killed.

#ifndef CVISOR_RUNSC_SANDBOX_SANDBOX_H_
#define CVISOR_RUNSC_SANDBOX_SANDBOX_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pkg/base/unique_fd.h"
#include "pkg/sentry/control/channel.h"
#include "pkg/sentry/control/control.pb.h"
#include "runsc/config/config.h"
#include "runsc/config/outcome.h"

namespace cvisor::runsc::sandbox {

struct StartOptions {
  const Config* config = nullptr;
  // Complete but for platform, logging and console, which Start() fills in. Numbers of descriptors are
  // those of this process; they are inherited.
  control::BootConfig boot;
  std::vector<UniqueFd> descriptors;  // owners of those in `boot`; closed here after the start
  UniqueFd log;                       // debug log, or invalid
  bool user_namespace = false;
  // The sandbox outlives us: it ends with its container only.
  bool detached = false;
  UniqueFd listener;  // where further commands connect; may be invalid
  // A host terminal in place of the socket pair for the console's bytes. Becomes the sandbox's controlling one.
  UniqueFd console;
  // The network namespace: a new one with loopback up, or the one to join, or (neither) ours.
  bool new_network = false;
  UniqueFd join_network;
  // Called with the process before it does anything: moves it to its cgroup. May be null.
  std::function<Outcome<void>(pid_t pid)> prepare;
};

class Sandbox {
 public:
  // The process exists; whether the container started, the first message says.
  static Outcome<std::unique_ptr<Sandbox>> Start(StartOptions options);
  ~Sandbox();  // kills it if it still runs

  pid_t pid() const { return pid_; }
  control::Channel& channel() { return channel_; }
  // The terminal's bytes, if boot asked for a console; else invalid.
  UniqueFd& console() { return console_; }

  // From now on it lives without us.
  void Release() { pid_ = -1; }

  // Waits for the first message. The failure has the exit code that is right for the user.
  Outcome<void> WaitStarted();
  // After the channel ended: reaps the process and says how it died.
  Failure ExplainDeath();

 private:
  Sandbox() = default;
  pid_t pid_ = -1;
  control::Channel channel_;
  UniqueFd console_;
};

// --- Following it.

struct AttachOptions {
  // The terminal of runsc whose bytes go to and from the sandbox's console; -1: none.
  int tty = -1;
  // Another terminal whose size the container's terminal has; -1: none.
  int size_of = -1;
  // As a child of our caller's shell would: stop when the command stops.
  bool like_a_child = false;
};
// Forwards signals, window size and terminal until the process that the channel is about has ended; returns
// its wait(2) status. Signals were blocked by BlockForwardedSignals().
Outcome<int> Attach(Sandbox& sandbox, const AttachOptions& options);
// The same for a process that is no sandbox's first. `console`: the terminal's bytes, or invalid.
Outcome<int> Attach(control::Channel& channel, UniqueFd& console, const AttachOptions& options);

// Blocks the signals that Attach() forwards, so that none is lost meanwhile. Call before Start().
// Returns which signals our caller had us ignore (bit n-1).
uint64_t BlockForwardedSignals();
// Ends this process as one that ended with `status` would look to our parent.
[[noreturn]] void ExitLike(int status);

}  // namespace cvisor::runsc::sandbox

#endif  // CVISOR_RUNSC_SANDBOX_SANDBOX_H_
