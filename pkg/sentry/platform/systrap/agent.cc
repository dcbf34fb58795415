// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/platform/systrap/agent.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "pkg/sentry/platform/systrap/futex.h"

namespace cvisor::platform::systrap {
namespace {

uint32_t Load(const uint32_t& word) { return __atomic_load_n(&word, __ATOMIC_SEQ_CST); }
void Store(uint32_t& word, uint32_t value) { __atomic_store_n(&word, value, __ATOMIC_SEQ_CST); }

// How long a wake-up that the application took away may cost.
constexpr int64_t kLookAgainNs = 20'000'000;

NewThread ToThread(uint64_t report) {
  NewThread t{.tid = static_cast<pid_t>(report >> AGENT_REPORT_TID_SHIFT)};
  const uint64_t listener = report & ((1u << AGENT_REPORT_TID_SHIFT) - 1);
  if (listener != AGENT_REPORT_NO_LISTENER) t.listener = static_cast<int>(listener);
  return t;
}

AgentOp ThreadOp(const Layout& layout, uint32_t index, bool notify) {
  const uint64_t page = layout.thread_page(index);
  return {
      AGENT_OP_THREAD,
      SYS_clone,
      {kThreadCloneFlags, page + THREAD_STACK_TOP, page + offsetof(ThreadPage, tid), notify, 0, 0}};
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

Result<uint64_t> Agent::Await() {
  AgentPage& page = slab_.agent();
  AgentReply& reply = slab_.reply();
  uint64_t report = 0;
  for (bool look = false;; look = true) {
    const bool dead = dead_.load(std::memory_order_seq_cst);
    // What the application writes there costs time: it neither ends the wait nor prolongs it for
    // good.
    const uint32_t done = Load(reply.done);
    if (look || dead || done == seq_) {
      report = static_cast<uint64_t>(lseek(slab_.fd(), 0, SEEK_CUR));
      if (report >> AGENT_REPORT_SEQ_SHIFT == (seq_ & 0x7fff)) break;
      if (dead) return Errno::kESRCH;
    }
    Store(page.waiting, 1);
    FutexWaitFor(&reply.done, done, kLookAgainNs);
  }
  Store(page.waiting, 0);
  report &= (uint64_t{1} << AGENT_REPORT_SEQ_SHIFT) - 1;
  if ((report >> AGENT_REPORT_ERROR_BIT) & 1) {
    return static_cast<Errno>(static_cast<uint32_t>(report));
  }
  return report;
}

Result<uint64_t> Agent::RunLocked(std::span<const AgentOp> ops) {
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
  ASSIGN_OR_RETURN(const uint64_t value, RunLocked(std::span(&op, 1)));
  return static_cast<uint32_t>(value);
}

Result<uint32_t> Agent::CompareAndSwap32(uint64_t addr, uint32_t expected, uint32_t desired) {
  const AgentOp op{AGENT_OP_CAS, 0, {addr, expected, desired, 0, 0, 0}};
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(const uint64_t value, RunLocked(std::span(&op, 1)));
  return static_cast<uint32_t>(value);
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
  ASSIGN_OR_RETURN(const uint64_t pid, RunLocked(std::span(&op, 1)));
  return static_cast<pid_t>(static_cast<uint32_t>(pid));
}

Result<NewThread> Agent::MakeThread(const Layout& layout, uint32_t index, bool notify) {
  const AgentOp op = ThreadOp(layout, index, notify);
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(const uint64_t report, RunLocked(std::span(&op, 1)));
  return ToThread(report);
}

void Agent::PrepareFirstThread(Slab& slab, const Layout& layout, uint32_t index, bool notify) {
  AgentPage& page = slab.agent();
  page.ops[0] = ThreadOp(layout, index, notify);
  page.count = 1;
  page.report_fd = slab.fd();
  page.seq = 1;
}

void Agent::FinishPrepared() {
  prepared_ = false;
  Attract();
  first_thread_ = Await();
}

Result<NewThread> Agent::AwaitFirstThread() {
  MutexLock lock(mu_);
  if (prepared_) FinishPrepared();
  ASSIGN_OR_RETURN(const uint64_t report, first_thread_);
  return ToThread(report);
}

void Agent::SetDead() {
  dead_.store(true, std::memory_order_seq_cst);
  // Changed, so that nobody falls asleep on it any more.
  __atomic_fetch_add(&slab_.reply().done, 1, __ATOMIC_SEQ_CST);
  FutexWake(&slab_.reply().done);
}

}  // namespace cvisor::platform::systrap
