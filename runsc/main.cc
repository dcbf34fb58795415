// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// runsc: global flags, then a subcommand.

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "runsc/boot/boot.h"
#include "runsc/cmd/command.h"
#include "runsc/config/config.h"
#include "runsc/sandbox/stdio.h"

namespace cvisor::runsc {
namespace {

int Fail(const Config& config, const Failure& failure) {
  ReportError(config, failure.message);
  return failure.exit_code;
}

int Print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  return std::fflush(stdout) == 0 ? 0 : kExitFailure;
}

int RunCommand(const Config& config, const std::vector<std::string>& words) {
  const cmd::CommandInfo* info = cmd::FindCommand(words[0]);
  if (info == nullptr) {
    return Fail(config, Failure{"unknown command \"" + words[0] + "\"; see runsc help"});
  }
  const std::unique_ptr<cmd::Command> command(info->make());
  FlagSet flags;
  command->AddFlags(&flags);
  std::vector<std::string> args;
  bool help = false;
  const std::vector<std::string> rest(words.begin() + 1, words.end());
  if (info->name == std::string_view("help")) {
    args = rest;  // its flags follow the topic
    if (!rest.empty() && (rest[0] == "--help" || rest[0] == "-h" || rest[0] == "-help")) help = true;
  } else if (auto r = flags.Parse(rest, &args, &help); !r.ok()) {
    return Fail(config, Failure{words[0] + ": " + r.failure().message});
  }
  if (help) return Print(cmd::CommandHelp(*info));
  auto code = command->Run(config, args);
  if (!code.ok()) return Fail(config, code.failure());
  std::fflush(stdout);
  return *code;
}

int Main(int argc, char** argv) {
  sandbox::ReserveStdio();
  const std::vector<std::string> args(argv + (argc > 0 ? 1 : 0), argv + argc);
  Config config;
  FlagSet flags;
  AddGlobalFlags(&flags, &config);
  std::vector<std::string> words;
  bool help = false;
  if (auto r = flags.Parse(args, &words, &help); !r.ok()) return Fail(config, r.failure());
  if (help) return Print(cmd::GeneralHelp());
  if (config.version) return Print(cmd::VersionText());
  if (words.empty()) {
    const std::string text = cmd::GeneralHelp();
    std::fwrite(text.data(), 1, text.size(), stderr);
    return kExitFailure;
  }
  // The sandbox process itself; started by runsc only, so it is not in the help.
  if (words[0] == "boot") return boot::Main({words.begin() + 1, words.end()});
  return RunCommand(config, words);
}

}  // namespace
}  // namespace cvisor::runsc

int main(int argc, char** argv) { return cvisor::runsc::Main(argc, argv); }
