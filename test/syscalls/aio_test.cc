// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// Linux AIO: io_setup(2), io_submit(2), io_getevents(2), io_cancel(2), io_destroy(2).
#include <linux/aio_abi.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <csignal>
#include <cstring>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

int IoSetup(unsigned n, aio_context_t* id) { return syscall(SYS_io_setup, n, id); }
int IoDestroy(aio_context_t id) { return syscall(SYS_io_destroy, id); }
int IoSubmit(aio_context_t id, long n, iocb** list) { return syscall(SYS_io_submit, id, n, list); }
int IoGetevents(aio_context_t id, long least, long most, io_event* out, timespec* timeout) {
  return syscall(SYS_io_getevents, id, least, most, out, timeout);
}

class Context {
 public:
  explicit Context(unsigned n = 8) { EXPECT_THAT(IoSetup(n, &id_), SucceedsWith(0)); }
  ~Context() {
    if (id_ != 0) IoDestroy(id_);
  }
  aio_context_t id() const { return id_; }
  void Destroy() {
    EXPECT_THAT(IoDestroy(id_), SucceedsWith(0));
    id_ = 0;
  }
  int Submit(iocb* cb) const { return IoSubmit(id_, 1, &cb); }
  // The event of the only request.
  io_event Next() const {
    io_event event = {};
    timespec limit = {20, 0};
    EXPECT_THAT(IoGetevents(id_, 1, 1, &event, &limit), SucceedsWith(1));
    return event;
  }

 private:
  aio_context_t id_ = 0;
};

iocb Request(int opcode, int fd, const void* buffer = nullptr, size_t size = 0, off_t offset = 0) {
  iocb cb = {};
  cb.aio_lio_opcode = static_cast<uint16_t>(opcode);
  cb.aio_fildes = static_cast<uint32_t>(fd);
  cb.aio_buf = reinterpret_cast<uintptr_t>(buffer);
  cb.aio_nbytes = size;
  cb.aio_offset = offset;
  cb.aio_data = 77;
  return cb;
}

class AioTest : public testing::Test {
 protected:
  TempDir dir_;
  Fd file_ = Open(dir_ / "file", O_RDWR | O_CREAT);
};

TEST_F(AioTest, SetupErrors) {
  aio_context_t id = 0;
  EXPECT_THAT(IoSetup(0, &id), FailsWith(EINVAL));
  EXPECT_THAT(IoSetup(1u << 30, &id), FailsWith(EINVAL));
  EXPECT_THAT(IoSetup(1 << 20, &id), FailsWith(EAGAIN));
  id = 1;
  EXPECT_THAT(IoSetup(1, &id), FailsWith(EINVAL));
  EXPECT_THAT(IoSetup(1, nullptr), FailsWith(EFAULT));
}

TEST_F(AioTest, NoSuchContext) {
  iocb cb = Request(IOCB_CMD_FSYNC, file_.get());
  iocb* list = &cb;
  io_event event;
  EXPECT_THAT(IoDestroy(0), FailsWith(EINVAL));
  EXPECT_THAT(IoSubmit(0, 1, &list), FailsWith(EINVAL));
  EXPECT_THAT(IoGetevents(0, 0, 1, &event, nullptr), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_io_cancel, 0, &cb, &event), FailsWith(EINVAL));
  // Ordinary memory is no context.
  void* const page =
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT_THAT(IoDestroy(reinterpret_cast<aio_context_t>(page)), FailsWith(EINVAL));
  munmap(page, 4096);
}

