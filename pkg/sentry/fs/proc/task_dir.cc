// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// /proc/PID and /proc/PID/task/TID.

#include <sched.h>
#include <sys/prctl.h>

#include <charconv>
#include <sstream>

#include "absl/strings/str_format.h"
#include "pkg/sentry/fs/proc/internal.h"
#include "pkg/sentry/kernel/namespace_file.h"
#include "pkg/sentry/kernel/pidfd.h"
#include "pkg/sentry/kernel/time_namespace.h"
#include "pkg/sentry/resources/resources.h"
#include "pkg/sentry/vfs/vfs.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace cvisor::fs::proc {
namespace {

// Numbers of a task directory's entries, for stable inode numbers.
// clang-format off
enum Entry : uint64_t {
  kDir = 0, kFdDirReserved = 2, kFdInfoDirReserved = 3, kTask = 8, kFd, kFdInfo, kNs, kNet, kExe,
  kCwd, kRoot, kMem, kMaps, kSmaps, kRollup, kStat, kStatm, kStatus, kCmdline, kEnviron, kComm,
  kMounts, kMountInfo, kCgroup, kLimits, kAuxv, kOomScore, kOomScoreAdj, kPersonality, kSchedstat,
  kWchan, kSyscall, kLoginuid, kSessionid, kTimerslack, kChildren, kUidMap, kGidMap, kSetgroups,
  kMountStats, kCpuset, kOomAdj, kTimensOffsets,
  kNsFirst = 64,
};
// clang-format on

ino_t EntryIno(pid_t tid, uint64_t entry) {
  return vfs::SyntheticFileSystem::DynamicIno(static_cast<uint64_t>(tid), entry);
}

// Files of a task belong to its effective user, or to root when it is not dumpable.
template <typename Base>
class OwnedBy : public Base {
 public:
  template <typename... Args>
  OwnedBy(Ref<Task> task, Args&&... args)
      : Base(std::forward<Args>(args)...), task_(std::move(task)) {}
  uid_t uid() const override {
    const auto mm = task_->MmRef();
    return mm != nullptr && mm->dumpable.load() == 1 ? task_->creds()->euid : 0;
  }
  gid_t gid() const override {
    const auto mm = task_->MmRef();
    return mm != nullptr && mm->dumpable.load() == 1 ? task_->creds()->egid : 0;
  }

