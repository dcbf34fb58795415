// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Two that wake each other in turn. One operation is there and back.

#include <linux/futex.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>

#include "test/benchmarks/bench.h"

namespace cvisor::bench {
namespace {

// Bytes go to a child process, which sends each of them back.
int64_t PingPong(int64_t n, int to_child[2], int to_parent[2]) {
  const pid_t pid = Check(fork(), "fork");
  char byte = 0;
  if (pid == 0) {
    for (int64_t i = 0; i < n; ++i) {
      if (read(to_child[0], &byte, 1) != 1 || write(to_parent[1], &byte, 1) != 1) _exit(1);
    }
    _exit(0);
  }
  const Stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    if (write(to_child[1], &byte, 1) != 1 || read(to_parent[0], &byte, 1) != 1) Fail("ping");
  }
  const int64_t ns = watch.Ns();
  Check(waitpid(pid, nullptr, 0), "waitpid");
  return ns;
}

int64_t PipePingPong(int64_t n) {
  int there[2], back[2];
  Check(pipe(there), "pipe");
  Check(pipe(back), "pipe");
  const int64_t ns = PingPong(n, there, back);
  for (int fd : {there[0], there[1], back[0], back[1]}) close(fd);
  return ns;
}

int64_t UnixPingPong(int64_t n) {
  int ends[2];
  Check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
  // The child reads and writes ends[1], the parent ends[0].
  int to_child[2] = {ends[1], ends[0]};
  int to_parent[2] = {ends[0], ends[1]};
  const int64_t ns = PingPong(n, to_child, to_parent);
  close(ends[0]);
  close(ends[1]);
  return ns;
}

struct Turn {
  std::atomic<uint32_t> word{0};  // whose turn it is
  int64_t n = 0;

  void WaitFor(uint32_t me) {
    while (word.load() != me) {
      syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1 - me, nullptr, nullptr, 0);
    }
  }
  void Pass(uint32_t to) {
    word.store(to);
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
};

void* OtherSide(void* arg) {
  auto& turn = *static_cast<Turn*>(arg);
  for (int64_t i = 0; i < turn.n; ++i) {
    turn.WaitFor(1);
    turn.Pass(0);
  }
  return nullptr;
}

int64_t FutexPingPong(int64_t n) {
  Turn turn;
  turn.n = n;
  pthread_t thread;
  if (pthread_create(&thread, nullptr, OtherSide, &turn) != 0) Fail("pthread_create");
  const Stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    turn.Pass(1);
    turn.WaitFor(0);
  }
  const int64_t ns = watch.Ns();
  pthread_join(thread, nullptr);
  return ns;
}

}  // namespace

std::vector<Case> IpcCases() {
  return {{"pipe_pingpong", "a byte to another process and back, pipes", PipePingPong},
          {"unix_pingpong", "a byte to another process and back, Unix socket", UnixPingPong},
          {"futex_pingpong", "a turn to another thread and back, futex", FutexPingPong}};
}

}  // namespace cvisor::bench
