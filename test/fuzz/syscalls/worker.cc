// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "test/fuzz/syscalls/worker.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "test/fuzz/syscalls/calls.h"
#include "test/fuzz/syscalls/structures.h"

namespace cvisor::fuzz {
namespace {

// Descendants of a worker make this many calls, so that processes do not become too many.
constexpr int kCallsOfChild = 150;
constexpr int kMaxDepth = 3;

// Thread group whose Thread slots are in use: a fork's child has only the one that forked.
void BecomeChild(Thread& t, uint64_t seed) {
  for (int i = 0; i < kMaxThreads; ++i) {
    if (Thread::At(i) != &t) Thread::At(i)->busy = 0;
  }
  t.random = Random(seed);
  t.calls_left = kCallsOfChild;
  ++t.depth;
  t.tid = static_cast<uint32_t>(RawCall(SYS_gettid));
}

bool MayFork(const Thread& t) {
  return t.depth < kMaxDepth && GetShared()->no_more_processes.load() == 0;
}

uint64_t RandomCloneFlags(Random& r) {
  static constexpr uint64_t kSets[] = {
      // pthread_create's, then parts of it; then processes that share this and that
      CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
      CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
      CLONE_VM | CLONE_SIGHAND | CLONE_THREAD,
      CLONE_VM | CLONE_VFORK,
      CLONE_VM | CLONE_SIGHAND,
      CLONE_VM,
      0,
      CLONE_FILES,
      CLONE_FS | CLONE_PARENT,
      CLONE_VFORK,
      CLONE_NEWNS | CLONE_NEWUTS,
      CLONE_NEWPID,
  };
  uint64_t flags = r.Pick(kSets);
  static constexpr uint64_t kExtra[] = {CLONE_PARENT_SETTID, CLONE_CHILD_SETTID, CLONE_PIDFD,
                                        CLONE_UNTRACED,      CLONE_IO,           CLONE_SETTLS,
                                        CLONE_PARENT};
  for (uint64_t n = r.Below(3); n > 0; --n) flags |= r.Pick(kExtra);
  if (r.OneIn(20)) flags |= uint64_t{1} << (8 + r.Below(25));
  if ((flags & CLONE_THREAD) == 0) flags |= r.OneIn(10) ? r.Below(65) : SIGCHLD;
  return flags;
}

uint64_t MaybeBad(Thread& t, uint64_t good) { return t.random.OneIn(20) ? BadAddress(t) : good; }

// clone and clone3: with shared memory the child gets a stack of its own, else it goes on here.
void Clone(Thread& t, bool clone3) {
  Random& r = t.random;
  const uint64_t seed = r.Next();
  uint64_t flags = RandomCloneFlags(r);
  const uint64_t tls = r.OneIn(4) ? r.Next() : Word(&t);
  Thread* child = (flags & CLONE_VM) != 0 ? ClaimThread(seed) : nullptr;
  if (((flags & CLONE_VM) != 0 && child == nullptr) || !MayFork(t)) {
    if (child != nullptr) child->busy = 0;
    return;
  }
  uint64_t ctid = 0;
  if (child != nullptr) {
    child->depth = t.depth + ((flags & CLONE_THREAD) == 0 ? 1 : 0);
    if ((flags & CLONE_THREAD) == 0 || r.OneIn(2)) child->calls_left = kCallsOfChild;
    flags |= CLONE_CHILD_CLEARTID;
    ctid = Word(&child->busy);
  }
  const uint64_t out = MaybeBad(t, Word(&GetShared()->futexes[200]));
  long result;
  if (!clone3) {
    if (child != nullptr) {
      result = CloneThread(flags, child, out, ctid, tls);
    } else {
      result = RawCall(SYS_clone, flags, 0, out, out, tls);
    }
  } else {
    clone_args args{};
    args.flags = flags & ~uint64_t{0xff};
    args.exit_signal = flags & 0xff;
    args.pidfd = args.parent_tid = out;
    args.child_tid = child != nullptr ? ctid : out;
    args.tls = tls;
    if (r.OneIn(8)) {
      args.set_tid = MaybeBad(t, Word(&GetShared()->futexes[300]));
      args.set_tid_size = r.Below(4);
    }
    if (child != nullptr) {
      args.stack = child->stack_top() - 65536;
      args.stack_size = r.OneIn(20) ? EdgeNumber(t) : 65536;
      result = Clone3Thread(&args, r.OneIn(10) ? r.Below(120) : sizeof(args), child);
    } else {
      result = RawCall(SYS_clone3, Word(&args), r.OneIn(10) ? r.Below(120) : sizeof(args));
    }
  }
  if (result == 0) BecomeChild(t, seed);
  if (result < 0 && child != nullptr) child->busy = 0;
}

// Calls that need more than registers. False: not one of them.
bool SpecialCall(Thread& t, const Call& call) {
  Random& r = t.random;
  switch (call.number) {
    case SYS_clone:
      Clone(t, false);
      return true;
    case SYS_clone3:
      Clone(t, true);
      return true;
    case SYS_fork: {
      const uint64_t seed = r.Next();
      if (MayFork(t) && RawCall(SYS_fork) == 0) BecomeChild(t, seed);
      return true;
    }
    case SYS_vfork: {
      const Program program = RandomProgram(t);
      if (MayFork(t)) {
        VforkExec(reinterpret_cast<const char*>(program.path),
                  reinterpret_cast<const char* const*>(program.argv),
                  reinterpret_cast<const char* const*>(program.envp));
      }
      return true;
    }
    case SYS_execve: {
      const Program program = RandomProgram(t);
      RawCall(SYS_execve, program.path, program.argv, program.envp);
      return true;
    }
    case SYS_execveat: {
      const Program program = RandomProgram(t);
      if (r.OneIn(2)) {
        RawCall(SYS_execveat, static_cast<uint64_t>(g_fds.number[0][2]), Word(""), program.argv,
                program.envp, AT_EMPTY_PATH);
      } else {
        RawCall(SYS_execveat, MakeArg(t, Kind::kDirFd, 0), program.path, program.argv, program.envp,
                MakeArg(t, Kind::kAtFlags, 0));
      }
      return true;
    }
    default:
      return false;
  }
}

void Remember(Random& r, FdKind kind, long fd) {
  if (fd < 0 || fd > INT16_MAX) return;
  g_fds.number[static_cast<int>(kind)][r.Below(kFdsPerKind)] = static_cast<int16_t>(fd);
}

bool IsFault(uint64_t sig) { return sig < 32 && (kFaultSignals >> (sig - 1) & 1) != 0; }

void OneCall(Thread& t) {
  Random& r = t.random;
  const Call& call = RandomCall(r);
  CallRecord& record = GetShared()->records[t.tid % 64];
  record.tid = t.tid;
  record.number = call.number;
  if (SpecialCall(t, call)) {
    record.number = -1 - call.number;
    return;
  }
  uint64_t args[6];
  for (int i = 0; i < 6; ++i) {
    args[i] = MakeArg(t, call.args[i], i > 0 ? args[i - 1] : 0);
    record.args[i] = args[i];
  }
  // The machine could not populate it, and would say so by killing something.
  if (call.number == SYS_mmap && args[1] > (1 << 30)) args[3] &= ~uint64_t{MAP_NORESERVE};
  const uint64_t pick = r.Next();
  // Without its handlers for faults a worker lives only briefly.
  if (call.number == SYS_rt_sigaction && IsFault(args[0]) && !Random(pick).OneIn(16)) return;
  const long result = RawCall(call.number, args[0], args[1], args[2], args[3], args[4], args[5]);
  record.number = -1 - call.number;
  if (call.result == kNoFd || result < 0) return;
  Random slot(pick);
  if (call.number == SYS_socketpair) {
    int pair[2];
    if (!TouchRead(args[3])) return;
    __builtin_memcpy(pair, reinterpret_cast<void*>(args[3]), sizeof(pair));
    Remember(slot, call.result, pair[0]);
    Remember(slot, call.result, pair[1]);
    return;
  }
  Remember(slot, call.result, result);
}

// Memory between the calls: faults, and writes that race with calls that read it.
void Touch(Thread& t) {
  Random& r = t.random;
  const uint64_t page = kPlayground + r.Below(r.OneIn(8) ? kPlaygroundPages : 48) * kPage;
  for (uint64_t n = 1 + r.Below(8); n > 0; --n) {
    const uint64_t at = page + r.Below(512) * 8;
    if (r.OneIn(2)) {
      TouchRead(at);
    } else {
      TouchWrite(at, r.Next());
    }
  }
}

// Code that makes a call, in a page that other threads write, unmap and execute.
void RunCode(Thread& t) {
  Random& r = t.random;
  static constexpr uint32_t kCalls[] = {SYS_getpid, SYS_gettid, SYS_sched_yield, SYS_getppid,
                                        SYS_getuid, 1000,       SYS_munlockall,  SYS_umask};
  const uint64_t at =
      kCode + r.Below(kCodePages) * kPage + (r.OneIn(4) ? kPage - 8 : r.Below(16) * 8);
  if (!r.OneIn(4)) {
    // mov eax, N; syscall; ret (8 bytes), at times with a nop before the call.
    const uint64_t number = r.Pick(kCalls);
    const uint64_t code = 0xb8 | number << 8 | uint64_t{0xc3050f} << 40;
    if (!TouchWrite(at, code)) {
      RawCall(SYS_mmap, at & ~(kPage - 1), kPage, PROT_READ | PROT_WRITE | PROT_EXEC,
              MAP_FIXED | MAP_ANONYMOUS | (r.OneIn(2) ? MAP_PRIVATE : MAP_SHARED), ~uint64_t{0}, 0);
      if (!TouchWrite(at, code)) return;
    }
  }
  for (uint64_t n = 1 + r.Below(40); n > 0; --n) {
    if (!TouchCall(at)) break;
  }
}

}  // namespace

extern "C" void ThreadMain(Thread* self) {
  Thread& t = *self;
  t.tid = static_cast<uint32_t>(RawCall(SYS_gettid));
  while (t.calls_left != 0) {
    if (t.calls_left > 0) --t.calls_left;
    GetShared()->calls.fetch_add(1, std::memory_order_relaxed);
    const uint64_t what = t.random.Below(16);
    if (what == 0) {
      RunCode(t);
    } else if (what <= 2) {
      Touch(t);
    } else {
      OneCall(t);
    }
  }
  const bool all = t.random.OneIn(2);
  for (;;) RawCall(all ? SYS_exit_group : SYS_exit, t.random.Below(256));
}

void RunWorker(uint64_t seed, int extra_threads) {
  SetUpProcess(seed);
  Random random(seed);
  Thread* first = ClaimThread(random.Next());
  first->depth = 0;
  for (int i = 0; i < extra_threads; ++i) {
    Thread* t = ClaimThread(random.Next());
    t->depth = 0;
    CloneThread(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                    CLONE_CHILD_CLEARTID,
                t, 0, Word(&t->busy), 0);
  }
  RunThread(first);
}

}  // namespace cvisor::fuzz
