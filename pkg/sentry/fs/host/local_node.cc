// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/host/local_node.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

namespace cvisor::fs::host {
namespace {

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

constexpr size_t kMaxDepth = 1 << 17;  // of a chain of parents: only a bug or a host loop is longer

// /proc/self/fd, through which a descriptor is opened anew or changed where the kernel has no call that
// takes an O_PATH descriptor. Opened once, while the process still sees its /proc; may be -1.
int ProcSelfFd() {
  static const int fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
  return fd;
}

bool GoodName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.size() <= vfs::kNameMax &&
         name.find('/') == name.npos && name.find('\0') == name.npos;
}

Status CheckName(std::string_view name) {
  if (name.size() > vfs::kNameMax) return Errno::kENAMETOOLONG;
  if (!GoodName(name)) return Errno::kEINVAL;
  return OkStatus();
}

Status FromHost(int rc) { return rc < 0 ? Status(HostErrno()) : OkStatus(); }

Status ChmodPathFd(int fd, mode_t mode) {
  if (syscall(SYS_fchmodat2, fd, "", mode, AT_EMPTY_PATH) == 0) return OkStatus();
  if (errno != ENOSYS) return HostErrno();
  if (ProcSelfFd() < 0) return Errno::kEOPNOTSUPP;
  return FromHost(fchmodat(ProcSelfFd(), std::to_string(fd).c_str(), mode, 0));
}

}  // namespace

Result<vfs::Attr> StatAt(int dir, const std::string& name) {
  struct statx sx;
  if (statx(dir, name.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH,
            STATX_BASIC_STATS | STATX_BTIME, &sx) < 0) {
    return HostErrno();
  }
  const auto time = [](const statx_timestamp& t) {
    return timespec{static_cast<time_t>(t.tv_sec), static_cast<long>(t.tv_nsec)};
  };
  vfs::Attr a;
  a.mode = sx.stx_mode;
  a.nlink = sx.stx_nlink;
  a.uid = sx.stx_uid;
  a.gid = sx.stx_gid;
  a.size = sx.stx_size;
  a.blocks = sx.stx_blocks;
  a.blksize = sx.stx_blksize;
  a.atime = time(sx.stx_atime);
  a.mtime = time(sx.stx_mtime);
  a.ctime = time(sx.stx_ctime);
  if (sx.stx_mask & STATX_BTIME) a.btime = time(sx.stx_btime);
  a.ino = sx.stx_ino;
  a.dev = makedev(sx.stx_dev_major, sx.stx_dev_minor);
  a.rdev = makedev(sx.stx_rdev_major, sx.stx_rdev_minor);
  return a;
}

// --- Life and place.

LocalNode::LocalNode(Place place, const vfs::Attr& attr, Ref<SharedFd> pin)
    : dev_(attr.dev),
      ino_(attr.ino),
      mode_(attr.mode & S_IFMT),
      place_(std::move(place)),
      pin_(std::move(pin)) {}

LocalNode::~LocalNode() {
  // Not by recursion: an application can make the chain of parents as long as it likes.
  Ref<LocalNode> p = std::move(place_.parent);
  while (p != nullptr && p->ref_count() == 1) {
    Ref<LocalNode> next;
    {
      MutexLock lock(p->mu_);
      next = std::move(p->place_.parent);
    }
    p = std::move(next);
  }
}

Result<Node::Child> LocalNode::NewRoot(UniqueFd fd) {
  ProcSelfFd();
  ASSIGN_OR_RETURN(auto attr, StatAt(fd.get(), ""));
  if (!attr.is_dir() && !attr.is_regular()) return Errno::kEINVAL;
  auto pin = MakeRef<SharedFd>(std::move(fd));
  return Child{Ref<Node>(new LocalNode(Place{}, attr, std::move(pin))), attr, UniqueFd()};
}

LocalNode::Place LocalNode::place() {
  MutexLock lock(mu_);
  return place_;
}

void LocalNode::set_place(Place place) {
  MutexLock lock(mu_);
  std::swap(place_, place);
  pin_.reset();
}

Ref<SharedFd> LocalNode::pin() {
  MutexLock lock(mu_);
  return pin_;
}

