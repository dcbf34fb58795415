// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// How the end of a child is told: si_code and si_status of SIGCHLD and waitid(2), from a wait
// status.

#ifndef CVISOR_PKG_SENTRY_KERNEL_CHILD_EXIT_H_
#define CVISOR_PKG_SENTRY_KERNEL_CHILD_EXIT_H_

#include <signal.h>
#include <sys/wait.h>

namespace cvisor::kernel {

struct ChildExit {
  explicit ChildExit(int wait_status)
      : code(WIFEXITED(wait_status)   ? CLD_EXITED
             : WCOREDUMP(wait_status) ? CLD_DUMPED
                                      : CLD_KILLED),
        status(WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : WTERMSIG(wait_status)) {}

  int code;
  int status;
};

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_CHILD_EXIT_H_
