// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// open(2), openat(2), creat(2), openat2(2), access(2), O_TMPFILE, O_PATH.
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/socket.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

class OpenTest : public testing::Test {
 protected:
  OpenTest() {
    WriteFile(dir_ / "file", "hello");
    EXPECT_EQ(mkdir(dir_.c("dir"), 0755), 0);
    EXPECT_EQ(symlink("file", dir_.c("link")), 0);
    EXPECT_EQ(symlink("missing", dir_.c("dangling")), 0);
    EXPECT_EQ(symlink("loop", dir_.c("loop")), 0);
    EXPECT_EQ(symlink("dir", dir_.c("dirlink")), 0);
  }
  TempDir dir_;
};

TEST_F(OpenTest, LowestDescriptorIsUsed) {
  Fd a = Open(dir_ / "file", O_RDONLY);
  Fd b = Open(dir_ / "file", O_RDONLY);
  const int low = a.get();
  a.reset();
  Fd c = Open(dir_ / "file", O_RDONLY);
  EXPECT_EQ(c.get(), low);
}

TEST_F(OpenTest, AccessModesAreEnforced) {
  char c = 'x';
  Fd r = Open(dir_ / "file", O_RDONLY);
  EXPECT_THAT(read(r.get(), &c, 1), SucceedsWith(1));
  EXPECT_THAT(write(r.get(), &c, 1), FailsWith(EBADF));
  EXPECT_THAT(ftruncate(r.get(), 0), FailsWith(EINVAL));
  Fd w = Open(dir_ / "file", O_WRONLY);
  EXPECT_THAT(read(w.get(), &c, 1), FailsWith(EBADF));
  EXPECT_THAT(write(w.get(), &c, 1), SucceedsWith(1));
  EXPECT_THAT(pread(w.get(), &c, 1, 0), FailsWith(EBADF));
  Fd rw = Open(dir_ / "file", O_RDWR);
  EXPECT_THAT(read(rw.get(), &c, 1), SucceedsWith(1));
  EXPECT_THAT(write(rw.get(), &c, 1), SucceedsWith(1));
}

TEST_F(OpenTest, AccessMode3AllowsNeitherReadingNorWriting) {
  char c = 'x';
  Fd fd = Open(dir_ / "file", 3);
  EXPECT_THAT(read(fd.get(), &c, 1), FailsWith(EBADF));
  EXPECT_THAT(write(fd.get(), &c, 1), FailsWith(EBADF));
  EXPECT_EQ(fcntl(fd.get(), F_GETFL) & O_ACCMODE, 3);
}

TEST_F(OpenTest, Errors) {
  EXPECT_THAT(open(dir_.c("missing"), O_RDONLY), FailsWith(ENOENT));
  EXPECT_THAT(open(dir_.c("missing/x"), O_RDONLY | O_CREAT, 0644), FailsWith(ENOENT));
  EXPECT_THAT(open(dir_.c("file/x"), O_RDONLY), FailsWith(ENOTDIR));
  EXPECT_THAT(open(dir_.c("file/x"), O_RDONLY | O_CREAT, 0644), FailsWith(ENOTDIR));
  EXPECT_THAT(open(dir_.c("file/"), O_RDONLY), FailsWith(ENOTDIR));
  EXPECT_THAT(open(dir_.c("file/."), O_RDONLY), FailsWith(ENOTDIR));
  EXPECT_THAT(open(dir_.c("file/.."), O_RDONLY), FailsWith(ENOTDIR));
  EXPECT_THAT(open("", O_RDONLY), FailsWith(ENOENT));
  EXPECT_THAT(open(dir_.c("loop"), O_RDONLY), FailsWith(ELOOP));
  EXPECT_THAT(open(dir_.c("loop/x"), O_RDONLY), FailsWith(ELOOP));
  EXPECT_THAT(open(nullptr, O_RDONLY), FailsWith(EFAULT));
  EXPECT_THAT(open(reinterpret_cast<char*>(1), O_RDONLY), FailsWith(EFAULT));
}

