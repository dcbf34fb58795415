// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// Numbers of users, groups and processes where they cross the border of a namespace
// (user_namespaces(7), pid_namespaces(7)): signals, wait, credentials of sockets, System V IPC, and
// the rights of an open /proc/PID/uid_map.
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <optional>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

constexpr uid_t kUser = 1000;
constexpr uid_t kOverflow = 65534;
constexpr timespec kLong = {20, 0};

void BecomeUser(uid_t uid = kUser) {
  EXPECT_EQ(setgroups(0, nullptr), 0);
  EXPECT_EQ(setresgid(uid, uid, uid), 0);
  EXPECT_EQ(setresuid(uid, uid, uid), 0);
  EXPECT_EQ(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
}

int Put(const std::string& path, const std::string& text) {
  const Fd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (fd.get() < 0) return errno;
  return write(fd.get(), text.data(), text.size()) < 0 ? errno : 0;
}

// In a user namespace whose root is the user outside; nobody else is mapped.
void EnterAsRoot() {
  const std::string uid = std::to_string(geteuid()), gid = std::to_string(getegid());
  ASSERT_EQ(unshare(CLONE_NEWUSER), 0);
  EXPECT_EQ(Put("/proc/self/setgroups", "deny"), 0);
  EXPECT_EQ(Put("/proc/self/uid_map", "0 " + uid + " 1"), 0);
  EXPECT_EQ(Put("/proc/self/gid_map", "0 " + gid + " 1"), 0);
}

// A child that is root of a user namespace, as kUser outside. Calls `body` once it is.
class Inside {
 public:
  explicit Inside(const std::function<void()>& body)
      : child_([this, &body] {
          BecomeUser();
          EnterAsRoot();
          ready_.Signal();
          body();
        }) {
    ready_.Wait();
  }
  pid_t pid() const { return child_.pid(); }
  int Wait() { return child_.Wait(); }

 private:
  Event ready_;
  ScopedChild child_;
};

sigset_t Block(int sig) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, sig);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return set;
}

// The sender's user id in the next signal of that number.
uid_t NextSender(const sigset_t& set) {
  siginfo_t info = {};
  EXPECT_THAT(sigtimedwait(&set, &info, &kLong), Succeeds());
  return info.si_uid;
}

TEST(SignalIdsTest, KillFromInside) {
  const sigset_t set = Block(SIGUSR1);
  ScopedChild receiver([&] {
    BecomeUser();
    EXPECT_EQ(NextSender(set), kUser);
  });
  Inside sender([&] {
    EXPECT_EQ(getuid(), 0u);
    // Not before it is the same user's.
    EXPECT_TRUE(WaitUntil([&] { return kill(receiver.pid(), 0) == 0; }));
    EXPECT_THAT(kill(receiver.pid(), SIGUSR1), Succeeds());
  });
  EXPECT_EQ(sender.Wait(), 0);
  EXPECT_EQ(receiver.Wait(), 0);
}

TEST(SignalIdsTest, KillFromOutside) {
  const sigset_t set = Block(SIGUSR1);
  Inside receiver([&] { EXPECT_EQ(NextSender(set), 0u); });
  EXPECT_EQ(InChild([&] {
              BecomeUser();
              EXPECT_THAT(kill(receiver.pid(), SIGUSR1), Succeeds());
            }),
            0);
  EXPECT_EQ(receiver.Wait(), 0);
}

TEST(SignalIdsTest, UnmappedSender) {
  const sigset_t set = Block(SIGUSR1);
  Inside receiver([&] { EXPECT_EQ(NextSender(set), kOverflow); });
  EXPECT_THAT(kill(receiver.pid(), SIGUSR1), Succeeds());
  EXPECT_EQ(receiver.Wait(), 0);
}

TEST(SignalIdsTest, TgkillAndPidfd) {
  const sigset_t set = Block(SIGUSR1);
  Inside receiver([&] {
    EXPECT_EQ(NextSender(set), kOverflow);
    EXPECT_EQ(NextSender(set), kOverflow);
  });
  EXPECT_THAT(syscall(SYS_tgkill, receiver.pid(), receiver.pid(), SIGUSR1), Succeeds());
  const Fd pidfd(syscall(SYS_pidfd_open, receiver.pid(), 0));
  ASSERT_GE(pidfd.get(), 0);
  // One at a time: a standard signal that is pending already is not queued again.
  const std::string status = "/proc/" + std::to_string(receiver.pid()) + "/status";
  EXPECT_TRUE(WaitUntil(
      [&] { return ReadFile(status).find("SigPnd:\t0000000000000000") != std::string::npos; }));
  EXPECT_THAT(syscall(SYS_pidfd_send_signal, pidfd.get(), SIGUSR1, nullptr, 0), Succeeds());
  EXPECT_EQ(receiver.Wait(), 0);
}