TEST_F(AioTest, WriteAndRead) {
  const Context context;
  iocb write = Request(IOCB_CMD_PWRITE, file_.get(), "hello", 5, 100);
  EXPECT_THAT(context.Submit(&write), SucceedsWith(1));
  io_event event = context.Next();
  EXPECT_EQ(event.res, 5);
  EXPECT_EQ(event.res2, 0);
  EXPECT_EQ(event.data, 77u);
  EXPECT_EQ(event.obj, reinterpret_cast<uintptr_t>(&write));
  char buffer[16] = {};
  iocb read = Request(IOCB_CMD_PREAD, file_.get(), buffer, sizeof(buffer), 100);
  EXPECT_THAT(context.Submit(&read), SucceedsWith(1));
  EXPECT_EQ(context.Next().res, 5);
  EXPECT_STREQ(buffer, "hello");
  // The position is not the file's.
  EXPECT_THAT(lseek(file_.get(), 0, SEEK_CUR), SucceedsWith(0));
}

TEST_F(AioTest, Vectors) {
  const Context context;
  char a[] = "ab", b[] = "cde";
  iovec out[] = {{a, 2}, {b, 3}};
  iocb write = Request(IOCB_CMD_PWRITEV, file_.get(), out, 2, 0);
  EXPECT_THAT(context.Submit(&write), SucceedsWith(1));
  EXPECT_EQ(context.Next().res, 5);
  char c[4] = {}, d[4] = {};
  iovec in[] = {{c, 3}, {d, 3}};
  iocb read = Request(IOCB_CMD_PREADV, file_.get(), in, 2, 0);
  EXPECT_THAT(context.Submit(&read), SucceedsWith(1));
  EXPECT_EQ(context.Next().res, 5);
  EXPECT_STREQ(c, "abc");
  EXPECT_STREQ(d, "de");
}

TEST_F(AioTest, Sync) {
  const Context context;
  for (const int opcode : {IOCB_CMD_FSYNC, IOCB_CMD_FDSYNC}) {
    iocb sync = Request(opcode, file_.get());
    EXPECT_THAT(context.Submit(&sync), SucceedsWith(1));
    EXPECT_EQ(context.Next().res, 0);
    sync.aio_nbytes = 1;
    EXPECT_THAT(context.Submit(&sync), FailsWith(EINVAL));
  }
}

TEST_F(AioTest, ErrorsOfSubmission) {
  const Context context;
  char byte = 0;
  const auto error = [&](iocb cb) { return context.Submit(&cb) == -1 ? errno : 0; };
  EXPECT_EQ(error(Request(IOCB_CMD_PREAD, -1, &byte, 1)), EBADF);
  EXPECT_EQ(error(Request(99, file_.get(), &byte, 1)), EINVAL);
  EXPECT_EQ(error(Request(IOCB_CMD_PREAD, file_.get(), &byte, SIZE_MAX)), EINVAL);
  EXPECT_EQ(error(Request(IOCB_CMD_PREAD, file_.get(), &byte, 1, -1)), EINVAL);
  EXPECT_EQ(error(Request(IOCB_CMD_PREADV, file_.get(), nullptr, 1)), EFAULT);
  iocb reserved = Request(IOCB_CMD_PREAD, file_.get(), &byte, 1);
  reserved.aio_reserved2 = 1;
  EXPECT_EQ(error(reserved), EINVAL);
  iocb flags = Request(IOCB_CMD_PREAD, file_.get(), &byte, 1);
  flags.aio_rw_flags = 1 << 30;
  EXPECT_EQ(error(flags), EOPNOTSUPP);
  const Fd readonly = Open(dir_ / "file", O_RDONLY), writeonly = Open(dir_ / "file", O_WRONLY);
  EXPECT_EQ(error(Request(IOCB_CMD_PWRITE, readonly.get(), &byte, 1)), EBADF);
  EXPECT_EQ(error(Request(IOCB_CMD_PREAD, writeonly.get(), &byte, 1)), EBADF);
  EXPECT_THAT(context.Submit(nullptr), FailsWith(EFAULT));
  EXPECT_THAT(IoSubmit(context.id(), -1, nullptr), FailsWith(EINVAL));
  EXPECT_THAT(IoSubmit(context.id(), 1, nullptr), FailsWith(EFAULT));
  EXPECT_THAT(IoSubmit(context.id(), 0, nullptr), SucceedsWith(0));
  // None of them left an event.
  timespec now = {};
  io_event event;
  EXPECT_THAT(IoGetevents(context.id(), 0, 1, &event, &now), SucceedsWith(0));
}

