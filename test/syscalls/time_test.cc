// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// Clocks, sleeping, interval timers and POSIX timers: clock_gettime(2), nanosleep(2),
// setitimer(2), timer_create(2), times(2), getrusage(2).
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

void Burn(int64_t ns, clockid_t clock = CLOCK_THREAD_CPUTIME_ID) {
  const int64_t start = NowNs(clock);
  while (NowNs(clock) - start < ns) {
  }
}

TEST(ClockTest, AllClocksRun) {
  for (clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
                          CLOCK_TAI, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE,
                          CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID}) {
    const int64_t start = NowNs(clock);
    EXPECT_TRUE(WaitUntil([&] { return NowNs(clock) > start; })) << clock;
    timespec res;
    EXPECT_THAT(clock_getres(clock, &res), SucceedsWith(0)) << clock;
    EXPECT_EQ(res.tv_sec, 0);
    EXPECT_GE(res.tv_nsec, 1);
    EXPECT_THAT(syscall(SYS_clock_getres, clock, nullptr), SucceedsWith(0));
  }
}

TEST(ClockTest, VdsoAndSystemCallAgree) {
  for (clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME}) {
    for (int i = 0; i < 20; ++i) {
      const int64_t a = NowNs(clock);
      timespec t;
      EXPECT_THAT(syscall(SYS_clock_gettime, clock, &t), SucceedsWith(0));
      const int64_t b = t.tv_sec * int64_t{1000000000} + t.tv_nsec;
      const int64_t c = NowNs(clock);
      EXPECT_LE(a, b);
      EXPECT_LE(b, c);
    }
  }
  timeval tv;
  EXPECT_THAT(gettimeofday(&tv, nullptr), SucceedsWith(0));
  const time_t now = time(nullptr);
  EXPECT_GE(now, tv.tv_sec - 1);
  time_t stored = 0;
  EXPECT_EQ(syscall(SYS_time, &stored), stored);
}

TEST(ClockTest, Errors) {
  timespec t;
  EXPECT_THAT(clock_gettime(99, &t), FailsWith(EINVAL));
  EXPECT_THAT(clock_getres(99, &t), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_clock_gettime, CLOCK_REALTIME, 8), FailsWith(EFAULT));
  t = {-1, 0};
  EXPECT_THAT(clock_settime(CLOCK_MONOTONIC, &t), FailsWith(EINVAL));
  EXPECT_THAT(clock_settime(CLOCK_REALTIME, &t), FailsWith(EINVAL));
  EXPECT_THAT(InChild([] {
                BecomeNobody();
                timespec now;
                clock_gettime(CLOCK_REALTIME, &now);
                EXPECT_THAT(clock_settime(CLOCK_REALTIME, &now), FailsWith(EPERM));
              }),
              ExitedWith(0));
}

TEST(ClockTest, CpuClocksCountWork) {
  const int64_t thread = NowNs(CLOCK_THREAD_CPUTIME_ID);
  const int64_t process = NowNs(CLOCK_PROCESS_CPUTIME_ID);
  Burn(20000000);
  EXPECT_GE(NowNs(CLOCK_THREAD_CPUTIME_ID) - thread, 20000000);
  EXPECT_GE(NowNs(CLOCK_PROCESS_CPUTIME_ID) - process, 18000000);
  // Other threads count for the process only.
  const int64_t mine = NowNs(CLOCK_THREAD_CPUTIME_ID);
  const int64_t all = NowNs(CLOCK_PROCESS_CPUTIME_ID);
  ScopedThread([] { Burn(30000000); }).Join();
  EXPECT_LT(NowNs(CLOCK_THREAD_CPUTIME_ID) - mine, 30000000);
  EXPECT_GE(NowNs(CLOCK_PROCESS_CPUTIME_ID) - all, 28000000);
}

TEST(ClockTest, CpuClocksOfOthers) {
  ScopedChild child([] { Burn(int64_t{100} * 1000000000); });
  clockid_t clock;
  ASSERT_EQ(clock_getcpuclockid(child.pid(), &clock), 0);
  EXPECT_TRUE(WaitUntil([&] { return NowNs(clock) > 20000000; }));
  EXPECT_EQ(clock_getcpuclockid(0x7ffffff0, &clock), ESRCH);
  ScopedThread thread([] { Burn(50000000); });
  ASSERT_EQ(pthread_getcpuclockid(thread.handle(), &clock), 0);
  EXPECT_TRUE(WaitUntil([&] {
    timespec t;
    return clock_gettime(clock, &t) != 0 || t.tv_nsec > 10000000;
  }));
}

