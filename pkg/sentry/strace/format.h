// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Values as strace(1) prints them. Pure functions over values that were copied in.

#ifndef CVISOR_PKG_SENTRY_STRACE_FORMAT_H_
#define CVISOR_PKG_SENTRY_STRACE_FORMAT_H_

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

struct statx;

namespace cvisor::strace {

// In double quotes with C escapes; "..." behind if it was longer than `limit` or `cut` says so.
std::string Quote(std::string_view bytes, size_t limit, bool cut = false);

// --- Flags and names.
struct Flag {
  uint64_t value;
  std::string_view name;
};
// "A|B|0x10": each flag whose bits are all set, then what is left; "0" if nothing is.
std::string FormatFlags(uint64_t value, std::span<const Flag> flags);
// The name of exactly this value; the number if it has none.
std::string FormatEnum(uint64_t value, std::span<const Flag> names);

std::string SignalName(int sig);          // "SIGCHLD", "SIGRT_1"
std::string FormatSignalSet(uint64_t set);  // "[INT TERM]"
std::string FormatSiginfo(const siginfo_t& info);
std::string FormatMode(mode_t mode);      // "S_IFREG|0644"
std::string FormatDirFd(int fd);          // "AT_FDCWD"
std::string FormatOpenFlags(int flags);   // "O_RDONLY|O_CLOEXEC"
std::string FormatCloneFlags(uint64_t flags, bool with_signal);
std::string FormatSockType(int type);
std::string FormatWaitStatus(int status);  // "[{WIFEXITED(s) && WEXITSTATUS(s) == 0}]"

// --- Structures.
std::string FormatTimespec(const timespec& ts);
std::string FormatTimeval(const timeval& tv);
std::string FormatStat(const struct stat& st);
std::string FormatSockaddr(std::string_view bytes);
std::string FormatPollfds(std::span<const pollfd> fds, bool results);
std::string FormatEpollEvent(const epoll_event& event);
std::string FormatRlimit(const rlimit& limit);
std::string FormatPollEvents(uint32_t events);
std::string FormatEpollEvents(uint32_t events);

// What follows " = ": "3", "-1 ENOENT (No such file or directory)", "? ERESTARTSYS (...)".
std::string FormatError(int error);

}  // namespace cvisor::strace

#endif  // CVISOR_PKG_SENTRY_STRACE_FORMAT_H_
