// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// /proc/PID/{stat,statm,status,limits}.

#include <sys/resource.h>

#include "absl/strings/str_format.h"
#include "pkg/sentry/fs/proc/internal.h"

namespace cvisor::fs::proc {
namespace {

const char* StateName(char letter) {
  switch (letter) {
    case 'R': return "R (running)";
    case 'S': return "S (sleeping)";
    case 'D': return "D (disk sleep)";
    case 'T': return "T (stopped)";
    case 't': return "t (tracing stop)";
    case 'Z': return "Z (zombie)";
    default: return "X (dead)";
  }
}

// Relations of a task, read together under the task mutex.
struct Relations {
  pid_t tgid = 0, tid = 0, ppid = 0, pgid = 0, sid = 0, foreground = -1;
  int tty = 0;
  size_t threads = 0;
  int exit_signal = 0;
  std::vector<pid_t> ns_tgids, ns_tids, ns_pgids, ns_sids;
};

Relations GetRelations(FileSystem& fs, Task& t) {
  Relations r;
  MutexLock lock(fs.kernel().task_mutex());
  const kernel::PidNamespace& ns = fs.pid_ns();
  ThreadGroup& tg = t.tg();
  r.tgid = tg.IdIn(ns);
  r.tid = t.TidIn(ns);
  r.ppid = tg.ParentId(ns);
  r.threads = tg.live_tasks();
  r.exit_signal = tg.exit_signal();
  if (const kernel::ProcessGroup* group = tg.group(); group != nullptr) {
    r.pgid = group->IdIn(ns);
    const kernel::Session& session = group->session();
    r.sid = session.IdIn(ns);
    if (const kernel::ControllingTerminal* tty = session.terminal(); tty != nullptr) {
      const dev_t dev = tty->device();
      r.tty = static_cast<int>((minor(dev) & 0xff) | major(dev) << 8 | (minor(dev) & ~0xffu) << 12);
      r.foreground = tty->foreground() != nullptr ? tty->foreground()->IdIn(ns) : -1;
    }
  }
  return r;
}

struct SignalSets {
  kernel::SignalSet pending = 0, shared = 0, blocked = 0, ignored = 0, caught = 0;
};

SignalSets GetSignals(Task& t) {
  SignalSets s;
  s.shared = t.tg().SharedPending();
  s.pending = t.Pending() & ~s.shared;
  s.blocked = t.BlockedByOthers();
  const auto handlers = t.tg().handlers();
  for (int sig = 1; sig <= kernel::kNumSignals; ++sig) {
    const kernel::SignalAction action = handlers->Get(sig);
    if (action.is_ignore()) s.ignored |= kernel::SignalBit(sig);
    if (!action.is_ignore() && !action.is_default()) s.caught |= kernel::SignalBit(sig);
  }
  return s;
}

}  // namespace

std::string Stat(FileSystem& fs, Task& t, bool thread) {
  const Relations r = GetRelations(fs, t);
  const SignalSets signals = GetSignals(t);
  const auto mm = t.MmRef();
  mm::MemoryManager::Layout layout;
  platform::AddressSpace::Usage usage;
  uint64_t vsize = 0;
  if (mm != nullptr) {
    vsize = mm->stats().total_vm;
    usage = mm->as().GetUsage();
    if (MayInspect(t)) layout = mm->layout();
  }
  kernel::CpuUsage own, children;
  if (thread) {
    own.user_ns = t.UserTimeNs();
    own.system_ns = t.SystemTimeNs();
  } else {
    own = t.tg().Usage();
  }
  children = t.tg().ChildrenUsage();
  const Task::Scheduling sched = t.scheduling();
  const bool real_time = sched.policy == SCHED_FIFO || sched.policy == SCHED_RR;
  const int priority = sched.runtime != 0 ? -101
                       : real_time        ? -1 - sched.priority
                                          : 20 + sched.nice;
  const uint64_t start =
      (t.start_time_ns() - static_cast<uint64_t>(fs.kernel().boot_monotonic_ns())) / kNsPerTick;
  const uint64_t rss_limit = t.Rlimit(RLIMIT_RSS);

  std::string out = absl::StrFormat("%d (%s) %c %d %d %d %d %d %d ", thread ? r.tid : r.tgid,
                                    t.name(), t.StateLetter(), r.ppid, r.pgid, r.sid, r.tty,
                                    r.foreground, 4194304 /* PF_RANDOMIZE */);
  out += absl::StrFormat("%d 0 %d 0 %d %d %d %d %d %d %d 0 %d %d %d %d ", own.minor_faults,
                         own.major_faults, own.user_ns / kNsPerTick, own.system_ns / kNsPerTick,
                         children.user_ns / kNsPerTick, children.system_ns / kNsPerTick, priority,
                         sched.nice, r.threads, start, vsize, usage.rss_bytes / mm::kPageSize,
                         rss_limit);
  out += absl::StrFormat("%d %d %d 0 0 %d %d %d %d 0 0 0 %d 0 %d %d 0 0 0 ", layout.start_code,
                         layout.end_code, layout.start_stack, signals.pending & 0x7fffffff,
                         signals.blocked & 0x7fffffff, signals.ignored & 0x7fffffff,
                         signals.caught & 0x7fffffff, r.exit_signal,
                         real_time ? sched.priority : 0, sched.policy);
  out += absl::StrFormat("%d %d %d %d %d %d %d 0\n", layout.start_data, layout.end_data,
                         layout.start_brk, layout.arg_start, layout.arg_end, layout.env_start,
                         layout.env_end);
  return out;
}

std::string Statm(Task& t) {
  const auto mm = t.MmRef();
  if (mm == nullptr) return "0 0 0 0 0 0 0\n";
  const auto stats = mm->stats();
  const auto usage = mm->as().GetUsage();
  return absl::StrFormat("%d %d %d %d 0 %d 0\n", stats.total_vm / mm::kPageSize,
                         usage.rss_bytes / mm::kPageSize,
                         (usage.file_bytes + usage.shmem_bytes) / mm::kPageSize,
                         stats.exec_vm / mm::kPageSize,
                         (stats.data_vm + stats.stack_vm) / mm::kPageSize);
}

std::string StatusText(FileSystem& fs, Task& t) {
  const Relations r = GetRelations(fs, t);
  const SignalSets s = GetSignals(t);
  const CredsRef c = t.creds();
  const auto fds = t.FdTableRef();
  const auto fs_context = t.FsRef();
  std::string out = absl::StrFormat("Name:\t%s\n", t.name());
  if (fs_context != nullptr) out += absl::StrFormat("Umask:\t%04o\n", fs_context->umask());
  out += absl::StrFormat("State:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n",
                         StateName(t.StateLetter()), r.tgid, r.tid, r.ppid, t.TracerIn(fs.pid_ns()));
  // As the reader's user namespace calls them.
  const Task* reader = Task::Current();
  const Ref<UserNamespace> ids =
      reader == nullptr ? UserNamespace::Root() : reader->creds()->user_ns;
  const auto uid = [&](uid_t id) { return ids->Munged(UserNamespace::Kind::kUser, id); };
  const auto gid = [&](gid_t id) { return ids->Munged(UserNamespace::Kind::kGroup, id); };
  out += absl::StrFormat("Uid:\t%d\t%d\t%d\t%d\nGid:\t%d\t%d\t%d\t%d\n", uid(c->ruid), uid(c->euid),
                         uid(c->suid), uid(c->fsuid), gid(c->rgid), gid(c->egid), gid(c->sgid),
                         gid(c->fsgid));
  // The size of the table that Linux would have: powers of two from 64.
  size_t fd_size = 64;
  if (fds != nullptr) {
    while (fd_size <= static_cast<size_t>(std::max(0, fds->highest()))) fd_size *= 2;
  }
  out += absl::StrFormat("FDSize:\t%d\nGroups:\t", fd_size);
  for (const gid_t group : c->groups) out += absl::StrFormat("%d ", gid(group));
  out += absl::StrFormat("\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", r.tgid, r.tid,
                         r.pgid, r.sid);
  if (const auto mm = t.MmRef(); mm != nullptr) {
    const auto m = mm->stats();
    const auto u = mm->as().GetUsage();
    const auto kb = [](uint64_t bytes) { return bytes >> 10; };
    out += absl::StrFormat(
        "VmPeak:\t%8d kB\nVmSize:\t%8d kB\nVmLck:\t%8d kB\nVmPin:\t       0 kB\nVmHWM:\t%8d kB\n"
        "VmRSS:\t%8d kB\nRssAnon:\t%8d kB\nRssFile:\t%8d kB\nRssShmem:\t%8d kB\nVmData:\t%8d kB\n"
        "VmStk:\t%8d kB\nVmExe:\t%8d kB\nVmLib:\t%8d kB\nVmPTE:\t%8d kB\nVmSwap:\t       0 kB\n",
        kb(m.peak_vm), kb(m.total_vm), kb(m.locked_vm), kb(std::max(m.peak_rss, u.rss_bytes)),
        kb(u.rss_bytes), kb(u.anon_bytes), kb(u.file_bytes), kb(u.shmem_bytes), kb(m.data_vm),
        kb(m.stack_vm), kb(mm->layout().end_code - mm->layout().start_code), kb(m.exec_vm),
        kb(m.total_vm / 512));
  }
  out += absl::StrFormat("Threads:\t%d\nSigQ:\t%d/%d\n", r.threads,
                         __builtin_popcountll(s.pending | s.shared),
                         t.Rlimit(RLIMIT_SIGPENDING));
  out += absl::StrFormat("SigPnd:\t%016x\nShdPnd:\t%016x\nSigBlk:\t%016x\nSigIgn:\t%016x\n"
                         "SigCgt:\t%016x\n",
                         s.pending, s.shared, s.blocked, s.ignored, s.caught);
  out += absl::StrFormat("CapInh:\t%016x\nCapPrm:\t%016x\nCapEff:\t%016x\nCapBnd:\t%016x\n"
                         "CapAmb:\t%016x\n",
                         c->inheritable, c->permitted, c->effective, c->bounding, c->ambient);
  const cpu_set_t cpus = t.scheduling().affinity;
  uint64_t mask = 0;
  std::string list;
  for (int i = 0; i < fs.kernel().cpu_count(); ++i) {
    if (!CPU_ISSET(i, &cpus)) continue;
    if (i < 64) mask |= uint64_t{1} << i;
    int last = i;
    while (last + 1 < fs.kernel().cpu_count() && CPU_ISSET(last + 1, &cpus)) ++last;
    if (!list.empty()) list += ',';
    list += last > i ? absl::StrFormat("%d-%d", i, last) : absl::StrFormat("%d", i);
    for (int k = i; k <= last && k < 64; ++k) mask |= uint64_t{1} << k;
    i = last;
  }
  const auto filter = t.SeccompFilter();
  out += absl::StrFormat("NoNewPrivs:\t%d\nSeccomp:\t%d\nSeccomp_filters:\t%d\n"
                         "Cpus_allowed:\t%x\nCpus_allowed_list:\t%s\nMems_allowed:\t1\n"
                         "Mems_allowed_list:\t0\nvoluntary_ctxt_switches:\t%d\n"
                         "nonvoluntary_ctxt_switches:\t%d\n",
                         t.no_new_privs.load() ? 1 : 0, t.seccomp_mode(),
                         filter != nullptr ? filter->count() : 0, mask, list, t.voluntary_switches.load(),
                         t.involuntary_switches.load());
  return out;
}

std::string Limits(Task& t) {
  constexpr struct {
    int resource;
    const char *name, *unit;
  } kRows[] = {
      {RLIMIT_CPU, "Max cpu time", "seconds"},
      {RLIMIT_FSIZE, "Max file size", "bytes"},
      {RLIMIT_DATA, "Max data size", "bytes"},
      {RLIMIT_STACK, "Max stack size", "bytes"},
      {RLIMIT_CORE, "Max core file size", "bytes"},
      {RLIMIT_RSS, "Max resident set", "bytes"},
      {RLIMIT_NPROC, "Max processes", "processes"},
      {RLIMIT_NOFILE, "Max open files", "files"},
      {RLIMIT_MEMLOCK, "Max locked memory", "bytes"},
      {RLIMIT_AS, "Max address space", "bytes"},
      {RLIMIT_LOCKS, "Max file locks", "locks"},
      {RLIMIT_SIGPENDING, "Max pending signals", "signals"},
      {RLIMIT_MSGQUEUE, "Max msgqueue size", "bytes"},
      {RLIMIT_NICE, "Max nice priority", ""},
      {RLIMIT_RTPRIO, "Max realtime priority", ""},
      {RLIMIT_RTTIME, "Max realtime timeout", "us"},
  };
  const auto text = [](uint64_t v) {
    return v == RLIM_INFINITY ? std::string("unlimited") : absl::StrFormat("%d", v);
  };
  const auto limits = t.tg().limits().Snapshot();
  std::string out = absl::StrFormat("%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit",
                                    "Hard Limit", "Units");
  for (const auto& row : kRows) {
    const kernel::Limit& l = limits[static_cast<size_t>(row.resource)];
    out += absl::StrFormat("%-25s %-20s %-20s ", row.name, text(l.soft), text(l.hard));
    out += row.unit[0] != '\0' ? absl::StrFormat("%-10s\n", row.unit) : "\n";
  }
  return out;
}

}  // namespace cvisor::fs::proc
