// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// `runsc start`, `kill`, `delete`, `wait`, `pause`, `resume`: what is done to a container that
// exists.

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include <cctype>
#include <cstdio>

#include "runsc/cgroup/cgroup.h"
#include "runsc/cmd/command.h"
#include "runsc/container/container.h"
#include "runsc/sandbox/control_socket.h"

namespace cvisor::runsc::cmd {
namespace {

Outcome<void> NeedOneId(const char* command, const std::vector<std::string>& args) {
  if (args.size() == 1) return {};
  return Failure{std::string(command) + ": needs exactly one container id; see runsc help " +
                 command};
}

// "TERM", "SIGTERM", "15"; 0 is a signal too. -1 if it is none.
int ParseSignal(const std::string& text) {
  if (!text.empty() && text.size() < 4 &&
      text.find_first_not_of("0123456789") == std::string::npos) {
    const int n = std::stoi(text);
    return n <= SIGRTMAX ? n : -1;
  }
  std::string name;
  for (const char c : text) name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (name.rfind("SIG", 0) == 0) name = name.substr(3);
  for (int sig = 1; sig < 32; ++sig) {
    const char* abbreviation = sigabbrev_np(sig);
    if (abbreviation != nullptr && name == abbreviation) return sig;
  }
  return -1;
}

class Start : public Command {
 public:
  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    if (args.empty()) return Failure{"start: needs a container id; see runsc help start"};
    for (const std::string& id : args) {
      auto state = container::State::Open(container::StateRoot(config), id);
      if (!state.ok()) return state.failure();
      RUNSC_RETURN_IF_FAILED(container::Start(config, **state));
    }
    return 0;
  }
};

class Kill : public Command {
 public:
  void AddFlags(FlagSet* flags) override {
    flags->Bool("all", &all_, "every process of the container");
    flags->Alias("a", "all");
    flags->Unsigned("pid", &pid_, INT32_MAX, "the process that has this number in the container, not init");
  }

  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    // runc takes --all behind the id too.
    std::vector<std::string> words;
    for (const std::string& arg : args) {
      if (arg == "--all" || arg == "-a") {
        all_ = true;
      } else {
        words.push_back(arg);
      }
    }
    if (words.empty() || words.size() > 2) {
      return Failure{"kill: needs a container id and a signal; see runsc help kill"};
    }
    const std::string name = words.size() == 2 ? words[1] : "SIGTERM";
    const int sig = ParseSignal(name);
    if (sig < 0) return Failure{"unknown signal \"" + name + "\""};
    const std::string root = container::StateRoot(config);
    auto record = container::State::Read(root, words[0]);
    if (!record.ok()) return record.failure();
    // As runc: --all of a container that has ended is done.
    if (all_ && !record->SandboxAlive()) return 0;
    RUNSC_RETURN_IF_FAILED(container::Signal(*record, root + "/" + words[0], sig,
                                             {.all = all_, .pid = static_cast<pid_t>(pid_)}));
    return 0;
  }

 private:
  bool all_ = false;
  uint64_t pid_ = 0;
};

class Delete : public Command {
 public:
  void AddFlags(FlagSet* flags) override {
    flags->Bool("force", &force_, "kill it if it runs; no error if there is none");
    flags->Alias("f", "force");
  }

  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    if (args.empty()) return Failure{"delete: needs a container id; see runsc help delete"};
    for (const std::string& id : args) {
      RUNSC_RETURN_IF_FAILED(container::CheckId(id));
      auto state = container::State::Open(container::StateRoot(config), id, /*damaged_too=*/true);
      if (!state.ok()) {
        if (force_) continue;
        return state.failure();
      }
      RUNSC_RETURN_IF_FAILED(container::Delete(config, **state, force_));
    }
    return 0;
  }

 private:
  bool force_ = false;
};

class Wait : public Command {
 public:
  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    RUNSC_RETURN_IF_FAILED(NeedOneId("wait", args));
    const std::string root = container::StateRoot(config);
    auto record = container::State::Read(root, args[0]);
    if (!record.ok()) return record.failure();
    auto channel = sandbox::ConnectIn(root + "/" + args[0]);
    if (!channel.ok()) return Failure{"container not running"};
    control::Request request;
    request.mutable_wait();
    control::Message message;
    if (!channel->Send(request).ok()) return Failure{"container not running"};
    const auto got = channel->Receive(&message);
    const bool told = got.ok() && *got && message.has_exited();
    const int status = told ? message.exited().wait_status() : SIGKILL;
    std::printf("{\"id\":\"%s\",\"exitStatus\":%d}\n", args[0].c_str(), ExitCodeOf(status));
    return 0;
  }
};

class Pause : public Command {
 public:
  explicit Pause(bool pause) : pause_(pause) {}

  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    RUNSC_RETURN_IF_FAILED(NeedOneId(pause_ ? "pause" : "resume", args));
    auto state = container::State::Open(container::StateRoot(config), args[0]);
    if (!state.ok()) return state.failure();
    const std::string status = (*state)->record().Status();
    if (pause_ && status != "running" && status != "created") {
      return Failure{"container not running or created: " + status};
    }
    if (!pause_ && status != "paused") return Failure{"container not paused"};
    RUNSC_RETURN_IF_FAILED(cgroup::Cgroup((*state)->record().cgroups).Freeze(pause_));
    return 0;
  }

 private:
  const bool pause_;
};

}  // namespace

Command* NewStart() { return new Start; }
Command* NewKill() { return new Kill; }
Command* NewDelete() { return new Delete; }
Command* NewWait() { return new Wait; }
Command* NewPause() { return new Pause(true); }
Command* NewResume() { return new Pause(false); }

}  // namespace cvisor::runsc::cmd
