// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Where the stub region is, and the addresses in it that the Sentry must know.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_LAYOUT_H_
#define CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_LAYOUT_H_

#include <linux/filter.h>
#include <sched.h>

#include <cstdint>
#include <vector>

#include "pkg/sentry/platform/platform.h"
#include "pkg/sentry/platform/systrap/stub_abi.h"

namespace cvisor::platform::systrap {

inline constexpr uint64_t kPageSize = 4096;

// What the two kinds of clone(2) of an agent may look like; its filter allows no other.
inline constexpr uint64_t kThreadCloneFlags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                                              CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_SETTID |
                                              CLONE_CHILD_CLEARTID;
inline constexpr uint64_t kForkCloneFlags = CLONE_PARENT | CLONE_FILES;

struct Layout {
  uint64_t base = 0;  // of the stub region; a multiple of THREAD_SIZE
  Platform::Vdso vdso;

  uint64_t text() const { return base + STUB_TEXT_OFFSET; }
  uint64_t filter() const { return base + STUB_FILTER_OFFSET; }
  uint64_t slab() const { return base + STUB_SLAB_OFFSET; }
  uint64_t thread_page(uint32_t index) const {
    return slab() + SLAB_THREADS_OFFSET + uint64_t{index} * THREAD_SIZE;
  }
  // Address in the stub of one of its functions (an offset of the generated stub.h).
  uint64_t at(uint64_t stub_offset) const { return text() + stub_offset; }
};

// The seccomp programs; the reasons for each rule are in docs/platforms/systrap.md. Of the agent, which
// every thread of a stub process inherits, and what a thread that runs application code adds.
// `notify`: it may call STUB_NOTIFY_NR. That call goes to the thread's listener by a filter of its own: a
// thread must still be able to report the listener, which its last filter does not allow.
std::vector<sock_filter> MakeAgentFilter(const Layout& layout);
std::vector<sock_filter> MakeListenerFilter();
std::vector<sock_filter> MakeThreadFilter(const Layout& layout, bool notify);

}  // namespace cvisor::platform::systrap

#endif  // CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_LAYOUT_H_
