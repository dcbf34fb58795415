// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// ProcessTimers: setitimer(2), timer_create(2) and RLIMIT_CPU of one process.
//
// Timers on wall clocks each have a timer of the TimerService. Those on CPU clocks share one, armed for
// the earliest moment at which any of them could expire; the CPU times are looked at again then.
//
// Locks: Impl::mu comes before the service's and after nothing: the task mutex (for CPU times) and the
// signal mutex (for sending) are taken while mu is not held.

#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <utility>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/sentry/kernel/clocks.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/signals.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/kernel/timers.h"

namespace cvisor::kernel {
namespace {

constexpr int64_t kSecond = 1000000000;
// Periodic timers do not wake the service more often; expirations in between count as overruns.
constexpr int64_t kMinPeriodNs = 100000;
// The same while the last signal still waits: nobody could tell the difference.
constexpr int64_t kMinPendingPeriodNs = 1000000;
// How far apart checks of CPU clocks get while the process does not run.
constexpr int64_t kMaxIdleCheckNs = 20000000;

int64_t TimevalToNs(const timeval& tv) {
  return TimespecToNs(timespec{tv.tv_sec, tv.tv_usec * 1000});
}
timeval NsToTimeval(int64_t ns) {
  return timeval{ns / kSecond, static_cast<suseconds_t>(ns % kSecond / 1000)};
}
int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t r;
  return __builtin_add_overflow(a, b, &r) ? INT64_MAX : r;
}

// A point in time on some clock, and how often it comes back.
struct Schedule {
  int64_t due = INT64_MAX;  // INT64_MAX: disarmed
  int64_t interval = 0;

  bool armed() const { return due != INT64_MAX; }
  // How often it expired up to `now`; moves on to the next time.
  int64_t Advance(int64_t now) {
    if (!armed() || now < due) return 0;
    if (interval == 0) {
      due = INT64_MAX;
      return 1;
    }
    const int64_t n = 1 + (now - due) / interval;
    int64_t step;
    due = __builtin_mul_overflow(n, interval, &step) ? INT64_MAX : SaturatingAdd(due, step);
    return n;
  }
  // Until the next expiry; 0 if disarmed, at least 1 if not.
  int64_t Remaining(int64_t now) const {
    if (!armed()) return 0;
    if (now < due) return due - now;
    // Expired, but not served yet.
    if (interval == 0) return 1;
    return interval - (now - due) % interval;
  }
};

enum { kRealTimer = -1, kCpuTimer = -2 };  // else the id of a POSIX timer

}  // namespace

struct ProcessTimers::Impl : RefCounted {
  explicit Impl(ThreadGroup& group) : tg(&group) {}

  class ServiceTimer : public Timer {
   public:
    ServiceTimer(Ref<Impl> impl, int id) : impl_(std::move(impl)), id_(id) {}
    void Fire() override { impl_->OnFire(id_); }

   private:
    const Ref<Impl> impl_;
    const int id_;
  };

  struct PosixTimer {
    clockid_t clock = CLOCK_REALTIME;
    bool cpu = false;
    CpuClock cpu_clock;
    int notify = SIGEV_SIGNAL;
    int signo = SIGALRM;
    pid_t thread = 0;  // SIGEV_THREAD_ID, in the process's namespace
    sigval value{};
    Schedule schedule;  // on CLOCK_MONOTONIC, or the CPU clock
    Ref<ServiceTimer> timer;
    // Overruns of the last signal that was delivered or accepted.
    int overruns = 0;
  };

  // A signal that a timer sends once mu is free.
  struct Shot {
    int id = 0;
    int signo = 0;
    pid_t thread = 0;
    sigval value{};
    int64_t expirations = 0;
  };

