// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// sched(7): policies, sched_setattr(2) and its relatives, ioprio_set(2). They are set and returned;
// nothing here depends on who runs when.
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <cstring>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

struct Attr {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
  uint32_t util_min, util_max;
};
static_assert(sizeof(Attr) == 56);
constexpr uint32_t kFirstSize = 48;

long SetAttr(const Attr& a, pid_t pid = 0, unsigned flags = 0) {
  return syscall(SYS_sched_setattr, pid, &a, flags);
}
Attr GetAttr(pid_t pid = 0) {
  Attr a = {};
  EXPECT_THAT(syscall(SYS_sched_getattr, pid, &a, sizeof(a), 0), SucceedsWith(0));
  return a;
}
Attr Policy(uint32_t policy, uint32_t priority = 0, int nice = 0, uint64_t flags = 0) {
  return {kFirstSize, policy, flags, nice, priority, 0, 0, 0, 0, 0};
}
int SetScheduler(int policy, int priority, pid_t pid = 0) {
  const sched_param p = {priority};
  return sched_setscheduler(pid, policy, &p);
}
int Parameter(pid_t pid = 0) {
  sched_param p = {-1};
  EXPECT_THAT(sched_getparam(pid, &p), SucceedsWith(0));
  return p.sched_priority;
}
// Runs the body in a child that has ordinary settings.
int Ordinary(const std::function<void()>& body) {
  return InChild([&] {
    EXPECT_THAT(SetScheduler(SCHED_OTHER, 0), SucceedsWith(0));
    EXPECT_THAT(setpriority(PRIO_PROCESS, 0, 0), SucceedsWith(0));
    body();
  });
}
void SetLimit(int resource, rlim_t value) {
  const rlimit limit = {value, value};
  EXPECT_THAT(setrlimit(static_cast<__rlimit_resource>(resource), &limit), SucceedsWith(0));
}

TEST(SchedAttrTest, RoundTrip) {
  EXPECT_THAT(Ordinary([] {
                EXPECT_THAT(SetAttr(Policy(SCHED_BATCH, 0, 7)), SucceedsWith(0));
                const Attr a = GetAttr();
                EXPECT_EQ(a.policy, static_cast<uint32_t>(SCHED_BATCH));
                EXPECT_EQ(a.nice, 7);
                EXPECT_EQ(a.priority, 0u);
                EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 7);
                EXPECT_THAT(sched_getscheduler(0), SucceedsWith(SCHED_BATCH));
              }),
              ExitedWith(0));
}

TEST(SchedAttrTest, SizesOfSet) {
  EXPECT_THAT(Ordinary([] {
                Attr a = Policy(SCHED_OTHER);
                a.size = 0;  // the first version's
                EXPECT_THAT(SetAttr(a), SucceedsWith(0));
                a.size = kFirstSize - 1;
                EXPECT_THAT(SetAttr(a), FailsWith(E2BIG));
                EXPECT_GE(a.size, kFirstSize);  // it tells what it knows
                a.size = 5000;
                EXPECT_THAT(SetAttr(a), FailsWith(E2BIG));
                // Longer than known is fine as long as the rest is zero.
                struct {
                  Attr a;
                  uint8_t rest[200];
                } longer = {};
                longer.a = Policy(SCHED_OTHER);
                longer.a.size = sizeof(longer);
                EXPECT_THAT(syscall(SYS_sched_setattr, 0, &longer, 0), SucceedsWith(0));
                longer.rest[199] = 1;
                EXPECT_THAT(syscall(SYS_sched_setattr, 0, &longer, 0), FailsWith(E2BIG));
              }),
              ExitedWith(0));
}

TEST(SchedAttrTest, SizesOfGet) {
  Attr a = {};
  std::memset(&a, 0xff, sizeof(a));
  EXPECT_THAT(syscall(SYS_sched_getattr, 0, &a, kFirstSize, 0), SucceedsWith(0));
  EXPECT_EQ(a.size, kFirstSize);
  EXPECT_EQ(a.util_min, ~0u);  // behind the end
  EXPECT_THAT(syscall(SYS_sched_getattr, 0, &a, kFirstSize - 1, 0), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_sched_getattr, 0, &a, 5000, 0), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_sched_getattr, 0, &a, sizeof(a), 1), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_sched_getattr, 0, nullptr, sizeof(a), 0), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_sched_getattr, -1, &a, sizeof(a), 0), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_sched_getattr, 0x7ffffff0, &a, sizeof(a), 0), FailsWith(ESRCH));
  EXPECT_THAT(syscall(SYS_sched_getattr, 0, 8, sizeof(a), 0), FailsWith(EFAULT));
}

