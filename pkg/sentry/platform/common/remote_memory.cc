// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/common/remote_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <string>

namespace cvisor::platform {
namespace {

Result<size_t> CopyResult(ssize_t n) {
  if (n > 0) return static_cast<size_t>(n);
  if (n < 0 && errno == ENOMEM) return Errno::kENOMEM;
  return n < 0 && errno == ESRCH ? Errno::kESRCH : Errno::kEFAULT;
}

}  // namespace

size_t RemoteMemory::ClampWrite(UserAddr addr, size_t length) const {
  if (addr < min_ || addr >= max_) return 0;
  return std::min<uint64_t>(length, max_ - addr);
}

size_t RemoteMemory::ClampRead(UserAddr addr, size_t length) const {
  if (addr >= vdso_.vdso_start && addr < vdso_.vdso_end) {
    return std::min<uint64_t>(length, vdso_.vdso_end - addr);
  }
  return ClampWrite(addr, length);
}

Result<size_t> RemoteMemory::CopyIn(UserAddr src, std::span<std::byte> dst) const {
  if (dst.empty()) return size_t{0};
  const size_t n = ClampRead(src, dst.size());
  if (n == 0) return Errno::kEFAULT;
  iovec local{dst.data(), n};
  iovec remote{reinterpret_cast<void*>(src), n};
  return CopyResult(process_vm_readv(pid_, &local, 1, &remote, 1, 0));
}

Result<size_t> RemoteMemory::CopyOut(UserAddr dst, std::span<const std::byte> src) const {
  if (src.empty()) return size_t{0};
  const size_t n = ClampWrite(dst, src.size());
  if (n == 0) return Errno::kEFAULT;
  iovec local{const_cast<std::byte*>(src.data()), n};
  iovec remote{reinterpret_cast<void*>(dst), n};
  return CopyResult(process_vm_writev(pid_, &local, 1, &remote, 1, 0));
}

int RemoteMemory::MemFd() {
  MutexLock lock(mu_);
  if (!mem_fd_.valid()) {
    mem_fd_ = proc_.OpenFile(std::to_string(pid_) + "/mem", O_RDWR | O_CLOEXEC);
  }
  return mem_fd_.get();
}

Result<size_t> RemoteMemory::ForceCopyIn(UserAddr src, std::span<std::byte> dst) {
  if (dst.empty()) return size_t{0};
  const size_t n = ClampRead(src, dst.size());
  if (n == 0) return Errno::kEFAULT;
  const int fd = MemFd();
  if (fd < 0) return CopyIn(src, dst);
  const ssize_t r = pread(fd, dst.data(), n, static_cast<off_t>(src));
  if (r == 0) return Errno::kESRCH;  // No memory is left.
  return CopyResult(r);
}

Result<size_t> RemoteMemory::ForceCopyOut(UserAddr dst, std::span<const std::byte> src) {
  if (src.empty()) return size_t{0};
  const size_t n = ClampWrite(dst, src.size());
  if (n == 0) return Errno::kEFAULT;
  const int fd = MemFd();
  if (fd < 0) return CopyOut(dst, src);
  const ssize_t r = pwrite(fd, src.data(), n, static_cast<off_t>(dst));
  if (r == 0) return Errno::kESRCH;
  return CopyResult(r);
}

Status RemoteMemory::ForceWrite(UserAddr dst, std::span<const std::byte> src) {
  const int fd = MemFd();
  if (fd < 0) return Errno::kESRCH;
  const ssize_t r = pwrite(fd, src.data(), src.size(), static_cast<off_t>(dst));
  return r == static_cast<ssize_t>(src.size()) ? OkStatus() : Status(Errno::kEFAULT);
}

Result<uint32_t> RemoteMemory::Load32(UserAddr addr) const {
  if (addr % sizeof(uint32_t) != 0) return Errno::kEINVAL;
  uint32_t value = 0;
  ASSIGN_OR_RETURN(const size_t n, CopyIn(addr, std::as_writable_bytes(std::span(&value, 1))));
  if (n != sizeof(value)) return Errno::kEFAULT;
  return value;
}

}  // namespace cvisor::platform
