// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/signalfd/signalfd.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/vfs/vfs.h"

namespace cvisor::fs::signalfd {

using kernel::SignalSet;
using kernel::Task;
using kernel::ThreadGroup;

static_assert(sizeof(signalfd_siginfo) == 128);

// Registered in a process's signal queue; keeps the process's object (not the process) alive.
class SignalFd::Forwarder : public Waiter {
 public:
  Forwarder(Ref<ThreadGroup> group, WaitQueue& target) : group_(std::move(group)), target_(target) {
    group_->signal_queue().Register(this, kEventIn);
  }
  ~Forwarder() override { group_->signal_queue().Unregister(this); }
  void OnEvent(EventMask mask) override { target_.Notify(mask); }
  bool watches(const ThreadGroup& group) const { return group_.get() == &group; }

 private:
  const Ref<ThreadGroup> group_;
  WaitQueue& target_;
};

SignalFd::SignalFd(SignalSet mask, int flags)
    : FileDescription(vfs::AnonInodePath("[signalfd]"), O_RDWR | (flags & O_NONBLOCK)),
      mask_(mask & ~kernel::kUnblockable) {
  wait_queue_hint_ = true;
}

SignalFd::~SignalFd() = default;

void SignalFd::SetMask(SignalSet mask) {
  mask_.store(mask & ~kernel::kUnblockable);
  // What is pending already may be wanted now.
  queue_.Notify(kEventIn);
}

void SignalFd::Watch() {
  Task* const t = Task::Current();
  if (t == nullptr) return;
  MutexLock lock(mu_);
  for (const auto& f : forwarders_) {
    if (f->watches(t->tg())) return;
  }
  forwarders_.push_back(std::make_unique<Forwarder>(Ref<ThreadGroup>(&t->tg()), queue_));
}

WaitQueue* SignalFd::wait_queue() {
  Watch();
  return &queue_;
}

Result<size_t> SignalFd::Read(IoSink& dst, vfs::IoFlags) {
  if (dst.remaining() < sizeof(signalfd_siginfo)) return Errno::kEINVAL;
  Task* const t = Task::Current();
  if (t == nullptr) return Errno::kEAGAIN;
  size_t done = 0;
  while (dst.remaining() >= sizeof(signalfd_siginfo)) {
    const auto info = t->DequeueSignal(mask_.load());
    if (!info.has_value()) break;
    const signalfd_siginfo out = ToSignalFdInfo(*info);
    auto n = dst.Write(std::as_bytes(std::span(&out, 1)));
    // As in Linux, a signal that cannot be stored is gone.
    if (!n.ok() || *n != sizeof(out)) return done != 0 ? Result<size_t>(done) : Errno::kEFAULT;
    done += *n;
  }
  if (done == 0) return Errno::kEAGAIN;
  return done;
}

EventMask SignalFd::Readiness(EventMask mask) {
  Watch();
  const Task* const t = Task::Current();
  if (t == nullptr) return 0;
  return ((t->Pending() & mask_.load()) != 0 ? kEventIn : 0) & mask;
}

std::string SignalFd::FdInfo() { return absl::StrFormat("sigmask:\t%016x\n", mask_.load()); }

signalfd_siginfo ToSignalFdInfo(const siginfo_t& info) {
  signalfd_siginfo out{};
  out.ssi_signo = static_cast<uint32_t>(info.si_signo);
  out.ssi_errno = info.si_errno;
  out.ssi_code = info.si_code;
  const auto set_sender = [&] {
    out.ssi_pid = static_cast<uint32_t>(info.si_pid);
    out.ssi_uid = info.si_uid;
  };
  const auto set_value = [&] {
    out.ssi_ptr = reinterpret_cast<uint64_t>(info.si_value.sival_ptr);
    out.ssi_int = info.si_value.sival_int;
  };
  if (info.si_code == SI_TIMER) {
    out.ssi_tid = static_cast<uint32_t>(info.si_timerid);
    out.ssi_overrun = static_cast<uint32_t>(info.si_overrun);
    set_value();
  } else if (info.si_code <= 0) {
    // SI_USER, SI_TKILL, SI_QUEUE, SI_MESGQ, ...: who sent it, and what with it.
    set_sender();
    if (info.si_code != SI_USER && info.si_code != SI_TKILL) set_value();
  } else if (info.si_signo == SIGCHLD && info.si_code != SI_KERNEL) {
    set_sender();
    out.ssi_status = info.si_status;
    out.ssi_utime = static_cast<uint64_t>(info.si_utime);
    out.ssi_stime = static_cast<uint64_t>(info.si_stime);
  } else if (info.si_signo == SIGPOLL && info.si_code != SI_KERNEL) {
    out.ssi_band = static_cast<uint32_t>(info.si_band);
    out.ssi_fd = info.si_fd;
  } else if ((kernel::SignalBit(info.si_signo) & kernel::kSynchronous) != 0) {
    out.ssi_addr = reinterpret_cast<uint64_t>(info.si_addr);
  } else {
    set_sender();
  }
  return out;
}

}  // namespace cvisor::fs::signalfd
