// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/systrap/agent.h"

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "pkg/base/log.h"
#include "pkg/sentry/platform/systrap/futex.h"

namespace cvisor::platform::systrap {
namespace {

uint32_t Load(const uint32_t& word) { return __atomic_load_n(&word, __ATOMIC_SEQ_CST); }
void Store(uint32_t& word, uint32_t value) { __atomic_store_n(&word, value, __ATOMIC_SEQ_CST); }

AgentOp ThreadOp(const Layout& layout, uint32_t index) {
  const uint64_t page = layout.thread_page(index);
  return {AGENT_OP_THREAD,
          SYS_clone,
          {kThreadCloneFlags, page + THREAD_STACK_TOP, page + offsetof(ThreadPage, tid), 0, 0, 0}};
}

}  // namespace

void Agent::Attract() {
  const int cpu = sched_getcpu();
  if (cpu == cpu_ || cpu < 0 || tid_ == 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(tid_, sizeof(set), &set) == 0) cpu_ = cpu;
}

Result<uint32_t> Agent::Await() {
  AgentPage& page = slab_.agent();
  AgentReply& reply = slab_.reply();
  for (;;) {
    if (dead_.load(std::memory_order_seq_cst)) return Errno::kESRCH;
    const uint32_t done = Load(reply.done);
    if (done == seq_) break;
    Store(page.waiting, 1);
    FutexWait(&reply.done, done);
  }
  Store(page.waiting, 0);
  const uint64_t report = static_cast<uint64_t>(lseek(slab_.fd(), 0, SEEK_CUR));
  if (report >> AGENT_REPORT_SEQ_SHIFT != (seq_ & 0x7fff)) {
    // Somebody in there wrote to AgentReply. The batch may still be under way: what it names must not
    // change before it has ended, and only death ends it for certain.
    LogWarning("systrap: process %d forged a report of its agent", tid_);
    kill(tid_, SIGKILL);
    while (!dead_.load(std::memory_order_seq_cst)) {
      const uint32_t done = Load(reply.done);
      if (!dead_.load(std::memory_order_seq_cst)) FutexWait(&reply.done, done);
    }
    return Errno::kESRCH;
  }
  const uint32_t value = static_cast<uint32_t>(report) & 0x7fffffff;
  if ((report >> AGENT_REPORT_ERROR_BIT) & 1) return static_cast<Errno>(value);
  return value;
}

Result<uint32_t> Agent::RunLocked(std::span<const AgentOp> ops) {
  if (prepared_) FinishPrepared();
  AgentPage& page = slab_.agent();
  std::copy(ops.begin(), ops.end(), page.ops);
  page.count = static_cast<uint32_t>(ops.size());
  page.report_fd = slab_.fd();
  Attract();
  Store(page.waiting, 1);
  Store(page.seq, ++seq_);
  FutexWake(&page.seq);
  return Await();
}

Result<uint32_t> Agent::Call(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                             uint64_t a4, uint64_t a5) {
  const AgentOp op{AGENT_OP_CALL, nr, {a0, a1, a2, a3, a4, a5}};
  MutexLock lock(mu_);
  return RunLocked(std::span(&op, 1));
}

Status Agent::Run(std::span<const AgentOp> ops) {
  MutexLock lock(mu_);
  while (!ops.empty()) {
    const auto batch = ops.first(std::min<size_t>(ops.size(), AGENT_MAX_OPS));
    auto r = RunLocked(batch);
    if (!r.ok()) return r.error();
    ops = ops.subspan(batch.size());
  }
  return OkStatus();
}

Result<pid_t> Agent::Fork(Slab& child_slab) {
  const AgentOp op{AGENT_OP_FORK, SYS_clone, {kForkCloneFlags, 0, 0, 0, 0, 0}};
  MutexLock lock(mu_);
  AgentPage& page = slab_.agent();
  page.fork_slab_fd = child_slab.fd();
  page.fork_slab_size = Slab::kSize;
  page.sentry_pid = getpid();
  ASSIGN_OR_RETURN(const uint32_t pid, RunLocked(std::span(&op, 1)));
  return static_cast<pid_t>(pid);
}

Result<pid_t> Agent::NewThread(const Layout& layout, uint32_t index) {
  const AgentOp op = ThreadOp(layout, index);
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(const uint32_t tid, RunLocked(std::span(&op, 1)));
  return static_cast<pid_t>(tid);
}

void Agent::PrepareFirstThread(Slab& slab, const Layout& layout, uint32_t index) {
  AgentPage& page = slab.agent();
  page.ops[0] = ThreadOp(layout, index);
  page.count = 1;
  page.report_fd = slab.fd();
  page.seq = 1;
}

void Agent::FinishPrepared() {
  prepared_ = false;
  Attract();
  first_thread_ = Await();
}

Result<pid_t> Agent::AwaitFirstThread() {
  MutexLock lock(mu_);
  if (prepared_) FinishPrepared();
  ASSIGN_OR_RETURN(const uint32_t tid, first_thread_);
  return static_cast<pid_t>(tid);
}

void Agent::SetDead() {
  dead_.store(true, std::memory_order_seq_cst);
  // Changed, so that nobody falls asleep on it any more.
  __atomic_fetch_add(&slab_.reply().done, 1, __ATOMIC_SEQ_CST);
  FutexWake(&slab_.reply().done);
}

}  // namespace cvisor::platform::systrap
