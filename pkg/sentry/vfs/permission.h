// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Discretionary access control: path_resolution(7), capabilities(7). ACLs are not supported.

#ifndef CVISOR_PKG_SENTRY_VFS_PERMISSION_H_
#define CVISOR_PKG_SENTRY_VFS_PERMISSION_H_

#include "pkg/base/result.h"
#include "pkg/sentry/auth/credentials.h"
#include "pkg/sentry/vfs/dentry.h"
#include "pkg/sentry/vfs/types.h"

namespace cvisor::vfs {

// The mode bits with CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH. EACCES. `may`: kMay* bits.
Status CheckModeBits(const Attr& attr, const Credentials& creds, int may);

// The inode's check, after EROFS for writes to files, directories and links of a read-only mount.
Status CheckPathPermission(const Path& path, const Credentials& creds, int may);

// Owner, or CAP_FOWNER.
bool OwnsInode(const Attr& attr, const Credentials& creds);

// The mode that a chmod to `mode` by `creds` gives: set-group-ID goes without the group or CAP_FSETID.
mode_t LimitSetgid(mode_t mode, gid_t gid, const Credentials& creds);

// What a write, a truncation or a change of owner by `creds` leaves of the mode bits: set-user-ID and
// set-group-ID (of group-executable files) go. CAP_FSETID keeps them, except on a change of owner.
mode_t DropPrivilegeBits(const Attr& attr, const Credentials& creds, bool owner_changes);

// Owner, group and mode of an object to be made in `dir` with `mode` (umask applied).
NewInode InitNewInode(const Attr& dir, const Credentials& creds, mode_t mode, dev_t rdev = 0);

}  // namespace cvisor::vfs

#endif  // CVISOR_PKG_SENTRY_VFS_PERMISSION_H_
