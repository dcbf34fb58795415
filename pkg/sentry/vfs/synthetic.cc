// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/vfs/synthetic.h"

#include <algorithm>
#include <utility>

namespace cvisor::vfs {

// --- File system.

SyntheticFileSystem::SyntheticFileSystem(std::string type_name, uint64_t magic,
                                         bool cache_dentries)
    : type_name_(std::move(type_name)),
      magic_(magic),
      cache_dentries_(cache_dentries),
      dev_(NextAnonymousDev()),
      created_(Now()) {}

Result<Ref<Inode>> SyntheticFileSystem::Root() {
  {
    MutexLock lock(root_mutex_);
    if (root_ != nullptr && root_->TryIncRef()) return Ref<Inode>::Adopt(root_);
  }
  // Built without the lock: MakeRoot() may drop inodes.
  Ref<Inode> made = MakeRoot();
  if (made == nullptr) return Errno::kENOMEM;
  MutexLock lock(root_mutex_);
  if (root_ != nullptr && root_->TryIncRef()) return Ref<Inode>::Adopt(root_);
  root_ = made.get();
  return made;
}

void SyntheticFileSystem::ForgetRoot(Inode* inode) {
  MutexLock lock(root_mutex_);
  if (root_ == inode) root_ = nullptr;
}

Result<StatFs> SyntheticFileSystem::GetStatFs() {
  StatFs s;
  s.type = magic_;
  return s;
}

// --- Inodes.

SyntheticInode::SyntheticInode(SyntheticFileSystem& fs, mode_t mode, ino_t ino)
    : Inode(Ref<FileSystem>(&fs)),
      type_(mode & S_IFMT),
      ino_(ino != 0 ? ino : fs.NextIno()),
      permissions_(mode & 07777),
      atime_(fs.created()),
      mtime_(fs.created()),
      ctime_(fs.created()) {}

SyntheticInode::~SyntheticInode() {
  if (type_ == S_IFDIR) synthetic_fs().ForgetRoot(this);
}

Result<Attr> SyntheticInode::GetAttr() {
  Attr a;
  a.mode = type_ | permissions();
  a.nlink = nlink();
  a.uid = uid();
  a.gid = gid();
  a.size = size();
  a.ino = ino_;
  a.dev = fs().dev();
  a.blksize = 1024;
  MutexLock lock(times_mutex_);
  a.atime = atime_, a.mtime = mtime_, a.ctime = ctime_, a.btime = ctime_;
  return a;
}

Status SyntheticInode::SetAttributes(const SetAttr& set) {
  constexpr uint32_t kProtected = SetAttr::kMode | SetAttr::kUid | SetAttr::kGid;
  if ((set.valid & kProtected) && !attributes_change_) return Errno::kEPERM;
  // kSize: "echo x > /proc/..." opens with O_TRUNC, which means nothing here.
  if (set.valid & SetAttr::kMode) permissions_.store(set.mode & 07777);
  if (set.valid & SetAttr::kUid) uid_.store(set.uid);
  if (set.valid & SetAttr::kGid) gid_.store(set.gid);
  const timespec now = Now();
  auto pick = [&](const timespec& t) { return t.tv_nsec == UTIME_NOW ? now : t; };
  MutexLock lock(times_mutex_);
  if (set.valid & SetAttr::kAtime) atime_ = pick(set.atime);
  if (set.valid & SetAttr::kMtime) mtime_ = pick(set.mtime);
  if (set.valid & ~uint32_t{SetAttr::kSize}) ctime_ = now;
  return OkStatus();
}

// --- Directories.

namespace {
// getdents(2) positions: 0 and 1 are "." and "..", then the fixed children's cookies, then the dynamic
// children's keys.
constexpr uint64_t kDynamicBase = uint64_t{1} << 32;

// A directory's names must stay usable as positions even if its owner gives wild keys.
constexpr uint64_t kMaxKey = (uint64_t{1} << 62) - 1;
}  // namespace

class SyntheticDirDescription : public FileDescription {
 public:
  SyntheticDirDescription(Ref<SyntheticDir> dir, const Path& path, int flags)
      : FileDescription(path, flags), dir_(std::move(dir)) {}