 protected:
  const Ref<Task> task_;
};

Result<std::string> ReadMemory(Task& t, uint64_t start, uint64_t end) {
  const auto mm = t.MmRef();
  if (mm == nullptr || end <= start || end - start > (4u << 20)) return std::string();
  std::string s(end - start, '\0');
  const auto n = mm->CopyInPartial(start, std::as_writable_bytes(std::span(s)));
  s.resize(n.ok() ? *n : 0);
  return s;
}

Result<std::string> Cmdline(Task& t) {
  const auto mm = t.MmRef();
  if (mm == nullptr) return std::string();
  const auto layout = mm->layout();
  ASSIGN_OR_RETURN(std::string s, ReadMemory(t, layout.arg_start, layout.arg_end));
  // A program that overwrote its arguments (setproctitle) may have run on into the environment.
  if (!s.empty() && s.back() != '\0') {
    ASSIGN_OR_RETURN(const std::string more, ReadMemory(t, layout.env_start, layout.env_end));
    s += more;
    s.resize(std::min(s.size(), s.find('\0')));
  }
  return s;
}

Result<std::string> Environ(Task& t) {
  const auto mm = t.MmRef();
  if (mm == nullptr) return std::string();
  const auto layout = mm->layout();
  return ReadMemory(t, layout.env_start, layout.env_end);
}

Result<std::string> Auxv(Task& t) {
  const auto mm = t.MmRef();
  if (mm == nullptr) return std::string();
  const auto auxv = mm->auxv();
  return std::string(reinterpret_cast<const char*>(auxv.data()), auxv.size() * sizeof(uint64_t));
}

Status SetComm(Task& t, std::string_view data) {
  Task* current = Task::Current();
  if (current == nullptr || &current->tg() != &t.tg()) return Errno::kEINVAL;
  if (!data.empty() && data.back() == '\n') data.remove_suffix(1);
  t.set_name(data);
  return OkStatus();
}

Result<int> ParseInt(std::string_view data) {
  while (!data.empty() && (data.back() == '\n' || data.back() == ' ')) data.remove_suffix(1);
  int value = 0;
  const auto [end, error] = std::from_chars(data.data(), data.data() + data.size(), value);
  if (error != std::errc() || end != data.data() + data.size()) return Errno::kEINVAL;
  return value;
}

Status SetOomScoreAdj(Task& t, std::string_view data) {
  ASSIGN_OR_RETURN(const int value, ParseInt(data));
  if (value < -1000 || value > 1000) return Errno::kEINVAL;
  Task* current = Task::Current();
  if (value < t.tg().oom_score_adj.load() && current != nullptr &&
      !current->HasCap(CAP_SYS_RESOURCE)) {
    return Errno::kEACCES;
  }
  t.tg().oom_score_adj.store(value);
  return OkStatus();
}

// The older scale of oom_score_adj, -17 to 15 (proc_pid_oom_adj(5)).
constexpr int kOomDisable = -17, kOomAdjMax = 15, kOomScoreAdjMax = 1000;

std::string OomAdj(Task& t) {
  const int score = t.tg().oom_score_adj.load();
  const int adj = score == kOomScoreAdjMax ? kOomAdjMax : score * -kOomDisable / kOomScoreAdjMax;
  return absl::StrFormat("%d\n", adj);
}

Status SetOomAdj(Task& t, std::string_view data) {
  ASSIGN_OR_RETURN(const int value, ParseInt(data));
  if (value < kOomDisable || value > kOomAdjMax) return Errno::kEINVAL;
  const int score = value == kOomAdjMax ? kOomScoreAdjMax : value * kOomScoreAdjMax / -kOomDisable;
  return SetOomScoreAdj(t, absl::StrFormat("%d", score));
}

std::string TimensOffsets(Task&) {
  return absl::StrFormat("%-10s %10d %9d\n%-10s %10d %9d\n", "monotonic", 0, 0, "boottime", 0, 0);
}

Status SetTimensOffsets(Task& t, std::string_view data) {
  const Ref<kernel::TimeNamespace> ns = t.TimeNsForChildren();
  const Task* writer = Task::Current();
  const UserNamespace& owner = ns == nullptr ? *UserNamespace::Root() : ns->user_ns();
  if (writer == nullptr || !writer->HasCapIn(owner, CAP_SYS_TIME)) return Errno::kEPERM;
  bool zero = true;
  std::istringstream lines{std::string(data)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string clock, rest;
    int64_t seconds, nanoseconds;
    if (!(words >> clock >> seconds >> nanoseconds) || words >> rest) return Errno::kEINVAL;
    if (clock != "monotonic" && clock != "boottime" && clock != "1" && clock != "7") {
      return Errno::kEINVAL;
    }
    if (nanoseconds < 0 || nanoseconds >= 1000000000) return Errno::kEINVAL;
    zero = zero && seconds == 0 && nanoseconds == 0;
  }
  if (ns == nullptr || ns->entered()) return Errno::kEACCES;
  return zero ? OkStatus() : Status(Errno::kERANGE);
}

std::string SyscallLine(Task& t) {
  const int64_t nr = t.current_syscall.load();
  return nr < 0 ? "running\n" : absl::StrFormat("%d\n", nr);
}

Result<vfs::Path> ExePath(Task& t) {
  if (!MayInspect(t)) return Errno::kEACCES;
  const auto mm = t.MmRef();
  if (mm == nullptr) return Errno::kENOENT;
  const auto file = RefCast<vfs::FileDescription>(mm->executable());
  if (file == nullptr) return Errno::kENOENT;
  return file->path();
}

// /proc/PID/mem: the process's memory at the file position.
class MemFile : public vfs::FileDescription {
 public:
  MemFile(const vfs::Path& path, int flags, Ref<mm::MemoryManager> mm)
      : FileDescription(path, flags), mm_(std::move(mm)) {}
  bool seekable() const override { return true; }
  Result<int64_t> Seek(int64_t offset, int whence) override {
    if (whence == SEEK_CUR) offset += position();
    if (whence != SEEK_SET && whence != SEEK_CUR) return Errno::kEINVAL;
    set_position(offset);  // addresses use the whole range
    return offset;
  }
  Result<size_t> Pread(IoSink& dst, uint64_t offset, vfs::IoFlags) override {
    return Transfer(
        dst.remaining(), offset,
        [&](std::span<std::byte> buffer, uint64_t at) -> Result<size_t> {
          auto n = mm_->as().ForceCopyIn(at, buffer);
          if (!n.ok()) return n;
          return dst.Write(buffer.first(*n));
        });
  }
  Result<size_t> Pwrite(IoSource& src, uint64_t offset, vfs::IoFlags) override {
    return Transfer(
        src.remaining(), offset,
        [&](std::span<std::byte> buffer, uint64_t at) -> Result<size_t> {
          ASSIGN_OR_RETURN(const size_t n, src.Read(buffer));
          return mm_->as().ForceCopyOut(at, buffer.first(n));
        });
  }

