// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/host/fd_file.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "pkg/sentry/fs/host/fd_cache.h"
#include "pkg/sentry/fs/host/file.h"
#include "pkg/sentry/vfs/dentry.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::fs::host {
namespace {

constexpr int kStatusFlags = O_ACCMODE | O_APPEND | O_NONBLOCK | O_DIRECT | O_SYNC | O_DSYNC | O_PATH;

// Where the inodes of imported descriptors live. Never mounted.
class FdFileSystem final : public vfs::FileSystem {
 public:
  static Ref<vfs::FileSystem> Get() {
    static const Ref<FdFileSystem>* const fs = new Ref<FdFileSystem>(MakeRef<FdFileSystem>());
    return *fs;
  }
  std::string_view type_name() const override { return "hostfd"; }
  Result<Ref<vfs::Inode>> Root() override { return Errno::kENOENT; }
  Result<vfs::StatFs> GetStatFs() override {
    vfs::StatFs s;
    s.type = 0x50495045;  // PIPEFS_MAGIC
    return s;
  }
  dev_t dev() const override { return dev_; }

 private:
  const dev_t dev_ = vfs::NextAnonymousDev();
};

// Another open file description of what `fd` is, with O_NONBLOCK. Invalid if that cannot be had.
UniqueFd OpenAnew(int fd, int flags) {
  const std::string path = absl::StrFormat("/proc/self/fd/%d", fd);
  auto opened = MakeHostFd([&] {
    return open(path.c_str(), (flags & (O_ACCMODE | O_APPEND)) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  });
  return opened.ok() ? *std::move(opened) : UniqueFd();
}

class FdMappable final : public mm::Mappable {
 public:
  explicit FdMappable(Ref<FdInode> inode) : inode_(std::move(inode)) {}
  Result<int> HostFdForMmap(bool shared_write) override {
    const int mode = inode_->host_flags() & O_ACCMODE;
    if (mode == O_WRONLY || (shared_write && mode != O_RDWR)) return Errno::kEACCES;
    return inode_->fd();
  }
  Identity identity() const override { return {inode_->fs().dev(), inode_->ino()}; }

 private:
  const Ref<FdInode> inode_;
};

}  // namespace

// --- FdInode

FdInode::FdInode(Ref<vfs::FileSystem> fs, UniqueFd fd, const struct stat& st, int flags, bool tty)
    : vfs::Inode(std::move(fs)),
      type_(st.st_mode & S_IFMT),
      ino_(st.st_ino),
      fd_(std::move(fd)),
      flags_(flags),
      tty_(tty) {
  switch (type_) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFBLK:
      kind_ = Kind::kSeekable;
      return;
    case S_IFSOCK:
      kind_ = Kind::kSocket;
      break;
    case S_IFCHR: {
      unsigned ptn;
      // Opening a pty master again would make another pty.
      if (tty_ && ioctl(fd_.get(), TIOCGPTN, &ptn) != 0) io_fd_ = OpenAnew(fd_.get(), flags_);
      break;
    }
    case S_IFIFO:
      io_fd_ = OpenAnew(fd_.get(), flags_);
      break;
    default:
      break;
  }
  if (io_fd_.valid() || (flags_ & O_NONBLOCK)) {
    if (kind_ != Kind::kSocket) kind_ = Kind::kNonblocking;
  }
  auto polled = MakeRef<PolledFd>(this->fd());
  if (HostPoller::Get().Add(polled).ok()) polled_ = std::move(polled);
}

FdInode::~FdInode() {
  if (polled_ != nullptr) HostPoller::Get().Remove(*polled_);
}

Result<vfs::Attr> FdInode::GetAttr() {
  struct stat st;
  if (fstat(fd_.get(), &st) < 0) return HostErrno();
  vfs::Attr a;
  a.mode = st.st_mode;
  a.nlink = st.st_nlink;
  a.uid = st.st_uid;
  a.gid = st.st_gid;
  a.size = static_cast<uint64_t>(st.st_size);
  a.blocks = static_cast<uint64_t>(st.st_blocks);
  a.blksize = static_cast<uint32_t>(st.st_blksize);
  a.atime = st.st_atim, a.mtime = st.st_mtim, a.ctime = st.st_ctim, a.btime = st.st_ctim;
  a.ino = st.st_ino;
  a.dev = fs().dev();
  a.rdev = st.st_rdev;
  return a;
}

Status FdInode::SetAttributes(const vfs::SetAttr& set) {
  // Owner, mode and times of what the host lent are the host's. A size goes with write access.
  if (set.valid != vfs::SetAttr::kSize) return Errno::kEPERM;
  if (type_ != S_IFREG) return Errno::kEINVAL;
  if (ftruncate(fd(), static_cast<off_t>(set.size)) < 0) return HostErrno();
  return OkStatus();
}

Result<Ref<vfs::FileDescription>> FdInode::Open(const vfs::Path& path, int flags,
                                                const Credentials&) {
  // The host lent this much access and no more.
  const int have = flags_ & O_ACCMODE;
  const int want = flags & O_ACCMODE;
  if (have != O_RDWR && want != have) return Errno::kEACCES;
  if (tty_) return Ref<vfs::FileDescription>(MakeRef<HostTty>(path, flags, Ref<FdInode>(this)));
  return Ref<vfs::FileDescription>(MakeRef<FdFile>(path, flags, Ref<FdInode>(this)));
}

