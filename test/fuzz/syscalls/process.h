// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// What a fuzzed process is made of: memory at fixed places, threads on stacks of its own, and
// system calls without libc. Everything here works with any value in the FS register, without
// malloc and without locks, because the calls that are fuzzed break all of that.

#ifndef CVISOR_TEST_FUZZ_SYSCALLS_PROCESS_H_
#define CVISOR_TEST_FUZZ_SYSCALLS_PROCESS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace cvisor::fuzz {

// splitmix64: one word of state, so that any number makes a good seed.
class Random {
 public:
  explicit Random(uint64_t seed = 0) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t Below(uint64_t n) { return Next() % n; }
  // True once in n times.
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  template <typename T, size_t N>
  T Pick(const T (&from)[N]) {
    return from[Below(N)];
  }

 private:
  uint64_t state_;
};

inline long RawCall(long nr, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0, uint64_t d = 0,
                    uint64_t e = 0, uint64_t f = 0) {
  long result;
  register uint64_t r10 asm("r10") = d;
  register uint64_t r8 asm("r8") = e;
  register uint64_t r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

inline uint64_t Word(const void* p) { return reinterpret_cast<uint64_t>(p); }
inline uint64_t Word(const volatile void* p) { return reinterpret_cast<uint64_t>(p); }

constexpr uint64_t kPage = 4096;

// The playground: what mmap and its relatives change, and touches read and write.
constexpr uint64_t kPlayground = 0x200000000000;
constexpr uint64_t kPlaygroundPages = 4096;
// Pages that are written, executed and unmapped all at the same time.
constexpr uint64_t kCode = 0x210000000000;
constexpr uint64_t kCodePages = 8;
// Two pages before one that may not be touched.
constexpr uint64_t kEdge = 0x220000000000;
constexpr uint64_t kEdgeEnd = kEdge + 2 * kPage;
// Pages that all processes of a round share: futexes, and what the supervisor reads.
constexpr uint64_t kShared = 0x230000000000;
constexpr uint64_t kThreads = 0x240000000000;

// Arguments are built in a thread's arena; behind it is a page that may not be touched.
constexpr uint64_t kArenaSize = 128 << 10;
constexpr uint64_t kThreadSize = 512 << 10;
constexpr int kMaxThreads = 10;

struct CallRecord {
  uint32_t tid;
  int32_t number;  // the call that runs, or -1 - number of the one that has ended
  uint64_t args[6];
};

struct Shared {
  uint32_t futexes[1024];
  std::atomic<uint64_t> calls;
  std::atomic<uint32_t> no_more_processes;
  CallRecord records[64];
};
inline Shared* GetShared() { return reinterpret_cast<Shared*>(kShared); }
constexpr uint64_t kSharedSize = (sizeof(Shared) + kPage - 1) / kPage * kPage;

// Kinds of descriptors. The numbers that calls returned are kept by kind.
enum class FdKind : uint8_t {
  kFile,
  kDir,
  kPipe,
  kSocket,
  kEvent,
  kEpoll,
  kTimer,
  kSignal,
  kInotify,
  kMemory,
  kTty,
  kPid,
  kProc,
  kDevice,
  kCount
};
constexpr int kFdsPerKind = 8;
struct Fds {
  int16_t number[static_cast<int>(FdKind::kCount)][kFdsPerKind];
};
extern Fds g_fds;

struct Thread {
  Random random;
  int calls_left;  // negative: no limit
  int depth;       // of forks
  uint32_t tid;
  uint32_t busy;  // the kernel clears it when the thread ends
  uint64_t arena_next;

  static Thread* At(int i) {
    return reinterpret_cast<Thread*>(kThreads + static_cast<uint64_t>(i) * kThreadSize);
  }
  // |Thread|arena|guard|... stack|
  uint64_t arena() const { return Word(this) + kPage; }
  uint64_t arena_end() const { return arena() + kArenaSize; }
  uint64_t stack_top() const { return Word(this) + kThreadSize; }
};

// Maps what is above, installs handlers, and opens one descriptor of each kind. The shared pages
// stay as they are if they are there.
void SetUpProcess(uint64_t seed);
// Runs the calls of `t` on its own stack. For the first thread of a process.
[[noreturn]] void RunThread(Thread* t);
// What each thread does: calls until none are left. Ends the thread.
extern "C" [[noreturn]] void ThreadMain(Thread* t);
// A free thread of this process with the seed, or null.
Thread* ClaimThread(uint64_t seed);

// clone(2) with a new stack: the child runs `t`.
long CloneThread(uint64_t flags, Thread* t, uint64_t ptid, uint64_t ctid, uint64_t tls);
long Clone3Thread(void* args, uint64_t size, Thread* t);
// vfork(2): the child only executes the program, or ends.
long VforkExec(const char* path, const char* const* argv, const char* const* envp);

// Accesses that may fault: false then.
bool TouchRead(uint64_t address);
bool TouchWrite(uint64_t address, uint64_t value);
bool TouchCall(uint64_t address);

// SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS as a signal set.
constexpr uint64_t kFaultSignals = 0x400004d8;

// Handlers for rt_sigaction; `kind` picks one.
uint64_t HandlerAddress(uint64_t kind);
uint64_t RestorerAddress();

}  // namespace cvisor::fuzz

#endif  // CVISOR_TEST_FUZZ_SYSCALLS_PROCESS_H_
