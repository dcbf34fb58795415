// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/strace/format.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "gtest/gtest.h"
#include "pkg/abi/linux/errno.h"
#include "pkg/sentry/strace/events.h"

namespace cvisor::strace {
namespace {

template <typename T>
std::string_view Bytes(const T& v, size_t n = sizeof(T)) {
  return {reinterpret_cast<const char*>(&v), n};
}

TEST(QuoteTest, EscapesAndCuts) {
  EXPECT_EQ(Quote("a\"b\\c\n\t", 32), R"("a\"b\\c\n\t")");
  EXPECT_EQ(Quote("abcdef", 3), "\"abc\"...");
  EXPECT_EQ(Quote("abc", 3), "\"abc\"");
  EXPECT_EQ(Quote("abc", 32, /*cut=*/true), "\"abc\"...");
  EXPECT_EQ(Quote(std::string_view("\0\0" "1\x7f", 4), 32), R"("\0\0001\177")");
}

TEST(FlagsTest, NamesThenRest) {
  constexpr Flag kFlags[] = {{1, "A"}, {2, "B"}};
  EXPECT_EQ(FormatFlags(0, kFlags), "0");
  EXPECT_EQ(FormatFlags(3, kFlags), "A|B");
  EXPECT_EQ(FormatFlags(0x11, kFlags), "A|0x10");
  EXPECT_EQ(FormatEnum(2, kFlags), "B");
  EXPECT_EQ(FormatEnum(3, kFlags), "0x3");
}

TEST(FlagsTest, OpenFlags) {
  EXPECT_EQ(FormatOpenFlags(O_RDONLY | O_CLOEXEC), "O_RDONLY|O_CLOEXEC");
  EXPECT_EQ(FormatOpenFlags(O_WRONLY | O_CREAT | O_TRUNC), "O_WRONLY|O_CREAT|O_TRUNC");
  EXPECT_EQ(FormatOpenFlags(O_RDWR | O_SYNC), "O_RDWR|O_SYNC");
  EXPECT_EQ(FormatOpenFlags(O_RDWR | O_TMPFILE), "O_RDWR|O_TMPFILE");
}

TEST(FlagsTest, CloneFlags) {
  EXPECT_EQ(FormatCloneFlags(CLONE_VM | CLONE_VFORK | SIGCHLD, true),
            "CLONE_VM|CLONE_VFORK|SIGCHLD");
  EXPECT_EQ(FormatCloneFlags(SIGCHLD, true), "SIGCHLD");
}

TEST(FlagsTest, Mode) {
  EXPECT_EQ(FormatMode(S_IFREG | 0644), "S_IFREG|0644");
  EXPECT_EQ(FormatMode(0700), "0700");
  EXPECT_EQ(FormatMode(0), "000");
}

TEST(SignalsTest, NamesAndSets) {
  EXPECT_EQ(SignalName(SIGCHLD), "SIGCHLD");
  EXPECT_EQ(SignalName(33), "SIGRT_1");
  EXPECT_EQ(FormatSignalSet(0), "[]");
  EXPECT_EQ(FormatSignalSet((1u << (SIGINT - 1)) | (1u << (SIGTERM - 1))), "[INT TERM]");
  EXPECT_EQ(FormatSignalSet(~uint64_t{0}), "~[]");
}

TEST(SignalsTest, Siginfo) {
  siginfo_t info = {};
  info.si_signo = SIGCHLD;
  info.si_code = CLD_EXITED;
  info.si_pid = 7;
  info.si_uid = 1000;
  info.si_status = 3;
  EXPECT_EQ(FormatSiginfo(info),
            "{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=7, si_uid=1000, si_status=3, "
            "si_utime=0, si_stime=0}");
  siginfo_t fault = {};
  fault.si_signo = SIGSEGV;
  fault.si_code = SEGV_MAPERR;
  EXPECT_EQ(FormatSiginfo(fault), "{si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL}");
}

TEST(WaitStatusTest, AllKinds) {
  EXPECT_EQ(FormatWaitStatus(3 << 8), "[{WIFEXITED(s) && WEXITSTATUS(s) == 3}]");
  EXPECT_EQ(FormatWaitStatus(SIGKILL), "[{WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL}]");
  EXPECT_EQ(FormatWaitStatus(0x80 | SIGSEGV),
            "[{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)}]");
  EXPECT_EQ(FormatWaitStatus((SIGTSTP << 8) | 0x7f),
            "[{WIFSTOPPED(s) && WSTOPSIG(s) == SIGTSTP}]");
}

TEST(SockaddrTest, Families) {
  sockaddr_in in = {};
  in.sin_family = AF_INET;
  in.sin_port = htons(80);
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(FormatSockaddr(Bytes(in)),
            "{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"127.0.0.1\")}");
  sockaddr_un un = {};
  un.sun_family = AF_UNIX;
  std::strcpy(un.sun_path, "/run/x");
  EXPECT_EQ(FormatSockaddr(Bytes(un)), "{sa_family=AF_UNIX, sun_path=\"/run/x\"}");
  EXPECT_EQ(FormatSockaddr(Bytes(un, 2)), "{sa_family=AF_UNIX}");
  std::memcpy(un.sun_path, "\0abc", 4);
  EXPECT_EQ(FormatSockaddr(Bytes(un, 6)), "{sa_family=AF_UNIX, sun_path=@\"abc\"}");
}

// Whatever an application passes: no reading past the end.
TEST(SockaddrTest, ShortAddresses) {
  const char bytes[] = {AF_INET, 0, 1, 2, 3};
  for (size_t n = 0; n <= sizeof(bytes); ++n) {
    EXPECT_FALSE(FormatSockaddr({bytes, n}).empty());
  }
}

TEST(ErrorTest, TextAndRestarts) {
  EXPECT_EQ(FormatError(ENOENT), "-1 ENOENT (No such file or directory)");
  EXPECT_EQ(FormatError(static_cast<int>(Errno::kERESTARTSYS)),
            "? ERESTARTSYS (To be restarted if SA_RESTART is set)");
}

TEST(StructsTest, TimesAndPolls) {
  EXPECT_EQ(FormatTimespec({1, 5}), "{tv_sec=1, tv_nsec=5}");
  EXPECT_EQ(FormatTimespec({0, UTIME_OMIT}), "UTIME_OMIT");
  const pollfd fds[] = {{3, POLLIN, 0}, {4, POLLOUT, POLLOUT | POLLHUP}};
  EXPECT_EQ(FormatPollfds(fds, false), "[{fd=3, events=POLLIN}, {fd=4, events=POLLOUT}]");
  EXPECT_EQ(FormatPollfds(fds, true), "[{fd=4, revents=POLLOUT|POLLHUP}]");
}

TEST(EventsTest, LinesGoToTheDescriptor) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  TraceExit(12, 0);  // off: nothing
  Enable(fds[1]);
  siginfo_t info = {};
  info.si_signo = SIGTERM;
  info.si_pid = 1;
  TraceSignal(12, info);
  TraceExit(12, 0);
  TraceExit(13, SIGKILL);
  Disable();
  close(fds[1]);
  std::string text(1000, '\0');
  text.resize(static_cast<size_t>(read(fds[0], text.data(), text.size())));
  close(fds[0]);
  EXPECT_EQ(text,
            "[pid    12] --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=1, si_uid=0} ---\n"
            "[pid    12] +++ exited with 0 +++\n"
            "[pid    13] +++ killed by SIGKILL +++\n");
}

}  // namespace
}  // namespace cvisor::strace
