// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Memory: mapping calls and page faults.

#include <sys/mman.h>

#include "test/benchmarks/bench.h"

namespace cvisor::bench {
namespace {

constexpr size_t kPage = 4096;

void* Map(size_t size) {
  void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) Fail("mmap");
  return p;
}

void Touch(void* p, size_t size) {
  volatile char* bytes = static_cast<volatile char*>(p);
  for (size_t i = 0; i < size; i += kPage) bytes[i] = 1;
}

int64_t MmapTouchMunmap(int64_t n) {
  constexpr size_t kSize = 64 << 10;
  const Stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    void* p = Map(kSize);
    Touch(p, kSize);
    Check(munmap(p, kSize), "munmap");
  }
  return watch.Ns();
}

int64_t PageFault(int64_t n) {
  constexpr int64_t kPages = 1024;
  int64_t ns = 0;
  for (int64_t done = 0; done < n; done += kPages) {
    const size_t size = static_cast<size_t>(n - done < kPages ? n - done : kPages) * kPage;
    void* p = Map(size);
    // One fault per page, also where huge pages are the default.
    (void)madvise(p, size, MADV_NOHUGEPAGE);
    const Stopwatch watch;
    Touch(p, size);
    ns += watch.Ns();
    Check(munmap(p, size), "munmap");
  }
  return ns;
}

}  // namespace

std::vector<Case> MemoryCases() {
  return {{"mmap_64k", "mmap of 64 KiB, touching its pages, munmap", MmapTouchMunmap},
          {"page_fault", "first touch of an anonymous page", PageFault}};
}

}  // namespace cvisor::bench
