// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// StubThread: one thread of a stub process, traced by the host thread that attached it. All methods
// must be called on that host thread. Resuming, waiting, and telling the kinds of ptrace stops
// apart happen here and nowhere else.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_PTRACE_STUB_THREAD_H_
#define CVISOR_PKG_SENTRY_PLATFORM_PTRACE_STUB_THREAD_H_

#include <signal.h>
#include <sys/types.h>
#include <sys/user.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "pkg/base/result.h"
#include "pkg/sentry/platform/ptrace/stub.h"

namespace cvisor::platform::ptrace {

class StubThread {
 public:
  struct Stop {
    enum Kind {
      kSyscall,  // at the entry of a system call, under PTRACE_SYSEMU
      kSignal,   // about to be given `signal`
      kDead,     // gone; nothing but attached() may be asked any more
    };
    Kind kind;
    int signal = 0;
  };

  explicit StubThread(const StubLayout& layout) : layout_(layout) {}
  StubThread(const StubThread&) = delete;
  StubThread& operator=(const StubThread&) = delete;
  // Must be detached, or dead.
  ~StubThread() = default;

  // Seizes and stops thread `tid`, which waits in the park loop or is on the way there. `leader`:
  // it is the first thread of its process. On failure nothing is attached; errno-like codes of
  // ptrace(2).
  Status Attach(pid_t tid, bool leader);

  // Lets the thread go on at `ip` (the park loop or the exit snippet), no longer traced.
  // False if it is dead instead.
  bool Detach(uint64_t ip);

  bool attached() const { return tid_ != 0; }
  bool dead() const { return dead_; }
  // Whether this object collected the exit status of a process's first thread: the pid is free
  // again.
  bool reaped_leader() const { return reaped_leader_; }
  pid_t tid() const { return tid_; }
  bool leader() const { return leader_; }

  // Resumes with PTRACE_SYSEMU or PTRACE_CONT, without a signal, and waits.
  Stop Resume(int request);

  // ESRCH when dead, EIO for values the kernel refuses.
  Status GetRegisters(user_regs_struct* regs);
  Status SetRegisters(const user_regs_struct& regs);
  // Sets rax alone, for less than half the price.
  Status SetRax(uint64_t value);
  Status GetSignalInfo(siginfo_t* info);
  Result<size_t> GetXsave(std::span<std::byte> out);
  Status SetXsave(std::span<const std::byte> state);
  // Whether the system call at which the thread is stopped came through the 64-bit entry.
  bool IsNativeSyscall();

  // Runs one system call in the stub thread; its result or its error. Changes the registers but not
  // the FPU state. ESRCH when dead.
  Result<uint64_t> Call(uint64_t number, uint64_t a0 = 0, uint64_t a1 = 0, uint64_t a2 = 0,
                        uint64_t a3 = 0, uint64_t a4 = 0, uint64_t a5 = 0);
  // clone(2) with `flags`; the child goes to the park loop (a thread), or to the process entry.
  Result<pid_t> Clone(uint64_t flags, pid_t sentry_pid);
  // Atomic compare and exchange; the old value, or EFAULT.
  Result<uint32_t> CompareAndSwap32(uint64_t addr, uint32_t expected, uint32_t desired);

 private:
  // Waits until the thread stops or dies. `spurious` is set for stops that mean nothing to a Sentry
  // (group stops, the stop that Attach asked for).
  Stop Wait(bool* spurious);
  // Runs a snippet up to its int3; *regs are then the registers. EFAULT if it faulted.
  Status RunSnippet(user_regs_struct* regs);
  // The thread was killed while it was stopped: collects it.
  Stop Collect();
  // ESRCH after collecting when errno says that the thread is not there any more; else errno.
  Errno PtraceError();

  const StubLayout& layout_;
  pid_t tid_ = 0;
  bool leader_ = false;
  bool dead_ = false;
  bool reaped_leader_ = false;
};

}  // namespace cvisor::platform::ptrace

#endif  // CVISOR_PKG_SENTRY_PLATFORM_PTRACE_STUB_THREAD_H_