Ref<TtyJobControl> FdInode::job_control() {
  MutexLock lock(mu_);
  return job_control_;
}

void FdInode::SetJobControl(Ref<TtyJobControl> job_control) {
  MutexLock lock(mu_);
  job_control_.swap(job_control);
}

// --- FdFile

FdFile::FdFile(vfs::Path path, int flags, Ref<FdInode> inode)
    : vfs::FileDescription(std::move(path), flags), host_(std::move(inode)) {
  wait_queue_hint_ = host_->polled() != nullptr;
}

bool FdFile::Ready(short events) {
  pollfd p{host_->fd(), events, 0};
  return poll(&p, 1, 0) > 0;
}

void FdFile::ArmIfWaiting(EventMask mask) {
  PolledFd* polled = host_->polled();
  if (polled != nullptr && !polled->queue().empty()) HostPoller::Get().Arm(*polled, mask);
}

Result<size_t> FdFile::ReadOnce(void* buffer, size_t n) {
  const int fd = host_->fd();
  ssize_t got = -1;
  do {
    switch (host_->kind()) {
      case FdInode::Kind::kSocket:
        got = recv(fd, buffer, n, MSG_DONTWAIT);
        break;
      case FdInode::Kind::kSeekable:
      case FdInode::Kind::kNonblocking:
        got = read(fd, buffer, n);
        break;
      case FdInode::Kind::kPolled: {
        const iovec iov{buffer, n};
        got = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);
        if (got >= 0 || (errno != EOPNOTSUPP && errno != ESPIPE)) break;
        MutexLock lock(host_->io_mutex());
        if (host_->polled() != nullptr && !Ready(POLLIN)) {
          errno = EAGAIN;
        } else {
          got = read(fd, buffer, n);
        }
        break;
      }
    }
  } while (got < 0 && errno == EINTR);
  if (got < 0) return HostErrno();
  return static_cast<size_t>(got);
}

Result<size_t> FdFile::WriteOnce(const void* buffer, size_t n) {
  const int fd = host_->fd();
  ssize_t put = -1;
  do {
    switch (host_->kind()) {
      case FdInode::Kind::kSocket:
        put = send(fd, buffer, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        break;
      case FdInode::Kind::kSeekable:
      case FdInode::Kind::kNonblocking:
        put = write(fd, buffer, n);
        break;
      case FdInode::Kind::kPolled: {
        const iovec iov{const_cast<void*>(buffer), n};
        put = pwritev2(fd, &iov, 1, -1, RWF_NOWAIT);
        if (put >= 0 || (errno != EOPNOTSUPP && errno != ESPIPE)) break;
        MutexLock lock(host_->io_mutex());
        if (host_->polled() != nullptr && !Ready(POLLOUT)) {
          errno = EAGAIN;
        } else {
          put = write(fd, buffer, n);
        }
        break;
      }
    }
  } while (put < 0 && errno == EINTR);
  if (put < 0) return HostErrno();
  return static_cast<size_t>(put);
}

Result<size_t> FdFile::Read(IoSink& dst, vfs::IoFlags) {
  if (host_->kind() == FdInode::Kind::kSeekable) return ReadHostFd(host_->fd(), dst, -1, 0);
  const auto buffer = ThreadIoBuffer();
  const size_t want = std::min(dst.remaining(), buffer.size());
  if (want == 0) return 0;
  auto got = ReadOnce(buffer.data(), want);
  ArmIfWaiting(kEventIn);
  if (!got.ok() || *got == 0) return got;
  return dst.Write(buffer.first(*got));
}

Result<size_t> FdFile::Write(IoSource& src, vfs::IoFlags flags) {
  if (host_->kind() == FdInode::Kind::kSeekable) {
    const bool append = AppendsNow(flags) && !(host_->host_flags() & O_APPEND);
    return WriteHostFd(host_->fd(), src, -1,
                       (flags.rwf & (RWF_SYNC | RWF_DSYNC)) | (append ? RWF_APPEND : 0));
  }
  const auto buffer = ThreadIoBuffer();
  // The source gives its bytes once, so take no more than a ready pipe or terminal certainly accepts,
  // except from a socket's datagram, which must stay whole.
  const size_t chunk = host_->kind() == FdInode::Kind::kSocket ? buffer.size() : size_t{PIPE_BUF};
  size_t total = 0;
  while (size_t want = std::min(src.remaining(), chunk)) {
    if (host_->polled() != nullptr && !Ready(POLLOUT)) {
      ArmIfWaiting(kEventOut);
      if (total != 0) return total;
      return Errno::kEAGAIN;
    }
    auto have = src.Read(buffer.first(want));
    if (!have.ok()) {
      if (total != 0) return total;
      return have;
    }
    size_t done = 0;
    // Somebody else may fill the pipe between poll and write: a moment's patience, on the host thread,
    // for bytes that are already taken.
    for (int patience = 0; done < *have;) {
      auto put = WriteOnce(buffer.data() + done, *have - done);
      if (put.ok()) {
        done += *put;
        continue;
      }
      if (put.error() == Errno::kEAGAIN && done + total != 0 && patience++ < 10) {
        pollfd p{host_->fd(), POLLOUT, 0};
        poll(&p, 1, 1);
        continue;
      }
      total += done;
      ArmIfWaiting(kEventOut);
      if (total != 0) return total;
      return put;
    }
    total += done;
    if (*have < want) break;
  }
  ArmIfWaiting(kEventOut);
  return total;
}

Result<size_t> FdFile::Pread(IoSink& dst, uint64_t offset, vfs::IoFlags) {
  if (!seekable()) return Errno::kESPIPE;
  if (offset > INT64_MAX) return Errno::kEINVAL;
  return ReadHostFd(host_->fd(), dst, static_cast<int64_t>(offset), 0);
}

Result<size_t> FdFile::Pwrite(IoSource& src, uint64_t offset, vfs::IoFlags flags) {
  if (!seekable()) return Errno::kESPIPE;
  if (offset > INT64_MAX) return Errno::kEINVAL;
  return WriteHostFd(host_->fd(), src, static_cast<int64_t>(offset),
                     flags.rwf & (RWF_SYNC | RWF_DSYNC | RWF_APPEND));
}

Result<int64_t> FdFile::Seek(int64_t offset, int whence) {
  if (!seekable()) {
    // /dev/null and its like can be sought; terminals, pipes and sockets say ESPIPE by themselves.
    if (host_->type() != S_IFCHR || host_->is_tty()) return Errno::kESPIPE;
  }
  const off_t at = lseek(host_->fd(), offset, whence);
  if (at < 0) return HostErrno();
  return at;
}

Result<uint64_t> FdFile::Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) {
  if (cmd != FIONREAD) return Errno::kENOTTY;
  int n = 0;
  if (ioctl(host_->fd(), FIONREAD, &n) < 0) return HostErrno();
  RETURN_IF_ERROR(mm.CopyOut(arg, n));
  return 0;
}

