// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// Writes to the memory that the stub shares with the Sentry, while the Sentry reads it.

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "test/security/stub.h"

namespace cvisor::test {
namespace {

// ---- What other threads do meanwhile ---------------------------------------------------------

void MakeCalls(int fd) {
  char buffer[512] = {};
  for (;;) {
    RawSyscall(SYS_getppid);
    RawSyscall(SYS_read, static_cast<uint64_t>(fd), reinterpret_cast<uint64_t>(buffer),
               sizeof(buffer));
    RawSyscall(SYS_sched_yield);
    RawSyscall(999);
  }
}

void Handler(int) {}

// Signals make the Sentry read and write the FPU state.
void MakeSignals() {
  signal(SIGUSR1, Handler);
  for (;;) raise(SIGUSR1);
}

void MakeFaults() {
  static thread_local int dummy;
  signal(SIGTRAP, Handler);
  for (;;) {
    asm volatile("int3" ::"m"(dummy));
    RawSyscall(SYS_getppid);
  }
}

void MakeThreads() {
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, 65536);
  for (;;) {
    pthread_t t;
    if (pthread_create(
            &t, &attr, [](void*) -> void* { return nullptr; }, nullptr) == 0) {
      pthread_join(t, nullptr);
    }
  }
}

void MakeMappings() {
  unsigned char vec[16];
  for (;;) {
    void* p = mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) continue;
    mprotect(p, 4096, PROT_READ);
    mincore(p, 65536, vec);
    madvise(p, 65536, MADV_DONTNEED);
    munmap(p, 65536);
  }
}

void MakeProcesses() {
  for (;;) {
    const pid_t pid = static_cast<pid_t>(RawSyscall(SYS_fork));
    if (pid == 0) RawSyscall(SYS_exit_group, 0);
    if (pid > 0) waitpid(pid, nullptr, 0);
  }
}

// Futexes for which the Sentry changes the application's memory.
void MakeFutexes() {
  static uint32_t words[2];
  const auto at = [](uint32_t* p) { return reinterpret_cast<uint64_t>(p); };
  for (;;) {
    const uint64_t set_one = 1u << 12;  // FUTEX_OP_SET, 1
    RawSyscall(SYS_futex, at(&words[0]), FUTEX_WAKE_OP, 1, 1, at(&words[1]), set_one);
    __atomic_store_n(&words[0], 0, __ATOMIC_SEQ_CST);
    RawSyscall(SYS_futex, at(&words[0]), FUTEX_LOCK_PI, 0, 0);
    RawSyscall(SYS_futex, at(&words[0]), FUTEX_UNLOCK_PI);
  }
}

using Work = void (*)();

// ---- Writers -----------------------------------------------------------------------------------

void Delay(uint64_t turns) {
  for (; turns > 0; --turns) asm volatile("");
}

uint32_t Value(std::mt19937_64& random) {
  switch (random() % 4) {
    case 0:
      return static_cast<uint32_t>(random() % 8);
    case 1:
      return static_cast<uint32_t>(random() % 256);
    case 2:
      return ~uint32_t{0} - static_cast<uint32_t>(random() % 3);
    default:
      return static_cast<uint32_t>(random());
  }
}

// Writes random words to [from, to) for ever.
void Scribble(uint64_t seed, void* from, void* to, bool one_word) {
  std::mt19937_64 random(seed);
  auto* words = static_cast<uint32_t*>(from);
  const size_t count = static_cast<size_t>(static_cast<uint32_t*>(to) - words);
  const size_t fixed = random() % count;
  for (;;) {
    const size_t i = one_word ? fixed : random() % count;
    __atomic_store_n(&words[i], Value(random), __ATOMIC_RELAXED);
    // Leave the others some calls between.
    Delay(random() % 200);
  }
}

// A child with a thread for each work (they have pages 1, 2, ... in this order) and a writer.
void RunAttack(std::initializer_list<Work> works, const std::function<void()>& writer) {
  std::vector<std::thread> threads;
  for (const Work work : works) {
    threads.emplace_back(work);
  }
  writer();
}

void CallsOnNull() { MakeCalls(open("/dev/zero", O_RDONLY)); }

