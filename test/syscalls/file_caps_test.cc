// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// File capabilities: the attribute security.capability of programs, capabilities(7).
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include <cstring>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

constexpr char kXattr[] = "security.capability";
constexpr uint32_t kEffective = VFS_CAP_FLAGS_EFFECTIVE;
constexpr uint32_t Bit(int cap) { return 1u << cap; }

// `cat`, which shows its own /proc/self/status.
class FileCapsTest : public ::testing::Test {
 protected:
  FileCapsTest() {
    EXPECT_EQ(chmod(dir_.path().c_str(), 0755), 0);
    WriteFile(path_, ReadFile("/bin/cat"), 0755);
    EXPECT_EQ(chmod(path_.c_str(), 0755), 0);
  }

  int Set(uint32_t flags, uint32_t permitted, uint32_t inheritable = 0) {
    const vfs_cap_data data = {VFS_CAP_REVISION_2 | flags, {{permitted, inheritable}, {0, 0}}};
    return setxattr(path_.c_str(), kXattr, &data, XATTR_CAPS_SZ_2, 0);
  }
  bool Has() {
    char value[64];
    return getxattr(path_.c_str(), kXattr, value, sizeof(value)) > 0;
  }

  struct Sets {
    uint64_t permitted, effective, ambient, inheritable;
  };
  // Runs it as an ordinary user after `prepare`; its capabilities.
  Sets Run(const std::function<void()>& prepare = [] { BecomeNobody(); }) {
    PipeFds pipe = MakePipe();
    ScopedChild child([&] {
      dup2(pipe.writer.get(), 1);
      prepare();
      ExitIfFailed();
      execl(path_.c_str(), "cat", "/proc/self/status", nullptr);
      _exit(errno);
    });
    pipe.writer.reset();
    const std::string text = ReadAll(pipe.reader.get());
    status_ = child.Wait();
    const auto field = [&](const char* name) -> uint64_t {
      const size_t at = text.find(name);
      return at == std::string::npos ? ~uint64_t{0}
                                     : strtoull(text.c_str() + at + strlen(name), nullptr, 16);
    };
    return {field("CapPrm:"), field("CapEff:"), field("CapAmb:"), field("CapInh:")};
  }

  TempDir dir_;
  const std::string path_ = dir_ / "cat";
  int status_ = 0;
};

// Gives the calling process an inheritable capability, and keeps all but the ids.
void KeepInheritable(uint32_t inheritable) {
  EXPECT_THAT(prctl(PR_SET_KEEPCAPS, 1), SucceedsWith(0));
  EXPECT_THAT(setresgid(1, 1, 1), SucceedsWith(0));
  EXPECT_THAT(setresuid(1, 1, 1), SucceedsWith(0));
  __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct d[2] = {};
  d[0] = {0, inheritable, inheritable};
  EXPECT_THAT(syscall(SYS_capset, &h, d), SucceedsWith(0));
}

TEST_F(FileCapsTest, NoneByDefault) {
  const Sets s = Run();
  EXPECT_EQ(s.permitted, 0u);
  EXPECT_EQ(s.effective, 0u);
}

TEST_F(FileCapsTest, PermittedAndEffective) {
  ASSERT_THAT(Set(kEffective, Bit(CAP_KILL) | Bit(CAP_CHOWN)), SucceedsWith(0));
  const Sets s = Run();
  EXPECT_EQ(s.permitted, Bit(CAP_KILL) | Bit(CAP_CHOWN));
  EXPECT_EQ(s.effective, Bit(CAP_KILL) | Bit(CAP_CHOWN));
  EXPECT_THAT(status_, ExitedWith(0));
}

TEST_F(FileCapsTest, PermittedOnly) {
  ASSERT_THAT(Set(0, Bit(CAP_KILL)), SucceedsWith(0));
  const Sets s = Run();
  EXPECT_EQ(s.permitted, Bit(CAP_KILL));
  EXPECT_EQ(s.effective, 0u);
}

TEST_F(FileCapsTest, HighCapabilities) {
  const vfs_cap_data data = {VFS_CAP_REVISION_2 | kEffective, {{0, 0}, {Bit(CAP_SYSLOG - 32), 0}}};
  ASSERT_THAT(setxattr(path_.c_str(), kXattr, &data, XATTR_CAPS_SZ_2, 0), SucceedsWith(0));
  EXPECT_EQ(Run().effective, uint64_t{1} << CAP_SYSLOG);
}

