// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// prlimit(2), prctl(2), sched(7), uname(2), sysinfo(2), getrandom(2), personality(2),
// getpriority(2), getcpu(2), membarrier(2), the devices /dev/{null,zero,full,random}.
#include <linux/membarrier.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/utsname.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

TEST(LimitTest, GetSetAndInherit) {
  EXPECT_THAT(InChild([] {
                rlimit old;
                for (int r = 0; r < RLIM_NLIMITS; ++r) {
                  EXPECT_THAT(syscall(SYS_getrlimit, r, &old), SucceedsWith(0)) << r;
                  EXPECT_LE(old.rlim_cur, old.rlim_max) << r;
                }
                rlimit limit = {100, 200};
                EXPECT_THAT(setrlimit(RLIMIT_NOFILE, &limit), SucceedsWith(0));
                EXPECT_THAT(InChild([] {
                              rlimit now;
                              getrlimit(RLIMIT_NOFILE, &now);
                              EXPECT_EQ(now.rlim_cur, 100u);
                              EXPECT_EQ(now.rlim_max, 200u);
                            }),
                            ExitedWith(0));
                limit = {201, 200};
                EXPECT_THAT(setrlimit(RLIMIT_NOFILE, &limit), FailsWith(EINVAL));
                limit = {200, 200};
                EXPECT_THAT(setrlimit(RLIMIT_NOFILE, &limit), SucceedsWith(0));
                BecomeNobody();
                limit = {200, 300};
                EXPECT_THAT(setrlimit(RLIMIT_NOFILE, &limit), FailsWith(EPERM));
                limit = {10, 150};
                EXPECT_THAT(setrlimit(RLIMIT_NOFILE, &limit), SucceedsWith(0));
              }),
              ExitedWith(0));
}

TEST(LimitTest, Prlimit) {
  Event go;
  ScopedChild child([&] { go.Wait(); });
  rlimit old = {}, now = {};
  const rlimit limit = {77, 88};
  EXPECT_THAT(prlimit(child.pid(), RLIMIT_NOFILE, &limit, &old), SucceedsWith(0));
  EXPECT_THAT(prlimit(child.pid(), RLIMIT_NOFILE, nullptr, &now), SucceedsWith(0));
  EXPECT_EQ(now.rlim_cur, 77u);
  EXPECT_EQ(now.rlim_max, 88u);
  getrlimit(RLIMIT_NOFILE, &now);
  EXPECT_EQ(now.rlim_cur, old.rlim_cur);
  EXPECT_THAT(prlimit(0x7ffffff0, RLIMIT_NOFILE, nullptr, &now), FailsWith(ESRCH));
  EXPECT_THAT(syscall(SYS_prlimit64, 0, 99, nullptr, &now), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_getrlimit, RLIMIT_NOFILE, 8), FailsWith(EFAULT));
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                EXPECT_THAT(prlimit(child.pid(), RLIMIT_NOFILE, nullptr, &now), FailsWith(EPERM));
              }),
              ExitedWith(0));
  go.Signal();
}

TEST(SchedTest, PoliciesAndParameters) {
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(sched_getscheduler(0), SucceedsWith(SCHED_OTHER));
                sched_param p = {0};
                EXPECT_THAT(sched_setscheduler(0, SCHED_BATCH, &p), SucceedsWith(0));
                EXPECT_THAT(sched_getscheduler(0), SucceedsWith(SCHED_BATCH));
                EXPECT_THAT(sched_getparam(0, &p), SucceedsWith(0));
                EXPECT_EQ(p.sched_priority, 0);
                p.sched_priority = 5;
                EXPECT_THAT(sched_setscheduler(0, SCHED_OTHER, &p), FailsWith(EINVAL));
                EXPECT_THAT(sched_setscheduler(0, 99, &p), FailsWith(EINVAL));
                EXPECT_THAT(sched_getscheduler(-1), FailsWith(EINVAL));
                EXPECT_THAT(sched_getscheduler(0x7ffffff0), FailsWith(ESRCH));
              }),
              ExitedWith(0));
  EXPECT_THAT(sched_get_priority_max(SCHED_FIFO), SucceedsWith(99));
  EXPECT_THAT(sched_get_priority_min(SCHED_RR), SucceedsWith(1));
  EXPECT_THAT(sched_get_priority_max(SCHED_OTHER), SucceedsWith(0));
  EXPECT_THAT(sched_get_priority_max(99), FailsWith(EINVAL));
  EXPECT_THAT(sched_yield(), SucceedsWith(0));
}

