// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// seccomp_unotify(2): a supervisor decides about the calls of another process.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <optional>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

using Program = std::vector<sock_filter>;

sock_filter Return(uint32_t value) { return BPF_STMT(BPF_RET | BPF_K, value); }

// `action` for one call, everything else is allowed.
Program For(int number, uint32_t action) {
  return {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1), Return(action),
          Return(SECCOMP_RET_ALLOW)};
}

int Install(const Program& program, unsigned flags = 0) {
  sock_fprog prog = {static_cast<unsigned short>(program.size()),
                     const_cast<sock_filter*>(program.data())};
  return static_cast<int>(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog));
}

// getppid() with arguments, which it does not look at.
long AskedCall(long arg = 0) { return syscall(SYS_getppid, arg, 2, 3, 4, 5, 6); }
const Program kAskGetppid = For(SYS_getppid, SECCOMP_RET_USER_NOTIF);

// A process whose calls of getppid() this one decides about.
class Target {
 public:
  explicit Target(const std::function<void()>& body, unsigned flags = 0)
      : child_([&, this] {
          const int fd = Install(kAskGetppid, SECCOMP_FILTER_FLAG_NEW_LISTENER | flags);
          if (fd < 0) _exit(100);
          *number_ = fd;
          installed_.Signal();
          taken_.Wait();
          close(fd);
          body();
        }) {
    installed_.Wait();
    Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, child_.pid(), 0)));
    listener_ = Fd(static_cast<int>(syscall(SYS_pidfd_getfd, pidfd.get(), *number_, 0)));
    EXPECT_GE(listener_.get(), 0);
    taken_.Signal();
  }

  pid_t pid() const { return child_.pid(); }
  int fd() const { return listener_.get(); }
  int Wait() { return child_.Wait(); }
  void CloseListener() { listener_.reset(); }

  seccomp_notif Receive() {
    seccomp_notif n = {};
    EXPECT_THAT(ioctl(fd(), SECCOMP_IOCTL_NOTIF_RECV, &n), SucceedsWith(0));
    return n;
  }
  int Send(uint64_t id, int64_t value, int error = 0, uint32_t flags = 0) {
    seccomp_notif_resp r = {.id = id, .val = value, .error = error, .flags = flags};
    return ioctl(fd(), SECCOMP_IOCTL_NOTIF_SEND, &r);
  }
  int Valid(uint64_t id) { return ioctl(fd(), SECCOMP_IOCTL_NOTIF_ID_VALID, &id); }
  int AddFd(uint64_t id, int source, uint32_t flags = 0, uint32_t number = 0,
            uint32_t newfd_flags = 0) {
    seccomp_notif_addfd a = {.id = id,
                             .flags = flags,
                             .srcfd = static_cast<uint32_t>(source),
                             .newfd = number,
                             .newfd_flags = newfd_flags};
    return ioctl(fd(), SECCOMP_IOCTL_NOTIF_ADDFD, &a);
  }

 private:
  Shared<int> number_;
  Event installed_, taken_;
  ScopedChild child_;
  Fd listener_;
};

TEST(SeccompNotifyTest, Sizes) {
  seccomp_notif_sizes sizes = {};
  EXPECT_THAT(syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes), SucceedsWith(0));
  EXPECT_EQ(sizes.seccomp_notif, sizeof(seccomp_notif));
  EXPECT_EQ(sizes.seccomp_notif_resp, sizeof(seccomp_notif_resp));
  EXPECT_EQ(sizes.seccomp_data, sizeof(seccomp_data));
  EXPECT_THAT(syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 1, &sizes), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, nullptr), FailsWith(EFAULT));
}

TEST(SeccompNotifyTest, IsAnAvailableAction) {
  const uint32_t action = SECCOMP_RET_USER_NOTIF;
  EXPECT_THAT(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action), SucceedsWith(0));
}

