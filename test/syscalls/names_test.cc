// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// Names: link(2), unlink(2), rename(2), symlink(2), mkdir(2), rmdir(2), mknod(2),
// getdents(2), chdir(2), getcwd(2), chroot(2).
#include <dirent.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <set>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

class NamesTest : public testing::Test {
 protected:
  NamesTest() {
    WriteFile(dir_ / "file", "file");
    EXPECT_EQ(mkdir(dir_.c("dir"), 0755), 0);
    EXPECT_EQ(mkdir(dir_.c("full"), 0755), 0);
    WriteFile(dir_ / "full/x", "x");
    EXPECT_EQ(symlink("file", dir_.c("link")), 0);
    EXPECT_EQ(symlink("missing", dir_.c("dangling")), 0);
    EXPECT_EQ(symlink("dir", dir_.c("dirlink")), 0);
  }
  struct stat Stat(const std::string& name) {
    struct stat st = {};
    EXPECT_THAT(lstat(dir_.c(name), &st), SucceedsWith(0)) << name;
    return st;
  }
  bool Exists(const std::string& name) {
    struct stat st;
    return lstat(dir_.c(name), &st) == 0;
  }
  TempDir dir_;
};

TEST_F(NamesTest, HardLinksShareTheInode) {
  EXPECT_THAT(link(dir_.c("file"), dir_.c("other")), SucceedsWith(0));
  EXPECT_EQ(Stat("file").st_ino, Stat("other").st_ino);
  EXPECT_EQ(Stat("file").st_nlink, 2u);
  WriteFile(dir_ / "other", "changed");
  EXPECT_EQ(ReadFile(dir_ / "file"), "changed");
  EXPECT_THAT(unlink(dir_.c("file")), SucceedsWith(0));
  EXPECT_EQ(Stat("other").st_nlink, 1u);
  EXPECT_EQ(ReadFile(dir_ / "other"), "changed");
}

TEST_F(NamesTest, LinkErrors) {
  EXPECT_THAT(link(dir_.c("missing"), dir_.c("new")), FailsWith(ENOENT));
  EXPECT_THAT(link(dir_.c("file"), dir_.c("dir")), FailsWith(EEXIST));
  EXPECT_THAT(link(dir_.c("file"), dir_.c("dangling")), FailsWith(EEXIST));
  EXPECT_THAT(link(dir_.c("file"), dir_.c("missing/x")), FailsWith(ENOENT));
  EXPECT_THAT(link(dir_.c("dir"), dir_.c("new")), FailsWith(EPERM));
  EXPECT_THAT(link(dir_.c("file"), "/dev/new"), FailsWith(EXDEV));
  EXPECT_THAT(link(dir_.c("file"), dir_.c("new/")), FailsWith(ENOENT));
  EXPECT_THAT(linkat(AT_FDCWD, dir_.c("file"), AT_FDCWD, dir_.c("new"), 0x8000000),
              FailsWith(EINVAL));
}

TEST_F(NamesTest, LinkOfSymlink) {
  // link() links the symlink itself, unless asked to follow it.
  EXPECT_THAT(link(dir_.c("link"), dir_.c("l2")), SucceedsWith(0));
  EXPECT_TRUE(S_ISLNK(Stat("l2").st_mode));
  EXPECT_THAT(linkat(AT_FDCWD, dir_.c("link"), AT_FDCWD, dir_.c("f2"), AT_SYMLINK_FOLLOW),
              SucceedsWith(0));
  EXPECT_EQ(Stat("f2").st_ino, Stat("file").st_ino);
}

TEST_F(NamesTest, LinkByDescriptor) {
  Fd fd = Open(dir_ / "file", O_RDONLY);
  EXPECT_THAT(linkat(fd.get(), "", AT_FDCWD, dir_.c("new"), AT_EMPTY_PATH), SucceedsWith(0));
  EXPECT_EQ(Stat("new").st_ino, Stat("file").st_ino);
  EXPECT_THAT(linkat(fd.get(), "", AT_FDCWD, dir_.c("new2"), 0), FailsWith(ENOENT));
}

