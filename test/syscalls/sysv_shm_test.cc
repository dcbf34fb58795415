// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// System V shared memory: shmget(2), shmat(2), shmdt(2), shmctl(2), /proc/sysvipc/shm.
#include <linux/capability.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include <cstring>
#include <sstream>

#include "test/syscalls/util/test_util.h"

#ifndef SHM_STAT_ANY
#define SHM_STAT_ANY 15
#endif

namespace cvisor::test {
namespace {

constexpr size_t kPage = 4096;

// A segment that goes with the test.
class Segment {
 public:
  explicit Segment(size_t size, int flags = 0600 | IPC_CREAT, key_t key = IPC_PRIVATE)
      : id_(shmget(key, size, flags)) {
    EXPECT_THAT(id_, Succeeds());
  }
  ~Segment() { Remove(); }
  int id() const { return id_; }
  void Remove() {
    if (id_ >= 0) shmctl(id_, IPC_RMID, nullptr);
    id_ = -1;
  }

 private:
  int id_;
};

key_t NewKey() {
  static int n = 0;
  return 0x10000000 + (getpid() << 8) + ++n;
}

shmid_ds StatOf(int id) {
  shmid_ds ds = {};
  EXPECT_THAT(shmctl(id, IPC_STAT, &ds), SucceedsWith(0));
  return ds;
}

char* Attach(int id, int flags = 0, void* addr = nullptr) {
  void* p = shmat(id, addr, flags);
  EXPECT_THAT(p, Succeeds());
  return static_cast<char*>(p);
}

bool IsMapped(void* p) {
  unsigned char vec;
  return mincore(p, kPage, &vec) == 0;
}

TEST(ShmgetTest, KeysAndFlags) {
  const key_t key = NewKey();
  EXPECT_THAT(shmget(key, kPage, 0600), FailsWith(ENOENT));
  Segment s(2 * kPage, 0640 | IPC_CREAT, key);
  EXPECT_THAT(shmget(key, 2 * kPage, 0600), SucceedsWith(s.id()));
  EXPECT_THAT(shmget(key, 0, 0), SucceedsWith(s.id()));
  EXPECT_THAT(shmget(key, 2 * kPage, IPC_CREAT | 0600), SucceedsWith(s.id()));
  EXPECT_THAT(shmget(key, 2 * kPage, IPC_EXCL | 0600), SucceedsWith(s.id()));
  EXPECT_THAT(shmget(key, 2 * kPage, IPC_CREAT | IPC_EXCL | 0600), FailsWith(EEXIST));
  EXPECT_THAT(shmget(key, 2 * kPage + 1, 0600), FailsWith(EINVAL));
  Segment private1(1), private2(1);
  EXPECT_NE(private1.id(), private2.id());
}

TEST(ShmgetTest, Sizes) {
  EXPECT_THAT(shmget(IPC_PRIVATE, 0, IPC_CREAT | 0600), FailsWith(EINVAL));
  EXPECT_THAT(shmget(IPC_PRIVATE, SIZE_MAX, IPC_CREAT | 0600), FailsWith(EINVAL));
  Segment s(kPage + 1);
  EXPECT_EQ(StatOf(s.id()).shm_segsz, kPage + 1);
  char* p = Attach(s.id());
  p[2 * kPage - 1] = 1;  // whole pages
  EXPECT_THAT(shmdt(p), SucceedsWith(0));
}

TEST(ShmctlTest, StatOfANewSegment) {
  const key_t key = NewKey();
  const time_t before = time(nullptr);
  Segment s(100, 0640 | IPC_CREAT, key);
  const shmid_ds ds = StatOf(s.id());
  EXPECT_EQ(ds.shm_perm.__key, key);
  EXPECT_EQ(ds.shm_perm.uid, geteuid());
  EXPECT_EQ(ds.shm_perm.cuid, geteuid());
  EXPECT_EQ(ds.shm_perm.gid, getegid());
  EXPECT_EQ(ds.shm_perm.mode, 0640);
  EXPECT_EQ(ds.shm_perm.__seq, s.id() / 32768);
  EXPECT_EQ(ds.shm_segsz, 100u);
  EXPECT_EQ(ds.shm_cpid, getpid());
  EXPECT_EQ(ds.shm_lpid, 0);
  EXPECT_EQ(ds.shm_nattch, 0u);
  EXPECT_EQ(ds.shm_atime, 0);
  EXPECT_EQ(ds.shm_dtime, 0);
  EXPECT_GE(ds.shm_ctime, before - 1);
}

TEST(ShmatTest, SharesMemoryAndCounts) {
  Segment s(kPage);
  char* p = Attach(s.id());
  char* q = Attach(s.id());
  ASSERT_NE(p, q);
  strcpy(p, "hello");
  EXPECT_STREQ(q, "hello");
  shmid_ds ds = StatOf(s.id());
  EXPECT_EQ(ds.shm_nattch, 2u);
  EXPECT_EQ(ds.shm_lpid, getpid());
  EXPECT_GT(ds.shm_atime, 0);
  EXPECT_EQ(ds.shm_dtime, 0);
  EXPECT_THAT(shmdt(p), SucceedsWith(0));
  EXPECT_FALSE(IsMapped(p));
  EXPECT_THAT(shmdt(p), FailsWith(EINVAL));
  EXPECT_STREQ(q, "hello");
  ds = StatOf(s.id());
  EXPECT_EQ(ds.shm_nattch, 1u);
  EXPECT_GT(ds.shm_dtime, 0);
  EXPECT_THAT(shmdt(q), SucceedsWith(0));
  // What was written stays.
  p = Attach(s.id());
  EXPECT_STREQ(p, "hello");
  EXPECT_THAT(shmdt(p), SucceedsWith(0));
}

TEST(ShmatTest, Errors) {
  Segment s(kPage);
  EXPECT_THAT(shmat(-1, nullptr, 0), FailsWith(EINVAL));
  EXPECT_THAT(shmat(s.id() + 32768 * 7, nullptr, 0), FailsWith(EINVAL));
  EXPECT_THAT(shmat(s.id(), nullptr, SHM_REMAP), FailsWith(EINVAL));
  EXPECT_THAT(shmat(s.id(), reinterpret_cast<void*>(0x10001), 0), FailsWith(EINVAL));
  EXPECT_THAT(shmat(s.id(), reinterpret_cast<void*>(0xff), SHM_RND | SHM_REMAP), FailsWith(EINVAL));
  EXPECT_EQ(StatOf(s.id()).shm_nattch, 0u);
  const int id = s.id();
  s.Remove();
  EXPECT_THAT(shmat(id, nullptr, 0), FailsWith(EINVAL));
  EXPECT_THAT(shmctl(id, IPC_RMID, nullptr), FailsWith(EINVAL));
}

TEST(ShmatTest, Addresses) {
  Segment s(2 * kPage);
  char* area = static_cast<char*>(
      mmap(nullptr, 8 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_THAT(area, Succeeds());
  // Only over free space, or with SHM_REMAP.
  EXPECT_THAT(shmat(s.id(), area + kPage, 0), FailsWith(EINVAL));
  char* p = Attach(s.id(), SHM_REMAP, area + kPage);
  EXPECT_EQ(p, area + kPage);
  area[0] = area[3 * kPage] = 1;
  EXPECT_THAT(shmdt(p), SucceedsWith(0));
  EXPECT_FALSE(IsMapped(area + kPage));
  // Rounded down to a page.
  p = Attach(s.id(), SHM_RND, area + kPage + 123);
  EXPECT_EQ(p, area + kPage);
  EXPECT_THAT(shmdt(p + 1), FailsWith(EINVAL));
  EXPECT_THAT(shmdt(p + kPage), FailsWith(EINVAL));
  EXPECT_THAT(shmdt(p), SucceedsWith(0));
  EXPECT_THAT(shmdt(area), FailsWith(EINVAL));  // not shared memory
  EXPECT_THAT(munmap(area, 8 * kPage), SucceedsWith(0));
}

TEST(ShmatTest, ReadOnlyStaysReadOnly) {
  Segment s(kPage);
  char* p = Attach(s.id(), SHM_RDONLY);
  EXPECT_EQ(p[0], 0);
  EXPECT_THAT(mprotect(p, kPage, PROT_READ | PROT_WRITE), FailsWith(EACCES));
  EXPECT_THAT(InChild([&] { *const_cast<volatile char*>(p) = 1; }), KilledBy(SIGSEGV));
  EXPECT_THAT(shmdt(p), SucceedsWith(0));
}

TEST(ShmatTest, ExecutableCode) {
  Segment s(kPage, 0700 | IPC_CREAT);
  char* p = Attach(s.id(), SHM_EXEC);
  memcpy(p, "\xb8\x2a\x00\x00\x00\xc3", 6);  // mov $42, %eax; ret
  EXPECT_EQ(reinterpret_cast<int (*)()>(p)(), 42);
  EXPECT_THAT(shmdt(p), SucceedsWith(0));
}

TEST(ShmatTest, DetachOfPieces) {
  Segment s(4 * kPage);
  char* p = Attach(s.id());
  EXPECT_THAT(munmap(p, kPage), SucceedsWith(0));
  EXPECT_THAT(munmap(p + 2 * kPage, kPage), SucceedsWith(0));
  // The rest is still the attachment that was made at p.
  EXPECT_THAT(shmdt(p), SucceedsWith(0));
  EXPECT_FALSE(IsMapped(p + kPage));
  EXPECT_FALSE(IsMapped(p + 3 * kPage));
  EXPECT_EQ(StatOf(s.id()).shm_nattch, 0u);
  p = Attach(s.id());
  EXPECT_THAT(munmap(p, 4 * kPage), SucceedsWith(0));
  EXPECT_EQ(StatOf(s.id()).shm_nattch, 0u);
}

TEST(ShmatTest, EachPieceCounts) {
  Segment s(5 * kPage);
  const auto attached = [&] { return StatOf(s.id()).shm_nattch; };
  char* p = Attach(s.id());
  EXPECT_EQ(attached(), 1u);
  EXPECT_THAT(munmap(p + kPage, kPage), SucceedsWith(0));
  EXPECT_EQ(attached(), 2u);
  // Other permissions make two more of the longer piece. Such pieces never join again.
  EXPECT_THAT(mprotect(p + 3 * kPage, kPage, PROT_READ), SucceedsWith(0));
  EXPECT_EQ(attached(), 4u);
  EXPECT_THAT(InChild([&] { EXPECT_EQ(attached(), 8u); }), ExitedWith(0));
  EXPECT_TRUE(WaitUntil([&] { return attached() == 4; }));
  EXPECT_THAT(mprotect(p + 3 * kPage, kPage, PROT_READ | PROT_WRITE), SucceedsWith(0));
  EXPECT_EQ(attached(), 4u);
  EXPECT_THAT(munmap(p, kPage), SucceedsWith(0));
  EXPECT_EQ(attached(), 3u);
  EXPECT_THAT(munmap(p + 3 * kPage, 2 * kPage), SucceedsWith(0));
  EXPECT_EQ(attached(), 1u);
  EXPECT_THAT(shmdt(p), SucceedsWith(0));
  EXPECT_EQ(attached(), 0u);
}

TEST(ShmForkTest, ChildrenAreAttached) {
  Segment s(kPage);
  char* p = Attach(s.id());
  Event go, attached;
  ScopedChild child([&] {
    p[1] = 'c';
    attached.Signal();
    go.Wait();
  });
  attached.Wait();
  EXPECT_EQ(StatOf(s.id()).shm_nattch, 2u);
  EXPECT_EQ(p[1], 'c');
  go.Signal();
  EXPECT_THAT(child.Wait(), ExitedWith(0));
  const shmid_ds ds = StatOf(s.id());
  EXPECT_EQ(ds.shm_nattch, 1u);
  EXPECT_EQ(ds.shm_lpid, child.pid() == -1 ? ds.shm_lpid : child.pid());
  EXPECT_GT(ds.shm_dtime, 0);
  EXPECT_THAT(shmdt(p), SucceedsWith(0));
}

TEST(ShmForkTest, KilledChildrenDetach) {
  Segment s(kPage);
  Event attached;
  pid_t pid;
  {
    ScopedChild child([&] {
      Attach(s.id());
      attached.Signal();
      pause();
    });
    pid = child.pid();
    attached.Wait();
    EXPECT_EQ(StatOf(s.id()).shm_nattch, 1u);
  }
  const shmid_ds ds = StatOf(s.id());
  EXPECT_EQ(ds.shm_nattch, 0u);
  EXPECT_EQ(ds.shm_lpid, pid);
}

TEST(ShmForkTest, ExecDetaches) {
  Segment s(kPage);
  EXPECT_THAT(InChild([&] {
                Attach(s.id());
                execl("/bin/true", "true", nullptr);
              }),
              ExitedWith(0));
  EXPECT_EQ(StatOf(s.id()).shm_nattch, 0u);
}

TEST(ShmForkTest, VforkAndThreadsShareTheAttachment) {
  Segment s(kPage);
  char* p = Attach(s.id());
  ScopedThread thread([&] { EXPECT_EQ(StatOf(s.id()).shm_nattch, 1u); });
  thread.Join();
  EXPECT_EQ(StatOf(s.id()).shm_nattch, 1u);
  EXPECT_THAT(shmdt(p), SucceedsWith(0));
}

TEST(ShmctlTest, RemovedSegmentsLiveUntilTheLastDetach) {
  const key_t key = NewKey();
  Segment s(kPage, 0600 | IPC_CREAT, key);
  const int id = s.id();
  char* p = Attach(id);
  p[0] = 7;
  EXPECT_THAT(shmctl(id, IPC_RMID, nullptr), SucceedsWith(0));
  const shmid_ds ds = StatOf(id);
  EXPECT_EQ(ds.shm_perm.mode & SHM_DEST, SHM_DEST);
  EXPECT_EQ(ds.shm_perm.__key, IPC_PRIVATE);
  EXPECT_THAT(shmget(key, kPage, 0600), FailsWith(ENOENT));
  // By its number it can still be attached.
  char* q = Attach(id);
  EXPECT_EQ(q[0], 7);
  EXPECT_THAT(shmctl(id, IPC_RMID, nullptr), SucceedsWith(0));
  EXPECT_THAT(shmdt(q), SucceedsWith(0));
  EXPECT_THAT(shmdt(p), SucceedsWith(0));
  shmid_ds gone;
  EXPECT_THAT(shmctl(id, IPC_STAT, &gone), FailsWith(EINVAL));
}

TEST(ShmctlTest, Set) {
  Segment s(kPage);
  shmid_ds ds = StatOf(s.id());
  ds.shm_perm.mode = 0444 | 07000;
  ds.shm_perm.uid = kNobody;
  ds.shm_perm.gid = kNobody;
  EXPECT_THAT(shmctl(s.id(), IPC_SET, &ds), SucceedsWith(0));
  const shmid_ds now = StatOf(s.id());
  EXPECT_EQ(now.shm_perm.mode, 0444);
  EXPECT_EQ(now.shm_perm.uid, kNobody);
  EXPECT_EQ(now.shm_perm.cuid, geteuid());
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                // Its owner may change and remove it; the mode lets it read only.
                EXPECT_THAT(shmat(s.id(), nullptr, 0), FailsWith(EACCES));
                char* p = Attach(s.id(), SHM_RDONLY);
                EXPECT_THAT(shmdt(p), SucceedsWith(0));
                shmid_ds mine = StatOf(s.id());
                mine.shm_perm.mode = 0600;
                EXPECT_THAT(shmctl(s.id(), IPC_SET, &mine), SucceedsWith(0));
              }),
              ExitedWith(0));
  EXPECT_THAT(shmctl(s.id(), IPC_SET, nullptr), FailsWith(EFAULT));
  ds.shm_perm.uid = -1;
  EXPECT_THAT(shmctl(s.id(), IPC_SET, &ds), FailsWith(EINVAL));
}

TEST(ShmctlTest, PermissionsOfOthers) {
  const key_t key = NewKey();
  Segment s(kPage, 0640 | IPC_CREAT, key);
  Segment readable(kPage, 0604 | IPC_CREAT);
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                EXPECT_THAT(shmget(key, kPage, 0400), FailsWith(EACCES));
                EXPECT_THAT(shmget(key, kPage, 0), SucceedsWith(s.id()));
                EXPECT_THAT(shmat(s.id(), nullptr, SHM_RDONLY), FailsWith(EACCES));
                shmid_ds ds = {};
                EXPECT_THAT(shmctl(s.id(), IPC_STAT, &ds), FailsWith(EACCES));
                EXPECT_THAT(shmctl(s.id(), IPC_SET, &ds), FailsWith(EPERM));
                EXPECT_THAT(shmctl(s.id(), IPC_RMID, nullptr), FailsWith(EPERM));
                EXPECT_THAT(shmctl(s.id(), SHM_LOCK, nullptr), FailsWith(EPERM));
                EXPECT_THAT(shmat(readable.id(), nullptr, 0), FailsWith(EACCES));
                EXPECT_THAT(shmat(readable.id(), nullptr, SHM_RDONLY | SHM_EXEC),
                            FailsWith(EACCES));
                EXPECT_THAT(shmdt(Attach(readable.id(), SHM_RDONLY)), SucceedsWith(0));
              }),
              ExitedWith(0));
  // CAP_IPC_OWNER is what lets root in.
  EXPECT_THAT(InChild([&] {
                Segment none(kPage, 0 | IPC_CREAT);
                EXPECT_THAT(shmdt(Attach(none.id())), SucceedsWith(0));
                DropCapability(CAP_IPC_OWNER);
                EXPECT_THAT(shmat(none.id(), nullptr, SHM_RDONLY), FailsWith(EACCES));
              }),
              ExitedWith(0));
}

