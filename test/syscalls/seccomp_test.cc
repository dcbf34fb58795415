// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// seccomp(2) and prctl(PR_SET_SECCOMP). Filters cannot be taken off: each test runs in a child.
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <ucontext.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

using Program = std::vector<sock_filter>;

int InstallRaw(const Program& program, unsigned flags = 0) {
  sock_fprog prog = {static_cast<unsigned short>(program.size()),
                     const_cast<sock_filter*>(program.data())};
  return static_cast<int>(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog));
}

sock_filter Return(uint32_t value) { return BPF_STMT(BPF_RET | BPF_K, value); }
sock_filter Load(size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}

// `action` for one call, everything else is allowed.
Program For(int number, uint32_t action) {
  return {Load(offsetof(seccomp_data, nr)),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1), Return(action),
          Return(SECCOMP_RET_ALLOW)};
}

void Install(const Program& program, unsigned flags = 0) {
  ASSERT_THAT(InstallRaw(program, flags), SucceedsWith(0));
}

// What the host adds of its own (a container runtime's filter).
int Filters() { return std::stoi(StatusField("/proc/thread-self/status", "Seccomp_filters")); }
int Mode() { return std::stoi(StatusField("/proc/thread-self/status", "Seccomp")); }

TEST(SeccompStrictTest, OnlyFourCalls) {
  if (Mode() != 0) GTEST_SKIP() << "the host filters already";
  EXPECT_THAT(InChild([] {
                PipeFds pipe = MakePipe();
                const int writer = pipe.writer.get(), reader = pipe.reader.get();
                if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) _exit(9);
                char c = 'x';
                const bool good =
                    syscall(SYS_write, writer, &c, 1) == 1 && syscall(SYS_read, reader, &c, 1) == 1;
                syscall(SYS_exit, good ? 7 : 8);
              }),
              ExitedWith(7));
  EXPECT_THAT(InChild([] {
                if (syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, nullptr) != 0) _exit(9);
                syscall(SYS_getpid);
                syscall(SYS_exit, 0);
              }),
              KilledBy(SIGKILL));
  EXPECT_THAT(InChild([] {
                if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) _exit(9);
                syscall(SYS_exit_group, 0);
              }),
              KilledBy(SIGKILL));
}

TEST(SeccompStrictTest, Errors) {
  EXPECT_THAT(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, nullptr), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, 1), FailsWith(EINVAL));
  EXPECT_THAT(InChild([] {
                Install({Return(SECCOMP_RET_ALLOW)});
                EXPECT_THAT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT), FailsWith(EINVAL));
              }),
              ExitedWith(0));
}

TEST(SeccompFilterTest, InstallErrors) {
  EXPECT_THAT(syscall(SYS_seccomp, 99, 0, nullptr), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, nullptr), FailsWith(EFAULT));
  EXPECT_THAT(prctl(PR_SET_SECCOMP, 3, nullptr), FailsWith(EINVAL));
  EXPECT_THAT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, nullptr), FailsWith(EFAULT));
  EXPECT_THAT(InstallRaw({}), FailsWith(EINVAL));
  EXPECT_THAT(InstallRaw(Program(BPF_MAXINSNS + 1, Return(SECCOMP_RET_ALLOW))), FailsWith(EINVAL));
  EXPECT_THAT(InstallRaw({Return(SECCOMP_RET_ALLOW)}, 0x8000), FailsWith(EINVAL));
  EXPECT_THAT(InstallRaw({Return(SECCOMP_RET_ALLOW)},
                         SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_NEW_LISTENER),
              FailsWith(EINVAL));
  sock_fprog prog = {1, nullptr};
  EXPECT_THAT(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog), FailsWith(EINVAL));
  prog.filter = reinterpret_cast<sock_filter*>(16);
  EXPECT_THAT(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog), FailsWith(EFAULT));
}

