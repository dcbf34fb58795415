// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// POSIX message queues: mq_open(3) and the others, the mqueue file system.
#include <linux/capability.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cstring>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

std::string NewName() {
  static int n = 0;
  return "/cvisor_" + std::to_string(getpid()) + "_" + std::to_string(++n);
}

mq_attr Attr(long messages, long size) {
  mq_attr a = {};
  a.mq_maxmsg = messages;
  a.mq_msgsize = size;
  return a;
}

// A queue whose name goes with the test.
class Queue {
 public:
  explicit Queue(long messages = 4, long size = 64, int flags = O_RDWR, mode_t mode = 0600)
      : name_(NewName()) {
    mq_attr a = Attr(messages, size);
    fd_.reset(mq_open(name_.c_str(), flags | O_CREAT | O_EXCL, mode, &a));
    EXPECT_THAT(fd_.get(), Succeeds());
  }
  ~Queue() { mq_unlink(name_.c_str()); }
  const std::string& name() const { return name_; }
  int fd() const { return fd_.get(); }
  Fd Open(int flags) { return Fd(mq_open(name_.c_str(), flags)); }
  void Close() { fd_.reset(); }
  int Send(const std::string& text, unsigned priority = 0) {
    return mq_send(fd(), text.data(), text.size(), priority);
  }
  // "priority:text", or the errno's name.
  std::string Receive() { return ReceiveFrom(fd()); }
  static std::string ReceiveFrom(int fd) {
    char buffer[8192];
    unsigned priority = 0;
    const ssize_t n = mq_receive(fd, buffer, sizeof(buffer), &priority);
    if (n < 0) return ErrnoName(errno);
    return std::to_string(priority) + ":" + std::string(buffer, static_cast<size_t>(n));
  }
  mq_attr Get() {
    mq_attr a = {};
    EXPECT_THAT(mq_getattr(fd(), &a), SucceedsWith(0));
    return a;
  }
  void SetNonblocking(bool on) {
    mq_attr a = {};
    a.mq_flags = on ? O_NONBLOCK : 0;
    EXPECT_THAT(mq_setattr(fd(), &a, nullptr), SucceedsWith(0));
  }

 private:
  const std::string name_;
  Fd fd_;
};

timespec In(int64_t ms) {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  t.tv_nsec += ms % 1000 * 1000000;
  t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
  t.tv_nsec %= 1000000000;
  return t;
}

TEST(MqOpenTest, NamesAndFlags) {
  Queue q;
  EXPECT_THAT(mq_open(q.name().c_str(), O_RDWR | O_CREAT | O_EXCL, 0600, nullptr),
              FailsWith(EEXIST));
  EXPECT_THAT(Fd(mq_open(q.name().c_str(), O_RDWR | O_CREAT, 0600, nullptr)).get(), Succeeds());
  EXPECT_THAT(mq_open(NewName().c_str(), O_RDWR), FailsWith(ENOENT));
  EXPECT_THAT(mq_open("/a/b", O_RDWR | O_CREAT, 0600, nullptr), FailsWith(EACCES));
  // The call itself takes names without the slash.
  EXPECT_THAT(syscall(SYS_mq_open, "", O_RDWR | O_CREAT, 0600, nullptr), FailsWith(ENOENT));
  EXPECT_THAT(syscall(SYS_mq_open, ".", O_RDWR | O_CREAT, 0600, nullptr), FailsWith(EACCES));
  EXPECT_THAT(syscall(SYS_mq_open, "..", O_RDWR, 0600, nullptr), FailsWith(EACCES));
  EXPECT_THAT(syscall(SYS_mq_open, std::string(256, 'x').c_str(), O_RDWR | O_CREAT, 0600, nullptr),
              FailsWith(ENAMETOOLONG));
  EXPECT_THAT(syscall(SYS_mq_open, 1, O_RDWR, 0600, nullptr), FailsWith(EFAULT));
  EXPECT_THAT(syscall(SYS_mq_open, "cvisor_x", O_RDWR | O_CREAT, 0600, 1), FailsWith(EFAULT));
  EXPECT_THAT(mq_open(q.name().c_str(), O_RDWR | O_WRONLY), FailsWith(EINVAL));
  EXPECT_EQ(fcntl(q.fd(), F_GETFD), FD_CLOEXEC);
}

