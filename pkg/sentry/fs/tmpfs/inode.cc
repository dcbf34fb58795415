// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/tmpfs/inode.h"

#include <sys/mount.h>
#include <sys/xattr.h>

#include <utility>

#include "pkg/sentry/auth/file_caps.h"
#include "pkg/sentry/vfs/file_description.h"

namespace cvisor::fs::tmpfs {

using vfs::Attr;
using vfs::Now;
using vfs::SetAttr;

namespace {

constexpr size_t kMaxXattrValue = 65536;
constexpr size_t kMaxXattrBytes = 256 << 10;  // of one inode

bool NotAfter(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec <= b.tv_nsec;
}

}  // namespace

TmpfsInode::TmpfsInode(TmpfsFileSystem& fs, const vfs::NewInode& how)
    : Inode(Ref<vfs::FileSystem>(&fs)),
      type_(how.mode & S_IFMT),
      ino_(fs.NextIno()),
      rdev_(how.rdev),
      permissions_(how.mode & 07777),
      uid_(how.uid),
      gid_(how.gid),
      nlink_(1),
      btime_(Now()) {
  atime_ = mtime_ = ctime_ = btime_;
}

TmpfsInode::~TmpfsInode() { tmpfs().UncountInode(); }

Result<Attr> TmpfsInode::GetAttr() {
  Attr a;
  a.ino = ino_;
  a.dev = fs().dev();
  a.rdev = rdev_;
  FillAttr(&a);
  ReaderLock lock(attr_mutex_);
  a.mode = type_ | permissions_;
  a.uid = uid_;
  a.gid = gid_;
  a.nlink = nlink_;
  a.atime = atime_, a.mtime = mtime_, a.ctime = ctime_, a.btime = btime_;
  return a;
}

Status TmpfsInode::Resize(uint64_t) { return Errno::kEINVAL; }

Status TmpfsInode::SetAttributes(const SetAttr& set) {
  if (set.valid & SetAttr::kSize) RETURN_IF_ERROR(Resize(set.size));
  const timespec now = Now();
  auto pick = [&](const timespec& t) { return t.tv_nsec == UTIME_NOW ? now : t; };
  MutexLock lock(attr_mutex_);
  if (set.valid & SetAttr::kMode) permissions_ = set.mode & 07777;
  if (set.valid & SetAttr::kUid) uid_ = set.uid;
  if (set.valid & SetAttr::kGid) gid_ = set.gid;
  if (set.valid & SetAttr::kSize) mtime_ = now;
  if (set.valid & SetAttr::kAtime) atime_ = pick(set.atime);
  if (set.valid & SetAttr::kMtime) mtime_ = pick(set.mtime);
  ctime_ = now;
  if (set.valid & (SetAttr::kUid | SetAttr::kGid | SetAttr::kSize)) {
    DropFileCapsLocked();
  }
  return OkStatus();
}

void TmpfsInode::DropFileCaps() {
  if (!has_file_caps_.load(std::memory_order_relaxed)) return;
  MutexLock lock(attr_mutex_);
  DropFileCapsLocked();
}

void TmpfsInode::DropFileCapsLocked() {
  const auto it = xattrs_.find(kFileCapsXattr);
  if (it == xattrs_.end()) return;
  xattr_bytes_ -= it->first.size() + it->second.size();
  xattrs_.erase(it);
  has_file_caps_.store(false);
}

void TmpfsInode::TouchAccess(const vfs::FileDescription& file) {
  if (file.flags() & O_NOATIME) return;
  const unsigned long flags = file.path().mount->flags.load(std::memory_order_relaxed);
  if (flags & (MS_NOATIME | MS_RDONLY)) return;
  if (type_ == S_IFDIR && (flags & MS_NODIRATIME)) return;
  const timespec now = Now();
  MutexLock lock(attr_mutex_);
  constexpr time_t kDay = 24 * 60 * 60;
  const bool stale = NotAfter(atime_, mtime_) || NotAfter(atime_, ctime_) ||
                     now.tv_sec - atime_.tv_sec >= kDay;
  if (stale || (flags & MS_STRICTATIME)) atime_ = now;
}

void TmpfsInode::TouchModified() {
  const timespec now = Now();
  MutexLock lock(attr_mutex_);
  mtime_ = ctime_ = now;
}

void TmpfsInode::TouchChanged() {
  const timespec now = Now();
  MutexLock lock(attr_mutex_);
  ctime_ = now;
}

void TmpfsInode::AddLinks(int n) {
  const timespec now = Now();
  MutexLock lock(attr_mutex_);
  nlink_ += static_cast<uint64_t>(n);
  ctime_ = now;
}

uint64_t TmpfsInode::nlink() const {
  ReaderLock lock(attr_mutex_);
  return nlink_;
}

void TmpfsInode::DropPrivileges() {
  {
    ReaderLock lock(attr_mutex_);
    const bool setgid = (permissions_ & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
    if (!(permissions_ & S_ISUID) && !setgid) return;
  }
  MutexLock lock(attr_mutex_);
  permissions_ &= ~S_ISUID;
  if (permissions_ & S_IXGRP) permissions_ &= ~S_ISGID;
}

// --- xattr(7). Who may touch trusted.* and security.* is for the system calls to check.

Status TmpfsInode::CheckXattrName(std::string_view name, bool write) const {
  if (name.starts_with("user.")) {
    // Only files and directories have permission bits that mean something.
    if (type_ != S_IFREG && type_ != S_IFDIR) return write ? Errno::kEPERM : Errno::kENODATA;
    return name.size() > 5 ? OkStatus() : Errno::kEINVAL;
  }
  if (name.starts_with("trusted.")) return name.size() > 8 ? OkStatus() : Errno::kEINVAL;
  if (name.starts_with("security.")) return name.size() > 9 ? OkStatus() : Errno::kEINVAL;
  return Errno::kEOPNOTSUPP;
}

Result<std::string> TmpfsInode::GetXattr(std::string_view name) {
  RETURN_IF_ERROR(CheckXattrName(name, false));
  ReaderLock lock(attr_mutex_);
  auto it = xattrs_.find(name);
  if (it == xattrs_.end()) return Errno::kENODATA;
  return it->second;
}

Status TmpfsInode::SetXattr(std::string_view name, std::string_view value, int flags) {
  RETURN_IF_ERROR(CheckXattrName(name, true));
  if (value.size() > kMaxXattrValue) return Errno::kE2BIG;
  const timespec now = Now();
  MutexLock lock(attr_mutex_);
  auto it = xattrs_.find(name);
  if (it == xattrs_.end() && (flags & XATTR_REPLACE)) return Errno::kENODATA;
  if (it != xattrs_.end() && (flags & XATTR_CREATE)) return Errno::kEEXIST;
  const size_t old = it == xattrs_.end() ? 0 : it->first.size() + it->second.size();
  const size_t total = xattr_bytes_ - old + name.size() + value.size();
  if (total > kMaxXattrBytes) return Errno::kENOSPC;
  xattr_bytes_ = total;
  xattrs_.insert_or_assign(std::string(name), std::string(value));
  if (name == kFileCapsXattr) has_file_caps_.store(true);
  ctime_ = now;
  return OkStatus();
}

Status TmpfsInode::RemoveXattr(std::string_view name) {
  RETURN_IF_ERROR(CheckXattrName(name, true));
  const timespec now = Now();
  MutexLock lock(attr_mutex_);
  auto it = xattrs_.find(name);
  if (it == xattrs_.end()) return Errno::kENODATA;
  xattr_bytes_ -= it->first.size() + it->second.size();
  xattrs_.erase(it);
  ctime_ = now;
  return OkStatus();
}

Result<std::vector<std::string>> TmpfsInode::ListXattr() {
  ReaderLock lock(attr_mutex_);
  std::vector<std::string> names;
  for (const auto& [name, value] : xattrs_) names.push_back(name);
  return names;
}

// --- Files.

TmpfsFile::TmpfsFile(TmpfsFileSystem& fs, const vfs::NewInode& how)
    : TmpfsInode(fs, how),
      contents_(MakeRef<Contents>(fs.budget(), mm::Mappable::Identity{fs.dev(), ino()})) {
  contents_->ForbidSeals();
}

void TmpfsFile::FillAttr(Attr* attr) {
  attr->size = contents_->size();
  attr->blocks = contents_->pages() * (kPage / 512);
}

Status TmpfsFile::Resize(uint64_t size) { return contents_->Truncate(size); }

}  // namespace cvisor::fs::tmpfs
