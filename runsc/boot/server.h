// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Server: answers the runsc commands that connect to a running sandbox. A thread for each channel;
// a channel is about the container, or, after an ExecRequest, about one more process. Lives as long
// as the sandbox.

#ifndef CVISOR_RUNSC_BOOT_SERVER_H_
#define CVISOR_RUNSC_BOOT_SERVER_H_

#include <memory>
#include <optional>
#include <vector>

#include "pkg/base/mutex.h"
#include "pkg/base/unique_fd.h"
#include "pkg/sentry/control/channel.h"
#include "pkg/sentry/control/control.pb.h"
#include "pkg/sentry/kernel/kernel.h"
#include "runsc/boot/guest_process.h"

namespace cvisor::runsc::boot {

class Server {
 public:
  Server(kernel::Kernel& kernel, Ref<kernel::Container> container, GuestProcess& init)
      : kernel_(kernel), container_(std::move(container)), init_(init) {}

  using ChannelRef = std::shared_ptr<control::Channel>;

  // The channel of the runsc that made the sandbox. It is told of init's end. With `for_life` the
  // sandbox ends when the channel does.
  void AddOwner(ChannelRef channel, bool for_life);
  void Listen(UniqueFd socket);
  // Runs the loaded init; false if it was running already.
  bool StartInit();
  // Tells everybody who waits.
  void InitEnded(int status);

  // SIGWINCH of this process means that the terminal `tty`, init's console, has a new size. The
  // signal has to be blocked before there are threads.
  static void BlockWindowSignals();
  void FollowWindowSize(int tty);

 private:
  // At most so many runsc commands at once; later ones are turned away.
  static constexpr int kMaxChannels = 4096;

  void Accept(const UniqueFd& socket);
  void Serve(const ChannelRef& channel);
  void Handle(const ChannelRef& channel, const control::Request& request,
              const std::vector<UniqueFd>& descriptors);
  void ServeExec(const ChannelRef& channel, std::vector<UniqueFd> descriptors);
  Errno Signal(const control::SignalRequest& request);

  kernel::Kernel& kernel_;
  const Ref<kernel::Container> container_;
  GuestProcess& init_;

  Mutex mu_;  // a leaf, but for the sending of a message
  bool started_ ABSL_GUARDED_BY(mu_) = false;
  int channels_ ABSL_GUARDED_BY(mu_) = 0;
  std::optional<int> exit_status_ ABSL_GUARDED_BY(mu_);
  std::vector<std::weak_ptr<control::Channel>> waiters_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cvisor::runsc::boot

#endif  // CVISOR_RUNSC_BOOT_SERVER_H_
