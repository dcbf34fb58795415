// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/mm/testing/fake_platform.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <string>

#include "pkg/base/check.h"
#include "pkg/base/unique_fd.h"

namespace cvisor::mm {
namespace {

using platform::UserAddr;

constexpr int kReserve = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

Status FromHost(int result) { return result == 0 ? OkStatus() : Status(static_cast<Errno>(errno)); }

Result<size_t> CopyWithMem(int open_flags, char* at, std::byte* buffer, size_t n) {
  UniqueFd fd(open("/proc/self/mem", open_flags | O_CLOEXEC));
  const auto offset = static_cast<off_t>(reinterpret_cast<uintptr_t>(at));
  const ssize_t got = open_flags == O_RDONLY ? pread(fd.get(), buffer, n, offset)
                                             : pwrite(fd.get(), buffer, n, offset);
  if (got <= 0) return Errno::kEFAULT;
  return static_cast<size_t>(got);
}

}  // namespace

// Unmapped space is PROT_NONE here, and told from the application's PROT_NONE mappings by nothing:
// tests that compare do not use those.
FakeAddressSpace::FakeAddressSpace() {
  void* p = mmap(nullptr, kSize, PROT_NONE, kReserve, -1, 0);
  CVISOR_CHECK(p != MAP_FAILED);
  base_ = static_cast<char*>(p);
}

FakeAddressSpace::~FakeAddressSpace() { munmap(base_, kSize); }

Status FakeAddressSpace::Map(platform::Context&, const platform::MapOptions& o) {
  CVISOR_CHECK(o.addr % 4096 == 0 && o.length % 4096 == 0 && o.length != 0);
  CVISOR_CHECK(o.addr < kSize && o.length <= kSize - o.addr);
  int flags = MAP_FIXED | (o.shared ? MAP_SHARED : MAP_PRIVATE);
  if (o.fd < 0) flags |= MAP_ANONYMOUS;
  if (o.populate) flags |= MAP_POPULATE;
  if (o.noreserve) flags |= MAP_NORESERVE;
  void* p = mmap(At(o.addr), o.length, o.prot, flags, o.fd, static_cast<off_t>(o.offset));
  return p == MAP_FAILED ? Status(static_cast<Errno>(errno)) : OkStatus();
}

Status FakeAddressSpace::Unmap(platform::Context&, UserAddr addr, uint64_t length) {
  void* p = mmap(At(addr), length, PROT_NONE, kReserve | MAP_FIXED, -1, 0);
  return p == MAP_FAILED ? Status(static_cast<Errno>(errno)) : OkStatus();
}

Status FakeAddressSpace::Protect(platform::Context&, UserAddr addr, uint64_t length, int prot) {
  return FromHost(mprotect(At(addr), length, prot));
}

Status FakeAddressSpace::Remap(platform::Context& ctx, UserAddr old_addr, uint64_t old_length,
                               UserAddr new_addr, uint64_t new_length, bool keep_old) {
  const int flags = MREMAP_MAYMOVE | MREMAP_FIXED | (keep_old ? MREMAP_DONTUNMAP : 0);
  void* p = mremap(At(old_addr), old_length, new_length, flags, At(new_addr));
  if (p == MAP_FAILED) return static_cast<Errno>(errno);
  return keep_old ? OkStatus() : Unmap(ctx, old_addr, old_length);
}

Status FakeAddressSpace::Advise(platform::Context&, UserAddr addr, uint64_t length, int advice) {
  switch (advice) {
    case MADV_DONTFORK:
    case MADV_DOFORK:
    case MADV_WIPEONFORK:
    case MADV_KEEPONFORK:
      marks_.push_back({addr, addr + length, advice});
      return OkStatus();
    default:
      return FromHost(madvise(At(addr), length, advice));
  }
}

Status FakeAddressSpace::Sync(platform::Context&, UserAddr addr, uint64_t length, int flags) {
  return FromHost(msync(At(addr), length, flags));
}

Status FakeAddressSpace::Mincore(platform::Context&, UserAddr addr, uint64_t length,
                                 std::span<uint8_t> out) {
  CVISOR_CHECK(out.size() >= length / 4096);
  return FromHost(mincore(At(addr), length, out.data()));
}

std::vector<FakeAddressSpace::HostRange> FakeAddressSpace::HostRanges() const {
  std::vector<HostRange> ranges;
  std::ifstream maps("/proc/self/maps");
  const auto base = reinterpret_cast<uintptr_t>(base_);
  for (std::string line; std::getline(maps, line);) {
    unsigned long start = 0, end = 0;
    char perm[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &start, &end, perm) != 3) continue;
    start = std::max(start, base);
    end = std::min(end, base + kSize);
    if (start >= end) continue;
    const int prot = (perm[0] == 'r' ? PROT_READ : 0) | (perm[1] == 'w' ? PROT_WRITE : 0) |
                     (perm[2] == 'x' ? PROT_EXEC : 0);
    const bool shared = perm[3] == 's';
    if (prot == PROT_NONE && !shared) continue;
    ranges.push_back({start - base, end - base, prot, shared});
  }
  return ranges;
}

