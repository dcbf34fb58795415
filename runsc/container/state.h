// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The state directory of a container: <--root>/<id>/, with state.json and a lock. Whoever runs the
// container holds the lock; a directory whose lock is free was left by a runsc that was killed, and may
// be taken over.

#ifndef CVISOR_RUNSC_CONTAINER_STATE_H_
#define CVISOR_RUNSC_CONTAINER_STATE_H_

#include <sys/types.h>

#include <memory>
#include <string>

#include "pkg/base/unique_fd.h"
#include "runsc/config/outcome.h"

namespace cvisor::runsc::container {

// As runc: letters, digits, and _ + - . inside.
Outcome<void> CheckId(const std::string& id);

class State {
 public:
  // "container with id exists" when it is in use.
  static Outcome<std::unique_ptr<State>> Create(const std::string& root, const std::string& id);
  ~State();  // removes the directory

  // Writes state.json (atomically): the fields of the OCI state, plus what runsc needs.
  Outcome<void> Save(const std::string& status, pid_t pid, const std::string& bundle);

 private:
  State(std::string dir, std::string id, UniqueFd lock)
      : dir_(std::move(dir)), id_(std::move(id)), lock_(std::move(lock)) {}
  const std::string dir_, id_;
  UniqueFd lock_;
};

}  // namespace cvisor::runsc::container

#endif  // CVISOR_RUNSC_CONTAINER_STATE_H_
