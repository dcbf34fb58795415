// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// signal(7): actions, masks, queues, waiting, restarting, siginfo, alternate stacks, the state
// of the processor around handlers.
#include <immintrin.h>
#include <poll.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <ucontext.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

std::atomic<int> caught;
siginfo_t last_info;

class SignalTest : public testing::Test {
 protected:
  SignalTest() {
    caught = 0;
    last_info = {};
  }
  static void Count(int) { ++caught; }
  static void Info(int, siginfo_t* info, void*) {
    last_info = *info;
    ++caught;
  }
};

TEST_F(SignalTest, SigactionReturnsWhatWasSet) {
  struct sigaction a = {}, b = {};
  a.sa_handler = Count;
  a.sa_flags = SA_RESTART | SA_NODEFER;
  a.sa_mask = SigSet({SIGUSR2, SIGKILL});
  struct sigaction old;
  EXPECT_THAT(sigaction(SIGUSR1, &a, &old), SucceedsWith(0));
  EXPECT_THAT(sigaction(SIGUSR1, &old, &b), SucceedsWith(0));
  EXPECT_EQ(b.sa_handler, Count);
  EXPECT_EQ(b.sa_flags & (SA_RESTART | SA_NODEFER), SA_RESTART | SA_NODEFER);
  EXPECT_TRUE(sigismember(&b.sa_mask, SIGUSR2));
  EXPECT_FALSE(sigismember(&b.sa_mask, SIGKILL));
}

TEST_F(SignalTest, SigactionErrors) {
  struct sigaction a = {};
  a.sa_handler = Count;
  EXPECT_THAT(sigaction(SIGKILL, &a, nullptr), FailsWith(EINVAL));
  EXPECT_THAT(sigaction(SIGSTOP, &a, nullptr), FailsWith(EINVAL));
  EXPECT_THAT(sigaction(SIGKILL, nullptr, &a), SucceedsWith(0));
  EXPECT_THAT(sigaction(0, &a, nullptr), FailsWith(EINVAL));
  EXPECT_THAT(sigaction(65, &a, nullptr), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_rt_sigaction, SIGUSR1, &a, nullptr, 4), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_rt_sigaction, SIGUSR1, 8, nullptr, 8), FailsWith(EFAULT));
}

TEST_F(SignalTest, HandlerRunsBeforeKillReturns) {
  ScopedSigaction action(SIGUSR1, Count);
  EXPECT_THAT(kill(getpid(), SIGUSR1), SucceedsWith(0));
  EXPECT_EQ(caught, 1);
  raise(SIGUSR1);
  EXPECT_EQ(caught, 2);
}

TEST_F(SignalTest, BlockedSignalsPendOnce) {
  ScopedSigaction action(SIGUSR1, Count);
  {
    ScopedSigmask mask(SIG_BLOCK, {SIGUSR1});
    for (int i = 0; i < 3; ++i) kill(getpid(), SIGUSR1);
    EXPECT_EQ(caught, 0);
    sigset_t pending;
    EXPECT_THAT(sigpending(&pending), SucceedsWith(0));
    EXPECT_TRUE(sigismember(&pending, SIGUSR1));
  }
  EXPECT_EQ(caught, 1);
}

