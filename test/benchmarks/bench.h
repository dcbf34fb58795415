// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Cases of the benchmark programs, syscall_bench and omp_bench. syscall_bench is plain libc, so
// that it is one small static file that runs on the host and in any sandbox.

#ifndef CVISOR_TEST_BENCHMARKS_BENCH_H_
#define CVISOR_TEST_BENCHMARKS_BENCH_H_

#include <cstdint>
#include <string>
#include <vector>

namespace cvisor::bench {

// Does the operation `n` times and returns the nanoseconds that these took, without the
// preparation. Ends the program with Fail() when something does not work.
using Function = int64_t (*)(int64_t n);

struct Case {
  const char* name;
  const char* what;  // one operation
  Function function;
  // Operations per measurement; 0: as many as fill the measuring time.
  int64_t iterations = 0;
};

// The cases of this program.
std::vector<Case> AllCases();

// Those of syscall_bench, by file.
std::vector<Case> CallCases();
std::vector<Case> FileCases();
std::vector<Case> IpcCases();
std::vector<Case> MemoryCases();
std::vector<Case> ProcessCases();

// An idle server of Unix sockets, for measurements from outside: one thread is in accept(), one in
// epoll_wait(). Prints "ready" before.
[[noreturn]] void ServeUnix();

// Prints what failed, with errno, and ends the program.
[[noreturn]] void Fail(const char* what);
// For calls that return -1 on failure.
inline int64_t Check(int64_t result, const char* what) {
  if (result < 0) Fail(what);
  return result;
}

int64_t NowNs();
class Stopwatch {
 public:
  int64_t Ns() const { return NowNs() - start_; }

 private:
  const int64_t start_ = NowNs();
};

// Processors that this program may use.
int Cores();
// Where files may be made: TMPDIR or /tmp.
std::string TempDir();
// This program. Called as "true" it exits at once.
const std::string& SelfPath();

// Keeps the compiler from dropping a computation.
template <typename T>
inline void Keep(const T& value) {
  asm volatile("" : : "g"(value) : "memory");
}

}  // namespace cvisor::bench

#endif  // CVISOR_TEST_BENCHMARKS_BENCH_H_