class PageTest : public testing::Test {
 protected:
  // Many such children.
  void Attack(std::initializer_list<Work> works, int rounds,
              const std::function<void(uint64_t seed)>& writer) {
    Attackers attackers(4, 250);
    for (int i = 0; i < rounds; ++i) {
      const uint64_t seed = random_();
      attackers.Start([&] { RunAttack(works, [&] { writer(seed); }); });
      if (i % 8 == 0) witness_.Check();
    }
  }

  std::mt19937_64 random_ = Random();
  Witness witness_;
};

TEST_F(PageTest, OtherThreadsPages) {
  Attack({CallsOnNull, MakeSignals, MakeFaults}, 40, [](uint64_t seed) {
    Scribble(seed, Page(1 + seed % 3),
             reinterpret_cast<char*>(Page(1 + seed % 3)) + sizeof(ThreadPage), false);
  });
}

// A word each: what goes wrong at once when all change would hide the rest.
TEST_F(PageTest, OneWordOfAnotherThreadsPage) {
  Attack({CallsOnNull, MakeSignals, MakeFaults}, 60, [](uint64_t seed) {
    Scribble(seed, Page(1 + seed % 3),
             reinterpret_cast<char*>(Page(1 + seed % 3)) + sizeof(ThreadPage), true);
  });
}

TEST_F(PageTest, StateWords) {
  Attack({CallsOnNull, MakeSignals, MakeFutexes}, 40, [](uint64_t seed) {
    std::mt19937_64 random(seed);
    for (;;) {
      ThreadPage* p = Page(static_cast<unsigned>(1 + random() % 3));
      __atomic_store_n(&p->state, static_cast<uint32_t>(random() % 7), __ATOMIC_SEQ_CST);
      if (random() % 2)
        __atomic_store_n(&p->command, static_cast<uint32_t>(random() % 5), __ATOMIC_SEQ_CST);
      if (random() % 2)
        __atomic_store_n(&p->event, static_cast<uint32_t>(random() % 5), __ATOMIC_SEQ_CST);
      Delay(random() % 3000);
    }
  });
}

TEST_F(PageTest, FpuState) {
  Attack({MakeSignals, MakeSignals, MakeProcesses}, 30, [](uint64_t seed) {
    std::mt19937_64 random(seed);
    for (;;) {
      const unsigned i = static_cast<unsigned>(1 + random() % 3);
      char* piece = reinterpret_cast<char*>(Page(i));
      // The image's header and what is around it, and where the image is.
      const uint64_t area = seed % 4 ? THREAD_XSAVE_OFFSET : THREAD_ALTSTACK_OFFSET;
      auto* words = reinterpret_cast<uint32_t*>(piece + area);
      words[random() % 4096] = Value(random);
      words[128 + random() % 16] = Value(random);
      if (random() % 64 == 0) Page(i)->fpu = random() % (2 * THREAD_SIZE);
    }
  });
}

TEST_F(PageTest, WholePieces) {
  Attack({CallsOnNull, MakeSignals, MakeThreads}, 30,
         [](uint64_t seed) { Scribble(seed, Page(0), Page(6), false); });
}

TEST_F(PageTest, OwnPage) {
  Attack({CallsOnNull}, 40, [](uint64_t seed) {
    std::mt19937_64 random(seed);
    for (;;) {
      auto* words = reinterpret_cast<uint32_t*>(Page(0));
      words[random() % (sizeof(ThreadPage) / 4)] = Value(random);
      RawSyscall(SYS_getppid);
    }
  });
}

TEST_F(PageTest, Futexes) {
  Attack({MakeFutexes, MakeFutexes, CallsOnNull}, 40, [](uint64_t seed) {
    Scribble(seed, Page(1), reinterpret_cast<char*>(Page(1)) + sizeof(ThreadPage), seed % 2);
  });
}

// ---- The agent ----------------------------------------------------------------------------------

TEST_F(PageTest, ReplyOfTheAgent) {
  Attack({MakeMappings, MakeProcesses, MakeThreads}, 40,
         [](uint64_t seed) { Scribble(seed, Reply(), Reply() + 1, false); });
}

