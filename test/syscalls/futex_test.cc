// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// futex(2), robust lists, set_tid_address(2), thread clone flags.
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <memory>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

using Word = std::atomic<uint32_t>;

long Futex(Word* word, int op, uint32_t value, const timespec* timeout = nullptr,
           Word* word2 = nullptr, uint32_t value3 = 0) {
  return syscall(SYS_futex, word, op, value, timeout, word2, value3);
}
long FutexN(Word* word, int op, uint32_t value, long count2, Word* word2, uint32_t value3 = 0) {
  return syscall(SYS_futex, word, op, value, count2, word2, value3);
}

TEST(FutexTest, WaitChecksTheValue) {
  Word w = 1;
  EXPECT_THAT(Futex(&w, FUTEX_WAIT, 0), FailsWith(EAGAIN));
  EXPECT_THAT(Futex(&w, FUTEX_WAKE, 1), SucceedsWith(0));
}

TEST(FutexTest, WakeCounts) {
  Word w = 0;
  std::atomic<int> woken = 0;
  std::vector<std::unique_ptr<ScopedThread>> threads;
  for (int i = 0; i < 4; ++i) {
    threads.push_back(std::make_unique<ScopedThread>([&] {
      EXPECT_THAT(Futex(&w, FUTEX_WAIT_PRIVATE, 0), SucceedsWith(0));
      ++woken;
    }));
  }
  for (auto& t : threads) EXPECT_TRUE(WaitUntilBlocked(t->tid()));
  EXPECT_THAT(Futex(&w, FUTEX_WAKE_PRIVATE, 1), SucceedsWith(1));
  EXPECT_THAT(Futex(&w, FUTEX_WAKE_PRIVATE, 2), SucceedsWith(2));
  EXPECT_THAT(Futex(&w, FUTEX_WAKE_PRIVATE, INT32_MAX), SucceedsWith(1));
  threads.clear();
  EXPECT_EQ(woken, 4);
}

// Often enough for whatever makes a call cheaper that is made often.
TEST(FutexTest, NoWakeupIsLost) {
  constexpr uint32_t kTurns = 20000;
  Word turn = 0;
  const auto play = [&turn](uint32_t mine) {
    for (uint32_t i = 0; i < kTurns; ++i) {
      uint32_t now;
      while ((now = turn.load()) % 2 != mine) {
        const long r = Futex(&turn, FUTEX_WAIT_PRIVATE, now);
        ASSERT_TRUE(r == 0 || errno == EAGAIN) << errno;
      }
      turn.store(now + 1);
      ASSERT_GE(Futex(&turn, FUTEX_WAKE_PRIVATE, 1), 0);
    }
  };
  {
    ScopedThread other([&] { play(1); });
    play(0);
  }
  EXPECT_EQ(turn.load(), 2 * kTurns);
  EXPECT_THAT(Futex(&turn, FUTEX_WAKE_PRIVATE, 1), SucceedsWith(0));
}

TEST(FutexTest, PrivateCallsThatNeedNobodyElse) {
  Word w = 1;
  char* const none =
      static_cast<char*>(mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(none, MAP_FAILED);
  timespec bad = {0, 1000000000};
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(Futex(&w, FUTEX_WAKE_PRIVATE, 1), SucceedsWith(0));
    EXPECT_THAT(Futex(&w, FUTEX_WAIT_PRIVATE, 0), FailsWith(EAGAIN));
    EXPECT_THAT(Futex(&w, FUTEX_WAIT_PRIVATE, 0, &bad), FailsWith(EINVAL));
    EXPECT_THAT(syscall(SYS_futex, reinterpret_cast<char*>(&w) + 2, FUTEX_WAKE_PRIVATE, 1),
                FailsWith(EINVAL));
    EXPECT_THAT(syscall(SYS_futex, reinterpret_cast<char*>(&w) + 2, FUTEX_WAIT_PRIVATE, 1, nullptr),
                FailsWith(EINVAL));
    EXPECT_THAT(syscall(SYS_futex, none, FUTEX_WAIT_PRIVATE, 1, nullptr), FailsWith(EFAULT));
    EXPECT_THAT(syscall(SYS_futex, none, FUTEX_WAKE_PRIVATE, 1), SucceedsWith(0));
    EXPECT_THAT(syscall(SYS_futex, uint64_t{1} << 63, FUTEX_WAIT_PRIVATE, 1, nullptr),
                FailsWith(EFAULT));
    EXPECT_THAT(syscall(SYS_futex, uint64_t{1} << 63, FUTEX_WAKE_PRIVATE, 1), FailsWith(EFAULT));
    EXPECT_THAT(Futex(&w, FUTEX_WAKE_PRIVATE | FUTEX_CLOCK_REALTIME, 1), FailsWith(ENOSYS));
  }
  munmap(none, 4096);
}