TEST(MqOpenTest, Attributes) {
  Queue q(3, 17);
  const mq_attr a = q.Get();
  EXPECT_EQ(a.mq_maxmsg, 3);
  EXPECT_EQ(a.mq_msgsize, 17);
  EXPECT_EQ(a.mq_curmsgs, 0);
  EXPECT_EQ(a.mq_flags, 0);
  for (const auto& [messages, size] :
       {std::pair<long, long>{0, 1}, {1, 0}, {-1, 1}, {1, -1}, {65537, 1}, {1, (16 << 20) + 1}}) {
    mq_attr bad = Attr(messages, size);
    EXPECT_THAT(mq_open(NewName().c_str(), O_RDWR | O_CREAT, 0600, &bad), FailsWith(EINVAL));
  }
  const std::string name = NewName();
  Fd fd(mq_open(name.c_str(), O_RDWR | O_CREAT, 0600, nullptr));
  mq_attr defaults = {};
  EXPECT_THAT(mq_getattr(fd.get(), &defaults), SucceedsWith(0));
  EXPECT_EQ(defaults.mq_maxmsg, std::stol(ReadFile("/proc/sys/fs/mqueue/msg_default")));
  EXPECT_EQ(defaults.mq_msgsize, std::stol(ReadFile("/proc/sys/fs/mqueue/msgsize_default")));
  EXPECT_THAT(mq_unlink(name.c_str()), SucceedsWith(0));
}

TEST(MqOpenTest, LimitsOfOrdinaryUsers) {
  EXPECT_THAT(
      InChild([] {
        BecomeNobody();
        const long max = std::stol(ReadFile("/proc/sys/fs/mqueue/msg_max"));
        mq_attr a = Attr(max + 1, 1);
        EXPECT_THAT(mq_open(NewName().c_str(), O_RDWR | O_CREAT, 0600, &a), FailsWith(EINVAL));
        a = Attr(1, std::stol(ReadFile("/proc/sys/fs/mqueue/msgsize_max")) + 1);
        EXPECT_THAT(mq_open(NewName().c_str(), O_RDWR | O_CREAT, 0600, &a), FailsWith(EINVAL));
        const rlimit limit = {1000, 1000};
        EXPECT_THAT(setrlimit(RLIMIT_MSGQUEUE, &limit), SucceedsWith(0));
        a = Attr(10, 100);
        EXPECT_THAT(mq_open(NewName().c_str(), O_RDWR | O_CREAT, 0600, &a), FailsWith(EMFILE));
        Queue fits(1, 100);
      }),
      ExitedWith(0));
}

TEST(MqOpenTest, Permissions) {
  Queue q(4, 64, O_RDWR, 0644);
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                EXPECT_THAT(mq_open(q.name().c_str(), O_RDWR), FailsWith(EACCES));
                EXPECT_THAT(mq_open(q.name().c_str(), O_WRONLY), FailsWith(EACCES));
                EXPECT_THAT(q.Open(O_RDONLY).get(), Succeeds());
                EXPECT_THAT(mq_unlink(q.name().c_str()), testing::Eq(-1));
                EXPECT_TRUE(errno == EPERM || errno == EACCES);
              }),
              ExitedWith(0));
  // Whoever makes it may use it, whatever the mode says; the umask counts.
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                umask(0077);
                Queue mine(1, 1, O_RDWR, 0466);
                struct stat st = {};
                EXPECT_THAT(fstat(mine.fd(), &st), SucceedsWith(0));
                EXPECT_EQ(st.st_mode, S_IFREG | 0400u);
                EXPECT_EQ(st.st_uid, kNobody);
                EXPECT_EQ(st.st_size, 80);
                EXPECT_THAT(mine.Send("x"), SucceedsWith(0));
                EXPECT_THAT(mq_open(mine.name().c_str(), O_RDWR), FailsWith(EACCES));
              }),
              ExitedWith(0));
}

TEST(MqTest, PrioritiesAndOrder) {
  Queue q;
  EXPECT_THAT(q.Send("a", 1), SucceedsWith(0));
  EXPECT_THAT(q.Send("b", 5), SucceedsWith(0));
  EXPECT_THAT(q.Send("c", 1), SucceedsWith(0));
  EXPECT_THAT(q.Send("", 32767), SucceedsWith(0));
  EXPECT_EQ(q.Get().mq_curmsgs, 4);
  EXPECT_EQ(q.Receive(), "32767:");
  EXPECT_EQ(q.Receive(), "5:b");
  EXPECT_EQ(q.Receive(), "1:a");
  EXPECT_EQ(q.Receive(), "1:c");
}

