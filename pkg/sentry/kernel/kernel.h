// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Kernel: one per sandbox. It owns the platform, the tree of tasks and the containers. Container: one
// OCI container: its init process, root mount, PID namespace; a pod has several in one Kernel.

#ifndef CVISOR_PKG_SENTRY_KERNEL_KERNEL_H_
#define CVISOR_PKG_SENTRY_KERNEL_KERNEL_H_

#include <signal.h>
#include <sys/types.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/auth/credentials.h"
#include "pkg/sentry/kernel/ipc_namespace.h"
#include "pkg/sentry/kernel/limits.h"
#include "pkg/sentry/kernel/pid_namespace.h"
#include "pkg/sentry/platform/platform.h"
#include "pkg/sentry/seccomp/filter.h"
#include "pkg/sentry/vfs/dentry.h"
#include "pkg/sentry/vfs/fd_table.h"
#include "pkg/sentry/vfs/fs_context.h"

namespace cvisor::kernel {

class FutexTable;
class Kernel;
class StartGate;
class StubWatch;
class Task;
class ThreadGroup;
class TimerService;

// uts_namespaces(7).
class UtsNamespace : public Namespace {
 public:
  UtsNamespace(std::string host, std::string domain)
      : host_(std::move(host)), domain_(std::move(domain)) {}
  std::string hostname() const {
    MutexLock lock(mu_);
    return host_;
  }
  std::string domainname() const {
    MutexLock lock(mu_);
    return domain_;
  }
  void set_hostname(std::string s) {
    MutexLock lock(mu_);
    host_ = std::move(s);
  }
  void set_domainname(std::string s) {
    MutexLock lock(mu_);
    domain_ = std::move(s);
  }
  Ref<UtsNamespace> Copy(Ref<UserNamespace> owner) const {
    auto copy = MakeRef<UtsNamespace>(hostname(), domainname());
    copy->set_user_ns(std::move(owner));
    return copy;
  }

 private:
  mutable Mutex mu_;  // leaf
  std::string host_ ABSL_GUARDED_BY(mu_), domain_ ABSL_GUARDED_BY(mu_);
};

// What a container's first process (or an exec'ed one) is made of.
struct ProcessSpec {
  std::string path;  // looked up in PATH of envv unless it contains '/'
  std::vector<std::string> argv, envv;
  std::string cwd = "/";
  CredsRef creds;
  bool no_new_privs = false;
  mode_t umask = 022;
  std::map<int, Limit> limits;  // by RLIMIT_*
  // Descriptor numbers to start with: 0, 1, 2 and more.
  std::map<int, Ref<vfs::FileDescription>> files;
  // Called with the loaded, not yet running first task: makes its terminal the controlling one, for
  // example. May be null.
  std::function<void(Task& task)> on_loaded;
  // Init of the container's PID namespace, which it dies with. Otherwise one more process in it
  // (runsc exec).
  bool init = true;
  // Linux protects a namespace's init from signals it has no handler for. `runsc do` runs commands
  // that do not know that they are init: false there.
  bool protect_init = true;
  // Stands for a shell outside: told of stops and continues (CLD_STOPPED, CLD_CONTINUED; the signal)
  // with the task mutex held, so it must not block. With it job control may stop the process, whose
  // group would be orphaned otherwise. May be null.
  std::function<void(int code, int status)> outside_parent;
};

class Container : public RefCounted {
 public:
  Container(std::string id, Ref<vfs::MountNamespace> mounts, vfs::Path root,
            Ref<PidNamespace> pid_ns, Ref<UtsNamespace> uts, Ref<IpcNamespace> ipc)
      : id_(std::move(id)),
        mounts_(std::move(mounts)),
        root_(std::move(root)),
        pid_ns_(std::move(pid_ns)),
        uts_(std::move(uts)),
        ipc_(std::move(ipc)) {}

  const std::string& id() const { return id_; }
  const Ref<vfs::MountNamespace>& mounts() const { return mounts_; }
  const vfs::Path& root() const { return root_; }
  const Ref<PidNamespace>& pid_ns() const { return pid_ns_; }
  const Ref<UtsNamespace>& uts() const { return uts_; }
  const Ref<IpcNamespace>& ipc() const { return ipc_; }
  // What processes that are made from outside start with (OCI's linux.seccomp); null: nothing. Set before
  // the first one.
  const Ref<const seccomp::Filter>& seccomp() const { return seccomp_; }
  void set_seccomp(Ref<const seccomp::Filter> filter) { seccomp_ = std::move(filter); }

