// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The calls that are fuzzed: number, kinds of the arguments, what the result is.

#ifndef CVISOR_TEST_FUZZ_SYSCALLS_CALLS_H_
#define CVISOR_TEST_FUZZ_SYSCALLS_CALLS_H_

#include <cstdint>
#include <span>

#include "test/fuzz/syscalls/process.h"

namespace cvisor::fuzz {

// The formats of the Sentry's table, and finer ones.
enum class Kind : uint8_t {
#define FUZZ_KIND(name) name,
#include "test/fuzz/syscalls/calls.inc"
#undef FUZZ_KIND
  kFileFd,
  kDirOnlyFd,
  kPipeFd,
  kSocketFd,
  kEventFd,
  kEpollFd,
  kTimerFd,
  kSignalFd,
  kInotifyFd,
  kMemoryFd,
  kTtyFd,
  kPidFd,
  kProcFd,
  kLocalPath,  // a path in the working directory, for calls that change the tree of mounts
  kAddress,    // in the playground, mostly
  kLength,     // of memory that is mapped
  kFutexWord,
  kFutexTimeout,  // or a number
  kCount,         // of small things
  kZero,
  kBits,  // few bits
  kOutBuf,
  kInBuf,
  kSockLen,
  kTimerId,
  kSigevent,
  kThreadId,
  kSmallSet,   // the size of a signal set, mostly
  kSelectSet,  // pselect6's pointer and size
  kWaitv,
  kCapHeader,
  kCapData,
  kRobustList,
  kCpuSet,
  kSchedParam,
  kPriorityWhich,
  kSettableResource,
  kNewCloneFlags,
  kGroups,
  kSockOptValue,
  kFsName,
  kXattrName,
  kRemoteIovec,
  kFdFlags,
  kHowSize,
  kWaitIdOptions,
};

constexpr FdKind kNoFd = FdKind::kCount;

struct Call {
  uint16_t number;
  const char* name;
  Kind args[6];
  uint8_t weight = 20;
  FdKind result = kNoFd;
};

// The table's calls with what descriptions.cc says about them.
std::span<const Call> Calls();
const Call& RandomCall(Random& random);

// A value of the kind. May build a structure in the arena of `t`.
uint64_t MakeArg(Thread& t, Kind kind, uint64_t previous);

uint64_t RandomFd(Thread& t, FdKind kind);
const char* RandomPath(Thread& t, bool local);
// `size` bytes in the arena, or somewhere worse, with `data` in them (or what was there).
uint64_t Place(Thread& t, const void* data, uint64_t size);
uint64_t BadAddress(Thread& t);
uint64_t EdgeNumber(Thread& t);

}  // namespace cvisor::fuzz

#endif  // CVISOR_TEST_FUZZ_SYSCALLS_CALLS_H_
