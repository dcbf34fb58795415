// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// GuestProcess: a process that runsc asked for (a container's first one, or one of `runsc exec`),
// with its descriptors and its terminal.

#ifndef CVISOR_RUNSC_BOOT_GUEST_PROCESS_H_
#define CVISOR_RUNSC_BOOT_GUEST_PROCESS_H_

#include <memory>

#include "pkg/sentry/control/control.pb.h"
#include "pkg/sentry/kernel/kernel.h"
#include "runsc/boot/terminal.h"
#include "runsc/config/outcome.h"

namespace cvisor::runsc::boot {

struct GuestOptions {
  bool init = true;
  // `runsc do`; see control::Container.
  bool like_a_child = false;
  // See kernel::ProcessSpec.
  std::function<void(int code, int status)> outside_parent;
};

// No lock of its own: what changes after Load() has one.
class GuestProcess {
 public:
  GuestProcess(kernel::Kernel& kernel, Ref<kernel::Container> container);
  ~GuestProcess();

  // Takes over the descriptors of `stdio` and loads the program; nothing of it runs yet. A failure
  // has the words and the exit code that runsc shows.
  Outcome<void> Load(const control::Process& process, const control::Stdio& stdio,
                     const GuestOptions& options);
  void Start() { kernel_.Start(*tg_); }
  // Blocks until it has ended and its terminal is drained; the wait(2) status. Once.
  int WaitForExit();

  Status Signal(const control::SignalRequest& request);
  void SetWindowSize(const control::WindowSize& size);
  // Its number in the container.
  int pid();

 private:
  Outcome<void> OpenFiles(const control::Process& process, const control::Stdio& stdio,
                          kernel::ProcessSpec* spec);
  void OnLoaded(const control::Process& process, kernel::Task& task);
  void SignalForeground(int sig);

  kernel::Kernel& kernel_;
  const Ref<kernel::Container> container_;
  Ref<kernel::ThreadGroup> tg_;
  std::unique_ptr<Console> console_;
  HostTerminals host_terminals_;
};

}  // namespace cvisor::runsc::boot

#endif  // CVISOR_RUNSC_BOOT_GUEST_PROCESS_H_
