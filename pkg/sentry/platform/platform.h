// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The platform: how application code is run and how its memory comes to exist. Nothing above this
// interface knows about ptrace, stub processes or virtual machines.
//
// Threads. A Context belongs to one host thread, the task thread that made it; only that thread may
// call its methods, except Interrupt() and the methods marked "any thread". An AddressSpace may be used
// by any thread, but mapping operations take the calling thread's Context (its stub thread may be the
// one that carries them out). The caller (mm::MemoryManager) serialises mapping operations on one
// address space.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_PLATFORM_H_
#define CVISOR_PKG_SENTRY_PLATFORM_PLATFORM_H_

#include <signal.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/arch/registers.h"

namespace cvisor::platform {

class AddressSpace;

// An address in the application's address space. Never dereferenced by the Sentry.
using UserAddr = uint64_t;

struct MapOptions {
  UserAddr addr = 0;       // page aligned; the exact place, replacing what is there
  uint64_t length = 0;     // multiple of the page size
  int prot = 0;            // PROT_*
  bool shared = false;     // MAP_SHARED; else a private (copy-on-write) mapping
  int fd = -1;             // host descriptor of the Sentry, or -1 for anonymous memory
  uint64_t offset = 0;     // into fd
  bool populate = false;   // MAP_POPULATE
  bool noreserve = false;  // MAP_NORESERVE
};

// Why Context::Switch() came back.
struct Event {
  enum Kind {
    kSyscall,    // registers hold number and arguments
    kFault,      // a synchronous signal of the application: see the fields below
    kInterrupt,  // Interrupt() was called, or nothing in particular: look for work and come back
    kDead,       // the stub is gone (killed from the host, out of memory): the process dies of SIGKILL
  };
  Kind kind = kInterrupt;
  int signo = 0;            // SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP
  int code = 0;             // si_code
  UserAddr addr = 0;        // si_addr
  uint64_t trapno = 0;      // x86 trap number (14 for page faults), for the signal frame
  uint64_t error_code = 0;  // x86 error code; bit 1 set on a write, where the platform knows
};

// What a caller changed in the registers since the last event.
enum class Changed {
  kNothing,
  kResult,  // rax alone, after kSyscall
  kAll,
};

// The user side of one application thread.
class Context {
 public:
  virtual ~Context() = default;

  // Runs the application in `as` from `*regs` until something happens; `*regs` is then what the
  // application's registers are. Of kSyscall, number and arguments (orig_rax, rax, rdi, rsi, rdx, r10, r8, r9)
  // are there at once, the others only after CompleteRegisters(): most calls do not need them. Who passes
  // kAll has completed them before.
  virtual Event SwitchLazily(AddressSpace& as, arch::Registers* regs, Changed changed) = 0;
  // Fills in the rest, before the next SwitchLazily(). Nothing happens if it is there already.
  virtual void CompleteRegisters(arch::Registers* regs) { static_cast<void>(regs); }
  // Both.
  Event Switch(AddressSpace& as, arch::Registers* regs, bool regs_dirty) {
    const Event event = SwitchLazily(as, regs, regs_dirty ? Changed::kAll : Changed::kNothing);
    CompleteRegisters(regs);
    return event;
  }

  // Any thread. Makes the current or the next Switch() return soon. May cause one spurious kInterrupt.
  virtual void Interrupt() = 0;

  // The thread is about to sleep on behalf of its application, or has woken up: a hint for those who
  // share the cores.
  virtual void Sleeping(bool asleep) { static_cast<void>(asleep); }

  // The calling thread, which this context is of (released perhaps), is about to wake the thread of `sleeper`, which
  // told Sleeping(true): a platform may want it on a certain core.
  virtual void AboutToWake(Context& sleeper) { static_cast<void>(sleeper); }

  // The FPU/XSAVE state of the thread (standard format, not compacted), valid between Switch() calls.
  virtual Result<std::vector<std::byte>> GetXsave() = 0;
  // Rejects malformed states with EINVAL; the thread's state is then unchanged.
  virtual Status SetXsave(std::span<const std::byte> state) = 0;
  // State at program start (exec).
  virtual void ResetXsave() = 0;

  // Prepares `child` (a Context just made by Platform::NewContext on the parent's thread, to be used by
  // another thread later) to start as a copy of this thread: same FPU state, in address space `as`
  // (the same one, or a fork of it). Called on this context's thread, before the child's thread runs.
  virtual Status CloneInto(Context& child, AddressSpace& as) = 0;
  // Around the making of the host thread that `child` is for, if that is a process of its own: a platform may
  // want it on a certain core. Both on this context's thread; by the second call the child may have ended.
  virtual void BeginThread(Context& child) { static_cast<void>(child); }
  virtual void EndThread() {}

  // Runs one thread-less atomic operation in the application's memory, on behalf of futexes. EFAULT if
  // not mapped readable and writable. Returns the value that was there; it was replaced iff it
  // equals `expected`.
  virtual Result<uint32_t> CompareAndSwap32(AddressSpace& as, UserAddr addr, uint32_t expected,
                                            uint32_t desired) = 0;

  // False once the application's side was killed from outside (by hand, or the host is out of memory),
  // which Switch() only reports when it is called. Any thread.
  virtual bool Alive() { return true; }

  // Ends the application's side by force, and with it all contexts that run in the same address space: for a
  // thread that is to end and does not come back from Switch(), or from another call of this class. They
  // return then, as if it had been killed from outside. Any thread.
  virtual void Kill() {}

  // CPU time that the application's side used so far, in nanoseconds. Any thread.
  virtual uint64_t UserCpuTimeNs() = 0;