EventMask FdFile::Readiness(EventMask mask) {
  if (host_->polled() == nullptr) return mask & (kEventIn | kEventOut);
  pollfd p{host_->fd(), static_cast<short>(mask), 0};
  const EventMask ready =
      poll(&p, 1, 0) > 0 ? static_cast<EventMask>(static_cast<unsigned short>(p.revents)) : 0;
  if (const EventMask missing = mask & ~ready; missing != 0) ArmIfWaiting(missing);
  return ready & (mask | kEventErr | kEventHup);
}

WaitQueue* FdFile::wait_queue() {
  return host_->polled() != nullptr ? &host_->polled()->queue() : nullptr;
}

Status FdFile::Mmap(mm::MmapOptions* opts) {
  if (host_->type() != S_IFREG) return Errno::kENODEV;
  opts->mappable = MakeRef<FdMappable>(host_);
  return OkStatus();
}

Status FdFile::Fsync(bool data_only) {
  if ((data_only ? fdatasync(host_->fd()) : fsync(host_->fd())) < 0) return HostErrno();
  return OkStatus();
}

Status FdFile::Allocate(int mode, uint64_t offset, uint64_t length) {
  if (fallocate(host_->fd(), mode, static_cast<off_t>(offset), static_cast<off_t>(length)) < 0) {
    return HostErrno();
  }
  return OkStatus();
}

Status FdFile::Truncate(uint64_t size) {
  if (ftruncate(host_->fd(), static_cast<off_t>(size)) < 0) return HostErrno();
  return OkStatus();
}

Result<Ref<FdFile>> NewFdFile(UniqueFd fd, const FdFileOptions& options) {
  // A write to a pipe without readers must fail, not kill the Sentry.
  signal(SIGPIPE, SIG_IGN);
  const int flags = fcntl(fd.get(), F_GETFL);
  struct stat st;
  if (flags < 0 || fstat(fd.get(), &st) < 0) return HostErrno();
  if (flags & O_PATH) return Errno::kEBADF;
  const bool tty = S_ISCHR(st.st_mode) && isatty(fd.get());
  // Stays in place should it be 0, 1 or 2; but exec of a helper must not inherit it.
  fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
  auto inode = MakeRef<FdInode>(FdFileSystem::Get(), std::move(fd), st, flags, tty);
  std::string name = options.name.empty() ? absl::StrFormat("host:[%d]", st.st_ino) : options.name;
  static const Ref<vfs::Mount>* const mount =
      new Ref<vfs::Mount>(vfs::AnonInodePath("[host]").mount);
  vfs::Path path{*mount, vfs::Dentry::NewAnonymous(std::move(name), inode)};
  const int open_flags = flags & kStatusFlags;
  if (tty) return Ref<FdFile>(MakeRef<HostTty>(std::move(path), open_flags, inode));
  return MakeRef<FdFile>(std::move(path), open_flags, inode);
}

}  // namespace cvisor::fs::host
