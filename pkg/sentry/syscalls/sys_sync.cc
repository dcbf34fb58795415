// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// fsync(2), fdatasync(2), sync(2), syncfs(2), sync_file_range(2).

#include <fcntl.h>

#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"

namespace cvisor::syscalls {

Result<uint64_t> Fsync(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto file, t.GetFile(a[0].As<int>()));
  RETURN_IF_ERROR(file->Fsync(/*data_only=*/false));
  return 0;
}

Result<uint64_t> Fdatasync(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto file, t.GetFile(a[0].As<int>()));
  RETURN_IF_ERROR(file->Fsync(/*data_only=*/true));
  return 0;
}

Result<uint64_t> Sync(Task& t, const SyscallArgs&) {
  for (const auto& info : t.fs().mount_namespace()->List(t.fs().root())) {
    (void)info.mount->fs->Sync();  // sync(2) reports no errors
  }
  return 0;
}

Result<uint64_t> Syncfs(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto file, t.GetFile(a[0].As<int>()));
  RETURN_IF_ERROR(file->inode().fs().Sync());
  return 0;
}

// Syncs more than it was asked for: all of the file's data.
Result<uint64_t> SyncFileRange(Task& t, const SyscallArgs& a) {
  const auto offset = a[1].As<int64_t>();
  const auto length = a[2].As<int64_t>();
  const auto flags = a[3].As<uint32_t>();
  constexpr uint32_t kKnown =
      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  ASSIGN_OR_RETURN(auto file, t.GetFile(a[0].As<int>()));
  if (flags & ~kKnown) return Errno::kEINVAL;
  if (offset < 0 || length < 0 || length > INT64_MAX - offset) return Errno::kEINVAL;
  const mode_t type = file->inode().type();
  if (!S_ISREG(type) && !S_ISBLK(type) && !S_ISDIR(type) && !S_ISLNK(type)) return Errno::kESPIPE;
  if (flags & (SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER)) {
    RETURN_IF_ERROR(file->Fsync(/*data_only=*/true));
  }
  return 0;
}

}  // namespace cvisor::syscalls
