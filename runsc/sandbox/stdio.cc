// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/sandbox/stdio.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

// The kernel's struct, which glibc's <termios.h> clashes with.
#include <asm/termbits.h>

namespace cvisor::runsc::sandbox {
namespace {

constexpr unsigned long kGetTermios2 = 0x802c542a;  // TCGETS2

bool g_was_closed[3];

bool IsTerminal(int fd) {
  struct termios2 t;
  return ioctl(fd, kGetTermios2, &t) == 0;
}

bool SameTerminal(int a, int b) {
  struct stat sa, sb;
  return IsTerminal(a) && IsTerminal(b) && fstat(a, &sa) == 0 && fstat(b, &sb) == 0 &&
         sa.st_rdev == sb.st_rdev && sa.st_ino == sb.st_ino && sa.st_dev == sb.st_dev;
}

}  // namespace

void ReserveStdio() {
  for (int fd = 0; fd < 3; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    g_was_closed[fd] = true;
    (void)open("/dev/null", O_RDWR);  // gets this number, the lowest that is free
  }
}

void ReleaseStdio() {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return;
  dup2(null, 0);
  dup2(null, 1);
  if (null > 2) close(null);
}

int PassStdio(control::Stdio* out, bool force_terminal) {
  const bool terminal = force_terminal || SameTerminal(0, 1);
  for (int fd = 0; fd < 3; ++fd) {
    if (g_was_closed[fd]) continue;  // closed inside too
    auto* d = out->add_descriptors();
    d->set_guest(fd);
    d->set_host(fd);
    d->set_terminal(terminal && (force_terminal || SameTerminal(0, fd)));
  }
  if (!terminal) return -1;
  struct termios2 t;
  if (ioctl(0, kGetTermios2, &t) != 0) return -1;
  out->set_console_termios(&t, sizeof(t));
  struct winsize size;
  if (ioctl(0, TIOCGWINSZ, &size) == 0) {
    out->mutable_console_size()->set_rows(size.ws_row);
    out->mutable_console_size()->set_columns(size.ws_col);
    out->mutable_console_size()->set_xpixel(size.ws_xpixel);
    out->mutable_console_size()->set_ypixel(size.ws_ypixel);
  }
  return 0;
}

}  // namespace cvisor::runsc::sandbox