TEST(SeccompFilterTest, InvalidPrograms) {
  const Program invalid[] = {
      {Load(0)},                                                  // no return
      {Load(2), Return(0)},                                       // not aligned
      {Load(sizeof(seccomp_data)), Return(0)},                    // outside
      {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), Return(0)},         // half a word
      {BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0), Return(0)},         // of packets only
      {BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), Return(0)},        // by zero
      {BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), Return(0)},        // not for seccomp
      {BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), Return(0)},       // all bits
      {BPF_STMT(BPF_JMP | BPF_JA, 1), Return(0)},                 // past the end
      {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), Return(0)},  // past the end
      {BPF_STMT(BPF_LD | BPF_MEM, 0), Return(0)},                 // not written
      {BPF_STMT(BPF_ST, BPF_MEMWORDS), Return(0)},                // no such word
      {BPF_STMT(0xfff0, 0), Return(0)},                           // nothing
  };
  for (size_t i = 0; i < std::size(invalid); ++i) {
    EXPECT_THAT(InstallRaw(invalid[i]), FailsWith(EINVAL)) << i;
  }
  // One of each that is allowed.
  EXPECT_THAT(InChild([] {
                Install({Load(0), BPF_STMT(BPF_MISC | BPF_TAX, 0), BPF_STMT(BPF_STX, 15),
                         BPF_STMT(BPF_LD | BPF_MEM, 15), BPF_STMT(BPF_LDX | BPF_W | BPF_LEN, 0),
                         BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), BPF_STMT(BPF_ALU | BPF_NEG, 0),
                         BPF_STMT(BPF_JMP | BPF_JA, 0), Return(SECCOMP_RET_ALLOW)});
                EXPECT_GT(syscall(SYS_getppid), 0);
              }),
              ExitedWith(0));
}

TEST(SeccompFilterTest, NeedsNoNewPrivsOrPrivilege) {
  EXPECT_THAT(InChild([] {
                BecomeNobody();
                EXPECT_THAT(InstallRaw({Return(SECCOMP_RET_ALLOW)}), FailsWith(EACCES));
                EXPECT_THAT(InstallRaw({}), FailsWith(EINVAL));
                EXPECT_THAT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), SucceedsWith(0));
                EXPECT_THAT(InstallRaw({Load(3), Return(0)}), FailsWith(EINVAL));
                Install({Return(SECCOMP_RET_ALLOW)});
              }),
              ExitedWith(0));
}

TEST(SeccompFilterTest, ModeIsVisible) {
  const int before = Filters();
  EXPECT_THAT(InChild([&] {
                Install({Return(SECCOMP_RET_ALLOW)});
                EXPECT_EQ(prctl(PR_GET_SECCOMP), SECCOMP_MODE_FILTER);
                EXPECT_EQ(Mode(), SECCOMP_MODE_FILTER);
                EXPECT_EQ(Filters(), before + 1);
                const Program allow = {Return(SECCOMP_RET_ALLOW)};
                sock_fprog prog = {1, const_cast<sock_filter*>(allow.data())};
                EXPECT_THAT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog), SucceedsWith(0));
                EXPECT_EQ(Filters(), before + 2);
              }),
              ExitedWith(0));
  EXPECT_EQ(Filters(), before);
}

TEST(SeccompFilterTest, ReturnsErrno) {
  EXPECT_THAT(InChild([] {
                Install(For(SYS_getppid, SECCOMP_RET_ERRNO | ENETDOWN));
                EXPECT_THAT(syscall(SYS_getppid), FailsWith(ENETDOWN));
                EXPECT_GT(syscall(SYS_getpid), 0);
                Install(For(SYS_uname, SECCOMP_RET_ERRNO));  // 0: done, as it seems
                utsname name = {};
                EXPECT_THAT(syscall(SYS_uname, &name), SucceedsWith(0));
                EXPECT_EQ(name.sysname[0], 0);
                Install(For(SYS_getpgrp, SECCOMP_RET_ERRNO | 0xffff));
                EXPECT_THAT(syscall(SYS_getpgrp), FailsWith(4095));
                Install(For(12345, SECCOMP_RET_ERRNO | EBADMSG));  // no such call
                EXPECT_THAT(syscall(12345), FailsWith(EBADMSG));
              }),
              ExitedWith(0));
}

// Not even calls that a kernel would like to make short work of escape.
TEST(SeccompFilterTest, CallsThatAreMadeOften) {
  const auto yield_often = [](int result) {
    for (int i = 0; i < 100; ++i) {
      if (sched_yield() != result) return false;
    }
    return result == 0 || errno == EDOM;
  };
  EXPECT_THAT(InChild([&] {
                EXPECT_TRUE(yield_often(0));
                Install(For(SYS_sched_yield, SECCOMP_RET_ERRNO | EDOM));
                EXPECT_TRUE(yield_often(-1));
                EXPECT_THAT(InChild([&] { EXPECT_TRUE(yield_often(-1)); }), ExitedWith(0));
                ScopedThread thread([&] { EXPECT_TRUE(yield_often(-1)); });
                thread.Join();
              }),
              ExitedWith(0));
}

