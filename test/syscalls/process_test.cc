// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// fork(2), vfork(2), clone(2), clone3(2), wait4(2), waitid(2), exit codes, zombies, orphans,
// pidfds.
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

TEST(ProcessTest, ExitCodes) {
  for (int code : {0, 1, 42, 127, 255}) {
    const pid_t pid = fork();
    if (pid == 0) _exit(code);
    EXPECT_THAT(Wait(pid), ExitedWith(code));
  }
  // Only the low byte counts.
  const pid_t pid = fork();
  if (pid == 0) _exit(0x1234);
  EXPECT_THAT(Wait(pid), ExitedWith(0x34));
}

TEST(ProcessTest, KilledBySignals) {
  for (int sig : {SIGKILL, SIGTERM, SIGHUP, SIGALRM, SIGUSR1, SIGRTMIN, SIGRTMAX}) {
    ScopedChild child([] {
      for (;;) pause();
    });
    EXPECT_THAT(kill(child.pid(), sig), SucceedsWith(0));
    EXPECT_THAT(child.Wait(), KilledBy(sig));
  }
}

TEST(ProcessTest, CrashesReportTheirSignal) {
  const rlimit no_core = {0, 0};
  const auto crash = [&](std::function<void()> body) {
    return InChild([&] {
      setrlimit(RLIMIT_CORE, &no_core);
      body();
    });
  };
  EXPECT_THAT(crash([] { *reinterpret_cast<volatile int*>(8) = 1; }), KilledBy(SIGSEGV));
  EXPECT_THAT(crash([] { __builtin_trap(); }), KilledBy(SIGILL));
  EXPECT_THAT(crash([] { abort(); }), KilledBy(SIGABRT));
  EXPECT_THAT(crash([] {
                int low = 1, high = 0;
                asm volatile("idivl %2" : "+a"(low), "+d"(high) : "r"(0));
              }),
              KilledBy(SIGFPE));
  EXPECT_THAT(crash([] { asm volatile("int3"); }), KilledBy(SIGTRAP));
  EXPECT_THAT(crash([] { asm volatile("hlt"); }), KilledBy(SIGSEGV));
}

TEST(ProcessTest, IdsOfTheChild) {
  const pid_t parent = getpid();
  Shared<pid_t> seen;
  const pid_t pid = Fork([&] {
    *seen = getpid();
    EXPECT_EQ(getppid(), parent);
    EXPECT_EQ(gettid(), getpid());
    EXPECT_EQ(getpgid(0), getpgid(parent));
    EXPECT_EQ(getsid(0), getsid(parent));
  });
  EXPECT_THAT(Wait(pid), ExitedWith(0));
  EXPECT_EQ(*seen, pid);
}

TEST(ProcessTest, WaitNohang) {
  Event go;
  ScopedChild child([&] { go.Wait(); });
  int status;
  EXPECT_THAT(waitpid(child.pid(), &status, WNOHANG), SucceedsWith(0));
  go.Signal();
  EXPECT_TRUE(WaitUntilState(child.pid(), 'Z'));
  EXPECT_THAT(waitpid(child.pid(), &status, WNOHANG), SucceedsWith(child.pid()));
  child.release();
  EXPECT_THAT(status, ExitedWith(0));
}