TEST(ClockTest, SleepsTakeNoCpuTime) {
  const int64_t before = NowNs(CLOCK_PROCESS_CPUTIME_ID);
  usleep(50000);
  EXPECT_LT(NowNs(CLOCK_PROCESS_CPUTIME_ID) - before, 40000000);
}

TEST(SleepTest, LastsLongEnough) {
  for (int64_t ns : {0, 1, 1000, 1000000, 20000000}) {
    const timespec t = {0, ns};
    const int64_t start = NowNs();
    EXPECT_THAT(nanosleep(&t, nullptr), SucceedsWith(0));
    EXPECT_GE(NowNs() - start, ns);
  }
  for (clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME}) {
    timespec t = {0, 5000000};
    const int64_t start = NowNs(clock);
    EXPECT_EQ(clock_nanosleep(clock, 0, &t, nullptr), 0);
    EXPECT_GE(NowNs(clock) - start, 5000000);
    clock_gettime(clock, &t);
    t.tv_sec -= 1;
    EXPECT_EQ(clock_nanosleep(clock, TIMER_ABSTIME, &t, nullptr), 0);
  }
}

TEST(SleepTest, Errors) {
  timespec t = {0, 1000000000};
  EXPECT_THAT(nanosleep(&t, nullptr), FailsWith(EINVAL));
  t = {-1, 0};
  EXPECT_THAT(nanosleep(&t, nullptr), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_nanosleep, 8, nullptr), FailsWith(EFAULT));
  t = {0, 0};
  EXPECT_EQ(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &t, nullptr), EINVAL);
  EXPECT_THAT(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, &t, nullptr),
              FailsWith(EOPNOTSUPP));
  EXPECT_EQ(clock_nanosleep(99, 0, &t, nullptr), EINVAL);
}

std::atomic<int> ticks;

TEST(ItimerTest, RealTimerRepeats) {
  ticks = 0;
  ScopedSigaction action(SIGALRM, [](int) { ++ticks; });
  const itimerval t = {{0, 2000}, {0, 2000}};
  const int64_t start = NowNs();
  EXPECT_THAT(setitimer(ITIMER_REAL, &t, nullptr), SucceedsWith(0));
  EXPECT_TRUE(WaitUntil([] { return ticks >= 5; }));
  EXPECT_GE(NowNs() - start, 10000000);
  itimerval now, off = {};
  EXPECT_THAT(getitimer(ITIMER_REAL, &now), SucceedsWith(0));
  EXPECT_EQ(now.it_interval.tv_usec, 2000);
  EXPECT_THAT(setitimer(ITIMER_REAL, &off, &now), SucceedsWith(0));
  EXPECT_EQ(now.it_interval.tv_usec, 2000);
  const int so_far = ticks;
  usleep(10000);
  EXPECT_EQ(ticks, so_far);
}

TEST(ItimerTest, Alarm) {
  EXPECT_EQ(alarm(1000), 0u);
  const unsigned rest = alarm(0);
  EXPECT_GE(rest, 990u);
  EXPECT_LE(rest, 1000u);
  EXPECT_EQ(alarm(0), 0u);
  EXPECT_THAT(InChild([] {
                alarm(1);
                for (;;) pause();
              }),
              KilledBy(SIGALRM));
}

TEST(ItimerTest, TimersAreNotInheritedByForkButByExec) {
  const itimerval t = {{0, 0}, {1000, 0}};
  setitimer(ITIMER_REAL, &t, nullptr);
  EXPECT_THAT(InChild([] {
                itimerval now;
                getitimer(ITIMER_REAL, &now);
                EXPECT_EQ(now.it_value.tv_sec, 0);
              }),
              ExitedWith(0));
  alarm(0);
}

TEST(ItimerTest, CpuTimers) {
  for (auto [which, sig] : {std::pair(ITIMER_VIRTUAL, SIGVTALRM), std::pair(ITIMER_PROF, SIGPROF)}) {
    ticks = 0;
    ScopedSigaction action(sig, [](int) { ++ticks; });
    const itimerval t = {{0, 0}, {0, 10000}};
    EXPECT_THAT(setitimer(static_cast<__itimer_which>(which), &t, nullptr), SucceedsWith(0));
    EXPECT_TRUE(WaitUntil([] {
      for (volatile int i = 0; i < 2000000;) i = i + 1;
      return ticks == 1;
    })) << sig;
  }
}

