// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// ptrace(2): stops, and what a tracer sees and does in them.
#include <elf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <functional>
#include <thread>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

volatile long traced_word = 0x1122334455667788;

// A child that is traced; killed at the end.
class Tracee {
 public:
  // Asks to be traced and stops itself before `body`.
  static Tracee TraceMe(const std::function<void()>& body) {
    return Tracee([&body] {
      if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0) _exit(120);
      raise(SIGSTOP);
      body();
      _exit(0);
    });
  }
  static Tracee Untraced(const std::function<void()>& body) {
    return Tracee([&body] {
      body();
      _exit(0);
    });
  }
  Tracee(Tracee&& o) : pid_(std::exchange(o.pid_, 0)) {}
  ~Tracee() {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    int status;
    while (waitpid(pid_, &status, __WALL) == pid_ && WIFSTOPPED(status)) {
    }
  }
  pid_t pid() const { return pid_; }
  int Wait() const {
    int status = -1;
    EXPECT_EQ(waitpid(pid_, &status, __WALL), pid_);
    return status;
  }
  long Go(enum __ptrace_request request, long data = 0) const {
    return ptrace(request, pid_, 0, data);
  }
  user_regs_struct Regs() const {
    user_regs_struct r{};
    EXPECT_EQ(ptrace(PTRACE_GETREGS, pid_, 0, &r), 0);
    return r;
  }

 private:
  explicit Tracee(const std::function<void()>& child) {
    pid_ = fork();
    if (pid_ == 0) child();
  }
  pid_t pid_;
};

int StopOf(int status) { return WIFSTOPPED(status) ? status >> 8 : -1; }

TEST(PtraceTest, NoTracee) {
  EXPECT_THAT(ptrace(PTRACE_CONT, getpid(), 0, 0), FailsWith(ESRCH));
  EXPECT_THAT(ptrace(PTRACE_ATTACH, getpid(), 0, 0), FailsWith(EPERM));
  EXPECT_THAT(ptrace(PTRACE_ATTACH, 0x3ffffff, 0, 0), FailsWith(ESRCH));
  EXPECT_THAT(ptrace(PTRACE_SEIZE, getppid(), 1, 0), FailsWith(EIO));
}

TEST(PtraceTest, TraceMeTwice) {
  auto t = Tracee::TraceMe(
      [] { _exit(ptrace(PTRACE_TRACEME, 0, 0, 0) == -1 && errno == EPERM ? 7 : 8); });
  ASSERT_THAT(t.Wait(), StoppedBy(SIGSTOP));
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  EXPECT_THAT(t.Wait(), ExitedWith(7));
}

TEST(PtraceTest, SignalIsSuppressedReplacedAndDelivered) {
  auto t = Tracee::TraceMe([] {
    raise(SIGTERM);
    raise(SIGTERM);
  });
  ASSERT_THAT(t.Wait(), StoppedBy(SIGSTOP));
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  ASSERT_THAT(t.Wait(), StoppedBy(SIGTERM));
  siginfo_t info{};
  ASSERT_EQ(ptrace(PTRACE_GETSIGINFO, t.pid(), 0, &info), 0);
  EXPECT_EQ(info.si_signo, SIGTERM);
  EXPECT_EQ(info.si_code, SI_TKILL);
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  ASSERT_THAT(t.Wait(), StoppedBy(SIGTERM));
  ASSERT_EQ(t.Go(PTRACE_CONT, SIGUSR1), 0);
  EXPECT_THAT(t.Wait(), KilledBy(SIGUSR1));
}

TEST(PtraceTest, IgnoredSignalsAreSeen) {
  auto t = Tracee::TraceMe([] {
    signal(SIGUSR2, SIG_IGN);
    raise(SIGUSR2);
    _exit(3);
  });
  ASSERT_THAT(t.Wait(), StoppedBy(SIGSTOP));
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  ASSERT_THAT(t.Wait(), StoppedBy(SIGUSR2));
  ASSERT_EQ(t.Go(PTRACE_CONT, SIGUSR2), 0);
  EXPECT_THAT(t.Wait(), ExitedWith(3));
}

