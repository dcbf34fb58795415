// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// futex_wake(2), futex_wait(2), futex_requeue(2) (Linux 6.7), and futex_waitv(2) beside them.
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

// Newer than Debian 12's headers.
constexpr long kFutexWake = 454, kFutexWait = 455, kFutexRequeue = 456;
constexpr unsigned kU32 = 2, kPrivate = FUTEX_PRIVATE_FLAG;
constexpr uint64_t kAll = 0xffffffff;

using Word = std::atomic<uint32_t>;

long Wake(Word* w, uint64_t mask, int count, unsigned flags = kU32 | kPrivate) {
  return syscall(kFutexWake, w, mask, count, flags);
}
long WaitFor(Word* w, uint64_t value, uint64_t mask = kAll, unsigned flags = kU32 | kPrivate,
             const timespec* timeout = nullptr, clockid_t clock = CLOCK_MONOTONIC) {
  return syscall(kFutexWait, w, value, mask, flags, timeout, clock);
}
futex_waitv Item(Word* w, uint64_t value, unsigned flags = kU32 | kPrivate) {
  return {value, reinterpret_cast<uint64_t>(w), flags, 0};
}
timespec After(int64_t ms, clockid_t clock) {
  const int64_t ns = NowNs(clock) + ms * 1000000;
  return {ns / 1000000000, ns % 1000000000};
}

class Futex2Test : public ::testing::Test {
 protected:
  void SetUp() override {
    Word w = 0;
    if (getenv("TEST_ON_CVISOR") != nullptr) return;  // it has them
    if (WaitFor(&w, 1) == -1 && errno == ENOSYS) GTEST_SKIP() << "Linux before 6.7";
  }
};

TEST_F(Futex2Test, WakeArguments) {
  Word w = 0;
  EXPECT_THAT(Wake(&w, kAll, 1), SucceedsWith(0));
  EXPECT_THAT(Wake(&w, kAll, 0), SucceedsWith(0));
  EXPECT_THAT(Wake(&w, 0, 1), FailsWith(EINVAL));
  EXPECT_THAT(Wake(&w, 0, 0), FailsWith(EINVAL));
  EXPECT_THAT(Wake(&w, kAll + 1, 1), FailsWith(EINVAL));
  EXPECT_THAT(Wake(&w, kAll, 1, 0x40 | kU32), FailsWith(EINVAL));
  EXPECT_THAT(Wake(&w, kAll, 1, kPrivate), FailsWith(EINVAL));      // 8 bits
  EXPECT_THAT(Wake(&w, kAll, 1, kPrivate | 1), FailsWith(EINVAL));  // 16
  EXPECT_THAT(Wake(&w, kAll, 1, kPrivate | 3), FailsWith(EINVAL));  // 64
  auto* odd = reinterpret_cast<Word*>(reinterpret_cast<char*>(&w) + 1);
  EXPECT_THAT(Wake(odd, kAll, 1), FailsWith(EINVAL));
  EXPECT_THAT(Wake(odd, kAll, 0), FailsWith(EINVAL));
  EXPECT_THAT(Wake(reinterpret_cast<Word*>(~uint64_t{7}), kAll, 1), FailsWith(EFAULT));
}

TEST_F(Futex2Test, WaitArguments) {
  Word w = 5;
  EXPECT_THAT(WaitFor(&w, 4), FailsWith(EAGAIN));
  EXPECT_THAT(WaitFor(&w, uint64_t{5} + (uint64_t{1} << 32)), FailsWith(EINVAL));
  EXPECT_THAT(WaitFor(&w, 5, 0), FailsWith(EINVAL));
  EXPECT_THAT(WaitFor(&w, 5, kAll + 1), FailsWith(EINVAL));
  EXPECT_THAT(WaitFor(&w, 5, kAll, kPrivate), FailsWith(EINVAL));
  EXPECT_THAT(WaitFor(&w, 5, kAll, 0x1000 | kU32), FailsWith(EINVAL));
  const timespec wrong = {0, 1000000000}, past = {0, 0};
  EXPECT_THAT(WaitFor(&w, 5, kAll, kU32, &wrong), FailsWith(EINVAL));
  EXPECT_THAT(WaitFor(&w, 5, kAll, kU32, &past, CLOCK_BOOTTIME), FailsWith(EINVAL));
  EXPECT_THAT(WaitFor(&w, 5, kAll, kU32, reinterpret_cast<timespec*>(8)), FailsWith(EFAULT));
  EXPECT_THAT(WaitFor(&w, 5, kAll, kU32, &past), FailsWith(ETIMEDOUT));
  // The clock does not matter without a time.
  EXPECT_THAT(WaitFor(&w, 4, kAll, kU32, nullptr, 77), FailsWith(EAGAIN));
  EXPECT_THAT(WaitFor(nullptr, 0), FailsWith(EFAULT));
}

