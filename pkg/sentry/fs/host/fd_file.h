// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Imported host descriptors as open files: the stdio of runsc and descriptors that an embedder donates.
// Terminals, pipes, sockets, /dev/null, regular files.
//
// The host's open file description is shared with processes outside, so O_NONBLOCK is never set on it.
// Terminals and pipes are opened anew through /proc/self/fd with O_NONBLOCK where that works; sockets
// use MSG_DONTWAIT; what is left is polled and then used with RWF_NOWAIT where the host can. The
// position of a regular file and its O_APPEND stay the host's, shared with whoever else writes there.

#ifndef CVISOR_PKG_SENTRY_FS_HOST_FD_FILE_H_
#define CVISOR_PKG_SENTRY_FS_HOST_FD_FILE_H_

#include <atomic>
#include <string>
#include <string_view>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/base/unique_fd.h"
#include "pkg/sentry/fs/host/poller.h"
#include "pkg/sentry/mm/mappable.h"
#include "pkg/sentry/vfs/file_description.h"
#include "pkg/sentry/vfs/inode.h"

namespace cvisor::fs::host {

// What the kernel adds to a host terminal: sessions and process groups are the Sentry's own. Installed
// with HostTty::SetJobControl(); one object for all descriptors of one terminal.
class TtyJobControl : public RefCounted {
 public:
  // TIOCGPGRP, TIOCSPGRP, TIOCGSID, TIOCSCTTY, TIOCNOTTY. `arg` is an application address.
  virtual Result<uint64_t> Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) = 0;
  // Before a read, a write (`tostop`: the terminal's TOSTOP flag; without it background writes are
  // fine) or a change of settings by Task::Current(). A background process gets its SIGTTIN or
  // SIGTTOU here; the error (ERESTARTSYS, EIO) ends the call.
  virtual Status CheckRead() = 0;
  virtual Status CheckWrite(bool tostop) = 0;
  virtual Status CheckChange() = 0;
};

// Owns the descriptor. What /dev/stdin and /proc/self/fd/0 lead to; opening it again gives another
// description of the same host descriptor.
class FdInode final : public vfs::Inode {
 public:
  enum class Kind {
    kSeekable,     // regular files and block devices: never wait
    kSocket,       // MSG_DONTWAIT
    kNonblocking,  // our own description with O_NONBLOCK
    kPolled,       // the host's description: poll(2) first
  };

  FdInode(Ref<vfs::FileSystem> fs, UniqueFd fd, const struct stat& st, int flags, bool tty);
  ~FdInode() override;

  Result<vfs::Attr> GetAttr() override;
  Status SetAttributes(const vfs::SetAttr& set) override;
  mode_t type() const override { return type_; }
  bool OpensItself() const override { return true; }
  Result<Ref<vfs::FileDescription>> Open(const vfs::Path& path, int flags,
                                         const Credentials& creds) override;

  int fd() const { return io_fd_.valid() ? io_fd_.get() : fd_.get(); }
  Kind kind() const { return kind_; }
  bool is_tty() const { return tty_; }
  // Access mode and status flags of the imported description.
  int host_flags() const { return flags_; }
  PolledFd* polled() const { return polled_.get(); }  // null: always ready
  Mutex& io_mutex() { return io_mutex_; }

  Ref<TtyJobControl> job_control();
  void SetJobControl(Ref<TtyJobControl> job_control);
  ino_t ino() const { return ino_; }

 private:
  const mode_t type_;
  const ino_t ino_;
  const UniqueFd fd_;
  const int flags_;
  const bool tty_;
  UniqueFd io_fd_;  // opened anew
  Kind kind_ = Kind::kPolled;
  Ref<PolledFd> polled_;
  // Serialises "poll, then read or write" where nothing better works.
  Mutex io_mutex_;
  Mutex mu_;
  Ref<TtyJobControl> job_control_ ABSL_GUARDED_BY(mu_);
};

class FdFile : public vfs::FileDescription {
 public:
  FdFile(vfs::Path path, int flags, Ref<FdInode> inode);

  // After a short count or EAGAIN the source may have been read further than was written.
  Result<size_t> Read(IoSink& dst, vfs::IoFlags flags) override;
  Result<size_t> Write(IoSource& src, vfs::IoFlags flags) override;
  Result<size_t> Pread(IoSink& dst, uint64_t offset, vfs::IoFlags flags) override;
  Result<size_t> Pwrite(IoSource& src, uint64_t offset, vfs::IoFlags flags) override;
  Result<int64_t> Seek(int64_t offset, int whence) override;
  bool seekable() const override { return host_->kind() == FdInode::Kind::kSeekable; }
  // FIONREAD.
  Result<uint64_t> Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) override;
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override;
  Status Mmap(mm::MmapOptions* opts) override;
  Status Fsync(bool data_only) override;
  Status Allocate(int mode, uint64_t offset, uint64_t length) override;
  Status Truncate(uint64_t size) override;
  Result<vfs::Attr> GetAttr() override { return host_->GetAttr(); }

  FdInode& host() const { return *host_; }

 private:
  // One non-blocking host call. EAGAIN arms the poller if somebody waits.
  Result<size_t> ReadOnce(void* buffer, size_t n);
  Result<size_t> WriteOnce(const void* buffer, size_t n);
  bool Ready(short events);
  void ArmIfWaiting(EventMask mask);

  const Ref<FdInode> host_;
};

// A host terminal. Settings and window size are the host terminal's; job control is the Sentry's.
class HostTty final : public FdFile {
 public:
  using FdFile::FdFile;
  void SetJobControl(Ref<TtyJobControl> j) { host().SetJobControl(std::move(j)); }

  Result<size_t> Read(IoSink& dst, vfs::IoFlags flags) override;
  Result<size_t> Write(IoSource& src, vfs::IoFlags flags) override;
  // tty_ioctl(4): TCGETS, TCSETS*, TCGETA, TCSETA*, TIOCGWINSZ, TIOCSWINSZ, TIOCOUTQ, TCFLSH, TCXONC,
  // TCSBRK and, through TtyJobControl, sessions. ENOTTY for the rest, TIOCSTI above all.
  Result<uint64_t> Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) override;
};

struct FdFileOptions {
  // What /proc/pid/fd shows; "host:[inode]" if empty.
  std::string name;
};

// Takes over `fd`. Access mode and flags are the host description's. A HostTty for terminals. SIGPIPE
// is ignored in this process from now on.
Result<Ref<FdFile>> NewFdFile(UniqueFd fd, const FdFileOptions& options = {});

}  // namespace cvisor::fs::host

#endif  // CVISOR_PKG_SENTRY_FS_HOST_FD_FILE_H_
