/* Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
 *
 * What the Sentry and its stubs agree on: the layout of the stub region at the top of every stub
 * process, of the pages that they share, and the protocol in them. Included by the stub (C and
 * assembly, freestanding) and by the Sentry (C++).
 *
 * Trust: everything in a ThreadPage and in AgentReply is writable by the application. The
 * Sentry copies a value out once and checks the copy. AgentPage is read-only in the stub.
 */

#ifndef CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_STUB_ABI_H_
#define CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_STUB_ABI_H_

/* The stub region. Offsets from its base. */
#define STUB_VDSO_OFFSET 0x0       /* the host's vDSO and its data pages */
#define STUB_TEXT_OFFSET 0x20000   /* the stub's code, then the filters: one sealed memfd */
#define STUB_TEXT_SIZE 0x4000
#define STUB_FILTER_OFFSET (STUB_TEXT_OFFSET + STUB_TEXT_SIZE) /* struct sock_fprog + program */
#define STUB_FILTER_SIZE 0x2000
/* In it, a struct sock_fprog and its program each. */
#define FILTER_AGENT 0x0
#define FILTER_THREAD 0x800
#define FILTER_THREAD_NOTIFY 0x1000
#define FILTER_LISTENER 0x1800 /* before FILTER_THREAD_NOTIFY: it only notifies */
#define STUB_SLAB_OFFSET 0x30000 /* the address space's slab, a memfd of its own */
#define STUB_REGION_SIZE 0x40000000

/* The slab: the agent's page and the futex page (both read-only in the stub), the agent's reply page, then
 * the thread pages. */
#define SLAB_AGENT_OFFSET 0x0
#define SLAB_FUTEX_OFFSET 0x1000
#define SLAB_REPLY_OFFSET 0x2000
#define SLAB_THREADS_OFFSET 0x10000
#define SLAB_MAX_THREADS 16000

/* One thread's piece. Its address in the stub is a multiple of its size: code on any of its stacks
 * finds its beginning by masking the stack pointer. */
#define THREAD_SIZE 0x10000
#define THREAD_DATA_OFFSET 0x1000 /* arguments and results that travel along */
#define THREAD_DATA_SIZE 0x3000
#define THREAD_XSAVE_OFFSET 0x4000
#define THREAD_XSAVE_SIZE 0x4000
#define THREAD_ALTSTACK_OFFSET 0x8000
#define THREAD_ALTSTACK_SIZE 0x8000
/* The stack of calls that come through patched sites: the rest of the control page. */
#define THREAD_STACK_TOP 0x1000

/* Trampolines of patched call sites: the part of the low addresses whose third byte is an opcode
 * that is invalid in 64-bit mode (see call_sites.h). */
#define TRAMPOLINE_BASE 0x60000
#define TRAMPOLINE_SIZE 0x10000
/* The first piece holds the address of StubSyscallEntry, the others a trampoline each. */
#define TRAMPOLINE_STRIDE 128
/* The application's addresses begin above it. */
#define STUB_MIN_USER_ADDRESS 0x80000

/* ThreadPage::state. Whose turn it is, and whether and how the other side sleeps until it is told. From
 * STATE_SENTRY on it is the Sentry's. */
#define STATE_STUB 0          /* the stub's: run, or do the command */
#define STATE_STUB_FUTEX 1    /* the same, and the Sentry sleeps on the futex */
#define STATE_STUB_NOTIFY 2   /* the same, and the Sentry sleeps in SECCOMP_IOCTL_NOTIF_RECV */
#define STATE_SENTRY 3        /* the Sentry's: an event is there */
#define STATE_SENTRY_FUTEX 4  /* the same, and the stub sleeps on the futex */
#define STATE_SENTRY_NOTIFY 5 /* the same, and the stub is, or will be, in STUB_NOTIFY_NR */

