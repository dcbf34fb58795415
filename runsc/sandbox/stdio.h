// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Which descriptors of runsc a container's first process gets, and whether it gets a pseudo-terminal.

#ifndef CVISOR_RUNSC_SANDBOX_STDIO_H_
#define CVISOR_RUNSC_SANDBOX_STDIO_H_

#include "pkg/sentry/control/control.pb.h"

namespace cvisor::runsc::sandbox {

// Call first of all: makes sure that no descriptor opened later gets number 0, 1 or 2, and remembers which
// were closed.
void ReserveStdio();
// Once the sandbox has its copies: gives up ours of stdin and stdout, so that others see the end of a pipe when
// the container closes it.
void ReleaseStdio();

// Fills out->descriptors with 0, 1 and 2 (those that are open). When stdin and stdout are one terminal, or
// `force_terminal`, they and stderr, if it is that terminal too, become a pseudo-terminal of the Sentry
// that starts with the host terminal's settings. Returns the host's terminal then, else -1.
int PassStdio(control::Stdio* out, bool force_terminal);

}  // namespace cvisor::runsc::sandbox

#endif  // CVISOR_RUNSC_SANDBOX_STDIO_H_
