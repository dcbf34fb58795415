// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/systrap/call_sites.h"

#include <algorithm>
#include <cstring>

#include "pkg/base/log.h"

namespace cvisor::platform::systrap {
namespace {

constexpr uint64_t kPageSize = 4096;
constexpr uint64_t kSyscallSize = 2;
// Instructions before a SYSCALL that make a jump with a prefix necessary.
constexpr uint8_t kLongDisplaced = 6;
constexpr uint64_t kTrapBreakpoint = 3, kTrapInvalidOpcode = 6, kTrapProtection = 13;
// Traps of one site until it is patched.
constexpr uint32_t kTrapsToPatch = 4;
constexpr size_t kMaxCounted = 4096;
constexpr size_t kMaxSites = TRAMPOLINE_SIZE / TRAMPOLINE_STRIDE - 1;
// The part of a trampoline that enters the stub.
constexpr uint64_t kEnterSize = 13 + 10 + 7;

class Code {
 public:
  Code& Bytes(std::initializer_list<uint8_t> bytes) {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Code& Bytes(std::span<const uint8_t> bytes) {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Code& U32(uint64_t v) { return Value(v, 4); }
  Code& U64(uint64_t v) { return Value(v, 8); }
  Code& PadTo(size_t size) {
    out_.resize(size);
    return *this;
  }
  std::span<const uint8_t> bytes() const { return out_; }

 private:
  Code& Value(uint64_t v, int n) {
    for (int i = 0; i < n; ++i) out_.push_back(static_cast<uint8_t>(v >> (8 * i)));
    return *this;
  }
  std::vector<uint8_t> out_;
};

// The jump through the pointer at `pointer` that a site gets.
Code Jump(const PatchPlan& plan, uint64_t pointer) {
  constexpr uint8_t kSib = 0x25, kFaultingSib = 0xe5;
  Code jump;
  // As long as what it replaces, so that whoever goes on behind the SYSCALL finds what was there.
  const bool rex = plan.before && plan.displaced == kLongDisplaced;
  if (rex) jump.Bytes({0x48});
  // Where somebody may go on at the SIB byte.
  const bool at_sib = !plan.before || plan.boundary == (rex ? 3 : 2);
  return jump.Bytes({0xff, 0x24, at_sib ? kFaultingSib : kSib}).U32(pointer);
}

}  // namespace

CallSites::CallSites(const Frozen* parent) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  if (parent == nullptr) return;
  const CallSites& p = parent->sites_;
  disabled_ = p.disabled_;
  texts_ = p.texts_;
  sites_ = p.sites_;
  inner_ = p.inner_;
  starts_ = p.starts_;
  former_ = p.former_;
  any_.store(p.any_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  undone_.store(p.undone(), std::memory_order_relaxed);
}

void CallSites::OnMap(UserAddr addr, uint64_t length, bool text) {
  const uint64_t end = addr + length;
  MutexLock lock(mu_);
  if (RemoveTexts(addr, end)) RemoveSites(addr, end);
  if (text && !disabled_) texts_.push_back({addr, end});
}

bool CallSites::RemoveTexts(uint64_t addr, uint64_t end) {
  bool overlap = false;
  for (size_t i = 0; i < texts_.size();) {
    const Range r = texts_[i];
    if (r.end <= addr || r.start >= end) {
      ++i;
      continue;
    }
    overlap = true;
    texts_.erase(texts_.begin() + static_cast<ptrdiff_t>(i));
    if (r.start < addr)
      texts_.insert(texts_.begin() + static_cast<ptrdiff_t>(i++), {r.start, addr});
    if (r.end > end) texts_.insert(texts_.begin() + static_cast<ptrdiff_t>(i++), {end, r.end});
  }
  return overlap;
}

void CallSites::RemoveSites(uint64_t start, uint64_t end) {
  const auto gone = [start, end](const auto& entry) {
    return entry.first >= start && entry.first < end;
  };
  std::erase_if(inner_, gone);
  std::erase_if(starts_, gone);
  std::erase_if(former_, gone);
  std::erase_if(traps_, gone);
}

void CallSites::Clear() {
  MutexLock lock(mu_);
  any_.store(false, std::memory_order_relaxed);
  undone_.store(false, std::memory_order_relaxed);
  disabled_ = false;
  texts_.clear();
  sites_.clear();
  inner_.clear();
  starts_.clear();
  former_.clear();
  traps_.clear();
}

void CallSites::Restore(Host& host, UserAddr addr, uint64_t length) {
  const uint64_t end = addr + std::min(length, ~addr);
  MutexLock lock(mu_);
  RemoveTexts(addr, end);
  RestoreLocked(host, addr, end);
}

void CallSites::RestoreLocked(Host& host, uint64_t start, uint64_t end) {
  for (auto it = starts_.begin(); it != starts_.end();) {
    const auto [at, index] = *it;
    const Site& site = sites_[index];
    if (at >= end || at + site.original.size() <= start) {
      ++it;
      continue;
    }
    Replace(host, at, site.original);
    former_[at] = index;
    for (const Inner& inner : InnersOf(index)) {
      inner_.erase(inner.address);
      former_[inner.address] = index;
    }
    it = starts_.erase(it);
  }
}

void CallSites::Disable(Host& host) {
  MutexLock lock(mu_);
  if (disabled_) return;
  disabled_ = true;
  undone_.store(true, std::memory_order_relaxed);
  RestoreLocked(host, 0, ~uint64_t{0});
  texts_.clear();
  traps_.clear();
}

void CallSites::OnTrap(Host& host, const arch::Registers& regs) {
  MutexLock lock(mu_);
  if (disabled_ || texts_.empty()) return;
  if (traps_.size() >= kMaxCounted && !traps_.contains(regs.rip)) traps_.clear();
  if (++traps_[regs.rip] != kTrapsToPatch) return;
  Patch(host, regs);
}

bool CallSites::Patch(Host& host, const arch::Registers& regs) {
  const uint64_t back = regs.rip, syscall_ip = back - kSyscallSize, from = back - kPlanBefore;
  const bool inside = std::any_of(texts_.begin(), texts_.end(), [&](const Range& r) {
    return from >= r.start && back + kPlanAfter <= r.end;
  });
  uint8_t text[kPlanBefore + kPlanAfter];
  if (!inside || sites_.size() >= kMaxSites || !host.ReadCode(from, text)) return false;
  const auto read = [&host](uint64_t addr, std::span<uint8_t> to) {
    return host.ReadCode(addr, to);
  };
  const auto plan =
      PlanPatch(std::span(text).first(kPlanBefore), std::span(text).last(kPlanAfter), regs, read);
  if (!plan) return false;
  // In one page, so that no part of it can be unmapped or replaced alone.
  const uint64_t first = syscall_ip - (plan->before ? plan->displaced : 0);
  const uint64_t last = back + (plan->before ? 0 : plan->displaced) - 1;
  if (first / kPageSize != last / kPageSize) return false;
  if (!any_.load(std::memory_order_relaxed)) {
    Code entry;
    entry.U64(host.StubEntry());
    if (!host.MapTrampolines() || !host.WriteCode(TRAMPOLINE_BASE, entry.bytes())) {
      disabled_ = true;
      LogInfo("systrap: no trampolines at %#x: calls are not patched", TRAMPOLINE_BASE);
      return false;
    }
    any_.store(true, std::memory_order_relaxed);
  }

  const uint64_t slot = Slot(sites_.size());
  const uint64_t post =
      slot + kTrampolineCode + (plan->before ? plan->code.size() : 0) + kEnterSize;
  Code t;
  t.U64(back + (plan->before ? 0 : plan->displaced));
  if (plan->before) t.Bytes(plan->code);
  t.Bytes({0x65, 0x48, 0xc7, 0x04, 0x25}).U32(T_JUMP).U32(post);  // movq $post, %gs:T_JUMP
  t.Bytes({0x48, 0xb9}).U64(back);                                // movabs $back, %rcx
  t.Bytes({0xff, 0x24, 0x25}).U32(TRAMPOLINE_BASE);               // jmp *TRAMPOLINE_BASE
  if (!plan->before) t.Bytes(plan->code);
  t.Bytes({0xff, 0x24, 0x25}).U32(slot + kTrampolineBack);  // jmp *back
  t.PadTo(kTrampolinePointer).U64(slot + kTrampolineCode);
  if (!host.WriteCode(slot, t.bytes())) return false;

  const Code jump = Jump(*plan, slot + kTrampolinePointer);
  Site site{.start = first, .syscall = syscall_ip, .plan = *plan, .original = {}};
  const uint8_t* const replaced = text + (first - from);
  site.original.assign(replaced, replaced + jump.bytes().size());
  // Known before the first byte changes: from then on there can be faults.
  const size_t index = sites_.size();
  sites_.push_back(std::move(site));
  starts_[first] = index;
  former_.erase(first);
  for (const Inner& inner : InnersOf(index)) {
    former_.erase(inner.address);
    inner_[inner.address] = inner.entry;
  }
  if (Replace(host, first, jump.bytes())) return true;
  starts_.erase(first);
  for (const Inner& inner : InnersOf(index)) inner_.erase(inner.address);
  return false;
}

absl::InlinedVector<CallSites::Inner, 2> CallSites::InnersOf(size_t index) const {
  const Site& site = sites_[index];
  const uint64_t code = Slot(index) + kTrampolineCode;
  if (!site.plan.before) return {{site.syscall + kSyscallSize, code + kEnterSize}};
  absl::InlinedVector<Inner, 2> inners = {{site.syscall, code + site.plan.code.size()}};
  if (site.plan.boundary != 0) {
    inners.push_back({site.start + site.plan.boundary, code + site.plan.code_boundary});
  }
  return inners;
}

bool CallSites::Replace(Host& host, uint64_t at, std::span<const uint8_t> bytes) {
  if (host.SingleThreaded()) return host.WriteCode(at, bytes);
  // Another core may be fetching these bytes. A breakpoint holds it off while they are a mixture.
  const uint8_t breakpoint = 0xcc;
  return host.WriteCode(at, std::span(&breakpoint, 1)) && host.SyncCores() &&
         host.WriteCode(at + 1, bytes.subspan(1)) && host.SyncCores() &&
         host.WriteCode(at, bytes.first(1)) && host.SyncCores();
}

uint64_t CallSites::EntryFor(uint64_t rip) {
  if (!any_.load(std::memory_order_relaxed) || undone()) return rip;
  MutexLock lock(mu_);
  if (disabled_) return rip;
  const auto it = inner_.find(rip);
  return it != inner_.end() ? it->second : rip;
}

uint64_t CallSites::ApplicationIp(uint64_t ip) {
  MutexLock lock(mu_);
  const uint64_t index = (ip - TRAMPOLINE_BASE) / TRAMPOLINE_STRIDE - 1;
  if (index >= sites_.size()) return ip;
  const Site& s = sites_[index];
  const uint64_t code = Slot(index) + kTrampolineCode;
  if (s.plan.before) {
    const uint64_t enter = code + s.plan.code.size();
    if (ip < enter) {
      return ip >= code + s.plan.code_boundary ? s.start + s.plan.boundary : s.start;
    }
    return ip < enter + kEnterSize ? s.syscall : s.syscall + kSyscallSize;
  }
  const uint64_t post = code + kEnterSize;
  if (ip < post) return s.syscall;
  return s.syscall + kSyscallSize + (ip < post + s.plan.displaced ? 0 : s.plan.displaced);
}

bool CallSites::OnFault(Host& host, uint64_t trapno, arch::Registers* regs) {
  if (!any_.load(std::memory_order_relaxed)) return false;
  MutexLock lock(mu_);
  const bool breakpoint = trapno == kTrapBreakpoint;
  if (!breakpoint && trapno != kTrapInvalidOpcode && trapno != kTrapProtection) return false;
  const uint64_t at = regs->rip - (breakpoint ? 1 : 0);
  const bool patched = breakpoint ? starts_.contains(at) : inner_.contains(at);
  if (!patched && !WasPatched(host, at)) return false;
  regs->rip = at;
  return true;
}

bool CallSites::WasPatched(Host& host, uint64_t at) {
  const auto it = former_.find(at);
  if (it == former_.end()) return false;
  const Site& site = sites_[it->second];
  absl::InlinedVector<uint8_t, 8> code(site.original.size());
  // The original instructions do not fault like this.
  return host.ReadCode(site.start, std::span(code)) && code == site.original;
}

}  // namespace cvisor::platform::systrap
