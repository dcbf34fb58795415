// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The main program of the benchmarks. Prints "name nanoseconds" per case:
//   syscall_bench [--list] [--time-ms=N] [--iterations=N] [CASE...]
//   syscall_bench --serve-unix
// A case is chosen by its name or a part of it. run.py compares runtimes with it.

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "test/benchmarks/bench.h"

namespace cvisor::bench {

void Fail(const char* what) {
  fprintf(stderr, "benchmark: %s: %s\n", what, strerror(errno));
  exit(1);
}

int64_t NowNs() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * int64_t{1000000000} + ts.tv_nsec;
}

int Cores() {
  cpu_set_t set;
  Check(sched_getaffinity(0, sizeof(set), &set), "sched_getaffinity");
  return CPU_COUNT(&set);
}

std::string TempDir() {
  const char* dir = getenv("TMPDIR");
  return dir != nullptr && *dir != 0 ? dir : "/tmp";
}

const std::string& SelfPath() {
  static const std::string path = [] {
    char buffer[PATH_MAX];
    return std::string(buffer, Check(readlink("/proc/self/exe", buffer, sizeof(buffer)), "self"));
  }();
  return path;
}

namespace {

// Nanoseconds per operation.
double Measure(const Case& c, int64_t iterations, int64_t time_ns) {
  if (iterations == 0) iterations = c.iterations;
  if (iterations != 0) return static_cast<double>(c.function(iterations)) / iterations;
  c.function(1);  // warms up
  for (int64_t n = 1;;) {
    const int64_t ns = std::max<int64_t>(c.function(n), 1);
    if (ns >= time_ns || n >= (int64_t{1} << 40)) return static_cast<double>(ns) / n;
    // Straight to the goal when the sample says how far it is, carefully before.
    const int64_t goal = static_cast<int64_t>(1.2 * n * static_cast<double>(time_ns) / ns) + 1;
    n = ns < time_ns / 20 ? std::min(goal, 10 * n) : goal;
  }
}

int Main(int argc, char** argv) {
  int64_t iterations = 0, time_ms = 200;
  bool list = false;
  std::vector<std::string> wanted;
  for (int i = 1; i < argc; ++i) {
    if (strcmp(argv[i], "--list") == 0) {
      list = true;
    } else if (strcmp(argv[i], "--serve-unix") == 0) {
      ServeUnix();
    } else if (strncmp(argv[i], "--time-ms=", 10) == 0) {
      time_ms = atoll(argv[i] + 10);
    } else if (strncmp(argv[i], "--iterations=", 13) == 0) {
      iterations = atoll(argv[i] + 13);
    } else if (argv[i][0] == '-') {
      fprintf(stderr, "benchmark: unknown flag %s\n", argv[i]);
      return 2;
    } else {
      wanted.push_back(argv[i]);
    }
  }
  const std::vector<Case> cases = AllCases();
  // A full name means this case, although others contain it.
  const auto named = [&](const std::string& name) {
    return std::any_of(cases.begin(), cases.end(), [&](const Case& c) { return name == c.name; });
  };
  bool any = false;
  for (const Case& c : cases) {
    const std::string name = c.name;
    const bool chosen = wanted.empty() || std::any_of(wanted.begin(), wanted.end(), [&](auto& w) {
                          return named(w) ? w == name : name.find(w) != std::string::npos;
                        });
    if (!chosen) continue;
    any = true;
    if (list) {
      printf("%s\t%s\n", c.name, c.what);
    } else {
      printf("%s %.1f\n", c.name, Measure(c, iterations, time_ms * 1000000));
    }
    fflush(stdout);
  }
  if (!any) fprintf(stderr, "benchmark: there is no such case\n");
  return any ? 0 : 2;
}

}  // namespace
}  // namespace cvisor::bench

int main(int argc, char** argv) {
  if (strcmp(argv[0], "true") == 0) _exit(0);
  return cvisor::bench::Main(argc, argv);
}
