// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/base/log.h"

#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/debugging/stacktrace.h"
#include "absl/debugging/symbolize.h"
#include "pkg/base/check.h"

namespace cvisor {
namespace log_internal {

std::atomic<int> g_min_level{static_cast<int>(LogLevel::kOff)};

namespace {
std::atomic<int> g_fd{-1};

void WriteAll(int fd, std::string_view s) {
  while (!s.empty()) {
    const ssize_t n = ::write(fd, s.data(), s.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // A full or closed log must not stop the sandbox.
    s.remove_prefix(static_cast<size_t>(n));
  }
}
}  // namespace

void Emit(LogLevel level, std::string_view line) {
  const int fd = g_fd.load(std::memory_order_acquire);
  if (fd < 0) return;
  timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  tm t;
  gmtime_r(&ts.tv_sec, &t);
  const int saved_errno = errno;
  const char letter = "DIWE-"[static_cast<int>(level)];
  WriteAll(fd, absl::StrFormat("%c%02d%02d %02d:%02d:%02d.%06d %d] %s\n", letter, t.tm_mon + 1,
                               t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, ts.tv_nsec / 1000,
                               ::syscall(SYS_gettid), line));
  errno = saved_errno;
}

}  // namespace log_internal

void SetLogDestination(int fd, LogLevel min_level) {
  log_internal::g_fd.store(fd, std::memory_order_release);
  log_internal::g_min_level.store(static_cast<int>(fd < 0 ? LogLevel::kOff : min_level));
}

void LogRaw(std::string_view line) { log_internal::Emit(LogLevel::kInfo, line); }

void CheckFailed(const char* file, int line, const char* what) {
  std::string message = absl::StrFormat("%s:%d: check failed: %s\n", file, line, what);
  void* pcs[48];
  const int depth = absl::GetStackTrace(pcs, 48, 1);
  for (int i = 0; i < depth; ++i) {
    char symbol[256] = "?";
    absl::Symbolize(static_cast<char*>(pcs[i]) - 1, symbol, sizeof(symbol));
    message += absl::StrFormat("    %p %s\n", pcs[i], symbol);
  }
  log_internal::Emit(LogLevel::kError, message);
  log_internal::WriteAll(STDERR_FILENO, message);
  abort();
}

}  // namespace cvisor