TEST_F(OpenTest, DirectoryErrors) {
  EXPECT_THAT(open(dir_.c("dir"), O_WRONLY), FailsWith(EISDIR));
  EXPECT_THAT(open(dir_.c("dir"), O_RDWR), FailsWith(EISDIR));
  EXPECT_THAT(open(dir_.c("dir"), O_RDONLY | O_CREAT, 0644), FailsWith(EISDIR));
  EXPECT_THAT(open(dir_.c("dir"), O_RDONLY | O_TRUNC), FailsWith(EISDIR));
  EXPECT_THAT(open(dir_.c("file"), O_RDONLY | O_DIRECTORY), FailsWith(ENOTDIR));
  EXPECT_THAT(open(dir_.c("new/"), O_RDONLY | O_CREAT, 0644), FailsWith(EISDIR));
  EXPECT_THAT(open(dir_.c("new"), O_RDONLY | O_CREAT | O_DIRECTORY, 0644), FailsWith(EINVAL));
  char c;
  Fd d = Open(dir_ / "dir", O_RDONLY | O_DIRECTORY);
  EXPECT_THAT(read(d.get(), &c, 1), FailsWith(EISDIR));
  EXPECT_THAT(pread(d.get(), &c, 1, 0), FailsWith(EISDIR));
  EXPECT_THAT(write(d.get(), &c, 1), FailsWith(EBADF));
}

TEST_F(OpenTest, NameLengths) {
  EXPECT_THAT(open(dir_.c(std::string(255, 'a')), O_RDONLY | O_CREAT, 0644), Succeeds());
  EXPECT_THAT(open(dir_.c(std::string(256, 'a')), O_RDONLY | O_CREAT, 0644),
              FailsWith(ENAMETOOLONG));
  EXPECT_THAT(open(dir_.c(std::string(256, 'a')), O_RDONLY), FailsWith(ENAMETOOLONG));
  // PATH_MAX counts the final zero.
  std::string path = "/";
  while (path.size() < 4095) path += "./";
  path.resize(4095);
  EXPECT_THAT(open(path.c_str(), O_RDONLY), Succeeds());
  path.insert(path.begin(), '/');
  EXPECT_THAT(open(path.c_str(), O_RDONLY), FailsWith(ENAMETOOLONG));
}

TEST_F(OpenTest, CreateAndExclusive) {
  EXPECT_THAT(open(dir_.c("file"), O_RDWR | O_CREAT | O_EXCL, 0644), FailsWith(EEXIST));
  EXPECT_THAT(open(dir_.c("dir"), O_RDWR | O_CREAT | O_EXCL, 0644), FailsWith(EEXIST));
  EXPECT_THAT(open(dir_.c("link"), O_RDWR | O_CREAT | O_EXCL, 0644), FailsWith(EEXIST));
  EXPECT_THAT(open(dir_.c("dangling"), O_RDWR | O_CREAT | O_EXCL, 0644), FailsWith(EEXIST));
  EXPECT_THAT(access(dir_.c("missing"), F_OK), FailsWith(ENOENT));
  // Without O_EXCL the link's target is made.
  Fd fd = Open(dir_ / "dangling", O_RDWR | O_CREAT);
  EXPECT_THAT(access(dir_.c("missing"), F_OK), SucceedsWith(0));
  // Even a mode without permissions gives a usable descriptor.
  Fd zero = Open(dir_ / "zero", O_RDWR | O_CREAT | O_EXCL, 0);
  EXPECT_THAT(write(zero.get(), "x", 1), SucceedsWith(1));
}

TEST_F(OpenTest, CreateAppliesUmaskAndIgnoresItForExisting) {
  const mode_t old = umask(027);
  Fd fd = Open(dir_ / "masked", O_RDWR | O_CREAT, 04777);
  struct stat st;
  EXPECT_THAT(fstat(fd.get(), &st), SucceedsWith(0));
  EXPECT_EQ(st.st_mode, S_IFREG | 04750u);
  Fd again = Open(dir_ / "masked", O_RDWR | O_CREAT, 0600);
  EXPECT_THAT(fstat(again.get(), &st), SucceedsWith(0));
  EXPECT_EQ(st.st_mode, S_IFREG | 04750u);
  EXPECT_EQ(umask(old), 027u);
}

