// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/boot/server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "pkg/base/log.h"
#include "pkg/sentry/control/message_file.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "runsc/boot/debug.h"
#include "runsc/boot/process_list.h"
#include "runsc/boot/resources.h"
#include "runsc/config/outcome.h"

namespace cvisor::runsc::boot {
namespace {

control::Message ExitedMessage(int status) {
  control::Message message;
  message.mutable_exited()->set_wait_status(status);
  return message;
}

Status WriteAll(const UniqueFd& fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(fd.get(), text.data(), text.size());
    if (n < 0) return static_cast<Errno>(errno);
    text.remove_prefix(static_cast<size_t>(n));
  }
  return OkStatus();
}

// Numbers of descriptors in place of indexes; each is handed on once. False if there is no such
// index.
bool Resolve(std::vector<UniqueFd>& descriptors, control::Stdio* stdio) {
  auto take = [&descriptors](int index) {
    if (index < 0 || static_cast<size_t>(index) >= descriptors.size()) return -1;
    return descriptors[static_cast<size_t>(index)].release();
  };
  if (stdio->console_fd() >= 0) {
    stdio->set_console_fd(take(stdio->console_fd()));
    if (stdio->console_fd() < 0) return false;
  }
  for (auto& d : *stdio->mutable_descriptors()) {
    if (d.terminal()) continue;
    d.set_host(take(d.host()));
    if (d.host() < 0) return false;
  }
  return true;
}

}  // namespace

void Server::AddOwner(ChannelRef channel, bool for_life) {
  {
    MutexLock lock(mu_);
    waiters_.push_back(channel);
  }
  std::thread([this, channel = std::move(channel), for_life] {
    Serve(channel);
    // runsc is gone: nobody wants the container any more.
    if (for_life) _exit(kExitSandboxDied);
  }).detach();
}

void Server::Listen(UniqueFd socket) {
  std::thread([this, socket = std::move(socket)] { Accept(socket); }).detach();
}

void Server::Accept(const UniqueFd& socket) {
  for (;;) {
    UniqueFd fd(accept4(socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd.valid()) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      LogError("the control socket has ended: errno %d", errno);
      return;
    }
    MutexLock lock(mu_);
    if (channels_ >= kMaxChannels) continue;  // closed
    ++channels_;
    std::thread([this, channel = std::make_shared<control::Channel>(std::move(fd))] {
      Serve(channel);
      MutexLock lock(mu_);
      --channels_;
    }).detach();
  }
}

bool Server::StartInit() {
  {
    MutexLock lock(mu_);
    if (started_) return false;
    started_ = true;
  }
  init_.Start();
  return true;
}

void Server::InitEnded(int status) {
  MutexLock lock(mu_);
  exit_status_ = status;
  for (const auto& weak : waiters_) {
    if (const ChannelRef channel = weak.lock(); channel != nullptr) {
      (void)channel->Send(ExitedMessage(status));
    }
  }
}

void Server::Serve(const ChannelRef& channel) {
  for (;;) {
    control::Request request;
    std::vector<UniqueFd> descriptors;
    const auto got = channel->Receive(&request, &descriptors);
    if (!got.ok() || !*got) return;
    if (request.has_exec()) return ServeExec(channel, std::move(descriptors));
    Handle(channel, request, descriptors);
  }
}

void Server::Handle(const ChannelRef& channel, const control::Request& request,
                    const std::vector<UniqueFd>& descriptors) {
  Errno error = Errno::kOk;
  control::Message message;
  if (request.has_signal()) {
    error = Signal(request.signal());
  } else if (request.has_window_size()) {
    init_.SetWindowSize(request.window_size());
  } else if (request.has_start()) {
    if (!StartInit()) error = Errno::kEINVAL;
  } else if (request.has_wait()) {
    MutexLock lock(mu_);
    if (exit_status_.has_value()) {
      (void)channel->Send(ExitedMessage(*exit_status_));
    } else {
      std::erase_if(waiters_, [](const auto& weak) { return weak.expired(); });
      waiters_.push_back(channel);
    }
  } else if (request.has_update()) {
    ApplyResources(request.update().resources());
  } else if (request.has_processes()) {
    ListProcesses(kernel_, *container_, message.mutable_response());
  } else if (request.has_debug()) {
    const auto text = Debug(kernel_, request.debug());
    error = text.error();
    if (text.ok() && !descriptors.empty()) error = WriteAll(descriptors[0], *text).error();
  } else {
    error = Errno::kENOSYS;
  }
  if (request.id() == 0) return;
  message.mutable_response()->set_id(request.id());
  message.mutable_response()->set_error(static_cast<int>(error));
  (void)channel->Send(message);
}

