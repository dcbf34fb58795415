// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// What a new program finds on its stack: argc, argv, envp, the auxiliary vector (getauxval(3)) and
// the strings they point to, in Linux's order.

#ifndef CVISOR_PKG_SENTRY_LOADER_STACK_H_
#define CVISOR_PKG_SENTRY_LOADER_STACK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "pkg/sentry/platform/platform.h"

namespace cvisor::loader {

struct StackContents {
  std::vector<std::string> argv, envp;
  std::string filename;                // AT_EXECFN
  std::array<std::byte, 16> random{};  // AT_RANDOM
  // The vector without AT_NULL. The values of AT_RANDOM, AT_EXECFN and AT_PLATFORM are filled in.
  std::vector<std::pair<uint64_t, uint64_t>> auxv;
  uint64_t padding = 0;  // unused bytes below the strings: randomisation, less than 8 KiB
};

struct StackImage {
  std::vector<std::byte> bytes;  // of [sp, top)
  platform::UserAddr sp = 0;     // 16-byte aligned; argc is here
  platform::UserAddr arg_start = 0, arg_end = 0, env_start = 0, env_end = 0;
  std::vector<uint64_t> auxv;  // as on the stack, with AT_NULL
};

// `top` is the end of the stack, page aligned.
StackImage BuildStack(const StackContents& contents, platform::UserAddr top);

}  // namespace cvisor::loader

#endif  // CVISOR_PKG_SENTRY_LOADER_STACK_H_
