// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Files for the loader's tests: host descriptors, or bytes in a memfd.

#ifndef CVISOR_PKG_SENTRY_LOADER_TEST_FILE_H_
#define CVISOR_PKG_SENTRY_LOADER_TEST_FILE_H_

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pkg/base/check.h"
#include "pkg/base/unique_fd.h"
#include "pkg/sentry/vfs/file_description.h"
#include "pkg/sentry/vfs/inode.h"

namespace cvisor::loader {

class TestFs : public vfs::FileSystem {
 public:
  std::string_view type_name() const override { return "test"; }
  Result<Ref<vfs::Inode>> Root() override { return Errno::kENOSYS; }
  Result<vfs::StatFs> GetStatFs() override { return vfs::StatFs{}; }
  dev_t dev() const override { return 1; }
};

class TestInode : public vfs::Inode {
 public:
  explicit TestInode(mode_t type) : Inode(MakeRef<TestFs>()), type_(type) {}
  Result<vfs::Attr> GetAttr() override { return vfs::Attr{.mode = type_ | 0755}; }
  mode_t type() const override { return type_; }

 private:
  const mode_t type_;
};

class HostMappable : public mm::Mappable {
 public:
  explicit HostMappable(UniqueFd fd) : fd_(std::move(fd)) {}
  Result<int> HostFdForMmap(bool) override { return fd_.get(); }
  Identity identity() const override { return {1, 1}; }
  int fd() const { return fd_.get(); }

 private:
  const UniqueFd fd_;
};

class TestFile : public vfs::FileDescription {
 public:
  TestFile(UniqueFd fd, std::string name, mode_t type, bool can_mmap)
      : FileDescription(vfs::Path{nullptr, vfs::Dentry::NewAnonymous(std::move(name),
                                                                     MakeRef<TestInode>(type))},
                        O_RDONLY),
        host_(MakeRef<HostMappable>(std::move(fd))),
        can_mmap_(can_mmap) {}
  bool seekable() const override { return true; }
  Result<size_t> Pread(IoSink& dst, uint64_t offset, vfs::IoFlags) override {
    std::vector<std::byte> buffer(std::min<size_t>(dst.remaining(), 100));  // in small pieces
    const ssize_t n = pread(host_->fd(), buffer.data(), buffer.size(), static_cast<off_t>(offset));
    if (n < 0) return static_cast<Errno>(errno);
    return dst.Write(std::span(buffer).first(static_cast<size_t>(n)));
  }
  Status Mmap(mm::MmapOptions* o) override {
    if (!can_mmap_) return Errno::kENODEV;
    o->mappable = host_;
    return OkStatus();
  }

 private:
  const Ref<HostMappable> host_;
  const bool can_mmap_;
};

inline Ref<vfs::FileDescription> NewTestFile(std::string_view content, mode_t type = S_IFREG,
                                             bool can_mmap = true) {
  UniqueFd fd(memfd_create("test", MFD_CLOEXEC));
  CVISOR_CHECK(write(fd.get(), content.data(), content.size()) ==
               static_cast<ssize_t>(content.size()));
  return MakeRef<TestFile>(std::move(fd), "test", type, can_mmap);
}

inline Result<Ref<vfs::FileDescription>> OpenHostFile(std::string_view path) {
  UniqueFd fd(open(std::string(path).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return static_cast<Errno>(errno);
  return Ref<vfs::FileDescription>(
      MakeRef<TestFile>(std::move(fd), std::string(path), S_IFREG, true));
}

}  // namespace cvisor::loader

#endif  // CVISOR_PKG_SENTRY_LOADER_TEST_FILE_H_