/* ThreadPage::command. */
#define COMMAND_RUN 0   /* go to the application */
#define COMMAND_XSAVE 1 /* save the FPU state to THREAD_XSAVE_OFFSET */
#define COMMAND_EXIT 2  /* end this host thread */
/* Those that the Sentry gives only while the stub is awake, and may take back (to COMMAND_NONE) until the
 * stub has taken them (COMMAND_TAKEN). */
#define COMMAND_NONE 3
#define COMMAND_TAKEN 4
#define COMMAND_COPY_IN 5  /* from the application's memory to the page */
#define COMMAND_COPY_OUT 6 /* and back */
#define COMMAND_MAP 7      /* mmap(2) of anonymous private memory */
#define COMMAND_UNMAP 8    /* munmap(2) */

/* ThreadPage::event. */
#define EVENT_STARTED 0   /* first words of a new thread, or a command was carried out */
#define EVENT_SYSCALL 1   /* through a patched site */
#define EVENT_SIGNAL 2    /* a host signal hit the application: signo, code, fault_addr, trapno, error_code */
#define EVENT_INTERRUPT 3 /* a kick */

/* ThreadPage::exit_flags */
#define EXIT_SET_FS 1 /* load fs_base */
/* ThreadPage::small_data */
#define SMALL_DATA_SIZE 24

/* System call number with which a stub thread hands over through its seccomp listener. No Linux
 * system call has it. */
#define STUB_NOTIFY_NR 0x7fff5359

/* AgentPage. */
#define AGENT_MAX_OPS 60
/* AgentPage::features */
#define AGENT_HAS_FSGSBASE 1 /* the instructions that read and write the segment bases */
#define AGENT_LOCAL_CALLS 2  /* sched_yield(2) and some of futex(2) at patched sites need no Sentry */
/* AgentOp::kind */
#define AGENT_OP_CALL 0   /* one system call */
#define AGENT_OP_FORK 1   /* clone(2) of the process; the child becomes an agent on fork_slab_fd */
/* clone(2) of a thread with flags args[0], stack args[1], tid word args[2]; with a listener if args[3].
 * The new thread reports, see agent.h. Alone in its batch. */
#define AGENT_OP_THREAD 2
#define AGENT_OP_CAS 3 /* compare and exchange at args[0], args[1] and args[2]. Alone in its batch */
/* What the agent reports is the position of a file that only it may seek (see agent.h). */
#define AGENT_REPORT_SEQ_SHIFT 48
#define AGENT_REPORT_ERROR_BIT 47
#define AGENT_REPORT_INDEX_SHIFT 32
/* A new thread reports its number and its listener's descriptor. Linux has no numbers above 2^22, and no
 * process has so many descriptors. */
#define AGENT_REPORT_TID_SHIFT 24
#define AGENT_REPORT_NO_LISTENER 0xffffff

/* Signal that makes application code stop. */
#define STUB_KICK_SIGNAL 23 /* SIGURG */

/* Offsets for assembly, checked below. */
#define T_STATE 0
#define T_EVENT 4
#define T_RAX 8
#define T_RDI 16
#define T_RSI 24
#define T_RDX 32
#define T_R10 40
#define T_R8 48
#define T_R9 56
#define T_RIP 64
#define T_RSP 72
#define T_RFLAGS 80
#define T_RCX 88
#define T_R11 96
#define T_RBX 104
#define T_RBP 112
#define T_R12 120
#define T_R13 128
#define T_R14 136
#define T_R15 144
#define T_FS_BASE 152
#define T_SELF 168
#define T_JUMP 176
#define T_PHASE 184
#define A_SEQ 0
#define A_COUNT 4
#define A_WAITING 8
#define A_REPORT_FD 12
#define A_FORK_SLAB_FD 16
#define A_SENTRY_PID 20
#define A_FORK_SLAB_SIZE 24
#define A_FEATURES 32
#define A_OPS 64
#define A_CPUS 3904
#define A_CPUS_SIZE 128
#define A_OP_SIZE 64