  Mutex mu;
  ThreadGroup* tg ABSL_GUARDED_BY(mu);  // null when the process is gone
  Schedule real ABSL_GUARDED_BY(mu), virt ABSL_GUARDED_BY(mu), prof ABSL_GUARDED_BY(mu);
  Ref<ServiceTimer> real_timer ABSL_GUARDED_BY(mu), cpu_timer ABSL_GUARDED_BY(mu);
  std::map<int, PosixTimer> posix ABSL_GUARDED_BY(mu);
  int next_id ABSL_GUARDED_BY(mu) = 0;
  bool exited ABSL_GUARDED_BY(mu) = false;
  uint64_t last_cpu_ns ABSL_GUARDED_BY(mu) = 0;
  int64_t idle_check_ns ABSL_GUARDED_BY(mu) = 0;
  // The service timer for CPU clocks is armed.
  std::atomic<bool> cpu_armed{false};

  // Null when the process is being destroyed.
  Ref<ThreadGroup> Group() {
    MutexLock lock(mu);
    return tg != nullptr && tg->TryIncRef() ? Ref<ThreadGroup>::Adopt(tg) : nullptr;
  }

  Ref<ServiceTimer>& TimerLocked(Ref<ServiceTimer>& slot, int id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    if (slot == nullptr) slot = MakeRef<ServiceTimer>(Ref<Impl>(this), id);
    return slot;
  }

