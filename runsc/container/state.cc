// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/container/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "runsc/cgroup/cgroup.h"
#include "runsc/config/config.h"

namespace cvisor::runsc::container {
namespace {

Outcome<void> MakeDirs(const std::string& path) {
  for (size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at + 1);
    const std::string dir = path.substr(0, at);
    if (mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) {
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

namespace {

constexpr char kExists[] = "container with given ID already exists";
constexpr char kMissing[] = "container does not exist";

// Locked, or an invalid descriptor if the directory or the file was removed meanwhile.
Outcome<UniqueFd> LockDir(const std::string& dir, bool create, bool wait) {
  const std::string path = dir + "/lock";
  UniqueFd lock(open(path.c_str(), O_RDWR | (create ? O_CREAT : 0) | O_CLOEXEC, 0600));
  if (!lock.valid()) {
    if (errno == ENOENT || errno == ENOTDIR) return UniqueFd();
    return FailureFromErrno("opening " + path, errno);
  }
  while (flock(lock.get(), LOCK_EX | (wait ? 0 : LOCK_NB)) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) return Failure{kExists};
    return FailureFromErrno("locking " + path, errno);
  }
  // The lock must be on the file that the name leads to, not on one that was just removed.
  struct stat mine, there;
  if (fstat(lock.get(), &mine) == 0 && stat(path.c_str(), &there) == 0 &&
      mine.st_ino == there.st_ino && mine.st_dev == there.st_dev) {
    return lock;
  }
  return UniqueFd();
}

Outcome<void> WriteFile(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".new";
  const UniqueFd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid()) return FailureFromErrno("writing " + path, errno);
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = write(fd.get(), text.data() + done, text.size() - done);
    if (n < 0) return FailureFromErrno("writing " + path, errno);
    done += static_cast<size_t>(n);
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    return FailureFromErrno("writing " + path, errno);
  }
  return {};
}

using Json = nlohmann::ordered_json;

std::string Dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

// Nothing: no such file, or it is damaged.
std::optional<Record> ReadRecord(const std::string& dir) {
  std::ifstream file(dir + "/state.json");
  if (!file) return std::nullopt;
  const Json json = Json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  Record r;
  try {  // Only we write it, so a wrong type means that it is damaged.
    r.id = json.at("id");
    r.started = json.at("started");
    r.pid = json.at("pid");
    r.start_time = json.at("startTime");
    r.bundle = json.at("bundle");
    r.rootfs = json.at("rootfs");
    r.created = json.at("created");
    r.owner = json.at("owner");
    r.foreground = json.at("foreground");
    r.cgroups = json.at("cgroups").get<std::vector<std::string>>();
    r.annotations = json.at("annotations").get<std::map<std::string, std::string>>();
  } catch (const Json::exception&) {
    return std::nullopt;
  }
  return r;
}

}  // namespace

uint64_t ProcessStartTime(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const size_t paren = text.rfind(')');
  if (pid <= 0 || paren == std::string::npos) return 0;
  std::istringstream fields(text.substr(paren + 1));
  std::string field;
  fields >> field;
  if (field == "Z" || field == "X") return 0;
  for (int i = 4; i <= 22; ++i) fields >> field;
  return strtoull(field.c_str(), nullptr, 10);
}

bool Record::SandboxAlive() const {
  return start_time != 0 && ProcessStartTime(pid) == start_time;
}

std::string Record::Status() const {
  if (!SandboxAlive()) return "stopped";
  if (cgroup::Cgroup(cgroups).Frozen()) return "paused";
  return started ? "running" : "created";
}

std::string Record::ToOciJson() const {
  const std::string status = Status();
  Json json;
  json["ociVersion"] = kSpecVersion;
  json["id"] = id;
  json["pid"] = status == "stopped" ? 0 : pid;
  json["status"] = status;
  json["bundle"] = bundle;
  json["rootfs"] = rootfs;
  json["created"] = created;
  if (!annotations.empty()) json["annotations"] = annotations;
  json["owner"] = "";
  if (const passwd* user = getpwuid(owner); user != nullptr) json["owner"] = user->pw_name;
  return Dump(json);
}

Outcome<std::unique_ptr<State>> State::Create(const std::string& root, const std::string& id) {
  RUNSC_RETURN_IF_FAILED(CheckId(id));
  const std::string dir = root + "/" + id;
  for (int tries = 0; tries < 16; ++tries) {
    RUNSC_RETURN_IF_FAILED(MakeDirs(dir));
    auto lock = LockDir(dir, /*create=*/true, /*wait=*/false);
    if (!lock.ok()) return lock.failure();
    if (!lock->valid()) continue;  // its last owner is removing it
    const auto old = ReadRecord(dir);
    if (old.has_value() && (!old->foreground || old->SandboxAlive())) return Failure{kExists};
    std::unique_ptr<State> state(new State(dir, std::move(*lock)));
    if (old.has_value()) cgroup::Cgroup(old->cgroups).Remove();
    state->record_.id = id;
    state->record_.created = Now();
    state->record_.owner = geteuid();
    return state;
  }
  return Failure{"the state directory " + dir + " keeps changing"};
}

Outcome<std::unique_ptr<State>> State::Open(const std::string& root, const std::string& id,
                                            bool damaged_too) {
  RUNSC_RETURN_IF_FAILED(CheckId(id));
  const std::string dir = root + "/" + id;
  auto lock = LockDir(dir, /*create=*/false, /*wait=*/true);
  if (!lock.ok()) return lock.failure();
  if (!lock->valid()) return Failure{kMissing};
  std::unique_ptr<State> state(new State(dir, std::move(*lock)));
  auto record = ReadRecord(dir);
  if (!record.has_value() && !damaged_too) return Failure{kMissing};
  state->record_ = record.value_or(Record());
  state->record_.id = id;
  return state;
}

Outcome<Record> State::Read(const std::string& root, const std::string& id) {
  RUNSC_RETURN_IF_FAILED(CheckId(id));
  auto record = ReadRecord(root + "/" + id);
  if (!record.has_value()) return Failure{kMissing};
  return *record;
}

std::vector<std::string> State::List(const std::string& root) {
  std::vector<std::string> ids;
  DIR* dir = opendir(root.c_str());
  if (dir == nullptr) return ids;
  while (const dirent* e = readdir(dir)) {
    if (CheckId(e->d_name).ok() && ReadRecord(root + "/" + e->d_name).has_value()) {
      ids.emplace_back(e->d_name);
    }
  }
  closedir(dir);
  std::sort(ids.begin(), ids.end());
  return ids;
}

Outcome<void> State::Save() {
  const Record& r = record_;
  Json json;
  json["id"] = r.id;
  json["started"] = r.started;
  json["pid"] = r.pid;
  json["startTime"] = r.start_time;
  json["bundle"] = r.bundle;
  json["rootfs"] = r.rootfs;
  json["created"] = r.created;
  json["owner"] = r.owner;
  json["foreground"] = r.foreground;
  json["cgroups"] = r.cgroups;
  json["annotations"] = r.annotations;
  return WriteFile(dir_ + "/state.json", Dump(json) + "\n");
}

Outcome<void> State::SaveConfig(const std::string& text) {
  return WriteFile(dir_ + "/config.json", text);
}

void State::Remove() {
  // The lock last: who gets it then finds that the name leads nowhere.
  for (const char* name : {"state.json", "state.json.new", "config.json", "config.json.new",
                           "control.sock", "lock"}) {
    unlink((dir_ + "/" + name).c_str());
  }
  rmdir(dir_.c_str());
}

void State::Unlock() { lock_.reset(); }

Outcome<void> State::Lock() {
  auto lock = LockDir(dir_, /*create=*/false, /*wait=*/true);
  if (!lock.ok()) return lock.failure();
  if (!lock->valid()) return Failure{kMissing};
  lock_ = std::move(*lock);
  auto record = ReadRecord(dir_);
  if (record.has_value()) record_ = *record;
  return {};
}

}  // namespace cvisor::runsc::container