TEST(ShmctlTest, LockIsAMark) {
  Segment s(kPage);
  EXPECT_THAT(shmctl(s.id(), SHM_LOCK, nullptr), SucceedsWith(0));
  EXPECT_EQ(StatOf(s.id()).shm_perm.mode & SHM_LOCKED, SHM_LOCKED);
  EXPECT_THAT(shmctl(s.id(), SHM_UNLOCK, nullptr), SucceedsWith(0));
  EXPECT_EQ(StatOf(s.id()).shm_perm.mode & SHM_LOCKED, 0);
}

TEST(ShmctlTest, InfoAndIndices) {
  Segment s(3 * kPage);
  struct shminfo info = {};
  const int max = shmctl(0, IPC_INFO, reinterpret_cast<shmid_ds*>(&info));
  EXPECT_GE(max, 0);
  EXPECT_EQ(info.shmmin, 1u);
  EXPECT_EQ(info.shmmni, std::stoul(ReadFile("/proc/sys/kernel/shmmni")));
  EXPECT_EQ(info.shmmax, std::stoul(ReadFile("/proc/sys/kernel/shmmax")));
  EXPECT_EQ(info.shmall, std::stoul(ReadFile("/proc/sys/kernel/shmall")));
  struct shm_info usage = {};
  EXPECT_THAT(shmctl(0, SHM_INFO, reinterpret_cast<shmid_ds*>(&usage)), Succeeds());
  EXPECT_GE(usage.used_ids, 1);
  EXPECT_GE(usage.shm_tot, 3u);
  bool found = false;
  for (int i = 0; i <= max; ++i) {
    shmid_ds ds = {};
    if (shmctl(i, SHM_STAT, &ds) != s.id()) continue;
    found = true;
    EXPECT_EQ(ds.shm_segsz, 3 * kPage);
    EXPECT_THAT(shmctl(i, SHM_STAT_ANY, &ds), SucceedsWith(s.id()));
  }
  EXPECT_TRUE(found);
  shmid_ds ds;
  EXPECT_THAT(shmctl(max + 1, SHM_STAT, &ds), FailsWith(EINVAL));
  EXPECT_THAT(shmctl(-1, IPC_STAT, &ds), FailsWith(EINVAL));
  EXPECT_THAT(shmctl(s.id(), 99, &ds), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_shmctl, s.id(), IPC_STAT, 1), FailsWith(EFAULT));
}

