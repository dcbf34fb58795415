// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// NUMA memory policy (numa(7)) on a machine with one node, 0: policies that name other nodes are
// errors, the others change nothing, as on Linux.

#include <linux/mempolicy.h>

#include <algorithm>

#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/pid_namespace.h"
#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"

namespace cvisor::syscalls {
namespace {

constexpr int kModeFlags = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES | MPOL_F_NUMA_BALANCING;
constexpr int kMaxMode = 6;  // MPOL_WEIGHTED_INTERLEAVE
constexpr uint64_t kMaxNodeBits = 8 * mm::kPageSize;

// The mask of nodes; true if node 0 is in it. Nodes that do not exist: EINVAL.
Result<bool> CopyInNodes(Task& t, UserAddr addr, uint64_t max_node) {
  if (addr == 0 || max_node <= 1) return false;
  const uint64_t bits = max_node - 1;
  if (bits > kMaxNodeBits) return Errno::kEINVAL;
  bool node0 = false;
  for (uint64_t i = 0; i * 64 < bits; ++i) {
    ASSIGN_OR_RETURN(uint64_t word, t.CopyIn<uint64_t>(addr + i * 8));
    const uint64_t left = bits - i * 64;
    if (left < 64) word &= (uint64_t{1} << left) - 1;
    if (i == 0) node0 = (word & 1) != 0;
    if ((i == 0 ? word & ~uint64_t{1} : word) != 0) return Errno::kEINVAL;
  }
  return node0;
}

Status CheckPolicy(Task& t, int mode_and_flags, UserAddr mask, uint64_t max_node) {
  const int mode = mode_and_flags & ~kModeFlags;
  if (mode < 0 || mode > kMaxMode) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const bool node0, CopyInNodes(t, mask, max_node));
  switch (mode) {
    case MPOL_DEFAULT:
    case MPOL_LOCAL:
      return node0 ? Status(Errno::kEINVAL) : OkStatus();
    case MPOL_PREFERRED: return OkStatus();
    default: return node0 ? OkStatus() : Status(Errno::kEINVAL);
  }
}

Status CopyOutNode0(Task& t, UserAddr addr, uint64_t max_node) {
  if (addr == 0) return OkStatus();
  if (max_node < 1 || max_node > kMaxNodeBits) return Errno::kEINVAL;
  const uint64_t words = (max_node + 63) / 64;
  for (uint64_t i = 0; i < words; ++i) {
    RETURN_IF_ERROR(t.CopyOut(addr + i * 8, uint64_t{i == 0 ? 1u : 0u}));
  }
  return OkStatus();
}

Status CheckPid(Task& t, pid_t pid) {
  if (pid == 0) return OkStatus();
  MutexLock lock(t.kernel().task_mutex());
  return t.pid_ns().FindTask(pid) != nullptr ? OkStatus() : Status(Errno::kESRCH);
}

}  // namespace

Result<uint64_t> Mbind(Task& t, const SyscallArgs& a) {
  const auto start = a[0].As<UserAddr>();
  const auto flags = a[5].As<uint32_t>();
  if (flags & ~uint32_t{MPOL_MF_STRICT | MPOL_MF_MOVE | MPOL_MF_MOVE_ALL}) return Errno::kEINVAL;
  if ((flags & MPOL_MF_MOVE_ALL) && !t.HasCap(CAP_SYS_NICE)) return Errno::kEPERM;
  if (start & mm::kPageMask) return Errno::kEINVAL;
  RETURN_IF_ERROR(CheckPolicy(t, a[2].As<int>(), a[3].As<UserAddr>(), a[4].As<uint64_t>()));
  const uint64_t end = start + mm::PageCeil(a[1].As<uint64_t>());
  if (end < start) return Errno::kEINVAL;
  uint64_t at = start;
  for (const mm::Vma& vma : t.mm().Vmas(start, end)) {
    if (vma.start > at) return Errno::kEFAULT;
    at = vma.end;
  }
  if (at < end) return Errno::kEFAULT;
  return 0;
}

