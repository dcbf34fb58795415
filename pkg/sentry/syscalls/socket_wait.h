// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// How long a call on a file may wait: for ever, or as long as a socket's SO_RCVTIMEO or SO_SNDTIMEO
// says, with the errors that go with each.

#ifndef CVISOR_PKG_SENTRY_SYSCALLS_SOCKET_WAIT_H_
#define CVISOR_PKG_SENTRY_SYSCALLS_SOCKET_WAIT_H_

#include "pkg/sentry/syscalls/helpers.h"

namespace cvisor::syscalls {

struct SocketWait {
  Deadline deadline;
  // A time-out is EAGAIN, and with a time limit a signal is EINTR: such calls do not restart.
  Errno Translate(Errno error) const {
    if (deadline.never()) return error;
    if (error == Errno::kETIMEDOUT) return Errno::kEAGAIN;
    return error == Errno::kERESTARTSYS ? Errno::kEINTR : error;
  }
};

SocketWait ReceiveWait(FileDescription& file);
SocketWait SendWait(FileDescription& file);
// EPIPE from a datagram socket comes without SIGPIPE.
bool RaisesSigpipe(FileDescription& file);

}  // namespace cvisor::syscalls

#endif  // CVISOR_PKG_SENTRY_SYSCALLS_SOCKET_WAIT_H_
