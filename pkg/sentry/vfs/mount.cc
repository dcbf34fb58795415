// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Mount and MountNamespace: mount(2), umount2(2), pivot_root(2), mount_namespaces(7) without
// propagation: every mount is private.

#include <sys/mount.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <utility>

#include "pkg/sentry/vfs/dentry.h"
#include "pkg/sentry/vfs/dentry_cache.h"

namespace cvisor::vfs {

int NextMountId() {
  static std::atomic<int> next{1};
  return next.fetch_add(1);
}

dev_t NextAnonymousDev() {
  static std::atomic<unsigned> next{1};
  return makedev(0, next.fetch_add(1));
}

Mount::Mount(int id, Ref<FileSystem> fs, Ref<Dentry> root, unsigned long flags, std::string source)
    : id(id), fs(std::move(fs)), root(std::move(root)), source(std::move(source)), flags(flags) {
  this->fs->mount_count.fetch_add(1);
}

Mount::~Mount() {
  // Nobody can reach the file system any more: let its inodes go now.
  if (fs->mount_count.fetch_sub(1) == 1) DentryCache::Get().Purge(*fs);
}

Ref<Mount> Mount::Copy(Ref<Dentry> new_root) const {
  auto copy = MakeRef<Mount>(NextMountId(), fs, std::move(new_root), flags.load(), source);
  copy->inherited_ = inherited_;
  copy->locked_flags_ = locked_flags_;
  return copy;
}

bool Mount::readonly() const { return (flags.load() & MS_RDONLY) != 0; }

MountNamespace::MountNamespace(Ref<FileSystem> root_fs, Ref<Dentry> root, unsigned long flags,
                               std::string source)
    : root_(MakeRef<Mount>(NextMountId(), std::move(root_fs), std::move(root), flags,
                           std::move(source))) {}

MountNamespace::~MountNamespace() {
  std::vector<Ref<Mount>> dropped;
  MutexLock lock(mu_);
  if (root_ != nullptr) DetachTreeLocked(*root_, &dropped);
}

Path MountNamespace::Root() const {
  ReaderLock lock(mu_);
  return Path{root_, root_->root};
}

// A mount that was detached, or that belongs to another namespace, takes part in nothing.
Status MountNamespace::CheckAttached(const Mount& mount) const {
  const Mount* top = &mount;
  while (top->parent_ != nullptr) top = top->parent_.get();
  return top == root_.get() && !mount.detached_ ? OkStatus() : Errno::kEINVAL;
}

Path MountNamespace::FollowLocked(Path path) const {
  while (path.dentry->mounts_here.load() > 0) {
    auto it = mounts_.find(std::pair<const Mount*, const Dentry*>(path.mount.get(),
                                                                  path.dentry.get()));
    if (it == mounts_.end()) break;
    path = Path{it->second, it->second->root};
  }
  return path;
}

Path MountNamespace::FollowMounts(Path path) const {
  if (path.dentry->mounts_here.load() == 0) return path;
  ReaderLock lock(mu_);
  return FollowLocked(std::move(path));
}

bool MountNamespace::UpLocked(Path* path) const {
  if (path->mount->parent_ == nullptr) return false;
  *path = Path{path->mount->parent_, path->mount->mountpoint_};
  return true;
}

bool MountNamespace::UpFromMountRoot(Path* path) const {
  ReaderLock lock(mu_);
  return UpLocked(path);
}

bool MountNamespace::ReachableLocked(Path from, const Path& root) const {
  while (true) {
    if (from.mount == root.mount) {
      return from.dentry == root.dentry || root.dentry->IsAncestorOf(*from.dentry);
    }
    if (!UpLocked(&from)) return false;
  }
}

Ref<Mount> MountNamespace::AttachLocked(Ref<Mount> mount, const Path& at) {
  mount->parent_ = at.mount;
  mount->mountpoint_ = at.dentry;
  mount->detached_ = false;
  at.mount->children_.push_back(mount.get());
  at.dentry->mounts_here.fetch_add(1);
  mounts_[std::pair<const Mount*, const Dentry*>(at.mount.get(), at.dentry.get())] = mount;
  return mount;
}

void MountNamespace::DetachLocked(Mount& mount) {
  if (mount.parent_ == nullptr) return;
  auto& siblings = mount.parent_->children_;
  siblings.erase(std::remove(siblings.begin(), siblings.end(), &mount), siblings.end());
  mount.mountpoint_->mounts_here.fetch_sub(1);
  mounts_.erase(std::pair<const Mount*, const Dentry*>(mount.parent_.get(),
                                                       mount.mountpoint_.get()));
  mount.parent_ = nullptr;
  mount.mountpoint_ = nullptr;
}

// `dropped` takes the references, so that file systems are destroyed after the lock is released.
void MountNamespace::DetachTreeLocked(Mount& mount, std::vector<Ref<Mount>>* dropped) {
  std::vector<Mount*> todo{&mount};
  while (!todo.empty()) {
    Mount* m = todo.back();
    todo.pop_back();
    dropped->push_back(Ref<Mount>(m));
    todo.insert(todo.end(), m->children_.begin(), m->children_.end());
  }
  for (auto it = dropped->rbegin(); it != dropped->rend(); ++it) {
    DetachLocked(**it);
    (*it)->detached_ = true;
  }
}

Result<Ref<Mount>> MountNamespace::MountAt(const Path& where, Ref<FileSystem> fs, Ref<Dentry> root,
                                           unsigned long flags, std::string source) {
  auto mount = MakeRef<Mount>(NextMountId(), std::move(fs), std::move(root), flags,
                              std::move(source));
  MutexLock lock(mu_);
  // Somebody may have mounted there since the walk: go on top.
  const Path at = FollowLocked(where);
  RETURN_IF_ERROR(CheckAttached(*at.mount));
  if (at.dentry->deleted()) return Errno::kENOENT;
  if (S_ISDIR(at.inode().type()) != S_ISDIR(mount->root->inode()->type())) return Errno::kENOTDIR;
  return AttachLocked(std::move(mount), at);
}

Result<Ref<Mount>> MountNamespace::BindAt(const Path& where, const Path& from, bool recursive) {
  MutexLock lock(mu_);
  Ref<Mount> copy = from.mount->Copy(from.dentry);
  const Path at = FollowLocked(where);
  RETURN_IF_ERROR(CheckAttached(*at.mount));
  RETURN_IF_ERROR(CheckAttached(*from.mount));
  if (at.dentry->deleted() || from.dentry->deleted()) return Errno::kENOENT;
  if (S_ISDIR(at.inode().type()) != S_ISDIR(from.inode().type())) return Errno::kENOTDIR;
  // The copies are collected before anything is attached: the target may be inside the source.
  struct Todo {
    Mount* original;
    Ref<Mount> copy;
    Ref<Mount> copy_parent;
  };
  std::vector<Todo> copies{{from.mount.get(), copy, nullptr}};
  for (size_t i = 0; i < copies.size() && (recursive || i == 0); ++i) {
    for (Mount* child : copies[i].original->children_) {
      const Dentry& point = *child->mountpoint_;
      if (i == 0 && !(from.dentry == &point || from.dentry->IsAncestorOf(point))) continue;
      if (!recursive) {
        // Without its locked mounts the copy would show what they cover.
        if (child->locked_) return Errno::kEINVAL;
        continue;
      }
      copies.push_back({child, child->Copy(child->root), copies[i].copy});
      copies.back().copy->locked_ = child->locked_;
    }
  }
  AttachLocked(copy, at);
  for (size_t i = 1; i < copies.size(); ++i) {
    AttachLocked(copies[i].copy, Path{copies[i].copy_parent, copies[i].original->mountpoint_});
  }
  return copy;
}

Status MountNamespace::Move(const Path& from, const Path& where) {
  MutexLock lock(mu_);
  const Path to = FollowLocked(where);
  if (from.dentry != from.mount->root || from.mount->parent_ == nullptr) return Errno::kEINVAL;
  RETURN_IF_ERROR(CheckAttached(*from.mount));
  RETURN_IF_ERROR(CheckAttached(*to.mount));
  if (from.mount->locked_) return Errno::kEINVAL;
  if (to.dentry->deleted()) return Errno::kENOENT;
  if (S_ISDIR(from.inode().type()) != S_ISDIR(to.inode().type())) return Errno::kENOTDIR;
  for (const Mount* m = to.mount.get(); m != nullptr; m = m->parent_.get()) {
    if (m == from.mount.get()) return Errno::kELOOP;
  }
  Ref<Mount> mount = from.mount;
  DetachLocked(*mount);
  AttachLocked(std::move(mount), to);
  return OkStatus();
}

Status MountNamespace::Unmount(const Path& at, int flags) {
  if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) return Errno::kEINVAL;
  if ((flags & MNT_EXPIRE) && (flags & (MNT_FORCE | MNT_DETACH))) return Errno::kEINVAL;
  std::vector<Ref<Mount>> dropped;
  MutexLock lock(mu_);
  if (at.dentry != at.mount->root) return Errno::kEINVAL;
  RETURN_IF_ERROR(CheckAttached(*at.mount));
  Mount& mount = *at.mount;
  if (mount.locked_) return Errno::kEINVAL;
  if (mount.parent_ == nullptr) return flags & MNT_DETACH ? Errno::kEINVAL : Errno::kEBUSY;
  if (!(flags & MNT_DETACH)) {
    // The table's reference and the caller's.
    if (!mount.children_.empty() || mount.ref_count() > 2) return Errno::kEBUSY;
    if ((flags & MNT_EXPIRE) && !std::exchange(mount.expiry_mark_, true)) return Errno::kEAGAIN;
  }
  DetachTreeLocked(mount, &dropped);
  return OkStatus();
}

