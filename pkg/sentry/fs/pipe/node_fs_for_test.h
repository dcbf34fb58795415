// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// A file system of one directory that holds FIFOs, sockets and empty files: for tests.

#ifndef CVISOR_PKG_SENTRY_FS_PIPE_NODE_FS_FOR_TEST_H_
#define CVISOR_PKG_SENTRY_FS_PIPE_NODE_FS_FOR_TEST_H_

#include <atomic>
#include <map>
#include <string>
#include <utility>

#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::fs::pipe {

class NodeFs : public vfs::FileSystem {
 public:
  std::string_view type_name() const override { return "nodefs"; }
  Result<Ref<vfs::Inode>> Root() override { return Errno::kENOSYS; }
  Result<vfs::StatFs> GetStatFs() override { return vfs::StatFs(); }
  dev_t dev() const override { return 1; }
};

class Node : public vfs::Inode {
 public:
  Node(Ref<vfs::FileSystem> fs, mode_t mode, uid_t uid, gid_t gid)
      : Inode(std::move(fs)), mode_(mode), uid_(uid), gid_(gid) {
    static std::atomic<ino_t> next{1};
    ino_ = next.fetch_add(1);
  }
  mode_t type() const override { return mode_ & S_IFMT; }
  Result<vfs::Attr> GetAttr() override {
    vfs::Attr a;
    a.mode = mode_, a.uid = uid_, a.gid = gid_, a.ino = ino_;
    return a;
  }

 private:
  const mode_t mode_;
  const uid_t uid_;
  const gid_t gid_;
  ino_t ino_;
};

class NodeDir : public Node {
 public:
  explicit NodeDir(Ref<vfs::FileSystem> fs) : Node(std::move(fs), S_IFDIR | 0777, 0, 0) {}
  Result<Ref<vfs::Inode>> Lookup(std::string_view name) override {
    auto it = nodes_.find(name);
    if (it == nodes_.end()) return Errno::kENOENT;
    return Ref<vfs::Inode>(it->second);
  }
  Result<Ref<vfs::Inode>> Mknod(std::string_view name, const vfs::NewInode& how) override {
    auto node = MakeRef<Node>(Ref<vfs::FileSystem>(&fs()), how.mode, how.uid, how.gid);
    nodes_.emplace(name, node);
    return Ref<vfs::Inode>(std::move(node));
  }
  Result<Ref<vfs::Inode>> Create(std::string_view name, const vfs::NewInode& how) override {
    vfs::NewInode regular = how;
    regular.mode |= S_IFREG;
    return Mknod(name, regular);
  }
  Status Unlink(std::string_view name, vfs::Inode&) override {
    nodes_.erase(nodes_.find(name));
    return OkStatus();
  }

 private:
  std::map<std::string, Ref<Node>, std::less<>> nodes_;  // under dir_mutex()
};

// A walk context for root in a fresh NodeFs.
inline vfs::WalkContext NewNodeTree() {
  auto fs = MakeRef<NodeFs>();
  auto root = vfs::Dentry::NewRoot(MakeRef<NodeDir>(fs));
  vfs::WalkContext ctx;
  ctx.creds = MakeRef<Credentials>();
  ctx.ns = MakeRef<vfs::MountNamespace>(fs, root, 0, "nodefs");
  ctx.root = ctx.start = ctx.ns->Root();
  return ctx;
}

}  // namespace cvisor::fs::pipe

#endif  // CVISOR_PKG_SENTRY_FS_PIPE_NODE_FS_FOR_TEST_H_
