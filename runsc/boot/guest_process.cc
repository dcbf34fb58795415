// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/boot/guest_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "pkg/base/log.h"
#include "pkg/sentry/fs/host/fd_file.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "runsc/boot/mounts.h"
#include "runsc/boot/process.h"

namespace cvisor::runsc::boot {

GuestProcess::GuestProcess(kernel::Kernel& kernel, Ref<kernel::Container> container)
    : kernel_(kernel), container_(std::move(container)) {}

GuestProcess::~GuestProcess() = default;

Outcome<void> GuestProcess::Load(const control::Process& process, const control::Stdio& stdio,
                                 const GuestOptions& options) {
  kernel::ProcessSpec spec = ToProcessSpec(process, kernel_.root_user_ns());
  spec.init = options.init;
  spec.protect_init = !options.like_a_child;
  spec.outside_parent = options.outside_parent;
  RUNSC_RETURN_IF_FAILED(OpenFiles(process, stdio, &spec));

  vfs::WalkOptions directory;
  directory.want_directory = true;
  const auto cwd =
      vfs::Walk(RootContext(container_->mounts(), RootCredentials(kernel_.root_user_ns())),
                process.cwd(), directory);
  if (!cwd.ok()) {
    return Failure{"the working directory " + process.cwd() + ": " + ErrnoText(cwd.error())};
  }
  spec.on_loaded = [this, &process](kernel::Task& task) { OnLoaded(process, task); };
  auto tg = kernel_.CreateProcess(container_, spec);
  if (!tg.ok()) return DescribeStartFailure(process, options.like_a_child, tg.error());
  tg_ = *tg;
  return {};
}

Outcome<void> GuestProcess::OpenFiles(const control::Process& process, const control::Stdio& stdio,
                                      kernel::ProcessSpec* spec) {
  Ref<vfs::FileDescription> terminal;
  if (stdio.console_fd() >= 0) {
    auto console = Console::New(kernel_, *container_, process, stdio);
    if (!console.ok()) return Failure{"making the terminal: " + ErrnoText(console.error())};
    console_ = std::move(*console);
    terminal = console_->slave();
  }
  for (const auto& d : stdio.descriptors()) {
    if (d.terminal() && terminal != nullptr) {
      spec->files[d.guest()] = terminal;
      continue;
    }
    // 2 stays ours, for last words.
    UniqueFd fd(fcntl(d.host(), F_DUPFD_CLOEXEC, 3));
    if (!fd.valid()) return FailureFromErrno("taking over a descriptor", errno);
    if (d.host() != STDERR_FILENO) close(d.host());
    auto file = fs::host::NewFdFile(std::move(fd));
    if (!file.ok()) {
      return Failure{"taking over descriptor " + std::to_string(d.guest()) + ": " +
                     ErrnoText(file.error())};
    }
    if (auto tty = RefCast<fs::host::HostTty>(*file); tty != nullptr) {
      host_terminals_.Add(kernel_, *tty);
    }
    spec->files[d.guest()] = *file;
  }
  return {};
}

// On the way to its first instruction, before it runs.
void GuestProcess::OnLoaded(const control::Process& process, kernel::Task& task) {
  for (int sig = 1; sig < 64; ++sig) {
    if ((process.ignored_signals() >> (sig - 1) & 1) == 0) continue;
    kernel::SignalAction ignore;
    ignore.handler = 1;  // SIG_IGN
    (void)task.tg().SetAction(sig, ignore, nullptr);
  }
  task.tg().oom_score_adj.store(process.oom_score_adj());
  if (console_ != nullptr) {
    console_->BecomeControlling(task);
  } else {
    host_terminals_.BecomeControlling(task);
  }
}

int GuestProcess::WaitForExit() {
  const int status = kernel_.WaitForExit(*tg_);
  if (console_ != nullptr) console_->Drain();
  return status;
}

Status GuestProcess::Signal(const control::SignalRequest& request) {
  const int sig = request.signal();
  if (sig < 0 || sig > 64) return Errno::kEINVAL;
  LogDebug("signal %d from runsc, target %d", sig, static_cast<int>(request.target()));
  switch (request.target()) {
    case control::SignalRequest::ALL:
      kernel_.SignalContainer(*container_, sig);
      return OkStatus();
    case control::SignalRequest::FOREGROUND:
      SignalForeground(sig);
      return OkStatus();
    default:
      return kernel_.SignalProcess(*tg_, sig);
  }
}

void GuestProcess::SignalForeground(int sig) {
  kernel::ControllingTerminal* terminal =
      console_ != nullptr ? console_->controlling() : host_terminals_.controlling();
  if (terminal != nullptr) return terminal->SignalForeground(sig);
  MutexLock lock(kernel_.task_mutex());
  const kernel::ProcessGroup* group = tg_->group();
  for (kernel::ThreadGroup* tg : kernel_.all_thread_groups()) {
    if (tg->group() == group && group != nullptr) (void)tg->SendSignal(kernel::MakeKernelInfo(sig));
  }
}

void GuestProcess::SetWindowSize(const control::WindowSize& size) {
  if (console_ != nullptr) console_->SetWindowSize(size);
}

int GuestProcess::pid() { return tg_->id(); }

}  // namespace cvisor::runsc::boot