siginfo_t Claim(int sig, uid_t uid, pid_t pid) {
  siginfo_t info = {};
  info.si_signo = sig;
  info.si_code = SI_QUEUE;
  info.si_uid = uid;
  info.si_pid = pid;
  return info;
}

TEST(SignalIdsTest, ClaimOfSigqueue) {
  const int sig = SIGRTMIN;
  const sigset_t set = Block(sig);
  Inside receiver([&] {
    EXPECT_EQ(NextSender(set), 0u);
    EXPECT_EQ(NextSender(set), kOverflow);
    EXPECT_EQ(NextSender(set), kOverflow);
  });
  for (const uid_t uid : {kUser, uid_t{5}, static_cast<uid_t>(-1)}) {
    siginfo_t info = Claim(sig, uid, getpid());
    EXPECT_THAT(syscall(SYS_rt_sigqueueinfo, receiver.pid(), sig, &info), Succeeds());
  }
  EXPECT_EQ(receiver.Wait(), 0);
}

TEST(SignalIdsTest, NothingChangesInOneNamespace) {
  const int sig = SIGRTMIN;
  const sigset_t set = Block(sig);
  for (const uid_t uid : {kUser, static_cast<uid_t>(-1)}) {
    siginfo_t info = Claim(sig, uid, getpid());
    EXPECT_THAT(syscall(SYS_rt_sigqueueinfo, getpid(), sig, &info), Succeeds());
    EXPECT_EQ(NextSender(set), uid);
  }
}

TEST(SignalIdsTest, SenderAboveHasNoNumber) {
  const int sig = SIGRTMIN;
  EXPECT_EQ(InChild([&] {
              const sigset_t set = Block(sig);
              ASSERT_EQ(unshare(CLONE_NEWPID), 0);
              ScopedChild receiver([&] {
                for (int i = 0; i < 3; ++i) {
                  siginfo_t got = {};
                  EXPECT_THAT(sigtimedwait(&set, &got, &kLong), SucceedsWith(sig));
                  EXPECT_EQ(got.si_pid, 0) << i;
                }
              });
              siginfo_t info = Claim(sig, 0, getpid());
              EXPECT_THAT(syscall(SYS_rt_sigqueueinfo, receiver.pid(), sig, &info), Succeeds());
              EXPECT_THAT(
                  syscall(SYS_rt_tgsigqueueinfo, receiver.pid(), receiver.pid(), sig, &info),
                  Succeeds());
              EXPECT_THAT(kill(receiver.pid(), sig), Succeeds());
              EXPECT_EQ(receiver.Wait(), 0);
            }),
            0);
}

TEST(SignalIdsTest, WaitidAndSigchld) {
  EXPECT_EQ(InChild([] {
              const sigset_t set = Block(SIGCHLD);
              BecomeUser();
              EnterAsRoot();
              const pid_t pid = fork();
              if (pid == 0) _exit(7);
              siginfo_t info = {};
              EXPECT_THAT(sigtimedwait(&set, &info, &kLong), SucceedsWith(SIGCHLD));
              EXPECT_EQ(info.si_uid, 0u);
              EXPECT_EQ(info.si_pid, pid);
              info.si_uid = 77;
              EXPECT_THAT(waitid(P_PID, pid, &info, WEXITED), Succeeds());
              EXPECT_EQ(info.si_uid, 0u);
            }),
            0);
}

TEST(SignalIdsTest, WaitidOfAnotherUser) {
  const pid_t pid = Fork([] { BecomeUser(); });
  siginfo_t info = {};
  EXPECT_THAT(waitid(P_PID, pid, &info, WEXITED), Succeeds());
  EXPECT_EQ(info.si_uid, kUser);
  EXPECT_EQ(info.si_status, 0);
}

// --- Sockets

