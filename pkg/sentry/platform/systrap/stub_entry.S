/* Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
 *
 * The parts of the stub where each register counts. Labels that are global are known to the
 * Sentry: the filters name the places of the system calls, call_sites.cc the entry.
 */

#define __ASSEMBLY__
#include <asm/unistd_64.h>

#include "pkg/sentry/platform/systrap/stub_abi.h"

#define ARCH_SET_GS 0x1001
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define WAKE_ALL 0x7fffffff
#define SECCOMP_SET_MODE_FILTER 1
#define SECCOMP_FILTER_FLAG_NEW_LISTENER 8
#define EFAULT 14
/* CF, PF, AF, ZF, SF, IF, OF and the bit that is always there. */
#define RFLAGS_USUAL 0xad7
#define SIGBUS 7
#define SIGSEGV 11
#define PR_SET_PDEATHSIG 1
#define SIGKILL 9
#define PROT_READ 1
#define PROT_READ_WRITE 3
#define MAP_SHARED_FIXED 0x11

/* A function that the Sentry may know of; nm shows it as T. */
.macro entry name
  .globl \name
\name:
.endm

  .section .stub.head, "ax", @progbits
entry StubStart

/* ---- The way in from a patched call site -------------------------------------------------------
 *
 * From a trampoline: rcx = address behind the application's SYSCALL, T_JUMP is set. The call's
 * number and arguments are in their registers; the stack is the application's and stays untouched
 * (its red zone is in use). */
entry StubSyscallEntry
  movl $1, %gs:T_PHASE
entry StubSyscallEntryEnd
  mov %rsp, %gs:T_RSP
  mov %rbx, %gs:T_RBX
  mov %gs:T_SELF, %rbx
  lea THREAD_STACK_TOP(%rbx), %rsp
  prefetchw T_STATE(%rbx) /* the Sentry's core has it */
  pushfq
  pop %r11
  mov %r11, T_RFLAGS(%rbx)
  mov %r11, T_R11(%rbx)
  mov %rcx, T_RIP(%rbx)
  mov %rcx, T_RCX(%rbx)
  mov %rbp, T_RBP(%rbx)
  mov %r12, T_R12(%rbx)
  mov %r13, T_R13(%rbx)
  mov %r14, T_R14(%rbx)
  mov %r15, T_R15(%rbx)
  cld
  testl $AGENT_HAS_FSGSBASE, StubStart + STUB_SLAB_OFFSET - STUB_TEXT_OFFSET + A_FEATURES(%rip)
  jz 1f
  rdfsbase %r11
  mov %r11, T_FS_BASE(%rbx)
1:
  /* The line that the Sentry may be reading all the time: written at once, or it comes and goes more often. */
  mov %rax, T_RAX(%rbx)
  mov %rdi, T_RDI(%rbx)
  mov %rsi, T_RSI(%rbx)
  mov %rdx, T_RDX(%rbx)
  mov %r10, T_R10(%rbx)
  mov %r8, T_R8(%rbx)
  mov %r9, T_R9(%rbx)
  mov %rbx, %rdi
  cmp $__NR_sched_yield, %rax
  je 2f
  cmp $__NR_futex, %rax
  je 2f
  movb $EVENT_SYSCALL, T_EVENT(%rbx)
  mov $STATE_SENTRY, %esi
  xchg %esi, T_STATE(%rbx)
  call StubOnSyscall
  mov %rbx, %rdi
  jmp StubResume
2:
  call StubOnLocalCall
  mov %rbx, %rdi

/* ---- The way out -------------------------------------------------------------------------------
 *
 * rdi = ThreadPage. Everything is read from the page and nothing written, so a kick that arrives
 * here can start over from the page (StubOnSignal). */
StubResume:
  mov T_RFLAGS(%rdi), %rax
  test $~RFLAGS_USUAL, %eax
  jnz 1f
  /* OF, then the low byte: a third of what POPF takes. */
  mov %eax, %ecx
  shr $11, %ecx
  and $1, %ecx
  add $0x7f, %cl
  mov %al, %ah
  sahf
  jmp 2f
1:
  push %rax
  popfq
