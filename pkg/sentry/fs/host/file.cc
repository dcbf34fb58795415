// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/host/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

namespace cvisor::fs::host {
namespace {

constexpr size_t kIoBufferSize = 256 << 10;
constexpr size_t kDirBufferSize = 32 << 10;

Result<int64_t> SeekTarget(int64_t base, int64_t offset) {
  int64_t to;
  if (__builtin_add_overflow(base, offset, &to)) return Errno::kEINVAL;
  if (to < 0) return Errno::kEINVAL;
  return to;
}

}  // namespace

std::span<std::byte> ThreadIoBuffer() {
  // Untouched pages of it cost nothing.
  static thread_local std::unique_ptr<std::byte[]> buffer;
  if (buffer == nullptr) buffer.reset(new std::byte[kIoBufferSize]);
  return {buffer.get(), kIoBufferSize};
}

Result<size_t> ReadHostFd(int fd, IoSink& dst, int64_t offset, int rwf) {
  const auto buffer = ThreadIoBuffer();
  size_t total = 0;
  while (size_t want = std::min(dst.remaining(), buffer.size())) {
    ssize_t got;
    if (rwf == 0) {
      got = offset < 0 ? read(fd, buffer.data(), want) : pread(fd, buffer.data(), want, offset);
    } else {
      const iovec iov{buffer.data(), want};
      got = preadv2(fd, &iov, 1, offset, rwf);
    }
    if (got < 0) {
      if (errno == EINTR) continue;
      if (total != 0) break;
      return HostErrno();
    }
    if (got == 0) break;
    auto taken = dst.Write(buffer.first(static_cast<size_t>(got)));
    if (!taken.ok()) {
      if (total != 0) break;
      return taken.error();
    }
    total += *taken;
    if (offset >= 0) offset += static_cast<int64_t>(*taken);
    if (*taken < static_cast<size_t>(got) || static_cast<size_t>(got) < want) break;
  }
  return total;
}

Result<size_t> WriteHostFd(int fd, IoSource& src, int64_t offset, int rwf) {
  const auto buffer = ThreadIoBuffer();
  size_t total = 0;
  while (size_t want = std::min(src.remaining(), buffer.size())) {
    auto have = src.Read(buffer.first(want));
    if (!have.ok()) {
      if (total != 0) break;
      return have.error();
    }
    if (*have == 0) break;
    size_t done = 0;
    while (done < *have) {
      ssize_t put;
      const iovec iov{buffer.data() + done, *have - done};
      if (rwf == 0) {
        put = offset < 0 ? write(fd, iov.iov_base, iov.iov_len)
                         : pwrite(fd, iov.iov_base, iov.iov_len, offset);
      } else {
        put = pwritev2(fd, &iov, 1, offset, rwf);
      }
      if (put < 0) {
        if (errno == EINTR) continue;
        if (total != 0) return total;
        return HostErrno();
      }
      done += static_cast<size_t>(put);
      total += static_cast<size_t>(put);
      if (offset >= 0) offset += put;
      if (put == 0) return total;
    }
    if (*have < want) break;
  }
  return total;
}

// --- HostFile

HostFile::HostFile(vfs::Path path, int flags, Ref<HostInode> inode, Ref<SharedFd> read,
                   Ref<SharedFd> write)
    : vfs::FileDescription(std::move(path), flags),
      host_(std::move(inode)),
      read_(std::move(read)),
      write_(std::move(write)) {}

HostFile::~HostFile() {
  if (write_ != nullptr) host_->PutWriteFd();
}

int HostFile::WriteRwf(vfs::IoFlags io) const {
  int rwf = io.rwf & (RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_HIPRI);
  const int f = flags();
  if ((f & O_SYNC) == O_SYNC) {
    rwf |= RWF_SYNC;
  } else if (f & O_DSYNC) {
    rwf |= RWF_DSYNC;
  }
  return rwf;
}

Result<size_t> HostFile::Append(IoSource& src, uint64_t* end, vfs::IoFlags io) {
  MutexLock lock(host_->append_mutex());
  auto n = WriteHostFd(write_->get(), src, 0, WriteRwf(io) | RWF_APPEND);
  host_->Invalidate();
  struct stat st;
  if (fstat(write_->get(), &st) == 0) *end = static_cast<uint64_t>(st.st_size);
  return n;
}

Result<size_t> HostFile::Pread(IoSink& dst, uint64_t offset, vfs::IoFlags io) {
  if (offset > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return Errno::kEINVAL;
  auto n = ReadHostFd(read_->get(), dst, static_cast<int64_t>(offset),
                      io.rwf & (RWF_NOWAIT | RWF_HIPRI));
  host_->NoteRead();
  return n;
}

Result<size_t> HostFile::Pwrite(IoSource& src, uint64_t offset, vfs::IoFlags io) {
  if (AppendsNow(io)) {
    uint64_t end;
    return Append(src, &end, io);
  }
  if (offset > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return Errno::kEINVAL;
  auto n = WriteHostFd(write_->get(), src, static_cast<int64_t>(offset), WriteRwf(io));
  host_->Invalidate();
  return n;
}

Result<int64_t> HostFile::Seek(int64_t offset, int whence) {
  MutexLock lock(position_mutex());
  int64_t to;
  switch (whence) {
    case SEEK_SET: {
      ASSIGN_OR_RETURN(to, SeekTarget(0, offset));
      break;
    }
    case SEEK_CUR: {
      ASSIGN_OR_RETURN(to, SeekTarget(position(), offset));
      break;
    }
    case SEEK_END: {
      ASSIGN_OR_RETURN(auto attr, host_->GetAttr());
      ASSIGN_OR_RETURN(to, SeekTarget(static_cast<int64_t>(attr.size), offset));
      break;
    }
    case SEEK_DATA:
    case SEEK_HOLE:
      to = lseek(any_fd(), offset, whence);
      if (to < 0) return HostErrno();
      break;
    default:
      return Errno::kEINVAL;
  }
  set_position(to);
  return to;
}

Status HostFile::Mmap(mm::MmapOptions* opts) {
  opts->mappable = host_->GetMappable();
  return OkStatus();
}

Status HostFile::Fsync(bool data_only) {
  const int fd = write_ != nullptr ? write_->get() : read_->get();
  if ((data_only ? fdatasync(fd) : fsync(fd)) < 0) return HostErrno();
  return OkStatus();
}

Status HostFile::Allocate(int mode, uint64_t offset, uint64_t length) {
  const int rc = fallocate(write_->get(), mode, static_cast<off_t>(offset),
                           static_cast<off_t>(length));
  const Errno error = rc < 0 ? HostErrno() : Errno::kOk;
  host_->Invalidate();
  return error;
}

Status HostFile::Truncate(uint64_t size) {
  const int rc = ftruncate(write_->get(), static_cast<off_t>(size));
  const Errno error = rc < 0 ? HostErrno() : Errno::kOk;
  host_->Invalidate();
  return error;
}

// --- HostDirectory

Status HostDirectory::Fill(int64_t position) {
  at_ = filled_ = 0;
  next_ = -1;
  if (buffer_.empty()) buffer_.resize(kDirBufferSize);
  ASSIGN_OR_RETURN(filled_, host_->ReadDir(position, buffer_));
  next_ = position;
  return OkStatus();
}

Status HostDirectory::IterateDir(vfs::DirSink& sink) {
  MutexLock lock(position_mutex());
  for (;;) {
    if (next_ != position() || at_ == filled_) {
      RETURN_IF_ERROR(Fill(position()));
      if (filled_ == 0) break;
    }
    while (at_ < filled_) {
      const auto* d = reinterpret_cast<const dirent64*>(buffer_.data() + at_);
      vfs::DirEntry entry;
      entry.name = d->d_name;
      entry.ino = d->d_ino;
      entry.type = d->d_type;
      entry.next = d->d_off;
      // What is above the tree is none of the application's business.
      if (entry.name == "..") {
        if (auto parent = path().dentry != nullptr ? path().dentry->parent() : nullptr) {
          if (auto* inode = dynamic_cast<HostInode*>(parent->inode().get())) entry.ino = inode->ino();
        } else {
          entry.ino = host_->ino();
        }
      }
      if (!sink.Add(entry)) return OkStatus();
      at_ += d->d_reclen;
      next_ = entry.next;
      set_position(entry.next);
    }
  }
  host_->NoteRead();
  return OkStatus();
}

Result<int64_t> HostDirectory::Seek(int64_t offset, int whence) {
  MutexLock lock(position_mutex());
  int64_t to = offset;
  if (whence == SEEK_CUR) {
    ASSIGN_OR_RETURN(to, SeekTarget(position(), offset));
  } else if (whence != SEEK_SET || offset < 0) {
    return Errno::kEINVAL;
  }
  set_position(to);
  if (to == 0 || to != next_) next_ = -1;  // rewinddir(3) shows what is new
  return to;
}

Status HostDirectory::Fsync(bool data_only) {
  return host_->node().Sync(data_only ? Node::SyncKind::kData : Node::SyncKind::kFile);
}

}  // namespace cvisor::fs::host