struct SocketPair {
  Fd a, b;
};

SocketPair MakeSocketPair(int type = SOCK_STREAM) {
  int fds[2] = {-1, -1};
  EXPECT_THAT(socketpair(AF_UNIX, type, 0, fds), Succeeds());
  return {Fd(fds[0]), Fd(fds[1])};
}

// 0, or the errno of sending a byte with that claim.
int SendClaim(int fd, const ucred& claim) {
  char byte = 'x';
  iovec iov = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))] = {};
  msghdr m = {};
  m.msg_iov = &iov;
  m.msg_iovlen = 1;
  m.msg_control = control;
  m.msg_controllen = sizeof(control);
  cmsghdr* c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_CREDENTIALS;
  c->cmsg_len = CMSG_LEN(sizeof(ucred));
  memcpy(CMSG_DATA(c), &claim, sizeof(claim));
  return sendmsg(fd, &m, 0) == 1 ? 0 : errno;
}

std::optional<ucred> ReceiveCredentials(int fd) {
  char byte;
  iovec iov = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))] = {};
  msghdr m = {};
  m.msg_iov = &iov;
  m.msg_iovlen = 1;
  m.msg_control = control;
  m.msg_controllen = sizeof(control);
  if (recvmsg(fd, &m, 0) != 1) return std::nullopt;
  const cmsghdr* c = CMSG_FIRSTHDR(&m);
  if (c == nullptr || c->cmsg_type != SCM_CREDENTIALS) return std::nullopt;
  ucred out;
  memcpy(&out, CMSG_DATA(c), sizeof(out));
  return out;
}

void PassCredentials(int fd) {
  const int on = 1;
  EXPECT_THAT(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), Succeeds());
}

TEST(SocketIdsTest, CredentialsFromInside) {
  const auto pair = MakeSocketPair();
  PassCredentials(pair.a.get());
  Inside sender([&] {
    EXPECT_EQ(SendClaim(pair.b.get(), {getpid(), 0, 0}), 0);
    EXPECT_THAT(write(pair.b.get(), "y", 1), SucceedsWith(1));
  });
  for (int i = 0; i < 2; ++i) {
    const auto got = ReceiveCredentials(pair.a.get());
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->uid, kUser);
    EXPECT_EQ(got->gid, kUser);
    EXPECT_EQ(got->pid, sender.pid());
  }
  EXPECT_EQ(sender.Wait(), 0);
}

TEST(SocketIdsTest, CredentialsFromOutside) {
  const auto pair = MakeSocketPair();
  PassCredentials(pair.a.get());
  EXPECT_THAT(write(pair.b.get(), "x", 1), SucceedsWith(1));
  EXPECT_EQ(SendClaim(pair.b.get(), {getpid(), kUser, kUser}), 0);
  Inside receiver([&] {
    auto got = ReceiveCredentials(pair.a.get());
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->uid, kOverflow);
    EXPECT_EQ(got->gid, kOverflow);
    got = ReceiveCredentials(pair.a.get());
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->uid, 0u);
    EXPECT_EQ(got->gid, 0u);
  });
  EXPECT_EQ(receiver.Wait(), 0);
}

TEST(SocketIdsTest, ClaimOfUnmappedIdsIsInvalid) {
  const auto pair = MakeSocketPair();
  Inside sender([&] {
    EXPECT_EQ(SendClaim(pair.b.get(), {getpid(), 5, 0}), EINVAL);
    EXPECT_EQ(SendClaim(pair.b.get(), {getpid(), 0, 5}), EINVAL);
    // A capability inside does not count for a process of the first PID namespace.
    EXPECT_EQ(SendClaim(pair.b.get(), {1, 0, 0}), EPERM);
  });
  EXPECT_EQ(sender.Wait(), 0);
}

TEST(SocketIdsTest, ClaimOfInvalidIds) {
  const auto pair = MakeSocketPair();
  EXPECT_EQ(SendClaim(pair.b.get(), {getpid(), static_cast<uid_t>(-1), 0}), EINVAL);
  EXPECT_EQ(SendClaim(pair.b.get(), {getpid(), 0, static_cast<gid_t>(-1)}), EINVAL);
  EXPECT_EQ(SendClaim(pair.b.get(), {0x3ffffff, 0, 0}), ESRCH);
}

