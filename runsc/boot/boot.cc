// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/boot/boot.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "pkg/base/log.h"
#include "pkg/base/unique_fd.h"
#include "pkg/sentry/control/channel.h"
#include "pkg/sentry/control/control.pb.h"
#include "pkg/sentry/control/message_file.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/platform/ptrace/ptrace_platform.h"
#include "pkg/sentry/platform/systrap/systrap_platform.h"
#include "runsc/boot/crash.h"
#include "runsc/boot/debug.h"
#include "runsc/boot/guest_process.h"
#include "runsc/boot/mounts.h"
#include "runsc/boot/process.h"
#include "runsc/boot/registrations.h"
#include "runsc/boot/resources.h"
#include "runsc/boot/server.h"
#include "runsc/config/config.h"
#include "runsc/config/flags.h"

namespace cvisor::runsc::boot {
namespace {

// The sandbox: everything that lives as long as the process.
class Sandbox {
 public:
  Sandbox(UniqueFd control, control::BootConfig config)
      : config_(std::move(config)), channel_(std::make_shared<control::Channel>(std::move(control))) {}

  // Returns the process's exit code.
  int Run() {
    if (auto started = Start(); !started.ok()) {
      control::Message message;
      message.mutable_start_failed()->set_message(started.failure().message);
      message.mutable_start_failed()->set_exit_code(started.failure().exit_code);
      (void)channel_->Send(message);
      return started.failure().exit_code;
    }
    Server* server = new Server(*kernel_, container_, *init_);  // as long as the process
    if (config_.controlling_console()) server->FollowWindowSize(config_.stdio().console_fd());
    server->AddOwner(channel_, !config_.detached());
    if (config_.listen_fd() >= 0) server->Listen(UniqueFd(config_.listen_fd()));
    control::Message message;
    message.set_container(config_.container().id());
    message.mutable_started()->set_pid(init_->pid());
    (void)channel_->Send(message);
    if (!config_.wait_for_start()) server->StartInit();
    const int status = init_->WaitForExit();
    LogInfo("container %s: init ended with wait status %#x", config_.container().id(), status);
    server->InitEnded(status);
    // The PID namespace takes everything that is left with it. Whoever waits for this process, as engines do,
    // learns how init ended.
    return ExitCodeOf(status);
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
    SetCgroupFiles(config_.cgroup());
    ApplyResources(config_.container().resources());
    kernel::Kernel::Options options;
    options.platform = std::move(platform);
    options.dispatcher = dispatcher_.get();
    options.cpus = ContainerCpus();
    options.host_pids = config_.host_pids();
    kernel_ = std::make_unique<kernel::Kernel>(std::move(options));
    RegisterEverything(*kernel_);

    const control::Container& c = config_.container();
    const CredsRef root_creds = RootCredentials(kernel_->root_user_ns());
    auto mounts = MountRoot(c, root_creds);
    if (!mounts.ok()) return mounts.failure();
    container_ = kernel_->CreateContainer(c.id(), *mounts, (*mounts)->Root(), c.hostname());
    if (!c.domainname().empty()) container_->uts()->set_domainname(c.domainname());
    RUNSC_RETURN_IF_FAILED(ApplySysctls(c, *container_));
    if (c.has_seccomp()) {
      auto filter = ToSeccompFilter(c.seccomp());
      if (!filter.ok()) return filter.failure();
      container_->set_seccomp(std::move(*filter));
    }
    RUNSC_RETURN_IF_FAILED(MountRest(c, root_creds, *kernel_, *container_));

    GuestOptions guest;
    guest.like_a_child = c.like_a_child();
    if (c.like_a_child()) {
      guest.outside_parent = [this](int code, int status) {
        if (code != CLD_STOPPED) return;
        control::Message message;
        message.mutable_stopped()->set_signal(status);
        // At most one waits to be read for each SIGCONT that runsc sent: this cannot block.
        (void)channel_->Send(message);
      };
    }
    init_ = std::make_unique<GuestProcess>(*kernel_, container_);
    return init_->Load(c.process(), config_.stdio(), guest);
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

  const control::BootConfig config_;
  const std::shared_ptr<control::Channel> channel_;
  std::unique_ptr<kernel::SyscallDispatcher> dispatcher_;
  std::unique_ptr<kernel::Kernel> kernel_;
  Ref<kernel::Container> container_;
  std::unique_ptr<GuestProcess> init_;
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
  prctl(PR_SET_NAME, "runsc-sandbox");
  signal(SIGPIPE, SIG_IGN);
  umask(0);
  UniqueFd control(static_cast<int>(control_fd));
  auto config = control::ReadFile<control::BootConfig>(UniqueFd(static_cast<int>(config_fd)));
  if (!config.ok()) {
    static constexpr char kText[] = "runsc: the sandbox's configuration is damaged\n";
    if (write(STDERR_FILENO, kText, sizeof(kText) - 1) < 0) return kExitFailure;
    return kExitFailure;
  }
  // Lost by execve(2) in some user namespaces. Should runsc be dead already, the control socket says so.
  if (!config->detached()) prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (config->controlling_console()) Server::BlockWindowSignals();
  SetLogDestination(config->log_fd(), static_cast<LogLevel>(config->log_level()));
  InstallCrashHandlers(config->log_fd());
  PrepareDebugging(config->log_fd());
  LogInfo("cvisor %s: sandbox of container %s, platform %s, network %s", kVersion,
          config->container().id(), config->platform(), config->network());
  if (config->network() == "sandbox") {
    LogInfo("--network=sandbox runs as --network=host: there is no network stack of cvisor's own");
  }
  // Destructors would only delay the end.
  const int code = (new Sandbox(std::move(control), std::move(*config)))->Run();
  _exit(code);
}

}  // namespace cvisor::runsc::boot