 private:
  const std::string id_;
  const Ref<vfs::MountNamespace> mounts_;
  const vfs::Path root_;
  const Ref<PidNamespace> pid_ns_;
  const Ref<UtsNamespace> uts_;
  const Ref<IpcNamespace> ipc_;
  Ref<const seccomp::Filter> seccomp_;
};

// Serves system calls. The table lives above the kernel (pkg/sentry/syscalls).
class SyscallDispatcher {
 public:
  virtual ~SyscallDispatcher() = default;
  // Number and arguments are in t.call_regs(). The result goes to rax unless the call said otherwise
  // (Task::SetRegistersFinal).
  virtual Result<uint64_t> Dispatch(Task& t, uint64_t number) = 0;
  // For strace: a signal is about to be delivered; the task is about to end.
  virtual void OnSignal(Task& t, const siginfo_t& info) {
    (void)t, (void)info;
  }
  virtual void OnExit(Task& t, int status) {
    (void)t, (void)status;
  }
};

class Kernel {
 public:
  struct Options {
    std::unique_ptr<platform::Platform> platform;
    SyscallDispatcher* dispatcher = nullptr;  // outlives the kernel
    int cpus = 0;  // 0: as many as the host lets us use
    uint64_t host_pids = 0;  // process ids that the host has; 0: plenty
  };
  explicit Kernel(Options options);
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  platform::Platform& platform() { return *platform_; }
  SyscallDispatcher& dispatcher() { return *dispatcher_; }
  FutexTable& futexes() { return *futexes_; }
  TimerService& timers() { return *timers_; }

  const Ref<UserNamespace>& root_user_ns() const { return root_user_ns_; }
  const Ref<PidNamespace>& root_pid_ns() const { return root_pid_ns_; }

  // Guards the task tree: see the headers of Task, ThreadGroup, PidNamespace, Session.
  Mutex& task_mutex() { return task_mutex_; }

  // A container without processes.
  Ref<Container> CreateContainer(std::string id, Ref<vfs::MountNamespace> mounts, vfs::Path root,
                                 std::string hostname);
  // Loads the program and makes its process; Start() runs it. Errors are execve's.
  Result<Ref<ThreadGroup>> CreateProcess(Ref<Container> container, const ProcessSpec& spec);
  void Start(ThreadGroup& tg);
  // Blocks the calling (non-task) thread until the process is a zombie; returns its wait(2) status
  // and reaps it.
  int WaitForExit(ThreadGroup& tg);
  // Signals from outside (runsc kill, Ctrl-C forwarding): permission is the caller's business.
  Status SignalProcess(ThreadGroup& tg, int sig);
  // Signals every process of the container.
  void SignalContainer(Container& container, int sig);
  // Kills everything and waits until the last task thread has ended.
  void Shutdown();

  // kill(2), tgkill(2): with the permission checks of the caller. Task mutex held.
  static bool MaySignal(Task& sender, Task& target, int sig);

  // All processes, in any namespace; task mutex held by the caller.
  const std::vector<ThreadGroup*>& all_thread_groups() const { return all_; }
  size_t task_count() const { return task_count_.load(); }
  static constexpr size_t kMaxTasks = 32768;
  // The limit here: kMaxTasks, or less on hosts with few process ids.
  size_t max_tasks() const { return max_tasks_; }

  int cpu_count() const { return cpus_; }
  // Sandbox time zero on CLOCK_MONOTONIC / CLOCK_REALTIME (btime of /proc/stat).
  int64_t boot_monotonic_ns() const { return boot_monotonic_ns_; }
  int64_t boot_realtime_ns() const { return boot_realtime_ns_; }
  std::atomic<uint64_t> forks{0};

  // What uname(2) says besides the UTS namespace.
  static constexpr char kSysname[] = "Linux";
  static constexpr char kRelease[] = "6.12.0-cvisor";
  static constexpr char kVersion[] = "#1 SMP cvisor";
  static constexpr char kMachine[] = "x86_64";

  // dmesg(1): the kernel log of the sandbox.
  std::string Dmesg() const;
  void AppendDmesg(std::string_view line);

 private:
  friend class Session;
  friend class Task;
  friend class ThreadGroup;

  // A host thread of a task is about to end: the last thing it does here.
  void ThreadEnded();
  Result<Ref<ThreadGroup>> TryCreateProcess(const Ref<Container>& container,
                                            const ProcessSpec& spec, const std::string& path);
  // Gives a new task its numbers and enters it in the tables. Task mutex held.
  Status AdoptTask(Task& t, const Ref<PidNamespace>& ns, const std::vector<pid_t>& set_tid);

  std::unique_ptr<platform::Platform> platform_;
  SyscallDispatcher* const dispatcher_;
  const int cpus_;
  const size_t max_tasks_;
  const int64_t boot_monotonic_ns_, boot_realtime_ns_;
  std::unique_ptr<FutexTable> futexes_;
  std::unique_ptr<TimerService> timers_;
  const Ref<StubWatch> stub_watch_;
  Ref<UserNamespace> root_user_ns_;
  Ref<PidNamespace> root_pid_ns_;

  Mutex task_mutex_;
  std::vector<ThreadGroup*> all_;           // task mutex
  std::vector<Ref<Container>> containers_;  // task mutex
  CondVar tasks_changed_;                   // with task_mutex_
  std::atomic<size_t> task_count_{0};
  std::map<ThreadGroup*, Ref<StartGate>> gates_;  // loaded, not started; task mutex
  size_t running_threads_ = 0;              // host threads in Task::Run(); task mutex

  mutable Mutex log_mutex_;
  std::string log_ ABSL_GUARDED_BY(log_mutex_);
};

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_KERNEL_H_