TEST(ShmProcTest, ListsTheSegment) {
  const key_t key = NewKey();
  Segment s(5 * kPage, 0640 | IPC_CREAT, key);
  char* p = Attach(s.id());
  std::istringstream text(ReadFile("/proc/sysvipc/shm"));
  std::string line;
  ASSERT_TRUE(std::getline(text, line));
  EXPECT_EQ(
      line,
      "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid "
      " cgid      atime      dtime      ctime                   rss                  swap");
  bool found = false;
  while (std::getline(text, line)) {
    std::istringstream fields(line);
    long row_key, id, cpid, lpid, attached;
    size_t size;
    std::string mode;
    fields >> row_key >> id >> mode >> size >> cpid >> lpid >> attached;
    if (id != s.id()) continue;
    found = true;
    EXPECT_EQ(row_key, key);
    EXPECT_EQ(mode, "640");
    EXPECT_EQ(size, 5 * kPage);
    EXPECT_EQ(cpid, getpid());
    EXPECT_EQ(attached, 1);
    EXPECT_EQ(line.size(), 169u) << line;
  }
  EXPECT_TRUE(found);
  EXPECT_THAT(shmdt(p), SucceedsWith(0));
}

TEST(ShmProcTest, MapsNamesTheSegment) {
  const key_t key = NewKey();
  Segment s(kPage, 0600 | IPC_CREAT, key);
  char* p = Attach(s.id());
  char name[32];
  snprintf(name, sizeof(name), "/SYSV%08x (deleted)", key);
  EXPECT_THAT(ReadFile("/proc/self/maps"), testing::HasSubstr(name));
  EXPECT_THAT(shmdt(p), SucceedsWith(0));
}