TEST(MqTest, Errors) {
  Queue q;
  EXPECT_THAT(q.Send("x", 32768), FailsWith(EINVAL));
  EXPECT_THAT(q.Send(std::string(65, 'x')), FailsWith(EMSGSIZE));
  EXPECT_THAT(q.Send(std::string(64, 'x')), SucceedsWith(0));
  char buffer[64];
  EXPECT_THAT(mq_receive(q.fd(), buffer, 63, nullptr), FailsWith(EMSGSIZE));
  EXPECT_THAT(mq_receive(q.fd(), buffer, 64, nullptr), SucceedsWith(64));
  EXPECT_THAT(mq_send(q.fd(), nullptr, 1, 0), FailsWith(EFAULT));
  EXPECT_THAT(mq_send(-1, "x", 1, 0), FailsWith(EBADF));
  PipeFds pipe = MakePipe();
  EXPECT_THAT(mq_send(pipe.writer.get(), "x", 1, 0), FailsWith(EBADF));
  EXPECT_THAT(mq_receive(pipe.reader.get(), buffer, 64, nullptr), FailsWith(EBADF));
  Fd reader = q.Open(O_RDONLY), writer = q.Open(O_WRONLY);
  EXPECT_THAT(mq_send(reader.get(), "x", 1, 0), FailsWith(EBADF));
  EXPECT_THAT(mq_receive(writer.get(), buffer, 64, nullptr), FailsWith(EBADF));
}

TEST(MqTest, Nonblocking) {
  Queue q(2, 8);
  q.SetNonblocking(true);
  EXPECT_EQ(q.Get().mq_flags, O_NONBLOCK);
  EXPECT_EQ(q.Receive(), ErrnoName(EAGAIN));
  EXPECT_THAT(q.Send("1"), SucceedsWith(0));
  EXPECT_THAT(q.Send("2"), SucceedsWith(0));
  EXPECT_THAT(q.Send("3"), FailsWith(EAGAIN));
  mq_attr a = {}, old = {};
  EXPECT_THAT(mq_setattr(q.fd(), &a, &old), SucceedsWith(0));
  EXPECT_EQ(old.mq_flags, O_NONBLOCK);
  EXPECT_EQ(old.mq_curmsgs, 2);
  a.mq_flags = O_APPEND;
  EXPECT_THAT(mq_setattr(q.fd(), &a, nullptr), FailsWith(EINVAL));
  PipeFds pipe = MakePipe();
  a.mq_flags = 0;
  EXPECT_THAT(mq_setattr(pipe.reader.get(), &a, nullptr), FailsWith(EBADF));
}

TEST(MqTest, Blocking) {
  Queue q(1, 8);
  ScopedThread reader([&] { EXPECT_EQ(q.Receive(), "2:x"); });
  EXPECT_TRUE(WaitUntilBlocked(reader.tid()));
  EXPECT_THAT(q.Send("x", 2), SucceedsWith(0));
  reader.Join();
  EXPECT_THAT(q.Send("1"), SucceedsWith(0));
  ScopedThread writer([&] { EXPECT_THAT(q.Send("2"), SucceedsWith(0)); });
  EXPECT_TRUE(WaitUntilBlocked(writer.tid()));
  EXPECT_EQ(q.Receive(), "0:1");
  writer.Join();
  EXPECT_EQ(q.Receive(), "0:2");
}

TEST(MqTest, Timeouts) {
  Queue q(1, 8);
  char buffer[8];
  timespec t = In(20);
  EXPECT_THAT(mq_timedreceive(q.fd(), buffer, 8, nullptr, &t), FailsWith(ETIMEDOUT));
  EXPECT_THAT(q.Send("1"), SucceedsWith(0));
  t = In(20);
  EXPECT_THAT(mq_timedsend(q.fd(), "2", 1, 0, &t), FailsWith(ETIMEDOUT));
  t = {1, 0};
  EXPECT_THAT(mq_timedsend(q.fd(), "2", 1, 0, &t), FailsWith(ETIMEDOUT));
  t = {1, 1000000000};
  EXPECT_THAT(mq_timedsend(q.fd(), "2", 1, 0, &t), FailsWith(EINVAL));
  t = {-1, 0};
  EXPECT_THAT(mq_timedreceive(q.fd(), buffer, 8, nullptr, &t), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_mq_timedreceive, q.fd(), buffer, 8, nullptr, 1), FailsWith(EFAULT));
  // A time that has passed does not matter if there is something.
  t = {1, 0};
  EXPECT_THAT(mq_timedreceive(q.fd(), buffer, 8, nullptr, &t), SucceedsWith(1));
}