TEST_F(NamesTest, UnlinkErrors) {
  EXPECT_THAT(unlink(dir_.c("missing")), FailsWith(ENOENT));
  EXPECT_THAT(unlink(dir_.c("dir")), FailsWith(EISDIR));
  EXPECT_THAT(unlink(dir_.c("file/x")), FailsWith(ENOTDIR));
  EXPECT_THAT(unlink(dir_.c("file/")), FailsWith(ENOTDIR));
  EXPECT_THAT(unlink(dir_.c("link/")), FailsWith(ENOTDIR));
  EXPECT_THAT(unlink(""), FailsWith(ENOENT));
  EXPECT_THAT(unlinkat(AT_FDCWD, dir_.c("file"), 0x1), FailsWith(EINVAL));
  EXPECT_THAT(unlink(dir_.c("link")), SucceedsWith(0));
  EXPECT_TRUE(Exists("file"));
}

TEST_F(NamesTest, MkdirAndRmdir) {
  EXPECT_THAT(mkdir(dir_.c("new/"), 0755), SucceedsWith(0));
  EXPECT_EQ(Stat("new").st_nlink, 2u);
  const nlink_t links = Stat(".").st_nlink;
  EXPECT_THAT(rmdir(dir_.c("new")), SucceedsWith(0));
  EXPECT_EQ(Stat(".").st_nlink, links - 1);
  EXPECT_THAT(mkdir(dir_.c("dir"), 0755), FailsWith(EEXIST));
  EXPECT_THAT(mkdir(dir_.c("file"), 0755), FailsWith(EEXIST));
  EXPECT_THAT(mkdir(dir_.c("dangling"), 0755), FailsWith(EEXIST));
  EXPECT_THAT(mkdir(dir_.c("missing/x"), 0755), FailsWith(ENOENT));
  EXPECT_THAT(mkdir(dir_.c("file/x"), 0755), FailsWith(ENOTDIR));
  EXPECT_THAT(mkdir(dir_.c("dir/."), 0755), FailsWith(EEXIST));
  EXPECT_THAT(mkdir("/", 0755), FailsWith(EEXIST));
  EXPECT_THAT(mkdir("", 0755), FailsWith(ENOENT));
}

TEST_F(NamesTest, RmdirErrors) {
  EXPECT_THAT(rmdir(dir_.c("full")), FailsWith(ENOTEMPTY));
  EXPECT_THAT(rmdir(dir_.c("file")), FailsWith(ENOTDIR));
  EXPECT_THAT(rmdir(dir_.c("dirlink")), FailsWith(ENOTDIR));
  EXPECT_THAT(rmdir(dir_.c("dirlink/")), FailsWith(ENOTDIR));
  EXPECT_THAT(rmdir(dir_.c("missing")), FailsWith(ENOENT));
  EXPECT_THAT(rmdir(dir_.c("dir/.")), FailsWith(EINVAL));
  EXPECT_THAT(rmdir(dir_.c("full/..")), FailsWith(ENOTEMPTY));
  EXPECT_THAT(rmdir("/"), FailsWith(EBUSY));
  EXPECT_THAT(unlinkat(AT_FDCWD, dir_.c("dir"), AT_REMOVEDIR), SucceedsWith(0));
}

TEST_F(NamesTest, NewDirectoriesInheritTheSetGroupBit) {
  EXPECT_THAT(chown(dir_.c("dir"), 0, 12345), SucceedsWith(0));
  EXPECT_THAT(chmod(dir_.c("dir"), 02755), SucceedsWith(0));
  EXPECT_THAT(mkdir(dir_.c("dir/sub"), 0700), SucceedsWith(0));
  EXPECT_EQ(Stat("dir/sub").st_gid, 12345u);
  EXPECT_EQ(Stat("dir/sub").st_mode, S_IFDIR | 02700u);
  WriteFile(dir_ / "dir/f", "");
  EXPECT_EQ(Stat("dir/f").st_gid, 12345u);
}

TEST_F(NamesTest, MkdirUsesTheUmask) {
  const mode_t old = umask(077);
  EXPECT_THAT(mkdir(dir_.c("new"), 01777), SucceedsWith(0));
  umask(old);
  EXPECT_EQ(Stat("new").st_mode, S_IFDIR | 01700u);
}

TEST_F(NamesTest, RenameReplacesFiles) {
  WriteFile(dir_ / "old", "old");
  const ino_t ino = Stat("old").st_ino;
  EXPECT_THAT(rename(dir_.c("old"), dir_.c("file")), SucceedsWith(0));
  EXPECT_FALSE(Exists("old"));
  EXPECT_EQ(Stat("file").st_ino, ino);
  EXPECT_EQ(ReadFile(dir_ / "file"), "old");
}