TEST(SeccompNotifyTest, WhatTheSupervisorSees) {
  Target target([] { EXPECT_EQ(AskedCall(0x1122334455667788), 77); });
  const seccomp_notif n = target.Receive();
  EXPECT_EQ(n.pid, static_cast<uint32_t>(target.pid()));
  EXPECT_EQ(n.flags, 0u);
  EXPECT_EQ(n.data.nr, SYS_getppid);
  EXPECT_EQ(n.data.arch, AUDIT_ARCH_X86_64);
  EXPECT_NE(n.data.instruction_pointer, 0u);
  EXPECT_EQ(n.data.args[0], 0x1122334455667788u);
  for (uint64_t i = 1; i < 6; ++i) EXPECT_EQ(n.data.args[i], i + 1);
  EXPECT_THAT(target.Send(n.id, 77), SucceedsWith(0));
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifyTest, Answers) {
  Target target([] {
    EXPECT_EQ(AskedCall(), 0);
    EXPECT_EQ(AskedCall(), 0x1122334455667788);
    EXPECT_THAT(AskedCall(), FailsWith(ENETDOWN));
    EXPECT_THAT(AskedCall(), FailsWith(EDOM));
    EXPECT_THAT(AskedCall(), FailsWith(ERANGE));
  });
  EXPECT_THAT(target.Send(target.Receive().id, 0), SucceedsWith(0));
  EXPECT_THAT(target.Send(target.Receive().id, 0x1122334455667788), SucceedsWith(0));
  EXPECT_THAT(target.Send(target.Receive().id, 0, -ENETDOWN), SucceedsWith(0));
  EXPECT_THAT(target.Send(target.Receive().id, 5, -EDOM), SucceedsWith(0));  // the error counts
  EXPECT_THAT(target.Send(target.Receive().id, -ERANGE), SucceedsWith(0));
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifyTest, Continue) {
  const pid_t parent = getpid();
  Target target([parent] { EXPECT_EQ(AskedCall(), parent); });
  const seccomp_notif n = target.Receive();
  EXPECT_THAT(target.Send(n.id, 1, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE), FailsWith(EINVAL));
  EXPECT_THAT(target.Send(n.id, 0, -1, SECCOMP_USER_NOTIF_FLAG_CONTINUE), FailsWith(EINVAL));
  EXPECT_THAT(target.Send(n.id, 0, 0, 2), FailsWith(EINVAL));
  EXPECT_THAT(target.Send(n.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE), SucceedsWith(0));
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifyTest, SendErrors) {
  Target target([] {
    EXPECT_EQ(AskedCall(), 1);
    EXPECT_EQ(AskedCall(), 2);
  });
  const seccomp_notif n = target.Receive();
  EXPECT_THAT(target.Send(n.id + 100, 1), FailsWith(ENOENT));
  EXPECT_THAT(ioctl(target.fd(), SECCOMP_IOCTL_NOTIF_SEND, nullptr), FailsWith(EFAULT));
  EXPECT_THAT(target.Send(n.id, 1), SucceedsWith(0));
  ASSERT_EQ(Poll(target.fd(), POLLIN, kLongMs), POLLIN);
  EXPECT_THAT(target.Send(n.id, 1), FailsWith(ENOENT));
  EXPECT_THAT(target.Send(n.id + 1, 1), FailsWith(EINPROGRESS));  // not received yet
  EXPECT_THAT(target.Send(target.Receive().id, 2), SucceedsWith(0));
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifyTest, ReceiveErrors) {
  Target target([] { EXPECT_EQ(AskedCall(), 5); });
  seccomp_notif n = {};
  n.flags = 1;
  EXPECT_THAT(ioctl(target.fd(), SECCOMP_IOCTL_NOTIF_RECV, &n), FailsWith(EINVAL));
  n = {};
  n.data.args[5] = 1;
  EXPECT_THAT(ioctl(target.fd(), SECCOMP_IOCTL_NOTIF_RECV, &n), FailsWith(EINVAL));
  EXPECT_THAT(ioctl(target.fd(), SECCOMP_IOCTL_NOTIF_RECV, nullptr), FailsWith(EFAULT));
  // What cannot be stored is not lost.
  void* page = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT_THAT(ioctl(target.fd(), SECCOMP_IOCTL_NOTIF_RECV, page), FailsWith(EFAULT));
  EXPECT_EQ(Poll(target.fd(), POLLIN | POLLOUT), POLLIN);
  EXPECT_THAT(target.Send(target.Receive().id, 5), SucceedsWith(0));
  EXPECT_THAT(target.Wait(), ExitedWith(0));
  munmap(page, 4096);
}

