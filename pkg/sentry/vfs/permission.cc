// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/vfs/permission.h"

#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::vfs {

Status CheckModeBits(const Attr& attr, const Credentials& creds, int may) {
  int granted;
  if (attr.uid == creds.fsuid) {
    granted = (attr.mode >> 6) & 7;
  } else if (creds.InGroup(attr.gid)) {
    granted = (attr.mode >> 3) & 7;
  } else {
    granted = attr.mode & 7;
  }
  if ((granted & may) == may) return OkStatus();
  if (attr.is_dir()) {
    if (creds.HasCapOver(attr.uid, attr.gid, CAP_DAC_OVERRIDE)) return OkStatus();
    if (!(may & kMayWrite) && creds.HasCapOver(attr.uid, attr.gid, CAP_DAC_READ_SEARCH))
      return OkStatus();
    return Errno::kEACCES;
  }
  if (may == kMayRead && creds.HasCapOver(attr.uid, attr.gid, CAP_DAC_READ_SEARCH))
    return OkStatus();
  // Not even root executes what nobody may execute.
  if ((!(may & kMayExec) || (attr.mode & 0111)) &&
      creds.HasCapOver(attr.uid, attr.gid, CAP_DAC_OVERRIDE)) {
    return OkStatus();
  }
  return Errno::kEACCES;
}

Status CheckPathPermission(const Path& path, const Credentials& creds, int may) {
  if (may & kMayWrite) {
    const mode_t type = path.inode().type();
    if (type == S_IFREG || type == S_IFDIR || type == S_IFLNK) {
      RETURN_IF_ERROR(CheckWritableMount(path));
    }
  }
  return path.inode().CheckPermission(creds, may);
}

Status CheckWritableMount(const Path& path) {
  return path.mount->readonly() ? Errno::kEROFS : Errno::kOk;
}

bool OwnsInode(const Attr& attr, const Credentials& creds) {
  return attr.uid == creds.fsuid || creds.HasCapOver(attr.uid, attr.gid, CAP_FOWNER);
}

mode_t LimitSetgid(mode_t mode, gid_t gid, const Credentials& creds) {
  if ((mode & S_ISGID) && !creds.InGroup(gid) && !creds.HasCapOver(creds.fsuid, gid, CAP_FSETID)) {
    mode &= ~S_ISGID;
  }
  return mode;
}

mode_t DropPrivilegeBits(const Attr& attr, const Credentials& creds, bool owner_changes) {
  mode_t mode = attr.mode & 07777;
  if (attr.is_dir()) return mode;
  if (!owner_changes && creds.HasCapOver(attr.uid, attr.gid, CAP_FSETID)) return mode;
  mode &= ~S_ISUID;
  if (mode & S_ISGID) {
    const bool may_keep =
        creds.InGroup(attr.gid) || creds.HasCapOver(attr.uid, attr.gid, CAP_FSETID);
    if ((mode & S_IXGRP) || !may_keep) mode &= ~S_ISGID;
  }
  return mode;
}

NewInode InitNewInode(const Attr& dir, const Credentials& creds, mode_t mode, dev_t rdev) {
  NewInode how{mode, creds.fsuid, creds.fsgid, rdev};
  if (dir.mode & S_ISGID) {
    how.gid = dir.gid;
    if (S_ISDIR(mode)) {
      how.mode |= S_ISGID;
    } else if ((mode & S_ISGID) && (mode & S_IXGRP)) {
      how.mode = LimitSetgid(mode, dir.gid, creds);
    }
  }
  return how;
}

}  // namespace cvisor::vfs
