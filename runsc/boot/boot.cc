// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/boot/boot.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <thread>

#include "pkg/base/log.h"
#include "pkg/base/unique_fd.h"
#include "pkg/sentry/control/channel.h"
#include "pkg/sentry/control/control.pb.h"
#include "pkg/sentry/fs/host/fd_file.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/platform/ptrace/ptrace_platform.h"
#include "pkg/sentry/platform/systrap/systrap_platform.h"
#include "runsc/boot/crash.h"
#include "runsc/boot/mounts.h"
#include "runsc/boot/process.h"
#include "runsc/boot/registrations.h"
#include "runsc/boot/terminal.h"
#include "runsc/config/config.h"
#include "runsc/config/flags.h"

namespace cvisor::runsc::boot {
namespace {

Outcome<control::BootConfig> ReadConfig(int fd) {
  struct stat st;
  if (fstat(fd, &st) != 0) return FailureFromErrno("the sandbox's configuration", errno);
  const size_t size = static_cast<size_t>(st.st_size);
  void* p = size == 0 ? nullptr : mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (p == MAP_FAILED || p == nullptr) return FailureFromErrno("mapping the configuration", errno);
  control::BootConfig config;
  const bool ok = config.ParseFromArray(p, static_cast<int>(size));
  munmap(p, size);
  if (!ok) return Failure{"the sandbox's configuration is damaged"};
  return config;
}

// The sandbox: everything that lives as long as the process.
class Sandbox {
 public:
  Sandbox(control::Channel& channel, control::BootConfig config)
      : channel_(channel), config_(std::move(config)) {}

  // Returns the process's exit code.
  int Run() {
    if (auto started = Start(); !started.ok()) {
      control::Message message;
      *message.mutable_start_failed() = start_failed_.value_or(control::StartFailed());
      if (!start_failed_.has_value()) {
        message.mutable_start_failed()->set_message(started.failure().message);
        message.mutable_start_failed()->set_exit_code(started.failure().exit_code);
      }
      (void)channel_.Send(message);
      return started.failure().exit_code;
    }
    std::thread([this] { ServeRequests(); }).detach();
    control::Message message;
    message.set_container(config_.container().id());
    message.mutable_started();
    (void)channel_.Send(message);
    kernel_->Start(*init_);
    const int status = kernel_->WaitForExit(*init_);
    LogInfo("container %s: init ended with wait status %#x", config_.container().id(), status);
    if (console_ != nullptr) console_->Drain();
    message.mutable_exited()->set_wait_status(status);
    (void)channel_.Send(message);
    // The PID namespace takes everything that is left with it.
    return 0;
  }

 private:
  Outcome<void> Start() {
    std::string error;
    // First: stubs begin as copies of this process.
    auto platform = NewPlatform(&error);
    if (platform == nullptr) {
      return Failure{absl::StrFormat("the %s platform does not work here: %s", config_.platform(),
                                     error)};
    }
    dispatcher_ = NewDispatcher(config_);
    kernel::Kernel::Options options;
    options.platform = std::move(platform);
    options.dispatcher = dispatcher_.get();
    options.cpus = config_.host_cpus();
    options.host_pids = config_.host_pids();
    kernel_ = std::make_unique<kernel::Kernel>(std::move(options));
    RegisterEverything(*kernel_);

    const control::Container& c = config_.container();
    const CredsRef root_creds = RootCredentials(kernel_->root_user_ns());
    auto mounts = MountRoot(c, root_creds);
    if (!mounts.ok()) return mounts.failure();
    container_ = kernel_->CreateContainer(c.id(), *mounts, (*mounts)->Root(), c.hostname());
    if (!c.domainname().empty()) container_->uts()->set_domainname(c.domainname());
    RUNSC_RETURN_IF_FAILED(MountRest(c, root_creds, *kernel_, *container_));
    RUNSC_RETURN_IF_FAILED(CheckCwd(root_creds));

    kernel::ProcessSpec spec = ToProcessSpec(c.process(), kernel_->root_user_ns());
    spec.protect_init = !c.like_a_child();
    if (c.like_a_child()) {
      spec.outside_parent = [this](int code, int status) {
        if (code != CLD_STOPPED) return;
        control::Message message;
        message.mutable_stopped()->set_signal(status);
        // At most one waits to be read for each SIGCONT that runsc sent: this cannot block.
        (void)channel_.Send(message);
      };
    }
    RUNSC_RETURN_IF_FAILED(OpenFiles(&spec));
    spec.on_loaded = [this](kernel::Task& task) { OnLoaded(task); };
    auto init = kernel_->CreateProcess(container_, spec);
    if (!init.ok()) {
      start_failed_ = DescribeStartFailure(c, init.error());
      return Failure{start_failed_->message(), start_failed_->exit_code()};
    }
    init_ = *init;
    return {};
  }

  std::unique_ptr<platform::Platform> NewPlatform(std::string* error) {
    if (config_.platform() == "ptrace") return platform::ptrace::NewPlatform(error);
    platform::systrap::Options options;
    options.patch = !config_.systrap_no_patch();
    options.notify = !config_.systrap_no_notify();
    options.spin = !config_.systrap_no_spin();
    options.local_calls = !config_.strace();
    return platform::systrap::NewPlatform(options, error);
  }

  Outcome<void> CheckCwd(const CredsRef& creds) {
    const control::Container& c = config_.container();
    const vfs::WalkContext ctx = RootContext(container_->mounts(), creds);
    vfs::WalkOptions directory;
    directory.want_directory = true;
    const auto cwd = vfs::Walk(ctx, c.process().cwd(), directory);
    if (cwd.ok()) return {};
    return Failure{"the working directory " + c.process().cwd() + ": " + ErrnoText(cwd.error())};
  }

