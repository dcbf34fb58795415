// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// Attributes of files: stat(2), statx(2), chmod(2), chown(2), utimensat(2), xattr(7),
// statfs(2).
#include <grp.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/xattr.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

class AttributesTest : public testing::Test {
 protected:
  AttributesTest() {
    WriteFile(dir_ / "file", "hello");
    EXPECT_EQ(symlink("file", dir_.c("link")), 0);
    EXPECT_EQ(symlink("missing", dir_.c("dangling")), 0);
    EXPECT_EQ(mkdir(dir_.c("dir"), 0755), 0);
  }
  struct stat Lstat(const std::string& name) {
    struct stat st = {};
    EXPECT_THAT(lstat(dir_.c(name), &st), SucceedsWith(0)) << name;
    return st;
  }
  mode_t Mode(const std::string& name) { return Lstat(name).st_mode & 07777; }
  TempDir dir_;
};

TEST_F(AttributesTest, StatOfARegularFile) {
  const struct stat st = Lstat("file");
  EXPECT_EQ(st.st_mode, S_IFREG | 0644u);
  EXPECT_EQ(st.st_nlink, 1u);
  EXPECT_EQ(st.st_size, 5);
  EXPECT_EQ(st.st_uid, 0u);
  EXPECT_EQ(st.st_gid, 0u);
  EXPECT_GT(st.st_blksize, 0);
  EXPECT_LE(st.st_blocks, 128);
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  EXPECT_LE(st.st_mtim.tv_sec, now.tv_sec);
  EXPECT_GE(st.st_mtim.tv_sec, now.tv_sec - 60);
}

TEST_F(AttributesTest, StatErrors) {
  struct stat st;
  EXPECT_THAT(stat(dir_.c("missing"), &st), FailsWith(ENOENT));
  EXPECT_THAT(stat(dir_.c("dangling"), &st), FailsWith(ENOENT));
  EXPECT_THAT(lstat(dir_.c("dangling"), &st), SucceedsWith(0));
  EXPECT_EQ(st.st_size, 7);
  EXPECT_THAT(stat(dir_.c("file/"), &st), FailsWith(ENOTDIR));
  EXPECT_THAT(stat("", &st), FailsWith(ENOENT));
  EXPECT_THAT(fstat(-1, &st), FailsWith(EBADF));
  EXPECT_THAT(syscall(SYS_stat, dir_.c("file"), 8), FailsWith(EFAULT));
  EXPECT_THAT(fstatat(AT_FDCWD, dir_.c("file"), &st, 0x4000000), FailsWith(EINVAL));
  EXPECT_THAT(fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH), SucceedsWith(0));
}

TEST_F(AttributesTest, StatOfAPipe) {
  PipeFds p = MakePipe();
  struct stat st;
  EXPECT_THAT(fstat(p.reader.get(), &st), SucceedsWith(0));
  EXPECT_EQ(st.st_mode, S_IFIFO | 0600u);
  struct stat w;
  EXPECT_THAT(fstat(p.writer.get(), &w), SucceedsWith(0));
  EXPECT_EQ(st.st_ino, w.st_ino);
  EXPECT_EQ(st.st_dev, w.st_dev);
}

TEST_F(AttributesTest, Statx) {
  struct statx x = {};
  EXPECT_THAT(statx(AT_FDCWD, dir_.c("file"), 0, STATX_BASIC_STATS, &x), SucceedsWith(0));
  EXPECT_EQ(x.stx_mask & STATX_BASIC_STATS, unsigned{STATX_BASIC_STATS});
  const struct stat st = Lstat("file");
  EXPECT_EQ(x.stx_ino, st.st_ino);
  EXPECT_EQ(x.stx_size, 5u);
  EXPECT_EQ(x.stx_mode, st.st_mode);
  EXPECT_EQ(makedev(x.stx_dev_major, x.stx_dev_minor), st.st_dev);
  EXPECT_EQ(x.stx_mtime.tv_sec, st.st_mtim.tv_sec);
  EXPECT_EQ(x.stx_mtime.tv_nsec, st.st_mtim.tv_nsec);
  Fd fd = Open(dir_ / "file", O_PATH);
  EXPECT_THAT(statx(fd.get(), "", AT_EMPTY_PATH, STATX_SIZE, &x), SucceedsWith(0));
  EXPECT_EQ(x.stx_size, 5u);
  EXPECT_THAT(statx(AT_FDCWD, dir_.c("link"), AT_SYMLINK_NOFOLLOW, STATX_TYPE, &x),
              SucceedsWith(0));
  EXPECT_TRUE(S_ISLNK(x.stx_mode));
}

