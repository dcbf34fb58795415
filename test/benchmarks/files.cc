// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Files: small calls, sequential throughput, a walk over a tree.

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/benchmarks/bench.h"

extern char** environ;

namespace cvisor::bench {
namespace {

int64_t ReadZero(int64_t n) {
  const int fd = Check(open("/dev/zero", O_RDONLY | O_CLOEXEC), "/dev/zero");
  char byte;
  const Stopwatch watch;
  for (int64_t i = 0; i < n; ++i) Check(read(fd, &byte, 1), "read");
  const int64_t ns = watch.Ns();
  close(fd);
  return ns;
}

// A file that goes away with the object.
class TempFile {
 public:
  TempFile() : path_(TempDir() + "/syscall_bench.XXXXXX") {
    fd_ = Check(mkostemp(path_.data(), O_CLOEXEC), "mkostemp");
  }
  ~TempFile() {
    close(fd_);
    unlink(path_.c_str());
  }
  int fd() const { return fd_; }
  const char* path() const { return path_.c_str(); }

 private:
  std::string path_;
  int fd_;
};

// A file of the root file system that exists everywhere: not one that the sandbox has made itself.
// Its first 256 KiB, which the warming up has read once.
int64_t Pread4k(int64_t n) {
  const int fd = Check(open(SelfPath().c_str(), O_RDONLY | O_CLOEXEC), "open self");
  static char page[4096];
  const auto read_page = [&](int64_t i) {
    const ssize_t got = pread(fd, page, sizeof(page), 4096 * (i % 64));
    if (got != static_cast<ssize_t>(sizeof(page))) Fail("pread");
  };
  for (int64_t i = 0; i < 64; ++i) read_page(i);
  const Stopwatch watch;
  for (int64_t i = 0; i < n; ++i) read_page(i);
  const int64_t ns = watch.Ns();
  close(fd);
  return ns;
}

int64_t OpenClose(int64_t n) {
  const char* path = SelfPath().c_str();
  const Stopwatch watch;
  for (int64_t i = 0; i < n; ++i) close(Check(open(path, O_RDONLY | O_CLOEXEC), "open"));
  return watch.Ns();
}

int64_t Stat(int64_t n) {
  const char* path = SelfPath().c_str();
  struct stat st;
  const Stopwatch watch;
  for (int64_t i = 0; i < n; ++i) Check(stat(path, &st), "stat");
  return watch.Ns();
}

constexpr size_t kBlock = 64 << 10;
constexpr int64_t kBlocksPerMiB = (1 << 20) / kBlock;
char block[kBlock];

int64_t WriteMiBs(const TempFile& file, int64_t n) {
  memset(block, 'x', sizeof(block));
  const Stopwatch watch;
  for (int64_t i = 0; i < n * kBlocksPerMiB; ++i) {
    if (write(file.fd(), block, kBlock) != static_cast<ssize_t>(kBlock)) Fail("write");
  }
  return watch.Ns();
}

int64_t FileWrite(int64_t n) { return WriteMiBs(TempFile(), n); }

int64_t FileRead(int64_t n) {
  const TempFile file;
  WriteMiBs(file, n);
  Check(lseek(file.fd(), 0, SEEK_SET), "lseek");
  const Stopwatch watch;
  for (int64_t i = 0; i < n * kBlocksPerMiB; ++i) {
    if (read(file.fd(), block, kBlock) != static_cast<ssize_t>(kBlock)) Fail("read");
  }
  return watch.Ns();
}

void Run(std::vector<const char*> argv) {
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  pid_t pid;
  errno = posix_spawnp(&pid, argv[0], &actions, nullptr, const_cast<char**>(argv.data()), environ);
  if (errno != 0) Fail(argv[0]);
  posix_spawn_file_actions_destroy(&actions);
  int status;
  Check(waitpid(pid, &status, 0), "waitpid");
  if (status != 0) {
    errno = 0;
    Fail("the command failed");
  }
}

int64_t Find(int64_t n) {
  constexpr int kDirectories = 40, kFiles = 50;
  std::string root = TempDir() + "/syscall_bench.XXXXXX";
  if (mkdtemp(root.data()) == nullptr) Fail("mkdtemp");
  for (int d = 0; d < kDirectories; ++d) {
    const std::string dir = root + "/" + std::to_string(d);
    Check(mkdir(dir.c_str(), 0755), "mkdir");
    for (int f = 0; f < kFiles; ++f) {
      const std::string file = dir + "/" + std::to_string(f);
      close(Check(open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644), "open"));
    }
  }
  const Stopwatch watch;
  for (int64_t i = 0; i < n; ++i) Run({"find", root.c_str(), "-size", "+1"});
  const int64_t ns = watch.Ns();
  Run({"rm", "-rf", root.c_str()});
  return ns;
}

}  // namespace

std::vector<Case> FileCases() {
  return {{"read_zero", "read of 1 byte of /dev/zero", ReadZero},
          {"pread_4k", "pread of 4 KiB of a cached file", Pread4k},
          {"open_close", "open and close of a file", OpenClose},
          {"stat", "stat of a file", Stat},
          {"file_write", "1 MiB of 64 written in order to a new file", FileWrite, 64},
          {"file_read", "1 MiB of 64 read in order from that file", FileRead, 64},
          {"find", "find over 2,000 files with stat", Find}};
}

}  // namespace cvisor::bench
