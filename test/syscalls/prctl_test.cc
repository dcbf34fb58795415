// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// prctl(2), option by option. What belongs to credentials is in credentials_test.
#include <elf.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstring>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif
#ifndef PR_MDWE_NO_INHERIT
#define PR_MDWE_NO_INHERIT 2
#endif
#ifndef PR_GET_AUXV
#define PR_GET_AUXV 0x41555856
#endif

// Without the C library, which passes what is in the registers.
long Prctl(int option, unsigned long a = 0, unsigned long b = 0, unsigned long c = 0,
           unsigned long d = 0) {
  return syscall(SYS_prctl, option, a, b, c, d);
}
template <typename T>
unsigned long At(T* p) {
  return reinterpret_cast<unsigned long>(p);
}

TEST(PrctlTest, UnknownOption) {
  EXPECT_THAT(Prctl(12345), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(-1), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(0), FailsWith(EINVAL));
}

TEST(PrctlTest, OfOtherArchitectures) {
  int value = 0;
  EXPECT_THAT(Prctl(PR_SET_UNALIGN, 1), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_GET_UNALIGN, At(&value)), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_SET_FPEMU, 0), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_GET_FPEMU, At(&value)), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_SET_FPEXC, 0), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_GET_FPEXC, At(&value)), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_SET_ENDIAN, 0), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_GET_ENDIAN, At(&value)), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_SET_FP_MODE, 0), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_GET_FP_MODE), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_SVE_SET_VL, 16), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_SVE_GET_VL), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_PAC_RESET_KEYS, 1), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_SET_TAGGED_ADDR_CTRL, 1), FailsWith(EINVAL));
}

TEST(PrctlTest, DeathSignal) {
  int sig = -1;
  EXPECT_THAT(Prctl(PR_GET_PDEATHSIG, At(&sig)), SucceedsWith(0));
  EXPECT_EQ(sig, 0);
  EXPECT_THAT(Prctl(PR_SET_PDEATHSIG, 65), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_SET_PDEATHSIG, ~0ul), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_GET_PDEATHSIG, 1), FailsWith(EFAULT));
  EXPECT_THAT(Prctl(PR_SET_PDEATHSIG, 64), SucceedsWith(0));
  EXPECT_THAT(Prctl(PR_GET_PDEATHSIG, At(&sig)), SucceedsWith(0));
  EXPECT_EQ(sig, 64);
  // Not for children.
  EXPECT_THAT(InChild([] {
                int sig = -1;
                EXPECT_THAT(Prctl(PR_GET_PDEATHSIG, At(&sig)), SucceedsWith(0));
                EXPECT_EQ(sig, 0);
              }),
              ExitedWith(0));
  EXPECT_THAT(Prctl(PR_SET_PDEATHSIG, 0), SucceedsWith(0));
}

TEST(PrctlTest, Dumpable) {
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(Prctl(PR_GET_DUMPABLE), SucceedsWith(1));
                EXPECT_THAT(Prctl(PR_SET_DUMPABLE, 2), FailsWith(EINVAL));
                EXPECT_THAT(Prctl(PR_SET_DUMPABLE, ~0ul), FailsWith(EINVAL));
                EXPECT_THAT(Prctl(PR_SET_DUMPABLE, 0), SucceedsWith(0));
                EXPECT_THAT(Prctl(PR_GET_DUMPABLE), SucceedsWith(0));
                EXPECT_THAT(InChild([] { EXPECT_THAT(Prctl(PR_GET_DUMPABLE), SucceedsWith(0)); }),
                            ExitedWith(0));
                EXPECT_THAT(Prctl(PR_SET_DUMPABLE, 1), SucceedsWith(0));
              }),
              ExitedWith(0));
}

TEST(PrctlTest, Timing) {
  EXPECT_THAT(Prctl(PR_GET_TIMING), SucceedsWith(PR_TIMING_STATISTICAL));
  EXPECT_THAT(Prctl(PR_SET_TIMING, PR_TIMING_STATISTICAL), SucceedsWith(0));
  EXPECT_THAT(Prctl(PR_SET_TIMING, PR_TIMING_TIMESTAMP), FailsWith(EINVAL));
}