TEST_F(OpenTest, Truncate) {
  struct stat st;
  { Fd fd = Open(dir_ / "file", O_WRONLY | O_TRUNC); }
  EXPECT_THAT(stat(dir_.c("file"), &st), SucceedsWith(0));
  EXPECT_EQ(st.st_size, 0);
  WriteFile(dir_ / "file", "again");
  EXPECT_THAT(open(dir_.c("file"), O_RDWR | O_CREAT | O_EXCL | O_TRUNC, 0644), FailsWith(EEXIST));
  EXPECT_THAT(stat(dir_.c("file"), &st), SucceedsWith(0));
  EXPECT_EQ(st.st_size, 5);
}

TEST_F(OpenTest, NoFollow) {
  EXPECT_THAT(open(dir_.c("link"), O_RDONLY | O_NOFOLLOW), FailsWith(ELOOP));
  EXPECT_THAT(open(dir_.c("dirlink"), O_RDONLY | O_NOFOLLOW | O_DIRECTORY), FailsWith(ENOTDIR));
  EXPECT_THAT(open(dir_.c("dangling"), O_RDONLY | O_NOFOLLOW | O_CREAT, 0644), FailsWith(ELOOP));
  // Only the last component counts, and a slash makes it not the last.
  WriteFile(dir_ / "dir/inside", "x");
  EXPECT_THAT(open(dir_.c("dirlink/inside"), O_RDONLY | O_NOFOLLOW), Succeeds());
  EXPECT_THAT(open(dir_.c("dirlink/"), O_RDONLY | O_NOFOLLOW | O_DIRECTORY), Succeeds());
}

TEST_F(OpenTest, StatusFlags) {
  Fd fd = Open(dir_ / "file", O_RDWR | O_APPEND | O_NONBLOCK | O_CREAT | O_CLOEXEC | O_TRUNC);
  const int flags = fcntl(fd.get(), F_GETFL);
  EXPECT_EQ(flags & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_CREAT | O_TRUNC | O_CLOEXEC),
            O_RDWR | O_APPEND | O_NONBLOCK);
  EXPECT_EQ(flags & 0100000, 0100000);  // O_LARGEFILE, forced on 64-bit systems.
  EXPECT_EQ(fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_THAT(fcntl(fd.get(), F_SETFL, 0), SucceedsWith(0));
  EXPECT_EQ(fcntl(fd.get(), F_GETFL), O_RDWR | 0100000);
  // The access mode and creation flags cannot be changed and are ignored.
  EXPECT_THAT(fcntl(fd.get(), F_SETFL, O_WRONLY | O_CREAT | O_APPEND), SucceedsWith(0));
  EXPECT_EQ(fcntl(fd.get(), F_GETFL), O_RDWR | O_APPEND | 0100000);
}

TEST_F(OpenTest, AppendWritesAtTheEnd) {
  Fd a = Open(dir_ / "file", O_RDWR | O_APPEND);
  Fd b = Open(dir_ / "file", O_WRONLY | O_APPEND);
  EXPECT_THAT(lseek(a.get(), 0, SEEK_SET), SucceedsWith(0));
  EXPECT_THAT(write(a.get(), "A", 1), SucceedsWith(1));
  EXPECT_THAT(lseek(a.get(), 0, SEEK_CUR), SucceedsWith(6));
  EXPECT_THAT(write(b.get(), "B", 1), SucceedsWith(1));
  // Linux appends even with pwrite (see its BUGS).
  EXPECT_THAT(pwrite(a.get(), "C", 1, 0), SucceedsWith(1));
  EXPECT_THAT(lseek(a.get(), 0, SEEK_CUR), SucceedsWith(6));
  EXPECT_EQ(ReadFile(dir_ / "file"), "helloABC");
}

TEST_F(OpenTest, OpenAtDirectoryDescriptors) {
  WriteFile(dir_ / "dir/inside", "inside");
  Fd d = Open(dir_ / "dir", O_RDONLY | O_DIRECTORY);
  Fd f = Open(dir_ / "file", O_RDONLY);
  EXPECT_THAT(openat(d.get(), "inside", O_RDONLY), Succeeds());
  EXPECT_THAT(openat(d.get(), "../file", O_RDONLY), Succeeds());
  EXPECT_THAT(openat(f.get(), "inside", O_RDONLY), FailsWith(ENOTDIR));
  EXPECT_THAT(openat(-5, "inside", O_RDONLY), FailsWith(EBADF));
  EXPECT_THAT(openat(12345, "inside", O_RDONLY), FailsWith(EBADF));
  // The descriptor does not matter for an absolute path.
  EXPECT_THAT(openat(12345, dir_.c("file"), O_RDONLY), Succeeds());
  EXPECT_THAT(openat(d.get(), "", O_RDONLY), FailsWith(ENOENT));
}

