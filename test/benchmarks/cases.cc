// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "test/benchmarks/bench.h"

namespace cvisor::bench {

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const auto& some : {CallCases(), FileCases(), IpcCases(), MemoryCases(), ProcessCases()}) {
    cases.insert(cases.end(), some.begin(), some.end());
  }
  return cases;
}

}  // namespace cvisor::bench
