// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Sessions, process groups and controlling terminals: setsid(2), setpgid(2), tty_ioctl(4).
// Guarded by Kernel::task_mutex() unless said otherwise.

#ifndef CVISOR_PKG_SENTRY_KERNEL_SESSION_H_
#define CVISOR_PKG_SENTRY_KERNEL_SESSION_H_

#include <sys/types.h>

#include <set>
#include <vector>

#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/sentry/kernel/pid_namespace.h"

namespace cvisor::vfs {
class FileDescription;
struct Path;
}  // namespace cvisor::vfs

namespace cvisor::kernel {

class Kernel;
class ProcessGroup;
class Session;
class Task;
class ThreadGroup;

// The job-control half of a terminal; a tty (devpts slave, host tty) derives from it or owns one.
// Its fields are guarded by Kernel::task_mutex(); the methods take that lock themselves.
class ControllingTerminal : public RefCounted {
 public:
  explicit ControllingTerminal(Kernel& kernel) : kernel_(kernel) {}

  // st_rdev, for /proc/pid/stat's tty_nr.
  virtual dev_t device() const = 0;
  // open(2) of /dev/tty, which is at `path`. ENXIO where that cannot be.
  virtual Result<Ref<vfs::FileDescription>> OpenAgain(const vfs::Path& path, int flags);

  // TIOCSCTTY: `steal` with CAP_SYS_ADMIN. EPERM as Linux. Also done by open(2) without O_NOCTTY
  // through TryBecomeControlling, which fails silently.
  Status SetControlling(Task& t, bool steal, bool readable);
  void TryBecomeControlling(Task& t);
  // TIOCNOTTY: ENOTTY when it is not the caller's terminal.
  Status Release(Task& t);
  // TIOCGPGRP, TIOCSPGRP, TIOCGSID, numbers in the caller's PID namespace.
  Result<pid_t> GetForeground(Task& t, bool is_master = false);
  Status SetForeground(Task& t, pid_t pgid);
  Result<pid_t> GetSession(Task& t, bool is_master = false);
  // A background process reads, writes (with TOSTOP) or changes the terminal: OkStatus when it may go
  // on; ERESTARTSYS after the group got SIGTTIN/SIGTTOU; EIO where Linux says EIO.
  Status CheckBackground(Task& t, int sig);
  // Sends a signal to the foreground process group (^C, SIGWINCH); any thread.
  void SignalForeground(int sig);
  // Hangup: SIGHUP and SIGCONT to the session leader and foreground group, terminal released.
  void HangupSession();

  Session* session() const { return session_; }
  ProcessGroup* foreground() const { return foreground_.get(); }

 protected:
  Kernel& kernel_;

 private:
  friend class Session;
  friend class ThreadGroup;
  friend class Kernel;
  void DisassociateLocked(bool leader_exits);  // task mutex held

  Session* session_ = nullptr;
  Ref<ProcessGroup> foreground_;
};

class Session : public RefCounted {
 public:
  Session(Kernel& kernel, ThreadGroup* leader);
  ~Session() override;

  ThreadGroup* leader() const { return leader_; }  // null after it exited
  pid_t IdIn(const PidNamespace& ns) const;
  ControllingTerminal* terminal() const { return terminal_.get(); }

 private:
  friend class ControllingTerminal;
  friend class ProcessGroup;
  friend class ThreadGroup;
  friend class Kernel;

  Kernel& kernel_;
  ThreadGroup* leader_;
  PidNumbers ids_;
  Ref<ControllingTerminal> terminal_;
  std::set<ProcessGroup*> groups_;
};

class ProcessGroup : public RefCounted {
 public:
  ProcessGroup(Kernel& kernel, Ref<Session> session, ThreadGroup* leader);
  ~ProcessGroup() override;

  Session& session() const { return *session_; }
  pid_t IdIn(const PidNamespace& ns) const;
  const std::set<ThreadGroup*>& members() const { return members_; }
  // No member has a parent in the same session but another group.
  bool IsOrphaned(const ThreadGroup* ignoring = nullptr) const;
  bool HasStoppedMember() const;

 private:
  friend class ThreadGroup;
  friend class Kernel;

  Kernel& kernel_;
  const Ref<Session> session_;
  PidNumbers ids_;
  std::set<ThreadGroup*> members_;
};

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_SESSION_H_