  Outcome<void> OpenFiles(kernel::ProcessSpec* spec) {
    Ref<vfs::FileDescription> terminal;
    if (config_.console_fd() >= 0) {
      auto console = Console::New(*kernel_, *container_, UniqueFd(config_.console_fd()), config_);
      if (!console.ok()) return Failure{"making the terminal: " + ErrnoText(console.error())};
      console_ = std::move(*console);
      terminal = console_->slave();
    }
    for (const auto& d : config_.descriptors()) {
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
        host_terminals_.Add(*kernel_, *tty);
      }
      spec->files[d.guest()] = *file;
    }
    return {};
  }

  // On the way to its first instruction, before it runs.
  void OnLoaded(kernel::Task& task) {
    for (int sig = 1; sig < 64; ++sig) {
      if ((config_.container().process().ignored_signals() >> (sig - 1) & 1) == 0) continue;
      kernel::SignalAction ignore;
      ignore.handler = 1;  // SIG_IGN
      (void)task.tg().SetAction(sig, ignore, nullptr);
    }
    task.tg().oom_score_adj.store(config_.container().process().oom_score_adj());
    if (console_ != nullptr) {
      console_->BecomeControlling(task);
    } else {
      host_terminals_.BecomeControlling(task);
    }
  }

  void ServeRequests() {
    for (;;) {
      control::Request request;
      const auto got = channel_.Receive(&request);
      // runsc is gone: nobody wants the container any more.
      if (!got.ok() || !*got) _exit(kExitSandboxDied);
      Errno error = Errno::kOk;
      if (request.has_signal()) {
        error = Signal(request.signal()).error();
      } else if (request.has_window_size()) {
        if (console_ != nullptr) console_->SetWindowSize(request.window_size());
      } else {
        error = Errno::kENOSYS;
      }
      if (request.id() == 0) continue;
      control::Message message;
      message.mutable_response()->set_id(request.id());
      message.mutable_response()->set_error(static_cast<int>(error));
      (void)channel_.Send(message);
    }
  }

  Status Signal(const control::SignalRequest& request) {
    const int sig = request.signal();
    if (sig < 0 || sig > 64) return Errno::kEINVAL;
    LogDebug("signal %d from runsc, target %d", sig, static_cast<int>(request.target()));
    switch (request.target()) {
      case control::SignalRequest::ALL:
        kernel_->SignalContainer(*container_, sig);
        return OkStatus();
      case control::SignalRequest::FOREGROUND:
        SignalForeground(sig);
        return OkStatus();
      default:
        return kernel_->SignalProcess(*init_, sig);
    }
  }

  void SignalForeground(int sig) {
    kernel::ControllingTerminal* terminal =
        console_ != nullptr ? console_->controlling() : host_terminals_.controlling();
    if (terminal != nullptr) return terminal->SignalForeground(sig);
    MutexLock lock(kernel_->task_mutex());
    const kernel::ProcessGroup* group = init_->group();
    for (kernel::ThreadGroup* tg : kernel_->all_thread_groups()) {
      if (tg->group() == group && group != nullptr) {
        (void)tg->SendSignal(kernel::MakeKernelInfo(sig));
      }
    }
  }

  control::Channel& channel_;
  const control::BootConfig config_;
  std::unique_ptr<kernel::SyscallDispatcher> dispatcher_;
  std::unique_ptr<kernel::Kernel> kernel_;
  Ref<kernel::Container> container_;
  Ref<kernel::ThreadGroup> init_;
  std::unique_ptr<Console> console_;
  HostTerminals host_terminals_;
  std::optional<control::StartFailed> start_failed_;
};

}  // namespace

int Main(const std::vector<std::string>& args) {
  uint64_t control_fd = 0, config_fd = 0;
  FlagSet flags;
  flags.Unsigned("control-fd", &control_fd, 1 << 20, "socket to runsc");
  flags.Unsigned("config-fd", &config_fd, 1 << 20, "the configuration");
  std::vector<std::string> rest;
  bool help = false;
  if (!flags.Parse(args, &rest, &help).ok() || control_fd < 3 || config_fd < 3) {
    static constexpr char kText[] = "runsc: boot is for runsc's own use\n";
    if (write(STDERR_FILENO, kText, sizeof(kText) - 1) < 0) return kExitFailure;
    return kExitFailure;
  }
  // Lost by execve(2) in some user namespaces. Should runsc be dead already, the control socket says so.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NAME, "runsc-sandbox");
  signal(SIGPIPE, SIG_IGN);
  umask(0);
  control::Channel channel{UniqueFd(static_cast<int>(control_fd))};
  auto config = ReadConfig(static_cast<int>(config_fd));
  if (!config.ok()) {
    control::Message message;
    message.mutable_start_failed()->set_message(config.failure().message);
    (void)channel.Send(message);
    return kExitFailure;
  }
  close(static_cast<int>(config_fd));
  SetLogDestination(config->log_fd(), static_cast<LogLevel>(config->log_level()));
  InstallCrashHandlers(config->log_fd());
  LogInfo("cvisor %s: sandbox of container %s, platform %s, network %s", kVersion,
          config->container().id(), config->platform(), config->network());
  if (config->network() == "sandbox") {
    LogInfo("--network=sandbox runs as --network=host: there is no network stack of cvisor's own");
  }
  // Destructors would only delay the end.
  const int code = (new Sandbox(channel, std::move(*config)))->Run();
  _exit(code);
}

}  // namespace cvisor::runsc::boot