TEST(FutexTest, Timeouts) {
  Word w = 0;
  timespec limit = {0, 20000000};
  const int64_t start = NowNs();
  EXPECT_THAT(Futex(&w, FUTEX_WAIT, 0, &limit), FailsWith(ETIMEDOUT));
  EXPECT_GE(NowNs() - start, 20000000);
  // Absolute for the bitset operation.
  timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  EXPECT_THAT(Futex(&w, FUTEX_WAIT_BITSET, 0, &at, nullptr, 1), FailsWith(ETIMEDOUT));
  clock_gettime(CLOCK_REALTIME, &at);
  EXPECT_THAT(Futex(&w, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &at, nullptr, 1),
              FailsWith(ETIMEDOUT));
  limit = {0, 1000000000};
  EXPECT_THAT(Futex(&w, FUTEX_WAIT, 0, &limit), FailsWith(EINVAL));
  limit = {-1, 0};
  EXPECT_THAT(Futex(&w, FUTEX_WAIT, 0, &limit), FailsWith(EINVAL));
}

TEST(FutexTest, Errors) {
  Word w = 0;
  EXPECT_THAT(syscall(SYS_futex, reinterpret_cast<char*>(&w) + 1, FUTEX_WAIT, 0, nullptr),
              FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_futex, 4096, FUTEX_WAIT, 0, nullptr), FailsWith(EFAULT));
  EXPECT_THAT(syscall(SYS_futex, 4096, FUTEX_WAKE, 1, nullptr), FailsWith(EFAULT));
  EXPECT_THAT(Futex(&w, 99, 0), FailsWith(ENOSYS));
  EXPECT_THAT(Futex(&w, FUTEX_WAIT_BITSET, 0, nullptr, nullptr, 0), FailsWith(EINVAL));
  EXPECT_THAT(Futex(&w, FUTEX_WAKE_BITSET, 1, nullptr, nullptr, 0), FailsWith(EINVAL));
  EXPECT_THAT(Futex(&w, FUTEX_WAIT, 0, reinterpret_cast<timespec*>(8)), FailsWith(EFAULT));
}

TEST(FutexTest, Interruption) {
  Word w = 0;
  ScopedSigaction action(SIGUSR1, [](int) {});
  ScopedThread thread([&] { EXPECT_THAT(Futex(&w, FUTEX_WAIT, 0), FailsWith(EINTR)); });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  pthread_kill(thread.handle(), SIGUSR1);
  thread.Join();
}

TEST(FutexTest, RestartedByHandlersThatSaySo) {
  Word w = 0;
  static std::atomic<int> caught;
  caught = 0;
  ScopedSigaction action(
      SIGUSR1, [](int) { ++caught; }, SA_RESTART);
  ScopedThread thread([&] { EXPECT_THAT(Futex(&w, FUTEX_WAIT, 0), SucceedsWith(0)); });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  pthread_kill(thread.handle(), SIGUSR1);
  EXPECT_TRUE(WaitUntil([] { return caught == 1; }));
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  EXPECT_TRUE(WaitUntil([&] { return Futex(&w, FUTEX_WAKE, 1) == 1; }));
  thread.Join();
}

