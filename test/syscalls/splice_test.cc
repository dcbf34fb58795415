// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// splice(2), tee(2), vmsplice(2), sendfile(2), copy_file_range(2).
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

class SpliceTest : public testing::Test {
 protected:
  SpliceTest() {
    WriteFile(dir_ / "in", "0123456789");
    in_ = Open(dir_ / "in", O_RDWR);
    out_ = Open(dir_ / "out", O_RDWR | O_CREAT);
    pipe_ = MakePipe(O_NONBLOCK);
  }
  TempDir dir_;
  Fd in_, out_;
  PipeFds pipe_;
};

TEST_F(SpliceTest, FileToPipeToFile) {
  EXPECT_THAT(splice(in_.get(), nullptr, pipe_.writer.get(), nullptr, 4, 0), SucceedsWith(4));
  EXPECT_THAT(lseek(in_.get(), 0, SEEK_CUR), SucceedsWith(4));
  loff_t at = 7;
  EXPECT_THAT(splice(in_.get(), &at, pipe_.writer.get(), nullptr, 100, 0), SucceedsWith(3));
  EXPECT_EQ(at, 10);
  EXPECT_THAT(lseek(in_.get(), 0, SEEK_CUR), SucceedsWith(4));
  EXPECT_THAT(splice(in_.get(), &at, pipe_.writer.get(), nullptr, 100, 0), SucceedsWith(0));
  loff_t to = 2;
  EXPECT_THAT(splice(pipe_.reader.get(), nullptr, out_.get(), &to, 100, 0), SucceedsWith(7));
  EXPECT_EQ(to, 9);
  EXPECT_EQ(ReadFile(dir_ / "out"), std::string("\0\0"
                                                 "0123789",
                                                 9));
}

TEST_F(SpliceTest, PipeToPipe) {
  PipeFds other = MakePipe(O_NONBLOCK);
  EXPECT_THAT(write(pipe_.writer.get(), "abcdef", 6), SucceedsWith(6));
  EXPECT_THAT(splice(pipe_.reader.get(), nullptr, other.writer.get(), nullptr, 4, 0),
              SucceedsWith(4));
  EXPECT_EQ(ReadExactly(other.reader.get(), 4), "abcd");
  EXPECT_EQ(ReadExactly(pipe_.reader.get(), 2), "ef");
}

TEST_F(SpliceTest, SpliceErrors) {
  loff_t at = 0;
  EXPECT_THAT(splice(in_.get(), nullptr, out_.get(), nullptr, 4, 0), FailsWith(EINVAL));
  EXPECT_THAT(splice(in_.get(), nullptr, pipe_.writer.get(), &at, 4, 0), FailsWith(ESPIPE));
  EXPECT_THAT(splice(-1, nullptr, pipe_.writer.get(), nullptr, 4, 0), FailsWith(EBADF));
  EXPECT_THAT(splice(in_.get(), nullptr, pipe_.reader.get(), nullptr, 4, 0), FailsWith(EBADF));
  EXPECT_THAT(splice(in_.get(), nullptr, pipe_.writer.get(), nullptr, 4, 0x100),
              FailsWith(EINVAL));
  EXPECT_THAT(splice(pipe_.reader.get(), nullptr, pipe_.writer.get(), nullptr, 4, 0),
              FailsWith(EINVAL));
  EXPECT_THAT(splice(in_.get(), nullptr, pipe_.writer.get(), nullptr, 0, 0), SucceedsWith(0));
  EXPECT_THAT(splice(pipe_.reader.get(), nullptr, out_.get(), nullptr, 4, SPLICE_F_NONBLOCK),
              FailsWith(EAGAIN));
  Fd append = Open(dir_ / "out", O_WRONLY | O_APPEND);
  EXPECT_THAT(write(pipe_.writer.get(), "x", 1), SucceedsWith(1));
  EXPECT_THAT(splice(pipe_.reader.get(), nullptr, append.get(), nullptr, 4, 0),
              FailsWith(EINVAL));
}

TEST_F(SpliceTest, SpliceBeyondTheLargestOffset) {
  PipeFds p = MakePipe();
  Fd zero = Open("/dev/zero", O_RDWR);
  loff_t offset = INT64_MAX;
  EXPECT_THAT(splice(zero.get(), &offset, p.writer.get(), nullptr, 64, 0), FailsWith(EINVAL));
  EXPECT_THAT(write(p.writer.get(), "hello", 5), SucceedsWith(5));
  EXPECT_THAT(splice(p.reader.get(), nullptr, zero.get(), &offset, 64, 0), FailsWith(EINVAL));
  offset = 10;
  EXPECT_THAT(splice(p.reader.get(), nullptr, zero.get(), &offset, SIZE_MAX, 0), FailsWith(EINVAL));
  offset = INT64_MAX - 64;
  EXPECT_THAT(splice(zero.get(), &offset, p.writer.get(), nullptr, 64, 0), SucceedsWith(64));
}

TEST_F(SpliceTest, SpliceWaitsForData) {
  PipeFds p = MakePipe();
  ScopedThread thread([&] {
    EXPECT_THAT(splice(p.reader.get(), nullptr, out_.get(), nullptr, 100, 0), SucceedsWith(3));
  });
  EXPECT_TRUE(WaitUntilBlocked(thread.tid()));
  EXPECT_THAT(write(p.writer.get(), "abc", 3), SucceedsWith(3));
  thread.Join();
  EXPECT_EQ(ReadFile(dir_ / "out"), "abc");
}

