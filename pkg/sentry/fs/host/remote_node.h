// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// RemoteNode: a Node of a tree that the gofer reaches for us (--directfs=false). Each method is one
// request of pkg/lisafs; what it answers has been checked there. A file's descriptors come from the
// gofer, a directory's never do.

#ifndef CVISOR_PKG_SENTRY_FS_HOST_REMOTE_NODE_H_
#define CVISOR_PKG_SENTRY_FS_HOST_REMOTE_NODE_H_

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "pkg/lisafs/client.h"
#include "pkg/sentry/fs/host/node.h"

namespace cvisor::fs::host {

class RemoteNode final : public Node {
 public:
  // The root of the gofer's tree number `tree`.
  static Result<Child> NewRoot(Ref<lisafs::Client> client, uint32_t tree);

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
  RemoteNode(Ref<lisafs::Client> client, lisafs::Handle handle)
      : client_(std::move(client)), handle_(handle) {}
  ~RemoteNode() override;

  // All nodes of a file system are of one connection.
  static lisafs::Handle HandleOf(Node& node) { return static_cast<RemoteNode&>(node).handle_; }
  Child NewChild(const lisafs::Entry& entry, UniqueFd fd = UniqueFd()) const;
  // The request for a new name of this directory.
  template <typename Request>
  Request NewName(std::string_view name, const vfs::NewInode& how) const {
    Request request;
    request.dir = handle_;
    request.name = name;
    request.how = how;
    return request;
  }

  const Ref<lisafs::Client> client_;
  const lisafs::Handle handle_;
  // Its last name went: the gofer keeps the host's disk space until it hears that we are done.
  std::atomic<bool> removed_{false};
};

}  // namespace cvisor::fs::host

#endif  // CVISOR_PKG_SENTRY_FS_HOST_REMOTE_NODE_H_
