// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// open(2), openat2(2).

#include <sys/mount.h>

#include <utility>

#include "pkg/sentry/vfs/inotify.h"
#include "pkg/sentry/vfs/permission.h"
#include "pkg/sentry/vfs/registry.h"
#include "pkg/sentry/vfs/vfs.h"
#include "pkg/sentry/vfs/walk.h"

namespace cvisor::vfs {

namespace {

constexpr int kTmpfileBit = O_TMPFILE & ~O_DIRECTORY;

int KeptFlags(int flags) {
  return flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC | kTmpfileBit);
}

int AccessOf(int flags) {
  int may = 0;
  switch (flags & O_ACCMODE) {
    case O_RDONLY:
      may = kMayRead;
      break;
    case O_WRONLY:
      may = kMayWrite;
      break;
    default:  // O_RDWR, and 3, which checks for both and allows neither
      may = kMayRead | kMayWrite;
  }
  if (flags & O_TRUNC) may |= kMayWrite;
  return may;
}

// Write access (ETXTBSY) that is given back unless it is handed over.
class WriteAccess {
 public:
  ~WriteAccess() {
    if (inode_ != nullptr) inode_->PutWriteAccess();
  }
  Status Get(Inode& inode) {
    RETURN_IF_ERROR(inode.GetWriteAccess());
    inode_ = &inode;
    return OkStatus();
  }
  void HandOver(FileDescription& file) {
    file.AdoptWriteAccess();
    inode_ = nullptr;
  }

