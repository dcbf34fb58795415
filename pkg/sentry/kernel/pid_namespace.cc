// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/kernel/pid_namespace.h"

#include "pkg/sentry/kernel/task.h"

namespace cvisor::kernel {
namespace {

template <typename T>
T* FindIn(const std::map<pid_t, T*>& map, pid_t id) {
  const auto it = map.find(id);
  return it == map.end() ? nullptr : it->second;
}

}  // namespace

Task* PidNamespace::FindTask(pid_t tid) const { return FindIn(tasks_, tid); }
ThreadGroup* PidNamespace::FindThreadGroup(pid_t tgid) const { return FindIn(thread_groups_, tgid); }
ProcessGroup* PidNamespace::FindProcessGroup(pid_t pgid) const {
  return FindIn(process_groups_, pgid);
}
Session* PidNamespace::FindSession(pid_t sid) const { return FindIn(sessions_, sid); }

std::vector<Task*> PidNamespace::Tasks() const {
  std::vector<Task*> out;
  out.reserve(tasks_.size());
  for (const auto& [tid, task] : tasks_) out.push_back(task);
  return out;
}

std::vector<ThreadGroup*> PidNamespace::ThreadGroups() const {
  std::vector<ThreadGroup*> out;
  out.reserve(thread_groups_.size());
  for (const auto& [tgid, tg] : thread_groups_) out.push_back(tg);
  return out;
}

bool PidNamespace::InUse(pid_t id) const {
  return tasks_.contains(id) || thread_groups_.contains(id) || process_groups_.contains(id) ||
         sessions_.contains(id);
}

Result<pid_t> PidNamespace::Allocate() {
  if (dead_) return Errno::kENOMEM;
  // Numbers below 300 are not reused after the first round, as on Linux.
  constexpr pid_t kReserved = 300;
  pid_t id = last_ + 1;
  for (pid_t tries = 0; tries < kPidMax; ++tries, ++id) {
    if (id >= kPidMax) id = kReserved;
    if (!InUse(id)) {
      last_ = id;
      return id;
    }
  }
  return Errno::kEAGAIN;
}

pid_t NumberIn(const PidNumbers& numbers, const PidNamespace& ns) {
  for (const auto& [n, id] : numbers) {
    if (n.get() == &ns) return id;
  }
  return 0;
}

pid_t ProcessNumbers::NumberHere() const {
  const Task* t = Task::Current();
  return t == nullptr ? 0 : NumberIn(numbers_, t->pid_ns());
}

}  // namespace cvisor::kernel