std::vector<int> order;
TEST_F(SignalTest, RealTimeSignalsQueueInOrder) {
  order.clear();
  const auto handler = [](int, siginfo_t* i, void*) {
    order.push_back(i->si_signo * 100 + i->si_value.sival_int);
  };
  ScopedSigaction a(SIGRTMIN, handler, 0), b(SIGRTMIN + 1, handler, 0);
  {
    ScopedSigmask mask(SIG_BLOCK, {SIGRTMIN, SIGRTMIN + 1});
    for (int i = 1; i <= 3; ++i) {
      sigval value;
      value.sival_int = i;
      EXPECT_THAT(sigqueue(getpid(), SIGRTMIN + 1, value), SucceedsWith(0));
      EXPECT_THAT(sigqueue(getpid(), SIGRTMIN, value), SucceedsWith(0));
    }
  }
  // The handlers nest unless they mask each other: the last begun runs first. What is
  // sure: each kind in order, six in all.
  ASSERT_EQ(order.size(), 6u);
  std::vector<int> low, high;
  for (int v : order) (v / 100 == SIGRTMIN ? low : high).push_back(v % 100);
  EXPECT_EQ(low, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(high, (std::vector<int>{1, 2, 3}));
}

TEST_F(SignalTest, LowestFirst) {
  ScopedSigmask mask(SIG_BLOCK, {SIGRTMIN, SIGRTMIN + 1, SIGUSR1, SIGTERM});
  for (int sig : {SIGRTMIN + 1, SIGTERM, SIGRTMIN, SIGUSR1}) kill(getpid(), sig);
  const sigset_t set = SigSet({SIGRTMIN, SIGRTMIN + 1, SIGUSR1, SIGTERM});
  for (int sig : {SIGUSR1, SIGTERM, SIGRTMIN, SIGRTMIN + 1}) {
    siginfo_t info;
    EXPECT_THAT(sigwaitinfo(&set, &info), SucceedsWith(sig));
  }
}

TEST_F(SignalTest, QueueLimit) {
  EXPECT_THAT(InChild([] {
                const rlimit limit = {5, 5};
                EXPECT_THAT(setrlimit(RLIMIT_SIGPENDING, &limit), SucceedsWith(0));
                ScopedSigaction rtmin(SIGRTMIN, Count), usr1(SIGUSR1, Count);
                ScopedSigmask mask(SIG_BLOCK, {SIGRTMIN, SIGUSR1});
                EXPECT_THAT(setresuid(4321, 4321, 4321), SucceedsWith(0));
                sigval value = {};
                int sent = 0;
                while (sent < 10 && sigqueue(getpid(), SIGRTMIN, value) == 0) ++sent;
                EXPECT_EQ(errno, EAGAIN);
                EXPECT_EQ(sent, 5);
                // Plain kill() still gets through.
                EXPECT_THAT(kill(getpid(), SIGUSR1), SucceedsWith(0));
                sigset_t pending;
                sigpending(&pending);
                EXPECT_TRUE(sigismember(&pending, SIGUSR1));
              }),
              ExitedWith(0));
}

TEST_F(SignalTest, MaskDuringHandler) {
  static bool usr1, usr2, term;
  const auto handler = [](int) {
    sigset_t now;
    sigprocmask(SIG_BLOCK, nullptr, &now);
    usr1 = sigismember(&now, SIGUSR1);
    usr2 = sigismember(&now, SIGUSR2);
    term = sigismember(&now, SIGTERM);
  };
  struct sigaction a = {};
  a.sa_handler = handler;
  a.sa_mask = SigSet({SIGUSR2});
  struct sigaction old;
  sigaction(SIGUSR1, &a, &old);
  raise(SIGUSR1);
  EXPECT_TRUE(usr1 && usr2 && !term);
  a.sa_flags = SA_NODEFER;
  sigaction(SIGUSR1, &a, nullptr);
  raise(SIGUSR1);
  EXPECT_TRUE(!usr1 && usr2);
  sigset_t now;
  sigprocmask(SIG_BLOCK, nullptr, &now);
  EXPECT_FALSE(sigismember(&now, SIGUSR2));
  sigaction(SIGUSR1, &old, nullptr);
}

TEST_F(SignalTest, ResetHand) {
  EXPECT_THAT(InChild([] {
                ScopedSigaction action(SIGUSR1, Count, static_cast<int>(SA_RESETHAND));
                raise(SIGUSR1);
                EXPECT_EQ(caught, 1);
                ExitIfFailed();
                raise(SIGUSR1);
              }),
              KilledBy(SIGUSR1));
}

TEST_F(SignalTest, NestedHandlers) {
  static int depth, max;
  depth = max = 0;
  struct sigaction a = {}, old;
  a.sa_flags = SA_NODEFER;
  a.sa_handler = [](int sig) {
    max = std::max(max, ++depth);
    if (depth < 10) raise(sig);
    --depth;
  };
  sigaction(SIGUSR1, &a, &old);
  raise(SIGUSR1);
  EXPECT_EQ(max, 10);
  EXPECT_EQ(depth, 0);
  sigaction(SIGUSR1, &old, nullptr);
}

TEST_F(SignalTest, KillAndStopCannotBeBlocked) {
  ScopedSigmask mask(SIG_BLOCK, {SIGKILL, SIGSTOP, SIGUSR1});
  sigset_t now;
  sigprocmask(SIG_BLOCK, nullptr, &now);
  EXPECT_FALSE(sigismember(&now, SIGKILL));
  EXPECT_FALSE(sigismember(&now, SIGSTOP));
  EXPECT_TRUE(sigismember(&now, SIGUSR1));
  EXPECT_THAT(syscall(SYS_rt_sigprocmask, 99, &now, nullptr, 8), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &now, nullptr, 7), FailsWith(EINVAL));
}

