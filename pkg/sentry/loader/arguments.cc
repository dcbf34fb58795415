// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/loader/arguments.h"

#include <algorithm>
#include <span>
#include <utility>

namespace cvisor::loader {
namespace {

constexpr uint64_t kLeastLimit = 128 << 10;
constexpr uint64_t kMostLimit = 6 << 20;
constexpr uint64_t kPointer = sizeof(uint64_t);

// False if the budget is used up.
bool Take(uint64_t* budget, uint64_t n) {
  if (n > *budget) return false;
  *budget -= n;
  return true;
}

}  // namespace

uint64_t ArgumentLimit(uint64_t rlimit_stack) {
  return std::clamp(rlimit_stack / 4, kLeastLimit, kMostLimit);
}

Status CheckArguments(const std::string& filename, const std::vector<std::string>& argv,
                      const std::vector<std::string>& envp, uint64_t limit) {
  uint64_t budget = limit;
  if (!Take(&budget, filename.size() + 1)) return Errno::kE2BIG;
  for (const auto* list : {&argv, &envp}) {
    for (const std::string& s : *list) {
      if (s.size() >= kMaxArgumentLength) return Errno::kE2BIG;
      if (!Take(&budget, s.size() + 1 + kPointer)) return Errno::kE2BIG;
    }
  }
  return OkStatus();
}

Result<std::vector<std::string>> CopyInStringArray(mm::MemoryManager& mm, mm::UserAddr array,
                                                   uint64_t* budget) {
  std::vector<std::string> strings;
  if (array == 0) return strings;
  uint64_t pointers[64];
  while (true) {
    // Pointers come in groups; the array may end right before unmapped memory.
    ASSIGN_OR_RETURN(const size_t bytes,
                     mm.CopyInPartial(array, std::as_writable_bytes(std::span(pointers))));
    const size_t n = bytes / kPointer;
    if (n == 0) return Errno::kEFAULT;
    for (size_t i = 0; i < n; ++i) {
      if (pointers[i] == 0) return strings;
      auto s = mm.CopyInString(pointers[i], kMaxArgumentLength - 1);
      if (s.error() == Errno::kENAMETOOLONG) return Errno::kE2BIG;
      if (!s.ok()) return s.error();
      if (!Take(budget, s->size() + 1 + kPointer)) return Errno::kE2BIG;
      strings.push_back(std::move(s).value());
    }
    array += n * kPointer;
  }
}

}  // namespace cvisor::loader
