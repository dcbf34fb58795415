// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The first program of a process is loaded by the process's own thread (its platform context belongs
// to that thread), while Kernel::CreateProcess waits for the result. Private to pkg/sentry/kernel.

#ifndef CVISOR_PKG_SENTRY_KERNEL_INITIAL_EXEC_H_
#define CVISOR_PKG_SENTRY_KERNEL_INITIAL_EXEC_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"

namespace cvisor::kernel {

// Where the two threads meet.
class StartGate : public RefCounted {
 public:
  void SetLoaded(Status status) {
    MutexLock lock(mu_);
    loaded_ = status;
    changed_.SignalAll();
  }
  Status WaitLoaded() {
    MutexLock lock(mu_);
    while (!loaded_.has_value()) changed_.Wait(&mu_);
    return *loaded_;
  }
  // false: the process is not to run at all.
  void Open(bool run) {
    MutexLock lock(mu_);
    if (!run_.has_value()) run_ = run;
    changed_.SignalAll();
  }
  bool WaitOpen() {
    MutexLock lock(mu_);
    while (!run_.has_value()) changed_.Wait(&mu_);
    return *run_;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  std::optional<Status> loaded_ ABSL_GUARDED_BY(mu_);
  std::optional<bool> run_ ABSL_GUARDED_BY(mu_);
};

struct InitialExec {
  std::string path;
  std::vector<std::string> argv, envv;
  Ref<StartGate> gate;

  void Finish(Status status) { gate->SetLoaded(status); }
  bool WaitForStart() { return gate->WaitOpen(); }
};

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_INITIAL_EXEC_H_