2:
  mov T_RAX(%rdi), %rax
  mov T_RSI(%rdi), %rsi
  mov T_RDX(%rdi), %rdx
  mov T_R10(%rdi), %r10
  mov T_R8(%rdi), %r8
  mov T_R9(%rdi), %r9
  mov T_RCX(%rdi), %rcx
  mov T_R11(%rdi), %r11
  mov T_RBX(%rdi), %rbx
  mov T_RBP(%rdi), %rbp
  mov T_R12(%rdi), %r12
  mov T_R13(%rdi), %r13
  mov T_R14(%rdi), %r14
  mov T_R15(%rdi), %r15
  mov T_RSP(%rdi), %rsp
  mov T_RDI(%rdi), %rdi
  jmp *%gs:T_JUMP

/* ---- The handler of host signals ----------------------------------------------------------------
 *
 * On the alternate stack of the thread, which is in its piece. rdi, rsi, rdx as the kernel set them. */
entry StubSignalEntry
  mov %rsp, %r8
  and $-THREAD_SIZE, %r8
  lea StubStart(%rip), %rcx
  add $(STUB_SLAB_OFFSET - STUB_TEXT_OFFSET), %rcx
  cmp %rcx, %r8
  je agent_signal
  mov $1, %ecx
  xchg %ecx, T_PHASE(%r8)
entry StubSignalEntryEnd
  push %r8 /* rsp was 8 off a multiple of 16: the return address is on it */
  call StubOnSignal
  pop %rdi
  test %eax, %eax
  jnz StubResume
  ret /* to StubRestorer */

entry StubRestorer
  mov $__NR_rt_sigreturn, %eax
  syscall
entry StubSigreturnIp
  ud2

/* StubMakeFrame(): makes a signal frame for StubOnSignal to fill and leave through. Returns if a kick came. */
entry StubMakeFrame
  ud2
entry StubMakeFrameKicked
  ret

/* StubRestart(page): forgets the frames of all signals and reports page->event. */
entry StubRestart
  lea THREAD_STACK_TOP(%rdi), %rsp
  mov %rdi, %rbx
  call StubOnRestart
  mov %rbx, %rdi
  jmp StubResume

/* ---- System calls of the C part -------------------------------------------------------------- */

/* StubFutex(word, op, value): no timeout. */
entry StubFutex
  mov $__NR_futex, %eax
  xor %r10d, %r10d
  syscall
entry StubFutexIp
  ret

/* StubNotify(): hands over through the listener. */
entry StubNotify
  mov $STUB_NOTIFY_NR, %eax
  syscall
entry StubNotifyIp
  ret

/* StubArchPrctl(op, value): ARCH_SET_FS, ARCH_SET_GS. */
entry StubArchPrctl
  mov $__NR_arch_prctl, %eax
  syscall
entry StubArchPrctlIp
  ret

/* StubYield(). */
entry StubYield
  mov $__NR_sched_yield, %eax
  syscall
entry StubYieldIp
  ret

/* StubMap(addr, length, prot, flags): anonymous memory. */
entry StubMap
  mov $__NR_mmap, %eax
  mov %rcx, %r10
  mov $-1, %r8
  xor %r9d, %r9d
  syscall
entry StubMapIp
  ret

/* StubUnmap(addr, length). */
entry StubUnmap
  mov $__NR_munmap, %eax
  syscall
entry StubUnmapIp
  ret

/* StubExit(): ends the thread. */
entry StubExit
  mov $__NR_exit, %eax
  xor %edi, %edi
  syscall
entry StubExitIp
  ud2

/* Reports the batch of number r14. rax: the report's bits below the number. */
.macro report
  mov %r14d, %esi
  and $0x7fff, %esi
  shl $AGENT_REPORT_SEQ_SHIFT, %rsi
  or %rax, %rsi
  mov $__NR_lseek, %eax
  mov A_REPORT_FD(%r12), %edi
  xor %edx, %edx
  syscall
  mov %r14d, %eax
  xchg %eax, (%r13)
  cmpl $0, A_WAITING(%r12)
  je 9f
  /* All: the application's threads may sleep there too. */
  mov $__NR_futex, %eax
  mov %r13, %rdi
  mov $FUTEX_WAKE, %esi
  mov $WAKE_ALL, %edx
  syscall
9:
.endm

