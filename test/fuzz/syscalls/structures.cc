// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "test/fuzz/syscalls/structures.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

namespace cvisor::fuzz {
namespace {

using enum Kind;

// Room in the arena: in a loop, so that some of it holds what earlier calls left there.
uint64_t Room(Thread& t, uint64_t size) {
  if (t.arena_next + size + 64 > kArenaSize) t.arena_next = 0;
  const uint64_t at = t.arena() + t.arena_next;
  t.arena_next += (size + 15) / 16 * 16;
  return at + (t.random.OneIn(24) ? t.random.Below(8) : 0);
}

// A buffer for `size` bytes of data: there are more bytes behind it, except at the edges.
uint64_t Buffer(Thread& t) {
  Random& r = t.random;
  switch (r.Below(16)) {
    case 0:
      return BadAddress(t);
    case 1:
      return kEdgeEnd - r.Below(2 * kPage);
    case 2:
      return t.arena_end() - r.Below(9);
    case 3:
    case 4:
      return kPlayground + r.Below(48 * kPage);
    default:
      return t.arena() + r.Below(kArenaSize / 2);
  }
}

timespec Timespec(Thread& t) {
  Random& r = t.random;
  if (r.OneIn(12)) return {static_cast<time_t>(EdgeNumber(t)), static_cast<long>(EdgeNumber(t))};
  if (r.OneIn(10)) return {0, 0};
  return {0, static_cast<long>(r.Below(r.OneIn(4) ? 3000000 : 300000))};
}

timeval Timeval(Thread& t) {
  const timespec ts = Timespec(t);
  return {ts.tv_sec, ts.tv_nsec / 1000};
}

itimerspec Itimerspec(Thread& t) {
  return {t.random.OneIn(2) ? timespec{} : Timespec(t), Timespec(t)};
}

template <typename T>
uint64_t PlaceValue(Thread& t, const T& value) {
  return Place(t, &value, sizeof(value));
}

uint64_t Iovecs(Thread& t, bool remote) {
  Random& r = t.random;
  iovec iov[9];
  for (iovec& v : iov) {
    v.iov_base = reinterpret_cast<void*>(remote && r.OneIn(3) ? kPlayground + r.Below(kPage * 40)
                                                              : Buffer(t));
    v.iov_len = r.OneIn(4) ? MakeArg(t, kSize, 0) : r.Below(300);
  }
  return PlaceValue(t, iov);
}

sockaddr_un Address(Thread& t) {
  Random& r = t.random;
  sockaddr_un address{};
  address.sun_family = static_cast<sa_family_t>(r.OneIn(10) ? r.Below(40) : AF_UNIX);
  switch (r.Below(4)) {
    case 0:
      address.sun_path[1] = static_cast<char>('a' + r.Below(4));
      break;
    case 1:
      memset(address.sun_path, 'x', sizeof(address.sun_path));
      break;
    default:
      address.sun_path[0] = static_cast<char>('s');
      address.sun_path[1] = static_cast<char>('a' + r.Below(3));
  }
  return address;
}

// Control messages: descriptors, credentials, and lengths that are wrong.
uint64_t Control(Thread& t, uint64_t* size) {
  Random& r = t.random;
  uint8_t bytes[256] = {};
  uint64_t at = 0;
  for (uint64_t n = r.Below(3); n > 0 && at + 96 < sizeof(bytes); --n) {
    cmsghdr header{};
    header.cmsg_level = r.OneIn(10) ? static_cast<int>(r.Below(50)) : SOL_SOCKET;
    const bool rights = r.OneIn(3) || r.OneIn(2);
    header.cmsg_type = rights ? SCM_RIGHTS : static_cast<int>(r.Below(5));
    const uint64_t fds = rights ? r.Below(8) : 3;
    header.cmsg_len = r.OneIn(12) ? EdgeNumber(t) : sizeof(header) + 4 * fds;
    memcpy(bytes + at, &header, sizeof(header));
    for (uint64_t i = 0; i < fds; ++i) {
      const uint64_t value = rights   ? MakeArg(t, r.OneIn(3) ? kSocketFd : kFd, 0)
                             : i == 0 ? static_cast<uint64_t>(RawCall(SYS_getpid))
                                      : 0;
      memcpy(bytes + at + sizeof(header) + 4 * i, &value, 4);
    }
    at += sizeof(header) + (4 * fds + 7) / 8 * 8;
  }
  *size = r.OneIn(20) ? EdgeNumber(t) : at;
  return Place(t, bytes, sizeof(bytes));
}

msghdr Message(Thread& t, bool out) {
  Random& r = t.random;
  msghdr m{};
  if (r.OneIn(3)) {
    const sockaddr_un address = Address(t);
    m.msg_name = reinterpret_cast<void*>(PlaceValue(t, address));
    m.msg_namelen = static_cast<socklen_t>(MakeArg(t, kSockLen, 0));
  }
  m.msg_iov = reinterpret_cast<iovec*>(Iovecs(t, false));
  m.msg_iovlen = r.OneIn(30) ? EdgeNumber(t) : r.Below(5);
  if (out && r.OneIn(2)) {
    m.msg_control = reinterpret_cast<void*>(Buffer(t));
    m.msg_controllen = r.OneIn(6) ? EdgeNumber(t) : r.Below(200);
  } else if (r.OneIn(2)) {
    uint64_t size;
    m.msg_control = reinterpret_cast<void*>(Control(t, &size));
    m.msg_controllen = size;
  }
  return m;
}

uint64_t Messages(Thread& t, bool out) {
  mmsghdr messages[4];
  for (mmsghdr& m : messages) m = {Message(t, out), 0};
  return PlaceValue(t, messages);
}

uint64_t SignalAction(Thread& t) {
  Random& r = t.random;
  static constexpr uint64_t kFlags[] = {0,          SA_RESTART,   SA_NODEFER,   SA_ONSTACK,
                                        SA_SIGINFO, SA_RESETHAND, SA_NOCLDSTOP, SA_NOCLDWAIT};
  struct {
    uint64_t handler, flags, restorer, mask;
  } action = {HandlerAddress(r.Next()), 0x04000000 | r.Pick(kFlags) | r.Pick(kFlags),
              RestorerAddress(), r.OneIn(2) ? 0 : r.Next() & 0xffff0e00 & ~kFaultSignals};
  if (r.OneIn(50)) action.restorer = r.Next();
  if (r.OneIn(50)) action.handler = r.Next();
  return PlaceValue(t, action);
}

uint64_t SignalEvent(Thread& t) {
  Random& r = t.random;
  if (r.OneIn(3)) return 0;
  sigevent event{};
  event.sigev_signo = static_cast<int>(MakeArg(t, kSignal, 0));
  static constexpr int kNotify[] = {SIGEV_SIGNAL, SIGEV_NONE, 4, 4, SIGEV_THREAD, 7};
  event.sigev_notify = r.Pick(kNotify);
  event._sigev_un._tid = static_cast<pid_t>(MakeArg(t, kThreadId, 0));
  return PlaceValue(t, event);
}

uint64_t RobustList(Thread& t) {
  Random& r = t.random;
  // A ring of words in the playground, or one that leads nowhere.
  robust_list_head head{};
  const uint64_t at = kPlayground + r.Below(8) * kPage;
  head.list.next = reinterpret_cast<robust_list*>(r.OneIn(6) ? BadAddress(t) : at);
  head.futex_offset = static_cast<long>(r.OneIn(6) ? EdgeNumber(t) : 16);
  head.list_op_pending = reinterpret_cast<robust_list*>(r.OneIn(3) ? at + 64 : 0);
  TouchWrite(at, r.OneIn(2) ? at : at + 32);
  TouchWrite(at + 16, static_cast<uint64_t>(RawCall(SYS_gettid)));
  return PlaceValue(t, head);
}

uint64_t FutexAddress(Thread& t) {
  Random& r = t.random;
  const uint64_t word = r.Below(6) * 4;
  switch (r.Below(10)) {
    case 0:
      return BadAddress(t);
    case 1:
      return kPlayground + r.Below(20) * kPage + word;
    case 2:
      return kPlayground + 16 * kPage + r.Below(8) * kPage + word;
    case 3:
    case 4:
      return kPlayground + word;
    default:
      return Word(&GetShared()->futexes[r.Below(6)]);
  }
}

uint64_t Strings(Thread& t) {
  Random& r = t.random;
  uint64_t pointers[8];
  const uint64_t count = r.Below(7);
  for (uint64_t i = 0; i < 8; ++i) pointers[i] = i < count ? Word(RandomPath(t, true)) : 0;
  if (r.OneIn(10)) pointers[r.Below(8)] = BadAddress(t);
  return PlaceValue(t, pointers);
}

uint64_t FcntlStructure(Thread& t, uint64_t command) {
  Random& r = t.random;
  if (command == F_SETOWN) return MakeArg(t, kPid, 0);
  if (command == 15 || command == 16) {
    const f_owner_ex owner = {static_cast<__pid_type>(r.Below(4)),
                              static_cast<pid_t>(MakeArg(t, kThreadId, 0))};
    return PlaceValue(t, owner);
  }
  struct flock lock {};
  lock.l_type = static_cast<short>(r.Below(4));
  lock.l_whence = static_cast<short>(r.Below(r.OneIn(10) ? 5 : 3));
  lock.l_start = static_cast<off_t>(r.OneIn(8) ? EdgeNumber(t) : r.Below(20));
  lock.l_len = static_cast<off_t>(r.OneIn(8) ? EdgeNumber(t) : r.Below(20));
  return PlaceValue(t, lock);
}

void AppendNumber(char* text, uint64_t* at, uint64_t n) {
  if (n >= 10) AppendNumber(text, at, n / 10);
  text[(*at)++] = static_cast<char>('0' + n % 10);
}

void Append(char* text, uint64_t* at, const char* what) {
  while (*what != 0) text[(*at)++] = *what++;
}

void SystemPath(Thread& t, char* text, uint64_t* at) {
  Random& r = t.random;
  static constexpr const char* kProc[] = {"maps",       "smaps",       "stat",
                                          "status",     "cmdline",     "environ",
                                          "auxv",       "mem",         "fd",
                                          "fdinfo",     "task",        "ns",
                                          "ns/pid",     "root",        "cwd",
                                          "exe",        "comm",        "mountinfo",
                                          "mounts",     "limits",      "oom_score_adj",
                                          "wchan",      "syscall",     "children",
                                          "net",        "net/unix",    "timerslack_ns",
                                          "io",         "task/1/stat", "uid_map",
                                          "sched",      "cgroup",      "statm",
                                          "personality"};
  static constexpr const char* kOthers[] = {"/proc",
                                            "/proc/meminfo",
                                            "/proc/stat",
                                            "/proc/mounts",
                                            "/proc/sys/kernel/hostname",
                                            "/proc/sys/kernel/pid_max",
                                            "/proc/sys/fs/pipe-max-size",
                                            "/proc/uptime",
                                            "/proc/loadavg",
                                            "/proc/filesystems",
                                            "/proc/version",
                                            "/proc/cpuinfo",
                                            "/proc/sys",
                                            "/proc/net/unix",
                                            "/dev/null",
                                            "/dev/zero",
                                            "/dev/full",
                                            "/dev/random",
                                            "/dev/tty",
                                            "/dev/ptmx",
                                            "/dev/pts",
                                            "/dev/pts/0",
                                            "/dev/shm/x",
                                            "/dev",
                                            "/sys",
                                            "/sys/devices/system/cpu/online",
                                            "/",
                                            "/fuzz",
                                            "/dev/fd/4",
                                            "/dev/stdin"};
  if (r.OneIn(2)) return Append(text, at, r.Pick(kOthers));
  Append(text, at, "/proc/");
  switch (r.Below(4)) {
    case 0:
      AppendNumber(text, at, 2 + r.Below(30));
      break;
    case 1:
      Append(text, at, "thread-self");
      break;
    default:
      Append(text, at, "self");
  }
  text[(*at)++] = '/';
  if (r.OneIn(4)) {
    Append(text, at, r.OneIn(2) ? "fd/" : "fdinfo/");
    return AppendNumber(text, at, r.Below(48));
  }
  Append(text, at, r.Pick(kProc));
}

}  // namespace

uint64_t Place(Thread& t, const void* data, uint64_t size) {
  Random& r = t.random;
  uint64_t at;
  uint64_t fits = size;
  switch (r.Below(40)) {
    case 0:
      return BadAddress(t);
    case 1:  // ends where the page ends
      at = kEdgeEnd - size;
      break;
    case 2:  // and here half of it is missing
      fits = r.Below(size + 1);
      at = kEdgeEnd - fits;
      break;
    default:
      at = Room(t, size);
  }
  if (data != nullptr) memcpy(reinterpret_cast<void*>(at), data, fits);
  return at;
}

const char* RandomPath(Thread& t, bool local) {
  Random& r = t.random;
  static constexpr const char* kNames[] = {"a",  "b", "c", "d", "e", "f", "sa",
                                           "sb", "d", "d", "e", "f", "."};
  char text[4200];
  uint64_t at = 0;
  if (!local && r.OneIn(3)) {
    SystemPath(t, text, &at);
  } else if (!local && r.OneIn(24)) {
    // Names and paths at the limits, empty ones, and "..".
    switch (r.Below(6)) {
      case 0:
        for (uint64_t n = 254 + r.Below(3); n > 0; --n) text[at++] = 'n';
        break;
      case 1:
        for (uint64_t n = 4094 + r.Below(3); n > 0; --n) text[at++] = n % 2 ? '/' : 'd';
        break;
      case 2:
        break;
      case 3:
        Append(text, &at, "..");
        break;
      case 4:
        Append(text, &at, "d/../d/./");
        break;
      default:
        text[at++] = static_cast<char>(0xff);
        break;
    }
  } else {
    for (uint64_t n = 1 + r.Below(r.OneIn(4) ? 5 : 2); n > 0; --n) {
      Append(text, &at, r.Pick(kNames));
      if (n > 1) text[at++] = '/';
    }
    if (r.OneIn(20)) text[at++] = '/';
  }
  text[at++] = 0;
  return reinterpret_cast<const char*>(Place(t, text, at));
}

Program RandomProgram(Thread& t) {
  Random& r = t.random;
  if (r.OneIn(3)) return {Word(RandomPath(t, false)), Strings(t), Strings(t)};
  char seed[24] = "--worker=";
  uint64_t at = 9;
  AppendNumber(seed, &at, r.Next() >> 32);
  seed[at] = 0;
  const uint64_t argv[] = {Word("fuzz"), Word("--i-am-in-a-sandbox"), Place(t, seed, at + 1), 0};
  return {Word(r.OneIn(2) ? "/proc/self/exe" : "/fuzz"), PlaceValue(t, argv),
          r.OneIn(4) ? Strings(t) : 0};
}

uint64_t MakeStructure(Thread& t, Kind kind, uint64_t previous) {
  Random& r = t.random;
  // Most of them may be missing.
  if (r.OneIn(16) && kind != kPath) return r.OneIn(3) ? BadAddress(t) : 0;
  switch (kind) {
    case kPath:
      return Word(RandomPath(t, false));
    case kLocalPath:
      return Word(RandomPath(t, true));
    case kString:
      return Word(RandomPath(t, true));
    case kFsName: {
      static constexpr const char* kTypes[] = {"tmpfs", "proc", "devpts", "sysfs", "devtmpfs", "d"};
      return r.OneIn(4) ? Word(RandomPath(t, true)) : Word(r.Pick(kTypes));
    }
    case kXattrName: {
      static constexpr const char* kXattrs[] = {
          "user.a", "user.b", "trusted.a", "security.x", "system.posix_acl_access", "user.", "x"};
      return Word(r.Pick(kXattrs));
    }
    case kStringArray:
      return Strings(t);
    case kSigSetIn: {
      uint64_t set = r.OneIn(3) ? 0 : r.OneIn(3) ? ~uint64_t{0} : r.Next();
      // A fault whose signal is blocked ends the process.
      if (!r.OneIn(16)) set &= ~kFaultSignals;
      return PlaceValue(t, set);
    }
    case kSigActionIn:
      return SignalAction(t);
    case kSigInfoIn: {
      siginfo_t info{};
      info.si_signo = static_cast<int>(r.Below(65));
      info.si_code = static_cast<int>(r.OneIn(3) ? EdgeNumber(t) : uint64_t{SI_QUEUE & 0xffffffff});
      info.si_pid = static_cast<pid_t>(RawCall(SYS_getpid));
      return PlaceValue(t, info);
    }
    case kStackIn: {
      const stack_t stack = {reinterpret_cast<void*>(r.OneIn(4) ? BadAddress(t) : Room(t, 16384)),
                             static_cast<int>(r.OneIn(4) ? EdgeNumber(t) : 0),
                             r.OneIn(6) ? EdgeNumber(t) : 16384};
      return PlaceValue(t, stack);
    }
    case kTimespecIn:
      return PlaceValue(t, Timespec(t));
    case kTimevalIn:
      return PlaceValue(t, Timeval(t));
    case kTimevalPairIn: {
      const timeval pair[2] = {Timeval(t), Timeval(t)};
      return PlaceValue(t, pair);
    }
    case kTimespecPairIn: {
      timespec pair[2] = {Timespec(t), Timespec(t)};
      if (r.OneIn(4)) pair[r.Below(2)].tv_nsec = (1 << 30) - 1 - static_cast<long>(r.Below(2));
      return PlaceValue(t, pair);
    }
    case kItimerIn: {
      const itimerval value = {r.OneIn(2) ? timeval{} : Timeval(t), Timeval(t)};
      return PlaceValue(t, value);
    }
    case kItimerspecIn:
      return PlaceValue(t, Itimerspec(t));
    case kRlimitIn: {
      const uint64_t limit[2] = {r.OneIn(3) ? EdgeNumber(t) : 256,
                                 r.OneIn(3) ? EdgeNumber(t) : 512};
      return PlaceValue(t, limit);
    }
    case kPollFds: {
      pollfd fds[9];
      for (pollfd& p : fds)
        p = {static_cast<int>(MakeArg(t, kFd, 0)), static_cast<short>(r.Next()), 0};
      return PlaceValue(t, fds);
    }
    case kEpollEventIn: {
      epoll_event event{};
      static constexpr uint32_t kEvents[] = {EPOLLIN,        EPOLLOUT,   EPOLLET,     EPOLLONESHOT,
                                             EPOLLEXCLUSIVE, EPOLLRDHUP, EPOLLWAKEUP, EPOLLPRI};
      event.events = r.Pick(kEvents) | r.Pick(kEvents) | r.Pick(kEvents);
      event.data.u64 = r.Next();
      return PlaceValue(t, event);
    }
    case kIovecIn:
    case kIovecOut:
      return Iovecs(t, false);
    case kRemoteIovec:
      return Iovecs(t, true);
    case kMsghdrIn:
      return PlaceValue(t, Message(t, false));
    case kMsghdrOut:
      return PlaceValue(t, Message(t, true));
    case kMmsgIn:
      return Messages(t, false);
    case kMmsgOut:
      return Messages(t, true);
    case kSockaddrIn:
      return PlaceValue(t, Address(t));
    case kIntInOut: {
      const int length = static_cast<int>(MakeArg(t, kSockLen, 0));
      return PlaceValue(t, length);
    }
    case kSockOptValue: {
      const uint32_t value[4] = {static_cast<uint32_t>(r.OneIn(3) ? EdgeNumber(t) : r.Below(2)),
                                 static_cast<uint32_t>(r.Below(1000)), 0, 0};
      return PlaceValue(t, value);
    }
    case kOffsetInOut: {
      if (r.OneIn(2)) return 0;
      const uint64_t offset = MakeArg(t, kOffset, 0);
      return PlaceValue(t, offset);
    }
    case kFdSet: {
      uint64_t bits[16] = {};
      if (r.OneIn(2)) bits[0] = r.Next() & r.Next();
      return PlaceValue(t, bits);
    }
    case kSelectSet: {
      const uint64_t set = r.Next();
      const uint64_t pair[2] = {PlaceValue(t, set), r.OneIn(8) ? EdgeNumber(t) : 8};
      return PlaceValue(t, pair);
    }
    case kUtimbufIn: {
      const uint64_t times[2] = {EdgeNumber(t), EdgeNumber(t)};
      return PlaceValue(t, times);
    }
    case kOpenHow: {
      const open_how how = {MakeArg(t, kOpenFlags, 0), MakeArg(t, kOctalMode, 0),
                            r.OneIn(2) ? 0 : r.Below(64)};
      return PlaceValue(t, how);
    }
    case kCapHeader: {
      const __user_cap_header_struct header = {
          static_cast<uint32_t>(r.OneIn(6) ? r.Next() : _LINUX_CAPABILITY_VERSION_3),
          static_cast<int>(r.OneIn(2) ? 0 : MakeArg(t, kPid, 0))};
      return PlaceValue(t, header);
    }
    case kCapData: {
      uint32_t data[6];
      for (uint32_t& word : data) word = r.OneIn(2) ? ~0u : static_cast<uint32_t>(r.Next());
      return PlaceValue(t, data);
    }
    case kRobustList:
      return RobustList(t);
    case kFutexWord:
    case kPtr:
    case kIntOut:
      return kind == kFutexWord || r.OneIn(8) ? FutexAddress(t) : Buffer(t);
    case kFutexTimeout:
      return r.OneIn(2) ? r.Below(10) : PlaceValue(t, Timespec(t));
    case kWaitv: {
      futex_waitv waiters[8];
      for (futex_waitv& w : waiters) {
        w = {r.Below(2), Word(&GetShared()->futexes[r.Below(6)]), 2u | (r.OneIn(2) ? 128u : 0u), 0};
      }
      if (r.OneIn(4)) waiters[r.Below(4)].uaddr = FutexAddress(t);
      if (r.OneIn(8)) waiters[r.Below(4)].flags = static_cast<uint32_t>(EdgeNumber(t));
      return PlaceValue(t, waiters);
    }
    case kSigevent:
      return SignalEvent(t);
    case kCpuSet: {
      uint64_t set[16] = {r.Below(8), r.OneIn(4) ? r.Next() : 0};
      return PlaceValue(t, set);
    }
    case kSchedParam: {
      const uint32_t attr[14] = {static_cast<uint32_t>(r.OneIn(3)   ? 48
                                                       : r.OneIn(2) ? 0
                                                                    : r.Below(60)),
                                 static_cast<uint32_t>(r.Below(8))};
      return PlaceValue(t, attr);
    }
    case kGroups: {
      uint32_t groups[64];
      for (uint32_t& group : groups) group = static_cast<uint32_t>(r.Below(3000));
      return PlaceValue(t, groups);
    }
    case kFcntlArg:
      return FcntlStructure(t, previous);
    case kIoctlArg: {
      uint64_t words[10];
      for (uint64_t& word : words) word = r.OneIn(3) ? r.Next() : r.Below(30);
      return PlaceValue(t, words);
    }
    default:
      return Buffer(t);
  }
}

}  // namespace cvisor::fuzz
