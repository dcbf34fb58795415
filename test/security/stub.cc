// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "test/security/stub.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>

namespace cvisor::test {
namespace {

// Long enough for a host that does much else. The Sentry itself takes some seconds to lose its
// patience.
constexpr int64_t kDeathNs = 40'000'000'000;
constexpr int64_t kMsNs = 1'000'000;
constexpr size_t kCanarySize = 1 << 20;

uint64_t g_to;
uint64_t* g_result;
alignas(16) uint64_t g_landing_stack[512];

extern "C" {
// Where a call from the stub comes back to.
[[noreturn]] __attribute__((used)) void SecurityTestLanded(uint64_t rax) {
  if (g_result != nullptr) *g_result = rax;
  _exit(kCameBack);
}
void SecurityTestLanding();
}
asm(R"(
  .text
  .globl SecurityTestLanding
SecurityTestLanding:
  mov %rax, %rdi
  lea SecurityTestStack(%rip), %rsp
  call SecurityTestLanded
  ud2
  .bss
  .balign 16
  .zero 16384
SecurityTestStack:
  .text
)");

}  // namespace

uint64_t RegionBase() {
  static const uint64_t base = [] {
    const uint64_t b = getauxval(AT_SYSINFO_EHDR) & ~uint64_t{THREAD_SIZE - 1};
    // The first thread of every process has the first page.
    const auto* page =
        reinterpret_cast<const ThreadPage*>(b + STUB_SLAB_OFFSET + SLAB_THREADS_OFFSET);
    if (b == 0 || page->self != reinterpret_cast<uint64_t>(page)) {
      fprintf(stderr, "The stub is not where it was expected (%#lx).\n", b);
      abort();
    }
    return b;
  }();
  return base;
}

size_t CodeSize() {
  const auto* text = reinterpret_cast<const uint8_t*>(Text());
  size_t size = STUB_TEXT_SIZE;
  while (size > 0 && text[size - 1] == 0xcc) --size;
  return size;
}

std::vector<uint64_t> SyscallOffsets() {
  std::vector<uint64_t> offsets;
  const auto* text = reinterpret_cast<const uint8_t*>(Text());
  for (uint64_t i = 0; i + 1 < STUB_TEXT_SIZE + STUB_FILTER_SIZE; ++i) {
    if (text[i] == 0x0f && text[i + 1] == 0x05) offsets.push_back(i);
  }
  return offsets;
}

Registers Registers::All(uint64_t v) { return {v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v}; }

void Jump(const Registers& registers, uint64_t to) {
  g_to = to;
  asm volatile(
      "mov 8(%%rdi), %%rbx\n\t"
      "mov 16(%%rdi), %%rcx\n\t"
      "mov 24(%%rdi), %%rdx\n\t"
      "mov 32(%%rdi), %%rsi\n\t"
      "mov 48(%%rdi), %%rbp\n\t"
      "mov 56(%%rdi), %%rsp\n\t"
      "mov 64(%%rdi), %%r8\n\t"
      "mov 72(%%rdi), %%r9\n\t"
      "mov 80(%%rdi), %%r10\n\t"
      "mov 88(%%rdi), %%r11\n\t"
      "mov 96(%%rdi), %%r12\n\t"
      "mov 104(%%rdi), %%r13\n\t"
      "mov 112(%%rdi), %%r14\n\t"
      "mov 120(%%rdi), %%r15\n\t"
      "mov (%%rdi), %%rax\n\t"
      "mov 40(%%rdi), %%rdi\n\t"
      "jmp *%0"
      :
      : "m"(g_to), "D"(&registers)
      : "memory");
  __builtin_unreachable();
}

void CallFromStub(uint64_t offset, const Registers& registers, uint64_t* result) {
  g_result = result;
  for (uint64_t& word : g_landing_stack) word = reinterpret_cast<uint64_t>(&SecurityTestLanding);
  Registers r = registers;
  r.rsp = reinterpret_cast<uint64_t>(&g_landing_stack[256]);
  Jump(r, Text() + offset);
}

uint64_t RawSyscall(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f) {
  register uint64_t r10 asm("r10") = d;
  register uint64_t r8 asm("r8") = e;
  register uint64_t r9 asm("r9") = f;
  uint64_t result = nr;
  asm volatile("syscall"
               : "+a"(result)
               : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

std::mt19937_64 Random() {
  const char* text = getenv("SECURITY_SEED");
  const uint64_t seed = text != nullptr ? strtoull(text, nullptr, 0) : 20260101;
  printf("SECURITY_SEED=%lu\n", seed);
  fflush(stdout);
  return std::mt19937_64(seed);
}

Attackers::Attackers(int at_a_time, int patience_ms)
    : at_a_time_(static_cast<size_t>(at_a_time)), patience_ms_(patience_ms) {}

void Attackers::Start(const std::function<void()>& body, const std::function<void(int)>& done) {
  // Those that were killed do not count: some take their time.
  const auto busy = [this] {
    return static_cast<size_t>(std::count_if(running_.begin(), running_.end(),
                                             [](const Attacker& a) { return a.killed_ns == 0; }));
  };
  for (Look(); busy() >= at_a_time_; Look()) usleep(500);
  const pid_t pid = fork();
  ASSERT_THAT(pid, Succeeds());
  if (pid == 0) {
    // With registers that were written over it makes any call, fork(2) too. Its children must be
    // found, and not hold the pipes of the witness open.
    setpgid(0, 0);
    close_range(3, ~0u, 0);
    body();
    _exit(0);
  }
  running_.push_back({pid, NowNs(), 0, done});
}

void Attackers::Look() {
  for (size_t i = 0; i < running_.size();) {
    Attacker& a = running_[i];
    int status = 0;
    const pid_t pid = waitpid(a.pid, &status, WNOHANG);
    const int64_t now = NowNs();
    if (pid == 0) {
      if (a.killed_ns == 0 && now - a.started_ns > patience_ms_ * kMsNs) {
        a.killed_ns = now;
        ++killed_;
        EXPECT_THAT(kill(a.pid, SIGKILL), Succeeds());
      } else if (a.killed_ns != 0 && now - a.killed_ns > kDeathNs) {
        ADD_FAILURE() << "process " << a.pid << " survives kill -9";
        running_.erase(running_.begin() + static_cast<ptrdiff_t>(i));
        continue;
      }
      ++i;
      continue;
    }
    EXPECT_THAT(pid, SucceedsWith(a.pid));
    kill(-a.pid, SIGKILL);
    if (a.done) a.done(status);
    running_.erase(running_.begin() + static_cast<ptrdiff_t>(i));
  }
}

void Attackers::Finish() {
  for (Look(); !running_.empty(); Look()) usleep(1000);
}

Witness::Witness() : question_(MakePipe()), answer_(MakePipe()) {
  pid_ = fork();
  EXPECT_THAT(pid_, Succeeds());
  if (pid_ != 0) {
    question_.reader.reset();
    answer_.writer.reset();
    return;
  }
  question_.writer.reset();
  answer_.reader.reset();
  std::vector<uint64_t> canary(kCanarySize / sizeof(uint64_t));
  for (size_t i = 0; i < canary.size(); ++i) canary[i] = i * 0x9e3779b97f4a7c15u;
  char c;
  while (read(question_.reader.get(), &c, 1) == 1) {
    bool good = getppid() > 0;
    for (size_t i = 0; i < canary.size(); ++i) good &= canary[i] == i * 0x9e3779b97f4a7c15u;
    // Its own memory can still be changed.
    void* p = mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    good &= p != MAP_FAILED;
    if (p != MAP_FAILED) {
      memset(p, 1, 65536);
      good &= munmap(p, 65536) == 0;
    }
    const char answer = good ? 'y' : 'n';
    if (write(answer_.writer.get(), &answer, 1) != 1) break;
  }
  _exit(0);
}

Witness::~Witness() {
  Check();
  question_.writer.reset();
  EXPECT_THAT(Wait(pid_), ExitedWith(0));
}

void Witness::Check() {
  ASSERT_THAT(write(question_.writer.get(), "?", 1), SucceedsWith(1));
  ASSERT_NE(Poll(answer_.reader.get(), POLLIN, kLongMs), 0) << "the witness does not answer";
  char answer = 0;
  ASSERT_THAT(read(answer_.reader.get(), &answer, 1), SucceedsWith(1));
  EXPECT_EQ(answer, 'y');
  struct stat st;
  EXPECT_THAT(stat("/proc/self/status", &st), Succeeds());
}

}  // namespace cvisor::test