// sched_setattr(2).
struct SchedAttr {
  uint32_t size = 48, policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0, deadline = 0, period = 0;
};

int SetDeadline(uint64_t runtime, uint64_t deadline, uint64_t period, uint64_t flags = 0) {
  SchedAttr attr;
  attr.policy = 6;
  attr.flags = flags;
  attr.runtime = runtime;
  attr.deadline = deadline;
  attr.period = period;
  return syscall(SYS_sched_setattr, 0, &attr, 0) == 0 ? 0 : errno;
}

TEST(SchedTest, DeadlineIsChecked) {
  EXPECT_THAT(InChild([] {
                constexpr uint64_t kMs = 1000000;
                EXPECT_EQ(SetDeadline(0, 0, 0), EINVAL);
                EXPECT_EQ(SetDeadline(kMs, 0, 0), EINVAL);
                EXPECT_EQ(SetDeadline(1023, 10 * kMs, 0), EINVAL);
                EXPECT_EQ(SetDeadline(3 * kMs, 2 * kMs, 4 * kMs), EINVAL);
                EXPECT_EQ(SetDeadline(kMs, 4 * kMs, 2 * kMs), EINVAL);
                EXPECT_EQ(SetDeadline(2000, 50000, 50000), EINVAL);
                EXPECT_EQ(SetDeadline(kMs, 10000 * kMs, 10000 * kMs), EINVAL);
                EXPECT_EQ(SetDeadline(kMs, uint64_t{1} << 63, 0), EINVAL);
                EXPECT_THAT(sched_getscheduler(0), SucceedsWith(SCHED_OTHER));
              }),
              ExitedWith(0));
}

TEST(SchedTest, DeadlineIsReturned) {
  EXPECT_THAT(InChild([] {
                constexpr uint64_t kMs = 1000000;
                ASSERT_EQ(SetDeadline(kMs, 20 * kMs, 0), 0);
                EXPECT_THAT(sched_getscheduler(0), SucceedsWith(6));
                SchedAttr attr;
                EXPECT_THAT(syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0), SucceedsWith(0));
                EXPECT_EQ(attr.policy, 6u);
                EXPECT_EQ(attr.runtime, kMs);
                EXPECT_EQ(attr.deadline, 20 * kMs);
                EXPECT_EQ(attr.period, 20 * kMs);
                EXPECT_EQ(attr.priority, 0u);
                // Its share cannot be divided.
                EXPECT_THAT(fork(), FailsWith(EAGAIN));
                ASSERT_EQ(SetDeadline(kMs, 20 * kMs, 30 * kMs, /*SCHED_FLAG_RESET_ON_FORK*/ 1), 0);
                EXPECT_THAT(
                    InChild([] { EXPECT_THAT(sched_getscheduler(0), SucceedsWith(SCHED_OTHER)); }),
                    ExitedWith(0));
                sched_param p = {0};
                EXPECT_THAT(sched_setscheduler(0, SCHED_OTHER, &p), SucceedsWith(0));
                EXPECT_THAT(InChild([] {}), ExitedWith(0));
              }),
              ExitedWith(0));
}

TEST(SchedTest, DeadlineNeedsPrivilege) {
  EXPECT_THAT(InChild([] {
                ASSERT_EQ(setresuid(1000, 1000, 1000), 0);
                EXPECT_EQ(SetDeadline(1000000, 20000000, 0), EPERM);
              }),
              ExitedWith(0));
}

