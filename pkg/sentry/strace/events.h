// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The switch of strace and its events outside system calls. Knows nothing of the kernel, so that the
// kernel may call it. Output looks like that of strace(1) -f -T.

#ifndef CVISOR_PKG_SENTRY_STRACE_EVENTS_H_
#define CVISOR_PKG_SENTRY_STRACE_EVENTS_H_

#include <signal.h>
#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <string_view>

namespace cvisor::strace {

namespace internal {
extern std::atomic<bool> g_enabled;
}  // namespace internal

// Turns tracing on for all tasks. Lines go to `fd`, which must stay open; -1: to the debug log.
// Strings are cut at `string_limit` bytes. Any thread.
void Enable(int fd, size_t string_limit = 32);
void Disable();
inline bool Enabled() { return internal::g_enabled.load(std::memory_order_relaxed); }
size_t StringLimit();

// One line, with the "[pid  n] " in front and the newline behind added.
void Emit(pid_t tid, std::string_view line);

// A signal is about to be delivered: "--- SIGCHLD {si_signo=SIGCHLD, ...} ---".
void TraceSignal(pid_t tid, const siginfo_t& info);
// A task is gone: "+++ exited with 0 +++" or "+++ killed by SIGKILL +++". As wait(2) encodes it.
void TraceExit(pid_t tid, int wait_status);

}  // namespace cvisor::strace

#endif  // CVISOR_PKG_SENTRY_STRACE_EVENTS_H_