TEST(PtraceTest, Memory) {
  auto t = Tracee::TraceMe([] { _exit(traced_word == 42 ? 1 : 2); });
  ASSERT_THAT(t.Wait(), StoppedBy(SIGSTOP));
  void* const at = const_cast<long*>(&traced_word);
  EXPECT_EQ(ptrace(PTRACE_PEEKDATA, t.pid(), at, 0), traced_word);
  EXPECT_EQ(ptrace(PTRACE_POKEDATA, t.pid(), at, 42), 0);
  EXPECT_THAT(ptrace(PTRACE_POKEDATA, t.pid(), 0, 42), FailsWith(EIO));
  errno = 0;
  EXPECT_EQ(ptrace(PTRACE_PEEKDATA, t.pid(), 0, 0), -1);
  EXPECT_EQ(errno, EIO);
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  EXPECT_THAT(t.Wait(), ExitedWith(1));
  EXPECT_NE(traced_word, 42);
}

__attribute__((noinline)) int Seven() {
  asm volatile("");
  return 7;
}

TEST(PtraceTest, BreakpointInText) {
  auto t = Tracee::TraceMe([] { _exit(Seven()); });
  ASSERT_THAT(t.Wait(), StoppedBy(SIGSTOP));
  void* const at = reinterpret_cast<void*>(&Seven);
  const long code = ptrace(PTRACE_PEEKTEXT, t.pid(), at, 0);
  ASSERT_EQ(ptrace(PTRACE_POKETEXT, t.pid(), at, (code & ~0xffL) | 0xcc), 0);
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  ASSERT_THAT(t.Wait(), StoppedBy(SIGTRAP));
  siginfo_t info{};
  ASSERT_EQ(ptrace(PTRACE_GETSIGINFO, t.pid(), 0, &info), 0);
  EXPECT_EQ(info.si_code, SI_KERNEL);
  user_regs_struct r = t.Regs();
  EXPECT_EQ(r.rip, reinterpret_cast<uint64_t>(at) + 1);
  r.rip -= 1;
  ASSERT_EQ(ptrace(PTRACE_SETREGS, t.pid(), 0, &r), 0);
  ASSERT_EQ(ptrace(PTRACE_POKETEXT, t.pid(), at, code), 0);
  // The code of this process is as it was.
  EXPECT_EQ(Seven(), 7);
  ASSERT_EQ(t.Go(PTRACE_SINGLESTEP), 0);
  ASSERT_THAT(t.Wait(), StoppedBy(SIGTRAP));
  EXPECT_NE(t.Regs().rip, r.rip);
  EXPECT_EQ(t.Regs().eflags & 0x100, 0);
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  EXPECT_THAT(t.Wait(), ExitedWith(7));
}

TEST(PtraceTest, SingleStepOverCalls) {
  auto t = Tracee::TraceMe([] {
    for (int i = 0; i < 3; ++i) syscall(SYS_getppid);
    _exit(5);
  });
  ASSERT_THAT(t.Wait(), StoppedBy(SIGSTOP));
  int status, steps = 0;
  for (;; ++steps) {
    ASSERT_EQ(t.Go(PTRACE_SINGLESTEP), 0);
    status = t.Wait();
    if (!WIFSTOPPED(status)) break;
    ASSERT_THAT(status, StoppedBy(SIGTRAP));
  }
  EXPECT_THAT(status, ExitedWith(5));
  EXPECT_GT(steps, 10);
}

TEST(PtraceTest, SyscallStops) {
  auto t = Tracee::TraceMe([] { _exit(syscall(SYS_getppid, 1, 2, 3) == 77 ? 1 : 2); });
  ASSERT_THAT(t.Wait(), StoppedBy(SIGSTOP));
  ASSERT_EQ(ptrace(PTRACE_SETOPTIONS, t.pid(), 0, PTRACE_O_TRACESYSGOOD), 0);
  EXPECT_THAT(ptrace(PTRACE_SETOPTIONS, t.pid(), 0, 1 << 30), FailsWith(EINVAL));
  user_regs_struct r;
  do {
    ASSERT_EQ(t.Go(PTRACE_SYSCALL), 0);
    ASSERT_THAT(t.Wait(), StoppedBy(SIGTRAP | 0x80));
    r = t.Regs();
  } while (r.orig_rax != SYS_getppid);
  EXPECT_EQ(static_cast<long>(r.rax), -ENOSYS);
  EXPECT_EQ(r.rdi, 1);
  __ptrace_syscall_info info{};
  EXPECT_EQ(ptrace(PTRACE_GET_SYSCALL_INFO, t.pid(), sizeof(info), &info), 80);
  EXPECT_EQ(info.op, PTRACE_SYSCALL_INFO_ENTRY);
  EXPECT_EQ(info.entry.nr, SYS_getppid);
  EXPECT_EQ(info.entry.args[2], 3);
  ASSERT_EQ(t.Go(PTRACE_SYSCALL), 0);
  ASSERT_THAT(t.Wait(), StoppedBy(SIGTRAP | 0x80));
  EXPECT_EQ(ptrace(PTRACE_GET_SYSCALL_INFO, t.pid(), sizeof(info), &info), 33);
  EXPECT_EQ(info.op, PTRACE_SYSCALL_INFO_EXIT);
  EXPECT_EQ(info.exit.rval, getpid());
  r = t.Regs();
  r.rax = 77;
  ASSERT_EQ(ptrace(PTRACE_SETREGS, t.pid(), 0, &r), 0);
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  EXPECT_THAT(t.Wait(), ExitedWith(1));
}