  // Gives back the stub thread. Called by the context's thread before it ends, and by exec's
  // de_thread. After this only the destructor may be called.
  virtual void Release() = 0;
};

// What AddressSpace::ReportAllCalls() is about.
inline constexpr uint64_t kLocalCalls[] = {SYS_sched_yield, SYS_futex};

class AddressSpace : public RefCounted {
 public:
  // Mapping operations: mmap(2), munmap(2), mprotect(2), mremap(2) (never MAP_PRIVATE growth of a file by
  // itself; the new place is exact), madvise(2). Errors are the host's: ENOMEM and so on.
  virtual Status Map(Context& ctx, const MapOptions& opts) = 0;
  virtual Status Unmap(Context& ctx, UserAddr addr, uint64_t length) = 0;
  virtual Status Protect(Context& ctx, UserAddr addr, uint64_t length, int prot) = 0;
  // Moves (and resizes) the pages at old_addr to new_addr, replacing what is there. With keep_old
  // (MREMAP_DONTUNMAP) the old range stays mapped, empty.
  virtual Status Remap(Context& ctx, UserAddr old_addr, uint64_t old_length, UserAddr new_addr,
                       uint64_t new_length, bool keep_old) = 0;
  virtual Status Advise(Context& ctx, UserAddr addr, uint64_t length, int advice) = 0;
  // msync(2) flags, mincore(2): one byte a page.
  virtual Status Sync(Context& ctx, UserAddr addr, uint64_t length, int flags) = 0;
  virtual Status Mincore(Context& ctx, UserAddr addr, uint64_t length, std::span<uint8_t> out) = 0;

  // From now on, in its copies too, each system call comes out of Switch(). Without this a platform may do by
  // itself what no more than the host's scheduler is asked for, of kLocalCalls. Any thread.
  virtual void ReportAllCalls() {}

  // From now on, in its copies too, the application's code is in memory as the application put it there: who
  // reads or writes it through ForceCopyIn/Out (a debugger) meets nothing of the platform's. Until Clear().
  // Called on a thread whose context runs in this address space, between two Switch().
  virtual void ShowOriginalCode() {}

  // There are `change` (1 or -1) more tasks that wait, or are about to compare the word at `addr` in order to wait, in
  // futex(2) by that address. A platform may answer a FUTEX_WAKE by itself while there are none. Any thread;
  // raised before the word is compared, with a full barrier.
  virtual void NoteFutexWaiters(UserAddr addr, int change) {
    static_cast<void>(addr), static_cast<void>(change);
  }

  // A copy-on-write copy of everything mapped, for fork(2). Called on a thread whose context runs in
  // this address space.
  virtual Result<Ref<AddressSpace>> Fork(Context& ctx) = 0;

  // Unmaps everything of the application: exec of a single-user address space. The object stays.
  virtual Status Clear(Context& ctx) = 0;

  // Copies; any thread. Returns how many bytes were copied before the first fault; EFAULT if none.
  // Page permissions of the application's mappings hold. ESRCH if the stub is dead.
  virtual Result<size_t> CopyIn(UserAddr src, std::span<std::byte> dst) = 0;
  virtual Result<size_t> CopyOut(UserAddr dst, std::span<const std::byte> src) = 0;
  // Like CopyIn/CopyOut but ignoring page permissions (/proc/pid/mem, ptrace): breaks copy-on-write as
  // the host's FOLL_FORCE does.
  virtual Result<size_t> ForceCopyIn(UserAddr src, std::span<std::byte> dst) = 0;
  virtual Result<size_t> ForceCopyOut(UserAddr dst, std::span<const std::byte> src) = 0;
  // An aligned 32-bit load, for futex(2) waits.
  virtual Result<uint32_t> Load32(UserAddr addr) = 0;

  // Resident pages of the application, for /proc/pid/statm: bytes. Any thread.
  struct Usage {
    uint64_t rss_bytes = 0;
    uint64_t anon_bytes = 0;
    uint64_t file_bytes = 0;
    uint64_t shmem_bytes = 0;
    uint64_t minor_faults = 0;
    uint64_t major_faults = 0;
  };
  virtual Usage GetUsage() = 0;
  // The same without the kinds of memory (anon_bytes, file_bytes, shmem_bytes), which is cheaper.
  virtual Usage GetTotals() { return GetUsage(); }
  // The same when the application has ended; rss_bytes is what it was at most. By the thread of the last context.
  virtual Usage FinalTotals() { return GetTotals(); }
};

class Platform {
 public:
  virtual ~Platform() = default;

  virtual std::string_view name() const = 0;

  // An empty address space.
  virtual Result<Ref<AddressSpace>> NewAddressSpace() = 0;
  virtual Result<std::unique_ptr<Context>> NewContext() = 0;

  // The application's address range is [min_user_address, max_user_address).
  virtual UserAddr min_user_address() const = 0;
  virtual UserAddr max_user_address() const = 0;

  // Where the host's vDSO is in every address space (above max_user_address), 0 if there is none:
  // the value of AT_SYSINFO_EHDR, and the ranges to show as [vvar] and [vdso] in /proc/pid/maps.
  struct Vdso {
    UserAddr ehdr = 0;
    UserAddr vvar_start = 0, vvar_end = 0;
    UserAddr vdso_start = 0, vdso_end = 0;
  };
  virtual Vdso vdso() const = 0;

  // Size of the XSAVE area in signal frames and which components it has (XCR0).
  virtual size_t xsave_size() const = 0;
  virtual uint64_t xsave_features() const = 0;
};

}  // namespace cvisor::platform

#endif  // CVISOR_PKG_SENTRY_PLATFORM_PLATFORM_H_
