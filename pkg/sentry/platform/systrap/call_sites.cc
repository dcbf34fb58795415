// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/systrap/call_sites.h"

#include <algorithm>
#include <cstring>

#include "pkg/base/log.h"

namespace cvisor::platform::systrap {
namespace {

constexpr uint64_t kPageSize = 4096;
constexpr uint64_t kSyscallSize = 2, kPatchSize = 7, kMinDisplaced = 5;
// Bytes that are looked at: up to the end of the SYSCALL, and behind it.
constexpr uint64_t kBefore = kPatchSize + 1, kAfter = 8;
constexpr uint64_t kTrapBreakpoint = 3, kTrapInvalidOpcode = 6, kTrapProtection = 13;
// Traps of one site until it is patched.
constexpr uint32_t kTrapsToPatch = 4;
constexpr size_t kMaxCounted = 4096;
constexpr size_t kMaxSites = TRAMPOLINE_SIZE / TRAMPOLINE_STRIDE - 1;
// Parts of a trampoline.
constexpr uint64_t kReturnSlot = 8, kCode = 16, kEnterSize = 13 + 10 + 7;

// Length of an instruction of at least 5 bytes that means the same anywhere, or 0.
size_t MovableLength(std::span<const uint8_t> b) {
  if (b.size() < 8) return 0;
  if (b[0] == 0x3d) return 5;                  // cmp $imm32,%eax
  if (b[0] == 0x48 && b[1] == 0x3d) return 6;  // cmp $imm32,%rax
  // mov between a register and a place on the stack, with REX.
  if ((b[0] & 0xf0) == 0x40 && (b[1] == 0x89 || b[1] == 0x8b) && (b[2] & 7) == 4 && b[3] == 0x24) {
    if (b[2] >> 6 == 1) return 5;
    if (b[2] >> 6 == 2) return 8;
  }
  return 0;
}

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
  std::span<const uint8_t> bytes() const { return out_; }

 private:
  Code& Value(uint64_t v, int n) {
    for (int i = 0; i < n; ++i) out_.push_back(static_cast<uint8_t>(v >> (8 * i)));
    return *this;
  }
  std::vector<uint8_t> out_;
};

}  // namespace

std::optional<PatchPlan> PlanPatch(std::span<const uint8_t> before, std::span<const uint8_t> after,
                                   uint64_t rax) {
  if (before.size() < kBefore) return std::nullopt;
  const auto tail = before.last(kPatchSize);
  if (tail[5] != 0x0f || tail[6] != 0x05) return std::nullopt;
  // What is behind can be decoded for certain; what is before, only guessed.
  if (const size_t n = MovableLength(after); n != 0) {
    return PatchPlan{.before = false, .displaced = static_cast<uint8_t>(n)};
  }
  uint32_t imm;
  memcpy(&imm, &tail[1], sizeof(imm));
  // With REX it may be another register's.
  const bool rex = (before[before.size() - kBefore] & 0xf0) == 0x40;
  const bool mov_number = !rex && tail[0] == 0xb8 && imm == rax;
  const bool load_argument = (tail[0] & 0xf0) == 0x40 && tail[1] == 0x8b &&
                             (tail[2] & 0xc7) == 0x44 && tail[3] == 0x24;
  if (mov_number || load_argument) return PatchPlan{.before = true, .displaced = kMinDisplaced};
  return std::nullopt;
}

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
    if (r.start < addr) texts_.insert(texts_.begin() + static_cast<ptrdiff_t>(i++), {r.start, addr});
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
    if (at >= end || at + kPatchSize <= start) {
      ++it;
      continue;
    }
    const Site& site = sites_[index];
    Replace(host, at, site.original);
    inner_.erase(Inner(site));
    former_[at] = former_[Inner(site)] = index;
    it = starts_.erase(it);
  }
}

void CallSites::Disable(Host& host) {
  MutexLock lock(mu_);
  if (disabled_) return;
  disabled_ = true;
  RestoreLocked(host, 0, ~uint64_t{0});
  texts_.clear();
  traps_.clear();
}

