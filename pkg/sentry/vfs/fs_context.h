// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// FsContext: root, working directory, umask and mount namespace; shared with CLONE_FS.

#ifndef CVISOR_PKG_SENTRY_VFS_FS_CONTEXT_H_
#define CVISOR_PKG_SENTRY_VFS_FS_CONTEXT_H_

#include <utility>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/sentry/vfs/dentry.h"

namespace cvisor::vfs {

class FsContext : public RefCounted {
 public:
  FsContext(Ref<MountNamespace> ns, Path root, Path cwd, mode_t umask)
      : ns_(std::move(ns)), root_(std::move(root)), cwd_(std::move(cwd)), umask_(umask) {}

  Ref<MountNamespace> mount_namespace() const {
    MutexLock lock(mu_);
    return ns_;
  }
  Path root() const {
    MutexLock lock(mu_);
    return root_;
  }
  Path cwd() const {
    MutexLock lock(mu_);
    return cwd_;
  }
  mode_t umask() const {
    MutexLock lock(mu_);
    return umask_;
  }
  void set_root(Path p) {
    MutexLock lock(mu_);
    root_ = std::move(p);
  }
  void set_cwd(Path p) {
    MutexLock lock(mu_);
    cwd_ = std::move(p);
  }
  void set_mount_namespace(Ref<MountNamespace> ns, Path root, Path cwd) {
    MutexLock lock(mu_);
    ns_ = std::move(ns), root_ = std::move(root), cwd_ = std::move(cwd);
  }
  mode_t exchange_umask(mode_t m) {
    MutexLock lock(mu_);
    return std::exchange(umask_, m & 0777);
  }
  Ref<FsContext> Fork() const {
    MutexLock lock(mu_);
    return MakeRef<FsContext>(ns_, root_, cwd_, umask_);
  }

 private:
  mutable Mutex mu_;
  Ref<MountNamespace> ns_ ABSL_GUARDED_BY(mu_);
  Path root_ ABSL_GUARDED_BY(mu_), cwd_ ABSL_GUARDED_BY(mu_);
  mode_t umask_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cvisor::vfs

#endif  // CVISOR_PKG_SENTRY_VFS_FS_CONTEXT_H_