TEST(SeccompNotifyTest, OtherIoctls) {
  Target target([] {});
  EXPECT_THAT(ioctl(target.fd(), TCGETS, nullptr), FailsWith(EINVAL));
  EXPECT_THAT(ioctl(target.fd(), SECCOMP_IOW(9, uint64_t), nullptr), FailsWith(EINVAL));
  EXPECT_THAT(ioctl(target.fd(), SECCOMP_IOCTL_NOTIF_ID_VALID, nullptr), FailsWith(EFAULT));
  constexpr auto kSetFlags = SECCOMP_IOW(4, uint64_t);  // Linux 6.6
  EXPECT_THAT(ioctl(target.fd(), kSetFlags, 1), SucceedsWith(0));
  EXPECT_THAT(ioctl(target.fd(), kSetFlags, 0), SucceedsWith(0));
  EXPECT_THAT(ioctl(target.fd(), kSetFlags, 2), FailsWith(EINVAL));
  char c;
  EXPECT_THAT(read(target.fd(), &c, 1), FailsWith(EINVAL));
  EXPECT_THAT(write(target.fd(), &c, 1), FailsWith(EINVAL));
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifyTest, IdsAreValidWhileTheCallWaits) {
  Target target([] { EXPECT_EQ(AskedCall(), 1); });
  const seccomp_notif n = target.Receive();
  EXPECT_THAT(target.Valid(n.id), SucceedsWith(0));
  EXPECT_THAT(target.Valid(n.id + 1), FailsWith(ENOENT));
  EXPECT_THAT(ioctl(target.fd(), SECCOMP_IOR(2, uint64_t), &n.id), SucceedsWith(0));  // as it was
  EXPECT_THAT(target.Send(n.id, 1), SucceedsWith(0));
  EXPECT_THAT(target.Valid(n.id), FailsWith(ENOENT));
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifyTest, Poll) {
  Event go, done;
  Target target([&] {
    go.Wait();
    EXPECT_EQ(AskedCall(), 1);
    done.Wait();
  });
  EXPECT_EQ(Poll(target.fd(), POLLIN | POLLOUT), 0);
  go.Signal();
  EXPECT_EQ(Poll(target.fd(), POLLIN | POLLOUT, kLongMs), POLLIN);
  const seccomp_notif n = target.Receive();
  EXPECT_EQ(Poll(target.fd(), POLLIN | POLLOUT, kLongMs), POLLOUT);
  EXPECT_THAT(target.Send(n.id, 1), SucceedsWith(0));
  EXPECT_EQ(Poll(target.fd(), POLLIN | POLLOUT), 0);
  done.Signal();
  EXPECT_EQ(Poll(target.fd(), POLLIN, kLongMs), POLLHUP);
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifyTest, Epoll) {
  Event go;
  Target target([&] {
    go.Wait();
    EXPECT_EQ(AskedCall(), 1);
  });
  Fd epoll(epoll_create1(0));
  epoll_event ev = {EPOLLIN | EPOLLET, {}};
  ASSERT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, target.fd(), &ev), SucceedsWith(0));
  EXPECT_THAT(epoll_wait(epoll.get(), &ev, 1, 0), SucceedsWith(0));
  go.Signal();
  EXPECT_THAT(epoll_wait(epoll.get(), &ev, 1, kLongMs), SucceedsWith(1));
  EXPECT_EQ(ev.events, static_cast<uint32_t>(EPOLLIN));
  EXPECT_THAT(target.Send(target.Receive().id, 1), SucceedsWith(0));
  EXPECT_THAT(epoll_wait(epoll.get(), &ev, 1, kLongMs), SucceedsWith(1));
  EXPECT_NE(ev.events & EPOLLHUP, 0u);
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifyTest, NobodyIsLeft) {
  Target target([] {});
  EXPECT_THAT(target.Wait(), ExitedWith(0));
  EXPECT_EQ(Poll(target.fd(), POLLIN, kLongMs), POLLHUP);
  seccomp_notif n = {};
  EXPECT_THAT(ioctl(target.fd(), SECCOMP_IOCTL_NOTIF_RECV, &n), FailsWith(ENOENT));
}

TEST(SeccompNotifyTest, AZombieHasLeft) {
  Target target([] {});
  EXPECT_EQ(Poll(target.fd(), POLLIN, kLongMs), POLLHUP);
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifyTest, ReceiveEndsWhenNobodyIsLeft) {
  Event go;
  Target target([&] { go.Wait(); });
  ScopedThread receiver([&] {
    seccomp_notif n = {};
    EXPECT_THAT(ioctl(target.fd(), SECCOMP_IOCTL_NOTIF_RECV, &n), FailsWith(ENOENT));
  });
  EXPECT_TRUE(WaitUntilBlocked(receiver.tid()));
  go.Signal();
  receiver.Join();
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifyTest, ReceiveIgnoresNonblocking) {
  Event go;
  Target target([&] {
    go.Wait();
    EXPECT_EQ(AskedCall(), 1);
  });
  ASSERT_THAT(fcntl(target.fd(), F_SETFL, O_NONBLOCK), SucceedsWith(0));
  ScopedThread receiver([&] { EXPECT_THAT(target.Send(target.Receive().id, 1), SucceedsWith(0)); });
  EXPECT_TRUE(WaitUntilBlocked(receiver.tid()));
  go.Signal();
  receiver.Join();
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifyTest, ReceiveIsInterrupted) {
  Event go;
  Target target([&] { go.Wait(); });
  ScopedSigaction handler(SIGUSR1, [](int) {});
  ScopedThread receiver([&] {
    seccomp_notif n = {};
    EXPECT_THAT(ioctl(target.fd(), SECCOMP_IOCTL_NOTIF_RECV, &n), FailsWith(EINTR));
  });
  EXPECT_TRUE(WaitUntilBlocked(receiver.tid()));
  pthread_kill(receiver.handle(), SIGUSR1);
  receiver.Join();
  go.Signal();
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifyTest, TheListenerIsClosed) {
  Event go;
  Target target([&] {
    EXPECT_THAT(AskedCall(), FailsWith(ENOSYS));
    EXPECT_THAT(AskedCall(), FailsWith(ENOSYS));
    go.Wait();
    EXPECT_THAT(AskedCall(), FailsWith(ENOSYS));
  });
  ASSERT_EQ(Poll(target.fd(), POLLIN, kLongMs), POLLIN);
  target.CloseListener();
  go.Signal();
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifyTest, TheListenerIsClosedAfterReceiving) {
  Target target([&] { EXPECT_THAT(AskedCall(), FailsWith(ENOSYS)); });
  target.Receive();
  target.CloseListener();
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifyTest, TheListenersDescriptor) {
  EXPECT_THAT(InChild([] {
                Fd fd(Install(kAskGetppid, SECCOMP_FILTER_FLAG_NEW_LISTENER));
                EXPECT_THAT(fcntl(fd.get(), F_GETFD), SucceedsWith(FD_CLOEXEC));
                EXPECT_THAT(fcntl(fd.get(), F_GETFL), SucceedsWith(O_RDWR));
                char link[64] = {};
                const std::string path = "/proc/self/fd/" + std::to_string(fd.get());
                EXPECT_THAT(readlink(path.c_str(), link, sizeof(link)), Succeeds());
                EXPECT_STREQ(link, "anon_inode:seccomp notify");
              }),
              ExitedWith(0));
}

