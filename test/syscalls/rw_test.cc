// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// read(2), write(2), their p- and v-forms, lseek(2), truncate(2), fallocate(2).
#include <limits.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

class RwTest : public testing::Test {
 protected:
  RwTest() : fd_(Open(dir_ / "file", O_RDWR | O_CREAT)) {
    EXPECT_TRUE(WriteAll(fd_.get(), "0123456789"));
    EXPECT_THAT(lseek(fd_.get(), 0, SEEK_SET), SucceedsWith(0));
  }
  // Not through functions whose buffer size the compiler checks.
  static void* Bad() { return reinterpret_cast<void*>(16); }
  int64_t Size() {
    struct stat st = {};
    EXPECT_THAT(fstat(fd_.get(), &st), SucceedsWith(0));
    return st.st_size;
  }
  TempDir dir_;
  Fd fd_;
};

TEST_F(RwTest, ReadAdvancesAndStopsAtTheEnd) {
  char b[16];
  EXPECT_THAT(read(fd_.get(), b, 4), SucceedsWith(4));
  EXPECT_EQ(std::string(b, 4), "0123");
  EXPECT_THAT(read(fd_.get(), b, 16), SucceedsWith(6));
  EXPECT_THAT(read(fd_.get(), b, 16), SucceedsWith(0));
  EXPECT_THAT(lseek(fd_.get(), 0, SEEK_CUR), SucceedsWith(10));
}

TEST_F(RwTest, BadDescriptors) {
  char b;
  EXPECT_THAT(read(-1, &b, 1), FailsWith(EBADF));
  EXPECT_THAT(write(-1, &b, 1), FailsWith(EBADF));
  EXPECT_THAT(read(54321, &b, 1), FailsWith(EBADF));
  EXPECT_THAT(lseek(-1, 0, SEEK_SET), FailsWith(EBADF));
  EXPECT_THAT(ftruncate(-1, 0), FailsWith(EBADF));
}

TEST_F(RwTest, BadBuffers) {
  EXPECT_THAT(syscall(SYS_read, fd_.get(), Bad(), 4), FailsWith(EFAULT));
  EXPECT_THAT(syscall(SYS_write, fd_.get(), Bad(), 4), FailsWith(EFAULT));
  EXPECT_THAT(syscall(SYS_pread64, fd_.get(), Bad(), 4, 0), FailsWith(EFAULT));
  EXPECT_THAT(lseek(fd_.get(), 0, SEEK_CUR), SucceedsWith(0));
  // Nothing is transferred: nothing is touched.
  EXPECT_THAT(syscall(SYS_read, fd_.get(), Bad(), 0), SucceedsWith(0));
  EXPECT_THAT(syscall(SYS_write, fd_.get(), Bad(), 0), SucceedsWith(0));
  EXPECT_THAT(lseek(fd_.get(), 0, SEEK_END), SucceedsWith(10));
  EXPECT_THAT(syscall(SYS_read, fd_.get(), Bad(), 4), SucceedsWith(0));
  // Not an address of user space at all.
  EXPECT_THAT(lseek(fd_.get(), 0, SEEK_SET), SucceedsWith(0));
  EXPECT_THAT(syscall(SYS_read, fd_.get(), 0xffff800000000000ul, 4), FailsWith(EFAULT));
  EXPECT_THAT(syscall(SYS_write, fd_.get(), 0xffff800000000000ul, 4), FailsWith(EFAULT));
}