TEST_F(OpenTest, RemovedDirectory) {
  Fd d = Open(dir_ / "dir", O_RDONLY | O_DIRECTORY);
  EXPECT_THAT(rmdir(dir_.c("dir")), SucceedsWith(0));
  EXPECT_THAT(openat(d.get(), "new", O_RDWR | O_CREAT, 0644), FailsWith(ENOENT));
  EXPECT_THAT(mkdirat(d.get(), "new", 0755), FailsWith(ENOENT));
  EXPECT_THAT(openat(d.get(), ".", O_RDONLY), Succeeds());
  struct stat st;
  EXPECT_THAT(fstat(d.get(), &st), SucceedsWith(0));
  EXPECT_EQ(st.st_nlink, 0u);
}

TEST_F(OpenTest, UnlinkedFileStaysUsable) {
  Fd fd = Open(dir_ / "file", O_RDWR);
  EXPECT_THAT(unlink(dir_.c("file")), SucceedsWith(0));
  EXPECT_THAT(pwrite(fd.get(), "J", 1, 0), SucceedsWith(1));
  EXPECT_EQ(ReadAll(fd.get()), "Jello");
  struct stat st;
  EXPECT_THAT(fstat(fd.get(), &st), SucceedsWith(0));
  EXPECT_EQ(st.st_nlink, 0u);
  char target[512] = {};
  const std::string proc = "/proc/self/fd/" + std::to_string(fd.get());
  EXPECT_THAT(readlink(proc.c_str(), target, sizeof target - 1), Succeeds());
  EXPECT_EQ(std::string(target), dir_ / "file (deleted)");
  // Reopened through /proc it is the same file.
  Fd again = Open(proc, O_RDONLY);
  EXPECT_EQ(ReadAll(again.get()), "Jello");
}

TEST_F(OpenTest, TmpFile) {
  Fd fd = Open(dir_.path(), O_RDWR | O_TMPFILE, 0640);
  EXPECT_EQ(fcntl(fd.get(), F_GETFL) & O_TMPFILE, O_TMPFILE);
  EXPECT_THAT(write(fd.get(), "temporary", 9), SucceedsWith(9));
  struct stat st;
  EXPECT_THAT(fstat(fd.get(), &st), SucceedsWith(0));
  EXPECT_EQ(st.st_nlink, 0u);
  EXPECT_EQ(st.st_mode, S_IFREG | 0640u);
  const std::string proc = "/proc/self/fd/" + std::to_string(fd.get());
  EXPECT_THAT(linkat(AT_FDCWD, proc.c_str(), AT_FDCWD, dir_.c("named"), AT_SYMLINK_FOLLOW),
              SucceedsWith(0));
  EXPECT_EQ(ReadFile(dir_ / "named"), "temporary");
  EXPECT_THAT(fstat(fd.get(), &st), SucceedsWith(0));
  EXPECT_EQ(st.st_nlink, 1u);
}

TEST_F(OpenTest, TmpFileErrors) {
  EXPECT_THAT(open(dir_.c("file"), O_RDWR | O_TMPFILE, 0600), FailsWith(ENOTDIR));
  EXPECT_THAT(open(dir_.c("missing"), O_RDWR | O_TMPFILE, 0600), FailsWith(ENOENT));
  EXPECT_THAT(open(dir_.c("dir"), O_RDONLY | O_TMPFILE, 0600), FailsWith(EINVAL));
  EXPECT_THAT(open(dir_.c("dir"), O_RDWR | O_TMPFILE | O_CREAT, 0600), FailsWith(EINVAL));
  // O_EXCL: it can never be linked.
  Fd fd = Open(dir_.path(), O_RDWR | O_TMPFILE | O_EXCL, 0600);
  const std::string proc = "/proc/self/fd/" + std::to_string(fd.get());
  EXPECT_THAT(linkat(AT_FDCWD, proc.c_str(), AT_FDCWD, dir_.c("named"), AT_SYMLINK_FOLLOW),
              FailsWith(ENOENT));
}