TEST_F(AttributesTest, StatxErrors) {
  struct statx x;
  EXPECT_THAT(statx(AT_FDCWD, dir_.c("missing"), 0, STATX_SIZE, &x), FailsWith(ENOENT));
  EXPECT_THAT(syscall(SYS_statx, AT_FDCWD, dir_.c("file"), 0x100000, STATX_SIZE, &x),
              FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_statx, AT_FDCWD, dir_.c("file"),
                      AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, STATX_SIZE, &x),
              FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_statx, AT_FDCWD, dir_.c("file"), 0, 0x80000000u, &x), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_statx, AT_FDCWD, dir_.c("file"), 0, STATX_SIZE, 8), FailsWith(EFAULT));
}

TEST_F(AttributesTest, Chmod) {
  EXPECT_THAT(chmod(dir_.c("link"), 07711), SucceedsWith(0));
  EXPECT_EQ(Mode("file"), 07711u);
  Fd fd = Open(dir_ / "file", O_RDONLY);
  EXPECT_THAT(fchmod(fd.get(), 0), SucceedsWith(0));
  EXPECT_EQ(Mode("file"), 0u);
  // Other bits than the permissions are ignored.
  EXPECT_THAT(chmod(dir_.c("file"), 0100644), SucceedsWith(0));
  EXPECT_EQ(Lstat("file").st_mode, S_IFREG | 0644u);
  EXPECT_THAT(chmod(dir_.c("missing"), 0), FailsWith(ENOENT));
  EXPECT_THAT(fchmod(-1, 0), FailsWith(EBADF));
  EXPECT_THAT(fchmodat(-1, "x", 0, 0), FailsWith(EBADF));
}

TEST_F(AttributesTest, ChmodNeedsOwnership) {
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                EXPECT_THAT(chmod(dir_.c("file"), 0777), FailsWith(EPERM));
              }),
              ExitedWith(0));
}

TEST_F(AttributesTest, ChmodDropsSetGroupForOutsiders) {
  EXPECT_THAT(chown(dir_.c("file"), kNobody, 12345), SucceedsWith(0));
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                EXPECT_THAT(chmod(dir_.c("file"), 02755), SucceedsWith(0));
              }),
              ExitedWith(0));
  EXPECT_EQ(Mode("file"), 0755u);
}

TEST_F(AttributesTest, Chown) {
  EXPECT_THAT(chown(dir_.c("file"), 11, 22), SucceedsWith(0));
  EXPECT_EQ(Lstat("file").st_uid, 11u);
  EXPECT_EQ(Lstat("file").st_gid, 22u);
  EXPECT_THAT(chown(dir_.c("file"), -1, 33), SucceedsWith(0));
  EXPECT_EQ(Lstat("file").st_uid, 11u);
  EXPECT_EQ(Lstat("file").st_gid, 33u);
  EXPECT_THAT(chown(dir_.c("file"), 44, -1), SucceedsWith(0));
  EXPECT_EQ(Lstat("file").st_uid, 44u);
  EXPECT_THAT(lchown(dir_.c("link"), 55, 66), SucceedsWith(0));
  EXPECT_EQ(Lstat("link").st_uid, 55u);
  EXPECT_EQ(Lstat("file").st_uid, 44u);
  EXPECT_THAT(fchownat(AT_FDCWD, dir_.c("link"), 77, 88, 0), SucceedsWith(0));
  EXPECT_EQ(Lstat("file").st_uid, 77u);
  Fd fd = Open(dir_ / "file", O_RDONLY);
  EXPECT_THAT(fchown(fd.get(), 1, 2), SucceedsWith(0));
  EXPECT_THAT(fchownat(fd.get(), "", 3, 4, AT_EMPTY_PATH), SucceedsWith(0));
  EXPECT_EQ(Lstat("file").st_gid, 4u);
  EXPECT_THAT(fchownat(AT_FDCWD, dir_.c("file"), 0, 0, 0x4), FailsWith(EINVAL));
}

