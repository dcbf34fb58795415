// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// What runsc does while the container runs. In console mode the host's terminal is raw and all its bytes go
// to a pseudo-terminal of the Sentry, whose line discipline, job control and window size are then the
// container's own; Ctrl-C and Ctrl-Z are bytes like others. Without a console (stdin or stdout is not the
// terminal) signals are forwarded.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

#include "pkg/base/log.h"
#include "runsc/sandbox/sandbox.h"
#include "runsc/sandbox/stdio.h"

namespace cvisor::runsc::sandbox {
namespace {

constexpr size_t kChunk = 16384;
// How often a runsc that was put in the background looks whether it has the terminal again.
constexpr int kBackgroundPollMs = 200;

bool IsForwarded(int sig) {
  switch (sig) {
    case SIGKILL: case SIGSTOP: case SIGCHLD: case SIGSEGV: case SIGBUS: case SIGILL: case SIGFPE:
    case SIGABRT: case SIGTRAP: case SIGSYS: case SIGPIPE: case SIGTTIN: case SIGTTOU:
      return false;
    default:
      return sig < 32 || (sig >= SIGRTMIN && sig <= SIGRTMAX);
  }
}

// The host's terminal: raw while we are in its foreground.
class HostTerminal {
 public:
  explicit HostTerminal(int tty) {
    if (tty < 0) return;
    // A description of our own, so that O_NONBLOCK does not change our caller's.
    const std::string path = "/proc/self/fd/" + std::to_string(tty);
    fd_ = UniqueFd(open(path.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
    if (!fd_.valid()) fd_ = UniqueFd(fcntl(tty, F_DUPFD_CLOEXEC, 3));
    Enter();
  }
  ~HostTerminal() { Leave(); }

  int fd() const { return fd_.get(); }
  bool valid() const { return fd_.valid(); }
  bool raw() const { return raw_; }
  bool HungUp() const {
    pollfd fd{fd_.get(), 0, 0};
    return fd_.valid() && poll(&fd, 1, 0) == 1 && (fd.revents & (POLLHUP | POLLERR)) != 0;
  }
  // VINTR, VQUIT of the settings before raw mode.
  char Key(int which) const { return static_cast<char>(saved_.c_cc[which]); }

  // In the foreground, or nobody's controlling terminal but usable all the same.
  bool Foreground() const {
    const pid_t group = tcgetpgrp(fd_.get());
    return group < 0 || group == getpgrp();
  }
  void Enter() {
    if (!fd_.valid() || raw_ || !Foreground() || tcgetattr(fd_.get(), &saved_) != 0) return;
    termios raw = saved_;
    cfmakeraw(&raw);
    raw_ = tcsetattr(fd_.get(), TCSANOW, &raw) == 0;
  }
  void Leave() {
    if (!raw_) return;
    raw_ = false;
    // From the background this would stop us; whoever has the terminal now has set it up.
    if (Foreground()) tcsetattr(fd_.get(), TCSADRAIN, &saved_);
  }

 private:
  UniqueFd fd_;
  bool raw_ = false;
  termios saved_{};
};

class Attachment {
 public:
  Attachment(control::Channel& channel, UniqueFd& console, const AttachOptions& options)
      : channel_(channel), console_(console), options_(options), tty_(options.tty) {
    if (console_.valid()) {
      const int flags = fcntl(console_.get(), F_GETFL);
      fcntl(console_.get(), F_SETFL, flags | O_NONBLOCK);
    }
  }

  // Nothing: the channel ended first.
  Outcome<std::optional<int>> Run() {
    sigset_t mask;
    sigprocmask(SIG_BLOCK, nullptr, &mask);
    signals_ = UniqueFd(signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_.valid()) return FailureFromErrno("signalfd", errno);
    ReleaseStdio();  // the terminal has a descriptor of its own
    if (tty_.valid() || options_.size_of >= 0) SendWindowSize();
    while (!done_ && !channel_ended_) {
      if (auto r = Step(); !r.ok()) return r.failure();
    }
    DrainConsole();
    tty_.Leave();
    if (channel_ended_) return std::optional<int>();
    // Ctrl-C ends the whole job: the terminal would have told our group, a script that called us too.
    const int sig = WIFSIGNALED(status_) ? WTERMSIG(status_) : 0;
    if (options_.like_a_child && ((sig == SIGINT && typed_interrupt_) ||
                                  (sig == SIGQUIT && typed_quit_))) {
      kill(0, sig);  // blocked here; ExitLike() lets it through
    }
    return std::optional<int>(status_);
  }

 private:
  Outcome<void> Step() {
    pollfd fds[4] = {{signals_.get(), POLLIN, 0},
                     {channel_.fd(), POLLIN, 0},
                     {console_.valid() ? console_.get() : -1, 0, 0},
                     {tty_.valid() ? tty_.fd() : -1, 0, 0}};
    if (to_tty_.empty()) fds[2].events |= POLLIN;
    if (!to_console_.empty()) fds[2].events |= POLLOUT;
    if (to_console_.empty() && tty_.raw() && !tty_hung_up_) fds[3].events |= POLLIN;
    if (!to_tty_.empty()) fds[3].events |= POLLOUT;
    if (fds[2].events == 0) fds[2].fd = -1;
    if (tty_hung_up_) fds[3].fd = -1;
    const int timeout = tty_.valid() && !tty_.raw() ? kBackgroundPollMs : -1;
    const int n = poll(fds, 4, timeout);
    if (n < 0 && errno != EINTR) return FailureFromErrno("poll", errno);
    if (tty_.valid() && !tty_.raw()) tty_.Enter();
    if (n <= 0) return {};
    if (fds[0].revents != 0) HandleSignals();
    if (fds[3].revents != 0) {
      if ((fds[3].revents & POLLOUT) != 0) Flush(tty_.fd(), &to_tty_);
      if ((fds[3].revents & POLLIN) != 0) ReadTty();
      if ((fds[3].revents & (POLLHUP | POLLERR)) != 0) HangUp();
    }
    if (fds[2].revents != 0) {
      if ((fds[2].revents & POLLOUT) != 0) Flush(console_.get(), &to_console_);
      if ((fds[2].revents & (POLLIN | POLLHUP | POLLERR)) != 0) ReadConsole();
    }
    if (fds[1].revents != 0) return HandleMessage();
    return {};
  }

  void ReadTty() {
    if (!to_console_.empty() || !tty_.raw()) return;
    char buffer[kChunk];
    const ssize_t n = read(tty_.fd(), buffer, sizeof(buffer));
    if (n > 0) {
      to_console_.assign(buffer, static_cast<size_t>(n));
      typed_interrupt_ = to_console_.find(tty_.Key(VINTR)) != std::string::npos;
      typed_quit_ = to_console_.find(tty_.Key(VQUIT)) != std::string::npos;
      if (console_.valid()) {
        Flush(console_.get(), &to_console_);
      } else {
        to_console_.clear();
      }
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
      HangUp();
    }
  }

  // The terminal is gone: so is the container's, which sends SIGHUP to whoever it concerns.
  void HangUp() {
    if (std::exchange(tty_hung_up_, true)) return;
    to_console_.clear();
    to_tty_.clear();
    if (console_.valid()) shutdown(console_.get(), SHUT_WR);
  }

  void ReadConsole() {
    if (!to_tty_.empty()) return;
    char buffer[kChunk];
    const ssize_t n = read(console_.get(), buffer, sizeof(buffer));
    if (n > 0) {
      to_tty_.assign(buffer, static_cast<size_t>(n));
      Flush(tty_.fd(), &to_tty_);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
      console_.reset();
      to_console_.clear();
    }
  }

  static void Flush(int fd, std::string* data) {
    const ssize_t n = write(fd, data->data(), data->size());
    if (n > 0) {
      data->erase(0, static_cast<size_t>(n));
    } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
      data->clear();  // nobody is there any more
    }
  }

  // What the container wrote before it ended.
  void DrainConsole() {
    while (tty_.valid() && (console_.valid() || !to_tty_.empty())) {
      pollfd fd = to_tty_.empty() ? pollfd{console_.get(), POLLIN, 0}
                                  : pollfd{tty_.fd(), POLLOUT, 0};
      // The sandbox closes its end when it has ended; a terminal that is stopped (Ctrl-S) or gone must
      // not keep us for ever.
      if (poll(&fd, 1, 2000) <= 0) return;
      if (to_tty_.empty()) {
        ReadConsole();
      } else {
        Flush(tty_.fd(), &to_tty_);
        if ((fd.revents & (POLLHUP | POLLERR)) != 0) return;
      }
    }
  }

  void HandleSignals() {
    signalfd_siginfo info;
    while (read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
      const int sig = static_cast<int>(info.ssi_signo);
      if (sig == SIGWINCH && (tty_.valid() || options_.size_of >= 0)) {
        SendWindowSize();
        continue;
      }
      if (sig == SIGCONT) tty_.Enter();
      // The kernel sends to groups (a key on a terminal, hangup), people send to processes.
      const bool group = info.ssi_code == SI_KERNEL;
      if (sig == SIGHUP && group && tty_.HungUp()) {
        HangUp();
        continue;
      }
      SendSignal(sig, group ? control::SignalRequest::FOREGROUND : control::SignalRequest::INIT);
    }
  }

  void SendSignal(int sig, control::SignalRequest::Target target) {
    control::Request request;
    request.mutable_signal()->set_signal(sig);
    request.mutable_signal()->set_target(target);
    (void)channel_.Send(request);
  }

  void SendWindowSize() {
    winsize size;
    const int terminal = options_.size_of >= 0 ? options_.size_of : tty_.fd();
    if (ioctl(terminal, TIOCGWINSZ, &size) != 0) return;
    if (options_.size_of >= 0 && size.ws_row == 0 && size.ws_col == 0) return;  // nobody set it yet
    control::Request request;
    auto* w = request.mutable_window_size();
    w->set_rows(size.ws_row);
    w->set_columns(size.ws_col);
    w->set_xpixel(size.ws_xpixel);
    w->set_ypixel(size.ws_ypixel);
    (void)channel_.Send(request);
  }

  Outcome<void> HandleMessage() {
    control::Message message;
    const auto got = channel_.Receive(&message);
    if (!got.ok() || !*got) {
      channel_ended_ = true;
      return {};
    }
    if (message.has_exited()) {
      status_ = message.exited().wait_status();
      done_ = true;
    } else if (message.has_stopped() && options_.like_a_child) {
      Stop();
    }
    return {};
  }

  // The command was stopped: so are we, until our shell continues us; then so is it.
  void Stop() {
    tty_.Leave();
    if (options_.tty >= 0) {
      kill(0, SIGSTOP);  // Ctrl-Z stops the whole job
    } else {
      kill(getpid(), SIGSTOP);
    }
    tty_.Enter();
    if (tty_.valid()) SendWindowSize();
    SendSignal(SIGCONT, control::SignalRequest::FOREGROUND);
  }

  control::Channel& channel_;
  UniqueFd& console_;
  const AttachOptions options_;
  HostTerminal tty_;
  UniqueFd signals_;
  std::string to_console_, to_tty_;
  bool tty_hung_up_ = false;
  bool typed_interrupt_ = false, typed_quit_ = false;  // by the last thing typed
  bool done_ = false;
  bool channel_ended_ = false;
  int status_ = 0;
};

}  // namespace

uint64_t BlockForwardedSignals() {
  uint64_t ignored = 0;
  sigset_t mask;
  sigemptyset(&mask);
  for (int sig = 1; sig <= SIGRTMAX; ++sig) {
    struct sigaction action;
    if (sigaction(sig, nullptr, &action) != 0) continue;
    if (action.sa_handler == SIG_IGN) {
      ignored |= uint64_t{1} << (sig - 1);
    } else if (IsForwarded(sig)) {
      sigaddset(&mask, sig);
    }
  }
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  // Ours; the container has its own.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTTOU, SIG_IGN);
  signal(SIGTTIN, SIG_IGN);
  return ignored;
}

Outcome<int> Attach(Sandbox& sandbox, const AttachOptions& options) {
  auto status = Attachment(sandbox.channel(), sandbox.console(), options).Run();
  if (!status.ok()) return status.failure();
  if (!status->has_value()) return sandbox.ExplainDeath();
  return **status;
}

Outcome<int> Attach(control::Channel& channel, UniqueFd& console, const AttachOptions& options) {
  auto status = Attachment(channel, console, options).Run();
  if (!status.ok()) return status.failure();
  // The sandbox is gone, and with it the process.
  return status->value_or(SIGKILL);
}

void ExitLike(int status) {
  if (WIFSIGNALED(status)) {
    const int sig = WTERMSIG(status);
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    // Without this the host would write a core of runsc through core_pattern's pipe.
    prctl(PR_SET_DUMPABLE, 0);
    signal(sig, SIG_DFL);
    sigset_t mask;
    sigemptyset(&mask);
    sigprocmask(SIG_SETMASK, &mask, nullptr);
    raise(sig);
    _exit(128 + sig);
  }
  _exit(WEXITSTATUS(status));
}

}  // namespace cvisor::runsc::sandbox