TEST(SeccompNotifyTest, OneListener) {
  EXPECT_THAT(InChild([] {
                Fd fd(Install(kAskGetppid, SECCOMP_FILTER_FLAG_NEW_LISTENER));
                ASSERT_GE(fd.get(), 0);
                EXPECT_THAT(Install(kAskGetppid, SECCOMP_FILTER_FLAG_NEW_LISTENER),
                            FailsWith(EBUSY));
                EXPECT_THAT(Install(For(SYS_getsid, SECCOMP_RET_ALLOW)), SucceedsWith(0));
                EXPECT_THAT(Install(kAskGetppid, SECCOMP_FILTER_FLAG_NEW_LISTENER),
                            FailsWith(EBUSY));
                EXPECT_THAT(InChild([] {
                              EXPECT_THAT(Install(kAskGetppid, SECCOMP_FILTER_FLAG_NEW_LISTENER),
                                          FailsWith(EBUSY));
                            }),
                            ExitedWith(0));
                fd.reset();
                Fd another(Install(kAskGetppid, SECCOMP_FILTER_FLAG_NEW_LISTENER));
                EXPECT_GE(another.get(), 0);
              }),
              ExitedWith(0));
}

TEST(SeccompNotifyTest, InstallErrors) {
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(Install(kAskGetppid, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV),
                            FailsWith(EINVAL));
                EXPECT_THAT(
                    Install(kAskGetppid, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_NEW_LISTENER),
                    FailsWith(EINVAL));
                EXPECT_THAT(Install({Return(0), BPF_STMT(BPF_LD | BPF_IMM, 0)},
                                    SECCOMP_FILTER_FLAG_NEW_LISTENER),
                            FailsWith(EINVAL));
                const rlimit none = {0, 4096};
                ASSERT_THAT(setrlimit(RLIMIT_NOFILE, &none), SucceedsWith(0));
                EXPECT_THAT(Install(kAskGetppid, SECCOMP_FILTER_FLAG_NEW_LISTENER),
                            FailsWith(EMFILE));
                EXPECT_GT(AskedCall(), 0);  // nothing was installed
                BecomeNobody();
                EXPECT_THAT(Install(kAskGetppid, SECCOMP_FILTER_FLAG_NEW_LISTENER),
                            FailsWith(EACCES));
              }),
              ExitedWith(0));
}

