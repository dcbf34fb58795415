// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// user_namespaces(7): making and entering them, id maps, capabilities in them.
#include <grp.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

constexpr uid_t kOverflow = 65534;

// 0, or the errno of one write(2) of the text.
int WriteFile(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const ssize_t n = write(fd, text.data(), text.size());
  const int error = n < 0 ? errno : 0;
  close(fd);
  return error;
}

std::string ReadFile(const std::string& path) {
  char buffer[512] = {};
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "";
  const ssize_t n = read(fd, buffer, sizeof(buffer) - 1);
  close(fd);
  return std::string(buffer, n < 0 ? 0 : n);
}

uint64_t EffectiveCaps() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  EXPECT_EQ(syscall(SYS_capget, &header, data), 0);
  return data[0].effective | uint64_t{data[1].effective} << 32;
}

// As an ordinary user without capabilities.
void BecomeUser(uid_t uid = 1000) {
  EXPECT_EQ(setgroups(0, nullptr), 0);
  EXPECT_EQ(setresgid(uid, uid, uid), 0);
  EXPECT_EQ(setresuid(uid, uid, uid), 0);
  // The files of /proc/self are the user's again.
  EXPECT_EQ(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
}

// In a user namespace whose root is the user outside.
void EnterAsRoot() {
  const std::string uid = std::to_string(geteuid()), gid = std::to_string(getegid());
  ASSERT_EQ(unshare(CLONE_NEWUSER), 0);
  EXPECT_EQ(WriteFile("/proc/self/setgroups", "deny"), 0);
  EXPECT_EQ(WriteFile("/proc/self/uid_map", "0 " + uid + " 1"), 0);
  EXPECT_EQ(WriteFile("/proc/self/gid_map", "0 " + gid + " 1\n"), 0);
}

TEST(UserNsTest, WithoutMapsIdsAreOverflowIds) {
  EXPECT_EQ(InChild([] {
              EXPECT_EQ(unshare(CLONE_NEWUSER), 0);
              EXPECT_EQ(getuid(), kOverflow);
              EXPECT_EQ(geteuid(), kOverflow);
              EXPECT_EQ(getgid(), kOverflow);
              EXPECT_EQ(getegid(), kOverflow);
              EXPECT_EQ(ReadFile("/proc/self/uid_map"), "");
              EXPECT_EQ(ReadFile("/proc/self/gid_map"), "");
              struct stat st = {};
              EXPECT_EQ(stat("/", &st), 0);
              EXPECT_EQ(st.st_uid, kOverflow);
              EXPECT_EQ(st.st_gid, kOverflow);
            }),
            0);
}

TEST(UserNsTest, MakerHasAllCapabilities) {
  EXPECT_EQ(InChild([] {
              BecomeUser();
              EXPECT_EQ(EffectiveCaps(), 0u);
              EXPECT_EQ(unshare(CLONE_NEWUSER), 0);
              EXPECT_NE(EffectiveCaps(), 0u);
              EXPECT_EQ(prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0), 1);
              EXPECT_EQ(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0), 0);
            }),
            0);
}

TEST(UserNsTest, CapabilitiesCountInsideOnly) {
  EXPECT_EQ(InChild([] {
              BecomeUser();
              EnterAsRoot();
              EXPECT_EQ(getuid(), 0u);
              EXPECT_EQ(getgid(), 0u);
              // The host name is the first namespace's.
              EXPECT_THAT(sethostname("x", 1), FailsWith(EPERM));
              // So are files of users who are not mapped, and the mounts.
              EXPECT_THAT(open("/etc/shadow-of-cvisor", O_CREAT | O_WRONLY, 0600),
                          FailsWith(EACCES));
              EXPECT_THAT(chmod("/", 0777), FailsWith(EPERM));
              EXPECT_THAT(chown("/", 0, 0), FailsWith(EPERM));
              EXPECT_THAT(chown("/", 5, -1), FailsWith(EINVAL));
              EXPECT_THAT(mount("none", "/tmp", "tmpfs", 0, nullptr), FailsWith(EPERM));
              EXPECT_THAT(kill(1, 0), FailsWith(EPERM));
              EXPECT_THAT(mknod("/tmp/cvisor-device", S_IFCHR | 0600, 0x103), FailsWith(EPERM));
            }),
            0);
}