TEST(SchedAttrTest, Arguments) {
  EXPECT_THAT(Ordinary([] {
                EXPECT_THAT(SetAttr(Policy(99)), FailsWith(EINVAL));
                EXPECT_THAT(SetAttr(Policy(~0u)), FailsWith(EINVAL));
                EXPECT_THAT(SetAttr(Policy(SCHED_OTHER), 0, 1), FailsWith(EINVAL));
                EXPECT_THAT(SetAttr(Policy(SCHED_OTHER), -1), FailsWith(EINVAL));
                EXPECT_THAT(SetAttr(Policy(SCHED_OTHER), 0x7ffffff0), FailsWith(ESRCH));
                EXPECT_THAT(SetAttr(Policy(SCHED_OTHER, 1)), FailsWith(EINVAL));
                EXPECT_THAT(SetAttr(Policy(SCHED_OTHER, 0, 0, 1 << 20)), FailsWith(EINVAL));
                EXPECT_THAT(syscall(SYS_sched_setattr, 0, nullptr, 0), FailsWith(EINVAL));
                EXPECT_THAT(syscall(SYS_sched_setattr, 0, 8, 0), FailsWith(EFAULT));
              }),
              ExitedWith(0));
}

TEST(SchedAttrTest, NiceIsClamped) {
  EXPECT_THAT(Ordinary([] {
                EXPECT_THAT(SetAttr(Policy(SCHED_OTHER, 0, 100)), SucceedsWith(0));
                EXPECT_EQ(GetAttr().nice, 19);
                EXPECT_THAT(SetAttr(Policy(SCHED_OTHER, 0, -100)), SucceedsWith(0));
                EXPECT_EQ(GetAttr().nice, -20);
              }),
              ExitedWith(0));
}

TEST(SchedAttrTest, KeepFlags) {
  EXPECT_THAT(Ordinary([] {
                EXPECT_THAT(SetAttr(Policy(SCHED_BATCH, 0, 3)), SucceedsWith(0));
                EXPECT_THAT(SetAttr(Policy(SCHED_OTHER, 0, 5, SCHED_FLAG_KEEP_POLICY)),
                            SucceedsWith(0));
                EXPECT_EQ(GetAttr().policy, static_cast<uint32_t>(SCHED_BATCH));
                EXPECT_EQ(GetAttr().nice, 5);
                EXPECT_THAT(SetAttr(Policy(SCHED_OTHER, 0, 9, SCHED_FLAG_KEEP_PARAMS)),
                            SucceedsWith(0));
                // The policy stays, too.
                EXPECT_EQ(GetAttr().policy, static_cast<uint32_t>(SCHED_BATCH));
                EXPECT_EQ(GetAttr().nice, 5);
              }),
              ExitedWith(0));
}

TEST(SchedAttrTest, Idle) {
  EXPECT_THAT(Ordinary([] {
                EXPECT_THAT(SetAttr(Policy(SCHED_IDLE, 0, 4)), SucceedsWith(0));
                EXPECT_THAT(sched_getscheduler(0), SucceedsWith(SCHED_IDLE));
                EXPECT_EQ(GetAttr().nice, 0);  // it has none
                EXPECT_EQ(Parameter(), 0);
              }),
              ExitedWith(0));
}

