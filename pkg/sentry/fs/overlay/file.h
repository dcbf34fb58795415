// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Open files and directories of the overlay. They hold descriptions of the real files.

#ifndef CVISOR_PKG_SENTRY_FS_OVERLAY_FILE_H_
#define CVISOR_PKG_SENTRY_FS_OVERLAY_FILE_H_

#include <atomic>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/sentry/fs/overlay/inode.h"
#include "pkg/sentry/vfs/file_description.h"

namespace cvisor::fs::overlay {

// Uses the lower file until the file is copied up, by this description's first write or by anybody, and
// the upper one from then on. Keeps the position itself.
class OverlayFile final : public vfs::FileDescription {
 public:
  static Result<Ref<vfs::FileDescription>> New(const vfs::Path& path, int flags,
                                               Ref<OverlayInode> inode);
  OverlayFile(vfs::Path path, int flags, Ref<OverlayInode> inode)
      : vfs::FileDescription(std::move(path), flags), inode_(std::move(inode)) {}

  Status SetFlags(int flags) override;
  Result<size_t> Pread(IoSink& dst, uint64_t offset, vfs::IoFlags flags) override;
  Result<size_t> Pwrite(IoSource& src, uint64_t offset, vfs::IoFlags flags) override;
  Result<size_t> Append(IoSource& src, uint64_t* end, vfs::IoFlags flags) override;
  Result<int64_t> Seek(int64_t offset, int whence) override;
  bool seekable() const override { return true; }
  Result<uint64_t> Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) override;
  Status Mmap(mm::MmapOptions* opts) override;
  Status Fsync(bool data_only) override;
  Status Allocate(int mode, uint64_t offset, uint64_t length) override;
  Status Truncate(uint64_t size) override;
  Result<vfs::Attr> GetAttr() override { return inode_->GetAttr(); }

 private:
  // The real description to use now.
  Result<vfs::FileDescription*> Real();
  Result<vfs::FileDescription*> RealForWrite();

  const Ref<OverlayInode> inode_;
  std::atomic<vfs::FileDescription*> lower_now_{nullptr};
  std::atomic<vfs::FileDescription*> upper_now_{nullptr};
  Mutex mu_;
  // Kept until the end: another thread may be using what current pointers no longer name.
  Ref<vfs::FileDescription> lower_ ABSL_GUARDED_BY(mu_), upper_ ABSL_GUARDED_BY(mu_);
};

// A directory with one layer passes that layer's entries on, with its positions. A merged one makes a
// snapshot when it is first read and after each rewind; positions are numbers in it.
class OverlayDirectory final : public vfs::FileDescription {
 public:
  OverlayDirectory(vfs::Path path, int flags, Ref<OverlayInode> inode)
      : vfs::FileDescription(std::move(path), flags), inode_(std::move(inode)) {}

  Status IterateDir(vfs::DirSink& sink) override;
  Result<int64_t> Seek(int64_t offset, int whence) override;
  bool seekable() const override { return true; }
  Result<size_t> Read(IoSink&, vfs::IoFlags) override { return Errno::kEISDIR; }
  Result<size_t> Pread(IoSink&, uint64_t, vfs::IoFlags) override { return Errno::kEISDIR; }
  Status Fsync(bool data_only) override;
  Result<vfs::Attr> GetAttr() override { return inode_->GetAttr(); }

 private:
  Status Prepare();
  ino_t ParentIno();

  const Ref<OverlayInode> inode_;
  // All guarded by position_mutex().
  bool prepared_ = false;
  Ref<vfs::FileDescription> single_;  // or else:
  std::vector<OverlayInode::Entry> snapshot_;
};

}  // namespace cvisor::fs::overlay

#endif  // CVISOR_PKG_SENTRY_FS_OVERLAY_FILE_H_
