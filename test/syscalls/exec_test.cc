// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// execve(2), execveat(2): arguments, scripts, errors, what survives.
#include <elf.h>
#include <linux/prctl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <string.h>

#include "test/syscalls/util/test_util.h"

extern char** environ;

namespace cvisor::test {

// Each mode checks something in the new program and says so by its exit code.
int HelperMain(int argc, char** argv) {
  const std::string mode = argc > 2 ? argv[2] : "";
  if (mode == "print") {
    printf("argv0=%s", argv[0]);
    for (int i = 3; i < argc; ++i) printf(" [%s]", argv[i]);
    for (char** e = environ; *e; ++e) printf(" {%s}", *e);
    fflush(stdout);
    return 0;
  }
  if (mode == "pid") {
    printf("%d %d %d", getpid(), gettid(), getppid());
    fflush(stdout);
    return 0;
  }
  if (mode == "fd") return fcntl(atoi(argv[3]), F_GETFD) == -1 ? 1 : 0;
  if (mode == "signals") {
    // An ignored signal stays ignored, a handled one does not stay handled; the
    // mask and pending signals are kept.
    struct sigaction a;
    if (sigaction(SIGUSR1, nullptr, &a) != 0 || a.sa_handler != SIG_IGN) return 1;
    if (sigaction(SIGUSR2, nullptr, &a) != 0 || a.sa_handler != SIG_DFL) return 2;
    sigset_t set;
    sigprocmask(SIG_BLOCK, nullptr, &set);
    if (!sigismember(&set, SIGTERM) || sigismember(&set, SIGINT)) return 3;
    sigpending(&set);
    if (!sigismember(&set, SIGTERM)) return 4;
    stack_t ss;
    if (sigaltstack(nullptr, &ss) != 0 || ss.ss_flags != SS_DISABLE) return 5;
    return 0;
  }
  if (mode == "auxv") {
    if (getauxval(AT_PAGESZ) != 4096) return 1;
    if (getauxval(AT_UID) != getuid() || getauxval(AT_EUID) != geteuid()) return 2;
    if (getauxval(AT_GID) != getgid() || getauxval(AT_EGID) != getegid()) return 3;
    if (getauxval(AT_SECURE) != 0) return 4;
    if (getauxval(AT_RANDOM) == 0) return 5;
    if (getauxval(AT_CLKTCK) != 100) return 6;
    const auto* ph = reinterpret_cast<const Elf64_Phdr*>(getauxval(AT_PHDR));
    if (!ph || getauxval(AT_PHENT) != sizeof *ph || getauxval(AT_PHNUM) < 3) return 7;
    if (getauxval(AT_BASE) == 0 || getauxval(AT_ENTRY) == 0) return 8;
    const char* name = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
    if (!name || strcmp(name, argv[3]) != 0) return 9;
    const char* platform = reinterpret_cast<const char*>(getauxval(AT_PLATFORM));
    if (!platform || strcmp(platform, "x86_64") != 0) return 10;
    if (getauxval(AT_SYSINFO_EHDR) == 0) return 11;
    return 0;
  }
  if (mode == "chain") {
    const int n = atoi(argv[3]);
    if (n == 0) return 0;
    execl("/proc/self/exe", "x", "--helper", "chain", std::to_string(n - 1).c_str(), nullptr);
    return 1;
  }
  if (mode == "random") {
    (void)write(1, reinterpret_cast<void*>(getauxval(AT_RANDOM)), 16);
    return 0;
  }
  if (mode == "comm") {
    char name[16];
    prctl(PR_GET_NAME, name);
    return strcmp(name, argv[3]) == 0 ? 0 : 1;
  }
  if (mode == "state") {
    // What exec() resets: dumpable, parent's death signal only for set-id, timers not, ...
    itimerval t;
    getitimer(ITIMER_REAL, &t);
    if (t.it_value.tv_sec < 100) return 1;
    if (umask(0) != 0123) return 2;
    char b[4096];
    if (!getcwd(b, sizeof b) || strcmp(b, argv[3]) != 0) return 3;
    if (getpgrp() != atoi(argv[4])) return 4;
    if (prctl(PR_GET_DUMPABLE) != 1) return 5;
    timer_t none = reinterpret_cast<timer_t>(static_cast<intptr_t>(atoi(argv[5])));
    itimerspec spec;
    if (syscall(SYS_timer_gettime, none, &spec) != -1) return 6;
    rlimit r;
    getrlimit(RLIMIT_CORE, &r);
    if (r.rlim_cur != 12345) return 7;
    return 0;
  }
  return 98;
}

namespace {

constexpr char kSelf[] = "/proc/self/exe";

// Runs a program in a child; its standard output and status.
struct Result {
  int status;
  std::string out;
};
Result Output(const std::function<void()>& exec) {
  PipeFds p = MakePipe();
  const pid_t pid = Fork([&] {
    dup2(p.writer.get(), 1);
    p = {};
    exec();
    _exit(100 + (errno == ENOENT ? 1 : 0));
  });
  p.writer.reset();
  const std::string out = ReadAll(p.reader.get());
  return {Wait(pid), out};
}

class ExecTest : public testing::Test {
 protected:
  // execve() that must fail.
  void ExpectError(const std::string& path, int error) {
    EXPECT_THAT(InChild([&] {
                  char* const argv[] = {const_cast<char*>(path.c_str()), nullptr};
                  EXPECT_THAT(execve(path.c_str(), argv, environ), FailsWith(error)) << path;
                }),
                ExitedWith(0));
  }
  std::string Script(const std::string& name, const std::string& text) {
    WriteFile(dir_ / name, text, 0755);
    return dir_ / name;
  }
  TempDir dir_;
};

TEST_F(ExecTest, ArgumentsAndEnvironment) {
  const Result r = Output([] {
    const char* argv[] = {"zero", "--helper", "print", "a b", "", "c", nullptr};
    const char* envp[] = {"X=1", "EMPTY=", "nonsense", nullptr};
    execve(kSelf, const_cast<char**>(argv), const_cast<char**>(envp));
  });
  EXPECT_THAT(r.status, ExitedWith(0));
  EXPECT_EQ(r.out, "argv0=zero [a b] [] [c] {X=1} {EMPTY=} {nonsense}");
}

TEST_F(ExecTest, NullVectors) {
  // Linux gives a program without arguments one that is empty.
  EXPECT_THAT(InChild([] {
                syscall(SYS_execve, "/bin/true", nullptr, nullptr);
                _exit(50);
              }),
              ExitedWith(0));
}

TEST_F(ExecTest, Errors) {
  ExpectError(dir_ / "missing", ENOENT);
  ExpectError("", ENOENT);
  ExpectError(dir_.path(), EACCES);
  WriteFile(dir_ / "plain", "#!/bin/sh\n", 0644);
  ExpectError(dir_ / "plain", EACCES);
  ExpectError(dir_ / "plain/x", ENOTDIR);
  ExpectError(Script("text", "just text\n"), ENOEXEC);
  ExpectError(Script("empty", ""), ENOEXEC);
  ExpectError(Script("short-elf", "\177ELF"), ENOEXEC);
  ExpectError(Script("nointerp", "#!/no/such/interpreter\n"), ENOENT);
  ExpectError(Script("blank", "#!\n"), ENOEXEC);
  EXPECT_EQ(symlink("loop", dir_.c("loop")), 0);
  ExpectError(dir_ / "loop", ELOOP);
  EXPECT_THAT(syscall(SYS_execve, 8, nullptr, nullptr), FailsWith(EFAULT));
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(syscall(SYS_execve, "/bin/true", 8, nullptr), FailsWith(EFAULT));
                EXPECT_THAT(syscall(SYS_execve, "/bin/true", nullptr, 8), FailsWith(EFAULT));
              }),
              ExitedWith(0));
}