  void ArmWallLocked(Ref<ServiceTimer>& slot, int id, const Schedule& s, int64_t not_before = 0)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    if (exited || tg == nullptr) return;
    if (!s.armed()) {
      if (slot != nullptr) tg->kernel().timers().Disarm(*slot);
      return;
    }
    tg->kernel().timers().Arm(TimerLocked(slot, id), Deadline::At(std::max(s.due, not_before)));
  }

  void OnFire(int id) {
    const Ref<ThreadGroup> group = Group();
    if (group == nullptr) return;
    if (id == kCpuTimer) {
      CheckCpu(*group);
    } else if (id == kRealTimer) {
      FireReal(*group);
    } else {
      FirePosix(*group, id);
    }
  }

  void FireReal(ThreadGroup& group) {
    {
      MutexLock lock(mu);
      const int64_t now = MonotonicNs();
      const int64_t n = real.Advance(now);
      ArmWallLocked(real_timer, kRealTimer, real, now + kMinPeriodNs);
      if (n == 0) return;
    }
    (void)group.SendSignal(MakeKernelInfo(SIGALRM));
  }

  void FirePosix(ThreadGroup& group, int id) {
    Shot shot;
    {
      MutexLock lock(mu);
      const auto it = posix.find(id);
      if (it == posix.end()) return;
      shot = ShotLocked(id, it->second, it->second.schedule.Advance(MonotonicNs()));
    }
    const bool pending = Send(group, shot);
    MutexLock lock(mu);
    const auto it = posix.find(id);
    if (it == posix.end()) return;
    ArmWallLocked(it->second.timer, id, it->second.schedule,
                  MonotonicNs() + (pending ? kMinPendingPeriodNs : kMinPeriodNs));
  }

  static Shot ShotLocked(int id, const PosixTimer& p, int64_t expirations) {
    return Shot{id, p.signo, p.thread, p.value, p.notify == SIGEV_NONE ? 0 : expirations};
  }

  // True if the timer's last signal still waited and only its overrun count grew.
  bool Send(ThreadGroup& group, const Shot& shot) {
    if (shot.expirations == 0) return false;
    Ref<Task> task;
    if (shot.thread != 0) {
      MutexLock lock(group.kernel().task_mutex());
      task = Ref<Task>(group.pid_ns()->FindTask(shot.thread));
      if (task == nullptr || &task->tg() != &group) return false;
    }
    bool pending;
    {
      MutexLock lock(group.signal_mutex());
      SignalQueue& queue = task != nullptr ? task->pending_ : group.pending_;
      pending = queue.AddTimerOverrun(shot.signo, shot.id, shot.expirations);
    }
    if (pending) return true;
    siginfo_t info{};
    info.si_signo = shot.signo;
    info.si_code = SI_TIMER;
    info.si_timerid = shot.id;
    info.si_overrun = static_cast<int>(std::min<int64_t>(shot.expirations - 1, INT32_MAX));
    info.si_value = shot.value;
    (void)(task != nullptr ? task->SendSignal(info) : group.SendSignal(info));
    return false;
  }

  // --- CPU clocks.

  void CheckCpu(ThreadGroup& group) {
    // The clocks first, without mu.
    const CpuUsage usage = group.CpuTimes();
    const auto user = static_cast<int64_t>(usage.user_ns);
    const auto total = static_cast<int64_t>(usage.user_ns + usage.system_ns);
    std::vector<std::pair<int, CpuClock>> clocks;
    {
      MutexLock lock(mu);
      for (const auto& [id, p] : posix) {
        if (p.cpu && p.schedule.armed()) clocks.emplace_back(id, p.cpu_clock);
      }
    }
    std::map<int, int64_t> now;
    for (const auto& [id, clock] : clocks) {
      if (auto v = ReadCpuClock(group, *group.pid_ns(), clock); v.ok()) now[id] = *v;
    }

    bool send_virt, send_prof;
    std::vector<Shot> shots;
    int64_t remaining = CheckLimit(group, total);
    {
      MutexLock lock(mu);
      send_virt = virt.Advance(user) != 0;
      send_prof = prof.Advance(total) != 0;
      const auto consider = [&remaining](const Schedule& s, int64_t at) {
        if (s.armed()) remaining = std::min(remaining, s.due - at);
      };
      consider(virt, user);
      consider(prof, total);
      for (const auto& [id, at] : now) {
        const auto it = posix.find(id);
        if (it == posix.end() || !it->second.cpu) continue;
        const int64_t n = it->second.schedule.Advance(at);
        if (n != 0) shots.push_back(ShotLocked(id, it->second, n));
        consider(it->second.schedule, at);
      }
      ArmCpuLocked(static_cast<uint64_t>(total), remaining);
    }
    if (send_virt) (void)group.SendSignal(MakeKernelInfo(SIGVTALRM));
    if (send_prof) (void)group.SendSignal(MakeKernelInfo(SIGPROF));
    for (const Shot& shot : shots) Send(group, shot);
  }

  void ArmCpuLocked(uint64_t total, int64_t remaining) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    if (exited || tg == nullptr) return;
    if (remaining == INT64_MAX) {
      cpu_armed.store(false);
      if (cpu_timer != nullptr) tg->kernel().timers().Disarm(*cpu_timer);
      return;
    }
    // A sleeping process is looked at less and less often.
    idle_check_ns = total == last_cpu_ns ? std::min(2 * idle_check_ns + kCpuClockTickNs,
                                                    kMaxIdleCheckNs)
                                         : 0;
    last_cpu_ns = total;
    Deadline deadline = CpuDeadline(tg->kernel(), remaining);
    deadline.ns = std::max(deadline.ns, MonotonicNs() + idle_check_ns);
    cpu_armed.store(true);
    tg->kernel().timers().Arm(TimerLocked(cpu_timer, kCpuTimer), deadline);
  }

  // RLIMIT_CPU, whole seconds. Returns how much CPU time is left until something happens.
  static int64_t CheckLimit(ThreadGroup& group, int64_t total) {
    Limit limit = group.limits().Get(RLIMIT_CPU);
    const auto ns = [](uint64_t seconds) {
      return seconds > INT64_MAX / kSecond ? INT64_MAX : static_cast<int64_t>(seconds) * kSecond;
    };
    if (total >= ns(limit.hard)) {
      group.KillAll(SIGKILL);
      return INT64_MAX;
    }
    if (total >= ns(limit.soft)) {
      // Again in a second, as Linux does it: visible to getrlimit(2).
      limit.soft = static_cast<uint64_t>(total / kSecond) + 1;
      group.limits().Set(RLIMIT_CPU, limit);
      (void)group.SendSignal(MakeKernelInfo(SIGXCPU));
    }
    const int64_t next = std::min(ns(limit.soft), ns(limit.hard));
    return next == INT64_MAX ? INT64_MAX : next - total;
  }

  void Remove(bool interval_timers) {
    std::map<int, PosixTimer> gone;
    Ref<ServiceTimer> gone_real, gone_cpu;
    MutexLock lock(mu);
    gone.swap(posix);
    next_id = 0;
    if (tg == nullptr) return;
    TimerService& service = tg->kernel().timers();
    for (auto& [id, p] : gone) {
      if (p.timer != nullptr) service.Disarm(*p.timer);
    }
    if (!interval_timers) return;
    real = virt = prof = Schedule{};
    gone_real.swap(real_timer);
    gone_cpu.swap(cpu_timer);
    if (gone_real != nullptr) service.Disarm(*gone_real);
    if (gone_cpu != nullptr) service.Disarm(*gone_cpu);
    cpu_armed.store(false);
  }
};

