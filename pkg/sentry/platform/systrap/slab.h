// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Slab: the memory that the Sentry shares with one stub process: the agent's pages and the
// thread pages (stub_abi.h), in a memfd. It is sparse: what is not used costs nothing.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_SLAB_H_
#define CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_SLAB_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/base/result.h"
#include "pkg/base/unique_fd.h"
#include "pkg/sentry/platform/systrap/layout.h"

namespace cvisor::platform::systrap {

// A word that the application may change at any time: read once. A plain read the compiler may repeat, and
// what was checked is not what is used then.
template <typename T>
T ReadOnce(const T& word) {
  return __atomic_load_n(&word, __ATOMIC_RELAXED);
}

class Slab {
 public:
  static constexpr size_t kSize = STUB_REGION_SIZE - STUB_SLAB_OFFSET;

  // ENFILE, EMFILE, ENOMEM.
  static Result<std::unique_ptr<Slab>> New();
  ~Slab();
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  // As New() makes them: for another process. Nobody may map it any more but us. False if that failed.
  bool Reset();

  int fd() const { return fd_.get(); }
  AgentPage& agent() { return *reinterpret_cast<AgentPage*>(base_ + SLAB_AGENT_OFFSET); }
  FutexPage& futexes() { return *reinterpret_cast<FutexPage*>(base_ + SLAB_FUTEX_OFFSET); }
  // Written by the application as it likes.
  AgentReply& reply() { return *reinterpret_cast<AgentReply*>(base_ + SLAB_REPLY_OFFSET); }
  ThreadPage& thread(uint32_t index) {
    return *reinterpret_cast<ThreadPage*>(base_ + SLAB_THREADS_OFFSET +
                                          size_t{index} * THREAD_SIZE);
  }

 private:
  Slab(UniqueFd fd, char* base) : fd_(std::move(fd)), base_(base) {}

  UniqueFd fd_;
  char* const base_;
};

// Slabs of processes that ended, for new ones: making and unmapping one costs a tenth of a fork, and unmapping
// interrupts the other cores of the Sentry. Any thread.
class SlabPool {
 public:
  // ENFILE, EMFILE, ENOMEM.
  Result<std::unique_ptr<Slab>> Take();
  // That no process maps any more.
  void Give(std::unique_ptr<Slab> slab);

 private:
  static constexpr size_t kMax = 2;  // 40 KiB each

  Mutex mu_;
  std::vector<std::unique_ptr<Slab>> slabs_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cvisor::platform::systrap

#endif  // CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_SLAB_H_
