// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/container/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pkg/base/unique_fd.h"

namespace cvisor::runsc::container {
namespace {

[[noreturn]] void Execute(const spec::Hook& hook, int state, const std::string& directory) {
  std::vector<char*> argv, envp;
  for (const std::string& arg : hook.args) argv.push_back(const_cast<char*>(arg.c_str()));
  if (argv.empty()) argv.push_back(const_cast<char*>(hook.path.c_str()));
  argv.push_back(nullptr);
  for (const std::string& env : hook.env) envp.push_back(const_cast<char*>(env.c_str()));
  envp.push_back(nullptr);
  dup2(state, 0);
  // Not to the engine's pipes, which it would hold open.
  dup2(2, 1);
  syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC);
  for (int sig = 1; sig < 32; ++sig) signal(sig, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (chdir(directory.c_str()) == 0) execve(hook.path.c_str(), argv.data(), envp.data());
  _exit(127);
}

Outcome<void> RunHook(const spec::Hook& hook, const std::string& what, const std::string& state,
                      const std::string& directory) {
  auto file = StateFile(state);
  if (!file.ok()) return file.failure();
  const pid_t pid = fork();
  if (pid < 0) return FailureFromErrno(what + ": fork", errno);
  if (pid == 0) Execute(hook, file->get(), directory);
  bool late = false;
  if (hook.timeout_seconds > 0) {
    const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    pollfd ended{pidfd.get(), POLLIN, 0};
    int n;
    do {
      n = poll(&ended, 1, hook.timeout_seconds * 1000);
    } while (n < 0 && errno == EINTR);
    late = n == 0;
    if (late) kill(pid, SIGKILL);
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (late) return LateHook(what, hook);
  return HookResult(what, hook, status);
}

}  // namespace

Outcome<UniqueFd> StateFile(const std::string& state) {
  UniqueFd fd(memfd_create("container-state", MFD_CLOEXEC));
  if (!fd.valid() || write(fd.get(), state.data(), state.size()) < 0 ||
      lseek(fd.get(), 0, SEEK_SET) < 0) {
    return FailureFromErrno("writing the state for a hook", errno);
  }
  return fd;
}

Outcome<void> HookResult(const std::string& what, const spec::Hook& hook, int wait_status) {
  if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0) return {};
  return Failure{what + ": " + hook.path + ": " +
                 (WIFEXITED(wait_status) ? "exit status " + std::to_string(WEXITSTATUS(wait_status))
                                         : "signal " + std::to_string(WTERMSIG(wait_status)))};
}

Failure LateHook(const std::string& what, const spec::Hook& hook) {
  return Failure{what + ": " + hook.path + " ran for more than " +
                 std::to_string(hook.timeout_seconds) + "s"};
}

Outcome<void> RunHooks(const spec::Spec& spec, const std::string& stage, const std::string& state,
                       const std::string& directory) {
  const auto hooks = spec.hooks.find(stage);
  if (hooks == spec.hooks.end()) return {};
  for (size_t i = 0; i < hooks->second.size(); ++i) {
    const std::string what = "error running " + stage + " hook #" + std::to_string(i);
    RUNSC_RETURN_IF_FAILED(RunHook(hooks->second[i], what, state, directory));
  }
  return {};
}

}  // namespace cvisor::runsc::container
