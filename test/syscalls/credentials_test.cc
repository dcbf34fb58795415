// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// credentials(7), capabilities(7): set*id(2), groups, capset(2), securebits, no_new_privs,
// set-user-ID programs.
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/auxv.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {

int HelperMain(int argc, char** argv) {
  // The ids in decimal, AT_SECURE, and the capability sets.
  uid_t r, e, s;
  getresuid(&r, &e, &s);
  gid_t gr, ge, gs;
  getresgid(&gr, &ge, &gs);
  printf("%u %u %u %u %u %u secure=%lu eff=%s prm=%s amb=%s%s", r, e, s, gr, ge, gs,
         getauxval(AT_SECURE), StatusField("/proc/self/status", "CapEff").c_str(),
         StatusField("/proc/self/status", "CapPrm").c_str(),
         StatusField("/proc/self/status", "CapAmb").c_str(), argc > 2 ? argv[2] : "");
  fflush(stdout);
  return 0;
}

namespace {

struct Ids {
  uid_t r, e, s;
  bool operator==(const Ids&) const = default;
};
void PrintTo(const Ids& i, std::ostream* os) { *os << i.r << " " << i.e << " " << i.s; }
Ids Uids() {
  Ids i;
  getresuid(&i.r, &i.e, &i.s);
  return i;
}
Ids Gids() {
  Ids i;
  getresgid(&i.r, &i.e, &i.s);
  return i;
}

constexpr char kNoCaps[] = "0000000000000000";

std::string Helper(const std::function<void()>& before, const std::string& path) {
  PipeFds p = MakePipe();
  const pid_t pid = Fork([&] {
    dup2(p.writer.get(), 1);
    before();
    ExitIfFailed();
    execl(path.c_str(), "x", "--helper", nullptr);
    ADD_FAILURE() << ErrnoName(errno);
  });
  p.writer.reset();
  std::string out = ReadAll(p.reader.get());
  EXPECT_THAT(Wait(pid), ExitedWith(0)) << out;
  return out;
}

TEST(CredentialsTest, SetuidOfRootSetsAll) {
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(setuid(100), SucceedsWith(0));
                EXPECT_EQ(Uids(), (Ids{100, 100, 100}));
                EXPECT_THAT(setuid(0), FailsWith(EPERM));
                EXPECT_THAT(setuid(100), SucceedsWith(0));
              }),
              ExitedWith(0));
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(setgid(100), SucceedsWith(0));
                EXPECT_EQ(Gids(), (Ids{100, 100, 100}));
              }),
              ExitedWith(0));
}

TEST(CredentialsTest, SeteuidCanComeBack) {
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(seteuid(100), SucceedsWith(0));
                EXPECT_EQ(Uids(), (Ids{0, 100, 0}));
                EXPECT_EQ(StatusField("/proc/self/status", "CapEff"), kNoCaps);
                EXPECT_NE(StatusField("/proc/self/status", "CapPrm"), kNoCaps);
                EXPECT_THAT(seteuid(200), FailsWith(EPERM));
                EXPECT_THAT(seteuid(0), SucceedsWith(0));
                EXPECT_NE(StatusField("/proc/self/status", "CapEff"), kNoCaps);
              }),
              ExitedWith(0));
}

TEST(CredentialsTest, SetreuidRules) {
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(setreuid(100, 200), SucceedsWith(0));
                EXPECT_EQ(Uids(), (Ids{100, 200, 200}));
                EXPECT_THAT(setreuid(-1, 100), SucceedsWith(0));
                EXPECT_EQ(Uids(), (Ids{100, 100, 200}));
                EXPECT_THAT(setreuid(-1, 200), SucceedsWith(0));
                EXPECT_THAT(setreuid(300, -1), FailsWith(EPERM));
                EXPECT_THAT(setreuid(200, 100), SucceedsWith(0));
                EXPECT_EQ(Uids(), (Ids{200, 100, 100}));
              }),
              ExitedWith(0));
}

TEST(CredentialsTest, SetresuidRules) {
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(setresuid(1, 2, 3), SucceedsWith(0));
                EXPECT_THAT(setresuid(3, 1, 2), SucceedsWith(0));
                EXPECT_EQ(Uids(), (Ids{3, 1, 2}));
                EXPECT_THAT(setresuid(-1, 4, -1), FailsWith(EPERM));
                EXPECT_THAT(setresuid(-1, -1, -1), SucceedsWith(0));
                EXPECT_THAT(setresgid(5, -1, -1), FailsWith(EPERM));
              }),
              ExitedWith(0));
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(setresgid(1, 2, 3), SucceedsWith(0));
                EXPECT_EQ(Gids(), (Ids{1, 2, 3}));
                EXPECT_THAT(setregid(7, 8), SucceedsWith(0));
                EXPECT_EQ(Gids(), (Ids{7, 8, 8}));
              }),
              ExitedWith(0));
  EXPECT_THAT(syscall(SYS_setuid, -1), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_getresuid, 8, 8, 8), FailsWith(EFAULT));
}

