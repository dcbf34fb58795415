// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// process_vm_readv(2) and process_vm_writev(2).

#include <algorithm>
#include <array>

#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/pid_namespace.h"
#include "pkg/sentry/kernel/trace.h"
#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"

namespace cvisor::syscalls {
namespace {

Result<Ref<mm::MemoryManager>> TargetMemory(Task& t, pid_t pid) {
  Ref<Task> target;
  {
    MutexLock lock(t.kernel().task_mutex());
    Task* found = t.pid_ns().FindTask(pid);
    if (found == nullptr) return Errno::kESRCH;
    target = Ref<Task>(found);
  }
  auto memory = target->MmRef();
  if (memory == nullptr) return Errno::kESRCH;
  if (!kernel::Tracing::MayAccess(t, *target, /*fs_ids=*/false)) return Errno::kEPERM;
  return memory;
}

// Copies between two lists of ranges; stops at the first fault.
Result<uint64_t> CopyAcross(mm::MemoryManager& from_mm, std::vector<iovec> from,
                            mm::MemoryManager& to_mm, std::vector<iovec> to) {
  mm::UserSource src(from_mm, std::move(from));
  mm::UserSink dst(to_mm, std::move(to));
  std::array<std::byte, 16384> buffer;
  uint64_t total = 0;
  while (src.remaining() != 0 && dst.remaining() != 0) {
    const size_t n = std::min({buffer.size(), src.remaining(), dst.remaining()});
    auto got = src.Read(std::span(buffer).first(n));
    if (!got.ok()) return total != 0 ? Result<uint64_t>(total) : got.error();
    auto put = dst.Write(std::span(buffer).first(*got));
    if (!put.ok()) return total != 0 ? Result<uint64_t>(total) : put.error();
    total += *put;
    if (*got < n || *put < *got) break;
  }
  return total;
}

Result<uint64_t> Transfer(Task& t, const SyscallArgs& a, bool write) {
  if (a[5].raw != 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(auto local, t.mm().CopyInIovecs(a[1].As<UserAddr>(), a[2].As<uint64_t>()));
  ASSIGN_OR_RETURN(auto remote, t.mm().CopyInIovecs(a[3].As<UserAddr>(), a[4].As<uint64_t>()));
  ASSIGN_OR_RETURN(auto memory, TargetMemory(t, a[0].As<pid_t>()));
  return write ? CopyAcross(t.mm(), std::move(local), *memory, std::move(remote))
               : CopyAcross(*memory, std::move(remote), t.mm(), std::move(local));
}

}  // namespace

Result<uint64_t> ProcessVmReadv(Task& t, const SyscallArgs& a) {
  return Transfer(t, a, /*write=*/false);
}

Result<uint64_t> ProcessVmWritev(Task& t, const SyscallArgs& a) {
  return Transfer(t, a, /*write=*/true);
}

}  // namespace cvisor::syscalls
