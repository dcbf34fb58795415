// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// The system-call table: one line per call. Dispatch, strace, `runsc help syscalls` and the
// compatibility page all come from it.

#ifndef CVISOR_PKG_SENTRY_SYSCALLS_TABLE_H_
#define CVISOR_PKG_SENTRY_SYSCALLS_TABLE_H_

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "pkg/base/result.h"
#include "pkg/sentry/kernel/task.h"

namespace cvisor::syscalls {

using kernel::Task;
using mm::UserAddr;

// The six argument registers of a call.
struct SyscallArgs {
  uint64_t value[6];

  // One register as the type of the C prototype; truncates as the kernel does.
  struct Arg {
    uint64_t raw;
    template <typename T>
    T As() const {
      return static_cast<T>(raw);
    }
  };
  Arg operator[](int i) const { return Arg{value[i]}; }
};

using Handler = Result<uint64_t> (*)(Task& t, const SyscallArgs& a);

// How strace prints an argument. kNone ends the list.
enum class ArgFormat : uint8_t {
  kNone = 0,
  kInt, kUint, kLong, kUlong, kHex, kPtr, kFd, kDirFd, kSize, kOffset, kOctalMode, kPid, kUid,
  kPath,        // pointer to a NUL-terminated path
  kString,      // pointer to a NUL-terminated string
  kReadBuf,     // output buffer: printed after the call, length is the result
  kWriteBuf,    // input buffer: length is the next argument
  kStringArray, // argv, envp
  kOpenFlags, kAtFlags, kAccessMode, kProt, kMapFlags, kMremapFlags, kMadvise, kCloneFlags, kSignal,
  kSigSetIn, kSigSetOut, kSigHow, kSigActionIn, kSigActionOut, kSigInfoOut, kStackIn, kStackOut,
  kFutexOp, kTimespecIn, kTimespecOut, kTimevalOut, kItimerIn, kItimerOut, kItimerspecIn,
  kItimerspecOut, kClockId, kStatOut, kStatxOut, kRusageOut, kRlimitIn, kRlimitOut, kResource,
  kWaitStatusOut, kWaitOptions, kPollFds, kEpollOp, kEpollEventIn, kEpollEventsOut, kIovecIn,
  kIovecOut, kMsghdrIn, kMsghdrOut, kSockaddrIn, kSockaddrOut, kSockFamily, kSockType, kSockLevel,
  kSockOpt, kMsgFlags, kFdPairOut, kIntOut, kUtsnameOut, kSysinfoOut, kFcntlCmd, kIoctlCmd, kWhence,
  kPrctlOp, kArchPrctlOp, kMountFlags, kRandomFlags, kCloneArgs, kDirentsOut, kLinkOut, kFdSet,
  kTimevalIn, kTimevalPairIn, kTimespecPairIn, kUtimbufIn, kIntInOut, kOffsetInOut, kStatfsOut,
  kOpenHow, kStatxMask, kRenameFlags, kFallocMode, kFadvise, kFlockOp, kRwf, kSpliceFlags,
  kPipeFlags, kEpollCreateFlags, kEventfdFlags, kTimerfdFlags, kInotifyInitFlags, kInotifyMask,
  kMsyncFlags, kMlockFlags, kUmountFlags, kShutdownHow, kCloseRangeFlags, kMemfdFlags, kXattrFlags,
  kMmsgIn, kMmsgOut, kIdType, kSchedPolicy, kDev, kItimerWhich, kSigInfoIn,
  kSkip,       // a register the C prototype does not have: not printed
  kFcntlArg,   // of the third argument, by the command before it
  kIoctlArg,
};

enum class Support : uint8_t {
  kFull,     // as Linux
  kPartial,  // what is missing is in the note
  kStub,     // accepted, has no effect here; the note says why that is right
  kNone,     // ENOSYS
};

struct SyscallInfo {
  uint16_t number = 0;
  std::string_view name;
  Handler handler = nullptr;  // null: ENOSYS
  std::array<ArgFormat, 6> args{};
  Support support = Support::kNone;
  std::string_view note = {};
  ArgFormat result = ArgFormat::kLong;
};

// Above the number of every call.
inline constexpr uint64_t kSyscallLimit = 512;

// All calls that Linux defines for x86-64, in number order.
std::span<const SyscallInfo> Table();
// Null if there is no such call.
const SyscallInfo* FindSyscall(uint64_t number);

}  // namespace cvisor::syscalls

#endif  // CVISOR_PKG_SENTRY_SYSCALLS_TABLE_H_
