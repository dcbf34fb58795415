// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// kcmp(2): do two processes share something?
#include <linux/kcmp.h>
#include <sched.h>
#include <sys/syscall.h>

#include <array>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

long Kcmp(pid_t a, pid_t b, int type, unsigned long i = 0, unsigned long k = 0) {
  return syscall(SYS_kcmp, a, b, type, i, k);
}
// 1 or 2: which of the two is "less". The order itself means nothing.
MATCHER(Differ, "") { return arg == 1 || arg == 2; }

constexpr int kShared[] = {KCMP_VM, KCMP_FILES, KCMP_FS, KCMP_SIGHAND};

TEST(KcmpTest, AProcessWithItself) {
  const pid_t me = getpid();
  for (const int type : kShared) EXPECT_THAT(Kcmp(me, me, type), SucceedsWith(0)) << type;
  EXPECT_THAT(Kcmp(me, me, KCMP_IO), SucceedsWith(0));
  EXPECT_THAT(Kcmp(me, me, KCMP_SYSVSEM), SucceedsWith(0));
}

TEST(KcmpTest, Threads) {
  Event done;
  ScopedThread thread([&] { done.Wait(); });
  for (const int type : kShared) {
    EXPECT_THAT(Kcmp(getpid(), thread.tid(), type), SucceedsWith(0)) << type;
  }
  done.Signal();
}

TEST(KcmpTest, ParentAndChild) {
  ScopedChild child([] { pause(); });
  for (const int type : kShared) {
    EXPECT_THAT(Kcmp(getpid(), child.pid(), type), Differ()) << type;
    EXPECT_THAT(Kcmp(child.pid(), child.pid(), type), SucceedsWith(0)) << type;
    // The two ways round agree.
    EXPECT_EQ(Kcmp(getpid(), child.pid(), type) + Kcmp(child.pid(), getpid(), type), 3) << type;
  }
}

TEST(KcmpTest, WhatCloneShares) {
  // A child that shares descriptors and directories, and no memory.
  const pid_t pid = static_cast<pid_t>(
      syscall(SYS_clone, CLONE_FILES | CLONE_FS | SIGCHLD, nullptr, nullptr, nullptr, 0));
  if (pid == 0) {
    for (;;) pause();
  }
  ScopedChild child(pid);
  EXPECT_THAT(Kcmp(getpid(), pid, KCMP_FILES), SucceedsWith(0));
  EXPECT_THAT(Kcmp(getpid(), pid, KCMP_FS), SucceedsWith(0));
  EXPECT_THAT(Kcmp(getpid(), pid, KCMP_VM), Differ());
  EXPECT_THAT(Kcmp(getpid(), pid, KCMP_SIGHAND), Differ());
}

TEST(KcmpTest, Files) {
  const pid_t me = getpid();
  Fd a = Open("/dev/null", O_RDONLY), b = Open("/dev/null", O_RDONLY), copy(dup(a.get()));
  EXPECT_THAT(Kcmp(me, me, KCMP_FILE, a.get(), copy.get()), SucceedsWith(0));
  EXPECT_THAT(Kcmp(me, me, KCMP_FILE, a.get(), b.get()), Differ());
  ScopedChild child([] { pause(); });
  EXPECT_THAT(Kcmp(me, child.pid(), KCMP_FILE, a.get(), copy.get()), SucceedsWith(0));
  Fd path = Open("/", O_PATH);
  EXPECT_THAT(Kcmp(me, me, KCMP_FILE, path.get(), path.get()), SucceedsWith(0));
  EXPECT_THAT(Kcmp(me, me, KCMP_FILE, 9999, a.get()), FailsWith(EBADF));
  EXPECT_THAT(Kcmp(me, me, KCMP_FILE, a.get(), 9999), FailsWith(EBADF));
}

TEST(KcmpTest, OrderIsAnOrder) {
  const pid_t me = getpid();
  std::array<Fd, 5> fds;
  for (Fd& fd : fds) fd = Open("/dev/null", O_RDONLY);
  const auto less = [&](int i, int k) {
    return Kcmp(me, me, KCMP_FILE, fds[i].get(), fds[k].get()) == 1;
  };
  for (int i = 0; i < 5; ++i) {
    for (int k = 0; k < 5; ++k) {
      if (i != k) {
        EXPECT_NE(less(i, k), less(k, i));
      }
      for (int m = 0; m < 5; ++m) {
        if (less(i, k) && less(k, m)) {
          EXPECT_TRUE(less(i, m));
        }
      }
    }
  }
}

TEST(KcmpTest, Errors) {
  const pid_t me = getpid();
  EXPECT_THAT(Kcmp(me, 0x7ffffff0, KCMP_VM), FailsWith(ESRCH));
  EXPECT_THAT(Kcmp(0x7ffffff0, me, KCMP_VM), FailsWith(ESRCH));
  EXPECT_THAT(Kcmp(0, me, KCMP_VM), FailsWith(ESRCH));
  EXPECT_THAT(Kcmp(me, me, 99), FailsWith(EINVAL));
  EXPECT_THAT(Kcmp(me, me, -1), FailsWith(EINVAL));
}

TEST(KcmpTest, NeedsToSeeBoth) {
  ScopedChild child([] { pause(); });
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                EXPECT_THAT(Kcmp(getpid(), child.pid(), KCMP_VM), FailsWith(EPERM));
                EXPECT_THAT(Kcmp(child.pid(), getpid(), KCMP_VM), FailsWith(EPERM));
                EXPECT_THAT(Kcmp(child.pid(), getpid(), 99), FailsWith(EPERM));
                EXPECT_THAT(Kcmp(getpid(), getpid(), KCMP_VM), SucceedsWith(0));
              }),
              ExitedWith(0));
}

}  // namespace
}  // namespace cvisor::test