TEST(UserNsTest, OwnNamespacesInside) {
  EXPECT_EQ(InChild([] {
              BecomeUser();
              EnterAsRoot();
              EXPECT_EQ(unshare(CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNS), 0);
              EXPECT_THAT(sethostname("inside", 6), SucceedsWith(0));
              EXPECT_THAT(mount("none", "/tmp", "tmpfs", 0, nullptr), SucceedsWith(0));
              const int fd = open("/tmp/file", O_CREAT | O_WRONLY, 0600);
              EXPECT_GE(fd, 0);
              struct stat st = {};
              EXPECT_EQ(fstat(fd, &st), 0);
              EXPECT_EQ(st.st_uid, 0u);
              EXPECT_THAT(fchown(fd, 1, 1), FailsWith(EINVAL));
              close(fd);
              EXPECT_THAT(mknod("/tmp/null", S_IFCHR | 0600, 0x103), FailsWith(EPERM));
              EXPECT_THAT(umount("/tmp"), SucceedsWith(0));
            }),
            0);
}

TEST(UserNsTest, UnshareTogether) {
  EXPECT_EQ(InChild([] {
              BecomeUser();
              EXPECT_THAT(unshare(CLONE_NEWUTS), FailsWith(EPERM));
              EXPECT_EQ(unshare(CLONE_NEWUSER | CLONE_NEWUTS), 0);
              EXPECT_THAT(sethostname("inside", 6), SucceedsWith(0));
            }),
            0);
}

TEST(UserNsTest, InheritedMountsAreLocked) {
  EXPECT_EQ(InChild([] {
              EXPECT_EQ(unshare(CLONE_NEWNS), 0);
              EXPECT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
              EXPECT_EQ(mount("none", "/tmp", "tmpfs", 0, nullptr), 0);
              EXPECT_EQ(mount(nullptr, "/tmp", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr),
                        0);
              BecomeUser();
              EXPECT_EQ(unshare(CLONE_NEWUSER | CLONE_NEWNS), 0);
              EXPECT_THAT(umount("/tmp"), FailsWith(EINVAL));
              EXPECT_THAT(umount2("/tmp", MNT_DETACH), FailsWith(EINVAL));
              EXPECT_THAT(mount(nullptr, "/tmp", nullptr, MS_REMOUNT | MS_BIND, nullptr),
                          FailsWith(EPERM));
              EXPECT_THAT(mount(nullptr, "/tmp", nullptr, MS_REMOUNT, nullptr), FailsWith(EPERM));
              // A copy without what is mounted below would show what it covers.
              EXPECT_THAT(mount("/", "/mnt", nullptr, MS_BIND, nullptr), FailsWith(EINVAL));
            }),
            0);
}

struct BadMap {
  const char* text;
  int error;
};

class UserNsMapTest : public testing::TestWithParam<BadMap> {};

TEST_P(UserNsMapTest, IsRefused) {
  EXPECT_EQ(InChild([] {
              EXPECT_EQ(unshare(CLONE_NEWUSER), 0);
              EXPECT_EQ(WriteFile("/proc/self/uid_map", GetParam().text), GetParam().error)
                  << GetParam().text;
            }),
            0);
}

INSTANTIATE_TEST_SUITE_P(
    Malformed, UserNsMapTest,
    testing::Values(BadMap{"x", EINVAL}, BadMap{"0 0", EINVAL}, BadMap{"0 0 1 1", EINVAL},
                    BadMap{"0 0 0", EINVAL}, BadMap{"0 0 1\n0 1 1\n", EINVAL},
                    BadMap{"0 0 2\n5 1 1\n", EINVAL}, BadMap{"0 4294967295 1", EINVAL},
                    BadMap{"4294967295 0 1", EINVAL}, BadMap{"1 0 4294967295", EINVAL},
                    BadMap{"-1 0 1", EINVAL}));
// One's own id only, from inside: who has left has no rights over the parent's others.
INSTANTIATE_TEST_SUITE_P(NotPermitted, UserNsMapTest,
                         testing::Values(BadMap{"0 1 1", EPERM}, BadMap{"0 0 2", EPERM},
                                         BadMap{"0 0 1\n5 5 1\n", EPERM}));

