// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The host file system: a tree of the host shown to applications. See node.h for who talks to the
// host, inode.h for what is cached.

#ifndef CVISOR_PKG_SENTRY_FS_HOST_FILESYSTEM_H_
#define CVISOR_PKG_SENTRY_FS_HOST_FILESYSTEM_H_

#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/base/unique_fd.h"
#include "pkg/sentry/fs/host/node.h"
#include "pkg/sentry/vfs/inode.h"

namespace cvisor::fs::host {

struct Options {
  // EROFS for every change.
  bool readonly = false;
  // Nobody else changes the tree while it is mounted: names and attributes are cached without asking
  // again. Otherwise every look at them goes to the host.
  bool exclusive = true;
  // As /proc/mounts and /proc/filesystems name it.
  std::string type_name = "9p";
};

// `root` is a directory or one regular file (O_PATH will do).
Result<Ref<vfs::FileSystem>> NewFileSystem(UniqueFd root, const Options& options = {});
// The same over any implementation of Node.
Result<Ref<vfs::FileSystem>> NewFileSystem(Node::Child root, const Options& options = {});

class HostInode;

class HostFileSystem final : public vfs::FileSystem {
 public:
  explicit HostFileSystem(Options options) : options_(std::move(options)), dev_(NewDev()) {}

  std::string_view type_name() const override { return options_.type_name; }
  Result<Ref<vfs::Inode>> Root() override;
  Result<vfs::StatFs> GetStatFs() override;
  Status Sync() override;
  dev_t dev() const override { return dev_; }

  const Options& options_ref() const { return options_; }
  // The device number that applications see for the host's `host_dev`.
  dev_t MapDev(dev_t host_dev);
  // The inode of a file that was walked to or made just now: the one that is known already, if any.
  Ref<HostInode> GetInode(Node::Child child);

 private:
  friend class HostInode;
  friend Result<Ref<vfs::FileSystem>> NewFileSystem(Node::Child, const Options&);
  using Key = std::pair<dev_t, ino_t>;  // the host's numbers

  static dev_t NewDev();
  // Takes a dying inode out of the table.
  void Forget(const Key& key, HostInode* inode);

  const Options options_;
  const dev_t dev_;
  Node::Child root_;  // until the first Root(); then only its numbers count
  dev_t root_host_dev_ = 0;
  Mutex mu_;  // leaf
  // An inode refers to its file system, so the file system cannot hold inodes: only the root's node.
  absl::flat_hash_map<Key, HostInode*> inodes_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<dev_t, dev_t> devs_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cvisor::fs::host

#endif  // CVISOR_PKG_SENTRY_FS_HOST_FILESYSTEM_H_