TEST_F(OpenTest, PathDescriptor) {
  Fd fd = Open(dir_ / "file", O_PATH | O_RDWR);
  char c;
  EXPECT_THAT(read(fd.get(), &c, 1), FailsWith(EBADF));
  EXPECT_THAT(write(fd.get(), &c, 1), FailsWith(EBADF));
  EXPECT_THAT(lseek(fd.get(), 0, SEEK_SET), FailsWith(EBADF));
  EXPECT_THAT(fchmod(fd.get(), 0600), FailsWith(EBADF));
  EXPECT_THAT(ioctl(fd.get(), FIONREAD, &c), FailsWith(EBADF));
  EXPECT_THAT(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd.get(), 0), FailsWith(EBADF));
  EXPECT_EQ(fcntl(fd.get(), F_GETFL), O_PATH);
  struct stat st;
  EXPECT_THAT(fstat(fd.get(), &st), SucceedsWith(0));
  EXPECT_THAT(fcntl(fd.get(), F_SETFL, O_APPEND), FailsWith(EBADF));
  EXPECT_THAT(dup(fd.get()), Succeeds());
  // Through /proc it can be opened in earnest.
  Fd real = Open("/proc/self/fd/" + std::to_string(fd.get()), O_RDONLY);
  EXPECT_EQ(ReadAll(real.get()), "hello");
}

TEST_F(OpenTest, PathDescriptorOfSymlink) {
  Fd fd = Open(dir_ / "link", O_PATH | O_NOFOLLOW);
  struct stat st;
  EXPECT_THAT(fstat(fd.get(), &st), SucceedsWith(0));
  EXPECT_TRUE(S_ISLNK(st.st_mode));
  char target[16] = {};
  EXPECT_THAT(readlinkat(fd.get(), "", target, sizeof target), SucceedsWith(4));
  EXPECT_STREQ(target, "file");
}

TEST_F(OpenTest, PathDescriptorNeedsNoPermission) {
  EXPECT_THAT(chmod(dir_.c("file"), 0), SucceedsWith(0));
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                EXPECT_THAT(open(dir_.c("file"), O_RDONLY), FailsWith(EACCES));
                EXPECT_THAT(open(dir_.c("file"), O_PATH), Succeeds());
              }),
              ExitedWith(0));
}

TEST_F(OpenTest, PermissionMatrix) {
  for (int mode = 0; mode < 8; ++mode) {
    EXPECT_THAT(chmod(dir_.c("file"), static_cast<mode_t>(mode)), SucceedsWith(0));
    EXPECT_THAT(
        InChild([&] {
          BecomeNobody();
          const bool r = mode & 4, w = mode & 2, x = mode & 1;
          const auto check = [&](int result, bool allowed) {
            if (allowed) {
              EXPECT_THAT(result, Succeeds()) << mode;
            } else {
              EXPECT_THAT(result, FailsWith(EACCES)) << mode;
            }
          };
          check(open(dir_.c("file"), O_RDONLY), r);
          check(open(dir_.c("file"), O_WRONLY), w);
          check(open(dir_.c("file"), O_RDWR), r && w);
          check(open(dir_.c("file"), O_RDONLY | O_TRUNC), r && w);
          check(access(dir_.c("file"), R_OK), r);
          check(access(dir_.c("file"), W_OK), w);
          check(access(dir_.c("file"), X_OK), x);
          check(access(dir_.c("file"), R_OK | W_OK | X_OK), r && w && x);
          check(access(dir_.c("file"), F_OK), true);
        }),
        ExitedWith(0));
  }
}

TEST_F(OpenTest, OwnerClassIsUsedEvenIfItAllowsLess) {
  EXPECT_THAT(chown(dir_.c("file"), kNobody, kNobody), SucceedsWith(0));
  EXPECT_THAT(chmod(dir_.c("file"), 0077), SucceedsWith(0));
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                EXPECT_THAT(open(dir_.c("file"), O_RDONLY), FailsWith(EACCES));
              }),
              ExitedWith(0));
}