TEST(MqTest, SignalsRestartOrInterrupt) {
  Queue q(1, 8);
  {
    ScopedSigaction action(
        SIGUSR1, [](int) {}, 0);
    ScopedThread reader([&] { EXPECT_EQ(q.Receive(), ErrnoName(EINTR)); });
    EXPECT_TRUE(WaitUntilBlocked(reader.tid()));
    pthread_kill(reader.handle(), SIGUSR1);
  }
  static std::atomic<int> handled = 0;
  ScopedSigaction action(
      SIGUSR1, [](int) { ++handled; }, SA_RESTART);
  ScopedThread reader([&] { EXPECT_EQ(q.Receive(), "0:x"); });
  EXPECT_TRUE(WaitUntilBlocked(reader.tid()));
  pthread_kill(reader.handle(), SIGUSR1);
  EXPECT_TRUE(WaitUntil([] { return handled == 1; }));
  EXPECT_TRUE(WaitUntilBlocked(reader.tid()));
  EXPECT_THAT(q.Send("x"), SucceedsWith(0));
}

TEST(MqTest, PollAndEpoll) {
  Queue q(1, 8);
  EXPECT_EQ(Poll(q.fd(), POLLIN | POLLOUT), POLLOUT);
  EXPECT_THAT(q.Send("x"), SucceedsWith(0));
  EXPECT_EQ(Poll(q.fd(), POLLIN | POLLOUT), POLLIN);
  Fd epoll(epoll_create1(0));
  epoll_event event = {EPOLLOUT, {}};
  EXPECT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, q.fd(), &event), SucceedsWith(0));
  ScopedThread waiter([&] {
    epoll_event got;
    EXPECT_THAT(epoll_wait(epoll.get(), &got, 1, kLongMs), SucceedsWith(1));
  });
  EXPECT_TRUE(WaitUntilBlocked(waiter.tid()));
  EXPECT_EQ(q.Receive(), "0:x");
}

TEST(MqTest, UnlinkedQueuesLiveOn) {
  Queue q;
  EXPECT_THAT(q.Send("x"), SucceedsWith(0));
  EXPECT_THAT(mq_unlink(q.name().c_str()), SucceedsWith(0));
  EXPECT_THAT(mq_unlink(q.name().c_str()), FailsWith(ENOENT));
  EXPECT_THAT(mq_open(q.name().c_str(), O_RDWR), FailsWith(ENOENT));
  struct stat st = {};
  EXPECT_THAT(fstat(q.fd(), &st), SucceedsWith(0));
  EXPECT_EQ(st.st_nlink, 0u);
  EXPECT_EQ(q.Receive(), "0:x");
}

TEST(MqTest, MessagesSurviveClosing) {
  Queue q;
  EXPECT_THAT(q.Send("x", 3), SucceedsWith(0));
  q.Close();
  Fd again = q.Open(O_RDONLY);
  EXPECT_EQ(Queue::ReceiveFrom(again.get()), "3:x");
}

TEST(MqTest, ForkShares) {
  Queue q;
  EXPECT_THAT(InChild([&] { EXPECT_THAT(q.Send("child"), SucceedsWith(0)); }), ExitedWith(0));
  EXPECT_EQ(q.Receive(), "0:child");
}

siginfo_t notified;
std::atomic<int> notifications = 0;
void OnNotify(int, siginfo_t* info, void*) {
  notified = *info;
  ++notifications;
}

sigevent SignalEvent(int sig, int value = 0) {
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = sig;
  event.sigev_value.sival_int = value;
  return event;
}

