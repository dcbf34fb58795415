// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/systrap/slab.h"

#include <sys/mman.h>
#include <unistd.h>

#include <utility>

namespace cvisor::platform::systrap {

Result<std::unique_ptr<Slab>> Slab::New() {
  UniqueFd fd(memfd_create("runsc-slab", MFD_CLOEXEC));
  if (!fd.valid()) return HostErrno();
  if (ftruncate(fd.get(), kSize) != 0) return HostErrno();
  void* base =
      mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd.get(), 0);
  if (base == MAP_FAILED) return HostErrno();
  // Core dumps of the Sentry are about the Sentry.
  madvise(base, kSize, MADV_DONTDUMP);
  return std::unique_ptr<Slab>(new Slab(std::move(fd), static_cast<char*>(base)));
}

Slab::~Slab() { munmap(base_, kSize); }

}  // namespace cvisor::platform::systrap