TEST_F(ExecTest, TextBusy) {
  const std::string path = Script("prog", "");
  WriteFile(path, ReadFile("/bin/true"), 0755);
  Fd w = Open(path, O_WRONLY);
  ExpectError(path, ETXTBSY);
  w.reset();
  EXPECT_THAT(InChild([&] { execl(path.c_str(), "prog", nullptr); }), ExitedWith(0));
}

TEST_F(ExecTest, WritingARunningProgram) {
  const std::string path = dir_ / "cat";
  WriteFile(path, ReadFile("/bin/cat"), 0755);
  PipeFds up = MakePipe(), down = MakePipe();
  ScopedChild child([&] {
    dup2(down.reader.get(), 0);
    dup2(up.writer.get(), 1);
    down.writer.reset();
    execl(path.c_str(), "cat", nullptr);
  });
  EXPECT_THAT(write(down.writer.get(), "x", 1), SucceedsWith(1));
  EXPECT_EQ(ReadExactly(up.reader.get(), 1), "x");
  EXPECT_THAT(open(path.c_str(), O_WRONLY), FailsWith(ETXTBSY));
  EXPECT_THAT(truncate(path.c_str(), 0), FailsWith(ETXTBSY));
  EXPECT_THAT(unlink(path.c_str()), SucceedsWith(0));
  down.writer.reset();
  EXPECT_THAT(child.Wait(), ExitedWith(0));
}