  Result<int64_t> Seek(int64_t offset, int whence) override {
    MutexLock lock(position_mutex());
    int64_t to = offset;
    if (whence == SEEK_CUR) {
      if (__builtin_add_overflow(position(), offset, &to)) return Errno::kEINVAL;
    } else if (whence != SEEK_SET) {
      return Errno::kEINVAL;
    }
    if (to < 0) return Errno::kEINVAL;
    set_position(to);
    return to;
  }

  Result<size_t> Read(IoSink&, IoFlags) override { return Errno::kEISDIR; }
  Result<size_t> Pread(IoSink&, uint64_t, IoFlags) override { return Errno::kEISDIR; }

  Status IterateDir(DirSink& sink) override {
    MutexLock lock(position_mutex());
    auto at = static_cast<uint64_t>(position());
    auto add = [&](std::string_view name, ino_t ino, mode_t type, uint64_t next) {
      DirEntry e{name, ino, DirTypeOfMode(type), static_cast<int64_t>(next)};
      if (!sink.Add(e)) return false;
      at = next;
      set_position(static_cast<int64_t>(next));
      return true;
    };
    if (at == 0 && !add(".", dir_->ino(), S_IFDIR, 1)) return OkStatus();
    if (at == 1 && !add("..", ParentIno(), S_IFDIR, 2)) return OkStatus();
    while (at < kDynamicBase) {
      std::string name;
      Ref<Inode> child;
      uint64_t cookie = 0;
      {
        MutexLock children_lock(dir_->children_mutex_);
        auto it = dir_->by_cookie_.lower_bound(at);
        if (it == dir_->by_cookie_.end()) break;
        cookie = it->first;
        name = it->second;
        child = dir_->children_.find(name)->second.inode;
      }
      auto* synthetic = dynamic_cast<SyntheticInode*>(child.get());
      ino_t ino = synthetic != nullptr ? synthetic->ino() : 0;
      if (synthetic == nullptr) {
        if (auto attr = child->GetAttr(); attr.ok()) ino = attr->ino;
      }
      if (!add(name, ino, child->type(), cookie + 1)) return OkStatus();
    }
    if (at < kDynamicBase) {
      at = kDynamicBase;
      set_position(static_cast<int64_t>(at));
    }
    while (true) {
      std::vector<SyntheticDir::DynamicEntry> entries;
      dir_->ListDynamic(at - kDynamicBase, &entries);
      bool any = false;
      for (const auto& e : entries) {
        const uint64_t key = std::min(e.key, kMaxKey);
        if (key + kDynamicBase < at) continue;
        if (!add(e.name, e.ino, e.type, kDynamicBase + key + 1)) return OkStatus();
        any = true;
      }
      if (!any) return OkStatus();
    }
  }

 private:
  ino_t ParentIno() const {
    Ref<Dentry> parent = path().dentry->parent();
    if (parent == nullptr) return dir_->ino();
    auto attr = parent->inode()->GetAttr();
    return attr.ok() ? attr->ino : dir_->ino();
  }

