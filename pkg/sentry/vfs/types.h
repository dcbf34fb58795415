// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Plain types that file systems and their callers exchange.

#ifndef CVISOR_PKG_SENTRY_VFS_TYPES_H_
#define CVISOR_PKG_SENTRY_VFS_TYPES_H_

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <time.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace cvisor::vfs {

// Attributes of an inode: what stat(2) and statx(2) tell.
struct Attr {
  mode_t mode = 0;  // type and permission bits
  uint64_t nlink = 1;
  uid_t uid = 0;
  gid_t gid = 0;
  uint64_t size = 0;
  uint64_t blocks = 0;  // of 512 bytes
  uint32_t blksize = 4096;
  timespec atime{}, mtime{}, ctime{}, btime{};
  ino_t ino = 0;
  dev_t dev = 0;
  dev_t rdev = 0;

  bool is_dir() const { return S_ISDIR(mode); }
  bool is_regular() const { return S_ISREG(mode); }
  bool is_symlink() const { return S_ISLNK(mode); }
};

// What Inode::SetAttr changes. Permission is checked by the caller (vfs/permission.h).
struct SetAttr {
  enum : uint32_t { kMode = 1, kUid = 2, kGid = 4, kSize = 8, kAtime = 16, kMtime = 32 };
  uint32_t valid = 0;
  mode_t mode = 0;  // permission bits only (07777)
  uid_t uid = 0;
  gid_t gid = 0;
  uint64_t size = 0;
  timespec atime{}, mtime{};  // tv_nsec may be UTIME_NOW
};

// How a new inode is made.
struct NewInode {
  mode_t mode = 0;  // with umask applied; type bits for mknod
  uid_t uid = 0;
  gid_t gid = 0;
  dev_t rdev = 0;
  bool linkable = true;  // O_TMPFILE without O_EXCL: may get a name later
};

struct StatFs {
  uint64_t type = 0;  // magic number
  uint64_t bsize = 4096, frsize = 4096;
  uint64_t blocks = 0, bfree = 0, bavail = 0;
  uint64_t files = 0, ffree = 0;
  uint64_t namelen = 255;
  uint64_t flags = 0;  // ST_*, added by the mount
};

// One entry of getdents64(2). `next` is the position to continue behind it.
struct DirEntry {
  std::string_view name;
  ino_t ino = 0;
  uint8_t type = 0;  // DT_*
  int64_t next = 0;
};

// Receives directory entries; returns false when it is full (the entry was not taken).
class DirSink {
 public:
  virtual ~DirSink() = default;
  virtual bool Add(const DirEntry& entry) = 0;
};

inline constexpr size_t kNameMax = 255;
inline constexpr size_t kPathMax = 4096;
inline constexpr int kMaxSymlinks = 40;

// Permission bits for access checks.
inline constexpr int kMayRead = 4;
inline constexpr int kMayWrite = 2;
inline constexpr int kMayExec = 1;

// The kernel's value; glibc says 0 on 64-bit machines.
inline constexpr int kOLargeFile = 0100000;

inline uint8_t DirTypeOfMode(mode_t mode) { return static_cast<uint8_t>((mode & S_IFMT) >> 12); }

timespec Now();  // CLOCK_REALTIME, for file times

}  // namespace cvisor::vfs

#endif  // CVISOR_PKG_SENTRY_VFS_TYPES_H_
