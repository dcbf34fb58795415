// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/mqueue/filesystem.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "pkg/sentry/vfs/permission.h"

namespace cvisor::fs::mqueue {
namespace {

using kernel::IpcNamespace;
using kernel::Task;

constexpr uint64_t kMagic = 0x19800202;  // MQUEUE_MAGIC
// What CAP_SYS_RESOURCE may go up to.
constexpr uint64_t kHardMaxMessages = 65536, kHardMaxSize = 16 << 20;

class RootDir : public vfs::SyntheticDir {
 public:
  explicit RootDir(vfs::SyntheticFileSystem& fs)
      : SyntheticDir(fs, 01777), accounting_(MakeRef<Accounting>()) {
    AllowAttributeChanges();
  }

  // open(2) with O_CREAT on a mounted file system.
  Result<Ref<vfs::Inode>> Create(std::string_view name, const vfs::NewInode& how) override {
    return CreateQueue(name, how, nullptr);
  }

  // Under dir_mutex(). The limits are those of the calling task and its namespace.
  Result<Ref<vfs::Inode>> CreateQueue(std::string_view name, const vfs::NewInode& how,
                                      const mq_attr* attr) {
    Task* t = Task::Current();
    if (t == nullptr) return Errno::kEPERM;
    const auto& limits = t->ipc().mqueue_limits();
    const bool privileged = t->HasCap(CAP_SYS_RESOURCE);
    uint64_t messages = std::min(limits.msg_max.load(), limits.msg_default.load());
    uint64_t size = std::min(limits.msgsize_max.load(), limits.msgsize_default.load());
    if (attr != nullptr) {
      if (attr->mq_maxmsg <= 0 || attr->mq_msgsize <= 0) return Errno::kEINVAL;
      messages = static_cast<uint64_t>(attr->mq_maxmsg);
      size = static_cast<uint64_t>(attr->mq_msgsize);
      const uint64_t max_messages = privileged ? kHardMaxMessages : limits.msg_max.load();
      const uint64_t max_size = privileged ? kHardMaxSize : limits.msgsize_max.load();
      if (messages > max_messages || size > max_size) return Errno::kEINVAL;
    }
    // As getrlimit(2) says: the messages, and 48 bytes for each of two structures that keep it.
    const uint64_t bytes =
        messages * size + messages * 48 + std::min<uint64_t>(messages, 32768) * 48;
    RETURN_IF_ERROR(accounting_->Charge(how.uid, bytes, t->Rlimit(RLIMIT_MSGQUEUE),
                                        privileged ? UINT64_MAX : limits.queues_max.load()));
    auto queue = MakeRef<Queue>(synthetic_fs(), how, messages, size, accounting_, bytes);
    Add(std::string(name), queue);
    return Ref<vfs::Inode>(queue);
  }

  Status Unlink(std::string_view name, vfs::Inode& victim) override {
    static_cast<Queue&>(victim).SetUnlinked();
    return Remove(name) ? OkStatus() : Status(Errno::kENOENT);
  }

 private:
  const Ref<Accounting> accounting_;
};

class MqueueFs : public vfs::SyntheticFileSystem {
 public:
  MqueueFs() : SyntheticFileSystem("mqueue", kMagic, /*cache_dentries=*/false) {}

 protected:
  Ref<vfs::Inode> MakeRoot() override { return MakeRef<RootDir>(*this); }
};

// What an IPC namespace holds: a mount that is in no mount namespace keeps the tree alive.
class Instance : public RefCounted {
 public:
  Instance() {
    auto fs = MakeRef<MqueueFs>();
    root_inode_ = *fs->Root();
    auto dentry = vfs::Dentry::NewRoot(root_inode_);
    mount_ = MakeRef<vfs::Mount>(vfs::NextMountId(), fs, dentry, 0, "mqueue");
  }
  vfs::Path root() const { return vfs::Path{mount_, mount_->root}; }
  RootDir& dir() const { return static_cast<RootDir&>(*root_inode_); }

 private:
  Ref<vfs::Inode> root_inode_;
  Ref<vfs::Mount> mount_;
};

Ref<Instance> InstanceOf(IpcNamespace& ns) {
  return RefCast<Instance>(
      ns.MqueueFileSystem([] { return Ref<RefCounted>(MakeRef<Instance>()); }));
}

// A name without its slash, which the C library takes away.
Status CheckName(const std::string& name) {
  if (name.empty()) return Errno::kENOENT;
  if (name.size() > vfs::kNameMax) return Errno::kENAMETOOLONG;
  if (name == "." || name == ".." || name.find('/') != std::string::npos) return Errno::kEACCES;
  return OkStatus();
}

vfs::WalkContext WalkIn(Task& t, const vfs::Path& root) {
  vfs::WalkContext walk = t.WalkFromCwd();
  walk.start = root;
  return walk;
}

}  // namespace

Result<Ref<vfs::FileDescription>> OpenQueue(Task& t, const std::string& name, int flags,
                                            mode_t mode, const mq_attr* attr) {
  RETURN_IF_ERROR(CheckName(name));
  const Ref<Instance> instance = InstanceOf(t.ipc());
  const vfs::Path root = instance->root();
  const vfs::WalkContext walk = WalkIn(t, root);
  const bool create = (flags & O_CREAT) != 0;
  vfs::Path place{root.mount, nullptr};
  bool created = false;
  {
    MutexLock lock(instance->dir().dir_mutex());
    auto found = root.dentry->LookupChildLocked(name);
    if (!found.ok() && (found.error() != Errno::kENOENT || !create)) return found.error();
    if (found.ok()) {
      if (create && (flags & O_EXCL) != 0) return Errno::kEEXIST;
      place.dentry = *found;
    } else {
      RETURN_IF_ERROR(instance->dir().CheckPermission(*walk.creds, vfs::kMayWrite | vfs::kMayExec));
      ASSIGN_OR_RETURN(const vfs::Attr dir, instance->dir().GetAttr());
      const auto how = vfs::InitNewInode(dir, *walk.creds, S_IFREG | (mode & 07777 & ~walk.umask));
      ASSIGN_OR_RETURN(auto inode, instance->dir().CreateQueue(name, how, attr));
      place.dentry = root.dentry->AddChild(name, std::move(inode));
      created = true;
    }
  }
  const int kept = flags & (O_ACCMODE | O_NONBLOCK);
  // What was just made is open to its maker whatever its mode is.
  if (created) return place.inode().Open(place, kept, *walk.creds);
  if ((flags & O_ACCMODE) == O_ACCMODE) return Errno::kEINVAL;
  return vfs::OpenPath(walk, place, kept);
}

Status UnlinkQueue(Task& t, const std::string& name) {
  RETURN_IF_ERROR(CheckName(name));
  return vfs::Unlink(WalkIn(t, InstanceOf(t.ipc())->root()), name);
}

Ref<vfs::FileSystem> FileSystemOf(IpcNamespace& ns) { return InstanceOf(ns)->root().mount->fs; }

void RegisterMqueue() {
  vfs::RegisterFileSystem({.name = "mqueue",
                           .make = [](const vfs::WalkContext&, std::string_view, unsigned long,
                                      std::string_view) -> Result<Ref<vfs::FileSystem>> {
                             Task* t = Task::Current();
                             if (t == nullptr) return Errno::kENODEV;
                             return FileSystemOf(t->ipc());
                           },
                           .nodev = true});
}

}  // namespace cvisor::fs::mqueue
