// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/kernel/namespace_file.h"

#include <linux/nsfs.h>
#include <sched.h>

#include <utility>

#include "absl/strings/str_format.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/time_namespace.h"
#include "pkg/sentry/vfs/vfs.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace cvisor::kernel {
namespace {

constexpr uint64_t kNsfsMagic = 0x6e736673;

class Nsfs : public vfs::FileSystem {
 public:
  std::string_view type_name() const override { return "nsfs"; }
  Result<Ref<vfs::Inode>> Root() override { return Errno::kENOSYS; }
  Result<vfs::StatFs> GetStatFs() override {
    vfs::StatFs s;
    s.type = kNsfsMagic;
    return s;
  }
  dev_t dev() const override { return dev_; }

 private:
  const dev_t dev_ = vfs::NextAnonymousDev();
};

class NsInode : public vfs::Inode {
 public:
  NsInode(Ref<vfs::FileSystem> fs, NamespaceHandle handle)
      : Inode(std::move(fs)), handle_(std::move(handle)) {}
  mode_t type() const override { return S_IFREG; }
  Result<vfs::Attr> GetAttr() override {
    vfs::Attr a;
    a.mode = S_IFREG | 0444;
    a.ino = handle_.number;
    a.dev = fs().dev();
    return a;
  }
  Result<Ref<vfs::FileDescription>> Open(const vfs::Path& path, int flags,
                                         const Credentials&) override {
    return Ref<vfs::FileDescription>(MakeRef<NamespaceFile>(path, flags, handle_));
  }

 private:
  const NamespaceHandle handle_;
};

// In no mount namespace, as in Linux.
const Ref<vfs::Mount>& NsfsMount() {
  static const auto& mount = *new Ref<vfs::Mount>([] {
    auto fs = MakeRef<Nsfs>();
    auto root = vfs::Dentry::NewRoot(MakeRef<NsInode>(fs, NamespaceHandle{}));
    return MakeRef<vfs::Mount>(vfs::NextMountId(), fs, root, 0, "nsfs");
  }());
  return mount;
}

template <typename T>
NamespaceHandle HandleOf(int kind, Ref<T> ns) {
  const uint64_t number = ns->number();
  return NamespaceHandle{kind, number, std::move(ns)};
}

// The same where null stands for the first one.
template <typename T>
NamespaceHandle HandleOrFirst(int kind, Ref<T> ns, uint64_t first) {
  if (ns == nullptr) return NamespaceHandle{kind, first, nullptr};
  return HandleOf(kind, std::move(ns));
}

// A descriptor of another namespace, as NS_GET_PARENT returns it.
Result<uint64_t> OpenHandle(NamespaceHandle handle) {
  const vfs::Path path = NamespacePath(handle);
  auto file = MakeRef<NamespaceFile>(path, O_RDONLY, std::move(handle));
  ASSIGN_OR_RETURN(const int fd, Task::Current()->InstallFd(std::move(file), /*cloexec=*/true));
  return static_cast<uint64_t>(fd);
}

}  // namespace

std::string NamespaceHandle::Name() const {
  const char* name = "";
  switch (kind) {
    case CLONE_NEWCGROUP:
      name = "cgroup";
      break;
    case CLONE_NEWIPC:
      name = "ipc";
      break;
    case CLONE_NEWNET:
      name = "net";
      break;
    case CLONE_NEWNS:
      name = "mnt";
      break;
    case CLONE_NEWPID:
      name = "pid";
      break;
    case CLONE_NEWTIME:
      name = "time";
      break;
    case CLONE_NEWUSER:
      name = "user";
      break;
    case CLONE_NEWUTS:
      name = "uts";
      break;
  }
  return absl::StrFormat("%s:[%d]", name, number);
}

Result<uint64_t> NamespaceFile::OpenOwner(Task& t) const {
  Ref<UserNamespace> owner = UserNamespace::Root();
  if (const auto user = RefCast<UserNamespace>(handle_.object); user != nullptr) {
    owner = user->parent();
  } else if (const auto ns = RefCast<Namespace>(handle_.object); ns != nullptr) {
    owner = ns->user_ns_ref();
  }
  // What is above the caller's own is out of sight.
  if (owner == nullptr || !owner->IsWithin(*t.creds()->user_ns)) return Errno::kEPERM;
  return OpenHandle(HandleOf(CLONE_NEWUSER, std::move(owner)));
}

Result<uint64_t> NamespaceFile::Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) {
  Task* t = Task::Current();
  switch (cmd) {
    case NS_GET_NSTYPE:
      return static_cast<uint64_t>(handle_.kind);
    case NS_GET_USERNS:
      return OpenOwner(*t);
    case NS_GET_PARENT: {
      if (handle_.kind == CLONE_NEWUSER) return OpenOwner(*t);
      if (handle_.kind != CLONE_NEWPID) return Errno::kEINVAL;
      const auto ns = RefCast<PidNamespace>(handle_.object);
      // Only what is below the caller's own namespace can be seen.
      const Ref<PidNamespace> parent = ns->parent();
      for (Ref<PidNamespace> p = parent; p != nullptr; p = p->parent()) {
        if (p.get() == &t->pid_ns()) return OpenHandle(HandleOf(CLONE_NEWPID, parent));
      }
      return Errno::kEPERM;
    }
    case NS_GET_OWNER_UID: {
      if (handle_.kind != CLONE_NEWUSER) return Errno::kEINVAL;
      RETURN_IF_ERROR(mm.CopyOut<uid_t>(
          arg, t->creds()->user_ns->Munged(UserNamespace::Kind::kUser,
                                           RefCast<UserNamespace>(handle_.object)->owner())));
      return 0;
    }
    default:
      return Errno::kENOTTY;
  }
}

Result<NamespaceHandle> NamespaceOf(Task& t, int kind) {
  switch (kind) {
    case CLONE_NEWCGROUP:
      return HandleOrFirst(kind, t.CgroupNs(), kFirstCgroupNamespace);
    case CLONE_NEWTIME:
      return HandleOrFirst(kind, t.TimeNs(), kFirstTimeNamespace);
    case CLONE_NEWNET:
      return NamespaceHandle{kind, kTheNetNamespace, nullptr};
    case CLONE_NEWUSER:
      return HandleOf(kind, t.creds()->user_ns);
    case CLONE_NEWPID:
      return HandleOf(kind, Ref<PidNamespace>(&t.pid_ns()));
    case CLONE_NEWIPC:
      return HandleOf(kind, t.IpcRef());
    case CLONE_NEWUTS:
      return HandleOf(kind, t.UtsRef());
    case CLONE_NEWNS: {
      const auto fs = t.FsRef();
      if (fs == nullptr) return Errno::kESRCH;
      return HandleOf(kind, fs->mount_namespace());
    }
    default:
      return Errno::kEINVAL;
  }
}

NamespaceHandle PidNamespaceForChildren(Task& t) {
  return HandleOf(CLONE_NEWPID, t.PidNsForChildren());
}

NamespaceHandle TimeNamespaceForChildren(Task& t) {
  return HandleOrFirst(CLONE_NEWTIME, t.TimeNsForChildren(), kFirstTimeNamespace);
}

vfs::Path NamespacePath(NamespaceHandle handle) {
  const auto& mount = NsfsMount();
  std::string name = handle.Name();
  auto inode = MakeRef<NsInode>(mount->fs, std::move(handle));
  return vfs::Path{mount, vfs::Dentry::NewAnonymous(std::move(name), std::move(inode))};
}

}  // namespace cvisor::kernel