TEST(PtraceTest, CallIsSkipped) {
  auto t = Tracee::TraceMe([] { _exit(syscall(SYS_getppid) == 55 ? 1 : 2); });
  ASSERT_THAT(t.Wait(), StoppedBy(SIGSTOP));
  user_regs_struct r;
  do {
    ASSERT_EQ(t.Go(PTRACE_SYSCALL), 0);
    ASSERT_THAT(t.Wait(), StoppedBy(SIGTRAP));
    r = t.Regs();
  } while (r.orig_rax != SYS_getppid);
  r.orig_rax = -1;
  r.rax = 55;
  ASSERT_EQ(ptrace(PTRACE_SETREGS, t.pid(), 0, &r), 0);
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  EXPECT_THAT(t.Wait(), ExitedWith(1));
}

TEST(PtraceTest, ForkExecExitEvents) {
  auto t = Tracee::TraceMe([] {
    const pid_t child = fork();
    if (child == 0) _exit(9);
    int status;
    waitpid(child, &status, 0);
    execl("/bin/true", "true", nullptr);
  });
  ASSERT_THAT(t.Wait(), StoppedBy(SIGSTOP));
  ASSERT_EQ(
      ptrace(PTRACE_SETOPTIONS, t.pid(), 0,
             PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL),
      0);
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  ASSERT_EQ(StopOf(t.Wait()), SIGTRAP | PTRACE_EVENT_FORK << 8);
  unsigned long child = 0;
  ASSERT_EQ(ptrace(PTRACE_GETEVENTMSG, t.pid(), 0, &child), 0);
  int status;
  ASSERT_EQ(waitpid(static_cast<pid_t>(child), &status, __WALL), static_cast<pid_t>(child));
  EXPECT_THAT(status, StoppedBy(SIGSTOP));
  ASSERT_EQ(ptrace(PTRACE_CONT, child, 0, 0), 0);
  ASSERT_EQ(waitpid(static_cast<pid_t>(child), &status, __WALL), static_cast<pid_t>(child));
  EXPECT_EQ(StopOf(status), SIGTRAP | PTRACE_EVENT_EXIT << 8);
  unsigned long code = 0;
  ASSERT_EQ(ptrace(PTRACE_GETEVENTMSG, child, 0, &code), 0);
  EXPECT_EQ(code, 9 << 8);
  ASSERT_EQ(ptrace(PTRACE_CONT, child, 0, 0), 0);
  // The tracer first, then the parent.
  ASSERT_EQ(waitpid(static_cast<pid_t>(child), &status, __WALL), static_cast<pid_t>(child));
  EXPECT_THAT(status, ExitedWith(9));
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  ASSERT_THAT(t.Wait(), StoppedBy(SIGCHLD));
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  ASSERT_EQ(StopOf(t.Wait()), SIGTRAP | PTRACE_EVENT_EXEC << 8);
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  ASSERT_EQ(StopOf(t.Wait()), SIGTRAP | PTRACE_EVENT_EXIT << 8);
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  EXPECT_THAT(t.Wait(), ExitedWith(0));
}

TEST(PtraceTest, ExecWithoutOptionTraps) {
  auto t = Tracee::TraceMe([] { execl("/bin/true", "true", nullptr); });
  ASSERT_THAT(t.Wait(), StoppedBy(SIGSTOP));
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  ASSERT_THAT(t.Wait(), StoppedBy(SIGTRAP));
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  EXPECT_THAT(t.Wait(), ExitedWith(0));
}