void LocalNode::Pin() {
  if (pin() != nullptr) return;
  auto fd = PathFd();
  if (!fd.ok()) return;  // then only open descriptors still reach the file
  MutexLock lock(mu_);
  pin_ = *std::move(fd);
}

void LocalNode::Relocate(Node& fresh) {
  static Mutex relocate_mutex;  // two moves of directories could otherwise make a loop
  auto& other = static_cast<LocalNode&>(fresh);
  Place to = other.place();
  {
    MutexLock lock(mu_);
    const bool root = place_.parent == nullptr && pin_ != nullptr && is_dir();
    if (root || to.parent == nullptr) return;
    if (pin_ == nullptr && place_.parent == to.parent && place_.name == to.name) return;
  }
  if (!is_dir()) return set_place(std::move(to));
  MutexLock lock(relocate_mutex);
  size_t depth = 0;
  for (Ref<LocalNode> n = to.parent; n != nullptr; n = n->place().parent) {
    // A host mount may show a directory inside itself; the old place will do.
    if (n.get() == this || ++depth > kMaxDepth) return;
  }
  set_place(std::move(to));
}

// --- Descriptors.

Status LocalNode::CheckSame(const vfs::Attr& attr) const {
  if (attr.dev != dev_ || attr.ino != ino_ || (attr.mode & S_IFMT) != mode_) return Errno::kESTALE;
  return OkStatus();
}

Status LocalNode::CheckSame(int fd) const {
  struct stat st;
  if (fstat(fd, &st) < 0) return HostErrno();
  if (st.st_dev != dev_ || st.st_ino != ino_ || (st.st_mode & S_IFMT) != mode_) {
    return Errno::kESTALE;
  }
  return OkStatus();
}

Result<UniqueFd> LocalNode::OpenBeneath(int dir, const std::string& name, int flags,
                                        mode_t mode) const {
  static std::atomic<bool> have_openat2{true};
  open_how how{};
  how.flags = static_cast<unsigned>(flags) | O_CLOEXEC | O_NOFOLLOW;
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return MakeHostFd([&]() -> int {
    if (have_openat2.load(std::memory_order_relaxed)) {
      const int fd = static_cast<int>(syscall(SYS_openat2, dir, name.c_str(), &how, sizeof(how)));
      if (fd >= 0 || errno != ENOSYS) return fd;
      have_openat2.store(false);
    }
    // One component that is no symbolic link cannot lead out either.
    return openat(dir, name.c_str(), static_cast<int>(how.flags), mode);
  });
}

Ref<SharedFd> LocalNode::CachedDirFd() {
  if (auto fd = dir_fd_.Get(); fd != nullptr) return fd;
  return pin();
}

Result<Ref<SharedFd>> LocalNode::DirFd() {
  if (!is_dir()) return Errno::kENOTDIR;
  Ref<SharedFd> fd = CachedDirFd();
  if (fd != nullptr) return fd;
  std::vector<std::pair<Ref<LocalNode>, std::string>> chain;
  for (Ref<LocalNode> n(this); fd == nullptr;) {
    Place p = n->place();
    if (p.parent == nullptr || chain.size() > kMaxDepth) return Errno::kESTALE;
    chain.emplace_back(std::move(n), std::move(p.name));
    n = std::move(p.parent);
    fd = n->CachedDirFd();
  }
  while (!chain.empty()) {
    auto& [node, name] = chain.back();
    ASSIGN_OR_RETURN(auto opened, OpenBeneath(fd->get(), name, O_PATH | O_DIRECTORY, 0));
    RETURN_IF_ERROR(node->CheckSame(opened.get()));
    fd = node->dir_fd_.Put(MakeRef<SharedFd>(std::move(opened)));
    chain.pop_back();
  }
  return fd;
}

Result<LocalNode::Where> LocalNode::FindPlace() {
  Place p = place();
  if (p.parent == nullptr) return Errno::kESTALE;
  ASSIGN_OR_RETURN(auto dir, p.parent->DirFd());
  return Where{std::move(dir), std::move(p.name)};
}

