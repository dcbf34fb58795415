// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// memfd_create(2) and its seals.
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

TEST(MemfdTest, IsAFile) {
  Fd fd(memfd_create("name", MFD_CLOEXEC));
  EXPECT_EQ(fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_THAT(write(fd.get(), "hello", 5), SucceedsWith(5));
  struct stat st;
  EXPECT_THAT(fstat(fd.get(), &st), SucceedsWith(0));
  EXPECT_EQ(st.st_size, 5);
  EXPECT_EQ(st.st_nlink, 0u);
  EXPECT_EQ(st.st_mode, S_IFREG | 0777u);
  char b[64] = {};
  const std::string link = "/proc/self/fd/" + std::to_string(fd.get());
  EXPECT_THAT(readlink(link.c_str(), b, sizeof b - 1), Succeeds());
  EXPECT_STREQ(b, "/memfd:name (deleted)");
  EXPECT_THAT(fcntl(fd.get(), F_GET_SEALS), SucceedsWith(F_SEAL_SEAL));
  EXPECT_THAT(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE), FailsWith(EPERM));
}

TEST(MemfdTest, Errors) {
  EXPECT_THAT(memfd_create(std::string(250, 'x').c_str(), 0), FailsWith(EINVAL));
  EXPECT_THAT(memfd_create(std::string(249, 'x').c_str(), 0), Succeeds());
  EXPECT_THAT(memfd_create("x", 0x1000), FailsWith(EINVAL));
  EXPECT_THAT(memfd_create(reinterpret_cast<char*>(8), 0), FailsWith(EFAULT));
  PipeFds p = MakePipe();
  EXPECT_THAT(fcntl(p.reader.get(), F_GET_SEALS), FailsWith(EINVAL));
}

TEST(MemfdTest, SizeSeals) {
  Fd fd(memfd_create("x", MFD_ALLOW_SEALING));
  EXPECT_THAT(fcntl(fd.get(), F_GET_SEALS), SucceedsWith(0));
  EXPECT_THAT(ftruncate(fd.get(), 4096), SucceedsWith(0));
  EXPECT_THAT(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK), SucceedsWith(0));
  EXPECT_THAT(ftruncate(fd.get(), 100), FailsWith(EPERM));
  EXPECT_THAT(ftruncate(fd.get(), 8192), SucceedsWith(0));
  EXPECT_THAT(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_GROW), SucceedsWith(0));
  EXPECT_THAT(ftruncate(fd.get(), 10000), FailsWith(EPERM));
  EXPECT_THAT(pwrite(fd.get(), "x", 1, 8192), FailsWith(EPERM));
  EXPECT_THAT(pwrite(fd.get(), "x", 1, 8191), SucceedsWith(1));
  EXPECT_THAT(fallocate(fd.get(), 0, 0, 9000), FailsWith(EPERM));
  EXPECT_THAT(fallocate(fd.get(), FALLOC_FL_KEEP_SIZE, 0, 9000), FailsWith(EPERM));
  EXPECT_THAT(fallocate(fd.get(), FALLOC_FL_KEEP_SIZE, 0, 8192), SucceedsWith(0));
  EXPECT_THAT(fcntl(fd.get(), F_GET_SEALS), SucceedsWith(F_SEAL_SHRINK | F_SEAL_GROW));
}

TEST(MemfdTest, FileSizeLimit) {
  EXPECT_THAT(InChild([] {
                signal(SIGXFSZ, SIG_IGN);
                Fd fd(memfd_create("limited", 0));
                EXPECT_THAT(ftruncate(fd.get(), 20000), SucceedsWith(0));
                const rlimit limit = {8192, 8192};
                ASSERT_THAT(setrlimit(RLIMIT_FSIZE, &limit), SucceedsWith(0));
                // The limit is about growth.
                EXPECT_THAT(ftruncate(fd.get(), 20001), FailsWith(EFBIG));
                EXPECT_THAT(ftruncate(fd.get(), 10000), SucceedsWith(0));
                EXPECT_THAT(fallocate(fd.get(), 0, 0, 10000), SucceedsWith(0));
                EXPECT_THAT(fallocate(fd.get(), 0, 0, 10001), FailsWith(EFBIG));
                // Space beyond the end counts, too.
                EXPECT_THAT(fallocate(fd.get(), FALLOC_FL_KEEP_SIZE, 0, 10001), FailsWith(EFBIG));
              }),
              ExitedWith(0));
}

TEST(MemfdTest, WriteSeal) {
  Fd fd(memfd_create("x", MFD_ALLOW_SEALING));
  EXPECT_THAT(ftruncate(fd.get(), 4096), SucceedsWith(0));
  void* p = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  ASSERT_NE(p, MAP_FAILED);
  EXPECT_THAT(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE), FailsWith(EBUSY));
  munmap(p, 4096);
  EXPECT_THAT(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE), SucceedsWith(0));
  EXPECT_THAT(write(fd.get(), "x", 1), FailsWith(EPERM));
  EXPECT_THAT(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0),
              FailsWith(EPERM));
  EXPECT_THAT(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd.get(), 0), Succeeds());
  EXPECT_THAT(fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096),
              FailsWith(EPERM));
}

TEST(MemfdTest, FutureWriteSeal) {
  Fd fd(memfd_create("x", MFD_ALLOW_SEALING));
  EXPECT_THAT(ftruncate(fd.get(), 4096), SucceedsWith(0));
  char* p = static_cast<char*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0));
  EXPECT_THAT(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE), SucceedsWith(0));
  p[0] = 'x';
  EXPECT_THAT(write(fd.get(), "x", 1), FailsWith(EPERM));
  EXPECT_THAT(mmap(nullptr, 4096, PROT_WRITE, MAP_SHARED, fd.get(), 0), FailsWith(EPERM));
  char* r = static_cast<char*>(mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd.get(), 0));
  ASSERT_NE(r, MAP_FAILED);
  EXPECT_EQ(r[0], 'x');
  EXPECT_THAT(mprotect(r, 4096, PROT_READ | PROT_WRITE), FailsWith(EACCES));
  munmap(p, 4096);
  munmap(r, 4096);
}

TEST(MemfdTest, SealSeal) {
  Fd fd(memfd_create("x", MFD_ALLOW_SEALING));
  EXPECT_THAT(fcntl(fd.get(), F_ADD_SEALS, 0x1000), FailsWith(EINVAL));
  EXPECT_THAT(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SEAL), SucceedsWith(0));
  EXPECT_THAT(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE), FailsWith(EPERM));
  Fd r = Open("/proc/self/fd/" + std::to_string(fd.get()), O_RDONLY);
  EXPECT_THAT(fcntl(r.get(), F_GET_SEALS), SucceedsWith(F_SEAL_SEAL));
}

TEST(MemfdTest, SharedBetweenProcesses) {
  Fd fd(memfd_create("x", 0));
  EXPECT_THAT(ftruncate(fd.get(), 8192), SucceedsWith(0));
  char* p = static_cast<char*>(
      mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0));
  EXPECT_THAT(InChild([&] {
                p[0] = 'm';
                EXPECT_THAT(pwrite(fd.get(), "w", 1, 4096), SucceedsWith(1));
              }),
              ExitedWith(0));
  EXPECT_EQ(p[0], 'm');
  EXPECT_EQ(p[4096], 'w');
  EXPECT_THAT(fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096),
              SucceedsWith(0));
  EXPECT_EQ(p[0], 0);
  EXPECT_EQ(p[4096], 'w');
  munmap(p, 8192);
}

}  // namespace
}  // namespace cvisor::test
