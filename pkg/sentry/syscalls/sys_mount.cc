// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// mount(2), umount2(2), pivot_root(2). Everybody who may mount has CAP_SYS_ADMIN in the user
// namespace that owns his mount namespace: it means nothing outside of the sandbox.

#include <fcntl.h>
#include <sys/mount.h>

#include <algorithm>
#include <span>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"

namespace cvisor::syscalls {
namespace {

constexpr unsigned long kMagic = 0xc0ed0000;  // MS_MGC_VAL
constexpr unsigned long kMagicMask = 0xffff0000;
constexpr unsigned long kPropagation = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;
// What a mount keeps of its flags.
constexpr unsigned long kMountFlags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS |
                                      MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME;

Result<std::string> CopyInOptional(Task& t, UserAddr addr, size_t max) {
  if (addr == 0) return std::string();
  return t.mm().CopyInString(addr, max);
}

// The options string. Linux copies a page and does not insist on its end.
Result<std::string> CopyInData(Task& t, UserAddr addr) {
  if (addr == 0) return std::string();
  std::string data(mm::kPageSize, '\0');
  ASSIGN_OR_RETURN(const size_t n, t.mm().CopyInPartial(
                                       addr, std::as_writable_bytes(std::span(data))));
  data.resize(std::min(n, data.find('\0')));
  return data;
}

// There are no peers that anything could propagate to: private is what every mount is already.
Status ChangePropagation(unsigned long flags) {
  const unsigned long kind = flags & kPropagation;
  if (flags & ~(kPropagation | MS_REC | MS_SILENT)) return Errno::kEINVAL;
  if ((kind & (kind - 1)) != 0) return Errno::kEINVAL;
  return kind == MS_UNBINDABLE ? Status(Errno::kEINVAL) : OkStatus();
}

bool MayMount(Task& t) { return t.HasCapIn(t.fs().mount_namespace()->user_ns(), CAP_SYS_ADMIN); }

// What a user namespace's root may mount: file systems that hold no more than he could see anyway.
Status CheckUnprivilegedMount(const vfs::WalkContext& walk, const std::string& type,
                              unsigned long flags) {
  if (type == "proc" || type == "sysfs") {
    return walk.ns->FullyVisible(type, flags) ? OkStatus() : Status(Errno::kEPERM);
  }
  return type == "tmpfs" || type == "ramfs" || type == "devpts" || type == "mqueue"
             ? OkStatus()
             : Status(Errno::kEPERM);
}

// Owners in the options are numbers of the caller's user namespace.
Result<std::string> TranslateOwners(const UserNamespace& ns, const std::string& data) {
  std::string out;
  for (const std::string& option : std::vector<std::string>(absl::StrSplit(data, ','))) {
    if (!out.empty()) out += ',';
    const bool uid = option.starts_with("uid="), gid = option.starts_with("gid=");
    uint32_t id;
    if ((!uid && !gid) || !absl::SimpleAtoi(option.c_str() + 4, &id)) {
      out += option;
      continue;
    }
    const auto kernel_id =
        ns.ToKernel(uid ? UserNamespace::Kind::kUser : UserNamespace::Kind::kGroup, id);
    if (!kernel_id) return Errno::kEINVAL;
    absl::StrAppend(&out, uid ? "uid=" : "gid=", *kernel_id);
  }
  return out;
}

Status MountNew(const vfs::WalkContext& walk, const vfs::Path& at, const std::string& type,
                const std::string& source, unsigned long flags, const std::string& data) {
  ASSIGN_OR_RETURN(const vfs::FileSystemType fs_type, vfs::FindFileSystem(type));
  if (!fs_type.user_mountable) return Errno::kEPERM;
  const UserNamespace& user_ns = *walk.creds->user_ns;
  if (user_ns.parent() != nullptr) RETURN_IF_ERROR(CheckUnprivilegedMount(walk, type, flags));
  ASSIGN_OR_RETURN(const std::string options, TranslateOwners(user_ns, data));
  ASSIGN_OR_RETURN(auto fs, fs_type.make(walk, source, flags, options));
  ASSIGN_OR_RETURN(auto root, fs->Root());
  RETURN_IF_ERROR(walk.ns->MountAt(at, fs, vfs::Dentry::NewRoot(std::move(root)),
                                   flags & kMountFlags, source));
  return OkStatus();
}

// pivot_root(2): whoever has the old root as root or working directory gets the new one.
void ReplaceRoots(Task& t, const vfs::Path& old_root, const vfs::Path& new_root) {
  std::vector<Ref<vfs::FsContext>> contexts;
  {
    MutexLock lock(t.kernel().task_mutex());
    for (const kernel::ThreadGroup* tg : t.kernel().all_thread_groups()) {
      for (const Task* task : tg->tasks()) {
        if (auto fs = task->FsRef()) contexts.push_back(std::move(fs));
      }
    }
  }
  for (const auto& fs : contexts) {
    if (fs->root() == old_root) fs->set_root(new_root);
    if (fs->cwd() == old_root) fs->set_cwd(new_root);
  }
}

}  // namespace

Result<uint64_t> Mount(Task& t, const SyscallArgs& a) {
  auto flags = a[3].As<unsigned long>();
  ASSIGN_OR_RETURN(const std::string type,
                   CopyInOptional(t, a[2].As<UserAddr>(), mm::kPageSize - 1));
  ASSIGN_OR_RETURN(const std::string source,
                   CopyInOptional(t, a[0].As<UserAddr>(), vfs::kPathMax - 1));
  ASSIGN_OR_RETURN(const std::string data, CopyInData(t, a[4].As<UserAddr>()));
  ASSIGN_OR_RETURN(const Target at, ResolveAt(t, AT_FDCWD, a[1].As<UserAddr>(), 0));
  if ((flags & kMagicMask) == kMagic) flags &= ~kMagicMask;
  if (!MayMount(t)) return Errno::kEPERM;

  if (flags & MS_REMOUNT) {
    RETURN_IF_ERROR(at.walk.ns->Remount(at.path, flags & kMountFlags, (flags & MS_BIND) != 0));
  } else if (flags & MS_BIND) {
    if (source.empty()) return Errno::kENOENT;
    ASSIGN_OR_RETURN(const vfs::Path from, vfs::Walk(at.walk, source));
    RETURN_IF_ERROR(at.walk.ns->BindAt(at.path, from, (flags & MS_REC) != 0));
  } else if (flags & kPropagation) {
    RETURN_IF_ERROR(ChangePropagation(flags));
  } else if (flags & MS_MOVE) {
    if (source.empty()) return Errno::kENOENT;
    ASSIGN_OR_RETURN(const vfs::Path from, vfs::Walk(at.walk, source));
    RETURN_IF_ERROR(at.walk.ns->Move(from, at.path));
  } else {
    if (a[2].As<UserAddr>() == 0) return Errno::kEINVAL;
    RETURN_IF_ERROR(MountNew(at.walk, at.path, type, source, flags, data));
  }
  return 0;
}

Result<uint64_t> Umount2(Task& t, const SyscallArgs& a) {
  const auto flags = a[1].As<int>();
  if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const Target at,
                   ResolveAt(t, AT_FDCWD, a[0].As<UserAddr>(),
                             flags & UMOUNT_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0));
  if (!MayMount(t)) return Errno::kEPERM;
  if ((flags & MNT_EXPIRE) && (flags & (MNT_FORCE | MNT_DETACH))) return Errno::kEINVAL;
  RETURN_IF_ERROR(at.walk.ns->Unmount(at.path, flags));
  return 0;
}

Result<uint64_t> PivotRoot(Task& t, const SyscallArgs& a) {
  if (!MayMount(t)) return Errno::kEPERM;
  ASSIGN_OR_RETURN(const Target root, ResolveAt(t, AT_FDCWD, a[0].As<UserAddr>(), 0));
  ASSIGN_OR_RETURN(const Target old, ResolveAt(t, AT_FDCWD, a[1].As<UserAddr>(), 0));
  if (!S_ISDIR(root.path.inode().type()) || !S_ISDIR(old.path.inode().type())) {
    return Errno::kENOTDIR;
  }
  const vfs::Path old_root = t.fs().root();
  RETURN_IF_ERROR(root.walk.ns->PivotRoot(root.path, old.path));
  ReplaceRoots(t, old_root, root.path);
  return 0;
}

}  // namespace cvisor::syscalls
