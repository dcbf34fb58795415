// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Outcome<T>: a value, or a sentence for the user and the exit code that goes with it. For the host
// side of runsc, where an errno alone would not say what is wrong; the Sentry uses Result<T>.

#ifndef CVISOR_RUNSC_CONFIG_OUTCOME_H_
#define CVISOR_RUNSC_CONFIG_OUTCOME_H_

#include <string>
#include <utility>
#include <variant>

namespace cvisor::runsc {

// Exit codes of runsc itself; a container's own code is passed on unchanged.
inline constexpr int kExitFailure = 1;         // bad flags, bad spec, host lacks something
inline constexpr int kExitNotExecutable = 126;  // the command exists but cannot be executed
inline constexpr int kExitNotFound = 127;       // the command does not exist
inline constexpr int kExitSandboxDied = 128;    // the Sentry crashed or was killed

// A container's exit code, from the wait(2) status of its first process: 128+N when signal N ended it.
int ExitCodeOf(int wait_status);

struct Failure {
  std::string message;  // one line, without "runsc:" and without a full stop
  int exit_code = kExitFailure;
};

template <typename T>
class [[nodiscard]] Outcome {
 public:
  Outcome(Failure f) : v_(std::move(f)) {}          // NOLINT: implicit
  Outcome(T value) : v_(std::move(value)) {}        // NOLINT: implicit
  bool ok() const { return v_.index() == 1; }
  const Failure& failure() const { return std::get<0>(v_); }
  T& operator*() { return std::get<1>(v_); }
  const T& operator*() const { return std::get<1>(v_); }
  T* operator->() { return &std::get<1>(v_); }

 private:
  std::variant<Failure, T> v_;
};

template <>
class [[nodiscard]] Outcome<void> {
 public:
  Outcome() = default;
  Outcome(Failure f) : failed_(true), failure_(std::move(f)) {}  // NOLINT: implicit
  bool ok() const { return !failed_; }
  const Failure& failure() const { return failure_; }

 private:
  bool failed_ = false;
  Failure failure_;
};

// "what: No such file or directory", from errno.
Failure FailureFromErrno(std::string what, int error);

}  // namespace cvisor::runsc

#define RUNSC_RETURN_IF_FAILED(expr)                       \
  do {                                                     \
    if (auto runsc_outcome_ = (expr); !runsc_outcome_.ok()) \
      return runsc_outcome_.failure();                     \
  } while (0)

#endif  // CVISOR_RUNSC_CONFIG_OUTCOME_H_
