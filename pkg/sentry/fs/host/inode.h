// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// HostInode: one file of a host tree. There is one object for each host file in use (device and inode
// number), whatever name it was reached by, so that locks, futexes and pipes agree.
//
// Regular files are read and written through descriptors shared by all their open descriptions: one
// for reading, kept for a while after the last close (FdCache), and one for writing, which is closed
// with its last user because an open writer keeps the host from executing the file.

#ifndef CVISOR_PKG_SENTRY_FS_HOST_INODE_H_
#define CVISOR_PKG_SENTRY_FS_HOST_INODE_H_

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/sentry/fs/host/fd_cache.h"
#include "pkg/sentry/fs/host/filesystem.h"
#include "pkg/sentry/fs/host/node.h"
#include "pkg/sentry/mm/mappable.h"
#include "pkg/sentry/vfs/inode.h"

namespace cvisor::fs::host {

class HostMappable;

class HostInode final : public vfs::Inode {
 public:
  HostInode(Ref<HostFileSystem> fs, Ref<Node> node, const vfs::Attr& host_attr);

  // --- vfs::Inode
  Result<vfs::Attr> GetAttr() override;
  Status SetAttributes(const vfs::SetAttr& set) override;
  mode_t type() const override { return type_; }
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
  Result<std::string> ReadLink() override;
  Result<Ref<vfs::FileDescription>> Open(const vfs::Path& path, int flags,
                                         const Credentials& creds) override;
  Result<std::string> GetXattr(std::string_view name) override;
  Status SetXattr(std::string_view name, std::string_view value, int flags) override;
  Status RemoveXattr(std::string_view name) override;
  Result<std::vector<std::string>> ListXattr() override;
  bool RevalidateChild(std::string_view name, vfs::Inode* child) override;

  // --- For open files and mappings.
  // The descriptor that reads a regular file.
  Result<Ref<SharedFd>> ReadFd();
  // See Node.
  Result<size_t> ReadDir(int64_t position, std::span<char> buffer);
  // The descriptor that writes (and reads, if the host allows). Each success needs one PutWriteFd().
  Result<Ref<SharedFd>> GetWriteFd();
  void PutWriteFd();
  // One object per inode as long as somebody maps it.
  Ref<mm::Mappable> GetMappable();
  // The cached attributes are no longer true.
  void Invalidate() { version_.fetch_add(1, std::memory_order_release); }
  // After a read: the host may have moved atime.
  void NoteRead() {
    if (atime_moves_.load(std::memory_order_relaxed)) Invalidate();
  }
  // Applications write to the pages without telling: attributes are never cached again.
  void SetMappedWritable() { uncached_.store(true); }

  Node& node() { return *node_; }
  HostFileSystem& host_fs() const { return static_cast<HostFileSystem&>(fs()); }
  dev_t dev() const { return dev_; }      // as applications see it
  ino_t ino() const { return key_.second; }
  // Serialises writes with O_APPEND.
  Mutex& append_mutex() { return append_mutex_; }

 private:
  friend class HostFileSystem;
  friend class HostMappable;

  void OnLastRef() override;
  Status CheckWritable() const;
  // An inode of `child`, which was just made in this directory.
  Ref<vfs::Inode> Made(Node::Child child);
  // Whether host attributes tell of this very file and not of a successor with the same number.
  bool IsSame(const vfs::Attr& host_attr) const;
  void StoreAttrLocked(const vfs::Attr& host_attr, uint64_t version)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(attr_mutex_);
  void Refresh(const vfs::Attr& host_attr);

  const Ref<Node> node_;
  const mode_t type_;
  const HostFileSystem::Key key_;
  const timespec btime_;
  const dev_t dev_;

  // Cached attributes are valid while attr_version_ == version_.
  std::atomic<uint64_t> version_{1};
  std::atomic<bool> uncached_{false};
  std::atomic<bool> atime_moves_{false};
  Mutex attr_mutex_;  // leaf
  vfs::Attr attr_ ABSL_GUARDED_BY(attr_mutex_);
  uint64_t attr_version_ ABSL_GUARDED_BY(attr_mutex_) = 0;
  std::string link_target_ ABSL_GUARDED_BY(attr_mutex_);

  FdSlot read_fd_;  // of a directory, what Node::ReadDir keeps
  Mutex fd_mutex_;  // before FdCache's
  Ref<SharedFd> write_fd_ ABSL_GUARDED_BY(fd_mutex_);
  int write_users_ ABSL_GUARDED_BY(fd_mutex_) = 0;
  // From Create() to the Open() that follows: with mode 0444 there may be no other way to write.
  Ref<SharedFd> fresh_fd_ ABSL_GUARDED_BY(fd_mutex_);
  HostMappable* mappable_ ABSL_GUARDED_BY(fd_mutex_) = nullptr;

  Mutex append_mutex_;
  Mutex readdir_mutex_;
};

// A mapping's hold on a host file: keeps the descriptors that the mappings of it were made from.
class HostMappable final : public mm::Mappable {
 public:
  explicit HostMappable(Ref<HostInode> inode) : inode_(std::move(inode)) {}
  Result<int> HostFdForMmap(bool shared_write) override;
  Identity identity() const override { return {inode_->dev(), inode_->ino()}; }

 private:
  friend class HostInode;
  ~HostMappable() override;
  void OnLastRef() override;

  const Ref<HostInode> inode_;
  Mutex mu_;
  Ref<SharedFd> read_ ABSL_GUARDED_BY(mu_);
  Ref<SharedFd> write_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cvisor::fs::host

#endif  // CVISOR_PKG_SENTRY_FS_HOST_INODE_H_