TEST(UserNsTest, MapIsWrittenOnce) {
  EXPECT_EQ(InChild([] {
              EXPECT_EQ(unshare(CLONE_NEWUSER), 0);
              EXPECT_EQ(WriteFile("/proc/self/uid_map", "7 0 1\n"), 0);
              EXPECT_EQ(WriteFile("/proc/self/uid_map", "7 0 1\n"), EPERM);
              EXPECT_EQ(getuid(), 7u);
              EXPECT_EQ(ReadFile("/proc/self/uid_map"), "         7          0          1\n");
            }),
            0);
}

TEST(UserNsTest, GroupMapNeedsSetgroupsDenied) {
  EXPECT_EQ(InChild([] {
              BecomeUser();
              EXPECT_EQ(unshare(CLONE_NEWUSER), 0);
              EXPECT_EQ(WriteFile("/proc/self/gid_map", "0 1000 1"), EPERM);
              EXPECT_EQ(ReadFile("/proc/self/setgroups"), "allow\n");
              EXPECT_THAT(setgroups(0, nullptr), FailsWith(EPERM));
              EXPECT_EQ(WriteFile("/proc/self/setgroups", "maybe"), EINVAL);
              EXPECT_EQ(WriteFile("/proc/self/setgroups", "deny"), 0);
              EXPECT_EQ(WriteFile("/proc/self/setgroups", "allow"), EPERM);
              EXPECT_EQ(WriteFile("/proc/self/gid_map", "0 1000 1"), 0);
              EXPECT_THAT(setgroups(0, nullptr), FailsWith(EPERM));
              EXPECT_EQ(ReadFile("/proc/self/setgroups"), "deny\n");
            }),
            0);
}

TEST(UserNsTest, UnmappedIdsAreInvalid) {
  EXPECT_EQ(InChild([] {
              BecomeUser();
              EnterAsRoot();
              EXPECT_THAT(setuid(1), FailsWith(EINVAL));
              EXPECT_THAT(setgid(1), FailsWith(EINVAL));
              EXPECT_THAT(setreuid(1, -1), FailsWith(EINVAL));
              EXPECT_THAT(setresuid(-1, -1, 1), FailsWith(EINVAL));
              EXPECT_THAT(setresgid(-1, 1, -1), FailsWith(EINVAL));
              EXPECT_EQ(syscall(SYS_setfsuid, 1), 0);
              EXPECT_EQ(syscall(SYS_setfsuid, -1), 0);
              EXPECT_THAT(setresuid(0, 0, 0), SucceedsWith(0));
            }),
            0);
}

TEST(UserNsTest, NestedUpTo32) {
  EXPECT_EQ(InChild([] {
              int made = 0;
              while (made < 40 && unshare(CLONE_NEWUSER) == 0) {
                ++made;
                EXPECT_EQ(WriteFile("/proc/self/uid_map", "0 0 1"), 0);
                EXPECT_EQ(WriteFile("/proc/self/setgroups", "deny"), 0);
                EXPECT_EQ(WriteFile("/proc/self/gid_map", "0 0 1"), 0);
              }
              EXPECT_EQ(errno, ENOSPC);
              EXPECT_GE(made, 30);
              EXPECT_LE(made, 33);
            }),
            0);
}

TEST(UserNsTest, WithoutMapNoChild) {
  EXPECT_EQ(InChild([] {
              EXPECT_EQ(unshare(CLONE_NEWUSER), 0);
              EXPECT_THAT(unshare(CLONE_NEWUSER), FailsWith(EPERM));
            }),
            0);
}

TEST(UserNsTest, NotInAChangedRoot) {
  EXPECT_EQ(InChild([] {
              EXPECT_EQ(chroot("/tmp"), 0);
              EXPECT_THAT(unshare(CLONE_NEWUSER), FailsWith(EPERM));
            }),
            0);
}

TEST(UserNsTest, SetnsRules) {
  EXPECT_EQ(InChild([] {
              Fd mine = Open("/proc/self/ns/user", O_RDONLY);
              EXPECT_THAT(setns(mine.get(), CLONE_NEWUSER), FailsWith(EINVAL));
              EXPECT_EQ(unshare(CLONE_NEWUSER), 0);
              // Never back up.
              EXPECT_THAT(setns(mine.get(), CLONE_NEWUSER), FailsWith(EPERM));
              EXPECT_THAT(ioctl(mine.get(), NS_GET_PARENT), FailsWith(EPERM));
              Fd now = Open("/proc/self/ns/user", O_RDONLY);
              EXPECT_THAT(ioctl(now.get(), NS_GET_PARENT), FailsWith(EPERM));
              EXPECT_THAT(ioctl(now.get(), NS_GET_USERNS), FailsWith(EPERM));
            }),
            0);
}