 private:
  template <typename Move>
  Result<size_t> Transfer(size_t length, uint64_t offset, Move move) {
    if (mm_->users() == 0) return 0;
    size_t done = 0;
    std::byte buffer[4096];
    while (done < length) {
      const size_t chunk = std::min(length - done, sizeof(buffer));
      const auto n = move(std::span(buffer, chunk), offset + done);
      if (!n.ok()) return done > 0 ? Result<size_t>(done) : Errno::kEIO;
      done += *n;
      if (*n < chunk) break;
    }
    return done;
  }
  const Ref<mm::MemoryManager> mm_;
};

class MemInodeBase : public vfs::SyntheticInode {
 public:
  MemInodeBase(FileSystem& fs, ino_t ino) : SyntheticInode(fs, S_IFREG | 0600, ino) {}
};

class MemInode : public OwnedBy<MemInodeBase> {
 public:
  MemInode(Ref<Task> task, FileSystem& fs)
      : OwnedBy<MemInodeBase>(task, fs, EntryIno(task->tid(), kMem)) {}
  Result<Ref<vfs::FileDescription>> Open(const vfs::Path& path, int flags,
                                         const Credentials&) override {
    if (!MayInspect(*task_)) return Errno::kEACCES;
    auto mm = task_->MmRef();
    if (mm == nullptr) return Errno::kESRCH;
    return Ref<vfs::FileDescription>(MakeRef<MemFile>(path, flags, std::move(mm)));
  }
};

class TaskDirBase : public vfs::SyntheticDir {
 public:
  TaskDirBase(FileSystem& fs, ino_t ino) : SyntheticDir(fs, 0555, ino) {}
};

// /proc/PID/task
class ThreadsDir : public OwnedBy<TaskDirBase> {
 public:
  ThreadsDir(Ref<Task> task, FileSystem& fs)
      : OwnedBy<TaskDirBase>(task, fs, EntryIno(task->tid(), kTask)), fs_(fs) {}
  Result<Ref<vfs::Inode>> LookupDynamic(std::string_view name) override {
    const auto tid = ParseInt(name);
    if (!tid.ok()) return Errno::kENOENT;
    auto found = FindTask(fs_, *tid);
    if (found == nullptr || &found->tg() != &task_->tg()) return Errno::kENOENT;
    return NewTaskDir(fs_, std::move(found), /*thread=*/true);
  }
  void ListDynamic(uint64_t from, std::vector<DynamicEntry>* out) override {
    MutexLock lock(fs_.kernel().task_mutex());
    std::vector<pid_t> tids;
    for (Task* t : task_->tg().tasks()) tids.push_back(t->TidIn(fs_.pid_ns()));
    std::sort(tids.begin(), tids.end());
    for (const pid_t tid : tids) {
      if (static_cast<uint64_t>(tid) < from) continue;
      out->push_back({.name = absl::StrFormat("%d", tid),
                      .key = static_cast<uint64_t>(tid),
                      .type = S_IFDIR,
                      .ino = EntryIno(tid, kDir)});
    }
  }

