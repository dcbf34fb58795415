// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Base classes for file systems whose content the kernel makes up: proc, sys, cgroup.
//
//   class Version : public vfs::SyntheticFile {
//    public:
//     explicit Version(vfs::SyntheticFileSystem& fs) : SyntheticFile(fs, 0444) {}
//     Result<std::string> Generate() override { return "Linux version ...\n"; }
//   };
//   root->Add("version", MakeRef<Version>(fs));
//   root->Add("cmdline", NewFunctionFile(fs, 0444, [] { return std::string("quiet\n"); }));
//
// Trees are built by MakeRoot(); objects that come and go (pids, descriptors) are made by
// SyntheticDir::LookupDynamic() each time they are looked up and listed by ListDynamic(). Generate()
// and the other virtuals run on the thread of the calling task (kernel::Task::Current()) with no VFS
// lock held but, for lookups, the directory's dir_mutex() shared.

#ifndef CVISOR_PKG_SENTRY_VFS_SYNTHETIC_H_
#define CVISOR_PKG_SENTRY_VFS_SYNTHETIC_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/vfs/file_description.h"
#include "pkg/sentry/vfs/inode.h"

namespace cvisor::vfs {

class SyntheticFileSystem : public FileSystem {
 public:
  // `type_name` as in /proc/mounts, `magic` as in statfs(2). Without `cache_dentries` every walk
  // calls Lookup (what proc needs, where names come and go by themselves).
  SyntheticFileSystem(std::string type_name, uint64_t magic, bool cache_dentries);

  std::string_view type_name() const override { return type_name_; }
  // The tree, made on demand by MakeRoot(): it lives as long as somebody uses it.
  Result<Ref<Inode>> Root() override;
  Result<StatFs> GetStatFs() override;
  dev_t dev() const override { return dev_; }
  bool CacheDentries() const override { return cache_dentries_; }

  // Numbers for inodes that exist once; those of dynamic inodes should be computed by their owner
  // (from the pid, say) with DynamicIno so that stat(2) twice gives the same number.
  ino_t NextIno() { return next_ino_.fetch_add(1); }
  static ino_t DynamicIno(uint64_t object, uint64_t entry) {
    return (uint64_t{1} << 40) | (object << 12) | (entry & 0xfff);
  }
  timespec created() const { return created_; }

 protected:
  virtual Ref<Inode> MakeRoot() = 0;

 private:
  friend class SyntheticInode;
  void ForgetRoot(Inode* inode);

  const std::string type_name_;
  const uint64_t magic_;
  const bool cache_dentries_;
  const dev_t dev_;
  const timespec created_;
  std::atomic<ino_t> next_ino_{1};
  Mutex root_mutex_;
  Inode* root_ ABSL_GUARDED_BY(root_mutex_) = nullptr;  // not owned: inodes own the file system
};

// Attributes. Subclasses override mode(), uid(), gid() where those change by themselves.
class SyntheticInode : public Inode {
 public:
  // `mode` with type bits. `ino` 0: a new number.
  SyntheticInode(SyntheticFileSystem& fs, mode_t mode, ino_t ino = 0);
  ~SyntheticInode() override;

  mode_t type() const final { return type_; }
  ino_t ino() const { return ino_; }
  virtual mode_t permissions() const { return permissions_.load(); }  // 07777
  virtual uid_t uid() const { return uid_.load(); }
  virtual gid_t gid() const { return gid_.load(); }
  virtual uint64_t size() const { return 0; }
  virtual uint64_t nlink() const { return 1; }
  void SetOwner(uid_t uid, gid_t gid) { uid_.store(uid), gid_.store(gid); }
  // Lets chmod(2) and chown(2) work (sysfs, cgroup); otherwise EPERM.
  void AllowAttributeChanges() { attributes_change_ = true; }

  Result<Attr> GetAttr() override;
  Status SetAttributes(const SetAttr& set) override;

  SyntheticFileSystem& synthetic_fs() const { return static_cast<SyntheticFileSystem&>(fs()); }

 private:
  const mode_t type_;
  const ino_t ino_;
  bool attributes_change_ = false;
  std::atomic<mode_t> permissions_;
  std::atomic<uid_t> uid_{0};
  std::atomic<gid_t> gid_{0};
  mutable Mutex times_mutex_;
  timespec atime_ ABSL_GUARDED_BY(times_mutex_), mtime_ ABSL_GUARDED_BY(times_mutex_),
      ctime_ ABSL_GUARDED_BY(times_mutex_);
};

class SyntheticDir : public SyntheticInode {
 public:
  explicit SyntheticDir(SyntheticFileSystem& fs, mode_t permissions = 0555, ino_t ino = 0);