TEST_F(FileCapsTest, Inheritable) {
  ASSERT_THAT(Set(kEffective, 0, Bit(CAP_KILL) | Bit(CAP_CHOWN)), SucceedsWith(0));
  EXPECT_EQ(Run().permitted, 0u);
  const Sets s = Run([] { KeepInheritable(Bit(CAP_KILL)); });
  EXPECT_EQ(s.permitted, Bit(CAP_KILL));
  EXPECT_EQ(s.effective, Bit(CAP_KILL));
  EXPECT_EQ(s.inheritable, Bit(CAP_KILL));
}

TEST_F(FileCapsTest, TheBoundingSetLimits) {
  ASSERT_THAT(Set(0, Bit(CAP_KILL) | Bit(CAP_CHOWN)), SucceedsWith(0));
  EXPECT_EQ(Run([] {
              prctl(PR_CAPBSET_DROP, CAP_KILL);
              BecomeNobody();
            }).permitted,
            Bit(CAP_CHOWN));
}

TEST_F(FileCapsTest, NotAPartOfWhatIsNeeded) {
  ASSERT_THAT(Set(kEffective, Bit(CAP_KILL) | Bit(CAP_CHOWN)), SucceedsWith(0));
  Run([] {
    prctl(PR_CAPBSET_DROP, CAP_KILL);
    BecomeNobody();
  });
  EXPECT_THAT(status_, ExitedWith(EPERM));
}

TEST_F(FileCapsTest, NoNewPrivileges) {
  ASSERT_THAT(Set(kEffective, Bit(CAP_KILL)), SucceedsWith(0));
  const Sets s = Run([] {
    BecomeNobody();
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  });
  EXPECT_EQ(s.permitted, 0u);
  EXPECT_EQ(s.effective, 0u);
  EXPECT_THAT(status_, ExitedWith(0));
}

TEST_F(FileCapsTest, AmbientOnesGo) {
  const auto with_ambient = [] {
    KeepInheritable(Bit(CAP_KILL));
    EXPECT_THAT(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0), SucceedsWith(0));
  };
  EXPECT_EQ(Run(with_ambient).ambient, Bit(CAP_KILL));
  ASSERT_THAT(Set(kEffective, Bit(CAP_CHOWN)), SucceedsWith(0));
  const Sets s = Run(with_ambient);
  EXPECT_EQ(s.ambient, 0u);
  EXPECT_EQ(s.permitted, Bit(CAP_CHOWN));
}

TEST_F(FileCapsTest, EmptyOnesTakeAmbientOnesAway) {
  ASSERT_THAT(Set(0, 0), SucceedsWith(0));
  const Sets s = Run([] {
    KeepInheritable(Bit(CAP_KILL));
    EXPECT_THAT(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0), SucceedsWith(0));
  });
  EXPECT_EQ(s.ambient, 0u);
  EXPECT_EQ(s.permitted, 0u);
}

TEST_F(FileCapsTest, RootHasAllAnyway) {
  ASSERT_THAT(Set(0, Bit(CAP_KILL)), SucceedsWith(0));
  const Sets s = Run([] {});
  EXPECT_EQ(s.permitted, s.effective);
  EXPECT_NE(s.permitted & Bit(CAP_CHOWN), 0u);
}

TEST_F(FileCapsTest, RootWithoutItsRules) {
  ASSERT_THAT(Set(kEffective, Bit(CAP_KILL)), SucceedsWith(0));
  const Sets s = Run([] { EXPECT_THAT(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT), SucceedsWith(0)); });
  EXPECT_EQ(s.permitted, Bit(CAP_KILL));
  EXPECT_EQ(s.effective, Bit(CAP_KILL));
}

TEST_F(FileCapsTest, SetUserIdRootWithCapabilities) {
  ASSERT_THAT(Set(kEffective, Bit(CAP_KILL)), SucceedsWith(0));
  ASSERT_THAT(chmod(path_.c_str(), 04755), SucceedsWith(0));
  const Sets s = Run();
  EXPECT_EQ(s.permitted, Bit(CAP_KILL));  // the file's own, not root's
}