 private:
  Inode* inode_ = nullptr;
};

Result<Ref<FileDescription>> OpenObject(const Path& path, int flags, const Credentials& creds) {
  Inode& inode = path.inode();
  if (!inode.OpensItself()) {
    switch (inode.type()) {
      case S_IFSOCK:
        return Errno::kENXIO;
      case S_IFIFO:
        return OpenFifo(path, flags);
      case S_IFCHR: {
        ASSIGN_OR_RETURN(const Attr attr, inode.GetAttr());
        return OpenCharDevice(path, attr.rdev, flags);
      }
      case S_IFBLK:
        return Errno::kENXIO;
    }
  }
  return inode.Open(path, flags, creds);
}

Status TruncateForOpen(const Path& path, const Credentials& creds) {
  ASSIGN_OR_RETURN(const Attr attr, path.inode().GetAttr());
  SetAttr set;
  set.valid = SetAttr::kSize;
  if (const mode_t mode = DropPrivilegeBits(attr, creds, false); mode != (attr.mode & 07777)) {
    set.valid |= SetAttr::kMode;
    set.mode = mode;
  }
  RETURN_IF_ERROR(path.inode().SetAttributes(set));
  NotifyDentry(*path.dentry, IN_MODIFY);
  return OkStatus();
}

// The last step of every open: permissions, types, truncation. `created`: made by this very call.
Result<Ref<FileDescription>> FinishOpen(const WalkContext& ctx, const Path& path, int flags,
                                        bool created) {
  Inode& inode = path.inode();
  const mode_t type = inode.type();
  if ((flags & O_DIRECTORY) && type != S_IFDIR) return Errno::kENOTDIR;
  if (flags & O_PATH) return Ref<FileDescription>(MakeRef<FileDescription>(path, KeptFlags(flags)));

  const Credentials& creds = *ctx.creds;
  const int may = AccessOf(flags);
  const unsigned long mount_flags = path.mount->flags.load(std::memory_order_relaxed);
  if (type == S_IFLNK) return Errno::kELOOP;
  if (type == S_IFDIR && ((may & kMayWrite) || (flags & O_CREAT))) return Errno::kEISDIR;
  if ((type == S_IFCHR || type == S_IFBLK) && (mount_flags & MS_NODEV)) return Errno::kEACCES;
  if (!created) {
    RETURN_IF_ERROR(CheckPathPermission(path, creds, may));
    if (flags & O_NOATIME) {
      ASSIGN_OR_RETURN(const Attr attr, inode.GetAttr());
      if (!OwnsInode(attr, creds)) return Errno::kEPERM;
    }
  }

  const bool truncate = (flags & O_TRUNC) && type == S_IFREG && !created;
  const bool writes = (flags & O_ACCMODE) != O_RDONLY;
  WriteAccess access;
  if (type == S_IFREG && (writes || truncate)) RETURN_IF_ERROR(access.Get(inode));
  // Terminals are told of O_NOCTTY; FileDescription does not keep it.
  ASSIGN_OR_RETURN(Ref<FileDescription> file,
                   OpenObject(path, KeptFlags(flags) | (flags & O_NOCTTY), creds));
  if (truncate) RETURN_IF_ERROR(TruncateForOpen(path, creds));
  // Descriptions of another object (a /proc link's) account for themselves.
  if (type == S_IFREG && writes && file->path() && &file->inode() == &inode) {
    access.HandOver(*file);
  }
  if (InotifyActive()) NotifyDentry(*path.dentry, IN_OPEN);
  return file;
}

Result<Ref<FileDescription>> OpenTmpfile(const WalkContext& ctx, std::string_view name,
                                         const OpenOptions& opts) {
  if ((opts.flags & O_ACCMODE) == O_RDONLY) return Errno::kEINVAL;
  if (opts.flags & O_CREAT) return Errno::kEINVAL;
  WalkOptions walk;
  walk.want_directory = true;
  walk.follow_final = !(opts.flags & O_NOFOLLOW);
  walk.resolve = opts.resolve;
  ASSIGN_OR_RETURN(const Path dir, Walk(ctx, name, walk));
  RETURN_IF_ERROR(CheckPathPermission(dir, *ctx.creds, kMayWrite | kMayExec));
  ASSIGN_OR_RETURN(const Attr attr, dir.inode().GetAttr());
  NewInode how = InitNewInode(attr, *ctx.creds, S_IFREG | (opts.mode & 07777 & ~ctx.umask));
  how.linkable = !(opts.flags & O_EXCL);
  ASSIGN_OR_RETURN(Ref<Inode> inode, dir.inode().Tmpfile(how));
  ASSIGN_OR_RETURN(const Attr made, inode->GetAttr());
  Ref<Dentry> dentry = Dentry::NewUnlinked(*dir.dentry, "#" + std::to_string(made.ino), inode);
  ASSIGN_OR_RETURN(auto file, FinishOpen(ctx, Path{dir.mount, dentry},
                                         opts.flags & ~(O_DIRECTORY | kTmpfileBit), true));
  file->SetTmpfile();
  return file;
}

// Makes `name` in the walker's directory, unless somebody else has made it meanwhile.
Result<Path> CreateFile(const WalkContext& ctx, const Path& parent, std::string_view name,
                        mode_t mode, bool* created) {
  Inode& dir = parent.inode();
  Path made{parent.mount, nullptr};
  {
    MutexLock lock(dir.dir_mutex());
    auto there = parent.dentry->LookupChildLocked(name);
    if (there.ok()) {
      made.dentry = *there;
      return made;
    }
    if (there.error() != Errno::kENOENT) return there.error();
    RETURN_IF_ERROR(CheckMayCreate(ctx, parent));
    ASSIGN_OR_RETURN(const Attr attr, dir.GetAttr());
    const NewInode how = InitNewInode(attr, *ctx.creds, S_IFREG | (mode & 07777 & ~ctx.umask));
    ASSIGN_OR_RETURN(Ref<Inode> inode, dir.Create(name, how));
    made.dentry = parent.dentry->AddChild(name, std::move(inode));
  }
  *created = true;
  NotifyName(dir, name, IN_CREATE, false);
  return made;
}

Result<Ref<FileDescription>> OpenCreating(const WalkContext& ctx, std::string_view name,
                                          const OpenOptions& opts) {
  const int flags = opts.flags;
  Walker walker(ctx, opts.resolve);
  RETURN_IF_ERROR(walker.Begin(name));
  while (true) {
    ASSIGN_OR_RETURN(const Walker::Last last, walker.WalkParent());
    if (last.kind != Walker::Last::kNormal) {
      return flags & O_EXCL ? Errno::kEEXIST : Errno::kEISDIR;
    }
    if (last.trailing_slash) return Errno::kEISDIR;
    bool created = false;
    auto found = walker.LookupLast(last.name);
    if (!found.ok() && found.error() == Errno::kENOENT) {
      found = CreateFile(ctx, walker.current(), last.name, opts.mode, &created);
      if (found.ok() && !created) found = ctx.ns->FollowMounts(std::move(*found));
    }
    if (!found.ok()) return found.error();
    if (created) return FinishOpen(ctx, *found, flags, true);
    if (flags & O_EXCL) return Errno::kEEXIST;
    if (found->inode().type() != S_IFLNK) return FinishOpen(ctx, *found, flags, false);
    if (flags & O_NOFOLLOW) return Errno::kELOOP;
    ASSIGN_OR_RETURN(const bool magic, walker.FollowLast(*found, false));
    if (magic) return FinishOpen(ctx, walker.current(), flags, false);
  }
}

}  // namespace

Result<Ref<FileDescription>> Open(const WalkContext& ctx, std::string_view path,
                                  const OpenOptions& original) {
  OpenOptions opts = original;
  if (opts.flags & O_PATH) opts.flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  if ((opts.resolve & RESOLVE_CACHED) &&
      (opts.flags & (O_CREAT | O_TRUNC | kTmpfileBit))) {
    return Errno::kEAGAIN;
  }
  if (opts.flags & kTmpfileBit) {
    if (!(opts.flags & O_DIRECTORY)) return Errno::kEINVAL;
    return OpenTmpfile(ctx, path, opts);
  }
  if (opts.flags & O_CREAT) {
    if (opts.flags & O_DIRECTORY) return Errno::kEINVAL;  // since Linux 6.4
    return OpenCreating(ctx, path, opts);
  }
  WalkOptions walk;
  walk.follow_final = !(opts.flags & O_NOFOLLOW);
  walk.want_directory = (opts.flags & O_DIRECTORY) != 0;
  walk.resolve = opts.resolve;
  ASSIGN_OR_RETURN(const Path found, Walk(ctx, path, walk));
  return FinishOpen(ctx, found, opts.flags, false);
}

Result<Ref<FileDescription>> OpenPath(const WalkContext& ctx, const Path& path, int flags) {
  if (flags & O_PATH) flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  return FinishOpen(ctx, path, flags & ~(O_CREAT | O_EXCL), false);
}

}  // namespace cvisor::vfs
