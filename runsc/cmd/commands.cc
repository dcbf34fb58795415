// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include <memory>

#include "runsc/cmd/command.h"

namespace cvisor::runsc::cmd {
namespace {

constexpr CommandInfo kCommands[] = {
    {"create", "[flags] ID", "make the container of a bundle; `start` runs it",
     "The pid file names the sandbox, which becomes a child of our parent or of a subreaper, and which\n"
     "ends with the container's exit code; 128+N when signal N ended it.\n",
     NewCreate},
    {"debug", "[flags] ID", "look into a running sandbox, or change what it logs",
     "With --strace, calls that the systrap platform answers in the process itself are seen only if the\n"
     "container was created with --strace.\n",
     NewDebug},
    {"delete", "[flags] ID...", "remove what is left of a container", "", NewDelete},
    {"do", "[flags] [--] CMD [ARGS...]", "run a command in a sandbox, on the host's files",
     "The host's root directory appears read-only under an overlay in memory: whatever the command\n"
     "writes is gone afterwards. Working directory, environment, standard streams, terminal, signals\n"
     "and exit code are as if the command ran directly. A command that cannot be found exits with\n"
     "127, one that cannot be executed with 126.\n",
     NewDo},
    {"events", "[flags] ID", "print figures of its cgroup, a line of JSON each time", "", NewEvents},
    {"exec", "[flags] ID [CMD [ARGS...]]", "run one more process in a container",
     "The exit code is the process's. With --detach the pid file names a host process that ends with\n"
     "that code and passes signals on; if it is killed, so is the process.\n",
     NewExec},
    {"features", "", "print what of the OCI specification there is, as JSON", "", NewFeatures},
    {"help", "[COMMAND | syscalls [--format=text|json]]", "explain a command",
     "`runsc help syscalls` prints the table of system calls and how far each is supported.\n",
     NewHelp},
    {"install", "[flags] [-- FLAGS...]", "add this runsc to Docker's daemon.json, with FLAGS for each start", "",
     NewInstall},
    {"kill", "[flags] ID [SIGNAL]", "send a signal, by name or number, to a container's init [TERM]", "",
     NewKill},
    {"list", "[flags]", "print the containers", "", NewList},
    {"pause", "ID", "stop a container's processes, by the freezer of its cgroup", "", NewPause},
    {"platforms", "", "print the platforms that --platform may name", "", NewPlatforms},
    {"ps", "[flags] ID [PS OPTIONS]", "print the processes of a container",
     "The table has them as they number themselves. `json`, which engines ask for, has the stubs that run them,\n"
     "by the host's numbers (and stubs that wait for a process); further arguments are for ps(1), which prints\n"
     "those.\n",
     NewPs},
    {"resume", "ID", "let them go on", "", NewResume},
    {"run", "[flags] ID", "create and start the container of a bundle, and wait for it",
     "The exit code is the container's; 128+N when signal N ended it. Writes to the root file system\n"
     "stay in memory unless --overlay2=none is given and the root is not read-only.\n",
     NewRun},
    {"spec", "[flags] [-- ARGS...]", "write a config.json to start from", "", NewSpec},
    {"start", "ID...", "run a container that was created", "", NewStart},
    {"state", "ID", "print the state of a container, as JSON", "", NewState},
    {"uninstall", "[flags]", "remove it from there", "", NewUninstall},
    {"update", "[flags] ID", "change the limits of a container's cgroup", "", NewUpdate},
    {"version", "", "print the version", "", NewVersion},
    {"wait", "ID", "wait for a container's end and print its exit code, as JSON", "", NewWait},
};

}  // namespace

std::span<const CommandInfo> Commands() { return kCommands; }

const CommandInfo* FindCommand(std::string_view name) {
  for (const CommandInfo& c : kCommands) {
    if (c.name == name) return &c;
  }
  return nullptr;
}

std::string GeneralHelp() {
  std::string out =
      "usage: runsc [flags] COMMAND [arguments]\n\n"
      "runsc runs containers, each on an application kernel of its own.\n\nCommands:\n";
  for (const CommandInfo& c : kCommands) {
    std::string left = "  " + std::string(c.name);
    left.resize(14, ' ');
    out += left + std::string(c.summary) + "\n";
  }
  Config config;
  FlagSet flags;
  AddGlobalFlags(&flags, &config);
  out += "\nFlags, before the command:\n" + flags.Help() +
         "\nExit codes of runsc itself: 1 for errors, 126 and 127 for commands that cannot be\n"
         "executed or found (do), 128 when the sandbox died.\n";
  return out;
}

std::string CommandHelp(const CommandInfo& info) {
  std::string out = "usage: runsc [global flags] " + std::string(info.name);
  if (!info.arguments.empty()) out += " " + std::string(info.arguments);
  out += "\n\n" + std::string(info.summary) + "\n";
  if (!info.details.empty()) out += "\n" + std::string(info.details);
  const std::unique_ptr<Command> command(info.make());
  FlagSet flags;
  command->AddFlags(&flags);
  if (!flags.empty()) out += "\nFlags:\n" + flags.Help();
  return out;
}

std::string VersionText() {
  return std::string("runsc version ") + kVersion + "\nspec: " + kSpecVersion + "\n";
}

}  // namespace cvisor::runsc::cmd
