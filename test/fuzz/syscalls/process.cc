// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "test/fuzz/syscalls/process.h"

#include <fcntl.h>
#include <linux/prctl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <ucontext.h>

// C++ cannot be on both sides of these: the stack is another one, or the memory faults.
asm(R"(
  .text
  .globl fuzz_read, fuzz_read_end, fuzz_write, fuzz_write_end, fuzz_call, fuzz_fail
  .globl fuzz_call_fail, fuzz_restorer, fuzz_clone, fuzz_clone3, fuzz_vfork, fuzz_run
fuzz_read:
  movq (%rdi), %rax
  movl $1, %eax
  ret
fuzz_read_end:
fuzz_write:
  movq %rsi, (%rdi)
  movl $1, %eax
  ret
fuzz_write_end:
fuzz_fail:
  xorl %eax, %eax
  ret
fuzz_call:
  pushq %rbx
  pushq %rbp
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, %r15
  subq $8, %rsp
  call *%rdi
  movl $1, %eax
  jmp 1f
fuzz_call_fail:
  xorl %eax, %eax
1:
  movq %r15, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbp
  popq %rbx
  ret
fuzz_restorer:
  movl $15, %eax
  syscall
  hlt
fuzz_clone:                     # flags, stack, ptid, ctid, tls, thread
  movq %rcx, %r10
  movl $56, %eax
  syscall
  testq %rax, %rax
  jnz 1f
  movq %r9, %rdi
  xorl %ebp, %ebp
  andq $-16, %rsp
  call ThreadMain
  hlt
1: ret
fuzz_clone3:                    # args, size, thread
  movq %rdx, %r8
  movl $435, %eax
  syscall
  testq %rax, %rax
  jnz 1f
  movq %r8, %rdi
  xorl %ebp, %ebp
  andq $-16, %rsp
  call ThreadMain
  hlt
1: ret
fuzz_vfork:                     # path, argv, envp
  popq %r9                      # the child shares the stack: the return address is kept away from it
  movl $58, %eax
  syscall
  testq %rax, %rax
  jnz 1f
  movl $59, %eax
  syscall
  movl $231, %eax
  syscall
  hlt
1: jmp *%r9
fuzz_run:                       # thread, stack
  movq %rsi, %rsp
  xorl %ebp, %ebp
  call ThreadMain
  hlt
)");

extern "C" {
bool fuzz_read(uint64_t);
bool fuzz_write(uint64_t, uint64_t);
bool fuzz_call(uint64_t);
extern const char fuzz_read_end[], fuzz_write_end[], fuzz_fail[], fuzz_call_fail[], fuzz_restorer[];
long fuzz_clone(uint64_t flags, uint64_t stack, uint64_t ptid, uint64_t ctid, uint64_t tls,
                cvisor::fuzz::Thread* t);
long fuzz_clone3(void* args, uint64_t size, cvisor::fuzz::Thread* t);
long fuzz_vfork(const char* path, const char* const* argv, const char* const* envp);
[[noreturn]] void fuzz_run(cvisor::fuzz::Thread* t, uint64_t stack);
}

