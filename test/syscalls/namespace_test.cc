// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// unshare(2), setns(2), /proc/pid/ns/*, ioctl_ns(2).
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

std::string LinkOf(const std::string& kind, const std::string& process = "self") {
  char buffer[64] = {};
  const std::string path = "/proc/" + process + "/ns/" + kind;
  EXPECT_THAT(readlink(path.c_str(), buffer, sizeof(buffer) - 1), Succeeds()) << path;
  return buffer;
}

std::string HostName() {
  utsname name = {};
  EXPECT_THAT(uname(&name), SucceedsWith(0));
  return name.nodename;
}

Fd OpenNs(const std::string& kind, const std::string& process = "self") {
  return Open("/proc/" + process + "/ns/" + kind, O_RDONLY | O_CLOEXEC);
}

TEST(NsFileTest, LinksAndFilesAgree) {
  const std::pair<const char*, int> kinds[] = {{"cgroup", CLONE_NEWCGROUP}, {"ipc", CLONE_NEWIPC},
                                               {"mnt", CLONE_NEWNS},        {"net", CLONE_NEWNET},
                                               {"pid", CLONE_NEWPID},       {"user", CLONE_NEWUSER},
                                               {"uts", CLONE_NEWUTS}};
  for (const auto& [kind, flag] : kinds) {
    Fd fd = OpenNs(kind);
    struct stat st = {}, by_path = {};
    EXPECT_THAT(fstat(fd.get(), &st), SucceedsWith(0));
    EXPECT_THAT(stat(("/proc/self/ns/" + std::string(kind)).c_str(), &by_path), SucceedsWith(0));
    EXPECT_EQ(st.st_ino, by_path.st_ino);
    EXPECT_EQ(st.st_dev, by_path.st_dev);
    EXPECT_EQ(st.st_mode, S_IFREG | 0444u);
    const std::string name = std::string(kind) + ":[" + std::to_string(st.st_ino) + "]";
    EXPECT_EQ(LinkOf(kind), name);
    char target[64] = {};
    EXPECT_THAT(readlink(("/proc/self/fd/" + std::to_string(fd.get())).c_str(), target, 63),
                Succeeds());
    EXPECT_EQ(target, name);
    EXPECT_THAT(ioctl(fd.get(), NS_GET_NSTYPE), SucceedsWith(flag));
    struct statfs fs = {};
    EXPECT_THAT(fstatfs(fd.get(), &fs), SucceedsWith(0));
    EXPECT_EQ(fs.f_type, 0x6e736673);
    char byte;
    EXPECT_THAT(read(fd.get(), &byte, 1), FailsWith(EINVAL));
  }
}