TEST_F(SignalTest, BlockedFaultsKill) {
  EXPECT_THAT(InChild([] {
                const rlimit none = {0, 0};
                setrlimit(RLIMIT_CORE, &none);
                signal(SIGSEGV, SIG_IGN);
                ScopedSigmask mask(SIG_BLOCK, {SIGSEGV});
                *reinterpret_cast<volatile int*>(8) = 1;
              }),
              KilledBy(SIGSEGV));
}

TEST_F(SignalTest, InfoOfKillTkillAndSigqueue) {
  ScopedSigaction action(SIGUSR1, Info, 0);
  kill(getpid(), SIGUSR1);
  EXPECT_EQ(last_info.si_code, SI_USER);
  EXPECT_EQ(last_info.si_pid, getpid());
  EXPECT_EQ(last_info.si_uid, getuid());
  syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
  EXPECT_EQ(last_info.si_code, SI_TKILL);
  EXPECT_EQ(last_info.si_pid, getpid());
  sigval value;
  value.sival_ptr = &value;
  EXPECT_THAT(sigqueue(getpid(), SIGUSR1, value), SucceedsWith(0));
  EXPECT_EQ(last_info.si_code, SI_QUEUE);
  EXPECT_EQ(last_info.si_value.sival_ptr, &value);
  // Nobody may pretend to be the kernel, except to itself.
  siginfo_t info = {};
  info.si_code = SI_USER;
  EXPECT_THAT(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info), FailsWith(EPERM));
  info.si_code = 5;
  EXPECT_THAT(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGUSR1, &info),
              SucceedsWith(0));
  EXPECT_EQ(last_info.si_code, 5);
}

TEST_F(SignalTest, InfoOfTimersAndAlarms) {
  ScopedSigmask mask(SIG_BLOCK, {SIGALRM, SIGUSR1});
  sigset_t set = SigSet({SIGALRM, SIGUSR1});
  const timespec limit = Milliseconds(kLongMs);
  siginfo_t info = {};
  const itimerval t = {{0, 0}, {0, 1000}};
  EXPECT_THAT(setitimer(ITIMER_REAL, &t, nullptr), SucceedsWith(0));
  EXPECT_THAT(sigtimedwait(&set, &info, &limit), SucceedsWith(SIGALRM));
  EXPECT_EQ(info.si_code, SI_KERNEL);
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR1;
  event.sigev_value.sival_int = 77;
  timer_t timer;
  EXPECT_THAT(timer_create(CLOCK_MONOTONIC, &event, &timer), SucceedsWith(0));
  const itimerspec spec = {{0, 0}, {0, 1000000}};
  EXPECT_THAT(timer_settime(timer, 0, &spec, nullptr), SucceedsWith(0));
  EXPECT_THAT(sigtimedwait(&set, &info, &limit), SucceedsWith(SIGUSR1));
  EXPECT_EQ(info.si_code, SI_TIMER);
  EXPECT_EQ(info.si_value.sival_int, 77);
  EXPECT_EQ(info.si_overrun, 0);
  timer_delete(timer);
}

TEST_F(SignalTest, InfoOfFaults) {
  static sigjmp_buf env;
  const auto handler = [](int, siginfo_t* info, void*) {
    last_info = *info;
    siglongjmp(env, 1);
  };
  ScopedSigaction fpe(SIGFPE, handler, 0), ill(SIGILL, handler, 0), trap(SIGTRAP, handler, 0);
  if (sigsetjmp(env, 1) == 0) {
    int low = 1, high = 0;
    asm volatile("idivl %2" : "+a"(low), "+d"(high) : "r"(0));
  }
  EXPECT_EQ(last_info.si_signo, SIGFPE);
  EXPECT_EQ(last_info.si_code, FPE_INTDIV);
  EXPECT_NE(last_info.si_addr, nullptr);
  if (sigsetjmp(env, 1) == 0) asm volatile("ud2");
  EXPECT_EQ(last_info.si_signo, SIGILL);
  EXPECT_EQ(last_info.si_code, ILL_ILLOPN);
  if (sigsetjmp(env, 1) == 0) asm volatile("int3");
  EXPECT_EQ(last_info.si_signo, SIGTRAP);
  EXPECT_EQ(last_info.si_code, SI_KERNEL);
}

