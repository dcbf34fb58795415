// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// System V semaphores: semget(2), semop(2), semtimedop(2), semctl(2), SEM_UNDO, /proc/sysvipc/sem.
#include <linux/kcmp.h>
#include <sched.h>
#include <sys/sem.h>
#include <sys/syscall.h>

#include <sstream>

#include "test/syscalls/util/test_util.h"

#ifndef SEM_STAT_ANY
#define SEM_STAT_ANY 20
#endif

namespace cvisor::test {
namespace {

constexpr int kMaxValue = 32767;

union SemArg {
  int val;
  semid_ds* buf;
  unsigned short* array;
  seminfo* info;
};

key_t NewKey() {
  static int n = 0;
  return 0x20000000 + (getpid() << 8) + ++n;
}

class Set {
 public:
  explicit Set(int count, int flags = 0600 | IPC_CREAT, key_t key = IPC_PRIVATE)
      : id_(semget(key, count, flags)) {
    EXPECT_THAT(id_, Succeeds());
  }
  ~Set() { Remove(); }
  int id() const { return id_; }
  int Remove() {
    const int r = id_ >= 0 ? semctl(id_, 0, IPC_RMID) : 0;
    id_ = -1;
    return r;
  }
  int Get(int number = 0) { return semctl(id_, number, GETVAL); }
  int Put(int value, int number = 0) { return semctl(id_, number, SETVAL, SemArg{.val = value}); }
  int Op(std::vector<sembuf> ops) { return semop(id_, ops.data(), ops.size()); }
  int Waiting(int number = 0) { return semctl(id_, number, GETNCNT); }
  int WaitingForZero(int number = 0) { return semctl(id_, number, GETZCNT); }
  semid_ds Stat() {
    semid_ds ds = {};
    EXPECT_THAT(semctl(id_, 0, IPC_STAT, SemArg{.buf = &ds}), SucceedsWith(0));
    return ds;
  }