TEST_F(NamesTest, RenameMatrix) {
  // From and to: what happens on Linux.
  EXPECT_THAT(rename(dir_.c("missing"), dir_.c("x")), FailsWith(ENOENT));
  EXPECT_THAT(rename(dir_.c("file"), dir_.c("dir")), FailsWith(EISDIR));
  EXPECT_THAT(rename(dir_.c("dir"), dir_.c("file")), FailsWith(ENOTDIR));
  EXPECT_THAT(rename(dir_.c("dir"), dir_.c("full")), FailsWith(ENOTEMPTY));
  EXPECT_THAT(rename(dir_.c("dir"), dir_.c("dir/sub")), FailsWith(EINVAL));
  EXPECT_THAT(rename(dir_.c("dir"), dir_.c("dir/sub/sub")), FailsWith(ENOENT));
  EXPECT_THAT(rename(dir_.c("full/x"), dir_.c("full")), FailsWith(ENOTEMPTY));
  EXPECT_THAT(rename(dir_.c("file/"), dir_.c("x")), FailsWith(ENOTDIR));
  EXPECT_THAT(rename(dir_.c("file"), dir_.c("x/")), FailsWith(ENOTDIR));
  EXPECT_THAT(rename(dir_.c("dir/."), dir_.c("x")), FailsWith(EBUSY));
  EXPECT_THAT(rename(dir_.c("dir"), dir_.c("full/..")), FailsWith(EBUSY));
  EXPECT_THAT(rename("/", dir_.c("x")), FailsWith(EBUSY));
  EXPECT_THAT(rename(dir_.c("file"), "/proc/x"), FailsWith(EXDEV));
  EXPECT_THAT(rename(dir_.c("full"), dir_.c("dir")), SucceedsWith(0));
  EXPECT_EQ(ReadFile(dir_ / "dir/x"), "x");
  EXPECT_THAT(rename(dir_.c("dir"), dir_.c("moved/")), SucceedsWith(0));
}

TEST_F(NamesTest, RenameOfSymlinksMovesTheLink) {
  EXPECT_THAT(rename(dir_.c("link"), dir_.c("moved")), SucceedsWith(0));
  EXPECT_TRUE(S_ISLNK(Stat("moved").st_mode));
  EXPECT_THAT(rename(dir_.c("file"), dir_.c("moved")), SucceedsWith(0));
  EXPECT_TRUE(S_ISREG(Stat("moved").st_mode));
}

TEST_F(NamesTest, RenameToAHardLinkOfItselfDoesNothing) {
  EXPECT_THAT(link(dir_.c("file"), dir_.c("same")), SucceedsWith(0));
  EXPECT_THAT(rename(dir_.c("file"), dir_.c("same")), SucceedsWith(0));
  EXPECT_TRUE(Exists("file"));
  EXPECT_TRUE(Exists("same"));
  EXPECT_THAT(rename(dir_.c("file"), dir_.c("file")), SucceedsWith(0));
  EXPECT_TRUE(Exists("file"));
}

TEST_F(NamesTest, RenameKeepsOpenFilesAndUpdatesDotDot) {
  Fd d = Open(dir_ / "full", O_RDONLY | O_DIRECTORY);
  EXPECT_THAT(rename(dir_.c("full"), dir_.c("dir/inner")), SucceedsWith(0));
  struct stat up;
  EXPECT_THAT(fstatat(d.get(), "..", &up, 0), SucceedsWith(0));
  EXPECT_EQ(up.st_ino, Stat("dir").st_ino);
  EXPECT_EQ(Stat("dir").st_nlink, 3u);
  char b[300] = {};
  const std::string proc = "/proc/self/fd/" + std::to_string(d.get());
  EXPECT_THAT(readlink(proc.c_str(), b, sizeof b - 1), Succeeds());
  EXPECT_EQ(std::string(b), dir_ / "dir/inner");
}