TEST(SchedTest, Affinity) {
  EXPECT_THAT(InChild([] {
                cpu_set_t set;
                EXPECT_THAT(sched_getaffinity(0, sizeof set, &set), SucceedsWith(0));
                const int n = CPU_COUNT(&set);
                EXPECT_GE(n, 1);
                EXPECT_EQ(sysconf(_SC_NPROCESSORS_ONLN), n);
                int first = 0;
                while (!CPU_ISSET(first, &set)) ++first;
                cpu_set_t one;
                CPU_ZERO(&one);
                CPU_SET(first, &one);
                EXPECT_THAT(sched_setaffinity(0, sizeof one, &one), SucceedsWith(0));
                EXPECT_THAT(sched_getaffinity(0, sizeof set, &set), SucceedsWith(0));
                EXPECT_TRUE(CPU_EQUAL(&one, &set));
                CPU_ZERO(&set);
                EXPECT_THAT(sched_setaffinity(0, sizeof set, &set), FailsWith(EINVAL));
                EXPECT_THAT(syscall(SYS_sched_getaffinity, 0, 1, &set), FailsWith(EINVAL));
                EXPECT_THAT(syscall(SYS_sched_getaffinity, 0x7ffffff0, sizeof set, &set),
                            FailsWith(ESRCH));
              }),
              ExitedWith(0));
}

TEST(SchedTest, NiceValues) {
  EXPECT_THAT(InChild([] {
                // Whatever the test was started with.
                EXPECT_THAT(setpriority(PRIO_PROCESS, 0, 0), SucceedsWith(0));
                errno = 0;
                EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 0);
                EXPECT_THAT(setpriority(PRIO_PROCESS, 0, 5), SucceedsWith(0));
                EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 5);
                // The bare call counts from 20 downwards.
                EXPECT_THAT(syscall(SYS_getpriority, PRIO_PROCESS, 0), SucceedsWith(15));
                EXPECT_THAT(setpriority(PRIO_PROCESS, 0, 100), SucceedsWith(0));
                EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 19);
                EXPECT_THAT(InChild([] { EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 19); }),
                            ExitedWith(0));
                BecomeNobody();
                EXPECT_THAT(setpriority(PRIO_PROCESS, 0, 3), FailsWith(EACCES));
                EXPECT_THAT(setpriority(PRIO_PROCESS, getppid(), 19), FailsWith(EPERM));
                EXPECT_THAT(syscall(SYS_getpriority, 9, 0), FailsWith(EINVAL));
                EXPECT_THAT(syscall(SYS_getpriority, PRIO_PROCESS, 0x7ffffff0), FailsWith(ESRCH));
              }),
              ExitedWith(0));
}

TEST(SystemTest, Uname) {
  utsname u = {};
  EXPECT_THAT(uname(&u), SucceedsWith(0));
  EXPECT_STREQ(u.sysname, "Linux");
  EXPECT_STREQ(u.machine, "x86_64");
  EXPECT_GT(strlen(u.release), 0u);
  EXPECT_EQ(ReadFile("/proc/sys/kernel/hostname"), std::string(u.nodename) + "\n");
  EXPECT_EQ(ReadFile("/proc/sys/kernel/osrelease"), std::string(u.release) + "\n");
  EXPECT_THAT(syscall(SYS_uname, 8), FailsWith(EFAULT));
}

TEST(SystemTest, Sysinfo) {
  struct sysinfo s = {};
  EXPECT_THAT(sysinfo(&s), SucceedsWith(0));
  EXPECT_GE(s.uptime, 0);
  EXPECT_GT(s.totalram, 0u);
  EXPECT_LE(s.freeram, s.totalram);
  EXPECT_GE(s.procs, 1);
  EXPECT_GE(s.mem_unit, 1u);
}

TEST(SystemTest, Getrandom) {
  unsigned char a[32] = {}, b[32] = {};
  EXPECT_THAT(getrandom(a, sizeof a, 0), SucceedsWith(32));
  EXPECT_THAT(getrandom(b, sizeof b, GRND_NONBLOCK), SucceedsWith(32));
  EXPECT_NE(memcmp(a, b, sizeof a), 0);
  EXPECT_THAT(getrandom(a, 0, 0), SucceedsWith(0));
  EXPECT_THAT(getrandom(a, 1, 0x100), FailsWith(EINVAL));
  EXPECT_THAT(getrandom(a, 1, GRND_RANDOM | GRND_INSECURE), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_getrandom, 8, 10, 0), FailsWith(EFAULT));
}

TEST(SystemTest, Getcpu) {
  unsigned cpu = 9999, node = 9999;
  EXPECT_THAT(syscall(SYS_getcpu, &cpu, &node, nullptr), SucceedsWith(0));
  EXPECT_LT(cpu, 4096u);
  EXPECT_THAT(syscall(SYS_getcpu, nullptr, nullptr, nullptr), SucceedsWith(0));
  EXPECT_GE(sched_getcpu(), 0);
}