TEST_F(RwTest, PartlyBadBufferTransfersTheGoodPart) {
  char* p = static_cast<char*>(
      mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(p, MAP_FAILED);
  ASSERT_EQ(mprotect(p + 4096, 4096, PROT_NONE), 0);
  EXPECT_THAT(syscall(SYS_read, fd_.get(), p + 4090, 10), SucceedsWith(6));
  EXPECT_EQ(std::string(p + 4090, 6), "012345");
  EXPECT_THAT(lseek(fd_.get(), 0, SEEK_CUR), SucceedsWith(6));
  // A write stops before the bad page: 6 bytes, or EFAULT at once on file systems
  // which cannot; never more.
  const long n = syscall(SYS_write, fd_.get(), p + 4090, 10);
  EXPECT_TRUE(n == 6 || (n == -1 && errno == EFAULT)) << n;
  munmap(p, 8192);
}

TEST_F(RwTest, SizesTooBigForSignedAreErrorsOrClamped) {
  EXPECT_THAT(syscall(SYS_read, fd_.get(), Bad(), -1L), FailsWith(EFAULT));
  char b[16];
  // SSIZE_MAX from a good address: clamped to MAX_RW_COUNT, then to the file; but
  // the buffer must lie in user space.
  EXPECT_THAT(syscall(SYS_read, fd_.get(), b, 1UL << 62), FailsWith(EFAULT));
}

TEST_F(RwTest, HugeCountIsClampedToTheFile) {
  // The address range need not be mapped as a whole.
  char* p = static_cast<char*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  EXPECT_THAT(syscall(SYS_read, fd_.get(), p, 1UL << 30), SucceedsWith(10));
  munmap(p, 4096);
}

TEST_F(RwTest, PreadAndPwriteLeaveTheOffset) {
  char b[4];
  EXPECT_THAT(pread(fd_.get(), b, 4, 3), SucceedsWith(4));
  EXPECT_EQ(std::string(b, 4), "3456");
  EXPECT_THAT(pwrite(fd_.get(), "xy", 2, 9), SucceedsWith(2));
  EXPECT_THAT(lseek(fd_.get(), 0, SEEK_CUR), SucceedsWith(0));
  EXPECT_EQ(ReadAll(fd_.get()), "012345678xy");
  EXPECT_THAT(pread(fd_.get(), b, 4, -1), FailsWith(EINVAL));
  EXPECT_THAT(pwrite(fd_.get(), b, 4, -1), FailsWith(EINVAL));
  EXPECT_THAT(pread(fd_.get(), b, 4, 1000), SucceedsWith(0));
  PipeFds p = MakePipe();
  EXPECT_THAT(pread(p.reader.get(), b, 4, 0), FailsWith(ESPIPE));
  EXPECT_THAT(pwrite(p.writer.get(), b, 4, 0), FailsWith(ESPIPE));
}

TEST_F(RwTest, SparseFilesReadAsZeros) {
  EXPECT_THAT(pwrite(fd_.get(), "z", 1, 1 << 20), SucceedsWith(1));
  EXPECT_EQ(Size(), (1 << 20) + 1);
  char b[4] = {1, 1, 1, 1};
  EXPECT_THAT(pread(fd_.get(), b, 4, 500000), SucceedsWith(4));
  EXPECT_EQ(std::string(b, 4), std::string(4, '\0'));
}

TEST_F(RwTest, ReadvScattersAndWritevGathers) {
  char a[3], b[4];
  iovec in[3] = {{a, 3}, {nullptr, 0}, {b, 4}};
  EXPECT_THAT(readv(fd_.get(), in, 3), SucceedsWith(7));
  EXPECT_EQ(std::string(a, 3) + std::string(b, 4), "0123456");
  char x[] = "AB", y[] = "CDE";
  iovec out[2] = {{x, 2}, {y, 3}};
  EXPECT_THAT(writev(fd_.get(), out, 2), SucceedsWith(5));
  EXPECT_EQ(ReadFile(dir_ / "file"), "0123456ABCDE");
  EXPECT_THAT(preadv(fd_.get(), in, 3, 5), SucceedsWith(7));
  EXPECT_EQ(std::string(b, 4), "BCDE");
  EXPECT_THAT(pwritev(fd_.get(), out, 2, 0), SucceedsWith(5));
  EXPECT_EQ(ReadFile(dir_ / "file"), "ABCDE56ABCDE");
}

TEST_F(RwTest, VectorErrors) {
  char b[4];
  iovec v[2] = {{b, 4}, {Bad(), 4}};
  EXPECT_THAT(readv(fd_.get(), v, -1), FailsWith(EINVAL));
  EXPECT_THAT(readv(fd_.get(), v, IOV_MAX + 1), FailsWith(EINVAL));
  EXPECT_THAT(readv(fd_.get(), v, 0), SucceedsWith(0));
  EXPECT_THAT(syscall(SYS_readv, fd_.get(), Bad(), 1), FailsWith(EFAULT));
  // The first part arrives although the second cannot.
  EXPECT_THAT(readv(fd_.get(), v, 2), SucceedsWith(4));
  EXPECT_THAT(readv(fd_.get(), v + 1, 1), FailsWith(EFAULT));
  v[1] = {b, static_cast<size_t>(-1)};
  EXPECT_THAT(readv(fd_.get(), v, 2), FailsWith(EINVAL));
}

TEST_F(RwTest, Preadv2) {
  char b[4];
  iovec v = {b, 4};
  // Offset -1 is the file's own.
  EXPECT_THAT(preadv2(fd_.get(), &v, 1, -1, 0), SucceedsWith(4));
  EXPECT_THAT(lseek(fd_.get(), 0, SEEK_CUR), SucceedsWith(4));
  EXPECT_THAT(preadv2(fd_.get(), &v, 1, 0, 0x40000000), FailsWith(EOPNOTSUPP));
  EXPECT_THAT(preadv2(fd_.get(), &v, 1, -2, 0), FailsWith(EINVAL));
  EXPECT_THAT(pwritev2(fd_.get(), &v, 1, 0, RWF_APPEND), SucceedsWith(4));
  EXPECT_EQ(Size(), 14);
}

TEST_F(RwTest, Lseek) {
  EXPECT_THAT(lseek(fd_.get(), 3, SEEK_SET), SucceedsWith(3));
  EXPECT_THAT(lseek(fd_.get(), 2, SEEK_CUR), SucceedsWith(5));
  EXPECT_THAT(lseek(fd_.get(), -1, SEEK_END), SucceedsWith(9));
  EXPECT_THAT(lseek(fd_.get(), 100, SEEK_SET), SucceedsWith(100));
  EXPECT_EQ(Size(), 10);
  EXPECT_THAT(lseek(fd_.get(), -1, SEEK_SET), FailsWith(EINVAL));
  EXPECT_THAT(lseek(fd_.get(), -101, SEEK_CUR), FailsWith(EINVAL));
  EXPECT_THAT(lseek(fd_.get(), 0, 77), FailsWith(EINVAL));
  EXPECT_THAT(lseek(fd_.get(), INT64_MAX, SEEK_CUR), FailsWith(EINVAL));
  EXPECT_THAT(lseek(fd_.get(), 0, SEEK_CUR), SucceedsWith(100));
  PipeFds p = MakePipe();
  EXPECT_THAT(lseek(p.reader.get(), 0, SEEK_CUR), FailsWith(ESPIPE));
}

TEST_F(RwTest, SeekDataAndHole) {
  EXPECT_THAT(lseek(fd_.get(), 0, SEEK_DATA), SucceedsWith(0));
  EXPECT_THAT(lseek(fd_.get(), 0, SEEK_HOLE), SucceedsWith(10));
  EXPECT_THAT(lseek(fd_.get(), 10, SEEK_DATA), FailsWith(ENXIO));
  EXPECT_THAT(lseek(fd_.get(), 10, SEEK_HOLE), FailsWith(ENXIO));
  EXPECT_THAT(lseek(fd_.get(), -1, SEEK_DATA), FailsWith(ENXIO));
}

TEST_F(RwTest, OffsetIsSharedByDupAndFork) {
  Fd copy(dup(fd_.get()));
  char b[3];
  EXPECT_THAT(read(copy.get(), b, 3), SucceedsWith(3));
  EXPECT_THAT(lseek(fd_.get(), 0, SEEK_CUR), SucceedsWith(3));
  EXPECT_THAT(InChild([&] { EXPECT_THAT(read(fd_.get(), b, 3), SucceedsWith(3)); }),
              ExitedWith(0));
  EXPECT_THAT(lseek(fd_.get(), 0, SEEK_CUR), SucceedsWith(6));
  Fd other = Open(dir_ / "file", O_RDONLY);
  EXPECT_THAT(lseek(other.get(), 0, SEEK_CUR), SucceedsWith(0));
}

TEST_F(RwTest, Truncate) {
  EXPECT_THAT(ftruncate(fd_.get(), 4), SucceedsWith(0));
  EXPECT_EQ(ReadFile(dir_ / "file"), "0123");
  EXPECT_THAT(truncate(dir_.c("file"), 8), SucceedsWith(0));
  EXPECT_EQ(ReadFile(dir_ / "file"), std::string("0123\0\0\0\0", 8));
  EXPECT_THAT(ftruncate(fd_.get(), -1), FailsWith(EINVAL));
  EXPECT_THAT(truncate(dir_.c("file"), -1), FailsWith(EINVAL));
  EXPECT_THAT(truncate(dir_.c("missing"), 0), FailsWith(ENOENT));
  EXPECT_THAT(truncate(dir_.path().c_str(), 0), FailsWith(EISDIR));
  EXPECT_THAT(truncate(dir_.c("file/x"), 0), FailsWith(ENOTDIR));
  Fd d = Open(dir_.path(), O_RDONLY);
  EXPECT_THAT(ftruncate(d.get(), 0), FailsWith(EINVAL));
  PipeFds p = MakePipe();
  EXPECT_THAT(ftruncate(p.writer.get(), 0), FailsWith(EINVAL));
}

TEST_F(RwTest, TruncateKeepsOldBytesAwayAfterGrowing) {
  EXPECT_THAT(ftruncate(fd_.get(), 2), SucceedsWith(0));
  EXPECT_THAT(ftruncate(fd_.get(), 10), SucceedsWith(0));
  EXPECT_EQ(ReadAll(fd_.get()), std::string("01\0\0\0\0\0\0\0\0", 10));
}

TEST_F(RwTest, TruncateNeedsWritePermission) {
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                EXPECT_THAT(truncate(dir_.c("file"), 0), FailsWith(EACCES));
                // A descriptor opened earlier is enough.
                EXPECT_THAT(ftruncate(fd_.get(), 1), SucceedsWith(0));
              }),
              ExitedWith(0));
}

