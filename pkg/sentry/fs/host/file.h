// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Open regular files and directories of a host tree.

#ifndef CVISOR_PKG_SENTRY_FS_HOST_FILE_H_
#define CVISOR_PKG_SENTRY_FS_HOST_FILE_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "pkg/base/io.h"
#include "pkg/sentry/fs/host/inode.h"
#include "pkg/sentry/vfs/file_description.h"

namespace cvisor::fs::host {

// This thread's buffer between host descriptors and application memory. Not to be held across calls
// that may use it themselves (IoSink and IoSource never do).
std::span<std::byte> ThreadIoBuffer();

// pread(2)/pwrite(2) loops between `fd` and a sink or source. `rwf` has RWF_* flags. A negative offset
// means the descriptor's own position.
Result<size_t> ReadHostFd(int fd, IoSink& dst, int64_t offset, int rwf);
Result<size_t> WriteHostFd(int fd, IoSource& src, int64_t offset, int rwf);

// O_DIRECT is accepted and has no effect on how data moves. O_SYNC and O_DSYNC are passed on with each
// write.
class HostFile final : public vfs::FileDescription {
 public:
  // `read` and `write` as the access mode needs them; `write` counts as one GetWriteFd().
  HostFile(vfs::Path path, int flags, Ref<HostInode> inode, Ref<SharedFd> read,
           Ref<SharedFd> write);
  ~HostFile() override;

  Result<size_t> Pread(IoSink& dst, uint64_t offset, vfs::IoFlags flags) override;
  Result<size_t> Pwrite(IoSource& src, uint64_t offset, vfs::IoFlags flags) override;
  Result<size_t> Append(IoSource& src, uint64_t* end, vfs::IoFlags flags) override;
  Result<int64_t> Seek(int64_t offset, int whence) override;
  bool seekable() const override { return true; }
  Status Mmap(mm::MmapOptions* opts) override;
  Status Fsync(bool data_only) override;
  Status Allocate(int mode, uint64_t offset, uint64_t length) override;
  Status Truncate(uint64_t size) override;
  Result<vfs::Attr> GetAttr() override { return host_->GetAttr(); }

 private:
  int any_fd() const { return read_ != nullptr ? read_->get() : write_->get(); }
  int WriteRwf(vfs::IoFlags flags) const;

  const Ref<HostInode> host_;
  const Ref<SharedFd> read_, write_;
};

// Positions are the host's own (d_off), so that telldir(3) and seekdir(3) hold as well as on the host.
class HostDirectory final : public vfs::FileDescription {
 public:
  HostDirectory(vfs::Path path, int flags, Ref<HostInode> inode)
      : vfs::FileDescription(std::move(path), flags), host_(std::move(inode)) {}

  Status IterateDir(vfs::DirSink& sink) override;
  Result<int64_t> Seek(int64_t offset, int whence) override;
  bool seekable() const override { return true; }
  Result<size_t> Read(IoSink&, vfs::IoFlags) override { return Errno::kEISDIR; }
  Result<size_t> Pread(IoSink&, uint64_t, vfs::IoFlags) override { return Errno::kEISDIR; }
  Status Fsync(bool data_only) override;
  Result<vfs::Attr> GetAttr() override { return host_->GetAttr(); }

 private:
  Status Fill(int64_t position);

  const Ref<HostInode> host_;
  // What the host returned last; guarded by position_mutex(). Entries from at_ on follow position
  // next_.
  std::vector<char> buffer_;
  size_t filled_ = 0;
  size_t at_ = 0;
  int64_t next_ = -1;
};

}  // namespace cvisor::fs::host

#endif  // CVISOR_PKG_SENTRY_FS_HOST_FILE_H_
