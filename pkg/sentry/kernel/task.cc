// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/kernel/task.h"

#include <fcntl.h>
#include <time.h>

#include <cstring>

#include "pkg/sentry/kernel/initial_exec.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/task_internal.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/kernel/time_namespace.h"

namespace cvisor::kernel {

thread_local Task* current_task = nullptr;

Task* Task::Current() { return current_task; }

Task::Task(Kernel& kernel, Ref<ThreadGroup> tg, Ref<Container> container)
    : kernel_(kernel),
      tg_(std::move(tg)),
      container_(std::move(container)),
      start_time_ns_(static_cast<uint64_t>(MonotonicNs())) {
  std::memset(&alt_stack_, 0, sizeof(alt_stack_));
  alt_stack_.ss_flags = SS_DISABLE;
  CPU_ZERO(&scheduling_.affinity);
  for (int i = 0; i < kernel.cpu_count(); ++i) CPU_SET(i, &scheduling_.affinity);
  kernel_.task_count_.fetch_add(1);
}

Task::~Task() { kernel_.task_count_.fetch_sub(1); }

void Task::OnLastRef() { delete this; }

PidNamespace& Task::pid_ns() const { return *tg_->pid_ns(); }

pid_t Task::tid() const { return tid_.load(std::memory_order_relaxed); }

pid_t Task::TidIn(const PidNamespace& ns) const { return NumberIn(ids_, ns); }

bool Task::is_leader() const { return tid() == tg_->id(); }

void Task::LeaveTables() {
  for (const auto& [ns, id] : ids_) {
    if (const auto it = ns->tasks_.find(id); it != ns->tasks_.end() && it->second == this) {
      ns->tasks_.erase(it);
    }
  }
}

std::string Task::name() const {
  MutexLock lock(mu_);
  return name_;
}

void Task::set_name(std::string_view name) {
  MutexLock lock(mu_);
  name_ = std::string(name.substr(0, 15));
}

char Task::StateLetter() const {
  if (tg_->is_zombie() || finished_.load()) return 'Z';
  if (in_trace_stop_.load(std::memory_order_relaxed)) return 't';
  if (tg_->stopped()) return 'T';
  return state_.load(std::memory_order_relaxed);
}

uint64_t Task::UserTimeNs() const {
  MutexLock lock(mu_);
  if (times_final_) return final_user_ns_;
  return ctx_ == nullptr ? 0 : ctx_->UserCpuTimeNs();
}

uint64_t Task::SystemTimeNs() const {
  MutexLock lock(mu_);
  if (times_final_) return final_system_ns_;
  if (!thread_started_) return 0;
  // The host thread lives until times_final_ is set under mu_.
  clockid_t clock;
  timespec ts;
  if (pthread_getcpuclockid(thread_, &clock) != 0 || clock_gettime(clock, &ts) != 0) return 0;
  return static_cast<uint64_t>(TimespecToNs(ts));
}

CredsRef Task::creds() const {
  MutexLock lock(mu_);
  return creds_;
}

void Task::SetCreds(CredsRef creds) {
  MutexLock lock(mu_);
  creds_.swap(creds);
}

Ref<mm::MemoryManager> Task::MmRef() const {
  MutexLock lock(mu_);
  return mm_;
}

Ref<vfs::FdTable> Task::FdTableRef() const {
  MutexLock lock(mu_);
  return fds_;
}

Ref<vfs::FsContext> Task::FsRef() const {
  MutexLock lock(mu_);
  return fs_;
}

Ref<UtsNamespace> Task::UtsRef() const {
  MutexLock lock(mu_);
  return uts_;
}

Ref<IpcNamespace> Task::IpcRef() const {
  MutexLock lock(mu_);
  return ipc_;
}

void Task::UnshareFs() {
  auto copy = fs_->Fork();
  MutexLock lock(mu_);
  fs_.swap(copy);
}

void Task::UnshareMounts(Ref<UserNamespace> owner) {
  std::map<vfs::Mount*, Ref<vfs::Mount>> moved;
  auto mounts = fs_->mount_namespace()->Clone(std::move(owner), &moved);
  const auto translate = [&](vfs::Path p) {
    if (const auto it = moved.find(p.mount.get()); it != moved.end()) p.mount = it->second;
    return p;
  };
  fs_->set_mount_namespace(mounts, translate(fs_->root()), translate(fs_->cwd()));
}

void Task::UnshareFds() {
  if (fds_->users() == 1) return;
  auto copy = fds_->Fork();
  {
    MutexLock lock(mu_);
    fds_.swap(copy);
  }
  copy->DecUsers();
}

void Task::SetUts(Ref<UtsNamespace> uts) {
  MutexLock lock(mu_);
  uts_.swap(uts);
}

void Task::SetIpc(Ref<IpcNamespace> ipc) {
  DropSemUndo();
  MutexLock lock(mu_);
  ipc_.swap(ipc);
}

Ref<PidNamespace> Task::PidNsForChildren() const {
  MutexLock lock(mu_);
  return pid_ns_for_children_ != nullptr ? pid_ns_for_children_ : tg_->pid_ns();
}

void Task::SetPidNsForChildren(Ref<PidNamespace> ns) {
  MutexLock lock(mu_);
  pid_ns_for_children_.swap(ns);
}

Ref<CgroupNamespace> Task::CgroupNs() const {
  MutexLock lock(mu_);
  return cgroup_ns_;
}

void Task::SetCgroupNs(Ref<CgroupNamespace> ns) {
  MutexLock lock(mu_);
  cgroup_ns_.swap(ns);
}

Ref<TimeNamespace> Task::TimeNs() const {
  MutexLock lock(mu_);
  return time_ns_;
}

Ref<TimeNamespace> Task::TimeNsForChildren() const {
  MutexLock lock(mu_);
  return time_ns_for_children_;
}

void Task::SetTimeNsForChildren(Ref<TimeNamespace> ns) {
  MutexLock lock(mu_);
  time_ns_for_children_.swap(ns);
}

void Task::EnterTimeNsForChildren() {
  Ref<TimeNamespace> old;
  MutexLock lock(mu_);
  old = time_ns_;
  time_ns_ = time_ns_for_children_;
  if (time_ns_ != nullptr) time_ns_->Enter();
}

Ref<ipc::UndoList> Task::SemUndoRef() const {
  MutexLock lock(mu_);
  return sem_undo_;
}

const Ref<ipc::UndoList>& Task::SemUndo() {
  // Only this thread changes it.
  if (sem_undo_ == nullptr) {
    auto made = MakeRef<ipc::UndoList>();
    MutexLock lock(mu_);
    sem_undo_.swap(made);
  }
  return sem_undo_;
}

void Task::DropSemUndo() {
  Ref<ipc::UndoList> last;  // its end locks semaphore sets
  MutexLock lock(mu_);
  last.swap(sem_undo_);
}

uint64_t Task::Rlimit(int resource) const { return tg_->limits().Soft(resource); }

mm::Caller Task::mm_caller() {
  const auto limits = tg_->limits().Snapshot();
  return mm::Caller{.ctx = *ctx_,
                    .rlimit_as = limits[RLIMIT_AS].soft,
                    .rlimit_data = limits[RLIMIT_DATA].soft,
                    .rlimit_stack = limits[RLIMIT_STACK].soft,
                    .rlimit_memlock = limits[RLIMIT_MEMLOCK].soft,
                    .cap_ipc_lock = HasCap(CAP_IPC_LOCK)};
}

vfs::WalkContext Task::WalkFromCwd() {
  return vfs::WalkContext{.creds = creds(),
                          .ns = fs_->mount_namespace(),
                          .root = fs_->root(),
                          .start = fs_->cwd(),
                          .umask = fs_->umask()};
}

Result<vfs::WalkContext> Task::WalkFrom(int dirfd) {
  vfs::WalkContext walk = WalkFromCwd();
  if (dirfd == AT_FDCWD) return walk;
  ASSIGN_OR_RETURN(auto file, fds_->GetAny(dirfd));
  walk.start = file->path();
  return walk;
}

Result<int> Task::InstallFd(Ref<vfs::FileDescription> file, bool cloexec) {
  return fds_->Install(std::move(file), cloexec, Rlimit(RLIMIT_NOFILE));
}

Task::Scheduling Task::scheduling() const {
  MutexLock lock(mu_);
  return scheduling_;
}

void Task::set_scheduling(const Scheduling& s) {
  MutexLock lock(mu_);
  scheduling_ = s;
}

}  // namespace cvisor::kernel