TEST_F(ExecTest, PermissionClasses) {
  const std::string path = dir_ / "prog";
  WriteFile(path, ReadFile("/bin/true"), 0755);
  EXPECT_EQ(chmod(path.c_str(), 0744), 0);
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                ExpectError(path, EACCES);
              }),
              ExitedWith(0));
  // Root needs one x bit at least.
  EXPECT_EQ(chmod(path.c_str(), 0644), 0);
  ExpectError(path, EACCES);
  EXPECT_EQ(chmod(path.c_str(), 0001), 0);
  EXPECT_THAT(InChild([&] { execl(path.c_str(), "prog", nullptr); }), ExitedWith(0));
  // Execute permission suffices, reading is not needed.
  EXPECT_EQ(chmod(path.c_str(), 0711), 0);
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                execl(path.c_str(), "prog", nullptr);
              }),
              ExitedWith(0));
}

TEST_F(ExecTest, TooBig) {
  EXPECT_THAT(InChild([] {
                const std::string arg(128 * 1024, 'x');  // MAX_ARG_STRLEN with its zero: too long.
                const char* argv[] = {"true", arg.c_str(), nullptr};
                EXPECT_THAT(execv("/bin/true", const_cast<char**>(argv)), FailsWith(E2BIG));
                const std::string fits(128 * 1024 - 1, 'x');
                std::vector<const char*> many(100, fits.c_str());
                many.push_back(nullptr);
                EXPECT_THAT(execv("/bin/true", const_cast<char**>(many.data())), FailsWith(E2BIG));
                ExitIfFailed();
                argv[1] = fits.c_str();
                execv("/bin/true", const_cast<char**>(argv));
                ADD_FAILURE() << ErrnoName(errno);
              }),
              ExitedWith(0));
}

TEST_F(ExecTest, ManyArguments) {
  const Result r = Output([] {
    std::vector<const char*> argv(20000, "a");
    argv[0] = "sh";
    argv[1] = "-c";
    argv[2] = "echo $#";
    argv.push_back(nullptr);
    execv("/bin/sh", const_cast<char**>(argv.data()));
  });
  EXPECT_EQ(r.out, "19996\n");
}

TEST_F(ExecTest, Scripts) {
  const auto run = [&](const std::string& path) {
    return Output([&] { execl(path.c_str(), "ignored", "arg", nullptr); }).out;
  };
  const std::string plain = Script("s1", "#!/bin/echo\n");
  EXPECT_EQ(run(plain), plain + " arg\n");
  // One argument, whatever blanks are in it.
  const std::string with = Script("s2", "#!  /bin/echo   -n x  y \n");
  EXPECT_EQ(run(with), "-n x  y " + with + " arg\n");
  const std::string no_newline = Script("s3", "#!/bin/echo");
  EXPECT_EQ(run(no_newline), no_newline + " arg\n");
  // An interpreter that is a script itself.
  const std::string nested = Script("s4", "#!" + plain + " opt\n");
  EXPECT_EQ(run(nested), plain + " opt " + nested + " arg\n");
}

TEST_F(ExecTest, ScriptsNestOnlySoDeep) {
  std::string previous = "/bin/true";
  std::string path;
  for (int i = 0; i < 8; ++i) {
    path = Script("n" + std::to_string(i), "#!" + previous + "\n");
    previous = path;
  }
  EXPECT_THAT(InChild([&] { execl((dir_ / "n3").c_str(), "x", nullptr); }), ExitedWith(0));
  ExpectError(dir_ / "n7", ELOOP);
}

