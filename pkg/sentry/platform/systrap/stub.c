/* Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
 *
 * The stub: the code that runs beside the application's in every stub process. It has no state but
 * the ThreadPage, and no authority: whatever it does, the application could do as well.
 */

#include <asm/errno.h>
#include <asm/prctl.h>
#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <asm/ucontext.h>
#include <asm/unistd_64.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <stdint.h>

#include "pkg/sentry/platform/systrap/stub_abi.h"

/* stub_entry.S */
extern const char StubStart[], StubSyscallEntry[], StubSyscallEntryEnd[], StubSignalEntry[],
    StubSignalEntryEnd[], StubMakeFrame[], StubMakeFrameKicked[];
void StubRestart(struct ThreadPage* t) __attribute__((noreturn));
long StubFutex(uint32_t* word, int op, uint32_t value);
long StubNotify(void);
long StubYield(void);
long StubMap(uint64_t addr, uint64_t length, uint32_t prot, uint32_t flags);
long StubUnmap(uint64_t addr, uint64_t length);
long StubArchPrctl(int op, uint64_t value);
void StubExit(void) __attribute__((noreturn));

void StubOnSyscall(struct ThreadPage* t, uint32_t before);
void StubOnLocalCall(struct ThreadPage* t);
void StubOnThreadStart(struct ThreadPage* t);
void StubOnRestart(struct ThreadPage* t);
int StubOnSignal(int sig, siginfo_t* info, struct ucontext* uc, uint32_t old_phase,
                 struct ThreadPage* t);

#define TRAP_FLAG 0x100

static inline uint64_t ReadTsc(void) {
  uint32_t lo, hi;
  __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
  return ((uint64_t)hi << 32) | lo;
}

/* The CPU number, from the limit of a descriptor that Linux keeps for this. */
static inline uint32_t CurrentCpu(void) {
  uint32_t v;
  __asm__("lsl %1, %0" : "=r"(v) : "r"(0x7bu) : "cc");
  return v & 0xfff;
}

static inline const char* Slab(void) { return StubStart + (STUB_SLAB_OFFSET - STUB_TEXT_OFFSET); }
static inline const struct AgentPage* Agent(void) { return (const struct AgentPage*)Slab(); }
static inline const struct FutexPage* Futexes(void) {
  return (const struct FutexPage*)(Slab() + SLAB_FUTEX_OFFSET);
}

/* Without the instructions of FSGSBASE the bases only change when the Sentry says so: what the page
 * has is right. */
static inline int HasFsGsBase(void) { return (Agent()->features & AGENT_HAS_FSGSBASE) != 0; }

static inline void SaveFsBase(struct ThreadPage* t) {
  if (HasFsGsBase()) __asm__ volatile("rdfsbase %0" : "=r"(t->fs_base));
}
static inline void LoadFsBase(const struct ThreadPage* t) {
  if (HasFsGsBase()) {
    __asm__ volatile("wrfsbase %0" ::"r"(t->fs_base));
  } else {
    StubArchPrctl(ARCH_SET_FS, t->fs_base);
  }
}
static inline void WriteGsBase(uint64_t v) {
  if (HasFsGsBase()) {
    __asm__ volatile("wrgsbase %0" ::"r"(v));
  } else {
    StubArchPrctl(ARCH_SET_GS, v);
  }
}
/* From the application to the stub: GS is the page's. */
static inline void EnterGs(struct ThreadPage* t) {
  if (HasFsGsBase()) {
    uint64_t gs;
    __asm__ volatile("rdgsbase %0" : "=r"(gs));
    if (gs == (uint64_t)t) return;
    t->gs_base = gs;
  } else if (t->gs_base == 0) {
    return;
  }
  WriteGsBase((uint64_t)t);
}
/* Back, on the way out through rt_sigreturn(2). An application that does not use GS keeps the stub's. */
static inline void LeaveGs(const struct ThreadPage* t) {
  if (t->gs_base != 0) WriteGsBase(t->gs_base);
}

static inline uint32_t Load(const uint32_t* p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }

static inline char* At(struct ThreadPage* t, uint64_t offset) { return (char*)t + offset; }

static void SaveFpu(struct ThreadPage* t) {
  __asm__ volatile("xsave64 %0"
                   : "+m"(*At(t, THREAD_XSAVE_OFFSET))
                   : "a"(0xffffffffu), "d"(0xffffffffu)
                   : "memory");
}