TEST(SystemTest, Personality) {
  EXPECT_THAT(InChild([] {
                const int old = personality(0xffffffff);
                EXPECT_THAT(personality(ADDR_NO_RANDOMIZE), SucceedsWith(old));
                EXPECT_THAT(personality(0xffffffff), SucceedsWith(ADDR_NO_RANDOMIZE));
              }),
              ExitedWith(0));
}

TEST(SystemTest, Membarrier) {
  const long supported = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
  ASSERT_GE(supported, 0);
  EXPECT_THAT(syscall(SYS_membarrier, 1 << 30, 0, 0), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 99, 0), FailsWith(EINVAL));
  if (supported & MEMBARRIER_CMD_GLOBAL) {
    EXPECT_THAT(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0), SucceedsWith(0));
  }
}

TEST(SystemTest, MembarrierRegistration) {
  const long supported = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
  if ((supported & MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0) GTEST_SKIP() << "not offered";
  constexpr int kGetRegistrations = 1 << 9;
  EXPECT_THAT(InChild([&] {
                EXPECT_THAT(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0),
                            FailsWith(EPERM));
                EXPECT_THAT(
                    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0),
                    SucceedsWith(0));
                EXPECT_THAT(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0),
                            SucceedsWith(0));
                // With another thread there is something to do.
                Event done;
                ScopedThread thread([&] { done.Wait(); });
                EXPECT_THAT(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0),
                            SucceedsWith(0));
                done.Signal();
                thread.Join();
                if (supported & kGetRegistrations) {
                  EXPECT_THAT(syscall(SYS_membarrier, kGetRegistrations, 0, 0),
                              SucceedsWith(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED));
                }
                // Children have it, too.
                EXPECT_THAT(InChild([] {
                              EXPECT_THAT(
                                  syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0),
                                  SucceedsWith(0));
                            }),
                            ExitedWith(0));
                if (supported & MEMBARRIER_CMD_GLOBAL_EXPEDITED) {
                  EXPECT_THAT(
                      syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0),
                      SucceedsWith(0));
                  EXPECT_THAT(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0),
                              SucceedsWith(0));
                }
              }),
              ExitedWith(0));
}

TEST(SystemTest, MembarrierOrders) {
  // Store buffering: with a barrier on one side only, both may not miss the other's store.
  if ((syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) & MEMBARRIER_CMD_PRIVATE_EXPEDITED) ==
      0) {
    GTEST_SKIP() << "not offered";
  }
  EXPECT_THAT(InChild([] {
                ASSERT_THAT(
                    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0),
                    SucceedsWith(0));
                std::atomic<int> x = 0, y = 0, round = 0, seen = 0;
                constexpr int kRounds = 20;
                ScopedThread fast([&] {
                  for (int i = 1; i <= kRounds; ++i) {
                    while (round.load() < i) sched_yield();
                    x.store(1, std::memory_order_relaxed);
                    std::atomic_signal_fence(std::memory_order_seq_cst);
                    seen.store(y.load(std::memory_order_relaxed) * 2 + 4 * i);
                  }
                });
                for (int i = 1; i <= kRounds; ++i) {
                  x = y = 0;
                  round = i;
                  y.store(1, std::memory_order_relaxed);
                  syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
                  const int mine = x.load(std::memory_order_relaxed);
                  while (seen.load() / 4 < i) sched_yield();
                  EXPECT_TRUE(mine == 1 || (seen.load() & 2) != 0) << i;
                }
              }),
              ExitedWith(0));
}

TEST(SystemTest, UnknownCallsAreEnosys) {
  for (long nr : {-1L, 600L, 100000L, 0x7fffffffL, 214L, 174L}) {
    EXPECT_THAT(syscall(nr, 1, 2, 3), FailsWith(ENOSYS)) << nr;
  }
}