Result<Ref<SharedFd>> LocalNode::PathFd() {
  if (auto fd = pin(); fd != nullptr) return fd;
  if (is_dir()) return DirFd();
  ASSIGN_OR_RETURN(auto where, FindPlace());
  ASSIGN_OR_RETURN(auto fd, OpenBeneath(where.dir->get(), where.name, O_PATH, 0));
  RETURN_IF_ERROR(CheckSame(fd.get()));
  return MakeRef<SharedFd>(std::move(fd));
}

Result<UniqueFd> LocalNode::Open(int access) {
  return is_dir() ? Result<UniqueFd>(Errno::kEISDIR) : RealFd(access);
}

Result<UniqueFd> LocalNode::RealFd(int access) {
  // Should a FIFO or a terminal have taken the name: neither wait for it nor acquire it.
  const int flags = access | O_NONBLOCK | O_NOCTTY;
  if (is_dir()) {
    ASSIGN_OR_RETURN(auto dir, DirFd());
    return OpenBeneath(dir->get(), ".", flags | O_DIRECTORY, 0);
  }
  if (mode_ != S_IFREG) return Errno::kENXIO;
  if (auto fd = pin(); fd != nullptr) {
    if (ProcSelfFd() >= 0) {
      const std::string name = std::to_string(fd->get());
      auto opened =
          MakeHostFd([&] { return openat(ProcSelfFd(), name.c_str(), flags | O_CLOEXEC); });
      if (opened.ok() || opened.error() != Errno::kENOENT) return opened;
    }
    // A single file as the root, without /proc: its descriptor may itself be what is asked for.
    const int have = fcntl(fd->get(), F_GETFL);
    if (have < 0) return HostErrno();
    if ((have & O_PATH) || ((have & O_ACCMODE) != O_RDWR &&
                            (have & O_ACCMODE) != (flags & O_ACCMODE))) {
      return Errno::kEACCES;
    }
    return MakeHostFd([&] { return fcntl(fd->get(), F_DUPFD_CLOEXEC, 0); });
  }
  ASSIGN_OR_RETURN(auto where, FindPlace());
  ASSIGN_OR_RETURN(auto fd, OpenBeneath(where.dir->get(), where.name, flags, 0));
  RETURN_IF_ERROR(CheckSame(fd.get()));
  return fd;
}

// --- Looking.

Result<Node::Child> LocalNode::Walk(std::string_view name) {
  RETURN_IF_ERROR(CheckName(name));
  ASSIGN_OR_RETURN(auto dir, DirFd());
  std::string owned(name);
  ASSIGN_OR_RETURN(auto attr, StatAt(dir->get(), owned));
  return Child{Ref<Node>(new LocalNode(Place{Ref<LocalNode>(this), std::move(owned)}, attr, nullptr)),
               attr, UniqueFd()};
}

Result<vfs::Attr> LocalNode::Stat() {
  if (auto fd = CachedDirFd(); fd != nullptr) return StatAt(fd->get(), "");
  ASSIGN_OR_RETURN(auto where, FindPlace());
  ASSIGN_OR_RETURN(auto attr, StatAt(where.dir->get(), where.name));
  RETURN_IF_ERROR(CheckSame(attr));
  return attr;
}

Result<std::string> LocalNode::ReadLink() {
  ASSIGN_OR_RETURN(auto fd, PathFd());
  std::string target(vfs::kPathMax, '\0');
  const ssize_t n = readlinkat(fd->get(), "", target.data(), target.size());
  if (n < 0) return HostErrno();
  target.resize(static_cast<size_t>(n));
  return target;
}

Result<vfs::StatFs> LocalNode::GetStatFs() {
  ASSIGN_OR_RETURN(auto fd, PathFd());
  struct statfs s;
  if (fstatfs(fd->get(), &s) < 0) return HostErrno();
  vfs::StatFs out;
  out.type = static_cast<uint64_t>(s.f_type);
  out.bsize = static_cast<uint64_t>(s.f_bsize);
  out.frsize = static_cast<uint64_t>(s.f_frsize);
  out.blocks = s.f_blocks, out.bfree = s.f_bfree, out.bavail = s.f_bavail;
  out.files = s.f_files, out.ffree = s.f_ffree;
  out.namelen = static_cast<uint64_t>(s.f_namelen);
  return out;
}