TEST(MqNotifyTest, SignalsOnce) {
  Queue q;
  notifications = 0;
  ScopedSigaction action(SIGUSR1, OnNotify, SA_SIGINFO);
  sigevent event = SignalEvent(SIGUSR1, 77);
  EXPECT_THAT(mq_notify(q.fd(), &event), SucceedsWith(0));
  EXPECT_THAT(mq_notify(q.fd(), &event), FailsWith(EBUSY));
  EXPECT_THAT(q.Send("a"), SucceedsWith(0));
  EXPECT_TRUE(WaitUntil([] { return notifications == 1; }));
  EXPECT_EQ(notified.si_code, SI_MESGQ);
  EXPECT_EQ(notified.si_value.sival_int, 77);
  EXPECT_EQ(notified.si_pid, getpid());
  EXPECT_EQ(notified.si_uid, getuid());
  // The registration is gone; and a queue that is not empty tells nobody.
  EXPECT_THAT(mq_notify(q.fd(), &event), SucceedsWith(0));
  EXPECT_THAT(q.Send("b"), SucceedsWith(0));
  EXPECT_EQ(q.Receive(), "0:a");
  EXPECT_EQ(q.Receive(), "0:b");
  EXPECT_EQ(notifications, 1);
  EXPECT_THAT(q.Send("c"), SucceedsWith(0));
  EXPECT_TRUE(WaitUntil([] { return notifications == 2; }));
}

TEST(MqNotifyTest, AWaitingReceiverComesFirst) {
  Queue q;
  notifications = 0;
  ScopedSigaction action(SIGUSR1, OnNotify, SA_SIGINFO);
  sigevent event = SignalEvent(SIGUSR1);
  EXPECT_THAT(mq_notify(q.fd(), &event), SucceedsWith(0));
  ScopedThread reader([&] { EXPECT_EQ(q.Receive(), "0:x"); });
  EXPECT_TRUE(WaitUntilBlocked(reader.tid()));
  EXPECT_THAT(q.Send("x"), SucceedsWith(0));
  reader.Join();
  EXPECT_EQ(notifications, 0);
  EXPECT_THAT(mq_notify(q.fd(), &event), FailsWith(EBUSY));
}

TEST(MqNotifyTest, RegistrationEnds) {
  Queue q;
  sigevent event = {};
  event.sigev_notify = SIGEV_NONE;
  EXPECT_THAT(mq_notify(q.fd(), &event), SucceedsWith(0));
  EXPECT_THAT(InChild([&] {
                EXPECT_THAT(mq_notify(q.fd(), &event), FailsWith(EBUSY));
                EXPECT_THAT(mq_notify(q.fd(), nullptr), SucceedsWith(0));  // not its
                EXPECT_THAT(mq_notify(q.fd(), &event), FailsWith(EBUSY));
              }),
              ExitedWith(0));
  EXPECT_THAT(mq_notify(q.fd(), nullptr), SucceedsWith(0));
  EXPECT_THAT(mq_notify(q.fd(), &event), SucceedsWith(0));
  // With any descriptor of the queue that its process closes.
  Fd other = q.Open(O_RDONLY);
  other.reset();
  EXPECT_THAT(mq_notify(q.fd(), &event), SucceedsWith(0));
  EXPECT_THAT(mq_notify(q.fd(), nullptr), SucceedsWith(0));
  // With the process.
  EXPECT_THAT(InChild([&] { EXPECT_THAT(mq_notify(q.fd(), &event), SucceedsWith(0)); }),
              ExitedWith(0));
  EXPECT_THAT(mq_notify(q.fd(), &event), SucceedsWith(0));
  // SIGEV_NONE: used up without a sound.
  EXPECT_THAT(q.Send("x"), SucceedsWith(0));
  EXPECT_THAT(mq_notify(q.fd(), &event), SucceedsWith(0));
}

TEST(MqNotifyTest, Errors) {
  Queue q;
  sigevent event = SignalEvent(65);
  EXPECT_THAT(mq_notify(q.fd(), &event), FailsWith(EINVAL));
  event = SignalEvent(-1);
  EXPECT_THAT(mq_notify(q.fd(), &event), FailsWith(EINVAL));
  event.sigev_notify = 99;
  EXPECT_THAT(mq_notify(q.fd(), &event), FailsWith(EINVAL));
  event = SignalEvent(SIGUSR1);
  EXPECT_THAT(mq_notify(-1, &event), FailsWith(EBADF));
  PipeFds pipe = MakePipe();
  EXPECT_THAT(mq_notify(pipe.reader.get(), &event), FailsWith(EBADF));
  EXPECT_THAT(syscall(SYS_mq_notify, q.fd(), 1), FailsWith(EFAULT));
}

