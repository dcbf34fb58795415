// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
#include "test/syscalls/util/test_util.h"

#include <dirent.h>
#include <ftw.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <fstream>
#include <sstream>

namespace cvisor::test {

std::string ErrnoName(int error) {
  const char* name = strerrorname_np(error);
  return (name ? std::string(name) : std::to_string(error)) + " (" + strerror(error) + ")";
}

std::string WaitStatusName(int status) {
  if (status == -1) return "could not be waited for";
  if (WIFEXITED(status)) return "exited with " + std::to_string(WEXITSTATUS(status));
  if (WIFSIGNALED(status)) return "was killed by signal " + std::to_string(WTERMSIG(status));
  if (WIFSTOPPED(status)) return "was stopped by signal " + std::to_string(WSTOPSIG(status));
  return "wait status " + std::to_string(status);
}

Fd Open(const std::string& path, int flags, mode_t mode) {
  Fd fd(open(path.c_str(), flags, mode));
  EXPECT_GE(fd.get(), 0) << "open " << path << ": " << ErrnoName(errno);
  return fd;
}

TempDir::TempDir() {
  const char* base = getenv("TEST_TMPDIR");
  path_ = std::string(base ? base : "/tmp") + "/t.XXXXXX";
  if (!mkdtemp(path_.data())) {
    ADD_FAILURE() << "mkdtemp " << path_ << ": " << ErrnoName(errno);
    path_.clear();
    return;
  }
  chmod(path_.c_str(), 0755);
}

TempDir::~TempDir() {
  for (std::string* name : names_) delete name;
  if (path_.empty()) return;
  nftw(
      path_.c_str(), [](const char* path, const struct stat*, int, FTW*) { return remove(path); },
      16, FTW_DEPTH | FTW_PHYS);
}

const char* TempDir::c(const std::string& name) {
  names_.push_back(new std::string(*this / name));
  return names_.back()->c_str();
}

void WriteFile(const std::string& path, const std::string& contents, mode_t mode) {
  Fd fd = Open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
  if (fd.get() < 0) return;
  EXPECT_TRUE(WriteAll(fd.get(), contents)) << path << ": " << ErrnoName(errno);
}

std::string ReadFile(const std::string& path) {
  Fd fd = Open(path, O_RDONLY);
  return fd.get() >= 0 ? ReadAll(fd.get()) : "";
}

std::string ReadAll(int fd) { return ReadExactly(fd, SIZE_MAX); }

std::string ReadExactly(int fd, size_t n) {
  std::string data;
  char buffer[4096];
  while (data.size() < n) {
    const ssize_t got = read(fd, buffer, std::min(sizeof buffer, n - data.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) ADD_FAILURE() << "read: " << ErrnoName(errno);
    if (got <= 0) break;
    data.append(buffer, static_cast<size_t>(got));
  }
  return data;
}

bool WriteAll(int fd, const std::string& data) {
  for (size_t done = 0; done < data.size();) {
    const ssize_t n = write(fd, data.data() + done, data.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

PipeFds MakePipe(int flags) {
  int fds[2] = {-1, -1};
  EXPECT_THAT(pipe2(fds, flags), SucceedsWith(0));
  return {Fd(fds[0]), Fd(fds[1])};
}

short Poll(int fd, short events, int timeout) {
  pollfd p = {fd, events, 0};
  int n;
  do {
    n = poll(&p, 1, timeout);
  } while (n < 0 && errno == EINTR);
  EXPECT_EQ(n, p.revents != 0);
  return p.revents;
}

ScopedThread::ScopedThread(std::function<void()> body)
    : thread_([this, body = std::move(body)] {
        tid_ = GetTid();
        tid_.notify_all();
        body();
      }) {
  tid_.wait(0);
}

namespace {
int Parts() {
  const testing::TestInfo* info = testing::UnitTest::GetInstance()->current_test_info();
  int failed = 0;
  for (int i = 0; info && i < info->result()->total_part_count(); ++i) {
    failed += info->result()->GetTestPartResult(i).failed();
  }
  return failed;
}
// The failures that this process inherited.
int parts_at_fork = 0;
}  // namespace

void ExitIfFailed() {
  if (Parts() == parts_at_fork) return;
  fflush(nullptr);
  _exit(1);
}

pid_t Fork(const std::function<void()>& body) {
  const int before = Parts();
  parts_at_fork = before;
  fflush(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    body();
    fflush(nullptr);
    _exit(Parts() == before ? 0 : 1);
  }
  EXPECT_GT(pid, 0) << "fork: " << ErrnoName(errno);
  return pid;
}

int Wait(pid_t pid, int options) {
  if (pid <= 0) return -1;
  int status = 0;
  pid_t got;
  do {
    got = waitpid(pid, &status, options);
  } while (got < 0 && errno == EINTR);
  EXPECT_EQ(got, pid) << ErrnoName(errno);
  return got == pid ? status : -1;
}

int InChild(const std::function<void()>& body) { return Wait(Fork(body)); }

ScopedChild::~ScopedChild() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

Event::Event() : pipe_(MakePipe(O_CLOEXEC)) {}
void Event::Signal() { EXPECT_THAT(write(pipe_.writer.get(), "x", 1), SucceedsWith(1)); }
void Event::Wait() { EXPECT_EQ(Poll(pipe_.reader.get(), POLLIN, kLongMs), POLLIN); }

void* Allocate(size_t size) {
  void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  EXPECT_NE(p, MAP_FAILED);
  return p;
}
void Free(void* p, size_t size) { munmap(p, size); }

bool WaitUntil(const std::function<bool()>& condition) {
  const int64_t deadline = NowNs() + int64_t{kLongMs} * 1000000;
  for (;;) {
    if (condition()) return true;
    if (NowNs() > deadline) return false;
    const timespec pause = {0, 1000000};
    nanosleep(&pause, nullptr);
  }
}

char ThreadState(pid_t tid) {
  char buffer[512];
  // Also found for threads of other groups, though not listed.
  const std::string path = "/proc/" + std::to_string(tid) + "/stat";
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const ssize_t n = read(fd, buffer, sizeof buffer - 1);
  close(fd);
  if (n <= 0) return 0;
  buffer[n] = 0;
  const char* paren = strrchr(buffer, ')');
  return paren && paren[1] == ' ' ? paren[2] : 0;
}

bool WaitUntilState(pid_t tid, char state) {
  return WaitUntil([&] { return ThreadState(tid) == state; });
}

bool WaitUntilBlocked(pid_t tid) { return WaitUntilState(tid, 'S'); }

int64_t NowNs(clockid_t clock) {
  timespec t = {};
  EXPECT_EQ(clock_gettime(clock, &t), 0);
  return int64_t{t.tv_sec} * 1000000000 + t.tv_nsec;
}

ScopedSigaction::ScopedSigaction(int sig, void (*handler)(int), int flags) : sig_(sig) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  EXPECT_EQ(sigaction(sig, &action, &old_), 0) << ErrnoName(errno);
}

ScopedSigaction::ScopedSigaction(int sig, void (*handler)(int, siginfo_t*, void*), int flags)
    : sig_(sig) {
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = flags | SA_SIGINFO;
  EXPECT_EQ(sigaction(sig, &action, &old_), 0) << ErrnoName(errno);
}

sigset_t SigSet(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (int sig : signals) sigaddset(&set, sig);
  return set;
}

ScopedSigmask::ScopedSigmask(int how, std::initializer_list<int> signals) {
  const sigset_t set = SigSet(signals);
  EXPECT_EQ(pthread_sigmask(how, &set, &old_), 0);
}

namespace {
void GetCaps(__user_cap_data_struct data[2]) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  EXPECT_THAT(syscall(SYS_capget, &header, data), SucceedsWith(0));
}
}  // namespace

bool HasCapability(int capability) {
  __user_cap_data_struct data[2] = {};
  GetCaps(data);
  return data[capability / 32].effective >> (capability % 32) & 1;
}

void DropCapability(int capability) {
  __user_cap_data_struct data[2] = {};
  GetCaps(data);
  data[capability / 32].effective &= ~(1u << (capability % 32));
  data[capability / 32].permitted &= ~(1u << (capability % 32));
  data[capability / 32].inheritable &= ~(1u << (capability % 32));
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  EXPECT_THAT(syscall(SYS_capset, &header, data), SucceedsWith(0));
}

void BecomeNobody() {
  EXPECT_THAT(setgroups(0, nullptr), SucceedsWith(0));
  EXPECT_THAT(setresgid(kNobody, kNobody, kNobody), SucceedsWith(0));
  EXPECT_THAT(setresuid(kNobody, kNobody, kNobody), SucceedsWith(0));
}

std::string StatusField(const std::string& path, const std::string& name) {
  std::istringstream in(ReadFile(path));
  for (std::string line; std::getline(in, line);) {
    if (line.compare(0, name.size() + 1, name + ":") != 0) continue;
    size_t begin = name.size() + 1;
    while (begin < line.size() && isspace(line[begin])) ++begin;
    size_t end = line.size();
    while (end > begin && isspace(line[end - 1])) --end;
    return line.substr(begin, end - begin);
  }
  return "";
}

}  // namespace cvisor::test
