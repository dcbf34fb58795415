// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The socket in a container's state directory through which later commands reach its sandbox. Only
// who may write there can connect.

#ifndef CVISOR_RUNSC_SANDBOX_CONTROL_SOCKET_H_
#define CVISOR_RUNSC_SANDBOX_CONTROL_SOCKET_H_

#include <string>

#include "pkg/base/unique_fd.h"
#include "pkg/sentry/control/channel.h"
#include "runsc/config/outcome.h"

namespace cvisor::runsc::sandbox {

// `dir` may be longer than a socket's address.
Outcome<UniqueFd> ListenIn(const std::string& dir);
Outcome<control::Channel> ConnectIn(const std::string& dir);

// A host pseudo-terminal whose master is sent to the Unix socket `path`, as engines want it;
// returns the slave, which is raw: the line discipline is the Sentry's.
Outcome<UniqueFd> SendConsole(const std::string& path);

}  // namespace cvisor::runsc::sandbox

#endif  // CVISOR_RUNSC_SANDBOX_CONTROL_SOCKET_H_