Result<size_t> LocalNode::ReadDir(FdSlot& kept, int64_t position, std::span<char> buffer) {
  if (!is_dir()) return Errno::kENOTDIR;
  for (int tries = 0;; ++tries) {
    Ref<SharedFd> fd = kept.Get();
    if (fd == nullptr) {
      ASSIGN_OR_RETURN(auto opened, RealFd(O_RDONLY));
      fd = kept.Put(MakeRef<SharedFd>(std::move(opened)));
    }
    if (lseek(fd->get(), position, SEEK_SET) < 0) return HostErrno();
    const long n = syscall(SYS_getdents64, fd->get(), buffer.data(), buffer.size());
    if (n < 0) return HostErrno();
    if (n != 0 || position != 0 || tries != 0) return static_cast<size_t>(n);
    // Every directory has ".", but ext4 (seen on Linux 6.18) forgets that when the first read of a
    // descriptor was at the directory's end and the next is at its start.
    kept.Clear();
  }
}

Status LocalNode::Sync(SyncKind kind) {
  ASSIGN_OR_RETURN(auto fd, RealFd(O_RDONLY));
  switch (kind) {
    case SyncKind::kFile:
      return FromHost(fsync(fd.get()));
    case SyncKind::kData:
      return FromHost(fdatasync(fd.get()));
    case SyncKind::kFileSystem:
      return FromHost(syncfs(fd.get()));
  }
  return Errno::kEINVAL;
}

// --- Making and removing.