 private:
  FileSystem& fs_;
};

Ref<vfs::Inode> NewNsDir(FileSystem& fs, Ref<Task> task) {
  using kernel::NamespaceHandle;
  auto dir = MakeRef<vfs::SyntheticDir>(fs, 0511, EntryIno(task->tid(), kNs));
  uint64_t entry = kNsFirst;
  const auto add = [&](const char* name, std::function<Result<NamespaceHandle>(Task&)> find) {
    const auto find_checked = [task, find]() -> Result<NamespaceHandle> {
      if (!MayInspect(*task)) return Errno::kEACCES;
      return find(*task);
    };
    dir->Add(name, MakeRef<MagicLink>(
                       fs, EntryIno(task->tid(), entry++),
                       [find_checked]() -> Result<vfs::Path> {
                         ASSIGN_OR_RETURN(NamespaceHandle handle, find_checked());
                         return kernel::NamespacePath(std::move(handle));
                       },
                       [find_checked]() -> Result<std::string> {
                         ASSIGN_OR_RETURN(const NamespaceHandle handle, find_checked());
                         return handle.Name();
                       }));
  };
  const auto add_kind = [&](const char* name, int kind) {
    add(name, [kind](Task& t) { return kernel::NamespaceOf(t, kind); });
  };
  add_kind("cgroup", CLONE_NEWCGROUP);
  add_kind("ipc", CLONE_NEWIPC);
  add_kind("mnt", CLONE_NEWNS);
  add_kind("net", CLONE_NEWNET);
  add_kind("pid", CLONE_NEWPID);
  add("pid_for_children", [](Task& t) -> Result<NamespaceHandle> {
    return kernel::PidNamespaceForChildren(t);
  });
  add_kind("time", CLONE_NEWTIME);
  add("time_for_children",
      [](Task& t) -> Result<NamespaceHandle> { return kernel::TimeNamespaceForChildren(t); });
  add_kind("user", CLONE_NEWUSER);
  add_kind("uts", CLONE_NEWUTS);
  return dir;
}

// Plain files of a task directory: text made from the task.
struct FileSpec {
  const char* name;
  mode_t mode;
  Entry entry;
  std::string (*generate)(FileSystem& fs, Task& t, bool thread);
  Status (*store)(Task& t, std::string_view data) = nullptr;
  bool inspect = false;  // needs ptrace access
  // What an open file is, where that depends on when and by whom it was opened.
  Ref<vfs::SyntheticFile> (*bind)(FileSystem& fs, Task& t) = nullptr;
};

std::string OrEmpty(Result<std::string> r) { return r.ok() ? *std::move(r) : std::string(); }

std::string Children(FileSystem& fs, Task& t, bool) {
  std::string out;
  MutexLock lock(fs.kernel().task_mutex());
  for (ThreadGroup* child : t.tg().children()) {
    if (child->parent_task() == &t) out += absl::StrFormat("%d ", child->IdIn(fs.pid_ns()));
  }
  return out;
}

#define CVISOR_TEXT(expression) \
  [](FileSystem & fs, Task & t, bool thread) -> std::string { \
    static_cast<void>(fs), static_cast<void>(t), static_cast<void>(thread); \
    return expression; \
  }

constexpr FileSpec kFiles[] = {
    {"auxv", 0400, kAuxv, CVISOR_TEXT(OrEmpty(Auxv(t))), nullptr, true},
    {"cgroup", 0444, kCgroup, CVISOR_TEXT(SandboxResources().cgroup_v1
                                             ? "4:pids:/\n3:memory:/\n2:cpu,cpuacct:/\n1:cpuset:/\n"
                                             : "0::/\n")},
    {"cmdline", 0444, kCmdline, CVISOR_TEXT(OrEmpty(Cmdline(t)))},
    {"comm", 0644, kComm, CVISOR_TEXT(t.name() + "\n"), SetComm},
    {"cpuset", 0444, kCpuset, CVISOR_TEXT("/\n")},
    {"environ", 0400, kEnviron, CVISOR_TEXT(OrEmpty(Environ(t))), nullptr, true},
    {"gid_map", 0644, kGidMap, nullptr, nullptr, false, OpenGidMap},
    {"limits", 0444, kLimits, CVISOR_TEXT(Limits(t))},
    {"loginuid", 0644, kLoginuid, CVISOR_TEXT("4294967295")},
    {"maps", 0444, kMaps, CVISOR_TEXT(Maps(t)), nullptr, true},
    {"mountinfo", 0444, kMountInfo, CVISOR_TEXT(MountInfo(t))},
    {"mounts", 0444, kMounts, CVISOR_TEXT(Mounts(t))},
    {"mountstats", 0400, kMountStats, CVISOR_TEXT(MountStats(t)), nullptr, true},
    {"oom_adj", 0644, kOomAdj, CVISOR_TEXT(OomAdj(t)), SetOomAdj},
    {"oom_score", 0444, kOomScore,
     CVISOR_TEXT(absl::StrFormat("%d\n", std::max(0, 666 + t.tg().oom_score_adj.load() * 2 / 3)))},
    {"oom_score_adj", 0644, kOomScoreAdj,
     CVISOR_TEXT(absl::StrFormat("%d\n", t.tg().oom_score_adj.load())), SetOomScoreAdj},
    {"personality", 0400, kPersonality, CVISOR_TEXT(absl::StrFormat("%08x\n", t.personality))},
    {"schedstat", 0444, kSchedstat,
     CVISOR_TEXT(absl::StrFormat("%d 0 %d\n", t.UserTimeNs() + t.SystemTimeNs(),
                                 t.voluntary_switches.load()))},
    {"sessionid", 0444, kSessionid, CVISOR_TEXT("4294967295")},
    {"setgroups", 0644, kSetgroups, nullptr, nullptr, false, OpenSetgroups},
    {"smaps", 0444, kSmaps, CVISOR_TEXT(Smaps(t, /*rollup=*/false)), nullptr, true},
    {"smaps_rollup", 0444, kRollup, CVISOR_TEXT(Smaps(t, /*rollup=*/true)), nullptr, true},
    {"stat", 0444, kStat, CVISOR_TEXT(Stat(fs, t, thread))},
    {"statm", 0444, kStatm, CVISOR_TEXT(Statm(t))},
    {"status", 0444, kStatus, CVISOR_TEXT(StatusText(fs, t))},
    {"syscall", 0400, kSyscall, CVISOR_TEXT(SyscallLine(t)), nullptr, true},
    {"timens_offsets", 0644, kTimensOffsets, CVISOR_TEXT(TimensOffsets(t)), SetTimensOffsets},
    {"timerslack_ns", 0666, kTimerslack, CVISOR_TEXT(absl::StrFormat("%d\n", t.timer_slack_ns))},
    {"uid_map", 0644, kUidMap, nullptr, nullptr, false, OpenUidMap},
    {"wchan", 0444, kWchan, CVISOR_TEXT("0")},
};
constexpr FileSpec kThreadFiles[] = {{"children", 0444, kChildren, Children}};

#undef CVISOR_TEXT

// Everything that is not a plain file.
struct ObjectSpec {
  const char* name;
  mode_t type;
  Entry entry;
};
constexpr ObjectSpec kObjects[] = {
    {"cwd", S_IFLNK, kCwd}, {"exe", S_IFLNK, kExe},       {"fd", S_IFDIR, kFd},
    {"fdinfo", S_IFDIR, kFdInfo}, {"mem", S_IFREG, kMem}, {"net", S_IFDIR, kNet},
    {"ns", S_IFDIR, kNs},   {"root", S_IFLNK, kRoot},     {"task", S_IFDIR, kTask},
};

class TaskFileBase : public vfs::SyntheticFile {
 public:
  TaskFileBase(FileSystem& fs, const FileSpec& spec, pid_t tid)
      : SyntheticFile(fs, spec.mode, EntryIno(tid, spec.entry)) {}
};

class TaskFile : public OwnedBy<TaskFileBase> {
 public:
  TaskFile(Ref<Task> task, FileSystem& fs, const FileSpec& spec, bool thread)
      : OwnedBy<TaskFileBase>(task, fs, spec, task->tid()), fs_(fs), spec_(spec), thread_(thread) {}
  Result<std::string> Generate() override {
    if (spec_.inspect && !MayInspect(*task_)) return Errno::kEACCES;
    if (FindTask(fs_, task_->TidIn(fs_.pid_ns())) != task_) return Errno::kESRCH;
    return spec_.generate(fs_, *task_, thread_);
  }
  Status Store(std::string_view data) override {
    return spec_.store == nullptr ? Status(Errno::kEINVAL) : spec_.store(*task_, data);
  }
  Status CheckOpen(int, const Credentials&) override {
    return spec_.inspect && !MayInspect(*task_) ? Status(Errno::kEACCES) : OkStatus();
  }
  Result<Ref<vfs::FileDescription>> Open(const vfs::Path& path, int flags,
                                         const Credentials& creds) override {
    if (spec_.bind == nullptr) return TaskFileBase::Open(path, flags, creds);
    return spec_.bind(fs_, *task_)->Open(path, flags, creds);
  }

