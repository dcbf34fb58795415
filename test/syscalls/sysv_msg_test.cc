// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// System V message queues: msgget(2), msgsnd(2), msgrcv(2), msgctl(2), /proc/sysvipc/msg.
#include <linux/capability.h>
#include <sched.h>
#include <sys/msg.h>
#include <sys/syscall.h>

#include <cstring>
#include <sstream>

#include "test/syscalls/util/test_util.h"

#ifndef MSG_COPY
#define MSG_COPY 040000
#endif
#ifndef MSG_STAT_ANY
#define MSG_STAT_ANY 13
#endif

namespace cvisor::test {
namespace {

key_t NewKey() {
  static int n = 0;
  return 0x30000000 + (getpid() << 8) + ++n;
}

struct Buffer {
  long type = 0;
  char text[8192] = {};
};

class Queue {
 public:
  explicit Queue(int flags = 0600 | IPC_CREAT, key_t key = IPC_PRIVATE) : id_(msgget(key, flags)) {
    EXPECT_THAT(id_, Succeeds());
  }
  ~Queue() { Remove(); }
  int id() const { return id_; }
  int Remove() {
    const int r = id_ >= 0 ? msgctl(id_, IPC_RMID, nullptr) : 0;
    id_ = -1;
    return r;
  }
  int Send(long type, const std::string& text, int flags = IPC_NOWAIT) {
    Buffer b;
    b.type = type;
    memcpy(b.text, text.data(), text.size());
    return msgsnd(id_, &b, text.size(), flags);
  }
  // "type:text", or the errno's name.
  std::string Receive(long type = 0, int flags = IPC_NOWAIT, size_t size = 8192) {
    Buffer b;
    const ssize_t n = msgrcv(id_, &b, size, type, flags);
    if (n < 0) return ErrnoName(errno);
    return std::to_string(b.type) + ":" + std::string(b.text, static_cast<size_t>(n));
  }
  msqid_ds Stat() {
    msqid_ds ds = {};
    EXPECT_THAT(msgctl(id_, IPC_STAT, &ds), SucceedsWith(0));
    return ds;
  }

