// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Walker: path_resolution(7). Internal to vfs: callers use Walk() and the operations of vfs.h.

#ifndef CVISOR_PKG_SENTRY_VFS_WALK_H_
#define CVISOR_PKG_SENTRY_VFS_WALK_H_

#include <string>
#include <string_view>

#include "pkg/base/result.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::vfs {

class Walker {
 public:
  Walker(const WalkContext& ctx, uint64_t resolve);

  // What the last component is. `name` is valid until the next call.
  struct Last {
    enum Kind { kNormal, kDot, kDotDot, kRoot } kind = kNormal;
    std::string_view name;
    bool trailing_slash = false;
  };

  // ENOENT for an empty path, ENAMETOOLONG, EXDEV.
  Status Begin(std::string_view path);
  // Goes up to the last component, which it leaves alone: current() is the directory that holds it,
  // search permission checked.
  Result<Last> WalkParent();
  // The object a kNormal component names: mounts crossed, a symbolic link not followed. ENOENT.
  Result<Path> LookupLast(std::string_view name);
  // Goes on with the target of `link`, which was found in current(). True if it was a magic link:
  // current() is the object then, and there is nothing left to walk. Call WalkParent() otherwise.
  Result<bool> FollowLast(const Path& link, bool trailing_slash);
  // The object of a last component of the other kinds.
  Result<Path> FinishSpecial(const Last& last);

  const Path& current() const { return current_; }

 private:
  Status CheckSearch();
  Status DotDot();
  Status CrossMounts(Path* path);
  // Prepares the walk of a link's target. True: magic, current_ has jumped.
  Result<bool> StartLink(const Path& link, std::string_view rest);

  const WalkContext& ctx_;
  const uint64_t resolve_;
  Path root_;
  Path current_;
  int links_ = 0;
  std::string buffer_;      // what rest_ points into once a link was followed
  std::string_view rest_;
};

// Walks to the parent only; the last component must be kNormal, else `special`'s error applies.
struct ParentWalk {
  explicit ParentWalk(const WalkContext& ctx) : walker(ctx, 0) {}
  Status Run(std::string_view path) {
    RETURN_IF_ERROR(walker.Begin(path));
    ASSIGN_OR_RETURN(last, walker.WalkParent());
    return OkStatus();
  }
  const Path& parent() const { return walker.current(); }
  Inode& dir() const { return walker.current().inode(); }

  Walker walker;
  Walker::Last last;
};

// Removing or replacing `victim` in `dir`: write and search permission, sticky bit, and whether it is
// a directory as wanted. `dir` is locked.
Status CheckMayDelete(const WalkContext& ctx, const Path& dir, const Dentry& victim, bool want_dir);
// Adding a name to `dir`: EROFS, ENOENT if it was removed, EACCES.
Status CheckMayCreate(const WalkContext& ctx, const Path& dir);

}  // namespace cvisor::vfs

#endif  // CVISOR_PKG_SENTRY_VFS_WALK_H_