TEST_F(AttributesTest, ChownClearsSetIdBits) {
  EXPECT_THAT(chmod(dir_.c("file"), 06755), SucceedsWith(0));
  EXPECT_THAT(chown(dir_.c("file"), 11, 22), SucceedsWith(0));
  EXPECT_EQ(Mode("file"), 0755u);
  // Without group execution the bit once meant mandatory locking, and stays.
  EXPECT_THAT(chmod(dir_.c("file"), 06745), SucceedsWith(0));
  EXPECT_THAT(chown(dir_.c("file"), 12, -1), SucceedsWith(0));
  EXPECT_EQ(Mode("file"), 02745u);
  EXPECT_THAT(chmod(dir_.c("dir"), 06755), SucceedsWith(0));
  EXPECT_THAT(chown(dir_.c("dir"), 11, 22), SucceedsWith(0));
  EXPECT_EQ(Mode("dir"), 06755u);
}

TEST_F(AttributesTest, ChownByUsers) {
  EXPECT_THAT(chown(dir_.c("file"), kNobody, kNobody), SucceedsWith(0));
  EXPECT_THAT(InChild([&] {
                const gid_t groups[] = {500};
                EXPECT_THAT(setgroups(1, groups), SucceedsWith(0));
                EXPECT_THAT(setresgid(kNobody, kNobody, kNobody), SucceedsWith(0));
                EXPECT_THAT(setresuid(kNobody, kNobody, kNobody), SucceedsWith(0));
                EXPECT_THAT(chown(dir_.c("file"), 0, -1), FailsWith(EPERM));
                EXPECT_THAT(chown(dir_.c("file"), -1, 0), FailsWith(EPERM));
                EXPECT_THAT(chown(dir_.c("file"), -1, 500), SucceedsWith(0));
                EXPECT_THAT(chown(dir_.c("file"), kNobody, kNobody), SucceedsWith(0));
                EXPECT_THAT(chown(dir_.c("dir"), -1, 500), FailsWith(EPERM));
              }),
              ExitedWith(0));
}

TEST_F(AttributesTest, Utimensat) {
  const timespec times[2] = {{1000, 1}, {2000, 999999999}};
  EXPECT_THAT(utimensat(AT_FDCWD, dir_.c("file"), times, 0), SucceedsWith(0));
  struct stat st = Lstat("file");
  EXPECT_EQ(st.st_atim.tv_sec, 1000);
  EXPECT_EQ(st.st_atim.tv_nsec, 1);
  EXPECT_EQ(st.st_mtim.tv_sec, 2000);
  EXPECT_EQ(st.st_mtim.tv_nsec, 999999999);
  const timespec omit[2] = {{0, UTIME_OMIT}, {3000, 0}};
  EXPECT_THAT(utimensat(AT_FDCWD, dir_.c("file"), omit, 0), SucceedsWith(0));
  st = Lstat("file");
  EXPECT_EQ(st.st_atim.tv_sec, 1000);
  EXPECT_EQ(st.st_mtim.tv_sec, 3000);
  const timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
  EXPECT_THAT(utimensat(AT_FDCWD, dir_.c("file"), now, 0), SucceedsWith(0));
  st = Lstat("file");
  EXPECT_GT(st.st_atim.tv_sec, 1000000);
  EXPECT_EQ(st.st_mtim.tv_sec, 3000);
  Fd fd = Open(dir_ / "file", O_RDONLY);
  EXPECT_THAT(futimens(fd.get(), times), SucceedsWith(0));
  EXPECT_EQ(Lstat("file").st_mtim.tv_sec, 2000);
  EXPECT_THAT(utimensat(AT_FDCWD, dir_.c("link"), times, AT_SYMLINK_NOFOLLOW), SucceedsWith(0));
  EXPECT_EQ(Lstat("link").st_mtim.tv_sec, 2000);
  const timespec negative[2] = {{-5, 0}, {-5, 0}};
  EXPECT_THAT(utimensat(AT_FDCWD, dir_.c("file"), negative, 0), SucceedsWith(0));
}

