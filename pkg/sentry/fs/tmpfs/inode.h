// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The inodes of tmpfs. A directory owns its children; inodes own the file system.
//
// Locks: dir_mutex() (the VFS's) before TmpfsDir::entries_mutex_ before attr_mutex_.

#ifndef CVISOR_PKG_SENTRY_FS_TMPFS_INODE_H_
#define CVISOR_PKG_SENTRY_FS_TMPFS_INODE_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "pkg/sentry/fs/tmpfs/contents.h"
#include "pkg/sentry/fs/tmpfs/tmpfs.h"
#include "pkg/sentry/vfs/deferred_delete.h"
#include "pkg/sentry/vfs/inode.h"

namespace cvisor::fs::tmpfs {

class TmpfsInode : public vfs::Inode {
 public:
  // The caller has counted the inode (TmpfsFileSystem::CountInode); the destructor gives it back.
  TmpfsInode(TmpfsFileSystem& fs, const vfs::NewInode& how);
  ~TmpfsInode() override;

  TmpfsFileSystem& tmpfs() const { return static_cast<TmpfsFileSystem&>(fs()); }
  mode_t type() const final { return type_; }
  ino_t ino() const { return ino_; }
  Result<vfs::Attr> GetAttr() override;
  Status SetAttributes(const vfs::SetAttr& set) override;

  Result<std::string> GetXattr(std::string_view name) override;
  Status SetXattr(std::string_view name, std::string_view value, int flags) override;
  Status RemoveXattr(std::string_view name) override;
  Result<std::vector<std::string>> ListXattr() override;

  // atime by the rules of the mount and of O_NOATIME: relatime.
  void TouchAccess(const vfs::FileDescription& file);
  void TouchModified();  // mtime and ctime
  void TouchChanged();   // ctime
  void AddLinks(int n);  // and ctime
  uint64_t nlink() const;
  // Set-user-ID and set-group-ID go when an unprivileged user writes.
  void DropPrivileges();
  // File capabilities go with every change of the content or the owner.
  void DropFileCaps();

 protected:
  void OnLastRef() override {
    vfs::DeferredDelete<TmpfsInode>(this, [](TmpfsInode* i) { delete i; });
  }
  virtual void FillAttr(vfs::Attr* attr) { (void)attr; }
  virtual Status Resize(uint64_t size);

 private:
  Status CheckXattrName(std::string_view name, bool write) const;
  void DropFileCapsLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(attr_mutex_);

  const mode_t type_;
  const ino_t ino_;
  const dev_t rdev_;
  mutable Mutex attr_mutex_;
  mode_t permissions_ ABSL_GUARDED_BY(attr_mutex_);
  uid_t uid_ ABSL_GUARDED_BY(attr_mutex_);
  gid_t gid_ ABSL_GUARDED_BY(attr_mutex_);
  uint64_t nlink_ ABSL_GUARDED_BY(attr_mutex_);
  timespec atime_ ABSL_GUARDED_BY(attr_mutex_), mtime_ ABSL_GUARDED_BY(attr_mutex_),
      ctime_ ABSL_GUARDED_BY(attr_mutex_);
  const timespec btime_;
  std::map<std::string, std::string, std::less<>> xattrs_ ABSL_GUARDED_BY(attr_mutex_);
  size_t xattr_bytes_ ABSL_GUARDED_BY(attr_mutex_) = 0;
  std::atomic<bool> has_file_caps_{false};  // for writes, which look without the lock
};

class TmpfsFile : public TmpfsInode {
 public:
  TmpfsFile(TmpfsFileSystem& fs, const vfs::NewInode& how);
  const Ref<Contents>& contents() const { return contents_; }
  // A file made by O_TMPFILE may get its first name by link(2).
  void set_linkable() { linkable_ = true; }
  bool linkable() const { return linkable_; }
  Result<Ref<vfs::FileDescription>> Open(const vfs::Path& path, int flags,
                                         const Credentials& creds) override;

 protected:
  void FillAttr(vfs::Attr* attr) override;
  Status Resize(uint64_t size) override;

 private:
  const Ref<Contents> contents_;
  std::atomic<bool> linkable_{false};
};

class TmpfsSymlink : public TmpfsInode {
 public:
  TmpfsSymlink(TmpfsFileSystem& fs, const vfs::NewInode& how, std::string_view target)
      : TmpfsInode(fs, how), target_(target) {}
  Result<std::string> ReadLink() override { return target_; }

 protected:
  void FillAttr(vfs::Attr* attr) override { attr->size = target_.size(); }

 private:
  const std::string target_;
};

class TmpfsDir : public TmpfsInode {
 public:
  TmpfsDir(TmpfsFileSystem& fs, const vfs::NewInode& how);
  ~TmpfsDir() override;

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
  Result<Ref<vfs::FileDescription>> Open(const vfs::Path& path, int flags,
                                         const Credentials& creds) override;

  // The entry at position >= cookie. Positions of entries never change and grow with age, so that
  // getdents(2) neither repeats nor loses what stays.
  struct Listed {
    uint64_t cookie;
    std::string name;
    Ref<TmpfsInode> inode;
  };
  // Appends up to `max` entries from `cookie` on.
  void List(uint64_t cookie, size_t max, std::vector<Listed>* out) const;

 protected:
  void FillAttr(vfs::Attr* attr) override;

 private:
  struct Entry {
    Ref<TmpfsInode> inode;
    uint64_t cookie;
  };
  void Insert(std::string_view name, Ref<TmpfsInode> inode);
  Ref<TmpfsInode> Take(std::string_view name);
  // Puts another inode under the name; returns what was there.
  Ref<TmpfsInode> Replace(std::string_view name, Ref<TmpfsInode> inode);
  bool Empty() const;

  mutable Mutex entries_mutex_;
  absl::flat_hash_map<std::string, Entry> entries_ ABSL_GUARDED_BY(entries_mutex_);
  absl::btree_map<uint64_t, std::string> by_cookie_ ABSL_GUARDED_BY(entries_mutex_);
  uint64_t next_cookie_ ABSL_GUARDED_BY(entries_mutex_) = 2;
};

}  // namespace cvisor::fs::tmpfs

#endif  // CVISOR_PKG_SENTRY_FS_TMPFS_INODE_H_