TEST_F(Futex2Test, TimesOut) {
  Word w = 0;
  for (const clockid_t clock : {CLOCK_MONOTONIC, CLOCK_REALTIME}) {
    const int64_t begin = NowNs();
    const timespec t = After(20, clock);
    EXPECT_THAT(WaitFor(&w, 0, kAll, kU32 | kPrivate, &t, clock), FailsWith(ETIMEDOUT));
    EXPECT_GE(NowNs() - begin, 19000000);
  }
}

TEST_F(Futex2Test, WaitAndWake) {
  Word w = 0;
  ScopedThread sleeper([&] { EXPECT_THAT(WaitFor(&w, 0), SucceedsWith(0)); });
  ASSERT_TRUE(WaitUntilBlocked(sleeper.tid()));
  EXPECT_THAT(Wake(&w, kAll, 0), SucceedsWith(0));  // nobody, unlike FUTEX_WAKE
  EXPECT_THAT(Wake(&w, kAll, 5), SucceedsWith(1));
}

TEST_F(Futex2Test, Masks) {
  Word w = 0;
  ScopedThread one([&] { EXPECT_THAT(WaitFor(&w, 0, 1), SucceedsWith(0)); });
  ScopedThread two([&] { EXPECT_THAT(WaitFor(&w, 0, 2), SucceedsWith(0)); });
  ASSERT_TRUE(WaitUntilBlocked(one.tid()) && WaitUntilBlocked(two.tid()));
  EXPECT_THAT(Wake(&w, 4, 5), SucceedsWith(0));
  EXPECT_THAT(Wake(&w, 2, 5), SucceedsWith(1));
  two.Join();
  EXPECT_THAT(Wake(&w, 3, 5), SucceedsWith(1));
}

TEST_F(Futex2Test, WithFutex) {
  // The same queues as futex(2)'s.
  Word w = 0;
  ScopedThread newer([&] { EXPECT_THAT(WaitFor(&w, 0), SucceedsWith(0)); });
  ASSERT_TRUE(WaitUntilBlocked(newer.tid()));
  EXPECT_THAT(syscall(SYS_futex, &w, FUTEX_WAKE_PRIVATE, 1), SucceedsWith(1));
  newer.Join();
  ScopedThread older([&] {
    EXPECT_THAT(syscall(SYS_futex, &w, FUTEX_WAIT_PRIVATE, 0, nullptr), SucceedsWith(0));
  });
  ASSERT_TRUE(WaitUntilBlocked(older.tid()));
  EXPECT_THAT(Wake(&w, kAll, 1), SucceedsWith(1));
}

TEST_F(Futex2Test, AcrossProcesses) {
  Shared<Word> w;
  ScopedChild child([&] { EXPECT_THAT(WaitFor(w.get(), 0, kAll, kU32), SucceedsWith(0)); });
  ASSERT_TRUE(WaitUntilBlocked(child.pid()));
  EXPECT_THAT(Wake(w.get(), kAll, 1, kU32 | kPrivate), SucceedsWith(0));
  EXPECT_THAT(Wake(w.get(), kAll, 1, kU32), SucceedsWith(1));
  EXPECT_THAT(child.Wait(), ExitedWith(0));
}

TEST_F(Futex2Test, SignalsInterrupt) {
  Word w = 0;
  std::atomic<bool> done = false;
  ScopedSigaction handler(SIGUSR1, [](int) {});
  ScopedThread sleeper([&] {
    EXPECT_THAT(WaitFor(&w, 0), FailsWith(EINTR));
    done = true;
  });
  ASSERT_TRUE(WaitUntilBlocked(sleeper.tid()));
  pthread_kill(sleeper.handle(), SIGUSR1);
  sleeper.Join();
  EXPECT_TRUE(done);
}

TEST_F(Futex2Test, SignalsWithRestart) {
  Word w = 0;
  static std::atomic<int> handled;
  handled = 0;
  ScopedSigaction handler(
      SIGUSR1, [](int) { ++handled; }, SA_RESTART);
  ScopedThread sleeper([&] { EXPECT_THAT(WaitFor(&w, 0), SucceedsWith(0)); });
  ASSERT_TRUE(WaitUntilBlocked(sleeper.tid()));
  pthread_kill(sleeper.handle(), SIGUSR1);
  EXPECT_TRUE(WaitUntil([] { return handled == 1; }));
  EXPECT_TRUE(WaitUntilBlocked(sleeper.tid()));
  EXPECT_TRUE(WaitUntil([&] { return Wake(&w, kAll, 1) == 1; }));
}

