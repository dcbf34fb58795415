// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/overlay/file.h"

#include <dirent.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace cvisor::fs::overlay {

// --- OverlayFile

Result<Ref<vfs::FileDescription>> OverlayFile::New(const vfs::Path& path, int flags,
                                                   Ref<OverlayInode> inode) {
  auto file = MakeRef<OverlayFile>(path, flags, std::move(inode));
  // Now, so that what the host refuses is refused by open(2) already.
  ASSIGN_OR_RETURN(auto* real, file->Real());
  (void)real;
  return Ref<vfs::FileDescription>(std::move(file));
}

Result<vfs::FileDescription*> OverlayFile::Real() {
  if (auto* up = upper_now_.load(std::memory_order_acquire); up != nullptr) return up;
  vfs::Inode* upper = inode_->upper();
  if (upper == nullptr) {
    if (auto* low = lower_now_.load(std::memory_order_acquire); low != nullptr) return low;
  }
  MutexLock lock(mu_);
  if (upper != nullptr) {
    if (upper_ == nullptr) {
      ASSIGN_OR_RETURN(upper_, upper->Open(RealPath(path().mount, *upper), flags(),
                                           OverlayCredentials()));
      upper_now_.store(upper_.get(), std::memory_order_release);
    }
    return upper_.get();
  }
  if (lower_ == nullptr) {
    vfs::Inode& lower = *inode_->lowers()[0];
    const int lower_flags = (flags() & ~(O_ACCMODE | O_APPEND)) | O_RDONLY;
    ASSIGN_OR_RETURN(lower_, lower.Open(RealPath(path().mount, lower), lower_flags,
                                        OverlayCredentials()));
    lower_now_.store(lower_.get(), std::memory_order_release);
  }
  return lower_.get();
}

Result<vfs::FileDescription*> OverlayFile::RealForWrite() {
  RETURN_IF_ERROR(inode_->CopyUp());
  return Real();
}

Status OverlayFile::SetFlags(int flags) {
  RETURN_IF_ERROR(vfs::FileDescription::SetFlags(flags));
  MutexLock lock(mu_);
  if (lower_ != nullptr) RETURN_IF_ERROR(lower_->SetFlags(flags & ~O_APPEND));
  if (upper_ != nullptr) RETURN_IF_ERROR(upper_->SetFlags(flags));
  return OkStatus();
}

Result<size_t> OverlayFile::Pread(IoSink& dst, uint64_t offset, vfs::IoFlags io) {
  ASSIGN_OR_RETURN(auto* real, Real());
  return real->Pread(dst, offset, io);
}

Result<size_t> OverlayFile::Pwrite(IoSource& src, uint64_t offset, vfs::IoFlags io) {
  ASSIGN_OR_RETURN(auto* real, RealForWrite());
  return real->Pwrite(src, offset, io);
}

Result<size_t> OverlayFile::Append(IoSource& src, uint64_t* end, vfs::IoFlags io) {
  ASSIGN_OR_RETURN(auto* real, RealForWrite());
  return real->Append(src, end, io);
}

Result<int64_t> OverlayFile::Seek(int64_t offset, int whence) {
  if (whence == SEEK_DATA || whence == SEEK_HOLE) {
    ASSIGN_OR_RETURN(auto* real, Real());
    MutexLock lock(position_mutex());
    ASSIGN_OR_RETURN(int64_t to, real->Seek(offset, whence));
    set_position(to);
    return to;
  }
  uint64_t size = 0;
  if (whence == SEEK_END) {
    ASSIGN_OR_RETURN(auto attr, inode_->GetAttr());
    size = attr.size;
  }
  return SeekRegular(offset, whence, size);
}

Result<uint64_t> OverlayFile::Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) {
  ASSIGN_OR_RETURN(auto* real, Real());
  return real->Ioctl(mm, cmd, arg);
}

Status OverlayFile::Mmap(mm::MmapOptions* opts) {
  const bool may_write_back = (opts->flags & MAP_TYPE) != MAP_PRIVATE && writable();
  ASSIGN_OR_RETURN(auto* real, may_write_back ? RealForWrite() : Real());
  return real->Mmap(opts);
}

Status OverlayFile::Fsync(bool data_only) {
  // Nothing of ours is in a lower file.
  if (inode_->upper() == nullptr) return OkStatus();
  ASSIGN_OR_RETURN(auto* real, Real());
  return real->Fsync(data_only);
}

Status OverlayFile::Allocate(int mode, uint64_t offset, uint64_t length) {
  ASSIGN_OR_RETURN(auto* real, RealForWrite());
  return real->Allocate(mode, offset, length);
}

