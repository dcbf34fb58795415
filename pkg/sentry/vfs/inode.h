// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Inode and FileSystem: what each file system implements. As in Linux, the VFS walks paths, keeps
// dentries and mounts, checks permissions and types; the inode does the work for one object.
//
// Locking: the VFS holds the directory's dir_mutex() exclusively around Create, Mkdir, Symlink, Mknod,
// Link, Unlink, Rmdir and Rename, and shared around Lookup. Rmdir holds the victim's too; Rename holds
// that of a victim directory and of both parents, with the file system's rename_mutex() when they
// differ. Order: rename_mutex(), then ancestors before descendants. Everything else is the inode's own business. No method
// blocks for an application: a FIFO's open or a lock that must wait is the caller's job.

#ifndef CVISOR_PKG_SENTRY_VFS_INODE_H_
#define CVISOR_PKG_SENTRY_VFS_INODE_H_

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/auth/credentials.h"
#include "pkg/sentry/vfs/types.h"

namespace cvisor::vfs {

class FileDescription;
class FileLocks;
class FileSystem;
class Inode;
struct Path;

class FileSystem : public RefCounted {
 public:
  // As in /proc/filesystems and the type field of /proc/mounts.
  virtual std::string_view type_name() const = 0;
  // Extra options of /proc/mounts ("size=1024k,mode=755"); empty if none.
  virtual std::string options() const { return ""; }
  virtual Result<Ref<Inode>> Root() = 0;
  virtual Result<StatFs> GetStatFs() = 0;
  virtual Status Sync() { return OkStatus(); }
  // st_dev of its inodes.
  virtual dev_t dev() const = 0;
  // Serialises directory renames within this file system.
  Mutex& rename_mutex() { return rename_mutex_; }
  // False if dentries must be looked up anew each time (proc).
  virtual bool CacheDentries() const { return true; }

  // Mounts of this file system in all namespaces; kept by Mount.
  std::atomic<int> mount_count{0};

 private:
  Mutex rename_mutex_;
};

class Inode : public RefCounted {
 public:
  explicit Inode(Ref<FileSystem> fs);
  ~Inode() override;

  FileSystem& fs() const { return *fs_; }

  // --- Attributes.
  virtual Result<Attr> GetAttr() = 0;
  virtual Status SetAttributes(const SetAttr& set) {
    (void)set;
    return Errno::kEPERM;
  }
  // Type bits; fixed for the inode's life.
  virtual mode_t type() const = 0;  // S_IFREG, S_IFDIR, ...
  // DAC with capabilities. Overridden by file systems with rules of their own (/proc/pid).
  virtual Status CheckPermission(const Credentials& creds, int may);

  // --- Directories. Names are one component, never "", "." or "..", at most kNameMax bytes.
  virtual Result<Ref<Inode>> Lookup(std::string_view name);  // ENOENT; ENOTDIR by default
  virtual Result<Ref<Inode>> Create(std::string_view name, const NewInode& how);
  virtual Result<Ref<Inode>> Mkdir(std::string_view name, const NewInode& how);
  virtual Result<Ref<Inode>> Symlink(std::string_view name, std::string_view target,
                                     const NewInode& how);
  virtual Result<Ref<Inode>> Mknod(std::string_view name, const NewInode& how);
  virtual Status Link(std::string_view name, Inode& target);
  virtual Status Unlink(std::string_view name, Inode& victim);
  virtual Status Rmdir(std::string_view name, Inode& victim);
  // RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT in flags (the VFS has checked NOREPLACE).
  // `victim` is what new_name was, or null; the VFS has checked types.
  virtual Status Rename(std::string_view old_name, Inode& moved, Inode& new_dir,
                        std::string_view new_name, Inode* victim, unsigned flags);
  // O_TMPFILE: an inode without a name, nlink 0.
  virtual Result<Ref<Inode>> Tmpfile(const NewInode& how);

  // --- Symbolic links.
  virtual Result<std::string> ReadLink();  // EINVAL by default
  // /proc/pid/fd/N, exe, cwd, root: following goes to an object, not to a path. Null result: not magic.
  virtual bool IsMagicLink() const { return false; }
  virtual Result<Path> FollowMagicLink();

  // --- Opening. Regular files and directories, and whatever the file system makes itself. FIFOs and
  // devices of ordinary file systems never get here: vfs/open.cc finds their opener. `path` is how it
  // was reached; flags are open(2)'s. Permission has been checked; O_TRUNC is done by the caller.
  virtual Result<Ref<FileDescription>> Open(const Path& path, int flags, const Credentials& creds);
  // True if Open() is to be called even for S_IFIFO, S_IFCHR, S_IFBLK inodes (devpts, proc).
  virtual bool OpensItself() const { return false; }

  // --- Extended attributes (xattr(7)).
  virtual Result<std::string> GetXattr(std::string_view name);                       // EOPNOTSUPP
  virtual Status SetXattr(std::string_view name, std::string_view value, int flags);  // EOPNOTSUPP
  virtual Status RemoveXattr(std::string_view name);
  virtual Result<std::vector<std::string>> ListXattr();

  // Cached dentries of this inode's children: still true? For shared host trees and proc.
  virtual bool RevalidateChild(std::string_view name, Inode* child) {
    (void)name, (void)child;
    return true;
  }

  // --- Shared by all file systems.
  Mutex& dir_mutex() { return dir_mutex_; }
  // flock(2) and fcntl(2) locks; made on first use.
  FileLocks& locks();
  bool has_locks() const { return locks_.load() != nullptr; }
  // ETXTBSY bookkeeping, as Linux's i_writecount: > 0 writers, < 0 executions. ETXTBSY on conflict.
  Status GetWriteAccess();
  void PutWriteAccess() { writers_.fetch_sub(1); }
  Status DenyWriteAccess();
  void AllowWriteAccess() { writers_.fetch_add(1); }
  // The pipe behind a FIFO or the socket bound to a S_IFSOCK inode. Kept while anybody uses it.
  Ref<RefCounted> attachment();
  void set_attachment(Ref<RefCounted> a);
  // Atomically returns the attachment, making it first if there is none.
  template <typename Make>
  Ref<RefCounted> GetOrMakeAttachment(Make make) {
    MutexLock lock(attachment_mutex_);
    if (attachment_ == nullptr) attachment_ = make();
    return attachment_;
  }
  // inotify(7) watches; null until the first watch. Owned here, managed by vfs/inotify.
  std::atomic<RefCounted*> watches{nullptr};

 private:
  const Ref<FileSystem> fs_;
  Mutex dir_mutex_;
  std::atomic<FileLocks*> locks_{nullptr};
  std::atomic<int> writers_{0};
  Mutex attachment_mutex_;
  Ref<RefCounted> attachment_ ABSL_GUARDED_BY(attachment_mutex_);
};

}  // namespace cvisor::vfs

#endif  // CVISOR_PKG_SENTRY_VFS_INODE_H_