TEST_F(SpliceTest, TeeCopiesWithoutConsuming) {
  PipeFds other = MakePipe(O_NONBLOCK);
  EXPECT_THAT(write(pipe_.writer.get(), "abcdef", 6), SucceedsWith(6));
  EXPECT_THAT(tee(pipe_.reader.get(), other.writer.get(), 4, 0), SucceedsWith(4));
  EXPECT_EQ(ReadExactly(other.reader.get(), 4), "abcd");
  EXPECT_EQ(ReadExactly(pipe_.reader.get(), 6), "abcdef");
  EXPECT_THAT(tee(in_.get(), other.writer.get(), 4, 0), FailsWith(EINVAL));
  EXPECT_THAT(tee(pipe_.reader.get(), pipe_.writer.get(), 4, 0), FailsWith(EINVAL));
  EXPECT_THAT(tee(pipe_.reader.get(), other.writer.get(), 4, SPLICE_F_NONBLOCK),
              FailsWith(EAGAIN));
}

TEST_F(SpliceTest, Vmsplice) {
  char a[] = "abc", b[] = "defg";
  iovec v[2] = {{a, 3}, {b, 4}};
  EXPECT_THAT(vmsplice(pipe_.writer.get(), v, 2, 0), SucceedsWith(7));
  EXPECT_EQ(ReadExactly(pipe_.reader.get(), 7), "abcdefg");
  EXPECT_THAT(vmsplice(in_.get(), v, 2, 0), FailsWith(EBADF));
}

TEST_F(SpliceTest, SendfileBetweenFiles) {
  EXPECT_THAT(sendfile(out_.get(), in_.get(), nullptr, 4), SucceedsWith(4));
  EXPECT_THAT(lseek(in_.get(), 0, SEEK_CUR), SucceedsWith(4));
  off_t at = 8;
  EXPECT_THAT(sendfile(out_.get(), in_.get(), &at, 100), SucceedsWith(2));
  EXPECT_EQ(at, 10);
  EXPECT_EQ(ReadFile(dir_ / "out"), "012389");
  EXPECT_THAT(sendfile(out_.get(), in_.get(), &at, 100), SucceedsWith(0));
}

TEST_F(SpliceTest, SendfileToPipesAndSockets) {
  EXPECT_THAT(sendfile(pipe_.writer.get(), in_.get(), nullptr, 5), SucceedsWith(5));
  EXPECT_EQ(ReadExactly(pipe_.reader.get(), 5), "01234");
  int s[2];
  ASSERT_THAT(socketpair(AF_UNIX, SOCK_STREAM, 0, s), SucceedsWith(0));
  Fd a(s[0]), b(s[1]);
  EXPECT_THAT(sendfile(a.get(), in_.get(), nullptr, 100), SucceedsWith(5));
  EXPECT_EQ(ReadExactly(b.get(), 5), "56789");
}

TEST_F(SpliceTest, SendfileErrors) {
  Fd r = Open(dir_ / "out", O_RDONLY);
  Fd append = Open(dir_ / "out", O_WRONLY | O_APPEND);
  EXPECT_THAT(sendfile(r.get(), in_.get(), nullptr, 1), FailsWith(EBADF));
  EXPECT_THAT(sendfile(out_.get(), -1, nullptr, 1), FailsWith(EBADF));
  EXPECT_THAT(sendfile(append.get(), in_.get(), nullptr, 1), FailsWith(EINVAL));
  off_t at = -1;
  EXPECT_THAT(sendfile(out_.get(), in_.get(), &at, 1), FailsWith(EINVAL));
  at = 0;
  EXPECT_THAT(sendfile(out_.get(), pipe_.reader.get(), &at, 1), FailsWith(ESPIPE));
}

TEST_F(SpliceTest, CopyFileRange) {
  EXPECT_THAT(copy_file_range(in_.get(), nullptr, out_.get(), nullptr, 4, 0), SucceedsWith(4));
  loff_t from = 6, to = 1;
  EXPECT_THAT(copy_file_range(in_.get(), &from, out_.get(), &to, 2, 0), SucceedsWith(2));
  EXPECT_EQ(from, 8);
  EXPECT_EQ(to, 3);
  EXPECT_EQ(ReadFile(dir_ / "out"), "0673");
  from = 100;
  EXPECT_THAT(copy_file_range(in_.get(), &from, out_.get(), &to, 2, 0), SucceedsWith(0));
}

TEST_F(SpliceTest, CopyFileRangeErrors) {
  Fd append = Open(dir_ / "out", O_WRONLY | O_APPEND);
  Fd r = Open(dir_ / "out", O_RDONLY);
  Fd d = Open(dir_.path(), O_RDONLY);
  EXPECT_THAT(copy_file_range(in_.get(), nullptr, append.get(), nullptr, 4, 0), FailsWith(EBADF));
  EXPECT_THAT(copy_file_range(in_.get(), nullptr, r.get(), nullptr, 4, 0), FailsWith(EBADF));
  EXPECT_THAT(copy_file_range(d.get(), nullptr, out_.get(), nullptr, 4, 0), FailsWith(EISDIR));
  EXPECT_THAT(copy_file_range(in_.get(), nullptr, out_.get(), nullptr, 4, 1), FailsWith(EINVAL));
  EXPECT_THAT(copy_file_range(pipe_.reader.get(), nullptr, out_.get(), nullptr, 4, 0),
              FailsWith(EINVAL));
  loff_t from = 0, to = 2;
  EXPECT_THAT(copy_file_range(in_.get(), &from, in_.get(), &to, 4, 0), FailsWith(EINVAL));
  to = 5;
  EXPECT_THAT(copy_file_range(in_.get(), &from, in_.get(), &to, 4, 0), SucceedsWith(4));
  EXPECT_EQ(ReadFile(dir_ / "in"), "0123401239");
}

}  // namespace
}  // namespace cvisor::test
