// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// reboot(2). A sandbox is what a PID namespace is on Linux: what would end the machine ends its
// init, and whoever waits for that learns from the signal what was asked for.

#include <linux/reboot.h>
#include <signal.h>

#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/syscalls/handlers.h"

namespace cvisor::syscalls {

Result<uint64_t> Reboot(Task& t, const SyscallArgs& a) {
  if (!t.HasCapIn(t.pid_ns().user_ns(), CAP_SYS_BOOT)) return Errno::kEPERM;
  const auto magic = a[1].As<uint32_t>();
  if (a[0].As<uint32_t>() != LINUX_REBOOT_MAGIC1 ||
      (magic != LINUX_REBOOT_MAGIC2 && magic != LINUX_REBOOT_MAGIC2A &&
       magic != LINUX_REBOOT_MAGIC2B && magic != LINUX_REBOOT_MAGIC2C)) {
    return Errno::kEINVAL;
  }
  int sig;
  switch (a[2].As<uint32_t>()) {
    case LINUX_REBOOT_CMD_RESTART:
    case LINUX_REBOOT_CMD_RESTART2:
      sig = SIGHUP;
      break;
    case LINUX_REBOOT_CMD_HALT:
    case LINUX_REBOOT_CMD_POWER_OFF:
      sig = SIGINT;
      break;
    default:
      return Errno::kEINVAL;
  }
  Ref<kernel::ThreadGroup> init;
  {
    MutexLock lock(t.kernel().task_mutex());
    init = Ref<kernel::ThreadGroup>(t.pid_ns().init());
  }
  if (init != nullptr) init->KillAll(sig);
  t.Exit(0);
  return 0;
}

}  // namespace cvisor::syscalls
