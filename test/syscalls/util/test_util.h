// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// What the conformance tests share: matchers for system calls, files and
// directories that clean up after themselves, child processes whose verdict
// reaches the parent, and waits that end as soon as something has happened.
//
// The programs run natively and inside cvisor and must not notice which. They
// run as root. Nothing sleeps to "let the other side get there": use WaitUntil
// and WaitUntilBlocked, whose limits only matter when something is broken.

#ifndef CVISOR_TEST_SYSCALLS_UTIL_TEST_UTIL_H_
#define CVISOR_TEST_SYSCALLS_UTIL_TEST_UTIL_H_

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cvisor::test {

// ---- Matchers ----------------------------------------------------------------

namespace internal {
template <typename T>
int64_t ToInt(T value) {
  if constexpr (std::is_pointer_v<T>) {
    return static_cast<int64_t>(reinterpret_cast<intptr_t>(value));
  } else {
    return static_cast<int64_t>(value);
  }
}
}  // namespace internal

// "ENOENT (No such file or directory)"
std::string ErrnoName(int error);

// EXPECT_THAT(open(...), Succeeds()): anything but -1 (or MAP_FAILED).
MATCHER(Succeeds, "") {
  const int error = errno;
  if (internal::ToInt(arg) != -1) return true;
  *result_listener << "failed with " << ErrnoName(error);
  return false;
}

// EXPECT_THAT(read(...), SucceedsWith(5)).
MATCHER_P(SucceedsWith, value, "") {
  const int error = errno;
  if (internal::ToInt(arg) == internal::ToInt(value)) return true;
  if (internal::ToInt(arg) == -1) *result_listener << "failed with " << ErrnoName(error);
  return false;
}

// EXPECT_THAT(open(...), FailsWith(ENOENT)).
MATCHER_P(FailsWith, wanted, "fails with " + ErrnoName(wanted)) {
  const int error = errno;
  if (internal::ToInt(arg) != -1) {
    *result_listener << "succeeded";
    return false;
  }
  if (error == wanted) return true;
  *result_listener << "failed with " << ErrnoName(error);
  return false;
}

// For the status that waitpid() stores and InChild() returns.
std::string WaitStatusName(int status);
MATCHER_P(ExitedWith, code, "exited with " + std::to_string(code)) {
  *result_listener << WaitStatusName(arg);
  return WIFEXITED(arg) && WEXITSTATUS(arg) == code;
}
MATCHER_P(KilledBy, sig, "was killed by signal " + std::to_string(sig)) {
  *result_listener << WaitStatusName(arg);
  return WIFSIGNALED(arg) && WTERMSIG(arg) == sig;
}
MATCHER_P(StoppedBy, sig, "was stopped by signal " + std::to_string(sig)) {
  *result_listener << WaitStatusName(arg);
  return WIFSTOPPED(arg) && WSTOPSIG(arg) == sig;
}

// ---- Descriptors and files ------------------------------------------------------

// Owns a descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~Fd() { reset(); }

  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

// Opens a file, or fails the test and returns an empty Fd.
Fd Open(const std::string& path, int flags, mode_t mode = 0644);

// A directory, mode 0755, removed with all that is in it.
class TempDir {
 public:
  TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir();

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  // The same as a C string, which lives as long as the directory.
  const char* c(const std::string& name);

 private:
  std::string path_;
  std::vector<std::string*> names_;
};

// Writes a new file or replaces an old one's contents. Fails the test on errors.
void WriteFile(const std::string& path, const std::string& contents, mode_t mode = 0644);
// Reads to the end; fails the test on errors.
std::string ReadFile(const std::string& path);
std::string ReadAll(int fd);
// Reads exactly n bytes, or less if the end comes first.
std::string ReadExactly(int fd, size_t n);
bool WriteAll(int fd, const std::string& data);

struct PipeFds {
  Fd reader;
  Fd writer;
};
PipeFds MakePipe(int flags = 0);

// poll() of one descriptor: the bits that are set. timeout in milliseconds.
short Poll(int fd, short events, int timeout = 0);

// ---- Threads and processes ---------------------------------------------------------

inline pid_t GetTid() { return gettid(); }

// A thread that is joined.
class ScopedThread {
 public:
  explicit ScopedThread(std::function<void()> body);
  ~ScopedThread() { Join(); }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }
  // Valid as soon as the constructor is through.
  pid_t tid() const { return tid_; }
  pthread_t handle() { return thread_.native_handle(); }

 private:
  std::atomic<pid_t> tid_ = 0;
  std::thread thread_;
};