 private:
  FileSystem& fs_;
  const FileSpec& spec_;
  const bool thread_;
};

// cwd and root of another process are for those who may trace it.
Result<Ref<vfs::FsContext>> InspectFs(Task& t) {
  if (!MayInspect(t)) return Errno::kEACCES;
  auto context = t.FsRef();
  if (context == nullptr) return Errno::kENOENT;
  return context;
}

// Entries are made when they are looked up: a task directory itself costs next to nothing.
class TaskDir : public OwnedBy<TaskDirBase>, public kernel::ProcessInode {
 public:
  TaskDir(FileSystem& fs, Ref<Task> task, bool thread)
      : OwnedBy<TaskDirBase>(task, fs, EntryIno(task->tid(), kDir)), fs_(fs), thread_(thread) {}

  Ref<ThreadGroup> Process() const override {
    return thread_ ? nullptr : Ref<ThreadGroup>(&task_->tg());
  }

  Result<Ref<vfs::Inode>> LookupDynamic(std::string_view name) override {
    if (FindTask(fs_, task_->TidIn(fs_.pid_ns())) != task_) return Errno::kENOENT;
    for (const FileSpec& spec : kFiles) {
      if (name == spec.name) return NewFile(spec);
    }
    if (thread_) {
      for (const FileSpec& spec : kThreadFiles) {
        if (name == spec.name) return NewFile(spec);
      }
    }
    for (const ObjectSpec& spec : kObjects) {
      if (name == spec.name) return NewObject(spec.entry);
    }
    return Errno::kENOENT;
  }

