// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// What the attacks on the systrap platform share. They run inside the sandbox, as any program
// could: find the stub's memory in their own address space, write to it, jump into it.
//
// An attack runs in a forked child, which may do anything to itself. What has to hold afterwards:
// the child can be ended by kill -9, the Sentry answers, and another process is as it was.

#ifndef CVISOR_TEST_SECURITY_STUB_H_
#define CVISOR_TEST_SECURITY_STUB_H_

#include <stdint.h>
#include <sys/types.h>

#include <functional>
#include <random>
#include <vector>

#include "pkg/sentry/platform/systrap/stub_abi.h"
#include "test/syscalls/util/test_util.h"

namespace cvisor::test {

using platform::systrap::AgentPage;
using platform::systrap::AgentReply;
using platform::systrap::ThreadPage;

// Where the stub is in this process.
uint64_t RegionBase();
inline uint64_t Text() { return RegionBase() + STUB_TEXT_OFFSET; }
inline uint64_t SlabBase() { return RegionBase() + STUB_SLAB_OFFSET; }
inline AgentReply* Reply() { return reinterpret_cast<AgentReply*>(SlabBase() + SLAB_REPLY_OFFSET); }
inline ThreadPage* Page(unsigned index) {
  return reinterpret_cast<ThreadPage*>(SlabBase() + SLAB_THREADS_OFFSET +
                                       uint64_t{index} * THREAD_SIZE);
}
// How much of the text is code: what is behind is filled with int3.
size_t CodeSize();
// Offsets in the text of all byte pairs that are a SYSCALL instruction.
std::vector<uint64_t> SyscallOffsets();

// All registers, to be loaded at once.
struct Registers {
  uint64_t rax = 0, rbx = 0, rcx = 0, rdx = 0, rsi = 0, rdi = 0, rbp = 0, rsp = 0;
  uint64_t r8 = 0, r9 = 0, r10 = 0, r11 = 0, r12 = 0, r13 = 0, r14 = 0, r15 = 0;
  static Registers All(uint64_t value);
};
[[noreturn]] void Jump(const Registers& registers, uint64_t to);
// Makes a system call from the stub's SYSCALL instruction at `offset`. If the stub's code comes to
// a RET behind it, *result is what was in rax then, and the child exits with kCameBack.
[[noreturn]] void CallFromStub(uint64_t offset, const Registers& registers, uint64_t* result);
inline constexpr int kCameBack = 77;
// The same call as any program makes it.
uint64_t RawSyscall(uint64_t nr, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0, uint64_t d = 0,
                    uint64_t e = 0, uint64_t f = 0);

// The seed of all random choices: SECURITY_SEED, or a fixed one. It is printed.
std::mt19937_64 Random();

// Attackers, of which several run at a time.
class Attackers {
 public:
  // `patience_ms`: an attack that takes longer is killed. That is no failure; surviving kill -9 is.
  explicit Attackers(int at_a_time = 8, int patience_ms = 500);
  ~Attackers() { Finish(); }
  // In a child. It exits with 0 when `body` returns. `done` gets its wait status, in here.
  void Start(const std::function<void()>& body, const std::function<void(int)>& done = {});
  // Waits for all.
  void Finish();
  // How many were killed.
  int killed() const { return killed_; }

 private:
  struct Attacker {
    pid_t pid;
    int64_t started_ns;
    int64_t killed_ns;
    std::function<void(int)> done;
  };
  void Look();

  const size_t at_a_time_;
  const int patience_ms_;
  int killed_ = 0;
  std::vector<Attacker> running_;
};

// Another process of the sandbox, which must not notice anything.
class Witness {
 public:
  Witness();
  ~Witness();
  // Its memory is as it was, and the Sentry answers it and us.
  void Check();

 private:
  PipeFds question_, answer_;
  pid_t pid_;
};

}  // namespace cvisor::test

#endif  // CVISOR_TEST_SECURITY_STUB_H_