TEST_F(SignalTest, SegvRecoveryManyTimes) {
  static sigjmp_buf env;
  ScopedSigaction segv(SIGSEGV, [](int) {
    ++caught;
    siglongjmp(env, 1);
  });
  for (volatile int i = 0; i < 100;) {
    if (sigsetjmp(env, 1) == 0) *reinterpret_cast<volatile int*>(8) = 1;
    i = i + 1;
  }
  EXPECT_EQ(caught, 100);
}

TEST_F(SignalTest, HandlerRepairsTheFault) {
  static char* page;
  page = static_cast<char*>(mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ScopedSigaction segv(
      SIGSEGV,
      [](int, siginfo_t* info, void*) {
        if (info->si_addr == page + 10) mprotect(page, 4096, PROT_READ | PROT_WRITE);
      },
      0);
  page[10] = 'r';
  EXPECT_EQ(page[10], 'r');
  munmap(page, 4096);
}

TEST_F(SignalTest, HandlerChangesRegisters) {
  ScopedSigaction ill(
      SIGILL,
      [](int, siginfo_t*, void* context) {
        auto* uc = static_cast<ucontext_t*>(context);
        uc->uc_mcontext.gregs[REG_RIP] += 2;
        uc->uc_mcontext.gregs[REG_RBX] = 0x1234;
      },
      0);
  uint64_t rbx;
  asm volatile("mov $0, %%rbx; ud2; mov %%rbx, %0" : "=r"(rbx) : : "rbx");
  EXPECT_EQ(rbx, 0x1234u);
}

TEST_F(SignalTest, HandlerChangesTheMaskForGood) {
  ScopedSigmask keep(SIG_BLOCK, {});
  ScopedSigaction action(
      SIGUSR1,
      [](int, siginfo_t*, void* context) {
        sigaddset(&static_cast<ucontext_t*>(context)->uc_sigmask, SIGUSR2);
      },
      0);
  raise(SIGUSR1);
  sigset_t now;
  sigprocmask(SIG_BLOCK, nullptr, &now);
  EXPECT_TRUE(sigismember(&now, SIGUSR2));
}

TEST_F(SignalTest, AlternateStack) {
  static char* where;
  static stack_t inside;
  const auto handler = [](int) {
    where = static_cast<char*>(__builtin_frame_address(0));
    sigaltstack(nullptr, &inside);
  };
  std::vector<char> memory(65536);
  stack_t ss = {memory.data(), 0, memory.size()}, old, now;
  EXPECT_THAT(sigaltstack(&ss, &old), SucceedsWith(0));
  EXPECT_EQ(old.ss_flags & SS_DISABLE, SS_DISABLE);
  {
    ScopedSigaction on(SIGUSR1, handler, SA_ONSTACK), off(SIGUSR2, handler);
    raise(SIGUSR1);
    EXPECT_TRUE(where >= memory.data() && where < memory.data() + memory.size());
    EXPECT_EQ(inside.ss_flags, SS_ONSTACK);
    raise(SIGUSR2);
    EXPECT_FALSE(where >= memory.data() && where < memory.data() + memory.size());
  }
  EXPECT_THAT(sigaltstack(nullptr, &now), SucceedsWith(0));
  EXPECT_EQ(now.ss_flags, 0);
  EXPECT_EQ(now.ss_sp, memory.data());
  stack_t bad = {memory.data(), 0x100, memory.size()};
  EXPECT_THAT(sigaltstack(&bad, nullptr), FailsWith(EINVAL));
  bad = {memory.data(), 0, 100};
  EXPECT_THAT(sigaltstack(&bad, nullptr), FailsWith(ENOMEM));
  ss.ss_flags = SS_DISABLE;
  EXPECT_THAT(sigaltstack(&ss, nullptr), SucceedsWith(0));
}

TEST_F(SignalTest, AlternateStackCannotChangeWhileInUse) {
  static int result, error;
  static char* other;
  other = static_cast<char*>(Allocate(65536));
  std::vector<char> memory(65536);
  stack_t ss = {memory.data(), 0, memory.size()};
  sigaltstack(&ss, nullptr);
  ScopedSigaction on(
      SIGUSR1,
      [](int) {
        stack_t s = {other, 0, 65536};
        result = sigaltstack(&s, nullptr);
        error = errno;
      },
      SA_ONSTACK);
  raise(SIGUSR1);
  EXPECT_EQ(result, -1);
  EXPECT_EQ(error, EPERM);
  ss.ss_flags = SS_DISABLE;
  sigaltstack(&ss, nullptr);
  Free(other, 65536);
}

TEST_F(SignalTest, SigsuspendSwapsTheMask) {
  ScopedSigaction action(SIGUSR1, Count);
  ScopedSigmask mask(SIG_BLOCK, {SIGUSR1});
  raise(SIGUSR1);
  sigset_t empty = SigSet({});
  EXPECT_THAT(sigsuspend(&empty), FailsWith(EINTR));
  EXPECT_EQ(caught, 1);
  sigset_t now;
  sigprocmask(SIG_BLOCK, nullptr, &now);
  EXPECT_TRUE(sigismember(&now, SIGUSR1));
}

TEST_F(SignalTest, Sigtimedwait) {
  ScopedSigmask mask(SIG_BLOCK, {SIGUSR1});
  const sigset_t set = SigSet({SIGUSR1});
  timespec limit = {0, 10000000};
  const int64_t start = NowNs();
  EXPECT_THAT(sigtimedwait(&set, nullptr, &limit), FailsWith(EAGAIN));
  EXPECT_GE(NowNs() - start, 10000000);
  limit = {0, 1000000000};
  EXPECT_THAT(sigtimedwait(&set, nullptr, &limit), FailsWith(EINVAL));
  ScopedSigaction usr2(SIGUSR2, Count);
  const pid_t me = gettid();
  std::atomic<bool> done = false;
  // Until it is seen: the first may come while this thread still waits for the other one's start.
  ScopedThread thread([&] {
    EXPECT_TRUE(WaitUntil([&] {
      if (!done) syscall(SYS_tgkill, getpid(), me, SIGUSR2);
      return done.load();
    }));
  });
  EXPECT_THAT(sigwaitinfo(&set, nullptr), FailsWith(EINTR));
  done = true;
  EXPECT_GE(caught, 1);
}

TEST_F(SignalTest, ProcessSignalsGoToAThreadThatWantsThem) {
  ScopedSigaction action(SIGUSR1, [](int) { caught = gettid(); });
  std::atomic<bool> stop = false;
  ScopedThread open([&] {
    while (!stop) usleep(1000);
  });
  ScopedSigmask mask(SIG_BLOCK, {SIGUSR1});
  kill(getpid(), SIGUSR1);
  EXPECT_TRUE(WaitUntil([] { return caught != 0; }));
  EXPECT_EQ(caught, open.tid());
  stop = true;
}

TEST_F(SignalTest, ThreadSignalsStayWithTheThread) {
  ScopedSigaction action(SIGUSR1, Count);
  ScopedSigmask mask(SIG_BLOCK, {SIGUSR1});
  syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
  ScopedThread([&] {
    sigset_t pending;
    sigpending(&pending);
    EXPECT_FALSE(sigismember(&pending, SIGUSR1));
    ScopedSigmask open(SIG_UNBLOCK, {SIGUSR1});
    EXPECT_EQ(caught, 0);
  }).Join();
  const sigset_t set = SigSet({SIGUSR1});
  EXPECT_THAT(sigwaitinfo(&set, nullptr), SucceedsWith(SIGUSR1));
}

TEST_F(SignalTest, NewThreadsInheritTheMaskAndNothingPending) {
  ScopedSigmask mask(SIG_BLOCK, {SIGUSR1});
  syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
  ScopedThread([] {
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, nullptr, &now);
    EXPECT_TRUE(sigismember(&now, SIGUSR1));
    sigpending(&now);
    EXPECT_FALSE(sigismember(&now, SIGUSR1));
  }).Join();
  EXPECT_THAT(InChild([] {
                sigset_t now;
                sigpending(&now);
                EXPECT_FALSE(sigismember(&now, SIGUSR1));
              }),
              ExitedWith(0));
  const sigset_t set = SigSet({SIGUSR1});
  EXPECT_THAT(sigwaitinfo(&set, nullptr), SucceedsWith(SIGUSR1));
}

