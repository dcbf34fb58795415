// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/container/guest_process.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "pkg/sentry/control/message_file.h"
#include "runsc/container/hooks.h"
#include "runsc/sandbox/control_socket.h"

namespace cvisor::runsc::container {
namespace {

control::ExecConfig HookConfig(const spec::Spec& spec, const spec::Hook& hook) {
  control::ExecConfig exec;
  control::Process* process = exec.mutable_process();
  process->add_args(hook.path);
  for (size_t i = 1; i < hook.args.size(); ++i) process->add_args(hook.args[i]);
  for (const std::string& env : hook.env) process->add_env(env);
  process->set_cwd("/");
  process->set_umask(022);
  const uint64_t all = spec.container.process().capabilities().bounding();
  process->mutable_capabilities()->set_bounding(all);
  process->mutable_capabilities()->set_permitted(all);
  process->mutable_capabilities()->set_effective(all);
  control::Stdio* stdio = exec.mutable_stdio();
  stdio->set_console_fd(-1);
  for (int fd = 0; fd < 3; ++fd) {
    auto* d = stdio->add_descriptors();
    d->set_guest(fd);
    d->set_host(fd + 1);
  }
  return exec;
}

Outcome<void> RunOne(const spec::Spec& spec, const spec::Hook& hook, const std::string& what,
                     const std::string& dir, const std::string& state) {
  auto channel = sandbox::ConnectIn(dir);
  if (!channel.ok()) return channel.failure();
  auto input = StateFile(state);
  if (!input.ok()) return input.failure();
  auto started = StartProcess(*channel, HookConfig(spec, hook),
                              {input->get(), STDERR_FILENO, STDERR_FILENO});
  if (!started.ok()) return Failure{what + ": " + started.failure().message};
  pollfd ended{channel->fd(), POLLIN, 0};
  int n;
  do {
    n = poll(&ended, 1, hook.timeout_seconds > 0 ? hook.timeout_seconds * 1000 : -1);
  } while (n < 0 && errno == EINTR);
  if (n == 0) return LateHook(what, hook);
  control::Message message;
  const auto got = channel->Receive(&message);
  if (!got.ok() || !*got || !message.has_exited()) return Failure{what + ": the sandbox died"};
  return HookResult(what, hook, message.exited().wait_status());
}

}  // namespace

Outcome<pid_t> StartProcess(control::Channel& channel, const control::ExecConfig& exec,
                            const std::vector<int>& fds) {
  auto file = control::WriteFile(exec);
  if (!file.ok()) {
    return FailureFromErrno("the process's configuration", static_cast<int>(file.error()));
  }
  std::vector<int> all = {file->get()};
  all.insert(all.end(), fds.begin(), fds.end());
  control::Request request;
  request.mutable_exec();
  if (auto s = channel.Send(request, all); !s.ok()) {
    return FailureFromErrno("asking the sandbox", static_cast<int>(s.error()));
  }
  control::Message message;
  const auto got = channel.Receive(&message);
  if (!got.ok() || !*got) return Failure{"the sandbox has ended"};
  if (message.has_start_failed()) return Failure{message.start_failed().message()};
  if (!message.has_started()) return Failure{"the sandbox sent an unexpected message"};
  return message.started().pid();
}

Outcome<void> RunStartContainerHooks(const spec::Spec& spec, const std::string& dir,
                                     const std::string& state) {
  const auto hooks = spec.hooks.find("startContainer");
  if (hooks == spec.hooks.end()) return {};
  for (size_t i = 0; i < hooks->second.size(); ++i) {
    const std::string what = "error running startContainer hook #" + std::to_string(i);
    RUNSC_RETURN_IF_FAILED(RunOne(spec, hooks->second[i], what, dir, state));
  }
  return {};
}

}  // namespace cvisor::runsc::container