TEST(SchedAttrTest, ResetOnFork) {
  EXPECT_THAT(Ordinary([] {
                EXPECT_THAT(SetAttr(Policy(SCHED_BATCH, 0, -5, SCHED_FLAG_RESET_ON_FORK)),
                            SucceedsWith(0));
                EXPECT_EQ(GetAttr().flags, uint64_t{SCHED_FLAG_RESET_ON_FORK});
                EXPECT_THAT(sched_getscheduler(0),
                            SucceedsWith(SCHED_BATCH | SCHED_RESET_ON_FORK));
                EXPECT_THAT(InChild([] {
                              EXPECT_THAT(sched_getscheduler(0), SucceedsWith(SCHED_BATCH));
                              EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 0);  // negative ones go
                              EXPECT_EQ(GetAttr().flags, 0u);
                            }),
                            ExitedWith(0));
              }),
              ExitedWith(0));
}

TEST(SchedAttrTest, ResetOnForkKeepsPositiveNice) {
  EXPECT_THAT(Ordinary([] {
                EXPECT_THAT(SetAttr(Policy(SCHED_OTHER, 0, 6, SCHED_FLAG_RESET_ON_FORK)),
                            SucceedsWith(0));
                EXPECT_THAT(InChild([] { EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 6); }),
                            ExitedWith(0));
              }),
              ExitedWith(0));
}

TEST(SchedAttrTest, ResetOnForkCannotBeTakenBackByOthers) {
  EXPECT_THAT(Ordinary([] {
                EXPECT_THAT(SetScheduler(SCHED_OTHER | SCHED_RESET_ON_FORK, 0), SucceedsWith(0));
                BecomeNobody();
                EXPECT_THAT(SetScheduler(SCHED_OTHER, 0), FailsWith(EPERM));
                EXPECT_THAT(SetScheduler(SCHED_OTHER | SCHED_RESET_ON_FORK, 0), SucceedsWith(0));
              }),
              ExitedWith(0));
}

TEST(SchedTest, Inherited) {
  EXPECT_THAT(Ordinary([] {
                EXPECT_THAT(SetAttr(Policy(SCHED_BATCH, 0, 3)), SucceedsWith(0));
                EXPECT_THAT(InChild([] {
                              EXPECT_THAT(sched_getscheduler(0), SucceedsWith(SCHED_BATCH));
                              EXPECT_EQ(GetAttr().nice, 3);
                            }),
                            ExitedWith(0));
                ScopedThread thread(
                    [] { EXPECT_THAT(sched_getscheduler(0), SucceedsWith(SCHED_BATCH)); });
              }),
              ExitedWith(0));
}

TEST(SchedTest, AThreadsOwn) {
  EXPECT_THAT(Ordinary([] {
                Event set, done;
                ScopedThread thread([&] {
                  EXPECT_THAT(SetScheduler(SCHED_IDLE, 0), SucceedsWith(0));
                  set.Signal();
                  done.Wait();
                });
                set.Wait();
                EXPECT_THAT(sched_getscheduler(0), SucceedsWith(SCHED_OTHER));
                EXPECT_THAT(sched_getscheduler(thread.tid()), SucceedsWith(SCHED_IDLE));
                done.Signal();
              }),
              ExitedWith(0));
}

TEST(SchedTest, Arguments) {
  EXPECT_THAT(SetScheduler(-1, 0), FailsWith(EINVAL));
  EXPECT_THAT(SetScheduler(SCHED_OTHER, 0, -1), FailsWith(EINVAL));
  EXPECT_THAT(SetScheduler(SCHED_OTHER, 0, 0x7ffffff0), FailsWith(ESRCH));
  EXPECT_THAT(SetScheduler(SCHED_FIFO, 0), FailsWith(EINVAL));
  EXPECT_THAT(SetScheduler(SCHED_FIFO, 100), FailsWith(EINVAL));
  EXPECT_THAT(SetScheduler(SCHED_RR, -1), FailsWith(EINVAL));
  EXPECT_THAT(SetScheduler(SCHED_BATCH, 1), FailsWith(EINVAL));
  EXPECT_THAT(SetScheduler(SCHED_IDLE, 1), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, nullptr), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, 8), FailsWith(EFAULT));
  EXPECT_THAT(syscall(SYS_sched_setparam, 0, nullptr), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_sched_getparam, 0, nullptr), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_sched_getparam, -1, 8), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_sched_getparam, 0, 8), FailsWith(EFAULT));
}