TEST(PrctlTest, Name) {
  EXPECT_THAT(InChild([] {
                char name[16];
                EXPECT_THAT(Prctl(PR_SET_NAME, At("0123456789abcdefgh")), SucceedsWith(0));
                EXPECT_THAT(Prctl(PR_GET_NAME, At(name)), SucceedsWith(0));
                EXPECT_STREQ(name, "0123456789abcde");
                EXPECT_EQ(ReadFile("/proc/self/comm"), "0123456789abcde\n");
                EXPECT_THAT(Prctl(PR_SET_NAME, At("")), SucceedsWith(0));
                std::memset(name, 'x', sizeof(name));
                EXPECT_THAT(Prctl(PR_GET_NAME, At(name)), SucceedsWith(0));
                for (const char c : name) EXPECT_EQ(c, 0);
                EXPECT_THAT(Prctl(PR_SET_NAME, 1), FailsWith(EFAULT));
                EXPECT_THAT(Prctl(PR_GET_NAME, 1), FailsWith(EFAULT));
              }),
              ExitedWith(0));
}

TEST(PrctlTest, NameThatEndsAtAPagesEnd) {
  char* pages = static_cast<char*>(
      mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  munmap(pages + 4096, 4096);
  EXPECT_THAT(InChild([&] {
                std::memcpy(pages + 4093, "ab", 3);
                EXPECT_THAT(Prctl(PR_SET_NAME, At(pages + 4093)), SucceedsWith(0));
                pages[4095] = 'c';
                EXPECT_THAT(Prctl(PR_SET_NAME, At(pages + 4093)), FailsWith(EFAULT));
              }),
              ExitedWith(0));
  munmap(pages, 4096);
}

TEST(PrctlTest, TimeStampCounter) {
  int mode = 0;
  EXPECT_THAT(Prctl(PR_GET_TSC, At(&mode)), SucceedsWith(0));
  EXPECT_EQ(mode, PR_TSC_ENABLE);
  EXPECT_THAT(Prctl(PR_SET_TSC, PR_TSC_ENABLE), SucceedsWith(0));
  EXPECT_THAT(Prctl(PR_SET_TSC, 7), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_GET_TSC, 1), FailsWith(EFAULT));
}

TEST(PrctlTest, TimerSlack) {
  EXPECT_THAT(InChild([] {
                const long inherited = Prctl(PR_GET_TIMERSLACK);
                EXPECT_GT(inherited, 0);
                EXPECT_THAT(Prctl(PR_SET_TIMERSLACK, 12345), SucceedsWith(0));
                EXPECT_THAT(Prctl(PR_GET_TIMERSLACK), SucceedsWith(12345));
                // A child's default is its maker's value.
                EXPECT_THAT(InChild([] {
                              EXPECT_THAT(Prctl(PR_GET_TIMERSLACK), SucceedsWith(12345));
                              EXPECT_THAT(Prctl(PR_SET_TIMERSLACK, 1), SucceedsWith(0));
                              EXPECT_THAT(Prctl(PR_SET_TIMERSLACK, 0), SucceedsWith(0));
                              EXPECT_THAT(Prctl(PR_GET_TIMERSLACK), SucceedsWith(12345));
                            }),
                            ExitedWith(0));
                ScopedThread thread([] {
                  EXPECT_THAT(Prctl(PR_SET_TIMERSLACK, 7), SucceedsWith(0));
                  EXPECT_THAT(Prctl(PR_GET_TIMERSLACK), SucceedsWith(7));
                });
                thread.Join();
                EXPECT_THAT(Prctl(PR_GET_TIMERSLACK), SucceedsWith(12345));
                EXPECT_THAT(Prctl(PR_SET_TIMERSLACK, 0), SucceedsWith(0));
                EXPECT_THAT(Prctl(PR_GET_TIMERSLACK), SucceedsWith(inherited));
              }),
              ExitedWith(0));
}

TEST(PrctlTest, MemoryFailure) {
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(Prctl(PR_MCE_KILL_GET), SucceedsWith(PR_MCE_KILL_DEFAULT));
                EXPECT_THAT(Prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY), SucceedsWith(0));
                EXPECT_THAT(Prctl(PR_MCE_KILL_GET), SucceedsWith(PR_MCE_KILL_EARLY));
                EXPECT_THAT(Prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE), SucceedsWith(0));
                EXPECT_THAT(
                    InChild([] { EXPECT_THAT(Prctl(PR_MCE_KILL_GET), SucceedsWith(PR_MCE_KILL_LATE)); }),
                    ExitedWith(0));
                EXPECT_THAT(Prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR), SucceedsWith(0));
                EXPECT_THAT(Prctl(PR_MCE_KILL_GET), SucceedsWith(PR_MCE_KILL_DEFAULT));
              }),
              ExitedWith(0));
  EXPECT_THAT(Prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 1), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_MCE_KILL, PR_MCE_KILL_SET, 3), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_MCE_KILL, PR_MCE_KILL_SET, 1, 1), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_MCE_KILL, 2), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_MCE_KILL_GET, 1), FailsWith(EINVAL));
}