TEST(SeccompNotifyTest, MoreRestrictiveFiltersCount) {
  Target target([] {
    EXPECT_THAT(Install({Return(SECCOMP_RET_ALLOW)}), SucceedsWith(0));
    EXPECT_EQ(AskedCall(), 1);
    EXPECT_THAT(Install(For(SYS_getppid, SECCOMP_RET_TRACE)), SucceedsWith(0));
    EXPECT_EQ(AskedCall(), 2);
    EXPECT_THAT(Install(kAskGetppid), SucceedsWith(0));  // of equals the latest, without a listener
    EXPECT_THAT(AskedCall(), FailsWith(ENOSYS));
    EXPECT_THAT(Install(For(SYS_getppid, SECCOMP_RET_ERRNO | EDOM)), SucceedsWith(0));
    EXPECT_THAT(AskedCall(), FailsWith(EDOM));
  });
  EXPECT_THAT(target.Send(target.Receive().id, 1), SucceedsWith(0));
  EXPECT_THAT(target.Send(target.Receive().id, 2), SucceedsWith(0));
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifyTest, ChildrenAndThreadsInherit) {
  Target target([] {
    EXPECT_THAT(InChild([] { EXPECT_EQ(AskedCall(), getpid()); }), ExitedWith(0));
    ScopedThread thread([] { EXPECT_EQ(AskedCall(), gettid()); });
  });
  for (int i = 0; i < 2; ++i) {
    const seccomp_notif n = target.Receive();
    EXPECT_NE(n.pid, static_cast<uint32_t>(target.pid()));
    EXPECT_THAT(target.Send(n.id, n.pid), SucceedsWith(0));
  }
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifyTest, SeveralWaitAtOnce) {
  constexpr int kThreads = 8;
  Target target([] {
    std::vector<std::unique_ptr<ScopedThread>> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.push_back(std::make_unique<ScopedThread>([i] { EXPECT_EQ(AskedCall(i), i * 3); }));
    }
  });
  std::vector<seccomp_notif> all;
  for (int i = 0; i < kThreads; ++i) all.push_back(target.Receive());
  for (int i = kThreads - 1; i >= 0; --i) {
    EXPECT_THAT(target.Valid(all[i].id), SucceedsWith(0));
    EXPECT_THAT(target.Send(all[i].id, static_cast<int64_t>(all[i].data.args[0] * 3)),
                SucceedsWith(0));
  }
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifyTest, SeveralSupervisors) {
  Target target([] {
    std::vector<std::unique_ptr<ScopedThread>> threads;
    for (int i = 0; i < 4; ++i) {
      threads.push_back(std::make_unique<ScopedThread>([] {
        for (int k = 0; k < 50; ++k) EXPECT_EQ(AskedCall(k), k + 1);
      }));
    }
  });
  std::vector<std::unique_ptr<ScopedThread>> supervisors;
  std::atomic<int> answered = 0;
  for (int i = 0; i < 4; ++i) {
    supervisors.push_back(std::make_unique<ScopedThread>([&] {
      for (;;) {
        seccomp_notif n = {};
        if (ioctl(target.fd(), SECCOMP_IOCTL_NOTIF_RECV, &n) != 0) {
          EXPECT_EQ(errno, ENOENT);
          return;
        }
        EXPECT_THAT(target.Send(n.id, static_cast<int64_t>(n.data.args[0]) + 1), SucceedsWith(0));
        ++answered;
      }
    }));
  }
  supervisors.clear();
  EXPECT_EQ(answered, 200);
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifyTest, Exec) {
  Target target([] {
    ExitIfFailed();
    execl("/bin/sh", "sh", "-c", "exit $PPID", nullptr);
  });
  // The shell asks for it at its start.
  EXPECT_THAT(target.Send(target.Receive().id, 42), SucceedsWith(0));
  EXPECT_THAT(target.Wait(), ExitedWith(42));
}

TEST(SeccompNotifyTest, Tsync) {
  EXPECT_THAT(
      InChild([] {
        Event go;
        ScopedThread other([&] {
          go.Wait();
          EXPECT_EQ(AskedCall(), 5);
        });
        Shared<int> fd;
        Event installed;
        // Not its thread: it would ask itself.
        ScopedThread supervisor([&] {
          installed.Wait();
          seccomp_notif n = {};
          EXPECT_THAT(ioctl(*fd, SECCOMP_IOCTL_NOTIF_RECV, &n), SucceedsWith(0));
          EXPECT_EQ(n.pid, static_cast<uint32_t>(other.tid()));
          seccomp_notif_resp r = {.id = n.id, .val = 5, .error = 0, .flags = 0};
          EXPECT_THAT(ioctl(*fd, SECCOMP_IOCTL_NOTIF_SEND, &r), SucceedsWith(0));
        });
        *fd = Install(kAskGetppid, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH |
                                       SECCOMP_FILTER_FLAG_NEW_LISTENER);
        EXPECT_GE(*fd, 0);
        installed.Signal();
        go.Signal();
      }),
      ExitedWith(0));
}

TEST(SeccompNotifyTest, TsyncThatFailsLeavesNothing) {
  EXPECT_THAT(InChild([] {
                Event installed, done;
                ScopedThread other([&] {
                  EXPECT_THAT(Install({Return(SECCOMP_RET_ALLOW)}), SucceedsWith(0));
                  installed.Signal();
                  done.Wait();
                });
                installed.Wait();
                Fd before(dup(0));
                const int lowest = before.get();
                before.reset();
                EXPECT_THAT(
                    Install(kAskGetppid, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH |
                                             SECCOMP_FILTER_FLAG_NEW_LISTENER),
                    FailsWith(ESRCH));
                Fd after(dup(0));
                EXPECT_EQ(after.get(), lowest);
                EXPECT_GT(AskedCall(), 0);
                done.Signal();
              }),
              ExitedWith(0));
}

// ---- Signals while a call waits ----------------------------------------------------------

std::atomic<int> handled;

