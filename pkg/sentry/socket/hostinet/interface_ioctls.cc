// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/socket/hostinet/interface_ioctls.h"

#include <errno.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "pkg/base/unique_fd.h"
#include "pkg/sentry/fs/host/fd_cache.h"

namespace cvisor::socket::hostinet {
namespace {

constexpr size_t kMaxInterfaces = 4096;  // for SIOCGIFCONF

Result<UniqueFd> QuerySocket() {
  return fs::host::MakeHostFd([] { return ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); });
}

Result<uint64_t> Query(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) {
  ifreq asked;
  RETURN_IF_ERROR(mm.CopyInBytes(arg, &asked, sizeof(asked)));
  ifreq request{};
  if (cmd == SIOCGIFNAME) {
    request.ifr_ifindex = asked.ifr_ifindex;
  } else {
    std::memcpy(request.ifr_name, asked.ifr_name, IFNAMSIZ - 1);
  }
  ASSIGN_OR_RETURN(const UniqueFd fd, QuerySocket());
  if (ioctl(fd.get(), cmd, &request) < 0) return HostErrno();
  RETURN_IF_ERROR(mm.CopyOutBytes(arg, &request, sizeof(request)));
  return uint64_t{0};
}

// struct ifconf as the application has it.
struct UserIfconf {
  int32_t length;
  uint32_t pad;
  uint64_t buffer;
};

Result<uint64_t> List(mm::MemoryManager& mm, uint64_t arg) {
  UserIfconf conf;
  RETURN_IF_ERROR(mm.CopyInBytes(arg, &conf, sizeof(conf)));
  if (conf.length < 0) return Errno::kEINVAL;
  ASSIGN_OR_RETURN(const UniqueFd fd, QuerySocket());
  ifconf host{};
  if (ioctl(fd.get(), SIOCGIFCONF, &host) < 0) return HostErrno();  // how long would it be?
  if (conf.buffer == 0) {
    conf.length = host.ifc_len;
  } else {
    const size_t room =
        std::min<size_t>(static_cast<size_t>(conf.length) / sizeof(ifreq), kMaxInterfaces);
    std::vector<ifreq> list(room);
    host.ifc_len = static_cast<int>(room * sizeof(ifreq));
    host.ifc_req = list.data();
    if (room != 0 && ioctl(fd.get(), SIOCGIFCONF, &host) < 0) return HostErrno();
    conf.length = room == 0 ? 0 : host.ifc_len;
    RETURN_IF_ERROR(mm.CopyOutBytes(conf.buffer, list.data(), static_cast<size_t>(conf.length)));
  }
  RETURN_IF_ERROR(mm.CopyOutBytes(arg, &conf, sizeof(conf)));
  return uint64_t{0};
}

}  // namespace

Result<uint64_t> InterfaceIoctl(mm::MemoryManager& mm, uint32_t cmd, uint64_t arg) {
  switch (cmd) {
    case SIOCGIFCONF:
      return List(mm, arg);
    case SIOCGIFNAME:
    case SIOCGIFINDEX:
    case SIOCGIFFLAGS:
    case SIOCGIFADDR:
    case SIOCGIFDSTADDR:
    case SIOCGIFBRDADDR:
    case SIOCGIFNETMASK:
    case SIOCGIFMETRIC:
    case SIOCGIFMTU:
    case SIOCGIFHWADDR:
    case SIOCGIFTXQLEN:
    case SIOCGIFMAP:
      return Query(mm, cmd, arg);
    case SIOCSIFFLAGS:
    case SIOCSIFADDR:
    case SIOCSIFDSTADDR:
    case SIOCSIFBRDADDR:
    case SIOCSIFNETMASK:
    case SIOCSIFMETRIC:
    case SIOCSIFMTU:
    case SIOCSIFHWADDR:
    case SIOCSIFTXQLEN:
    case SIOCSIFNAME:
    case SIOCADDRT:
    case SIOCDELRT:
      return Errno::kEPERM;
    default:
      return Errno::kENOTTY;
  }
}

}  // namespace cvisor::socket::hostinet