TEST(PtraceTest, AttachAndDetach) {
  auto t = Tracee::Untraced([] {
    for (;;) pause();
  });
  ASSERT_EQ(ptrace(PTRACE_ATTACH, t.pid(), 0, 0), 0);
  ASSERT_THAT(t.Wait(), StoppedBy(SIGSTOP));
  const std::string status = "/proc/" + std::to_string(t.pid()) + "/status";
  EXPECT_EQ(StatusField(status, "TracerPid"), std::to_string(getpid()));
  EXPECT_THAT(ptrace(PTRACE_ATTACH, t.pid(), 0, 0), FailsWith(EPERM));
  EXPECT_THAT(t.Go(PTRACE_DETACH, 1000), FailsWith(EIO));
  ASSERT_EQ(t.Go(PTRACE_DETACH), 0);
  EXPECT_EQ(StatusField(status, "TracerPid"), "0");
  EXPECT_THAT(t.Go(PTRACE_CONT), FailsWith(ESRCH));
}

TEST(PtraceTest, SeizeInterruptListen) {
  auto t = Tracee::Untraced([] {
    for (;;) pause();
  });
  ASSERT_EQ(ptrace(PTRACE_SEIZE, t.pid(), 0, PTRACE_O_EXITKILL), 0);
  ASSERT_EQ(ptrace(PTRACE_INTERRUPT, t.pid(), 0, 0), 0);
  ASSERT_EQ(StopOf(t.Wait()), SIGTRAP | PTRACE_EVENT_STOP << 8);
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  kill(t.pid(), SIGSTOP);
  ASSERT_THAT(t.Wait(), StoppedBy(SIGSTOP));
  EXPECT_THAT(ptrace(PTRACE_LISTEN, t.pid(), 0, 0), FailsWith(EIO));
  ASSERT_EQ(t.Go(PTRACE_CONT, SIGSTOP), 0);
  ASSERT_EQ(StopOf(t.Wait()), SIGSTOP | PTRACE_EVENT_STOP << 8);
  ASSERT_EQ(ptrace(PTRACE_LISTEN, t.pid(), 0, 0), 0);
  EXPECT_THAT(t.Go(PTRACE_CONT), FailsWith(ESRCH));
  kill(t.pid(), SIGCONT);
  ASSERT_EQ(StopOf(t.Wait()), SIGTRAP | PTRACE_EVENT_STOP << 8);
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  ASSERT_THAT(t.Wait(), StoppedBy(SIGCONT));
}

TEST(PtraceTest, RegisterSets) {
  auto t = Tracee::TraceMe([] {});
  ASSERT_THAT(t.Wait(), StoppedBy(SIGSTOP));
  user_regs_struct r = t.Regs(), set{};
  iovec iov{&set, sizeof(set) + 64};
  std::vector<char> big(16384);
  iov = {big.data(), big.size()};
  ASSERT_EQ(ptrace(PTRACE_GETREGSET, t.pid(), NT_PRSTATUS, &iov), 0);
  EXPECT_EQ(iov.iov_len, sizeof(r));
  EXPECT_EQ(memcmp(big.data(), &r, sizeof(r)), 0);
  iov = {big.data(), 7};
  EXPECT_THAT(ptrace(PTRACE_GETREGSET, t.pid(), NT_PRSTATUS, &iov), FailsWith(EINVAL));
  EXPECT_THAT(ptrace(PTRACE_GETREGSET, t.pid(), 0x7777, &iov), FailsWith(EINVAL));
  iov = {big.data(), big.size()};
  ASSERT_EQ(ptrace(PTRACE_GETREGSET, t.pid(), NT_X86_XSTATE, &iov), 0);
  EXPECT_GE(iov.iov_len, 576);
  EXPECT_EQ(ptrace(PTRACE_SETREGSET, t.pid(), NT_X86_XSTATE, &iov), 0);
  user_fpregs_struct fp{};
  ASSERT_EQ(ptrace(PTRACE_GETFPREGS, t.pid(), 0, &fp), 0);
  EXPECT_EQ(fp.mxcsr, 0x1f80);
  fp.mxcsr = 0xffffffff;
  EXPECT_THAT(ptrace(PTRACE_SETFPREGS, t.pid(), 0, &fp), FailsWith(EINVAL));
  errno = 0;
  EXPECT_EQ(ptrace(PTRACE_PEEKUSER, t.pid(), offsetof(user_regs_struct, rip), 0),
            static_cast<long>(r.rip));
  EXPECT_THAT(ptrace(PTRACE_PEEKUSER, t.pid(), 4, 0), FailsWith(EIO));
}

