// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// What every call says of a descriptor that is not open, of memory that is not there, and of flags
// that nobody knows. One case a call.
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

struct Case {
  const char* name;
  long number;
  long args[6];
  int error;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

std::string NameOf(const testing::TestParamInfo<Case>& info) { return info.param.name; }

class ErrnoTest : public testing::TestWithParam<Case> {
 protected:
  void Run() {
    const Case& c = GetParam();
    const long* a = c.args;
    EXPECT_THAT(syscall(c.number, a[0], a[1], a[2], a[3], a[4], a[5]), FailsWith(c.error));
  }
};

// --- A descriptor that is not open.

class BadFdTest : public ErrnoTest {};
TEST_P(BadFdTest, IsEbadf) { Run(); }

constexpr long kFd = -1;
char g_buffer[4096];
const long kBuf = reinterpret_cast<long>(g_buffer);
const long kEmptyPath = reinterpret_cast<long>("");
const long kPath = reinterpret_cast<long>("name");
iovec g_iov = {g_buffer, 1};
const long kIov = reinterpret_cast<long>(&g_iov);

const Case kBadFd[] = {
    {"read", SYS_read, {kFd, kBuf, 1}, EBADF},
    {"write", SYS_write, {kFd, kBuf, 1}, EBADF},
    {"close", SYS_close, {kFd}, EBADF},
    {"fstat", SYS_fstat, {kFd, kBuf}, EBADF},
    {"lseek", SYS_lseek, {kFd, 0, SEEK_SET}, EBADF},
    {"mmap", SYS_mmap, {0, 4096, PROT_READ, MAP_PRIVATE, kFd, 0}, EBADF},
    {"ioctl", SYS_ioctl, {kFd, 0x5401, kBuf}, EBADF},
    {"pread64", SYS_pread64, {kFd, kBuf, 1, 0}, EBADF},
    {"pwrite64", SYS_pwrite64, {kFd, kBuf, 1, 0}, EBADF},
    {"readv", SYS_readv, {kFd, kIov, 1}, EBADF},
    {"writev", SYS_writev, {kFd, kIov, 1}, EBADF},
    {"preadv", SYS_preadv, {kFd, kIov, 1, 0, 0}, EBADF},
    {"pwritev", SYS_pwritev, {kFd, kIov, 1, 0, 0}, EBADF},
    {"preadv2", SYS_preadv2, {kFd, kIov, 1, 0, 0, 0}, EBADF},
    {"pwritev2", SYS_pwritev2, {kFd, kIov, 1, 0, 0, 0}, EBADF},
    {"dup", SYS_dup, {kFd}, EBADF},
    {"dup2", SYS_dup2, {kFd, 100}, EBADF},
    {"dup3", SYS_dup3, {kFd, 100, 0}, EBADF},
    {"fcntl_getfd", SYS_fcntl, {kFd, F_GETFD}, EBADF},
    {"fcntl_dupfd", SYS_fcntl, {kFd, F_DUPFD, 0}, EBADF},
    {"flock", SYS_flock, {kFd, 1}, EBADF},
    {"fsync", SYS_fsync, {kFd}, EBADF},
    {"fdatasync", SYS_fdatasync, {kFd}, EBADF},
    {"syncfs", SYS_syncfs, {kFd}, EBADF},
    {"sync_file_range", SYS_sync_file_range, {kFd, 0, 0, 0}, EBADF},
    {"ftruncate", SYS_ftruncate, {kFd, 0}, EBADF},
    {"fallocate", SYS_fallocate, {kFd, 0, 0, 1}, EBADF},
    {"fadvise64", SYS_fadvise64, {kFd, 0, 0, 0}, EBADF},
    {"readahead", SYS_readahead, {kFd, 0, 1}, EBADF},
    {"getdents64", SYS_getdents64, {kFd, kBuf, 4096}, EBADF},
    {"fchdir", SYS_fchdir, {kFd}, EBADF},
    {"fchmod", SYS_fchmod, {kFd, 0600}, EBADF},
    {"fchown", SYS_fchown, {kFd, 0, 0}, EBADF},
    {"fstatfs", SYS_fstatfs, {kFd, kBuf}, EBADF},
    {"openat", SYS_openat, {kFd, kPath, O_RDONLY}, EBADF},
    {"mkdirat", SYS_mkdirat, {kFd, kPath, 0700}, EBADF},
    {"mknodat", SYS_mknodat, {kFd, kPath, S_IFIFO, 0}, EBADF},
    {"fchownat", SYS_fchownat, {kFd, kPath, 0, 0, 0}, EBADF},
    {"fchmodat", SYS_fchmodat, {kFd, kPath, 0600}, EBADF},
    {"newfstatat", SYS_newfstatat, {kFd, kPath, kBuf, 0}, EBADF},
    {"statx", SYS_statx, {kFd, kPath, 0, 0x7ff, kBuf}, EBADF},
    {"unlinkat", SYS_unlinkat, {kFd, kPath, 0}, EBADF},
    {"renameat", SYS_renameat, {kFd, kPath, kFd, kPath}, EBADF},
    {"linkat", SYS_linkat, {kFd, kPath, kFd, kPath, 0}, EBADF},
    {"symlinkat", SYS_symlinkat, {kPath, kFd, kPath}, EBADF},
    {"readlinkat", SYS_readlinkat, {kFd, kPath, kBuf, 10}, EBADF},
    {"faccessat", SYS_faccessat, {kFd, kPath, 0}, EBADF},
    {"utimensat", SYS_utimensat, {kFd, kPath, 0, 0}, EBADF},
    {"execveat", SYS_execveat, {kFd, kEmptyPath, 0, 0, AT_EMPTY_PATH}, EBADF},
    {"fgetxattr", SYS_fgetxattr, {kFd, kPath, kBuf, 10}, EBADF},
    {"fsetxattr", SYS_fsetxattr, {kFd, kPath, kBuf, 10, 0}, EBADF},
    {"flistxattr", SYS_flistxattr, {kFd, kBuf, 10}, EBADF},
    {"fremovexattr", SYS_fremovexattr, {kFd, kPath}, EBADF},
    {"sendfile", SYS_sendfile, {kFd, kFd, 0, 1}, EBADF},
    {"splice", SYS_splice, {kFd, 0, kFd, 0, 1, 0}, EBADF},
    {"tee", SYS_tee, {kFd, kFd, 1, 0}, EBADF},
    {"vmsplice", SYS_vmsplice, {kFd, kIov, 1, 0}, EBADF},
    {"copy_file_range", SYS_copy_file_range, {kFd, 0, kFd, 0, 1, 0}, EBADF},
    {"bind", SYS_bind, {kFd, kBuf, 16}, EBADF},
    {"connect", SYS_connect, {kFd, kBuf, 16}, EBADF},
    {"listen", SYS_listen, {kFd, 1}, EBADF},
    {"accept", SYS_accept, {kFd, 0, 0}, EBADF},
    {"accept4", SYS_accept4, {kFd, 0, 0, 0}, EBADF},
    {"getsockname", SYS_getsockname, {kFd, kBuf, kBuf}, EBADF},
    {"getpeername", SYS_getpeername, {kFd, kBuf, kBuf}, EBADF},
    {"sendto", SYS_sendto, {kFd, kBuf, 1, 0, 0, 0}, EBADF},
    {"recvfrom", SYS_recvfrom, {kFd, kBuf, 1, 0, 0, 0}, EBADF},
    {"sendmsg", SYS_sendmsg, {kFd, kBuf, 0}, EBADF},
    {"recvmsg", SYS_recvmsg, {kFd, kBuf, 0}, EBADF},
    {"sendmmsg", SYS_sendmmsg, {kFd, kBuf, 1, 0}, EBADF},
    {"recvmmsg", SYS_recvmmsg, {kFd, kBuf, 1, 0, 0}, EBADF},
    {"shutdown", SYS_shutdown, {kFd, 0}, EBADF},
    {"setsockopt", SYS_setsockopt, {kFd, SOL_SOCKET, SO_REUSEADDR, kBuf, 4}, EBADF},
    {"getsockopt", SYS_getsockopt, {kFd, SOL_SOCKET, SO_TYPE, kBuf, kBuf}, EBADF},
    {"epoll_wait", SYS_epoll_wait, {kFd, kBuf, 1, 0}, EBADF},
    {"epoll_ctl", SYS_epoll_ctl, {kFd, EPOLL_CTL_ADD, 0, kBuf}, EBADF},
    {"inotify_add_watch", SYS_inotify_add_watch, {kFd, kPath, IN_OPEN}, EBADF},
    {"inotify_rm_watch", SYS_inotify_rm_watch, {kFd, 1}, EBADF},
    {"timerfd_settime", SYS_timerfd_settime, {kFd, 0, kBuf, 0}, EBADF},
    {"timerfd_gettime", SYS_timerfd_gettime, {kFd, kBuf}, EBADF},
    {"setns", SYS_setns, {kFd, 0}, EBADF},
    {"pidfd_send_signal", SYS_pidfd_send_signal, {kFd, 0, 0, 0}, EBADF},
    {"pidfd_getfd", SYS_pidfd_getfd, {kFd, 0, 0}, EBADF},
    {"mq_timedsend", SYS_mq_timedsend, {kFd, kBuf, 1, 0, 0}, EBADF},
    {"mq_timedreceive", SYS_mq_timedreceive, {kFd, kBuf, 1, 0, 0}, EBADF},
    {"mq_getsetattr", SYS_mq_getsetattr, {kFd, 0, kBuf}, EBADF},
};
INSTANTIATE_TEST_SUITE_P(Calls, BadFdTest, testing::ValuesIn(kBadFd), NameOf);

// --- Memory that is not there.

class BadAddressTest : public ErrnoTest {};
TEST_P(BadAddressTest, IsEfault) { Run(); }

constexpr long kBad = 8;

const Case kBadAddress[] = {
    {"open", SYS_open, {kBad, O_RDONLY}, EFAULT},
    {"stat", SYS_stat, {kBad, kBuf}, EFAULT},
    {"stat_buffer", SYS_stat, {reinterpret_cast<long>("/"), kBad}, EFAULT},
    {"fstat", SYS_fstat, {0, kBad}, EFAULT},
    {"statfs", SYS_statfs, {reinterpret_cast<long>("/"), kBad}, EFAULT},
    {"access", SYS_access, {kBad, 0}, EFAULT},
    {"chdir", SYS_chdir, {kBad}, EFAULT},
    {"mkdir", SYS_mkdir, {kBad, 0700}, EFAULT},
    {"rmdir", SYS_rmdir, {kBad}, EFAULT},
    {"unlink", SYS_unlink, {kBad}, EFAULT},
    {"rename", SYS_rename, {kBad, kPath}, EFAULT},
    {"link", SYS_link, {kBad, kPath}, EFAULT},
    {"symlink", SYS_symlink, {kBad, kPath}, EFAULT},
    {"readlink", SYS_readlink, {kBad, kBuf, 10}, EFAULT},
    {"chmod", SYS_chmod, {kBad, 0600}, EFAULT},
    {"chown", SYS_chown, {kBad, 0, 0}, EFAULT},
    {"truncate", SYS_truncate, {kBad, 0}, EFAULT},
    {"mknod", SYS_mknod, {kBad, S_IFIFO | 0600, 0}, EFAULT},
    {"getcwd", SYS_getcwd, {kBad, 4096}, EFAULT},
    {"chroot", SYS_chroot, {kBad}, EFAULT},
    {"umount2", SYS_umount2, {kBad, 0}, EFAULT},
    {"execve", SYS_execve, {kBad, 0, 0}, EFAULT},
    {"pipe", SYS_pipe, {kBad}, EFAULT},
    {"pipe2", SYS_pipe2, {kBad, 0}, EFAULT},
    {"socketpair", SYS_socketpair, {AF_UNIX, SOCK_STREAM, 0, kBad}, EFAULT},
    {"nanosleep", SYS_nanosleep, {kBad, 0}, EFAULT},
    {"clock_nanosleep", SYS_clock_nanosleep, {0, 0, kBad, 0}, EFAULT},
    {"clock_gettime", SYS_clock_gettime, {0, kBad}, EFAULT},
    {"clock_getres", SYS_clock_getres, {0, kBad}, EFAULT},
    {"gettimeofday", SYS_gettimeofday, {kBad, 0}, EFAULT},
    {"time", SYS_time, {kBad}, EFAULT},
    {"times", SYS_times, {kBad}, EFAULT},
    {"setitimer", SYS_setitimer, {0, kBad, 0}, EFAULT},
    {"getitimer", SYS_getitimer, {0, kBad}, EFAULT},
    {"uname", SYS_uname, {kBad}, EFAULT},
    {"sysinfo", SYS_sysinfo, {kBad}, EFAULT},
    {"getrlimit", SYS_getrlimit, {RLIMIT_CORE, kBad}, EFAULT},
    {"setrlimit", SYS_setrlimit, {RLIMIT_CORE, kBad}, EFAULT},
    {"getrusage", SYS_getrusage, {0, kBad}, EFAULT},
    {"getresuid", SYS_getresuid, {kBad, kBad, kBad}, EFAULT},
    {"getresgid", SYS_getresgid, {kBad, kBad, kBad}, EFAULT},
    {"setgroups", SYS_setgroups, {1, kBad}, EFAULT},
    {"capget", SYS_capget, {kBad, 0}, EFAULT},
    {"capset", SYS_capset, {kBad, 0}, EFAULT},
    {"rt_sigaction", SYS_rt_sigaction, {SIGUSR1, kBad, 0, 8}, EFAULT},
    {"rt_sigprocmask", SYS_rt_sigprocmask, {SIG_BLOCK, kBad, 0, 8}, EFAULT},
    {"rt_sigpending", SYS_rt_sigpending, {kBad, 8}, EFAULT},
    {"rt_sigtimedwait", SYS_rt_sigtimedwait, {kBad, 0, 0, 8}, EFAULT},
    {"rt_sigsuspend", SYS_rt_sigsuspend, {kBad, 8}, EFAULT},
    {"rt_sigqueueinfo", SYS_rt_sigqueueinfo, {1, SIGUSR1, kBad}, EFAULT},
    {"sigaltstack", SYS_sigaltstack, {kBad, 0}, EFAULT},
    {"signalfd4", SYS_signalfd4, {-1, kBad, 8, 0}, EFAULT},
    {"timerfd_settime", SYS_timerfd_settime, {0, 0, kBad, 0}, EFAULT},
    {"poll", SYS_poll, {kBad, 1, 0}, EFAULT},
    {"select", SYS_select, {1, kBad, 0, 0, 0}, EFAULT},
    {"pselect6", SYS_pselect6, {1, kBad, 0, 0, 0, 0}, EFAULT},
    {"futex_wait", SYS_futex, {kBad & ~3L, FUTEX_WAIT, 0, 0}, EFAULT},
    {"sched_setparam", SYS_sched_setparam, {0, kBad}, EFAULT},
    {"sched_getparam", SYS_sched_getparam, {0, kBad}, EFAULT},
    {"sched_setaffinity", SYS_sched_setaffinity, {0, 8, kBad}, EFAULT},
    {"sched_getaffinity", SYS_sched_getaffinity, {0, 128, kBad}, EFAULT},
    {"sched_rr_get_interval", SYS_sched_rr_get_interval, {0, kBad}, EFAULT},
    {"getrandom", SYS_getrandom, {kBad, 8, 0}, EFAULT},
    {"getcpu", SYS_getcpu, {kBad, 0, 0}, EFAULT},
    {"memfd_create", SYS_memfd_create, {kBad, 0}, EFAULT},
    {"shmctl", SYS_shmctl, {0, 3 /* IPC_INFO */, kBad}, EFAULT},
    {"msgctl", SYS_msgctl, {0, 3, kBad}, EFAULT},
    {"semctl", SYS_semctl, {0, 0, 3, kBad}, EFAULT},
    {"sethostname", SYS_sethostname, {kBad, 5}, EFAULT},
    {"prctl_set_name", SYS_prctl, {15, kBad}, EFAULT},
    {"prctl_get_name", SYS_prctl, {16, kBad}, EFAULT},
    {"clone3", SYS_clone3, {kBad, 64}, EFAULT},
    {"openat2", SYS_openat2, {AT_FDCWD, kPath, kBad, 24}, EFAULT},
    {"utimensat", SYS_utimensat, {AT_FDCWD, reinterpret_cast<long>("/"), kBad, 0}, EFAULT},
    {"getxattr", SYS_getxattr, {kBad, kPath, 0, 0}, EFAULT},
};
INSTANTIATE_TEST_SUITE_P(Calls, BadAddressTest, testing::ValuesIn(kBadAddress), NameOf);

// --- Flags and numbers that nobody knows.

class BadArgumentTest : public ErrnoTest {};
TEST_P(BadArgumentTest, IsRefused) { Run(); }

const Case kBadArgument[] = {
    {"pipe2", SYS_pipe2, {kBuf, 1}, EINVAL},
    {"dup3", SYS_dup3, {0, 100, 1}, EINVAL},
    {"dup3_same", SYS_dup3, {0, 0, 0}, EINVAL},
    {"eventfd2", SYS_eventfd2, {0, 2}, EINVAL},
    {"epoll_create1", SYS_epoll_create1, {1}, EINVAL},
    {"epoll_create", SYS_epoll_create, {0}, EINVAL},
    {"inotify_init1", SYS_inotify_init1, {1}, EINVAL},
    {"timerfd_create_clock", SYS_timerfd_create, {99, 0}, EINVAL},
    {"timerfd_create_flags", SYS_timerfd_create, {CLOCK_MONOTONIC, 1}, EINVAL},
    {"signalfd4_flags", SYS_signalfd4, {-1, kBuf, 8, 1}, EINVAL},
    {"signalfd4_size", SYS_signalfd4, {-1, kBuf, 4, 0}, EINVAL},
    {"memfd_create", SYS_memfd_create, {kPath, 0x10000}, EINVAL},
    {"getrandom", SYS_getrandom, {kBuf, 1, 0x100}, EINVAL},
    {"socket_family", SYS_socket, {999, SOCK_STREAM, 0}, EAFNOSUPPORT},
    {"socket_type", SYS_socket, {AF_UNIX, 77, 0}, EINVAL},
    {"socket_protocol", SYS_socket, {AF_UNIX, SOCK_STREAM, 77}, EPROTONOSUPPORT},
    {"accept4", SYS_accept4, {0, 0, 0, 1}, EINVAL},
    {"kill", SYS_kill, {1, 65}, EINVAL},
    {"tgkill", SYS_tgkill, {0, 1, 0}, EINVAL},
    {"tkill", SYS_tkill, {-1, 0}, EINVAL},
    {"rt_sigaction_signal", SYS_rt_sigaction, {65, 0, 0, 8}, EINVAL},
    {"rt_sigaction_kill", SYS_rt_sigaction, {SIGKILL, kBuf, 0, 8}, EINVAL},
    {"rt_sigaction_size", SYS_rt_sigaction, {SIGUSR1, 0, 0, 4}, EINVAL},
    {"rt_sigprocmask_how", SYS_rt_sigprocmask, {77, kBuf, 0, 8}, EINVAL},
    {"rt_sigprocmask_size", SYS_rt_sigprocmask, {SIG_BLOCK, kBuf, 0, 16}, EINVAL},
    {"clock_gettime", SYS_clock_gettime, {99, kBuf}, EINVAL},
    {"clock_getres", SYS_clock_getres, {99, kBuf}, EINVAL},
    {"clock_nanosleep", SYS_clock_nanosleep, {99, 0, kBuf, 0}, EINVAL},
    {"getitimer", SYS_getitimer, {3, kBuf}, EINVAL},
    {"setitimer", SYS_setitimer, {3, kBuf, 0}, EINVAL},
    {"timer_delete", SYS_timer_delete, {12345}, EINVAL},
    {"timer_gettime", SYS_timer_gettime, {12345, kBuf}, EINVAL},
    {"timer_getoverrun", SYS_timer_getoverrun, {12345}, EINVAL},
    {"getrlimit", SYS_getrlimit, {99, kBuf}, EINVAL},
    {"getrusage", SYS_getrusage, {5, kBuf}, EINVAL},
    {"getpriority", SYS_getpriority, {3, 0}, EINVAL},
    {"setpriority", SYS_setpriority, {3, 0, 0}, EINVAL},
    {"sched_setscheduler", SYS_sched_setscheduler, {0, 99, kBuf}, EINVAL},
    {"sched_get_priority_max", SYS_sched_get_priority_max, {99}, EINVAL},
    {"ioprio_get", SYS_ioprio_get, {9, 0}, EINVAL},
    {"mmap_length", SYS_mmap, {0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}, EINVAL},
    {"mmap_type", SYS_mmap, {0, 4096, PROT_READ, MAP_ANONYMOUS, -1, 0}, EINVAL},
    {"mmap_offset", SYS_mmap, {0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 5}, EINVAL},
    {"munmap_address", SYS_munmap, {1, 4096}, EINVAL},
    {"munmap_length", SYS_munmap, {0x10000, 0}, EINVAL},
    {"mprotect", SYS_mprotect, {1, 4096, PROT_READ}, EINVAL},
    {"mremap", SYS_mremap, {1, 4096, 4096, 0}, EINVAL},
    {"madvise", SYS_madvise, {0x10000, 4096, 9999}, EINVAL},
    {"msync_flags", SYS_msync, {0x10000, 4096, 99}, EINVAL},
    {"msync_both", SYS_msync, {0x10000, 4096, MS_SYNC | MS_ASYNC}, EINVAL},
    {"mlockall", SYS_mlockall, {0}, EINVAL},
    {"mincore", SYS_mincore, {1, 4096, kBuf}, EINVAL},
    {"renameat2", SYS_renameat2, {AT_FDCWD, kPath, AT_FDCWD, kPath, 64}, EINVAL},
    {"unlinkat", SYS_unlinkat, {AT_FDCWD, kPath, 1}, EINVAL},
    {"linkat", SYS_linkat, {AT_FDCWD, kPath, AT_FDCWD, kPath, 1}, EINVAL},
    {"statx", SYS_statx, {AT_FDCWD, kPath, 1 << 20, 0, kBuf}, EINVAL},
    {"faccessat2", SYS_faccessat2, {AT_FDCWD, kPath, 0, 1}, EINVAL},
    {"access_mode", SYS_access, {kPath, 8}, EINVAL},
    {"utimensat", SYS_utimensat, {AT_FDCWD, kPath, 0, 1}, EINVAL},
    {"umount2", SYS_umount2, {kPath, 0x1000}, EINVAL},
    {"unshare", SYS_unshare, {1}, EINVAL},
    {"clone_thread", SYS_clone, {CLONE_THREAD, 0, 0, 0, 0}, EINVAL},
    {"clone_sighand", SYS_clone, {CLONE_SIGHAND, 0, 0, 0, 0}, EINVAL},
    {"clone3_size", SYS_clone3, {kBuf, 8}, EINVAL},
    {"wait4", SYS_wait4, {-1, 0, 0x100, 0}, EINVAL},
    {"waitid_type", SYS_waitid, {9, 0, 0, 4, 0}, EINVAL},
    {"waitid_options", SYS_waitid, {0, 0, 0, 0, 0}, EINVAL},
    {"pidfd_open_pid", SYS_pidfd_open, {0, 0}, EINVAL},
    {"pidfd_open_flags", SYS_pidfd_open, {1, 1}, EINVAL},
    {"close_range", SYS_close_range, {5, 4, 0}, EINVAL},
    {"close_range_flags", SYS_close_range, {1000, 2000, 1}, EINVAL},
    {"prctl", SYS_prctl, {12345, 0, 0, 0, 0}, EINVAL},
    {"prctl_pdeathsig", SYS_prctl, {1, 65, 0, 0, 0}, EINVAL},
    {"arch_prctl", SYS_arch_prctl, {1, 0}, EINVAL},
    {"futex", SYS_futex, {kBuf, 100, 0, 0}, ENOSYS},
    {"futex_unaligned", SYS_futex, {kBuf + 1, FUTEX_WAKE, 1, 0}, EINVAL},
    {"membarrier", SYS_membarrier, {1 << 20, 0, 0}, EINVAL},
    {"kcmp", SYS_kcmp, {0, 0, 99, 0, 0}, ESRCH},
    {"seccomp", SYS_seccomp, {99, 0, 0}, EINVAL},
    {"semget", SYS_semget, {0, -1, 0}, EINVAL},
    {"shmget", SYS_shmget, {0, 0, 01000}, EINVAL},
    {"msgget_missing", SYS_msgget, {0x7e57c0de, 0}, ENOENT},
    {"shmdt", SYS_shmdt, {kBuf}, EINVAL},
    {"semop_none", SYS_semop, {0x7ffffff, kBuf, 0}, EINVAL},
    {"sethostname_long", SYS_sethostname, {kBuf, 65}, EINVAL},
    {"sethostname_negative", SYS_sethostname, {kBuf, -1}, EINVAL},
    {"syslog", SYS_syslog, {99, 0, 0}, EINVAL},
    {"setgroups", SYS_setgroups, {1 << 20, kBuf}, EINVAL},
    {"getgroups", SYS_getgroups, {-1, kBuf}, EINVAL},
    {"setpgid", SYS_setpgid, {0, -1}, EINVAL},
    {"getpgid", SYS_getpgid, {0x3fffffff}, ESRCH},
    {"getsid", SYS_getsid, {0x3fffffff}, ESRCH},
    {"process_vm_readv", SYS_process_vm_readv, {1, 0, 0, 0, 0, 1}, EINVAL},
    {"set_robust_list", SYS_set_robust_list, {kBuf, 1}, EINVAL},
    {"io_setup", SYS_io_setup, {0, kBuf}, EINVAL},
    {"mount_target", SYS_mount, {0, kBad, 0, 0, 0}, EFAULT},
};
INSTANTIATE_TEST_SUITE_P(Calls, BadArgumentTest, testing::ValuesIn(kBadArgument), NameOf);

}  // namespace
}  // namespace cvisor::test
