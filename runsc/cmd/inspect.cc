// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// `runsc state`, `list`, `ps`, `events`, `features`: what there is and what it does.

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "runsc/cgroup/cgroup.h"
#include "runsc/cmd/command.h"
#include "runsc/container/container.h"
#include "runsc/spec/spec.h"

namespace cvisor::runsc::cmd {
namespace {

using Json = nlohmann::ordered_json;

void Print(const Json& json, int indent = -1) {
  std::puts(json.dump(indent, ' ', false, Json::error_handler_t::replace).c_str());
}

class State : public Command {
 public:
  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    if (args.size() != 1) return Failure{"state: needs exactly one container id"};
    auto record = container::State::Read(container::StateRoot(config), args[0]);
    if (!record.ok()) return record.failure();
    std::puts(record->ToOciJson().c_str());
    return 0;
  }
};

class List : public Command {
 public:
  void AddFlags(FlagSet* flags) override {
    flags->Choice("format", &format_, {"table", "json"}, "output format");
    flags->Alias("f", "format");
    flags->Bool("quiet", &quiet_, "ids only");
    flags->Alias("q", "quiet");
  }

  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    if (!args.empty()) return Failure{"list: takes no arguments"};
    const std::string root = container::StateRoot(config);
    Json all = Json::array();
    if (!quiet_ && format_ == "table") {
      std::printf("%-11s %-11s %-11s %-11s %-35s %s\n", "ID", "PID", "STATUS", "BUNDLE", "CREATED",
                  "OWNER");
    }
    for (const std::string& id : container::State::List(root)) {
      auto record = container::State::Read(root, id);
      if (!record.ok()) continue;  // deleted meanwhile
      const Json json = Json::parse(record->ToOciJson());
      if (quiet_) {
        std::puts(id.c_str());
      } else if (format_ == "json") {
        all.push_back(json);
      } else {
        std::printf("%-11s %-11d %-11s %-11s %-35s %s\n", id.c_str(), json["pid"].get<int>(),
                    json["status"].get<std::string>().c_str(), record->bundle.c_str(),
                    record->created.c_str(), json["owner"].get<std::string>().c_str());
      }
    }
    if (!quiet_ && format_ == "json") Print(all);
    return 0;
  }

 private:
  std::string format_ = "table";
  bool quiet_ = false;
};

class Ps : public Command {
 public:
  void AddFlags(FlagSet* flags) override {
    flags->Choice("format", &format_, {"table", "json"}, "output format");
    flags->Alias("f", "format");
  }

  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    if (args.empty()) return Failure{"ps: needs a container id; see runsc help ps"};
    const std::string root = container::StateRoot(config);
    auto record = container::State::Read(root, args[0]);
    if (!record.ok()) return record.failure();
    if (!record->SandboxAlive()) return Failure{"container not running"};
    if (format_ == "json") {
      Print(Json(HostPids(*record)));
      return 0;
    }
    if (args.size() > 1) return HostTable(HostPids(*record), {args.begin() + 1, args.end()});
    if (record->Status() == "paused") return Failure{"the container is paused: resume it first"};
    control::Request request;
    request.mutable_processes();
    auto response = container::Ask(root + "/" + args[0], request);
    if (!response.ok()) return response.failure();
    PrintTable(*response);
    return 0;
  }

 private:
  // Stubs, as the host numbers them: not the Sentry.
  static std::vector<pid_t> HostPids(const container::Record& record) {
    std::vector<pid_t> pids = cgroup::Cgroup(record.cgroups).Processes();
    std::erase(pids, record.pid);
    if (pids.empty()) pids.push_back(record.pid);
    return pids;
  }

  static void PrintTable(const control::Response& response) {
    std::printf("%-8s %7s %7s %3s %-5s %-8s %8s %s\n", "UID", "PID", "PPID", "C", "STIME", "TTY", "TIME",
                "CMD");
    for (const auto& p : response.processes()) {
      const time_t start = time(nullptr) - p.age_ms() / 1000;
      char started[16] = "";
      tm t;
      if (localtime_r(&start, &t) != nullptr) strftime(started, sizeof(started), "%H:%M", &t);
      const uint64_t seconds = p.cpu_ns() / 1000000000;
      char used[32];
      std::snprintf(used, sizeof(used), "%02lu:%02lu:%02lu", seconds / 3600, seconds / 60 % 60,
                    seconds % 60);
      const uint64_t percent =
          p.age_ms() <= 0 ? 0 : p.cpu_ns() / 10000 / static_cast<uint64_t>(p.age_ms());
      std::printf("%-8u %7d %7d %3lu %-5s %-8s %8s %s\n", p.uid(), p.pid(), p.ppid(), percent, started,
                  "?", used, p.command().c_str());
    }
  }

  // As runc: the host's ps(1), and of its lines those of the container.
  static Outcome<int> HostTable(const std::vector<pid_t>& pids,
                                const std::vector<std::string>& options) {
    std::string command = "ps";
    for (const std::string& option : options) {
      command += " '";
      for (const char c : option) command += c == '\'' ? std::string("'\\''") : std::string(1, c);
      command += "'";
    }
    FILE* ps = popen(command.c_str(), "r");
    if (ps == nullptr) return FailureFromErrno("running ps", errno);
    char* line = nullptr;
    size_t size = 0;
    int column = -1;
    for (bool first = true; getline(&line, &size, ps) > 0; first = false) {
      std::istringstream fields(line);
      std::string field;
      for (int i = 0; fields >> field; ++i) {
        if (first && field == "PID") column = i;
        if (i == column) break;
      }
      const bool ours = std::find(pids.begin(), pids.end(), atoi(field.c_str())) != pids.end();
      if (first || (column >= 0 && ours)) std::fputs(line, stdout);
    }
    free(line);
    if (pclose(ps) != 0 || column < 0) return Failure{"ps: the host's ps failed, or prints no PID"};
    return 0;
  }

  std::string format_ = "table";
};

