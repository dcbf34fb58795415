// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Node: one file of a host tree, as whoever owns the host paths sees it. Every access of the host file
// system to names goes through this interface. LocalNode does it with system calls of this process on
// directory descriptors; RemoteNode has the gofer do it. Data of files never passes here: Open() gives a
// descriptor, and reads and writes go to that.
//
// Names are one component, never empty, "." or "..", and never contain '/' (EINVAL). Attributes are the
// host's own: dev and ino included. All methods are thread safe; the caller serialises changes of one
// directory (Inode::dir_mutex()).

#ifndef CVISOR_PKG_SENTRY_FS_HOST_NODE_H_
#define CVISOR_PKG_SENTRY_FS_HOST_NODE_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/base/unique_fd.h"
#include "pkg/sentry/fs/host/fd_cache.h"
#include "pkg/sentry/vfs/types.h"
#include "pkg/sentry/vfs/inode.h"

namespace cvisor::fs::host {

class Node : public RefCounted {
 public:
  struct Child {
    Ref<Node> node;
    vfs::Attr attr;
    UniqueFd fd;  // Create and Tmpfile: open for reading and writing. Walk: may be there.
  };

  // ENOENT, ... Symbolic links are not followed; host mounts are crossed.
  virtual Result<Child> Walk(std::string_view name) = 0;
  // ESTALE if the name now belongs to another file.
  virtual Result<vfs::Attr> Stat() = 0;
  // `access`: O_RDONLY, O_WRONLY or O_RDWR. Only for regular files.
  virtual Result<UniqueFd> Open(int access) = 0;
  // getdents64(2) of a directory from `position` on: whole records, 0 at the end. A node may keep a
  // descriptor in `kept` between calls; one call with that slot at a time.
  virtual Result<size_t> ReadDir(FdSlot& kept, int64_t position, std::span<char> buffer) = 0;
  enum class SyncKind : uint32_t { kFile, kData, kFileSystem };  // fsync(2), fdatasync(2), syncfs(2)
  virtual Status Sync(SyncKind kind) = 0;
  virtual Result<std::string> ReadLink() = 0;

  virtual Result<Child> Create(std::string_view name, const vfs::NewInode& how) = 0;
  virtual Result<Child> Tmpfile(const vfs::NewInode& how) = 0;
  virtual Result<Child> Mkdir(std::string_view name, const vfs::NewInode& how) = 0;
  virtual Result<Child> Symlink(std::string_view name, std::string_view target,
                                const vfs::NewInode& how) = 0;
  virtual Result<Child> Mknod(std::string_view name, const vfs::NewInode& how) = 0;
  virtual Status Link(std::string_view name, Node& target) = 0;
  // unlink(2) or rmdir(2). The victim stays usable as long as its Node lives.
  virtual Status Remove(std::string_view name, Node& victim, bool directory) = 0;
  virtual Status Rename(std::string_view old_name, Node& moved, Node& new_dir,
                        std::string_view new_name, Node* victim, unsigned flags) = 0;

  // Everything but the size, which is changed through a descriptor.
  virtual Status SetAttributes(const vfs::SetAttr& set) = 0;
  virtual Result<std::string> GetXattr(const std::string& name) = 0;
  virtual Status SetXattr(const std::string& name, std::string_view value, int flags) = 0;
  virtual Status RemoveXattr(const std::string& name) = 0;
  virtual Result<std::vector<std::string>> ListXattr() = 0;
  virtual Result<vfs::StatFs> GetStatFs() = 0;

  // `fresh` was walked to just now and is the same file: take over its place in the tree.
  virtual void Relocate(Node& fresh) = 0;
};

}  // namespace cvisor::fs::host

#endif  // CVISOR_PKG_SENTRY_FS_HOST_NODE_H_
