// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// mmap(2), munmap(2), mremap(2), mprotect(2), madvise(2), msync(2), mincore(2), mlock(2), brk(2),
// faults on memory.
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <fstream>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

constexpr size_t kPage = 4096;

char* Map(size_t size, int prot = PROT_READ | PROT_WRITE,
          int flags = MAP_PRIVATE | MAP_ANONYMOUS, int fd = -1, off_t offset = 0,
          void* at = nullptr) {
  void* p = mmap(at, size, prot, flags, fd, offset);
  EXPECT_NE(p, MAP_FAILED) << ErrnoName(errno);
  return static_cast<char*>(p);
}

sigjmp_buf fault_return;
siginfo_t fault_info;
void OnFault(int, siginfo_t* info, void*) {
  fault_info = *info;
  siglongjmp(fault_return, 1);
}

// The signal, its code and its address if the access faults; signal 0 if not.
struct Fault {
  int signal = 0;
  int code = 0;
  void* address = nullptr;
};
template <typename F>
Fault FaultOf(F access) {
  ScopedSigaction segv(SIGSEGV, OnFault, 0), bus(SIGBUS, OnFault, 0);
  if (sigsetjmp(fault_return, 1) == 0) {
    access();
    return {};
  }
  return {fault_info.si_signo, fault_info.si_code, fault_info.si_addr};
}
Fault ReadFault(const volatile char* p) {
  return FaultOf([p] { (void)*p; });
}
Fault WriteFault(volatile char* p) {
  return FaultOf([p] { *p = 1; });
}

class MmapTest : public testing::Test {
 protected:
  MmapTest() : fd_(Open(dir_ / "file", O_RDWR | O_CREAT)) {
    EXPECT_TRUE(WriteAll(fd_.get(), std::string(kPage, 'a') + std::string(kPage, 'b') + "tail"));
  }
  TempDir dir_;
  Fd fd_;
};

TEST_F(MmapTest, AnonymousMemoryIsZero) {
  char* p = Map(4 * kPage);
  for (size_t i = 0; i < 4 * kPage; ++i) ASSERT_EQ(p[i], 0);
  memset(p, 1, 4 * kPage);
  EXPECT_THAT(munmap(p, 4 * kPage), SucceedsWith(0));
  const Fault f = ReadFault(p);
  EXPECT_EQ(f.signal, SIGSEGV);
  EXPECT_EQ(f.code, SEGV_MAPERR);
  EXPECT_EQ(f.address, p);
}

TEST_F(MmapTest, Errors) {
  EXPECT_THAT(mmap(nullptr, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), FailsWith(EINVAL));
  EXPECT_THAT(mmap(nullptr, kPage, PROT_READ, MAP_ANONYMOUS, -1, 0), FailsWith(EINVAL));
  EXPECT_THAT(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, -1, 0), FailsWith(EBADF));
  EXPECT_THAT(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, fd_.get(), 100), FailsWith(EINVAL));
  EXPECT_THAT(mmap(nullptr, SIZE_MAX - kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
              FailsWith(ENOMEM));
  EXPECT_THAT(mmap(nullptr, size_t{1} << 50, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
              FailsWith(ENOMEM));
  EXPECT_THAT(mmap(reinterpret_cast<void*>(4097), kPage, PROT_READ,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
              FailsWith(EINVAL));
  Fd r = Open(dir_ / "file", O_RDONLY);
  Fd w = Open(dir_ / "file", O_WRONLY);
  EXPECT_THAT(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, w.get(), 0), FailsWith(EACCES));
  EXPECT_THAT(mmap(nullptr, kPage, PROT_WRITE, MAP_SHARED, r.get(), 0), FailsWith(EACCES));
  EXPECT_THAT(mmap(nullptr, kPage, PROT_WRITE, MAP_PRIVATE, r.get(), 0), Succeeds());
  Fd d = Open(dir_.path(), O_RDONLY);
  EXPECT_THAT(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, d.get(), 0), FailsWith(ENODEV));
  PipeFds pipe = MakePipe();
  EXPECT_THAT(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, pipe.reader.get(), 0),
              FailsWith(ENODEV));
}

