// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/boot/crash.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>

#include "absl/debugging/stacktrace.h"
#include "absl/debugging/symbolize.h"
#include "runsc/config/outcome.h"

namespace cvisor::runsc::boot {
namespace {

int g_log_fd = -1;
std::atomic<bool> g_crashing{false};

void Write(int fd, const char* text, int n) {
  if (fd >= 0 && n > 0 && write(fd, text, static_cast<size_t>(n)) < 0) return;
}

void OnCrash(int sig, siginfo_t* info, void* context) {
  // Another thread that crashes meanwhile waits for the end.
  if (g_crashing.exchange(true)) {
    for (;;) pause();
  }
  char line[512];
  const char* name = sigabbrev_np(sig);
  void* address = sig == SIGABRT ? nullptr : info->si_addr;
  int n = snprintf(line, sizeof(line), "runsc: the Sentry crashed: SIG%s, address %p%s\n",
                   name == nullptr ? "?" : name, address,
                   g_log_fd >= 0 ? "; the stack trace is in the debug log"
                                 : "; --debug-log shows the stack trace");
  if (sig != SIGABRT) Write(STDERR_FILENO, line, n);  // a failed check has spoken already
  Write(g_log_fd, line, n);
  if (g_log_fd >= 0) {
    void* pcs[64];
    const int depth = absl::GetStackTraceWithContext(pcs, 64, 0, context, nullptr);
    const auto ip = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
    n = snprintf(line, sizeof(line), "    thread %ld, ip %#llx\n", syscall(SYS_gettid),
                 static_cast<unsigned long long>(ip));
    Write(g_log_fd, line, n);
    for (int i = 0; i < depth; ++i) {
      char symbol[256] = "?";
      absl::Symbolize(static_cast<char*>(pcs[i]) - 1, symbol, sizeof(symbol));
      n = snprintf(line, sizeof(line), "    %p %s\n", pcs[i], symbol);
      Write(g_log_fd, line, n);
    }
  }
  _exit(kExitSandboxDied);
}

}  // namespace

void InstallCrashHandlers(int log_fd) {
  g_log_fd = log_fd;
  // The main thread's alternate stack; other threads crash on their own, which is enough unless the
  // stack itself ran out.
  static char stack[64 << 10];
  stack_t alternate{};
  alternate.ss_sp = stack;
  alternate.ss_size = sizeof(stack);
  sigaltstack(&alternate, nullptr);
  struct sigaction action {};
  action.sa_sigaction = OnCrash;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigfillset(&action.sa_mask);
  for (const int sig : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS}) {
    sigaction(sig, &action, nullptr);
  }
}

}  // namespace cvisor::runsc::boot
