// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Dentry: a name in a directory, as the VFS caches it. Mount: a file system attached to the tree.
// Path: a place in the tree (Linux's struct path).

#ifndef CVISOR_PKG_SENTRY_VFS_DENTRY_H_
#define CVISOR_PKG_SENTRY_VFS_DENTRY_H_

#include <atomic>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/vfs/inode.h"

namespace cvisor::vfs {

class Mount;

// A dentry keeps its parent alive; a parent knows its living children. Root dentries have no parent. An unlinked dentry stays usable through open
// files ("deleted").
class Dentry : public RefCounted {
 public:
  static Ref<Dentry> NewRoot(Ref<Inode> inode);
  // A dentry outside any tree: pipes, sockets, memfds. `name` is what /proc/pid/fd shows,
  // e.g. "pipe:[17]".
  static Ref<Dentry> NewAnonymous(std::string name, Ref<Inode> inode);
  // A deleted name in `dir` from the start: O_TMPFILE.
  static Ref<Dentry> NewUnlinked(Dentry& dir, std::string name, Ref<Inode> inode);

  const Ref<Inode>& inode() const { return inode_; }
  Ref<Dentry> parent() const;
  std::string name() const;
  bool deleted() const { return deleted_.load(); }
  bool anonymous() const { return anonymous_; }

  // Finds or looks up a child. ENOENT if it does not exist. Caller needs no lock.
  Result<Ref<Dentry>> LookupChild(std::string_view name);
  // The same for callers that hold the inode's dir_mutex(), shared or exclusively.
  Result<Ref<Dentry>> LookupChildLocked(std::string_view name);
  // Never asks the file system; null on a miss (RESOLVE_CACHED).
  Ref<Dentry> LookupCached(std::string_view name);
  // After the inode changed its directory (all under the inode's dir_mutex(); RemoveChild of a
  // directory under its own dir_mutex() too, so that nothing is created in it afterwards):
  Ref<Dentry> AddChild(std::string_view name, Ref<Inode> inode);
  void RemoveChild(std::string_view name);  // marks it deleted
  // Forgets a cached child without marking it deleted (revalidation).
  void DropChild(std::string_view name);
  static void Move(Dentry& old_dir, std::string_view old_name, Dentry& new_dir,
                   std::string_view new_name, bool exchange);

  bool IsAncestorOf(const Dentry& other) const;

  // Number of mounts on this dentry, over all namespaces: fast check of the path walk.
  std::atomic<int> mounts_here{0};

 private:
  friend class DentryCache;
  Dentry(Ref<Dentry> parent, std::string name, Ref<Inode> inode, bool anonymous);
  ~Dentry() override;
  void OnLastRef() override;
  void LeaveParent();
  Ref<Dentry> FindChild(std::string_view name) const;

  const Ref<Inode> inode_;
  const bool anonymous_;
  std::atomic<bool> deleted_{false};
  // The dentry cache's: its slot (-1: not cached) and the second-chance bit.
  std::atomic<int> cache_slot_{-1};
  mutable std::atomic<bool> referenced_{false};
  mutable Mutex mu_;  // leaf: nobody holds two of these
  Ref<Dentry> parent_ ABSL_GUARDED_BY(mu_);
  std::string name_ ABSL_GUARDED_BY(mu_);
  // Not owned: a child leaves the map when it dies. What keeps unused children alive is the
  // process-wide dentry cache (dentry_cache.h), which is bounded.
  absl::flat_hash_map<std::string, Dentry*> children_ ABSL_GUARDED_BY(mu_);
};

// Bound of the dentry cache, in dentries (host descriptors hang on their inodes). Default 8192.
void SetDentryCacheLimit(size_t limit);

struct Path {
  Ref<Mount> mount;
  Ref<Dentry> dentry;
  Inode& inode() const { return *dentry->inode(); }
  explicit operator bool() const { return dentry != nullptr; }
  friend bool operator==(const Path& a, const Path& b) = default;
};

// Mount flags: MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME, MS_RELATIME, ... (<sys/mount.h>).
class Mount : public RefCounted {
 public:
  Mount(int id, Ref<FileSystem> fs, Ref<Dentry> root, unsigned long flags, std::string source);
  ~Mount() override;

  const int id;
  const Ref<FileSystem> fs;
  const Ref<Dentry> root;  // a bind mount's root may be inside the file system
  const std::string source;
  std::atomic<unsigned long> flags;

