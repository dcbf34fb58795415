// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// `runsc debug`: looks into a running sandbox, and changes what it logs.

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <map>

#include "pkg/base/log.h"
#include "runsc/cmd/command.h"
#include "runsc/container/container.h"
#include "runsc/sandbox/control_socket.h"

namespace cvisor::runsc::cmd {
namespace {

class Debug : public Command {
 public:
  void AddFlags(FlagSet* flags) override {
    flags->Bool("stacks", &stacks_, "print a stack trace of each thread of the Sentry");
    flags->Bool("tasks", &tasks_, "print the tasks with their states");
    flags->String("strace", &strace_, "on|off|A,B,...",
                  "log all system calls, none, or those that are named");
    flags->Choice("log-level", &log_level_, {"", "debug", "info", "warning", "error"},
                  "what goes to the debug log");
  }

  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    if (args.size() != 1) return Failure{"debug: needs exactly one container id; see runsc help debug"};
    const std::string root = container::StateRoot(config);
    auto record = container::State::Read(root, args[0]);
    if (!record.ok()) return record.failure();
    if (!record->SandboxAlive()) return Failure{"container not running"};
    if (record->Status() == "paused") return Failure{"the container is paused: resume it first"};
    control::Request request;
    Fill(request.mutable_debug());
    // The answer may be longer than a packet.
    const UniqueFd text(memfd_create("debug", MFD_CLOEXEC));
    if (!text.valid()) return FailureFromErrno("memfd_create", errno);
    auto response = container::Ask(root + "/" + args[0], request, {text.get()});
    if (!response.ok()) return response.failure();
    if (response->error() == ENODATA) {
      return Failure{"the sandbox has no debug log: create the container with --debug-log"};
    }
    if (response->error() != 0) return FailureFromErrno("debug", response->error());
    char buffer[65536];
    ssize_t n;
    for (off_t at = 0; (n = pread(text.get(), buffer, sizeof(buffer), at)) > 0; at += n) {
      std::fwrite(buffer, 1, static_cast<size_t>(n), stdout);
    }
    return 0;
  }

 private:
  void Fill(control::DebugRequest* request) const {
    request->set_stacks(stacks_);
    request->set_tasks(tasks_);
    if (!log_level_.empty()) {
      const std::map<std::string, LogLevel> levels = {{"debug", LogLevel::kDebug},
                                                      {"info", LogLevel::kInfo},
                                                      {"warning", LogLevel::kWarning},
                                                      {"error", LogLevel::kError}};
      request->set_log_level(static_cast<int>(levels.at(log_level_)));
    }
    if (strace_.empty()) return;
    request->set_strace(strace_ == "off" ? control::DebugRequest::OFF : control::DebugRequest::ON);
    for (size_t at = 0; strace_ != "on" && strace_ != "off" && at < strace_.size();) {
      const size_t comma = std::min(strace_.find(',', at), strace_.size());
      if (comma > at) request->add_strace_syscalls(strace_.substr(at, comma - at));
      at = comma + 1;
    }
  }

  bool stacks_ = false, tasks_ = false;
  std::string strace_, log_level_;
};

}  // namespace

Command* NewDebug() { return new Debug; }

}  // namespace cvisor::runsc::cmd