 private:
  int id_;
};

const std::string kNoMessage = ErrnoName(ENOMSG);

TEST(MsggetTest, KeysAndFlags) {
  const key_t key = NewKey();
  EXPECT_THAT(msgget(key, 0600), FailsWith(ENOENT));
  Queue q(0640 | IPC_CREAT, key);
  EXPECT_THAT(msgget(key, 0600), SucceedsWith(q.id()));
  EXPECT_THAT(msgget(key, IPC_CREAT | 0600), SucceedsWith(q.id()));
  EXPECT_THAT(msgget(key, IPC_CREAT | IPC_EXCL | 0600), FailsWith(EEXIST));
  const msqid_ds ds = q.Stat();
  EXPECT_EQ(ds.msg_perm.__key, key);
  EXPECT_EQ(ds.msg_perm.mode, 0640);
  EXPECT_EQ(ds.msg_qnum, 0u);
  EXPECT_EQ(ds.msg_stime, 0);
  EXPECT_EQ(ds.msg_rtime, 0);
  EXPECT_GT(ds.msg_ctime, 0);
  EXPECT_EQ(ds.msg_qbytes, std::stoul(ReadFile("/proc/sys/kernel/msgmnb")));
}

TEST(MsgTest, SendAndReceive) {
  Queue q;
  EXPECT_THAT(q.Send(7, "hello"), SucceedsWith(0));
  EXPECT_THAT(q.Send(8, ""), SucceedsWith(0));
  msqid_ds ds = q.Stat();
  EXPECT_EQ(ds.msg_qnum, 2u);
  EXPECT_EQ(ds.__msg_cbytes, 5u);
  EXPECT_EQ(ds.msg_lspid, getpid());
  EXPECT_EQ(ds.msg_lrpid, 0);
  EXPECT_GT(ds.msg_stime, 0);
  EXPECT_EQ(q.Receive(), "7:hello");
  EXPECT_EQ(q.Receive(), "8:");
  EXPECT_EQ(q.Receive(), kNoMessage);
  ds = q.Stat();
  EXPECT_EQ(ds.msg_qnum, 0u);
  EXPECT_EQ(ds.__msg_cbytes, 0u);
  EXPECT_EQ(ds.msg_lrpid, getpid());
  EXPECT_GT(ds.msg_rtime, 0);
}

TEST(MsgTest, Selection) {
  Queue q;
  const auto fill = [&] {
    while (q.Receive() != kNoMessage) {
    }
    for (const int type : {5, 3, 9, 3, 1}) {
      EXPECT_THAT(q.Send(type, std::string(1, static_cast<char>('a' + type))), SucceedsWith(0));
    }
  };
  fill();
  EXPECT_EQ(q.Receive(3), "3:d");
  EXPECT_EQ(q.Receive(3), "3:d");
  EXPECT_EQ(q.Receive(3), kNoMessage);
  EXPECT_EQ(q.Receive(0), "5:f");
  fill();
  EXPECT_EQ(q.Receive(-4), "1:b");  // the lowest type
  EXPECT_EQ(q.Receive(-4), "3:d");
  EXPECT_EQ(q.Receive(-4), "3:d");
  EXPECT_EQ(q.Receive(-4), kNoMessage);
  EXPECT_EQ(q.Receive(LONG_MIN), "5:f");
  fill();
  EXPECT_EQ(q.Receive(5, IPC_NOWAIT | MSG_EXCEPT), "3:d");
  EXPECT_EQ(q.Receive(3, IPC_NOWAIT | MSG_EXCEPT), "5:f");
}

TEST(MsgTest, Sizes) {
  Queue q;
  EXPECT_THAT(q.Send(1, "0123456789"), SucceedsWith(0));
  EXPECT_EQ(q.Receive(0, IPC_NOWAIT, 5), ErrnoName(E2BIG));
  EXPECT_EQ(q.Stat().msg_qnum, 1u);
  EXPECT_EQ(q.Receive(0, IPC_NOWAIT | MSG_NOERROR, 5), "1:01234");
  EXPECT_EQ(q.Stat().msg_qnum, 0u);
  EXPECT_THAT(q.Send(1, std::string(8192, 'x')), SucceedsWith(0));
  EXPECT_EQ(q.Receive().size(), 8194u);
}

TEST(MsgTest, Errors) {
  Queue q;
  Buffer b;
  b.type = 1;
  EXPECT_THAT(msgsnd(q.id(), &b, 8193, 0), FailsWith(EINVAL));
  EXPECT_THAT(msgsnd(q.id(), &b, SIZE_MAX, 0), FailsWith(EINVAL));
  EXPECT_THAT(msgsnd(-1, &b, 1, 0), FailsWith(EINVAL));
  EXPECT_THAT(msgsnd(q.id() + 32768 * 3, &b, 1, 0), FailsWith(EINVAL));
  EXPECT_THAT(msgsnd(q.id(), nullptr, 1, 0), FailsWith(EFAULT));
  b.type = 0;
  EXPECT_THAT(msgsnd(q.id(), &b, 1, 0), FailsWith(EINVAL));
  b.type = -1;
  EXPECT_THAT(msgsnd(q.id(), &b, 1, 0), FailsWith(EINVAL));
  EXPECT_THAT(msgrcv(-1, &b, 1, 0, 0), FailsWith(EINVAL));
  EXPECT_THAT(msgrcv(q.id(), &b, SIZE_MAX, 0, 0), FailsWith(EINVAL));
  EXPECT_THAT(msgrcv(q.id(), &b, 1, 0, MSG_COPY), FailsWith(EINVAL));
  EXPECT_THAT(q.Send(1, "x"), SucceedsWith(0));
  EXPECT_THAT(msgrcv(q.id(), nullptr, 8, 0, 0), FailsWith(EFAULT));
  EXPECT_EQ(q.Stat().msg_qnum, 0u);  // lost
}

TEST(MsgTest, CopiesLeaveTheMessage) {
  Queue q;
  EXPECT_THAT(q.Send(4, "first"), SucceedsWith(0));
  EXPECT_THAT(q.Send(2, "second"), SucceedsWith(0));
  const std::string copy = q.Receive(1, IPC_NOWAIT | MSG_COPY);
  if (copy == ErrnoName(ENOSYS)) GTEST_SKIP() << "no checkpoint and restore";
  EXPECT_EQ(copy, "2:second");
  EXPECT_EQ(q.Receive(0, IPC_NOWAIT | MSG_COPY), "4:first");
  EXPECT_EQ(q.Receive(2, IPC_NOWAIT | MSG_COPY), kNoMessage);
  EXPECT_EQ(q.Receive(0, IPC_NOWAIT | MSG_COPY, 2), ErrnoName(E2BIG));
  EXPECT_EQ(q.Stat().msg_qnum, 2u);
}

TEST(MsgTest, FullQueues) {
  Queue q;
  msqid_ds ds = q.Stat();
  ds.msg_qbytes = 10;
  EXPECT_THAT(msgctl(q.id(), IPC_SET, &ds), SucceedsWith(0));
  EXPECT_THAT(q.Send(1, "123456"), SucceedsWith(0));
  EXPECT_THAT(q.Send(1, "12345"), FailsWith(EAGAIN));
  EXPECT_THAT(q.Send(1, "1234"), SucceedsWith(0));
  // Empty messages count as well.
  Queue empty;
  EXPECT_THAT(msgctl(empty.id(), IPC_SET, &ds), SucceedsWith(0));
  for (int i = 0; i < 10; ++i) EXPECT_THAT(empty.Send(1, ""), SucceedsWith(0));
  EXPECT_THAT(empty.Send(1, ""), FailsWith(EAGAIN));
}

TEST(MsgTest, SendersWaitForRoom) {
  Queue q;
  msqid_ds ds = q.Stat();
  ds.msg_qbytes = 4;
  EXPECT_THAT(msgctl(q.id(), IPC_SET, &ds), SucceedsWith(0));
  EXPECT_THAT(q.Send(1, "full"), SucceedsWith(0));
  ScopedChild child([&] { EXPECT_THAT(q.Send(2, "next", 0), SucceedsWith(0)); });
  EXPECT_TRUE(WaitUntilBlocked(child.pid()));
  EXPECT_EQ(q.Receive(), "1:full");
  EXPECT_THAT(child.Wait(), ExitedWith(0));
  EXPECT_EQ(q.Receive(), "2:next");
  // More room wakes, too.
  EXPECT_THAT(q.Send(1, "full"), SucceedsWith(0));
  ScopedChild another([&] { EXPECT_THAT(q.Send(2, "next", 0), SucceedsWith(0)); });
  EXPECT_TRUE(WaitUntilBlocked(another.pid()));
  ds.msg_qbytes = 8;
  EXPECT_THAT(msgctl(q.id(), IPC_SET, &ds), SucceedsWith(0));
  EXPECT_THAT(another.Wait(), ExitedWith(0));
}

TEST(MsgTest, ReceiversWaitForTheirType) {
  Queue q;
  ScopedChild child([&] { EXPECT_EQ(q.Receive(3, 0), "3:c"); });
  EXPECT_TRUE(WaitUntilBlocked(child.pid()));
  EXPECT_THAT(q.Send(2, "b"), SucceedsWith(0));
  EXPECT_THAT(q.Send(3, "c"), SucceedsWith(0));
  EXPECT_THAT(child.Wait(), ExitedWith(0));
  EXPECT_EQ(q.Receive(), "2:b");
}

TEST(MsgTest, WaitersWithTooSmallABuffer) {
  Queue q;
  ScopedChild child([&] { EXPECT_EQ(q.Receive(0, 0, 2), ErrnoName(E2BIG)); });
  EXPECT_TRUE(WaitUntilBlocked(child.pid()));
  EXPECT_THAT(q.Send(1, "long"), SucceedsWith(0));
  EXPECT_THAT(child.Wait(), ExitedWith(0));
  EXPECT_EQ(q.Receive(), "1:long");
}

TEST(MsgTest, RemovalWakes) {
  Queue q;
  const int id = q.id();
  ScopedChild child([&] { EXPECT_EQ(q.Receive(0, 0), ErrnoName(EIDRM)); });
  EXPECT_TRUE(WaitUntilBlocked(child.pid()));
  EXPECT_THAT(q.Remove(), SucceedsWith(0));
  EXPECT_THAT(child.Wait(), ExitedWith(0));
  EXPECT_THAT(msgctl(id, IPC_RMID, nullptr), FailsWith(EINVAL));
  Buffer b;
  EXPECT_THAT(msgrcv(id, &b, 1, 0, 0), FailsWith(EINVAL));
}

TEST(MsgTest, HandlersInterruptEvenWithRestart) {
  Queue q;
  ScopedChild child([&] {
    ScopedSigaction action(
        SIGUSR1, [](int) {}, SA_RESTART);
    EXPECT_EQ(q.Receive(0, 0), ErrnoName(EINTR));
  });
  EXPECT_TRUE(WaitUntilBlocked(child.pid()));
  EXPECT_THAT(kill(child.pid(), SIGUSR1), SucceedsWith(0));
  EXPECT_THAT(child.Wait(), ExitedWith(0));
}

TEST(MsgTest, StopAndContinueRestart) {
  Queue q;
  ScopedChild child([&] { EXPECT_EQ(q.Receive(0, 0), "1:x"); });
  EXPECT_TRUE(WaitUntilBlocked(child.pid()));
  EXPECT_THAT(kill(child.pid(), SIGSTOP), SucceedsWith(0));
  EXPECT_TRUE(WaitUntilState(child.pid(), 'T'));
  EXPECT_THAT(kill(child.pid(), SIGCONT), SucceedsWith(0));
  EXPECT_TRUE(WaitUntilBlocked(child.pid()));
  EXPECT_THAT(q.Send(1, "x"), SucceedsWith(0));
  EXPECT_THAT(child.Wait(), ExitedWith(0));
}

TEST(MsgctlTest, Set) {
  Queue q;
  msqid_ds ds = q.Stat();
  ds.msg_perm.uid = kNobody;
  ds.msg_perm.mode = 0444;
  ds.msg_qbytes = 100;
  EXPECT_THAT(msgctl(q.id(), IPC_SET, &ds), SucceedsWith(0));
  EXPECT_EQ(q.Stat().msg_qbytes, 100u);
  EXPECT_EQ(q.Stat().msg_perm.mode, 0444);
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                msqid_ds mine = q.Stat();
                mine.msg_qbytes = 1 << 30;
                EXPECT_THAT(msgctl(q.id(), IPC_SET, &mine), FailsWith(EPERM));
                EXPECT_THAT(q.Send(1, "x"), FailsWith(EACCES));
                EXPECT_EQ(q.Receive(), kNoMessage);
                EXPECT_THAT(msgctl(q.id(), IPC_RMID, nullptr), SucceedsWith(0));
              }),
              ExitedWith(0));
  msqid_ds gone;
  EXPECT_THAT(msgctl(q.id(), IPC_STAT, &gone), FailsWith(EINVAL));
}