static void LoadFpu(struct ThreadPage* t) {
  const uint64_t offset = t->fpu;
  if (offset < THREAD_XSAVE_OFFSET || offset >= THREAD_SIZE) return;
  __asm__ volatile("xrstor64 %0" ::"m"(*At(t, offset)), "a"(0xffffffffu), "d"(0xffffffffu)
                   : "memory");
  t->fpu = 0;
}

/* Copies until a fault; returns how many bytes are left. */
static uint64_t CopyBytes(struct ThreadPage* t, uint64_t to, uint64_t from, uint64_t count) {
  uint64_t scratch;
  __asm__ volatile(
      "lea 2f(%%rip), %[scratch]\n\t"
      "mov %[scratch], %[fixup]\n\t"
      "rep movsb\n"
      "2:"
      : "+D"(to), "+S"(from), "+c"(count), [scratch] "=&r"(scratch), [fixup] "=m"(t->fixup)
      :
      : "memory", "cc");
  t->fixup = 0;
  return count;
}

/* Loads the word at an address of the application's. 0 if there is none. */
static int LoadWord(struct ThreadPage* t, uint64_t addr, uint32_t* value) {
  uint64_t scratch;
  uint32_t loaded = 0;
  int done = 0;
  __asm__ volatile(
      "lea 2f(%%rip), %[scratch]\n\t"
      "mov %[scratch], %[fixup]\n\t"
      "mov (%[addr]), %[loaded]\n\t"
      "mov $1, %[done]\n"
      "2:"
      : [loaded] "+r"(loaded), [done] "+r"(done), [scratch] "=&r"(scratch), [fixup] "=m"(t->fixup)
      : [addr] "r"(addr)
      : "memory");
  t->fixup = 0;
  *value = loaded;
  return done;
}

/* Gives the turn to the Sentry; returns how the Sentry waited. */
static inline uint32_t GiveTurn(struct ThreadPage* t) {
  return __atomic_exchange_n(&t->state, STATE_SENTRY, __ATOMIC_SEQ_CST);
}

/* Waits until the turn is the stub's again. `before`: of GiveTurn(). */
static void WaitForSentry(struct ThreadPage* t, uint32_t before) {
  if (before != STATE_STUB) t->handed_over = ReadTsc();
  /* All: threads of the application may sleep there too. */
  if (before == STATE_STUB_FUTEX) StubFutex(&t->state, FUTEX_WAKE, 0x7fffffff);
  if (before != STATE_STUB_NOTIFY && CurrentCpu() != t->sentry_cpu) {
    const uint64_t start = ReadTsc();
    /* No call is done sooner. Until somebody looks at it the line is the Sentry's alone: its answer need not
     * wait to get it back. */
    for (int i = 0; i < 4; ++i) __asm__ volatile("pause");
    while (Load(&t->state) >= STATE_SENTRY) {
      if (ReadTsc() - start > Load(&t->stub_spin)) break;
      __asm__ volatile("pause");
    }
  }
  const uint32_t asleep = t->use_notify ? STATE_SENTRY_NOTIFY : STATE_SENTRY_FUTEX;
  uint32_t now = STATE_SENTRY;
  if (!__atomic_compare_exchange_n(&t->state, &now, asleep, 0, __ATOMIC_SEQ_CST,
                                   __ATOMIC_SEQ_CST)) {
    return;
  }
  do {
    if (asleep == STATE_SENTRY_NOTIFY) {
      /* Once announced it must happen: the Sentry will wait for it. */
      StubNotify();
    } else {
      StubFutex(&t->state, FUTEX_WAIT, asleep);
    }
  } while (Load(&t->state) == asleep);
}

/* The last steps to the application: 0 if a kick came meanwhile, and there is an event to report. */
static int Leave(struct ThreadPage* t) {
  if (t->stub_spin == 0) t->resumed = ReadTsc(); /* while both spin nobody asks */
  t->phase = 0;
  __asm__ volatile("" ::: "memory");
  if (__builtin_expect(t->kicked == 0, 1)) return 1;
  t->phase = 1;
  t->kicked = 0;
  t->event = EVENT_INTERRUPT;
  return 0;
}