TEST(ProcessTest, WaitErrors) {
  EXPECT_THAT(InChild([] {
                int status;
                EXPECT_THAT(waitpid(-1, &status, 0), FailsWith(ECHILD));
                EXPECT_THAT(waitpid(-1, &status, WNOHANG), FailsWith(ECHILD));
                EXPECT_THAT(waitpid(getppid(), &status, 0), FailsWith(ECHILD));
                EXPECT_THAT(waitpid(getpid(), &status, 0), FailsWith(ECHILD));
                EXPECT_THAT(waitpid(-1, &status, 0x100), FailsWith(EINVAL));
                EXPECT_THAT(syscall(SYS_wait4, INT32_MIN, &status, 0, nullptr), FailsWith(ESRCH));
                siginfo_t info;
                EXPECT_THAT(waitid(P_ALL, 0, &info, 0), FailsWith(EINVAL));
                EXPECT_THAT(waitid(P_ALL, 0, &info, WNOHANG | 0x100), FailsWith(EINVAL));
                EXPECT_THAT(waitid(static_cast<idtype_t>(9), 0, &info, WEXITED), FailsWith(EINVAL));
                EXPECT_THAT(waitid(P_PID, 0, &info, WEXITED), FailsWith(EINVAL));
                EXPECT_THAT(waitid(P_PIDFD, 0, &info, WEXITED), FailsWith(EBADF));
                const pid_t pid = Fork([] {});
                EXPECT_THAT(syscall(SYS_wait4, pid, 8, 0, nullptr), FailsWith(EFAULT));
                EXPECT_THAT(waitpid(pid, nullptr, 0), FailsWith(ECHILD));
              }),
              ExitedWith(0));
}

TEST(ProcessTest, WaitForAnyAndForGroups) {
  EXPECT_THAT(InChild([] {
                const pid_t a = Fork([] { _exit(1); });
                const pid_t b = Fork([] {
                  setpgid(0, 0);
                  _exit(2);
                });
                setpgid(b, b);
                int status;
                EXPECT_THAT(waitpid(-b, &status, 0), SucceedsWith(b));
                EXPECT_THAT(status, ExitedWith(2));
                EXPECT_THAT(waitpid(-b, &status, 0), FailsWith(ECHILD));
                EXPECT_THAT(waitpid(0, &status, 0), SucceedsWith(a));
                EXPECT_THAT(status, ExitedWith(1));
              }),
              ExitedWith(0));
}

TEST(ProcessTest, Waitid) {
  const pid_t pid = Fork([] { _exit(7); });
  siginfo_t info = {};
  EXPECT_THAT(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), SucceedsWith(0));
  EXPECT_EQ(info.si_signo, SIGCHLD);
  EXPECT_EQ(info.si_code, CLD_EXITED);
  EXPECT_EQ(info.si_pid, pid);
  EXPECT_EQ(info.si_uid, getuid());
  EXPECT_EQ(info.si_status, 7);
  // Still there.
  EXPECT_EQ(ThreadState(pid), 'Z');
  info = {};
  EXPECT_THAT(waitid(P_PID, pid, &info, WEXITED), SucceedsWith(0));
  EXPECT_EQ(info.si_status, 7);
  EXPECT_THAT(waitid(P_PID, pid, &info, WEXITED), FailsWith(ECHILD));
  Event go;
  ScopedChild other([&] { go.Wait(); });
  info.si_pid = 99;
  info.si_signo = 99;
  EXPECT_THAT(waitid(P_PID, other.pid(), &info, WEXITED | WNOHANG), SucceedsWith(0));
  EXPECT_EQ(info.si_pid, 0);
  EXPECT_EQ(info.si_signo, 0);
  kill(other.pid(), SIGKILL);
  EXPECT_THAT(waitid(P_PID, other.pid(), &info, WEXITED), SucceedsWith(0));
  EXPECT_EQ(info.si_code, CLD_KILLED);
  EXPECT_EQ(info.si_status, SIGKILL);
  other.release();
}

TEST(ProcessTest, WaitReturnsResourceUsage) {
  const pid_t pid = Fork([] {
    const int64_t start = NowNs(CLOCK_PROCESS_CPUTIME_ID);
    while (NowNs(CLOCK_PROCESS_CPUTIME_ID) - start < 30000000) {
    }
  });
  rusage usage = {};
  int status;
  EXPECT_THAT(wait4(pid, &status, 0, &usage), SucceedsWith(pid));
  const int64_t us = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                     usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
  EXPECT_GE(us, 15000);
  EXPECT_GT(usage.ru_maxrss, 0);
}

