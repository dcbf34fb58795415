// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// inotify(7).
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

struct Seen {
  int wd;
  uint32_t mask;
  std::string name;
  uint32_t cookie;
};

class InotifyTest : public testing::Test {
 protected:
  InotifyTest() : fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    EXPECT_GE(fd_.get(), 0);
    WriteFile(dir_ / "file", "x");
  }
  int Watch(const std::string& path, uint32_t mask) {
    return inotify_add_watch(fd_.get(), path.c_str(), mask);
  }
  std::vector<Seen> Read() {
    alignas(8) char buffer[8192];
    std::vector<Seen> seen;
    const ssize_t n = read(fd_.get(), buffer, sizeof buffer);
    for (ssize_t at = 0; at < n;) {
      const auto* e = reinterpret_cast<inotify_event*>(buffer + at);
      seen.push_back({e->wd, e->mask, e->len ? e->name : "", e->cookie});
      at += static_cast<ssize_t>(sizeof *e + e->len);
    }
    return seen;
  }
  // "mask:name" of each event.
  std::vector<std::string> Names() {
    std::vector<std::string> result;
    for (const Seen& s : Read()) {
      char b[16];
      snprintf(b, sizeof b, "%x:", s.mask);
      result.push_back(b + s.name);
    }
    return result;
  }
  std::string E(uint32_t mask, const std::string& name = "") {
    char b[16];
    snprintf(b, sizeof b, "%x:", mask);
    return b + name;
  }
  TempDir dir_;
  Fd fd_;
};

TEST_F(InotifyTest, DirectoryEvents) {
  EXPECT_THAT(Watch(dir_.path(), IN_ALL_EVENTS), SucceedsWith(1));
  WriteFile(dir_ / "new", "data");
  EXPECT_EQ(Names(), (std::vector<std::string>{E(IN_CREATE, "new"), E(IN_OPEN, "new"),
                                               E(IN_MODIFY, "new"), E(IN_CLOSE_WRITE, "new")}));
  ReadFile(dir_ / "new");
  EXPECT_EQ(Names(), (std::vector<std::string>{E(IN_OPEN, "new"), E(IN_ACCESS, "new"),
                                               E(IN_CLOSE_NOWRITE, "new")}));
  EXPECT_EQ(chmod(dir_.c("new"), 0600), 0);
  EXPECT_EQ(mkdir(dir_.c("sub"), 0755), 0);
  EXPECT_EQ(rmdir(dir_.c("sub")), 0);
  EXPECT_EQ(unlink(dir_.c("new")), 0);
  EXPECT_EQ(Names(),
            (std::vector<std::string>{E(IN_ATTRIB, "new"), E(IN_CREATE | IN_ISDIR, "sub"),
                                      E(IN_DELETE | IN_ISDIR, "sub"), E(IN_DELETE, "new")}));
}

TEST_F(InotifyTest, RenamesHaveACookie) {
  EXPECT_THAT(Watch(dir_.path(), IN_MOVE), SucceedsWith(1));
  EXPECT_EQ(rename(dir_.c("file"), dir_.c("moved")), 0);
  const std::vector<Seen> seen = Read();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].mask, unsigned{IN_MOVED_FROM});
  EXPECT_EQ(seen[0].name, "file");
  EXPECT_EQ(seen[1].mask, unsigned{IN_MOVED_TO});
  EXPECT_EQ(seen[1].name, "moved");
  EXPECT_NE(seen[0].cookie, 0u);
  EXPECT_EQ(seen[0].cookie, seen[1].cookie);
}

TEST_F(InotifyTest, FileEventsUpToItsEnd) {
  EXPECT_THAT(Watch(dir_ / "file", IN_ATTRIB | IN_DELETE_SELF | IN_MODIFY | IN_MOVE_SELF),
              SucceedsWith(1));
  EXPECT_EQ(truncate(dir_.c("file"), 0), 0);
  EXPECT_EQ(rename(dir_.c("file"), dir_.c("f2")), 0);
  EXPECT_EQ(unlink(dir_.c("f2")), 0);
  EXPECT_EQ(Names(), (std::vector<std::string>{E(IN_MODIFY), E(IN_MOVE_SELF), E(IN_ATTRIB),
                                               E(IN_DELETE_SELF), E(IN_IGNORED)}));
  EXPECT_THAT(inotify_rm_watch(fd_.get(), 1), FailsWith(EINVAL));
}

TEST_F(InotifyTest, EqualEventsAreMerged) {
  EXPECT_THAT(Watch(dir_ / "file", IN_MODIFY), SucceedsWith(1));
  Fd f = Open(dir_ / "file", O_WRONLY);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(write(f.get(), "x", 1), 1);
  EXPECT_EQ(Names(), (std::vector<std::string>{E(IN_MODIFY)}));
}

