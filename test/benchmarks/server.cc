// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// A server that only waits.

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test/benchmarks/bench.h"

namespace cvisor::bench {
namespace {

int Listen(const std::string& path) {
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() >= sizeof(address.sun_path)) Fail("the socket's path is too long");
  path.copy(address.sun_path, path.size());
  const int fd = Check(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  Check(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), "bind");
  Check(listen(fd, 8), "listen");
  return fd;
}

void* AcceptForEver(void* fd) {
  for (;;) close(Check(accept(*static_cast<int*>(fd), nullptr, nullptr), "accept"));
}

}  // namespace

void ServeUnix() {
  std::string dir = "/tmp/syscall_bench.XXXXXX";  // TMPDIR may be too long for a socket
  if (mkdtemp(dir.data()) == nullptr) Fail("mkdtemp");
  const std::string paths[] = {dir + "/accept", dir + "/epoll"};
  int accepting = Listen(paths[0]);
  const int polled = Listen(paths[1]);
  // Nobody will come.
  for (const auto& path : paths) unlink(path.c_str());
  rmdir(dir.c_str());

  pthread_t thread;
  if (pthread_create(&thread, nullptr, AcceptForEver, &accepting) != 0) Fail("pthread_create");
  const int epoll = Check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  epoll_event event = {.events = EPOLLIN, .data = {.fd = polled}};
  Check(epoll_ctl(epoll, EPOLL_CTL_ADD, polled, &event), "epoll_ctl");
  puts("ready");
  fflush(stdout);
  for (;;) {
    Check(epoll_wait(epoll, &event, 1, -1), "epoll_wait");
    close(Check(accept(polled, nullptr, nullptr), "accept"));
  }
}

}  // namespace cvisor::bench
