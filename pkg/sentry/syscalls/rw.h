// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// What read(2) and write(2) and their relatives share: RWF_* flags, waiting, partial transfers.

#ifndef CVISOR_PKG_SENTRY_SYSCALLS_RW_H_
#define CVISOR_PKG_SENTRY_SYSCALLS_RW_H_

#include <optional>

#include "pkg/base/io.h"
#include "pkg/sentry/syscalls/helpers.h"

namespace cvisor::syscalls {

// Where a transfer takes place: at an offset, or at the file's position.
using Offset = std::optional<uint64_t>;

// preadv2(2)'s flags for this file. EOPNOTSUPP, EINVAL.
Status CheckRwFlags(const FileDescription& file, int rwf, bool write);

// One read or write of an open file in the direction it allows: waits if the file is in blocking mode,
// raises SIGPIPE and SIGXFSZ, tells inotify. The result is what the system call returns.
Result<uint64_t> ReadFile(Task& t, FileDescription& file, IoSink& dst, Offset offset, int rwf = 0);
Result<uint64_t> WriteFile(Task& t, FileDescription& file, IoSource& src, Offset offset,
                           int rwf = 0);

// EINVAL for a negative offset or one where offset + count is not an offset any more.
Status CheckOffset(int64_t offset, uint64_t count);

}  // namespace cvisor::syscalls

#endif  // CVISOR_PKG_SENTRY_SYSCALLS_RW_H_