TEST(PrctlTest, Subreaper) {
  EXPECT_THAT(InChild([] {
                int on = -1;
                EXPECT_THAT(Prctl(PR_GET_CHILD_SUBREAPER, At(&on)), SucceedsWith(0));
                EXPECT_EQ(on, 0);
                EXPECT_THAT(Prctl(PR_SET_CHILD_SUBREAPER, 77), SucceedsWith(0));
                EXPECT_THAT(Prctl(PR_GET_CHILD_SUBREAPER, At(&on)), SucceedsWith(0));
                EXPECT_EQ(on, 1);
                EXPECT_THAT(Prctl(PR_GET_CHILD_SUBREAPER, 1), FailsWith(EFAULT));
                // It is not inherited.
                EXPECT_THAT(InChild([] {
                              int on = -1;
                              EXPECT_THAT(Prctl(PR_GET_CHILD_SUBREAPER, At(&on)), SucceedsWith(0));
                              EXPECT_EQ(on, 0);
                            }),
                            ExitedWith(0));
                EXPECT_THAT(Prctl(PR_SET_CHILD_SUBREAPER, 0), SucceedsWith(0));
              }),
              ExitedWith(0));
}

TEST(PrctlTest, NoNewPrivileges) {
  EXPECT_THAT(Prctl(PR_SET_NO_NEW_PRIVS, 0), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_SET_NO_NEW_PRIVS, 2), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_SET_NO_NEW_PRIVS, 1, 1), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 1), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_GET_NO_NEW_PRIVS, 1), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_GET_NO_NEW_PRIVS, 0, 1), FailsWith(EINVAL));
  EXPECT_THAT(InChild([] {
                ScopedThread before([] {
                  EXPECT_THAT(Prctl(PR_SET_NO_NEW_PRIVS, 1), SucceedsWith(0));
                  EXPECT_THAT(Prctl(PR_GET_NO_NEW_PRIVS), SucceedsWith(1));
                });
                before.Join();
                EXPECT_THAT(Prctl(PR_GET_NO_NEW_PRIVS), SucceedsWith(0));  // the thread's own
                EXPECT_THAT(Prctl(PR_SET_NO_NEW_PRIVS, 1), SucceedsWith(0));
                EXPECT_THAT(InChild([] { EXPECT_THAT(Prctl(PR_GET_NO_NEW_PRIVS), SucceedsWith(1)); }),
                            ExitedWith(0));
              }),
              ExitedWith(0));
}

TEST(PrctlTest, HugePages) {
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(Prctl(PR_GET_THP_DISABLE), SucceedsWith(0));
                EXPECT_THAT(Prctl(PR_GET_THP_DISABLE, 1), FailsWith(EINVAL));
                EXPECT_THAT(Prctl(PR_SET_THP_DISABLE, 1, 0, 1), FailsWith(EINVAL));
                EXPECT_THAT(Prctl(PR_SET_THP_DISABLE, 1), SucceedsWith(0));
                EXPECT_THAT(Prctl(PR_GET_THP_DISABLE), SucceedsWith(1));
                EXPECT_THAT(InChild([] { EXPECT_THAT(Prctl(PR_GET_THP_DISABLE), SucceedsWith(1)); }),
                            ExitedWith(0));
                EXPECT_THAT(Prctl(PR_SET_THP_DISABLE, 0), SucceedsWith(0));
                EXPECT_THAT(Prctl(PR_GET_THP_DISABLE), SucceedsWith(0));
              }),
              ExitedWith(0));
}

TEST(PrctlTest, IoFlusher) {
  EXPECT_THAT(InChild([] {
                if (!HasCapability(CAP_SYS_RESOURCE)) return;
                EXPECT_THAT(Prctl(PR_GET_IO_FLUSHER), SucceedsWith(0));
                EXPECT_THAT(Prctl(PR_SET_IO_FLUSHER, 2), FailsWith(EINVAL));
                EXPECT_THAT(Prctl(PR_SET_IO_FLUSHER, 1, 1), FailsWith(EINVAL));
                EXPECT_THAT(Prctl(PR_GET_IO_FLUSHER, 1), FailsWith(EINVAL));
                EXPECT_THAT(Prctl(PR_SET_IO_FLUSHER, 1), SucceedsWith(0));
                EXPECT_THAT(Prctl(PR_GET_IO_FLUSHER), SucceedsWith(1));
                EXPECT_THAT(Prctl(PR_SET_IO_FLUSHER, 0), SucceedsWith(0));
                DropCapability(CAP_SYS_RESOURCE);
                EXPECT_THAT(Prctl(PR_SET_IO_FLUSHER, 1), FailsWith(EPERM));
                EXPECT_THAT(Prctl(PR_GET_IO_FLUSHER), FailsWith(EPERM));
              }),
              ExitedWith(0));
}

