// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/host/inode.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "pkg/sentry/fs/host/file.h"
#include "pkg/sentry/fs/host/local_node.h"
#include "pkg/sentry/vfs/dentry.h"

namespace cvisor::fs::host {
namespace {

HostInode& AsHost(vfs::Inode& inode) { return static_cast<HostInode&>(inode); }

bool Before(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec <= b.tv_nsec;
}

}  // namespace

// --- HostFileSystem

Result<Ref<vfs::FileSystem>> NewFileSystem(UniqueFd root, const Options& options) {
  ASSIGN_OR_RETURN(auto child, LocalNode::NewRoot(std::move(root)));
  return NewFileSystem(std::move(child), options);
}

Result<Ref<vfs::FileSystem>> NewFileSystem(Node::Child root, const Options& options) {
  auto fs = MakeRef<HostFileSystem>(options);
  fs->root_host_dev_ = root.attr.dev;
  fs->root_ = std::move(root);
  return Ref<vfs::FileSystem>(fs);
}

dev_t HostFileSystem::NewDev() { return vfs::NextAnonymousDev(); }

dev_t HostFileSystem::MapDev(dev_t host_dev) {
  if (host_dev == root_host_dev_) return dev_;
  MutexLock lock(mu_);
  auto [it, is_new] = devs_.try_emplace(host_dev, 0);
  if (is_new) it->second = vfs::NextAnonymousDev();
  return it->second;
}

Ref<HostInode> HostFileSystem::GetInode(Node::Child child) {
  const Key key(child.attr.dev, child.attr.ino);
  Ref<HostInode> known;
  {
    MutexLock lock(mu_);
    auto it = inodes_.find(key);
    if (it != inodes_.end() && it->second->IsSame(child.attr) && it->second->TryIncRef()) {
      known = Ref<HostInode>::Adopt(it->second);
    }
  }
  if (known == nullptr) {
    auto fresh = MakeRef<HostInode>(Ref<HostFileSystem>(this), child.node, child.attr);
    MutexLock lock(mu_);
    HostInode*& slot = inodes_[key];
    if (slot == nullptr || !slot->IsSame(child.attr) || !slot->TryIncRef()) {
      slot = fresh.get();
      return fresh;
    }
    known = Ref<HostInode>::Adopt(slot);
  }
  known->node_->Relocate(*child.node);
  known->Refresh(child.attr);
  return known;
}

void HostFileSystem::Forget(const Key& key, HostInode* inode) {
  MutexLock lock(mu_);
  auto it = inodes_.find(key);
  if (it != inodes_.end() && it->second == inode) inodes_.erase(it);
}

Result<Ref<vfs::Inode>> HostFileSystem::Root() {
  Node::Child root;
  root.node = root_.node;
  ASSIGN_OR_RETURN(root.attr, root_.node->Stat());
  return Ref<vfs::Inode>(GetInode(std::move(root)));
}

Result<vfs::StatFs> HostFileSystem::GetStatFs() { return root_.node->GetStatFs(); }

Status HostFileSystem::Sync() {
  if (options_.readonly) return OkStatus();
  return root_.node->Sync(Node::SyncKind::kFileSystem);
}

// --- HostInode: life and attributes

HostInode::HostInode(Ref<HostFileSystem> fs, Ref<Node> node, const vfs::Attr& host_attr)
    : vfs::Inode(fs),
      node_(std::move(node)),
      type_(host_attr.mode & S_IFMT),
      key_(host_attr.dev, host_attr.ino),
      btime_(host_attr.btime),
      dev_(fs->MapDev(host_attr.dev)) {
  MutexLock lock(attr_mutex_);
  StoreAttrLocked(host_attr, version_.load());
}

void HostInode::OnLastRef() {
  host_fs().Forget(key_, this);
  delete this;
}

bool HostInode::IsSame(const vfs::Attr& a) const {
  return (a.mode & S_IFMT) == type_ && a.btime.tv_sec == btime_.tv_sec &&
         a.btime.tv_nsec == btime_.tv_nsec;
}

Status HostInode::CheckWritable() const {
  return host_fs().options_ref().readonly ? Status(Errno::kEROFS) : OkStatus();
}

void HostInode::StoreAttrLocked(const vfs::Attr& host_attr, uint64_t version) {
  attr_ = host_attr;
  attr_.dev = dev_;
  attr_version_ = version;
  // The usual "relatime": a read moves atime only if it is not newer than the last change.
  atime_moves_.store(!host_fs().options_ref().readonly &&
                         (Before(attr_.atime, attr_.mtime) || Before(attr_.atime, attr_.ctime)),
                     std::memory_order_relaxed);
}

void HostInode::Refresh(const vfs::Attr& host_attr) {
  const uint64_t version = version_.load(std::memory_order_acquire);
  MutexLock lock(attr_mutex_);
  // Attributes in hand are older than any change announced since; only shared trees gain from them.
  if (!host_fs().options_ref().exclusive) StoreAttrLocked(host_attr, version);
}

Result<vfs::Attr> HostInode::GetAttr() {
  const uint64_t version = version_.load(std::memory_order_acquire);
  if (host_fs().options_ref().exclusive && !uncached_.load(std::memory_order_relaxed)) {
    ReaderLock lock(attr_mutex_);
    if (attr_version_ == version) return attr_;
  }
  ASSIGN_OR_RETURN(auto host_attr, node_->Stat());
  MutexLock lock(attr_mutex_);
  StoreAttrLocked(host_attr, version);
  return attr_;
}

Status HostInode::SetAttributes(const vfs::SetAttr& set) {
  using vfs::SetAttr;
  RETURN_IF_ERROR(CheckWritable());
  if (set.valid & SetAttr::kSize) {
    if (S_ISDIR(type_)) return Errno::kEISDIR;
    if (!S_ISREG(type_)) return Errno::kEINVAL;
    ASSIGN_OR_RETURN(auto fd, GetWriteFd());
    const bool failed = ftruncate(fd->get(), static_cast<off_t>(set.size)) < 0;
    const Errno error = failed ? HostErrno() : Errno::kOk;
    PutWriteFd();
    Invalidate();
    if (failed) return error;
  }
  if ((set.valid & ~SetAttr::kSize) == 0) return OkStatus();
  Status status = node_->SetAttributes(set);
  Invalidate();
  return status;
}

// --- Directories

Result<Ref<vfs::Inode>> HostInode::Lookup(std::string_view name) {
  if (!S_ISDIR(type_)) return Errno::kENOTDIR;
  ASSIGN_OR_RETURN(auto child, node_->Walk(name));
  return Ref<vfs::Inode>(host_fs().GetInode(std::move(child)));
}

Ref<vfs::Inode> HostInode::Made(Node::Child child) {
  Invalidate();
  UniqueFd fd = std::move(child.fd);
  auto inode = host_fs().GetInode(std::move(child));
  if (fd.valid()) {
    auto fresh = MakeRef<SharedFd>(std::move(fd));
    MutexLock lock(inode->fd_mutex_);
    inode->fresh_fd_.swap(fresh);
  }
  return inode;
}

Result<Ref<vfs::Inode>> HostInode::Create(std::string_view name, const vfs::NewInode& how) {
  RETURN_IF_ERROR(CheckWritable());
  ASSIGN_OR_RETURN(auto child, node_->Create(name, how));
  return Made(std::move(child));
}

Result<Ref<vfs::Inode>> HostInode::Mkdir(std::string_view name, const vfs::NewInode& how) {
  RETURN_IF_ERROR(CheckWritable());
  ASSIGN_OR_RETURN(auto child, node_->Mkdir(name, how));
  return Made(std::move(child));
}

Result<Ref<vfs::Inode>> HostInode::Symlink(std::string_view name, std::string_view target,
                                           const vfs::NewInode& how) {
  RETURN_IF_ERROR(CheckWritable());
  ASSIGN_OR_RETURN(auto child, node_->Symlink(name, target, how));
  return Made(std::move(child));
}

Result<Ref<vfs::Inode>> HostInode::Mknod(std::string_view name, const vfs::NewInode& how) {
  RETURN_IF_ERROR(CheckWritable());
  ASSIGN_OR_RETURN(auto child, node_->Mknod(name, how));
  return Made(std::move(child));
}

Result<Ref<vfs::Inode>> HostInode::Tmpfile(const vfs::NewInode& how) {
  RETURN_IF_ERROR(CheckWritable());
  if (!S_ISDIR(type_)) return Errno::kENOTDIR;
  ASSIGN_OR_RETURN(auto child, node_->Tmpfile(how));
  return Made(std::move(child));
}

Status HostInode::Link(std::string_view name, vfs::Inode& target) {
  RETURN_IF_ERROR(CheckWritable());
  if (&target.fs() != &fs()) return Errno::kEXDEV;
  Status status = node_->Link(name, *AsHost(target).node_);
  Invalidate();
  AsHost(target).Invalidate();
  return status;
}

Status HostInode::Unlink(std::string_view name, vfs::Inode& victim) {
  RETURN_IF_ERROR(CheckWritable());
  Status status = node_->Remove(name, *AsHost(victim).node_, /*directory=*/false);
  Invalidate();
  AsHost(victim).Invalidate();
  return status;
}

Status HostInode::Rmdir(std::string_view name, vfs::Inode& victim) {
  RETURN_IF_ERROR(CheckWritable());
  Status status = node_->Remove(name, *AsHost(victim).node_, /*directory=*/true);
  Invalidate();
  AsHost(victim).Invalidate();
  return status;
}

Status HostInode::Rename(std::string_view old_name, vfs::Inode& moved, vfs::Inode& new_dir,
                         std::string_view new_name, vfs::Inode* victim, unsigned flags) {
  RETURN_IF_ERROR(CheckWritable());
  if (&new_dir.fs() != &fs()) return Errno::kEXDEV;
  Status status =
      node_->Rename(old_name, *AsHost(moved).node_, *AsHost(new_dir).node_, new_name,
                    victim != nullptr ? AsHost(*victim).node_.get() : nullptr, flags);
  Invalidate();
  AsHost(moved).Invalidate();
  AsHost(new_dir).Invalidate();
  if (victim != nullptr) AsHost(*victim).Invalidate();
  return status;
}

bool HostInode::RevalidateChild(std::string_view name, vfs::Inode* child) {
  if (host_fs().options_ref().exclusive) return true;
  auto now = node_->Walk(name);
  if (!now.ok()) return child == nullptr;
  if (child == nullptr) return false;
  HostInode& inode = AsHost(*child);
  if (inode.key_ != HostFileSystem::Key(now->attr.dev, now->attr.ino) ||
      !inode.IsSame(now->attr)) {
    return false;
  }
  inode.node_->Relocate(*now->node);
  inode.Refresh(now->attr);
  return true;
}

Result<std::string> HostInode::ReadLink() {
  if (!S_ISLNK(type_)) return Errno::kEINVAL;
  {
    // A link's target never changes.
    ReaderLock lock(attr_mutex_);
    if (!link_target_.empty()) return link_target_;
  }
  ASSIGN_OR_RETURN(auto target, node_->ReadLink());
  MutexLock lock(attr_mutex_);
  link_target_ = target;
  return target;
}

// --- Extended attributes

Result<std::string> HostInode::GetXattr(std::string_view name) {
  return node_->GetXattr(std::string(name));
}

Status HostInode::SetXattr(std::string_view name, std::string_view value, int flags) {
  RETURN_IF_ERROR(CheckWritable());
  // The other namespaces mean something to the host kernel: capabilities, labels, ACLs.
  if (!name.starts_with("user.") && !name.starts_with("trusted.overlay.")) {
    return Errno::kEOPNOTSUPP;
  }
  Status status = node_->SetXattr(std::string(name), value, flags);
  Invalidate();
  return status;
}

Status HostInode::RemoveXattr(std::string_view name) {
  RETURN_IF_ERROR(CheckWritable());
  if (!name.starts_with("user.") && !name.starts_with("trusted.overlay.")) {
    return Errno::kEOPNOTSUPP;
  }
  Status status = node_->RemoveXattr(std::string(name));
  Invalidate();
  return status;
}

Result<std::vector<std::string>> HostInode::ListXattr() { return node_->ListXattr(); }

// --- Opening

Result<Ref<SharedFd>> HostInode::ReadFd() {
  if (auto fd = read_fd_.Get(); fd != nullptr) return fd;
  ASSIGN_OR_RETURN(auto fd, node_->Open(O_RDONLY));
  return read_fd_.Put(MakeRef<SharedFd>(std::move(fd)));
}

Result<size_t> HostInode::ReadDir(int64_t position, std::span<char> buffer) {
  MutexLock lock(readdir_mutex_);
  return node_->ReadDir(read_fd_, position, buffer);
}

Result<Ref<SharedFd>> HostInode::GetWriteFd() {
  RETURN_IF_ERROR(CheckWritable());
  MutexLock lock(fd_mutex_);
  if (write_fd_ == nullptr) {
    if (fresh_fd_ != nullptr) {
      write_fd_ = std::move(fresh_fd_);
    } else {
      auto fd = node_->Open(O_RDWR);
      if (!fd.ok() && fd.error() == Errno::kEACCES) fd = node_->Open(O_WRONLY);
      if (!fd.ok()) return fd.error();
      write_fd_ = MakeRef<SharedFd>(*std::move(fd));
    }
  }
  ++write_users_;
  return write_fd_;
}

void HostInode::PutWriteFd() {
  Ref<SharedFd> last;  // closed without the lock
  MutexLock lock(fd_mutex_);
  if (--write_users_ == 0) last = std::move(write_fd_);
}

Ref<mm::Mappable> HostInode::GetMappable() {
  MutexLock lock(fd_mutex_);
  if (mappable_ != nullptr && mappable_->TryIncRef()) return Ref<HostMappable>::Adopt(mappable_);
  auto fresh = MakeRef<HostMappable>(Ref<HostInode>(this));
  mappable_ = fresh.get();
  return fresh;
}

Result<Ref<vfs::FileDescription>> HostInode::Open(const vfs::Path& path, int flags,
                                                  const Credentials&) {
  const int access = flags & O_ACCMODE;
  if (S_ISDIR(type_)) {
    if (access != O_RDONLY) return Errno::kEISDIR;
    return Ref<vfs::FileDescription>(MakeRef<HostDirectory>(path, flags, Ref<HostInode>(this)));
  }
  if (!S_ISREG(type_)) return S_ISLNK(type_) ? Errno::kELOOP : Errno::kENXIO;
  Ref<SharedFd> read, write;
  if (access != O_RDONLY) {
    ASSIGN_OR_RETURN(write, GetWriteFd());
  }
  Ref<SharedFd> fresh;
  {
    MutexLock lock(fd_mutex_);
    fresh = std::move(fresh_fd_);
  }
  if (access != O_WRONLY) {
    // A read-write descriptor reads as well; a second one would only cost.
    const int have = write != nullptr ? fcntl(write->get(), F_GETFL) & O_ACCMODE : O_RDONLY;
    if (write != nullptr && have == O_RDWR) {
      read = write;
    } else if (fresh != nullptr) {
      read = std::move(fresh);
    } else {
      auto fd = ReadFd();
      if (!fd.ok()) {
        if (write != nullptr) PutWriteFd();
        return fd.error();
      }
      read = *std::move(fd);
    }
  }
  return Ref<vfs::FileDescription>(
      MakeRef<HostFile>(path, flags, Ref<HostInode>(this), std::move(read), std::move(write)));
}

// --- HostMappable

Result<int> HostMappable::HostFdForMmap(bool shared_write) {
  MutexLock lock(mu_);
  Ref<SharedFd>& fd = shared_write ? write_ : read_;
  if (fd == nullptr) {
    if (shared_write) {
      ASSIGN_OR_RETURN(fd, inode_->GetWriteFd());
      inode_->SetMappedWritable();
    } else {
      ASSIGN_OR_RETURN(fd, inode_->ReadFd());
    }
  }
  return fd->get();
}

void HostMappable::OnLastRef() {
  {
    MutexLock lock(inode_->fd_mutex_);
    if (inode_->mappable_ == this) inode_->mappable_ = nullptr;
  }
  delete this;
}

HostMappable::~HostMappable() {
  if (write_ != nullptr) inode_->PutWriteFd();
}

}  // namespace cvisor::fs::host