static void DoCommand(struct ThreadPage* t, uint8_t command) {
  switch (command) {
    case COMMAND_XSAVE:
      SaveFpu(t);
      break;
    case COMMAND_EXIT:
      StubExit();
    case COMMAND_COPY_IN:
    case COMMAND_COPY_OUT: {
      const uint64_t length = t->length;
      if (length > THREAD_DATA_SIZE) break;
      const uint64_t data = length <= SMALL_DATA_SIZE ? (uint64_t)t->small_data
                                                      : (uint64_t)At(t, THREAD_DATA_OFFSET);
      const uint64_t left = command == COMMAND_COPY_IN ? CopyBytes(t, data, t->addr, length)
                                                       : CopyBytes(t, t->addr, data, length);
      if (left != 0) t->result = (int64_t)left; /* 0 is there already */
      break;
    }
    case COMMAND_MAP:
      t->result = StubMap(t->addr, t->length, t->prot, t->flags);
      break;
    case COMMAND_UNMAP:
      t->result = StubUnmap(t->addr, t->length);
      break;
  }
}

/* Does what the Sentry says until it says to run the application. It has the turn; `before` as above. */
static void Obey(struct ThreadPage* t, uint32_t before) {
  for (;; before = GiveTurn(t)) {
    WaitForSentry(t, before);
    if (__builtin_expect(__atomic_load_n(&t->command, __ATOMIC_ACQUIRE) == COMMAND_RUN, 1)) {
      if (__builtin_expect(t->exit_flags != 0, 0)) {
        if (t->exit_flags & EXIT_SET_FS) LoadFsBase(t);
        t->exit_flags = 0;
      }
      if (__builtin_expect(t->fpu != 0, 0)) LoadFpu(t);
      if (__builtin_expect((t->rflags & TRAP_FLAG) != 0 || t->gs_base != 0, 0)) {
        /* The short way out cannot restore these. */
        ((void (*)(void))StubMakeFrame)();
        continue;
      }
      if (Leave(t)) return;
      continue;
    }
    DoCommand(t, __atomic_exchange_n(&t->command, COMMAND_TAKEN, __ATOMIC_SEQ_CST));
    t->event = EVENT_STARTED;
  }
}

/* Reports t->event. */
static void HandOver(struct ThreadPage* t) { Obey(t, GiveTurn(t)); }

void StubOnSyscall(struct ThreadPage* t, uint32_t before) { Obey(t, before); }

/* futex(2) where nobody has to sleep or to be woken: 1 if it was done. The Sentry says what is wrong with
 * arguments. */
static int FutexCall(struct ThreadPage* t) {
  const uint64_t addr = t->rdi;
  if (addr % sizeof(uint32_t) != 0 || addr >= (uint64_t)StubStart - STUB_TEXT_OFFSET) return 0;
  switch ((uint32_t)t->rsi) {
    case FUTEX_WAKE_PRIVATE:
      /* After what the application stored before. */
      __atomic_thread_fence(__ATOMIC_SEQ_CST);
      if (Load(&Futexes()->waiters[FUTEX_WAITERS_INDEX(addr)]) != 0) return 0;
      t->rax = 0;
      return 1;
    case FUTEX_WAIT_PRIVATE: {
      uint32_t value;
      if (t->r10 != 0 /* a timeout, to be looked at first */ || !LoadWord(t, addr, &value)) return 0;
      if (value == (uint32_t)t->rdx) return 0;
      t->rax = (uint64_t)-EAGAIN;
      return 1;
    }
    default:
      return 0;
  }
}

static int LocalCall(struct ThreadPage* t) {
  if ((Agent()->features & AGENT_LOCAL_CALLS) == 0) return 0;
  if (t->rax == __NR_futex) return FutexCall(t);
  /* sched_yield(2): the host's scheduler is the one to be asked. */
  StubYield();
  t->rax = 0;
  return 1;
}

void StubOnLocalCall(struct ThreadPage* t) {
  if (LocalCall(t)) {
    if (Leave(t)) return;
  } else {
    t->event = EVENT_SYSCALL;
  }
  HandOver(t);
}

void StubOnThreadStart(struct ThreadPage* t) {
  t->phase = 1;
  t->event = EVENT_STARTED;
  HandOver(t);
}

void StubOnRestart(struct ThreadPage* t) { HandOver(t); }

