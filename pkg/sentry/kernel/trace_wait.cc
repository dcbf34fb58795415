// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// wait(2) of a tracer, and the ends of tracees. Task mutex held.

#include <sys/wait.h>

#include "pkg/sentry/kernel/child_exit.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/kernel/trace.h"

namespace cvisor::kernel {
namespace {

void SetExit(WaitResult* r, int status) {
  r->status = status;
  const ChildExit exit(status);
  r->child_code = exit.code;
  r->child_status = exit.status;
}

}  // namespace

bool ThreadGroup::TracedBy(const ThreadGroup& tg) const {
  return leader_ != nullptr && leader_->tracer_ != nullptr && &leader_->tracer_->tg() == &tg;
}

bool ThreadGroup::TracedByOther(const ThreadGroup* tg) const {
  return leader_ != nullptr && leader_->tracer_ != nullptr && &leader_->tracer_->tg() != tg;
}

void ThreadGroup::ReapThread(Task* t) {
  const Ref<ThreadGroup> keep(this);
  t->trace_zombie_ = false;
  std::erase(tasks_, t);
  t->LeaveTables();
  t->DecRef();  // the tables' reference
  if (Over() && !zombie_.load()) BecomeZombie();
}

std::optional<WaitResult> ThreadGroup::WaitForTracee(Task& caller, const WaitOptions& opts,
                                                     bool* any) {
  const PidNamespace& ns = caller.pid_ns();
  for (Task* tracer : tasks_) {
    if ((opts.flags & __WNOTHREAD) != 0 && tracer != &caller) continue;
    for (Task* t : tracer->tracees_) {
      ThreadGroup& tg = t->tg();
      switch (opts.target) {
        case WaitOptions::Target::kAny:
          break;
        case WaitOptions::Target::kProcess:
          if (opts.process != nullptr ? opts.process->leader() != t : t->TidIn(ns) != opts.id)
            continue;
          break;
        case WaitOptions::Target::kGroup:
          if (opts.id == 0 ? tg.group() != group()
                           : tg.group() == nullptr || tg.group()->IdIn(ns) != opts.id) {
            continue;
          }
          break;
      }
      *any = true;
      WaitResult r;
      r.pid = t->TidIn(ns);
      r.uid = t->creds()->ruid;
      const bool keep = (opts.flags & WNOWAIT) != 0;
      if (t->trace_zombie_) {
        if ((opts.flags & WEXITED) == 0) continue;
        SetExit(&r, t->exit_status_);
        if (keep) return r;
        const Ref<Task> alive(t);
        Tracing::Unlink(*t);
        tg.ReapThread(t);
        return r;
      }
      // One of our own children is found among those.
      if (tg.is_zombie() && tg.leader() == t && tg.parent() != this) {
        if ((opts.flags & WEXITED) == 0) continue;
        SetExit(&r, tg.exit_status_);
        if (keep) return r;
        const Ref<ThreadGroup> alive(&tg);
        Tracing::Unlink(*t);
        tg.FinishZombie();
        return r;
      }
      if (TraceStop* stop = t->trace_stop_; stop != nullptr && stop->unreported && !stop->over &&
                                            (opts.flags & (WSTOPPED | WEXITED)) != 0) {
        r.status = stop->code << 8 | 0x7f;
        r.child_code = CLD_TRAPPED;
        r.child_status = stop->code;
        if (!keep) stop->unreported = false;
        return r;
      }
    }
  }
  return std::nullopt;
}

}  // namespace cvisor::kernel
