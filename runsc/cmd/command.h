// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Subcommands. Each has a file here and a line in commands.cc.

#ifndef CVISOR_RUNSC_CMD_COMMAND_H_
#define CVISOR_RUNSC_CMD_COMMAND_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runsc/config/config.h"
#include "runsc/config/flags.h"

namespace cvisor::runsc::cmd {

// One invocation of a subcommand: holds the values of its flags.
class Command {
 public:
  virtual ~Command() = default;
  virtual void AddFlags(FlagSet* flags) { (void)flags; }
  // `args` are those behind the flags. Returns the exit code; a failure is reported by the caller.
  virtual Outcome<int> Run(const Config& config, const std::vector<std::string>& args) = 0;
};

struct CommandInfo {
  std::string_view name;
  std::string_view arguments;  // "[flags] -- CMD [ARGS...]"
  std::string_view summary;    // one line
  std::string_view details;    // may be empty
  Command* (*make)();
};

std::span<const CommandInfo> Commands();
const CommandInfo* FindCommand(std::string_view name);

// Whole text of `runsc --help` and `runsc help CMD`.
std::string GeneralHelp();
std::string CommandHelp(const CommandInfo& info);
std::string VersionText();

Command* NewCreate();
Command* NewDebug();
Command* NewDelete();
Command* NewDo();
Command* NewEvents();
Command* NewExec();
Command* NewFeatures();
Command* NewInstall();
Command* NewKill();
Command* NewList();
Command* NewPause();
Command* NewPlatforms();
Command* NewPs();
Command* NewResume();
Command* NewRun();
Command* NewStart();
Command* NewState();
Command* NewUninstall();
Command* NewUpdate();
Command* NewWait();
Command* NewSpec();
Command* NewHelp();
Command* NewVersion();

}  // namespace cvisor::runsc::cmd

#endif  // CVISOR_RUNSC_CMD_COMMAND_H_
