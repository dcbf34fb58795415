// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/strace/flags.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/falloc.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <linux/stat.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace cvisor::strace {
namespace {

#define F(name) Flag{static_cast<uint64_t>(static_cast<uint32_t>(name)), #name}

constexpr Flag kAt[] = {F(AT_SYMLINK_NOFOLLOW), F(AT_REMOVEDIR),        F(AT_SYMLINK_FOLLOW),
                        F(AT_NO_AUTOMOUNT),     F(AT_EMPTY_PATH),       F(AT_STATX_FORCE_SYNC),
                        F(AT_STATX_DONT_SYNC),  F(AT_RECURSIVE)};
constexpr Flag kAccess[] = {F(R_OK), F(W_OK), F(X_OK)};
constexpr Flag kProt[] = {F(PROT_READ), F(PROT_WRITE), F(PROT_EXEC), F(PROT_GROWSDOWN),
                          F(PROT_GROWSUP)};
constexpr Flag kMap[] = {F(MAP_SHARED_VALIDATE), F(MAP_SHARED), F(MAP_PRIVATE), F(MAP_FIXED),
                         F(MAP_ANONYMOUS), F(MAP_32BIT), F(MAP_GROWSDOWN), F(MAP_DENYWRITE),
                         F(MAP_EXECUTABLE), F(MAP_LOCKED), F(MAP_NORESERVE), F(MAP_POPULATE),
                         F(MAP_NONBLOCK), F(MAP_STACK), F(MAP_HUGETLB), F(MAP_SYNC),
                         F(MAP_FIXED_NOREPLACE)};
constexpr Flag kMremap[] = {F(MREMAP_MAYMOVE), F(MREMAP_FIXED), F(MREMAP_DONTUNMAP)};
constexpr Flag kMadvise[] = {
    F(MADV_NORMAL), F(MADV_RANDOM), F(MADV_SEQUENTIAL), F(MADV_WILLNEED), F(MADV_DONTNEED),
    F(MADV_FREE), F(MADV_REMOVE), F(MADV_DONTFORK), F(MADV_DOFORK), F(MADV_MERGEABLE),
    F(MADV_UNMERGEABLE), F(MADV_HUGEPAGE), F(MADV_NOHUGEPAGE), F(MADV_DONTDUMP), F(MADV_DODUMP),
    F(MADV_WIPEONFORK), F(MADV_KEEPONFORK), F(MADV_COLD), F(MADV_PAGEOUT), F(MADV_POPULATE_READ),
    F(MADV_POPULATE_WRITE)};
constexpr Flag kSigHow[] = {F(SIG_BLOCK), F(SIG_UNBLOCK), F(SIG_SETMASK)};
constexpr Flag kFutex[] = {
    F(FUTEX_WAIT), F(FUTEX_WAKE), F(FUTEX_FD), F(FUTEX_REQUEUE), F(FUTEX_CMP_REQUEUE),
    F(FUTEX_WAKE_OP), F(FUTEX_LOCK_PI), F(FUTEX_UNLOCK_PI), F(FUTEX_TRYLOCK_PI),
    F(FUTEX_WAIT_BITSET), F(FUTEX_WAKE_BITSET), F(FUTEX_WAIT_REQUEUE_PI), F(FUTEX_CMP_REQUEUE_PI)};
constexpr Flag kClock[] = {
    F(CLOCK_REALTIME), F(CLOCK_MONOTONIC), F(CLOCK_PROCESS_CPUTIME_ID), F(CLOCK_THREAD_CPUTIME_ID),
    F(CLOCK_MONOTONIC_RAW), F(CLOCK_REALTIME_COARSE), F(CLOCK_MONOTONIC_COARSE), F(CLOCK_BOOTTIME),
    F(CLOCK_REALTIME_ALARM), F(CLOCK_BOOTTIME_ALARM), F(CLOCK_TAI)};
constexpr Flag kResource[] = {
    F(RLIMIT_CPU), F(RLIMIT_FSIZE), F(RLIMIT_DATA), F(RLIMIT_STACK), F(RLIMIT_CORE), F(RLIMIT_RSS),
    F(RLIMIT_NPROC), F(RLIMIT_NOFILE), F(RLIMIT_MEMLOCK), F(RLIMIT_AS), F(RLIMIT_LOCKS),
    F(RLIMIT_SIGPENDING), F(RLIMIT_MSGQUEUE), F(RLIMIT_NICE), F(RLIMIT_RTPRIO), F(RLIMIT_RTTIME)};
constexpr Flag kWait[] = {F(WNOHANG), F(WUNTRACED), F(WEXITED), F(WCONTINUED), F(WNOWAIT),
                          F(__WNOTHREAD), F(__WALL), F(__WCLONE)};
constexpr Flag kIdType[] = {F(P_ALL), F(P_PID), F(P_PGID), F(P_PIDFD)};
constexpr Flag kEpollOp[] = {F(EPOLL_CTL_ADD), F(EPOLL_CTL_DEL), F(EPOLL_CTL_MOD)};
constexpr Flag kFamily[] = {F(AF_UNSPEC), F(AF_UNIX), F(AF_INET), F(AF_INET6), F(AF_NETLINK),
                            F(AF_PACKET), F(AF_VSOCK), F(AF_ALG), F(AF_BLUETOOTH)};
constexpr Flag kLevel[] = {F(SOL_SOCKET), {IPPROTO_IP, "SOL_IP"}, {IPPROTO_TCP, "SOL_TCP"},
                           {IPPROTO_UDP, "SOL_UDP"}, {IPPROTO_IPV6, "SOL_IPV6"},
                           {IPPROTO_RAW, "SOL_RAW"}, {263, "SOL_PACKET"}, {270, "SOL_NETLINK"}};
constexpr Flag kSocketOption[] = {
    F(SO_DEBUG), F(SO_REUSEADDR), F(SO_TYPE), F(SO_ERROR), F(SO_DONTROUTE), F(SO_BROADCAST),
    F(SO_SNDBUF), F(SO_RCVBUF), F(SO_KEEPALIVE), F(SO_OOBINLINE), F(SO_NO_CHECK), F(SO_PRIORITY),
    F(SO_LINGER), F(SO_REUSEPORT), F(SO_PASSCRED), F(SO_PEERCRED), F(SO_RCVLOWAT), F(SO_SNDLOWAT),
    F(SO_RCVTIMEO), F(SO_SNDTIMEO), F(SO_BINDTODEVICE), F(SO_TIMESTAMP), F(SO_ACCEPTCONN),
    F(SO_PEERSEC), F(SO_SNDBUFFORCE), F(SO_RCVBUFFORCE), F(SO_PASSSEC), F(SO_TIMESTAMPNS),
    F(SO_MARK), F(SO_PROTOCOL), F(SO_DOMAIN), F(SO_RXQ_OVFL), F(SO_PEERGROUPS), F(SO_ZEROCOPY)};
constexpr Flag kTcpOption[] = {F(TCP_NODELAY), F(TCP_MAXSEG), F(TCP_CORK), F(TCP_KEEPIDLE),
                               F(TCP_KEEPINTVL), F(TCP_KEEPCNT), F(TCP_SYNCNT), F(TCP_LINGER2),
                               F(TCP_DEFER_ACCEPT), F(TCP_WINDOW_CLAMP), F(TCP_INFO),
                               F(TCP_QUICKACK), F(TCP_CONGESTION), F(TCP_USER_TIMEOUT),
                               F(TCP_FASTOPEN)};
constexpr Flag kMsg[] = {F(MSG_OOB), F(MSG_PEEK), F(MSG_DONTROUTE), F(MSG_CTRUNC), F(MSG_TRUNC),
                         F(MSG_DONTWAIT), F(MSG_EOR), F(MSG_WAITALL), F(MSG_CONFIRM),
                         F(MSG_ERRQUEUE), F(MSG_NOSIGNAL), F(MSG_MORE), F(MSG_WAITFORONE),
                         F(MSG_FASTOPEN), F(MSG_CMSG_CLOEXEC)};
constexpr Flag kFcntl[] = {
    F(F_DUPFD), F(F_GETFD), F(F_SETFD), F(F_GETFL), F(F_SETFL), F(F_GETLK), F(F_SETLK), F(F_SETLKW),
    F(F_SETOWN), F(F_GETOWN), F(F_SETSIG), F(F_GETSIG), F(F_SETOWN_EX), F(F_GETOWN_EX),
    F(F_OFD_GETLK), F(F_OFD_SETLK), F(F_OFD_SETLKW), F(F_SETLEASE), F(F_GETLEASE), F(F_NOTIFY),
    F(F_DUPFD_CLOEXEC), F(F_SETPIPE_SZ), F(F_GETPIPE_SZ), F(F_ADD_SEALS), F(F_GET_SEALS)};
constexpr Flag kIoctl[] = {
    F(TCGETS), F(TCSETS), F(TCSETSW), F(TCSETSF), F(TCSBRK), F(TCXONC), F(TCFLSH), F(TIOCEXCL),
    F(TIOCNXCL), F(TIOCSCTTY), F(TIOCGPGRP), F(TIOCSPGRP), F(TIOCOUTQ), F(TIOCSTI), F(TIOCGWINSZ),
    F(TIOCSWINSZ), F(FIONREAD), F(TIOCNOTTY), F(FIONBIO), F(TIOCGSID), F(TIOCGPTN), F(TIOCSPTLCK),
    F(TIOCGPTPEER), F(FIONCLEX), F(FIOCLEX), F(FIOASYNC), F(SIOCGIFCONF), F(SIOCGIFFLAGS),
    F(SIOCGIFADDR), F(SIOCGIFNAME), F(SIOCGIFINDEX)};
constexpr Flag kWhence[] = {F(SEEK_SET), F(SEEK_CUR), F(SEEK_END), F(SEEK_DATA), F(SEEK_HOLE)};
constexpr Flag kPrctl[] = {
    F(PR_SET_PDEATHSIG), F(PR_GET_PDEATHSIG), F(PR_GET_DUMPABLE), F(PR_SET_DUMPABLE),
    F(PR_GET_KEEPCAPS), F(PR_SET_KEEPCAPS), F(PR_SET_NAME), F(PR_GET_NAME), F(PR_GET_SECCOMP),
    F(PR_SET_SECCOMP), F(PR_CAPBSET_READ), F(PR_CAPBSET_DROP), F(PR_GET_SECUREBITS),
    F(PR_SET_SECUREBITS), F(PR_SET_TIMERSLACK), F(PR_GET_TIMERSLACK), F(PR_SET_MM), F(PR_SET_PTRACER),
    F(PR_SET_CHILD_SUBREAPER), F(PR_GET_CHILD_SUBREAPER), F(PR_SET_NO_NEW_PRIVS),
    F(PR_GET_NO_NEW_PRIVS), F(PR_GET_TID_ADDRESS), F(PR_SET_THP_DISABLE), F(PR_GET_THP_DISABLE),
    F(PR_CAP_AMBIENT), F(PR_SET_VMA)};
constexpr Flag kArchPrctl[] = {{0x1001, "ARCH_SET_GS"}, {0x1002, "ARCH_SET_FS"},
                               {0x1003, "ARCH_GET_FS"}, {0x1004, "ARCH_GET_GS"},
                               {0x1011, "ARCH_GET_CPUID"}, {0x1012, "ARCH_SET_CPUID"},
                               {0x1022, "ARCH_GET_XCOMP_PERM"}, {0x1023, "ARCH_REQ_XCOMP_PERM"},
                               {0x3001, "ARCH_CET_STATUS"}, {0x5001, "ARCH_SHSTK_ENABLE"}};
constexpr Flag kMount[] = {F(MS_RDONLY), F(MS_NOSUID), F(MS_NODEV), F(MS_NOEXEC), F(MS_SYNCHRONOUS),
                           F(MS_REMOUNT), F(MS_MANDLOCK), F(MS_DIRSYNC), F(MS_NOATIME),
                           F(MS_NODIRATIME), F(MS_BIND), F(MS_MOVE), F(MS_REC), F(MS_SILENT),
                           F(MS_UNBINDABLE), F(MS_PRIVATE), F(MS_SLAVE), F(MS_SHARED),
                           F(MS_RELATIME), F(MS_STRICTATIME), F(MS_LAZYTIME)};
constexpr Flag kRandom[] = {F(GRND_NONBLOCK), F(GRND_RANDOM), {4, "GRND_INSECURE"}};
constexpr Flag kStatx[] = {F(STATX_ALL), F(STATX_BASIC_STATS), F(STATX_TYPE), F(STATX_MODE),
                           F(STATX_NLINK), F(STATX_UID), F(STATX_GID), F(STATX_ATIME),
                           F(STATX_MTIME), F(STATX_CTIME), F(STATX_INO), F(STATX_SIZE),
                           F(STATX_BLOCKS), F(STATX_BTIME), F(STATX_MNT_ID)};
constexpr Flag kRename[] = {{1, "RENAME_NOREPLACE"}, {2, "RENAME_EXCHANGE"},
                            {4, "RENAME_WHITEOUT"}};
constexpr Flag kFalloc[] = {F(FALLOC_FL_KEEP_SIZE), F(FALLOC_FL_PUNCH_HOLE),
                            F(FALLOC_FL_COLLAPSE_RANGE), F(FALLOC_FL_ZERO_RANGE),
                            F(FALLOC_FL_INSERT_RANGE), F(FALLOC_FL_UNSHARE_RANGE)};
constexpr Flag kFadvise[] = {F(POSIX_FADV_NORMAL), F(POSIX_FADV_RANDOM), F(POSIX_FADV_SEQUENTIAL),
                             F(POSIX_FADV_WILLNEED), F(POSIX_FADV_DONTNEED),
                             F(POSIX_FADV_NOREUSE)};
constexpr Flag kFlock[] = {F(LOCK_SH), F(LOCK_EX), F(LOCK_NB), F(LOCK_UN)};
constexpr Flag kRwf[] = {{1, "RWF_HIPRI"}, {2, "RWF_DSYNC"}, {4, "RWF_SYNC"}, {8, "RWF_NOWAIT"},
                         {16, "RWF_APPEND"}, {32, "RWF_NOAPPEND"}, {64, "RWF_ATOMIC"},
                         {128, "RWF_DONTCACHE"}};
constexpr Flag kSplice[] = {F(SPLICE_F_MOVE), F(SPLICE_F_NONBLOCK), F(SPLICE_F_MORE),
                            F(SPLICE_F_GIFT)};
constexpr Flag kPipe[] = {F(O_NONBLOCK), F(O_DIRECT), F(O_CLOEXEC)};
constexpr Flag kEpollCreate[] = {F(EPOLL_CLOEXEC)};
constexpr Flag kEventfd[] = {F(EFD_SEMAPHORE), F(EFD_NONBLOCK), F(EFD_CLOEXEC)};
constexpr Flag kTimerfd[] = {F(TFD_TIMER_ABSTIME), F(TFD_TIMER_CANCEL_ON_SET)};
constexpr Flag kInotifyInit[] = {F(IN_NONBLOCK), F(IN_CLOEXEC)};
constexpr Flag kInotify[] = {F(IN_ACCESS), F(IN_MODIFY), F(IN_ATTRIB), F(IN_CLOSE_WRITE),
                             F(IN_CLOSE_NOWRITE), F(IN_OPEN), F(IN_MOVED_FROM), F(IN_MOVED_TO),
                             F(IN_CREATE), F(IN_DELETE), F(IN_DELETE_SELF), F(IN_MOVE_SELF),
                             F(IN_ONLYDIR), F(IN_DONT_FOLLOW), F(IN_EXCL_UNLINK),
                             F(IN_MASK_CREATE), F(IN_MASK_ADD), F(IN_ISDIR), F(IN_ONESHOT)};
constexpr Flag kMsync[] = {F(MS_ASYNC), F(MS_INVALIDATE), F(MS_SYNC)};
constexpr Flag kMlock[] = {F(MCL_CURRENT), F(MCL_FUTURE), F(MCL_ONFAULT)};
constexpr Flag kUmount[] = {F(MNT_FORCE), F(MNT_DETACH), F(MNT_EXPIRE), F(UMOUNT_NOFOLLOW)};
constexpr Flag kShutdown[] = {F(SHUT_RD), F(SHUT_WR), F(SHUT_RDWR)};
constexpr Flag kCloseRange[] = {F(CLOSE_RANGE_UNSHARE), F(CLOSE_RANGE_CLOEXEC)};
constexpr Flag kMemfd[] = {F(MFD_CLOEXEC), F(MFD_ALLOW_SEALING), F(MFD_HUGETLB),
                           {8, "MFD_NOEXEC_SEAL"}, {16, "MFD_EXEC"}};
constexpr Flag kXattr[] = {F(XATTR_CREATE), F(XATTR_REPLACE)};
constexpr Flag kPolicy[] = {{0, "SCHED_OTHER"}, {1, "SCHED_FIFO"}, {2, "SCHED_RR"},
                            {3, "SCHED_BATCH"}, {5, "SCHED_IDLE"}, {6, "SCHED_DEADLINE"}};
constexpr Flag kItimer[] = {F(ITIMER_REAL), F(ITIMER_VIRTUAL), F(ITIMER_PROF)};

#undef F

}  // namespace

