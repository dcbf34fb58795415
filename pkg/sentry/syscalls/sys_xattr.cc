// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Extended attributes: xattr(7).

#include <fcntl.h>
#include <linux/limits.h>
#include <sys/xattr.h>

#include "pkg/sentry/auth/file_caps.h"
#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/helpers.h"
#include "pkg/sentry/vfs/inotify.h"
#include "pkg/sentry/vfs/permission.h"

namespace cvisor::syscalls {
namespace {

// Which file a call of the family means.
enum class By { kPath, kLinkPath, kFd };

Result<Target> FindTarget(Task& t, By by, const SyscallArgs& a) {
  if (by == By::kFd) {
    ASSIGN_OR_RETURN(auto file, t.GetFile(a[0].As<int>()));
    return Target{t.WalkFromCwd(), file->path()};
  }
  return ResolveAt(t, AT_FDCWD, a[0].As<UserAddr>(),
                   by == By::kLinkPath ? AT_SYMLINK_NOFOLLOW : 0);
}

Result<std::string> CopyInName(Task& t, UserAddr addr) {
  auto name = t.mm().CopyInString(addr, XATTR_NAME_MAX);
  if (!name.ok()) return name.error() == Errno::kENAMETOOLONG ? Errno::kERANGE : name.error();
  if (name->empty()) return Errno::kERANGE;
  return name;
}

// May the caller use the attribute at all? By its namespace.
Status CheckName(Task& t, const Target& target, std::string_view name, bool write) {
  if (write) RETURN_IF_ERROR(vfs::CheckWritableMount(target.path));
  if (name == kFileCapsXattr) {
    if (!write) return OkStatus();
    ASSIGN_OR_RETURN(const vfs::Attr attr, target.path.inode().GetAttr());
    return t.creds()->HasCapOver(attr.uid, attr.gid, CAP_SETFCAP) ? OkStatus() : Errno::kEPERM;
  }
  if (name.starts_with("security.")) {
    return write && !t.HasCap(CAP_SYS_ADMIN) ? Status(Errno::kEPERM) : OkStatus();
  }
  if (name.starts_with("system.")) return Errno::kEOPNOTSUPP;  // ACLs
  if (name.starts_with("trusted.")) {
    if (t.HasCap(CAP_SYS_ADMIN)) return OkStatus();
    return write ? Errno::kEPERM : Errno::kENODATA;
  }
  if (!name.starts_with("user.") || name.size() == 5) {
    return name.starts_with("user.") ? Errno::kEINVAL : Errno::kEOPNOTSUPP;
  }
  const mode_t type = target.path.inode().type();
  if (!S_ISREG(type) && !S_ISDIR(type)) return write ? Errno::kEPERM : Errno::kENODATA;
  const auto creds = t.creds();
  if (S_ISDIR(type) && write) {
    ASSIGN_OR_RETURN(const vfs::Attr attr, target.path.inode().GetAttr());
    if ((attr.mode & S_ISVTX) && !vfs::OwnsInode(attr, *creds)) return Errno::kEPERM;
  }
  return vfs::CheckPathPermission(target.path, *creds, write ? vfs::kMayWrite : vfs::kMayRead);
}

// Copies a value or a list out: size 0 asks how long it is.
Result<uint64_t> CopyOutSized(Task& t, std::string_view value, UserAddr addr, uint64_t size) {
  if (size == 0) return value.size();
  if (size < value.size()) return Errno::kERANGE;
  RETURN_IF_ERROR(t.mm().CopyOutBytes(addr, value.data(), value.size()));
  return value.size();
}

Result<uint64_t> Set(Task& t, By by, const SyscallArgs& a) {
  const auto size = a[3].As<uint64_t>();
  const auto flags = a[4].As<int>();
  if (flags & ~(XATTR_CREATE | XATTR_REPLACE)) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const std::string name, CopyInName(t, a[1].As<UserAddr>()));
  if (size > XATTR_SIZE_MAX) return Errno::kE2BIG;
  std::string value(size, '\0');
  if (size != 0) RETURN_IF_ERROR(t.mm().CopyInBytes(a[2].As<UserAddr>(), value.data(), size));
  ASSIGN_OR_RETURN(const Target target, FindTarget(t, by, a));
  if (name == kFileCapsXattr && !value.empty()) {
    ASSIGN_OR_RETURN(value, FileCapsToStore(value, *t.creds()->user_ns));
  }
  RETURN_IF_ERROR(CheckName(t, target, name, /*write=*/true));
  RETURN_IF_ERROR(target.path.inode().SetXattr(name, value, flags));
  vfs::NotifyAttributes(target.path);
  return 0;
}

Result<uint64_t> Get(Task& t, By by, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const std::string name, CopyInName(t, a[1].As<UserAddr>()));
  ASSIGN_OR_RETURN(const Target target, FindTarget(t, by, a));
  RETURN_IF_ERROR(CheckName(t, target, name, /*write=*/false));
  ASSIGN_OR_RETURN(std::string value, target.path.inode().GetXattr(name));
  if (name == kFileCapsXattr) {
    ASSIGN_OR_RETURN(value, FileCapsToShow(value, *t.creds()->user_ns));
  }
  return CopyOutSized(t, value, a[2].As<UserAddr>(), a[3].As<uint64_t>());
}

