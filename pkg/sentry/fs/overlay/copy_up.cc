// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Copy-up: how a lower file gets into the upper tree. A regular file's copy is made without a name and
// linked when it is complete, so that nobody sees half of it; only users of this one file wait.

#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "pkg/base/check.h"
#include "pkg/sentry/auth/file_caps.h"
#include "pkg/sentry/fs/overlay/inode.h"
#include "pkg/sentry/vfs/file_description.h"

namespace cvisor::fs::overlay {
namespace {

constexpr size_t kCopyBuffer = 256 << 10;

// Copies [at, end) where `from` has data.
Status CopyRange(vfs::FileDescription& from, vfs::FileDescription& to, std::byte* buffer,
                 uint64_t at, uint64_t end) {
  while (at < end) {
    const size_t want = static_cast<size_t>(std::min<uint64_t>(kCopyBuffer, end - at));
    SpanSink sink(buffer, want);
    ASSIGN_OR_RETURN(size_t got, from.Pread(sink, at));
    if (got == 0) return OkStatus();
    for (size_t done = 0; done < got;) {
      SpanSource source(buffer + done, got - done);
      ASSIGN_OR_RETURN(size_t put, to.Pwrite(source, at + done));
      if (put == 0) return Errno::kEIO;
      done += put;
    }
    at += got;
  }
  return OkStatus();
}

// Copies the first `size` bytes; holes stay holes.
Status CopyData(const Ref<vfs::Mount>& mount, vfs::Inode& from_inode, vfs::Inode& to_inode,
                uint64_t size) {
  ASSIGN_OR_RETURN(auto from, from_inode.Open(RealPath(mount, from_inode), O_RDONLY,
                                              OverlayCredentials()));
  ASSIGN_OR_RETURN(auto to,
                   to_inode.Open(RealPath(mount, to_inode), O_RDWR, OverlayCredentials()));
  const std::unique_ptr<std::byte[]> buffer(new std::byte[kCopyBuffer]);
  const auto limit = static_cast<int64_t>(size);
  for (int64_t at = 0; at < limit;) {
    auto data = from->Seek(at, SEEK_DATA);
    int64_t start = at, end = limit;
    if (data.ok()) {
      start = *data;
      if (auto hole = from->Seek(start, SEEK_HOLE); hole.ok() && start < limit) {
        end = std::min(*hole, limit);
      }
    } else if (data.error() == Errno::kENXIO) {
      break;  // a hole up to the end
    }
    if (start >= limit) break;
    RETURN_IF_ERROR(CopyRange(*from, *to, buffer.get(), static_cast<uint64_t>(start),
                              static_cast<uint64_t>(end)));
    at = end;
  }
  return to->Truncate(size);
}

vfs::NewInode HowOf(const vfs::Attr& attr) {
  vfs::NewInode how;
  how.mode = attr.mode;
  how.uid = attr.uid;
  how.gid = attr.gid;
  how.rdev = attr.rdev;
  return how;
}

void RestoreTimes(vfs::Inode& inode, const vfs::Attr& attr) {
  vfs::SetAttr set;
  set.valid = vfs::SetAttr::kAtime | vfs::SetAttr::kMtime;
  set.atime = attr.atime;
  set.mtime = attr.mtime;
  (void)inode.SetAttributes(set);
}

}  // namespace

Status OverlayInode::CopyUp(uint64_t keep) {
  if (upper() != nullptr) return OkStatus();
  if (overlay_fs().upper_dev() == 0) return Errno::kEROFS;
  // First the missing ancestors, top down and not by recursion: lower trees may be deep.
  std::vector<OverlayInode*> missing;
  for (OverlayInode* i = this; i->upper() == nullptr; i = i->parent_.get()) {
    CVISOR_CHECK(i->parent_ != nullptr);
    missing.push_back(i);
  }
  for (size_t n = missing.size(); n-- > 0;) {
    OverlayInode& inode = *missing[n];
    MutexLock lock(inode.copy_up_mutex_);
    if (inode.upper() != nullptr) continue;
    RETURN_IF_ERROR(inode.CopyUpLocked(*inode.parent_, keep));
  }
  return OkStatus();
}

Status OverlayInode::CopyMetadata(vfs::Inode& to, const vfs::Attr& attr) {
  vfs::Inode& from = *lowers_[0];
  std::optional<std::string> file_caps;  // set last: they do not survive a new owner
  if (auto names = from.ListXattr(); names.ok()) {
    for (const std::string& name : *names) {
      if (name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.")) continue;
      auto value = from.GetXattr(name);
      if (!value.ok()) continue;
      if (name == kFileCapsXattr) {
        file_caps = *std::move(value);
        continue;
      }
      // What the upper file system cannot store is lost, as on Linux; running out of space is not.
      Status status = to.SetXattr(name, *value, 0);
      if (status.error() == Errno::kENOSPC || status.error() == Errno::kENOMEM) return status;
    }
  }
  vfs::SetAttr set;
  ASSIGN_OR_RETURN(auto now, to.GetAttr());
  if (now.uid != attr.uid) set.valid |= vfs::SetAttr::kUid;
  if (now.gid != attr.gid) set.valid |= vfs::SetAttr::kGid;
  if (type_ != S_IFLNK && ((now.mode ^ attr.mode) & 07777)) set.valid |= vfs::SetAttr::kMode;
  set.valid |= vfs::SetAttr::kAtime | vfs::SetAttr::kMtime;
  set.mode = attr.mode & 07777;
  set.uid = attr.uid;
  set.gid = attr.gid;
  set.atime = attr.atime;
  set.mtime = attr.mtime;
  RETURN_IF_ERROR(to.SetAttributes(set));
  if (file_caps.has_value()) (void)to.SetXattr(kFileCapsXattr, *file_caps, 0);
  return OkStatus();
}

void OverlayInode::Publish(Ref<vfs::Inode> upper) {
  OverlayFileSystem& fs = overlay_fs();
  auto attr = upper->GetAttr();
  {
    MutexLock lock(fs.mu_);
    fs.by_upper_[upper.get()] = this;
    if (attr.ok()) fs.origin_[attr->ino] = ino_;
  }
  upper_ref_ = std::move(upper);
  upper_.store(upper_ref_.get(), std::memory_order_release);
}

Status OverlayInode::CopyUpLocked(OverlayInode& parent, uint64_t keep) {
  vfs::Inode& dir = *parent.upper();
  ASSIGN_OR_RETURN(const auto attr, lowers_[0]->GetAttr());
  ASSIGN_OR_RETURN(const auto dir_attr, dir.GetAttr());
  if (type_ == S_IFREG) {
    RETURN_IF_ERROR(CopyUpRegular(parent, attr, keep));
    RestoreTimes(dir, dir_attr);
    return OkStatus();
  }
  std::string target;
  if (type_ == S_IFLNK) {
    ASSIGN_OR_RETURN(target, lowers_[0]->ReadLink());
  }
  {
    MutexLock state_lock(state_mutex_);
    if (deleted_) return Errno::kENOENT;
    MutexLock lock(dir.dir_mutex());
    const vfs::NewInode how = HowOf(attr);
    auto made = type_ == S_IFDIR   ? dir.Mkdir(name_, how)
                : type_ == S_IFLNK ? dir.Symlink(name_, target, how)
                                   : dir.Mknod(name_, how);
    if (!made.ok()) return made.error();
    Status status = CopyMetadata(**made, attr);
    if (!status.ok()) {
      (void)(type_ == S_IFDIR ? dir.Rmdir(name_, **made) : dir.Unlink(name_, **made));
      return status;
    }
    Publish(*std::move(made));
  }
  RestoreTimes(dir, dir_attr);
  return OkStatus();
}

Status OverlayInode::CopyUpRegular(OverlayInode& parent, const vfs::Attr& attr, uint64_t keep) {
  vfs::Inode& dir = *parent.upper();
  auto copy = dir.Tmpfile(HowOf(attr));
  // Upper file systems without O_TMPFILE: a temporary name.
  std::string temporary;
  if (!copy.ok() && copy.error() == Errno::kEOPNOTSUPP) {
    static std::atomic<uint64_t> counter{0};
    temporary = absl::StrFormat(".cvisor-copy-up-%d-%d", getpid(), counter.fetch_add(1));
    MutexLock lock(dir.dir_mutex());
    copy = dir.Create(temporary, HowOf(attr));
  }
  if (!copy.ok()) return copy.error();
  vfs::Inode& to = **copy;
  const auto finish = [&]() -> Status {
    RETURN_IF_ERROR(CopyData(overlay_fs().private_mount(), *lowers_[0], to,
                             std::min(attr.size, keep)));
    RETURN_IF_ERROR(CopyMetadata(to, attr));
    MutexLock state_lock(state_mutex_);
    MutexLock lock(dir.dir_mutex());
    if (deleted_) {  // unlinked meanwhile, or before: only open descriptions still want it
      if (!temporary.empty()) RETURN_IF_ERROR(dir.Unlink(temporary, to));
    } else if (temporary.empty()) {
      RETURN_IF_ERROR(dir.Link(name_, to));
    } else {
      RETURN_IF_ERROR(dir.Rename(temporary, to, dir, name_, nullptr, 0));
    }
    Publish(*copy);
    return OkStatus();
  };
  Status status = finish();
  if (!status.ok() && !temporary.empty()) {
    MutexLock lock(dir.dir_mutex());
    (void)dir.Unlink(temporary, to);
  }
  return status;
}

}  // namespace cvisor::fs::overlay