TEST(ProcessTest, StopAndContinueAreReported) {
  ScopedChild child([] {
    for (;;) pause();
  });
  EXPECT_THAT(kill(child.pid(), SIGSTOP), SucceedsWith(0));
  int status;
  EXPECT_THAT(waitpid(child.pid(), &status, WUNTRACED), SucceedsWith(child.pid()));
  EXPECT_THAT(status, StoppedBy(SIGSTOP));
  EXPECT_EQ(ThreadState(child.pid()), 'T');
  EXPECT_THAT(waitpid(child.pid(), &status, WUNTRACED | WNOHANG), SucceedsWith(0));
  EXPECT_THAT(kill(child.pid(), SIGCONT), SucceedsWith(0));
  EXPECT_THAT(waitpid(child.pid(), &status, WCONTINUED), SucceedsWith(child.pid()));
  EXPECT_TRUE(WIFCONTINUED(status));
  kill(child.pid(), SIGSTOP);
  siginfo_t info = {};
  EXPECT_THAT(waitid(P_PID, child.pid(), &info, WSTOPPED), SucceedsWith(0));
  EXPECT_EQ(info.si_code, CLD_STOPPED);
  EXPECT_EQ(info.si_status, SIGSTOP);
  kill(child.pid(), SIGCONT);
  EXPECT_THAT(waitid(P_PID, child.pid(), &info, WCONTINUED), SucceedsWith(0));
  EXPECT_EQ(info.si_code, CLD_CONTINUED);
  EXPECT_EQ(info.si_status, SIGCONT);
  // A stopped process can be killed.
  kill(child.pid(), SIGSTOP);
  EXPECT_TRUE(WaitUntilState(child.pid(), 'T'));
  kill(child.pid(), SIGKILL);
  EXPECT_THAT(child.Wait(), KilledBy(SIGKILL));
}

TEST(ProcessTest, BlockedWaitIsInterrupted) {
  Event go;
  ScopedChild child([&] { go.Wait(); });
  ScopedSigaction action(SIGUSR1, [](int) {});
  ScopedThread thread([&] {
    EXPECT_THAT(waitpid(child.pid(), nullptr, 0), FailsWith(EINTR));
  });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  pthread_kill(thread.handle(), SIGUSR1);
  thread.Join();
  go.Signal();
  EXPECT_THAT(child.Wait(), ExitedWith(0));
}

TEST(ProcessTest, AnyThreadMayWait) {
  pid_t pid = 0;
  ScopedThread([&] { pid = Fork([] { _exit(3); }); }).Join();
  EXPECT_THAT(Wait(pid), ExitedWith(3));
  // But not with __WNOTHREAD, if another thread forked.
  EXPECT_THAT(InChild([] {
                Event done;
                pid_t child = 0;
                ScopedThread thread([&] {
                  child = Fork([] {});
                  done.Wait();
                });
                EXPECT_TRUE(WaitUntil([&] { return child != 0; }));
                EXPECT_THAT(waitpid(child, nullptr, __WNOTHREAD), FailsWith(ECHILD));
                EXPECT_THAT(waitpid(child, nullptr, 0), SucceedsWith(child));
                done.Signal();
              }),
              ExitedWith(0));
}

TEST(ProcessTest, IgnoredSigchldReapsAtOnce) {
  EXPECT_THAT(InChild([] {
                signal(SIGCHLD, SIG_IGN);
                const pid_t pid = fork();
                if (pid == 0) _exit(1);
                EXPECT_THAT(waitpid(pid, nullptr, 0), FailsWith(ECHILD));
                EXPECT_THAT(kill(pid, 0), FailsWith(ESRCH));
              }),
              ExitedWith(0));
  EXPECT_THAT(InChild([] {
                static std::atomic<int> signals;
                ScopedSigaction action(SIGCHLD, [](int) { ++signals; }, SA_NOCLDWAIT);
                const pid_t pid = fork();
                if (pid == 0) _exit(1);
                while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
                }
                EXPECT_EQ(errno, ECHILD);
                EXPECT_TRUE(WaitUntil([] { return signals > 0; }));
              }),
              ExitedWith(0));
}

