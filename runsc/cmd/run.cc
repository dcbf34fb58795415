// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// `runsc run`: the container of an OCI bundle, in the foreground.

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <climits>
#include <cstring>

#include "runsc/cmd/command.h"
#include "runsc/container/state.h"
#include "runsc/sandbox/host_checks.h"
#include "runsc/sandbox/sandbox.h"
#include "runsc/sandbox/stdio.h"
#include "runsc/spec/spec.h"

namespace cvisor::runsc::cmd {
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

Outcome<void> WritePidFile(const std::string& path, pid_t pid) {
  const std::string temporary = path + ".new", text = std::to_string(pid);
  const UniqueFd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd.valid() || write(fd.get(), text.data(), text.size()) < 0 ||
      rename(temporary.c_str(), path.c_str()) != 0) {
    return FailureFromErrno("writing the pid file " + path, errno);
  }
  return {};
}

// linux.namespaces: a network namespace with a path is joined, one without is new, and none means
// ours.
Outcome<void> ChooseNetwork(const Config& config, const spec::Spec& spec,
                            sandbox::StartOptions* start) {
  start->new_network = config.network == "none";
  if (start->new_network) return {};
  for (const auto& ns : spec.namespaces) {
    if (ns.type != "network") continue;
    if (ns.path.empty()) {
      start->new_network = true;
      continue;
    }
    start->join_network.reset(open(ns.path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!start->join_network.valid()) {
      return FailureFromErrno("config.json: linux.namespaces: opening " + ns.path, errno);
    }
  }
  return {};
}

class RunCommand : public Command {
 public:
  void AddFlags(FlagSet* flags) override {
    flags->String("bundle", &bundle_, "DIR", "the bundle: config.json and what it refers to");
    flags->Alias("b", "bundle");
    flags->String("pid-file", &pid_file_, "FILE", "file to write the sandbox's process id to");
    flags->String("console-socket", &console_socket_, "SOCKET",
                  "Unix socket that the terminal's master is sent to");
    flags->Bool("detach", &detach_, "return once the container runs");
    flags->Alias("d", "detach");
  }

  Outcome<int> RunContainer(const Config& config, const std::string& id) {
    const uint64_t ignored = sandbox::BlockForwardedSignals();
    RUNSC_RETURN_IF_FAILED(sandbox::CheckHost());
    char bundle[PATH_MAX];
    if (realpath(bundle_.c_str(), bundle) == nullptr) {
      return FailureFromErrno("the bundle " + bundle_, errno);
    }
    auto spec = spec::Load(bundle);
    if (!spec.ok()) return spec.failure();
    const bool terminal = spec->container.process().terminal();
    if (terminal && !console_socket_.empty()) {
      return Failure{"--console-socket is not supported yet"};
    }
    if (!terminal && !console_socket_.empty()) {
      return Failure{"--console-socket was given, but process.terminal is false"};
    }
    if (terminal && !isatty(0)) {
      return Failure{"process.terminal is true, but stdin is not a terminal"};
    }

    auto state = container::State::Create(config.root.empty() ? DefaultRoot() : config.root, id);
    if (!state.ok()) return state.failure();
    sandbox::StartOptions start;
    start.config = &config;
    start.user_namespace = config.rootless || geteuid() != 0;
    auto log = OpenDebugLog(config, "run", id);
    if (!log.ok()) return log.failure();
    start.log = std::move(*log);
    SetLogDestination(start.log.get(), DebugLogLevel(config));
    RUNSC_RETURN_IF_FAILED(ChooseNetwork(config, *spec, &start));
    for (const auto& ns : spec->namespaces) {
      if (!ns.path.empty() && ns.type != "network") {
        ReportWarning(config, "joining the " + ns.type + " namespace " + ns.path +
                                  " is not supported yet: the sandbox has its own");
      }
    }

    *start.boot.mutable_container() = spec->container;
    control::Container* c = start.boot.mutable_container();
    c->set_id(id);
    c->mutable_process()->set_ignored_signals(ignored);
    RUNSC_RETURN_IF_FAILED(OpenFiles(config, *spec, &start));
    const int tty = sandbox::PassStdio(&start.boot, terminal);
    if (!terminal) {
      for (auto& d : *start.boot.mutable_descriptors()) d.set_terminal(false);
    }

    auto sandbox = sandbox::Sandbox::Start(std::move(start));
    if (!sandbox.ok()) return sandbox.failure();
    RUNSC_RETURN_IF_FAILED((*sandbox)->WaitStarted());
    RUNSC_RETURN_IF_FAILED((*state)->Save("running", (*sandbox)->pid(), bundle));
    if (!pid_file_.empty()) RUNSC_RETURN_IF_FAILED(WritePidFile(pid_file_, (*sandbox)->pid()));
    auto status = sandbox::Attach(**sandbox, {.tty = terminal ? tty : -1, .like_a_child = false});
    if (!status.ok()) return status.failure();
    return WIFSIGNALED(*status) ? 128 + WTERMSIG(*status) : WEXITSTATUS(*status);
  }

  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    if (args.size() != 1) return Failure{"run: needs exactly one container id; see runsc help run"};
    if (detach_) return Failure{"run: --detach is not supported yet"};
    return RunContainer(config, args[0]);
  }

 private:
  static Outcome<void> OpenFiles(const Config& config, const spec::Spec& spec,
                                 sandbox::StartOptions* start) {
    control::Container* c = start->boot.mutable_container();
    bool is_dir = false;
    auto root = OpenSource("root.path", spec.root_path, &is_dir);
    if (!root.ok()) return root.failure();
    if (!is_dir) {
      return Failure{"config.json: root.path: " + spec.root_path + " is not a directory"};
    }
    c->mutable_root()->set_fd(root->get());
    c->mutable_root()->set_overlay(config.overlay_root());
    c->mutable_root()->set_shared(config.file_access == "shared");
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

  std::string bundle_ = ".", pid_file_, console_socket_;
  bool detach_ = false;
};

}  // namespace

Command* NewRun() { return new RunCommand; }

}  // namespace cvisor::runsc::cmd
