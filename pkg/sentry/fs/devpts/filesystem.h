// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// devpts: /dev/pts with its ptmx, an instance per mount.

#ifndef CVISOR_PKG_SENTRY_FS_DEVPTS_FILESYSTEM_H_
#define CVISOR_PKG_SENTRY_FS_DEVPTS_FILESYSTEM_H_

#include <map>

#include "pkg/sentry/fs/devpts/tty.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/vfs/synthetic.h"

namespace cvisor::fs::devpts {

class FileSystem : public vfs::SyntheticFileSystem {
 public:
  struct Options {
    mode_t mode = 0600;      // of new slaves
    mode_t ptmx_mode = 0;    // of ptmx
    gid_t gid = 0;           // of new slaves, with has_gid
    bool has_gid = false;
  };
  FileSystem(kernel::Kernel& kernel, const Options& options);

  std::string options() const override;
  kernel::Kernel& kernel() const { return kernel_; }

  // A new pair; ENOSPC when there are too many. `mount_root` is the root of the mount it was asked through.
  Result<Ref<Tty>> NewTty(const Credentials& creds, const vfs::Path& mount_root);
  void Forget(unsigned index);  // the master was closed
  Ref<vfs::Inode> SlaveInodeOf(unsigned index) const;  // null if there is none
  std::vector<unsigned> List() const;
  Options mount_options() const { return options_; }

 protected:
  Ref<vfs::Inode> MakeRoot() override;

 private:
  kernel::Kernel& kernel_;
  const Options options_;
  mutable Mutex mu_;
  std::map<unsigned, Ref<vfs::Inode>> ttys_ ABSL_GUARDED_BY(mu_);
};

// A pair made by the Sentry itself, for a container's console. `pts` is the root of a devpts mount
// in the container ("/dev/pts"); the slave is unlocked and opened.
struct Pair {
  Ref<vfs::FileDescription> master;
  Ref<vfs::FileDescription> slave;
  Ref<Tty> tty;
};
Result<Pair> NewPair(const vfs::Path& pts);

// "devpts" for mount(2), and /dev/tty (5, 0).
void RegisterDevpts(kernel::Kernel& kernel);

}  // namespace cvisor::fs::devpts

#endif  // CVISOR_PKG_SENTRY_FS_DEVPTS_FILESYSTEM_H_