TEST_F(FileCapsTest, DamagedOnes) {
  // Linux does not let anybody store such a thing.
  const vfs_cap_data data = {VFS_CAP_REVISION_2, {}};
  EXPECT_THAT(setxattr(path_.c_str(), kXattr, &data, XATTR_CAPS_SZ_2 - 4, 0), FailsWith(EINVAL));
  EXPECT_THAT(setxattr(path_.c_str(), kXattr, &data, 3, 0), FailsWith(EINVAL));
  const vfs_cap_data unknown = {0x09000000, {}};
  EXPECT_THAT(setxattr(path_.c_str(), kXattr, &unknown, XATTR_CAPS_SZ_2, 0), FailsWith(EINVAL));
  const vfs_cap_data old = {VFS_CAP_REVISION_1, {}};
  EXPECT_THAT(setxattr(path_.c_str(), kXattr, &old, XATTR_CAPS_SZ_1, 0), FailsWith(EINVAL));
  EXPECT_FALSE(Has());
}

TEST_F(FileCapsTest, AnEmptyAttribute) {
  ASSERT_THAT(setxattr(path_.c_str(), kXattr, "", 0, 0), SucceedsWith(0));
  char value[64];
  EXPECT_THAT(getxattr(path_.c_str(), kXattr, value, sizeof(value)), FailsWith(EINVAL));
  Run();
  EXPECT_THAT(status_, ExitedWith(EINVAL));
}

TEST_F(FileCapsTest, WhoMaySetThem) {
  EXPECT_THAT(InChild([&] {
                DropCapability(CAP_SYS_ADMIN);  // which other security.* need
                EXPECT_THAT(Set(0, Bit(CAP_KILL)), SucceedsWith(0));
                DropCapability(CAP_SETFCAP);
                EXPECT_THAT(Set(0, Bit(CAP_KILL)), FailsWith(EPERM));
                EXPECT_THAT(removexattr(path_.c_str(), kXattr), FailsWith(EPERM));
                EXPECT_TRUE(Has());
                BecomeNobody();
                EXPECT_THAT(Set(0, Bit(CAP_KILL)), FailsWith(EPERM));
                EXPECT_TRUE(Has());  // everybody may look
              }),
              ExitedWith(0));
}

TEST_F(FileCapsTest, TheAttribute) {
  ASSERT_THAT(Set(kEffective, Bit(CAP_KILL)), SucceedsWith(0));
  vfs_cap_data data = {};
  EXPECT_THAT(getxattr(path_.c_str(), kXattr, &data, sizeof(data)), SucceedsWith(XATTR_CAPS_SZ_2));
  EXPECT_EQ(data.magic_etc, VFS_CAP_REVISION_2 | kEffective);
  EXPECT_EQ(data.data[0].permitted, Bit(CAP_KILL));
  EXPECT_THAT(getxattr(path_.c_str(), kXattr, nullptr, 0), SucceedsWith(XATTR_CAPS_SZ_2));
  EXPECT_THAT(getxattr(path_.c_str(), kXattr, &data, 4), FailsWith(ERANGE));
  EXPECT_THAT(removexattr(path_.c_str(), kXattr), SucceedsWith(0));
  EXPECT_THAT(getxattr(path_.c_str(), kXattr, &data, sizeof(data)), FailsWith(ENODATA));
}

// ---- They go with every change of the file ------------------------------------------------

TEST_F(FileCapsTest, WriteDropsThem) {
  ASSERT_THAT(Set(kEffective, Bit(CAP_KILL)), SucceedsWith(0));
  Fd fd = Open(path_, O_WRONLY);
  EXPECT_TRUE(Has());  // not yet
  EXPECT_THAT(pwrite(fd.get(), "", 0, 0), SucceedsWith(0));
  EXPECT_TRUE(Has());
  EXPECT_THAT(pwrite(fd.get(), "\x7f", 1, 0), SucceedsWith(1));
  EXPECT_FALSE(Has());
  fd.reset();
  EXPECT_EQ(Run().permitted, 0u);
}

