// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// FileDescription: an open file (open(2), "open file description"; Linux's struct file). Shared by
// descriptors after dup(2), fork(2) and SCM_RIGHTS.
//
// No method blocks: what would block returns EAGAIN whatever O_NONBLOCK says, and the caller waits on
// wait_queue() if the descriptor is in blocking mode.

#ifndef CVISOR_PKG_SENTRY_VFS_FILE_DESCRIPTION_H_
#define CVISOR_PKG_SENTRY_VFS_FILE_DESCRIPTION_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "pkg/base/io.h"
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/mm/memory_manager.h"
#include "pkg/sentry/vfs/deferred_delete.h"
#include "pkg/sentry/vfs/dentry.h"
#include "pkg/sentry/waiter/waiter.h"

namespace cvisor::vfs {

class FdTable;

// Flags of one read or write: RWF_* of preadv2(2).
struct IoFlags {
  int rwf = 0;
};

// Told when a description's last reference goes, while every part of it still works but nobody can
// take a new reference. How epoll(7) drops entries of closed files without keeping them open. Called
// on the thread that dropped the reference, without locks of the VFS.
class FileObserver : public RefCounted {
 public:
  virtual void OnFileGone() = 0;
};

class FileDescription : public RefCounted {
 public:
  // `flags`: as given to open(2), without O_CREAT, O_EXCL, O_NOCTTY, O_TRUNC and O_CLOEXEC.
  FileDescription(Path path, int flags);
  ~FileDescription() override;

  const Path& path() const { return path_; }
  Inode& inode() const { return path_.inode(); }
  int flags() const { return flags_.load(); }
  // Access mode 3 allows neither (see open(2)).
  bool readable() const {
    const int mode = flags() & (O_ACCMODE | O_PATH);
    return mode == O_RDONLY || mode == O_RDWR;
  }
  bool writable() const {
    const int mode = flags() & (O_ACCMODE | O_PATH);
    return mode == O_WRONLY || mode == O_RDWR;
  }
  bool nonblocking() const { return (flags() & O_NONBLOCK) != 0; }
  bool is_path_only() const { return (flags() & O_PATH) != 0; }
  // vfs/open.cc: opened with O_TMPFILE, which fcntl(F_GETFL) tells.
  void SetTmpfile() { flags_.fetch_or(O_TMPFILE); }
  // fcntl(F_SETFL): only O_APPEND, O_ASYNC, O_DIRECT, O_NOATIME, O_NONBLOCK change.
  virtual Status SetFlags(int flags);

  // --- Reading and writing at the file position. Seekable files implement Pread/Pwrite (and say so in
  // seekable()); these two then keep the position, under position_mutex(). Streams override them. The
  // caller has checked readable()/writable(). Read returns 0 at the end.
  //
  // Appending: Pwrite() itself ignores its offset and writes at the end, under the file's own lock,
  // when AppendsNow(flags) is true (O_APPEND or RWF_APPEND); pwrite(2) on Linux does so too. Write()
  // calls Append(), which by default is Pwrite() with RWF_APPEND and then asks GetAttr() for the new
  // position; override it where the exact end of the write is known.
  virtual Result<size_t> Read(IoSink& dst, IoFlags flags = {});
  virtual Result<size_t> Write(IoSource& src, IoFlags flags = {});
  virtual Result<size_t> Pread(IoSink& dst, uint64_t offset, IoFlags flags = {});    // ESPIPE
  virtual Result<size_t> Pwrite(IoSource& src, uint64_t offset, IoFlags flags = {});  // ESPIPE
  virtual Result<size_t> Append(IoSource& src, uint64_t* end, IoFlags flags);
  bool AppendsNow(IoFlags io) const;
  // lseek(2) with all of SEEK_*. ESPIPE by default; regular files use SeekRegular().
  virtual Result<int64_t> Seek(int64_t offset, int whence);
  virtual bool seekable() const { return false; }

  // getdents64(2) from the current position. ENOTDIR by default.
  virtual Status IterateDir(DirSink& sink);

  // ioctl(2). `mm` is the calling task's memory. ENOTTY by default. The calling task, where one is
  // needed (job control), is kernel::Task::Current().
  virtual Result<uint64_t> Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg);