TEST_F(ExecTest, CloseOnExec) {
  const int keep = dup(0);
  const int gone = fcntl(0, F_DUPFD_CLOEXEC, 0);
  const auto check = [&](int fd) {
    return InChild([&] {
      execl(kSelf, "x", "--helper", "fd", std::to_string(fd).c_str(), nullptr);
    });
  };
  EXPECT_THAT(check(keep), ExitedWith(0));
  EXPECT_THAT(check(gone), ExitedWith(1));
  close(keep);
  close(gone);
}

TEST_F(ExecTest, CloseOnExecDoesNotTouchASharedTable) {
  const int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);
  const pid_t pid =
      static_cast<pid_t>(syscall(SYS_clone, CLONE_FILES | SIGCHLD, nullptr, nullptr, nullptr, 0));
  if (pid == 0) {
    execl(kSelf, "x", "--helper", "fd", std::to_string(fd).c_str(), nullptr);
    _exit(99);
  }
  EXPECT_THAT(Wait(pid), ExitedWith(1));
  EXPECT_THAT(close(fd), SucceedsWith(0));
}

TEST_F(ExecTest, SignalState) {
  EXPECT_THAT(InChild([] {
                signal(SIGUSR1, SIG_IGN);
                signal(SIGUSR2, [](int) {});
                const sigset_t set = SigSet({SIGTERM});
                sigprocmask(SIG_SETMASK, &set, nullptr);
                raise(SIGTERM);
                stack_t ss = {};
                ss.ss_size = 65536;
                ss.ss_sp = Allocate(65536);
                sigaltstack(&ss, nullptr);
                execl(kSelf, "x", "--helper", "signals", nullptr);
              }),
              ExitedWith(0));
}

TEST_F(ExecTest, Auxv) {
  EXPECT_THAT(InChild([] { execl(kSelf, "x", "--helper", "auxv", kSelf, nullptr); }),
              ExitedWith(0));
}

TEST_F(ExecTest, RandomBytesDiffer) {
  const auto run = [] {
    return Output([] { execl(kSelf, "x", "--helper", "random", nullptr); }).out;
  };
  const std::string a = run(), b = run();
  EXPECT_EQ(a.size(), 16u);
  EXPECT_NE(a, b);
}

TEST_F(ExecTest, Comm) {
  EXPECT_EQ(symlink("/proc/self/exe", dir_.c("a-name-of-more-than-15")), 0);
  char target[4096] = {};
  EXPECT_THAT(readlink(kSelf, target, sizeof target - 1), Succeeds());
  const std::string link = dir_ / "another-name-of-more-than-15";
  EXPECT_EQ(symlink(target, link.c_str()), 0);
  EXPECT_THAT(InChild([&] {
                execl(link.c_str(), "x", "--helper", "comm", "another-name-of", nullptr);
              }),
              ExitedWith(0));
}

TEST_F(ExecTest, StateThatSurvives) {
  EXPECT_THAT(InChild([&] {
                const itimerval t = {{0, 0}, {1000, 0}};
                setitimer(ITIMER_REAL, &t, nullptr);
                umask(0123);
                chdir(dir_.path().c_str());
                setpgid(0, 0);
                prctl(PR_SET_DUMPABLE, 0);
                int timer = -1;
                sigevent event = {};
                event.sigev_notify = SIGEV_NONE;
                EXPECT_THAT(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer),
                            SucceedsWith(0));
                const rlimit r = {12345, RLIM_INFINITY};
                rlimit old;
                getrlimit(RLIMIT_CORE, &old);
                const rlimit core = {12345, old.rlim_max};
                setrlimit(RLIMIT_CORE, old.rlim_max < r.rlim_cur ? &old : &core);
                ExitIfFailed();
                execl(kSelf, "x", "--helper", "state", dir_.path().c_str(),
                      std::to_string(getpgrp()).c_str(), std::to_string(timer).c_str(), nullptr);
              }),
              ExitedWith(0));
}