TEST(SystemTest, ProcessVmReadAndWrite) {
  static char text[] = "before";
  Event go;
  ScopedChild child([&] {
    go.Wait();
    EXPECT_STREQ(text, "after!");
  });
  char got[7] = {};
  iovec local = {got, 7}, remote = {text, 7};
  EXPECT_THAT(process_vm_readv(child.pid(), &local, 1, &remote, 1, 0), SucceedsWith(7));
  EXPECT_STREQ(got, "before");
  memcpy(got, "after!", 7);
  EXPECT_THAT(process_vm_writev(child.pid(), &local, 1, &remote, 1, 0), SucceedsWith(7));
  remote = {reinterpret_cast<void*>(8), 7};
  EXPECT_THAT(process_vm_readv(child.pid(), &local, 1, &remote, 1, 0), FailsWith(EFAULT));
  EXPECT_THAT(process_vm_readv(0x7ffffff0, &local, 1, &remote, 1, 0), FailsWith(ESRCH));
  EXPECT_THAT(process_vm_readv(child.pid(), &local, 1, &remote, 1, 1), FailsWith(EINVAL));
  go.Signal();
  EXPECT_THAT(child.Wait(), ExitedWith(0));
}

dev_t DeviceOf(const char* path) {
  struct stat st = {};
  EXPECT_THAT(stat(path, &st), SucceedsWith(0));
  EXPECT_TRUE(S_ISCHR(st.st_mode)) << path;
  return st.st_rdev;
}

// In a PID namespace of its own, so that the machine is never meant. The wait status of its init.
int RebootInside(long magic1, long magic2, long command, int* result) {
  Shared<int> error;
  const int status = InChild([&] {
    ASSERT_EQ(unshare(CLONE_NEWPID), 0);
    ScopedChild init([&] {
      if (getpid() != 1) _exit(2);
      const long r = syscall(SYS_reboot, magic1, magic2, command, 0);
      *error = r == 0 ? 0 : errno;
      _exit(3);
    });
    *result = init.Wait();
  });
  EXPECT_EQ(status, 0);
  return *error;
}

TEST(RebootTest, EndsTheNamespacesInit) {
  constexpr long kMagic = 0xfee1dead;
  const struct {
    long magic2, command;
    int sig;
  } kCases[] = {
      {672274793, RB_AUTOBOOT, SIGHUP},
      {85072278, RB_POWER_OFF, SIGINT},
      {369367448, static_cast<long>(RB_HALT_SYSTEM), SIGINT},
  };
  for (const auto& c : kCases) {
    Shared<int> status;
    EXPECT_EQ(RebootInside(kMagic, c.magic2, c.command, status.get()), 0);
    EXPECT_THAT(*status, KilledBy(c.sig));
  }
}

TEST(RebootTest, Errors) {
  Shared<int> status;
  EXPECT_EQ(RebootInside(1, 672274793, RB_AUTOBOOT, status.get()), EINVAL);
  EXPECT_EQ(RebootInside(0xfee1dead, 1, RB_AUTOBOOT, status.get()), EINVAL);
  // Ctrl-Alt-Del is the machine's.
  EXPECT_EQ(RebootInside(0xfee1dead, 672274793, RB_ENABLE_CAD, status.get()), EINVAL);
  EXPECT_EQ(RebootInside(0xfee1dead, 672274793, 12345, status.get()), EINVAL);
  EXPECT_THAT(*status, ExitedWith(3));
}

TEST(RebootTest, NeedsCapability) {
  EXPECT_EQ(InChild([] {
              ASSERT_EQ(unshare(CLONE_NEWPID), 0);
              EXPECT_EQ(InChild([] {
                          ASSERT_EQ(setresuid(1000, 1000, 1000), 0);
                          EXPECT_THAT(reboot(RB_AUTOBOOT), FailsWith(EPERM));
                          EXPECT_THAT(syscall(SYS_reboot, 1, 2, 3, 0), FailsWith(EPERM));
                        }),
                        0);
            }),
            0);
}

TEST(SystemTest, MovePagesIsNotInterrupted) {
  constexpr int kCount = 100000;
  char page[4096];
  std::vector<void*> pages(kCount, page);
  std::vector<int> status(kCount, -1);
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  sigaction(SIGALRM, &action, nullptr);
  page[0] = 1;
  itimerval often = {{0, 2000}, {0, 1000}};
  ASSERT_EQ(setitimer(ITIMER_REAL, &often, nullptr), 0);
  EXPECT_THAT(syscall(SYS_move_pages, 0, kCount, pages.data(), nullptr, status.data(), 0),
              SucceedsWith(0));
  often = {};
  ASSERT_EQ(setitimer(ITIMER_REAL, &often, nullptr), 0);
  EXPECT_EQ(status[kCount - 1], 0);
}