TEST(SeccompFilterTest, SeesTheArguments) {
  EXPECT_THAT(InChild([] {
                // The upper half of the third argument, of calls for this architecture.
                Install({Load(offsetof(seccomp_data, arch)),
                         BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
                         Return(SECCOMP_RET_KILL_PROCESS), Load(offsetof(seccomp_data, nr)),
                         BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_kcmp, 0, 3),
                         Load(offsetof(seccomp_data, args[2]) + 4),
                         BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, SECCOMP_RET_ERRNO),
                         BPF_STMT(BPF_RET | BPF_A, 0), Return(SECCOMP_RET_ALLOW)});
                EXPECT_THAT(syscall(SYS_kcmp, 1, 1, 0x4100000000, 0, 0), FailsWith(0x41));
                EXPECT_THAT(syscall(SYS_kcmp, 1, 1, 0x2200000001, 0, 0), FailsWith(0x22));
              }),
              ExitedWith(0));
}

TEST(SeccompFilterTest, TheMostRestrictiveCounts) {
  EXPECT_THAT(InChild([] {
                Install(For(SYS_getppid, SECCOMP_RET_ERRNO | EDOM));
                Install({Return(SECCOMP_RET_ALLOW)});
                EXPECT_THAT(syscall(SYS_getppid), FailsWith(EDOM));
                Install(For(SYS_getppid, SECCOMP_RET_ERRNO | ERANGE));  // the latest of equals
                EXPECT_THAT(syscall(SYS_getppid), FailsWith(ERANGE));
                Install(For(SYS_getppid, SECCOMP_RET_KILL_PROCESS));
                syscall(SYS_getppid);
              }),
              KilledBy(SIGSYS));
}

TEST(SeccompFilterTest, KillsTheProcess) {
  EXPECT_THAT(InChild([] {
                ScopedThread sleeper([] { pause(); });
                ScopedSigaction handler(SIGSYS, [](int) { _exit(5); });
                Install(For(SYS_getppid, SECCOMP_RET_KILL_PROCESS));
                syscall(SYS_getppid);
              }),
              KilledBy(SIGSYS));
  // Unknown actions are that, too.
  EXPECT_THAT(InChild([] {
                Install(For(SYS_getppid, 0x12340000));
                syscall(SYS_getppid);
              }),
              KilledBy(SIGSYS));
}

TEST(SeccompFilterTest, KillsTheThread) {
  EXPECT_THAT(InChild([] {
                std::atomic<bool> after = false;
                pid_t tid = 0;
                Event started;
                std::thread([&] {
                  tid = gettid();
                  Install(For(SYS_getppid, SECCOMP_RET_KILL_THREAD));
                  started.Signal();
                  syscall(SYS_getppid);
                  after = true;
                }).detach();
                started.Wait();
                EXPECT_TRUE(WaitUntil([&] { return ThreadState(tid) == 0; }));
                EXPECT_FALSE(after);
                EXPECT_GT(syscall(SYS_getppid), 0);  // the filter was the thread's own
              }),
              ExitedWith(0));
  // The only thread: the process.
  EXPECT_THAT(InChild([] {
                Install(For(SYS_getppid, SECCOMP_RET_KILL_THREAD));
                syscall(SYS_getppid);
              }),
              KilledBy(SIGSYS));
}

siginfo_t trapped;
greg_t trapped_rax, trapped_rip;

void OnTrap(int, siginfo_t* info, void* context) {
  trapped = *info;
  auto* regs = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  trapped_rax = regs[REG_RAX];
  trapped_rip = regs[REG_RIP];
  regs[REG_RAX] = 1234;  // what the call seems to return
}