FlagTable FlagsOf(syscalls::ArgFormat format) {
  using Format = syscalls::ArgFormat;
  switch (format) {
    case Format::kAtFlags: return {kAt};
    case Format::kAccessMode: return {kAccess};
    case Format::kProt: return {kProt};
    case Format::kMapFlags: return {kMap};
    case Format::kMremapFlags: return {kMremap};
    case Format::kMadvise: return {kMadvise, true};
    case Format::kSigHow: return {kSigHow, true};
    case Format::kFutexOp: return {kFutex, true};
    case Format::kClockId: return {kClock, true};
    case Format::kResource: return {kResource, true};
    case Format::kWaitOptions: return {kWait};
    case Format::kIdType: return {kIdType, true};
    case Format::kEpollOp: return {kEpollOp, true};
    case Format::kSockFamily: return {kFamily, true};
    case Format::kSockLevel: return {kLevel, true};
    case Format::kMsgFlags: return {kMsg};
    case Format::kFcntlCmd: return {kFcntl, true};
    case Format::kIoctlCmd: return {kIoctl, true};
    case Format::kWhence: return {kWhence, true};
    case Format::kPrctlOp: return {kPrctl, true};
    case Format::kArchPrctlOp: return {kArchPrctl, true};
    case Format::kMountFlags: return {kMount};
    case Format::kRandomFlags: return {kRandom};
    case Format::kStatxMask: return {kStatx};
    case Format::kRenameFlags: return {kRename};
    case Format::kFallocMode: return {kFalloc};
    case Format::kFadvise: return {kFadvise, true};
    case Format::kFlockOp: return {kFlock};
    case Format::kRwf: return {kRwf};
    case Format::kSpliceFlags: return {kSplice};
    case Format::kPipeFlags: return {kPipe};
    case Format::kEpollCreateFlags: return {kEpollCreate};
    case Format::kEventfdFlags: return {kEventfd};
    case Format::kTimerfdFlags: return {kTimerfd};
    case Format::kInotifyInitFlags: return {kInotifyInit};
    case Format::kInotifyMask: return {kInotify};
    case Format::kMsyncFlags: return {kMsync};
    case Format::kMlockFlags: return {kMlock};
    case Format::kUmountFlags: return {kUmount};
    case Format::kShutdownHow: return {kShutdown, true};
    case Format::kCloseRangeFlags: return {kCloseRange};
    case Format::kMemfdFlags: return {kMemfd};
    case Format::kXattrFlags: return {kXattr};
    case Format::kSchedPolicy: return {kPolicy, true};
    case Format::kItimerWhich: return {kItimer, true};
    default: return {};
  }
}

std::span<const Flag> SocketOptionNames(int level) {
  if (level == SOL_SOCKET) return kSocketOption;
  if (level == IPPROTO_TCP) return kTcpOption;
  return {};
}

std::span<const Flag> FcntlCommandNames() { return kFcntl; }

}  // namespace cvisor::strace
