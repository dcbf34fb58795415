// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Arguments that point to something.

#ifndef CVISOR_TEST_FUZZ_SYSCALLS_STRUCTURES_H_
#define CVISOR_TEST_FUZZ_SYSCALLS_STRUCTURES_H_

#include "test/fuzz/syscalls/calls.h"

namespace cvisor::fuzz {

uint64_t MakeStructure(Thread& t, Kind kind, uint64_t previous);

// Programs and their arguments for execve: this one as a worker, mostly.
struct Program {
  uint64_t path, argv, envp;
};
Program RandomProgram(Thread& t);

}  // namespace cvisor::fuzz

#endif  // CVISOR_TEST_FUZZ_SYSCALLS_STRUCTURES_H_
