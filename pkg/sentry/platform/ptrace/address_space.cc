// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/ptrace/address_space.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "pkg/sentry/platform/ptrace/context.h"

namespace cvisor::platform::ptrace {

PtraceAddressSpace::PtraceAddressSpace(PtracePlatform& platform, pid_t pid,
                                       const PtraceContext* fpu_parent)
    : platform_(platform),
      pid_(pid),
      memory_(platform.proc(), pid, platform.min_user_address(), platform.max_user_address(),
              platform.vdso()) {
  Park({pid, fpu_parent});
}

PtraceAddressSpace::~PtraceAddressSpace() {
  // Contexts keep the address space they are bound to, so no thread of it is traced any more and
  // nothing but the host's work of tearing down stands between the kill and the end of the wait.
  if (reaped_.load(std::memory_order_acquire)) return;
  Pair::Attract(pid_);
  kill(pid_, SIGKILL);
  int status;
  while (waitpid(pid_, &status, __WALL) < 0 && errno == EINTR) {
  }
}

std::optional<PtraceAddressSpace::ParkedThread> PtraceAddressSpace::Claim() {
  MutexLock lock(&mu_);
  if (parked_.empty()) return std::nullopt;
  const ParkedThread thread = parked_.back();
  parked_.pop_back();
  return thread;
}

void PtraceAddressSpace::Park(ParkedThread thread) {
  MutexLock lock(&mu_);
  parked_.push_back(thread);
}

bool PtraceAddressSpace::InUserRange(UserAddr addr, uint64_t length) const {
  return addr >= platform_.min_user_address() && addr <= platform_.max_user_address() &&
         length <= platform_.max_user_address() - addr;
}

Status PtraceAddressSpace::Call(Context& ctx, uint64_t number, uint64_t a0, uint64_t a1,
                                uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5) {
  auto r = static_cast<PtraceContext&>(ctx).Call(*this, number, a0, a1, a2, a3, a4, a5);
  return r.ok() ? OkStatus() : Status(r.error());
}

Status PtraceAddressSpace::Map(Context& ctx, const MapOptions& opts) {
  if (!InUserRange(opts.addr, opts.length)) return Errno::kENOMEM;
  if (opts.fd < 0 && opts.shared) return Errno::kEINVAL;  // Nobody could share it.
  int flags = MAP_FIXED | (opts.shared ? MAP_SHARED : MAP_PRIVATE);
  if (opts.fd < 0) flags |= MAP_ANONYMOUS;
  if (opts.populate) flags |= MAP_POPULATE;
  if (opts.noreserve) flags |= MAP_NORESERVE;
  return Call(ctx, SYS_mmap, opts.addr, opts.length, static_cast<uint64_t>(opts.prot),
              static_cast<uint64_t>(flags), static_cast<uint64_t>(int64_t{opts.fd}), opts.offset);
}

Status PtraceAddressSpace::Unmap(Context& ctx, UserAddr addr, uint64_t length) {
  if (!InUserRange(addr, length)) return Errno::kEINVAL;
  return Call(ctx, SYS_munmap, addr, length);
}

Status PtraceAddressSpace::Protect(Context& ctx, UserAddr addr, uint64_t length, int prot) {
  if (!InUserRange(addr, length)) return Errno::kENOMEM;
  return Call(ctx, SYS_mprotect, addr, length, static_cast<uint64_t>(prot));
}

Status PtraceAddressSpace::Remap(Context& ctx, UserAddr old_addr, uint64_t old_length,
                                 UserAddr new_addr, uint64_t new_length, bool keep_old) {
  if (!InUserRange(old_addr, old_length) || !InUserRange(new_addr, new_length)) {
    return Errno::kEINVAL;
  }
  uint64_t flags = MREMAP_MAYMOVE | MREMAP_FIXED;
  if (keep_old) flags |= MREMAP_DONTUNMAP;
  if (old_addr == new_addr && !keep_old) flags = 0;  // Resized in place; FIXED refuses that.
  return Call(ctx, SYS_mremap, old_addr, old_length, new_length, flags, new_addr);
}

Status PtraceAddressSpace::Advise(Context& ctx, UserAddr addr, uint64_t length, int advice) {
  if (!InUserRange(addr, length)) return Errno::kENOMEM;
  return Call(ctx, SYS_madvise, addr, length, static_cast<uint64_t>(advice));
}

Status PtraceAddressSpace::Sync(Context& ctx, UserAddr addr, uint64_t length, int flags) {
  if (!InUserRange(addr, length)) return Errno::kENOMEM;
  return Call(ctx, SYS_msync, addr, length, static_cast<uint64_t>(flags));
}

Status PtraceAddressSpace::Mincore(Context& ctx, UserAddr addr, uint64_t length,
                                   std::span<uint8_t> out) {
  if (!InUserRange(addr, length)) return Errno::kENOMEM;
  const uint64_t pages = (length + kPageSize - 1) / kPageSize;
  if (out.size() < pages) return Errno::kEINVAL;
  const uint64_t scratch = platform_.layout().scratch;
  for (uint64_t done = 0; done < pages;) {
    const uint64_t n = std::min(pages - done, kPageSize);
    RETURN_IF_ERROR(Call(ctx, SYS_mincore, addr + done * kPageSize, n * kPageSize, scratch));
    iovec local{out.data() + done, n};
    iovec remote{reinterpret_cast<void*>(scratch), n};
    if (process_vm_readv(pid_, &local, 1, &remote, 1, 0) != static_cast<ssize_t>(n)) {
      return Errno::kESRCH;
    }
    done += n;
  }
  // The page is writable for the application too: whatever it put there, only these bits are
  // mincore's.
  for (uint8_t& b : out.first(pages)) b &= 1;
  return OkStatus();
}

Result<Ref<AddressSpace>> PtraceAddressSpace::Fork(Context& ctx) {
  auto& parent = static_cast<PtraceContext&>(ctx);
  ASSIGN_OR_RETURN(const pid_t pid, parent.CloneStub(*this, kForkCloneFlags));
  return Ref<AddressSpace>(new PtraceAddressSpace(platform_, pid, &parent));
}

Status PtraceAddressSpace::Clear(Context& ctx) {
  const UserAddr start = platform_.min_user_address();
  return Unmap(ctx, start, platform_.max_user_address() - start);
}

Result<size_t> PtraceAddressSpace::CopyIn(UserAddr src, std::span<std::byte> dst) {
  if (dead_.load(std::memory_order_relaxed)) return Errno::kESRCH;
  return memory_.CopyIn(src, dst);
}

Result<size_t> PtraceAddressSpace::CopyOut(UserAddr dst, std::span<const std::byte> src) {
  if (dead_.load(std::memory_order_relaxed)) return Errno::kESRCH;
  return memory_.CopyOut(dst, src);
}

Result<size_t> PtraceAddressSpace::ForceCopyIn(UserAddr src, std::span<std::byte> dst) {
  if (dead_.load(std::memory_order_relaxed)) return Errno::kESRCH;
  return memory_.ForceCopyIn(src, dst);
}

Result<size_t> PtraceAddressSpace::ForceCopyOut(UserAddr dst, std::span<const std::byte> src) {
  if (dead_.load(std::memory_order_relaxed)) return Errno::kESRCH;
  return memory_.ForceCopyOut(dst, src);
}

Result<uint32_t> PtraceAddressSpace::Load32(UserAddr addr) {
  if (dead_.load(std::memory_order_relaxed)) return Errno::kESRCH;
  return memory_.Load32(addr);
}

AddressSpace::Usage PtraceAddressSpace::GetUsage() {
  if (dead_.load(std::memory_order_relaxed)) return {};
  Usage u = platform_.proc().ReadUsage(pid_);
  const Usage& empty = platform_.empty_usage();
  const auto less = [](uint64_t a, uint64_t b) { return a > b ? a - b : 0; };
  u.anon_bytes = less(u.anon_bytes, empty.anon_bytes);
  u.file_bytes = less(u.file_bytes, empty.file_bytes);
  u.shmem_bytes = less(u.shmem_bytes, empty.shmem_bytes);
  u.rss_bytes = u.anon_bytes + u.file_bytes + u.shmem_bytes;
  return u;
}

}  // namespace cvisor::platform::ptrace
