// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

// proc(5): what programs read there, as invariants.
#include <dirent.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <set>
#include <sstream>

#include "test/syscalls/util/test_util.h"

namespace cvisor::test {
namespace {

std::vector<std::string> Words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string w; in >> w;) words.push_back(w);
  return words;
}
std::vector<std::string> Lines(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string l; std::getline(in, l);) lines.push_back(l);
  return lines;
}
std::string Link(const std::string& path) {
  char b[4096] = {};
  EXPECT_THAT(readlink(path.c_str(), b, sizeof b - 1), Succeeds()) << path;
  return b;
}
std::set<std::string> List(const std::string& path) {
  std::set<std::string> names;
  DIR* d = opendir(path.c_str());
  EXPECT_NE(d, nullptr) << path;
  if (!d) return names;
  while (dirent* e = readdir(d)) names.insert(e->d_name);
  closedir(d);
  return names;
}
std::string Proc(pid_t pid, const std::string& name) {
  return "/proc/" + std::to_string(pid) + "/" + name;
}

TEST(ProcTest, SelfIsTheReader) {
  EXPECT_EQ(Link("/proc/self"), std::to_string(getpid()));
  EXPECT_THAT(InChild([] { EXPECT_EQ(Link("/proc/self"), std::to_string(getpid())); }),
              ExitedWith(0));
  ScopedThread([] {
    EXPECT_EQ(Link("/proc/thread-self"),
              std::to_string(getpid()) + "/task/" + std::to_string(gettid()));
  });
}

TEST(ProcTest, ListsProcesses) {
  Event go;
  ScopedChild child([&] { go.Wait(); });
  EXPECT_EQ(List("/proc").count(std::to_string(getpid())), 1u);
  EXPECT_EQ(List("/proc").count(std::to_string(child.pid())), 1u);
  const pid_t pid = child.pid();
  go.Signal();
  child.Wait();
  EXPECT_EQ(List("/proc").count(std::to_string(pid)), 0u);
  struct stat st;
  EXPECT_THAT(stat(Proc(pid, "").c_str(), &st), FailsWith(ENOENT));
}

TEST(ProcTest, Stat) {
  const std::string text = ReadFile("/proc/self/stat");
  EXPECT_EQ(text.rfind(std::to_string(getpid()) + " (", 0), 0u);
  const size_t paren = text.rfind(')');
  const std::vector<std::string> f = Words(text.substr(paren + 1));
  ASSERT_EQ(f.size(), 50u);
  EXPECT_EQ(f[0], "R");
  EXPECT_EQ(f[1], std::to_string(getppid()));
  EXPECT_EQ(f[2], std::to_string(getpgrp()));
  EXPECT_EQ(f[3], std::to_string(getsid(0)));
  EXPECT_EQ(f[17], "1");                 // num_threads
  EXPECT_GT(std::stoull(f[20]), 4096u);  // vsize
  EXPECT_GT(std::stoull(f[21]), 0u);     // rss
}

