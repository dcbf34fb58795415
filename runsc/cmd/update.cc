// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// `runsc update`: other limits for the cgroup of a container.

#include <errno.h>
#include <stdlib.h>

#include <fstream>
#include <iostream>

#include "runsc/cgroup/cgroup.h"
#include "runsc/cmd/command.h"
#include "runsc/container/container.h"
#include "runsc/spec/spec.h"

namespace cvisor::runsc::cmd {
namespace {

// "128m"; -1: no limit.
std::string ParseSize(const std::string& text, std::optional<int64_t>* out) {
  char* end = nullptr;
  errno = 0;
  const long long n = strtoll(text.c_str(), &end, 10);
  std::string unit = end;
  if (unit.size() > 1 && (unit.back() == 'b' || unit.back() == 'B')) unit.pop_back();
  int shift = 0;
  if (unit == "k" || unit == "K") shift = 10;
  if (unit == "m" || unit == "M") shift = 20;
  if (unit == "g" || unit == "G") shift = 30;
  const bool plain = unit.empty() || unit == "b" || unit == "B";
  if (end == text.c_str() || errno != 0 || (shift == 0 && !plain) || n < -1 ||
      n > INT64_MAX >> shift) {
    return "must be a number of bytes, like 1048576, 128m or -1";
  }
  *out = n < 0 ? n : n << shift;
  return "";
}

template <typename T>
std::string ParseNumber(const std::string& text, std::optional<T>* out) {
  char* end = nullptr;
  errno = 0;
  const long long n = strtoll(text.c_str(), &end, 10);
  if (end == text.c_str() || *end != '\0' || errno != 0) return "must be a number";
  *out = static_cast<T>(n);
  return "";
}

class Update : public Command {
 public:
  void AddFlags(FlagSet* flags) override {
    flags->String("resources", &file_, "FILE", "LinuxResources as JSON; -: from stdin");
    flags->Alias("r", "resources");
    auto size = [flags](const char* name, const char* help, std::optional<int64_t>* target) {
      flags->Custom(name, "BYTES", help,
                    [target](const std::string& v) { return ParseSize(v, target); });
    };
    size("memory", "limit", &flags_.memory_limit);
    size("memory-swap", "limit of memory and swap together", &flags_.memory_swap);
    size("memory-reservation", "soft limit", &flags_.memory_reservation);
    auto number = [flags](const char* name, const char* help, auto* target) {
      flags->Custom(name, "N", help,
                    [target](const std::string& v) { return ParseNumber(v, target); });
    };
    number("cpu-shares", "weight among cgroups", &flags_.cpu_shares);
    number("cpu-share", "the same", &flags_.cpu_shares);
    number("cpu-period", "microseconds", &flags_.cpu_period);
    number("cpu-quota", "microseconds of a period", &flags_.cpu_quota);
    number("pids-limit", "tasks", &flags_.pids_limit);
    flags->String("cpuset-cpus", &flags_.cpus, "LIST", "CPUs");
    flags->String("cpuset-mems", &flags_.mems, "LIST", "memory nodes");
  }

  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    if (args.size() != 1) return Failure{"update: needs exactly one container id"};
    spec::Resources resources = flags_;
    if (!file_.empty()) {
      std::ifstream file(file_);
      std::istream& in = file_ == "-" ? std::cin : file;
      if (!in) return FailureFromErrno("opening " + file_, errno);
      const std::string text((std::istreambuf_iterator<char>(in)),
                             std::istreambuf_iterator<char>());
      auto parsed = spec::ParseResources(text);
      if (!parsed.ok()) return parsed.failure();
      resources = *parsed;
    }
    auto state = container::State::Open(container::StateRoot(config), args[0]);
    if (!state.ok()) return state.failure();
    if (!(*state)->record().SandboxAlive()) return Failure{"container not running"};
    if ((*state)->record().cgroups.empty()) return Failure{"the container has no cgroup"};
    RUNSC_RETURN_IF_FAILED(cgroup::Cgroup((*state)->record().cgroups).Set(resources));
    // A frozen Sentry does not answer, and goes on showing what it knows.
    if ((*state)->record().Status() == "paused") return 0;
    control::Request request;
    *request.mutable_update()->mutable_resources() = spec::ToMessage(resources);
    auto response = container::Ask((*state)->dir(), request);
    if (!response.ok()) return response.failure();
    return 0;
  }

 private:
  std::string file_;
  spec::Resources flags_;
};

}  // namespace

Command* NewUpdate() { return new Update; }

}  // namespace cvisor::runsc::cmd
