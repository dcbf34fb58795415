// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// cgroups(7), as a container sees its own: one group, the root, whose files tell the limits that the engine
// set and what the sandbox uses (cvisor::Resources). All is read-only: no group can be made in it, and a limit
// cannot be changed from inside.

#ifndef CVISOR_PKG_SENTRY_FS_CGROUP_FILESYSTEM_H_
#define CVISOR_PKG_SENTRY_FS_CGROUP_FILESYSTEM_H_

#include <span>
#include <string>

#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/vfs/synthetic.h"

namespace cvisor::fs::cgroup {

class FileSystem : public vfs::SyntheticFileSystem {
 public:
  // `controllers`: of a v1 hierarchy, "cpu,cpuacct"; empty: v2, which has all.
  FileSystem(kernel::Kernel& kernel, std::string controllers);

  std::string options() const override { return controllers_; }

 protected:
  Ref<vfs::Inode> MakeRoot() override;

 private:
  kernel::Kernel& kernel_;
  const std::string controllers_;
};

// The hierarchies of v1 that there are.
std::span<const char* const> V1Hierarchies();

}  // namespace cvisor::fs::cgroup

#endif  // CVISOR_PKG_SENTRY_FS_CGROUP_FILESYSTEM_H_
