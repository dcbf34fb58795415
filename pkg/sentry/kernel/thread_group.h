// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// ThreadGroup: a process. Relations (parent, children, tasks, group) are guarded by
// Kernel::task_mutex(); signal state by signal_mutex().

#ifndef CVISOR_PKG_SENTRY_KERNEL_THREAD_GROUP_H_
#define CVISOR_PKG_SENTRY_KERNEL_THREAD_GROUP_H_

#include <sys/resource.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/kernel/limits.h"
#include "pkg/sentry/kernel/session.h"
#include "pkg/sentry/kernel/signals.h"
#include "pkg/sentry/waiter/waiter.h"

namespace cvisor::kernel {

class Container;
class Kernel;
class PidNamespace;
class ProcessTimers;  // itimers and POSIX timers: timers.h
class Task;

// CPU time and counters of rusage, in nanoseconds.
struct CpuUsage {
  uint64_t user_ns = 0, system_ns = 0;
  uint64_t minor_faults = 0, major_faults = 0;
  uint64_t voluntary_switches = 0, involuntary_switches = 0;
  uint64_t max_rss_bytes = 0;
  void Add(const CpuUsage& o);
};

// What wait4(2) and waitid(2) ask for.
struct WaitOptions {
  enum class Target { kAny, kProcess, kGroup } target = Target::kAny;
  pid_t id = 0;                 // in the caller's namespace
  ThreadGroup* process = nullptr;  // P_PIDFD: this one, instead of id
  int flags = 0;                // WNOHANG, WEXITED, WSTOPPED, WCONTINUED, WNOWAIT, __WALL, __WCLONE, ...
};

struct WaitResult {
  pid_t pid = 0;   // 0: nothing (WNOHANG)
  uid_t uid = 0;
  int status = 0;  // as wait4(2) stores it
  int child_code = 0, child_status = 0;  // si_code and si_status of waitid(2)
  CpuUsage usage;
};

class ThreadGroup : public RefCounted {
 public:
  Kernel& kernel() const { return kernel_; }
  Container& container() const { return *container_; }
  const Ref<PidNamespace>& pid_ns() const { return pid_ns_; }

  pid_t id() const;                              // in its own namespace; any thread
  pid_t IdIn(const PidNamespace& ns) const;      // 0 if not visible

  // --- Task mutex held by the caller (Locked) or taken by the method.
  Task* leader() const { return leader_; }
  const std::vector<Task*>& tasks() const { return tasks_; }
  size_t live_tasks() const { return live_tasks_; }
  ThreadGroup* parent() const { return parent_; }
  // In the order they were made, which is the order in which wait(2) looks at them.
  struct OlderFirst {
    bool operator()(const ThreadGroup* a, const ThreadGroup* b) const {
      return a->serial_ < b->serial_;
    }
  };
  const std::set<ThreadGroup*, OlderFirst>& children() const { return children_; }
  const Task* parent_task() const { return parent_task_; }
  ProcessGroup* group() const { return group_.get(); }
  bool is_zombie() const { return zombie_.load(); }  // any thread
  bool is_reaped() const { return reaped_; }
  // Parent's number in ns; 0 if outside.
  pid_t ParentId(const PidNamespace& ns) const;
  // The same in the process's own namespace, for getppid(2): any thread, no lock.
  pid_t own_parent_id() const { return own_parent_id_.load(std::memory_order_relaxed); }

  // --- System calls.
  Result<pid_t> Setsid();
  Status Setpgid(Task& caller, pid_t pid, pid_t pgid);
  Result<pid_t> Getpgid(Task& caller, pid_t pid);
  Result<pid_t> Getsid(Task& caller, pid_t pid);
  // wait4/waitid by one of this process's tasks. Blocks.
  Result<WaitResult> Wait(Task& caller, const WaitOptions& opts);

  // --- Signals. SendSignal: process directed; any thread. Permission checked by the caller.
  Mutex& signal_mutex() const { return signal_mutex_; }
  Status SendSignal(const siginfo_t& info);
  Ref<SignalHandlers> handlers() const;
  SignalAction GetAction(int sig) const { return handlers()->Get(sig); }
  // sigaction(2): discards pending signals that became ignored.
  Status SetAction(int sig, const SignalAction& action, SignalAction* old);
  SignalSet SharedPending() const;
  WaitQueue& signal_queue() { return signal_queue_; }
  // The whole process ends with this wait(2) status. Any thread.
  void KillAll(int status);
  // Called once a second, by any thread. Ends the process if its application side was killed from outside.
  // Ends its application side if the process is to end and threads do not come back from there.
  void CheckStub();
  // Group stop of job control.
  bool stopped() const { return stopped_.load(); }

  LimitSet& limits() { return limits_; }
  const LimitSet& limits() const { return limits_; }
  ProcessTimers& timers() { return *timers_; }

  // Told with kEventIn whenever a child changes state; wait4(2) sleeps on it.
  WaitQueue& child_queue() { return child_queue_; }
  // Told with kEventIn when this process becomes a zombie: pidfds. kEventHup when it is reaped.
  WaitQueue& exit_queue() { return exit_queue_; }