TEST(ProcessTest, SigchldDescribesTheChild) {
  static siginfo_t info;
  static std::atomic<int> count;
  EXPECT_THAT(InChild([] {
                count = 0;
                ScopedSigaction action(
                    SIGCHLD,
                    [](int, siginfo_t* i, void*) {
                      info = *i;
                      ++count;
                    },
                    0);
                const pid_t pid = Fork([] { _exit(9); });
                EXPECT_TRUE(WaitUntil([] { return count == 1; }));
                EXPECT_EQ(info.si_code, CLD_EXITED);
                EXPECT_EQ(info.si_pid, pid);
                EXPECT_EQ(info.si_status, 9);
                EXPECT_THAT(Wait(pid), ExitedWith(9));
                const pid_t stopped = Fork([] { raise(SIGSTOP); });
                EXPECT_TRUE(WaitUntil([] { return count == 2; }));
                EXPECT_EQ(info.si_code, CLD_STOPPED);
                EXPECT_EQ(info.si_status, SIGSTOP);
                kill(stopped, SIGCONT);
                EXPECT_THAT(Wait(stopped), ExitedWith(0));
              }),
              ExitedWith(0));
}

TEST(ProcessTest, NoCldStop) {
  static std::atomic<int> count;
  EXPECT_THAT(InChild([] {
                count = 0;
                ScopedSigaction action(SIGCHLD, [](int) { ++count; }, SA_NOCLDSTOP);
                const pid_t pid = Fork([] { raise(SIGSTOP); });
                EXPECT_THAT(Wait(pid, WUNTRACED), StoppedBy(SIGSTOP));
                EXPECT_EQ(count, 0);
                kill(pid, SIGCONT);
                EXPECT_THAT(Wait(pid), ExitedWith(0));
                EXPECT_TRUE(WaitUntil([] { return count == 1; }));
              }),
              ExitedWith(0));
}

TEST(ProcessTest, OrphansGoToTheSubreaper) {
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(prctl(PR_SET_CHILD_SUBREAPER, 1), SucceedsWith(0));
                int value = 0;
                EXPECT_THAT(prctl(PR_GET_CHILD_SUBREAPER, &value), SucceedsWith(0));
                EXPECT_EQ(value, 1);
                const pid_t me = getpid();
                Shared<pid_t> orphan;
                Event dead;
                const pid_t middle = Fork([&] {
                  const pid_t parent = getpid();
                  *orphan = Fork([&] {
                    dead.Wait();
                    EXPECT_NE(parent, me);
                    EXPECT_EQ(getppid(), me);
                  });
                });
                EXPECT_THAT(Wait(middle), ExitedWith(0));
                dead.Signal();
                EXPECT_THAT(Wait(*orphan), ExitedWith(0));
              }),
              ExitedWith(0));
}

TEST(ProcessTest, ParentDeathSignal) {
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(prctl(PR_SET_CHILD_SUBREAPER, 1), SucceedsWith(0));
                Shared<pid_t> orphan;
                const pid_t middle = Fork([&] {
                  Event ready;
                  *orphan = Fork([&] {
                    EXPECT_THAT(prctl(PR_SET_PDEATHSIG, SIGUSR1), SucceedsWith(0));
                    int sig = 0;
                    EXPECT_THAT(prctl(PR_GET_PDEATHSIG, &sig), SucceedsWith(0));
                    EXPECT_EQ(sig, SIGUSR1);
                    ready.Signal();
                    for (;;) pause();
                  });
                  ready.Wait();
                });
                EXPECT_THAT(Wait(middle), ExitedWith(0));
                EXPECT_THAT(Wait(*orphan), KilledBy(SIGUSR1));
              }),
              ExitedWith(0));
}