class Events : public Command {
 public:
  void AddFlags(FlagSet* flags) override {
    flags->Bool("stats", &stats_, "once, and end");
    flags->Custom("interval", "TIME", "between two lines: seconds, or with a unit [5s]",
                  [this](const std::string& v) { return ParseInterval(v); });
  }

  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    if (args.size() != 1) return Failure{"events: needs exactly one container id"};
    const std::string root = container::StateRoot(config);
    for (;;) {
      auto record = container::State::Read(root, args[0]);
      if (!record.ok()) return record.failure();
      if (!record->SandboxAlive()) {
        if (printed_) return 0;
        return Failure{"container with id " + args[0] + " is not running"};
      }
      if (record->Status() == "paused") return Failure{"the container is paused: resume it first"};
      control::Request request;
      request.mutable_processes();
      auto response = container::Ask(root + "/" + args[0], request);
      // It may have ended just now.
      if (!response.ok() && !record->SandboxAlive()) continue;
      if (!response.ok()) return response.failure();
      PrintStats(args[0], cgroup::Cgroup(record->cgroups).ReadStats(), *response);
      std::fflush(stdout);
      printed_ = true;
      if (stats_) return 0;
      const timespec pause{static_cast<time_t>(interval_ms_ / 1000),
                           static_cast<long>(interval_ms_ % 1000 * 1000000)};
      nanosleep(&pause, nullptr);
    }
  }

 private:
  std::string ParseInterval(const std::string& text) {
    char* end = nullptr;
    const double n = strtod(text.c_str(), &end);
    const std::string unit = end;
    const double factor = unit == "ms"                  ? 1
                          : unit == "s" || unit.empty() ? 1000
                          : unit == "m"                 ? 60000
                                                        : 0;
    if (factor == 0 || n * factor < 1 || n * factor > 1e9)
      return "must be a time like 5s, 500ms or 1m";
    interval_ms_ = static_cast<uint64_t>(n * factor);
    return "";
  }

  static Json ToJson(const cgroup::MemoryCounter& m) {
    return {{"limit", m.limit}, {"usage", m.usage}, {"max", m.max}, {"failcnt", m.failures}};
  }

  // The shape of `runc events`.
  static void PrintStats(const std::string& id, const cgroup::Stats& s,
                         const control::Response& processes) {
    Json data;
    data["cpu"]["usage"] = {
        {"total", s.cpu_ns}, {"kernel", s.cpu_system_ns}, {"user", s.cpu_user_ns}};
    data["cpu"]["throttling"] = {{"periods", s.periods},
                                 {"throttledPeriods", s.throttled_periods},
                                 {"throttledTime", s.throttled_ns}};
    data["memory"] = {{"cache", s.cache},
                      {"usage", ToJson(s.memory)},
                      {"swap", ToJson(s.swap)},
                      {"kernel", ToJson({})},
                      {"kernelTCP", ToJson({})},
                      {"raw", s.memory_stat}};
    data["pids"]["current"] = processes.tasks();
    if (processes.task_limit() > 0) data["pids"]["limit"] = processes.task_limit();
    data["blkio"] = Json::object();
    data["hugetlb"] = Json::object();
    data["intel_rdt"] = Json::object();
    data["network_interfaces"] = nullptr;
    Print({{"type", "stats"}, {"id", id}, {"data", data}});
  }

  bool stats_ = false, printed_ = false;
  uint64_t interval_ms_ = 5000;
};

class Features : public Command {
 public:
  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    (void)config;
    if (!args.empty()) return Failure{"features: takes no arguments"};
    Json linux_part;
    linux_part["namespaces"] = {"cgroup", "ipc", "mount", "network", "pid", "user", "uts"};
    linux_part["capabilities"] = spec::CapabilityNames();
    linux_part["cgroup"] = {{"v1", true}, {"v2", true}, {"systemd", false}, {"systemdUser", false}};
    const spec::SeccompVocabulary seccomp = spec::KnownSeccomp();
    linux_part["seccomp"] = {{"enabled", true},
                             {"actions", seccomp.actions},
                             {"operators", seccomp.operators},
                             {"archs", seccomp.architectures},
                             {"knownFlags", seccomp.flags},
                             {"supportedFlags", seccomp.flags}};
    linux_part["apparmor"] = {{"enabled", false}};
    linux_part["selinux"] = {{"enabled", false}};
    Json json;
    json["ociVersionMin"] = "1.0.0";
    json["ociVersionMax"] = kSpecVersion;
    json["hooks"] = {"prestart",       "createRuntime", "createContainer",
                     "startContainer", "poststart",     "poststop"};
    json["mountOptions"] = spec::MountOptionNames();
    json["linux"] = linux_part;
    Print(json, 2);
    return 0;
  }
};

}  // namespace

Command* NewState() { return new State; }
Command* NewList() { return new List; }
Command* NewPs() { return new Ps; }
Command* NewEvents() { return new Events; }
Command* NewFeatures() { return new Features; }

}  // namespace cvisor::runsc::cmd
