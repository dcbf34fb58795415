// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Open tmpfs files and directories.

#include <linux/falloc.h>
#include <sys/mman.h>

#include <utility>

#include "pkg/sentry/fs/tmpfs/description.h"
#include "pkg/sentry/mm/memory_manager.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace cvisor::fs::tmpfs {

using vfs::FileDescription;
using vfs::IoFlags;
using vfs::Path;

TmpfsFileDescription::TmpfsFileDescription(Ref<TmpfsFile> file, const Path& path, int flags,
                                           bool drops_privileges)
    : FileDescription(path, flags), file_(std::move(file)), drops_privileges_(drops_privileges) {}

Result<size_t> TmpfsFileDescription::Pread(IoSink& dst, uint64_t offset, IoFlags) {
  ASSIGN_OR_RETURN(const size_t n, file_->contents()->Read(dst, offset));
  file_->TouchAccess(*this);
  return n;
}

Result<size_t> TmpfsFileDescription::Pwrite(IoSource& src, uint64_t offset, IoFlags flags) {
  uint64_t end;
  return WriteAt(src, offset, AppendsNow(flags), &end);
}

Result<size_t> TmpfsFileDescription::Append(IoSource& src, uint64_t* end, IoFlags) {
  return WriteAt(src, 0, true, end);
}

Result<size_t> TmpfsFileDescription::WriteAt(IoSource& src, uint64_t offset, bool append,
                                             uint64_t* end) {
  if (src.remaining() != 0) {
    if (drops_privileges_) file_->DropPrivileges();
    file_->DropFileCaps();
  }
  ASSIGN_OR_RETURN(const size_t n, file_->contents()->Write(src, offset, append, end));
  if (n != 0) file_->TouchModified();
  return n;
}

Result<int64_t> TmpfsFileDescription::Seek(int64_t offset, int whence) {
  const uint64_t size = file_->contents()->size();
  if (whence != SEEK_DATA && whence != SEEK_HOLE) return SeekRegular(offset, whence, size);
  if (offset < 0) return Errno::kENXIO;
  ASSIGN_OR_RETURN(const uint64_t to, file_->contents()->SeekDataOrHole(
                                          static_cast<uint64_t>(offset), whence == SEEK_DATA));
  return SeekRegular(static_cast<int64_t>(to), SEEK_SET, size);
}

Status TmpfsFileDescription::Mmap(mm::MmapOptions* opts) {
  if (file_->contents()->seals() & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) {
    if ((opts->flags & MAP_TYPE) != MAP_PRIVATE) {
      if (opts->prot & PROT_WRITE) return Errno::kEPERM;
      opts->max_prot &= ~PROT_WRITE;
    }
  }
  opts->mappable = file_->contents();
  file_->TouchAccess(*this);
  return OkStatus();
}

Status TmpfsFileDescription::Allocate(int mode, uint64_t offset, uint64_t length) {
  RETURN_IF_ERROR(file_->contents()->Allocate(mode, offset, length));
  if (drops_privileges_) file_->DropPrivileges();
  file_->DropFileCaps();
  file_->TouchModified();
  return OkStatus();
}

Status TmpfsFileDescription::Truncate(uint64_t size) {
  vfs::SetAttr set;
  set.valid = vfs::SetAttr::kSize;
  set.size = size;
  RETURN_IF_ERROR(file_->SetAttributes(set));
  if (drops_privileges_) file_->DropPrivileges();
  return OkStatus();
}

Result<Ref<FileDescription>> TmpfsFile::Open(const Path& path, int flags,
                                             const Credentials& creds) {
  return Ref<FileDescription>(MakeRef<TmpfsFileDescription>(
      Ref<TmpfsFile>(this), path, flags, !creds.HasCap(CAP_FSETID)));
}

namespace {

class TmpfsDirDescription : public FileDescription {
 public:
  TmpfsDirDescription(Ref<TmpfsDir> dir, const Path& path, int flags)
      : FileDescription(path, flags), dir_(std::move(dir)) {}

  Result<size_t> Read(IoSink&, IoFlags) override { return Errno::kEISDIR; }
  Result<size_t> Pread(IoSink&, uint64_t, IoFlags) override { return Errno::kEISDIR; }
  Status Fsync(bool) override { return OkStatus(); }

  Result<int64_t> Seek(int64_t offset, int whence) override {
    if (whence != SEEK_SET && whence != SEEK_CUR) return Errno::kEINVAL;
    return SeekRegular(offset, whence, 0);
  }

  Status IterateDir(vfs::DirSink& sink) override {
    MutexLock lock(position_mutex());
    auto add = [&](std::string_view name, ino_t ino, mode_t type, uint64_t next) {
      if (!sink.Add({name, ino, vfs::DirTypeOfMode(type), static_cast<int64_t>(next)})) {
        return false;
      }
      set_position(static_cast<int64_t>(next));
      return true;
    };
    if (position() == 0) {
      dir_->TouchAccess(*this);
      if (!add(".", dir_->ino(), S_IFDIR, 1)) return OkStatus();
    }
    if (position() == 1 && !add("..", ParentIno(), S_IFDIR, 2)) return OkStatus();
    constexpr size_t kBatch = 128;
    while (true) {
      std::vector<TmpfsDir::Listed> batch;
      dir_->List(static_cast<uint64_t>(position()), kBatch, &batch);
      if (batch.empty()) return OkStatus();
      for (const auto& e : batch) {
        if (!add(e.name, e.inode->ino(), e.inode->type(), e.cookie + 1)) return OkStatus();
      }
    }
  }

 private:
  ino_t ParentIno() const {
    Ref<vfs::Dentry> parent = path().dentry->parent();
    if (parent == nullptr) return dir_->ino();
    auto attr = parent->inode()->GetAttr();
    return attr.ok() ? attr->ino : dir_->ino();
  }

  const Ref<TmpfsDir> dir_;
};

}  // namespace

Result<Ref<FileDescription>> TmpfsDir::Open(const Path& path, int flags, const Credentials&) {
  return Ref<FileDescription>(MakeRef<TmpfsDirDescription>(Ref<TmpfsDir>(this), path, flags));
}

}  // namespace cvisor::fs::tmpfs
