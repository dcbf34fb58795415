// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "pkg/base/log.h"
#include "pkg/base/packet.h"
#include "pkg/sentry/control/message_file.h"
#include "runsc/sandbox/host_checks.h"

namespace cvisor::runsc::sandbox {
namespace {

Outcome<void> WriteFile(const std::string& path, const std::string& text) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid() || write(fd.get(), text.data(), text.size()) < 0) {
    return FailureFromErrno("writing " + path, errno);
  }
  return {};
}

// Root sees every id as it is; anybody else is root inside, and the only one there.
Outcome<void> WriteIdMaps(pid_t pid) {
  const std::string dir = "/proc/" + std::to_string(pid);
  if (geteuid() == 0) {
    // Our own map may be partial (a container in a user namespace).
    if (WriteFile(dir + "/uid_map", "0 0 4294967295").ok() &&
        WriteFile(dir + "/gid_map", "0 0 4294967295").ok()) {
      return {};
    }
  }
  RUNSC_RETURN_IF_FAILED(WriteFile(dir + "/setgroups", "deny"));
  RUNSC_RETURN_IF_FAILED(WriteFile(dir + "/uid_map", "0 " + std::to_string(geteuid()) + " 1"));
  return WriteFile(dir + "/gid_map", "0 " + std::to_string(getegid()) + " 1");
}