TEST_F(AttributesTest, UtimensatErrors) {
  const timespec bad[2] = {{0, 1000000000}, {0, 0}};
  EXPECT_THAT(utimensat(AT_FDCWD, dir_.c("file"), bad, 0), FailsWith(EINVAL));
  EXPECT_THAT(utimensat(AT_FDCWD, dir_.c("missing"), nullptr, 0), FailsWith(ENOENT));
  EXPECT_THAT(syscall(SYS_utimensat, AT_FDCWD, dir_.c("file"), nullptr, 0x800000),
              FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_utimensat, -1, nullptr, nullptr, 0), FailsWith(EBADF));
  const timespec times[2] = {{1, 0}, {1, 0}};
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                EXPECT_THAT(utimensat(AT_FDCWD, dir_.c("file"), times, 0), FailsWith(EPERM));
                EXPECT_THAT(utimensat(AT_FDCWD, dir_.c("file"), nullptr, 0), FailsWith(EACCES));
              }),
              ExitedWith(0));
  EXPECT_THAT(chmod(dir_.c("file"), 0666), SucceedsWith(0));
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                // Write permission allows "now", but no other time.
                EXPECT_THAT(utimensat(AT_FDCWD, dir_.c("file"), nullptr, 0), SucceedsWith(0));
                EXPECT_THAT(utimensat(AT_FDCWD, dir_.c("file"), times, 0), FailsWith(EPERM));
              }),
              ExitedWith(0));
}

TEST_F(AttributesTest, OldTimeCalls) {
  const timeval tv[2] = {{100, 5}, {200, 6}};
  EXPECT_THAT(utimes(dir_.c("file"), tv), SucceedsWith(0));
  EXPECT_EQ(Lstat("file").st_mtim.tv_nsec, 6000);
  const timeval bad[2] = {{100, 1000000}, {200, 6}};
  EXPECT_THAT(syscall(SYS_utimes, dir_.c("file"), bad), FailsWith(EINVAL));
  const long utimbuf[2] = {300, 400};
  EXPECT_THAT(syscall(SYS_utime, dir_.c("file"), utimbuf), SucceedsWith(0));
  EXPECT_EQ(Lstat("file").st_mtim.tv_sec, 400);
}

bool Before(const timespec& a, const timespec& b) {
  return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
}

TEST_F(AttributesTest, TimesAreUpdated) {
  // The clock of file systems ticks in jiffies: repeat until the time differs.
  const auto advances = [&](const std::string& name, auto field, auto action) {
    const timespec before = field(Lstat(name));
    return WaitUntil([&] {
      action();
      return Before(before, field(Lstat(name)));
    });
  };
  const auto mtime = [](const struct stat& st) { return st.st_mtim; };
  const auto ctime = [](const struct stat& st) { return st.st_ctim; };
  Fd fd = Open(dir_ / "file", O_RDWR);
  EXPECT_TRUE(advances("file", mtime, [&] { EXPECT_EQ(pwrite(fd.get(), "x", 1, 0), 1); }));
  EXPECT_TRUE(advances("file", ctime, [&] { EXPECT_EQ(pwrite(fd.get(), "x", 1, 0), 1); }));
  EXPECT_TRUE(advances("file", ctime, [&] { EXPECT_EQ(fchmod(fd.get(), 0600), 0); }));
  EXPECT_TRUE(advances("file", mtime, [&] { EXPECT_EQ(ftruncate(fd.get(), 1), 0); }));
  EXPECT_TRUE(advances("file", ctime, [&] {
    EXPECT_EQ(link(dir_.c("file"), dir_.c("l")), 0);
    EXPECT_EQ(unlink(dir_.c("l")), 0);
  }));
  EXPECT_TRUE(advances("dir", mtime, [&] {
    EXPECT_EQ(mkdir(dir_.c("dir/x"), 0755), 0);
    EXPECT_EQ(rmdir(dir_.c("dir/x")), 0);
  }));
  // Changing attributes does not touch the contents' time.
  const timespec before = Lstat("file").st_mtim;
  EXPECT_EQ(fchmod(fd.get(), 0644), 0);
  EXPECT_FALSE(Before(before, Lstat("file").st_mtim));
}

TEST_F(AttributesTest, Umask) {
  const mode_t old = umask(0123);
  EXPECT_EQ(umask(07777), 0123u);
  EXPECT_EQ(umask(old), 0777u);
}

TEST_F(AttributesTest, Statfs) {
  struct statfs s;
  EXPECT_THAT(statfs(dir_.path().c_str(), &s), SucceedsWith(0));
  EXPECT_GT(s.f_bsize, 0);
  EXPECT_EQ(s.f_namelen, 255);
  EXPECT_THAT(statfs("/proc", &s), SucceedsWith(0));
  EXPECT_EQ(s.f_type, PROC_SUPER_MAGIC);
  PipeFds p = MakePipe();
  EXPECT_THAT(fstatfs(p.reader.get(), &s), SucceedsWith(0));
  EXPECT_EQ(s.f_type, PIPEFS_MAGIC);
  EXPECT_THAT(statfs(dir_.c("missing"), &s), FailsWith(ENOENT));
  EXPECT_THAT(fstatfs(-1, &s), FailsWith(EBADF));
}

