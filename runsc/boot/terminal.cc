// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/boot/terminal.h"

#include <sys/ioctl.h>
#include <sys/stat.h>

#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/thread_group.h"

namespace cvisor::runsc::boot {
namespace {

// One host terminal's sessions and process groups.
class HostTerminal final : public kernel::ControllingTerminal {
 public:
  HostTerminal(kernel::Kernel& kernel, dev_t device) : ControllingTerminal(kernel), device_(device) {}
  dev_t device() const override { return device_; }

 private:
  const dev_t device_;
};

class JobControl final : public fs::host::TtyJobControl {
 public:
  explicit JobControl(Ref<HostTerminal> terminal) : terminal_(std::move(terminal)) {}

  Result<uint64_t> Ioctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) override {
    kernel::Task& t = *kernel::Task::Current();
    switch (cmd) {
      case TIOCGPGRP:
        return Answer(mm, arg, terminal_->GetForeground(t));
      case TIOCGSID:
        return Answer(mm, arg, terminal_->GetSession(t));
      case TIOCSPGRP: {
        RETURN_IF_ERROR(terminal_->CheckBackground(t, SIGTTOU));
        ASSIGN_OR_RETURN(const pid_t group, mm.CopyIn<pid_t>(arg));
        RETURN_IF_ERROR(terminal_->SetForeground(t, group));
        return 0;
      }
      case TIOCSCTTY:
        RETURN_IF_ERROR(terminal_->SetControlling(t, arg == 1, /*readable=*/true));
        return 0;
      case TIOCNOTTY:
        RETURN_IF_ERROR(terminal_->Release(t));
        return 0;
      default:
        return Errno::kENOTTY;
    }
  }
  Status CheckRead() override {
    return terminal_->CheckBackground(*kernel::Task::Current(), SIGTTIN);
  }
  Status CheckWrite(bool tostop) override {
    if (!tostop) return OkStatus();
    return terminal_->CheckBackground(*kernel::Task::Current(), SIGTTOU);
  }
  Status CheckChange() override {
    return terminal_->CheckBackground(*kernel::Task::Current(), SIGTTOU);
  }

 private:
  static Result<uint64_t> Answer(mm::MemoryManager& mm, uint64_t arg, Result<pid_t> id) {
    if (!id.ok()) return id.error();
    RETURN_IF_ERROR(mm.CopyOut<pid_t>(arg, *id));
    return 0;
  }

  const Ref<HostTerminal> terminal_;
};

}  // namespace

void HostTerminals::Add(kernel::Kernel& kernel, fs::host::HostTty& tty) {
  struct stat st;
  if (fstat(tty.host().fd(), &st) != 0) return;
  // Descriptors of another terminal than the first stay plain: a session has one terminal.
  if (controlling_ != nullptr && controlling_->device() != st.st_rdev) return;
  if (controlling_ == nullptr) {
    auto terminal = MakeRef<HostTerminal>(kernel, st.st_rdev);
    controlling_ = terminal;
    job_control_ = MakeRef<JobControl>(std::move(terminal));
  }
  tty.SetJobControl(job_control_);
}

void HostTerminals::BecomeControlling(kernel::Task& task) {
  if (controlling_ != nullptr) controlling_->TryBecomeControlling(task);
}

}  // namespace cvisor::runsc::boot