TEST(FutexTest, Bitsets) {
  Word w = 0;
  ScopedThread a(
      [&] { EXPECT_THAT(Futex(&w, FUTEX_WAIT_BITSET, 0, nullptr, nullptr, 1), SucceedsWith(0)); });
  ScopedThread b(
      [&] { EXPECT_THAT(Futex(&w, FUTEX_WAIT_BITSET, 0, nullptr, nullptr, 2), SucceedsWith(0)); });
  EXPECT_TRUE(WaitUntilBlocked(a.tid()));
  EXPECT_TRUE(WaitUntilBlocked(b.tid()));
  EXPECT_THAT(Futex(&w, FUTEX_WAKE_BITSET, 10, nullptr, nullptr, 4), SucceedsWith(0));
  EXPECT_THAT(Futex(&w, FUTEX_WAKE_BITSET, 10, nullptr, nullptr, 2), SucceedsWith(1));
  b.Join();
  EXPECT_THAT(Futex(&w, FUTEX_WAKE, 10), SucceedsWith(1));
}

TEST(FutexTest, Requeue) {
  Word w = 0, v = 0;
  std::vector<std::unique_ptr<ScopedThread>> threads;
  for (int i = 0; i < 3; ++i) {
    threads.push_back(std::make_unique<ScopedThread>(
        [&] { EXPECT_THAT(Futex(&w, FUTEX_WAIT, 0), SucceedsWith(0)); }));
  }
  for (auto& t : threads) EXPECT_TRUE(WaitUntilBlocked(t->tid()));
  EXPECT_THAT(FutexN(&w, FUTEX_CMP_REQUEUE, 1, 10, &v, 5), FailsWith(EAGAIN));
  // One is woken, two move; CMP_REQUEUE counts all.
  EXPECT_THAT(FutexN(&w, FUTEX_CMP_REQUEUE, 1, 10, &v, 0), SucceedsWith(3));
  EXPECT_THAT(Futex(&w, FUTEX_WAKE, 10), SucceedsWith(0));
  EXPECT_THAT(Futex(&v, FUTEX_WAKE, 10), SucceedsWith(2));
}

TEST(FutexTest, TheRequeuedAreFoundWhereTheyAre) {
  for (int i = 0; i < 20; ++i) {
    Word from = 0, to = 0;
    ScopedThread waiter([&] { EXPECT_THAT(Futex(&from, FUTEX_WAIT_PRIVATE, 0), SucceedsWith(0)); });
    ASSERT_TRUE(WaitUntilBlocked(waiter.tid()));
    EXPECT_THAT(Futex(&to, FUTEX_WAKE_PRIVATE, 1), SucceedsWith(0));
    EXPECT_THAT(FutexN(&from, FUTEX_CMP_REQUEUE_PRIVATE, 0, 1, &to, 0), SucceedsWith(1));
    EXPECT_THAT(Futex(&from, FUTEX_WAKE_PRIVATE, 1), SucceedsWith(0));
    EXPECT_THAT(Futex(&to, FUTEX_WAKE_PRIVATE, 1), SucceedsWith(1));
  }
}

TEST(FutexTest, RequeueCountsOnlyTheWoken) {
  Word w = 0, v = 0;
  ScopedThread a([&] { EXPECT_THAT(Futex(&w, FUTEX_WAIT, 0), SucceedsWith(0)); });
  ScopedThread b([&] { EXPECT_THAT(Futex(&w, FUTEX_WAIT, 0), SucceedsWith(0)); });
  EXPECT_TRUE(WaitUntilBlocked(a.tid()));
  EXPECT_TRUE(WaitUntilBlocked(b.tid()));
  EXPECT_THAT(FutexN(&w, FUTEX_REQUEUE, 0, 1, &v), SucceedsWith(1));
  EXPECT_THAT(Futex(&w, FUTEX_WAKE, 10), SucceedsWith(1));
  EXPECT_THAT(Futex(&v, FUTEX_WAKE, 10), SucceedsWith(1));
}

