// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Task: one application thread. It has one host thread, which runs Task::Run(): switch to the
// application, serve its system call or fault, deliver signals, again.
//
// Threads. Methods and fields are the task's own thread's unless marked "any thread". What other
// threads look at (credentials, mm, descriptor table, name) is written under mu_ and read by others
// through the ...Ref() methods. Relations to other tasks are guarded by Kernel::task_mutex(), signal
// state by ThreadGroup::signal_mutex(). Lock order: docs/locking.md.

#ifndef CVISOR_PKG_SENTRY_KERNEL_TASK_H_
#define CVISOR_PKG_SENTRY_KERNEL_TASK_H_

#include <sched.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/arch/registers.h"
#include "pkg/sentry/auth/credentials.h"
#include "pkg/sentry/ipc/semaphore.h"
#include "pkg/sentry/kernel/blocker.h"
#include "pkg/sentry/kernel/pid_namespace.h"
#include "pkg/sentry/kernel/signals.h"
#include "pkg/sentry/mm/memory_manager.h"
#include "pkg/sentry/platform/platform.h"
#include "pkg/sentry/seccomp/filter.h"
#include "pkg/sentry/vfs/fd_table.h"
#include "pkg/sentry/vfs/fs_context.h"
#include "pkg/sentry/vfs/vfs.h"
#include "pkg/sentry/waiter/waiter.h"

namespace cvisor::kernel {

class Container;
class IpcNamespace;
class Kernel;
class PidNamespace;
class Task;
class CgroupNamespace;
class ThreadGroup;
class TimeNamespace;
class Tracing;
class UtsNamespace;
struct InitialExec;
struct TraceStop;
using mm::UserAddr;

// Arguments of clone(2), clone3(2), fork(2), vfork(2).
struct CloneArgs {
  uint64_t flags = 0;  // CLONE_*, without the exit signal
  int exit_signal = 0;
  UserAddr stack = 0;  // new stack pointer; 0: the parent's
  UserAddr parent_tid = 0, child_tid = 0, pidfd = 0;
  uint64_t tls = 0;
  std::vector<pid_t> set_tid;
};

// What is left of a system call that restarts through restart_syscall(2) (relative sleeps).
class RestartBlock : public RefCounted {
 public:
  virtual Result<uint64_t> Restart(Task& t) = 0;
};

class Task : public RefCounted {
 public:
  // The task whose thread this is; null on other threads.
  static Task* Current();

  // --- Any thread: who this is.
  Kernel& kernel() const { return kernel_; }
  ThreadGroup& tg() const { return *tg_; }
  Container& container() const { return *container_; }
  PidNamespace& pid_ns() const;
  pid_t tid() const;                            // in its own PID namespace
  pid_t TidIn(const PidNamespace& ns) const;    // 0 if not visible there
  bool is_leader() const;
  // comm (prctl PR_SET_NAME): at most 15 bytes.
  std::string name() const;
  void set_name(std::string_view name);
  // 'R', 'S', 'D', 'T', 't', 'Z', 'X' for /proc.
  char StateLetter() const;
  uint64_t start_time_ns() const { return start_time_ns_; }  // CLOCK_MONOTONIC of the sandbox
  uint64_t UserTimeNs() const;
  uint64_t SystemTimeNs() const;
  // Voluntary and involuntary switches are not known exactly: blocks, interrupts.
  std::atomic<uint64_t> voluntary_switches{0}, involuntary_switches{0};

  // --- Any thread: the shared parts; null once the task has exited.
  CredsRef creds() const;
  Ref<mm::MemoryManager> MmRef() const;
  Ref<vfs::FdTable> FdTableRef() const;
  Ref<vfs::FsContext> FsRef() const;
  Ref<UtsNamespace> UtsRef() const;
  Ref<IpcNamespace> IpcRef() const;
  Ref<ipc::UndoList> SemUndoRef() const;

