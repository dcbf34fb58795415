// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// ptrace(2): who traces whom, and what a tracer does to a stopped tracee.
//
// A tracee stops on its own thread (task_trace.cc). It leaves copies of its registers in a
// TraceStop, which the tracer reads and changes under the task mutex, and takes them back when it
// goes on. So a tracer never touches a running task, and a SIGKILL may end a stop at any time.
//
// Links between tasks and TraceStops are guarded by Kernel::task_mutex(). A dead thread that is
// traced stays in the tables until its tracer has waited for it or is gone.

#ifndef CVISOR_PKG_SENTRY_KERNEL_TRACE_H_
#define CVISOR_PKG_SENTRY_KERNEL_TRACE_H_

#include <signal.h>
#include <sys/ptrace.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "pkg/base/result.h"
#include "pkg/sentry/arch/registers.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/pid_namespace.h"
#include "pkg/sentry/kernel/task.h"

namespace cvisor::kernel {

// One stop of a tracee.
struct TraceStop {
  enum Kind { kOther, kSignal, kEntry, kExit, kSeccomp };
  Kind kind = kOther;
  int code = 0;  // of wait(2)'s status, above the low byte: signal, and event << 8
  std::optional<siginfo_t> info;
  uint32_t seccomp_data = 0;

  // What the tracer sees and changes.
  arch::Registers regs;
  std::vector<std::byte> xsave;
  SignalSet mask = 0;
  bool regs_changed = false, xsave_changed = false, mask_changed = false;

  bool unreported = true;  // wait(2) has not told of it
  bool listening = false;  // PTRACE_LISTEN
  // How the tracer lets it go on.
  bool over = false;
  int signal = 0;
  bool calls = false, step = false;

  int event() const { return code >> 8; }
};

class Tracing {
 public:
  // ptrace(2), "Ptrace access mode checking", PTRACE_MODE_ATTACH, without a security module.
  // `fs_ids`: PTRACE_MODE_FSCREDS, else REALCREDS. Any thread; no locks held but the task mutex.
  static bool MayAccess(const Task& t, const Task& target, bool fs_ids);

  // PTRACE_TRACEME; PTRACE_ATTACH, PTRACE_SEIZE. EPERM, ESRCH.
  static Status TraceMe(Task& t);
  static Status Attach(Task& t, pid_t pid, bool seize, uint32_t options);
  // PTRACE_CONT and its like, PTRACE_DETACH: `signal` is valid or 0.
  static Status Resume(Task& t, pid_t pid, bool calls, bool step, int signal);
  static Status Detach(Task& t, pid_t pid, int signal);
  static Status Interrupt(Task& t, pid_t pid);
  static Status Listen(Task& t, pid_t pid);
  static Status Kill(Task& t, pid_t pid);
  static Status SetOptions(Task& t, pid_t pid, uint32_t options);
  static Result<uint64_t> EventMessage(Task& t, pid_t pid);
  // The memory of a stopped tracee.
  static Result<Ref<mm::MemoryManager>> Memory(Task& t, pid_t pid);
  // PTRACE_PEEKSIGINFO: up to `count` signals that wait, from the one of number `offset`.
  static Result<std::vector<siginfo_t>> Pending(Task& t, pid_t pid, bool shared, uint64_t offset,
                                                size_t count);

  // Calls f(TraceStop&) for a stopped tracee of `t`, with the task mutex held: f must not reach for
  // application memory. ESRCH if there is no such tracee, or it runs.
  template <typename F>
  static auto WithStop(Task& t, pid_t pid, F f) -> decltype(f(std::declval<TraceStop&>())) {
    MutexLock lock(t.kernel().task_mutex());
    Task* tracee = FindStopped(t, pid);
    if (tracee == nullptr) return Errno::kESRCH;
    return f(*tracee->trace_stop_);
  }

  // --- For Task and ThreadGroup; task mutex held. The tracee is traced no longer, and goes on if
  // it was stopped.
  static void Unlink(Task& tracee);
  // A tracer ends, or waits no more.
  static void ReleaseTracees(Task& tracer);
  // SIGCHLD for the end of a tracee.
  static void NotifyOfExit(Task& tracee);
  static void NotifyOfStop(Task& tracee, const TraceStop& stop);
  // A tracee has made a child, which does not run yet: the options may make it a tracee.
  static void OnClone(Task& parent, Task& child, uint64_t flags, int exit_signal);
  // The event that a clone makes: PTRACE_EVENT_FORK, _VFORK, _CLONE.
  static int EventOfClone(uint64_t flags, int exit_signal);
  // --- The same without the task mutex.
  static bool MayGainPrivileges(Task& t);
  static pid_t TidForTracer(Task& t);

 private:
  static Task* FindTracee(Task& t, pid_t pid);
  static Task* FindStopped(Task& t, pid_t pid);
  static void Link(Task& tracer, Task& tracee, bool seize, uint32_t options);
};

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_TRACE_H_