TEST_F(NamesTest, Renameat2Flags) {
  const auto rename2 = [&](const char* a, const char* b, unsigned flags) {
    return syscall(SYS_renameat2, AT_FDCWD, dir_.c(a), AT_FDCWD, dir_.c(b), flags);
  };
  EXPECT_THAT(rename2("file", "dir", RENAME_NOREPLACE), FailsWith(EEXIST));
  EXPECT_THAT(rename2("file", "dangling", RENAME_NOREPLACE), FailsWith(EEXIST));
  EXPECT_THAT(rename2("file", "new", RENAME_NOREPLACE), SucceedsWith(0));
  EXPECT_THAT(rename2("new", "missing", RENAME_EXCHANGE), FailsWith(ENOENT));
  EXPECT_THAT(rename2("new", "full", RENAME_EXCHANGE), SucceedsWith(0));
  EXPECT_TRUE(S_ISDIR(Stat("new").st_mode));
  EXPECT_TRUE(S_ISREG(Stat("full").st_mode));
  EXPECT_EQ(ReadFile(dir_ / "new/x"), "x");
  EXPECT_THAT(rename2("new", "full", RENAME_EXCHANGE | RENAME_NOREPLACE), FailsWith(EINVAL));
  EXPECT_THAT(rename2("new", "full", 0x80), FailsWith(EINVAL));
  EXPECT_THAT(rename2("new", "new/x", RENAME_EXCHANGE), FailsWith(EINVAL));
}

TEST_F(NamesTest, StickyDirectories) {
  EXPECT_THAT(chmod(dir_.c("dir"), 01777), SucceedsWith(0));
  WriteFile(dir_ / "dir/root", "");
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                EXPECT_THAT(unlink(dir_.c("dir/root")), FailsWith(EPERM));
                EXPECT_THAT(rename(dir_.c("dir/root"), dir_.c("dir/x")), FailsWith(EPERM));
                WriteFile(dir_ / "dir/mine", "");
                EXPECT_THAT(rename(dir_.c("dir/mine"), dir_.c("dir/root")), FailsWith(EPERM));
                EXPECT_THAT(unlink(dir_.c("dir/mine")), SucceedsWith(0));
              }),
              ExitedWith(0));
}

TEST_F(NamesTest, Readlink) {
  char b[16];
  memset(b, '#', sizeof b);
  EXPECT_THAT(readlink(dir_.c("link"), b, sizeof b), SucceedsWith(4));
  EXPECT_EQ(std::string(b, 5), "file#");
  EXPECT_THAT(readlink(dir_.c("link"), b, 2), SucceedsWith(2));
  EXPECT_THAT(syscall(SYS_readlink, dir_.c("link"), b, 0), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_readlink, dir_.c("link"), b, -1), FailsWith(EINVAL));
  EXPECT_THAT(readlink(dir_.c("file"), b, sizeof b), FailsWith(EINVAL));
  EXPECT_THAT(readlink(dir_.c("missing"), b, sizeof b), FailsWith(ENOENT));
  EXPECT_THAT(readlink(dir_.c("dirlink/"), b, sizeof b), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_readlink, dir_.c("link"), 8, 10), FailsWith(EFAULT));
}

TEST_F(NamesTest, SymlinkErrors) {
  EXPECT_THAT(symlink("x", dir_.c("file")), FailsWith(EEXIST));
  EXPECT_THAT(symlink("x", dir_.c("dangling")), FailsWith(EEXIST));
  EXPECT_THAT(symlink("", dir_.c("new")), FailsWith(ENOENT));
  EXPECT_THAT(symlink("x", dir_.c("missing/new")), FailsWith(ENOENT));
  EXPECT_THAT(symlink("x", dir_.c("new/")), FailsWith(ENOENT));
  EXPECT_THAT(symlink(std::string(4096, 'x').c_str(), dir_.c("new")), FailsWith(ENAMETOOLONG));
  EXPECT_THAT(symlink(std::string(4095, 'x').c_str(), dir_.c("new")), SucceedsWith(0));
  EXPECT_EQ(Stat("new").st_size, 4095);
  EXPECT_EQ(Stat("new").st_mode, S_IFLNK | 0777u);
}

TEST_F(NamesTest, FortySymlinksAreTheLimit) {
  EXPECT_EQ(symlink("file", dir_.c("s0")), 0);
  for (int i = 1; i <= 40; ++i) {
    EXPECT_EQ(symlink(("s" + std::to_string(i - 1)).c_str(), dir_.c("s" + std::to_string(i))), 0);
  }
  EXPECT_THAT(open(dir_.c("s39"), O_RDONLY), Succeeds());
  EXPECT_THAT(open(dir_.c("s40"), O_RDONLY), FailsWith(ELOOP));
}

