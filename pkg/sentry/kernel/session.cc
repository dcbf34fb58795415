// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/kernel/session.h"

#include <sys/stat.h>

#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/thread_group.h"

namespace cvisor::kernel {
namespace {

void SignalGroup(ProcessGroup& group, int sig) {
  for (ThreadGroup* tg : group.members()) (void)tg->SendSignal(MakeKernelInfo(sig));
}

}  // namespace

// --- ControllingTerminal.

Result<Ref<vfs::FileDescription>> ControllingTerminal::OpenAgain(const vfs::Path&, int) {
  return Errno::kENXIO;
}

Status ControllingTerminal::SetControlling(Task& t, bool steal, bool readable) {
  MutexLock lock(kernel_.task_mutex());
  ThreadGroup& tg = t.tg();
  Session& session = tg.group()->session();
  if (session.leader() == &tg && session_ == &session) return OkStatus();
  if (session.leader() != &tg || session.terminal_ != nullptr) return Errno::kEPERM;
  if (session_ != nullptr) {
    // Already another session's: only an administrator may take it away.
    if (!steal || !t.HasCap(CAP_SYS_ADMIN)) return Errno::kEPERM;
    session_->terminal_ = nullptr;
    session_ = nullptr;
    foreground_ = nullptr;
  }
  if (!readable && !t.HasCap(CAP_SYS_ADMIN)) return Errno::kEPERM;
  session_ = &session;
  session.terminal_ = Ref<ControllingTerminal>(this);
  foreground_ = Ref<ProcessGroup>(tg.group());
  return OkStatus();
}

void ControllingTerminal::TryBecomeControlling(Task& t) {
  MutexLock lock(kernel_.task_mutex());
  ThreadGroup& tg = t.tg();
  Session& session = tg.group()->session();
  if (session.leader() != &tg || session.terminal_ != nullptr || session_ != nullptr) return;
  session_ = &session;
  session.terminal_ = Ref<ControllingTerminal>(this);
  foreground_ = Ref<ProcessGroup>(tg.group());
}

void ControllingTerminal::DisassociateLocked(bool leader_exits) {
  Session* session = session_;
  if (session == nullptr) return;
  const Ref<ControllingTerminal> keep(this);
  const Ref<ProcessGroup> foreground = std::move(foreground_);
  foreground_ = nullptr;
  session_ = nullptr;
  session->terminal_ = nullptr;
  if (foreground != nullptr) {
    SignalGroup(*foreground, SIGHUP);
    if (!leader_exits) SignalGroup(*foreground, SIGCONT);
  }
}

Status ControllingTerminal::Release(Task& t) {
  MutexLock lock(kernel_.task_mutex());
  ThreadGroup& tg = t.tg();
  Session& session = tg.group()->session();
  if (session_ != &session) return Errno::kENOTTY;
  if (session.leader() == &tg) DisassociateLocked(/*leader_exits=*/false);
  return OkStatus();
}

Result<pid_t> ControllingTerminal::GetForeground(Task& t, bool is_master) {
  MutexLock lock(kernel_.task_mutex());
  if (!is_master && session_ != &t.tg().group()->session()) return Errno::kENOTTY;
  return foreground_ == nullptr ? 0 : foreground_->IdIn(t.pid_ns());
}

Status ControllingTerminal::SetForeground(Task& t, pid_t pgid) {
  MutexLock lock(kernel_.task_mutex());
  Session& session = t.tg().group()->session();
  if (session_ != &session) return Errno::kENOTTY;
  if (pgid < 0) return Errno::kEINVAL;
  ProcessGroup* group = t.pid_ns().FindProcessGroup(pgid);
  if (group == nullptr) return Errno::kESRCH;
  if (&group->session() != &session) return Errno::kEPERM;
  foreground_ = Ref<ProcessGroup>(group);
  return OkStatus();
}

Result<pid_t> ControllingTerminal::GetSession(Task& t, bool is_master) {
  MutexLock lock(kernel_.task_mutex());
  if (!is_master && session_ != &t.tg().group()->session()) return Errno::kENOTTY;
  if (session_ == nullptr) return Errno::kENOTTY;
  return session_->IdIn(t.pid_ns());
}

Status ControllingTerminal::CheckBackground(Task& t, int sig) {
  MutexLock lock(kernel_.task_mutex());
  ThreadGroup& tg = t.tg();
  ProcessGroup* group = tg.group();
  if (session_ == nullptr || session_ != &group->session()) return OkStatus();
  if (foreground_ == nullptr || foreground_.get() == group) return OkStatus();
  const bool ignored =
      (t.blocked() & SignalBit(sig)) != 0 || tg.GetAction(sig).is_ignore();
  if (ignored) return sig == SIGTTIN ? Status(Errno::kEIO) : OkStatus();
  if (group->IsOrphaned()) return Errno::kEIO;
  SignalGroup(*group, sig);
  return Errno::kERESTARTSYS;
}

void ControllingTerminal::SignalForeground(int sig) {
  MutexLock lock(kernel_.task_mutex());
  if (foreground_ != nullptr) SignalGroup(*foreground_, sig);
}

void ControllingTerminal::HangupSession() {
  MutexLock lock(kernel_.task_mutex());
  Session* session = session_;
  if (session == nullptr) return;
  if (ThreadGroup* leader = session->leader(); leader != nullptr) {
    (void)leader->SendSignal(MakeKernelInfo(SIGHUP));
    (void)leader->SendSignal(MakeKernelInfo(SIGCONT));
  }
  DisassociateLocked(/*leader_exits=*/false);
}

// --- Session and ProcessGroup. Tables are left explicitly when the last member goes
// (ThreadGroup::LeaveGroup): destructors may run without the task mutex.

Session::Session(Kernel& kernel, ThreadGroup* leader)
    : kernel_(kernel), leader_(leader), ids_(leader->ids_) {
  for (const auto& [ns, id] : ids_) ns->sessions_[id] = this;
}

Session::~Session() = default;

pid_t Session::IdIn(const PidNamespace& ns) const { return NumberIn(ids_, ns); }

ProcessGroup::ProcessGroup(Kernel& kernel, Ref<Session> session, ThreadGroup* leader)
    : kernel_(kernel), session_(std::move(session)), ids_(leader->ids_) {
  for (const auto& [ns, id] : ids_) ns->process_groups_[id] = this;
  session_->groups_.insert(this);
}

ProcessGroup::~ProcessGroup() = default;

pid_t ProcessGroup::IdIn(const PidNamespace& ns) const { return NumberIn(ids_, ns); }

bool ProcessGroup::IsOrphaned(const ThreadGroup* ignoring) const {
  for (const ThreadGroup* tg : members_) {
    if (tg == ignoring || tg->is_zombie()) continue;
    const ThreadGroup* parent = tg->parent();
    // The shell outside that `runsc do` stands in for continues it. (Linux excepts the machine's init as a
    // parent, not that of a PID namespace; there is no such process here.)
    if (parent == nullptr && tg->has_outside_parent()) return false;
    if (parent == nullptr) continue;
    if (parent->group() != this && &parent->group()->session() == session_.get()) return false;
  }
  return true;
}

bool ProcessGroup::HasStoppedMember() const {
  for (const ThreadGroup* tg : members_) {
    if (tg->stopped()) return true;
  }
  return false;
}

void ThreadGroup::LeaveGroup() {
  if (group_ == nullptr) return;
  const Ref<ProcessGroup> group = std::move(group_);
  group_ = nullptr;
  group->members_.erase(this);
  if (!group->members_.empty()) return;
  for (const auto& [ns, id] : group->ids_) ns->process_groups_.erase(id);
  Session& session = *group->session_;
  session.groups_.erase(group.get());
  if (ControllingTerminal* tty = session.terminal_.get();
      tty != nullptr && tty->foreground_ == group.get()) {
    tty->foreground_ = nullptr;
  }
  if (!session.groups_.empty()) return;
  if (session.terminal_ != nullptr) {
    session.terminal_->session_ = nullptr;
    session.terminal_ = nullptr;
  }
  for (const auto& [ns, id] : session.ids_) ns->sessions_.erase(id);
}

void ThreadGroup::JoinGroup(Ref<ProcessGroup> group) {
  LeaveGroup();
  group->members_.insert(this);
  group_ = std::move(group);
}

Result<pid_t> ThreadGroup::Setsid() {
  MutexLock lock(kernel_.task_mutex());
  if (group_->session().leader() == this) return Errno::kEPERM;
  for (const auto& [ns, id] : ids_) {
    if (ns->FindProcessGroup(id) != nullptr) return Errno::kEPERM;
  }
  auto session = MakeRef<Session>(kernel_, this);
  JoinGroup(MakeRef<ProcessGroup>(kernel_, session, this));
  return id();
}

Status ThreadGroup::Setpgid(Task& caller, pid_t pid, pid_t pgid) {
  MutexLock lock(kernel_.task_mutex());
  const PidNamespace& ns = caller.pid_ns();
  if (pid == 0) pid = id();
  if (pgid == 0) pgid = pid;
  if (pgid < 0) return Errno::kEINVAL;
  Task* found = ns.FindTask(pid);
  if (found == nullptr) return Errno::kESRCH;
  ThreadGroup& target = found->tg();
  if (!found->is_leader()) return Errno::kEINVAL;
  if (&target != this) {
    if (target.parent() != this) return Errno::kESRCH;
    if (&target.group()->session() != &group_->session()) return Errno::kEPERM;
    if (target.has_execed()) return Errno::kEACCES;
  }
  Session& session = target.group()->session();
  if (session.leader() == &target) return Errno::kEPERM;
  ProcessGroup* group = ns.FindProcessGroup(pgid);
  if (pgid == pid && (group == nullptr)) {
    target.JoinGroup(MakeRef<ProcessGroup>(kernel_, Ref<Session>(&session), &target));
    return OkStatus();
  }
  if (group == nullptr || &group->session() != &group_->session()) return Errno::kEPERM;
  if (target.group() != group) target.JoinGroup(Ref<ProcessGroup>(group));
  return OkStatus();
}

Result<pid_t> ThreadGroup::Getpgid(Task& caller, pid_t pid) {
  MutexLock lock(kernel_.task_mutex());
  if (pid == 0) return group_->IdIn(caller.pid_ns());
  Task* found = caller.pid_ns().FindTask(pid);
  if (found == nullptr || found->tg().group() == nullptr) return Errno::kESRCH;
  return found->tg().group()->IdIn(caller.pid_ns());
}

Result<pid_t> ThreadGroup::Getsid(Task& caller, pid_t pid) {
  MutexLock lock(kernel_.task_mutex());
  if (pid == 0) return group_->session().IdIn(caller.pid_ns());
  Task* found = caller.pid_ns().FindTask(pid);
  if (found == nullptr || found->tg().group() == nullptr) return Errno::kESRCH;
  return found->tg().group()->session().IdIn(caller.pid_ns());
}

}  // namespace cvisor::kernel