Result<uint64_t> SetMempolicy(Task& t, const SyscallArgs& a) {
  RETURN_IF_ERROR(CheckPolicy(t, a[0].As<int>(), a[1].As<UserAddr>(), a[2].As<uint64_t>()));
  return 0;
}

Result<uint64_t> GetMempolicy(Task& t, const SyscallArgs& a) {
  const auto mode_addr = a[0].As<UserAddr>();
  const auto mask_addr = a[1].As<UserAddr>();
  const auto addr = a[3].As<UserAddr>();
  const auto flags = a[4].As<uint64_t>();
  if (flags & ~uint64_t{MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED}) return Errno::kEINVAL;
  if (flags & MPOL_F_MEMS_ALLOWED) {
    if (flags & (MPOL_F_NODE | MPOL_F_ADDR)) return Errno::kEINVAL;
  } else if (flags & MPOL_F_ADDR) {
    RETURN_IF_ERROR(t.mm().FindVma(addr));
  } else if (addr != 0 || (flags & MPOL_F_NODE)) {
    return Errno::kEINVAL;  // the next interleave node of a policy that is not interleaving
  }
  if (mode_addr != 0) RETURN_IF_ERROR(t.CopyOut(mode_addr, int{MPOL_DEFAULT}));
  if (flags & MPOL_F_MEMS_ALLOWED) {
    RETURN_IF_ERROR(CopyOutNode0(t, mask_addr, a[2].As<uint64_t>()));
  } else if (mask_addr != 0) {
    for (uint64_t i = 0; i * 64 < std::min(a[2].As<uint64_t>(), kMaxNodeBits); ++i) {
      RETURN_IF_ERROR(t.CopyOut(mask_addr + i * 8, uint64_t{0}));
    }
  }
  return 0;
}

Result<uint64_t> MigratePages(Task& t, const SyscallArgs& a) {
  RETURN_IF_ERROR(CheckPid(t, a[0].As<pid_t>()));
  RETURN_IF_ERROR(CopyInNodes(t, a[2].As<UserAddr>(), a[1].As<uint64_t>()));
  RETURN_IF_ERROR(CopyInNodes(t, a[3].As<UserAddr>(), a[1].As<uint64_t>()));
  return 0;  // pages that could not be moved: none had to
}

// With one node every page is where it can be: its status is 0 if it exists.
Result<uint64_t> MovePages(Task& t, const SyscallArgs& a) {
  const auto pid = a[0].As<pid_t>();
  const auto count = a[1].As<uint64_t>();
  const auto pages = a[2].As<UserAddr>();
  const auto nodes = a[3].As<UserAddr>();
  const auto status = a[4].As<UserAddr>();
  const auto flags = a[5].As<uint32_t>();
  if (flags & ~uint32_t{MPOL_MF_MOVE | MPOL_MF_MOVE_ALL}) return Errno::kEINVAL;
  if ((flags & MPOL_MF_MOVE_ALL) && !t.HasCap(CAP_SYS_NICE)) return Errno::kEPERM;
  RETURN_IF_ERROR(CheckPid(t, pid));
  if (pid != 0 && pid != t.tid() && pid != t.tg().id()) return Errno::kEPERM;
  for (uint64_t i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(const auto page, t.CopyIn<uint64_t>(pages + i * 8));
    int result = t.mm().FindVma(page).ok() ? 0 : -static_cast<int>(Errno::kEFAULT);
    if (nodes != 0) {
      ASSIGN_OR_RETURN(const int node, t.CopyIn<int>(nodes + i * 4));
      if (node != 0) return Errno::kENODEV;
    }
    RETURN_IF_ERROR(t.CopyOut(status + i * 4, result));
    // A signal does not end the call, but the end of the process has to.
    if (t.ending()) return Errno::kERESTARTNOINTR;
  }
  return 0;
}

Result<uint64_t> SetMempolicyHomeNode(Task&, const SyscallArgs& a) {
  if (a[0].raw & mm::kPageMask) return Errno::kEINVAL;
  if (a[3].raw != 0) return Errno::kEINVAL;
  if (a[2].raw != 0) return Errno::kEINVAL;
  return 0;
}

}  // namespace cvisor::syscalls
