// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The overlay file system (Linux: Documentation/filesystems/overlayfs.rst): one writable upper tree over
// read-only lower trees. Directories are merged; a file is copied to the upper tree before its first
// change. Deleted lower files are hidden by whiteouts (character device 0:0), replaced lower directories
// by the attribute trusted.overlay.opaque.
//
// As with Linux's defaults: a directory that exists in a lower tree cannot be renamed (EXDEV; mv(1) then
// copies), and copy-up breaks hard links. Unlike Linux: opening for writing does not copy yet, the first
// write does; and read-only descriptions that were open before a copy-up see the new data afterwards.
// Memory mappings made before a copy-up stay on the lower file, as on Linux.
//
// The layers belong to the overlay alone: nothing else may change them while it is mounted (lower trees
// of shared host mounts are looked at again by RevalidateChild).

#ifndef CVISOR_PKG_SENTRY_FS_OVERLAY_FILESYSTEM_H_
#define CVISOR_PKG_SENTRY_FS_OVERLAY_FILESYSTEM_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/vfs/dentry.h"
#include "pkg/sentry/vfs/inode.h"

namespace cvisor::fs::overlay {

struct Options {
  std::string mount_options;  // what /proc/mounts shows, e.g. "lowerdir=/,upperdir=..."
};

// `lower_roots`: top to bottom, at least one. `upper_root` null: read-only.
Result<Ref<vfs::FileSystem>> NewFileSystem(Ref<vfs::Inode> upper_root,
                                           std::vector<Ref<vfs::Inode>> lower_roots,
                                           const Options& options = {});

class OverlayInode;
using Lowers = absl::InlinedVector<Ref<vfs::Inode>, 1>;

class OverlayFileSystem final : public vfs::FileSystem {
 public:
  OverlayFileSystem(Ref<vfs::Inode> upper_root, Lowers lower_roots, Options options);

  std::string_view type_name() const override { return "overlay"; }
  std::string options() const override { return options_.mount_options; }
  Result<Ref<vfs::Inode>> Root() override;
  Result<vfs::StatFs> GetStatFs() override;
  Status Sync() override;
  dev_t dev() const override { return dev_; }

  // The inode of these real ones: the one that exists already, if any. `parent` and `name` matter if
  // there is no upper.
  Result<Ref<OverlayInode>> GetInode(Ref<OverlayInode> parent, std::string_view name,
                                     Ref<vfs::Inode> upper, Lowers lowers);

  // The inode number that stands for a real one. Numbers of the first lower file system stay as they
  // are; the high bits tell the others apart.
  ino_t MapIno(dev_t real_dev, ino_t real_ino);
  // The same for a file of the upper tree, which may have been copied up and then keeps its number.
  ino_t MapUpperIno(dev_t real_dev, ino_t real_ino);
  dev_t upper_dev() const { return upper_dev_; }

  bool IsOpaque(vfs::Inode& dir);
  void SetOpaque(vfs::Inode& dir);
  static bool IsWhiteout(vfs::Inode& inode);
  // The mount by which the overlay itself opens real files.
  const Ref<vfs::Mount>& private_mount() const { return private_mount_; }

 private:
  friend class OverlayInode;
  void Forget(vfs::Inode* upper, OverlayInode* inode, bool gone);

  const Ref<vfs::Inode> upper_root_;
  const Lowers lower_roots_;
  const Options options_;
  const dev_t dev_;
  const dev_t upper_dev_;
  const dev_t lower_dev_;
  const Ref<vfs::Mount> private_mount_;

  Mutex mu_;  // leaf
  // The VFS wants one inode per file however many look it up at once. Those that had no upper when
  // they were made are found by their place, those that have one by that.
  using Place = std::pair<const OverlayInode*, std::string>;
  absl::flat_hash_map<Place, OverlayInode*> by_place_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<vfs::Inode*, OverlayInode*> by_upper_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<ino_t, ino_t> origin_ ABSL_GUARDED_BY(mu_);  // upper number -> ours
  absl::flat_hash_map<dev_t, uint64_t> fsids_ ABSL_GUARDED_BY(mu_);
  // Opaque directories of an upper tree that cannot store the attribute.
  absl::flat_hash_set<ino_t> opaque_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cvisor::fs::overlay

#endif  // CVISOR_PKG_SENTRY_FS_OVERLAY_FILESYSTEM_H_