void CallSites::OnTrap(Host& host, const arch::Registers& regs) {
  MutexLock lock(mu_);
  if (disabled_ || texts_.empty()) return;
  if (traps_.size() >= kMaxCounted && !traps_.contains(regs.rip)) traps_.clear();
  if (++traps_[regs.rip] != kTrapsToPatch) return;
  Patch(host, regs.rip - kSyscallSize, regs.rax);
}

bool CallSites::Patch(Host& host, uint64_t syscall_ip, uint64_t rax) {
  const uint64_t from = syscall_ip + kSyscallSize - kBefore;
  const bool inside = std::any_of(texts_.begin(), texts_.end(), [&](const Range& r) {
    return from >= r.start && syscall_ip + kSyscallSize + kAfter <= r.end;
  });
  uint8_t code[kBefore + kAfter];
  if (!inside || sites_.size() >= kMaxSites || !host.ReadCode(from, code)) return false;
  const auto plan =
      PlanPatch(std::span(code).first(kBefore), std::span(code).last(kAfter), rax);
  if (!plan) return false;
  // In one page, so that no part of it can be unmapped or replaced alone.
  const uint64_t first = syscall_ip - (plan->before ? plan->displaced : 0);
  const uint64_t last = syscall_ip + kSyscallSize + (plan->before ? 0 : plan->displaced) - 1;
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

  const uint64_t back = syscall_ip + kSyscallSize;
  const uint64_t slot = Slot(sites_.size());
  const uint64_t enter = slot + kCode + (plan->before ? plan->displaced : 0);
  const uint64_t post = enter + kEnterSize;
  Site site{.start = plan->before ? syscall_ip - kMinDisplaced : syscall_ip,
            .syscall = syscall_ip,
            .plan = *plan};
  const auto displaced =
      std::span(code).subspan(plan->before ? kBefore - kPatchSize : kBefore, plan->displaced);
  memcpy(site.original.data(), code + (site.start - from), kPatchSize);

  Code t;
  t.U64(slot + kCode).U64(back + (plan->before ? 0 : plan->displaced));
  if (plan->before) t.Bytes(displaced);
  t.Bytes({0x65, 0x48, 0xc7, 0x04, 0x25}).U32(T_JUMP).U32(post);  // movq $post, %gs:T_JUMP
  t.Bytes({0x48, 0xb9}).U64(back);                                // movabs $back, %rcx
  t.Bytes({0xff, 0x24, 0x25}).U32(TRAMPOLINE_BASE);               // jmp *TRAMPOLINE_BASE
  if (!plan->before) t.Bytes(displaced);
  t.Bytes({0xff, 0x24, 0x25}).U32(slot + kReturnSlot);  // jmp *return
  if (!host.WriteCode(slot, t.bytes())) return false;

  // Known before the first byte changes: from then on there can be faults.
  const size_t index = sites_.size();
  sites_.push_back(site);
  starts_[site.start] = index;
  former_.erase(site.start);
  former_.erase(Inner(site));
  inner_[Inner(site)] = plan->before ? enter : post;
  Code jump;
  jump.Bytes({0xff, 0x24, static_cast<uint8_t>(plan->before ? 0x25 : 0xe5)}).U32(slot);
  if (Replace(host, site.start, jump.bytes())) return true;
  starts_.erase(site.start);
  inner_.erase(Inner(site));
  return false;
}

uint64_t CallSites::Inner(const Site& site) {
  return site.syscall + (site.plan.before ? 0 : kSyscallSize);
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
  if (!any_.load(std::memory_order_relaxed)) return rip;
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
  const uint64_t code = Slot(index) + kCode;
  if (s.plan.before) {
    const uint64_t enter = code + kMinDisplaced;
    if (ip < enter) return s.start;
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
  std::array<uint8_t, kPatchSize> code;
  // The original instructions do not fault like this.
  return host.ReadCode(site.start, code) && code == site.original;
}

}  // namespace cvisor::platform::systrap