// impl_ is a plain pointer in the header; the references are this one and those of service timers.
ProcessTimers::ProcessTimers(ThreadGroup& tg) : impl_(new Impl(tg)) { impl_->IncRef(); }

ProcessTimers::~ProcessTimers() {
  impl_->Remove(/*interval_timers=*/true);
  {
    MutexLock lock(impl_->mu);
    impl_->tg = nullptr;
  }
  impl_->DecRef();
}

Result<itimerval> ProcessTimers::GetItimer(int which) {
  if (which != ITIMER_REAL && which != ITIMER_VIRTUAL && which != ITIMER_PROF) {
    return Errno::kEINVAL;
  }
  const Ref<ThreadGroup> tg = impl_->Group();
  if (tg == nullptr) return Errno::kESRCH;
  const CpuUsage u = which == ITIMER_REAL ? CpuUsage{} : tg->CpuTimes();
  MutexLock lock(impl_->mu);
  const Schedule& s = which == ITIMER_REAL      ? impl_->real
                      : which == ITIMER_VIRTUAL ? impl_->virt
                                                : impl_->prof;
  const int64_t now = which == ITIMER_REAL ? MonotonicNs()
                                           : static_cast<int64_t>(
                                                 u.user_ns +
                                                 (which == ITIMER_PROF ? u.system_ns : 0));
  itimerval v{};
  v.it_interval = NsToTimeval(s.interval);
  const int64_t left = s.Remaining(now);
  // An armed timer never shows zero.
  v.it_value = NsToTimeval(left == 0 ? 0 : std::max<int64_t>(left, 1000));
  return v;
}

Result<itimerval> ProcessTimers::SetItimer(int which, const itimerval& value) {
  const auto valid = [](const timeval& tv) {
    return tv.tv_sec >= 0 && tv.tv_usec >= 0 && tv.tv_usec < 1000000;
  };
  if (!valid(value.it_value) || !valid(value.it_interval)) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const itimerval old, GetItimer(which));
  const Ref<ThreadGroup> tg = impl_->Group();
  if (tg == nullptr) return Errno::kESRCH;

  Schedule s;
  s.interval = TimevalToNs(value.it_interval);
  const int64_t after = TimevalToNs(value.it_value);
  int64_t now = 0;
  if (which == ITIMER_REAL) {
    now = MonotonicNs();
  } else {
    const CpuUsage u = tg->CpuTimes();
    now = static_cast<int64_t>(u.user_ns + (which == ITIMER_PROF ? u.system_ns : 0));
  }
  if (after != 0) s.due = SaturatingAdd(now, after);
  {
    MutexLock lock(impl_->mu);
    if (which == ITIMER_REAL) {
      impl_->real = s;
      impl_->ArmWallLocked(impl_->real_timer, kRealTimer, s);
      return old;
    }
    (which == ITIMER_VIRTUAL ? impl_->virt : impl_->prof) = s;
  }
  impl_->CheckCpu(*tg);
  return old;
}

