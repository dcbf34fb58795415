// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// OverlayInode: a file or a merged directory of the overlay, one object for all layers, before and after
// copy-up. Locks, write access and FIFOs' pipes belong to it.
//
// Lock order: the overlay directory's dir_mutex() (taken by the VFS), copy_up_mutex_ (child before
// parent), state_mutex_, then the upper file system's own locks.

#ifndef CVISOR_PKG_SENTRY_FS_OVERLAY_INODE_H_
#define CVISOR_PKG_SENTRY_FS_OVERLAY_INODE_H_

#include <dirent.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/sentry/fs/overlay/filesystem.h"
#include "pkg/sentry/vfs/dentry.h"
#include "pkg/sentry/vfs/inode.h"

namespace cvisor::fs::overlay {

class OverlayInode final : public vfs::Inode {
 public:
  OverlayInode(Ref<OverlayFileSystem> fs, Ref<OverlayInode> parent, std::string_view name,
               Ref<vfs::Inode> upper, Lowers lowers, ino_t ino);

  Result<vfs::Attr> GetAttr() override;
  Status SetAttributes(const vfs::SetAttr& set) override;
  mode_t type() const override { return type_; }
  Status CheckPermission(const Credentials& creds, int may) override {
    return real().CheckPermission(creds, may);
  }
  Result<Ref<vfs::Inode>> Lookup(std::string_view name) override;
  Result<Ref<vfs::Inode>> Create(std::string_view name, const vfs::NewInode& how) override;
  Result<Ref<vfs::Inode>> Mkdir(std::string_view name, const vfs::NewInode& how) override;
  Result<Ref<vfs::Inode>> Symlink(std::string_view name, std::string_view target,
                                  const vfs::NewInode& how) override;
  Result<Ref<vfs::Inode>> Mknod(std::string_view name, const vfs::NewInode& how) override;
  Status Link(std::string_view name, vfs::Inode& target) override;
  Status Unlink(std::string_view name, vfs::Inode& victim) override;
  Status Rmdir(std::string_view name, vfs::Inode& victim) override;
  Status Rename(std::string_view old_name, vfs::Inode& moved, vfs::Inode& new_dir,
                std::string_view new_name, vfs::Inode* victim, unsigned flags) override;
  Result<Ref<vfs::Inode>> Tmpfile(const vfs::NewInode& how) override;
  Result<std::string> ReadLink() override { return real().ReadLink(); }
  Result<Ref<vfs::FileDescription>> Open(const vfs::Path& path, int flags,
                                         const Credentials& creds) override;
  Result<std::string> GetXattr(std::string_view name) override;
  Status SetXattr(std::string_view name, std::string_view value, int flags) override;
  Status RemoveXattr(std::string_view name) override;
  Result<std::vector<std::string>> ListXattr() override;
  bool RevalidateChild(std::string_view name, vfs::Inode* child) override;

  // Makes sure that the file is in the upper tree. Of a regular file's data the first `keep` bytes are
  // copied. EROFS without an upper tree.
  Status CopyUp(uint64_t keep = UINT64_MAX);

  OverlayFileSystem& overlay_fs() const { return static_cast<OverlayFileSystem&>(fs()); }
  ino_t ino() const { return ino_; }
  // Null before copy-up; then never changes.
  vfs::Inode* upper() const { return upper_.load(std::memory_order_acquire); }
  // Top to bottom. Of a file at most one.
  const Lowers& lowers() const { return lowers_; }
  // What holds the attributes and the data now.
  vfs::Inode& real() const {
    vfs::Inode* up = upper();
    return up != nullptr ? *up : *lowers_[0];
  }
  bool merged() const { return upper() != nullptr && !lowers_.empty(); }

  struct Entry {
    std::string name;
    ino_t ino;
    uint8_t type;
  };
  // All that is visible in this directory, "." and ".." left out.
  Result<std::vector<Entry>> ListMerged();

 private:
  friend class OverlayFileSystem;

  void OnLastRef() override;
  Status CopyUpLocked(OverlayInode& parent, uint64_t keep)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(copy_up_mutex_);
  Status CopyUpRegular(OverlayInode& parent, const vfs::Attr& attr, uint64_t keep);
  Status CopyMetadata(vfs::Inode& to, const vfs::Attr& attr);
  // The copy is complete and named: from now on it is this inode.
  void Publish(Ref<vfs::Inode> upper);

  // Is the upper subdirectory `name` merged with what lies below it?
  bool Merges(std::string_view name);
  // Does a lower tree have something visible called `name` in this directory?
  bool LowerHas(std::string_view name);
  // The upper directory's whiteout of that name, if there is one. Upper dir_mutex() held.
  static Ref<vfs::Inode> FindWhiteout(vfs::Inode& upper_dir, std::string_view name);
  static Status MakeWhiteout(vfs::Inode& upper_dir, std::string_view name);
  // Runs `make(upper_dir)` in the upper directory, with a whiteout of that name out of the way;
  // *had_whiteout tells whether there was one.
  template <typename Make>
  Result<Ref<vfs::Inode>> MakeChild(std::string_view name, Make make, bool* had_whiteout = nullptr);
  Status RequireEmpty();
  // Removes the whiteouts from a directory that has nothing else.
  Status ClearWhiteouts();
  // A name of this inode goes. A lower file must not come back by a late copy-up.
  void MarkDeleted();

  const Ref<OverlayInode> parent_;  // null if there was an upper from the start
  const std::string name_;
  const mode_t type_;
  const ino_t ino_;
  const Lowers lowers_;
  Ref<vfs::Inode> upper_ref_;  // set once, before upper_
  std::atomic<vfs::Inode*> upper_;
  Mutex copy_up_mutex_;
  Mutex state_mutex_;
  bool deleted_ ABSL_GUARDED_BY(state_mutex_) = false;
};

// A place outside the tree by which a real inode is opened.
vfs::Path RealPath(const Ref<vfs::Mount>& mount, vfs::Inode& inode);
const Credentials& OverlayCredentials();

}  // namespace cvisor::fs::overlay

#endif  // CVISOR_PKG_SENTRY_FS_OVERLAY_INODE_H_
