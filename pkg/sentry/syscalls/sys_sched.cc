// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The scheduler's interface (sched(7)). Policies, priorities and affinity are checked and stored as
// Linux does; who really runs when is the host's decision.

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <vector>

#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/syscalls/handlers.h"

namespace cvisor::syscalls {
namespace {

using Scheduling = Task::Scheduling;

constexpr int kSchedDeadline = 6;

// sched_setattr(2)'s structure, first version.
struct SchedAttr {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};
static_assert(sizeof(SchedAttr) == 48);

bool IsRealTime(int policy) { return policy == SCHED_FIFO || policy == SCHED_RR; }
bool IsKnown(int policy) {
  return policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE ||
         IsRealTime(policy);
}

Result<Ref<Task>> FindTarget(Task& t, pid_t pid) {
  if (pid < 0) return Errno::kEINVAL;
  if (pid == 0) return Ref<Task>(&t);
  MutexLock lock(t.kernel().task_mutex());
  Ref<Task> found(t.pid_ns().FindTask(pid));
  if (found == nullptr) return Errno::kESRCH;
  return found;
}

// The affinity calls do not check for negative ids first, as the scheduler's calls do.
Result<Ref<Task>> FindAffinityTarget(Task& t, pid_t pid) {
  if (pid < 0) return Errno::kESRCH;
  return FindTarget(t, pid);
}

bool MayChange(Task& t, Task& target) {
  const CredsRef mine = t.creds(), theirs = target.creds();
  return mine->euid == theirs->euid || mine->euid == theirs->ruid ||
         mine->HasCapIn(*theirs->user_ns, CAP_SYS_NICE);
}

// `nice` may be null. `keep_params`: all is checked, and only reset_on_fork changes.
Status ApplyPolicy(Task& t, Task& target, int policy, int priority, const int* nice,
                   bool reset_on_fork, bool keep_params = false) {
  if (!IsKnown(policy)) return Errno::kEINVAL;
  if (priority < 0 || priority > 99 || IsRealTime(policy) != (priority != 0)) {
    return Errno::kEINVAL;
  }
  const bool has_nice = policy == SCHED_OTHER || policy == SCHED_BATCH;
  Scheduling s = target.scheduling();
  if (!t.HasCap(CAP_SYS_NICE)) {
    if (!MayChange(t, target)) return Errno::kEPERM;
    if (IsRealTime(policy)) {
      const uint64_t limit = target.Rlimit(RLIMIT_RTPRIO);
      if (limit == 0 && policy != s.policy) return Errno::kEPERM;
      if (priority > s.priority && static_cast<uint64_t>(priority) > limit) return Errno::kEPERM;
    }
    if (s.reset_on_fork && !reset_on_fork) return Errno::kEPERM;
    const auto may_be = [&](int value) {
      return static_cast<uint64_t>(20 - value) <= target.Rlimit(RLIMIT_NICE);
    };
    if (nice != nullptr && has_nice && *nice < s.nice && !may_be(*nice)) return Errno::kEPERM;
    // Out of SCHED_IDLE only who could have that nice value, too.
    if (s.policy == SCHED_IDLE && policy != SCHED_IDLE && !may_be(s.nice)) return Errno::kEPERM;
  }
  s.reset_on_fork = reset_on_fork;
  if (!keep_params) {
    s.policy = policy;
    s.priority = priority;
    s.runtime = s.deadline = s.period = 0;
    if (nice != nullptr && has_nice) s.nice = std::clamp(*nice, -20, 19);
  }
  target.set_scheduling(s);
  return OkStatus();
}

// SCHED_DEADLINE: the checks of Linux. Whether there is time enough for it is not asked.
Status ApplyDeadline(Task& t, Task& target, const SchedAttr& attr, bool reset_on_fork) {
  constexpr uint64_t kMinRuntime = 1024, kMinPeriod = 100000, kMaxPeriod = uint64_t{1} << 22 << 10;
  const uint64_t period = attr.period == 0 ? attr.deadline : attr.period;
  if (attr.priority != 0 || attr.deadline == 0 || attr.runtime < kMinRuntime ||
      static_cast<int64_t>(attr.deadline) < 0 || static_cast<int64_t>(period) < 0 ||
      period < attr.deadline || attr.deadline < attr.runtime || period < kMinPeriod ||
      period > kMaxPeriod) {
    return Errno::kEINVAL;
  }
  if (!t.HasCap(CAP_SYS_NICE)) return Errno::kEPERM;
  Scheduling s = target.scheduling();
  // It may run on every CPU or not at all.
  if (CPU_COUNT(&s.affinity) < t.kernel().cpu_count()) return Errno::kEPERM;
  s.policy = kSchedDeadline;
  s.priority = 0;
  s.runtime = attr.runtime;
  s.deadline = attr.deadline;
  s.period = period;
  s.reset_on_fork = reset_on_fork;
  target.set_scheduling(s);
  return OkStatus();
}

}  // namespace

Result<uint64_t> SchedYield(Task&, const SyscallArgs&) {
  ::sched_yield();
  return 0;
}

Result<uint64_t> SchedSetscheduler(Task& t, const SyscallArgs& a) {
  const int policy = a[1].As<int>();
  if (policy < 0 || a[2].raw == 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(auto target, FindTarget(t, a[0].As<pid_t>()));
  ASSIGN_OR_RETURN(const int priority, t.CopyIn<int>(a[2].raw));
  RETURN_IF_ERROR(ApplyPolicy(t, *target, policy & ~SCHED_RESET_ON_FORK, priority, nullptr,
                              (policy & SCHED_RESET_ON_FORK) != 0));
  return 0;
}

Result<uint64_t> SchedSetparam(Task& t, const SyscallArgs& a) {
  if (a[1].raw == 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(auto target, FindTarget(t, a[0].As<pid_t>()));
  ASSIGN_OR_RETURN(const int priority, t.CopyIn<int>(a[1].raw));
  const Scheduling s = target->scheduling();
  RETURN_IF_ERROR(ApplyPolicy(t, *target, s.policy, priority, nullptr, s.reset_on_fork));
  return 0;
}

Result<uint64_t> SchedGetparam(Task& t, const SyscallArgs& a) {
  if (a[1].raw == 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(auto target, FindTarget(t, a[0].As<pid_t>()));
  RETURN_IF_ERROR(t.CopyOut<int>(a[1].raw, target->scheduling().priority));
  return 0;
}

Result<uint64_t> SchedGetscheduler(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto target, FindTarget(t, a[0].As<pid_t>()));
  const Scheduling s = target->scheduling();
  return static_cast<uint64_t>(s.policy | (s.reset_on_fork ? SCHED_RESET_ON_FORK : 0));
}

Result<uint64_t> SchedGetPriorityMax(Task&, const SyscallArgs& a) {
  const int policy = a[0].As<int>();
  if (IsRealTime(policy)) return 99;
  return IsKnown(policy) || policy == kSchedDeadline ? Result<uint64_t>(0) : Errno::kEINVAL;
}

Result<uint64_t> SchedGetPriorityMin(Task&, const SyscallArgs& a) {
  const int policy = a[0].As<int>();
  if (IsRealTime(policy)) return 1;
  return IsKnown(policy) || policy == kSchedDeadline ? Result<uint64_t>(0) : Errno::kEINVAL;
}

Result<uint64_t> SchedRrGetInterval(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto target, FindTarget(t, a[0].As<pid_t>()));
  const int policy = target->scheduling().policy;
  const long ns = policy == SCHED_FIFO ? 0 : (policy == SCHED_RR ? 100000000 : 4000000);
  RETURN_IF_ERROR(t.CopyOut(a[1].raw, timespec{0, ns}));
  return 0;
}

Result<uint64_t> SchedSetaffinity(Task& t, const SyscallArgs& a) {
  const size_t size = std::min<size_t>(a[1].As<uint32_t>(), sizeof(cpu_set_t));
  cpu_set_t wanted;
  CPU_ZERO(&wanted);
  RETURN_IF_ERROR(t.mm().CopyInBytes(a[2].raw, &wanted, size));
  ASSIGN_OR_RETURN(auto target, FindAffinityTarget(t, a[0].As<pid_t>()));
  if (!MayChange(t, *target)) return Errno::kEPERM;
  cpu_set_t possible, result;
  CPU_ZERO(&possible);
  for (int i = 0; i < t.kernel().cpu_count(); ++i) CPU_SET(i, &possible);
  CPU_AND(&result, &wanted, &possible);
  if (CPU_COUNT(&result) == 0) return Errno::kEINVAL;
  Scheduling s = target->scheduling();
  s.affinity = result;
  target->set_scheduling(s);
  return 0;
}

Result<uint64_t> SchedGetaffinity(Task& t, const SyscallArgs& a) {
  const auto size = a[1].As<uint32_t>();
  const size_t needed = (static_cast<size_t>(t.kernel().cpu_count()) + 63) / 64 * 8;
  if (size < needed || size % sizeof(uint64_t) != 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(auto target, FindAffinityTarget(t, a[0].As<pid_t>()));
  const cpu_set_t set = target->scheduling().affinity;
  RETURN_IF_ERROR(t.mm().CopyOutBytes(a[2].raw, &set, needed));
  return needed;
}

Result<uint64_t> SchedSetattr(Task& t, const SyscallArgs& a) {
  if (a[1].raw == 0 || a[0].As<pid_t>() < 0 || a[2].As<uint32_t>() != 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(uint32_t size, t.CopyIn<uint32_t>(a[1].raw));
  if (size == 0) size = sizeof(SchedAttr);
  if (size < sizeof(SchedAttr) || size > mm::kPageSize) {
    RETURN_IF_ERROR(t.CopyOut<uint32_t>(a[1].raw, sizeof(SchedAttr)));
    return Errno::kE2BIG;
  }
  ASSIGN_OR_RETURN(SchedAttr attr, t.CopyIn<SchedAttr>(a[1].raw));
  std::array<char, mm::kPageSize> rest;
  const size_t more = size - sizeof(attr);
  RETURN_IF_ERROR(t.mm().CopyInBytes(a[1].raw + sizeof(attr), rest.data(), more));
  if (std::any_of(rest.begin(), rest.begin() + more, [](char c) { return c != 0; })) {
    RETURN_IF_ERROR(t.CopyOut<uint32_t>(a[1].raw, sizeof(SchedAttr)));
    return Errno::kE2BIG;
  }
  attr.nice = std::clamp(attr.nice, -20, 19);
  if (static_cast<int>(attr.policy) < 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(auto target, FindTarget(t, a[0].As<pid_t>()));
  constexpr uint64_t kResetOnFork = 1, kKeepPolicy = 8, kKeepParams = 16;
  if ((attr.flags & ~(kResetOnFork | kKeepPolicy | kKeepParams)) != 0) return Errno::kEINVAL;
  const Scheduling s = target->scheduling();
  const int policy =
      (attr.flags & kKeepPolicy) != 0 ? s.policy : static_cast<int>(attr.policy);
  const bool keep = (attr.flags & kKeepParams) != 0;
  if (policy == kSchedDeadline) {
    SchedAttr wanted = attr;
    if (keep) wanted.runtime = s.runtime, wanted.deadline = s.deadline, wanted.period = s.period;
    RETURN_IF_ERROR(ApplyDeadline(t, *target, wanted, (attr.flags & kResetOnFork) != 0));
    return 0;
  }
  const int priority = keep ? s.priority : static_cast<int>(attr.priority);
  const int nice = keep ? s.nice : attr.nice;
  RETURN_IF_ERROR(
      ApplyPolicy(t, *target, policy, priority, &nice, (attr.flags & kResetOnFork) != 0, keep));
  return 0;
}

Result<uint64_t> SchedGetattr(Task& t, const SyscallArgs& a) {
  const auto size = a[2].As<uint32_t>();
  if (a[1].raw == 0 || a[0].As<pid_t>() < 0 || size < sizeof(SchedAttr) || size > mm::kPageSize ||
      a[3].As<uint32_t>() != 0) {
    return Errno::kEINVAL;
  }
  ASSIGN_OR_RETURN(auto target, FindTarget(t, a[0].As<pid_t>()));
  const Scheduling s = target->scheduling();
  SchedAttr attr = {};
  attr.size = sizeof(attr);
  attr.policy = static_cast<uint32_t>(s.policy);
  attr.flags = s.reset_on_fork ? 1 : 0;
  attr.nice = s.nice;
  attr.priority = static_cast<uint32_t>(s.priority);
  attr.runtime = s.runtime;
  attr.deadline = s.deadline;
  attr.period = s.period;
  RETURN_IF_ERROR(t.CopyOut(a[1].raw, attr));
  return 0;
}

namespace {

// The tasks that getpriority(2) and its like name. ESRCH if there are none.
Result<std::vector<Ref<Task>>> PriorityTargets(Task& t, int which, int who) {
  std::vector<Ref<Task>> out;
  MutexLock lock(t.kernel().task_mutex());
  const auto add_all = [&](const kernel::ThreadGroup& tg) {
    for (Task* task : tg.tasks()) out.emplace_back(task);
  };
  switch (which) {
    case PRIO_PROCESS:
      if (who == 0) {
        out.emplace_back(&t);
      } else if (Task* task = t.pid_ns().FindTask(who); task != nullptr) {
        out.emplace_back(task);
      }
      break;
    case PRIO_PGRP: {
      const kernel::ProcessGroup* group =
          who == 0 ? t.tg().group() : t.pid_ns().FindProcessGroup(who);
      if (group != nullptr) {
        for (const kernel::ThreadGroup* tg : group->members()) add_all(*tg);
      }
      break;
    }
    case PRIO_USER: {
      const CredsRef mine = t.creds();
      const uid_t uid =
          who == 0 ? mine->ruid
                   : mine->user_ns->ToKernel(UserNamespace::Kind::kUser, static_cast<uint32_t>(who))
                         .value_or(kNoId);
      for (Task* task : t.pid_ns().Tasks()) {
        const CredsRef c = task->creds();
        if (c != nullptr && c->ruid == uid) out.emplace_back(task);
      }
      break;
    }
    default:
      return Errno::kEINVAL;
  }
  if (out.empty()) return Errno::kESRCH;
  return out;
}

}  // namespace

Result<uint64_t> Getpriority(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto targets, PriorityTargets(t, a[0].As<int>(), a[1].As<int>()));
  int best = 19;
  for (const auto& task : targets) best = std::min(best, task->scheduling().nice);
  return static_cast<uint64_t>(20 - best);
}

Result<uint64_t> Setpriority(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto targets, PriorityTargets(t, a[0].As<int>(), a[1].As<int>()));
  const int nice = std::clamp(a[2].As<int>(), -20, 19);
  Errno error = Errno::kOk;
  for (const auto& task : targets) {
    if (!MayChange(t, *task)) {
      error = Errno::kEPERM;
      continue;
    }
    Scheduling s = task->scheduling();
    if (nice < s.nice && !t.HasCap(CAP_SYS_NICE) &&
        static_cast<uint64_t>(20 - nice) > task->Rlimit(RLIMIT_NICE)) {
      error = Errno::kEACCES;
      continue;
    }
    s.nice = nice;
    task->set_scheduling(s);
  }
  if (error != Errno::kOk) return error;
  return 0;
}

namespace {

constexpr int kIoprioWhoProcess = 1, kIoprioWhoPgrp = 2, kIoprioWhoUser = 3;

Result<std::vector<Ref<Task>>> IoprioTargets(Task& t, int which, int who) {
  switch (which) {
    case kIoprioWhoProcess:
      return PriorityTargets(t, PRIO_PROCESS, who);
    case kIoprioWhoPgrp:
      return PriorityTargets(t, PRIO_PGRP, who);
    case kIoprioWhoUser:
      return PriorityTargets(t, PRIO_USER, who);
    default:
      return Errno::kEINVAL;
  }
}

}  // namespace

Result<uint64_t> IoprioSet(Task& t, const SyscallArgs& a) {
  const int value = a[2].As<int>();
  const int io_class = value >> 13, level = value & 0x1fff;
  if (io_class < 0 || io_class > 3 || level > 7) return Errno::kEINVAL;
  if (io_class == 1 && !t.HasCap(CAP_SYS_ADMIN) && !t.HasCap(CAP_SYS_NICE)) return Errno::kEPERM;
  if (io_class == 0 && level != 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(auto targets, IoprioTargets(t, a[0].As<int>(), a[1].As<int>()));
  for (const auto& task : targets) {
    if (!MayChange(t, *task)) return Errno::kEPERM;
    Scheduling s = task->scheduling();
    s.ioprio = value;
    task->set_scheduling(s);
  }
  return 0;
}

Result<uint64_t> IoprioGet(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(auto targets, IoprioTargets(t, a[0].As<int>(), a[1].As<int>()));
  return static_cast<uint64_t>(targets.front()->scheduling().ioprio);
}

}  // namespace cvisor::syscalls
