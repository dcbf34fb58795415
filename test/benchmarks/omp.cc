// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// An OpenMP program in the manner of LightGBM's training: many short parallel regions, each with
// two loops and the barriers between them. It is mostly computing, so a sandbox is slow here only
// when its barriers are, or when it takes the cores away from the threads.
//
// One operation is a turn: every thread adds its rows to a histogram of its own, then all threads
// add up the histograms. Its work is the same for any number of threads.

#include <omp.h>
#include <sched.h>

#include <array>
#include <atomic>
#include <memory>

#include "test/benchmarks/bench.h"

namespace cvisor::bench {
namespace {

constexpr int kRows = 1 << 16;
constexpr int kBins = 256;

struct Data {
  explicit Data(int threads) : histograms(threads) {
    uint32_t random = 1;
    for (int i = 0; i < kRows; ++i) {
      random = random * 1664525 + 1013904223;
      bins[i] = static_cast<uint8_t>(random >> 24);
      gradients[i] = static_cast<float>(i % 17) - 8;
    }
  }

  // Rows of thread `thread` of `threads`, like schedule(static).
  void Fill(int thread, int threads) {
    auto& histogram = histograms[thread].sums;
    histogram.fill(0);
    const int end = static_cast<int>(int64_t{kRows} * (thread + 1) / threads);
    for (int i = static_cast<int>(int64_t{kRows} * thread / threads); i < end; ++i) {
      histogram[bins[i]] += gradients[i];
    }
  }
  void Sum(int thread, int threads) {
    for (int bin = kBins * thread / threads; bin < kBins * (thread + 1) / threads; ++bin) {
      double sum = 0;
      for (const auto& h : histograms) sum += h.sums[bin];
      total[bin] = sum;
    }
  }

  struct alignas(64) Histogram {
    std::array<double, kBins> sums;
  };
  std::array<uint8_t, kRows> bins;
  std::array<float, kRows> gradients;
  std::vector<Histogram> histograms;
  std::array<double, kBins> total;
};

// Libgomp's own barriers: they spin, then sleep on a futex. A region per turn.
template <int kPerCore>
int64_t Gomp(int64_t n) {
  const int threads = kPerCore * Cores();
  const auto data = std::make_unique<Data>(threads);
  const Stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
#pragma omp parallel num_threads(threads)
    {
      data->Fill(omp_get_thread_num(), threads);
#pragma omp barrier
      data->Sum(omp_get_thread_num(), threads);
    }
    Keep(data->total[0]);
  }
  return watch.Ns();
}

// Waits by sched_yield, as many numerical programs do.
class SpinBarrier {
 public:
  explicit SpinBarrier(int threads) : threads_(threads) {}

  void Wait() {
    const uint32_t phase = phase_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
      arrived_.store(0, std::memory_order_relaxed);
      phase_.store(phase + 1, std::memory_order_release);
      return;
    }
    for (int spins = 0; phase_.load(std::memory_order_acquire) == phase; ++spins) {
      if (spins < kSpins) {
        __builtin_ia32_pause();
      } else {
        sched_yield();
      }
    }
  }

 private:
  static constexpr int kSpins = 100;  // a few microseconds
  const int threads_;
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<uint32_t> phase_{0};
};

template <int kPerCore>
int64_t Spin(int64_t n) {
  const int threads = kPerCore * Cores();
  const auto data = std::make_unique<Data>(threads);
  SpinBarrier barrier(threads);
  const Stopwatch watch;
#pragma omp parallel num_threads(threads)
  {
    for (int64_t i = 0; i < n; ++i) {
      data->Fill(omp_get_thread_num(), threads);
      barrier.Wait();
      data->Sum(omp_get_thread_num(), threads);
      barrier.Wait();
    }
  }
  Keep(data->total[0]);
  return watch.Ns();
}

}  // namespace

std::vector<Case> AllCases() {
  // A team smaller than asked for would leave the spin barrier waiting for ever.
  omp_set_dynamic(0);
  return {{"omp_gomp_1x", "short parallel regions, a thread per core, GOMP's barriers", Gomp<1>},
          {"omp_gomp_2x", "the same, two threads per core", Gomp<2>},
          {"omp_spin_1x", "the same, a thread per core, barriers of sched_yield", Spin<1>},
          {"omp_spin_2x", "the same, two threads per core", Spin<2>}};
}

}  // namespace cvisor::bench