TEST(NsFileTest, Ioctls) {
  Fd uts = OpenNs("uts");
  EXPECT_THAT(ioctl(uts.get(), NS_GET_PARENT), FailsWith(EINVAL));
  uid_t owner;
  EXPECT_THAT(ioctl(uts.get(), NS_GET_OWNER_UID, &owner), FailsWith(EINVAL));
  Fd user(ioctl(uts.get(), NS_GET_USERNS));
  EXPECT_THAT(user.get(), Succeeds());
  EXPECT_THAT(ioctl(user.get(), NS_GET_NSTYPE), SucceedsWith(CLONE_NEWUSER));
  EXPECT_EQ(fcntl(user.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_THAT(ioctl(user.get(), NS_GET_OWNER_UID, &owner), SucceedsWith(0));
  Fd pid = OpenNs("pid");
  EXPECT_THAT(ioctl(pid.get(), NS_GET_PARENT), FailsWith(EPERM));
  EXPECT_THAT(ioctl(pid.get(), 0x12345), FailsWith(ENOTTY));
}

TEST(NsFileTest, OfOthers) {
  // A process that is not dumpable to us: root may look, others may not.
  EXPECT_THAT(InChild([] {
                const std::string parent = std::to_string(getppid());
                EXPECT_EQ(LinkOf("uts", parent), LinkOf("uts"));
                BecomeNobody();
                char buffer[64];
                EXPECT_THAT(readlink(("/proc/" + parent + "/ns/uts").c_str(), buffer, 64),
                            FailsWith(EACCES));
                EXPECT_THAT(open(("/proc/" + parent + "/ns/uts").c_str(), O_RDONLY),
                            FailsWith(EACCES));
              }),
              ExitedWith(0));
}

TEST(UnshareTest, UtsAndBack) {
  const std::string name = HostName(), link = LinkOf("uts");
  EXPECT_THAT(InChild([&] {
                Fd old = OpenNs("uts");
                ASSERT_THAT(unshare(CLONE_NEWUTS), SucceedsWith(0));
                EXPECT_NE(LinkOf("uts"), link);
                EXPECT_EQ(HostName(), name);  // a copy
                EXPECT_THAT(sethostname("elsewhere", 9), SucceedsWith(0));
                EXPECT_EQ(HostName(), "elsewhere");
                Fd mine = OpenNs("uts");
                EXPECT_THAT(setns(old.get(), CLONE_NEWUTS), SucceedsWith(0));
                EXPECT_EQ(HostName(), name);
                EXPECT_EQ(LinkOf("uts"), link);
                // Only the descriptor keeps the other one.
                EXPECT_THAT(setns(mine.get(), 0), SucceedsWith(0));
                EXPECT_EQ(HostName(), "elsewhere");
              }),
              ExitedWith(0));
  EXPECT_EQ(HostName(), name);
}

TEST(UnshareTest, OneThreadAlone) {
  EXPECT_THAT(InChild([] {
                const std::string link = LinkOf("uts");
                ScopedThread thread([&] {
                  EXPECT_THAT(unshare(CLONE_NEWUTS), SucceedsWith(0));
                  EXPECT_NE(LinkOf("uts", "thread-self"), link);
                });
                thread.Join();
                EXPECT_EQ(LinkOf("uts"), link);
              }),
              ExitedWith(0));
}

TEST(UnshareTest, ErrorsAndPrivilege) {
  EXPECT_THAT(unshare(1), FailsWith(EINVAL));
  EXPECT_THAT(InChild([] {
                BecomeNobody();
                EXPECT_THAT(unshare(CLONE_NEWUTS), FailsWith(EPERM));
                EXPECT_THAT(unshare(CLONE_NEWIPC), FailsWith(EPERM));
                EXPECT_THAT(unshare(CLONE_NEWPID), FailsWith(EPERM));
                EXPECT_THAT(unshare(CLONE_NEWNS), FailsWith(EPERM));
                EXPECT_THAT(unshare(CLONE_FS | CLONE_FILES | CLONE_SYSVSEM), SucceedsWith(0));
              }),
              ExitedWith(0));
}

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

TEST(CgroupNamespaceTest, UnshareCloneAndSetns) {
  const std::string link = LinkOf("cgroup");
  EXPECT_EQ(link.rfind("cgroup:[", 0), 0u);
  EXPECT_THAT(InChild([&] {
                const Fd old = OpenNs("cgroup");
                ASSERT_THAT(unshare(CLONE_NEWCGROUP), SucceedsWith(0));
                const std::string mine = LinkOf("cgroup");
                EXPECT_NE(mine, link);
                EXPECT_EQ(ioctl(OpenNs("cgroup").get(), NS_GET_NSTYPE), CLONE_NEWCGROUP);
                EXPECT_THAT(InChild([&] { EXPECT_EQ(LinkOf("cgroup"), mine); }), ExitedWith(0));
                const pid_t pid = syscall(SYS_clone, CLONE_NEWCGROUP | SIGCHLD, 0, 0, 0, 0);
                if (pid == 0) _exit(LinkOf("cgroup") == mine ? 1 : 0);
                EXPECT_THAT(Wait(pid), ExitedWith(0));
                EXPECT_THAT(setns(old.get(), CLONE_NEWUTS), FailsWith(EINVAL));
                EXPECT_THAT(setns(old.get(), CLONE_NEWCGROUP), SucceedsWith(0));
                EXPECT_EQ(LinkOf("cgroup"), link);
              }),
              ExitedWith(0));
}

TEST(CgroupNamespaceTest, NeedsPrivilege) {
  EXPECT_THAT(InChild([] {
                const Fd fd = OpenNs("cgroup");
                BecomeNobody();
                EXPECT_THAT(unshare(CLONE_NEWCGROUP), FailsWith(EPERM));
                EXPECT_THAT(setns(fd.get(), CLONE_NEWCGROUP), FailsWith(EPERM));
                EXPECT_THAT(syscall(SYS_clone, CLONE_NEWCGROUP | SIGCHLD, 0, 0, 0, 0),
                            FailsWith(EPERM));
                EXPECT_THAT(unshare(CLONE_NEWUSER | CLONE_NEWCGROUP), SucceedsWith(0));
              }),
              ExitedWith(0));
}

TEST(TimeNamespaceTest, UnshareIsForTheChildren) {
  const std::string link = LinkOf("time");
  EXPECT_EQ(link.rfind("time:[", 0), 0u);
  EXPECT_EQ(LinkOf("time_for_children"), link);
  EXPECT_THAT(InChild([&] {
                ASSERT_THAT(unshare(CLONE_NEWTIME), SucceedsWith(0));
                EXPECT_EQ(LinkOf("time"), link);
                const std::string next = LinkOf("time_for_children");
                EXPECT_NE(next, link);
                EXPECT_THAT(InChild([&] {
                              EXPECT_EQ(LinkOf("time"), next);
                              EXPECT_EQ(LinkOf("time_for_children"), next);
                            }),
                            ExitedWith(0));
                EXPECT_EQ(LinkOf("time"), link);
              }),
              ExitedWith(0));
}

TEST(TimeNamespaceTest, Setns) {
  EXPECT_THAT(InChild([] {
                const std::string link = LinkOf("time");
                const Fd old = OpenNs("time");
                ASSERT_THAT(unshare(CLONE_NEWTIME), SucceedsWith(0));
                const Fd next = OpenNs("time_for_children");
                EXPECT_EQ(ioctl(next.get(), NS_GET_NSTYPE), CLONE_NEWTIME);
                EXPECT_THAT(setns(next.get(), CLONE_NEWTIME), SucceedsWith(0));
                EXPECT_EQ(LinkOf("time"), LinkOf("time_for_children"));
                EXPECT_NE(LinkOf("time"), link);
                EXPECT_THAT(setns(old.get(), 0), SucceedsWith(0));
                EXPECT_EQ(LinkOf("time"), link);
                EXPECT_EQ(LinkOf("time_for_children"), link);
                ScopedThread other(
                    [&] { EXPECT_THAT(setns(next.get(), CLONE_NEWTIME), FailsWith(EUSERS)); });
                other.Join();
              }),
              ExitedWith(0));
}

TEST(TimeNamespaceTest, Offsets) {
  EXPECT_THAT(InChild([] {
                const std::string zero =
                    "monotonic           0         0\nboottime            0         0\n";
                EXPECT_EQ(ReadFile("/proc/self/timens_offsets"), zero);
                const auto put = [](const std::string& text) {
                  const Fd fd = Open("/proc/self/timens_offsets", O_WRONLY);
                  return write(fd.get(), text.data(), text.size()) < 0 ? errno : 0;
                };
                // Not those of a namespace that somebody is in.
                EXPECT_EQ(put("monotonic 0 0"), EACCES);
                ASSERT_THAT(unshare(CLONE_NEWTIME), SucceedsWith(0));
                EXPECT_EQ(put("monotonic 0 0\nboottime 0 0\n"), 0);
                EXPECT_EQ(put("realtime 0 0"), EINVAL);
                EXPECT_EQ(put("monotonic 0"), EINVAL);
                EXPECT_EQ(put("monotonic 0 1000000000"), EINVAL);
                EXPECT_EQ(put("monotonic x 0"), EINVAL);
                EXPECT_THAT(InChild([] {}), ExitedWith(0));
                EXPECT_EQ(put("monotonic 0 0"), EACCES);
              }),
              ExitedWith(0));
}

TEST(TimeNamespaceTest, ThreadsShareTheClocks) {
  EXPECT_THAT(InChild([] {
                const std::string link = LinkOf("time");
                ASSERT_THAT(unshare(CLONE_NEWTIME), SucceedsWith(0));
                ScopedThread thread([&] { EXPECT_EQ(LinkOf("time", "thread-self"), link); });
                thread.Join();
              }),
              ExitedWith(0));
}

TEST(TimeNamespaceTest, NeedsPrivilege) {
  EXPECT_THAT(InChild([] {
                BecomeNobody();
                EXPECT_THAT(unshare(CLONE_NEWTIME), FailsWith(EPERM));
                EXPECT_THAT(unshare(CLONE_NEWUSER | CLONE_NEWTIME), SucceedsWith(0));
              }),
              ExitedWith(0));
}

TEST(SetnsTest, Errors) {
  Fd uts = OpenNs("uts");
  EXPECT_THAT(setns(-1, 0), FailsWith(EBADF));
  EXPECT_THAT(setns(uts.get(), CLONE_NEWIPC), FailsWith(EINVAL));
  EXPECT_THAT(setns(uts.get(), 1), FailsWith(EINVAL));
  PipeFds pipe = MakePipe();
  EXPECT_THAT(setns(pipe.reader.get(), 0), FailsWith(EINVAL));
  Fd user = OpenNs("user");
  EXPECT_THAT(setns(user.get(), 0), FailsWith(EINVAL));  // one cannot enter one's own
  for (const char* kind : {"uts", "ipc", "net", "mnt", "pid"}) {
    Fd fd = OpenNs(kind);
    EXPECT_THAT(InChild([&] { EXPECT_THAT(setns(fd.get(), 0), SucceedsWith(0)); }), ExitedWith(0))
        << kind;
    EXPECT_THAT(InChild([&] {
                  BecomeNobody();
                  EXPECT_THAT(setns(fd.get(), 0), FailsWith(EPERM));
                }),
                ExitedWith(0))
        << kind;
  }
}

TEST(SetnsTest, IpcOfAnotherProcess) {
  const key_t key = 0x40000000 + getpid();
  Event made, done;
  ScopedChild child([&] {
    ASSERT_THAT(unshare(CLONE_NEWIPC), SucceedsWith(0));
    EXPECT_THAT(shmget(key, 4096, IPC_CREAT | 0600), Succeeds());
    made.Signal();
    done.Wait();
  });
  made.Wait();
  EXPECT_THAT(InChild([&] {
                EXPECT_THAT(shmget(key, 4096, 0600), FailsWith(ENOENT));
                Fd fd = OpenNs("ipc", std::to_string(child.pid()));
                EXPECT_THAT(setns(fd.get(), CLONE_NEWIPC), SucceedsWith(0));
                EXPECT_THAT(shmget(key, 4096, 0600), Succeeds());
              }),
              ExitedWith(0));
  // All that a pidfd leads to, at once.
  EXPECT_THAT(InChild([&] {
                Fd fd(static_cast<int>(syscall(SYS_pidfd_open, child.pid(), 0)));
                EXPECT_THAT(setns(fd.get(), 0), FailsWith(EINVAL));
                EXPECT_THAT(setns(fd.get(), CLONE_NEWIPC | 1), FailsWith(EINVAL));
                EXPECT_THAT(setns(fd.get(), CLONE_NEWIPC | CLONE_NEWUTS), SucceedsWith(0));
                EXPECT_THAT(shmget(key, 4096, 0600), Succeeds());
              }),
              ExitedWith(0));
  done.Signal();
  EXPECT_THAT(child.Wait(), ExitedWith(0));
}

TEST(SetnsTest, MountsOfAnotherProcess) {
  TempDir dir;
  Event made, done;
  ScopedChild child([&] {
    ASSERT_THAT(unshare(CLONE_NEWNS), SucceedsWith(0));
    (void)mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    ASSERT_THAT(mount("t", dir.path().c_str(), "tmpfs", 0, nullptr), SucceedsWith(0));
    WriteFile(dir / "inside", "x");
    made.Signal();
    done.Wait();
  });
  made.Wait();
  EXPECT_THAT(InChild([&] {
                EXPECT_THAT(access(dir.c("inside"), F_OK), FailsWith(ENOENT));
                Fd fd = OpenNs("mnt", std::to_string(child.pid()));
                EXPECT_THAT(setns(fd.get(), CLONE_NEWNS), SucceedsWith(0));
                EXPECT_EQ(ReadFile(dir / "inside"), "x");
                char cwd[4096];
                EXPECT_THAT(getcwd(cwd, sizeof(cwd)), Succeeds());
                EXPECT_STREQ(cwd, "/");
              }),
              ExitedWith(0));
  // Threads would be torn apart.
  EXPECT_THAT(InChild([&] {
                Fd fd = OpenNs("mnt", std::to_string(child.pid()));
                Event stop;
                ScopedThread thread([&] { stop.Wait(); });
                EXPECT_THAT(setns(fd.get(), CLONE_NEWNS), FailsWith(EINVAL));
                stop.Signal();
              }),
              ExitedWith(0));
  done.Signal();
  EXPECT_THAT(child.Wait(), ExitedWith(0));
}

TEST(PidNamespaceTest, UnshareIsForTheChildren) {
  EXPECT_THAT(InChild([] {
                const pid_t pid = getpid();
                const std::string link = LinkOf("pid");
                ASSERT_THAT(unshare(CLONE_NEWPID), SucceedsWith(0));
                EXPECT_EQ(getpid(), pid);
                EXPECT_EQ(LinkOf("pid"), link);
                // Threads stay, so there can be none now.
                EXPECT_THAT(unshare(CLONE_NEWPID), FailsWith(EINVAL));
                EXPECT_THAT(syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, 0, 0, 0, 0),
                            FailsWith(EINVAL));
                Event go;
                ScopedChild init([&] {
                  EXPECT_EQ(getpid(), 1);
                  EXPECT_EQ(getppid(), 0);
                  go.Wait();
                });
                EXPECT_NE(LinkOf("pid_for_children"), link);
                EXPECT_EQ(LinkOf("pid", std::to_string(init.pid())), LinkOf("pid_for_children"));
                // The second child is not init.
                EXPECT_THAT(InChild([] { EXPECT_EQ(getpid(), 2); }), ExitedWith(0));
                go.Signal();
                EXPECT_THAT(init.Wait(), ExitedWith(0));
                // With its init, the namespace has ended.
                EXPECT_THAT(fork(), FailsWith(ENOMEM));
              }),
              ExitedWith(0));
}

TEST(PidNamespaceTest, SetnsLeadsDownwardsOnly) {
  EXPECT_THAT(InChild([] {
                Event ready, done;
                Fd outer = OpenNs("pid");
                ScopedChild helper([&] {
                  ASSERT_THAT(unshare(CLONE_NEWPID), SucceedsWith(0));
                  ScopedChild init([&] {
                    // Up is not possible.
                    EXPECT_THAT(setns(outer.get(), CLONE_NEWPID), FailsWith(EINVAL));
                    ready.Signal();
                    done.Wait();
                  });
                  EXPECT_THAT(init.Wait(), ExitedWith(0));
                });
                ready.Wait();
                Fd inner = OpenNs("pid_for_children", std::to_string(helper.pid()));
                Fd parent(ioctl(inner.get(), NS_GET_PARENT));
                struct stat a = {}, b = {};
                EXPECT_THAT(fstat(parent.get(), &a), SucceedsWith(0));
                EXPECT_THAT(fstat(outer.get(), &b), SucceedsWith(0));
                EXPECT_EQ(a.st_ino, b.st_ino);
                EXPECT_THAT(setns(inner.get(), CLONE_NEWPID), SucceedsWith(0));
                EXPECT_THAT(InChild([] { EXPECT_EQ(getpid(), 2); }), ExitedWith(0));
                // Back to its own.
                EXPECT_THAT(setns(outer.get(), CLONE_NEWPID), SucceedsWith(0));
                EXPECT_THAT(InChild([] { EXPECT_NE(getpid(), 3); }), ExitedWith(0));
                done.Signal();
                EXPECT_THAT(helper.Wait(), ExitedWith(0));
              }),
              ExitedWith(0));
}

TEST(PidNamespaceTest, InitIgnoresWhatItHasNoHandlerFor) {
  EXPECT_THAT(InChild([] {
                ASSERT_THAT(unshare(CLONE_NEWPID), SucceedsWith(0));
                EXPECT_THAT(InChild([] {
                              EXPECT_THAT(kill(getpid(), SIGTERM), SucceedsWith(0));
                              EXPECT_THAT(kill(getpid(), SIGKILL), SucceedsWith(0));
                            }),
                            ExitedWith(0));
              }),
              ExitedWith(0));
}

}  // namespace
}  // namespace cvisor::test