Result<Ref<platform::AddressSpace>> FakeAddressSpace::Fork(platform::Context&) {
  auto child = MakeRef<FakeAddressSpace>();
  for (const HostRange& r : HostRanges()) {
    const size_t length = r.end - r.start;
    if (r.shared) {
      void* p = mremap(At(r.start), 0, length, MREMAP_MAYMOVE | MREMAP_FIXED, child->At(r.start));
      if (p == MAP_FAILED) return static_cast<Errno>(errno);
      continue;
    }
    void* p = mmap(child->At(r.start), length, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (p == MAP_FAILED) return static_cast<Errno>(errno);
    for (size_t at = 0; at < length; at += 4096) {
      auto* to = reinterpret_cast<std::byte*>(child->At(r.start + at));
      (void)CopyWithMem(O_RDONLY, At(r.start + at), to, 4096);
    }
    mprotect(p, length, r.prot);
  }
  std::vector<Mark> marks = marks_;
  for (size_t i = 0; i < marks.size(); ++i) {
    // A later mark of the opposite kind on the same range wins; tests use whole ranges.
    const Mark& m = marks[i];
    const auto undone = [&m](const Mark& later) {
      const int opposite = m.advice == MADV_DONTFORK ? MADV_DOFORK : MADV_KEEPONFORK;
      return later.advice == opposite && later.start <= m.start && later.end >= m.end;
    };
    if (std::any_of(marks.begin() + i, marks.end(), undone)) continue;
    const size_t length = m.end - m.start;
    if (m.advice == MADV_DONTFORK) {
      mmap(child->At(m.start), length, PROT_NONE, kReserve | MAP_FIXED, -1, 0);
    } else if (m.advice == MADV_WIPEONFORK) {
      madvise(child->At(m.start), length, MADV_DONTNEED);
      child->marks_.push_back(m);
    }
  }
  return Ref<platform::AddressSpace>(child);
}

Status FakeAddressSpace::Clear(platform::Context& ctx) {
  ++clears;
  marks_.clear();
  return Unmap(ctx, 0, kSize);
}

Result<size_t> FakeAddressSpace::CopyIn(UserAddr src, std::span<std::byte> dst) {
  const iovec local{dst.data(), dst.size()}, remote{At(src), dst.size()};
  const ssize_t n = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
  if (n <= 0) return Errno::kEFAULT;
  return static_cast<size_t>(n);
}

Result<size_t> FakeAddressSpace::CopyOut(UserAddr dst, std::span<const std::byte> src) {
  const iovec local{const_cast<std::byte*>(src.data()), src.size()}, remote{At(dst), src.size()};
  const ssize_t n = process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
  if (n <= 0) return Errno::kEFAULT;
  return static_cast<size_t>(n);
}

Result<size_t> FakeAddressSpace::ForceCopyIn(UserAddr src, std::span<std::byte> dst) {
  return CopyWithMem(O_RDONLY, At(src), dst.data(), dst.size());
}

Result<size_t> FakeAddressSpace::ForceCopyOut(UserAddr dst, std::span<const std::byte> src) {
  return CopyWithMem(O_RDWR, At(dst), const_cast<std::byte*>(src.data()), src.size());
}

Result<uint32_t> FakeAddressSpace::Load32(UserAddr addr) {
  uint32_t v = 0;
  auto n = CopyIn(addr, std::as_writable_bytes(std::span(&v, 1)));
  if (!n.ok() || *n != sizeof v) return Errno::kEFAULT;
  return v;
}

}  // namespace cvisor::mm
