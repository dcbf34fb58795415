// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// write(2), writev(2), pwrite(2), pwritev(2), pwritev2(2).

#include <algorithm>

#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/rw.h"

namespace cvisor::syscalls {
namespace {

Result<uint64_t> WriteBuffer(Task& t, FileDescription& file, UserAddr addr, uint64_t size,
                            Offset offset) {
  RETURN_IF_ERROR(CheckUserRange(addr, size));
  if (offset) RETURN_IF_ERROR(CheckOffset(static_cast<int64_t>(*offset), size));
  mm::UserSource src(t.mm(), addr, std::min(size, kMaxRwCount));
  return WriteFile(t, file, src, offset);
}

Result<uint64_t> WriteVector(Task& t, FileDescription& file, UserAddr iov, uint64_t count,
                            Offset offset, int rwf) {
  ASSIGN_OR_RETURN(auto iovecs, t.mm().CopyInIovecs(iov, count));
  mm::UserSource src(t.mm(), std::move(iovecs));
  if (src.remaining() == 0) return 0;
  if (offset) RETURN_IF_ERROR(CheckOffset(static_cast<int64_t>(*offset), src.remaining()));
  RETURN_IF_ERROR(CheckRwFlags(file, rwf, /*write=*/true));
  return WriteFile(t, file, src, offset, rwf);
}

// For calls with an offset: ESPIPE comes before EBADF for the wrong access mode.
Result<Ref<FileDescription>> GetSeekableWritable(Task& t, int fd, int64_t offset) {
  if (offset < 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(auto file, t.GetFile(fd));
  if (!file->writable()) return file->seekable() ? Errno::kEBADF : Errno::kESPIPE;
  return file;
}

}  // namespace

Result<uint64_t> Write(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto file, GetWritable(t, a[0].As<int>()));
  return WriteBuffer(t, *file, a[1].As<UserAddr>(), a[2].As<uint64_t>(), std::nullopt);
}

Result<uint64_t> Pwrite64(Task& t, const SyscallArgs& a) {
  const auto offset = a[3].As<int64_t>();
  ASSIGN_OR_RETURN(auto file, GetSeekableWritable(t, a[0].As<int>(), offset));
  return WriteBuffer(t, *file, a[1].As<UserAddr>(), a[2].As<uint64_t>(), offset);
}

Result<uint64_t> Writev(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto file, GetWritable(t, a[0].As<int>()));
  return WriteVector(t, *file, a[1].As<UserAddr>(), a[2].As<uint64_t>(), std::nullopt, 0);
}

Result<uint64_t> Pwritev(Task& t, const SyscallArgs& a) {
  const auto offset = a[3].As<int64_t>();
  ASSIGN_OR_RETURN(auto file, GetSeekableWritable(t, a[0].As<int>(), offset));
  return WriteVector(t, *file, a[1].As<UserAddr>(), a[2].As<uint64_t>(), offset, 0);
}

Result<uint64_t> Pwritev2(Task& t, const SyscallArgs& a) {
  const auto offset = a[3].As<int64_t>();
  const auto rwf = a[5].As<int>();
  if (offset == -1) {
    ASSIGN_OR_RETURN(auto file, GetWritable(t, a[0].As<int>()));
    return WriteVector(t, *file, a[1].As<UserAddr>(), a[2].As<uint64_t>(), std::nullopt, rwf);
  }
  ASSIGN_OR_RETURN(auto file, GetSeekableWritable(t, a[0].As<int>(), offset));
  return WriteVector(t, *file, a[1].As<UserAddr>(), a[2].As<uint64_t>(), offset, rwf);
}

}  // namespace cvisor::syscalls