 private:
  int id_;
};

sembuf Op(int op, int flags = 0, int number = 0) {
  return {static_cast<unsigned short>(number), static_cast<short>(op), static_cast<short>(flags)};
}

TEST(SemgetTest, KeysCountsAndFlags) {
  const key_t key = NewKey();
  EXPECT_THAT(semget(key, 1, 0600), FailsWith(ENOENT));
  Set s(3, 0600 | IPC_CREAT, key);
  EXPECT_THAT(semget(key, 3, 0600), SucceedsWith(s.id()));
  EXPECT_THAT(semget(key, 0, 0), SucceedsWith(s.id()));
  EXPECT_THAT(semget(key, 4, 0600), FailsWith(EINVAL));
  EXPECT_THAT(semget(key, 3, IPC_CREAT | IPC_EXCL | 0600), FailsWith(EEXIST));
  EXPECT_THAT(semget(IPC_PRIVATE, 0, IPC_CREAT | 0600), FailsWith(EINVAL));
  EXPECT_THAT(semget(IPC_PRIVATE, -1, IPC_CREAT | 0600), FailsWith(EINVAL));
  EXPECT_THAT(semget(IPC_PRIVATE, 1000000, IPC_CREAT | 0600), FailsWith(EINVAL));
  const semid_ds ds = s.Stat();
  EXPECT_EQ(ds.sem_nsems, 3u);
  EXPECT_EQ(ds.sem_otime, 0);
  EXPECT_GT(ds.sem_ctime, 0);
  EXPECT_EQ(ds.sem_perm.__key, key);
  EXPECT_EQ(ds.sem_perm.mode, 0600);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(s.Get(i), 0);
}

TEST(SemctlTest, Values) {
  Set s(3);
  EXPECT_THAT(s.Put(5), SucceedsWith(0));
  EXPECT_THAT(s.Put(kMaxValue, 2), SucceedsWith(0));
  EXPECT_EQ(s.Get(0), 5);
  EXPECT_EQ(s.Get(2), kMaxValue);
  EXPECT_EQ(semctl(s.id(), 0, GETPID), getpid());
  EXPECT_EQ(semctl(s.id(), 1, GETPID), 0);
  EXPECT_THAT(s.Put(-1), FailsWith(ERANGE));
  EXPECT_THAT(s.Put(kMaxValue + 1), FailsWith(ERANGE));
  EXPECT_THAT(s.Put(1, 3), FailsWith(EINVAL));
  EXPECT_THAT(s.Put(1, -1), FailsWith(EINVAL));
  EXPECT_THAT(s.Get(3), FailsWith(EINVAL));
  EXPECT_THAT(semctl(s.id(), -1, GETPID), FailsWith(EINVAL));
  unsigned short all[3] = {1, 2, 3};
  EXPECT_THAT(semctl(s.id(), 0, SETALL, SemArg{.array = all}), SucceedsWith(0));
  unsigned short got[3] = {};
  EXPECT_THAT(semctl(s.id(), 0, GETALL, SemArg{.array = got}), SucceedsWith(0));
  EXPECT_THAT(got, testing::ElementsAre(1, 2, 3));
  all[1] = kMaxValue + 1;
  EXPECT_THAT(semctl(s.id(), 0, SETALL, SemArg{.array = all}), FailsWith(ERANGE));
  EXPECT_EQ(s.Get(0), 1);
  EXPECT_THAT(semctl(s.id(), 0, SETALL, SemArg{}), FailsWith(EFAULT));
  EXPECT_THAT(semctl(s.id(), 0, GETALL, SemArg{}), FailsWith(EFAULT));
  EXPECT_THAT(semctl(s.id(), 0, 999), FailsWith(EINVAL));
  EXPECT_THAT(semctl(-1, 0, GETVAL), FailsWith(EINVAL));
  EXPECT_THAT(semctl(s.id() + 32768 * 5, 0, GETVAL), FailsWith(EINVAL));
}

TEST(SemopTest, Errors) {
  Set s(2);
  sembuf op = Op(1);
  EXPECT_THAT(semop(s.id(), &op, 0), FailsWith(EINVAL));
  EXPECT_THAT(semop(-1, &op, 1), FailsWith(EINVAL));
  EXPECT_THAT(semop(s.id(), nullptr, 1), FailsWith(EFAULT));
  EXPECT_THAT(semop(s.id(), nullptr, 501), FailsWith(E2BIG));
  EXPECT_THAT(s.Op({Op(1, 0, 2)}), FailsWith(EFBIG));
  EXPECT_THAT(s.Op({Op(-1, IPC_NOWAIT)}), FailsWith(EAGAIN));
  EXPECT_THAT(s.Op({Op(kMaxValue), Op(1)}), FailsWith(ERANGE));
  EXPECT_EQ(s.Get(), 0);
  EXPECT_THAT(s.Op(std::vector<sembuf>(500, Op(1))), SucceedsWith(0));
  EXPECT_EQ(s.Get(), 500);
}

TEST(SemopTest, AllOrNothing) {
  Set s(2);
  EXPECT_THAT(s.Put(3), SucceedsWith(0));
  EXPECT_THAT(s.Op({Op(-3), Op(-1, IPC_NOWAIT, 1)}), FailsWith(EAGAIN));
  EXPECT_EQ(s.Get(), 3);
  // Operations on one semaphore follow each other.
  EXPECT_THAT(s.Op({Op(-3), Op(0), Op(2), Op(1, 0, 1)}), SucceedsWith(0));
  EXPECT_EQ(s.Get(0), 2);
  EXPECT_EQ(s.Get(1), 1);
  EXPECT_GT(s.Stat().sem_otime, 0);
  EXPECT_EQ(semctl(s.id(), 1, GETPID), getpid());
}

TEST(SemopTest, WaitsForAnIncrement) {
  Set s(1);
  pid_t pid;
  {
    ScopedChild child([&] { EXPECT_THAT(s.Op({Op(-2)}), SucceedsWith(0)); });
    pid = child.pid();
    ASSERT_TRUE(WaitUntil([&] { return s.Waiting() == 1; }));
    EXPECT_EQ(s.WaitingForZero(), 0);
    EXPECT_THAT(s.Op({Op(1)}), SucceedsWith(0));
    EXPECT_EQ(s.Waiting(), 1);  // not enough
    EXPECT_THAT(s.Op({Op(1)}), SucceedsWith(0));
    // The waiting call is carried out at once, not when its process runs.
    EXPECT_EQ(s.Get(), 0);
    EXPECT_EQ(s.Waiting(), 0);
    EXPECT_THAT(child.Wait(), ExitedWith(0));
  }
  EXPECT_EQ(semctl(s.id(), 0, GETPID), pid);
}

TEST(SemopTest, WaitsForZero) {
  Set s(1);
  EXPECT_THAT(s.Put(2), SucceedsWith(0));
  ScopedChild child([&] { EXPECT_THAT(s.Op({Op(0)}), SucceedsWith(0)); });
  ASSERT_TRUE(WaitUntil([&] { return s.WaitingForZero() == 1; }));
  EXPECT_EQ(s.Waiting(), 0);
  EXPECT_THAT(s.Op({Op(-2)}), SucceedsWith(0));
  EXPECT_THAT(child.Wait(), ExitedWith(0));
}

TEST(SemopTest, SetvalAndSetallWake) {
  Set s(1);
  ScopedChild first([&] { EXPECT_THAT(s.Op({Op(-5)}), SucceedsWith(0)); });
  ASSERT_TRUE(WaitUntil([&] { return s.Waiting() == 1; }));
  EXPECT_THAT(s.Put(7), SucceedsWith(0));
  EXPECT_EQ(s.Get(), 2);
  EXPECT_THAT(first.Wait(), ExitedWith(0));
  ScopedChild second([&] { EXPECT_THAT(s.Op({Op(0)}), SucceedsWith(0)); });
  ASSERT_TRUE(WaitUntil([&] { return s.WaitingForZero() == 1; }));
  unsigned short zero = 0;
  EXPECT_THAT(semctl(s.id(), 0, SETALL, SemArg{.array = &zero}), SucceedsWith(0));
  EXPECT_THAT(second.Wait(), ExitedWith(0));
}

TEST(SemopTest, InOrderOfArrival) {
  Set s(1);
  ScopedChild first([&] { EXPECT_THAT(s.Op({Op(-1)}), SucceedsWith(0)); });
  ASSERT_TRUE(WaitUntil([&] { return s.Waiting() == 1; }));
  ScopedChild second([&] { EXPECT_THAT(s.Op({Op(-1)}), SucceedsWith(0)); });
  ASSERT_TRUE(WaitUntil([&] { return s.Waiting() == 2; }));
  EXPECT_THAT(s.Op({Op(1)}), SucceedsWith(0));
  EXPECT_THAT(first.Wait(), ExitedWith(0));
  EXPECT_EQ(s.Waiting(), 1);
  EXPECT_THAT(s.Op({Op(1)}), SucceedsWith(0));
  EXPECT_THAT(second.Wait(), ExitedWith(0));
}

TEST(SemopTest, OneChangeLetsAChainGo) {
  // The first in the queue frees what the second needs.
  Set s(2);
  ScopedChild second([&] { EXPECT_THAT(s.Op({Op(-1, 0, 1)}), SucceedsWith(0)); });
  ASSERT_TRUE(WaitUntil([&] { return s.Waiting(1) == 1; }));
  ScopedChild first([&] { EXPECT_THAT(s.Op({Op(-1), Op(1, 0, 1)}), SucceedsWith(0)); });
  ASSERT_TRUE(WaitUntil([&] { return s.Waiting(0) == 1; }));
  EXPECT_THAT(s.Op({Op(1)}), SucceedsWith(0));
  EXPECT_THAT(first.Wait(), ExitedWith(0));
  EXPECT_THAT(second.Wait(), ExitedWith(0));
  EXPECT_EQ(s.Get(0), 0);
  EXPECT_EQ(s.Get(1), 0);
}

TEST(SemopTest, RemovalWakes) {
  Set s(1);
  const int id = s.id();
  ScopedChild child([&] { EXPECT_THAT(s.Op({Op(-1)}), FailsWith(EIDRM)); });
  ASSERT_TRUE(WaitUntil([&] { return s.Waiting() == 1; }));
  EXPECT_THAT(s.Remove(), SucceedsWith(0));
  EXPECT_THAT(child.Wait(), ExitedWith(0));
  sembuf op = Op(1);
  EXPECT_THAT(semop(id, &op, 1), FailsWith(EINVAL));
  EXPECT_THAT(semctl(id, 0, IPC_RMID), FailsWith(EINVAL));
}

TEST(SemopTest, SignalsInterruptAndNeverRestart) {
  Set s(1);
  ScopedChild child([&] {
    ScopedSigaction action(
        SIGUSR1, [](int) {}, SA_RESTART);
    EXPECT_THAT(s.Op({Op(-1)}), FailsWith(EINTR));
  });
  ASSERT_TRUE(WaitUntil([&] { return s.Waiting() == 1; }));
  EXPECT_THAT(kill(child.pid(), SIGUSR1), SucceedsWith(0));
  EXPECT_THAT(child.Wait(), ExitedWith(0));
  EXPECT_EQ(s.Waiting(), 0);
}

TEST(SemopTest, KilledWaitersLeaveTheQueue) {
  Set s(1);
  {
    ScopedChild child([&] { s.Op({Op(-1)}); });
    ASSERT_TRUE(WaitUntil([&] { return s.Waiting() == 1; }));
  }
  EXPECT_EQ(s.Waiting(), 0);
  EXPECT_THAT(s.Op({Op(1)}), SucceedsWith(0));
  EXPECT_EQ(s.Get(), 1);
}

TEST(SemtimedopTest, Timeouts) {
  Set s(1);
  sembuf op = Op(-1);
  timespec t = {0, 20000000};
  const int64_t start = NowNs();
  EXPECT_THAT(semtimedop(s.id(), &op, 1, &t), FailsWith(EAGAIN));
  EXPECT_GE(NowNs() - start, 20000000);
  EXPECT_EQ(s.Waiting(), 0);
  t = {0, 0};
  EXPECT_THAT(semtimedop(s.id(), &op, 1, &t), FailsWith(EAGAIN));
  t = {0, 1000000000};
  EXPECT_THAT(semtimedop(s.id(), &op, 1, &t), FailsWith(EINVAL));
  t = {-1, 0};
  EXPECT_THAT(semtimedop(s.id(), &op, 1, &t), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_semtimedop, s.id(), &op, 1, 1), FailsWith(EFAULT));
  EXPECT_THAT(s.Put(1), SucceedsWith(0));
  t = {kLongMs, 0};
  EXPECT_THAT(semtimedop(s.id(), &op, 1, &t), SucceedsWith(0));
  EXPECT_THAT(s.Put(1), SucceedsWith(0));
  EXPECT_THAT(semtimedop(s.id(), &op, 1, nullptr), SucceedsWith(0));
}

TEST(SemUndoTest, ExitTakesBack) {
  Set s(2);
  EXPECT_THAT(s.Put(5), SucceedsWith(0));
  pid_t pid = 0;
  {
    ScopedChild child([&] {
      EXPECT_THAT(s.Op({Op(-3, SEM_UNDO), Op(2, SEM_UNDO, 1)}), SucceedsWith(0));
      EXPECT_THAT(s.Op({Op(1, SEM_UNDO), Op(1, 0, 1)}), SucceedsWith(0));
      EXPECT_EQ(s.Get(0), 3);
      EXPECT_EQ(s.Get(1), 3);
    });
    pid = child.pid();
    EXPECT_THAT(child.Wait(), ExitedWith(0));
  }
  EXPECT_EQ(s.Get(0), 5);
  EXPECT_EQ(s.Get(1), 1);
  EXPECT_EQ(semctl(s.id(), 0, GETPID), pid);
}

TEST(SemUndoTest, DeathTakesBackAndWakes) {
  Set s(1);
  EXPECT_THAT(s.Put(1), SucceedsWith(0));
  Event locked;
  ScopedChild waiter(-1);
  {
    ScopedChild owner([&] {
      EXPECT_THAT(s.Op({Op(-1, SEM_UNDO)}), SucceedsWith(0));
      locked.Signal();
      pause();
    });
    locked.Wait();
    EXPECT_EQ(s.Get(), 0);
    const pid_t pid = Fork([&] { EXPECT_THAT(s.Op({Op(-1)}), SucceedsWith(0)); });
    ASSERT_TRUE(WaitUntil([&] { return s.Waiting() == 1; }));
    kill(owner.pid(), SIGKILL);
    EXPECT_THAT(Wait(pid), ExitedWith(0));
  }
  EXPECT_EQ(s.Get(), 0);
}

TEST(SemUndoTest, StaysWithinTheRange) {
  Set s(1);
  EXPECT_THAT(InChild([&] { EXPECT_THAT(s.Op({Op(5, SEM_UNDO)}), SucceedsWith(0)); }),
              ExitedWith(0));
  EXPECT_EQ(s.Get(), 0);
  // What was taken away meanwhile cannot be taken again.
  EXPECT_THAT(InChild([&] {
                EXPECT_THAT(s.Op({Op(5, SEM_UNDO)}), SucceedsWith(0));
                EXPECT_THAT(s.Op({Op(-4)}), SucceedsWith(0));
              }),
              ExitedWith(0));
  EXPECT_EQ(s.Get(), 0);
  EXPECT_THAT(InChild([&] {
                EXPECT_THAT(s.Put(10), SucceedsWith(0));
                EXPECT_THAT(s.Op({Op(-10, SEM_UNDO)}), SucceedsWith(0));
                EXPECT_THAT(s.Op({Op(kMaxValue)}), SucceedsWith(0));
              }),
              ExitedWith(0));
  EXPECT_EQ(s.Get(), kMaxValue);
}

TEST(SemUndoTest, AdjustmentsHaveARange) {
  Set s(1);
  EXPECT_THAT(InChild([&] {
                EXPECT_THAT(s.Op({Op(kMaxValue, SEM_UNDO)}), SucceedsWith(0));
                EXPECT_THAT(s.Op({Op(-kMaxValue)}), SucceedsWith(0));
                EXPECT_THAT(s.Op({Op(1, SEM_UNDO)}), SucceedsWith(0));
                EXPECT_THAT(s.Op({Op(1, SEM_UNDO)}), FailsWith(ERANGE));
                EXPECT_EQ(s.Get(), 1);
              }),
              ExitedWith(0));
}

TEST(SemUndoTest, SetvalAndSetallForget) {
  Set s(2);
  EXPECT_THAT(InChild([&] {
                EXPECT_THAT(s.Op({Op(4, SEM_UNDO), Op(4, SEM_UNDO, 1)}), SucceedsWith(0));
                EXPECT_THAT(s.Put(9, 0), SucceedsWith(0));
              }),
              ExitedWith(0));
  EXPECT_EQ(s.Get(0), 9);
  EXPECT_EQ(s.Get(1), 0);
  EXPECT_THAT(InChild([&] {
                EXPECT_THAT(s.Op({Op(4, SEM_UNDO), Op(4, SEM_UNDO, 1)}), SucceedsWith(0));
                unsigned short all[2] = {6, 7};
                EXPECT_THAT(semctl(s.id(), 0, SETALL, SemArg{.array = all}), SucceedsWith(0));
              }),
              ExitedWith(0));
  EXPECT_EQ(s.Get(0), 6);
  EXPECT_EQ(s.Get(1), 7);
}

TEST(SemUndoTest, ForkDoesNotInheritExecKeeps) {
  Set s(1);
  EXPECT_THAT(InChild([&] {
                EXPECT_THAT(s.Op({Op(3, SEM_UNDO)}), SucceedsWith(0));
                EXPECT_THAT(InChild([] {}), ExitedWith(0));
                EXPECT_EQ(s.Get(), 3);  // the grandchild's end undid nothing
                ExitIfFailed();
                execl("/bin/true", "true", nullptr);
              }),
              ExitedWith(0));
  EXPECT_EQ(s.Get(), 0);
}

TEST(SemUndoTest, ThreadsShare) {
  Set s(1);
  EXPECT_THAT(InChild([&] {
                ScopedThread thread([&] { EXPECT_THAT(s.Op({Op(3, SEM_UNDO)}), SucceedsWith(0)); });
                const pid_t tid = thread.tid();
                thread.Join();
                EXPECT_TRUE(WaitUntil([&] { return ThreadState(tid) == 0; }));
                EXPECT_EQ(s.Get(), 3);  // the end of one thread undoes nothing
              }),
              ExitedWith(0));
  EXPECT_EQ(s.Get(), 0);
}

TEST(SemUndoTest, UnshareUndoesAtOnce) {
  Set s(1);
  EXPECT_THAT(InChild([&] {
                EXPECT_THAT(s.Op({Op(3, SEM_UNDO)}), SucceedsWith(0));
                EXPECT_THAT(unshare(CLONE_SYSVSEM), SucceedsWith(0));
                EXPECT_EQ(s.Get(), 0);
              }),
              ExitedWith(0));
}

TEST(SemUndoTest, RemovedSetsAreForgotten) {
  EXPECT_THAT(InChild([&] {
                for (int i = 0; i < 100; ++i) {
                  Set s(1);
                  EXPECT_THAT(s.Op({Op(1, SEM_UNDO)}), SucceedsWith(0));
                }
              }),
              ExitedWith(0));
}

TEST(SemctlTest, PermissionsOfOthers) {
  Set s(1, 0640 | IPC_CREAT), readable(1, 0604 | IPC_CREAT);
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                EXPECT_THAT(s.Get(), FailsWith(EACCES));
                EXPECT_THAT(s.Put(1), FailsWith(EACCES));
                EXPECT_THAT(s.Op({Op(1)}), FailsWith(EACCES));
                semid_ds ds = {};
                EXPECT_THAT(semctl(s.id(), 0, IPC_STAT, SemArg{.buf = &ds}), FailsWith(EACCES));
                EXPECT_THAT(semctl(s.id(), 0, IPC_SET, SemArg{.buf = &ds}), FailsWith(EPERM));
                EXPECT_THAT(semctl(s.id(), 0, IPC_RMID), FailsWith(EPERM));
                EXPECT_EQ(readable.Get(), 0);
                EXPECT_THAT(readable.Op({Op(0)}), SucceedsWith(0));
                EXPECT_THAT(readable.Op({Op(1)}), FailsWith(EACCES));
              }),
              ExitedWith(0));
}