TEST_F(InotifyTest, WatchDescriptorsAndMasks) {
  const int a = Watch(dir_ / "file", IN_MODIFY);
  EXPECT_EQ(a, 1);
  // The same object: the same watch, whose mask is replaced or extended.
  EXPECT_THAT(Watch(dir_ / "file", IN_ATTRIB), SucceedsWith(a));
  EXPECT_EQ(truncate(dir_.c("file"), 0), 0);
  EXPECT_EQ(Names(), std::vector<std::string>());
  EXPECT_THAT(Watch(dir_ / "file", IN_MODIFY | IN_MASK_ADD), SucceedsWith(a));
  EXPECT_EQ(truncate(dir_.c("file"), 1), 0);
  EXPECT_EQ(chmod(dir_.c("file"), 0600), 0);
  EXPECT_EQ(Names(), (std::vector<std::string>{E(IN_MODIFY), E(IN_ATTRIB)}));
  EXPECT_THAT(Watch(dir_ / "file", IN_MODIFY | IN_MASK_CREATE), FailsWith(EEXIST));
  EXPECT_THAT(inotify_rm_watch(fd_.get(), a), SucceedsWith(0));
  EXPECT_EQ(Names(), (std::vector<std::string>{E(IN_IGNORED)}));
  // Numbers are not used again.
  EXPECT_THAT(Watch(dir_ / "file", IN_ATTRIB), SucceedsWith(2));
}

TEST_F(InotifyTest, OneShotAndOnlyDir) {
  EXPECT_THAT(Watch(dir_ / "file", IN_MODIFY | IN_ONLYDIR), FailsWith(ENOTDIR));
  EXPECT_THAT(Watch(dir_ / "file", IN_MODIFY | IN_ONESHOT), SucceedsWith(1));
  EXPECT_EQ(truncate(dir_.c("file"), 0), 0);
  EXPECT_EQ(truncate(dir_.c("file"), 1), 0);
  EXPECT_EQ(Names(), (std::vector<std::string>{E(IN_MODIFY), E(IN_IGNORED)}));
}

TEST_F(InotifyTest, Errors) {
  EXPECT_THAT(inotify_init1(0x100), FailsWith(EINVAL));
  EXPECT_THAT(Watch(dir_ / "missing", IN_MODIFY), FailsWith(ENOENT));
  EXPECT_THAT(Watch(dir_ / "file", 0), FailsWith(EINVAL));
  EXPECT_THAT(inotify_add_watch(0, dir_.c("file"), IN_MODIFY), FailsWith(EINVAL));
  EXPECT_THAT(inotify_add_watch(-1, dir_.c("file"), IN_MODIFY), FailsWith(EBADF));
  EXPECT_THAT(inotify_rm_watch(fd_.get(), 99), FailsWith(EINVAL));
  char b[64];
  EXPECT_THAT(read(fd_.get(), b, sizeof b), FailsWith(EAGAIN));
  EXPECT_THAT(Watch(dir_.path(), IN_CREATE), SucceedsWith(1));
  WriteFile(dir_ / "new", "");
  EXPECT_THAT(read(fd_.get(), b, 16), FailsWith(EINVAL));
  EXPECT_THAT(write(fd_.get(), b, 1), FailsWith(EBADF));
}

TEST_F(InotifyTest, PollAndFionread) {
  EXPECT_THAT(Watch(dir_.path(), IN_CREATE), SucceedsWith(1));
  EXPECT_EQ(Poll(fd_.get(), POLLIN), 0);
  WriteFile(dir_ / "new", "");
  EXPECT_EQ(Poll(fd_.get(), POLLIN), POLLIN);
  int n = 0;
  EXPECT_THAT(ioctl(fd_.get(), FIONREAD, &n), SucceedsWith(0));
  EXPECT_EQ(n, 32);
}

TEST_F(InotifyTest, SymlinkTargets) {
  EXPECT_EQ(symlink("file", dir_.c("link")), 0);
  EXPECT_THAT(Watch(dir_ / "link", IN_MODIFY), SucceedsWith(1));
  EXPECT_THAT(Watch(dir_ / "file", IN_MODIFY), SucceedsWith(1));
  EXPECT_THAT(Watch(dir_ / "link", IN_ATTRIB | IN_DONT_FOLLOW), SucceedsWith(2));
}

TEST_F(InotifyTest, EventsFromOtherProcessesWakeAReader) {
  EXPECT_THAT(fcntl(fd_.get(), F_SETFL, 0), SucceedsWith(0));
  EXPECT_THAT(Watch(dir_.path(), IN_CREATE), SucceedsWith(1));
  std::vector<std::string> names;
  ScopedThread thread([&] { names = Names(); });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  EXPECT_THAT(InChild([&] { WriteFile(dir_ / "child", ""); }), ExitedWith(0));
  thread.Join();
  EXPECT_EQ(names, (std::vector<std::string>{E(IN_CREATE, "child")}));
}

}  // namespace
}  // namespace cvisor::test
