// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/sandbox/control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <cstring>

namespace cvisor::runsc::sandbox {
namespace {

constexpr char kName[] = "control.sock";

// A name for `path` that fits into an address: by a descriptor of its directory.
Outcome<sockaddr_un> Address(const std::string& dir, const std::string& name, UniqueFd* holder) {
  *holder = UniqueFd(open(dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!holder->valid()) return FailureFromErrno("opening " + dir, errno);
  const std::string path = "/proc/self/fd/" + std::to_string(holder->get()) + "/" + name;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return Failure{"the name " + name + " is too long"};
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Outcome<UniqueFd> Connect(const std::string& dir, const std::string& name, int type) {
  UniqueFd holder;
  auto address = Address(dir, name, &holder);
  if (!address.ok()) return address.failure();
  UniqueFd fd(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return FailureFromErrno("socket", errno);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0) {
    return FailureFromErrno("connecting to " + dir + "/" + name, errno);
  }
  return fd;
}

}  // namespace

Outcome<UniqueFd> ListenIn(const std::string& dir) {
  UniqueFd holder;
  auto address = Address(dir, kName, &holder);
  if (!address.ok()) return address.failure();
  UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return FailureFromErrno("socket", errno);
  unlinkat(holder.get(), kName, 0);  // of a dead sandbox
  const mode_t mask = umask(0177);
  const int bound = bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address));
  umask(mask);
  if (bound != 0 || listen(fd.get(), 128) != 0) {
    return FailureFromErrno("making the control socket in " + dir, errno);
  }
  return fd;
}

Outcome<control::Channel> ConnectIn(const std::string& dir) {
  auto fd = Connect(dir, kName, SOCK_SEQPACKET);
  if (!fd.ok()) return fd.failure();
  return control::Channel(std::move(*fd));
}

Outcome<UniqueFd> SendConsole(const std::string& path) {
  const UniqueFd master(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  char name[64];
  if (!master.valid() || unlockpt(master.get()) != 0 ||
      ptsname_r(master.get(), name, sizeof(name)) != 0) {
    return FailureFromErrno("making a pseudo-terminal", errno);
  }
  UniqueFd slave(open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
  termios raw;
  if (!slave.valid() || tcgetattr(slave.get(), &raw) != 0) {
    return FailureFromErrno("opening " + std::string(name), errno);
  }
  cfmakeraw(&raw);
  if (tcsetattr(slave.get(), TCSANOW, &raw) != 0) return FailureFromErrno(name, errno);
  const size_t slash = path.rfind('/');
  const std::string dir = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  auto fd = Connect(dir, path.substr(slash + 1), SOCK_STREAM);
  if (!fd.ok()) return fd.failure();
  iovec iov{name, strlen(name)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* c = CMSG_FIRSTHDR(&message);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof(int));
  const int number = master.get();
  std::memcpy(CMSG_DATA(c), &number, sizeof(number));
  if (sendmsg(fd->get(), &message, MSG_NOSIGNAL) < 0) {
    return FailureFromErrno("sending the terminal to " + path, errno);
  }
  return slave;
}

}  // namespace cvisor::runsc::sandbox