namespace cvisor::fuzz {

Fds g_fds;

namespace {

std::atomic<uint64_t> g_handled{0};

bool In(uint64_t ip, uint64_t begin, uint64_t end) { return ip >= begin && ip < end; }

void OnFault(int sig, siginfo_t* info, void* context) {
  auto& regs = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const uint64_t ip = static_cast<uint64_t>(regs[REG_RIP]);
  if (In(ip, Word(reinterpret_cast<void*>(&fuzz_read)), Word(fuzz_read_end)) ||
      In(ip, Word(reinterpret_cast<void*>(&fuzz_write)), Word(fuzz_write_end))) {
    regs[REG_RIP] = static_cast<greg_t>(Word(fuzz_fail));
    return;
  }
  if (In(ip, kCode, kCode + (kCodePages + 1) * kPage)) {
    regs[REG_RIP] = static_cast<greg_t>(Word(fuzz_call_fail));
    return;
  }
  // Sent by somebody: nothing has happened. Else the thread cannot go on.
  if (info->si_code > 0) RawCall(SYS_exit_group, 100 + static_cast<uint64_t>(sig));
}

void OnSignal(int, siginfo_t*, void*) { g_handled.fetch_add(1, std::memory_order_relaxed); }

void OnSignalCalls(int, siginfo_t*, void*) {
  Random random(g_handled.fetch_add(1, std::memory_order_relaxed));
  static constexpr long kCalls[] = {SYS_getpid, SYS_sched_yield, SYS_gettid, SYS_munlockall};
  RawCall(random.Pick(kCalls));
  if (random.OneIn(4)) RawCall(SYS_tkill, static_cast<uint64_t>(RawCall(SYS_gettid)), SIGUSR2);
}

// What rt_sigreturn reads back is the application's own and may be anything.
void OnSignalBreaks(int, siginfo_t*, void* context) {
  Random random(g_handled.fetch_add(1, std::memory_order_relaxed));
  auto* uc = static_cast<ucontext_t*>(context);
  switch (random.Below(8)) {
    case 0:
      uc->uc_mcontext.fpregs = reinterpret_cast<fpregset_t>(random.Next());
      break;
    case 1:
      uc->uc_mcontext.fpregs = nullptr;
      break;
    case 2:
      uc->uc_mcontext.gregs[REG_EFL] ^= static_cast<greg_t>(random.Next());
      break;
    case 3:
      uc->uc_mcontext.gregs[REG_CSGSFS] = static_cast<greg_t>(random.Next());
      break;
    case 4:
      if (uc->uc_mcontext.fpregs != nullptr) {
        auto* bytes = reinterpret_cast<volatile uint8_t*>(uc->uc_mcontext.fpregs);
        bytes[random.Below(832)] = static_cast<uint8_t>(random.Next());
      }
      break;
    case 5:
      uc->uc_mcontext.gregs[REG_RIP] = static_cast<greg_t>(random.Next());
      break;
    case 6:
      uc->uc_flags = random.Next();
      break;
    default:
      uc->uc_sigmask.__val[0] = random.Next();
      break;
  }
}

void Map(uint64_t at, uint64_t size, uint64_t prot, uint64_t flags) {
  RawCall(SYS_mmap, at, size, prot, flags | MAP_ANONYMOUS | MAP_FIXED, ~uint64_t{0}, 0);
}

void Handle(uint64_t sig, uint64_t handler, uint64_t flags) {
  const struct {
    uint64_t handler, flags, restorer, mask;
  } action = {handler, flags | SA_SIGINFO | 0x04000000, RestorerAddress(), 0};
  RawCall(SYS_rt_sigaction, sig, Word(&action), 0, 8);
}

void Keep(FdKind kind, int slot, long fd) {
  g_fds.number[static_cast<int>(kind)][slot] = static_cast<int16_t>(fd);
}

long Open(const char* path, int flags) {
  return RawCall(SYS_openat, static_cast<uint64_t>(AT_FDCWD), Word(path),
                 static_cast<uint64_t>(flags), 0644);
}

void OpenFiles() {
  for (auto& kind : g_fds.number) {
    for (auto& fd : kind) fd = -1;
  }
  Keep(FdKind::kFile, 0, Open("a", O_RDWR | O_CREAT));
  Keep(FdKind::kFile, 1, Open("b", O_RDWR | O_CREAT | O_APPEND));
  Keep(FdKind::kFile, 2, Open("/fuzz", O_RDONLY));
  Keep(FdKind::kFile, 3, Open(".", O_RDWR | O_TMPFILE));
  Keep(FdKind::kFile, 4, Open("c", O_PATH));
  Keep(FdKind::kDir, 0, Open(".", O_RDONLY | O_DIRECTORY));
  Keep(FdKind::kDir, 1, Open("/", O_PATH));
  RawCall(SYS_mkdir, Word("d"), 0755);
  Keep(FdKind::kDir, 2, Open("d", O_RDONLY | O_DIRECTORY));
  int pair[2] = {-1, -1};
  for (const int flags : {0, O_NONBLOCK}) {
    RawCall(SYS_pipe2, Word(pair), static_cast<uint64_t>(flags));
    Keep(FdKind::kPipe, flags == 0 ? 0 : 2, pair[0]);
    Keep(FdKind::kPipe, flags == 0 ? 1 : 3, pair[1]);
  }
  int slot = 0;
  for (const int type : {int{SOCK_STREAM}, SOCK_DGRAM | SOCK_NONBLOCK, int{SOCK_SEQPACKET}}) {
    RawCall(SYS_socketpair, AF_UNIX, static_cast<uint64_t>(type), 0, Word(pair));
    Keep(FdKind::kSocket, slot++, pair[0]);
    Keep(FdKind::kSocket, slot++, pair[1]);
  }
  // Others connect to these: later workers find the first one's name taken.
  for (const bool abstract : {false, true}) {
    const long fd = RawCall(SYS_socket, AF_UNIX, abstract ? 1 : 5 | SOCK_NONBLOCK, 0);
    sockaddr_un address = {AF_UNIX, "sa"};
    if (abstract) address.sun_path[0] = 0;
    RawCall(SYS_bind, static_cast<uint64_t>(fd), Word(&address), sizeof(address));
    RawCall(SYS_listen, static_cast<uint64_t>(fd), 3);
    Keep(FdKind::kSocket, slot++, fd);
  }
  Keep(FdKind::kEvent, 0, RawCall(SYS_eventfd2, 1, 0));
  Keep(FdKind::kEvent, 1, RawCall(SYS_eventfd2, 0, O_NONBLOCK | 1));
  Keep(FdKind::kEpoll, 0, RawCall(SYS_epoll_create1, 0));
  Keep(FdKind::kEpoll, 1, RawCall(SYS_epoll_create1, 0));
  Keep(FdKind::kTimer, 0, RawCall(SYS_timerfd_create, 1, O_NONBLOCK));
  const uint64_t set = 0xffff0800;
  Keep(FdKind::kSignal, 0, RawCall(SYS_signalfd4, ~uint64_t{0}, Word(&set), 8, O_NONBLOCK));
  Keep(FdKind::kInotify, 0, RawCall(SYS_inotify_init1, O_NONBLOCK));
  Keep(FdKind::kMemory, 0, RawCall(SYS_memfd_create, Word("m"), MFD_ALLOW_SEALING));
  RawCall(SYS_ftruncate, static_cast<uint64_t>(g_fds.number[int(FdKind::kMemory)][0]), 65536);
  const long master = Open("/dev/ptmx", O_RDWR | O_NONBLOCK | O_NOCTTY);
  int unlock = 0;
  RawCall(SYS_ioctl, static_cast<uint64_t>(master), 0x40045431, Word(&unlock));  // TIOCSPTLCK
  Keep(FdKind::kTty, 0, master);
  // TIOCGPTPEER
  Keep(FdKind::kTty, 1, RawCall(SYS_ioctl, static_cast<uint64_t>(master), 0x5441, O_RDWR));
  Keep(FdKind::kPid, 0, RawCall(SYS_pidfd_open, static_cast<uint64_t>(RawCall(SYS_getpid)), 0));
  Keep(FdKind::kProc, 0, Open("/proc/self/maps", O_RDONLY));
  Keep(FdKind::kProc, 1, Open("/proc/self/mem", O_RDWR));
  Keep(FdKind::kProc, 2, Open("/proc/self/fd", O_RDONLY | O_DIRECTORY));
  Keep(FdKind::kDevice, 0, Open("/dev/null", O_RDWR));
  Keep(FdKind::kDevice, 1, Open("/dev/zero", O_RDWR));
  Keep(FdKind::kDevice, 2, Open("/dev/full", O_RDWR));
}

}  // namespace

uint64_t RestorerAddress() { return Word(fuzz_restorer); }

uint64_t HandlerAddress(uint64_t kind) {
  switch (kind % 8) {
    case 0:
    case 1:
      return 0;
    case 2:
      return 1;
    case 3:
      return Word(reinterpret_cast<void*>(&OnSignalBreaks));
    case 4:
    case 5:
      return Word(reinterpret_cast<void*>(&OnSignalCalls));
    default:
      return Word(reinterpret_cast<void*>(&OnSignal));
  }
}

bool TouchRead(uint64_t address) { return fuzz_read(address); }
bool TouchWrite(uint64_t address, uint64_t value) { return fuzz_write(address, value); }
bool TouchCall(uint64_t address) { return fuzz_call(address); }

long CloneThread(uint64_t flags, Thread* t, uint64_t ptid, uint64_t ctid, uint64_t tls) {
  return fuzz_clone(flags, t->stack_top(), ptid, ctid, tls, t);
}
long Clone3Thread(void* args, uint64_t size, Thread* t) { return fuzz_clone3(args, size, t); }
long VforkExec(const char* path, const char* const* argv, const char* const* envp) {
  return fuzz_vfork(path, argv, envp);
}
void RunThread(Thread* t) { fuzz_run(t, t->stack_top()); }

Thread* ClaimThread(uint64_t seed) {
  for (int i = 0; i < kMaxThreads; ++i) {
    Thread* t = Thread::At(i);
    uint32_t idle = 0;
    if (!std::atomic_ref<uint32_t>(t->busy).compare_exchange_strong(idle, 1)) continue;
    t->random = Random(seed);
    t->calls_left = -1;
    t->tid = 0;
    t->arena_next = 0;
    return t;
  }
  return nullptr;
}

void SetUpProcess(uint64_t seed) {
  constexpr uint64_t kRw = PROT_READ | PROT_WRITE;
  Map(kPlayground, kPlaygroundPages * kPage, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE);
  Map(kPlayground, 16 * kPage, kRw, MAP_PRIVATE);
  Map(kPlayground + 16 * kPage, 16 * kPage, kRw, MAP_SHARED);
  Map(kCode, kCodePages * kPage, kRw | PROT_EXEC, seed % 4 == 0 ? MAP_SHARED : MAP_PRIVATE);
  Map(kEdge, 3 * kPage, kRw, MAP_PRIVATE);
  RawCall(SYS_mprotect, kEdgeEnd, kPage, PROT_NONE);
  Map(kThreads, kMaxThreads * kThreadSize, kRw, MAP_PRIVATE);
  for (int i = 0; i < kMaxThreads; ++i) {
    RawCall(SYS_mprotect, Thread::At(i)->arena_end(), kPage, PROT_NONE);
  }
  for (const uint64_t sig : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS}) {
    Handle(sig, Word(reinterpret_cast<void*>(&OnFault)), SA_NODEFER);
  }
  for (const uint64_t sig : {SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE, SIGXFSZ, SIGCHLD, SIGIO}) {
    Handle(sig, Word(reinterpret_cast<void*>(&OnSignalCalls)), sig % 2 == 0 ? SA_RESTART : 0);
  }
  OpenFiles();
  int timer;
  for (int i = 0; i < 3; ++i) RawCall(SYS_timer_create, 1, 0, Word(&timer));
}

}  // namespace cvisor::fuzz
