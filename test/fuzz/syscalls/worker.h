// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#ifndef CVISOR_TEST_FUZZ_SYSCALLS_WORKER_H_
#define CVISOR_TEST_FUZZ_SYSCALLS_WORKER_H_

#include <cstdint>

namespace cvisor::fuzz {

// This process makes random calls until it dies. The shared pages are mapped.
[[noreturn]] void RunWorker(uint64_t seed, int extra_threads);

}  // namespace cvisor::fuzz

#endif  // CVISOR_TEST_FUZZ_SYSCALLS_WORKER_H_