  // --- Own thread.
  arch::Registers& regs() {
    ctx_->CompleteRegisters(&regs_);
    regs_changed_ = platform::Changed::kAll;
    return regs_;
  }
  // The same, to be read only.
  const arch::Registers& all_regs() {
    ctx_->CompleteRegisters(&regs_);
    return regs_;
  }
  // Of the system call that is being handled; only its number and arguments are there.
  const arch::Registers& call_regs() const { return regs_; }
  platform::Context& ctx() { return *ctx_; }
  mm::MemoryManager& mm() { return *mm_; }
  vfs::FdTable& fds() { return *fds_; }
  vfs::FsContext& fs() { return *fs_; }
  UtsNamespace& uts() { return *uts_; }
  IpcNamespace& ipc() { return *ipc_; }
  void SetCreds(CredsRef creds);
  bool HasCap(int cap) const { return creds()->HasCap(cap); }
  bool HasOwnCap(int cap) const { return creds()->HasOwnCap(cap); }
  bool HasCapIn(const UserNamespace& ns, int cap) const { return creds()->HasCapIn(ns, cap); }
  std::atomic<bool> no_new_privs{false};  // written by other threads too: SECCOMP_FILTER_FLAG_TSYNC
  void UnshareFs();
  // The new namespace is that user namespace's. The FsContext must not be shared: after
  // UnshareFs().
  void UnshareMounts(Ref<UserNamespace> owner);
  void UnshareFds();
  void SetUts(Ref<UtsNamespace> uts);
  // Also takes back what SEM_UNDO says: the old namespace's semaphores are out of reach.
  void SetIpc(Ref<IpcNamespace> ipc);
  // Where children are made: unshare(CLONE_NEWPID), setns(2). Any thread.
  Ref<PidNamespace> PidNsForChildren() const;
  void SetPidNsForChildren(Ref<PidNamespace> ns);
  // Null: the first one. Any thread.
  Ref<CgroupNamespace> CgroupNs() const;
  void SetCgroupNs(Ref<CgroupNamespace> ns);
  Ref<TimeNamespace> TimeNs() const;
  Ref<TimeNamespace> TimeNsForChildren() const;
  // unshare(CLONE_NEWTIME): where children, and the next program, will be.
  void SetTimeNsForChildren(Ref<TimeNamespace> ns);
  // Own thread, or one that does not run yet: now it is in that one itself.
  void EnterTimeNsForChildren();
  // What SEM_UNDO has to take back; made when first asked for. Shared with CLONE_SYSVSEM.
  const Ref<ipc::UndoList>& SemUndo();
  void DropSemUndo();

  // For mapping operations: context and limits.
  mm::Caller mm_caller();
  // A walk from `dirfd` (AT_FDCWD or a descriptor: EBADF, ENOTDIR are checked during the walk).
  Result<vfs::WalkContext> WalkFrom(int dirfd);
  vfs::WalkContext WalkFromCwd();
  uint64_t Rlimit(int resource) const;

  // Application memory.
  template <typename T>
  Result<T> CopyIn(UserAddr addr) {
    return mm_->CopyIn<T>(addr);
  }
  template <typename T>
  Status CopyOut(UserAddr addr, const T& v) {
    return mm_->CopyOut(addr, v);
  }

  // Descriptors. GetFile: EBADF, also for O_PATH ones.
  Result<Ref<vfs::FileDescription>> GetFile(int fd) { return fds_->Get(fd); }
  Result<int> InstallFd(Ref<vfs::FileDescription> file, bool cloexec);

  // --- Sleeping. Waits until Wake(), the deadline (ETIMEDOUT) or a signal to deliver (ERESTARTSYS; the
  // caller turns it into another restart code or EINTR if its man page says so).
  Status Block(Deadline deadline = Deadline::Never());
  // Like Block, but only a signal that ends the process interrupts it (vfork, some file systems).
  Status BlockKillable(Deadline deadline = Deadline::Never());
  // Nothing but the end of this thread is to come: long loops stop.
  bool ending() const { return fatal_.load(std::memory_order_relaxed); }
  // Any thread: ends the current or next Block().
  void Wake();

  // Calls `attempt` (returning Status or Result<T>) until it no longer says EAGAIN, waiting on `queue`
  // for `mask` in between. The usual way to serve a blocking call:
  //   return t.BlockOn(*file->wait_queue(), kEventIn, deadline, [&] { return file->Read(sink); });
  template <typename Attempt>
  auto BlockOn(WaitQueue& queue, EventMask mask, Deadline deadline, Attempt attempt)
      -> decltype(attempt());

  // --- Signals.
  // Any thread. Queues a signal for this thread only (tgkill, faults). The caller checked permission.
  Status SendSignal(const siginfo_t& info);
  // A fault of this thread's own code: cannot be blocked or ignored (forced to default if it is).
  void ForceSignal(const siginfo_t& info);
  SignalSet blocked() const { return blocked_; }
  SignalSet BlockedByOthers() const;  // any thread: takes the signal mutex
  void SetBlocked(SignalSet mask);
  // sigsuspend, ppoll, pselect, epoll_pwait: a mask for the duration of the call; the old one comes
  // back after the handler's frame was built, or at the call's end when no signal came.
  void SetTemporaryMask(SignalSet mask);
  void RestoreTemporaryMask();
  bool HasDeliverableSignal() const;
  // Pending for this thread or the process, and blocked or not: sigpending(2).
  SignalSet Pending() const;
  // Takes the next pending signal of `mask` (sigtimedwait, signalfd).
  std::optional<siginfo_t> DequeueSignal(SignalSet mask);
  std::optional<siginfo_t> PeekSignal(SignalSet mask) const;
  // Told when a signal is queued for this thread or its process: signalfd, sigtimedwait.
  WaitQueue& signal_queue();
  stack_t alt_stack() const { return alt_stack_; }
  void set_alt_stack(const stack_t& s) { alt_stack_ = s; }
  bool OnAltStack(uint64_t sp) const;
  // rt_sigreturn(2).
  Result<uint64_t> SignalReturn();