  const Ref<SyntheticDir> dir_;
};

SyntheticDir::SyntheticDir(SyntheticFileSystem& fs, mode_t permissions, ino_t ino)
    : SyntheticInode(fs, S_IFDIR | permissions, ino) {}

void SyntheticDir::Add(std::string name, Ref<Inode> child) {
  Ref<Inode> old;
  MutexLock lock(children_mutex_);
  auto it = children_.find(name);
  if (it != children_.end()) {
    old = std::exchange(it->second.inode, std::move(child));
    return;
  }
  const uint64_t cookie = next_cookie_++;
  by_cookie_[cookie] = name;
  children_.emplace(std::move(name), Child{std::move(child), cookie});
}

Ref<SyntheticDir> SyntheticDir::AddDir(std::string_view name, mode_t permissions) {
  if (auto have = RefCast<SyntheticDir>(Find(name)); have != nullptr) return have;
  auto dir = MakeRef<SyntheticDir>(synthetic_fs(), permissions);
  Add(std::string(name), dir);
  return dir;
}

bool SyntheticDir::Remove(std::string_view name) {
  Ref<Inode> dropped;
  MutexLock lock(children_mutex_);
  auto it = children_.find(name);
  if (it == children_.end()) return false;
  dropped = std::move(it->second.inode);
  by_cookie_.erase(it->second.cookie);
  children_.erase(it);
  return true;
}

Ref<Inode> SyntheticDir::Find(std::string_view name) const {
  MutexLock lock(children_mutex_);
  auto it = children_.find(name);
  return it == children_.end() ? nullptr : it->second.inode;
}

uint64_t SyntheticDir::nlink() const {
  MutexLock lock(children_mutex_);
  uint64_t n = 2;
  for (const auto& [name, child] : children_) n += child.inode->type() == S_IFDIR;
  return n;
}

Result<Ref<Inode>> SyntheticDir::Lookup(std::string_view name) {
  if (Ref<Inode> child = Find(name); child != nullptr) return child;
  return LookupDynamic(name);
}

Result<Ref<Inode>> SyntheticDir::LookupDynamic(std::string_view) { return Errno::kENOENT; }
void SyntheticDir::ListDynamic(uint64_t, std::vector<DynamicEntry>*) {}
bool SyntheticDir::RevalidateDynamic(std::string_view, Inode*) { return false; }

bool SyntheticDir::RevalidateChild(std::string_view name, Inode* child) {
  if (Ref<Inode> fixed = Find(name); fixed != nullptr) return fixed.get() == child;
  return RevalidateDynamic(name, child);
}

Result<Ref<Inode>> SyntheticDir::Create(std::string_view name, const NewInode& how) {
  return synthetic_fs().CacheDentries() ? Inode::Create(name, how) : Errno::kENOENT;
}
Result<Ref<Inode>> SyntheticDir::Mkdir(std::string_view name, const NewInode& how) {
  return synthetic_fs().CacheDentries() ? Inode::Mkdir(name, how) : Errno::kENOENT;
}
Result<Ref<Inode>> SyntheticDir::Symlink(std::string_view name, std::string_view target,
                                         const NewInode& how) {
  return synthetic_fs().CacheDentries() ? Inode::Symlink(name, target, how) : Errno::kENOENT;
}
Result<Ref<Inode>> SyntheticDir::Mknod(std::string_view name, const NewInode& how) {
  return synthetic_fs().CacheDentries() ? Inode::Mknod(name, how) : Errno::kENOENT;
}

Result<Ref<FileDescription>> SyntheticDir::Open(const Path& path, int flags, const Credentials&) {
  return Ref<FileDescription>(
      MakeRef<SyntheticDirDescription>(Ref<SyntheticDir>(this), path, flags));
}

// --- Files.

namespace {

class SyntheticFileDescription : public FileDescription {
 public:
  SyntheticFileDescription(Ref<SyntheticFile> file, const Path& path, int flags)
      : FileDescription(path, flags), file_(std::move(file)) {}

  bool seekable() const override { return true; }

  Result<size_t> Pread(IoSink& dst, uint64_t offset, IoFlags) override {
    MutexLock lock(content_mutex_);
    if (!filled_ || offset == 0) {
      ASSIGN_OR_RETURN(content_, file_->Generate());
      filled_ = true;
    }
    return CopyStringOut(dst, content_, offset);
  }

  Result<size_t> Pwrite(IoSource& src, uint64_t, IoFlags) override {
    const size_t n = src.remaining();
    if (n > SyntheticFile::kMaxStore) return Errno::kEINVAL;
    std::string data(n, '\0');
    size_t done = 0;
    while (done < n) {
      ASSIGN_OR_RETURN(const size_t got,
                       src.Read(std::as_writable_bytes(std::span(data)).subspan(done)));
      if (got == 0) break;
      done += got;
    }
    if (done != n) return Errno::kEFAULT;
    RETURN_IF_ERROR(file_->Store(data));
    return n;
  }