  bool readonly() const;

 private:
  friend class MountNamespace;
  // A copy of this one, or of a directory in it: with the restrictions that came with it.
  Ref<Mount> Copy(Ref<Dentry> root) const;

  // Guarded by the MountNamespace's lock.
  Ref<Mount> parent_;
  Ref<Dentry> mountpoint_;
  std::vector<Mount*> children_;
  bool detached_ = false;
  bool expiry_mark_ = false;  // MNT_EXPIRE
  // Of a mount that came from a more privileged mount namespace (mount_namespaces(7)): it must not
  // be taken away from what it covers, and what it forbids stays forbidden.
  bool locked_ = false;
  bool inherited_ = false;
  unsigned long locked_flags_ = 0;
};

// mount_namespaces(7): a tree of mounts.
class MountNamespace : public Namespace {
 public:
  // With `root` mounted at "/".
  MountNamespace(Ref<FileSystem> root_fs, Ref<Dentry> root, unsigned long flags, std::string source);
  ~MountNamespace() override;

  Path Root() const;  // the root mount's root

  // Attaches a file system (or, for a bind, another directory or file) on `at`.
  Result<Ref<Mount>> MountAt(const Path& at, Ref<FileSystem> fs, Ref<Dentry> root,
                             unsigned long flags, std::string source);
  // MS_BIND, with MS_REC the mounts below it too.
  Result<Ref<Mount>> BindAt(const Path& at, const Path& from, bool recursive);
  Status Move(const Path& from, const Path& to);
  // umount2(2): MNT_DETACH, MNT_FORCE, MNT_EXPIRE. EBUSY, EINVAL. `at` must be the caller's only
  // reference: a mount that anybody else refers to is busy.
  Status Unmount(const Path& at, int flags);
  // `bind`: the flags of this mount only, not of the file system. EPERM for what is locked.
  Status Remount(const Path& at, unsigned long flags, bool bind = true);
  // Is a whole file system of this type in sight, with nothing mounted over parts of it? Without
  // one an unprivileged user may not mount it and see more (mount_namespaces(7)).
  bool FullyVisible(std::string_view type, unsigned long flags) const;
  Status PivotRoot(const Path& new_root, const Path& put_old);

  // The mount on top of `path`, or `path` itself when nothing is mounted there.
  Path FollowMounts(Path path) const;
  // From a mount's root to where it is mounted (".."). False at the namespace's root.
  bool UpFromMountRoot(Path* path) const;

  struct Info {  // one line of /proc/pid/mountinfo
    int id, parent_id;
    Ref<Mount> mount;
    Path mountpoint;
    std::string path;  // as seen from `root`
  };
  std::vector<Info> List(const Path& root) const;

  // The copy is owned by `owner`. For another owner than this one's, its mounts are locked.
  Ref<MountNamespace> Clone(Ref<UserNamespace> owner,
                            std::map<Mount*, Ref<Mount>>* translated) const;

 private:
  MountNamespace() = default;
  Status CheckAttached(const Mount& mount) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  Ref<Mount> AttachLocked(Ref<Mount> mount, const Path& at) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void DetachLocked(Mount& mount) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void DetachTreeLocked(Mount& mount, std::vector<Ref<Mount>>* dropped)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Path FollowLocked(Path path) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  bool UpLocked(Path* path) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  bool ReachableLocked(Path from, const Path& root) const ABSL_SHARED_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_;
  Ref<Mount> root_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<std::pair<const Mount*, const Dentry*>, Ref<Mount>> mounts_
      ABSL_GUARDED_BY(mu_);
};

int NextMountId();
// Minor number for a new anonymous device (st_dev of tmpfs, proc, ...).
dev_t NextAnonymousDev();

// The name of `path` as seen from `root`: "/usr/bin". With " (deleted)" appended where Linux does.
// Paths outside root are shown as from the namespace's root with "(unreachable)" in front if asked.
std::string PathName(const MountNamespace& ns, const Path& path, const Path& root,
                     bool mark_unreachable = false);

// The name of a dentry within its file system: the "root" field of mountinfo.
std::string DentryPath(const Dentry& dentry);

}  // namespace cvisor::vfs

#endif  // CVISOR_PKG_SENTRY_VFS_DENTRY_H_
