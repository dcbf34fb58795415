// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/syscalls/poll.h"

#include <deque>

namespace cvisor::syscalls {
namespace {

size_t CountReady(std::span<PollEntry> entries) {
  size_t count = 0;
  for (PollEntry& e : entries) {
    if (e.file != nullptr) {
      const EventMask mask = e.wanted | e.always;
      e.ready = e.file->Readiness(mask) & mask;
    }
    count += e.ready != 0;
  }
  return count;
}

}  // namespace

Result<size_t> WaitForAny(Task& t, std::span<PollEntry> entries, Deadline deadline) {
  if (const size_t n = CountReady(entries); n != 0 || deadline.passed()) return n;
  std::deque<kernel::TaskWaiter> waiters;
  for (const PollEntry& e : entries) {
    if (e.file == nullptr) continue;
    if (WaitQueue* queue = e.file->wait_queue()) waiters.emplace_back(t, *queue, e.wanted);
  }
  for (;;) {
    if (const size_t n = CountReady(entries); n != 0) return n;
    const Status status = t.Block(deadline);
    if (status.error() == Errno::kETIMEDOUT) return CountReady(entries);
    RETURN_IF_ERROR(status);
  }
}

}  // namespace cvisor::syscalls
