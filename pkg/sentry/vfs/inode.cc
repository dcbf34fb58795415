// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/vfs/inode.h"

#include <utility>

#include "pkg/sentry/vfs/dentry.h"
#include "pkg/sentry/vfs/file_description.h"
#include "pkg/sentry/vfs/locks.h"
#include "pkg/sentry/vfs/permission.h"

namespace cvisor::vfs {

timespec Now() {
  timespec ts{};
  clock_gettime(CLOCK_REALTIME, &ts);
  return ts;
}

Inode::Inode(Ref<FileSystem> fs) : fs_(std::move(fs)) {}

Inode::~Inode() {
  delete locks_.load();
  if (RefCounted* w = watches.load(); w != nullptr) w->DecRef();
}

Status Inode::CheckPermission(const Credentials& creds, int may) {
  // The path walk of a privileged process needs no attributes.
  if (type() == S_IFDIR && creds.HasCap(CAP_DAC_OVERRIDE)) return OkStatus();
  ASSIGN_OR_RETURN(const Attr attr, GetAttr());
  return CheckModeBits(attr, creds, may);
}

Result<Ref<Inode>> Inode::Lookup(std::string_view) { return Errno::kENOTDIR; }
// Directories that do not override these cannot be changed: Linux says EPERM (EACCES for Create).
Result<Ref<Inode>> Inode::Create(std::string_view, const NewInode&) { return Errno::kEACCES; }
Result<Ref<Inode>> Inode::Mkdir(std::string_view, const NewInode&) { return Errno::kEPERM; }
Result<Ref<Inode>> Inode::Symlink(std::string_view, std::string_view, const NewInode&) {
  return Errno::kEPERM;
}
Result<Ref<Inode>> Inode::Mknod(std::string_view, const NewInode&) { return Errno::kEPERM; }
Status Inode::Link(std::string_view, Inode&) { return Errno::kEPERM; }
Status Inode::Unlink(std::string_view, Inode&) { return Errno::kEPERM; }
Status Inode::Rmdir(std::string_view, Inode&) { return Errno::kEPERM; }
Status Inode::Rename(std::string_view, Inode&, Inode&, std::string_view, Inode*, unsigned) {
  return Errno::kEPERM;
}
Result<Ref<Inode>> Inode::Tmpfile(const NewInode&) { return Errno::kEOPNOTSUPP; }
Result<std::string> Inode::ReadLink() { return Errno::kEINVAL; }
Result<Path> Inode::FollowMagicLink() { return Path{}; }
Result<Ref<FileDescription>> Inode::Open(const Path&, int, const Credentials&) {
  return Errno::kENXIO;
}

Result<std::string> Inode::GetXattr(std::string_view) { return Errno::kEOPNOTSUPP; }
Status Inode::SetXattr(std::string_view, std::string_view, int) { return Errno::kEOPNOTSUPP; }
Status Inode::RemoveXattr(std::string_view) { return Errno::kEOPNOTSUPP; }
Result<std::vector<std::string>> Inode::ListXattr() { return std::vector<std::string>(); }

FileLocks& Inode::locks() {
  FileLocks* have = locks_.load();
  if (have != nullptr) return *have;
  auto made = std::make_unique<FileLocks>();
  if (locks_.compare_exchange_strong(have, made.get())) return *made.release();
  return *have;
}

Status Inode::GetWriteAccess() {
  int n = writers_.load();
  do {
    if (n < 0) return Errno::kETXTBSY;
  } while (!writers_.compare_exchange_weak(n, n + 1));
  return OkStatus();
}

Status Inode::DenyWriteAccess() {
  int n = writers_.load();
  do {
    if (n > 0) return Errno::kETXTBSY;
  } while (!writers_.compare_exchange_weak(n, n - 1));
  return OkStatus();
}

Ref<RefCounted> Inode::attachment() {
  MutexLock lock(attachment_mutex_);
  return attachment_;
}

void Inode::set_attachment(Ref<RefCounted> a) {
  MutexLock lock(attachment_mutex_);
  attachment_.swap(a);
}

}  // namespace cvisor::vfs
