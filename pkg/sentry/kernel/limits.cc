// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/kernel/limits.h"

namespace cvisor::kernel {

LimitSet::LimitSet() {
  limits_[RLIMIT_STACK] = {8u << 20, RLIM_INFINITY};
  limits_[RLIMIT_CORE] = {0, RLIM_INFINITY};
  limits_[RLIMIT_NOFILE] = {1024, 1048576};
  limits_[RLIMIT_MEMLOCK] = {8u << 20, 8u << 20};
  limits_[RLIMIT_SIGPENDING] = {32768, 32768};
  limits_[RLIMIT_NPROC] = {32768, 32768};
  limits_[RLIMIT_MSGQUEUE] = {819200, 819200};
  limits_[RLIMIT_NICE] = {0, 0};
  limits_[RLIMIT_RTPRIO] = {0, 0};
}

}  // namespace cvisor::kernel
