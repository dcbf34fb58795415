// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// PidNamespace: the numbers of tasks, processes, process groups and sessions (pid_namespaces(7)).
// Everything here is guarded by Kernel::task_mutex().

#ifndef CVISOR_PKG_SENTRY_KERNEL_PID_NAMESPACE_H_
#define CVISOR_PKG_SENTRY_KERNEL_PID_NAMESPACE_H_

#include <sys/types.h>

#include <map>
#include <utility>
#include <vector>

#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/auth/credentials.h"
#include "pkg/sentry/ipc/object.h"

namespace cvisor::kernel {

class Task;
class ThreadGroup;
class ProcessGroup;
class Session;

class PidNamespace : public Namespace {
 public:
  static constexpr pid_t kPidMax = 4194304;

  PidNamespace(Ref<PidNamespace> parent, Ref<UserNamespace> user_ns)
      : parent_(std::move(parent)), level_(parent_ == nullptr ? 0 : parent_->level_ + 1) {
    set_user_ns(std::move(user_ns));
  }

  const Ref<PidNamespace>& parent() const { return parent_; }
  int level() const { return level_; }

  // Null if there is none. A ThreadGroup is found by the number of its leader.
  Task* FindTask(pid_t tid) const;
  ThreadGroup* FindThreadGroup(pid_t tgid) const;
  ProcessGroup* FindProcessGroup(pid_t pgid) const;
  Session* FindSession(pid_t sid) const;

  // The namespace's init; null before it exists and after it is gone.
  ThreadGroup* init() const { return init_; }
  // Tasks in number order.
  std::vector<Task*> Tasks() const;
  std::vector<ThreadGroup*> ThreadGroups() const;

 private:
  friend class Kernel;
  friend class Task;
  friend class ThreadGroup;
  friend class Session;
  friend class ProcessGroup;

  // Next free number; a number stays taken while a task, group or session uses it. EAGAIN when full,
  // ENOMEM when init is gone.
  Result<pid_t> Allocate();
  bool InUse(pid_t id) const;

  const Ref<PidNamespace> parent_;
  const int level_;
  pid_t last_ = 0;
  ThreadGroup* init_ = nullptr;
  bool dead_ = false;
  std::map<pid_t, Task*> tasks_;
  std::map<pid_t, ThreadGroup*> thread_groups_;
  std::map<pid_t, ProcessGroup*> process_groups_;
  std::map<pid_t, Session*> sessions_;
};

// What a task, process, group or session is called in each namespace that sees it; its own first.
using PidNumbers = std::vector<std::pair<Ref<PidNamespace>, pid_t>>;
// 0 if it is not visible in `ns`.
pid_t NumberIn(const PidNumbers& numbers, const PidNamespace& ns);

// The numbers of a process, for what may outlive it. Immutable.
class ProcessNumbers : public ipc::ProcessId {
 public:
  explicit ProcessNumbers(PidNumbers numbers) : numbers_(std::move(numbers)) {}
  pid_t NumberHere() const override;

 private:
  const PidNumbers numbers_;
};

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_PID_NAMESPACE_H_