TEST(MsgctlTest, PermissionsOfOthers) {
  Queue q(0620 | IPC_CREAT);
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                msqid_ds ds = {};
                EXPECT_THAT(msgctl(q.id(), IPC_STAT, &ds), FailsWith(EACCES));
                EXPECT_THAT(msgctl(q.id(), IPC_SET, &ds), FailsWith(EPERM));
                EXPECT_THAT(msgctl(q.id(), IPC_RMID, nullptr), FailsWith(EPERM));
                EXPECT_EQ(q.Receive(), ErrnoName(EACCES));
                EXPECT_THAT(q.Send(1, "x"), FailsWith(EACCES));
              }),
              ExitedWith(0));
}

TEST(MsgctlTest, InfoAndIndices) {
  Queue q;
  EXPECT_THAT(q.Send(1, "abc"), SucceedsWith(0));
  struct msginfo info = {};
  const int max = msgctl(0, IPC_INFO, reinterpret_cast<msqid_ds*>(&info));
  EXPECT_GE(max, 0);
  EXPECT_EQ(info.msgmax, std::stoi(ReadFile("/proc/sys/kernel/msgmax")));
  EXPECT_EQ(info.msgmnb, std::stoi(ReadFile("/proc/sys/kernel/msgmnb")));
  EXPECT_EQ(info.msgmni, std::stoi(ReadFile("/proc/sys/kernel/msgmni")));
  struct msginfo usage = {};
  EXPECT_THAT(msgctl(0, MSG_INFO, reinterpret_cast<msqid_ds*>(&usage)), Succeeds());
  EXPECT_GE(usage.msgpool, 1);
  EXPECT_GE(usage.msgmap, 1);
  EXPECT_GE(usage.msgtql, 3);
  bool found = false;
  for (int i = 0; i <= max; ++i) {
    msqid_ds ds = {};
    if (msgctl(i, MSG_STAT, &ds) != q.id()) continue;
    found = true;
    EXPECT_EQ(ds.msg_qnum, 1u);
    EXPECT_THAT(msgctl(i, MSG_STAT_ANY, &ds), SucceedsWith(q.id()));
  }
  EXPECT_TRUE(found);
  msqid_ds ds;
  EXPECT_THAT(msgctl(q.id(), 99, &ds), FailsWith(EINVAL));
  EXPECT_THAT(msgctl(-1, IPC_STAT, &ds), FailsWith(EINVAL));
  EXPECT_THAT(syscall(SYS_msgctl, q.id(), IPC_STAT, 1), FailsWith(EFAULT));
}