TEST_F(ExecTest, FromAnotherThreadKeepsThePid) {
  Shared<pid_t> pid;
  const pid_t parent = getpid();
  const Result r = Output([&] {
    *pid = getpid();
    // Other threads, blocked and running, must die.
    std::thread([] {
      for (;;) pause();
    }).detach();
    std::thread([] {
      for (std::atomic<int> i = 0;; ++i) {
      }
    }).detach();
    ScopedThread([] { execl(kSelf, "x", "--helper", "pid", nullptr); });
    for (;;) pause();
  });
  EXPECT_THAT(r.status, ExitedWith(0));
  const std::string p = std::to_string(*pid);
  EXPECT_EQ(r.out, p + " " + p + " " + std::to_string(parent));
}

TEST_F(ExecTest, FromAThreadWhoseLeaderIsGone) {
  EXPECT_THAT(InChild([&] {
                std::thread([] {
                  WaitUntilState(getpid(), 'Z');
                  execl(kSelf, "x", "--helper", "comm", "exe", nullptr);
                }).detach();
                syscall(SYS_exit, 0);
              }),
              ExitedWith(0));
}

TEST_F(ExecTest, ProcSelfExe) {
  const Result r = Output([] { execl("/bin/readlink", "readlink", kSelf, nullptr); });
  char real[4096];
  ASSERT_NE(realpath("/bin/readlink", real), nullptr);
  EXPECT_EQ(r.out, std::string(real) + "\n");
}

TEST_F(ExecTest, Execveat) {
  Fd d = Open("/bin", O_RDONLY | O_DIRECTORY);
  Fd f = Open("/bin/true", O_RDONLY | O_CLOEXEC);
  char* const argv[] = {const_cast<char*>("true"), nullptr};
  EXPECT_THAT(InChild([&] {
                EXPECT_THAT(execveat(d.get(), "missing", argv, environ, 0), FailsWith(ENOENT));
                EXPECT_THAT(execveat(f.get(), "", argv, environ, 0), FailsWith(ENOENT));
                EXPECT_THAT(execveat(12345, "true", argv, environ, 0), FailsWith(EBADF));
                EXPECT_EQ(symlink("/bin/true", dir_.c("link")), 0);
                EXPECT_THAT(execveat(AT_FDCWD, dir_.c("link"), argv, environ, AT_SYMLINK_NOFOLLOW),
                            FailsWith(ELOOP));
                ExitIfFailed();
                execveat(d.get(), "true", argv, environ, 0);
              }),
              ExitedWith(0));
  EXPECT_THAT(InChild([&] {
                execveat(f.get(), "", argv, environ, AT_EMPTY_PATH);
                ADD_FAILURE() << ErrnoName(errno);
              }),
              ExitedWith(0));
}

TEST_F(ExecTest, Fexecve) {
  // A script by descriptor: the interpreter opens /dev/fd/N.
  const std::string path = Script("s", "#!/bin/cat\ncontents\n");
  Fd fd = Open(path, O_RDONLY);
  const Result r = Output([&] {
    char* const argv[] = {const_cast<char*>("x"), nullptr};
    fexecve(fd.get(), argv, environ);
  });
  EXPECT_EQ(r.out, "#!/bin/cat\ncontents\n");
}

TEST_F(ExecTest, MemfdPrograms) {
  Fd fd(memfd_create("prog", 0));
  EXPECT_TRUE(WriteAll(fd.get(), ReadFile("/bin/true")));
  const std::string path = "/proc/self/fd/" + std::to_string(fd.get());
  // Still open for writing.
  ExpectError(path, ETXTBSY);
  Fd r = Open(path, O_RDONLY);
  fd.reset();
  EXPECT_THAT(InChild([&] {
                char* const argv[] = {const_cast<char*>("x"), nullptr};
                fexecve(r.get(), argv, environ);
              }),
              ExitedWith(0));
}

TEST_F(ExecTest, MemoryIsFresh) {
  EXPECT_THAT(InChild([] {
                char* p = static_cast<char*>(mmap(reinterpret_cast<void*>(0x20000000), 4096,
                                                  PROT_READ | PROT_WRITE,
                                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
                p[0] = 1;
                execl("/bin/grep", "grep", "-q", "^20000000-", "/proc/self/maps", nullptr);
              }),
              ExitedWith(1));
}

TEST_F(ExecTest, ManyExecsInARow) {
  EXPECT_THAT(InChild([] { execl(kSelf, "x", "--helper", "chain", "50", nullptr); }),
              ExitedWith(0));
}

}  // namespace
}  // namespace cvisor::test