TEST(SeccompFilterTest, Traps) {
  EXPECT_THAT(InChild([] {
                ScopedSigaction handler(SIGSYS, OnTrap, SA_SIGINFO);
                Install(For(SYS_getppid, SECCOMP_RET_TRAP | 77));
                EXPECT_EQ(syscall(SYS_getppid), 1234);
                EXPECT_EQ(trapped.si_signo, SIGSYS);
                EXPECT_EQ(trapped.si_code, 1);  // SYS_SECCOMP
                EXPECT_EQ(trapped.si_errno, 77);
                EXPECT_EQ(trapped.si_syscall, SYS_getppid);
                EXPECT_EQ(trapped.si_arch, AUDIT_ARCH_X86_64);
                EXPECT_EQ(reinterpret_cast<greg_t>(trapped.si_call_addr), trapped_rip);
                EXPECT_EQ(trapped_rax, SYS_getppid);
              }),
              ExitedWith(0));
  EXPECT_THAT(InChild([] {
                Install(For(SYS_getppid, SECCOMP_RET_TRAP));
                syscall(SYS_getppid);  // no handler
              }),
              KilledBy(SIGSYS));
  EXPECT_THAT(InChild([] {
                ScopedSigaction handler(SIGSYS, OnTrap, SA_SIGINFO);
                ScopedSigmask block(SIG_BLOCK, {SIGSYS});
                Install(For(SYS_getppid, SECCOMP_RET_TRAP));
                syscall(SYS_getppid);  // cannot be blocked
              }),
              KilledBy(SIGSYS));
}

TEST(SeccompFilterTest, TraceWithoutATracer) {
  EXPECT_THAT(InChild([] {
                Install(For(SYS_getppid, SECCOMP_RET_TRACE | 1));
                EXPECT_THAT(syscall(SYS_getppid), FailsWith(ENOSYS));
              }),
              ExitedWith(0));
}

TEST(SeccompFilterTest, NotificationWithoutAListener) {
  EXPECT_THAT(InChild([] {
                Install(For(SYS_getppid, SECCOMP_RET_USER_NOTIF));
                EXPECT_THAT(syscall(SYS_getppid), FailsWith(ENOSYS));
              }),
              ExitedWith(0));
}

TEST(SeccompFilterTest, LogAllows) {
  EXPECT_THAT(InChild([] {
                Install(For(SYS_getppid, SECCOMP_RET_LOG), SECCOMP_FILTER_FLAG_LOG);
                EXPECT_GT(syscall(SYS_getppid), 0);
              }),
              ExitedWith(0));
}

TEST(SeccompFilterTest, ForkThreadsAndExecInherit) {
  EXPECT_THAT(InChild([] {
                Install(For(SYS_getppid, SECCOMP_RET_ERRNO | EDOM));
                EXPECT_THAT(InChild([] { EXPECT_THAT(syscall(SYS_getppid), FailsWith(EDOM)); }),
                            ExitedWith(0));
                ScopedThread thread([] { EXPECT_THAT(syscall(SYS_getppid), FailsWith(EDOM)); });
                thread.Join();
                Install(For(SYS_uname, SECCOMP_RET_KILL_PROCESS));
                ExitIfFailed();
                execl("/bin/uname", "uname", nullptr);
              }),
              KilledBy(SIGSYS));
}

TEST(SeccompFilterTest, AThreadsFilterIsItsOwn) {
  EXPECT_THAT(InChild([] {
                ScopedThread thread([] {
                  Install(For(SYS_getppid, SECCOMP_RET_ERRNO | EDOM));
                  EXPECT_THAT(syscall(SYS_getppid), FailsWith(EDOM));
                });
                thread.Join();
                EXPECT_GT(syscall(SYS_getppid), 0);
              }),
              ExitedWith(0));
}

TEST(SeccompTsyncTest, AllThreadsFollow) {
  EXPECT_THAT(InChild([] {
                Event go;
                ScopedThread other([&] {
                  go.Wait();
                  EXPECT_THAT(syscall(SYS_getppid), FailsWith(EDOM));
                  EXPECT_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
                });
                EXPECT_THAT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), SucceedsWith(0));
                Install(For(SYS_getppid, SECCOMP_RET_ERRNO | EDOM), SECCOMP_FILTER_FLAG_TSYNC);
                go.Signal();
                other.Join();
                EXPECT_THAT(syscall(SYS_getppid), FailsWith(EDOM));
              }),
              ExitedWith(0));
}

