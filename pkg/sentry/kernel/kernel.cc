// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/kernel/kernel.h"

#include <linux/seccomp.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_format.h"
#include "pkg/base/log.h"
#include "pkg/sentry/kernel/futex.h"
#include "pkg/sentry/kernel/initial_exec.h"
#include "pkg/sentry/kernel/stub_watch.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/kernel/timers.h"

namespace cvisor::kernel {
namespace {

int UsableCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

// A task costs the host two process ids: a thread of ours and a stub. A fork bomb shall leave half of
// them to others.
size_t UsableTasks(uint64_t host_pids) {
  if (host_pids == 0) return Kernel::kMaxTasks;
  return std::clamp<uint64_t>(host_pids / 4, 256, Kernel::kMaxTasks);
}

// As execvp(3): the candidates for a command name, in order.
std::vector<std::string> Candidates(const std::string& command,
                                    const std::vector<std::string>& envv) {
  if (command.find('/') != std::string::npos) return {command};
  std::string_view path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const std::string& e : envv) {
    if (e.starts_with("PATH=")) path = std::string_view(e).substr(5);
  }
  std::vector<std::string> out;
  for (;;) {
    const size_t colon = path.find(':');
    std::string dir(path.substr(0, colon));
    if (dir.empty()) dir = ".";
    out.push_back(dir + "/" + command);
    if (colon == std::string_view::npos) return out;
    path.remove_prefix(colon + 1);
  }
}

}  // namespace

Kernel::Kernel(Options options)
    : platform_(std::move(options.platform)),
      dispatcher_(options.dispatcher),
      cpus_(options.cpus > 0 ? options.cpus : UsableCpus()),
      max_tasks_(UsableTasks(options.host_pids)),
      boot_monotonic_ns_(MonotonicNs()),
      boot_realtime_ns_(RealtimeNs()),
      futexes_(std::make_unique<FutexTable>()),
      timers_(std::make_unique<TimerService>()),
      stub_watch_(MakeRef<StubWatch>(*this)),
      root_user_ns_(UserNamespace::Root()),
      root_pid_ns_(MakeRef<PidNamespace>(nullptr, root_user_ns_)) {
  AppendDmesg(absl::StrFormat("Linux version %s (cvisor application kernel) %s", kRelease,
                              kVersion));
  AppendDmesg("cvisor: system calls are served by the Sentry, not by the host kernel");
  AppendDmesg(absl::StrFormat("cvisor: platform %s, %d CPUs", platform_->name(), cpus_));
}

Kernel::~Kernel() {
  stub_watch_->Stop();
  Shutdown();
}

Ref<Container> Kernel::CreateContainer(std::string id, Ref<vfs::MountNamespace> mounts,
                                       vfs::Path root, std::string hostname) {
  // A PID namespace of its own, so that its init is process 1.
  auto pid_ns = MakeRef<PidNamespace>(root_pid_ns_, root_user_ns_);
  auto container = MakeRef<Container>(std::move(id), std::move(mounts), std::move(root),
                                      std::move(pid_ns),
                                      MakeRef<UtsNamespace>(std::move(hostname), "(none)"),
                                      MakeRef<IpcNamespace>());
  MutexLock lock(task_mutex_);
  containers_.push_back(container);
  return container;
}

Result<Ref<ThreadGroup>> Kernel::CreateProcess(Ref<Container> container, const ProcessSpec& spec) {
  // A name is tried in each directory of PATH; the error that counts is the first that is not "not
  // there", as execvp(3) does.
  Errno error = Errno::kENOENT;
  for (const std::string& path : Candidates(spec.path, spec.envv)) {
    auto tg = TryCreateProcess(container, spec, path);
    if (tg.ok()) return tg;
    if (tg.error() == Errno::kENOENT || tg.error() == Errno::kENOTDIR) continue;
    error = tg.error();
    if (error != Errno::kEACCES) break;
  }
  return error;
}