TEST(CredentialsTest, CallsAreOfTheThread) {
  // The C library changes all threads; the call itself only one.
  EXPECT_THAT(InChild([] {
                ScopedThread([] {
                  EXPECT_THAT(syscall(SYS_setresuid, 7, 7, 7), SucceedsWith(0));
                  EXPECT_EQ(getuid(), 7u);
                }).Join();
                EXPECT_EQ(getuid(), 0u);
                Event go;
                ScopedThread thread([&] {
                  go.Wait();
                  EXPECT_EQ(getuid(), 9u);
                });
                EXPECT_THAT(setuid(9), SucceedsWith(0));
                go.Signal();
              }),
              ExitedWith(0));
}

TEST(CredentialsTest, Groups) {
  EXPECT_THAT(InChild([] {
                const gid_t groups[3] = {30, 10, 20};
                EXPECT_THAT(setgroups(3, groups), SucceedsWith(0));
                gid_t got[4] = {};
                EXPECT_THAT(getgroups(4, got), SucceedsWith(3));
                EXPECT_THAT(std::vector<gid_t>(got, got + 3),
                            testing::UnorderedElementsAre(10, 20, 30));
                EXPECT_THAT(getgroups(0, nullptr), SucceedsWith(3));
                EXPECT_THAT(getgroups(2, got), FailsWith(EINVAL));
                EXPECT_THAT(syscall(SYS_setgroups, 65537, groups), FailsWith(EINVAL));
                EXPECT_THAT(syscall(SYS_setgroups, 3, 8), FailsWith(EFAULT));
                EXPECT_THAT(setresuid(5, 5, 5), SucceedsWith(0));
                EXPECT_THAT(setgroups(0, nullptr), FailsWith(EPERM));
                EXPECT_THAT(getgroups(4, got), SucceedsWith(3));
              }),
              ExitedWith(0));
}

TEST(CredentialsTest, SupplementaryGroupsGiveAccess) {
  TempDir dir;
  WriteFile(dir / "f", "x", 0640);
  EXPECT_EQ(chown(dir.c("f"), 0, 555), 0);
  for (bool member : {false, true}) {
    EXPECT_THAT(InChild([&] {
                  const gid_t groups[1] = {555};
                  setgroups(member ? 1 : 0, groups);
                  setresgid(99, 99, 99);
                  setresuid(99, 99, 99);
                  if (member) {
                    EXPECT_THAT(open(dir.c("f"), O_RDONLY), Succeeds());
                  } else {
                    EXPECT_THAT(open(dir.c("f"), O_RDONLY), FailsWith(EACCES));
                  }
                  EXPECT_THAT(open(dir.c("f"), O_WRONLY), FailsWith(EACCES));
                }),
                ExitedWith(0));
  }
}

TEST(CredentialsTest, Fsuid) {
  TempDir dir;
  WriteFile(dir / "f", "x", 0600);
  EXPECT_THAT(InChild([&] {
                EXPECT_EQ(setfsuid(77), 0);
                EXPECT_EQ(setfsuid(-1), 77);
                EXPECT_THAT(open(dir.c("f"), O_RDONLY), FailsWith(EACCES));
                EXPECT_EQ(geteuid(), 0u);
                EXPECT_EQ(setfsuid(0), 77);
                EXPECT_THAT(open(dir.c("f"), O_RDONLY), Succeeds());
                EXPECT_EQ(setfsgid(5), 0);
                EXPECT_EQ(setfsgid(0), 5);
              }),
              ExitedWith(0));
}

TEST(CredentialsTest, NewFilesBelongToTheFsIds) {
  TempDir dir;
  EXPECT_EQ(chmod(dir.path().c_str(), 0777), 0);
  EXPECT_THAT(InChild([&] {
                EXPECT_THAT(setegid(44), SucceedsWith(0));
                EXPECT_THAT(seteuid(33), SucceedsWith(0));
                WriteFile(dir / "f", "");
                struct stat st;
                EXPECT_THAT(stat(dir.c("f"), &st), SucceedsWith(0));
                EXPECT_EQ(st.st_uid, 33u);
                EXPECT_EQ(st.st_gid, 44u);
              }),
              ExitedWith(0));
}