TEST_F(AioTest, StopsAtTheFirstError) {
  const Context context;
  iocb good = Request(IOCB_CMD_PWRITE, file_.get(), "x", 1), bad = Request(99, file_.get());
  iocb* list[] = {&good, &bad, &good};
  EXPECT_THAT(IoSubmit(context.id(), 3, list), SucceedsWith(1));
  EXPECT_EQ(context.Next().res, 1);
}

TEST_F(AioTest, ErrorsOfTheRequest) {
  const Context context;
  iocb read = Request(IOCB_CMD_PREAD, file_.get(), reinterpret_cast<void*>(8), 1);
  ASSERT_TRUE(WriteAll(file_.get(), "x"));
  EXPECT_THAT(context.Submit(&read), SucceedsWith(1));
  EXPECT_EQ(context.Next().res, -EFAULT);
  const auto pipe = MakePipe(O_NONBLOCK);
  char byte;
  iocb empty = Request(IOCB_CMD_PREAD, pipe.reader.get(), &byte, 1);
  EXPECT_THAT(context.Submit(&empty), SucceedsWith(1));
  EXPECT_EQ(context.Next().res, -EAGAIN);
}

TEST_F(AioTest, EventFd) {
  const Context context;
  const Fd event(eventfd(0, EFD_NONBLOCK));
  iocb write = Request(IOCB_CMD_PWRITE, file_.get(), "x", 1);
  write.aio_flags = IOCB_FLAG_RESFD;
  write.aio_resfd = static_cast<uint32_t>(event.get());
  iocb* list[] = {&write, &write};
  EXPECT_THAT(IoSubmit(context.id(), 2, list), SucceedsWith(2));
  uint64_t count = 0;
  EXPECT_TRUE(WaitUntil([&] {
    uint64_t more = 0;
    if (read(event.get(), &more, sizeof(more)) == sizeof(more)) count += more;
    return count == 2;
  }));
  write.aio_resfd = static_cast<uint32_t>(file_.get());
  EXPECT_THAT(context.Submit(&write), FailsWith(EINVAL));
  write.aio_resfd = static_cast<uint32_t>(-1);
  EXPECT_THAT(context.Submit(&write), FailsWith(EBADF));
}

TEST_F(AioTest, GeteventsArguments) {
  const Context context;
  io_event events[4];
  timespec now = {};
  EXPECT_THAT(IoGetevents(context.id(), -1, 1, events, &now), FailsWith(EINVAL));
  EXPECT_THAT(IoGetevents(context.id(), 2, 1, events, &now), FailsWith(EINVAL));
  EXPECT_THAT(IoGetevents(context.id(), 1, 4, events, &now), SucceedsWith(0));
  EXPECT_THAT(IoGetevents(context.id(), 0, 4, events, nullptr), SucceedsWith(0));
  timespec soon = {0, 20000000};
  EXPECT_THAT(IoGetevents(context.id(), 1, 4, events, &soon), SucceedsWith(0));
  EXPECT_THAT(IoGetevents(context.id(), 1, 4, events, reinterpret_cast<timespec*>(8)),
              FailsWith(EFAULT));
  iocb write = Request(IOCB_CMD_PWRITE, file_.get(), "x", 1);
  iocb* list[] = {&write, &write, &write};
  EXPECT_THAT(IoSubmit(context.id(), 3, list), SucceedsWith(3));
  // What cannot be stored stays.
  EXPECT_THAT(IoGetevents(context.id(), 1, 1, reinterpret_cast<io_event*>(8), &now),
              FailsWith(EFAULT));
  EXPECT_THAT(IoGetevents(context.id(), 1, 2, events, &now), SucceedsWith(2));
  EXPECT_THAT(IoGetevents(context.id(), 4, 4, events, &now), SucceedsWith(1));
}