Result<Ref<ThreadGroup>> Kernel::TryCreateProcess(const Ref<Container>& container,
                                                  const ProcessSpec& spec,
                                                  const std::string& path) {
  auto fs = MakeRef<vfs::FsContext>(container->mounts(), container->root(), container->root(),
                                    spec.umask);
  vfs::WalkContext walk{.creds = spec.creds,
                        .ns = container->mounts(),
                        .root = container->root(),
                        .start = container->root(),
                        .umask = spec.umask};
  vfs::WalkOptions directory;
  directory.want_directory = true;
  ASSIGN_OR_RETURN(vfs::Path cwd, vfs::Walk(walk, spec.cwd.empty() ? "/" : spec.cwd, directory));
  fs->set_cwd(cwd);
  {
    // Cheap look before a task is made: PATH lookups miss often.
    walk.start = cwd;
    ASSIGN_OR_RETURN(vfs::Path found, vfs::Walk(walk, path));
    if (!S_ISREG(found.inode().type())) return Errno::kEACCES;
    RETURN_IF_ERROR(vfs::CheckAccess(walk, found, vfs::kMayExec));
  }

  const Ref<PidNamespace>& ns = container->pid_ns();
  Ref<ThreadGroup> tg(
      new ThreadGroup(*this, container, ns, MakeRef<SignalHandlers>(), /*exit_signal=*/0));
  tg->unkillable_ = spec.init && spec.protect_init;
  tg->outside_parent_ = spec.outside_parent;
  tg->awaited_outside_ = true;
  for (const auto& [resource, limit] : spec.limits) tg->limits_.Set(resource, limit);

  Ref<Task> task(new Task(*this, tg, container));
  ASSIGN_OR_RETURN(task->ctx_, platform_->NewContext());
  task->fs_ = std::move(fs);
  task->fds_ = MakeRef<vfs::FdTable>();
  for (const auto& [fd, file] : spec.files) {
    RETURN_IF_ERROR(task->fds_->InstallAt(fd, file, /*cloexec=*/false, UINT64_MAX));
  }
  task->uts_ = container->uts();
  task->ipc_ = container->ipc();
  task->creds_ = spec.creds;
  task->no_new_privs = spec.no_new_privs;
  if (container->seccomp() != nullptr) {
    task->SetSeccomp(SECCOMP_MODE_FILTER, container->seccomp());
  }
  auto gate = MakeRef<StartGate>();
  task->initial_exec_ = std::make_unique<InitialExec>();
  task->initial_exec_->path = path;
  task->initial_exec_->argv = spec.argv;
  task->initial_exec_->envv = spec.envv;
  task->initial_exec_->gate = gate;

  {
    MutexLock lock(task_mutex_);
    RETURN_IF_ERROR(AdoptTask(*task, ns, {}));
    auto session = MakeRef<Session>(*this, tg.get());
    tg->JoinGroup(MakeRef<ProcessGroup>(*this, session, tg.get()));
    ++running_threads_;
    gates_[tg.get()] = gate;
  }
  task->ctx_ready_.store(true);
  if (const Status s = task->StartThread(); !s.ok()) {
    task->Disown();
    MutexLock lock(task_mutex_);
    --running_threads_;
    gates_.erase(tg.get());
    return s.error();
  }
  if (const Status s = gate->WaitLoaded(); !s.ok()) {
    WaitForExit(*tg);
    return s.error();
  }
  if (spec.on_loaded) spec.on_loaded(*task);
  return tg;
}

void Kernel::Start(ThreadGroup& tg) {
  Ref<StartGate> gate;
  {
    MutexLock lock(task_mutex_);
    const auto it = gates_.find(&tg);
    if (it == gates_.end()) return;
    gate = std::move(it->second);
    gates_.erase(it);
  }
  gate->Open(/*run=*/true);
  stub_watch_->Start();
}

void Kernel::ThreadEnded() {
  MutexLock lock(task_mutex_);
  if (--running_threads_ == 0) tasks_changed_.SignalAll();
}

int Kernel::WaitForExit(ThreadGroup& tg) {
  const Ref<ThreadGroup> keep(&tg);
  MutexLock lock(task_mutex_);
  while (!tg.zombie_) tasks_changed_.Wait(&task_mutex_);
  const int status = tg.exit_status_;
  if (tg.parent_ == nullptr) tg.Reap();
  gates_.erase(&tg);
  return status;
}

Status Kernel::SignalProcess(ThreadGroup& tg, int sig) {
  if (sig == 0) return OkStatus();
  return tg.SendSignal(MakeKillInfo(sig, SI_USER, 0, 0));
}

void Kernel::SignalContainer(Container& container, int sig) {
  MutexLock lock(task_mutex_);
  for (ThreadGroup* tg : all_) {
    if (&tg->container() == &container) {
      (void)tg->SendSignal(MakeKillInfo(sig, SI_USER, 0, 0));
    }
  }
}

void Kernel::Shutdown() {
  MutexLock lock(task_mutex_);
  for (auto& [tg, gate] : gates_) gate->Open(/*run=*/false);
  gates_.clear();
  while (running_threads_ > 0) {
    // A task that was being made when the others were killed is found the next time round.
    for (ThreadGroup* tg : all_) tg->KillAll(SIGKILL);
    tasks_changed_.WaitWithDeadline(&task_mutex_, absl::Now() + absl::Milliseconds(100));
  }
  const std::vector<ThreadGroup*> left = all_;
  for (ThreadGroup* tg : left) {
    if (std::find(all_.begin(), all_.end(), tg) != all_.end()) tg->Reap();
  }
}

bool Kernel::MaySignal(Task& sender, Task& target, int sig) {
  if (&sender.tg() == &target.tg()) return true;
  const CredsRef from = sender.creds();
  const CredsRef to = target.creds();
  if (from->euid == to->suid || from->euid == to->ruid || from->ruid == to->suid ||
      from->ruid == to->ruid || from->HasCapIn(*to->user_ns, CAP_KILL)) {
    return true;
  }
  return sig == SIGCONT &&
         sender.tg().group() != nullptr && target.tg().group() != nullptr &&
         &sender.tg().group()->session() == &target.tg().group()->session();
}

std::string Kernel::Dmesg() const {
  MutexLock lock(log_mutex_);
  return log_;
}

void Kernel::AppendDmesg(std::string_view line) {
  const int64_t ns = MonotonicNs() - boot_monotonic_ns_;
  // One page of history is plenty; an application cannot write here.
  MutexLock lock(log_mutex_);
  log_ += absl::StrFormat("<6>[%5d.%06d] %s\n", ns / 1000000000, ns % 1000000000 / 1000, line);
}

}  // namespace cvisor::kernel
