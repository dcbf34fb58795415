// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/systrap/slab.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

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

bool Slab::Reset() {
  // Hostile processes have written to all of it, the others to some of the first pages.
  constexpr size_t kControl = SLAB_REPLY_OFFSET + kPageSize;
  constexpr size_t kThread = THREAD_XSAVE_OFFSET + kPageSize;
  memset(base_, 0, kControl);
  memset(base_ + SLAB_THREADS_OFFSET, 0, kThread);
  const auto punch = [this](size_t from, size_t to) {
    return fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     static_cast<off_t>(from), static_cast<off_t>(to - from)) == 0;
  };
  // The agent's reports are the position of the file.
  return punch(kControl, SLAB_THREADS_OFFSET) && punch(SLAB_THREADS_OFFSET + kThread, kSize) &&
         lseek(fd_.get(), 0, SEEK_SET) == 0;
}

Result<std::unique_ptr<Slab>> SlabPool::Take() {
  {
    MutexLock lock(mu_);
    if (!slabs_.empty()) {
      auto slab = std::move(slabs_.back());
      slabs_.pop_back();
      return slab;
    }
  }
  return Slab::New();
}

void SlabPool::Give(std::unique_ptr<Slab> slab) {
  {
    MutexLock lock(mu_);
    if (slabs_.size() >= kMax) return;
  }
  if (!slab->Reset()) return;
  MutexLock lock(mu_);
  if (slabs_.size() < kMax) slabs_.push_back(std::move(slab));
}

Slab::~Slab() { munmap(base_, kSize); }

}  // namespace cvisor::platform::systrap