TEST_F(PageTest, DoneWordOfTheAgent) {
  Attack({MakeMappings, MakeProcesses, MakeFutexes}, 40, [](uint64_t seed) {
    std::mt19937_64 random(seed);
    for (;;) {
      const uint32_t done = __atomic_load_n(&Reply()->done, __ATOMIC_RELAXED);
      const uint32_t step = static_cast<uint32_t>(random() % 3);
      __atomic_store_n(&Reply()->done, done + 1 - step, __ATOMIC_SEQ_CST);
      Delay(random() % 500);
    }
  });
}

// The area where the agent's own signals would leave their frames.
TEST_F(PageTest, StackOfTheAgent) {
  Attack({MakeMappings, MakeFutexes, MakeProcesses}, 30, [](uint64_t seed) {
    Scribble(seed, reinterpret_cast<void*>(SlabBase() + SLAB_REPLY_OFFSET),
             reinterpret_cast<void*>(SlabBase() + SLAB_THREADS_OFFSET), false);
  });
}

// Compare and exchange where there is no memory, or none to write to: faults of the agent.
TEST_F(PageTest, FaultsOfTheAgent) {
  auto* page = static_cast<char*>(
      mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_THAT(page, Succeeds());
  ASSERT_THAT(mprotect(page, 4096, PROT_READ), Succeeds());
  ASSERT_THAT(munmap(page + 4096, 4096), Succeeds());
  const Fd file(memfd_create("short", 0));
  auto* beyond =
      static_cast<char*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0));
  ASSERT_THAT(beyond, Succeeds());
  for (int i = 0; i < 100; ++i) {
    for (char* p : {page, page + 4096, beyond, reinterpret_cast<char*>(SlabBase()),
                    reinterpret_cast<char*>(Page(0)), reinterpret_cast<char*>(Text())}) {
      EXPECT_THAT(syscall(SYS_futex, p, FUTEX_LOCK_PI, 0, nullptr, nullptr, 0), FailsWith(EFAULT));
    }
  }
  // And it works still.
  static uint32_t word = 0;
  EXPECT_THAT(syscall(SYS_futex, &word, FUTEX_LOCK_PI, 0, nullptr, nullptr, 0), Succeeds());
  EXPECT_EQ(word & FUTEX_TID_MASK, static_cast<uint32_t>(gettid()));
  EXPECT_THAT(syscall(SYS_futex, &word, FUTEX_UNLOCK_PI, 0, nullptr, nullptr, 0), Succeeds());
}

// ---- Wake-ups
// -------------------------------------------------------------------------------------

// Calls `syscall; ret` in the stub.
uint64_t CallGadget(uint64_t gadget, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
  register uint64_t r10 asm("r10") = d;
  uint64_t result = nr;
  asm volatile(
      "sub $128, %%rsp\n\t"
      "call *%%rbx\n\t"
      "add $128, %%rsp"
      : "+a"(result)
      : "b"(gadget), "D"(a), "S"(b), "d"(c), "r"(r10)
      : "rcx", "r11", "r8", "r9", "memory");
  return result;
}

std::vector<uint64_t> Gadgets() {
  std::vector<uint64_t> gadgets;
  for (const uint64_t site : SyscallOffsets()) {
    const uint64_t at = Text() + site;
    if (*reinterpret_cast<const uint8_t*>(at + 2) == 0xc3) gadgets.push_back(at);
  }
  return gadgets;
}

// The stub's futex(2), or 0.
uint64_t FutexGadget() {
  static uint32_t word;
  for (const uint64_t gadget : Gadgets()) {
    const pid_t pid = fork();
    if (pid == 0) {
      const uint64_t r =
          CallGadget(gadget, SYS_futex, reinterpret_cast<uint64_t>(&word), FUTEX_WAKE, 1, 0);
      _exit(r == 0 ? 0 : 1);
    }
    if (Wait(pid) == 0) return gadget;
  }
  return 0;
}