TEST(CapabilityTest, LeavingRootDropsAll) {
  EXPECT_THAT(InChild([] {
                EXPECT_NE(StatusField("/proc/self/status", "CapEff"), kNoCaps);
                setresuid(1, 1, 1);
                EXPECT_EQ(StatusField("/proc/self/status", "CapEff"), kNoCaps);
                EXPECT_EQ(StatusField("/proc/self/status", "CapPrm"), kNoCaps);
                EXPECT_FALSE(HasCapability(CAP_CHOWN));
              }),
              ExitedWith(0));
}

TEST(CapabilityTest, Keepcaps) {
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(prctl(PR_SET_KEEPCAPS, 1), SucceedsWith(0));
                EXPECT_THAT(prctl(PR_GET_KEEPCAPS), SucceedsWith(1));
                setresuid(1, 1, 1);
                EXPECT_EQ(StatusField("/proc/self/status", "CapEff"), kNoCaps);
                EXPECT_NE(StatusField("/proc/self/status", "CapPrm"), kNoCaps);
              }),
              ExitedWith(0));
}

TEST(CapabilityTest, DroppingOne) {
  TempDir dir;
  WriteFile(dir / "f", "");
  EXPECT_THAT(InChild([&] {
                DropCapability(CAP_CHOWN);
                EXPECT_FALSE(HasCapability(CAP_CHOWN));
                EXPECT_THAT(chown(dir.c("f"), 1, 1), FailsWith(EPERM));
                DropCapability(CAP_SETUID);
                EXPECT_THAT(setuid(5), FailsWith(EPERM));
                DropCapability(CAP_KILL);
                DropCapability(CAP_SETGID);
                EXPECT_THAT(setgroups(0, nullptr), FailsWith(EPERM));
                DropCapability(CAP_SYS_CHROOT);
                EXPECT_THAT(chroot("/"), FailsWith(EPERM));
                DropCapability(CAP_DAC_OVERRIDE);
                DropCapability(CAP_DAC_READ_SEARCH);
                chmod(dir.c("f"), 0);
                EXPECT_THAT(open(dir.c("f"), O_RDONLY), FailsWith(EACCES));
                // Gone is gone.
                __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
                __user_cap_data_struct d[2] = {};
                EXPECT_THAT(syscall(SYS_capget, &h, d), SucceedsWith(0));
                d[0].permitted |= 1 << CAP_CHOWN;
                EXPECT_THAT(syscall(SYS_capset, &h, d), FailsWith(EPERM));
                EXPECT_THAT(syscall(SYS_capget, &h, d), SucceedsWith(0));
                d[0].effective |= 1 << CAP_CHOWN;
                EXPECT_THAT(syscall(SYS_capset, &h, d), FailsWith(EPERM));
              }),
              ExitedWith(0));
}

TEST(CapabilityTest, CapgetAndCapsetArguments) {
  __user_cap_header_struct h = {0x12345, 0};
  __user_cap_data_struct d[2] = {};
  EXPECT_THAT(syscall(SYS_capget, &h, d), FailsWith(EINVAL));
  EXPECT_EQ(h.version, unsigned{_LINUX_CAPABILITY_VERSION_3});
  h.version = 0x12345;
  EXPECT_THAT(syscall(SYS_capget, &h, nullptr), SucceedsWith(0));
  h = {_LINUX_CAPABILITY_VERSION_3, 0x7ffffff0};
  EXPECT_THAT(syscall(SYS_capget, &h, d), FailsWith(ESRCH));
  h.pid = -1;
  EXPECT_THAT(syscall(SYS_capget, &h, d), FailsWith(EINVAL));
  h.pid = getppid();
  EXPECT_THAT(syscall(SYS_capset, &h, d), FailsWith(EPERM));
  EXPECT_THAT(syscall(SYS_capget, 8, d), FailsWith(EFAULT));
}

TEST(CapabilityTest, BoundingSet) {
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(prctl(PR_CAPBSET_READ, 999), FailsWith(EINVAL));
                EXPECT_THAT(prctl(PR_CAPBSET_READ, CAP_KILL), SucceedsWith(1));
                EXPECT_THAT(prctl(PR_CAPBSET_DROP, CAP_KILL), SucceedsWith(0));
                EXPECT_THAT(prctl(PR_CAPBSET_READ, CAP_KILL), SucceedsWith(0));
                // Still held until an exec.
                EXPECT_TRUE(HasCapability(CAP_KILL));
                setresuid(1, 1, 1);
                EXPECT_THAT(prctl(PR_CAPBSET_DROP, CAP_CHOWN), FailsWith(EPERM));
              }),
              ExitedWith(0));
  const std::string out = Helper([] { prctl(PR_CAPBSET_DROP, CAP_KILL); }, "/proc/self/exe");
  const uint64_t eff = strtoull(out.c_str() + out.find("eff=") + 4, nullptr, 16);
  EXPECT_EQ(eff >> CAP_KILL & 1, 0u) << out;
  EXPECT_EQ(eff >> CAP_CHOWN & 1, 1u) << out;
}