TEST_F(OpenTest, RootIgnoresModesExceptForExecution) {
  EXPECT_THAT(chmod(dir_.c("file"), 0), SucceedsWith(0));
  EXPECT_THAT(open(dir_.c("file"), O_RDWR), Succeeds());
  EXPECT_THAT(access(dir_.c("file"), R_OK | W_OK), SucceedsWith(0));
  EXPECT_THAT(access(dir_.c("file"), X_OK), FailsWith(EACCES));
  EXPECT_THAT(chmod(dir_.c("file"), 0010), SucceedsWith(0));
  EXPECT_THAT(access(dir_.c("file"), X_OK), SucceedsWith(0));
  EXPECT_THAT(access(dir_.c("file"), 8), FailsWith(EINVAL));
}

TEST_F(OpenTest, DirectoriesNeedSearchPermission) {
  WriteFile(dir_ / "dir/inside", "x");
  EXPECT_THAT(chmod(dir_.c("dir"), 0744), SucceedsWith(0));
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                EXPECT_THAT(open(dir_.c("dir/inside"), O_RDONLY), FailsWith(EACCES));
                EXPECT_THAT(open(dir_.c("dir/missing"), O_RDONLY), FailsWith(EACCES));
                EXPECT_THAT(open(dir_.c("dir"), O_RDONLY | O_DIRECTORY), Succeeds());
                EXPECT_THAT(open(dir_.c("new"), O_RDWR | O_CREAT, 0644), FailsWith(EACCES));
              }),
              ExitedWith(0));
}

TEST_F(OpenTest, AccessUsesRealIdsAndFaccessatCanUseEffectiveOnes) {
  EXPECT_THAT(chmod(dir_.c("file"), 0600), SucceedsWith(0));
  EXPECT_THAT(InChild([&] {
                EXPECT_THAT(setresuid(kNobody, 0, 0), SucceedsWith(0));
                EXPECT_THAT(access(dir_.c("file"), R_OK), FailsWith(EACCES));
                EXPECT_THAT(syscall(SYS_faccessat2, AT_FDCWD, dir_.c("file"), R_OK, AT_EACCESS),
                            SucceedsWith(0));
                EXPECT_THAT(syscall(SYS_faccessat2, AT_FDCWD, dir_.c("file"), R_OK, 0x8),
                            FailsWith(EINVAL));
                EXPECT_THAT(open(dir_.c("file"), O_RDONLY), Succeeds());
              }),
              ExitedWith(0));
}

TEST_F(OpenTest, FaccessatFlags) {
  Fd fd = Open(dir_ / "file", O_PATH);
  EXPECT_THAT(syscall(SYS_faccessat2, fd.get(), "", R_OK, AT_EMPTY_PATH), SucceedsWith(0));
  EXPECT_THAT(syscall(SYS_faccessat2, fd.get(), "", R_OK, 0), FailsWith(ENOENT));
  EXPECT_THAT(syscall(SYS_faccessat2, AT_FDCWD, dir_.c("dangling"), F_OK, AT_SYMLINK_NOFOLLOW),
              SucceedsWith(0));
  EXPECT_THAT(syscall(SYS_faccessat2, AT_FDCWD, dir_.c("dangling"), F_OK, 0), FailsWith(ENOENT));
}

TEST_F(OpenTest, NoAtimeNeedsOwnership) {
  EXPECT_THAT(open(dir_.c("file"), O_RDONLY | O_NOATIME), Succeeds());
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                EXPECT_THAT(open(dir_.c("file"), O_RDONLY | O_NOATIME), FailsWith(EPERM));
              }),
              ExitedWith(0));
}

