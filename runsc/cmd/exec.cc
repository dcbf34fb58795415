// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// `runsc exec`: one more process in a running container. A process of the host stands for it: this
// one, or with
// --detach a child that takes its place; it forwards signals and ends with the process's exit code.

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>

#include "pkg/sentry/control/message_file.h"
#include "runsc/cmd/command.h"
#include "runsc/container/container.h"
#include "runsc/container/guest_process.h"
#include "runsc/sandbox/control_socket.h"
#include "runsc/sandbox/sandbox.h"
#include "runsc/sandbox/stdio.h"

namespace cvisor::runsc::cmd {
namespace {

class Exec : public Command {
 public:
  void AddFlags(FlagSet* flags) override {
    flags->String("process", &process_file_, "FILE", "the process, as in config.json");
    flags->Alias("p", "process");
    flags->String("cwd", &cwd_, "DIR", "working directory");
    flags->String("user", &user_, "UID[:GID]", "numbers");
    flags->Alias("u", "user");
    flags->List("additional-gids", &gids_, "GID", "one more group");
    flags->Alias("g", "additional-gids");
    flags->List("env", &env_, "NAME=VALUE", "environment variable, added to the container's");
    flags->Alias("e", "env");
    flags->List("cap", &caps_, "CAP_NAME", "one more capability");
    flags->Alias("c", "cap");
    flags->Bool("tty", &tty_, "with a terminal of its own");
    flags->Alias("t", "tty");
    flags->Bool("no-new-privs", &no_new_privs_, "no more privileges by execve");
    flags->Bool("detach", &detach_, "return once it runs");
    flags->Alias("d", "detach");
    flags->String("pid-file", &pid_file_, "FILE",
                  "file for the host process that stands for the new one");
    flags->String("internal-pid-file", &internal_pid_file_, "FILE",
                  "file for the number that it has in the container");
    flags->String("console-socket", &console_socket_, "SOCKET",
                  "Unix socket that the terminal's master is sent to");
    flags->Unsigned("preserve-fds", &preserve_fds_, 1000, "how many descriptors from 3 on it gets");
    flags->Bool("ignore-paused", &ignored_, "for runc's callers: no effect");
    flags->Bool("no-subreaper", &ignored_, "for runc's callers: no effect");
    flags->String("apparmor", &ignored_text_, "PROFILE", "for runc's callers: no effect");
    flags->String("process-label", &ignored_text_, "LABEL", "for runc's callers: no effect");
    flags->String("user-log", &ignored_text_, "FILE", "for containerd's runsc shim: no effect");
  }

  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    if (args.empty()) return Failure{"exec: needs a container id; see runsc help exec"};
    const uint64_t ignored = sandbox::BlockForwardedSignals();
    const std::string root = container::StateRoot(config), dir = root + "/" + args[0];
    auto record = container::State::Read(root, args[0]);
    if (!record.ok()) return record.failure();
    const std::string status = record->Status();
    if (status == "stopped") return Failure{"cannot exec in a stopped container"};
    if (status == "paused") return Failure{"cannot exec in a paused container"};

    control::ExecConfig exec;
    RUNSC_RETURN_IF_FAILED(
        FillProcess(dir, {args.begin() + 1, args.end()}, exec.mutable_process()));
    if (!config.net_raw) container::DropRawNetwork(exec.mutable_process());
    if (!detach_) exec.mutable_process()->set_ignored_signals(ignored);
    RUNSC_RETURN_IF_FAILED(FillStdio(exec.mutable_process()->terminal(), exec.mutable_stdio()));
    auto channel = sandbox::ConnectIn(dir);
    if (!channel.ok()) return channel.failure();
    auto started = container::StartProcess(*channel, exec, packet_fds_);
    if (!started.ok()) {
      return Failure{"exec failed: unable to start container process: " + started.failure().message};
    }
    if (!internal_pid_file_.empty()) {
      RUNSC_RETURN_IF_FAILED(container::WritePidFile(internal_pid_file_, *started));
    }
    if (detach_) return Detach(*channel);
    if (!pid_file_.empty()) RUNSC_RETURN_IF_FAILED(container::WritePidFile(pid_file_, getpid()));
    return Follow(*channel);
  }

 private:
  Outcome<void> FillProcess(const std::string& dir, const std::vector<std::string>& command,
                            control::Process* out) {
    auto spec = spec::Load(dir);
    if (!spec.ok()) return spec.failure();
    if (!process_file_.empty()) {
      std::ifstream file(process_file_);
      if (!file) return FailureFromErrno("opening " + process_file_, errno);
      const std::string text((std::istreambuf_iterator<char>(file)),
                             std::istreambuf_iterator<char>());
      auto process = spec::ParseProcess(text);
      if (!process.ok()) return process.failure();
      *out = *process;
      if (!out->has_capabilities()) {
        *out->mutable_capabilities() = spec->container.process().capabilities();
      }
      return {};
    }
    *out = spec->container.process();
    out->clear_args();
    for (const std::string& arg : command) out->add_args(arg);
    if (out->args_size() == 0) return Failure{"exec args cannot be empty"};
    out->set_terminal(tty_);
    if (!cwd_.empty()) out->set_cwd(cwd_);
    if (out->cwd()[0] != '/') return Failure{"Cwd must be an absolute path"};
    for (const std::string& e : env_) out->add_env(e);
    if (no_new_privs_) out->set_no_new_privileges(true);
    for (const std::string& name : caps_) {
      const int cap = spec::CapabilityByName(name);
      if (cap < 0) return Failure{"unknown capability \"" + name + "\""};
      control::Capabilities* caps = out->mutable_capabilities();
      const uint64_t bit = uint64_t{1} << cap;
      caps->set_bounding(caps->bounding() | bit);
      caps->set_permitted(caps->permitted() | bit);
      caps->set_effective(caps->effective() | bit);
      caps->set_inheritable(caps->inheritable() | bit);
      caps->set_ambient(caps->ambient() | bit);
    }
    return FillUser(out);
  }

