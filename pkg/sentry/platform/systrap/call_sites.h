// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// CallSites: the SYSCALL instructions of one address space that are replaced by jumps to the stub.
//
// Seven or eight bytes are replaced by `jmp *pointer`, where the pointer is at an absolute address
// near 0x60000. Let S be the address of the SYSCALL:
//   before: one or two instructions of 5 bytes and the SYSCALL (mov $nr,%eax; syscall), or the same
//   with 6
//           bytes and the jump with a REX prefix.
//   after:  the SYSCALL and the first 5 bytes of the instruction behind it, which may be longer
//           (syscall; cmp $-4095,%rax).
// A trampoline executes the displaced instructions and enters the stub. Another thread, a signal
// frame or a restarted call may still go on in the middle of the replaced bytes: at S or between
// the two instructions in the first shape, at S+2 in the second. What is there now must fault, and
// the thread is sent to the right place in the trampoline. The bytes of the jump are
//     [48] ff 24 SIB p0 p1 06 00
// S finds 06, which is invalid in 64-bit mode. S+2, and a second instruction behind 2 bytes of 5 or
// 3 of 6, finds SIB, which is e5 then: `e5 p0` is IN, which user mode may not do. A second
// instruction behind 3 bytes of 5 finds p0: pointers are where it is 6c or ec (INS, IN).
//
// Only private file mappings that are executable and not writable are patched: the host makes a
// private copy of the page. Before the application may write to them, or moves them, they are as
// they were. Nothing is patched before it has trapped a few times, as short-lived programs would
// not earn it back.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_CALL_SITES_H_
#define CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_CALL_SITES_H_

#include <atomic>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "pkg/base/mutex.h"
#include "pkg/base/result.h"
#include "pkg/sentry/arch/registers.h"
#include "pkg/sentry/platform/platform.h"
#include "pkg/sentry/platform/systrap/patch_plan.h"
#include "pkg/sentry/platform/systrap/stub_abi.h"

namespace cvisor::platform::systrap {

// What is where in a trampoline: the address of the application's code behind the site, the
// trampoline's code, its address.
inline constexpr uint64_t kTrampolineBack = 0, kTrampolineCode = 8, kTrampolinePointer = 0x6c;

class CallSites {
 public:
  // What the sites need of their address space.
  class Host {
   public:
    virtual ~Host() = default;
    virtual bool ReadCode(UserAddr addr, std::span<uint8_t> to) = 0;
    // Writes through page permissions, into private copies. Below min_user_address too.
    virtual bool WriteCode(UserAddr addr, std::span<const uint8_t> bytes) = 0;
    // Maps the trampolines' area, empty.
    virtual bool MapTrampolines() = 0;
    // Makes all cores forget instructions that they fetched.
    virtual bool SyncCores() = 0;
    // Whether no other thread runs in the address space.
    virtual bool SingleThreaded() = 0;
    virtual uint64_t StubEntry() = 0;
  };

  // Keeps everybody from patching while the address space is copied: its memory and its table
  // belong together.
  class Frozen {
   public:
    explicit Frozen(CallSites& sites) : sites_(sites), lock_(sites.mu_) {}

   private:
    friend class CallSites;
    CallSites& sites_;
    MutexLock lock_;
  };

  // Those of the address space that this one is a copy of, or null.
  explicit CallSites(const Frozen* parent = nullptr);

  // [addr, addr + length) was mapped anew, or unmapped. `text`: as a private executable file
  // mapping.
  void OnMap(UserAddr addr, uint64_t length, bool text);
  // Everything is unmapped, the trampolines too.
  void Clear();
  // [addr, addr + length) is about to be written, or moved: undoes its patches, for good.
  void Restore(Host& host, UserAddr addr, uint64_t length);
  // Undoes all patches, until Clear(): the application uses the GS base that the trampolines need, or a
  // debugger looks at the code.
  void Disable(Host& host);
  // Whether that happened: nobody is to go on in a trampoline.
  bool undone() const { return undone_.load(std::memory_order_relaxed); }

  // A call trapped; regs.rip is behind it. Perhaps patches it.
  void OnTrap(Host& host, const arch::Registers& regs);

  // Where to really go on when the application is to go on at `rip`.
  uint64_t EntryFor(uint64_t rip);
  static bool InTrampoline(uint64_t ip) { return ip - TRAMPOLINE_BASE < TRAMPOLINE_SIZE; }
  // What address the application is at when it is at `ip` in a trampoline.
  uint64_t ApplicationIp(uint64_t ip);
  // Whether a fault was made by the patches, and the application is to go on at regs->rip.
  bool OnFault(Host& host, uint64_t trapno, arch::Registers* regs);

 private:
  struct Site {
    uint64_t start = 0;    // of the replaced bytes
    uint64_t syscall = 0;  // S
    PatchPlan plan;
    absl::InlinedVector<uint8_t, 8> original;
  };
  // An address in the middle of a site where a thread may go on, and the same in the trampoline.
  struct Inner {
    uint64_t address, entry;
  };
  struct Range {
    uint64_t start, end;
  };

  absl::InlinedVector<Inner, 2> InnersOf(size_t index) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // False if there was no text.
  bool RemoveTexts(uint64_t start, uint64_t end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RestoreLocked(Host& host, uint64_t start, uint64_t end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RemoveSites(uint64_t start, uint64_t end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool Patch(Host& host, const arch::Registers& regs) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether what a thread met at `at` was a patch, and the original is there now.
  bool WasPatched(Host& host, uint64_t at) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static bool Replace(Host& host, uint64_t at, std::span<const uint8_t> bytes);
  static uint64_t Slot(size_t index) { return TRAMPOLINE_BASE + (index + 1) * TRAMPOLINE_STRIDE; }

  // Whether there is anything that the fast ways out must look at.
  std::atomic<bool> any_{false};
  std::atomic<bool> undone_{false};  // disabled_ by Disable()

  Mutex mu_;
  bool disabled_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<Range> texts_ ABSL_GUARDED_BY(mu_);
  // By trampoline. Never reused: a thread may be in one.
  std::vector<Site> sites_ ABSL_GUARDED_BY(mu_);
  // Addresses in the middle of patches to addresses in trampolines.
  std::unordered_map<uint64_t, uint64_t> inner_ ABSL_GUARDED_BY(mu_);
  // First bytes of patches.
  std::unordered_map<uint64_t, size_t> starts_ ABSL_GUARDED_BY(mu_);
  // The addresses of all kinds in patches that were undone. A thread may have met the patch and say
  // so only now.
  std::unordered_map<uint64_t, size_t> former_ ABSL_GUARDED_BY(mu_);
  // How often a call trapped; bounded.
  std::unordered_map<uint64_t, uint32_t> traps_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cvisor::platform::systrap

#endif  // CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_CALL_SITES_H_
