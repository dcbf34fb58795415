// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// prctl(2), arch_prctl(2), personality(2).

#include <asm/prctl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/personality.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/seccomp_mode.h"

namespace cvisor::syscalls {
namespace {

constexpr size_t kNameSize = 16;

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif
// Linux 6.3 and 6.4.
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1UL
#define PR_GET_MDWE 66
#endif
#ifndef PR_MDWE_NO_INHERIT
#define PR_MDWE_NO_INHERIT 2UL
#endif
#ifndef PR_GET_AUXV
#define PR_GET_AUXV 0x41555856
#endif

bool NoMoreArgs(const SyscallArgs& a, int first) {
  for (int i = first; i < 5; ++i) {
    if (a[i].raw != 0) return false;
  }
  return true;
}

Result<uint64_t> SetName(Task& t, UserAddr addr) {
  char name[kNameSize] = {};
  // Reads up to the NUL only: the string may end at the end of a page.
  auto s = t.mm().CopyInString(addr, kNameSize - 1);
  if (s.ok()) {
    t.set_name(*s);
    return 0;
  }
  if (s.error() != Errno::kENAMETOOLONG) return s.error();
  RETURN_IF_ERROR(t.mm().CopyInBytes(addr, name, kNameSize - 1));
  t.set_name(name);
  return 0;
}

Result<uint64_t> GetName(Task& t, UserAddr addr) {
  char name[kNameSize] = {};
  const std::string s = t.name();
  std::memcpy(name, s.data(), std::min(s.size(), kNameSize - 1));
  RETURN_IF_ERROR(t.mm().CopyOutBytes(addr, name, sizeof(name)));
  return 0;
}

Result<uint64_t> SetSecurebits(Task& t, uint64_t bits) {
  const CredsRef old = t.creds();
  const uint64_t locks = old->securebits & SECURE_ALL_LOCKS;
  if ((bits & ~uint64_t{SECURE_ALL_BITS | SECURE_ALL_LOCKS}) != 0) return Errno::kEPERM;
  // A lock stays, and so does the bit that it locks.
  if ((bits & locks) != locks) return Errno::kEPERM;
  if (((old->securebits ^ bits) & (locks >> 1)) != 0) return Errno::kEPERM;
  if (!old->HasOwnCap(CAP_SETPCAP)) return Errno::kEPERM;
  auto c = old->Copy();
  c->securebits = static_cast<uint32_t>(bits);
  t.SetCreds(std::move(c));
  return 0;
}

Result<uint64_t> SetKeepCaps(Task& t, uint64_t on) {
  if (on > 1) return Errno::kEINVAL;
  const CredsRef old = t.creds();
  if ((old->securebits & SECBIT_KEEP_CAPS_LOCKED) != 0) return Errno::kEPERM;
  auto c = old->Copy();
  c->securebits = on != 0 ? c->securebits | SECBIT_KEEP_CAPS : c->securebits & ~SECBIT_KEEP_CAPS;
  t.SetCreds(std::move(c));
  return 0;
}

Result<uint64_t> DropBoundingCap(Task& t, uint64_t cap) {
  if (cap > kLastCap) return Errno::kEINVAL;
  const CredsRef old = t.creds();
  if (!old->HasOwnCap(CAP_SETPCAP)) return Errno::kEPERM;
  auto c = old->Copy();
  c->bounding &= ~CapBit(static_cast<int>(cap));
  t.SetCreds(std::move(c));
  return 0;
}

Result<uint64_t> Ambient(Task& t, const SyscallArgs& a) {
  const CredsRef old = t.creds();
  const uint64_t cap = a[2].raw;
  if (a[1].raw == PR_CAP_AMBIENT_CLEAR_ALL) {
    if (!NoMoreArgs(a, 2)) return Errno::kEINVAL;
    auto c = old->Copy();
    c->ambient = 0;
    t.SetCreds(std::move(c));
    return 0;
  }
  if (cap > kLastCap || !NoMoreArgs(a, 3)) return Errno::kEINVAL;
  const CapSet bit = CapBit(static_cast<int>(cap));
  switch (a[1].raw) {
    case PR_CAP_AMBIENT_IS_SET:
      return (old->ambient & bit) != 0 ? 1 : 0;
    case PR_CAP_AMBIENT_RAISE:
    case PR_CAP_AMBIENT_LOWER: {
      auto c = old->Copy();
      if (a[1].raw == PR_CAP_AMBIENT_RAISE) {
        if ((old->permitted & old->inheritable & bit) == 0 ||
            (old->securebits & SECBIT_NO_CAP_AMBIENT_RAISE) != 0) {
          return Errno::kEPERM;
        }
        c->ambient |= bit;
      } else {
        c->ambient &= ~bit;
      }
      t.SetCreds(std::move(c));
      return 0;
    }
    default:
      return Errno::kEINVAL;
  }
}

// It is shown in /proc/PID/maps, whose readers must not be confused.
bool MayBeInAnonName(char c) {
  return c > 0x1f && c < 0x7f && std::string_view("\\`$[]").find(c) == std::string_view::npos;
}

// What happens on broken memory, which no sandbox sees: kept and told.
Result<uint64_t> SetMemoryFailurePolicy(Task& t, const SyscallArgs& a) {
  if (!NoMoreArgs(a, 3)) return Errno::kEINVAL;
  switch (a[1].raw) {
    case PR_MCE_KILL_CLEAR:
      if (a[2].raw != 0) return Errno::kEINVAL;
      t.memory_failure_policy = PR_MCE_KILL_DEFAULT;
      return 0;
    case PR_MCE_KILL_SET:
      if (a[2].raw > PR_MCE_KILL_DEFAULT) return Errno::kEINVAL;
      t.memory_failure_policy = a[2].As<int>();
      return 0;
    default:
      return Errno::kEINVAL;
  }
}

Result<uint64_t> SetDenyWriteExec(Task& t, const SyscallArgs& a) {
  const uint64_t bits = a[1].raw;
  if (!NoMoreArgs(a, 2)) return Errno::kEINVAL;
  if ((bits & ~uint64_t{PR_MDWE_REFUSE_EXEC_GAIN | PR_MDWE_NO_INHERIT}) != 0) return Errno::kEINVAL;
  if (bits == PR_MDWE_NO_INHERIT) return Errno::kEINVAL;
  uint32_t none = 0;
  // Once set they stay.
  if (!t.mm().mdwe.compare_exchange_strong(none, static_cast<uint32_t>(bits)) && none != bits) {
    return Errno::kEPERM;
  }
  return 0;
}

Result<uint64_t> GetAuxv(Task& t, UserAddr addr, uint64_t size) {
  const auto auxv = t.mm().auxv();
  const uint64_t have = auxv.size() * sizeof(auxv[0]);
  RETURN_IF_ERROR(t.mm().CopyOutBytes(addr, auxv.data(), std::min(size, have)));
  return have;
}

}  // namespace

Result<uint64_t> Prctl(Task& t, const SyscallArgs& a) {
  const uint64_t arg = a[1].raw;
  switch (a[0].As<int>()) {
    case PR_SET_PDEATHSIG:
      if (arg > kernel::kNumSignals) return Errno::kEINVAL;
      t.parent_death_signal = static_cast<int>(arg);
      return 0;
    case PR_GET_PDEATHSIG:
      RETURN_IF_ERROR(t.CopyOut<int>(arg, t.parent_death_signal));
      return 0;
    case PR_GET_DUMPABLE:
      return static_cast<uint64_t>(t.mm().dumpable.load());
    case PR_SET_DUMPABLE:
      if (arg > 1) return Errno::kEINVAL;
      t.mm().dumpable.store(static_cast<int>(arg));
      return 0;
    case PR_GET_KEEPCAPS:
      return (t.creds()->securebits & SECBIT_KEEP_CAPS) != 0 ? 1 : 0;
    case PR_SET_KEEPCAPS:
      return SetKeepCaps(t, arg);
    case PR_SET_NAME:
      return SetName(t, arg);
    case PR_GET_NAME:
      return GetName(t, arg);
    case PR_GET_TIMING:
      return PR_TIMING_STATISTICAL;
    case PR_SET_TIMING:
      return arg == PR_TIMING_STATISTICAL ? Result<uint64_t>(0) : Errno::kEINVAL;
    case PR_GET_SECCOMP:
      return static_cast<uint64_t>(t.seccomp_mode());
    case PR_SET_SECCOMP:
      return SetSeccompMode(t, arg, a[2].raw);
    case PR_CAPBSET_READ:
      if (arg > kLastCap) return Errno::kEINVAL;
      return (t.creds()->bounding & CapBit(static_cast<int>(arg))) != 0 ? 1 : 0;
    case PR_CAPBSET_DROP:
      return DropBoundingCap(t, arg);
    case PR_GET_SECUREBITS:
      return t.creds()->securebits;
    case PR_SET_SECUREBITS:
      return SetSecurebits(t, arg);
    case PR_SET_TIMERSLACK:
      t.timer_slack_ns = static_cast<int64_t>(arg) <= 0 ? t.default_timer_slack_ns : arg;
      return 0;
    case PR_GET_TIMERSLACK:
      return t.timer_slack_ns;
    case PR_SET_CHILD_SUBREAPER:
      t.tg().child_subreaper.store(arg != 0);
      return 0;
    case PR_GET_CHILD_SUBREAPER:
      RETURN_IF_ERROR(t.CopyOut<int>(arg, t.tg().child_subreaper.load() ? 1 : 0));
      return 0;
    case PR_SET_NO_NEW_PRIVS:
      if (arg != 1 || !NoMoreArgs(a, 2)) return Errno::kEINVAL;
      t.no_new_privs.store(true);
      return 0;
    case PR_GET_NO_NEW_PRIVS:
      if (!NoMoreArgs(a, 1)) return Errno::kEINVAL;
      return t.no_new_privs.load() ? 1 : 0;
    case PR_GET_TID_ADDRESS:
      RETURN_IF_ERROR(t.CopyOut<uint64_t>(arg, t.clear_child_tid));
      return 0;
    case PR_SET_THP_DISABLE:
      if (!NoMoreArgs(a, 2)) return Errno::kEINVAL;
      t.mm().thp_disabled.store(arg != 0);
      return 0;
    case PR_GET_THP_DISABLE:
      if (!NoMoreArgs(a, 1)) return Errno::kEINVAL;
      return t.mm().thp_disabled.load() ? 1 : 0;
    case PR_GET_TSC:
      RETURN_IF_ERROR(t.CopyOut<int>(arg, PR_TSC_ENABLE));
      return 0;
    case PR_SET_TSC:  // reading it cannot be forbidden
      return arg == PR_TSC_ENABLE ? Result<uint64_t>(0) : Errno::kEINVAL;
    case PR_MCE_KILL:
      return SetMemoryFailurePolicy(t, a);
    case PR_MCE_KILL_GET:
      if (!NoMoreArgs(a, 1)) return Errno::kEINVAL;
      return static_cast<uint64_t>(t.memory_failure_policy);
    case PR_SET_IO_FLUSHER:
      if (!t.HasCap(CAP_SYS_RESOURCE)) return Errno::kEPERM;
      if (!NoMoreArgs(a, 2) || arg > 1) return Errno::kEINVAL;
      t.io_flusher = arg != 0;
      return 0;
    case PR_GET_IO_FLUSHER:
      if (!t.HasCap(CAP_SYS_RESOURCE)) return Errno::kEPERM;
      if (!NoMoreArgs(a, 1)) return Errno::kEINVAL;
      return t.io_flusher ? 1 : 0;
    case PR_SET_MDWE:
      return SetDenyWriteExec(t, a);
    case PR_GET_MDWE:
      if (!NoMoreArgs(a, 1)) return Errno::kEINVAL;
      return t.mm().mdwe.load();
    case PR_GET_AUXV:
      if (!NoMoreArgs(a, 3)) return Errno::kEINVAL;
      return GetAuxv(t, arg, a[2].raw);
    case PR_CAP_AMBIENT:
      return Ambient(t, a);
    case PR_SET_VMA:
      if (arg == PR_SET_VMA_ANON_NAME) {
        std::string name;
        if (a[4].raw != 0) {
          auto s = t.mm().CopyInString(a[4].raw, 79);
          if (!s.ok()) return s.error() == Errno::kENAMETOOLONG ? Errno::kEINVAL : s.error();
          name = *std::move(s);
          if (!std::all_of(name.begin(), name.end(), MayBeInAnonName)) return Errno::kEINVAL;
        }
        RETURN_IF_ERROR(t.mm().SetAnonName(a[2].raw, a[3].raw, name));
        return 0;
      }
      return Errno::kEINVAL;
    // Those that Linux has and we do not: what a kernel without the option says. PR_SET_MM (only
    // for restoring checkpoints), PR_SET_PTRACER (yama), PR_SCHED_CORE, PR_*_SPECULATION_CTRL,
    // PR_SET_SYSCALL_USER_DISPATCH, PR_*_MEMORY_MERGE, PR_TASK_PERF_EVENTS_*, other architectures'.
    default:
      return Errno::kEINVAL;
  }
}

Result<uint64_t> ArchPrctl(Task& t, const SyscallArgs& a) {
  const uint64_t addr = a[1].raw;
  const uint64_t limit = t.mm().platform().max_user_address();
  switch (a[0].As<int>()) {
    case ARCH_SET_FS:
      if (addr >= limit) return Errno::kEPERM;
      t.regs().fs_base = addr;
      return 0;
    case ARCH_SET_GS:
      if (addr >= limit) return Errno::kEPERM;
      t.regs().gs_base = addr;
      return 0;
    case ARCH_GET_FS:
      RETURN_IF_ERROR(t.CopyOut<uint64_t>(addr, t.all_regs().fs_base));
      return 0;
    case ARCH_GET_GS:
      RETURN_IF_ERROR(t.CopyOut<uint64_t>(addr, t.all_regs().gs_base));
      return 0;
    case ARCH_GET_CPUID:
      return 1;
    case ARCH_SET_CPUID:
      return addr != 0 ? Result<uint64_t>(0) : Errno::kENODEV;
    default:
      return Errno::kEINVAL;
  }
}

Result<uint64_t> Personality(Task& t, const SyscallArgs& a) {
  const auto value = a[0].As<uint32_t>();
  const uint32_t old = t.personality;
  if (value != 0xffffffff) t.personality = value;
  return old;
}

}  // namespace cvisor::syscalls