TEST(PtraceTest, ThreadsAreTracees) {
  auto t = Tracee::TraceMe([] {
    std::thread([] { syscall(SYS_getppid); }).join();
    // The end of the process would be the thread's as well, if nobody has seen its own yet.
    raise(SIGSTOP);
    _exit(4);
  });
  ASSERT_THAT(t.Wait(), StoppedBy(SIGSTOP));
  ASSERT_EQ(ptrace(PTRACE_SETOPTIONS, t.pid(), 0, PTRACE_O_TRACECLONE), 0);
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  ASSERT_EQ(StopOf(t.Wait()), SIGTRAP | PTRACE_EVENT_CLONE << 8);
  unsigned long thread = 0;
  ASSERT_EQ(ptrace(PTRACE_GETEVENTMSG, t.pid(), 0, &thread), 0);
  const auto tid = static_cast<pid_t>(thread);
  int status;
  ASSERT_EQ(waitpid(tid, &status, __WALL), tid);
  EXPECT_THAT(status, StoppedBy(SIGSTOP));
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  ASSERT_EQ(ptrace(PTRACE_CONT, tid, 0, 0), 0);
  ASSERT_EQ(waitpid(tid, &status, __WALL), tid);
  EXPECT_THAT(status, ExitedWith(0));
  EXPECT_THAT(t.Wait(), StoppedBy(SIGSTOP));
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  EXPECT_THAT(t.Wait(), ExitedWith(4));
}

TEST(PtraceTest, TracersEndLetsGo) {
  auto t = Tracee::Untraced([] {
    for (;;) pause();
  });
  EXPECT_THAT(InChild([&] {
                if (ptrace(PTRACE_SEIZE, t.pid(), 0, 0) != 0) _exit(1);
                if (ptrace(PTRACE_INTERRUPT, t.pid(), 0, 0) != 0) _exit(2);
                int status;
                _exit(waitpid(t.pid(), &status, __WALL) == t.pid() ? 0 : 3);
              }),
              ExitedWith(0));
  EXPECT_EQ(StatusField("/proc/" + std::to_string(t.pid()) + "/status", "TracerPid"), "0");
  int status;
  EXPECT_EQ(waitpid(t.pid(), &status, WNOHANG), 0);
}

TEST(PtraceTest, TracersEndKills) {
  auto t = Tracee::Untraced([] {
    for (;;) pause();
  });
  EXPECT_THAT(InChild([&] { _exit(ptrace(PTRACE_SEIZE, t.pid(), 0, PTRACE_O_EXITKILL) != 0); }),
              ExitedWith(0));
  EXPECT_THAT(t.Wait(), KilledBy(SIGKILL));
}

TEST(PtraceTest, SignalMaskAndPendingSignals) {
  auto t = Tracee::TraceMe([] {
    sigset_t now;
    sigprocmask(SIG_SETMASK, nullptr, &now);
    _exit(sigismember(&now, SIGUSR2) == 1 && sigismember(&now, SIGUSR1) == 0 ? 1 : 2);
  });
  ASSERT_THAT(t.Wait(), StoppedBy(SIGSTOP));
  uint64_t mask = 0;
  EXPECT_THAT(ptrace(PTRACE_GETSIGMASK, t.pid(), 4, &mask), FailsWith(EINVAL));
  ASSERT_EQ(ptrace(PTRACE_GETSIGMASK, t.pid(), 8, &mask), 0);
  mask = 1ull << (SIGUSR2 - 1);
  ASSERT_EQ(ptrace(PTRACE_SETSIGMASK, t.pid(), 8, &mask), 0);
  // A thread's own, and the process's.
  syscall(SYS_tgkill, t.pid(), t.pid(), SIGUSR2);
  kill(t.pid(), SIGUSR2);
  siginfo_t infos[4];
  __ptrace_peeksiginfo_args args = {0, 0, 4};
  ASSERT_EQ(ptrace(PTRACE_PEEKSIGINFO, t.pid(), &args, infos), 1);
  EXPECT_EQ(infos[0].si_code, SI_TKILL);
  args.flags = PTRACE_PEEKSIGINFO_SHARED;
  ASSERT_EQ(ptrace(PTRACE_PEEKSIGINFO, t.pid(), &args, infos), 1);
  EXPECT_EQ(infos[0].si_code, SI_USER);
  args.off = 1;
  EXPECT_EQ(ptrace(PTRACE_PEEKSIGINFO, t.pid(), &args, infos), 0);
  args.flags = 2;
  EXPECT_THAT(ptrace(PTRACE_PEEKSIGINFO, t.pid(), &args, infos), FailsWith(EINVAL));
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  EXPECT_THAT(t.Wait(), ExitedWith(1));
}

