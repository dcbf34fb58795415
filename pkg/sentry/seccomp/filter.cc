// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/seccomp/filter.h"

#include <linux/audit.h>

#include <utility>

#include "pkg/sentry/seccomp/bpf.h"

namespace cvisor::seccomp {
namespace {

// MAX_INSNS_PER_PATH, and what each program before the new one counts extra.
constexpr size_t kMaxInstructions = (1 << 18) / sizeof(sock_filter);
constexpr size_t kPenalty = 4;

// The length of what Linux makes of a program (bpf_convert_filter), which is what it limits.
size_t Cost(const std::vector<sock_filter>& program) {
  size_t cost = 3;  // the registers are set up
  for (const sock_filter& f : program) {
    switch (BPF_CLASS(f.code)) {
      case BPF_RET:
        cost += BPF_RVAL(f.code) == BPF_K ? 2 : 1;
        break;
      case BPF_JMP:
        cost += 1;
        if (BPF_OP(f.code) == BPF_JA) break;
        if (f.jt != 0 && f.jf != 0) cost += 1;
        if (BPF_SRC(f.code) == BPF_K && static_cast<int32_t>(f.k) < 0) cost += 1;
        break;
      case BPF_ALU:
        cost += f.code == (BPF_ALU | BPF_DIV | BPF_X) ? 5 : 1;
        break;
      default:
        cost += 1;
    }
  }
  return cost;
}

}  // namespace

Filter::Filter(std::vector<sock_filter> program, Ref<const Filter> previous, Ref<Listener> listener)
    : program_(std::move(program)),
      previous_(std::move(previous)),
      listener_(std::move(listener)),
      count_(previous_ == nullptr ? 1 : previous_->count_ + 1),
      cost_(Cost(program_) + (previous_ == nullptr ? 0 : previous_->cost_ + kPenalty)) {}

Result<Ref<const Filter>> Filter::New(std::vector<sock_filter> program,
                                      Ref<const Filter> previous, Ref<Listener> listener) {
  RETURN_IF_ERROR(CheckProgram(program));
  for (const Filter* f = previous.get(); listener != nullptr && f != nullptr;
       f = f->previous_.get()) {
    if (f->listener_ != nullptr && !f->listener_->closed()) return Errno::kEBUSY;
  }
  Ref<const Filter> filter(
      new Filter(std::move(program), std::move(previous), std::move(listener)));
  if (filter->cost_ > kMaxInstructions) return Errno::kENOMEM;
  return filter;
}

Filter::~Filter() {
  if (listener_ != nullptr) listener_->OnFilterGone();
  // Thousands may hang on each other: their destructors must not nest.
  Ref<const Filter> next = std::move(previous_);
  while (next != nullptr && next->ref_count() == 1) {
    // Nobody else has it, so nobody looks at it while it changes.
    next = std::move(const_cast<Filter*>(next.get())->previous_);
  }
}

Filter::Verdict Filter::Evaluate(const seccomp_data& data) const {
  const auto severity = [](uint32_t value) {
    return static_cast<int32_t>(value & SECCOMP_RET_ACTION_FULL);
  };
  Verdict result{SECCOMP_RET_ALLOW, nullptr};
  for (const Filter* f = this; f != nullptr; f = f->previous_.get()) {
    const uint32_t value = RunProgram(f->program_, data);
    if (severity(value) < severity(result.value)) result = {value, f};
  }
  return result;
}

bool Filter::FindAlwaysAllows(uint64_t number) const {
  const uint64_t bit = uint64_t{1} << (number % 64);
  bool always = true;
  for (const Filter* f = this; f != nullptr && always; f = f->previous_.get()) {
    if ((f->allowed_[number / 64].load(std::memory_order_relaxed) & bit) != 0) break;
    const auto value = RunOnNumber(f->program_, static_cast<int>(number), AUDIT_ARCH_X86_64);
    always = value.has_value() && (*value & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ALLOW;
  }
  (always ? allowed_ : refused_)[number / 64].fetch_or(bit, std::memory_order_relaxed);
  return always;
}

bool Filter::DescendsFrom(const Filter* other) const {
  if (other == nullptr) return true;
  const Filter* f = this;
  while (f != nullptr && f->count_ > other->count_) f = f->previous_.get();
  return f == other;
}

}  // namespace cvisor::seccomp