TEST(SchedTest, PriorityRange) {
  for (const int policy : {SCHED_FIFO, SCHED_RR}) {
    EXPECT_THAT(sched_get_priority_min(policy), SucceedsWith(1));
    EXPECT_THAT(sched_get_priority_max(policy), SucceedsWith(99));
  }
  for (const int policy : {SCHED_OTHER, SCHED_BATCH, SCHED_IDLE, SCHED_DEADLINE}) {
    EXPECT_THAT(sched_get_priority_min(policy), SucceedsWith(0));
    EXPECT_THAT(sched_get_priority_max(policy), SucceedsWith(0));
  }
  EXPECT_THAT(sched_get_priority_min(4), FailsWith(EINVAL));
  EXPECT_THAT(sched_get_priority_max(-1), FailsWith(EINVAL));
}

TEST(SchedTest, RoundRobinInterval) {
  timespec t = {-1, -1};
  EXPECT_THAT(sched_rr_get_interval(0, &t), SucceedsWith(0));
  EXPECT_EQ(t.tv_sec, 0);
  EXPECT_GE(t.tv_nsec, 0);
  EXPECT_THAT(sched_rr_get_interval(-1, &t), FailsWith(EINVAL));
  EXPECT_THAT(sched_rr_get_interval(0x7ffffff0, &t), FailsWith(ESRCH));
  EXPECT_THAT(syscall(SYS_sched_rr_get_interval, 0, 8), FailsWith(EFAULT));
}

TEST(SchedTest, RealTimeNeedsPrivilegeOrALimit) {
  EXPECT_THAT(Ordinary([] {
                SetLimit(RLIMIT_RTPRIO, 0);
                BecomeNobody();
                EXPECT_THAT(SetScheduler(SCHED_FIFO, 1), FailsWith(EPERM));
                EXPECT_THAT(SetScheduler(SCHED_RR, 50), FailsWith(EPERM));
                EXPECT_THAT(SetScheduler(SCHED_BATCH, 0), SucceedsWith(0));
              }),
              ExitedWith(0));
}

TEST(SchedTest, OthersProcesses) {
  ScopedChild child([] { pause(); });
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                EXPECT_THAT(SetScheduler(SCHED_BATCH, 0, child.pid()), FailsWith(EPERM));
                EXPECT_THAT(SetAttr(Policy(SCHED_BATCH), child.pid()), FailsWith(EPERM));
                EXPECT_THAT(sched_getscheduler(child.pid()), Succeeds());  // to look is free
                cpu_set_t set;
                EXPECT_THAT(sched_getaffinity(child.pid(), sizeof(set), &set), SucceedsWith(0));
                EXPECT_THAT(sched_setaffinity(child.pid(), sizeof(set), &set), FailsWith(EPERM));
              }),
              ExitedWith(0));
}

TEST(SchedTest, NiceLimit) {
  rlimit limit;
  ASSERT_THAT(getrlimit(RLIMIT_NICE, &limit), SucceedsWith(0));
  if (limit.rlim_max < 15 && !HasCapability(CAP_SYS_RESOURCE)) {
    GTEST_SKIP() << "RLIMIT_NICE cannot be raised here";
  }
  EXPECT_THAT(Ordinary([] {
                EXPECT_THAT(setpriority(PRIO_PROCESS, 0, 10), SucceedsWith(0));
                SetLimit(RLIMIT_NICE, 15);  // down to 5
                BecomeNobody();
                EXPECT_THAT(setpriority(PRIO_PROCESS, 0, 4), FailsWith(EACCES));
                EXPECT_THAT(setpriority(PRIO_PROCESS, 0, 5), SucceedsWith(0));
                EXPECT_THAT(SetAttr(Policy(SCHED_OTHER, 0, 4)), FailsWith(EPERM));
                EXPECT_THAT(SetAttr(Policy(SCHED_OTHER, 0, 12)), SucceedsWith(0));
                EXPECT_THAT(SetAttr(Policy(SCHED_OTHER, 0, 5)), SucceedsWith(0));
              }),
              ExitedWith(0));
}