/* ---- Threads ------------------------------------------------------------------------------------
 *
 * rsp is the top of the stack in the thread's control page; the other registers are as the agent has them,
 * r8: whether to make a listener. Until it has its own filter a thread may make all the calls of the
 * agent, and the other threads can write to its stack: so nothing that counts is in memory. */
StubThreadEntry:
  lea -1(%rsp), %rbx
  and $-THREAD_SIZE, %rbx
  mov %r8d, %r15d
  mov $__NR_arch_prctl, %eax
  mov $ARCH_SET_GS, %edi
  mov %rbx, %rsi
  syscall
  /* Somebody may change these words: then signal frames go elsewhere in the application's memory. */
  pushq $THREAD_ALTSTACK_SIZE
  pushq $0
  lea THREAD_ALTSTACK_OFFSET(%rbx), %rax
  push %rax
  mov $__NR_sigaltstack, %eax
  mov %rsp, %rdi
  xor %esi, %esi
  syscall
  add $24, %rsp
  mov $__NR_sched_setaffinity, %eax
  xor %edi, %edi
  mov $A_CPUS_SIZE, %esi
  lea A_CPUS(%r12), %rdx
  syscall
  lea StubStart(%rip), %rbp
  add $(STUB_FILTER_OFFSET - STUB_TEXT_OFFSET + FILTER_THREAD), %rbp
  mov $AGENT_REPORT_NO_LISTENER, %eax
  test %r15d, %r15d
  jz 1f
  mov $__NR_seccomp, %eax
  mov $SECCOMP_SET_MODE_FILTER, %edi
  mov $SECCOMP_FILTER_FLAG_NEW_LISTENER, %esi
  lea (FILTER_LISTENER - FILTER_THREAD)(%rbp), %rdx
  add $(FILTER_THREAD_NOTIFY - FILTER_THREAD), %rbp
  syscall
  test %eax, %eax
  js thread_error
1:
  /* While this thread still may: its number and its listener. */
  mov %eax, %r15d
  mov $__NR_gettid, %eax
  syscall
  shl $AGENT_REPORT_TID_SHIFT, %rax
  or %r15, %rax
  report
  mov $__NR_seccomp, %eax
  mov $SECCOMP_SET_MODE_FILTER, %edi
  xor %esi, %esi
  mov %rbp, %rdx
  syscall
  test %eax, %eax
  jnz agent_die
  mov %rbx, %rdi
  call StubOnThreadStart
  mov %rbx, %rdi
  jmp StubResume

thread_error:
  neg %eax
  bts $AGENT_REPORT_ERROR_BIT, %rax
  report
  mov $__NR_exit, %eax
  xor %edi, %edi
  syscall
  ud2

/* ---- The agent --------------------------------------------------------------------------------
 *
 * In registers only, as all memory but the agent's page may be written by the application:
 * r12 the agent's page, r13 its reply page, r14 seq of the batch, r15 operations in it, rbx index of
 * the operation, rbp its address. */
entry StubAgent
  lea StubStart(%rip), %r12
  add $(STUB_SLAB_OFFSET - STUB_TEXT_OFFSET), %r12
  lea SLAB_REPLY_OFFSET(%r12), %r13
  xor %r14d, %r14d
  /* For frames of signals. What is in them is never looked at. */
  lea SLAB_THREADS_OFFSET(%r12), %rsp
  lea A_OPS(%r12), %rbp

agent_wait:
  mov A_SEQ(%r12), %eax
  cmp %eax, %r14d
  jne agent_batch
  mov $__NR_futex, %eax
  lea A_SEQ(%r12), %rdi
  mov $FUTEX_WAIT, %esi
  mov %r14d, %edx
  xor %r10d, %r10d
  syscall
  jmp agent_wait

agent_batch:
  mov %eax, %r14d
  mov A_COUNT(%r12), %r15d
  xor %ebx, %ebx
  xor %eax, %eax
