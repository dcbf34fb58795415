// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Filter: one program that seccomp(2) installed, and those that were there before. Immutable, and
// shared by the tasks that inherited it.

#ifndef CVISOR_PKG_SENTRY_SECCOMP_FILTER_H_
#define CVISOR_PKG_SENTRY_SECCOMP_FILTER_H_

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "pkg/base/ref.h"
#include "pkg/base/result.h"

namespace cvisor::seccomp {

// Whom a filter tells of calls for which it says SECCOMP_RET_USER_NOTIF.
class Listener : public RefCounted {
 public:
  // Nobody has its descriptor any more. Any thread.
  virtual bool closed() const = 0;
  // No task uses the filter any more. On the thread that dropped the last reference to it.
  virtual void OnFilterGone() = 0;
};

class Filter : public RefCounted {
 public:
  // EINVAL if the program is not valid, ENOMEM if there are too many instructions in all, EBUSY if
  // there is a listener (may be null) and one of `previous` has one.
  static Result<Ref<const Filter>> New(std::vector<sock_filter> program, Ref<const Filter> previous,
                                       Ref<Listener> listener = nullptr);
  ~Filter() override;

  struct Verdict {
    uint32_t value;        // SECCOMP_RET_*
    const Filter* filter;  // whose it is; null: all allow the call
  };
  // Runs all programs. The most restrictive action counts, of the latest program that returns it.
  Verdict Evaluate(const seccomp_data& data) const;
  // Do all programs allow each call of that number, whatever its arguments? Asked for each call, so
  // the answer is kept, as Linux keeps it (its "action cache").
  bool AlwaysAllows(uint64_t number) const {
    if (number >= kCachedNumbers) return false;
    const uint64_t bit = uint64_t{1} << (number % 64);
    if ((allowed_[number / 64].load(std::memory_order_relaxed) & bit) != 0) return true;
    if ((refused_[number / 64].load(std::memory_order_relaxed) & bit) != 0) return false;
    return FindAlwaysAllows(number);
  }
  const Ref<Listener>& listener() const { return listener_; }
  // How many programs there are.
  int count() const { return count_; }
  // Is `other` (may be null) this one or one of those before it?
  bool DescendsFrom(const Filter* other) const;

 private:
  static constexpr size_t kCachedNumbers = 512;

  Filter(std::vector<sock_filter> program, Ref<const Filter> previous, Ref<Listener> listener);
  bool FindAlwaysAllows(uint64_t number) const;

  const std::vector<sock_filter> program_;
  Ref<const Filter> previous_;
  const Ref<Listener> listener_;  // may be null
  const int count_;
  const size_t cost_;  // instructions of this and those before, as Linux counts them
  // One bit a number; neither is set if nobody has asked yet.
  mutable std::array<std::atomic<uint64_t>, kCachedNumbers / 64> allowed_{}, refused_{};
};

}  // namespace cvisor::seccomp

#endif  // CVISOR_PKG_SENTRY_SECCOMP_FILTER_H_
