// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The debug log: printf-like (absl::Format), one line per call, thread safe. Where the lines go is set
// once at start-up (--debug-log, --debug); without a destination kInfo and kDebug cost one branch.
// What a user must read goes to stderr or the --log file through runsc, not through here.

#ifndef CVISOR_PKG_BASE_LOG_H_
#define CVISOR_PKG_BASE_LOG_H_

#include <atomic>
#include <string>
#include <string_view>

#include "absl/strings/str_format.h"

namespace cvisor {

enum class LogLevel : int { kDebug = 0, kInfo = 1, kWarning = 2, kError = 3, kOff = 4 };

namespace log_internal {
extern std::atomic<int> g_min_level;
void Emit(LogLevel level, std::string_view line);
}  // namespace log_internal

// Lines of at least `min_level` go to `fd`, which must stay open. fd -1 turns logging off.
void SetLogDestination(int fd, LogLevel min_level);
inline bool LogEnabled(LogLevel level) {
  return static_cast<int>(level) >= log_internal::g_min_level.load(std::memory_order_relaxed);
}
// Writes the line whatever the level is, if there is a destination. For strace.
void LogRaw(std::string_view line);

template <typename... Args>
void Log(LogLevel level, const absl::FormatSpec<Args...>& format, const Args&... args) {
  if (LogEnabled(level)) log_internal::Emit(level, absl::StrFormat(format, args...));
}
template <typename... Args>
void LogDebug(const absl::FormatSpec<Args...>& format, const Args&... args) {
  Log(LogLevel::kDebug, format, args...);
}
template <typename... Args>
void LogInfo(const absl::FormatSpec<Args...>& format, const Args&... args) {
  Log(LogLevel::kInfo, format, args...);
}
template <typename... Args>
void LogWarning(const absl::FormatSpec<Args...>& format, const Args&... args) {
  Log(LogLevel::kWarning, format, args...);
}
template <typename... Args>
void LogError(const absl::FormatSpec<Args...>& format, const Args&... args) {
  Log(LogLevel::kError, format, args...);
}

}  // namespace cvisor

#endif  // CVISOR_PKG_BASE_LOG_H_
