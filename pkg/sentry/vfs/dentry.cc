// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/vfs/dentry.h"

#include <utility>

#include "pkg/sentry/vfs/deferred_delete.h"
#include "pkg/sentry/vfs/dentry_cache.h"
#include "pkg/sentry/vfs/inotify.h"

namespace cvisor::vfs {

namespace {
// Debian's Abseil has a string_view of its own.
absl::string_view Key(std::string_view s) { return {s.data(), s.size()}; }

void NotifyIfDeleted(Inode& inode) {
  if (inode.watches.load() == nullptr) return;
  auto attr = inode.GetAttr();
  if (attr.ok() && (attr->nlink == 0 || attr->is_dir())) NotifyDeleted(inode);
}
}  // namespace

Dentry::Dentry(Ref<Dentry> parent, std::string name, Ref<Inode> inode, bool anonymous)
    : inode_(std::move(inode)),
      anonymous_(anonymous),
      parent_(std::move(parent)),
      name_(std::move(name)) {}

Dentry::~Dentry() = default;

Ref<Dentry> Dentry::NewRoot(Ref<Inode> inode) {
  return Ref<Dentry>(new Dentry(nullptr, "/", std::move(inode), false));
}

Ref<Dentry> Dentry::NewAnonymous(std::string name, Ref<Inode> inode) {
  return Ref<Dentry>(new Dentry(nullptr, std::move(name), std::move(inode), true));
}

Ref<Dentry> Dentry::NewUnlinked(Dentry& dir, std::string name, Ref<Inode> inode) {
  Ref<Dentry> d(new Dentry(Ref<Dentry>(&dir), std::move(name), std::move(inode), false));
  d->deleted_.store(true);
  return d;
}

void Dentry::LeaveParent() {
  Ref<Dentry> parent;
  std::string name;
  {
    MutexLock lock(mu_);
    parent = parent_;
    name = name_;
  }
  if (parent == nullptr) return;
  MutexLock lock(parent->mu_);
  auto it = parent->children_.find(name);
  if (it != parent->children_.end() && it->second == this) parent->children_.erase(it);
}

void Dentry::OnLastRef() {
  // Lookups meanwhile find the pointer in the parent's map, fail to take a reference and replace it.
  DeferredDelete<Dentry>(this, [](Dentry* d) {
    d->LeaveParent();
    if (d->deleted() && InotifyActive()) NotifyIfDeleted(*d->inode_);
    delete d;
  });
}

Ref<Dentry> Dentry::parent() const {
  ReaderLock lock(mu_);
  return parent_;
}

std::string Dentry::name() const {
  ReaderLock lock(mu_);
  return name_;
}

Ref<Dentry> Dentry::FindChild(std::string_view name) const {
  ReaderLock lock(mu_);
  auto it = children_.find(Key(name));
  if (it == children_.end() || !it->second->TryIncRef()) return nullptr;
  return Ref<Dentry>::Adopt(it->second);
}

Ref<Dentry> Dentry::LookupCached(std::string_view name) {
  Ref<Dentry> child = FindChild(name);
  if (child == nullptr) return nullptr;
  // Mount points stay what they are, or masked files of /proc would come back.
  if (child->mounts_here.load() == 0 && !inode_->RevalidateChild(name, child->inode_.get())) {
    return nullptr;
  }
  if (!child->referenced_.load(std::memory_order_relaxed)) {
    child->referenced_.store(true, std::memory_order_relaxed);
  }
  return child;
}

Result<Ref<Dentry>> Dentry::LookupChild(std::string_view name) {
  if (Ref<Dentry> child = LookupCached(name); child != nullptr) {
    if (child->cache_slot_.load(std::memory_order_relaxed) < 0 && inode_->fs().CacheDentries()) {
      DentryCache::Get().Insert(*child);
    }
    return child;
  }
  if (name.size() > kNameMax) return Errno::kENAMETOOLONG;
  ReaderLock lock(inode_->dir_mutex());
  return LookupChildLocked(name);
}

Result<Ref<Dentry>> Dentry::LookupChildLocked(std::string_view name) {
  if (Ref<Dentry> child = LookupCached(name); child != nullptr) return child;
  if (name.size() > kNameMax) return Errno::kENAMETOOLONG;
  if (deleted()) return Errno::kENOENT;
  auto inode = inode_->Lookup(name);
  if (!inode.ok()) {
    // A stale dentry goes; the usual miss has none and takes no exclusive lock.
    if (inode.error() == Errno::kENOENT && FindChild(name) != nullptr) DropChild(name);
    return inode.error();
  }
  return AddChild(name, std::move(*inode));
}

Ref<Dentry> Dentry::AddChild(std::string_view name, Ref<Inode> inode) {
  const bool cache = inode->fs().CacheDentries();
  Ref<Dentry> child, old;
  {
    MutexLock lock(mu_);
    Dentry*& slot = children_[Key(name)];
    // Another lookup may have been faster; a dying or stale dentry is replaced.
    if (slot != nullptr && slot->TryIncRef()) {
      old = Ref<Dentry>::Adopt(slot);
      if (old->inode_ == inode) return old;
    }
    child = Ref<Dentry>(new Dentry(Ref<Dentry>(this), std::string(name), std::move(inode), false));
    slot = child.get();
  }
  if (old != nullptr) DentryCache::Get().Remove(*old);
  if (cache) DentryCache::Get().Insert(*child);
  return child;
}

void Dentry::RemoveChild(std::string_view name) {
  Ref<Dentry> child;
  {
    MutexLock lock(mu_);
    auto it = children_.find(Key(name));
    if (it == children_.end()) return;
    if (it->second->TryIncRef()) child = Ref<Dentry>::Adopt(it->second);
    children_.erase(it);
  }
  if (child == nullptr) return;
  child->deleted_.store(true);
  DentryCache::Get().Remove(*child);
}

void Dentry::DropChild(std::string_view name) {
  Ref<Dentry> child;
  {
    MutexLock lock(mu_);
    auto it = children_.find(Key(name));
    if (it == children_.end()) return;
    if (it->second->TryIncRef()) child = Ref<Dentry>::Adopt(it->second);
    children_.erase(it);
  }
  if (child != nullptr) DentryCache::Get().Remove(*child);
}

void Dentry::Move(Dentry& old_dir, std::string_view old_name, Dentry& new_dir,
                  std::string_view new_name, bool exchange) {
  // The directories' mutexes are held: lookups that miss in between wait for them.
  auto take = [](Dentry& dir, std::string_view name) -> Ref<Dentry> {
    MutexLock lock(dir.mu_);
    auto it = dir.children_.find(Key(name));
    if (it == dir.children_.end()) return nullptr;
    Ref<Dentry> d;
    if (it->second->TryIncRef()) d = Ref<Dentry>::Adopt(it->second);
    dir.children_.erase(it);
    return d;
  };
  auto put = [](Dentry& dir, std::string_view name, Ref<Dentry> d) {
    if (d == nullptr) return;
    Ref<Dentry> old_parent;
    {
      MutexLock lock(d->mu_);
      old_parent = std::exchange(d->parent_, Ref<Dentry>(&dir));
      d->name_ = std::string(name);
    }
    MutexLock lock(dir.mu_);
    dir.children_[Key(name)] = d.get();
  };
  Ref<Dentry> moved = take(old_dir, old_name);
  Ref<Dentry> other = take(new_dir, new_name);
  put(new_dir, new_name, moved);
  if (exchange) {
    put(old_dir, old_name, other);
  } else if (other != nullptr) {
    other->deleted_.store(true);
    DentryCache::Get().Remove(*other);
  }
}

bool Dentry::IsAncestorOf(const Dentry& other) const {
  for (Ref<Dentry> d = other.parent(); d != nullptr; d = d->parent()) {
    if (d == this) return true;
  }
  return false;
}

}  // namespace cvisor::vfs