  // Usage of the live and dead threads, and of waited-for children.
  CpuUsage Usage() const;
  CpuUsage ChildrenUsage() const;
  // Only the CPU times of Usage(), which is much cheaper. Takes the task mutex.
  CpuUsage CpuTimes() const;

  std::atomic<bool> child_subreaper{false};  // prctl(PR_SET_CHILD_SUBREAPER)
  std::atomic<int> oom_score_adj{0};
  bool has_execed() const { return has_execed_.load(); }
  int exit_signal() const { return exit_signal_; }
  // See ProcessSpec::outside_parent.
  bool has_outside_parent() const { return outside_parent_ != nullptr; }

 private:
  friend class ControllingTerminal;
  friend class Kernel;
  friend class PidNamespace;
  friend class ProcessGroup;
  friend class ProcessTimers;
  friend class Session;
  friend class Task;
  friend class Tracing;

  ThreadGroup(Kernel& kernel, Ref<Container> container, Ref<PidNamespace> pid_ns,
              Ref<SignalHandlers> handlers, int exit_signal);
  ~ThreadGroup() override;

  // Task mutex held.
  bool Matches(const WaitOptions& opts, ThreadGroup& caller, const PidNamespace& ns) const;
  void SetParent(ThreadGroup* parent);
  // A thread ends: those it forked become children of another thread of the process, if one is left.
  void HandOverChildren(Task* from);
  Task* AnyLiveTask() const;
  void BecomeZombie();
  void FinishZombie();  // tells the parent, or is reaped at once
  void Reap();
  // The part of Wait() that is about this process's tracees (kernel/trace_wait.cc).
  std::optional<WaitResult> WaitForTracee(Task& caller, const WaitOptions& opts, bool* any);
  // A dead thread that somebody traced goes at last.
  void ReapThread(Task* t);
  // The last thread is gone, and so are those that tracers have to wait for.
  bool Over() const { return live_tasks_ == 0 && tasks_.size() == 1; }
  bool TracedBy(const ThreadGroup& tg) const;
  bool TracedByOther(const ThreadGroup* tg) const;
  void NotifyParent(int sig, int code, int status);
  void ReparentChildren();
  ThreadGroup* FindReaper() const;
  void LeaveGroup();
  void JoinGroup(Ref<ProcessGroup> group);
  // Signal mutex held.
  Status SendSignalLocked(const siginfo_t& info, Task* only);
  void KillAllLocked(int status);
  Task* ChooseTask(int sig) const;
  void ContinueLocked();
  // Shared signals of `set` that `from` does not take any more look for another thread.
  void RetargetLocked(SignalSet set, const Task* from);

  Kernel& kernel_;
  const Ref<Container> container_;
  const Ref<PidNamespace> pid_ns_;
  const uint64_t serial_;

  // Task mutex:
  PidNumbers ids_;
  Ref<const ProcessNumbers> numbers_;  // the same; never changes once a task is in the tables
  Task* leader_ = nullptr;
  std::vector<Task*> tasks_;
  size_t live_tasks_ = 0;
  ThreadGroup* parent_ = nullptr;  // changed by SetParent() only
  Task* parent_task_ = nullptr;    // the thread of parent_ that counts as parent: __WNOTHREAD
  std::set<ThreadGroup*, OlderFirst> children_;
  Ref<ProcessGroup> group_;
  std::atomic<bool> zombie_{false};  // written under the task mutex; read by pidfds without
  bool reaped_ = false;
  int exit_signal_ = SIGCHLD;
  int exit_status_ = 0;      // of the process, once a zombie
  uid_t exit_uid_ = 0;
  // Pending reports for wait: at most one of each.
  bool report_stop_ = false, report_continue_ = false;
  int stop_report_signal_ = 0;
  CpuUsage dead_threads_usage_, children_usage_;
  std::atomic<bool> has_execed_{false};
  std::function<void(int code, int status)> outside_parent_;  // fixed before the process runs
  bool awaited_outside_ = false;  // Kernel::WaitForExit reaps it; fixed before the process runs
  Task* exec_task_ = nullptr;  // de_thread in progress on behalf of this one
  std::atomic<pid_t> id_{0};
  std::atomic<pid_t> own_parent_id_{0};

  // Signal mutex:
  mutable Mutex signal_mutex_;
  Ref<SignalHandlers> handlers_;
  SignalQueue pending_;
  bool group_exiting_ = false;
  int group_exit_status_ = 0;
  int exit_checks_ = 0;  // by CheckStub, since the exit began
  bool stop_requested_ = false;
  uint64_t continues_ = 0;        // SIGCONTs so far: one overtakes a stop that is being delivered
  bool continue_notice_ = false;  // CLD_CONTINUED is still to be reported
  bool unkillable_ = false;       // init of a PID namespace
  int stop_signal_ = 0;
  uint64_t stops_ = 0;                // group stops so far
  std::atomic<uint32_t> kills_{0};  // SIGKILLs so far
  int stopped_tasks_ = 0;
  std::atomic<bool> stopped_{false};
  std::vector<Task*> signal_tasks_;  // tasks_ as seen under the signal mutex

  WaitQueue signal_queue_, child_queue_, exit_queue_;
  LimitSet limits_;
  std::unique_ptr<ProcessTimers> timers_;
};

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_THREAD_GROUP_H_
