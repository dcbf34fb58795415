// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The kernel's struct termios: shorter than glibc's. Flags and indices are those of <termios.h>.

#ifndef CVISOR_PKG_ABI_LINUX_TERMIOS_H_
#define CVISOR_PKG_ABI_LINUX_TERMIOS_H_

#include <cstdint>

namespace cvisor::linux_abi {

struct KernelTermios {
  uint32_t iflag, oflag, cflag, lflag;
  uint8_t line;
  uint8_t cc[19];
};
static_assert(sizeof(KernelTermios) == 36);

}  // namespace cvisor::linux_abi

#endif  // CVISOR_PKG_ABI_LINUX_TERMIOS_H_