TEST(SocketIdsTest, ClaimNeedsCapabilities) {
  const auto pair = MakeSocketPair();
  EXPECT_EQ(InChild([&] {
              BecomeUser();
              EXPECT_EQ(SendClaim(pair.b.get(), {getpid(), 0, kUser}), EPERM);
              EXPECT_EQ(SendClaim(pair.b.get(), {getpid(), kUser, 0}), EPERM);
              EXPECT_EQ(SendClaim(pair.b.get(), {getppid(), kUser, kUser}), EPERM);
              EXPECT_EQ(SendClaim(pair.b.get(), {getpid(), kUser, kUser}), 0);
            }),
            0);
}

ucred PeerCredentials(int fd) {
  ucred out = {};
  socklen_t size = sizeof(out);
  EXPECT_THAT(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &out, &size), Succeeds());
  return out;
}

TEST(SocketIdsTest, PeerCredentials) {
  const auto outer = MakeSocketPair();
  Inside reader([&] {
    EXPECT_EQ(PeerCredentials(outer.a.get()).uid, kOverflow);
    EXPECT_EQ(PeerCredentials(outer.a.get()).gid, kOverflow);
    const auto inner = MakeSocketPair();
    EXPECT_EQ(PeerCredentials(inner.a.get()).uid, 0u);
    EXPECT_EQ(PeerCredentials(inner.a.get()).gid, 0u);
    EXPECT_EQ(PeerCredentials(inner.a.get()).pid, getpid());
  });
  EXPECT_EQ(reader.Wait(), 0);
  EXPECT_EQ(PeerCredentials(outer.a.get()).uid, 0u);
}

TEST(SocketIdsTest, NobodyStaysNobody) {
  EXPECT_EQ(InChild([] {
              EnterAsRoot();
              const Fd s(socket(AF_UNIX, SOCK_STREAM, 0));
              EXPECT_EQ(PeerCredentials(s.get()).uid, static_cast<uid_t>(-1));
              EXPECT_EQ(PeerCredentials(s.get()).gid, static_cast<gid_t>(-1));
              EXPECT_EQ(PeerCredentials(s.get()).pid, 0);
            }),
            0);
}

TEST(SocketIdsTest, PeerGroups) {
  EXPECT_EQ(InChild([] {
              const gid_t groups[] = {0, 5};
              ASSERT_EQ(setgroups(2, groups), 0);
              const auto pair = MakeSocketPair();
              EnterAsRoot();
              gid_t seen[4] = {};
              socklen_t size = sizeof(seen);
              EXPECT_THAT(getsockopt(pair.a.get(), SOL_SOCKET, SO_PEERGROUPS, seen, &size),
                          Succeeds());
              EXPECT_EQ(size, 2 * sizeof(gid_t));
              EXPECT_EQ(seen[0], 0u);
              EXPECT_EQ(seen[1], kOverflow);
            }),
            0);
}

// --- System V IPC

// A segment that is gone at the end of the test.
class Segment {
 public:
  explicit Segment(int mode = 0600) : id_(shmget(IPC_PRIVATE, 4096, IPC_CREAT | mode)) {}
  ~Segment() { shmctl(id_, IPC_RMID, nullptr); }
  int id() const { return id_; }
  shmid_ds Stat() const {
    shmid_ds out = {};
    EXPECT_THAT(shmctl(id_, IPC_STAT, &out), Succeeds());
    return out;
  }

 private:
  const int id_;
};

TEST(IpcIdsTest, OwnersAsTheReaderSeesThem) {
  const Segment segment(0644);
  shmid_ds change = segment.Stat();
  change.shm_perm.uid = change.shm_perm.gid = kUser;
  ASSERT_THAT(shmctl(segment.id(), IPC_SET, &change), Succeeds());
  Inside reader([&] {
    const shmid_ds s = segment.Stat();
    EXPECT_EQ(s.shm_perm.uid, 0u);
    EXPECT_EQ(s.shm_perm.gid, 0u);
    EXPECT_EQ(s.shm_perm.cuid, kOverflow);
    EXPECT_EQ(s.shm_perm.cgid, kOverflow);
  });
  EXPECT_EQ(reader.Wait(), 0);
  EXPECT_EQ(segment.Stat().shm_perm.uid, kUser);
}