  void ListDynamic(uint64_t from, std::vector<DynamicEntry>* out) override {
    std::vector<DynamicEntry> all;
    const auto add = [&](const char* name, mode_t type, Entry entry) {
      if (entry < from) return;
      all.push_back({.name = name, .key = entry, .type = type, .ino = EntryIno(task_->tid(), entry)});
    };
    for (const FileSpec& spec : kFiles) add(spec.name, S_IFREG, spec.entry);
    for (const ObjectSpec& spec : kObjects) {
      if (!(thread_ && spec.entry == kTask)) add(spec.name, spec.type, spec.entry);
    }
    if (thread_) {
      for (const FileSpec& spec : kThreadFiles) add(spec.name, S_IFREG, spec.entry);
    }
    std::sort(all.begin(), all.end(),
              [](const DynamicEntry& a, const DynamicEntry& b) { return a.key < b.key; });
    out->insert(out->end(), all.begin(), all.end());
  }

 private:
  Result<Ref<vfs::Inode>> NewFile(const FileSpec& spec) {
    return Ref<vfs::Inode>(MakeRef<TaskFile>(task_, fs_, spec, thread_));
  }

  Result<Ref<vfs::Inode>> NewObject(Entry entry) {
    const Ref<Task> task = task_;
    const ino_t ino = EntryIno(task->tid(), entry);
    switch (entry) {
      case kExe:
        return Ref<vfs::Inode>(MakeRef<MagicLink>(fs_, ino, [task] { return ExePath(*task); }));
      case kCwd:
        return Ref<vfs::Inode>(MakeRef<MagicLink>(fs_, ino, [task]() -> Result<vfs::Path> {
          ASSIGN_OR_RETURN(const auto context, InspectFs(*task));
          return context->cwd();
        }));
      case kRoot:
        return Ref<vfs::Inode>(MakeRef<MagicLink>(fs_, ino, [task]() -> Result<vfs::Path> {
          ASSIGN_OR_RETURN(const auto context, InspectFs(*task));
          return context->root();
        }));
      case kFd:
      case kFdInfo:
        return NewFdDir(fs_, task, entry == kFdInfo);
      case kMem:
        return Ref<vfs::Inode>(MakeRef<MemInode>(task, fs_));
      case kNet:
        return NewNetDir(fs_);
      case kNs:
        return NewNsDir(fs_, task);
      case kTask:
        if (thread_) return Errno::kENOENT;
        return Ref<vfs::Inode>(MakeRef<ThreadsDir>(task, fs_));
      default:
        return Errno::kENOENT;
    }
  }

  FileSystem& fs_;
  const bool thread_;
};

}  // namespace

Ref<vfs::Inode> NewTaskDir(FileSystem& fs, Ref<Task> task, bool thread) {
  return MakeRef<TaskDir>(fs, std::move(task), thread);
}

}  // namespace cvisor::fs::proc