Status MountNamespace::Remount(const Path& at, unsigned long flags, bool bind) {
  MutexLock lock(mu_);
  if (at.dentry != at.mount->root) return Errno::kEINVAL;
  RETURN_IF_ERROR(CheckAttached(*at.mount));
  // The file system is not the caller's, or the mount's restrictions are others' decision.
  if (at.mount->inherited_ && !bind) return Errno::kEPERM;
  if ((at.mount->locked_flags_ & ~flags) != 0) return Errno::kEPERM;
  at.mount->flags.store(flags);
  return OkStatus();
}

Status MountNamespace::PivotRoot(const Path& new_root, const Path& put_old) {
  if (!S_ISDIR(new_root.inode().type()) || !S_ISDIR(put_old.inode().type())) {
    return Errno::kENOTDIR;
  }
  MutexLock lock(mu_);
  RETURN_IF_ERROR(CheckAttached(*new_root.mount));
  RETURN_IF_ERROR(CheckAttached(*put_old.mount));
  if (new_root.dentry->deleted() || put_old.dentry->deleted()) return Errno::kENOENT;
  if (new_root.mount == root_ || put_old.mount == root_) return Errno::kEBUSY;
  if (new_root.dentry != new_root.mount->root || new_root.mount->locked_) return Errno::kEINVAL;
  if (!ReachableLocked(put_old, new_root)) return Errno::kEINVAL;
  Ref<Mount> old_root = root_;
  Ref<Mount> mount = new_root.mount;
  DetachLocked(*mount);
  root_ = mount;
  // Not FollowLocked: pivot_root(".", ".") stacks the old root on the new one.
  AttachLocked(std::move(old_root), put_old);
  return OkStatus();
}

