// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// proc(5). One instance shows one PID namespace. Dentries are not cached: processes come and go by
// themselves.

#ifndef CVISOR_PKG_SENTRY_FS_PROC_FILESYSTEM_H_
#define CVISOR_PKG_SENTRY_FS_PROC_FILESYSTEM_H_

#include <functional>
#include <memory>
#include <string>

#include "pkg/base/ref.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/vfs/synthetic.h"

namespace cvisor::fs::proc {

class FileSystem : public vfs::SyntheticFileSystem {
 public:
  FileSystem(kernel::Kernel& kernel, Ref<kernel::PidNamespace> pid_ns);

  kernel::Kernel& kernel() const { return kernel_; }
  kernel::PidNamespace& pid_ns() const { return *pid_ns_; }

 protected:
  Ref<vfs::Inode> MakeRoot() override;

 private:
  kernel::Kernel& kernel_;
  const Ref<kernel::PidNamespace> pid_ns_;
};

// Content of /proc/net/<name> comes from the socket packages: registered once, at start-up.
void RegisterNetFile(std::string name, std::function<std::string()> generate);

// "proc" for mount(2): shows the mounting task's PID namespace.
void RegisterProc(kernel::Kernel& kernel);

}  // namespace cvisor::fs::proc

#endif  // CVISOR_PKG_SENTRY_FS_PROC_FILESYSTEM_H_
