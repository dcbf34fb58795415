// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// lseek(2), posix_fadvise(2), readahead(2).

#include <fcntl.h>
#include <unistd.h>

#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"

namespace cvisor::syscalls {

Result<uint64_t> Lseek(Task& t, const SyscallArgs& a) {
  const auto whence = a[2].As<uint32_t>();
  ASSIGN_OR_RETURN(auto file, t.GetFile(a[0].As<int>()));
  if (whence > SEEK_HOLE) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const int64_t at, file->Seek(a[1].As<int64_t>(), static_cast<int>(whence)));
  return static_cast<uint64_t>(at);
}

// The host decides what its page cache keeps; what is left is the check of the arguments.
Result<uint64_t> Fadvise64(Task& t, const SyscallArgs& a) {
  const auto length = a[2].As<int64_t>();
  const auto advice = a[3].As<int>();
  ASSIGN_OR_RETURN(auto file, t.GetFile(a[0].As<int>()));
  if (S_ISFIFO(file->inode().type())) return Errno::kESPIPE;
  if (length < 0) return Errno::kEINVAL;
  if (advice < POSIX_FADV_NORMAL || advice > POSIX_FADV_NOREUSE) return Errno::kEINVAL;
  return 0;
}

Result<uint64_t> Readahead(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto file, GetReadable(t, a[0].As<int>()));
  if (!S_ISREG(file->inode().type())) return Errno::kEINVAL;
  return 0;
}

}  // namespace cvisor::syscalls