TEST(MsgProcTest, ListsTheQueue) {
  const key_t key = NewKey();
  Queue q(0640 | IPC_CREAT, key);
  EXPECT_THAT(q.Send(1, "abc"), SucceedsWith(0));
  std::istringstream text(ReadFile("/proc/sysvipc/msg"));
  std::string line;
  ASSERT_TRUE(std::getline(text, line));
  EXPECT_EQ(
      line,
      "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid "
      "     stime      rtime      ctime");
  bool found = false;
  while (std::getline(text, line)) {
    std::istringstream fields(line);
    long row_key, id, bytes, messages;
    std::string mode;
    fields >> row_key >> id >> mode >> bytes >> messages;
    if (id != q.id()) continue;
    found = true;
    EXPECT_EQ(row_key, key);
    EXPECT_EQ(mode, "640");
    EXPECT_EQ(bytes, 3);
    EXPECT_EQ(messages, 1);
  }
  EXPECT_TRUE(found);
}

TEST(MsgNamespaceTest, AnotherNamespaceSeesOthers) {
  const key_t key = NewKey();
  Queue q(0600 | IPC_CREAT, key);
  EXPECT_THAT(InChild([&] {
                ASSERT_THAT(unshare(CLONE_NEWIPC), SucceedsWith(0));
                EXPECT_THAT(msgget(key, 0600), FailsWith(ENOENT));
                Queue mine(0600 | IPC_CREAT, key);
                EXPECT_THAT(mine.Send(1, "x"), SucceedsWith(0));
              }),
              ExitedWith(0));
  EXPECT_EQ(q.Receive(), kNoMessage);
}

TEST(MsgStressTest, ManySendersOneReceiver) {
  Queue q;
  constexpr int kSenders = 4, kMessages = 200;
  std::vector<pid_t> pids;
  for (int i = 0; i < kSenders; ++i) {
    pids.push_back(Fork([&] {
      for (int n = 0; n < kMessages; ++n) {
        EXPECT_THAT(q.Send(i + 1, std::to_string(n), 0), SucceedsWith(0));
      }
    }));
  }
  int next[kSenders] = {};
  for (int n = 0; n < kSenders * kMessages; ++n) {
    const std::string got = q.Receive(0, 0);
    const int sender = got[0] - '1';
    ASSERT_TRUE(sender >= 0 && sender < kSenders) << got;
    EXPECT_EQ(got.substr(2), std::to_string(next[sender]++));  // in the order they were sent
  }
  for (const pid_t pid : pids) EXPECT_THAT(Wait(pid), ExitedWith(0));
}

}  // namespace
}  // namespace cvisor::test
