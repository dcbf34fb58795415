// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "pkg/sentry/fs/proc/filesystem.h"

#include <linux/magic.h>

#include <charconv>

#include "absl/strings/str_format.h"
#include "pkg/sentry/fs/proc/internal.h"
#include "pkg/sentry/kernel/trace.h"

namespace cvisor::fs::proc {
namespace {

// Parses a number as /proc does: digits only, no leading zero.
pid_t ParsePid(std::string_view name) {
  if (name.empty() || name[0] == '0') return 0;
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
  return error == std::errc() && end == name.data() + name.size() && pid > 0 ? pid : 0;
}

class RootDir : public vfs::SyntheticDir {
 public:
  explicit RootDir(FileSystem& fs) : SyntheticDir(fs, 0555, 1) {}

  Result<Ref<vfs::Inode>> LookupDynamic(std::string_view name) override {
    const pid_t pid = ParsePid(name);
    if (pid == 0) return Errno::kENOENT;
    // Threads are found too, though only processes are listed.
    auto task = FindTask(proc(), pid);
    if (task == nullptr) return Errno::kENOENT;
    return NewTaskDir(proc(), std::move(task), /*thread=*/false);
  }

  void ListDynamic(uint64_t from, std::vector<DynamicEntry>* out) override {
    MutexLock lock(proc().kernel().task_mutex());
    for (ThreadGroup* tg : proc().pid_ns().ThreadGroups()) {
      const pid_t pid = tg->IdIn(proc().pid_ns());
      if (static_cast<uint64_t>(pid) < from) continue;
      out->push_back({.name = absl::StrFormat("%d", pid),
                      .key = static_cast<uint64_t>(pid),
                      .type = S_IFDIR,
                      .ino = vfs::SyntheticFileSystem::DynamicIno(pid, 0)});
    }
  }

 private:
  FileSystem& proc() const { return static_cast<FileSystem&>(synthetic_fs()); }
};

}  // namespace

FileSystem::FileSystem(kernel::Kernel& kernel, Ref<kernel::PidNamespace> pid_ns)
    : SyntheticFileSystem("proc", PROC_SUPER_MAGIC, /*cache_dentries=*/false),
      kernel_(kernel),
      pid_ns_(std::move(pid_ns)) {}

Ref<Task> FindTask(FileSystem& fs, pid_t tid) {
  MutexLock lock(fs.kernel().task_mutex());
  return Ref<Task>(fs.pid_ns().FindTask(tid));
}

std::string DisplayPath(const vfs::Path& path) {
  Task* current = Task::Current();
  if (current == nullptr || path.mount == nullptr) return path.dentry->name();
  const auto fs = current->FsRef();
  if (fs == nullptr) return path.dentry->name();
  return vfs::PathName(*fs->mount_namespace(), path, fs->root(), /*mark_unreachable=*/true);
}

Result<std::string> MagicLink::Target() {
  if (target_) return target_();
  ASSIGN_OR_RETURN(const vfs::Path path, follow_());
  return DisplayPath(path);
}

bool MayInspect(Task& target) {
  Task* current = Task::Current();
  return current == nullptr || kernel::Tracing::MayAccess(*current, target, /*fs_ids=*/true);
}

Ref<vfs::Inode> FileSystem::MakeRoot() {
  auto root = MakeRef<RootDir>(*this);
  root->Add("self", vfs::NewFunctionSymlink(*this, [this]() -> Result<std::string> {
              Task* t = Task::Current();
              const pid_t pid = t == nullptr ? 0 : t->tg().IdIn(pid_ns());
              if (pid == 0) return Errno::kENOENT;
              return absl::StrFormat("%d", pid);
            }));
  root->Add("thread-self", vfs::NewFunctionSymlink(*this, [this]() -> Result<std::string> {
              Task* t = Task::Current();
              const pid_t tid = t == nullptr ? 0 : t->TidIn(pid_ns());
              if (tid == 0) return Errno::kENOENT;
              return absl::StrFormat("%d/task/%d", t->tg().IdIn(pid_ns()), tid);
            }));
  root->Add("mounts", vfs::NewStaticSymlink(*this, "self/mounts"));
  root->Add("net", vfs::NewStaticSymlink(*this, "self/net"));
  root->Add("sys", NewSysDir(*this));
  root->Add("sysvipc", NewSysvipcDir(*this));
  AddSystemFiles(*this, *root);
  return root;
}

void RegisterProc(kernel::Kernel& kernel) {
  vfs::RegisterFileSystem(
      {.name = "proc",
       .make = [&kernel](const vfs::WalkContext&, std::string_view, unsigned long,
                         std::string_view) -> Result<Ref<vfs::FileSystem>> {
         Task* t = Task::Current();
         return Ref<vfs::FileSystem>(MakeRef<FileSystem>(
             kernel, t != nullptr ? Ref<kernel::PidNamespace>(&t->pid_ns()) : kernel.root_pid_ns()));
       },
       .nodev = true});
}

}  // namespace cvisor::fs::proc