TEST(ProcessTest, VforkSharesMemoryAndSuspendsTheParent) {
  volatile int value = 1;
  const pid_t pid = vfork();
  if (pid == 0) {
    value = 2;
    _exit(5);
  }
  EXPECT_EQ(value, 2);
  EXPECT_THAT(Wait(pid), ExitedWith(5));
}

TEST(ProcessTest, VforkEndsWithExec) {
  const pid_t pid = vfork();
  if (pid == 0) {
    execl("/bin/sh", "sh", "-c", "exit 6", nullptr);
    _exit(99);
  }
  EXPECT_THAT(Wait(pid), ExitedWith(6));
}

TEST(ProcessTest, ManyForks) {
  std::vector<pid_t> pids;
  for (int i = 0; i < 100; ++i) {
    const pid_t pid = fork();
    if (pid == 0) _exit(i);
    pids.push_back(pid);
  }
  for (int i = 0; i < 100; ++i) EXPECT_THAT(Wait(pids[i]), ExitedWith(i));
}

TEST(ProcessTest, ForkFromAThreadLeavesOneThread) {
  ScopedThread([] {
    EXPECT_THAT(InChild([] {
                  EXPECT_EQ(StatusField("/proc/self/status", "Threads"), "1");
                  EXPECT_EQ(gettid(), getpid());
                }),
                ExitedWith(0));
  }).Join();
}

struct CloneStack {
  CloneStack() : base(Allocate(65536)) {}
  ~CloneStack() { Free(base, 65536); }
  void* top() { return static_cast<char*>(base) + 65536; }
  void* base;
};

TEST(ProcessTest, CloneFlagsOfProcesses) {
  CloneStack stack;
  // Shared memory, files, working directory; its own process.
  static int value;
  value = 0;
  static int fd;
  fd = dup(0);
  const pid_t pid = clone(
      [](void*) {
        value = 77;
        close(fd);
        chdir("/tmp");
        return 0;
      },
      stack.top(), CLONE_VM | CLONE_FILES | SIGCHLD, nullptr);
  ASSERT_GT(pid, 0);
  EXPECT_THAT(Wait(pid), ExitedWith(0));
  EXPECT_EQ(value, 77);
  EXPECT_THAT(fcntl(fd, F_GETFD), FailsWith(EBADF));
}

TEST(ProcessTest, CloneFsSharesTheDirectory) {
  EXPECT_THAT(InChild([] {
                TempDir dir;
                CloneStack stack;
                const pid_t pid = clone(
                    [](void* d) {
                      umask(0123);
                      return chdir(static_cast<const char*>(d));
                    },
                    stack.top(), CLONE_FS | SIGCHLD, const_cast<char*>(dir.path().c_str()));
                EXPECT_THAT(Wait(pid), ExitedWith(0));
                char b[4096];
                EXPECT_EQ(std::string(getcwd(b, sizeof b)), dir.path());
                EXPECT_EQ(umask(022), 0123u);
                chdir("/");
              }),
              ExitedWith(0));
}

TEST(ProcessTest, CloneErrors) {
  const auto clone_flags = [](unsigned long flags) {
    return syscall(SYS_clone, flags, nullptr, nullptr, nullptr, 0);
  };
  EXPECT_THAT(clone_flags(CLONE_THREAD | SIGCHLD), FailsWith(EINVAL));
  EXPECT_THAT(clone_flags(CLONE_SIGHAND | SIGCHLD), FailsWith(EINVAL));
  EXPECT_THAT(clone_flags(CLONE_THREAD | CLONE_SIGHAND), FailsWith(EINVAL));
  EXPECT_THAT(clone_flags(CLONE_NEWNS | CLONE_FS), FailsWith(EINVAL));
}

long Clone3(clone_args args, size_t size = sizeof(clone_args)) {
  return syscall(SYS_clone3, &args, size);
}