TEST(PrctlTest, DenyWriteExecuteArguments) {
  EXPECT_THAT(Prctl(PR_GET_MDWE), SucceedsWith(0));
  EXPECT_THAT(Prctl(PR_GET_MDWE, 1), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_SET_MDWE, 4), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_SET_MDWE, PR_MDWE_NO_INHERIT), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 1), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_SET_MDWE, 0), SucceedsWith(0));
}

TEST(PrctlTest, DenyWriteExecute) {
  EXPECT_THAT(
      InChild([] {
        const auto map = [](int prot) {
          return mmap(nullptr, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        };
        void* data = map(PROT_READ | PROT_WRITE);
        void* code = map(PROT_READ | PROT_EXEC);
        EXPECT_THAT(Prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN), SucceedsWith(0));
        EXPECT_THAT(Prctl(PR_GET_MDWE), SucceedsWith(PR_MDWE_REFUSE_EXEC_GAIN));
        EXPECT_THAT(Prctl(PR_SET_MDWE, 0), FailsWith(EPERM));
        EXPECT_THAT(Prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN | PR_MDWE_NO_INHERIT),
                    FailsWith(EPERM));
        EXPECT_THAT(Prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN), SucceedsWith(0));
        EXPECT_THAT(map(PROT_WRITE | PROT_EXEC), FailsWith(EACCES));
        EXPECT_THAT(map(PROT_READ | PROT_EXEC), Succeeds());
        EXPECT_THAT(mprotect(data, 4096, PROT_READ | PROT_EXEC), FailsWith(EACCES));
        EXPECT_THAT(mprotect(data, 4096, PROT_READ), SucceedsWith(0));
        EXPECT_THAT(mprotect(code, 4096, PROT_EXEC), SucceedsWith(0));
        EXPECT_THAT(mprotect(code, 4096, PROT_EXEC | PROT_WRITE), FailsWith(EACCES));
        EXPECT_THAT(mprotect(code, 4096, PROT_READ), SucceedsWith(0));
        EXPECT_THAT(mprotect(code, 4096, PROT_EXEC), FailsWith(EACCES));  // not any more
        EXPECT_THAT(InChild([] {
                      EXPECT_THAT(Prctl(PR_GET_MDWE), SucceedsWith(PR_MDWE_REFUSE_EXEC_GAIN));
                    }),
                    ExitedWith(0));
      }),
      ExitedWith(0));
}

TEST(PrctlTest, DenyWriteExecuteForOneProcess) {
  EXPECT_THAT(InChild([] {
                constexpr int kBits = PR_MDWE_REFUSE_EXEC_GAIN | PR_MDWE_NO_INHERIT;
                EXPECT_THAT(Prctl(PR_SET_MDWE, kBits), SucceedsWith(0));
                EXPECT_THAT(Prctl(PR_GET_MDWE), SucceedsWith(kBits));
                EXPECT_THAT(InChild([] { EXPECT_THAT(Prctl(PR_GET_MDWE), SucceedsWith(0)); }),
                            ExitedWith(0));
              }),
              ExitedWith(0));
}

TEST(PrctlTest, AuxiliaryVector) {
  std::vector<Elf64_auxv_t> v(64);
  const long size = Prctl(PR_GET_AUXV, At(v.data()), v.size() * sizeof(v[0]));
  ASSERT_GT(size, 0);
  uint64_t page_size = 0, base = 0;
  for (const auto& e : v) {
    if (e.a_type == AT_PAGESZ) page_size = e.a_un.a_val;
    if (e.a_type == AT_PHDR) base = e.a_un.a_val;
  }
  EXPECT_EQ(page_size, getauxval(AT_PAGESZ));
  EXPECT_EQ(base, getauxval(AT_PHDR));
  // The size is told whatever room there is.
  EXPECT_THAT(Prctl(PR_GET_AUXV, At(v.data()), 0), SucceedsWith(size));
  EXPECT_THAT(Prctl(PR_GET_AUXV, 1, 8), FailsWith(EFAULT));
  EXPECT_THAT(Prctl(PR_GET_AUXV, At(v.data()), 8, 1), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_GET_AUXV, At(v.data()), 8, 0, 1), FailsWith(EINVAL));
}