TEST(PtraceTest, SeccompAsksTheTracer) {
  auto t = Tracee::TraceMe([] {
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 0x123),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog program = {4, filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) _exit(9);
    _exit(syscall(SYS_getppid) == 66 ? 1 : 2);
  });
  ASSERT_THAT(t.Wait(), StoppedBy(SIGSTOP));
  ASSERT_EQ(ptrace(PTRACE_SETOPTIONS, t.pid(), 0, PTRACE_O_TRACESECCOMP), 0);
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  ASSERT_EQ(StopOf(t.Wait()), SIGTRAP | PTRACE_EVENT_SECCOMP << 8);
  unsigned long data = 0;
  ASSERT_EQ(ptrace(PTRACE_GETEVENTMSG, t.pid(), 0, &data), 0);
  EXPECT_EQ(data, 0x123);
  __ptrace_syscall_info info{};
  EXPECT_EQ(ptrace(PTRACE_GET_SYSCALL_INFO, t.pid(), sizeof(info), &info), 84);
  EXPECT_EQ(info.op, PTRACE_SYSCALL_INFO_SECCOMP);
  EXPECT_EQ(info.seccomp.nr, SYS_getppid);
  user_regs_struct r = t.Regs();
  r.orig_rax = -1;
  r.rax = 66;
  ASSERT_EQ(ptrace(PTRACE_SETREGS, t.pid(), 0, &r), 0);
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  EXPECT_THAT(t.Wait(), ExitedWith(1));
}

TEST(PtraceTest, AttachToStopped) {
  auto t = Tracee::Untraced([] {
    for (;;) pause();
  });
  kill(t.pid(), SIGSTOP);
  int status;
  ASSERT_EQ(waitpid(t.pid(), &status, WUNTRACED), t.pid());
  ASSERT_EQ(ptrace(PTRACE_ATTACH, t.pid(), 0, 0), 0);
  ASSERT_THAT(t.Wait(), StoppedBy(SIGSTOP));
  siginfo_t info;
  EXPECT_THAT(ptrace(PTRACE_GETSIGINFO, t.pid(), 0, &info), FailsWith(EINVAL));
  ASSERT_EQ(t.Go(PTRACE_DETACH), 0);
}

TEST(PtraceTest, StepIntoHandler) {
  auto t = Tracee::TraceMe([] {
    signal(SIGUSR1, [](int) { _exit(6); });
    raise(SIGUSR1);
  });
  ASSERT_THAT(t.Wait(), StoppedBy(SIGSTOP));
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  ASSERT_THAT(t.Wait(), StoppedBy(SIGUSR1));
  const uint64_t before = t.Regs().rip;
  ASSERT_EQ(t.Go(PTRACE_SINGLESTEP, SIGUSR1), 0);
  ASSERT_THAT(t.Wait(), StoppedBy(SIGTRAP));
  EXPECT_NE(t.Regs().rip, before);
  EXPECT_EQ(t.Regs().rdi, SIGUSR1);
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  EXPECT_THAT(t.Wait(), ExitedWith(6));
}

TEST(PtraceTest, InterruptedSleepGoesOn) {
  auto t = Tracee::Untraced([] {
    timespec ts = {0, 300000000};
    _exit(nanosleep(&ts, nullptr) == 0 ? 1 : 2);
  });
  ASSERT_EQ(ptrace(PTRACE_SEIZE, t.pid(), 0, 0), 0);
  usleep(50000);
  ASSERT_EQ(ptrace(PTRACE_INTERRUPT, t.pid(), 0, 0), 0);
  ASSERT_EQ(StopOf(t.Wait()), SIGTRAP | PTRACE_EVENT_STOP << 8);
  EXPECT_EQ(static_cast<long>(t.Regs().rax), -516);
  ASSERT_EQ(t.Go(PTRACE_CONT), 0);
  EXPECT_THAT(t.Wait(), ExitedWith(1));
}

TEST(PtraceTest, AnotherUsersProcess) {
  if (getuid() != 0) GTEST_SKIP() << "needs root";
  auto t = Tracee::Untraced([] {
    for (;;) pause();
  });
  EXPECT_THAT(InChild([&] {
                if (setresuid(65534, 65534, 65534) != 0) _exit(9);
                _exit(ptrace(PTRACE_SEIZE, t.pid(), 0, 0) == -1 && errno == EPERM ? 0 : 1);
              }),
              ExitedWith(0));
}

}  // namespace
}  // namespace cvisor::test