TEST(SchedTest, LeavingIdleTakesWhatNiceTakes) {
  EXPECT_THAT(Ordinary([] {
                SetLimit(RLIMIT_NICE, 0);
                BecomeNobody();
                EXPECT_THAT(SetScheduler(SCHED_IDLE, 0), SucceedsWith(0));
                EXPECT_THAT(SetScheduler(SCHED_OTHER, 0), FailsWith(EPERM));
              }),
              ExitedWith(0));
}

TEST(SchedTest, SetparamKeepsThePolicy) {
  EXPECT_THAT(Ordinary([] {
                EXPECT_THAT(SetScheduler(SCHED_BATCH, 0), SucceedsWith(0));
                sched_param p = {0};
                EXPECT_THAT(sched_setparam(0, &p), SucceedsWith(0));
                EXPECT_THAT(sched_getscheduler(0), SucceedsWith(SCHED_BATCH));
                p.sched_priority = 1;
                EXPECT_THAT(sched_setparam(0, &p), FailsWith(EINVAL));
              }),
              ExitedWith(0));
}

// ---- I/O priorities ---------------------------------------------------------------------------

constexpr int kWhoProcess = 1, kWhoGroup = 2, kWhoUser = 3;
constexpr int IoPriority(int io_class, int data) { return io_class << 13 | data; }
long SetIo(int which, int who, int value) { return syscall(SYS_ioprio_set, which, who, value); }
long GetIo(int which, int who) { return syscall(SYS_ioprio_get, which, who); }

TEST(IoprioTest, SetAndGet) {
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(SetIo(kWhoProcess, 0, IoPriority(2, 3)), SucceedsWith(0));
                EXPECT_THAT(GetIo(kWhoProcess, 0), SucceedsWith(IoPriority(2, 3)));
                EXPECT_THAT(GetIo(kWhoProcess, getpid()), SucceedsWith(IoPriority(2, 3)));
                EXPECT_THAT(SetIo(kWhoProcess, 0, IoPriority(3, 0)), SucceedsWith(0));
                EXPECT_THAT(GetIo(kWhoProcess, 0), SucceedsWith(IoPriority(3, 0)));
                EXPECT_THAT(InChild([] {
                              EXPECT_THAT(GetIo(kWhoProcess, 0), SucceedsWith(IoPriority(3, 0)));
                            }),
                            ExitedWith(0));
              }),
              ExitedWith(0));
}

TEST(IoprioTest, Groups) {
  EXPECT_THAT(InChild([] {
                setpgid(0, 0);
                ScopedChild child([] { pause(); });
                EXPECT_THAT(SetIo(kWhoGroup, 0, IoPriority(2, 6)), SucceedsWith(0));
                EXPECT_THAT(GetIo(kWhoProcess, child.pid()), SucceedsWith(IoPriority(2, 6)));
                EXPECT_THAT(SetIo(kWhoProcess, child.pid(), IoPriority(2, 1)), SucceedsWith(0));
                EXPECT_THAT(GetIo(kWhoGroup, 0), SucceedsWith(IoPriority(2, 1)));  // the best
              }),
              ExitedWith(0));
}

TEST(IoprioTest, Errors) {
  EXPECT_THAT(SetIo(9, 0, IoPriority(2, 0)), FailsWith(EINVAL));
  EXPECT_THAT(GetIo(9, 0), FailsWith(EINVAL));
  EXPECT_THAT(SetIo(kWhoProcess, 0x7ffffff0, IoPriority(2, 0)), FailsWith(ESRCH));
  EXPECT_THAT(GetIo(kWhoProcess, 0x7ffffff0), FailsWith(ESRCH));
  EXPECT_THAT(SetIo(kWhoProcess, 0, IoPriority(0, 5)), FailsWith(EINVAL));
  EXPECT_THAT(SetIo(kWhoProcess, 0, IoPriority(5, 0)), FailsWith(EINVAL));
  EXPECT_THAT(InChild([] {
                BecomeNobody();
                EXPECT_THAT(SetIo(kWhoProcess, 0, IoPriority(1, 0)), FailsWith(EPERM));
                EXPECT_THAT(SetIo(kWhoProcess, getppid(), IoPriority(2, 0)), FailsWith(EPERM));
              }),
              ExitedWith(0));
}

}  // namespace
}  // namespace cvisor::test
