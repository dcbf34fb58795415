// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/container/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "runsc/config/config.h"

namespace cvisor::runsc::container {
namespace {

Outcome<void> MakeDirs(const std::string& path) {
  for (size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at + 1);
    const std::string dir = path.substr(0, at);
    if (mkdir(dir.c_str(), 0711) != 0 && errno != EEXIST) {
      return FailureFromErrno("creating the state directory " + dir, errno);
    }
  }
  return {};
}

std::string Now() {
  timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  tm t;
  gmtime_r(&ts.tv_sec, &t);
  char buffer[64];
  const size_t n = strftime(buffer, sizeof(buffer), "%Y-%m-%dT%H:%M:%S", &t);
  snprintf(buffer + n, sizeof(buffer) - n, ".%09ldZ", ts.tv_nsec);
  return buffer;
}

}  // namespace

Outcome<void> CheckId(const std::string& id) {
  const bool characters_ok =
      id.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.") ==
      std::string::npos;
  if (id.empty() || !characters_ok || id == "." || id == ".." || id.size() > 255) {
    return Failure{"invalid container id \"" + id +
                   "\": letters, digits, '_', '+', '-' and '.' are allowed"};
  }
  return {};
}

Outcome<std::unique_ptr<State>> State::Create(const std::string& root, const std::string& id) {
  RUNSC_RETURN_IF_FAILED(CheckId(id));
  const std::string dir = root + "/" + id;
  for (int tries = 0; tries < 16; ++tries) {
    RUNSC_RETURN_IF_FAILED(MakeDirs(dir));
    const std::string path = dir + "/lock";
    UniqueFd lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!lock.valid()) {
      if (errno == ENOENT) continue;  // its last owner is removing it
      return FailureFromErrno("opening " + path, errno);
    }
    if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      return Failure{"container with id \"" + id + "\" exists"};
    }
    // The lock must be on the file that the name leads to, not on one that was just removed.
    struct stat mine, there;
    if (fstat(lock.get(), &mine) == 0 && stat(path.c_str(), &there) == 0 &&
        mine.st_ino == there.st_ino && mine.st_dev == there.st_dev) {
      return std::unique_ptr<State>(new State(dir, id, std::move(lock)));
    }
  }
  return Failure{"the state directory " + dir + " keeps changing"};
}

State::~State() {
  unlink((dir_ + "/state.json").c_str());
  unlink((dir_ + "/lock").c_str());
  rmdir(dir_.c_str());
}

Outcome<void> State::Save(const std::string& status, pid_t pid, const std::string& bundle) {
  nlohmann::ordered_json json;
  json["ociVersion"] = kSpecVersion;
  json["id"] = id_;
  json["status"] = status;
  json["pid"] = pid;
  json["bundle"] = bundle;
  json["created"] = Now();
  const std::string text =
      json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  const std::string path = dir_ + "/state.json", temporary = path + ".new";
  const UniqueFd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid() || write(fd.get(), text.data(), text.size()) < 0 ||
      rename(temporary.c_str(), path.c_str()) != 0) {
    return FailureFromErrno("writing " + path, errno);
  }
  return {};
}

}  // namespace cvisor::runsc::container