Result<int> ProcessTimers::Create(Task& t, clockid_t clock, const sigevent* event) {
  Impl::PosixTimer p;
  p.clock = clock;
  if (IsWallClock(clock)) {
    if (clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_REALTIME_COARSE ||
        clock == CLOCK_MONOTONIC_COARSE) {
      return Errno::kEOPNOTSUPP;
    }
    if ((clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM) &&
        !t.HasCap(CAP_WAKE_ALARM)) {
      return Errno::kEPERM;
    }
  } else {
    ASSIGN_OR_RETURN(p.cpu_clock, DecodeCpuClock(clock));
    p.cpu = true;
    if (p.cpu_clock.thread && p.cpu_clock.id == 0) p.cpu_clock.id = t.tid();
    // Checks that it exists. Another process's clock is readable but has no timers here.
    RETURN_IF_ERROR(ReadCpuClock(t.tg(), t.pid_ns(), p.cpu_clock));
    if (!p.cpu_clock.thread && p.cpu_clock.id == t.tg().id()) p.cpu_clock.id = 0;
    if (!p.cpu_clock.thread && p.cpu_clock.id != 0) return Errno::kEINVAL;
  }
  if (event != nullptr) {
    p.notify = event->sigev_notify;
    p.signo = event->sigev_signo;
    p.value = event->sigev_value;
    switch (p.notify) {
      case SIGEV_NONE:
        break;
      case SIGEV_THREAD_ID: {
        // The kernel's sigev_notify_thread_id; glibc hides it in a union.
        p.thread = event->_sigev_un._tid;
        MutexLock lock(t.kernel().task_mutex());
        const Task* target = p.thread > 0 ? t.pid_ns().FindTask(p.thread) : nullptr;
        if (target == nullptr || &target->tg() != &t.tg()) return Errno::kEINVAL;
        [[fallthrough]];
      }
      case SIGEV_SIGNAL:
      case SIGEV_THREAD:
        if (!ValidSignal(p.signo)) return Errno::kEINVAL;
        break;
      default:
        return Errno::kEINVAL;
    }
  }
  MutexLock lock(impl_->mu);
  // Each timer reserves one queued signal.
  if (impl_->posix.size() >= t.Rlimit(RLIMIT_SIGPENDING)) return Errno::kEAGAIN;
  while (impl_->posix.contains(impl_->next_id)) {
    impl_->next_id = impl_->next_id == INT32_MAX ? 0 : impl_->next_id + 1;
  }
  const int id = impl_->next_id;
  impl_->next_id = id == INT32_MAX ? 0 : id + 1;
  if (event == nullptr) p.value.sival_int = id;
  impl_->posix.emplace(id, std::move(p));
  return id;
}

Status ProcessTimers::Settime(int id, int flags, const itimerspec& value, itimerspec* old) {
  if (!ValidTimespec(value.it_value) || !ValidTimespec(value.it_interval)) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const itimerspec previous, Gettime(id));
  const Ref<ThreadGroup> tg = impl_->Group();
  if (tg == nullptr) return Errno::kESRCH;
  CpuClock cpu_clock;
  bool cpu;
  {
    MutexLock lock(impl_->mu);
    const auto it = impl_->posix.find(id);
    if (it == impl_->posix.end()) return Errno::kEINVAL;
    cpu = it->second.cpu;
    cpu_clock = it->second.cpu_clock;
  }
  int64_t cpu_now = 0;
  if (cpu) {
    ASSIGN_OR_RETURN(cpu_now, ReadCpuClock(*tg, *tg->pid_ns(), cpu_clock));
  }
  {
    MutexLock lock(impl_->mu);
    const auto it = impl_->posix.find(id);
    if (it == impl_->posix.end()) return Errno::kEINVAL;
    Impl::PosixTimer& p = it->second;
    const int64_t when = TimespecToNs(value.it_value);
    p.overruns = 0;
    p.schedule = Schedule{};
    p.schedule.interval = TimespecToNs(value.it_interval);
    if (when != 0) {
      if ((flags & TIMER_ABSTIME) == 0) {
        p.schedule.due = SaturatingAdd(cpu ? cpu_now : MonotonicNs(), when);
      } else {
        p.schedule.due = cpu ? when : WallDeadline(p.clock, when).ns;
      }
    }
    if (!cpu && p.notify != SIGEV_NONE) impl_->ArmWallLocked(p.timer, id, p.schedule);
  }
  if (cpu) impl_->CheckCpu(*tg);
  if (old != nullptr) *old = previous;
  return OkStatus();
}