TEST_F(RwTest, TruncateDropsSetIdBits) {
  EXPECT_THAT(fchmod(fd_.get(), 06777), SucceedsWith(0));
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                EXPECT_THAT(truncate(dir_.c("file"), 1), SucceedsWith(0));
              }),
              ExitedWith(0));
  struct stat st;
  EXPECT_THAT(fstat(fd_.get(), &st), SucceedsWith(0));
  EXPECT_EQ(st.st_mode & 07777, 0777u);
}

TEST_F(RwTest, WriteByAnotherUserDropsSetIdBits) {
  EXPECT_THAT(fchmod(fd_.get(), 06777), SucceedsWith(0));
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                EXPECT_THAT(write(fd_.get(), "x", 1), SucceedsWith(1));
              }),
              ExitedWith(0));
  struct stat st;
  EXPECT_THAT(fstat(fd_.get(), &st), SucceedsWith(0));
  EXPECT_EQ(st.st_mode & 07777, 0777u);
}

TEST_F(RwTest, FileSizeLimit) {
  EXPECT_THAT(
      InChild([&] {
        signal(SIGXFSZ, SIG_IGN);
        const rlimit limit = {8, 8};
        ASSERT_THAT(setrlimit(RLIMIT_FSIZE, &limit), SucceedsWith(0));
        Fd fd = Open(dir_ / "limited", O_RDWR | O_CREAT);
        EXPECT_THAT(write(fd.get(), "0123456789", 10), SucceedsWith(8));
        EXPECT_THAT(write(fd.get(), "x", 1), FailsWith(EFBIG));
        EXPECT_THAT(ftruncate(fd.get(), 9), FailsWith(EFBIG));
        EXPECT_THAT(ftruncate(fd.get(), 8), SucceedsWith(0));
      }),
      ExitedWith(0));
  EXPECT_THAT(InChild([&] {
                const rlimit limit = {8, 8};
                const rlimit no_core = {0, 0};
                setrlimit(RLIMIT_CORE, &no_core);
                ASSERT_THAT(setrlimit(RLIMIT_FSIZE, &limit), SucceedsWith(0));
                (void)pwrite(fd_.get(), "x", 1, 8);
                ADD_FAILURE() << "still alive";
              }),
              KilledBy(SIGXFSZ));
}

