// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/strace/format.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_format.h"
#include "pkg/abi/linux/errno.h"

namespace cvisor::strace {
namespace {

#define F(name) Flag{static_cast<uint64_t>(static_cast<uint32_t>(name)), #name}

constexpr Flag kOpen[] = {F(O_CREAT),     F(O_EXCL),     F(O_NOCTTY),    F(O_TRUNC),
                          F(O_APPEND),    F(O_NONBLOCK), F(O_SYNC),      F(O_DSYNC),
                          F(O_ASYNC),     F(O_DIRECT),   {0x8000, "O_LARGEFILE"},
                          F(O_TMPFILE),   F(O_DIRECTORY), F(O_NOFOLLOW), F(O_NOATIME),
                          F(O_CLOEXEC),   F(O_PATH)};
constexpr Flag kClone[] = {
    F(CLONE_VM), F(CLONE_FS), F(CLONE_FILES), F(CLONE_SIGHAND), F(CLONE_PIDFD), F(CLONE_PTRACE),
    F(CLONE_VFORK), F(CLONE_PARENT), F(CLONE_THREAD), F(CLONE_NEWNS), F(CLONE_SYSVSEM),
    F(CLONE_SETTLS), F(CLONE_PARENT_SETTID), F(CLONE_CHILD_CLEARTID), F(CLONE_DETACHED),
    F(CLONE_UNTRACED), F(CLONE_CHILD_SETTID), F(CLONE_NEWCGROUP), F(CLONE_NEWUTS), F(CLONE_NEWIPC),
    F(CLONE_NEWUSER), F(CLONE_NEWPID), F(CLONE_NEWNET), F(CLONE_IO),
    {0x100000000, "CLONE_CLEAR_SIGHAND"}, {0x200000000, "CLONE_INTO_CGROUP"}};
constexpr Flag kSockType[] = {F(SOCK_STREAM), F(SOCK_DGRAM), F(SOCK_RAW), F(SOCK_RDM),
                              F(SOCK_SEQPACKET), F(SOCK_DCCP), F(SOCK_PACKET)};
constexpr Flag kSockFlags[] = {F(SOCK_CLOEXEC), F(SOCK_NONBLOCK)};
constexpr Flag kFileType[] = {F(S_IFREG), F(S_IFDIR), F(S_IFCHR), F(S_IFBLK),
                              F(S_IFIFO), F(S_IFLNK), F(S_IFSOCK)};
constexpr Flag kPoll[] = {F(POLLIN), F(POLLPRI), F(POLLOUT), F(POLLERR), F(POLLHUP), F(POLLNVAL),
                          F(POLLRDNORM), F(POLLRDBAND), F(POLLWRNORM), F(POLLWRBAND), F(POLLMSG),
                          F(POLLRDHUP)};
constexpr Flag kEpoll[] = {F(EPOLLIN), F(EPOLLPRI), F(EPOLLOUT), F(EPOLLERR), F(EPOLLHUP),
                           F(EPOLLRDNORM), F(EPOLLRDBAND), F(EPOLLWRNORM), F(EPOLLWRBAND),
                           F(EPOLLMSG), F(EPOLLRDHUP), F(EPOLLEXCLUSIVE), F(EPOLLWAKEUP),
                           F(EPOLLONESHOT), F(EPOLLET)};
constexpr Flag kSiCode[] = {{0, "SI_USER"}, {0x80, "SI_KERNEL"}};
constexpr Flag kChildCode[] = {F(CLD_EXITED), F(CLD_KILLED), F(CLD_DUMPED), F(CLD_TRAPPED),
                               F(CLD_STOPPED), F(CLD_CONTINUED)};
constexpr Flag kSegvCode[] = {F(SEGV_MAPERR), F(SEGV_ACCERR)};

#undef F

std::string SignalCode(const siginfo_t& info) {
  switch (info.si_code) {
    case SI_QUEUE: return "SI_QUEUE";
    case SI_TIMER: return "SI_TIMER";
    case SI_TKILL: return "SI_TKILL";
    case SI_MESGQ: return "SI_MESGQ";
    case SI_ASYNCIO: return "SI_ASYNCIO";
    case SI_SIGIO: return "SI_SIGIO";
    default: break;
  }
  const auto code = static_cast<uint64_t>(info.si_code);
  if (info.si_code > 0 && info.si_signo == SIGCHLD) return FormatEnum(code, kChildCode);
  if (info.si_code > 0 && info.si_code < 0x80 && info.si_signo == SIGSEGV) {
    return FormatEnum(code, kSegvCode);
  }
  return info.si_code < 0 ? absl::StrFormat("%d", info.si_code) : FormatEnum(code, kSiCode);
}

template <typename T>
bool Read(std::string_view bytes, T* out) {
  if (bytes.size() < sizeof(T)) return false;
  std::memcpy(out, bytes.data(), sizeof(T));
  return true;
}

std::string FormatUnix(std::string_view bytes) {
  std::string_view path = bytes.substr(offsetof(sockaddr_un, sun_path));
  if (path.empty()) return "{sa_family=AF_UNIX}";
  if (path[0] == '\0') {
    return absl::StrFormat("{sa_family=AF_UNIX, sun_path=@%s}", Quote(path.substr(1), 108));
  }
  path = path.substr(0, path.find('\0'));
  return absl::StrFormat("{sa_family=AF_UNIX, sun_path=%s}", Quote(path, 108));
}

}  // namespace

std::string Quote(std::string_view bytes, size_t limit, bool cut) {
  std::string out = "\"";
  if (bytes.size() > limit) {
    bytes = bytes.substr(0, limit);
    cut = true;
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto c = static_cast<unsigned char>(bytes[i]);
    switch (c) {
      case '"': out += "\\\""; continue;
      case '\\': out += "\\\\"; continue;
      case '\n': out += "\\n"; continue;
      case '\t': out += "\\t"; continue;
      case '\r': out += "\\r"; continue;
      case '\f': out += "\\f"; continue;
      case '\v': out += "\\v"; continue;
      default: break;
    }
    if (c >= 0x20 && c < 0x7f) {
      out.push_back(static_cast<char>(c));
      continue;
    }
    // Octal as short as possible: three digits only where a digit follows.
    const bool digit_next = i + 1 < bytes.size() && bytes[i + 1] >= '0' && bytes[i + 1] <= '7';
    out += digit_next ? absl::StrFormat("\\%03o", c) : absl::StrFormat("\\%o", c);
  }
  out.push_back('"');
  if (cut) out += "...";
  return out;
}

std::string FormatFlags(uint64_t value, std::span<const Flag> flags) {
  if (value == 0) return "0";
  std::string out;
  const auto add = [&out](std::string_view text) {
    if (!out.empty()) out.push_back('|');
    out += text;
  };
  for (const Flag& flag : flags) {
    if (flag.value == 0 || (value & flag.value) != flag.value) continue;
    add(flag.name);
    value &= ~flag.value;
  }
  if (value != 0) add(absl::StrFormat("%#x", value));
  return out;
}

std::string FormatEnum(uint64_t value, std::span<const Flag> names) {
  for (const Flag& flag : names) {
    if (flag.value == value) return std::string(flag.name);
  }
  return absl::StrFormat("%#x", value);
}

std::string SignalName(int sig) {
  if (sig > 31 && sig <= 64) return sig == 32 ? "SIGRTMIN" : absl::StrFormat("SIGRT_%d", sig - 32);
  const char* name = sigabbrev_np(sig);
  return name != nullptr ? absl::StrFormat("SIG%s", name) : absl::StrFormat("%d", sig);
}

std::string FormatSignalSet(uint64_t set) {
  // As strace: a set that is more than half full is shown by what it lacks.
  const bool inverted = __builtin_popcountll(set) > 32;
  std::string out = inverted ? "~[" : "[";
  bool first = true;
  for (int sig = 1; sig <= 64; ++sig) {
    if (((set >> (sig - 1)) & 1) == inverted) continue;
    if (!first) out.push_back(' ');
    first = false;
    const std::string name = SignalName(sig);
    out += name.starts_with("SIG") ? name.substr(3) : name;
  }
  out.push_back(']');
  return out;
}

std::string FormatSiginfo(const siginfo_t& info) {
  std::string out = absl::StrFormat("{si_signo=%s, si_code=%s", SignalName(info.si_signo),
                                    SignalCode(info));
  if (info.si_signo == SIGCHLD && info.si_code > 0) {
    const bool exited = info.si_code == CLD_EXITED;
    out += absl::StrFormat(
        ", si_pid=%d, si_uid=%u, si_status=%s, si_utime=%d, si_stime=%d", info.si_pid, info.si_uid,
        exited ? absl::StrFormat("%d", info.si_status) : SignalName(info.si_status), info.si_utime,
        info.si_stime);
  } else if (info.si_code <= 0 && info.si_code != SI_TIMER) {
    out += absl::StrFormat(", si_pid=%d, si_uid=%u", info.si_pid, info.si_uid);
    if (info.si_code == SI_QUEUE) out += absl::StrFormat(", si_int=%d", info.si_int);
  } else if (info.si_code == SI_TIMER) {
    out += absl::StrFormat(", si_timerid=%#x, si_overrun=%d", info.si_timerid, info.si_overrun);
  } else if (info.si_signo == SIGSEGV || info.si_signo == SIGBUS || info.si_signo == SIGILL ||
             info.si_signo == SIGFPE || info.si_signo == SIGTRAP) {
    out += info.si_addr == nullptr
               ? std::string(", si_addr=NULL")
               : absl::StrFormat(", si_addr=%#x", reinterpret_cast<uintptr_t>(info.si_addr));
  }
  return out + "}";
}

std::string FormatMode(mode_t mode) {
  const mode_t type = mode & S_IFMT;
  if (type == 0) return absl::StrFormat("%#03o", mode & 07777);
  return absl::StrFormat("%s|%#03o", FormatEnum(type, kFileType), mode & 07777);
}

std::string FormatDirFd(int fd) {
  return fd == AT_FDCWD ? std::string("AT_FDCWD") : absl::StrFormat("%d", fd);
}

std::string FormatOpenFlags(int flags) {
  constexpr const char* kModes[] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};
  std::string out = kModes[flags & O_ACCMODE];
  const auto rest = static_cast<uint32_t>(flags & ~O_ACCMODE);
  if (rest != 0) out += "|" + FormatFlags(rest, kOpen);
  return out;
}