// The application's threads sleep where the Sentry and the stub do, and take their wake-ups.
TEST_F(PageTest, StolenWakeUps) {
  const uint64_t gadget = FutexGadget();
  if (gadget == 0) GTEST_SKIP() << "the stub has no futex call";
  for (const uint64_t word : {SlabBase() + offsetof(AgentPage, seq),
                              SlabBase() + SLAB_REPLY_OFFSET + offsetof(AgentReply, done),
                              reinterpret_cast<uint64_t>(&Page(1)->state)}) {
    Shared<std::atomic<int>> rounds;
    const ScopedChild child([&] {
      std::vector<std::thread> threads;
      threads.emplace_back([&] {
        for (;;) {
          void* p = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
          if (p == MAP_FAILED || munmap(p, 4096) != 0) _exit(1);
          ++*rounds;
        }
      });
      for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
          for (;;) {
            const uint32_t now =
                __atomic_load_n(reinterpret_cast<uint32_t*>(word), __ATOMIC_RELAXED);
            const timespec limit = {0, 10000000};
            CallGadget(gadget, SYS_futex, word, FUTEX_WAIT, now,
                       reinterpret_cast<uint64_t>(&limit));
          }
        });
      }
      for (;;) pause();
    });
    EXPECT_TRUE(WaitUntil([&] { return *rounds > 300; })) << *rounds;
    witness_.Check();
  }
}

// ---- New threads
// ------------------------------------------------------------------------------------

std::atomic<int>* g_hijacked;
uint64_t g_gadgets[32];

// A thread whose return address was changed comes here, on any stack. If it does not have its
// filter yet, the host executes getppid(2) for it; else the host kills the process.
[[noreturn]] __attribute__((used)) void HijackedBody() {
  for (const uint64_t gadget : g_gadgets) {
    if (gadget == 0) break;
    const uint64_t r = CallGadget(gadget, SYS_getppid, 0, 0, 0, 0);
    if (r < 0x10000000) g_hijacked->fetch_add(1);
  }
  for (;;) pause();
}
extern "C" void SecurityTestHijacked();
extern "C" [[noreturn]] __attribute__((used)) void SecurityTestHijackedBody() { HijackedBody(); }
asm(R"(
  .text
  .globl SecurityTestHijacked
SecurityTestHijacked:
  lea SecurityTestHijackStack(%rip), %rsp
  call SecurityTestHijackedBody
  ud2
  .bss
  .balign 16
  .zero 65536
SecurityTestHijackStack:
  .text
)");

// Until a new thread has its filter, the host makes all the calls of the agent for it.
TEST_F(PageTest, StackOfNewThreads) {
  Shared<std::atomic<int>> hijacked;
  g_hijacked = hijacked.get();
  const std::vector<uint64_t> gadgets = Gadgets();
  ASSERT_LT(gadgets.size(), std::size(g_gadgets));
  std::copy(gadgets.begin(), gadgets.end(), g_gadgets);
  const auto hijack = reinterpret_cast<uint64_t>(&SecurityTestHijacked);
  Attack({MakeThreads, MakeMappings}, 60, [&](uint64_t seed) {
    constexpr unsigned kFirst = 3, kPages = 5;
    std::mt19937_64 random(seed);
    const size_t depth = 1 + random() % 24;
    for (;;) {
      for (unsigned i = 0; i < kPages; ++i) {
        auto* top = reinterpret_cast<uint64_t*>(reinterpret_cast<char*>(Page(kFirst + i)) +
                                                THREAD_STACK_TOP);
        for (size_t n = 1; n <= depth; ++n) __atomic_store_n(top - n, hijack, __ATOMIC_RELAXED);
      }
    }
  });
  EXPECT_EQ(*hijacked, 0) << "application code ran without the filter of its thread";
}

// Pages of threads that are just being made: forged descriptors of the Sentry, numbers of other
// threads.
TEST_F(PageTest, PagesOfNewThreads) {
  Attack({MakeThreads, MakeThreads}, 40, [](uint64_t seed) {
    std::mt19937_64 random(seed);
    for (;;) {
      ThreadPage* p = Page(static_cast<unsigned>(3 + random() % 4));
      auto* words = reinterpret_cast<uint32_t*>(p);
      // Behind the state word, so that most threads come to run.
      constexpr size_t kWords = sizeof(ThreadPage) / 4;
      words[1 + random() % (kWords - 1)] = static_cast<uint32_t>(random() % 64);
      words[kWords - 1 - random() % 24] = static_cast<uint32_t>(random() % 64);
    }
  });
}

}  // namespace
}  // namespace cvisor::test
