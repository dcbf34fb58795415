// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/spec/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "pkg/base/unique_fd.h"
#include "runsc/cmd/command.h"

namespace cvisor::runsc::cmd {
namespace {

class SpecCommand : public Command {
 public:
  void AddFlags(FlagSet* flags) override {
    flags->String("bundle", &bundle_, "DIR", "directory to write config.json to");
    flags->Alias("b", "bundle");
    flags->String("cwd", &cwd_, "DIR", "working directory in the container");
  }

  Outcome<int> Run(const Config& config, const std::vector<std::string>& args) override {
    (void)config;
    std::string text = spec::DefaultConfig(args);
    if (cwd_ != "/") {
      const size_t at = text.find("\"cwd\": \"/\"");
      if (cwd_.empty() || cwd_[0] != '/' || cwd_.find_first_of("\"\\\n") != std::string::npos) {
        return Failure{"invalid value \"" + cwd_ + "\" for flag --cwd: must be an absolute path"};
      }
      if (at != std::string::npos) text.replace(at, 10, "\"cwd\": \"" + cwd_ + "\"");
    }
    const std::string path = bundle_ + "/config.json";
    const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!fd.valid()) {
      if (errno == EEXIST) return Failure{path + " exists already; remove it first"};
      return FailureFromErrno("creating " + path, errno);
    }
    for (size_t done = 0; done < text.size();) {
      const ssize_t n = write(fd.get(), text.data() + done, text.size() - done);
      if (n < 0) return FailureFromErrno("writing " + path, errno);
      done += static_cast<size_t>(n);
    }
    return 0;
  }

 private:
  std::string bundle_ = ".", cwd_ = "/";
};

}  // namespace

Command* NewSpec() { return new SpecCommand; }

}  // namespace cvisor::runsc::cmd
