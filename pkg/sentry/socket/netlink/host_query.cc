// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/socket/netlink/host_query.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "pkg/base/unique_fd.h"
#include "pkg/sentry/fs/host/fd_cache.h"
#include "pkg/sentry/fs/host/file.h"
#include "pkg/sentry/socket/netlink/message.h"

namespace cvisor::socket::netlink {
namespace {

constexpr size_t kMaxAnswer = 8 << 20;

bool IsLast(std::string_view datagram, bool dump) {
  while (const auto m = NextMessage(&datagram)) {
    if (m->header.nlmsg_type == NLMSG_DONE || m->header.nlmsg_type == NLMSG_ERROR) return true;
    if (!dump) return true;
  }
  return false;
}

}  // namespace

Result<std::vector<std::string>> QueryHost(std::string_view request, bool dump) {
  ASSIGN_OR_RETURN(const UniqueFd fd, fs::host::MakeHostFd([] {
                     return ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
                   }));
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (sendto(fd.get(), request.data(), request.size(), MSG_DONTWAIT,
             reinterpret_cast<const sockaddr*>(&kernel), sizeof(kernel)) < 0) {
    return HostErrno();
  }
  std::vector<std::string> answer;
  const auto buffer = fs::host::ThreadIoBuffer();
  size_t total = 0;
  for (;;) {
    const ssize_t n = recv(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return answer;
    total += static_cast<size_t>(n);
    if (total > kMaxAnswer) return Errno::kENOBUFS;
    answer.emplace_back(reinterpret_cast<const char*>(buffer.data()), static_cast<size_t>(n));
    if (IsLast(answer.back(), dump)) return answer;
  }
}

}  // namespace cvisor::socket::netlink