// Which calls restart. The call runs in a thread, is interrupted by a handler with
// or without SA_RESTART, and `finish` lets a restarted one end.
struct RestartCase {
  const char* name;
  bool restarts;
  std::function<long(int fd)> call;  // fd: an empty pipe's end
};
class RestartTest : public testing::TestWithParam<RestartCase> {};

TEST_P(RestartTest, WithoutSaRestart) {
  caught = 0;
  ScopedSigaction action(SIGUSR1, [](int) { ++caught; });
  PipeFds p = MakePipe();
  ScopedThread thread([&] { EXPECT_THAT(GetParam().call(p.reader.get()), FailsWith(EINTR)); });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  pthread_kill(thread.handle(), SIGUSR1);
  thread.Join();
  EXPECT_EQ(caught, 1);
}

TEST_P(RestartTest, WithSaRestart) {
  caught = 0;
  ScopedSigaction action(SIGUSR1, [](int) { ++caught; }, SA_RESTART);
  PipeFds p = MakePipe();
  std::atomic<bool> done = false;
  ScopedThread thread([&] {
    if (GetParam().restarts) {
      EXPECT_THAT(GetParam().call(p.reader.get()), Succeeds());
    } else {
      EXPECT_THAT(GetParam().call(p.reader.get()), FailsWith(EINTR));
    }
    done = true;
  });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  pthread_kill(thread.handle(), SIGUSR1);
  EXPECT_TRUE(WaitUntil([] { return caught == 1; }));
  if (GetParam().restarts) {
    EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
    EXPECT_FALSE(done);
    EXPECT_THAT(write(p.writer.get(), "x", 1), SucceedsWith(1));
  }
  thread.Join();
}