TEST_F(RwTest, Fallocate) {
  EXPECT_THAT(fallocate(fd_.get(), 0, 0, 100), SucceedsWith(0));
  EXPECT_EQ(Size(), 100);
  EXPECT_THAT(fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, 0, 5000), SucceedsWith(0));
  EXPECT_EQ(Size(), 100);
  EXPECT_THAT(fallocate(fd_.get(), 0, 0, 0), FailsWith(EINVAL));
  EXPECT_THAT(fallocate(fd_.get(), 0, -1, 1), FailsWith(EINVAL));
  EXPECT_THAT(fallocate(fd_.get(), 0, 0, -1), FailsWith(EINVAL));
  EXPECT_THAT(fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE, 0, 1), FailsWith(EOPNOTSUPP));
  EXPECT_THAT(fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 5),
              SucceedsWith(0));
  EXPECT_EQ(ReadExactly(fd_.get(), 10), std::string("\0\0\0\0\0"
                                                     "56789",
                                                     10));
  Fd r = Open(dir_ / "file", O_RDONLY);
  EXPECT_THAT(fallocate(r.get(), 0, 0, 1), FailsWith(EBADF));
  PipeFds p = MakePipe();
  EXPECT_THAT(fallocate(p.writer.get(), 0, 0, 1), FailsWith(ESPIPE));
}

