// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the checker and the interpreter of seccomp(2) programs: what the checker lets through must
// end, with a return, without touching what is not its own.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "pkg/sentry/seccomp/bpf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  seccomp_data call;
  if (size < sizeof(call)) return 0;
  std::memcpy(&call, data, sizeof(call));
  std::vector<sock_filter> program((size - sizeof(call)) / sizeof(sock_filter));
  if (program.empty()) return 0;
  std::memcpy(program.data(), data + sizeof(call), program.size() * sizeof(sock_filter));
  if (cvisor::seccomp::CheckProgram(program).ok()) cvisor::seccomp::RunProgram(program, call);
  return 0;
}