  Result<int64_t> Seek(int64_t offset, int whence) override {
    // Linux: seq_file knows no end.
    if (whence != SEEK_SET && whence != SEEK_CUR) {
      if (whence != SEEK_END || file_->size() == 0) return Errno::kEINVAL;
    }
    return SeekRegular(offset, whence, file_->size());
  }

 private:
  const Ref<SyntheticFile> file_;
  Mutex content_mutex_;
  bool filled_ ABSL_GUARDED_BY(content_mutex_) = false;
  std::string content_ ABSL_GUARDED_BY(content_mutex_);
};

class FunctionFile : public SyntheticFile {
 public:
  FunctionFile(SyntheticFileSystem& fs, mode_t permissions, ino_t ino,
               std::function<Result<std::string>()> generate,
               std::function<Status(std::string_view)> store)
      : SyntheticFile(fs, permissions, ino),
        generate_(std::move(generate)),
        store_(std::move(store)) {}
  Result<std::string> Generate() override {
    if (!generate_) return Errno::kEINVAL;
    return generate_();
  }
  Status Store(std::string_view data) override {
    if (!store_) return Errno::kEINVAL;
    return store_(data);
  }

 private:
  const std::function<Result<std::string>()> generate_;
  const std::function<Status(std::string_view)> store_;
};

class FunctionSymlink : public SyntheticSymlink {
 public:
  FunctionSymlink(SyntheticFileSystem& fs, ino_t ino, std::function<Result<std::string>()> target)
      : SyntheticSymlink(fs, ino), target_(std::move(target)) {}
  Result<std::string> Target() override { return target_(); }

 private:
  const std::function<Result<std::string>()> target_;
};

}  // namespace

SyntheticFile::SyntheticFile(SyntheticFileSystem& fs, mode_t permissions, ino_t ino)
    : SyntheticInode(fs, S_IFREG | permissions, ino) {}

Status SyntheticFile::Store(std::string_view) { return Errno::kEINVAL; }
Status SyntheticFile::CheckOpen(int, const Credentials&) { return OkStatus(); }

Result<Ref<FileDescription>> SyntheticFile::Open(const Path& path, int flags,
                                                 const Credentials& creds) {
  RETURN_IF_ERROR(CheckOpen(flags, creds));
  return Ref<FileDescription>(
      MakeRef<SyntheticFileDescription>(Ref<SyntheticFile>(this), path, flags));
}

SyntheticSymlink::SyntheticSymlink(SyntheticFileSystem& fs, ino_t ino)
    : SyntheticInode(fs, S_IFLNK | 0777, ino) {}

Ref<SyntheticFile> NewFunctionFile(SyntheticFileSystem& fs, mode_t permissions,
                                   std::function<Result<std::string>()> generate,
                                   std::function<Status(std::string_view)> store, ino_t ino) {
  return MakeRef<FunctionFile>(fs, permissions, ino, std::move(generate), std::move(store));
}

Ref<SyntheticFile> NewStaticFile(SyntheticFileSystem& fs, mode_t permissions,
                                 std::string content) {
  return NewFunctionFile(fs, permissions, [content = std::move(content)]() -> Result<std::string> {
    return content;
  });
}

Ref<SyntheticSymlink> NewStaticSymlink(SyntheticFileSystem& fs, std::string target) {
  return NewFunctionSymlink(fs, [target = std::move(target)]() -> Result<std::string> {
    return target;
  });
}

Ref<SyntheticSymlink> NewFunctionSymlink(SyntheticFileSystem& fs,
                                         std::function<Result<std::string>()> target, ino_t ino) {
  return MakeRef<FunctionSymlink>(fs, ino, std::move(target));
}

}  // namespace cvisor::vfs