TEST(SemctlTest, Set) {
  Set s(1);
  semid_ds ds = s.Stat();
  ds.sem_perm.uid = kNobody;
  ds.sem_perm.mode = 0400;
  EXPECT_THAT(semctl(s.id(), 0, IPC_SET, SemArg{.buf = &ds}), SucceedsWith(0));
  EXPECT_EQ(s.Stat().sem_perm.uid, kNobody);
  EXPECT_EQ(s.Stat().sem_perm.mode, 0400);
  EXPECT_THAT(semctl(s.id(), 0, IPC_SET, SemArg{}), FailsWith(EFAULT));
}

TEST(SemctlTest, InfoAndIndices) {
  Set s(7);
  struct seminfo info = {};
  const int max = semctl(0, 0, IPC_INFO, SemArg{.info = &info});
  EXPECT_GE(max, 0);
  EXPECT_EQ(info.semvmx, kMaxValue);
  EXPECT_EQ(info.semaem, kMaxValue);
  EXPECT_EQ(info.semusz, 20);
  std::istringstream limits(ReadFile("/proc/sys/kernel/sem"));
  int msl, mns, opm, mni;
  limits >> msl >> mns >> opm >> mni;
  EXPECT_EQ(info.semmsl, msl);
  EXPECT_EQ(info.semmns, mns);
  EXPECT_EQ(info.semopm, opm);
  EXPECT_EQ(info.semmni, mni);
  struct seminfo usage = {};
  EXPECT_THAT(semctl(0, 0, SEM_INFO, SemArg{.info = &usage}), Succeeds());
  EXPECT_GE(usage.semusz, 1);
  EXPECT_GE(usage.semaem, 7);
  bool found = false;
  for (int i = 0; i <= max; ++i) {
    semid_ds ds = {};
    if (semctl(i, 0, SEM_STAT, SemArg{.buf = &ds}) != s.id()) continue;
    found = true;
    EXPECT_EQ(ds.sem_nsems, 7u);
    EXPECT_THAT(semctl(i, 0, SEM_STAT_ANY, SemArg{.buf = &ds}), SucceedsWith(s.id()));
  }
  EXPECT_TRUE(found);
}

