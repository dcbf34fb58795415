// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// memfd_create(2).

#include <limits.h>
#include <sys/mman.h>

#include "pkg/sentry/fs/tmpfs/memfd.h"
#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"

namespace cvisor::syscalls {

Result<uint64_t> MemfdCreate(Task& t, const SyscallArgs& a) {
  constexpr size_t kMaxName = NAME_MAX - 6;  // "memfd:" comes in front
  const auto flags = a[1].As<uint32_t>();
  auto name = t.mm().CopyInString(a[0].As<UserAddr>(), kMaxName);
  if (!name.ok()) {
    return name.error() == Errno::kENAMETOOLONG ? Errno::kEINVAL : name.error();
  }
  ASSIGN_OR_RETURN(auto file, fs::tmpfs::NewMemfd(*name, flags & ~uint32_t{MFD_CLOEXEC}));
  return InstallFile(t, std::move(file), (flags & MFD_CLOEXEC) != 0);
}

}  // namespace cvisor::syscalls