Result<uint64_t> List(Task& t, By by, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const Target target, FindTarget(t, by, a));
  auto names = target.path.inode().ListXattr();
  // Linux lists nothing where there can be nothing.
  if (!names.ok() && names.error() == Errno::kEOPNOTSUPP) return 0;
  if (!names.ok()) return names.error();
  std::string all;
  for (const std::string& name : *names) {
    if (name.starts_with("trusted.") && !t.HasCap(CAP_SYS_ADMIN)) continue;
    all.append(name).push_back('\0');
  }
  return CopyOutSized(t, all, a[1].As<UserAddr>(), a[2].As<uint64_t>());
}

Result<uint64_t> Remove(Task& t, By by, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(const std::string name, CopyInName(t, a[1].As<UserAddr>()));
  ASSIGN_OR_RETURN(const Target target, FindTarget(t, by, a));
  RETURN_IF_ERROR(CheckName(t, target, name, /*write=*/true));
  RETURN_IF_ERROR(target.path.inode().RemoveXattr(name));
  vfs::NotifyAttributes(target.path);
  return 0;
}

}  // namespace

Result<uint64_t> Setxattr(Task& t, const SyscallArgs& a) { return Set(t, By::kPath, a); }
Result<uint64_t> Lsetxattr(Task& t, const SyscallArgs& a) { return Set(t, By::kLinkPath, a); }
Result<uint64_t> Fsetxattr(Task& t, const SyscallArgs& a) { return Set(t, By::kFd, a); }
Result<uint64_t> Getxattr(Task& t, const SyscallArgs& a) { return Get(t, By::kPath, a); }
Result<uint64_t> Lgetxattr(Task& t, const SyscallArgs& a) { return Get(t, By::kLinkPath, a); }
Result<uint64_t> Fgetxattr(Task& t, const SyscallArgs& a) { return Get(t, By::kFd, a); }
Result<uint64_t> Listxattr(Task& t, const SyscallArgs& a) { return List(t, By::kPath, a); }
Result<uint64_t> Llistxattr(Task& t, const SyscallArgs& a) { return List(t, By::kLinkPath, a); }
Result<uint64_t> Flistxattr(Task& t, const SyscallArgs& a) { return List(t, By::kFd, a); }
Result<uint64_t> Removexattr(Task& t, const SyscallArgs& a) { return Remove(t, By::kPath, a); }
Result<uint64_t> Lremovexattr(Task& t, const SyscallArgs& a) { return Remove(t, By::kLinkPath, a); }
Result<uint64_t> Fremovexattr(Task& t, const SyscallArgs& a) { return Remove(t, By::kFd, a); }

}  // namespace cvisor::syscalls