TEST(ProcessTest, Clone3) {
  int pidfd = -1;
  clone_args args = {};
  args.flags = CLONE_PIDFD;
  args.exit_signal = SIGCHLD;
  args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  const pid_t pid = static_cast<pid_t>(Clone3(args));
  if (pid == 0) _exit(4);
  ASSERT_GT(pid, 0);
  Fd fd(pidfd);
  EXPECT_EQ(fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(Poll(fd.get(), POLLIN, kLongMs), POLLIN);
  siginfo_t info = {};
  EXPECT_THAT(waitid(P_PIDFD, fd.get(), &info, WEXITED), SucceedsWith(0));
  EXPECT_EQ(info.si_pid, pid);
  EXPECT_EQ(info.si_status, 4);
}

TEST(ProcessTest, Clone3Errors) {
  clone_args args = {};
  args.exit_signal = SIGCHLD;
  EXPECT_THAT(Clone3(args, 8), FailsWith(EINVAL));
  EXPECT_THAT(Clone3(args, 100000), FailsWith(E2BIG));
  EXPECT_THAT(syscall(SYS_clone3, 8, sizeof args), FailsWith(EFAULT));
  clone_args bad = args;
  bad.exit_signal = 65;
  EXPECT_THAT(Clone3(bad), FailsWith(EINVAL));
  bad = args;
  bad.flags = uint64_t{1} << 60;
  EXPECT_THAT(Clone3(bad), FailsWith(EINVAL));
  bad = args;
  bad.stack_size = 4096;
  EXPECT_THAT(Clone3(bad), FailsWith(EINVAL));
  bad = args;
  bad.flags = CLONE_DETACHED;
  EXPECT_THAT(Clone3(bad), FailsWith(EINVAL));
}

TEST(ProcessTest, OtherExitSignals) {
  EXPECT_THAT(InChild([] {
                static std::atomic<int> caught;
                ScopedSigaction usr1(SIGUSR1, [](int) { ++caught; });
                const pid_t pid =
                    static_cast<pid_t>(syscall(SYS_clone, SIGUSR1, nullptr, nullptr, nullptr, 0));
                if (pid == 0) _exit(0);
                EXPECT_TRUE(WaitUntil([] { return caught == 1; }));
                // Such children are found only with __WALL or __WCLONE.
                EXPECT_THAT(waitpid(pid, nullptr, 0), FailsWith(ECHILD));
                EXPECT_THAT(waitpid(pid, nullptr, __WCLONE), SucceedsWith(pid));
              }),
              ExitedWith(0));
}

TEST(ProcessTest, ParentAndChildTid) {
  pid_t parent_tid = 0;
  Shared<pid_t> child_tid;
  const pid_t pid = static_cast<pid_t>(
      syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, nullptr, &parent_tid,
              child_tid.get(), 0));
  if (pid == 0) _exit(0);
  EXPECT_THAT(Wait(pid), ExitedWith(0));
  EXPECT_EQ(parent_tid, pid);
  EXPECT_EQ(*child_tid, pid);
}

TEST(ProcessTest, CloneParentMakesSiblings) {
  EXPECT_THAT(InChild([] {
                const pid_t me = getpid();
                Shared<pid_t> sibling;
                const pid_t pid = Fork([&] {
                  const pid_t s = static_cast<pid_t>(
                      syscall(SYS_clone, CLONE_PARENT | SIGCHLD, nullptr, nullptr, nullptr, 0));
                  if (s == 0) _exit(getppid() == me ? 11 : 12);
                  *sibling = s;
                  EXPECT_THAT(waitpid(s, nullptr, 0), FailsWith(ECHILD));
                });
                EXPECT_THAT(Wait(pid), ExitedWith(0));
                EXPECT_THAT(Wait(*sibling), ExitedWith(11));
              }),
              ExitedWith(0));
}

