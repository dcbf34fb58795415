// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// As many threads and processes as there can be, and what is left afterwards.

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>

#include "test/security/stub.h"

namespace cvisor::test {
namespace {

// More would take too long; hosts may allow fewer.
constexpr int kMost = 500;

// Makes threads until there are no more. Returns how many.
int MakeThreads() {
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, 32768);
  int count = 0;
  for (; count < kMost; ++count) {
    pthread_t t;
    if (pthread_create(
            &t, &attr,
            [](void*) -> void* {
              for (;;) pause();
            },
            nullptr) != 0)
      break;
  }
  return count;
}

// Twice: all is given back.
TEST(Limits, Threads) {
  Witness witness;
  Shared<std::atomic<int>> made;
  int first = 0;
  for (int round = 0; round < 2; ++round) {
    *made = -1;
    ScopedChild child([&] {
      *made = MakeThreads();
      for (;;) pause();
    });
    ASSERT_TRUE(WaitUntil([&] { return *made >= 0; }));
    witness.Check();
    EXPECT_THAT(kill(child.pid(), SIGKILL), Succeeds());
    EXPECT_THAT(child.Wait(), KilledBy(SIGKILL));
    EXPECT_GT(*made, 100);
    if (round == 0) first = *made;
    // Others may need what there is, too.
    EXPECT_GT(*made, first / 2);
  }
}

TEST(Limits, Processes) {
  Witness witness;
  int first = 0;
  for (int round = 0; round < 2; ++round) {
    std::vector<pid_t> children;
    while (children.size() < kMost / 2) {
      const pid_t pid = fork();
      if (pid < 0) break;
      if (pid == 0) {
        for (;;) pause();
      }
      children.push_back(pid);
    }
    witness.Check();
    for (const pid_t pid : children) EXPECT_THAT(kill(pid, SIGKILL), Succeeds());
    for (const pid_t pid : children) EXPECT_THAT(Wait(pid), KilledBy(SIGKILL));
    const int made = static_cast<int>(children.size());
    EXPECT_GT(made, 50);
    if (round == 0) first = made;
    EXPECT_GT(made, first / 2);
  }
}

// Processes that are killed while they begin. Whatever they had of the Sentry is given back: in the
// end there would be no descriptors.
TEST(Limits, ProcessesThatDieYoung) {
  Witness witness;
  for (int i = 0; i < 1500; ++i) {
    const pid_t pid = fork();
    ASSERT_THAT(pid, Succeeds()) << "after " << i;
    if (pid == 0) {
      for (;;) RawSyscall(SYS_getppid);
    }
    if (i % 3 == 0) usleep(static_cast<useconds_t>(i % 200));
    ASSERT_THAT(kill(pid, SIGKILL), Succeeds());
    ASSERT_THAT(Wait(pid), KilledBy(SIGKILL));
  }
}

// A process touches all the memory that it shares with the Sentry.
TEST(Limits, WholeSlab) {
  Witness witness;
  const int status = InChild([] {
    for (uint64_t at = SLAB_THREADS_OFFSET + THREAD_SIZE; at < (uint64_t{64} << 20); at += 4096) {
      *reinterpret_cast<volatile char*>(SlabBase() + at) = 1;
    }
  });
  EXPECT_THAT(status, ExitedWith(0));
}

}  // namespace
}  // namespace cvisor::test