TEST(ItimerTest, Errors) {
  itimerval t = {{0, 0}, {0, 1000000}};
  EXPECT_THAT(setitimer(ITIMER_REAL, &t, nullptr), FailsWith(EINVAL));
  t = {};
  EXPECT_THAT(syscall(SYS_setitimer, 7, &t, nullptr), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_getitimer, 7, &t), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_getitimer, ITIMER_REAL, 8), FailsWith(EFAULT));
}

timer_t MakeTimer(clockid_t clock, int notify, int sig = SIGUSR1) {
  sigevent event = {};
  event.sigev_notify = notify;
  event.sigev_signo = sig;
  timer_t timer = nullptr;
  EXPECT_THAT(timer_create(clock, &event, &timer), SucceedsWith(0));
  return timer;
}

TEST(PosixTimerTest, OverrunsAreCounted) {
  ScopedSigmask mask(SIG_BLOCK, {SIGUSR1});
  timer_t timer = MakeTimer(CLOCK_MONOTONIC, SIGEV_SIGNAL);
  const itimerspec spec = {{0, 1000000}, {0, 1000000}};
  EXPECT_THAT(timer_settime(timer, 0, &spec, nullptr), SucceedsWith(0));
  usleep(50000);
  const sigset_t set = SigSet({SIGUSR1});
  siginfo_t info = {};
  EXPECT_THAT(sigwaitinfo(&set, &info), SucceedsWith(SIGUSR1));
  EXPECT_EQ(info.si_code, SI_TIMER);
  EXPECT_GE(info.si_overrun, 10);
  EXPECT_EQ(timer_getoverrun(timer), info.si_overrun);
  EXPECT_THAT(timer_delete(timer), SucceedsWith(0));
  const timespec none = {0, 0};
  while (sigtimedwait(&set, nullptr, &none) > 0) {
  }
}

TEST(PosixTimerTest, SettimeReturnsTheOldOneAndDisarms) {
  timer_t timer = MakeTimer(CLOCK_REALTIME, SIGEV_SIGNAL);
  itimerspec spec = {{10, 0}, {1000, 0}}, old = {};
  EXPECT_THAT(timer_settime(timer, 0, &spec, nullptr), SucceedsWith(0));
  EXPECT_THAT(timer_gettime(timer, &old), SucceedsWith(0));
  EXPECT_GT(old.it_value.tv_sec, 900);
  EXPECT_EQ(old.it_interval.tv_sec, 10);
  spec = {};
  old = {};
  EXPECT_THAT(timer_settime(timer, 0, &spec, &old), SucceedsWith(0));
  EXPECT_GT(old.it_value.tv_sec, 900);
  EXPECT_THAT(timer_gettime(timer, &old), SucceedsWith(0));
  EXPECT_EQ(old.it_value.tv_sec, 0);
  // Absolute.
  clock_gettime(CLOCK_REALTIME, &spec.it_value);
  spec.it_value.tv_sec += 500;
  EXPECT_THAT(timer_settime(timer, TIMER_ABSTIME, &spec, nullptr), SucceedsWith(0));
  EXPECT_THAT(timer_gettime(timer, &old), SucceedsWith(0));
  EXPECT_LE(old.it_value.tv_sec, 500);
  EXPECT_GT(old.it_value.tv_sec, 400);
  timer_delete(timer);
}

TEST(PosixTimerTest, ThreadTarget) {
  static std::atomic<pid_t> where;
  where = 0;
  ScopedSigaction action(SIGUSR1, [](int) { where = gettid(); });
  std::atomic<bool> stop = false;
  ScopedThread thread([&] {
    while (!stop) usleep(1000);
  });
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGUSR1;
  event._sigev_un._tid = thread.tid();
  timer_t timer;
  EXPECT_THAT(timer_create(CLOCK_MONOTONIC, &event, &timer), SucceedsWith(0));
  const itimerspec spec = {{0, 0}, {0, 1000000}};
  timer_settime(timer, 0, &spec, nullptr);
  EXPECT_TRUE(WaitUntil([] { return where != 0; }));
  EXPECT_EQ(where, thread.tid());
  stop = true;
  timer_delete(timer);
}

