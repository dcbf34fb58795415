// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/syscalls/table_print.h"

#include <array>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"

namespace cvisor::syscalls {

std::string_view SupportName(Support support) {
  switch (support) {
    case Support::kFull: return "full";
    case Support::kPartial: return "partial";
    case Support::kStub: return "stub";
    case Support::kNone: return "none";
  }
  return "none";
}

std::string SyscallTableText() {
  std::string out = absl::StrFormat("%-6s %-24s %-8s %s\n", "NUMBER", "NAME", "SUPPORT", "NOTE");
  std::array<int, 4> counts{};
  for (const SyscallInfo& info : Table()) {
    out += absl::StrFormat("%-6d %-24s %-8s %s", info.number, info.name, SupportName(info.support),
                           info.note);
    while (out.back() == ' ') out.pop_back();
    out.push_back('\n');
    ++counts[static_cast<size_t>(info.support)];
  }
  out += absl::StrFormat("\n%d calls: %d full, %d partial, %d stub, %d none (ENOSYS)\n",
                         Table().size(), counts[0], counts[1], counts[2], counts[3]);
  return out;
}

std::string SyscallTableJson() {
  auto calls = nlohmann::ordered_json::array();
  for (const SyscallInfo& info : Table()) {
    calls.push_back({{"number", info.number},
                     {"name", info.name},
                     {"support", SupportName(info.support)},
                     {"note", info.note}});
  }
  return nlohmann::ordered_json{{"amd64", calls}}.dump(2) + "\n";
}

}  // namespace cvisor::syscalls
