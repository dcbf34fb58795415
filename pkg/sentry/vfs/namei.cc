// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Names come and go: mkdir(2), mknod(2), symlink(2), link(2), unlink(2), rmdir(2).

#include <utility>

#include "pkg/sentry/vfs/inotify.h"
#include "pkg/sentry/vfs/permission.h"
#include "pkg/sentry/vfs/vfs.h"
#include "pkg/sentry/vfs/walk.h"

namespace cvisor::vfs {

Status CheckMayCreate(const WalkContext& ctx, const Path& dir) {
  if (dir.dentry->deleted()) return Errno::kENOENT;
  return CheckPathPermission(dir, *ctx.creds, kMayWrite | kMayExec);
}

Status CheckMayDelete(const WalkContext& ctx, const Path& dir, const Dentry& victim,
                      bool want_dir) {
  RETURN_IF_ERROR(CheckPathPermission(dir, *ctx.creds, kMayWrite | kMayExec));
  ASSIGN_OR_RETURN(const Attr dir_attr, dir.inode().GetAttr());
  if ((dir_attr.mode & S_ISVTX) && dir_attr.uid != ctx.creds->fsuid) {
    ASSIGN_OR_RETURN(const Attr attr, victim.inode()->GetAttr());
    if (!OwnsInode(attr, *ctx.creds)) return Errno::kEPERM;
  }
  const bool is_dir = victim.inode()->type() == S_IFDIR;
  if (want_dir && !is_dir) return Errno::kENOTDIR;
  if (!want_dir && is_dir) return Errno::kEISDIR;
  return OkStatus();
}

namespace {

// Adds a name: `make(dir inode, name, attributes of dir)` returns the new inode.
template <typename Make>
Status CreateAt(const WalkContext& ctx, std::string_view path, bool is_dir, Make make,
                Path* made = nullptr) {
  ParentWalk at(ctx);
  RETURN_IF_ERROR(at.Run(path));
  if (at.last.kind != Walker::Last::kNormal) return Errno::kEEXIST;
  const std::string_view name = at.last.name;
  {
    MutexLock lock(at.dir().dir_mutex());
    auto there = at.parent().dentry->LookupChildLocked(name);
    if (there.ok()) return Errno::kEEXIST;
    if (there.error() != Errno::kENOENT) return there.error();
    if (!is_dir && at.last.trailing_slash) return Errno::kENOENT;
    RETURN_IF_ERROR(CheckMayCreate(ctx, at.parent()));
    ASSIGN_OR_RETURN(const Attr attr, at.dir().GetAttr());
    ASSIGN_OR_RETURN(Ref<Inode> inode, make(at.dir(), name, attr));
    Ref<Dentry> dentry = at.parent().dentry->AddChild(name, std::move(inode));
    if (made != nullptr) *made = Path{at.parent().mount, std::move(dentry)};
  }
  NotifyName(at.dir(), name, IN_CREATE, is_dir);
  return OkStatus();
}

}  // namespace

Status MakeDirectory(const WalkContext& ctx, std::string_view path, mode_t mode) {
  return CreateAt(ctx, path, true,
                  [&](Inode& dir, std::string_view name, const Attr& attr) {
                    // mkdir(2) takes the permission bits and the sticky bit.
                    const mode_t m = S_IFDIR | (mode & 01777 & ~ctx.umask);
                    return dir.Mkdir(name, InitNewInode(attr, *ctx.creds, m));
                  });
}

Status MakeNode(const WalkContext& ctx, std::string_view path, mode_t mode, dev_t rdev,
                Path* made) {
  mode_t type = mode & S_IFMT;
  switch (type) {
    case 0:
      type = S_IFREG;
      [[fallthrough]];
    case S_IFREG:
    case S_IFIFO:
    case S_IFSOCK:
      rdev = 0;
      break;
    case S_IFCHR:
    case S_IFBLK: {
      // A character device 0:0 is overlayfs's whiteout, harmless and free for all.
      const bool whiteout = type == S_IFCHR && rdev == 0;
      if (!whiteout && !ctx.creds->HasCap(CAP_MKNOD)) return Errno::kEPERM;
      break;
    }
    case S_IFDIR:
      return Errno::kEPERM;
    default:
      return Errno::kEINVAL;
  }
  return CreateAt(
      ctx, path, false,
      [&](Inode& dir, std::string_view name, const Attr& attr) {
        const mode_t m = type | (mode & 07777 & ~ctx.umask);
        const NewInode how = InitNewInode(attr, *ctx.creds, m, rdev);
        return type == S_IFREG ? dir.Create(name, how) : dir.Mknod(name, how);
      },
      made);
}

Status MakeSymlink(const WalkContext& ctx, std::string_view target, std::string_view path) {
  if (target.empty()) return Errno::kENOENT;
  if (target.size() >= kPathMax) return Errno::kENAMETOOLONG;
  return CreateAt(ctx, path, false, [&](Inode& dir, std::string_view name, const Attr& attr) {
    return dir.Symlink(name, target, InitNewInode(attr, *ctx.creds, S_IFLNK | 0777));
  });
}

Status HardLink(const WalkContext& ctx, const Path& old, std::string_view new_path) {
  ParentWalk at(ctx);
  RETURN_IF_ERROR(at.Run(new_path));
  if (at.last.kind != Walker::Last::kNormal) return Errno::kEEXIST;
  const std::string_view name = at.last.name;
  Inode& target = old.inode();
  {
    MutexLock lock(at.dir().dir_mutex());
    auto there = at.parent().dentry->LookupChildLocked(name);
    if (there.ok()) return Errno::kEEXIST;
    if (there.error() != Errno::kENOENT) return there.error();
    if (at.last.trailing_slash) return Errno::kENOENT;
    if (old.mount != at.parent().mount) return Errno::kEXDEV;
    RETURN_IF_ERROR(CheckMayCreate(ctx, at.parent()));
    if (&target.fs() != &at.dir().fs()) return Errno::kEXDEV;
    if (target.type() == S_IFDIR) return Errno::kEPERM;
    RETURN_IF_ERROR(at.dir().Link(name, target));
    at.parent().dentry->AddChild(name, old.dentry->inode());
  }
  NotifyInode(target, IN_ATTRIB);
  NotifyName(at.dir(), name, IN_CREATE, false);
  return OkStatus();
}

Status Unlink(const WalkContext& ctx, std::string_view path) {
  ParentWalk at(ctx);
  RETURN_IF_ERROR(at.Run(path));
  if (at.last.kind != Walker::Last::kNormal) return Errno::kEISDIR;
  RETURN_IF_ERROR(CheckWritableMount(at.parent()));
  const std::string_view name = at.last.name;
  Ref<Dentry> victim;
  {
    MutexLock lock(at.dir().dir_mutex());
    ASSIGN_OR_RETURN(victim, at.parent().dentry->LookupChildLocked(name));
    const bool is_dir = victim->inode()->type() == S_IFDIR;
    if (at.last.trailing_slash) return is_dir ? Errno::kEISDIR : Errno::kENOTDIR;
    RETURN_IF_ERROR(CheckMayDelete(ctx, at.parent(), *victim, false));
    if (victim->mounts_here.load() > 0) return Errno::kEBUSY;
    RETURN_IF_ERROR(at.dir().Unlink(name, *victim->inode()));
    at.parent().dentry->RemoveChild(name);
  }
  NotifyInode(*victim->inode(), IN_ATTRIB);
  NotifyName(at.dir(), name, IN_DELETE, false);
  return OkStatus();
}

Status RemoveDirectory(const WalkContext& ctx, std::string_view path) {
  ParentWalk at(ctx);
  RETURN_IF_ERROR(at.Run(path));
  switch (at.last.kind) {
    case Walker::Last::kDot:
      return Errno::kEINVAL;
    case Walker::Last::kDotDot:
      return Errno::kENOTEMPTY;
    case Walker::Last::kRoot:
      return Errno::kEBUSY;
    case Walker::Last::kNormal:
      break;
  }
  RETURN_IF_ERROR(CheckWritableMount(at.parent()));
  const std::string_view name = at.last.name;
  Ref<Dentry> victim;
  {
    MutexLock lock(at.dir().dir_mutex());
    ASSIGN_OR_RETURN(victim, at.parent().dentry->LookupChildLocked(name));
    RETURN_IF_ERROR(CheckMayDelete(ctx, at.parent(), *victim, true));
    if (victim->mounts_here.load() > 0) return Errno::kEBUSY;
    // So that nobody creates something in it meanwhile.
    MutexLock victim_lock(victim->inode()->dir_mutex());
    RETURN_IF_ERROR(at.dir().Rmdir(name, *victim->inode()));
    at.parent().dentry->RemoveChild(name);
  }
  NotifyName(at.dir(), name, IN_DELETE, true);
  return OkStatus();
}

}  // namespace cvisor::vfs
