// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/container/container.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>

#include "runsc/cgroup/cgroup.h"
#include "runsc/container/guest_process.h"
#include "runsc/container/hooks.h"
#include "runsc/container/sysctl.h"
#include "runsc/container/writable_layer.h"
#include "runsc/sandbox/control_socket.h"
#include "runsc/sandbox/host_checks.h"
#include "runsc/sandbox/stdio.h"

namespace cvisor::runsc::container {
namespace {

Outcome<UniqueFd> OpenSource(const std::string& what, const std::string& path, bool* is_dir) {
  UniqueFd fd(open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat st;
  if (!fd.valid() || fstat(fd.get(), &st) != 0) {
    return FailureFromErrno("config.json: " + what + ": opening " + path, errno);
  }
  *is_dir = S_ISDIR(st.st_mode);
  return fd;
}

Outcome<void> OpenFiles(const Config& config, const spec::Spec& spec,
                        sandbox::StartOptions* start) {
  control::Container* c = start->boot.mutable_container();
  bool is_dir = false;
  auto root = OpenSource("root.path", spec.root_path, &is_dir);
  if (!root.ok()) return root.failure();
  if (!is_dir) return Failure{"config.json: root.path: " + spec.root_path + " is not a directory"};
  c->mutable_root()->set_fd(root->get());
  const bool layer = config.overlay2_self() && IsWritableLayer(*root);
  c->mutable_root()->set_overlay(config.overlay_root(layer));
  c->mutable_root()->set_shared(config.shared_root(layer));
  start->descriptors.push_back(std::move(*root));
  for (int i = 0; i < c->mounts_size(); ++i) {
    control::Mount* m = c->mutable_mounts(i);
    if (m->type() != "bind") continue;
    auto fd = OpenSource("mounts[" + std::to_string(i) + "].source", m->source(), &is_dir);
    if (!fd.ok()) return fd.failure();
    m->set_fd(fd->get());
    m->set_source_is_dir(is_dir);
    m->set_overlay(config.overlay_mounts());
    m->set_shared(config.file_access_mounts == "shared");
    start->descriptors.push_back(std::move(*fd));
  }
  return {};
}

Outcome<void> CheckTerminal(const spec::Spec& spec, const CreateOptions& options) {
  const bool terminal = spec.container.process().terminal();
  if (!terminal && !options.console_socket.empty()) {
    return Failure{"cannot use console socket if runc will not detach or allocate tty"};
  }
  if (!terminal || !options.console_socket.empty()) return {};
  if (options.detached) {
    return Failure{"cannot allocate tty if runc will detach without setting console socket"};
  }
  if (!isatty(0)) return Failure{"process.terminal is true, but stdin is not a terminal"};
  return {};
}

Outcome<void> FillStdio(const spec::Spec& spec, const CreateOptions& options,
                        sandbox::StartOptions* start, int* tty) {
  control::Stdio* stdio = start->boot.mutable_stdio();
  const bool terminal = spec.container.process().terminal();
  if (!options.console_socket.empty()) {
    auto console = sandbox::SendConsole(options.console_socket);
    if (!console.ok()) return console.failure();
    start->console = std::move(*console);
    for (int fd = 0; fd < 3; ++fd) {
      stdio->add_descriptors()->set_guest(fd);
      stdio->mutable_descriptors(fd)->set_terminal(true);
    }
  } else {
    const int host = sandbox::PassStdio(stdio, terminal);
    *tty = terminal ? host : -1;
    if (!terminal) {
      for (auto& d : *stdio->mutable_descriptors()) d.set_terminal(false);
    }
  }
  for (int fd = 3; fd < 3 + static_cast<int>(options.preserve_fds); ++fd) {
    if (fcntl(fd, F_GETFD) < 0) {
      return Failure{"--preserve-fds: descriptor " + std::to_string(fd) + " is not open"};
    }
    auto* d = stdio->add_descriptors();
    d->set_guest(fd);
    d->set_host(fd);
  }
  return {};
}

// Which namespaces of the host the sandbox itself lives in. Of the rest it has its own, and the
// container's are the Sentry's.
Outcome<void> FillNamespaces(const Config& config, const spec::Spec& spec,
                             sandbox::StartOptions* start) {
  start->new_network = config.network == "none";
  for (const auto& ns : spec.namespaces) {
    if (ns.type != "network") {
      if (!ns.path.empty()) {
        ReportWarning(config, "joining the " + ns.type + " namespace " + ns.path +
                                  " is not supported yet: the container has its own");
      }
    } else if (ns.path.empty()) {
      start->new_network = true;
    } else if (!start->new_network) {
      start->join_network.reset(open(ns.path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!start->join_network.valid()) {
        return FailureFromErrno("config.json: linux.namespaces: opening " + ns.path, errno);
      }
    }
  }
  return {};
}

Outcome<void> MakeCgroup(const Config& config, const spec::Spec& spec, State& state) {
  Record* record = &state.record();
  if (config.ignore_cgroups) return {};
  const bool asked = !spec.cgroups_path.empty();
  // An unprivileged user, who asked for none, has no cgroups.
  if (!asked && geteuid() != 0) return {};
  auto made = cgroup::Cgroup::Create(asked ? spec.cgroups_path : record->id,
                                     asked && config.systemd_cgroup,
                                     [&](const std::vector<std::string>& dirs) {
                                       record->cgroups = dirs;
                                       return state.Save();
                                     });
  if (!made.ok()) {
    record->cgroups.clear();
    if (asked && geteuid() == 0) return made.failure();
    ReportWarning(config, "no cgroup: " + made.failure().message);
    return {};
  }
  return made->Set(spec.resources);
}

// What the sandbox shows of its limits, and may read of its usage.
void FillResources(const spec::Spec& spec, const Record& record, sandbox::StartOptions* start) {
  *start->boot.mutable_container()->mutable_resources() = spec::ToMessage(spec.resources);
  control::CgroupFiles* files = start->boot.mutable_cgroup();
  files->set_v1(cgroup::HostHasV1());
  const cgroup::Cgroup group(record.cgroups);
  const auto open = [&](std::initializer_list<const char*> names) {
    UniqueFd fd = group.Open(names);
    const int number = fd.get();
    if (fd.valid()) start->descriptors.push_back(std::move(fd));
    return number;
  };
  files->set_memory_fd(open({"memory.usage_in_bytes", "memory.current"}));
  files->set_memory_stat_fd(open({"memory.stat"}));
  files->set_cpu_fd(open({"cpuacct.usage", "cpu.stat"}));
}

void Undo(State& state) {
  cgroup::Cgroup(state.record().cgroups).Kill();
  cgroup::Cgroup(state.record().cgroups).Remove();
  state.Remove();
}

Outcome<void> Build(const Config& config, const CreateOptions& options, const std::string& bundle,
                    Created* out) {
  Record& record = out->state->record();
  sandbox::StartOptions start;
  start.config = &config;
  start.user_namespace = config.rootless || geteuid() != 0;
  start.detached = options.detached;
  auto log = OpenDebugLog(config, options.command, record.id);
  if (!log.ok()) return log.failure();
  start.log = std::move(*log);
  SetLogDestination(start.log.get(), DebugLogLevel(config));
  RUNSC_RETURN_IF_FAILED(FillNamespaces(config, out->spec, &start));
  *start.boot.mutable_container() = out->spec.container;
  control::Container* c = start.boot.mutable_container();
  c->set_id(record.id);
  c->mutable_process()->set_ignored_signals(options.ignored_signals);
  if (!config.net_raw) DropRawNetwork(c->mutable_process());
  RUNSC_RETURN_IF_FAILED(FillSysctls(out->spec, c));
  if (config.oci_seccomp && out->spec.seccomp.has_value()) {
    auto seccomp = spec::CompileSeccomp(*out->spec.seccomp);
    if (!seccomp.ok()) return seccomp.failure();
    *c->mutable_seccomp() = std::move(*seccomp);
  }
  start.boot.set_wait_for_start(true);
  RUNSC_RETURN_IF_FAILED(OpenFiles(config, out->spec, &start));
  RUNSC_RETURN_IF_FAILED(FillStdio(out->spec, options, &start, &out->tty));
  auto listener = sandbox::ListenIn(out->state->dir());
  if (!listener.ok()) return listener.failure();
  start.listener = std::move(*listener);
  RUNSC_RETURN_IF_FAILED(out->state->SaveConfig(out->spec.text));
  record.bundle = bundle;
  record.rootfs = out->spec.root_path;
  record.annotations = out->spec.annotations;
  record.foreground = !options.detached;
  RUNSC_RETURN_IF_FAILED(MakeCgroup(config, out->spec, *out->state));
  FillResources(out->spec, record, &start);
  const bool user_namespace = start.user_namespace;
  start.prepare = [&record, out, user_namespace](pid_t pid) -> Outcome<void> {
    record.pid = pid;
    record.start_time = ProcessStartTime(pid);
    // Before it can do anything, so that whatever happens `delete --force` finds it.
    RUNSC_RETURN_IF_FAILED(out->state->Save());
    RUNSC_RETURN_IF_FAILED(SetNetworkSysctls(out->spec, pid, user_namespace));
    return cgroup::Cgroup(record.cgroups).Add(pid);
  };

  auto sandbox = sandbox::Sandbox::Start(std::move(start));
  if (!sandbox.ok()) return sandbox.failure();
  out->sandbox = std::move(*sandbox);
  RUNSC_RETURN_IF_FAILED(out->sandbox->WaitStarted());
  for (const char* stage : {"prestart", "createRuntime", "createContainer"}) {
    RUNSC_RETURN_IF_FAILED(RunHooks(out->spec, stage, record.ToOciJson(), bundle));
  }
  if (!options.pid_file.empty()) RUNSC_RETURN_IF_FAILED(WritePidFile(options.pid_file, record.pid));
  return {};
}

}  // namespace

std::string StateRoot(const Config& config) {
  return config.root.empty() ? DefaultRoot() : config.root;
}

void DropRawNetwork(control::Process* process) {
  control::Capabilities* caps = process->mutable_capabilities();
  constexpr uint64_t kOthers = ~(uint64_t{1} << CAP_NET_RAW);
  caps->set_bounding(caps->bounding() & kOthers);
  caps->set_effective(caps->effective() & kOthers);
  caps->set_permitted(caps->permitted() & kOthers);
  caps->set_inheritable(caps->inheritable() & kOthers);
  caps->set_ambient(caps->ambient() & kOthers);
}

Outcome<void> WritePidFile(const std::string& path, pid_t pid) {
  const std::string temporary = path + ".new", text = std::to_string(pid);
  const UniqueFd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd.valid() || write(fd.get(), text.data(), text.size()) < 0 ||
      rename(temporary.c_str(), path.c_str()) != 0) {
    return FailureFromErrno("writing the pid file " + path, errno);
  }
  return {};
}

Outcome<Created> Create(const Config& config, const std::string& id, const CreateOptions& options) {
  RUNSC_RETURN_IF_FAILED(sandbox::CheckHost());
  char bundle[PATH_MAX];
  if (realpath(options.bundle.c_str(), bundle) == nullptr) {
    return FailureFromErrno("the bundle " + options.bundle, errno);
  }
  auto spec = spec::Load(bundle);
  if (!spec.ok()) return spec.failure();
  RUNSC_RETURN_IF_FAILED(CheckTerminal(*spec, options));
  auto state = State::Create(StateRoot(config), id);
  if (!state.ok()) return state.failure();
  Created created;
  created.state = std::move(*state);
  created.spec = std::move(*spec);
  if (auto built = Build(config, options, bundle, &created); !built.ok()) {
    created.sandbox.reset();
    Undo(*created.state);
    return built.failure();
  }
  if (options.detached) created.sandbox->Release();
  return created;
}

Outcome<void> Start(const Config& config, State& state) {
  Record& record = state.record();
  const std::string status = record.Status();
  if (status == "stopped") return Failure{"cannot start a container that has stopped"};
  if (status != "created") return Failure{"cannot start an already running container"};
  auto text = spec::Load(state.dir());
  if (!text.ok()) return text.failure();
  RUNSC_RETURN_IF_FAILED(RunStartContainerHooks(*text, state.dir(), record.ToOciJson()));
  control::Request request;
  request.mutable_start();
  auto response = Ask(state.dir(), request);
  if (!response.ok()) return response.failure();
  if (response->error() != 0) return FailureFromErrno("starting the container", response->error());
  record.started = true;
  RUNSC_RETURN_IF_FAILED(state.Save());
  if (auto hooks = RunHooks(*text, "poststart", record.ToOciJson(), record.bundle); !hooks.ok()) {
    ReportWarning(config, hooks.failure().message);
  }
  return {};
}

Outcome<control::Response> Ask(const std::string& dir, control::Request request,
                               const std::vector<int>& fds) {
  auto channel = sandbox::ConnectIn(dir);
  if (!channel.ok()) return channel.failure();
  request.set_id(1);
  if (!channel->Send(request, fds).ok()) return Failure{"the sandbox does not listen"};
  control::Message message;
  const auto got = channel->Receive(&message);
  if (!got.ok() || !*got || !message.has_response()) return Failure{"the sandbox does not answer"};
  return message.response();
}

Outcome<void> Signal(const Record& record, const std::string& dir, int sig, SignalTarget target) {
  if (!record.SandboxAlive()) return Failure{"container not running"};
  const cgroup::Cgroup group(record.cgroups);
  if (group.Frozen()) {
    // The Sentry is stopped too. As for a frozen process, a signal waits for the end of the pause,
    // but for the one that nothing survives.
    if (sig != SIGKILL) return Failure{"the container is paused: resume it first, or send SIGKILL"};
    group.Kill();
    return group.Freeze(false);
  }
  control::Request request;
  request.mutable_signal()->set_signal(sig);
  if (target.pid != 0) {
    request.mutable_signal()->set_target(control::SignalRequest::PROCESS);
    request.mutable_signal()->set_pid(target.pid);
  } else if (target.all) {
    request.mutable_signal()->set_target(control::SignalRequest::ALL);
  }
  auto response = Ask(dir, request);
  // A sandbox that ended of this signal may not have answered.
  if (!response.ok()) {
    if (!record.SandboxAlive())
      return sig == SIGKILL ? Outcome<void>() : Failure{"container not running"};
    // It is asked in vain: the wall behind it holds.
    if (sig == SIGKILL && kill(record.pid, SIGKILL) == 0) return {};
    return response.failure();
  }
  if (response->error() == ESRCH) return Failure{"os: process already finished"};
  if (response->error() != 0) return FailureFromErrno("sending the signal", response->error());
  return {};
}

Outcome<void> Delete(const Config& config, State& state, bool force) {
  Record& record = state.record();
  const std::string status = record.Status();
  if (status != "stopped") {
    if (!force && status != "created") {
      return Failure{"cannot delete container " + record.id + " that is not stopped: " + status};
    }
    const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, record.pid, 0)));
    if (pidfd.valid() && record.SandboxAlive()) {
      syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
      const cgroup::Cgroup group(record.cgroups);
      if (group.Frozen()) (void)group.Freeze(false);
      pollfd ended{pidfd.get(), POLLIN, 0};
      if (poll(&ended, 1, 10000) == 0) {
        return Failure{"the sandbox of container " + record.id + " does not end"};
      }
    }
  }
  auto spec = spec::Load(state.dir());
  const std::string oci_state = record.ToOciJson();
  cgroup::Cgroup(record.cgroups).Remove();
  state.Remove();
  if (spec.ok()) {
    if (auto hooks = RunHooks(*spec, "poststop", oci_state, "/"); !hooks.ok()) {
      ReportWarning(config, hooks.failure().message);
    }
  }
  return {};
}

}  // namespace cvisor::runsc::container