TEST_F(AioTest, WaitsForAnotherThread) {
  const Context context;
  Event waiting;
  iocb write = Request(IOCB_CMD_PWRITE, file_.get(), "x", 1);
  ScopedThread waiter([&] {
    waiting.Signal();
    EXPECT_EQ(context.Next().res, 1);
  });
  waiting.Wait();
  EXPECT_TRUE(WaitUntilBlocked(waiter.tid()));
  EXPECT_THAT(context.Submit(&write), SucceedsWith(1));
  waiter.Join();
}

TEST_F(AioTest, SignalInterruptsWait) {
  const Context context;
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  ASSERT_EQ(sigaction(SIGUSR1, &action, nullptr), 0);
  Event waiting;
  ScopedThread waiter([&] {
    io_event event;
    waiting.Signal();
    EXPECT_THAT(IoGetevents(context.id(), 1, 1, &event, nullptr), FailsWith(EINTR));
  });
  waiting.Wait();
  EXPECT_TRUE(WaitUntilBlocked(waiter.tid()));
  pthread_kill(waiter.handle(), SIGUSR1);
  waiter.Join();
}

TEST_F(AioTest, DestroyedContextIsGone) {
  Context context;
  const aio_context_t id = context.id();
  context.Destroy();
  EXPECT_THAT(IoDestroy(id), FailsWith(EINVAL));
  io_event event;
  EXPECT_THAT(IoGetevents(id, 0, 1, &event, nullptr), FailsWith(EINVAL));
}

TEST_F(AioTest, NotInherited) {
  const Context context;
  EXPECT_EQ(InChild([&] { EXPECT_THAT(IoDestroy(context.id()), FailsWith(EINVAL)); }), 0);
  iocb write = Request(IOCB_CMD_PWRITE, file_.get(), "x", 1);
  EXPECT_THAT(context.Submit(&write), SucceedsWith(1));
  EXPECT_EQ(context.Next().res, 1);
}

TEST_F(AioTest, FullContext) {
  const Context context(1);
  iocb write = Request(IOCB_CMD_PWRITE, file_.get(), "x", 1);
  int submitted = 0;
  while (submitted < 100000 && context.Submit(&write) == 1) ++submitted;
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_GT(submitted, 0);
  context.Next();
  EXPECT_THAT(context.Submit(&write), SucceedsWith(1));
}

TEST_F(AioTest, NothingToCancel) {
  const Context context;
  iocb write = Request(IOCB_CMD_PWRITE, file_.get(), "x", 1);
  EXPECT_THAT(context.Submit(&write), SucceedsWith(1));
  EXPECT_EQ(context.Next().res, 1);
  io_event event;
  EXPECT_THAT(syscall(SYS_io_cancel, context.id(), &write, &event), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_io_cancel, context.id(), nullptr, &event), FailsWith(EFAULT));
}

TEST_F(AioTest, PgeteventsMask) {
  const Context context;
  io_event event;
  timespec now = {};
  struct {
    const void* mask;
    size_t size;
  } set = {};
  EXPECT_THAT(syscall(SYS_io_pgetevents, context.id(), 0, 1, &event, &now, nullptr),
              SucceedsWith(0));
  EXPECT_THAT(syscall(SYS_io_pgetevents, context.id(), 0, 1, &event, &now, &set), SucceedsWith(0));
  const uint64_t mask = 0;
  set.mask = &mask;
  set.size = 4;
  EXPECT_THAT(syscall(SYS_io_pgetevents, context.id(), 0, 1, &event, &now, &set),
              FailsWith(EINVAL));
  set.size = 8;
  EXPECT_THAT(syscall(SYS_io_pgetevents, context.id(), 0, 1, &event, &now, &set), SucceedsWith(0));
  EXPECT_THAT(syscall(SYS_io_pgetevents, context.id(), 0, 1, &event, &now, 8), FailsWith(EFAULT));
}

}  // namespace
}  // namespace cvisor::test