TEST(SeccompTsyncTest, SleepersFollow) {
  EXPECT_THAT(InChild([] {
                PipeFds pipe = MakePipe();
                ScopedThread other([&] {
                  char c;
                  EXPECT_THAT(read(pipe.reader.get(), &c, 1), SucceedsWith(1));
                  EXPECT_THAT(syscall(SYS_getppid), FailsWith(EDOM));
                });
                EXPECT_TRUE(WaitUntilBlocked(other.tid()));
                Install(For(SYS_getppid, SECCOMP_RET_ERRNO | EDOM), SECCOMP_FILTER_FLAG_TSYNC);
                EXPECT_TRUE(WriteAll(pipe.writer.get(), "x"));
              }),
              ExitedWith(0));
}

TEST(SeccompTsyncTest, ThreadsThatWentAnotherWayDoNot) {
  EXPECT_THAT(
      InChild([] {
        Event installed, done;
        ScopedThread other([&] {
          Install(For(SYS_getpgrp, SECCOMP_RET_ERRNO | EDOM));
          installed.Signal();
          done.Wait();
          EXPECT_GT(syscall(SYS_getppid), 0);
        });
        installed.Wait();
        const Program program = For(SYS_getppid, SECCOMP_RET_ERRNO | EDOM);
        EXPECT_THAT(InstallRaw(program, SECCOMP_FILTER_FLAG_TSYNC), SucceedsWith(other.tid()));
        EXPECT_THAT(
            InstallRaw(program, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH),
            FailsWith(ESRCH));
        EXPECT_GT(syscall(SYS_getppid), 0);  // nobody has it
        done.Signal();
      }),
      ExitedWith(0));
}

TEST(SeccompTsyncTest, StrictModeAtTheSameTime) {
  if (Mode() != 0) GTEST_SKIP() << "the host filters already";
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(InChild([] {
                  std::atomic<pid_t> tid = 0;
                  std::thread([&] {
                    tid = gettid();
                    // Refused if the filter has come first.
                    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0) syscall(SYS_exit, 0);
                  }).detach();
                  while (tid == 0) sched_yield();
                  const int r = InstallRaw({Return(SECCOMP_RET_ALLOW)}, SECCOMP_FILTER_FLAG_TSYNC);
                  EXPECT_TRUE(r == 0 || r == tid) << r;
                }),
                ExitedWith(0));
  }
}

TEST(SeccompFilterTest, RestartedCallsAreLookedAtAgain) {
  // A filter that arrives while a call sleeps applies when it restarts.
  EXPECT_THAT(InChild([] {
                ScopedSigaction handler(
                    SIGUSR1, [](int) {}, SA_RESTART);
                PipeFds pipe = MakePipe();
                ScopedThread other([&] {
                  char c;
                  EXPECT_THAT(read(pipe.reader.get(), &c, 1), FailsWith(EDOM));
                });
                EXPECT_TRUE(WaitUntilBlocked(other.tid()));
                const int fd = pipe.reader.get();
                Install({Load(offsetof(seccomp_data, nr)),
                         BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 0, 3),
                         Load(offsetof(seccomp_data, args[0])),
                         BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(fd), 0, 1),
                         Return(SECCOMP_RET_ERRNO | EDOM), Return(SECCOMP_RET_ALLOW)},
                        SECCOMP_FILTER_FLAG_TSYNC);
                pthread_kill(other.handle(), SIGUSR1);
                other.Join();
              }),
              ExitedWith(0));
}

TEST(SeccompFilterTest, TooManyInstructions) {
  EXPECT_THAT(InChild([] {
                const Program big(BPF_MAXINSNS, Return(SECCOMP_RET_ALLOW));
                int n = 0;
                while (n < 100 && InstallRaw(big) == 0) ++n;
                EXPECT_EQ(errno, ENOMEM);
                EXPECT_LE(n, 7);
                EXPECT_GE(n, 3);
              }),
              ExitedWith(0));
}

TEST(SeccompTest, AvailableActions) {
  for (const uint32_t action :
       {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO,
        SECCOMP_RET_TRACE, SECCOMP_RET_LOG, SECCOMP_RET_ALLOW}) {
    EXPECT_THAT(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action), SucceedsWith(0));
  }
  const uint32_t unknown = 0x12340000;
  EXPECT_THAT(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &unknown), FailsWith(EOPNOTSUPP));
  EXPECT_THAT(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 1, &unknown), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, nullptr), FailsWith(EFAULT));
}

}  // namespace
}  // namespace cvisor::test
