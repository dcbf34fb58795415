// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// tmpfs(5): a file system in memory. Also what the Sentry itself uses for files that live with the
// sandbox: the upper layer of a root overlay, /dev, /dev/shm.

#ifndef CVISOR_PKG_SENTRY_FS_TMPFS_TMPFS_H_
#define CVISOR_PKG_SENTRY_FS_TMPFS_TMPFS_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/fs/tmpfs/contents.h"
#include "pkg/sentry/vfs/inode.h"

namespace cvisor::fs::tmpfs {

struct TmpfsOptions {
  uint64_t max_pages = 0;   // of 4 KiB; 0: no limit
  uint64_t max_inodes = 0;  // 0: no limit
  mode_t mode = 01777;      // of the root directory
  uid_t uid = 0;
  gid_t gid = 0;
  std::string type_name = "tmpfs";

  // mount(2)'s data: size=, nr_blocks=, nr_inodes=, mode=, uid=, gid=; huge= and the like are accepted
  // where they are the default. EINVAL. Unset limits are half of the machine's memory, as on Linux.
  static Result<TmpfsOptions> Parse(std::string_view data);
};

class TmpfsFileSystem : public vfs::FileSystem {
 public:
  explicit TmpfsFileSystem(const TmpfsOptions& options);

  std::string_view type_name() const override { return options_.type_name; }
  std::string options() const override;
  // The tree lives as long as its root is referenced (by a mount); an abandoned file system starts
  // again empty.
  Result<Ref<vfs::Inode>> Root() override;
  Result<vfs::StatFs> GetStatFs() override;
  dev_t dev() const override { return dev_; }

  // For inodes.
  const Ref<PageBudget>& budget() const { return budget_; }
  Status CountInode();  // ENOSPC
  void UncountInode() { inodes_.fetch_sub(1); }
  ino_t NextIno() { return next_ino_.fetch_add(1); }
  void ForgetRoot(const vfs::Inode* inode);

 private:
  const TmpfsOptions options_;
  const dev_t dev_;
  const Ref<PageBudget> budget_;
  std::atomic<uint64_t> inodes_{0};
  std::atomic<ino_t> next_ino_{1};
  Mutex root_mutex_;
  vfs::Inode* root_ ABSL_GUARDED_BY(root_mutex_) = nullptr;  // not owned
};

// Registers "tmpfs" and "ramfs".
void RegisterTmpfs();

}  // namespace cvisor::fs::tmpfs

#endif  // CVISOR_PKG_SENTRY_FS_TMPFS_TMPFS_H_
