// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// TmpfsFileDescription: an open tmpfs file or memfd.

#ifndef CVISOR_PKG_SENTRY_FS_TMPFS_DESCRIPTION_H_
#define CVISOR_PKG_SENTRY_FS_TMPFS_DESCRIPTION_H_

#include "pkg/sentry/fs/tmpfs/inode.h"
#include "pkg/sentry/vfs/file_description.h"

namespace cvisor::fs::tmpfs {

class TmpfsFileDescription : public vfs::FileDescription {
 public:
  // `drops_privileges`: the opener lacks CAP_FSETID, so writes clear set-user-ID bits.
  TmpfsFileDescription(Ref<TmpfsFile> file, const vfs::Path& path, int flags,
                       bool drops_privileges);

  TmpfsFile& file() const { return *file_; }

  Result<size_t> Pread(IoSink& dst, uint64_t offset, vfs::IoFlags flags) override;
  Result<size_t> Pwrite(IoSource& src, uint64_t offset, vfs::IoFlags flags) override;
  Result<size_t> Append(IoSource& src, uint64_t* end, vfs::IoFlags flags) override;
  Result<int64_t> Seek(int64_t offset, int whence) override;
  bool seekable() const override { return true; }
  Status Mmap(mm::MmapOptions* opts) override;
  Status Fsync(bool) override { return OkStatus(); }
  Status Allocate(int mode, uint64_t offset, uint64_t length) override;
  Status Truncate(uint64_t size) override;

 private:
  Result<size_t> WriteAt(IoSource& src, uint64_t offset, bool append, uint64_t* end);

  const Ref<TmpfsFile> file_;
  const bool drops_privileges_;
};

}  // namespace cvisor::fs::tmpfs

#endif  // CVISOR_PKG_SENTRY_FS_TMPFS_DESCRIPTION_H_
