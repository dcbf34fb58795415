// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Random system calls, to be run inside the sandbox only. README.md says how.
//
// The supervisor starts one round after the other. A round is a PID namespace of its own, so
// that its end takes everything with it that the round made, and has a seed of its own. In it
// an init starts workers, which make random calls until their time is over.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/fuzz/syscalls/calls.h"
#include "test/fuzz/syscalls/process.h"
#include "test/fuzz/syscalls/worker.h"

namespace cvisor::fuzz {
namespace {

constexpr int kExitUsage = 2;
// The round did not end, or left something behind.
constexpr int kExitHang = 3;

constexpr int kWorkers = 3;
// Time is counted in naps, not by the clock: a machine that stands still is no hang.
constexpr long kNapMillis = 20;
constexpr int kEndNaps = 10000 / kNapMillis;

int g_null = -1;

void Nap() {
  const timespec nap = {0, kNapMillis * 1000000};
  nanosleep(&nap, nullptr);
}

// Only cvisor's kernel says so; the host must never run this.
bool InSandbox() {
  utsname name;
  return uname(&name) == 0 && strstr(name.version, "cvisor") != nullptr &&
         strstr(name.release, "-cvisor") != nullptr;
}

void MapShared() {
  if (mmap(reinterpret_cast<void*>(kShared), kSharedSize, PROT_READ | PROT_WRITE,
           MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
    perror("fuzz: mmap");
    exit(kExitUsage);
  }
}

[[noreturn]] void InitFails(const char* what) {
  fprintf(stderr, "fuzz: %s: %s\n", what, strerror(errno));
  _exit(kExitUsage);
}

// The first process of the round's PID namespace.
[[noreturn]] void RoundInit(uint64_t seed, int round) {
  Random random(seed);
  setsid();
  // The outer /proc has the supervisor in it.
  if (mount("proc", "/proc", "proc", 0, nullptr) != 0) InitFails("mounting /proc");
  char dir[32];
  snprintf(dir, sizeof(dir), "/w%d", round);
  if (mkdir(dir, 0755) != 0) InitFails("mkdir");
  if (random.OneIn(2) && mount("fuzz", dir, "tmpfs", 0, nullptr) != 0) InitFails("mount");
  if (chdir(dir) != 0) InitFails("chdir");
  for (const int fd : {0, 1, 2}) dup2(g_null, fd);
  close_range(3, ~0u, 0);
  const rlimit file_size = {1 << 20, 1 << 20}, files = {256, 512};
  setrlimit(RLIMIT_FSIZE, &file_size);
  setrlimit(RLIMIT_NOFILE, &files);
  struct Running {
    pid_t pid;
    int naps;
  } workers[kWorkers] = {};
  for (;;) {
    for (Running& w : workers) {
      if (w.pid != 0) continue;
      const uint64_t worker_seed = random.Next();
      w.naps = static_cast<int>(10 + random.Below(40));
      const int threads = static_cast<int>(random.Below(3));
      w.pid = fork();
      if (w.pid == 0) RunWorker(worker_seed, threads);
      if (w.pid < 0) w.pid = 0;
    }
    Nap();
    struct sysinfo info;
    if (sysinfo(&info) == 0) {
      GetShared()->no_more_processes = info.procs > 60;
      if (info.procs > 200) kill(-1, SIGKILL);
    }
    pid_t pid;
    while ((pid = waitpid(-1, nullptr, WNOHANG | __WALL)) > 0) {
      for (Running& w : workers) {
        if (w.pid == pid) w.pid = 0;
      }
    }
    for (Running& w : workers) {
      if (w.pid != 0 && --w.naps <= 0) kill(w.pid, SIGKILL);
    }
  }
}

int ProcessCount() {
  DIR* proc = opendir("/proc");
  if (proc == nullptr) return -1;
  int count = 0;
  while (const dirent* entry = readdir(proc))
    count += entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
  closedir(proc);
  return count;
}

void PrintRecords() {
  for (const CallRecord& record : GetShared()->records) {
    if (record.tid == 0) continue;
    const int number = record.number >= 0 ? record.number : -1 - record.number;
    const char* name = "?";
    for (const Call& call : Calls()) {
      if (call.number == number) name = call.name;
    }
    printf("  thread %u %s %s(%#" PRIx64 ", %#" PRIx64 ", %#" PRIx64 ", %#" PRIx64 ", %#" PRIx64
           ", %#" PRIx64 ")\n",
           record.tid, record.number >= 0 ? "in" : "after", name, record.args[0], record.args[1],
           record.args[2], record.args[3], record.args[4], record.args[5]);
  }
}

void PrintProcesses() {
  DIR* proc = opendir("/proc");
  while (const dirent* entry = proc == nullptr ? nullptr : readdir(proc)) {
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
    char path[300], line[512];
    snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
    const int fd = open(path, O_RDONLY);
    const ssize_t n = fd < 0 ? 0 : read(fd, line, 60);
    printf("  process %.*s\n", static_cast<int>(n), line);
    close(fd);
  }
}

// True once `done` is; false when that takes too long.
template <typename F>
bool Await(F done) {
  for (int i = 0; i < kEndNaps; ++i) {
    if (done()) return true;
    Nap();
  }
  return false;
}

bool RunRound(uint64_t seed, int round, int naps) {
  printf("round %d: --seed=%" PRIu64 " --rounds=1\n", round, seed);
  fflush(stdout);
  MapShared();
  const long pid =
      RawCall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | SIGCHLD);
  if (pid == 0) RoundInit(seed, round);
  if (pid < 0) {
    printf("fuzz: clone: %s\n", strerror(static_cast<int>(-pid)));
    return false;
  }
  int status = 0;
  bool ended = false;
  for (int i = 0; i < naps && !ended; ++i) {
    Nap();
    ended = waitpid(static_cast<pid_t>(pid), &status, WNOHANG) == pid;
  }
  if (ended && WIFEXITED(status) && WEXITSTATUS(status) == kExitUsage) return false;
  // A round may break its own init, which is no failure.
  kill(static_cast<pid_t>(pid), SIGKILL);
  if (!ended && !Await([&] { return waitpid(static_cast<pid_t>(pid), &status, WNOHANG) == pid; })) {
    printf("HANG: the round does not end\n");
  } else if (!Await([] { return ProcessCount() == 1; })) {
    printf("HANG: the round has ended and left processes\n");
  } else {
    printf("round %d: %" PRIu64 " calls\n", round, GetShared()->calls.load());
    fflush(stdout);
    return true;
  }
  PrintProcesses();
  PrintRecords();
  fflush(stdout);
  return false;
}

uint64_t Number(const char* text) { return strtoull(text, nullptr, 0); }

int Main(int argc, char** argv) {
  uint64_t seconds = 20, rounds = 0, worker = 0, round_seconds = 3;
  uint64_t seed = 0;
  bool seeded = false, sandboxed = false, is_worker = false;
  for (int i = 1; i < argc; ++i) {
    const char* value = strchr(argv[i], '=');
    const size_t length = value == nullptr ? strlen(argv[i]) : static_cast<size_t>(value - argv[i]);
    auto is = [&](const char* name) {
      return strlen(name) == length && strncmp(argv[i], name, length) == 0;
    };
    if (is("--i-am-in-a-sandbox")) {
      sandboxed = true;
    } else if (value != nullptr && is("--seconds")) {
      seconds = Number(value + 1);
    } else if (value != nullptr && is("--rounds")) {
      rounds = Number(value + 1);
    } else if (value != nullptr && is("--round-seconds")) {
      round_seconds = Number(value + 1);
    } else if (value != nullptr && is("--seed")) {
      seed = Number(value + 1);
      seeded = true;
    } else if (value != nullptr && is("--worker")) {
      worker = Number(value + 1);
      is_worker = true;
    } else {
      fprintf(stderr, "fuzz: unknown argument %s\n", argv[i]);
      return kExitUsage;
    }
  }
  if (!sandboxed || !InSandbox()) {
    fprintf(stderr, "fuzz: this program runs inside cvisor only, with --i-am-in-a-sandbox\n");
    return kExitUsage;
  }
  // Rounds may rename or remove it.
  g_null = open("/dev/null", O_RDWR | O_CLOEXEC);
  MapShared();
  if (is_worker) {
    // Executed by another worker: for a few calls.
    GetShared()->no_more_processes = 1;
    RunWorker(worker, static_cast<int>(worker % 2));
  }
  if (g_null < 0) {
    fprintf(stderr, "fuzz: no /dev/null\n");
    return kExitUsage;
  }
  if (!seeded && getrandom(&seed, sizeof(seed), 0) < 0) return kExitUsage;
  printf("seed %" PRIu64 "\n", seed);
  timespec start, now;
  clock_gettime(CLOCK_MONOTONIC, &start);
  Random random(seed);
  for (int round = 0;; ++round) {
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (rounds != 0 ? static_cast<uint64_t>(round) == rounds
                    : static_cast<uint64_t>(now.tv_sec - start.tv_sec) >= seconds) {
      break;
    }
    // The first round's seed is the given one, so that each round can be run alone.
    if (!RunRound(round == 0 ? seed : random.Next(), round,
                  static_cast<int>(round_seconds * 1000 / kNapMillis))) {
      return kExitHang;
    }
  }
  printf("done\n");
  return 0;
}

}  // namespace
}  // namespace cvisor::fuzz

int main(int argc, char** argv) { return cvisor::fuzz::Main(argc, argv); }