TEST_F(MmapTest, FixedReplacesAndNoreplaceDoesNot) {
  char* p = Map(3 * kPage);
  memset(p, 'x', 3 * kPage);
  char* q = Map(kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0,
                p + kPage);
  EXPECT_EQ(q, p + kPage);
  EXPECT_EQ(p[0], 'x');
  EXPECT_EQ(p[kPage], 0);
  EXPECT_EQ(p[2 * kPage], 'x');
  EXPECT_THAT(mmap(p, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
              FailsWith(EEXIST));
  munmap(p, 3 * kPage);
  EXPECT_THAT(mmap(p, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
              SucceedsWith(p));
  munmap(p, kPage);
  // A hint that is free is used.
  EXPECT_THAT(mmap(p, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), SucceedsWith(p));
  munmap(p, kPage);
}

TEST_F(MmapTest, MunmapPunchesHoles) {
  char* p = Map(3 * kPage);
  EXPECT_THAT(munmap(p + kPage, kPage), SucceedsWith(0));
  EXPECT_EQ(ReadFault(p).signal, 0);
  EXPECT_EQ(ReadFault(p + kPage).signal, SIGSEGV);
  EXPECT_EQ(ReadFault(p + 2 * kPage).signal, 0);
  // Nothing there is fine; over the hole too.
  EXPECT_THAT(munmap(p, 3 * kPage), SucceedsWith(0));
  EXPECT_THAT(munmap(p, 3 * kPage), SucceedsWith(0));
  EXPECT_THAT(munmap(p, 0), FailsWith(EINVAL));
  EXPECT_THAT(munmap(p + 1, kPage), FailsWith(EINVAL));
}

TEST_F(MmapTest, PrivateFileMappingCopiesOnWrite) {
  char* p = Map(2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd_.get());
  EXPECT_EQ(p[0], 'a');
  EXPECT_EQ(p[kPage], 'b');
  p[0] = 'X';
  EXPECT_EQ(ReadFile(dir_ / "file")[0], 'a');
  // Pages not yet copied show later writes to the file.
  EXPECT_THAT(pwrite(fd_.get(), "Z", 1, kPage), SucceedsWith(1));
  EXPECT_EQ(p[kPage], 'Z');
  EXPECT_THAT(pwrite(fd_.get(), "Q", 1, 0), SucceedsWith(1));
  EXPECT_EQ(p[0], 'X');
  munmap(p, 2 * kPage);
}

TEST_F(MmapTest, SharedFileMappingIsCoherentWithTheFile) {
  char* p = Map(2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get());
  char* q = Map(kPage, PROT_READ, MAP_SHARED, fd_.get(), kPage);
  p[kPage + 5] = 'S';
  EXPECT_EQ(q[5], 'S');
  EXPECT_EQ(ReadFile(dir_ / "file")[kPage + 5], 'S');
  EXPECT_THAT(pwrite(fd_.get(), "W", 1, kPage + 6), SucceedsWith(1));
  EXPECT_EQ(q[6], 'W');
  EXPECT_THAT(InChild([&] { p[7] = 'C'; }), ExitedWith(0));
  EXPECT_EQ(p[7], 'C');
  munmap(p, 2 * kPage);
  munmap(q, kPage);
}

TEST_F(MmapTest, MappingOutlivesDescriptorAndName) {
  char* p = Map(kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get());
  fd_.reset();
  unlink(dir_.c("file"));
  EXPECT_EQ(p[0], 'a');
  p[0] = 'n';
  EXPECT_EQ(p[0], 'n');
  munmap(p, kPage);
}

TEST_F(MmapTest, TailOfTheLastPageIsZeroAndBeyondIsSigbus) {
  char* p = Map(4 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get());
  EXPECT_EQ(std::string(p + 2 * kPage, 6), std::string("tail\0\0", 6));
  EXPECT_EQ(p[3 * kPage - 1], 0);
  Fault f = ReadFault(p + 3 * kPage + 10);
  EXPECT_EQ(f.signal, SIGBUS);
  EXPECT_EQ(f.code, BUS_ADRERR);
  EXPECT_EQ(f.address, p + 3 * kPage + 10);
  f = WriteFault(p + 3 * kPage);
  EXPECT_EQ(f.signal, SIGBUS);
  // Growing the file makes the pages accessible; shrinking takes them away.
  EXPECT_THAT(ftruncate(fd_.get(), 4 * kPage), SucceedsWith(0));
  EXPECT_EQ(WriteFault(p + 3 * kPage).signal, 0);
  EXPECT_THAT(ftruncate(fd_.get(), kPage), SucceedsWith(0));
  EXPECT_EQ(ReadFault(p).signal, 0);
  EXPECT_EQ(ReadFault(p + kPage).signal, SIGBUS);
  munmap(p, 4 * kPage);
}

TEST_F(MmapTest, SystemCallsOnBadMappingsFail) {
  char* p = Map(2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 2 * kPage);
  PipeFds pipe = MakePipe();
  EXPECT_THAT(write(pipe.writer.get(), p + kPage, 1), FailsWith(EFAULT));
  EXPECT_THAT(write(pipe.writer.get(), "x", 1), SucceedsWith(1));
  EXPECT_THAT(read(pipe.reader.get(), p + kPage, 1), FailsWith(EFAULT));
  munmap(p, 2 * kPage);
  p = Map(kPage, PROT_READ);
  EXPECT_THAT(read(pipe.reader.get(), p, 1), FailsWith(EFAULT));
  mprotect(p, kPage, PROT_NONE);
  EXPECT_THAT(write(pipe.writer.get(), p, 1), FailsWith(EFAULT));
  munmap(p, kPage);
}

TEST_F(MmapTest, ForkCopiesPrivateAndSharesShared) {
  char* priv = Map(kPage);
  char* shared = Map(kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
  char* file = Map(kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd_.get());
  priv[0] = 'p';
  file[0] = 'f';
  EXPECT_THAT(InChild([&] {
                EXPECT_EQ(priv[0], 'p');
                EXPECT_EQ(file[0], 'f');
                priv[0] = file[0] = shared[0] = 'c';
              }),
              ExitedWith(0));
  EXPECT_EQ(priv[0], 'p');
  EXPECT_EQ(file[0], 'f');
  EXPECT_EQ(shared[0], 'c');
  munmap(priv, kPage);
  munmap(shared, kPage);
  munmap(file, kPage);
}

TEST_F(MmapTest, ParentsWritesAfterForkAreNotSeenByTheChild) {
  char* p = Map(kPage);
  p[0] = '1';
  Event go;
  ScopedChild child([&] {
    go.Wait();
    EXPECT_EQ(p[0], '1');
  });
  p[0] = '2';
  go.Signal();
  EXPECT_THAT(child.Wait(), ExitedWith(0));
  munmap(p, kPage);
}

TEST_F(MmapTest, MprotectFaults) {
  char* p = Map(3 * kPage);
  p[kPage] = 5;
  EXPECT_THAT(mprotect(p + kPage, kPage, PROT_READ), SucceedsWith(0));
  EXPECT_EQ(ReadFault(p + kPage).signal, 0);
  Fault f = WriteFault(p + kPage + 3);
  EXPECT_EQ(f.signal, SIGSEGV);
  EXPECT_EQ(f.code, SEGV_ACCERR);
  EXPECT_EQ(f.address, p + kPage + 3);
  EXPECT_THAT(mprotect(p + kPage, kPage, PROT_NONE), SucceedsWith(0));
  f = ReadFault(p + kPage);
  EXPECT_EQ(f.code, SEGV_ACCERR);
  EXPECT_EQ(WriteFault(p + 2 * kPage).signal, 0);
  EXPECT_THAT(mprotect(p, 3 * kPage, PROT_READ | PROT_WRITE), SucceedsWith(0));
  EXPECT_EQ(p[kPage], 5);
  munmap(p + kPage, kPage);
  EXPECT_THAT(mprotect(p, 3 * kPage, PROT_READ), FailsWith(ENOMEM));
  EXPECT_THAT(mprotect(p + 1, kPage, PROT_READ), FailsWith(EINVAL));
  EXPECT_THAT(mprotect(p, kPage, 0x100), FailsWith(EINVAL));
  EXPECT_THAT(mprotect(p, 0, PROT_READ), SucceedsWith(0));
  munmap(p, 3 * kPage);
  // Protection cannot exceed the descriptor's.
  Fd r = Open(dir_ / "file", O_RDONLY);
  p = Map(kPage, PROT_READ, MAP_SHARED, r.get());
  EXPECT_THAT(mprotect(p, kPage, PROT_READ | PROT_WRITE), FailsWith(EACCES));
  munmap(p, kPage);
}

TEST_F(MmapTest, ExecuteFault) {
  char* p = Map(kPage);
  p[0] = static_cast<char>(0xc3);  // ret
  const auto call = [p] { reinterpret_cast<void (*)()>(p)(); };
  const Fault f = FaultOf(call);
  EXPECT_EQ(f.signal, SIGSEGV);
  EXPECT_EQ(f.code, SEGV_ACCERR);
  EXPECT_EQ(f.address, p);
  EXPECT_THAT(mprotect(p, kPage, PROT_READ | PROT_EXEC), SucceedsWith(0));
  EXPECT_EQ(FaultOf(call).signal, 0);
  munmap(p, kPage);
}

TEST_F(MmapTest, SharedMemoryBeyondTheMachine) {
  constexpr size_t kHuge = size_t{1} << 45;
  constexpr int kProt = PROT_READ | PROT_WRITE;
  EXPECT_THAT(mmap(nullptr, kHuge, kProt, MAP_SHARED | MAP_ANONYMOUS, -1, 0), FailsWith(ENOMEM));
  void* p = mmap(nullptr, kHuge, kProt, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(p, MAP_FAILED);
  munmap(p, kHuge);
}

// Populating all of it takes a minute, and more memory than the test would like to have.
void ExpectMappingEndsWhenKilled(int flags) {
  constexpr size_t kHuge = size_t{1} << 40;
  ScopedChild child([&] {
    // Only page tables: every page is the zero page.
    mmap(nullptr, kHuge, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
    pause();
  });
  const std::string maps = "/proc/" + std::to_string(child.pid()) + "/maps";
  const int64_t started = NowNs();
  EXPECT_TRUE(WaitUntil([&] {
    std::ifstream in(maps);
    for (std::string line; std::getline(in, line);) {
      unsigned long begin = 0, end = 0;
      if (sscanf(line.c_str(), "%lx-%lx", &begin, &end) == 2 && end - begin >= kHuge) return true;
    }
    return false;
  }));
  EXPECT_THAT(kill(child.pid(), SIGKILL), SucceedsWith(0));
  EXPECT_THAT(child.Wait(), KilledBy(SIGKILL));
  EXPECT_LT(NowNs() - started, int64_t{20} * 1000000000);
}

TEST_F(MmapTest, PopulatingEndsWhenKilled) { ExpectMappingEndsWhenKilled(MAP_POPULATE); }
TEST_F(MmapTest, LockingEndsWhenKilled) { ExpectMappingEndsWhenKilled(MAP_LOCKED); }

TEST_F(MmapTest, NonCanonicalAndKernelAddresses) {
  Fault f = ReadFault(reinterpret_cast<char*>(0xdead000000000000));
  EXPECT_EQ(f.signal, SIGSEGV);
  EXPECT_EQ(f.code, SI_KERNEL);
  EXPECT_EQ(f.address, nullptr);
  f = ReadFault(reinterpret_cast<char*>(0xffff800000000000));
  EXPECT_EQ(f.signal, SIGSEGV);
  EXPECT_EQ(f.code, SEGV_MAPERR);
}

TEST_F(MmapTest, Mremap) {
  char* p = Map(4 * kPage);
  for (int i = 0; i < 4; ++i) p[i * kPage] = static_cast<char>('0' + i);
  // Shrink in place.
  EXPECT_THAT(mremap(p, 4 * kPage, 2 * kPage, 0), SucceedsWith(p));
  EXPECT_EQ(ReadFault(p + 2 * kPage).signal, SIGSEGV);
  // Grow in place into the hole just made.
  EXPECT_THAT(mremap(p, 2 * kPage, 3 * kPage, 0), SucceedsWith(p));
  EXPECT_EQ(p[2 * kPage], 0);
  // Something in the way.
  char* wall = Map(kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0, p + 3 * kPage);
  EXPECT_THAT(mremap(p, 3 * kPage, 8 * kPage, 0), FailsWith(ENOMEM));
  char* q = static_cast<char*>(mremap(p, 3 * kPage, 8 * kPage, MREMAP_MAYMOVE));
  ASSERT_NE(q, MAP_FAILED);
  EXPECT_NE(q, p);
  EXPECT_EQ(q[0], '0');
  EXPECT_EQ(q[kPage], '1');
  EXPECT_EQ(ReadFault(p).signal, SIGSEGV);
  // To a given place.
  char* target = Map(8 * kPage, PROT_NONE);
  EXPECT_THAT(mremap(q, 8 * kPage, 8 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, target),
              SucceedsWith(target));
  EXPECT_EQ(target[kPage], '1');
  munmap(target, 8 * kPage);
  munmap(wall, kPage);
}

TEST_F(MmapTest, MremapErrors) {
  char* p = Map(2 * kPage);
  EXPECT_THAT(mremap(p + 1, kPage, kPage, 0), FailsWith(EINVAL));
  EXPECT_THAT(mremap(p, kPage, 0, 0), FailsWith(EINVAL));
  EXPECT_THAT(mremap(p, kPage, kPage, MREMAP_FIXED, p), FailsWith(EINVAL));
  EXPECT_THAT(mremap(p, kPage, kPage, 0x10), FailsWith(EINVAL));
  EXPECT_THAT(mremap(p, 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, p + kPage),
              FailsWith(EINVAL));
  munmap(p, 2 * kPage);
  EXPECT_THAT(mremap(p, kPage, 2 * kPage, MREMAP_MAYMOVE), FailsWith(EFAULT));
}

TEST_F(MmapTest, MremapDuplicatesSharedMappings) {
  char* p = Map(kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
  char* q = static_cast<char*>(mremap(p, 0, kPage, MREMAP_MAYMOVE));
  ASSERT_NE(q, MAP_FAILED);
  p[0] = 'd';
  EXPECT_EQ(q[0], 'd');
  munmap(p, kPage);
  munmap(q, kPage);
  p = Map(kPage);
  EXPECT_THAT(mremap(p, 0, kPage, MREMAP_MAYMOVE), FailsWith(EINVAL));
  q = static_cast<char*>(mremap(p, kPage, kPage, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, nullptr));
  ASSERT_NE(q, MAP_FAILED);
  EXPECT_NE(p, q);
  EXPECT_EQ(ReadFault(p).signal, 0);
  munmap(p, kPage);
  munmap(q, kPage);
}

TEST_F(MmapTest, GrowingASharedFileMapping) {
  char* p = Map(kPage, PROT_READ, MAP_SHARED, fd_.get());
  p = static_cast<char*>(mremap(p, kPage, 2 * kPage, MREMAP_MAYMOVE));
  ASSERT_NE(p, MAP_FAILED);
  EXPECT_EQ(p[kPage], 'b');
  munmap(p, 2 * kPage);
}

TEST_F(MmapTest, MadviseDontneed) {
  char* p = Map(2 * kPage);
  p[0] = p[kPage] = 'x';
  EXPECT_THAT(madvise(p, kPage, MADV_DONTNEED), SucceedsWith(0));
  EXPECT_EQ(p[0], 0);
  EXPECT_EQ(p[kPage], 'x');
  char* f = Map(kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd_.get());
  f[0] = 'X';
  EXPECT_THAT(madvise(f, kPage, MADV_DONTNEED), SucceedsWith(0));
  EXPECT_EQ(f[0], 'a');
  char* s = Map(kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
  s[0] = 's';
  EXPECT_THAT(madvise(s, kPage, MADV_DONTNEED), SucceedsWith(0));
  EXPECT_EQ(s[0], 's');
  for (int advice : {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTDUMP,
                     MADV_DODUMP, MADV_FREE}) {
    EXPECT_THAT(madvise(p, kPage, advice), SucceedsWith(0)) << advice;
  }
  EXPECT_THAT(madvise(p, kPage, 12345), FailsWith(EINVAL));
  EXPECT_THAT(madvise(p + 1, kPage, MADV_NORMAL), FailsWith(EINVAL));
  munmap(p, 2 * kPage);
  EXPECT_THAT(madvise(p, kPage, MADV_NORMAL), FailsWith(ENOMEM));
  munmap(f, kPage);
  munmap(s, kPage);
}

TEST_F(MmapTest, MadviseDontforkAndWipeonfork) {
  char* p = Map(2 * kPage);
  p[0] = p[kPage] = 'x';
  EXPECT_THAT(madvise(p, kPage, MADV_DONTFORK), SucceedsWith(0));
  EXPECT_THAT(madvise(p + kPage, kPage, MADV_WIPEONFORK), SucceedsWith(0));
  EXPECT_THAT(InChild([&] {
                EXPECT_EQ(ReadFault(p).signal, SIGSEGV);
                EXPECT_EQ(p[kPage], 0);
              }),
              ExitedWith(0));
  EXPECT_EQ(p[kPage], 'x');
  munmap(p, 2 * kPage);
}

TEST_F(MmapTest, Msync) {
  char* p = Map(kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get());
  p[0] = 'm';
  EXPECT_THAT(msync(p, kPage, MS_SYNC), SucceedsWith(0));
  EXPECT_THAT(msync(p, kPage, MS_ASYNC | MS_INVALIDATE), SucceedsWith(0));
  EXPECT_THAT(msync(p, kPage, MS_ASYNC | MS_SYNC), FailsWith(EINVAL));
  EXPECT_THAT(msync(p, kPage, 0x100), FailsWith(EINVAL));
  EXPECT_THAT(msync(p + 1, kPage, MS_SYNC), FailsWith(EINVAL));
  munmap(p, kPage);
  EXPECT_THAT(msync(p, kPage, MS_SYNC), FailsWith(ENOMEM));
}

TEST_F(MmapTest, Mincore) {
  char* p = Map(2 * kPage);
  p[kPage] = 1;
  unsigned char v[2] = {0xff, 0xff};
  EXPECT_THAT(mincore(p, 2 * kPage, v), SucceedsWith(0));
  EXPECT_EQ(v[1] & 1, 1);
  EXPECT_THAT(mincore(p + 1, kPage, v), FailsWith(EINVAL));
  EXPECT_THAT(mincore(p, kPage, reinterpret_cast<unsigned char*>(8)), FailsWith(EFAULT));
  munmap(p, 2 * kPage);
  EXPECT_THAT(mincore(p, kPage, v), FailsWith(ENOMEM));
}

TEST_F(MmapTest, Mlock) {
  char* p = Map(2 * kPage);
  EXPECT_THAT(mlock(p, 2 * kPage), SucceedsWith(0));
  EXPECT_THAT(munlock(p, 2 * kPage), SucceedsWith(0));
  EXPECT_THAT(syscall(SYS_mlock2, p, kPage, MLOCK_ONFAULT), SucceedsWith(0));
  EXPECT_THAT(syscall(SYS_mlock2, p, kPage, 0x10), FailsWith(EINVAL));
  EXPECT_THAT(mlockall(0), FailsWith(EINVAL));
  EXPECT_THAT(munlockall(), SucceedsWith(0));
  munmap(p, 2 * kPage);
  EXPECT_THAT(mlock(p, kPage), FailsWith(ENOMEM));
  EXPECT_THAT(InChild([] {
                const rlimit none = {0, 0};
                EXPECT_THAT(setrlimit(RLIMIT_MEMLOCK, &none), SucceedsWith(0));
                BecomeNobody();
                char* q = Map(kPage);
                EXPECT_THAT(mlock(q, kPage), FailsWith(EPERM));
              }),
              ExitedWith(0));
}

TEST_F(MmapTest, Brk) {
  EXPECT_THAT(InChild([] {
                const auto brk = [](uintptr_t p) {
                  return static_cast<uintptr_t>(syscall(SYS_brk, p));
                };
                const uintptr_t end = brk(0);
                EXPECT_EQ(brk(1), end);
                EXPECT_EQ(brk(end + 3 * kPage + 5), end + 3 * kPage + 5);
                char* p = reinterpret_cast<char*>((end + kPage - 1) & ~(kPage - 1));
                memset(p, 1, 2 * kPage);
                EXPECT_EQ(brk(end), end);
                EXPECT_EQ(brk(end + 3 * kPage), end + 3 * kPage);
                EXPECT_EQ(p[kPage], 0);
                EXPECT_EQ(brk(end), end);
                EXPECT_EQ(brk(uintptr_t{1} << 60), end);
                rlimit limit = {4096, 4096};
                EXPECT_THAT(setrlimit(RLIMIT_DATA, &limit), SucceedsWith(0));
                EXPECT_EQ(brk(end + 100 * kPage), end);
              }),
              ExitedWith(0));
}

TEST_F(MmapTest, AddressSpaceLimit) {
  EXPECT_THAT(InChild([] {
                rlimit limit = {256 << 20, 256 << 20};
                EXPECT_THAT(setrlimit(RLIMIT_AS, &limit), SucceedsWith(0));
                EXPECT_THAT(mmap(nullptr, 300 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                            FailsWith(ENOMEM));
                EXPECT_THAT(mmap(nullptr, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                            Succeeds());
              }),
              ExitedWith(0));
}

// Uses about this much stack.
__attribute__((noinline)) int Deep(int kilobytes) {
  volatile char frame[1024];
  frame[0] = static_cast<char>(kilobytes);
  if (kilobytes <= 1) return frame[0];
  return Deep(kilobytes - 1) + frame[0] * 0;
}

TEST_F(MmapTest, StackGrows) {
  EXPECT_THAT(InChild([] { EXPECT_EQ(Deep(4096), 1); }), ExitedWith(0));
}

TEST_F(MmapTest, StackLimitIsSigsegvOnTheAlternateStack) {
  EXPECT_THAT(InChild([] {
                const rlimit limit = {512 * 1024, RLIM_INFINITY};
                setrlimit(RLIMIT_STACK, &limit);
                stack_t ss = {};
                ss.ss_size = 65536;
                ss.ss_sp = Map(ss.ss_size);
                sigaltstack(&ss, nullptr);
                ScopedSigaction segv(SIGSEGV, OnFault, SA_ONSTACK);
                if (sigsetjmp(fault_return, 1) == 0) {
                  Deep(100000);
                  ADD_FAILURE() << "no fault";
                }
                EXPECT_EQ(fault_info.si_signo, SIGSEGV);
              }),
              ExitedWith(0));
}

TEST_F(MmapTest, GrowsdownMappings) {
  char* space = Map(1024 * kPage, PROT_NONE);
  munmap(space, 1024 * kPage);
  char* top = space + 1000 * kPage;
  char* p = Map(kPage, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0, top);
  EXPECT_EQ(WriteFault(p - 1).signal, 0);
  EXPECT_EQ(WriteFault(p - 5 * kPage).signal, 0);
  munmap(p - 8 * kPage, 9 * kPage);
}

TEST_F(MmapTest, ThreadsUnmapUnderEachOther) {
  // Faults while another thread changes the map are resolved against what is there.
  std::atomic<bool> stop = false;
  ScopedThread mapper([&] {
    while (!stop) munmap(Map(16 * kPage), 16 * kPage);
  });
  for (int i = 0; i < 200; ++i) {
    char* p = Map(8 * kPage);
    for (int k = 0; k < 8; ++k) p[k * kPage] = static_cast<char>(i);
    for (int k = 0; k < 8; ++k) ASSERT_EQ(p[k * kPage], static_cast<char>(i));
    munmap(p, 8 * kPage);
  }
  stop = true;
}

TEST_F(MmapTest, ManyMappings) {
  std::vector<char*> all;
  for (int i = 0; i < 1000; ++i) {
    all.push_back(Map(kPage, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE));
  }
  for (char* p : all) EXPECT_EQ(*p, 0);
  for (char* p : all) munmap(p, kPage);
}

TEST_F(MmapTest, ProcSelfMapsShowsMappings) {
  char* p = Map(3 * kPage, PROT_READ, MAP_SHARED, fd_.get(), kPage);
  char line[128];
  snprintf(line, sizeof line, "%lx-%lx r--s 00001000 ", reinterpret_cast<long>(p),
           reinterpret_cast<long>(p + 3 * kPage));
  const std::string maps = ReadFile("/proc/self/maps");
  const size_t at = maps.find(line);
  ASSERT_NE(at, std::string::npos) << line << maps;
  const std::string whole = maps.substr(at, maps.find('\n', at) - at);
  EXPECT_NE(whole.find(dir_ / "file"), std::string::npos) << whole;
  EXPECT_NE(maps.find("[stack]"), std::string::npos);
  EXPECT_NE(maps.find("[heap]"), std::string::npos);
  munmap(p, 3 * kPage);
  EXPECT_EQ(ReadFile("/proc/self/maps").find(line), std::string::npos);
}

}  // namespace
}  // namespace cvisor::test