Status OverlayFile::Truncate(uint64_t size) {
  RETURN_IF_ERROR(inode_->CopyUp(size));
  ASSIGN_OR_RETURN(auto* real, Real());
  return real->Truncate(size);
}

// --- OverlayDirectory

namespace {

// Passes one layer's entries on under the overlay's numbers.
class RenumberingSink final : public vfs::DirSink {
 public:
  RenumberingSink(vfs::DirSink& to, OverlayFileSystem& fs, bool is_upper, dev_t dev, ino_t self,
                  ino_t parent)
      : to_(to), fs_(fs), is_upper_(is_upper), dev_(dev), self_(self), parent_(parent) {}
  bool Add(const vfs::DirEntry& from) override {
    vfs::DirEntry entry = from;
    if (entry.name == ".") {
      entry.ino = self_;
    } else if (entry.name == "..") {
      entry.ino = parent_;
    } else {
      entry.ino =
          is_upper_ ? fs_.MapUpperIno(dev_, entry.ino) : fs_.MapIno(dev_, entry.ino);
    }
    return to_.Add(entry);
  }

 private:
  vfs::DirSink& to_;
  OverlayFileSystem& fs_;
  const bool is_upper_;
  const dev_t dev_;
  const ino_t self_, parent_;
};

}  // namespace

ino_t OverlayDirectory::ParentIno() {
  auto parent = path().dentry->parent();
  auto* inode = parent != nullptr ? dynamic_cast<OverlayInode*>(parent->inode().get()) : nullptr;
  return inode != nullptr ? inode->ino() : inode_->ino();
}

Status OverlayDirectory::Prepare() {
  single_ = nullptr;
  snapshot_.clear();
  if (!inode_->merged() && inode_->lowers().size() <= 1) {
    vfs::Inode& real = inode_->real();
    ASSIGN_OR_RETURN(single_, real.Open(RealPath(path().mount, real), O_RDONLY | O_DIRECTORY,
                                        OverlayCredentials()));
  } else {
    ASSIGN_OR_RETURN(snapshot_, inode_->ListMerged());
    snapshot_.insert(snapshot_.begin(), {OverlayInode::Entry{".", inode_->ino(), DT_DIR},
                                         OverlayInode::Entry{"..", ParentIno(), DT_DIR}});
  }
  prepared_ = true;
  return OkStatus();
}

Status OverlayDirectory::IterateDir(vfs::DirSink& sink) {
  MutexLock lock(position_mutex());
  if (!prepared_) {
    RETURN_IF_ERROR(Prepare());
    if (single_ != nullptr && position() != 0) {
      ASSIGN_OR_RETURN(auto to, single_->Seek(position(), SEEK_SET));
      (void)to;
    }
  }
  if (single_ != nullptr) {
    ASSIGN_OR_RETURN(auto attr, single_->GetAttr());
    RenumberingSink renumbering(sink, inode_->overlay_fs(),
                                attr.dev == inode_->overlay_fs().upper_dev(), attr.dev,
                                inode_->ino(), ParentIno());
    Status status = single_->IterateDir(renumbering);
    set_position(single_->position());
    return status;
  }
  for (auto at = static_cast<size_t>(position()); at < snapshot_.size(); ++at) {
    const OverlayInode::Entry& from = snapshot_[at];
    vfs::DirEntry entry;
    entry.name = from.name;
    entry.ino = from.ino;
    entry.type = from.type;
    entry.next = static_cast<int64_t>(at + 1);
    if (!sink.Add(entry)) break;
    set_position(entry.next);
  }
  return OkStatus();
}

Result<int64_t> OverlayDirectory::Seek(int64_t offset, int whence) {
  MutexLock lock(position_mutex());
  int64_t to = offset;
  if (whence == SEEK_CUR) {
    if (__builtin_add_overflow(position(), offset, &to)) return Errno::kEINVAL;
  } else if (whence != SEEK_SET) {
    return Errno::kEINVAL;
  }
  if (to < 0) return Errno::kEINVAL;
  if (to == 0) {
    prepared_ = false;  // rewinddir(3) shows what is new
  } else if (prepared_ && single_ != nullptr) {
    ASSIGN_OR_RETURN(to, single_->Seek(to, SEEK_SET));
  }
  set_position(to);
  return to;
}

Status OverlayDirectory::Fsync(bool data_only) {
  vfs::Inode* upper = inode_->upper();
  if (upper == nullptr) return OkStatus();
  ASSIGN_OR_RETURN(auto file, upper->Open(RealPath(path().mount, *upper), O_RDONLY | O_DIRECTORY,
                                          OverlayCredentials()));
  return file->Fsync(data_only);
}

}  // namespace cvisor::fs::overlay
