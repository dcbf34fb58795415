// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Leaving and entering namespaces: unshare(2), setns(2).

#include <linux/capability.h>
#include <sched.h>

#include <algorithm>

#include "pkg/base/log.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/namespace_file.h"
#include "pkg/sentry/kernel/pidfd.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/kernel/time_namespace.h"
#include "pkg/sentry/syscalls/handlers.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace cvisor::syscalls {
namespace {

using kernel::NamespaceHandle;

constexpr int kMadeHere =
    CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWCGROUP | CLONE_NEWTIME;
constexpr int kAllKinds = kMadeHere | CLONE_NEWNET | CLONE_NEWUSER;

bool HasOtherThreads(Task& t) {
  MutexLock lock(t.kernel().task_mutex());
  return t.tg().live_tasks() > 1;
}

// May a task with these credentials be in that namespace? Nothing changes yet. `creds` become those
// that it would have: who enters a user namespace may enter others that it owns in the same call.
Status CheckEnter(Task& t, const NamespaceHandle& handle, CredsRef* creds) {
  const Credentials& c = **creds;
  if (handle.kind == CLONE_NEWUSER) {
    auto ns = RefCast<UserNamespace>(handle.object);
    // Not again into the one that it is in: that would give capabilities back.
    if (ns == c.user_ns || HasOtherThreads(t)) return Errno::kEINVAL;
    if (!c.HasCapIn(*ns, CAP_SYS_ADMIN)) return Errno::kEPERM;
    if (t.FsRef()->ref_count() > 2) return Errno::kEINVAL;  // ours and the task's
    *creds = c.InUserNamespace(std::move(ns));
    return OkStatus();
  }
  const auto ns = RefCast<Namespace>(handle.object);
  const UserNamespace& owner = ns == nullptr ? *UserNamespace::Root() : ns->user_ns();
  if (!c.HasCapIn(owner, CAP_SYS_ADMIN) || !c.HasOwnCap(CAP_SYS_ADMIN)) return Errno::kEPERM;
  switch (handle.kind) {
    case CLONE_NEWNS:
      if (!c.HasOwnCap(CAP_SYS_CHROOT)) return Errno::kEPERM;
      // The others would stay behind with their root and working directory.
      return HasOtherThreads(t) ? Errno::kEINVAL : OkStatus();
    case CLONE_NEWPID: {
      // Only downwards.
      for (auto p = RefCast<kernel::PidNamespace>(handle.object); p != nullptr; p = p->parent()) {
        if (p.get() == &t.pid_ns()) return OkStatus();
      }
      return Errno::kEINVAL;
    }
    case CLONE_NEWTIME:
      return HasOtherThreads(t) ? Errno::kEUSERS : OkStatus();
    default:
      return OkStatus();
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
    case CLONE_NEWCGROUP:
      t.SetCgroupNs(RefCast<kernel::CgroupNamespace>(handle.object));
      break;
    case CLONE_NEWTIME:
      t.SetTimeNsForChildren(RefCast<kernel::TimeNamespace>(handle.object));
      t.EnterTimeNsForChildren();
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
  constexpr uint64_t kKnown = kMadeHere | CLONE_NEWUSER | CLONE_FILES | CLONE_FS | CLONE_SYSVSEM |
                              CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
  if ((flags & ~kKnown) != 0) return Errno::kEINVAL;
  if ((flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_NEWUSER)) != 0) {
    MutexLock lock(t.kernel().task_mutex());
    if (t.tg().live_tasks() > 1) return Errno::kEINVAL;
    if ((flags & (CLONE_SIGHAND | CLONE_VM)) != 0 && t.mm().users() > 1) return Errno::kEINVAL;
  }
  CredsRef creds = t.creds();
  if ((flags & CLONE_NEWUSER) != 0) {
    ASSIGN_OR_RETURN(creds, t.NewUserNamespace());
  } else if ((flags & kMadeHere) != 0 && !creds->HasOwnCap(CAP_SYS_ADMIN)) {
    return Errno::kEPERM;
  }
  const Ref<UserNamespace>& user_ns = creds->user_ns;
  if ((flags & CLONE_NEWPID) != 0) {
    // Once: the children's namespace must be below the task's own.
    if (t.PidNsForChildren().get() != &t.pid_ns()) return Errno::kEINVAL;
    t.SetPidNsForChildren(
        MakeRef<kernel::PidNamespace>(Ref<kernel::PidNamespace>(&t.pid_ns()), user_ns));
  }
  if ((flags & CLONE_FILES) != 0) t.UnshareFds();
  if ((flags & (CLONE_FS | CLONE_NEWNS | CLONE_NEWUSER)) != 0) t.UnshareFs();
  if ((flags & CLONE_NEWNS) != 0) t.UnshareMounts(user_ns);
  if ((flags & CLONE_NEWUTS) != 0) t.SetUts(t.uts().Copy(user_ns));
  if ((flags & CLONE_SYSVSEM) != 0) t.DropSemUndo();
  if ((flags & CLONE_NEWCGROUP) != 0) t.SetCgroupNs(MakeRef<kernel::CgroupNamespace>(user_ns));
  if ((flags & CLONE_NEWTIME) != 0) {
    t.SetTimeNsForChildren(MakeRef<kernel::TimeNamespace>(user_ns));
  }
  if ((flags & CLONE_NEWIPC) != 0) t.SetIpc(MakeRef<kernel::IpcNamespace>(user_ns));
  if ((flags & CLONE_NEWUSER) != 0) t.SetCreds(std::move(creds));
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
  // User namespaces first: what they give counts for the rest.
  std::stable_sort(handles.begin(), handles.end(), [](const auto& x, const auto& y) {
    return x.kind == CLONE_NEWUSER && y.kind != CLONE_NEWUSER;
  });
  CredsRef creds = t.creds();
  for (const auto& handle : handles) RETURN_IF_ERROR(CheckEnter(t, handle, &creds));
  if (creds != t.creds()) t.SetCreds(creds);
  for (const auto& handle : handles) Enter(t, handle);
  return 0;
}

}  // namespace cvisor::syscalls
