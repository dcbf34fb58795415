// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// read(2), readv(2), pread(2), preadv(2), preadv2(2).

#include <algorithm>

#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/rw.h"

namespace cvisor::syscalls {
namespace {

Result<uint64_t> ReadBuffer(Task& t, FileDescription& file, UserAddr addr, uint64_t size,
                            Offset offset) {
  RETURN_IF_ERROR(CheckUserRange(addr, size));
  if (offset) RETURN_IF_ERROR(CheckOffset(static_cast<int64_t>(*offset), size));
  mm::UserSink dst(t.mm(), addr, std::min(size, kMaxRwCount));
  return ReadFile(t, file, dst, offset);
}

Result<uint64_t> ReadVector(Task& t, FileDescription& file, UserAddr iov, uint64_t count,
                            Offset offset, int rwf) {
  ASSIGN_OR_RETURN(auto iovecs, t.mm().CopyInIovecs(iov, count));
  mm::UserSink dst(t.mm(), std::move(iovecs));
  if (dst.remaining() == 0) return 0;
  if (offset) RETURN_IF_ERROR(CheckOffset(static_cast<int64_t>(*offset), dst.remaining()));
  RETURN_IF_ERROR(CheckRwFlags(file, rwf, /*write=*/false));
  return ReadFile(t, file, dst, offset, rwf);
}

// For calls with an offset: ESPIPE comes before EBADF for the wrong access mode.
Result<Ref<FileDescription>> GetSeekableReadable(Task& t, int fd, int64_t offset) {
  if (offset < 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(auto file, t.GetFile(fd));
  if (!file->readable()) return file->seekable() ? Errno::kEBADF : Errno::kESPIPE;
  return file;
}

}  // namespace

Result<uint64_t> Read(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto file, GetReadable(t, a[0].As<int>()));
  return ReadBuffer(t, *file, a[1].As<UserAddr>(), a[2].As<uint64_t>(), std::nullopt);
}

Result<uint64_t> Pread64(Task& t, const SyscallArgs& a) {
  const auto offset = a[3].As<int64_t>();
  ASSIGN_OR_RETURN(auto file, GetSeekableReadable(t, a[0].As<int>(), offset));
  return ReadBuffer(t, *file, a[1].As<UserAddr>(), a[2].As<uint64_t>(), offset);
}

Result<uint64_t> Readv(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto file, GetReadable(t, a[0].As<int>()));
  return ReadVector(t, *file, a[1].As<UserAddr>(), a[2].As<uint64_t>(), std::nullopt, 0);
}

Result<uint64_t> Preadv(Task& t, const SyscallArgs& a) {
  const auto offset = a[3].As<int64_t>();
  ASSIGN_OR_RETURN(auto file, GetSeekableReadable(t, a[0].As<int>(), offset));
  return ReadVector(t, *file, a[1].As<UserAddr>(), a[2].As<uint64_t>(), offset, 0);
}

Result<uint64_t> Preadv2(Task& t, const SyscallArgs& a) {
  const auto offset = a[3].As<int64_t>();
  const auto rwf = a[5].As<int>();
  if (offset == -1) {
    ASSIGN_OR_RETURN(auto file, GetReadable(t, a[0].As<int>()));
    return ReadVector(t, *file, a[1].As<UserAddr>(), a[2].As<uint64_t>(), std::nullopt, rwf);
  }
  ASSIGN_OR_RETURN(auto file, GetSeekableReadable(t, a[0].As<int>(), offset));
  return ReadVector(t, *file, a[1].As<UserAddr>(), a[2].As<uint64_t>(), offset, rwf);
}

}  // namespace cvisor::syscalls
