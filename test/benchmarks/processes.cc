// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Processes and threads.

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/benchmarks/bench.h"

namespace cvisor::bench {
namespace {

void WaitFor(pid_t pid) {
  int status;
  Check(waitpid(pid, &status, 0), "waitpid");
  if (status != 0) {
    errno = 0;
    Fail("the child failed");
  }
}

int64_t ForkWait(int64_t n) {
  const Stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    const pid_t pid = Check(fork(), "fork");
    if (pid == 0) _exit(0);
    WaitFor(pid);
  }
  return watch.Ns();
}

int64_t VforkExecWait(int64_t n) {
  const char* path = SelfPath().c_str();
  char name[] = "true";
  char* const argv[] = {name, nullptr};
  char* const envp[] = {nullptr};
  const Stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    const pid_t pid = vfork();
    if (pid == 0) {
      execve(path, argv, envp);
      _exit(127);
    }
    WaitFor(Check(pid, "vfork"));
  }
  return watch.Ns();
}

// $0 of the script is the number of turns.
int64_t ShellTrue(int64_t n) {
  constexpr char kScript[] = "i=0; while [ $i -lt $0 ]; do /bin/true || exit; i=$((i+1)); done";
  const std::string turns = std::to_string(n);
  const Stopwatch watch;
  const pid_t pid = vfork();
  if (pid == 0) {
    execl("/bin/sh", "sh", "-c", kScript, turns.c_str(), nullptr);
    _exit(127);
  }
  WaitFor(Check(pid, "vfork"));
  return watch.Ns();
}

int64_t ThreadCreateJoin(int64_t n) {
  const Stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    pthread_t thread;
    errno = pthread_create(
        &thread, nullptr, [](void*) -> void* { return nullptr; }, nullptr);
    if (errno != 0) Fail("pthread_create");
    pthread_join(thread, nullptr);
  }
  return watch.Ns();
}

void* Work(void* turns) {
  uint64_t x = 1;
  for (int64_t i = 0; i < 20000000 * *static_cast<int64_t*>(turns); ++i) {
    x = x * 6364136223846793005 + 1442695040888963407;
    Keep(x);
  }
  return nullptr;
}

template <int kThreads>
int64_t Compute(int64_t n) {
  const Stopwatch watch;
  pthread_t threads[kThreads];
  for (auto& t : threads) {
    errno = pthread_create(&t, nullptr, Work, &n);
    if (errno != 0) Fail("pthread_create");
  }
  for (auto& t : threads) pthread_join(t, nullptr);
  return watch.Ns();
}

}  // namespace

std::vector<Case> ProcessCases() {
  return {{"fork_wait", "fork, exit, wait", ForkWait},
          {"vfork_exec", "vfork, exec of a static program, wait", VforkExecWait},
          {"thread", "pthread_create and pthread_join", ThreadCreateJoin},
          {"shell_true", "/bin/true in a shell loop of 1,000", ShellTrue, 1000},
          {"compute_1", "20 million steps on one thread", Compute<1>},
          {"compute_2", "the same on each of two threads", Compute<2>}};
}

}  // namespace cvisor::bench
