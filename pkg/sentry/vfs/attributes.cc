// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// access(2), chmod(2), chown(2), utimensat(2), truncate(2), statfs(2).

#include <sys/mount.h>
#include <sys/statvfs.h>

#include "pkg/sentry/vfs/inotify.h"
#include "pkg/sentry/vfs/permission.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::vfs {

Status CheckAccess(const WalkContext& ctx, const Path& path, int may) {
  if ((may & kMayExec) && path.inode().type() == S_IFREG &&
      (path.mount->flags.load() & MS_NOEXEC)) {
    return Errno::kEACCES;
  }
  return CheckPathPermission(path, *ctx.creds, may);
}

Status ChangeMode(const WalkContext& ctx, const Path& path, mode_t mode) {
  RETURN_IF_ERROR(CheckWritableMount(path));
  if (path.inode().type() == S_IFLNK) return Errno::kEOPNOTSUPP;
  ASSIGN_OR_RETURN(const Attr attr, path.inode().GetAttr());
  if (!OwnsInode(attr, *ctx.creds)) return Errno::kEPERM;
  SetAttr set;
  set.valid = SetAttr::kMode;
  set.mode = LimitSetgid(mode & 07777, attr.gid, *ctx.creds);
  RETURN_IF_ERROR(path.inode().SetAttributes(set));
  NotifyAttributes(path);
  return OkStatus();
}

Status ChangeOwner(const WalkContext& ctx, const Path& path, uid_t uid, gid_t gid) {
  RETURN_IF_ERROR(CheckWritableMount(path));
  ASSIGN_OR_RETURN(const Attr attr, path.inode().GetAttr());
  const Credentials& creds = *ctx.creds;
  const bool owner = creds.fsuid == attr.uid;
  const bool capable = creds.HasCapOver(attr.uid, attr.gid, CAP_CHOWN);
  SetAttr set;
  if (uid != static_cast<uid_t>(-1)) {
    if (!capable && !(owner && uid == attr.uid)) return Errno::kEPERM;
    set.valid |= SetAttr::kUid;
    set.uid = uid;
  }
  if (gid != static_cast<gid_t>(-1)) {
    const bool allowed = owner && (gid == attr.gid || creds.InGroup(gid));
    if (!capable && !allowed) return Errno::kEPERM;
    set.valid |= SetAttr::kGid;
    set.gid = gid;
  }
  if (const mode_t mode = DropPrivilegeBits(attr, creds, true); mode != (attr.mode & 07777)) {
    set.valid |= SetAttr::kMode;
    set.mode = mode;
  }
  RETURN_IF_ERROR(path.inode().SetAttributes(set));
  NotifyAttributes(path);
  return OkStatus();
}

Status ChangeTimes(const WalkContext& ctx, const Path& path, const timespec times[2]) {
  SetAttr set;
  set.valid = SetAttr::kAtime | SetAttr::kMtime;
  set.atime = set.mtime = timespec{0, UTIME_NOW};
  bool both_now = true;
  if (times != nullptr) {
    for (int i = 0; i < 2; ++i) {
      const long ns = times[i].tv_nsec;
      if (ns != UTIME_NOW && ns != UTIME_OMIT && (ns < 0 || ns > 999'999'999)) {
        return Errno::kEINVAL;
      }
    }
    if (times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT) return OkStatus();
    set.atime = times[0];
    set.mtime = times[1];
    if (times[0].tv_nsec == UTIME_OMIT) set.valid &= ~SetAttr::kAtime;
    if (times[1].tv_nsec == UTIME_OMIT) set.valid &= ~SetAttr::kMtime;
    both_now = times[0].tv_nsec == UTIME_NOW && times[1].tv_nsec == UTIME_NOW;
  }
  RETURN_IF_ERROR(CheckWritableMount(path));
  ASSIGN_OR_RETURN(const Attr attr, path.inode().GetAttr());
  if (!OwnsInode(attr, *ctx.creds)) {
    if (!both_now) return Errno::kEPERM;
    RETURN_IF_ERROR(path.inode().CheckPermission(*ctx.creds, kMayWrite));
  }
  RETURN_IF_ERROR(path.inode().SetAttributes(set));
  NotifyAttributes(path);
  return OkStatus();
}

Status TruncatePath(const WalkContext& ctx, const Path& path, uint64_t size) {
  Inode& inode = path.inode();
  if (inode.type() == S_IFDIR) return Errno::kEISDIR;
  if (inode.type() != S_IFREG) return Errno::kEINVAL;
  if (size > INT64_MAX) return Errno::kEINVAL;
  RETURN_IF_ERROR(CheckPathPermission(path, *ctx.creds, kMayWrite));
  RETURN_IF_ERROR(inode.GetWriteAccess());
  SetAttr set;
  set.valid = SetAttr::kSize;
  set.size = size;
  Status status = OkStatus();
  if (auto attr = inode.GetAttr(); attr.ok()) {
    const mode_t mode = DropPrivilegeBits(*attr, *ctx.creds, false);
    if (mode != (attr->mode & 07777)) {
      set.valid |= SetAttr::kMode;
      set.mode = mode;
    }
    status = inode.SetAttributes(set);
  } else {
    status = attr.error();
  }
  inode.PutWriteAccess();
  if (status.ok() && InotifyActive()) NotifyDentry(*path.dentry, IN_MODIFY);
  return status;
}

Result<StatFs> GetStatFs(const Path& path) {
  ASSIGN_OR_RETURN(StatFs out, path.inode().fs().GetStatFs());
  constexpr struct {
    unsigned long mount, st;
  } kFlags[] = {
      {MS_RDONLY, ST_RDONLY},     {MS_NOSUID, ST_NOSUID},         {MS_NODEV, ST_NODEV},
      {MS_NOEXEC, ST_NOEXEC},     {MS_SYNCHRONOUS, ST_SYNCHRONOUS}, {MS_NOATIME, ST_NOATIME},
      {MS_NODIRATIME, ST_NODIRATIME}, {MS_RELATIME, ST_RELATIME},
  };
  constexpr uint64_t kStValid = 0x20;
  out.flags |= kStValid;
  const unsigned long flags = path.mount->flags.load();
  for (const auto& f : kFlags) {
    if (flags & f.mount) out.flags |= f.st;
  }
  return out;
}

}  // namespace cvisor::vfs