TEST(PrctlTest, AnonymousNames) {
  char* page = static_cast<char*>(
      mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  const auto name = [](void* at, size_t size, const char* text) {
    return Prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, At(static_cast<char*>(at)), size,
                 reinterpret_cast<unsigned long>(text));
  };
  if (name(page, 4096, "my name") != 0 && errno == EINVAL) {
    munmap(page, 8192);
    GTEST_SKIP() << "the kernel has no names for anonymous memory";
  }
  EXPECT_NE(ReadFile("/proc/self/maps").find("[anon:my name]"), std::string::npos);
  EXPECT_THAT(name(page, 4096, nullptr), SucceedsWith(0));
  EXPECT_EQ(ReadFile("/proc/self/maps").find("[anon:my name]"), std::string::npos);
  EXPECT_THAT(name(page + 1, 4096, "x"), FailsWith(EINVAL));
  EXPECT_THAT(name(page, 4096, "a\nb"), FailsWith(EINVAL));
  EXPECT_THAT(name(page, 4096, "a[b"), FailsWith(EINVAL));
  EXPECT_THAT(name(page, 4096, std::string(80, 'x').c_str()), FailsWith(EINVAL));
  EXPECT_THAT(name(page, 4096, std::string(79, 'x').c_str()), SucceedsWith(0));
  EXPECT_THAT(name(page, 4096, reinterpret_cast<const char*>(1)), FailsWith(EFAULT));
  EXPECT_THAT(Prctl(PR_SET_VMA, 7, At(page), 4096, 0), FailsWith(EINVAL));
  munmap(page + 4096, 4096);
  EXPECT_THAT(name(page, 8192, "x"), FailsWith(ENOMEM));
  munmap(page, 4096);
}

TEST(PrctlTest, KeepCapsIsASecurebit) {
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(Prctl(PR_SET_KEEPCAPS, 2), FailsWith(EINVAL));
                EXPECT_THAT(Prctl(PR_SET_KEEPCAPS, 1), SucceedsWith(0));
                EXPECT_THAT(Prctl(PR_GET_SECUREBITS), SucceedsWith(SECBIT_KEEP_CAPS));
                EXPECT_THAT(Prctl(PR_SET_SECUREBITS, 0), SucceedsWith(0));
                EXPECT_THAT(Prctl(PR_GET_KEEPCAPS), SucceedsWith(0));
                EXPECT_THAT(Prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS_LOCKED), SucceedsWith(0));
                EXPECT_THAT(Prctl(PR_SET_KEEPCAPS, 1), FailsWith(EPERM));
              }),
              ExitedWith(0));
}

TEST(PrctlTest, Ambient) {
  constexpr int kClear = PR_CAP_AMBIENT_CLEAR_ALL, kRaise = PR_CAP_AMBIENT_RAISE;
  EXPECT_THAT(Prctl(PR_CAP_AMBIENT, kClear, 1), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_CAP_AMBIENT, kClear, 0, 1), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_CAP_AMBIENT, kRaise, 64), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_CAP_AMBIENT, kRaise, CAP_KILL, 1), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_CAP_AMBIENT, 9, CAP_KILL), FailsWith(EINVAL));
  EXPECT_THAT(Prctl(PR_CAP_AMBIENT, kClear), SucceedsWith(0));
  EXPECT_THAT(InChild([] {
                EXPECT_THAT(Prctl(PR_SET_SECUREBITS, SECBIT_NO_CAP_AMBIENT_RAISE), SucceedsWith(0));
                __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
                __user_cap_data_struct d[2] = {};
                EXPECT_THAT(syscall(SYS_capget, &h, d), SucceedsWith(0));
                d[0].inheritable |= 1 << CAP_KILL;
                EXPECT_THAT(syscall(SYS_capset, &h, d), SucceedsWith(0));
                EXPECT_THAT(Prctl(PR_CAP_AMBIENT, kRaise, CAP_KILL), FailsWith(EPERM));
                EXPECT_THAT(Prctl(PR_SET_SECUREBITS, 0), SucceedsWith(0));
                EXPECT_THAT(Prctl(PR_CAP_AMBIENT, kRaise, CAP_KILL), SucceedsWith(0));
                EXPECT_THAT(Prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL), SucceedsWith(1));
                // It goes with the inheritable one.
                d[0].inheritable = 0;
                EXPECT_THAT(syscall(SYS_capset, &h, d), SucceedsWith(0));
                EXPECT_THAT(Prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL), SucceedsWith(0));
              }),
              ExitedWith(0));
}

}  // namespace
}  // namespace cvisor::test
