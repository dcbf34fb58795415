// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The state directory of a container: <--root>/<id>/, with state.json, config.json (the bundle's at the time it was
// created), the control socket and a lock. Commands that change a container hold the lock; those that only look
// read state.json, which is replaced in one step. Whether the sandbox lives is not written down but asked of the
// host, so a runsc or a sandbox that was killed at any point leaves nothing wrong behind.

#ifndef CVISOR_RUNSC_CONTAINER_STATE_H_
#define CVISOR_RUNSC_CONTAINER_STATE_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pkg/base/unique_fd.h"
#include "runsc/config/outcome.h"

namespace cvisor::runsc::container {

// As runc: letters, digits, and _ + - . inside.
Outcome<void> CheckId(const std::string& id);

// What state.json holds.
struct Record {
  std::string id;
  bool started = false;
  pid_t pid = -1;           // the sandbox
  uint64_t start_time = 0;  // of that process, so that a later one with its number is not taken for it
  std::string bundle, rootfs, created;
  uid_t owner = 0;
  // A runsc in the foreground removes it; what is left when that was killed may be taken over.
  bool foreground = false;
  std::vector<std::string> cgroups;  // directories, by Cgroup
  std::map<std::string, std::string> annotations;

  bool SandboxAlive() const;
  // "created", "running", "paused" or "stopped".
  std::string Status() const;
  // The OCI state, as hooks and `runsc state` have it.
  std::string ToOciJson() const;
};

// From /proc/<pid>/stat; 0 if there is no such process or it is a zombie.
uint64_t ProcessStartTime(pid_t pid);

class State {
 public:
  // A new one, locked.
  static Outcome<std::unique_ptr<State>> Create(const std::string& root, const std::string& id);
  // An existing one, locked; waits for whoever holds it. With `damaged_too` also one that a killed runsc left
  // half made; its record is empty then.
  static Outcome<std::unique_ptr<State>> Open(const std::string& root, const std::string& id,
                                              bool damaged_too = false);
  // Without a lock.
  static Outcome<Record> Read(const std::string& root, const std::string& id);
  // Ids in order.
  static std::vector<std::string> List(const std::string& root);

  Record& record() { return record_; }
  const std::string& dir() const { return dir_; }
  Outcome<void> Save();
  // A copy of the bundle's config.json.
  Outcome<void> SaveConfig(const std::string& text);
  void Remove();
  void Unlock();
  // Waits. A failure if it was removed meanwhile.
  Outcome<void> Lock();

 private:
  State(std::string dir, UniqueFd lock) : dir_(std::move(dir)), lock_(std::move(lock)) {}
  const std::string dir_;
  UniqueFd lock_;
  Record record_;
};

}  // namespace cvisor::runsc::container

#endif  // CVISOR_RUNSC_CONTAINER_STATE_H_
