// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The price of one system call.

#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

#include "test/benchmarks/bench.h"

namespace cvisor::bench {
namespace {

int64_t GetppidLibc(int64_t n) {
  const Stopwatch watch;
  for (int64_t i = 0; i < n; ++i) Keep(syscall(SYS_getppid));
  return watch.Ns();
}

// The shape of libc's own wrappers, which a sandbox can patch.
__attribute__((noinline)) long GetppidSite() {
  long result;
  asm volatile("mov %1, %%eax\n\tsyscall"
               : "=a"(result)
               : "i"(SYS_getppid)
               : "rcx", "r11", "memory");
  return result;
}

int64_t GetppidInline(int64_t n) {
  const Stopwatch watch;
  for (int64_t i = 0; i < n; ++i) Keep(GetppidSite());
  return watch.Ns();
}

std::atomic<bool> stop_computing;

void* Compute(void*) {
  uint64_t x = 1;
  while (!stop_computing.load(std::memory_order_relaxed)) {
    for (int i = 0; i < 1000; ++i) x = x * 6364136223846793005 + 1442695040888963407;
    Keep(x);
  }
  return nullptr;
}

// No core to spare: as many threads of the same process compute meanwhile.
int64_t GetppidBusy(int64_t n) {
  stop_computing.store(false);
  std::vector<pthread_t> threads(Cores());
  for (auto& t : threads) {
    if (pthread_create(&t, nullptr, Compute, nullptr) != 0) Fail("pthread_create");
  }
  const int64_t ns = GetppidLibc(n);
  stop_computing.store(true);
  for (auto& t : threads) pthread_join(t, nullptr);
  return ns;
}

int64_t ClockGettime(int64_t n) {
  const Stopwatch watch;
  timespec ts;
  for (int64_t i = 0; i < n; ++i) {
    clock_gettime(CLOCK_MONOTONIC, &ts);
    Keep(ts);
  }
  return watch.Ns();
}

}  // namespace

std::vector<Case> CallCases() {
  return {{"getppid", "getppid through libc's syscall()", GetppidLibc},
          {"getppid_site", "getppid from a mov, syscall site, with a core to spare", GetppidInline},
          {"getppid_busy", "getppid while a thread per core computes", GetppidBusy},
          {"clock_gettime", "clock_gettime, by the vDSO", ClockGettime}};
}

}  // namespace cvisor::bench
