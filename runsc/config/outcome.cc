// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/config/outcome.h"

#include <sys/wait.h>

#include <cctype>
#include <cstring>

namespace cvisor::runsc {

int ExitCodeOf(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

Failure FailureFromErrno(std::string what, int error) {
  std::string why = strerror(error);
  if (!why.empty()) why[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(why[0])));
  return Failure{std::move(what) + ": " + why};
}

}  // namespace cvisor::runsc