TEST_F(FileCapsTest, TruncateDropsThem) {
  ASSERT_THAT(Set(0, Bit(CAP_KILL)), SucceedsWith(0));
  EXPECT_THAT(truncate(path_.c_str(), 100), SucceedsWith(0));
  EXPECT_FALSE(Has());
  ASSERT_THAT(Set(0, Bit(CAP_KILL)), SucceedsWith(0));
  Fd fd = Open(path_, O_WRONLY);
  EXPECT_THAT(ftruncate(fd.get(), 50), SucceedsWith(0));
  EXPECT_FALSE(Has());
  ASSERT_THAT(Set(0, Bit(CAP_KILL)), SucceedsWith(0));
  Open(path_, O_WRONLY | O_TRUNC);
  EXPECT_FALSE(Has());
}

TEST_F(FileCapsTest, ChownDropsThem) {
  ASSERT_THAT(Set(0, Bit(CAP_KILL)), SucceedsWith(0));
  EXPECT_THAT(chown(path_.c_str(), 1, 1), SucceedsWith(0));
  EXPECT_FALSE(Has());
}

TEST_F(FileCapsTest, ChmodAndRenameDoNot) {
  ASSERT_THAT(Set(0, Bit(CAP_KILL)), SucceedsWith(0));
  EXPECT_THAT(chmod(path_.c_str(), 0711), SucceedsWith(0));
  EXPECT_TRUE(Has());
  EXPECT_THAT(rename(path_.c_str(), dir_.c("x")), SucceedsWith(0));
  EXPECT_THAT(rename(dir_.c("x"), path_.c_str()), SucceedsWith(0));
  EXPECT_TRUE(Has());
}

// ---- User namespaces ------------------------------------------------------------------------

TEST_F(FileCapsTest, OfAUserNamespace) {
  const vfs_ns_cap_data mine = {VFS_CAP_REVISION_3 | kEffective, {{Bit(CAP_KILL), 0}, {0, 0}}, 0};
  ASSERT_THAT(setxattr(path_.c_str(), kXattr, &mine, sizeof(mine), 0), SucceedsWith(0));
  EXPECT_EQ(Run().effective, Bit(CAP_KILL));
  // Those of a namespace whose root is user 5000 are nothing here.
  const vfs_ns_cap_data other = {
      VFS_CAP_REVISION_3 | kEffective, {{Bit(CAP_KILL), 0}, {0, 0}}, 5000};
  ASSERT_THAT(setxattr(path_.c_str(), kXattr, &other, sizeof(other), 0), SucceedsWith(0));
  EXPECT_EQ(Run().effective, 0u);
  vfs_ns_cap_data data = {};
  EXPECT_THAT(getxattr(path_.c_str(), kXattr, &data, sizeof(data)), SucceedsWith(sizeof(data)));
  EXPECT_EQ(data.rootid, 5000u);
}

TEST_F(FileCapsTest, SetInAUserNamespace) {
  ASSERT_THAT(chown(path_.c_str(), 1000, 1000), SucceedsWith(0));
  EXPECT_THAT(chmod(dir_.path().c_str(), 0777), SucceedsWith(0));
  EXPECT_THAT(InChild([&] {
                EXPECT_THAT(setresgid(1000, 1000, 1000), SucceedsWith(0));
                EXPECT_THAT(setresuid(1000, 1000, 1000), SucceedsWith(0));
                EXPECT_THAT(prctl(PR_SET_DUMPABLE, 1), SucceedsWith(0));
                ASSERT_THAT(unshare(CLONE_NEWUSER), SucceedsWith(0));
                WriteFile("/proc/self/setgroups", "deny");
                WriteFile("/proc/self/uid_map", "0 1000 1");
                WriteFile("/proc/self/gid_map", "0 1000 1");
                EXPECT_THAT(Set(kEffective, Bit(CAP_KILL)), SucceedsWith(0));
                vfs_ns_cap_data data = {};
                EXPECT_THAT(getxattr(path_.c_str(), kXattr, &data, sizeof(data)),
                            SucceedsWith(XATTR_CAPS_SZ_2));
              }),
              ExitedWith(0));
  // Outside it is that namespace's.
  vfs_ns_cap_data data = {};
  EXPECT_THAT(getxattr(path_.c_str(), kXattr, &data, sizeof(data)), SucceedsWith(sizeof(data)));
  EXPECT_EQ(data.rootid, 1000u);
  EXPECT_EQ(Run().effective, 0u);
}

}  // namespace
}  // namespace cvisor::test
