// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// process_madvise(2).
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

constexpr size_t kPage = 4096;

long ProcessMadvise(int pidfd, const std::vector<iovec>& ranges, int advice, unsigned flags = 0) {
  return syscall(SYS_process_madvise, pidfd, ranges.data(), ranges.size(), advice, flags);
}
Fd PidFd(pid_t pid) { return Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))); }

class ProcessMadviseTest : public ::testing::Test {
 protected:
  ProcessMadviseTest()
      : memory_(static_cast<char*>(mmap(nullptr, 4 * kPage, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    memory_[0] = memory_[kPage] = 'x';
    self_ = PidFd(getpid());
  }
  ~ProcessMadviseTest() override { munmap(memory_, 4 * kPage); }
  iovec Range(int page, size_t pages) { return {memory_ + page * kPage, pages * kPage}; }

  char* const memory_;
  Fd self_;
};

TEST_F(ProcessMadviseTest, OfItself) {
  EXPECT_THAT(ProcessMadvise(self_.get(), {Range(0, 2), Range(3, 1)}, MADV_COLD),
              SucceedsWith(3 * kPage));
  EXPECT_THAT(ProcessMadvise(self_.get(), {Range(0, 1)}, MADV_PAGEOUT), SucceedsWith(kPage));
  EXPECT_THAT(ProcessMadvise(self_.get(), {Range(0, 1)}, MADV_WILLNEED), SucceedsWith(kPage));
  EXPECT_EQ(memory_[0], 'x');
  EXPECT_THAT(ProcessMadvise(self_.get(), {}, MADV_COLD), SucceedsWith(0));
}

TEST_F(ProcessMadviseTest, OfAnother) {
  ScopedChild child([] { pause(); });
  Fd fd = PidFd(child.pid());
  for (const int advice : {MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED}) {
    EXPECT_THAT(ProcessMadvise(fd.get(), {Range(0, 2)}, advice), SucceedsWith(2 * kPage));
  }
  // Nothing that destroys.
  EXPECT_THAT(ProcessMadvise(fd.get(), {Range(0, 2)}, MADV_DONTNEED), FailsWith(EINVAL));
  EXPECT_THAT(ProcessMadvise(fd.get(), {Range(0, 2)}, MADV_FREE), FailsWith(EINVAL));
  EXPECT_THAT(ProcessMadvise(fd.get(), {Range(0, 2)}, MADV_DONTFORK), FailsWith(EINVAL));
}

TEST_F(ProcessMadviseTest, Ranges) {
  ScopedChild child([this] {
    munmap(memory_ + kPage, kPage);
    raise(SIGSTOP);
    pause();
  });
  EXPECT_THAT(test::Wait(child.pid(), WUNTRACED), StoppedBy(SIGSTOP));
  Fd fd = PidFd(child.pid());
  EXPECT_THAT(ProcessMadvise(fd.get(), {Range(0, 1)}, MADV_COLD), SucceedsWith(kPage));
  EXPECT_THAT(ProcessMadvise(fd.get(), {Range(1, 1)}, MADV_COLD), FailsWith(ENOMEM));
  EXPECT_THAT(ProcessMadvise(fd.get(), {Range(0, 1), Range(1, 1), Range(2, 1)}, MADV_COLD),
              SucceedsWith(kPage));  // as far as it went
  EXPECT_THAT(ProcessMadvise(fd.get(), {{memory_ + 1, kPage}}, MADV_COLD), FailsWith(EINVAL));
}

TEST_F(ProcessMadviseTest, Errors) {
  EXPECT_THAT(ProcessMadvise(self_.get(), {Range(0, 1)}, MADV_COLD, 1), FailsWith(EINVAL));
  EXPECT_THAT(ProcessMadvise(self_.get(), {Range(0, 1)}, 12345), FailsWith(EINVAL));
  EXPECT_THAT(ProcessMadvise(-1, {Range(0, 1)}, MADV_COLD), FailsWith(EBADF));
  PipeFds pipe = MakePipe();
  EXPECT_THAT(ProcessMadvise(pipe.reader.get(), {Range(0, 1)}, MADV_COLD), FailsWith(EBADF));
  EXPECT_THAT(syscall(SYS_process_madvise, self_.get(), 8, 1, MADV_COLD, 0), FailsWith(EFAULT));
  EXPECT_THAT(
      ProcessMadvise(self_.get(), std::vector<iovec>(1025, Range(0, 1)), MADV_COLD),
      FailsWith(EINVAL));
  ScopedChild child([] {});
  Fd fd = PidFd(child.pid());
  EXPECT_THAT(child.Wait(), ExitedWith(0));
  EXPECT_THAT(ProcessMadvise(fd.get(), {Range(0, 1)}, MADV_COLD), FailsWith(ESRCH));
}

TEST_F(ProcessMadviseTest, Privileges) {
  ScopedChild child([] { pause(); });
  Fd fd = PidFd(child.pid());
  EXPECT_THAT(InChild([&] {
                DropCapability(CAP_SYS_NICE);
                EXPECT_THAT(ProcessMadvise(fd.get(), {Range(0, 1)}, MADV_COLD), FailsWith(EPERM));
                BecomeNobody();
                EXPECT_THAT(ProcessMadvise(fd.get(), {Range(0, 1)}, MADV_COLD), FailsWith(EACCES));
              }),
              ExitedWith(0));
}

}  // namespace
}  // namespace cvisor::test