std::string FormatCloneFlags(uint64_t flags, bool with_signal) {
  if (!with_signal) return FormatFlags(flags, kClone);
  const int sig = static_cast<int>(flags & CSIGNAL);
  const uint64_t bits = flags & ~uint64_t{CSIGNAL};
  if (sig == 0) return FormatFlags(bits, kClone);
  return bits == 0 ? SignalName(sig) : FormatFlags(bits, kClone) + "|" + SignalName(sig);
}

std::string FormatSockType(int type) {
  constexpr int kFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;
  std::string out = (type & ~kFlags) == 0 && (type & kFlags) != 0
                        ? std::string()
                        : FormatEnum(static_cast<uint32_t>(type & ~kFlags), kSockType);
  if (type & kFlags) {
    if (!out.empty()) out.push_back('|');
    out += FormatFlags(static_cast<uint32_t>(type & kFlags), kSockFlags);
  }
  return out;
}

std::string FormatWaitStatus(int status) {
  if (WIFEXITED(status)) {
    return absl::StrFormat("[{WIFEXITED(s) && WEXITSTATUS(s) == %d}]", WEXITSTATUS(status));
  }
  if (WIFSTOPPED(status)) {
    return absl::StrFormat("[{WIFSTOPPED(s) && WSTOPSIG(s) == %s}]", SignalName(WSTOPSIG(status)));
  }
  if (WIFCONTINUED(status)) return "[{WIFCONTINUED(s)}]";
  return absl::StrFormat("[{WIFSIGNALED(s) && WTERMSIG(s) == %s%s}]", SignalName(WTERMSIG(status)),
                         WCOREDUMP(status) ? " && WCOREDUMP(s)" : "");
}