TEST(FutexTest, WakeOp) {
  Word w = 0, v = 5;
  ScopedThread a([&] { EXPECT_THAT(Futex(&w, FUTEX_WAIT, 0), SucceedsWith(0)); });
  ScopedThread b([&] { EXPECT_THAT(Futex(&v, FUTEX_WAIT, 5), SucceedsWith(0)); });
  EXPECT_TRUE(WaitUntilBlocked(a.tid()));
  EXPECT_TRUE(WaitUntilBlocked(b.tid()));
  // v += 3; wake one of w, and one of v if it was greater than 9: it was not.
  EXPECT_THAT(FutexN(&w, FUTEX_WAKE_OP, 1, 1, &v, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_GT, 9)),
              SucceedsWith(1));
  EXPECT_EQ(v, 8u);
  EXPECT_THAT(FutexN(&w, FUTEX_WAKE_OP, 1, 1, &v, FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_EQ, 8)),
              SucceedsWith(1));
  EXPECT_EQ(v, 1u);
}

TEST(FutexTest, SharedBetweenProcesses) {
  Shared<Word> w;
  ScopedChild child([&] { EXPECT_THAT(Futex(w.get(), FUTEX_WAIT, 0), SucceedsWith(0)); });
  EXPECT_TRUE(WaitUntilBlocked(child.pid()));
  // Private futexes are others.
  EXPECT_THAT(Futex(w.get(), FUTEX_WAKE_PRIVATE, 1), SucceedsWith(0));
  EXPECT_THAT(Futex(w.get(), FUTEX_WAKE, 1), SucceedsWith(1));
  EXPECT_THAT(child.Wait(), ExitedWith(0));
}

TEST(FutexTest, SharedFileMappingsAtDifferentAddresses) {
  TempDir dir;
  Fd fd = Open(dir / "f", O_RDWR | O_CREAT);
  EXPECT_THAT(ftruncate(fd.get(), 8192), SucceedsWith(0));
  const auto map = [&](off_t offset, size_t size) {
    return static_cast<char*>(
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), offset));
  };
  char* a = map(0, 8192);
  char* b = map(4096, 4096);
  ScopedThread thread([&] {
    EXPECT_THAT(Futex(reinterpret_cast<Word*>(a + 4096), FUTEX_WAIT, 0), SucceedsWith(0));
  });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  EXPECT_THAT(Futex(reinterpret_cast<Word*>(b), FUTEX_WAKE, 1), SucceedsWith(1));
  thread.Join();
  munmap(a, 8192);
  munmap(b, 4096);
}

TEST(FutexTest, PriorityInheritance) {
  Word w = 0;
  EXPECT_THAT(Futex(&w, FUTEX_LOCK_PI, 0), SucceedsWith(0));
  EXPECT_EQ(w & FUTEX_TID_MASK, static_cast<uint32_t>(gettid()));
  EXPECT_THAT(Futex(&w, FUTEX_LOCK_PI, 0), FailsWith(EDEADLK));
  ScopedThread thread([&] {
    EXPECT_THAT(Futex(&w, FUTEX_TRYLOCK_PI, 0), FailsWith(EAGAIN));
    EXPECT_THAT(Futex(&w, FUTEX_UNLOCK_PI, 0), FailsWith(EPERM));
    EXPECT_THAT(Futex(&w, FUTEX_LOCK_PI, 0), SucceedsWith(0));
    EXPECT_EQ(w & FUTEX_TID_MASK, static_cast<uint32_t>(gettid()));
    EXPECT_THAT(Futex(&w, FUTEX_UNLOCK_PI, 0), SucceedsWith(0));
  });
  EXPECT_TRUE(WaitUntil([&] { return w & FUTEX_WAITERS; }));
  EXPECT_THAT(Futex(&w, FUTEX_UNLOCK_PI, 0), SucceedsWith(0));
  thread.Join();
  EXPECT_EQ(w, 0u);
}