// Calls body in a forked child. Its failed expectations are printed there; the
// child exits with 0 if there were none, else with 1. Returns the wait status.
int InChild(const std::function<void()>& body);

// Starts such a child; the caller waits for it.
pid_t Fork(const std::function<void()>& body);

// In such a child, before an exec that would hide failed expectations: exits if there are any.
void ExitIfFailed();

// waitpid(), through EINTR. Returns the wait status, or -1.
int Wait(pid_t pid, int options = 0);

// Kills and reaps a child at the end of a scope, unless released.
class ScopedChild {
 public:
  explicit ScopedChild(const std::function<void()>& body) : pid_(Fork(body)) {}
  explicit ScopedChild(pid_t pid) : pid_(pid) {}
  ScopedChild(const ScopedChild&) = delete;
  ScopedChild& operator=(const ScopedChild&) = delete;
  ~ScopedChild();
  pid_t pid() const { return pid_; }
  int Wait() { return test::Wait(std::exchange(pid_, -1)); }
  pid_t release() { return std::exchange(pid_, -1); }

 private:
  pid_t pid_;
};

// A one-shot event between processes or threads: wakes all the waiters. Does not
// need shared memory.
class Event {
 public:
  Event();
  void Signal();
  void Wait();

 private:
  PipeFds pipe_;
};

// Memory that a forked child and its parent share.
void* Allocate(size_t size);
void Free(void* p, size_t size);

// A value that a forked child and its parent both see.
template <typename T>
class Shared {
 public:
  Shared() : value_(new (Allocate(sizeof(T))) T()) {}
  ~Shared() { Free(value_, sizeof(T)); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  T& operator*() { return *value_; }
  T* operator->() { return value_; }
  T* get() { return value_; }

 private:
  T* value_;
};

// What the program does when a test executes it again as `/proc/self/exe --helper ...`.
// Programs that need it define it; argv is main()'s.
int HelperMain(int argc, char** argv);

// ---- Waiting --------------------------------------------------------------------------

// Polls until the condition holds; false after 20 seconds.
bool WaitUntil(const std::function<bool()>& condition);

// Waits until the thread sleeps in the kernel, as /proc says.
bool WaitUntilBlocked(pid_t tid);
// The state letter of a thread in /proc/TID/stat, or 0 if it is gone.
char ThreadState(pid_t tid);
bool WaitUntilState(pid_t tid, char state);

int64_t NowNs(clockid_t clock = CLOCK_MONOTONIC);
inline timespec Milliseconds(int64_t ms) { return {ms / 1000, (ms % 1000) * 1000000}; }
inline constexpr int kLongMs = 20000;

// ---- Signals ---------------------------------------------------------------------------

// Installs a handler and puts the old one back.
class ScopedSigaction {
 public:
  ScopedSigaction(int sig, void (*handler)(int), int flags = 0);
  ScopedSigaction(int sig, void (*handler)(int, siginfo_t*, void*), int flags);
  ~ScopedSigaction() { sigaction(sig_, &old_, nullptr); }
  ScopedSigaction(const ScopedSigaction&) = delete;
  ScopedSigaction& operator=(const ScopedSigaction&) = delete;

 private:
  int sig_;
  struct sigaction old_;
};

sigset_t SigSet(std::initializer_list<int> signals);

// Blocks (or unblocks) signals in this thread, and puts the old mask back.
class ScopedSigmask {
 public:
  ScopedSigmask(int how, std::initializer_list<int> signals);
  ~ScopedSigmask() { pthread_sigmask(SIG_SETMASK, &old_, nullptr); }
  ScopedSigmask(const ScopedSigmask&) = delete;
  ScopedSigmask& operator=(const ScopedSigmask&) = delete;

 private:
  sigset_t old_;
};

// ---- Privileges -----------------------------------------------------------------------

bool HasCapability(int capability);
// Gives up one capability (permitted and effective).
void DropCapability(int capability);
// Becomes an ordinary user for good. Only in a child.
inline constexpr uid_t kNobody = 65534;
void BecomeNobody();

// The field of /proc/self/status and its like, without blanks around it.
std::string StatusField(const std::string& path, const std::string& name);

}  // namespace cvisor::test

#endif  // CVISOR_TEST_SYSCALLS_UTIL_TEST_UTIL_H_
