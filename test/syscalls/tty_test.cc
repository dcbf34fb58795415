// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// Terminals: pty(7), termios(3), ioctl_tty(2), job control.
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

struct Pty {
  Pty() {
    master = Fd(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    EXPECT_GE(master.get(), 0) << ErrnoName(errno);
    int zero = 0;
    EXPECT_THAT(ioctl(master.get(), TIOCSPTLCK, &zero), SucceedsWith(0));
    unsigned n = 0;
    EXPECT_THAT(ioctl(master.get(), TIOCGPTN, &n), SucceedsWith(0));
    path = "/dev/pts/" + std::to_string(n);
    slave = Fd(open(path.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    EXPECT_GE(slave.get(), 0) << path << ": " << ErrnoName(errno);
  }
  void Send(const std::string& text) { EXPECT_TRUE(WriteAll(master.get(), text)); }
  // What the terminal shows, up to this many characters.
  std::string Shown(size_t n) {
    std::string all;
    while (all.size() < n && Poll(master.get(), POLLIN, kLongMs) & POLLIN) {
      char c;
      if (read(master.get(), &c, 1) != 1) break;
      all += c;
    }
    return all;
  }
  void Change(const std::function<void(termios*)>& change) {
    termios t;
    EXPECT_THAT(tcgetattr(slave.get(), &t), SucceedsWith(0));
    change(&t);
    EXPECT_THAT(tcsetattr(slave.get(), TCSANOW, &t), SucceedsWith(0));
  }
  Fd master, slave;
  std::string path;
};

std::string ReadSome(int fd) {
  char b[512];
  const ssize_t n = read(fd, b, sizeof b);
  EXPECT_GE(n, 0) << ErrnoName(errno);
  return n > 0 ? std::string(b, static_cast<size_t>(n)) : "";
}

TEST(TtyTest, DefaultsOfANewTerminal) {
  Pty p;
  termios t;
  EXPECT_THAT(tcgetattr(p.slave.get(), &t), SucceedsWith(0));
  EXPECT_EQ(t.c_lflag & (ICANON | ECHO | ISIG | IEXTEN), tcflag_t{ICANON | ECHO | ISIG | IEXTEN});
  EXPECT_EQ(t.c_iflag & ICRNL, tcflag_t{ICRNL});
  EXPECT_EQ(t.c_oflag & (OPOST | ONLCR), tcflag_t{OPOST | ONLCR});
  EXPECT_EQ(t.c_cc[VINTR], 3);
  EXPECT_EQ(t.c_cc[VEOF], 4);
  EXPECT_EQ(t.c_cc[VERASE], 0x7f);
  EXPECT_EQ(t.c_cc[VSUSP], 26);
  EXPECT_TRUE(isatty(p.slave.get()));
  EXPECT_TRUE(isatty(p.master.get()));
  struct stat st;
  EXPECT_THAT(fstat(p.slave.get(), &st), SucceedsWith(0));
  EXPECT_TRUE(S_ISCHR(st.st_mode));
  EXPECT_EQ(major(st.st_rdev), 136u);
  EXPECT_STREQ(ttyname(p.slave.get()), p.path.c_str());
}

TEST(TtyTest, LockedUntilUnlocked) {
  Fd master(posix_openpt(O_RDWR | O_NOCTTY));
  unsigned n = 0;
  EXPECT_THAT(ioctl(master.get(), TIOCGPTN, &n), SucceedsWith(0));
  const std::string path = "/dev/pts/" + std::to_string(n);
  EXPECT_THAT(open(path.c_str(), O_RDWR | O_NOCTTY), FailsWith(EIO));
  EXPECT_EQ(unlockpt(master.get()), 0);
  EXPECT_THAT(open(path.c_str(), O_RDWR | O_NOCTTY), Succeeds());
}

TEST(TtyTest, PeerByDescriptor) {
  Pty p;
  Fd peer(ioctl(p.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY));
  ASSERT_GE(peer.get(), 0);
  p.Send("x\n");
  EXPECT_EQ(ReadSome(peer.get()), "x\n");
}

TEST(TtyTest, NamesVanishWithTheMaster) {
  std::string path;
  {
    Pty p;
    path = p.path;
    EXPECT_THAT(access(path.c_str(), F_OK), SucceedsWith(0));
  }
  EXPECT_THAT(access(path.c_str(), F_OK), FailsWith(ENOENT));
}

TEST(TtyTest, LinesAndEcho) {
  Pty p;
  p.Send("hel");
  EXPECT_EQ(Poll(p.slave.get(), POLLIN), 0);
  p.Send("lo\r");
  EXPECT_EQ(Poll(p.slave.get(), POLLIN, kLongMs), POLLIN);
  EXPECT_EQ(ReadSome(p.slave.get()), "hello\n");
  EXPECT_EQ(p.Shown(7), "hello\r\n");
}

TEST(TtyTest, OneLineAtATime) {
  Pty p;
  p.Send("one\ntwo\n");
  EXPECT_EQ(ReadSome(p.slave.get()), "one\n");
  char c[2];
  EXPECT_THAT(read(p.slave.get(), c, 2), SucceedsWith(2));
  EXPECT_EQ(std::string(c, 2), "tw");
  EXPECT_EQ(ReadSome(p.slave.get()), "o\n");
}

TEST(TtyTest, Editing) {
  Pty p;
  p.Send("abx\x7f" "c\n");
  EXPECT_EQ(ReadSome(p.slave.get()), "abc\n");
  EXPECT_EQ(p.Shown(9), "abx\b \bc\r\n");
  p.Send("word two\x17three\n");  // ^W
  EXPECT_EQ(ReadSome(p.slave.get()), "word three\n");
  p.Send("all gone\x15new\n");  // ^U
  EXPECT_EQ(ReadSome(p.slave.get()), "new\n");
  p.Send("\x16\x03\n");  // ^V makes the next one ordinary
  EXPECT_EQ(ReadSome(p.slave.get()), "\x03\n");
}

TEST(TtyTest, EndOfFile) {
  Pty p;
  p.Send("\x04");
  char c;
  EXPECT_THAT(read(p.slave.get(), &c, 1), SucceedsWith(0));
  p.Send("part\x04");
  EXPECT_EQ(ReadSome(p.slave.get()), "part");
  p.Send("more\n");
  EXPECT_EQ(ReadSome(p.slave.get()), "more\n");
}

TEST(TtyTest, OutputProcessing) {
  Pty p;
  EXPECT_THAT(write(p.slave.get(), "a\nb", 3), SucceedsWith(3));
  EXPECT_EQ(p.Shown(4), "a\r\nb");
  p.Change([](termios* t) { t->c_oflag &= ~static_cast<tcflag_t>(OPOST); });
  EXPECT_THAT(write(p.slave.get(), "a\nb", 3), SucceedsWith(3));
  EXPECT_EQ(p.Shown(3), "a\nb");
}

TEST(TtyTest, EchoOfControlCharacters) {
  Pty p;
  p.Change([](termios* t) { t->c_lflag &= ~static_cast<tcflag_t>(ISIG); });
  p.Send("\x01\n");
  EXPECT_EQ(p.Shown(4), "^A\r\n");
  p.Change([](termios* t) { t->c_lflag &= ~static_cast<tcflag_t>(ECHO); });
  p.Send("silent\n");
  EXPECT_EQ(ReadSome(p.slave.get()), "\x01\n");
  EXPECT_EQ(ReadSome(p.slave.get()), "silent\n");
  EXPECT_THAT(write(p.slave.get(), "!", 1), SucceedsWith(1));
  EXPECT_EQ(p.Shown(1), "!");
}

TEST(TtyTest, RawModeWithMinAndTime) {
  Pty p;
  p.Change([](termios* t) {
    cfmakeraw(t);
    t->c_cc[VMIN] = 3;
    t->c_cc[VTIME] = 0;
  });
  p.Send("ab");
  EXPECT_EQ(Poll(p.slave.get(), POLLIN), 0);
  ScopedThread thread([&] { EXPECT_EQ(ReadSome(p.slave.get()), "ab\r"); });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  p.Send("\r");
  thread.Join();
  p.Change([](termios* t) {
    t->c_cc[VMIN] = 0;
    t->c_cc[VTIME] = 0;
  });
  char c;
  EXPECT_THAT(read(p.slave.get(), &c, 1), SucceedsWith(0));
  p.Change([](termios* t) { t->c_cc[VTIME] = 1; });
  const int64_t start = NowNs();
  EXPECT_THAT(read(p.slave.get(), &c, 1), SucceedsWith(0));
  EXPECT_GE(NowNs() - start, 90000000);
  p.Send("\x03");
  EXPECT_THAT(read(p.slave.get(), &c, 1), SucceedsWith(1));
  EXPECT_EQ(c, 3);
}

TEST(TtyTest, NonblockingReads) {
  Pty p;
  fcntl(p.slave.get(), F_SETFL, O_RDWR | O_NONBLOCK);
  fcntl(p.master.get(), F_SETFL, O_RDWR | O_NONBLOCK);
  char c;
  EXPECT_THAT(read(p.slave.get(), &c, 1), FailsWith(EAGAIN));
  EXPECT_THAT(read(p.master.get(), &c, 1), FailsWith(EAGAIN));
  int n = -1;
  p.Send("abc\n");
  EXPECT_EQ(Poll(p.slave.get(), POLLIN, kLongMs), POLLIN);
  EXPECT_THAT(ioctl(p.slave.get(), FIONREAD, &n), SucceedsWith(0));
  EXPECT_EQ(n, 4);
}

TEST(TtyTest, FlushDiscards) {
  Pty p;
  // What is sent arrives a moment later.
  p.Send("gone\n");
  EXPECT_EQ(Poll(p.slave.get(), POLLIN, kLongMs), POLLIN);
  EXPECT_THAT(tcflush(p.slave.get(), TCIFLUSH), SucceedsWith(0));
  p.Send("kept\n");
  EXPECT_EQ(ReadSome(p.slave.get()), "kept\n");
  p.Send("again\n");
  EXPECT_EQ(Poll(p.slave.get(), POLLIN, kLongMs), POLLIN);
  termios t;
  tcgetattr(p.slave.get(), &t);
  EXPECT_THAT(tcsetattr(p.slave.get(), TCSAFLUSH, &t), SucceedsWith(0));
  p.Send("last\n");
  EXPECT_EQ(ReadSome(p.slave.get()), "last\n");
}

TEST(TtyTest, HangupOfTheMaster) {
  Pty p;
  p.master.reset();
  char c;
  EXPECT_THAT(read(p.slave.get(), &c, 1), SucceedsWith(0));
  EXPECT_THAT(write(p.slave.get(), "x", 1), FailsWith(EIO));
  EXPECT_EQ(Poll(p.slave.get(), POLLIN | POLLOUT) & (POLLHUP | POLLIN), POLLHUP | POLLIN);
}

TEST(TtyTest, CloseOfTheSlave) {
  Pty p;
  EXPECT_THAT(write(p.slave.get(), "bye", 3), SucceedsWith(3));
  p.slave.reset();
  EXPECT_EQ(p.Shown(3), "bye");
  char c;
  EXPECT_THAT(read(p.master.get(), &c, 1), FailsWith(EIO));
  EXPECT_EQ(Poll(p.master.get(), POLLIN) & POLLHUP, POLLHUP);
  // It can be opened again.
  p.slave = Open(p.path, O_RDWR | O_NOCTTY);
  p.Send("x\n");
  EXPECT_EQ(ReadSome(p.slave.get()), "x\n");
}

TEST(TtyTest, WindowSize) {
  Pty p;
  winsize w = {};
  EXPECT_THAT(ioctl(p.slave.get(), TIOCGWINSZ, &w), SucceedsWith(0));
  EXPECT_EQ(w.ws_row, 0);
  w = {24, 80, 0, 0};
  EXPECT_THAT(ioctl(p.master.get(), TIOCSWINSZ, &w), SucceedsWith(0));
  w = {};
  EXPECT_THAT(ioctl(p.slave.get(), TIOCGWINSZ, &w), SucceedsWith(0));
  EXPECT_EQ(w.ws_row, 24);
  EXPECT_EQ(w.ws_col, 80);
}

// A child that leads a session on the terminal. It says "R" on the terminal when it is ready.
class JobControlTest : public testing::Test {
 protected:
  pid_t StartLeader(const std::function<void()>& body) {
    return Fork([&, body] {
      EXPECT_THAT(setsid(), Succeeds());
      EXPECT_THAT(ioctl(pty_.slave.get(), TIOCSCTTY, 0), SucceedsWith(0));
      pty_.master.reset();
      body();
    });
  }
  void Ready() { EXPECT_THAT(write(pty_.slave.get(), "R", 1), SucceedsWith(1)); }
  void AwaitReady() { EXPECT_EQ(pty_.Shown(1), "R"); }
  Pty pty_;
};

TEST_F(JobControlTest, ControllingTerminal) {
  EXPECT_THAT(Wait(StartLeader([&] {
                EXPECT_EQ(tcgetsid(pty_.slave.get()), getpid());
                EXPECT_EQ(tcgetpgrp(pty_.slave.get()), getpid());
                Fd tty = Open("/dev/tty", O_RDWR);
                EXPECT_THAT(write(tty.get(), "R", 1), SucceedsWith(1));
                struct stat a;
                EXPECT_THAT(fstat(tty.get(), &a), SucceedsWith(0));
                EXPECT_THAT(InChild([] {
                              // Members of the session have it too; others do not.
                              EXPECT_THAT(open("/dev/tty", O_RDWR), Succeeds());
                              setsid();
                              EXPECT_THAT(open("/dev/tty", O_RDWR), FailsWith(ENXIO));
                            }),
                            ExitedWith(0));
                // Giving it up.
                signal(SIGHUP, SIG_IGN);
                EXPECT_THAT(ioctl(tty.get(), TIOCNOTTY), SucceedsWith(0));
                EXPECT_THAT(open("/dev/tty", O_RDWR), FailsWith(ENXIO));
              })),
              ExitedWith(0));
}

TEST_F(JobControlTest, OpenByALeaderMakesItTheControllingOne) {
  EXPECT_THAT(InChild([&] {
                setsid();
                Fd tty = Open(pty_.path, O_RDWR);
                EXPECT_EQ(tcgetsid(tty.get()), getpid());
              }),
              ExitedWith(0));
  EXPECT_THAT(InChild([&] {
                setsid();
                Fd tty = Open(pty_.path, O_RDWR | O_NOCTTY);
                EXPECT_THAT(tcgetsid(tty.get()), FailsWith(ENOTTY));
                EXPECT_THAT(tcgetpgrp(tty.get()), FailsWith(ENOTTY));
              }),
              ExitedWith(0));
}

TEST_F(JobControlTest, TakenTerminalsAreNotGiven) {
  const pid_t leader = StartLeader([&] {
    Ready();
    char c;
    (void)read(pty_.slave.get(), &c, 1);
  });
  AwaitReady();
  EXPECT_THAT(InChild([&] {
                setsid();
                EXPECT_THAT(ioctl(pty_.slave.get(), TIOCSCTTY, 0), FailsWith(EPERM));
              }),
              ExitedWith(0));
  pty_.Send("\n");
  EXPECT_THAT(Wait(leader), ExitedWith(0));
}

TEST_F(JobControlTest, KeysSignalTheForegroundGroup) {
  for (auto [key, sig] :
       {std::pair("\x03", SIGINT), std::pair("\x1c", SIGQUIT), std::pair("\x1a", SIGTSTP)}) {
    const pid_t leader = StartLeader([&] {
      signal(SIGTTOU, SIG_IGN);
      signal(SIGINT, SIG_IGN);
      signal(SIGQUIT, SIG_IGN);
      const pid_t job = Fork([&] {
        setpgid(0, 0);
        tcsetpgrp(pty_.slave.get(), getpid());
        signal(SIGINT, SIG_DFL);
        signal(SIGQUIT, SIG_DFL);
        Ready();
        for (;;) pause();
      });
      int status;
      EXPECT_THAT(waitpid(job, &status, WUNTRACED), SucceedsWith(job));
      if (sig == SIGTSTP) {
        EXPECT_THAT(status, StoppedBy(SIGTSTP));
        kill(job, SIGKILL);
        Wait(job);
      } else {
        EXPECT_THAT(status, KilledBy(sig));
      }
    });
    AwaitReady();
    pty_.Send(key);
    EXPECT_THAT(Wait(leader), ExitedWith(0));
    EXPECT_EQ(pty_.Shown(2).substr(0, 1), "^");
    pty_ = Pty();
  }
}

TEST_F(JobControlTest, KeysThrowInputAway) {
  const pid_t leader = StartLeader([&] {
    ScopedSigaction action(SIGINT, [](int) {});
    Ready();
    char b[16];
    EXPECT_THAT(read(pty_.slave.get(), b, sizeof b), FailsWith(EINTR));
    Ready();
    EXPECT_EQ(ReadSome(pty_.slave.get()), "kept\n");
  });
  AwaitReady();
  EXPECT_TRUE(WaitUntilBlocked(leader));
  pty_.Send("lost");
  EXPECT_EQ(pty_.Shown(4), "lost");
  pty_.Send("\x03");
  EXPECT_EQ(pty_.Shown(3), "^CR");
  pty_.Send("kept\n");
  EXPECT_THAT(Wait(leader), ExitedWith(0));
}

TEST_F(JobControlTest, BackgroundReadersStop) {
  const pid_t leader = StartLeader([&] {
    signal(SIGTTOU, SIG_IGN);
    const pid_t job = Fork([&] {
      setpgid(0, 0);
      EXPECT_EQ(ReadSome(pty_.slave.get()), "for the job\n");
    });
    EXPECT_THAT(Wait(job, WUNTRACED), StoppedBy(SIGTTIN));
    EXPECT_THAT(tcsetpgrp(pty_.slave.get(), job), SucceedsWith(0));
    kill(job, SIGCONT);
    EXPECT_THAT(Wait(job), ExitedWith(0));
    EXPECT_THAT(tcsetpgrp(pty_.slave.get(), getpgrp()), SucceedsWith(0));
    // One that ignores the signal gets an error.
    EXPECT_THAT(InChild([&] {
                  setpgid(0, 0);
                  signal(SIGTTIN, SIG_IGN);
                  char c;
                  EXPECT_THAT(read(pty_.slave.get(), &c, 1), FailsWith(EIO));
                }),
                ExitedWith(0));
  });
  pty_.Send("for the job\n");
  EXPECT_THAT(Wait(leader), ExitedWith(0));
}

TEST_F(JobControlTest, BackgroundWritersStopWithTostop) {
  const pid_t leader = StartLeader([&] {
    EXPECT_THAT(InChild([&] {
                  setpgid(0, 0);
                  EXPECT_THAT(write(pty_.slave.get(), "x", 1), SucceedsWith(1));
                }),
                ExitedWith(0));
    pty_.Change([](termios* t) { t->c_lflag |= TOSTOP; });
    const pid_t job = Fork([&] {
      setpgid(0, 0);
      EXPECT_THAT(write(pty_.slave.get(), "y", 1), SucceedsWith(1));
    });
    EXPECT_THAT(Wait(job, WUNTRACED), StoppedBy(SIGTTOU));
    pty_.Change([](termios* t) { t->c_lflag &= ~static_cast<tcflag_t>(TOSTOP); });
    kill(job, SIGCONT);
    EXPECT_THAT(Wait(job), ExitedWith(0));
  });
  EXPECT_EQ(pty_.Shown(2), "xy");
  EXPECT_THAT(Wait(leader), ExitedWith(0));
}

TEST_F(JobControlTest, BackgroundTcsetattrStops) {
  const pid_t leader = StartLeader([&] {
    const pid_t job = Fork([&] {
      setpgid(0, 0);
      termios t;
      EXPECT_THAT(tcgetattr(pty_.slave.get(), &t), SucceedsWith(0));
      EXPECT_THAT(tcsetattr(pty_.slave.get(), TCSANOW, &t), SucceedsWith(0));
    });
    EXPECT_THAT(Wait(job, WUNTRACED), StoppedBy(SIGTTOU));
    EXPECT_THAT(kill(job, SIGKILL), SucceedsWith(0));
    Wait(job);
  });
  EXPECT_THAT(Wait(leader), ExitedWith(0));
}

TEST_F(JobControlTest, TcsetpgrpErrors) {
  const pid_t leader = StartLeader([&] {
    EXPECT_THAT(tcsetpgrp(pty_.slave.get(), 0x7ffffff0), FailsWith(ESRCH));
    EXPECT_THAT(tcsetpgrp(pty_.slave.get(), -1), FailsWith(EINVAL));
    Event ready, go;
    ScopedChild other([&] {
      setsid();
      ready.Signal();
      go.Wait();
    });
    ready.Wait();
    EXPECT_THAT(tcsetpgrp(pty_.slave.get(), other.pid()), FailsWith(EPERM));
    go.Signal();
  });
  EXPECT_THAT(Wait(leader), ExitedWith(0));
}

TEST_F(JobControlTest, ResizeSignalsTheForeground) {
  const pid_t leader = StartLeader([&] {
    ScopedSigmask mask(SIG_BLOCK, {SIGWINCH});
    Ready();
    const sigset_t set = SigSet({SIGWINCH});
    EXPECT_THAT(sigwaitinfo(&set, nullptr), SucceedsWith(SIGWINCH));
    winsize w;
    EXPECT_THAT(ioctl(pty_.slave.get(), TIOCGWINSZ, &w), SucceedsWith(0));
    EXPECT_EQ(w.ws_col, 132);
  });
  AwaitReady();
  const winsize w = {50, 132, 0, 0};
  EXPECT_THAT(ioctl(pty_.master.get(), TIOCSWINSZ, &w), SucceedsWith(0));
  EXPECT_THAT(Wait(leader), ExitedWith(0));
}

TEST_F(JobControlTest, HangupSignalsTheSession) {
  const pid_t leader = StartLeader([&] {
    Ready();
    for (;;) pause();
  });
  AwaitReady();
  pty_.master.reset();
  EXPECT_THAT(Wait(leader), KilledBy(SIGHUP));
}

TEST_F(JobControlTest, ExitOfTheLeaderHangsUpTheForeground) {
  PipeFds p = MakePipe();
  const pid_t leader = StartLeader([&] {
    Event ready;
    Fork([&] {
      signal(SIGHUP, [](int) { _exit(0); });
      ready.Signal();
      for (;;) pause();
    });
    ready.Wait();
  });
  EXPECT_THAT(Wait(leader), ExitedWith(0));
  // The job's end closes the pipe's last writer but ours.
  p.writer.reset();
  EXPECT_EQ(ReadAll(p.reader.get()), "");
}

}  // namespace
}  // namespace cvisor::test