TEST(FutexTest, PriorityInheritanceErrors) {
  Word w = 0x3ffffff0;
  EXPECT_THAT(Futex(&w, FUTEX_LOCK_PI, 0), FailsWith(ESRCH));
  const timespec past = {1, 0};
  Word held = 0;
  EXPECT_THAT(Futex(&held, FUTEX_LOCK_PI, 0), SucceedsWith(0));
  ScopedThread([&] { EXPECT_THAT(Futex(&held, FUTEX_LOCK_PI, 0, &past), FailsWith(ETIMEDOUT)); });
  EXPECT_THAT(Futex(&held, FUTEX_UNLOCK_PI, 0), SucceedsWith(0));
}

TEST(FutexTest, PthreadMutexesOfAllKinds) {
  for (int protocol : {PTHREAD_PRIO_NONE, PTHREAD_PRIO_INHERIT}) {
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setprotocol(&attr, protocol);
    pthread_mutex_t mutex;
    ASSERT_EQ(pthread_mutex_init(&mutex, &attr), 0);
    int counter = 0;
    {
      std::vector<std::unique_ptr<ScopedThread>> threads;
      for (int t = 0; t < 4; ++t) {
        threads.push_back(std::make_unique<ScopedThread>([&] {
          for (int i = 0; i < 500; ++i) {
            EXPECT_EQ(pthread_mutex_lock(&mutex), 0);
            const int v = counter;
            if (i % 50 == 0) sched_yield();
            counter = v + 1;
            EXPECT_EQ(pthread_mutex_unlock(&mutex), 0);
          }
        }));
      }
    }
    EXPECT_EQ(counter, 2000);
    pthread_mutex_destroy(&mutex);
  }
}

TEST(FutexTest, RobustMutexSurvivesItsOwner) {
  for (int protocol : {PTHREAD_PRIO_NONE, PTHREAD_PRIO_INHERIT}) {
    Shared<pthread_mutex_t> mutex;
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setprotocol(&attr, protocol);
    ASSERT_EQ(pthread_mutex_init(mutex.get(), &attr), 0);
    Event locked;
    ScopedChild child([&] {
      EXPECT_EQ(pthread_mutex_lock(mutex.get()), 0);
      locked.Signal();
      for (;;) pause();
    });
    locked.Wait();
    ScopedThread thread([&] { EXPECT_EQ(pthread_mutex_lock(mutex.get()), EOWNERDEAD); });
    EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
    kill(child.pid(), SIGKILL);
    thread.Join();
  }
}

TEST(FutexTest, RobustListCalls) {
  struct robust_list_head* head = nullptr;
  size_t size = 0;
  EXPECT_THAT(syscall(SYS_get_robust_list, 0, &head, &size), SucceedsWith(0));
  EXPECT_NE(head, nullptr);
  EXPECT_EQ(size, sizeof *head);
  EXPECT_THAT(syscall(SYS_set_robust_list, head, 8), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_get_robust_list, 0x7ffffff0, &head, &size), FailsWith(ESRCH));
}

TEST(FutexTest, ClearChildTidWakes) {
  EXPECT_THAT(InChild([] {
                Shared<Word> tid;
                const pid_t pid = Fork([&] {
                  *tid = 1;
                  EXPECT_THAT(syscall(SYS_set_tid_address, tid.get()), SucceedsWith(gettid()));
                  // Cleared only when others share the memory.
                });
                EXPECT_THAT(Wait(pid), ExitedWith(0));
                EXPECT_EQ(*tid, 1u);
              }),
              ExitedWith(0));
  Shared<Word> word;
  *word = 1;
  void* stack = Allocate(65536);
  const pid_t pid =
      clone([](void*) { return 0; }, static_cast<char*>(stack) + 65536,
            CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, nullptr, nullptr, nullptr, word.get());
  ASSERT_GT(pid, 0);
  while (*word != 0) Futex(word.get(), FUTEX_WAIT, 1);
  EXPECT_THAT(Wait(pid), ExitedWith(0));
  Free(stack, 65536);
}

