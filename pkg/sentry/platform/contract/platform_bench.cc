// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Prices of a platform's operations: `platform_bench [platform [iterations]]`. See test_platform.h
// for the names.

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "pkg/sentry/platform/contract/test_platform.h"
#include "pkg/sentry/platform/contract/test_program.h"

namespace cvisor::platform {
namespace {

double NowUs() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return static_cast<double>(ts.tv_sec) * 1e6 + static_cast<double>(ts.tv_nsec) / 1e3;
}

template <typename F>
void Measure(const char* name, int n, F&& f) {
  const double start = NowUs();
  for (int i = 0; i < n; ++i) f();
  printf("%-44s %9.2f us\n", name, (NowUs() - start) / n);
  fflush(stdout);
}

void SyscallRun(Platform& p, int n, bool dirty) {
  auto ctx = *p.NewContext();
  auto as = *p.NewAddressSpace();
  LoadProgram(*as, *ctx, SyscallLoop());
  arch::Registers regs = StartRegisters();
  ctx->Switch(*as, &regs, true);
  Measure(dirty ? "system call round trip" : "system call round trip, clean registers", n, [&] {
    if (dirty) regs.rax = 0;
    ctx->Switch(*as, &regs, dirty);
  });
  MapText(*as, *ctx, WrapperLoop());
  regs.rip = kCode;
  for (int i = 0; i < 100; ++i) ctx->Switch(*as, &regs, true);
  Measure("system call round trip, text of a file", n, [&] { ctx->Switch(*as, &regs, dirty); });
  Measure("map + unmap of a page", n / 10, [&] {
    MapOptions o{.addr = 0x10000000, .length = 0x1000, .prot = PROT_READ | PROT_WRITE};
    (void)as->Map(*ctx, o).ok();
    (void)as->Unmap(*ctx, o.addr, o.length).ok();
  });
  Measure("compare and swap", n / 10, [&] { (void)ctx->CompareAndSwap32(*as, kData, 0, 0).ok(); });
  std::byte buffer[4096];
  Measure("copy in 8 bytes", n, [&] { (void)as->CopyIn(kData, std::span(buffer, 8)).ok(); });
  Measure("GetUsage", n / 10, [&] { as->GetUsage(); });
  Measure("UserCpuTimeNs", n / 10, [&] { ctx->UserCpuTimeNs(); });
  Measure("GetXsave", n / 10, [&] { (void)ctx->GetXsave().ok(); });
  ctx->Release();
}

void Forks(Platform& p, int n) {
  auto ctx = *p.NewContext();
  auto as = *p.NewAddressSpace();
  LoadProgram(*as, *ctx, SyscallLoop());
  arch::Registers regs = StartRegisters();
  ctx->Switch(*as, &regs, true);
  Measure("fork + destroy, never run", n, [&] { (void)as->Fork(*ctx).ok(); });
  Measure("fork + thread + 1 call + exit", n, [&] {
    auto child_as = *as->Fork(*ctx);
    auto child = *p.NewContext();
    (void)ctx->CloneInto(*child, *child_as).ok();
    std::thread t([&] {
      arch::Registers r = StartRegisters();
      child->Switch(*child_as, &r, true);
      child->Release();
      child.reset();
      child_as.reset();
    });
    t.join();
  });
  Measure("new thread + 1 call + exit", n, [&] {
    auto child = *p.NewContext();
    (void)ctx->CloneInto(*child, *as).ok();
    std::thread t([&] {
      arch::Registers r = StartRegisters();
      child->Switch(*as, &r, true);
      child->Release();
      child.reset();
    });
    t.join();
  });
  Measure("new address space + destroy", n, [&] { (void)p.NewAddressSpace().ok(); });
  Measure("host thread create + join", n, [&] { std::thread([] {}).join(); });
  ctx->Release();
}

// `threads` computing threads: how much CPU do they get?
void Compute(Platform& p, int threads) {
  std::vector<std::thread> all;
  std::atomic<uint64_t> cpu{0};
  const double start = NowUs();
  for (int i = 0; i < threads; ++i) {
    all.emplace_back([&] {
      auto ctx = *p.NewContext();
      auto as = *p.NewAddressSpace();
      LoadProgram(*as, *ctx, EndlessLoop());
      arch::Registers regs = StartRegisters();
      std::thread stopper([&] {
        usleep(1000000);
        ctx->Interrupt();
      });
      ctx->Switch(*as, &regs, true);
      stopper.join();
      cpu += ctx->UserCpuTimeNs();
      ctx->Release();
    });
  }
  for (auto& t : all) t.join();
  printf("%d computing threads: %.0f ms of CPU in %.0f ms\n", threads,
         static_cast<double>(cpu) / 1e6, (NowUs() - start) / 1e3);
}

void ParallelCalls(Platform& p, int threads) {
  std::vector<std::thread> all;
  std::atomic<uint64_t> calls{0};
  std::atomic<bool> stop{false};
  for (int i = 0; i < threads; ++i) {
    all.emplace_back([&] {
      auto ctx = *p.NewContext();
      auto as = *p.NewAddressSpace();
      LoadProgram(*as, *ctx, SyscallLoop());
      arch::Registers regs = StartRegisters();
      uint64_t n = 0;
      for (; !stop; ++n) {
        ctx->Switch(*as, &regs, true);
        regs.rax = 0;
      }
      calls += n;
      ctx->Release();
    });
  }
  usleep(1000000);
  stop = true;
  for (auto& t : all) t.join();
  printf("%d threads calling: %.2f us a call each\n", threads,
         1e6 * threads / static_cast<double>(calls));
}

// Two application threads that hand a token to each other through the Sentry.
void PingPong(Platform& p, int n) {
  std::atomic<int> turn{0};
  const auto side = [&](int me) {
    auto ctx = *p.NewContext();
    auto as = *p.NewAddressSpace();
    LoadProgram(*as, *ctx, SyscallLoop());
    arch::Registers regs = StartRegisters();
    for (int i = 0; i < n; ++i) {
      ctx->Switch(*as, &regs, true);
      for (int v; (v = turn.load()) % 2 != me;) turn.wait(v);
      ++turn;
      turn.notify_one();
    }
    ctx->Release();
  };
  const double start = NowUs();
  std::thread a(side, 0), b(side, 1);
  a.join();
  b.join();
  printf("%-44s %9.2f us\n", "hand-over between two blocking threads",
         (NowUs() - start) / (2.0 * n));
}

int Main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "systrap";
  const int n = argc > 2 ? atoi(argv[2]) : 50000;
  std::string error;
  auto p = NewTestPlatform(name, &error);
  if (p == nullptr) {
    fprintf(stderr, "%s\n", error.c_str());
    return 1;
  }
  SyscallRun(*p, n, false);
  SyscallRun(*p, n, true);
  Forks(*p, n / 100);
  for (int t : {1, 2, 3}) ParallelCalls(*p, t);
  for (int t : {1, 2, 4}) Compute(*p, t);
  PingPong(*p, n / 10);
  return 0;
}

}  // namespace
}  // namespace cvisor::platform

int main(int argc, char** argv) { return cvisor::platform::Main(argc, argv); }
