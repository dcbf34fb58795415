// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/syscalls/trace_registers.h"

#include <elf.h>
#include <linux/audit.h>
#include <sys/user.h>

#include <cstring>

#include "pkg/sentry/syscalls/helpers.h"

namespace cvisor::syscalls {
namespace {

using kernel::TraceStop;

constexpr size_t kLegacySize = 512, kHeaderSize = 64;
constexpr size_t kMxcsrOffset = 24, kSoftwareOffset = 464;
constexpr uint32_t kMxcsrBits = 0xffff;
constexpr uint64_t kX87AndSse = 3;

template <typename T>
T Load(std::span<const std::byte> bytes, size_t offset) {
  T v;
  std::memcpy(&v, bytes.data() + offset, sizeof(v));
  return v;
}

template <typename T>
void Store(std::span<std::byte> bytes, size_t offset, T v) {
  std::memcpy(bytes.data() + offset, &v, sizeof(v));
}

// What a tracer may put in the registers of its tracee.
Status CheckRegisters(const user_regs_struct& r) {
  const uint64_t data_selectors[] = {r.ds, r.es, r.fs, r.gs};
  for (const uint64_t s : data_selectors) {
    if (s != 0 && (s & 3) != 3) return Errno::kEIO;
  }
  if (r.cs != arch::kUserCs || r.ss != arch::kUserSs) return Errno::kEIO;
  if (r.fs_base >= kUserEnd || r.gs_base >= kUserEnd) return Errno::kEIO;
  return OkStatus();
}

Status SetRegisters(arch::Registers* regs, const user_regs_struct& wanted) {
  RETURN_IF_ERROR(CheckRegisters(wanted));
  static_cast<user_regs_struct&>(*regs) = wanted;
  regs->eflags = (wanted.eflags & arch::kUserRflagsMask) | arch::kRflagsFixed;
  regs->ds = regs->es = regs->fs = regs->gs = 0;
  return OkStatus();
}

Status CheckXsave(std::span<const std::byte> state, uint64_t features) {
  if ((Load<uint32_t>(state, kMxcsrOffset) & ~kMxcsrBits) != 0) return Errno::kEINVAL;
  if ((Load<uint64_t>(state, kLegacySize) & ~features) != 0) return Errno::kEINVAL;
  for (size_t i = sizeof(uint64_t); i < kHeaderSize; ++i) {
    if (state[kLegacySize + i] != std::byte{0}) return Errno::kEINVAL;
  }
  return OkStatus();
}

}  // namespace

Result<uint64_t> PeekUserArea(const arch::Registers& regs, uint64_t offset) {
  if (offset % sizeof(uint64_t) != 0 || offset >= sizeof(struct user)) return Errno::kEIO;
  if (offset >= sizeof(user_regs_struct)) return uint64_t{0};
  const user_regs_struct& r = regs;
  return Load<uint64_t>(std::as_bytes(std::span(&r, 1)), offset);
}

Status PokeUserArea(arch::Registers* regs, uint64_t offset, uint64_t value) {
  if (offset % sizeof(uint64_t) != 0 || offset >= sizeof(struct user)) return Errno::kEIO;
  if (offset < sizeof(user_regs_struct)) {
    user_regs_struct r = *regs;
    Store(std::as_writable_bytes(std::span(&r, 1)), offset, value);
    return SetRegisters(regs, r);
  }
  constexpr uint64_t kDebug = offsetof(struct user, u_debugreg);
  if (offset < kDebug || offset >= kDebug + sizeof(user::u_debugreg)) return Errno::kEIO;
  // There are no hardware breakpoints: as on a machine where all of them are taken.
  return value == 0 ? OkStatus() : Status(Errno::kENOSPC);
}

Result<std::vector<std::byte>> ReadRegset(const TraceStop& stop, uint64_t type, uint64_t features) {
  switch (type) {
    case NT_PRSTATUS: {
      const user_regs_struct& r = stop.regs;
      const auto bytes = std::as_bytes(std::span(&r, 1));
      return std::vector<std::byte>(bytes.begin(), bytes.end());
    }
    case NT_PRFPREG:
    case NT_X86_XSTATE: {
      if (stop.xsave.size() < kLegacySize + kHeaderSize) return Errno::kEIO;
      std::vector<std::byte> out(stop.xsave);
      std::memset(out.data() + kSoftwareOffset, 0, kLegacySize - kSoftwareOffset);
      if (type == NT_PRFPREG) {
        out.resize(kLegacySize);
      } else {
        Store(out, kSoftwareOffset, features);  // where debuggers look for XCR0
      }
      return out;
    }
    default:
      return Errno::kEINVAL;
  }
}

Status WriteRegset(TraceStop* stop, uint64_t type, std::span<const std::byte> bytes,
                   uint64_t features) {
  if (type == NT_PRSTATUS) {
    if (bytes.size() != sizeof(user_regs_struct)) return Errno::kEINVAL;
    stop->regs_changed = true;
    return SetRegisters(&stop->regs, Load<user_regs_struct>(bytes, 0));
  }
  if (type != NT_PRFPREG && type != NT_X86_XSTATE) return Errno::kEINVAL;
  std::vector<std::byte> state = stop->xsave;
  if (state.size() < kLegacySize + kHeaderSize || bytes.size() > state.size())
    return Errno::kEINVAL;
  std::memcpy(state.data(), bytes.data(), bytes.size());
  std::memcpy(state.data() + kSoftwareOffset, stop->xsave.data() + kSoftwareOffset,
              kLegacySize - kSoftwareOffset);
  if (type == NT_PRFPREG) {
    Store(state, kLegacySize, Load<uint64_t>(state, kLegacySize) | kX87AndSse);
  }
  RETURN_IF_ERROR(CheckXsave(state, features));
  stop->xsave = std::move(state);
  stop->xsave_changed = true;
  return OkStatus();
}

size_t FillSyscallInfo(const TraceStop& stop, __ptrace_syscall_info* info) {
  const arch::Registers& r = stop.regs;
  info->arch = AUDIT_ARCH_X86_64;
  info->instruction_pointer = r.ip();
  info->stack_pointer = r.sp();
  switch (stop.kind) {
    case TraceStop::kEntry:
      info->op = PTRACE_SYSCALL_INFO_ENTRY;
      info->entry.nr = r.orig_rax;
      for (int i = 0; i < 6; ++i) info->entry.args[i] = r.syscall_arg(i);
      return offsetof(__ptrace_syscall_info, entry) + sizeof(info->entry);
    case TraceStop::kExit: {
      info->op = PTRACE_SYSCALL_INFO_EXIT;
      const auto value = static_cast<int64_t>(r.rax);
      info->exit.rval = value;
      info->exit.is_error = value < 0 && value >= -4095;
      return offsetof(__ptrace_syscall_info, exit.is_error) + sizeof(info->exit.is_error);
    }
    case TraceStop::kSeccomp:
      info->op = PTRACE_SYSCALL_INFO_SECCOMP;
      info->seccomp.nr = r.orig_rax;
      for (int i = 0; i < 6; ++i) info->seccomp.args[i] = r.syscall_arg(i);
      info->seccomp.ret_data = stop.seccomp_data;
      return offsetof(__ptrace_syscall_info, seccomp.ret_data) + sizeof(info->seccomp.ret_data);
    default:
      info->op = PTRACE_SYSCALL_INFO_NONE;
      return offsetof(__ptrace_syscall_info, entry);
  }
}

}  // namespace cvisor::syscalls