TEST(IpcIdsTest, MadeInside) {
  Shared<int> shm, sem, msg;
  Inside maker([&] {
    *shm = shmget(IPC_PRIVATE, 4096, 0600);
    *sem = semget(IPC_PRIVATE, 1, 0600);
    *msg = msgget(IPC_PRIVATE, 0600);
  });
  EXPECT_EQ(maker.Wait(), 0);
  shmid_ds shm_stat = {};
  EXPECT_THAT(shmctl(*shm, IPC_STAT, &shm_stat), Succeeds());
  EXPECT_EQ(shm_stat.shm_perm.uid, kUser);
  EXPECT_EQ(shm_stat.shm_perm.cgid, kUser);
  semid_ds sem_stat = {};
  EXPECT_THAT(semctl(*sem, 0, IPC_STAT, &sem_stat), Succeeds());
  EXPECT_EQ(sem_stat.sem_perm.cuid, kUser);
  msqid_ds msg_stat = {};
  EXPECT_THAT(msgctl(*msg, IPC_STAT, &msg_stat), Succeeds());
  EXPECT_EQ(msg_stat.msg_perm.gid, kUser);
  shmctl(*shm, IPC_RMID, nullptr);
  semctl(*sem, 0, IPC_RMID);
  msgctl(*msg, IPC_RMID, nullptr);
}

TEST(IpcIdsTest, NewOwnerIsTranslated) {
  Shared<int> id;
  Event made, checked;
  Inside owner([&] {
    *id = shmget(IPC_PRIVATE, 4096, 0600);
    shmid_ds s = {};
    EXPECT_THAT(shmctl(*id, IPC_STAT, &s), Succeeds());
    s.shm_perm.uid = 5;
    EXPECT_THAT(shmctl(*id, IPC_SET, &s), FailsWith(EINVAL));
    s.shm_perm.uid = 0;
    s.shm_perm.mode = 0666;
    EXPECT_THAT(shmctl(*id, IPC_SET, &s), Succeeds());
    made.Signal();
    checked.Wait();
    EXPECT_THAT(shmctl(*id, IPC_RMID, nullptr), Succeeds());
  });
  made.Wait();
  shmid_ds s = {};
  EXPECT_THAT(shmctl(*id, IPC_STAT, &s), Succeeds());
  EXPECT_EQ(s.shm_perm.uid, kUser);
  EXPECT_EQ(s.shm_perm.mode & 0777, 0666);
  checked.Signal();
  EXPECT_EQ(owner.Wait(), 0);
}

TEST(IpcIdsTest, CapabilitiesOfAnotherNamespaceDoNotCount) {
  const Segment segment(0600);
  Inside other([&] {
    shmid_ds s = {};
    EXPECT_THAT(shmctl(segment.id(), IPC_STAT, &s), FailsWith(EACCES));
    EXPECT_THAT(shmctl(segment.id(), IPC_RMID, nullptr), FailsWith(EPERM));
    EXPECT_THAT(shmat(segment.id(), nullptr, 0), FailsWith(EACCES));
  });
  EXPECT_EQ(other.Wait(), 0);
}

TEST(IpcIdsTest, CapabilitiesCountInOnesOwn) {
  Event unshared, mapped;
  ScopedChild child([&] {
    ASSERT_EQ(unshare(CLONE_NEWUSER | CLONE_NEWIPC), 0);
    unshared.Signal();
    mapped.Wait();
    EXPECT_EQ(setresuid(0, 0, 0), 0);
    Shared<int> id;
    ScopedChild maker([&] {
      EXPECT_EQ(setresuid(7, 7, 7), 0);
      *id = shmget(IPC_PRIVATE, 4096, 0600);
    });
    EXPECT_EQ(maker.Wait(), 0);
    shmid_ds s = {};
    EXPECT_THAT(shmctl(*id, IPC_STAT, &s), Succeeds());
    EXPECT_EQ(s.shm_perm.cuid, 7u);
    void* const at = shmat(*id, nullptr, 0);
    EXPECT_THAT(at, Succeeds());
    EXPECT_THAT(shmdt(at), Succeeds());
    EXPECT_THAT(shmctl(*id, IPC_RMID, nullptr), Succeeds());
  });
  unshared.Wait();
  const std::string proc = "/proc/" + std::to_string(child.pid());
  EXPECT_EQ(Put(proc + "/uid_map", "0 0 1\n7 7 1\n"), 0);
  EXPECT_EQ(Put(proc + "/gid_map", "0 0 1\n"), 0);
  mapped.Signal();
  EXPECT_EQ(child.Wait(), 0);
}

