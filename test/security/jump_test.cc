// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// Jumps into the stub's text: to every byte, and to its SYSCALL instructions with the numbers and
// arguments of calls that would reach the host.

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <tuple>

#include "test/security/stub.h"

namespace cvisor::test {
namespace {

// What is in the registers.
Registers Zeros() { return Registers::All(0); }
Registers Ones() { return Registers::All(~uint64_t{0}); }

// As the stub's own code has them, of a thread and of the agent at once.
Registers Pages() {
  const uint64_t page = reinterpret_cast<uint64_t>(Page(0));
  Registers r = Registers::All(page);
  r.rax = 1;
  r.rsp = page + THREAD_STACK_TOP - 64;
  r.r12 = SlabBase();
  r.r13 = SlabBase() + SLAB_REPLY_OFFSET;
  r.r14 = 0;
  r.r15 = 8;
  return r;
}

// A page, and a stack of the application's.
Registers PageAndStack() {
  static uint64_t stack[512];
  Registers r = Registers::All(reinterpret_cast<uint64_t>(Page(0)));
  r.rsp = reinterpret_cast<uint64_t>(&stack[256]);
  r.rax = r.rbx = 0;
  return r;
}

constexpr int kParts = 4;

class JumpEverywhere : public testing::TestWithParam<std::tuple<Registers (*)(), int>> {};

TEST_P(JumpEverywhere, Bytes) {
  const auto [make, part] = GetParam();
  Witness witness;
  // Some hundred sleep or spin for ever.
  Attackers attackers(12, 100);
  const size_t size = CodeSize();
  ASSERT_GT(size, 256u);
  // A few bytes of the filling, too.
  for (uint64_t offset = static_cast<uint64_t>(part); offset < size + 16; offset += kParts) {
    attackers.Start([&, make = make] { Jump(make(), Text() + offset); },
                    [offset](int status) {
                      EXPECT_TRUE(WIFSIGNALED(status) || WIFEXITED(status)) << "at " << offset;
                    });
    if (offset % 64 == 0) witness.Check();
    if (HasFailure()) break;
  }
  attackers.Finish();
}

INSTANTIATE_TEST_SUITE_P(, JumpEverywhere,
                         testing::Combine(testing::Values(&Zeros, &Ones, &Pages, &PageAndStack),
                                          testing::Range(0, kParts)));

struct Call {
  const char* name;
  int nr;
  uint64_t a[6];
};

// Calls that must not come about, wherever they are made. Arguments are in the range of the
// Sentry's descriptors and processes, which the stub shares.
std::vector<Call> ForbiddenCalls() {
  static char path[] = "/etc/passwd", buffer[4096];
  static char* argv[] = {path, nullptr};
  static iovec io = {buffer, sizeof(buffer)};
  static struct {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
  } clone3_args = {};
  clone3_args.exit_signal = SIGCHLD;
  const auto p = [](const void* x) { return reinterpret_cast<uint64_t>(x); };
  const uint64_t cwd = static_cast<uint64_t>(AT_FDCWD), none = ~uint64_t{0};
  const uint64_t text = Text(), slab = SlabBase();
  static void* mine =
      mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::vector<Call> calls = {
      {"read", SYS_read, {0, p(buffer), 1}},
      {"write", SYS_write, {2, p("host write\n"), 11}},
      {"open", SYS_open, {p(path), O_RDONLY}},
      {"openat", SYS_openat, {cwd, p(path), O_RDONLY}},
      {"close", SYS_close, {3}},
      {"fcntl", SYS_fcntl, {3, F_GETFD}},
      {"ioctl", SYS_ioctl, {3, SECCOMP_IOCTL_NOTIF_RECV, p(buffer)}},
      {"dup2", SYS_dup2, {3, 9}},
      {"pread64", SYS_pread64, {3, p(buffer), 16, 0}},
      {"pwrite64", SYS_pwrite64, {3, p(buffer), 0, 0}},
      {"lseek", SYS_lseek, {3, 0, SEEK_CUR}},
      {"ftruncate", SYS_ftruncate, {3, 0}},
      {"sendmsg", SYS_sendmsg, {3, p(buffer), 0}},
      {"socket", SYS_socket, {AF_INET, SOCK_STREAM, 0}},
      {"getpid", SYS_getpid, {}},
      {"getppid", SYS_getppid, {}},
      {"gettid", SYS_gettid, {}},
      {"fork", SYS_fork, {}},
      {"vfork", SYS_vfork, {}},
      {"clone", SYS_clone, {SIGCHLD, 0, 0, 0, 0}},
      {"clone of an agent", SYS_clone, {CLONE_PARENT | CLONE_FILES}},
      {"clone of a thread",
       SYS_clone,
       {CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
            CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
        p(buffer) + 4096, 0, p(buffer)}},
      {"clone3", SYS_clone3, {p(&clone3_args), sizeof(clone3_args)}},
      {"execve", SYS_execve, {p(path), p(argv), p(argv + 1)}},
      {"ptrace", SYS_ptrace, {PTRACE_TRACEME, 0, 0, 0}},
      {"ptrace of the parent", SYS_ptrace, {PTRACE_SEIZE, 1, 0, 0}},
      {"kill", SYS_kill, {1, 0}},
      {"kill of all", SYS_kill, {none, SIGCONT}},
      {"tgkill", SYS_tgkill, {1, 1, SIGCONT}},
      {"rt_sigaction", SYS_rt_sigaction, {SIGURG, 0, p(buffer), 8}},
      {"rt_sigprocmask", SYS_rt_sigprocmask, {SIG_BLOCK, 0, p(buffer), 8}},
      {"sigaltstack", SYS_sigaltstack, {0, p(buffer)}},
      {"process_vm_readv", SYS_process_vm_readv, {1, p(&io), 1, p(&io), 1, 0}},
      {"process_vm_writev", SYS_process_vm_writev, {1, p(&io), 1, p(&io), 1, 0}},
      {"pidfd_open", SYS_pidfd_open, {1, 0}},
      {"pidfd_getfd", SYS_pidfd_getfd, {3, 0, 0}},
      {"setuid", SYS_setuid, {0}},
      {"unshare", SYS_unshare, {CLONE_NEWUSER}},
      {"setns", SYS_setns, {3, 0}},
      {"mount", SYS_mount, {p(path), p(path), p(path), MS_BIND, 0}},
      {"prctl", SYS_prctl, {4 /*PR_SET_DUMPABLE*/, 0}},
      {"seccomp", SYS_seccomp, {SECCOMP_GET_ACTION_AVAIL, 0, p(buffer)}},
      {"sched_setaffinity", SYS_sched_setaffinity, {0, 8, p(buffer)}},
      {"bpf", SYS_bpf, {0, p(buffer), 64}},
      {"perf_event_open", SYS_perf_event_open, {p(buffer), 0, none, none, 0}},
      {"userfaultfd", SYS_userfaultfd, {1}},
      {"io_uring_setup", SYS_io_uring_setup, {8, p(buffer)}},
      {"keyctl", SYS_keyctl, {0, 0, 0}},
      {"memfd_create", SYS_memfd_create, {p(path), 0}},
      {"setrlimit", SYS_setrlimit, {7, p(buffer)}},
      {"arch_prctl get", SYS_arch_prctl, {0x1003 /*ARCH_GET_FS*/, p(buffer)}},
      {"arch_prctl cpuid", SYS_arch_prctl, {0x1011 /*ARCH_GET_CPUID*/, 0}},
      {"modify_ldt", SYS_modify_ldt, {0, p(buffer), 64}},
      {"futex requeue", SYS_futex, {p(buffer), FUTEX_CMP_REQUEUE, 0, 1, p(buffer) + 64, 0}},
      {"futex PI", SYS_futex, {p(buffer), FUTEX_LOCK_PI, 0, 0}},
      {"process_madvise", SYS_process_madvise, {3, p(&io), 1, MADV_COLD, 0}},
      // Of the stub's own memory.
      {"munmap of the text", SYS_munmap, {text, 4096}},
      {"munmap of the slab", SYS_munmap, {slab, 4096}},
      {"munmap across", SYS_munmap, {slab - (uint64_t{1} << 21), uint64_t{1} << 30}},
      {"mprotect of the agent's page", SYS_mprotect, {slab, 4096, PROT_READ | PROT_WRITE}},
      {"mprotect of the text", SYS_mprotect, {text, 4096, PROT_READ | PROT_WRITE | PROT_EXEC}},
      {"mmap over the agent's page",
       SYS_mmap,
       {slab, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, none, 0}},
      {"mmap over the text",
       SYS_mmap,
       {text, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
        none, 0}},
      {"mremap of the slab",
       SYS_mremap,
       {slab, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, p(mine)}},
      {"mremap onto the slab",
       SYS_mremap,
       {p(mine), 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, slab}},
      {"madvise of the slab", SYS_madvise, {slab, 65536, MADV_DONTNEED}},
      {"mseal of the slab", 462, {slab, 4096, 0}},
  };
  // Of the Sentry's descriptors.
  for (const uint64_t fd : {0, 1, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 25, 30, 40}) {
    calls.push_back({"mmap of a descriptor", SYS_mmap, {0, 4096, PROT_READ, MAP_SHARED, fd, 0}});
    calls.push_back({"mmap of a descriptor, fixed",
                     SYS_mmap,
                     {p(mine), 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0}});
  }
  return calls;
}

// What came back must be an error. Most often nothing does: the host kills the process.
void MakeForbiddenCalls(size_t begin, size_t end) {
  Witness witness;
  const std::vector<Call> calls = ForbiddenCalls();
  const std::vector<uint64_t> sites = SyscallOffsets();
  ASSERT_FALSE(sites.empty());
  constexpr uint64_t kNothing = 0x5a5a5a5a5a5a5a5a;
  Shared<std::array<uint64_t, 64>> results;
  size_t slot = 0;
  {
    Attackers attackers;
    for (size_t i = begin; i < std::min(end, calls.size()); ++i) {
      for (const uint64_t site : sites) {
        const Call& call = calls[i];
        uint64_t* result = &(*results)[slot++ % results->size()];
        *result = kNothing;
        attackers.Start(
            [&, site] {
              Registers r;
              r.rax = static_cast<uint64_t>(call.nr);
              r.rdi = call.a[0], r.rsi = call.a[1], r.rdx = call.a[2];
              r.r10 = call.a[3], r.r8 = call.a[4], r.r9 = call.a[5];
              CallFromStub(site, r, result);
            },
            [call, site, result](int status) {
              SCOPED_TRACE(std::string(call.name) + " at " + std::to_string(site));
              if (WIFEXITED(status) && WEXITSTATUS(status) == kCameBack) {
                EXPECT_GE(*result, static_cast<uint64_t>(-4095)) << "it came about";
              } else {
                EXPECT_THAT(status, KilledBy(SIGKILL));
              }
            });
      }
      witness.Check();
    }
    attackers.Finish();
    // Nothing had to be waited for: each was refused at once.
    EXPECT_EQ(attackers.killed(), 0);
  }
}

TEST(Jump, ForbiddenCalls1) { MakeForbiddenCalls(0, 24); }
TEST(Jump, ForbiddenCalls2) { MakeForbiddenCalls(24, 48); }
TEST(Jump, ForbiddenCalls3) { MakeForbiddenCalls(48, 72); }
TEST(Jump, ForbiddenCalls4) { MakeForbiddenCalls(72, 1000); }

// Numbers of the 32-bit and the x32 kernel interface, too.
TEST(Jump, EveryNumberAtOneSite) {
  Witness witness;
  Attackers attackers;
  const std::vector<uint64_t> sites = SyscallOffsets();
  auto random = Random();
  for (int nr = 0; nr < 470; ++nr) {
    // Those that stub threads make, and the end of the process.
    if (nr == SYS_rt_sigreturn || nr == SYS_futex || nr == SYS_exit) continue;
    const bool x32 = random() % 4 == 0;
    const uint64_t site = sites[random() % sites.size()];
    attackers.Start(
        [&] {
          Registers r;
          r.rax = static_cast<uint64_t>(nr) | (x32 ? 0x40000000u : 0);
          CallFromStub(site, r, nullptr);
        },
        [nr, site](int status) {
          SCOPED_TRACE("number " + std::to_string(nr) + " at " + std::to_string(site));
          // arch_prctl with nonsense may be refused by the host itself.
          if (WIFEXITED(status)) return;
          // Calls that Linux makes for itself, with no filter asked; anybody else gets a signal.
          constexpr int kUretprobe = 335, kUprobe = 336;
          if ((nr == kUretprobe || nr == kUprobe) && WIFSIGNALED(status)) return;
          EXPECT_THAT(status, KilledBy(SIGKILL));
        });
  }
  attackers.Finish();
  EXPECT_EQ(attackers.killed(), 0);
}

// A thread that ends behind the Sentry's back.
TEST(Jump, ExitOfTheThread) {
  Witness witness;
  Attackers attackers;
  for (const uint64_t site : SyscallOffsets()) {
    attackers.Start(
        [site] {
          Registers r;
          r.rax = SYS_exit;
          CallFromStub(site, r, nullptr);
        },
        [](int status) { EXPECT_THAT(status, KilledBy(SIGKILL)); });
  }
}

// Notifications that belong to no event.
TEST(Jump, Notifications) {
  EXPECT_EQ(RawSyscall(STUB_NOTIFY_NR), static_cast<uint64_t>(-ENOSYS));
  Witness witness;
  Attackers attackers;
  for (const uint64_t site : SyscallOffsets()) {
    attackers.Start([site] {
      Registers r;
      r.rax = STUB_NOTIFY_NR;
      CallFromStub(site, r, nullptr);
    });
    // While another thread of the process makes calls.
    attackers.Start([site] {
      ScopedThread other([] {
        for (;;) getppid();
      });
      Registers r;
      r.rax = STUB_NOTIFY_NR;
      CallFromStub(site, r, nullptr);
    });
  }
}

}  // namespace
}  // namespace cvisor::test
