// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// renameat2(2).

#include <stdio.h>

#include <algorithm>
#include <utility>

#include "pkg/sentry/vfs/inotify.h"
#include "pkg/sentry/vfs/permission.h"
#include "pkg/sentry/vfs/vfs.h"
#include "pkg/sentry/vfs/walk.h"

namespace cvisor::vfs {

namespace {

// The locks of one rename: see inode.h for their order.
class RenameLocks {
 public:
  RenameLocks(const Path& a, const Path& b) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (a.dentry->inode() == b.dentry->inode()) {
      Take(a.inode().dir_mutex());
      return;
    }
    Take(a.inode().fs().rename_mutex());
    // Ancestors first; the tree's shape is fixed by rename_mutex().
    const bool b_first =
        b.dentry->IsAncestorOf(*a.dentry) ||
        (!a.dentry->IsAncestorOf(*b.dentry) && &b.inode() < &a.inode());
    Take((b_first ? b : a).inode().dir_mutex());
    Take((b_first ? a : b).inode().dir_mutex());
  }
  ~RenameLocks() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    while (n_ > 0) held_[--n_]->Unlock();
  }
  void Take(Mutex& mu) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    mu.Lock();
    held_[n_++] = &mu;
  }

 private:
  Mutex* held_[4];
  int n_ = 0;
};

struct Side {
  explicit Side(const WalkContext& ctx) : at(ctx) {}
  bool is_dir() const { return dentry->inode()->type() == S_IFDIR; }
  ParentWalk at;
  Ref<Dentry> dentry;  // null: the name is free
};

// Moving a directory elsewhere changes its "..": it must be writable itself.
Status CheckMayMoveDir(const WalkContext& ctx, const Side& side) {
  if (!side.is_dir()) return OkStatus();
  return side.dentry->inode()->CheckPermission(*ctx.creds, kMayWrite);
}

Status CheckRename(const Side& from, const Side& to, unsigned flags) {
  const bool exchange = (flags & RENAME_EXCHANGE) != 0;
  const Path& from_dir = from.at.parent();
  const Path& to_dir = to.at.parent();
  if (exchange && !to.is_dir() && to.at.last.trailing_slash) return Errno::kENOTDIR;
  if (!from.is_dir()) {
    if (from.at.last.trailing_slash) return Errno::kENOTDIR;
    if (!exchange && to.at.last.trailing_slash) return Errno::kENOTDIR;
  }
  if (from.dentry == to_dir.dentry || from.dentry->IsAncestorOf(*to_dir.dentry)) {
    return Errno::kEINVAL;
  }
  if (to.dentry != nullptr &&
      (to.dentry == from_dir.dentry || to.dentry->IsAncestorOf(*from_dir.dentry))) {
    return exchange ? Errno::kEINVAL : Errno::kENOTEMPTY;
  }
  return OkStatus();
}

Status CheckRenamePermissions(const WalkContext& ctx, const Side& from, const Side& to,
                              unsigned flags) {
  const bool exchange = (flags & RENAME_EXCHANGE) != 0;
  RETURN_IF_ERROR(CheckMayDelete(ctx, from.at.parent(), *from.dentry, from.is_dir()));
  if (to.dentry == nullptr) {
    RETURN_IF_ERROR(CheckMayCreate(ctx, to.at.parent()));
  } else {
    RETURN_IF_ERROR(CheckMayDelete(ctx, to.at.parent(), *to.dentry,
                                   exchange ? to.is_dir() : from.is_dir()));
  }
  if (from.at.parent().dentry != to.at.parent().dentry) {
    RETURN_IF_ERROR(CheckMayMoveDir(ctx, from));
    if (exchange) RETURN_IF_ERROR(CheckMayMoveDir(ctx, to));
  }
  if (from.dentry->mounts_here.load() > 0) return Errno::kEBUSY;
  if (to.dentry != nullptr && to.dentry->mounts_here.load() > 0) return Errno::kEBUSY;
  return OkStatus();
}

void NotifyRename(const Side& from, const Side& to, bool exchange) {
  if (!InotifyActive()) return;
  auto moved = [](const Side& from, const Side& to) {
    const uint32_t cookie = NextInotifyCookie();
    const bool is_dir = from.is_dir();
    NotifyName(from.at.dir(), from.at.last.name, IN_MOVED_FROM, is_dir, cookie);
    NotifyName(to.at.dir(), to.at.last.name, IN_MOVED_TO, is_dir, cookie);
    NotifyInode(*from.dentry->inode(), IN_MOVE_SELF);
  };
  moved(from, to);
  if (exchange) {
    moved(to, from);
  } else if (to.dentry != nullptr) {
    NotifyInode(*to.dentry->inode(), IN_ATTRIB);
  }
}

}  // namespace

Status Rename(const WalkContext& old_ctx, std::string_view old_path, const WalkContext& new_ctx,
              std::string_view new_path, unsigned flags) {
  if (flags & ~unsigned{RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT}) {
    return Errno::kEINVAL;
  }
  const bool exchange = (flags & RENAME_EXCHANGE) != 0;
  if (exchange && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT))) return Errno::kEINVAL;
  Side from(old_ctx), to(new_ctx);
  RETURN_IF_ERROR(from.at.Run(old_path));
  RETURN_IF_ERROR(to.at.Run(new_path));
  if (from.at.parent().mount != to.at.parent().mount) return Errno::kEXDEV;
  if (from.at.last.kind != Walker::Last::kNormal) return Errno::kEBUSY;
  if (to.at.last.kind != Walker::Last::kNormal) {
    return flags & RENAME_NOREPLACE ? Errno::kEEXIST : Errno::kEBUSY;
  }
  RETURN_IF_ERROR(CheckWritableMount(from.at.parent()));
  {
    RenameLocks locks(from.at.parent(), to.at.parent());
    ASSIGN_OR_RETURN(from.dentry, from.at.parent().dentry->LookupChildLocked(from.at.last.name));
    auto there = to.at.parent().dentry->LookupChildLocked(to.at.last.name);
    if (there.ok()) {
      to.dentry = *there;
    } else if (there.error() != Errno::kENOENT) {
      return there.error();
    }
    if (to.dentry != nullptr && (flags & RENAME_NOREPLACE)) return Errno::kEEXIST;
    if (to.dentry == nullptr && exchange) return Errno::kENOENT;
    RETURN_IF_ERROR(CheckRename(from, to, flags));
    // Two names of one file: nothing to do, and both stay.
    if (to.dentry != nullptr && to.dentry->inode() == from.dentry->inode()) return OkStatus();
    RETURN_IF_ERROR(CheckRenamePermissions(old_ctx, from, to, flags));
    if (to.dentry != nullptr && to.is_dir() && !exchange) {
      locks.Take(to.dentry->inode()->dir_mutex());
    }
    RETURN_IF_ERROR(from.at.dir().Rename(
        from.at.last.name, *from.dentry->inode(), to.at.dir(), to.at.last.name,
        to.dentry == nullptr ? nullptr : to.dentry->inode().get(), flags));
    Dentry::Move(*from.at.parent().dentry, from.at.last.name, *to.at.parent().dentry,
                 to.at.last.name, exchange);
  }
  NotifyRename(from, to, exchange);
  return OkStatus();
}

}  // namespace cvisor::vfs