agent_next:
  cmp %r15d, %ebx
  jae agent_success
  mov %rbx, %rbp
  imul $A_OP_SIZE, %rbp, %rbp
  lea A_OPS(%r12, %rbp), %rbp
  cmpl $AGENT_OP_FORK, (%rbp)
  je agent_fork
  cmpl $AGENT_OP_THREAD, (%rbp)
  je agent_thread
  cmpl $AGENT_OP_CAS, (%rbp)
  je agent_cas
  mov 8(%rbp), %rax
  mov 16(%rbp), %rdi
  mov 24(%rbp), %rsi
  mov 32(%rbp), %rdx
  mov 40(%rbp), %r10
  mov 48(%rbp), %r8
  mov 56(%rbp), %r9
  syscall
agent_result:
  cmp $-4096, %rax
  ja agent_error
  inc %ebx
  jmp agent_next

agent_error:
  neg %eax
  bts $AGENT_REPORT_ERROR_BIT, %rax
  jmp agent_report
agent_success:
  and $0x7fffffff, %eax
agent_report:
  mov %ebx, %ecx
  shl $AGENT_REPORT_INDEX_SHIFT, %rcx
  or %rcx, %rax
  report
  jmp agent_wait

agent_cas:
  mov 16(%rbp), %rdi
  mov 24(%rbp), %eax
  mov 32(%rbp), %edx
  lock cmpxchg %edx, (%rdi)
  mov %eax, %eax
  jmp agent_report

/* From StubSignalEntry: the application's memory was not there. */
agent_signal:
  lea SLAB_THREADS_OFFSET(%r12), %rsp
  cmpl $AGENT_OP_CAS, (%rbp)
  jne agent_die
  cmp $SIGSEGV, %edi
  je 1f
  cmp $SIGBUS, %edi
  jne agent_die
1:
  mov $EFAULT, %eax
  bts $AGENT_REPORT_ERROR_BIT, %rax
  jmp agent_report

agent_thread:
  /* The new thread must not read it from the page: the next operation may be there by then. The host
   * ignores this argument with our flags. */
  mov 40(%rbp), %r8
  mov $__NR_clone, %eax
  mov 16(%rbp), %rdi
  mov 24(%rbp), %rsi
  xor %edx, %edx
  mov 32(%rbp), %r10
  syscall
  test %rax, %rax
  jz StubThreadEntry
  cmp $-4096, %rax
  ja agent_error
  jmp agent_wait /* the thread reports */

agent_fork:
  /* The child must not read them from the page: the next operation may be there by then. The host
   * ignores these arguments with our flags. */
  mov A_FORK_SLAB_FD(%r12), %r9d
  mov A_FORK_SLAB_SIZE(%r12), %r8
  mov A_SENTRY_PID(%r12), %edx
  mov $__NR_clone, %eax
  mov 16(%rbp), %rdi
  xor %esi, %esi
  xor %r10d, %r10d
  syscall
  test %rax, %rax
  jnz agent_result

  /* The child: its own slab takes the place of its parent's before anything else runs here. */
  mov %r9d, %ebx
  mov %r8, %rbp
  mov %edx, %r15d
  mov $__NR_munmap, %eax
  mov %r12, %rdi
  mov $(STUB_REGION_SIZE - STUB_SLAB_OFFSET), %esi
  syscall
  test %rax, %rax
  jnz agent_die
  mov $__NR_mmap, %eax
  mov %r12, %rdi
  mov $SLAB_REPLY_OFFSET, %esi
  mov $PROT_READ, %edx
  mov $MAP_SHARED_FIXED, %r10d
  mov %ebx, %r8d
  xor %r9d, %r9d
  syscall
  cmp %rax, %r12
  jne agent_die
  mov $__NR_mmap, %eax
  lea SLAB_REPLY_OFFSET(%r12), %rdi
  lea -SLAB_REPLY_OFFSET(%rbp), %rsi
  mov $PROT_READ_WRITE, %edx
  mov $MAP_SHARED_FIXED, %r10d
  mov %ebx, %r8d
  mov $SLAB_REPLY_OFFSET, %r9d
  syscall
  cmp $-4096, %rax
  ja agent_die
  mov $__NR_prctl, %eax
  mov $PR_SET_PDEATHSIG, %edi
  mov $SIGKILL, %esi
  syscall
  mov $__NR_getppid, %eax
  syscall
  cmp %eax, %r15d
  jne agent_die
  jmp StubAgent

agent_die:
  mov $__NR_exit_group, %eax
  mov $1, %edi
  syscall
  ud2

  .section .note.GNU-stack, "", @progbits