static void SaveRegisters(struct ThreadPage* t, const struct sigcontext_64* c) {
  t->rax = c->ax;
  t->rdi = c->di;
  t->rsi = c->si;
  t->rdx = c->dx;
  t->r10 = c->r10;
  t->r8 = c->r8;
  t->r9 = c->r9;
  t->rip = c->ip;
  t->rsp = c->sp;
  t->rflags = c->flags;
  t->rcx = c->cx;
  t->r11 = c->r11;
  t->rbx = c->bx;
  t->rbp = c->bp;
  t->r12 = c->r12;
  t->r13 = c->r13;
  t->r14 = c->r14;
  t->r15 = c->r15;
}

static void LoadRegisters(struct sigcontext_64* c, const struct ThreadPage* t) {
  c->ax = t->rax;
  c->di = t->rdi;
  c->si = t->rsi;
  c->dx = t->rdx;
  c->r10 = t->r10;
  c->r8 = t->r8;
  c->r9 = t->r9;
  c->ip = t->jump;
  c->sp = t->rsp;
  c->flags = t->rflags;
  c->cx = t->rcx;
  c->r11 = t->r11;
  c->bx = t->rbx;
  c->bp = t->rbp;
  c->r12 = t->r12;
  c->r13 = t->r13;
  c->r14 = t->r14;
  c->r15 = t->r15;
}

/* A kick that comes when the page has all that the application will have, but for the FPU's state at `fpu`.
 * Begins anew, on an empty stack: kick upon kick must not fill the one that this is on. */
static void ReportOnTheWayOut(struct ThreadPage* t, uint64_t fpu) {
  WriteGsBase((uint64_t)t);
  SaveFsBase(t);
  if (t->fpu == 0) {
    t->fpu = fpu;
    LoadFpu(t);
  }
  t->event = EVENT_INTERRUPT;
  StubRestart(t);
}

/* Returns 1 to go on from the ThreadPage, 0 to go back to where the signal arrived. */
int StubOnSignal(int sig, siginfo_t* info, struct ucontext* uc, uint32_t old_phase,
                 struct ThreadPage* t) {
  struct sigcontext_64* const c = (struct sigcontext_64*)&uc->uc_mcontext;
  const uint64_t ip = c->ip;
  const uint64_t start = (uint64_t)StubStart;
  const uint64_t fpu = (uint64_t)c->fpstate - (uint64_t)t;
  if (ip - start < STUB_TEXT_SIZE) {
    if (sig == STUB_KICK_SIGNAL) {
      if (ip - (uint64_t)StubSyscallEntry <
          (uint64_t)StubSyscallEntryEnd - (uint64_t)StubSyscallEntry) {
        /* The Sentry is about to be told of a call: that is as good. */
        t->phase = old_phase;
        return 0;
      }
      if (old_phase != 0 || ip - (uint64_t)StubSignalEntry <
                                (uint64_t)StubSignalEntryEnd - (uint64_t)StubSignalEntry) {
        /* The other signal may be one that the Sentry is not told of: for the way out. */
        t->phase = old_phase;
        t->kicked = 1;
        return 0;
      }
      /* On the way out: the page has all that the application will have. */
      ReportOnTheWayOut(t, fpu);
    }
    if (sig == SIGILL && ip == (uint64_t)StubMakeFrame) {
      if (Leave(t)) {
        LoadRegisters(c, t);
        LeaveGs(t);
      } else {
        c->ip = (uint64_t)StubMakeFrameKicked;
      }
      return 0;
    }
    if (t->fixup != 0) {
      c->ip = t->fixup;
      t->fixup = 0;
      t->phase = old_phase;
      return 0;
    }
    /* A single-stepping application, or one that steered the stub into a fault. */
    if (sig == SIGTRAP && info->si_code == TRAP_TRACE) {
      t->phase = old_phase;
      return 0;
    }
    t->fpu = 0;
  } else {
    EnterGs(t);
    SaveRegisters(t, c);
    t->jump = ip;
    SaveFsBase(t);
    t->fpu = fpu;
  }
  t->signo = (uint32_t)sig;
  t->code = info->si_code;
  t->fault_addr = (uint64_t)info->si_addr;
  t->trapno = (uint32_t)c->trapno;
  t->error_code = (uint32_t)c->err;
  if (sig == SIGSYS) t->syscall_arch = (uint32_t)info->si_arch;
  t->event = sig == STUB_KICK_SIGNAL ? EVENT_INTERRUPT : EVENT_SIGNAL;
  HandOver(t);
  return 1;
}