Errno Server::Signal(const control::SignalRequest& request) {
  bool started;
  {
    MutexLock lock(mu_);
    started = started_;
  }
  // Nothing of init runs yet that a signal could end: the sandbox ends in its place.
  const bool to_process = request.target() == control::SignalRequest::PROCESS && request.pid() != 1;
  if (!started && !to_process && (request.signal() == SIGKILL || request.signal() == SIGTERM)) {
    InitEnded(request.signal());
    _exit(128 + request.signal());
  }
  if (request.target() == control::SignalRequest::PROCESS) {
    Ref<kernel::ThreadGroup> target;
    {
      MutexLock lock(kernel_.task_mutex());
      for (kernel::ThreadGroup* tg : container_->pid_ns()->ThreadGroups()) {
        if (tg->IdIn(*container_->pid_ns()) == request.pid()) target = Ref<kernel::ThreadGroup>(tg);
      }
    }
    if (request.signal() < 0 || request.signal() > 64) return Errno::kEINVAL;
    return target == nullptr ? Errno::kESRCH : kernel_.SignalProcess(*target, request.signal()).error();
  }
  return init_.Signal(request).error();
}

void Server::ServeExec(const ChannelRef& channel, std::vector<UniqueFd> descriptors) {
  control::Message message;
  auto fail = [&](const std::string& why, int code) {
    message.mutable_start_failed()->set_message(why);
    message.mutable_start_failed()->set_exit_code(code);
    (void)channel->Send(message);
  };
  if (descriptors.empty()) return fail("the request has no configuration", kExitFailure);
  auto config = control::ReadFile<control::ExecConfig>(descriptors[0]);
  if (!config.ok() || config->process().args_size() == 0 ||
      !Resolve(descriptors, config->mutable_stdio())) {
    return fail("the request is damaged", kExitFailure);
  }
  GuestProcess process(kernel_, container_);
  GuestOptions options;
  options.init = false;
  if (auto loaded = process.Load(config->process(), config->stdio(), options); !loaded.ok()) {
    return fail(loaded.failure().message, loaded.failure().exit_code);
  }
  descriptors.clear();
  message.mutable_started()->set_pid(process.pid());
  (void)channel->Send(message);
  process.Start();
  std::thread waiter([&process, &channel] {
    const int status = process.WaitForExit();
    (void)channel->Send(ExitedMessage(status));
    // Ends the loop below, should the peer not hang up.
    shutdown(channel->fd(), SHUT_RD);
  });
  for (;;) {
    control::Request request;
    const auto got = channel->Receive(&request);
    if (!got.ok() || !*got) break;
    Errno error = Errno::kOk;
    if (request.has_signal()) {
      error = process.Signal(request.signal()).error();
    } else if (request.has_window_size()) {
      process.SetWindowSize(request.window_size());
    } else {
      error = Errno::kENOSYS;
    }
    if (request.id() == 0) continue;
    message.mutable_response()->set_id(request.id());
    message.mutable_response()->set_error(static_cast<int>(error));
    (void)channel->Send(message);
  }
  // Nobody is there to be told of its end: as when a process of runc is killed.
  control::SignalRequest kill;
  kill.set_signal(SIGKILL);
  (void)process.Signal(kill);
  waiter.join();
}

void Server::BlockWindowSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGWINCH);
  sigprocmask(SIG_BLOCK, &set, nullptr);
}

void Server::FollowWindowSize(int tty) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGWINCH);
  UniqueFd signals(signalfd(-1, &set, SFD_CLOEXEC));
  UniqueFd own(fcntl(tty, F_DUPFD_CLOEXEC, 3));
  if (!signals.valid() || !own.valid()) return LogError("no window sizes: errno %d", errno);
  std::thread([this, signals = std::move(signals), own = std::move(own)] {
    signalfd_siginfo info;
    for (;;) {
      winsize size;
      if (ioctl(own.get(), TIOCGWINSZ, &size) == 0 && (size.ws_row != 0 || size.ws_col != 0)) {
        control::WindowSize w;
        w.set_rows(size.ws_row);
        w.set_columns(size.ws_col);
        w.set_xpixel(size.ws_xpixel);
        w.set_ypixel(size.ws_ypixel);
        init_.SetWindowSize(w);
      }
      const ssize_t n = read(signals.get(), &info, sizeof(info));
      if (n < 0 && errno != EINTR) return;
    }
  }).detach();
}

}  // namespace cvisor::runsc::boot