TEST_F(AttributesTest, XattrSetGetListRemove) {
  const char* f = dir_.c("file");
  char b[64];
  EXPECT_THAT(getxattr(f, "user.a", b, sizeof b), FailsWith(ENODATA));
  EXPECT_THAT(setxattr(f, "user.a", "value", 5, 0), SucceedsWith(0));
  EXPECT_THAT(getxattr(f, "user.a", b, sizeof b), SucceedsWith(5));
  EXPECT_EQ(std::string(b, 5), "value");
  EXPECT_THAT(getxattr(f, "user.a", nullptr, 0), SucceedsWith(5));
  EXPECT_THAT(getxattr(f, "user.a", b, 2), FailsWith(ERANGE));
  EXPECT_THAT(setxattr(f, "user.a", "x", 1, XATTR_CREATE), FailsWith(EEXIST));
  EXPECT_THAT(setxattr(f, "user.b", "x", 1, XATTR_REPLACE), FailsWith(ENODATA));
  EXPECT_THAT(setxattr(f, "user.b", "", 0, XATTR_CREATE), SucceedsWith(0));
  EXPECT_THAT(getxattr(f, "user.b", b, sizeof b), SucceedsWith(0));
  const ssize_t n = listxattr(f, b, sizeof b);
  ASSERT_GT(n, 0);
  const std::string names(b, static_cast<size_t>(n));
  EXPECT_NE(names.find(std::string("user.a\0", 7)), std::string::npos);
  EXPECT_NE(names.find(std::string("user.b\0", 7)), std::string::npos);
  EXPECT_THAT(listxattr(f, nullptr, 0), SucceedsWith(n));
  EXPECT_THAT(listxattr(f, b, 3), FailsWith(ERANGE));
  EXPECT_THAT(removexattr(f, "user.a"), SucceedsWith(0));
  EXPECT_THAT(removexattr(f, "user.a"), FailsWith(ENODATA));
}

TEST_F(AttributesTest, XattrErrors) {
  const char* f = dir_.c("file");
  EXPECT_THAT(setxattr(f, "nonsense", "x", 1, 0), FailsWith(EOPNOTSUPP));
  EXPECT_THAT(setxattr(f, "", "x", 1, 0), FailsWith(ERANGE));
  EXPECT_THAT(setxattr(f, ("user." + std::string(300, 'a')).c_str(), "x", 1, 0),
              FailsWith(ERANGE));
  EXPECT_THAT(setxattr(f, "user.a", "x", 1, 0x10), FailsWith(EINVAL));
  EXPECT_THAT(setxattr(f, "user.a", f, 65537, 0), FailsWith(E2BIG));
  EXPECT_THAT(setxattr(dir_.c("missing"), "user.a", "x", 1, 0), FailsWith(ENOENT));
  EXPECT_THAT(lsetxattr(dir_.c("link"), "user.a", "x", 1, 0), FailsWith(EPERM));
  EXPECT_THAT(fsetxattr(-1, "user.a", "x", 1, 0), FailsWith(EBADF));
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                EXPECT_THAT(setxattr(f, "user.a", "x", 1, 0), FailsWith(EACCES));
                EXPECT_THAT(setxattr(f, "trusted.a", "x", 1, 0), FailsWith(EPERM));
              }),
              ExitedWith(0));
}

TEST_F(AttributesTest, XattrByDescriptor) {
  Fd fd = Open(dir_ / "file", O_RDONLY);
  char b[8];
  EXPECT_THAT(fsetxattr(fd.get(), "user.fd", "1", 1, 0), SucceedsWith(0));
  EXPECT_THAT(fgetxattr(fd.get(), "user.fd", b, sizeof b), SucceedsWith(1));
  EXPECT_THAT(getxattr(dir_.c("link"), "user.fd", b, sizeof b), SucceedsWith(1));
  EXPECT_THAT(fremovexattr(fd.get(), "user.fd"), SucceedsWith(0));
  Fd path = Open(dir_ / "file", O_PATH);
  EXPECT_THAT(fgetxattr(path.get(), "user.fd", b, sizeof b), FailsWith(EBADF));
}

}  // namespace
}  // namespace cvisor::test
