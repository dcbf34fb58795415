// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Filter: one program that seccomp(2) installed, and those that were there before. Immutable, and
// shared by the tasks that inherited it.

#ifndef CVISOR_PKG_SENTRY_SECCOMP_FILTER_H_
#define CVISOR_PKG_SENTRY_SECCOMP_FILTER_H_

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pkg/base/ref.h"
#include "pkg/base/result.h"

namespace cvisor::seccomp {

class Filter : public RefCounted {
 public:
  // EINVAL if the program is not valid, ENOMEM if there are too many instructions in all.
  static Result<Ref<const Filter>> New(std::vector<sock_filter> program,
                                       Ref<const Filter> previous);
  ~Filter() override;

  // Runs all programs. The most restrictive action counts, of the latest program that returns it.
  uint32_t Evaluate(const seccomp_data& data) const;
  // How many programs there are.
  int count() const { return count_; }
  // Is `other` (may be null) this one or one of those before it?
  bool DescendsFrom(const Filter* other) const;

 private:
  Filter(std::vector<sock_filter> program, Ref<const Filter> previous);

  const std::vector<sock_filter> program_;
  Ref<const Filter> previous_;
  const int count_;
  const size_t cost_;  // instructions of this and those before, as Linux counts them
};

}  // namespace cvisor::seccomp

#endif  // CVISOR_PKG_SENTRY_SECCOMP_FILTER_H_