TEST(SeccompNotifySignalTest, AHandlerEndsTheCall) {
  Target target([] {
    ScopedSigaction handler(SIGUSR1, [](int) { ++handled; });
    EXPECT_THAT(AskedCall(), FailsWith(EINTR));
    EXPECT_EQ(handled, 1);
    EXPECT_EQ(AskedCall(), 9);
  });
  const seccomp_notif n = target.Receive();
  EXPECT_TRUE(WaitUntilBlocked(target.pid()));
  kill(target.pid(), SIGUSR1);
  ASSERT_EQ(Poll(target.fd(), POLLIN, kLongMs), POLLIN);  // the next call
  EXPECT_THAT(target.Valid(n.id), FailsWith(ENOENT));
  EXPECT_THAT(target.Send(n.id, 1), FailsWith(ENOENT));
  EXPECT_THAT(target.AddFd(n.id, 0), FailsWith(ENOENT));
  EXPECT_THAT(target.Send(target.Receive().id, 9), SucceedsWith(0));
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifySignalTest, ARestartedCallAsksAgain) {
  Target target([] {
    ScopedSigaction handler(
        SIGUSR1, [](int) { ++handled; }, SA_RESTART);
    EXPECT_EQ(AskedCall(), 9);
    EXPECT_EQ(handled, 1);
  });
  const seccomp_notif n = target.Receive();
  EXPECT_TRUE(WaitUntilBlocked(target.pid()));
  kill(target.pid(), SIGUSR1);
  const seccomp_notif again = target.Receive();
  EXPECT_NE(again.id, n.id);
  EXPECT_EQ(again.data.nr, n.data.nr);
  EXPECT_THAT(target.Send(again.id, 9), SucceedsWith(0));
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifySignalTest, WhatWasNotReceivedIsMissed) {
  Target target([] {
    ScopedSigaction handler(SIGUSR1, [](int) {});
    EXPECT_THAT(AskedCall(), FailsWith(EINTR));
    pause();
  });
  ASSERT_EQ(Poll(target.fd(), POLLIN, kLongMs), POLLIN);
  EXPECT_TRUE(WaitUntilBlocked(target.pid()));
  kill(target.pid(), SIGUSR1);
  EXPECT_TRUE(WaitUntil([&] { return Poll(target.fd(), POLLIN) == 0; }));
  seccomp_notif n = {};
  EXPECT_THAT(ioctl(target.fd(), SECCOMP_IOCTL_NOTIF_RECV, &n), FailsWith(ENOENT));
  kill(target.pid(), SIGKILL);
  EXPECT_THAT(target.Wait(), KilledBy(SIGKILL));
}

TEST(SeccompNotifySignalTest, TheTargetIsKilled) {
  Target target([] { AskedCall(); });
  const seccomp_notif n = target.Receive();
  kill(target.pid(), SIGKILL);
  EXPECT_THAT(target.Wait(), KilledBy(SIGKILL));
  EXPECT_THAT(target.Valid(n.id), FailsWith(ENOENT));
  EXPECT_THAT(target.Send(n.id, 1), FailsWith(ENOENT));
  EXPECT_EQ(Poll(target.fd(), POLLIN | POLLOUT, kLongMs), POLLHUP);
}

TEST(SeccompNotifySignalTest, TheTargetIsKilledBeforeItIsReceived) {
  Target target([] { AskedCall(); });
  ASSERT_EQ(Poll(target.fd(), POLLIN, kLongMs), POLLIN);
  kill(target.pid(), SIGKILL);
  EXPECT_THAT(target.Wait(), KilledBy(SIGKILL));
  seccomp_notif n = {};
  EXPECT_THAT(ioctl(target.fd(), SECCOMP_IOCTL_NOTIF_RECV, &n), FailsWith(ENOENT));
}

