// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// membarrier(2). The barrier is the host's global one, which reaches every thread of every stub,
// and so is more than any of the commands offered here asks for. Barriers that also serialise the
// instruction stream (SYNC_CORE) or restart sequences (RSEQ) would have to be issued by a thread of
// the stub: not offered, and the query says so.

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pkg/sentry/syscalls/handlers.h"

namespace cvisor::syscalls {
namespace {

constexpr int kGetRegistrations = 1 << 9;  // MEMBARRIER_CMD_GET_REGISTRATIONS, since Linux 6.3
constexpr int kSupported = MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED |
                           MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED |
                           MEMBARRIER_CMD_PRIVATE_EXPEDITED |
                           MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED | kGetRegistrations;

Result<uint64_t> HostBarrier() {
  if (::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) != 0) return HostErrno();
  return 0;
}

}  // namespace

Result<uint64_t> Membarrier(Task& t, const SyscallArgs& a) {
  const int command = a[0].As<int>();
  // The one flag there is belongs to a command that is not offered.
  if (a[1].As<uint32_t>() != 0) return Errno::kEINVAL;
  std::atomic<int>& registrations = t.mm().membarrier_registrations;
  switch (command) {
    case MEMBARRIER_CMD_QUERY:
      return kSupported;
    case MEMBARRIER_CMD_GLOBAL:
    case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
      return HostBarrier();
    case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
      registrations.fetch_or(command);
      return 0;
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
      if ((registrations.load() & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0) {
        return Errno::kEPERM;
      }
      // A thread that is alone with its memory has nobody to order itself with.
      if (t.mm().users() == 1) return 0;
      return HostBarrier();
    case kGetRegistrations:
      return static_cast<uint64_t>(registrations.load());
    default:
      return Errno::kEINVAL;
  }
}

}  // namespace cvisor::syscalls
