// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Shared anonymous memory: a host memfd of fixed size.

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "pkg/base/unique_fd.h"
#include "pkg/sentry/mm/memory_manager.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

namespace cvisor::mm {
namespace {

class SharedAnonymous : public Mappable {
 public:
  SharedAnonymous(UniqueFd fd, Identity identity) : fd_(std::move(fd)), identity_(identity) {}
  Result<int> HostFdForMmap(bool) override { return fd_.get(); }
  Identity identity() const override { return identity_; }

 private:
  const UniqueFd fd_;
  const Identity identity_;
};

// vm.memfd_noexec on the host must not take PROT_EXEC away; hosts before 6.3 do not know the flag.
int MakeMemfd(const char* name) {
  const int fd = memfd_create(name, MFD_CLOEXEC | MFD_EXEC);
  return fd >= 0 || errno != EINVAL ? fd : memfd_create(name, MFD_CLOEXEC);
}

}  // namespace

Result<Ref<Mappable>> NewSharedAnonymous(uint64_t size, std::string_view name) {
  if (size > INT64_MAX) return Errno::kENOMEM;
  UniqueFd fd(MakeMemfd(std::string(name.substr(0, 200)).c_str()));
  if (!fd.valid()) return Errno::kENOMEM;
  struct stat st;
  if (ftruncate(fd.get(), static_cast<off_t>(size)) != 0 || fstat(fd.get(), &st) != 0) {
    return Errno::kENOMEM;
  }
  return Ref<Mappable>(
      MakeRef<SharedAnonymous>(std::move(fd), Mappable::Identity{st.st_dev, st.st_ino}));
}

}  // namespace cvisor::mm
