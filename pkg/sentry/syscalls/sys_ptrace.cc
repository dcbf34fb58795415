// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// ptrace(2): requests and their arguments. What they do to tasks: kernel/trace.h. Register sets:
// trace_registers.h.

#include <elf.h>
#include <linux/audit.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "pkg/sentry/kernel/trace.h"
#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"
#include "pkg/sentry/syscalls/trace_registers.h"

namespace cvisor::syscalls {
namespace {

using kernel::TraceStop;
using kernel::Tracing;

constexpr int kArchPrctl = 30, kOldSetOptions = 21;
constexpr uint64_t kOptions = 0xff | PTRACE_O_EXITKILL;

struct Request {
  int number;
  pid_t pid;
  uint64_t addr, data;
};

Status CheckSignal(uint64_t signal) {
  return signal <= kernel::kNumSignals ? OkStatus() : Status(Errno::kEIO);
}

Result<uint64_t> Done(Status status) {
  return status.ok() ? Result<uint64_t>(uint64_t{0}) : status.error();
}

Result<uint64_t> Resume(Task& t, const Request& r) {
  // Who is no tracee is told so first.
  RETURN_IF_ERROR(Tracing::WithStop(t, r.pid, [](TraceStop&) { return OkStatus(); }));
  RETURN_IF_ERROR(CheckSignal(r.data));
  const int signal = static_cast<int>(r.data);
  if (r.number == PTRACE_DETACH) return Done(Tracing::Detach(t, r.pid, signal));
  return Done(
      Tracing::Resume(t, r.pid, r.number == PTRACE_SYSCALL, r.number == PTRACE_SINGLESTEP, signal));
}

Result<uint64_t> PeekMemory(Task& t, const Request& r) {
  ASSIGN_OR_RETURN(auto mm, Tracing::Memory(t, r.pid));
  uint64_t word = 0;
  auto n = mm->as().ForceCopyIn(r.addr, std::as_writable_bytes(std::span(&word, 1)));
  if (!n.ok() || *n != sizeof(word)) return Errno::kEIO;
  return Done(t.CopyOut(r.data, word));
}

Result<uint64_t> PokeMemory(Task& t, const Request& r) {
  ASSIGN_OR_RETURN(auto mm, Tracing::Memory(t, r.pid));
  auto n = mm->as().ForceCopyOut(r.addr, std::as_bytes(std::span(&r.data, 1)));
  return n.ok() && *n == sizeof(r.data) ? Result<uint64_t>(uint64_t{0}) : Errno::kEIO;
}

Result<uint64_t> PeekUser(Task& t, const Request& r) {
  ASSIGN_OR_RETURN(const uint64_t word, Tracing::WithStop(t, r.pid, [&](TraceStop& stop) {
                     return PeekUserArea(stop.regs, r.addr);
                   }));
  return Done(t.CopyOut(r.data, word));
}

Result<uint64_t> PokeUser(Task& t, const Request& r) {
  return Done(Tracing::WithStop(t, r.pid, [&](TraceStop& stop) -> Status {
    stop.regs_changed = true;
    return PokeUserArea(&stop.regs, r.addr, r.data);
  }));
}

Result<std::vector<std::byte>> ReadSet(Task& t, pid_t pid, uint64_t type) {
  const uint64_t features = t.mm().platform().xsave_features();
  return Tracing::WithStop(t, pid,
                           [&](TraceStop& stop) { return ReadRegset(stop, type, features); });
}

Status WriteSet(Task& t, pid_t pid, uint64_t type, std::span<const std::byte> bytes) {
  const uint64_t features = t.mm().platform().xsave_features();
  return Tracing::WithStop(
      t, pid, [&](TraceStop& stop) { return WriteRegset(&stop, type, bytes, features); });
}

// PTRACE_GETREGS and its like: a whole set, at `data`.
Result<uint64_t> GetWhole(Task& t, const Request& r, uint64_t type) {
  ASSIGN_OR_RETURN(const auto bytes, ReadSet(t, r.pid, type));
  return Done(t.mm().CopyOutBytes(r.data, bytes.data(), bytes.size()));
}

Result<uint64_t> SetWhole(Task& t, const Request& r, uint64_t type) {
  ASSIGN_OR_RETURN(auto bytes, ReadSet(t, r.pid, type));
  RETURN_IF_ERROR(t.mm().CopyInBytes(r.data, bytes.data(), bytes.size()));
  return Done(WriteSet(t, r.pid, type, bytes));
}

// PTRACE_GETREGSET, PTRACE_SETREGSET: as much as the iovec at `data` says.
Result<uint64_t> Regset(Task& t, const Request& r) {
  ASSIGN_OR_RETURN(iovec iov, t.CopyIn<iovec>(r.data));
  ASSIGN_OR_RETURN(auto bytes, ReadSet(t, r.pid, r.addr));
  if (iov.iov_len % sizeof(uint64_t) != 0) return Errno::kEINVAL;
  iov.iov_len = std::min(iov.iov_len, bytes.size());
  const auto base = reinterpret_cast<UserAddr>(iov.iov_base);
  if (r.number == PTRACE_GETREGSET) {
    RETURN_IF_ERROR(t.mm().CopyOutBytes(base, bytes.data(), iov.iov_len));
  } else {
    // The state of the FPU is set as a whole.
    if (r.addr == NT_X86_XSTATE && iov.iov_len != bytes.size()) return Errno::kEFAULT;
    RETURN_IF_ERROR(t.mm().CopyInBytes(base, bytes.data(), iov.iov_len));
    RETURN_IF_ERROR(WriteSet(t, r.pid, r.addr, bytes));
  }
  return Done(t.CopyOut(r.data, iov));
}

Result<uint64_t> GetSigInfo(Task& t, const Request& r) {
  ASSIGN_OR_RETURN(const siginfo_t info,
                   Tracing::WithStop(t, r.pid, [](TraceStop& stop) -> Result<siginfo_t> {
                     if (!stop.info.has_value()) return Errno::kEINVAL;
                     return *stop.info;
                   }));
  return Done(t.CopyOut(r.data, info));
}

Result<uint64_t> SetSigInfo(Task& t, const Request& r) {
  RETURN_IF_ERROR(Tracing::WithStop(t, r.pid, [](TraceStop&) { return OkStatus(); }));
  ASSIGN_OR_RETURN(const siginfo_t info, t.CopyIn<siginfo_t>(r.data));
  return Done(Tracing::WithStop(t, r.pid, [&](TraceStop& stop) -> Status {
    if (!stop.info.has_value()) return Errno::kEINVAL;
    stop.info = info;
    return OkStatus();
  }));
}

Result<uint64_t> SigMask(Task& t, const Request& r) {
  RETURN_IF_ERROR(Tracing::WithStop(t, r.pid, [](TraceStop&) { return OkStatus(); }));
  if (r.addr != sizeof(kernel::SignalSet)) return Errno::kEINVAL;
  kernel::SignalSet mask = 0;
  const bool set = r.number == PTRACE_SETSIGMASK;
  if (set) {
    ASSIGN_OR_RETURN(mask, t.CopyIn<kernel::SignalSet>(r.data));
  }
  RETURN_IF_ERROR(Tracing::WithStop(t, r.pid, [&](TraceStop& stop) -> Status {
    if (set) {
      stop.mask = mask & ~kernel::kUnblockable;
      stop.mask_changed = true;
    }
    mask = stop.mask;
    return OkStatus();
  }));
  return set ? Result<uint64_t>(uint64_t{0}) : Done(t.CopyOut(r.data, mask));
}

Result<uint64_t> PeekSigInfo(Task& t, const Request& r) {
  RETURN_IF_ERROR(Tracing::WithStop(t, r.pid, [](TraceStop&) { return OkStatus(); }));
  ASSIGN_OR_RETURN(const auto args, t.CopyIn<__ptrace_peeksiginfo_args>(r.addr));
  if ((args.flags & ~uint32_t{PTRACE_PEEKSIGINFO_SHARED}) != 0 || args.nr < 0)
    return Errno::kEINVAL;
  constexpr int32_t kAtOnce = 64;
  uint64_t done = 0;
  // More than fit here come in further rounds.
  while (done < static_cast<uint64_t>(args.nr)) {
    const size_t want = std::min<uint64_t>(kAtOnce, static_cast<uint64_t>(args.nr) - done);
    ASSIGN_OR_RETURN(const auto infos,
                     Tracing::Pending(t, r.pid, (args.flags & PTRACE_PEEKSIGINFO_SHARED) != 0,
                                      args.off + done, want));
    if (infos.empty()) break;
    const Status s = t.mm().CopyOutBytes(r.data + done * sizeof(siginfo_t), infos.data(),
                                         infos.size() * sizeof(siginfo_t));
    if (!s.ok()) return done > 0 ? Result<uint64_t>(done) : s.error();
    done += infos.size();
  }
  return done;
}

Result<uint64_t> GetSyscallInfo(Task& t, const Request& r) {
  __ptrace_syscall_info info;
  std::memset(&info, 0, sizeof(info));
  ASSIGN_OR_RETURN(const size_t size,
                   Tracing::WithStop(t, r.pid, [&](TraceStop& stop) -> Result<size_t> {
                     return FillSyscallInfo(stop, &info);
                   }));
  RETURN_IF_ERROR(t.mm().CopyOutBytes(r.data, &info, std::min<uint64_t>(r.addr, size)));
  return size;
}

Result<uint64_t> ArchPrctl(Task& t, const Request& r) {
  const bool fs = r.data == kArchGetFs || r.data == kArchSetFs;
  if (!fs && r.data != kArchGetGs && r.data != kArchSetGs) return Errno::kEINVAL;
  const uint64_t place =
      fs ? offsetof(user_regs_struct, fs_base) : offsetof(user_regs_struct, gs_base);
  if (r.data == kArchGetFs || r.data == kArchGetGs) {
    return PeekUser(t, {.number = r.number, .pid = r.pid, .addr = place, .data = r.addr});
  }
  if (r.addr >= kUserEnd) return Errno::kEPERM;
  return PokeUser(t, {.number = r.number, .pid = r.pid, .addr = place, .data = r.addr});
}

Result<uint64_t> OnTracee(Task& t, const Request& r) {
  switch (r.number) {
    case PTRACE_PEEKTEXT:
    case PTRACE_PEEKDATA:
      return PeekMemory(t, r);
    case PTRACE_POKETEXT:
    case PTRACE_POKEDATA:
      return PokeMemory(t, r);
    case PTRACE_PEEKUSER:
      return PeekUser(t, r);
    case PTRACE_POKEUSER:
      return PokeUser(t, r);
    case PTRACE_CONT:
    case PTRACE_SYSCALL:
    case PTRACE_SINGLESTEP:
    case PTRACE_DETACH:
      return Resume(t, r);
    case PTRACE_KILL:
      return Done(Tracing::Kill(t, r.pid));
    case PTRACE_INTERRUPT:
      return Done(Tracing::Interrupt(t, r.pid));
    case PTRACE_LISTEN:
      return Done(Tracing::Listen(t, r.pid));
    case PTRACE_GETREGS:
      return GetWhole(t, r, NT_PRSTATUS);
    case PTRACE_SETREGS:
      return SetWhole(t, r, NT_PRSTATUS);
    case PTRACE_GETFPREGS:
      return GetWhole(t, r, NT_PRFPREG);
    case PTRACE_SETFPREGS:
      return SetWhole(t, r, NT_PRFPREG);
    case PTRACE_GETREGSET:
    case PTRACE_SETREGSET:
      return Regset(t, r);
    case PTRACE_GETSIGINFO:
      return GetSigInfo(t, r);
    case PTRACE_SETSIGINFO:
      return SetSigInfo(t, r);
    case PTRACE_GETSIGMASK:
    case PTRACE_SETSIGMASK:
      return SigMask(t, r);
    case PTRACE_PEEKSIGINFO:
      return PeekSigInfo(t, r);
    case PTRACE_GETEVENTMSG: {
      ASSIGN_OR_RETURN(const uint64_t message, Tracing::EventMessage(t, r.pid));
      return Done(t.CopyOut(r.data, message));
    }
    case kOldSetOptions:
    case PTRACE_SETOPTIONS: {
      RETURN_IF_ERROR(Tracing::WithStop(t, r.pid, [](TraceStop&) { return OkStatus(); }));
      if ((r.data & ~kOptions) != 0) return Errno::kEINVAL;
      return Done(Tracing::SetOptions(t, r.pid, static_cast<uint32_t>(r.data)));
    }
    case PTRACE_GET_SYSCALL_INFO:
      return GetSyscallInfo(t, r);
    case kArchPrctl:
      return ArchPrctl(t, r);
    default:
      // Among them PTRACE_SYSEMU, PTRACE_SINGLEBLOCK.
      RETURN_IF_ERROR(Tracing::WithStop(t, r.pid, [](TraceStop&) { return OkStatus(); }));
      return Errno::kEIO;
  }
}

}  // namespace

Result<uint64_t> Ptrace(Task& t, const SyscallArgs& a) {
  // Linux looks at all the bits of the request.
  if (a[0].raw > INT32_MAX) return a[1].As<pid_t>() > 0 ? Errno::kEIO : Errno::kESRCH;
  const Request r{
      .number = a[0].As<int>(), .pid = a[1].As<pid_t>(), .addr = a[2].raw, .data = a[3].raw};
  switch (r.number) {
    case PTRACE_TRACEME:
      return Done(Tracing::TraceMe(t));
    case PTRACE_ATTACH:
      return Done(Tracing::Attach(t, r.pid, /*seize=*/false, 0));
    case PTRACE_SEIZE:
      if (r.addr != 0 || (r.data & ~kOptions) != 0) return Errno::kEIO;
      return Done(Tracing::Attach(t, r.pid, /*seize=*/true, static_cast<uint32_t>(r.data)));
    default:
      return OnTracee(t, r);
  }
}

}  // namespace cvisor::syscalls
