// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Every system-call handler, grouped by the file that holds it. The name is the CamelCase of the
// call's. A new call: declare it here, write it there, and name it in its line of table.cc.

#ifndef CVISOR_PKG_SENTRY_SYSCALLS_HANDLERS_H_
#define CVISOR_PKG_SENTRY_SYSCALLS_HANDLERS_H_

#include "pkg/sentry/syscalls/table.h"

namespace cvisor::syscalls {

// The type of all handlers: Result<uint64_t> Name(Task& t, const SyscallArgs& a).
using HandlerFunction = Result<uint64_t>(Task& t, const SyscallArgs& a);

// --- Files.

// sys_read.cc
HandlerFunction Read, Readv, Pread64, Preadv, Preadv2;
// sys_write.cc
HandlerFunction Write, Writev, Pwrite64, Pwritev, Pwritev2;
// sys_seek.cc
HandlerFunction Lseek, Fadvise64, Readahead;
// sys_open.cc
HandlerFunction Open, Openat, Openat2, Creat;
// sys_fd.cc
HandlerFunction Close, CloseRange, Dup, Dup2, Dup3;
// sys_fcntl.cc
HandlerFunction Fcntl, Flock;
// sys_ioctl.cc
HandlerFunction Ioctl;
// sys_stat.cc
HandlerFunction Stat, Lstat, Fstat, Newfstatat, Statx, Statfs, Fstatfs, Ustat, Access, Faccessat,
    Faccessat2, Readlink, Readlinkat;
// sys_dir.cc
HandlerFunction Getdents, Getdents64, Getcwd, Chdir, Fchdir, Chroot, Mkdir, Mkdirat, Rmdir, Unlink,
    Unlinkat, Rename, Renameat, Renameat2, Link, Linkat, Symlink, Symlinkat, Mknod, Mknodat;
// sys_attr.cc
HandlerFunction Chmod, Fchmod, Fchmodat, Fchmodat2, Chown, Lchown, Fchown, Fchownat, Utime, Utimes,
    Futimesat, Utimensat, Umask;
// sys_truncate.cc
HandlerFunction Truncate, Ftruncate, Fallocate;
// sys_sync.cc
HandlerFunction Fsync, Fdatasync, Sync, Syncfs, SyncFileRange;
// sys_xattr.cc
HandlerFunction Setxattr, Lsetxattr, Fsetxattr, Getxattr, Lgetxattr, Fgetxattr, Listxattr, Llistxattr,
    Flistxattr, Removexattr, Lremovexattr, Fremovexattr;
// sys_mount.cc
HandlerFunction Mount, Umount2, PivotRoot;
// sys_aio.cc
HandlerFunction IoSetup, IoDestroy, IoSubmit, IoGetevents, IoPgetevents, IoCancel;
// sys_reboot.cc
HandlerFunction Reboot;
// sys_poll.cc
HandlerFunction Poll, Ppoll, Select, Pselect6;
// sys_epoll.cc
HandlerFunction EpollCreate, EpollCreate1, EpollCtl, EpollWait, EpollPwait, EpollPwait2;
// sys_pipe.cc
HandlerFunction Pipe, Pipe2, Eventfd, Eventfd2;
// sys_splice.cc
HandlerFunction Splice, Tee, Vmsplice, Sendfile, CopyFileRange;
// sys_inotify.cc
HandlerFunction InotifyInit, InotifyInit1, InotifyAddWatch, InotifyRmWatch;
// sys_memfd.cc
HandlerFunction MemfdCreate;

// --- Memory.

// sys_mm.cc
HandlerFunction Mmap, Munmap, Mprotect, Mremap, Madvise, Brk, Msync, Mincore, Mlock, Mlock2, Munlock,
    Mlockall, Munlockall, RemapFilePages, PkeyMprotect, PkeyAlloc, PkeyFree;
// sys_mempolicy.cc
HandlerFunction Mbind, SetMempolicy, GetMempolicy, MigratePages, MovePages, SetMempolicyHomeNode;
// sys_shm.cc
HandlerFunction Shmget, Shmat, Shmdt, Shmctl;
// sys_process_vm.cc
HandlerFunction ProcessVmReadv, ProcessVmWritev, ProcessMadvise;
// sys_ptrace.cc
HandlerFunction Ptrace;

// --- Sockets.

// sys_socket.cc
HandlerFunction Socket, Socketpair, Bind, Listen, Accept, Accept4, Connect, Getsockname, Getpeername,
    Shutdown, Setsockopt, Getsockopt;
// sys_sendrecv.cc
HandlerFunction Sendto, Sendmsg, Sendmmsg, Recvfrom, Recvmsg, Recvmmsg;

// --- Time and signals.

// sys_time.cc
HandlerFunction Time, Times, Gettimeofday, Settimeofday, ClockGettime, ClockSettime, ClockGetres,
    ClockNanosleep, Nanosleep, Adjtimex, ClockAdjtime;
// sys_timer.cc
HandlerFunction Getitimer, Setitimer, Alarm, TimerCreate, TimerSettime, TimerGettime,
    TimerGetoverrun, TimerDelete;
// sys_timerfd.cc
HandlerFunction TimerfdCreate, TimerfdSettime, TimerfdGettime;
// sys_futex.cc
HandlerFunction Futex, FutexWaitv, FutexWake, FutexWait, FutexRequeue, SetRobustList, GetRobustList;
// sys_signal.cc
HandlerFunction RtSigaction, RtSigprocmask, RtSigreturn, RtSigpending, RtSigtimedwait, RtSigsuspend,
    Sigaltstack, Pause, RestartSyscall;
// sys_kill.cc
HandlerFunction Kill, Tkill, Tgkill, RtSigqueueinfo, RtTgsigqueueinfo;
// sys_sem.cc
HandlerFunction Semget, Semop, Semtimedop, Semctl;
// sys_msg.cc
HandlerFunction Msgget, Msgsnd, Msgrcv, Msgctl;
// sys_mqueue.cc
HandlerFunction MqOpen, MqUnlink, MqTimedsend, MqTimedreceive, MqNotify, MqGetsetattr;
// sys_signalfd.cc
HandlerFunction Signalfd, Signalfd4;

// --- Processes.

// sys_process.cc
HandlerFunction Clone, Clone3, Fork, Vfork, Execve, Execveat, Exit, ExitGroup, Wait4, Waitid, Getpid,
    Gettid, Getppid, Getpgid, Setpgid, Getpgrp, Setsid, Getsid, SetTidAddress, Kcmp;
// sys_namespace.cc
HandlerFunction Unshare, Setns;
// sys_creds.cc
HandlerFunction Getuid, Geteuid, Getgid, Getegid, Setuid, Setgid, Setreuid, Setregid, Setresuid,
    Getresuid, Setresgid, Getresgid, Setfsuid, Setfsgid, Getgroups, Setgroups, Capget, Capset;
// sys_sched.cc
HandlerFunction SchedYield, SchedSetparam, SchedGetparam, SchedSetscheduler, SchedGetscheduler,
    SchedGetPriorityMax, SchedGetPriorityMin, SchedRrGetInterval, SchedSetaffinity, SchedGetaffinity,
    SchedSetattr, SchedGetattr, Getpriority, Setpriority, IoprioSet, IoprioGet;
// sys_prctl.cc
HandlerFunction Prctl, ArchPrctl, Personality;
// sys_seccomp.cc
HandlerFunction Seccomp;
// sys_sysinfo.cc
HandlerFunction Uname, Sysinfo, Syslog, Getrandom, Sethostname, Setdomainname, Getcpu;
// sys_membarrier.cc
HandlerFunction Membarrier;
// sys_rlimit.cc
HandlerFunction Getrlimit, Setrlimit, Prlimit64, Getrusage;
// sys_pidfd.cc
HandlerFunction PidfdOpen, PidfdSendSignal, PidfdGetfd;

}  // namespace cvisor::syscalls

#endif  // CVISOR_PKG_SENTRY_SYSCALLS_HANDLERS_H_