  // Fixed children. Safe at any time; with cached dentries a removed child stays visible where it was
  // looked up before unless RevalidateChild says otherwise (it does here).
  void Add(std::string name, Ref<Inode> child);
  // Makes a plain subdirectory, or returns the one that exists.
  Ref<SyntheticDir> AddDir(std::string_view name, mode_t permissions = 0555);
  bool Remove(std::string_view name);
  Ref<Inode> Find(std::string_view name) const;  // fixed children only; null

  // One child that is not fixed. `key` orders them: ascending, unique, below 2^62, and the same each
  // time for the same child (the pid, the descriptor number), so that getdents(2) may go on later.
  struct DynamicEntry {
    std::string name;
    uint64_t key = 0;
    mode_t type = 0;  // S_IFDIR, ...
    ino_t ino = 0;
  };

  Result<Ref<Inode>> Lookup(std::string_view name) final;
  Result<Ref<FileDescription>> Open(const Path& path, int flags, const Credentials& creds) override;
  bool RevalidateChild(std::string_view name, Inode* child) override;
  uint64_t nlink() const override;
  // Where names are not cached (proc), looking up what is not there fails before it could be made.
  Result<Ref<Inode>> Create(std::string_view name, const NewInode& how) override;
  Result<Ref<Inode>> Mkdir(std::string_view name, const NewInode& how) override;
  Result<Ref<Inode>> Symlink(std::string_view name, std::string_view target,
                             const NewInode& how) override;
  Result<Ref<Inode>> Mknod(std::string_view name, const NewInode& how) override;

 protected:
  // Called for names that are no fixed children.
  virtual Result<Ref<Inode>> LookupDynamic(std::string_view name);
  // Appends the dynamic children with key >= from, ascending. May stop after a few hundred.
  virtual void ListDynamic(uint64_t from, std::vector<DynamicEntry>* out);
  // Is this child, which LookupDynamic made once, still what the name means?
  virtual bool RevalidateDynamic(std::string_view name, Inode* child);

 private:
  friend class SyntheticDirDescription;
  struct Child {
    Ref<Inode> inode;
    uint64_t cookie;
  };
  mutable Mutex children_mutex_;
  std::map<std::string, Child, std::less<>> children_ ABSL_GUARDED_BY(children_mutex_);
  std::map<uint64_t, std::string> by_cookie_ ABSL_GUARDED_BY(children_mutex_);
  uint64_t next_cookie_ ABSL_GUARDED_BY(children_mutex_) = 2;
};

// A file whose content is text made when it is read. As with Linux's seq_file, each open file has its
// own snapshot, made at the first read and again by each read at offset 0.
class SyntheticFile : public SyntheticInode {
 public:
  explicit SyntheticFile(SyntheticFileSystem& fs, mode_t permissions = 0444, ino_t ino = 0);

  virtual Result<std::string> Generate() = 0;
  // One write(2), at any offset, of at most kMaxStore bytes (longer writes: EINVAL). EINVAL by
  // default, which is what Linux says of files without a write operation that were opened for it (by
  // a capable user; others are stopped by the mode).
  virtual Status Store(std::string_view data);
  // Called by open(2) after the permission check: a place for checks (ptrace access).
  virtual Status CheckOpen(int flags, const Credentials& creds);

  Result<Ref<FileDescription>> Open(const Path& path, int flags, const Credentials& creds) override;

  static constexpr size_t kMaxStore = 65536;
};

class SyntheticSymlink : public SyntheticInode {
 public:
  explicit SyntheticSymlink(SyntheticFileSystem& fs, ino_t ino = 0);
  virtual Result<std::string> Target() = 0;
  Result<std::string> ReadLink() final { return Target(); }
};

// The same with functions in place of subclasses.
Ref<SyntheticFile> NewFunctionFile(SyntheticFileSystem& fs, mode_t permissions,
                                   std::function<Result<std::string>()> generate,
                                   std::function<Status(std::string_view)> store = nullptr,
                                   ino_t ino = 0);
// Content that never changes.
Ref<SyntheticFile> NewStaticFile(SyntheticFileSystem& fs, mode_t permissions, std::string content);
Ref<SyntheticSymlink> NewStaticSymlink(SyntheticFileSystem& fs, std::string target);
Ref<SyntheticSymlink> NewFunctionSymlink(SyntheticFileSystem& fs,
                                         std::function<Result<std::string>()> target,
                                         ino_t ino = 0);

}  // namespace cvisor::vfs

#endif  // CVISOR_PKG_SENTRY_VFS_SYNTHETIC_H_
