// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Faults, and stacks that grow. The pages of mappings come from the host; what reaches the Sentry
// is an access outside of all mappings, or one that a mapping does not allow.

#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "pkg/sentry/mm/internal.h"
#include "pkg/sentry/mm/memory_manager.h"

namespace cvisor::mm {
namespace {

// A stack that grows is likely to grow on, and each step costs a fault and a mapping operation.
constexpr uint64_t kStackStep = 32 * kPageSize;

struct Binding {
  platform::Context* ctx = nullptr;
  MemoryManager* mm = nullptr;
};
thread_local Binding t_binding;

}  // namespace

void MemoryManager::BindThread(platform::Context* ctx, MemoryManager* mm) { t_binding = {ctx, mm}; }

bool MemoryManager::GrowStackLocked(const Caller& c, UserAddr addr) {
  auto it = vmas_.FindFrom(addr);
  if (it == vmas_.end() || it->first <= addr || !it->second.growsdown) return false;
  const Vma& stack = it->second;

  // How far down it may ever go: the limit, the lowest address, the mapping below.
  UserAddr lowest = std::max(kMmapMinAddr, platform_.min_user_address());
  if (c.rlimit_stack < stack.end) lowest = std::max(lowest, PageCeil(stack.end - c.rlimit_stack));
  if (it != vmas_.begin()) {
    const Vma& below = std::prev(it)->second;
    const bool gap = !below.growsdown && below.prot != PROT_NONE;
    lowest = std::max(lowest, below.end + (gap ? kStackGuardGap : 0));
  }
  const UserAddr page = PageFloor(addr);
  if (page < lowest) return false;

  const auto allowed = [&](UserAddr start) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const uint64_t more = stack.start - start;
    return MayExpandLocked(c, more, false) && (!stack.locked || MayLockLocked(c, more));
  };
  UserAddr start = page > lowest + kStackStep ? page - kStackStep + kPageSize : lowest;
  if (!allowed(start)) start = page;
  if (!allowed(start)) return false;

  Vma more = stack;
  more.start = start;
  more.end = stack.start;
  if (!HostMap(c, more, more.start, more.end, more.locked).ok()) return false;
  // New pages on the host do not have the marks that the rest of the stack has.
  const uint64_t length = more.length();
  if (more.dontfork) (void)as_->Advise(c.ctx, start, length, MADV_DONTFORK);
  if (more.wipeonfork) (void)as_->Advise(c.ctx, start, length, MADV_WIPEONFORK);
  vmas_.Insert(std::move(more));
  NotePeakLocked();
  return true;
}

MemoryManager::FaultResult MemoryManager::HandleFault(const Caller& c, int signo, int si_code,
                                                      UserAddr addr, UserAddr) {
  NoteCaller(c);
  // SIGBUS says what the host's page cache could not do; other codes (protection keys, general
  // protection) are not about mappings.
  if (signo != SIGSEGV || (si_code != SEGV_MAPERR && si_code != SEGV_ACCERR)) {
    return {.handled = false, .si_code = si_code};
  }
  MutexLock lock(mu_);
  const Vma* vma = vmas_.Find(addr);
  if (vma == nullptr) {
    return {.handled = GrowStackLocked(c, addr), .si_code = SEGV_MAPERR};
  }
  // Another thread has grown the stack in the meantime.
  if (si_code == SEGV_MAPERR && vma->growsdown && vma->prot != PROT_NONE) {
    return {.handled = true};
  }
  return {.handled = false, .si_code = si_code};
}

bool MemoryManager::GrowStackForCopy(UserAddr addr) {
  const Binding bound = t_binding;
  if (bound.mm != this || bound.ctx == nullptr || !InUserRange(addr, 1)) return false;
  Caller c{*bound.ctx};
  c.rlimit_stack = stack_limit_.load();
  MutexLock lock(mu_);
  return !gone_.load() && GrowStackLocked(c, addr);
}

}  // namespace cvisor::mm
