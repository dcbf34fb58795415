// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Terminals of a container's first process.

#ifndef CVISOR_RUNSC_BOOT_TERMINAL_H_
#define CVISOR_RUNSC_BOOT_TERMINAL_H_

#include <atomic>
#include <memory>
#include <thread>

#include "pkg/base/unique_fd.h"
#include "pkg/sentry/control/control.pb.h"
#include "pkg/sentry/fs/devpts/filesystem.h"
#include "pkg/sentry/fs/host/fd_file.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/session.h"

namespace cvisor::runsc::boot {

// A pseudo-terminal of the Sentry. Its line discipline, job control and size are the container's own;
// the bytes of its master go through a host descriptor to runsc, whose terminal is raw meanwhile. A
// thread of its own moves them.
class Console {
 public:
  // Takes over stdio.console_fd(), a stream both ways.
  static Result<std::unique_ptr<Console>> New(kernel::Kernel& kernel,
                                              const kernel::Container& container,
                                              const control::Process& process,
                                              const control::Stdio& stdio);
  ~Console();

  const Ref<vfs::FileDescription>& slave() const { return slave_; }
  void BecomeControlling(kernel::Task& task);
  kernel::ControllingTerminal* controlling() const;
  void SetWindowSize(const control::WindowSize& size);
  // The container has ended: sends on what it still wrote and closes the stream.
  void Drain();

 private:
  Console() = default;
  void Start();
  void Pump();

  UniqueFd fd_;
  UniqueFd wake_;  // eventfd: the master changed, or it is time to end
  Ref<vfs::FileDescription> master_, slave_;
  Ref<fs::devpts::Tty> tty_;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

// Host terminals passed through as descriptors, when only some of stdin, stdout and stderr are one: the
// host's line discipline stays in charge, sessions and process groups are the Sentry's.
class HostTerminals {
 public:
  void Add(kernel::Kernel& kernel, fs::host::HostTty& tty);
  void BecomeControlling(kernel::Task& task);
  kernel::ControllingTerminal* controlling() const { return controlling_.get(); }

 private:
  Ref<kernel::ControllingTerminal> controlling_;
  Ref<fs::host::TtyJobControl> job_control_;
};

}  // namespace cvisor::runsc::boot

#endif  // CVISOR_RUNSC_BOOT_TERMINAL_H_