// ---- SIGEV_THREAD: the kernel's side of it is a netlink socket that the C library reads ------------

sigevent ThreadEvent(int socket, const char* cookie) {
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_signo = socket;
  event.sigev_value.sival_ptr = const_cast<char*>(cookie);
  return event;
}
long RawNotify(int queue, const sigevent& event) {
  return syscall(SYS_mq_notify, queue, &event);
}
constexpr char kCookie[] = "0123456789abcdefghijklmnopqrstu";  // and a NUL: 32 bytes
std::string Expected(char what) { return std::string(kCookie, 31) + what; }

TEST(MqNotifyThreadTest, TellsTheSocket) {
  Queue q;
  Fd s(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
  EXPECT_THAT(RawNotify(q.fd(), ThreadEvent(s.get(), kCookie)), SucceedsWith(0));
  EXPECT_THAT(RawNotify(q.fd(), ThreadEvent(s.get(), kCookie)), FailsWith(EBUSY));
  EXPECT_EQ(Poll(s.get(), POLLIN), 0);
  EXPECT_THAT(q.Send("x"), SucceedsWith(0));
  EXPECT_EQ(Poll(s.get(), POLLIN, kLongMs), POLLIN);
  char data[64];
  EXPECT_THAT(recv(s.get(), data, sizeof(data), 0), SucceedsWith(32));
  EXPECT_EQ(std::string(data, 32), Expected(1));
  EXPECT_THAT(q.Send("y"), SucceedsWith(0));  // once
  EXPECT_EQ(Poll(s.get(), POLLIN), 0);
}

TEST(MqNotifyThreadTest, TellsOfItsEnd) {
  Queue q;
  Fd s(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
  EXPECT_THAT(RawNotify(q.fd(), ThreadEvent(s.get(), kCookie)), SucceedsWith(0));
  EXPECT_THAT(mq_notify(q.fd(), nullptr), SucceedsWith(0));
  char data[64];
  EXPECT_THAT(recv(s.get(), data, sizeof(data), MSG_DONTWAIT), SucceedsWith(32));
  EXPECT_EQ(std::string(data, 32), Expected(2));
  EXPECT_THAT(RawNotify(q.fd(), ThreadEvent(s.get(), kCookie)), SucceedsWith(0));
  q.Close();
  EXPECT_THAT(recv(s.get(), data, sizeof(data), MSG_DONTWAIT), SucceedsWith(32));
  EXPECT_EQ(std::string(data, 32), Expected(2));
}

TEST(MqNotifyThreadTest, Errors) {
  Queue q;
  PipeFds pipe = MakePipe();
  Fd unix_socket(socket(AF_UNIX, SOCK_DGRAM, 0)), s(socket(AF_NETLINK, SOCK_RAW, 0));
  EXPECT_THAT(RawNotify(q.fd(), ThreadEvent(-1, kCookie)), FailsWith(EBADF));
  EXPECT_THAT(RawNotify(q.fd(), ThreadEvent(pipe.reader.get(), kCookie)), FailsWith(ENOTSOCK));
  EXPECT_THAT(RawNotify(q.fd(), ThreadEvent(unix_socket.get(), kCookie)), FailsWith(EINVAL));
  EXPECT_THAT(RawNotify(q.fd(), ThreadEvent(s.get(), reinterpret_cast<const char*>(8))),
              FailsWith(EFAULT));
  EXPECT_THAT(RawNotify(-1, ThreadEvent(s.get(), kCookie)), FailsWith(EBADF));
}

TEST(MqNotifyThreadTest, TheLibrarysThread) {
  Queue q;
  static std::atomic<int> value;
  value = 0;
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_notify_function = [](sigval v) { value = v.sival_int; };
  event.sigev_value.sival_int = 42;
  EXPECT_THAT(mq_notify(q.fd(), &event), SucceedsWith(0));
  EXPECT_THAT(q.Send("x"), SucceedsWith(0));
  EXPECT_TRUE(WaitUntil([] { return value == 42; }));
}

TEST(MqFsTest, MountedQueues) {
  EXPECT_THAT(InChild([] {
                ASSERT_THAT(unshare(CLONE_NEWNS | CLONE_NEWIPC), SucceedsWith(0));
                (void)mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
                TempDir dir;
                ASSERT_THAT(mount("mqueue", dir.path().c_str(), "mqueue", 0, nullptr),
                            SucceedsWith(0));
                struct stat st = {};
                EXPECT_THAT(stat(dir.path().c_str(), &st), SucceedsWith(0));
                EXPECT_EQ(st.st_mode, S_IFDIR | 01777u);
                {
                  Queue q;
                  EXPECT_THAT(q.Send("hello"), SucceedsWith(0));
                  const std::string file = dir.path() + q.name();
                  EXPECT_EQ(ReadFile(file),
                            "QSIZE:5          NOTIFY:0     SIGNO:0     NOTIFY_PID:0     \n");
                  EXPECT_THAT(chmod(file.c_str(), 0640), SucceedsWith(0));
                  EXPECT_THAT(fstat(q.fd(), &st), SucceedsWith(0));
                  EXPECT_EQ(st.st_mode & 0777, 0640u);
                  // Opened by its path, it is a queue as well.
                  Fd fd(open(file.c_str(), O_RDONLY));
                  EXPECT_EQ(Queue::ReceiveFrom(fd.get()), "0:hello");
                  EXPECT_THAT(unlink(file.c_str()), SucceedsWith(0));
                  EXPECT_THAT(mq_open(q.name().c_str(), O_RDWR), FailsWith(ENOENT));
                }
                // And made by open(2).
                Fd made(open((dir / "made").c_str(), O_RDWR | O_CREAT, 0600));
                EXPECT_THAT(made.get(), Succeeds());
                Fd same(mq_open("/made", O_RDWR));
                EXPECT_THAT(mq_send(same.get(), "x", 1, 0), SucceedsWith(0));
                EXPECT_EQ(Queue::ReceiveFrom(made.get()), "0:x");
                EXPECT_THAT(mkdir((dir / "sub").c_str(), 0700), testing::Eq(-1));
                EXPECT_THAT(umount2(dir.path().c_str(), MNT_DETACH), SucceedsWith(0));
              }),
              ExitedWith(0));
}

TEST(MqFsTest, NamespacesHaveTheirOwn) {
  Queue q;
  EXPECT_THAT(InChild([&] {
                ASSERT_THAT(unshare(CLONE_NEWIPC), SucceedsWith(0));
                EXPECT_THAT(mq_open(q.name().c_str(), O_RDWR), FailsWith(ENOENT));
                EXPECT_THAT(q.Send("x"), SucceedsWith(0));  // what is open stays open
              }),
              ExitedWith(0));
  EXPECT_EQ(q.Receive(), "0:x");
}

TEST(MqFsTest, TooManyQueues) {
  EXPECT_THAT(InChild([] {
                ASSERT_THAT(unshare(CLONE_NEWIPC), SucceedsWith(0));
                const int max = std::stoi(ReadFile("/proc/sys/fs/mqueue/queues_max"));
                DropCapability(CAP_SYS_RESOURCE);
                mq_attr a = Attr(1, 1);
                for (int i = 0; i < max; ++i) {
                  Fd fd(mq_open(NewName().c_str(), O_RDWR | O_CREAT, 0600, &a));
                  ASSERT_THAT(fd.get(), Succeeds());
                }
                EXPECT_THAT(mq_open(NewName().c_str(), O_RDWR | O_CREAT, 0600, &a),
                            FailsWith(ENOSPC));
              }),
              ExitedWith(0));
}

TEST(MqStressTest, ManySendersManyReceivers) {
  Queue q(4, 16);
  constexpr int kPairs = 3, kMessages = 200;
  Shared<std::atomic<int>> sum;
  std::vector<pid_t> pids;
  for (int i = 0; i < kPairs; ++i) {
    pids.push_back(Fork([&] {
      for (int n = 1; n <= kMessages; ++n) {
        EXPECT_THAT(q.Send(std::to_string(n), static_cast<unsigned>(n % 3)), SucceedsWith(0));
      }
    }));
    pids.push_back(Fork([&] {
      for (int n = 0; n < kMessages; ++n) *sum += std::stoi(q.Receive().substr(2));
    }));
  }
  for (const pid_t pid : pids) EXPECT_THAT(Wait(pid), ExitedWith(0));
  EXPECT_EQ(*sum, kPairs * kMessages * (kMessages + 1) / 2);
}

}  // namespace
}  // namespace cvisor::test
