// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/kernel/async_io.h"

#include <fcntl.h>
#include <signal.h>

#include <cstring>

#include "absl/container/flat_hash_map.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/kernel/timers.h"

namespace cvisor::kernel {
namespace {

class Notifier;

// Which descriptions have one. A leaf lock.
Mutex g_mutex;
absl::flat_hash_map<const vfs::FileDescription*, Ref<Notifier>>& Notifiers() {
  static auto& map = *new absl::flat_hash_map<const vfs::FileDescription*, Ref<Notifier>>();
  return map;
}

// Waits on a description's queue. Readiness is told under locks of the file, where no process may be
// looked up: the signal is sent from the timer thread, at once.
class Notifier : public Timer {
 public:
  Notifier(Kernel& kernel, Ref<PidNamespace> ns, CredsRef creds, int fd, vfs::FileDescription& file)
      : kernel_(kernel), ns_(std::move(ns)), creds_(std::move(creds)), fd_(fd), file_(file) {
    hook_.notifier = this;
    file_.wait_queue()->Register(&hook_, kEventIn | kEventOut | EPOLLPRI);
    // Files that stand on a host descriptor tell of changes only to those who have asked.
    file_.Readiness(kEventIn | kEventOut | EPOLLPRI);
  }
  // Nothing is told after this.
  void Stop() {
    file_.wait_queue()->Unregister(&hook_);
    kernel_.timers().Disarm(*this);
  }

  void Fire() override {
    const EventMask events = events_.exchange(0);
    if (events == 0) return;
    const int owner = owner_.load();
    if (owner == 0) return;
    const int chosen = signal_.load();
    siginfo_t info;
    std::memset(&info, 0, sizeof(info));
    info.si_signo = chosen == 0 ? SIGIO : chosen;
    info.si_code = SI_KERNEL;
    if (chosen != 0) {
      info.si_code = (events & (kEventHup | kEventErr)) != 0
                         ? ((events & kEventHup) != 0 ? POLL_HUP : POLL_ERR)
                         : ((events & kEventIn) != 0 ? POLL_IN : POLL_OUT);
      info.si_band = static_cast<long>(events);
      info.si_fd = fd_;
    }
    MutexLock lock(kernel_.task_mutex());
    if (owner < 0) {
      ProcessGroup* group = ns_->FindProcessGroup(-owner);
      if (group == nullptr) return;
      for (ThreadGroup* tg : group->members()) Send(tg->leader(), info, /*thread=*/false);
      return;
    }
    Task* task = ns_->FindTask(owner);
    // A number that is a thread's only was set with F_OWNER_TID.
    Send(task, info, task != nullptr && !task->is_leader());
  }

 private:
  struct Hook : Waiter {
    void OnEvent(EventMask mask) override { notifier->OnEvent(mask); }
    Notifier* notifier = nullptr;
  };

  void OnEvent(EventMask mask) {
    // Read here, while the description is certainly alive.
    owner_.store(file_.async_owner.load());
    signal_.store(file_.async_signal.load());
    events_.fetch_or(mask);
    kernel_.timers().Arm(Ref<Timer>(this), Deadline::At(MonotonicNs()));
  }

  // Task mutex held. The one who set the owner must be allowed to signal it.
  void Send(Task* task, const siginfo_t& info, bool thread) {
    if (task == nullptr) return;
    const CredsRef to = task->creds();
    if (creds_->euid != 0 && creds_->euid != to->suid && creds_->euid != to->ruid &&
        creds_->ruid != to->suid && creds_->ruid != to->ruid) {
      return;
    }
    (void)(thread ? task->SendSignal(info) : task->tg().SendSignal(info));
  }

  Kernel& kernel_;
  const Ref<PidNamespace> ns_;
  const CredsRef creds_;
  const int fd_;
  vfs::FileDescription& file_;  // outlives Stop()
  Hook hook_;
  std::atomic<EventMask> events_{0};
  std::atomic<int> owner_{0}, signal_{0};
};

Ref<Notifier> Take(const vfs::FileDescription* file) {
  MutexLock lock(g_mutex);
  const auto it = Notifiers().find(file);
  if (it == Notifiers().end()) return nullptr;
  Ref<Notifier> found = std::move(it->second);
  Notifiers().erase(it);
  return found;
}

// Ends the notifier with the description.
class EndObserver : public vfs::FileObserver {
 public:
  explicit EndObserver(const vfs::FileDescription* file) : file_(file) {}
  void OnFileGone() override {
    if (const auto notifier = Take(file_); notifier != nullptr) notifier->Stop();
  }

 private:
  const vfs::FileDescription* const file_;
};

}  // namespace

void UpdateAsyncIo(Task& t, int fd, const Ref<vfs::FileDescription>& file) {
  if (file->wait_queue() == nullptr) return;
  const auto old = Take(file.get());
  if (old != nullptr) old->Stop();
  if ((file->flags() & O_ASYNC) == 0) return;
  auto notifier = MakeRef<Notifier>(t.kernel(), Ref<PidNamespace>(&t.pid_ns()), t.creds(), fd, *file);
  if (old == nullptr) file->AddObserver(MakeRef<EndObserver>(file.get()));
  MutexLock lock(g_mutex);
  Notifiers()[file.get()] = std::move(notifier);
}

}  // namespace cvisor::kernel
