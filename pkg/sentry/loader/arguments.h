// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Arguments and environment of execve(2): how large they may be, and how they are read.

#ifndef CVISOR_PKG_SENTRY_LOADER_ARGUMENTS_H_
#define CVISOR_PKG_SENTRY_LOADER_ARGUMENTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "pkg/base/result.h"
#include "pkg/sentry/mm/memory_manager.h"

namespace cvisor::loader {

// One string, with its NUL (Linux: MAX_ARG_STRLEN).
inline constexpr size_t kMaxArgumentLength = 128 << 10;

// All strings and the pointers to them: a quarter of the stack's limit, between 128 KiB and 6 MiB.
uint64_t ArgumentLimit(uint64_t rlimit_stack);

// E2BIG if these do not fit the limit.
Status CheckArguments(const std::string& filename, const std::vector<std::string>& argv,
                      const std::vector<std::string>& envp, uint64_t limit);

// Reads an array of pointers that ends with a null pointer, and the strings. A null `array` is
// empty. Takes what they need, with the pointers, off *budget (start with ArgumentLimit()); E2BIG
// if it runs out. EFAULT.
Result<std::vector<std::string>> CopyInStringArray(mm::MemoryManager& mm, mm::UserAddr array,
                                                   uint64_t* budget);

}  // namespace cvisor::loader

#endif  // CVISOR_PKG_SENTRY_LOADER_ARGUMENTS_H_
