// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// `runsc create` and `runsc run`: the container of an OCI bundle.

#include "runsc/cgroup/cgroup.h"
#include "runsc/cmd/command.h"
#include "runsc/container/container.h"
#include "runsc/container/hooks.h"
#include "runsc/sandbox/sandbox.h"

namespace cvisor::runsc::cmd {
namespace {

void AddCreateFlags(FlagSet* flags, container::CreateOptions* options) {
  flags->String("bundle", &options->bundle, "DIR", "the bundle: config.json and what it refers to");
  flags->Alias("b", "bundle");
  flags->String("pid-file", &options->pid_file, "FILE",
                "file to write the sandbox's process id to");
  flags->String("console-socket", &options->console_socket, "SOCKET",
                "Unix socket that the terminal's master is sent to");
  flags->Unsigned("preserve-fds", &options->preserve_fds, 1000,
                  "how many descriptors from 3 on the container gets");
}

// Flags of runc that ask for what is always so here, or for nothing that a sandbox has.
void AddIgnoredFlags(FlagSet* flags, bool* ignored, std::string* ignored_text) {
  flags->Bool("no-pivot", ignored, "for runc's callers: no effect");
  flags->Bool("no-new-keyring", ignored, "for runc's callers: no effect");
  flags->Bool("no-subreaper", ignored, "for runc's callers: no effect");
  flags->Bool("keep", ignored, "for runc's callers: no effect");
  flags->String("user-log", ignored_text, "FILE", "for containerd's runsc shim: no effect");
}

class CreateCommand : public Command {
 public:
  void AddFlags(FlagSet* flags) override {
    AddCreateFlags(flags, &options_);
    AddIgnoredFlags(flags, &ignored_, &ignored_text_);
  }

  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    if (args.size() != 1) {
      return Failure{"create: needs exactly one container id; see runsc help create"};
    }
    options_.command = "create";
    auto created = container::Create(config, args[0], options_);
    if (!created.ok()) return created.failure();
    return 0;
  }

 private:
  container::CreateOptions options_;
  bool ignored_ = false;
  std::string ignored_text_;
};

class RunCommand : public Command {
 public:
  void AddFlags(FlagSet* flags) override {
    AddCreateFlags(flags, &options_);
    flags->Bool("detach", &detach_, "return once the container runs");
    flags->Alias("d", "detach");
    AddIgnoredFlags(flags, &ignored_, &ignored_text_);
  }

  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    if (args.size() != 1) return Failure{"run: needs exactly one container id; see runsc help run"};
    options_.command = "run";
    options_.detached = detach_;
    if (!detach_) options_.ignored_signals = sandbox::BlockForwardedSignals();
    auto created = container::Create(config, args[0], options_);
    if (!created.ok()) return created.failure();
    container::State& state = *created->state;
    if (auto started = container::Start(config, state); !started.ok()) {
      (void)container::Delete(config, state, /*force=*/true);
      return started.failure();
    }
    if (detach_) return 0;
    // Others may change it meanwhile: kill, exec, even delete.
    state.Unlock();
    auto status = sandbox::Attach(*created->sandbox, {.tty = created->tty, .like_a_child = false});
    created->sandbox.reset();
    if (state.Lock().ok()) (void)container::Delete(config, state, /*force=*/true);
    if (!status.ok()) return status.failure();
    return ExitCodeOf(*status);
  }

 private:
  container::CreateOptions options_;
  bool detach_ = false, ignored_ = false;
  std::string ignored_text_;
};

}  // namespace

Command* NewCreate() { return new CreateCommand; }
Command* NewRun() { return new RunCommand; }

}  // namespace cvisor::runsc::cmd