// The line of an object in a table of /proc/sysvipc.
std::string LineOf(const std::string& file, int id) {
  const std::string table = ReadFile(file);
  const std::string number = " " + std::to_string(id) + " ";
  size_t from = 0;
  while (from < table.size()) {
    const size_t end = table.find('\n', from);
    const std::string line = table.substr(from, end - from);
    if (line.find(number) != std::string::npos) return line;
    from = end + 1;
  }
  return "";
}

TEST(IpcIdsTest, ProcTable) {
  const Segment segment(0644);
  Inside reader([&] {
    EXPECT_THAT(LineOf("/proc/sysvipc/shm", segment.id()),
                testing::HasSubstr(" 65534 65534 65534 65534 "));
  });
  EXPECT_EQ(reader.Wait(), 0);
  EXPECT_THAT(LineOf("/proc/sysvipc/shm", segment.id()),
              testing::HasSubstr("    0     0     0     0 "));
}

TEST(IpcIdsTest, ProcessesAsTheReaderSeesThem) {
  EXPECT_EQ(InChild([] {
              const Segment segment;
              EXPECT_EQ(segment.Stat().shm_cpid, getpid());
              EXPECT_EQ(segment.Stat().shm_lpid, 0);
              ASSERT_EQ(unshare(CLONE_NEWPID), 0);
              ScopedChild child([&] {
                EXPECT_EQ(getpid(), 1);
                EXPECT_EQ(segment.Stat().shm_cpid, 0);
                EXPECT_THAT(shmat(segment.id(), nullptr, 0), Succeeds());
                EXPECT_EQ(segment.Stat().shm_lpid, 1);
              });
              const pid_t pid = child.pid();
              EXPECT_EQ(child.Wait(), 0);
              // Gone, and still known by the number that it had here.
              EXPECT_EQ(segment.Stat().shm_lpid, pid);
            }),
            0);
}

TEST(IpcIdsTest, ProcessesOfSemaphoresAndQueues) {
  EXPECT_EQ(InChild([] {
              const int sem = semget(IPC_PRIVATE, 1, 0600), msg = msgget(IPC_PRIVATE, 0600);
              ASSERT_EQ(unshare(CLONE_NEWPID), 0);
              ScopedChild child([&] {
                EXPECT_THAT(semctl(sem, 0, SETVAL, 3), Succeeds());
                EXPECT_THAT(semctl(sem, 0, GETPID), SucceedsWith(1));
                const struct {
                  long type;
                  char text[1];
                } message = {1, {'x'}};
                EXPECT_THAT(msgsnd(msg, &message, 1, 0), Succeeds());
                msqid_ds s = {};
                EXPECT_THAT(msgctl(msg, IPC_STAT, &s), Succeeds());
                EXPECT_EQ(s.msg_lspid, 1);
                EXPECT_EQ(s.msg_lrpid, 0);
              });
              const pid_t pid = child.pid();
              EXPECT_EQ(child.Wait(), 0);
              EXPECT_THAT(semctl(sem, 0, GETPID), SucceedsWith(pid));
              msqid_ds s = {};
              EXPECT_THAT(msgctl(msg, IPC_STAT, &s), Succeeds());
              EXPECT_EQ(s.msg_lspid, pid);
              EXPECT_THAT(semctl(sem, 0, IPC_RMID), Succeeds());
              EXPECT_THAT(msgctl(msg, IPC_RMID, nullptr), Succeeds());
            }),
            0);
}

// --- Who opened the map

// A child in a user namespace of kUser's that has no maps yet.
class Unmapped {
 public:
  Unmapped()
      : child_([this] {
          BecomeUser();
          EXPECT_EQ(unshare(CLONE_NEWUSER), 0);
          ready_.Signal();
          pause();
        }) {
    ready_.Wait();
  }
  std::string File(const char* name) const {
    return "/proc/" + std::to_string(child_.pid()) + "/" + name;
  }

 private:
  Event ready_;
  ScopedChild child_;
};