TEST_F(RwTest, SyncCalls) {
  EXPECT_THAT(fsync(fd_.get()), SucceedsWith(0));
  EXPECT_THAT(fdatasync(fd_.get()), SucceedsWith(0));
  EXPECT_THAT(fsync(-1), FailsWith(EBADF));
  PipeFds p = MakePipe();
  EXPECT_THAT(fsync(p.writer.get()), FailsWith(EINVAL));
  EXPECT_THAT(sync_file_range(fd_.get(), 0, 10, SYNC_FILE_RANGE_WRITE), SucceedsWith(0));
  EXPECT_THAT(syncfs(fd_.get()), SucceedsWith(0));
  EXPECT_THAT(syncfs(-1), FailsWith(EBADF));
}

TEST_F(RwTest, Fadvise) {
  EXPECT_EQ(posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_SEQUENTIAL), 0);
  EXPECT_EQ(posix_fadvise(fd_.get(), 0, 0, 77), EINVAL);
  EXPECT_EQ(posix_fadvise(fd_.get(), 0, -1, POSIX_FADV_NORMAL), EINVAL);
  PipeFds p = MakePipe();
  EXPECT_EQ(posix_fadvise(p.reader.get(), 0, 0, POSIX_FADV_NORMAL), ESPIPE);
  EXPECT_EQ(posix_fadvise(-1, 0, 0, POSIX_FADV_NORMAL), EBADF);
  EXPECT_THAT(readahead(fd_.get(), 0, 4096), SucceedsWith(0));
}

TEST_F(RwTest, ConcurrentAppendsDoNotOverlap) {
  constexpr int kWriters = 4, kRecords = 200;
  std::vector<pid_t> pids;
  for (int w = 0; w < kWriters; ++w) {
    pids.push_back(Fork([&] {
      Fd fd = Open(dir_ / "log", O_WRONLY | O_CREAT | O_APPEND);
      const std::string record(10, static_cast<char>('a' + w));
      for (int i = 0; i < kRecords; ++i) EXPECT_THAT(write(fd.get(), record.data(), 10),
                                                     SucceedsWith(10));
    }));
  }
  for (pid_t pid : pids) EXPECT_THAT(Wait(pid), ExitedWith(0));
  const std::string log = ReadFile(dir_ / "log");
  ASSERT_EQ(log.size(), kWriters * kRecords * 10u);
  int count[kWriters] = {};
  for (size_t i = 0; i < log.size(); i += 10) {
    ASSERT_EQ(log.substr(i, 10), std::string(10, log[i]));
    ++count[log[i] - 'a'];
  }
  EXPECT_THAT(count, testing::Each(kRecords));
}

TEST_F(RwTest, SharedOffsetIsAtomic) {
  // Writers with one file description never write over each other's bytes.
  constexpr int kThreads = 4, kRecords = 200;
  Fd fd = Open(dir_ / "shared", O_RDWR | O_CREAT);
  {
    std::vector<std::unique_ptr<ScopedThread>> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.push_back(std::make_unique<ScopedThread>([&fd, t] {
        const std::string record(8, static_cast<char>('a' + t));
        for (int i = 0; i < kRecords; ++i) {
          EXPECT_THAT(write(fd.get(), record.data(), 8), SucceedsWith(8));
        }
      }));
    }
  }
  const std::string data = ReadFile(dir_ / "shared");
  ASSERT_EQ(data.size(), kThreads * kRecords * 8u);
  for (size_t i = 0; i < data.size(); i += 8) ASSERT_EQ(data.substr(i, 8), std::string(8, data[i]));
}

}  // namespace
}  // namespace cvisor::test
