// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// Process groups and sessions: setpgid(2), setsid(2), orphaned groups, kill(2) of groups.
#include <sys/prctl.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

TEST(SessionTest, SetpgidRules) {
  EXPECT_THAT(InChild([] {
                setpgid(0, 0);
                EXPECT_EQ(getpgrp(), getpid());
                Event go;
                ScopedChild child([&] { go.Wait(); });
                EXPECT_EQ(getpgid(child.pid()), getpid());
                EXPECT_THAT(setpgid(child.pid(), child.pid()), SucceedsWith(0));
                EXPECT_EQ(getpgid(child.pid()), child.pid());
                EXPECT_THAT(setpgid(child.pid(), getpid()), SucceedsWith(0));
                EXPECT_THAT(setpgid(child.pid(), 0x7ffffff0), FailsWith(EPERM));
                EXPECT_THAT(setpgid(child.pid(), -1), FailsWith(EINVAL));
                EXPECT_THAT(setpgid(getppid(), 0), FailsWith(ESRCH));
                EXPECT_THAT(getpgid(0x7ffffff0), FailsWith(ESRCH));
                go.Signal();
                EXPECT_THAT(child.Wait(), ExitedWith(0));
              }),
              ExitedWith(0));
}

TEST(SessionTest, NotAfterExec) {
  EXPECT_THAT(InChild([] {
                PipeFds up = MakePipe(), down = MakePipe();
                ScopedChild child([&] {
                  dup2(down.reader.get(), 0);
                  dup2(up.writer.get(), 1);
                  down.writer.reset();
                  execl("/bin/cat", "cat", nullptr);
                });
                EXPECT_THAT(write(down.writer.get(), "x", 1), SucceedsWith(1));
                EXPECT_EQ(ReadExactly(up.reader.get(), 1), "x");
                EXPECT_THAT(setpgid(child.pid(), child.pid()), FailsWith(EACCES));
                down.writer.reset();
                EXPECT_THAT(child.Wait(), ExitedWith(0));
              }),
              ExitedWith(0));
}

TEST(SessionTest, Setsid) {
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(setsid(), SucceedsWith(getpid()));
                EXPECT_EQ(getsid(0), getpid());
                EXPECT_EQ(getpgrp(), getpid());
                // A leader of a group cannot.
                EXPECT_THAT(setsid(), FailsWith(EPERM));
                // A leader of a session cannot change its group.
                EXPECT_THAT(setpgid(0, 0), FailsWith(EPERM));
                Event ready, go;
                ScopedChild child([&] {
                  setsid();
                  ready.Signal();
                  go.Wait();
                });
                ready.Wait();
                EXPECT_EQ(getsid(child.pid()), child.pid());
                EXPECT_THAT(setpgid(child.pid(), getpid()), FailsWith(EPERM));
                go.Signal();
                EXPECT_THAT(child.Wait(), ExitedWith(0));
              }),
              ExitedWith(0));
}

TEST(SessionTest, KillOfGroups) {
  EXPECT_THAT(InChild([] {
                setpgid(0, 0);
                signal(SIGUSR1, SIG_IGN);
                const auto victim = [](pid_t group) {
                  const pid_t pid = Fork([] {
                    signal(SIGUSR1, SIG_DFL);
                    for (;;) pause();
                  });
                  setpgid(pid, group ? group : pid);
                  return pid;
                };
                const pid_t a = victim(0);
                const pid_t b = victim(a);
                const pid_t c = victim(getpgrp());
                for (pid_t pid : {a, b, c}) EXPECT_TRUE(WaitUntilBlocked(pid));
                EXPECT_THAT(kill(-a, SIGUSR1), SucceedsWith(0));
                EXPECT_THAT(Wait(a), KilledBy(SIGUSR1));
                EXPECT_THAT(Wait(b), KilledBy(SIGUSR1));
                EXPECT_THAT(kill(c, 0), SucceedsWith(0));
                EXPECT_THAT(kill(0, SIGUSR1), SucceedsWith(0));
                EXPECT_THAT(Wait(c), KilledBy(SIGUSR1));
                EXPECT_THAT(kill(-a, 0), FailsWith(ESRCH));
              }),
              ExitedWith(0));
}

TEST(SessionTest, StoppedOrphanedGroupIsHungUp) {
  // The last link of a group with stopped members to the session goes: SIGHUP and SIGCONT.
  EXPECT_THAT(
      InChild([] {
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        Shared<pid_t> grandchild;
        PipeFds log = MakePipe();
        static int out;
        out = log.writer.get();
        const pid_t middle = Fork([&] {
          setsid();
          *grandchild = Fork([&] {
            signal(SIGHUP, [](int) { (void)write(out, "h", 1); });
            signal(SIGCONT, [](int) { (void)write(out, "c", 1); });
            setpgid(0, 0);
            raise(SIGSTOP);
            for (;;) pause();
          });
          EXPECT_THAT(Wait(*grandchild, WUNTRACED), StoppedBy(SIGSTOP));
        });
        EXPECT_THAT(Wait(middle), ExitedWith(0));
        std::string got = ReadExactly(log.reader.get(), 2);
        EXPECT_TRUE(got == "hc" || got == "ch") << got;
        kill(*grandchild, SIGKILL);
        Wait(*grandchild);
      }),
      ExitedWith(0));
}

TEST(SessionTest, OrphanedGroupsIgnoreTerminalStops) {
  EXPECT_THAT(InChild([] {
                setsid();
                // A session of its own: the group has no parent in the session.
                EXPECT_THAT(raise(SIGTSTP), SucceedsWith(0));
                EXPECT_THAT(raise(SIGTTIN), SucceedsWith(0));
                EXPECT_THAT(raise(SIGTTOU), SucceedsWith(0));
              }),
              ExitedWith(0));
}

TEST(SessionTest, KillPermissions) {
  EXPECT_THAT(InChild([] {
                ScopedChild root([] {
                  for (;;) pause();
                });
                EXPECT_THAT(InChild([&] {
                              BecomeNobody();
                              EXPECT_THAT(kill(root.pid(), SIGTERM), FailsWith(EPERM));
                              EXPECT_THAT(kill(root.pid(), 0), FailsWith(EPERM));
                              EXPECT_THAT(kill(getpid(), 0), SucceedsWith(0));
                            }),
                            ExitedWith(0));
                EXPECT_THAT(kill(root.pid(), 65), FailsWith(EINVAL));
                EXPECT_THAT(kill(root.pid(), -1), FailsWith(EINVAL));
                EXPECT_THAT(kill(0x7ffffff0, 0), FailsWith(ESRCH));
              }),
              ExitedWith(0));
}

TEST(SessionTest, SigcontIsAllowedWithinASession) {
  EXPECT_THAT(InChild([] {
                ScopedChild root([] {
                  for (;;) pause();
                });
                EXPECT_THAT(InChild([&] {
                              BecomeNobody();
                              EXPECT_THAT(kill(root.pid(), SIGCONT), SucceedsWith(0));
                            }),
                            ExitedWith(0));
              }),
              ExitedWith(0));
}

}  // namespace
}  // namespace cvisor::test