TEST(ProcessTest, Pidfd) {
  ScopedChild child([] {
    for (;;) pause();
  });
  Fd fd(static_cast<int>(syscall(SYS_pidfd_open, child.pid(), 0)));
  ASSERT_GE(fd.get(), 0);
  EXPECT_EQ(Poll(fd.get(), POLLIN), 0);
  EXPECT_THAT(syscall(SYS_pidfd_send_signal, fd.get(), 0, nullptr, 0), SucceedsWith(0));
  // The directory of a process does too, that of a thread does not.
  const std::string proc = "/proc/" + std::to_string(child.pid());
  Fd process = Open(proc, O_DIRECTORY);
  EXPECT_THAT(syscall(SYS_pidfd_send_signal, process.get(), 0, nullptr, 0), SucceedsWith(0));
  Fd thread = Open(proc + "/task/" + std::to_string(child.pid()), O_DIRECTORY);
  EXPECT_THAT(syscall(SYS_pidfd_send_signal, thread.get(), 0, nullptr, 0), FailsWith(EBADF));
  EXPECT_THAT(syscall(SYS_pidfd_send_signal, fd.get(), SIGTERM, nullptr, 0), SucceedsWith(0));
  EXPECT_EQ(Poll(fd.get(), POLLIN, kLongMs), POLLIN);
  EXPECT_THAT(child.Wait(), KilledBy(SIGTERM));
  EXPECT_THAT(syscall(SYS_pidfd_send_signal, fd.get(), 0, nullptr, 0), FailsWith(ESRCH));
  EXPECT_THAT(syscall(SYS_pidfd_open, 0, 0), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_pidfd_open, 0x7ffffff0, 0), FailsWith(ESRCH));
  EXPECT_THAT(syscall(SYS_pidfd_open, getpid(), 0x100), FailsWith(EINVAL));
}

TEST(ProcessTest, PidfdGetfd) {
  PipeFds p = MakePipe();
  Event go;
  ScopedChild child([&] { go.Wait(); });
  Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, child.pid(), 0)));
  Fd writer(static_cast<int>(syscall(SYS_pidfd_getfd, pidfd.get(), p.writer.get(), 0)));
  ASSERT_GE(writer.get(), 0);
  EXPECT_THAT(write(writer.get(), "x", 1), SucceedsWith(1));
  EXPECT_EQ(ReadExactly(p.reader.get(), 1), "x");
  EXPECT_THAT(syscall(SYS_pidfd_getfd, pidfd.get(), 12345, 0), FailsWith(EBADF));
  go.Signal();
  child.Wait();
}

TEST(ProcessTest, ExitGroupEndsAllThreads) {
  EXPECT_THAT(InChild([] {
                Event never;
                ScopedThread a([&] {
                  for (;;) pause();
                });
                ScopedThread b([] { syscall(SYS_exit_group, 8); });
                for (;;) pause();
              }),
              ExitedWith(8));
}

TEST(ProcessTest, LeaderMayExitBeforeItsThreads) {
  Event go;
  const pid_t pid = Fork([&] {
    std::thread([&] {
      go.Wait();
      syscall(SYS_exit_group, 3);
    }).detach();
    syscall(SYS_exit, 1);
  });
  EXPECT_TRUE(WaitUntilState(pid, 'Z'));
  // The leader is a zombie, but the process is not over.
  EXPECT_THAT(waitpid(pid, nullptr, WNOHANG), SucceedsWith(0));
  go.Signal();
  EXPECT_THAT(Wait(pid), ExitedWith(3));
}

TEST(ProcessTest, ProcessLimit) {
  EXPECT_THAT(InChild([] {
                const rlimit limit = {1, 1};
                EXPECT_THAT(setrlimit(RLIMIT_NPROC, &limit), SucceedsWith(0));
                EXPECT_THAT(setresgid(54321, 54321, 54321), SucceedsWith(0));
                EXPECT_THAT(setresuid(54321, 54321, 54321), SucceedsWith(0));
                EXPECT_THAT(fork(), FailsWith(EAGAIN));
              }),
              ExitedWith(0));
}

}  // namespace
}  // namespace cvisor::test