TEST(FutexTest, FutexWaitv) {
  struct Waitv {
    uint64_t value, address;
    uint32_t flags, reserved;
  };
  Word a = 0, b = 0;
  ScopedThread thread([&] {
    Waitv w[2] = {{0, reinterpret_cast<uint64_t>(&a), 2, 0},
                  {0, reinterpret_cast<uint64_t>(&b), 2, 0}};
    EXPECT_THAT(syscall(SYS_futex_waitv, w, 2, 0, nullptr, 0), SucceedsWith(1));
    w[0].value = 7;
    EXPECT_THAT(syscall(SYS_futex_waitv, w, 2, 0, nullptr, 0), FailsWith(EAGAIN));
    EXPECT_THAT(syscall(SYS_futex_waitv, w, 0, 0, nullptr, 0), FailsWith(EINVAL));
  });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  EXPECT_THAT(Futex(&b, FUTEX_WAKE, 1), SucceedsWith(1));
  thread.Join();
}

TEST(ThreadTest, IdsAndTasks) {
  ScopedThread thread([&] {
    EXPECT_NE(gettid(), getpid());
    EXPECT_EQ(ReadFile("/proc/thread-self/comm"),
              ReadFile("/proc/self/task/" + std::to_string(gettid()) + "/comm"));
    pthread_setname_np(pthread_self(), "renamed");
    EXPECT_EQ(ReadFile("/proc/thread-self/comm"), "renamed\n");
    EXPECT_NE(ReadFile("/proc/self/comm"), "renamed\n");
  });
  thread.Join();
}

TEST(ThreadTest, ManyThreads) {
  std::atomic<int> count = 0;
  std::vector<std::unique_ptr<ScopedThread>> threads;
  for (int i = 0; i < 100; ++i) {
    threads.push_back(std::make_unique<ScopedThread>([&] { ++count; }));
  }
  threads.clear();
  EXPECT_EQ(count, 100);
}

TEST(ThreadTest, TgkillChecksTheGroup) {
  ScopedThread thread([] { usleep(1000); });
  EXPECT_THAT(syscall(SYS_tgkill, getpid(), gettid(), 0), SucceedsWith(0));
  EXPECT_THAT(syscall(SYS_tgkill, getppid(), gettid(), 0), FailsWith(ESRCH));
  EXPECT_THAT(syscall(SYS_tgkill, -1, gettid(), 0), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_tgkill, getpid(), 0, 0), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_tkill, gettid(), 65), FailsWith(EINVAL));
}

TEST(ThreadTest, ThreadLocalStorageBases) {
  unsigned long fs = 0;
  EXPECT_THAT(syscall(SYS_arch_prctl, 0x1003, &fs), SucceedsWith(0));
  EXPECT_EQ(fs, reinterpret_cast<unsigned long>(pthread_self()));
  unsigned long gs = 0;
  EXPECT_THAT(syscall(SYS_arch_prctl, 0x1001, 0x1234560), SucceedsWith(0));
  EXPECT_THAT(syscall(SYS_arch_prctl, 0x1004, &gs), SucceedsWith(0));
  EXPECT_EQ(gs, 0x1234560u);
  sched_yield();
  EXPECT_THAT(syscall(SYS_arch_prctl, 0x1004, &gs), SucceedsWith(0));
  EXPECT_EQ(gs, 0x1234560u);
  syscall(SYS_arch_prctl, 0x1001, 0);
  EXPECT_THAT(syscall(SYS_arch_prctl, 0x9999, 0), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_arch_prctl, 0x1002, 0xffff800000000000ul), FailsWith(EPERM));
}

}  // namespace
}  // namespace cvisor::test
