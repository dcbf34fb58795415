// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/ptrace/stub_thread.h"

#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/ptrace.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>

namespace cvisor::platform::ptrace {
namespace {

// <sys/ptrace.h> and <linux/ptrace.h> exclude each other; this also spares glibc's varargs wrapper.
template <typename A, typename D>
long Ptrace(int request, pid_t tid, A addr, D data) {
  return syscall(SYS_ptrace, request, tid, addr, data);
}

constexpr int kSyscallStop = SIGTRAP | 0x80;

}  // namespace

Status StubThread::Attach(pid_t tid, bool leader) {
  // The first thread of a killed process cannot be waited for before all others were, and those may
  // have tracers that look only much later. So it is followed no further than the beginning of its
  // death.
  const unsigned long options =
      PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | (leader ? PTRACE_O_TRACEEXIT : 0);
  if (Ptrace(PTRACE_SEIZE, tid, 0, options) != 0) return HostErrno();
  tid_ = tid;
  leader_ = leader;
  dead_ = false;
  reaped_leader_ = false;
  if (Ptrace(PTRACE_INTERRUPT, tid, 0, 0) != 0) {
    PtraceError();
    tid_ = 0;
    return Errno::kESRCH;
  }
  for (;;) {
    bool spurious = false;
    const Stop stop = Wait(&spurious);
    if (stop.kind == Stop::kDead) {
      tid_ = 0;
      return Errno::kESRCH;
    }
    if (spurious) break;
    if (Ptrace(PTRACE_CONT, tid_, 0, 0) != 0) {
      Collect();
      tid_ = 0;
      return Errno::kESRCH;
    }
  }
  if (leader) {
    // It may not have come to ask for this itself.
    user_regs_struct regs;
    Status s = GetRegisters(&regs);
    if (s.ok() && regs.rip < layout_.park) {
      auto r = Call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
      if (!r.ok()) s = r.error();
    }
    if (!s.ok()) {
      if (!dead_) Detach(layout_.park);
      tid_ = 0;
      return s;
    }
  }
  return OkStatus();
}

bool StubThread::Detach(uint64_t ip) {
  if (dead_) {
    tid_ = 0;
    return false;
  }
  const user_regs_struct regs = SnippetRegisters(ip);
  if (!SetRegisters(regs).ok() || Ptrace(PTRACE_DETACH, tid_, 0, 0) != 0) {
    if (!dead_) Collect();
    tid_ = 0;
    return false;
  }
  tid_ = 0;
  return true;
}

StubThread::Stop StubThread::Wait(bool* spurious) {
  *spurious = false;
  int status = 0;
  pid_t r;
  do {
    r = wait4(tid_, &status, __WALL | __WNOTHREAD, nullptr);
  } while (r < 0 && errno == EINTR);
  if (r < 0 || WIFEXITED(status) || WIFSIGNALED(status)) {
    reaped_leader_ = leader_ && r > 0;
    dead_ = true;
    return {Stop::kDead};
  }
  const int event = status >> 16;
  if (event == PTRACE_EVENT_EXIT) {
    // It goes on dying by itself; the address space collects it.
    Ptrace(PTRACE_DETACH, tid_, 0, 0);
    dead_ = true;
    return {Stop::kDead};
  }
  if (event != 0) {
    *spurious = true;
    return {Stop::kSignal};
  }
  if (WSTOPSIG(status) == kSyscallStop) return {Stop::kSyscall};
  return {Stop::kSignal, WSTOPSIG(status)};
}

StubThread::Stop StubThread::Resume(int request) {
  if (dead_) return {Stop::kDead};
  for (;;) {
    if (Ptrace(request, tid_, 0, 0) != 0) return Collect();
    bool spurious;
    const Stop stop = Wait(&spurious);
    if (!spurious) return stop;
  }
}

StubThread::Stop StubThread::Collect() {
  while (!dead_) {
    bool spurious;
    if (Wait(&spurious).kind == Stop::kDead) break;
    if (Ptrace(PTRACE_CONT, tid_, 0, 0) != 0 && errno != ESRCH) dead_ = true;
  }
  return {Stop::kDead};
}

Errno StubThread::PtraceError() {
  const Errno e = HostErrno();
  if (e == Errno::kESRCH) Collect();
  return e;
}

Status StubThread::GetRegisters(user_regs_struct* regs) {
  if (dead_) return Errno::kESRCH;
  if (Ptrace(PTRACE_GETREGS, tid_, 0, regs) != 0) return PtraceError();
  return OkStatus();
}

Status StubThread::SetRegisters(const user_regs_struct& regs) {
  if (dead_) return Errno::kESRCH;
  if (Ptrace(PTRACE_SETREGS, tid_, 0, &regs) != 0) return PtraceError();
  return OkStatus();
}

Status StubThread::SetRax(uint64_t value) {
  if (dead_) return Errno::kESRCH;
  if (Ptrace(PTRACE_POKEUSR, tid_, offsetof(user_regs_struct, rax), value) != 0)
    return PtraceError();
  return OkStatus();
}

Status StubThread::GetSignalInfo(siginfo_t* info) {
  if (dead_) return Errno::kESRCH;
  if (Ptrace(PTRACE_GETSIGINFO, tid_, 0, info) != 0) return PtraceError();
  return OkStatus();
}

Result<size_t> StubThread::GetXsave(std::span<std::byte> out) {
  if (dead_) return Errno::kESRCH;
  iovec iov{out.data(), out.size()};
  if (Ptrace(PTRACE_GETREGSET, tid_, NT_X86_XSTATE, &iov) != 0) return PtraceError();
  return iov.iov_len;
}

Status StubThread::SetXsave(std::span<const std::byte> state) {
  if (dead_) return Errno::kESRCH;
  iovec iov{const_cast<std::byte*>(state.data()), state.size()};
  if (Ptrace(PTRACE_SETREGSET, tid_, NT_X86_XSTATE, &iov) != 0) return PtraceError();
  return OkStatus();
}

bool StubThread::IsNativeSyscall() {
  struct {
    uint8_t op;
    uint8_t pad[3];
    uint32_t arch;
  } info{};
  const long n = Ptrace(PTRACE_GET_SYSCALL_INFO, tid_, sizeof(info), &info);
  return n < static_cast<long>(sizeof(info)) || info.arch == AUDIT_ARCH_X86_64;
}

Status StubThread::RunSnippet(user_regs_struct* regs) {
  RETURN_IF_ERROR(SetRegisters(*regs));
  for (;;) {
    const Stop stop = Resume(PTRACE_CONT);
    if (stop.kind == Stop::kDead) return Errno::kESRCH;
    if (stop.kind != Stop::kSignal) continue;
    if (stop.signal != SIGTRAP && stop.signal != SIGSEGV && stop.signal != SIGBUS) continue;
    siginfo_t info;
    RETURN_IF_ERROR(GetSignalInfo(&info));
    if (info.si_code <= 0) continue;  // From outside; not a consequence of the snippet.
    if (stop.signal != SIGTRAP) return Errno::kEFAULT;
    return GetRegisters(regs);
  }
}

Result<uint64_t> StubThread::Call(uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2,
                                  uint64_t a3, uint64_t a4, uint64_t a5) {
  user_regs_struct regs = SnippetRegisters(layout_.call);
  regs.rax = number;
  regs.rdi = a0;
  regs.rsi = a1;
  regs.rdx = a2;
  regs.r10 = a3;
  regs.r8 = a4;
  regs.r9 = a5;
  RETURN_IF_ERROR(RunSnippet(&regs));
  const int64_t result = static_cast<int64_t>(regs.rax);
  if (result < 0 && result >= -4095) return static_cast<Errno>(-result);
  return regs.rax;
}

Result<pid_t> StubThread::Clone(uint64_t flags, pid_t sentry_pid) {
  user_regs_struct regs = SnippetRegisters(layout_.clone);
  regs.rax = SYS_clone;
  regs.rdi = flags;
  regs.r12 = static_cast<uint64_t>(sentry_pid);
  regs.r13 = (flags & CLONE_THREAD) ? layout_.park : layout_.process_entry;
  RETURN_IF_ERROR(RunSnippet(&regs));
  const int64_t result = static_cast<int64_t>(regs.rax);
  if (result < 0) return static_cast<Errno>(-result);
  return static_cast<pid_t>(result);
}

Result<uint32_t> StubThread::CompareAndSwap32(uint64_t addr, uint32_t expected, uint32_t desired) {
  user_regs_struct regs = SnippetRegisters(layout_.cas);
  regs.rdi = addr;
  regs.rax = expected;
  regs.rdx = desired;
  RETURN_IF_ERROR(RunSnippet(&regs));
  return static_cast<uint32_t>(regs.rax);
}

}  // namespace cvisor::platform::ptrace
