// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include <cstdio>

#include "pkg/sentry/syscalls/table_print.h"
#include "runsc/cmd/command.h"

namespace cvisor::runsc::cmd {
namespace {

void Print(const std::string& s) { std::fwrite(s.data(), 1, s.size(), stdout); }

class Help : public Command {
 public:
  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    (void)config;
    if (args.empty()) {
      Print(GeneralHelp());
      return 0;
    }
    if (args[0] == "syscalls") return Syscalls({args.begin() + 1, args.end()});
    if (args.size() > 1) return Failure{"help takes one command, got \"" + args[1] + "\" too"};
    const CommandInfo* info = FindCommand(args[0]);
    if (info == nullptr) return Failure{"unknown command \"" + args[0] + "\"; see runsc help"};
    Print(CommandHelp(*info));
    return 0;
  }

 private:
  static Outcome<int> Syscalls(const std::vector<std::string>& args) {
    std::string format = "text";
    FlagSet flags;
    flags.Choice("format", &format, {"text", "json"}, "output format");
    flags.Alias("o", "format");
    std::vector<std::string> rest;
    bool help = false;
    RUNSC_RETURN_IF_FAILED(flags.Parse(args, &rest, &help));
    if (help) {
      Print("usage: runsc help syscalls [flags]\n\nFlags:\n" + flags.Help());
      return 0;
    }
    if (!rest.empty()) return Failure{"unexpected argument \"" + rest[0] + "\""};
    Print(format == "json" ? syscalls::SyscallTableJson() : syscalls::SyscallTableText());
    return 0;
  }
};

class Version : public Command {
 public:
  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    (void)config;
    if (!args.empty()) return Failure{"version takes no arguments"};
    Print(VersionText());
    return 0;
  }
};

}  // namespace

Command* NewHelp() { return new Help; }
Command* NewVersion() { return new Version; }

}  // namespace cvisor::runsc::cmd