TEST_F(Futex2Test, RequeueArguments) {
  Word a = 0, b = 0;
  futex_waitv pair[2] = {Item(&a, 0), Item(&b, 0)};
  const auto requeue = [&](unsigned flags, int wake, int move) {
    return syscall(kFutexRequeue, pair, flags, wake, move);
  };
  EXPECT_THAT(requeue(0, 0, 0), SucceedsWith(0));
  EXPECT_THAT(requeue(1, 0, 0), FailsWith(EINVAL));
  EXPECT_THAT(requeue(0, -1, 0), FailsWith(EINVAL));
  EXPECT_THAT(requeue(0, 0, -1), FailsWith(EINVAL));
  EXPECT_THAT(syscall(kFutexRequeue, nullptr, 0, 1, 1), FailsWith(EINVAL));
  EXPECT_THAT(syscall(kFutexRequeue, 8, 0, 1, 1), FailsWith(EFAULT));
  pair[0].val = 1;
  EXPECT_THAT(requeue(0, 1, 1), FailsWith(EAGAIN));
  pair[0].val = uint64_t{1} << 32;
  EXPECT_THAT(requeue(0, 1, 1), FailsWith(EINVAL));
  pair[0] = Item(&a, 0);
  pair[1].val = 77;  // not looked at
  EXPECT_THAT(requeue(0, 1, 1), SucceedsWith(0));
  pair[1] = Item(&b, 0, kU32);
  EXPECT_THAT(requeue(0, 1, 1), FailsWith(EINVAL));  // one private, one not
  pair[1] = Item(&b, 0);
  pair[1].__reserved = 1;
  EXPECT_THAT(requeue(0, 1, 1), FailsWith(EINVAL));
  pair[1] = Item(&b, 0, kPrivate);
  EXPECT_THAT(requeue(0, 1, 1), FailsWith(EINVAL));
}

TEST_F(Futex2Test, Requeue) {
  Word a = 0, b = 0;
  std::vector<std::unique_ptr<ScopedThread>> sleepers;
  for (int i = 0; i < 3; ++i) {
    sleepers.push_back(
        std::make_unique<ScopedThread>([&] { EXPECT_THAT(WaitFor(&a, 0), SucceedsWith(0)); }));
    ASSERT_TRUE(WaitUntilBlocked(sleepers.back()->tid()));
  }
  futex_waitv pair[2] = {Item(&a, 0), Item(&b, 0)};
  EXPECT_THAT(syscall(kFutexRequeue, pair, 0, 1, 1), SucceedsWith(2));
  EXPECT_THAT(Wake(&b, kAll, 9), SucceedsWith(1));
  EXPECT_THAT(Wake(&a, kAll, 9), SucceedsWith(1));
}

TEST(FutexWaitvTest, Arguments) {
  Word w = 0;
  futex_waitv item = Item(&w, 1);
  const auto wait = [&](unsigned count, unsigned flags = 0, const timespec* t = nullptr,
                        clockid_t clock = CLOCK_MONOTONIC) {
    return syscall(SYS_futex_waitv, &item, count, flags, t, clock);
  };
  EXPECT_THAT(wait(1), FailsWith(EAGAIN));
  EXPECT_THAT(wait(0), FailsWith(EINVAL));
  EXPECT_THAT(wait(FUTEX_WAITV_MAX + 1), FailsWith(EINVAL));
  EXPECT_THAT(wait(1, 1), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_futex_waitv, nullptr, 1, 0, nullptr, 0), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_futex_waitv, 8, 1, 0, nullptr, 0), FailsWith(EFAULT));
  const timespec wrong = {0, -1}, past = {0, 0};
  EXPECT_THAT(wait(1, 0, &wrong), FailsWith(EINVAL));
  EXPECT_THAT(wait(1, 0, &past, CLOCK_TAI), FailsWith(EINVAL));
  item = Item(&w, 0);
  EXPECT_THAT(wait(1, 0, &past), FailsWith(ETIMEDOUT));
  item.flags = 0;
  EXPECT_THAT(wait(1), FailsWith(EINVAL));
  item = Item(&w, uint64_t{1} << 32);
  EXPECT_THAT(wait(1), FailsWith(EINVAL));
  item = Item(&w, 0);
  item.__reserved = 1;
  EXPECT_THAT(wait(1), FailsWith(EINVAL));
  item = Item(nullptr, 0);
  EXPECT_THAT(wait(1), FailsWith(EFAULT));
}

TEST(FutexWaitvTest, TellsWhichOne) {
  Word words[3] = {};
  ScopedThread sleeper([&] {
    futex_waitv items[3] = {Item(&words[0], 0), Item(&words[1], 0), Item(&words[2], 0)};
    EXPECT_THAT(syscall(SYS_futex_waitv, items, 3, 0, nullptr, 0), SucceedsWith(1));
  });
  ASSERT_TRUE(WaitUntilBlocked(sleeper.tid()));
  EXPECT_THAT(syscall(SYS_futex, &words[1], FUTEX_WAKE_PRIVATE, 9), SucceedsWith(1));
  sleeper.Join();
  EXPECT_THAT(syscall(SYS_futex, &words[0], FUTEX_WAKE_PRIVATE, 9), SucceedsWith(0));
}

}  // namespace
}  // namespace cvisor::test