TEST(ShmNamespaceTest, AnotherNamespaceSeesOthers) {
  const key_t key = NewKey();
  Segment s(kPage, 0600 | IPC_CREAT, key);
  char* p = Attach(s.id());
  p[0] = 3;
  EXPECT_THAT(InChild([&] {
                ASSERT_THAT(unshare(CLONE_NEWIPC), SucceedsWith(0));
                EXPECT_THAT(shmget(key, kPage, 0600), FailsWith(ENOENT));
                EXPECT_EQ(p[0], 3);  // what is mapped stays
                Segment mine(kPage, 0600 | IPC_CREAT, key);
                EXPECT_EQ(Attach(mine.id())[0], 0);
                EXPECT_THAT(shmdt(p), SucceedsWith(0));
              }),
              ExitedWith(0));
  EXPECT_EQ(StatOf(s.id()).shm_nattch, 1u);
  EXPECT_THAT(shmdt(p), SucceedsWith(0));
}

TEST(ShmNamespaceTest, LimitsCanBeSet) {
  EXPECT_THAT(InChild([&] {
                ASSERT_THAT(unshare(CLONE_NEWIPC), SucceedsWith(0));
                Fd fd(open("/proc/sys/kernel/shmmax", O_RDWR));
                if (fd.get() < 0) return;  // mounted read-only
                ASSERT_TRUE(WriteAll(fd.get(), "8192\n"));
                EXPECT_EQ(ReadFile("/proc/sys/kernel/shmmax"), "8192\n");
                EXPECT_THAT(shmget(IPC_PRIVATE, 8193, IPC_CREAT | 0600), FailsWith(EINVAL));
                Segment s(8192);
                Fd all(open("/proc/sys/kernel/shmall", O_RDWR));
                ASSERT_TRUE(WriteAll(all.get(), "3"));
                Segment last(1);
                EXPECT_THAT(shmget(IPC_PRIVATE, 1, IPC_CREAT | 0600), FailsWith(ENOSPC));
                last.Remove();
                Fd ids(open("/proc/sys/kernel/shmmni", O_RDWR));
                ASSERT_TRUE(WriteAll(ids.get(), "1"));
                EXPECT_THAT(shmget(IPC_PRIVATE, 1, IPC_CREAT | 0600), FailsWith(ENOSPC));
                EXPECT_THAT(pwrite(ids.get(), "32769", 5, 0), FailsWith(EINVAL));
                EXPECT_THAT(pwrite(ids.get(), "x", 1, 0), FailsWith(EINVAL));
              }),
              ExitedWith(0));
}

TEST(ShmTest, NumbersAreNotUsedAgainSoon) {
  int last = -1;
  for (int i = 0; i < 100; ++i) {
    Segment s(1);
    EXPECT_NE(s.id(), last);
    last = s.id();
  }
}

TEST(ShmTest, FutexesWorkAcrossAttachments) {
  // A futex in shared memory is found by its page, not by its address.
  Segment s(kPage);
  auto* parent = reinterpret_cast<std::atomic<int>*>(Attach(s.id()));
  ScopedChild child([&] {
    auto* own = reinterpret_cast<std::atomic<int>*>(Attach(s.id()));
    EXPECT_NE(own, parent);
    while (own->load() == 0) syscall(SYS_futex, own, 0 /* FUTEX_WAIT */, 0, nullptr);
  });
  EXPECT_TRUE(WaitUntilBlocked(child.pid()));
  parent->store(1);
  EXPECT_THAT(syscall(SYS_futex, parent, 1 /* FUTEX_WAKE */, 1), SucceedsWith(1));
  EXPECT_THAT(child.Wait(), ExitedWith(0));
  EXPECT_THAT(shmdt(parent), SucceedsWith(0));
}

}  // namespace
}  // namespace cvisor::test