TEST(CapabilityTest, AmbientCapabilitiesSurviveExec) {
  const std::string out = Helper(
      [] {
        EXPECT_THAT(prctl(PR_SET_KEEPCAPS, 1), SucceedsWith(0));
        setresgid(1, 1, 1);
        setresuid(1, 1, 1);
        EXPECT_THAT(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0), FailsWith(EPERM));
        __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
        __user_cap_data_struct d[2] = {};
        d[0] = {0, 1 << CAP_KILL, 1 << CAP_KILL};
        EXPECT_THAT(syscall(SYS_capset, &h, d), SucceedsWith(0));
        EXPECT_THAT(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0), SucceedsWith(0));
        EXPECT_THAT(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0), SucceedsWith(1));
        EXPECT_THAT(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0),
                    SucceedsWith(0));
      },
      "/proc/self/exe");
  EXPECT_EQ(out,
            "1 1 1 1 1 1 secure=0 eff=0000000000000020 prm=0000000000000020 amb=0000000000000020");
}

TEST(CapabilityTest, Securebits) {
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(prctl(PR_GET_SECUREBITS), SucceedsWith(0));
                EXPECT_THAT(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP | SECBIT_NOROOT),
                            SucceedsWith(0));
                EXPECT_THAT(prctl(PR_GET_SECUREBITS),
                            SucceedsWith(SECBIT_NO_SETUID_FIXUP | SECBIT_NOROOT));
                setresuid(1, 1, 1);
                EXPECT_NE(StatusField("/proc/self/status", "CapEff"), kNoCaps);
                EXPECT_THAT(prctl(PR_SET_SECUREBITS, 0x10000), FailsWith(EPERM));
              }),
              ExitedWith(0));
  const std::string out =
      Helper([] { prctl(PR_SET_SECUREBITS, SECBIT_NOROOT); }, "/proc/self/exe");
  EXPECT_NE(out.find(std::string("eff=") + kNoCaps), std::string::npos) << out;
}

class SetuidTest : public testing::Test {
 protected:
  SetuidTest() {
    char self[4096] = {};
    EXPECT_THAT(readlink("/proc/self/exe", self, sizeof self - 1), Succeeds());
    WriteFile(dir_ / "prog", ReadFile(self), 0755);
  }
  void Mode(uid_t uid, gid_t gid, mode_t mode) {
    EXPECT_EQ(chown(dir_.c("prog"), uid, gid), 0);
    EXPECT_EQ(chmod(dir_.c("prog"), mode), 0);
  }
  TempDir dir_;
};

TEST_F(SetuidTest, SetUserId) {
  Mode(500, 600, 04755);
  const std::string out = Helper([] { BecomeNobody(); }, dir_ / "prog");
  EXPECT_EQ(out.rfind("65534 500 500 65534 65534 65534 secure=1 ", 0), 0u) << out;
}

TEST_F(SetuidTest, SetGroupId) {
  Mode(500, 600, 02755);
  const std::string out = Helper([] { BecomeNobody(); }, dir_ / "prog");
  EXPECT_EQ(out.rfind("65534 65534 65534 65534 600 600 secure=1 ", 0), 0u) << out;
}

TEST_F(SetuidTest, SetUserIdRootGivesCapabilities) {
  Mode(0, 0, 04755);
  const std::string out = Helper([] { BecomeNobody(); }, dir_ / "prog");
  EXPECT_EQ(out.rfind("65534 0 0 65534 65534 65534 secure=1 ", 0), 0u) << out;
  EXPECT_EQ(out.find(std::string("eff=") + kNoCaps), std::string::npos) << out;
}

TEST_F(SetuidTest, NoNewPrivileges) {
  Mode(0, 0, 06755);
  const std::string out = Helper(
      [] {
        BecomeNobody();
        EXPECT_THAT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), SucceedsWith(0));
        EXPECT_THAT(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), FailsWith(EINVAL));
        EXPECT_THAT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), SucceedsWith(0));
        EXPECT_THAT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), SucceedsWith(1));
        EXPECT_THAT(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), FailsWith(EINVAL));
      },
      dir_ / "prog");
  EXPECT_EQ(out.rfind("65534 65534 65534 65534 65534 65534 secure=0 ", 0), 0u) << out;
}

TEST_F(SetuidTest, ExecSavesTheEffectiveId) {
  Mode(0, 0, 0755);
  const std::string out = Helper(
      [] {
        setresgid(1, 2, 3);
        setresuid(10, 20, 30);
      },
      dir_ / "prog");
  EXPECT_EQ(out.rfind("10 20 20 1 2 2 secure=1 ", 0), 0u) << out;
}

}  // namespace
}  // namespace cvisor::test