TEST_F(NamesTest, ProtectedPathsThroughSymlinks) {
  WriteFile(dir_ / "dir/a", "a");
  EXPECT_EQ(ReadFile(dir_ / "dirlink/a"), "a");
  EXPECT_EQ(ReadFile(dir_ / "dirlink/../file"), "file");
  EXPECT_EQ(ReadFile(dir_ / "dir//..///./file"), "file");
  EXPECT_EQ(symlink(dir_.path().c_str(), dir_.c("absolute")), 0);
  EXPECT_EQ(ReadFile(dir_ / "absolute/file"), "file");
}

TEST_F(NamesTest, Mknod) {
  EXPECT_THAT(mknod(dir_.c("regular"), S_IFREG | 0600, 0), SucceedsWith(0));
  EXPECT_EQ(Stat("regular").st_mode, S_IFREG | 0600u);
  EXPECT_THAT(mknod(dir_.c("plain"), 0644, 0), SucceedsWith(0));
  EXPECT_TRUE(S_ISREG(Stat("plain").st_mode));
  EXPECT_THAT(mknod(dir_.c("fifo"), S_IFIFO | 0600, 0), SucceedsWith(0));
  EXPECT_TRUE(S_ISFIFO(Stat("fifo").st_mode));
  EXPECT_THAT(mknod(dir_.c("sock"), S_IFSOCK | 0600, 0), SucceedsWith(0));
  EXPECT_TRUE(S_ISSOCK(Stat("sock").st_mode));
  EXPECT_THAT(mknod(dir_.c("d"), S_IFDIR | 0600, 0), FailsWith(EPERM));
  EXPECT_THAT(mknod(dir_.c("l"), S_IFLNK | 0600, 0), FailsWith(EINVAL));
  EXPECT_THAT(mknod(dir_.c("file"), S_IFREG | 0600, 0), FailsWith(EEXIST));
}

std::set<std::string> List(int fd) {
  std::set<std::string> names;
  alignas(8) char buffer[512];
  for (;;) {
    const long n = syscall(SYS_getdents64, fd, buffer, sizeof buffer);
    if (n < 0) ADD_FAILURE() << ErrnoName(errno);
    if (n <= 0) break;
    for (long at = 0; at < n;) {
      const auto* d = reinterpret_cast<const dirent64*>(buffer + at);
      EXPECT_TRUE(names.insert(d->d_name).second) << d->d_name << " twice";
      at += d->d_reclen;
    }
  }
  return names;
}

TEST_F(NamesTest, GetdentsListsEverything) {
  Fd d = Open(dir_.path(), O_RDONLY | O_DIRECTORY);
  const std::set<std::string> all = {".", "..", "file", "dir", "full", "link", "dangling",
                                     "dirlink"};
  EXPECT_EQ(List(d.get()), all);
  EXPECT_EQ(List(d.get()), std::set<std::string>());
  EXPECT_THAT(lseek(d.get(), 0, SEEK_SET), SucceedsWith(0));
  EXPECT_EQ(List(d.get()), all);
}

TEST_F(NamesTest, GetdentsErrors) {
  alignas(8) char b[512];
  Fd d = Open(dir_.path(), O_RDONLY | O_DIRECTORY);
  Fd f = Open(dir_ / "file", O_RDONLY);
  EXPECT_THAT(syscall(SYS_getdents64, f.get(), b, sizeof b), FailsWith(ENOTDIR));
  EXPECT_THAT(syscall(SYS_getdents64, -1, b, sizeof b), FailsWith(EBADF));
  EXPECT_THAT(syscall(SYS_getdents64, d.get(), b, 8), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_getdents64, d.get(), 8, 512), FailsWith(EFAULT));
  EXPECT_THAT(rmdir(dir_.c("dir")), SucceedsWith(0));
}

TEST_F(NamesTest, GetdentsTypesAndInodes) {
  EXPECT_THAT(mknod(dir_.c("fifo"), S_IFIFO | 0600, 0), SucceedsWith(0));
  DIR* d = opendir(dir_.path().c_str());
  ASSERT_NE(d, nullptr);
  while (dirent* e = readdir(d)) {
    const std::string name = e->d_name;
    if (name == "..") continue;
    const struct stat st = Stat(name);
    EXPECT_EQ(e->d_ino, st.st_ino) << name;
    EXPECT_TRUE(e->d_type == DT_UNKNOWN || DTTOIF(e->d_type) == (st.st_mode & S_IFMT)) << name;
  }
  closedir(d);
}

