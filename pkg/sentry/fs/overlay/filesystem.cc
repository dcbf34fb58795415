// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/overlay/filesystem.h"

#include <sys/mount.h>

#include <utility>

#include "pkg/sentry/fs/overlay/inode.h"
#include "pkg/sentry/vfs/dentry.h"

namespace cvisor::fs::overlay {
namespace {

constexpr uint64_t kOverlayMagic = 0x794c7630;  // OVERLAYFS_SUPER_MAGIC
constexpr int kFsidShift = 48;
// The second where the first takes privileges that the Sentry lacks (Linux: mount option userxattr).
constexpr std::string_view kOpaqueNames[] = {"trusted.overlay.opaque", "user.overlay.opaque"};

}  // namespace

Result<Ref<vfs::FileSystem>> NewFileSystem(Ref<vfs::Inode> upper_root,
                                           std::vector<Ref<vfs::Inode>> lower_roots,
                                           const Options& options) {
  if (lower_roots.empty()) return Errno::kEINVAL;
  for (const auto& lower : lower_roots) {
    if (lower->type() != S_IFDIR) return Errno::kENOTDIR;
  }
  if (upper_root != nullptr && upper_root->type() != S_IFDIR) return Errno::kENOTDIR;
  Lowers lowers(std::make_move_iterator(lower_roots.begin()),
                std::make_move_iterator(lower_roots.end()));
  return Ref<vfs::FileSystem>(
      MakeRef<OverlayFileSystem>(std::move(upper_root), std::move(lowers), options));
}

OverlayFileSystem::OverlayFileSystem(Ref<vfs::Inode> upper_root, Lowers lower_roots,
                                     Options options)
    : upper_root_(std::move(upper_root)),
      lower_roots_(std::move(lower_roots)),
      options_(std::move(options)),
      dev_(vfs::NextAnonymousDev()),
      upper_dev_(upper_root_ != nullptr ? upper_root_->fs().dev() : 0),
      lower_dev_(lower_roots_[0]->fs().dev()),
      private_mount_(MakeRef<vfs::Mount>(
          vfs::NextMountId(), Ref<vfs::FileSystem>(&lower_roots_[0]->fs()),
          vfs::Dentry::NewRoot(lower_roots_[0]), MS_NOATIME, "overlay")) {
  fsids_[lower_dev_] = 0;
  if (upper_root_ != nullptr) fsids_.try_emplace(upper_dev_, 1);
}

Result<Ref<vfs::Inode>> OverlayFileSystem::Root() {
  if (upper_root_ != nullptr) {
    ASSIGN_OR_RETURN(auto root, GetInode(nullptr, "", upper_root_, lower_roots_));
    return Ref<vfs::Inode>(std::move(root));
  }
  ASSIGN_OR_RETURN(auto root, GetInode(nullptr, "", nullptr, lower_roots_));
  return Ref<vfs::Inode>(std::move(root));
}

Result<vfs::StatFs> OverlayFileSystem::GetStatFs() {
  vfs::Inode& top = upper_root_ != nullptr ? *upper_root_ : *lower_roots_[0];
  ASSIGN_OR_RETURN(auto s, top.fs().GetStatFs());
  s.type = kOverlayMagic;
  return s;
}

Status OverlayFileSystem::Sync() {
  return upper_root_ != nullptr ? upper_root_->fs().Sync() : OkStatus();
}

Result<Ref<OverlayInode>> OverlayFileSystem::GetInode(Ref<OverlayInode> parent,
                                                      std::string_view name,
                                                      Ref<vfs::Inode> upper, Lowers lowers) {
  if (upper == nullptr) {
    ASSIGN_OR_RETURN(auto attr, lowers[0]->GetAttr());
    Place place(parent.get(), name);
    const Ref<vfs::Inode> lower = lowers[0];
    auto fresh = MakeRef<OverlayInode>(Ref<OverlayFileSystem>(this), std::move(parent), name,
                                       nullptr, std::move(lowers), MapIno(attr.dev, attr.ino));
    MutexLock lock(mu_);
    OverlayInode*& slot = by_place_[std::move(place)];
    if (slot != nullptr && slot->lowers()[0] == lower && slot->TryIncRef()) {
      return Ref<OverlayInode>::Adopt(slot);
    }
    slot = fresh.get();
    return fresh;
  }
  vfs::Inode* const key = upper.get();
  {
    MutexLock lock(mu_);
    auto it = by_upper_.find(key);
    if (it != by_upper_.end() && it->second->TryIncRef()) {
      return Ref<OverlayInode>::Adopt(it->second);
    }
  }
  ASSIGN_OR_RETURN(auto attr, upper->GetAttr());
  ino_t ino = 0;
  if (!lowers.empty()) {  // a merged directory has its number from below, as before its copy-up
    ASSIGN_OR_RETURN(auto lower_attr, lowers[0]->GetAttr());
    ino = MapIno(lower_attr.dev, lower_attr.ino);
  } else {
    ino = MapUpperIno(attr.dev, attr.ino);
  }
  auto fresh = MakeRef<OverlayInode>(Ref<OverlayFileSystem>(this), nullptr, "", std::move(upper),
                                     std::move(lowers), ino);
  MutexLock lock(mu_);
  OverlayInode*& slot = by_upper_[key];
  if (slot != nullptr && slot->TryIncRef()) return Ref<OverlayInode>::Adopt(slot);
  slot = fresh.get();
  return fresh;
}

void OverlayFileSystem::Forget(vfs::Inode* upper, OverlayInode* inode, bool gone) {
  ino_t number = 0;
  if (gone) {
    if (auto attr = upper->GetAttr(); attr.ok()) number = attr->ino;
  }
  MutexLock lock(mu_);
  if (!inode->lowers_.empty()) {
    auto it = by_place_.find(Place(inode->parent_.get(), inode->name_));
    if (it != by_place_.end() && it->second == inode) by_place_.erase(it);
  }
  if (upper == nullptr) return;
  auto it = by_upper_.find(upper);
  if (it == by_upper_.end() || it->second != inode) return;
  by_upper_.erase(it);
  if (number != 0) {  // the upper file system may use the number again
    origin_.erase(number);
    opaque_.erase(number);
  }
}

ino_t OverlayFileSystem::MapIno(dev_t real_dev, ino_t real_ino) {
  if (real_dev == lower_dev_) return real_ino;
  MutexLock lock(mu_);
  const auto [it, is_new] = fsids_.try_emplace(real_dev, fsids_.size() + 1);
  (void)is_new;
  return real_ino ^ (it->second << kFsidShift);
}

ino_t OverlayFileSystem::MapUpperIno(dev_t real_dev, ino_t real_ino) {
  {
    MutexLock lock(mu_);
    auto it = origin_.find(real_ino);
    if (it != origin_.end()) return it->second;
  }
  return MapIno(real_dev, real_ino);
}

bool OverlayFileSystem::IsWhiteout(vfs::Inode& inode) {
  if (inode.type() != S_IFCHR) return false;
  auto attr = inode.GetAttr();
  return attr.ok() && attr->rdev == 0;
}

bool OverlayFileSystem::IsOpaque(vfs::Inode& dir) {
  for (const std::string_view name : kOpaqueNames) {
    auto value = dir.GetXattr(name);
    if (value.ok() && *value == "y") return true;
  }
  if (&dir.fs() != (upper_root_ != nullptr ? &upper_root_->fs() : nullptr)) return false;
  {
    MutexLock lock(mu_);
    if (opaque_.empty()) return false;
  }
  auto attr = dir.GetAttr();
  if (!attr.ok()) return false;
  MutexLock lock(mu_);
  return opaque_.contains(attr->ino);
}

void OverlayFileSystem::SetOpaque(vfs::Inode& dir) {
  for (const std::string_view name : kOpaqueNames) {
    if (dir.SetXattr(name, "y", 0).ok()) return;
  }
  auto attr = dir.GetAttr();
  if (!attr.ok()) return;
  MutexLock lock(mu_);
  opaque_.insert(attr->ino);
}

}  // namespace cvisor::fs::overlay