TEST_F(OpenTest, SocketsCannotBeOpened) {
  Fd s(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address = {AF_UNIX, {}};
  strncpy(address.sun_path, dir_.c("sock"), sizeof address.sun_path - 1);
  ASSERT_THAT(bind(s.get(), reinterpret_cast<sockaddr*>(&address), sizeof address),
              SucceedsWith(0));
  EXPECT_THAT(open(dir_.c("sock"), O_RDWR), FailsWith(ENXIO));
  EXPECT_THAT(open(dir_.c("sock"), O_PATH), Succeeds());
}

TEST_F(OpenTest, Creat) {
  Fd fd(creat(dir_.c("file"), 0600));
  ASSERT_GE(fd.get(), 0);
  EXPECT_EQ(fcntl(fd.get(), F_GETFL) & O_ACCMODE, O_WRONLY);
  EXPECT_EQ(ReadFile(dir_ / "file"), "");
}

long Openat2(int fd, const char* path, uint64_t flags, uint64_t mode, uint64_t resolve,
             size_t size = sizeof(open_how)) {
  open_how how[2] = {{flags, mode, resolve}, {}};
  return syscall(SYS_openat2, fd, path, how, size);
}

TEST_F(OpenTest, Openat2ChecksItsArguments) {
  EXPECT_THAT(Openat2(AT_FDCWD, dir_.c("file"), O_RDONLY, 0, 0), Succeeds());
  EXPECT_THAT(Openat2(AT_FDCWD, dir_.c("file"), O_RDONLY, 0644, 0), FailsWith(EINVAL));
  EXPECT_THAT(Openat2(AT_FDCWD, dir_.c("n"), O_RDWR | O_CREAT, 0200000, 0), FailsWith(EINVAL));
  EXPECT_THAT(Openat2(AT_FDCWD, dir_.c("file"), uint64_t{1} << 40, 0, 0), FailsWith(EINVAL));
  EXPECT_THAT(Openat2(AT_FDCWD, dir_.c("file"), 0, 0, 1u << 30), FailsWith(EINVAL));
  EXPECT_THAT(Openat2(AT_FDCWD, dir_.c("file"), 0, 0, 0, 8), FailsWith(EINVAL));
  EXPECT_THAT(Openat2(AT_FDCWD, dir_.c("file"), 0, 0, 0, sizeof(open_how) + 8), Succeeds());
  EXPECT_THAT(Openat2(AT_FDCWD, dir_.c("file"), 0, 0, 0, 8192), FailsWith(E2BIG));
  EXPECT_THAT(Openat2(AT_FDCWD, dir_.c("file"), O_PATH | O_RDWR, 0, 0), FailsWith(EINVAL));
}

TEST_F(OpenTest, Openat2Resolve) {
  WriteFile(dir_ / "dir/inside", "x");
  EXPECT_EQ(symlink("/etc", dir_.c("dir/absolute")), 0);
  EXPECT_EQ(symlink("../file", dir_.c("dir/up")), 0);
  EXPECT_EQ(symlink("inside", dir_.c("dir/near")), 0);
  Fd d = Open(dir_ / "dir", O_PATH | O_DIRECTORY);
  EXPECT_THAT(Openat2(d.get(), "near", O_RDONLY, 0, RESOLVE_BENEATH), Succeeds());
  EXPECT_THAT(Openat2(d.get(), "up", O_RDONLY, 0, RESOLVE_BENEATH), FailsWith(EXDEV));
  EXPECT_THAT(Openat2(d.get(), "absolute", O_RDONLY, 0, RESOLVE_BENEATH), FailsWith(EXDEV));
  EXPECT_THAT(Openat2(d.get(), "/etc", O_RDONLY, 0, RESOLVE_BENEATH), FailsWith(EXDEV));
  EXPECT_THAT(Openat2(d.get(), "..", O_RDONLY, 0, RESOLVE_BENEATH), FailsWith(EXDEV));
  EXPECT_THAT(Openat2(d.get(), "near", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), FailsWith(ELOOP));
  EXPECT_THAT(Openat2(d.get(), "inside", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), Succeeds());
  // The directory is the root.
  EXPECT_THAT(Openat2(d.get(), "/inside", O_RDONLY, 0, RESOLVE_IN_ROOT), Succeeds());
  EXPECT_THAT(Openat2(d.get(), "../../inside", O_RDONLY, 0, RESOLVE_IN_ROOT), Succeeds());
  EXPECT_THAT(Openat2(d.get(), "absolute", O_RDONLY, 0, RESOLVE_IN_ROOT), FailsWith(ENOENT));
  EXPECT_THAT(Openat2(AT_FDCWD, "/proc/self", O_RDONLY, 0, RESOLVE_NO_XDEV), FailsWith(EXDEV));
  EXPECT_THAT(Openat2(AT_FDCWD, "/proc/self/fd/0", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS),
              FailsWith(ELOOP));
}

}  // namespace
}  // namespace cvisor::test
