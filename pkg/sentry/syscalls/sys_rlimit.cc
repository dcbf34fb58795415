// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// getrlimit(2), prlimit(2), getrusage(2).

#include <sys/resource.h>

#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/kernel/timers.h"
#include "pkg/sentry/syscalls/handlers.h"
#include "pkg/sentry/syscalls/rusage.h"

namespace cvisor::syscalls {
namespace {

struct KernelRlimit {
  uint64_t soft, hard;
};

constexpr uint64_t kMaxOpenFiles = 1048576;  // fs.nr_open

timeval ToTimeval(uint64_t ns) {
  return {static_cast<time_t>(ns / 1000000000), static_cast<suseconds_t>(ns % 1000000000 / 1000)};
}

Status SetLimit(Task& t, kernel::ThreadGroup& tg, int resource, const KernelRlimit& in) {
  if (in.soft > in.hard) return Errno::kEINVAL;
  if (resource == RLIMIT_NOFILE && in.hard > kMaxOpenFiles) return Errno::kEPERM;
  const kernel::Limit old = tg.limits().Get(resource);
  if (in.hard > old.hard && !t.HasCap(CAP_SYS_RESOURCE)) return Errno::kEPERM;
  tg.limits().Set(resource, {in.soft, in.hard});
  if (resource == RLIMIT_CPU) tg.timers().OnCpuLimitChanged();
  return OkStatus();
}

}  // namespace

rusage ToRusage(const kernel::CpuUsage& usage) {
  rusage r = {};
  r.ru_utime = ToTimeval(usage.user_ns);
  r.ru_stime = ToTimeval(usage.system_ns);
  r.ru_maxrss = static_cast<long>(usage.max_rss_bytes >> 10);
  r.ru_minflt = static_cast<long>(usage.minor_faults);
  r.ru_majflt = static_cast<long>(usage.major_faults);
  r.ru_nvcsw = static_cast<long>(usage.voluntary_switches);
  r.ru_nivcsw = static_cast<long>(usage.involuntary_switches);
  return r;
}

Result<uint64_t> Getrlimit(Task& t, const SyscallArgs& a) {
  const auto resource = a[0].As<uint32_t>();
  if (resource >= kernel::LimitSet::kCount) return Errno::kEINVAL;
  const kernel::Limit l = t.tg().limits().Get(static_cast<int>(resource));
  RETURN_IF_ERROR(t.CopyOut(a[1].raw, KernelRlimit{l.soft, l.hard}));
  return 0;
}

Result<uint64_t> Setrlimit(Task& t, const SyscallArgs& a) {
  const auto resource = a[0].As<uint32_t>();
  ASSIGN_OR_RETURN(const auto in, t.CopyIn<KernelRlimit>(a[1].raw));
  if (resource >= kernel::LimitSet::kCount) return Errno::kEINVAL;
  RETURN_IF_ERROR(SetLimit(t, t.tg(), static_cast<int>(resource), in));
  return 0;
}

Result<uint64_t> Prlimit64(Task& t, const SyscallArgs& a) {
  const auto pid = a[0].As<pid_t>();
  const auto resource = a[1].As<uint32_t>();
  if (resource >= kernel::LimitSet::kCount) return Errno::kEINVAL;
  KernelRlimit in = {};
  if (a[2].raw != 0) {
    ASSIGN_OR_RETURN(in, t.CopyIn<KernelRlimit>(a[2].raw));
  }
  Ref<Task> target(&t);
  if (pid != 0) {
    {
      MutexLock lock(t.kernel().task_mutex());
      target = Ref<Task>(t.pid_ns().FindTask(pid));
    }
    if (target == nullptr) return Errno::kESRCH;
    const CredsRef mine = t.creds(), theirs = target->creds();
    const bool same = mine->ruid == theirs->ruid && mine->ruid == theirs->euid &&
                      mine->ruid == theirs->suid && mine->rgid == theirs->rgid &&
                      mine->rgid == theirs->egid && mine->rgid == theirs->sgid;
    if (!same && !mine->HasCapIn(*theirs->user_ns, CAP_SYS_RESOURCE)) return Errno::kEPERM;
  }
  const kernel::Limit old = target->tg().limits().Get(static_cast<int>(resource));
  if (a[2].raw != 0) {
    RETURN_IF_ERROR(SetLimit(t, target->tg(), static_cast<int>(resource), in));
  }
  if (a[3].raw != 0) RETURN_IF_ERROR(t.CopyOut(a[3].raw, KernelRlimit{old.soft, old.hard}));
  return 0;
}

Result<uint64_t> Getrusage(Task& t, const SyscallArgs& a) {
  kernel::CpuUsage usage;
  switch (a[0].As<int>()) {
    case RUSAGE_SELF:
      usage = t.tg().Usage();
      break;
    case RUSAGE_CHILDREN:
      usage = t.tg().ChildrenUsage();
      break;
    case RUSAGE_THREAD: {
      usage = t.tg().Usage();  // memory figures are the process's
      usage.user_ns = t.UserTimeNs();
      usage.system_ns = t.SystemTimeNs();
      usage.voluntary_switches = t.voluntary_switches.load();
      usage.involuntary_switches = t.involuntary_switches.load();
      break;
    }
    default:
      return Errno::kEINVAL;
  }
  RETURN_IF_ERROR(t.CopyOut(a[1].raw, ToRusage(usage)));
  return 0;
}

}  // namespace cvisor::syscalls