TEST(SemProcTest, ListsTheSet) {
  const key_t key = NewKey();
  Set s(4, 0640 | IPC_CREAT, key);
  std::istringstream text(ReadFile("/proc/sysvipc/sem"));
  std::string line;
  ASSERT_TRUE(std::getline(text, line));
  EXPECT_EQ(line,
            "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime");
  bool found = false;
  while (std::getline(text, line)) {
    std::istringstream fields(line);
    long row_key, id, count;
    std::string mode;
    fields >> row_key >> id >> mode >> count;
    if (id != s.id()) continue;
    found = true;
    EXPECT_EQ(row_key, key);
    EXPECT_EQ(mode, "640");
    EXPECT_EQ(count, 4);
  }
  EXPECT_TRUE(found);
}

TEST(KcmpTest, UndoLists) {
  EXPECT_THAT(InChild([] {
                Set s(1);
                EXPECT_THAT(s.Op({Op(1, SEM_UNDO)}), SucceedsWith(0));
                ScopedThread thread([] {
                  EXPECT_THAT(syscall(SYS_kcmp, getpid(), gettid(), KCMP_SYSVSEM, 0, 0),
                              SucceedsWith(0));
                });
              }),
              ExitedWith(0));
}

TEST(SemStressTest, AMutexBetweenProcesses) {
  Set s(1);
  EXPECT_THAT(s.Put(1), SucceedsWith(0));
  Shared<int> counter;
  constexpr int kProcesses = 4, kRounds = 200;
  std::vector<pid_t> pids;
  for (int i = 0; i < kProcesses; ++i) {
    pids.push_back(Fork([&] {
      for (int n = 0; n < kRounds; ++n) {
        EXPECT_THAT(s.Op({Op(-1, SEM_UNDO)}), SucceedsWith(0));
        const int value = *const_cast<volatile int*>(counter.get());
        if (n % 16 == 0) sched_yield();
        *counter = value + 1;
        EXPECT_THAT(s.Op({Op(1, SEM_UNDO)}), SucceedsWith(0));
      }
    }));
  }
  for (const pid_t pid : pids) EXPECT_THAT(Wait(pid), ExitedWith(0));
  EXPECT_EQ(*counter, kProcesses * kRounds);
  EXPECT_EQ(s.Get(), 1);
}

}  // namespace
}  // namespace cvisor::test
