// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/boot/debug.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <vector>

#include "absl/debugging/stacktrace.h"
#include "absl/debugging/symbolize.h"
#include "absl/strings/str_format.h"
#include "pkg/base/log.h"
#include "pkg/base/mutex.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/strace/events.h"
#include "pkg/sentry/strace/strace.h"
#include "pkg/sentry/syscalls/table.h"

namespace cvisor::runsc::boot {
namespace {

constexpr int kMaxFrames = 48;
constexpr int kStackSignal = 40;  // a real-time signal; nobody else of the Sentry uses it

int g_log_fd = -1;

// The thread that is asked fills it in its signal handler.
struct Sample {
  std::atomic<pid_t> wanted{0};
  std::atomic<bool> done{false};
  int depth = 0;
  void* pcs[kMaxFrames];
};
Sample g_sample;

void OnStackSignal(int, siginfo_t*, void* context) {
  const int saved = errno;
  if (g_sample.wanted.load() == static_cast<pid_t>(syscall(SYS_gettid))) {
    g_sample.depth = absl::GetStackTraceWithContext(g_sample.pcs, kMaxFrames, 1, context, nullptr);
    g_sample.done.store(true);
  }
  errno = saved;
}

std::vector<pid_t> Threads() {
  std::vector<pid_t> tids;
  DIR* dir = opendir("/proc/self/task");
  if (dir == nullptr) return tids;
  while (const dirent* e = readdir(dir)) {
    if (const int tid = atoi(e->d_name); tid > 0) tids.push_back(tid);
  }
  closedir(dir);
  return tids;
}

std::string ThreadName(pid_t tid) {
  std::ifstream file("/proc/self/task/" + std::to_string(tid) + "/comm");
  std::string name;
  std::getline(file, name);
  return name;
}

std::string Stacks() {
  static Mutex& one_at_a_time = *new Mutex;
  MutexLock lock(one_at_a_time);
  std::string out;
  for (const pid_t tid : Threads()) {
    out += absl::StrFormat("thread %d (%s)\n", tid, ThreadName(tid));
    g_sample.done.store(false);
    g_sample.wanted.store(tid);
    if (syscall(SYS_tgkill, getpid(), tid, kStackSignal) != 0) continue;
    // A thread that is in an uninterruptible host call does not answer.
    for (int tries = 0; tries < 200 && !g_sample.done.load(); ++tries) usleep(1000);
    g_sample.wanted.store(0);
    if (!g_sample.done.load()) {
      out += "    no answer\n";
      continue;
    }
    for (int i = 0; i < g_sample.depth; ++i) {
      char symbol[256] = "?";
      absl::Symbolize(static_cast<char*>(g_sample.pcs[i]) - (i > 0), symbol, sizeof(symbol));
      out += absl::StrFormat("    %p %s\n", g_sample.pcs[i], symbol);
    }
  }
  return out;
}

// One line a task: what it is, whether it runs, and what it last asked for.
std::string Tasks(kernel::Kernel& kernel) {
  struct Found {
    Ref<kernel::Task> task;
    pid_t pid, tid;
  };
  std::vector<Found> all;
  {
    MutexLock lock(kernel.task_mutex());
    for (kernel::ThreadGroup* tg : kernel.all_thread_groups()) {
      for (kernel::Task* t : tg->tasks()) all.push_back({Ref<kernel::Task>(t), tg->id(), t->tid()});
    }
  }
  std::string out = absl::StrFormat("%7s %7s %s %s\n", "PID", "TID", "S", "NAME");
  for (const Found& f : all) {
    out += absl::StrFormat("%7d %7d %c %s\n", f.pid, f.tid, f.task->StateLetter(), f.task->name());
  }
  return out;
}

}  // namespace

void PrepareDebugging(int log_fd) {
  g_log_fd = log_fd;
  struct sigaction action {};
  action.sa_sigaction = OnStackSignal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(kStackSignal, &action, nullptr);
}

Result<std::string> Debug(kernel::Kernel& kernel, const control::DebugRequest& request) {
  const bool wants_log = request.strace() == control::DebugRequest::ON || request.has_log_level();
  if (wants_log && g_log_fd < 0) return Errno::kENODATA;
  if (request.has_log_level()) {
    SetLogDestination(g_log_fd, static_cast<LogLevel>(request.log_level()));
  }
  if (request.strace() == control::DebugRequest::ON) {
    strace::TraceOnly({request.strace_syscalls().begin(), request.strace_syscalls().end()});
    strace::Enable(-1, 1024);
  } else if (request.strace() == control::DebugRequest::OFF) {
    strace::Disable();
  }
  std::string out;
  if (request.tasks()) out += Tasks(kernel);
  if (request.stacks()) out += Stacks();
  return out;
}

}  // namespace cvisor::runsc::boot
