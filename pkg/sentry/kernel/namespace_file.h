// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The files behind /proc/pid/ns/* (ioctl_ns(2)): a descriptor of one keeps a namespace alive, and
// setns(2) enters it.

#ifndef CVISOR_PKG_SENTRY_KERNEL_NAMESPACE_FILE_H_
#define CVISOR_PKG_SENTRY_KERNEL_NAMESPACE_FILE_H_

#include <cstdint>
#include <string>

#include "pkg/base/ref.h"
#include "pkg/sentry/vfs/file_description.h"

namespace cvisor::kernel {

class Task;

// A namespace of some kind.
struct NamespaceHandle {
  int kind = 0;              // CLONE_NEW*
  uint64_t number = 0;       // st_ino
  Ref<RefCounted> object;    // IpcNamespace, UtsNamespace, ...; null for kinds that have no objects
  std::string Name() const;  // "uts:[4026531838]"
};

class NamespaceFile : public vfs::FileDescription {
 public:
  NamespaceFile(const vfs::Path& path, int flags, NamespaceHandle handle)
      : FileDescription(path, flags), handle_(std::move(handle)) {}
  const NamespaceHandle& handle() const { return handle_; }
  Result<uint64_t> Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) override;

 private:
  // A descriptor of the user namespace that owns this one.
  Result<uint64_t> OpenOwner(Task& t) const;
  const NamespaceHandle handle_;
};

// Any thread: that namespace of the task. ESRCH if it has exited.
Result<NamespaceHandle> NamespaceOf(Task& t, int kind);
// The one that its children will be in.
NamespaceHandle PidNamespaceForChildren(Task& t);
NamespaceHandle TimeNamespaceForChildren(Task& t);
// Its file.
vfs::Path NamespacePath(NamespaceHandle handle);

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_NAMESPACE_FILE_H_
