// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/syscalls/socket_wait.h"

#include "pkg/sentry/socket/socket.h"

namespace cvisor::syscalls {
namespace {

SocketWait WaitFor(int64_t timeout_ns) {
  return {timeout_ns < 0 ? Deadline::Never() : Deadline::After(timeout_ns)};
}

}  // namespace

SocketWait ReceiveWait(FileDescription& file) {
  auto* s = dynamic_cast<socket::Socket*>(&file);
  return WaitFor(s == nullptr ? -1 : s->options().receive_timeout());
}

SocketWait SendWait(FileDescription& file) {
  auto* s = dynamic_cast<socket::Socket*>(&file);
  return WaitFor(s == nullptr ? -1 : s->options().send_timeout());
}

bool RaisesSigpipe(FileDescription& file) {
  auto* s = dynamic_cast<socket::Socket*>(&file);
  return s == nullptr || s->type() == SOCK_STREAM;
}

}  // namespace cvisor::syscalls
