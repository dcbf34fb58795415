// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Names of flags and of values, by argument. FlagsOf() says how a table is to be used.

#ifndef CVISOR_PKG_SENTRY_STRACE_FLAGS_H_
#define CVISOR_PKG_SENTRY_STRACE_FLAGS_H_

#include <span>

#include "pkg/sentry/strace/format.h"
#include "pkg/sentry/syscalls/table.h"

namespace cvisor::strace {

struct FlagTable {
  std::span<const Flag> names;
  bool is_enum = false;  // one of, not a set of
};
// Empty if arguments of this format are no flags.
FlagTable FlagsOf(syscalls::ArgFormat format);

// SOL_SOCKET options and IPPROTO_TCP ones; those of other levels are numbers.
std::span<const Flag> SocketOptionNames(int level);
std::span<const Flag> FcntlCommandNames();

}  // namespace cvisor::strace

#endif  // CVISOR_PKG_SENTRY_STRACE_FLAGS_H_