  // --- System calls that do not return a value in the usual way set this: the registers are final.
  void SetRegistersFinal() { registers_final_ = true; }
  void SetRestartBlock(Ref<RestartBlock> block) { restart_block_ = std::move(block); }
  Ref<RestartBlock> TakeRestartBlock() { return std::exchange(restart_block_, nullptr); }

  // --- Life.
  // The credentials that a thread gets which leaves for a new user namespace. EPERM, ENOSPC.
  Result<CredsRef> NewUserNamespace() const;
  // Makes and starts the child; returns its number in the caller's namespace.
  Result<pid_t> Clone(const CloneArgs& args);
  // execveat(2): `walk` starts where at_fd is. On success the registers are the new program's.
  Status Execve(const vfs::WalkContext& walk, int at_fd, std::string_view path, int at_flags,
                std::vector<std::string> argv, std::vector<std::string> envp);
  // exit(2): this thread only. exit_group(2): the process. `status` as wait(2) encodes it. Both take
  // effect when the handler returns.
  void Exit(int status);
  void ExitGroup(int status);

  // --- seccomp(2): kernel/task_seccomp.cc. SECCOMP_MODE_*; any thread may look.
  int seccomp_mode() const { return seccomp_mode_.load(std::memory_order_acquire); }
  Ref<const seccomp::Filter> SeccompFilter() const;
  Status EnterStrictSeccomp();
  // 0, or with `all_threads` the number of a thread that cannot follow. `listener` may be null.
  Result<pid_t> InstallSeccompFilter(std::vector<sock_filter> program, bool all_threads,
                                     Ref<seccomp::Listener> listener = nullptr);

  // --- ptrace(2): kernel/trace.h. Whether this task is a tracee. Any thread.
  bool traced() const { return traced_.load(std::memory_order_relaxed); }
  // Number of the tracer's thread in `ns`; 0 if there is none. Takes the task mutex.
  pid_t TracerIn(const PidNamespace& ns) const;

  UserAddr clear_child_tid = 0;               // set_tid_address(2)
  UserAddr robust_list = 0;                   // set_robust_list(2)
  int parent_death_signal = 0;                // prctl(PR_SET_PDEATHSIG)
  uint32_t personality = 0;                   // personality(2)
  uint64_t timer_slack_ns = 50000;            // prctl(PR_SET_TIMERSLACK)
  uint64_t default_timer_slack_ns = 50000;    // of the thread that made this one, at that time
  int memory_failure_policy = 2;              // prctl(PR_MCE_KILL): PR_MCE_KILL_DEFAULT
  bool io_flusher = false;                    // prctl(PR_SET_IO_FLUSHER)
  // sched_setaffinity(2) etc.: stored and returned. Any thread, under sched_mutex.
  struct Scheduling {
    int policy = 0, priority = 0, nice = 0;
    bool reset_on_fork = false;
    int ioprio = 0;
    uint64_t runtime = 0, deadline = 0, period = 0;  // SCHED_DEADLINE, nanoseconds
    cpu_set_t affinity;
  };
  Scheduling scheduling() const;
  void set_scheduling(const Scheduling& s);

  // Number and arguments of the call being served, for /proc/pid/syscall and logs; -1 if none.
  std::atomic<int64_t> current_syscall{-1};

  // --- Host thread body; called by Kernel only.
  void Run();

 private:
  friend class Kernel;
  friend class ThreadGroup;
  friend class PidNamespace;
  friend class ControllingTerminal;
  friend class ProcessTimers;
  friend class Tracing;
  friend class TaskPeer;  // tests

  Task(Kernel& kernel, Ref<ThreadGroup> tg, Ref<Container> container);
  ~Task() override;
  void OnLastRef() override;

