// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// `runsc install` and `uninstall`: the runtimes in Docker's daemon.json. The file is replaced in one step, keeps
// everything else that it says, and is not touched if it is not what it should be.

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "pkg/base/unique_fd.h"
#include "runsc/cmd/command.h"

namespace cvisor::runsc::cmd {
namespace {

using Json = nlohmann::ordered_json;

// An empty object if there is no file.
Outcome<Json> ReadConfig(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    if (errno == ENOENT) return Json::object();
    return FailureFromErrno("reading " + path, errno);
  }
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return Json::object();
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Failure{path + " is not a JSON object: nothing was changed"};
  if (json.contains("runtimes") && !json["runtimes"].is_object()) {
    return Failure{path + ": runtimes is not an object: nothing was changed"};
  }
  return json;
}

Outcome<void> WriteConfig(const std::string& path, const Json& json) {
  struct stat old;
  const mode_t mode = stat(path.c_str(), &old) == 0 ? old.st_mode & 07777 : 0644;
  const std::string text = json.dump(4) + "\n", temporary = path + ".runsc-new";
  const UniqueFd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!fd.valid()) return FailureFromErrno("writing " + temporary, errno);
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = write(fd.get(), text.data() + done, text.size() - done);
    if (n < 0) return FailureFromErrno("writing " + temporary, errno);
    done += static_cast<size_t>(n);
  }
  if (fchmod(fd.get(), mode) != 0 || fsync(fd.get()) != 0 ||
      rename(temporary.c_str(), path.c_str()) != 0) {
    return FailureFromErrno("writing " + path, errno);
  }
  return {};
}

// What both commands take.
class ConfigCommand : public Command {
 public:
  void AddFlags(FlagSet* flags) override {
    flags->String("config_file", &path_, "FILE", "Docker's configuration");
    flags->Alias("config-file", "config_file");
    flags->String("runtime", &name_, "NAME", "name of the runtime for `docker run --runtime`");
  }

 protected:
  std::string path_ = "/etc/docker/daemon.json", name_ = "runsc";
};

class Install : public ConfigCommand {
 public:
  void AddFlags(FlagSet* flags) override {
    ConfigCommand::AddFlags(flags);
    flags->Bool("experimental", &experimental_, "turn on Docker's experimental features");
    flags->Bool("clobber", &clobber_, "replace a runtime of that name");
  }

  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    (void)config;
    char own[PATH_MAX];
    const ssize_t n = readlink("/proc/self/exe", own, sizeof(own));
    if (n < 0) return FailureFromErrno("reading /proc/self/exe", errno);
    auto json = ReadConfig(path_);
    if (!json.ok()) return json.failure();
    Json& runtimes = (*json)["runtimes"];
    if (runtimes.contains(name_) && !clobber_) {
      return Failure{path_ + " has a runtime \"" + name_ + "\" already"};
    }
    Json runtime = {{"path", std::string(own, static_cast<size_t>(n))}};
    if (!args.empty()) runtime["runtimeArgs"] = args;
    runtimes[name_] = runtime;
    if (experimental_) (*json)["experimental"] = true;
    RUNSC_RETURN_IF_FAILED(WriteConfig(path_, *json));
    std::printf("Added runtime %s to %s. Restart Docker, or send SIGHUP to dockerd.\n",
                name_.c_str(), path_.c_str());
    return 0;
  }

 private:
  bool experimental_ = false, clobber_ = true;
};

class Uninstall : public ConfigCommand {
 public:
  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    (void)config;
    if (!args.empty()) return Failure{"uninstall: takes no arguments"};
    auto json = ReadConfig(path_);
    if (!json.ok()) return json.failure();
    if (!json->contains("runtimes") || !(*json)["runtimes"].contains(name_)) {
      return Failure{path_ + " has no runtime \"" + name_ + "\""};
    }
    if (json->contains("default-runtime") && (*json)["default-runtime"] == name_) {
      return Failure{path_ + ": \"" + name_ + "\" is the default-runtime: change that first"};
    }
    (*json)["runtimes"].erase(name_);
    if ((*json)["runtimes"].empty()) json->erase("runtimes");
    RUNSC_RETURN_IF_FAILED(WriteConfig(path_, *json));
    std::printf("Removed runtime %s from %s.\n", name_.c_str(), path_.c_str());
    return 0;
  }
};

class Platforms : public Command {
 public:
  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    (void)config;
    if (!args.empty()) return Failure{"platforms: takes no arguments"};
    std::puts("ptrace\nsystrap");
    return 0;
  }
};

}  // namespace

Command* NewInstall() { return new Install; }
Command* NewUninstall() { return new Uninstall; }
Command* NewPlatforms() { return new Platforms; }

}  // namespace cvisor::runsc::cmd