  // poll(2): which of `mask` are true now. Regular files are always ready.
  virtual EventMask Readiness(EventMask mask);
  // Where changes of readiness are told. Null: never changes.
  virtual WaitQueue* wait_queue() { return nullptr; }
  // epoll_ctl(2) refuses with EPERM what has no poll (regular files, directories).
  virtual bool pollable() const { return wait_queue_hint_; }

  // open(2) of a FIFO waits for the other end: EAGAIN while it must wait (on wait_queue()).
  virtual Status FinishOpen() { return OkStatus(); }

  // mmap(2): fills opts->mappable (or leaves it null for private zero memory, as /dev/zero does). Access
  // modes were checked. ENODEV by default.
  virtual Status Mmap(mm::MmapOptions* opts);

  virtual Status Fsync(bool data_only);                      // EINVAL by default
  virtual Status Allocate(int mode, uint64_t offset, uint64_t length);  // EOPNOTSUPP/ENODEV
  virtual Status Truncate(uint64_t size);                    // ftruncate(2): EINVAL by default

  // Each close(2) of a descriptor (Linux's flush): record locks go, errors are returned.
  virtual Status OnClose() { return OkStatus(); }

  // What fstat(2) says. The inode's by default.
  virtual Result<Attr> GetAttr();

  // /proc/pid/fdinfo lines beyond pos, flags and mnt_id.
  virtual std::string FdInfo() { return ""; }

  // Position. Held across a read or write at the position (POSIX atomicity, f_pos_lock).
  Mutex& position_mutex() { return position_mutex_; }
  int64_t position() const { return position_.load(); }
  void set_position(int64_t p) { position_.store(p); }

  // fcntl(F_SETOWN, F_SETSIG): kept for the kernel's SIGIO code. owner: pid > 0, pgid < 0.
  std::atomic<int> async_owner{0};
  std::atomic<int> async_signal{0};

  // vfs/open.cc: the Inode::GetWriteAccess() that the destructor gives back.
  void AdoptWriteAccess() { holds_write_access_ = true; }

  // The caller holds a reference. Each observer is told once.
  void AddObserver(Ref<FileObserver> observer) {
    MutexLock lock(observers_mu_);
    observers_.push_back(std::move(observer));
  }
  // Also right while the last reference is going, as long as the description was not destroyed: the
  // observer's OnFileGone() may then still be called.
  void RemoveObserver(const FileObserver* observer) {
    Ref<FileObserver> gone;  // dropped after the lock
    MutexLock lock(observers_mu_);
    for (auto& o : observers_) {
      if (o.get() != observer) continue;
      gone.swap(o);
      o.swap(observers_.back());
      observers_.pop_back();
      return;
    }
  }

 protected:
  // Seek() of a file of `size` bytes without holes: EINVAL, ENXIO; sets and returns the position.
  Result<int64_t> SeekRegular(int64_t offset, int whence, uint64_t size, int64_t max = INT64_MAX);

  // Never drop a reference to a description under a lock that a Readiness() may take. Descriptions that
  // go because another one went (sockets with descriptors in flight) are destroyed one after another,
  // not by recursion.
  void OnLastRef() override {
    DeferredDelete(this, [](FileDescription* file) {
      std::vector<Ref<FileObserver>> observers;
      {
        MutexLock lock(file->observers_mu_);
        observers.swap(file->observers_);
      }
      for (auto& o : observers) o->OnFileGone();
      delete file;
    });
  }
  bool wait_queue_hint_ = false;  // set by descriptions that can be polled
  std::atomic<int> flags_;

 private:
  const Path path_;
  bool holds_write_access_ = false;
  Mutex position_mutex_;
  std::atomic<int64_t> position_{0};
  Mutex observers_mu_;  // leaf
  std::vector<Ref<FileObserver>> observers_ ABSL_GUARDED_BY(observers_mu_);
};

// Writes `all` from `offset` on into the sink: Pread() of generated content.
Result<size_t> CopyStringOut(IoSink& dst, std::string_view all, uint64_t offset);

}  // namespace cvisor::vfs

#endif  // CVISOR_PKG_SENTRY_VFS_FILE_DESCRIPTION_H_
