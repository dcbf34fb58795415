// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// The stub's memory is out of reach of system calls, as address and as buffer.

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <string>

#include "test/security/stub.h"

namespace cvisor::test {
namespace {

struct Piece {
  const char* name;
  uint64_t address;
};

std::vector<Piece> Pieces() {
  return {{"the vDSO", RegionBase()},
          {"the text", Text()},
          {"the filters", RegionBase() + STUB_FILTER_OFFSET},
          {"the agent's page", SlabBase()},
          {"the futex page", SlabBase() + SLAB_FUTEX_OFFSET},
          {"the reply", SlabBase() + SLAB_REPLY_OFFSET},
          {"a thread's page", reinterpret_cast<uint64_t>(Page(0))},
          {"an unused thread's page", reinterpret_cast<uint64_t>(Page(100))},
          {"the end", RegionBase() + STUB_REGION_SIZE - 4096},
          {"the trampolines", TRAMPOLINE_BASE}};
}

void* At(uint64_t address) { return reinterpret_cast<void*>(address); }

class MappingTest : public testing::Test {
 protected:
  ~MappingTest() override {
    // All is as it was.
    EXPECT_EQ(Page(0)->self, reinterpret_cast<uint64_t>(Page(0)));
    EXPECT_EQ(memcmp(text_.data(), At(Text()), text_.size()), 0);
    EXPECT_GT(getppid(), 0);
  }
  Witness witness_;
  const std::string text_{static_cast<const char*>(At(Text())), STUB_TEXT_SIZE};
};

// Any error will do.
MATCHER(Fails, "fails") {
  static_cast<void>(result_listener);
  return internal::ToInt(arg) == -1;
}

TEST_F(MappingTest, Calls) {
  char* mine = static_cast<char*>(
      mmap(nullptr, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_THAT(mine, Succeeds());
  unsigned char vec[16];
  for (const Piece& piece : Pieces()) {
    SCOPED_TRACE(piece.name);
    void* const p = At(piece.address);
    for (const int flags : {MAP_FIXED, MAP_FIXED_NOREPLACE}) {
      EXPECT_THAT(mmap(p, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0), Fails());
    }
    EXPECT_NE(mmap(p, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), p) << "as a hint";
    EXPECT_THAT(mprotect(p, 4096, PROT_READ | PROT_WRITE), Fails());
    EXPECT_THAT(syscall(SYS_pkey_mprotect, p, 4096, PROT_READ | PROT_WRITE, -1), Fails());
    EXPECT_THAT(madvise(p, 4096, MADV_DONTNEED), Fails());
    EXPECT_THAT(madvise(p, 4096, MADV_REMOVE), Fails());
    EXPECT_THAT(msync(p, 4096, MS_SYNC), Fails());
    EXPECT_THAT(mincore(p, 4096, vec), Fails());
    EXPECT_THAT(mlock(p, 4096), Fails());
    EXPECT_THAT(mremap(p, 4096, 8192, MREMAP_MAYMOVE), Fails());
    EXPECT_THAT(mremap(p, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, mine), Fails());
    EXPECT_THAT(mremap(mine, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, p), Fails());
    // munmap(2) of nothing is no error below the stub.
    if (piece.address > reinterpret_cast<uint64_t>(mine)) {
      EXPECT_THAT(munmap(p, 4096), Fails());
    }
  }
  munmap(At(TRAMPOLINE_BASE), 4096);
}

// Ranges that begin in the application's memory, or go around.
TEST_F(MappingTest, Ranges) {
  const uint64_t base = RegionBase();
  for (const uint64_t start : {base - 4096, base - (uint64_t{1} << 30)}) {
    for (const uint64_t length : {base - start + 4096, base - start + STUB_REGION_SIZE,
                                  ~uint64_t{0} - 4095, uint64_t{0} - start}) {
      SCOPED_TRACE(testing::Message() << std::hex << start << " + " << length);
      EXPECT_THAT(syscall(SYS_munmap, start, length), Fails());
      EXPECT_THAT(syscall(SYS_mmap, start, length, PROT_READ,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
                  Fails());
      EXPECT_THAT(syscall(SYS_mprotect, start, length, PROT_NONE), Fails());
      EXPECT_THAT(syscall(SYS_madvise, start, length, MADV_DONTNEED), Fails());
    }
  }
}

// As a buffer that the Sentry writes to.
TEST_F(MappingTest, Buffers) {
  const Fd zero = Open("/dev/zero", O_RDONLY);
  const Fd memory = Open("/proc/self/mem", O_RDWR);
  char byte = 'x';
  for (const Piece& piece : Pieces()) {
    SCOPED_TRACE(piece.name);
    void* const p = At(piece.address);
    EXPECT_THAT(read(zero.get(), p, 16), FailsWith(EFAULT));
    EXPECT_THAT(pipe(static_cast<int*>(p)), FailsWith(EFAULT));
    EXPECT_THAT(pwrite(memory.get(), &byte, 1, static_cast<off_t>(piece.address)), Fails());
    iovec local = {&byte, 1}, remote = {p, 1};
    EXPECT_THAT(process_vm_writev(getpid(), &local, 1, &remote, 1, 0), Fails());
    EXPECT_THAT(syscall(SYS_futex, p, FUTEX_LOCK_PI, 0, nullptr, nullptr, 0), Fails());
    EXPECT_THAT(syscall(SYS_getrandom, p, 8, 0), FailsWith(EFAULT));
    // A buffer that begins before it. The bytes before it are not mapped either.
    EXPECT_THAT(read(zero.get(), static_cast<char*>(p) - 8, 16), FailsWith(EFAULT));
  }
}

// As places that the Sentry writes to by itself.
TEST_F(MappingTest, PlacesToWriteTo) {
  for (const Piece& piece : Pieces()) {
    SCOPED_TRACE(piece.name);
    void* const p = At(piece.address);
    // A signal's frame does not fit: SIGSEGV.
    const int status = InChild([p] {
      const stack_t stack = {.ss_sp = p, .ss_flags = 0, .ss_size = 32768};
      sigaltstack(&stack, nullptr);
      struct sigaction action = {};
      action.sa_handler = [](int) {};
      action.sa_flags = SA_ONSTACK;
      sigaction(SIGUSR1, &action, nullptr);
      raise(SIGUSR1);
    });
    EXPECT_THAT(status, KilledBy(SIGSEGV));
    EXPECT_THAT(InChild([p] { syscall(SYS_set_tid_address, p); }), ExitedWith(0));
    EXPECT_THAT(InChild([p] { syscall(SYS_set_robust_list, p, 24); }), ExitedWith(0));
  }
}

}  // namespace
}  // namespace cvisor::test