TEST(ProcTest, Status) {
  const auto field = [](const char* name) { return StatusField("/proc/self/status", name); };
  EXPECT_EQ(field("Pid"), std::to_string(getpid()));
  EXPECT_EQ(field("Tgid"), std::to_string(getpid()));
  EXPECT_EQ(field("PPid"), std::to_string(getppid()));
  EXPECT_EQ(Words(field("Uid")), (std::vector<std::string>{"0", "0", "0", "0"}));
  EXPECT_EQ(Words(field("Gid")).size(), 4u);
  EXPECT_EQ(field("State").substr(0, 1), "R");
  EXPECT_EQ(field("Threads"), "1");
  EXPECT_EQ(field("TracerPid"), "0");
  EXPECT_NE(field("VmRSS").find("kB"), std::string::npos);
  EXPECT_NE(field("VmSize").find("kB"), std::string::npos);
  for (const char* name : {"SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt", "CapInh", "CapPrm",
                           "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_EQ(field(name).size(), 16u) << name;
  }
  EXPECT_EQ(field("NoNewPrivs").size(), 1u);
  EXPECT_FALSE(field("Cpus_allowed_list").empty());
  EXPECT_FALSE(field("Name").empty());
}

TEST(ProcTest, StatusShowsSignals) {
  EXPECT_THAT(InChild([] {
                signal(SIGUSR1, SIG_IGN);
                signal(SIGUSR2, [](int) {});
                ScopedSigmask mask(SIG_BLOCK, {SIGTERM});
                raise(SIGTERM);
                const auto bits = [](const char* name) {
                  return std::stoull(StatusField("/proc/self/status", name), nullptr, 16);
                };
                EXPECT_TRUE(bits("SigIgn") >> (SIGUSR1 - 1) & 1);
                EXPECT_TRUE(bits("SigCgt") >> (SIGUSR2 - 1) & 1);
                EXPECT_TRUE(bits("SigBlk") >> (SIGTERM - 1) & 1);
                EXPECT_TRUE((bits("SigPnd") | bits("ShdPnd")) >> (SIGTERM - 1) & 1);
                signal(SIGTERM, SIG_IGN);
              }),
              ExitedWith(0));
}

TEST(ProcTest, Statm) {
  const std::vector<std::string> f = Words(ReadFile("/proc/self/statm"));
  ASSERT_EQ(f.size(), 7u);
  EXPECT_GT(std::stoull(f[0]), std::stoull(f[1]));
  const unsigned long before = std::stoul(f[0]);
  void* p = mmap(nullptr, 100 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT_GE(std::stoul(Words(ReadFile("/proc/self/statm"))[0]), before + 100);
  munmap(p, 100 * 4096);
}

TEST(ProcTest, FdDirectory) {
  TempDir dir;
  Fd fd = Open(dir / "file", O_RDWR | O_CREAT | O_APPEND);
  EXPECT_TRUE(WriteAll(fd.get(), "12345"));
  const std::string n = std::to_string(fd.get());
  EXPECT_EQ(List("/proc/self/fd").count(n), 1u);
  EXPECT_EQ(Link("/proc/self/fd/" + n), dir / "file");
  struct stat st;
  EXPECT_THAT(lstat(("/proc/self/fd/" + n).c_str(), &st), SucceedsWith(0));
  EXPECT_TRUE(S_ISLNK(st.st_mode));
  EXPECT_EQ(st.st_mode & 0777, 0700u);
  const std::string info = ReadFile("/proc/self/fdinfo/" + n);
  EXPECT_NE(info.find("pos:\t5\n"), std::string::npos) << info;
  EXPECT_NE(info.find("flags:\t0102002\n"), std::string::npos) << info;
  fd.reset();
  EXPECT_THAT(lstat(("/proc/self/fd/" + n).c_str(), &st), FailsWith(ENOENT));
}

TEST(ProcTest, CmdlineEnvironAuxvOfAChild) {
  PipeFds in = MakePipe(), out = MakePipe();
  ScopedChild child([&] {
    dup2(in.reader.get(), 0);
    dup2(out.writer.get(), 1);
    in.writer.reset();
    const char* argv[] = {"cat", "-", nullptr};
    const char* envp[] = {"KEY=value", "K2=", nullptr};
    execve("/bin/cat", const_cast<char**>(argv), const_cast<char**>(envp));
  });
  EXPECT_THAT(write(in.writer.get(), "x", 1), SucceedsWith(1));
  EXPECT_EQ(ReadExactly(out.reader.get(), 1), "x");
  EXPECT_EQ(ReadFile(Proc(child.pid(), "cmdline")), std::string("cat\0-\0", 6));
  EXPECT_EQ(ReadFile(Proc(child.pid(), "environ")), std::string("KEY=value\0K2=\0", 14));
  EXPECT_EQ(ReadFile(Proc(child.pid(), "comm")), "cat\n");
  char real[4096];
  EXPECT_NE(realpath("/bin/cat", real), nullptr);
  EXPECT_EQ(Link(Proc(child.pid(), "exe")), real);
  EXPECT_EQ(Link(Proc(child.pid(), "root")), "/");
  EXPECT_EQ(Link(Proc(child.pid(), "cwd")), Link("/proc/self/cwd"));
  const std::string auxv = ReadFile(Proc(child.pid(), "auxv"));
  EXPECT_GT(auxv.size(), 100u);
  EXPECT_EQ(auxv.size() % 16, 0u);
  EXPECT_EQ(auxv.substr(auxv.size() - 16), std::string(16, '\0'));
  in.writer.reset();
  EXPECT_THAT(child.Wait(), ExitedWith(0));
}

TEST(ProcTest, ZombiesAreEmpty) {
  ScopedChild child([] {});
  EXPECT_TRUE(WaitUntilState(child.pid(), 'Z'));
  EXPECT_EQ(ReadFile(Proc(child.pid(), "cmdline")), "");
  EXPECT_EQ(ReadFile(Proc(child.pid(), "maps")), "");
  EXPECT_EQ(StatusField(Proc(child.pid(), "status"), "State"), "Z (zombie)");
}

TEST(ProcTest, CommCanBeWritten) {
  EXPECT_THAT(InChild([] {
                Fd fd = Open("/proc/self/comm", O_WRONLY);
                EXPECT_THAT(write(fd.get(), "new name", 8), SucceedsWith(8));
                EXPECT_EQ(ReadFile("/proc/self/comm"), "new name\n");
                char name[16];
                prctl(PR_GET_NAME, name);
                EXPECT_STREQ(name, "new name");
              }),
              ExitedWith(0));
}

TEST(ProcTest, MapsAreWellFormed) {
  uint64_t last = 0;
  bool exe = false, stack = false, vdso = false;
  const std::string self = Link("/proc/self/exe");
  for (const std::string& line : Lines(ReadFile("/proc/self/maps"))) {
    uint64_t start, end, offset, inode;
    unsigned major, minor;
    char perms[5];
    ASSERT_EQ(sscanf(line.c_str(), "%lx-%lx %4s %lx %x:%x %lu", &start, &end, perms, &offset,
                     &major, &minor, &inode),
              7)
        << line;
    EXPECT_LT(start, end);
    EXPECT_GE(start, last);
    last = end;
    exe |= line.find(self) != std::string::npos && perms[2] == 'x' && inode != 0;
    stack |= line.find("[stack]") != std::string::npos;
    vdso |= line.find("[vdso]") != std::string::npos;
  }
  EXPECT_TRUE(exe && stack && vdso) << ReadFile("/proc/self/maps");
}

TEST(ProcTest, MapsOfOtherProcessesAndMem) {
  static char secret[] = "visible through mem";
  Event go;
  ScopedChild child([&] { go.Wait(); });
  EXPECT_NE(ReadFile(Proc(child.pid(), "maps")).find("[stack]"), std::string::npos);
  Fd mem = Open(Proc(child.pid(), "mem"), O_RDWR);
  char b[sizeof secret] = {};
  EXPECT_THAT(pread(mem.get(), b, sizeof b, reinterpret_cast<off_t>(secret)),
              SucceedsWith(sizeof b));
  EXPECT_STREQ(b, secret);
  EXPECT_THAT(pread(mem.get(), b, 1, 8), FailsWith(EIO));
  go.Signal();
}

TEST(ProcTest, SmapsAndPagemapAreReadable) {
  const std::string smaps = ReadFile("/proc/self/smaps");
  EXPECT_NE(smaps.find("Rss:"), std::string::npos);
  EXPECT_NE(smaps.find("Size:"), std::string::npos);
}

TEST(ProcTest, Limits) {
  EXPECT_THAT(InChild([] {
                const rlimit limit = {123, 456};
                setrlimit(RLIMIT_NOFILE, &limit);
                const std::vector<std::string> lines = Lines(ReadFile("/proc/self/limits"));
                ASSERT_EQ(lines.size(), 17u);
                EXPECT_EQ(Words(lines[0]),
                          (std::vector<std::string>{"Limit", "Soft", "Limit", "Hard", "Limit",
                                                    "Units"}));
                EXPECT_EQ(Words(lines[8]), (std::vector<std::string>{"Max", "open", "files", "123",
                                                                     "456", "files"}));
              }),
              ExitedWith(0));
}

TEST(ProcTest, MountsAndMountinfo) {
  const std::vector<std::string> mounts = Lines(ReadFile("/proc/self/mounts"));
  bool root = false, proc = false;
  for (const std::string& line : mounts) {
    const auto w = Words(line);
    ASSERT_EQ(w.size(), 6u) << line;
    root |= w[1] == "/";
    proc |= w[1] == "/proc" && w[2] == "proc";
  }
  EXPECT_TRUE(root && proc);
  const std::vector<std::string> info = Lines(ReadFile("/proc/self/mountinfo"));
  EXPECT_EQ(info.size(), mounts.size());
  for (const std::string& line : info) EXPECT_NE(line.find(" - "), std::string::npos) << line;
  EXPECT_EQ(Link("/proc/mounts"), "self/mounts");
}

TEST(ProcTest, TaskDirectory) {
  ScopedThread* thread = nullptr;
  Event go;
  ScopedThread t([&] { go.Wait(); });
  thread = &t;
  const std::set<std::string> tasks = List("/proc/self/task");
  EXPECT_EQ(tasks.count(std::to_string(getpid())), 1u);
  EXPECT_EQ(tasks.count(std::to_string(thread->tid())), 1u);
  const std::string path = "/proc/self/task/" + std::to_string(t.tid()) + "/";
  EXPECT_EQ(StatusField(path + "status", "Pid"), std::to_string(t.tid()));
  EXPECT_EQ(StatusField(path + "status", "Tgid"), std::to_string(getpid()));
  EXPECT_EQ(StatusField("/proc/self/status", "Threads"), "2");
  struct stat st;
  EXPECT_THAT(stat("/proc/self", &st), SucceedsWith(0));
  go.Signal();
}

TEST(ProcTest, ChildrenFile) {
  EXPECT_THAT(InChild([] {
                Event go;
                ScopedChild child([&] { go.Wait(); });
                const std::string path = "/proc/self/task/" + std::to_string(gettid()) +
                                         "/children";
                EXPECT_EQ(ReadFile(path), std::to_string(child.pid()) + " ");
                go.Signal();
              }),
              ExitedWith(0));
}

TEST(ProcTest, PermissionsOfOthers) {
  Event go;
  ScopedChild root([&] { go.Wait(); });
  EXPECT_THAT(InChild([&] {
                BecomeNobody();
                EXPECT_THAT(open(Proc(root.pid(), "environ").c_str(), O_RDONLY),
                            FailsWith(EACCES));
                EXPECT_THAT(open(Proc(root.pid(), "mem").c_str(), O_RDONLY), FailsWith(EACCES));
                EXPECT_EQ(opendir(Proc(root.pid(), "fd").c_str()), nullptr);
                EXPECT_EQ(errno, EACCES);
                char b[64];
                EXPECT_THAT(readlink(Proc(root.pid(), "exe").c_str(), b, sizeof b),
                            FailsWith(EACCES));
                EXPECT_THAT(open(Proc(root.pid(), "status").c_str(), O_RDONLY), Succeeds());
                EXPECT_THAT(open(Proc(root.pid(), "cmdline").c_str(), O_RDONLY), Succeeds());
              }),
              ExitedWith(0));
  go.Signal();
}

TEST(ProcTest, OwnersOfDirectories) {
  Event go;
  ScopedChild child([&] {
    BecomeNobody();
    go.Wait();
  });
  struct stat st = {};
  EXPECT_THAT(stat("/proc/self", &st), SucceedsWith(0));
  EXPECT_EQ(st.st_uid, 0u);
  EXPECT_EQ(st.st_mode, S_IFDIR | 0555u);
  go.Signal();
}

TEST(ProcTest, SystemFiles) {
  EXPECT_EQ(ReadFile("/proc/version").rfind("Linux version ", 0), 0u);
  EXPECT_NE(ReadFile("/proc/cpuinfo").find("processor\t: 0\n"), std::string::npos);
  const std::string meminfo = ReadFile("/proc/meminfo");
  EXPECT_EQ(meminfo.rfind("MemTotal:", 0), 0u);
  EXPECT_NE(meminfo.find("\nMemAvailable:"), std::string::npos);
  EXPECT_EQ(ReadFile("/proc/stat").rfind("cpu  ", 0), 0u);
  EXPECT_NE(ReadFile("/proc/stat").find("\nbtime "), std::string::npos);
  EXPECT_EQ(Words(ReadFile("/proc/uptime")).size(), 2u);
  EXPECT_EQ(Words(ReadFile("/proc/loadavg")).size(), 5u);
  EXPECT_NE(ReadFile("/proc/filesystems").find("proc\n"), std::string::npos);
  EXPECT_GT(std::stol(ReadFile("/proc/sys/kernel/pid_max")), 300);
  EXPECT_EQ(ReadFile("/proc/sys/vm/overcommit_memory").size(), 2u);
  EXPECT_GT(std::stol(ReadFile("/proc/sys/fs/file-max")), 0);
  EXPECT_EQ(ReadFile("/proc/sys/kernel/random/uuid").size(), 37u);
  EXPECT_NE(ReadFile("/proc/sys/kernel/random/uuid"), ReadFile("/proc/sys/kernel/random/uuid"));
  EXPECT_EQ(ReadFile("/proc/sys/kernel/random/boot_id"),
            ReadFile("/proc/sys/kernel/random/boot_id"));
}

TEST(ProcTest, FilesCannotBeMade) {
  EXPECT_THAT(open("/proc/new", O_RDWR | O_CREAT, 0644), FailsWith(ENOENT));
  EXPECT_THAT(mkdir("/proc/new", 0755), FailsWith(ENOENT));
  EXPECT_THAT(unlink("/proc/version"), FailsWith(EPERM));
  EXPECT_THAT(open("/proc/self/stat", O_WRONLY), Succeeds()) << "root may try";
  EXPECT_THAT(open("/proc/999999999", O_RDONLY), FailsWith(ENOENT));
  EXPECT_THAT(open("/proc/self/nothing", O_RDONLY), FailsWith(ENOENT));
  EXPECT_THAT(open("/proc/self/fd/x", O_RDONLY), FailsWith(ENOENT));
}

TEST(ProcTest, ReadingInPieces) {
  // Small reads add up to what one large read gives.
  const std::string whole = ReadFile("/proc/version");
  Fd fd = Open("/proc/version", O_RDONLY);
  std::string pieces;
  char c;
  while (read(fd.get(), &c, 1) == 1) pieces += c;
  EXPECT_EQ(pieces, whole);
  EXPECT_THAT(lseek(fd.get(), 6, SEEK_SET), SucceedsWith(6));
  EXPECT_EQ(ReadExactly(fd.get(), 7), whole.substr(6, 7));
  char b[4];
  EXPECT_THAT(pread(fd.get(), b, 4, 1), SucceedsWith(4));
  EXPECT_EQ(std::string(b, 4), whole.substr(1, 4));
}

TEST(ProcTest, OpenFilesOfAVanishedProcess) {
  ScopedChild child([] {
    for (;;) pause();
  });
  Fd dir = Open(Proc(child.pid(), ""), O_RDONLY | O_DIRECTORY);
  Fd status = Open(Proc(child.pid(), "status"), O_RDONLY);
  kill(child.pid(), SIGKILL);
  child.Wait();
  char b[16];
  EXPECT_THAT(read(status.get(), b, sizeof b), FailsWith(ESRCH));
  EXPECT_THAT(openat(dir.get(), "stat", O_RDONLY), testing::Not(Succeeds()));
}

TEST(ProcTest, OomScoreAdj) {
  EXPECT_THAT(InChild([] {
                Fd fd = Open("/proc/self/oom_score_adj", O_RDWR);
                EXPECT_THAT(write(fd.get(), "500", 3), SucceedsWith(3));
                EXPECT_EQ(ReadFile("/proc/self/oom_score_adj"), "500\n");
                EXPECT_THAT(write(fd.get(), "5000", 4), FailsWith(EINVAL));
                EXPECT_THAT(write(fd.get(), "x", 1), FailsWith(EINVAL));
              }),
              ExitedWith(0));
}

TEST(ProcTest, OomAdj) {
  EXPECT_THAT(InChild([] {
                const std::string file = Proc(getpid(), "oom_adj");
                // Upwards only, which needs no privilege.
                WriteFile(file, "5");
                EXPECT_EQ(ReadFile(Proc(getpid(), "oom_score_adj")), "294\n");
                EXPECT_EQ(ReadFile(file), "4\n");
                WriteFile(file, "15");
                EXPECT_EQ(ReadFile(Proc(getpid(), "oom_score_adj")), "1000\n");
                EXPECT_EQ(ReadFile(file), "15\n");
                const Fd fd = Open(file, O_WRONLY);
                EXPECT_THAT(write(fd.get(), "16", 2), FailsWith(EINVAL));
                EXPECT_THAT(write(fd.get(), "x", 1), FailsWith(EINVAL));
              }),
              ExitedWith(0));
}

TEST(ProcTest, MountstatsNamesEveryMount) {
  const size_t mounts = Lines(ReadFile("/proc/self/mounts")).size();
  const auto lines = Lines(ReadFile("/proc/self/mountstats"));
  size_t devices = 0;
  for (const std::string& line : lines) {
    if (line.rfind("device ", 0) != 0) continue;
    ++devices;
    EXPECT_THAT(line, testing::HasSubstr(" mounted on "));
    EXPECT_THAT(line, testing::HasSubstr(" with fstype "));
  }
  EXPECT_EQ(devices, mounts);
}

TEST(ProcTest, MapsNameTheFileThatStatNames) {
  TempDir dir;
  WriteFile(dir / "file", std::string(8192, 'x'));
  const Fd fd = Open(dir / "file", O_RDONLY);
  void* const at = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd.get(), 4096);
  ASSERT_THAT(at, Succeeds());
  struct stat st = {};
  ASSERT_EQ(fstat(fd.get(), &st), 0);
  char wanted[64];
  snprintf(wanted, sizeof(wanted), " 00001000 %02x:%02x %lu ", major(st.st_dev), minor(st.st_dev),
           static_cast<unsigned long>(st.st_ino));
  bool found = false;
  for (const std::string& line : Lines(ReadFile("/proc/self/maps"))) {
    if (line.find(dir / "file") == std::string::npos) continue;
    found = true;
    EXPECT_THAT(line, testing::HasSubstr(wanted));
  }
  EXPECT_TRUE(found);
  munmap(at, 4096);
}

TEST(ProcTest, SmapsHasWhatPmapReads) {
  const std::string text = ReadFile("/proc/self/smaps");
  for (const char* field :
       {"Size:", "Rss:", "Pss:", "Shared_Clean:", "Private_Dirty:", "Anonymous:", "LazyFree:",
        "AnonHugePages:", "ShmemPmdMapped:", "Shared_Hugetlb:", "Private_Hugetlb:", "Swap:",
        "SwapPss:", "Locked:", "THPeligible:", "VmFlags:"}) {
    EXPECT_THAT(text, testing::HasSubstr(std::string("\n") + field));
  }
}

// The line of /proc/locks about a file, without its number.
std::vector<std::string> LocksOf(const Fd& fd) {
  struct stat st = {};
  EXPECT_EQ(fstat(fd.get(), &st), 0);
  char name[64];
  snprintf(name, sizeof(name), "%02x:%02x:%lu", major(st.st_dev), minor(st.st_dev),
           static_cast<unsigned long>(st.st_ino));
  std::vector<std::string> out;
  for (const std::string& line : Lines(ReadFile("/proc/locks"))) {
    const auto words = Words(line);
    if (words.size() < 8 || words[5] != name) continue;
    out.push_back(words[1] + " " + words[2] + " " + words[3] + " " + words[4] + " " + words[6] +
                  " " + words[7]);
  }
  return out;
}

TEST(ProcTest, Locks) {
  TempDir dir;
  const Fd fd = Open(dir / "file", O_RDWR | O_CREAT);
  EXPECT_THAT(LocksOf(fd), testing::IsEmpty());
  const std::string pid = std::to_string(getpid());
  ASSERT_THAT(flock(fd.get(), LOCK_SH), SucceedsWith(0));
  EXPECT_THAT(LocksOf(fd), testing::ElementsAre("FLOCK ADVISORY READ " + pid + " 0 EOF"));
  ASSERT_THAT(flock(fd.get(), LOCK_UN), SucceedsWith(0));
  struct flock range = {};
  range.l_type = F_WRLCK;
  range.l_start = 10;
  range.l_len = 20;
  ASSERT_THAT(fcntl(fd.get(), F_SETLK, &range), SucceedsWith(0));
  EXPECT_THAT(LocksOf(fd), testing::ElementsAre("POSIX ADVISORY WRITE " + pid + " 10 29"));
  range.l_type = F_UNLCK;
  ASSERT_THAT(fcntl(fd.get(), F_SETLK, &range), SucceedsWith(0));
  range.l_type = F_RDLCK;
  range.l_len = 0;
  ASSERT_THAT(fcntl(fd.get(), F_OFD_SETLK, &range), SucceedsWith(0));
  EXPECT_THAT(LocksOf(fd), testing::ElementsAre("OFDLCK ADVISORY READ -1 10 EOF"));
}

TEST(ProcTest, TablesWithHeaders) {
  EXPECT_EQ(ReadFile("/proc/slabinfo").rfind("slabinfo - version: 2.1\n# name ", 0), 0u);
  EXPECT_EQ(Words(Lines(ReadFile("/proc/interrupts")).at(0)).at(0), "CPU0");
}

TEST(ProcTest, NamespaceLinks) {
  for (const char* name : {"user", "pid", "mnt", "net", "ipc", "uts", "cgroup"}) {
    const std::string link = Link(std::string("/proc/self/ns/") + name);
    EXPECT_EQ(link.rfind(std::string(name) + ":[", 0), 0u) << link;
  }
  EXPECT_THAT(InChild([] {
                const std::string parent = Link(Proc(getppid(), "ns/pid"));
                EXPECT_EQ(Link("/proc/self/ns/pid"), parent);
              }),
              ExitedWith(0));
}

}  // namespace
}  // namespace cvisor::test
