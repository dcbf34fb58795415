// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/boot/registrations.h"

#include "pkg/sentry/fs/dev/devices.h"
#include "pkg/sentry/fs/devpts/filesystem.h"
#include "pkg/sentry/fs/mqueue/filesystem.h"
#include "pkg/sentry/fs/pipe/pipe.h"
#include "pkg/sentry/fs/proc/filesystem.h"
#include "pkg/sentry/fs/sys/filesystem.h"
#include "pkg/sentry/fs/tmpfs/tmpfs.h"
#include "pkg/sentry/socket/hostinet/inet_socket.h"
#include "pkg/sentry/socket/hostinet/interface_ioctls.h"
#include "pkg/sentry/socket/hostinet/proc_net.h"
#include "pkg/sentry/socket/netlink/netlink_socket.h"
#include "pkg/sentry/socket/socket.h"
#include "pkg/sentry/socket/unix/unix_socket.h"
#include "pkg/sentry/strace/events.h"
#include "pkg/sentry/strace/strace.h"
#include "pkg/sentry/syscalls/dispatcher.h"

namespace cvisor::runsc::boot {

std::unique_ptr<kernel::SyscallDispatcher> NewDispatcher(const control::BootConfig& config) {
  if (config.strace()) {
    if (config.strace_syscalls_size() > 0) {
      strace::TraceOnly({config.strace_syscalls().begin(), config.strace_syscalls().end()});
    }
    strace::Enable(-1, config.strace_log_size());
  }
  return std::make_unique<syscalls::Dispatcher>();
}

void RegisterEverything(kernel::Kernel& kernel) {
  fs::RegisterMemoryDevices();
  fs::devpts::RegisterDevpts(kernel);
  fs::mqueue::RegisterMqueue();
  fs::pipe::RegisterFifos();
  fs::sys::RegisterSys(kernel.cpu_count());
  fs::tmpfs::RegisterTmpfs();
  fs::proc::RegisterProc(kernel);
  socket::unix_socket::RegisterUnixSockets();
  fs::proc::RegisterNetFile("unix", [] {
    return socket::unix_socket::ProcNetUnix(socket::CurrentCaller().net_ns);
  });
  socket::hostinet::RegisterInetSockets();
  socket::hostinet::RegisterProcNet();
  socket::netlink::RegisterNetlinkSockets();
  socket::RegisterDeviceIoctls(socket::hostinet::InterfaceIoctl);
}

}  // namespace cvisor::runsc::boot
