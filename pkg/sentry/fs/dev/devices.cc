// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/dev/devices.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/sysmacros.h>

#include <array>
#include <functional>

#include "pkg/sentry/vfs/file_description.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::fs {
namespace {

constexpr unsigned kMemMajor = 1;
enum Minor : unsigned { kNull = 3, kZero = 5, kFull = 7, kRandom = 8, kUrandom = 9 };

constexpr std::array<std::byte, 65536> kZeros{};

// Always ready, position without meaning: lseek(2) says 0.
class MemoryDevice : public vfs::FileDescription {
 public:
  using FileDescription::FileDescription;
  EventMask Readiness(EventMask mask) override { return mask & (kEventIn | kEventOut); }
  Result<int64_t> Seek(int64_t, int) override { return 0; }
  Result<size_t> Pread(IoSink& dst, uint64_t, vfs::IoFlags flags) override {
    return Read(dst, flags);
  }
  Result<size_t> Pwrite(IoSource& src, uint64_t, vfs::IoFlags flags) override {
    return Write(src, flags);
  }
  Result<size_t> Write(IoSource& src, vfs::IoFlags) override { return src.remaining(); }
};

Result<size_t> FillZeros(IoSink& dst) {
  size_t done = 0;
  while (dst.remaining() > 0) {
    const auto n = dst.Write(std::span(kZeros).first(std::min(dst.remaining(), kZeros.size())));
    if (!n.ok()) return done > 0 ? Result<size_t>(done) : n.error();
    if (*n == 0) break;
    done += *n;
  }
  return done;
}

class NullDevice : public MemoryDevice {
 public:
  using MemoryDevice::MemoryDevice;
  Result<size_t> Read(IoSink&, vfs::IoFlags) override { return 0; }
};

class ZeroDevice : public MemoryDevice {
 public:
  using MemoryDevice::MemoryDevice;
  Result<size_t> Read(IoSink& dst, vfs::IoFlags) override { return FillZeros(dst); }
  // Private mappings are plain zero memory; shared ones are shared anonymous memory.
  Status Mmap(mm::MmapOptions* opts) override {
    if ((opts->flags & MAP_TYPE) != MAP_PRIVATE) {
      ASSIGN_OR_RETURN(opts->mappable,
                       mm::NewSharedAnonymous(opts->offset + mm::PageCeil(opts->length),
                                              "/dev/zero"));
    }
    return OkStatus();
  }
};

class FullDevice : public MemoryDevice {
 public:
  using MemoryDevice::MemoryDevice;
  Result<size_t> Read(IoSink& dst, vfs::IoFlags) override { return FillZeros(dst); }
  Result<size_t> Write(IoSource& src, vfs::IoFlags) override {
    if (src.remaining() == 0) return 0;
    return Errno::kENOSPC;
  }
};

class RandomDevice : public MemoryDevice {
 public:
  RandomDevice(const vfs::Path& path, int flags) : MemoryDevice(path, flags) {
    // Of the memory devices /dev/random alone has a poll, and so may be watched with epoll.
    wait_queue_hint_ = path.inode().GetAttr().value_or(vfs::Attr()).rdev == makedev(kMemMajor, kRandom);
  }
  Result<size_t> Read(IoSink& dst, vfs::IoFlags) override {
    size_t done = 0;
    std::array<std::byte, 4096> buffer;
    while (dst.remaining() > 0) {
      const ssize_t got = ::getrandom(buffer.data(), std::min(dst.remaining(), buffer.size()), 0);
      if (got < 0) {
        if (errno == EINTR) continue;
        return HostErrno();
      }
      const auto n = dst.Write(std::span(buffer).first(static_cast<size_t>(got)));
      if (!n.ok()) return done > 0 ? Result<size_t>(done) : n.error();
      done += *n;
      if (*n < static_cast<size_t>(got)) break;
    }
    return done;
  }
};

template <typename Device>
void RegisterDevice(Minor minor) {
  vfs::RegisterCharDevice(kMemMajor, minor, [](const vfs::Path& path, int flags) {
    return Result<Ref<vfs::FileDescription>>(MakeRef<Device>(path, flags));
  });
}

struct Node {
  const char* name;
  unsigned major, minor;
};

constexpr Node kNodes[] = {
    {"null", kMemMajor, kNull},     {"zero", kMemMajor, kZero},
    {"full", kMemMajor, kFull},     {"random", kMemMajor, kRandom},
    {"urandom", kMemMajor, kUrandom}, {"tty", 5, 0},
};

constexpr struct {
  const char *name, *target;
} kLinks[] = {
    {"fd", "/proc/self/fd"},         {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
    {"stderr", "/proc/self/fd/2"},   {"core", "/proc/kcore"},      {"ptmx", "pts/ptmx"},
};

constexpr const char* kDirectories[] = {"pts", "shm", "mqueue"};

}  // namespace

void RegisterMemoryDevices() {
  RegisterDevice<NullDevice>(kNull);
  RegisterDevice<ZeroDevice>(kZero);
  RegisterDevice<FullDevice>(kFull);
  RegisterDevice<RandomDevice>(kRandom);
  RegisterDevice<RandomDevice>(kUrandom);
}

Status PopulateDev(vfs::Inode& dir) {
  MutexLock lock(dir.dir_mutex());
  vfs::NewInode how;
  for (const Node& node : kNodes) {
    how.mode = S_IFCHR | 0666;
    how.rdev = makedev(node.major, node.minor);
    RETURN_IF_ERROR(dir.Mknod(node.name, how));
  }
  how.rdev = 0;
  how.mode = S_IFLNK | 0777;
  for (const auto& link : kLinks) RETURN_IF_ERROR(dir.Symlink(link.name, link.target, how));
  how.mode = S_IFDIR | 0755;
  for (const char* name : kDirectories) RETURN_IF_ERROR(dir.Mkdir(name, how));
  return OkStatus();
}

}  // namespace cvisor::fs