TEST_P(RestartTest, StopAndContinueIsInvisible) {
  // Without a handler these calls go on as if nothing had happened. (The exceptions are listed
  // in signal(7).)
  PipeFds p = MakePipe();
  const std::string name = GetParam().name;
  if (name == "sigtimedwait") return;
  ScopedChild child([&] { EXPECT_THAT(GetParam().call(p.reader.get()), Succeeds()); });
  EXPECT_TRUE(WaitUntilBlocked(child.pid()));
  kill(child.pid(), SIGSTOP);
  EXPECT_THAT(test::Wait(child.pid(), WUNTRACED), StoppedBy(SIGSTOP));
  kill(child.pid(), SIGCONT);
  EXPECT_TRUE(WaitUntilBlocked(child.pid()));
  EXPECT_THAT(write(p.writer.get(), "x", 1), SucceedsWith(1));
  if (GetParam().restarts || name == "poll" || name == "select") {
    EXPECT_THAT(child.Wait(), ExitedWith(0));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Calls, RestartTest,
    testing::Values(
        RestartCase{"read", true,
                    [](int fd) {
                      char c;
                      return read(fd, &c, 1);
                    }},
        RestartCase{"readv", true,
                    [](int fd) {
                      char c;
                      iovec v = {&c, 1};
                      return syscall(SYS_readv, fd, &v, 1);
                    }},
        RestartCase{"poll", false,
                    [](int fd) {
                      pollfd p = {fd, POLLIN, 0};
                      return long{poll(&p, 1, kLongMs)};
                    }},
        RestartCase{"select", false,
                    [](int fd) {
                      fd_set set;
                      FD_ZERO(&set);
                      FD_SET(fd, &set);
                      return long{select(fd + 1, &set, nullptr, nullptr, nullptr)};
                    }},
        RestartCase{"nanosleep", false,
                    [](int) {
                      const timespec t = {kLongMs / 1000, 0};
                      return long{nanosleep(&t, nullptr)};
                    }},
        RestartCase{"sigtimedwait", false,
                    [](int) {
                      const sigset_t set = SigSet({SIGUSR2});
                      const timespec t = {kLongMs / 1000, 0};
                      return long{sigtimedwait(&set, nullptr, &t)};
                    }},
        RestartCase{"pause", false, [](int) { return long{pause()}; }}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(SignalTest, NanosleepReportsWhatRemains) {
  ScopedSigaction action(SIGUSR1, Count);
  timespec rest = {};
  ScopedThread thread([&] {
    const timespec t = {100, 0};
    EXPECT_THAT(nanosleep(&t, &rest), FailsWith(EINTR));
  });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  pthread_kill(thread.handle(), SIGUSR1);
  thread.Join();
  // The slack of the timer may make it a little more than was asked for.
  EXPECT_GT(rest.tv_sec, 50);
  EXPECT_LE(rest.tv_sec, 100);
}

TEST_F(SignalTest, ProfilingTimerInterruptsComputation) {
  ScopedSigaction action(SIGVTALRM, Count);
  const itimerval t = {{0, 2000}, {0, 2000}};
  EXPECT_THAT(setitimer(ITIMER_VIRTUAL, &t, nullptr), SucceedsWith(0));
  EXPECT_TRUE(WaitUntil([] {
    for (volatile int i = 0; i < 3000000;) i = i + 1;
    return caught >= 3;
  }));
  const itimerval off = {};
  setitimer(ITIMER_VIRTUAL, &off, nullptr);
}

TEST_F(SignalTest, SseStateAroundHandlers) {
  ScopedSigaction action(SIGUSR1, [](int) {
    asm volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm7, %%xmm7; pcmpeqd %%xmm15, %%xmm15" ::
                     : "xmm0", "xmm7", "xmm15");
    volatile double d = 1.5;
    d = d * 3;
    ++caught;
  });
  alignas(16) uint64_t in[6] = {1, 2, 3, 4, 5, 6}, out[6] = {};
  asm volatile(
      "movdqa (%1), %%xmm0; movdqa 16(%1), %%xmm7; movdqa 32(%1), %%xmm15\n"
      "mov %3, %%eax; mov %4, %%edi; mov %5, %%esi; mov %6, %%edx; syscall\n"
      "movdqa %%xmm0, (%2); movdqa %%xmm7, 16(%2); movdqa %%xmm15, 32(%2)\n"
      : "=m"(out)
      : "r"(in), "r"(out), "i"(SYS_tgkill), "r"(getpid()), "r"(gettid()), "i"(SIGUSR1)
      : "rax", "rdi", "rsi", "rdx", "rcx", "r11", "xmm0", "xmm7", "xmm15", "memory");
  EXPECT_EQ(caught, 1);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(out[i], in[i]) << i;
}

__attribute__((target("avx"))) void AvxRoundTrip(const float* in, float* out) {
  asm volatile(
      "vmovups (%0), %%ymm3; vmovups (%0), %%ymm14\n"
      "mov %2, %%eax; mov %3, %%edi; mov %4, %%esi; mov %5, %%edx; syscall\n"
      "vmovups %%ymm3, (%1); vmovups %%ymm14, 32(%1)\n"
      :
      : "r"(in), "r"(out), "i"(SYS_tgkill), "r"(getpid()), "r"(gettid()), "i"(SIGUSR1)
      : "rax", "rdi", "rsi", "rdx", "rcx", "r11", "ymm3", "ymm14", "memory");
}
__attribute__((target("avx"))) void AvxClobber(int) {
  asm volatile("vzeroall" ::: "ymm3", "ymm14");
  ++caught;
}
TEST_F(SignalTest, AvxStateAroundHandlers) {
  if (!__builtin_cpu_supports("avx")) return;
  ScopedSigaction action(SIGUSR1, AvxClobber);
  float in[8], out[16] = {};
  for (int i = 0; i < 8; ++i) in[i] = static_cast<float>(i + 1);
  AvxRoundTrip(in, out);
  EXPECT_EQ(caught, 1);
  for (int i = 0; i < 16; ++i) EXPECT_EQ(out[i], in[i % 8]) << i;
}

TEST_F(SignalTest, FloatingControlWordsAreKept) {
  const unsigned mxcsr = _mm_getcsr();
  ScopedSigaction action(SIGUSR1, [](int) {
    _mm_setcsr(0x1f80 | 0x6000);
    const uint16_t cw = 0x0c7f;
    asm volatile("fldcw %0" ::"m"(cw));
    ++caught;
  });
  uint16_t before, after;
  asm volatile("fnstcw %0" : "=m"(before));
  raise(SIGUSR1);
  asm volatile("fnstcw %0" : "=m"(after));
  EXPECT_EQ(before, after);
  EXPECT_EQ(_mm_getcsr(), mxcsr);
}

TEST_F(SignalTest, VectorStateAcrossContextSwitches) {
  // More threads than processors, each with its own values in the registers.
  std::vector<std::unique_ptr<ScopedThread>> threads;
  for (uint64_t t = 1; t <= 6; ++t) {
    threads.push_back(std::make_unique<ScopedThread>([t] {
      alignas(16) uint64_t in[2] = {t, ~t}, out[2];
      for (int i = 0; i < 300; ++i) {
        asm volatile(
            "movdqa (%0), %%xmm8; mov %2, %%eax; syscall; movdqa %%xmm8, (%1)" ::"r"(in), "r"(out),
            "i"(SYS_sched_yield)
            : "rax", "rcx", "r11", "xmm8", "memory");
        ASSERT_EQ(out[0], t);
        ASSERT_EQ(out[1], ~t);
      }
    }));
  }
}

TEST_F(SignalTest, RegistersAcrossSystemCalls) {
  // Only rax, rcx and r11 change.
  uint64_t r[5];
  asm volatile(
      "mov $1, %%rbx; mov $2, %%r8; mov $3, %%r9; mov $4, %%r10; mov $5, %%r12; mov %5, %%eax\n"
      "syscall\n"
      "mov %%rbx, %0; mov %%r8, %1; mov %%r9, %2; mov %%r10, %3; mov %%r12, %4"
      : "=m"(r[0]), "=m"(r[1]), "=m"(r[2]), "=m"(r[3]), "=m"(r[4])
      : "i"(SYS_getpid)
      : "rax", "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "memory");
  EXPECT_THAT(r, testing::ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(SignalTest, SignalsDuringComputationKeepEverything) {
  // A storm of signals over a loop whose result is known.
  ScopedSigaction action(SIGALRM, [](int) {
    ++caught;
    volatile double d = 2.0;
    d = d / 3;
  });
  const itimerval t = {{0, 500}, {0, 500}};
  setitimer(ITIMER_REAL, &t, nullptr);
  double sum = 0;
  uint64_t hash = 1;
  for (int i = 1; i <= 20000000; ++i) {
    sum += 1.0 / i;
    hash = hash * 6364136223846793005u + static_cast<uint64_t>(i);
  }
  const itimerval off = {};
  setitimer(ITIMER_REAL, &off, nullptr);
  const double with = sum;
  const uint64_t hash_with = hash;
  sum = 0;
  hash = 1;
  for (int i = 1; i <= 20000000; ++i) {
    sum += 1.0 / i;
    hash = hash * 6364136223846793005u + static_cast<uint64_t>(i);
  }
  EXPECT_EQ(with, sum);
  EXPECT_EQ(hash_with, hash);
  EXPECT_GT(caught, 0);
}

TEST_F(SignalTest, SigreturnWithGarbageKills) {
  EXPECT_THAT(InChild([] {
                const rlimit none = {0, 0};
                setrlimit(RLIMIT_CORE, &none);
                asm volatile("mov $8, %%rsp; mov $15, %%eax; syscall" ::: "memory");
              }),
              KilledBy(SIGSEGV));
}

TEST_F(SignalTest, NoRoomForTheFrameKills) {
  EXPECT_THAT(InChild([] {
                const rlimit none = {0, 0};
                setrlimit(RLIMIT_CORE, &none);
                signal(SIGUSR1, [](int) {});
                const pid_t pid = getpid(), tid = gettid();
                asm volatile("mov $16, %%rsp; mov %0, %%eax; syscall" ::"i"(SYS_tgkill), "D"(pid),
                             "S"(tid), "d"(SIGUSR1)
                             : "memory");
              }),
              KilledBy(SIGSEGV));
}

TEST_F(SignalTest, ContinueDiscardsStopsAndStopsDiscardContinue) {
  ScopedSigmask mask(SIG_BLOCK, {SIGTSTP, SIGCONT});
  raise(SIGTSTP);
  raise(SIGCONT);
  sigset_t pending;
  sigpending(&pending);
  EXPECT_FALSE(sigismember(&pending, SIGTSTP));
  EXPECT_TRUE(sigismember(&pending, SIGCONT));
  raise(SIGTSTP);
  sigpending(&pending);
  EXPECT_TRUE(sigismember(&pending, SIGTSTP));
  EXPECT_FALSE(sigismember(&pending, SIGCONT));
  signal(SIGTSTP, SIG_IGN);
  sigpending(&pending);
  EXPECT_FALSE(sigismember(&pending, SIGTSTP));
  signal(SIGTSTP, SIG_DFL);
}

TEST_F(SignalTest, DefaultIgnoredSignals) {
  for (int sig : {SIGCHLD, SIGURG, SIGWINCH, SIGCONT}) EXPECT_EQ(raise(sig), 0);
}

}  // namespace
}  // namespace cvisor::test