TEST(UserNsTest, ParentMapsAndEntersChild) {
  int ready[2], go[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(go), 0);
  ScopedChild child([&] {
    char byte = 0;
    EXPECT_EQ(unshare(CLONE_NEWUSER), 0);
    EXPECT_EQ(write(ready[1], &byte, 1), 1);
    EXPECT_EQ(read(go[0], &byte, 1), 1);
    EXPECT_EQ(getuid(), 0u);
    EXPECT_THAT(setuid(5), SucceedsWith(0));
    EXPECT_EQ(write(ready[1], &byte, 1), 1);
    EXPECT_EQ(read(go[0], &byte, 1), 1);
  });
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  const std::string proc = "/proc/" + std::to_string(child.pid());
  // Root outside maps what it likes.
  EXPECT_EQ(WriteFile(proc + "/uid_map", "0 0 1\n5 100005 3\n"), 0);
  EXPECT_EQ(WriteFile(proc + "/gid_map", "0 0 10\n"), 0);
  EXPECT_EQ(ReadFile(proc + "/uid_map"),
            "         0          0          1\n         5     100005          3\n");
  EXPECT_EQ(write(go[1], &byte, 1), 1);
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_NE(ReadFile(proc + "/status").find("Uid:\t100005\t100005\t100005\t100005\n"),
            std::string::npos);
  Fd theirs = Open(proc + "/ns/user", O_RDONLY);
  uid_t owner = 1;
  EXPECT_THAT(ioctl(theirs.get(), NS_GET_OWNER_UID, &owner), SucceedsWith(0));
  EXPECT_EQ(owner, 0u);
  Fd parent(ioctl(theirs.get(), NS_GET_PARENT));
  struct stat a = {}, b = {};
  EXPECT_EQ(fstat(parent.get(), &a), 0);
  EXPECT_EQ(stat("/proc/self/ns/user", &b), 0);
  EXPECT_EQ(a.st_ino, b.st_ino);
  EXPECT_EQ(InChild([&] {
              EXPECT_THAT(setns(theirs.get(), 0), SucceedsWith(0));
              EXPECT_EQ(getuid(), 0u);
              EXPECT_NE(EffectiveCaps(), 0u);
              EXPECT_THAT(setns(theirs.get(), 0), FailsWith(EINVAL));
            }),
            0);
  EXPECT_EQ(write(go[1], &byte, 1), 1);
  EXPECT_EQ(child.Wait(), 0);
  for (const int fd : {ready[0], ready[1], go[0], go[1]}) close(fd);
}

TEST(UserNsTest, CloneFlags) {
  EXPECT_THAT(syscall(SYS_clone, CLONE_NEWUSER | CLONE_FS | SIGCHLD, 0, 0, 0, 0),
              FailsWith(EINVAL));
  EXPECT_THAT(
      syscall(SYS_clone, CLONE_NEWUSER | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, 0, 0, 0, 0),
      FailsWith(EINVAL));
  const pid_t pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  ASSERT_THAT(pid, Succeeds());
  if (pid == 0) _exit(getuid() == kOverflow ? 0 : 1);
  int status;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

TEST(UserNsTest, ProcessesOfTheParentAreOutOfReach) {
  ScopedChild victim([] { pause(); });
  const std::string proc = "/proc/" + std::to_string(victim.pid());
  EXPECT_EQ(InChild([&] {
              EXPECT_EQ(unshare(CLONE_NEWUSER), 0);
              // The same user, but not its namespace.
              EXPECT_THAT(open((proc + "/mem").c_str(), O_RDONLY), FailsWith(EACCES));
              char link[32];
              EXPECT_THAT(readlink((proc + "/cwd").c_str(), link, sizeof(link)), FailsWith(EACCES));
            }),
            0);
  kill(victim.pid(), SIGKILL);
}

}  // namespace
}  // namespace cvisor::test
