// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Places for descriptions without a file system: pipes, sockets, anon inodes. They live on mounts that
// are in no namespace, as in Linux.

#include <atomic>
#include <utility>

#include "absl/strings/str_format.h"
#include "pkg/sentry/vfs/permission.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::vfs {

namespace {

constexpr uint64_t kPipeMagic = 0x50495045, kSockMagic = 0x534f434b, kAnonMagic = 0x09041934;

class AnonymousFileSystem : public FileSystem {
 public:
  AnonymousFileSystem(std::string name, uint64_t magic)
      : name_(std::move(name)), magic_(magic), dev_(NextAnonymousDev()) {}
  std::string_view type_name() const override { return name_; }
  Result<Ref<Inode>> Root() override { return Errno::kENOSYS; }
  Result<StatFs> GetStatFs() override {
    StatFs s;
    s.type = magic_;
    return s;
  }
  dev_t dev() const override { return dev_; }

 private:
  const std::string name_;
  const uint64_t magic_;
  const dev_t dev_;
};

class AnonymousInode : public Inode {
 public:
  AnonymousInode(Ref<FileSystem> fs, mode_t type, mode_t perm, ino_t ino)
      : Inode(std::move(fs)), type_(type) {
    attr_.mode = type | perm;
    attr_.ino = ino;
    attr_.dev = this->fs().dev();
    attr_.atime = attr_.mtime = attr_.ctime = attr_.btime = Now();
  }
  mode_t type() const override { return type_; }
  Result<Attr> GetAttr() override {
    MutexLock lock(mu_);
    return attr_;
  }
  // fchmod(2) and fchown(2) of pipes and sockets work; inodes without a type have no attributes to set.
  Status SetAttributes(const SetAttr& set) override {
    if (type_ == 0) return Errno::kEOPNOTSUPP;
    MutexLock lock(mu_);
    if (set.valid & SetAttr::kSize) return Errno::kEINVAL;
    const timespec now = Now();
    auto pick = [&](const timespec& t) { return t.tv_nsec == UTIME_NOW ? now : t; };
    if (set.valid & SetAttr::kMode) attr_.mode = type_ | (set.mode & 07777);
    if (set.valid & SetAttr::kUid) attr_.uid = set.uid;
    if (set.valid & SetAttr::kGid) attr_.gid = set.gid;
    if (set.valid & SetAttr::kAtime) attr_.atime = pick(set.atime);
    if (set.valid & SetAttr::kMtime) attr_.mtime = pick(set.mtime);
    attr_.ctime = now;
    return OkStatus();
  }

 private:
  const mode_t type_;
  Mutex mu_;
  Attr attr_ ABSL_GUARDED_BY(mu_);
};

struct AnonymousMount {
  AnonymousMount(std::string name, uint64_t magic) {
    auto fs = MakeRef<AnonymousFileSystem>(name, magic);
    auto root = Dentry::NewRoot(MakeRef<AnonymousInode>(fs, S_IFDIR, 0, 1));
    mount = MakeRef<Mount>(NextMountId(), fs, root, 0, std::move(name));
  }
  Ref<Mount> mount;
};

std::atomic<ino_t> g_next_ino{2};

}  // namespace

Path NewAnonymousPath(std::string_view prefix, mode_t type, mode_t perm) {
  static const auto* pipes = new AnonymousMount("pipefs", kPipeMagic);
  static const auto* sockets = new AnonymousMount("sockfs", kSockMagic);
  static const auto* others = new AnonymousMount("anon_inodefs", kAnonMagic);
  const AnonymousMount* on = type == S_IFIFO ? pipes : type == S_IFSOCK ? sockets : others;
  const ino_t ino = g_next_ino.fetch_add(1);
  auto inode = MakeRef<AnonymousInode>(on->mount->fs, type, perm, ino);
  return Path{on->mount, Dentry::NewAnonymous(absl::StrFormat("%s:[%u]", prefix, ino), inode)};
}

Path AnonInodePath(std::string_view name) {
  static const auto* mount = new AnonymousMount("anon_inodefs", kAnonMagic);
  // "[eventfd]" and "inotify" are both spelled as Linux does, by the caller.
  auto inode = MakeRef<AnonymousInode>(mount->mount->fs, 0, 0600, g_next_ino.fetch_add(1));
  return Path{mount->mount, Dentry::NewAnonymous(absl::StrFormat("anon_inode:%s", name), inode)};
}

}  // namespace cvisor::vfs
