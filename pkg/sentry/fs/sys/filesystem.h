// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// sysfs(5): the CPUs and the few directories that programs look for. No devices of the host.

#ifndef CVISOR_PKG_SENTRY_FS_SYS_FILESYSTEM_H_
#define CVISOR_PKG_SENTRY_FS_SYS_FILESYSTEM_H_

#include "pkg/sentry/vfs/synthetic.h"

namespace cvisor::fs::sys {

class FileSystem : public vfs::SyntheticFileSystem {
 public:
  explicit FileSystem(int cpus);

 protected:
  Ref<vfs::Inode> MakeRoot() override;

 private:
  const int cpus_;
};

// "sysfs" for mount(2).
void RegisterSys(int cpus);

}  // namespace cvisor::fs::sys

#endif  // CVISOR_PKG_SENTRY_FS_SYS_FILESYSTEM_H_
