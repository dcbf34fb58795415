// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// StubProcess: a stub process as such: its number, its slab, its agent, and whether it lives. Shared
// by the address space that it is, the contexts that run in it, and the reaper, which hears of its death.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_STUB_PROCESS_H_
#define CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_STUB_PROCESS_H_

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <thread>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/unique_fd.h"
#include "pkg/sentry/platform/systrap/agent.h"
#include "pkg/sentry/platform/systrap/slab.h"

namespace cvisor::platform::systrap {

class StubProcess : public RefCounted {
 public:
  // `prepared`: its agent makes thread 0 first, see Agent. The slab goes to `slabs` in the end.
  StubProcess(SlabPool& slabs, std::unique_ptr<Slab> slab, pid_t pid, bool prepared);

  pid_t pid() const { return pid_; }
  Slab& slab() { return *slab_; }
  Agent& agent() { return agent_; }
  bool dead() const { return dead_.load(std::memory_order_seq_cst); }

  // How many thread pages are, or may be, in use: those are told when the process dies.
  void NoteThreads(uint32_t count) { threads_.store(count, std::memory_order_seq_cst); }

  // The application in it has broken the rules, or does not end when it should. Any thread.
  void Kill();
  // No more use for it: it is killed, and reaped when that is done.
  void Release();
  // The same for one that the reaper does not know: waits for its end.
  void Discard();

 private:
  friend class Reaper;
  ~StubProcess() override;
  // By the reaper, once.
  void OnDeath();
  void Reap() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  SlabPool& slabs_;
  std::unique_ptr<Slab> slab_;
  const pid_t pid_;
  Agent agent_;
  UniqueFd pidfd_;
  std::atomic<bool> dead_{false};
  std::atomic<uint32_t> threads_{1};

  Mutex mu_;
  bool released_ ABSL_GUARDED_BY(mu_) = false;
  bool reaped_ ABSL_GUARDED_BY(mu_) = false;  // its number may be another's
};

// Waits for the death of stub processes, in a thread of its own that sleeps until there is one.
class Reaper {
 public:
  // Null (errno is set) without a descriptor.
  static std::unique_ptr<Reaper> New();
  // Waits for the death of all, which must have been killed.
  ~Reaper();

  // Takes a reference until the process is dead. ESRCH, ENFILE, EMFILE.
  Status Watch(StubProcess& process);

 private:
  explicit Reaper(UniqueFd epoll, UniqueFd stop);
  void Run();

  const UniqueFd epoll_;
  const UniqueFd stop_;
  std::atomic<uint32_t> watched_{0};
  std::thread thread_;
};

}  // namespace cvisor::platform::systrap

#endif  // CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_STUB_PROCESS_H_
