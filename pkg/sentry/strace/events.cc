// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/strace/events.h"

#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_format.h"
#include "pkg/base/log.h"
#include "pkg/sentry/strace/format.h"

namespace cvisor::strace {

namespace internal {
std::atomic<bool> g_enabled{false};
}  // namespace internal

namespace {
std::atomic<int> g_fd{-1};
std::atomic<size_t> g_string_limit{32};
}  // namespace

void Enable(int fd, size_t string_limit) {
  g_fd.store(fd);
  g_string_limit.store(string_limit);
  internal::g_enabled.store(true);
}

void Disable() { internal::g_enabled.store(false); }

size_t StringLimit() { return g_string_limit.load(std::memory_order_relaxed); }

void Emit(pid_t tid, std::string_view line) {
  std::string text = absl::StrFormat("[pid %5d] %s", tid, line);
  const int fd = g_fd.load(std::memory_order_relaxed);
  if (fd < 0) {
    LogRaw(text);
    return;
  }
  text.push_back('\n');
  // One write per line keeps lines of different threads apart. Nothing can be done about errors.
  (void)!write(fd, text.data(), text.size());
}

void TraceSignal(pid_t tid, const siginfo_t& info) {
  if (!Enabled()) return;
  Emit(tid, absl::StrFormat("--- %s %s ---", SignalName(info.si_signo), FormatSiginfo(info)));
}

void TraceExit(pid_t tid, int wait_status) {
  if (!Enabled()) return;
  if (WIFSIGNALED(wait_status)) {
    Emit(tid, absl::StrFormat("+++ killed by %s%s +++", SignalName(WTERMSIG(wait_status)),
                              WCOREDUMP(wait_status) ? " (core dumped)" : ""));
    return;
  }
  Emit(tid, absl::StrFormat("+++ exited with %d +++", WEXITSTATUS(wait_status)));
}

}  // namespace cvisor::strace
