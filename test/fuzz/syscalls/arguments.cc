// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Values for the arguments: numbers, flags, descriptors and addresses. Structures are in
// structures.cc.

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <time.h>

#include "test/fuzz/syscalls/structures.h"

namespace cvisor::fuzz {
namespace {

using enum Kind;

constexpr uint64_t kMax = ~uint64_t{0};

// A few of the flags, seldom one that does not exist.
template <size_t N>
uint64_t Flags(Random& r, const uint64_t (&flags)[N]) {
  uint64_t value = 0;
  for (uint64_t i = r.Below(4); i > 0; --i) value |= r.Pick(flags);
  if (r.OneIn(30)) value |= uint64_t{1} << r.Below(64);
  return value;
}

template <size_t N>
uint64_t OneOf(Random& r, const uint64_t (&values)[N]) {
  return r.OneIn(30) ? r.Below(2) * kMax - r.Below(100) : r.Pick(values);
}

uint64_t Size(Random& r) {
  static constexpr uint64_t kSizes[] = {0,    1,    2,    7,    8,     16,    24,    32,
                                        64,   100,  128,  144,  255,   256,   512,   1024,
                                        4095, 4096, 4097, 8192, 16384, 65535, 65536, 65537};
  static constexpr uint64_t kHuge[] = {1 << 20,    0x7ffff000, 0x7fffffff,
                                       0x80000000, 0xffffffff, uint64_t{1} << 32,
                                       kMax,       kMax >> 1,  uint64_t{1} << 63};
  return r.OneIn(12) ? r.Pick(kHuge) : r.Pick(kSizes);
}

uint64_t Offset(Random& r) {
  static constexpr uint64_t kOffsets[] = {0,          0,          1,
                                          8,          100,        4095,
                                          4096,       4097,       8192,
                                          16384,      65536,      1 << 20,
                                          0x7fffffff, 0x80000000, uint64_t{1} << 40,
                                          kMax,       kMax >> 1,  uint64_t{1} << 63};
  return r.Pick(kOffsets);
}

uint64_t Address(Thread& t) {
  Random& r = t.random;
  if (r.OneIn(40)) return BadAddress(t);
  if (r.OneIn(12)) return kCode + r.Below(kCodePages) * kPage;
  if (r.OneIn(100)) return Word(&t) + r.Below(kThreadSize / kPage) * kPage;
  const uint64_t pages = r.OneIn(8) ? kPlaygroundPages : 48;
  return kPlayground + r.Below(pages) * kPage + (r.OneIn(16) ? r.Below(kPage) : 0);
}

uint64_t Length(Random& r) {
  static constexpr uint64_t kHuge[] = {uint64_t{1} << 46, uint64_t{1} << 47, kMax,
                                       kMax - 4095,       uint64_t{1} << 63, 2 << 20};
  if (r.OneIn(25)) return r.Pick(kHuge);
  if (r.OneIn(20)) return r.Below(3 * kPage);
  return (1 + r.Below(r.OneIn(6) ? 200 : 8)) * kPage;
}

uint64_t Pid(Thread& t, bool thread) {
  Random& r = t.random;
  switch (r.Below(16)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return static_cast<uint64_t>(RawCall(SYS_getpid));
    case 4:
    case 5:
      return 0;
    case 6:
      return thread ? 1 : kMax;
    case 7:
      return static_cast<uint64_t>(RawCall(SYS_getppid));
    case 8:
    case 9:
      return static_cast<uint64_t>(RawCall(SYS_gettid));
    case 10:
      return thread ? 2 : static_cast<uint64_t>(-static_cast<int64_t>(2 + r.Below(30)));
    case 11:
      return Thread::At(static_cast<int>(r.Below(kMaxThreads)))->tid;
    case 12:
      return EdgeNumber(t);
    default:
      return 2 + r.Below(60);
  }
}

uint64_t Signal(Random& r) {
  if (r.OneIn(40)) return OneOf(r, {SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, 64, 65, kMax});
  static constexpr uint64_t kUsual[] = {0,      SIGUSR1,  SIGUSR2, SIGALRM, SIGCHLD, SIGCONT,
                                        SIGURG, SIGWINCH, SIGIO,   34,      35,      63};
  return r.OneIn(6) ? r.Below(65) : r.Pick(kUsual);
}

// Takes the descriptors of a kind, of any kind, or a number.
uint64_t Fd(Thread& t) {
  Random& r = t.random;
  if (r.OneIn(12)) return OneOf(r, {kMax, 1000, 0x7fffffff, 0, 1, 2, static_cast<uint64_t>(-100)});
  if (r.OneIn(5)) return r.Below(64);
  return RandomFd(t, static_cast<FdKind>(r.Below(static_cast<uint64_t>(FdKind::kCount))));
}

uint64_t TypedFd(Thread& t, FdKind kind) { return t.random.OneIn(12) ? Fd(t) : RandomFd(t, kind); }

uint64_t IoctlCommand(Random& r) {
  static constexpr uint64_t kCommands[] = {
      FIONREAD,   FIONBIO,    FIOASYNC,   FIOCLEX,    FIONCLEX,   FIOQSIZE,   TIOCOUTQ,
      TCGETS,     TCSETS,     TCSETSW,    TCSETSF,    TCGETA,     TCSETA,     TCSBRK,
      TCSBRKP,    TCXONC,     TCFLSH,     TIOCEXCL,   TIOCNXCL,   TIOCSCTTY,  TIOCNOTTY,
      TIOCGPGRP,  TIOCSPGRP,  TIOCGSID,   TIOCSTI,    TIOCGWINSZ, TIOCSWINSZ, TIOCGPTN,
      TIOCSPTLCK, TIOCGPTLCK, TIOCPKT,    TIOCGPKT,   TIOCGEXCL,  TIOCSIG,    TIOCGPTPEER,
      TIOCGETD,   TIOCSETD,   0x802c542a, 0x402c542b, 0x402c542c, 0x40049409, 0x4020940d,
      2,          0x5437,     0x40047438, 0x80086601, 0x40086602};
  return r.OneIn(20) ? r.Next() : r.Pick(kCommands);
}

// Numbers whose meaning is known: a number out of a range, or flags.
bool MakeNumber(Thread& t, Kind kind, uint64_t* value) {
  Random& r = t.random;
  switch (kind) {
    case kOpenFlags:
      *value = r.Below(3) | Flags(r, {O_CREAT, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NONBLOCK,
                                      O_NONBLOCK, O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC, O_PATH,
                                      O_TMPFILE, O_DIRECT, O_SYNC, O_NOATIME, O_NOCTTY});
      return true;
    case kAtFlags: {
      static constexpr uint64_t kFlags[] = {AT_SYMLINK_NOFOLLOW, AT_REMOVEDIR, AT_SYMLINK_FOLLOW,
                                            AT_EMPTY_PATH,       AT_EACCESS,   AT_NO_AUTOMOUNT};
      *value = r.OneIn(6) ? Flags(r, kFlags) : r.OneIn(2) ? r.Pick(kFlags) : 0;
      return true;
    }
    case kFdFlags:
      *value = Flags(r, {O_CLOEXEC, O_NONBLOCK});
      return true;
    case kHowSize:
      *value = OneOf(r, {24, 24, 24, 24, 32, 0, 23, 4096, 4097});
      return true;
    case kWaitIdOptions:
      *value = (r.OneIn(8) ? 0 : WNOHANG) | (r.OneIn(8) ? 0 : WEXITED) |
               Flags(r, {WSTOPPED, WCONTINUED, WNOWAIT, __WALL});
      return true;
    case kAccessMode:
      *value = OneOf(r, {0, 1, 2, 4, 7});
      return true;
    case kProt:
      *value = OneOf(r, {0, 1, 3, 3, 3, 5, 7, 2, 4, 0x01000003});
      return true;
    case kMapFlags:
      *value = OneOf(r, {MAP_PRIVATE, MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE}) |
               (r.OneIn(3) ? 0 : MAP_ANONYMOUS) | (r.OneIn(20) ? 0 : MAP_FIXED) |
               Flags(r, {0, 0, 0, MAP_FIXED_NOREPLACE, MAP_POPULATE, MAP_NORESERVE, MAP_GROWSDOWN,
                         MAP_LOCKED, MAP_STACK, MAP_NONBLOCK, MAP_HUGETLB, MAP_32BIT});
      return true;
    case kMremapFlags:
      *value = OneOf(r, {0, 1, 1, 3, 3, 3, 2, 7, 5});
      return true;
    case kMadvise:
      *value =
          r.OneIn(10)
              ? r.Below(110)
              : OneOf(r, {MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_DONTFORK, MADV_DOFORK,
                          MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_POPULATE_READ, MADV_POPULATE_WRITE,
                          MADV_HUGEPAGE, MADV_WILLNEED, MADV_MERGEABLE, MADV_COLD, MADV_PAGEOUT});
      return true;
    case kCloneFlags:
    case kNewCloneFlags:
      *value = Flags(r, {CLONE_FS, CLONE_FILES, CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC,
                         CLONE_SYSVSEM, CLONE_NEWPID, CLONE_THREAD, CLONE_VM, CLONE_NEWUSER});
      return true;
    case kSigHow:
      *value = OneOf(r, {0, 1, 2, 3});
      return true;
    case kFutexOp:
      *value = r.Below(15) | (r.OneIn(2) ? FUTEX_PRIVATE_FLAG : 0) |
               (r.OneIn(6) ? FUTEX_CLOCK_REALTIME : 0);
      if (r.OneIn(40)) *value = r.Next();
      return true;
    case kClockId:
      *value = OneOf(r, {0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, kMax - 1, kMax - 5,
                         (~Pid(t, false) << 3) | 2, (~Pid(t, true) << 3) | 6});
      return true;
    case kResource:
      *value = r.Below(18);
      return true;
    // Not RLIMIT_FSIZE, which keeps the files small.
    case kSettableResource:
      *value = OneOf(r, {0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});
      return true;
    case kWaitOptions:
      *value = (r.OneIn(8) ? 0 : WNOHANG) |
               Flags(r, {WUNTRACED, WCONTINUED, WEXITED, WEXITED, WNOWAIT, __WALL, __WCLONE});
      return true;
    case kEpollOp:
      *value = OneOf(r, {1, 1, 1, 2, 3, 3, 0, 4});
      return true;
    case kSockFamily:
      *value = OneOf(r, {AF_UNIX, AF_UNIX, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK});
      return true;
    case kSockType:
      *value = OneOf(r, {1, 2, 3, 5}) | Flags(r, {SOCK_NONBLOCK, SOCK_CLOEXEC});
      return true;
    case kSockLevel:
      *value = OneOf(r, {SOL_SOCKET, SOL_SOCKET, SOL_SOCKET, 0, 6, 41});
      return true;
    case kSockOpt:
      *value = r.Below(80);
      return true;
    case kMsgFlags:
      *value = (r.OneIn(3) ? 0 : MSG_DONTWAIT) |
               Flags(r, {MSG_PEEK, MSG_TRUNC, MSG_WAITALL, MSG_NOSIGNAL, MSG_OOB, MSG_EOR, MSG_MORE,
                         MSG_CMSG_CLOEXEC, MSG_ERRQUEUE, MSG_WAITFORONE});
      return true;
    case kFcntlCmd:
      *value = OneOf(r, {F_DUPFD,      F_DUPFD_CLOEXEC,
                         F_GETFD,      F_SETFD,
                         F_GETFL,      F_SETFL,
                         F_SETFL,      F_GETLK,
                         F_SETLK,      F_SETLK,
                         F_SETLKW,     36,
                         37,           38,
                         F_SETOWN,     F_GETOWN,
                         F_SETSIG,     F_GETSIG,
                         15,           16,
                         F_SETPIPE_SZ, F_GETPIPE_SZ,
                         F_ADD_SEALS,  F_GET_SEALS,
                         F_SETLEASE,   F_GETLEASE,
                         F_NOTIFY,     1035,
                         1036,         1037,
                         1038});
      return true;
    case kIoctlCmd:
      *value = IoctlCommand(r);
      return true;
    case kWhence:
      *value = OneOf(r, {0, 1, 2, 3, 4, 5});
      return true;
    case kPrctlOp:
      *value = r.OneIn(4) ? 0x53564d41 : 1 + r.Below(60);
      return true;
    case kArchPrctlOp:
      *value = OneOf(r, {0x1001, 0x1002, 0x1003, 0x1004, 0x1011, 0x1012});
      return true;
    case kMountFlags:
      *value = Flags(r, {MS_BIND, MS_BIND, MS_REC, MS_REMOUNT, MS_RDONLY, MS_NOSUID, MS_MOVE,
                         MS_PRIVATE, MS_SHARED, MS_SLAVE, MS_NOEXEC, MS_SILENT});
      return true;
    case kUmountFlags:
      *value = Flags(r, {MNT_FORCE, MNT_DETACH, MNT_EXPIRE, UMOUNT_NOFOLLOW});
      return true;
    case kRandomFlags:
      *value = r.Below(9);
      return true;
    case kStatxMask:
      *value = r.OneIn(2) ? 0x7ff : r.Next();
      return true;
    case kRenameFlags:
      *value = OneOf(r, {0, 1, 2, 3, 4});
      return true;
    case kFallocMode:
      *value = OneOf(r, {0, 1, 3, 8, 16, 17, 32, 64, 2});
      return true;
    case kFadvise:
      *value = r.Below(8);
      return true;
    case kFlockOp:
      *value = OneOf(r, {1, 2, 5, 6, 6, 8, 8, 7, 0});
      return true;
    case kRwf:
      *value = Flags(r, {0, 1, 2, 4, 8, 16});
      return true;
    case kSpliceFlags:
      *value = (r.OneIn(3) ? 0 : 2) | Flags(r, {0, 1, 4, 8});
      return true;
    case kPipeFlags:
      *value = Flags(r, {O_NONBLOCK, O_CLOEXEC, O_DIRECT});
      return true;
    case kEpollCreateFlags:
      *value = Flags(r, {0, EPOLL_CLOEXEC});
      return true;
    case kEventfdFlags:
      *value = Flags(r, {1, O_NONBLOCK, O_NONBLOCK, O_CLOEXEC});
      return true;
    case kTimerfdFlags:
      *value = Flags(r, {0, 0, 1, 2});
      return true;
    case kInotifyInitFlags:
      *value = O_NONBLOCK | Flags(r, {O_CLOEXEC});
      return true;
    case kInotifyMask:
      *value = r.OneIn(3)
                   ? IN_ALL_EVENTS
                   : Flags(r, {IN_ACCESS, IN_MODIFY, IN_CREATE, IN_DELETE, IN_MOVE, IN_ONESHOT,
                               IN_ONLYDIR, IN_MASK_ADD, IN_MASK_CREATE, IN_DELETE_SELF});
      return true;
    case kMsyncFlags:
      *value = r.Below(8);
      return true;
    case kMlockFlags:
      *value = r.Below(8);
      return true;
    case kShutdownHow:
      *value = r.Below(4);
      return true;
    case kCloseRangeFlags:
      *value = Flags(r, {2, 4});
      return true;
    case kMemfdFlags:
      *value = Flags(r, {1, 2, 2, 4, 8, 16});
      return true;
    case kXattrFlags:
      *value = r.Below(4);
      return true;
    case kIdType:
      *value = OneOf(r, {0, 0, 1, 2, 3});
      return true;
    case kSchedPolicy:
      *value = OneOf(r, {0, 1, 2, 3, 5, 6, 0x40000000});
      return true;
    case kDev:
      *value = OneOf(r, {0, 0x103, 0x105, 0x107, 0x502, 0x801});
      return true;
    case kItimerWhich:
      *value = OneOf(r, {0, 0, 1, 2, 3});
      return true;
    case kOctalMode:
      *value = OneOf(r, {0, 0644, 0755, 0777, 01777, 04755, S_IFIFO | 0644, S_IFSOCK | 0600,
                         S_IFCHR | 0666, S_IFREG | 0600, S_IFBLK | 0600, 07777});
      return true;
    case kUid:
      *value = OneOf(r, {0, 0, 0, 1, 1000, 65534, kMax, 0xffffffff});
      return true;
    case kPriorityWhich:
      *value = r.Below(4);
      return true;
    case kCount:
      *value = r.OneIn(20) ? EdgeNumber(t) : r.Below(r.OneIn(6) ? 1100 : 9);
      return true;
    case kZero:
      *value = r.OneIn(20) ? r.Next() : 0;
      return true;
    case kBits:
      *value = r.OneIn(8) ? EdgeNumber(t) : uint64_t{1} << r.Below(10) >> 1;
      return true;
    case kTimerId:
      *value = r.OneIn(10) ? EdgeNumber(t) : r.Below(8);
      return true;
    case kSmallSet:
      *value = r.OneIn(20) ? EdgeNumber(t) : 8;
      return true;
    case kSockLen:
      *value =
          OneOf(r, {0, 1, 2, 3, 4, 6, 16, 108, 128, 129, 20, 110, 110, 110, 110, 110, 110, 110});
      return true;
    default:
      return false;
  }
}

}  // namespace

uint64_t EdgeNumber(Thread& t) {
  Random& r = t.random;
  static constexpr uint64_t kEdges[] = {0,          1,
                                        2,          3,
                                        63,         64,
                                        65,         127,
                                        1023,       1024,
                                        1025,       4096,
                                        65535,      65536,
                                        0x7fffffff, 0x80000000,
                                        0xffffffff, uint64_t{1} << 32,
                                        kMax,       kMax - 1,
                                        kMax >> 1,  uint64_t{1} << 63};
  return r.OneIn(10) ? r.Next() : r.Pick(kEdges);
}

uint64_t BadAddress(Thread& t) {
  Random& r = t.random;
  static constexpr uint64_t kBad[] = {0,
                                      1,
                                      4095,
                                      65535,
                                      kEdgeEnd,
                                      kEdgeEnd - 1,
                                      kEdgeEnd - 3,
                                      0x7ffffffff000,
                                      0x7fffffffffff,
                                      0x800000000000,
                                      0xffff800000000000,
                                      kMax,
                                      kMax - 4095,
                                      uint64_t{1} << 63,
                                      0xffffffffff600000};
  switch (r.Below(6)) {
    case 0:
      return kPlayground + r.Below(kPlaygroundPages * kPage);
    case 1:
      return Word(reinterpret_cast<void*>(&ThreadMain)) & ~(kPage - 1);
    case 2:
      return kCode + r.Below(kCodePages * kPage);
    default:
      return r.Pick(kBad);
  }
}

uint64_t RandomFd(Thread& t, FdKind kind) {
  const auto& row = g_fds.number[static_cast<int>(kind)];
  const uint64_t start = t.random.Below(kFdsPerKind);
  for (uint64_t i = 0; i < kFdsPerKind; ++i) {
    const int fd = row[(start + i) % kFdsPerKind];
    if (fd >= 0) return static_cast<uint64_t>(fd);
  }
  return t.random.Below(64);
}

uint64_t MakeArg(Thread& t, Kind kind, uint64_t previous) {
  Random& r = t.random;
  uint64_t value;
  if (MakeNumber(t, kind, &value)) return value;
  switch (kind) {
    case kNone:
    case kSkip:
      return r.OneIn(10) ? r.Next() : 0;
    case kFd:
      return Fd(t);
    case kDirFd:
      return r.OneIn(3) ? static_cast<uint64_t>(AT_FDCWD) : TypedFd(t, FdKind::kDir);
    case kFileFd:
      return TypedFd(t, r.OneIn(4) ? FdKind::kMemory : FdKind::kFile);
    case kDirOnlyFd:
      return TypedFd(t, r.OneIn(5) ? FdKind::kProc : FdKind::kDir);
    case kPipeFd:
      return TypedFd(t, FdKind::kPipe);
    case kSocketFd:
      return TypedFd(t, FdKind::kSocket);
    case kEventFd:
      return TypedFd(t, FdKind::kEvent);
    case kEpollFd:
      return TypedFd(t, FdKind::kEpoll);
    case kTimerFd:
      return TypedFd(t, FdKind::kTimer);
    case kSignalFd:
      return r.OneIn(2) ? kMax : TypedFd(t, FdKind::kSignal);
    case kInotifyFd:
      return TypedFd(t, FdKind::kInotify);
    case kMemoryFd:
      return TypedFd(t, FdKind::kMemory);
    case kTtyFd:
      return TypedFd(t, FdKind::kTty);
    case kPidFd:
      return TypedFd(t, FdKind::kPid);
    case kProcFd:
      return TypedFd(t, FdKind::kProc);
    case kSize:
      return Size(r);
    case kOffset:
      return Offset(r);
    case kPid:
      return Pid(t, false);
    case kThreadId:
      return Pid(t, true);
    case kSignal:
      return Signal(r);
    case kAddress:
      return Address(t);
    case kLength:
      return Length(r);
    case kInt:
    case kUint:
    case kLong:
    case kUlong:
    case kHex:
      return r.OneIn(3) ? EdgeNumber(t) : r.Below(16);
    case kFcntlArg:
      if (r.OneIn(2)) return r.OneIn(2) ? r.Below(128) : Flags(r, {O_NONBLOCK, O_APPEND, O_ASYNC});
      return MakeStructure(t, kind, previous);
    case kIoctlArg:
      if (r.OneIn(4)) return EdgeNumber(t);
      return MakeStructure(t, kind, previous);
    default:
      return MakeStructure(t, kind, previous);
  }
}

}  // namespace cvisor::fuzz
