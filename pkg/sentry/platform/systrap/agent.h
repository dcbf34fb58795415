// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Agent: the Sentry's side of the thread in a stub process that carries out mapping operations and
// clones. Operations go there in AgentPage, in batches.
//
// What an agent reports must not be forged: a Sentry that takes an operation for finished closes or
// reuses the descriptor that it names, and the number of a new process is what the Sentry will write
// memory to. All memory of the stub process but AgentPage may be written by the application, so the
// agent reports through the position of the slab's file, which lseek(2) sets: only its filter allows that
// call. AgentReply::done only tells when to look. A new thread reports in the place of its agent, before it
// gives up that call: a forged number of its listener would make the Sentry wait on, or close, another one.

#ifndef CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_AGENT_H_
#define CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_AGENT_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>

#include "pkg/base/mutex.h"
#include "pkg/base/result.h"
#include "pkg/sentry/platform/systrap/slab.h"

namespace cvisor::platform::systrap {

// What a new thread is.
struct NewThread {
  pid_t tid = 0;
  int listener = -1;  // owned by whoever gets this; -1: made without
};

class Agent {
 public:
  // Of the process that maps `slab`, which outlives this object. `prepared`: its first batch is there
  // already, by PrepareFirstThread().
  Agent(Slab& slab, bool prepared) : slab_(slab), prepared_(prepared), seq_(prepared ? 1 : 0) {}

  // Must be called before the others, once the agent's thread is known.
  void SetTid(pid_t tid) { tid_ = tid; }

  // One system call; its result or its error. ESRCH if the process is dead. Any thread.
  Result<uint32_t> Call(uint64_t nr, uint64_t a0, uint64_t a1 = 0, uint64_t a2 = 0, uint64_t a3 = 0,
                        uint64_t a4 = 0, uint64_t a5 = 0);
  // Several, stopping at the first error.
  Status Run(std::span<const AgentOp> ops);
  // A copy of the process, whose agent works on `child_slab`, with the batch that is in it already.
  Result<pid_t> Fork(Slab& child_slab);
  // A new thread with thread page `index`, with a listener if `notify`.
  Result<NewThread> MakeThread(const Layout& layout, uint32_t index, bool notify);
  // Compare and exchange in the application's memory, at a multiple of 4: what was there, or EFAULT. In the agent, as
  // nothing that the application does can hold it up.
  Result<uint32_t> CompareAndSwap32(uint64_t addr, uint32_t expected, uint32_t desired);

  // Puts "make thread `index`" into the slab of a process that is not there yet.
  static void PrepareFirstThread(Slab& slab, const Layout& layout, uint32_t index, bool notify);
  // The result of that. To be called once.
  Result<NewThread> AwaitFirstThread();

  // The process is dead: waiters return, with ESRCH. Any thread.
  void SetDead();

 private:
  // The part of the report below its number.
  Result<uint64_t> RunLocked(std::span<const AgentOp> ops) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void FinishPrepared() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<uint64_t> Await() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Moves the agent to the CPU of the caller: both take turns, and waking another CPU costs more
  // than the whole operation.
  void Attract() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Slab& slab_;
  pid_t tid_ = 0;
  std::atomic<bool> dead_{false};

  Mutex mu_;  // one batch at a time
  // The prepared batch is still to be waited for; then: its result.
  bool prepared_ ABSL_GUARDED_BY(mu_);
  Result<uint64_t> first_thread_ ABSL_GUARDED_BY(mu_) = Errno::kESRCH;
  uint32_t seq_ ABSL_GUARDED_BY(mu_);
  int cpu_ ABSL_GUARDED_BY(mu_) = -1;
};

}  // namespace cvisor::platform::systrap

#endif  // CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_AGENT_H_