TEST(PosixTimerTest, CpuClocks) {
  for (clockid_t clock : {CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID}) {
    ticks = 0;
    ScopedSigaction action(SIGUSR1, [](int) { ++ticks; });
    timer_t timer = MakeTimer(clock, SIGEV_SIGNAL);
    const itimerspec spec = {{0, 0}, {0, 10000000}};
    EXPECT_THAT(timer_settime(timer, 0, &spec, nullptr), SucceedsWith(0));
    EXPECT_TRUE(WaitUntil([] {
      for (volatile int i = 0; i < 2000000;) i = i + 1;
      return ticks == 1;
    }));
    timer_delete(timer);
  }
}

TEST(PosixTimerTest, Errors) {
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = 65;
  timer_t timer;
  EXPECT_THAT(timer_create(CLOCK_MONOTONIC, &event, &timer), FailsWith(EINVAL));
  event.sigev_signo = SIGUSR1;
  EXPECT_THAT(timer_create(99, &event, &timer), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_timer_create, CLOCK_MONOTONIC, 8, &timer), FailsWith(EFAULT));
  itimerspec spec = {{0, 0}, {0, 1000000000}};
  timer = MakeTimer(CLOCK_MONOTONIC, SIGEV_NONE);
  EXPECT_THAT(timer_settime(timer, 0, &spec, nullptr), FailsWith(EINVAL));
  timer_delete(timer);
  EXPECT_THAT(syscall(SYS_timer_gettime, 9999, &spec), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_timer_delete, 9999), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_timer_getoverrun, 9999), FailsWith(EINVAL));
}

TEST(PosixTimerTest, NotInherited) {
  int id = -1;
  sigevent event = {};
  event.sigev_notify = SIGEV_NONE;
  EXPECT_THAT(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id), SucceedsWith(0));
  EXPECT_THAT(InChild([&] {
                itimerspec spec;
                EXPECT_THAT(syscall(SYS_timer_gettime, id, &spec), FailsWith(EINVAL));
              }),
              ExitedWith(0));
  syscall(SYS_timer_delete, id);
}

TEST(UsageTest, TimesAndRusage) {
  tms t;
  const clock_t before = times(&t);
  EXPECT_NE(before, static_cast<clock_t>(-1));
  // Long enough for at least one tick of each.
  EXPECT_TRUE(WaitUntil([&] {
    Burn(20000000);
    tms now;
    times(&now);
    return now.tms_utime + now.tms_stime > t.tms_utime + t.tms_stime;
  }));
  EXPECT_GT(times(nullptr), before);
  rusage self, thread, children;
  EXPECT_THAT(getrusage(RUSAGE_SELF, &self), SucceedsWith(0));
  EXPECT_THAT(getrusage(RUSAGE_THREAD, &thread), SucceedsWith(0));
  EXPECT_GT(self.ru_utime.tv_sec * 1000000 + self.ru_utime.tv_usec, 0);
  EXPECT_GT(self.ru_maxrss, 0);
  EXPECT_THAT(InChild([] { Burn(30000000); }), ExitedWith(0));
  EXPECT_THAT(getrusage(RUSAGE_CHILDREN, &children), SucceedsWith(0));
  EXPECT_GE(children.ru_utime.tv_sec * 1000000 + children.ru_utime.tv_usec +
                children.ru_stime.tv_sec * 1000000 + children.ru_stime.tv_usec,
            15000);
  EXPECT_THAT(syscall(SYS_getrusage, 99, &self), FailsWith(EINVAL));
}

TEST(UsageTest, CpuLimitSendsSigxcpuThenKills) {
  EXPECT_THAT(InChild([] {
                const rlimit limit = {1, 2};
                setrlimit(RLIMIT_CPU, &limit);
                ticks = 0;
                signal(SIGXCPU, [](int) { ++ticks; });
                while (ticks == 0) {
                }
                // The limit counts whole ticks, this clock what really ran: on a host whose cores are
                // taken away at times, they differ.
                EXPECT_GE(NowNs(CLOCK_PROCESS_CPUTIME_ID), 500000000);
                ExitIfFailed();
                for (;;) {
                  ticks = 1;
                }
              }),
              KilledBy(SIGKILL));
}

}  // namespace
}  // namespace cvisor::test