  Outcome<void> FillUser(control::Process* out) {
    auto number = [](const std::string& text, uint32_t* id) {
      char* end = nullptr;
      const unsigned long long n = strtoull(text.c_str(), &end, 10);
      if (text.empty() || *end != '\0' || n > 0xfffffffe || text[0] == '-') return false;
      *id = static_cast<uint32_t>(n);
      return true;
    };
    uint32_t id = 0;
    if (!user_.empty()) {
      const size_t colon = user_.find(':');
      if (!number(user_.substr(0, colon), &id))
        return Failure{"parsing " + user_ + " as uid failed"};
      out->set_uid(id);
      if (colon != std::string::npos) {
        if (!number(user_.substr(colon + 1), &id))
          return Failure{"parsing " + user_ + " as gid failed"};
        out->set_gid(id);
      }
    }
    for (const std::string& gid : gids_) {
      if (!number(gid, &id)) return Failure{"parsing " + gid + " as gid failed"};
      out->add_additional_gids(id);
    }
    return {};
  }

  // Indexes of descriptors are those that they will have in the packet; 0 is the configuration.
  Outcome<void> FillStdio(bool terminal, control::Stdio* stdio) {
    stdio->set_console_fd(-1);
    if (!terminal && !console_socket_.empty()) {
      return Failure{"cannot use console socket if runc will not detach or allocate tty"};
    }
    if (terminal && detach_ && console_socket_.empty()) {
      return Failure{"cannot allocate tty if runc will detach without setting console socket"};
    }
    if (!console_socket_.empty()) {
      auto console = sandbox::SendConsole(console_socket_);
      if (!console.ok()) return console.failure();
      console_ = std::move(*console);
      for (int fd = 0; fd < 3; ++fd) {
        stdio->add_descriptors()->set_guest(fd);
        stdio->mutable_descriptors(fd)->set_terminal(true);
      }
      stdio->set_console_fd(Pass(console_.get()));
    } else {
      if (terminal && !isatty(0)) return Failure{"a terminal was asked for, but stdin is not one"};
      host_tty_ = sandbox::PassStdio(stdio, terminal);
      if (!terminal) host_tty_ = -1;
      for (auto& d : *stdio->mutable_descriptors()) {
        if (!terminal) d.set_terminal(false);
        if (!d.terminal()) d.set_host(Pass(d.host()));
      }
      if (terminal) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
          return FailureFromErrno("socketpair", errno);
        }
        stream_ = UniqueFd(pair[0]);
        console_ = UniqueFd(pair[1]);
        stdio->set_console_fd(Pass(console_.get()));
      }
    }
    for (int fd = 3; fd < 3 + static_cast<int>(preserve_fds_); ++fd) {
      if (fcntl(fd, F_GETFD) < 0) {
        return Failure{"--preserve-fds: descriptor " + std::to_string(fd) + " is not open"};
      }
      auto* d = stdio->add_descriptors();
      d->set_guest(fd);
      d->set_host(Pass(fd));
    }
    return {};
  }

  int Pass(int fd) {
    packet_fds_.push_back(fd);
    return static_cast<int>(packet_fds_.size());
  }

  Outcome<int> Detach(control::Channel& channel) {
    const pid_t pid = fork();
    if (pid < 0) return FailureFromErrno("fork", errno);
    if (pid == 0) Stand(channel);
    if (!pid_file_.empty()) RUNSC_RETURN_IF_FAILED(container::WritePidFile(pid_file_, pid));
    return 0;
  }

  // The child: it has the channel, and the terminal, which tells it of new sizes.
  [[noreturn]] void Stand(control::Channel& channel) {
    prctl(PR_SET_NAME, "runsc-exec");
    setsid();
    if (console_.valid()) ioctl(console_.get(), TIOCSCTTY, 0);
    const int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; ++fd) dup2(null, fd);
    // Pipes of the caller must not stay open for us.
    for (int fd = 3; fd < 1024; ++fd) {
      if (fd != channel.fd() && fd != console_.get()) close(fd);
    }
    syscall(SYS_close_range, 1024u, ~0u, 0);
    auto code = Follow(channel);
    _exit(code.ok() ? *code : code.failure().exit_code);
  }

  Outcome<int> Follow(control::Channel& channel) {
    sandbox::AttachOptions options;
    options.tty = host_tty_;
    UniqueFd none;
    if (console_socket_.empty()) {
      console_.reset();  // the sandbox has it
    } else {
      options.size_of = console_.get();
    }
    auto status = sandbox::Attach(channel, console_socket_.empty() ? stream_ : none, options);
    if (!status.ok()) return status.failure();
    return ExitCodeOf(*status);
  }

  std::string process_file_, cwd_, user_, pid_file_, internal_pid_file_, console_socket_,
      ignored_text_;
  std::vector<std::string> gids_, env_, caps_;
  bool tty_ = false, no_new_privs_ = false, detach_ = false, ignored_ = false;
  uint64_t preserve_fds_ = 0;

  std::vector<int> packet_fds_;
  UniqueFd console_;  // what the sandbox got as the console
  UniqueFd stream_;   // our end of it, unless it is a terminal
  int host_tty_ = -1;
};

}  // namespace

Command* NewExec() { return new Exec; }

}  // namespace cvisor::runsc::cmd