TEST_F(NamesTest, GetdentsOfManyEntriesWhileRemovingThem) {
  std::set<std::string> made;
  EXPECT_EQ(mkdir(dir_.c("many"), 0755), 0);
  for (int i = 0; i < 500; ++i) {
    const std::string name = "entry-" + std::to_string(i);
    WriteFile(dir_ / ("many/" + name), "");
    made.insert(name);
  }
  DIR* d = opendir(dir_.c("many"));
  std::set<std::string> seen;
  while (dirent* e = readdir(d)) {
    const std::string name = e->d_name;
    if (name == "." || name == "..") continue;
    EXPECT_TRUE(seen.insert(name).second);
    EXPECT_THAT(unlinkat(dirfd(d), e->d_name, 0), SucceedsWith(0));
  }
  closedir(d);
  EXPECT_EQ(seen, made);
  EXPECT_THAT(rmdir(dir_.c("many")), SucceedsWith(0));
}

TEST_F(NamesTest, TelldirAndSeekdir) {
  DIR* d = opendir(dir_.path().c_str());
  std::vector<std::pair<long, std::string>> at;
  for (;;) {
    const long where = telldir(d);
    dirent* e = readdir(d);
    if (!e) break;
    at.emplace_back(where, e->d_name);
  }
  for (auto it = at.rbegin(); it != at.rend(); ++it) {
    seekdir(d, it->first);
    dirent* e = readdir(d);
    ASSERT_NE(e, nullptr);
    EXPECT_EQ(e->d_name, it->second);
  }
  closedir(d);
}

TEST_F(NamesTest, ChdirAndGetcwd) {
  EXPECT_THAT(InChild([&] {
                char b[PATH_MAX];
                EXPECT_THAT(chdir(dir_.c("dirlink")), SucceedsWith(0));
                EXPECT_EQ(std::string(getcwd(b, sizeof b)), dir_ / "dir");
                EXPECT_THAT(chdir(".."), SucceedsWith(0));
                EXPECT_EQ(std::string(getcwd(b, sizeof b)), dir_.path());
                EXPECT_THAT(syscall(SYS_getcwd, b, dir_.path().size()), FailsWith(ERANGE));
                EXPECT_THAT(syscall(SYS_getcwd, b, dir_.path().size() + 1),
                            SucceedsWith(dir_.path().size() + 1));
                EXPECT_THAT(chdir("file"), FailsWith(ENOTDIR));
                EXPECT_THAT(chdir("missing"), FailsWith(ENOENT));
                EXPECT_THAT(fchdir(-1), FailsWith(EBADF));
                Fd d = Open("dir", O_RDONLY);
                Fd f = Open("file", O_RDONLY);
                Fd p = Open("full", O_PATH);
                EXPECT_THAT(fchdir(f.get()), FailsWith(ENOTDIR));
                EXPECT_THAT(fchdir(p.get()), SucceedsWith(0));
                EXPECT_THAT(access("x", F_OK), SucceedsWith(0));
                EXPECT_THAT(fchdir(d.get()), SucceedsWith(0));
                EXPECT_THAT(rmdir(dir_.c("dir")), SucceedsWith(0));
                EXPECT_THAT(syscall(SYS_getcwd, b, sizeof b), FailsWith(ENOENT));
                EXPECT_THAT(open("x", O_RDWR | O_CREAT, 0644), FailsWith(ENOENT));
                EXPECT_THAT(chdir(".."), SucceedsWith(0));
              }),
              ExitedWith(0));
}

TEST_F(NamesTest, Chroot) {
  WriteFile(dir_ / "dir/inside", "inside");
  EXPECT_EQ(symlink("/inside", dir_.c("dir/abs")), 0);
  EXPECT_THAT(InChild([&] {
                EXPECT_THAT(chroot(dir_.c("file")), FailsWith(ENOTDIR));
                EXPECT_THAT(chroot(dir_.c("missing")), FailsWith(ENOENT));
                EXPECT_THAT(chroot(dir_.c("dir")), SucceedsWith(0));
                EXPECT_EQ(ReadFile("/inside"), "inside");
                EXPECT_EQ(ReadFile("/abs"), "inside");
                EXPECT_EQ(ReadFile("/../../inside"), "inside");
                EXPECT_THAT(chdir("/"), SucceedsWith(0));
                EXPECT_EQ(ReadFile("../inside"), "inside");
                EXPECT_THAT(setresuid(kNobody, kNobody, kNobody), SucceedsWith(0));
                EXPECT_THAT(chroot("/"), FailsWith(EPERM));
              }),
              ExitedWith(0));
}

}  // namespace
}  // namespace cvisor::test
