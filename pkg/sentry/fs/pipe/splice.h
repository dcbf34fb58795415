// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// splice(2) and tee(2) once their arguments are checked. (vmsplice(2) is a plain Read or Write of
// the pipe with application memory.)
//
// Nothing waits. EAGAIN: either the source has nothing or the target no room; Readiness() of the
// two says which one to wait for. The caller has checked access modes, and EINVAL for O_APPEND
// targets.

#ifndef CVISOR_PKG_SENTRY_FS_PIPE_SPLICE_H_
#define CVISOR_PKG_SENTRY_FS_PIPE_SPLICE_H_

#include <cstdint>

#include "pkg/base/result.h"
#include "pkg/sentry/fs/pipe/pipe.h"
#include "pkg/sentry/vfs/file_description.h"

namespace cvisor::fs::pipe {

// The pipe behind a description; null if it is none.
Pipe* PipeOf(vfs::FileDescription& file);

// splice(2) in full: one of the two is a pipe (EINVAL), or both. Offsets belong to the side that is
// no pipe (ESPIPE otherwise) and are moved on; null: the file's position.
Result<size_t> Splice(vfs::FileDescription& in, int64_t* in_offset, vfs::FileDescription& out,
                      int64_t* out_offset, size_t length);

// The three cases.
Result<size_t> SpliceToPipe(vfs::FileDescription& in, int64_t* offset, Pipe& out, size_t length);
Result<size_t> SpliceFromPipe(Pipe& in, vfs::FileDescription& out, int64_t* offset, size_t length);
Result<size_t> SplicePipes(Pipe& in, Pipe& out, size_t length);

// tee(2): copies without consuming. EINVAL if both are the same pipe.
Result<size_t> Tee(Pipe& in, Pipe& out, size_t length);

}  // namespace cvisor::fs::pipe

#endif  // CVISOR_PKG_SENTRY_FS_PIPE_SPLICE_H_
