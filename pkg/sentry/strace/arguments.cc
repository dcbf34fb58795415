// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/strace/arguments.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/stat.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <utime.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/strings/str_format.h"
#include "pkg/sentry/strace/events.h"
#include "pkg/sentry/strace/flags.h"
#include "pkg/sentry/strace/format.h"

namespace cvisor::strace {
namespace {

using kernel::Task;
using mm::UserAddr;
using syscalls::ArgFormat;
using syscalls::SyscallArgs;
using syscalls::SyscallInfo;

constexpr uint64_t kMaxElements = 16;  // of arrays

std::string Pointer(UserAddr addr) {
  return addr == 0 ? std::string("NULL") : absl::StrFormat("%#x", addr);
}

// The structure at `addr` as `format` prints it, or the address.
template <typename T, typename Format>
std::string Struct(Task& t, UserAddr addr, Format format) {
  if (addr == 0) return "NULL";
  auto value = t.CopyIn<T>(addr);
  return value.ok() ? std::string(format(*value)) : Pointer(addr);
}

// Up to kMaxElements structures in brackets.
template <typename T, typename Format>
std::string Array(Task& t, UserAddr addr, uint64_t count, Format format) {
  if (addr == 0) return "NULL";
  std::string out = "[";
  for (uint64_t i = 0; i < std::min(count, kMaxElements); ++i) {
    auto value = t.CopyIn<T>(addr + i * sizeof(T));
    if (!value.ok()) return i == 0 ? Pointer(addr) : out + ", ...]";
    if (i != 0) out += ", ";
    out += format(*value);
  }
  return out + (count > kMaxElements ? ", ...]" : "]");
}

std::string Buffer(Task& t, UserAddr addr, uint64_t size) {
  if (addr == 0) return "NULL";
  std::string bytes(std::min<uint64_t>(size, StringLimit()), '\0');
  if (!t.mm().CopyInBytes(addr, bytes.data(), bytes.size()).ok()) return Pointer(addr);
  return Quote(bytes, StringLimit(), size > bytes.size());
}

std::string String(Task& t, UserAddr addr, size_t limit) {
  if (addr == 0) return "NULL";
  auto text = t.mm().CopyInString(addr, 4096);
  return text.ok() ? Quote(*text, limit) : Pointer(addr);
}

std::string StringArray(Task& t, UserAddr addr) {
  if (addr == 0) return "NULL";
  std::string out = "[";
  for (uint64_t i = 0;; ++i) {
    auto p = t.CopyIn<UserAddr>(addr + i * 8);
    if (!p.ok()) return Pointer(addr);
    if (*p == 0) return out + "]";
    if (i != 0) out += ", ";
    if (i == kMaxElements) return out + "...]";
    out += String(t, *p, StringLimit());
  }
}

std::string Iovecs(Task& t, UserAddr addr, uint64_t count, uint64_t bytes) {
  return Array<iovec>(t, addr, count, [&](const iovec& v) {
    const auto base = reinterpret_cast<UserAddr>(v.iov_base);
    const uint64_t n = std::min<uint64_t>(v.iov_len, bytes);
    bytes -= n;
    return absl::StrFormat("{iov_base=%s, iov_len=%u}", Buffer(t, base, n), v.iov_len);
  });
}

std::string Sockaddr(Task& t, UserAddr addr, uint64_t length) {
  if (addr == 0) return "NULL";
  std::string bytes(std::min<uint64_t>(length, sizeof(sockaddr_storage)), '\0');
  if (!t.mm().CopyInBytes(addr, bytes.data(), bytes.size()).ok()) return Pointer(addr);
  return FormatSockaddr(bytes);
}

std::string Msghdr(Task& t, UserAddr addr, uint64_t bytes) {
  return Struct<msghdr>(t, addr, [&](const msghdr& m) {
    return absl::StrFormat(
        "{msg_name=%s, msg_namelen=%u, msg_iov=%s, msg_iovlen=%u, msg_controllen=%u, "
        "msg_flags=%s}",
        Sockaddr(t, reinterpret_cast<UserAddr>(m.msg_name), m.msg_namelen), m.msg_namelen,
        Iovecs(t, reinterpret_cast<UserAddr>(m.msg_iov), m.msg_iovlen, bytes), m.msg_iovlen,
        m.msg_controllen,
        FormatFlags(static_cast<uint32_t>(m.msg_flags), FlagsOf(ArgFormat::kMsgFlags).names));
  });
}

std::string SignalAction(Task& t, UserAddr addr) {
  return Struct<kernel::SignalAction>(t, addr, [](const kernel::SignalAction& a) {
    constexpr Flag kFlags[] = {{4, "SA_SIGINFO"},          {0x04000000, "SA_RESTORER"},
                               {0x08000000, "SA_ONSTACK"}, {0x10000000, "SA_RESTART"},
                               {0x40000000, "SA_NODEFER"}, {0x80000000, "SA_RESETHAND"},
                               {1, "SA_NOCLDSTOP"},        {2, "SA_NOCLDWAIT"}};
    const std::string handler = a.is_default()  ? "SIG_DFL"
                                : a.is_ignore() ? "SIG_IGN"
                                                : Pointer(a.handler);
    std::string out = absl::StrFormat("{sa_handler=%s, sa_mask=%s, sa_flags=%s", handler,
                                      FormatSignalSet(a.mask), FormatFlags(a.flags, kFlags));
    if (a.flags & 0x04000000) out += absl::StrFormat(", sa_restorer=%s", Pointer(a.restorer));
    return out + "}";
  });
}

std::string Stack(Task& t, UserAddr addr) {
  return Struct<stack_t>(t, addr, [](const stack_t& s) {
    constexpr Flag kFlags[] = {{1, "SS_ONSTACK"}, {2, "SS_DISABLE"}, {0x80000000, "SS_AUTODISARM"}};
    return absl::StrFormat("{ss_sp=%s, ss_flags=%s, ss_size=%u}",
                           Pointer(reinterpret_cast<UserAddr>(s.ss_sp)),
                           FormatFlags(static_cast<uint32_t>(s.ss_flags), kFlags), s.ss_size);
  });
}

std::string Itimerspec(Task& t, UserAddr addr) {
  return Struct<itimerspec>(t, addr, [](const itimerspec& v) {
    return absl::StrFormat("{it_interval=%s, it_value=%s}", FormatTimespec(v.it_interval),
                           FormatTimespec(v.it_value));
  });
}

std::string Itimerval(Task& t, UserAddr addr) {
  return Struct<itimerval>(t, addr, [](const itimerval& v) {
    return absl::StrFormat("{it_interval=%s, it_value=%s}", FormatTimeval(v.it_interval),
                           FormatTimeval(v.it_value));
  });
}

std::string FdSet(Task& t, UserAddr addr, uint64_t n) {
  if (addr == 0) return "NULL";
  std::string out = "[";
  for (uint64_t fd = 0; fd < std::min<uint64_t>(n, 1024); ++fd) {
    auto word = t.CopyIn<uint64_t>(addr + fd / 64 * 8);
    if (!word.ok()) return Pointer(addr);
    if (!((*word >> (fd % 64)) & 1)) continue;
    if (out.size() > 1) out.push_back(' ');
    out += absl::StrFormat("%u", fd);
  }
  return out + "]";
}

std::string CloneArgs(Task& t, UserAddr addr) {
  return Struct<clone_args>(t, addr, [](const clone_args& c) {
    return absl::StrFormat("{flags=%s, exit_signal=%s, stack=%s, stack_size=%#x, tls=%s}",
                           FormatCloneFlags(c.flags, false),
                           c.exit_signal == 0 ? "0" : SignalName(static_cast<int>(c.exit_signal)),
                           Pointer(c.stack), c.stack_size, Pointer(c.tls));
  });
}

std::string Futex(uint64_t op) {
  std::string name = FormatEnum(op & FUTEX_CMD_MASK & 0xff, FlagsOf(ArgFormat::kFutexOp).names);
  if (op & FUTEX_PRIVATE_FLAG) name += "_PRIVATE";
  if (op & FUTEX_CLOCK_REALTIME) name += "|FUTEX_CLOCK_REALTIME";
  return name;
}

std::string FcntlArg(Task& t, int cmd, uint64_t arg) {
  switch (cmd) {
    case F_GETFD:
    case F_GETFL:
    case F_GETOWN:
    case F_GETSIG:
    case F_GETLEASE:
    case F_GETPIPE_SZ:
    case F_GET_SEALS:
      return "";
    case F_SETFD: return arg & FD_CLOEXEC ? "FD_CLOEXEC" : absl::StrFormat("%d", arg);
    case F_SETFL: return FormatOpenFlags(static_cast<int>(arg));
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
      return Struct<struct flock>(t, arg, [](const struct flock& l) {
        constexpr Flag kTypes[] = {{F_RDLCK, "F_RDLCK"}, {F_WRLCK, "F_WRLCK"}, {F_UNLCK, "F_UNLCK"}};
        return absl::StrFormat("{l_type=%s, l_whence=%s, l_start=%d, l_len=%d}",
                               FormatEnum(static_cast<uint16_t>(l.l_type), kTypes),
                               FormatEnum(static_cast<uint16_t>(l.l_whence),
                                          FlagsOf(ArgFormat::kWhence).names),
                               l.l_start, l.l_len);
      });
    default: return absl::StrFormat("%d", static_cast<int64_t>(arg));
  }
}

std::string Dirents(Task& t, UserAddr addr, uint64_t bytes) {
  (void)t;
  return bytes == 0 ? Pointer(addr) : absl::StrFormat("%s /* %u bytes */", Pointer(addr), bytes);
}

// What the call wrote, now that `n` is its result.
std::string Output(Task& t, const SyscallInfo& info, const SyscallArgs& args, int i, uint64_t n) {
  const uint64_t raw = args.value[i];
  const auto next = [&](int k) { return i + k < 6 ? args.value[i + k] : 0; };
  switch (info.args[i]) {
    case ArgFormat::kReadBuf:
    case ArgFormat::kLinkOut:
      return next(1) == 0 ? Pointer(raw) : Buffer(t, raw, std::min(n, next(1)));
    case ArgFormat::kIovecOut: return Iovecs(t, raw, next(1), n);
    case ArgFormat::kStatOut: return Struct<struct stat>(t, raw, FormatStat);
    case ArgFormat::kStatxOut:
      return Struct<struct statx>(t, raw, [](const struct statx& s) {
        return absl::StrFormat("{stx_mask=%s, stx_mode=%s, stx_size=%u, ...}",
                               FormatFlags(s.stx_mask, FlagsOf(ArgFormat::kStatxMask).names),
                               FormatMode(s.stx_mode), s.stx_size);
      });
    case ArgFormat::kStatfsOut:
      return Struct<struct statfs>(t, raw, [](const struct statfs& s) {
        return absl::StrFormat("{f_type=%#x, f_bsize=%d, f_blocks=%u, f_bfree=%u, ...}", s.f_type,
                               s.f_bsize, s.f_blocks, s.f_bfree);
      });
    case ArgFormat::kSigActionOut: return SignalAction(t, raw);
    case ArgFormat::kSigSetOut: return Struct<uint64_t>(t, raw, FormatSignalSet);
    case ArgFormat::kSigInfoOut: return Struct<siginfo_t>(t, raw, FormatSiginfo);
    case ArgFormat::kStackOut: return Stack(t, raw);
    case ArgFormat::kTimespecOut: return Struct<timespec>(t, raw, FormatTimespec);
    case ArgFormat::kTimevalOut: return Struct<timeval>(t, raw, FormatTimeval);
    case ArgFormat::kItimerOut: return Itimerval(t, raw);
    case ArgFormat::kItimerspecOut: return Itimerspec(t, raw);
    case ArgFormat::kRusageOut:
      return Struct<rusage>(t, raw, [](const rusage& r) {
        return absl::StrFormat("{ru_utime=%s, ru_stime=%s, ...}", FormatTimeval(r.ru_utime),
                               FormatTimeval(r.ru_stime));
      });
    case ArgFormat::kRlimitOut: return Struct<rlimit>(t, raw, FormatRlimit);
    case ArgFormat::kWaitStatusOut:
      return n == 0 ? Pointer(raw) : Struct<int>(t, raw, FormatWaitStatus);
    case ArgFormat::kPollFds: {
      // Input and output: the events before, what came of them behind.
      std::vector<pollfd> fds(std::min<uint64_t>(next(1), kMaxElements));
      if (!t.mm().CopyInBytes(raw, fds.data(), fds.size() * sizeof(pollfd)).ok()) {
        return Pointer(raw);
      }
      return FormatPollfds(fds, false) + (n != 0 ? " => " + FormatPollfds(fds, true) : "");
    }
    case ArgFormat::kEpollEventsOut: return Array<epoll_event>(t, raw, n, FormatEpollEvent);
    case ArgFormat::kMsghdrOut: return Msghdr(t, raw, n);
    case ArgFormat::kSockaddrOut: {
      auto length = next(1) == 0 ? Result<int>(0) : t.CopyIn<int>(next(1));
      return length.ok() && *length >= 0 ? Sockaddr(t, raw, static_cast<uint64_t>(*length))
                                         : Pointer(raw);
    }
    case ArgFormat::kFdPairOut:
      return Struct<std::array<int, 2>>(t, raw, [](const std::array<int, 2>& v) {
        return absl::StrFormat("[%d, %d]", v[0], v[1]);
      });
    case ArgFormat::kIntOut:
    case ArgFormat::kIntInOut:
      return Struct<int>(t, raw, [](int v) { return absl::StrFormat("[%d]", v); });
    case ArgFormat::kUtsnameOut:
      return Struct<utsname>(t, raw, [](const utsname& u) {
        const auto field = [](const char* s) { return Quote({s, strnlen(s, 65)}, 65); };
        return absl::StrFormat("{sysname=%s, nodename=%s, release=%s, ...}", field(u.sysname),
                               field(u.nodename), field(u.release));
      });
    case ArgFormat::kSysinfoOut:
      return Struct<struct sysinfo>(t, raw, [](const struct sysinfo& s) {
        return absl::StrFormat("{uptime=%d, totalram=%u, freeram=%u, procs=%u, ...}", s.uptime,
                               s.totalram, s.freeram, s.procs);
      });
    case ArgFormat::kDirentsOut: return Dirents(t, raw, n);
    default: return Pointer(raw);
  }
}

// What the call reads.
std::string Input(Task& t, const SyscallInfo& info, const SyscallArgs& args, int i) {
  const uint64_t raw = args.value[i];
  const auto next = [&](int k) { return i + k < 6 ? args.value[i + k] : 0; };
  switch (info.args[i]) {
    case ArgFormat::kInt:
    case ArgFormat::kFd:
    case ArgFormat::kPid:
      return absl::StrFormat("%d", static_cast<int>(raw));
    case ArgFormat::kUid:
      return static_cast<int>(raw) == -1 ? "-1"
                                         : absl::StrFormat("%u", static_cast<uint32_t>(raw));
    case ArgFormat::kUint: return absl::StrFormat("%u", static_cast<uint32_t>(raw));
    case ArgFormat::kLong:
    case ArgFormat::kOffset:
      return absl::StrFormat("%d", static_cast<int64_t>(raw));
    case ArgFormat::kUlong:
    case ArgFormat::kSize:
      return absl::StrFormat("%u", raw);
    case ArgFormat::kHex: return raw == 0 ? "0" : absl::StrFormat("%#x", raw);
    case ArgFormat::kDirFd: return FormatDirFd(static_cast<int>(raw));
    case ArgFormat::kOctalMode: {
      const auto mode = static_cast<mode_t>(raw);
      return FormatMode(mode);
    }
    case ArgFormat::kDev:
      return absl::StrFormat("makedev(%#x, %#x)", (raw & 0xfff00) >> 8,
                             (raw & 0xff) | ((raw >> 12) & 0xfff00));
    case ArgFormat::kPath: return String(t, raw, 4096);
    case ArgFormat::kString: return String(t, raw, StringLimit());
    case ArgFormat::kWriteBuf: return Buffer(t, raw, next(1));
    case ArgFormat::kStringArray: return StringArray(t, raw);
    case ArgFormat::kOpenFlags: return FormatOpenFlags(static_cast<int>(raw));
    case ArgFormat::kCloneFlags: return FormatCloneFlags(raw, /*with_signal=*/true);
    case ArgFormat::kCloneArgs: return CloneArgs(t, raw);
    case ArgFormat::kSignal:
      return raw == 0 ? std::string("0") : SignalName(static_cast<int>(raw));
    case ArgFormat::kSigSetIn: return Struct<uint64_t>(t, raw, FormatSignalSet);
    case ArgFormat::kSigActionIn: return SignalAction(t, raw);
    case ArgFormat::kSigInfoIn: return Struct<siginfo_t>(t, raw, FormatSiginfo);
    case ArgFormat::kStackIn: return Stack(t, raw);
    case ArgFormat::kFutexOp: return Futex(raw);
    case ArgFormat::kTimespecIn: return Struct<timespec>(t, raw, FormatTimespec);
    case ArgFormat::kTimevalIn: return Struct<timeval>(t, raw, FormatTimeval);
    case ArgFormat::kTimespecPairIn:
      return raw == 0 ? "NULL" : Array<timespec>(t, raw, 2, FormatTimespec);
    case ArgFormat::kTimevalPairIn:
      return raw == 0 ? "NULL" : Array<timeval>(t, raw, 2, FormatTimeval);
    case ArgFormat::kUtimbufIn:
      return Struct<utimbuf>(t, raw, [](const utimbuf& u) {
        return absl::StrFormat("{actime=%d, modtime=%d}", u.actime, u.modtime);
      });
    case ArgFormat::kItimerIn: return Itimerval(t, raw);
    case ArgFormat::kItimerspecIn: return Itimerspec(t, raw);
    case ArgFormat::kRlimitIn: return Struct<rlimit>(t, raw, FormatRlimit);
    case ArgFormat::kEpollEventIn: return Struct<epoll_event>(t, raw, FormatEpollEvent);
    case ArgFormat::kIovecIn: return Iovecs(t, raw, next(1), UINT64_MAX);
    case ArgFormat::kMsghdrIn: return Msghdr(t, raw, UINT64_MAX);
    case ArgFormat::kSockaddrIn: return Sockaddr(t, raw, static_cast<uint32_t>(next(1)));
    case ArgFormat::kSockType: return FormatSockType(static_cast<int>(raw));
    case ArgFormat::kSockOpt: {
      const auto level = i > 0 ? static_cast<int>(args.value[i - 1]) : 0;
      return FormatEnum(static_cast<uint32_t>(raw), SocketOptionNames(level));
    }
    case ArgFormat::kFdSet: return FdSet(t, raw, args.value[0]);
    case ArgFormat::kFcntlArg: return FcntlArg(t, static_cast<int>(args.value[i - 1]), raw);
    case ArgFormat::kIoctlArg: return Pointer(raw);
    case ArgFormat::kOffsetInOut:
      return Struct<int64_t>(t, raw, [](int64_t v) { return absl::StrFormat("[%d]", v); });
    case ArgFormat::kOpenHow:
      return Struct<open_how>(t, raw, [](const open_how& h) {
        constexpr Flag kResolve[] = {{1, "RESOLVE_NO_XDEV"},  {2, "RESOLVE_NO_MAGICLINKS"},
                                     {4, "RESOLVE_NO_SYMLINKS"}, {8, "RESOLVE_BENEATH"},
                                     {16, "RESOLVE_IN_ROOT"}, {32, "RESOLVE_CACHED"}};
        return absl::StrFormat("{flags=%s, mode=%#o, resolve=%s}",
                               FormatOpenFlags(static_cast<int>(h.flags)), h.mode,
                               FormatFlags(h.resolve, kResolve));
      });
    case ArgFormat::kProt:
      if (raw == 0) return "PROT_NONE";
      break;
    case ArgFormat::kAccessMode:
      if (raw == 0) return "F_OK";
      break;
    default: break;
  }
  const FlagTable table = FlagsOf(info.args[i]);
  if (table.names.empty()) return Pointer(raw);
  const auto value = static_cast<uint32_t>(raw);
  return table.is_enum ? FormatEnum(value, table.names) : FormatFlags(value, table.names);
}

}  // namespace

bool IsOutput(ArgFormat format) {
  switch (format) {
    case ArgFormat::kReadBuf:
    case ArgFormat::kLinkOut:
    case ArgFormat::kIovecOut:
    case ArgFormat::kStatOut:
    case ArgFormat::kStatxOut:
    case ArgFormat::kStatfsOut:
    case ArgFormat::kSigActionOut:
    case ArgFormat::kSigSetOut:
    case ArgFormat::kSigInfoOut:
    case ArgFormat::kStackOut:
    case ArgFormat::kTimespecOut:
    case ArgFormat::kTimevalOut:
    case ArgFormat::kItimerOut:
    case ArgFormat::kItimerspecOut:
    case ArgFormat::kRusageOut:
    case ArgFormat::kRlimitOut:
    case ArgFormat::kWaitStatusOut:
    case ArgFormat::kPollFds:
    case ArgFormat::kEpollEventsOut:
    case ArgFormat::kMsghdrOut:
    case ArgFormat::kSockaddrOut:
    case ArgFormat::kFdPairOut:
    case ArgFormat::kIntOut:
    case ArgFormat::kIntInOut:
    case ArgFormat::kUtsnameOut:
    case ArgFormat::kSysinfoOut:
    case ArgFormat::kDirentsOut:
      return true;
    default: return false;
  }
}

std::string FormatArgument(Task& t, const SyscallInfo& info, const SyscallArgs& args, int i,
                           const Result<uint64_t>* result) {
  if (!IsOutput(info.args[i])) return Input(t, info, args, i);
  if (result == nullptr || !result->ok()) return Pointer(args.value[i]);
  return Output(t, info, args, i, **result);
}

std::string FormatResult(const SyscallInfo* info, const Result<uint64_t>& result) {
  if (!result.ok()) return FormatError(static_cast<int>(result.error()));
  const uint64_t value = *result;
  switch (info == nullptr ? ArgFormat::kLong : info->result) {
    case ArgFormat::kPtr: return absl::StrFormat("%#x", value);
    case ArgFormat::kOctalMode: return absl::StrFormat("%#03o", value);
    case ArgFormat::kUid: return absl::StrFormat("%u", static_cast<uint32_t>(value));
    default: return absl::StrFormat("%d", static_cast<int64_t>(value));
  }
}

}  // namespace cvisor::strace
