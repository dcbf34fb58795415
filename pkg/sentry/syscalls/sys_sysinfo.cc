// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// What the system says of itself: uname(2), sysinfo(2), syslog(2), getrandom(2), getcpu(2),
// membarrier(2).

#include <sched.h>
#include <sys/personality.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "absl/strings/str_format.h"
#include "pkg/sentry/kernel/kernel.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/syscalls/handlers.h"

namespace cvisor::syscalls {
namespace {

void SetField(char (&field)[65], std::string_view value) {
  std::memset(field, 0, sizeof(field));
  std::memcpy(field, value.data(), std::min(value.size(), sizeof(field) - 1));
}

constexpr size_t kMaxHostName = 64;

Result<std::string> CopyInHostName(Task& t, const SyscallArgs& a) {
  const int length = a[1].As<int>();
  if (!t.HasCapIn(t.uts().user_ns(), CAP_SYS_ADMIN)) return Errno::kEPERM;
  if (length < 0 || static_cast<size_t>(length) > kMaxHostName) return Errno::kEINVAL;
  std::string name(static_cast<size_t>(length), '\0');
  RETURN_IF_ERROR(t.mm().CopyInBytes(a[0].raw, name.data(), name.size()));
  name.resize(strnlen(name.c_str(), name.size()));
  return name;
}

}  // namespace

namespace {

// UNAME26, for programs that know two-digit versions only: 6.12.0-x becomes 2.6.72-x.
std::string OldRelease(std::string_view release) {
  size_t end = 0;
  int dots = 0, minor = 0;
  for (; end < release.size(); ++end) {
    const char c = release[end];
    if (c == '.' && ++dots >= 3) break;
    if (c != '.' && (c < '0' || c > '9')) break;
    if (c != '.' && dots == 1) minor = minor * 10 + (c - '0');
  }
  return absl::StrFormat("2.6.%d%s", minor + 60, release.substr(end));
}

}  // namespace

Result<uint64_t> Uname(Task& t, const SyscallArgs& a) {
  utsname u;
  SetField(u.sysname, kernel::Kernel::kSysname);
  SetField(u.nodename, t.uts().hostname());
  SetField(u.release, (t.personality & UNAME26) != 0 ? OldRelease(kernel::Kernel::kRelease)
                                                     : std::string(kernel::Kernel::kRelease));
  SetField(u.version, kernel::Kernel::kVersion);
  // setarch(8): the name that 32-bit programs' builds go by.
  SetField(u.machine, (t.personality & PER_MASK) == PER_LINUX32 ? "i686" : kernel::Kernel::kMachine);
  SetField(u.domainname, t.uts().domainname());
  RETURN_IF_ERROR(t.CopyOut(a[0].raw, u));
  return 0;
}

Result<uint64_t> Sethostname(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(std::string name, CopyInHostName(t, a));
  t.uts().set_hostname(std::move(name));
  return 0;
}

Result<uint64_t> Setdomainname(Task& t, const SyscallArgs& a) {
  ASSIGN_OR_RETURN(std::string name, CopyInHostName(t, a));
  t.uts().set_domainname(std::move(name));
  return 0;
}

Result<uint64_t> Sysinfo(Task& t, const SyscallArgs& a) {
  struct sysinfo host = {};
  ::sysinfo(&host);
  struct sysinfo info = {};
  info.uptime = (kernel::MonotonicNs() - t.kernel().boot_monotonic_ns()) / 1000000000;
  info.totalram = host.totalram;
  info.freeram = host.freeram;
  info.bufferram = host.bufferram;
  info.mem_unit = host.mem_unit;
  info.procs = static_cast<unsigned short>(std::min<size_t>(t.kernel().task_count(), 65535));
  std::copy(std::begin(host.loads), std::end(host.loads), std::begin(info.loads));
  RETURN_IF_ERROR(t.CopyOut(a[0].raw, info));
  return 0;
}

Result<uint64_t> Syslog(Task& t, const SyscallArgs& a) {
  enum { kClose, kOpen, kRead, kReadAll, kReadClear, kClear, kConsoleOff, kConsoleOn, kConsoleLevel,
         kSizeUnread, kSizeBuffer };
  const int type = a[0].As<int>();
  const int length = a[2].As<int>();
  constexpr size_t kBufferSize = 1 << 17;
  switch (type) {
    case kClose:
    case kOpen:
      return 0;
    case kReadAll: {
      if (a[1].raw == 0 || length < 0) return Errno::kEINVAL;
      const std::string log = t.kernel().Dmesg();
      const size_t n = std::min(log.size(), static_cast<size_t>(length));
      RETURN_IF_ERROR(t.mm().CopyOutBytes(a[1].raw, log.data() + log.size() - n, n));
      return n;
    }
    case kSizeBuffer:
      return kBufferSize;
    case kSizeUnread:
      return 0;
    case kRead:
    case kReadClear:
    case kClear:
    case kConsoleOff:
    case kConsoleOn:
    case kConsoleLevel:
      return Errno::kEPERM;
    default:
      return Errno::kEINVAL;
  }
}

Result<uint64_t> Getrandom(Task& t, const SyscallArgs& a) {
  const auto flags = a[2].As<uint32_t>();
  constexpr uint32_t kInsecure = 4;
  if ((flags & ~(GRND_NONBLOCK | GRND_RANDOM | kInsecure)) != 0 ||
      (flags & (GRND_RANDOM | kInsecure)) == (GRND_RANDOM | kInsecure)) {
    return Errno::kEINVAL;
  }
  uint64_t left = std::min<uint64_t>(a[1].raw, INT32_MAX);
  uint64_t done = 0;
  std::byte buffer[4096];
  while (left > 0) {
    const size_t n = std::min<uint64_t>(left, 256);  // never short on the host up to 256
    const size_t chunk = left > 256 ? std::min<uint64_t>(left, sizeof(buffer)) : n;
    for (size_t filled = 0; filled < chunk;) {
      const ssize_t r = ::getrandom(buffer + filled, chunk - filled, 0);
      if (r < 0 && errno != EINTR) return HostErrno();
      if (r > 0) filled += static_cast<size_t>(r);
    }
    const auto copied = t.mm().CopyOutPartial(a[0].raw + done, std::span(buffer, chunk));
    if (!copied.ok()) return done != 0 ? Result<uint64_t>(done) : copied.error();
    done += *copied;
    left -= *copied;
    if (*copied < chunk) break;
    if (left > 0 && t.HasDeliverableSignal()) break;
  }
  return done;
}

Result<uint64_t> Getcpu(Task& t, const SyscallArgs& a) {
  const unsigned cpu =
      static_cast<unsigned>(std::max(0, ::sched_getcpu())) %
      static_cast<unsigned>(t.kernel().cpu_count());
  if (a[0].raw != 0) RETURN_IF_ERROR(t.CopyOut<unsigned>(a[0].raw, cpu));
  if (a[1].raw != 0) RETURN_IF_ERROR(t.CopyOut<unsigned>(a[1].raw, 0));
  return 0;
}

}  // namespace cvisor::syscalls