#ifndef __ASSEMBLER__

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
namespace cvisor::platform::systrap {
#endif

/* By cache line, as each one that both sides touch takes some 50 ns to come over to another core. */
struct ThreadPage {
  /* What a call hands over and gets back. */
  uint32_t state; /* the hand-over word; a futex */
  uint8_t event;
  uint8_t command;
  uint8_t exit_flags;
  uint8_t reserved0;
  uint64_t rax, rdi, rsi, rdx, r10, r8, r9;
  /* The other registers: the Sentry reads and writes them only when it has to. */
  uint64_t rip, rsp, rflags, rcx, r11, rbx, rbp, r12;
  uint64_t r13, r14, r15, fs_base, gs_base;
  uint64_t self;   /* address of this page in the stub */
  uint64_t jump;   /* where to go to on the way out: rip, or the end of a trampoline */
  uint32_t phase;  /* 1 while the stub's code is between an event and its answer */
  uint32_t kicked; /* a kick came while phase was 1 */
  /* Seldom written. */
  uint32_t stub_spin; /* how long the stub may spin for the Sentry's answer, in TSC ticks; the Sentry may
                         lower it while the stub spins */
  uint32_t sentry_cpu;
  uint32_t use_notify; /* hand over by STUB_NOTIFY_NR when sleeping, not by futex */
  uint32_t tid;        /* set by the host; 0 when the thread ended */
  /* Offset in this piece of an XSAVE image to be loaded on the way out; 0: the live state is the
   * application's. */
  uint64_t fpu;
  /* Where to go on when the stub's own access to the application's memory faults. */
  uint64_t fixup;
  uint64_t reserved1[4];
  /* TSC when the application began to run, and when it ended: hints for spinning. */
  uint64_t resumed;
  uint64_t handed_over; /* if the Sentry had to be woken up for it */
  uint64_t reserved2[6];
  /* Of a command. copy: `length` bytes at `addr`, and how many of them a fault left. */
  uint64_t addr, length;
  int64_t result;
  uint32_t prot, flags;
  uint8_t small_data[SMALL_DATA_SIZE]; /* of short copies; of others THREAD_DATA_OFFSET */
  /* Of EVENT_SIGNAL. */
  uint32_t signo;
  int32_t code;
  uint64_t fault_addr;
  uint32_t trapno;
  uint32_t error_code;
  uint32_t syscall_arch; /* of SIGSYS */
};

struct AgentOp {
  uint64_t kind;
  uint64_t nr;
  uint64_t args[6];
};

struct AgentPage {
  uint32_t seq; /* a futex: raised by the Sentry when operations are there */
  uint32_t count;
  uint32_t waiting; /* the Sentry sleeps on AgentReply::done */
  int32_t report_fd;
  int32_t fork_slab_fd;
  int32_t sentry_pid;
  uint64_t fork_slab_size;
  uint32_t features; /* AGENT_HAS_*: what the stub may use */
  uint32_t reserved0;
  uint64_t reserved[3];
  struct AgentOp ops[AGENT_MAX_OPS];
  /* The CPUs that threads of the application may use; the agent itself is pinned here and there. */
  uint64_t cpus[16];
};

/* How many tasks wait in futex(2) for a word of this process's memory, by a hash of its address. Raised before
 * the word is compared: as long as it is zero, FUTEX_WAKE finds nobody. */
#define FUTEX_WAITERS_SIZE 1024
#define FUTEX_WAITERS_INDEX(addr) ((((addr) >> 2) ^ ((addr) >> 12)) % FUTEX_WAITERS_SIZE)
struct FutexPage {
  uint32_t waiters[FUTEX_WAITERS_SIZE];
};

struct AgentReply {
  uint32_t done; /* a futex: seq of the last batch carried out. A hint: the report counts */
  uint32_t reserved[15];
  /* Results of mincore(2) and getrusage(2). */
  uint8_t results[2048];
};

#define STUB_ASSERT_OFFSET(type, field, offset) \
  _Static_assert(offsetof(struct type, field) == (offset), #field)
#ifdef __cplusplus
#define _Static_assert static_assert
#endif
STUB_ASSERT_OFFSET(ThreadPage, state, T_STATE);
STUB_ASSERT_OFFSET(ThreadPage, event, T_EVENT);
STUB_ASSERT_OFFSET(ThreadPage, fs_base, T_FS_BASE);
STUB_ASSERT_OFFSET(ThreadPage, self, T_SELF);
STUB_ASSERT_OFFSET(ThreadPage, jump, T_JUMP);
STUB_ASSERT_OFFSET(ThreadPage, phase, T_PHASE);
STUB_ASSERT_OFFSET(ThreadPage, rax, T_RAX);
STUB_ASSERT_OFFSET(ThreadPage, rdi, T_RDI);
STUB_ASSERT_OFFSET(ThreadPage, rsi, T_RSI);
STUB_ASSERT_OFFSET(ThreadPage, rdx, T_RDX);
STUB_ASSERT_OFFSET(ThreadPage, r10, T_R10);
STUB_ASSERT_OFFSET(ThreadPage, r8, T_R8);
STUB_ASSERT_OFFSET(ThreadPage, r9, T_R9);
STUB_ASSERT_OFFSET(ThreadPage, rip, T_RIP);
STUB_ASSERT_OFFSET(ThreadPage, rsp, T_RSP);
STUB_ASSERT_OFFSET(ThreadPage, stub_spin, 192);
STUB_ASSERT_OFFSET(ThreadPage, resumed, 256);
STUB_ASSERT_OFFSET(ThreadPage, addr, 320);
STUB_ASSERT_OFFSET(ThreadPage, rflags, T_RFLAGS);
STUB_ASSERT_OFFSET(ThreadPage, rcx, T_RCX);
STUB_ASSERT_OFFSET(ThreadPage, r11, T_R11);
STUB_ASSERT_OFFSET(ThreadPage, rbx, T_RBX);
STUB_ASSERT_OFFSET(ThreadPage, rbp, T_RBP);
STUB_ASSERT_OFFSET(ThreadPage, r12, T_R12);
STUB_ASSERT_OFFSET(ThreadPage, r13, T_R13);
STUB_ASSERT_OFFSET(ThreadPage, r14, T_R14);
STUB_ASSERT_OFFSET(ThreadPage, r15, T_R15);
STUB_ASSERT_OFFSET(AgentPage, seq, A_SEQ);
STUB_ASSERT_OFFSET(AgentPage, count, A_COUNT);
STUB_ASSERT_OFFSET(AgentPage, waiting, A_WAITING);
STUB_ASSERT_OFFSET(AgentPage, report_fd, A_REPORT_FD);
STUB_ASSERT_OFFSET(AgentPage, fork_slab_fd, A_FORK_SLAB_FD);
STUB_ASSERT_OFFSET(AgentPage, sentry_pid, A_SENTRY_PID);
STUB_ASSERT_OFFSET(AgentPage, fork_slab_size, A_FORK_SLAB_SIZE);
STUB_ASSERT_OFFSET(AgentPage, features, A_FEATURES);
STUB_ASSERT_OFFSET(AgentPage, ops, A_OPS);
STUB_ASSERT_OFFSET(AgentPage, cpus, A_CPUS);
_Static_assert(sizeof(struct AgentOp) == A_OP_SIZE, "AgentOp");
_Static_assert(sizeof(struct AgentPage) <= 4096, "AgentPage");
_Static_assert(sizeof(struct FutexPage) <= SLAB_REPLY_OFFSET - SLAB_FUTEX_OFFSET, "FutexPage");
_Static_assert(sizeof(struct AgentReply) <= 4096, "AgentReply");
/* The stack of calls through patched sites needs its room. */
_Static_assert(sizeof(struct ThreadPage) <= 1024, "ThreadPage");
#ifdef __cplusplus
#undef _Static_assert
}  // namespace cvisor::platform::systrap
#endif
#undef STUB_ASSERT_OFFSET

#endif /* __ASSEMBLER__ */

#endif /* CVISOR_PKG_SENTRY_PLATFORM_SYSTRAP_STUB_ABI_H_ */
