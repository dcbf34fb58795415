// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Sending signals: kill(2), tkill(2), tgkill(2), rt_sigqueueinfo(2), rt_tgsigqueueinfo(2).

#include <signal.h>
#include <sys/types.h>

#include <climits>
#include <vector>

#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/session.h"
#include "pkg/sentry/kernel/signals.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/syscalls/handlers.h"

namespace cvisor::syscalls {
namespace {

using kernel::Kernel;
using kernel::ThreadGroup;

// EINVAL, EPERM. Task mutex held.
Status CheckMaySignal(Task& t, Task& target, int sig) {
  if (sig != 0 && !kernel::ValidSignal(sig)) return Errno::kEINVAL;
  if (!Kernel::MaySignal(t, target, sig)) return Errno::kEPERM;
  return OkStatus();
}

// A process that the caller may signal, kept until the signal is sent.
struct Receiver {
  Ref<ThreadGroup> group;
  pid_t sender = 0;  // the caller's number where the receiver lives; 0 if not visible there
};

// Task mutex held. ESRCH for one that is as good as gone.
Result<Receiver> CheckProcess(Task& t, ThreadGroup* group, int sig) {
  if (group == nullptr || group->is_reaped() || group->leader() == nullptr) return Errno::kESRCH;
  RETURN_IF_ERROR(CheckMaySignal(t, *group->leader(), sig));
  return Receiver{Ref<ThreadGroup>(group), t.tg().IdIn(*group->pid_ns())};
}

Status Send(Task& t, const Receiver& receiver, int sig) {
  if (sig == 0) return OkStatus();
  return receiver.group->SendSignal(
      kernel::MakeKillInfo(sig, SI_USER, receiver.sender, t.creds()->ruid));
}

// The process that number `pid` belongs to: also that of a thread which is not the leader.
ThreadGroup* FindProcess(Task& t, pid_t pid) {
  if (Task* const target = t.pid_ns().FindTask(pid); target != nullptr) return &target->tg();
  return t.pid_ns().FindThreadGroup(pid);
}

Result<uint64_t> KillOne(Task& t, pid_t pid, int sig) {
  Receiver receiver;
  {
    MutexLock lock(t.kernel().task_mutex());
    ASSIGN_OR_RETURN(receiver, CheckProcess(t, FindProcess(t, pid), sig));
  }
  RETURN_IF_ERROR(Send(t, receiver, sig));
  return 0;
}

Result<uint64_t> SendToAll(Task& t, const std::vector<Receiver>& receivers, int sig) {
  Status last;
  bool any = receivers.empty();
  for (const Receiver& r : receivers) {
    const Status s = Send(t, r, sig);
    if (s.ok()) {
      any = true;
    } else {
      last = s;
    }
  }
  if (!any) return last.error();
  return 0;
}

// pid 0 and pid < -1. One success is enough.
Result<uint64_t> KillProcessGroup(Task& t, pid_t pgid, int sig) {
  std::vector<Receiver> receivers;
  {
    MutexLock lock(t.kernel().task_mutex());
    const kernel::ProcessGroup* const group =
        pgid == 0 ? t.tg().group() : t.pid_ns().FindProcessGroup(pgid);
    Errno error = Errno::kESRCH;
    if (group != nullptr) {
      for (ThreadGroup* member : group->members()) {
        auto r = CheckProcess(t, member, sig);
        if (!r.ok()) {
          error = r.error();
          continue;
        }
        receivers.push_back(*std::move(r));
      }
    }
    if (receivers.empty()) return error;
    // Still under the task mutex: a member's fork must not slip between the list and its signal.
    return SendToAll(t, receivers, sig);
  }
}

// pid -1: everybody in sight but init and the caller.
Result<uint64_t> KillAll(Task& t, int sig) {
  std::vector<Receiver> receivers;
  {
    MutexLock lock(t.kernel().task_mutex());
    bool any = false;
    Errno error = Errno::kOk;
    for (ThreadGroup* group : t.pid_ns().ThreadGroups()) {
      if (group == &t.tg() || group == t.pid_ns().init()) continue;
      auto r = CheckProcess(t, group, sig);
      if (r.error() == Errno::kESRCH) continue;
      any = true;
      if (r.ok()) {
        receivers.push_back(*std::move(r));
      } else if (r.error() != Errno::kEPERM) {
        // As in Linux, processes out of reach are passed over in silence.
        error = r.error();
      }
    }
    if (!any) return Errno::kESRCH;
    if (error != Errno::kOk) return error;
    return SendToAll(t, receivers, sig);
  }
}

// What a process says about itself, for a receiver that knows it as `sender`: nothing if that is 0.
siginfo_t SeenFromBelow(siginfo_t info, pid_t sender) {
  if (sender == 0 && kernel::HasSender(info)) info.si_pid = 0;
  return info;
}

// One thread. tgid 0: of any process.
Result<uint64_t> SignalThread(Task& t, pid_t tgid, pid_t tid, int sig, const siginfo_t* info) {
  Ref<Task> target;
  pid_t sender;
  {
    MutexLock lock(t.kernel().task_mutex());
    Task* const found = t.pid_ns().FindTask(tid);
    if (found == nullptr) return Errno::kESRCH;
    if (tgid != 0 && found->tg().IdIn(t.pid_ns()) != tgid) return Errno::kESRCH;
    RETURN_IF_ERROR(CheckMaySignal(t, *found, sig));
    target = Ref<Task>(found);
    sender = t.tg().IdIn(found->pid_ns());
  }
  if (sig == 0) return 0;
  RETURN_IF_ERROR(target->SendSignal(
      info != nullptr ? SeenFromBelow(*info, sender)
                      : kernel::MakeKillInfo(sig, SI_TKILL, sender, t.creds()->ruid)));
  return 0;
}

// A siginfo of the application's own making. Only to itself may a process pretend that the kernel, kill(2)
// or tgkill(2) speaks.
Result<siginfo_t> CopyInSiginfo(Task& t, UserAddr addr, int sig, bool to_self) {
  ASSIGN_OR_RETURN(siginfo_t info, t.CopyIn<siginfo_t>(addr));
  info.si_signo = sig;
  if ((info.si_code >= 0 || info.si_code == SI_TKILL) && !to_self) return Errno::kEPERM;
  if (kernel::HasSender(info)) {
    const CredsRef creds = t.creds();
    info.si_uid = creds->user_ns->ToKernel(UserNamespace::Kind::kUser, info.si_uid).value_or(kNoId);
  }
  return info;
}

}  // namespace

Result<uint64_t> Kill(Task& t, const SyscallArgs& a) {
  const auto pid = a[0].As<pid_t>();
  const auto sig = a[1].As<int>();
  if (pid > 0) return KillOne(t, pid, sig);
  if (pid == -1) return KillAll(t, sig);
  if (pid == INT_MIN) return Errno::kESRCH;
  return KillProcessGroup(t, -pid, sig);
}

Result<uint64_t> Tkill(Task& t, const SyscallArgs& a) {
  const auto tid = a[0].As<pid_t>();
  if (tid <= 0) return Errno::kEINVAL;
  return SignalThread(t, 0, tid, a[1].As<int>(), nullptr);
}

Result<uint64_t> Tgkill(Task& t, const SyscallArgs& a) {
  const auto tgid = a[0].As<pid_t>(), tid = a[1].As<pid_t>();
  if (tgid <= 0 || tid <= 0) return Errno::kEINVAL;
  return SignalThread(t, tgid, tid, a[2].As<int>(), nullptr);
}

Result<uint64_t> RtSigqueueinfo(Task& t, const SyscallArgs& a) {
  const auto pid = a[0].As<pid_t>();
  const auto sig = a[1].As<int>();
  ASSIGN_OR_RETURN(const siginfo_t info, CopyInSiginfo(t, a[2].raw, sig, pid == t.tid()));
  Receiver receiver;
  {
    MutexLock lock(t.kernel().task_mutex());
    ASSIGN_OR_RETURN(receiver, CheckProcess(t, FindProcess(t, pid), sig));
  }
  if (sig != 0) RETURN_IF_ERROR(receiver.group->SendSignal(SeenFromBelow(info, receiver.sender)));
  return 0;
}

Result<uint64_t> RtTgsigqueueinfo(Task& t, const SyscallArgs& a) {
  const auto tgid = a[0].As<pid_t>(), tid = a[1].As<pid_t>();
  const auto sig = a[2].As<int>();
  if (tgid <= 0 || tid <= 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const siginfo_t info, CopyInSiginfo(t, a[3].raw, sig, tid == t.tid()));
  return SignalThread(t, tgid, tid, sig, &info);
}

}  // namespace cvisor::syscalls