Result<itimerspec> ProcessTimers::Gettime(int id) {
  const Ref<ThreadGroup> tg = impl_->Group();
  if (tg == nullptr) return Errno::kESRCH;
  CpuClock cpu_clock;
  bool cpu;
  {
    MutexLock lock(impl_->mu);
    const auto it = impl_->posix.find(id);
    if (it == impl_->posix.end()) return Errno::kEINVAL;
    cpu = it->second.cpu;
    cpu_clock = it->second.cpu_clock;
  }
  int64_t now = MonotonicNs();
  if (cpu) {
    // The clock of a thread that has ended stands still; there is nothing left to measure.
    now = ReadCpuClock(*tg, *tg->pid_ns(), cpu_clock).value_or(0);
  }
  MutexLock lock(impl_->mu);
  const auto it = impl_->posix.find(id);
  if (it == impl_->posix.end()) return Errno::kEINVAL;
  Impl::PosixTimer& p = it->second;
  // Nobody else moves a silent timer on.
  if (p.notify == SIGEV_NONE) p.schedule.Advance(now);
  itimerspec v{};
  v.it_interval = NsToTimespec(p.schedule.interval);
  v.it_value = NsToTimespec(p.schedule.Remaining(now));
  return v;
}

Result<int> ProcessTimers::GetOverrun(int id) {
  MutexLock lock(impl_->mu);
  const auto it = impl_->posix.find(id);
  if (it == impl_->posix.end()) return Errno::kEINVAL;
  return it->second.overruns;
}

void ProcessTimers::OnSignalTaken(int id, int overruns) {
  MutexLock lock(impl_->mu);
  const auto it = impl_->posix.find(id);
  if (it != impl_->posix.end()) it->second.overruns = overruns;
}

Status ProcessTimers::Delete(int id) {
  Impl::PosixTimer gone;
  MutexLock lock(impl_->mu);
  const auto it = impl_->posix.find(id);
  if (it == impl_->posix.end()) return Errno::kEINVAL;
  gone = std::move(it->second);
  impl_->posix.erase(it);
  if (gone.timer != nullptr && impl_->tg != nullptr) {
    impl_->tg->kernel().timers().Disarm(*gone.timer);
  }
  return OkStatus();
}

void ProcessTimers::OnExec() { impl_->Remove(/*interval_timers=*/false); }

void ProcessTimers::OnExit() {
  impl_->Remove(/*interval_timers=*/true);
  MutexLock lock(impl_->mu);
  impl_->exited = true;
}

void ProcessTimers::OnCpuTime() {
  if (impl_->cpu_armed.load(std::memory_order_relaxed)) return;
  const Ref<ThreadGroup> tg = impl_->Group();
  if (tg == nullptr) return;
  const Limit limit = tg->limits().Get(RLIMIT_CPU);
  if (limit.soft == RLIM_INFINITY && limit.hard == RLIM_INFINITY) return;
  impl_->CheckCpu(*tg);
}

void ProcessTimers::OnCpuLimitChanged() {
  if (const Ref<ThreadGroup> tg = impl_->Group(); tg != nullptr) impl_->CheckCpu(*tg);
}

}  // namespace cvisor::kernel
