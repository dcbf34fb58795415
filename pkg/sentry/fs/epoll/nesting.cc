// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Epolls that watch epolls: no loops, no chain of more than five, and no nets in which one event
// would be passed on along thousands of paths.

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "pkg/sentry/fs/epoll/instance.h"

namespace cvisor::fs::epoll {
namespace {

constexpr int kMaxChain = 5;
constexpr uint64_t kMaxPaths = 1000;

Mutex g_links_mu;  // leaf; guards above_ and below_ of all instances

}  // namespace

Mutex& NestingMutex() {
  static Mutex mu;
  return mu;
}

// Walks over the graph, which has no loops and is at most kMaxChain deep. g_links_mu is held.
struct Nesting {
  using Memo = absl::flat_hash_map<Instance*, uint64_t>;
  using Links = std::vector<Instance*> Instance::*;
  static constexpr Links kUp = &Instance::above_;
  static constexpr Links kDown = &Instance::below_;

  // Instances on the longest chain that starts here.
  static uint64_t Longest(Instance* i, Links direction, Memo& memo) {
    if (auto it = memo.find(i); it != memo.end()) return it->second;
    uint64_t longest = 0;
    for (Instance* next : i->*direction)
      longest = std::max(longest, Longest(next, direction, memo));
    return memo[i] = longest + 1;
  }
  static uint64_t PathsUp(Instance* i, Memo& memo) {
    if (auto it = memo.find(i); it != memo.end()) return it->second;
    uint64_t paths = 1;
    for (Instance* next : i->above_) paths += PathsUp(next, memo);
    return memo[i] = paths;
  }
  // `memo` of Longest(top, kDown) has everything below `top`.
  static bool TooManyPaths(const Memo& below) {
    Memo memo;
    return std::any_of(below.begin(), below.end(),
                       [&](const auto& x) { return PathsUp(x.first, memo) > kMaxPaths; });
  }
};

Status Instance::LinkNested(Instance& nested) {
  MutexLock lock(g_links_mu);
  Nesting::Memo below, above;
  const uint64_t down = Nesting::Longest(&nested, Nesting::kDown, below);
  const uint64_t up = Nesting::Longest(this, Nesting::kUp, above);
  if (below.contains(this) || up + down > kMaxChain) return Errno::kELOOP;
  below_.push_back(&nested);
  nested.above_.push_back(this);
  if (Nesting::TooManyPaths(below)) {
    below_.pop_back();
    nested.above_.pop_back();
    return Errno::kEINVAL;
  }
  return OkStatus();
}

void Instance::UnlinkNested(Instance& nested) {
  MutexLock lock(g_links_mu);
  below_.erase(std::find(below_.begin(), below_.end(), &nested));
  nested.above_.erase(std::find(nested.above_.begin(), nested.above_.end(), this));
}

}  // namespace cvisor::fs::epoll
