// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// What the Sentry's table, which is there for strace, does not say about the arguments.

#include <array>
#include <cstddef>
#include <string_view>

#include "test/fuzz/syscalls/calls.h"

namespace cvisor::fuzz {
namespace {

using enum Kind;

// Calls that end the thread, wait for ever or stop the others are rare.
constexpr Call kDescriptions[] = {
    {0, "open", {kPath, kOpenFlags, kOctalMode}, 20, FdKind::kFile},
    {0, "openat", {kDirFd, kPath, kOpenFlags, kOctalMode}, 40, FdKind::kFile},
    {0, "openat2", {kDirFd, kPath, kOpenHow, kHowSize}, 20, FdKind::kFile},
    {0, "creat", {kPath, kOctalMode}, 10, FdKind::kFile},
    {0, "close", {kFd}, 20},
    {0, "close_range", {kUint, kUint, kCloseRangeFlags}, 1},
    {0, "dup", {kFd}, 20, FdKind::kFile},
    {0, "dup3", {kFd, kFd, kFdFlags}, 20},
    {0, "mmap", {kAddress, kLength, kProt, kMapFlags, kFd, kOffset}, 60},
    {0, "mprotect", {kAddress, kLength, kProt}, 40},
    {0, "pkey_mprotect", {kAddress, kLength, kProt, kInt}, 10},
    {0, "munmap", {kAddress, kLength}, 40},
    {0, "mremap", {kAddress, kLength, kLength, kMremapFlags, kAddress}, 40},
    {0, "madvise", {kAddress, kLength, kMadvise}, 30},
    {0, "msync", {kAddress, kLength, kMsyncFlags}, 20},
    {0, "mincore", {kAddress, kLength, kOutBuf}, 20},
    {0, "mlock", {kAddress, kLength}, 10},
    {0, "mlock2", {kAddress, kLength, kBits}, 10},
    {0, "munlock", {kAddress, kLength}, 10},
    {0, "mlockall", {kMlockFlags}, 2},
    {0, "mbind", {kAddress, kLength, kCount, kInBuf, kCount, kBits}, 10},
    {0, "remap_file_pages", {kAddress, kLength, kZero, kCount, kMapFlags}, 10},
    {0, "set_mempolicy", {kCount, kInBuf, kCount}, 10},
    {0, "get_mempolicy", {kOutBuf, kOutBuf, kCount, kAddress, kBits}, 10},
    {0, "pause", {}, 1},
    {0, "rt_sigsuspend", {kSigSetIn, kSmallSet}, 2},
    {0, "rt_sigreturn", {}, 1},
    {0, "rt_sigaction", {kSignal, kSigActionIn, kSigActionOut, kSmallSet}, 30},
    {0, "rt_sigprocmask", {kSigHow, kSigSetIn, kSigSetOut, kSmallSet}, 30},
    {0, "rt_sigpending", {kSigSetOut, kSmallSet}, 10},
    {0, "rt_sigtimedwait", {kSigSetIn, kSigInfoOut, kTimespecIn, kSmallSet}, 20},
    {0, "signalfd", {kSignalFd, kSigSetIn, kSmallSet}, 10, FdKind::kSignal},
    {0, "signalfd4", {kSignalFd, kSigSetIn, kSmallSet, kFdFlags}, 10, FdKind::kSignal},
    {0, "kill", {kPid, kSignal}, 4},
    {0, "tkill", {kThreadId, kSignal}, 20},
    {0, "tgkill", {kPid, kThreadId, kSignal}, 20},
    {0, "rt_sigqueueinfo", {kPid, kSignal, kSigInfoIn}, 10},
    {0, "rt_tgsigqueueinfo", {kPid, kThreadId, kSignal, kSigInfoIn}, 10},
    {0, "pidfd_open", {kPid, kBits}, 20, FdKind::kPid},
    {0, "pidfd_send_signal", {kPidFd, kSignal, kSigInfoIn, kZero}, 10},
    {0, "pidfd_getfd", {kPidFd, kFd, kZero}, 20, FdKind::kFile},
    {0, "ioctl", {kFd, kIoctlCmd, kIoctlArg}, 60},
    {0, "select", {kCount, kFdSet, kFdSet, kFdSet, kTimevalIn}, 20},
    {0, "pselect6", {kCount, kFdSet, kFdSet, kFdSet, kTimespecIn, kSelectSet}, 20},
    {0, "poll", {kPollFds, kCount, kCount}, 20},
    {0, "ppoll", {kPollFds, kCount, kTimespecIn, kSigSetIn, kSmallSet}, 20},
    {0, "readv", {kFd, kIovecOut, kCount}, 30},
    {0, "writev", {kFd, kIovecIn, kCount}, 30},
    {0, "preadv", {kFd, kIovecOut, kCount, kOffset, kZero}, 20},
    {0, "pwritev", {kFd, kIovecIn, kCount, kOffset, kZero}, 20},
    {0, "preadv2", {kFd, kIovecOut, kCount, kOffset, kZero, kRwf}, 20},
    {0, "pwritev2", {kFd, kIovecIn, kCount, kOffset, kZero, kRwf}, 20},
    {0, "vmsplice", {kPipeFd, kIovecIn, kCount, kSpliceFlags}, 20},
    {0, "splice", {kFd, kOffsetInOut, kPipeFd, kOffsetInOut, kSize, kSpliceFlags}, 40},
    {0, "tee", {kPipeFd, kPipeFd, kSize, kSpliceFlags}, 20},
    {0, "process_vm_readv", {kPid, kIovecOut, kCount, kRemoteIovec, kCount, kZero}, 20},
    {0, "process_vm_writev", {kPid, kIovecIn, kCount, kRemoteIovec, kCount, kZero}, 20},
    {0, "socket", {kSockFamily, kSockType, kZero}, 40, FdKind::kSocket},
    {0, "socketpair", {kSockFamily, kSockType, kZero, kFdPairOut}, 20, FdKind::kSocket},
    {0, "connect", {kSocketFd, kSockaddrIn, kSockLen}, 20},
    {0, "bind", {kSocketFd, kSockaddrIn, kSockLen}, 20},
    {0, "listen", {kSocketFd, kCount}, 20},
    {0, "accept", {kSocketFd, kSockaddrOut, kIntInOut}, 10, FdKind::kSocket},
    {0, "accept4", {kSocketFd, kSockaddrOut, kIntInOut, kSockType}, 10, FdKind::kSocket},
    {0, "sendto", {kSocketFd, kInBuf, kSize, kMsgFlags, kSockaddrIn, kSockLen}, 20},
    {0, "recvfrom", {kSocketFd, kOutBuf, kSize, kMsgFlags, kSockaddrOut, kIntInOut}, 20},
    {0, "sendmsg", {kSocketFd, kMsghdrIn, kMsgFlags}, 60},
    {0, "recvmsg", {kSocketFd, kMsghdrOut, kMsgFlags}, 60},
    {0, "sendmmsg", {kSocketFd, kMmsgIn, kCount, kMsgFlags}, 20},
    {0, "recvmmsg", {kSocketFd, kMmsgOut, kCount, kMsgFlags, kTimespecIn}, 20},
    {0, "shutdown", {kSocketFd, kShutdownHow}, 4},
    {0, "getsockname", {kSocketFd, kSockaddrOut, kIntInOut}, 10},
    {0, "getpeername", {kSocketFd, kSockaddrOut, kIntInOut}, 10},
    {0, "setsockopt", {kSocketFd, kSockLevel, kSockOpt, kSockOptValue, kSockLen}, 30},
    {0, "getsockopt", {kSocketFd, kSockLevel, kSockOpt, kOutBuf, kIntInOut}, 30},
    {0, "clone", {}, 12},
    {0, "clone3", {}, 8},
    {0, "fork", {}, 6},
    {0, "vfork", {}, 4},
    {0, "execve", {}, 3},
    {0, "execveat", {}, 2},
    {0, "exit", {kInt}, 1},
    {0, "exit_group", {kInt}, 1},
    {0, "unshare", {kNewCloneFlags}, 4},
    {0, "wait4", {kPid, kWaitStatusOut, kWaitOptions, kRusageOut}, 20},
    {0, "waitid", {kIdType, kPid, kSigInfoOut, kWaitIdOptions, kRusageOut}, 20},
    {0, "setpgid", {kPid, kPid}, 10},
    {0, "getgroups", {kCount, kGroups}, 10},
    {0, "setgroups", {kCount, kGroups}, 2},
    // Without root's rights most calls fail early.
    {0, "setuid", {kUid}, 1},
    {0, "setreuid", {kUid, kUid}, 1},
    {0, "setresuid", {kUid, kUid, kUid}, 1},
    {0, "setfsuid", {kUid}, 1},
    {0, "capget", {kCapHeader, kCapData}, 10},
    {0, "capset", {kCapHeader, kCapData}, 1},
    {0, "chroot", {kLocalPath}, 1},
    {0, "chdir", {kLocalPath}, 5},
    {0, "pivot_root", {kLocalPath, kLocalPath}, 1},
    {0, "mount", {kFsName, kLocalPath, kFsName, kMountFlags, kInBuf}, 6},
    {0, "umount2", {kLocalPath, kUmountFlags}, 6},
    {0, "getcwd", {kOutBuf, kSize}, 10},
    {0, "getdents", {kDirOnlyFd, kOutBuf, kSize}, 10},
    {0, "getdents64", {kDirOnlyFd, kOutBuf, kSize}, 20},
    {0, "syslog", {kCount, kOutBuf, kSize}, 10},
    {0, "times", {kOutBuf}, 10},
    {0, "time", {kOutBuf}, 10},
    {0, "getcpu", {kOutBuf, kOutBuf, kZero}, 10},
    {0, "adjtimex", {kInBuf}, 10},
    {0, "clock_adjtime", {kClockId, kInBuf}, 10},
    {0, "ustat", {kDev, kOutBuf}, 4},
    {0, "setrlimit", {kSettableResource, kRlimitIn}, 2},
    {0, "prlimit64", {kPid, kSettableResource, kRlimitIn, kRlimitOut}, 4},
    {0, "sched_setparam", {kPid, kSchedParam}, 10},
    {0, "sched_getparam", {kPid, kOutBuf}, 10},
    {0, "sched_setscheduler", {kPid, kSchedPolicy, kSchedParam}, 10},
    {0, "sched_setattr", {kPid, kSchedParam, kZero}, 10},
    {0, "sched_getattr", {kPid, kOutBuf, kSize, kZero}, 10},
    {0, "sched_setaffinity", {kPid, kSize, kCpuSet}, 10},
    {0, "sched_getaffinity", {kPid, kSize, kOutBuf}, 10},
    {0, "getpriority", {kPriorityWhich, kPid}, 10},
    {0, "setpriority", {kPriorityWhich, kPid, kCount}, 10},
    {0, "ioprio_set", {kPriorityWhich, kPid, kBits}, 10},
    {0, "ioprio_get", {kPriorityWhich, kPid}, 10},
    {0, "migrate_pages", {kPid, kCount, kInBuf, kInBuf}, 4},
    {0, "move_pages", {kPid, kCount, kInBuf, kInBuf, kOutBuf, kBits}, 4},
    {0, "setxattr", {kPath, kXattrName, kInBuf, kSize, kXattrFlags}, 20},
    {0, "lsetxattr", {kPath, kXattrName, kInBuf, kSize, kXattrFlags}, 10},
    {0, "fsetxattr", {kFd, kXattrName, kInBuf, kSize, kXattrFlags}, 20},
    {0, "getxattr", {kPath, kXattrName, kOutBuf, kSize}, 20},
    {0, "lgetxattr", {kPath, kXattrName, kOutBuf, kSize}, 10},
    {0, "fgetxattr", {kFd, kXattrName, kOutBuf, kSize}, 20},
    {0, "removexattr", {kPath, kXattrName}, 10},
    {0, "lremovexattr", {kPath, kXattrName}, 5},
    {0, "fremovexattr", {kFd, kXattrName}, 10},
    {0, "futex", {kFutexWord, kFutexOp, kCount, kFutexTimeout, kFutexWord, kCount}, 80},
    {0, "futex_waitv", {kWaitv, kCount, kZero, kTimespecIn, kItimerWhich}, 20},
    {0, "set_tid_address", {kFutexWord}, 4},
    {0, "set_robust_list", {kRobustList, kSmallSet}, 10},
    {0, "get_robust_list", {kPid, kOutBuf, kOutBuf}, 10},
    {0, "timer_create", {kClockId, kSigevent, kOutBuf}, 20},
    {0, "timer_settime", {kTimerId, kTimerfdFlags, kItimerspecIn, kItimerspecOut}, 20},
    {0, "timer_gettime", {kTimerId, kItimerspecOut}, 10},
    {0, "timer_getoverrun", {kTimerId}, 10},
    {0, "timer_delete", {kTimerId}, 10},
    {0, "epoll_create", {kCount}, 10, FdKind::kEpoll},
    {0, "epoll_create1", {kEpollCreateFlags}, 10, FdKind::kEpoll},
    {0, "epoll_ctl", {kEpollFd, kEpollOp, kFd, kEpollEventIn}, 80},
    {0, "epoll_wait", {kEpollFd, kEpollEventsOut, kCount, kCount}, 20},
    {0, "epoll_pwait", {kEpollFd, kEpollEventsOut, kCount, kCount, kSigSetIn, kSmallSet}, 20},
    {0, "epoll_pwait2", {kEpollFd, kEpollEventsOut, kCount, kTimespecIn, kSigSetIn, kSmallSet}, 20},
    {0, "eventfd", {kUint}, 10, FdKind::kEvent},
    {0, "eventfd2", {kUint, kEventfdFlags}, 20, FdKind::kEvent},
    {0, "timerfd_create", {kClockId, kFdFlags}, 20, FdKind::kTimer},
    {0, "timerfd_settime", {kTimerFd, kTimerfdFlags, kItimerspecIn, kItimerspecOut}, 20},
    {0, "timerfd_gettime", {kTimerFd, kItimerspecOut}, 10},
    {0, "inotify_init", {}, 10, FdKind::kInotify},
    {0, "inotify_init1", {kInotifyInitFlags}, 10, FdKind::kInotify},
    {0, "inotify_add_watch", {kInotifyFd, kPath, kInotifyMask}, 30},
    {0, "inotify_rm_watch", {kInotifyFd, kCount}, 20},
    {0, "memfd_create", {kString, kMemfdFlags}, 20, FdKind::kMemory},
    {0, "fallocate", {kFileFd, kFallocMode, kOffset, kSize}, 20},
    {0, "sync_file_range", {kFileFd, kOffset, kOffset, kBits}, 10},
    {0, "copy_file_range", {kFileFd, kOffsetInOut, kFileFd, kOffsetInOut, kSize, kZero}, 30},
    {0, "kcmp", {kPid, kPid, kCount, kFd, kFd}, 20},
    {0, "membarrier", {kBits, kZero, kZero}, 20},
    {0, "personality", {kBits}, 4},
    {0, "prctl", {kPrctlOp, kBits, kBits, kZero, kZero}, 30},
};

constexpr Call kGenerated[] = {
#define FUZZ_CALL(number, name, a, b, c, d, e, f) {number, #name, {a, b, c, d, e, f}},
#include "test/fuzz/syscalls/calls.inc"
#undef FUZZ_CALL
};
constexpr size_t kCalls = sizeof(kGenerated) / sizeof(kGenerated[0]);

constexpr bool Described(const Call& call) {
  for (const Call& known : kGenerated) {
    if (std::string_view(known.name) == call.name) return true;
  }
  return false;
}
constexpr bool AllKnown() {
  for (const Call& call : kDescriptions) {
    if (!Described(call)) return false;
  }
  return true;
}
static_assert(AllKnown(), "a description has no call in the Sentry's table");

constexpr auto kMerged = [] {
  std::array<Call, kCalls> merged{};
  for (size_t i = 0; i < kCalls; ++i) {
    merged[i] = kGenerated[i];
    for (const Call& call : kDescriptions) {
      if (std::string_view(call.name) != merged[i].name) continue;
      merged[i] = call;
      merged[i].number = kGenerated[i].number;
    }
  }
  return merged;
}();

constexpr uint64_t kTotalWeight = [] {
  uint64_t sum = 0;
  for (const Call& call : kMerged) sum += call.weight;
  return sum;
}();

}  // namespace

std::span<const Call> Calls() { return kMerged; }

const Call& RandomCall(Random& random) {
  uint64_t at = random.Below(kTotalWeight);
  for (const Call& call : kMerged) {
    if (at < call.weight) return call;
    at -= call.weight;
  }
  return kMerged[0];
}

}  // namespace cvisor::fuzz
