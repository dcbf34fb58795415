// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/vfs/walk.h"

#include <sys/mount.h>

#include <algorithm>
#include <utility>

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

namespace cvisor::vfs {

Walker::Walker(const WalkContext& ctx, uint64_t resolve)
    : ctx_(ctx),
      resolve_(resolve),
      root_(resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT) ? ctx.start : ctx.root) {}

Status Walker::Begin(std::string_view path) {
  if (path.empty()) return Errno::kENOENT;
  if (path.size() >= kPathMax) return Errno::kENAMETOOLONG;
  if (path[0] == '/') {
    if (resolve_ & RESOLVE_BENEATH) return Errno::kEXDEV;
    current_ = root_;
  } else {
    current_ = ctx_.start;
  }
  rest_ = path;
  return OkStatus();
}

Status Walker::CheckSearch() {
  Inode& dir = current_.inode();
  if (dir.type() != S_IFDIR) return Errno::kENOTDIR;
  return dir.CheckPermission(*ctx_.creds, kMayExec);
}

Status Walker::CrossMounts(Path* path) {
  if (path->dentry->mounts_here.load() == 0) return OkStatus();
  Ref<Mount> before = path->mount;
  *path = ctx_.ns->FollowMounts(std::move(*path));
  if (path->mount != before && (resolve_ & RESOLVE_NO_XDEV)) return Errno::kEXDEV;
  return OkStatus();
}

Status Walker::DotDot() {
  Path at = current_;
  while (true) {
    if (at == root_) {
      if (resolve_ & RESOLVE_BENEATH) return Errno::kEXDEV;
      break;
    }
    if (at.dentry == at.mount->root) {
      // At the top of a namespace or of a detached tree ".." stays where it is.
      if (!ctx_.ns->UpFromMountRoot(&at)) break;
      if (resolve_ & RESOLVE_NO_XDEV) return Errno::kEXDEV;
      continue;
    }
    Ref<Dentry> parent = at.dentry->parent();
    if (parent == nullptr) break;
    // A directory that was moved out of its bind mount must not lead out of it.
    if (at.mount->root != parent && at.mount->root->parent() != nullptr &&
        !at.mount->root->IsAncestorOf(*parent)) {
      return Errno::kENOENT;
    }
    at.dentry = std::move(parent);
    break;
  }
  RETURN_IF_ERROR(CrossMounts(&at));
  current_ = std::move(at);
  return OkStatus();
}

Result<Path> Walker::LookupLast(std::string_view name) {
  Path child{current_.mount, nullptr};
  if (resolve_ & RESOLVE_CACHED) {
    child.dentry = current_.dentry->LookupCached(name);
    if (child.dentry == nullptr) return Errno::kEAGAIN;
  } else {
    ASSIGN_OR_RETURN(child.dentry, current_.dentry->LookupChild(name));
  }
  RETURN_IF_ERROR(CrossMounts(&child));
  return child;
}

Result<bool> Walker::StartLink(const Path& link, std::string_view rest) {
  if (++links_ > kMaxSymlinks || (resolve_ & RESOLVE_NO_SYMLINKS)) return Errno::kELOOP;
  if (link.mount->flags.load(std::memory_order_relaxed) & MS_NOSYMFOLLOW) return Errno::kELOOP;
  Inode& inode = link.inode();
  if (inode.IsMagicLink()) {
    if (resolve_ & RESOLVE_NO_MAGICLINKS) return Errno::kELOOP;
    ASSIGN_OR_RETURN(Path target, inode.FollowMagicLink());
    if (target) {
      if ((resolve_ & RESOLVE_NO_XDEV) && target.mount != current_.mount) return Errno::kEXDEV;
      if (resolve_ & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) return Errno::kEXDEV;
      current_ = std::move(target);
      buffer_ = std::string(rest);
      rest_ = buffer_;
      return true;
    }
  }
  ASSIGN_OR_RETURN(std::string target, inode.ReadLink());
  if (target.empty()) return Errno::kENOENT;
  if (target[0] == '/') {
    if (resolve_ & RESOLVE_BENEATH) return Errno::kEXDEV;
    if ((resolve_ & RESOLVE_NO_XDEV) && root_.mount != current_.mount) return Errno::kEXDEV;
    current_ = root_;
  }
  // `rest` may point into buffer_.
  if (!rest.empty()) target.append("/").append(rest);
  buffer_ = std::move(target);
  rest_ = buffer_;
  return false;
}

Result<Walker::Last> Walker::WalkParent() {
  while (true) {
    while (!rest_.empty() && rest_[0] == '/') rest_.remove_prefix(1);
    if (rest_.empty()) return Last{Last::kRoot, "", false};
    RETURN_IF_ERROR(CheckSearch());
    const size_t end = std::min(rest_.find('/'), rest_.size());
    const std::string_view name = rest_.substr(0, end);
    std::string_view after = rest_.substr(end);
    const bool slash = !after.empty();
    while (!after.empty() && after[0] == '/') after.remove_prefix(1);
    const auto kind = name == "." ? Last::kDot : name == ".." ? Last::kDotDot : Last::kNormal;
    if (after.empty()) {
      rest_ = after;
      return Last{kind, name, slash};
    }
    if (kind == Last::kDot) {
      rest_ = after;
      continue;
    }
    if (kind == Last::kDotDot) {
      RETURN_IF_ERROR(DotDot());
      rest_ = after;
      continue;
    }
    if (name.size() > kNameMax) return Errno::kENAMETOOLONG;
    ASSIGN_OR_RETURN(Path child, LookupLast(name));
    if (child.inode().type() == S_IFLNK) {
      RETURN_IF_ERROR(StartLink(child, after));
      continue;
    }
    if (child.inode().type() != S_IFDIR) return Errno::kENOTDIR;
    current_ = std::move(child);
    rest_ = after;
  }
}

Result<bool> Walker::FollowLast(const Path& link, bool trailing_slash) {
  ASSIGN_OR_RETURN(const bool magic, StartLink(link, ""));
  if (magic) return true;
  if (trailing_slash) {
    buffer_.push_back('/');
    rest_ = buffer_;
  }
  return false;
}

Result<Path> Walker::FinishSpecial(const Last& last) {
  if (last.kind == Last::kDotDot) RETURN_IF_ERROR(DotDot());
  return current_;
}

Result<Path> Walk(const WalkContext& ctx, std::string_view path, const WalkOptions& opts) {
  if (path.empty() && opts.empty_path) return ctx.start;
  Walker walker(ctx, opts.resolve);
  RETURN_IF_ERROR(walker.Begin(path));
  Path found;
  bool must_be_dir = opts.want_directory;
  while (true) {
    ASSIGN_OR_RETURN(const Walker::Last last, walker.WalkParent());
    if (last.kind != Walker::Last::kNormal) return walker.FinishSpecial(last);
    must_be_dir |= last.trailing_slash;
    ASSIGN_OR_RETURN(found, walker.LookupLast(last.name));
    if (found.inode().type() != S_IFLNK || !(opts.follow_final || last.trailing_slash)) break;
    ASSIGN_OR_RETURN(const bool magic, walker.FollowLast(found, last.trailing_slash));
    if (!magic) continue;
    found = walker.current();
    break;
  }
  if (must_be_dir && found.inode().type() != S_IFDIR) return Errno::kENOTDIR;
  return found;
}

}  // namespace cvisor::vfs
