// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// main() of the conformance tests. The cases run in a child: they are then
// neither process 1 of a PID namespace nor the parent of other people's orphans,
// wherever the program was started. A case that hangs or dies is reported, and
// another child runs the cases after it.

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "gtest/gtest.h"
#include "test/syscalls/util/test_util.h"

namespace cvisor::test {

__attribute__((weak)) int HelperMain(int, char**) { return 97; }

namespace {

// Many times what the slowest case needs.
constexpr int kCaseTimeoutMs = 60000;

class Progress : public testing::EmptyTestEventListener {
 public:
  explicit Progress(int fd) : fd_(fd) {}
  void OnTestStart(const testing::TestInfo& info) override {
    Send(std::string(info.test_suite_name()) + "." + info.name() + "\n");
  }
  void OnTestEnd(const testing::TestInfo&) override { Send("\n"); }

 private:
  void Send(const std::string& line) {
    fflush(stdout);
    if (write(fd_, line.data(), line.size()) < 0) _exit(2);
  }
  int fd_;
};

// Follows one child. Adds the cases it began to *begun. Returns its wait status
// and the case it was in, if any.
int Follow(pid_t child, int progress, std::string* begun, std::string* current) {
  std::string line;
  bool timed_out = false;
  for (;;) {
    pollfd p = {progress, POLLIN, 0};
    const int n = poll(&p, 1, kCaseTimeoutMs);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) {
      timed_out = true;
      break;
    }
    char buffer[4096];
    const ssize_t got = read(progress, buffer, sizeof buffer);
    if (got <= 0) break;
    for (ssize_t i = 0; i < got; ++i) {
      if (buffer[i] != '\n') {
        line += buffer[i];
        continue;
      }
      if (!line.empty()) *begun += (begun->empty() ? "" : ":") + line;
      *current = line;
      line.clear();
    }
  }
  if (timed_out) {
    printf("Hangs: %s\n", current->c_str());
    kill(child, SIGKILL);
  }
  int status = 0;
  while (waitpid(child, &status, 0) != child && errno != ECHILD) {
  }
  return status;
}

int Main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  if (testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
  umask(022);
  setlinebuf(stdout);
  bool failed = false;
  std::string begun;
  for (;;) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) return 2;
    fflush(nullptr);
    const pid_t child = fork();
    if (child < 0) return 2;
    if (child == 0) {
      close(fds[0]);
      // Far from the numbers that tests see.
      const int fd = fcntl(fds[1], F_DUPFD_CLOEXEC, 900);
      close(fds[1]);
      if (!begun.empty()) {
        std::string& filter = testing::GTEST_FLAG(filter);
        filter += (filter.find('-') == std::string::npos ? "-" : ":") + begun;
      }
      testing::UnitTest::GetInstance()->listeners().Append(new Progress(fd));
      const int code = RUN_ALL_TESTS();
      fflush(nullptr);
      _exit(code);
    }
    close(fds[1]);
    std::string current;
    const std::string before = begun;
    const int status = Follow(child, fds[0], &begun, &current);
    close(fds[0]);
    // Whatever cases left behind and was given to us.
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    if (WIFEXITED(status) && current.empty()) return WEXITSTATUS(status) || failed;
    printf("The process of the test %s.\n[  FAILED  ] %s (0 ms)\n", WaitStatusName(status).c_str(),
           current.c_str());
    fflush(stdout);
    failed = true;
    if (begun == before) return 1;
  }
}

}  // namespace
}  // namespace cvisor::test

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "--helper") == 0) return cvisor::test::HelperMain(argc, argv);
  return cvisor::test::Main(argc, argv);
}