TEST(DeviceTest, Numbers) {
  EXPECT_EQ(DeviceOf("/dev/null"), makedev(1, 3));
  EXPECT_EQ(DeviceOf("/dev/zero"), makedev(1, 5));
  EXPECT_EQ(DeviceOf("/dev/full"), makedev(1, 7));
  EXPECT_EQ(DeviceOf("/dev/random"), makedev(1, 8));
  EXPECT_EQ(DeviceOf("/dev/urandom"), makedev(1, 9));
  EXPECT_EQ(DeviceOf("/dev/tty"), makedev(5, 0));
}

TEST(DeviceTest, Null) {
  Fd fd = Open("/dev/null", O_RDWR);
  char b[8] = {1};
  EXPECT_THAT(write(fd.get(), b, 8), SucceedsWith(8));
  EXPECT_THAT(read(fd.get(), b, 8), SucceedsWith(0));
  EXPECT_THAT(syscall(SYS_write, fd.get(), 8, 100), SucceedsWith(100));
  EXPECT_EQ(Poll(fd.get(), POLLIN | POLLOUT), POLLIN | POLLOUT);
  EXPECT_THAT(lseek(fd.get(), 100, SEEK_SET), SucceedsWith(0));
  EXPECT_THAT(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd.get(), 0), FailsWith(ENODEV));
  EXPECT_THAT(open("/dev/null", O_WRONLY | O_TRUNC | O_CREAT, 0644), Succeeds());
  EXPECT_THAT(ftruncate(fd.get(), 0), FailsWith(EINVAL));
}

TEST(DeviceTest, Zero) {
  Fd fd = Open("/dev/zero", O_RDWR);
  char b[8] = {1, 2, 3};
  EXPECT_THAT(read(fd.get(), b, 8), SucceedsWith(8));
  EXPECT_EQ(std::string(b, 8), std::string(8, '\0'));
  EXPECT_THAT(write(fd.get(), b, 8), SucceedsWith(8));
  char* p = static_cast<char*>(
      mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd.get(), 0));
  ASSERT_NE(p, MAP_FAILED);
  p[4096] = 'x';
  EXPECT_EQ(p[0], 0);
  munmap(p, 8192);
  p = static_cast<char*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0));
  ASSERT_NE(p, MAP_FAILED);
  EXPECT_THAT(InChild([&] { p[0] = 's'; }), ExitedWith(0));
  EXPECT_EQ(p[0], 's');
  munmap(p, 4096);
}

TEST(DeviceTest, Full) {
  Fd fd = Open("/dev/full", O_RDWR);
  char b[4] = {1};
  EXPECT_THAT(write(fd.get(), b, 4), FailsWith(ENOSPC));
  EXPECT_THAT(read(fd.get(), b, 4), SucceedsWith(4));
  EXPECT_EQ(b[0], 0);
}

TEST(DeviceTest, Random) {
  for (const char* path : {"/dev/random", "/dev/urandom"}) {
    Fd fd = Open(path, O_RDWR);
    EXPECT_NE(ReadExactly(fd.get(), 16), ReadExactly(fd.get(), 16));
    EXPECT_THAT(write(fd.get(), "seed", 4), SucceedsWith(4));
  }
}

TEST(DeviceTest, StandardLinks) {
  char b[64] = {};
  EXPECT_THAT(readlink("/dev/fd", b, sizeof b - 1), Succeeds());
  EXPECT_STREQ(b, "/proc/self/fd");
  memset(b, 0, sizeof b);
  EXPECT_THAT(readlink("/dev/stdin", b, sizeof b - 1), Succeeds());
  EXPECT_STREQ(b, "/proc/self/fd/0");
  EXPECT_THAT(access("/dev/ptmx", R_OK | W_OK), SucceedsWith(0));
  EXPECT_THAT(access("/dev/shm", R_OK | W_OK), SucceedsWith(0));
  // Without a terminal of its own a process cannot open /dev/tty.
  EXPECT_THAT(InChild([] {
                setsid();
                EXPECT_THAT(open("/dev/tty", O_RDWR), FailsWith(ENXIO));
              }),
              ExitedWith(0));
}

}  // namespace
}  // namespace cvisor::test