std::string FormatTimespec(const timespec& ts) {
  if (ts.tv_nsec == UTIME_NOW) return "UTIME_NOW";
  if (ts.tv_nsec == UTIME_OMIT) return "UTIME_OMIT";
  return absl::StrFormat("{tv_sec=%d, tv_nsec=%d}", ts.tv_sec, ts.tv_nsec);
}

std::string FormatTimeval(const timeval& tv) {
  return absl::StrFormat("{tv_sec=%d, tv_usec=%d}", tv.tv_sec, tv.tv_usec);
}

std::string FormatStat(const struct stat& st) {
  if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
    return absl::StrFormat("{st_mode=%s, st_rdev=makedev(%#x, %#x), ...}", FormatMode(st.st_mode),
                           major(st.st_rdev), minor(st.st_rdev));
  }
  return absl::StrFormat("{st_mode=%s, st_size=%d, ...}", FormatMode(st.st_mode), st.st_size);
}

std::string FormatSockaddr(std::string_view bytes) {
  sa_family_t family;
  if (!Read(bytes, &family)) return Quote(bytes, 32);
  char text[INET6_ADDRSTRLEN] = "";
  sockaddr_in in;
  sockaddr_in6 in6;
  sockaddr_nl nl;
  if (family == AF_UNIX) return FormatUnix(bytes);
  if (family == AF_INET && Read(bytes, &in)) {
    inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text));
    return absl::StrFormat(
        "{sa_family=AF_INET, sin_port=htons(%d), sin_addr=inet_addr(\"%s\")}", ntohs(in.sin_port),
        text);
  }
  if (family == AF_INET6 && Read(bytes, &in6)) {
    inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof(text));
    return absl::StrFormat(
        "{sa_family=AF_INET6, sin6_port=htons(%d), sin6_flowinfo=htonl(%u), "
        "inet_pton(AF_INET6, \"%s\", &sin6_addr), sin6_scope_id=%u}",
        ntohs(in6.sin6_port), ntohl(in6.sin6_flowinfo), text, in6.sin6_scope_id);
  }
  if (family == AF_NETLINK && Read(bytes, &nl)) {
    return absl::StrFormat("{sa_family=AF_NETLINK, nl_pid=%u, nl_groups=%08x}", nl.nl_pid,
                           nl.nl_groups);
  }
  return absl::StrFormat("{sa_family=%d, sa_data=%s}", family, Quote(bytes.substr(2), 32));
}