  // task_run.cc
  void HandleSyscall();
  void StoreResult(uint64_t number, const Result<uint64_t>& result);
  void HandleFault(const platform::Event& event);
  // Undoes Kernel::AdoptTask for a task whose thread never ran.
  void Disown();
  // True when the application may go on; false when the task exits.
  bool HandleInterrupts();
  Status StartThread();  // EAGAIN
  // The first program of a process made by Kernel::CreateProcess. False if it could not be loaded.
  bool RunInitialExec();
  static void* ThreadMain(void* task);
  // Drops a reference to it.
  static void WakeSleeper(void* task);

  // task_seccomp.cc
  void ReportCallsToSeccomp();
  void SetSeccomp(int mode, Ref<const seccomp::Filter> filter);
  // At exit: a listener learns that nobody is left.
  void DropSeccompFilter();
  // The call's result if the filters do not let it through.
  // A tracer may change the number.
  std::optional<Result<uint64_t>> ApplySeccomp(uint64_t* number, bool traced_already = false);

  // task_trace.cc: the tracee's side of ptrace(2). Own thread.
  // Stops until the tracer says how to go on. Returns the signal that it gave; nullopt if nobody traces.
  std::optional<int> StopForTracer(TraceStop& stop);
  // PTRACE_EVENT_* with its message. Does nothing if the tracer did not ask for it.
  void StopForEvent(int event, uint64_t message);
  // PTRACE_EVENT_CLONE and its like in the parent. `number`: the child's in the parent's namespace.
  void StopForClone(uint64_t flags, int exit_signal, const Task& child);
  // execve(2) is done; `old_tid` is what the tracer knew this thread by.
  void StopForExec(pid_t old_tid);
  // Signal-delivery-stop. False if the signal is not to be delivered (now).
  bool StopForSignal(siginfo_t* info);
  void StopForHandler();  // a handler begins in a single step
  void StopForTrap();     // PTRACE_INTERRUPT and its like
  void StopForGroupStop();
  // The stops before and after a system call. The first may change the number, and answer the call.
  std::optional<Result<uint64_t>> StopAtEntry(uint64_t* number);
  void StopAtExit(uint64_t number);
  // SECCOMP_RET_TRACE: false if nobody traces.
  bool StopForSeccomp(uint32_t data);
  void StopBeforeExit();
  void TakeTracersRegisters(const arch::Registers& regs);
  // Single-stepping: before and after the application runs. The second is false if the event was made by
  // a step that nobody waits for any more.
  void BeginStep();
  bool EndStep(const platform::Event& event);
  // A group stop that this task has still to take part in; signal mutex held.
  bool StopPending() const;

  // task_signals.cc
  void DeliverSignal(siginfo_t info);
  void EnterHandler(int sig, const SignalAction& action);
  void ReportContinued();
  // The next signal of `mask`, taken from the thread's or the process's queue; signal mutex held.
  std::optional<siginfo_t> TakePending(SignalSet mask);
  // Rechecks what interrupted_ stands for: true when a blocked call must unwind.
  bool ShouldUnwind();
  void PrepareSyscallRestart(const SignalAction* action);
  Status PushSignalFrame(const siginfo_t& info, const SignalAction& action);
  void EnterGroupStop(int sig);
  void WaitWhileStopped();
  // Takes part in the group stop: tells the parent if it is complete.
  void ReportStopped(int sig);
  void UpdateInterruptFlag();  // signal mutex held; own thread, or one that does not run yet
  void ChangeMaskLocked(SignalSet mask);       // signal mutex held
  bool HasDefaultActionPending() const;        // signal mutex held
  // Is the end certain? SIGKILL, exit_group, or a signal that ends the process without a core dump.
  bool IsDying() const;
  bool WantsSignal(int sig) const;     // signal mutex held
  void InterruptLocked();              // signal mutex held; any thread
  // Gives up its numbers; task mutex held.
  void LeaveTables();

  // task_exit.cc
  void ExitNow();
  void ReleaseMm(bool for_exec);
  void ExitRobustList();
  void FinishVfork();
  // execve: becomes the only thread of the process, with the leader's number.
  Status KillOtherThreads();

  Kernel& kernel_;
  const Ref<ThreadGroup> tg_;
  const Ref<Container> container_;
  PidNumbers ids_;  // own namespace first; task mutex
  const uint64_t start_time_ns_;

  std::unique_ptr<platform::Context> ctx_;  // set before the thread starts
  std::atomic<bool> ctx_ready_{false};       // Interrupt() may be called
  std::atomic<pid_t> tid_{0};
  std::unique_ptr<InitialExec> initial_exec_;
  // The last fault, for the signal frame.
  uint64_t fault_trapno_ = 0, fault_error_code_ = 0, fault_addr_ = 0;
  arch::Registers regs_;
  platform::Changed regs_changed_ = platform::Changed::kAll;
  bool registers_final_ = false;
  bool in_syscall_ = false;            // a system call waits for its restart decision
  Errno syscall_error_ = Errno::kOk;   // ERESTART* of it
  uint64_t syscall_nr_ = 0;            // orig_rax, for restarting
  Ref<RestartBlock> restart_block_;

