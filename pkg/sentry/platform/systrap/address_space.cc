// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/systrap/address_space.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "pkg/base/log.h"
#include "pkg/sentry/platform/systrap/context.h"
#include "pkg/sentry/platform/systrap/stub.h"

namespace cvisor::platform::systrap {

SystrapAddressSpace::SystrapAddressSpace(SystrapPlatform& platform, Ref<StubProcess> process,
                                         const CallSites::Frozen* sites)
    : platform_(platform),
      process_(std::move(process)),
      memory_(platform.proc(), process_->pid(), platform.min_user_address(),
              platform.max_user_address(), platform.vdso()),
      sites_(sites) {
  MutexLock lock(mu_);
  parked_.push_back(std::make_unique<StubThread>(process_, platform_.layout(), 0, NewThread{}));
}

SystrapAddressSpace::~SystrapAddressSpace() {
  {
    MutexLock lock(mu_);
    parked_.clear();
  }
  process_->Release();
}

bool SystrapAddressSpace::InUserRange(UserAddr addr, uint64_t length) const {
  return addr >= platform_.min_user_address() && addr <= platform_.max_user_address() &&
         length <= platform_.max_user_address() - addr;
}

Status SystrapAddressSpace::Call(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                                 uint64_t a4, uint64_t a5) {
  auto r = process_->agent().Call(nr, a0, a1, a2, a3, a4, a5);
  return r.ok() ? OkStatus() : Status(r.error());
}

Status SystrapAddressSpace::Map(Context& ctx, const MapOptions& opts) {
  if (!InUserRange(opts.addr, opts.length)) return Errno::kENOMEM;
  if (opts.fd < 0 && opts.shared) return Errno::kEINVAL;  // Nobody could share it.
  int flags = MAP_FIXED | (opts.shared ? MAP_SHARED : MAP_PRIVATE);
  if (opts.fd < 0) flags |= MAP_ANONYMOUS;
  if (opts.populate) flags |= MAP_POPULATE;
  if (opts.noreserve) flags |= MAP_NORESERVE;
  if (opts.fd < 0 && !opts.populate) {
    // The new memory is the application's alone, so that its own thread may make it.
    const auto done =
        static_cast<SystrapContext&>(ctx).QuickMap(*this, opts.addr, opts.length, opts.prot, flags);
    if (done.has_value()) {
      if (done->ok()) sites_.OnMap(opts.addr, opts.length, false);
      return *done;
    }
  }
  RETURN_IF_ERROR(Call(SYS_mmap, opts.addr, opts.length, static_cast<uint64_t>(opts.prot),
                       static_cast<uint64_t>(flags), static_cast<uint64_t>(int64_t{opts.fd}),
                       opts.offset));
  const bool text =
      opts.fd >= 0 && !opts.shared && (opts.prot & (PROT_EXEC | PROT_WRITE)) == PROT_EXEC;
  sites_.OnMap(opts.addr, opts.length, text);
  return OkStatus();
}

Status SystrapAddressSpace::Unmap(Context& ctx, UserAddr addr, uint64_t length) {
  if (!InUserRange(addr, length)) return Errno::kEINVAL;
  const auto done = static_cast<SystrapContext&>(ctx).QuickUnmap(*this, addr, length);
  RETURN_IF_ERROR(done.has_value() ? *done : Call(SYS_munmap, addr, length));
  sites_.OnMap(addr, length, false);
  return OkStatus();
}

Status SystrapAddressSpace::Protect(Context&, UserAddr addr, uint64_t length, int prot) {
  if (!InUserRange(addr, length)) return Errno::kENOMEM;
  if ((prot & PROT_WRITE) != 0) sites_.Restore(*this, addr, length);
  return Call(SYS_mprotect, addr, length, static_cast<uint64_t>(prot));
}

Status SystrapAddressSpace::Remap(Context&, UserAddr old_addr, uint64_t old_length,
                                  UserAddr new_addr, uint64_t new_length, bool keep_old) {
  if (!InUserRange(old_addr, old_length) || !InUserRange(new_addr, new_length)) {
    return Errno::kEINVAL;
  }
  uint64_t flags = MREMAP_MAYMOVE | MREMAP_FIXED;
  if (keep_old) flags |= MREMAP_DONTUNMAP;
  if (old_addr == new_addr && !keep_old) flags = 0;  // Resized in place; FIXED refuses that.
  sites_.Restore(*this, old_addr, old_length);
  RETURN_IF_ERROR(Call(SYS_mremap, old_addr, old_length, new_length, flags, new_addr));
  sites_.OnMap(old_addr, old_length, false);
  sites_.OnMap(new_addr, new_length, false);
  return OkStatus();
}

Status SystrapAddressSpace::Advise(Context&, UserAddr addr, uint64_t length, int advice) {
  if (!InUserRange(addr, length)) return Errno::kENOMEM;
  return Call(SYS_madvise, addr, length, static_cast<uint64_t>(advice));
}

Status SystrapAddressSpace::Sync(Context&, UserAddr addr, uint64_t length, int flags) {
  if (!InUserRange(addr, length)) return Errno::kENOMEM;
  return Call(SYS_msync, addr, length, static_cast<uint64_t>(flags));
}

Status SystrapAddressSpace::Mincore(Context&, UserAddr addr, uint64_t length,
                                    std::span<uint8_t> out) {
  if (!InUserRange(addr, length)) return Errno::kENOMEM;
  const uint64_t pages = (length + kPageSize - 1) / kPageSize;
  if (out.size() < pages) return Errno::kEINVAL;
  AgentReply& reply = process_->slab().reply();
  for (uint64_t done = 0; done < pages;) {
    const uint64_t n = std::min<uint64_t>(pages - done, sizeof(reply.results));
    RETURN_IF_ERROR(Call(SYS_mincore, addr + done * kPageSize, n * kPageSize, ReplyResults()));
    // Whatever the application put there, only these bits are mincore's.
    for (uint64_t i = 0; i < n; ++i) out[done + i] = ReadOnce(reply.results[i]) & 1;
    done += n;
  }
  return OkStatus();
}

uint64_t SystrapAddressSpace::ReplyResults() const {
  return platform_.layout().slab() + SLAB_REPLY_OFFSET + offsetof(AgentReply, results);
}

void SystrapAddressSpace::ReportAllCalls() {
  __atomic_and_fetch(&process_->slab().agent().features, ~AGENT_LOCAL_CALLS, __ATOMIC_SEQ_CST);
}

void SystrapAddressSpace::ShowOriginalCode() { sites_.Disable(*this); }

void SystrapAddressSpace::NoteFutexWaiters(UserAddr addr, int change) {
  __atomic_add_fetch(&process_->slab().futexes().waiters[FUTEX_WAITERS_INDEX(addr)],
                     static_cast<uint32_t>(change), __ATOMIC_SEQ_CST);
}

Result<Ref<AddressSpace>> SystrapAddressSpace::Fork(Context&) {
  const CallSites::Frozen sites(sites_);
  ASSIGN_OR_RETURN(Ref<StubProcess> child, platform_.ForkProcess(process_->agent()));
  child->slab().agent().features = process_->slab().agent().features;
  return Ref<AddressSpace>(new SystrapAddressSpace(platform_, std::move(child), &sites));
}

Status SystrapAddressSpace::Clear(Context&) {
  sites_.Clear();
  // The trampolines are below the application's addresses.
  const UserAddr start = TRAMPOLINE_BASE;
  return Call(SYS_munmap, start, platform_.max_user_address() - start);
}

Result<size_t> SystrapAddressSpace::CopyIn(UserAddr src, std::span<std::byte> dst) {
  if (process_->dead()) return Errno::kESRCH;
  SystrapContext* const ctx = SystrapContext::Current();
  if (ctx != nullptr && InUserRange(src, dst.size()) && ctx->QuickCopyIn(*this, src, dst)) {
    return dst.size();
  }
  return memory_.CopyIn(src, dst);
}

Result<size_t> SystrapAddressSpace::CopyOut(UserAddr dst, std::span<const std::byte> src) {
  if (process_->dead()) return Errno::kESRCH;
  SystrapContext* const ctx = SystrapContext::Current();
  if (ctx != nullptr && InUserRange(dst, src.size()) && ctx->QuickCopyOut(*this, dst, src)) {
    return src.size();
  }
  return memory_.CopyOut(dst, src);
}

Result<size_t> SystrapAddressSpace::ForceCopyIn(UserAddr src, std::span<std::byte> dst) {
  if (process_->dead()) return Errno::kESRCH;
  return memory_.ForceCopyIn(src, dst);
}

Result<size_t> SystrapAddressSpace::ForceCopyOut(UserAddr dst, std::span<const std::byte> src) {
  if (process_->dead()) return Errno::kESRCH;
  sites_.Restore(*this, dst, src.size());
  return memory_.ForceCopyOut(dst, src);
}

Result<uint32_t> SystrapAddressSpace::Load32(UserAddr addr) {
  if (process_->dead()) return Errno::kESRCH;
  return memory_.Load32(addr);
}

AddressSpace::Usage SystrapAddressSpace::GetUsage() {
  if (process_->dead()) return {};
  Usage u = platform_.proc().ReadUsage(process_->pid());
  const Usage& empty = platform_.empty_usage();
  const auto less = [](uint64_t a, uint64_t b) { return a > b ? a - b : 0; };
  u.anon_bytes = less(u.anon_bytes, empty.anon_bytes);
  u.file_bytes = less(u.file_bytes, empty.file_bytes);
  u.shmem_bytes = less(u.shmem_bytes, empty.shmem_bytes);
  u.rss_bytes = u.anon_bytes + u.file_bytes + u.shmem_bytes;
  return u;
}

AddressSpace::Usage SystrapAddressSpace::GetTotals() {
  if (process_->dead()) return {};
  Usage u = platform_.proc().ReadTotals(process_->pid());
  u.rss_bytes -= std::min(u.rss_bytes, platform_.empty_usage().rss_bytes);
  return u;
}

AddressSpace::Usage SystrapAddressSpace::FinalTotals() {
  // Cheaper than a file of /proc, which the host would have to take away again at once.
  AgentReply& reply = process_->slab().reply();
  static_assert(sizeof(rusage) <= sizeof(reply.results));
  if (!Call(SYS_getrusage, RUSAGE_SELF, ReplyResults()).ok()) return {};
  // The application may have changed it: it is the one that these numbers are about.
  rusage r;
  memcpy(&r, reply.results, sizeof(r));
  const auto number = [](long v) { return static_cast<uint64_t>(std::clamp(v, 0l, 1l << 40)); };
  Usage u;
  u.minor_faults = number(r.ru_minflt);
  u.major_faults = number(r.ru_majflt);
  u.rss_bytes = number(r.ru_maxrss) * 1024;
  u.rss_bytes -= std::min(u.rss_bytes, platform_.empty_usage().rss_bytes);
  return u;
}

uint64_t SystrapAddressSpace::CpuNs(const StubThread& thread) {
  if (process_->dead()) return 0;
  if (SingleThreaded()) {
    // The process's clock (clock_getcpuclockid(3)) has no more than the agent's work besides, and a file of
    // /proc costs the host much more, at its end once again.
    const clockid_t clock = static_cast<clockid_t>(~static_cast<uint32_t>(process_->pid()) << 3 | 2);
    timespec ts;
    if (clock_gettime(clock, &ts) != 0) return 0;
    return static_cast<uint64_t>(ts.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(ts.tv_nsec);
  }
  return platform_.proc().ReadThreadCpuNs(process_->pid(), thread.tid());
}

Result<std::unique_ptr<StubThread>> SystrapAddressSpace::Claim(bool listener) {
  uint32_t index;
  {
    MutexLock lock(mu_);
    const auto it = std::find_if(parked_.begin(), parked_.end(), [listener](const auto& thread) {
      return !listener || thread->has_listener();
    });
    if (it != parked_.end()) {
      auto thread = std::move(*it);
      parked_.erase(it);
      return thread;
    }
    if (next_index_ >= SLAB_MAX_THREADS) return Errno::kEAGAIN;
    index = next_index_++;
    process_->NoteThreads(next_index_);
  }
  // Its page must be as the thread expects it before it runs.
  ThreadPage& page = process_->slab().thread(index);
  page.self = platform_.layout().thread_page(index);
  auto made = process_->agent().MakeThread(platform_.layout(), index, listener);
  if (!made.ok()) {
    MutexLock lock(mu_);
    if (index + 1 == next_index_) --next_index_;
    return made.error();
  }
  return std::make_unique<StubThread>(process_, platform_.layout(), index, *made);
}

bool SystrapAddressSpace::ReadCode(UserAddr addr, std::span<uint8_t> to) {
  auto n = memory_.CopyIn(addr, std::as_writable_bytes(to));
  return n.ok() && *n == to.size();
}

bool SystrapAddressSpace::WriteCode(UserAddr addr, std::span<const uint8_t> bytes) {
  return memory_.ForceWrite(addr, std::as_bytes(bytes)).ok();
}

bool SystrapAddressSpace::MapTrampolines() {
  return Call(SYS_mmap, TRAMPOLINE_BASE, TRAMPOLINE_SIZE, PROT_READ | PROT_EXEC,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, ~uint64_t{0}, 0)
      .ok();
}

bool SystrapAddressSpace::SyncCores() {
  // All stub processes have inherited the template's registration.
  return Call(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0).ok();
}

bool SystrapAddressSpace::SingleThreaded() {
  MutexLock lock(mu_);
  return next_index_ == 1;
}

uint64_t SystrapAddressSpace::StubEntry() {
  return platform_.layout().at(stub_offset::StubSyscallEntry);
}

void SystrapAddressSpace::Park(std::unique_ptr<StubThread> thread) {
  MutexLock lock(mu_);
  parked_.push_back(std::move(thread));
}

}  // namespace cvisor::platform::systrap