bool MountNamespace::FullyVisible(std::string_view type, unsigned long flags) const {
  ReaderLock lock(mu_);
  std::vector<const Mount*> todo{root_.get()};
  while (!todo.empty()) {
    const Mount* m = todo.back();
    todo.pop_back();
    todo.insert(todo.end(), m->children_.begin(), m->children_.end());
    if (m->fs->type_name() != type || !m->children_.empty()) continue;
    // The root of a file system has no parent.
    if (m->root->parent() != nullptr) continue;
    if ((m->flags.load() & MS_RDONLY & ~flags) == 0) return true;
  }
  return false;
}

std::vector<MountNamespace::Info> MountNamespace::List(const Path& root) const {
  std::vector<Info> list;
  {
    ReaderLock lock(mu_);
    std::vector<Ref<Mount>> todo{root_};
    while (!todo.empty()) {
      Ref<Mount> m = todo.back();
      todo.pop_back();
      for (Mount* child : m->children_) todo.push_back(Ref<Mount>(child));
      Info info{m->id, m->parent_ == nullptr ? m->id : m->parent_->id, m, {}, ""};
      info.mountpoint =
          m->parent_ == nullptr ? Path{m, m->root} : Path{m->parent_, m->mountpoint_};
      // The mount that is the process's root is at "/" whatever its parent is.
      if (m == root.mount) {
        info.path = "/";
      } else if (!ReachableLocked(info.mountpoint, root)) {
        continue;
      }
      list.push_back(std::move(info));
    }
  }
  for (Info& info : list) {
    if (info.path.empty()) info.path = PathName(*this, info.mountpoint, root);
  }
  std::sort(list.begin(), list.end(), [](const Info& a, const Info& b) { return a.id < b.id; });
  return list;
}

Ref<MountNamespace> MountNamespace::Clone(Ref<UserNamespace> owner,
                                          std::map<Mount*, Ref<Mount>>* translated) const {
  constexpr unsigned long kRestrictions = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
  const bool lock_mounts = owner != user_ns_ref();
  Ref<MountNamespace> ns(new MountNamespace);
  ns->set_user_ns(std::move(owner));
  ReaderLock lock(mu_);
  MutexLock new_lock(ns->mu_);
  const auto clone = [&](const Mount& m) {
    auto copy = m.Copy(m.root);
    copy->locked_ = m.locked_ || (lock_mounts && &m != root_.get());
    if (lock_mounts) {
      copy->inherited_ = true;
      copy->locked_flags_ |= m.flags.load() & kRestrictions;
    }
    return copy;
  };
  std::vector<std::pair<Mount*, Ref<Mount>>> todo{{root_.get(), clone(*root_)}};
  ns->root_ = todo[0].second;
  while (!todo.empty()) {
    auto [original, copy] = todo.back();
    todo.pop_back();
    if (translated != nullptr) (*translated)[original] = copy;
    for (Mount* child : original->children_) {
      Ref<Mount> child_copy = clone(*child);
      ns->AttachLocked(child_copy, Path{copy, child->mountpoint_});
      todo.emplace_back(child, child_copy);
    }
  }
  return ns;
}

}  // namespace cvisor::vfs
