// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// RemoteMemory: copies to and from the memory of a stub process, for the application's addresses only.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_COMMON_REMOTE_MEMORY_H_
#define CVISOR_PKG_SENTRY_PLATFORM_COMMON_REMOTE_MEMORY_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "pkg/base/mutex.h"
#include "pkg/base/result.h"
#include "pkg/base/unique_fd.h"
#include "pkg/sentry/platform/common/host_proc.h"
#include "pkg/sentry/platform/platform.h"

namespace cvisor::platform {

// The methods are AddressSpace's of the same names (any thread). The caller answers for `pid` being
// that process: it must not be reaped while it may be asked.
class RemoteMemory {
 public:
  RemoteMemory(const HostProc& proc, pid_t pid, UserAddr min, UserAddr max,
               const Platform::Vdso& vdso)
      : proc_(proc), pid_(pid), min_(min), max_(max), vdso_(vdso) {}

  Result<size_t> CopyIn(UserAddr src, std::span<std::byte> dst) const;
  Result<size_t> CopyOut(UserAddr dst, std::span<const std::byte> src) const;
  Result<size_t> ForceCopyIn(UserAddr src, std::span<std::byte> dst);
  Result<size_t> ForceCopyOut(UserAddr dst, std::span<const std::byte> src);
  Result<uint32_t> Load32(UserAddr addr) const;

  // Writes all of `src` anywhere in the process, ignoring page permissions. EFAULT, ESRCH.
  Status ForceWrite(UserAddr dst, std::span<const std::byte> src);

 private:
  // How many of `length` bytes at addr may be read or written.
  size_t ClampRead(UserAddr addr, size_t length) const;
  size_t ClampWrite(UserAddr addr, size_t length) const;
  // Descriptor of /proc/pid/mem, or -1.
  int MemFd();

  const HostProc& proc_;
  const pid_t pid_;
  const UserAddr min_, max_;
  const Platform::Vdso vdso_;

  Mutex mu_;
  UniqueFd mem_fd_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cvisor::platform

#endif  // CVISOR_PKG_SENTRY_PLATFORM_COMMON_REMOTE_MEMORY_H_