Result<Node::Child> LocalNode::Finish(int dir, std::string_view name, const vfs::NewInode& how,
                                      UniqueFd fd, bool remove_as_dir) {
  const std::string owned(name);
  const bool by_fd = fd.valid();
  const auto finish = [&]() -> Result<vfs::Attr> {
    const int at = by_fd ? fd.get() : dir;
    const std::string what = by_fd ? std::string() : owned;
    ASSIGN_OR_RETURN(auto attr, StatAt(at, what));
    bool changed = false;
    if (attr.uid != how.uid || attr.gid != how.gid) {
      if (fchownat(at, what.c_str(), how.uid, how.gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0) {
        return HostErrno();
      }
      changed = true;
    }
    const mode_t mode = how.mode & 07777;
    if (!attr.is_symlink() &&
        ((attr.mode & 07777) != mode || (changed && (mode & (S_ISUID | S_ISGID))))) {
      if (by_fd) {
        RETURN_IF_ERROR(FromHost(fchmod(fd.get(), mode)));
      } else {
        ASSIGN_OR_RETURN(auto path_fd, OpenBeneath(dir, owned, O_PATH, 0));
        RETURN_IF_ERROR(ChmodPathFd(path_fd.get(), mode));
      }
      changed = true;
    }
    if (!changed) return attr;
    return StatAt(at, what);
  };
  auto attr = finish();
  if (!attr.ok()) {
    if (!owned.empty()) unlinkat(dir, owned.c_str(), remove_as_dir ? AT_REMOVEDIR : 0);
    return attr.error();
  }
  Place place;
  Ref<SharedFd> pin;
  if (!owned.empty()) {
    place = Place{Ref<LocalNode>(this), owned};
  } else {
    ASSIGN_OR_RETURN(auto copy, MakeHostFd([&] { return fcntl(fd.get(), F_DUPFD_CLOEXEC, 0); }));
    pin = MakeRef<SharedFd>(std::move(copy));
  }
  return Child{Ref<Node>(new LocalNode(std::move(place), *attr, std::move(pin))), *attr,
               std::move(fd)};
}

Result<Node::Child> LocalNode::Create(std::string_view name, const vfs::NewInode& how) {
  RETURN_IF_ERROR(CheckName(name));
  ASSIGN_OR_RETURN(auto dir, DirFd());
  ASSIGN_OR_RETURN(auto fd, OpenBeneath(dir->get(), std::string(name), O_RDWR | O_CREAT | O_EXCL,
                                        how.mode & 07777));
  return Finish(dir->get(), name, how, std::move(fd), false);
}

Result<Node::Child> LocalNode::Tmpfile(const vfs::NewInode& how) {
  ASSIGN_OR_RETURN(auto dir, DirFd());
  const int flags = O_RDWR | O_TMPFILE | (how.linkable ? 0 : O_EXCL);
  ASSIGN_OR_RETURN(auto fd, OpenBeneath(dir->get(), ".", flags, how.mode & 07777));
  return Finish(dir->get(), "", how, std::move(fd), false);
}

Result<Node::Child> LocalNode::Mkdir(std::string_view name, const vfs::NewInode& how) {
  RETURN_IF_ERROR(CheckName(name));
  ASSIGN_OR_RETURN(auto dir, DirFd());
  if (mkdirat(dir->get(), std::string(name).c_str(), how.mode & 07777) < 0) return HostErrno();
  return Finish(dir->get(), name, how, UniqueFd(), true);
}

Result<Node::Child> LocalNode::Symlink(std::string_view name, std::string_view target,
                                       const vfs::NewInode& how) {
  RETURN_IF_ERROR(CheckName(name));
  ASSIGN_OR_RETURN(auto dir, DirFd());
  if (symlinkat(std::string(target).c_str(), dir->get(), std::string(name).c_str()) < 0) {
    return HostErrno();
  }
  return Finish(dir->get(), name, how, UniqueFd(), false);
}

Result<Node::Child> LocalNode::Mknod(std::string_view name, const vfs::NewInode& how) {
  RETURN_IF_ERROR(CheckName(name));
  // Never a device of the host. Character device 0:0 is none: it is overlayfs's whiteout.
  if (S_ISBLK(how.mode) || (S_ISCHR(how.mode) && how.rdev != 0)) return Errno::kEPERM;
  ASSIGN_OR_RETURN(auto dir, DirFd());
  if (mknodat(dir->get(), std::string(name).c_str(), how.mode, 0) < 0) return HostErrno();
  return Finish(dir->get(), name, how, UniqueFd(), false);
}

Status LocalNode::Link(std::string_view name, Node& target) {
  RETURN_IF_ERROR(CheckName(name));
  auto& node = static_cast<LocalNode&>(target);
  ASSIGN_OR_RETURN(auto dir, DirFd());
  const std::string owned(name);
  if (auto pin = node.pin(); pin != nullptr) {
    if (linkat(pin->get(), "", dir->get(), owned.c_str(), AT_EMPTY_PATH) < 0) {
      if (errno != ENOENT || ProcSelfFd() < 0) return HostErrno();
      // Without CAP_DAC_READ_SEARCH the way is through /proc.
      if (linkat(ProcSelfFd(), std::to_string(pin->get()).c_str(), dir->get(), owned.c_str(),
                 AT_SYMLINK_FOLLOW) < 0) {
        return HostErrno();
      }
    }
    if (node.place().parent != nullptr || !node.is_dir()) {
      node.set_place(Place{Ref<LocalNode>(this), owned});
    }
    return OkStatus();
  }
  ASSIGN_OR_RETURN(auto where, node.FindPlace());
  return FromHost(linkat(where.dir->get(), where.name.c_str(), dir->get(), owned.c_str(), 0));
}

Status LocalNode::Remove(std::string_view name, Node& victim, bool directory) {
  RETURN_IF_ERROR(CheckName(name));
  auto& node = static_cast<LocalNode&>(victim);
  ASSIGN_OR_RETURN(auto dir, DirFd());
  const bool had_pin = node.pin() != nullptr;
  node.Pin();
  if (unlinkat(dir->get(), std::string(name).c_str(), directory ? AT_REMOVEDIR : 0) < 0) {
    const Errno error = HostErrno();
    if (!had_pin) {
      MutexLock lock(node.mu_);
      node.pin_.reset();
    }
    return error;
  }
  return OkStatus();
}

Status LocalNode::Rename(std::string_view old_name, Node& moved, Node& new_dir,
                         std::string_view new_name, Node* victim, unsigned flags) {
  RETURN_IF_ERROR(CheckName(old_name));
  RETURN_IF_ERROR(CheckName(new_name));
  auto& target = static_cast<LocalNode&>(new_dir);
  auto* replaced = static_cast<LocalNode*>(victim);
  ASSIGN_OR_RETURN(auto from, DirFd());
  ASSIGN_OR_RETURN(auto to, target.DirFd());
  const bool exchange = (flags & RENAME_EXCHANGE) != 0;
  bool pinned = false;
  if (replaced != nullptr && !exchange && replaced->pin() == nullptr) {
    replaced->Pin();
    pinned = true;
  }
  if (renameat2(from->get(), std::string(old_name).c_str(), to->get(),
                std::string(new_name).c_str(), flags) < 0) {
    const Errno error = HostErrno();
    if (pinned) {
      MutexLock lock(replaced->mu_);
      replaced->pin_.reset();
    }
    return error;
  }
  // Two names of one file: rename(2) does nothing.
  if (replaced == &moved) {
    if (pinned) replaced->set_place(replaced->place());
    return OkStatus();
  }
  static_cast<LocalNode&>(moved).set_place(Place{Ref<LocalNode>(&target), std::string(new_name)});
  if (exchange && replaced != nullptr) {
    replaced->set_place(Place{Ref<LocalNode>(this), std::string(old_name)});
  }
  return OkStatus();
}

// --- Attributes.

Status LocalNode::SetAttributes(const vfs::SetAttr& set) {
  using vfs::SetAttr;
  ASSIGN_OR_RETURN(auto fd, PathFd());
  if (set.valid & (SetAttr::kUid | SetAttr::kGid)) {
    const uid_t uid = (set.valid & SetAttr::kUid) ? set.uid : static_cast<uid_t>(-1);
    const gid_t gid = (set.valid & SetAttr::kGid) ? set.gid : static_cast<gid_t>(-1);
    RETURN_IF_ERROR(FromHost(fchownat(fd->get(), "", uid, gid, AT_EMPTY_PATH)));
  }
  if (set.valid & SetAttr::kMode) {
    if (mode_ == S_IFLNK) return Errno::kEOPNOTSUPP;
    RETURN_IF_ERROR(ChmodPathFd(fd->get(), set.mode & 07777));
  }
  if (set.valid & (SetAttr::kAtime | SetAttr::kMtime)) {
    const timespec omit{0, UTIME_OMIT};
    const timespec times[2] = {(set.valid & SetAttr::kAtime) ? set.atime : omit,
                               (set.valid & SetAttr::kMtime) ? set.mtime : omit};
    // The system call itself: glibc wants a non-empty path.
    RETURN_IF_ERROR(FromHost(
        static_cast<int>(syscall(SYS_utimensat, fd->get(), "", times, AT_EMPTY_PATH))));
  }
  return OkStatus();
}

Result<std::string> LocalNode::GetXattr(const std::string& name) {
  if (!HasXattrs()) return Errno::kEOPNOTSUPP;
  ASSIGN_OR_RETURN(auto fd, RealFd(O_RDONLY));
  std::string value(256, '\0');
  for (;;) {
    const ssize_t n = fgetxattr(fd.get(), name.c_str(), value.data(), value.size());
    if (n >= 0) {
      value.resize(static_cast<size_t>(n));
      return value;
    }
    if (errno != ERANGE || value.size() >= 65536) return HostErrno();
    value.resize(65536);
  }
}

Status LocalNode::SetXattr(const std::string& name, std::string_view value, int flags) {
  if (!HasXattrs()) return Errno::kEOPNOTSUPP;
  ASSIGN_OR_RETURN(auto fd, RealFd(O_RDONLY));
  return FromHost(fsetxattr(fd.get(), name.c_str(), value.data(), value.size(), flags));
}

Status LocalNode::RemoveXattr(const std::string& name) {
  if (!HasXattrs()) return Errno::kEOPNOTSUPP;
  ASSIGN_OR_RETURN(auto fd, RealFd(O_RDONLY));
  return FromHost(fremovexattr(fd.get(), name.c_str()));
}

Result<std::vector<std::string>> LocalNode::ListXattr() {
  if (!HasXattrs()) return Errno::kEOPNOTSUPP;
  ASSIGN_OR_RETURN(auto fd, RealFd(O_RDONLY));
  std::string list(65536, '\0');
  const ssize_t n = flistxattr(fd.get(), list.data(), list.size());
  if (n < 0) return HostErrno();
  std::vector<std::string> names;
  for (size_t at = 0; at < static_cast<size_t>(n);) {
    const size_t end = std::min(list.find('\0', at), static_cast<size_t>(n));
    names.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  return names;
}

}  // namespace cvisor::fs::host
