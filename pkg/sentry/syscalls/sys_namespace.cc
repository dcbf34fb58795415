// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Leaving and entering namespaces: unshare(2), setns(2).

#include <linux/capability.h>
#include <sched.h>

#include "pkg/base/log.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/namespace_file.h"
#include "pkg/sentry/kernel/pidfd.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/syscalls/handlers.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace cvisor::syscalls {
namespace {

using kernel::NamespaceHandle;

constexpr int kMadeHere = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID;
constexpr int kAllKinds =
    kMadeHere | CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_NEWUSER | CLONE_NEWTIME;

bool HasOtherThreads(Task& t) {
  MutexLock lock(t.kernel().task_mutex());
  return t.tg().live_tasks() > 1;
}

// May the task be in that namespace? Nothing changes yet.
Status CheckEnter(Task& t, const NamespaceHandle& handle) {
  switch (handle.kind) {
    case CLONE_NEWUSER:
      // There is one, and nobody can enter the one that he is in.
      return Errno::kEINVAL;
    case CLONE_NEWNS:
      if (!t.HasCap(CAP_SYS_ADMIN) || !t.HasCap(CAP_SYS_CHROOT)) return Errno::kEPERM;
      // The others would stay behind with their root and working directory.
      return HasOtherThreads(t) ? Errno::kEINVAL : OkStatus();
    case CLONE_NEWPID: {
      if (!t.HasCap(CAP_SYS_ADMIN)) return Errno::kEPERM;
      // Only downwards.
      for (auto ns = RefCast<kernel::PidNamespace>(handle.object); ns != nullptr;
           ns = ns->parent()) {
        if (ns.get() == &t.pid_ns()) return OkStatus();
      }
      return Errno::kEINVAL;
    }
    default:
      return t.HasCap(CAP_SYS_ADMIN) ? OkStatus() : Status(Errno::kEPERM);
  }
}

void Enter(Task& t, const NamespaceHandle& handle) {
  switch (handle.kind) {
    case CLONE_NEWIPC:
      t.SetIpc(RefCast<kernel::IpcNamespace>(handle.object));
      break;
    case CLONE_NEWUTS:
      t.SetUts(RefCast<kernel::UtsNamespace>(handle.object));
      break;
    case CLONE_NEWPID:
      t.SetPidNsForChildren(RefCast<kernel::PidNamespace>(handle.object));
      break;
    case CLONE_NEWNS: {
      const auto ns = RefCast<vfs::MountNamespace>(handle.object);
      const vfs::Path root = ns->FollowMounts(ns->Root());
      t.UnshareFs();
      t.fs().set_mount_namespace(ns, root, root);
      break;
    }
    default:
      break;  // one of which there is only one
  }
}

}  // namespace

Result<uint64_t> Unshare(Task& t, const SyscallArgs& a) {
  const uint64_t flags = a[0].raw & 0xffffffff;
  constexpr uint64_t kKnown =
      kMadeHere | CLONE_FILES | CLONE_FS | CLONE_SYSVSEM | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
  if ((flags & ~kKnown) != 0) return Errno::kEINVAL;
  if ((flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)) != 0) {
    MutexLock lock(t.kernel().task_mutex());
    if (t.tg().live_tasks() > 1 || t.mm().users() > 1) return Errno::kEINVAL;
  }
  if ((flags & kMadeHere) != 0 && !t.HasCap(CAP_SYS_ADMIN)) return Errno::kEPERM;
  if ((flags & CLONE_NEWPID) != 0) {
    // Once: the children's namespace must be below the task's own.
    if (t.PidNsForChildren().get() != &t.pid_ns()) return Errno::kEINVAL;
    t.SetPidNsForChildren(
        MakeRef<kernel::PidNamespace>(Ref<kernel::PidNamespace>(&t.pid_ns()), t.creds()->user_ns));
  }
  if ((flags & CLONE_FILES) != 0) t.UnshareFds();
  if ((flags & (CLONE_FS | CLONE_NEWNS)) != 0) t.UnshareFs();
  if ((flags & CLONE_NEWNS) != 0) t.UnshareMounts();
  if ((flags & CLONE_NEWUTS) != 0) t.SetUts(t.uts().Copy());
  if ((flags & CLONE_SYSVSEM) != 0) t.DropSemUndo();
  if ((flags & CLONE_NEWIPC) != 0) t.SetIpc(MakeRef<kernel::IpcNamespace>());
  return 0;
}

Result<uint64_t> Setns(Task& t, const SyscallArgs& a) {
  const int kinds = a[1].As<int>();
  ASSIGN_OR_RETURN(const auto file, t.GetFile(a[0].As<int>()));
  std::vector<NamespaceHandle> handles;
  if (const auto ns = RefCast<kernel::NamespaceFile>(file); ns != nullptr) {
    if (kinds != 0 && kinds != ns->handle().kind) return Errno::kEINVAL;
    handles.push_back(ns->handle());
  } else if (const auto pidfd = RefCast<kernel::PidFd>(file); pidfd != nullptr) {
    if (kinds == 0 || (kinds & ~kAllKinds) != 0) return Errno::kEINVAL;
    Ref<Task> target;
    {
      MutexLock lock(t.kernel().task_mutex());
      if (pidfd->tg()->is_zombie() || pidfd->tg()->is_reaped()) return Errno::kESRCH;
      target = Ref<Task>(pidfd->tg()->leader());
    }
    for (int rest = kinds; rest != 0; rest &= rest - 1) {
      ASSIGN_OR_RETURN(NamespaceHandle handle, kernel::NamespaceOf(*target, rest & -rest));
      handles.push_back(std::move(handle));
    }
  } else {
    return Errno::kEINVAL;
  }
  // All or none.
  for (const auto& handle : handles) RETURN_IF_ERROR(CheckEnter(t, handle));
  for (const auto& handle : handles) Enter(t, handle);
  return 0;
}

}  // namespace cvisor::syscalls
