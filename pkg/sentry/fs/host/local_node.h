// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// LocalNode: a Node of a tree that this process reaches itself, beneath a directory descriptor.
//
// Containment: every host call names one component relative to a directory descriptor, and never
// follows a symbolic link (openat2 with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, or AT_SYMLINK_NOFOLLOW).
// What a name leads to is compared with what was there before (device and inode number), so that a
// swap by somebody else on the host is an error (ESTALE) and not a confusion.
//
// A node knows its parent and name. Directories keep an O_PATH descriptor in the FdCache and find it
// again from the nearest ancestor that has one. Removed files keep an O_PATH descriptor ("pin")
// instead.

#ifndef CVISOR_PKG_SENTRY_FS_HOST_LOCAL_NODE_H_
#define CVISOR_PKG_SENTRY_FS_HOST_LOCAL_NODE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/sentry/fs/host/fd_cache.h"
#include "pkg/sentry/fs/host/node.h"

namespace cvisor::fs::host {

class LocalNode final : public Node {
 public:
  // The tree's root: a directory, or a single file.
  static Result<Child> NewRoot(UniqueFd fd);

  Result<Child> Walk(std::string_view name) override;
  Result<vfs::Attr> Stat() override;
  Result<UniqueFd> Open(int access) override;
  Result<size_t> ReadDir(FdSlot& kept, int64_t position, std::span<char> buffer) override;
  Status Sync(SyncKind kind) override;
  Result<std::string> ReadLink() override;
  Result<Child> Create(std::string_view name, const vfs::NewInode& how) override;
  Result<Child> Tmpfile(const vfs::NewInode& how) override;
  Result<Child> Mkdir(std::string_view name, const vfs::NewInode& how) override;
  Result<Child> Symlink(std::string_view name, std::string_view target,
                        const vfs::NewInode& how) override;
  Result<Child> Mknod(std::string_view name, const vfs::NewInode& how) override;
  Status Link(std::string_view name, Node& target) override;
  Status Remove(std::string_view name, Node& victim, bool directory) override;
  Status Rename(std::string_view old_name, Node& moved, Node& new_dir, std::string_view new_name,
                Node* victim, unsigned flags) override;
  Status SetAttributes(const vfs::SetAttr& set) override;
  Result<std::string> GetXattr(const std::string& name) override;
  Status SetXattr(const std::string& name, std::string_view value, int flags) override;
  Status RemoveXattr(const std::string& name) override;
  Result<std::vector<std::string>> ListXattr() override;
  Result<vfs::StatFs> GetStatFs() override;
  void Relocate(Node& fresh) override;

 private:
  struct Place {
    Ref<LocalNode> parent;  // null: the root, or a file that never had a name
    std::string name;
  };
  struct Where {  // a name beneath an open directory
    Ref<SharedFd> dir;
    std::string name;
  };

  LocalNode(Place place, const vfs::Attr& attr, Ref<SharedFd> pin);
  ~LocalNode() override;

  bool is_dir() const { return S_ISDIR(mode_); }
  // The host has calls for those of the others, but by paths only.
  bool HasXattrs() const { return S_ISDIR(mode_) || S_ISREG(mode_); }
  Place place();
  void set_place(Place place);
  Ref<SharedFd> pin();
  // Makes sure that the file can be reached without its name.
  void Pin();

  Ref<SharedFd> CachedDirFd();
  // This directory's O_PATH descriptor. ESTALE.
  Result<Ref<SharedFd>> DirFd();
  Result<Where> FindPlace();
  // An O_PATH descriptor of the file itself.
  Result<Ref<SharedFd>> PathFd();
  Status CheckSame(const vfs::Attr& attr) const;
  Status CheckSame(int fd) const;
  Result<UniqueFd> OpenBeneath(int dir, const std::string& name, int flags, mode_t mode) const;
  // Gives a new file the owner and mode it should have; removes it again if the host refuses.
  Result<Child> Finish(int dir, std::string_view name, const vfs::NewInode& how, UniqueFd fd,
                       bool remove_as_dir);
  // A real (not O_PATH) descriptor of a regular file or a directory.
  Result<UniqueFd> RealFd(int access);

  const dev_t dev_;
  const ino_t ino_;
  const mode_t mode_;  // type
  Mutex mu_;           // leaf
  Place place_ ABSL_GUARDED_BY(mu_);
  Ref<SharedFd> pin_ ABSL_GUARDED_BY(mu_);
  FdSlot dir_fd_;
};

// statx(2) as attributes. `name` may be "" for `dir` itself.
Result<vfs::Attr> StatAt(int dir, const std::string& name);

}  // namespace cvisor::fs::host

#endif  // CVISOR_PKG_SENTRY_FS_HOST_LOCAL_NODE_H_