void RaiseLimit(int resource) {
  rlimit limit;
  if (getrlimit(static_cast<__rlimit_resource_t>(resource), &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(static_cast<__rlimit_resource_t>(resource), &limit);
}

// Everything but `keep`.
void CloseOthers(const std::set<int>& keep) {
  unsigned from = 0;
  for (const int fd : keep) {
    const unsigned n = static_cast<unsigned>(fd);
    if (n > from) syscall(SYS_close_range, from, n - 1, 0);
    from = n + 1;
  }
  syscall(SYS_close_range, from, ~0u, 0);
}

struct ChildOptions {
  int control = -1;
  int terminal = -1;  // to become the controlling one
  bool new_network = false;
  bool detached = false;
};

// 127.0.0.1 and ::1 of a new network namespace.
void BringUpLoopback() {
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  if (ioctl(fd.get(), SIOCGIFFLAGS, &request) != 0) return;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  ioctl(fd.get(), SIOCSIFFLAGS, &request);
}

// This thread is in another network namespace while one of these lives: a clone starts there.
class NetworkVisit {
 public:
  Outcome<void> Enter(int where) {
    home_.reset(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!home_.valid()) return FailureFromErrno("opening /proc/thread-self/ns/net", errno);
    if (setns(where, CLONE_NEWNET) == 0) return {};
    home_.reset();
    return FailureFromErrno("joining the network namespace", errno);
  }
  ~NetworkVisit() {
    if (home_.valid()) setns(home_.get(), CLONE_NEWNET);
  }

 private:
  UniqueFd home_;
};

// In the new process, which is a copy of a single-threaded one: everything is allowed.
[[noreturn]] void BecomeSandbox(int go_ahead, const std::set<int>& keep, int config,
                                const ChildOptions& options) {
  char byte;
  // End of file: the parent died, or could not set up the id maps or the cgroup.
  if (go_ahead >= 0 && read(go_ahead, &byte, 1) != 1) _exit(kExitFailure);
  if (!options.detached) prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (options.new_network) BringUpLoopback();
  // A session of its own: Ctrl-C and Ctrl-Z are not for the Sentry and its stubs (runsc forwards what the
  // container should get), and it may read a terminal whatever group is in the foreground there.
  setsid();
  if (options.terminal >= 0) {
    ioctl(options.terminal, TIOCSCTTY, 0);
    // Our stderr is not the container's then but a pipe that an engine reads to its end.
    const int null = open("/dev/null", O_RDWR);
    if (null >= 0) dup2(null, STDERR_FILENO);
  }
  for (int sig = 1; sig < 32; ++sig) {
    const bool keep_default = sig == SIGCHLD || sig == SIGSEGV || sig == SIGBUS || sig == SIGILL ||
                              sig == SIGFPE || sig == SIGABRT || sig == SIGTRAP || sig == SIGSYS;
    if (sig != SIGKILL && sig != SIGSTOP) signal(sig, keep_default ? SIG_DFL : SIG_IGN);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  // The Sentry's own limits; the container's are in its configuration.
  for (const int resource : {RLIMIT_NOFILE, RLIMIT_AS, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_CPU,
                             RLIMIT_NPROC, RLIMIT_MEMLOCK, RLIMIT_SIGPENDING}) {
    RaiseLimit(resource);
  }
  // No cores of stubs or of the Sentry: hostile bytes for the host's tools. A limit of 0 does not
  // hold for a core_pattern that is a pipe; 1 holds for pipes and files.
  const rlimit no_core{1, 1};
  setrlimit(RLIMIT_CORE, &no_core);
  // /proc of the new PID namespace. Hosts that hide parts of /proc refuse it in a user namespace; the
  // old one does then, with less accounting.
  // What the host unmounts later (another container's root) must not stay mounted here.
  mount("none", "/", nullptr, MS_REC | MS_SLAVE, nullptr);
  mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
  if (chdir("/") != 0) _exit(kExitFailure);
  CloseOthers(keep);
  for (const int fd : keep) fcntl(fd, F_SETFD, 0);
  const std::string control_arg = "--control-fd=" + std::to_string(options.control);
  const std::string config_arg = "--config-fd=" + std::to_string(config);
  const char* argv[] = {"runsc-sandbox", "boot", control_arg.c_str(), config_arg.c_str(), nullptr};
  const char* envp[] = {nullptr};
  execve("/proc/self/exe", const_cast<char**>(argv), const_cast<char**>(envp));
  _exit(kExitFailure);
}

// The sandbox cannot ask: since Linux 6.14 every PID namespace has a pid_max of its own.
uint64_t HostPids() {
  uint64_t least = 0;
  for (const char* limit : {"/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"}) {
    const UniqueFd fd(open(limit, O_RDONLY | O_CLOEXEC));
    char text[32] = {};
    if (!fd.valid() || read(fd.get(), text, sizeof(text) - 1) <= 0) continue;
    const uint64_t n = strtoull(text, nullptr, 10);
    if (n != 0 && (least == 0 || n < least)) least = n;
  }
  return least;
}

std::string SignalName(int sig) {
  const char* name = sigabbrev_np(sig);
  return name == nullptr ? "signal " + std::to_string(sig) : std::string("SIG") + name;
}

}  // namespace

Outcome<std::unique_ptr<Sandbox>> Sandbox::Start(StartOptions options) {
  const Config& config = *options.config;
  control::BootConfig& boot = options.boot;
  boot.set_platform(config.platform);
  boot.set_systrap_no_patch(!config.systrap_patch);
  boot.set_systrap_no_notify(!config.systrap_notify);
  boot.set_systrap_no_spin(!config.systrap_spin);
  boot.set_host_pids(HostPids());
  boot.set_network(config.network);
  boot.set_host_uds(config.host_uds);
  boot.set_log_fd(options.log.get());
  boot.set_log_level(static_cast<int>(DebugLogLevel(config)));
  boot.set_strace(config.strace);
  boot.set_strace_log_size(config.strace_log_size);
  for (size_t at = 0; at < config.strace_syscalls.size();) {
    const size_t comma =
        std::min(config.strace_syscalls.find(',', at), config.strace_syscalls.size());
    if (comma > at) boot.add_strace_syscalls(config.strace_syscalls.substr(at, comma - at));
    at = comma + 1;
  }

  std::unique_ptr<Sandbox> sandbox(new Sandbox);
  auto pair = NewPacketPair();
  if (!pair.ok()) return FailureFromErrno("socketpair", static_cast<int>(pair.error()));
  UniqueFd control_fd = std::move(pair->second);
  sandbox->channel_ = control::Channel(std::move(pair->first));
  UniqueFd console;
  bool wants_console = false;
  for (const auto& d : boot.stdio().descriptors()) wants_console = wants_console || d.terminal();
  boot.mutable_stdio()->set_console_fd(-1);
  if (options.console.valid()) {
    console = std::move(options.console);
    boot.mutable_stdio()->set_console_fd(console.get());
    boot.set_controlling_console(true);
  } else if (wants_console) {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
      return FailureFromErrno("socketpair", errno);
    }
    sandbox->console_ = UniqueFd(fds[0]);
    console = UniqueFd(fds[1]);
    boot.mutable_stdio()->set_console_fd(console.get());
  }
  boot.set_detached(options.detached);
  boot.set_listen_fd(options.listener.get());
  auto config_fd = control::WriteFile(boot);
  if (!config_fd.ok()) {
    return FailureFromErrno("the sandbox's configuration", static_cast<int>(config_fd.error()));
  }

  // 2 stays for the Sentry's last words.
  std::set<int> keep = {2, control_fd.get(), config_fd->get()};
  if (options.log.valid()) keep.insert(options.log.get());
  if (console.valid()) keep.insert(console.get());
  if (options.listener.valid()) keep.insert(options.listener.get());
  keep.insert(boot.container().root().fd());
  for (const auto& m : boot.container().mounts()) keep.insert(m.fd());
  for (const auto& d : boot.stdio().descriptors()) {
    if (!d.terminal()) keep.insert(d.host());
  }
  for (const int fd : {boot.cgroup().memory_fd(), boot.cgroup().memory_stat_fd(), boot.cgroup().cpu_fd()}) {
    if (fd > 2) keep.insert(fd);
  }
  std::erase_if(keep, [](int fd) { return fd < 0; });

  int go[2] = {-1, -1};
  unsigned long flags = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS | SIGCHLD;
  NetworkVisit visit;
  if (options.new_network) {
    flags |= CLONE_NEWNET;
  } else if (options.join_network.valid()) {
    RUNSC_RETURN_IF_FAILED(visit.Enter(options.join_network.get()));
  }
  if (options.user_namespace) flags |= CLONE_NEWUSER;
  const bool wait = options.user_namespace || options.prepare;
  if (wait) {
    if (pipe2(go, O_CLOEXEC) != 0) return FailureFromErrno("pipe", errno);
  }
  UniqueFd go_read(go[0]), go_write(go[1]);
  const pid_t pid =
      static_cast<pid_t>(syscall(SYS_clone, flags, nullptr, nullptr, nullptr, nullptr));
  if (pid < 0) return ExplainNamespaceFailure(errno, options.user_namespace);
  if (pid == 0) {
    go_write.reset();  // so that the parent's death is seen
    BecomeSandbox(go_read.get(), keep, config_fd->get(),
                  {.control = control_fd.get(),
                   .terminal = boot.controlling_console() ? console.get() : -1,
                   .new_network = options.new_network,
                   .detached = options.detached});
  }
  sandbox->pid_ = pid;
  if (options.user_namespace) {
    RUNSC_RETURN_IF_FAILED(WriteIdMaps(pid));
  }
  if (options.prepare) RUNSC_RETURN_IF_FAILED(options.prepare(pid));
  if (wait) {
    if (write(go_write.get(), "x", 1) != 1) return FailureFromErrno("starting the sandbox", errno);
  }
  return sandbox;
}

Sandbox::~Sandbox() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  int status;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
}

Outcome<void> Sandbox::WaitStarted() {
  control::Message message;
  const auto got = channel_.Receive(&message);
  if (!got.ok() || !*got) return ExplainDeath();
  if (message.has_started()) return {};
  if (message.has_start_failed()) {
    const auto& f = message.start_failed();
    return Failure{f.message(), f.exit_code() == 0 ? kExitFailure : f.exit_code()};
  }
  return Failure{"the sandbox sent an unexpected message", kExitSandboxDied};
}

Failure Sandbox::ExplainDeath() {
  // A sandbox that closed its channel but lives is of no use.
  kill(pid_, SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  const std::string how = WIFSIGNALED(status)
                              ? "was killed by " + SignalName(WTERMSIG(status))
                              : "exited with code " + std::to_string(WEXITSTATUS(status));
  return Failure{"the sandbox died: its process " + how, kExitSandboxDied};
}

}  // namespace cvisor::runsc::sandbox