std::string FormatPollEvents(uint32_t events) { return FormatFlags(events, kPoll); }
std::string FormatEpollEvents(uint32_t events) { return FormatFlags(events, kEpoll); }

std::string FormatPollfds(std::span<const pollfd> fds, bool results) {
  std::string out = "[";
  for (const pollfd& fd : fds) {
    if (results && fd.revents == 0) continue;
    if (out.size() > 1) out += ", ";
    out += results ? absl::StrFormat("{fd=%d, revents=%s}", fd.fd,
                                     FormatPollEvents(static_cast<uint16_t>(fd.revents)))
                   : absl::StrFormat("{fd=%d, events=%s}", fd.fd,
                                     FormatPollEvents(static_cast<uint16_t>(fd.events)));
  }
  return out + "]";
}

std::string FormatEpollEvent(const epoll_event& event) {
  const uint64_t data = event.data.u64;
  return absl::StrFormat("{events=%s, data={u32=%u, u64=%u}}", FormatEpollEvents(event.events),
                         static_cast<uint32_t>(data), data);
}

std::string FormatRlimit(const rlimit& limit) {
  const auto one = [](rlim_t v) -> std::string {
    if (v == RLIM_INFINITY) return "RLIM64_INFINITY";
    if (v > 1024 && v % 1024 == 0) return absl::StrFormat("%u*1024", v / 1024);
    return absl::StrFormat("%u", v);
  };
  return absl::StrFormat("{rlim_cur=%s, rlim_max=%s}", one(limit.rlim_cur), one(limit.rlim_max));
}

std::string FormatError(int error) {
  switch (static_cast<Errno>(error)) {
    case Errno::kERESTARTSYS: return "? ERESTARTSYS (To be restarted if SA_RESTART is set)";
    case Errno::kERESTARTNOINTR: return "? ERESTARTNOINTR (To be restarted)";
    case Errno::kERESTARTNOHAND: return "? ERESTARTNOHAND (To be restarted if no handler)";
    case Errno::kERESTART_RESTARTBLOCK:
      return "? ERESTART_RESTARTBLOCK (Interrupted by signal)";
    default: break;
  }
  const char* text = strerrordesc_np(error);
  return absl::StrFormat("-1 %s (%s)", ErrnoName(static_cast<Errno>(error)),
                         text != nullptr ? text : "Unknown error");
}

}  // namespace cvisor::strace