  mutable Mutex mu_;  // leaf
  CredsRef creds_;
  std::string name_;
  Ref<mm::MemoryManager> mm_;
  Ref<vfs::FdTable> fds_;
  Ref<vfs::FsContext> fs_;
  Ref<UtsNamespace> uts_;
  Ref<IpcNamespace> ipc_;
  Ref<PidNamespace> pid_ns_for_children_;  // null: its own
  Ref<CgroupNamespace> cgroup_ns_;         // null: the first
  Ref<TimeNamespace> time_ns_, time_ns_for_children_;  // null: the first
  Ref<ipc::UndoList> sem_undo_;
  Ref<const seccomp::Filter> seccomp_filter_;
  std::atomic<int> seccomp_mode_{0};  // changed under the task mutex
  // The same filter, for this task's own thread without a lock. What it has seen stays: a later filter
  // holds it.
  std::atomic<const seccomp::Filter*> own_filter_{nullptr};
  Scheduling scheduling_;

  Parker parker_;
  std::atomic<bool> interrupted_{false};  // something for HandleInterrupts() to do
  std::atomic<bool> fatal_{false};        // exit is certain: BlockKillable ends too
  std::atomic<char> state_{'R'};

  // ptrace(2). Own thread:
  bool trace_calls_ = false;  // stops at system calls
  bool stepping_ = false, forced_trap_flag_ = false;
  // Written under the task mutex:
  std::atomic<bool> traced_{false}, seized_{false}, is_tracer_{false};
  std::atomic<bool> in_trace_stop_{false};
  // Task mutex:
  Task* tracer_ = nullptr;
  std::vector<Task*> tracees_;
  uint32_t trace_options_ = 0;  // PTRACE_O_*
  uint64_t trace_message_ = 0;
  TraceStop* trace_stop_ = nullptr;  // the stop that it is in; on its thread's stack
  bool trace_zombie_ = false;        // a dead thread that its tracer has still to wait for
  // Signal mutex:
  bool trap_stop_ = false;    // a PTRACE_EVENT_STOP is to come
  uint64_t stops_taken_ = 0;  // the last ThreadGroup::stops_ that this tracee took part in

  // Signal mutex:
  SignalQueue pending_;
  SignalSet blocked_ = 0;
  SignalSet saved_mask_ = 0;
  bool has_saved_mask_ = false;
  SignalSet waiting_for_ = 0;  // sigtimedwait: these are wanted though blocked
  bool exit_requested_ = false;
  int exit_status_ = 0;
  uint64_t continues_seen_ = 0;  // ThreadGroup::continues_ when the last signal was taken
  stack_t alt_stack_;

  // Task mutex:
  bool exiting_ = false, dead_ = false;
  Ref<Task> vfork_parent_;  // set in a CLONE_VFORK child until it execs or exits
  bool vfork_done_ = false;  // in the parent
  std::atomic<bool> finished_{false};  // a zombie thread
  // Under mu_: the host thread, and its times once it is about to end.
  pthread_t thread_{};
  bool thread_started_ = false, times_final_ = false;
  uint64_t final_user_ns_ = 0, final_system_ns_ = 0;
};

// Wakes a task from a WaitQueue. RAII: registered from construction to destruction.
class TaskWaiter : public Waiter {
 public:
  TaskWaiter(Task& task, WaitQueue& queue, EventMask mask, bool exclusive = false)
      : task_(task), queue_(queue) {
    queue_.Register(this, mask, exclusive);
  }
  ~TaskWaiter() override { queue_.Unregister(this); }
  void OnEvent(EventMask) override { task_.Wake(); }

 private:
  Task& task_;
  WaitQueue& queue_;
};

template <typename Attempt>
auto Task::BlockOn(WaitQueue& queue, EventMask mask, Deadline deadline, Attempt attempt)
    -> decltype(attempt()) {
  auto result = attempt();
  if (result.ok() || result.error() != Errno::kEAGAIN) return result;
  TaskWaiter waiter(*this, queue, mask);
  for (;;) {
    result = attempt();
    if (result.ok() || result.error() != Errno::kEAGAIN) return result;
    if (auto s = Block(deadline); !s.ok()) return s.error();
  }
}

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_TASK_H_