void SendFd(int socket, int fd) {
  char byte = 'x';
  iovec iov = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr m = {};
  m.msg_iov = &iov;
  m.msg_iovlen = 1;
  m.msg_control = control;
  m.msg_controllen = sizeof(control);
  cmsghdr* c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(c), &fd, sizeof(fd));
  EXPECT_THAT(sendmsg(socket, &m, 0), SucceedsWith(1));
}

Fd ReceiveFd(int socket) {
  char byte;
  iovec iov = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr m = {};
  m.msg_iov = &iov;
  m.msg_iovlen = 1;
  m.msg_control = control;
  m.msg_controllen = sizeof(control);
  EXPECT_THAT(recvmsg(socket, &m, 0), SucceedsWith(1));
  int fd = -1;
  if (const cmsghdr* c = CMSG_FIRSTHDR(&m); c != nullptr) memcpy(&fd, CMSG_DATA(c), sizeof(fd));
  return Fd(fd);
}

// The file, as an unprivileged process of the map's owner opened it.
Fd OpenedByUser(const std::string& file) {
  const auto pair = MakeSocketPair();
  EXPECT_EQ(InChild([&] {
              BecomeUser();
              const Fd fd(open(file.c_str(), O_WRONLY));
              ASSERT_GE(fd.get(), 0);
              SendFd(pair.b.get(), fd.get());
            }),
            0);
  return ReceiveFd(pair.a.get());
}

int WriteText(const Fd& fd, const std::string& text) {
  return write(fd.get(), text.data(), text.size()) < 0 ? errno : 0;
}

TEST(MapOpenerTest, WriterDoesNotLendHisRights) {
  const Unmapped child;
  const Fd map = OpenedByUser(child.File("uid_map"));
  // Root may write this, but root did not open the file.
  EXPECT_EQ(WriteText(map, "0 1000 2"), EPERM);
  EXPECT_EQ(WriteText(map, "0 0 1"), EPERM);
  // The opener could have written this himself.
  EXPECT_EQ(WriteText(map, "0 1000 1"), 0);
}

TEST(MapOpenerTest, OpenerDoesNotLendHis) {
  const Unmapped child;
  const Fd map(open(child.File("uid_map").c_str(), O_WRONLY));
  ASSERT_GE(map.get(), 0);
  EXPECT_EQ(InChild([&] {
              BecomeUser();
              EXPECT_EQ(WriteText(map, "0 1000 2"), EPERM);
              EXPECT_EQ(WriteText(map, "0 1001 1"), EPERM);
            }),
            0);
  EXPECT_EQ(WriteText(map, "0 1000 2"), 0);
}

TEST(MapOpenerTest, OfTheNamespaceAtOpen) {
  EXPECT_EQ(InChild([] {
              const Fd before(open("/proc/self/uid_map", O_RDWR));
              ASSERT_GE(before.get(), 0);
              ASSERT_EQ(unshare(CLONE_NEWUSER), 0);
              EXPECT_EQ(WriteText(before, "0 0 1"), EPERM);
              EXPECT_EQ(Put("/proc/self/uid_map", "0 0 1"), 0);
            }),
            0);
}

TEST(MapOpenerTest, SetgroupsIsCheckedAtOpen) {
  const Unmapped child;
  EXPECT_EQ(InChild([&] {
              BecomeUser(1001);
              EXPECT_THAT(open(child.File("setgroups").c_str(), O_WRONLY), FailsWith(EACCES));
            }),
            0);
  const Fd file(open(child.File("setgroups").c_str(), O_WRONLY));
  ASSERT_GE(file.get(), 0);
  EXPECT_EQ(InChild([&] {
              BecomeUser(1001);
              EXPECT_EQ(WriteText(file, "deny"), 0);
            }),
            0);
  EXPECT_EQ(ReadFile(child.File("setgroups")), "deny\n");
}

TEST(MapOpenerTest, MapOfOthersNeedsTheParentNamespace) {
  const Unmapped child;
  Inside other([&] {
    const Fd map(open(child.File("uid_map").c_str(), O_WRONLY));
    // Same user outside, root in a sibling: not a member and not in the parent.
    if (map.get() >= 0) {
      EXPECT_EQ(WriteText(map, "0 1000 1"), EPERM);
    }
  });
  EXPECT_EQ(other.Wait(), 0);
  EXPECT_EQ(ReadFile(child.File("uid_map")), "");
}

}  // namespace
}  // namespace cvisor::test