TEST(SeccompNotifySignalTest, KillableWaitsThroughSignals) {
  Target target(
      [] {
        ScopedSigaction handler(SIGUSR1, [](int) { ++handled; });
        EXPECT_EQ(AskedCall(), 9);
        EXPECT_EQ(handled, 1);
      },
      SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
  // Asleep before it is received: who comes later sleeps in the other way at once.
  ASSERT_EQ(Poll(target.fd(), POLLIN, kLongMs), POLLIN);
  EXPECT_TRUE(WaitUntilBlocked(target.pid()));
  const seccomp_notif n = target.Receive();
  kill(target.pid(), SIGUSR1);
  // It has seen the signal when it sleeps in the other way.
  EXPECT_TRUE(WaitUntilState(target.pid(), 'D'));
  EXPECT_THAT(target.Valid(n.id), SucceedsWith(0));
  EXPECT_THAT(target.Send(n.id, 9), SucceedsWith(0));
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifySignalTest, KillableIsInterruptedBeforeItIsReceived) {
  Target target(
      [] {
        ScopedSigaction handler(SIGUSR1, [](int) { ++handled; });
        EXPECT_THAT(AskedCall(), FailsWith(EINTR));
        EXPECT_EQ(handled, 1);
      },
      SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
  ASSERT_EQ(Poll(target.fd(), POLLIN, kLongMs), POLLIN);
  EXPECT_TRUE(WaitUntilBlocked(target.pid()));
  kill(target.pid(), SIGUSR1);
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompNotifySignalTest, KillableIsKilled) {
  Target target([] { AskedCall(); }, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
  target.Receive();
  kill(target.pid(), SIGUSR1);
  EXPECT_THAT(target.Wait(), KilledBy(SIGUSR1));
}

// ---- Descriptors ------------------------------------------------------------------------------

TEST(SeccompAddFdTest, ADescriptorForTheTarget) {
  TempDir dir;
  WriteFile(dir / "secret", "hello");
  Target target([] {
    const long fd = AskedCall();
    EXPECT_EQ(ReadAll(static_cast<int>(fd)), "hello");
    EXPECT_THAT(fcntl(static_cast<int>(fd), F_GETFD), SucceedsWith(0));
    EXPECT_THAT(AskedCall(), SucceedsWith(0));
    EXPECT_THAT(fcntl(static_cast<int>(fd) + 1, F_GETFD), SucceedsWith(FD_CLOEXEC));
  });
  Fd file = Open(dir / "secret", O_RDONLY);
  seccomp_notif n = target.Receive();
  const int fd = target.AddFd(n.id, file.get());
  EXPECT_THAT(fd, Succeeds());
  EXPECT_THAT(target.Valid(n.id), SucceedsWith(0));  // it waits still
  EXPECT_THAT(target.Send(n.id, fd), SucceedsWith(0));
  n = target.Receive();
  EXPECT_THAT(target.AddFd(n.id, file.get(), 0, 0, O_CLOEXEC), SucceedsWith(fd + 1));
  EXPECT_THAT(target.Send(n.id, 0), SucceedsWith(0));
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompAddFdTest, AtANumber) {
  PipeFds pipe = MakePipe();
  Target target([] {
    Fd old = Open("/dev/null", O_RDONLY);
    ASSERT_THAT(dup2(old.get(), 100), SucceedsWith(100));
    EXPECT_EQ(AskedCall(), 1);
    EXPECT_THAT(write(100, "x", 1), SucceedsWith(1));
    EXPECT_THAT(write(101, "y", 1), SucceedsWith(1));
    EXPECT_THAT(fcntl(101, F_GETFD), SucceedsWith(FD_CLOEXEC));
    struct stat st;
    EXPECT_THAT(fstat(0, &st), SucceedsWith(0));
    EXPECT_TRUE(S_ISFIFO(st.st_mode));
  });
  const seccomp_notif n = target.Receive();
  const int fd = pipe.writer.get();
  EXPECT_THAT(target.AddFd(n.id, fd, SECCOMP_ADDFD_FLAG_SETFD, 100), SucceedsWith(100));
  EXPECT_THAT(target.AddFd(n.id, fd, SECCOMP_ADDFD_FLAG_SETFD, 101, O_CLOEXEC), SucceedsWith(101));
  EXPECT_THAT(target.AddFd(n.id, fd, SECCOMP_ADDFD_FLAG_SETFD, 0), SucceedsWith(0));
  EXPECT_THAT(target.Send(n.id, 1), SucceedsWith(0));
  EXPECT_THAT(target.Wait(), ExitedWith(0));
  EXPECT_EQ(ReadExactly(pipe.reader.get(), 2), "xy");
}

TEST(SeccompAddFdTest, AsTheAnswer) {
  TempDir dir;
  WriteFile(dir / "secret", "hello");
  Target target([] {
    EXPECT_EQ(ReadAll(static_cast<int>(AskedCall())), "hello");
    EXPECT_EQ(AskedCall(), 200);
  });
  Fd file = Open(dir / "secret", O_RDONLY);
  seccomp_notif n = target.Receive();
  EXPECT_THAT(target.AddFd(n.id, file.get(), SECCOMP_ADDFD_FLAG_SEND), Succeeds());
  // EINPROGRESS until the target has taken the answer.
  EXPECT_EQ(target.Send(n.id, 1), -1);
  EXPECT_TRUE(errno == ENOENT || errno == EINPROGRESS) << errno;
  n = target.Receive();
  EXPECT_THAT(
      target.AddFd(n.id, file.get(), SECCOMP_ADDFD_FLAG_SEND | SECCOMP_ADDFD_FLAG_SETFD, 200),
      SucceedsWith(200));
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompAddFdTest, Errors) {
  Target target([] { EXPECT_EQ(AskedCall(), 1); });
  const seccomp_notif n = target.Receive();
  Fd path = Open("/", O_PATH);
  EXPECT_THAT(target.AddFd(n.id, 9999), FailsWith(EBADF));
  EXPECT_THAT(target.AddFd(n.id, -1), FailsWith(EBADF));
  EXPECT_THAT(target.AddFd(n.id, path.get()), FailsWith(EBADF));
  EXPECT_THAT(target.AddFd(n.id, 0, 4), FailsWith(EINVAL));
  EXPECT_THAT(target.AddFd(n.id, 0, 0, 7), FailsWith(EINVAL));
  EXPECT_THAT(target.AddFd(n.id, 0, 0, 0, O_NONBLOCK), FailsWith(EINVAL));
  EXPECT_THAT(target.AddFd(n.id + 1, 0), FailsWith(ENOENT));
  EXPECT_THAT(target.AddFd(n.id + 1, 0, 4), FailsWith(EINVAL));  // looked at first
  EXPECT_THAT(target.AddFd(n.id + 1, 9999), FailsWith(EBADF));
  EXPECT_THAT(ioctl(target.fd(), SECCOMP_IOCTL_NOTIF_ADDFD, nullptr), FailsWith(EFAULT));
  EXPECT_THAT(target.AddFd(n.id, 0, SECCOMP_ADDFD_FLAG_SETFD, 1u << 30), FailsWith(EBADF));
  EXPECT_THAT(target.AddFd(n.id, 0, SECCOMP_ADDFD_FLAG_SETFD, ~0u), FailsWith(EBADF));
  EXPECT_THAT(target.Send(n.id, 1), SucceedsWith(0));
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompAddFdTest, Sizes) {
  Target target([] { EXPECT_EQ(AskedCall(), 1); });
  const seccomp_notif n = target.Receive();
  struct Larger {
    seccomp_notif_addfd addfd;
    uint64_t more;
  };
  struct Smaller {
    uint64_t id;
    uint32_t flags, srcfd, newfd;
  };
  Larger larger = {};
  larger.addfd.id = n.id;
  EXPECT_THAT(ioctl(target.fd(), SECCOMP_IOW(3, Larger), &larger), Succeeds());
  larger.more = 1;
  EXPECT_THAT(ioctl(target.fd(), SECCOMP_IOW(3, Larger), &larger), FailsWith(E2BIG));
  EXPECT_THAT(ioctl(target.fd(), SECCOMP_IOW(3, char[20]), &larger), FailsWith(EINVAL));
  EXPECT_THAT(ioctl(target.fd(), SECCOMP_IOW(3, char[4096]), &larger), FailsWith(EINVAL));
  EXPECT_THAT(target.Send(n.id, 1), SucceedsWith(0));
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompAddFdTest, NotReceivedYet) {
  Target target([] {
    EXPECT_EQ(AskedCall(), 1);
    EXPECT_EQ(AskedCall(), 2);
  });
  const seccomp_notif n = target.Receive();
  EXPECT_THAT(target.Send(n.id, 1), SucceedsWith(0));
  ASSERT_EQ(Poll(target.fd(), POLLIN, kLongMs), POLLIN);
  EXPECT_THAT(target.AddFd(n.id, 0), FailsWith(ENOENT));
  EXPECT_THAT(target.AddFd(n.id + 1, 0), FailsWith(EINPROGRESS));
  EXPECT_THAT(target.Send(target.Receive().id, 2), SucceedsWith(0));
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompAddFdTest, TheTargetsLimit) {
  Target target([] {
    const rlimit none = {0, 4096};
    ASSERT_THAT(setrlimit(RLIMIT_NOFILE, &none), SucceedsWith(0));
    EXPECT_EQ(AskedCall(), 1);
  });
  const seccomp_notif n = target.Receive();
  EXPECT_THAT(target.AddFd(n.id, 0), FailsWith(EMFILE));
  EXPECT_THAT(target.AddFd(n.id, 0, SECCOMP_ADDFD_FLAG_SETFD, 5), FailsWith(EBADF));
  // An answer that failed is none.
  EXPECT_THAT(target.AddFd(n.id, 0, SECCOMP_ADDFD_FLAG_SEND), FailsWith(EMFILE));
  EXPECT_THAT(target.Valid(n.id), SucceedsWith(0));
  EXPECT_THAT(target.Send(n.id, 1), SucceedsWith(0));
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

TEST(SeccompAddFdTest, ManyFromManyThreads) {
  Target target([] { EXPECT_EQ(AskedCall(), 1); });
  const seccomp_notif n = target.Receive();
  std::vector<std::unique_ptr<ScopedThread>> threads;
  for (int i = 0; i < 4; ++i) {
    threads.push_back(std::make_unique<ScopedThread>([&, i] {
      for (int k = 0; k < 50; ++k) {
        if (i % 2 == 0) {
          EXPECT_THAT(target.AddFd(n.id, 0), Succeeds());
        } else {
          EXPECT_THAT(target.AddFd(n.id, 0, SECCOMP_ADDFD_FLAG_SETFD, 500), SucceedsWith(500));
        }
      }
    }));
  }
  threads.clear();
  EXPECT_THAT(target.Send(n.id, 1), SucceedsWith(0));
  EXPECT_THAT(target.Wait(), ExitedWith(0));
}

}  // namespace
}  // namespace cvisor::test
